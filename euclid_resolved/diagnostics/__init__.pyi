from ._compare import compare_maps as compare_maps
from ._contract import (
    Diagnostic as Diagnostic,
    diagnose as diagnose,
    estimates as estimates,
    finish as finish,
    run_chain as run_chain,
)
from ._figures import (
    plot_importance as plot_importance,
    plot_lofo as plot_lofo,
    plot_rmzr as plot_rmzr,
    plot_shuffle as plot_shuffle,
)
from ._importance import (
    impurity_importance as impurity_importance,
    lofo as lofo,
)
from ._permutation import permutation_importance as permutation_importance
from ._profiles import radial_profiles as radial_profiles
from ._published import published as published, published_r2 as published_r2
from ._relation_fit import fit_relation as fit_relation
from ._relations import (
    PUBLISHED_RELATIONS as PUBLISHED_RELATIONS,
    Relation as Relation,
    read_relation as read_relation,
    write_relation as write_relation,
)
from ._rmzr import rmzr as rmzr, rmzr_shuffle as rmzr_shuffle
from ._robustness import (
    colour_recovery as colour_recovery,
    cross_validation as cross_validation,
    epistemic_scatter as epistemic_scatter,
    learning_curve as learning_curve,
    projections as projections,
    sample_bias as sample_bias,
)

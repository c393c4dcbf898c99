from ._hookspecs import (
    register_diagnostics as register_diagnostics,
    register_estimators as register_estimators,
    register_features as register_features,
    register_instruments as register_instruments,
    register_populations as register_populations,
    register_relations as register_relations,
)
from ._offers import (
    Plugin as Plugin,
    hookimpl as hookimpl,
)
from ._registry import (
    available as available,
    describe as describe,
    lookup as lookup,
    register as register,
    reload as reload,
    unregister as unregister,
)

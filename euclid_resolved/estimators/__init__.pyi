from ._baselines import (
    ColourMassToLight as ColourMassToLight,
    ConstantMassToLight as ConstantMassToLight,
    Mean as Mean,
    TwoColourTable as TwoColourTable,
)
from ._compiled import kernel as kernel
from ._contract import (
    Estimator as Estimator,
    check_positive as check_positive,
    check_whole as check_whole,
    check_X as check_X,
    check_X_y as check_X_y,
    state_array as state_array,
)
from ._ensemble import Ensemble as Ensemble
from ._forest import arrange as arrange
from ._linear import LinearRegression as LinearRegression
from ._scikit_learn import (
    ExtraTrees as ExtraTrees,
    GradientBoosting as GradientBoosting,
    MultiLayerPerceptron as MultiLayerPerceptron,
    Ridge as Ridge,
    SupportVector as SupportVector,
)
from ._trees import RandomForest as RandomForest, TreeEnsemble as TreeEnsemble

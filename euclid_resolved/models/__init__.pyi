from ._clip import DEFAULT_CLIP as DEFAULT_CLIP, MIN_SN as MIN_SN
from ._domain import Domain as Domain
from ._intervals import Interval as Interval
from ._metrics import (
    bias as bias,
    metrics as metrics,
    nmad as nmad,
    outlier_fraction as outlier_fraction,
    pearson as pearson,
    r2 as r2,
    rmse as rmse,
)
from ._model import Model as Model
from ._output import Output as Output

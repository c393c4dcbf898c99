from . import (
    cli as cli,
    diagnostics as diagnostics,
    errors as errors,
    estimators as estimators,
    features as features,
    images as images,
    imaging as imaging,
    io as io,
    maps as maps,
    mock as mock,
    models as models,
    plotting as plotting,
    plugins as plugins,
    study as study,
    survey as survey,
    testing as testing,
    training as training,
)
from .citation import __bibtex__ as __bibtex__, __citation__ as __citation__, __version__ as __version__
from .diagnostics import diagnose as diagnose, lofo as lofo
from .errors import (
    DataWarning as DataWarning,
    ImageFileError as ImageFileError,
    InputError as InputError,
    ModelFileError as ModelFileError,
    NotFittedError as NotFittedError,
    PluginError as PluginError,
    PluginWarning as PluginWarning,
)
from .estimators import (
    Ensemble as Ensemble,
    Estimator as Estimator,
    LinearRegression as LinearRegression,
    RandomForest as RandomForest,
)
from .features import FeatureTable as FeatureTable, make_features as make_features
from .images import (
    BANDS as BANDS,
    EUCLID_BANDS as EUCLID_BANDS,
    Band as Band,
    MultiBandImage as MultiBandImage,
)
from .imaging import observe_atlas as observe_atlas
from .io import read as read, read_atlas as read_atlas, read_euclid as read_euclid, write as write
from .maps import (
    PROPERTIES as PROPERTIES,
    SOLAR_METALLICITY as SOLAR_METALLICITY,
    Galaxy as Galaxy,
    Property as Property,
    Quality as Quality,
    SpatialMap as SpatialMap,
)
from .mock import MockSettings as MockSettings, make_atlas as make_atlas
from .models import Model as Model
from .plotting import quicklook as quicklook
from .survey import predict_many as predict_many, predict_tile as predict_tile
from .training import (
    calibrate as calibrate,
    evaluate as evaluate,
    folds as folds,
    retrain as retrain,
    split as split,
    train as train,
)

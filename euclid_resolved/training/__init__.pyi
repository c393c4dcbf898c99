from ._calibrate import (
    calibrate as calibrate,
    coverage as coverage,
    shared_variance as shared_variance,
)
from ._evaluate import estimate_pixels as estimate_pixels, evaluate as evaluate
from ._extract import extract as extract, pixels_of as pixels_of
from ._sample import Pixels as Pixels
from ._search import search as search
from ._splits import folds as folds, split as split
from ._train import retrain as retrain, train as train

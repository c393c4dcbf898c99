"""k nearest neighbours for euclid_resolved."""

from dataclasses import dataclass

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators import Estimator, check_whole, check_X, check_X_y, state_array
from euclid_resolved.plugins import hookimpl

_BLOCK = 2**13  # pixels whose neighbours are in memory at a time


@dataclass
class NearestNeighbours(Estimator):
    """The mean of the k training pixels with the most similar features, of at most `max_samples` kept."""

    k: int = 20
    max_samples: int = 100_000
    seed: int = 1

    def __post_init__(self):
        # A model file may ask for anything: so many neighbours of each pixel have room in memory.
        check_whole("k", self.k)
        if self.k > 1000:
            raise InputError(f"k must be at most 1000, got {self.k}")

    def fit(self, X, y, validation=None):
        X, y = check_X_y(X, y)
        rows = np.random.default_rng(self.seed).permutation(len(X))[: self.max_samples]
        return self.restore({"X": X[rows], "y": y[rows]})

    def predict(self, X):
        X = check_X(X, self._X.shape[1])
        neighbours = np.arange(1, min(self.k, len(self._y)) + 1)
        found = np.empty(len(X), np.float32)
        for start in range(0, len(X), _BLOCK):
            _, nearest = self._tree.query(X[start : start + _BLOCK], neighbours)
            found[start : start + _BLOCK] = self._y[nearest].mean(axis=1)
        return found

    def state(self):
        return {"X": self._X, "y": self._y}

    def restore(self, state):
        from scipy.spatial import cKDTree

        X, y = state_array(state, "X", 2).astype("f4"), state_array(state, "y", 1).astype("f4")
        if X.shape[1] < 1 or not 0 < len(X) == len(y):
            raise InputError(f"features {X.shape} and target {y.shape} do not fit together")
        self._X, self._y, self._tree = X, y, cKDTree(X)
        return self


@hookimpl
def register_estimators():
    return {"knn": NearestNeighbours}

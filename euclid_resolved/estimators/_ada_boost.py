"""AdaBoost, one of the algorithms that the paper tried before it chose (section 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from euclid_resolved._checks import check_positive, check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import check_X, check_X_y, state_array
from euclid_resolved.estimators._forest import pack, walk
from euclid_resolved.estimators._scikit_learn import sampled
from euclid_resolved.estimators._trees import TreeEnsemble

_BLOCK = 1 << 14  # pixels that all trees see at a time


@dataclass
class AdaBoost(TreeEnsemble):
    """Small trees, each grown on the pixels that those before it estimate worst; their weighted median.

    scikit-learn grows them (AdaBoost.R2 of Drucker 1997). The defaults are scikit-learn's.

    Parameters
    ----------
    n_trees : int
        The most trees.
    learning_rate : float
    max_depth : int
        Of a tree.
    max_samples : int
        The most pixels it learns from, a random sample.
    seed : int
    n_jobs : int
        Not used: trees are grown one after the other.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator="ada_boost")
    >>> bool(evaluate(model, galaxies[3:])["r2"][0] > 0.8)
    True
    """

    n_trees: int = 50
    learning_rate: float = 1.0
    max_depth: int = 3
    max_samples: int = 200_000
    seed: int = 1
    n_jobs: int = 1

    _boosted = True  # so that it has neither the scatter nor the parts of a forest

    def __post_init__(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        for name in ("n_trees", "max_depth", "max_samples"):
            check_whole(name, getattr(self, name))

    def work(self, n: int) -> float:
        """The pixels of all trees; see `Estimator.work`."""
        return float(self.n_trees * min(n, self.max_samples))

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Grow the trees; see `Estimator.fit`."""
        from sklearn.ensemble import AdaBoostRegressor
        from sklearn.tree import DecisionTreeRegressor

        X, y = sampled(*check_X_y(X, y), self.max_samples, self.seed)
        fitted = AdaBoostRegressor(
            DecisionTreeRegressor(max_depth=self.max_depth),
            n_estimators=self.n_trees,
            learning_rate=self.learning_rate,
            random_state=self.seed,
        ).fit(X, y)
        forest = pack([tree.tree_ for tree in fitted.estimators_])
        self._weights = np.asarray(fitted.estimator_weights_[: len(forest)], np.float64)
        return self._set(forest, X.shape[1], fitted.feature_importances_)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The weighted median of the trees; see `Estimator.predict`."""
        X = check_X(X, self._n_features)
        blocks = [self._median(X[start : start + _BLOCK]) for start in range(0, len(X), _BLOCK)]
        return np.concatenate(blocks) if blocks else np.empty(0, np.float32)

    def _median(self, X):
        found = np.stack([walk(X, *self._forest.tree(i)) for i in range(len(self._forest))], axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        below = np.cumsum(self._weights[order], axis=1)
        rows = np.arange(len(X))
        middle = np.argmax(below >= 0.5 * below[:, -1:], axis=1)
        return found[rows, order[rows, middle]].astype(np.float32)

    def state(self) -> dict[str, Any]:
        """The node arrays of the trees, their weights, and the importance."""
        return super().state() | {"weights": self._weights}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back the trees and their weights; see `Estimator.restore`."""
        weights = state_array(state, "weights", 1).astype(np.float64)
        super().restore(state)
        if len(weights) != len(self._forest) or not (weights >= 0).all() or not weights.sum() > 0:
            raise InputError(f"{len(weights)} weights do not fit {len(self._forest)} trees, or are negative")
        self._weights = weights
        return self

"""Estimators made of regression trees: what they share, and the random forest."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators import Estimator, check_X, check_X_y, state_array
from euclid_resolved.forest import Forest, check, pack, runner

__all__ = ["RandomForest", "TreeEnsemble"]

_BLOCK = 65536  # rows that are predicted at a time: the sums of a block stay in cache


class TreeEnsemble(Estimator):
    """Many regression trees, kept and run as node arrays: what forests and boosted trees share.

    A derived class is a dataclass with a setting ``n_jobs`` (threads; -1 takes every core), and its `fit`
    ends with ``return self._set(...)``. Trees of any library come in through
    `euclid_resolved.forest.arrange`.
    """

    _boosted = False  # whether the trees' values are added to an offset; a forest takes their mean

    def _parallel(self, function, items):
        """Yield results in the order of the items; an interrupt cancels what has not begun."""
        import os

        pool = ThreadPoolExecutor(os.cpu_count() if self.n_jobs < 0 else max(self.n_jobs, 1))
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _set(self, forest, n_features, importance, offset=0.0):
        self._forest, self._n_features, self._importance = forest, n_features, importance
        self._offset, self._run = float(offset), None
        return self

    def predict(self, X):
        """The mean of the trees, or the sum of boosted ones; see `Estimator.predict`."""
        X = check_X(X, self._n_features)
        self._runner()

        def combine(start):
            # Trees in their order, whatever the number of threads: the sum has the same last bit.
            block = X[start : start + _BLOCK]
            total = np.full(len(block), self._offset)
            for run in self._run:
                total += run(block)
            return (total if self._boosted else total / len(self._run)).astype(np.float32)

        blocks = list(self._parallel(combine, range(0, len(X), _BLOCK)))
        return np.concatenate(blocks) if blocks else np.empty(0, np.float32)

    def spread(self, X):
        """Scatter of the trees over the root of their number, a forest's error; see `Estimator.spread`."""
        if self._boosted or len(self._forest) < 2:
            return None
        X = check_X(X, self._n_features)
        mean, square = np.zeros(len(X)), np.zeros(len(X))
        for i, run in enumerate(self._runner()):
            y = run(X)
            change = y - mean
            mean += change / (i + 1)
            square += change * (y - mean)
        n = len(self._forest)
        return np.sqrt(square / (n - 1) / n).astype(np.float32)

    def _runner(self):
        if self._run is None:
            self._run = runner(self._forest, self._n_features)
        return self._run

    @property
    def feature_importance(self):
        """How much of the squared error the splits on each column remove, as a fraction of the sum."""
        return self._importance

    def state(self):
        """The node arrays of `~euclid_resolved.forest.Forest`, and the importance."""
        forest = self._forest
        return {
            "first": forest.first,
            "feature": forest.feature.astype(np.int8) if self._n_features < 128 else forest.feature,
            "right": forest.right,
            "value": forest.value,
            "importance": self._importance,
            **({"offset": self._offset} if self._boosted else {}),
        }

    def restore(self, state):
        """Take back the node arrays, checked so that no walk can crash or hang; see `Estimator.restore`."""
        importance = state_array(state, "importance", 1)
        forest = Forest(
            state_array(state, "first", 1, "iu").astype(np.int64),
            state_array(state, "feature", 1, "i").astype(np.int16),
            state_array(state, "right", 1, "i").astype(np.int32),
            state_array(state, "value", 1).astype(np.float32),
        )
        check(forest, len(importance))
        offset = state_array(state, "offset", 0) if self._boosted else 0.0
        return self._set(forest, len(importance), importance, offset)


@dataclass
class RandomForest(TreeEnsemble):
    """Random forest: the mean of regression trees, each grown on its own bootstrap sample of pixels.

    scikit-learn grows the trees (squared error, best splits); they are kept as compact arrays.

    Parameters
    ----------
    n_trees : int
    min_samples_leaf : int
        Fewest pixels in a leaf. Trees grown further are larger and no better.
    max_samples : int
        Most pixels a tree is grown on (the paper: 2,000,000).
    max_features : float
        The fraction of columns that is tried at a split.
    max_depth : int or None
        Deepest level of a tree.
    seed : int
        The same seed gives the same forest, whatever `n_jobs` is.
    n_jobs : int
        Threads; -1 takes every core.
    """

    n_trees: int = 100
    min_samples_leaf: int = 20
    max_samples: int = 2_000_000
    max_features: float = 1.0
    max_depth: int | None = None
    seed: int = 1
    n_jobs: int = -1

    def __post_init__(self):
        if self.n_trees < 1 or self.min_samples_leaf < 1 or self.max_samples < 1:
            raise InputError("n_trees, min_samples_leaf and max_samples must be at least 1")
        if not 0 < self.max_features <= 1:
            raise InputError(f"max_features is a fraction, above 0 and at most 1; got {self.max_features}")
        if self.max_depth is not None and self.max_depth < 1:
            raise InputError(f"max_depth must be at least 1, or None; got {self.max_depth}")

    def fit(self, X, y, validation=None):
        """Grow the trees; see `Estimator.fit`."""
        from tqdm import tqdm

        X, y = check_X_y(X, y)
        seeds = np.random.SeedSequence(self.seed).spawn(self.n_trees)
        trees = self._parallel(lambda seed: self._grow(X, y, seed), seeds)
        trees = list(
            tqdm(trees, total=self.n_trees, desc="growing trees", unit="tree", disable=None, leave=False)
        )
        importance = np.mean([tree.compute_feature_importances() for tree in trees], axis=0)
        return self._set(pack(trees), X.shape[1], importance)

    def _grow(self, X, y, seed):
        # The rows of the sample are gathered: scikit-learn's own forest keeps a weight for every pixel
        # of the training set, for every tree at work.
        rng = np.random.default_rng(seed)
        rows, times = self._sample(rng, len(X))
        tree = self._new_tree(
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            max_depth=self.max_depth,
            random_state=int(rng.integers(2**31)),
        )
        return tree.fit(X[rows], y[rows], sample_weight=times, check_input=False).tree_

    def _sample(self, rng, n):
        """The rows that a tree is grown on, and how often each counts."""
        return np.unique(rng.integers(n, size=min(n, self.max_samples)), return_counts=True)

    def _new_tree(self, **settings):
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(**settings)

"""Estimators made of regression trees: what they share, and the random forest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator, check_X, check_X_y, state_array
from euclid_resolved.estimators._forest import Forest, check, join, unpack
from euclid_resolved.estimators._histogram import grow
from euclid_resolved.estimators._side_by_side import stop_if_asked
from euclid_resolved.estimators._walk import FewPixelsWalk, few_pixels, make_walk
from euclid_resolved.estimators._workers import at_hand, thread_share

__all__ = ["RandomForest", "TreeEnsemble"]


_ENGINES = ("histogram", "scikit-learn")

_PARTS = 20  # smaller forests that one is taken apart into, at most
_BLOCKS = 2**14, 2**18  # fewest and most pixels that a thread runs at a time
_AHEAD = 2  # trees that lie ready or are grown, with their pixels, for each thread of the workers


class TreeEnsemble(Estimator):
    """Many regression trees, kept and run as node arrays: what forests and boosted trees share.

    A derived class is a dataclass with a setting ``n_jobs`` (threads; -1 takes every core), and its `fit`
    ends with ``return self._set(...)``. Trees of any library come in through
    `arrange`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from euclid_resolved.estimators import TreeEnsemble, arrange
    >>> @dataclass
    ... class Step(TreeEnsemble):
    ...     n_jobs: int = 1
    ...     def fit(self, X, y, validation=None):
    ...         low, high = np.mean(y[X[:, 0] <= 0.5]), np.mean(y[X[:, 0] > 0.5])
    ...         tree = [0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, low, high]
    ...         return self._set(arrange([tree]), X.shape[1], np.ones(1))
    >>> X = np.array([[0.0], [0.4], [1.0]], np.float32)
    >>> Step().fit(X, np.array([0.0, 0.5, 0.75])).predict(X)
    array([0.25, 0.25, 0.75], dtype=float32)
    """

    _boosted = False  # whether the trees' values are added to an offset; a forest takes their mean

    def _threads(self):
        if self.n_jobs < 0:  # on a worker that is its share, so that neighbours do not take each other's
            return thread_share() or os.cpu_count() or 1
        return max(self.n_jobs, 1)

    def _parallel(self, function, items):
        """Yield results in the order of the items; an interrupt cancels what has not begun."""
        pool = ThreadPoolExecutor(self._threads())
        try:
            for result in pool.map(function, items):
                stop_if_asked()
                yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _set(self, forest, n_features, importance, offset=0.0, nan=False):
        self._forest, self._n_features, self._importance = forest, n_features, importance
        self._offset, self._walk, self._nan = float(offset), None, bool(nan)
        # Whether some splits are on the negatives of columns; see `Forest`.
        self._negatives = self._nan and bool((forest.feature >= n_features).any())
        return self

    def _as_walked(self, X):
        """Columns as the walks of the trees take them, in which there is no NaN."""
        if not self._nan:
            return X
        if self._negatives:
            X = np.hstack([X, -X])
        missing = np.isnan(X)
        # Infinity goes right at every split, as NaN does.
        return np.where(missing, np.float32(np.inf), X) if missing.any() else X

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The mean of the trees, or the sum of boosted ones; see `Estimator.predict`."""
        X = check_X(X, self._n_features, nan=self._nan)

        def combine(walk, block):
            total = np.full(len(block), self._offset)
            walk.add(block, total)
            return (total if self._boosted else total / len(self._forest)).astype(np.float32)

        return self._in_blocks(combine, X)

    def spread(self, X: np.ndarray) -> np.ndarray | None:
        """Scatter of the trees over the root of their number, a forest's error; see `Estimator.spread`."""
        n = len(self._forest)
        if self._boosted or n < 2:
            return None
        X = check_X(X, self._n_features, nan=self._nan)

        def scatter(walk, block):
            mean, square = np.zeros(len(block)), np.zeros(len(block))
            walk.moments(block, mean, square)
            return np.sqrt(square / (n - 1) / n).astype(np.float32)

        return self._in_blocks(scatter, X)

    def parts(self) -> list[tuple[float, Estimator]] | None:
        """Forests of some of the trees each; see `Estimator.parts`."""
        trees = len(self._forest)
        if self._boosted or trees < 2:
            return None
        forest, found = self._forest, []
        stops = np.linspace(0, trees, min(_PARTS, trees) + 1).astype(int)
        for a, b in zip(stops[:-1], stops[1:], strict=True):
            nodes = slice(forest.first[a], forest.first[b])
            first = forest.first[a : b + 1] - forest.first[a]
            own = Forest(first, forest.feature[nodes], forest.right[nodes], forest.value[nodes])
            part = replace(self)._set(own, self._n_features, self._importance, nan=self._nan)
            found.append((float(b - a) / trees, part))
        return found

    def _in_blocks(self, function, X):
        walk = self._walk
        if walk is None and few_pixels(self._forest, len(X)):
            walk = FewPixelsWalk(self._forest)
        elif walk is None:
            columns = (
                [self._importance, np.zeros(self._n_features)] if self._negatives else [self._importance]
            )
            walk = self._walk = make_walk(self._forest, np.concatenate(columns))
        threads = self._threads()
        size = int(np.clip(len(X) // (4 * threads if threads > 1 else 1), *_BLOCKS))
        if len(X) <= size:  # starting a thread would take longer than a few pixels
            return function(walk, self._as_walked(X))
        blocks = (X[start : start + size] for start in range(0, len(X), size))
        return np.concatenate(
            list(self._parallel(lambda block: function(walk, self._as_walked(block)), blocks))
        )

    @property
    def feature_importance(self) -> np.ndarray | None:
        """How much of the squared error the splits on each column remove, as a fraction of the sum."""
        return self._importance

    def state(self) -> dict[str, Any]:
        """The node arrays of the trees, and the importance."""
        forest = self._forest
        return {
            "first": forest.first,
            "feature": forest.feature.astype(np.int8) if forest.feature.max() < 128 else forest.feature,
            "right": forest.right,
            "value": forest.value,
            "importance": self._importance,
            **({"offset": self._offset} if self._boosted else {}),
            **({"nan": True} if self._nan else {}),
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back the node arrays, checked so that no walk can crash or hang; see `Estimator.restore`."""
        importance = state_array(state, "importance", 1)
        forest = Forest(
            state_array(state, "first", 1, "iu").astype(np.int64),
            state_array(state, "feature", 1, "i").astype(np.int16),
            state_array(state, "right", 1, "i").astype(np.int32),
            state_array(state, "value", 1).astype(np.float32),
        )
        nan = state.get("nan", False)
        if not isinstance(nan, bool) or (nan and not self.accepts_nan):
            raise InputError(f"'nan' says whether features may be NaN, got {nan!r}")
        check(forest, len(importance) * (2 if nan else 1))
        offset = state_array(state, "offset", 0) if self._boosted else 0.0
        return self._set(forest, len(importance), importance, offset, nan)


@dataclass
class SampledTrees(TreeEnsemble):
    """Trees grown each on its own sample of pixels: what random forest and extra trees share.

    A derived class says how its pixels are drawn, and which tree of scikit-learn's learns from them. The
    settings mean what they mean in `~euclid_resolved.RandomForest`.

    Examples
    --------
    >>> from euclid_resolved import RandomForest
    >>> from euclid_resolved.estimators import ExtraTrees
    >>> from euclid_resolved.estimators._trees import SampledTrees
    >>> issubclass(RandomForest, SampledTrees), issubclass(ExtraTrees, SampledTrees)
    (True, True)
    """

    n_trees: int = 100
    min_samples_leaf: int = 20
    max_samples: int = 2_000_000
    max_features: float = 1.0
    max_depth: int | None = None
    seed: int = 1
    n_jobs: int = -1

    def __post_init__(self) -> None:
        for name in ("n_trees", "min_samples_leaf", "max_samples"):
            check_whole(name, getattr(self, name))
        if not isinstance(self.max_features, int | float) or not 0 < self.max_features <= 1:
            raise InputError(f"max_features is a fraction, above 0 and at most 1; got {self.max_features!r}")
        if self.max_depth is not None:
            check_whole("max_depth (or None)", self.max_depth)

    @property
    def threads(self) -> int:  # type: ignore[override]  # worked out where others keep a number
        """Those of `n_jobs`; see `Estimator.threads`."""
        return self._threads()

    def work(self, n: int) -> float:
        """The pixels of all trees; see `Estimator.work`."""
        return float(self.n_trees * min(n, self.max_samples))

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Grow the trees; see `Estimator.fit`."""
        X, y = check_X_y(X, y, nan=self.accepts_nan)
        ((forest, importance),) = self._grow_all(X, y[:, None])
        return self._set(forest, X.shape[1], importance, nan=np.isnan(X).any())

    def _grow_all(self, X, Y):
        """A forest and its importance for each column of Y; all share the splits."""
        from tqdm import tqdm

        missing = np.isnan(X).any(axis=0)
        seeds = np.random.SeedSequence(self.seed).spawn(self.n_trees)
        workers = at_hand()
        if workers is None:
            grown = enumerate(self._parallel(lambda seed: self._grow(X, Y, seed, missing), seeds))
        else:
            drawn = (self._drawn(X, Y, seed) for seed in seeds)
            grown = workers.spread(partial(_grow_there, replace(self), missing), drawn, ahead=_AHEAD)
        found: dict[int, Any] = {}
        for number, tree in tqdm(
            grown, total=self.n_trees, desc="growing trees", unit="tree", disable=None, leave=False
        ):
            if isinstance(tree, Exception):
                raise tree
            found[number] = tree
        trees = [found[number] for number in range(self.n_trees)]
        forests = join(trees)
        importance = np.mean([tree.importance for tree in trees], axis=0)
        return list(zip(forests, importance, strict=True))

    def _grow(self, X, Y, seed, missing):
        rng = np.random.default_rng(seed)
        return self._grow_on(X, Y, *self._sample(rng, len(X)), rng, missing)

    def _drawn(self, X, Y, seed):
        """What a tree is grown of elsewhere: its own pixels, how often each counts, what is left to draw."""
        rng = np.random.default_rng(seed)
        rows, times = self._sample(rng, len(X))
        return X[rows], Y[rows], np.arange(len(rows), dtype=rows.dtype), times, rng

    def _grow_on(self, X, Y, rows, times, rng, missing):
        # The rows of the sample are gathered: scikit-learn's own forest keeps a weight for every pixel
        # of the training set, for every tree at work.
        tree = self._new_tree(
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            max_depth=self.max_depth,
            random_state=int(rng.integers(2**31)),
        )
        return unpack(tree.fit(X[rows], Y[rows, 0], sample_weight=times, check_input=False).tree_)


def _grow_there(estimator, missing, drawn):
    """Grow one tree in a worker."""
    return estimator._grow_on(*drawn, missing)


@dataclass
class RandomForest(SampledTrees):
    """Random forest: the mean of regression trees, each grown on its own bootstrap sample of pixels.

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
    engine : str
        What grows the trees: ``"histogram"`` looks for splits between 2048
        bins of each column, ``"scikit-learn"`` between any two pixels, which takes some thirty times as
        long and is no more accurate.
    joint : bool
        Whether several properties share one set of trees, whose splits lower the squared errors of all of
        them together, each over its variance. This takes little longer than one property alone.

    Examples
    --------
    >>> from euclid_resolved import RandomForest, evaluate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", RandomForest(n_trees=5, n_jobs=1, joint=True))
    >>> bool(evaluate(model, galaxies[3:])["r2"][0] > 0.9)
    True
    """

    engine: str = "histogram"
    joint: bool = False

    @property
    def accepts_nan(self) -> bool:  # type: ignore[override]  # depends on a setting
        """Whether it is grown by histograms; see `Estimator.accepts_nan`."""
        return self.engine == "histogram"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.engine not in _ENGINES:
            raise InputError(f"engine must be one of {', '.join(_ENGINES)}; got {self.engine!r}")
        if self.joint and self.engine != "histogram":
            raise InputError("only engine='histogram' can grow trees for several properties (joint=True)")

    def fit_together(
        self, X: np.ndarray, Y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> list[Self]:
        """Grow one set of trees for all targets if `joint` says so; see `Estimator.fit_together`."""
        if not self.joint:
            return super().fit_together(X, Y, validation)
        Y = np.asarray(Y)
        if Y.ndim != 2 or not Y.shape[1]:
            raise InputError(f"the targets must have shape (pixels, targets), got {Y.shape}")
        X, Y = check_X(X, nan=self.accepts_nan), np.ascontiguousarray(Y, dtype=np.float32)
        for y in Y.T:
            check_X_y(X, y, nan=self.accepts_nan)
        n, nan = X.shape[1], np.isnan(X).any()
        return [replace(self)._set(forest, n, mine, nan=nan) for forest, mine in self._grow_all(X, Y)]

    def _grow_on(self, X, Y, rows, times, rng, missing):
        if self.engine == "scikit-learn":
            return super()._grow_on(X, Y, rows, times, rng, missing)
        return grow(
            X, Y, rows, times, rng,
            min_samples_leaf=self.min_samples_leaf, max_features=self.max_features, max_depth=self.max_depth,
            missing=missing,
        )  # fmt: skip

    def _sample(self, rng, n):
        """The rows that a tree is grown on, and how often each counts."""
        small = np.uint32 if n <= 2**32 else np.int64
        return np.unique(rng.integers(n, size=min(n, self.max_samples), dtype=small), return_counts=True)

    def _new_tree(self, **settings):
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(**settings)

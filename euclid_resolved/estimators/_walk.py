"""Run forests: compiled where it pays, with NumPy where there are few pixels, always with the same result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.estimators._forest import runner

if TYPE_CHECKING:
    from euclid_resolved.estimators._forest import Forest

_FEW = 2**14  # pixels times trees, up to which NumPy is done before compiled code is loaded
# From so many pixels and trees on it pays to sort the pixels first.
_SORTED, _SORTED_TREES = 1024, 8
_DENSE = 1  # pixels for each node of a tree, from which on they go in bundles


class _TreeByTree:
    """A walk that gives the values of one tree after the other."""

    def _trees(self, X: np.ndarray) -> Iterable[np.ndarray]:
        raise NotImplementedError

    def add(self, X: np.ndarray, total: np.ndarray) -> None:
        """Add the trees' values to `total`; see `CompiledWalk.add`."""
        for y in self._trees(X):
            total += y

    def moments(self, X: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        """Mean and squares of the trees' values; see `CompiledWalk.moments`."""
        for i, y in enumerate(self._trees(X)):
            change = y - mean
            mean += change / (i + 1)
            square += change * (y - mean)


class FewPixelsWalk(_TreeByTree):
    """All trees at once by NumPy: ready at once, and fastest for a handful of pixels.

    Parameters
    ----------
    forest : `Forest`
        Checked.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import arrange
    >>> from euclid_resolved.estimators._walk import FewPixelsWalk
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.25, 0.75])] * 2)
    >>> total = np.zeros(2)
    >>> FewPixelsWalk(forest).add(np.array([[0.2], [0.7]], np.float32), total)
    >>> total  # of two equal trees
    array([0.5, 1.5])
    """

    def __init__(self, forest: Forest) -> None:
        self._forest = forest

    def _trees(self, X):
        forest = self._forest
        root = np.repeat(forest.first[:-1], len(X))
        pixel = np.tile(np.arange(len(X)), len(forest))
        node = root.copy()
        active = np.arange(len(node))
        while active.size:
            at = node[active]
            column = forest.feature[at]
            inner = column >= 0
            active, at, column = active[inner], at[inner], column[inner]
            left = X[pixel[active], column] <= forest.value[at]
            node[active] = np.where(left, at + 1, root[active] + forest.right[at])
        return forest.value[node].reshape(len(forest), len(X)).astype(np.float64)


class RunnerWalk(_TreeByTree):
    """The trees as scikit-learn's own objects, or by NumPy: slower, but needs no Numba.

    Parameters
    ----------
    forest : `Forest`
        Checked.
    n_features : int

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import arrange
    >>> from euclid_resolved.estimators._walk import RunnerWalk
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.25, 0.75])] * 2)
    >>> total = np.zeros(2)
    >>> RunnerWalk(forest, 1).add(np.array([[0.2], [0.7]], np.float32), total)
    >>> total  # of two equal trees
    array([0.5, 1.5])
    """

    def __init__(self, forest: Forest, n_features: int) -> None:
        self._runs = runner(forest, n_features)

    def _trees(self, X):
        return (run(X) for run in self._runs)


class CompiledWalk:
    """A forest as compact nodes of 8 bytes, run by compiled code.

    Pixels are sorted along a space-filling curve through the columns that matter most, so that neighbours
    take the same way; eight are walked at a time, or bundles of 64 where the processor can and they pay.

    Parameters
    ----------
    forest : `Forest`
        Checked: nothing is checked here.
    importance : `~numpy.ndarray`
        Of each column.

    Raises
    ------
    ImportError
        If there is no Numba.
    OverflowError
        If a tree is too large for nodes of this size: more than 2^30 nodes over the number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import arrange
    >>> from euclid_resolved.estimators._walk import CompiledWalk
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.25, 0.75])] * 2)
    >>> total = np.zeros(2)
    >>> CompiledWalk(forest, np.ones(1)).add(np.array([[0.2], [0.7]], np.float32), total)
    >>> total  # of two equal trees
    array([0.5, 1.5])
    """

    def __init__(self, forest: Forest, importance: np.ndarray) -> None:
        from euclid_resolved.estimators import _bundles as bundles, _walking as walking

        self._code, self._bundles = walking, bundles if bundles.at_hand() else None
        self._columns = np.argsort(-importance, kind="stable")[:4]
        self._bits = max(int(len(importance) - 1).bit_length(), 1)
        # Bundles pay where pixels are so dense that those of one mostly go the same way.
        self._fewest = _DENSE * len(forest.feature) / len(forest)
        self._first = 2 * forest.first[:-1]
        self._nodes = np.empty((len(forest.feature), 2), np.uint32)
        for i in range(len(forest)):
            self._fill(self._nodes[forest.first[i] : forest.first[i + 1]], *forest.tree(i))

    def _fill(self, nodes, feature, right, value):
        way = 2 * (right.astype(np.int64) - np.arange(len(right)))
        link = np.where(feature < 0, 0, way << self._bits | feature)
        if link.max() >= 2**32:
            raise OverflowError(f"a tree has {len(right)} nodes")
        nodes[:, 0] = link
        nodes[:, 1] = value.view(np.uint32)

    def add(self, X: np.ndarray, total: np.ndarray) -> None:
        """Add the trees' values to `total`, tree by tree in their order.

        Parameters
        ----------
        X : `~numpy.ndarray`
            float32, shape (n, k), finite, C-contiguous.
        total : `~numpy.ndarray`
            float64, shape (n,); changed.
        """
        self._run(X, total, None)

    def moments(self, X: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        """The mean of the trees' values, and the sum of squares about it.

        Parameters
        ----------
        X : `~numpy.ndarray`
            float32, shape (n, k), finite, C-contiguous.
        mean, square : `~numpy.ndarray`
            float64, shape (n,), zeros; changed.
        """
        self._run(X, mean, square)

    def _run(self, X, total, square):
        links, nothing = self._nodes.reshape(-1), np.empty(0)
        arguments = links, links.view(np.float32), self._first, self._bits
        bundled = self._bundles is not None and len(X) >= self._fewest
        if not X.flags.writeable:  # another type to Numba, for which it would compile once more
            X = X.copy()
        if not bundled and (len(X) < _SORTED or len(self._first) < _SORTED_TREES):
            self._code.run(*arguments, X, total, nothing if square is None else square)
            return
        order = self._order(X)
        mine = total[order]
        squares = nothing if square is None else square[order]
        if bundled:
            width = self._bundles.WIDTH
            arranged = np.empty((-(-len(X) // width), X.shape[1], width), np.float32)
            self._bundles.bundle(X, order, arranged)
            self._bundles.run_bundles(*arguments, arranged, mine, squares)
        else:
            self._code.run(*arguments, X[order], mine, squares)
        total[order] = mine
        if square is not None:
            square[order] = squares

    def _order(self, X):
        keys = np.empty(len(X), np.uint32)
        self._code.morton(X, self._columns, keys)
        return self._code.ranked(keys)


def few_pixels(forest: Forest, n: int) -> bool:
    """Whether so few pixels are to be run that `FewPixelsWalk` is done first.

    Parameters
    ----------
    forest : `Forest`
    n : int

    Returns
    -------
    few : bool

    Examples
    --------
    >>> from euclid_resolved.estimators._forest import arrange
    >>> from euclid_resolved.estimators._walk import few_pixels
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.25, 0.75])])
    >>> few_pixels(forest, 1), few_pixels(forest, 10_000_000)
    (True, False)
    """
    return n * len(forest) <= _FEW


def make_walk(forest: Forest, importance: np.ndarray) -> CompiledWalk | RunnerWalk:
    """The fastest walk at hand for many pixels.

    Parameters
    ----------
    forest : `Forest`
        Checked.
    importance : `~numpy.ndarray`
        Of each column.

    Returns
    -------
    walk : `CompiledWalk` or `RunnerWalk`
        A model opens and runs without Numba too, only slower.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import arrange
    >>> from euclid_resolved.estimators._walk import make_walk
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.25, 0.75])])
    >>> total = np.zeros(1)
    >>> make_walk(forest, np.ones(1)).add(np.array([[0.7]], np.float32), total)
    >>> total
    array([0.75])
    """
    try:
        return CompiledWalk(forest, importance)
    except (ImportError, OverflowError):
        return RunnerWalk(forest, len(importance))

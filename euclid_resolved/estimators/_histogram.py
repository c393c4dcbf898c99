"""Grow regression trees on binned columns, some thirty times faster than on sorted ones."""

from __future__ import annotations

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators._forest import LARGEST, Tree

BINS = 2048
_LOOK = 65536  # rows of its sample that a tree's bins are made from
_CELLS = 4 * BINS  # equal cells a column, in which the search for a value's bin begins


def bin_edges(values: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Where to divide a column into bins: half of them of equal number, half of equal width.

    Bins of equal number alone would leave the rarest pixels, the bright centres of galaxies, in one bin.

    Parameters
    ----------
    values : `~numpy.ndarray`
        float32, shape (n,), finite.
    bins : int, optional
        The most bins.

    Returns
    -------
    edges : `~numpy.ndarray`
        float32, increasing, shape (at most bins - 1,): halfway between two neighbouring values, rounded so
        that ``x <= edge`` tells them apart. With no more values than bins, one edge between any two.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._histogram import bin_edges
    >>> edges = bin_edges(np.linspace(0, 1, 1001, dtype=np.float32), bins=8)
    >>> bool((np.diff(edges) > 0).all())
    True
    """
    values, times = np.unique(values, return_counts=True)
    at = np.arange(len(values) - 1)
    if len(values) > bins:
        wide = values.astype(np.float64)
        place = np.cumsum(times) / times.sum() + (wide - wide[0]) / (wide[-1] - wide[0])
        at = np.searchsorted(place, np.linspace(0, 2, bins + 1)[1:-1])
        at = np.unique(np.minimum(at, len(values) - 2))
    low, high = values[at], values[at + 1]
    middle = ((low.astype(np.float64) + high) / 2).astype(np.float32)
    return np.where(middle < high, middle, low)


def grow(
    X: np.ndarray,
    Y: np.ndarray,
    rows: np.ndarray,
    times: np.ndarray,
    rng: np.random.Generator,
    *,
    min_samples_leaf: int = 20,
    max_features: float = 1.0,
    max_depth: int | None = None,
    bins: int = BINS,
    missing: np.ndarray | None = None,
) -> Tree:
    """Grow a tree on a sample of rows by the largest fall of the squared error.

    Every tree has bins of its own, made from its own sample: nothing of the length of the data is kept, and
    the thresholds of a forest lie far closer together than those of a tree. Several targets are fitted in
    one tree; each counts by its squared error over its variance.

    Parameters
    ----------
    X : `~numpy.ndarray`
        float32, shape (n, k), finite or NaN, C-contiguous.
    Y : `~numpy.ndarray`
        float32, shape (n, targets), finite.
    rows, times : `~numpy.ndarray`
        The sample, and how often each row was drawn.
    rng : `numpy.random.Generator`
    min_samples_leaf : int, optional
        Fewest different rows in a leaf.
    max_features : float, optional
        The fraction of columns that is tried at a split; more where none of these can be split.
    max_depth : int, optional
    bins : int, optional
        The most bins of a column, 2 to 65535.
    missing : `~numpy.ndarray` of bool, optional
        In which columns there is NaN; in none without it. NaN has a bin of its own, the last one: it goes
        right at every split, and one split can be between all numbers and NaN.

    Returns
    -------
    tree : `Tree`

    Raises
    ------
    InputError
        If Numba, which compiles the loops, cannot be imported.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._histogram import grow
    >>> rng = np.random.default_rng(1)
    >>> X = rng.random((2000, 2)).astype(np.float32)
    >>> Y = X[:, :1] ** 2  # the second column says nothing
    >>> tree = grow(X, Y, np.arange(2000), np.ones(2000), rng)
    >>> tree.importance[0].round(1)
    array([1., 0.])
    """
    try:
        from euclid_resolved.estimators import _growing as growing
    except ImportError as error:
        raise InputError(
            f"growing a forest by histograms needs Numba ({error}): pip install numba, or take "
            "engine='scikit-learn', which is slower"
        ) from error
    (n_columns, n_targets), n = (X.shape[1], Y.shape[1]), len(rows)
    look = rows if n <= _LOOK else rows[rng.integers(n, size=_LOOK)]
    missing = np.zeros(n_columns, bool) if missing is None else missing
    known = (
        column[~np.isnan(column)] if nan else column for column, nan in zip(X[look].T, missing, strict=True)
    )
    edges, *cells = _tables([bin_edges(column, bins) for column in known], missing)
    packed = np.zeros((n, -(-n_columns // 4) + (n_targets + 2) // 2), np.uint64)
    codes, targets, draws = packed.view(np.uint16), packed.view(np.float32), packed.view(np.uint32)
    n_codes = np.isfinite(edges).sum(axis=1) + 1
    growing.encode(X, rows, edges, *cells, n_codes, codes)
    at = 2 * -(-n_columns // 4)
    targets[:, at : at + n_targets] = Y[rows]
    draws[:, at + n_targets] = times
    variance = targets[:, at : at + n_targets].var(axis=0, dtype=np.float64)
    scale = tuple(float(1 / v) if v > 0 else 0.0 for v in variance)
    size = 2 * max(n // min_samples_leaf, 1) - 1
    feature, right = np.empty(size, np.int16), np.empty(size, np.int32)
    code, value = np.empty(size, np.uint16), np.empty((size, n_targets), np.float32)
    gain = np.zeros((n_targets, n_columns))
    size = growing.grow(
        packed, codes, targets, draws, n_codes, missing, scale, min(min_samples_leaf, n),
        max(int(max_features * n_columns), 1), 2**31 if max_depth is None else max_depth,
        int(rng.integers(2**31)), feature, right, code, value, gain,
    )  # fmt: skip
    feature, right = feature[:size].copy(), right[:size].copy()
    code, value = code[:size].copy(), value[:size].copy()
    inner = feature >= 0
    value[inner] = edges[feature[inner], code[inner]][:, None]
    total = gain.sum(axis=1, keepdims=True)
    return Tree(feature, right, value, np.divide(gain, total, out=np.zeros_like(gain), where=total > 0))


def _tables(edges, missing):
    """The edges of all columns, filled up with infinity, and where to begin a search in them."""
    table = np.full((len(edges), max(map(len, edges)) + 1), np.inf, np.float32)
    first = np.zeros((len(edges), _CELLS + 1), np.int32)
    low, per_cell = np.zeros(len(edges)), np.zeros(len(edges))
    for f, mine in enumerate(edges):
        table[f, : len(mine)] = mine
        if missing[f]:
            table[f, len(mine)] = LARGEST  # between all numbers and NaN
        if not len(mine):
            continue
        wide = mine.astype(np.float64)
        low[f] = wide[0]
        per_cell[f] = _CELLS / (wide[-1] - wide[0]) if len(mine) > 1 else 0.0
        cell = np.clip((wide - low[f]) * per_cell[f], 0, _CELLS - 1).astype(int)
        first[f] = np.searchsorted(cell, np.arange(_CELLS + 1))
    return table, first, low, per_cell

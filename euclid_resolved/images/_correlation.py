"""What steps that mix pixels do to the correlation of their noise; arrays as in `_noise_record`."""

from __future__ import annotations

import numpy as np

_REST = 0.01  # of the sum of a correlation may lie outside the array that is kept
_SAMPLES = 256  # pixels at which an interpolation is looked at


def after_convolution(correlation: np.ndarray, kernel: np.ndarray) -> tuple[np.ndarray, float]:
    """The correlation after a convolution, and what it makes of the variance.

    Parameters
    ----------
    correlation, kernel : `~numpy.ndarray`
        2-D, both sides odd.

    Returns
    -------
    correlation : `~numpy.ndarray`
    growth : float
        The variance of a pixel over that which independent pixels would give it, sum(kernel^2 sigma^2).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._correlation import after_convolution
    >>> after_convolution(np.ones((1, 1)), np.full((3, 3), 1 / 9))[0][2].round(2)  # along the middle row
    array([0.33, 0.67, 1.  , 0.67, 0.33])
    """
    from scipy.signal import fftconvolve

    covariance = fftconvolve(fftconvolve(kernel, kernel[::-1, ::-1]), correlation)
    variance = covariance[tuple(n // 2 for n in covariance.shape)]
    return _trimmed(covariance / variance), float(variance / np.sum(kernel**2))


def after_averaging(
    correlation: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, float]:
    """The correlation of averages of pixels, and by how much their noise exceeds that of independent ones.

    Parameters
    ----------
    correlation : `~numpy.ndarray`
    rows, columns : `~numpy.ndarray`
        How much of each old pixel lies in each new one, along either axis, shape (new, old).

    Returns
    -------
    correlation : `~numpy.ndarray`
        Of the new pixels.
    growth : float
        Of the standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._correlation import after_averaging
    >>> pairs = np.kron(np.eye(20), np.ones(2))  # averages of two by two pixels
    >>> neighbours = np.array([[0.0, 0.0, 0.0], [0.5, 1.0, 0.5], [0.0, 0.0, 0.0]])
    >>> new, growth = after_averaging(neighbours, pairs, pairs)
    >>> print(f"variance {growth**2:.2f} of that of independent pixels, neighbours {new[1, 2]:.3f}")
    variance 1.50 of that of independent pixels, neighbours 0.167
    """
    half = [n // 2 for n in correlation.shape]
    along = [_shared(matrix, reach) for matrix, reach in zip((rows, columns), half, strict=True)]
    covariance = along[0] @ correlation @ along[1].T
    centre = [n // 2 for n in covariance.shape]
    own = along[0][centre[0], half[0]] * along[1][centre[1], half[1]]
    variance = max(covariance[tuple(centre)], 1e-12 * own)
    return _trimmed(covariance / variance), float(np.sqrt(variance / own))


def _shared(matrix, reach):
    """The mean over new pixels k of sum_p w_k(p) w_(k+D)(p+d), shape (offsets D, offsets d)."""
    matrix = np.asarray(matrix, float)
    if len(matrix) > 60:  # the middle is like all of it
        start = len(matrix) // 2 - 30
        matrix = matrix[start : start + 60]
        used = np.flatnonzero(matrix.any(axis=0))
        matrix = matrix[:, used[0] : used[-1] + 1]
    width = max(float(matrix.sum(axis=1).max()), 1.0)
    most = min(int(np.ceil(reach / width)) + 1, len(matrix) - 1)
    padded = np.pad(matrix, [(0, 0), (reach, reach)])
    n = matrix.shape[1]
    result = np.zeros((2 * most + 1, 2 * reach + 1))
    for new in range(most + 1):
        for old in range(-reach, reach + 1):
            shifted = padded[new:, reach + old : reach + old + n]
            value = np.sum(matrix[: len(matrix) - new] * shifted) / (len(matrix) - new)
            result[most + new, reach + old] = result[most - new, reach - old] = value
    return result


def after_interpolation(
    correlation: np.ndarray, y: np.ndarray, x: np.ndarray, jacobian: np.ndarray
) -> np.ndarray:
    """The correlation of pixels that were interpolated bilinearly.

    Parameters
    ----------
    correlation : `~numpy.ndarray`
        Of the old pixels.
    y, x : `~numpy.ndarray`
        Where new pixels lie among the old, shape (n,): some of them, spread over the image.
    jacobian : `~numpy.ndarray`
        Shape (2, 2): by how much (y, x) changes from a new pixel to the next, a column an axis.

    Returns
    -------
    correlation : `~numpy.ndarray`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._correlation import after_interpolation
    >>> half = np.full(9, 4.5)  # everywhere the mean of four pixels
    >>> after_interpolation(np.ones((1, 1)), half, half, np.eye(2))
    array([[0.25, 0.5 , 0.25],
           [0.5 , 1.  , 0.5 ],
           [0.25, 0.5 , 0.25]])
    """
    half = max(n // 2 for n in correlation.shape)
    finest = max(np.linalg.svd(jacobian, compute_uv=False)[-1], 1e-3)
    reach = min(int(np.ceil((2 + half) / finest)), 60)
    side = 2 * reach + 1
    samples = int(np.clip(4e6 / 16 / side**2, 9, _SAMPLES))
    which = np.random.default_rng(1).permutation(len(y))[:samples]
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    moved = jacobian @ offsets
    covariance, variance = np.zeros(side**2), 0.0
    for row, column in zip(np.asarray(y)[which], np.asarray(x)[which], strict=True):
        here = _neighbours(np.array([row]), np.array([column]))
        there = _neighbours(row + moved[0], column + moved[1])
        covariance += _covariance(correlation, here, there)
        variance += _covariance(correlation, here, here)[0]
    covariance = covariance.reshape(side, side) / variance
    # An offset and its opposite are the same pair of pixels.
    covariance = (covariance + covariance[::-1, ::-1]) / 2
    return _trimmed(covariance / covariance[reach, reach])


def interpolated_variance(
    sigma: np.ndarray, correlation: np.ndarray, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """The variance of pixels that are interpolated bilinearly among others.

    Parameters
    ----------
    sigma : `~numpy.ndarray`
        Of the old pixels; those that do not count are 0.
    correlation : `~numpy.ndarray`
    y, x : `~numpy.ndarray`
        Where the new pixels lie among the old.

    Returns
    -------
    variance : `~numpy.ndarray`
        NaN where a place is.
    """
    unknown = ~(np.isfinite(y) & np.isfinite(x))
    # Beyond the last centres a pixel goes on as it is.
    y, x = (np.clip(np.where(unknown, 0, v), 0, n - 1) for v, n in zip((y, x), sigma.shape, strict=True))
    parts = []
    for rows, columns, weights in _neighbours(y, x):
        inside = np.minimum(rows, sigma.shape[0] - 1), np.minimum(columns, sigma.shape[1] - 1)
        parts.append((rows, columns, weights * sigma[inside]))
    variance = np.clip(_covariance(correlation, parts, parts), 0, None)
    return np.where(unknown, np.nan, variance)


def _neighbours(y, x):
    """The four pixels around places, with their weights."""
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    dy, dx = y - row, x - column
    return [
        (row + i, column + j, (dy if i else 1 - dy) * (dx if j else 1 - dx)) for i in (0, 1) for j in (0, 1)
    ]


def _covariance(correlation, here, there):
    """The covariance of two weighted sums of pixels, each a list of (row, column, weight)."""
    centre = [n // 2 for n in correlation.shape]
    # Offsets beyond the array fall on its frame of zeros.
    framed, result = np.pad(correlation, 1), 0.0
    for row, column, weight in here:
        for other_row, other_column, other_weight in there:
            dy = np.clip(other_row - row + centre[0] + 1, 0, framed.shape[0] - 1)
            dx = np.clip(other_column - column + centre[1] + 1, 0, framed.shape[1] - 1)
            result = result + weight * other_weight * framed[dy, dx]
    return result


def growth_of_squares(correlation: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """By how much the noise of averages over squares exceeds that of as many independent pixels.

    Parameters
    ----------
    correlation : `~numpy.ndarray`
    sides : `~numpy.ndarray`
        Of the squares in pixels, 1 or more.

    Returns
    -------
    growth : `~numpy.ndarray`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._correlation import growth_of_squares
    >>> growth_of_squares(np.ones((3, 3)), np.array([1.0, 2.0]))  # of two by two pixels that are all alike
    array([1., 2.])
    """
    sides = np.asarray(sides, float)
    grid = np.unique(np.concatenate([[1.0], np.geomspace(1, max(sides.max(), 1), 300), np.arange(1, 21)]))
    overlaps = [
        np.clip(1 - np.abs(np.arange(n) - n // 2) / grid[:, None], 0, None) for n in correlation.shape
    ]
    variance = ((overlaps[0] @ correlation) * overlaps[1]).sum(axis=1)
    return np.interp(sides, grid, np.sqrt(np.clip(variance, 1e-12, None)))


def side_of_bins(bins: np.ndarray) -> float:
    """The side in pixels of the bin that a pixel lies in, of all pixels together.

    Parameters
    ----------
    bins : `~numpy.ndarray` of int
        -1 where there is none.

    Returns
    -------
    side : float
    """
    size = np.bincount(bins[bins >= 0])
    return float(np.sqrt(np.sum(size.astype(float) ** 2) / size.sum()))


def after_binning(correlation: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The correlation of bins, from that of their pixels: as if all bins were squares of one size.

    Parameters
    ----------
    correlation : `~numpy.ndarray`
    bins : `~numpy.ndarray` of int
        -1 where there is none.

    Returns
    -------
    correlation : `~numpy.ndarray`
        Offsets are counted in bins.
    """
    if correlation.size == 1:
        return correlation
    side = side_of_bins(bins)
    edges = side * np.arange(13 + int(np.ceil(max(correlation.shape) / side)))
    squares = overlap(edges, int(np.ceil(edges[-1])))
    return after_averaging(correlation, squares, squares)[0]


def correlation_of_bins(bins: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """The correlation of pixels that show the mean of their bin, averaged over the image.

    Parameters
    ----------
    bins : `~numpy.ndarray` of int
        -1 where there is none.
    correlation : `~numpy.ndarray`
        Of the bins.

    Returns
    -------
    correlation : `~numpy.ndarray`
        Of the pixels.
    """
    size, side = np.bincount(bins[bins >= 0]), side_of_bins(bins)
    within = int(np.ceil(1.5 * np.sqrt(size.max())))
    half = max(within, int(np.ceil(side * (max(correlation.shape) // 2 + 1))))
    ny, nx = bins.shape
    padded = np.pad(bins, within, constant_values=-2)
    same = np.zeros((2 * half + 1, 2 * half + 1))
    for dy in range(within + 1):
        for dx in range(-within, within + 1):
            equal = bins == padded[within + dy : within + dy + ny, within + dx : within + dx + nx]
            value = np.count_nonzero(equal & (bins >= 0)) / size.sum()
            same[half + dy, half + dx] = same[half - dy, half - dx] = value
    # How often two pixels so far apart lie in bins that are so many bins apart.
    steps = [np.arange(n) - n // 2 for n in correlation.shape]
    parts = [np.clip(1 - np.abs(np.arange(-half, half + 1)[:, None] / side - d), 0, None) for d in steps]
    own = np.multiply.outer(*(part[:, len(d) // 2] for part, d in zip(parts, steps, strict=True)))
    others = parts[0] @ correlation @ parts[1].T - own
    return _trimmed(same + (1 - same) * others / np.maximum(1 - own, 1e-9))


def overlap(edges: np.ndarray, n: int) -> np.ndarray:
    """How much of each of n old pixels lies in each new one, along one axis.

    Parameters
    ----------
    edges : `~numpy.ndarray`
        Where the new pixels begin and end, counted in old ones from the first one's beginning.
    n : int

    Returns
    -------
    weights : `~numpy.ndarray`
        Shape (new, old).
    """
    old = np.arange(n)
    low, high = edges[:-1, None], edges[1:, None]
    return np.clip(np.minimum(high, old + 1) - np.maximum(low, old), 0, 1)


def _trimmed(correlation):
    """The smallest array about the centre outside which next to nothing lies."""
    total, centre = abs(correlation.sum()), [n // 2 for n in correlation.shape]
    magnitude = np.abs(correlation)
    everything = magnitude.sum()
    for half in range(max(centre) + 1):
        box = tuple(slice(max(c - half, 0), c + half + 1) for c in centre)
        if everything - magnitude[box].sum() <= _REST * max(total, 1.0):
            kept = correlation[box]
            kept = np.pad(kept, [(half - n // 2, half - n // 2) for n in kept.shape])
            return np.where(np.abs(kept) < 1e-9, 0.0, kept)
    return correlation

"""Weighted means of the pixels of a plane that are known, and their noise: by NumPy, or compiled.

Both sum up in single precision, and in the same order: along rows, then along columns, from the outermost
pair of neighbours to the pixel itself. Their results are the same to the last bit. The outermost weights are
the smallest, so that rounding grows little with the width of the kernel. A sum differs from one in double
precision by less than 1e-7 (5 + sigma) times the sum of absolute values. Nothing is ever subtracted again:
what lies outside the kernel has no part in a mean, however bright it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

WIDE = 1024  # pixels in a row, from which on compiled code pays; a strip is as wide as its image
_LEAST = 1e-4  # of the kernel's weight: with less, nothing near the pixel is known
_PIECE = 2**15  # pixels that NumPy works on at one time: they stay in the cache


@dataclass(frozen=True, eq=False)
class Weight:
    """The weight of the kernel on known pixels, NaN where it is next to nothing.

    Attributes
    ----------
    lines : `~numpy.ndarray` of float32
        Shape (k, nx): each row of the image is like one of them.
    row : `~numpy.ndarray` of int
        Shape (ny,): which one.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._convolving import weight_of
    >>> weight = weight_of(np.ones((5, 4), bool), np.array([0.25, 0.5, 0.25]))
    >>> weight.row, weight.lines[1]
    (array([0, 1, 1, 1, 2]), array([0.75, 1.  , 1.  , 0.75], dtype=float32))
    """

    lines: np.ndarray
    row: np.ndarray


def weight_of(known: np.ndarray, taps: np.ndarray, active: np.ndarray | None = None) -> Weight:
    """The weight of the kernel on pixels that are known.

    Parameters
    ----------
    known : `~numpy.ndarray` of bool
        Shape (ny, nx).
    taps : `~numpy.ndarray`
        The kernel along one axis.
    active : `~numpy.ndarray` of bool, optional
        As for `means_of`.

    Returns
    -------
    weight : `Weight`
    """
    reach = len(taps) // 2
    if known.all():
        # Away from the sides all pixels have one weight: the same sum of the same numbers.
        few = np.ones([min(n, 2 * reach + 1) for n in known.shape], np.float32)
        rows, columns = (_like(n, reach) for n in known.shape)
        lines = _sums(few[None], taps)[0][:, columns]
    else:
        lines, rows = convolved(known.astype(np.float32), taps, active), np.arange(len(known))
    lines[lines < _LEAST] = np.nan
    return Weight(lines, rows)


def _like(n, reach):
    """By pixel along an axis, which one of an image as wide as the kernel it is like."""
    at = np.arange(n)
    return at if n <= 2 * reach + 1 else np.minimum(at, reach) + np.maximum(at - (n - 1 - reach), 0)


def means_of(
    planes: Sequence[np.ndarray],
    taps: np.ndarray,
    weights: Sequence[Weight],
    active: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Weighted means of planes.

    Parameters
    ----------
    planes : sequence of `~numpy.ndarray` of float32
        Of one shape (ny, nx); zero where a pixel is not known.
    taps : `~numpy.ndarray`
        The kernel along one axis: symmetric, its number odd.
    weights : sequence of `Weight`
        Of each plane.
    active : `~numpy.ndarray` of bool, optional
        By block of `blocks_of`, whether its pixels are wanted; those of others are zero, or anything.

    Returns
    -------
    means : list of `~numpy.ndarray` of float32
    """
    return _weighted(planes, taps, weights, active)


def noise_of(
    sigmas: Sequence[np.ndarray],
    taps: np.ndarray,
    weights: Sequence[Weight],
    growths: Sequence[np.float32],
    active: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The noise of weighted means.

    Parameters
    ----------
    sigmas : sequence of `~numpy.ndarray` of float32
        One sigma of each pixel, of one shape (ny, nx); zero where it is not known.
    taps, weights, active
        As for `means_of`.
    growths : sequence of float32
        The variance of a mean over that of independent pixels.

    Returns
    -------
    noise : list of `~numpy.ndarray` of float32
    """
    return _weighted(sigmas, taps * taps, weights, active, growths)


def convolved(values: np.ndarray, taps: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
    """A plane convolved along both axes; there is nothing outside it.

    Parameters
    ----------
    values, taps, active
        As for `means_of`.

    Returns
    -------
    sums : `~numpy.ndarray` of float32
        Shape (ny, nx).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._convolving import convolved
    >>> print(convolved(np.eye(3, dtype="f4"), np.array([0.25, 0.5, 0.25])))
    [[0.3125 0.25   0.0625]
     [0.25   0.375  0.25  ]
     [0.0625 0.25   0.3125]]
    """
    one = Weight(np.ones((1, values.shape[1]), np.float32), np.zeros(len(values), int))
    return _weighted([values], taps, [one], active)[0]


def _weighted(planes, taps, weights, active=None, growths=None):
    # Each pixel is a sum of its own neighbours in one order: the same in a strip as in the whole image.
    shape = planes[0].shape
    blocks = blocks_of(shape)
    if blocks is None:
        return _weighted_by_numpy(planes, taps, weights, growths)
    made, make = [], np.empty if active is None else np.zeros
    active = np.ones(blocks, bool) if active is None else active
    down, across = (_within(taps, n) for n in shape)
    for number, (values, weight) in enumerate(zip(planes, weights, strict=True)):
        out, values = make(shape, np.float32), np.ascontiguousarray(values, np.float32)
        growth = np.float32(1 if growths is None else growths[number])
        noise = growths is not None
        compiled().smoothed(values, down, across, active, noise, weight.lines, weight.row, growth, out)
        made.append(out)
    return made


def _weighted_by_numpy(planes, taps, weights, growths):
    made, some = [], max(1, _PIECE // planes[0].size)
    for start in range(0, len(planes), some):  # small ones together: each step has its cost
        values = np.asarray(planes[start : start + some], np.float32)
        made += list(_sums(values if growths is None else values * values, taps))
    for number, (plane, weight) in enumerate(zip(made, weights, strict=True)):
        if growths is not None:
            plane *= growths[number]
            np.sqrt(plane, out=plane)
        plane /= weight.lines if len(weight.lines) in (1, len(plane)) else weight.lines[weight.row]
    return made


def _within(taps, n):
    """The part of a kernel that a row or column of n pixels can see, in single precision."""
    cut = max(len(taps) // 2 - (n - 1), 0)
    return np.asarray(taps[cut : len(taps) - cut], np.float32)


def _sums(values, taps):
    """Planes of shape (k, ny, nx) convolved along their last two axes by NumPy."""
    k, ny, nx = values.shape
    down, across = _within(taps, ny), _within(taps, nx)
    above, aside = len(down) // 2, len(across) // 2
    # All rows in one line, with zeros between them, and between planes: a shift is a slice.
    high, pitch = ny + above, nx + aside
    n = k * high * pitch
    line, lines = np.zeros(n + 2 * aside, np.float32), np.zeros(n + 2 * above * pitch, np.float32)
    line[aside : aside + n].reshape(k, high, pitch)[:, :ny, :nx] = values
    sums, pair = np.empty(n, np.float32), np.empty(min(n, _PIECE), np.float32)
    for start in range(0, n, _PIECE):
        stop, first = min(start + _PIECE, n), above * pitch
        _add_pairs(lines[first + start : first + stop], pair, line[start:], across, 1)
    for start in range(0, n, _PIECE):
        _add_pairs(sums[start : start + _PIECE], pair, lines[start:], down, pitch)
    return np.ascontiguousarray(sums.reshape(k, high, pitch)[:, :ny, :nx])


def _add_pairs(sums, pair, line, taps, step):
    """Add what lies in a line by numbers of steps away, times the weight: pairs from the outermost on."""
    r, n = len(taps) // 2, len(sums)
    pair = pair[:n]
    sums[:] = 0
    for j in range(r):
        k = 2 * r - j
        np.add(line[j * step : j * step + n], line[k * step : k * step + n], pair)
        np.multiply(pair, taps[j], pair)
        np.add(sums, pair, sums)
    np.multiply(line[r * step : r * step + n], taps[r], pair)
    np.add(sums, pair, sums)


def blocks_of(shape: tuple[int, int]) -> tuple[int, int] | None:
    """How many blocks of the compiled code a plane has, down and across; None where that is not used."""
    code = compiled() if shape[1] >= WIDE else None
    return None if code is None else tuple(-(-n // side) for n, side in zip(shape, code.BLOCK, strict=True))


def pieces_of(active: np.ndarray | None) -> list[tuple[slice, slice]]:
    """The blocks that are wanted, as slices; one of all pixels where nothing is said.

    Parameters
    ----------
    active : `~numpy.ndarray` of bool or None
        By block of `blocks_of`.

    Returns
    -------
    pieces : list of (slice, slice)

    Examples
    --------
    >>> from euclid_resolved.features._convolving import pieces_of
    >>> pieces_of(None)
    [(slice(None, None, None), slice(None, None, None))]
    """
    if active is None:
        return [(slice(None), slice(None))]
    high, wide = compiled().BLOCK
    return [
        (slice(y * high, (y + 1) * high), slice(x * wide, (x + 1) * wide)) for y, x in np.argwhere(active)
    ]


@lru_cache(maxsize=1)
def compiled() -> Any:
    """The module of compiled loops, or None without Numba: images are smoothed without it, too."""
    try:
        from euclid_resolved.features import _smoothing
    except ImportError:
        return None
    return _smoothing

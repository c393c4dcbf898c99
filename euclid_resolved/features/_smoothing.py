"""Planes convolved with a symmetric kernel, compiled: several times as fast as SciPy, the same numbers."""

import numpy as np
from numba import njit

BLOCK = 64, 512
"""Rows and columns of what is smoothed or left out; so many columns of some rows stay in the cache."""

_CHUNK = BLOCK[1]


def _compiled(function):
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # Numba found no folder that can be written to
        return njit(nogil=True, error_model="numpy")(function)


def _pair(sums, n, before, after, weight):
    """Add the two neighbours at one distance."""
    for x in range(n):
        sums[x] += (np.float64(before[x]) + np.float64(after[x])) * weight


_pair = _compiled(_pair)


def _three_pairs(sums, n, a, b, first, c, d, second, e, f, third):
    """Add those at three distances, in order: sums are read and written once."""
    for x in range(n):
        total = sums[x]
        total += (np.float64(a[x]) + np.float64(b[x])) * first
        total += (np.float64(c[x]) + np.float64(d[x])) * second
        total += (np.float64(e[x]) + np.float64(f[x])) * third
        sums[x] = total


_three_pairs = _compiled(_three_pairs)


def _smoothed(values, taps, active, out):
    """Convolve a plane along both axes, or some blocks of it; there is nothing outside it.

    Sums are made as `scipy.ndimage.correlate1d` makes them, in double precision: its result is this one.

    Parameters
    ----------
    values : `~numpy.ndarray` of float32
        Shape (ny, nx), contiguous.
    taps : `~numpy.ndarray` of float64
        Symmetric, their number odd.
    active : `~numpy.ndarray` of bool
        By `BLOCK`, whether it is wanted.
    out : `~numpy.ndarray` of float32
        Shape (ny, nx): filled in these blocks.
    """
    (ny, nx), r = values.shape, len(taps) // 2
    sums, row = np.empty(_CHUNK + 2 * r), np.zeros(_CHUNK + 4 * r, np.float32)
    for start in range(0, nx, _CHUNK):
        stop = min(start + _CHUNK, nx)
        left, right = max(start - r, 0), min(stop + r, nx)
        n, wide = stop - start, right - left
        row[:] = 0
        inside = row[r - (start - left) : r - (start - left) + wide]
        for y in range(ny):
            if not active[y // BLOCK[0], start // _CHUNK]:
                continue
            here, j = values[y, left:right], r
            for x in range(wide):
                sums[x] = np.float64(here[x]) * taps[r]
            while j > 0:
                weight = taps[r - j]
                if y - j < 0 or y + j >= ny:
                    if y - j >= 0 or y + j < ny:
                        one = values[y - j if y - j >= 0 else y + j, left:right]
                        for x in range(wide):
                            sums[x] += np.float64(one[x]) * weight
                    j -= 1
                elif j >= 3:
                    _three_pairs(
                        sums, wide, values[y - j, left:right], values[y + j, left:right], weight,
                        values[y - j + 1, left:right], values[y + j - 1, left:right], taps[r - j + 1],
                        values[y - j + 2, left:right], values[y + j - 2, left:right], taps[r - j + 2],
                    )  # fmt: skip
                    j -= 3
                else:
                    _pair(sums, wide, values[y - j, left:right], values[y + j, left:right], weight)
                    j -= 1
            for x in range(wide):
                inside[x] = np.float32(sums[x])
            middle, there, j = row[r : r + n], out[y, start:stop], r
            for x in range(n):
                sums[x] = np.float64(middle[x]) * taps[r]
            while j >= 3:
                _three_pairs(
                    sums, n, row[r - j :], row[r + j :], taps[r - j],
                    row[r - j + 1 :], row[r + j - 1 :], taps[r - j + 1],
                    row[r - j + 2 :], row[r + j - 2 :], taps[r - j + 2],
                )  # fmt: skip
                j -= 3
            while j > 0:
                _pair(sums, n, row[r - j :], row[r + j :], taps[r - j])
                j -= 1
            for x in range(n):
                there[x] = np.float32(sums[x])


smoothed = _compiled(_smoothed)


def _picked(rung, first, a, b, c, d, out):
    """Of four planes, in each pixel that with the number in `rung`, or `first` where that is larger."""
    for y in range(rung.shape[0]):
        for x in range(rung.shape[1]):
            number, value = max(rung[y, x], first), a[y, x]
            # All four are looked at: choices without branches are made for many pixels at once.
            one, two, three = b[y, x], c[y, x], d[y, x]
            value = one if number == 1 else value
            value = two if number == 2 else value
            out[y, x] = three if number == 3 else value


picked = _compiled(_picked)


def _counted(known, reach, out):
    """How many of the pixels in a square, `reach` to each side, are known; there is none outside."""
    ny, nx = known.shape
    column = np.zeros(nx, np.int32)
    for y in range(min(reach, ny)):
        for x in range(nx):
            column[x] += known[y, x]
    for y in range(ny):
        if y + reach < ny:
            for x in range(nx):
                column[x] += known[y + reach, x]
        if y - reach - 1 >= 0:
            for x in range(nx):
                column[x] -= known[y - reach - 1, x]
        total = np.int32(0)
        for x in range(min(reach, nx)):
            total += column[x]
        for x in range(nx):
            if x + reach < nx:
                total += column[x + reach]
            if x - reach - 1 >= 0:
                total -= column[x - reach - 1]
            out[y, x] = total


counted = _compiled(_counted)

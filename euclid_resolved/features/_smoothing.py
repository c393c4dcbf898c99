"""Planes convolved with a symmetric kernel, compiled: several times as fast as SciPy, the same numbers."""

import numpy as np
from numba import njit

_CHUNK = 1024  # columns whose rows stay in cache while the kernel passes


def _smoothed(values, taps, out):
    """Convolve a plane along both axes; there is nothing outside it.

    Sums are made as `scipy.ndimage.correlate1d` makes them, in double precision: its result is this one.

    Parameters
    ----------
    values : `~numpy.ndarray` of float32
        Shape (ny, nx), contiguous.
    taps : `~numpy.ndarray` of float64
        Symmetric, their number odd.
    out : `~numpy.ndarray` of float32
        Shape (ny, nx): filled.
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
            here = values[y, left:right]
            for x in range(wide):
                sums[x] = np.float64(here[x]) * taps[r]
            for j in range(r, 0, -1):
                weight = taps[r - j]
                if y - j >= 0 and y + j < ny:
                    above, below = values[y - j, left:right], values[y + j, left:right]
                    for x in range(wide):
                        sums[x] += (np.float64(above[x]) + np.float64(below[x])) * weight
                elif y - j >= 0 or y + j < ny:
                    one = values[y - j if y - j >= 0 else y + j, left:right]
                    for x in range(wide):
                        sums[x] += np.float64(one[x]) * weight
            for x in range(wide):
                inside[x] = np.float32(sums[x])
            middle, there = row[r : r + n], out[y, start:stop]
            for x in range(n):
                sums[x] = np.float64(middle[x]) * taps[r]
            for j in range(r, 0, -1):
                weight, before, after = taps[r - j], row[r - j : r - j + n], row[r + j : r + j + n]
                for x in range(n):
                    sums[x] += (np.float64(before[x]) + np.float64(after[x])) * weight
            for x in range(n):
                there[x] = np.float32(sums[x])


try:
    smoothed = njit(nogil=True, cache=True, error_model="numpy")(_smoothed)
except RuntimeError:  # Numba found no folder that can be written to
    smoothed = njit(nogil=True, error_model="numpy")(_smoothed)

"""Planes convolved with a symmetric kernel, compiled: several times as fast as NumPy, the same numbers."""

import numpy as np
from numba import njit

BLOCK = 64, 512
"""Rows and columns of what is smoothed or left out; so many columns of some rows stay in the cache."""

_HIGH, _WIDE = BLOCK
_PITCH = _WIDE + 16  # from one row to the next; a power of two would share the places in the cache


def _compiled(function):
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # Numba found no folder that can be written to
        return njit(nogil=True, error_model="numpy")(function)


def _six_pairs(step):
    """A function that adds the neighbours at six distances, from the outermost on.

    The distance in memory is a constant, so that a compiler sees that what is read is not what is written.
    """

    def add(sums, n, before, after, taps):
        a, b, c, d, e, f = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
        for x in range(n):
            total = sums[x]
            total += (before[x] + after[x + 5 * step]) * a
            total += (before[x + step] + after[x + 4 * step]) * b
            total += (before[x + 2 * step] + after[x + 3 * step]) * c
            total += (before[x + 3 * step] + after[x + 2 * step]) * d
            total += (before[x + 4 * step] + after[x + step]) * e
            total += (before[x + 5 * step] + after[x]) * f
            sums[x] = total

    return add


_six_across, _six_down = _compiled(_six_pairs(1)), _compiled(_six_pairs(_PITCH))


def _pair(sums, n, before, after, weight):
    for x in range(n):
        sums[x] += (before[x] + after[x]) * weight


_pair = _compiled(_pair)


def _across(sums, n, line, taps, out):
    """The weighted sums along a line; the first of them is about pixel number r of it."""
    r = len(taps) // 2
    sums[:n], j = 0, r
    while j >= 6:
        _six_across(sums, n, line[r - j :], line[r + j - 5 :], taps[r - j :])
        j -= 6
    while j > 0:
        _pair(sums, n, line[r - j :], line[r + j :], taps[r - j])
        j -= 1
    middle, weight = line[r:], taps[r]
    for x in range(n):
        out[x] = sums[x] + middle[x] * weight


_across = _compiled(_across)


def _down(sums, n, lines, taps):
    """The same from line to line, but for the middle one."""
    r = len(taps) // 2
    sums[:n], j = 0, r
    while j >= 6:
        _six_down(sums, n, lines[(r - j) * _PITCH :], lines[(r + j - 5) * _PITCH :], taps[r - j :])
        j -= 6
    while j > 0:
        _pair(sums, n, lines[(r - j) * _PITCH :], lines[(r + j) * _PITCH :], taps[r - j])
        j -= 1


_down = _compiled(_down)


def _smoothed(values, down, across, active, noise, weight, row, growth, out):
    """Weighted means of a plane, or of some blocks of it, or the noise of such; there is nothing outside it.

    Parameters
    ----------
    values : `~numpy.ndarray` of float32
        Shape (ny, nx), contiguous; one sigma where `noise` is asked for.
    down, across : `~numpy.ndarray` of float32
        Weights along both axes: symmetric, their number odd.
    active : `~numpy.ndarray` of bool
        By `BLOCK`, whether it is wanted.
    noise : bool
        Whether squares are summed up, and the root of the sum, times `growth`, is taken.
    weight : `~numpy.ndarray` of float32
        Shape (k, nx): what sums are divided by.
    row : `~numpy.ndarray` of int
        Shape (ny,): which row of `weight` is about each row.
    growth : float32
    out : `~numpy.ndarray` of float32
        Shape (ny, nx): filled in these blocks.
    """
    (ny, nx), above, aside = values.shape, len(down) // 2, len(across) // 2
    line, sums = np.zeros(_WIDE + 2 * aside, np.float32), np.zeros(_WIDE, np.float32)
    lines = np.zeros((_HIGH + 2 * above) * _PITCH, np.float32)
    for column in range(active.shape[1]):
        start, stop = column * _WIDE, min((column + 1) * _WIDE, nx)
        left, right = max(start - aside, 0), min(stop + aside, nx)
        n, wide, goes_on = stop - start, right - left, False
        line[:] = 0
        inside = line[left - start + aside :]
        for block in range(active.shape[0]):
            if not active[block, column]:
                goes_on = False
                continue
            top, bottom = block * _HIGH, min((block + 1) * _HIGH, ny)
            first = top - above
            if goes_on:  # the last lines of the block above are the first ones of this
                for x in range(2 * above * _PITCH):
                    lines[x] = lines[_HIGH * _PITCH + x]
                first = top + above
            for y in range(first, bottom + above):
                there = lines[(y - top + above) * _PITCH :]
                if y < 0 or y >= ny:
                    there[:n] = 0
                    continue
                here = values[y, left:right]
                if noise:
                    for x in range(wide):
                        inside[x] = here[x] * here[x]
                else:
                    for x in range(wide):
                        inside[x] = here[x]
                _across(sums, n, line, across, there)
            for y in range(top, bottom):
                _down(sums, n, lines[(y - top) * _PITCH :], down)
                middle, share = lines[(y - top + above) * _PITCH :], weight[row[y], start:stop]
                made, tap = out[y, start:stop], down[above]
                if noise:
                    for x in range(n):
                        made[x] = np.sqrt((sums[x] + middle[x] * tap) * growth) / share[x]
                else:
                    for x in range(n):
                        made[x] = (sums[x] + middle[x] * tap) / share[x]
            goes_on = True


smoothed = _compiled(_smoothed)


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

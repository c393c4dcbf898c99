"""Whether pixels lie among reference pixels as those do among each other, for many pixels at a time."""

import numpy as np

from euclid_resolved.estimators._compiled import inner, kernel

BLOCK = 32
"""Reference pixels that are looked at together."""

INSIDE, OUTSIDE = 1, 2

_ROOM = 1e-9  # of a distance or a ratio: more than rounding makes of it
_HALVES = 60  # how often an interval is halved at most


@inner
def _squares(pixel, points, n, out):
    """Squared distances of n points from a pixel."""
    columns, known = len(pixel), 0
    if columns >= 4:  # one way over the points instead of four
        known = 4
        a, b, c, d = points[0], points[1], points[2], points[3]
        at_a, at_b, at_c, at_d = pixel[0], pixel[1], pixel[2], pixel[3]
        for k in range(n):
            one, two, three, four = a[k] - at_a, b[k] - at_b, c[k] - at_c, d[k] - at_d
            out[k] = (one * one + two * two) + (three * three + four * four)
    else:
        for k in range(n):
            out[k] = 0.0
    for j in range(known, columns):
        row, at = points[j], pixel[j]
        for k in range(n):
            out[k] += (row[k] - at) * (row[k] - at)


@inner
def _gaps(pixel, low, high, out):
    """Squared distances of boxes from a pixel; 0 for one around it."""
    for k in range(len(out)):
        out[k] = 0.0
    for j in range(len(pixel)):
        least, most, at = low[j], high[j], pixel[j]
        for k in range(len(out)):
            below, above = least[k] - at, at - most[k]
            gap = below if below > above else above
            gap = gap if gap > 0.0 else 0.0
            out[k] += gap * gap


@inner
def _count(values, n, most):
    count = 0
    for k in range(n):
        count += values[k] <= most
    return count


@inner
def _bound(values, n, wanted, low, high, middle):
    """A number that just `wanted` of n values do not exceed; more of them where values are nearly equal.

    At least so many do not exceed `high`, and fewer `low`; `middle`, between, is tried first.
    """
    for _ in range(_HALVES):
        count = _count(values, n, middle)
        if count == wanted:
            return middle
        if count > wanted:
            high = middle
        else:
            low = middle
        middle = (low + high) / 2
    return high


@inner
def _gather(pixel, points, spacing, gaps, most, squares, found, own, away, which):
    """Copy the points within a squared distance of a pixel, and their spacing; returns their number."""
    count = 0
    for block in range(len(gaps)):
        if gaps[block] <= most:
            _squares(pixel, points[block], BLOCK, squares)
            for k in range(BLOCK):  # without a branch: where the points lie cannot be foreseen
                which[count], away[count] = block * BLOCK + k, squares[k]
                count += squares[k] <= most
    for j in range(len(pixel)):
        for k in range(count):
            found[j, k] = points[which[k] // BLOCK, j, which[k] % BLOCK]
        for k in range(count, count + BLOCK):
            found[j, k] = np.inf
    for k in range(count):
        own[k] = spacing[which[k]]
    return count


@inner
def _least_mean(values, n, wanted):
    """The mean of the `wanted` smallest of n values, or a little less."""
    most = 0.0
    for k in range(n):
        most = max(most, values[k])
    most = _bound(values, n, wanted, 0.0, most, most / 2)
    total, count = 0.0, 0
    for k in range(n):
        small = values[k] <= most
        total += values[k] if small else 0.0
        count += small
    return (total - (count - wanted) * most) / wanted


@inner
def _verdict(squares, own, n, limit, wanted, low, high):
    """What the ratio itself says of a pixel, or 0 where rounding may decide."""
    most = _bound(squares, n, wanted, low, high, (low + high) / 2)
    nearest, last, beyond, total, count = np.inf, 0.0, np.inf, 0.0, 0
    for k in range(n):
        if squares[k] <= most:
            total += own[k]
            count += 1
            last, nearest = max(last, squares[k]), min(nearest, squares[k])
        else:
            beyond = min(beyond, squares[k])
    if count != wanted or not (nearest > 1.001e-10 and last * (1 + _ROOM) < beyond):
        return 0  # a pixel of the reference, or another point is as far as the last
    ratio = np.sqrt(last) / (total / wanted)
    if ratio < limit * (1 - _ROOM):
        return INSIDE
    return OUTSIDE if ratio > limit * (1 + _ROOM) else 0


@kernel
def crowded(pixels, starts, points, spacing, low, high, wanted, limit, known):
    """Whether the local outlier factor of pixels is below a limit, or above it.

    Pixels of a cell are looked at together. With c the middle of them, r the distance of the furthest from
    it, and d that of the last of the `wanted` reference pixels nearest to c, the nearest of each pixel lie
    within d + 2 r of c: only those are looked at. If so many of them lie within the limit times the smallest
    mean spacing that as many can have, so do the pixel's nearest; else these are looked for.

    Parameters
    ----------
    pixels : `~numpy.ndarray`
        float64, shape (n, columns): those of a cell follow each other.
    starts : `~numpy.ndarray` of int
        Where each cell begins, and n behind the last.
    points : `~numpy.ndarray`
        float64, shape (blocks, columns, `BLOCK`): the reference pixels, neighbours in one block; infinite
        where there is none.
    spacing : `~numpy.ndarray`
        Shape (blocks * `BLOCK`,): the distance of the last of their own nearest.
    low, high : `~numpy.ndarray`
        Shape (columns, blocks): the box of each block.
    wanted : int
        How many neighbours the factor looks at; there are more reference pixels.
    limit : float
    known : `~numpy.ndarray` of int8
        Shape (n,), of zeros: becomes `INSIDE` or `OUTSIDE`, but where rounding may decide, and for pixels of
        the reference.
    """
    columns, n = points.shape[1], len(spacing)
    centre, gaps, squares = np.empty(columns), np.empty(low.shape[1]), np.empty(n + BLOCK)
    found, own = np.empty((columns, n + BLOCK)), np.empty(n)
    away, which = np.empty(n + 1), np.empty(n + 1, np.uint32)
    furthest = spacing[0]
    for cell in range(len(starts) - 1):
        first, behind = starts[cell], starts[cell + 1]
        for j in range(columns):
            least = most = pixels[first, j]
            for i in range(first + 1, behind):
                least, most = min(least, pixels[i, j]), max(most, pixels[i, j])
            centre[j] = (least + most) / 2
        radius = 0.0
        for i in range(first, behind):
            square = 0.0
            for j in range(columns):
                square += (pixels[i, j] - centre[j]) ** 2
            radius = max(radius, square)
        radius = np.sqrt(radius)
        _gaps(centre, low, high, gaps)
        # What the cell before needed is a guess.
        reach, count = max((furthest + 2 * radius) * 1.1, _ROOM), 0
        while count < wanted and reach < np.inf:
            count = _gather(centre, points, spacing, gaps, reach * reach, squares, found, own, away, which)
            reach *= 2
        if count < wanted:  # not finite
            continue
        reach /= 2
        furthest = np.sqrt(_bound(away, count, wanted, 0.0, reach * reach, min(furthest, reach) ** 2))
        needed = (furthest + 2 * radius) * (1 + _ROOM)
        if not 0.95 * reach < needed < reach:
            count = _gather(centre, points, spacing, gaps, needed * needed, squares, found, own, away, which)
        close = limit * _least_mean(own, count, wanted) * (1 - _ROOM)
        together = furthest + radius < close
        close, most = close * close, (furthest + radius) ** 2 * (1 + _ROOM)
        count = -(-count // BLOCK) * BLOCK
        for i in range(first, behind):
            if not together:
                _squares(pixels[i], found, count, squares)
            if together or _count(squares, count, close) >= wanted:
                known[i] = INSIDE
            else:
                known[i] = _verdict(squares, own, count, limit, wanted, close, most)

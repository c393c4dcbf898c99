"""Prove of pixels that reference pixels lie close enough around them, without a search for the closest."""

import numpy as np

from euclid_resolved.estimators._compiled import inner, kernel


@inner
def _square(a, b):
    total = 0.0
    for j in range(len(a)):
        total += (a[j] - b[j]) ** 2
    return total


@inner
def _is_inside(pixel, reference, near, reach, steps, away, own, limit, squares, which):
    """Whether the factor itself is below the limit, from neighbours of the anchor that are looked at in turn.

    Kept are the closest so far, from near to far; nothing closer is left once all within their distance of
    the pixel have been looked at. What rounding could decide is not known, nor is a pixel of the reference.
    """
    wanted, step = len(squares), 0
    squares[:] = np.inf
    for k in range(steps[-1]):
        square = _square(pixel, reference[near[k]])
        if square < squares[-1]:
            i = wanted - 1
            while i > 0 and squares[i - 1] > square:
                squares[i], which[i] = squares[i - 1], which[i - 1]
                i -= 1
            squares[i], which[i] = square, near[k]
        if k + 1 == steps[step]:
            furthest = np.sqrt(squares[-1])
            if furthest < (reach[step] - away) * (1 - 1e-9):
                total = 0.0
                for i in range(wanted):
                    total += own[which[i]]
                return squares[0] > 1e-9 and furthest < limit * total / wanted * (1 - 1e-9)
            step += 1
    return False


@kernel
def crowded(pixels, order, reference, near, reach, spacing, steps, own, wanted, limit, proven):
    """Whether the local outlier factor of pixels is below a limit: proven, or not known.

    From each pixel the way leads from one reference pixel to the neighbour that is closer, until none is: to
    its anchor. The first neighbours of the anchor are all there are within the distance of the last of them,
    and so all there are within that distance, less the anchor's own, of the pixel. If `wanted` of them lie
    within the limit times the smallest mean spacing that as many of them can have, so do the pixel's nearest.
    Where that proves nothing the nearest are looked for, as far as the anchor's neighbours can tell.

    Parameters
    ----------
    pixels : `~numpy.ndarray`
        float64, shape (n, columns).
    order : `~numpy.ndarray` of int
        In which to take them: the way from one anchor to the next is short where pixels are neighbours.
    reference : `~numpy.ndarray`
        float64, shape (m, columns).
    near : `~numpy.ndarray` of int
        Shape (m, k): for each reference pixel, itself and its neighbours, from near to far.
    reach, spacing : `~numpy.ndarray`
        Shape (m, numbers of `steps`): how far the last of so many neighbours is, and the mean of the `wanted`
        smallest spacings among them.
    steps : `~numpy.ndarray` of int
        How many neighbours to look at, ascending.
    own : `~numpy.ndarray`
        Shape (m,): the spacing of each reference pixel.
    wanted : int
        How many neighbours the factor looks at.
    limit : float
    proven : `~numpy.ndarray` of bool
        Shape (n,): filled.
    """
    at, squares, which = 0, np.empty(wanted), np.empty(wanted, np.int32)
    for i in order:
        closest = _square(pixels[i], reference[at])
        moved = True
        while moved:
            moved, here = False, at
            for k in range(1, 16):
                square = _square(pixels[i], reference[near[here, k]])
                if square < closest:
                    closest, at, moved = square, near[here, k], True
        radius, first = 0.0, 0
        for step in range(len(steps)):
            known = min(reach[at, step] - np.sqrt(closest), limit * spacing[at, step])
            if known > radius:
                radius, first = known, steps[step]
        inside, most = 0, (radius * (1 - 1e-9)) ** 2  # less than rounding could make of it
        for k in range(first):
            if _square(pixels[i], reference[near[at, k]]) <= most:
                inside += 1
                if inside == wanted:
                    break
        proven[i] = inside == wanted or _is_inside(
            pixels[i], reference, near[at], reach[at], steps, np.sqrt(closest), own, limit, squares, which
        )

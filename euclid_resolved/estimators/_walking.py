"""Run forests of compact nodes on many pixels: the compiled part.

A node is two numbers of 4 bytes: a link, and a threshold (left where x <= it) or a leaf's value; ``links``
and ``values`` are views of the same memory. The link holds the way to the right child, counted in numbers,
above the split's column in its lowest bits; it is 0 for a leaf. The left child follows its parent.

Indices are unsigned, because for signed ones Numba asks each time whether they count from the end.
"""

import numpy as np

from euclid_resolved.estimators._compiled import inner, kernel

_ONE, _TWO, _NODE = np.uint64(1), np.uint64(2), np.uint64(2)
_BLOCK = 256  # pixels whose common way down a tree is walked once
_PART = 16  # pixels of a block that then go on together; a block has a multiple of eight parts
_SMALL = 512  # nodes of a tree up to which they mostly end in one leaf


@inner
def _boxes(X, size, low, high):
    """The range of each column in each block of `size` pixels."""
    for block in range(len(low)):
        start, stop = block * size, min((block + 1) * size, len(X))
        for f in range(X.shape[1]):
            least = most = X[start, f]
            for i in range(start + 1, stop):
                least, most = min(least, X[i, f]), max(most, X[i, f])
            low[block, f], high[block, f] = least, most


@inner
def _descend(at, links, values, bits, column, low, high):
    """The last node that all pixels within a box have in common."""
    link = np.uint64(links[at])
    while link:
        threshold, f = values[at + _ONE], link & column
        if high[f] <= threshold:
            at += _NODE
        elif low[f] > threshold:
            at += link >> bits
        else:
            break
        link = np.uint64(links[at])
    return at


@inner
def _step_together(at, links, values, bits, column, low, high):
    """The next node that all pixels within a box have in common, and how far it is; 0 where they part."""
    link = np.uint64(links[at])
    threshold, f = values[at + _ONE], link & column
    down = _NODE if link else np.uint64(0)
    way = down if high[f] <= threshold else (np.uint64(0) if low[f] <= threshold else link >> bits)
    return at + way, way


@inner
def _descend_parts(root, links, values, bits, column, low, high, first, ends):
    """The last common nodes of eight parts of a block, side by side: no way is guessed, none in vain."""
    a = b = c = d = e = f = g = h = root
    moved = _ONE
    while moved:
        a, moved = _step_together(a, links, values, bits, column, low[first], high[first])
        b, way = _step_together(b, links, values, bits, column, low[first + 1], high[first + 1])
        moved |= way
        c, way = _step_together(c, links, values, bits, column, low[first + 2], high[first + 2])
        moved |= way
        d, way = _step_together(d, links, values, bits, column, low[first + 3], high[first + 3])
        moved |= way
        e, way = _step_together(e, links, values, bits, column, low[first + 4], high[first + 4])
        moved |= way
        f, way = _step_together(f, links, values, bits, column, low[first + 5], high[first + 5])
        moved |= way
        g, way = _step_together(g, links, values, bits, column, low[first + 6], high[first + 6])
        moved |= way
        h, way = _step_together(h, links, values, bits, column, low[first + 7], high[first + 7])
        moved |= way
    ends[0], ends[1], ends[2], ends[3] = a, b, c, d
    ends[4], ends[5], ends[6], ends[7] = e, f, g, h


@inner
def _step(at, row, links, values, x, bits, column):
    """The next node on a pixel's way, and the link of this one; a leaf leads to itself."""
    link = np.uint64(links[at])
    goes_left = x[row + (link & column)] <= values[at + _ONE]
    down = _NODE if link else np.uint64(0)
    return at + (down if goes_left else link >> bits), link


@inner
def _leaves(root, links, values, x, width, start, count, bits, column, found, at_found):
    """The leaf values of neighbouring pixels, eight at a time: one alone would mostly wait for memory."""
    full = count - count % 8
    for first in range(0, full, 8):
        a = b = c = d = e = f = g = h = root
        r0 = np.uint64(start + first) * width
        moved = _ONE
        while moved:
            moved = np.uint64(0)
            a, link = _step(a, r0 + np.uint64(0) * width, links, values, x, bits, column)
            moved |= link
            b, link = _step(b, r0 + np.uint64(1) * width, links, values, x, bits, column)
            moved |= link
            c, link = _step(c, r0 + np.uint64(2) * width, links, values, x, bits, column)
            moved |= link
            d, link = _step(d, r0 + np.uint64(3) * width, links, values, x, bits, column)
            moved |= link
            e, link = _step(e, r0 + np.uint64(4) * width, links, values, x, bits, column)
            moved |= link
            f, link = _step(f, r0 + np.uint64(5) * width, links, values, x, bits, column)
            moved |= link
            g, link = _step(g, r0 + np.uint64(6) * width, links, values, x, bits, column)
            moved |= link
            h, link = _step(h, r0 + np.uint64(7) * width, links, values, x, bits, column)
            moved |= link
        here = at_found + first
        found[here], found[here + 1] = values[a + _ONE], values[b + _ONE]
        found[here + 2], found[here + 3] = values[c + _ONE], values[d + _ONE]
        found[here + 4], found[here + 5] = values[e + _ONE], values[f + _ONE]
        found[here + 6], found[here + 7] = values[g + _ONE], values[h + _ONE]
    for i in range(full, count):
        at, link, row = root, _ONE, np.uint64(start + i) * width
        while link:
            at, link = _step(at, row, links, values, x, bits, column)
        found[at_found + i] = values[at + _ONE]


@inner
def _leaves_of_block(
    root, small, links, values, x, width, start, count, bits, column, low, high, ends, found
):
    """The leaf values of a block, whose parts go together as far as they can where the tree is small."""
    if not links[root]:
        found[:count] = values[root + _ONE]
    elif count < _BLOCK or not small:
        _leaves(root, links, values, x, width, start, count, bits, column, found, 0)
    else:
        for part in range(0, _BLOCK // _PART, 8):
            _descend_parts(root, links, values, bits, column, low, high, start // _PART + part, ends)
            for i in range(8):
                at, mine = ends[i], (part + i) * _PART
                if links[at]:
                    _leaves(at, links, values, x, width, start + mine, _PART, bits, column, found, mine)
                else:
                    found[mine : mine + _PART] = values[at + _ONE]


@kernel
def run(links, values, first, bits, X, total, square):
    """Add the trees' values to ``total``; or find their moments, if ``square`` has a place for each pixel.

    ``first`` are the trees' roots, counted in numbers. The moments are the mean, in ``total``, and the sum
    of squares about it (Welford's way). Each pixel meets the trees in their order, so that its last bit is
    always the same.
    """
    n, column, bits = len(X), (_ONE << np.uint64(bits)) - _ONE, np.uint64(bits)
    x, width = X.reshape(X.size), np.uint64(X.shape[1])
    blocks, parts = (n + _BLOCK - 1) // _BLOCK, n // _PART
    low, high = np.empty((blocks, X.shape[1]), np.float32), np.empty((blocks, X.shape[1]), np.float32)
    least, most = np.empty((parts, X.shape[1]), np.float32), np.empty((parts, X.shape[1]), np.float32)
    found, ends = np.empty(_BLOCK, np.float32), np.empty(8, np.uint64)
    _boxes(X, _BLOCK, low, high)
    _boxes(X, _PART, least, most)
    for tree in range(len(first)):
        after = first[tree + 1] if tree + 1 < len(first) else len(links)
        small = after - first[tree] <= 2 * _SMALL
        for block in range(blocks):
            start = block * _BLOCK
            count = min(_BLOCK, n - start)
            root = _descend(np.uint64(first[tree]), links, values, bits, column, low[block], high[block])
            _leaves_of_block(
                root, small, links, values, x, width, start, count, bits, column, least, most, ends, found
            )
            if len(square):
                for i in range(count):
                    y = np.float64(found[i])
                    change = y - total[start + i]
                    total[start + i] += change / (tree + 1)
                    square[start + i] += change * (y - total[start + i])
            else:
                for i in range(count):
                    total[start + i] += np.float64(found[i])


@kernel
def morton(X, columns, keys):
    """The place of each pixel on a space-filling (Morton) curve: the bits of the columns in turn.

    There are 256 steps a column; neighbours on the curve have like values in all columns. An infinite value
    stands for one that is not known.
    """
    keys[:] = 0
    for c in range(len(columns)):
        column = X[:, columns[c]]
        least, most = np.float32(np.inf), np.float32(-np.inf)
        for i in range(len(X)):
            known = np.abs(column[i]) < np.inf
            least = min(least, column[i] if known else least)
            most = max(most, column[i] if known else most)
        if not least < most:
            continue
        per_step = min(np.float32(256) / (most - least), np.float32(1e30))
        for i in range(len(X)):
            place = min(max((column[i] - least) * per_step, np.float32(0)), np.float32(255))
            step = np.uint32(np.int32(place))
            # Spread the eight bits, so that three places lie between any two.
            step = (step | (step << np.uint32(12))) & np.uint32(0x000F000F)
            step = (step | (step << np.uint32(6))) & np.uint32(0x03030303)
            step = (step | (step << np.uint32(3))) & np.uint32(0x11111111)
            keys[i] |= step << np.uint32(c)


@kernel
def ranked(keys):
    """The order of numbers of 32 bits, equal ones as they come: by digits of 11 bits, the lowest first."""
    n, digits, mask, half = len(keys), 3, np.uint64(0x7FF), np.uint64(32)
    counts = np.zeros((digits, 2048), np.int64)
    here, there = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for i in range(n):
        key = np.uint64(keys[i])
        for digit in range(digits):
            counts[digit, (key >> np.uint64(11 * digit)) & mask] += 1
        here[i] = key << half | np.uint64(i)  # the key goes along, so that none is looked up
    for digit in range(digits):
        shift, place, reached = half + np.uint64(11 * digit), counts[digit], 0
        for d in range(2048):
            count = place[d]
            place[d] = reached
            reached += count
        for i in range(n):
            d = (here[i] >> shift) & mask
            there[place[d]] = here[i]
            place[d] += 1
        here, there = there, here
    return (here & np.uint64(0xFFFFFFFF)).astype(np.int64)

"""Bin the rows of a tree's sample, and split them by histograms: the compiled part.

A row of the sample lies in one piece, so that one load brings it and one move sorts it: the codes of its
columns (uint16, padded to 8 bytes), its targets (float32), and how often it was drawn (uint32). The arguments
``codes``, ``targets`` and ``times`` are views of the same rows.
"""

import numpy as np

from euclid_resolved.estimators._compiled import inner, kernel

# A bin counts rows in the upper half of a number, and draws in the lower: one addition does both.
_ROW = 1 << 32
_DRAWS = _ROW - 1


@kernel
def encode(X, rows, edges, first, low, per_cell, n_codes, codes):
    """Write, for each column of the sampled rows, how many edges lie below the value.

    Equal cells divide the range of a column's edges; ``first`` counts the edges below each cell, so that
    few remain to be searched. The cell of a value never falls as the value grows, whatever is rounded. NaN
    has the last code.
    """
    last = float(first.shape[1] - 2)
    for i in range(len(rows)):
        row = rows[i]
        for f in range(X.shape[1]):
            x = X[row, f]
            if x != x:
                codes[i, f] = n_codes[f] - 1
                continue
            cell = np.int64(min(max((np.float64(x) - low[f]) * per_cell[f], 0.0), last))
            start, stop = first[f, cell], first[f, cell + 1]
            while start < stop:
                middle = (start + stop) >> 1
                if edges[f, middle] < x:
                    start = middle + 1
                else:
                    stop = middle
            codes[i, f] = start


@inner
def _summarise(targets, times, at, n_targets, mean):
    """The mean of each target, and the number of draws."""
    weight = 0
    for t in range(n_targets):
        mean[t] = 0.0
    for i in range(len(targets)):
        draws = np.int64(times[i, at + n_targets])
        weight += draws
        for t in range(n_targets):
            mean[t] += np.float64(targets[i, at + t]) * draws
    for t in range(n_targets):
        mean[t] /= weight
    return weight


@inner
def _squares(targets, times, at, scale, mean):
    """The scaled sum of squares about the mean."""
    total = 0.0
    for i in range(len(targets)):
        for t in range(len(scale)):
            total += scale[t] * times[i, at + len(scale)] * (targets[i, at + t] - mean[t]) ** 2
    return total


@inner
def _fill(codes, targets, times, at, scale, mean, columns, sums, counts, deviation):
    """Add up, by column and bin, rows, draws, and the targets' deviations from the mean."""
    n_targets = len(scale)
    for i in range(len(codes)):
        draws = np.int64(times[i, at + n_targets])
        for t in range(n_targets):
            deviation[t] = (np.float64(targets[i, at + t]) - mean[t]) * draws
        for c in range(len(columns)):
            f = columns[c]
            b = codes[i, f]
            for t in range(n_targets):
                sums[f, b, t] += deviation[t]
            counts[f, b, n_targets] += _ROW + draws


@inner
def _search(sums, counts, n, weight, min_leaf, scale, best, running):
    """The bin of a column after which a split removes most squared error, if more than `best`."""
    n_targets = len(scale)
    where = -1
    count = 0
    for t in range(n_targets):
        running[t] = 0.0
    for b in range(len(sums) - 1):
        count += counts[b, n_targets]
        gain = 0.0
        for t in range(n_targets):
            running[t] += sums[b, t]
            gain += scale[t] * running[t] * running[t]
        rows, draws = count >> 32, count & _DRAWS
        if rows < min_leaf:
            continue
        if n - rows < min_leaf:
            break
        # The deviations of all rows sum to zero, so that those on the left tell the whole gain.
        gain = gain * weight / (np.float64(draws) * np.float64(weight - draws))
        if gain > best:
            best, where = gain, b
    return best, where


@inner
def _gain(sums, counts, last, weight, n_targets, gain):
    """Add to `gain` what the split after bin `last` removes of each target's squared error."""
    draws = 0
    for b in range(last + 1):
        draws += counts[b, n_targets] & _DRAWS
    for t in range(n_targets):
        total = 0.0
        for b in range(last + 1):
            total += sums[b, t]
        gain[t] += total * total * weight / (np.float64(draws) * np.float64(weight - draws))


@inner
def _partition(rows, codes, f, code):
    """Bring rows whose code in column f is at most `code` to the front, and count them."""
    left = 0
    for i in range(len(rows)):
        goes_left = codes[i, f] <= code
        for word in range(rows.shape[1]):
            rows[i, word], rows[left, word] = rows[left, word], rows[i, word]
        left += goes_left
    return left


@inner
def _shuffle(columns, state):
    """Bring columns into a random order (Fisher-Yates, with the numbers of splitmix64)."""
    for i in range(len(columns) - 1, 0, -1):
        state[0] += np.uint64(0x9E3779B97F4A7C15)
        z = state[0]
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        j = np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(33)) % (i + 1)
        columns[i], columns[j] = columns[j], columns[i]


@inner
def _push(stack, boxes, top, start, stop, depth, parent, box):
    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = start, stop, depth, parent
    for f in range(box.shape[1]):
        boxes[top, 0, f], boxes[top, 1, f] = box[0, f], box[1, f]


@kernel
def grow(
    rows, codes, targets, times, n_codes, missing, scale, min_leaf, tried, max_depth, seed,
    feature, right, code, value, gain,
):  # fmt: skip
    """Grow one tree, depth first, and return the number of its nodes; the last five arrays receive it.

    ``scale`` is a tuple, one number a target: its length is then known when this is compiled, and the loops
    over targets vanish. ``code`` receives the last bin that goes left. Of a column with ``missing`` the last
    bin is that of NaN.
    """
    n_columns, n_targets = len(n_codes), len(scale)
    at = 2 * ((n_columns + 3) // 4)  # where the targets begin, counted in their own size
    sums = np.empty((n_columns, n_codes.max(), n_targets + 1))
    counts = sums.view(np.int64)
    levels = min(len(rows) // min_leaf, n_codes.sum(), max_depth) + 2
    stack = np.empty((levels, 4), np.int64)
    boxes = np.empty((levels, 2, n_columns), np.uint16)  # the codes that a node's rows can have
    box = np.zeros((2, n_columns), np.uint16)
    columns = np.empty(n_columns, np.uint16)
    mean, work = np.empty(n_targets), np.empty(n_targets)
    state = np.full(1, np.uint64(seed), np.uint64)
    for f in range(n_columns):
        box[1, f] = n_codes[f] - 1
    _push(stack, boxes, 0, 0, len(rows), 0, -1, box)
    top, nodes, least = 1, 0, 0.0
    while top:
        top -= 1
        start, stop, depth, parent = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        node = nodes
        nodes += 1
        if parent >= 0:
            right[parent] = node
        mine, my_codes, n = rows[start:stop], codes[start:stop], stop - start
        my_targets, my_times = targets[start:stop], times[start:stop]
        weight = _summarise(my_targets, my_times, at, n_targets, mean)
        if node == 0:  # a gain below this is rounding
            least = 1e-12 * _squares(my_targets, my_times, at, scale, mean)
        feature[node], right[node] = -1, 0
        for t in range(n_targets):
            value[node, t] = mean[t]
        if n < 2 * min_leaf or depth >= max_depth:
            continue
        possible = 0
        for f in range(n_columns):
            box[0, f], box[1, f] = boxes[top, 0, f], boxes[top, 1, f]
            if box[0, f] < box[1, f]:
                columns[possible] = f
                possible += 1
        _shuffle(columns[:possible], state)
        best, split, last, done = least, -1, 0, 0
        while split < 0 and done < possible:  # as many columns as are to be tried; more if none can split
            some = columns[done : min(done + tried, possible)]
            done += len(some)
            for f in some:
                sums[f, box[0, f] : box[1, f] + 1] = 0.0
            _fill(my_codes, my_targets, my_times, at, scale, mean, some, sums, counts, work)
            for f in some:
                low, high = box[0, f], box[1, f] + 1
                found, b = _search(
                    sums[f, low:high], counts[f, low:high], n, weight, min_leaf, scale, best, work
                )
                if b >= 0:
                    best, split, last = found, np.int64(f), b + low
        if split < 0:
            continue
        low = box[0, split]
        _gain(sums[split, low:], counts[split, low:], last - low, weight, n_targets, gain[:, split])
        # Empty bins follow: the threshold lies in their middle, as between two values.
        following = last + 1
        while counts[split, following, n_targets] == 0:
            following += 1
        if missing[split] and following == n_codes[split] - 1:
            last = following - 1  # all numbers, also larger ones than here, lie apart from NaN
        else:
            last = (last + following - 1) // 2
        feature[node], code[node] = split, last
        middle = start + _partition(mine, my_codes, split, last)
        low, high = box[0, split], box[1, split]
        box[0, split] = last + 1
        _push(stack, boxes, top, middle, stop, depth + 1, node, box)
        box[0, split], box[1, split] = low, last
        _push(stack, boxes, top + 1, start, middle, depth + 1, -1, box)
        top += 2
    return nodes

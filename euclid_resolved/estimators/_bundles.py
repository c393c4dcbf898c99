"""Run forests on bundles of 64 pixels: the compiled part, for processors that compare many numbers at once.

Nodes are as in `_walking`. A bundle goes down a tree as a whole: where its pixels part, both children wait on
a stack, each with its pixels as the bits of a number. Neighbouring pixels share most nodes, so that far fewer
are visited than by one after the other. Each node writes its value, of which a leaf's is the last.

Three bundles take their steps in turn, since one alone would mostly wait for memory.
"""

import numpy as np
from llvmlite import binding, ir
from numba import config, types
from numba.extending import intrinsic

from euclid_resolved.estimators._compiled import inner, kernel

WIDTH = 64
"""Pixels of a bundle."""

_ONE, _TWO, _NONE = np.uint64(1), np.uint64(2), np.uint64(0)
_WIDE, _ALL = np.uint64(WIDTH), np.uint64(2**WIDTH - 1)
# Of a bundle at work, what is still to be visited: a stack of nodes, each with its pixels. Different nodes on
# it have different pixels: there are 64 at most, and one in the making. The three stacks lie in one array.
_STACK = 2 * (WIDTH + 2)
_A, _B, _C = np.uint64(0), np.uint64(_STACK), np.uint64(2 * _STACK)
_AT_ONCE = 3
_VECTOR, _MASK = ir.VectorType(ir.FloatType(), WIDTH), ir.VectorType(ir.IntType(1), WIDTH)


def at_hand() -> bool:
    """Whether the code is compiled for a processor with wide vectors and masks (AVX-512).

    Without them this way takes longer than the one of `_walking`.

    Examples
    --------
    >>> from euclid_resolved.estimators._bundles import at_hand
    >>> at_hand() in (True, False)
    True
    """
    name, features = (getattr(config, what, None) for what in ("CPU_NAME", "CPU_FEATURES"))
    if name is not None or features is not None:  # compiled for a processor that was named
        return "+avx512bw" in (features or "")
    return bool(binding.get_host_cpu_features().get("avx512bw")) and bool(getattr(config, "ENABLE_AVX", 0))


def _place(context, builder, kind, array, at):
    """Where in an array a vector is."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())


def _repeated(builder, number):
    vector = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(vector, ir.Constant(_VECTOR, ir.Undefined), zeros)


@intrinsic
def _not_above(typingctx, x, at, threshold):
    """Which of 64 numbers are not above a threshold, as bits."""

    def generate(context, builder, signature, args):
        array, at, threshold = args
        numbers = builder.load(_place(context, builder, signature.args[0], array, at))
        numbers.align = 4
        found = builder.fcmp_ordered("<=", numbers, _repeated(builder, threshold))
        return builder.bitcast(found, ir.IntType(WIDTH))

    return types.uint64(x, types.uint64, types.float32), generate


@intrinsic
def _write(typingctx, found, at, pixels, value):
    """Write a value to those of 64 places whose bits are set."""

    def generate(context, builder, signature, args):
        array, at, pixels, value = args
        place = _place(context, builder, signature.args[0], array, at)
        before = builder.load(place)
        before.align = 4
        which = builder.bitcast(pixels, _MASK)
        builder.store(builder.select(which, _repeated(builder, value), before), place).align = 4
        return context.get_dummy_value()

    return types.void(found, types.uint64, types.uint64, types.float32), generate


@inner
def _step(top, place, start, stack, links, values, x, found, bits, column):
    """Visit the node on the top of a stack; where the stack ends then."""
    top -= _TWO
    at, pixels = stack[top], stack[top + _ONE]
    link, value = np.uint64(links[at]), values[at + _ONE]
    goes_left = _not_above(x, start + (link & column) * _WIDE, value)
    _write(found, place, pixels, value)
    pixels = pixels if link else _NONE
    left, right = pixels & goes_left, pixels & ~goes_left
    # No way is guessed: a child without pixels is overwritten by what comes next.
    stack[top], stack[top + _ONE] = at + _TWO, left
    top += _TWO if left else _NONE
    stack[top], stack[top + _ONE] = at + (link >> bits), right
    top += _TWO if right else _NONE
    return top


@inner
def _next(number, stack, found, work, size, total, square, tree):
    """Take over the values of the bundle that is done, if it was one; where the next one's columns begin.

    ``work`` has the root, the next bundle, how many are done, how many there are, and which are at work.
    """
    done = work[4 + number]
    if done < work[3]:
        work[2] += 1
        start = done * WIDTH
        for i in range(min(WIDTH, len(total) - start)):
            y = np.float64(found[number * WIDTH + i])
            if len(square):
                change = y - total[start + i]
                total[start + i] += change / (tree + 1)
                square[start + i] += change * (y - total[start + i])
            else:
                total[start + i] += y
    # Where no bundle is left, the last is walked again in vain.
    following = work[1]
    work[4 + number] = following
    work[1] += 1
    stack[number * _STACK], stack[number * _STACK + 1] = np.uint64(work[0]), _ALL
    return np.uint64(min(following, work[3] - 1)) * size


@kernel
def run_bundles(links, values, first, bits, bundles, total, square):
    """Do what `_walking.run` does, to the last bit.

    ``bundles`` are the pixels as `bundle` arranges them; ``total`` and ``square`` have a place for each of
    them.
    """
    x, size = bundles.reshape(bundles.size), np.uint64(bundles.shape[1] * WIDTH)
    column, bits = (_ONE << np.uint64(bits)) - _ONE, np.uint64(bits)
    stack, found = np.zeros(_AT_ONCE * _STACK, np.uint64), np.empty(_AT_ONCE * WIDTH, np.float32)
    work = np.zeros(4 + _AT_ONCE, np.int64)
    work[3] = len(bundles)
    for tree in range(len(first)):
        work[0], work[1], work[2] = first[tree], 0, 0
        work[4:] = work[3]
        a, a_start = _A + _TWO, _next(0, stack, found, work, size, total, square, tree)
        b, b_start = _B + _TWO, _next(1, stack, found, work, size, total, square, tree)
        c, c_start = _C + _TWO, _next(2, stack, found, work, size, total, square, tree)
        while work[2] < work[3]:
            a = _step(a, _NONE, a_start, stack, links, values, x, found, bits, column)
            if a == _A:
                a, a_start = _A + _TWO, _next(0, stack, found, work, size, total, square, tree)
            b = _step(b, _WIDE, b_start, stack, links, values, x, found, bits, column)
            if b == _B:
                b, b_start = _B + _TWO, _next(1, stack, found, work, size, total, square, tree)
            c = _step(c, _TWO * _WIDE, c_start, stack, links, values, x, found, bits, column)
            if c == _C:
                c, c_start = _C + _TWO, _next(2, stack, found, work, size, total, square, tree)


@kernel
def bundle(X, order, bundles):
    """Arrange pixels by bundle, column and pixel; the last bundle is filled with its last pixel."""
    for number in range(len(bundles)):
        for i in range(WIDTH):
            row = order[min(number * WIDTH + i, len(X) - 1)]
            for f in range(X.shape[1]):
                bundles[number, f, i] = X[row, f]

"""One dense layer compiled by Numba; imported only when a network is run.

Pixels lie side by side, one neuron's values in a row. The sums of a few neurons for a few pixels stay in the
processor's registers from the first input to the last. The compiler does not find this order by itself, so
that the innermost step is spelled out in vectors. Every pixel goes through the same sums in the same order,
wherever it stands.
"""

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from euclid_resolved.estimators import kernel

ROWS = 4  # neurons that are worked on together: their inputs are fetched once for all of them
# Pixels that are. Together that makes eight registers of sums: a sum takes four cycles, and two are begun in
# each. Registers are twice as long with AVX-512.
COLUMNS = 32 if binding.get_host_cpu_features().get("avx512f") else 16

_PIXELS = ir.VectorType(ir.FloatType(), COLUMNS)
# A product and its sum in one step, rounded once, where the processor can.
_ONCE = ("contract",)


@intrinsic
def _sums(_, weights, bias, inputs, out, j, p, least):
    """Fill the outputs of `ROWS` neurons from j on, for `COLUMNS` pixels from p on; smaller sums become `least`."""

    def generate(context, builder, signature, values):
        kinds, (j, p, least) = signature.args[:4], values[4:]
        arrays = [context.make_array(kind)(context, builder, v) for kind, v in zip(kinds, values[:4], strict=True)]
        weights, bias, inputs, out = zip(kinds, arrays, strict=True)
        neurons = [builder.add(j, j.type(row)) for row in range(ROWS)]

        def place(array, *indices):
            return cgutils.get_item_pointer(context, builder, *array, indices)

        def pixels(array, row):
            return builder.bitcast(place(array, row, p), _PIXELS.as_pointer())

        def repeated(value):
            number = ir.IntType(32)
            vector = builder.insert_element(ir.Constant(_PIXELS, ir.Undefined), value, number(0))
            return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(number, COLUMNS), None))

        first = [repeated(builder.load(place(bias, neuron))) for neuron in neurons]
        before, loop, after = builder.block, *(builder.append_basic_block() for _ in range(2))
        builder.branch(loop)
        builder.position_at_end(loop)
        k, sums = builder.phi(j.type), [builder.phi(_PIXELS) for _ in neurons]
        x = builder.load(pixels(inputs, k), align=4)
        factors = [repeated(builder.load(place(weights, neuron, k))) for neuron in neurons]
        products = [builder.fmul(factor, x, flags=_ONCE) for factor in factors]
        added = [builder.fadd(*pair, flags=_ONCE) for pair in zip(sums, products, strict=True)]
        following = builder.add(k, j.type(1))
        for value, start, then in zip([k, *sums], [j.type(0), *first], [following, *added], strict=True):
            value.add_incoming(start, before)
            value.add_incoming(then, builder.block)
        length = builder.extract_value(inputs[1].shape, 0)
        builder.cbranch(builder.icmp_signed("<", following, length), loop, after)
        builder.position_at_end(after)
        least = repeated(least)
        for neuron, total in zip(neurons, added, strict=True):
            total = builder.select(builder.fcmp_ordered(">", total, least), total, least)
            builder.store(total, pixels(out, neuron), align=4)
        return context.get_dummy_value()

    return types.void(weights, bias, inputs, out, j, p, least), generate


@kernel
def dense(weights, bias, inputs, out, relu):
    """Weighted sums of the inputs, and a bias.

    Parameters
    ----------
    weights : `~numpy.ndarray`
        float32, shape (neurons, inputs): neurons are a multiple of `ROWS`.
    bias : `~numpy.ndarray`
        float32, shape (neurons,).
    inputs : `~numpy.ndarray`
        float32, shape (inputs, pixels): pixels are a multiple of `COLUMNS`.
    out : `~numpy.ndarray`
        float32, shape (neurons, pixels): filled.
    relu : bool
        Whether negative sums become zero.
    """
    least = np.float32(0 if relu else -np.inf)
    # The inputs of some pixels are fetched once for all neurons.
    for p in range(0, inputs.shape[1], COLUMNS):
        for j in range(0, len(weights), ROWS):
            _sums(weights, bias, inputs, out, j, p, least)

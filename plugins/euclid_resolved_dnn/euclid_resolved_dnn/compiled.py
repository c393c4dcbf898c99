"""One dense layer compiled by Numba; imported only when a network is run.

Pixels lie side by side, one neuron's values in a row, so that the processor works on as many pixels at once
as its registers hold. Every pixel goes through the same sums in the same order, wherever it stands.
"""

from functools import partial

import numpy as np
from numba import njit

from euclid_resolved.estimators import kernel

ROWS = 8  # neurons that are worked on together: their inputs are fetched once for all of them
COLUMNS = 4  # inputs that are added at a time: the sums are fetched and put back once for all of them

# A product and its sum in one step, rounded once, where the processor can.
_OPTIONS = {"fastmath": {"contract"}}
_inner = njit(nogil=True, error_model="numpy", **_OPTIONS)


@_inner
def _four(row, k):
    return row[k], row[k + 1], row[k + 2], row[k + 3]


@_inner
def _sum(start, w, x):
    return start + w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3]


@partial(kernel, **_OPTIONS)
def dense(weights, bias, inputs, out, relu):
    """Weighted sums of the inputs, and a bias.

    Parameters
    ----------
    weights : `~numpy.ndarray`
        float32, shape (neurons, inputs): multiples of `ROWS` and of `COLUMNS`.
    bias : `~numpy.ndarray`
        float32, shape (neurons,).
    inputs : `~numpy.ndarray`
        float32, shape (inputs, pixels).
    out : `~numpy.ndarray`
        float32, shape (neurons, pixels): filled.
    relu : bool
        Whether negative sums become zero.
    """
    pixels, zero = inputs.shape[1], np.float32(0)
    for j in range(0, len(weights), ROWS):
        a, b, c, d = out[j], out[j + 1], out[j + 2], out[j + 3]
        e, f, g, h = out[j + 4], out[j + 5], out[j + 6], out[j + 7]
        for m in range(j, j + ROWS):
            out[m] = bias[m]
        for k in range(0, len(inputs), COLUMNS):
            x0, x1, x2, x3 = inputs[k], inputs[k + 1], inputs[k + 2], inputs[k + 3]
            wa, wb = _four(weights[j], k), _four(weights[j + 1], k)
            wc, wd = _four(weights[j + 2], k), _four(weights[j + 3], k)
            we, wf = _four(weights[j + 4], k), _four(weights[j + 5], k)
            wg, wh = _four(weights[j + 6], k), _four(weights[j + 7], k)
            for p in range(pixels):
                x = x0[p], x1[p], x2[p], x3[p]
                a[p], b[p] = _sum(a[p], wa, x), _sum(b[p], wb, x)
                c[p], d[p] = _sum(c[p], wc, x), _sum(d[p], wd, x)
                e[p], f[p] = _sum(e[p], we, x), _sum(f[p], wf, x)
                g[p], h[p] = _sum(g[p], wg, x), _sum(h[p], wh, x)
        if relu:
            for m in range(j, j + ROWS):
                for p in range(pixels):
                    out[m, p] = max(out[m, p], zero)

"""Dense layers: what runs a network, and what decides whether one from a file may run."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from euclid_resolved.errors import InputError

# Rows that go through all layers together: their values stay in the processor's cache. Were it 512, values of one
# pixel would lie so that they drive each other out of the cache's fastest part.
_BLOCK = 544
_FARTHEST = 1000.0  # features are held within this distance of 0; the training range is [0, 1]
_LARGEST = 1e37  # no value inside a network may pass this: float32 ends at 3e38


def _relu(h):
    np.maximum(h, 0, out=h)


def _elu(h):
    negative = np.expm1(np.minimum(h, 0))
    _relu(h)
    h += negative


def _silu(h):
    h /= 1 + np.exp(-np.maximum(h, -80))


def _tanh(h):
    np.tanh(h, out=h)


def _linear(h):
    pass


# Each works in place and never makes a value larger than it was; `check_layers` counts on that.
ACTIVATIONS = {"relu": _relu, "elu": _elu, "silu": _silu, "tanh": _tanh, "linear": _linear}
"""The activations that a layer may have, under the names that Keras gives them."""


class Layer(NamedTuple):
    """One dense layer: ``activation(h @ weights + bias)``."""

    weights: np.ndarray  # float32, shape (inputs, outputs)
    bias: np.ndarray  # float32, shape (outputs,)
    activation: str  # one of `ACTIVATIONS`


def glorot(sizes, rng):
    """Weights to begin with: uniform, with the variance of Glorot & Bengio (2010); biases are zero.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, the widths of the layers, and outputs.
    rng : `~numpy.random.Generator`

    Returns
    -------
    arrays : list of `~numpy.ndarray`
        Weights and bias of each layer in turn, float32.
    """
    arrays = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        limit = np.sqrt(6 / (inputs + outputs))
        arrays.append(rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32))
        arrays.append(np.zeros(outputs, np.float32))
    return arrays


def check_layers(layers):
    """Make sure that layers fit together and cannot give anything but finite numbers.

    Parameters
    ----------
    layers : sequence of `Layer`
        With finite weights.

    Raises
    ------
    InputError
        If the shapes do not chain up to one output, an activation is unknown, or the weights are so
        large that a value could overflow.
    """
    size, largest = len(layers[0].weights), _FARTHEST
    for number, layer in enumerate(layers, 1):
        if layer.activation not in ACTIVATIONS:
            raise InputError(f"layer {number}: no activation {layer.activation!r:.40}")
        if (
            len(layer.weights) != size
            or layer.bias.shape != layer.weights.shape[1:]
            or not layer.weights.size
        ):
            raise InputError(
                f"layer {number}: weights {layer.weights.shape} and bias {layer.bias.shape} do not follow "
                f"{size} inputs"
            )
        size = len(layer.bias)
        weights, bias = layer.weights.astype(np.float64), layer.bias.astype(np.float64)
        largest = float((np.abs(weights).sum(axis=0) * largest + np.abs(bias)).max())
        if not largest < _LARGEST:
            raise InputError(f"layer {number}: the weights are too large, its values could overflow")
    if size != 1:
        raise InputError(f"the last layer has {size} outputs, 1 is needed")


def run(layers, X, n_jobs=-1):
    """What a network makes of each row.

    Parameters
    ----------
    layers : sequence of `Layer`
    X : `~numpy.ndarray`
        float32, shape (n, k), finite.
    n_jobs : int, optional
        Threads; -1 takes every core.

    Returns
    -------
    y : `~numpy.ndarray`
        float32, shape (n, outputs), finite. Each value depends on its own row only, to the last bit.
    """
    y = np.empty((len(X), len(layers[-1].bias)), np.float32)
    starts = range(0, len(X), _BLOCK)
    threads = min((os.cpu_count() or 1) if n_jobs < 0 else max(n_jobs, 1), len(starts))
    if threads <= 1:
        _run_blocks(layers, X, y, starts)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda i: _run_blocks(layers, X, y, starts[i::threads]), range(threads)))
    return y


def _run_blocks(layers, X, y, starts):
    """Fill `y` for the blocks that begin at these rows."""
    from euclid_resolved_dnn.compiled import COLUMNS, ROWS, dense

    # Neurons, and pixels behind a block's own, that are there to make even numbers; what they give is not used.
    plan = [
        (_padded(layer.weights.T, ROWS), _padded(layer.bias, ROWS), layer.activation) for layer in layers
    ]
    wide = _BLOCK + -_BLOCK % COLUMNS
    room = np.empty((2, max(len(bias) for _, bias, _ in plan), wide), np.float32)
    first = np.zeros((X.shape[1], wide), np.float32)
    for start in starts:
        rows, h = X[start : start + _BLOCK], first
        np.clip(rows.T, -_FARTHEST, _FARTHEST, out=h[:, : len(rows)])
        for i, (weights, bias, activation) in enumerate(plan):
            out = room[i % 2, : len(bias)]
            dense(weights, bias, h[: weights.shape[1]], out, activation == "relu")
            if activation != "relu":
                ACTIVATIONS[activation](out)
            h = out
        y[start : start + _BLOCK] = h[: y.shape[1], : len(rows)].T


def _padded(values, multiple):
    """An array with zeros behind it, up to a multiple of this length; contiguous."""
    return np.ascontiguousarray(np.pad(values, [(0, -len(values) % multiple)] + [(0, 0)] * (values.ndim - 1)))

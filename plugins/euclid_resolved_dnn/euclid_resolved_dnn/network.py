"""Dense layers in NumPy: what runs a network, and what decides whether one from a file may run."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from euclid_resolved.errors import InputError

__all__ = ["ACTIVATIONS", "Layer", "check_layers", "glorot", "run"]

_TILE = 8  # rows of one matrix product
_BLOCK = 1024  # rows that go through all layers together: their values stay in the processor's cache
_FARTHEST = 1000.0  # features are held within this distance of 0; the training range is [0, 1]
_LARGEST = 1e37  # no value inside a network may pass this: float32 ends at 3e38


def _relu(h):
    np.maximum(h, 0, out=h)


def _elu(h):
    h[...] = np.where(h > 0, h, np.expm1(np.minimum(h, 0)))


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
        float32, shape (n,), finite. Each value depends on its own row only, to the last bit.
    """
    y = np.empty(len(X), np.float32)

    def one(start):
        block = X[start : start + _BLOCK]
        y[start : start + _BLOCK] = _block(layers, block)

    starts = range(0, len(X), _BLOCK)
    threads = min((os.cpu_count() or 1) if n_jobs < 0 else max(n_jobs, 1), len(starts))
    if threads <= 1:
        for start in starts:
            one(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, starts))
    return y


def _block(layers, X):
    # A BLAS library computes the rows of a product by tiles, and those at the end of a matrix in another
    # order of summation than those inside it. Products of few rows, always as many, give a row the same
    # last bit wherever it stands, and are too small to be spread over threads. NumPy loops over the stack.
    tiles = -(-len(X) // _TILE)
    h = np.zeros((tiles, _TILE, X.shape[1]), np.float32)
    np.clip(X, -_FARTHEST, _FARTHEST, out=h.reshape(-1, X.shape[1])[: len(X)])
    for weights, bias, activation in layers:
        h = np.matmul(h, weights)
        h += bias
        ACTIVATIONS[activation](h)
    return h.reshape(-1)[: len(X)]

"""The network without Keras: how its layers hang together, what runs them, and which layers may run."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from euclid_resolved.errors import InputError

_TILE = 512  # pixels along a side that go through the network together
_ROWS = 16384  # pixels of a layer that are summed together: their sums stay in the processor's cache
_LARGEST = 1e37  # no value inside a network may pass this: float32 ends at 3e38
FARTHEST = 6.0
"""Standardised brightness is held within this distance of 0."""


class Layer(NamedTuple):
    """A convolution: 3 by 3 pixels, or 1 by 1."""

    kernel: np.ndarray  # float32, shape (rows, columns, inputs, outputs)
    bias: np.ndarray  # float32, shape (outputs,)


def shapes(inputs: int, widths: Sequence[int], outputs: int) -> list[tuple[int, int, int, int]]:
    """The shapes of the kernels, in the order in which they are applied.

    Parameters
    ----------
    inputs : int
        Planes that go in.
    widths : sequence of int
        Planes at each level, the finest first.
    outputs : int
        Planes that come out.

    Returns
    -------
    shapes : list of tuple of int
    """
    down = [(inputs, widths[0]), *zip(widths, widths[1:], strict=False)]
    up = [(widths[i] + widths[i + 1], widths[i]) for i in reversed(range(len(widths) - 1))]
    made = [pair for first in (*down, *up) for pair in (first, (first[1], first[1]))]
    return [(3, 3, *pair) for pair in made] + [(1, 1, widths[0], outputs)]


def wire(x: Any, convolutions: Sequence[Callable], halve: Callable, double: Callable, join: Callable) -> Any:
    """Send planes through a U-Net: the one description of it, for Keras and for NumPy.

    Parameters
    ----------
    x : object
        The planes.
    convolutions : sequence of callable
        In the order of `shapes`, with their activation.
    halve, double : callable
        What makes planes of half, and of twice, the size.
    join : callable
        What puts planes of one size together.

    Returns
    -------
    x : object
    """
    following = iter(convolutions)
    levels = (len(convolutions) + 1) // 4
    kept = []
    for level in range(levels):
        x = halve(x) if level else x
        x = _twice(x, following)
        kept.append(x)
    kept.pop()
    while kept:
        x = _twice(join(double(x), kept.pop()), following)
    return next(following)(x)


def _twice(x: Any, following: Iterator[Callable]) -> Any:
    first, second = next(following), next(following)
    return second(first(x))


def reach(levels: int) -> int:
    """How many pixels to each side an estimate may depend on: a multiple of `step`.

    Parameters
    ----------
    levels : int

    Returns
    -------
    pixels : int
    """
    # Two convolutions a level on the way down, two on the way up, and a block of the coarsest level.
    pixels = 2 * (2**levels - 1) + 2 * (2 ** (levels - 1) - 1) + step(levels)
    return -(-pixels // step(levels)) * step(levels)


def step(levels: int) -> int:
    """Pixels of the finest level that are one of the coarsest."""
    return 2 ** (levels - 1)


def check_layers(layers: Sequence[Layer], inputs: int, widths: Sequence[int], outputs: int) -> None:
    """Make sure that layers fit together and cannot give anything but finite numbers.

    Parameters
    ----------
    layers : sequence of `Layer`
    inputs, widths, outputs
        As for `shapes`.

    Raises
    ------
    InputError
        If a shape is another, or weights are not finite, or so large that a value could overflow.
    """
    wanted = shapes(inputs, widths, outputs)
    if len(layers) != len(wanted):
        raise InputError(f"{len(layers)} layers, {len(wanted)} are needed")
    largest = FARTHEST
    for number, (layer, shape) in enumerate(zip(layers, wanted, strict=True), 1):
        if layer.kernel.shape != shape or layer.bias.shape != shape[-1:]:
            raise InputError(
                f"layer {number}: kernel {layer.kernel.shape} and bias {layer.bias.shape}, "
                f"{shape} and {shape[-1:]} are needed"
            )
        kernel, bias = np.abs(layer.kernel.astype(np.float64)), np.abs(layer.bias.astype(np.float64))
        reached = float((kernel.sum(axis=(0, 1, 2)) * largest + bias).max())
        if not reached < _LARGEST:
            raise InputError(f"layer {number}: weights that are not finite, or so large that sums overflow")
        # Planes that skip levels may be larger than what came later.
        largest = max(largest, reached)


def run(
    layers: Sequence[Layer], planes: np.ndarray, finish: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """What a network makes of an image.

    Parameters
    ----------
    layers : sequence of `Layer`
    planes : `~numpy.ndarray`
        float32, shape (inputs, ny, nx), finite.
    finish : callable, optional
        What is made of the planes that come out, piece by piece: planes of the same size.

    Returns
    -------
    out : `~numpy.ndarray`
        float32, shape (outputs, ny, nx), or what `finish` makes of that.
    """
    levels = (len(layers) + 1) // 4
    size, around = step(levels), reach(levels)
    ny, nx = planes.shape[1:]
    planes = np.pad(planes, ((0, 0), (0, -ny % size), (0, -nx % size)))
    height, width = planes.shape[1:]
    out = None
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            bottom, right = min(top + _TILE, height), min(left + _TILE, width)
            # Pieces begin where a pixel of the coarsest level does, so that they see what the whole would.
            y0, x0 = max(top - around, 0), max(left - around, 0)
            piece = planes[:, y0 : bottom + around, x0 : right + around]
            made = _run_piece(layers, piece)[:, top - y0 : bottom - y0, left - x0 : right - x0]
            made = made if finish is None else finish(made)
            if out is None:
                out = np.empty((len(made), height, width), np.float32)
            out[:, top:bottom, left:right] = made
    return out[:, :ny, :nx]


def _run_piece(layers, planes):
    last = len(layers) - 1

    def convolution(number):
        return lambda x: _convolve(x, layers[number], relu=number < last)

    return wire(
        planes,
        [convolution(i) for i in range(len(layers))],
        halve=lambda x: (x[:, ::2] + x[:, 1::2]).reshape(len(x), x.shape[1] // 2, -1, 2).mean(axis=3) / 2,
        double=lambda x: x.repeat(2, axis=1).repeat(2, axis=2),
        join=lambda a, b: np.concatenate([a, b]),
    )


def _convolve(x, layer, relu):
    """Weighted sums over neighbouring pixels, zero beyond the edge, and a bias; negative sums become zero."""
    side = len(layer.kernel)
    n, ny, nx = x.shape
    pad = side // 2
    # Rows follow each other in memory, with room between: to step to a neighbour is to start elsewhere.
    wide = nx + 2 * pad
    padded = np.zeros((n, (ny + 2 * pad) * wide + 2 * pad), np.float32)
    inner = padded[:, : (ny + 2 * pad) * wide].reshape(n, -1, wide)
    inner[:, pad : pad + ny, pad : pad + nx] = x
    out = np.empty((len(layer.bias), ny, nx), np.float32)
    rows = max(_ROWS // wide, 1)
    weights = layer.kernel.transpose(3, 0, 1, 2).reshape(len(layer.bias), -1)
    for top in range(0, ny, rows):
        bottom = min(top + rows, ny)
        count = (bottom - top) * wide
        starts = [(top + i) * wide + j for i in range(side) for j in range(side)]
        beside = np.concatenate([padded[:, start : start + count] for start in starts])
        sums = weights @ beside
        sums += layer.bias[:, None]
        if relu:
            np.maximum(sums, 0, out=sums)
        out[:, top:bottom] = sums.reshape(len(sums), -1, wide)[:, :, :nx]
    return out

"""Noise that is drawn again: numbers that depend on seed, draw and pixel alone, and points that balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_BLOCK = 65536  # pixels in a run of numbers
_GAP = 200  # pixels; numbers for the pixels of a smaller gap are made in less time than a new start takes

# The rows of the matrix of a quaternion (a, b, c, d), which are orthogonal: which number, with which sign.
_WHICH = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])
_SIGN = np.array([[1, 1, 1, 1], [-1, 1, 1, -1], [-1, -1, 1, 1], [-1, 1, -1, 1]])


def draw_noise(seed: int, draw: int, pixels: ArrayLike, n_bands: int) -> np.ndarray:
    """Standard normal numbers that depend on seed, draw and pixel, not on which other pixels are drawn.

    Parameters
    ----------
    seed, draw : int
    pixels : array_like of int
        The numbers of the pixels, ascending.
    n_bands : int

    Returns
    -------
    noise : `~numpy.ndarray` of float64
        Shape (pixels, bands).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._draws import draw_noise
    >>> whole = draw_noise(1, 0, np.arange(6), 4)  # of six pixels in four bands
    >>> np.array_equal(whole[[2, 5]], draw_noise(1, 0, [2, 5], 4))
    True
    """
    from scipy.special import ndtri

    # A generator that counts: its stream can be entered anywhere, at steps of four numbers, and each
    # uniform number becomes one normal number.
    pixels, steps = np.asarray(pixels, np.int64), -(-n_bands // 4)
    uniform = np.empty((len(pixels), n_bands))
    breaks = (np.diff(pixels) > _GAP) | (np.diff(pixels // _BLOCK) > 0)
    ends = [0, *(np.flatnonzero(breaks) + 1), len(pixels)]
    counter, reached = np.random.Philox(key=[seed, draw]), 0
    generator = np.random.Generator(counter)
    for start, stop in zip(ends[:-1], ends[1:], strict=True) if len(pixels) else ():
        first, last = int(pixels[start]), int(pixels[stop - 1])
        counter.advance((first - reached) * steps)
        numbers = generator.random((last + 1 - first, 4 * steps))
        uniform[start:stop] = numbers[pixels[start:stop] - first, :n_bands]
        reached = last + 1
    return ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))


def points_of(draws: int, n_bands: int) -> int:
    """At how many points `balanced_noise` has a pixel estimated.

    Parameters
    ----------
    draws, n_bands : int

    Returns
    -------
    points : int

    Examples
    --------
    >>> from euclid_resolved.models._draws import points_of
    >>> points_of(32, 4), points_of(256, 4), points_of(32, 10)
    (16, 128, 32)
    """
    sides = _sides(n_bands)
    return 2 * sides * -(-draws // (4 * sides))


def balanced_noise(seed: int, draws: int, pixels: ArrayLike, n_bands: int) -> np.ndarray:
    """Standard normal noise whose moments are right for every pixel, from few points.

    Points come in sets: orthogonal directions, turned at random for every pixel, and their opposites. Mean
    and covariance of the points of a set are those of the normal distribution, so that what noise does to a
    linear function is exact; what is left to chance is how an estimator deviates from one. A set has one
    radius; two of them have those at which the mean of the fourth power of the radius is right, too (the
    rule of Gauss and Laguerre with two radii of equal weight). Half as many points as independent draws know
    the scatter as well, or better.

    Parameters
    ----------
    seed, draws : int
    pixels : array_like of int
        The numbers of the pixels, ascending, on which their noise depends.
    n_bands : int

    Returns
    -------
    noise : `~numpy.ndarray` of float32
        Shape (pixels, points, bands).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._draws import balanced_noise
    >>> noise = balanced_noise(1, 32, [7], 4)[0]
    >>> print(noise.shape, np.allclose(noise.T @ noise / 16, np.eye(4), atol=1e-6))
    (16, 4) True
    """
    sides = _sides(n_bands)
    sets = points_of(draws, n_bands) // (2 * sides)
    pixels = np.asarray(pixels, np.int64)
    noise = np.empty((len(pixels), sets, 2, sides, n_bands), np.float32)
    for number in range(sets):
        paired = number < sets - sets % 2
        radius = np.sqrt(sides + ((-1) ** number * np.sqrt(2 * sides) if paired else 0))
        directions = _directions(draw_noise(seed, number, pixels, sides))[..., :n_bands]
        noise[:, number, 0] = radius * directions
        np.negative(noise[:, number, 0], out=noise[:, number, 1])
    return noise.reshape(len(pixels), 2 * sets * sides, n_bands)


def balanced_sigma(values: np.ndarray, n_bands: int) -> np.ndarray:
    """The standard deviation of what an estimator gives at the points of `balanced_noise`.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Shape (pixels, points).
    n_bands : int

    Returns
    -------
    sigma : `~numpy.ndarray` of float32
        Shape (pixels,). What changes sign with the noise has no mean to be found; of what does not, the mean
        is one number less that is known.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._draws import balanced_noise, balanced_sigma
    >>> noise = balanced_noise(1, 16, np.arange(3), 4)
    >>> print(balanced_sigma(0.3 * noise[..., 0] + 0.4 * noise[..., 2], 4))
    [0.5 0.5 0.5]
    """
    n, points, sides = *values.shape, _sides(n_bands)
    pairs = values.astype(np.float64).reshape(n, points // (2 * sides), 2, sides)
    odd, even = pairs[:, :, 0] - pairs[:, :, 1], pairs[:, :, 0] + pairs[:, :, 1]
    odd, even = (half.reshape(n, points // 2) / 2 for half in (odd, even))
    return np.sqrt((odd**2).mean(axis=1) + even.var(axis=1, ddof=1)).astype(np.float32)


def _sides(n_bands):
    """How many directions a set has: those of a space with room for all bands, in quadruples."""
    sides = 4
    while sides < n_bands:
        sides *= 2
    return sides


def _directions(normal):
    """Orthogonal unit vectors by pixel, each evenly spread over all directions: (pixels, sides, sides).

    Four numbers are a quaternion, whose matrix is one of them. Two such matrices A and B are put together
    as (cA, sB), (-sA, cB), with c : s as the lengths of the numbers that they are made of.
    """
    quaternions = normal.reshape(len(normal), normal.shape[1] // 4, 4)
    lengths = list(np.sqrt((quaternions**2).sum(axis=2)).T[..., None, None])
    matrices = [
        _SIGN * q[:, _WHICH] / n for q, n in zip(quaternions.transpose(1, 0, 2), lengths, strict=True)
    ]
    while len(matrices) > 1:
        pairs = list(zip(matrices[::2], matrices[1::2], lengths[::2], lengths[1::2], strict=True))
        lengths = [np.hypot(a, b) for _, _, a, b in pairs]
        matrices = [
            np.concatenate([np.concatenate([a / n * A, b / n * B], axis=2),
                            np.concatenate([-b / n * A, a / n * B], axis=2)], axis=1)
            for (A, B, a, b), n in zip(pairs, lengths, strict=True)
        ]  # fmt: skip
    return matrices[0]

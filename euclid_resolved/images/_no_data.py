"""Pixels without data that look like numbers: blocks of exact zeros."""

from __future__ import annotations

from typing import Self

import numpy as np

__all__ = ["zero_blocks"]

CHANCE = 1e-6
"""A block of zeros is no data where measurements give one in so few images of pure sky."""

LEAST = 9  # pixels: fewer zeros together are no block in any image
SAMPLE = 1_000_000


class ZeroBlocks:
    """How large a block of exact zeros has to be, in one image, to be no data.

    A single zero is a measurement, as counts of few photons and quantised skies have many. How often
    measurements are zero is seen beside pixels that are not zero, and how often they repeat in neighbours
    that are equal; blocks that both make likely are kept.

    Parameters
    ----------
    rows : `~numpy.ndarray`
        Some rows of the image, whole, 2-D.
    shape : tuple of int
        Of the image.

    Attributes
    ----------
    side : int or None
        A square of this side full of zeros is no data; odd. None where the image is too small for one.
    length : int or None
        So is a piece of a row or column of this length.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._no_data import ZeroBlocks
    >>> sky = np.random.default_rng(1).normal(0.5, 0.1, (100, 100))
    >>> ZeroBlocks(sky, sky.shape).side
    3
    >>> photons = np.random.default_rng(1).poisson(1.0, (100, 100))
    >>> ZeroBlocks(photons, photons.shape).side
    5
    """

    def __init__(self, rows: np.ndarray, shape: tuple[int, ...]) -> None:
        finite, zero = np.isfinite(rows), rows == 0
        left, right = np.s_[:, :-1], np.s_[:, 1:]
        both, other = finite[left] & finite[right], ~zero & finite
        beside = int(np.count_nonzero(both & other[left]) + np.count_nonzero(both & other[right]))
        zeros = int(np.count_nonzero(both & (zero[left] != zero[right])))
        equal = 2 * int(np.count_nonzero(both & other[left] & (rows[left] == rows[right])))
        chance = max(zeros, equal) / max(beside, 1)
        needed = np.inf
        if chance < 1:
            size = shape[0] * shape[1]
            needed = max(LEAST, np.log(CHANCE / size) / np.log(max(chance, 1e-9)))
        self.side = _odd(np.sqrt(needed), min(shape))
        self.length = _odd(needed, max(shape))

    @property
    def reach(self) -> int:
        """How many rows above and below decide whether a pixel is in a block."""
        return (self.side or 1) + (self.length or 1) - 2

    @classmethod
    def of(cls, data: np.ndarray) -> Self:
        """`ZeroBlocks` from a whole image."""
        return cls(data[:: row_step(data.shape)], data.shape)

    def find(self, data: np.ndarray) -> np.ndarray:
        """Where an image, or some of its rows, has no data.

        Parameters
        ----------
        data : `~numpy.ndarray`
            2-D.

        Returns
        -------
        empty : `~numpy.ndarray` of bool
        """
        from scipy.ndimage import maximum_filter, minimum_filter

        zero = data == 0
        empty = np.zeros(data.shape, bool)
        if np.count_nonzero(zero) < LEAST:
            return empty
        lines = self.length and ((self.length, 1), (1, self.length))
        for size in (self.side and (self.side, self.side), *(lines or ())):
            if size and size[0] <= data.shape[0] and size[1] <= data.shape[1]:
                # What is in a square already does not make a line of the few zeros that touch it.
                full = (zero & ~empty).astype(np.uint8)
                full = minimum_filter(full, size=size, mode="constant", cval=0)
                if full.any():
                    empty |= maximum_filter(full, size=size, mode="constant", cval=0) > 0
        return empty


def _odd(number, most):
    """The next odd whole number, or None above `most`."""
    if not number <= most:
        return None
    number = int(np.ceil(number)) // 2 * 2 + 1
    return number if number <= most else None


def row_step(shape: tuple[int, ...]) -> int:
    """Of so many rows one tells enough of how an image is distributed."""
    return max(1, shape[0] * shape[1] // SAMPLE)


def zero_blocks(data: np.ndarray) -> np.ndarray:
    """Where an image has blocks of exact zeros, which are no data.

    Footprints, gaps, frames and bad columns are often filled with zeros. Single zeros are measurements,
    and so are groups of them that are likely in counts of few photons or in a quantised sky.

    Parameters
    ----------
    data : `~numpy.ndarray`
        2-D.

    Returns
    -------
    empty : `~numpy.ndarray` of bool
        True in blocks of exact zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images import zero_blocks
    >>> sky = np.random.default_rng(1).normal(0.5, 0.1, (100, 100))
    >>> sky[:, :60] = 0  # beyond the edge of the detector
    >>> sky[50, 80] = 0  # a measurement
    >>> print(f"{zero_blocks(sky).mean():.2f} of the image is no data")
    0.60 of the image is no data
    """
    return ZeroBlocks.of(data).find(data)

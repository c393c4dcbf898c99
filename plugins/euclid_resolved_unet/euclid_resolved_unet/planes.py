"""What the network sees of an image, and what its output means."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved_unet.network import FARTHEST

_SOFTENING = 0.1  # of the faintest per cent of the training pixels: below, the logarithm becomes linear
_EVEN = 1e-4  # the part of the edges of bins that is evenly spaced


class Eyes(NamedTuple):
    """How brightness becomes planes of numbers near 0."""

    softening: np.ndarray  # float32, shape (bands,), MJy/sr
    centre: np.ndarray  # float32, shape (bands,): of each plane in training
    width: np.ndarray  # float32, shape (bands,)

    @classmethod
    def of(cls, brightness: Sequence[np.ndarray]) -> "Eyes":
        """Those that suit the training pixels.

        Parameters
        ----------
        brightness : sequence of `~numpy.ndarray`
            By galaxy, MJy/sr, shape (bands, pixels).
        """
        every = np.concatenate(brightness, axis=1)
        softening = (_SOFTENING * np.percentile(every, 1, axis=1)).astype(np.float32)
        planes = _colours(every, softening)
        width = np.maximum(planes.std(axis=1), 1e-3)
        return cls(softening, planes.mean(axis=1).astype(np.float32), width.astype(np.float32))

    def see(self, brightness: np.ndarray) -> np.ndarray:
        """The planes of an image.

        Parameters
        ----------
        brightness : `~numpy.ndarray`
            MJy/sr, shape (bands, ny, nx), NaN where a band is missing or masked.

        Returns
        -------
        planes : `~numpy.ndarray`
            float32, shape (bands + 1, ny, nx): colours of neighbouring bands, the brightness of the last
            band, each standardised, and 1 where all bands are there. Zero where one is not.
        """
        there = np.isfinite(brightness).all(axis=0)
        planes = _colours(np.where(there, brightness, 0), self.softening)
        planes = (planes - self.centre[:, None, None]) / self.width[:, None, None]
        planes = np.clip(planes, -FARTHEST, FARTHEST) * there
        return np.concatenate([planes, there[None]]).astype(np.float32)


def _colours(brightness, softening):
    """Dex of brightness, linear near zero; then differences of neighbouring bands, the last as it is."""
    with np.errstate(over="ignore"):
        scaled = brightness / (2 * softening.reshape(-1, *[1] * (brightness.ndim - 1)))
    dex = np.arcsinh(np.clip(scaled, -1e30, 1e30)) / np.log(10)
    return np.concatenate([dex[:-1] - dex[1:], dex[-1:]]).astype(np.float32)


def brightness_of(image: MultiBandImage, bands: Sequence[str]) -> np.ndarray:
    """The bands of an image, NaN where one is masked.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    bands : sequence of str

    Returns
    -------
    brightness : `~numpy.ndarray`
        float32, MJy/sr, shape (bands, ny, nx).

    Raises
    ------
    InputError
        If a band is missing.
    """
    missing = [band for band in bands if band not in image]
    if missing:
        raise InputError(f"the image has no band {', '.join(missing)}, only {', '.join(image.bands)}")
    return np.stack([np.where(image.mask(band), np.nan, image.brightness(band)) for band in bands])


def bin_edges(dex: np.ndarray, bins: int) -> np.ndarray:
    """Edges of bins that hold about as many training pixels each.

    Parameters
    ----------
    dex : `~numpy.ndarray`
        Shape (n,), not all equal.
    bins : int

    Returns
    -------
    edges : `~numpy.ndarray`
        float64, shape (bins + 1,), increasing; the first and last are the range of training.
    """
    edges = np.quantile(dex.astype(np.float64), np.linspace(0, 1, bins + 1))
    # Where values repeat, quantiles would; a bin has some width.
    return (1 - _EVEN) * edges + _EVEN * np.linspace(edges[0], edges[-1], bins + 1)


def value_within(out: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The values that the network's output stands for.

    Each bin has a likelihood, and a place within it; the value is the mean of the places. It cannot leave the
    range of the edges.

    Parameters
    ----------
    out : `~numpy.ndarray`
        float32, shape (properties * 2 * bins, ny, nx).
    edges : `~numpy.ndarray`
        Shape (properties, bins + 1).

    Returns
    -------
    values : `~numpy.ndarray`
        float32, shape (properties, ny, nx).
    """
    low, high = edges[:, :-1].astype(np.float32), edges[:, 1:].astype(np.float32)
    middle, half = (low + high) / 2, (high - low) / 2
    properties, bins = low.shape
    values = np.empty((properties, *out.shape[1:]), np.float32)
    for number, planes in enumerate(out.reshape(properties, 2, bins, *out.shape[1:])):
        likely = np.exp(planes[0] - planes[0].max(axis=0))
        likely /= likely.sum(axis=0)
        place = np.tanh(planes[1]) * half[number, :, None, None] + middle[number, :, None, None]
        # Rounding may leave the range by its last digit.
        values[number] = np.clip((likely * place).sum(axis=0), low[number, 0], high[number, -1])
    return values

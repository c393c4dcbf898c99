"""What stands out from the noise of an image, and the source at a place."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from astropy.stats import mad_std

from euclid_resolved.errors import InputError
from euclid_resolved.images._no_data import zero_blocks
from euclid_resolved.images._noise import image_noise

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage


def significance(image: MultiBandImage) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed signal-to-noise above the sky, all bands together, in units of its own scatter.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`

    Returns
    -------
    snr : `~numpy.ndarray`
        0 where it is not known.
    known : `~numpy.ndarray` of bool
        Where at least half of what is averaged is good in some band.
    """
    total, number = np.zeros(image.shape), np.zeros(image.shape)
    for band in image:
        data, sigma = image.brightness(band).astype(float), image_noise(image, band)
        good = ~image.mask(band) & np.isfinite(data)
        good &= ~zero_blocks(np.where(good, data, np.nan))
        if not good.any():
            continue
        noise = noise_of(data, good, sigma)
        total += np.where(good, (data - _sky(data[good])) / noise, 0.0)
        number += good
    # A band that is masked must not make a hole in a source.
    snr = total / np.sqrt(np.maximum(number, 1))
    snr, weight = smooth(snr, number > 0, 1.0)
    known = weight > 0.5
    if not known.any():
        raise InputError("all pixels of the image are masked: there is nothing to detect")
    snr[~known] = 0
    # In units of its own scatter, since smoothing and correlated noise change it.
    values = snr[known]
    sky = values[values < np.median(values) + 3 * mad_std(values)]
    scale = mad_std(sky) or 1.0
    return np.where(known, (snr - np.median(sky)) / scale, 0.0), known


def segments_above(
    snr: np.ndarray, known: np.ndarray, threshold: float, minimum_pixels: int
) -> np.ndarray | None:
    """The connected regions above a threshold, numbered from 1; None where there is none."""
    from photutils.segmentation import detect_sources
    from photutils.utils.exceptions import NoDetectionsWarning

    if not known.any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        segments = detect_sources(snr, float(threshold), int(minimum_pixels), mask=~known)
    return None if segments is None else segments.data


def label_at(labels: np.ndarray, x: float, y: float, given: bool) -> int:
    """The label of the source at a position, or the largest near it unless the position was given."""
    column, row = round(x), round(y)
    if labels[row, column]:
        return labels[row, column]
    found, sizes = np.unique(labels[labels != 0], return_counts=True)
    if not len(found):
        raise InputError("the segmentation map holds no source")
    rows, columns = np.nonzero(labels)
    distance = np.hypot(columns - x, rows - y)
    if given:
        # A position from a catalogue may miss a segment by a little, or fall on a masked core.
        nearest = int(np.argmin(distance))
        if distance[nearest] > 10:
            raise InputError(
                f"there is no source at pixel ({x:.1f}, {y:.1f}); "
                f"the nearest is {distance[nearest]:.0f} pixels off"
            )
        return labels[rows[nearest], columns[nearest]]
    central = distance < min(labels.shape) / 4
    if central.any():
        found, sizes = np.unique(labels[rows[central], columns[central]], return_counts=True)
    return found[np.argmax(sizes)]


def _sky(values):
    """A first guess of the sky below sources: the median of the fainter part."""
    low, middle = np.percentile(values, (16, 50))
    return float(np.median(values[values <= middle + 3 * (middle - low)]))


def noise_of(data: np.ndarray, good: np.ndarray, sigma: np.ndarray | None) -> np.ndarray:
    """One sigma a pixel, from the uncertainty or else the scatter of the faint pixels."""
    if sigma is not None:
        known = good & np.isfinite(sigma) & (sigma > 0)
        if known.any():
            return np.where(known, sigma, np.median(sigma[known]))
    values = data[good]
    if not values.size:
        return np.ones(data.shape)
    low, middle = np.percentile(values, (16, 50))
    return np.full(data.shape, (middle - low) or 1.0)


def smooth(data: np.ndarray, good: np.ndarray, sigma_pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian average of the good pixels, and the weight they have in it."""
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(good.astype(float), sigma_pixels, mode="constant")
    total = gaussian_filter(np.where(good, data, 0.0), sigma_pixels, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 1e-3, total / weight, 0.0), weight

"""Compact sources: foreground stars on or beside a galaxy, told from its nucleus and its clumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.images._positions import position_in_pixels
from euclid_resolved.images._sources import noise_of, smooth
from euclid_resolved.imaging._kernels import psf_fwhm
from euclid_resolved.imaging._steps import MaskReason, mask_more, planes

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["mask_compact"]

NARROWEST = 1.5  # pixels: what is narrower is sampled too coarsely to be told from it
WINGS = 0.22  # of the core: what lies about a width and a quarter from it; a point source has 0.05 to 0.2
HOST = 0.015  # of the core: by how much the light around a nucleus falls outwards
FARTHEST = 40  # widths of the PSF to which a mask may reach


@dataclass(frozen=True)
class _Looks:
    """How a place looks in one band, by averages in circles that are as wide as the PSF.

    Attributes
    ----------
    core : float
        Brightness of the centre above its surroundings.
    around : float
        Brightness of the surroundings.
    wings : float
        What is left of the core about a width and a quarter from it, as a part of it.
    host : float
        By how much the surroundings are brighter than what lies farther out, as a part of the core.
    signal_to_noise : float
        Of the core, against noise and against the structure of the surroundings.
    """

    core: float
    around: float
    wings: float
    host: float
    signal_to_noise: float


def mask_compact(
    image: MultiBandImage,
    target: SkyCoord | Sequence[float] | None = None,
    *,
    signal_to_noise: float = 10.0,
    contrast: float = 1.0,
    grow: float = 1.0,
) -> MultiBandImage:
    """Mask compact sources: stars in front of a galaxy or beside it.

    A star in a map becomes a place of high stellar mass density. A compact source has a core above its
    surroundings in every band (but for those that are bluer than the sharpest and have a PSF more than twice
    as wide: from the ground a red star may not be seen in them), and in the sharpest band its light falls off
    as fast as that of a point. The clumps and clusters of a galaxy are wider, or bright in blue bands only,
    or faint against the disc on which they lie: they are kept. So is a nucleus, where light falls off all
    around farther out, and whatever lies at the centre of the target. What is as narrow as the PSF, and
    bright in every band against all around it, cannot be told from a star.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    target : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The galaxy to keep the nucleus of; the source at the centre of the image, or the largest near it,
        without it.
    signal_to_noise : float, optional
        Of the core of a source in the sharpest band; in the others half of it is enough.
    contrast : float, optional
        By how much the core exceeds its surroundings in every band, relative to them.
    grow : float, optional
        The masks are grown by this many pixels.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        With the same pixels masked in every band, reason NEIGHBOUR: each source as far as its light exceeds
        the noise of a pixel, or a tenth of what surrounds it. The record says how many sources there are.

    Raises
    ------
    InputError
        If the target lies off the image, or the width of a PSF is not known.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData, StdDevUncertainty
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.imaging import history, mask_compact
    >>> y, x = np.mgrid[:80, :80]
    >>> disc = np.exp(-np.hypot(x - 40, y - 40) / 10) + 5 * np.exp(-((x - 60) ** 2 + (y - 50) ** 2))
    >>> band = NDData(disc, unit=u.MJy / u.sr, uncertainty=StdDevUncertainty(np.full(disc.shape, 0.01)))
    >>> image = mask_compact(MultiBandImage({"IE": band}, meta={"pixel_scale": 0.1 * u.arcsec}))
    >>> history(image)[-1]["measured"]["n_sources"], image.mask()[[50, 40], [60, 40]]
    (1, array([ True, False]))
    """
    bands = planes(image)
    if not widths_are_known(image):
        raise InputError(
            "to tell compact sources from others the width of each PSF has to be known: bands with a typical "
            "one (euclid_resolved.BANDS) on pixels whose angle is known, or PSFs (meta['psf'])"
        )
    width = {band: psf_width(image, band) for band in bands}
    sharpest = min(width, key=lambda band: width[band])
    centre = _centre(bands[sharpest], width[sharpest], *position_in_pixels(image, target))
    noise = {band: noise_of(plane.data, plane.good, plane.sigma) for band, plane in bands.items()}
    judges = [band for band in bands if not _is_too_blue(band, sharpest, width)]
    mask = np.zeros(image.shape, bool)
    found: list[tuple[int, int, float]] = []
    for x, y in _peaks(bands[sharpest], noise[sharpest], width[sharpest], signal_to_noise):
        if any(np.hypot(x - a, y - b) < radius for a, b, radius in found):
            continue  # within a source that is masked already
        if np.hypot(x - centre[0], y - centre[1]) < 2 * max(width.values()):
            continue
        looks = {band: _looks(bands[band], noise[band][y, x], x, y, width[band]) for band in judges}
        if not _is_compact(looks, sharpest, signal_to_noise, contrast):
            continue
        extents = (_extent(plane, noise[band][y, x], x, y, width[band]) for band, plane in bands.items())
        radius = max(extents) + grow
        found.append((x, y, radius))
        _mark(mask, x, y, radius)
    settings = {
        "signal_to_noise": float(signal_to_noise),
        "contrast": float(contrast),
        "grow": float(grow),
        "band": sharpest,
    }
    measured = {"n_sources": len(found), "masked_fraction": float(mask.mean())}
    return mask_more(image, mask, MaskReason.NEIGHBOUR, "compact", settings, measured)


def widths_are_known(image: MultiBandImage) -> bool:
    """Whether the width of every band's PSF is known, so that compact sources can be told from others."""
    return all(width_is_known(image, band) for band in image)


def width_is_known(image: MultiBandImage, band: str) -> bool:
    """Whether a band brings its PSF, or has a typical one and pixels whose angle is known."""
    typical = angular_scale(image) is not None and _typical(band) is not None
    return typical or "psf" in image[band].meta


def _is_too_blue(band, sharpest, width):
    """Whether a red star may be lost in a band: bluer than the sharpest one, and blurred by the air."""
    if not {band, sharpest} <= set(BANDS):
        return False
    return BANDS[band].pivot < BANDS[sharpest].pivot and width[band] > 2 * width[sharpest]


def _typical(band):
    return BANDS[band].psf_fwhm if band in BANDS else None


def psf_width(image: MultiBandImage, band: str) -> float:
    """Full width at half maximum of a band's PSF in pixels: measured, or what is typical of the band."""
    stamp = image[band].meta.get("psf")
    if stamp is not None:
        width = psf_fwhm(np.asarray(stamp, float))
    else:
        width = _typical(band).to_value(u.arcsec) / angular_scale(image)
    return max(float(width), NARROWEST)


def angular_scale(image: MultiBandImage) -> float | None:
    """The side of a pixel in arcsec, or None where it is not known."""
    for scale in (image.meta.get("angular_pixel_scale"), pixel_scale(image)):
        if scale is not None and u.Quantity(scale).unit.physical_type == "angle":
            return float(u.Quantity(scale).to_value(u.arcsec))
    return None


def _centre(plane, width, x, y):
    """The brightest place near the middle of the target, after smoothing away what is compact."""
    broad, weight = smooth(plane.data, plane.good, 2 * width)
    rows, columns = np.indices(broad.shape, sparse=True)
    near = (np.hypot(columns - x, rows - y) < max(6 * width, min(broad.shape) / 12)) & (weight > 0)
    if not near.any():
        return x, y
    row, column = np.unravel_index(np.argmax(np.where(near, broad, -np.inf)), broad.shape)
    return column, row


def _peaks(plane, noise, width, signal_to_noise):
    """Local maxima of what is as narrow as the PSF, brightest first."""
    from scipy.ndimage import maximum_filter

    snr = np.where(plane.good, plane.data / noise, 0.0)
    narrow, weight = smooth(snr, plane.good, width / 2.355)
    broad, _ = smooth(snr, plane.good, 2 * width)
    sharp = np.where(weight > 0.3, narrow - broad, 0.0)
    highest = maximum_filter(sharp, 2 * round(width) + 1)
    # A fifth, since smoothing takes some of a peak, and noise with it.
    rows, columns = np.nonzero((sharp == highest) & (sharp > signal_to_noise / 5))
    order = np.argsort(-sharp[rows, columns])
    return [(int(columns[i]), int(rows[i])) for i in order]


def _stamp(plane, x, y, reach):
    """The pixels around a place that are good, their noise, and their distance from it."""
    reach = int(np.ceil(reach))
    window = tuple(
        slice(max(0, at - reach), min(n, at + reach + 1))
        for at, n in zip((y, x), plane.data.shape, strict=True)
    )
    rows, columns = (np.arange(part.start, part.stop) for part in window)
    distance = np.hypot(columns - x, (rows - y)[:, None])
    return plane.data[window], plane.good[window], distance


def _looks(plane, sigma, x, y, width):
    """How a place looks in a band, or None where too little of it is known."""
    data, good, distance = _stamp(plane, x, y, 10 * width)
    core, wings = good & (distance <= 0.5 * width), good & (np.abs(distance - 1.25 * width) <= 0.5 * width)
    outer = good & (distance > 3 * width) & (distance <= 5 * width)
    farther = good & (distance > 7 * width) & (distance <= 10 * width)
    if not core.any() or wings.sum() < 4 or outer.sum() < 10:
        return None
    low, around, high = np.percentile(data[outer], (16, 50, 84))
    peak = data[core].mean() - around
    scatter = np.hypot(sigma, (high - low) / 2)
    return _Looks(
        float(peak),
        float(around),
        float((data[wings].mean() - around) / peak) if peak > 0 else np.inf,
        float((around - np.median(data[farther])) / peak) if peak > 0 and farther.any() else 0.0,
        float(peak / (scatter / np.sqrt(core.sum()))),
    )


def _is_compact(looks, sharpest, signal_to_noise, contrast):
    if any(look is None for look in looks.values()):
        return False
    best = looks[sharpest]
    if not (best.signal_to_noise >= signal_to_noise and best.wings <= WINGS and best.host <= HOST):
        return False
    return all(
        look.core > contrast * max(look.around, 0.0) and look.signal_to_noise >= signal_to_noise / 2
        for look in looks.values()
    )


def _extent(plane, sigma, x, y, width):
    """How far the light of a source exceeds the noise of a pixel, or a tenth of what surrounds it."""
    data, good, distance = _stamp(plane, x, y, FARTHEST * width)
    ring = np.where(good, np.floor(2 * distance / width).astype(int), -1)
    levels = [np.median(data[ring == i]) for i in range(2 * FARTHEST) if (ring == i).any()]
    before = np.inf
    for i, level in enumerate(levels):
        # Held against what lies just outside, since the galaxy below may be steep.
        outside = levels[i + 2 : i + 5]
        above = level - np.mean(outside) if outside else 0.0
        # What hardly falls any more is the galaxy; the wings of a point source fall by more.
        if above < max(float(sigma), 0.1 * np.mean(outside or 0.0)) or (i > 2 and above > 0.9 * before):
            return max((i + 1) * width / 2, 1.5 * width)
        before = above
    return FARTHEST * width


def _mark(mask, x, y, radius):
    reach = int(np.ceil(radius))
    rows = np.arange(max(0, y - reach), min(mask.shape[0], y + reach + 1))
    columns = np.arange(max(0, x - reach), min(mask.shape[1], x + reach + 1))
    mask[np.ix_(rows, columns)] |= np.hypot(columns - x, (rows - y)[:, None]) <= radius

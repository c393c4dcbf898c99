"""Larger pixels: surface brightness is averaged over area, never summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._correlation import after_averaging, overlap
from euclid_resolved.images._pixels import pixel_scale, pixel_sides, scale_wcs
from euclid_resolved.imaging._steps import FLAGS, MaskReason, mask_reasons, new_image, planes_to_mix
from euclid_resolved.maps._spatial_map import Quality

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage

__all__ = ["resample"]


def resample(
    image: MultiBandImage,
    scale: u.Quantity | float,
    *,
    min_good: float = 0.5,
    noise_factor: float | None = None,
) -> MultiBandImage:
    """Average an image onto larger pixels.

    Every new pixel is the mean of the old ones that it covers, weighted by the area of each inside it:
    for whole factors that is `astropy.nddata.block_reduce` with a mean, for others what
    `reproject.reproject_exact` does, without its spherical geometry, as both grids are parallel.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    scale : `~astropy.units.Quantity` or float
        The side of the new pixels: a length where the pixel scale is one (after `set_distance`, or in the
        atlas), an angle where it is one, or a plain number of old pixels. With a length or an angle pixels
        that were no squares become squares.
    min_good : float, optional
        A new pixel is masked where less than this part of its area is good.
    noise_factor : float, optional
        By how much the noise of an average of many pixels exceeds that of as many independent ones.
        Without it, what the record says (`euclid_resolved.images.noise_correlation`): 1 for an image as it
        was read, which holds for independent pixels and for MER's RMS maps, which are made for averages over
        an arcsecond or more (over less the noise is smaller than they say); more after `align`, `match_psf`
        or another `resample`.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        Bad pixels are left out of the averages. The uncertainty is sqrt(sum w^2 sigma^2) / sum w, which
        falls as one over the square root of the number of pixels, times `noise_factor`. Errors that all
        pixels share (`euclid_resolved.images.common_errors`) do not fall. What is left
        over at the edges is cut off evenly on both sides. WCS and ``meta["pixel_scale"]`` fit the new
        pixels; ``meta["psf"]``, which was sampled on the old ones, is dropped.

    Raises
    ------
    InputError
        If the scale does not fit the image's, is finer than its pixels, or leaves less than two new ones.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.imaging import resample
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1, side=32)[0].image
    >>> image.meta["pixel_scale"] = 100 * u.pc
    >>> coarse = resample(image, 400 * u.pc)
    >>> coarse.shape
    (8, 8)
    >>> print(f"{image['HE'].data.mean():.3f} {coarse['HE'].data.mean():.3f}")
    1.663 1.663
    """
    image, bands = planes_to_mix(image)
    reasons = mask_reasons(image)
    old = pixel_scale(image)
    factors = _factors(scale, pixel_sides(image))  # along x and y
    edges = [_edges(n, factor) for n, factor in zip(image.shape[::-1], factors, strict=True)]
    columns, rows = (overlap(each, n) for each, n in zip(edges, image.shape[::-1], strict=True))
    cut = [each[0] for each in edges]
    area = factors[0] * factors[1]
    factor = float(np.sqrt(area))
    lost, growth = np.zeros((len(rows), len(columns)), bool), {}
    for band, plane in bands.items():
        plane.correlation, growth[band] = after_averaging(plane.correlation, rows, columns)
        good = plane.good.astype(float)
        weight = rows @ good @ columns.T
        bad = weight < min_good * area * (1 - 1e-9)
        with np.errstate(divide="ignore", invalid="ignore"):
            data = rows @ np.where(plane.good, plane.data, 0.0) @ columns.T / weight
            if plane.sigma is not None:
                variance = np.where(plane.good, plane.sigma, 0.0) ** 2
                plane.sigma = np.sqrt(rows**2 @ variance @ (columns**2).T) / weight
                if noise_factor is None:
                    # Of pixels with holes between them, fewer pairs are neighbours.
                    plane.sigma *= np.sqrt(1 + (growth[band] ** 2 - 1) * weight / area)
                else:
                    plane.sigma *= noise_factor
                plane.sigma[bad] = np.nan
        data[bad] = np.nan
        plane.data, plane.bad, plane.wcs = data, bad, _scaled(plane.wcs, factors, cut)
        plane.meta.pop("psf", None)
        lost |= bad
    new_reasons = np.zeros(lost.shape, np.int16)
    for bit in MaskReason:
        touched = rows @ ((reasons & bit) != 0) @ columns.T > 0
        new_reasons[lost & touched] |= bit
    new_reasons[lost] |= MaskReason.RESAMPLED
    meta = {"pixel_scale": old * factor} if "pixel_scale" in image.meta else {}
    flags = image.meta.get(FLAGS)
    if flags is not None:  # of a new pixel, as of half of what it is made of
        bits = [
            (bit, rows @ ((flags & bit) != 0) @ columns.T >= area / 2)
            for bit in Quality
            if (flags & bit).any()
        ]
        meta[FLAGS] = sum((where * np.int32(bit) for bit, where in bits), np.zeros(lost.shape, np.int32))
    settings = {"scale": str(scale), "min_good": float(min_good), "noise_factor": noise_factor}
    measured = {"factor": factor, "old_pixel": str(old), "shape": list(lost.shape)}
    if noise_factor is None and any(plane.sigma is not None for plane in bands.values()):
        measured["noise_growth"] = growth
    return new_image(image, bands, "resample", settings, measured, reasons=new_reasons, meta=meta)


def _factors(scale, sides):
    """How many old pixels the side of a new one is, along x and y."""
    scale, old = u.Quantity(scale), sides.unit
    if scale.unit in (u.dimensionless_unscaled, u.pix):
        factors = np.full(2, float(scale.value))
    elif not scale.isscalar or not scale.unit.is_equivalent(old) or old == u.pix:
        raise InputError(
            f"a scale of {scale} does not fit a pixel of {_words(sides)}; for a length use set_distance first"
        )
    else:
        factors = (scale / sides).to_value(u.dimensionless_unscaled)
    # Whole blocks are meant by 0.4 arcsec, though off the reference point a pixel has not just 0.1 arcsec.
    whole = np.round(factors)
    factors = np.where(np.abs(factors - whole) < 1e-3 * factors, whole, factors)
    if not np.all((factors >= 1) & (factors < np.inf)):
        raise InputError(
            f"pixels of {scale} are finer than those of the image, {_words(sides)}: nothing can be known "
            "there"
        )
    return tuple(float(factor) for factor in factors)


def _words(sides):
    """The size of a pixel in words."""
    x, y = sides
    return str(x) if x == y else f"{x.value:.4g} x {y:.4g}"


def _edges(n, factor):
    """Where the new pixels begin and end along an axis of n old ones; the rest at both ends is cut off."""
    m = int(np.floor(n / factor * (1 + 1e-12)))
    if m < 2:
        raise InputError(f"pixels {factor:.4g} times as large leave less than two along {n}")
    edges = (n - m * factor) / 2 + factor * np.arange(m + 1)
    # Whole blocks, so that no pixel is split.
    return np.floor(edges) if factor == round(factor) else edges


def _scaled(wcs, factors, cut):
    return None if wcs is None else scale_wcs(wcs, factors, cut)

"""Radial profiles of maps, in elliptical annuli."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import QTable

from euclid_resolved.errors import InputError

__all__ = ["pixel_scale", "radial_profile"]


def pixel_scale(image):
    """The side of a pixel, from ``meta["pixel_scale"]`` or the celestial WCS.

    Parameters
    ----------
    image : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`

    Returns
    -------
    scale : `~astropy.units.Quantity`
        A length or an angle; ``1 pix`` where neither is known.
    """
    if "pixel_scale" in image.meta:
        return u.Quantity(image.meta["pixel_scale"])
    if getattr(image.wcs, "has_celestial", False):
        from astropy.wcs.utils import proj_plane_pixel_area

        area = proj_plane_pixel_area(image.wcs.celestial)
        return (np.sqrt(area) * u.deg).to(u.arcsec)
    return 1 * u.pix


def _centre_in_pixels(map_, centre):
    if centre is None:
        return (map_.data.shape[1] - 1) / 2, (map_.data.shape[0] - 1) / 2
    if isinstance(centre, SkyCoord):
        if not getattr(map_.wcs, "has_celestial", False):
            raise InputError("a centre on the sky needs a map with a celestial WCS; give (x, y) in pixels")
        centre = map_.wcs.world_to_pixel(centre)
    x, y = (float(value) for value in centre)
    ny, nx = map_.data.shape
    if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5):
        raise InputError(f"the centre ({x:.1f}, {y:.1f}) lies off the map, whose shape is {map_.data.shape}")
    return x, y


def radial_profile(
    map_, bin_width=None, *, centre=None, position_angle=0 * u.deg, inclination=0 * u.deg, where=None
):
    """Median and spread of a map against radius, one row an annulus.

    Values are medians and percentiles of pixels, never sums. Masked pixels and NaN are left out.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    bin_width : `~astropy.units.Quantity`, optional
        Width of the annuli along the major axis: a length where the pixel scale is one, an angle, or
        pixels. A twentieth of the map without it.
    centre : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The centre of the map without it.
    position_angle : `~astropy.units.Quantity`, optional
        Of the major axis, counter-clockwise from the y axis of the pixels.
    inclination : `~astropy.units.Quantity`, optional
        The annuli are circles seen at this inclination (0 is face-on, thin disc).
    where : `~numpy.ndarray` of bool, optional
        Use only these pixels.

    Returns
    -------
    profile : `~astropy.table.QTable`
        ``radius`` (middle of the annulus), ``median``, ``p16``, ``p84`` (the map's unit) and
        ``n_pixels``; NaN where an annulus has no pixel.

    Raises
    ------
    InputError
        If the centre lies off the map or the bin width has no unit that fits.
    """
    from photutils.aperture import EllipticalAnnulus, EllipticalAperture

    scale = pixel_scale(map_)
    position = _centre_in_pixels(map_, centre)
    reach = max(map_.data.shape) / 2
    if bin_width is None:
        width = max(reach / 10, 1.0)
    else:
        try:
            width = (u.Quantity(bin_width) / scale).to_value(u.dimensionless_unscaled)
        except u.UnitConversionError:
            raise InputError(f"bin_width {bin_width} does not fit a pixel of {scale}") from None
    if not width > 0:
        raise InputError(f"bin_width must be positive, got {bin_width}")
    ratio = np.cos(u.Quantity(inclination).to_value(u.rad))
    if not 0 < ratio <= 1:
        raise InputError(f"inclination must lie in [0, 90) degrees, got {inclination}")
    theta = (u.Quantity(position_angle) + 90 * u.deg).to(u.rad)
    bad = ~np.isfinite(map_.data)
    if map_.mask is not None:
        bad |= np.asarray(map_.mask, bool)
    if where is not None:
        bad |= ~where
    rows = []
    for i in range(int(np.ceil(reach / width))):
        inner, outer = i * width, (i + 1) * width
        if i == 0:
            aperture = EllipticalAperture(position, a=outer, b=outer * ratio, theta=theta)
        else:
            aperture = EllipticalAnnulus(position, inner, outer, b_out=outer * ratio, theta=theta)
        values = aperture.to_mask(method="center").get_values(map_.data, mask=bad)
        spread = np.percentile(values, (50, 16, 84)) if len(values) else (np.nan,) * 3
        rows.append(((inner + outer) / 2, *spread, len(values)))
    table = QTable(rows=rows, names=("radius", "median", "p16", "p84", "n_pixels"))
    table["radius"] = table["radius"] * scale
    for name in ("median", "p16", "p84"):
        table[name] = table[name] * (map_.unit or u.dimensionless_unscaled)
    return table

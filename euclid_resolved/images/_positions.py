"""Positions and sizes on the grid of an image or a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from euclid_resolved._checks import check_angle
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._spatial_map import SpatialMap


def axis_ratio(inclination: u.Quantity | float) -> float:
    """The axis ratio of a circle seen at an inclination.

    Parameters
    ----------
    inclination : `~astropy.units.Quantity` or float
        A plain number is in degrees.

    Returns
    -------
    ratio : float

    Raises
    ------
    InputError
        If it does not lie in [0, 90) degrees.

    Examples
    --------
    >>> from euclid_resolved.images._positions import axis_ratio
    >>> print(f"{axis_ratio(60):.2f}")
    0.50
    """
    tilt = check_angle("inclination", inclination)
    if not 0 <= tilt < 90:
        raise InputError(f"inclination must lie in [0, 90) degrees, got {inclination}")
    return float(np.cos(np.radians(tilt)))


def _centre_in_pixels(map_: SpatialMap, centre: SkyCoord | Sequence[float] | None) -> tuple[float, float]:
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


def position_in_pixels(
    image: MultiBandImage, position: SkyCoord | Sequence[float] | None = None
) -> tuple[float, float]:
    """A position as (x, y) in pixels, counted from 0, checked to lie on the image.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    position : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The centre of the image without it.

    Returns
    -------
    x, y : float

    Raises
    ------
    InputError
        If the position lies off the image, or is on the sky and the image has no celestial WCS.
    """
    ny, nx = image.shape
    if position is None:
        return (nx - 1) / 2, (ny - 1) / 2
    if isinstance(position, SkyCoord):
        if image.wcs is None or not getattr(image.wcs, "has_celestial", False):
            raise InputError(
                "a position on the sky needs an image with a celestial WCS; give (x, y) in pixels"
            )
        where = position.to_string("hmsdms", precision=1)
        x, y = (float(value) for value in image.wcs.world_to_pixel(position))
    else:
        x, y = (float(value) for value in position)
        where = "the position"
    if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5):
        raise InputError(f"{where} (pixel {x:.1f}, {y:.1f}) lies off the image, whose shape is {image.shape}")
    return x, y


def size_in_pixels(size: u.Quantity | float, scale: u.Quantity) -> float:
    """A length, angle or number of pixels as pixels of this scale."""
    size = u.Quantity(size)
    if size.unit in (u.dimensionless_unscaled, u.pix):
        return float(size.value)
    try:
        return float((size / scale).to_value(u.dimensionless_unscaled))
    except u.UnitConversionError:
        raise InputError(f"{size} does not fit a pixel of {scale}") from None

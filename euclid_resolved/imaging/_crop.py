"""Positions and sizes on an image, and cut-outs of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._pixels import pixel_scale, stretch
from euclid_resolved.images._positions import position_in_pixels, size_in_pixels
from euclid_resolved.imaging._steps import history, mask_reasons, planes

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from euclid_resolved.maps._region_shapes import RegionLike

__all__ = ["crop"]


def crop(
    image: MultiBandImage,
    position: SkyCoord | Sequence[float] | None = None,
    size: u.Quantity | float | None = None,
    *,
    region: RegionLike | None = None,
) -> MultiBandImage:
    """Cut a square of the sky out of an image, or the square around a region.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    position : `~astropy.coordinates.SkyCoord` or (x, y), optional
        Its centre; that of the image without it.
    size : `~astropy.units.Quantity` or number, optional
        Its side: an angle or length that fits the pixel scale, or pixels. The whole image without it.
    region : optional
        In place of both: the smallest square that holds what the region includes, see
        `euclid_resolved.maps.region_weights`; what it excludes is not looked at.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        Smaller where the square reaches beyond the image.

    Raises
    ------
    InputError
        If the position lies off the image, the size does not fit the pixel scale, or the region only
        excludes.

    Examples
    --------
    >>> from euclid_resolved.imaging import crop
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1, side=32)[0].image
    >>> crop(image, (10, 12), 8).shape
    (8, 8)
    >>> crop(image, region="image; circle(11, 13, 3); -circle(11, 13, 1)").shape
    (7, 7)
    """
    planes(image)
    if region is not None:
        if position is not None or size is not None:
            raise InputError("give a position and a size, or a region, not both")
        position, size = _around(region, image)
    x, y = position_in_pixels(image, position)
    if size is None:
        return image
    # A number of pixels is meant as such; what is a square on the sky need not be one of pixels.
    plain = u.Quantity(size).unit in (u.dimensionless_unscaled, u.pix)
    per_pixel = np.ones(2) if plain else np.hypot(*stretch(image))
    sides = [size_in_pixels(size, pixel_scale(image)) / step for step in per_pixel[::-1]]
    if not min(sides) >= 1:
        raise InputError(f"a size of {size} is less than a pixel")
    sides = [round(side) for side in sides]
    # Rounding first: the way through the sky and back must not move a cut by a row.
    low = [int(np.floor(np.round(at - side / 2 + 0.5, 3))) for at, side in zip((y, x), sides, strict=True)]
    item = tuple(
        slice(max(0, a), min(n, a + side)) for a, n, side in zip(low, image.shape, sides, strict=True)
    )
    reasons, cut = mask_reasons(image)[item], image[item]
    settings = {"x": x, "y": y, "size": str(size)}
    record = {"step": "crop", "settings": settings, "measured": {}}
    meta = {"mask_reasons": reasons, "history": [*history(image), record]}
    return MultiBandImage(dict(cut), name=image.name, meta={**image.meta, **meta}, tolerance=np.inf)


def _around(region, image):
    """The centre and the side of the square that holds a region, on the sky where the region is."""
    from regions import SkyRegion

    from euclid_resolved.maps._region_shapes import field_around, shapes_of, square_around

    if getattr(image.wcs, "has_celestial", False) and all(
        isinstance(shape, SkyRegion) for shape in shapes_of(region).included
    ):
        return field_around(region)
    x, y, side = square_around(region, image.wcs)
    return (x, y), side

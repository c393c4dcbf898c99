"""Positions and sizes on an image, and cut-outs of it."""

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._positions import pixel_scale, position_in_pixels, size_in_pixels
from euclid_resolved.imaging._steps import history, mask_reasons, planes

__all__ = ["crop"]


def crop(image, position=None, size=None):
    """Cut a square out of an image.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    position : `~astropy.coordinates.SkyCoord` or (x, y), optional
        Its centre; that of the image without it.
    size : `~astropy.units.Quantity` or number, optional
        Its side: an angle or length that fits the pixel scale, or pixels. The whole image without it.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        Smaller where the square reaches beyond the image.

    Raises
    ------
    InputError
        If the position lies off the image, or the size does not fit the pixel scale.

    Examples
    --------
    >>> from euclid_resolved.imaging import crop
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1, side=32)[0].image
    >>> crop(image, (10, 12), 8).shape
    (8, 8)
    """
    planes(image)
    x, y = position_in_pixels(image, position)
    if size is None:
        return image
    side = size_in_pixels(size, pixel_scale(image))
    if not side >= 1:
        raise InputError(f"a size of {size} is less than a pixel")
    side = round(side)
    low = [int(np.floor(centre - side / 2 + 0.5)) for centre in (y, x)]
    item = tuple(slice(max(0, a), min(n, a + side)) for a, n in zip(low, image.shape, strict=True))
    reasons, cut = mask_reasons(image)[item], image[item]
    settings = {"x": x, "y": y, "size": str(size)}
    meta = {"mask_reasons": reasons}
    meta["history"] = [*history(image), {"step": "crop", "settings": settings, "measured": {}}]
    return MultiBandImage(dict(cut), name=image.name, meta={**image.meta, **meta}, tolerance=np.inf)

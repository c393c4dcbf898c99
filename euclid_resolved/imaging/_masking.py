"""Masks for stars, neighbours and saturated cores; the galaxy itself is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale, radius_in_pixels
from euclid_resolved.images._positions import position_in_pixels, size_in_pixels
from euclid_resolved.images._sources import label_at, noise_of
from euclid_resolved.imaging._sources import detect, grow_mask
from euclid_resolved.imaging._steps import MaskReason, mask_more, planes

if TYPE_CHECKING:
    import astropy.units as u
    from numpy.typing import ArrayLike

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["mask_neighbours", "mask_positions", "mask_saturated"]


def mask_neighbours(
    image: MultiBandImage,
    target: SkyCoord | Sequence[float] | None = None,
    *,
    segmentation: ArrayLike | None = None,
    threshold: float = 3.0,
    minimum_pixels: int = 10,
    deblend: bool = True,
    contrast: float = 0.01,
    grow: float = 3,
) -> MultiBandImage:
    """Mask every source but one.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    target : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The galaxy to keep. Without it the source at the centre of the image, or the largest near it.
    segmentation : array_like of int, optional
        A segmentation map of the image's shape, 0 where there is no source, for example that of MER
        (`euclid_resolved.io.read_segmentation`). Without it sources are found here, in all bands
        together.
    threshold : float, optional
        A source is above this many sigma of the smoothed signal-to-noise.
    minimum_pixels : int, optional
        Smallest area of a source.
    deblend : bool, optional
        Separate sources that touch. A clumpy, nearby galaxy may be taken apart: look at the result, and
        use a higher `contrast`, or False and `mask_positions` for its foreground stars.
    contrast : float, optional
        The least fraction of the light of a blend that makes a source of its own.
    grow : float, optional
        The masks are grown by this many pixels, but not into the galaxy's own segment.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        With the same pixels masked in every band, reason NEIGHBOUR.

    Raises
    ------
    InputError
        If the target lies off the image, or there is no source at its position.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData, StdDevUncertainty
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.imaging import mask_neighbours
    >>> y, x = np.mgrid[:40, :60]
    >>> light = np.exp(-np.hypot(x - 20, y - 20) ** 2 / 20) + np.exp(-np.hypot(x - 50, y - 20) ** 2 / 8)
    >>> band = NDData(light, unit=u.MJy / u.sr, uncertainty=StdDevUncertainty(np.full(light.shape, 0.01)))
    >>> image = mask_neighbours(MultiBandImage({"HE": band}), (20, 20))
    >>> image.mask()[20, [20, 50]]
    array([False,  True])
    """
    x, y = position_in_pixels(image, target)
    if segmentation is None:
        segments = detect(image, threshold, minimum_pixels, deblend, contrast)
        if segments is None:
            raise InputError(
                f"no source above {threshold} sigma: nothing to tell the galaxy from its neighbours"
            )
        labels = segments
    else:
        labels = np.asarray(segmentation)
        if labels.shape != image.shape or labels.dtype.kind not in "iu":
            raise InputError(
                f"the segmentation map must hold integers of shape {image.shape}, "
                f"got {labels.dtype} of shape {labels.shape}"
            )
    label = label_at(labels, x, y, given=target is not None)
    neighbours = (labels != 0) & (labels != label)
    mask = grow_mask(neighbours, grow) & (labels != label)
    settings = {
        "x": x,
        "y": y,
        "source": "detected" if segmentation is None else "given",
        "threshold": float(threshold),
        "minimum_pixels": int(minimum_pixels),
        "deblend": bool(deblend),
        "contrast": float(contrast),
        "grow": float(grow),
    }
    measured = {
        "n_neighbours": len(np.unique(labels[neighbours])),
        "target_pixels": int((labels == label).sum()),
        "masked_fraction": float(mask.mean()),
    }
    return mask_more(image, mask, MaskReason.NEIGHBOUR, "neighbours", settings, measured)


def mask_positions(
    image: MultiBandImage,
    positions: SkyCoord | Sequence[Sequence[float]],
    radius: u.Quantity | float | Sequence[float],
) -> MultiBandImage:
    """Mask circles around positions, for example of stars in a catalogue.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    positions : `~astropy.coordinates.SkyCoord` or sequence of (x, y)
        Those off the image count as far as their circles reach it.
    radius : `~astropy.units.Quantity` or float
        Of the circles: angle, length or pixels; one, or one a position.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        With the same pixels masked in every band, reason NEIGHBOUR.

    Examples
    --------
    >>> from euclid_resolved.imaging import mask_positions
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = mask_positions(example_galaxies(1)[0].image, [(3, 4), (12, 12)], 1)
    >>> print(f"{image.mask().sum()} pixels are masked")
    10 pixels are masked
    """
    planes(image)
    if isinstance(positions, SkyCoord):
        if image.wcs is None or not getattr(image.wcs, "has_celestial", False):
            raise InputError("positions on the sky need an image with a celestial WCS; give (x, y) in pixels")
        x, y = (np.atleast_1d(value) for value in image.wcs.world_to_pixel(positions))
    else:
        x, y = np.array(positions, float).reshape(-1, 2).T
    radii = [size_in_pixels(r, pixel_scale(image)) for r in np.atleast_1d(radius)]
    radii = radii * len(x) if len(radii) == 1 else radii
    if len(radii) != len(x) or not all(r > 0 for r in radii):
        raise InputError(
            f"one positive radius, or one for each of {len(x)} positions is needed, got {radius}"
        )
    mask = np.zeros(image.shape, bool)
    for xi, yi, ri in zip(x, y, radii, strict=True):
        if np.isfinite(xi) and np.isfinite(yi):
            mask |= radius_in_pixels(image, xi, yi) <= ri
    measured = {"masked_fraction": float(mask.mean())}
    settings = {"n_positions": len(x), "largest_radius_pixels": float(max(radii, default=0))}
    return mask_more(image, mask, MaskReason.NEIGHBOUR, "positions", settings, measured)


def mask_saturated(
    image: MultiBandImage,
    level: u.Quantity | dict[str, u.Quantity] | None = None,
    *,
    signal_to_noise: float = 50.0,
    grow: float = 2,
) -> MultiBandImage:
    """Mask the cores of saturated sources, band by band.

    Without a level two signs of saturation are looked for in bright places: a plateau, 3 x 3 pixels of
    exactly one value; and a hole, pixels that are zero, negative or bad and enclosed by pixels brighter
    than `signal_to_noise`.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    level : `~astropy.units.Quantity`, or mapping of band to it, optional
        Pixels at or above this surface brightness are saturated.
    signal_to_noise : float, optional
        What counts as bright.
    grow : float, optional
        The masks are grown by this many pixels.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        With pixels masked in the band that is saturated, reason SATURATED.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.imaging import mask_saturated
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> masked = mask_saturated(image, level=9 * u.MJy / u.sr, grow=0)
    >>> bool(masked["HE"].data[~masked.mask("HE")].max() < 9)
    True
    """
    from scipy.ndimage import binary_fill_holes, maximum_filter, minimum_filter

    from euclid_resolved.images._bands import SURFACE_BRIGHTNESS

    bands, masks, measured = planes(image), {}, {}
    levels = level if isinstance(level, dict) else dict.fromkeys(bands, level)
    for band, plane in bands.items():
        data = np.where(plane.good, plane.data, 0.0)
        noise = noise_of(plane.data, plane.measured(), plane.sigma)
        bright = data > signal_to_noise * noise
        core = binary_fill_holes(bright) & ~bright & ~(data > 0)
        core |= bright & plane.good & (maximum_filter(data, 3) == minimum_filter(data, 3))
        limit = levels.get(band)
        if limit is not None:
            try:
                core |= plane.good & (plane.data >= limit.to_value(SURFACE_BRIGHTNESS))
            except (AttributeError, ValueError):
                raise InputError(f"band {band}: level must be a surface brightness, got {limit!r}") from None
        masks[band] = grow_mask(core, grow)
        measured[band] = int(core.sum())
    settings = {
        "signal_to_noise": float(signal_to_noise),
        "grow": float(grow),
        "level_given": level is not None,
    }
    return mask_more(image, masks, MaskReason.SATURATED, "saturated", settings, {"core_pixels": measured})

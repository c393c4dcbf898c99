"""Radial profiles of maps, in elliptical annuli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import QTable

from euclid_resolved._checks import check_angle
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale, pixel_sides, stretch
from euclid_resolved.images._positions import _centre_in_pixels, axis_ratio
from euclid_resolved.images._sources import label_at, segments_above, significance, smooth
from euclid_resolved.maps._region_errors import RegionErrors, one_sigma
from euclid_resolved.maps._region_pixels import ellipse_in_pixels, region_weights

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._region_shapes import RegionLike
    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["orientation", "radial_profile"]

_THRESHOLD, _MIN_PIXELS = 3.0, 10  # what a galaxy is, to `orientation`


def radial_profile(
    map_: SpatialMap,
    bin_width: u.Quantity | float | None = None,
    *,
    centre: SkyCoord | Sequence[float] | None = None,
    position_angle: u.Quantity | float = 0 * u.deg,
    inclination: u.Quantity | float = 0 * u.deg,
    where: RegionLike | None = None,
) -> QTable:
    """Median, its error, and spread of a map against radius, one row an annulus.

    Values are medians and percentiles of pixels, never sums. Masked pixels and NaN are left out.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    bin_width : `~astropy.units.Quantity`, optional
        Width of the annuli along the major axis: a length or an angle, as the pixel scale is, or
        ``3 * u.pix`` (where pixels are no squares, the sides of squares as large). A twentieth of the map
        without it.
    centre : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The centre of the map without it.
    position_angle : `~astropy.units.Quantity` or float, optional
        Of the major axis, counter-clockwise from the y axis of the pixels; a plain number is in degrees.
    inclination : `~astropy.units.Quantity` or float, optional
        The annuli are circles seen at this inclination (0 is face-on, thin disc); a plain number is in
        degrees.
    where : optional
        Use only these pixels: a bool array, or those at least half inside a region, see
        `euclid_resolved.maps.region_weights`.

    Returns
    -------
    profile : `~astropy.table.QTable`
        ``radius`` (middle of the annulus, in the unit of `bin_width`), ``median``, ``error`` (one sigma of
        it, as `euclid_resolved.maps.median` has it: with what pixels share), ``p16``, ``p84`` (the map's
        unit) and ``n_pixels``; NaN where an annulus has no pixel, or the map no errors. In ``meta``,
        ``lower_limit`` says whether errors are lower limits, because nobody knows what pixels share.

    Raises
    ------
    InputError
        If the centre lies off the map, the bin width has no unit that fits, or an angle is none.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import radial_profile
    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> values, scale = 100 * 10 ** (-np.hypot(x, y) / 20), {"pixel_scale": 0.5 * u.kpc}
    >>> disc = SpatialMap(values, property="stellar_mass_density", meta=scale)
    >>> for row in radial_profile(disc, 2.5 * u.kpc)[:3]:
    ...     print(f"{row['radius']:.2f}: {row['median']:.0f}, {row['n_pixels']} pixels")
    1.25 kpc: 69 solMass / pc2, 69 pixels
    3.75 kpc: 41 solMass / pc2, 236 pixels
    6.25 kpc: 23 solMass / pc2, 392 pixels
    """
    scale = pixel_scale(map_)
    position = _centre_in_pixels(map_, centre)
    reach = float(np.max((pixel_sides(map_) / scale).value * map_.data.shape[::-1])) / 2
    # The radii are multiples of the width as it was given, and not of its ratio to a pixel.
    if bin_width is None:
        bin_width = max(reach / 10, 1.0) * scale
    step = u.Quantity(bin_width)
    width = step.value if step.unit == u.pix else _in_pixels(bin_width, scale)
    if not width > 0:
        raise InputError(f"bin_width must be positive, got {bin_width}")
    ratio = axis_ratio(inclination)
    check_angle("position_angle", position_angle)
    bad = ~np.isfinite(map_.data)
    if map_.mask is not None:
        bad |= np.asarray(map_.mask, bool)
    if where is not None:
        bad |= ~inside(map_, where)
    index, rows = np.arange(map_.data.size).reshape(map_.data.shape), []
    values, errors = np.ravel(map_.data), RegionErrors.of(map_, one_sigma(map_), None, None)
    for i in range(int(np.ceil(reach / width - 1e-9))):
        inner, outer = i * width, (i + 1) * width
        aperture = ellipse_in_pixels(map_, position, inner, outer, ratio, position_angle)
        pixels = aperture.to_mask(method="center").get_values(index, mask=bad).astype(int)
        n, spread, error = len(pixels), (np.nan,) * 3, np.nan
        if n:
            spread = np.percentile(values[pixels], (50, 16, 84))
            error = errors.at(pixels).of_median(np.full(n, 1 / n))
        rows.append((i + 0.5, spread[0], error, *spread[1:], n))
    table = QTable(rows=rows, names=("radius", "median", "error", "p16", "p84", "n_pixels"))
    table.meta["lower_limit"] = errors.lower_limit
    table["radius"] = table["radius"] * step
    for name in ("median", "error", "p16", "p84"):
        table[name] = table[name] * (map_.unit or u.dimensionless_unscaled)
    return table


def _in_pixels(size, scale):
    try:
        return (u.Quantity(size) / scale).to_value(u.dimensionless_unscaled)
    except u.UnitConversionError:
        raise InputError(
            f"bin_width {size} does not fit a pixel of {scale}; give a multiple of {scale.unit}"
            + (" or u.pix" if scale.unit != u.pix else "")
        ) from None


def inside(map_: SpatialMap, where: RegionLike) -> np.ndarray:
    """The pixels at least half inside a region; of a bool array, which may be empty, those that are true."""
    if isinstance(where, np.ndarray) and not where.any():
        return np.zeros(map_.data.shape, bool)
    return region_weights(map_, where) >= 0.5


def orientation(
    image: MultiBandImage, band: str = "HE", clip: float | None = None
) -> tuple[u.Quantity, float]:
    """Position angle and axis ratio of a galaxy, from the second moments of its light.

    The galaxy is the source at the middle of the image, or the largest near it: what stands out from the
    noise of the smoothed image, down to where it would reach the edge. The moments of noise, and of what an
    edge cuts off, are those of the frame.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        The sky need not be subtracted. Masked pixels do not count.
    band : str, optional
    clip : float, optional
        Only where the smoothed light is brighter than this, MJy/sr.

    Returns
    -------
    position_angle : `~astropy.units.Quantity`
        Of the major axis, counter-clockwise from the y axis of the pixels.
    axis_ratio : float
        Minor over major axis: about the cosine of the inclination of a thin disc.

    Raises
    ------
    InputError
        If nothing stands out from the noise, or is above the clip.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.maps import orientation
    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> disc = np.exp(-np.hypot(x, 2 * y) / 4)
    >>> disc += np.random.default_rng(1).normal(0, 0.03, disc.shape)
    >>> angle, ratio = orientation(MultiBandImage({"HE": NDData(disc, unit=u.MJy / u.sr)}))
    >>> print(f"position angle {angle:.0f}, axis ratio {ratio:.2f}")
    position angle 89 deg, axis ratio 0.50
    """
    if not isinstance(image, Mapping):
        raise InputError(f"an image (MultiBandImage) is needed, got {type(image).__name__}")
    image = image.select([band])
    (band,) = image.bands
    snr, known = significance(image)
    data = image.brightness(band)
    light, _ = smooth(data, ~image.mask() & np.isfinite(data), 1.0)
    if clip is not None:
        known &= light > clip
    galaxies, threshold = [], _THRESHOLD
    while (labels := segments_above(snr, known, threshold, _MIN_PIXELS)) is not None:
        y, x = ((n - 1) / 2 for n in labels.shape)
        galaxies.append(labels == label_at(labels, x, y, given=False))
        if not _at_the_edge(galaxies[-1]):
            break
        threshold *= 1.2
    if not galaxies:
        name = image.name or "the image"
        raise InputError(f"{name}: no light above the noise and the clip, so no orientation")
    # Where all of it, however bright, reaches the edge, what there is of it has to do.
    galaxy = galaxies[0] if _at_the_edge(galaxies[-1]) else galaxies[-1]
    # The square root, so that a bright bulge does not decide alone.
    weight = np.sqrt(np.where(galaxy, snr, 0.0))
    moments = stretch(image) @ _moments(weight) @ stretch(image)
    values, vectors = np.linalg.eigh(moments)
    if not values[1] > 0:
        return 0.0 * u.deg, 1.0
    angle = np.degrees(np.arctan2(-vectors[0, 1], vectors[1, 1])) % 180
    return angle * u.deg, float(np.sqrt(max(values[0], 0) / values[1]))


def _at_the_edge(where):
    return bool(where[[0, -1]].any() or where[:, [0, -1]].any())


def _moments(weight):
    """The second moments about the centroid, (2, 2), x first."""
    y, x = np.indices(weight.shape)
    total = weight.sum()
    dx, dy = x - (weight * x).sum() / total, y - (weight * y).sum() / total
    return np.array([[(weight * a * b).sum() / total for a in (dx, dy)] for b in (dx, dy)])

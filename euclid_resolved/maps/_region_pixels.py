"""Which pixels of a map, and how much of each, lie inside a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from regions import (
    CircleAnnulusPixelRegion,
    CirclePixelRegion,
    EllipseAnnulusPixelRegion,
    EllipsePixelRegion,
    PixCoord,
    RectangleAnnulusPixelRegion,
    RectanglePixelRegion,
    SkyRegion,
)

from euclid_resolved._checks import check_angle
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale, stretch
from euclid_resolved.images._positions import _centre_in_pixels, axis_ratio, size_in_pixels
from euclid_resolved.maps._region_shapes import describe_region, in_pixels, shapes_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from photutils.aperture import PixelAperture

    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._region_shapes import RegionLike
    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["annulus", "region_weights"]

SAMPLES = 32  # points along the side of a pixel that the edges of several shapes cross
AT_ONCE = 1000  # such pixels, of 16 kB each


def region_weights(map_: SpatialMap, where: RegionLike | None = None) -> np.ndarray:
    """The part of every pixel that lies inside a region.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`, or anything with ``data`` and ``wcs``
    where : optional
        A DS9 file or text; a region of the package ``regions`` on the sky or in pixels, or several; a
        photutils aperture (`annulus`); or a bool array. The whole map without it. Several shapes are the
        union of those included, less those excluded (a leading minus in DS9), in whatever order; shapes
        that are only excluded leave the rest of the map.

    Returns
    -------
    weights : `~numpy.ndarray`
        float, from 0 to 1; no part of a pixel counts twice. Exact to rounding, or to a thousandth of a
        pixel where the edges of two shapes cross one.

    Raises
    ------
    InputError
        If the region is of no known kind, lies off the map, has a shape without area (point, line,
        text), or is on the sky where the map has no celestial WCS.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import region_weights
    >>> age = SpatialMap(np.ones((9, 9)), property="stellar_age")
    >>> print(f"{region_weights(age, 'image; circle(5, 5, 2)').sum():.3f}")
    12.566
    >>> print(f"{region_weights(age, 'image; circle(5, 5, 2); -circle(5, 5, 1)').sum():.3f}")
    9.425
    """
    shape = map_.data.shape
    if where is None:
        return np.ones(shape)
    if isinstance(where, np.ndarray):
        if where.shape != shape or where.dtype != bool:
            raise InputError(f"a region array must be bool of shape {shape}, got {where.dtype} {where.shape}")
        if not where.any():
            raise InputError(f"the region lies off the map: none of its {where.size} pixels is in it")
        return where.astype(float)
    shapes = shapes_of(where)
    included, excluded = (_drawn_all(part, map_) for part in (shapes.included, shapes.excluded))
    if shapes.included and not any(weight.any() for _, weight in included):
        raise InputError(
            f"the region {describe_region(where)} lies off the map, whose shape is {shape}: no pixel is in it"
        )
    weights = _combined(included, excluded, shape)
    if not weights.any():
        raise InputError(f"the region {describe_region(where)} excludes all that it includes")
    return weights


def _drawn_all(shapes, map_):
    """Each shape in pixels, with the part of every pixel that it covers."""
    square = np.array_equal(stretch(map_), np.eye(2))
    for shape in shapes:
        if isinstance(shape, SkyRegion) and not hasattr(shape, "vertices") and not square:
            raise InputError(
                f"{type(shape).__name__}: shapes on the sky are drawn on square pixels only; use resample "
                "with an angle on the image first, or a polygon"
            )
    shapes = [in_pixels(shape, map_.wcs) for shape in shapes]
    return [(shape, _drawn(shape, map_.data.shape)) for shape in shapes]


def _drawn(region, shape):
    """The part of every pixel that a shape covers."""
    if (parts := _outer_and_inner(region)) is not None:
        return np.clip(_drawn(parts[0], shape) - _drawn(parts[1], shape), 0, 1)
    try:
        image = region.to_mask(mode="exact").to_image(shape)
    except NotImplementedError:  # what is put together of several
        return _sampled(lambda x, y: region.contains(PixCoord(x, y)), _touched(region, shape))
    except ValueError as error:
        raise InputError(f"the region {describe_region(region)} cannot be drawn: {error}") from error
    return np.zeros(shape) if image is None else np.clip(image, 0, 1)


def _touched(region, shape):
    """The pixels of the box around a shape."""
    inside, box = np.zeros(shape, bool), region.bounding_box
    inside[max(box.iymin, 0) : max(box.iymax, 0), max(box.ixmin, 0) : max(box.ixmax, 0)] = True
    return inside


def _outer_and_inner(region):
    """The shapes between whose edges an annulus lies, or None of another shape."""
    if isinstance(region, CircleAnnulusPixelRegion):
        return [CirclePixelRegion(region.center, r) for r in (region.outer_radius, region.inner_radius)]
    kind = {
        EllipseAnnulusPixelRegion: EllipsePixelRegion,
        RectangleAnnulusPixelRegion: RectanglePixelRegion,
    }.get(type(region))
    if kind is None:
        return None
    sizes = (region.outer_width, region.outer_height), (region.inner_width, region.inner_height)
    return [kind(region.center, *size, angle=region.angle) for size in sizes]


def _combined(included, excluded, shape):
    """The part of every pixel in the union of what is included, less what is excluded."""
    weights, partial = np.zeros(shape), np.zeros(shape, int)
    if not included:
        weights[:] = 1.0
    for _, weight in included:
        weights = np.maximum(weights, weight)
        partial += _is_partial(weight)
    for _, weight in excluded:
        weights = np.minimum(weights, 1 - weight)
        partial += _is_partial(weight)
    # Where edges of two shapes cross a pixel its parts are not known from theirs: nothing may count twice.
    crossed = partial > 1
    if not crossed.any():
        return weights

    def inside(x, y):
        where = PixCoord(x, y)
        kept = np.full(x.shape, not included)
        for region, _ in included:
            kept |= region.contains(where)
        for region, _ in excluded:
            kept &= ~region.contains(where)
        return kept

    return np.where(crossed, _sampled(inside, crossed), weights)


def _is_partial(weight):
    # Whole pixels come out as whole but for rounding.
    return (weight > 1e-9) & (weight < 1 - 1e-9)


def _sampled(inside, pixels):
    """The part of some pixels for which `inside(x, y)` is true, from a fine raster in each; 0 elsewhere."""
    weights = np.zeros(pixels.shape)
    raster = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    dy, dx = (offset.ravel() for offset in np.meshgrid(raster, raster, indexing="ij"))
    rows, columns = np.nonzero(pixels)
    for start in range(0, len(rows), AT_ONCE):
        y, x = rows[start : start + AT_ONCE], columns[start : start + AT_ONCE]
        found = np.asarray(inside(x[:, None] + dx, y[:, None] + dy), bool)
        weights[y, x] = found.reshape(len(y), -1).mean(axis=1)
    return weights


def annulus(
    map_: SpatialMap,
    inner: u.Quantity | float,
    outer: u.Quantity | float,
    *,
    centre: SkyCoord | Sequence[float] | None = None,
    position_angle: u.Quantity | float = 0 * u.deg,
    inclination: u.Quantity | float = 0 * u.deg,
) -> PixelAperture:
    """An elliptical annulus (an ellipse where `inner` is 0) as a region for the other functions.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    inner, outer : `~astropy.units.Quantity` or float
        Radii along the major axis: length or angle, as the pixel scale is, or pixels (where these are no
        squares, the sides of squares as large).
    centre, position_angle, inclination
        As in `euclid_resolved.maps.radial_profile`.

    Returns
    -------
    region : `~photutils.aperture.PixelAperture`

    Raises
    ------
    InputError
        If a radius or an angle makes no sense, or the centre lies off the map.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import annulus, region_weights
    >>> age = SpatialMap(np.ones((21, 21)), property="stellar_age")
    >>> ring = annulus(age, 3, 6, inclination=60 * u.deg)
    >>> print(f"{region_weights(age, ring).sum():.1f} pixels, pi (36 - 9) cos 60 = {np.pi * 27 / 2:.1f}")
    42.4 pixels, pi (36 - 9) cos 60 = 42.4
    """
    position, ratio = _centre_in_pixels(map_, centre), axis_ratio(inclination)
    inner, outer = (size_in_pixels(radius, pixel_scale(map_)) for radius in (inner, outer))
    if not 0 <= inner < outer:
        raise InputError(f"an annulus needs 0 <= inner < outer, got {inner:g} and {outer:g} pixels")
    return ellipse_in_pixels(map_, position, inner, outer, ratio, position_angle)


def ellipse_in_pixels(
    map_: SpatialMap | MultiBandImage,
    position: tuple[float, float],
    inner: float,
    outer: float,
    ratio: float,
    position_angle: u.Quantity | float,
) -> PixelAperture:
    """An elliptical annulus of the sky on the pixels of a map, which need not be squares.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`
    position : (x, y)
        Its centre in pixels, counted from 0.
    inner, outer : float
        Radii along the major axis, in square pixels as large as those of the map; with `inner` 0 it is an
        ellipse.
    ratio : float
        Minor over major axis.
    position_angle : `~astropy.units.Quantity` or float
        Of the major axis, counter-clockwise from the y axis of the pixels; a plain number is in degrees.

    Returns
    -------
    aperture : `~photutils.aperture.PixelAperture`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps._region_pixels import ellipse_in_pixels
    >>> age = SpatialMap(np.ones((21, 21)), property="stellar_age")
    >>> ellipse = ellipse_in_pixels(age, (10, 10), 0, 4, 0.5, 90)
    >>> print(f"{ellipse.a:.0f} {ellipse.b:.0f} {ellipse.area:.2f}, 8 pi = {8 * np.pi:.2f}")
    4 2 25.13, 8 pi = 25.13
    """
    from photutils.aperture import EllipticalAnnulus, EllipticalAperture

    theta = np.radians(check_angle("position_angle", position_angle) + 90)
    across, square = ratio, stretch(map_)
    if not np.array_equal(square, np.eye(2)):
        # The unit circle becomes the ellipse, then what the pixels make of it: its axes are those we need.
        turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        axes, (major, minor), _ = np.linalg.svd(np.linalg.inv(square) @ turn @ np.diag([1.0, ratio]))
        theta, across = np.arctan2(axes[1, 0], axes[0, 0]), minor / major
        inner, outer = inner * major, outer * major
    theta = theta * u.rad
    if inner == 0:
        return EllipticalAperture(position, a=outer, b=outer * across, theta=theta)
    return EllipticalAnnulus(position, inner, outer, b_out=outer * across, theta=theta)


def elliptical_radius(
    map_: SpatialMap,
    weight: np.ndarray,
    centre: SkyCoord | Sequence[float] | None,
    position_angle: u.Quantity | float,
    ratio: float,
) -> np.ndarray:
    """The radius along the major axis of the ellipse on which each pixel lies."""
    rows, columns = np.indices(weight.shape)
    if centre is None:
        x, y = ((weight * index).sum() / weight.sum() for index in (columns, rows))
    else:
        x, y = _centre_in_pixels(map_, centre)
    angle = np.radians(check_angle("position_angle", position_angle) + 90)
    dx, dy = np.einsum("ij,jkl->ikl", stretch(map_), np.array([columns - x, rows - y], float))
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    return np.hypot(along, across / ratio)

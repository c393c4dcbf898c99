"""Which pixels of a map, and how much of each, lie inside a region."""

import astropy.units as u
import numpy as np

from euclid_resolved._checks import check_angle
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale, stretch
from euclid_resolved.images._positions import _centre_in_pixels, axis_ratio, size_in_pixels

__all__ = ["annulus", "read_region", "region_weights"]


def read_region(source):
    """One region from a DS9 file or text.

    Parameters
    ----------
    source : path-like or str
        A file, or the text itself, for example ``"fk5; circle(63.1, -49.5, 5\\")"``.

    Returns
    -------
    region : `~regions.Region`
        Where there are several, the first; those after it that are excluded are not looked at.

    Raises
    ------
    InputError
        If nothing can be read.

    Examples
    --------
    >>> from euclid_resolved.maps import read_region
    >>> region = read_region("image; circle(10, 12, 3)")
    >>> region.center.x, region.radius
    (9.0, 3.0)
    """
    from pathlib import Path

    from regions import Regions

    text = str(source)
    try:
        is_file = Path(text).is_file()
    except OSError:  # the text of a region can be too long for a name
        is_file = False
    try:
        found = Regions.read(text, format="ds9") if is_file else Regions.parse(text, format="ds9")
    except Exception as error:  # the parser raises many types
        raise InputError(f"{text}: no DS9 region can be read: {error}") from error
    if not len(found):
        raise InputError(f"{text}: there is no DS9 region in it, and no file of that name")
    return found[0]


def region_weights(map_, where=None):
    """The part of every pixel that lies inside a region.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`, or anything with ``data`` and ``wcs``
    where : optional
        A region of the package ``regions`` on the sky or in pixels; a DS9 file or text; a photutils
        aperture (`annulus`); or a bool array. The whole map without it.

    Returns
    -------
    weights : `~numpy.ndarray`
        float, from 0 to 1, exact for circles, ellipses and rectangles.

    Raises
    ------
    InputError
        If the region is of no known kind, lies off the map, or is on the sky where the map has no
        celestial WCS.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import region_weights
    >>> age = SpatialMap(np.ones((9, 9)), property="stellar_age")
    >>> print(f"{region_weights(age, 'image; circle(5, 5, 2)').sum():.3f}")
    12.566
    """
    shape = map_.data.shape
    if where is None:
        return np.ones(shape)
    if isinstance(where, np.ndarray):
        if where.shape != shape or where.dtype != bool:
            raise InputError(f"a region array must be bool of shape {shape}, got {where.dtype} {where.shape}")
        weights = where.astype(float)
    else:
        region = read_region(where) if isinstance(where, str) or hasattr(where, "__fspath__") else where
        weights = _drawn(_in_pixels(region, map_), shape)
    if not weights.any():
        raise InputError(f"the region {_describe(where)} lies off the map, whose shape is {shape}")
    return weights


def _in_pixels(region, map_):
    if hasattr(region, "to_pixel"):  # SkyRegion, SkyAperture
        if not getattr(map_.wcs, "has_celestial", False):
            raise InputError("a region on the sky needs a map with a celestial WCS; give one in pixels")
        if not hasattr(region, "vertices") and not np.array_equal(stretch(map_), np.eye(2)):
            raise InputError(
                f"{type(region).__name__}: shapes on the sky are drawn on square pixels only; use resample "
                "with an angle on the image first, or a polygon"
            )
        region = region.to_pixel(map_.wcs)
    if not hasattr(region, "to_mask"):
        raise InputError(
            f"a region (regions, DS9, photutils) or bool array is needed, got {type(region).__name__}"
        )
    return region


def _drawn(region, shape):
    try:
        mask = region.to_mask(mode="exact") if hasattr(region, "meta") else region.to_mask(method="exact")
    except NotImplementedError:  # polygons
        mask = region.to_mask(mode="subpixels", subpixels=10)
    except ValueError as error:
        raise InputError(f"the region {_describe(region)} cannot be drawn: {error}") from error
    image = mask.to_image(shape)
    return np.zeros(shape) if image is None else np.asarray(image, float)


def _describe(where):
    return " ".join(str(where).split())[:120]


def annulus(map_, inner, outer, *, centre=None, position_angle=0 * u.deg, inclination=0 * u.deg):
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


def ellipse_in_pixels(map_, position, inner, outer, ratio, position_angle):
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


def elliptical_radius(map_, weight, centre, position_angle, ratio):
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

"""How large pixels are on the sky, at the middle of an image, and world coordinates for larger ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.wcs import WCS, DistortionLookupTable, Sip
from astropy.wcs.wcsapi import BaseWCSWrapper, HighLevelWCSWrapper

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["pixel_area", "pixel_scale", "scale_wcs"]

_SQUARE = 0.005  # far off the reference point every projection stretches pixels a little
POLYNOMIALS = "-TPV", "-TPD", "-TPU", "-TNX", "-ZPX", "CQDIS"  # wcslib puts them between PC and CDELT


def sky_matrix(
    wcs: WCS | None, shape: tuple[int, ...], position: tuple[float, float] | None = None
) -> np.ndarray | None:
    """How far one pixel leads on the sky, at the middle of an image.

    Projections stretch the sky away from their reference point, and distortions may hold a scale of their
    own: so this is measured where the image lies, not read off the header.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS` or None
    shape : tuple of int
        The shape of the image.
    position : (x, y), optional
        Another place, in pixels counted from 0.

    Returns
    -------
    matrix : `~numpy.ndarray` or None
        (2, 2), degrees of a great circle: along longitude and latitude (rows) for one pixel along x and y
        (columns); NaN off the projection. None without celestial coordinates, and where they have no
        scale: FITS takes 1 degree a pixel where a header gives none.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved.images._pixels import sky_matrix
    >>> wcs = WCS({"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL2": 0, "CRPIX2": -599, "CRPIX1": 1})
    >>> sky_matrix(wcs, (1, 1)) is None
    True
    >>> wcs.wcs.cdelt = -0.1, 0.1
    >>> print(sky_matrix(wcs, (1, 1)).round(4))  # at declination 60
    [[-0.05  0.  ]
     [ 0.    0.1 ]]
    """
    if wcs is None or not getattr(wcs, "has_celestial", False):
        return None
    if np.array_equal(wcs.pixel_scale_matrix, np.eye(wcs.naxis)):
        return None
    x, y = ((n - 1) / 2 for n in reversed(shape)) if position is None else position
    around = np.array([x, x - 0.5, x + 0.5, x, x]), np.array([y, y, y, y - 0.5, y + 0.5])
    world = wcs.pixel_to_world_values(*around)
    lon, lat = np.radians([world[wcs.wcs.lng], world[wcs.wcs.lat]])
    # By vectors, which know neither a jump at 360 degrees nor a pole.
    vectors = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.array([-np.sin(lon[0]), np.cos(lon[0]), 0.0])
    north = np.cross(vectors[:, 0], east)
    return np.degrees(np.array([east, north]) @ (vectors[:, 2::2] - vectors[:, 1::2]))


def pixel_scale(image: SpatialMap | MultiBandImage) -> u.Quantity:
    """The side of a square as large as a pixel, from ``meta["pixel_scale"]`` or the celestial WCS.

    Parameters
    ----------
    image : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`

    Returns
    -------
    scale : `~astropy.units.Quantity`
        A length or an angle, that at the middle of the image; ``1 pix`` where neither is known.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.images import pixel_scale
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> image.meta["pixel_scale"] = 100 * u.pc
    >>> pixel_scale(image)
    <Quantity 100. pc>
    """
    if "pixel_scale" in image.meta:
        return u.Quantity(image.meta["pixel_scale"])
    matrix = sky_matrix(image.wcs, image.data.shape if hasattr(image, "data") else image.shape)
    if matrix is None or not np.isfinite(matrix).all():
        return 1 * u.pix
    return (np.sqrt(abs(np.linalg.det(matrix))) * u.deg).to(u.arcsec)


def pixel_area(image: SpatialMap | MultiBandImage) -> u.Quantity:
    """The area of a pixel: the square of `pixel_scale`.

    Parameters
    ----------
    image : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`

    Returns
    -------
    area : `~astropy.units.Quantity`
        The square of a length or an angle; ``1 pix2`` where neither is known.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.images import pixel_area
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> image.meta["pixel_scale"] = 100 * u.pc
    >>> pixel_area(image)
    <Quantity 10000. pc2>
    """
    return pixel_scale(image) ** 2


def stretch(image: SpatialMap | MultiBandImage) -> np.ndarray:
    """What turns offsets in pixels into offsets on a grid of square pixels as large.

    Parameters
    ----------
    image : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`

    Returns
    -------
    matrix : `~numpy.ndarray`
        (2, 2) and symmetric, of determinant 1, for offsets (x, y): it does not turn them. Exactly the unit
        matrix where pixels are square to half a per cent, or their shape is not known.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.images._pixels import stretch
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1e-4, "CDELT2": 4e-4})
    >>> image = MultiBandImage({"HE": NDData(np.ones((2, 2)), unit=u.MJy / u.sr, wcs=wcs)})
    >>> print(stretch(image).round(2))
    [[0.5 0. ]
     [0.  2. ]]
    """
    matrix = sky_matrix(image.wcs, image.data.shape if hasattr(image, "data") else image.shape)
    if matrix is None or not np.isfinite(matrix).all():
        return np.eye(2)
    _, sides, axes = np.linalg.svd(matrix)
    if not sides[1] > 0 or sides[0] / sides[1] < 1 + _SQUARE:
        return np.eye(2)
    return axes.T @ np.diag(sides / np.sqrt(sides.prod())) @ axes


def pixel_sides(image: SpatialMap | MultiBandImage) -> u.Quantity:
    """The two sides of a pixel.

    Parameters
    ----------
    image : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`

    Returns
    -------
    sides : `~astropy.units.Quantity`
        Along x and y, in the unit of `pixel_scale`.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.images._pixels import pixel_sides
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> image.meta["pixel_scale"] = 100 * u.pc
    >>> pixel_sides(image)
    <Quantity [100., 100.] pc>
    """
    return pixel_scale(image) * np.hypot(*stretch(image))


def radius_in_pixels(image: SpatialMap | MultiBandImage, x: float, y: float) -> np.ndarray:
    """How far every pixel is from a place, in square pixels as large as those of the image.

    Parameters
    ----------
    image : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`
    x, y : float
        The place, in pixels counted from 0.

    Returns
    -------
    radius : `~numpy.ndarray`
        Of the image's shape; times `pixel_scale` it is a length or an angle.

    Examples
    --------
    >>> from euclid_resolved.images._pixels import radius_in_pixels
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> print(radius_in_pixels(image, 3, 4)[0, 0])
    5.0
    """
    rows, columns = np.indices(image.shape)
    (xx, xy), (_, yy) = stretch(image)
    dx, dy = columns - x, rows - y
    return np.hypot(xx * dx + xy * dy, xy * dx + yy * dy)


def scale_wcs(wcs: WCS, factor: Sequence[float], cut: Sequence[float] = (0, 0)) -> WCS:
    """The world coordinates of larger pixels, whatever they are made of.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`, or another that follows Astropy's interface
        Of FITS with CD, PC and CDELT, or CROTA; with SIP, TPV or other polynomials, or tables. It is not
        changed.
    factor : (float, float)
        How many old pixels the side of a new one is, along x and y.
    cut : (float, float), optional
        How many old pixels are cut off on the left and below.

    Returns
    -------
    wcs : the same kind
        A FITS WCS stays one, so that it can be written to a header.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved.images import scale_wcs
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 5, "CRPIX2": 5})
    >>> wcs.wcs.cdelt = -1e-4, 1e-4
    >>> large = scale_wcs(wcs, (4, 4), (2, 0))
    >>> print(large.wcs.cdelt, large.wcs.crpix)
    [-0.0004  0.0004] [1.125 1.625]
    """
    sides, corner = np.array(factor, float), np.array(cut, float)
    if not isinstance(wcs, WCS):
        return HighLevelWCSWrapper(_Scaled(getattr(wcs, "low_level_wcs", wcs), sides, corner))

    def place(pixel):
        """A pixel counted from 1, whose middle that number is, on the new grid."""
        return (np.asarray(pixel) - 0.5 - corner) / sides + 0.5

    new = wcs.deepcopy()
    new.wcs.crpix = place(wcs.wcs.crpix)
    # wcslib takes PC where a header has CD and PC, or CROTA: so must whoever changes them.
    if wcs.wcs.has_cd() and not wcs.wcs.has_pc():
        new.wcs.cd = wcs.wcs.cd * sides
    else:
        pc = wcs.wcs.get_pc()
        for other in ("cd", "crota"):
            if getattr(wcs.wcs, f"has_{other}")():
                delattr(new.wcs, other)
        # Programs that look at CDELT alone find the scale there, where no polynomial stands before it.
        plain = not any(name in wcs.wcs.to_header(relax=True) for name in POLYNOMIALS)
        if plain and (sides[0] == sides[1] or np.array_equal(pc, np.diag(np.diag(pc)))):
            new.wcs.pc, new.wcs.cdelt = pc, wcs.wcs.get_cdelt() * sides
        else:
            new.wcs.pc, new.wcs.cdelt = pc * sides, wcs.wcs.get_cdelt()
    if wcs.sip is not None:
        new.sip = _scaled_sip(wcs.sip, sides, place)
    for axis, name in ((0, "cpdis1"), (1, "cpdis2"), (0, "det2im1"), (1, "det2im2")):
        table = getattr(wcs, name)
        if table is not None:
            data = np.asarray(table.data) / np.float32(sides[axis])
            steps = tuple(np.array(table.cdelt) / sides)
            setattr(new, name, DistortionLookupTable(data, table.crpix, tuple(place(table.crval)), steps))
    new.wcs.set()
    new.array_shape = None
    return new


def _scaled_sip(sip, factor, place):
    """The polynomials of SIP, which lead from offsets in pixels to offsets in pixels."""

    def scaled(table, axis):
        if table is None:
            return None
        p, q = np.indices(table.shape)
        return table * factor[0] ** p * factor[1] ** q / factor[axis]

    return Sip(scaled(sip.a, 0), scaled(sip.b, 1), scaled(sip.ap, 0), scaled(sip.bp, 1), place(sip.crpix))


class _Scaled(BaseWCSWrapper):
    """Coordinates of larger pixels for a WCS that is not of FITS."""

    def __init__(self, wcs, factor, cut):
        super().__init__(wcs)
        self._factor, self._cut = factor, cut

    def pixel_to_world_values(self, *pixels):
        scaled = zip(pixels, self._factor, self._cut, strict=True)
        old = [(np.asarray(pixel) + 0.5) * f + c - 0.5 for pixel, f, c in scaled]
        return self._wcs.pixel_to_world_values(*old)

    def world_to_pixel_values(self, *world):
        old = self._wcs.world_to_pixel_values(*world)
        scaled = zip(old, self._factor, self._cut, strict=True)
        return tuple((np.asarray(pixel) + 0.5 - c) / f - 0.5 for pixel, f, c in scaled)

    @property
    def pixel_shape(self):
        return None

    @property
    def array_shape(self):
        return None

    @property
    def pixel_bounds(self):
        return None

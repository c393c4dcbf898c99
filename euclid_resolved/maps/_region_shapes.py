"""What a region is made of: shapes that are included, and shapes that are excluded."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS

from euclid_resolved.errors import InputError
from euclid_resolved.images._guard import MAX_TEXT, Budget, open_unpacked, refuse_input

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from photutils.aperture import Aperture
    from regions import PixelRegion, Region, Regions

    # Whatever may name a region, see `region_weights`.
    RegionLike: TypeAlias = str | Path | Region | Regions | Sequence[Region] | Aperture | np.ndarray

__all__ = ["read_region"]

# DS9 writes all of these; without LTM and LTV cards, which maps have not, physical pixels are the image's.
_PHYSICAL = re.compile(r"(^|[\n;])[ \t]*physical[ \t]*(?=[\n;]|$)", re.IGNORECASE)

# The angle may be left out; the parser would take the last size for it.
_TURNED = re.compile(r"\b(ellipse|box)[ \t]*\(([^(){}]*)\)", re.IGNORECASE)


@dataclass(frozen=True)
class Shapes:
    """The shapes of a region, in the order given.

    Attributes
    ----------
    included, excluded : tuple of `~regions.Region`
        The region is the union of what is included, less what is excluded. Where nothing is included it is
        everything but what is excluded.
    """

    included: tuple[Region, ...]
    excluded: tuple[Region, ...]


def read_region(source: str | Path) -> Regions:
    """The shapes of a DS9 file or text.

    Parameters
    ----------
    source : path-like or str
        A file, or the text itself, for example ``"fk5; circle(63.1, -49.5, 5\\")"``. Where no frame is named
        positions are pixels of the image, counted from 1, as in DS9. So are ``physical`` ones.

    Returns
    -------
    shapes : `~regions.Regions`
        All of them, those that are excluded (a leading minus) with ``meta["include"]`` 0. Text that stands
        beside other shapes is a label, and left out.

    Raises
    ------
    InputError
        If nothing can be read, or one of the shapes cannot.

    Examples
    --------
    >>> from euclid_resolved.maps import read_region
    >>> shapes = read_region("image; circle(10, 12, 3); -circle(10, 12, 1)")
    >>> [(shape.center.x, shape.radius, shape.meta["include"]) for shape in shapes]
    [(9.0, 3.0, 1), (9.0, 1.0, 0)]
    """
    from regions import Regions, TextPixelRegion, TextSkyRegion

    name = str(source)
    try:
        is_file = Path(name).exists()
    except (OSError, ValueError):  # the text of a region can be too long for a name
        is_file = False
    text = (_text_of(name) if is_file else name).replace("\r\n", "\n").replace("\r", "\n")
    try:
        with warnings.catch_warnings():
            # What the parser only warns of is a shape that it leaves out.
            warnings.simplefilter("error", AstropyUserWarning)
            found = Regions.parse(_plain(text), format="ds9")
    except Exception as error:  # the parser raises many types
        what = describe_region(str(error).strip() or type(error).__name__)
        raise InputError(f"{describe_region(name)}: no DS9 region can be read: {what}") from error
    areas = [shape for shape in found if not isinstance(shape, TextPixelRegion | TextSkyRegion)]
    if not len(found):
        raise InputError(
            f"{describe_region(name)}: there is no DS9 region in it"
            + ("" if is_file else ", and no such file")
        )
    return Regions(areas or list(found))


def _plain(text):
    """DS9 text in the words that the package regions knows."""

    def turned(match):
        numbers = re.split(r"[\s,]+", match[2].strip())
        return f"{match[1]}({','.join(numbers)}{',0' if len(numbers) % 2 == 0 else ''})"

    return "image\n" + _TURNED.sub(turned, _PHYSICAL.sub(r"\1image", text))


def _text_of(path):
    """The text of a file in whatever encoding editors leave it."""
    with open_unpacked(path, most=MAX_TEXT) as file:
        raw = file.read(MAX_TEXT + 1)
    Budget(path, refuse_input, MAX_TEXT).spend(len(raw))
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def shapes_of(where: RegionLike) -> Shapes:
    """The shapes of anything that names a region.

    Parameters
    ----------
    where : path-like, str, region, aperture, or sequence of regions
        See `euclid_resolved.maps.region_weights`.

    Returns
    -------
    shapes : `Shapes`

    Raises
    ------
    InputError
        If it is of no known kind, or a shape has no area.
    """
    from photutils.aperture import Aperture, aperture_to_region
    from regions import (
        LinePixelRegion,
        LineSkyRegion,
        PixelRegion,
        PointPixelRegion,
        PointSkyRegion,
        Regions,
        SkyRegion,
    )

    found: Any = where
    if isinstance(found, str) or hasattr(found, "__fspath__"):
        found = read_region(found)
    if isinstance(found, Aperture):
        # Through the package regions: photutils mirrors ellipses on the sky where east is on the right.
        found = aperture_to_region(found)
    found = list(found) if isinstance(found, Regions | list | tuple) else [found]
    included: list[Region] = []
    excluded: list[Region] = []
    for shape in found:
        if not isinstance(shape, PixelRegion | SkyRegion):
            raise InputError(
                f"a region (regions, DS9, photutils) or bool array is needed, got {type(shape).__name__}"
            )
        if isinstance(shape, PointPixelRegion | PointSkyRegion | LinePixelRegion | LineSkyRegion):
            kind = re.sub("(Pixel|Sky)Region", "", type(shape).__name__).lower()
            raise InputError(
                f"a {kind} has no area, so that nothing can be measured in it: leave it out, or draw a "
                "circle, ellipse, box, annulus or polygon"
            )
        kept = shape.copy()
        include = kept.meta.pop("include", True)
        (included if include not in (0, False) else excluded).append(kept)
    if not included and not excluded:
        raise InputError("the region has no shape")
    return Shapes(tuple(included), tuple(excluded))


def square_around(where: RegionLike, wcs: WCS | None) -> tuple[float, float, int]:
    """The smallest square of pixels that holds what a region includes.

    Parameters
    ----------
    where
        As for `shapes_of`.
    wcs : `~astropy.wcs.WCS` or None
        For shapes on the sky.

    Returns
    -------
    x, y : float
        Its centre, in pixels from 0.
    side : int
        In pixels.

    Raises
    ------
    InputError
        If the region only excludes, or a shape cannot be put on the pixels.
    """
    boxes = [in_pixels(shape, wcs).bounding_box for shape in _included(where)]
    low = min(box.ixmin for box in boxes), min(box.iymin for box in boxes)
    high = max(box.ixmax for box in boxes), max(box.iymax for box in boxes)
    x, y = ((a + b - 1) / 2 for a, b in zip(low, high, strict=True))
    return x, y, max(b - a for a, b in zip(low, high, strict=True))


def field_around(where: RegionLike) -> tuple[SkyCoord, u.Quantity]:
    """The centre and the side of the smallest square on the sky that holds what a region includes.

    Parameters
    ----------
    where
        As for `shapes_of`; what is included has to be on the sky.

    Returns
    -------
    position : `~astropy.coordinates.SkyCoord`
    size : `~astropy.units.Quantity`

    Raises
    ------
    InputError
        If the region only excludes, or a shape is in pixels.
    """
    from regions import SkyRegion

    shapes = _included(where)
    for shape in shapes:
        if not isinstance(shape, SkyRegion):
            raise InputError(f"a region on the sky is needed, got {type(shape).__name__}")
    first = shapes[0]
    while hasattr(first, "region1"):  # several that were put together
        first = first.region1
    centre = getattr(first, "center", None)
    if centre is None:
        if getattr(first, "vertices", None) is None:
            raise InputError(f"{type(first).__name__} has no extent on the sky; give a position and a size")
        centre = first.vertices[0]
    # A plane that touches the sky near it tells its extent, with pixels fine enough not to matter.
    plane = WCS(naxis=2)
    plane.wcs.ctype = "RA---TAN", "DEC--TAN"
    plane.wcs.crval = centre.icrs.ra.deg, centre.icrs.dec.deg
    plane.wcs.cdelt = -0.01 / 3600, 0.01 / 3600
    plane.wcs.crpix = 1, 1
    x, y, side = square_around(list(shapes), plane)
    return plane.pixel_to_world(x, y), side * 0.01 / 3600 * u.deg


def _included(where):
    included = shapes_of(where).included
    if not included:
        raise InputError(
            f"the region {describe_region(where)} only excludes, so that there is nothing to cut out around; "
            "give a position and a size"
        )
    return included


def in_pixels(shape: Region, wcs: WCS | None) -> PixelRegion:
    """A shape in pixels, wherever it was given.

    Parameters
    ----------
    shape : `~regions.Region`
    wcs : `~astropy.wcs.WCS` or None

    Returns
    -------
    shape : `~regions.PixelRegion`

    Raises
    ------
    InputError
        If it is on the sky and the WCS is not, or it lies where the projection has no pixels.
    """
    from regions import SkyRegion

    if not isinstance(shape, SkyRegion):
        return shape
    if not getattr(wcs, "has_celestial", False):
        raise InputError("a region on the sky needs a map with a celestial WCS; give one in pixels")
    try:
        with np.errstate(invalid="ignore"):
            drawn = shape.to_pixel(wcs)
            drawn.bounding_box  # noqa: B018  of a shape behind the projection it cannot be told
    except (ValueError, np.linalg.LinAlgError) as error:
        raise InputError(f"{describe_region(shape)} lies off the map and its projection") from error
    return drawn


def describe_region(where: object) -> str:
    """A region in one short line."""
    return " ".join(str(where).split())[:120]

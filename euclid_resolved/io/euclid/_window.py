"""Windows of large FITS images: only the pixels that are needed are read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._grid import pixels_on
from euclid_resolved.images._pixels import sky_matrix
from euclid_resolved.io._fits_read import blank_of, is_plane, plane_shape, section, to_native
from euclid_resolved.io._wcs import celestial
from euclid_resolved.io.euclid._extensions import choose, headers_of
from euclid_resolved.io.euclid._names import IMAGE
from euclid_resolved.maps._region_shapes import field_around

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import DTypeLike

    from euclid_resolved.io._fits_read import ImageExtension
    from euclid_resolved.maps._region_shapes import RegionLike

MAX_SIDE = 20_000  # pixels; no mosaic is larger, and a slip of the unit should not fill the memory


@contextmanager
def file_errors(path: str | Path) -> Iterator[None]:
    """Whatever fails in the block becomes an `ImageFileError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the wording of headers, on which nobody can act
        try:
            yield
        except InputError:
            raise
        except FileNotFoundError:
            raise ImageFileError(path, "no such file") from None
        except Exception as error:  # astropy raises nearly every type on damaged files
            text = str(error).strip() or type(error).__name__
            raise ImageFileError(path, f"cannot be read as FITS: {text}", "is it complete?") from error


@contextmanager
def open_window(path: str | Path) -> Iterator[fits.HDUList]:
    """A FITS file of which parts will be read; whatever fails becomes an `ImageFileError`."""
    with file_errors(path), fits.open(path, memmap=True, lazy_load_hdus=True) as hdus:
        yield hdus


def grid_of(path: str | Path) -> tuple[WCS, tuple[int, int]]:
    """WCS and shape of a mosaic."""
    with open_window(path) as hdus:
        image = choose(path, hdus)
        return wcs_of(path, hdus, image), plane_shape(path, image)


def wcs_of(path: str | Path, hdus: fits.HDUList, image: ImageExtension) -> WCS:
    """The celestial WCS of an image, without distortions."""
    wcs = celestial(path, headers_of(hdus, image), plane_shape(path, image))
    if wcs is None:
        raise ImageFileError(path, "has no celestial WCS with a scale, so that no field can be found in it")
    if wcs.sip is not None:
        raise ImageFileError(path, "its WCS has SIP distortions, which mosaics have not", "use read_euclid")
    return wcs


def cut(
    path: str | Path, image: ImageExtension, window: Sequence[slice], dtype: DTypeLike | None = np.float32
) -> np.ndarray:
    """The pixels of a window in native byte order."""
    plane_shape(path, image)
    with np.errstate(all="ignore"):
        return to_native(section(image, window), blank_of(image.header), dtype)


def overlap(
    path: str | Path, hdus: fits.HDUList, image: ImageExtension, wcs: WCS, shape: tuple[int, ...]
) -> tuple[WCS, tuple[slice, ...] | None]:
    """The WCS of a tile, and the window of it that the field reaches, or None."""
    tile_wcs = wcs_of(path, hdus, image)
    ny, nx = shape
    # A raster of points, for the outline of the field is curved in the tile.
    x, y = np.meshgrid(np.linspace(-0.5, nx - 0.5, 9), np.linspace(-0.5, ny - 0.5, 9))
    x, y = pixels_on(tile_wcs, wcs, x, y)
    if not np.isfinite(x + y).all():
        return tile_wcs, None
    # Rounding first: the way through the sky and back leaves 1e-7 of a pixel, which must not add a row.
    window = []
    for values, n in zip((y, x), plane_shape(path, image), strict=True):
        low = max(0, int(np.floor(np.round(values.min() + 0.5, 3))))
        high = min(n, int(np.ceil(np.round(values.max() + 0.5, 3))))
        if low >= high:
            return tile_wcs, None
        window.append(slice(low, high))
    return tile_wcs, tuple(window)


def cut_companion(
    path: str | Path, kind: str, full: tuple[int, ...], window: Sequence[slice], dtype: DTypeLike | None
) -> tuple[np.ndarray, list[fits.Header]]:
    """The same window of another map of the tile, and the headers that say what its values are."""
    with open_window(path) as hdus:
        images = [h for h in hdus if is_plane(h)]
        if len(images) != 1:
            images = [choose(path, hdus, (kind,) if kind in ("RMS", "FLAG") else (IMAGE,))]
        shape = plane_shape(path, images[0])
        if shape != full:
            raise ImageFileError(path, f"the {kind} map has shape {shape}, the image {full}")
        return cut(path, images[0], window, dtype), headers_of(hdus, images[0])


def target_grid(
    folder: str | Path, grids: Mapping[str, tuple[WCS, tuple[int, ...]]], position: SkyCoord, size: u.Quantity
) -> tuple[str, WCS, tuple[int, int]]:
    """The tile that holds most of the field, and the field's WCS and shape on its grid."""
    best = None
    for tile, (wcs, shape) in grids.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y = (float(value) for value in wcs.world_to_pixel(position))
        if not np.isfinite(x + y):  # the other half of the sky
            continue
        # The sides of a pixel there, y first: a square of the sky need be none of pixels.
        matrix = cast(np.ndarray, sky_matrix(wcs, shape, (x, y)))  # mosaics have a scale
        steps = np.hypot(*matrix)[::-1] * u.deg
        sides = [max(1, round(float(n))) for n in (size / steps).to_value("")]
        if max(sides) > MAX_SIDE:
            raise InputError(
                f"a field of {size.to(u.arcmin):.3g} is {max(sides)} pixels wide, more than {MAX_SIDE}"
            )
        low = [round(at - (side - 1) / 2) for at, side in zip((y, x), sides, strict=True)]
        inside = [max(0, min(a + side, n) - max(a, 0)) for a, n, side in zip(low, shape, sides, strict=True)]
        centred = 0 <= x < shape[1] and 0 <= y < shape[0]
        covered = (inside[0] * inside[1], centred)
        if covered[0] and (best is None or covered > best[0]):
            best = covered, tile, low, (sides[0], sides[1])
    if best is None:
        raise InputError(
            f"{describe(position)} with a size of {size.to(u.arcsec):.4g} lies off every tile in {folder}: "
            f"{', '.join(grids)}"
        )
    _, tile, low, found = best
    wcs = grids[tile][0].deepcopy()
    wcs.wcs.crpix = wcs.wcs.crpix - np.array(low[::-1])
    wcs.wcs.set()
    wcs.array_shape = None
    return tile, wcs, found


def describe(position: SkyCoord) -> str:
    """A position in words."""
    return f"{position.icrs.to_string('hmsdms', precision=1)} (ICRS)"


def field_of(
    position: SkyCoord | None, size: u.Quantity | None, region: RegionLike | None
) -> tuple[SkyCoord, u.Quantity]:
    """The centre and the side of a field, from a position and a size, or around a region on the sky.

    Parameters
    ----------
    position, size, region
        See `euclid_resolved.io.read_mosaics`.

    Returns
    -------
    position : `~astropy.coordinates.SkyCoord`
    size : `~astropy.units.Quantity`

    Raises
    ------
    InputError
        If neither or both are given, or they are of another kind.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from euclid_resolved.io.euclid._window import field_of
    >>> centre, side = field_of(None, None, 'icrs; circle(150.0, 2.0, 30")')
    >>> print(f"{centre.ra:.1f} {centre.dec:.1f}, {side.to(u.arcsec):.0f}")
    150.0 deg 2.0 deg, 60 arcsec
    """
    if region is not None:
        if position is not None or size is not None:
            raise InputError("give a position and a size, or a region, not both")
        return field_around(region)
    if not isinstance(position, SkyCoord) or not position.isscalar:
        raise InputError(f"position must be one SkyCoord, got {type(position).__name__}")
    try:
        size = u.Quantity(size).to(u.deg)
        fits_in = size.isscalar and size > 0 * u.deg
    except (TypeError, u.UnitConversionError):
        fits_in = False
    if not fits_in:
        raise InputError(f"size must be one angle, for example 1 * u.arcmin; got {size!r}")
    return position, size

"""Multi-order coverage maps (MOC) of files of maps, and their own files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io._fits import maps_to_hdulist
from euclid_resolved.io._fits_read import first_plane, opened, section
from euclid_resolved.io._fits_text import escape
from euclid_resolved.io._wcs import header_to_wcs
from euclid_resolved.maps._moc import cover

if TYPE_CHECKING:
    from mocpy import MOC

    from euclid_resolved.maps._spatial_map import SpatialMap

# What the header of a map says and that of its MOC repeats.
_OF_MODEL = ("MODEL", "TRAINSET", "RECIPE", "MINSN")
_OF_IMAGE = ("OBJECT", "REDSHIFT", "EBV", "BACKGRND", "MASKS")


def moc_of_file(path: str | Path) -> tuple[MOC, fits.Header]:
    """Where the first map of a FITS file has a value, read in blocks: the file may be larger than memory.

    Parameters
    ----------
    path : path-like
        A file of maps.

    Returns
    -------
    moc : `~mocpy.MOC`
    header : `~astropy.io.fits.Header`
        Of the first map.

    Raises
    ------
    InputError
        As `euclid_resolved.SpatialMap.to_moc`.
    """
    with opened(path, memmap=True) as hdus:
        first = first_plane(hdus)
        header = first.header.copy()
        moc = _cover(first, header, Path(path).name)
    return moc, header


def moc_of_map(spatial_map: SpatialMap) -> tuple[MOC, fits.Header]:
    """Where a map has a value, and the header that it would have in a file."""
    return spatial_map.to_moc(), maps_to_hdulist([spatial_map[0:1, 0:1]], checksums=False)[0].header


def check_moc_name(path: str | Path) -> None:
    """Refuse a name that no file of a MOC has."""
    if not Path(path).name.lower().endswith(".fits"):
        raise InputError(f"a MOC is written to a file that ends in .fits, got {path}")


def write_moc(
    path: str | Path,
    moc: MOC,
    header: fits.Header,
    maps: str | Path,
    images: Iterable[str],
    *,
    count: int = 1,
    overwrite: bool = False,
) -> None:
    """Write a MOC as FITS (MOC 2.0), at once or not at all.

    Parameters
    ----------
    path : path-like
        Ends in ``.fits``.
    moc : `~mocpy.MOC`
    header : `~astropy.io.fits.Header`
        Of the map, or of one of the maps, that it covers: model and image are taken from it.
    maps : path-like
        The file or folder of the maps; its name is kept.
    images : iterable of str
        Names of the files of the images, a HISTORY card each.
    count : int, optional
        How many images there are; of more than one, nothing is said that holds for one of them only.
    overwrite : bool, optional
        Replace a file of that name.
    """
    hdus = moc.serialize("fits")
    new = hdus[1].header
    for card in (*_OF_MODEL, *(_OF_IMAGE if count == 1 else ())):
        if card in header:
            new[card] = (header[card], header.comments[card])
    new["MAPS"] = (escape(Path(maps).name), "file or folder of the maps")
    new["NIMAGES"] = (count, "images with at least one value")
    new["CREATOR"] = escape(f"euclid_resolved {__version__}")
    new["DATE"] = (datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "when this was written (UTC)")
    if count == 1:
        for line in header.get("HISTORY", ()):
            new.add_history(line)
    for image in images:
        new.add_history(escape(f"image: {image}"))
    for hdu in hdus:
        hdu.add_checksum()
    with atomic_path(path, overwrite) as temporary:
        hdus.writeto(temporary)


def _cover(hdu, header, name):
    wcs = header_to_wcs(header, hdu.shape) if "CTYPE1" in header else None
    return cover(hdu.shape, lambda *window: np.isfinite(section(hdu, window)), wcs, what=name)

"""Cut a field out of MER mosaics on disk: only the window that is needed is read, tiles are stitched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._bands import band_names, known_bands
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io._fits_read import first_card, plane_shape
from euclid_resolved.io.euclid import _one_file as single
from euclid_resolved.io.euclid._calibration import ZERO_POINTS
from euclid_resolved.io.euclid._cutout import _check_bits, _zero_points, check_common
from euclid_resolved.io.euclid._extensions import choose, headers_of
from euclid_resolved.io.euclid._mer_files import list_tiles, newest
from euclid_resolved.io.euclid._stitch import nearest, stitch, uncovered
from euclid_resolved.io.euclid._window import (
    cut,
    cut_companion,
    describe,
    field_of,
    grid_of,
    open_window,
    overlap,
    target_grid,
)

if TYPE_CHECKING:
    from euclid_resolved.maps._region_shapes import RegionLike

__all__ = ["read_mosaics", "read_segmentation"]


_KEYWORDS = (*ZERO_POINTS, "FILTER", "BUNIT")


def read_mosaics(
    folder: str | Path,
    position: SkyCoord | None = None,
    size: u.Quantity | None = None,
    *,
    region: RegionLike | None = None,
    bands: Sequence[str] | None = None,
    add_background: bool = False,
    zero_point: float | Mapping[str, float] | None = None,
    flag_bits: int | None = None,
    name: str | None = None,
) -> MultiBandImage:
    """Cut a field out of a folder of MER mosaics.

    Only the pixels of the field are read, so that memory does not depend on the size of the mosaics.
    Checksums, which need the whole file, are not verified. Where the field reaches over the edge of a
    tile, the others are put on the grid of the tile that has most of it (`euclid_resolved.images.align`)
    and fill what that one lacks.

    Parameters
    ----------
    folder : path-like
        With files as the archive names them, of one tile or several, in folders of their own or not: the
        mosaics, and RMS, FLAG and PSF files beside them where there are any. The newest version is read.
    position : `~astropy.coordinates.SkyCoord`, optional
        The centre of the field.
    size : `~astropy.units.Quantity`, optional
        The angle of its side.
    region : `~regions.SkyRegion` or DS9 file or text, optional
        In place of `position` and `size`: the smallest field that holds it.
    bands : sequence of str, optional
        By default all known bands that the folder has.
    add_background : bool, optional
        Add the background that was subtracted (BGMOD files) back, which takes the outskirts of large
        galaxies with it. The sky has to be subtracted anew then.
    zero_point, flag_bits
        As for `euclid_resolved.read_euclid`.
    name : str, optional
        What the image shows; by default the tile.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        As from `euclid_resolved.read_euclid`. Pixels that no tile covers are masked, reason TILE_GAP
        (`euclid_resolved.imaging.mask_reasons`). ``meta["history"]`` says which tiles were read.

    Raises
    ------
    ImageFileError
        If a file is missing or damaged.
    InputError
        If the field lies off every tile or has no size, or a band is missing.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.coordinates import SkyCoord
    >>> from astropy.io import fits
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved.io import read_mosaics
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 50.5, "CRPIX2": 50.5})
    >>> wcs.wcs.crval, wcs.wcs.cdelt = (150, 2), (-0.1 / 3600, 0.1 / 3600)
    >>> header = wcs.to_header()
    >>> header["MAGZERO"] = 29.9
    >>> name = "EUC_MER_BGSUB-MOSAIC-NIR-H_TILE100000001-ABCDEF_20240101T000000.000000Z_00.00.fits"
    >>> fits.writeto(name, np.ones((100, 100), "f4"), header)
    >>> read_mosaics(".", SkyCoord(150, 2, unit="deg"), 2 * u.arcsec).shape
    (20, 20)
    """
    from euclid_resolved.imaging._steps import MaskReason

    zero_points, bits = _zero_points(zero_point), _check_bits(flag_bits)
    options = single.Options(zero_points, None, bits, None)
    tiles = list_tiles(folder)
    wanted = _wanted(folder, tiles, bands)
    position, size = field_of(position, size, region)
    grids = {}
    for tile, files in tiles.items():
        path = next((files[band][""] for band in wanted if "" in files.get(band, {})), None)
        if path is not None:
            grids[tile] = grid_of(path)
    first, wcs, shape = target_grid(folder, grids, position, size)
    order = [first, *(tile for tile in grids if tile != first)]
    planes, used, gap = {}, {}, np.zeros(shape, bool)
    for band in wanted:
        pieces = {}
        for tile in order:
            if "" in tiles[tile].get(band, {}):
                piece = _piece(tiles[tile][band], band, wcs, shape, options, add_background)
                if piece is not None:
                    pieces[tile] = piece
            if pieces and not uncovered(pieces.values(), wcs, shape).any():
                break
        if not pieces:
            raise InputError(f"{describe(position)}: no tile with band {band} in {folder} covers the field")
        planes[band] = stitch(pieces.values(), wcs, shape)
        gap |= uncovered(pieces.values(), wcs, shape)
        used[band] = list(pieces)
        own = tiles[first].get(band, {})
        stamps = own.get("PSF", own.get("CATALOG-PSF"))
        if stamps is not None:
            planes[band].meta["psf"] = read_psf_grid(stamps, position)
    check_common(planes, zero_points)
    record = {
        "step": "mosaic",
        "settings": {
            "ra": float(position.icrs.ra.deg),
            "dec": float(position.icrs.dec.deg),
            "size_arcsec": float(size.to_value(u.arcsec)),
            "add_background": bool(add_background),
        },
        "measured": {"tiles": used, "gap_fraction": float(gap.mean())},
    }
    meta = {"history": [record], "mask_reasons": np.where(gap, MaskReason.TILE_GAP, 0).astype(np.int16)}
    return MultiBandImage(planes, name=f"TILE{first}" if name is None else name, meta=meta)


def read_segmentation(folder: str | Path, image: MultiBandImage) -> np.ndarray:
    """MER's segmentation map on the grid of an image.

    Parameters
    ----------
    folder : path-like
        With ``EUC_MER_FINAL-SEGMAP_TILE*`` files.
    image : `~euclid_resolved.MultiBandImage`
        With a celestial WCS, for example from `read_mosaics`.

    Returns
    -------
    labels : `~numpy.ndarray` of int64
        0 where there is no source. A source that two tiles have gets one label.

    Raises
    ------
    ImageFileError
        If there is no such file.
    InputError
        If none covers the image.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from astropy.nddata import NDData
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.io import read_segmentation
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 2, "CRPIX2": 2})
    >>> wcs.wcs.crval, wcs.wcs.cdelt = (150, 2), (-0.1 / 3600, 0.1 / 3600)
    >>> labels = np.array([[0, 7, 7], [0, 7, 0], [0, 0, 9]], "i4")
    >>> name = "EUC_MER_FINAL-SEGMAP_TILE100000001-AB_20240101T000000.000000Z_00.00.fits"
    >>> fits.writeto(name, labels, wcs.to_header())
    >>> image = MultiBandImage({"HE": NDData(np.ones((3, 3)), unit=u.MJy / u.sr, wcs=wcs)})
    >>> read_segmentation(".", image) > 0
    array([[False,  True,  True],
           [False,  True, False],
           [False, False,  True]])
    """
    if not getattr(image.wcs, "has_celestial", False):
        raise InputError("the image has no celestial WCS, so that its place in the mosaics is not known")
    found = newest([str(p) for p in Path(folder).rglob("EUC_MER_FINAL-SEGMAP*")])
    paths = [bands[""]["SEGMAP"] for bands in found.values() if "SEGMAP" in bands.get("", {})]
    if not paths:
        raise ImageFileError(folder, "holds no file EUC_MER_FINAL-SEGMAP_TILE*.fits")
    labels, covered = np.zeros(image.shape, np.int64), np.zeros(image.shape, bool)
    for path in paths:
        with open_window(path) as hdus:
            plane = choose(path, hdus)
            tile_wcs, window = overlap(path, hdus, plane, image.wcs, image.shape)
            if window is None:
                continue
            values = cut(path, plane, window, None)
        if values.dtype.kind not in "iu":
            raise ImageFileError(path, f"a segmentation map holds integers, not {values.dtype}")
        new, inside = nearest(values, tile_wcs[window], image.wcs, image.shape)
        new = np.where(new != 0, new + labels.max(), 0)
        # What is seen in both tiles keeps the label of the first.
        common = covered & (new != 0) & (labels != 0)
        for label in np.unique(new[common]):
            old, counts = np.unique(labels[common & (new == label)], return_counts=True)
            new[new == label] = old[np.argmax(counts)]
        fill = inside & ~covered
        labels[fill] = new[fill]
        covered |= inside
    if not covered.any():
        raise InputError(f"no segmentation map in {folder} covers the image")
    return labels


def _wanted(folder, tiles, bands):
    available = {band for files in tiles.values() for band, kinds in files.items() if "" in kinds}
    if bands is None:
        return known_bands(available) or sorted(available)
    wanted = band_names(bands, sorted(available))
    missing = [band for band in wanted if band not in available]
    if missing:
        message = f"no band {', '.join(missing)} in {folder}; there are {', '.join(sorted(available))}"
        raise InputError(message).of_bands(missing)
    return wanted


def _piece(files, band, wcs, shape, options, add_background):
    """What one tile has of the field, as NDData in MJy/sr, or None."""
    path = files[""]
    with open_window(path) as hdus:
        image = choose(path, hdus)
        tile_wcs, window = overlap(path, hdus, image, wcs, shape)
        if window is None:
            return None
        data, full = cut(path, image, window), plane_shape(path, image)
        header, compressed = image.header.copy(), type(image).__name__ == "CompImageHDU"
        extra = headers_of(hdus, image)[1:]
        label = image.name or hdus.index(image)
    if add_background:
        if "BGMOD" not in files:
            raise ImageFileError(path, f"has no EUC_MER_BGMOD file beside it for band {band}")
        data += cut_companion(files["BGMOD"], "BGMOD", full, window, np.float32)[0]
    parts = [fits.PrimaryHDU(), fits.ImageHDU(data, _windowed(header, tile_wcs[window]))]
    parts[0].header.update(_cards(extra))
    kinds = {"RMS": np.float32} | ({} if options.flag_bits is None else {"FLAG": None})
    for kind, dtype in kinds.items():
        if kind in files:
            values, headers = cut_companion(files[kind], kind, full, window, dtype)
            parts.append(fits.ImageHDU(values, _cards(headers), name=kind))
    piece = single._read_band(path, fits.HDUList(parts), parts[1], band, options, {})
    piece.meta.update(hdu=label, compressed=compressed)
    return piece


def _windowed(header, wcs):
    """The cards that say what the pixels are, and the WCS of the window."""
    new = wcs.to_header(relax=True)
    new.update(_cards([header]))
    return new


def _cards(headers):
    """The cards of several headers that say what pixel values are, those of the first above the others."""
    cards = {key: first_card(headers, key) for key in _KEYWORDS}
    return fits.Header({key: value for key, value in cards.items() if value is not None})


def read_psf_grid(path: str | Path, position: SkyCoord) -> np.ndarray:
    """The PSF nearest to a position, from a file of stamps.

    Parameters
    ----------
    path : path-like
        ``EUC_MER_GRID-PSF-*`` or ``EUC_MER_CATALOG-PSF-*``: an image of stamps side by side, whose size
        is in STMPSIZE, and a table with their places (x_center, y_center) and positions (RA, Dec).
    position : `~astropy.coordinates.SkyCoord`

    Returns
    -------
    stamp : `~numpy.ndarray`
        float32, as it is in the file: not normalised.

    Raises
    ------
    ImageFileError
        If the file is of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.coordinates import SkyCoord
    >>> from astropy.io import fits
    >>> from euclid_resolved.io.euclid._mosaic import read_psf_grid
    >>> stamps = fits.ImageHDU(np.repeat([[1, 2]], 5, axis=0).repeat(5, axis=1).astype("f4"))
    >>> stamps.header["STMPSIZE"] = 5
    >>> place = {"x_center": [2, 7], "y_center": [2, 2], "RA": [150.0, 150.1], "Dec": [2.0, 2.0]}
    >>> table = fits.BinTableHDU.from_columns([fits.Column(k, "D", array=v) for k, v in place.items()])
    >>> fits.HDUList([fits.PrimaryHDU(), stamps, table]).writeto("psf.fits")
    >>> read_psf_grid("psf.fits", SkyCoord(150.09, 2.0, unit="deg"))[2]
    array([2., 2., 2., 2., 2.], dtype=float32)
    """
    with open_window(path) as hdus:
        image = next((h for h in hdus if h.is_image and len(h.shape) == 2 and "STMPSIZE" in h.header), None)
        table = next((h for h in hdus if isinstance(h, fits.BinTableHDU) and not h.is_image), None)
        names = {} if table is None else {n.lower(): n for n in table.columns.names}
        if image is None or table is None or not {"x_center", "y_center", "ra", "dec"} <= set(names):
            raise ImageFileError(path, "holds no grid of PSFs: an image with STMPSIZE and a table of places")
        column = {
            key: np.asarray(table.data[names[key]], float) for key in ("x_center", "y_center", "ra", "dec")
        }
        where = SkyCoord(column["ra"], column["dec"], unit="deg")
        nearest = int(np.argmin(where.separation(position.icrs)))
        side = int(image.header["STMPSIZE"])
        # The stamps fill a raster, so that it does not matter whether pixels are counted from 0 or 1.
        x, y = (int(column[key][nearest] // side) * side for key in ("x_center", "y_center"))
        if side < 3 or y + side > image.shape[0] or x + side > image.shape[1]:
            raise ImageFileError(
                path, f"its table points at a PSF at ({x}, {y}), off its image {image.shape}"
            )
        return np.array(image.section[y : y + side, x : x + side], dtype=np.float32)

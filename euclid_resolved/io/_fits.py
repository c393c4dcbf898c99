"""FITS files of maps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.utils.exceptions import AstropyUserWarning

from euclid_resolved.citation import __version__
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io._fits_budget import cards_of
from euclid_resolved.io._fits_history import done_cards, done_meta
from euclid_resolved.io._fits_read import is_plane, opened
from euclid_resolved.io._fits_text import escape, unescape
from euclid_resolved.io._fits_tiles import ROUNDING, Compression, check_compression, write_packed
from euclid_resolved.io._fits_walk import BLOCK
from euclid_resolved.io._map_planes import ENDINGS, ERROR, kinds_in, named_maps, planes_in
from euclid_resolved.io._wcs import header_to_wcs, wcs_to_header
from euclid_resolved.maps._shares import flag_counts
from euclid_resolved.maps._spatial_map import PLANES, Quality, SpatialMap

MAX_BYTES = 4 * 2**30

# The entries of a map's meta that a header keeps; ASDF keeps all of them.
_CARDS = {
    "property": "PROPERTY",
    "model": "MODEL",
    "training_set": "TRAINSET",
    "estimator": "ESTIMATR",
    "name": "OBJECT",
    "uncertainty": "UNCERT",
    "trust": "TRUST",
    "recipe": "RECIPE",
}

_NUMBERS = {
    "shared_variance": ("SHAREVAR", "part of the variance that all pixels share"),
    "min_sn": ("MINSN", "least signal-to-noise in each band for a value"),
    "correlated_pixels": ("CORRPIX", "pixels over which the noise of one is spread"),
    "rounding": (ROUNDING, "largest relative change of a value by rounding"),
}

_ENDING = {"uncertainty": ERROR, **{kind: ending for ending, kind in ENDINGS.items()}}


def maps_to_hdulist(
    maps: dict[str, SpatialMap] | Sequence[SpatialMap] | SpatialMap,
    *,
    checksums: bool = True,
    cards: Mapping[str, Any] | None = None,
) -> fits.HDUList:
    """Maps as FITS: one image a map, then its error and interval if it has them, and the quality plane.

    The primary HDU is the first map itself, so that a viewer shows it without being asked. Pixels that
    are masked are NaN. Every HDU has the WCS.

    Parameters
    ----------
    maps : dict of str to `~euclid_resolved.SpatialMap`, or sequence, or one map
        All of one shape. The name in capital letters becomes the HDU's name; without one the map's
        property does.
    checksums : bool, optional
        Whether the HDUs get CHECKSUM and DATASUM.
    cards : dict, optional
        Further cards of the first header.

    Returns
    -------
    hdulist : `~astropy.io.fits.HDUList`
        Stellar mass, metallicity and age first, others in the order given; ``BINS`` (of an image that was
        binned); ``QUALITY`` (the bits of all maps together) last, with the meaning of each bit in its header.

    Raises
    ------
    InputError
        If there is no map, shapes or names do not go together, or a unit is no FITS unit.

    Examples
    --------
    >>> from euclid_resolved.io._fits import maps_to_hdulist
    >>> from euclid_resolved.testing import example_galaxies
    >>> hdulist = maps_to_hdulist(example_galaxies(1)[0].maps)
    >>> [hdu.name for hdu in hdulist]
    ['STELLAR_MASS_DENSITY', 'STELLAR_METALLICITY', 'STELLAR_AGE', 'QUALITY']
    >>> hdulist[0].header["BUNIT"]
    'solMass pc-2'
    """
    return fits.HDUList(list(_hdus(maps, cards, checksums)))


def _hdus(maps, cards, checksums):
    """Yield the HDUs of maps as they stand in the file; each is made when it is asked for."""
    named = named_maps(maps)
    first, number = next(iter(named.values())), len(kinds_in(named))
    cards_of_wcs: dict[int, fits.Header] = {}
    for i, (name, kind, values) in enumerate(planes_in(named)):
        hdu = fits.ImageHDU(values, plane_header(name, kind, named.get(name, first), values, cards_of_wcs))
        if i == 0:
            hdu = fits.PrimaryHDU(hdu.data, hdu.header)
            hdu.header["NHDUS"] = (number, "HDUs in this file")
            hdu.header.update(cards or {})
            # What writing would still change in the headers has to be there before the sums.
            fits.HDUList([hdu, *[fits.ImageHDU()] * (number > 1)]).update_extend()
        hdu.verify("exception")
        if checksums:
            hdu.add_checksum()
        yield hdu


def share_cards(counts: Mapping[str, int], pixels: int) -> dict[str, tuple[float, str]]:
    """The cards that say for which share of the pixels each flag is the first.

    Parameters
    ----------
    counts : dict of str to int
        From `euclid_resolved.maps._shares.flag_counts`.
    pixels : int

    Returns
    -------
    cards : dict of str to (float, str)
        A card for every flag.
    """
    return {
        f"QP{bit.value}": (
            round(100 * counts.get(str(bit.name), 0) / pixels, 4),
            "% of pixels, as their first flag",
        )
        for bit in Quality
    }


def write_fits(
    path: str | Path,
    maps: dict[str, SpatialMap] | Sequence[SpatialMap] | SpatialMap,
    *,
    overwrite: bool = False,
    cards: Mapping[str, Any] | None = None,
    compress: Compression | None = None,
) -> None:
    """Write maps as FITS; see `maps_to_hdulist` and `euclid_resolved.write`.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        A name that ends in ``.gz`` is compressed.
    maps : dict of str to `~euclid_resolved.SpatialMap`, or sequence, or one map
    overwrite : bool, optional
        Replace a file of that name.
    cards : dict, optional
        Further cards of the header of the first map.
    compress : {None, "lossless"} or float, optional
        As for `euclid_resolved.write`.

    Examples
    --------
    >>> from euclid_resolved.io._fits import read_fits, write_fits
    >>> from euclid_resolved.testing import example_galaxies
    >>> maps = example_galaxies(1)[0].maps
    >>> write_fits("age.fits", {"stellar_age": maps["stellar_age"]})
    >>> list(read_fits("age.fits"))
    ['stellar_age']
    """
    check_compression(compress)
    if compress is not None:
        write_packed(path, maps_to_hdulist(maps, cards=cards, checksums=False), compress, overwrite)
        return
    with atomic_path(path, overwrite) as temporary:
        if temporary.suffix.lower() == ".gz":
            maps_to_hdulist(maps, cards=cards).writeto(temporary, output_verify="ignore")  # it was verified
            return
        with open(temporary, "wb") as file:
            for hdu in _hdus(maps, cards, checksums=True):  # one in memory at a time
                file.write(hdu.header.tostring().encode("ascii"))
                file.write(hdu.data.data)
                file.write(bytes(-hdu.data.nbytes % BLOCK))


def read_fits(path: str | Path, *, max_bytes: int = MAX_BYTES) -> dict[str, SpatialMap]:
    """Read maps from FITS.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        A file that `write_fits` made, or another whose images are maps.
    max_bytes : int, optional
        Refuse a file whose images need more memory than this.

    Returns
    -------
    maps : dict of str to `~euclid_resolved.SpatialMap`
        By name, in the order of the file. Pixels that are NaN are masked.

    Raises
    ------
    ImageFileError
        If the file is damaged, a checksum does not agree, or there is no map in it.

    Examples
    --------
    >>> from euclid_resolved.io._fits import read_fits, write_fits
    >>> from euclid_resolved.testing import example_galaxies
    >>> write_fits("maps.fits", example_galaxies(1)[0].maps)
    >>> maps = read_fits("maps.fits")
    >>> maps["stellar_mass_density"].unit
    Unit("solMass / pc2")
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # What astropy only warns of (a file cut short, a card it cannot parse) means damage here.
            warnings.simplefilter("error", AstropyUserWarning)
            stored: dict[str, Any] = {"memmap": False, "lazy_load_hdus": False}
            with opened(path, disable_image_compression=True, **stored) as hdulist:
                _check(hdulist, max_bytes)
                if not any(map(_is_packed, hdulist)):
                    return _maps(hdulist)
            with opened(path, **stored) as hdulist:
                return _maps(hdulist)
    except ImageFileError:
        raise
    except Exception as error:  # astropy raises many kinds on damaged files
        what = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise ImageFileError(path, what, "the file may be damaged, or no file of maps") from error


def plane_header(
    name: str,
    kind: str,
    spatial_map: SpatialMap,
    values: np.ndarray,
    cards_of_wcs: dict[int, fits.Header] | None = None,
) -> fits.Header:
    """The header of one plane of maps, but for the size of the plane.

    Parameters
    ----------
    name, kind, values
        From `euclid_resolved.io._map_planes.planes_in`.
    spatial_map : `~euclid_resolved.SpatialMap`
        That map; the first one for planes that all maps share.
    cards_of_wcs : dict, optional
        The cards of each WCS object, which are made once for all planes that have it: by its `id`, filled.

    Returns
    -------
    header : `~astropy.io.fits.Header`
    """
    known = {} if cards_of_wcs is None else cards_of_wcs
    unit = spatial_map.unit or u.dimensionless_unscaled
    if kind in ("bins", "quality"):
        header = _header(spatial_map, kind.upper(), kind, known)
        if kind == "bins":
            header["BUNIT"] = ("", "number of the bin that a pixel belongs to; -1 for none")
            return header
        header["BUNIT"] = ("", "bits that add up; 0 is a pixel without remark")
        for bit in Quality:
            header[f"QB{bit.value}"] = f"{bit.name}: {bit.meaning}"
        header.update(share_cards(flag_counts(values), values.size))
        return header
    if kind != "values":
        header = _header(spatial_map, name.upper() + _ENDING[kind], name, known)
        if kind == "uncertainty":
            header["BUNIT"] = (_fits_unit(unit, name), "unit of the values: one sigma")
            return header
        header["BUNIT"] = (_fits_unit(unit, name), "unit of the values")
        header["PLANE"] = PLANES[kind]
        level = spatial_map.meta.get("interval")
        if kind in ("lo", "hi") and isinstance(level, float):
            header["INTERVAL"] = (level, "fraction of pixels whose truth it holds")
        return header
    header = _header(spatial_map, name.upper(), name, known)
    if spatial_map.unit is not None:
        header["BUNIT"] = (_fits_unit(unit, name), "unit of the values")
    for key, card in _CARDS.items():
        if isinstance(spatial_map.meta.get(key), str):
            header[card] = escape(spatial_map.meta[key])
    for key, (card, meaning) in _NUMBERS.items():
        if isinstance(spatial_map.meta.get(key), float):
            header[card] = (spatial_map.meta[key], meaning)
    header.update(cards_of(spatial_map))
    header.extend(done_cards(spatial_map.meta))
    return header


def _header(spatial_map, extname, name, cards_of_wcs):
    header = fits.Header()
    header["EXTNAME"] = extname
    if extname == name.upper() and extname.lower() != name:
        header["MAPNAME"] = escape(name)
    wcs = spatial_map.wcs
    if wcs is not None:
        if id(wcs) not in cards_of_wcs:
            cards_of_wcs[id(wcs)] = wcs_to_header(wcs, spatial_map.data.shape, name)
        header.update(cards_of_wcs[id(wcs)])
    scale = spatial_map.meta.get("pixel_scale")
    if isinstance(scale, u.Quantity) and scale.isscalar:
        unit = u.pc if scale.unit.is_equivalent(u.pc) else u.arcsec
        header["PIXSCALE"] = (scale.to_value(unit), f"[{unit}] side of a pixel")
        header["PIXSUNIT"] = unit.to_string()
    header["CREATOR"] = escape(f"euclid_resolved {__version__}")
    header["DATE"] = (datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "when this was written (UTC)")
    return header


def _fits_unit(unit, name):
    try:
        text = unit.to_string("fits")
        if u.Unit(text, format="fits") == unit:
            return text
    except (ValueError, TypeError):  # UnitScaleError, and units that FITS does not know
        pass
    raise InputError(f"{name}: FITS has no way to write the unit {unit}; convert the map to another one")


def _check(hdulist, max_bytes):
    """Check sizes before any image is read, then that nothing is missing or changed."""
    if not all(isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) or _is_packed(hdu) for hdu in hdulist):
        raise InputError("there are tables in it")
    if sum(map(_unpacked_size, hdulist)) > max_bytes:
        raise InputError(f"its images need more than the {max_bytes} bytes allowed")
    if hdulist[0].header.get("NHDUS", len(hdulist)) != len(hdulist):
        raise InputError(f"it has {len(hdulist)} HDUs instead of {hdulist[0].header['NHDUS']}")
    signed = [{"CHECKSUM", "DATASUM"} <= set(hdu.header) for hdu in hdulist]
    if any(signed) and not all(signed):
        raise InputError("some of its HDUs have lost their checksum")
    for hdu in hdulist:
        if hdu.verify_checksum() == 0 or hdu.verify_datasum() == 0:
            raise InputError(f"the checksum of {hdu.name} does not agree with its content")


def _is_packed(hdu):
    """Whether a table holds a compressed image."""
    return isinstance(hdu, fits.BinTableHDU) and hdu.header.get("ZIMAGE") is True


def _unpacked_size(hdu):
    """Bytes of an image in memory."""
    if not _is_packed(hdu):
        return abs(hdu.size)
    header = hdu.header
    sides = [header[f"ZNAXIS{axis}"] for axis in range(1, header["ZNAXIS"] + 1)]
    return abs(header["ZBITPIX"]) // 8 * math.prod(sides) + abs(hdu.size)


def _maps(hdulist):
    images = {hdu.name: hdu for hdu in hdulist if hdu.data is not None and is_plane(hdu)}
    quality = images.pop("QUALITY", None)
    quality = None if quality is None else _native(quality).astype(np.int32)
    bins = None
    if "BINS" in images and images["BINS"].data.dtype.kind == "i":
        bins = _native(images.pop("BINS")).astype(np.int32)
    maps = {}
    for extname, hdu in images.items():
        if any(extname.endswith(e) and extname.removesuffix(e) in images for e in (ERROR, *ENDINGS)):
            continue
        header, meta = hdu.header, {}
        for key, card in _CARDS.items():
            if isinstance(header.get(card), str):
                meta[key] = unescape(header[card])
        meta.update(done_meta(header))
        meta |= {key: float(header[card]) for key, (card, _) in _NUMBERS.items() if card in header}
        if bins is not None and bins.shape == hdu.data.shape[-2:]:
            meta["bins"] = bins.copy()
        if "PIXSCALE" in header and "PIXSUNIT" in header:
            meta["pixel_scale"] = u.Quantity(header["PIXSCALE"], header["PIXSUNIT"])
        unit = u.Unit(header["BUNIT"], format="fits") if "BUNIT" in header else None
        name = unescape(header["MAPNAME"]) if "MAPNAME" in header else extname.lower()
        error = images.get(extname + ERROR)
        planes = {plane: images.get(extname + ending) for ending, plane in ENDINGS.items()}
        planes = {plane: hdu for plane, hdu in planes.items() if hdu is not None}
        if "lo" in planes and "INTERVAL" in planes["lo"].header:
            meta["interval"] = float(planes["lo"].header["INTERVAL"])
        maps[name] = SpatialMap(
            _native(hdu),
            unit=unit,
            meta=meta,
            quality=None if quality is None else quality.copy(),
            wcs=header_to_wcs(header, hdu.data.shape[-2:]) if _has_wcs(header) else None,
            uncertainty=None if error is None else StdDevUncertainty(_native(error)),
            planes={plane: _native(hdu) for plane, hdu in planes.items()},
        )
    if not maps:
        raise InputError("there is no map in it")
    if len(maps) > 1:
        for one in maps.values():
            _keep_own_bits(one)
    return maps


def _keep_own_bits(one):
    """From the quality of all maps make that of one: where it has a value, it was estimated."""
    one.quality[np.isfinite(one.data)] &= ~int(Quality.NOT_ESTIMATED)


def _native(hdu):
    """The plane of an HDU in native byte order."""
    data = hdu.data.reshape(hdu.data.shape[-2:])
    return data.astype(data.dtype.newbyteorder("="), copy=False)


def _has_wcs(header):
    return any(card in header for card in ("WCSAXES", "CTYPE1", "CDELT1", "CD1_1", "CRPIX1"))

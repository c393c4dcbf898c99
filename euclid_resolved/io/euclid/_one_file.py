"""One file of Euclid images: find the bands in it and turn counts into surface brightness."""

import re
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._bands import BANDS, EUCLID_BANDS, SURFACE_BRIGHTNESS, band_name
from euclid_resolved.images._pixels import sky_matrix
from euclid_resolved.io._fits_read import (
    header_unit,
    is_plane,
    list_extensions,
    open_fits,
    plane_shape,
    read_plane,
)
from euclid_resolved.io._wcs import celestial

AB_ZERO = 3631 * u.Jy
ZERO_POINTS = ("MAGZERO", "MAGZP", "ZP_STACK", "ZPAB")
AUXILIARY = ("PSF", "RMS", "FLAG", "FLG", "MASK", "WEIGHT", "WHT", "ERR", "VAR", "DQ")
# RMS maps hold 1e16 where there are no data. The first limit is for images that are mostly empty, whose
# median would be that value; the second for maps in other units.
ABSURD_RMS, ABSURD_RMS_RATIO = 1e12, 1e6
MER_NAME = re.compile(
    r"EUC_MER_(?P<what>BGSUB-MOSAIC|MOSAIC)-(?P<band>.+?)(?:-(?P<kind>RMS|FLAG))?"
    r"_TILE(?P<tile>\d+)-[^_]+_(?P<time>[^_]+)_.*\.fits(?:\.gz|\.fz)?"
)
NEED_ZERO_POINT = "give zero_point=, the AB magnitude of one unit of the pixel values, as a number or by band"


@dataclass(frozen=True)
class Options:
    """What the user said about all files; see `euclid_resolved.io.read_euclid`."""

    zero_points: dict
    pixel_scale: u.Quantity | None
    flag_bits: int | None
    hdu: int | str | None


def check_zero_point(value):
    """A zero point as a float, or an `InputError` if it can be none."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise InputError(f"a zero point is a plain number in AB magnitudes, not {value!r}") from None
    if not abs(value) <= 50:
        raise InputError(f"{value} is no zero point in AB magnitudes")
    return value


def read_file(path, wanted, options, rms_path=None, flag_path=None):
    """Read bands of one file.

    Parameters
    ----------
    path : path-like
        The file.
    wanted : list of str or None
        The bands; None for the Euclid bands that it holds.
    options : `Options`
    rms_path, flag_path : path-like, optional
        The files of the RMS and FLAG maps, if they are not in the same file.

    Returns
    -------
    planes : dict of str to `~astropy.nddata.NDData`
        float32 in MJy/sr, as described for `euclid_resolved.io.read_euclid`.

    Raises
    ------
    ImageFileError
        If the file cannot be read, or what it holds is not what is wanted.
    """
    with open_fits(path) as hdus:
        return {
            band: _read_band(path, hdus, image, band, options, rms_path, flag_path)
            for band, image in find_bands(path, hdus, wanted, options).items()
        }


def find_bands(path, hdus, wanted, options):
    """The extensions of a file that hold the images of bands.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    hdus : `~astropy.io.fits.HDUList`
    wanted : list of str or None
        As for `read_file`.
    options : `Options`

    Returns
    -------
    images : dict
        Extension by band.
    """
    stems = {}
    for hdu in hdus:
        if hdu.is_image and hdu.name.upper().endswith("_FLUX"):
            stems.setdefault(band_name(hdu.name[:-5]).lower(), []).append(hdu)
    if options.hdu is not None or not stems:
        image = _extension(path, hdus, options.hdu) if options.hdu is not None else _choose(path, hdus)
        return {_only_band(path, _headers(hdus, image), wanted): image}
    names = ", ".join(band_name(found[0].name[:-5]) for found in stems.values())
    wanted = wanted or [band for band in EUCLID_BANDS if band.lower() in stems]
    missing = [band for band in wanted if band.lower() not in stems]
    if missing or not wanted:
        what = f"holds no band {', '.join(missing) or 'of Euclid'}; it holds {names}"
        raise ImageFileError(path, what, "choose with bands=; are the files of two bands swapped?")
    twice = [band for band in wanted if len(stems[band.lower()]) > 1]
    if twice:
        raise ImageFileError(path, f"holds band {twice[0]} twice", list_extensions(hdus))
    return {band: stems[band.lower()][0] for band in wanted}


def _extension(path, hdus, key):
    try:
        return hdus[key]
    except (KeyError, IndexError, TypeError):
        raise ImageFileError(path, f"has no extension {key!r}", f"it has {list_extensions(hdus)}") from None


def _choose(path, hdus, kind=None):
    """The science image, or the map of a kind (RMS, FLAG), where there is no doubt which it is."""
    images = [hdu for hdu in hdus if is_plane(hdu)]
    ends = [hdu.name.upper().rpartition("_")[2] for hdu in images]
    if kind is None:
        images = [hdu for hdu, end in zip(images, ends, strict=True) if end not in AUXILIARY]
        named = [hdu for hdu in images if hdu.name.upper().rpartition("_")[2] in ("FLUX", "SCI")]
    else:
        named = [hdu for hdu, end in zip(images, ends, strict=True) if end == kind]
    found = images if len(images) == 1 else named
    if len(found) != 1:
        what = f"nothing tells which extension holds the {kind or 'image'}; it has {list_extensions(hdus)}"
        raise ImageFileError(path, what, "" if kind else "give hdu=")
    return found[0]


def _headers(hdus, image):
    """The header of an image, and those of extensions without data beside it: keywords sit in either."""
    return [image.header, *(h.header for h in hdus[:2] if h is not image and h.is_image and not h.shape)]


def _first(headers, *keys):
    return next((h[key] for key in keys for h in headers if h.get(key) not in (None, "")), None)


def _zero_point(headers):
    """The zero point in the headers, or None; 0 is what programs write that do not know it."""

    def known(value):
        try:
            return float(value) != 0
        except (TypeError, ValueError):
            return value is not None

    found = (_first([header], key) for key in ZERO_POINTS for header in headers)
    return next(filter(known, found), None)


def _only_band(path, headers, wanted):
    if wanted is None:
        match = MER_NAME.fullmatch(Path(path).name)
        wanted = [band_name(str(_first(headers, "FILTER") or (match["band"] if match else "")))]
        if wanted[0] not in BANDS:
            raise ImageFileError(path, "does not say which band it shows", "name it, as in IE=vis.fits")
    if len(wanted) > 1:
        what = f"holds one image, but bands {', '.join(wanted)} are wanted"
        raise ImageFileError(path, what, "give one file a band, as in IE=vis.fits")
    return wanted[0]


def read_header(path, hdus, image, band, options):
    """What the headers say of one band.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    hdus : `~astropy.io.fits.HDUList`
    image : image extension
    band : str
    options : `Options`

    Returns
    -------
    wcs : `~astropy.wcs.WCS` or None
    factor : float
        MJy/sr for one unit of the pixel values.
    meta : dict
        ``zero_point``, ``file``, ``hdu``, ``compressed`` and ``filter``.
    """
    headers = _headers(hdus, image)
    found = str(_first(headers, "FILTER") or "").strip()
    if band_name(found) in BANDS and band_name(found) != band:
        what = f"was given as band {band}, but its FILTER is {found}, which is {band_name(found)}"
        raise ImageFileError(path, what, "are the files of two bands swapped?")
    shape = plane_shape(path, image)
    wcs = celestial(path, headers, shape)
    factor, zero_point = _factor(path, band, headers, wcs, shape, options)
    meta = {
        "zero_point": zero_point,
        "file": str(path),
        "hdu": image.name or next(i for i, h in enumerate(hdus) if h is image),
        "compressed": type(image).__name__ == "CompImageHDU",
        "filter": found,
    }
    return wcs, factor, meta


def _read_band(path, hdus, image, band, options, rms_path, flag_path):
    """One band as NDData in MJy/sr."""
    wcs, factor, meta = read_header(path, hdus, image, band, options)
    data = read_plane(path, image)
    rms = _companion(path, hdus, image, "RMS", data.shape, rms_path)
    flags = None
    if options.flag_bits is not None:
        flags = _companion(path, hdus, image, "FLAG", data.shape, flag_path, dtype=None)
        if flags is None or flags.dtype.kind not in "iu":
            raise ImageFileError(path, f"has no FLAG map of integers for band {band}", "leave flag_bits= out")
    psf = _companion(path, hdus, image, "PSF")
    if psf is not None:
        meta = {"psf": psf, **meta}
    return calibrate_plane(data, rms, flags, factor, meta, options.flag_bits, wcs=wcs)


def calibrate_plane(data, rms, flags, factor, meta, flag_bits, *, limit=None, wcs=None):
    """Pixel values, noise and flags as NDData in MJy/sr.

    Parameters
    ----------
    data, rms, flags : `~numpy.ndarray` or None
        As in the files; the arrays are changed.
    factor : float
        MJy/sr for one unit of the pixel values.
    meta : dict
    flag_bits : int or None
    limit : float, optional
        The largest noise that is possible; `rms_limit` of `rms` without it.
    wcs : `~astropy.wcs.WCS`, optional

    Returns
    -------
    band : `~astropy.nddata.NDData`
        As described for `euclid_resolved.io.read_euclid`.
    """
    empty = data == 0 if rms is None and meta["zero_point"] is not None else False
    with np.errstate(over="ignore", invalid="ignore"):
        data *= np.float32(factor)
    mask = ~np.isfinite(data) | empty
    if rms is not None:
        limit = rms_limit(rms) if limit is None else limit
        bad = ~(_possible(rms) & (rms <= limit))
        with np.errstate(over="ignore", invalid="ignore"):
            rms *= np.float32(factor)
        rms[bad] = np.nan
        mask |= bad
    if flags is not None:
        mask |= (flags & np.array(flag_bits).astype(flags.dtype)) != 0
    error = None if rms is None else StdDevUncertainty(rms)
    return NDData(data, unit=SURFACE_BRIGHTNESS, mask=mask, wcs=wcs, uncertainty=error, meta=meta)


def _companion(path, hdus, image, kind, shape=None, other=None, dtype=np.float32):
    """The plane of a kind that belongs to an image: from its own file, an extension, or None."""
    if other is not None:
        with open_fits(other) as others:
            plane = read_plane(other, _choose(other, others, kind), dtype)
    else:
        found = companion_of(hdus, image, kind)
        if found is None:
            return None
        plane = read_plane(path, found, dtype)
    if shape is not None and plane.shape != shape:
        raise ImageFileError(other or path, f"the {kind} map has shape {plane.shape}, the image {shape}")
    return plane


def companion_of(hdus, image, kind):
    """The extension of a kind (RMS, FLAG, PSF) that stands beside an image, or None."""
    stem = image.name.upper().removesuffix("_FLUX").removesuffix("_SCI")
    return next((h for h in hdus if h is not image and h.name.upper() in (f"{stem}_{kind}", kind)), None)


def _possible(rms):
    return np.isfinite(rms) & (rms > 0) & (rms < ABSURD_RMS)


def rms_step(shape):
    """Of an RMS map, every so many rows and columns give the median of the whole well enough."""
    return max(1, round((shape[0] * shape[1] / 1_000_000) ** 0.5))


def rms_limit(rms):
    """The largest noise that is possible, from the median of an RMS map.

    Parameters
    ----------
    rms : `~numpy.ndarray`
        2-D.

    Returns
    -------
    limit : float
        Infinite where no pixel has a possible noise.
    """
    step = rms_step(rms.shape)
    return limit_of(rms[::step, ::step])


def limit_of(sample):
    """`rms_limit` from the rows and columns of the map that count."""
    values = sample[_possible(sample)]
    return ABSURD_RMS_RATIO * float(np.median(values)) if values.size else np.inf


def _factor(path, band, headers, wcs, shape, options):
    """MJy/sr for one unit of the pixel values, and the zero point (None where the file has no counts)."""
    unit = next((unit for header in headers if (unit := header_unit(header)) is not None), u.adu)
    brightness = unit.is_equivalent(SURFACE_BRIGHTNESS)
    jansky = next((j for j in (u.Jy, u.Jy / u.pix) if unit.is_equivalent(j)), None)
    zero_point = options.zero_points.get(band, options.zero_points.get(None))
    if zero_point is None:
        found = _zero_point(headers)
        if found is None and brightness:
            return unit.to(SURFACE_BRIGHTNESS), None
        if found is None:
            what = f"band {band} has no zero point ({', '.join(ZERO_POINTS)}; 0 is none) and BUNIT is {unit}"
            hint = NEED_ZERO_POINT
            if jansky is not None:
                hint += f"; for {unit} in every pixel that is {2.5 * np.log10(3631 / unit.to(jansky)):.2f}"
            raise ImageFileError(path, what, hint)
        if brightness or jansky is not None:
            what = f"band {band} has BUNIT {unit} and a zero point, {found}: only one can be true"
            raise ImageFileError(path, what, f"{NEED_ZERO_POINT}, or remove the wrong keyword")
        try:
            zero_point = check_zero_point(found)
        except InputError as error:
            raise ImageFileError(path, f"band {band}: {error}", NEED_ZERO_POINT) from None
    if wcs is not None:
        area = abs(np.linalg.det(sky_matrix(wcs, shape))) * u.deg**2
    elif options.pixel_scale is not None:
        area = options.pixel_scale**2
    else:
        what = f"band {band} has no celestial WCS with a scale, so that the area of a pixel is not known"
        raise ImageFileError(path, what, "give pixel_scale=, for example 0.1 * u.arcsec")
    area = area.to_value(u.sr)
    if not 0 < area < np.inf:
        raise ImageFileError(path, f"band {band}: its WCS gives a pixel area of {area} sr")
    return AB_ZERO.to_value(u.MJy) * 10 ** (-0.4 * zero_point) / area, zero_point

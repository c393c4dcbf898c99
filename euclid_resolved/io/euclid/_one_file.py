"""One file of Euclid images: find the bands in it and turn counts into surface brightness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._band import filter_names
from euclid_resolved.images._bands import (
    BANDS,
    SURFACE_BRIGHTNESS,
    band_name,
    band_names,
    known_bands,
)
from euclid_resolved.images._no_data import zero_blocks
from euclid_resolved.images._pixels import sky_matrix
from euclid_resolved.io._fits_read import first_card, list_extensions, open_fits, plane_shape, read_plane
from euclid_resolved.io._wcs import celestial
from euclid_resolved.io.euclid._calibration import ABSURD_RATIO, calibrate
from euclid_resolved.io.euclid._extensions import (
    choose,
    found_companion,
    headers_of,
    unused,
    warn_of_unused,
)
from euclid_resolved.io.euclid._mer_files import band_of
from euclid_resolved.io.euclid._names import FLAG, NOISE, PSF, is_image, name_parts

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

    from euclid_resolved.io._fits_read import ImageExtension
    from euclid_resolved.io.euclid._calibration import Calibration, NoiseScale


@dataclass(frozen=True)
class Options:
    """What the user said about all files; see `euclid_resolved.io.read_euclid`."""

    zero_points: dict[str | None, float]
    pixel_scale: u.Quantity | None
    flag_bits: int | None
    hdu: int | str | None


def read_file(
    path: str | Path,
    wanted: Sequence[str] | None,
    options: Options,
    others: Mapping[str, str | Path] | None = None,
) -> dict[str, NDData]:
    """Read bands of one file.

    Parameters
    ----------
    path : path-like
        The file.
    wanted : list of str or None
        The bands; None for all known bands that it holds.
    options : `Options`
    others : dict, optional
        The files of companions (RMS, FLAG, ...) by kind, where they are not in the same file.

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
        images = find_bands(path, hdus, wanted, options)
        planes = {
            band: _read_band(path, hdus, image, band, options, others or {}) for band, image in images.items()
        }
        missed = unused(hdus, images)
    warn_of_unused(path, missed, [band for band, plane in planes.items() if plane.uncertainty is None])
    return planes


def find_bands(
    path: str | Path, hdus: fits.HDUList, wanted: Sequence[str] | None, options: Options
) -> dict[str, ImageExtension]:
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
    found = _bands_by_name(hdus)
    if options.hdu is not None or not found:
        image = _extension(path, hdus, options.hdu) if options.hdu is not None else choose(path, hdus)
        return {_only_band(path, image, headers_of(hdus, image), wanted): image}
    wanted = band_names(wanted, found) if wanted else known_bands(found)
    key = {band: band if band in found else band.upper() for band in wanted}
    missing = [band for band in wanted if key[band] not in found]
    if missing or not wanted:
        what = f"holds no band {', '.join(missing) or 'that is known'}; it holds {', '.join(found)}"
        hint = "choose with bands=; are the files of two bands swapped?"
        raise ImageFileError(path, what, hint).of_bands(missing)
    twice = [band for band in wanted if len(found[key[band]]) > 1]
    if twice:
        hint = f"give hdu= or --hdu, one of {list_extensions(hdus)}"
        raise ImageFileError(path, f"holds band {twice[0]} twice", hint)
    return {band: found[key[band]][0] for band in wanted}


def _bands_by_name(hdus):
    """The extensions whose names say which band they show: lists by band, unknown ones in capital letters."""
    found, parts = {}, [name_parts(hdu.name) for hdu in hdus]
    # MINE_G alone says nothing, but MINE_G_RMS beside it does; so does the word FLUX, as cut-outs have it.
    named = Counter(part.of.upper() for part in parts if part is not None and part.band)
    for hdu, part in zip(hdus, parts, strict=True):
        if not is_image(hdu):
            continue
        name = hdu.name.upper() if part is None else part.of
        if part is None:
            sure = name in named
        else:
            sure = part.band and (
                name in BANDS or "FLUX" in hdu.name.upper() or len(named) > 1 or named[name.upper()] > 1
            )
        if sure:
            found.setdefault(_in_header(hdu) if name not in BANDS else name, []).append(hdu)
    return found


def _in_header(hdu):
    """The band that an extension called G_FLUX shows: a known one if its header says so."""
    part = name_parts(hdu.name)
    own = hdu.name.upper() if part is None else part.of.upper()
    said = band_name(str(hdu.header.get("FILTER", "")))
    return said if said in BANDS and own.lower() in filter_names(BANDS[said]) else own


def _extension(path, hdus, key):
    try:
        return hdus[key]
    except (KeyError, IndexError, TypeError):
        raise ImageFileError(path, f"has no extension {key!r}", f"it has {list_extensions(hdus)}") from None


def _only_band(path, image, headers, wanted):
    if wanted is None:
        part = name_parts(image.name)
        said = (first_card(headers, "FILTER"), part and part.band and part.of, band_of(Path(path).name))
        wanted = [band_name(str(next(filter(None, said), "")))]
        if wanted[0] not in BANDS:
            raise ImageFileError(path, "does not say which band it shows", "name it, as in IE=vis.fits")
    said = band_name(str(first_card(headers, "FILTER") or ""))
    wanted = [band_name(band, [said]) for band in wanted]
    if len(wanted) > 1:
        what = f"holds one image, but bands {', '.join(wanted)} are wanted"
        raise ImageFileError(path, what, "give one file a band, as in IE=vis.fits")
    return wanted[0]


def read_header(
    path: str | Path, hdus: fits.HDUList, image: ImageExtension, band: str, options: Options
) -> tuple[WCS | None, Calibration, dict[str, Any]]:
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
    calibration : `Calibration`
    meta : dict
        ``zero_point``, ``file``, ``hdu``, ``compressed`` and ``filter``.
    """
    headers = headers_of(hdus, image)
    found = str(first_card(headers, "FILTER") or "").strip()
    known = band_name(found, [band])
    if known in BANDS and known != band:
        what = f"was given as band {band}, but its FILTER is {found}, which is {known}"
        raise ImageFileError(path, what, "are the files of two bands swapped?")
    shape = plane_shape(path, image)
    wcs = celestial(path, headers, shape)
    area = lambda: _pixel_area(path, band, wcs, shape, options)  # noqa: E731, only some units need it
    zero_points = {key and band_name(key, [band]): value for key, value in options.zero_points.items()}
    calibration = calibrate(path, band, headers, zero_points, area)
    meta = {
        "zero_point": calibration.zero_point,
        "file": str(path),
        "hdu": image.name or next(i for i, h in enumerate(hdus) if h is image),
        "compressed": type(image).__name__ == "CompImageHDU",
        "filter": found,
    }
    return wcs, calibration, meta


def _read_band(path, hdus, image, band, options, others):
    """One band as NDData in MJy/sr."""
    wcs, calibration, meta = read_header(path, hdus, image, band, options)
    data = read_plane(path, image)
    noise, scale = None, None
    with found_companion(path, hdus, image, band, NOISE, others) as found:
        if found is not None:
            scale = found.noise_scale(band, calibration)
            noise = found.read(data.shape, np.float32 if scale.power == 1 else np.float64)
            noise = scale.sigma(noise)
    flags = None
    if options.flag_bits is not None:
        with found_companion(path, hdus, image, band, (FLAG,), others) as found:
            flags = None if found is None else found.read(data.shape, None)
        check_flags(path, band, None if flags is None else flags.dtype)
    with found_companion(path, hdus, image, band, (PSF,), others) as found:
        if found is not None:
            meta = {"psf": found.read(), **meta}
    empty = zero_blocks(data)
    return calibrate_plane(
        data, noise, flags, empty, calibration.factor, scale, meta, options.flag_bits, wcs=wcs
    )


def check_flags(path: str | Path, band: str, dtype: np.dtype | None) -> None:
    """Refuse a map of flags that is missing or holds no integers."""
    if dtype is None or dtype.kind not in "iu":
        what = f"has no FLAG map of integers for band {band}"
        raise ImageFileError(path, what, "leave flag_bits= or --flag-bits out")


def calibrate_plane(
    data: np.ndarray,
    sigma: np.ndarray | None,
    flags: np.ndarray | None,
    empty: np.ndarray,
    factor: float,
    scale: NoiseScale | None,
    meta: Mapping[str, Any],
    flag_bits: int | None,
    *,
    limit: float | None = None,
    wcs: WCS | None = None,
) -> NDData:
    """Pixel values, noise and flags as NDData in MJy/sr.

    Parameters
    ----------
    data, flags : `~numpy.ndarray` or None
        As in the files; the arrays are changed.
    sigma : `~numpy.ndarray` or None
        From `NoiseScale.sigma`; changed.
    empty : `~numpy.ndarray` of bool
        Where there is no data for another reason.
    factor : float
        MJy/sr for one unit of the pixel values.
    scale : `NoiseScale` or None
        Of the noise.
    meta : dict
    flag_bits : int or None
    limit : float, optional
        The largest noise that is possible; from `sigma` without it.
    wcs : `~astropy.wcs.WCS`, optional

    Returns
    -------
    band : `~astropy.nddata.NDData`
        As described for `euclid_resolved.io.read_euclid`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        data *= np.float32(factor)
    mask = ~np.isfinite(data) | empty
    if sigma is not None:
        limit = rms_limit(sigma) if limit is None else limit
        bad = ~((sigma <= limit) & (sigma >= limit / ABSURD_RATIO**2))
        with np.errstate(over="ignore", invalid="ignore"):
            sigma *= np.float32(cast("NoiseScale", scale).factor)
        sigma[bad] = np.nan
        mask |= bad
    if flags is not None:
        mask |= (flags & np.array(flag_bits).astype(flags.dtype)) != 0
    error = None if sigma is None else StdDevUncertainty(sigma, copy=False)
    return NDData(data, unit=SURFACE_BRIGHTNESS, mask=mask, wcs=wcs, uncertainty=error, meta=meta)


def rms_step(shape: tuple[int, ...]) -> int:
    """Of a map of noise, every so many rows and columns give the median of the whole well enough."""
    return max(1, round((shape[0] * shape[1] / 1_000_000) ** 0.5))


def rms_limit(sigma: np.ndarray) -> float:
    """The largest noise that is possible, from the median of the map.

    Parameters
    ----------
    sigma : `~numpy.ndarray`
        2-D, NaN where it is impossible.

    Returns
    -------
    limit : float
        Infinite where no pixel has a possible noise.
    """
    step = rms_step(sigma.shape)
    return limit_of(sigma[::step, ::step])


def limit_of(sample: np.ndarray) -> float:
    """`rms_limit` from the rows and columns of the map that count."""
    values = sample[np.isfinite(sample)]
    return ABSURD_RATIO * float(np.median(values)) if values.size else np.inf


def _pixel_area(path, band, wcs, shape, options):
    """The solid angle of a pixel in sr."""
    if wcs is not None:
        area = abs(np.linalg.det(sky_matrix(wcs, shape))) * u.deg**2
    elif options.pixel_scale is not None:
        area = options.pixel_scale**2
    else:
        what = f"band {band} has no celestial WCS with a scale, so that the area of a pixel is not known"
        hint = "give pixel_scale=, for example 0.1 * u.arcsec, or --pixel-scale 0.1"
        raise ImageFileError(path, what, hint)
    area = area.to_value(u.sr)
    if not 0 < area < np.inf:
        raise ImageFileError(path, f"band {band}: its WCS gives a pixel area of {area} sr")
    return area

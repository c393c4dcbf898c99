"""Read Euclid images: cut-outs, folders of MER mosaics, or one file a band."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import DataWarning, ImageFileError, InputError
from euclid_resolved.images._align import align as align_bands
from euclid_resolved.images._bands import BANDS, EUCLID_BANDS, band_name, band_names, known_bands
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io.euclid._calibration import check_zero_point
from euclid_resolved.io.euclid._mer_files import newest, siblings
from euclid_resolved.io.euclid._names import FLAG, IMAGE, NOISE, PSF, name_parts
from euclid_resolved.io.euclid._one_file import Options, read_file

if TYPE_CHECKING:
    from astropy.nddata import NDData

__all__ = ["read_euclid"]


def read_euclid(
    source: str | Path | Mapping[str, str | Path] | Sequence[str],
    *,
    zero_point: float | Mapping[str, float] | None = None,
    bands: Sequence[str] | None = None,
    align: bool = False,
    tolerance: float = 0.1,
    hdu: int | str | None = None,
    name: str | None = None,
    pixel_scale: u.Quantity | None = None,
    flag_bits: int | None = None,
) -> MultiBandImage:
    """Read an image of one field in several bands: Euclid's, and what lies on the same grid beside them.

    Counts become surface brightness: one count is 3631e-6 x 10^(-0.4 zero point) MJy, divided by the
    solid angle of a pixel at the middle of the image, which comes from the WCS.

    Parameters
    ----------
    source : path-like, mapping or list of str
        One of

        - a file with extensions ``VIS_FLUX``, ``VIS_RMS``, ``VIS_PSF``, ``NIR_Y_FLUX``, ... (or
          ``VIS_BGSUB``, ``NIR-Y``, ``FLUX_VIS``: see the documentation, "What an image must be"), or
          with one image of one band;
        - a folder with the MER mosaics of one tile, ``EUC_MER_BGSUB-MOSAIC-*`` with the RMS and FLAG
          files beside them; of several versions the newest is read;
        - a mapping of band to file, ``{"IE": "vis.fits", "IE_RMS": "vis_rms.fits"}``, or a list,
          ``["IE=vis.fits", "IE_RMS=vis_rms.fits"]``. Files beside a mosaic of MER need not be named.
    zero_point : float or mapping of str to float, optional
        AB zero point. By band it stands above what the files say. One number is for the bands whose files
        do not say it: no MAGZERO (or MAGZP, ZP_STACK, ZPAB; 0 is a blank) and no unit of surface
        brightness.
    bands : sequence of str, optional
        The bands wanted, in this order, by any of their names: ``"HSC_g"``, ``"DES_G"``, ``"VIS"``; by the
        filter alone, ``"g"``, where only one band has it. By default all known bands
        (`~euclid_resolved.BANDS`) that are there, from blue to red. A band that is not known has the name of
        its extension.
    align : bool, optional
        Put all bands on the grid of the first; see `euclid_resolved.images.align`.
    tolerance : float, optional
        How far apart, in pixels, the world coordinate systems of two bands may put a corner.
    hdu : int or str, optional
        The extension that holds the image, for files of one band.
    name : str, optional
        What the image shows; by default the file or tile.
    pixel_scale : `~astropy.units.Quantity`, optional
        The angle of a pixel's side, used only where a file has no celestial WCS, or one without scale.
    flag_bits : int, optional
        Pixels with any of these bits in their FLAG map are masked. By default flags are not used, since
        the meaning of the bits is not the same for all products.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        float32 in MJy/sr, one `~astropy.nddata.NDData` a band. ``mask`` is True where the value is not
        finite, where the noise is not finite, not positive or absurd (1e16, or a million times more or less
        than the median), where a wanted flag is set, and in blocks of exact zeros
        (`euclid_resolved.images.zero_blocks`). ``uncertainty`` is one sigma, from a map of it or of
        variance, inverse variance or weight, NaN where it is bad. ``meta`` holds ``psf`` (an array),
        ``zero_point`` (None where the file was in surface brightness), ``file``, ``hdu``,
        ``compressed`` and ``filter``.

    Raises
    ------
    ImageFileError
        If a file is missing, damaged, ambiguous, of another band, or without zero point or pixel area.
    InputError
        If a band is missing or given twice, the bands do not lie on one grid, or a zero point for all
        bands contradicts what every file says.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from euclid_resolved import read_euclid
    >>> for name, zero_point in {"vis": 24.6, "h": 29.9}.items():
    ...     hdu = fits.PrimaryHDU(np.ones((4, 4), "f4"))
    ...     hdu.header["MAGZERO"] = zero_point
    ...     hdu.writeto(f"{name}.fits")
    >>> image = read_euclid({"IE": "vis.fits", "HE": "h.fits"}, pixel_scale=0.1 * u.arcsec)
    >>> for band in image:
    ...     print(f"{band}: one count is {image.brightness(band)[0, 0]:.4f} MJy/sr")
    IE: one count is 2.2329 MJy/sr
    HE: one count is 0.0169 MJy/sr
    """
    options = Options(_zero_points(zero_point), _check_scale(pixel_scale), _check_bits(flag_bits), hdu)
    wanted = None if bands is None else band_names(bands)
    own_name, files = _files(source, wanted)
    planes: dict[str, NDData] = {}
    for path, its_bands, others in files:
        new = read_file(path, its_bands, options, others)
        check_new(planes, new, path)
        planes |= new
    _check_bands(planes, options)
    if align:
        planes = align_bands(planes)
    known = options.pixel_scale is None or all(nddata.wcs is not None for nddata in planes.values())
    meta = {} if known else {"pixel_scale": options.pixel_scale}
    return MultiBandImage(planes, name=own_name if name is None else name, meta=meta, tolerance=tolerance)


def _files(source, wanted):
    """What an image is called, and its files: path, the bands wanted of it, paths of its companions."""
    source = _mapping(source)
    if isinstance(source, Mapping):
        files = _by_band(source)
        wanted = _select(wanted or list(files), files, "the files given")
        return "", [(files[band][IMAGE], [band], _others(files[band])) for band in wanted]
    if source.is_dir():
        tile, files = _mosaics(source)
        # Their PSF files are grids of stamps, of which only `read_mosaics` knows which one to take.
        kinds = (*NOISE, FLAG)
        wanted = _select(wanted, files, str(source))
        return tile, [(files[b][""], [b], _others(files[b], kinds)) for b in wanted]
    return source.name.split(".fit")[0], [(source, wanted, _others(siblings(source)))]


def _by_band(source):
    """The files of a mapping: kind -> path by band, those beside a mosaic of MER among them."""
    images = {key: path for key, path in source.items() if _kind(key)[1] == IMAGE}
    bands = band_names(images, known_bands(band_name(str(key)) for key in images))
    files = {band: {**siblings(path), IMAGE: path} for band, path in zip(bands, images.values(), strict=True)}
    known, given = {band.upper(): band for band in files}, set()
    for key, path in source.items():
        band, kind = _kind(key)
        if kind == IMAGE:
            continue
        if band.upper() not in known:
            there = ", ".join(files)
            raise InputError(f"{key} has no image to go with: give {band}=FILE, too; there are {there}")
        if (band.upper(), kind) in given:
            raise InputError(f"the {kind} map of band {band} is given twice: {', '.join(map(str, source))}")
        given.add((band.upper(), kind))
        files[known[band.upper()]][kind] = path
    return files


def _kind(key):
    """The band and the kind of file that a key of a mapping stands for: IE, or IE_RMS."""
    parts = name_parts(str(key))
    if parts is not None and parts.of and parts.kind in (*NOISE, FLAG, PSF):
        return parts.of, parts.kind
    return band_name(str(key)), IMAGE


def _others(files, kinds=(*NOISE, FLAG, PSF)):
    return {kind: path for kind, path in files.items() if kind in kinds}


def check_new(planes: Mapping[str, object], new: Mapping[str, object], path: str | Path) -> None:
    """Refuse a band that another file has given already."""
    twice = [band for band in new if band in planes]
    if twice:
        raise ImageFileError(path, f"shows band {twice[0]}, which another file has given already")


def _check_bands(planes, options):
    """Refuse zero points of no use, and say where a file calls its band by an unknown name."""
    for band in options.zero_points:
        if band is not None and band_name(band, planes) not in (*planes, *EUCLID_BANDS):
            raise InputError(f"zero_point is given for {band}; the bands read are {', '.join(planes)}")
    check_common(planes, options.zero_points)
    for band, nddata in planes.items():
        found = nddata.meta["filter"]
        if band in BANDS and found and band_name(found, [band]) not in BANDS:
            text = f"{nddata.meta['file']}: read as {band}, FILTER is {found}"
            warnings.warn(text, DataWarning, stacklevel=3)


def check_common(planes: Mapping[str, NDData], zero_points: Mapping[str | None, float]) -> None:
    """Refuse a zero point for all bands that every file contradicts: which one was meant to be changed?"""
    common = zero_points.get(None)
    said = {band: plane.meta["zero_point"] for band, plane in planes.items() if band not in zero_points}
    if common is None or not said or common in said.values():
        return
    words = ", ".join(f"{band} {'in surface brightness' if v is None else v}" for band, v in said.items())
    first = next(iter(said))
    raise InputError(
        f"zero_point {common} is for bands whose files say nothing, but they do: {words}; to put another in "
        f"its place name the band, as in zero_point={{{first!r}: {common}}} or --zero-point {first}={common}"
    )


def _zero_points(given):
    """The zero points by band; the key None is for those whose files do not say it."""
    given = given if isinstance(given, Mapping) else {} if given is None else {None: given}
    return {band and band_name(band): check_zero_point(value) for band, value in given.items()}


def _check_scale(scale):
    if scale is not None:
        if not isinstance(scale, u.Quantity) or not scale.isscalar or not scale.unit.is_equivalent(u.deg):
            raise InputError(f"pixel_scale must be one angle, for example 0.1 * u.arcsec; got {scale!r}")
        if not 0 < scale.to_value(u.deg) < 180:
            raise InputError(f"pixel_scale must be positive, got {scale}")
    return scale


def _check_bits(bits):
    if bits is not None:
        if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 0 <= bits < 2**63:
            raise InputError(f"flag_bits must be an integer whose bits are those to reject, got {bits!r}")
    return bits


def _mapping(source):
    """A path, or a mapping where a list of ``BAND=FILE`` is given."""
    if isinstance(source, Mapping):
        return source
    if isinstance(source, list | tuple):
        if len(source) == 1 and Path(source[0]).exists():
            return Path(source[0])
        pairs = [str(item).partition("=") for item in source]
        if not pairs or not all(band and path for band, _, path in pairs):
            raise InputError(f"name the band of every file, as in IE=vis.fits; got {list(map(str, source))}")
        band_names([band for band, _, _ in pairs])
        return {band: path for band, _, path in pairs}
    try:
        return Path(source)
    except TypeError:
        raise InputError(f"a path, a mapping or a list is needed, got {type(source).__name__}") from None


def _select(wanted, available, where):
    """The bands wanted, or all known bands there are, checked to be available."""
    wanted = (known_bands(available) or list(available)) if wanted is None else band_names(wanted, available)
    missing = [band for band in wanted if band not in available]
    if missing:
        message = f"no band {', '.join(missing)} in {where}; there are {', '.join(available)}"
        raise InputError(message).of_bands(missing)
    return wanted


def _mosaics(folder):
    """The newest mosaics of the one tile in a folder: band -> kind ("", RMS, FLAG) -> path."""
    found = newest([str(path) for path in folder.iterdir()])
    found = {tile: {b: kinds for b, kinds in bands.items() if "" in kinds} for tile, bands in found.items()}
    tiles = sorted(tile for tile, bands in found.items() if bands)
    if not tiles:
        hint = "give the path of a cut-out, or the file of each band, as in IE=vis.fits"
        raise ImageFileError(folder, "holds no file EUC_MER_BGSUB-MOSAIC-{VIS,NIR-Y,...}_TILE*.fits", hint)
    if len(tiles) > 1:
        raise ImageFileError(
            folder, f"holds several tiles: {', '.join(tiles)}", "one folder a tile, or the file of each band"
        )
    return f"TILE{tiles[0]}", found[tiles[0]]

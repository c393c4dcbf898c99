"""Open an image whatever holds it, cut out the field that is wanted, and prepare it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._image import MultiBandImage

__all__ = ["open_image"]


_GALAXY = re.compile(r"TNG\d+_O[1-5]")


def open_image(
    source: str | Path | Sequence[str],
    bands: Sequence[str] | None = None,
    *,
    zero_point: float | Mapping[str, float] | None = None,
    flag_bits: int | None = None,
    hdu: int | str | None = None,
    pixel_scale: float | None = None,
    align: bool = False,
    position: Sequence[float] | None = None,
    size: float | None = None,
    region: str | Path | None = None,
    raw: bool = False,
    distance: float | None = None,
    scale: float | None = None,
    **preparation: Any,
) -> MultiBandImage:
    """Open an image, cut out a field and prepare it, all said in plain text and numbers.

    Parameters
    ----------
    source : path-like or list of str
        A cut-out, a folder of mosaics, ``["IE=vis.fits", ...]``, a galaxy of an atlas
        (``atlas/TNG000008_O5``), or an image that `euclid_resolved.write` wrote (``.asdf``).
    bands : sequence of str, optional
        The bands wanted.
    zero_point, flag_bits, align
        As for `euclid_resolved.read_euclid`.
    hdu : int or str, optional
        The extension that holds the image, by number (digits) or name.
    pixel_scale : float, optional
        The side of a pixel where there is no celestial WCS, arcsec.
    position : (float, float), optional
        RA and Dec (ICRS) of the centre of the field, degrees.
    size : float, optional
        Side of the field, arcsec.
    region : str, optional
        A DS9 region or its file, in place of `position` and `size`: the square around what it includes.
        On the sky for mosaics.
    raw : bool, optional
        Do to an image of the sky what is asked for only. Without it, its sky is subtracted, other sources are
        masked and PSFs are matched as it needs, unless an option says otherwise: see ``auto`` of
        `euclid_resolved.imaging.prepare`.
    distance : float, optional
        Mpc.
    scale : float, optional
        Side of the pixels wanted, pc.
    **preparation
        The other options of `euclid_resolved.imaging.prepare`.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`

    Raises
    ------
    InputError
        If an option cannot be used, or makes no sense with another.
    ImageFileError
        If the image cannot be read.

    Examples
    --------
    >>> from euclid_resolved import write
    >>> from euclid_resolved.io import open_image
    >>> from euclid_resolved.testing import example_galaxies
    >>> write("galaxy.asdf", example_galaxies(1)[0].image)
    >>> open_image("galaxy.asdf").bands
    ('IE', 'YE', 'JE', 'HE')
    """
    from euclid_resolved.imaging._prepare import prepare

    if (position is None) != (size is None):
        raise InputError("a position and a size go together")
    reading: dict[str, Any] = {"zero_point": zero_point, "flag_bits": flag_bits, "align": align or None}
    reading["hdu"] = int(hdu) if isinstance(hdu, str) and hdu.isdigit() else hdu
    reading["pixel_scale"] = None if pixel_scale is None else pixel_scale * u.arcsec
    reading = {name: value for name, value in reading.items() if value is not None}
    if position is None and region is None:
        image = _whole(source, bands, reading)
    else:
        position = None if position is None else SkyCoord(*position, unit="deg")
        image = _field(source, bands, position, None if size is None else size * u.arcsec, region, reading)
    return prepare(
        image,
        auto=not raw,
        distance=None if distance is None else distance * u.Mpc,
        scale=None if scale is None else scale * u.pc,
        **preparation,
    )


def _whole(source, bands, reading):
    from euclid_resolved.io._atlas import read_galaxy
    from euclid_resolved.io._read_write import read
    from euclid_resolved.io.euclid._cutout import read_euclid

    if _is_path(source) and _GALAXY.fullmatch(Path(source).name):
        _refuse(source, reading, "an atlas is in MJy/sr, on one grid")
        return read_galaxy(source, **({} if bands is None else {"bands": bands})).image
    if _is_path(source) and str(source).endswith(".asdf"):
        _refuse(source, reading, "an image that write() wrote is in MJy/sr, on one grid")
        image = read(source)
        if not isinstance(image, MultiBandImage):
            raise InputError(f"{source} holds no image but {type(image).__name__}")
        return image
    return read_euclid(source, bands=bands, **reading)


def _field(source, bands, position, size, region, reading):
    from euclid_resolved.imaging._crop import crop
    from euclid_resolved.io.euclid._mosaic import read_mosaics

    if _is_path(source) and Path(source).is_dir() and any(Path(source).rglob("EUC_MER_*")):
        reading = {name: value for name, value in reading.items() if name != "align"}  # tiles always are
        unused = {name: value for name, value in reading.items() if name in ("hdu", "pixel_scale")}
        _refuse(source, unused, "mosaics have one image a file, and a WCS")
        return read_mosaics(source, position, size, region=region, bands=bands, **reading)
    return crop(_whole(source, bands, reading), position, size, region=region)


def _refuse(source, reading, why):
    """Refuse options that would be passed over silently."""
    if reading:
        names = ", ".join(f"{name}=" for name in reading)
        raise InputError(f"{source}: {names} (--{next(iter(reading)).replace('_', '-')}) is of no use: {why}")


def image_files(source: str | Path | Sequence[str]) -> list[Path]:
    """The files that hold an image.

    Parameters
    ----------
    source : path-like or list of str
        As for `open_image`.

    Returns
    -------
    files : list of `~pathlib.Path`

    Raises
    ------
    ImageFileError
        If there is none.

    Examples
    --------
    >>> from euclid_resolved.io._opening import image_files
    >>> [path.name for path in image_files(["IE=vis.fits", "HE=h.fits"])]
    ['vis.fits', 'h.fits']
    """
    if not isinstance(source, str | Path):
        return [Path(word.partition("=")[2]) for word in source]
    path = Path(source)
    if path.is_dir():
        files = [file for file in path.rglob("EUC_MER_*") if file.is_file()]
    elif _GALAXY.fullmatch(path.name):
        from euclid_resolved.io._atlas import galaxy_files

        files = galaxy_files(path)
    else:
        files = [path]
    if not files or not all(file.is_file() for file in files):
        raise ImageFileError(path, "no such file, or no image in the folder")
    return files


def input_files(source: str | Path | Sequence[str]) -> list[Path]:
    """All files of an image, with the noise and flags that stand beside it, or those of its whole atlas.

    Parameters
    ----------
    source : path-like or list of str
        As for `open_image`.

    Returns
    -------
    files : list of `~pathlib.Path`

    Raises
    ------
    ImageFileError
        If there is none.

    Examples
    --------
    >>> from euclid_resolved.io._opening import input_files
    >>> [path.name for path in input_files(["IE=vis.fits", "HE=h.fits"])]
    ['vis.fits', 'h.fits']
    """
    from euclid_resolved.io.euclid._mer_files import siblings

    files = image_files(source)
    if isinstance(source, str | Path) and _GALAXY.fullmatch(Path(source).name):
        from euclid_resolved.io._atlas import _index

        # An atlas is one input: its other galaxies cannot be made again either.
        folder = Path(source).parent
        galaxies = _index(folder).values()
        return [*(path for planes in galaxies for path in planes.values()), *folder.glob("*.txt")]
    return [*files, *(Path(other) for file in files for other in siblings(file).values())]


def _is_path(source):
    return isinstance(source, str | Path)

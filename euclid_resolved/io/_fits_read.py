"""Open FITS files so that whatever is wrong with one becomes one kind of error."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.io import fits

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._guard import check_file, open_unpacked
from euclid_resolved.io._fits_walk import MAX_PIXELS, walk

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    # Whatever may hold an image in a FITS file.
    ImageExtension: TypeAlias = fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU

# Astropy only warns of these, and then gives what is left of the file.
_DAMAGE = {
    "truncated": "it is truncated",
    "verification failed": "its checksum is wrong: the file was damaged or edited",
    "Error validating header": "the header of an extension is damaged or cut off",
    "extra bytes": "the header of an extension is damaged or cut off",
}
# Filters for warnings belong to the whole process, so two threads must not change them at once.
_LOCK = threading.RLock()


@contextmanager
def opened(path: str | Path, **options: Any) -> Iterator[fits.HDUList]:
    """A FITS file that Astropy may open: regular, unpacked within its budget, of sizes that are true.

    Parameters
    ----------
    path : path-like
        A FITS file, which may be compressed with gzip, bzip2 or xz.
    **options
        For `astropy.io.fits.open`.

    Yields
    ------
    hdus : `~astropy.io.fits.HDUList`
        Closed on exit.

    Raises
    ------
    ImageFileError
        If it is something else.
    """
    # Opened here, since astropy leaves files open when it fails on their headers.
    with open_unpacked(path, ImageFileError) as file:
        walk(path, file, ImageFileError)
        with fits.open(file, **options) as hdus:
            yield hdus


@contextmanager
def open_fits(path: str | Path) -> Iterator[fits.HDUList]:
    """Open a FITS file for reading; whatever fails inside the ``with`` block is an `ImageFileError`.

    Warnings about the wording of headers are dropped: who reads an image cannot act on them.

    Parameters
    ----------
    path : path-like
        A FITS file, which may be compressed.

    Yields
    ------
    hdus : `~astropy.io.fits.HDUList`
        All its extensions, with their checksums verified where they have any. Closed on exit.

    Raises
    ------
    ImageFileError
        If the file is missing, no FITS file, truncated, or damaged.
    """
    path = Path(path)
    check_file(path, ImageFileError)
    with _LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with opened(path, checksum=True) as hdus:
                len(hdus)  # reads every header: only then is it known whether something is missing
                _refuse_damage(path, caught)
                yield hdus
        except InputError:
            raise
        except Exception as error:  # astropy raises nearly every type on damaged files
            text = str(error).strip() or type(error).__name__
            raise ImageFileError(path, f"cannot be read as FITS: {text}", "is it complete?") from error


def _refuse_damage(path, caught):
    for warning in caught:
        for sign, what in _DAMAGE.items():
            if sign in str(warning.message):
                raise ImageFileError(path, what, "fetch or write it again")


def is_plane(hdu: ImageExtension) -> bool:
    """Whether an extension holds a 2-D image; further axes of length 1 do not count."""
    return hdu.is_image and len(hdu.shape) >= 2 and all(n == 1 for n in hdu.shape[:-2])


def first_plane(hdus: fits.HDUList) -> ImageExtension:
    """The extension of the first image: where images are compressed, an empty one stands before it."""
    return hdus[1] if hdus[0].header["NAXIS"] == 0 and len(hdus) > 1 else hdus[0]


def section(hdu: ImageExtension, window: Sequence[slice]) -> np.ndarray:
    """A window (rows, columns) of the image in an extension, without reading the rest."""
    return np.asarray(hdu.section[(0,) * (len(hdu.shape) - 2) + tuple(window)])


def plane_shape(path: str | Path, hdu: ImageExtension) -> tuple[int, int]:
    """The shape of the image in an extension, from its header.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    hdu : extension

    Returns
    -------
    shape : tuple of int

    Raises
    ------
    ImageFileError
        If the extension holds no 2-D image, or claims an absurd one.
    """
    if not is_plane(hdu) or 0 in hdu.shape:
        what = f"extension {hdu.name or 'without name'} holds no 2-D image"
        sides = " x ".join(map(str, hdu.shape)) if hdu.is_image else ""
        raise ImageFileError(path, what + (f" (shape {sides})" if len(hdu.shape) > 2 else ""))
    ny, nx = hdu.shape[-2:]
    if ny * nx > MAX_PIXELS:
        raise ImageFileError(path, f"claims an image of {nx} x {ny} pixels")
    return ny, nx


def read_plane(path: str | Path, hdu: ImageExtension, dtype: DTypeLike | None = np.float32) -> np.ndarray:
    """The pixels of an extension as a new array in native byte order that needs no open file.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    hdu : image extension
        From `open_fits`.
    dtype : dtype, optional
        float32 by default; None keeps the kind of number of the file.

    Returns
    -------
    plane : `~numpy.ndarray`
        2-D. NaN where integers are BLANK, unless they stay integers.

    Raises
    ------
    ImageFileError
        If the extension holds no 2-D image.
    """
    shape = plane_shape(path, hdu)
    blank = blank_of(hdu.header)  # reading the data takes it out of the header
    with np.errstate(all="ignore"):
        return to_native(hdu.data.reshape(shape), blank, dtype)


def blank_of(header: fits.Header) -> tuple[float, float] | None:
    """What stands for no data in integers, as a number in the unit of the pixels.

    Astropy passes over a BLANK of 0, and over any in unsigned integers.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Of an extension whose data were not looked at.

    Returns
    -------
    blank : (float, float) or None
        The number, and how far two numbers of the file are apart.
    """
    blank = header.get("BLANK", header.get("ZBLANK"))
    if blank is None or header.get("BITPIX", -32) < 0:
        return None
    try:
        scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
        return float(blank) * scale + zero, abs(scale)
    except (TypeError, ValueError):
        return None


def to_native(
    values: np.ndarray, blank: tuple[float, float] | None, dtype: DTypeLike | None = np.float32
) -> np.ndarray:
    """Pixel values as a new array in native byte order.

    Parameters
    ----------
    values : `~numpy.ndarray`
    blank : (float, float) or None
        From `blank_of`.
    dtype : dtype, optional
        As for `read_plane`.

    Returns
    -------
    values : `~numpy.ndarray`
    """
    new = np.array(values, dtype=values.dtype.newbyteorder("=") if dtype is None else dtype)
    if blank is not None and new.dtype.kind == "f":
        new[np.abs(values - blank[0]) < blank[1] / 4] = np.nan
    return new


# Words for units that astropy does not take, and what it calls them.
_UNIT_WORDS = {
    r"\badus?(?![a-z])": "adu",
    r"\b(electrons?(?![a-z])|e-|e(?=/s))": "electron",
    r"\b(counts?|cts?)(?![a-z])": "ct",
    r"\bcps(?![a-z])": "ct/s",
    r"\bdns?(?![a-z])": "DN",
    r"\bnanomagg(y|ies)(?![a-z])": "nmgy",
    r"\bpixels?(?![a-z])": "pix",
}
_POWER = re.compile(r"(?P<one>1 */ *)?\((?P<base>.+)\) *(\*\*|\^)? *\(?(?P<power>-?\d)\)?")


def header_unit(header: fits.Header) -> u.UnitBase | None:
    """The unit in BUNIT: None where there is none, an unrecognised unit where it means nothing."""
    text = str(header.get("BUNIT", "")).strip()
    if not text:
        return None
    unit = _unit(text)
    return u.UnrecognizedUnit(text) if unit is None else unit


def _unit(text):
    """A unit, or None; magnitudes are none here, for they are no factor."""
    unit = u.Unit(text, parse_strict="silent")
    if isinstance(unit, u.UnrecognizedUnit):
        if match := _POWER.fullmatch(text):  # astropy takes no power of more than one unit
            base = _unit(match["base"])
            return base and base ** (int(match["power"]) * (-1 if match["one"] else 1))
        for word, name in _UNIT_WORDS.items():
            text = re.sub(word, name, text, flags=re.IGNORECASE)
        unit = u.Unit(text, parse_strict="silent")
    return unit if isinstance(unit, u.UnitBase) and not isinstance(unit, u.UnrecognizedUnit) else None


def first_card(headers: Iterable[fits.Header], *keys: str) -> Any:
    """The first of some keywords that one of several headers has, or None; an empty text is none."""
    return next((h[key] for key in keys for h in headers if h.get(key) not in (None, "")), None)


def list_extensions(hdus: fits.HDUList) -> str:
    """The extensions in words, for messages."""
    words = []
    for i, hdu in enumerate(hdus):
        shape = " x ".join(map(str, hdu.shape[::-1])) if hdu.is_image else ""
        words.append(f"{i} {hdu.name or '(no name)'} [{shape or 'no image'}]")
    return ", ".join(words)

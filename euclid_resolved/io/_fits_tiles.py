"""FITS files of maps whose images are compressed tile by tile, so that a part is read without the rest.

Tiles are packed without loss by GZIP_2 of the standard: bytes of one weight together, then gzip. Where values
may change, they are rounded before, to so many bits that none changes by more than was asked for. The error
is relative, for densities span four decades: linear steps, which the standard has for floats, are either too
coarse for the faint pixels of a tile or too fine for its bright ones, and took as many bytes for the same
largest error.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal, TypeAlias

import numpy as np
from astropy.io import fits

from euclid_resolved.errors import InputError
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io._fits_read import opened, section
from euclid_resolved.io._fits_sums import datasum, signed
from euclid_resolved.io._fits_walk import BLOCK

Compression: TypeAlias = Literal["lossless"] | float
"""Lossless, or the largest relative change of a value."""

TILE = 256  # pixels: the side of a tile, 256 KiB unpacked
LEVEL = 4  # of gzip: ten times as fast as the highest one, and 2 to 4 per cent larger
LARGE = 2**30  # bytes: 32 bits say where a tile of a smaller image begins, whatever packing makes of it
ROUNDING = "ROUNDING"

_LEAST, _MOST = 2.0**-24, 0.1
_COLUMNS = {"P": ">i4", "Q": ">i8"}


def check_compression(compress: Compression | None) -> None:
    """Refuse what says neither that values are kept nor how far they may change."""
    if compress is None or compress == "lossless":
        return
    number = isinstance(compress, int | float | np.number) and not isinstance(compress, bool)
    if not number or not _LEAST <= compress <= _MOST:
        raise InputError(
            f"compress is 'lossless' or the largest relative change of a value, from {_LEAST:.0e} to "
            f"{_MOST:g}; got {compress!r}"
        )


def rounded(values: np.ndarray, accuracy: float) -> np.ndarray:
    """Values that differ from others by no more than a part of them, and have fewer bits that are not 0.

    Parameters
    ----------
    values : `~numpy.ndarray` of float
    accuracy : float
        The largest relative change.

    Returns
    -------
    rounded : `~numpy.ndarray`
        To the nearest, so that their mean does not change and their order is kept. NaN and infinite values
        stay.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.io._fits_tiles import rounded
    >>> rounded(np.array([1.0, 1.23456789, np.nan]), 0.01)
    array([1.     , 1.234375,     nan])
    """
    values = values.astype(values.dtype.newbyteorder("="))
    kind = np.dtype(f"u{values.dtype.itemsize}").type
    bits = math.ceil(-math.log2(accuracy)) - 1  # of the mantissa: rounding changes half of the last one
    drop = np.finfo(values.dtype).nmant - bits
    if drop <= 0:
        return values
    raw = values.view(kind)
    # Half of the last bit that stays is added; of two that are as near, the even one is taken.
    even = (raw >> kind(drop)) & kind(1)
    new = (raw + kind((1 << (drop - 1)) - 1) + even) >> kind(drop) << kind(drop)
    new = new.view(values.dtype)
    return np.where(np.isfinite(values) & np.isfinite(new), new, values)


def write_packed(path: str | Path, hdulist: fits.HDUList, compress: Compression, overwrite: bool) -> None:
    """Write maps as a compressed file, at once or not at all.

    Parameters
    ----------
    path : path-like
    hdulist : `~astropy.io.fits.HDUList`
        From `euclid_resolved.io._fits.maps_to_hdulist`.
    compress : "lossless" or float
    overwrite : bool
    """
    with atomic_path(path, overwrite) as temporary:
        _pack(hdulist, temporary, compress, lambda hdu, rows: hdu.data[rows])


def pack_file(source: Path, path: str | Path, compress: Compression, overwrite: bool) -> None:
    """Write a compressed copy of a file of maps that need not fit the memory, at once or not at all.

    Parameters
    ----------
    source : `~pathlib.Path`
        A file of maps that is finished.
    path : path-like
    compress : "lossless" or float
    overwrite : bool
    """
    with opened(source, memmap=False) as hdulist, atomic_path(path, overwrite) as temporary:
        _pack(hdulist, temporary, compress, lambda hdu, rows: section(hdu, (rows, slice(None))))


def _pack(hdulist, path, compress, rows_of):
    accuracy = None if compress == "lossless" else float(compress)
    first = hdulist[0].header
    empty = fits.PrimaryHDU().header
    empty["NHDUS"] = (len(hdulist) + 1, "HDUs in this file")
    for card in ("CREATOR", "DATE"):
        empty[card] = (first[card], first.comments[card])
    with open(path, "wb") as file:
        file.write(signed(empty, 0))
        for hdu in hdulist:
            _pack_plane(file, hdu, accuracy, rows_of)


def _pack_plane(file: IO[bytes], hdu: fits.ImageHDU, accuracy: float | None, rows_of: Callable) -> None:
    """Append an image: header and table of tiles are written again when all tiles are there."""
    ny, nx = hdu.shape
    if hdu.header["BITPIX"] > 0:
        accuracy = None
    tall, wide = min(TILE, ny), min(TILE, nx)
    starts = [(top, left) for top in range(0, ny, tall) for left in range(0, nx, wide)]
    letter = "P" if ny * nx * abs(hdu.header["BITPIX"]) // 8 < LARGE else "Q"
    header = _table_header(hdu, (tall, wide), len(starts), letter)
    if accuracy is not None:
        # Of what was rounded before, both errors add up.
        header[ROUNDING] = (
            accuracy + header.get(ROUNDING, 0.0),
            "largest relative change of a value by rounding",
        )
    begin = file.tell()
    table = np.zeros((len(starts), 2), _COLUMNS[letter])
    file.write(header.tostring().encode("ascii"))
    file.write(table.tobytes())
    at, total = 0, 0
    strip = np.empty((0, 0))
    for i, (top, left) in enumerate(starts):
        if left == 0:
            strip = rows_of(hdu, slice(top, top + tall))
        tile = strip[:, left : left + wide]
        # Most tiles of a survey's image have no value at all.
        same = tile.view(f"i{tile.dtype.itemsize}") == tile[:1, :1].view(f"i{tile.dtype.itemsize}")
        one = tile[:1, :1] if same.all() else tile
        one = one if accuracy is None else rounded(one, accuracy)
        one = np.ascontiguousarray(one, one.dtype.newbyteorder(">"))
        content = _packed_tile(one) if one.size > 1 else _packed_constant(one.tobytes(), tile.size)
        table[i] = len(content), at
        content += bytes(-len(content) % 4)  # for the sum, which is of words
        file.write(content)
        at, total = at + len(content), total + datasum(content)
    size = table.nbytes + at
    file.write(bytes(-size % BLOCK))
    end = file.tell()
    header["PCOUNT"] = at
    header["TFORM1"] = f"1{letter}B({int(table[:, 0].max())})"
    file.seek(begin)
    file.write(signed(header, total + datasum(table.tobytes())))
    file.write(table.tobytes())
    file.seek(end)


def _packed_tile(tile):
    """The bytes of a tile, those of the highest weight first, through gzip."""
    planes = tile.view(np.uint8).reshape(-1, tile.dtype.itemsize).T
    return gzip.compress(planes.tobytes(), LEVEL, mtime=0)


@lru_cache(maxsize=64)
def _packed_constant(value, size):
    """The bytes of a tile of one value only."""
    return gzip.compress(b"".join(bytes([byte]) * size for byte in value), LEVEL, mtime=0)


def _table_header(hdu, tile, number, letter):
    """The header of the table that holds an image; Astropy makes it, of one with a single pixel."""
    own = hdu.header.copy()
    for card in ("NHDUS", "CHECKSUM", "DATASUM", "EXTEND"):
        own.remove(card, ignore_missing=True)
    kind = {-32: "f4", -64: "f8", 32: "i4"}[own["BITPIX"]]
    lossless = {"compression_type": "GZIP_2", "quantize_level": 0}
    one = fits.CompImageHDU(np.zeros((1, 1), kind), own, tile_shape=(1, 1), **lossless)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), one]).writeto(buffer)
    buffer.seek(0)
    with fits.open(buffer, disable_image_compression=True) as hdus:
        header = hdus[1].header.copy()
    for axis in (1, 2):
        header[f"ZNAXIS{axis}"] = hdu.shape[-axis]
        header[f"ZTILE{axis}"] = tile[-axis]
    header["NAXIS1"], header["NAXIS2"] = 2 * np.dtype(_COLUMNS[letter]).itemsize, number
    header["PCOUNT"] = 0
    header["TFORM1"] = f"1{letter}B(0)"
    # They are there from the start: the header keeps its length.
    header["DATASUM"], header["CHECKSUM"] = "0", "0" * 16
    return header

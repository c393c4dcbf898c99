"""A FITS file that is written in strips of rows, and whose sums are known without reading it again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.io._fits import maps_to_hdulist
from euclid_resolved.io._fits_sums import datasum, signed
from euclid_resolved.io._fits_walk import BLOCK
from euclid_resolved.io._map_planes import named_maps, planes_in

if TYPE_CHECKING:
    from astropy.io import fits

    from euclid_resolved.maps._spatial_map import SpatialMap


@dataclass(frozen=True, eq=False)
class StripFile:
    """A FITS file of maps that becomes one only when it is finished: till then its headers are missing.

    Attributes
    ----------
    path : `~pathlib.Path`
    shape : tuple of int
        Of every image in it.
    headers : tuple of `~astropy.io.fits.Header`
    offsets : tuple of int
        Where the pixels of each image begin, in bytes.
    size : int
        Of the file, in bytes.
    """

    path: Path
    shape: tuple[int, ...]
    headers: tuple[fits.Header, ...]
    offsets: tuple[int, ...]
    size: int

    @classmethod
    def like(cls, path: Path, maps: dict[str, SpatialMap], shape: Sequence[int]) -> Self:
        """A file for maps of another shape.

        Parameters
        ----------
        path : `~pathlib.Path`
        maps : dict of str to `~euclid_resolved.SpatialMap`
            Everything but their pixels counts.
        shape : tuple of int

        Returns
        -------
        file : `StripFile`
            Nothing is written yet.
        """
        headers, offsets, size = [], [], 0
        for hdu in maps_to_hdulist(maps):
            header = hdu.header.copy()
            header["NAXIS1"], header["NAXIS2"] = shape[::-1]
            headers.append(header)
            offsets.append(size + len(header.tostring()))
            size = offsets[-1] + _padded(shape[0] * shape[1] * abs(header["BITPIX"]) // 8)
        return cls(path, tuple(shape), tuple(headers), tuple(offsets), size)

    def allocate(self) -> None:
        """Give the file its size, keeping what it holds.

        Raises
        ------
        InputError
            If the disk has no room for all of it.
        """
        # Of a file with holes, not all of its size is on disk; some systems do not say how much is.
        held = getattr(self.path.stat(), "st_blocks", 0) * 512 if self.path.exists() else 0
        free = shutil.disk_usage(self.path.parent).free
        if self.size - held > free:
            raise InputError(
                f"{self.path}: {self.size / 1e9:.1f} GB are needed, the disk has {free / 1e9:.1f} GB left"
            )
        with open(self.path, "ab") as file:
            file.truncate(self.size)

    def write(self, start: int, planes: Iterable[np.ndarray]) -> None:
        """Write some rows of every image.

        Parameters
        ----------
        start : int
            The first row.
        planes : list of `~numpy.ndarray`
            From `planes_of`.
        """
        with open(self.path, "rb+", buffering=0) as file:
            for offset, plane in zip(self.offsets, planes, strict=True):
                file.seek(offset + start * self.shape[1] * plane.itemsize)
                _write_all(file, plane.data.cast("B"))

    def sums(self, start: int, stop: int) -> list[int]:
        """The sums of some rows of every image as they are on disk, to be held against what was written."""
        sums = []
        with open(self.path, "rb") as file:
            for offset, header in zip(self.offsets, self.headers, strict=True):
                width = self.shape[1] * abs(header["BITPIX"]) // 8
                file.seek(offset + start * width)
                sums.append(datasum(file.read((stop - start) * width)))
        return sums

    def finish(
        self,
        sums: Iterable[Sequence[int]],
        cards: Mapping[str, Any],
        by_name: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Write the headers, with CHECKSUM and DATASUM.

        Parameters
        ----------
        sums : iterable of list of int
            What `datasum` gave for the planes of every strip.
        cards : dict
            What the header of the last image says of all its pixels, in cards that it has.
        by_name : mapping of str to dict, optional
            The same of other images, by their EXTNAME.
        """
        self.headers[-1].update(cards)
        for header in self.headers:
            own = (by_name or {}).get(header.get("EXTNAME"), {})
            header.update({card: value for card, value in own.items() if card in header})
        with open(self.path, "rb+") as file:
            for header, offset, parts in zip(
                self.headers, self.offsets, zip(*sums, strict=True), strict=True
            ):
                text = signed(header, sum(parts))
                file.seek(offset - len(text))
                file.write(text)
            file.flush()
            os.fsync(file.fileno())


def planes_of(maps: dict[str, SpatialMap]) -> list[np.ndarray]:
    """The planes of maps in the order and byte order of their file.

    Parameters
    ----------
    maps : dict of str to `~euclid_resolved.SpatialMap`

    Returns
    -------
    planes : list of `~numpy.ndarray`
        Big-endian, contiguous.
    """
    return [values for *_, values in planes_in(named_maps(maps))]


def _padded(size):
    return -(-size // BLOCK) * BLOCK


def _write_all(file, content):
    """Write all bytes: an unbuffered file may take a part of them."""
    while content:
        content = content[file.write(content) :]

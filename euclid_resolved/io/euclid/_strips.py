"""Images too large for the memory: headers are read once, pixels in strips of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import NDData
from astropy.wcs import WCS

from euclid_resolved.images._bands import SURFACE_BRIGHTNESS, band_names
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._no_data import ZeroBlocks, row_step
from euclid_resolved.io._fits_read import blank_of, opened, plane_shape, section, to_native
from euclid_resolved.io.euclid import _one_file as single
from euclid_resolved.io.euclid._calibration import NoiseScale
from euclid_resolved.io.euclid._cutout import (
    _check_bands,
    _check_bits,
    _files,
    _zero_points,
    check_new,
)
from euclid_resolved.io.euclid._extensions import found_companion, unused, warn_of_unused
from euclid_resolved.io.euclid._mer_files import siblings
from euclid_resolved.io.euclid._mosaic import read_psf_grid
from euclid_resolved.io.euclid._names import FLAG, NOISE, PSF
from euclid_resolved.io.euclid._window import file_errors

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from euclid_resolved.io._fits_read import ImageExtension

__all__ = ["open_large"]


@dataclass(frozen=True)
class _Plane:
    """One image in an open file."""

    path: str | Path
    hdu: ImageExtension

    def rows(self, start: int, stop: int, dtype: DTypeLike | None = np.float32) -> np.ndarray:
        """Some of its rows as a new array in native byte order."""
        with file_errors(self.path), np.errstate(all="ignore"):
            blank = self._blank  # before the first pixels: reading them takes it out of the header
            values = section(self.hdu, (slice(start, stop), slice(None)))
            return to_native(values, blank, dtype)

    @cached_property
    def _blank(self):
        return blank_of(self.hdu.header)


@dataclass(frozen=True)
class _Band:
    """The planes of one band, and what turns their numbers into surface brightness."""

    data: _Plane
    noise: _Plane | None
    flags: _Plane | None
    factor: float
    scale: NoiseScale | None
    meta: dict[str, Any]

    def sigma(self, start: int, stop: int) -> np.ndarray | None:
        """Some rows of the noise as one sigma, not yet in MJy/sr."""
        numbers = self.of_noise(start, stop)
        return None if numbers is None or self.scale is None else self.scale.sigma(numbers)

    def of_noise(self, start: int, stop: int) -> np.ndarray | None:
        """Some rows of the noise in the numbers of its file."""
        if self.noise is None or self.scale is None:
            return None
        return self.noise.rows(start, stop, np.float32 if self.scale.power == 1 else np.float64)


@dataclass(frozen=True, eq=False)
class LargeImage:
    """An image on disk of which strips are read.

    Attributes
    ----------
    name : str
    shape : tuple of int
    wcs : `~astropy.wcs.WCS` or None
    files : tuple of path-like
        All that belong to it.

    Examples
    --------
    >>> from euclid_resolved import make_atlas
    >>> from euclid_resolved.io import open_large
    >>> folder = make_atlas("atlas", 1, pixels=16)
    >>> with open_large({"HE": folder / "TNG000001_O5_Euclid_H.fits"}) as image:
    ...     strip = image.strip(image.read(4, 7))
    >>> image.shape, strip.shape
    ((16, 16), (3, 16))
    """

    name: str
    shape: tuple[int, int]
    wcs: WCS | None
    files: tuple[Path, ...]
    _bands: dict[str, _Band]
    _flag_bits: int | None
    _limits: dict[str, float] = field(default_factory=dict)
    _blocks: dict[str, ZeroBlocks] = field(default_factory=dict)

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the bands, in order."""
        return tuple(self._bands)

    @cached_property
    def row(self) -> MultiBandImage:
        """The first row: what all strips have in common."""
        return self.strip(self.read(0, 1))

    def read(self, start: int, stop: int) -> dict[str, tuple[Any, ...]]:
        """The numbers of some rows as they are in the files.

        Files are read here alone, so that one thread can read and others work.

        Parameters
        ----------
        start, stop : int
            The first row, and the one after the last.

        Returns
        -------
        numbers : dict
            For `strip`.
        """
        numbers = {}
        for band, planes in self._bands.items():
            data, offset = planes.data.rows(start, stop), 0
            reach = self._zero_blocks(band).reach
            if (data == 0).any():
                # Rows above and below tell whether a zero is in a block; as few at a time as were asked for.
                offset = start - max(0, start - reach)
                last, step = min(self.shape[0], stop + reach), stop - start
                first = start - offset
                above = [planes.data.rows(row, min(row + step, start)) for row in range(first, start, step)]
                below = [planes.data.rows(row, min(row + step, last)) for row in range(stop, last, step)]
                data = np.concatenate([*above, data, *below])
            numbers[band] = (
                data,
                slice(offset, offset + stop - start),
                planes.sigma(start, stop),
                planes.flags and planes.flags.rows(start, stop, None),
                self._limit(band),
            )
        return numbers

    def strip(self, numbers: Mapping[str, tuple[Any, ...]]) -> MultiBandImage:
        """What was read, as an image without WCS; ``psf`` in a band's meta is that at the middle of a tile.

        Parameters
        ----------
        numbers : dict
            From `read`; its arrays are changed.

        Returns
        -------
        image : `~euclid_resolved.MultiBandImage`
            The same pixels as `euclid_resolved.read_euclid` gives in these rows.
        """
        made = {}
        for band, (data, rows, sigma, flags, limit) in numbers.items():
            planes = self._bands[band]
            empty = self._blocks[band].find(data)[rows]
            made[band] = single.calibrate_plane(
                data[rows], sigma, flags, empty, planes.factor, planes.scale, planes.meta, self._flag_bits,
                limit=limit,
            )  # fmt: skip
        return MultiBandImage(made, name=self.name)

    def _limit(self, band):
        """The largest noise that is possible in a band, from the same pixels as if all were read."""
        planes = self._bands[band]
        if band not in self._limits and planes.noise is not None:
            step = single.rms_step(self.shape)
            rows = range(0, self.shape[0], step)
            sample = np.concatenate([planes.of_noise(row, row + 1)[:, ::step] for row in rows])
            self._limits[band] = single.limit_of(planes.scale.sigma(sample))
        return self._limits.get(band)

    def _zero_blocks(self, band):
        """How large a block of zeros is no data in a band, from the same rows as if all were read."""
        if band not in self._blocks:
            rows = range(0, self.shape[0], row_step(self.shape))
            sample = np.concatenate([self._bands[band].data.rows(row, row + 1) for row in rows])
            self._blocks[band] = ZeroBlocks(sample, self.shape)
        return self._blocks[band]


@contextmanager
def open_large(
    source: str | Path | Mapping[str, str | Path] | Sequence[str],
    bands: Sequence[str] | None = None,
    *,
    zero_point: float | Mapping[str, float] | None = None,
    flag_bits: int | None = None,
) -> Iterator[LargeImage]:
    """Open an image to read it strip by strip.

    Checksums, which need the whole file, are not verified.

    Parameters
    ----------
    source, bands, zero_point, flag_bits
        As for `euclid_resolved.read_euclid`.

    Yields
    ------
    image : LargeImage
        It has ``bands``, ``shape`` and ``wcs``; ``image.strip(image.read(start, stop))`` is some of its rows
        as a `~euclid_resolved.MultiBandImage`. Its files are open inside the ``with`` block.

    Raises
    ------
    ImageFileError
        If a file is missing, damaged, ambiguous, of another band, or without zero point or pixel area.
    InputError
        If a band is missing or given twice, or the bands do not lie on one grid.

    Examples
    --------
    >>> from euclid_resolved import make_atlas
    >>> from euclid_resolved.io import open_large
    >>> folder = make_atlas("atlas", 1, pixels=16)
    >>> with open_large({"HE": folder / "TNG000001_O5_Euclid_H.fits"}) as image:
    ...     strip = image.strip(image.read(4, 7))
    >>> image.shape, strip.shape
    ((16, 16), (3, 16))
    """
    options = single.Options(_zero_points(zero_point), None, _check_bits(flag_bits), None)
    name, files = _files(source, None if bands is None else band_names(bands))
    taken: dict[str, str | Path] = {}
    with ExitStack() as stack:
        files_open, found, grids, of_psfs = {}, {}, {}, []

        def open_one(path):
            if path not in files_open:
                with file_errors(path):
                    # Not mapped: the pages of a mapped file count as memory of the process.
                    hdus = stack.enter_context(opened(path, memmap=False, lazy_load_hdus=True))
                    files_open[path] = hdus
            return files_open[path]

        @contextmanager
        def opening(path):
            with file_errors(path):
                yield open_one(path)

        for path, wanted, others in files:
            hdus = open_one(path)
            with file_errors(path):
                images = single.find_bands(path, hdus, wanted, options)
                check_new(taken, images, path)
                taken.update(dict.fromkeys(images, path))
            for band, image in images.items():
                with file_errors(path):
                    wcs, calibration, meta = single.read_header(path, hdus, image, band, options)
                data, shape = _Plane(path, image), plane_shape(path, image)
                noise, flags, scale = None, None, None
                where = path, hdus, image, band
                with file_errors(path), found_companion(*where, NOISE, others, opening) as companion:
                    if companion is not None:
                        companion.check(shape)
                        scale = companion.noise_scale(band, calibration)
                        noise = _Plane(companion.path, companion.hdu)
                if options.flag_bits is not None:
                    with file_errors(path), found_companion(*where, (FLAG,), others, opening) as companion:
                        if companion is not None:
                            companion.check(shape)
                            flags = _Plane(companion.path, companion.hdu)
                    single.check_flags(path, band, None if flags is None else flags.rows(0, 1, None).dtype)
                stamp = None
                with file_errors(path), found_companion(*where, (PSF,), others, opening) as companion:
                    stamp = None if companion is None else companion.read()
                beside = siblings(path, (PSF,)).get(PSF)
                if stamp is None and beside is not None and wcs is not None:
                    y, x = ((n - 1) / 2 for n in shape)
                    stamp = read_psf_grid(beside, wcs.pixel_to_world(x, y))
                    of_psfs.append(beside)
                meta = meta if stamp is None else {"psf": stamp, **meta}
                found[band] = _Band(data, noise, flags, calibration.factor, scale, meta)
                # No memory: one number that is seen everywhere.
                empty = np.broadcast_to(np.float32(np.nan), shape)
                grids[band] = NDData(empty, unit=SURFACE_BRIGHTNESS, wcs=wcs, meta=meta)
            without = [band for band in images if found[band].noise is None]
            with file_errors(path):
                missed = unused(hdus, images) if without else []
            warn_of_unused(path, missed, without)
        _check_bands(grids, options)
        grid = MultiBandImage(grids)  # refuses bands that do not lie on one grid
        yield LargeImage(name, grid.shape, grid.wcs, (*files_open, *of_psfs), found, options.flag_bits)

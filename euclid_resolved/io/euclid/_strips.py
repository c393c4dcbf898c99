"""Images too large for the memory: headers are read once, pixels in strips of rows."""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits
from astropy.nddata import NDData
from astropy.wcs import WCS

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io._fits_read import plane_shape, section
from euclid_resolved.io.euclid import _one_file as single
from euclid_resolved.io.euclid._cutout import (
    _check_bands,
    _check_bits,
    _files,
    _unique,
    _zero_points,
)
from euclid_resolved.io.euclid._window import file_errors

__all__ = ["open_large"]


@dataclass(frozen=True)
class _Plane:
    """One image in an open file."""

    path: object
    hdu: object

    def rows(self, start, stop, dtype=np.float32):
        """Some of its rows as a new array in native byte order."""
        with file_errors(self.path), np.errstate(all="ignore"):
            values = section(self.hdu, (slice(start, stop), slice(None)))
            return np.array(values, dtype=values.dtype.newbyteorder("=") if dtype is None else dtype)


@dataclass(frozen=True)
class _Band:
    """The planes of one band, and what turns their numbers into surface brightness."""

    data: _Plane
    rms: _Plane | None
    flags: _Plane | None
    factor: float
    meta: dict


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
    shape: tuple
    wcs: WCS | None
    files: tuple
    _bands: dict
    _flag_bits: int | None
    _limits: dict = field(default_factory=dict)

    @property
    def bands(self):
        """The names of the bands, in order."""
        return tuple(self._bands)

    def read(self, start, stop):
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
        return {
            band: (
                planes.data.rows(start, stop),
                planes.rms and planes.rms.rows(start, stop),
                planes.flags and planes.flags.rows(start, stop, None),
                self._limit(band),
            )
            for band, planes in self._bands.items()
        }

    def strip(self, numbers):
        """What was read, as an image without WCS.

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
        for band, (data, rms, flags, limit) in numbers.items():
            planes = self._bands[band]
            made[band] = single.calibrate_plane(
                data, rms, flags, planes.factor, planes.meta, self._flag_bits, limit=limit
            )
        return MultiBandImage(made, name=self.name)

    def _limit(self, band):
        """The largest noise that is possible in a band, from the same pixels as if all were read."""
        if band not in self._limits and (plane := self._bands[band].rms) is not None:
            step = single.rms_step(self.shape)
            rows = [plane.rows(row, row + 1)[0, ::step] for row in range(0, self.shape[0], step)]
            self._limits[band] = single.limit_of(np.array(rows))
        return self._limits.get(band)


@contextmanager
def open_large(source, bands=None, *, zero_point=None, flag_bits=None):
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
    name, files = _files(
        source, None if bands is None else _unique([bands] if isinstance(bands, str) else bands)
    )
    with ExitStack() as stack:
        opened, found, grids = {}, {}, {}

        def open_one(path):
            if path not in opened:
                with file_errors(path):
                    # Not mapped: the pages of a mapped file count as memory of the process.
                    hdus = fits.open(path, memmap=False, lazy_load_hdus=True)
                    opened[path] = stack.enter_context(hdus)
            return opened[path]

        for path, wanted, rms_path, flag_path in files:
            hdus = open_one(path)
            with file_errors(path):
                images = single.find_bands(path, hdus, wanted, options)
            for band, image in images.items():
                with file_errors(path):
                    wcs, factor, meta = single.read_header(path, hdus, image, band, options)
                data, shape = _Plane(path, image), plane_shape(path, image)
                rms = _companion(open_one, data, "RMS", rms_path, shape)
                flags = None
                if options.flag_bits is not None:
                    flags = _companion(open_one, data, "FLAG", flag_path, shape)
                    if flags is None or flags.rows(0, 1, None).dtype.kind not in "iu":
                        what = f"has no FLAG map of integers for band {band}"
                        raise ImageFileError(path, what, "leave flag_bits= out")
                found[band] = _Band(data, rms, flags, factor, meta)
                # No memory: one number that is seen everywhere.
                empty = np.broadcast_to(np.float32(np.nan), shape)
                grids[band] = NDData(empty, unit=SURFACE_BRIGHTNESS, wcs=wcs, meta=meta)
        _check_bands(grids, options)
        grid = MultiBandImage(grids)  # refuses bands that do not lie on one grid
        yield LargeImage(name, grid.shape, grid.wcs, tuple(opened), found, options.flag_bits)


def _companion(open_one, data, kind, path, shape):
    """The plane of a kind that belongs to an image, or None."""
    hdus = open_one(data.path if path is None else path)
    with file_errors(data.path if path is None else path):
        if path is None:
            hdu = single.companion_of(hdus, data.hdu, kind)
        else:
            hdu = single._choose(path, hdus, kind)
    if hdu is None:
        return None
    plane = _Plane(path or data.path, hdu)
    if plane_shape(plane.path, hdu) != shape:
        raise ImageFileError(plane.path, f"the {kind} map has shape {tuple(hdu.shape)}, the image {shape}")
    return plane

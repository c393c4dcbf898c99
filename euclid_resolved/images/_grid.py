"""The pixel grid: shapes, world coordinate systems, cut-outs, and what they look like as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import WCS

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from astropy.nddata import NDData
    from numpy.typing import ArrayLike


def native_float32(array: ArrayLike) -> np.ndarray:
    """`array` as native-endian float32, without a copy where it is that already."""
    return np.asarray(array, dtype=np.float32)


def corner_offset(wcs: WCS, other: WCS, shape: tuple[int, ...]) -> float:
    """How far two world coordinate systems are apart, in pixels.

    Parameters
    ----------
    wcs, other : `~astropy.wcs.WCS`
        The coordinate systems of two images of the same shape.
    shape : tuple of int
        The shape of the images.

    Returns
    -------
    offset : float
        The largest distance, over the four corners, between a corner and where `other` sees the
        position that `wcs` gives it; NaN where the transformation fails.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved.images._grid import corner_offset
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 5, "CRPIX2": 5})
    >>> wcs.wcs.cdelt = -3e-5, 3e-5
    >>> other = wcs.deepcopy()
    >>> other.wcs.crpix = 5.25, 5
    >>> round(corner_offset(wcs, other, (10, 10)), 3)
    0.25
    """
    y, x = np.array([(0, 0), (0, shape[1] - 1), (shape[0] - 1, 0), (shape[0] - 1, shape[1] - 1)]).T
    try:
        xo, yo = pixels_on(other, wcs, x, y)
    except Exception:  # each WCS implementation raises its own
        return np.nan
    return float(np.max(np.hypot(np.asarray(xo) - x, np.asarray(yo) - y)))


def pixels_on(other: WCS, wcs: WCS, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels of one world coordinate system lie on the pixels of another, whatever frames they are in.

    Parameters
    ----------
    other, wcs : `~astropy.wcs.WCS`
        To and from.
    x, y : array_like
        Pixels of `wcs`, counted from 0.

    Returns
    -------
    x, y : `~numpy.ndarray`
        On the pixels of `other`.
    """
    if _frame(wcs) == _frame(other):
        return other.world_to_pixel_values(*wcs.pixel_to_world_values(x, y))
    from astropy.wcs.utils import pixel_to_pixel

    return pixel_to_pixel(wcs, other, x, y)


def _frame(wcs):
    """What the numbers of a world coordinate system mean."""
    frame = list(getattr(wcs, "low_level_wcs", wcs).world_axis_physical_types)
    return [*frame, wcs.wcs.radesys, str(wcs.wcs.equinox)] if getattr(wcs, "has_celestial", False) else frame


def check_nddata(label: str, nddata: NDData) -> None:
    """Check what NDData itself accepts silently: mask, uncertainty and WCS that do not fit the data."""
    shape = np.shape(nddata.data)
    if len(shape) != 2:
        raise InputError(f"{label}: a 2-D image is needed, got shape {shape}")
    if 0 in shape:
        raise InputError(f"{label}: the image is empty (shape {shape})")
    if nddata.data.dtype.kind not in "fiu":
        raise InputError(f"{label}: real numbers are needed, got dtype {nddata.data.dtype}")
    if nddata.mask is not None and np.shape(nddata.mask) not in ((), shape):
        raise InputError(f"{label}: mask has shape {np.shape(nddata.mask)}, data have {shape}")
    error = nddata.uncertainty
    if error is not None and error.array is not None and np.shape(error.array) not in ((), shape):
        raise InputError(f"{label}: uncertainty has shape {np.shape(error.array)}, data have {shape}")
    if nddata.wcs is not None:
        if nddata.wcs.pixel_n_dim != 2:
            raise InputError(f"{label}: the WCS has {nddata.wcs.pixel_n_dim} pixel axes, the image has 2")
        wcs_shape = nddata.wcs.array_shape
        if wcs_shape is not None and tuple(wcs_shape) != shape:
            raise InputError(f"{label}: the WCS is for shape {tuple(wcs_shape)}, data have {shape}")
        if _says_two_things(nddata.wcs):
            raise InputError(
                f"{label}: its WCS says two things, CD is not PC with CDELT; remove what is wrong"
            )


def _says_two_things(wcs):
    if not isinstance(wcs, WCS) or not (wcs.wcs.has_cd() and wcs.wcs.has_pc()):
        return False
    used = wcs.pixel_scale_matrix
    return not np.allclose(wcs.wcs.cd, used, rtol=0, atol=1e-4 * np.abs(used).max())


def slice_wcs(wcs: WCS | None, item: tuple[slice, ...]) -> WCS | None:
    """Slice a WCS; a FITS WCS stays one, so that it can still be written to a header."""
    if wcs is None:
        return None
    if isinstance(wcs, WCS) and all(isinstance(s, slice) for s in item):
        return wcs[item]
    from astropy.wcs.wcsapi import HighLevelWCSWrapper, SlicedLowLevelWCS

    return HighLevelWCSWrapper(SlicedLowLevelWCS(getattr(wcs, "low_level_wcs", wcs), item))


def check_slices(item: object, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The two slices of a cut-out, checked to leave something of an image of this shape."""
    item = item if isinstance(item, tuple) else (item,)
    if not 1 <= len(item) <= 2 or not all(isinstance(s, slice) for s in item):
        raise InputError(f"cut out with one or two slices, image[y0:y1, x0:x1]; got {item!r}")
    if any(s.step not in (None, 1) for s in item):
        # A FITS WCS takes a step for a larger pixel, NDData for pixels left out: positions would be off.
        raise InputError(f"a cut-out takes every pixel, without a step; got {item!r}")
    item = item + (slice(None),) * (2 - len(item))
    if any(len(range(*s.indices(n))) == 0 for s, n in zip(item, shape, strict=True)):
        raise InputError(f"the cut-out {item!r} lies off the image, whose shape is {shape}")
    return item


def describe_centre(wcs: WCS | None, shape: tuple[int, ...]) -> str:
    """The position of the image's centre in words, or an empty text without celestial WCS."""
    if len(shape) != 2 or wcs is None or not getattr(wcs, "has_celestial", False):
        return ""
    centre = wcs.pixel_to_world((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    # Only right ascensions are told in hours.
    style = {"style": "hmsdms", "precision": 1} if hasattr(centre, "ra") else {"precision": 5}
    return f"centre {centre.to_string(**style)} ({centre.frame.name.upper()})"


class HasCard:
    """Shown as a card by notebooks."""

    def _repr_html_(self) -> str:
        from euclid_resolved.plotting._cards import card

        return card(self)


class Described(HasCard):
    """A text representation from a list of (what, value) rows."""

    def _rows(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        rows = "; ".join(f"{what} {value}" if what else value for what, value in self._rows() if value)
        return f"<{type(self).__name__} {rows}>"

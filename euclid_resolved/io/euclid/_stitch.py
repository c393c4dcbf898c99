"""Put pieces of one field, cut from several tiles, on one grid."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.images._align import align
from euclid_resolved.images._grid import pixels_on
from euclid_resolved.images._noise_record import correlation_of

if TYPE_CHECKING:
    from astropy.wcs import WCS

SAME_GRID = 0.01  # pixels; a closer agreement is not worth the blur of an interpolation


def _offset(piece, wcs):
    """Where the first pixel of a piece lies on a grid (row, column), or None where the grids differ."""
    ny, nx = piece.data.shape
    corners = np.array([0, nx - 1]), np.array([0, ny - 1])
    x, y = pixels_on(wcs, piece.wcs, *corners)
    row, column = round(float(y[0])), round(float(x[0]))
    off = max(np.max(np.abs(x - corners[0] - column)), np.max(np.abs(y - corners[1] - row)))
    return (row, column) if off <= SAME_GRID else None


def _windows(offset, size, shape):
    """The slices of a grid and of a piece on it where they overlap; empty where they do not."""
    low = [max(0, o) for o in offset]
    high = [max(a, min(n, o + m)) for a, n, o, m in zip(low, shape, offset, size, strict=True)]
    here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    there = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, offset, strict=True))
    return here, there


def _place(piece, wcs, shape):
    """A piece on the grid of the field: copied where the grids agree, else interpolated."""
    offset = _offset(piece, wcs)
    data, mask = np.full(shape, np.nan, np.float32), np.ones(shape, bool)
    if offset is None:
        field = NDData(data, unit=piece.unit, wcs=wcs, mask=mask)
        return align({"field": field, "piece": piece})["piece"]
    here, there = _windows(offset, piece.data.shape, shape)
    data[here], mask[here] = piece.data[there], piece.mask[there]
    error = None
    if piece.uncertainty is not None:
        error = np.full(shape, np.nan, np.float32)
        error[here] = piece.uncertainty.array[there]
        error = StdDevUncertainty(error)
    return NDData(data, unit=piece.unit, mask=mask, uncertainty=error, wcs=wcs, meta=piece.meta)


def uncovered(pieces: Iterable[NDData], wcs: WCS, shape: tuple[int, ...]) -> np.ndarray:
    """Where a field has no pixel of any piece, whether good or bad.

    Parameters
    ----------
    pieces : iterable of `~astropy.nddata.NDData`
    wcs : `~astropy.wcs.WCS`
        Of the field.
    shape : tuple of int

    Returns
    -------
    gap : `~numpy.ndarray` of bool
    """
    gap = np.ones(shape, bool)
    for piece in pieces:
        offset = _offset(piece, wcs)
        if offset is not None:
            gap[_windows(offset, piece.data.shape, shape)[0]] = False
        elif gap.any():
            y, x = np.nonzero(gap)
            px, py = pixels_on(piece.wcs, wcs, x, y)
            ny, nx = piece.data.shape
            inside = (px >= -0.5) & (px <= nx - 0.5) & (py >= -0.5) & (py <= ny - 0.5)
            gap[y[inside], x[inside]] = False
    return gap


def stitch(pieces: Collection[NDData], wcs: WCS, shape: tuple[int, ...]) -> NDData:
    """One image of several pieces: at each pixel the first that is good there.

    Parameters
    ----------
    pieces : list of `~astropy.nddata.NDData`
        float32, in one unit.
    wcs : `~astropy.wcs.WCS`
        Of the field.
    shape : tuple of int

    Returns
    -------
    image : `~astropy.nddata.NDData`
        NaN and masked where none is good. Its record of the noise is that of the first piece.
    """
    result = None
    for piece in pieces:
        try:
            new = _place(piece, wcs, shape)
        except InputError:  # it touches the field with less than a pixel
            continue
        if result is None:
            result = new
            continue
        better = np.asarray(result.mask) & ~np.asarray(new.mask)
        result.data[better], result.mask[better] = new.data[better], False
        if result.uncertainty is not None and new.uncertainty is not None:
            # One record holds for the whole image: averages of many pixels are as uncertain as they were.
            ratio = correlation_of(new.meta).sum() / correlation_of(result.meta).sum()
            result.uncertainty.array[better] = new.uncertainty.array[better] * np.float32(np.sqrt(ratio))
        elif better.any():
            result.uncertainty = None
    return result


def nearest(
    values: np.ndarray, wcs: WCS, field_wcs: WCS, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Integers of a window on another grid, without interpolation, and where there are any."""
    y, x = np.indices(shape)
    px, py = pixels_on(wcs, field_wcs, x, y)
    px, py = np.round(px).astype(int), np.round(py).astype(int)
    inside = (px >= 0) & (px < values.shape[1]) & (py >= 0) & (py < values.shape[0])
    new = np.zeros(shape, np.int64)
    new[inside] = values[py[inside], px[inside]]
    return new, inside

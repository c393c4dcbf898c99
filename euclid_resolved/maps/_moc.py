"""Which part of the sky has a value, as a multi-order coverage map (MOC)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from mocpy import MOC

FINEST = 29  # of the standard (MOC 2.0, IVOA Recommendation of 27 July 2022, section 2.1)
BLOCK = 1024  # pixels: side of what is looked at in one go
AT_ONCE = 2**19  # cells that are placed on the image in one go, about 200 bytes each
STEP = 32  # pixels between the points that find the first cells of a block
_LEVELS = 8  # how many orders coarser those are: 60 pixels wide at least, twice the step

# From the centre of a cell to the farthest corner, in square roots of its area: 1.044 is the most of
# astropy_healpix.boundaries_lonlat over all cells of order 6, and over 200,000 of order 10.
_REACH = 1.05


def cover(
    shape: tuple[int, ...],
    valued: Callable[[slice, slice], np.ndarray],
    wcs: Any,
    order: int | None = None,
    what: str = "the map",
) -> MOC:
    """The MOC of the pixels that have a value.

    A cell of the finest order belongs to it if its centre lies in such a pixel. Larger cells are taken or
    left as a whole where all pixels or none around them have one, so that time and memory go with the length
    of the edges, not with the number of pixels.

    Parameters
    ----------
    shape : tuple of int
        Of the image: rows, columns.
    valued : callable
        Gives, of a slice of rows and one of columns, a boolean array: True where there is a value.
    wcs : `~astropy.wcs.WCS` or None
    order : int, optional
        As for `euclid_resolved.SpatialMap.to_moc`.
    what : str, optional
        What the pixels belong to, for messages.

    Returns
    -------
    moc : `~mocpy.MOC`

    Raises
    ------
    InputError
        As `euclid_resolved.SpatialMap.to_moc`.
    """
    if order is not None:
        check_whole("order", order, 0)
    if order is not None and order > FINEST:
        raise InputError(f"order is a whole number from 0 to {FINEST}, got {order}")
    moc_class = import_moc()
    check_sky(wcs, what)
    own = _order_for(wcs, shape, what)
    finest = own if order is None else max(order, own)
    parts = []
    for top in range(0, shape[0], BLOCK):
        for left in range(0, shape[1], BLOCK):
            rows, columns = slice(top, min(top + BLOCK, shape[0])), slice(left, min(left + BLOCK, shape[1]))
            has = np.asarray(valued(rows, columns), dtype=bool)
            if has.any():
                cells, depths = _Block(has, left, top, wcs).cells(finest)
                parts.append(moc_class.from_healpix_cells(cells, depths, finest))
    if not parts:
        raise InputError(f"no pixel of {what} has a value: there is nothing to cover")
    moc = parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]
    # Coarser cells are kept where any part of them is covered, so that no pixel is lost.
    return moc if order is None or order >= own else moc.degrade_to_order(order)


def import_moc() -> type[MOC]:
    """The class of mocpy; one message where it is missing."""
    try:
        from mocpy import MOC
    except ImportError as error:
        raise InputError("the package mocpy is not installed (pip install euclid_resolved[moc])") from error
    return MOC


def check_sky(wcs: Any, what: str) -> None:
    """Refuse what has no place on the sky."""
    kinds = [str(kind) for kind in getattr(wcs, "world_axis_physical_types", None) or ()]
    if len(kinds) != 2 or not all(kind.startswith("pos.") for kind in kinds):
        raise InputError(f"{what} has no celestial WCS, so that its place on the sky is not known")


def _order_for(wcs, shape, what):
    """The coarsest order whose cells reach half a pixel at most."""
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    near = wcs.pixel_to_world([x - 0.5, x + 0.5, x, x], [y, y, y - 0.5, y + 0.5])
    if not isinstance(near, SkyCoord):
        raise InputError(f"{what} has no celestial WCS, so that its place on the sky is not known")
    side = min(near[0].separation(near[1]).rad, near[2].separation(near[3]).rad)
    if not (math.isfinite(side) and side > 0):
        raise InputError(f"{what}: its middle is not on the sky")
    # 12 * 4**order cells share the sphere.
    order = math.ceil(math.log2(math.sqrt(4 * math.pi / 12) * _REACH / (side / 2)))
    return min(max(order, 0), FINEST)


class _Block:
    """A block of pixels, and which cells lie in those of it that have a value."""

    def __init__(self, has, left, top, wcs):
        self.has, self.left, self.top, self.wcs = has, left, top, wcs
        # How many have one above and to the left of each corner: what a box holds takes four look-ups.
        self.sums = np.zeros((has.shape[0] + 1, has.shape[1] + 1), np.int32)
        np.cumsum(np.cumsum(has, axis=0, dtype=np.int32), axis=1, out=self.sums[1:, 1:])
        self.points, self.side = self._lattice()

    def _lattice(self):
        """Points all over the block, and the smallest side of a pixel between them, in radian."""
        height, width = self.has.shape
        x = self.left - 0.5 + np.linspace(0, width, 2 + width // STEP)
        y = self.top - 0.5 + np.linspace(0, height, 2 + height // STEP)
        sky = self.wcs.pixel_to_world(*np.meshgrid(x, y)).icrs
        unit = sky.cartesian.xyz.value
        dx, dy = x[1] - x[0], y[1] - y[0]
        moves = [
            (unit[:, :, 1:] - unit[:, :, :-1], dx),
            (unit[:, 1:] - unit[:, :-1], dy),
            (unit[:, 1:, 1:] - unit[:, :-1, :-1], math.hypot(dx, dy)),
            (unit[:, 1:, :-1] - unit[:, :-1, 1:], math.hypot(dx, dy)),
        ]
        sides = np.concatenate([np.ravel(np.sqrt((move**2).sum(axis=0)) / step) for move, step in moves])
        sides = sides[np.isfinite(sides) & (sides > 0)]
        return sky, float(sides.min()) if sides.size else np.inf

    def cells(self, finest):
        """Numbers (nested) and orders of the cells, none in another."""
        from astropy_healpix import HEALPix

        order = max(finest - _LEVELS, 0)
        grid = HEALPix(2**order, order="nested")
        lon, lat = np.ravel(self.points.ra), np.ravel(self.points.dec)
        known = np.isfinite(lon) & np.isfinite(lat)
        cells = np.unique(grid.lonlat_to_healpix(lon[known], lat[known]))
        with np.errstate(invalid="ignore"):  # of the corners where only three cells meet: seven neighbours
            cells = np.unique(np.append(grid.neighbours(cells), cells))
        cells = cells[cells >= 0]
        found, orders = [], []
        while cells.size:
            whole, split = self._judge(cells, order, last=order == finest)
            found.append(cells[whole])
            orders.append(np.full(len(found[-1]), order, np.uint8))
            cells = (cells[split][:, None] * 4 + np.arange(4)).ravel()
            order += 1
        return np.concatenate(found).astype(np.uint64), np.concatenate(orders)

    def _judge(self, cells, order, last):
        """Which cells belong to it as a whole, and which have to be split to know."""
        from astropy_healpix import HEALPix

        grid = HEALPix(2**order, order="nested")
        # A tenth more than it should be, for projections that stretch within the block.
        reach = 1.1 * _REACH * math.sqrt(4 * math.pi / 12) / 2**order / self.side
        whole, split = np.zeros(cells.size, bool), np.zeros(cells.size, bool)
        for start in range(0, cells.size, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            x, y = self.wcs.world_to_pixel(SkyCoord(*grid.healpix_to_lonlat(cells[part]), frame="icrs"))
            x, y = np.asarray(x) - self.left, np.asarray(y) - self.top
            if last:
                whole[part] = self._has(x, y)
            else:
                whole[part], split[part] = self._around(x, y, reach)
        return whole, split

    def _has(self, x, y):
        """Whether the pixel of each position has a value; none has outside of the block."""
        height, width = self.has.shape
        with np.errstate(invalid="ignore"):
            inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
        found = np.zeros(x.shape, bool)
        found[inside] = self.has[
            np.floor(y[inside] + 0.5).astype(np.intp), np.floor(x[inside] + 0.5).astype(np.intp)
        ]
        return found

    def _around(self, x, y, reach):
        """Whether all pixels of the box around each position have a value, and whether only some have."""
        height, width = self.has.shape
        known = np.isfinite(x) & np.isfinite(y)
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        low_x, high_x = np.floor(x - reach + 0.5), np.floor(x + reach + 0.5) + 1
        low_y, high_y = np.floor(y - reach + 0.5), np.floor(y + reach + 0.5) + 1
        left, right = (np.clip(side, 0, width).astype(np.intp) for side in (low_x, high_x))
        top, bottom = (np.clip(side, 0, height).astype(np.intp) for side in (low_y, high_y))
        sums = self.sums
        number = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        whole = known & (number == (high_x - low_x) * (high_y - low_y))
        # Off the projection nothing is known: the parts of such a cell may be on it.
        return whole, ~known | (~whole & (number > 0))

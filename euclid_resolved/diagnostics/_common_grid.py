"""Maps of one galaxy that were made in two ways, on one grid and in one unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.nddata import StdDevUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.images._pixels import pixel_scale, sky_matrix
from euclid_resolved.maps._properties import KNOWN, get_property
from euclid_resolved.maps._spatial_map import SpatialMap
from euclid_resolved.maps._true_map import true_map

if TYPE_CHECKING:
    from astropy.nddata import NDData

DENSITY = "stellar_mass_density"
_SAME_GRID = 0.01  # pixels, as for images: a closer agreement is not worth an average
_COARSER = 1.02  # by area: pixels of nearly one size stay those of the first maps
_ENOUGH = 0.5  # of the area of a pixel that must have a value, as in `resample`


@dataclass(frozen=True)
class Pair:
    """Two sets of maps on one grid.

    Attributes
    ----------
    maps, other : dict of str to `~euclid_resolved.SpatialMap`
        The properties that both have, in the units of the properties; masked where either has no positive
        value.
    grid : str
        How the pixels came to be those of one grid, as a sentence.
    """

    maps: dict[str, SpatialMap]
    other: dict[str, SpatialMap]
    grid: str

    def dex(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """log10 of both maps, NaN where masked."""
        pair = (self.maps[name], self.other[name])
        ours, others = (np.log10(np.where(np.asarray(map_.mask, bool), np.nan, map_.data)) for map_ in pair)
        return ours, others


def put_together(
    maps: Mapping[str, SpatialMap],
    other: Mapping[str, NDData],
    factors: Mapping[str, float] | None = None,
) -> Pair:
    """Put two sets of maps on one grid, that with the larger pixels.

    Parameters
    ----------
    maps, other, factors
        As for `compare_maps`.

    Returns
    -------
    pair : `Pair`

    Raises
    ------
    InputError
        If no property is in both, a map cannot be taken for one of the property, the maps do not overlap, or
        their pixels cannot be told apart for want of a WCS.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._common_grid import put_together
    >>> from euclid_resolved.testing import example_galaxies
    >>> maps = example_galaxies(1)[0].maps
    >>> print(put_together(maps, maps).grid)
    Neither the maps nor the other maps have a celestial WCS: pixels are compared one by one as they stand.
    """
    for what, given in (("maps", maps), ("other", other)):
        if not isinstance(given, Mapping):
            raise InputError(f"{what} must be a mapping of property to map, got {type(given).__name__}")
    names = [name for name in KNOWN if name in maps and name in other]
    if not names:
        there, beside = (", ".join(map(str, each)) or "none" for each in (maps, other))
        raise InputError(f"no property in common: the maps show {there}; the other maps show {beside}")
    sets = [_as_maps(maps), _as_maps(other, "the other map: ")]
    for name, factor in (factors or {}).items():
        if get_property(name).name in sets[1]:
            sets[1][name] = sets[1][name] * _checked(name, factor)
        else:
            raise InputError(f"a factor is given for {name}, which the other maps do not show")
    reference, grid = _reference(sets[0][names[0]], [sets[1][name] for name in names])
    scale = _scale(sets[0][names[0]], reference)
    maps_, others = (
        {name: _onto(each[name], each.get(DENSITY), reference, scale, grid) for name in names}
        for each in sets
    )
    for name in names:
        together = [each[name] for each in (maps_, others)]
        bad = np.any([np.asarray(map_.mask, bool) | ~(map_.data > 0) for map_ in together], axis=0)
        if bad.all():
            raise InputError(
                f"{name}: no pixel has a positive value in both maps; do they show the same place on the sky?"
            )
        for map_ in together:
            map_.mask = bad.copy()
    return Pair(maps_, others, grid)


def _as_maps(given, who=""):
    return {name: true_map(name, given[name], who.rstrip(": ")) for name in KNOWN if name in given}


def _checked(name, factor):
    if not (np.isscalar(factor) and np.isreal(factor) and np.isfinite(factor) and factor > 0):
        raise InputError(f"the factor of {name} must be a positive number, got {factor!r}")
    return float(factor)


def _pixel_on_sky(map_):
    """The area of a pixel in square degrees; None without a celestial WCS."""
    celestial = map_.wcs is not None and getattr(map_.wcs, "has_celestial", True)
    matrix = sky_matrix(map_.wcs, map_.data.shape) if celestial else None
    return None if matrix is None or not np.isfinite(matrix).all() else abs(np.linalg.det(matrix))


def _reference(map_, others):
    """The map whose grid all get, and how in words."""
    areas = [_pixel_on_sky(each) for each in (map_, *others)]
    if None in areas:
        shapes = {each.data.shape for each in (map_, *others)}
        if len(shapes) > 1:
            raise InputError(
                f"the maps have shapes {', '.join(map(str, sorted(shapes)))}, and not all have a celestial "
                "WCS, so that nobody knows which pixels show the same place"
            )
        which = "Neither the maps nor the other maps have" if not any(areas) else "Some of the maps lack"
        return map_, f"{which} a celestial WCS: pixels are compared one by one as they stand."
    best, best_area, whose = map_, areas[0], "the maps"
    for each, area in zip(others, areas[1:], strict=True):
        if area > _COARSER * best_area:
            best, best_area, whose = each, area, "the other maps"
    if all(_same_grid(best, each) for each in (map_, *others)):
        return best, "All maps have the same pixels."
    side = 3600 * np.sqrt(best_area)
    return best, (
        f"Averaged over the pixels of {whose}, {side:.3g} arcsec wide; each needs values over half of its "
        "area."
    )


def _same_grid(reference, map_):
    shape = reference.data.shape
    if reference is map_:
        return True
    return map_.data.shape == shape and corner_offset(reference.wcs, map_.wcs, shape) <= _SAME_GRID


def _scale(map_, reference):
    """The side of a pixel of the common grid, a length where that of the maps is one."""
    scale, areas = pixel_scale(map_), [_pixel_on_sky(each) for each in (reference, map_)]
    return scale if None in areas else scale * np.sqrt(areas[0] / areas[1])


def _onto(map_, density, reference, scale, grid):
    """A map on the grid of another; what is a mean over stars is weighted with their density."""
    sigma = None if map_.uncertainty is None else np.asarray(map_.uncertainty.array, float)
    data, wcs = map_.quantity.value.astype(float), reference.wcs
    if "pixels are compared" not in grid and not _same_grid(reference, map_):
        weight = np.ones(data.shape)
        if density is not None and not map_.property.density and density.data.shape == data.shape:
            weight = density.quantity.value.astype(float)
        data, sigma = _averaged(map_, data, weight, sigma, reference)
    return SpatialMap(
        data,
        property=map_.property,
        unit=map_.unit,
        mask=~np.isfinite(data),
        wcs=wcs,
        uncertainty=None if sigma is None else StdDevUncertainty(sigma),
        meta={"pixel_scale": scale},
    )


def _averaged(map_, data, weight, sigma, reference):
    from reproject import reproject_exact

    good = np.isfinite(data) & (weight > 0)
    weight = np.where(good, weight, 0.0)
    # Bad pixels have no weight; NaN times zero would still be NaN.
    planes = [weight * np.where(good, data, 0.0), weight, good.astype(float)]
    if sigma is not None:
        # The errors are averaged as those that neighbours share, which do not fall.
        planes.append(weight * np.where(good, sigma, 0.0))
    shape = reference.data.shape
    try:
        new, footprint = reproject_exact((np.array(planes), map_.wcs), reference.wcs, shape_out=shape)
    except Exception as error:  # each WCS implementation raises its own
        raise InputError(f"{map_.label}: the maps cannot be put on one grid: {error}") from error
    with np.errstate(divide="ignore", invalid="ignore"):
        bad = ~(np.nan_to_num(new[2]) * footprint[2] >= _ENOUGH - 1e-6)
        data = np.where(bad, np.nan, new[0] / new[1])
        sigma = None if sigma is None else np.where(bad, np.nan, new[3] / new[1])
    return data, sigma

"""Maps of a galaxy beside maps of the same galaxy that were made otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.diagnostics._common_grid import DENSITY, Pair, put_together
from euclid_resolved.diagnostics._contract import finish
from euclid_resolved.diagnostics._profiles import bin_width_of
from euclid_resolved.diagnostics._relation_fit import FORMS, fit_relation
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale, pixel_sides
from euclid_resolved.images._positions import axis_ratio
from euclid_resolved.maps._profiles import inside
from euclid_resolved.maps._properties import KNOWN
from euclid_resolved.maps._region_pixels import elliptical_radius
from euclid_resolved.maps._region_shapes import shapes_of
from euclid_resolved.maps._regions import mean
from euclid_resolved.models._metrics import nmad, pearson

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.nddata import NDData
    from astropy.table import QTable

    from euclid_resolved.maps._region_shapes import RegionLike
    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["compare_maps"]

METALLICITY = "stellar_metallicity"
_BLOCKS = 36  # about as many squares of pixels as are drawn again for errors
_FEWEST_BLOCKS = 5  # of fewer no error is told
_FEWEST_RINGS = 5  # a profile of fewer annuli of the paper's width has narrower ones
_IN_DEX = (
    "maps",
    "maps_error",
    "other",
    "offset",
    "offset_error",
    "scatter",
    "scatter_error",
    "stated_error",
)
_NO_DIFFERENCE = dict.fromkeys(
    ("offset", "offset_error", "scatter", "scatter_error", "correlation", "correlation_error"), np.nan
)


def compare_maps(
    maps: Mapping[str, SpatialMap],
    other: Mapping[str, NDData],
    *,
    factors: Mapping[str, float] | None = None,
    regions: RegionLike | Mapping[str, RegionLike] | None = None,
    bin_width: u.Quantity | str | float | None = None,
    centre: SkyCoord | Sequence[float] | None = None,
    position_angle: u.Quantity | float = 0.0,
    inclination: u.Quantity | float = 0.0,
    bootstrap: int = 200,
    seed: int = 1,
) -> dict[str, QTable]:
    """Compare maps with maps of the same galaxy made otherwise, for example by SED fitting.

    All differences are log10 of `maps` less log10 of `other`. Neither of them is taken to be the truth.

    Parameters
    ----------
    maps : mapping of str to `~euclid_resolved.SpatialMap`
        By name of the property.
    other : mapping of str to `~astropy.nddata.NDData`, `~euclid_resolved.SpatialMap` or \
`~astropy.units.Quantity`
        By name of the property. The unit may be a logarithmic one, as ``u.dex(u.Msun / u.kpc**2)``. With
        other pixels a celestial WCS is needed: maps with smaller pixels are averaged over the larger ones,
        densities by area, metallicity and age by density where the same set has it. The point spread
        functions are not matched.
    factors : mapping of str to float, optional
        What the other map of a property is multiplied by, for example to turn masses of its initial mass
        function into those of `maps`. Nothing is converted without it.
    regions : region or mapping of str to region, optional
        Compare each of them: by name, or the shapes of a DS9 file; see
        `~euclid_resolved.maps.region_weights`. Pixels at least half inside count.
    bin_width : `~astropy.units.Quantity`, str or float, optional
        Width of the annuli; a number is in kpc. Without it 1.5 kpc (the paper's) where the pixel scale is a
        length and pixels with values reach five annuli or farther, else a tenth of how far they reach.
    centre, position_angle, inclination : optional
        As for `~euclid_resolved.maps.radial_profile`.
    bootstrap : int, optional
        Samples drawn for the errors. Neighbouring pixels are alike, so that square blocks of pixels are drawn
        and not pixels: about 36 over the pixels compared. What is alike over more than a block, as an error
        of a zero point, is not in these errors. They are NaN for fewer than five blocks.
    seed : int, optional

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        ``pixels`` (a row a property), ``profile`` (a row a property and annulus), ``regions`` (a row a
        property and region, where regions are given) and ``rmzr`` (where both have density and metallicity).
        The first three have ``n_pixels``; ``offset``, the median difference; ``scatter``, the normalised
        median absolute deviation of the differences; ``correlation``, Pearson's; and an ``_error`` of each.
        ``pixels`` has ``stated_error``, the median of the errors that the maps state, added in quadrature
        (NaN where neither does). ``profile`` has the median of either map, ``regions`` the mean by area with
        the error of `maps`. All are in dex, log10 of the units in ``meta["units"]``. ``rmzr`` has the
        parameters of each form of the resolved mass-metallicity relation of either set; see
        `fit_relation`. ``meta["grid"]`` says how the pixels came together.

    Raises
    ------
    InputError
        If no property is in both, units or pixels cannot be brought together, the maps do not overlap, or a
        region lies off them.

    Examples
    --------
    >>> from euclid_resolved.diagnostics import compare_maps
    >>> from euclid_resolved.testing import example_galaxies
    >>> maps = example_galaxies(1)[0].maps
    >>> table = compare_maps(maps, {"stellar_age": maps["stellar_age"] * 2}, bootstrap=20)["pixels"]
    >>> print(table["property", "offset", "scatter", "correlation"])
      property   offset scatter correlation
                   dex    dex
    ----------- ------- ------- -----------
    stellar_age -0.3010  0.0000      1.0000
    """
    pair = put_together(maps, other, factors)
    options = {"centre": centre, "position_angle": position_angle, "inclination": inclination}
    return tables_of(pair, regions, bin_width, options, bootstrap, seed)


def tables_of(
    pair: Pair, regions: object, bin_width: object, options: dict, bootstrap: int, seed: int
) -> dict[str, QTable]:
    """The tables of `compare_maps`, of maps that are on one grid."""
    check_whole("bootstrap", bootstrap, 0)
    check_whole("seed", seed, 0)
    how = {"bootstrap": bootstrap, "seed": seed}
    tables = {"pixels": _pixels(pair, how), "profile": _profile(pair, bin_width, options, how)}
    if regions is not None:
        tables["regions"] = _regions(pair, regions, how)
    if {DENSITY, METALLICITY} <= set(pair.maps):
        tables["rmzr"] = _relation(pair, how)
    units = {name: str(KNOWN[name].unit) or "1" for name in pair.maps}
    for table in tables.values():
        for name in set(table.colnames) & set(_IN_DEX):
            table[name] = table[name] * u.dex
            table[name].info.format = ".4f"
        table.meta |= {"grid": pair.grid, "units": units, "block": _side(pair, next(iter(pair.maps)))}
    return tables


def _side(pair, name):
    """The side of the blocks that are drawn, in pixels."""
    return max(int(np.ceil(np.sqrt(np.count_nonzero(~pair.maps[name].mask) / _BLOCKS))), 1)


def _blocks(pair, name):
    """The number of the block that each pixel belongs to."""
    side, (ny, nx) = _side(pair, name), pair.maps[name].shape
    return (np.arange(ny) // side)[:, None] * (nx // side + 1) + (np.arange(nx) // side)[None, :]


def _differences(x, y, blocks, bootstrap, seed):
    """Offset, scatter and correlation of pixels, with errors by drawing blocks of them again."""
    best = _three(x, y)
    errors = np.full(3, np.nan)
    numbers, block = np.unique(blocks, return_inverse=True)
    if len(numbers) >= _FEWEST_BLOCKS and bootstrap > 1:
        parts = np.split(np.argsort(block, kind="stable"), np.cumsum(np.bincount(block))[:-1])
        rng, drawn = np.random.default_rng(seed), []
        for _ in range(bootstrap):
            chosen = np.concatenate([parts[i] for i in rng.integers(0, len(parts), len(parts))])
            drawn.append(_three(x[chosen], y[chosen]))
        errors = np.std(drawn, axis=0, ddof=1)
    row = {}
    for name, value, error in zip(("offset", "scatter", "correlation"), best, errors, strict=True):
        row |= {name: value, f"{name}_error": float(error)}
    return row


def _three(x, y):
    return float(np.median(x - y)), nmad(x, y) if len(x) > 1 else np.nan, pearson(x, y)


def _pixels(pair, how):
    rows = []
    for name in pair.maps:
        x, y = pair.dex(name)
        known = np.isfinite(x)
        row = {"property": name, "n_pixels": int(known.sum())}
        row |= _differences(x[known], y[known], _blocks(pair, name)[known], **how)
        rows.append(row | {"stated_error": _stated(pair, name, known)})
    return finish(rows)


def _stated(pair, name, known):
    """The median of the errors that the maps state, in dex; NaN where neither does."""
    maps = [each[name] for each in (pair.maps, pair.other) if each[name].uncertainty is not None]
    errors = [map_.uncertainty.array[known] / map_.data[known] / np.log(10) for map_ in maps]
    together = np.hypot.reduce(errors) if errors else np.array([np.nan])
    finite = together[np.isfinite(together)]
    return float(np.median(finite)) if finite.size else np.nan


def _profile(pair, bin_width, options, how):
    rows, unit = [], None
    ratio = axis_ratio(options["inclination"])
    for name, map_ in pair.maps.items():
        x, y = pair.dex(name)
        blocks, known, scale = _blocks(pair, name), np.isfinite(x), pixel_scale(map_)
        reach = float(np.max((pixel_sides(map_) / scale).value * map_.shape[::-1])) / 2
        unit = u.kpc if scale.unit.is_equivalent(u.kpc) else scale.unit
        everywhere = np.ones(map_.shape)
        radius = elliptical_radius(map_, everywhere, options["centre"], options["position_angle"], ratio)
        filled = min(reach, max(float(radius[~each.mask].max()) for each in pair.maps.values()))
        width = _width(bin_width, scale, filled)
        ring = np.floor(radius / width).astype(int)
        # As in `radial_profile`, corners beyond the last annulus are left out.
        for i in np.unique(ring[known & (ring < np.ceil(reach / width))]):
            here = known & (ring == i)
            row = {"property": name, "radius": ((i + 0.5) * width * scale).to_value(unit)}
            row |= {"n_pixels": int(here.sum()), "maps": np.median(x[here]), "other": np.median(y[here])}
            rows.append(row | _differences(x[here], y[here], blocks[here], **how))
    table = finish(rows)
    table["radius"] = table["radius"] * unit
    table["radius"].info.format = ".4g"
    return table


def _width(bin_width, scale, filled):
    """The width of an annulus in pixels; `filled` is the radius to which pixels have values."""
    width = bin_width_of(bin_width, scale)
    try:
        width = None if width is None else (width / scale).to_value(u.one)
    except u.UnitConversionError:
        raise InputError(f"bin_width {bin_width} does not fit a pixel of {scale}") from None
    if width is None or (bin_width is None and width > filled / _FEWEST_RINGS):
        width = max(filled / 10, 1.0)
    if not width > 0:
        raise InputError(f"bin_width must be positive, got {bin_width}")
    return width


def _regions(pair, regions, how):
    rows = []
    for label, where in _named(regions).items():
        for name, map_ in pair.maps.items():
            x, y = pair.dex(name)
            here = inside(map_, where) & np.isfinite(x)
            row = {"property": name, "region": label, "n_pixels": int(here.sum())}
            row |= dict.fromkeys(("maps", "maps_error", "other"), np.nan)
            if here.any():
                ours, others = (mean(each[name], here) for each in (pair.maps, pair.other))
                row["maps"], row["other"] = (float(np.log10(each.value.value)) for each in (ours, others))
                row["maps_error"] = float((ours.error / ours.value).value / np.log(10))
                row |= _differences(x[here], y[here], _blocks(pair, name)[here], **how)
            else:
                row |= _NO_DIFFERENCE
            rows.append(row)
    return finish(rows)


def _named(regions):
    """Regions by name; of several shapes each is one, less what is excluded."""
    if isinstance(regions, Mapping):
        return dict(regions)
    if isinstance(regions, np.ndarray):
        return {"1": regions}
    shapes = shapes_of(regions)
    named = {}
    for i, shape in enumerate(shapes.included, 1):
        label = str(shape.meta.get("text") or shape.meta.get("label") or i)
        label = f"{label} ({i})" if label in named else label
        named[label] = [shape, *shapes.excluded]
    return named or {"1": regions}


def _relation(pair, how):
    solar = np.log10(KNOWN[METALLICITY].zero_point)
    density, metallicity = (pair.dex(name) for name in (DENSITY, METALLICITY))
    known = np.isfinite(density[0]) & np.isfinite(metallicity[0])
    if not known.any():
        raise InputError("no pixel has both density and metallicity, so that there is no relation")
    blocks, rows = _blocks(pair, DENSITY)[known], []
    for i, which in enumerate(("maps", "other")):
        for form in FORMS:
            x, y = density[i][known], metallicity[i][known] - solar
            values, errors = fit_relation(x, y, blocks, form, **how)
            rows += [
                {"of": which, "form": form, "quantity": key, "value": value, "error": errors[key]}
                for key, value in values.items()
            ]
    return finish(rows)

"""A catalogue of many images: what `measure` and `profile` find in each file of maps, in two tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Column, Table

from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.maps._properties import PROPERTIES, Property
from euclid_resolved.maps._spatial_map import Quality

if TYPE_CHECKING:
    from euclid_resolved.maps._spatial_map import SpatialMap

_PROFILE = ("radius", "median", "error", "p16", "p84")


def measure_maps(maps: Mapping[str, SpatialMap]) -> dict[str, Any]:
    """What a catalogue says of the maps of one image.

    Parameters
    ----------
    maps : dict of str to `~euclid_resolved.SpatialMap`
        As `euclid_resolved.read` gives them.

    Returns
    -------
    measured : dict
        Plain numbers and text: ``row``, by column of the catalogue but for the name, and ``profiles``, the
        rows of the table of profiles.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.survey._catalogue import measure_maps
    >>> ages = SpatialMap(np.full((20, 20), 5.0), property="stellar_age")
    >>> row = measure_maps({"stellar_age": ages})["row"]
    >>> float(row["stellar_age"]), row["n_pixels"]
    (5.0, 400)
    """
    first = next(iter(maps.values()))
    good = np.isfinite(first.quantity.value)  # NaN where masked
    bits = first.quality[good]
    row: dict[str, Any] = dict(zip(("ra", "dec"), _middle(first), strict=True))
    limits = []
    density = next((map_ for map_ in maps.values() if map_.property and map_.property.density), None)
    for map_ in maps.values():
        prop = map_.property
        if prop is None:
            continue
        value = _total_or_mean(map_, prop, density) if good.any() else None
        name, unit = _column(prop)
        row[name] = np.nan if value is None else value.value.to_value(unit)
        row[f"{name}_err"] = np.nan if value is None else value.error.to_value(unit)
        limits.append(value is not None and value.lower_limit)
    row |= {
        "err_lower_limit": any(limits),
        "n_pixels": int(good.sum()),
        "masked": 1 - float(good.mean()),
        "flagged": float((bits & Quality.OUT_OF_DOMAIN != 0).mean()) if bits.size else 0.0,
        "quality": sum(int(bit) for bit in Quality if bits.size and (bits & bit != 0).mean() >= 0.5),
    }
    return {"row": row, "profiles": [each for map_ in maps.values() for each in _profile(map_)]}


def _middle(map_):
    """Right ascension and declination of the middle of a map, ICRS, degrees; NaN without a celestial WCS."""
    if not getattr(map_.wcs, "has_celestial", False):
        return np.nan, np.nan
    ny, nx = map_.data.shape
    sky = map_.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
    return float(sky.ra.deg), float(sky.dec.deg)


def _total_or_mean(map_, prop, density):
    """The total of a density, if the length of a pixel is known; of all else the mean by mass, or by area."""
    # Here, since regions loads Matplotlib.
    from euclid_resolved.maps._regions import mean, total

    if prop.density:
        return total(map_) if pixel_scale(map_).unit.is_equivalent(u.pc) else None
    return mean(map_, weights=density)


def _column(prop: Property) -> tuple[str, u.UnitBase]:
    """The column of a property, and its unit: a density becomes what it is the density of."""
    if prop.density:
        return prop.name.removesuffix("_density"), prop.unit * u.pc**2
    return prop.name, prop.unit


def _profile(map_):
    """The rings of a map that have a pixel with a value."""
    if map_.property is None:
        return []
    from euclid_resolved.maps._profiles import radial_profile

    table = radial_profile(map_)
    unit = table["radius"].unit
    values = zip(*(table[name].value.tolist() for name in _PROFILE), table["n_pixels"].tolist(), strict=True)
    return [(map_.property.name, unit.to_string(), *each) for each in values if each[-1]]


def catalogue_paths(path: str | Path) -> tuple[Path, Path]:
    """The files of a catalogue: the one that was named, and that of the profiles beside it."""
    path = Path(path)
    return path, path.with_name(f"{path.stem}_profiles{path.suffix}")


def catalogue_tables(
    properties: Iterable[str], measured: Sequence[tuple[str, Mapping[str, Any]]], model: str
) -> tuple[Table, Table]:
    """The tables of a catalogue.

    Parameters
    ----------
    properties : iterable of str
        Of the model, in its order.
    measured : sequence of (str, dict)
        Name of each image and what `measure_maps` gave.
    model : str
        Its digest.

    Returns
    -------
    catalogue : `~astropy.table.Table`
        A row an image.
    profiles : `~astropy.table.Table`
        A row for each image, property and ring.
    """
    known = [PROPERTIES[name] for name in PROPERTIES if name in set(properties)]
    weighted = any(prop.density for prop in known)
    columns: list[tuple[str, Any, Any, str]] = [
        ("name", str, None, "of the image"),
        ("ra", float, u.deg, "right ascension of the middle of the image, ICRS"),
        ("dec", float, u.deg, "declination of the middle of the image, ICRS"),
    ]
    for prop in known:
        name, unit = _column(prop)
        what = f"{'mean by mass' if weighted else 'mean by area'} of pixels with a value: {prop.label}"
        if prop.density:
            what = f"sum over pixels with a value: {prop.label}; NaN where no length of a pixel is known"
        columns += [
            (name, float, unit, what),
            (f"{name}_err", float, unit, "one sigma, with what all pixels share"),
        ]
    columns += [
        ("err_lower_limit", bool, None, "errors are lower limits: what pixels share is not known"),
        ("n_pixels", int, None, "pixels with a value"),
        ("masked", float, None, "fraction of the pixels without a value"),
        ("flagged", float, None, "fraction of the pixels with a value that is OUT_OF_DOMAIN"),
        ("quality", int, None, "quality bits that at least half of the pixels with a value have"),
    ]
    meta = {"creator": f"euclid_resolved {__version__}", "model": model}
    rows = [{"name": name, **found["row"]} for name, found in measured]
    catalogue = _table([[row[name] for row in rows] for name, *_ in columns], columns, meta)
    columns = [
        ("name", str, None, "of the image"),
        ("property", str, None, "of the map"),
        ("radius_unit", str, None, "unit of the radius"),
        ("radius", float, None, "middle of a circular ring around the middle of the image"),
        ("median", float, None, "of the pixels with a value"),
        ("error", float, None, "one sigma of the median, with what all pixels share"),
        ("p16", float, None, "16th percentile of the pixels"),
        ("p84", float, None, "84th percentile of the pixels"),
        ("n_pixels", int, None, "pixels of the ring with a value"),
        ("unit", str, None, "unit of median, error and percentiles"),
    ]
    units = {prop.name: prop.unit.to_string() for prop in known}
    lines = [(name, *each, units[each[0]]) for name, found in measured for each in found["profiles"]]
    profiles = _table([[line[i] for line in lines] for i in range(len(columns))], columns, meta)
    return catalogue, profiles


def _table(values, columns, meta):
    made = [
        Column(each, name=name, dtype=kind if each or kind is not str else "U1", unit=unit, description=text)
        for each, (name, kind, unit, text) in zip(values, columns, strict=True)
    ]
    return Table(made, meta=meta)


def check_catalogue(path: str | Path) -> None:
    """Refuse a name whose ending is no format, and Parquet where it cannot be written."""
    ending = Path(path).suffix.lower()
    if ending not in (".ecsv", ".parquet"):
        raise InputError(f"a catalogue is written to a file that ends in .ecsv or .parquet, got {path}")
    if ending == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"{path}: Parquet needs pyarrow ({error}): pip install 'euclid_resolved[parquet]', or choose "
                "a name that ends in .ecsv"
            ) from None

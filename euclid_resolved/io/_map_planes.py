"""What of maps is written, whatever the format: planes in one order, of one shape, under one name each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.maps._properties import KNOWN
from euclid_resolved.maps._spatial_map import PLANES, SpatialMap

RESERVED = {"QUALITY", "BINS", "PRIMARY"}
ERROR = "_ERR"
ENDINGS = {f"_{name.upper()}": name for name in PLANES}
"""What stands behind the name of a map in that of its further planes, and their name in a map."""


def named_maps(maps: dict[str, SpatialMap] | Sequence[SpatialMap] | SpatialMap) -> dict[str, SpatialMap]:
    """Maps by name, in the order of the file, checked to be writable together under these names.

    Parameters
    ----------
    maps : dict of str to `~euclid_resolved.SpatialMap`, or sequence, or one map

    Returns
    -------
    named : dict of str to `~euclid_resolved.SpatialMap`
        Stellar mass, metallicity and age first, others in the order given.

    Raises
    ------
    InputError
        If there is no map, or shapes, names or quality bits do not go into one file.
    """
    pairs: list[tuple[str, SpatialMap]]
    if not isinstance(maps, dict):
        every: Sequence[Any] = maps if isinstance(maps, list | tuple) else [maps]
        given = [getattr(m, "meta", {}).get("property") for m in every]
        pairs = [(name or f"map{i}", m) for i, (name, m) in enumerate(zip(given, every, strict=True))]
    else:
        pairs = [(str(name), m) for name, m in maps.items()]
    if not pairs or not all(isinstance(m, SpatialMap) for _, m in pairs):
        raise InputError(
            "files of maps take a SpatialMap, or a list or dict of them; all else goes into .asdf"
        )
    names = [name.upper() for name, _ in pairs]
    endings = (ERROR, *ENDINGS)
    wrong = [n for n in names if n in RESERVED or n.endswith(endings) or names.count(n) > 1]
    wrong += [n for n in names if not re.fullmatch(r"[!-~]([ -~]{0,58}[!-~])?", n)]
    if wrong:
        raise InputError(f"a map cannot be called {wrong[0]!r} in a file of maps, or two maps are")
    order = {name: i for i, name in enumerate(KNOWN)}
    named = dict(sorted(pairs, key=lambda pair: order.get(pair[0], len(order))))
    shape = next(iter(named.values())).data.shape
    for name, one in named.items():
        if one.data.shape != shape or len(shape) != 2:
            raise InputError(f"maps of one 2-D shape are needed; {name} has {one.data.shape}, not {shape}")
        if not 0 <= one.quality.min() <= one.quality.max() < 2**31:
            raise InputError(f"{name}: the bits of the quality plane do not fit 31-bit integers")
    return named


def planes_in(
    named: dict[str, SpatialMap], order: Literal[">", "="] = ">"
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield the planes of maps as they are written.

    Parameters
    ----------
    named : dict of str to `~euclid_resolved.SpatialMap`
        From `named_maps`.
    order : str, optional
        Of the bytes: ``">"`` as FITS has them, ``"="`` for this machine's.

    Yields
    ------
    name : str
        Of the map; empty for planes that all maps share.
    kind : str
        ``"values"``, ``"uncertainty"`` (one sigma), a name of `PLANES`; ``"bins"`` and ``"quality"`` last.
    values : `~numpy.ndarray`
        Floats, at least float32, NaN where masked; bins and quality int32.

    Raises
    ------
    InputError
        If an uncertainty cannot be told as one sigma in the map's unit.
    """
    for name, kind in kinds_in(named):
        if kind == "values":
            yield name, kind, _floats(named[name].data, named[name].mask, order)
        elif kind == "uncertainty":
            yield name, kind, _floats(_one_sigma(name, named[name]), None, order)
        elif kind in PLANES:
            yield name, kind, _floats(named[name].planes[kind], None, order)
        else:
            whole = np.dtype(np.int32).newbyteorder(order)
            yield name, kind, (_quality(named) if kind == "quality" else _bins(named)).astype(whole)


def kinds_in(named: dict[str, SpatialMap]) -> list[tuple[str, str]]:
    """The name and the kind of each plane that `planes_in` yields, in its order."""
    found = []
    for name, one in named.items():
        found += [(name, "values")]
        found += [(name, "uncertainty")] if _has_sigma(one) else []
        found += [(name, kind) for kind in PLANES if kind in one.planes]
    return [*found, *([("", "bins")] if _bins(named) is not None else []), ("", "quality")]


def _quality(named):
    """The bits of all maps together."""
    quality = np.zeros(next(iter(named.values())).data.shape, np.int32)
    for one in named.values():
        quality |= one.quality.astype(np.int32, copy=False)
    return quality


def _bins(named):
    """The numbers of bins of the first map that has such, or None."""
    shape = next(iter(named.values())).data.shape
    return next((m.meta["bins"] for m in named.values() if np.shape(m.meta.get("bins")) == shape), None)


def _has_sigma(one):
    return one.uncertainty is not None and one.uncertainty.array is not None


def _one_sigma(name, one):
    """The uncertainty of a map as one sigma in its unit."""
    sigma, unit = one.uncertainty, one.unit or u.dimensionless_unscaled
    try:
        if not isinstance(sigma, StdDevUncertainty):  # astropy would square it and take the root again
            sigma = sigma.represent_as(StdDevUncertainty)
        factor = 1 if sigma.unit is None else sigma.unit.to(unit)
    except (TypeError, u.UnitConversionError) as error:
        raise InputError(f"{name}: its uncertainty cannot be told as one sigma in {unit}") from error
    array = np.broadcast_to(sigma.array, one.data.shape)
    return array if factor == 1 else array * factor


def _floats(data, mask, order):
    """Floats with NaN where masked; single precision unless the map has more."""
    # In the byte order of the file: astropy would swap it to and fro for the sums and again for the file.
    values = np.array(data, dtype=np.result_type(data.dtype, np.float32).newbyteorder(order), order="C")
    if mask is not None:
        values[np.broadcast_to(mask, values.shape)] = np.nan
    return values

"""What commands print with ``--json``: plain numbers, each with its unit, and nothing that is not JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """A value as JSON knows it.

    Parameters
    ----------
    value : object
        A quantity becomes ``{"value": ..., "unit": ...}``, a table ``{"units": {...}, "rows": [...]}`` in
        which every column that has a unit has it under ``units``. NaN and infinity become null, which JSON
        has, and so does what is masked. A dataclass becomes a dict of its fields.

    Returns
    -------
    value : dict, list, str, int, float, bool or None

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.cli._json import plain
    >>> plain({"total": 3 * u.Msun, "error": float("nan")})
    {'total': {'value': 3.0, 'unit': 'solMass'}, 'error': None}
    """
    import numpy as np
    from astropy.table import Table
    from astropy.units import Quantity, UnitBase

    if isinstance(value, Table):
        return _plain_table(value)
    if isinstance(value, Quantity):
        return {"value": plain(value.value), "unit": _unit(value.unit)}
    if isinstance(value, UnitBase):
        return _unit(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if value is np.ma.masked:
        return None
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return str(value) if not isinstance(value, Path) else value.as_posix()


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(plain(value), indent=2, allow_nan=False))


def _plain_table(table):
    units = {name: _unit(table[name].unit) for name in table.colnames if table[name].unit is not None}
    columns = {name: plain(getattr(table[name], "value", table[name])) for name in table.colnames}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {"units": {name: unit for name, unit in units.items() if unit}, "rows": rows}


def _unit(unit):
    return "" if unit is None else str(unit)

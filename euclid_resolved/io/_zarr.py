"""Maps as a Zarr group: chunks that are fetched one by one, as xarray and clouds of files expect them."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError
from euclid_resolved.io._files import check_parent
from euclid_resolved.io._fits import plane_header
from euclid_resolved.io._leftovers import sweep, temporary_name
from euclid_resolved.io._map_planes import ENDINGS, ERROR, named_maps, planes_in
from euclid_resolved.maps._properties import KNOWN
from euclid_resolved.maps._spatial_map import PLANES, Quality, SpatialMap

CHUNK = 512
"""Pixels on a side of a chunk: 1 MiB of float32."""

_ENDING = {"values": "", "uncertainty": ERROR.lower(), **{kind: end.lower() for end, kind in ENDINGS.items()}}
_MEANING = {"uncertainty": "one sigma", **PLANES}
_SIGNS = {"zarr.json", ".zgroup"}  # by which a folder is known to be a group


def check_zarr(path: str | Path, overwrite: bool = False) -> Path:
    """The folder behind a path, after it was made sure that a Zarr group may be written there.

    Parameters
    ----------
    path : path-like
        Ends in ``.zarr``.
    overwrite : bool, optional
        Whether an older group may be replaced.

    Returns
    -------
    target : `~pathlib.Path`

    Raises
    ------
    InputError
        If Zarr is not installed or too old, there is no such folder to write in, or something has that name
        that is no group or may not be replaced.
    """
    try:
        from zarr import create_array  # noqa: F401  # not in Zarr 2
    except ImportError as error:
        raise InputError(
            f"{path}: Zarr is not installed, or older than 3 ({error}): pip install 'euclid_resolved[zarr]', "
            "or choose a name that ends in .fits"
        ) from None
    target = check_parent(path)
    if os.path.lexists(target):
        if not (target.is_dir() and any((target / sign).is_file() for sign in _SIGNS)):
            raise InputError(f"{path}: it exists and is no Zarr group")
        if not overwrite:
            raise InputError(f"{path}: the group exists; to replace it say overwrite=True (--overwrite)")
    return target


def write_zarr(
    path: str | Path,
    maps: dict[str, SpatialMap] | Sequence[SpatialMap] | SpatialMap,
    *,
    overwrite: bool = False,
) -> None:
    """Write maps as a Zarr group of format 3; see `euclid_resolved.write`.

    Each plane is an array of chunks of 512 x 512 pixels with the dimensions y and x, losslessly compressed.
    Names of attributes are those of the CF conventions where these have one. ``fits_header`` is the header
    that the plane has in a FITS file, a line for each card, with the WCS.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Ends in ``.zarr``; becomes a folder.
    maps : dict of str to `~euclid_resolved.SpatialMap`, or sequence, or one map
    overwrite : bool, optional
        Replace a group of that name. A folder that is none is never replaced.

    Raises
    ------
    InputError
        If the maps do not go into one file, a name cannot be that of an array, or for what `check_zarr`
        refuses.
    """
    target, named = check_zarr(path, overwrite), named_maps(maps)
    wrong = [name for name in named if "/" in name or name.startswith((".", "__"))]
    if wrong:
        raise InputError(f"a map cannot be called {wrong[0]!r} in a Zarr group")
    sweep(target.parent)
    temporary = target.with_name(temporary_name(".zarr"))
    try:
        _write(temporary, named)
        _put_in_place(temporary, target, path, overwrite)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(folder, named):
    """A whole group."""
    import zarr

    group = zarr.open_group(str(folder), mode="w-", zarr_format=3)
    first = next(iter(named.values()))
    for name, kind, values in planes_in(named, "="):
        array = group.create_array(
            name + _ENDING[kind] if name else kind,
            shape=values.shape,
            dtype=values.dtype,
            chunks=tuple(min(CHUNK, n) for n in values.shape),
            fill_value=np.nan if values.dtype.kind == "f" else 0,  # chunks full of it take no room
            dimension_names=("y", "x"),
            attributes=_attributes(name, kind, named.get(name, first), values),
        )
        array[:] = values
    group.attrs.update({"creator": f"euclid_resolved {__version__}", "maps": list(named)})
    with warnings.catch_warnings():
        # That the standard does not have it yet. xarray looks for it: one file in place of many.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        zarr.consolidate_metadata(str(folder), zarr_format=3)


def _attributes(name, kind, one, values):
    """What an array says of itself."""
    header = plane_header(name, kind, one, values)
    found: dict[str, Any] = {"fits_header": header.tostring(sep="\n", endcard=False, padding=False)}
    if kind == "quality":
        found["long_name"] = "quality bits of all maps"
        found["flag_masks"] = [bit.value for bit in Quality]
        found["flag_meanings"] = " ".join(str(bit.name) for bit in Quality)
        found["flag_descriptions"] = {str(bit.name): bit.meaning for bit in Quality}
        return found
    if kind == "bins":
        return {**found, "long_name": "number of the bin that a pixel belongs to; -1 for none"}
    what = KNOWN[name].label if name in KNOWN else name
    found["long_name"] = what if kind == "values" else f"{what}: {_MEANING[kind]}"
    found["units"] = header.get("BUNIT", "")
    if kind == "values":
        others = [name + _ENDING[plane] for plane in one.planes]
        error = one.uncertainty is not None and one.uncertainty.array is not None
        found["ancillary_variables"] = " ".join(
            [name + _ENDING["uncertainty"]] * error + others + ["quality"]
        )
    return found


def _put_in_place(temporary, target, path, overwrite):
    """Give the folder its name; an older group goes when the new one is there."""
    check_zarr(path, overwrite)
    older = None
    if target.exists():
        older = target.with_name(temporary_name(".zarr"))
        os.replace(target, older)
    try:
        os.replace(temporary, target)
    except OSError:
        if older is not None:
            os.replace(older, target)
        raise
    if older is not None:
        shutil.rmtree(older, ignore_errors=True)

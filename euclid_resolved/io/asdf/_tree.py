"""Plain trees: what may go into a file, and the sums that tell whether it came back whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MAX_DEPTH = 30
"""How deep mappings and lists may be nested in what is written."""

_DTYPES = {
    "bool", "complex64", "complex128", "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64",
}  # fmt: skip


def plain(value: Any, where: str, depth: int = MAX_DEPTH) -> Any:
    """A copy of a tree that holds only what a file can keep.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays, numbers, text, truth values, None and `~astropy.units.Quantity`.
    where : str
        The name of the value, for messages.
    depth : int, optional
        How many further levels are allowed.

    Returns
    -------
    value : object
        Dicts and lists of Python scalars and arrays; a Quantity becomes ``{"quantity": ..., "unit": ...}``.

    Raises
    ------
    InputError
        If something else is found; the message names its key.
    """
    if depth < 0:
        raise InputError(f"{where}: nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):  # no other mapping: a FITS header would lose its comments
        return {_key(key, value, where): plain(v, f"{where}/{key}", depth - 1) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, f"{where}/{i}", depth - 1) for i, v in enumerate(value)]
    if isinstance(value, u.Quantity) and not hasattr(value, "mask"):
        number = float(value.value) if value.isscalar else array(value.value, where)
        return {"quantity": number, "unit": unit_text(value.unit, where)}
    if isinstance(value, np.ndarray):
        return array(value, where)
    return _scalar(value, where)


def _key(key, mapping, where):
    if not isinstance(key, str):
        raise InputError(f"{where}: keys must be text to be written to a file, got {key!r}")
    if key in ("$ref", "<<") or set(mapping) == {"quantity", "unit"}:
        raise InputError(f"{where}/{key}: this key has a meaning of its own in files; choose another")
    return _scalar(key, where)


def _scalar(value, where):
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        if not -(2**63) < value < 2**63 - 1:
            raise InputError(f"{where}: the integer {value} is too large for a file")
        return int(value)
    if isinstance(value, float | np.float16 | np.float32):
        return float(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InputError(f"{where}: the text {value!r} is not valid Unicode") from None
        return str(value)
    raise InputError(
        f"{where}: {type(value).__name__} cannot be written to a file; what can are text, numbers, arrays, "
        "Quantity, lists and mappings of them"
    )


def array(value: ArrayLike, where: str) -> np.ndarray:
    """An array as it is stored: little-endian, contiguous and its own owner."""
    if isinstance(value, np.ma.MaskedArray) or hasattr(value, "mask"):
        raise InputError(f"{where}: a masked array cannot be written to a file; give data and mask apart")
    value = np.asarray(value)
    if value.dtype.name not in _DTYPES and value.dtype.kind != "U":
        raise InputError(f"{where}: an array of {value.dtype} cannot be written to a file")
    little = value.dtype.newbyteorder("<")
    # NumPy makes a view even where the type is another object alone.
    stored = value if value.dtype == little else value.astype(little)
    if not stored.flags.c_contiguous or _owner(stored).nbytes != stored.nbytes:
        stored = stored.copy(order="C")
    # asdf writes the owner of a view, all of it; and one array in two places would become a YAML alias,
    # which our reader refuses.
    return stored.view()


def apart(tree: Any, seen: set[int] | None = None) -> Any:
    """A tree whose arrays have a memory of their own: asdf would write that of two only once.

    Parameters
    ----------
    tree : object
        As `plain` gives it.
    seen : set of int, optional
        What earlier arrays are views of.

    Returns
    -------
    tree : object
    """
    seen = set() if seen is None else seen
    if isinstance(tree, dict):
        return {key: apart(value, seen) for key, value in tree.items()}
    if isinstance(tree, list):
        return [apart(value, seen) for value in tree]
    if isinstance(tree, np.ndarray):
        tree = tree.copy().view() if id(_owner(tree)) in seen else tree
        seen.add(id(_owner(tree)))
    return tree


def _owner(array):
    """The array that an array is a view of, all the way."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def unit_text(unit: u.UnitBase, where: str) -> str:
    """A unit as text, checked to come back as the same unit."""
    text = unit.to_string()
    try:
        if isinstance(unit, u.UnitBase) and u.Unit(text) == unit and len(text) <= 200:
            return text
    except ValueError:
        pass
    raise InputError(
        f"{where}: the unit {text!r} cannot be written to a file; convert to a linear, standard one"
    )


def unwrap(value: Any) -> Any:
    """A tree from an ASDF file, with builtin containers and NumPy arrays."""
    if isinstance(value, Mapping):
        return {key: unwrap(v) for key, v in value.items()}
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "__array__"):
        return np.asarray(value)
    if hasattr(value, "__len__"):
        return [unwrap(v) for v in value]
    return value


def restore(value: Any) -> Any:
    """The tree that was given to `plain`, with every Quantity made again."""
    if isinstance(value, dict):
        if set(value) == {"quantity", "unit"}:
            return u.Quantity(value["quantity"], u.Unit(value["unit"]))
        return {key: restore(v) for key, v in value.items()}
    return [restore(v) for v in value] if isinstance(value, list) else value


def checksums(tree: Mapping[str, Any]) -> dict[str, Any]:
    """SHA-256 of every array in a plain tree, and of all the rest with the arrays' types and shapes.

    They tell whether a file is what was written, not who wrote it.

    Parameters
    ----------
    tree : dict
        As `plain` gives it.

    Returns
    -------
    sums : dict
        ``{"metadata": ..., "arrays": {path: ...}}`` in hexadecimal.
    """
    arrays = {}

    def outline(value, path):
        if isinstance(value, np.ndarray):
            little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).reshape(value.shape)
            arrays[path] = hashlib.sha256(little.reshape(-1).view(np.uint8)).hexdigest()
            return {"array": little.dtype.str, "shape": list(value.shape)}
        if isinstance(value, dict):
            return {key: outline(v, f"{path}/{_escape(key)}") for key, v in value.items()}
        if isinstance(value, list):
            return [outline(v, f"{path}/{i}") for i, v in enumerate(value)]
        if value is not None and type(value) not in (bool, int, float, str):
            raise InputError(f"{path}: a {type(value).__name__} does not belong here")
        return value

    text = json.dumps(outline(tree, ""), sort_keys=True)
    return {"metadata": hashlib.sha256(text.encode()).hexdigest(), "arrays": arrays}


def _escape(key):
    if not isinstance(key, str):
        raise InputError(f"the key {key!r} is not text")
    return key.replace("~", "~0").replace("/", "~1")


def verify(tree: Mapping[str, Any], sums: Mapping[str, Any]) -> None:
    """Raise InputError unless the sums of a tree are those stored with it."""
    found = checksums(tree)
    stored = sums["arrays"]
    damaged = [path for path, value in found["arrays"].items() if stored.get(path) != value]
    if damaged:
        raise InputError(f"damaged: the array {damaged[0].lstrip('/')} is not what was written")
    if found != {"metadata": sums["metadata"], "arrays": stored}:
        raise InputError("damaged: the text of the file is not what was written")

"""What a study leaves in its folder, found again by the next run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from euclid_resolved.errors import InputError, ModelFileError
from euclid_resolved.images._guard import MAX_TABLE, read_bytes
from euclid_resolved.io._read_write import read

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model


def files_of(entry: Mapping[str, Any]) -> list[str]:
    """The tables and figures of an entry of the manifest."""
    return [each["file"] for kind in ("tables", "figures") for each in entry.get(kind, ())]


def read_model(path: Path) -> Model | None:
    """A model that was kept; None where it is not there or cannot be used."""
    if not path.exists():
        return None
    try:
        return cast("Model", read(path))
    except ModelFileError:  # damaged, or of another version: trained again
        return None


def file_digest(path: str | Path) -> str:
    """A digest of the content of a relation's table."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such table of a relation")
    return hashlib.sha256(read_bytes(path, most=MAX_TABLE)).hexdigest()


def plain_number(value: float) -> float | None:
    """A float for the manifest; None where it is not finite."""
    value = float(value)
    return value if np.isfinite(value) else None

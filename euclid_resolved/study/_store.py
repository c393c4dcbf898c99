"""What a study leaves in its folder, found again by the next run; what others did to it is not believed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from euclid_resolved.errors import InputError
from euclid_resolved.images._guard import check_content, read_bytes, read_text
from euclid_resolved.io._atlas import sample_tables
from euclid_resolved.io._files import write_table
from euclid_resolved.io._fingerprint import digest_of, file_digest
from euclid_resolved.io.asdf._files import read_model

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

_FILE = re.compile(r"parts/[^/.]+/(table-\d+\.ecsv|figure-\d+\.png)")


def files_of(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The tables and figures of an entry of the manifest: caption, file and sum of each."""
    return [each for kind in ("tables", "figures") for each in entry[kind]]


def kept_file(out: Path, caption: str, file: Path) -> dict[str, str]:
    """What the manifest says of a file in the folder `out`."""
    return {"caption": caption, "file": file.as_posix(), "sha256": file_digest(out / file)}


def kept_parts(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a manifest that may be believed, by part: those whose files are what they were."""
    try:
        manifest = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(manifest, dict):
        return {}
    return {slug: entry for slug, entry in manifest.items() if _is_whole(path.parent, entry)}


def _is_whole(out, entry):
    """Whether an entry has what it needs, and each of its files lies in the folder as it was written."""
    try:
        values = entry["values"].values()
        plain = all(value is None or type(value) in (int, float) for value in [entry["seconds"], *values])
        texts = all(isinstance(text, str) for text in [entry["key"], *entry["notes"]])
        return (
            plain
            and texts
            and all(
                isinstance(each["caption"], str)
                and _FILE.fullmatch(each["file"])
                and file_digest(out / each["file"]) == each["sha256"]
                for each in files_of(entry)
            )
        )
    except (InputError, LookupError, TypeError, AttributeError):
        return False


def kept_model(path: Path, key: str) -> Model | None:
    """A model that was kept under a key; None where it is not there or cannot be used.

    Damaged, of another version, without its plugin, something else or made for another purpose: in all cases
    it is trained again.
    """
    try:
        model = read_model(path)
    except InputError:
        return None
    return model if model.training.get("study") == key else None


def kept_accuracy(path: Path) -> dict[str, dict[str, float]] | None:
    """Metrics by property that were kept; None where they are not there or were changed."""
    try:
        check_content(path)
        table = Table.read(path, format="ascii.ecsv")
        found = {str(r["property"]): {c: float(r[c]) for c in table.colnames[1:]} for r in table}
    except Exception:  # the reader of tables raises many types on damaged files
        return None
    return found if table.meta.get("sha256") == digest_of(found) else None


def keep_accuracy(path: Path, accuracy: Mapping[str, Mapping[str, float]], **about: Any) -> None:
    """Keep metrics by property in a table, under a sum."""
    table = Table(rows=[{"property": name, **values} for name, values in accuracy.items()])
    table.meta.update(about, sha256=digest_of(accuracy))
    path.parent.mkdir(exist_ok=True)
    write_table(path, table)


def plain_number(value: float) -> float | None:
    """A float for the manifest; None where it is not finite."""
    value = float(value)
    return value if np.isfinite(value) else None


def is_mock(atlas: Path) -> bool:
    """Whether the sample table says that an atlas is a mock."""
    for path in sample_tables(atlas):
        return b"mock" in read_bytes(path)[:200].lower()
    return False

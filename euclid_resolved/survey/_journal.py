"""The journal of a file that is written strip by strip, so that an interrupt costs one strip."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.images._guard import read_text
from euclid_resolved.io._files import write_text
from euclid_resolved.io._fingerprint import digest_of
from euclid_resolved.io._fits_budget import CARDS


@dataclass(frozen=True, eq=False)
class Journal:
    """Which strips are done; it stands on disk beside the file.

    Attributes
    ----------
    path : `~pathlib.Path`
    identity : dict
        All that the result depends on; of numbers, text, lists and dicts.
    rows : int
        Of a strip.
    strips : dict of int to dict
        What is known of each, by its first row: ``sums``, of each of its planes, ``count``, the fields of
        a `PixelCount`, and ``shared``, the shared variance by the name of the map's HDU.
    """

    path: Path
    identity: dict[str, Any]
    rows: int = 0
    strips: dict[int, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def beside(part: Path) -> Path:
        """Where the journal of an unfinished file is."""
        return part.with_name(part.name + ".json")

    @classmethod
    def open(cls, part: Path, identity: dict[str, Any], overwrite: bool) -> Journal:
        """The journal of an unfinished file, or a new one.

        Parameters
        ----------
        part : `~pathlib.Path`
            The unfinished file.
        identity : dict
        overwrite : bool
            Start anew where another call left something unfinished.

        Returns
        -------
        journal : `Journal`

        Raises
        ------
        InputError
            If another call left the file unfinished, unless `overwrite`.
        """
        path = cls.beside(part)
        if not (path.exists() and part.exists()):
            return cls(path, identity)
        try:
            known = json.loads(read_text(path))
            if known.pop("sha256") != digest_of(known):
                raise ValueError("it was changed after it was written")
            found, rows = known["identity"], known["rows"]
            check_whole("rows", rows)
            strips = {int(start): _strip(int(start), rows, kept) for start, kept in known["strips"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found = None
        if found is not None and found == identity:
            return cls(path, identity, rows, strips)
        if not overwrite:
            what = "its journal is damaged" if found is None else _difference(found, identity)
            raise InputError(
                f"{part} was left unfinished by another call ({what}): remove it, or say overwrite=True "
                "(--overwrite) to start anew"
            )
        return cls(path, identity)

    def keep(self) -> None:
        """Write it; the older one stays until the new one is whole."""
        entries = {"identity": self.identity, "rows": self.rows, "strips": self.strips}
        # As it will be read: JSON knows no numbers as keys.
        entries = json.loads(json.dumps(entries))
        write_text(self.path, json.dumps({**entries, "sha256": digest_of(entries)}))


def _strip(start, rows, kept):
    """What is known of a strip, if it can be one: nothing in a file is trusted."""
    sums, count = kept["sums"], kept["count"]
    numbers = [start, *sums, count["pixels"], count["judged"], count["extrapolated"], *count["bits"].values()]
    for number in numbers:
        check_whole("a number in a journal", number, 0)
    if not all(isinstance(value, float) and 0 <= value < np.inf for value in kept["shared"].values()):
        raise InputError("a shared variance is no number")
    if start % rows or set(kept) != {"sums", "count", "shared", "budget"} or len(count) != 4:
        raise InputError(f"row {start} begins no strip")
    for budget in kept["budget"].values():
        for part, counts in budget["counts"].items():
            if part not in CARDS or not isinstance(budget["calibrated"], bool):
                raise InputError(f"an error budget has no part {part}")
            for number in (*map(int, counts), *counts.values()):
                check_whole("a number in a journal", number, 0)
    return kept


def _difference(found, identity):
    """In words, what two identities do not share."""
    names = [name for name in identity if not isinstance(found, dict) or found.get(name) != identity[name]]
    return "another " + ", ".join(names)

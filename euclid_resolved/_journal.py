"""The journal of a file that is written strip by strip, so that an interrupt costs one strip."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from euclid_resolved.errors import InputError
from euclid_resolved.io import atomic_path

__all__ = ["Journal"]


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
        What is known of each, by its first row.
    """

    path: Path
    identity: dict
    rows: int = 0
    strips: dict = field(default_factory=dict)

    @classmethod
    def open(cls, part, identity, overwrite):
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
        path = part.with_name(part.name + ".json")
        if not (path.exists() and part.exists()):
            return cls(path, identity)
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            strips = {int(start): strip for start, strip in known["strips"].items()}
            found, rows = known["identity"], int(known["rows"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            found = None
        if found == identity:
            return cls(path, identity, rows, strips)
        if not overwrite:
            what = "its journal is damaged" if found is None else _difference(found, identity)
            raise InputError(
                f"{part} was left unfinished by another call ({what}): remove it, or say overwrite=True "
                "(--overwrite) to start anew"
            )
        return cls(path, identity)

    def keep(self):
        """Write it; the older one stays until the new one is whole."""
        entries = {"identity": self.identity, "rows": self.rows, "strips": self.strips}
        with atomic_path(self.path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(entries), encoding="utf-8")


def _difference(found, identity):
    """In words, what two identities do not share."""
    names = [name for name in identity if found.get(name) != identity[name]]
    return "another " + ", ".join(names)

"""Tell one file, one atlas, one record from another: every digest of what lies on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._guard import MAX_TABLE, open_regular, read_bytes

OBSERVED = "ATLAS"  # the card of an observed galaxy that holds the fingerprint of the atlas it was taken from
_PIECE = 4096  # bytes of a file that are read in one place
_PIECES = 16  # places in a file, the first and the last among them, that tell one image from another


def digest_of(content: Any, sort: bool = False, default: Callable[[Any], Any] | None = None) -> str:
    """A SHA-256 over a record as JSON.

    Parameters
    ----------
    content : object
        Numbers, text, lists and dicts of them.
    sort : bool, optional
        Whether the order of keys does not matter.
    default : callable, optional
        Makes such of anything else.

    Returns
    -------
    digest : str
        Hexadecimal.

    Examples
    --------
    >>> from euclid_resolved.io._fingerprint import digest_of
    >>> digest_of({"a": 1, "b": 2}, sort=True) == digest_of({"b": 2, "a": 1}, sort=True)
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=sort, default=default).encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """A SHA-256 over all bytes of a table or another small file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    digest : str
        Hexadecimal.

    Raises
    ------
    InputError
        If there is no such file, or it is larger than a table may be.
    """
    return hashlib.sha256(read_bytes(path, most=MAX_TABLE)).hexdigest()


def fingerprint(directory: str | Path) -> str:
    """A SHA-256 over names, sizes and a piece of every true mass map of an atlas.

    Two mock atlases give their galaxies the same names; a model must still know the one that it was
    trained on, because only galaxies held out of that one are a test.

    Parameters
    ----------
    directory : str or `~pathlib.Path`

    Returns
    -------
    fingerprint : str
        Hexadecimal; the same wherever the atlas lies. That of an observed atlas begins with the fingerprint
        of the atlas that was observed and a colon, so that its galaxies are known to be the same.
    """
    from euclid_resolved.io._atlas import _index

    found = []
    for galaxy, files in _index(Path(directory)).items():
        path = files.get("stellarmass") or next(iter(files.values()))
        found.append((galaxy, path, [max(0, path.stat().st_size // 2 - _PIECE // 2)]))
    own, observed = _of_pieces(found), _observed(found[0][1]) if found else ""
    return f"{observed}:{own}" if observed else own


def _observed(path):
    """The fingerprint of the atlas that a file was observed from, or nothing."""
    from euclid_resolved.io._fits_read import open_fits

    try:
        with open_fits(path) as hdus:
            return str(hdus[0].header.get(OBSERVED, ""))
    except ImageFileError:
        return ""  # a damaged file is met where its galaxy is read


def fingerprint_files(paths: Iterable[str | Path]) -> str:
    """A SHA-256 over names, sizes and pieces of files.

    Parameters
    ----------
    paths : iterable of path-like
        Of files; the order does not matter.

    Returns
    -------
    fingerprint : str
        Hexadecimal; the same wherever the files lie.
    """
    found = []
    for path in sorted(map(Path, paths), key=lambda path: (path.name, str(path))):
        last = max(0, path.stat().st_size - _PIECE)
        found.append((path.name, path, [last * i // (_PIECES - 1) for i in range(_PIECES)]))
    return _of_pieces(found)


def _of_pieces(files: Iterable[tuple[Any, Path, Sequence[int]]]) -> str:
    """Of names, sizes, and what stands in some places of large files."""
    sha = hashlib.sha256()
    for name, path, places in files:
        sha.update(f"{name} {path.stat().st_size} ".encode())
        with open_regular(path, ImageFileError) as file:
            for place in places:
                file.seek(place)
                sha.update(file.read(_PIECE))
    return sha.hexdigest()

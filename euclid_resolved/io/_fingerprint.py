"""Tell one atlas, or one image, from another without reading it whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._guard import open_regular
from euclid_resolved.io._atlas import _index

_PIECE = 4096  # bytes of a file that are read in one place
_PIECES = 16  # places in a file, the first and the last among them, that tell one image from another


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
        Hexadecimal; the same wherever the atlas lies.
    """
    sha = hashlib.sha256()
    for galaxy, files in _index(Path(directory)).items():
        path = files.get("stellarmass") or next(iter(files.values()))
        size = path.stat().st_size
        sha.update(f"{galaxy} {size} ".encode())
        with open_regular(path, ImageFileError) as file:
            file.seek(max(0, size // 2 - _PIECE // 2))
            sha.update(file.read(_PIECE))
    return sha.hexdigest()


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
    sha = hashlib.sha256()
    for path in sorted(map(Path, paths), key=lambda path: (path.name, str(path))):
        size = path.stat().st_size
        sha.update(f"{path.name} {size} ".encode())
        with open_regular(path, ImageFileError) as file:
            for i in range(_PIECES):
                file.seek(max(0, size - _PIECE) * i // (_PIECES - 1))
                sha.update(file.read(_PIECE))
    return sha.hexdigest()

"""The one place where files from outside are opened: regular files, within a budget of bytes and time."""

from __future__ import annotations

import ast
import bz2
import gzip
import io
import logging
import lzma
import os
import stat
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from euclid_resolved.errors import InputError

MAX_UNPACKED = 2 * 2**30
"""The most bytes that a compressed file may become: a tile of MER mosaics has 1.5e9."""

MAX_TEXT = 32 * 2**20
"""The most bytes of a file that is read as text."""

MAX_TABLE = 256 * 2**20
"""The most bytes of a table, unpacked."""

MAX_SECONDS = 60.0
"""The most that looking through a file, or unpacking it, may take."""

_MAX_LITERAL = 2000  # letters of a setting
_STEP = 2**20  # bytes that are read at once
_LITTLE = 2**28  # bytes that any compressed file may become
_MOST_TIMES = 50  # what more may come of a file, in times its size: images hardly shrink
_IN_MEMORY = 2**27  # bytes that are kept in memory before they go to a temporary file
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)

_UNPACK = "if it is what you expect, unpack it first"

Refusal = Callable[..., Exception]


def refuse_input(path: str | Path, what: str, hint: str = "") -> InputError:
    """An error about a file that is neither an image nor a model."""
    return InputError(f"{path}: {what}" + (f" ({hint})" if hint else ""))


class Budget:
    """What is left of bytes and seconds while one file is read.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    error : callable
        Makes the exception of path, what is wrong and a hint.
    most : int, optional
        Bytes.
    seconds : float, optional
    hint : str, optional
        What can be done where the bytes are used up.

    Examples
    --------
    >>> from euclid_resolved.images._guard import Budget, refuse_input
    >>> budget = Budget("a.gz", refuse_input, most=10)
    >>> budget.spend(7)
    >>> try:
    ...     budget.spend(7)
    ... except ValueError as error:
    ...     print(error)
    a.gz: it holds more than the 10 bytes allowed
    """

    def __init__(
        self,
        path: str | Path,
        error: Refusal,
        most: int = MAX_UNPACKED,
        seconds: float = MAX_SECONDS,
        hint: str = "",
    ) -> None:
        self.path, self.error, self.most, self.seconds = path, error, most, seconds
        self._left, self._end, self._hint = most, time.monotonic() + seconds, hint

    def spend(self, n: int = 0) -> None:
        """Take bytes out of the budget; raise the error when they, or the seconds, are used up."""
        self._left -= n
        if self._left < 0:
            size = f"{self.most // 2**20} MiB" if self.most >= 2**20 else f"{self.most} bytes"
            raise self.error(self.path, f"it holds more than the {size} allowed", self._hint)
        if time.monotonic() > self._end:
            raise self.error(self.path, f"reading it takes more than the {self.seconds:g} s allowed")


def check_file(path: str | Path, error: Refusal = refuse_input) -> None:
    """Raise `error` unless `path` is a regular file: opening a pipe or a device could wait for ever.

    Parameters
    ----------
    path : path-like
        Links are followed.
    error : callable, optional
        Makes the exception of path, what is wrong and a hint.

    Examples
    --------
    >>> from euclid_resolved.images._guard import check_file
    >>> try:
    ...     check_file("/dev/zero")
    ... except ValueError as error:
    ...     print(error)
    /dev/zero: it is no regular file
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise error(path, "there is no such file") from None
    except (OSError, ValueError) as problem:  # a loop of links, a name with a NUL
        raise error(path, f"it cannot be opened: {getattr(problem, 'strerror', None) or problem}") from None
    if stat.S_ISDIR(mode):
        raise error(path, "this is a folder, not a file", "read_atlas opens a folder of galaxies")
    if not stat.S_ISREG(mode):
        raise error(path, "it is no regular file")


def open_regular(path: str | Path, error: Refusal = refuse_input) -> IO[bytes]:
    """Open a regular file to read its bytes.

    Parameters
    ----------
    path, error
        As for `check_file`.

    Returns
    -------
    file : binary file

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.images._guard import open_regular
    >>> _ = Path("notes.txt").write_text("dark")
    >>> with open_regular("notes.txt") as file:
    ...     file.read()
    b'dark'
    """
    check_file(path, error)
    try:
        file = open(path, "rb", opener=_without_waiting)
    except OSError as problem:
        raise error(path, f"it cannot be opened: {problem.strerror}") from problem
    # Between the look and the opening, another file may have taken the name.
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise error(path, "it is no regular file")
    logging.getLogger("euclid_resolved").debug("reading %s", path)
    return file


def _without_waiting(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _opener(file):
    start = file.read(6)
    file.seek(0)
    return next((opener for sign, opener in _PACKED.items() if start.startswith(sign)), None)


def open_unpacked(path: str | Path, error: Refusal = refuse_input, *, most: int = MAX_UNPACKED) -> IO[bytes]:
    """Open a regular file to read its bytes, unpacked where it is compressed.

    Parameters
    ----------
    path, error
        As for `check_file`.
    most : int, optional
        The most bytes that a compressed file may become.

    Returns
    -------
    file : binary file
        Seekable. What was unpacked lies in memory, or beyond some size in a temporary file without name.

    Examples
    --------
    >>> import gzip
    >>> from euclid_resolved.images._guard import open_unpacked
    >>> with gzip.open("zeros.gz", "wb") as file:
    ...     _ = file.write(bytes(100_000))
    >>> try:
    ...     open_unpacked("zeros.gz", most=1000)
    ... except ValueError as error:
    ...     print(error)
    zeros.gz: it holds more than the 1000 bytes allowed (if it is what you expect, unpack it first)
    """
    file = open_regular(path, error)
    opener = _opener(file)
    if opener is None:
        return file
    budget = Budget(path, error, _most_of(file, most), hint=_UNPACK)
    with file, opener(file) as stream:
        kept: IO[bytes] = io.BytesIO()
        try:
            while piece := _piece(stream, budget):
                if isinstance(kept, io.BytesIO) and kept.tell() + len(piece) > _IN_MEMORY:
                    kept = _on_disk(kept)
                kept.write(piece)
            kept.seek(0)
        except BaseException:
            kept.close()
            raise
    if isinstance(kept, io.BytesIO):
        return kept
    with kept:
        kept.flush()
        return open(os.dup(kept.fileno()), "rb")


def _most_of(file, most):
    """How many bytes may come of a compressed file."""
    return min(most, max(_LITTLE, _MOST_TIMES * os.fstat(file.fileno()).st_size))


def _on_disk(kept):
    file = tempfile.TemporaryFile()
    file.write(kept.getbuffer())
    return file


def _piece(stream, budget):
    """The next bytes of an unpacking stream, counted."""
    try:
        piece = stream.read(_STEP)
    except (*_BROKEN, OSError) as problem:
        raise budget.error(
            budget.path, f"it cannot be unpacked: {problem}", "it may be cut short or damaged"
        ) from problem
    budget.spend(len(piece))
    return piece


def check_content(path: str | Path, error: Refusal = refuse_input, *, most: int = MAX_TABLE) -> None:
    """Raise `error` unless `path` is a regular file that holds no more than `most` bytes, unpacked.

    For files that another library opens by name.

    Parameters
    ----------
    path, error
        As for `check_file`.
    most : int, optional
    """
    with open_regular(path, error) as file:
        opener, budget = _opener(file), Budget(path, error, _most_of(file, most))
        if opener is None:
            Budget(path, error, most).spend(os.fstat(file.fileno()).st_size)
            return
        with opener(file) as stream:
            while _piece(stream, budget):
                pass


def read_bytes(path: str | Path, error: Refusal = refuse_input, *, most: int = MAX_TEXT) -> bytes:
    """All bytes of a regular file that has no more than `most`.

    Parameters
    ----------
    path, error
        As for `check_file`.
    most : int, optional

    Returns
    -------
    content : bytes
    """
    with open_regular(path, error) as file:
        # Not its size: some files of the system have none, and give bytes without end.
        content = file.read(most + 1)
    Budget(path, error, most).spend(len(content))
    return content


def read_text(path: str | Path, error: Refusal = refuse_input, *, most: int = MAX_TEXT) -> str:
    """The text (UTF-8) of a regular file that has no more than `most` bytes.

    Parameters
    ----------
    path, error
        As for `check_file`.
    most : int, optional

    Returns
    -------
    text : str
        With plain line ends, as text files are read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.images._guard import read_text
    >>> _ = Path("notes.txt").write_text("dark")
    >>> read_text("notes.txt")
    'dark'
    """
    content = read_bytes(path, error, most=most)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(path, f"it is no text in UTF-8: {problem}") from problem
    return text.replace("\r\n", "\n").replace("\r", "\n")


def literal(text: str) -> Any:
    """The number, text, tuple, ... that a setting stands for; a word that is none of them stays text.

    Parameters
    ----------
    text : str

    Returns
    -------
    value : object

    Raises
    ------
    InputError
        If it is too long to be a setting: Python would need hundreds of times its size to read it.

    Examples
    --------
    >>> from euclid_resolved.images._guard import literal
    >>> literal("(64, 32)"), literal("auto")
    ((64, 32), 'auto')
    """
    if len(text) > _MAX_LITERAL:
        raise InputError(
            f"a setting of {len(text)} letters is no setting: at most {_MAX_LITERAL}, got {text[:40]!r}..."
        )
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text

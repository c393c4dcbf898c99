"""Write files whole or not at all, and take only regular files."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.errors import InputError
from euclid_resolved.io._leftovers import check_length, sweep, temporary_name

if TYPE_CHECKING:
    from astropy.table import Table


def as_path(path: object, hint: str = "a text or a pathlib.Path") -> Path:
    """A path; what is none is refused."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"the path of a file is needed, got {type(path).__name__}; {hint}")
    return Path(path)


@contextlib.contextmanager
def atomic_path(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The file to write.
    overwrite : bool, optional
        Whether an older file may be replaced.

    Yields
    ------
    temporary : `~pathlib.Path`
        To be written; it keeps the ending of the name. Whatever goes wrong in the block, it is removed.

    Raises
    ------
    InputError
        If the file exists and `overwrite` is False, it is not a regular file, or there is no such folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.io._files import atomic_path
    >>> with atomic_path("notes.txt") as path:
    ...     _ = Path(path).write_text("whole, or not at all")
    >>> Path("notes.txt").read_text()
    'whole, or not at all'
    """
    # Through a symbolic link: the link stays, the file behind it is replaced.
    target = check_target(path, overwrite)
    ending = "".join(target.suffixes[-2:])[-32:]
    sweep(target.parent)
    temporary = target.with_name(temporary_name(ending))
    try:
        yield temporary
        put_in_place(temporary, path, overwrite)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        ours = getattr(error, "filename", None) == str(temporary)
        if isinstance(error, OSError) and (ours or error.errno == errno.ENOSPC):
            # The name that the user gave, not that of a file that is gone.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: str | Path, text: str, overwrite: bool = True) -> None:
    """Write a text at once or not at all."""
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path: str | Path, table: Table, overwrite: bool = True) -> None:
    """Write a table as ECSV, or as Parquet if its name says so, at once or not at all."""
    kind = "parquet" if Path(path).suffix.lower() == ".parquet" else "ascii.ecsv"
    with atomic_path(path, overwrite) as temporary:
        table.write(temporary, format=kind)


def put_in_place(temporary: Path, path: str | Path, overwrite: bool = False) -> None:
    """Give a file that is finished its name, for good.

    Parameters
    ----------
    temporary : `~pathlib.Path`
        In the same folder.
    path, overwrite
        As for `atomic_path`.
    """
    target = Path(os.path.realpath(path))
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    _check_target(path, target, overwrite)
    if target.exists():
        os.chmod(temporary, target.stat().st_mode & 0o777)
    os.replace(temporary, target)
    _sync_folder(target.parent)
    logging.getLogger("euclid_resolved").debug("wrote %s", target)


def check_target(path: str | Path, overwrite: bool = False) -> Path:
    """The file behind a path, after it was made sure that it may be written.

    Parameters
    ----------
    path, overwrite
        As for `atomic_path`.

    Returns
    -------
    target : `~pathlib.Path`
    """
    target = check_parent(path)
    _check_target(path, target, overwrite)
    return target


def check_parent(path: str | Path) -> Path:
    """What is behind a path, after it was made sure that its folder can be written in."""
    check_length(path)
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise InputError(f"{path}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{path}: there is no permission to write in the folder {target.parent}")
    return target


def _check_target(path, target, overwrite):
    if not target.exists():
        return
    if not target.is_file():
        raise InputError(f"{path}: it exists and is not a regular file")
    if not overwrite:
        raise InputError(f"{path}: the file exists; to replace it say overwrite=True (--overwrite)")


def _sync_folder(folder):
    """Make the new name last through a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

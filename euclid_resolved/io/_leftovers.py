"""Names of temporary files, which say whose they are, so that the next run finds what a killed one left."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import time
from functools import cache
from pathlib import Path

from euclid_resolved.errors import InputError

LONGEST = 255
"""The most bytes that the name of a file may have."""

_ROOM = 15  # bytes that are left for what is put behind a name later
_DAY = 86400.0
_TEMPORARY = re.compile(r"\.euclid-resolved-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}(\..*)?")
_swept: set[tuple[int, str]] = set()


@cache
def _machine():
    """Eight letters for where the number of a process means something: a host, or a container on it."""
    names = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            names.append(os.readlink(path) if "/ns/" in path else Path(path).read_text(encoding="ascii"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]


def temporary_name(ending: str = "") -> str:
    """A new name for a file that is being written, with the machine and the process in it.

    Parameters
    ----------
    ending : str, optional

    Returns
    -------
    name : str

    Examples
    --------
    >>> from euclid_resolved.io._leftovers import temporary_name
    >>> temporary_name(".fits").startswith(".euclid-resolved-")
    True
    """
    return f".euclid-resolved-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{ending}"


def fitting_name(name: str, ending: str) -> str:
    """A name with an ending more, shortened where no file could be called that.

    Parameters
    ----------
    name, ending : str

    Returns
    -------
    name : str
        The same for the same name, another for another one.

    Examples
    --------
    >>> from euclid_resolved.io._leftovers import fitting_name
    >>> fitting_name("maps.fits", ".part")
    'maps.fits.part'
    >>> len(fitting_name(250 * "a", ".part"))
    240
    """
    most, content = LONGEST - _ROOM, os.fsencode(name)
    if len(content) + len(ending) <= most:
        return name + ending
    digest = "~" + hashlib.sha256(content).hexdigest()[:12]
    # Cut between letters, which may have several bytes each.
    short = content[: most - len(digest) - len(ending)].decode("utf-8", "ignore")
    return short + digest + ending


def check_length(path: str | Path) -> None:
    """Refuse a path whose last part is too long to be the name of a file."""
    name = Path(path).name
    length = len(os.fsencode(name))
    if length > LONGEST:
        raise InputError(
            f"{name[:40]}...: a name of {length} bytes is too long, a file has at most {LONGEST}"
        )


def sweep(folder: str | Path) -> None:
    """Remove the temporary files that killed runs of the same user left in a folder.

    Those whose process is gone, or that nobody has written to for a day. A folder is looked through once by
    each process.

    Parameters
    ----------
    folder : path-like
    """
    key = os.getpid(), str(folder)
    if key in _swept:
        return
    _swept.add(key)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            # Another run may remove it at the same time.
            with contextlib.suppress(OSError):
                found = match and entry.stat(follow_symlinks=False)
                if found and _is_left(found, match):
                    shutil.rmtree(entry.path) if stat.S_ISDIR(found.st_mode) else os.unlink(entry.path)


def _is_left(found, match):
    owner = getattr(os, "getuid", lambda: found.st_uid)()
    folder = stat.S_ISDIR(found.st_mode) and (match[3] or "").endswith(".zarr")
    if not (stat.S_ISREG(found.st_mode) or folder) or found.st_uid != owner:
        return False
    if time.time() - found.st_mtime > _DAY:
        return True
    return match["machine"] == _machine() and _is_gone(int(match["process"]))


def _is_gone(process):
    """Whether there is no such process; where that cannot be asked without harm, there is one."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False

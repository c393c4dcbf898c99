"""One output, one job: a lock beside what is written, and no output over an input."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from euclid_resolved.errors import InputError, printable
from euclid_resolved.io._leftovers import fitting_name

_TRIES = 20
_INPUTS = (".fits", ".fits.gz", ".fits.fz", ".fit", ".fz", ".txt", ".csv", ".f4", ".json")


@contextlib.contextmanager
def hold(output: str | Path, patience: float = 0.0) -> Iterator[None]:
    """Keep every other job from an output while the block runs.

    Parameters
    ----------
    output : path-like
        A file, or the file in a folder that stands for all of it. Links are followed: the lock lies beside
        the file that is written. It goes with the process, however that ends.
    patience : float, optional
        Seconds to wait for another job to end.

    Raises
    ------
    InputError
        If another job holds it: which process, on which host, since when.

    Examples
    --------
    >>> from euclid_resolved.io._lock import hold
    >>> with hold("maps.fits"):
    ...     try:
    ...         with hold("maps.fits"):
    ...             pass
    ...     except ValueError as error:
    ...         print(str(error).split(" (")[0])
    maps.fits: another job is writing it
    """
    from filelock import FileLock, Timeout

    path = lock_path(output)
    lock = FileLock(path, timeout=patience)
    for attempt in range(_TRIES):
        try:
            lock.acquire()
            break
        except Timeout:
            # The one who held it may have just removed it.
            if attempt == _TRIES - 1 or path.exists():
                raise InputError(f"{output}: another job is writing it ({_holder(path)})") from None
    try:
        _sign(path)
        yield
    finally:
        # While it is held: who opened it meanwhile finds that it has no name any more.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


def lock_path(output: str | Path) -> Path:
    """The file that locks an output."""
    target = Path(os.path.realpath(output))
    return target.with_name(fitting_name(f".euclid-resolved-{target.name}", ".lock"))


def _sign(path):
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    record = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    # Who is refused could say no more than that it is refused.
    with contextlib.suppress(OSError), open(path, "r+", encoding="utf-8") as file:
        file.write(json.dumps(record))


def _holder(path):
    try:
        with open(path, encoding="utf-8") as file:
            record = json.loads(file.read(1000))
        text = f"process {record['process']} on {record['host']}, since {record['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it does not say which"
    return printable(text)


def check_apart(outputs: Iterable[str | Path], inputs: Iterable[str | Path]) -> None:
    """Refuse an output that is one of the inputs: to replace it would destroy what is read.

    Parameters
    ----------
    outputs : iterable of path-like
    inputs : iterable of path-like
        Files, or folders of an atlas or a sample. Links of both kinds are followed; what does not exist is
        passed over.

    Raises
    ------
    InputError
        If they are the same file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.io._lock import check_apart
    >>> _ = Path("image.fits").write_bytes(b"the only one")
    >>> try:
    ...     check_apart(["./image.fits"], ["image.fits"])
    ... except ValueError as error:
    ...     print(error)
    ./image.fits: this is the input image.fits; the output needs another name, whatever may be overwritten
    """
    ours = {_identity(output): output for output in outputs}
    ours.pop(None, None)
    if not ours:
        return
    for given in inputs:
        for path in _files_in(given):
            if (found := _identity(path)) in ours:
                raise InputError(
                    f"{ours[found]}: this is the input {path}; the output needs another name, whatever may "
                    "be overwritten"
                )


def _identity(path):
    """What two names of one file share; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)


def _files_in(path):
    """A file itself; of a folder what an atlas or a sample reads there."""
    if not os.path.isdir(path):
        yield path
        return
    for folder, _, names in os.walk(path, followlinks=False):
        yield from (os.path.join(folder, name) for name in names if name.lower().endswith(_INPUTS))

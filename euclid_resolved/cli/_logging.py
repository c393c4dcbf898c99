"""What commands say on the way, through the logger ``euclid_resolved`` of the standard library."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

LEVELS = ("debug", "info", "warning", "error")
log = logging.getLogger("euclid_resolved")


class _Terminal(logging.Handler):
    """Sentences go to standard output as they are; warnings and details to standard error, marked."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno == logging.INFO:
            print(text)
        else:
            print(f"euclid-resolved: {record.levelname.lower()}: {text}", file=sys.stderr)


@contextlib.contextmanager
def to_terminal(level: str) -> Iterator[None]:
    """Show what is logged, from a level on, for as long as a command runs.

    Parameters
    ----------
    level : str
        One of ``debug``, ``info``, ``warning`` and ``error``.
    """
    handler, before = _Terminal(), log.level
    log.addHandler(handler)
    log.setLevel(level.upper())
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)

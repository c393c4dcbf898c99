"""What the options of all commands share: how a command is added, and how words are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def command(
    commands: Any, name: str, action: Callable[..., Any], text: str, writes: bool = False, json: bool = False
) -> argparse.ArgumentParser:
    """Add a command with the options that all have.

    Parameters
    ----------
    commands : object
        What ``add_subparsers`` gave.
    name : str
    action : callable
        Takes the parsed options. It returns None or an exit code; a dict that ``--json`` prints; or both.
    text : str
        The help.
    writes : bool, optional
        Whether it writes files, which ``--overwrite`` replaces.
    json : bool, optional
        Whether it has ``--json``.

    Returns
    -------
    parser : `argparse.ArgumentParser`
    """
    new: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    new.add_argument("--debug", action="store_true", help="show the full traceback of an error")
    if writes:
        new.add_argument("--overwrite", action="store_true", help="replace files that exist")
    if json:
        text = "print the results as one JSON object, numbers with their units, instead of tables"
        new.add_argument("--json", action="store_true", help=text)
    # The command itself says what is wrong with its words, with its own usage.
    new.set_defaults(run=action, parser=new)
    return new


def count(text: str) -> int:
    """A whole number of at least 1, for ``type=``."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number

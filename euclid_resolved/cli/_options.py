"""What the options of all commands share: how a command is added, and how words are read."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

from euclid_resolved._checks import did_you_mean
from euclid_resolved.cli._logging import LEVELS


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
    talk = new.add_mutually_exclusive_group()
    text = "print results, warnings and errors only, without sentences on the way and progress bars"
    talk.add_argument("-q", "--quiet", dest="log_level", action="store_const", const="warning", help=text)
    text = "print details as well: the files that are read and written, and what is fitted"
    talk.add_argument("-v", "--verbose", dest="log_level", action="store_const", const="debug", help=text)
    text = "print what the logger euclid_resolved says from this level on (info)"
    talk.add_argument("--log-level", choices=LEVELS, help=text)
    if writes:
        new.add_argument("--overwrite", action="store_true", help="replace files that exist")
    if json:
        text = "print the results as one JSON object, numbers with their units, instead of tables"
        new.add_argument("--json", action="store_true", help=text)
    # The command itself says what is wrong with its words, with its own usage.
    new.set_defaults(run=action, parser=new, log_level="info")
    return new


class Names(argparse.Action):
    """An option that takes names, with spaces or commas between them.

    Parameters
    ----------
    known : sequence of str, optional
        The names that there are.
    """

    def __init__(self, *args: Any, known: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        """Keep the names, each by itself."""
        # A table of a library may be named by its path, which may hold a comma.
        words = [[word] if os.path.exists(word) else word.split(",") for word in values]
        names = [name for part in words for name in map(str.strip, part) if name]
        if values and not names:
            raise argparse.ArgumentError(self, f"names are needed, got {' '.join(values)!r}")
        for name in names:
            if self.known and name not in self.known:
                text = f"no {name!r}; choose from {', '.join(self.known)}{did_you_mean(name, self.known)}"
                raise argparse.ArgumentError(self, text)
        setattr(namespace, self.dest, names)


NAMES: dict[str, Any] = {"nargs": "+", "action": Names, "metavar": "NAME"}
"""The settings of an option that takes names."""


def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command; what is wrong with the words of a command is said with its own usage.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        Of all commands.
    words : sequence of str or None

    Returns
    -------
    options : `argparse.Namespace`
    """
    options, unknown = parser.parse_known_args(words)
    if unknown:
        own = getattr(options, "parser", parser)
        text = f"unrecognized arguments: {' '.join(unknown)}"
        given = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        own.error(text + (did_you_mean(given, own._option_string_actions) if given else ""))
    return options


def count(text: str) -> int:
    """A whole number of at least 1, for ``type=``."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def add_workers(group: Any, what: str) -> None:
    """Add what says where many pieces of work are done.

    Parameters
    ----------
    group : `argparse.ArgumentParser` or a group of options
    what : str
        What is done, as a verb with its object.
    """
    either = group.add_mutually_exclusive_group()
    either.add_argument("--workers", type=count, metavar="N", help=f"{what} in N processes (Dask)")
    either.add_argument("--scheduler", metavar="ADDRESS", help="or on the workers of this Dask scheduler")

"""Lists of galaxies: which are tested, and from which side each of them is seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import did_you_mean
from euclid_resolved.errors import InputError
from euclid_resolved.images._guard import read_text
from euclid_resolved.io._tables import check_table

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy

_LINE = re.compile(r"(?P<name>.+?)(?:[\s,;_]+(?P<observer>O\d))?[\s,;]*")
_COLUMNS = ("galaxy", "name", "subhalo_id")
_SHOWN = 5  # unknown names in a message


def galaxy_key(name: str) -> str:
    """A name by which galaxies of an atlas are compared: their number, with or without zeros.

    Parameters
    ----------
    name : str
        An observer in it does not count.

    Returns
    -------
    key : str

    Examples
    --------
    >>> from euclid_resolved.io._galaxy_list import galaxy_key
    >>> galaxy_key("TNG8"), galaxy_key("TNG000008_O5"), galaxy_key("TNG 539333"), galaxy_key("NGC 628")
    ('TNG000008', 'TNG000008', 'TNG539333', 'NGC 628')
    """
    name = str(name).strip()
    match = re.fullmatch(r"(?:TNG)?\s*(\d+)(?:_O\d)?", name)
    return f"TNG{int(match[1]):06d}" if match else name


def parse_galaxies(lines: Iterable[str], where: str = "the list") -> dict[str, str]:
    """Galaxies and the observers named with them.

    Parameters
    ----------
    lines : iterable of str
        A name each, as the atlas has it, padded with zeros or not, and perhaps an observer: ``TNG8``,
        ``TNG000008 O2``, ``TNG000008_O2``, ``8, O2``.
    where : str, optional
        What the list is called in messages.

    Returns
    -------
    listed : dict of str to str
        The observer by the galaxy's key (`galaxy_key`), empty where none is named.

    Raises
    ------
    InputError
        If there is no name, or one comes twice.

    Examples
    --------
    >>> from euclid_resolved.io._galaxy_list import parse_galaxies
    >>> parse_galaxies(["TNG539333 O2", "294869", ""])
    {'TNG539333': 'O2', 'TNG294869': ''}
    """
    listed: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line.strip())
        if not match:
            continue
        key = galaxy_key(match["name"])
        if key in listed:
            raise InputError(f"{where} names {key} twice; a galaxy is tested once, from one side")
        listed[key] = match["observer"] or ""
    if not listed:
        raise InputError(f"{where} names no galaxy; one a line is needed, as TNG000008 or TNG000008 O5")
    return listed


def read_galaxy_list(path: str | Path) -> dict[str, str]:
    """Read a list of galaxies.

    Parameters
    ----------
    path : path-like
        Text with a galaxy a line (`parse_galaxies`) and comments after ``#``; or a table (``.ecsv``, or
        ``.csv`` with a line of names) with a column ``galaxy``, ``name`` or ``subhalo_id`` and perhaps one
        called ``observer``.

    Returns
    -------
    listed : dict of str to str
        As from `parse_galaxies`.

    Raises
    ------
    InputError
        If it cannot be read, names no galaxy, or one twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.io._galaxy_list import read_galaxy_list
    >>> _ = Path("test.txt").write_text("# the two examples\\nTNG539333\\nTNG294869 O1\\n")
    >>> read_galaxy_list("test.txt")
    {'TNG539333': '', 'TNG294869': 'O1'}
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such file; a list of galaxies has one a line")
    if path.suffix not in (".ecsv", ".csv"):
        lines = [line.partition("#")[0] for line in read_text(path).splitlines()]
        return parse_galaxies(lines, str(path))
    from astropy.table import Table

    try:
        check_table(path)
        table = Table.read(path, format=f"ascii.{path.suffix[1:]}")
    except InputError:
        raise
    except Exception as error:  # readers raise what they like
        raise InputError(f"{path}: it cannot be read as a table: {error}") from error
    names = next((table[column] for column in _COLUMNS if column in table.colnames), None)
    if names is None:
        have = ", ".join(table.colnames) or "none"
        raise InputError(
            f"{path}: a column {', '.join(_COLUMNS[:-1])} or {_COLUMNS[-1]} is needed, has {have}"
        )
    sides = table["observer"] if "observer" in table.colnames else [""] * len(table)
    pairs = zip(names, sides, strict=True)
    return parse_galaxies(
        [f"{name} {'' if np.ma.is_masked(side) else side}" for name, side in pairs], str(path)
    )


def with_listed(
    galaxies_of: Callable[[str], Sequence[Galaxy]],
    observer: str,
    listed: Mapping[str, str],
    where: str = "the list",
) -> tuple[list[Galaxy], list[str]]:
    """The galaxies of one observer, those of a list from the sides that it names.

    Parameters
    ----------
    galaxies_of : callable
        Gives the galaxies that an observer sees.
    observer : str
        Of galaxies that are not in the list, or without a side in it.
    listed : mapping of str to str
        As from `read_galaxy_list`.
    where : str, optional
        What the list is called in messages.

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
        No galaxy of the list comes from another side than the list says.
    names : list of str
        Of those that are in the list.

    Raises
    ------
    InputError
        If a galaxy is not there.

    Examples
    --------
    >>> from euclid_resolved.io._galaxy_list import with_listed
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies, names = with_listed(lambda observer: example_galaxies(3), "O5", {"example 2": ""})
    >>> len(galaxies), names
    (3, ['example 2'])
    """
    seen_by = cache(galaxies_of)
    found: list[Galaxy] = []
    lost = []
    for key, side in listed.items():
        there = seen_by(side or observer)
        group = {one.group for one in there if key in (galaxy_key(one.group), one.name)}
        found += [one for one in there if one.group in group]
        lost += [] if group else [f"{key} of {side or observer}"]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        known = [one.group for one in seen_by(observer)]
        hint = did_you_mean(lost[0].rpartition(" of ")[0], known)
        raise InputError(f"{where} names {', '.join(lost[:_SHOWN])}{more}, which is not there{hint}")
    groups = {one.group for one in found}
    rest = [one for one in seen_by(observer) if one.group not in groups]
    return rest + found, [one.name for one in found]

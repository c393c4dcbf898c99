"""Libraries of stellar populations by their name: what ships, what plugins offer, and files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from euclid_resolved._checks import did_you_mean
from euclid_resolved.errors import InputError
from euclid_resolved.mock._libraries import LIBRARIES
from euclid_resolved.mock._population_tables import Populations, from_table, shipped
from euclid_resolved.plugins._offers import wrong_with

DEFAULT = "bc03"


def find_populations(name: str | Path) -> Populations:
    """Populations by the name of a library that is there, or from a file.

    Parameters
    ----------
    name : str or path-like
        ``'bc03'``, a name that a plugin registered, or an ECSV file that ``euclid-resolved populations make``
        wrote.

    Returns
    -------
    Populations

    Raises
    ------
    InputError
        If there is no such library and no such file, or its table is damaged.
    """
    if str(name) == DEFAULT:
        return shipped()
    path = Path(name)
    if path.is_file():
        return _file(path)
    known = registered()
    if str(name) in known:
        value = known[str(name)]
        if isinstance(value, str | Path):
            return _file(Path(value))
        return from_table(value, f"the table {str(name)!r} of a plugin")
    if path.suffix or len(path.parts) > 1:
        raise InputError(f"{path}: there is no such file of populations")
    if str(name) in LIBRARIES:
        raise InputError(
            f"the library {str(name)!r} does not come with the package: make its table with euclid-resolved "
            f"populations make {name} -o {name}.ecsv and give that file"
        )
    names = [DEFAULT, *known]
    raise InputError(
        f"there are no populations {str(name)!r}; there are {', '.join(names)}, and any file that "
        f"euclid-resolved populations make wrote{did_you_mean(name, [*names, *LIBRARIES])}"
    )


def registered() -> dict[str, Any]:
    """What plugins offer, by name.

    Returns
    -------
    dict of str to `~astropy.table.Table` or path
    """
    from euclid_resolved.plugins._registry import available

    return {name: value for name, value in available("populations").items() if name != DEFAULT}


def _file(path):
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: the file of populations cannot be read: {error.strerror}") from error
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _read(path, changed, size):
    """The file, read again when it changed."""
    from astropy.table import Table

    from euclid_resolved.io._tables import check_table

    check_table(path)
    try:
        table = Table.read(path, format="ascii.ecsv")
    except Exception as error:  # what is no ECSV fails in many ways
        text = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is no table of populations, or a damaged one: {text}") from error
    return from_table(table, str(path))


@wrong_with("populations")
def wrong_populations(value: object) -> str:
    """Why something is no table of populations; empty for one.

    Examples
    --------
    >>> from euclid_resolved.mock._population_names import wrong_populations
    >>> wrong_populations(0.5)
    'float is offered, a table of populations, or the path of one, is needed'
    """
    from astropy.table import Table

    try:
        if isinstance(value, Table):
            from_table(value, "the table")
        elif isinstance(value, str | Path):
            if not Path(value).is_file():
                return f"there is no file {value}"
            _file(Path(value))
        else:
            what = value.__name__ if isinstance(value, type) else type(value).__name__
            return f"{what} is offered, a table of populations, or the path of one, is needed"
    except InputError as error:
        return str(error)
    return ""

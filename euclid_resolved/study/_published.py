"""Published values beside measured ones: what the paper's text quotes, and what a file of its tables adds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from astropy.table import Table

from euclid_resolved._checks import did_you_mean
from euclid_resolved.diagnostics._published import (
    NOT_PUBLISHED,
    PUBLISHED_EXAMPLES,
    PUBLISHED_LOFO_PEARSON,
    published,
)
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import EUCLID_BANDS
from euclid_resolved.io._files import write_table
from euclid_resolved.io._tables import check_table
from euclid_resolved.maps._properties import PROPERTIES

Key = tuple[str, str, str, str, str]
"""Table, property, estimator, case, metric; empty where a table does not tell them apart."""

KEY = ("table", "property", "estimator", "case", "metric")
METRICS = ("r2", "rmse", "outlier_fraction", "nmad", "bias", "pearson")
"""The six metrics in the order of the paper's tables."""

_ALL, _ML = ("linear", "random_forest", "dnn"), ("random_forest", "dnn")
_SETTINGS = ("n_trees", "max_depth", "min_samples_leaf", "max_features", "max_samples")
_VALUE = re.compile(r"[≈~<>≤≥]?\s*[+\-−]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(\s*(±|%|dex)\s*[\d.]*)?")


def cells() -> Iterator[Key]:
    """The cells of the paper's tables that are empty in our copy, in its order."""
    for setting in _SETTINGS:
        yield "Table 1", "", "random_forest", setting, "value"
    for name in PROPERTIES:
        for estimator in _ALL:
            for case in ("HE", "bands", "bands+colours"):
                yield from (("Table 3", name, estimator, case, metric) for metric in METRICS)
    for table, galaxies in (
        ("Table 4", ("TNG539333_O5", "TNG294869_O5")),
        ("Table 5", ("TNG539333_O2", "TNG294869_O1")),
    ):
        for case in galaxies:
            for name in PROPERTIES:
                yield from ((table, name, "dnn", case, metric) for metric in METRICS)
    for name in PROPERTIES:
        for estimator in _ML:
            for case in ("none", *EUCLID_BANDS):
                yield from (("Table 7", name, estimator, case, metric) for metric in (*METRICS, "lofo"))
    for name in PROPERTIES:
        yield from (("Table A.1", name, "dnn", str(n), "r2") for n in range(1, 6))
    for name in PROPERTIES:
        for case in ("training", "test"):
            yield from (("Table B.1", name, "random_forest", case, metric) for metric in METRICS)


def quoted(key: Key) -> str:
    """What the paper's text quotes of a cell; `NOT_PUBLISHED` where it says nothing.

    Examples
    --------
    >>> from euclid_resolved.study._published import quoted
    >>> quoted(("Table 3", "stellar_mass_density", "linear", "bands", "r2"))
    '≈0.873'
    """
    table, name, estimator, case, metric = key
    if table == "Table 3":
        return published(name, estimator, case, metric)
    if table == "Table 4" and estimator == "dnn" and case.endswith("_O5"):
        return PUBLISHED_EXAMPLES.get((case[:-3], name), {}).get(metric, NOT_PUBLISHED)
    if table == "Table 7":
        if case == "none" and metric != "lofo":
            return published(name, estimator, "bands", metric)
        if metric == "pearson":
            return PUBLISHED_LOFO_PEARSON.get((name, estimator, case), NOT_PUBLISHED)
    if table == "Table B.1" and case == "test":
        return published(name, estimator, "bands", metric)
    if key == ("Table 1", "", "random_forest", "max_samples", "value"):
        return "2000000"
    return NOT_PUBLISHED


class Published:
    """Published values by cell: those of a file first, then those that the text quotes.

    Parameters
    ----------
    values : mapping of `Key` to str, optional
        As `read_published` gives them.
    comparable : bool, optional
        Whether the study has the bands of the paper; of others nothing is published.

    Examples
    --------
    >>> from euclid_resolved.study._published import Published
    >>> key = "Table 3", "stellar_age", "linear", "bands", "nmad"
    >>> Published()(*key), Published({key: "0.1"})(*key)
    ('not published in our copy', '0.1')
    """

    def __init__(self, values: Mapping[Key, str] | None = None, comparable: bool = True) -> None:
        self._values, self._comparable = dict(values or {}), comparable

    def __call__(self, table: str, name: str, estimator: str, case: str, metric: str) -> str:
        key = (table, name, estimator, case, metric)
        return self._values.get(key) or quoted(key) if self._comparable else NOT_PUBLISHED


def read_published(path: str | Path) -> dict[Key, str]:
    """Read values of the paper's tables.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        ECSV with the columns of `KEY` and ``value``, as `write_template` writes it: numbers or texts, with a
        sign such as ≈ or < where the paper has one. Rows without a value are passed over.

    Returns
    -------
    values : dict of `Key` to str

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or has a cell that no table has, one twice, or no number.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from euclid_resolved.study._published import read_published
    >>> cell = {"table": "Table A.1", "property": "stellar_age", "estimator": "dnn", "case": "2"}
    >>> Table(rows=[cell | {"metric": "r2", "value": "0.4"}]).write("tables.ecsv")
    >>> read_published("tables.ecsv")
    {('Table A.1', 'stellar_age', 'dnn', '2', 'r2'): '0.4'}
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"{path}: there is no such file; reproduce --published-template writes one to fill in"
        )
    try:
        check_table(path)
        table = Table.read(path, format="ascii.ecsv")
    except InputError:
        raise
    except Exception as error:  # readers raise what they like
        raise InputError(f"{path}: it cannot be read as a table: {error}") from error
    lacking = [name for name in (*KEY, "value") if name not in table.colnames]
    if lacking:
        raise InputError(f"{path}: a table of published values needs the columns {', '.join(lacking)}")
    known, values = set(cells()), {}
    for number, row in enumerate(table, 1):
        words = ["" if np.ma.is_masked(row[name]) else str(row[name]).strip() for name in (*KEY, "value")]
        key, text = (words[0], words[1], words[2], words[3], words[4]), words[5]
        if not text or text == "nan":
            continue
        where = f"{path}, row {number}"
        if key not in known:
            hint = did_you_mean(" / ".join(key), [" / ".join(each) for each in known])
            raise InputError(f"{where}: no table of the paper has the cell {' / '.join(key)}{hint}")
        if key in values:
            raise InputError(f"{where}: {' / '.join(key)} comes twice")
        if not _VALUE.fullmatch(text):
            raise InputError(f"{where}: a number is needed, perhaps with a sign such as ≈ or <, got {text!r}")
        values[key] = text
    return values


def write_template(path: str | Path, *, overwrite: bool = False) -> int:
    """Write a table of published values to fill in, with those that the text quotes.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Ends in ``.ecsv``.
    overwrite : bool, optional

    Returns
    -------
    empty : int
        How many values are to be filled in.

    Examples
    --------
    >>> from euclid_resolved.study._published import read_published, write_template
    >>> empty = write_template("tables.ecsv")
    >>> values = read_published("tables.ecsv")
    >>> values["Table 3", "stellar_mass_density", "dnn", "HE", "r2"]
    '≈0.85'
    """
    if Path(path).suffix != ".ecsv":
        raise InputError(f"{path}: a table of published values ends in .ecsv")
    rows = []
    for key in cells():
        text = quoted(key)
        value = "" if text == NOT_PUBLISHED else text
        rows.append(dict(zip(KEY, key, strict=True)) | {"value": value})
    table = Table(rows=rows)
    table.meta["comments"] = [
        "Values of the tables of A&A 695, A284. Fill in value; rows without one are passed over.",
        "case: input (Table 3), galaxy and observer (4, 5), band left out (7), projections (A.1), set (B.1).",
    ]
    write_table(path, table, overwrite)
    return sum(not row["value"] for row in rows)


def without_empty(table: Table) -> Table:
    """A table without columns of published values in which there is none.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from euclid_resolved.diagnostics._published import NOT_PUBLISHED
    >>> from euclid_resolved.study._published import without_empty
    >>> table = Table({"r2": [0.4], "r2_published": [NOT_PUBLISHED], "rmse_published": ["0.1"]})
    >>> without_empty(table).colnames
    ['r2', 'rmse_published']
    """
    empty = [
        name
        for name in table.colnames
        if name.endswith("_published") and all(str(each) == NOT_PUBLISHED for each in table[name])
    ]
    kept = table.copy()
    kept.remove_columns(empty)
    return kept

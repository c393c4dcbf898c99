"""Columns of numbers by pixel, in memory or in files, of which parts are looked at without a copy."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.images._values import by_name, values_in

PIECE = 1 << 17  # pixels looked at at a time: a few columns of them stay in cache
_WINDOW = 1 << 22  # rows of a file in which single ones are looked up at a time


class Columns(Mapping[str, np.ndarray]):
    """Named columns of equal length, or some runs of their rows.

    ``columns[name]`` is an array: the column itself where one run was chosen, else a copy made on the spot
    that is not kept.

    Parameters
    ----------
    arrays : mapping of str to `~numpy.ndarray`
        Shape (n,) each; handed out read-only.
    runs : sequence of (int, int), optional
        First row and the one after the last of each run, in the order in which the rows count; all rows
        without it.
    again : callable, optional
        Gives the arrays, in any process: how columns of files are sent to another one. Of others the rows
        chosen are sent.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._columns import Columns
    >>> columns = Columns({"IE": np.arange(6.0), "HE": np.arange(6.0) * 2})
    >>> len(columns), list(columns)
    (2, ['IE', 'HE'])
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        runs: Sequence[tuple[int, int]] | None = None,
        again: Callable[[], Mapping[str, np.ndarray]] | None = None,
    ) -> None:
        if isinstance(arrays, Columns):
            again = arrays._again
            runs = arrays._runs if runs is None or not arrays else arrays._inner(runs)
            arrays = arrays._arrays
        self._arrays: dict[str, np.ndarray] = {name: read_only(array) for name, array in arrays.items()}
        if not self._arrays:
            runs = []
        elif runs is None:
            runs = [(0, len(next(iter(self._arrays.values()))))]
        self._runs: list[tuple[int, int]] = _merged(runs)
        self._again: Callable[[], Mapping[str, np.ndarray]] | None = again

    def __reduce__(self):
        if self._again is None:
            return Columns, ({name: self[name] for name in self},)
        return _opened_again, (self._again, tuple(self), self._runs)

    def __getitem__(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        parts = [array[start:stop] for start, stop in self._runs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts or [array[:0]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"<Columns {', '.join(self)}; {self.n_rows} rows>"

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return sum(stop - start for start, stop in self._runs)

    def select(self, names: Iterable[str]) -> Columns:
        """Some of the columns.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        columns : `Columns`
        """
        return Columns({name: self._arrays[name] for name in names}, self._runs, self._again)

    def rows(self, runs: Sequence[tuple[int, int]]) -> Columns:
        """Some of the rows.

        Parameters
        ----------
        runs : sequence of (int, int)
            First row and the one after the last of each run.

        Returns
        -------
        columns : `Columns`
        """
        return Columns(self, runs)

    def pieces(self, size: int = PIECE) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Look at all rows, some at a time.

        Parameters
        ----------
        size : int, optional
            The most rows of a piece.

        Yields
        ------
        start : int
            The number of the piece's first row.
        piece : dict of str to `~numpy.ndarray`
            Without a copy.
        """
        done = 0
        for first, last in self._runs:
            for start in range(first, last, size):
                stop = min(start + size, last)
                yield done + start - first, {name: array[start:stop] for name, array in self._arrays.items()}
                for array in self._arrays.values():
                    give_back(array, start, stop)
            done += last - first

    def take(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Single rows.

        Parameters
        ----------
        rows : `~numpy.ndarray` of int
            Ascending.

        Returns
        -------
        values : dict of str to `~numpy.ndarray`
        """
        if not self._arrays:
            return {}
        starts, offsets = np.array([start for start, _ in self._runs], np.int64), self._offsets
        number = np.searchsorted(offsets, rows, side="right") - 1
        where = rows - offsets[number] + starts[number]
        return {name: _taken(array, where) for name, array in self._arrays.items()}

    @property
    def _offsets(self):
        """The number of the first row of each run."""
        return np.cumsum([0, *(stop - start for start, stop in self._runs)])[:-1]

    def _inner(self, runs):
        """Runs of the rows chosen here, as runs of the arrays."""
        offsets, found = self._offsets, []
        for start, stop in runs:
            i = max(int(np.searchsorted(offsets, start, side="right")) - 1, 0)
            while start < stop:
                first, last = self._runs[i]
                here = first + start - int(offsets[i])
                n = min(stop - start, last - here)
                found.append((here, here + n))
                start, i = start + n, i + 1
        return found


def _opened_again(again, names, runs):
    arrays = again()
    return Columns({name: arrays[name] for name in names}, runs, again)


def _taken(array, rows):
    """Some rows; of a file no more than a window of it is in memory."""
    if not isinstance(array, np.memmap):
        return np.asarray(array[rows])
    found, done = np.empty(len(rows), array.dtype), 0
    while done < len(rows):
        first = int(rows[done])
        stop = max(done + int(np.searchsorted(rows[done:], first + _WINDOW)), done + 1)
        found[done:stop] = array[rows[done:stop]]
        give_back(array, first, int(rows[stop - 1]) + 1)
        done = stop
    return found


def give_back(array: np.ndarray, start: int, stop: int) -> None:
    """Let go of the pages of a file that rows of a column are in: they are read again when looked at again.

    Parameters
    ----------
    array : `~numpy.ndarray`
        Nothing happens unless it is all of a mapped file.
    start, stop : int

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._columns import give_back
    >>> np.arange(6.0).tofile("column")
    >>> column = np.memmap("column", float, "r")
    >>> give_back(column, 0, 6)
    >>> print(column)
    [0. 1. 2. 3. 4. 5.]
    """
    pages = getattr(array, "_mmap", None)
    if pages is None or not hasattr(mmap, "MADV_DONTNEED") or array.nbytes != len(pages):
        return
    first = start * array.itemsize // mmap.PAGESIZE * mmap.PAGESIZE
    last = stop * array.itemsize
    if last > first:
        pages.madvise(mmap.MADV_DONTNEED, first, last - first)


def as_columns(given, what, unit_of=None):
    """Columns of numbers in their units, from whatever holds some.

    Parameters
    ----------
    given : `Columns`, mapping of str to array_like, table or structured array
    what : str
        What they are, for messages.
    unit_of : callable, optional
        The unit by a column's name; that of surface brightness without it.

    Returns
    -------
    columns : `Columns`

    Raises
    ------
    InputError
        If a unit is of another kind, or the columns differ in length.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.models._columns import as_columns
    >>> as_columns({"IE": [2e6] * u.Jy / u.sr}, "brightness")["IE"]
    array([2.], dtype=float32)
    """
    if isinstance(given, Columns):
        return given
    if isinstance(given, dict) and not given:
        return Columns({})
    columns = {}
    for name, values in by_name(given, f"{what} is made", "columns by name").items():
        unit = SURFACE_BRIGHTNESS if unit_of is None else unit_of(name)
        own = np.atleast_1d(values_in(f"{what} of {name}", values, unit))
        columns[name] = own if own is values else own.astype(np.float32, copy=False)
    sizes = {name: np.shape(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1 or any(len(shape) != 1 for shape in sizes.values()):
        raise InputError(f"{what}: every column needs as many values, in one dimension, got {sizes}")
    return Columns(columns)


def _merged(runs):
    """Runs without empty ones, and with those in one that follow each other."""
    merged = []
    for start, stop in runs:
        if start == stop:
            continue
        if merged and merged[-1][1] == start:
            start = merged.pop()[0]
        merged.append((int(start), int(stop)))
    return merged

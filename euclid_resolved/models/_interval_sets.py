"""Intervals of pixels that lack bands: each set of missing bands has its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._known import sets_in
from euclid_resolved.models._intervals import Interval
from euclid_resolved.models._missing import checked_sets

if TYPE_CHECKING:
    from euclid_resolved.models._output import Output


class IntervalsBySet:
    """The intervals of pixels that lack different bands, as one.

    Parameters
    ----------
    output : `~euclid_resolved.models.Output`
        Calibrated.
    missing : `~numpy.ndarray` of int64
        The bands each pixel lacks, as of `~euclid_resolved.features._known.sets_of_bands`.
    bands : tuple of str

    Attributes
    ----------
    shared : float or None
        As of `~euclid_resolved.models.Interval`: the largest of those that pixels have.
    """

    def __init__(self, output: Output, missing: np.ndarray, bands: tuple[str, ...]) -> None:
        self._size = len(missing)
        numbers = sets_in(missing) or [0]
        # Most images lack no band anywhere, or the same one.
        where: list[Any] = [slice(None)]
        if len(numbers) > 1:
            where = [np.flatnonzero(missing == number) for number in numbers]
        self._parts = [
            (_interval_of(output, number, bands), rows) for number, rows in zip(numbers, where, strict=True)
        ]
        known = [interval.shared for interval, _ in self._parts if interval.shared is not None]
        self.shared = max(known) if len(known) == len(self._parts) else None

    def bins(self, light: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The bins that pixels lie in; see `~euclid_resolved.models.Interval.bins`."""
        number = np.empty(self._size, np.int64)
        for interval, rows in self._parts:
            number[rows] = interval.bins(light[rows], noise[rows])
        return number

    def offsets(self, light: np.ndarray, noise: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """What to add to estimates for the two ends; see `~euclid_resolved.models.Interval.offsets`."""
        return self.ends(self.bins(light, noise), level)

    def ends(self, bins: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """What `offsets` gives in bins."""
        low, high = np.empty(self._size), np.empty(self._size)
        for interval, rows in self._parts:
            low[rows], high[rows] = interval.ends(bins[rows], level)
        return low, high

    def in_mean(self, bins: np.ndarray) -> np.ndarray | None:
        """What to add for the mean on the linear scale; see `~euclid_resolved.models.Interval.to_mean`."""
        offset = np.empty(self._size)
        for interval, rows in self._parts:
            own = interval.in_mean(bins[rows])
            if own is None:
                return None
            offset[rows] = own
        return offset


def _interval_of(output: Output, number: int, bands: tuple[str, ...]) -> Interval:
    """The interval of pixels that lack a set of bands."""
    lacking = tuple(band for i, band in enumerate(bands) if number >> i & 1)
    if not lacking:
        if output.interval is None:
            raise InputError("the model has no intervals: calibrate() it on galaxies held out")
        return output.interval
    known = output.intervals_without
    return known[lacking] if lacking in known else known[len(lacking)]


def intervals_to_tree(intervals: Mapping[tuple[str, ...] | int, Interval]) -> list[dict[str, Any]]:
    """Intervals of pixels that lack bands, as a list of dicts of arrays."""
    return [
        {"without": key if isinstance(key, int) else list(key), "interval": interval.to_tree()}
        for key, interval in intervals.items()
    ]


def tree_to_intervals(
    tree: Sequence[Mapping[str, Any]], bands: tuple[str, ...]
) -> dict[tuple[str, ...] | int, Interval]:
    """What `intervals_to_tree` gave; nothing in it is trusted."""
    found: dict[tuple[str, ...] | int, Interval] = {}
    for entry in tree:
        key: Any = entry["without"]
        if isinstance(key, list | tuple):
            (key,) = checked_sets([key], bands)
        elif type(key) is not int or not 0 < key < len(bands):
            raise InputError(f"an interval is for {key!r} missing bands of {len(bands)}")
        found[key] = Interval.from_tree(entry["interval"])
    return found

"""How long a study takes: said before it starts, from small fits on this machine, and while it runs."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from euclid_resolved.study._cost import Size, measure_cost, measure_size, memory_of, pixels_of_fit, seconds_of

if TYPE_CHECKING:
    from euclid_resolved.study._plan import Fits
    from euclid_resolved.study._runner import Runner

# CPU seconds of the tables and figures of a part, and of each pixel above the clip: means of the parts of the
# fast study, on a mock atlas in pixels of two sizes.
_PART, _PART_PIXEL = 1.2, 3.6e-6


def together(seconds: Iterable[float], workers: int) -> float:
    """The time that pieces of work take on some workers, the longest first.

    Parameters
    ----------
    seconds : iterable of float
    workers : int

    Returns
    -------
    time : float

    Examples
    --------
    >>> from euclid_resolved.study._clock import together
    >>> together([3.0, 3.0, 2.0, 2.0, 2.0], 2)
    7.0
    """
    ends = [0.0] * workers
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


class Clock:
    """What is left of a study.

    Parameters
    ----------
    expected : mapping of str to float
        CPU seconds of a training by method, on average.
    left : mapping of str to int
        Trainings to be done by method.
    workers : int
        At work side by side.

    Examples
    --------
    >>> from euclid_resolved.study._clock import Clock
    >>> clock = Clock({"RF": 60.0}, {"RF": 3}, workers=1)
    >>> clock.done("RF", 120.0)  # twice as long as expected
    ' (1 of 3 trainings; about 4 min left)'
    """

    def __init__(self, expected: Mapping[str, float], left: Mapping[str, int], workers: int) -> None:
        self.expected, self.left, self.workers = dict(expected), Counter(left), max(workers, 1)
        self.total, self.count = sum(left.values()), 0
        self._spent: dict[str, float] = defaultdict(float)
        self._done: Counter[str] = Counter()

    def done(self, label: str, seconds: float) -> str:
        """Count a training, and say what is left; nothing where it was not foreseen."""
        if not self.left[label]:
            return ""
        self.left[label] -= 1
        self._done[label] += 1
        self._spent[label] += seconds
        self.count += 1
        return f" ({self.count} of {self.total} trainings; {words(self.remaining())} left)"

    def remaining(self) -> float:
        """Seconds, as the trainings that are done suggest."""
        seconds = 0.0
        for label, number in self.left.items():
            known = self._spent[label] / self._done[label] if self._done[label] else self.expected[label]
            seconds += number * known
        return seconds / self.workers


def words(seconds: float) -> str:
    """A time in words.

    Examples
    --------
    >>> from euclid_resolved.study._clock import words
    >>> [words(each) for each in (20.0, 400.0, 20_000.0, 300_000.0)]
    ['less than a minute', 'about 7 min', 'about 5 h 33 min', 'about 3.5 days']
    """
    if seconds < 45:
        return "less than a minute"
    if seconds < 3600:
        return f"about {max(round(seconds / 60), 1)} min"
    if seconds < 48 * 3600:
        return f"about {int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    return f"about {seconds / 86400:.1f} days"


@dataclass(frozen=True)
class Forecast:
    """What a study will take.

    Attributes
    ----------
    parts : `~astropy.table.Table`
        The trainings of each part by method, and its CPU minutes.
    methods : `~astropy.table.Table`
        Of each method the trainings, the pixels that one learns from, its CPU minutes and its memory.
    seconds : float
        Of all, on the workers that were asked for.
    clock : `Clock`
    size : `Size`
    reading : float
        CPU seconds to read all sets of pixels.
    """

    parts: Table
    methods: Table
    seconds: float
    clock: Clock
    size: Size
    reading: float


def forecast(runner: Runner, workers: int = 1) -> Forecast:
    """Say what is to be trained and how long that takes.

    Parameters
    ----------
    runner : `Runner`
    workers : int, optional
        How many trainings and parts are at work side by side.

    Returns
    -------
    forecast : `Forecast`
    """
    from euclid_resolved.study._plan import all_trainings, fits_of, fits_of_training
    from euclid_resolved.study._readings import reading_seconds, readings_of

    d, plan = runner.description, all_trainings(runner, runner.description.parts)
    entries: list[tuple[str, Fits, bool]] = []
    for part in d.parts:
        entries += [(part.slug, fits_of_training(runner, one), True) for one in plan[part.slug]]
        if not runner.is_done(part):
            entries += [(part.slug, one, False) for one in fits_of(runner, part)]
    size, pixels = measure_size(runner)
    costs = {
        name: measure_cost(runner, name, pixels) for name in dict.fromkeys(f.label for _, f, _ in entries)
    }
    each = [seconds_of(runner, costs[fits.label], size, fits) for _, fits, _ in entries]
    every = list(zip(entries, each, strict=True))
    rows, alone = [], []
    for part in d.parts:
        own = [(fits, kept, seconds) for (slug, fits, kept), seconds in every if slug == part.slug]
        numbers = Counter({label: 0 for label in d.methods})
        for fits, _, _ in own:
            numbers[fits.label] += fits.number
        alone.append(sum(fits.number * seconds for fits, kept, seconds in own if not kept))
        alone[-1] += 0.0 if runner.is_done(part) else _PART + _PART_PIXEL * (size.training + size.test)
        whole = alone[-1] + sum(seconds for _, kept, seconds in own if kept)
        rows.append({"part": part.label, **numbers, "CPU minutes": round(whole / 60, 2)})
    trained = [seconds for (_, _, kept), seconds in every if kept]
    by_method = [
        _method_row(runner, size, label, [e for e in every if e[0][1].label == label]) for label in costs
    ]
    expected = {
        label: float(np.mean([t for (_, f, kept), t in every if f.label == label and kept] or [0.0]))
        for label in costs
    }
    left = Counter(fits.label for _, fits, kept in entries if kept)
    sets = readings_of(runner, [one for some in plan.values() for one in some]) if runner.data.images else []
    reading = reading_seconds(runner, sets, size.galaxy)
    seconds = reading / max(workers, 1) + together(trained, workers) + together(alone, workers)
    return Forecast(
        Table(rows=rows), Table(rows=by_method), seconds, Clock(expected, left, workers), size, reading
    )


def _method_row(runner, size, label, every):
    numbers = np.array([fits.number for (_, fits, _), _ in every])
    seconds = np.array([seconds for _, seconds in every])
    return {
        "method": label,
        "trainings": int(numbers.sum()),
        "pixels": max(pixels_of_fit(runner, size, fits) for (_, fits, _), _ in every),
        "CPU minutes each": round(float(np.average(seconds, weights=numbers)) / 60, 2),
        "CPU hours": round(float(numbers @ seconds) / 3600, 2),
        "GiB each": round(max(memory_of(runner, size, fits) for (_, fits, _), _ in every) / 2**30, 2),
    }


def said_of(forecast: Forecast, runner: Runner, workers: int) -> list[str]:
    """What is said of a forecast: tables, the time, and whether it is within the budget.

    Parameters
    ----------
    forecast : `Forecast`
    runner : `Runner`
    workers : int

    Returns
    -------
    lines : list of str
    """
    size, hours = forecast.size, runner.description.budget["hours"]
    lines = [
        f"{len(runner.training)} training and {len(runner.test)} test galaxies, some {size.training:,} and "
        f"{size.test:,} pixels above the clip"
    ]
    if len(forecast.methods):
        lines += forecast.methods.pformat(max_width=-1, max_lines=-1)
    beside = f"with {workers} trainings and parts side by side" if workers > 1 else "one after the other"
    lines.append(f"Estimated time {beside}, on idle cores: {words(forecast.seconds)}")
    if hours and forecast.seconds > 3600 * hours:
        lines.append(
            f"That is more than the {hours:g} h of the study's [budget]: use more workers, or lower its "
            "pixels, the runs, or the settings of the methods. It runs all the same."
        )
    return lines

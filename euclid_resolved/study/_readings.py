"""The sets of pixels that a study reads, each once, and what that takes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from euclid_resolved.errors import InputError
from euclid_resolved.study._plan import OWN, Training, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.study._runner import Runner


@dataclass(frozen=True)
class Reading:
    """Pixels that trainings look at.

    Attributes
    ----------
    which : {"training", "test"}
    input : str
        For which they are read.
    part, case : str
        As of a `Training`.
    """

    which: str
    input: str
    part: str = ""
    case: str = ""


def readings_of(runner: Runner, trainings: Iterable[Training]) -> list[Reading]:
    """The sets of pixels that trainings look at, each once, and those of the main input.

    Parameters
    ----------
    runner : `Runner`
    trainings : iterable of `Training`

    Returns
    -------
    readings : list of `Reading`
    """
    d = runner.description
    found: dict[tuple[str, ...], tuple[str, str, str]] = {(): (d.main, "", "")}
    for one in trainings:
        if one.part:
            case = one.case if part_of(runner, one).run == "observed" else ""  # all projections have one set
            found[one.part, case] = d.main, one.part, case
        elif features := runner.image_features(one.input):
            found["", *features] = one.input, "", ""
    return [Reading(which, *each) for each in found.values() for which in ("training", "test")]


def read(runner: Runner, reading: Reading) -> None:
    """Leave pixels in the folder of a study, unless they lie there."""
    if reading.part:
        part = part_of(runner, reading)
        OWN[part.run].case_pixels(runner, part, reading.which, reading.case)
    else:
        runner.pixels(reading.which, reading.input)


def galaxies_of(runner: Runner, reading: Reading) -> Sequence[Galaxy]:
    """The galaxies whose pixels are read; nothing is read yet."""
    if not reading.part:
        return runner.training if reading.which == "training" else runner.test
    part = part_of(runner, reading)
    galaxies: Sequence[Galaxy] = OWN[part.run].case_galaxies(runner, part, reading.which, reading.case)
    return galaxies


def reading_seconds(runner: Runner, readings: Iterable[Reading], known: float) -> float:
    """CPU seconds to read sets of pixels: of one galaxy of each kind, times the number of galaxies.

    Parameters
    ----------
    runner : `Runner`
    readings : iterable of `Reading`
    known : float
        CPU seconds of a galaxy of the main input.

    Returns
    -------
    seconds : float
    """
    d, main = runner.description, runner.image_features()
    total, each = 0.0, {("", main): known}
    for reading in readings:
        features, galaxies = runner.image_features(reading.input), galaxies_of(runner, reading)
        # Galaxies that are observed take the same, whatever the value that is varied.
        kind = (reading.part, features)
        if kind not in each and len(galaxies):
            for galaxy in galaxies[:2]:  # the first one imports and compiles what is needed
                began = time.process_time()
                with suppress(InputError):  # a faint one may have no pixel above the clip
                    clip = d.sample["clip"]
                    runner.data.extract([galaxy], d.properties, d.bands, clip=clip, features=features)
                each[kind] = time.process_time() - began
        total += len(galaxies) * each.get(kind, 0.0)
    return total

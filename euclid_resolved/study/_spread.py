"""Trainings and parts of a study side by side, on processes of this machine or on those of a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.errors import InputError
from euclid_resolved.estimators._workers import WorkerDied, Workers
from euclid_resolved.study._parts import run_part
from euclid_resolved.study._plan import Training, all_trainings, carry_out
from euclid_resolved.study._readings import Reading, read, readings_of
from euclid_resolved.study._result import Missing
from euclid_resolved.study._runner import Runner

if TYPE_CHECKING:
    from euclid_resolved.study._description import Description, Part

_TENSORFLOW = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@contextmanager
def whatever_the_cores() -> Iterator[None]:
    """Have the libraries add up in the same order on every machine: in one thread each.

    TensorFlow and BLAS add in another order with other threads, so that networks and regressions would
    differ in their last digits, and networks after many steps in more. TensorFlow is told so only where it is
    not at work yet, and where its own settings do not say otherwise.
    """
    from threadpoolctl import threadpool_limits

    added = [name for name in _TENSORFLOW if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@dataclass(frozen=True)
class Job:
    """A study, as another process needs to know it.

    Attributes
    ----------
    description : ``Description``
    atlas, out : str
        Paths that every worker sees.
    missing : dict of str to str
        Methods that cannot be used, and why.
    """

    description: Description
    atlas: str
    out: str
    missing: dict[str, str]


class _Here:
    """The study that this process is at work on: its pixels are looked at again and again."""

    job: Job | None = None
    runner: Runner | None = None


def _runner_of(job):
    if _Here.runner is None or _Here.job != job:
        # A worker has one study at a time: what an earlier one has in memory is let go first.
        _Here.job, _Here.runner = job, None
        _Here.runner = Runner(job.description, Path(job.atlas), Path(job.out), lambda line: None, shared=True)
        _Here.runner.missing.update(job.missing)
    return _Here.runner


def _do(job: Job, work: Reading | Training | Part) -> tuple[str, Any]:
    """Read pixels, train, or run a part, in whichever process this is; what came of it."""
    began = time.process_time()
    with whatever_the_cores():
        runner = _runner_of(job)
        try:
            if isinstance(work, Reading):
                read(runner, work)
                return "read", None
            if isinstance(work, Training):
                carry_out(runner, work)
                return "trained", time.process_time() - began
            return "entry", runner.entry(work, run_part)
        except Missing as error:
            return "missing", (error.label, error.reason)


def run_side_by_side(runner: Runner, workers: Workers) -> None:
    """Carry out what a study lacks on workers: read the pixels, then all trainings, then all parts.

    Each set of pixels, each training and each part is kept as soon as it is done. A worker that dies costs
    what it was at, which is tried again.

    Parameters
    ----------
    runner : `Runner`
        With its pixels in the folder.
    workers : `~euclid_resolved.estimators._workers.Workers`

    Raises
    ------
    InputError
        If some work takes its worker with it again and again. The rest is done first.
    """
    lost: list[str] = []
    parts = runner.description.parts
    plan = [one for some in all_trainings(runner, parts).values() for one in some]
    if plan or not all(map(runner.is_done, parts)):
        readings = readings_of(runner, plan) if runner.data.images else []
        runner.say(f"Reading pixels: {len(readings)} sets")
        _round(runner, workers, readings, lambda reading, _: None, lost)

    def trained(work, seconds):
        left = runner.clock.done(work.label, seconds) if runner.clock else ""
        case = f", {work.case} of {work.part}" if work.part else ""
        columns = f" ({', '.join(work.columns)})" if work.columns else ""
        what = f"{work.label} on {work.input}{columns}{case}, run {work.run + 1}"
        runner.say(f"  trained {what}: {seconds:.1f} s{left}")

    def entered(part, entry):
        runner.enter(part, entry)
        runner.say(f"{part.label}: {part.title or part.run}: {entry['seconds']:.1f} s")

    # What a worker finds missing changes what is to be done: another round without it.
    while plan and _round(runner, workers, plan, trained, lost):
        plan = [one for some in all_trainings(runner, parts).values() for one in some]
    for part in parts:
        if runner.is_done(part):
            runner.say(f"{part.label}: done before")

    def can_run(part):
        # What took its worker with it would do so again inside a part.
        return not runner.is_done(part) and not (lost and any(all_trainings(runner, [part]).values()))

    while left := [part for part in parts if can_run(part)]:
        if not _round(runner, workers, left, entered, lost):
            break
    if lost:
        raise InputError(f"not done: {'; '.join(dict.fromkeys(lost))}. The rest is; repeat the command")


def _round(
    runner: Runner,
    workers: Workers,
    work: Sequence[Any],
    finish: Callable[[Any, Any], None],
    lost: list[str],
) -> bool:
    """Spread some work; whether methods turned out to be missing on the way."""
    job = Job(
        runner.description, str(runner.atlas.resolve()), str(runner.out.resolve()), dict(runner.missing)
    )
    found: dict[str, str] = {}
    for number, outcome in workers.spread(partial(_do, job), work):
        if isinstance(outcome, WorkerDied):
            lost.append(f"{getattr(work[number], 'label', '')}: {outcome}")
        elif isinstance(outcome, Exception):
            raise outcome
        elif outcome[0] == "missing":
            found |= dict([outcome[1]])
        else:
            finish(work[number], outcome[1])
    for label, reason in found.items():
        runner.missing[label] = reason
        runner.say(f"  {label}: {reason}")
    return bool(found)

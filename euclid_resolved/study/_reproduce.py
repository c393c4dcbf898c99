"""Run a whole study: every part in turn, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from euclid_resolved.errors import InputError
from euclid_resolved.estimators._workers import check_workers, on_workers
from euclid_resolved.io._lock import hold
from euclid_resolved.study._clock import forecast, said_of
from euclid_resolved.study._description import read_study
from euclid_resolved.study._parts import run_part
from euclid_resolved.study._psfs import psf_files
from euclid_resolved.study._report import REPORT, write_report
from euclid_resolved.study._runner import FOLDERS, MANIFEST, Runner
from euclid_resolved.study._spread import run_side_by_side, whatever_the_cores

__all__ = ["reproduce"]


def reproduce(
    atlas: str | Path | None = None,
    out: str | Path = "study",
    *,
    study: str | Path = "paper",
    test_galaxies: str | Path | None = None,
    published: str | Path | None = None,
    bands: Sequence[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    say: Callable[[str], object] = print,
    command: str = "",
) -> Path:
    """Run a study on an atlas and write a report; what an earlier run has done is not done again.

    Results are the same, to the last bit, with and without workers and whatever the number of cores, if
    TensorFlow was not at work in this process before.

    Parameters
    ----------
    atlas : str or `~pathlib.Path`, optional
        The folder of the atlas, or of a sample of its pixels (`~euclid_resolved.io.write_sample`), with
        which parts that need images are left out; that in the study without it.
    out : str or `~pathlib.Path`, optional
        The folder for models, tables, figures and ``report.html``.
    study : str or `~pathlib.Path`, optional
        A TOML file, or ``paper`` or ``paper-fast``.
    test_galaxies : str or `~pathlib.Path`, optional
        A list of the test galaxies, instead of what the study says of them: a name a line, perhaps with an
        observer (``TNG000008 O2``), or a table with the columns ``galaxy`` and ``observer``.
    published : str or `~pathlib.Path`, optional
        A table of published values, instead of the study's: those of the paper's tables that are empty in our
        copy, as ``euclid-resolved reproduce --published-template`` writes it to be filled in.
    bands : sequence of str, optional
        In place of the study's; any that the atlas has.
    workers : int, optional
        How many trainings and parts go side by side, in processes of one thread each; needs Dask. The pixels
        are kept in the folder then. One after the other without it.
    scheduler : str, optional
        The address of a Dask scheduler, in place of `workers`. Its workers see the same files.
    dry_run : bool, optional
        Say what is to be done and how long that takes, and do nothing else.
    say : callable, optional
        Takes each line about progress.
    command : str, optional
        The command that repeats this, for the report.

    Returns
    -------
    report : `~pathlib.Path`
        With `dry_run` it need not be there.

    Raises
    ------
    InputError
        If the study makes no sense, another job writes to `out`, or the results would replace the study's own
        file, a table of it or the atlas.
    ImageFileError
        If the atlas cannot be read.

    Examples
    --------
    >>> from euclid_resolved import ImageFileError
    >>> from euclid_resolved.study import reproduce
    >>> try:
    ...     reproduce("no atlas here", "study", study="paper-fast")  # with an atlas: study/report.html
    ... except ImageFileError as error:
    ...     print(str(error).split(" (")[0])
    no atlas here: no such folder
    """
    description = read_study(study, bands=bands)
    side_by_side = check_workers(workers, scheduler)
    atlas = atlas or description.atlas
    if atlas is None:
        raise InputError("which atlas? Name a folder, or give the study a path under [atlas]")
    if test_galaxies is not None:
        sample = description.sample | {"test_galaxies": str(test_galaxies)}
        description = replace(description, sample=sample)
    if published is not None:
        description = replace(description, published=str(published))
    files = filter(None, [description.sample["test_galaxies"], description.published])
    inputs = [study, *description.relations.values(), *psf_files(description.parts), *files]
    _check_folder(Path(out), Path(atlas), inputs)
    runner = Runner(description, Path(atlas), Path(out), say, shared=side_by_side)
    for label, reason in runner.missing.items():
        say(f"{label}: {reason}; its cells will say so")
    with whatever_the_cores(), ExitStack() as stack:
        if not dry_run:
            Path(out).mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold(Path(out) / REPORT))
        cluster = stack.enter_context(on_workers(workers, scheduler)) if side_by_side else None
        _foresee(runner, dry_run, 1 if cluster is None else cluster.threads())
        if dry_run:
            return Path(out) / REPORT
        if cluster is not None:
            run_side_by_side(runner, cluster)
        for part in description.parts if cluster is None else ():
            runner.step(part, run_part)
        if not command:
            more = f" --test-galaxies {test_galaxies}" if test_galaxies else ""
            more += f" --published {published}" if published else ""
            more += f" --bands {' '.join(bands)}" if bands else ""
            command = f"euclid-resolved reproduce {atlas} --study {study}{more} -o {out}"
        path = write_report(runner, command)
    say(f"Written: {path}")
    return path


def _foresee(runner, dry_run, workers):
    """Say how long what is left takes, where anything is."""
    if not dry_run and all(map(runner.is_done, runner.description.parts)):
        return
    expected = forecast(runner, workers)
    runner.clock = expected.clock
    if dry_run:
        for line in expected.parts.pformat(max_width=-1, max_lines=-1):
            runner.say(line)
    for line in said_of(expected, runner, workers):
        runner.say(line)


def _check_folder(out, atlas, inputs):
    """Refuse results where an input lies that they could replace."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the study")
    if out.exists() and atlas.exists() and out.samefile(atlas):
        raise InputError(f"{out} is the atlas; name another folder for the study")
    place = out.resolve()
    ours = [place / name for name in (*FOLDERS, MANIFEST, REPORT)]
    for path in map(Path, inputs):
        real = path.resolve()
        if path.exists() and any(real == each or each in real.parents for each in ours):
            raise InputError(
                f"{path} lies where results of the study are written; move it, or choose another folder"
            )

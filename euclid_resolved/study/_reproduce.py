"""Run a whole study: every part in turn, and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from euclid_resolved.errors import InputError
from euclid_resolved.io._lock import hold
from euclid_resolved.study._description import read_study
from euclid_resolved.study._parts import run_part
from euclid_resolved.study._report import REPORT, write_report
from euclid_resolved.study._runner import FOLDERS, MANIFEST, Runner

__all__ = ["reproduce"]


def reproduce(
    atlas: str | Path | None = None,
    out: str | Path = "study",
    *,
    study: str | Path = "paper",
    test_galaxies: str | Path | None = None,
    published: str | Path | None = None,
    say: Callable[[str], object] = print,
    command: str = "",
) -> Path:
    """Run a study on an atlas and write a report; what an earlier run has done is not done again.

    Parameters
    ----------
    atlas : str or `~pathlib.Path`, optional
        The folder of the atlas; that in the study without it.
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
    say : callable, optional
        Takes each line about progress.
    command : str, optional
        The command that repeats this, for the report.

    Returns
    -------
    report : `~pathlib.Path`

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
    description = read_study(study)
    atlas = atlas or description.atlas
    if atlas is None:
        raise InputError("which atlas? Name a folder, or give the study a path under [atlas]")
    if test_galaxies is not None:
        sample = description.sample | {"test_galaxies": str(test_galaxies)}
        description = replace(description, sample=sample)
    if published is not None:
        description = replace(description, published=str(published))
    files = filter(None, [description.sample["test_galaxies"], description.published])
    inputs = [study, *description.relations.values(), *files]
    _check_folder(Path(out), Path(atlas), inputs)
    runner = Runner(description, Path(atlas), Path(out), say)
    for label, reason in runner.missing.items():
        say(f"{label}: {reason}; its cells will say so")
    with hold(Path(out) / REPORT):
        for part in description.parts:
            runner.step(part, run_part)
        if not command:
            more = f" --test-galaxies {test_galaxies}" if test_galaxies else ""
            more += f" --published {published}" if published else ""
            command = f"euclid-resolved reproduce {atlas} --study {study}{more} -o {out}"
        path = write_report(runner, command)
    say(f"Written: {path}")
    return path


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

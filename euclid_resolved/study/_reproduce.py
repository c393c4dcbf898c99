"""Run a whole study: every part in turn, and the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from euclid_resolved.errors import InputError
from euclid_resolved.study._description import read_study
from euclid_resolved.study._parts import run_part
from euclid_resolved.study._report import write_report
from euclid_resolved.study._runner import Runner

__all__ = ["reproduce"]


def reproduce(
    atlas: str | Path | None = None,
    out: str | Path = "study",
    *,
    study: str | Path = "paper",
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
    say : callable, optional
        Takes each line about progress.
    command : str, optional
        The command that repeats this, for the report.

    Returns
    -------
    report : `~pathlib.Path`

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
    runner = Runner(description, Path(atlas), Path(out), say)
    for label, reason in runner.missing.items():
        say(f"{label}: {reason}; its cells will say so")
    for part in description.parts:
        runner.step(part, run_part)
    if not command:
        command = f"euclid-resolved reproduce {atlas} --study {study} -o {out}"
    path = write_report(runner, command)
    say(f"Written: {path}")
    return path

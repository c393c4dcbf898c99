"""The parts a study can have: those of the paper by name, and every registered diagnostic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from euclid_resolved.diagnostics._contract import run_chain
from euclid_resolved.plugins._registry import lookup
from euclid_resolved.study import (
    _accuracy as accuracy,
    _chained as chained,
    _examples as examples,
    _leaning as leaning,
    _neighbours as neighbours,
    _observed as observed,
    _optical as optical,
    _robust as robust,
)
from euclid_resolved.study._result import Result
from euclid_resolved.study._source import NO_IMAGES

if TYPE_CHECKING:
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner

PARTS = {
    "distributions": accuracy.distributions,
    "accuracy": accuracy.accuracy,
    "predicted_against_true": accuracy.predicted_against_true,
    "example_galaxies": examples.example_galaxies,
    "edge_on": examples.edge_on,
    "relation": leaning.relation,
    "coefficients": leaning.coefficients,
    "importance": leaning.importance,
    "leave_one_out": leaning.leave_one_out,
    "projections_test": robust.projections_test,
    "sample_bias_test": robust.sample_bias_test,
    "colours_test": robust.colours_test,
    "hyper_parameters": robust.hyper_parameters,
    "neighbouring_pixels": neighbours.neighbouring_pixels,
    "optical_bands": optical.optical_bands,
    "observed": observed.observed,
    "chained": chained.chained,
}
"""Functions ``part(runner, part)`` that return a `Result`."""

_GALAXIES = ("radial_profiles",)  # diagnostics that need images, not pixels
_ROWS = 6  # of galaxies in a figure of profiles


def run_part(runner: Runner, part: Part) -> Result:
    """Run a part of the paper or a diagnostic.

    Parameters
    ----------
    runner : `Runner`
    part : `Part`

    Returns
    -------
    result : `Result`
    """
    if not runner.can_run(part):
        return Result(notes=[NO_IMAGES])
    if part.run in PARTS:
        return PARTS[part.run](runner, part)
    return _diagnostic(runner, part)


def _diagnostic(runner, part):
    """A registered diagnostic on each of the methods named, with the main input."""
    options = {key: value for key, value in part.options.items() if key not in ("estimators", "inputs")}
    diagnostic = lookup("diagnostics", part.run)
    result, plot = Result(), getattr(diagnostic, "plot", None)
    about = getattr(diagnostic, "summary", "")
    for label in part.options.get("estimators", runner.present()):
        if label in runner.missing:
            result.notes.append(f"{label}: {runner.missing[label]}")
            continue
        sets = (runner.within_budget(label, runner.training_pixels), runner.test_pixels)
        if part.run in _GALAXIES:
            sets = (runner.training, runner.test)
        model = runner.model(label)
        table = run_chain((part.run,), model, *sets, **{part.run: options})[part.run]
        caption = f"{label}: {about}" if about else label
        result.tables[caption] = table
        if plot is not None:
            result.figures[caption] = plot(table)
        if part.run in _GALAXIES and len(set(table["galaxy"])) > _ROWS:
            result.notes.append(
                f"The figure of {label} shows the first {_ROWS} of the galaxies in the table."
            )
    return result

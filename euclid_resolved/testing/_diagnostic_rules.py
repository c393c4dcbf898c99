"""The rules of the contract of diagnostics."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.testing._examples import example_galaxies
from euclid_resolved.testing._rules import hold, of_its_kind, rule, watched

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model

__all__ = ["DIAGNOSTIC_CHECKS"]


DIAGNOSTIC_CHECKS: list[Callable[[Any], None]] = []
"""Single checks of a diagnostic; each takes a name or a function."""

_diagnostic_rule = functools.partial(rule, DIAGNOSTIC_CHECKS, "diagnostics")


def trained() -> tuple[Model, list[Galaxy], list[Galaxy]]:
    """A model of all properties by a small forest, and the galaxies it was and was not trained on."""
    from euclid_resolved.estimators._trees import RandomForest
    from euclid_resolved.training._train import train

    galaxies = example_galaxies(8)
    forest = RandomForest(n_trees=3, min_samples_leaf=10, n_jobs=1)
    model = train(galaxies[:5], "all", forest, features=("bands", "colours"))
    return model, galaxies[:5], galaxies[5:]


@_diagnostic_rule()
def check_kind(diagnostic: Callable[..., Any]) -> None:
    """A diagnostic can be called with a model, training and test galaxies, and nothing else."""
    of_its_kind("diagnostics", diagnostic, callable(diagnostic))


@_diagnostic_rule()
def check_table(diagnostic: Callable[..., Any]) -> None:
    """A diagnostic takes a model, training and test galaxies, and returns a QTable with rows."""
    from astropy.table import QTable

    table = diagnostic(*trained())
    hold(isinstance(table, QTable), f"it returned {type(table).__name__}")
    hold(len(table) and table.colnames, "the table is empty")


@_diagnostic_rule()
def check_repeatable(diagnostic: Callable[..., Any]) -> None:
    """A diagnostic gives the same table again, and leaves model and galaxies as they are."""
    model, training, test = trained()
    before = model.digest
    first = diagnostic(model, training, test)
    second = diagnostic(model, training, test)
    hold(first.colnames == second.colnames and len(first) == len(second), "two runs gave different tables")
    for name in first.colnames:
        values, others = (np.asarray(table[name].astype(str)) for table in (first, second))
        hold(np.array_equal(values, others), f"two runs gave different values of {name}")
    again = replace(model)  # without the digest that the first one remembers
    hold(again.digest == before, "the model was changed")
    for galaxy, fresh in zip([*training, *test], example_galaxies(8), strict=True):
        same = all(np.array_equal(galaxy.image[b].data, fresh.image[b].data) for b in fresh.image)
        hold(same, f"the image of {galaxy.name} was changed")


@_diagnostic_rule()
def check_quiet(diagnostic: Callable[..., Any]) -> None:
    """A diagnostic writes no file, prints nothing, and leaves random numbers alone."""
    arguments = trained()
    diagnostic(*arguments)
    with watched() as seen:
        diagnostic(*arguments)
    hold(not seen, "; ".join(seen))

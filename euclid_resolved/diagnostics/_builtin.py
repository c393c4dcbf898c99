"""The built-in diagnostics and relations, registered as a plugin's would be, and what makes one."""

from __future__ import annotations

import inspect

from euclid_resolved.diagnostics import (
    _figures,
    _importance,
    _permutation,
    _profiles,
    _rmzr,
    _robustness,
    _robustness_figures,
)
from euclid_resolved.diagnostics._contract import Diagnostic
from euclid_resolved.diagnostics._observed import OBSERVED_RELATIONS
from euclid_resolved.diagnostics._relations import PUBLISHED_RELATIONS, Relation, as_relation
from euclid_resolved.errors import InputError
from euclid_resolved.plugins._offers import hookimpl, wrong_with


@hookimpl
def register_diagnostics() -> dict[str, Diagnostic]:
    """The paper's own ways of looking at a model, and a few that it lacks."""
    return {
        "lofo": Diagnostic(
            _importance.lofo, _figures.plot_lofo, "leave a band, column or scale out, train again"
        ),
        "impurity_importance": Diagnostic(
            _importance.impurity_importance, _figures.plot_importance, "what the splits of the trees use"
        ),
        "permutation_importance": Diagnostic(
            _permutation.permutation_importance,
            _figures.plot_permutation,
            "shuffle a band, column or scale, estimate again",
        ),
        "rmzr": Diagnostic(
            _rmzr.rmzr, _figures.plot_rmzr, "the resolved mass-metallicity relation, and observed ones"
        ),
        "rmzr_shuffle": Diagnostic(
            _rmzr.rmzr_shuffle,
            _figures.plot_shuffle,
            "is metallicity estimated, or density and the relation?",
        ),
        "radial_profiles": Diagnostic(
            _profiles.radial_profiles, _figures.plot_profiles, "true and estimated radial profiles"
        ),
        "cross_validation": Diagnostic(
            _robustness.cross_validation, _robustness_figures.plot_runs, "folds of whole galaxies"
        ),
        "learning_curve": Diagnostic(
            _robustness.learning_curve,
            _robustness_figures.plot_learning_curve,
            "accuracy against number of galaxies",
        ),
        "epistemic_scatter": Diagnostic(
            _robustness.epistemic_scatter, _robustness_figures.plot_runs, "accuracy when only seeds change"
        ),
        "sample_bias": Diagnostic(
            _robustness.sample_bias,
            _robustness_figures.plot_sample_bias,
            "training galaxies against test galaxies",
        ),
        "projections": Diagnostic(
            _robustness.projections,
            _robustness_figures.plot_learning_curve,
            "accuracy against number of projections",
        ),
        "colour_recovery": Diagnostic(
            _robustness.colour_recovery,
            _robustness_figures.plot_colour_recovery,
            "colours learned from the bands",
        ),
    }


@hookimpl
def register_relations() -> dict[str, Relation]:
    """CALIFA at one effective radius, and the relations of figure 8, whose values a user gives."""
    return {**OBSERVED_RELATIONS, **PUBLISHED_RELATIONS}


@wrong_with("diagnostics")
def wrong_diagnostic(value: object) -> str:
    """Why something is no diagnostic; empty for one.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._builtin import wrong_diagnostic
    >>> wrong_diagnostic(3)
    '3 cannot be called: a Diagnostic, or a function of model, training and test, is needed'
    """
    if isinstance(value, type):
        return f"the class {value.__name__} is offered, an object that can be called is needed"
    if not callable(value):
        return (
            f"{value!r:.80} cannot be called: a Diagnostic, or a function of model, training and test, "
            "is needed"
        )
    if isinstance(value, Diagnostic):
        if not callable(value.run):
            return f"its run is {value.run!r:.80}, a function of model, training and test is needed"
        if not (value.plot is None or callable(value.plot)):
            return f"its plot is {value.plot!r:.80}, a function of the table, or None, is needed"
        if not isinstance(value.summary, str) or not value.summary.strip() or "\n" in value.summary:
            return f"its summary is {value.summary!r:.80}, one line of text is needed"
        value = value.run
    try:
        inspect.signature(value).bind("model", "training", "test")
    except TypeError as error:
        return f"it cannot be called as diagnostic(model, training, test): {error}"
    except ValueError:  # what is compiled may have no signature
        pass
    return ""


@wrong_with("relations")
def wrong_relation(value: object) -> str:
    """Why something is no relation; empty for one.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._builtin import wrong_relation
    >>> wrong_relation(0.5)
    'float is offered, a Relation, or a table of one, is needed'
    """
    from astropy.table import Table

    if not isinstance(value, Relation | Table):
        what = value.__name__ if isinstance(value, type) else type(value).__name__
        return f"{what} is offered, a Relation, or a table of one, is needed"
    try:
        as_relation("it", value)
    except InputError as error:
        return str(error).removeprefix("relation 'it': ")
    return ""

"""The built-in diagnostics with their figures, and relations, registered as a plugin's would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from euclid_resolved.diagnostics import (
    _figures,
    _importance,
    _profiles,
    _rmzr,
    _robustness,
    _robustness_figures,
)
from euclid_resolved.diagnostics._contract import Diagnostic
from euclid_resolved.diagnostics._relations import PUBLISHED_RELATIONS
from euclid_resolved.plugins._registry import hookimpl

if TYPE_CHECKING:
    from euclid_resolved.diagnostics._relations import Relation


@hookimpl
def register_diagnostics() -> dict[str, Diagnostic]:
    """The paper's own ways of looking at a model, and a few that it lacks."""
    return {
        "lofo": Diagnostic(_importance.lofo, _figures.plot_lofo, "leave one band out, train again"),
        "impurity_importance": Diagnostic(
            _importance.impurity_importance, _figures.plot_importance, "what the splits of the trees use"
        ),
        "permutation_importance": Diagnostic(
            _importance.permutation_importance, _figures.plot_permutation, "shuffle a band, estimate again"
        ),
        "rmzr": Diagnostic(_rmzr.rmzr, _figures.plot_rmzr, "fits to the resolved mass-metallicity relation"),
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
    """The relations of the paper's Fig. 8, named and referenced; their values are for the user to supply."""
    return dict(PUBLISHED_RELATIONS)

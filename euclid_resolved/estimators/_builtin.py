"""The built-in estimators, registered as a plugin's would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from euclid_resolved.estimators import _baselines, _ensemble, _linear, _scikit_learn, _trees
from euclid_resolved.plugins._registry import hookimpl

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator


@hookimpl
def register_estimators() -> dict[str, type[Estimator]]:
    """The paper's linear regression and forest, what else it tried, and what all have to beat."""
    return {
        "linear": _linear.LinearRegression,
        "random_forest": _trees.RandomForest,
        "ridge": _scikit_learn.Ridge,
        "extra_trees": _scikit_learn.ExtraTrees,
        "gradient_boosting": _scikit_learn.GradientBoosting,
        "support_vector": _scikit_learn.SupportVector,
        "mlp": _scikit_learn.MultiLayerPerceptron,
        "ensemble": _ensemble.Ensemble,
        "mean": _baselines.Mean,
        "constant_mass_to_light": _baselines.ConstantMassToLight,
        "colour_mass_to_light": _baselines.ColourMassToLight,
        "two_colour_table": _baselines.TwoColourTable,
    }

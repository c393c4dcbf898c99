"""The built-in features, estimators, diagnostics and relations, registered as a plugin's would be."""

from euclid_resolved.plugins import hookimpl

__all__ = []


@hookimpl
def register_features():
    """Bands, colours, squared colours and flux ratios."""
    from euclid_resolved import features

    return {
        "bands": features.FeatureSet(features.bands, "dex(MJy / sr)", "log10 surface brightness"),
        "colours": features.FeatureSet(features.colours, "mag", "all colours, bluer band first"),
        "squared_colours": features.FeatureSet(features.squared_colours, "mag2", "squares of the colours"),
        "flux_ratios": features.FeatureSet(features.flux_ratios, "", "ratios of surface brightness"),
    }


@hookimpl
def register_estimators():
    """The paper's linear regression and forest, what else it tried, and what all have to beat."""
    from euclid_resolved import baselines, ensemble, estimators, sklearn_estimators, trees

    return {
        "linear": estimators.LinearRegression,
        "random_forest": trees.RandomForest,
        "ridge": sklearn_estimators.Ridge,
        "extra_trees": sklearn_estimators.ExtraTrees,
        "gradient_boosting": sklearn_estimators.GradientBoosting,
        "support_vector": sklearn_estimators.SupportVector,
        "mlp": sklearn_estimators.MultiLayerPerceptron,
        "ensemble": ensemble.Ensemble,
        "mean": baselines.Mean,
        "constant_mass_to_light": baselines.ConstantMassToLight,
        "colour_mass_to_light": baselines.ColourMassToLight,
        "two_colour_table": baselines.TwoColourTable,
    }


@hookimpl
def register_diagnostics():
    """The paper's own ways of looking at a model, and a few that it lacks."""
    from euclid_resolved import figures, importance, profiles, rmzr, robustness, robustness_figures
    from euclid_resolved.diagnostics import Diagnostic

    return {
        "lofo": Diagnostic(importance.lofo, figures.plot_lofo, "leave one band out, train again"),
        "impurity_importance": Diagnostic(
            importance.impurity_importance, figures.plot_importance, "what the splits of the trees use"
        ),
        "permutation_importance": Diagnostic(
            importance.permutation_importance, figures.plot_permutation, "shuffle a band, estimate again"
        ),
        "rmzr": Diagnostic(rmzr.rmzr, figures.plot_rmzr, "fits to the resolved mass-metallicity relation"),
        "rmzr_shuffle": Diagnostic(
            rmzr.rmzr_shuffle, figures.plot_shuffle, "is metallicity estimated, or density and the relation?"
        ),
        "radial_profiles": Diagnostic(
            profiles.radial_profiles, figures.plot_profiles, "true and estimated radial profiles"
        ),
        "cross_validation": Diagnostic(
            robustness.cross_validation, robustness_figures.plot_runs, "folds of whole galaxies"
        ),
        "learning_curve": Diagnostic(
            robustness.learning_curve,
            robustness_figures.plot_learning_curve,
            "accuracy against number of galaxies",
        ),
        "epistemic_scatter": Diagnostic(
            robustness.epistemic_scatter, robustness_figures.plot_runs, "accuracy when only seeds change"
        ),
        "sample_bias": Diagnostic(
            robustness.sample_bias,
            robustness_figures.plot_sample_bias,
            "training galaxies against test galaxies",
        ),
        "projections": Diagnostic(
            robustness.projections,
            robustness_figures.plot_learning_curve,
            "accuracy against number of projections",
        ),
        "colour_recovery": Diagnostic(
            robustness.colour_recovery,
            robustness_figures.plot_colour_recovery,
            "colours learned from the bands",
        ),
    }


@hookimpl
def register_relations():
    """The relations of the paper's Fig. 8, named and referenced; their values are for the user to supply."""
    from euclid_resolved.relations import PUBLISHED_RELATIONS

    return dict(PUBLISHED_RELATIONS)

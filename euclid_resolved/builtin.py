"""The built-in features, estimators and diagnostics, registered as a plugin's would be."""

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
    """Linear regression and random forest."""
    from euclid_resolved import estimators

    return {"linear": estimators.LinearRegression, "random_forest": estimators.RandomForest}

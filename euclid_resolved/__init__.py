"""Maps of stellar mass, metallicity and age from Euclid images of nearby galaxies."""

import importlib

from euclid_resolved.version import __version__  # noqa: F401

# Where each public name lives. Looked up on first use, so that importing the package stays quick and
# never brings in scikit-learn or matplotlib.
_HOMES = {
    "bands": ("BANDS", "EUCLID_BANDS", "Band"),
    "errors": (
        "DataWarning", "ImageFileError", "InputError", "ModelFileError", "NotFittedError", "PluginError",
        "PluginWarning",
    ),
    "citation": ("__bibtex__", "__citation__"),
    "diagnostics": ("diagnose",),
    "ensemble": ("Ensemble",),
    "estimators": ("Estimator", "LinearRegression"),
    "features": ("FeatureTable", "make_features"),
    "galaxy": ("Galaxy",),
    "image": ("MultiBandImage",),
    "importance": ("lofo",),
    "io": ("read", "read_atlas", "read_euclid", "write"),
    "many": ("predict_many",),
    "maps": ("Quality", "SpatialMap"),
    "metrics": ("evaluate",),
    "mock": ("MockSettings", "make_atlas"),
    "model": ("Model",),
    "observe": ("observe_atlas",),
    "quick_look": ("quicklook",),
    "quantities": ("PROPERTIES", "Property", "SOLAR_METALLICITY"),
    "splits": ("folds", "split"),
    "tile": ("predict_tile",),
    "training": ("retrain", "train"),
    "trees": ("RandomForest",),
    "uncertainty": ("calibrate",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, "__version__"])


def __getattr__(name):
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'euclid_resolved' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"euclid_resolved.{home}"), name)


def __dir__():
    return __all__

"""What users give for an estimator: an object, its registered name, or what scikit-learn has."""

from __future__ import annotations

from typing import Any

from euclid_resolved._checks import check_type
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator

# As the paper abbreviates them (section 1); its DNN is the name of a plugin's estimator already.
ABBREVIATIONS = {"rf": "random_forest", "lr": "linear"}
# The estimators here that do what one of scikit-learn, or of another library with its interface, does.
_LIKE = {
    "RandomForestRegressor": "RandomForest()",
    "ExtraTreesRegressor": "estimators.ExtraTrees()",
    "HistGradientBoostingRegressor": "estimators.GradientBoosting()",
    "GradientBoostingRegressor": "estimators.GradientBoosting()",
    "LinearRegression": "LinearRegression()",
    "Ridge": "estimators.Ridge()",
    "AdaBoostRegressor": "the estimator 'ada_boost'",
    "SVR": "estimators.SupportVector()",
    "MLPRegressor": "estimators.MultiLayerPerceptron()",
    "KNeighborsRegressor": "the estimator 'knn' of the plugin euclid_resolved_knn",
    "XGBRegressor": "the estimator 'xgboost' of the plugin euclid_resolved_xgboost",
}


def estimator_class(name: str) -> Any:
    """The class of a registered name, or of the paper's abbreviation of one.

    Parameters
    ----------
    name : str
        For example ``"random_forest"``; or RF, LR or DNN, in letters of any case.

    Returns
    -------
    kind : class

    Raises
    ------
    PluginError
        If there is none.

    Examples
    --------
    >>> from euclid_resolved.estimators._given import estimator_class
    >>> estimator_class("RF")()
    RandomForest(n_trees=100, min_samples_leaf=20, max_samples=2000000, max_features=1.0, max_depth=None, \
seed=1, n_jobs=-1, engine='histogram', joint=False)
    """
    from euclid_resolved.plugins._registry import lookup

    short = name.lower()
    return lookup("estimators", ABBREVIATIONS.get(short, short if short == "dnn" else name))


def given_estimator(value: object) -> Estimator:
    """The estimator that was given, as an object or by its name.

    Parameters
    ----------
    value : `~euclid_resolved.Estimator` or str
        Of a name, the estimator with its default settings.

    Returns
    -------
    estimator : `~euclid_resolved.Estimator`

    Raises
    ------
    InputError
        If it is something else. Of an object of scikit-learn the message says what there is in its place.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from euclid_resolved.estimators._given import given_estimator
    >>> given_estimator("linear")
    LinearRegression()
    >>> try:
    ...     given_estimator(LinearRegression())
    ... except ValueError as error:
    ...     print(str(error).split(":")[0])
    LinearRegression is an object of scikit-learn and no Estimator
    """
    if isinstance(value, str):
        found: Estimator = estimator_class(value)()
        return found
    kind = value if isinstance(value, type) else type(value)
    if not issubclass(kind, Estimator) and hasattr(kind, "get_params") and hasattr(kind, "fit"):
        like = _LIKE.get(kind.__name__)
        use = f"use {like}, or write" if like else "write"
        raise InputError(
            f"{kind.__name__} is an object of {_library(kind)} and no Estimator: {use} a class derived from "
            "Estimator that calls it (the page Plugins; euclid_resolved.estimators.arrange takes in trees of "
            "any library)"
        )
    check_type(value, Estimator, "for example RandomForest(), or a name: 'random_forest'")
    assert isinstance(value, Estimator)
    return value


def _library(kind):
    name = kind.__module__.partition(".")[0]
    return "scikit-learn" if name == "sklearn" else f"{name}, with the interface of scikit-learn,"

"""The built-in estimators, registered as a plugin's would be, and what makes an estimator."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from euclid_resolved.estimators import _ada_boost, _baselines, _ensemble, _linear, _scikit_learn, _trees
from euclid_resolved.estimators._contract import Estimator, is_plain
from euclid_resolved.plugins._offers import hookimpl, wrong_with

_MARKS = {
    "accepts_nan",
    "floor",
    "joint",
    "libraries",
    "threads",
    "uses",
}  # what a class says of itself, no settings

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
        "ada_boost": _ada_boost.AdaBoost,
        "ensemble": _ensemble.Ensemble,
        "mean": _baselines.Mean,
        "constant_mass_to_light": _baselines.ConstantMassToLight,
        "colour_mass_to_light": _baselines.ColourMassToLight,
        "two_colour_table": _baselines.TwoColourTable,
    }


@wrong_with("estimators")
def wrong_estimator(value: object) -> str:
    """Why something is no class of an estimator; empty for one. Nothing of it is called.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression
    >>> from euclid_resolved.estimators._builtin import wrong_estimator
    >>> class Shrunk(LinearRegression):
    ...     shrink: float = 0.0
    >>> print(wrong_estimator(Shrunk))
    Shrunk has settings (shrink) that no one would hear of: decorate the class with @dataclass
    """
    if not isinstance(value, type):
        what = f"an object of {type(value).__name__}" if isinstance(value, Estimator) else repr(value)[:80]
        return f"{what} is offered, the class itself is needed"
    name = value.__name__
    if not issubclass(value, Estimator):
        return f"{name} is not derived from euclid_resolved.Estimator"
    lacking = sorted(getattr(value, "__abstractmethods__", ()))
    if lacking:
        return f"{name} lacks {', '.join(lacking)}"
    return _wrong_settings(value)


def _wrong_settings(kind):
    """Why `dataclasses.replace`, which makes every fresh copy, would lose a setting."""
    name, decorate = kind.__name__, "that no one would hear of: decorate the class with @dataclass"
    for each in kind.__mro__[: kind.__mro__.index(Estimator)]:
        own = inspect.get_annotations(each)
        lost = [key for key, of in own.items() if not (key in _MARKS or "ClassVar" in str(of))]
        if lost and "__dataclass_fields__" not in vars(each):
            return f"{name} has settings ({', '.join(lost)}) {decorate}"
    known = {field.name: field for field in fields(kind) if field.init} if _is_dataclass(kind) else {}
    asked = inspect.signature(kind).parameters.values()
    other = {one.name for one in asked if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)} ^ set(known)
    if other:
        return f"{name} has settings ({', '.join(sorted(other))}) {decorate}"
    if not _is_dataclass(kind):
        return f"{name} is no dataclass: decorate the class with @dataclass"
    for key, field in known.items():
        if field.default is MISSING and field.default_factory is MISSING:
            return f"{name} cannot be made without its setting {key}: give it a default"
        if field.default is not MISSING and not is_plain(field.default):
            return f"{name} has a setting {key} of {type(field.default).__name__}; numbers, text or tuples do"
    return ""


def _is_dataclass(kind):
    return hasattr(kind, "__dataclass_fields__")

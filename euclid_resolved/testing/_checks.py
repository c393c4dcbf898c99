"""Every check of a kind at once, and what they find in one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from euclid_resolved.testing._diagnostic_rules import DIAGNOSTIC_CHECKS
from euclid_resolved.testing._estimator_rules import ESTIMATOR_CHECKS
from euclid_resolved.testing._feature_rules import FEATURE_CHECKS
from euclid_resolved.testing._rules import try_all

if TYPE_CHECKING:
    from euclid_resolved.diagnostics._contract import Diagnostic
    from euclid_resolved.estimators._contract import Estimator
    from euclid_resolved.features._image_sets import ImageFeatureSet
    from euclid_resolved.features._sets import FeatureSet

__all__ = ["check_diagnostic", "check_estimator", "check_features"]


def check_estimator(estimator: str | type[Estimator] | Estimator) -> None:
    """Check that an estimator keeps every rule of its contract.

    Parameters
    ----------
    estimator : str, type or `~euclid_resolved.Estimator`
        A registered name, a class, or an object, whose settings are used: small ones make the check quick.

    Raises
    ------
    AssertionError
        With one line for each broken rule.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression
    >>> from euclid_resolved.testing import check_estimator
    >>> check_estimator(LinearRegression())
    """
    try_all(ESTIMATOR_CHECKS, estimator)


def check_features(feature_set: str | FeatureSet | ImageFeatureSet) -> None:
    """Check that a set of features keeps every rule of its contract.

    Parameters
    ----------
    feature_set : str, `~euclid_resolved.features.FeatureSet` or `~euclid_resolved.features.ImageFeatureSet`
        Features of an image are tried on small images: moved, turned, cut, with missing pixels and without
        noise.

    Raises
    ------
    AssertionError
        With one line for each broken rule.

    Examples
    --------
    >>> from euclid_resolved.plugins import lookup
    >>> from euclid_resolved.testing import check_features
    >>> check_features(lookup("features", "colours"))
    >>> check_features("neighbourhood")
    """
    try_all(FEATURE_CHECKS, feature_set)


def check_diagnostic(diagnostic: str | Diagnostic | Callable[..., Any]) -> None:
    """Check that a diagnostic keeps every rule of its contract.

    Parameters
    ----------
    diagnostic : str or callable

    Raises
    ------
    AssertionError
        With one line for each broken rule.

    Examples
    --------
    >>> from euclid_resolved.plugins import lookup
    >>> from euclid_resolved.testing import check_diagnostic
    >>> check_diagnostic(lookup("diagnostics", "sample_bias"))
    """
    try_all(DIAGNOSTIC_CHECKS, diagnostic)

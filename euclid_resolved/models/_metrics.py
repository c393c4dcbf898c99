"""How good estimates are: the paper's six metrics, in dex."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images._values import values_in

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["bias", "metrics", "nmad", "outlier_fraction", "pearson", "r2", "rmse"]


OUTLIER = 0.3
"""The difference, in dex, beyond which an estimate counts as an outlier (the paper's equation 8)."""


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, guess = _in_dex("truth", y_true), _in_dex("prediction", y_pred)
    if truth.shape != guess.shape or truth.ndim != 1:
        raise InputError(f"truth {truth.shape} and prediction {guess.shape} must be 1-D and equally long")
    return truth, guess


def _in_dex(what: str, values: ArrayLike) -> np.ndarray:
    """Plain logarithms, NaN where masked; what has a linear unit, or magnitudes, is refused."""
    unit = getattr(values, "unit", None) if isinstance(values, np.ndarray) else None
    if unit is not None and unit != u.dex and not isinstance(unit, u.function.DexUnit):
        raise InputError(f"{what} must be log10 of the property (dex), not values in {unit or 'no unit'}")
    return np.asarray(values_in(what, values, u.dex if unit is None else unit), np.float64)


def with_estimate(y_true: np.ndarray, y_pred: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and estimate of the pixels that have an estimate, with a warning about the others.

    Pixels without a truth, which have none of a property that they may lack, do not count.

    Parameters
    ----------
    y_true, y_pred : `~numpy.ndarray`
        Shape (n,).
    what : str
        What is estimated.

    Returns
    -------
    y_true, y_pred : `~numpy.ndarray`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._metrics import with_estimate
    >>> with_estimate(np.array([1.0, 2.0]), np.array([1.5, 2.0]), "age")
    (array([1., 2.]), array([1.5, 2. ]))
    """
    told = np.isfinite(y_true)
    if not told.all():
        y_true, y_pred = y_true[told], y_pred[told]
    known = np.isfinite(y_pred)
    if known.all():
        return y_true, y_pred
    message = f"{what}: {(~known).sum()} of {len(known)} pixels have no finite estimate and do not count"
    warnings.warn(message, DataWarning, stacklevel=3)
    return y_true[known], y_pred[known]


def r2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Coefficient of determination (equation 3): 1 is perfect, 0 as good as the mean of the truth.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    r2 : float
        NaN for fewer than two values or a constant truth.

    Examples
    --------
    >>> from euclid_resolved.models import r2
    >>> r2([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    1.0
    >>> r2([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])
    0.0
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if y_true.size < 2 or np.ptp(y_true) == 0:
        return np.nan
    return float(1 - np.sum((y_true - y_pred) ** 2) / np.sum((y_true - y_true.mean()) ** 2))


def rmse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Root-mean-square error in dex (equation 5); NaN for no values.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    rmse : float

    Examples
    --------
    >>> from euclid_resolved.models import rmse
    >>> round(rmse([1.0, 2.0], [1.3, 2.4]), 3)
    0.354
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.sqrt(np.mean((y_true - y_pred) ** 2))) if y_true.size else np.nan


def nmad(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Normalised median absolute deviation in dex, ``1.4826 median |d - median d|`` (equation 6).

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    nmad : float
        NaN for no values.

    Examples
    --------
    >>> from euclid_resolved.models import nmad
    >>> round(nmad([0.0, 0.1, 0.2, 5.0], [0.0, 0.0, 0.0, 0.0]), 3)
    0.148
    """
    y_true, y_pred = _pair(y_true, y_pred)
    d = y_true - y_pred
    if not d.size:
        return np.nan
    d -= np.median(d)
    return float(1.4826 * np.median(np.abs(d, out=d), overwrite_input=True))


def bias(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean of truth minus prediction in dex (equation 7): positive where the model underestimates.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    bias : float
        NaN for no values.

    Examples
    --------
    >>> from euclid_resolved.models import bias
    >>> bias([2.0, 3.0], [1.5, 2.5])
    0.5
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.mean(y_true - y_pred)) if y_true.size else np.nan


def outlier_fraction(y_true: ArrayLike, y_pred: ArrayLike, limit: float = OUTLIER) -> float:
    """The fraction of values off by more than `limit` dex (equation 8).

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).
    limit : float, optional

    Returns
    -------
    fraction : float
        NaN for no values.

    Examples
    --------
    >>> from euclid_resolved.models import outlier_fraction
    >>> outlier_fraction([1.0, 1.0, 1.0, 1.0], [1.1, 0.9, 1.2, 1.5])
    0.25
    >>> outlier_fraction([1.0, 1.0, 1.0, 1.0], [1.1, 0.9, 1.2, 1.5], limit=0.15)
    0.5
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.mean(np.abs(y_true - y_pred) > limit)) if y_true.size else np.nan


def pearson(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Pearson correlation coefficient (equation 9).

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    rho : float
        NaN for fewer than two values or where one of the two is constant.

    Examples
    --------
    >>> from euclid_resolved.models import pearson, r2
    >>> truth, estimate = [0.0, 1.0, 2.0], [0.0, 0.5, 1.0]
    >>> round(pearson(truth, estimate), 3), round(r2(truth, estimate), 3)
    (1.0, 0.375)
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if y_true.size < 2 or np.ptp(y_true) == 0 or np.ptp(y_pred) == 0:
        return np.nan
    return float(np.corrcoef(y_true, y_pred)[0, 1])


METRICS = (r2, rmse, nmad, bias, outlier_fraction, pearson)
"""The six metrics, in the paper's order."""


def metrics(y_true: ArrayLike, y_pred: ArrayLike) -> dict[str, float]:
    """All six metrics.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    values : dict of str to float

    Examples
    --------
    >>> from euclid_resolved.models import metrics
    >>> for name, value in metrics([1.0, 2.0, 3.0], [1.1, 2.0, 2.5]).items():
    ...     print(f"{name:16} {value:6.3f}")
    r2                0.870
    rmse              0.294
    nmad              0.148
    bias              0.133
    outlier_fraction  0.333
    pearson           0.987
    """
    return {metric.__name__: metric(y_true, y_pred) for metric in METRICS}

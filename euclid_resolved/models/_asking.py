"""How a model asks an estimator, which may be anyone's: what it is handed, and what it may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.errors import PluginError
from euclid_resolved.estimators._contract import Estimator, is_plain
from euclid_resolved.plugins._offers import BUILTIN, blamed
from euclid_resolved.plugins._registry import available, registered

CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6, "equal_nan": True}
"""How far predictions may lie from those made before: other matrix products differ in their last bits."""


def registered_name(estimator: Estimator) -> str:
    """The name under which an estimator's class is registered."""
    for name, registered_class in available("estimators").items():
        if type(estimator) is registered_class:
            return name
    return f"{type(estimator).__name__} (not registered)"


def checked_predict(estimator: Estimator, X: np.ndarray, what: str, *, nan: bool = False) -> np.ndarray:
    """Predict, and hold a plugin to its contract.

    Parameters
    ----------
    estimator : `~euclid_resolved.Estimator`
        Fitted.
    X : `~numpy.ndarray`
        float32, shape (n, k); handed out read-only. Rows that are not finite are not asked for.
    what : str
        What is predicted, for messages.
    nan : bool, optional
        Whether rows with NaN are asked for, but those of nothing else: of a fit to pixels that lack bands.

    Returns
    -------
    y : `~numpy.ndarray`
        float32, shape (n,). NaN where a row, or the prediction, is not finite.

    Raises
    ------
    PluginError
        If the estimator fails, or returns another shape, or no floating-point numbers.
    """
    return _asked(estimator, estimator.predict, X, f"to predict {what}", "predicted", nan, nothing=False)


def checked_spread(estimator: Estimator, X: np.ndarray, what: str, *, nan: bool = False) -> np.ndarray | None:
    """The spread of predictions, held to its contract as `checked_predict` holds them.

    Parameters
    ----------
    estimator, X, what, nan
        As for `checked_predict`.

    Returns
    -------
    sigma : `~numpy.ndarray` or None
        float32, shape (n,); NaN where it is not finite. None where the estimator does not know it.

    Raises
    ------
    PluginError
        As `checked_predict`, and if a value is negative.
    """
    sigma = _asked(estimator, estimator.spread, X, f"to give the spread of {what}", "gave a spread of", nan)
    if sigma is not None and (sigma < 0).any():
        name = registered_name(estimator)
        raise PluginError(f"{name} gave a spread of {sigma.min():.3g} for {what}; one sigma is not negative")
    return sigma


def _asked(estimator, ask, X, doing, did, nan, nothing=True):
    """One float32 a row, NaN where there is none; None where the answer may be `nothing`, and is."""
    if nan:
        good = ~np.isinf(X).any(axis=1) & ~np.isnan(X).all(axis=1)
    else:
        good = np.isfinite(X).all(axis=1)
    rows = X if good.all() else X[good]
    with blamed(lambda: registered_name(estimator), doing):
        y = ask(read_only(rows))
        if y is None and nothing:
            return None
        if np.ma.isMaskedArray(y) and y.dtype.kind == "f":
            y = y.filled(np.nan)
        y = np.asarray(y)
    if y.shape != (len(rows),) or y.dtype.kind != "f":
        name = registered_name(estimator)
        raise PluginError(f"{name} {did} {y.dtype} of shape {y.shape}, float32 ({len(rows)},) is needed")
    with np.errstate(over="ignore"):
        y = y.astype(np.float32, copy=False)
    if rows is X and np.isfinite(y).all():
        return y
    result = np.full(len(X), np.nan, np.float32)
    result[good] = np.where(np.isfinite(y), y, np.nan)
    return result


def check_settings(estimator: Estimator) -> None:
    """Refuse an estimator whose settings a fit, or a file, would lose: before hours of work, not after.

    Parameters
    ----------
    estimator : `~euclid_resolved.Estimator`

    Raises
    ------
    PluginError
        If it cannot be copied, something set on it is no setting, or, where it is registered, a setting is no
        number or text.
    """
    name = registered_name(estimator)
    can_be_kept = registered("estimators", name) is not None
    with blamed(name, "to be copied with its settings"):
        fresh = replace(estimator)
        settings = estimator.settings()
    odd = [key for key, value in settings.items() if can_be_kept and not is_plain(value)]
    if odd:
        kind = type(settings[odd[0]]).__name__
        raise PluginError(f"{name}: its setting {odd[0]} is a {kind}; numbers, text and tuples can be kept")
    known = {field.name for field in fields(estimator)}
    for key, value in vars(estimator).items():
        if key.startswith("_") or key in known:
            continue
        if not _alike(value, vars(fresh).get(key)):
            raise PluginError(
                f"{name}: {key} = {value!r:.40} is no setting, and every fit would go without it; decorate "
                "the class with @dataclass and make it a field"
            )


def _alike(a, b):
    try:
        return a is b or bool(np.all(a == b))
    except Exception:  # what cannot be compared is not the user's number
        return type(a) is type(b)


def check_fitted(estimator: Estimator, X: np.ndarray, what: str, *, nan: bool = False) -> np.ndarray:
    """Try, right after a fit, all that a file and a map will ask of an estimator.

    Parameters
    ----------
    estimator : `~euclid_resolved.Estimator`
        Fitted.
    X : `~numpy.ndarray`
        float32, shape (n, k): some rows that it was fitted to.
    what : str
        What it predicts.
    nan : bool, optional
        As for `checked_predict`.

    Returns
    -------
    y : `~numpy.ndarray`
        float32, shape (n,): its predictions.

    Raises
    ------
    PluginError
        If it predicts nothing at all, breaks a rule of `checked_predict` or `checked_spread`, or has a state
        that no file can hold or that does not give the same predictions again.
    """
    name = registered_name(estimator)
    y = checked_predict(estimator, X, what, nan=nan)
    if not np.isfinite(y).any():
        raise PluginError(f"{name} predicts no finite {what} for any of {len(X)} pixels it was fitted to")
    checked_spread(estimator, X, what, nan=nan)
    with blamed(name, "to give its state"):
        state = estimator.state()
    wrong = _no_state(state, "state")
    if wrong:
        raise PluginError(f"{name} has a state that no file can hold: {wrong}")
    row = registered("estimators", name)
    # Built-ins are held to it by their tests, and their states may be most of the memory.
    if row is not None and row.distribution != BUILTIN:
        with blamed(name, "to restore its own state"):
            again = replace(estimator).restore(state)
        if not np.allclose(checked_predict(again, X, what, nan=nan), y, **CLOSE):
            raise PluginError(f"{name} restored from its own state gives another {what}")
    return y


def _no_state(value: Any, where: str) -> str:
    """Why something cannot be part of a file, in words; empty if it can."""
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str)]
        inner = [_no_state(one, f"{where}[{key!r}]") for key, one in value.items()]
        return f"{where} has the key {odd[0]!r}, which is no text" if odd else next(filter(None, inner), "")
    if where == "state":
        return f"state is {type(value).__name__}, a mapping is needed"
    if isinstance(value, list | tuple):
        return next(filter(None, (_no_state(one, f"{where}[{i}]") for i, one in enumerate(value))), "")
    if isinstance(value, np.ndarray) and not np.ma.isMaskedArray(value):
        fits = value.dtype.kind == "U" or (value.dtype.kind in "fiub" and value.dtype.itemsize <= 8)
        return "" if fits else f"{where} is an array of {value.dtype}"
    return "" if is_plain(value) else f"{where} is {type(value).__name__}"

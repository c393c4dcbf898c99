"""The rules of the estimators' contract."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator, is_plain
from euclid_resolved.models import _asking as asking
from euclid_resolved.testing._examples import Problem
from euclid_resolved.testing._rules import (
    Broken,
    global_random_numbers,
    hold,
    of_its_kind,
    refuses,
    rule,
    same,
    watched,
)
from euclid_resolved.testing._state_rules import STATE_CHECKS

__all__ = ["ESTIMATOR_CHECKS"]


def one_a_row(method: str, given: Any, like: np.ndarray) -> None:
    """Hold an answer to one finite float32 for each row."""
    what = f"{given.dtype} of shape {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__
    fits = isinstance(given, np.ndarray) and given.dtype == np.float32 and given.shape == like.shape
    hold(fits, f"{method} returned {what}, float32 of shape {like.shape} is needed")
    hold(np.isfinite(given).all(), f"a value that {method} returned is not finite")


ESTIMATOR_CHECKS: list[Callable[[Any], None]] = []
"""Single checks of an estimator; each takes a name, a class or an object."""

_estimator_rule = functools.partial(rule, ESTIMATOR_CHECKS, "estimators")


@_estimator_rule()
def check_kind(estimator: Estimator) -> None:
    """An estimator is a dataclass derived from Estimator, usable without any argument."""
    of_its_kind("estimators", type(estimator), isinstance(estimator, Estimator))


@_estimator_rule()
def check_settings(estimator: Estimator) -> None:
    """Settings are numbers, text and lists of them, and rebuild the estimator."""
    type(estimator)()
    settings = estimator.settings()
    for name, value in settings.items():
        hold(is_plain(value), f"{name} is {value!r}")
    again = json.loads(json.dumps(settings))
    again = type(estimator)(**{k: tuple(v) if isinstance(v, list) else v for k, v in again.items()})
    hold(again.settings() == settings, "an estimator made from its settings has others")
    asking.check_settings(estimator)


@_estimator_rule()
def check_predictions(estimator: Estimator) -> None:
    """fit returns the estimator, and predict one finite float32 a row."""
    problem = Problem.make()
    fresh = problem.fresh(estimator)
    hold(fresh.fit(problem.X, problem.y) is fresh, "fit returned something else than self")
    one_a_row("predict", fresh.predict(problem.X), problem.y)


@_estimator_rule()
def check_row_by_row(estimator: Estimator) -> None:
    """A prediction depends on its own row only, not on the rows beside it or their order."""
    problem = Problem.make()
    fitted, X = problem.fit(estimator), problem.X
    y, order = fitted.predict(X), np.random.default_rng(2).permutation(len(X))
    same(fitted.predict(X[order]), y[order], "another order of rows gave other predictions")
    same([fitted.predict(X[i : i + 1])[0] for i in range(5)], y[:5], "single rows gave other predictions")
    strange = np.vstack([X[:20], np.full((20, X.shape[1]), 100, np.float32)])
    same(fitted.predict(strange)[:20], y[:20], "rows far outside the training range changed the others")
    same(fitted.predict(np.asfortranarray(X)), y, "another order in memory gave other predictions")


@_estimator_rule()
def check_inputs_unchanged(estimator: Estimator) -> None:
    """fit and predict take read-only arrays, and leave all arrays as they are."""
    problem = Problem.make()
    arrays = [problem.X.copy(), problem.y.copy(), problem.X[:50].copy(), problem.y[:50].copy()]
    for array in arrays:
        array.flags.writeable = False
    fitted = problem.fresh(estimator).fit(arrays[0], arrays[1], validation=(arrays[2], arrays[3]))
    fitted.predict(arrays[0])
    fitted = problem.fresh(estimator)
    writable = [array.copy() for array in arrays]
    fitted.fit(writable[0], writable[1], validation=(writable[2], writable[3])).predict(writable[0])
    equal = all(np.array_equal(a, b) for a, b in zip(arrays, writable, strict=True))
    hold(equal, "an array was changed")


@_estimator_rule()
def check_keeps_no_views(estimator: Estimator) -> None:
    """A fitted estimator keeps copies: what happens to the training arrays later does not matter."""
    problem = Problem.make()
    X, y = problem.X.copy(), problem.y.copy()
    fitted = problem.fresh(estimator).fit(X, y)
    before = fitted.predict(problem.X)
    X[:], y[:] = 0.5, 0.5
    after = fitted.predict(problem.X)
    same(after, before, "predictions changed with the arrays it was fitted to")
    after[:] = 0
    same(fitted.predict(problem.X), before, "predictions changed with an array that predict had returned")


@_estimator_rule()
def check_nonfinite(estimator: Estimator) -> None:
    """NaN and infinity are refused with InputError, never answered with a number.

    One with ``accepts_nan = True`` takes NaN in a fit; after a fit without NaN it refuses it as well.
    """
    problem = Problem.make()
    fitted = problem.fit(estimator)
    for bad in (np.nan, np.inf, -np.inf):
        X, y = problem.X.copy(), problem.y.copy()
        X[3, 1] = y[3] = bad
        refuses(f"{bad} in a feature while predicting", fitted.predict, X)
        if np.isinf(bad) or not estimator.accepts_nan:
            refuses(f"{bad} in a feature while fitting", problem.fresh(estimator).fit, X, problem.y)
        refuses(f"{bad} in the target", problem.fresh(estimator).fit, problem.X, y)


@_estimator_rule()
def check_missing(estimator: Estimator) -> None:
    """One with ``accepts_nan = True`` learns from columns with NaN, and estimates rows that have some.

    Such a row has its own finite prediction, whatever is beside it and after its state was restored, and one
    that is better than the mean; infinity is refused all the same.
    """
    if not estimator.accepts_nan:
        return
    from euclid_resolved.models._metrics import r2

    problem = Problem.make(1600)
    X, y = problem.X.copy(), problem.y.copy()
    missing = np.random.default_rng(3).random(X.shape) < 0.3
    missing[missing.all(axis=1), 0] = False
    X[missing] = np.nan
    fitted = problem.fresh(estimator).fit(read_only(X[:800]), y[:800], validation=(X[800:900], y[800:900]))
    for rows in (slice(900, None), slice(900, 905), slice(0, 0)):
        one_a_row("predict", fitted.predict(read_only(X[rows])), y[rows])
    found = fitted.predict(X)
    same([fitted.predict(X[i : i + 1])[0] for i in range(5)], found[:5], "single rows gave other predictions")
    same(fitted.predict(X[::-1])[::-1], found, "another order of rows gave other predictions")
    same(replace(estimator).restore(fitted.state()).predict(X), found, "a restored estimator gave others")
    accuracy = r2(y[900:], found[900:])
    worst = -0.05 if getattr(estimator, "floor", False) else 0
    hold(accuracy > worst, f"R2 is {accuracy:.2f} of rows with NaN")
    X[3, 1] = np.inf
    refuses("infinity in a feature while predicting", fitted.predict, X)


@_estimator_rule()
def check_shapes(estimator: Estimator) -> None:
    """Arrays of a wrong shape are refused with InputError."""
    problem = Problem.make()
    fitted, X, y = problem.fit(estimator), problem.X, problem.y
    refuses("a column too few", fitted.predict, X[:, :-1])
    refuses("a column too many", fitted.predict, np.column_stack([X, y]))
    refuses("a one-dimensional array of features", fitted.predict, X[:, 0])
    refuses("a target of another length", problem.fresh(estimator).fit, X, y[:-1])
    refuses("a fit to no rows", problem.fresh(estimator).fit, X[:0], y[:0])


@_estimator_rule()
def check_unfitted(estimator: Estimator) -> None:
    """An estimator that has learned nothing refuses with InputError to predict and to give its state."""
    problem = Problem.make()
    refuses("to predict before a fit", problem.fresh(estimator).predict, problem.X)
    refuses("to give the state before a fit", problem.fresh(estimator).state)


@_estimator_rule()
def check_no_rows(estimator: Estimator) -> None:
    """No rows give no predictions: an image without a pixel to judge is no error."""
    problem = Problem.make()
    one_a_row("predict", problem.fit(estimator).predict(problem.X[:0]), problem.y[:0])


@_estimator_rule()
def check_one_row(estimator: Estimator) -> None:
    """A single row can be learned from, or is refused with InputError."""
    problem = Problem.make()
    try:
        fitted = problem.fit(estimator, rows=slice(0, 1))
    except InputError:
        return
    hold(np.isfinite(fitted.predict(problem.X[:3])).all(), "a prediction is not finite")


@_estimator_rule()
def check_constant(estimator: Estimator) -> None:
    """A column or a target that does not vary does no harm."""
    problem = Problem.make(constant="JE")
    hold(np.isfinite(problem.fit(estimator).predict(problem.X)).all(), "a prediction is not finite")
    problem.y[:] = 0.5
    hold(np.isfinite(problem.fit(estimator).predict(problem.X)).all(), "a prediction is not finite")


@_estimator_rule()
def check_reproducible(estimator: Estimator) -> None:
    """Two fits with one seed are equal, whatever else draws random numbers."""
    problem, results = Problem.make(), []
    for seed in (1, 2):
        with global_random_numbers():
            np.random.seed(seed)
            random.seed(seed)
            results.append(problem.fit(estimator).predict(problem.X))
    same(results[0], results[1], "two fits gave different predictions")


@_estimator_rule()
def check_fresh_copy(estimator: Estimator) -> None:
    """dataclasses.replace gives a fresh estimator, which shares nothing fitted with the old one."""
    problem, other = Problem.make(), Problem.make(seed=2)
    fitted = problem.fit(estimator)
    before = fitted.predict(problem.X)
    fresh = replace(fitted)
    try:
        fresh.predict(problem.X)
    except Exception:
        other.y[:] = 1 - other.y
        other.fit(fresh)
        same(fitted.predict(problem.X), before, "fitting a copy changed the estimator it came from")
        return
    raise Broken("a copy predicted without a fit")


@_estimator_rule()
def check_fit_again(estimator: Estimator) -> None:
    """A second fit forgets the first."""
    problem, other = Problem.make(), Problem.make(seed=2)
    twice = problem.fresh(estimator)
    twice.fit(other.X, 1 - other.y)
    twice.fit(problem.X, problem.y)
    once = problem.fresh(estimator).fit(problem.X, problem.y)
    same(twice.predict(problem.X), once.predict(problem.X), "predictions differ from those of one fit")


@_estimator_rule()
def check_learns(estimator: Estimator) -> None:
    """It predicts unseen pixels of an easy problem better than their mean does.

    An estimator that promises no more than the mean says so with a class attribute ``floor = True``.
    """
    from euclid_resolved.models._metrics import r2

    problem = Problem.make(800)
    fitted = problem.fit(estimator, rows=slice(0, 400))
    accuracy = r2(problem.y[400:], fitted.predict(problem.X[400:]))
    worst = -0.05 if getattr(estimator, "floor", False) else 0
    hold(accuracy > worst, f"R2 is {accuracy:.2f}")


@_estimator_rule()
def check_jobs(estimator: Estimator) -> None:
    """The number of threads, where it is a setting, changes no prediction."""
    if "n_jobs" not in estimator.settings():
        return
    problem = Problem.make()
    one, two = (problem.fit(estimator, n_jobs=n).predict(problem.X) for n in (1, 2))
    same(one, two, "one thread and two gave different predictions")


@_estimator_rule()
def check_threads(estimator: Estimator) -> None:
    """Several threads can predict at once."""
    problem = Problem.make()
    fitted = problem.fit(estimator)
    parts = [problem.X[i::8] for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fitted.predict, parts))
    for part, y in zip(parts, together, strict=True):
        same(fitted.predict(part), y, "predictions made at once differ from those made in turn")


@_estimator_rule()
def check_importance(estimator: Estimator) -> None:
    """feature_importance is None, or one number a column, none negative, with sum 1 (or all 0)."""
    problem = Problem.make()
    importance = problem.fit(estimator).feature_importance
    if importance is None:
        return
    importance = np.asarray(importance)
    hold(importance.shape == (problem.X.shape[1],), f"its shape is {importance.shape}")
    hold(np.isfinite(importance).all() and (importance >= 0).all(), f"it is {importance}")
    hold(not importance.any() or np.isclose(importance.sum(), 1), f"its sum is {importance.sum()}")


@_estimator_rule()
def check_spread(estimator: Estimator) -> None:
    """spread is None, or one finite float32 a row, none of them negative, and none for no rows."""
    problem = Problem.make()
    fitted = problem.fit(estimator)
    for n in (len(problem.X), 0):
        sigma = fitted.spread(read_only(problem.X[:n]))
        if sigma is None:
            return
        one_a_row("spread", sigma, problem.y[:n])
        hold((sigma >= 0).all(), f"spread returned {sigma.min(initial=0):.3g}, one sigma is not negative")


@_estimator_rule()
def check_parts(estimator: Estimator) -> None:
    """The parts of an estimator, where it can be taken apart, have its predictions as their mean."""
    problem = Problem.make()
    fitted = problem.fit(estimator)
    parts = fitted.parts()
    if parts is not None:
        hold(len(parts) > 1, f"it has {len(parts)} parts, two are the fewest")
        mean = sum(share * part.predict(problem.X).astype(float) for share, part in parts)
        hold(np.allclose(mean, fitted.predict(problem.X), atol=1e-5), "its predictions are another mean")


@_estimator_rule()
def check_side_effects(estimator: Estimator) -> None:
    """fit and predict leave nothing behind: no file, text, log, warning, or global random number."""
    problem = Problem.make()
    problem.fit(estimator).predict(problem.X)  # what libraries say when first imported is theirs
    with watched() as seen:
        problem.fit(estimator).predict(problem.X)
    hold(not seen, "; ".join(seen))


ESTIMATOR_CHECKS += STATE_CHECKS

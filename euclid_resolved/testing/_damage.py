"""Damaged states: what can happen to a file, and whether an estimator survives it."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import is_plain
from euclid_resolved.testing._alone import Case, found_elsewhere, report, tried
from euclid_resolved.testing._examples import Problem
from euclid_resolved.testing._rules import CLOSE

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator

PATIENCE = 60  # seconds after which a prediction from a damaged state counts as hanging

MISSING = object()


def survives(estimator: Estimator, state: Any, X: np.ndarray, y: np.ndarray) -> str:
    """What is wrong with how an estimator takes any damage to its state; empty if nothing is."""
    return tried(lambda: _cases(estimator, state, X, y), _again(estimator), PATIENCE)


def _cases(estimator, state, X, y) -> Iterator[Case]:
    """Restore and predict: as it was, and after each damage."""
    yield "the state as it was", partial(_wrong, estimator, state, X, y, True)
    for path, leaf in leaves(state):
        for what, value, strict in (("missing", MISSING, True), *damages(leaf)):
            damaged = replaced(state, path, value)
            yield f"{path_name(path)} damaged ({what})", partial(_wrong, estimator, damaged, X, y, strict)


def _wrong(estimator, state, X, y, strict):
    """What is wrong with predictions from a state; `strict` allows no other ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # overflows in absurd numbers
            answer = replace(estimator).restore(state).predict(X)
    except InputError:
        return ""
    except BaseException as error:
        return f"{type(error).__name__} instead of InputError: {error}"
    if answer.shape != y.shape:
        return f"predictions of shape {answer.shape} instead of {y.shape}"
    return "other predictions, without a word" if strict and not np.allclose(answer, y, **CLOSE) else ""


def _again(estimator):
    """What a new interpreter needs to make such an estimator; None where it cannot."""
    name, settings = found_elsewhere(type(estimator)), estimator.settings()
    return [name, settings] if name and all(map(is_plain, settings.values())) else None


def in_a_new_process(again: tuple[str, dict[str, Any]]) -> None:
    """Fit an estimator, and report on the standard output how it takes damage to its state."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # what libraries print is no report
        module, _, name = again[0].partition(":")
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in again[1].items()}
        estimator, problem = getattr(importlib.import_module(module), name)(**settings), Problem.make()
        fitted, X = problem.fit(estimator), problem.X[:20]
        report(_cases(estimator, fitted.state(), X, fitted.predict(X)), out)


def damages(leaf: Any) -> Iterator[tuple[str, Any, bool]]:
    """What can happen to a value in a file: what, the damaged value, and whether it must be noticed.

    Other numbers in place of the right ones are noticed by the checksums and golden rows of the file; here
    they must only do no harm.
    """
    yield "None", None, True
    yield "text", "damage", isinstance(leaf, np.ndarray | int | float)
    if not isinstance(leaf, np.ndarray):
        if isinstance(leaf, int | float):
            yield "NaN", float("nan"), True
            yield from ((str(value), value, False) for value in (-1, 0, 2**62))
        return
    yield "text for numbers", leaf.astype(str), True
    yield "complex numbers", leaf.astype(complex), True
    yield "a dimension too many", leaf[None], True
    if leaf.ndim and leaf.size:
        yield "cut short", leaf[:-1], True
        yield "empty", leaf[:0], True
    if leaf.size and leaf.dtype.kind == "f":
        nan = leaf.copy()
        nan.flat[0] = np.nan
        yield "NaN", nan, True
    if leaf.size and leaf.dtype.kind in "iu":
        limits = np.iinfo(leaf.dtype)
        yield from ((str(v), np.full_like(leaf, v), False) for v in (limits.min, 0, limits.max))
    for seed in range(4):
        noise = np.random.default_rng(seed).bytes(leaf.nbytes)
        yield "random bytes", np.frombuffer(noise, leaf.dtype).reshape(leaf.shape), False


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield (path, value) of everything in nested mappings and lists that is neither."""
    if isinstance(tree, Mapping | list | tuple):
        items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        for key, value in items:
            yield from leaves(value, (*path, key))
    else:
        yield path, tree


def replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a tree with another value in one place, or none."""
    if not path:
        return value
    mapping = isinstance(tree, Mapping)
    copy = dict(tree) if mapping else list(tree)
    inner = replaced(copy[path[0]], path[1:], value)
    if inner is MISSING:
        del copy[path[0]]
    else:
        copy[path[0]] = inner
    return copy


def frozen(tree: Any) -> Any:
    """A copy of a tree with read-only arrays."""
    for path, leaf in leaves(tree):
        if isinstance(leaf, np.ndarray):
            leaf = leaf.copy()
            leaf.flags.writeable = False
            tree = replaced(tree, path, leaf)
    return tree


def path_name(path: tuple[Any, ...]) -> str:
    return "state" + "".join(f"[{key!r}]" for key in path)

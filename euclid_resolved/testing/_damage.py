"""Damaged states: what can happen to a file, and whether an estimator survives it."""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.testing._rules import CLOSE, Broken, hold

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator

PATIENCE = 60  # seconds after which a prediction from a damaged state counts as hanging

MISSING = object()


def survives(estimator: Estimator, state: Any, X: np.ndarray, y: np.ndarray, what: str, strict: bool) -> None:
    """Restore and predict with a watch on the time; `strict` allows no other prediction."""
    result = []

    def attempt():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # overflows in absurd numbers
                result.append(replace(estimator).restore(state).predict(X))
        except BaseException as error:  # SystemExit is how `_end` ends it
            result.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        _end(thread)
    hold(result, f"{what}: no answer within {PATIENCE} s")
    answer = result[0]
    if isinstance(answer, InputError):
        return
    if isinstance(answer, BaseException):
        raise Broken(f"{what}: {type(answer).__name__} instead of InputError: {answer}") from answer
    hold(answer.shape == y.shape, f"{what}: predictions of shape {answer.shape} instead of {y.shape}")
    hold(not strict or np.allclose(answer, y, **CLOSE), f"{what}: other predictions, without a word")


def _end(thread):
    """End a thread that loops in Python, so that it takes no time from what comes after.

    One that loops in compiled code cannot be ended; only the end of the process stops it.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))


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

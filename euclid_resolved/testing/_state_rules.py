"""The rules of what a fitted estimator leaves in a file."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from euclid_resolved.estimators._contract import Estimator
from euclid_resolved.plugins._registry import available
from euclid_resolved.testing._damage import frozen, leaves, path_name, survives
from euclid_resolved.testing._examples import Problem, example_galaxies, pixels
from euclid_resolved.testing._rules import hold, refuses, rule, same

STATE_CHECKS: list[Callable[[Any], None]] = []

_state_rule = functools.partial(rule, STATE_CHECKS, "estimators")


@_state_rule()
def check_state(estimator: Estimator) -> None:
    """state gives arrays, numbers and text, and restore makes an equal estimator of them."""
    problem = Problem.make()
    fitted = problem.fit(estimator)
    state = fitted.state()
    for path, leaf in leaves(state):
        plain = isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiub"
        what = f"an array of {leaf.dtype}" if isinstance(leaf, np.ndarray) else type(leaf).__name__
        hold(plain or isinstance(leaf, str | int | float), f"{path_name(path)} is {what}")
    y, X = fitted.predict(problem.X), problem.X
    state = frozen(state)
    restored = replace(estimator).restore(state)
    same(restored.predict(X), y, "a restored estimator gave other predictions")
    again = dict((path_name(path), leaf) for path, leaf in leaves(restored.state()))
    first = dict((path_name(path), leaf) for path, leaf in leaves(state))
    hold(again.keys() == first.keys(), "a restored estimator has another state")
    hold(all(np.array_equal(first[k], again[k]) for k in first), "a restored estimator has another state")


@_state_rule()
def check_file(estimator: Estimator) -> None:
    """A model file gives the same predictions after it is closed."""
    from euclid_resolved.io._read_write import read, write
    from euclid_resolved.training._train import train

    registered = type(estimator) in available("estimators").values()
    missing = "it is registered by no installed plugin, so no file with it could be opened; for a session "
    hold(registered, missing + "plugins.register offers it")
    model = train(example_galaxies(), "stellar_mass_density", estimator)
    dex, _, _ = pixels(50, np.random.default_rng(3))
    brightness = {band: 10**values for band, values in dex.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.asdf"
        write(path, model)
        restored: Any = read(path)
        path.write_bytes(b"")
    same(restored.estimate(brightness), model.estimate(brightness), "its predictions differ")
    hold(restored.digest == model.digest, "its digest differs")


@_state_rule()
def check_damaged_state(estimator: Estimator) -> None:
    """A damaged state is refused with InputError or does no harm, and never crashes or hangs.

    It is tried in another process, which is killed where it hangs: a fork of this one, or, where a fork
    cannot restore even the state as it was, or there are none, a new interpreter that finds the class by its
    name. Without either (a class of a notebook on Windows) it is a thread, in which compiled code that hangs
    goes on.
    """
    problem = Problem.make()
    fitted = problem.fit(estimator)
    state, X, y = fitted.state(), problem.X[:20], fitted.predict(problem.X[:20])
    for what, value in (("empty", {}), ("a list", []), ("None", None), ("text", "damage")):
        refuses(f"a state that is {what}", replace(estimator).restore, value)
    wrong = survives(estimator, state, X, y)
    hold(not wrong, wrong)

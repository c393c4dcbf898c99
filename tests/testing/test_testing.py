"""The kit for plugin authors: every built-in estimator and feature set passes, and each fault is found."""

import logging
import random
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import hanging
import numpy as np
import pytest
from astropy.table import QTable, Table

from euclid_resolved import evaluate, train
from euclid_resolved.estimators import LinearRegression, check_X, check_X_y
from euclid_resolved.estimators._builtin import register_estimators
from euclid_resolved.features import FeatureSet
from euclid_resolved.features._builtin import register_features
from euclid_resolved.testing import (
    _alone,
    check_diagnostic,
    check_estimator,
    check_features,
    example_galaxies,
)
from euclid_resolved.testing._diagnostic_rules import DIAGNOSTIC_CHECKS
from euclid_resolved.testing._estimator_rules import ESTIMATOR_CHECKS
from euclid_resolved.testing._feature_rules import FEATURE_CHECKS

# Smaller than the defaults where those take seconds; more than one thread, so that threads are tested.
SETTINGS = {
    "random_forest": {"n_trees": 5, "n_jobs": 2},
    "extra_trees": {"n_trees": 5, "n_jobs": 2},
    "gradient_boosting": {"n_trees": 20, "n_jobs": 1},
    "mlp": {"layers": (16,), "epochs": 30},
    "ensemble": {"members": 2, "options": ("layers=(16,)", "epochs=30")},
}
ESTIMATORS = [kind(**SETTINGS.get(name, {})) for name, kind in register_estimators().items()]


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_builtin_estimator(check, estimator):
    check(estimator)


@pytest.mark.parametrize("check", FEATURE_CHECKS)
@pytest.mark.parametrize("name", register_features())
def test_builtin_features(check, name):
    check(name)


@pytest.mark.parametrize("check", DIAGNOSTIC_CHECKS)
@pytest.mark.parametrize("name", ["impurity_importance", "permutation_importance", "sample_bias"])
def test_quick_builtin_diagnostics(check, name):
    check(name)


def test_a_name_a_class_or_an_object():
    for linear in ("linear", LinearRegression, LinearRegression()):
        check_estimator(linear)


def test_unknown_name():
    with pytest.raises(AssertionError, match="did you mean 'linear'"):
        check_estimator("lineal")


# --- estimators with one fault each -------------------------------------------------------------------


class Faulty(LinearRegression):
    def predict(self, X):
        return super().predict(X)


class KeepsAnObject(Faulty):
    def settings(self):
        return {"kernel": print}


class ReturnsNothing(Faulty):
    def fit(self, X, y, validation=None):
        super().fit(X, y)


class Guesses(Faulty):
    def predict(self, X):
        return super().predict(X) if hasattr(self, "_coefficients") else np.zeros(len(X), np.float32)


class ReturnsDoubles(Faulty):
    def predict(self, X):
        return super().predict(X).astype(np.float64)


class ReturnsColumns(Faulty):
    def predict(self, X):
        return super().predict(X)[:, None]


class Standardises(Faulty):
    def predict(self, X):
        y = super().predict(X)
        return y - y.mean() if len(y) else y


class Sorts(Faulty):
    def predict(self, X):
        return np.sort(super().predict(X))


class ShiftsInPlace(Faulty):
    def fit(self, X, y, validation=None):
        y -= y.mean()
        return super().fit(X, y)


class ClipsInPlace(Faulty):
    def fit(self, X, y, validation=None):
        if X.flags.writeable:
            X[:] = np.clip(X, 0.1, 0.9)
        return super().fit(X, y)


class Memorises(Faulty):
    def fit(self, X, y, validation=None):
        self._X, self._y = check_X_y(X, y)
        return self

    def predict(self, X):
        X = check_X(X, self._X.shape[1])
        return np.array([self._y[np.argmin(np.abs(self._X - x).sum(axis=1))] for x in X], np.float32)


class FillsNaN(Faulty):
    def predict(self, X):
        return super().predict(np.nan_to_num(X))


class SaysItTakesNaN(Faulty):
    accepts_nan = True


class RaisesTypeError(Faulty):
    def fit(self, X, y, validation=None):
        if not np.isfinite(X).all():
            raise TypeError("what is this?")
        return super().fit(X, y)


class TakesTooFewColumns(Faulty):
    def predict(self, X):
        X = check_X(X)
        missing = max(len(self._coefficients) - X.shape[1], 0)
        return super().predict(np.pad(X, ((0, 0), (0, missing)))[:, : len(self._coefficients)])


class NeedsARow(Faulty):
    def predict(self, X):
        if not len(X):
            raise ValueError("Found array with 0 sample(s)")
        return super().predict(X)


class NeedsTwoRows(Faulty):
    def fit(self, X, y, validation=None):
        super().fit(X, y)
        self._intercept *= float(np.std(y) / np.std(y) if len(y) > 1 else np.nan)
        return self


class DividesBySpread(Faulty):
    def predict(self, X):
        with np.errstate(all="ignore"):
            return super().predict(X) * np.float32(self._spread / self._spread)

    def fit(self, X, y, validation=None):
        self._spread = np.ptp(X, axis=0).min()
        return super().fit(X, y)


class UsesGlobalRandomNumbers(Faulty):
    def fit(self, X, y, validation=None):
        super().fit(X, y)
        self._intercept += np.random.random()
        return self


class SharesState(Faulty):
    memory = {}  # noqa: RUF012

    def fit(self, X, y, validation=None):
        super().fit(X, y)
        self.memory.update(vars(self))
        return self

    def predict(self, X):
        vars(self).update(self.memory)
        return super().predict(X)


class Accumulates(Faulty):
    def fit(self, X, y, validation=None):
        before = getattr(self, "_intercept", 0)
        super().fit(X, y)
        self._intercept += before
        return self


class Lazy(Faulty):
    def fit(self, X, y, validation=None):
        super().fit(X, y)
        self._coefficients[:], self._intercept = 0, 0.9
        return self


@dataclass
class DependsOnThreads(LinearRegression):
    n_jobs: int = 1

    def fit(self, X, y, validation=None):
        super().fit(X, y)
        self._intercept += 0.01 * self.n_jobs
        return self


class NotThreadSafe(Faulty):
    def predict(self, X):
        self._at_work = X
        # Long enough for another thread to come between.
        import time

        time.sleep(0.01)
        return super().predict(self._at_work)


class CountsImportance(Faulty):
    feature_importance = np.array([1.0, 2.0, 3.0, 4.0])


class CountsItselfTwice(Faulty):
    def parts(self):
        return [(1.0, self), (1.0, self)]


class Prints(Faulty):
    def fit(self, X, y, validation=None):
        print("fitting")
        return super().fit(X, y)


class Logs(Faulty):
    def fit(self, X, y, validation=None):
        logging.getLogger("somewhere").warning("fitting")
        return super().fit(X, y)


class WritesAFile(Faulty):
    def fit(self, X, y, validation=None):
        with open("checkpoint", "w") as file:
            file.write("1")
        return super().fit(X, y)


class Seeds(Faulty):
    def fit(self, X, y, validation=None):
        random.seed(1)
        return super().fit(X, y)


class ForgetsTheIntercept(Faulty):
    def state(self):
        return {**super().state(), "intercept": 0.0}


class PicklesItself(Faulty):
    def state(self):
        return {**super().state(), "self": self}


class Trusts(Faulty):
    def restore(self, state):
        self._coefficients, self._intercept = state["coefficients"], state["intercept"]
        return self


class Hangs(Faulty):
    def restore(self, state):
        super().restore(state)
        while self._intercept == -1:
            pass
        return self


class Shrunk(LinearRegression):
    shrink: float = 0.0


class HasNegativeSpread(Faulty):
    def spread(self, X):
        return np.full(len(X), -0.1, np.float32)


@pytest.mark.parametrize(
    ("faulty", "check", "words"),
    [
        (
            Shrunk,
            "kind",
            r"settings \(shrink\) that no one would hear of: decorate the class with @dataclass",
        ),
        (HasNegativeSpread, "spread", "spread returned -0.1, one sigma is not negative"),
        (KeepsAnObject, "settings", "kernel is <built-in function print>"),
        (ReturnsNothing, "predictions", "something else than self"),
        (
            ReturnsDoubles,
            "predictions",
            r"predict returned float64 of shape \(400,\), float32 of shape \(400,\)",
        ),
        (ReturnsColumns, "predictions", r"shape \(400, 1\)"),
        (Standardises, "row_by_row", "other predictions"),
        (Sorts, "row_by_row", "another order of rows"),
        (ShiftsInPlace, "inputs_unchanged", "read-only"),
        (ClipsInPlace, "inputs_unchanged", "an array was changed"),
        (Memorises, "keeps_no_views", "arrays it was fitted to"),
        (FillsNaN, "nonfinite", "nan in a feature while predicting was accepted"),
        (RaisesTypeError, "nonfinite", "raised TypeError instead of InputError"),
        (SaysItTakesNaN, "missing", "features contain NaN"),
        (TakesTooFewColumns, "shapes", "a column too few was accepted"),
        (Guesses, "unfitted", "to predict before a fit was accepted"),
        (NeedsARow, "no_rows", "0 sample"),
        (NeedsTwoRows, "one_row", "not finite"),
        (DividesBySpread, "constant", "not finite"),
        (UsesGlobalRandomNumbers, "reproducible", "two fits gave different"),
        (SharesState, "fresh_copy", "without a fit"),
        (Accumulates, "fit_again", "differ from those of one fit"),
        (Lazy, "learns", "R2 is -"),
        (DependsOnThreads, "jobs", "one thread and two"),
        (NotThreadSafe, "threads", "."),
        (CountsImportance, "importance", "its sum is 10"),
        (CountsItselfTwice, "parts", "another mean"),
        (Prints, "side_effects", "it printed 'fitting"),
        (Logs, "side_effects", "it logged 'fitting'"),
        (WritesAFile, "side_effects", "it wrote checkpoint"),
        (Seeds, "side_effects", "global random numbers"),
        (ForgetsTheIntercept, "state", "other predictions"),
        (PicklesItself, "state", r"state\['self'\] is PicklesItself"),
        (Faulty, "file", "it is registered by no installed plugin"),
        (Trusts, "damaged_state", "instead of InputError"),
        (Hangs, "damaged_state", "no answer within"),
    ],
)
def test_fault_is_found(faulty, check, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("euclid_resolved.testing._damage.PATIENCE", 0.3)
    found = next(one for one in ESTIMATOR_CHECKS if one.__name__ == f"check_{check}")
    with pytest.raises(AssertionError, match=words) as caught:
        found(faulty())
    assert str(caught.value).startswith(f"{faulty.__name__} breaks the rule ")
    assert "\n" not in str(caught.value)


def damaged_state(estimator):
    next(one for one in ESTIMATOR_CHECKS if one.__name__ == "check_damaged_state")(estimator)


def children():
    """The processes that this one has started, dead ones that nobody asked for among them."""
    found = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return found.read_text().split() if found.exists() else []


@pytest.mark.parametrize("kind", [hanging.Sleeps, hanging.Backtracks, Hangs])
def test_what_hangs_in_compiled_code_costs_its_limit_and_no_more(kind, monkeypatch):
    monkeypatch.setattr("euclid_resolved.testing._damage.PATIENCE", 0.5)
    threads, processes, began = threading.active_count(), children(), time.monotonic()
    with pytest.raises(AssertionError, match=r"state\['intercept'\] damaged \(-1\): no answer within 0.5 s$"):
        damaged_state(kind())
    assert time.monotonic() - began < 5
    assert threading.active_count() == threads and children() == processes


def test_a_class_of_a_function_is_tried_too(monkeypatch):
    monkeypatch.setattr("euclid_resolved.testing._damage.PATIENCE", 0.5)

    class Local(hanging.Sleeps):
        pass

    with pytest.raises(AssertionError, match="no answer within 0.5 s$"):
        damaged_state(Local())


def test_what_crashes_takes_nobody_with_it():
    with pytest.raises(AssertionError, match=r"damaged \(-1\): the process ended with SIGSEGV"):
        damaged_state(hanging.Crashes())


@pytest.mark.slow
def test_where_a_fork_cannot_do_it_a_new_interpreter_can(monkeypatch):
    monkeypatch.setattr(_alone, "_FEWEST", 0.5)
    damaged_state(hanging.NeedsThreads())
    monkeypatch.setattr("euclid_resolved.testing._damage.PATIENCE", 0.5)
    monkeypatch.delattr("os.fork")
    with pytest.raises(AssertionError, match="no answer within 0.5 s$"):
        damaged_state(hanging.Sleeps())


def test_where_no_other_process_can_do_it_a_thread_does(monkeypatch):
    monkeypatch.setattr("euclid_resolved.testing._damage.PATIENCE", 0.5)
    monkeypatch.delattr("os.fork")

    class Local(Hangs):
        pass

    before = set(threading.enumerate())
    with pytest.raises(AssertionError, match="no answer within 0.5 s, in a thread"):
        damaged_state(Local())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()

    class Sound(LinearRegression):
        pass

    damaged_state(Sound())


def test_every_rule_has_a_fault():
    marks = next(m for m in test_fault_is_found.pytestmark if m.name == "parametrize")
    assert {f"check_{case[1]}" for case in marks.args[1]} == {check.__name__ for check in ESTIMATOR_CHECKS}


class BreaksThree(Faulty):
    def predict(self, X):
        return super().predict(X).astype(np.float64)

    def spread(self, X):
        return np.zeros((len(X), 1), np.float32)

    def state(self):
        return {**super().state(), "self": self}


def test_all_broken_rules_are_said_at_once():
    with pytest.raises(AssertionError) as caught:
        check_estimator(BreaksThree)
    first, *lines = str(caught.value).splitlines()
    assert first == f"{len(lines)} rules are broken"
    assert all(line.startswith("BreaksThree breaks the rule ") for line in lines)
    for words in (
        "predict returned float64 of shape (400,), float32 of shape (400,) is needed",
        "spread returned float32 of shape (400, 1), float32 of shape (400,) is needed",
        "state['self'] is BreaksThree",
    ):
        assert any(words in line for line in lines)


@pytest.mark.parametrize(
    ("check", "thing", "words"),
    [
        (check_estimator, object(), "object is not derived from euclid_resolved.Estimator"),
        (check_features, lambda dex: {}, "function is offered, a FeatureSet is needed"),
        (check_diagnostic, 3, "3 cannot be called"),
        (check_diagnostic, lambda model: None, "too many positional arguments"),
    ],
)
def test_what_is_something_else_is_said_once(check, thing, words):
    with pytest.raises(AssertionError, match=re.escape(words)) as caught:
        check(thing)
    assert "\n" not in str(caught.value) or "positional" in words


# --- features and diagnostics -------------------------------------------------------------------------


def feature_set(make, unit="mag", summary="one line"):
    return FeatureSet(make, unit, summary)


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (feature_set(lambda dex: dict(dex), unit="magnitudos"), "magnitudos"),
        (feature_set(lambda dex: dict(dex), summary="two\nlines"), "summary"),
        (feature_set(lambda dex: list(dex.values())), "a mapping with columns is needed"),
        (
            feature_set(lambda dex: {"sum": np.float32(1)}),
            r"float32 of shape \(\), float32 of shape \(30,\) is needed",
        ),
        (feature_set(lambda dex: {"HE": dex["HE"] * np.nan}), "not finite"),
        (feature_set(lambda dex: {b: v - v.mean() for b, v in dex.items()}), "depends on other pixels"),
        (feature_set(lambda dex: {b: np.cumsum(v) for b, v in dex.items()}), "order of pixels"),
        (feature_set(lambda dex: {b: np.add(v, 1, out=v) for b, v in dex.items()}), "read-only"),
        (feature_set(lambda dex: {"IE-HE": dex["IE"] - dex["HE"]}), "KeyError: 'IE'"),
        (feature_set(lambda dex: {"sum": np.sum(list(dex.values()), axis=0)}), "changes without"),
    ],
)
def test_fault_of_features_is_found(faulty, words):
    with pytest.raises(AssertionError, match=f"<lambda> breaks the rule .*{words}|(?s:.*{words})"):
        check_features(faulty)


def accuracy(model, training, test):
    """A diagnostic without fault."""
    return evaluate(model, test)


def returns_text(model, training, test):
    return "all is well"


def returns_table(model, training, test):
    return Table({"r2": [1.0]})


def returns_noise(model, training, test):
    return QTable({"r2": np.random.default_rng().random(1)})


def changes_the_model(model, training, test):
    model.outputs["stellar_age"].estimator._forest.value[:] += 1
    return QTable({"r2": [1.0]})


def changes_an_image(model, training, test):
    test[0].image["HE"].data[:] += 1
    return QTable({"r2": [1.0]})


def talks(model, training, test):
    print("diagnosing")
    return evaluate(model, test)


def test_diagnostic_without_fault():
    check_diagnostic(accuracy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (returns_text, "it returned str"),
        (returns_table, "it returned Table"),
        (returns_noise, "different values of r2"),
        (changes_the_model, "the model was changed"),
        (changes_an_image, "changed"),
        (talks, "it printed 'diagnosing"),
    ],
)
def test_fault_of_a_diagnostic_is_found(faulty, words):
    with pytest.raises(AssertionError, match=f"{faulty.__name__} breaks the rule .*({words})"):
        check_diagnostic(faulty)


def test_checks_have_names_and_rules():
    for check in (*ESTIMATOR_CHECKS, *FEATURE_CHECKS, *DIAGNOSTIC_CHECKS):
        assert check.__name__.startswith("check_")
        assert check.__doc__.splitlines()[0].endswith(".")


def test_example_galaxies_can_be_learned_from():
    galaxies = example_galaxies(4)
    model = train(galaxies[:3], "all", LinearRegression())
    assert (evaluate(model, galaxies[3:])["r2"] > 0.5).all()
    again = example_galaxies(4)
    assert all(
        np.array_equal(a.image["HE"].data, b.image["HE"].data) for a, b in zip(galaxies, again, strict=True)
    )

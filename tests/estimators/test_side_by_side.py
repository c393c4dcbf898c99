"""Fits side by side: the same results in the same order, and an end when one is asked for."""

import signal
import threading
import time

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, RandomForest, lofo, train
from euclid_resolved.diagnostics import (
    colour_recovery,
    cross_validation,
    epistemic_scatter,
    learning_curve,
    permutation_importance,
)
from euclid_resolved.estimators import _side_by_side as module
from euclid_resolved.estimators._side_by_side import fits_at_once, side_by_side, stop_if_asked
from euclid_resolved.testing import example_galaxies


@pytest.fixture(scope="module")
def trained():
    galaxies = example_galaxies(7)
    forest = RandomForest(n_trees=4, n_jobs=1)
    return train(galaxies[:5], ("stellar_mass_density", "stellar_age"), forest), galaxies[:5], galaxies[5:]


def test_results_come_in_order_whatever_is_done_first():
    def slow_at_first(number):
        time.sleep(0.02 * (4 - number))
        return number

    assert list(side_by_side(slow_at_first, range(4), 4, what="numbers")) == [0, 1, 2, 3]
    assert list(side_by_side(slow_at_first, range(0), 4, what="numbers")) == []


def test_no_more_results_wait_than_are_made_at_once():
    made = []
    results = side_by_side(made.append, range(20), 2, what="numbers")
    next(results)
    time.sleep(0.1)
    assert len(made) <= 3  # one taken, two waiting
    results.close()
    assert len(made) <= 3


def test_as_many_fits_as_leave_no_core_twice(trained, monkeypatch):
    model, training, _ = trained
    monkeypatch.setattr(module, "_cores", lambda: 8)
    assert fits_at_once(model, 1000) == 8
    # Five columns or so of 4 bytes: one such set takes more than half of the memory that all may take.
    assert fits_at_once(model, 60_000_000) == 1
    for estimator, number in (
        (RandomForest(n_trees=2, n_jobs=3), 2),
        (RandomForest(n_trees=2, n_jobs=-1), 1),
        (LinearRegression(), 1),  # which cannot tell
    ):
        monkeypatch.setattr("euclid_resolved.estimators._trees.os.cpu_count", lambda: 8)
        assert fits_at_once(train(training, estimator=estimator), 1000) == number


@pytest.mark.parametrize(
    "diagnostic, options",
    [
        (lofo, {}),
        (permutation_importance, {"repeats": 2}),
        (cross_validation, {"k": 3}),
        (learning_curve, {}),
        (epistemic_scatter, {"runs": 3}),
        (colour_recovery, {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_side_by_side_equals_one_after_the_other_to_the_last_bit(trained, monkeypatch, diagnostic, options):
    tables, most = [], 0

    def watched(model, n):
        nonlocal most
        most = max(most, fits_at_once(model, n))
        return fits_at_once(model, n)

    for where in ("_importance", "_permutation", "_robustness", "_seed_scatter"):
        monkeypatch.setattr(f"euclid_resolved.diagnostics.{where}.fits_at_once", watched)
    for cores in (1, 3):
        monkeypatch.setattr(module, "_cores", lambda cores=cores: cores)
        tables.append(diagnostic(*trained, **options))
    assert most == 3
    for name in tables[0].colnames:
        assert np.array_equal(*(np.asarray(t[name]).astype(str) for t in tables)), name


def until_stopped(begun, number):
    begun.append(number)
    while True:
        time.sleep(0.005)
        stop_if_asked()


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also where the tests run in the background and it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_what_is_at_work_and_begins_nothing_else(interruptible):
    begun, threads = [], set(threading.enumerate())
    main = threading.main_thread().ident

    def work(number):
        if number == 1:
            threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        until_stopped(begun, number)

    with pytest.raises(KeyboardInterrupt):
        list(side_by_side(work, range(50), 2, what="numbers"))
    assert sorted(begun) == [0, 1]
    # tqdm keeps a thread of its own for as long as the process lives.
    left = [one for one in set(threading.enumerate()) - threads if "tqdm" not in one.name]
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left), left


def test_an_error_ends_the_others_and_is_passed_on():
    begun = []

    def work(number):
        if number == 0:
            raise InputError("no such number")
        until_stopped(begun, number)

    with pytest.raises(InputError, match="no such number"):
        list(side_by_side(work, range(50), 3, what="numbers"))
    assert set(begun) <= {1, 2}


@pytest.mark.slow
def test_a_forest_stops_between_two_trees():
    X = np.random.default_rng(1).random((400, 3)).astype(np.float32)
    grown = []

    class Watched(RandomForest):
        def _grow(self, X, Y, seed, missing):
            grown.append(seed)
            return super()._grow(X, Y, seed, missing)

    def work(number):
        if number:
            while len(grown) < 5:
                time.sleep(0.001)
            raise InputError("enough")
        Watched(n_trees=100_000, n_jobs=1).fit(X, X[:, 0])

    with pytest.raises(InputError, match="enough"):
        # The error comes second: the first is taken only when it ends.
        list(side_by_side(work, (1, 0), 2, what="forests"))
    assert len(grown) < 50_000

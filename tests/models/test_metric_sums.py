"""The six metrics from sums that were added in any order are those of all pixels at once."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, strategies as st

from euclid_resolved.errors import InputError
from euclid_resolved.models import metrics
from euclid_resolved.models._metric_sums import MetricSums

ERROR = 1.4826 * 5e-5  # dex: of the NMAD, which comes from bins


def a_set(n, seed=1):
    """Truth and estimate in dex, with a bias, outliers and a tail."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(1.5, 0.6, n)
    return truth.astype(np.float32), (truth - 0.03 + 0.1 * rng.standard_t(3, n)).astype(np.float32)


def agree(sums, expected):
    for name, value in sums.metrics().items():
        if name == "nmad":
            assert value == pytest.approx(expected[name], abs=ERROR)
        else:
            assert value == pytest.approx(expected[name], rel=1e-12, abs=1e-15)


@given(st.lists(st.integers(0, 3000), max_size=6), st.integers(0, 99), st.randoms(use_true_random=False))
def test_sums_can_be_added_in_any_order(cuts, seed, random):
    truth, guess = a_set(3000, seed)
    parts = list(zip(np.split(truth, sorted(cuts)), np.split(guess, sorted(cuts)), strict=True))
    random.shuffle(parts)
    agree(reduce(add, [MetricSums.of(*part) for part in parts]), metrics(truth, guess))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 400_000])
def test_few_pixels_and_many(n):
    truth, guess = a_set(n, seed=n)
    if n == 1:
        assert {k for k, v in MetricSums.of(truth, guess).metrics().items() if np.isnan(v)} == {
            "r2",
            "pearson",
        }
    else:
        agree(MetricSums.of(truth, guess), metrics(truth, guess))


def test_what_is_far_from_zero_loses_nothing():
    truth, guess = (values.astype(np.float64) + 1e4 for values in a_set(5000))
    sums = MetricSums.of(truth[:1000], guess[:1000]) + MetricSums.of(truth[1000:], guess[1000:])
    expected = metrics(truth, guess)
    assert sums.metrics()["r2"] == pytest.approx(expected["r2"], rel=1e-9)
    assert sums.metrics()["pearson"] == pytest.approx(expected["pearson"], rel=1e-9)


@pytest.mark.parametrize(("truth", "guess"), [(0.1, [0.3, 0.1, 0.7]), ([0.3, 0.1, 0.7], 0.1), (0.1, 0.1)])
def test_what_does_not_vary_has_no_r2_or_correlation(truth, guess):
    truth, guess = (np.broadcast_to(values, 3) for values in (truth, guess))
    sums, expected = MetricSums.of(truth, guess) + MetricSums.of(truth, guess), metrics(truth, guess)
    for name, value in sums.metrics().items():
        assert np.isnan(value) == np.isnan(expected[name]), name


def test_nothing_has_no_metrics_and_changes_none():
    nothing, some = MetricSums.of([], []), MetricSums.of(*a_set(50))
    assert all(np.isnan(value) for value in nothing.metrics().values())
    assert (nothing + some).metrics() == (some + nothing).metrics() == some.metrics()


def test_residuals_beyond_two_dex_have_no_median():
    assert MetricSums.of(np.zeros(3), np.full(3, 5.0)).metrics()["nmad"] == np.inf
    assert MetricSums.of(np.zeros(4), np.array([5.0, 5, -5, -5])).metrics()["nmad"] == np.inf
    few = MetricSums.of(np.zeros(5), np.array([9.0, 0, 0.1, 0.2, -9])).metrics()
    assert few["nmad"] == pytest.approx(1.4826 * 0.1, abs=ERROR) and few["rmse"] > 5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(InputError, match="must be finite to be summed"):
        MetricSums.of([1.0, bad], [1.0, 1.0])

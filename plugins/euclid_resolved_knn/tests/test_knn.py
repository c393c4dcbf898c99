import numpy as np
import pytest
from euclid_resolved_knn import NearestNeighbours

from euclid_resolved.errors import InputError
from euclid_resolved.testing import ESTIMATOR_CHECKS


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
def test_contract(check):
    check(NearestNeighbours(k=5))


def test_mean_of_the_nearest():
    X, y = np.array([[0.0], [0.1], [0.9], [1.0]], "f4"), np.array([1, 3, 5, 9], "f4")
    assert NearestNeighbours(k=2).fit(X, y).predict([[0.04], [2.0]]).tolist() == [2, 7]


def test_a_file_cannot_ask_for_all_samples():
    with pytest.raises(InputError, match="k must be at most 1000, got 100000"):
        NearestNeighbours(k=100_000)


def test_blocks_change_nothing(monkeypatch):
    X = np.random.default_rng(1).random((50, 2)).astype("f4")
    fitted = NearestNeighbours(k=3).fit(X, X[:, 0])
    whole = fitted.predict(X)
    monkeypatch.setattr("euclid_resolved_knn._BLOCK", 7)
    np.testing.assert_array_equal(fitted.predict(X), whole)

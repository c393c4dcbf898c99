import numpy as np
import pytest
from euclid_resolved_knn import NearestNeighbours

from euclid_resolved.testing import ESTIMATOR_CHECKS


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
def test_contract(check):
    check(NearestNeighbours(k=5))


def test_mean_of_the_nearest():
    X, y = np.array([[0.0], [0.1], [0.9], [1.0]], "f4"), np.array([1, 3, 5, 9], "f4")
    assert NearestNeighbours(k=2).fit(X, y).predict([[0.04], [2.0]]).tolist() == [2, 7]

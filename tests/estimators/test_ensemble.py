"""Ensembles of fits that differ in their seeds alone."""

import numpy as np
import pytest

from euclid_resolved import RandomForest
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.estimators import Ensemble

FEW = ("n_trees=2", "n_jobs=1")


def pixels(n=800):
    rng = np.random.default_rng(1)
    X = rng.random((n, 3)).astype(np.float32)
    return X, (X[:, 0] + 0.1 * rng.normal(size=n)).astype(np.float32)


def test_it_is_the_mean_of_its_members_and_knows_their_scatter():
    X, y = pixels()
    ensemble = Ensemble("random_forest", 4, FEW, seed=7).fit(X, y)
    alone = [RandomForest(n_trees=2, n_jobs=1, seed=7 + i).fit(X, y).predict(X) for i in range(4)]
    np.testing.assert_allclose(ensemble.predict(X), np.mean(alone, axis=0), rtol=1e-6)
    np.testing.assert_allclose(ensemble.spread(X), np.std(alone, axis=0, ddof=1) / 2, rtol=1e-4, atol=1e-6)
    assert ensemble.feature_importance.sum() == pytest.approx(1)


def test_it_comes_back_from_its_state():
    X, y = pixels()
    ensemble = Ensemble("random_forest", 3, FEW).fit(X, y)
    again = Ensemble(**ensemble.settings()).restore(ensemble.state())
    np.testing.assert_array_equal(again.predict(X), ensemble.predict(X))
    for state in ({}, {"members": []}, {"members": ensemble.state()["members"][:2]}, [1], {"members": 3}):
        with pytest.raises(InputError, match="no list of 3 members"):
            Ensemble("random_forest", 3, FEW).restore(state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": 1}, "members must lie between 2 and 100"),
        ({"members": 10**9}, "members must lie between 2 and 100"),
        ({"member": "ensemble"}, "ensemble of ensembles"),
    ],
)
def test_what_is_no_ensemble_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Ensemble(**settings)


@pytest.mark.parametrize(
    ("member", "options", "message"),
    [
        ("linear", (), "linear has no seed"),
        ("random_forest", ("trees=2",), "does not take these settings"),
        ("random_forest", ("n_trees",), "'name=value', got 'n_trees'"),
        ("lineal", (), "lineal"),
    ],
)
def test_members_that_cannot_be_made_are_refused(member, options, message):
    with pytest.raises((InputError, PluginError), match=message):
        Ensemble(member, 2, options).fit(*pixels(50))

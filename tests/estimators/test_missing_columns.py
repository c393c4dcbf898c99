"""Trees of rows some of whose columns are not known: NaN has its own way, in every walk the same."""

from dataclasses import replace

import numpy as np
import pytest

from euclid_resolved import InputError, RandomForest
from euclid_resolved.estimators import GradientBoosting, arrange
from euclid_resolved.estimators._forest import LARGEST, check, walk
from euclid_resolved.estimators._histogram import grow
from euclid_resolved.estimators._walk import CompiledWalk, FewPixelsWalk, RunnerWalk


def pixels(n=3000, seed=1, share=0.2):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4), np.float32)
    y = (X[:, 0] * X[:, 1] + 0.3 * X[:, 3] + 0.02 * rng.standard_normal(n)).astype(np.float32)
    X[rng.random(X.shape) < share] = np.nan
    return X, y


BEYOND = pixels(2000, seed=2)[0] * np.float32(1.5) - np.float32(0.25)
FOREST = RandomForest(n_trees=20, n_jobs=1)
BOOSTED = GradientBoosting(n_trees=40, n_jobs=1)


@pytest.mark.parametrize("estimator", [FOREST, BOOSTED], ids=["forest", "boosted"])
def test_every_walk_takes_nan_the_same_way(estimator):
    fitted = estimator.fit(*pixels())
    X, totals = fitted._as_walked(BEYOND), []
    importance = np.resize(fitted.feature_importance, X.shape[1])
    makers = FewPixelsWalk, lambda f: CompiledWalk(f, importance), lambda f: RunnerWalk(f, len(importance))
    for make in makers:
        totals.append(np.zeros(len(X)))
        make(fitted._forest).add(X, totals[-1])
    np.testing.assert_array_equal(totals[0], totals[1])
    np.testing.assert_array_equal(totals[0], totals[2])
    for part in fitted.parts() or []:
        assert np.isfinite(part[1].predict(BEYOND)).all()


def test_boosting_predicts_as_scikit_learn_does():
    from sklearn.ensemble import HistGradientBoostingRegressor

    X, y = pixels()
    theirs = HistGradientBoostingRegressor(max_iter=40, random_state=1).fit(X, y)
    ours = BOOSTED.fit(X, y)
    assert ours._negatives  # NaN goes left at some splits
    np.testing.assert_allclose(ours.predict(BEYOND), theirs.predict(BEYOND), rtol=1e-6, atol=1e-6)


def test_a_split_at_which_nan_goes_left_is_one_of_the_negative():
    tree = ([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 10, 20])
    forest = arrange([(*tree, [True, False, False])], 1)
    check(forest, 2)
    x = np.array([[0.4], [0.5], [np.nextafter(np.float32(0.5), np.float32(1))], [np.nan]], np.float32)
    both = np.where(np.isnan(np.hstack([x, -x])), np.float32(np.inf), np.hstack([x, -x]))
    assert walk(both, *forest.tree(0)).tolist() == [10, 10, 20, 10]
    assert walk(x, *arrange([tree]).tree(0)).tolist() == [10, 10, 20, 20]


def test_a_tree_tells_nan_from_all_numbers():
    x = np.linspace(0, 1, 400, dtype=np.float32)[:, None].copy()
    x[::4] = np.nan
    y = np.isnan(x).astype(np.float32)
    rows, times = np.arange(400), np.ones(400, np.int64)
    tree = grow(x, y, rows, times, np.random.default_rng(1), missing=np.array([True]))
    assert tree.feature.tolist() == [0, -1, -1] and tree.value[0, 0] == LARGEST
    fitted = FOREST.fit(x, y[:, 0])
    assert fitted.predict(np.array([[1e6], [-1e6], [np.nan]], np.float32)).tolist() == [0, 0, 1]


def test_a_column_that_is_never_known_is_never_split():
    X, y = pixels(share=0)
    X[:, 2] = np.nan
    fitted = FOREST.fit(X, y)
    assert not (fitted._forest.feature == 2).any() and fitted.feature_importance[2] == 0
    assert np.corrcoef(fitted.predict(X), y)[0, 1] > 0.95


def test_nan_changes_nothing_where_there_is_none():
    X, y = pixels(share=0)
    fitted = FOREST.fit(X, y)
    assert "nan" not in fitted.state()
    with pytest.raises(InputError, match="NaN or infinity"):
        fitted.predict(BEYOND)
    rows, times = np.arange(len(X)), np.ones(len(X), np.int64)
    one, other = (
        grow(X, y[:, None], rows, times, np.random.default_rng(1), missing=missing)
        for missing in (None, np.ones(4, bool))
    )
    # A bin for NaN that stays empty moves no split.
    for name in ("feature", "right", "value"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("estimator", [FOREST, BOOSTED], ids=["forest", "boosted"])
def test_a_state_that_lies_about_nan_is_refused(estimator):
    state = estimator.fit(*pixels(600)).state()
    with pytest.raises(InputError, match="'nan' says"):
        replace(estimator).restore({**state, "nan": "yes"})
    if estimator is BOOSTED:
        with pytest.raises(InputError, match="columns other than"):
            replace(estimator).restore({**state, "nan": False})
    with pytest.raises(InputError, match="columns other than"):
        replace(estimator).restore({**state, "feature": np.where(state["feature"] >= 0, 8, -1).astype("i2")})
    with pytest.raises(InputError, match="'nan' says"):
        RandomForest(engine="scikit-learn").restore(FOREST.fit(*pixels(600)).state())

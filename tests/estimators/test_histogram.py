"""Trees grown on bins: known answers, thresholds that decide as the bins did, and the joint fit."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from euclid_resolved import InputError, RandomForest, evaluate, train
from euclid_resolved.estimators import ExtraTrees
from euclid_resolved.estimators._forest import Forest, check, walk
from euclid_resolved.estimators._histogram import bin_edges, grow
from euclid_resolved.models import r2
from euclid_resolved.testing import example_galaxies
from euclid_resolved.testing._estimator_rules import ESTIMATOR_CHECKS

rng = np.random.default_rng(3)
X = rng.random((4000, 5), np.float32)
X[:, 3] = np.round(X[:, 3], 1)
X[:, 4] = 0.5
Y = np.column_stack([X[:, 0] * X[:, 1], np.sin(5 * X[:, 2]), X[:, 3]])
Y = (Y + 0.05 * rng.standard_normal(Y.shape)).astype(np.float32)


def tree(X, Y, sample=None, seed=1, **settings):
    rows, times = sample or (np.arange(len(X)), np.ones(len(X), np.int64))
    return grow(X, Y, rows, times, np.random.default_rng(seed), **settings)


def leaves(grown, X, target=0):
    """The leaf that each row comes to, by a walk on floats."""
    place = np.where(grown.feature < 0, np.arange(len(grown.feature)), grown.value[:, target])
    return walk(X, grown.feature, grown.right, place).astype(int)


@pytest.mark.parametrize("n", [2, 3, 300, 5000])
def test_edges_tell_neighbouring_values_apart(n):
    values = np.unique(rng.normal(size=n).astype(np.float32))
    edges = bin_edges(rng.permutation(np.repeat(values, 3)))
    assert edges.dtype == np.float32 and (np.diff(edges) > 0).all() and len(edges) < 2048
    bins = np.searchsorted(edges, values)  # the edges below each value
    assert bins[0] == 0 and bins[-1] == len(edges) and set(np.diff(bins)) <= {0, 1}
    if n <= 2048:
        np.testing.assert_array_equal(bins, np.arange(len(values)))


def test_edges_between_adjacent_floats_and_of_one_value():
    one = np.float32(1)
    above = np.nextafter(one, np.float32(2))
    assert bin_edges(np.array([above, one])).tolist() == [1.0]
    assert bin_edges(np.full(9, one)).size == 0
    huge = np.array([-3e38, 3e38], np.float32)
    assert bin_edges(huge).tolist() == [0.0]


def test_rare_bright_pixels_have_bins_of_their_own():
    values = np.concatenate([rng.random(100_000), 1 + np.arange(1, 101)]).astype(np.float32)
    edges = bin_edges(values, 512)
    assert 90 < (edges > 1).sum() < 300 and (edges < 1).sum() > 200


def test_a_step_is_found_exactly():
    step = (X[:, 2] > 0.4).astype(np.float32)
    grown = tree(X, step[:, None])
    assert grown.feature.tolist() == [2, -1, -1] and grown.right.tolist() == [2, 0, 0]
    assert grown.value[1:, 0].tolist() == [0.0, 1.0]
    left = X[:, 2] <= grown.value[0, 0]
    np.testing.assert_array_equal(left, step == 0)
    np.testing.assert_array_equal(grown.importance, [[0, 0, 1, 0, 0]])


def test_every_leaf_is_the_mean_of_its_rows_by_a_walk_on_floats():
    sample = np.unique(rng.integers(len(X), size=len(X)), return_counts=True)
    rows, times = sample
    grown = tree(X, Y, sample, min_samples_leaf=5)
    check(Forest(np.array([0, len(grown.feature)]), grown.feature, grown.right, grown.value[:, 0]), 5)
    for target in range(3):
        at = leaves(grown, X[rows], target)
        assert np.bincount(at)[np.unique(at)].min() >= 5
        for leaf in np.unique(at):
            mine = at == leaf
            mean = np.average(Y[rows[mine], target].astype(float), weights=times[mine])
            assert grown.value[leaf, target] == np.float32(mean)
    assert set(np.unique(at)) == set(np.flatnonzero(grown.feature < 0))


def test_more_rows_than_the_bins_are_made_from_still_decide_as_their_bins():
    many = rng.normal(size=(150_000, 2)).astype(np.float32)
    target = (many[:, :1] > 0.3) + many[:, 1:] ** 2
    grown = tree(many, target.astype(np.float32), min_samples_leaf=100)
    at = leaves(grown, many)
    sums, counts = np.bincount(at, target[:, 0]), np.bincount(at)
    mine = np.unique(at)
    np.testing.assert_allclose(grown.value[mine, 0], sums[mine] / counts[mine], rtol=2e-6)
    assert counts[mine].min() >= 100


def test_a_threshold_lies_halfway_between_values():
    x = np.repeat(np.array([0.2, 0.6], np.float32), 30)[:, None]
    grown = tree(x, x)
    assert grown.value[0, 0] == pytest.approx(0.4)
    # Another value, of a row that is not in the sample, changes nothing.
    wider = np.append(x, np.float32([[0.3]]), axis=0)
    rows = np.arange(60), np.ones(60, np.int64)
    assert tree(wider, wider, rows).value[0, 0] == pytest.approx(0.4)


@pytest.mark.parametrize("columns", [1, 4, 5, 16, 300])
def test_any_number_of_columns(columns):
    x = np.random.default_rng(1).random((500, columns)).astype(np.float32)
    fitted = RandomForest(n_trees=5, n_jobs=1, min_samples_leaf=5).fit(x, x[:, -1])
    assert np.argmax(fitted.feature_importance) == columns - 1
    assert r2(x[:, -1], fitted.predict(x)) > 0.98


def test_what_cannot_be_split_is_one_leaf():
    for x, y in ((X[:1], Y[:1]), (X[:30], Y[:30]), (X[:, 4:], Y), (X, np.full_like(Y, 0.1))):
        grown = tree(x, y)
        assert grown.feature.tolist() == [-1] and not grown.importance.any()
        np.testing.assert_allclose(grown.value[0], y.astype(float).mean(axis=0), rtol=1e-6)
    assert tree(X, np.full_like(Y, 0.1)).value[0, 0] == np.float32(0.1)


def test_settings_hold():
    assert leaves(tree(X, Y, max_depth=1), X).max() == 2
    deep = tree(X, Y, min_samples_leaf=1)
    assert np.bincount(leaves(deep, X))[deep.feature < 0].max() < 10
    few = tree(X, X[:, :1], max_features=0.2, max_depth=3)  # one column a split, though only one matters
    assert len(set(few.feature[few.feature >= 0])) > 1


def test_columns_alike_share_importance():
    twice = np.column_stack([X[:, 0], X[:, 0]])
    importance = RandomForest(n_trees=10, n_jobs=1).fit(twice, X[:, 0]).feature_importance
    assert 0.2 < importance[0] < 0.8


@pytest.mark.parametrize("check_one", ESTIMATOR_CHECKS)
@pytest.mark.parametrize("engine", ["histogram", "scikit-learn"])
def test_both_engines_keep_the_contract(engine, check_one):
    check_one(RandomForest(n_trees=4, n_jobs=1, engine=engine))


def test_engines_agree():
    new = np.random.default_rng(9).random((2000, 5)).astype(np.float32)
    truth = new[:, 0] * new[:, 1]
    ours, theirs = (
        RandomForest(n_trees=20, n_jobs=1, engine=engine).fit(X, Y[:, 0])
        for engine in ("histogram", "scikit-learn")
    )
    assert r2(truth, ours.predict(new)) == pytest.approx(r2(truth, theirs.predict(new)), abs=0.003)
    np.testing.assert_allclose(ours.feature_importance, theirs.feature_importance, atol=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "sklearn"}, "engine must be one of histogram, scikit-learn; got 'sklearn'"),
        ({"engine": "scikit-learn", "joint": True}, "only engine='histogram'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        RandomForest(**settings)


def test_extra_trees_know_no_engine():
    assert "engine" not in ExtraTrees().settings() and not ExtraTrees().joint


def test_without_numba_growing_says_what_to_do(monkeypatch):
    monkeypatch.delitem(sys.modules, "euclid_resolved.estimators._growing", raising=False)
    monkeypatch.delattr("euclid_resolved.estimators._growing", raising=False)
    monkeypatch.setitem(sys.modules, "euclid_resolved.estimators._compiled", None)
    with pytest.raises(InputError, match=r"pip install numba, or take engine='scikit-learn'"):
        RandomForest(n_trees=1, n_jobs=1).fit(X, Y[:, 0])
    RandomForest(n_trees=1, n_jobs=1, engine="scikit-learn").fit(X, Y[:, 0]).predict(X)


JOINT = RandomForest(n_trees=20, n_jobs=1, joint=True)


def test_a_joint_forest_is_nearly_as_good_as_three():
    together = JOINT.fit_together(X, Y)
    alone = replace(JOINT, joint=False).fit_together(X, Y)
    assert not any(name.startswith("_") for name in vars(JOINT))
    new = np.random.default_rng(9).random((2000, 5)).astype(np.float32)
    truth = new[:, 0] * new[:, 1], np.sin(5 * new[:, 2]), new[:, 3]
    for one, other, y in zip(together, alone, truth, strict=True):
        assert one.settings() == JOINT.settings()
        # A column that matters to one target only costs the others leaves of small mocks.
        assert r2(y, one.predict(new)) > r2(y, other.predict(new)) - 0.2
        assert one.feature_importance.sum() == pytest.approx(1)
    assert [int(np.argmax(e.feature_importance)) for e in together[1:]] == [2, 3]
    for name in ("first", "feature", "right"):
        np.testing.assert_array_equal(*(e.state()[name] for e in together[:2]))


def test_a_joint_fit_to_one_target_is_a_fit():
    (joint,) = JOINT.fit_together(X, Y[:, :1])
    alone = replace(JOINT, joint=False).fit(X, Y[:, 0])
    np.testing.assert_array_equal(joint.predict(X), alone.predict(X))


def test_the_unit_of_a_target_does_not_matter():
    scaled = (Y * np.float32([1, 256, 1 / 64])).astype(np.float32)
    for one, other, unit in zip(
        JOINT.fit_together(X, Y), JOINT.fit_together(X, scaled), (1, 256, 1 / 64), strict=True
    ):
        np.testing.assert_allclose(one.predict(X) * unit, other.predict(X), rtol=1e-5)


@pytest.mark.parametrize("estimator", [JOINT, ExtraTrees(n_trees=2, n_jobs=1)], ids=["joint", "one by one"])
def test_wrong_targets_are_refused(estimator):
    broken = Y.copy()
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match="target contains NaN"):
        estimator.fit_together(X, broken)
    with pytest.raises(InputError, match="target must have shape"):
        estimator.fit_together(X, Y[1:])
    with pytest.raises(InputError, match=r"targets must have shape \(pixels, targets\)"):
        JOINT.fit_together(X, Y[:, 0])


def test_one_by_one_is_what_an_estimator_does_without_more():
    extra = ExtraTrees(n_trees=2, n_jobs=1)
    for fitted, y in zip(extra.fit_together(X, Y, validation=(X, Y)), Y.T, strict=True):
        np.testing.assert_array_equal(fitted.predict(X), replace(extra).fit(X, y).predict(X))


def test_a_model_of_several_properties_is_trained_in_one_go():
    galaxies = example_galaxies()
    model = train(galaxies[:3], "all", replace(JOINT, n_trees=5))
    assert (evaluate(model, galaxies[3:])["r2"] > [0.9, 0.85, 0.3]).all()
    splits = [output.estimator.state()["feature"] for output in model.outputs.values()]
    np.testing.assert_array_equal(splits[0], splits[2])
    chained = train(galaxies[:3], "all", replace(JOINT, n_trees=5), chain=True)
    assert chained.outputs["stellar_age"].chain

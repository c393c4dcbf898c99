"""The estimators trained by scikit-learn predict as scikit-learn's own objects do."""

import subprocess
import sys

import numpy as np
import pytest

from euclid_resolved import InputError
from euclid_resolved.estimators import (
    ExtraTrees,
    GradientBoosting,
    MultiLayerPerceptron,
    Ridge,
    SupportVector,
)
from euclid_resolved.estimators._ada_boost import AdaBoost
from euclid_resolved.estimators._forest import arrange, check, pack, round_down, walk

CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def pixels(n=2000, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4), np.float32)
    X[:, 3] = np.round(X[:, 3], 1)  # many values lie on a threshold
    y = X[:, 0] * X[:, 1] + 0.3 * X[:, 3] ** 2 + 0.05 * rng.standard_normal(n)
    return X, y.astype(np.float32)


@pytest.fixture(scope="module")
def beyond():
    """Rows inside the training range and outside it."""
    return pixels(3000, seed=2)[0] * np.float32(1.5) - np.float32(0.25)


@pytest.fixture
def fitted_by_sklearn(monkeypatch):
    """Every object of scikit-learn that a fit in this test has made."""
    made = []

    def keep(owner, name):
        original = getattr(owner, name)

        def fit(self, *args, **kwargs):
            made.append(self)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, fit)

    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.svm import SVR
    from sklearn.tree import ExtraTreeRegressor

    for owner in (ExtraTreeRegressor, HistGradientBoostingRegressor, MLPRegressor, SVR):
        keep(owner, "fit")
    return made


@pytest.mark.parametrize(
    "estimator",
    [
        GradientBoosting(n_trees=60, n_jobs=1),
        SupportVector(epsilon=0.02),
        MultiLayerPerceptron(layers=(16, 8), epochs=10),
        ExtraTrees(n_trees=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_predicts_as_scikit_learn_does(estimator, fitted_by_sklearn, beyond):
    ours = estimator.fit(*pixels())
    (theirs,) = fitted_by_sklearn
    np.testing.assert_allclose(ours.predict(beyond), theirs.predict(beyond), **CLOSE)


def test_ada_boost_is_scikit_learns(beyond):
    from sklearn.ensemble import AdaBoostRegressor
    from sklearn.tree import DecisionTreeRegressor

    X, y = pixels()
    ours = AdaBoost(n_trees=20, seed=3).fit(X, y)
    theirs = AdaBoostRegressor(DecisionTreeRegressor(max_depth=3), n_estimators=20, random_state=3).fit(X, y)
    np.testing.assert_allclose(ours.predict(beyond), theirs.predict(beyond), **CLOSE)
    again = AdaBoost().restore(ours.state())
    np.testing.assert_array_equal(again.predict(beyond), ours.predict(beyond))
    assert ours.spread(beyond) is None and ours.parts() is None and ours.feature_importance.argmin() == 2
    for weights in (np.ones(3), -ours.state()["weights"]):
        with pytest.raises(InputError, match="weights do not fit"):
            AdaBoost().restore(ours.state() | {"weights": weights})
    # The trees of one pixel, by hand: half of the weight lies at or below the median.
    trees = np.array([tree.predict(beyond[:1])[0] for tree in theirs.estimators_])
    weights = theirs.estimator_weights_[: len(trees)]
    median = ours.predict(beyond[:1])[0]
    assert weights[trees < median - 1e-6].sum() < weights.sum() / 2 <= weights[trees < median + 1e-6].sum()


def test_ridge_is_scikit_learns(beyond):
    from sklearn.linear_model import Ridge as Theirs

    X, y = pixels()
    theirs = Theirs(alpha=3.0).fit(X.astype(float), y.astype(float))
    np.testing.assert_allclose(Ridge(alpha=3.0).fit(X, y).predict(beyond), theirs.predict(beyond), **CLOSE)


def test_extra_trees_are_the_mean_of_trees(fitted_by_sklearn, beyond):
    ours = ExtraTrees(n_trees=7, n_jobs=1).fit(*pixels())
    theirs = np.mean([tree.predict(beyond) for tree in fitted_by_sklearn], axis=0)
    np.testing.assert_allclose(ours.predict(beyond), theirs, **CLOSE)


def test_thresholds_themselves_go_the_same_way(fitted_by_sklearn):
    X, y = pixels()
    ours = GradientBoosting(n_trees=20, n_jobs=1).fit(X, y)
    forest = ours._forest
    edges = np.unique(forest.value[forest.feature == 3])
    edges = np.concatenate([edges, np.nextafter(edges, np.float32(np.inf))])
    grid = np.repeat(X[:20], len(edges), axis=0)
    grid[:, 3] = np.tile(edges, 20)
    np.testing.assert_allclose(ours.predict(grid), fitted_by_sklearn[0].predict(grid), **CLOSE)


def test_gradient_boosting_stops_early():
    X, y = pixels(12_000)
    assert len(GradientBoosting(learning_rate=0.5, n_jobs=1).fit(X, y)._forest) < 200


def test_importance_finds_the_columns_that_matter():
    for estimator in (GradientBoosting(n_trees=20, n_jobs=1), ExtraTrees(n_trees=5)):
        importance = estimator.fit(*pixels()).feature_importance
        assert importance.argmin() == 2
        assert importance.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "estimator",
    [SupportVector(max_samples=100), MultiLayerPerceptron(max_samples=100), AdaBoost(max_samples=100)],
)
def test_sample_is_drawn_by_the_seed(estimator, fitted_by_sklearn):
    from dataclasses import replace

    X, y = pixels()
    first, again, other = (replace(estimator, seed=seed).fit(X, y).predict(X[:50]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_extra_trees_see_a_sample_without_repetition(fitted_by_sklearn):
    X, y = pixels()
    ExtraTrees(n_trees=2, max_samples=500, min_samples_leaf=1, n_jobs=1).fit(X, y)
    assert [tree.tree_.n_node_samples[0] for tree in fitted_by_sklearn] == [500, 500]


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [
        (Ridge, {"alpha": 0}),
        (Ridge, {"alpha": float("nan")}),
        (ExtraTrees, {"n_trees": 0}),
        (GradientBoosting, {"max_leaves": 1}),
        (GradientBoosting, {"learning_rate": 0}),
        (SupportVector, {"C": -1}),
        (SupportVector, {"epsilon": -1}),
        (SupportVector, {"max_samples": 0}),
        (MultiLayerPerceptron, {"layers": ()}),
        (MultiLayerPerceptron, {"layers": (4, 0)}),
        (MultiLayerPerceptron, {"epochs": 0}),
    ],
)
def test_impossible_settings(estimator, settings):
    with pytest.raises(InputError):
        estimator(**settings)


def test_support_vectors_and_weights_must_fit_together():
    state = SupportVector().fit(*pixels(100)).state()
    with pytest.raises(InputError, match="do not fit support vectors"):
        SupportVector().restore({**state, "weights": state["weights"][:-1]})
    with pytest.raises(InputError, match="gamma must be above 0"):
        SupportVector().restore({**state, "gamma": -1.0})


def test_network_layers_must_fit_together():
    weights = [np.ones((4, 3), "f4"), np.ones((3, 1), "f4")]
    biases = [np.ones(3, "f4"), np.ones(1, "f4")]
    network = MultiLayerPerceptron().restore({"weights": weights, "biases": biases})
    assert network.predict(np.ones((1, 4), "f4")) == [16]
    for state in (
        {"weights": weights[:1], "biases": biases[:1]},
        {"weights": weights[::-1], "biases": biases},
        {"weights": weights, "biases": biases[:1]},
        {"weights": [], "biases": []},
        {"weights": weights, "biases": 3},
        {"weights": [np.ones((0, 3), "f4"), weights[1]], "biases": biases},
    ):
        with pytest.raises(InputError):
            MultiLayerPerceptron().restore(state)


def test_state_is_opened_without_scikit_learn():
    # The trees fall back to NumPy; the others have no need of it.
    code = """
import sys
sys.modules["sklearn"] = None  # an import of it fails
import numpy as np
from euclid_resolved.estimators._scikit_learn import *
one = {"weights": [np.ones((2, 1))], "biases": [np.ones(1)]}
vectors = {"support_vectors": np.ones((1, 2)), "weights": np.ones(1), "intercept": 0.0, "gamma": 1.0}
trees = {"first": np.array([0, 3]), "feature": np.array([0, -1, -1], "i1"), "right": np.array([2, 0, 0]),
         "value": np.array([0.5, 1, 2], "f4"), "importance": np.array([1.0, 0]), "offset": 1.0}
X = np.ones((1, 2), "f4")
print([float(e.restore(s).predict(X)[0]) for e, s in (
    (MultiLayerPerceptron(), one), (SupportVector(), vectors), (GradientBoosting(n_jobs=1), trees),
    (ExtraTrees(n_jobs=1), trees))])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[3.0, 1.0, 3.0, 2.0]", done.stderr


# --- trees of other libraries -------------------------------------------------------------------------


def test_arrange_takes_nodes_in_any_order(beyond):
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(min_samples_leaf=5).fit(*pixels(500)).tree_
    n = tree.node_count
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(n - 1)])
    place = np.argsort(order)
    leaf = tree.children_left < 0
    value = np.where(leaf, tree.value[:, 0, 0].astype("f4"), round_down(tree.threshold))
    left, right = (
        np.where(leaf, -1, place[children]) for children in (tree.children_left, tree.children_right)
    )
    # A node that the root does not reach, as pruning leaves it behind.
    shuffled = [
        np.append(a[order], extra) for a, extra in ((tree.feature, 1), (left, 0), (right, 0), (value, 9))
    ]
    forest, expected = arrange([shuffled, shuffled]), pack([tree])
    check(forest, 4)
    assert len(forest) == 2
    for i in range(2):
        assert all(np.array_equal(a, b) for a, b in zip(forest.tree(i), expected.tree(0), strict=True))
    np.testing.assert_array_equal(walk(beyond, *forest.tree(1)), walk(beyond, *expected.tree(0)))


def test_arrange_takes_a_single_leaf():
    forest = arrange([([-1], [-1], [-1], [0.5])])
    check(forest, 1)
    assert walk(np.zeros((2, 1), "f4"), *forest.tree(0)).tolist() == [0.5, 0.5]


def test_round_down_never_goes_up():
    threshold = np.random.default_rng(1).normal(size=1000)
    rounded = round_down(threshold)
    assert (rounded.astype(float) <= threshold).all()
    assert (np.nextafter(rounded, np.float32(np.inf)).astype(float) > threshold).all()

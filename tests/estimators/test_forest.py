"""Trees as arrays decide as scikit-learn does, to the last bit, and damaged ones are refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.tree import DecisionTreeRegressor

from euclid_resolved import RandomForest
from euclid_resolved.errors import InputError
from euclid_resolved.estimators import _forest as module
from euclid_resolved.estimators._forest import (
    Forest,
    arrange,
    check,
    pack,
    round_down,
    runner,
    walk,
)

rng = np.random.default_rng(11)
X = rng.random((400, 3), np.float32)
y = (X[:, 0] * X[:, 1] + 0.1 * rng.random(400)).astype(np.float32)
TREES = [DecisionTreeRegressor(min_samples_leaf=3, random_state=i).fit(X, y).tree_ for i in range(3)]
FOREST = pack(TREES)


def stump(threshold=0.5):
    """One split on column 0: 10 on the left, 20 on the right."""
    return Forest(
        np.array([0, 3], np.int64),
        np.array([0, -1, -1], np.int16),
        np.array([2, 0, 0], np.int32),
        np.array([threshold, 10, 20], np.float32),
    )


def test_left_is_up_to_and_with_the_threshold():
    x = np.array([[0.4], [0.5], [np.nextafter(np.float32(0.5), np.float32(1))]], np.float32)
    assert walk(x, *stump().tree(0)).tolist() == [10, 10, 20]
    assert runner(stump(), 1)[0](x).tolist() == [10, 10, 20]


def at_the_thresholds():
    """Rows whose values are the thresholds of the trees, and the floats next to them."""
    inner = FOREST.value[FOREST.feature >= 0]
    around = np.concatenate([np.nextafter(inner, np.float32(s)) for s in (-1, 2)] + [inner])
    return np.stack([rng.permutation(around) for _ in range(3)], axis=1).astype(np.float32)


@pytest.mark.parametrize("rows", [X, at_the_thresholds()], ids=["training rows", "at the thresholds"])
def test_packed_trees_decide_as_the_originals(rows):
    for i, tree in enumerate(TREES):
        expected = tree.predict(rows)[:, 0].astype(np.float32)
        np.testing.assert_array_equal(walk(rows, *FOREST.tree(i)), expected)


def test_the_compiled_runner_decides_as_the_plain_walk():
    rows = np.concatenate([at_the_thresholds(), rng.normal(0, 9, (500, 3)).astype(np.float32)])
    for i, run in enumerate(runner(FOREST, 3)):
        np.testing.assert_array_equal(run(rows), walk(rows, *FOREST.tree(i)))


def test_without_scikit_learns_trees_old_models_still_run(monkeypatch):
    def changed(*args):
        raise AttributeError("NODE_DTYPE")

    expected = [run(X) for run in runner(FOREST, 3)]
    monkeypatch.setattr(module, "_sklearn_tree", changed)
    for run, values in zip(runner(FOREST, 3), expected, strict=True):
        np.testing.assert_array_equal(run(X), values)


@given(st.floats(-(2.0**100), 2.0**100), st.floats(-(2.0**100), 2.0**100, width=32))
def test_a_rounded_threshold_decides_alike(threshold, x):
    rounded = round_down(np.array([threshold]))[0]
    near = [np.float32(x), np.float32(threshold), rounded]
    near += [np.nextafter(value, np.float32(side)) for value in near for side in (-np.inf, np.inf)]
    for value in near:
        assert (value <= rounded) == (float(value) <= threshold)


def test_trees_of_any_library_are_arranged_depth_first():
    for i, tree in enumerate(TREES):
        shuffled = np.concatenate([[0], 1 + rng.permutation(tree.node_count - 1)])
        place = np.argsort(shuffled)
        leaf = tree.children_left < 0
        left, right = (np.where(leaf, -1, place[c]) for c in (tree.children_left, tree.children_right))
        value = np.where(leaf, tree.value[:, 0, 0], round_down(tree.threshold))
        columns = (np.where(leaf, -1, tree.feature), left, right, value)
        arranged = arrange([tuple(column[shuffled] for column in columns)])
        check(arranged, 3)
        for ours, theirs in zip(arranged.tree(0), FOREST.tree(i), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_nodes_that_the_root_does_not_reach_are_left_out():
    pruned = arrange([([0, -1, -1, 0], [1, 0, 0, 1], [2, 0, 0, 2], [0.5, 10, 20, 0.1])])
    check(pruned, 1)
    assert len(pruned.feature) == 3 and walk(np.ones((1, 1), np.float32), *pruned.tree(0)) == [20]


def test_a_tree_of_one_leaf_is_a_constant():
    single = arrange([([-1], [0], [0], [7.0])])
    check(single, 2)
    assert runner(single, 2)[0](X[:, :2]).tolist() == [7.0] * len(X)


def test_a_whole_forest_passes_the_check():
    check(FOREST, 3)
    assert len(FOREST) == 3 and FOREST.first[-1] == len(FOREST.feature)


def damaged(name, at, value):
    array = getattr(FOREST, name).copy()
    array[at] = value
    return replace(FOREST, **{name: array})


INNER = int(np.flatnonzero(FOREST.feature >= 0)[1])
LEAF = int(np.flatnonzero(FOREST.feature < 0)[0])
OUTSIDE = "children outside their tree or before their parents"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (damaged("right", INNER, 0), OUTSIDE),
        (damaged("right", INNER, INNER), OUTSIDE),
        (damaged("right", INNER, -5), OUTSIDE),
        (damaged("right", INNER, 10**6), OUTSIDE),
        (damaged("right", INNER, INNER + 1), OUTSIDE),
        (damaged("right", LEAF, 1), OUTSIDE),
        (damaged("right", 0, FOREST.right[0] + 1), "without exactly one parent"),
        (damaged("feature", INNER, 3), "columns other than its 3"),
        (damaged("feature", INNER, -2), "columns other than its 3"),
        (damaged("feature", INNER, -1), OUTSIDE),
        (damaged("feature", LEAF, 0), OUTSIDE),
        (damaged("value", INNER, np.nan), "not finite"),
        (damaged("value", LEAF, np.inf), "not finite"),
        (damaged("first", 0, 1), "do not fill"),
        (damaged("first", 1, 0), "do not fill"),
        (damaged("first", -1, FOREST.first[-1] + 1), "do not fill"),
        (damaged("first", 1, FOREST.first[1] + 1), "outside their tree|one parent"),
        (replace(FOREST, first=FOREST.first[:1]), "do not fill"),
        # The sizes of these trees overflow, and add up to the number of nodes again.
        (replace(FOREST, first=np.array([0, 2**63 - 1, -5, FOREST.first[-1]])), "do not fill"),
        (replace(FOREST, right=FOREST.right[:-1]), "differ in length"),
        (replace(FOREST, value=FOREST.value[:-1]), "differ in length"),
        (replace(FOREST, value=FOREST.value.astype(int)), "wrong types"),
        (replace(FOREST, feature=FOREST.feature.astype(float)), "wrong types"),
        (replace(FOREST, feature=FOREST.feature[:, None]), "wrong types"),
        (
            Forest(
                np.array([0, 5]), np.array([0, 0, -1, -1, -1]), np.array([2, 3, 0, 0, 0]), np.ones(5, "f4")
            ),
            "without exactly one parent",
        ),
    ],
)
def test_arrays_that_are_no_trees_are_refused(broken, message):
    with pytest.raises(InputError, match=message):
        check(broken, 3)


@pytest.mark.parametrize("name", ["first", "feature", "right", "value", "importance"])
def test_a_forest_with_any_array_missing_is_refused(name):
    state = RandomForest(n_trees=2, n_jobs=1).fit(X, y).state()
    del state[name]
    with pytest.raises(InputError, match=f"the state has no '{name}'"):
        RandomForest().restore(state)


@given(st.data())
def test_no_damage_crashes_or_hangs(data):
    name = data.draw(st.sampled_from(["first", "feature", "right", "value"]))
    array = getattr(FOREST, name)
    at = data.draw(st.integers(0, len(array) - 1))
    value = data.draw(st.integers(-300, 300))
    broken = damaged(name, at, value)
    try:
        check(broken, 3)
    except InputError:
        return
    for i in range(len(broken)):
        assert np.isfinite(walk(X[:20], *broken.tree(i))).all()

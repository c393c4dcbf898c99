"""Compiled, small and plain walks give the same bits, whatever the number of pixels, blocks and threads."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

from euclid_resolved import RandomForest
from euclid_resolved.estimators import (
    GradientBoosting,
    _bundles as bundles,
    _trees as trees,
    _walk as module,
    _walking as walking,
)
from euclid_resolved.estimators._forest import Forest, Tree, check, join, walk
from euclid_resolved.estimators._walk import (
    CompiledWalk,
    FewPixelsWalk,
    RunnerWalk,
    few_pixels,
    make_walk,
)


def random_tree(rng, n_features, depth):
    """A tree of random shape whose thresholds are few, so that many pixels lie on one."""
    feature, right, value = [], [], []

    def grow(level):
        node = len(feature)
        leaf = level >= depth or rng.random() < 0.15
        feature.append(-1 if leaf else int(rng.integers(n_features)))
        value.append(rng.normal() if leaf else rng.integers(-4, 5) / 4)
        right.append(0)
        if not leaf:
            grow(level + 1)
            right[node] = len(feature)
            grow(level + 1)

    grow(0)
    return Tree(np.int16(feature), np.int32(right), np.float32(value)[:, None], np.zeros((1, n_features)))


def random_forest(rng, n_trees, n_features, depth):
    (forest,) = join([random_tree(rng, n_features, depth) for _ in range(n_trees)])
    check(forest, n_features)
    return forest


def pixels(rng, n, n_features):
    """Rows at the thresholds, at the floats next to them, and between and beyond them."""
    X = (rng.integers(-5, 6, (n, n_features)) / 4).astype(np.float32)
    beside = np.nextafter(X, np.float32(rng.choice([-9, 9])))
    return np.where(rng.random(X.shape) < 0.5, X, beside)


def compiled(forest, rng, n_features):
    """A walk that goes in bundles and one that does not, whatever the processor and the number of pixels."""
    made = [CompiledWalk(forest, rng.random(n_features)) for _ in range(2)]
    for one, code in zip(made, (bundles, None), strict=True):
        one._bundles, one._fewest = code, 0
    return made


def expected(forest, X):
    total = np.zeros(len(X))
    for i in range(len(forest)):
        total += walk(X, *forest.tree(i))
    return total


@given(
    st.integers(0, 2**32), st.integers(1, 20), st.sampled_from([1, 2, 3, 4, 5, 9, 130]), st.integers(0, 9),
    st.sampled_from([1, 2, 7, 8, 9, 127, 128, 129, 300, 1500]),
)  # fmt: skip
def test_all_walks_give_the_same_bits(seed, n_trees, n_features, depth, n):
    rng = np.random.default_rng(seed)
    forest, X = random_forest(rng, n_trees, n_features, depth), pixels(rng, n, n_features)
    total, moments = expected(forest, X), (np.zeros(n), np.zeros(n))
    RunnerWalk(forest, n_features).moments(X, *moments)
    for made in (*compiled(forest, rng, n_features), FewPixelsWalk(forest)):
        mine, (mean, square) = np.zeros(n), np.zeros((2, n))
        made.add(X, mine)
        made.moments(X, mean, square)
        np.testing.assert_array_equal(mine, total)
        np.testing.assert_array_equal((mean, square), moments)


def test_pixels_that_part_at_every_node_leave_room_on_the_stack_of_a_bundle():
    """A tree of 64 leaves, deep on one side and then the other, each for one pixel of a bundle."""
    n = bundles.WIDTH
    for cut in (np.arange(n - 1), np.arange(n - 1)[::-1]):
        # Every split takes one pixel off: from the left the right child is the rest, from the right the left.
        left = cut[0] == 0
        feature, right, value = [], [], []
        if left:
            for i in cut:
                feature += [0, -1]
                right += [len(right) + 2, 0]
                value += [i + 0.5, i]
            feature, right, value = [*feature, -1], [*right, 0], [*value, n - 1]
        else:
            feature, right = [0] * (n - 1) + [-1] * n, [2 * n - 2 - i for i in range(n - 1)] + [0] * n
            value = [*(cut + 0.5), *range(n)]
        tree = Tree(np.int16(feature), np.int32(right), np.float32(value)[:, None], np.zeros((1, 1)))
        (forest,) = join([tree] * 20)
        check(forest, 1)
        X = np.arange(n, dtype=np.float32)[:, None]
        for made in compiled(forest, np.random.default_rng(1), 1):
            total = np.zeros(n)
            made.add(X, total)
            np.testing.assert_array_equal(total, 20.0 * np.arange(n))


def test_numbers_of_32_bits_are_ranked_as_they_come():
    keys = np.random.default_rng(2).integers(0, 2**32, 5000, dtype=np.uint32)
    keys[::3], keys[1], keys[2] = keys[0], 0, 2**32 - 1
    np.testing.assert_array_equal(walking.ranked(keys), np.argsort(keys, kind="stable"))
    assert walking.ranked(keys[:0]).shape == (0,)


def test_a_walk_adds_to_what_is_there_and_changes_no_pixel():
    rng = np.random.default_rng(1)
    forest, X = random_forest(rng, 20, 3, 5), pixels(rng, 2000, 3)
    X.flags.writeable = False
    start = rng.normal(size=2000)
    for made in (CompiledWalk(forest, np.zeros(3)), FewPixelsWalk(forest), RunnerWalk(forest, 3)):
        total = start.copy()
        made.add(X, total)
        running = start.copy()
        for i in range(20):
            running += walk(X, *forest.tree(i))
        np.testing.assert_array_equal(total, running)


def test_columns_without_width_and_with_all_the_width_there_is_can_be_sorted():
    forest = random_forest(np.random.default_rng(2), 16, 3, 4)
    X = np.zeros((1500, 3), np.float32)
    X[:, 1] = np.linspace(-3.4e38, 3.4e38, 1500)
    X[:, 2] = np.linspace(0, 1e-44, 1500)
    total = np.zeros(1500)
    CompiledWalk(forest, np.ones(3)).add(X, total)
    np.testing.assert_array_equal(total, expected(forest, X))


rng = np.random.default_rng(7)
X = rng.random((6000, 4), np.float32)
y = (X[:, 0] * X[:, 1] + 0.1 * rng.random(6000)).astype(np.float32)
FITTED = {
    "forest": RandomForest(n_trees=20, n_jobs=1).fit(X, y),
    "boosted": GradientBoosting(n_trees=20, n_jobs=1).fit(X, y),
}


def fresh(name, **settings):
    """The same trees, before they were ever run."""
    fitted = FITTED[name]
    return type(fitted)(**{**fitted.settings(), **settings}).restore(fitted.state())


@pytest.mark.parametrize("name", FITTED)
def test_predictions_do_not_know_blocks_threads_order_or_company(name, monkeypatch):
    whole, spread = fresh(name).predict(X), fresh(name).spread(X)
    other = fresh(name, n_jobs=3)
    monkeypatch.setattr(trees, "_BLOCKS", (101, 101))
    np.testing.assert_array_equal(other.predict(X), whole)
    order = rng.permutation(len(X))
    np.testing.assert_array_equal(other.predict(X[order]), whole[order])
    np.testing.assert_array_equal([fresh(name).predict(X[i : i + 1])[0] for i in range(9)], whole[:9])
    if spread is not None:
        np.testing.assert_array_equal(other.spread(X[order]), spread[order])
        np.testing.assert_array_equal(fresh(name).spread(X[:9]), spread[:9])


@pytest.mark.parametrize("name", FITTED)
def test_without_numba_models_run_all_the_same(name, monkeypatch):
    whole, spread = FITTED[name].predict(X), FITTED[name].spread(X)
    monkeypatch.delitem(sys.modules, "euclid_resolved.estimators._walking", raising=False)
    monkeypatch.delattr("euclid_resolved.estimators._walking", raising=False)
    monkeypatch.setitem(sys.modules, "euclid_resolved.estimators._compiled", None)
    plain = fresh(name)
    np.testing.assert_array_equal(plain.predict(X), whole)
    assert isinstance(plain._walk, RunnerWalk)
    if spread is not None:
        np.testing.assert_array_equal(plain.spread(X), spread)


def test_trees_too_large_for_a_link_are_run_otherwise(monkeypatch):
    forest = random_forest(np.random.default_rng(3), 2, 3, 9)
    assert isinstance(make_walk(forest, np.ones(3)), CompiledWalk)
    monkeypatch.setattr(module.CompiledWalk, "_fill", lambda *args: (_ for _ in ()).throw(OverflowError))
    assert isinstance(make_walk(forest, np.ones(3)), RunnerWalk)


def test_links_that_do_not_fit_are_noticed():
    far = Forest(np.array([0, 3]), np.int16([0, -1, -1]), np.int32([2**30, 0, 0]), np.zeros(3, np.float32))
    with pytest.raises(OverflowError):
        CompiledWalk(far, np.ones(4))


def python(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def test_a_handful_of_pixels_loads_no_compiler():
    assert few_pixels(FITTED["forest"]._forest, 100)
    code = """
import sys, numpy as np
from euclid_resolved import RandomForest
state = {"first": np.array([0, 3]), "feature": np.array([0, -1, -1], "i1"), "right": np.array([2, 0, 0]),
         "value": np.array([0.5, 1, 2], "f4"), "importance": np.ones(1)}
print(RandomForest(n_jobs=1).restore(state).predict([[0.4], [0.6]]).tolist())
print([m for m in ("numba", "sklearn") if m in sys.modules])
"""
    done = python(code)
    assert done.stdout == "[1.0, 2.0]\n[]\n", done.stderr


def double(x):
    """Something to compile."""
    return 2 * x


def test_without_a_folder_for_compiled_code_it_is_made_anew(monkeypatch):
    from numba.core import caching

    from euclid_resolved.estimators._compiled import kernel

    implementation = getattr(caching, "CacheImpl", None) or caching._CacheImpl
    monkeypatch.setattr(implementation, "_locator_classes", [])
    with pytest.raises(RuntimeError):  # or this test would say nothing
        caching.FunctionCache(double)
    assert kernel(double)(3) == 6


def test_a_full_disk_keeps_nothing_from_running(monkeypatch):
    from numba.core import caching

    from euclid_resolved.estimators._compiled import kernel

    tried = []

    def full(*args):
        tried.append(args)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.FunctionCache, "load_overload", lambda *args: None)
    monkeypatch.setattr(caching.FunctionCache, "save_overload", full)
    compiled = kernel(double)
    assert [compiled(3), compiled(4)] == [6, 8] and len(tried) == 1

"""Linear regression against NumPy, the forest against scikit-learn, and both against damage."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from euclid_resolved import LinearRegression, RandomForest
from euclid_resolved.errors import InputError, NotFittedError
from euclid_resolved.estimators import check_X, check_X_y, state_array
from euclid_resolved.models import r2
from euclid_resolved.plugins import available

rng = np.random.default_rng(5)
X = rng.random((3000, 4), np.float32)
y = (np.sin(4 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=3000)).astype(np.float32)
X_NEW = rng.random((1000, 4), np.float32)
Y_NEW = np.sin(4 * X_NEW[:, 0]) + X_NEW[:, 1] * X_NEW[:, 2]
BOTH = [LinearRegression(), RandomForest(n_trees=5, n_jobs=1)]
both = pytest.mark.parametrize("estimator", BOTH, ids=["linear", "forest"])


def forest(**settings):
    return RandomForest(**{"n_trees": 8, "n_jobs": 1, **settings}).fit(X, y)


@both
def test_a_fit_changes_nothing_it_was_given(estimator):
    X_before, y_before = X.copy(), y.copy()
    fresh = replace(estimator)
    assert fresh.fit(X, y, validation=(X_NEW, Y_NEW.astype(np.float32))) is fresh
    fresh.predict(X)
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)
    assert not any(name.startswith("_") for name in vars(estimator))


@pytest.mark.parametrize("name", sorted(available("estimators")))
def test_an_estimator_that_has_learned_nothing_says_so(name):
    estimator = available("estimators")[name]()
    for ask in (lambda: estimator.predict(X), estimator.state):
        with pytest.raises(InputError, match="fit"):
            ask()
    copy.deepcopy(estimator)
    assert not hasattr(estimator, "nothing") and not hasattr(estimator, "_repr_mimebundle_")


def test_what_a_fit_gives_is_not_there_before_it():
    with pytest.raises(NotFittedError, match="this RandomForest has learned nothing yet: call fit"):
        RandomForest().feature_importance  # noqa: B018
    with pytest.raises(AttributeError, match="RandomForest has no attribute 'feature_importances_'"):
        RandomForest().feature_importances_  # noqa: B018


@both
def test_predictions_are_float32_and_belong_to_their_rows(estimator):
    fitted = replace(estimator).fit(X, y)
    whole = fitted.predict(X_NEW)
    assert whole.dtype == np.float32 and whole.shape == (1000,)
    np.testing.assert_array_equal(fitted.predict(X_NEW[::-1]), whole[::-1])
    np.testing.assert_array_equal(
        np.concatenate([fitted.predict(X_NEW[i : i + 1]) for i in range(20)]), whole[:20]
    )
    assert fitted.predict(X_NEW[:0]).shape == (0,)


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(estimator, bad):
    broken = X.copy()
    broken[7, 2] = bad
    if np.isinf(bad) or not estimator.accepts_nan:
        with pytest.raises(InputError, match="features contain (NaN or )?infinity"):
            replace(estimator).fit(broken, y)
    with pytest.raises(InputError, match="features contain NaN or infinity"):
        replace(estimator).fit(X, y).predict(broken)
    target = y.copy()
    target[3] = bad
    with pytest.raises(InputError, match="target contains NaN or infinity"):
        replace(estimator).fit(X, target)


@both
def test_another_number_of_columns_is_refused(estimator):
    with pytest.raises(InputError, match="fitted to 4 columns, got 3"):
        replace(estimator).fit(X, y).predict(X[:, :3])


@both
def test_the_state_is_all_there_is_to_know(estimator):
    fitted = replace(estimator).fit(X, y)
    again = type(estimator)(**fitted.settings()).restore(fitted.state())
    np.testing.assert_array_equal(again.predict(X_NEW), fitted.predict(X_NEW))
    for name, value in fitted.state().items():
        np.testing.assert_array_equal(again.state()[name], value)


@both
def test_one_pixel_and_constant_columns_can_be_fitted(estimator):
    assert replace(estimator).fit(X[:1], y[:1]).predict(X[:1])[0] == pytest.approx(y[0])
    constant = np.full((50, 2), 0.5, np.float32)
    assert replace(estimator).fit(constant, y[:50]).predict(constant) == pytest.approx(y[:50].mean(), abs=0.2)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (X[:, 0], y, "shape \\(pixels, columns\\), got \\(3000,\\)"),
        (X[:, :0], y, "shape \\(pixels, columns\\)"),
        (X, y[:-1], "target must have shape \\(3000,\\)"),
        (X, y[:, None], "target must have shape"),
        (X[:0], y[:0], "there are no pixels"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(X, y, message):
    with pytest.raises(InputError, match=message):
        check_X_y(X, y)


def test_features_are_copied_only_where_they_have_to_be():
    assert check_X(X) is X
    swapped = check_X(X.astype(">f8"))
    assert swapped.dtype == np.float32 and swapped.dtype.isnative


def test_linear_regression_is_least_squares():
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]).astype(float), y, rcond=None)[0]
    state = LinearRegression().fit(X, y).state()
    np.testing.assert_allclose(state["coefficients"], expected[:4], rtol=1e-6)
    assert state["intercept"] == pytest.approx(expected[4], rel=1e-6)


def test_linear_regression_is_exact_on_a_line():
    line = (0.25 + X @ np.array([1, -2, 0.5, 0])).astype(np.float32)
    np.testing.assert_allclose(
        LinearRegression().fit(X, line).predict(X_NEW), 0.25 + X_NEW @ [1, -2, 0.5, 0], atol=1e-6
    )


def test_colours_beside_their_bands_change_no_prediction_and_no_coefficient_explodes():
    def with_colours(values):
        values = np.sqrt(values)  # so that the differences are rounded, as they are in real data
        constant = np.full(len(values), 0.5, np.float32)
        return np.column_stack([values, values[:, 0] - values[:, 1], values[:, 1] - values[:, 3], constant])

    fitted = LinearRegression().fit(with_colours(X), y)
    expected = LinearRegression().fit(np.sqrt(X), y).predict(np.sqrt(X_NEW))
    np.testing.assert_allclose(fitted.predict(with_colours(X_NEW)), expected, atol=2e-6)
    assert np.abs(fitted.state()["coefficients"]).max() < 5


def test_sums_over_blocks_are_sums_over_all(monkeypatch):
    whole = LinearRegression().fit(X, y).state()
    monkeypatch.setattr("euclid_resolved.estimators._contract._BLOCK", 257)
    blocks = LinearRegression().fit(X, y).state()
    np.testing.assert_allclose(blocks["coefficients"], whole["coefficients"], rtol=1e-10)


def test_a_forest_repeats_with_its_seed_whatever_the_number_of_threads():
    one, two, other = forest(), forest(n_jobs=2), forest(seed=2)
    np.testing.assert_array_equal(one.predict(X_NEW), two.predict(X_NEW))
    for name, value in one.state().items():
        np.testing.assert_array_equal(value, two.state()[name])
    assert not np.array_equal(one.predict(X_NEW), other.predict(X_NEW))


def test_a_forest_is_as_good_as_that_of_scikit_learn():
    from sklearn.ensemble import RandomForestRegressor

    reference = RandomForestRegressor(30, min_samples_leaf=5, random_state=1).fit(X, y)
    ours = forest(n_trees=30, min_samples_leaf=5)
    assert r2(Y_NEW, ours.predict(X_NEW)) == pytest.approx(r2(Y_NEW, reference.predict(X_NEW)), abs=0.005)
    np.testing.assert_allclose(ours.feature_importance, reference.feature_importances_, atol=0.02)


def test_importance_sums_to_one_and_finds_the_column_that_matters():
    importance = forest().feature_importance
    assert importance.sum() == pytest.approx(1) and np.argmax(importance) == 0 and importance[3] < 0.05
    assert LinearRegression().fit(X, y).feature_importance is None


def test_a_forest_never_leaves_the_range_of_its_truth():
    far = forest().predict(X_NEW * 100 - 50)
    assert y.min() <= far.min() and far.max() <= y.max()


def test_settings_shape_the_trees():
    deep, flat, coarse = forest(), forest(max_depth=1), forest(min_samples_leaf=1000)
    assert len(np.unique(deep.predict(X_NEW))) > 100
    assert np.diff(flat.state()["first"]).max() == 3
    assert np.diff(coarse.state()["first"]).max() <= 5
    few = forest(max_samples=100, min_samples_leaf=20)
    assert np.diff(few.state()["first"]).max() <= 9


def test_blocks_of_rows_do_not_show(monkeypatch):
    fitted = forest()
    whole = fitted.predict(X_NEW)
    monkeypatch.setattr("euclid_resolved.estimators._contract._BLOCK", 101)
    np.testing.assert_array_equal(fitted.predict(X_NEW), whole)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_trees": 0}, {"min_samples_leaf": 0}, {"max_samples": 0},
        {"max_features": 0}, {"max_features": 1.5}, {"max_depth": 0},
    ],
)  # fmt: skip
def test_settings_that_make_no_forest_are_refused(settings):
    with pytest.raises(InputError, match=f"{next(iter(settings))}|at least 1"):
        RandomForest(**settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("coefficients", None, "no 'coefficients'|must have 1 dim"),
        ("coefficients", [[1.0, 2]], "must have 1 dimensions"),
        ("coefficients", [1.0, np.nan], "not finite"),
        ("coefficients", ["a", "b"], "type f"),
        ("coefficients", [[1.0], [1.0, 2]], "is no array"),
        ("intercept", np.inf, "not finite"),
        ("intercept", "1", "type fiu"),
        ("intercept", {}, "type fiu"),
    ],
)
def test_a_damaged_linear_state_is_refused(name, value, message):
    state = {**LinearRegression().fit(X, y).state(), name: value}
    with pytest.raises(InputError, match=message):
        LinearRegression().restore(state)


@both
@pytest.mark.parametrize("state", [{}, None, [], "state"])
def test_a_state_of_something_else_is_refused(estimator, state):
    with pytest.raises(InputError, match="the state has no"):
        replace(estimator).restore(state)


def test_state_array_gives_the_array_it_found():
    np.testing.assert_array_equal(state_array({"a": [1, 2]}, "a", 1, "iu"), [1, 2])

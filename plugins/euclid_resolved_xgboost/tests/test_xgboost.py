import subprocess
import sys

import numpy as np
import pytest
from euclid_resolved_xgboost import XGBoost, XGBoostForest, _XGBoost

from euclid_resolved import InputError, train
from euclid_resolved.errors import PluginError
from euclid_resolved.io import write
from euclid_resolved.testing import ESTIMATOR_CHECKS, example_galaxies

xgboost = pytest.importorskip("xgboost")

BOOSTED = XGBoost(n_trees=30, max_depth=4, n_jobs=2)
FOREST = XGBoostForest(n_trees=8, n_jobs=2)


def pixels(n=3000, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 5), np.float32)
    X[:, 4] = np.round(X[:, 4], 1)  # many values lie on a threshold
    y = X[:, 0] * X[:, 1] + 0.3 * X[:, 4] ** 2 + 0.05 * rng.standard_normal(n)
    return X, y.astype(np.float32)


@pytest.fixture
def boosters(monkeypatch):
    """What XGBoost itself made of every fit."""
    made = []

    def keep(self, booster, n_features, n_trees, missing, original=_XGBoost._keep):
        made.append((booster, n_trees))
        return original(self, booster, n_features, n_trees, missing)

    monkeypatch.setattr(_XGBoost, "_keep", keep)
    return made


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
@pytest.mark.parametrize("estimator", [BOOSTED, FOREST], ids=["boosted", "forest"])
def test_contract(check, estimator):
    check(estimator)


@pytest.mark.parametrize("estimator", [XGBoost(n_trees=200), FOREST], ids=["boosted", "forest"])
def test_predicts_as_xgboost_does(estimator, boosters):
    X, y = pixels()
    validation = pixels(1000, seed=2)
    ours = estimator.fit(X, y, validation=validation)
    (booster, n_trees), grid = boosters[0], np.vstack([X, pixels(5000, seed=3)[0] * 1.5 - 0.25])
    rounds = n_trees // (estimator.n_trees if estimator is FOREST else 1)
    theirs = booster.predict(xgboost.DMatrix(grid), iteration_range=(0, rounds))
    np.testing.assert_allclose(ours.predict(grid), theirs, rtol=1e-6, atol=1e-6)


def test_thresholds_themselves_go_the_same_way(boosters):
    X, y = pixels()
    ours = BOOSTED.fit(X, y)
    forest = ours._forest
    edges = np.unique(np.nextafter(forest.value[forest.feature == 0], np.float32(np.inf)))
    grid = np.repeat(X[:50], len(edges), axis=0)
    grid[:, 0] = np.tile(edges, 50)
    theirs = boosters[0][0].predict(xgboost.DMatrix(grid))
    np.testing.assert_allclose(ours.predict(grid), theirs, rtol=1e-6, atol=1e-6)


def test_stops_early_on_the_validation_pixels(boosters):
    X, y = pixels(500)
    estimator = XGBoost(n_trees=500, learning_rate=0.5, patience=5)
    stopped = len(estimator.fit(X, y, validation=pixels(500, seed=2))._forest)
    assert stopped < 100
    assert stopped == boosters[0][0].best_iteration + 1
    assert len(estimator.fit(X, y)._forest) == 500


def test_finds_the_columns_that_matter():
    importance = BOOSTED.fit(*pixels()).feature_importance
    assert set(np.argsort(importance)[-3:]) == {0, 1, 4}


@pytest.mark.parametrize(
    "settings",
    [
        *({"n_trees": 0}, {"n_trees": 2.5}, {"max_depth": 0}, {"max_bin": 1}, {"patience": -1}),
        *({"learning_rate": 0}, {"learning_rate": "fast"}, {"subsample": 1.5}, {"subsample": float("nan")}),
    ],
)
def test_impossible_settings(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        XGBoost(**settings)
    with pytest.raises(InputError, match="max_samples must be a whole number"):
        XGBoostForest(max_samples=0)
    with pytest.raises(InputError, match="max_features is a fraction"):
        XGBoostForest(max_features=2)


def test_file_opens_without_xgboost(tmp_path):
    galaxies = example_galaxies()
    for i, estimator in enumerate((BOOSTED, FOREST)):
        write(tmp_path / f"{i}.asdf", train(galaxies, estimator=estimator))
    code = """
import sys
sys.modules["xgboost"] = None  # an import of it fails
from euclid_resolved import read
from euclid_resolved.testing import example_galaxies
for name in ("0", "1"):
    model = read(name + ".asdf")
    print(float(model.predict(example_galaxies(1)[0].image).data.sum()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2


def test_a_model_knows_the_version_of_xgboost():
    import xgboost

    assert train(example_galaxies(), estimator=BOOSTED).versions["xgboost"] == xgboost.__version__


def test_training_without_xgboost_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(PluginError, match=r"euclid_resolved_xgboost\[cpu\]"):
        BOOSTED.fit(*pixels(100))


@pytest.mark.parametrize("estimator", [XGBoost(n_trees=30, n_jobs=1), FOREST], ids=["boosted", "forest"])
def test_what_is_not_known_goes_the_way_that_xgboost_has_learned(estimator, boosters):
    X, y = pixels()
    rng = np.random.default_rng(4)
    X[rng.random(X.shape) < 0.2] = np.nan
    validation = X[:500], y[:500]
    ours = estimator.fit(X[500:], y[500:], validation=validation)
    (booster, n_trees), grid = boosters[0], np.vstack([X, X * np.float32(1.5) - np.float32(0.25)])
    rounds = n_trees // (estimator.n_trees if estimator is FOREST else 1)
    theirs = booster.predict(xgboost.DMatrix(grid), iteration_range=(0, rounds))
    np.testing.assert_allclose(ours.predict(grid), theirs, rtol=1e-6, atol=1e-6)

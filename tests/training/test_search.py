"""Search of settings in folds of whole galaxies."""

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, RandomForest
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import extract


@pytest.fixture(scope="module")
def pixels():
    return extract(example_galaxies(6), ("stellar_mass_density",))


def test_grid_finds_the_better_leaf(pixels):
    from euclid_resolved.training import search

    forest = RandomForest(n_trees=4, n_jobs=1)
    table = search(pixels, forest, {"min_samples_leaf": [5, 300], "max_features": [1.0]}, fraction=0.8, k=3)
    assert list(table["min_samples_leaf"]) == [5, 300]  # best first
    assert np.all(np.diff(table["r2"]) <= 0) and table["r2"][0] > 0.8
    assert set(table.colnames) == {"min_samples_leaf", "max_features", "r2", "r2_scatter", "seconds"}
    assert forest.min_samples_leaf == 20  # untouched


def test_random_search(pixels):
    from euclid_resolved.training import search

    settings = {"min_samples_leaf": list(range(2, 40))}
    forest = RandomForest(n_trees=2, n_jobs=1)
    table = search(pixels, forest, settings, kind="random", n_iter=3, k=2, fraction=0.3)
    assert len(table) == 3


def test_folds_hold_whole_galaxies_out(pixels, monkeypatch):
    import sklearn.model_selection

    from euclid_resolved.training import search

    seen = []

    class Watched(sklearn.model_selection.GroupKFold):
        def split(self, X, y=None, groups=None):
            for training, test in super().split(X, y, groups):
                seen.append(set(groups[training]) & set(groups[test]))
                yield training, test

    monkeypatch.setattr(sklearn.model_selection, "GroupKFold", Watched)
    search(pixels, RandomForest(n_trees=1, n_jobs=1), {"max_depth": [2]}, k=3)
    assert seen and not any(seen)


def test_bad_requests(pixels):
    from euclid_resolved.training import search

    forest = RandomForest(n_trees=1, n_jobs=1)
    with pytest.raises(InputError, match="no setting leaves; RandomForest has n_trees, min_samples_leaf"):
        search(pixels, forest, {"leaves": [1]})
    with pytest.raises(InputError, match="LinearRegression has none"):
        search(pixels, LinearRegression(), {"a": [1]})
    with pytest.raises(InputError, match="min_samples_leaf must be a whole number and at least 1, got 0"):
        search(pixels, forest, {"min_samples_leaf": [0]})
    with pytest.raises(InputError, match="k must lie between 2 and the number of galaxies"):
        search(pixels, forest, {"max_depth": [2]}, k=9)
    with pytest.raises(InputError, match="kind is 'grid' or 'random'"):
        search(pixels, forest, {"max_depth": [2]}, kind="bayes")
    with pytest.raises(InputError, match="fraction"):
        search(pixels, forest, {"max_depth": [2]}, fraction=0)


def test_a_fit_has_scales_and_validation_of_its_own_folds(pixels):
    from euclid_resolved.estimators import Ridge
    from euclid_resolved.training import search

    class Watched(Ridge):
        heard = []

        def fit(self, X, y, validation=None):
            self.heard.append((X.copy(), y.copy(), validation))
            return super().fit(X, y, validation=validation)

    search(pixels, Watched(), {"alpha": [0.1]}, fraction=1.0, k=3)
    n = len(pixels) * 2 // 3
    for X, y, (X_held, y_held) in Watched.heard:
        assert len(X) == n - n // 5 and len(X_held) == len(y_held) == n // 5
        # The range of what is learned from, and of nothing else.
        np.testing.assert_allclose([X.min(axis=0), X.max(axis=0)], [[0] * 4, [1] * 4], atol=1e-6)
        assert y.min() == 0 and y.max() == pytest.approx(1)
    Watched.heard.clear()
    search(pixels, Watched(), {"alpha": [0.1]}, k=3, validation_fraction=0)
    assert len(Watched.heard) == 3 and all(validation is None for _, _, validation in Watched.heard)
    with pytest.raises(InputError, match=r"validation_fraction must lie in \[0, 1\), got 1"):
        search(pixels, Ridge(), {"alpha": [0.1]}, validation_fraction=1)


def test_early_stopping_stops_in_a_search_as_in_training():
    xgboost = pytest.importorskip("euclid_resolved_xgboost")
    from euclid_resolved import train
    from euclid_resolved.training import search

    class Counted(xgboost.XGBoost):
        grown = []

        def fit(self, X, y, validation=None):
            super().fit(X, y, validation=validation)
            self.grown.append(len(self.state()["first"]))
            return self

    some = example_galaxies(8)
    boosted = Counted(n_trees=300, learning_rate=0.5, n_jobs=1)
    train(some, estimator=boosted)
    pixels, settings = extract(some, ("stellar_mass_density",)), {"n_trees": [300]}
    search(pixels, boosted, settings, fraction=1.0, k=2)
    assert len(Counted.grown) == 3 and max(Counted.grown) < 300
    search(pixels, boosted, settings, fraction=1.0, k=2, validation_fraction=0)
    assert min(Counted.grown[3:]) >= 300

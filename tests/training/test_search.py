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

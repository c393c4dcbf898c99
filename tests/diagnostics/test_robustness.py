"""Folds, fewer galaxies, other seeds, projections and colours."""

import numpy as np
import pytest

from euclid_resolved import Galaxy, InputError, LinearRegression, RandomForest, folds, split, train
from euclid_resolved.diagnostics import (
    colour_recovery,
    cross_validation,
    epistemic_scatter,
    learning_curve,
    projections,
    sample_bias,
)
from euclid_resolved.diagnostics._robustness import observer_of
from euclid_resolved.maps._galaxy import group_name
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import extract, retrain


def seen_from(observers, numbers, seed=1):
    galaxies = example_galaxies(len(numbers) * len(observers), seed=seed)
    names = [f"TNG{number:06d}_{observer}" for number in numbers for observer in observers]
    for galaxy, name in zip(galaxies, names, strict=True):
        galaxy.name = name
        galaxy.star_forming = None
    return galaxies


@pytest.fixture(scope="module")
def trained():
    galaxies = example_galaxies(8)
    forest = RandomForest(n_trees=3, n_jobs=1)
    return train(galaxies[:6], "stellar_mass_density", forest), galaxies[:6], galaxies[6:]


def test_projections_of_a_galaxy_stay_together():
    galaxies = seen_from(("O1", "O2", "O5"), range(1, 11))
    training, test = split(galaxies, 0.3)
    assert len(test) == 9 and len(training) == 21
    assert not {group_name(g) for g in training} & {group_name(g) for g in test}
    for most, few in folds(galaxies, 5):
        assert len(few) == 6 and not {group_name(g) for g in most} & {group_name(g) for g in few}
    with pytest.raises(InputError, match="projections of one"):
        split(galaxies[:3])
    with pytest.raises(InputError, match="number of galaxies"):
        folds(galaxies, 11)
    assert group_name("TNG000008_O5") == "TNG000008" and group_name("M_O5") == "M_O5"
    assert observer_of("TNG000008_O5") == "O5" and observer_of("NGC 1") == ""


def test_one_projection_splits_as_before():
    names = [Galaxy(f"TNG{i:06d}_O5", None, {}, star_forming=bool(i % 3)) for i in range(20)]
    plain = [Galaxy(f"TNG{i:06d}", None, {}, star_forming=bool(i % 3)) for i in range(20)]
    assert [g.name[:9] for g in split(names, 0.2)[1]] == [g.name for g in split(plain, 0.2)[1]]


def test_retrain_repeats_and_changes(trained):
    model, training, _ = trained
    assert retrain(model, training).digest == model.digest
    other = retrain(model, training, columns=("HE",), seed=5, estimator=LinearRegression())
    assert other.columns == ("HE",) and other.training["seed"] == 5 and other.clip == model.clip
    more = retrain(model, training, features=("bands", "colours"), properties=("stellar_age",))
    assert len(more.columns) == 10 and more.properties == ("stellar_age",)
    assert retrain(model, training, seed=9).outputs["stellar_mass_density"].estimator.seed == 9


def test_cross_validation_covers_every_galaxy_once(trained):
    table = cross_validation(*trained, k=3)
    assert list(table["fold"]) == [1, 2, 3] and sum(table["n_galaxies"]) == 6
    assert len(cross_validation(*trained)) == 6  # no more folds than galaxies


def test_learning_curve_grows(trained):
    table = learning_curve(*trained, numbers=(2, 6))
    assert list(table["training_galaxies"]) == [2, 6]
    assert table["training_pixels"][1] > 2 * table["training_pixels"][0]
    with pytest.raises(InputError, match="numbers must lie between 2 and 6"):
        learning_curve(*trained, numbers=(1,))


def test_scatter_over_seeds(trained):
    row = epistemic_scatter(*trained, runs=3)[0]
    assert 0 < row["r2_scatter"] < 0.05 and row["runs"] == 3
    assert abs(row["r2_scatter_relative"] - row["r2_scatter"] / row["r2"]) < 1e-9
    with pytest.raises(InputError, match="at least two runs"):
        epistemic_scatter(*trained, runs=1)


def test_sample_bias_of_the_same_set_is_none(trained):
    model, training, _ = trained
    table = sample_bias(model, training, training)
    assert np.allclose(table["r2_difference"], 0)
    assert list(table["set"]) == ["training", "test"]


def test_projections_add_pixels_of_the_same_galaxies():
    training, test = seen_from(("O1", "O2", "O3"), (1, 2)), seen_from(("O2",), (3,), seed=2)
    model = train(training, "stellar_mass_density", LinearRegression())
    table = projections(model, training, test)
    assert list(table["projections"]) == [1, 2, 3]
    assert np.allclose(
        np.asarray(table["training_pixels"]) / table["training_pixels"][0], [1, 2, 3], rtol=0.1
    )
    with pytest.raises(InputError, match="TNG000001: in training and test"):
        projections(model, training, seen_from(("O4",), (1,)))


def test_linear_regression_recovers_colours_exactly():
    galaxies = example_galaxies(4)
    model = train(galaxies[:3], "stellar_mass_density", LinearRegression())
    table = colour_recovery(model, galaxies[:3], extract(galaxies[3:], model.properties))
    assert list(table["colour"]) == ["IE-YE", "IE-JE", "IE-HE", "YE-JE", "YE-HE", "JE-HE"]
    assert (table["r2"] > 0.9999).all() and (table["rmse"].value < 1e-4).all()

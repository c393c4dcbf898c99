"""Bands left out at random while training."""

import numpy as np
import pytest
from helpers import galaxies

from euclid_resolved import EUCLID_BANDS, LinearRegression, RandomForest, evaluate, train
from euclid_resolved.errors import InputError
from euclid_resolved.estimators import Ensemble, ExtraTrees, GradientBoosting
from euclid_resolved.features import feature_columns
from euclid_resolved.training import extract, retrain
from euclid_resolved.training._blanking import blanking_of
from euclid_resolved.training._training_set import TrainingSet

AGE = "stellar_age"
COPIES = 2  # of four bands
FEATURES = ("bands", "colours")
FOREST = RandomForest(n_trees=5, n_jobs=1)


@pytest.fixture(scope="module")
def pixels():
    return extract(galaxies(8), ("stellar_mass_density", AGE))


def training_set(pixels, given=0.3, seed=1, fraction=0.2):
    columns = feature_columns(EUCLID_BANDS, FEATURES)
    blanking = blanking_of(given, EUCLID_BANDS, FEATURES, columns)
    return TrainingSet(pixels, EUCLID_BANDS, FEATURES, columns, fraction, seed, blanking), columns


def test_every_pixel_is_there_as_it_is_and_in_copies_that_lack_bands(pixels):
    made, columns = training_set(pixels)
    plain = TrainingSet(pixels, EUCLID_BANDS, FEATURES, columns, 0.2, 1)
    n = len(pixels)
    assert made.X.shape == ((1 + COPIES) * n, len(columns)) and made.n_held == (1 + COPIES) * plain.n_held
    whole = np.isfinite(made.X).all(axis=1)
    assert whole.sum() == n and whole[: made.n_held].sum() == plain.n_held
    np.testing.assert_array_equal(made.X[whole], plain.X)
    # A colour is there where both of its bands are, and the other columns are those of the pixel.
    there = {column: np.isfinite(made.X[:, i]) for i, column in enumerate(columns)}
    for colour in columns[4:]:
        a, b = colour.split("-")
        np.testing.assert_array_equal(there[colour], there[a] & there[b])
    assert np.isfinite(made.X).any(axis=1).all()
    share = 1 - there["YE"][~whole].mean()
    assert share == pytest.approx(0.3 * (1 - 0.3**3) / (1 - 0.3**4 - 0.7**4), abs=0.03)


def test_copies_have_the_truth_group_and_light_of_their_pixels(pixels):
    made, columns = training_set(pixels)
    whole = np.isfinite(made.X).all(axis=1)
    y, _, held = made.target(AGE)
    groups, rows = made.groups(), np.arange(made.n_held, len(made.X))
    light = made.brightness(EUCLID_BANDS, rows)
    np.testing.assert_array_equal(np.isnan(light), np.isnan(made.X[rows][:, :4]))
    n = int(whole[rows].sum())
    for copy in range(1, 1 + COPIES):
        one, other = slice(0, n), slice(copy * n, (copy + 1) * n)
        np.testing.assert_array_equal(y[rows][one], y[rows][other])
        np.testing.assert_array_equal(groups[rows][one], groups[rows][other])
        known = np.isfinite(light[other])
        np.testing.assert_array_equal(light[other][known], light[one][known])
    assert len(held) == made.n_held
    golden = made.golden(32)
    assert whole[golden].sum() == 16


def test_a_seed_repeats(pixels):
    one, again, other = (training_set(pixels, seed=seed)[0].X for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(np.isnan(one), np.isnan(other))
    model = train(pixels, AGE, FOREST, missing_bands=0.3)
    assert train(pixels, AGE, FOREST, missing_bands=0.3).digest == model.digest
    assert retrain(model, pixels).digest == model.digest
    assert model.training["missing_bands"] == 0.3
    assert model.training["n_pixels"] + model.training["n_validation_pixels"] == len(pixels)


def test_only_listed_sets_are_left_out_and_sets_that_leave_no_column_never_are(pixels):
    made, _ = training_set(pixels, ["YE", ("JE", "YE")])
    lost = np.isnan(made.X[:, :4])
    assert set(map(tuple, lost)) == {(False,) * 4, (False, True, False, False), (False, True, True, False)}
    blanking = blanking_of(0.5, ("IE", "YE", "HE"), ("colours",), ("IE-YE",))
    assert set(blanking.draw(500, 1).ravel()) == {4}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [FOREST, GradientBoosting(n_trees=30, n_jobs=1)])
def test_one_model_is_nearly_as_good_as_one_for_each_set(pixels, estimator):
    unseen = extract(galaxies(12)[8:], ("stellar_mass_density", AGE))
    one = train(pixels, ("stellar_mass_density", AGE), estimator, features=FEATURES, missing_bands=0.3)
    for missing in ((), ("IE",), ("YE", "HE")):
        left = feature_columns([band for band in EUCLID_BANDS if band not in missing], FEATURES)
        own = train(pixels, ("stellar_mass_density", AGE), estimator, features=FEATURES, columns=left)
        lost = evaluate(own, unseen)["r2"] - evaluate(one, unseen, missing=missing)["r2"]
        assert (lost < 0.05).all(), (
            missing
        )  # of a truth without any scatter, which a single band tells exactly


def test_a_chain_and_validation_pixels_do_without_bands_too(pixels):
    names = ("stellar_mass_density", AGE)
    model = train(pixels, names, GradientBoosting(n_trees=20, n_jobs=1), missing_bands=0.3, chain=True)
    assert np.isfinite(model.estimate({"JE": np.array([1.0])}, AGE)).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (1.5, r"must lie between 0 and 1, got 1\.5"),
        (0, "must lie between 0 and 1, got 0"),
        (float("nan"), "must lie between 0 and 1, got nan"),
        (True, "got True"),
        ("YE", "sets of bands such as"),
        ([], "no set of bands"),
        ([()], "no band of a set"),
        (["XX"], "no band XX; bands that may be missing are IE, YE, JE, HE"),
        ([EUCLID_BANDS], "no band is left"),
        ([0.2, 0.3, "YE"], "holds 2 probabilities"),
        ([2, "YE"], "must lie between 0 and 1, got 2"),
    ],
)
def test_what_cannot_be_missing_is_refused_before_galaxies_are_read(given, words):
    with pytest.raises(InputError, match=words):
        train([], AGE, FOREST, missing_bands=given)


def test_who_cannot_do_without_is_told_who_can(pixels):
    for estimator in (LinearRegression(), ExtraTrees(), Ensemble(), RandomForest(engine="scikit-learn")):
        with pytest.raises(
            InputError, match=r"cannot learn from pixels.*gradient_boosting, random_forest.* can"
        ):
            train(pixels, AGE, estimator, missing_bands=0.3)
    with pytest.raises(InputError, match="neighbourhood look at surroundings"):
        train(pixels, AGE, FOREST, features=("bands", "neighbourhood"), missing_bands=0.3)
    with pytest.raises(InputError, match="none of the columns IE-YE can be made"):
        train(pixels, AGE, FOREST, features=("colours",), columns=("IE-YE",), missing_bands=["YE"])
    with pytest.raises(InputError, match="2 to 16 bands; the model has 1"):
        train(pixels, AGE, FOREST, columns=("HE",), bands=("HE",), missing_bands=0.3)


def test_a_number_and_sets_go_together(pixels):
    given = (0.2, ("IE", "HE"))
    made, _ = training_set(pixels, given)
    missing = made._missing
    assert (missing[1] == 0b1001).all() and len(set(missing[0].tolist())) == 14
    model = train(pixels, AGE, FOREST, missing_bands=given, calibration=3)
    assert model.missing.sets == () and model.missing.named == (("IE", "HE"),)
    assert model.training["missing_bands"] == [0.2, ["IE", "HE"]]
    assert retrain(model, pixels).training["missing_bands"] == [0.2, ["IE", "HE"]]
    again = type(model).from_tree(model.to_tree())
    assert again.missing.named == model.missing.named and again.digest == model.digest
    assert blanking_of(given, tuple("abcd") + ("IE", "HE"), ("bands",), ("a", "b")).copies == 6

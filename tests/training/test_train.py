"""Training: what is learned, from what, and what is refused."""

from dataclasses import fields, replace

import astropy.units as u
import numpy as np
import pytest
from helpers import NAMES, brightness, galaxies, galaxy, image_of, true_dex

from euclid_resolved import (
    EUCLID_BANDS,
    Galaxy,
    LinearRegression,
    RandomForest,
    SpatialMap,
    evaluate,
    train,
)
from euclid_resolved.errors import DataWarning, InputError, PluginError
from euclid_resolved.features import Scale, make_features, to_dex
from euclid_resolved.imaging import observe_atlas
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import calibrate, extract, folds, retrain, split

FOREST = RandomForest(n_trees=3, n_jobs=1)
DENSITY = "stellar_mass_density"


def test_a_linear_law_is_learned_exactly(linear_model):
    light = brightness((40, 40), seed=99)
    expected = true_dex(light)
    for name in NAMES:
        estimate = linear_model.estimate({band: values.ravel() for band, values in light.items()}, name)
        np.testing.assert_allclose(estimate, expected[name].ravel(), atol=2e-5)


def test_galaxies_that_were_not_seen_are_estimated_as_well(linear_model):
    assert (evaluate(linear_model, galaxies(9)[6:])["r2"] > 0.9999).all()


def test_a_model_records_how_it_came_to_be(linear_model, sample):
    record = linear_model.training
    assert record["source"] == "synthetic" and record["seed"] == 1
    assert record["galaxies"] == [one.name for one in sample]
    assert record["n_validation_pixels"] == int(0.2 * 6 * 168)
    assert record["n_pixels"] + record["n_validation_pixels"] == 6 * 168
    assert record["digest"] == extract(sample, NAMES).digest
    assert set(record["validation"]) == set(NAMES) and record["validation"][DENSITY]["r2"] > 0.9999
    assert linear_model.versions["numpy"] == np.__version__


@pytest.mark.parametrize("estimator", [LinearRegression(), FOREST], ids=["linear", "forest"])
def test_a_seed_repeats_and_another_does_not(sample, estimator):
    model = train(sample, DENSITY, estimator)
    assert train(sample, DENSITY, estimator).digest == model.digest
    assert train(sample, DENSITY, estimator, seed=2).digest != model.digest
    assert train(sample[::-1], DENSITY, estimator).training["digest"] != model.training["digest"]


def test_threads_do_not_change_a_model(sample):
    one, two = (train(sample, DENSITY, replace(FOREST, n_jobs=n)) for n in (1, 2))
    light = {band: values.ravel() for band, values in brightness(seed=8).items()}
    np.testing.assert_array_equal(one.estimate(light), two.estimate(light))


def test_the_estimator_given_is_a_pattern_and_stays_one(sample):
    pattern = RandomForest(n_trees=2, n_jobs=1)
    model = train(sample, NAMES, pattern)
    assert vars(pattern) == {
        f.name: getattr(RandomForest(n_trees=2, n_jobs=1), f.name) for f in fields(pattern)
    }
    fitted = [output.estimator for output in model.outputs.values()]
    assert len({id(one) for one in [*fitted, pattern]}) == 4
    assert all(one.settings() == pattern.settings() for one in fitted)


def test_pixels_that_are_gathered_already_give_the_same_model(sample):
    pixels = extract(sample, NAMES)
    assert train(pixels, NAMES, LinearRegression()).digest == train(sample, NAMES, LinearRegression()).digest


def test_all_means_the_properties_of_the_paper(sample):
    assert train(sample, "all", LinearRegression()).properties == NAMES


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_galaxies_are_refused(n):
    with pytest.raises(InputError, match="at least two galaxies, got 1|no galaxies were given"):
        train(galaxies(n), DENSITY, LinearRegression())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimator": "lineal"}, InputError, "no estimator 'lineal'; there are"),
        ({"estimator": LinearRegression}, InputError, "an Estimator is needed, got the class"),
        ({"properties": "age"}, InputError, "unknown property 'age'; known are"),
        ({"properties": (DENSITY, "age")}, InputError, "unknown property 'age'"),
        ({"features": "colors"}, PluginError, "no set of features 'colors'.*did you mean 'colours'"),
        ({"features": ()}, InputError, "at least one set of features"),
        ({"columns": ("KE",)}, InputError, "no column KE; these features make IE, YE, JE, HE"),
        ({"columns": ()}, InputError, "no column chosen"),
        ({"bands": ("IE", "KE")}, InputError, "no band KE; the image has IE, YE, JE, HE"),
        ({"validation_fraction": 1}, InputError, r"must lie in \[0, 1\), got 1"),
        ({"validation_fraction": -0.1}, InputError, r"must lie in \[0, 1\)"),
        ({"clip": 1e3}, InputError, "no pixel of 6 galaxies is brighter than 1000.0 MJy/sr"),
    ],
)
def test_what_cannot_be_trained_is_refused(sample, options, error, message):
    options = {"properties": DENSITY, "estimator": LinearRegression(), **options}
    with pytest.raises(error, match=message):
        train(sample, **options)


def without_colour(number):
    """A galaxy that looks the same in every band."""
    he = brightness(seed=number)["HE"]
    return Galaxy(f"G{number}", image_of(dict.fromkeys(EUCLID_BANDS, he)), galaxy(number).maps)


def test_a_constant_feature_is_named_and_does_no_harm():
    some = [without_colour(number) for number in (1, 2)]
    with pytest.warns(DataWarning, match="constant in the whole training set: IE-YE, IE-JE, IE-HE"):
        model = train(some, DENSITY, LinearRegression(), features=("bands", "colours"))
    he = brightness(seed=1)["HE"].ravel()
    assert np.isfinite(model.estimate(dict.fromkeys(EUCLID_BANDS, he))).all()


def test_a_constant_target_is_named_and_predicted():
    flat = SpatialMap(np.full((12, 14), 5.0), property="stellar_age")
    some = [Galaxy(one.name, one.image, {"stellar_age": flat}) for one in galaxies(2)]
    with pytest.warns(DataWarning, match="constant in the whole training set: stellar_age"):
        model = train(some, "stellar_age", FOREST)
    np.testing.assert_allclose(model.predict(some[0].image).data, 5.0, rtol=1e-5)


def test_without_validation_nothing_is_set_aside(sample):
    model = train(sample, DENSITY, LinearRegression(), validation_fraction=0)
    assert model.training["n_validation_pixels"] == 0 and model.training["validation"] == {}
    assert model.training["n_pixels"] == 6 * 168


@pytest.mark.parametrize(
    ("columns", "bands"),
    [(("HE",), ("HE",)), (("IE",), ("IE", "HE")), (("IE-JE",), ("IE", "JE", "HE")), (None, EUCLID_BANDS)],
)
def test_a_model_needs_the_bands_of_its_columns_and_of_the_clip(sample, columns, bands):
    model = train(sample, DENSITY, LinearRegression(), features=("bands", "colours"), columns=columns)
    assert model.bands == bands and model.clip_band == "HE"
    small = sample[0].image.select(bands)
    assert np.isfinite(model.predict(small).data).all()


def test_without_a_clip_a_single_band_is_enough(sample):
    model = train(sample, DENSITY, LinearRegression(), columns=("IE",), clip=None)
    assert model.bands == ("IE",) and model.clip is None
    assert np.isfinite(model.predict(sample[0].image.select(("IE",))).data).all()


def test_columns_keep_the_order_asked_for(sample):
    model = train(sample, DENSITY, LinearRegression(), columns=("HE", "IE"))
    assert model.columns == ("HE", "IE") and model.bands == ("IE", "HE")
    assert model.column_units == ("dex(MJy / sr)",) * 2


def test_a_chain_feeds_each_property_to_the_next(sample):
    model = train(sample, NAMES, FOREST, chain=True)
    assert [output.chain for output in model.outputs.values()] == [(), NAMES[:1], NAMES[:2]]
    assert [output.estimator._n_features for output in model.outputs.values()] == [4, 5, 6]
    plain = train(sample, NAMES, FOREST)
    light = {band: values.ravel() for band, values in brightness(seed=8).items()}
    np.testing.assert_array_equal(model.estimate(light, NAMES[0]), plain.estimate(light, NAMES[0]))
    assert not np.array_equal(model.estimate(light, NAMES[2]), plain.estimate(light, NAMES[2]))


def test_an_estimator_hears_what_its_columns_are(sample, monkeypatch):
    heard = []
    monkeypatch.setattr(LinearRegression, "prepare", lambda self, *what: heard.append(what))
    train(sample, NAMES[:2], LinearRegression(), chain=True)
    assert heard[0][0] == EUCLID_BANDS and heard[-1][0] == (*EUCLID_BANDS, DENSITY)
    # In dex: the range of HE, and that of the density.
    assert heard[0][1].minimum[3] == pytest.approx(np.log10(0.05), abs=0.05)
    assert heard[0][2].maximum[0] == pytest.approx(np.log10(5) + 2, abs=0.1)


def test_validation_pixels_are_not_learned_from(sample, monkeypatch):
    seen = {}

    def fit(self, X, y, validation=None):
        seen["rows"], seen["held"] = X.copy(), validation[0].copy()
        return original(self, X, y)

    original = LinearRegression.fit
    monkeypatch.setattr(LinearRegression, "fit", fit)
    train(sample, DENSITY, LinearRegression())
    assert len(seen["held"]) == 201 and len(seen["rows"]) == 807
    assert not set(map(bytes, seen["rows"])) & set(map(bytes, seen["held"]))
    assert seen["rows"].min() == 0 and seen["rows"].max() == 1


def straightforward(pixels, name, features, seed=1):
    """Features and target of the pixels to learn from and of those held, scaled: all of them at once."""
    table = make_features(dict(pixels.brightness), features)
    order = np.random.default_rng(seed).permutation(len(table))
    held, rows = np.split(order, [int(0.2 * len(order))])
    y = to_dex(pixels.truth[name])
    X, y = Scale.of(table.values[rows]).apply(table.values), Scale.of(y[rows]).apply(y)
    return X[rows], y[rows], X[held], y[held]


@pytest.mark.slow
@pytest.mark.parametrize("features", [("bands",), ("bands", "colours")])
def test_pixels_in_pieces_are_learned_from_as_if_all_at_once(monkeypatch, features):
    some = galaxies(5, shape=(210, 200))  # more than two pieces
    seen, whole = [], extract(some, NAMES)

    def fit(self, X, y, validation=None):
        seen.append([values.copy() for values in (X, y, *validation)])
        return original(self, X, y)

    original = LinearRegression.fit
    monkeypatch.setattr(LinearRegression, "fit", fit)
    train(whole, NAMES, LinearRegression(), features=features)
    part = whole.of(["G001", "G003", "G004"])
    train(part, DENSITY, LinearRegression(), features=features)
    cases = [*((whole, name) for name in NAMES), (part, DENSITY)]
    for (pixels, name), found in zip(cases, seen, strict=True):
        for mine, theirs in zip(found, straightforward(pixels, name, features), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_pixels_without_the_truth_are_refused(sample):
    with pytest.raises(InputError, match="hold no stellar_age, only stellar_mass_density"):
        train(extract(sample, (DENSITY,)), "stellar_age", LinearRegression())


def test_a_default_is_a_forest(sample, monkeypatch):
    monkeypatch.setattr("euclid_resolved.estimators._trees.RandomForest", lambda: FOREST)
    assert isinstance(train(sample).outputs[DENSITY].estimator, RandomForest)


@pytest.mark.parametrize("chain", [False, True])
def test_training_again_gives_the_same_model(sample, chain):
    model = train(
        sample, NAMES[:2], FOREST, features=("bands", "colours"), columns=("HE", "IE-HE"), chain=chain, seed=3
    )
    assert retrain(model, sample).digest == model.digest


def test_training_again_changes_what_is_said_and_nothing_else(sample):
    model = train(sample, NAMES, FOREST, columns=("HE", "IE"), seed=3)
    again = retrain(model, sample, properties=("stellar_age",), columns=("HE",), seed=5)
    assert again.properties == ("stellar_age",) and again.columns == ("HE",) and again.training["seed"] == 5
    assert again.outputs["stellar_age"].estimator == replace(FOREST, seed=5)
    assert again.training["n_validation_pixels"] == model.training["n_validation_pixels"]
    more = retrain(model, sample, features=("bands", "colours"), estimator=LinearRegression())
    assert more.columns == ("IE", "HE", "IE-HE") and isinstance(
        more.outputs["stellar_age"].estimator, LinearRegression
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, m: train(g, "all", LinearRegression(), seed=None), "seed must be a whole number"),
        (lambda g, m: train(g, "all", LinearRegression(), features=3), "features are given as a sequence"),
        (lambda g, m: train(g, 3, LinearRegression()), "properties are given as a sequence"),
        (lambda g, m: train(g, "all", LinearRegression(), validation_fraction="x"), "validation_fraction"),
        (lambda g, m: split(g, 0.3, seed="2"), "seed must be a whole number and at least 0, got '2'"),
        (lambda g, m: folds(g, k=None), "k must be a whole number"),
        (lambda g, m: calibrate(m, g, levels=None), "levels are several numbers between 0 and 1"),
        (lambda g, m: calibrate(m, g, levels="x"), "a level must be a number above 0, got 'x'"),
        (lambda g, m: calibrate(m, g, levels=[1.5]), "levels must lie between 0 and 1, got 1.5"),
        (lambda g, m: observe_atlas(g, "x"), "distance must be one Quantity, got 'x'"),
        (lambda g, m: observe_atlas(g, 20 * u.Mpc, depth=[]), "a range is two values"),
        (lambda g, m: observe_atlas(g, 20 * u.Mpc, seed=None), "seed must be a whole number"),
    ],
)  # fmt: skip
def test_arguments_of_another_type_are_one_error(sample, linear_model, call, message):
    with pytest.raises(InputError, match=message):
        call(sample, linear_model)


def kinds(n_forming, n_quiescent):
    return [
        Galaxy(f"T{i:04d}", None, None, star_forming=i < n_forming) for i in range(n_forming + n_quiescent)
    ]


def test_a_plain_split_has_the_numbers_of_kinds_by_chance():
    """Of 869 star-forming and 285 quiescent galaxies 87 and 28 where stratified, else 86 and 29 or others."""
    galaxies = kinds(869, 285)
    found = []
    for seed in range(12):
        for stratified in (True, False):
            _, test = split(galaxies, 0.1, seed, stratified=stratified)
            assert len(test) == 115
            found.append((stratified, sum(one.star_forming for one in test)))
    assert {n for stratified, n in found if stratified} == {87}
    assert len({n for stratified, n in found if not stratified}) > 4


def test_galaxies_named_for_the_test_are_in_it():
    galaxies = kinds(30, 10)
    names = ["T0003", "T0035"]
    for seed in range(5):
        training, test = split(galaxies, 0.2, seed, test=names)
        assert len(test) == 8 and set(names) <= {one.name for one in test}
        assert not {one.name for one in training} & {one.name for one in test}
    only = split(galaxies, None, test=names)[1]
    assert [one.name for one in only] == names
    view = Galaxy("T0003 turned", None, None, group="T0003")
    assert len(split([*galaxies, view], None, test=names)[1]) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": ["T0003", "T03"]}, "test names T03, none of the 40 galaxies; did you mean"),
        ({"fraction": None}, "without a fraction the galaxies of the test set must be named"),
        ({"fraction": None, "test": "T0003"}, "test galaxies are given as a sequence of names"),
        ({"test": kinds(30, 10)}, "all 40 galaxies are named for the test; none is left to train on"),
    ],
)
def test_a_test_set_that_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        split(kinds(30, 10), **options)


def test_models_of_the_same_pixels_share_their_domain():
    """It is found once for each set of bands, and is what the pixels give alone."""
    pixels = extract(example_galaxies(3), NAMES)
    first, again = (train(pixels, estimator=LinearRegression(), seed=seed) for seed in (1, 2))
    assert first.domain is again.domain
    other = train(extract(example_galaxies(3), NAMES), estimator=LinearRegression())
    assert other.domain is not first.domain and other.domain.limit == first.domain.limit
    assert train(pixels, estimator=LinearRegression(), columns=["HE"]).domain.columns == ("HE",)

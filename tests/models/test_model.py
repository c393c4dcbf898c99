"""Maps of images: values, units and flags; and models that come back from their tree or are refused."""

import copy
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from helpers import NAMES, an_image, brightness, galaxies, image_of, messages, sky_wcs, true_dex

from euclid_resolved import (
    EUCLID_BANDS,
    LinearRegression,
    Model,
    Quality,
    RandomForest,
    SpatialMap,
    train,
)
from euclid_resolved.errors import DataWarning, InputError, PluginError
from euclid_resolved.features import Scale
from euclid_resolved.models._asking import checked_predict

SHAPE = (12, 14)
DENSITY = "stellar_mass_density"


@pytest.fixture(scope="module")
def forest_model(sample):
    """A chained forest of all properties."""
    return train(sample, NAMES, RandomForest(n_trees=3, n_jobs=1), features=("bands", "colours"), chain=True)


@pytest.fixture(params=["linear", "forest"])
def model(request, linear_model, forest_model):
    return linear_model if request.param == "linear" else forest_model


def test_a_map_has_values_unit_and_sky(linear_model):
    image = an_image(SHAPE, seed=77, wcs=sky_wcs(SHAPE), name="NGC 1")
    maps = linear_model.predict_maps(image)
    assert tuple(maps) == NAMES
    for name, map_ in maps.items():
        assert type(map_) is SpatialMap and map_.property.name == name and map_.unit == map_.property.unit
        np.testing.assert_allclose(map_.data, 10 ** true_dex(brightness(SHAPE, 77))[name], rtol=1e-4)
        assert map_.data.dtype == np.float32 and not map_.mask.any()
        assert map_.wcs.wcs.compare(image.wcs.wcs)
    meta = maps[DENSITY].meta
    assert meta["model"] == linear_model.digest and meta["training_set"] == "synthetic"
    assert meta["name"] == "NGC 1" and meta["estimator"] == "linear"


def test_a_map_of_a_part_is_the_part_of_the_map(model):
    light = brightness((40, 33), seed=78)
    light["IE"][::7] *= 10  # colours that were never seen
    light["HE"][5, 3:9] = -1
    image = image_of(light, wcs=sky_wcs((40, 33)), sigma=0.01)
    whole, parts = model.predict_maps(image), (slice(0, 1), slice(1, 18), slice(18, 40))
    for part in parts:
        for name, map_ in model.predict_maps(image[part]).items():
            np.testing.assert_array_equal(map_.data, whole[name].data[part])
            np.testing.assert_array_equal(map_.quality, whole[name].quality[part])
            for plane, values in map_.planes.items():
                np.testing.assert_array_equal(values, whole[name].planes[plane][part])


def test_a_model_knows_the_versions_of_what_its_estimators_work_with(sample):
    import scipy

    class Scientific(LinearRegression):
        libraries = ("scipy", "not_there")

    versions = train(sample, DENSITY, Scientific()).versions
    assert versions["scipy"] == scipy.__version__ and "not_there" not in versions
    assert {"euclid_resolved", "numpy", "astropy", "scikit-learn"} <= set(versions)


def test_the_pixel_scale_of_the_image_stays_known(linear_model):
    image = an_image(SHAPE, meta={"pixel_scale": 100 * u.pc})
    assert linear_model.predict(image, DENSITY).meta["pixel_scale"] == 100 * u.pc


@pytest.mark.parametrize(
    ("band", "value", "bits"),
    [
        ("JE", np.nan, Quality.NONFINITE | Quality.MISSING_BAND),
        ("IE", np.inf, Quality.NONFINITE | Quality.MISSING_BAND),
        ("YE", -np.inf, Quality.NONFINITE | Quality.MISSING_BAND),
        ("IE", 0.0, Quality.NONPOSITIVE),
        ("YE", -1.0, Quality.NONPOSITIVE),
        ("HE", 0.01, Quality.BELOW_CLIP),
        ("HE", 0.0, Quality.NONPOSITIVE | Quality.BELOW_CLIP),
    ],
)
def test_what_may_not_be_judged_is_nan_flagged_and_masked_and_nothing_else_is(model, band, value, bits):
    light = brightness(SHAPE, seed=1)
    light[band][3, 5] = value
    for map_ in model.predict_maps(image_of(light)).values():
        bad = np.zeros(SHAPE, bool)
        bad[3, 5] = True
        np.testing.assert_array_equal(np.isnan(map_.data), bad)
        np.testing.assert_array_equal(map_.mask, bad)
        why = Quality.unjudged() | Quality.MISSING_BAND
        np.testing.assert_array_equal(map_.quality & why, np.where(bad, bits, 0))


def test_masked_pixels_are_not_judged_and_the_rest_is_as_without_them(model):
    masks = {"YE": np.eye(*SHAPE, dtype=bool)}
    whole, masked = (
        model.predict(an_image(seed=1), DENSITY),
        model.predict(an_image(seed=1, masks=masks), DENSITY),
    )
    np.testing.assert_array_equal(np.isnan(masked.data), masks["YE"])
    assert (masked.quality[masks["YE"]] == Quality.MASKED | Quality.MISSING_BAND).all()
    np.testing.assert_array_equal(masked.data[~masks["YE"]], whole.data[~masks["YE"]])


def test_pixels_lost_in_noise_are_not_judged(model):
    image = an_image(SHAPE, seed=1, sigma=0.2)
    map_ = model.predict(image, DENSITY)
    noisy = np.any([image.brightness(band) < 0.6 for band in EUCLID_BANDS], axis=0)
    np.testing.assert_array_equal((map_.quality & Quality.NOISE) != 0, noisy)
    np.testing.assert_array_equal(np.isnan(map_.data), noisy)


@pytest.mark.parametrize("empty", ["masked", "dark"])
def test_an_image_without_a_good_pixel_gives_empty_maps_and_a_warning(model, empty):
    if empty == "masked":
        image = an_image(masks=dict.fromkeys(EUCLID_BANDS, np.ones(SHAPE, bool)))
    else:
        image = image_of({band: np.full(SHAPE, 1e-4, "f4") for band in EUCLID_BANDS})
    maps, said = messages(lambda: model.predict_maps(image), DataWarning)
    assert said == ["no pixel of field can be estimated: every map is empty"]
    for map_ in maps.values():
        assert np.isnan(map_.data).all() and map_.mask.all()
        assert map_.fraction(Quality.MASKED if empty == "masked" else Quality.BELOW_CLIP) == 1


def test_a_colour_that_was_never_seen_is_flagged_but_estimated(model):
    light = brightness(SHAPE, seed=1)
    light["IE"][2] *= 10  # 2.5 mag bluer, at a brightness that occurs
    map_ = model.predict(image_of(light), DENSITY)
    flagged = map_.quality == Quality.OUT_OF_DOMAIN
    assert flagged[2].all() and np.delete(flagged, 2, axis=0).mean() < 0.1
    assert np.isfinite(map_.data).all() and not map_.mask.any()


def test_a_brightness_that_was_never_seen_is_flagged(model):
    light = brightness(SHAPE, seed=1)
    brighter = {band: values * np.float32(100) for band, values in light.items()}
    assert model.predict(image_of(brighter), DENSITY).fraction(Quality.OUT_OF_DOMAIN) == 1


def test_few_training_pixels_lie_outside_the_domain(model, sample):
    outside = [model.predict(one.image, DENSITY).fraction(Quality.OUT_OF_DOMAIN) for one in sample]
    assert np.mean(outside) <= 0.02


def test_neither_order_nor_further_bands_matter(model):
    light = brightness(SHAPE, seed=5)
    expected = model.predict(image_of(light), DENSITY)
    shuffled = {"LSST_g": np.full(SHAPE, np.nan), **{band: light[band] for band in ("HE", "YE", "IE", "JE")}}
    got = model.predict(image_of(shuffled), DENSITY)
    np.testing.assert_array_equal(got.data, expected.data)
    np.testing.assert_array_equal(got.quality, expected.quality)


def test_swapped_bands_are_not_taken_for_each_other(linear_model):
    light = brightness(SHAPE, seed=5)
    swapped = {**light, "IE": light["HE"], "HE": light["IE"]}
    map_ = linear_model.predict(image_of(swapped), DENSITY)
    assert (map_.quality[~map_.mask] == Quality.OUT_OF_DOMAIN).all() and not map_.mask.all()


def test_a_unit_is_converted_before_anything_is_estimated(linear_model):
    light = brightness(SHAPE, seed=5)
    to_janskys = {band: values * np.float32(1e6) for band, values in light.items()}
    expected = linear_model.predict(image_of(light), DENSITY).data
    got = linear_model.predict(image_of(to_janskys, unit=u.Jy / u.sr), DENSITY).data
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_missing_band_is_named_with_the_way_out(model):
    with pytest.raises(
        InputError, match=r"no band YE, JE, only IE, HE; .*train\(..., bands=\('IE', 'HE'\)\)"
    ):
        model.predict(an_image(bands=("IE", "HE")), DENSITY)


def test_an_image_is_needed(model):
    with pytest.raises(InputError, match="a MultiBandImage is needed, got dict; read_euclid"):
        model.predict(brightness(), DENSITY)


def test_the_image_is_not_changed(model):
    light = brightness(SHAPE, seed=5)
    light["HE"][0, 0] = -1
    before = copy.deepcopy(light)
    model.predict_maps(image_of(light))
    for band in light:
        np.testing.assert_array_equal(light[band], before[band])


def test_each_map_has_a_quality_plane_of_its_own(linear_model):
    maps = linear_model.predict_maps(an_image(seed=1))
    maps[DENSITY].quality[:] = 99
    assert (maps["stellar_age"].quality != 99).all()


def test_a_pixel_does_not_depend_on_its_neighbours(model):
    image = an_image((20, 30), seed=6)
    whole = model.predict(image, "stellar_age")[4:9, 10:17]
    np.testing.assert_array_equal(model.predict(image[4:9, 10:17], "stellar_age").data, whole.data)


def test_estimate_is_the_logarithm_of_the_map(model):
    image = an_image(seed=3)
    light = {band: image.brightness(band).ravel() for band in image}
    dex = model.estimate(light, "stellar_age")
    assert dex.dtype == np.float32
    np.testing.assert_allclose(10**dex, model.predict(image, "stellar_age").data.ravel(), rtol=1e-5)


def test_which_property_must_be_said_where_there_are_several(linear_model, sample):
    with pytest.raises(
        InputError, match="which property\\? The model estimates stellar_mass_density, stellar_met"
    ):
        linear_model.predict(an_image())
    single = train(sample, "stellar_age", LinearRegression())
    assert single.predict(an_image()).property.name == "stellar_age"
    with pytest.raises(
        InputError, match="the model does not estimate stellar_mass_density, only stellar_age"
    ):
        single.predict(an_image(), DENSITY)
    with pytest.raises(InputError, match="unknown property 'age'"):
        single.predict(an_image(), "age")


def same_predictions(a, b):
    light = {band: values.ravel() for band, values in brightness(seed=4).items()}
    for name in a.properties:
        np.testing.assert_array_equal(a.estimate(light, name), b.estimate(light, name))


def test_a_model_comes_back_from_its_tree(model):
    again = Model.from_tree(copy.deepcopy(model.to_tree()))
    same_predictions(model, again)
    assert again.digest == model.digest and again.bands == model.bands and again.columns == model.columns
    assert [o.chain for o in again.outputs.values()] == [o.chain for o in model.outputs.values()]
    assert again.training == model.training and again.versions == model.versions
    np.testing.assert_array_equal(
        again.predict(an_image(), DENSITY).quality, model.predict(an_image(), DENSITY).quality
    )


def test_lists_in_place_of_arrays_do(linear_model):
    tree = linear_model.to_tree()
    tree["feature_scale"] = {key: value.tolist() for key, value in tree["feature_scale"].items()}
    tree["golden_rows"] = tree["golden_rows"].tolist()
    same_predictions(linear_model, Model.from_tree(tree))


KEYS = [
    "bands", "features", "columns", "column_units", "clip", "clip_band", "feature_scale", "domain",
    "outputs", "golden_rows", "training", "versions",
]  # fmt: skip
LATER = ["golden_brightness", "plugins"]  # files of the first versions lack them


def test_the_tree_has_these_keys_and_no_others(model):
    assert sorted(model.to_tree()) == sorted([*KEYS, *LATER])


@pytest.mark.parametrize("key", KEYS)
def test_a_tree_that_lacks_something_is_refused(model, key):
    tree = model.to_tree()
    del tree[key]
    with pytest.raises(InputError, match=f"the model is damaged: KeyError '{key}'"):
        Model.from_tree(tree)


@pytest.mark.parametrize("key", ["unit", "property", "estimator", "settings", "scale", "state", "golden"])
def test_an_output_that_lacks_something_is_refused(model, key):
    tree = model.to_tree()
    del tree["outputs"][0][key]
    with pytest.raises(InputError, match=key):
        Model.from_tree(tree)


@pytest.mark.parametrize("key", [*KEYS, *LATER])
@pytest.mark.parametrize("value", [None, 3, "text", [], {}, [[1]], {"a": 1}], ids=repr)
def test_a_tree_with_something_else_in_it_is_refused_or_harmless(model, key, value):
    tree = {**model.to_tree(), key: value}
    try:
        again = Model.from_tree(tree)
    except InputError:
        return
    # What is only a record, and the clip, may be other values.
    assert key in {"training", "versions", "clip", *LATER}
    same_predictions(model, again)


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value(tree[path[-1]]) if callable(value) else value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("columns", 0), "KE", "columns KE.* are not what bands"),
        (("columns", 0), "YE", "are not what bands"),
        (("features", 0), "colours", "are not what colours"),
        (("column_units", 0), "mag", "its columns have units .*, but bands make"),
        (("clip",), np.nan, "the model's clip is nan"),
        (("clip_band",), "KE", "speaks of bands it does not have"),
        (("domain", "columns", 0), "KE", "bands it does not have|do not fit the model's bands"),
        (("domain", "minimum"), lambda a: a[:-1], "as many minima as maxima"),
        (("feature_scale", "minimum", 0), np.nan, "finite minima"),
        (("feature_scale", "maximum", 0), -99.0, "not above its maxima"),
        (("golden_rows",), lambda a: a[:, :-1], "golden rows do not fit"),
        (("golden_rows",), lambda a: a[:0], "golden rows do not fit"),
        (("golden_rows", 0, 0), np.nan, "NaN or infinity"),
        (("golden_rows", 0, 0), 5.0, "bands no longer make the features that the model was made with: IE is"),
        (("outputs", 0, "golden", 3), lambda x: x + 0.01, "no longer gives the predictions"),
        (("outputs", 0, "golden"), lambda a: a[:-1], "no longer gives the predictions"),
        (("outputs", 0, "unit"), "kg / m2", "its unit is not solMass / pc2"),
        (("outputs", 1, "property"), DENSITY, "comes twice"),
        (("outputs", 0, "property"), "mass", "unknown property 'mass'"),
        (("outputs", 0, "settings"), {"depth": 3}, "linear refuses its state.*depth"),
        (("outputs", 0, "scale", "minimum", 0), np.inf, "finite minima"),
        (("outputs", 0, "chain"), ["stellar_age"], "chained to stellar_age, which do not come before"),
        (("outputs", 0, "state", "coefficients", 0), lambda x: x + 0.1, "no longer gives the predictions"),
        (("outputs", 0, "state", "coefficients", 0), np.inf, "not finite"),
        (("outputs", 0, "state", "coefficients"), lambda a: a[:-1], "fitted to 3 columns, got 4"),
        (("outputs",), [], "estimates nothing"),
    ],
)
def test_a_damaged_tree_is_refused_for_its_damage(linear_model, path, value, message):
    tree = copy.deepcopy(linear_model.to_tree())
    put(tree, path, value)
    with pytest.raises(InputError, match=message):
        Model.from_tree(tree)


@pytest.mark.parametrize(
    ("key", "at", "value", "message"),
    [
        ("right", 0, 0, "children outside their tree"),
        ("right", 0, 10**6, "children outside their tree"),
        ("feature", 0, 100, "columns other than its"),
        ("value", 0, np.nan, "not finite"),
        ("value", slice(None), 0.5, "no longer gives the predictions"),
        ("importance", slice(1, None), None, "columns"),
    ],
)
def test_a_damaged_forest_is_refused(forest_model, key, at, value, message):
    tree = copy.deepcopy(forest_model.to_tree())
    state = tree["outputs"][0]["state"]
    if value is None:
        state[key] = state[key][at]
    else:
        state[key][at] = value
    with pytest.raises(InputError, match=message):
        Model.from_tree(tree)


def test_an_estimator_that_is_not_installed_is_named(linear_model):
    tree = linear_model.to_tree()
    tree["outputs"][0]["estimator"] = "liner"
    with pytest.raises(PluginError, match="no estimator 'liner'; there are .*did you mean 'linear'"):
        Model.from_tree(tree)


def test_a_set_of_features_that_is_not_installed_is_named(linear_model):
    tree = linear_model.to_tree()
    tree["features"] = ["ratios_of_mine"]
    with pytest.raises(PluginError, match="no set of features 'ratios_of_mine'"):
        Model.from_tree(tree)


def with_output(model, **changes):
    """The model with something else about its first property."""
    first = next(iter(model.outputs.values()))
    return replace(model, outputs={**model.outputs, first.property: replace(first, **changes)})


@pytest.mark.parametrize(
    "change",
    [
        lambda m: replace(m, clip=np.nextafter(m.clip, 1)),
        lambda m: replace(m, clip_band="IE"),
        lambda m: replace(m, columns=m.columns[::-1]),
        lambda m: replace(m, feature_scale=Scale(m.feature_scale.minimum, m.feature_scale.maximum + 1e-9)),
        lambda m: replace(m, golden_rows=m.golden_rows[1:]),
        lambda m: with_output(
            m, estimator=LinearRegression().restore({"coefficients": [0.0] * 4, "intercept": 1.0})
        ),
        lambda m: with_output(m, scale=Scale([0.0], [1.0])),
        lambda m: with_output(m, chain=("stellar_age",)),
    ],
)
def test_the_digest_changes_with_what_was_learned(linear_model, change):
    other = change(linear_model)
    assert len(other.digest) == 64 and other.digest != linear_model.digest
    assert replace(linear_model).digest == linear_model.digest


def test_the_digest_does_not_change_with_the_record(linear_model):
    tree = linear_model.to_tree()
    tree["training"], tree["versions"] = {"source": "elsewhere"}, {}
    assert Model.from_tree(tree).digest == linear_model.digest


def test_text_tells_what_a_model_is(linear_model):
    text = repr(linear_model)
    for part in (
        "stellar_age by linear",
        "columns IE, YE, JE, HE",
        "trained on synthetic",
        linear_model.digest[:12],
    ):
        assert part in text


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda X: 1 / 0, "failed to predict age: ZeroDivisionError: division by zero"),
        (lambda X: np.zeros((3, 1), "f4"), r"predicted float32 of shape \(3, 1\), float32 \(3,\) is needed"),
        (lambda X: np.zeros(3, int), r"predicted int64 of shape \(3,\)"),
    ],
)
def test_an_estimator_that_breaks_its_contract_is_named(monkeypatch, predict, message):
    estimator = LinearRegression()
    monkeypatch.setattr(LinearRegression, "predict", lambda self, X: predict(X))
    with pytest.raises(PluginError, match=f"linear {message}"):
        checked_predict(estimator, np.zeros((3, 2), "f4"), "age")


def test_an_estimator_that_fails_to_fit_is_named(monkeypatch):
    monkeypatch.setattr(LinearRegression, "fit", lambda self, X, y, validation=None: 1 / 0)
    with pytest.raises(PluginError, match="linear failed to fit: ZeroDivisionError: division by zero"):
        train(galaxies(3), DENSITY, LinearRegression())


def test_models_of_different_galaxies_differ():
    one, two = (train(some, DENSITY, LinearRegression()) for some in (galaxies(3), galaxies(4)))
    assert one.digest != two.digest


def test_a_lower_signal_to_noise_lets_fainter_pixels_in(linear_model):
    image = an_image(SHAPE, seed=1, sigma=0.2)
    fainter = np.any([image.brightness(band) < 0.2 for band in EUCLID_BANDS], axis=0)
    map_ = linear_model.predict(image, DENSITY, min_sn=1)
    np.testing.assert_array_equal(np.isnan(map_.data), fainter)
    assert np.isfinite(linear_model.predict(image, DENSITY, min_sn=None).data).all()

"""What plugins must keep to, and what happens to the user's work where they do not."""

import copy
import warnings
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import NAMES, brightness, galaxy, image_of, true_dex

from euclid_resolved import (
    Ensemble,
    LinearRegression,
    Model,
    Quality,
    SpatialMap,
    diagnose,
    evaluate,
    make_features,
    plugins,
    read,
    train,
    write,
)
from euclid_resolved.diagnostics import Diagnostic
from euclid_resolved.errors import DataWarning, InputError, ModelFileError, PluginError
from euclid_resolved.estimators import Estimator, Mean
from euclid_resolved.features import FeatureSet
from euclid_resolved.models._provenance import plugins_here
from euclid_resolved.survey import predict_many
from euclid_resolved.survey._tile import _Work

DENSITY = "stellar_mass_density"


@pytest.fixture
def offer():
    """A function that registers things by kind and name for one test; a second call replaces the first."""

    def offer(**kinds):
        hooks = SimpleNamespace()
        for kind, things in kinds.items():
            setattr(hooks, f"register_{kind}", plugins.hookimpl(_no_arguments(things, kind)))
        plugins.unregister()
        plugins.register(hooks)

    yield offer
    plugins.unregister()


def _no_arguments(things, kind):
    def hook():
        return things

    hook.__name__ = f"register_{kind}"
    return hook


def slopes(a=1.0, order=("HE", "IE")):
    """Two columns of two bands."""
    first, second = order

    def make(dex):
        return {"a": a * dex[first], "b": dex[second]} if {"IE", "HE"} <= set(dex) else {}

    return FeatureSet(make, "dex", "two bands")


# --- features that have changed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [slopes(a=-1.0), slopes(order=("IE", "HE")), slopes(a=1.001)],
    ids=["sign", "swapped", "a thousandth"],
)
def test_features_that_changed_since_the_model_was_saved_are_refused(offer, sample, tmp_path, changed):
    offer(features={"slopes": slopes()})
    model = train(sample[:4], DENSITY, LinearRegression(), features="slopes")
    assert evaluate(model, sample[4:])["r2"][0] > 0.99
    write(tmp_path / "model.asdf", model)
    again = read(tmp_path / "model.asdf")
    assert again.digest == model.digest
    np.testing.assert_array_equal(again.golden_brightness, model.golden_brightness)
    offer(features={"slopes": changed})
    with pytest.raises(ModelFileError, match=r"slopes no longer make the features.*a is .* where it was"):
        read(tmp_path / "model.asdf")


def test_golden_brightness_is_that_of_the_golden_rows(linear_model):
    light = dict(zip(linear_model.bands, linear_model.golden_brightness.T, strict=True))
    rows = linear_model.feature_scale.apply(make_features(light, ("bands",)).values)
    np.testing.assert_allclose(rows, linear_model.golden_rows, atol=1e-6)
    dex = linear_model.estimate(light, DENSITY)
    np.testing.assert_allclose(dex, true_dex(light)[DENSITY], atol=1e-3)


def test_a_model_without_golden_brightness_opens_and_keeps_its_digest(linear_model):
    tree = copy.deepcopy(linear_model.to_tree())
    del tree["golden_brightness"], tree["plugins"]
    old = Model.from_tree(tree)
    assert old.golden_brightness is None and old.plugins == ()
    assert Model.from_tree(old.to_tree()).digest == old.digest
    light = brightness()
    flat = {band: values.ravel() for band, values in light.items()}
    np.testing.assert_array_equal(old.estimate(flat, DENSITY), linear_model.estimate(flat, DENSITY))


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_damaged_golden_brightness_is_refused(linear_model, value):
    tree = copy.deepcopy(linear_model.to_tree())
    tree["golden_brightness"][3, 1] = value
    with pytest.raises(InputError, match="brightness of the model's golden rows"):
        Model.from_tree(tree)
    tree["golden_brightness"][3, 1] = 1.23
    with pytest.raises(InputError, match="no longer make the features"):
        Model.from_tree(tree)


def test_a_model_knows_the_plugins_it_came_from(offer, sample):
    offer(features={"slopes": slopes()})
    model = train(
        sample, DENSITY, Ensemble("mlp", members=2, options=("layers=(4,)", "epochs=2")), features=("slopes",)
    )
    rows = [(p.kind, p.name, p.distribution) for p in model.plugins]
    assert rows == [
        ("features", "slopes", "this session"),
        ("estimators", "ensemble", "euclid_resolved"),
        ("estimators", "mlp", "euclid_resolved"),
    ]
    assert Model.from_tree(model.to_tree()).plugins == model.plugins


def from_elsewhere(model, kind, name, distribution, version):
    """The tree of a model that says it needs a plugin."""
    tree = copy.deepcopy(model.to_tree())
    tree["plugins"] = [dict(kind=kind, name=name, distribution=distribution, version=version)]
    if kind == "estimators":
        tree["outputs"][0]["estimator"] = name
    else:
        tree["features"] = [name]
    return tree


@pytest.mark.parametrize(
    ("kind", "name", "distribution", "version", "words"),
    [
        (
            "estimators",
            "huber",
            "my-huber",
            "0.3",
            "^needs estimator 'huber' of my-huber 0.3: pip install my-huber$",
        ),
        (
            "features",
            "knots",
            "knots",
            "1.0.dev1",
            "^needs set of features 'knots' of knots 1.0.dev1: pip install knots$",
        ),
        ("estimators", "huber", "numpy", "0.1", r"of numpy 0.1, here is \d.*: pip install numpy==0.1 "),
        ("estimators", "huber", "this session", "", "registered for a session only"),
    ],
)
def test_a_plugin_that_is_missing_is_named(linear_model, kind, name, distribution, version, words):
    with pytest.raises(PluginError, match=words):
        Model.from_tree(from_elsewhere(linear_model, kind, name, distribution, version))


@pytest.mark.parametrize(
    ("distribution", "version"),
    [
        ("x; rm -rf ~", "1"),
        ("--index-url=http://evil x", "1"),
        ("-e", "1"),
        ("fine", "1 && evil"),
        ("", "1"),
        (3, "1"),
    ],
)
def test_a_command_is_no_name_of_a_distribution(linear_model, distribution, version):
    with pytest.raises(InputError, match="names of distributions|damaged"):
        Model.from_tree(from_elsewhere(linear_model, "estimators", "huber", distribution, version))


def test_an_estimator_that_changed_is_named_with_both_versions(linear_model):
    tree = from_elsewhere(linear_model, "estimators", "linear", "my-linear", "0.3")
    tree["outputs"][0]["golden"][0] += 0.01
    with pytest.raises(
        InputError, match=r"linear was of my-linear 0.3, here it is of euclid_resolved .*install my-l"
    ):
        Model.from_tree(tree)


def test_maps_of_another_version_of_a_plugin_are_not_kept(linear_model, tmp_path, monkeypatch):
    write(tmp_path / "model.asdf", linear_model)
    light = brightness(seed=3)
    write(tmp_path / "one.asdf", image_of(light))
    call = (tmp_path / "model.asdf", [tmp_path / "one.asdf"], tmp_path / "out")
    assert list(predict_many(*call, progress=False)["status"]) == ["mapped"]
    assert list(predict_many(*call, progress=False)["status"]) == ["kept"]
    newer = [replace(row, version="9.9") if row.name == "linear" else row for row in plugins.describe()]
    monkeypatch.setattr("euclid_resolved.plugins._registry._loaded", newer)
    report = predict_many(*call, progress=False)
    assert list(report["status"]) == ["failed"] and "exists" in report["message"][0]
    assert list(predict_many(*call, progress=False, overwrite=True)["status"]) == ["mapped"]


def test_a_tile_begun_with_another_version_of_a_plugin_does_not_go_on(linear_model, monkeypatch):
    here = plugins_here(linear_model)
    assert [entry["name"] for entry in here] == ["bands", "linear"]
    image = SimpleNamespace(files=[], shape=(1, 1))
    before = _Work(linear_model, image, {}, None).identity({})
    newer = [replace(row, version="9.9") if row.name == "bands" else row for row in plugins.describe()]
    monkeypatch.setattr("euclid_resolved.plugins._registry._loaded", newer)
    assert _Work(linear_model, image, {}, None).identity({}) != before


# --- features that look at other pixels ---------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda dex: {"x": dex["HE"] - dex["HE"].mean()},
        lambda dex: {"x": dex["HE"] / (1 + np.abs(dex["HE"]).max())},
        lambda dex: {"x": np.cumsum(dex["HE"])},
        lambda dex: {"x": np.argsort(np.argsort(dex["HE"])).astype("f4")},
        lambda dex: {"x": dex["HE"] - np.roll(dex["HE"], 1)},
        lambda dex: {"x": np.clip(dex["HE"], *np.percentile(dex["HE"], (5, 95)))},
        lambda dex: {"x": np.random.default_rng().normal(size=len(dex["HE"]))},
    ],
    ids=["mean", "maximum", "sum", "rank", "neighbour", "percentile", "random"],
)
def test_features_that_depend_on_other_pixels_are_refused_at_training(offer, sample, make):
    def whole(dex):
        return make(dex) if "HE" in dex and len(dex["HE"]) else {}

    offer(features={"frame": FeatureSet(whole, "dex", "of the frame")})
    with pytest.raises(
        PluginError, match="features 'frame': column 'x' of a pixel depends on the other pixels"
    ):
        train(sample, DENSITY, LinearRegression(), features=("bands", "frame"), bands=("IE", "HE"))


# --- predictions --------------------------------------------------------------------------------------


def estimator_that(**methods):
    """A class of linear regression with other methods."""
    return dataclass(type("Odd", (LinearRegression,), methods))


def doubles(self, X):
    return LinearRegression.predict(self, X).astype(np.float64)


def test_double_predictions_are_converted_and_the_model_can_be_written(offer, sample, tmp_path):
    odd = estimator_that(predict=doubles)
    offer(estimators={"odd": odd})
    model = train(sample, DENSITY, odd())
    write(tmp_path / "odd.asdf", model)
    light = brightness(seed=5)
    map_ = read(tmp_path / "odd.asdf").predict(image_of(light))
    np.testing.assert_allclose(map_.data, 10 ** true_dex(light)[DENSITY], rtol=1e-3)
    assert map_.data.dtype == np.float32


def brightest_are(value):
    def predict(self, X):
        y = LinearRegression.predict(self, X).astype(np.float64)
        y[y > 0.9] = value
        return y

    return predict


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 1e30])
def test_predictions_that_are_not_finite_are_nan_with_a_bit_of_their_own(offer, sample, tmp_path, value):
    odd = estimator_that(predict=brightest_are(value))
    offer(estimators={"odd": odd})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = train(sample, (DENSITY, "stellar_age"), odd())
    light = brightness(seed=5)
    scaled = model.outputs[DENSITY].scale.apply(true_dex(light)[DENSITY].reshape(-1, 1)).reshape(12, 14)
    lost = scaled > 0.9
    maps = model.predict_maps(image_of(light))
    write(tmp_path / "maps.fits", maps)
    for map_ in (maps[DENSITY], read(tmp_path / "maps.fits")[DENSITY]):
        assert 3 < np.isnan(map_.data).sum() < 60
        assert (np.isnan(map_.data) != lost).sum() <= 1  # on the edge
        np.testing.assert_array_equal(np.isnan(map_.data), map_.mask)
        np.testing.assert_array_equal(np.isnan(map_.data), (map_.quality & Quality.NOT_ESTIMATED) != 0)
        assert np.isfinite(map_.data[map_.quality == 0]).all()
    # A pixel whose density is not estimated may well have an age.
    age = read(tmp_path / "maps.fits")["stellar_age"]
    np.testing.assert_array_equal((age.quality & Quality.NOT_ESTIMATED) != 0, np.isnan(age.data))
    unseen = [galaxy(40), galaxy(41)]
    if value == 1e30:  # a number in dex, if an absurd one: it counts
        assert (evaluate(model, unseen)["r2"] < -1e9).all()
        return
    with pytest.warns(DataWarning, match="have no finite estimate and do not count"):
        table = evaluate(model, unseen)
    assert (table["r2"] > 0.99).all() and (table["n_pixels"] < 2 * 12 * 14).all()


def test_quality_of_a_map_says_what_the_bit_means():
    assert Quality.NOT_ESTIMATED == 8192 and Quality.NOT_ESTIMATED & Quality.unjudged()
    assert "not a finite number" in Quality.NOT_ESTIMATED.meaning


class Raised(BaseException):
    """Neither an Exception nor SystemExit."""


def fails(error):
    def method(self, *_):
        raise error

    return method


def column(self, X):
    return LinearRegression.predict(self, X)[:, None]


def complexly(self, X):
    return LinearRegression.predict(self, X).astype(complex)


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"predict": lambda self, X: np.full(len(X), np.nan)}, "odd predicts no finite stellar_mass"),
        ({"predict": column}, r"odd predicted float32 of shape \(\d+, 1\)"),
        ({"predict": complexly}, "odd predicted complex128"),
        ({"predict": lambda self, X: None}, r"odd predicted object of shape \(\)"),
        ({"predict": fails(SystemExit(3))}, "odd failed to predict stellar_mass_density: SystemExit: 3"),
        ({"predict": fails(Raised("oh"))}, "odd failed to predict stellar_mass_density: Raised: oh"),
        ({"prepare": fails(SystemExit(3))}, "odd failed to fit: SystemExit: 3"),
        ({"spread": lambda self, X: np.full(len(X), -0.1, "f4")}, "odd gave a spread of -0.1 .*not negative"),
        ({"spread": lambda self, X: np.zeros((len(X), 2), "f4")}, r"gave a spread of float32 .* \(\d+, 2\)"),
        ({"spread": lambda self, X: 0.1}, r"odd gave a spread of float64 of shape \(\)"),
        ({"spread": lambda self, X: np.array(["a"] * len(X))}, "odd gave a spread of <U1"),
        ({"spread": fails(ZeroDivisionError("oh"))}, "odd failed to give the spread .*DivisionError: oh"),
        ({"state": fails(ZeroDivisionError("oh"))}, "odd failed to give its state: ZeroDivisionError: oh"),
        ({"state": lambda self: [1, 2]}, "odd has a state that no file can hold: state is list"),
        ({"state": lambda self: {"f": print}}, r"no file can hold: state\['f'\] is builtin_function"),
        ({"state": lambda self: {"f": [{"g": np.array([None])}]}}, r"\['f'\]\[0\]\['g'\] is an array of obj"),
        ({"state": lambda self: {1: 2.0}}, "has the key 1, which is no text"),
        ({"restore": fails(ZeroDivisionError("oh"))}, "odd failed to restore its own state: ZeroDiv.*oh"),
        (
            {"state": lambda self: {**LinearRegression.state(self), "intercept": 9.0}},
            "odd restored from its own state gives another stellar_mass_density",
        ),
    ],
)  # fmt: skip
def test_what_is_broken_is_found_right_after_the_first_fit(offer, sample, methods, words):
    fitted = []

    def fit(self, X, y, validation=None):
        fitted.append(1)
        return LinearRegression.fit(self, X, y)

    odd = estimator_that(**{"fit": fit, **methods})
    offer(estimators={"odd": odd})
    with pytest.raises(PluginError, match=words) as caught:
        train(sample, "all", odd())
    assert "\n" not in str(caught.value)
    assert len(fitted) <= 1  # not after hours of other fits


def test_a_chain_goes_on_without_the_pixels_that_have_no_estimate(offer, sample):
    odd = estimator_that(predict=brightest_are(np.nan))
    offer(estimators={"odd": odd})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = train(sample, NAMES, odd(), chain=True)
    maps = model.predict_maps(image_of(brightness(seed=5)))
    for map_ in maps.values():
        assert 0.3 < np.isfinite(map_.data).mean() < 1
        np.testing.assert_array_equal((map_.quality & Quality.NOT_ESTIMATED) != 0, np.isnan(map_.data))


def holes(dex):
    """NaN where a pixel is bright in HE."""
    if "HE" not in dex:
        return {}
    with np.errstate(invalid="ignore"):
        return {"x": np.sqrt(0.6 - dex["HE"])}


def test_nan_features_on_a_few_pixels_flag_those(offer, sample, tmp_path):
    offer(features={"holes": FeatureSet(holes, "", "a root")})
    with pytest.warns(DataWarning, match="pixels are not learned from: x is not finite for"):
        model = train(sample, DENSITY, LinearRegression(), features=("bands", "holes"))
    light = brightness(seed=5)
    lost = np.log10(light["HE"]) > 0.6
    assert 3 < lost.sum() < 60
    write(tmp_path / "model.asdf", model)
    map_ = read(tmp_path / "model.asdf").predict(image_of(light))
    assert type(map_) is SpatialMap
    np.testing.assert_array_equal(np.isnan(map_.data), lost)
    np.testing.assert_array_equal(map_.quality[lost] & Quality.NOT_ESTIMATED, Quality.NOT_ESTIMATED)
    np.testing.assert_allclose(map_.data[~lost], 10 ** true_dex(light)[DENSITY][~lost], rtol=1e-3)
    flat = {band: values.ravel() for band, values in light.items()}
    np.testing.assert_array_equal(np.isnan(model.estimate(flat)), lost.ravel())


def test_features_without_any_finite_pixel_are_refused(offer, sample):
    make = FeatureSet(lambda dex: {"x": dex["HE"] * np.nan} if "HE" in dex else {}, "", "nothing")
    offer(features={"nothing": make})
    with pytest.raises(
        InputError, match="no pixel to learn from has all its features: x is not finite for 1008 of"
    ):
        train(sample, DENSITY, LinearRegression(), features=("bands", "nothing"))


# --- what plugins are handed --------------------------------------------------------------------------


def shifts(dex):
    """Features that write into what they are handed."""
    for values in dex.values():
        values -= 0.18
    return {"IE+HE": dex["IE"] + dex["HE"]} if {"IE", "HE"} <= set(dex) else {}


def test_features_cannot_write_into_those_of_others(offer, sample):
    offer(features={"shifts": FeatureSet(shifts, "dex", "in place")})
    with pytest.raises(PluginError, match=r"features 'shifts' failed: ValueError.*read-only.*copy"):
        make_features(sample[0].image, ("bands", "shifts"))
    table = make_features({"IE": [1.0], "HE": [10.0]}, ("bands", "colours"))
    assert table.values.tolist() == [[0.0, 1.0, 2.5]]


def writes_X(self, X, y, validation=None):
    X *= 0.5
    return LinearRegression.fit(self, X, y)


def writes_y(self, X, y, validation=None):
    y -= y.mean()
    return LinearRegression.fit(self, X, y)


def writes_validation(self, X, y, validation=None):
    validation[0][:] = 0
    return LinearRegression.fit(self, X, y)


def writes_scales(self, columns, feature_scale, target_scale):
    feature_scale.minimum[:] = 0


def writes_rows(self, X):
    X[:] = 0.5
    return LinearRegression.predict(self, X)


@pytest.mark.parametrize(
    "methods",
    [
        {"fit": writes_X},
        {"fit": writes_y},
        {"fit": writes_validation},
        {"prepare": writes_scales},
        {"predict": writes_rows},
    ],
    ids=["X", "y", "validation", "scale", "predict"],
)
def test_estimators_cannot_write_into_what_they_are_handed(offer, sample, methods):
    odd = estimator_that(**methods)
    offer(estimators={"odd": odd})
    with pytest.raises(PluginError, match="odd failed to .*read-only"):
        train(sample, "all", odd())


def test_diagnostics_cannot_write_into_pixels(offer, sample, linear_model):
    from euclid_resolved.training import pixels_of

    def writes(model, training, test):
        test.brightness["HE"][:] = 1

    offer(diagnostics={"writes": Diagnostic(writes, None, "in place")})
    training, test = (pixels_of(some, linear_model) for some in (sample, [galaxy(40), galaxy(41)]))
    with pytest.raises(PluginError, match="diagnostic 'writes' failed: ValueError.*read-only"):
        diagnose("writes", linear_model, training, test)


# --- what is offered ----------------------------------------------------------------------------------


class Shrunk(LinearRegression):
    shrink: float = 0.0


class OwnInit(LinearRegression):
    def __init__(self, shrink=0.0):
        self.shrink = shrink


class Plain(Estimator):
    fit = predict = state = restore = lambda self, *_: None


@dataclass
class Needs(LinearRegression):
    depth: int = field()


@dataclass
class Odd(LinearRegression):
    kernel: object = print


class Halfway(Estimator):
    def fit(self, X, y, validation=None):
        return self


@pytest.mark.parametrize(
    ("kind", "thing", "words"),
    [
        ("estimators", Mean(), "an object of Mean is offered, the class itself is needed"),
        ("estimators", 3, "3 is offered, the class itself is needed"),
        ("estimators", lambda: Mean(), "the class itself is needed"),
        ("estimators", dict, "dict is not derived from euclid_resolved.Estimator"),
        ("estimators", Halfway, "Halfway lacks predict, restore, state"),
        ("estimators", Shrunk, r"Shrunk has settings \(shrink\) that no one would hear of: decorate"),
        ("estimators", OwnInit, r"OwnInit has settings \(shrink\) that no one would hear of: decorate"),
        ("estimators", Plain, "Plain is no dataclass"),
        ("estimators", Needs, "Needs cannot be made without its setting depth"),
        ("estimators", Odd, "Odd has a setting kernel of builtin_function"),
        ("features", lambda dex: {}, "function is offered, a FeatureSet is needed"),
        ("features", FeatureSet, "FeatureSet is offered, a FeatureSet is needed"),
        ("features", FeatureSet(3, "dex", "three"), "its make is 3, a function of the bands is needed"),
        ("features", FeatureSet(lambda: {}, "dex", "none"), r"cannot be called as make\(dex\)"),
        ("features", FeatureSet(dict.copy, "magnitudos", "dex"), "its unit 'magnitudos' is none that"),
        ("features", FeatureSet(dict.copy, None, "dex"), "its unit None is none that Astropy knows"),
        ("features", FeatureSet(dict.copy, "dex", "two\nlines"), "its summary is 'two.*one line of text"),
        ("diagnostics", 3, "3 cannot be called"),
        ("diagnostics", Diagnostic, "the class Diagnostic is offered"),
        ("diagnostics", Diagnostic(3, None, "three"), "its run is 3, a function of model, training and test"),
        ("diagnostics", Diagnostic(evaluate, 3, "plots"), "its plot is 3"),
        ("diagnostics", Diagnostic(lambda a, b, c: 0, None, ""), "its summary is ''"),
        ("diagnostics", lambda model: None, "cannot be called as diagnostic"),
        ("diagnostics", lambda model, training, test, n: None, "missing a required argument: 'n'"),
        ("relations", 0.5, "float is offered, a Relation, or a table of one, is needed"),
    ],
)  # fmt: skip
def test_wrong_things_are_not_ok(offer, kind, thing, words):
    before = plugins.describe()
    with pytest.raises(PluginError, match=f"'wrong': .*{words}"):
        offer(**{kind: {"wrong": thing}})
    assert plugins.describe() == before


def test_a_relation_that_lacks_columns_is_not_ok(offer):
    from astropy.table import Table

    with pytest.raises(
        PluginError, match="a table of a relation needs column log_metallicity, key reference"
    ):
        offer(relations={"wrong": Table({"log_density": [1.0]})})


def test_a_thing_that_cannot_be_looked_at_is_not_ok(offer):
    class Shy:
        def __getattribute__(self, name):
            raise SystemExit(4)

    with pytest.raises(PluginError, match="cannot be looked at: SystemExit: 4"):
        offer(diagnostics={"shy": Shy()})


@pytest.mark.parametrize("kind", [OwnInit, Shrunk])
def test_a_setting_that_is_no_field_is_not_passed_over_silently(sample, kind):
    estimator = kind()
    estimator.shrink = 0.5
    with pytest.raises(PluginError, match="shrink = 0.5 is no setting, and every fit would go without it"):
        train(sample, DENSITY, estimator)


@dataclass
class Shrinks(LinearRegression):
    shrink: float = 0.0

    def predict(self, X):
        return super().predict(X) * np.float32(1 - self.shrink)


def test_a_setting_that_is_a_field_counts(offer, sample):
    offer(estimators={"shrinks": Shrinks})
    model = train(sample, DENSITY, Shrinks(shrink=0.5))
    output = model.outputs[DENSITY]
    assert output.estimator.shrink == 0.5
    full = train(sample, DENSITY, LinearRegression()).outputs[DENSITY].golden
    np.testing.assert_allclose(output.golden, full / 2, rtol=1e-5)


def test_settings_that_no_file_can_hold_are_met_before_the_fit(offer, sample):
    offer(estimators={"shrinks": Shrinks})
    with pytest.raises(PluginError, match="its setting shrink is a builtin_function"):
        train(sample, DENSITY, Shrinks(shrink=print))

"""Importance against constructed pixels whose answer is known."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, RandomForest, train
from euclid_resolved.diagnostics import impurity_importance, lofo, permutation_importance
from euclid_resolved.diagnostics._contract import accuracies, accuracy_columns
from euclid_resolved.diagnostics._importance import columns_without
from euclid_resolved.diagnostics._permutation import _shuffled, _shuffler
from euclid_resolved.features import feature_columns
from euclid_resolved.models._columns import Columns
from euclid_resolved.plotting._style import band_label
from euclid_resolved.plugins import lookup
from euclid_resolved.training import Pixels

SLOPES = {"IE": -0.3, "YE": 0.0, "JE": 0.1, "HE": 1.0}
SPREAD, NOISE = 0.5, 0.1


def constructed(n=20_000, galaxies=10, seed=1):
    """Independent bands, and a density that is a sum of them with known slopes and noise."""
    rng = np.random.default_rng(seed)
    dex = {band: rng.normal(0, SPREAD, n) for band in SLOPES}
    y = sum(SLOPES[band] * values for band, values in dex.items()) + rng.normal(0, NOISE, n)
    return Pixels(
        brightness={band: (10**values).astype(np.float32) for band, values in dex.items()},
        truth={"stellar_mass_density": (10**y).astype(np.float32)},
        counts=np.bincount(rng.integers(0, galaxies, n), minlength=galaxies),
        names=tuple(f"galaxy {i}" for i in range(galaxies)),
        clip=None,
        clip_band="HE",
        seen=n,
        without_truth=0,
    )


@pytest.fixture(scope="module")
def linear():
    pixels = constructed()
    return train(pixels, "stellar_mass_density", LinearRegression()), pixels, constructed(seed=2)


def test_lofo_of_known_slopes(linear):
    table = lofo(*linear)
    assert list(table["left_out"]) == ["none", *SLOPES]
    for row in table[1:]:
        # What the band explained becomes error.
        expected = np.hypot(NOISE, SLOPES[row["left_out"]] * SPREAD)
        assert abs(row["rmse"].value - expected) < 0.02 * expected
        assert abs(row["lofo"] - (expected - NOISE)) < 0.01
        assert abs(row["lofo_relative"] - row["lofo"] / table["rmse"][0].value) < 1e-6
    order = [str(row["left_out"]) for row in sorted(table[1:], key=lambda row: -row["lofo"])]
    assert order == ["HE", "IE", "JE", "YE"]


def test_lofo_of_a_score_is_negative(linear):
    table = lofo(*linear, metric="r2")
    assert table.meta["metric"] == "r2"
    assert table["lofo"][list(table["left_out"]).index("HE")] < -0.5


def test_lofo_takes_the_colours_of_a_band_along():
    pixels = constructed(2000)
    model = train(pixels, "stellar_mass_density", LinearRegression(), features=("bands", "colours"))
    assert columns_without(model, "IE") == ("YE", "JE", "HE", "YE-JE", "YE-HE", "JE-HE")
    with_colours = lofo(model, pixels, pixels)
    without = lofo(train(pixels, "stellar_mass_density", LinearRegression()), pixels, pixels)
    assert np.allclose(with_colours["rmse"].value, without["rmse"].value, rtol=1e-3)


def test_lofo_keeps_the_clipped_pixels():
    pixels = constructed(5000)
    bright = pixels.brightness["HE"] > 0.5
    clipped = replace(
        pixels,
        brightness={band: values[bright] for band, values in pixels.brightness.items()},
        truth={name: values[bright] for name, values in pixels.truth.items()},
        counts=np.bincount(pixels.galaxy[bright], minlength=len(pixels.names)),
        clip=0.5,
    )
    from euclid_resolved.diagnostics._importance import lofo_models

    model = train(clipped, "stellar_mass_density", LinearRegression())
    others = dict(lofo_models(model, clipped))
    assert others["HE"].columns == ("IE", "YE", "JE") and others["HE"].clip_band == "HE"
    counts = {m.training["n_pixels"] + m.training["n_validation_pixels"] for m in others.values()}
    assert counts == {int(bright.sum())}


def test_lofo_of_a_single_band(linear):
    model = train(linear[1], "stellar_mass_density", LinearRegression(), columns=("HE",))
    with pytest.raises(InputError, match="without HE nothing is left"):
        lofo(model, *linear[1:])


def test_permutation_of_known_slopes(linear):
    table = permutation_importance(*linear, repeats=3)
    variance = sum((slope * SPREAD) ** 2 for slope in SLOPES.values()) + NOISE**2
    for row in table:
        # A shuffled band brings its variance in twice: once missing, once wrong.
        expected = 2 * (SLOPES[row["band"]] * SPREAD) ** 2 / variance
        assert abs(row["importance"] - expected) < 0.03
        assert abs(row["importance_within"] - expected) < 0.03
        assert row["importance_error"] < 0.02
    with pytest.raises(InputError, match="repeats"):
        permutation_importance(*linear, repeats=0)


def test_permutation_within_galaxies_keeps_what_tells_galaxies_apart():
    pixels = constructed(4000)
    # Every pixel of a galaxy has the same HE: within galaxies there is nothing to shuffle.
    level = np.linspace(0.1, 10, 10).astype(np.float32)[pixels.galaxy]
    pixels = replace(
        pixels,
        brightness={**pixels.brightness, "HE": level},
        truth={"stellar_mass_density": 100 * level},
    )
    model = train(pixels, "stellar_mass_density", LinearRegression())
    table = permutation_importance(model, None, pixels, repeats=2)
    last = table[list(table["band"]).index("HE")]
    assert last["importance"] > 1 and abs(last["importance_within"]) < 1e-6


def test_impurity_of_known_slopes():
    pixels = constructed(6000)
    forest = RandomForest(n_trees=5, n_jobs=1)
    table = impurity_importance(train(pixels, "stellar_mass_density", forest), None, None)
    found = dict(zip(table["column"], table["importance"], strict=True))
    assert abs(sum(found.values()) - 1) < 1e-6
    assert found["HE"] > found["IE"] > found["YE"] and found["HE"] > 0.8


def test_estimators_without_impurity_say_nan(linear):
    assert np.isnan(impurity_importance(*linear)["importance"]).all()


def test_joint_forests_put_the_bands_in_the_order_of_separate_ones():
    training, test = constructed(20_000), constructed(5_000, seed=2)
    for pixels in training, test:  # another property, to which YE matters most
        light = {band: pixels.brightness[band] for band in SLOPES}
        other = light["YE"] * light["IE"] ** 0.4 * light["HE"] ** 0.2
        truth = {**pixels.truth, "stellar_age": other.astype(np.float32)}
        object.__setattr__(pixels, "truth", Columns(truth))
    lost = {}
    for joint in (False, True):
        forest = RandomForest(n_trees=10, n_jobs=1, joint=joint)
        table = lofo(train(training, tuple(training.truth), forest), training, test)
        lost[joint] = {(row["property"], row["left_out"]): row["lofo"] for row in table}
    tolerance = 0.03  # dex: splits are shared by two properties that have little to do with each other
    assert all(abs(lost[True][case] - value) < tolerance for case, value in lost[False].items())
    for name in training.truth:
        ordered = sorted(SLOPES, key=lambda band, name=name: -lost[False][name, band])
        for more, less in combinations(ordered, 2):
            if lost[False][name, more] - lost[False][name, less] > tolerance:
                assert lost[True][name, more] > lost[True][name, less], (name, more, less)


def test_permutation_changes_one_column_and_no_pixels(linear):
    model, _, pixels = linear
    before = pixels.digest
    permutation_importance(model, None, pixels, repeats=1)
    assert replace(pixels).digest == before
    shuffled = _shuffled(model, pixels, "HE", _shuffler(pixels, True, 1))["HE"]
    light, stop = pixels.brightness["HE"], 0
    assert not np.array_equal(shuffled, light)
    for n in pixels.counts:
        start, stop = stop, stop + n
        assert np.array_equal(np.sort(shuffled[start:stop]), np.sort(light[start:stop]))
    everywhere = _shuffled(model, pixels, "HE", _shuffler(pixels, False, 1))["HE"]
    assert np.array_equal(np.sort(everywhere), np.sort(light))


def test_permutation_is_that_of_the_shuffled_pixels_in_every_metric(linear):
    model, _, pixels = linear
    shuffled = _shuffled(model, pixels, "IE", _shuffler(pixels, False, [3, 0]))["IE"]
    changed = replace(pixels, brightness={**pixels.brightness, "IE": shuffled})
    name = model.properties[0]
    for metric in ("r2", "rmse", "nmad", "bias", "outlier_fraction", "pearson"):
        table = permutation_importance(model, None, pixels, metric=metric, repeats=1, seed=3)
        after, before = (accuracy_columns(model, each, name)[metric] for each in (changed, pixels))
        found = table["importance"][list(table["band"]).index("IE")]
        sign = -1 if metric in ("r2", "pearson") else 1
        assert abs(found - sign * (after - before)) < (1.5e-4 if metric == "nmad" else 1e-9), metric
        assert np.isnan(table["importance_error"][0])


def test_pixels_in_runs_give_what_a_copy_gives(linear):
    model, _, pixels = linear
    some = pixels.of(pixels.names[::2])
    copied = replace(some, **{k: dict(getattr(some, k)) for k in ("brightness", "truth")})
    tables = [permutation_importance(model, None, each, repeats=1) for each in (some, copied)]
    assert np.allclose(tables[0]["importance"], tables[1]["importance"], rtol=1e-9)
    assert accuracies(model, some) == accuracies(model, copied)


# --- by column and by scale ---------------------------------------------------------------------------


def looking_around(n=8_000, seed=1):
    """Pixels with columns of their surroundings, of which one at each scale matters as much as is said."""
    pixels = constructed(n, seed=seed)
    rng = np.random.default_rng([seed, 1])
    columns = feature_columns(tuple(SLOPES), "neighbourhood")
    around = {column: rng.normal(20, SPREAD, n).astype(np.float32) for column in columns}
    dex = np.log10(pixels.truth["stellar_mass_density"])
    dex = dex + 0.6 * around["HE~2"] + 0.3 * around["IE~4"] - 0.9 * 20
    return replace(
        pixels,
        truth={"stellar_mass_density": (10**dex).astype(np.float32)},
        around=around,
        image_features=("neighbourhood",),
    )


@pytest.fixture(scope="module")
def around():
    pixels, test = looking_around(), looking_around(seed=2)
    model = train(pixels, "stellar_mass_density", LinearRegression(), features=("bands", "neighbourhood"))
    return model, pixels, test


EXPLAINED = {
    "pixel": np.sqrt(sum(slope**2 for slope in SLOPES.values())),
    "2 pix": 0.6,
    "4 pix": 0.3,
}


def test_lofo_by_scale_leaves_all_columns_of_a_scale_out(around):
    table = lofo(*around, by="scale")
    assert list(table["left_out"]) == ["none", "pixel", "2 pix", "4 pix"] and table.meta["by"] == "scale"
    for row in table[1:]:
        expected = np.hypot(NOISE, EXPLAINED[row["left_out"]] * SPREAD)
        assert abs(row["rmse"].value - expected) < 0.02 * expected


def test_permutation_by_scale_of_known_slopes(around):
    table = permutation_importance(*around, by="scale", repeats=2)
    variance = sum((slope * SPREAD) ** 2 for slope in EXPLAINED.values()) + NOISE**2
    assert list(table["scale"]) == list(EXPLAINED)
    for row in table:
        expected = 2 * (EXPLAINED[row["scale"]] * SPREAD) ** 2 / variance
        assert abs(row["importance"] - expected) < 0.04
        assert abs(row["importance_within"] - expected) < 0.04


def test_importance_by_column_finds_the_columns_that_matter(around):
    table = permutation_importance(*around, by="column", repeats=2)
    assert list(table["column"]) == list(around[0].columns)
    best = table["column"][np.argsort(-table["importance"])][:4]
    assert set(best) == {"HE", "HE~2", "IE", "IE~4"}
    small = table["importance"][[c not in (*SLOPES, "HE~2", "IE~4") for c in table["column"]]]
    assert abs(small).max() < 0.01


def test_by_band_takes_what_is_around_along(around):
    model, _, test = around
    assert not [column for column in columns_without(model, "HE") if "HE" in column]
    table = permutation_importance(model, None, test, repeats=2)
    found = dict(zip(table["band"], table["importance"], strict=True))
    variance = sum((slope * SPREAD) ** 2 for slope in EXPLAINED.values()) + NOISE**2
    assert abs(found["HE"] - 2 * (1 + 0.6**2) * SPREAD**2 / variance) < 0.04


def test_by_column_of_bands_alone_is_by_band(linear):
    by_band, by_column = (lofo(*linear, by=by) for by in ("band", "column"))
    assert list(by_band["left_out"]) == list(by_column["left_out"])
    assert (by_band["rmse"] == by_column["rmse"]).all()
    shuffled = [permutation_importance(*linear, by=by, repeats=2) for by in ("band", "column")]
    assert np.allclose(shuffled[0]["importance"], shuffled[1]["importance"], atol=1e-5)


def test_a_model_without_one_scale_keeps_every_band(around):
    """How far an image is smoothed depends on all bands: maps and training must agree."""
    from euclid_resolved.diagnostics._importance import lofo_models

    model, pixels, _ = around
    for name, other in lofo_models(model, pixels, by="scale"):
        assert other.bands == model.bands
        assert len(other.columns) < len(model.columns), name


def test_wrong_ways_to_leave_out_are_refused(linear, around):
    for diagnostic in lofo, permutation_importance:
        with pytest.raises(InputError, match="by is 'band', 'column' or 'scale', got 'galaxy'"):
            diagnostic(*linear, by="galaxy")
    with pytest.raises(InputError, match="without the scale 'pixel' nothing is left"):
        lofo(*linear, by="scale")


@pytest.mark.slow
@pytest.mark.parametrize("by", ["band", "column", "scale"])
def test_figures_of_every_kind_of_importance(around, by):
    for name, options in (("lofo", {}), ("permutation_importance", {"repeats": 2})):
        diagnostic = lookup("diagnostics", name)
        table = diagnostic(*around, by=by, **options)
        figure = diagnostic.plot(table)
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        key = "left_out" if name == "lofo" else by
        assert labels == [band_label(str(value)) for value in table[key] if value != "none"]
        assert by in figure.axes[0].get_xlabel() + figure.axes[0].get_ylabel()


@pytest.mark.parametrize("models", [3, ["IE"], [("IE", 3)], ["ab"]])
def test_what_are_no_models_is_one_error(linear, models):
    with pytest.raises(InputError, match="pairs of a name and a model"):
        lofo(*linear, models=models)

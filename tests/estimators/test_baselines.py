"""The floor, and the mass-to-light baselines."""

import numpy as np
import pytest

from euclid_resolved import InputError, evaluate, train
from euclid_resolved.estimators import ColourMassToLight, ConstantMassToLight, Mean, TwoColourTable
from euclid_resolved.features import Scale
from euclid_resolved.testing import example_galaxies

BANDS = ("IE", "YE", "JE", "HE")
BASELINES = (ConstantMassToLight, ColourMassToLight, TwoColourTable)


def toy(ratio, n=4000, seed=1, columns=BANDS):
    """Scaled columns and density of pixels with a known log10 M/L as a function of two colours."""
    rng = np.random.default_rng(seed)
    dex = {"HE": rng.uniform(-1, 2, n)}
    dex["YE"] = dex["HE"] - 0.4 * rng.uniform(0.3, 0.6, n)
    dex["JE"] = (dex["HE"] + dex["YE"]) / 2
    dex["IE"] = dex["HE"] - 0.4 * rng.uniform(0.5, 2.0, n)
    target = dex["HE"] + ratio(-2.5 * (dex["IE"] - dex["HE"]), -2.5 * (dex["YE"] - dex["HE"]))
    values = np.column_stack([dex.get(c, np.zeros(n)) for c in columns])
    return values, target


def fit(estimator, values, target, columns=BANDS):
    scale, target_scale = Scale.of(values), Scale.of(target)
    estimator.prepare(columns, scale, target_scale)
    estimator.fit(scale.apply(values), target_scale.apply(target))
    return lambda values: target_scale.invert(estimator.predict(scale.apply(values)))


def test_mean():
    X, y = np.random.default_rng(1).random((50, 3)), np.linspace(0, 1, 50)
    assert Mean().fit(X, y).predict(X[:3]) == pytest.approx([0.5] * 3)


def test_constant_ratio_is_the_mean_in_dex():
    values, target = toy(lambda ie_he, ye_he: 2.5 + 0.1 * (ie_he > 1.25))
    estimate = fit(ConstantMassToLight(), values, target)(values)
    np.testing.assert_allclose(estimate - values[:, 3], np.mean(target - values[:, 3]), atol=2e-5)


def test_colour_ratio_finds_its_coefficients():
    values, target = toy(lambda ie_he, ye_he: 1.7 + 0.6 * ie_he)
    predict = fit(ColourMassToLight(), values, target)
    np.testing.assert_allclose(predict(values), target, atol=2e-5)
    # A galaxy that is 1 mag redder in IE-HE has 0.6 dex more mass a unit of light.
    redder = values[:5] - [0.4, 0, 0, 0]
    np.testing.assert_allclose(predict(redder) - predict(values[:5]), 0.6, atol=2e-5)


def test_table_follows_what_no_line_can():
    values, target = toy(lambda ie_he, ye_he: 2 + 0.5 * (ie_he - 1.2) ** 2 * np.sign(ye_he - 0.45))
    rms = {k: np.sqrt(np.mean((fit(k(), values, target)(values) - target) ** 2)) for k in BASELINES}
    assert rms[TwoColourTable] < 0.3 * rms[ColourMassToLight]
    assert rms[ColourMassToLight] <= rms[ConstantMassToLight]


def test_table_holds_medians():
    values, target = toy(lambda ie_he, ye_he: 2 + 0 * ie_he)
    target[::10] += 5  # outliers
    np.testing.assert_allclose(
        fit(TwoColourTable(n_bins=4), values, target)(values), values[:, 3] + 2, atol=2e-5
    )


def test_medians_are_numpys():
    from euclid_resolved.estimators._baselines import _medians

    rng = np.random.default_rng(1)
    bins, values = rng.integers(0, 40, 300), rng.random(300)
    medians, count = _medians(bins, values, 45)
    for i in range(40):
        assert medians[i] == pytest.approx(np.median(values[bins == i]))
    assert count.tolist() == [int((bins == i).sum()) for i in range(45)]


def test_empty_bins_take_the_nearest_ratio():
    values, target = toy(lambda ie_he, ye_he: 2 + 1.0 * (ie_he > 1.25))
    gap = np.abs(-2.5 * (values[:, 0] - values[:, 3]) - 1.25) > 0.3
    predict = fit(TwoColourTable(), values[gap], target[gap])
    inside = values[~gap]
    ratio = predict(inside) - inside[:, 3]
    colour = -2.5 * (inside[:, 0] - inside[:, 3])
    np.testing.assert_allclose(ratio[colour < 1.2], 2, atol=1e-4)
    np.testing.assert_allclose(ratio[colour > 1.3], 3, atol=1e-4)
    # Beyond the table its edge counts.
    np.testing.assert_allclose(predict(values[:3] - [40, 0, 0, 0]) - values[:3, 3], 3, atol=1e-4)


def test_table_of_too_few_pixels_is_the_median():
    values, target = toy(lambda ie_he, ye_he: 2 + ie_he, n=20)
    ratio = fit(TwoColourTable(min_pixels=10), values, target)(values) - values[:, 3]
    np.testing.assert_allclose(ratio, np.median(target - values[:, 3]), atol=2e-5)


@pytest.mark.parametrize("kind", BASELINES)
def test_columns_are_found_by_name(kind):
    values, target = toy(lambda ie_he, ye_he: 2 + 0.3 * ie_he)
    mixed = ("HE", "stellar_age", "YE", "IE")
    expected = fit(kind(), values, target)(values)
    other, _ = toy(lambda ie_he, ye_he: 0, columns=mixed)
    other[:, 1] = np.random.default_rng(3).random(len(other))
    np.testing.assert_allclose(fit(kind(), other, target, mixed)(other), expected, atol=1e-4)


@pytest.mark.parametrize("kind", BASELINES)
def test_missing_band(kind):
    galaxies = example_galaxies()
    with pytest.raises(InputError, match="HE is not among the columns IE, YE, JE"):
        train(galaxies, estimator=kind(), columns=("IE", "YE", "JE"))
    with pytest.raises(InputError, match="train with the features 'bands'"):
        train(galaxies, estimator=kind(), features="colours")


@pytest.mark.parametrize("kind", BASELINES)
def test_without_prepare(kind):
    with pytest.raises(InputError, match=f"{kind.__name__} must hear from prepare"):
        kind().fit(np.ones((3, 4)), np.ones(3))


def test_constant_band_in_the_training_set():
    values, target = toy(lambda ie_he, ye_he: 2 + 0 * ie_he)
    values[:, 3], target[:] = 1.0, 3.0
    for kind in BASELINES:
        with pytest.warns(UserWarning, match="constant in the whole training set"):
            predict = fit(kind(), values, target)
        np.testing.assert_allclose(predict(values), 3, atol=1e-4)


def test_in_a_model_and_a_chain():
    galaxies = example_galaxies(6)
    for kind in BASELINES:
        model = train(galaxies[:4], estimator=kind(), features=("colours", "bands"))
        assert evaluate(model, galaxies[4:])["r2"][0] > 0.8
    names = ("stellar_age", "stellar_mass_density")
    model = train(galaxies[:4], names, ColourMassToLight(), chain=True)
    assert evaluate(model, galaxies[4:])["r2"][1] > 0.8


@pytest.mark.parametrize("settings", [{"n_bins": 0}, {"min_pixels": 0}])
def test_impossible_settings(settings):
    with pytest.raises(InputError, match="at least 1"):
        TwoColourTable(**settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("columns", np.array([0, 1, 4]), "not among the 4"),
        ("columns", np.array([-1, 1, 2]), "not among the 4"),
        ("columns", np.array([0, 1]), "not among the 4"),
        ("table", np.ones((2, 3), "f4"), "not square"),
        ("step", np.array([0.1, -1]), "no width"),
        ("target", np.array([0.1, 0]), "no width"),
        ("minimum", np.array([1e300, 0, 0]), "in dex or mag"),
        ("low", np.zeros(3), "must have 2 values"),
    ],
)
def test_damaged_table(name, value, words):
    values, target = toy(lambda ie_he, ye_he: 2 + 0 * ie_he)
    table = TwoColourTable()
    fit(table, values, target)
    with pytest.raises(InputError, match=words):
        TwoColourTable().restore({**table.state(), name: value})

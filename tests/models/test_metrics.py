"""The six metrics against values worked out by hand."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from helpers import NAMES, galaxies
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from euclid_resolved import LinearRegression, evaluate, train
from euclid_resolved.errors import InputError
from euclid_resolved.io import write_sample
from euclid_resolved.models import bias, metrics, nmad, outlier_fraction, pearson, r2, rmse
from euclid_resolved.models._metrics import METRICS
from euclid_resolved.training import extract

TRUTH = [1.0, 2, 3, 4]
GUESS = [1.1, 1.9, 3.4, 4.0]  # truth minus guess: -0.1, 0.1, -0.4, 0


def test_values_by_hand():
    assert r2(TRUTH, GUESS) == pytest.approx(1 - 0.18 / 5)
    assert rmse(TRUTH, GUESS) == pytest.approx(np.sqrt(0.18 / 4))
    assert bias(TRUTH, GUESS) == pytest.approx(-0.1)
    # median of d: -0.05; |d + 0.05| = 0.05, 0.15, 0.35, 0.05; their median 0.1
    assert nmad(TRUTH, GUESS) == pytest.approx(1.4826 * 0.1)
    assert outlier_fraction(TRUTH, GUESS) == 0.25
    # centred: -1.5 -.5 .5 1.5 and -1.5 -.7 .8 1.4: sums of products 5.1, 5, 5.34
    assert pearson(TRUTH, GUESS) == pytest.approx(5.1 / np.sqrt(5 * 5.34))


def test_bias_is_positive_where_the_model_underestimates():
    assert bias(np.array(TRUTH), np.array(TRUTH) - 0.2) == pytest.approx(0.2)


def test_the_limit_of_outliers_is_a_parameter_and_exclusive():
    assert outlier_fraction([0.0, 0, 0], [0.25, 0.5, 0.75], limit=0.5) == pytest.approx(1 / 3)


def test_a_perfect_prediction():
    perfect = {"r2": 1, "rmse": 0, "nmad": 0, "bias": 0, "outlier_fraction": 0, "pearson": 1}
    assert metrics(TRUTH, TRUTH) == pytest.approx(perfect)
    assert list(metrics(TRUTH, TRUTH)) == [metric.__name__ for metric in METRICS] == list(perfect)


def test_the_mean_of_the_truth_has_r2_zero():
    assert r2(TRUTH, [2.5] * 4) == 0
    assert np.isnan(pearson(TRUTH, [2.5] * 4))


@pytest.mark.parametrize(
    ("truth", "nan"),
    [([2.0, 2, 2], {"r2", "pearson"}), ([2.0], {"r2", "pearson"}), ([], {m.__name__ for m in METRICS})],
)
def test_what_has_no_value_is_nan(truth, nan):
    values = metrics(truth, np.asarray(truth) + 0.1)
    assert {name for name, value in values.items() if np.isnan(value)} == nan


@pytest.mark.parametrize("guess", [[1.0, 2], [[1.0, 2, 3, 4]], 1.0])
def test_shapes_that_differ_are_refused(guess):
    for metric in METRICS:
        with pytest.raises(InputError, match="must be 1-D and equally long"):
            metric(TRUTH, guess)


pairs = arrays(np.float32, (2, 30), elements=st.floats(-5, 5, width=16), unique=True)


@given(pairs)
def test_a_shift_of_both_changes_nothing_and_order_does_not_matter(pair):
    truth, guess = pair.astype(float)
    order = np.random.default_rng(0).permutation(30)
    whole = metrics(truth, guess)
    assert metrics(truth[order], guess[order]) == pytest.approx(whole)
    assert metrics(truth + 1, guess + 1) == pytest.approx(whole, abs=1e-6)
    assert whole["rmse"] >= abs(whole["bias"]) and abs(whole["pearson"]) <= 1 + 1e-12


def test_logarithms_know_that_they_are_some():
    dressed = [u.Quantity(TRUTH, u.dex), u.Dex(TRUTH, u.dex(u.Gyr)), np.ma.array(TRUTH), tuple(TRUTH)]
    for truth in dressed:
        assert rmse(truth, GUESS) == pytest.approx(np.sqrt(0.18 / 4))
    assert np.isnan(rmse(np.ma.array(TRUTH, mask=[0, 0, 1, 0]), GUESS))
    for wrong in (TRUTH * u.Gyr, TRUTH * u.mag, u.Quantity(TRUTH)):
        with pytest.raises(InputError, match="truth must be log10 of the property .dex., not values in"):
            r2(wrong, GUESS)
    with pytest.raises(InputError, match="prediction: real numbers are needed, got dtype complex128"):
        r2(TRUTH, np.array(GUESS) + 0j)


@pytest.fixture(scope="module")
def unlike():
    """Galaxies, and a model of one column that misses most of what there is to know of them."""
    return galaxies(4), train(galaxies(7)[4:], NAMES, LinearRegression(), columns=("HE",))


def test_evaluate_gives_a_row_a_property_in_dex(unlike):
    some, model = unlike
    table = evaluate(model, some)
    assert list(table["property"]) == list(NAMES)
    assert table["rmse"].unit == table["nmad"].unit == table["bias"].unit == u.dex
    assert (table["n_pixels"] == 4 * 168).all() and (table["n_galaxies"] == 4).all()
    assert table.meta["kept"] == 1
    assert 0 < table["r2"][0] < 1


def test_the_whole_is_the_weighted_sum_of_the_galaxies(unlike):
    some, model = unlike
    whole, rows = evaluate(model, some), evaluate(model, some, per_galaxy=True)
    assert len(rows) == 4 * 3
    for name in NAMES:
        own, total = rows[rows["property"] == name], whole[whole["property"] == name][0]
        weights = own["n_pixels"] / own["n_pixels"].sum()
        assert own["galaxy"].tolist() == ["G001", "G002", "G003", "G004"]
        assert np.sum(weights * own["rmse"].value ** 2) == pytest.approx(total["rmse"].value ** 2)
        assert np.sum(weights * own["bias"].value) == pytest.approx(total["bias"].value)
        assert np.sum(weights * own["outlier_fraction"]) == pytest.approx(total["outlier_fraction"])


def test_evaluate_takes_pixels_that_are_gathered_already(unlike):
    some, model = unlike
    from_pixels = evaluate(model, extract(some, NAMES))
    assert all((from_pixels[name] == evaluate(model, some)[name]).all() for name in from_pixels.colnames)


def test_evaluate_uses_the_clip_of_the_model():
    model = train(galaxies(5)[2:], NAMES[0], LinearRegression(), clip=1.0)
    bright = sum((one.image.brightness("HE") > 1).sum() for one in galaxies(2))
    table = evaluate(model, galaxies(2))
    assert table["n_pixels"][0] == bright and table.meta["kept"] == pytest.approx(bright / (2 * 168))


@pytest.mark.parametrize("clip", [None, 0.3])
def test_pixels_below_the_clip_of_the_model_do_not_count(clip, tmp_path):
    model = train(galaxies(5)[2:], NAMES[0], LinearRegression(), columns=("IE",), clip=1.0)
    expected, some = evaluate(model, galaxies(2)), galaxies(2)
    for pixels in (extract(some, NAMES, clip=clip), write_sample(tmp_path / "s", some, NAMES, clip=clip)):
        table = evaluate(model, pixels)
        assert all((table[name] == expected[name]).all() for name in table.colnames)
        assert table.meta["kept"] == expected.meta["kept"]
        rows = evaluate(model, pixels, per_galaxy=True)
        assert sum(rows["n_pixels"]) == expected["n_pixels"][0]
        assert pixels.clip == clip and len(pixels.brightness["HE"]) == len(pixels)  # not changed


def test_pixels_that_lack_some_above_the_clip_of_the_model_are_refused():
    some, models = galaxies(2), {}
    for clip, band in ((1.0, "HE"), (None, "HE")):
        models[clip] = train(
            extract(galaxies(5)[2:], NAMES[:1], clip=clip, band=band), NAMES[0], LinearRegression()
        )
    for clip, band, model in ((2.0, "HE", 1.0), (1.0, "IE", 1.0), (1.0, "HE", None)):
        with pytest.raises(InputError, match=f"keeps pixels brighter than {clip} MJy/sr in {band}, not"):
            evaluate(models[model], extract(some, NAMES, clip=clip, band=band))
    with pytest.raises(InputError, match="no pixel of 2 galaxies is above the model's clip"):
        pixels = extract(some, NAMES, clip=None)
        faint = replace(
            pixels, brightness={band: v * np.float32(0.01) for band, v in pixels.brightness.items()}
        )
        evaluate(models[1.0], faint)

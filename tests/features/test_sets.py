"""Bands, colours, squares and ratios: signs, order, and that each pixel stands for itself."""

import numpy as np
import pytest
from helpers import an_image, brightness
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from euclid_resolved import EUCLID_BANDS, make_features
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.features import FeatureSet, feature_columns
from euclid_resolved.features._sets import needed_bands

ALL = ("bands", "colours", "squared_colours", "flux_ratios")
RED = {"IE": [1.0], "YE": [2.0], "JE": [4.0], "HE": [10.0]}  # a pixel that is brighter in the infrared


def test_bands_are_logarithms():
    assert make_features(RED).values.tolist() == [[0, np.float32(np.log10(2)), np.float32(np.log10(4)), 1]]


def test_a_red_pixel_has_positive_colours():
    table = make_features(RED, "colours")
    assert table.columns == ("IE-YE", "IE-JE", "IE-HE", "YE-JE", "YE-HE", "JE-HE")
    assert set(table.units) == {"mag"}
    np.testing.assert_allclose(table.values[0, :3], 2.5 * np.log10([2, 4, 10]), rtol=1e-6)
    assert (table.values > 0).all()


def test_squares_and_ratios_follow_from_the_colours():
    table = make_features(RED, ("colours", "squared_colours", "flux_ratios"))
    colours, squares, ratios = np.split(table.values[0], 3)
    np.testing.assert_allclose(squares, colours**2, rtol=1e-6)
    np.testing.assert_allclose(ratios, 10 ** (-0.4 * colours), rtol=1e-5)
    assert table.columns[6] == "(IE-YE)^2" and table.columns[12] == "IE/YE"


def test_the_order_of_bands_is_that_of_the_image():
    swapped = {band: RED[band] for band in ("HE", "IE")}
    assert make_features(swapped, "colours").columns == ("HE-IE",)
    assert make_features(swapped, "colours").values[0, 0] == pytest.approx(-2.5)


@pytest.mark.parametrize("features", [("bands", "colours"), ("colours", "bands")])
def test_sets_are_chained_in_the_order_given(features):
    columns = make_features(RED, features).columns
    expected = {"bands": EUCLID_BANDS, "colours": make_features(RED, "colours").columns}
    assert columns == expected[features[0]] + expected[features[1]]
    assert feature_columns(EUCLID_BANDS, features) == columns


def test_a_column_that_comes_twice_is_refused():
    with pytest.raises(PluginError, match="column 'IE' comes twice"):
        make_features(RED, ("bands", "bands"))


@pytest.mark.parametrize(("name", "guess"), [("colors", "colours"), ("band", "bands")])
def test_an_unknown_set_suggests_the_nearest(name, guess):
    with pytest.raises(PluginError, match=f"no set of features '{name}'; there are .*did you mean '{guess}'"):
        make_features(RED, name)


def test_no_set_at_all_is_refused():
    with pytest.raises(InputError, match="at least one set"):
        make_features(RED, ())


positive = st.floats(2**-20, 2**20, width=32)


@given(arrays(np.float32, (4, 7), elements=positive), st.permutations(range(7)), st.integers(1, 6))
def test_a_pixel_does_not_depend_on_the_others(values, order, first):
    def table(pixels):
        return make_features(dict(zip(EUCLID_BANDS, values[:, pixels], strict=True)), ALL).values

    whole = table(range(7))
    np.testing.assert_array_equal(table(order), whole[order])
    np.testing.assert_array_equal(np.concatenate([table(range(first)), table(range(first, 7))]), whole)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, -np.inf])
def test_a_pixel_without_logarithm_is_refused_by_band(bad):
    with pytest.raises(InputError, match="band YE: surface brightness must be finite and positive"):
        make_features({"IE": [1.0, 1.0], "YE": [1.0, bad]})


def test_only_the_chosen_pixels_need_a_logarithm():
    light = brightness((3, 4))
    light["HE"][0] = -1
    where = np.zeros((3, 4), bool)
    where[1:, 2] = True
    table = make_features(light, where=where)
    assert len(table) == 2 and table.values.dtype == np.float32
    np.testing.assert_array_equal(table.values[:, 3], np.log10(light["HE"][1:, 2]))


def test_an_image_gives_what_its_arrays_give():
    image = an_image()
    from_image = make_features(image, ALL).values
    np.testing.assert_array_equal(from_image, make_features(brightness(), ALL).values)


def test_columns_are_chosen_and_ordered_by_name():
    table = make_features(RED, ("bands", "colours"), columns=("IE-HE", "HE"))
    assert table.columns == ("IE-HE", "HE") and table.units == ("mag", "dex(MJy / sr)")
    assert table.values.tolist() == [[2.5, 1.0]]


def test_an_unknown_column_lists_those_there_are():
    with pytest.raises(InputError, match="no column JE-IE; these features make IE, YE, JE, HE, IE-YE"):
        make_features(RED, ("bands", "colours"), columns=("JE-IE",))


@pytest.mark.parametrize(
    ("columns", "bands"),
    [
        (("HE",), ("HE",)),
        (("IE-HE",), ("IE", "HE")),
        (("YE-JE", "JE"), ("YE", "JE")),
        (("IE", "YE-HE"), ("IE", "YE", "HE")),
        (("IE-YE", "JE-HE"), EUCLID_BANDS),
    ],
)
def test_needed_bands_are_those_the_columns_are_made_of(columns, bands):
    assert needed_bands(EUCLID_BANDS, ("bands", "colours"), columns) == bands


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda dex: [1, 2], "returned list, a mapping is needed"),
        (
            lambda dex: {"x": np.zeros(99)},
            r"column 'x' has float64 of shape \(99,\), float32 of shape \(1,\)",
        ),
        (lambda dex: {"x": 0.0}, r"column 'x' has float64 of shape \(\)"),
    ],
)
def test_a_set_that_breaks_its_contract_is_named(monkeypatch, make, message):
    broken = FeatureSet(make, "", "")
    monkeypatch.setattr("euclid_resolved.features._sets._feature_set", lambda name: broken)
    with pytest.raises(PluginError, match=f"features 'mine'.*{message}"):
        make_features(RED, "mine")

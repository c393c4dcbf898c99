"""Models for pixels that lack bands: what is estimated, flagged, clipped, kept in a file, and refused."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import brightness, galaxies, image_of

from euclid_resolved import (
    EUCLID_BANDS,
    Quality,
    RandomForest,
    evaluate,
    read,
    train,
    write,
)
from euclid_resolved.errors import InputError
from euclid_resolved.models._missing import MissingBands, checked_sets
from euclid_resolved.training import calibrate, coverage

DENSITY, AGE = "stellar_mass_density", "stellar_age"
FOREST = RandomForest(n_trees=5, n_jobs=1, joint=True)
SHAPE = (12, 14)


@pytest.fixture(scope="module")
def model():
    """For any missing bands, with intervals."""
    made = train(galaxies(24), (DENSITY, AGE), FOREST, features=("bands", "colours"), missing_bands=0.3)
    return calibrate(made, galaxies(48)[24:])


@pytest.fixture(scope="module")
def light():
    return brightness(SHAPE, seed=77)


def holes(**rows):
    """Masks of whole rows by band."""
    masks = {}
    for band, which in rows.items():
        masks[band] = np.zeros(SHAPE, bool)
        masks[band][list(which)] = True
    return masks


def test_a_pixel_with_a_hole_is_estimated_flagged_and_has_a_wider_interval(model, light):
    whole = model.predict(image_of(light), AGE)
    map_ = model.predict(image_of(light, masks=holes(IE=[2], HE=[3])), AGE)
    flagged = map_.quality & Quality.MISSING_BAND > 0
    assert flagged[2:4].all() and not np.delete(flagged, [2, 3], axis=0).any()
    assert np.isfinite(map_.data).all() and not map_.mask.any()
    assert not (map_.quality & Quality.unjudged()).any()
    rest = np.delete(map_.data, [2, 3], axis=0)
    np.testing.assert_array_equal(rest, np.delete(whole.data, [2, 3], axis=0))
    width = [np.log10(m.planes["hi"] / m.planes["lo"]) for m in (map_, whole)]
    assert np.median(width[0][2]) > 1.1 * np.median(width[1][2])
    assert map_.uncertainty.array[2].mean() > whole.uncertainty.array[2].mean()


def test_a_band_that_the_image_lacks_is_a_hole_everywhere(model, light):
    some = {band: light[band] for band in ("IE", "JE", "HE")}
    absent, masked, nan = (
        model.predict_maps(image)
        for image in (
            image_of(some),
            image_of(light, masks=holes(YE=range(12))),
            image_of({**light, "YE": np.full(SHAPE, np.nan, np.float32)}),
        )
    )
    for name, map_ in absent.items():
        assert (map_.quality & Quality.MISSING_BAND > 0).all() and np.isfinite(map_.data).all()
        for other in (masked[name], nan[name]):
            np.testing.assert_array_equal(map_.data, other.data)
            np.testing.assert_array_equal(map_.quality, other.quality)
            for plane, values in map_.planes.items():
                np.testing.assert_array_equal(values, other.planes[plane])


def test_pixels_without_any_band_are_masked_and_an_image_without_any_refused(model, light):
    masks = holes(**dict.fromkeys(EUCLID_BANDS, [5]))
    map_ = model.predict(image_of(light, masks=masks), AGE)
    assert np.isnan(map_.data[5]).all() and map_.mask[5].all()
    assert (map_.quality[5] == Quality.MASKED).all()
    with pytest.raises(InputError, match="none of the model's bands: IE, YE, JE, HE"):
        model.predict(image_of({"g": light["IE"]}), AGE)


def test_strips_and_single_pixels_are_as_the_whole(model, light):
    image = image_of(light, masks=holes(IE=[2], HE=[3, 4], YE=[4]), sigma=0.001)
    whole = model.predict(image, AGE, draws=3)
    parts = [model.predict(image[a:b], AGE, draws=3, first_row=a) for a, b in ((0, 3), (3, 12))]
    for name in ("noise", "lo", "mean"):
        joined = np.concatenate([part.planes[name] for part in parts])
        np.testing.assert_array_equal(joined, whole.planes[name])
    assert np.isfinite(whole.planes["noise"][2:5]).all()
    pixels = {band: np.where(image.mask(band), np.nan, image.brightness(band)) for band in image}
    np.testing.assert_allclose(10 ** model.estimate(pixels, AGE), whole.data.ravel(), rtol=1e-5)
    one = model.estimate({"JE": light["JE"]}, AGE)
    np.testing.assert_array_equal(
        one, model.estimate({**light, **dict.fromkeys(("IE", "YE", "HE"), one * np.nan)}, AGE)
    )


def test_a_pixel_without_the_clip_band_is_clipped_by_the_last_band_that_it_has(light):
    model = train(galaxies(6), AGE, FOREST, missing_bands=0.3, clip=0.2)
    assert model.clip_band == "HE"
    known = model.predict(image_of(light), AGE).quality & Quality.BELOW_CLIP > 0
    some = {band: light[band] for band in ("IE", "YE", "JE")}
    map_ = model.predict(image_of(some), AGE)
    dark = map_.quality & Quality.BELOW_CLIP > 0
    np.testing.assert_array_equal(dark, model.missing.to_clip_band["JE"] * light["JE"] <= np.float32(0.2))
    assert np.mean(dark == known) > 0.97  # JE-HE varies by a few hundredths of a magnitude here
    np.testing.assert_array_equal(np.isnan(map_.data), dark)


def test_what_lies_on_a_pixel_spoils_its_other_bands(model, light):
    reasons = np.where(holes(IE=[2])["IE"], Quality.SATURATED, 0).astype(np.int16)
    image = image_of(light, masks=holes(IE=[2, 3]), meta={"mask_reasons": reasons})
    map_ = model.predict(image, AGE)
    assert np.isnan(map_.data[2]).all() and (map_.quality[2] & Quality.SATURATED > 0).all()
    assert np.isfinite(map_.data[3]).all()


def test_a_pixel_is_like_the_training_set_by_the_bands_that_it_has(model, light):
    odd = {**light, "IE": light["IE"] * np.float32(30)}
    outside = [
        model.predict(image_of(each), AGE).quality & Quality.OUT_OF_DOMAIN > 0 for each in (light, odd)
    ]
    assert outside[0].mean() < 0.1 and outside[1].all()
    map_ = model.predict(image_of(odd, masks=holes(IE=range(12))), AGE)
    assert (map_.quality & Quality.OUT_OF_DOMAIN > 0).mean() < 0.1


def test_intervals_hold_whatever_is_missing(model):
    unseen = galaxies(72)[48:]
    for missing in ((), ("IE",), ("HE",), ("YE", "JE"), ("IE", "JE", "HE")):
        inside = coverage(model, unseen, missing=missing)
        for name, values in inside.items():
            assert 0.6 < values.mean() < 0.8, (missing, name)
    assert set(model.outputs[AGE].intervals_without) == set(model.missing.to_calibrate())
    assert len(model.missing.to_calibrate()) == 14


def test_accuracy_without_bands(model):
    unseen = galaxies(60)[48:]
    rmse = {m: evaluate(model, unseen, missing=m)["rmse"].value[1] for m in ((), ("IE",), ("IE", "YE", "JE"))}
    assert rmse[()] < rmse["IE",] < rmse["IE", "YE", "JE"]
    assert len(np.unique(evaluate(model, unseen, missing=("IE",))["n_pixels"])) == 1
    with pytest.raises(InputError, match="no band is left"):
        evaluate(model, unseen, missing=EUCLID_BANDS)
    with pytest.raises(InputError, match="no band XX"):
        evaluate(model, unseen, missing=("XX",))


def test_intervals_of_missing_bands_take_some_of_many_pixels(model, monkeypatch):
    from euclid_resolved.training import _calibrate

    others = galaxies(48)[24:]
    monkeypatch.setattr(_calibrate, "FEW_ENOUGH", 2000)
    few, all_ = calibrate(model, others).outputs[AGE], model.outputs[AGE]
    assert np.array_equal(few.interval.low, all_.interval.low)  # with all bands nothing is left out
    for key, interval in few.intervals_without.items():
        known = all_.intervals_without[key]
        widths = [np.mean(one.high[0] - one.low[0]) for one in (interval, known)]
        assert widths[0] == pytest.approx(widths[1], rel=0.3) and widths[0] != widths[1]


def test_a_file_keeps_it_all(model, light, tmp_path):
    path = tmp_path / "model.asdf"
    write(path, model)
    again = read(path)
    assert again.digest == model.digest and again.missing.sets == ()
    assert np.isnan(again.golden_rows).any(axis=1).sum() == len(again.golden_rows) // 2
    assert np.isnan(again.golden_brightness).any()
    image = image_of(light, masks=holes(IE=[2], HE=[3, 4], YE=[4]))
    for name, map_ in model.predict_maps(image).items():
        other = again.predict(image, name)
        np.testing.assert_array_equal(map_.data, other.data)
        np.testing.assert_array_equal(map_.planes["hi"], other.planes["hi"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tree: tree["missing"].update(sets=[["IE", "XX"]]), "no band XX"),
        (lambda tree: tree["missing"].update(sets=[list(EUCLID_BANDS)]), "no band is left"),
        (lambda tree: tree["missing"].update(to_clip_band=[1.0, 1.0]), "ratios"),
        (lambda tree: tree["missing"].update(to_clip_band=[1.0, np.nan, 1.0, 1.0]), "ratios"),
        (lambda tree: tree.pop("missing"), "NaN"),
        (lambda tree: tree["outputs"][0]["intervals_without"].pop(), "intervals are not those"),
        (lambda tree: tree["outputs"][0]["intervals_without"][0].update(without=9), "for 9 missing bands"),
        (lambda tree: tree["outputs"][0]["intervals_without"][0].update(without=True), "for True missing"),
        (lambda tree: tree["outputs"][0]["state"].update(nan=False), "NaN"),
        (lambda tree: tree["outputs"][0]["state"].update(nan=3), "'nan' says"),
    ],
)
def test_a_damaged_tree_is_refused(model, change, words):
    tree = model.to_tree()
    tree["outputs"] = [
        {
            **output,
            "state": dict(output["state"]),
            "intervals_without": [dict(i) for i in output["intervals_without"]],
        }
        for output in tree["outputs"]
    ]
    change(tree)
    with pytest.raises(InputError, match=words):
        type(model).from_tree(tree)


def test_a_model_for_listed_sets_refuses_others(light):
    model = train(galaxies(6), AGE, FOREST, missing_bands=["YE", ("YE", "JE")], calibration=3)
    assert model.missing.sets == (("YE",), ("YE", "JE"))
    assert set(model.outputs[AGE].intervals_without) == {("YE",), ("YE", "JE")}
    assert np.isfinite(model.predict(image_of({band: light[band] for band in ("IE", "HE")}), AGE).data).all()
    with pytest.raises(InputError, match="no band JE; the model was trained to do without YE; YE and JE"):
        model.predict(image_of({band: light[band] for band in ("IE", "YE", "HE")}), AGE)
    map_ = model.predict(image_of(light, masks=holes(YE=[1, 2], JE=[2, 3])), AGE)
    assert np.isfinite(map_.data[1:3]).all() and np.isnan(map_.data[3]).all()
    assert (map_.quality[3] & Quality.unjudged() == Quality.MASKED).all()


def test_other_models_need_every_band_and_say_how_to_do_without(linear_model, light):
    some = image_of({band: light[band] for band in ("IE", "YE", "HE")})
    with pytest.raises(InputError, match=r"no band JE.*missing_bands=0\.3"):
        linear_model.predict(some, AGE)
    with pytest.raises(InputError, match="needs all its bands"):
        evaluate(linear_model, galaxies(9)[6:], missing=("YE",))


def test_many_bands_share_intervals_by_their_number():
    bands = tuple("abcdefgh")
    missing = MissingBands((), dict.fromkeys(bands, 1.0))
    sets = missing.to_calibrate()
    assert [key for key in sets if isinstance(key, tuple)] == [(band,) for band in bands]
    assert [key for key in sets if isinstance(key, int)] == [2, 3, 4, 5, 6, 7]
    assert all(len(each) == key for key, some in sets.items() if isinstance(key, int) for each in some)
    listed = replace(missing, sets=checked_sets([("a",), ("a", "b")], bands)).to_calibrate()
    assert list(listed) == [("a",), ("a", "b")]
    named = replace(missing, named=(("a", "b", "c"),)).to_calibrate()
    assert named == sets | {("a", "b", "c"): [("a", "b", "c")]}

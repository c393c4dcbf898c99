"""Pixels with what is around them: gathered, kept in files, learned from, and looked at by diagnostics."""

import pickle
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from helpers import image_of, messages
from numpy.testing import assert_array_equal
from surroundings import FEATURES, PAIR, disc_galaxies

from euclid_resolved import Galaxy, LinearRegression, RandomForest, evaluate, lofo, read_atlas, retrain, train
from euclid_resolved.diagnostics import permutation_importance
from euclid_resolved.errors import DataWarning, ImageFileError, InputError
from euclid_resolved.features import ImagePlanes, feature_columns
from euclid_resolved.features._neighbourhood import neighbourhood
from euclid_resolved.imaging import observe_atlas
from euclid_resolved.io import read_sample, write_sample
from euclid_resolved.training import calibrate, coverage, extract, pixels_of, search

BANDS = ("IE", "YE", "JE", "HE")
OPTIONS = {"clip": 0.02, "features": FEATURES}


@pytest.fixture(scope="module")
def some():
    return disc_galaxies(6)


@pytest.fixture(scope="module")
def pixels(some):
    return extract(some, PAIR, **OPTIONS)


def same_pixels(one, other):
    assert one.names == other.names and one.counts == other.counts
    assert one.image_features == other.image_features and one.digest == other.digest
    for kind in ("brightness", "truth", "noise", "around"):
        ours, theirs = getattr(one, kind), getattr(other, kind)
        assert list(ours) == list(theirs)
        for name in ours:
            assert_array_equal(ours[name], theirs[name])


# --- gathering ----------------------------------------------------------------------------------------


def test_columns_are_those_of_the_image_at_each_pixel(some, pixels):
    assert tuple(pixels.around) == feature_columns(BANDS, "neighbourhood")
    assert pixels.image_features == ("neighbourhood",)
    first = pixels.of([some[0]])
    made = neighbourhood(ImagePlanes.of(some[0].image, BANDS))
    for name, values in first.around.items():
        assert values.dtype == np.float32
        assert np.isin(values, made[name]).all()
    assert 0 < len(first) <= some[0].image.shape[0] ** 2


def test_sets_of_single_pixels_need_not_be_gathered(some):
    plain, named = extract(some[:2], PAIR, clip=0.02), extract(some[:2], PAIR, clip=0.02, features="colours")
    same_pixels(plain, named)
    assert plain.image_features == () and not len(plain.around)


def test_more_pixels_than_by_themselves_are_bright_enough_to_be_known(some, pixels):
    alone = extract(some, PAIR, clip=0.02)
    assert len(pixels) > len(alone)


def test_pixels_survive_pickling_and_choosing(pixels):
    same_pixels(pixels, pickle.loads(pickle.dumps(pixels)))
    chosen = pixels.of(["S1", "S4"])
    assert chosen.image_features == pixels.image_features
    first = sum(pixels.counts[:1])
    assert_array_equal(
        chosen.around["HE~2"][: pixels.counts[1]], pixels.around["HE~2"][first:][: chosen.counts[0]]
    )
    same_pixels(chosen.of(["S4"]), pixels.of(["S4"]))


def test_a_band_that_is_only_clipped_is_not_looked_at(some):
    light = extract(some[:2], PAIR, ("IE", "YE"), band="HE", **OPTIONS)
    assert tuple(light.around) == feature_columns(("IE", "YE"), "neighbourhood")
    with pytest.raises(InputError, match="clipped in HE, which is none of their bands"):
        train(light, PAIR[1], LinearRegression(), features=FEATURES)
    dark = extract(some[:2], PAIR, ("IE", "YE"), band="IE", **OPTIONS)
    assert train(dark, PAIR[1], LinearRegression(), features=FEATURES).bands == ("IE", "YE")


def test_noise_of_pixels_is_that_of_what_is_smoothed(some, pixels):
    assert (pixels.noise["IE"] <= np.float32(0.1)).all()
    assert (pixels.noise["IE"] < np.float32(0.05)).any()
    assert (pixels.brightness["IE"] >= 3 * pixels.noise["IE"]).all()


def test_other_features_than_were_gathered_are_refused(some, pixels):
    alone = extract(some, PAIR, clip=0.02)
    for given, features, words in (
        (alone, FEATURES, "gathered of single pixels.*features=\\('neighbourhood',\\)"),
        (pixels, ("bands",), "gathered with neighbourhood.*or gather them again without"),
    ):
        with pytest.raises(InputError, match=words):
            train(given, PAIR[1], LinearRegression(), features=features)
        with pytest.raises(InputError, match=words):
            search(given, RandomForest(n_trees=2), {"n_trees": [2]}, property=PAIR[1], features=features)
    model = train(pixels, PAIR[1], LinearRegression(), features=FEATURES)
    for use in (lambda: evaluate(model, alone), lambda: lofo(model, alone, alone)):
        with pytest.raises(InputError, match="gathered of single pixels"):
            use()


def test_galaxies_and_their_pixels_give_one_model(some, pixels):
    forest = RandomForest(n_trees=3, n_jobs=1)
    model = train(some, PAIR, forest, **OPTIONS)
    assert model.digest == train(pixels, PAIR, forest, features=FEATURES).digest
    threads = train(pixels, PAIR, replace(forest, n_jobs=2), features=FEATURES)
    dex, same = (m.estimate_all(pixels.brightness, around=pixels.around) for m in (model, threads))
    for name in PAIR:
        assert_array_equal(dex[name], same[name])


def test_training_again_gives_the_same(some, pixels):
    model = train(pixels, PAIR, RandomForest(n_trees=3, n_jobs=1), features=FEATURES)
    for given in (pixels, some):
        again = retrain(model, given)
        assert again.outputs[PAIR[0]].golden.tolist() == model.outputs[PAIR[0]].golden.tolist()


def test_pixels_above_another_clip(some, pixels):
    model = train(
        extract(some, PAIR, clip=1.0, features=FEATURES), PAIR[1], LinearRegression(), features=FEATURES
    )
    above = pixels_of(pixels, model)
    assert above.clip == 1.0 and len(above) < len(pixels)
    assert (above.brightness["HE"] > 1).all() and len(above.around["HE~2"]) == len(above)
    test = disc_galaxies(2, first=20)
    low = extract(test, PAIR, **OPTIONS)
    assert evaluate(model, low)["rmse"][0] == evaluate(model, test)["rmse"][0]
    with pytest.raises(InputError, match="keeps pixels brighter than 1.0"):
        evaluate(train(pixels, PAIR[1], LinearRegression(), features=FEATURES), above)


def test_columns_of_another_length_are_refused(pixels):
    for kind in ("around", "truth", "brightness", "noise"):
        short = {name: np.asarray(values)[:-1] for name, values in getattr(pixels, kind).items()}
        with pytest.raises(InputError, match=f"{kind}: .* values for the"):
            replace(pixels, **{kind: short})


def test_pixels_without_a_column_are_left_out(pixels):
    model = train(pixels, PAIR[1], LinearRegression(), features=FEATURES)
    around = {name: np.array(values) for name, values in pixels.around.items()}
    around["HE~2"][5] = np.nan
    holes = replace(pixels, around=around)
    with pytest.warns(DataWarning, match="1 pixels are not learned from: HE~2 is not finite"):
        train(holes, PAIR[1], LinearRegression(), features=FEATURES)
    assert np.isnan(model.estimate(holes.brightness, PAIR[1], around=holes.around)).sum() == 1
    for by in ("band", "column", "scale"):
        table = permutation_importance(model, None, holes, by=by, repeats=1)
        assert np.isfinite(table["importance"]).all()


# --- samples ------------------------------------------------------------------------------------------


@pytest.fixture
def written(some, tmp_path):
    write_sample(tmp_path / "sample", some, PAIR, **OPTIONS)
    return tmp_path / "sample"


def test_a_sample_is_what_extract_gives(written, pixels):
    sample = read_sample(written)
    same_pixels(sample, pixels)
    assert isinstance(sample.around["HE~2"], np.memmap)
    estimator = RandomForest(n_trees=3, n_jobs=1)
    models = [train(one, PAIR, estimator, features=FEATURES) for one in (sample, pixels)]
    assert models[0].digest == models[1].digest
    same_pixels(sample.of(["S2"]), pixels.of(["S2"]))


def test_the_same_call_changes_nothing_and_another_is_refused(written, some, pixels):
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    same_pixels(write_sample(written, some, PAIR, **OPTIONS), pixels)
    assert before == {path.name: path.read_bytes() for path in written.iterdir()}
    for features in ((), ("bands",)):
        with pytest.raises(InputError, match="holds another sample .*features"):
            write_sample(written, some, PAIR, clip=0.02, features=features)
    same_pixels(write_sample(written, some, PAIR, clip=0.02, overwrite=True), extract(some, PAIR, clip=0.02))


def test_an_interrupted_sample_goes_on(some, pixels, tmp_path, monkeypatch):
    from euclid_resolved.io import _sample

    append = _sample._append

    def stops(folder, done, part):
        if len(done) == 3:
            raise KeyboardInterrupt
        return append(folder, done, part)

    monkeypatch.setattr(_sample, "_append", stops)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "sample", some, PAIR, **OPTIONS)
    with pytest.raises(ImageFileError, match="3 of 6 galaxies"):
        read_sample(tmp_path / "sample")
    monkeypatch.undo()
    same_pixels(write_sample(tmp_path / "sample", some, PAIR, **OPTIONS), pixels)


@pytest.mark.parametrize("damage", ["byte", "short", "missing"])
def test_a_damaged_column_is_found(written, damage):
    path = written / "around_3.f4"
    content = bytearray(path.read_bytes())
    if damage == "byte":
        content[100] ^= 1
        path.write_bytes(content)
    elif damage == "short":
        path.write_bytes(content[:-4])
    else:
        path.unlink()
    with pytest.raises(ImageFileError, match="checksum" if damage == "byte" else "around_3.f4"):
        read_sample(written)


# --- what is done with them ---------------------------------------------------------------------------


def test_search_for_settings(pixels):
    settings = {"min_samples_leaf": [5, 400]}
    table = search(
        pixels,
        RandomForest(n_trees=3, n_jobs=1),
        settings,
        property=PAIR[1],
        features=FEATURES,
        fraction=0.5,
        k=3,
    )
    assert table["min_samples_leaf"][0] == 5 and table["r2"][0] > table["r2"][1]


@pytest.mark.slow
def test_importance_of_surroundings(pixels):
    test = extract(disc_galaxies(3, first=20), PAIR, **OPTIONS)
    forest = RandomForest(n_trees=6, min_samples_leaf=5, n_jobs=1)
    model = train(pixels, PAIR[1], forest, features=FEATURES)
    by_scale = lofo(model, pixels, test, by="scale")
    assert list(by_scale["left_out"]) == ["none", "pixel", "2 pix", "4 pix"]
    shuffled = permutation_importance(model, None, test, by="scale", repeats=2)
    found = dict(zip(shuffled["scale"], shuffled["importance"], strict=True))
    # Age varies smoothly, and pixels are noisy: what is around them tells it.
    assert found["4 pix"] > found["pixel"]
    by_band = lofo(model, pixels, test)
    assert list(by_band["left_out"]) == ["none", *BANDS]
    assert by_band["rmse"][0] == by_scale["rmse"][0]


def test_calibration_in_folds_and_on_galaxies_held_out(pixels):
    forest = RandomForest(n_trees=4, n_jobs=1)
    folded, said = messages(
        lambda: train(pixels, PAIR[1], forest, features=FEATURES, calibration=3), DataWarning
    )
    held = extract(disc_galaxies(20, first=30), PAIR, **OPTIONS)
    apart = calibrate(train(pixels, PAIR[1], forest, features=FEATURES), held)
    test = extract(disc_galaxies(5, first=60), PAIR, **OPTIONS)
    for model, least in ((folded, 0.4), (apart, 0.55)):
        inside = coverage(model, test, level=0.68)[PAIR[1]].mean()
        assert least < inside < 0.9


def test_an_observed_atlas(atlas):
    galaxies = observe_atlas(read_atlas(atlas)[:6], (20, 40) * u.Mpc)
    # Smoothed light reaches a few pixels further than there are stars.
    model, _ = messages(
        lambda: train(galaxies[:4], "stellar_age", LinearRegression(), features=FEATURES), DataWarning
    )
    for row in evaluate(model, galaxies[4:]):
        assert np.isfinite(row["rmse"].value)
    map_ = model.predict(galaxies[5].image, draws=2)
    assert (map_.data[~map_.mask] > 0).all() and "noise" in map_.planes


def test_images_of_some_bands_know_their_noise(some):
    """The noise of a pixel counts as unknown where one band lacks it: nothing is smoothed."""
    one = some[0].image
    bare = image_of({band: one[band].data for band in BANDS})
    galaxies = [Galaxy("S0", bare, some[0].maps), *some[1:3]]
    mixed = extract(galaxies, PAIR, **OPTIONS)
    assert (mixed.of(["S0"]).noise["IE"] == 0).all() and (mixed.of(["S1"]).noise["IE"] > 0).all()
    assert train(mixed, PAIR[1], LinearRegression(), features=FEATURES).around

"""A model that looks around a pixel: maps, strips, noise, flags, files, and what it refuses."""

import warnings
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import NDData
from helpers import NAMES, messages, write_tree
from numpy.testing import assert_allclose, assert_array_equal
from surroundings import FEATURES, PAIR, WIDE, disc_galaxies, observed, true_light
from tiles import make_tile

from euclid_resolved import (
    LinearRegression,
    MultiBandImage,
    Quality,
    RandomForest,
    evaluate,
    predict_tile,
    read,
    read_euclid,
    train,
    write,
)
from euclid_resolved.errors import DataWarning, InputError, ModelFileError, PluginError
from euclid_resolved.features import ImageFeatureSet
from euclid_resolved.features._neighbourhood import REACH
from euclid_resolved.models import Model
from euclid_resolved.plugins import hookimpl, register, unregister
from euclid_resolved.training import extract

BANDS = ("IE", "YE", "JE", "HE")


@pytest.fixture(scope="module")
def forest():
    return train(disc_galaxies(6), PAIR, RandomForest(n_trees=8, n_jobs=1), features=FEATURES, clip=0.02)


@pytest.fixture(scope="module")
def linear():
    return train(disc_galaxies(6), PAIR, LinearRegression(), features=FEATURES, clip=0.02)


@pytest.fixture(scope="module")
def image():
    return disc_galaxies(1, first=9)[0].image


@pytest.fixture
def offered():
    """Offer sets of features for the time of a test; the last of a name counts."""

    def offer(**sets):
        unregister()

        @hookimpl
        def register_features():
            return sets

        register(register_features)

    yield offer
    unregister()


def same_maps(whole, part, rows=slice(None)):
    """Whether maps are those of some rows of others, bit for bit."""
    for name, one in part.items():
        other = whole[name]
        assert_array_equal(one.data, other.data[rows])
        assert_array_equal(one.quality, other.quality[rows])
        assert_array_equal(one.mask, other.mask[rows])
        assert set(one.planes) == set(other.planes)
        for key, plane in one.planes.items():
            assert_array_equal(plane, other.planes[key][rows])


def strips(model, image, height, **options):
    """Map an image strip by strip, each with the rows around it that the model looks at."""
    n, reach = image.shape[0], model.reach()
    for start in range(0, n, height):
        stop = min(start + height, n)
        first, last = max(start - reach, 0), min(stop + reach, n)
        halo = (start - first, last - stop)
        part = model.predict_maps(image[first:last], first_row=start, halo=halo, **options)
        yield slice(start, stop), part


# --- what it is ---------------------------------------------------------------------------------------


def test_a_model_says_what_it_looks_at(forest):
    assert forest.reach() == REACH == 12
    assert forest.columns[:4] == BANDS and forest.around == forest.columns[4:]
    assert len(forest.around) == 14 and set(forest.column_units[4:]) == {"mag"}
    alone = train(disc_galaxies(3), PAIR[0], LinearRegression(), clip=0.02)
    assert alone.reach() == 0 and alone.around == ()


@pytest.mark.slow
def test_surroundings_help_where_pixels_are_noisy():
    training, test = disc_galaxies(8, noise=0.3), disc_galaxies(3, noise=0.3, first=20)
    forest = RandomForest(n_trees=10, n_jobs=1)
    models = [train(training, "stellar_age", forest, features=f, clip=0.02) for f in ("bands", FEATURES)]
    alone, around = (float(evaluate(model, test)["rmse"][0].value) for model in models)
    assert around < alone / 2


def test_single_pixels_are_refused_in_one_sentence(forest):
    pixels = {band: np.ones(3) for band in BANDS}
    for ask in (
        lambda: forest.estimate(pixels, "stellar_age"),
        lambda: forest.estimate_all(pixels),
        lambda: forest.spread(pixels, "stellar_age"),
        lambda: forest.estimate(pixels, "stellar_age", around={"HE~2": np.ones(3)}),
    ):
        with pytest.raises(InputError) as error:
            ask()
        text = str(error.value)
        assert "single pixels are not enough, give the image (Model.predict)" in text and "\n" not in text


def test_pixels_with_their_surroundings_are_estimated(forest, image):
    pixels = extract(disc_galaxies(1, first=9), PAIR, clip=0.02, features=FEATURES)
    dex = forest.estimate_all(pixels.brightness, around=pixels.around)
    maps = forest.predict_maps(image)
    for name in PAIR:
        values = maps[name].data[~maps[name].mask]
        assert_allclose(10 ** dex[name], values, rtol=1e-5)
    assert_array_equal(forest.estimate(pixels.brightness, PAIR[1], around=pixels.around), dex[PAIR[1]])
    assert forest.spread(pixels.brightness, PAIR[1], around=pixels.around).shape == (len(pixels),)


# --- strips -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("height", [1, 7, 16])
@pytest.mark.parametrize("options", [{}, {"draws": 3}, {"draws": 2, "seed": 5, "min_sn": None}])
def test_strips_are_bit_for_bit_the_whole(forest, image, height, options):
    whole = forest.predict_maps(image, **options)
    for rows, part in strips(forest, image, height, **options):
        same_maps(whole, part, rows)


def test_strips_draw_correlated_noise_as_the_whole_does(linear):
    light, _ = true_light(9)
    image = observed(light, 0.1, np.random.default_rng(1), correlation=WIDE)
    whole = linear.predict_maps(image, draws=4)
    for rows, part in strips(linear, image, 5, draws=4):
        same_maps(whole, part, rows)


def test_a_halo_that_cannot_be_is_refused(linear, image):
    with pytest.raises(InputError, match="a halo of 30 and 10 rows leaves none of 40 rows"):
        linear.predict_maps(image, halo=(30, 10))
    with pytest.raises(InputError, match="say which first_row it is"):
        linear.predict_maps(image, halo=(3, 0), draws=2)


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    return make_tile(tmp_path_factory.mktemp("mer") / "tile", gap="YE")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"draws": 3}, {"ebv": 0.2, "draws": 2}])
def test_a_tile_in_strips_is_the_image_in_one_go(linear, tile, tmp_path, options):
    from euclid_resolved.imaging import correct_extinction

    whole = read_euclid(tile)
    whole = correct_extinction(whole, options["ebv"]) if "ebv" in options else whole
    plain = {key: value for key, value in options.items() if key != "ebv"}
    maps = linear.predict_maps(whole, **plain)
    assert sum((one.quality & Quality.FEW_NEIGHBOURS > 0).sum() for one in maps.values()) > 0
    for rows in (3, 8, 41):
        predict_tile(linear, tile, tmp_path / f"{rows}.fits", rows=rows, n_jobs=2, **options)
        same_maps(maps, read(tmp_path / f"{rows}.fits"))


def test_files_of_a_mock_galaxy_with_noise_in_strips(linear, tmp_path):
    """Bands and noise in files of their own, as an archive gives them."""
    light, _ = true_light(3, 48)
    image = observed(light, 0.1, np.random.default_rng(1))
    files = {}
    for band in image:
        path = tmp_path / f"{band}.fits"
        header = fits.Header({"BUNIT": "MJy/sr"})
        data = fits.PrimaryHDU(image[band].data, header)
        error = fits.ImageHDU(image[band].uncertainty.array, header, name="ERR")
        fits.HDUList([data, error]).writeto(path)
        files[band] = path
    maps = linear.predict_maps(read_euclid(files), draws=3)
    assert (~maps[PAIR[0]].mask).mean() > 0.3
    predict_tile(linear, files, tmp_path / "maps.fits", rows=5, draws=3)
    same_maps(maps, read(tmp_path / "maps.fits"))


# --- noise --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [None, WIDE])
def test_draws_tell_the_scatter_of_repeated_observations(linear, correlation):
    light, _ = true_light(9)
    runs, options = [], {"correlation": correlation}
    for seed in range(60):
        image = observed(light, 0.1, np.random.default_rng([seed, 7]), **options)
        runs.append(np.log10(linear.predict(image, PAIR[0], min_sn=None).data))
    sure = np.isfinite(runs).all(axis=0) & (light["IE"] > 1)  # ten sigma: the same pixels every time
    scatter = np.std(runs, axis=0)[sure]
    drawn = linear.predict(image, PAIR[0], draws=60)
    said = (drawn.planes["noise"] / (drawn.data * np.log(10)))[sure]
    assert sure.sum() > 100
    assert np.median(said / scatter) == pytest.approx(1, abs=0.08)


def test_draws_are_those_of_their_seed(forest, image):
    one, again, other = (forest.predict(image, PAIR[0], draws=3, seed=s).planes["noise"] for s in (1, 1, 2))
    assert_array_equal(one, again)
    assert not np.array_equal(one, other, equal_nan=True)


def test_smoothing_gives_faint_pixels_a_value(forest):
    light, _ = true_light(9)
    image = observed(light, 1.0, np.random.default_rng(1))
    alone = train(disc_galaxies(6), PAIR, RandomForest(n_trees=4, n_jobs=1), clip=0.02)
    judged = [(~model.predict(image, PAIR[1]).mask).mean() for model in (alone, forest)]
    assert judged[1] > 2 * judged[0] > 0


# --- which pixels -------------------------------------------------------------------------------------


def test_few_neighbours_are_flagged(forest, image):
    quality = forest.predict(image, PAIR[1]).quality
    few = quality & Quality.FEW_NEIGHBOURS > 0
    # Of the 25 x 25 pixels around a corner a quarter are there, beside an edge more than half.
    assert few[0, 0] == (quality[0, 0] & ~Quality.FEW_NEIGHBOURS & ~Quality.OUT_OF_DOMAIN == 0)
    assert not few[12:28, 12:28].any()
    data = {band: np.array(image[band].data) for band in BANDS}
    masked = np.ones(image.shape, bool)
    masked[15:25, 15:25] = False
    holes = MultiBandImage(
        {
            b: NDData(v, unit=u.MJy / u.sr, mask=masked, uncertainty=image[b].uncertainty)
            for b, v in data.items()
        }
    )
    map_ = forest.predict(holes, PAIR[1])
    assert (map_.quality[15:25, 15:25] & Quality.FEW_NEIGHBOURS > 0).all()
    assert np.isfinite(map_.data[15:25, 15:25]).all() and map_.mask[masked].all()
    assert not (map_.quality[masked] & Quality.FEW_NEIGHBOURS).any()


def test_masked_pixels_stay_masked_and_do_not_count(forest, image):
    data = {band: np.array(image[band].data) for band in BANDS}
    mask = np.zeros(image.shape, bool)
    mask[18:20, 20] = True
    maps = []
    for below in (1.0, 1e6):
        for values in data.values():
            values[mask] = below
        bands = {
            b: NDData(v.copy(), unit=u.MJy / u.sr, mask=mask, uncertainty=image[b].uncertainty)
            for b, v in data.items()
        }
        maps.append(forest.predict_maps(MultiBandImage(bands, name="field"), draws=2))
    assert maps[0][PAIR[0]].mask[mask].all()
    same_maps(maps[0], maps[1])


def test_surroundings_beyond_training_are_out_of_domain(linear, image):
    clean = linear.predict(image, PAIR[0])
    data = {band: np.array(image[band].data) for band in BANDS}
    for values in data.values():
        values[20, 5] = 1e4  # a star: its neighbours have surroundings that no galaxy has
    bands = {b: NDData(v, unit=u.MJy / u.sr, uncertainty=image[b].uncertainty) for b, v in data.items()}
    map_ = linear.predict(MultiBandImage(bands), PAIR[0])
    beside = np.zeros(image.shape, bool)
    beside[17:24, 2:9] = True
    judged = beside & ~map_.mask
    assert (map_.quality[judged] & Quality.OUT_OF_DOMAIN > 0).all()
    assert (clean.quality[judged] & Quality.OUT_OF_DOMAIN > 0).mean() < 0.5
    far = np.ones(image.shape, bool)
    far[20 - REACH : 21 + REACH, : 6 + REACH] = False
    assert_array_equal(map_.data[far], clean.data[far])


@pytest.mark.parametrize("shape", [(1, 12), (1, 30), (5, 14)])
def test_an_image_smaller_than_the_reach(forest, image, shape):
    part = image[20 : 20 + shape[0], 8 : 8 + shape[1]]
    for map_ in forest.predict_maps(part, draws=2).values():
        assert map_.shape == shape
        assert np.isfinite(map_.data).any() and (map_.quality & Quality.FEW_NEIGHBOURS > 0).any()


def test_an_image_of_one_pixel(forest, image):
    map_ = forest.predict(image[20:21, 20:21], PAIR[1], draws=2)
    assert map_.shape == (1, 1) and np.isfinite(map_.data).all()
    assert map_.quality[0, 0] & Quality.FEW_NEIGHBOURS


def test_nothing_known_is_an_empty_map(forest, image):
    everywhere = np.ones(image.shape, bool)
    bands = {
        b: NDData(image[b].data, unit=u.MJy / u.sr, mask=everywhere, uncertainty=image[b].uncertainty)
        for b in BANDS
    }
    maps, said = messages(lambda: forest.predict_maps(MultiBandImage(bands), draws=2), DataWarning)
    assert maps[PAIR[0]].mask.all() and len(said) == 1


def test_an_image_without_noise_is_mapped_and_cannot_be_drawn(forest, image):
    bare = MultiBandImage({b: NDData(image[b].data, unit=u.MJy / u.sr) for b in BANDS})
    assert np.isfinite(forest.predict(bare, PAIR[0]).data).any()
    with pytest.raises(InputError, match="an image has to know it"):
        forest.predict(bare, PAIR[0], draws=2)


@pytest.mark.parametrize("kind", [">f8", "<f8", ">f4"])
def test_every_kind_of_number_gives_the_same_map(forest, kind):
    light, _ = true_light(9)
    images = [observed(light, 0.1, np.random.default_rng(1), kind=one) for one in ("<f4", kind)]
    same_maps(*(forest.predict_maps(one, draws=2) for one in images))


def test_the_image_is_left_as_it_is(forest, image):
    before = {band: (np.array(image[band].data), np.array(image[band].uncertainty.array)) for band in BANDS}
    forest.predict_maps(image, draws=2)
    for band, (data, sigma) in before.items():
        assert_array_equal(image[band].data, data)
        assert_array_equal(image[band].uncertainty.array, sigma)


# --- kinds of models ----------------------------------------------------------------------------------


def test_columns_of_some_bands_are_made_of_an_image_of_all(image):
    """How far noisy pixels are smoothed depends on all bands, in training and in maps."""
    columns = ("HE", "HE~2")
    model = train(
        disc_galaxies(4), PAIR[1], LinearRegression(), features=FEATURES, columns=columns, clip=0.02
    )
    assert model.columns == columns and model.bands == BANDS
    pixels = extract(disc_galaxies(1, first=9), PAIR, clip=0.02, features=FEATURES)
    dex = model.estimate(pixels.brightness, PAIR[1], around=pixels.around)
    map_ = model.predict(image, PAIR[1])
    assert_allclose(10**dex, map_.data[~map_.mask], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        (RandomForest(n_trees=4, n_jobs=1, joint=True), {}),
        (LinearRegression(), {"chain": True}),
        (RandomForest(n_trees=4, n_jobs=1), {"chain": True}),
        (LinearRegression(), {"calibration": 3}),
    ],
)
def test_kinds_of_models_in_strips_and_from_files(estimator, options, image, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # few galaxies to calibrate on
        model = train(disc_galaxies(6), PAIR, estimator, features=FEATURES, clip=0.02, **options)
    whole = model.predict_maps(image, draws=2)
    for rows, part in strips(model, image, 9, draws=2):
        same_maps(whole, part, rows)
    write(tmp_path / "model.asdf", model)
    again = read(tmp_path / "model.asdf")
    assert again.digest == model.digest
    same_maps(whole, again.predict_maps(image, draws=2))
    if "calibration" in options:
        low, high = whole[PAIR[0]].interval
        known = ~whole[PAIR[0]].mask
        assert (low < high)[known].all()


# --- files --------------------------------------------------------------------------------------------


def test_a_file_gives_the_model_back(forest, image, tmp_path):
    write(tmp_path / "model.asdf", forest)
    again = read(tmp_path / "model.asdf")
    assert again.features == FEATURES and again.around == forest.around and again.reach() == 12
    assert again.digest == forest.digest
    assert_array_equal(again.golden_image, forest.golden_image)
    same_maps(forest.predict_maps(image), again.predict_maps(image))


def test_a_damaged_golden_image_is_refused(linear, tmp_path):
    tree = linear.to_tree()
    for change, words in (
        (lambda kept: None, "does not fit its features"),
        (lambda kept: kept[:-1], "no longer make the features"),
        (lambda kept: np.where(np.isfinite(kept), kept + 0.01, kept), "no longer make the features"),
        (lambda kept: np.zeros_like(kept), "no longer make the features"),
    ):
        changed = change(np.array(linear.golden_image))
        other = {key: value for key, value in tree.items() if key != "golden_image"}
        if changed is not None:
            other["golden_image"] = changed.astype(np.float32)
        with pytest.raises(InputError, match=words):
            Model.from_tree(other)
        write_tree(tmp_path / "model.asdf", other)
        with pytest.raises(ModelFileError, match=words):
            read(tmp_path / "model.asdf")


@pytest.mark.slow
def test_features_that_changed_are_refused(offered, tmp_path):
    def of_sigma(sigma, factor=1.0):
        def make(planes):
            smooth = planes.smoothed(sigma).brightness
            return {f"{b} blurred": factor * np.log10(v) for b, v in smooth.items()}

        return ImageFeatureSet(make, "dex", "blurred", 6)

    offered(blurred=of_sigma(2))
    model = train(disc_galaxies(3), PAIR[1], LinearRegression(), features=("bands", "blurred"), clip=0.02)
    write(tmp_path / "model.asdf", model)
    assert read(tmp_path / "model.asdf").digest == model.digest
    for other in (of_sigma(1), of_sigma(2, 1.01)):
        offered(blurred=other)
        with pytest.raises(ModelFileError, match="blurred no longer make the features"):
            read(tmp_path / "model.asdf")
    offered(blurred=replace(of_sigma(2), unit="mag"))
    with pytest.raises(ModelFileError, match="its columns have units"):
        read(tmp_path / "model.asdf")
    unregister()
    with pytest.raises(ModelFileError, match="needs set of features 'blurred'"):
        read(tmp_path / "model.asdf")


# --- what breaks its contract -------------------------------------------------------------------------


def test_a_set_that_breaks_its_contract_while_it_works(offered, image):
    good = {"HE mean": lambda planes: planes.smoothed(1).brightness["HE"]}
    state = {"make": good["HE mean"]}
    offered(odd=ImageFeatureSet(lambda planes: {"HE mean": state["make"](planes)}, "", "one line", 3))
    some = disc_galaxies(3)
    model = train(some, PAIR[1], LinearRegression(), features=("bands", "odd"), clip=0.02)
    for wrong, words in (
        (lambda planes: planes.brightness["HE"][:-1], "of shape .*, float32 of the image's shape"),
        (lambda planes: np.full(planes.shape, "a"), "column 'HE mean' has <U1"),
        (lambda planes: 1j * planes.brightness["HE"], "column 'HE mean' has complex"),
        (lambda planes: planes.brightness["nowhere"], "features 'odd'"),
    ):
        state["make"] = wrong
        with pytest.raises(PluginError, match=words):
            model.predict(image, PAIR[1])
        with pytest.raises(PluginError, match=words):
            train(some, PAIR[1], LinearRegression(), features=("bands", "odd"), clip=0.02)


def test_a_column_without_numbers_leaves_nothing_to_learn_from(offered):
    offered(empty=ImageFeatureSet(lambda p: {"a": p.brightness["HE"] * np.nan}, "", "one line", 0))
    with pytest.raises(InputError, match="a is not finite for"):
        train(disc_galaxies(3), PAIR[1], LinearRegression(), features=("bands", "empty"), clip=0.02)


def test_more_reach_than_declared_is_refused_before_training(offered):
    offered(far=ImageFeatureSet(lambda p: {"a": p.smoothed(4).brightness["HE"]}, "", "one line", 2))
    with pytest.raises(PluginError, match="reach of 2 pixels"):
        train(disc_galaxies(3), PAIR[1], LinearRegression(), features=("bands", "far"), clip=0.02)


def test_a_model_whose_reach_is_a_length(offered, tile, tmp_path):
    def wide(planes):
        sigma = float((100 * u.pc / planes.pixel_scale).to_value(""))
        return {"HE wide": planes.smoothed(sigma).brightness["HE"]}

    offered(wide=ImageFeatureSet(wide, "", "means over 100 pc", 0.3 * u.kpc))
    scale = {"meta": {"pixel_scale": 50 * u.pc}}
    some = disc_galaxies(4, **scale)
    model = train(some, PAIR[1], LinearRegression(), features=("bands", "wide"), clip=0.02)
    assert model.reach(50 * u.pc) == 6 and model.reach(0.1 * u.kpc) == 3
    assert np.isfinite(model.predict(some[0].image, PAIR[1]).data).any()
    # Without the size of a pixel: one error that says what to give.
    for ask in (
        model.reach,
        lambda: model.predict(disc_galaxies(1)[0].image, PAIR[1]),
        lambda: predict_tile(model, tile, tmp_path / "maps.fits"),
        lambda: train(disc_galaxies(3), PAIR[1], features=("bands", "wide")),
    ):
        with pytest.raises(InputError, match="'wide' look 0.3 kpc around.*set_distance, --distance"):
            ask()
    assert not list(tmp_path.iterdir())


def test_two_sets_that_smooth_the_image_are_refused(offered):
    offered(soft=ImageFeatureSet(lambda p: {"s": p.brightness["HE"]}, "", "s", 3, lambda p: p.smoothed(1)))
    with pytest.raises(InputError, match="both smooth the image"):
        train(disc_galaxies(3), PAIR[1], features=("neighbourhood", "soft"))
    # One alone smooths for all sets.
    model = train(disc_galaxies(3), PAIR[1], LinearRegression(), features=("bands", "soft"), clip=0.02)
    assert np.isfinite(model.predict(disc_galaxies(1)[0].image, PAIR[1]).data).any()


@pytest.mark.slow
def test_all_properties_of_the_mock_atlas(atlas):
    from euclid_resolved import read_atlas

    galaxies = read_atlas(atlas)
    forest = RandomForest(n_trees=5, n_jobs=1)
    model = train(galaxies[:9], "all", forest, features=FEATURES)
    assert model.properties == NAMES
    for row in evaluate(model, galaxies[9:]):
        assert row["rmse"].value < 0.5


def test_a_binned_image_is_refused_in_one_sentence(linear):
    image = disc_galaxies(1)[0].image
    binned = MultiBandImage(dict(image), meta={**image.meta, "bins": np.zeros(image.shape, np.int32)})
    with pytest.raises(InputError, match=r"the image is binned.*neighbourhood.*without bin_voronoi"):
        linear.predict_maps(binned)


@pytest.mark.parametrize("halo", ["ab", (1, 2, 3), (-1, 0), (0.5, 0), None, 3])
def test_a_halo_that_is_none_is_one_error(linear, halo):
    with pytest.raises(InputError, match="halo"):
        linear.predict_maps(disc_galaxies(1)[0].image, halo=halo, draws=0)

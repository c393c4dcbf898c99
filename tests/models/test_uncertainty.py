"""Errors of maps: noise drawn again, scatter of fits, and intervals that hold what they say."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import NAMES, UNIT, brightness, galaxies, galaxy, image_of, messages

from euclid_resolved import (
    EUCLID_BANDS,
    Galaxy,
    LinearRegression,
    MultiBandImage,
    Quality,
    RandomForest,
    SpatialMap,
    read,
    train,
    write,
)
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.maps import mean, median, total
from euclid_resolved.models import Interval, Model
from euclid_resolved.models._draws import balanced_noise, balanced_sigma, draw_noise, points_of
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.models._scatter import noise_scatter
from euclid_resolved.training import calibrate, coverage, extract, shared_variance

DENSITY, SHAPE = "stellar_mass_density", (12, 14)


def noisy_image(relative, seed=77, shape=SHAPE):
    """An image whose noise is known; its values are those of `brightness`, without that noise."""
    light = brightness(shape, seed)
    return MultiBandImage(
        {
            band: NDData(values, unit=UNIT, uncertainty=StdDevUncertainty(relative[band] * values))
            for band, values in light.items()
        }
    )


def scattered_galaxy(number, scatter=0.1):
    """A galaxy whose truth scatters about the law that brightness gives."""
    one = galaxy(number)
    factor = 10 ** np.random.default_rng(number).normal(0, scatter, SHAPE)
    maps = {name: SpatialMap(map_.data * factor, property=name) for name, map_ in one.maps.items()}
    return Galaxy(one.name, one.image, maps)


@pytest.fixture(scope="module")
def calibrated():
    """A linear model with intervals, from galaxies whose truth scatters by 0.1 dex."""
    some = [scattered_galaxy(number) for number in range(1, 41)]
    return train(some[:15], NAMES, LinearRegression(), calibration=some[15:], source="scattered")


def test_drawn_noise_in_a_linear_model_is_propagated_noise(linear_model):
    relative = {"IE": 0.02, "YE": 1e-7, "JE": 1e-7, "HE": 0.01}
    map_ = linear_model.predict(noisy_image(relative), DENSITY, draws=300)
    # log density = 1.5 log HE - 0.5 log IE + 1.7
    expected = np.sqrt((1.5 * 0.01) ** 2 + (0.5 * 0.02) ** 2)
    sigma = map_.uncertainty.array / map_.data
    assert np.median(sigma) == pytest.approx(expected, rel=0.01)
    # Independent draws would scatter by 1 / sqrt(2 (n - 1)), which is 0.04: points that balance know better.
    assert sigma.std() / expected < 0.015
    np.testing.assert_array_equal(map_.planes["noise"], map_.uncertainty.array)
    assert map_.uncertainty.unit in (None, map_.unit) and map_.interval is None
    assert map_.meta["uncertainty"].startswith("noise of the image")


def test_draws_repeat_with_their_seed(linear_model):
    image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.05))
    first, again, other = (
        linear_model.predict(image, DENSITY, draws=4, seed=seed).uncertainty.array for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


@pytest.mark.parametrize("block", [1, 7, 64, 167])
def test_draws_do_not_depend_on_how_pixels_are_divided(block):
    light = {band: values.ravel() for band, values in brightness(SHAPE, 5).items()}
    noise = {band: 0.2 * values for band, values in light.items()}

    def estimate(drawn):
        return {"sum": np.log10(sum(drawn.values()))}

    whole = noise_scatter(estimate, light, noise, draws=5)
    parts = noise_scatter(estimate, light, noise, draws=5, block=block)
    np.testing.assert_array_equal(whole["sum"], parts["sum"])


@pytest.mark.parametrize("n_bands", [1, 4, 5])
def test_the_noise_of_a_pixel_does_not_depend_on_which_others_are_drawn(n_bands):
    everything = draw_noise(9, 2, np.arange(200_000), n_bands)
    some = np.array([1, 2, 3, 50, 700, 65_535, 65_536, 131_073, 199_999])
    np.testing.assert_array_equal(draw_noise(9, 2, some, n_bands), everything[some])
    assert draw_noise(9, 2, [], n_bands).shape == (0, n_bands)


def test_a_strip_of_an_image_has_the_noise_of_the_whole(linear_model):
    image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.05))
    whole = linear_model.predict(image, DENSITY, draws=4)
    strip = linear_model.predict(image[5:9], DENSITY, draws=4, first_row=5)
    np.testing.assert_array_equal(strip.planes["noise"], whole.planes["noise"][5:9])


def test_drawn_noise_is_normal_and_independent_between_bands_and_draws():
    drawn = np.array([draw_noise(1, k, np.arange(20_000), 4) for k in range(2)])
    assert abs(drawn.mean()) < 0.01 and drawn.std() == pytest.approx(1, abs=0.01)
    assert np.mean(np.abs(drawn) < 1) == pytest.approx(0.6827, abs=0.005)
    correlation = np.corrcoef(drawn.transpose(0, 2, 1).reshape(8, -1))
    assert np.abs(correlation - np.eye(8)).max() < 0.03


@pytest.mark.parametrize(
    ("draws", "n_bands", "points"), [(2, 1, 8), (32, 4, 16), (40, 3, 24), (9, 6, 16), (32, 10, 32)]
)
def test_points_have_the_moments_of_normal_noise(draws, n_bands, points):
    noise = balanced_noise(3, draws, np.arange(5000), n_bands).astype(float)
    assert noise.shape == (5000, points, n_bands) and points_of(draws, n_bands) == points
    np.testing.assert_allclose(noise.mean(axis=1), 0, atol=1e-6)
    moments = np.einsum("pki,pkj->pij", noise, noise) / points
    np.testing.assert_allclose(moments, np.broadcast_to(np.eye(n_bands), moments.shape), atol=1e-5)
    # Turned at random: what a pixel has in one band says nothing of a fixed direction, whatever the band.
    assert np.abs(noise[:, 0].mean(axis=0)).max() < 5 * noise[:, 0].std() / np.sqrt(5000)
    if points % 16 == 0 and n_bands <= 4:
        assert (noise**4).mean() == pytest.approx(3, abs=0.05)


def test_points_do_not_depend_on_which_other_pixels_are_drawn():
    everything, some = balanced_noise(4, 32, np.arange(3000), 4), np.array([0, 5, 700, 2999])
    np.testing.assert_array_equal(balanced_noise(4, 32, some, 4), everything[some])
    assert (balanced_noise(5, 32, some, 4) != everything[some]).mean() > 0.99


@pytest.mark.slow
def test_few_points_know_the_scatter_as_well_as_twice_as_many_independent_draws():
    """A curved function with steps as trees make, against 20,000 draws of the same noise."""
    rng, n = np.random.default_rng(6), 300
    place, slope = rng.normal(0, 2, (n, 1, 4)), np.array([0.8, -0.5, 0.3, 0.1])

    def estimate(noise):
        at = place + noise
        return at @ slope + 0.1 * at[..., 0] ** 2 + 0.3 * np.floor(2 * at[..., 1]) + 0.2 * (at[..., 2] > 0)

    truth = np.concatenate([estimate(rng.normal(size=(n, 2000, 4))) for _ in range(10)], axis=1).std(axis=1)
    balanced = balanced_sigma(estimate(balanced_noise(1, 32, np.arange(n), 4)), 4) / truth
    independent = estimate(rng.normal(size=(n, 32, 4))).std(axis=1, ddof=1) / truth
    assert balanced.mean() == pytest.approx(1, abs=0.02)
    assert (balanced - 1).std() < 0.6 * (independent - 1).std()


def test_draws_that_have_no_logarithm_end_at_the_faintest_of_training(linear_model):
    # Half of the draws would be negative.
    map_ = linear_model.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.33), seed=1), DENSITY, draws=50)
    assert np.isfinite(map_.uncertainty.array[~map_.mask]).all()


def test_noise_that_an_image_does_not_know_cannot_be_drawn(linear_model):
    image = image_of(brightness(SHAPE, 1))
    with pytest.raises(InputError, match="an uncertainty in every band"):
        linear_model.predict(image, DENSITY, draws=8)
    with pytest.raises(InputError, match="at least 2 draws"):
        linear_model.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.1)), DENSITY, draws=1)


def test_the_spread_of_a_forest_is_the_scatter_of_forests():
    rng = np.random.default_rng(3)
    X = rng.random((3000, 2)).astype(np.float32)
    y = (X[:, 0] + rng.normal(0, 0.3, 3000)).astype(np.float32)
    forests = [RandomForest(n_trees=8, n_jobs=1, seed=seed).fit(X, y) for seed in range(8)]
    new = rng.random((500, 2)).astype(np.float32)
    between = np.std([forest.predict(new) for forest in forests], axis=0, ddof=1)
    within = np.mean([forest.spread(new) for forest in forests], axis=0)
    assert np.sqrt(np.mean(within**2)) == pytest.approx(np.sqrt(np.mean(between**2)), rel=0.1)
    assert LinearRegression().fit(X, y).spread(new) is None


def test_a_forest_tells_its_own_scatter_beside_the_noise(sample):
    model = train(sample, DENSITY, RandomForest(n_trees=5, n_jobs=1))
    map_ = model.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.05), seed=2), DENSITY, draws=4)
    assert set(map_.planes) == {"noise", "model"} and "scatter of the estimator" in map_.meta["uncertainty"]
    total = np.hypot(map_.planes["noise"], map_.planes["model"])
    np.testing.assert_allclose(map_.uncertainty.array, total, rtol=1e-5)


def heteroscedastic(n_galaxies, seed):
    """Differences whose scatter grows where it is faint and where it is noisy, and that galaxies share."""
    rng = np.random.default_rng(seed)
    light, noise, difference, group = [], [], [], []
    for i in range(n_galaxies):
        n = rng.integers(50, 500)
        one = 10 ** rng.uniform(-1.6, 1, n)
        sigma = np.full(n, 10 ** rng.uniform(-3.2, -2.2))
        width = 0.05 + 0.05 * one**-0.3 + sigma / one
        difference.append(rng.normal(0.3 * width, width) + rng.normal(0, 0.03))
        light.append(one)
        noise.append(sigma)
        group.append(np.full(n, i))
    return [np.concatenate(part) for part in (difference, light, noise, group)]


def test_intervals_hold_what_they_say_overall_and_in_bins():
    difference, light, noise, group = heteroscedastic(60, 1)
    interval = Interval.of(difference, light, noise, group)
    difference, light, noise, _ = heteroscedastic(150, 2)
    for level in LEVELS:
        low, high = interval.offsets(light, noise, level)
        inside = (difference >= low) & (difference <= high)
        assert inside.mean() == pytest.approx(level, abs=0.02)
        for quantity in (light, light / noise):
            bins = np.searchsorted(np.quantile(quantity, (0.25, 0.5, 0.75)), quantity)
            for i in range(4):
                assert inside[bins == i].mean() == pytest.approx(level, abs=0.03)
    # One interval for all would not: that is what the bins are for.
    low, high = np.quantile(difference, (0.16, 0.84))
    inside = (difference >= low) & (difference <= high)
    assert abs(inside[light > np.quantile(light, 0.75)].mean() - 0.68) > 0.05


def test_sums_of_the_mean_are_right_where_sums_of_estimates_are_low():
    rng = np.random.default_rng(8)
    n, group = 60_000, np.repeat(np.arange(60), 1000)
    light = 10 ** rng.uniform(-1, 1, n)
    noise = light / 10 ** rng.uniform(0.5, 2, n)
    estimate = np.log10(light) + 2
    truth = estimate + rng.normal(0, 0.25, n)
    interval = Interval.of(truth - estimate, light, noise, group)
    again = estimate + rng.normal(0, 0.25, n)
    low = np.log10(np.sum(10**estimate) / np.sum(10**again))
    right = np.log10(np.sum(10 ** (estimate + interval.to_mean(light, noise))) / np.sum(10**again))
    # Half the variance times ln 10.
    assert low == pytest.approx(-np.log(10) / 2 * 0.25**2, abs=0.01) and abs(right) < 0.01


def test_totals_and_means_add_up_the_mean_and_medians_do_not(calibrated):
    map_ = calibrated.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01)), DENSITY)
    map_.meta["pixel_scale"] = 100 * u.pc
    expected = np.nansum(map_.planes["mean"]) * 1e4
    assert total(map_).value.to_value(u.Msun) == pytest.approx(expected)
    # The scatter of these galaxies is 0.1 dex.
    assert np.log10(expected / np.nansum(map_.data) / 1e4) == pytest.approx(np.log(10) / 2 * 0.01, abs=0.006)
    assert mean(map_).value.value == pytest.approx(np.nanmean(map_.planes["mean"]))
    assert median(map_).value.value == pytest.approx(np.nanmedian(map_.data[~map_.mask]), rel=0.02)


def test_pixels_of_one_brightness_are_one_bin():
    difference, light, noise, group = heteroscedastic(40, 1)
    low, high = Interval.of(difference, np.ones_like(light), 0 * noise, group).offsets(light, noise)
    assert (low < 0).all() and (high > 0).all()


def test_a_file_without_the_mean_still_opens(calibrated):
    tree = calibrated.to_tree()
    for output in tree["outputs"]:
        del output["interval"]["mean"]
    map_ = type(calibrated).from_tree(tree).predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01)), DENSITY)
    assert set(map_.planes) == {"lo", "hi"}


def test_a_galaxy_counts_once_however_large_it_is():
    rng = np.random.default_rng(4)
    difference = np.concatenate([rng.normal(0, 0.1, 3000), rng.normal(0, 1.0, 90_000)])
    group = np.concatenate([np.repeat(np.arange(30), 100), np.full(90_000, 30)])
    light = 10 ** rng.uniform(-1, 1, len(group))
    low, high = Interval.of(difference, light, np.zeros(len(group)), group).offsets(light, 0 * light)
    assert np.median(high - low) == pytest.approx(0.2, rel=0.15)


def test_galaxies_that_err_as_a_whole_make_wider_intervals():
    rng = np.random.default_rng(5)
    group, light = np.repeat(np.arange(12), 400), 10 ** rng.uniform(-1, 1, 4800)
    alone = rng.normal(0, 0.1, 4800)
    together = rng.normal(0, 0.1, 12)[group] + 0.3 * alone
    widths = []
    for difference in (alone, together):
        low, high = Interval.of(difference, light, np.zeros(4800), group).offsets(light, 0 * light, 0.68)
        widths.append(np.median(high - low) / (np.quantile(difference, 0.84) - np.quantile(difference, 0.16)))
    assert widths[0] == pytest.approx(1, abs=0.1) and widths[1] > 1.05


def off_by(one, shift, scatter, seed):
    """A galaxy whose truth is off its law, in dex: the whole of it and each pixel."""
    dex = shift + scatter * np.random.default_rng(seed).permutation(np.resize([-1.0, 1.0], SHAPE))
    maps = {name: SpatialMap(map_.data * 10**dex, property=name) for name, map_ in one.maps.items()}
    return Galaxy(one.name, one.image, maps)


def test_the_shared_part_of_the_variance_is_that_between_galaxies(linear_model, sample):
    """Galaxies off by +-0.1 dex as a whole, and pixels in them by 0.2: 1 / (1 + 4) of the variance."""
    some = [galaxy(number) for number in range(60, 68)]
    both, pixels, whole = (
        [off_by(one, a * (-1) ** i, b, i) for i, one in enumerate(some)]
        for a, b in ((0.1, 0.2), (0.0, 0.2), (0.1, 0.0))
    )
    assert shared_variance(linear_model, both)[DENSITY] == pytest.approx(0.2, abs=0.02)
    assert shared_variance(linear_model, pixels)[DENSITY] == pytest.approx(0, abs=0.02)
    assert shared_variance(linear_model, whole)[DENSITY] == pytest.approx(1, abs=0.02)
    biased = [off_by(one, 0.3 + 0.1 * (-1) ** i, 0.2, i) for i, one in enumerate(some)]
    assert shared_variance(linear_model, biased)[DENSITY] == pytest.approx(0.2, abs=0.02)
    with pytest.raises(InputError, match="trained on G001, G002, G003: measure it on others"):
        shared_variance(linear_model, sample)
    with pytest.raises(InputError, match="at least 5 galaxies are needed, got 3"):
        shared_variance(linear_model, some[:3])


def test_a_calibrated_model_maps_its_interval(calibrated):
    image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01))
    maps = calibrated.predict_maps(image)
    for map_ in maps.values():
        low, high = map_.interval
        good = ~map_.mask
        assert (low[good] < map_.data[good]).all() and (map_.data[good] < high[good]).all()
        np.testing.assert_allclose(map_.uncertainty.array, (high - low) / 2, rtol=1e-5)
        assert map_.meta["interval"] == 0.68 and "calibrated" in map_.meta["uncertainty"]
        # 0.1 dex of scatter
        width = np.nanmedian(np.log10(high / low)) / 2
        assert width == pytest.approx(0.1, rel=0.15)
    wide = calibrated.predict(image, DENSITY, level=0.95)
    assert np.nanmedian(np.log10(wide.interval[1] / wide.interval[0])) / 2 == pytest.approx(0.196, rel=0.15)
    np.testing.assert_array_equal(wide.uncertainty.array, maps[DENSITY].uncertainty.array)
    with pytest.raises(InputError, match="intervals are known for 0.68, 0.95, not for 0.5"):
        calibrated.predict(image, DENSITY, level=0.5)


def test_new_galaxies_lie_in_the_intervals_as_often_as_they_say(calibrated):
    new = [scattered_galaxy(number) for number in range(101, 141)]
    for level in LEVELS:
        for inside in coverage(calibrated, new, level=level).values():
            assert inside.mean() == pytest.approx(level, abs=0.03)


def test_a_fraction_of_the_galaxies_can_be_set_aside(sample):
    some = [scattered_galaxy(number) for number in range(1, 21)]
    model, said = messages(
        lambda: train(some, DENSITY, LinearRegression(), calibration=0.4, seed=3), DataWarning
    )
    assert said == ["intervals calibrated on 8 galaxies only are rough; 20 or more are better"]
    aside, kept = model.training["calibration_galaxies"], model.training["galaxies"]
    assert len(aside) == 8 and sorted(aside + kept) == [one.name for one in some]
    assert model.outputs[DENSITY].interval is not None
    for fraction in (0.0, 1.0, -1.0):
        with pytest.raises(InputError, match="must lie in \\(0, 1\\)"):
            train(some, DENSITY, LinearRegression(), calibration=fraction)


@pytest.mark.slow
def test_galaxies_can_be_left_out_in_turn():
    some = [scattered_galaxy(number) for number in range(1, 41)]
    model = train(some, DENSITY, LinearRegression(), calibration=4)
    assert model.training["galaxies"] == [one.name for one in some]
    assert model.training["calibration_folds"] == 4
    assert model.training["cross_validation"][DENSITY]["rmse"] == pytest.approx(0.1, rel=0.03)
    new = [scattered_galaxy(number) for number in range(101, 131)]
    for level in LEVELS:
        assert coverage(model, new, level=level)[DENSITY].mean() == pytest.approx(level, abs=0.02)
    for n_folds in (1, 41, True):
        with pytest.raises(InputError, match="2 to 40 folds of galaxies"):
            train(some, DENSITY, LinearRegression(), calibration=n_folds)


def test_projections_of_a_galaxy_are_set_aside_together():
    some = []
    for number in range(1, 17):
        one = scattered_galaxy(number)
        some += [Galaxy(f"TNG{number:06d}_O{k}", one.image, one.maps) for k in (1, 2)]
    with pytest.warns(DataWarning):
        model = train(some, DENSITY, LinearRegression(), calibration=0.4)
    aside = {name[:9] for name in model.training["calibration_galaxies"]}
    assert not aside & {name[:9] for name in model.training["galaxies"]}


def test_galaxies_of_the_training_set_or_too_few_do_not_calibrate(linear_model, sample):
    with pytest.raises(InputError, match="the model was trained on G001, G002, G003: calibrate it on others"):
        calibrate(linear_model, sample)
    with pytest.warns(DataWarning), pytest.raises(InputError, match="at least 5 galaxies"):
        calibrate(linear_model, [galaxy(number) for number in range(50, 54)])
    with pytest.raises(InputError, match="has no intervals"):
        coverage(linear_model, sample)


def test_cut_outs_and_products_keep_the_interval_and_sums_drop_it(calibrated):
    map_ = calibrated.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01)), DENSITY)
    cut = map_[2:5, 3:]
    np.testing.assert_array_equal(cut.interval[1], map_.interval[1][2:5, 3:])
    np.testing.assert_allclose((map_ * 2).interval[0], 2 * map_.interval[0])
    np.testing.assert_allclose((map_ / 4).interval[1], map_.interval[1] / 4)
    for other in (map_ + map_, map_ * map_, map_ - 1 * map_.unit, map_ * -1):
        assert other.interval is None and not other.planes


@pytest.mark.parametrize(
    "plane", [{"low": np.ones(SHAPE)}, {"lo": np.ones((2, 2))}, {"lo": np.ones(SHAPE, int)}]
)
def test_planes_that_do_not_fit_are_refused(plane):
    with pytest.raises(InputError, match="planes are floats of shape"):
        SpatialMap(np.ones(SHAPE), property=DENSITY, planes=plane)


@pytest.mark.parametrize("name", ["maps.fits", "maps.asdf"])
def test_files_carry_errors_and_intervals(calibrated, tmp_path, name):
    image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01))
    maps = calibrated.predict_maps(image, draws=3)
    write(tmp_path / name, maps)
    again = read(tmp_path / name)
    assert list(again) == list(maps)
    for key, map_ in maps.items():
        assert set(again[key].planes) == {"lo", "hi", "noise", "mean"}
        for plane, values in map_.planes.items():
            np.testing.assert_array_equal(again[key].planes[plane], values)
        np.testing.assert_array_equal(again[key].uncertainty.array, map_.uncertainty.array)
        assert again[key].meta["interval"] == 0.68
        assert again[key].meta["uncertainty"] == map_.meta["uncertainty"]


def test_fits_calls_the_planes_by_their_map(calibrated, tmp_path):
    from astropy.io import fits

    write(tmp_path / "m.fits", calibrated.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01)), DENSITY))
    with fits.open(tmp_path / "m.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        assert names == [DENSITY.upper() + e for e in ("", "_ERR", "_LO", "_HI", "_MEAN")] + ["QUALITY"]
        assert hdus[2].header["INTERVAL"] == 0.68 and hdus[2].header["BUNIT"] == hdus[0].header["BUNIT"]


def test_a_model_file_carries_its_intervals(calibrated, tmp_path):
    write(tmp_path / "model.asdf", calibrated)
    again = read(tmp_path / "model.asdf")
    assert again.digest == calibrated.digest
    image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01))
    first, second = (model.predict(image, DENSITY, level=0.95) for model in (calibrated, again))
    for one, other in zip(first.interval, second.interval, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(first.quality, second.quality)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("low", lambda a: a[:, :3], "do not fit together"),
        ("brightness", lambda a: a[::-1].copy(), "out of order"),
        ("high", lambda a: a - 9, "out of order"),
        ("low", lambda a: a * np.nan, "not finite"),
        ("levels", lambda a: a + 1, "out of order"),
        ("noise", lambda a: a[0], "do not fit together"),
        ("noise", lambda a: -a, "out of order"),
        ("mean", lambda a: a[1:], "do not fit together"),
        ("mean", lambda a: a * np.inf, "not finite"),
    ],
)
def test_damaged_intervals_are_refused(calibrated, name, damage, message):
    tree = calibrated.to_tree()
    interval = dict(tree["outputs"][0]["interval"])
    if name == "noise" and message == "out of order":
        interval["noise"] = interval["noise"] + np.arange(interval["noise"].shape[1])
    interval[name] = damage(interval[name])
    tree["outputs"][0]["interval"] = interval
    with pytest.raises(InputError, match=message):
        Model.from_tree(tree)


def test_noise_trains_with_the_pixels_and_is_remembered():
    def noisy(number):
        one = galaxy(number)
        image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.05), seed=number)
        return Galaxy(one.name, image, one.maps)

    pixels = extract([noisy(1), galaxy(2), noisy(3)], NAMES)
    known = pixels.noise["HE"] > 0
    np.testing.assert_allclose((pixels.noise["HE"] / pixels.brightness["HE"])[known], 0.05, rtol=1e-5)
    assert known.mean() == pytest.approx(2 / 3) and not extract(galaxies(2), NAMES).noise
    model = train(pixels, DENSITY, LinearRegression())
    assert model.training["signal_to_noise"]["HE"] == [20.0, 20.0, 20.0]
    assert "signal_to_noise" not in train(galaxies(3), DENSITY, LinearRegression()).training


def test_pixels_drowned_in_noise_are_not_judged(linear_model):
    relative = dict.fromkeys(EUCLID_BANDS, 0.05)
    image = noisy_image({**relative, "JE": np.where(np.eye(*SHAPE), 0.4, 0.05)}, seed=1)
    map_ = linear_model.predict(image, DENSITY)
    drowned = np.eye(*SHAPE, dtype=bool)
    np.testing.assert_array_equal((map_.quality & Quality.NOISE) > 0, drowned)
    np.testing.assert_array_equal(map_.mask, drowned)


def test_the_uncertainty_has_the_unit_of_the_map(calibrated):
    map_ = calibrated.predict(noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01)), DENSITY)
    assert map_.unit == u.Msun / u.pc**2 and map_.uncertainty.parent_nddata.unit == map_.unit
    doubled = map_ * 2
    np.testing.assert_allclose(doubled.uncertainty.array, 2 * map_.uncertainty.array, rtol=1e-6)


def whole(number, shift=0.1, scatter=0.2):
    """A galaxy whose truth is off its law as a whole, and in each pixel, in dex."""
    rng = np.random.default_rng(1000 + number)
    one, dex = galaxy(number), rng.normal(0, shift) + rng.normal(0, scatter, SHAPE)
    maps = {name: SpatialMap(map_.data * 10**dex, property=name) for name, map_ in one.maps.items()}
    image = MultiBandImage(one.image, name=one.name, meta={"pixel_scale": 100 * u.pc})
    return Galaxy(one.name, image, maps)


@pytest.fixture(scope="module")
def whole_model():
    some = [whole(number) for number in range(1, 161)]
    return train(some[:40], DENSITY, LinearRegression(), calibration=some[40:])


def test_what_galaxies_share_is_measured_on_their_sums(whole_model):
    """Off by 0.1 dex as a whole and by 0.2 in each pixel: 0.01 / (0.01 + 0.04) of the variance is shared."""
    shared = whole_model.outputs[DENSITY].interval.shared
    # A quantile of 120 galaxies is good to a fifth.
    assert shared == pytest.approx(0.2, abs=0.08)
    map_ = whole_model.predict(whole(500).image)
    assert map_.meta["shared_variance"] == shared
    sigma = map_.uncertainty.array.astype(float)
    expected = np.sqrt(shared * sigma.sum() ** 2 + (1 - shared) * np.sum(sigma**2)) * 1e4
    assert total(map_).error.to_value(u.Msun) == pytest.approx(expected, rel=1e-5)
    assert not total(map_).lower_limit
    assert total(map_, correlated_fraction=0).error < total(map_).error / 4


@pytest.mark.slow
def test_two_thirds_of_true_totals_lie_within_one_sigma(whole_model):
    regions = {"all": None, "half": np.arange(14) < 7, "few": (np.arange(14) > 3) & (np.arange(14) < 6)}
    for name, columns in regions.items():
        where = None if columns is None else np.broadcast_to(columns, SHAPE).copy()
        inside = []
        for number in range(500, 700):
            one = whole(number)
            map_ = whole_model.predict(one.image)
            value = total(map_, where)
            used = ~map_.mask if where is None else where & ~map_.mask
            truth = np.sum(one.maps[DENSITY].data[used]) * 1e4
            inside.append(abs(truth - value.value.to_value(u.Msun)) < value.error.to_value(u.Msun))
        # 200 galaxies give 68 +- 3.3 per cent, what they are held against another 4.
        assert np.mean(inside) == pytest.approx(0.68, abs=0.1), name


def test_a_model_file_carries_what_is_shared_and_an_old_one_does_not_know(whole_model, tmp_path):
    write(tmp_path / "model.asdf", whole_model)
    again = read(tmp_path / "model.asdf")
    assert again.outputs[DENSITY].interval.shared == whole_model.outputs[DENSITY].interval.shared
    assert again.digest == whole_model.digest
    tree = whole_model.to_tree()
    interval = dict(tree["outputs"][0]["interval"])
    tree["outputs"][0]["interval"] = {key: value for key, value in interval.items() if key != "shared"}
    old = Model.from_tree(tree)
    map_ = old.predict(whole(500).image)
    assert "shared_variance" not in map_.meta and total(map_).lower_limit
    for wrong in (-0.1, 1.5, np.nan):
        tree["outputs"][0]["interval"] = interval | {"shared": wrong}
        with pytest.raises(InputError, match="shared part of the variance"):
            Model.from_tree(tree)


def test_errors_that_all_pixels_share_widen_the_interval(calibrated):
    """0.1 dex of scatter and 0.012 dex of dust in the law of the model: in quadrature."""
    from euclid_resolved.imaging import correct_extinction

    image = noisy_image(dict.fromkeys(EUCLID_BANDS, 0.01))
    dusty = correct_extinction(image, 0.0, ebv_error=0.075)
    before, after = calibrated.predict(image, DENSITY), calibrated.predict(dusty, DENSITY)
    # One sigma up and down: IE by a factor 1 +- 0.4 ln 10 x 2.191 x 0.075, HE alike.
    ie, he = (np.arctanh(0.4 * np.log(10) * a * 0.075) / np.log(10) for a in (2.191, 0.472))
    shift = 1.5 * he - 0.5 * ie
    common = after.planes["common"] / after.data / np.log(10)
    assert np.nanmedian(common) == pytest.approx(abs(shift), rel=0.08)  # as well as the law is learned
    both = ~before.mask & ~after.mask
    half = [np.log10(m.interval[1] / m.interval[0])[both] / 2 for m in (before, after)]
    wide = np.hypot(half[0], common[both] * 0.9945)  # the 84 % quantile of a Gaussian
    np.testing.assert_allclose(half[1], wide, rtol=1e-3)
    assert "all pixels share" in after.meta["uncertainty"] and "common" not in before.planes


def test_drawn_noise_is_each_pixels_own(linear_model):
    """2 % of noise, and 5 % that all pixels share: the plane `noise` holds the first, the error both."""
    from euclid_resolved.imaging import correct_extinction

    relative = {"IE": 1e-7, "YE": 1e-7, "JE": 1e-7, "HE": 0.02}
    image = correct_extinction(noisy_image(relative), 0.0, ebv_error=0.03)
    map_ = linear_model.predict(image, DENSITY, draws=300)
    own, common = (np.nanmedian(map_.planes[name] / map_.data) for name in ("noise", "common"))
    assert own == pytest.approx(1.5 * 0.02, rel=0.05)
    assert common == pytest.approx(0.0107, rel=0.03)
    assert np.nanmedian(map_.uncertainty.array / map_.data) == pytest.approx(np.hypot(own, common), rel=0.02)

"""Features of a neighbourhood: known values, scales, noise, and what is refused."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import UNIT, an_image, image_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import correlate

from euclid_resolved import InputError, MultiBandImage, make_features
from euclid_resolved.errors import PluginError
from euclid_resolved.features import ImageFeatureSet, ImagePlanes, _neighbourhood as module, feature_columns
from euclid_resolved.features._image_sets import check_reach, few_neighbours, image_sets, reach_of
from euclid_resolved.features._neighbourhood import REACH, neighbourhood, scales_of, steady_light
from euclid_resolved.features._seeing import look, see
from euclid_resolved.plugins import hookimpl, register, unregister

BANDS = ("IE", "YE", "JE", "HE")


def galaxy_planes(side=64, noise=0.05, seed=1):
    """An exponential disc that falls from 10 MJy/sr to a hundredth of it, with noise."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:side, :side] - side / 2
    light = {band: 10 ** (1 - 3 * np.hypot(y, x) / side) * (1 + 0.2 * k) for k, band in enumerate(BANDS)}
    drawn = {b: (v + noise * rng.standard_normal(v.shape)).astype("f4") for b, v in light.items()}
    sigma = {band: np.full((side, side), noise, "f4") for band in BANDS} if noise else {}
    return ImagePlanes(drawn, sigma), light


@pytest.fixture
def offered():
    """Offer sets of features for the time of a test."""

    def offer(**sets):
        @hookimpl
        def register_features():
            return sets

        register(register_features)

    yield offer
    unregister()


def test_surface_brightness_in_magnitudes():
    planes = ImagePlanes({"HE": np.full((5, 5), 1.0, "f4"), "IE": np.full((5, 5), 2.0, "f4")})
    made = neighbourhood(planes)
    expected = (1 * UNIT * u.arcsec**2).to(u.ABmag).value
    assert expected == pytest.approx(20.47, abs=0.005)
    assert_allclose(made["HE~2"], expected, atol=1e-3)
    assert_allclose(made["IE~4"], expected - 2.5 * np.log10(2), atol=1e-3)
    assert_allclose(made["HE-IE~2"], 2.5 * np.log10(2), atol=1e-3)


def test_columns_of_neighbouring_bands():
    columns = feature_columns(BANDS, "neighbourhood")
    own = ["IE", "YE", "JE", "HE", "IE-YE", "YE-JE", "JE-HE"]
    assert columns == tuple(f"{name}~{scale}" for scale in (2, 4) for name in own)
    assert feature_columns(("HE",), "neighbourhood") == ("HE~2", "HE~4")
    assert {n: len(c) for n, c in scales_of((*BANDS, *columns)).items()} == {
        "pixel": 4,
        "2 pix": 7,
        "4 pix": 7,
    }


def test_means_of_an_image_without_noise_are_those_of_the_kernel():
    planes, _ = galaxy_planes(noise=0)
    made = neighbourhood(planes)
    for sigma in (2, 4):
        light = planes.smoothed(sigma).brightness
        magnitude = -2.5 * np.log10(light["HE"]) + 20.47
        assert_allclose(made[f"HE~{sigma}"], magnitude, atol=6e-3)
    assert steady_light(planes).brightness["HE"] is planes.brightness["HE"]


def test_noisy_pixels_are_smoothed_as_little_as_gives_enough_signal():
    planes, true = galaxy_planes(noise=0.2)
    light = steady_light(planes)
    ratio = {band: planes.brightness[band] / planes.noise[band] for band in BANDS}
    bright = np.min(list(ratio.values()), axis=0) >= 5
    assert 0.2 < bright.mean() < 0.9
    for band in BANDS:
        assert_array_equal(light.brightness[band][bright], planes.brightness[band][bright])
        assert_array_equal(light.noise[band][bright], planes.noise[band][bright])
        faint = ~bright
        assert (light.noise[band][faint] < planes.noise[band][faint]).all()
        before = np.std((planes.brightness[band] - true[band])[faint])
        after = np.std((light.brightness[band] - true[band])[faint])
        assert after < before / 2
    # More pixels can be told from the noise, and what is said of the noise holds.
    enough = np.min([light.brightness[b] / light.noise[b] for b in BANDS], axis=0) >= 3
    assert enough.mean() > 1.1 * (np.min(list(ratio.values()), axis=0) >= 3).mean()


def test_colours_of_what_is_smoothed_stay_true():
    planes, true = galaxy_planes(noise=0.05)
    light = steady_light(planes).brightness
    colour = -2.5 * np.log10(light["IE"] / light["HE"])
    faint = true["IE"] < 0.25
    assert np.median(colour[faint]) == pytest.approx(2.5 * np.log10(1.6), abs=0.03)


def test_all_bands_of_a_pixel_are_smoothed_alike():
    planes, _ = galaxy_planes()
    noisy = dict(planes.noise) | {"YE": np.full(planes.shape, 3.0, "f4")}
    light = steady_light(ImagePlanes(planes.brightness, noisy))
    changed = {band: light.brightness[band] != planes.brightness[band] for band in BANDS}
    for band in BANDS:
        assert_array_equal(changed[band], changed["YE"])
    assert changed["IE"].mean() > 0.5


def test_a_strip_is_bit_for_bit_the_whole():
    planes, _ = galaxy_planes()
    light, around = look(planes, ("neighbourhood",))
    for start, stop in ((0, 9), (20, 21), (50, 64)):
        first, last = max(start - REACH, 0), min(stop + REACH, 64)
        part = ImagePlanes(
            {b: v[first:last] for b, v in planes.brightness.items()},
            {b: v[first:last] for b, v in planes.noise.items()},
        )
        own, columns = look(part, ("neighbourhood",))
        inner = slice(start - first, stop - first)
        for name, plane in around.items():
            assert_array_equal(columns[name][inner], plane[start:stop])
        for band in BANDS:
            assert_array_equal(own.brightness[band][inner], light.brightness[band][start:stop])
            assert_array_equal(own.noise[band][inner], light.noise[band][start:stop])


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 40), (25, 24), (40, 31)])
def test_few_neighbours_of_an_image_without_holes(shape):
    light = np.ones(shape, np.float32)
    count = correlate(np.ones(shape, int), np.ones((25, 25), int), mode="constant")
    assert_array_equal(few_neighbours(ImagePlanes({"HE": light}), 12), 2 * count < 25 * 25)


def test_few_neighbours_where_most_of_the_square_is_missing():
    known = np.ones((40, 40), bool)
    known[:, 20:] = False
    light = np.where(known, 1, np.nan).astype("f4")
    few = few_neighbours(ImagePlanes({"HE": light, "IE": np.ones_like(light)}), 3)
    counted = np.array(
        [[known[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].sum() for x in range(40)] for y in range(40)]
    )
    assert_array_equal(few, 2 * counted < 49)
    assert few[20, 20] and not few[20, 19] and not few[20, 5] and few[0, 0]


def test_features_of_an_image_are_made_of_it():
    image = an_image((20, 20), sigma=0.001)
    where = np.zeros((20, 20), bool)
    where[5, 6] = where[10, 11] = True
    table = make_features(image, ("bands", "neighbourhood"), where=where)
    assert table.columns[:5] == (*BANDS, "IE~2") and table.units[4] == "mag"
    plane = neighbourhood(ImagePlanes.of(image, BANDS))["IE~2"]
    assert_array_equal(table.values[:, 4], plane[where])
    light = {band: image.brightness(band)[where] for band in BANDS}
    with pytest.raises(InputError, match="single pixels are not enough, give the image"):
        make_features(light, ("bands", "neighbourhood"))
    with pytest.raises(InputError, match="1 values for 2 pixels"):
        make_features(light, "neighbourhood", columns=("HE~2",), around={"HE~2": np.ones(1)})


def test_a_reach_that_is_a_length_needs_to_know_the_length_of_a_pixel(offered):
    blurred = lambda planes: {"HE wide": planes.smoothed(1).brightness["HE"]}  # noqa: E731
    offered(far=ImageFeatureSet(blurred, "", "two kpc around", 2 * u.kpc))
    assert reach_of(("bands", "far"), 300 * u.pc) == 7
    assert reach_of(("far", "neighbourhood"), 0.5 * u.kpc) == 12
    for scale in (None, 0.1 * u.arcsec):
        with pytest.raises(InputError, match="'far' look 2.0 kpc around.*set_distance"):
            reach_of(("far",), scale)
    image = an_image((9, 9))
    with pytest.raises(InputError, match="how long a pixel is is not known: give the image a distance"):
        see(image, BANDS, ("far",))
    known = image_of({b: image[b].data for b in BANDS}, meta={"pixel_scale": 500 * u.pc})
    assert see(known, BANDS, ("far",)).around["HE wide"].shape == (9, 9)


def test_two_sets_that_smooth_are_refused(offered):
    offered(soft=ImageFeatureSet(lambda p: {"soft": p.brightness["HE"]}, "", "s", 3, lambda p: p.smoothed(1)))
    with pytest.raises(InputError, match="features neighbourhood and soft both smooth the image; choose one"):
        image_sets(("bands", "neighbourhood", "soft"))
    assert list(image_sets(("bands", "soft"))) == ["soft"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda planes: planes.brightness["HE"], "returned ndarray, a mapping is needed"),
        (lambda planes: {"a": planes.brightness["HE"][0]}, r"of shape \(9,\), float32 of the image's shape"),
        (lambda planes: {"a": np.full(planes.shape, "x")}, "column 'a' has <U1"),
        (lambda planes: {1: planes.brightness["HE"]}, "the name 1 of a column is no text"),
        (lambda planes: {"a": 1 / 0}, "features 'odd': ZeroDivisionError|features 'odd'"),
    ],
)
def test_what_breaks_the_contract_is_named(offered, make, words):
    offered(odd=ImageFeatureSet(make, "", "one line", 3))
    with pytest.raises(PluginError, match=words):
        see(an_image((9, 9)), BANDS, ("odd",)).around_at(np.ones((9, 9), bool))


def test_a_column_that_comes_twice_is_refused(offered):
    offered(again=ImageFeatureSet(lambda p: {"HE~2": p.brightness["HE"]}, "", "one line", 1))
    with pytest.raises(PluginError, match="column 'HE~2' comes twice"):
        look(galaxy_planes()[0], ("neighbourhood", "again"))


@pytest.mark.parametrize(
    ("light", "words"),
    [
        (lambda planes: planes.brightness, "its light is {"),
        (lambda planes: ImagePlanes({"HE": planes.brightness["HE"]}), "its light is <ImagePlanes HE"),
        (lambda planes: 1 / 0, "features 'odd'.*to smooth the image"),
    ],
)
def test_light_that_is_none_is_named(offered, light, words):
    offered(odd=ImageFeatureSet(lambda p: {"a": p.brightness["HE"]}, "", "one line", 3, light))
    with pytest.raises(PluginError, match=words):
        see(an_image((9, 9)), BANDS, ("odd",))


def test_features_that_look_too_far_are_refused_before_training(offered):
    offered(far=ImageFeatureSet(lambda p: {"a": p.smoothed(4).brightness["HE"]}, "", "one line", 2))
    with pytest.raises(PluginError, match="further away than its reach of 2 pixels.*declare more"):
        check_reach(galaxy_planes()[0], ("far",))
    check_reach(galaxy_planes()[0], ("neighbourhood",))


@pytest.mark.parametrize("width", [40, 1100])
def test_pixels_have_the_columns_that_planes_have(width):
    rng = np.random.default_rng(4)
    light = {b: rng.normal(2.0, 1.5, (40, width)).astype("f4") for b in BANDS}
    light["HE"][5:9, 7:30] = np.nan
    image = image_of(light, sigma=rng.uniform(0.2, 2.0, (40, 1)).astype("f4") * np.ones((40, width), "f4"))
    where = rng.random((40, width)) > 0.5
    seen = see(image, BANDS, ("bands", "neighbourhood")).rows(slice(3, 37))
    planes = seen.around
    pixels = seen.around_at(where[3:37])
    assert list(planes) == list(pixels)
    for name, plane in planes.items():
        assert_array_equal(pixels[name], plane[where[3:37]])
    # Narrow images take other code than wide ones, and give the same.
    around, few = planes["HE~4"], seen.few
    narrow = see(image[:, :40], BANDS, ("neighbourhood",)).rows(slice(3, 37))
    assert_array_equal(narrow.few[:, :28], few[:, :28])
    assert_allclose(narrow.around["HE~4"][:, :28], around[:, :28], rtol=1e-5)


def test_blocks_without_signal_are_smoothed_as_far_as_they_are_needed(monkeypatch):
    rng, shape = np.random.default_rng(4), (150, 1600)
    r = np.hypot(*(np.mgrid[: shape[0], : shape[1]] - np.array([75, 300])[:, None, None]))
    light = {b: (20 * np.exp(-r / 20) + rng.normal(0, 0.3, shape)).astype("f4") for b in BANDS}
    planes = ImagePlanes(light, {b: np.full(shape, 0.3, "f4") for b in BANDS})
    promising = module._promising(planes)
    assert promising.shape == (3, 4) and promising[:, 0].all() and not promising[:, 2:].any()
    steady, columns = steady_light(planes), module.neighbourhood(planes)
    assert set(np.unique(module.rungs_of(planes))) == {0, 1, 2, 3}
    monkeypatch.setattr(module, "_promising", lambda planes: None)
    every = planes.forgotten()
    for ours, theirs in ((steady.brightness, steady_light(every).brightness),
                         (steady.noise, steady_light(every).noise),
                         (columns, module.neighbourhood(every))):  # fmt: skip
        for name, plane in theirs.items():
            assert_array_equal(ours[name], plane)


def test_masked_pixels_of_a_column_have_no_value(offered):
    def masked(planes):
        values = np.ma.masked_less(planes.brightness["HE"], 1.0)
        return {"bright": values}

    offered(masked=ImageFeatureSet(masked, "", "one line", 0))
    planes, _ = galaxy_planes(noise=0)
    _, around = look(planes, ("masked",))
    assert_array_equal(np.isnan(around["bright"]), planes.brightness["HE"] < 1)


@pytest.mark.parametrize("dtype", [">f8", "<f8", ">f4"])
def test_every_kind_of_number_gives_the_same_features(dtype):
    values = galaxy_planes(side=24)[0].brightness
    made = []
    for kind in ("<f4", dtype):
        noise = StdDevUncertainty(np.full((24, 24), 0.05, kind))
        bands = {b: NDData(v.astype(kind), unit=UNIT, uncertainty=noise) for b, v in values.items()}
        made.append(see(MultiBandImage(bands), BANDS, ("neighbourhood",)))
    for name, plane in made[0].around.items():
        assert_array_equal(plane, made[1].around[name])


def test_values_below_a_mask_change_nothing():
    data = {band: np.array(v) for band, v in galaxy_planes(side=24)[0].brightness.items()}
    mask = np.zeros((24, 24), bool)
    mask[7:9, 11] = True
    seen = []
    for below in (0.0, 1e30, np.nan):
        for values in data.values():
            values[mask] = below
        image = image_of({b: v.copy() for b, v in data.items()}, masks=dict.fromkeys(BANDS, mask), sigma=0.05)
        seen.append(see(image, BANDS, ("neighbourhood",)))
    for other in seen[1:]:
        for name, plane in seen[0].around.items():
            assert_array_equal(plane, other.around[name])
        for band in BANDS:
            assert_array_equal(seen[0].brightness[band], other.brightness[band])

"""Observed galaxies have the noise, blur, dimming and truth that the recipe says."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from helpers import NAMES, UNIT, an_image, density_map, galaxy, image_of

from euclid_resolved import BANDS, EUCLID_BANDS, Galaxy, MultiBandImage, SpatialMap
from euclid_resolved.errors import InputError
from euclid_resolved.images import image_noise
from euclid_resolved.images._noise import pixel_noise, stack_noise
from euclid_resolved.imaging import observe, observe_atlas
from euclid_resolved.imaging._blur import averaging, kernel_of
from euclid_resolved.imaging._kernels import gaussian_kernel

FAR_PIXEL = 48.0 * u.pc  # about 0.1 arcsec at 100 Mpc
FIELD = (60, 70)


def flat(value=1.0, shape=FIELD, scale=FAR_PIXEL, bands=EUCLID_BANDS):
    """An image of one brightness everywhere."""
    light = {band: np.full(shape, value, np.float32) for band in bands}
    return image_of(light, name="flat", meta={"pixel_scale": scale})


def with_length(one, scale=500 * u.pc):
    """A galaxy whose pixels have a length."""
    image = one.image
    image = MultiBandImage(image, name=image.name, meta={**image.meta, "pixel_scale": scale})
    return Galaxy(one.name, image, one.maps, star_forming=one.star_forming)


@pytest.mark.parametrize(("band", "ratio"), [("IE", 0.66), ("YE", 0.22), ("HE", 0.22)])
def test_pixels_of_mosaics_scatter_less_than_the_rms_map_says(band, ratio):
    # Each stack has its own dithers, and with them its own scatter: many small ones.
    noise = np.array([stack_noise(np.random.default_rng(i), (60, 60), band) for i in range(80)])
    assert noise.std() == pytest.approx(ratio, rel=0.03)
    assert abs(noise.mean()) < 0.02


@pytest.mark.parametrize("band", ["IE", "HE"])
@pytest.mark.parametrize("pixel", [0.1, 0.3, 0.5, 2.0])
def test_means_over_many_pixels_scatter_as_the_rms_map_says(band, pixel):
    n = 20
    noise = np.array([stack_noise(np.random.default_rng(i), (160, 160), band, pixel) for i in range(12)])
    means = noise.reshape(12, 160 // n, n, 160 // n, n).mean(axis=(2, 4))
    # A little less, for the noise of detector pixels on the edges is shared with the neighbours.
    assert 0.88 < means.std() * n < 1.06


@pytest.mark.parametrize(("band", "near", "far"), [("IE", (0.15, 0.4), 0.02), ("HE", (0.8, 0.9), 0.03)])
def test_neighbouring_pixels_are_correlated_and_distant_ones_are_not(band, near, far):
    noise = np.array([stack_noise(np.random.default_rng(i), (150, 150), band) for i in range(6)])

    def correlation(lag):
        return np.mean(noise[..., lag:] * noise[..., :-lag]) / noise.var()

    assert near[0] < correlation(1) < near[1]
    assert abs(correlation(12)) < far


def test_large_pixels_have_the_covariance_of_means_of_small_ones():
    # At four detector pixels the field comes from its covariance instead of from the detector.
    small = np.array([stack_noise(np.random.default_rng(i), (160, 160), "IE", 0.1) for i in range(12)])
    means = small.reshape(12, 40, 4, 40, 4).mean(axis=(2, 4)) * 4
    large = np.array([stack_noise(np.random.default_rng(i), (40, 40), "IE", 0.4) for i in range(120)])
    assert large.std() == pytest.approx(means.std(), rel=0.03)
    neighbours = [np.mean(field[..., 1:] * field[..., :-1]) for field in (means, large)]
    assert neighbours[1] == pytest.approx(neighbours[0], abs=0.02)


def test_the_rms_map_is_sky_and_photons():
    for band in EUCLID_BANDS:
        gain = BANDS[band].gain.value
        assert pixel_noise(0.0, band) == pytest.approx(BANDS[band].sky_rms.value / gain)
        bright = pixel_noise(100.0, band)
        assert bright == pytest.approx(np.sqrt(100 / gain + pixel_noise(0.0, band) ** 2))
        assert pixel_noise(-5.0, band) == pixel_noise(0.0, band)
        # Depth and pixel area stand for each other.
        assert pixel_noise(0.3, band, depth=4.0) == pytest.approx(pixel_noise(0.3, band, pixel=0.2))


def test_what_is_observed_is_brightness_plus_what_its_rms_map_allows():
    image = observe(flat(0.5), 100 * u.Mpc, seed=3)
    for band, ratio in zip(EUCLID_BANDS, (0.66, 0.22, 0.22, 0.22), strict=True):
        expected = 0.5 * (1 + image.meta["redshift"]) ** -3
        sigma = image_noise(image, band)
        np.testing.assert_allclose(sigma, pixel_noise(expected, band), rtol=1e-5)
        pull = (image.brightness(band) - expected) / sigma
        assert pull.std() == pytest.approx(ratio, rel=0.15)
        assert abs(pull.mean()) < 4 / np.sqrt(pull.size)


@pytest.mark.parametrize("redshift", [0.001, 0.01, 0.1])
def test_brightness_falls_with_the_third_power_of_redshift(redshift):
    image = observe(flat(2.0), redshift=redshift, depth=1e16, pixel_scale=None, psf_fwhm=0)
    np.testing.assert_allclose(image.brightness("HE"), 2.0 * (1 + redshift) ** -3, rtol=1e-5)


def test_distance_gives_redshift_and_pixels_their_size():
    image = observe(flat(shape=(40, 40)), 100 * u.Mpc)
    assert image.meta["redshift"] == pytest.approx(0.0223, abs=3e-4)  # H0 = 67.7 km/s/Mpc
    # 48 pc seen from the angular-diameter distance.
    angle = (48 * u.pc / (100 * u.Mpc / 1.0223**2)).to_value(u.dimensionless_unscaled) * u.rad.to(u.arcsec)
    assert image.shape == (int(40 * angle / 0.1),) * 2
    assert image.meta["pixel_scale"].to_value(u.pc) == pytest.approx(48 * 0.1 / angle, rel=1e-3)
    assert observe(flat(), 100 * u.Mpc, redshift=0.0).meta["redshift"] == 0


def test_the_same_seed_gives_the_same_image_and_another_one_does_not():
    first, again, other = (observe(flat(), 50 * u.Mpc, seed=seed, stars=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.brightness("YE"), again.brightness("YE"))
    assert (first.brightness("YE") != other.brightness("YE")).mean() > 0.99
    alone = observe(flat(bands=("YE",)), 50 * u.Mpc, seed=1, stars=5)
    np.testing.assert_array_equal(first.brightness("YE"), alone.brightness("YE"))


@pytest.mark.parametrize(("old", "new"), [(1.0, 2.0), (1.0, 2.7), (1.0, 0.4), (0.3, 0.3), (1.0, 12.0)])
def test_averaging_keeps_what_is_constant_and_what_is_linear(old, new):
    matrix = averaging(12, old, new)
    assert matrix.shape == (int(12 * old / new + 1e-9), 12)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    # Old pixels are flat inside: a slope comes back to within the part of one that is cut.
    centre = (np.arange(12) - 5.5) * old
    expected = (np.arange(matrix.shape[0]) - (matrix.shape[0] - 1) / 2) * new
    np.testing.assert_allclose(matrix @ centre, expected, atol=1e-9 if new % old == 0 else old / 3)


def test_an_image_smaller_than_a_pixel_is_refused():
    with pytest.raises(InputError, match="less than one of"):
        observe(flat(shape=(3, 3)), 100 * u.Mpc, pixel_scale=1 * u.arcsec)


def test_the_psf_keeps_the_flux_and_has_its_width():
    light = np.zeros((101, 101), np.float32)
    light[50, 50] = 1000.0
    point = image_of({"HE": light}, meta={"pixel_scale": 20 * u.pc})
    seen = observe(point, 50 * u.Mpc, redshift=0.0, depth=1e18, pixel_scale=None, psf_fwhm=0.5 * u.arcsec)
    profile = seen.brightness("HE").astype(float)
    assert profile.sum() == pytest.approx(1000, rel=1e-3)
    axis = np.arange(101) - 50
    pixel = seen.meta["angular_pixel_scale"].to_value(u.arcsec)
    fwhm = np.sqrt((profile.sum(axis=0) * axis**2).sum() / 1000) * pixel * np.sqrt(8 * np.log(2))
    assert fwhm == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("length", [10, 24.2, 60])
def test_a_delivered_psf_does_what_a_gaussian_of_its_width_does(length):
    """On pixels smaller than, as large as, and larger than those on which it is delivered."""
    light = np.zeros((61, 61), np.float32)
    light[25:35, 30] = 1000.0
    image = image_of({"HE": light, "IE": light}, meta={"pixel_scale": length * u.pc})
    options = {"redshift": 0.0, "depth": 1e18, "pixel_scale": None}
    # 0.6 arcsec; the sum is set to one, and the light need not lie in the middle.
    stamp = np.pad(7.0 * gaussian_kernel(6.0), ((0, 3), (1, 0)))
    given = observe(image, 50 * u.Mpc, psf={"nisp_h": stamp}, psf_fwhm=0.6, **options)
    usual = observe(image, 50 * u.Mpc, psf_fwhm=0.6, **options)
    np.testing.assert_array_equal(given.brightness("IE"), usual.brightness("IE"))
    found, expected = given.brightness("HE"), usual.brightness("HE")
    assert found.sum() == pytest.approx(expected.sum(), rel=1e-3)
    # Pixels of the stamp make it broader by 1.5 %.
    assert np.abs(found - expected).max() < 0.08 * expected.max()


@pytest.mark.parametrize("fwhm", [0.16, 0.35, 0.9])
@pytest.mark.parametrize("length", [48, 120, 360, 800])
def test_a_psf_narrower_than_a_pixel_blurs_as_much_as_its_width_says(fwhm, length):
    """The variance of a point's light is that of the PSF, on pixels of 0.2 to 3.3 arcsec."""
    light = np.zeros((81, 81), np.float32)
    light[40, 40] = 1000.0
    image = image_of({"HE": light, "IE": light}, meta={"pixel_scale": length * u.pc})
    stamp = gaussian_kernel(fwhm / 0.1)
    options = {"redshift": 0.0, "depth": 1e18, "pixel_scale": None, "psf_fwhm": fwhm * u.arcsec}
    seen = observe(image, 50 * u.Mpc, psf={"HE": stamp}, **options)
    pixel = seen.meta["angular_pixel_scale"].to_value(u.arcsec)
    reach = int(2.5 * fwhm / pixel) + 2  # further out there is noise alone
    near = slice(40 - reach, 41 + reach)
    # What is delivered has been averaged over pixels of 0.1 arcsec.
    wanted = {"IE": (fwhm / np.sqrt(8 * np.log(2))) ** 2, "HE": _variance(stamp)[0] * 0.1**2}
    for band, variance in wanted.items():
        found = seen.brightness(band).astype(float)[near, near]
        assert found.min() > -1e-3 and found.sum() == pytest.approx(1000, rel=1e-3)
        assert np.array(_variance(found)) * pixel**2 == pytest.approx([variance, variance], rel=0.002)


def _variance(light):
    """Along rows and along columns, in pixels."""
    at = np.arange(len(light)) - len(light) // 2
    return [(light.sum(axis=axis) * at**2).sum() / light.sum() for axis in (0, 1)]


def test_a_lopsided_psf_is_not_turned_and_moves_nothing():
    stamp = np.zeros((13, 13))
    stamp[6, 6], stamp[4, 6] = 3.0, 1.0
    kernel = kernel_of(stamp / 4, 0.05)
    y, x = np.indices(kernel.shape) - len(kernel) // 2
    assert len(kernel) % 2 == 1 and kernel.sum() == pytest.approx(1)
    assert [(kernel * y).sum(), (kernel * x).sum()] == pytest.approx([0, 0], abs=0.3)
    assert (kernel * y**3).sum() < -3  # the tail is where it was
    light = np.zeros((21, 21), np.float32)
    light[10, 10] = 1.0
    image = image_of({"HE": light}, meta={"pixel_scale": 24.24 * u.pc})
    seen = observe(image, 50 * u.Mpc, redshift=0.0, depth=1e18, pixel_scale=None, psf={"HE": stamp})
    assert seen.brightness("HE")[8, 10] > 0.1 > 0.01 > abs(seen.brightness("HE")[12, 10])


def test_true_maps_are_averaged_by_area_and_by_mass():
    mass = np.array([[1.0, 3.0], [0.0, 4.0]])
    age = np.array([[2.0, 6.0], [9.0, 1.0]])
    image = flat(shape=(2, 2), scale=100 * u.pc)
    maps = {
        "stellar_mass_density": density_map(np.where(mass > 0, mass, np.nan)),
        "stellar_age": SpatialMap(age, property="stellar_age"),
    }
    two = (200 * u.pc / (10 * u.Mpc)).to_value(u.dimensionless_unscaled) * u.rad
    seen = observe(Galaxy("G", image, maps), 10 * u.Mpc, redshift=0.0, pixel_scale=two)
    truth = seen.maps
    assert seen.image.shape == truth["stellar_age"].data.shape == (1, 1)
    assert truth["stellar_mass_density"].data[0, 0] == pytest.approx(2.0)
    assert truth["stellar_age"].data[0, 0] == pytest.approx((2 * 1 + 6 * 3 + 1 * 4) / 8)


def test_a_mean_over_all_pixels_survives_rebinning():
    one = with_length(galaxy(1, shape=(48, 48)), 100 * u.pc)
    seen = observe(one, 20 * u.Mpc, redshift=0.0, depth=1e16, pixel_scale=2.0626 * u.arcsec, psf_fwhm=0)
    for band in EUCLID_BANDS:
        light = one.image.brightness(band).mean()
        assert seen.image.brightness(band).mean() == pytest.approx(light, rel=1e-4)
    mass = one.maps["stellar_mass_density"].data.mean()
    assert seen.maps["stellar_mass_density"].data.mean() == pytest.approx(mass, rel=1e-4)


def test_galaxies_are_observed_when_they_are_looked_at():
    looked = []

    def image():
        looked.append(1)
        return with_length(galaxy(3)).image

    one = Galaxy("G003", image, galaxy(3).maps, star_forming=True)
    seen = observe(one, 60 * u.Mpc, pixel_scale=None)
    assert not looked and seen.name == "G003" and seen.star_forming is True
    picture, maps = seen.load()
    assert picture.shape == (12, 14) and set(maps) == set(NAMES)
    np.testing.assert_array_equal(maps["stellar_age"].data, galaxy(3).maps["stellar_age"].data)


def test_each_galaxy_draws_its_own_distance_and_depth():
    some = [with_length(galaxy(number)) for number in range(1, 9)]
    seen = observe_atlas(some, (20, 100) * u.Mpc, depth=(0.01, 1.0), seed=5)
    drawn = {one.name: one.meta["observation"] for one in seen}
    assert all(20 * u.Mpc <= o.distance <= 100 * u.Mpc and 0.01 <= o.depth <= 1 for o in drawn.values())
    assert len({float(o.depth) for o in drawn.values()}) == 8
    again = observe_atlas(some[::-1], (20, 100) * u.Mpc, depth=(0.01, 1.0), seed=5)
    assert {one.name: one.meta["observation"] for one in again} == drawn
    fixed = observe_atlas(some, (20, 100) * u.Mpc, depth=1.0, seed=5)
    assert [o.meta["observation"].distance for o in fixed] == [o.meta["observation"].distance for o in seen]


def test_bright_stars_are_masked_and_stars_shine():
    empty, starry = (
        observe(flat(0.1, (200, 200)), 100 * u.Mpc, stars=stars, seed=2) for stars in (0.0, 90.0)
    )
    assert not empty.mask().any()
    for band in EUCLID_BANDS:
        masked = starry.mask(band)
        assert 0 < masked.mean() < 0.5
        assert starry.brightness(band)[masked].mean() > empty.brightness(band).mean() + 0.02
        rest = starry.brightness(band)[~masked].mean() - empty.brightness(band)[~masked].mean()
        assert abs(rest) < pixel_noise(0.0, band)


def test_residual_sky_is_a_constant_and_a_slope():
    many = [observe(flat(0.2, (20, 20)), 100 * u.Mpc, background=0.5, seed=s, depth=100) for s in range(40)]
    offsets = [one.brightness("HE").mean() - 0.2 * (1 + one.meta["redshift"]) ** -3 for one in many]
    assert np.std(offsets) == pytest.approx(0.5 * pixel_noise(0.0, "HE", depth=100), rel=0.4)


def test_masked_pixels_spread_to_those_that_hold_them():
    masks = {"HE": np.zeros((8, 8), bool)}
    masks["HE"][0, 0] = True
    light = {band: np.ones((8, 8), np.float32) for band in EUCLID_BANDS}
    light["HE"][0, 0] = np.nan
    image = image_of(light, masks=masks, meta={"pixel_scale": 100 * u.pc})
    seen = observe(image, 10 * u.Mpc, redshift=0.0, pixel_scale=2 * 2.06264 * u.arcsec)
    assert seen.shape == (4, 4) and seen.mask("HE").sum() == 1 and seen.mask("HE")[0, 0]
    assert not seen.mask("IE").any() and np.isfinite(seen.brightness("HE")).all()


def test_the_noise_that_an_image_knows_is_one_sigma_in_its_unit():
    data = np.ones((2, 2), np.float32)
    cases = (
        (None, None),
        (UnknownUncertainty(data), None),
        (StdDevUncertainty(data * 2), 2.0),
        (VarianceUncertainty(data * 9), 3.0),
    )
    for uncertainty, expected in cases:
        image = MultiBandImage({"HE": NDData(data, unit=UNIT, uncertainty=uncertainty)})
        sigma = image_noise(image, "HE")
        assert sigma is None if expected is None else np.allclose(sigma, expected)
    in_jansky = NDData(data, unit=u.Jy / u.sr, uncertainty=StdDevUncertainty(data * 1e6))
    np.testing.assert_allclose(image_noise(MultiBandImage({"HE": in_jansky}), "HE"), 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "distance or redshift is needed"),
        ({"distance": 0.01 * u.Mpc}, "between 0.1 and 3000 Mpc"),
        ({"distance": 10 * u.s}, "between 0.1 and 3000 Mpc"),
        ({"distance": 10 * u.s, "redshift": 0.0}, "between 0.1 and 3000 Mpc"),
        ({"distance": 0.01 * u.Mpc, "redshift": 0.0}, "between 0.1 and 3000 Mpc"),
        ({"redshift": -0.1}, "between 0 and 1"),
        ({"redshift": 0.0}, "the distance has to be given"),
        ({"distance": 10 * u.Mpc, "depth": 0}, "depth must be a number above 0, got 0"),
        ({"distance": 10 * u.Mpc, "stars": -1}, "stars must be a number of at least 0, got -1"),
        ({"distance": 10 * u.Mpc, "pixel_scale": np.nan * u.arcsec}, "pixel_scale must be a number above 0"),
    ],
)
def test_an_impossible_observation_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        observe(flat(), **options)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (0.3, "psf is one array a band"),
        ({"HE": np.zeros((5, 5))}, "band HE: its PSF has a sum of 0"),
        ({"HE": np.ones(5)}, "band HE: a PSF is a 2-D array"),
    ],
)
def test_a_psf_that_is_none_is_refused(psf, message):
    with pytest.raises(InputError, match=message):
        observe(flat(), 50 * u.Mpc, psf=psf)


def test_what_cannot_be_observed_is_refused():
    with pytest.raises(InputError, match="Galaxy or MultiBandImage is needed, got ndarray"):
        observe(np.ones((3, 3)), 10 * u.Mpc)
    with pytest.raises(InputError, match="needs meta\\['pixel_scale'\\], the length"):
        observe(an_image(), 10 * u.Mpc)
    other = image_of({"LSST_g": np.ones((3, 3), np.float32)}, meta={"pixel_scale": 1 * u.kpc})
    with pytest.raises(InputError, match="noise of band LSST_g is not known: give sky_rms={'LSST_g': ...}"):
        observe(other, 10 * u.Mpc)
    with pytest.raises(InputError, match="no typical width of the PSF is known for band LSST_g: give psf_"):
        observe(other, 10 * u.Mpc, sky_rms={"LSST_g": 0.01})
    with pytest.raises(InputError, match="sky_rms must be .*, got"):
        observe(other, 10 * u.Mpc, sky_rms={"LSST_g": 1 * u.arcsec})
    with pytest.raises(InputError, match="sky_rms is one value a band"):
        observe(other, 10 * u.Mpc, sky_rms=0.01)
    unknown = image_of({"CAM_x": np.ones((3, 3), np.float32)}, meta={"pixel_scale": 1 * u.kpc})
    with pytest.raises(InputError, match="nothing is known of the detector of band CAM_x; a plugin can tell"):
        observe(unknown, 10 * u.Mpc, sky_rms={"CAM_x": 0.01})


def test_bands_from_the_ground():
    """Sky noise only, correlated by its resampling, and the four bands of Euclid as without them."""
    bands = ("MEGACAM_u", "HSC_g", "LSST_r", *EUCLID_BANDS)
    options = {"psf_fwhm": {"r_lsst": 0.7}, "sky_rms": {"LSST_r": 0.006 * u.MJy / u.sr}, "seed": 3}
    image = observe(flat(0.5, bands=bands), 100 * u.Mpc, depth=4, **options)
    alone = observe(flat(0.5), 100 * u.Mpc, depth=4, seed=3)
    for band in EUCLID_BANDS:
        np.testing.assert_array_equal(image[band].data, alone[band].data)
    for band, sky in (("MEGACAM_u", 0.0313), ("HSC_g", 0.00496), ("LSST_r", 0.006)):
        np.testing.assert_allclose(image_noise(image, band), sky / 2, rtol=1e-5)
        light = image.brightness(band)
        assert light.mean() == pytest.approx(0.5 * (1 + image.meta["redshift"]) ** -3, abs=sky / 20)
        assert 0.22 < light.std() / (sky / 2) < 0.66

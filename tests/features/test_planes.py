"""Smoothing of images with missing pixels, and the noise of what is smoothed."""

import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import UNIT, an_image, image_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import correlate

from euclid_resolved import InputError, MultiBandImage
from euclid_resolved.features import ImagePlanes
from euclid_resolved.features._convolving import convolved
from euclid_resolved.features._planes import gaussian_taps, kernel_radius, shared_noise
from euclid_resolved.features._points import mixing_of
from euclid_resolved.models._scatter import correlating_kernel


def planes_of(values, noise=None, correlation=None):
    values = np.asarray(values, np.float32)
    sigma = {} if noise is None else {"HE": np.broadcast_to(np.float32(noise), values.shape)}
    return ImagePlanes({"HE": values}, sigma, {} if correlation is None else {"HE": correlation})


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 4.0])
def test_a_point_source_becomes_the_kernel(sigma):
    side = 2 * kernel_radius(sigma) + 9
    light = np.zeros((side, side))
    light[side // 2, side // 2] = 100
    smooth = planes_of(light).smoothed(sigma).brightness["HE"]
    y, x = np.mgrid[:side, :side] - side // 2
    gauss = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    inside = np.maximum(abs(x), abs(y)) <= kernel_radius(sigma)
    gauss = np.where(inside, gauss, 0)
    # Where the whole kernel is in the image: towards the edge there are fewer pixels to mean over.
    middle = slice(side // 2 - 4, side // 2 + 5)
    assert_allclose(smooth[middle, middle], (100 * gauss / gauss.sum())[middle, middle], rtol=1e-4)
    assert smooth[~inside].max(initial=0) == 0


def test_the_kernel_ends_where_it_says():
    for sigma in (0.3, 1, 2, 4):
        taps = gaussian_taps(sigma)
        assert len(taps) == 2 * kernel_radius(sigma) + 1 and taps.sum() == pytest.approx(1)
        assert kernel_radius(sigma) >= 3 * sigma


def test_masked_neighbours_are_left_out_of_the_mean():
    light = np.full((21, 21), 3.0)
    light[8:12, 9:14] = np.nan
    light[0, 0] = np.nan
    smooth = planes_of(light).smoothed(2).brightness["HE"]
    assert_allclose(smooth, 3, rtol=1e-6)
    # Beside a step, what is left out does not count: the mean of the known ones.
    light = np.full((1, 9), 1.0)
    light[0, 5:] = np.nan
    assert_allclose(planes_of(light).smoothed(1).brightness["HE"][0, :6], 1, rtol=1e-6)


def test_nothing_known_nearby_gives_no_value():
    light = np.full((40, 40), np.nan)
    light[0, 0] = 1
    smooth = planes_of(light).smoothed(2).brightness["HE"]
    assert np.isfinite(smooth[:4, :4]).all() and np.isnan(smooth[8:]).all() and np.isnan(smooth[:, 8:]).all()
    assert np.isnan(planes_of(np.full((3, 3), np.nan)).smoothed(1).brightness["HE"]).all()


@pytest.mark.parametrize("correlation", [None, np.array([[0.3, 0.5, 0.3], [0.5, 1, 0.5], [0.3, 0.5, 0.3]])])
@pytest.mark.parametrize("sigmas", [(0.0, 2.0, 4.0), (1.0, 2.0, 4.0), (2.0, 4.0), (4.0,)])
def test_two_numbers_a_band_tell_the_noise_of_all_its_means(sigmas, correlation):
    light = np.ones((3, 3), np.float32)
    (mixing,) = mixing_of(planes_of(light, 1, correlation), sigmas)
    assert mixing.shape == (len(sigmas), min(len(sigmas), 2))
    found = mixing @ mixing.T
    assert_allclose(np.diag(found), 1, rtol=1e-12)
    assert_allclose(found, shared_noise(sigmas, correlation), atol=0.2)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_noise_of_means_is_the_scatter_of_means_of_white_noise(sigma):
    rng, known = np.random.default_rng(1), np.random.default_rng(2).random((60, 60)) > 0.2
    level = rng.uniform(0.5, 2.0, (60, 60)).astype(np.float32)
    runs = []
    for _ in range(300):
        light = np.where(known, level * rng.standard_normal((60, 60)), np.nan).astype(np.float32)
        planes = planes_of(light, level)
        runs.append(planes.smoothed(sigma).brightness["HE"])
    said = planes.smoothed(sigma).noise["HE"]
    ratio = np.std(runs, axis=0) / said
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert 0.8 < ratio.min() and ratio.max() < 1.25  # each within 4 % or so


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_noise_of_means_of_correlated_noise(sigma):
    correlation = correlate(np.pad(np.ones((3, 3)) / 9, 2), np.ones((3, 3)), mode="constant")
    assert correlation.shape == (7, 7) and correlation.max() == pytest.approx(1)
    kernel = correlating_kernel(correlation)
    rng, runs = np.random.default_rng(1), []
    for _ in range(300):
        light = 0.7 * correlate(rng.standard_normal((60, 60)), kernel, mode="wrap")
        planes = planes_of(light, 0.7, correlation)
        runs.append(planes.smoothed(sigma).brightness["HE"])
    inner = slice(15, 45)
    said = planes.smoothed(sigma).noise["HE"][inner, inner]
    assert np.std(runs, axis=0)[inner, inner].mean() == pytest.approx(said.mean(), rel=0.05)
    alone = planes_of(light, 0.7).smoothed(sigma).noise["HE"][inner, inner]
    assert said.mean() > 1.5 * alone.mean()


def test_pixels_whose_noise_is_not_known_do_not_count_where_others_is():
    light = np.ones((9, 9))
    light[4, 4] = 50
    noise = np.full((9, 9), 0.1)
    noise[4, 4] = np.nan
    smooth = planes_of(light, noise).smoothed(1)
    assert_allclose(smooth.brightness["HE"], 1, rtol=1e-6)
    assert np.isfinite(smooth.noise["HE"]).all()


def test_planes_of_an_image():
    light = an_image()
    masks = {"HE": np.zeros(light.shape, bool)}
    masks["HE"][2, 3] = True
    data = {band: np.array(light[band].data) for band in light}
    data["IE"][4, 5] = np.inf
    image = image_of(data, masks=masks, sigma=0.01)
    planes = ImagePlanes.of(image, ("IE", "HE"))
    assert planes.bands == ("IE", "HE") and planes.shape == image.shape and planes.pixel_scale is None
    assert np.isnan(planes.brightness["HE"][2, 3]) and np.isnan(planes.brightness["IE"][4, 5])
    assert sum(np.isnan(values).sum() for values in planes.brightness.values()) == 2
    for values in (*planes.brightness.values(), *planes.noise.values()):
        with pytest.raises(ValueError, match="read-only"):
            values[0, 0] = 1
    assert "noise known" in repr(planes) and "noise not known" in repr(ImagePlanes.of(light, ("HE",)))
    assert image["HE"].data[2, 3] == light["HE"].data[2, 3]


@pytest.mark.parametrize("dtype", [">f8", ">f4", "<f8", "<i2"])
def test_every_kind_of_number_gives_the_same_planes(dtype):
    values = np.arange(1, 31).reshape(5, 6)
    made = []
    for kind in ("<f4", dtype):
        nddata = NDData(values.astype(kind), unit=UNIT, uncertainty=StdDevUncertainty(np.ones((5, 6), kind)))
        made.append(ImagePlanes.of(MultiBandImage({"HE": nddata}), ("HE",)).smoothed(1))
    for one, other in ((made[0].brightness, made[1].brightness), (made[0].noise, made[1].noise)):
        assert_array_equal(one["HE"], other["HE"])
        assert other["HE"].dtype == np.float32 and other["HE"].dtype.isnative


def test_noise_known_in_some_bands_only_is_not_known():
    data = an_image()
    bands = {band: data[band] for band in ("IE", "HE")}
    noise = StdDevUncertainty(np.full(data.shape, 0.1, "f4"))
    bands["HE"] = NDData(data["HE"].data, unit=UNIT, uncertainty=noise)
    assert ImagePlanes.of(MultiBandImage(bands), ("IE", "HE")).noise == {}
    assert list(ImagePlanes.of(MultiBandImage(bands), ("HE",)).noise) == ["HE"]


def test_smoothing_is_kept_and_checked():
    planes = planes_of(np.ones((5, 5)))
    assert planes.smoothed(2) is planes.smoothed(2.0) and planes.smoothed(0) is planes
    for wrong in (-1, np.nan, "wide", 1e9):
        with pytest.raises(InputError, match="sigma"):
            planes.smoothed(wrong)
    brighter = planes.with_brightness({"HE": np.full((5, 5), 2.0, "f4")})
    assert_allclose(brighter.smoothed(2).brightness["HE"], 2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3)])
def test_images_smaller_than_the_kernel(shape):
    smooth = planes_of(np.full(shape, 2.0), 0.5).smoothed(4)
    assert_allclose(smooth.brightness["HE"], 2, rtol=1e-6)
    n = shape[0] * shape[1]
    assert_allclose(smooth.noise["HE"], 0.5 / np.sqrt(n), rtol=0.1 if max(shape) > 3 else 0.05)


@pytest.mark.parametrize("width", [0.0, 1.0])
def test_the_noise_of_means_is_correlated_as_said(width):
    """White noise, and noise that a Gaussian has spread over its neighbours."""
    noise = np.random.default_rng(1).normal(size=(500, 500)).astype(np.float32)
    correlation = None
    if width:
        taps = gaussian_taps(width)
        noise = convolved(noise, taps)
        own = np.correlate(taps, taps, mode="full")
        correlation = np.outer(own, own) / own.max() ** 2
    planes = ImagePlanes({"HE": noise})
    means = [
        planes.smoothed(sigma).brightness["HE"][20:-20, 20:-20].ravel() for sigma in (0.0, 1.0, 2.0, 4.0)
    ]
    said = shared_noise((0.0, 1.0, 2.0, 4.0), correlation)
    np.testing.assert_allclose(np.corrcoef(means), said, atol=0.02)

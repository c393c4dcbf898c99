"""Stated errors against the scatter of drawn noise, through chains of steps; errors that all pixels share."""

import sys
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from euclid_resolved import MultiBandImage
from euclid_resolved.images import common_errors, image_noise, noise_correlation
from euclid_resolved.imaging import (
    bin_voronoi,
    correct_extinction,
    match_psf,
    resample,
    set_distance,
    subtract_background,
)

UNIT = u.MJy / u.sr
LEVEL = 3.0


def stamp(width):
    return gaussian_filter(np.pad([[1.0]], 20), width)


PSFS = {"IE": stamp(1.2), "HE": stamp(2.5)}


class Blocks:
    """Stands for PowerBin: cells of one size about places of a shaken grid."""

    def __init__(self, places, capacity, target, **_):
        middle = np.median(places, axis=0)
        for side in range(1, 40):
            inside = np.flatnonzero((np.abs(places - middle) < side / 2 + 0.01).all(axis=1))
            if len(inside) and capacity(inside) >= target:
                break
        low, high = places.min(axis=0), places.max(axis=0)
        grid = np.meshgrid(*(np.arange(a, b, side) for a, b in zip(low, high, strict=True)))
        grid = np.stack(grid, axis=-1).reshape(-1, 2) + side / 2
        grid += np.random.default_rng(0).uniform(-0.25, 0.25, grid.shape) * side
        self.bin_num = cKDTree(grid).query(places)[1]


@pytest.fixture
def blocks(monkeypatch):
    monkeypatch.setitem(sys.modules, "powerbin", SimpleNamespace(PowerBin=Blocks))


def flat(seed, n=240, sigma=0.5):
    rng = np.random.default_rng(seed)
    error = StdDevUncertainty(np.full((n, n), sigma))
    bands = {band: NDData(rng.normal(LEVEL, sigma, (n, n)), unit=UNIT, uncertainty=error) for band in PSFS}
    return MultiBandImage(bands, meta={"pixel_scale": 0.1 * u.arcsec})


def ratio(images, band):
    """Stated over measured errors, over several images."""
    stated, measured = [], []
    for image in images:
        good = ~image.mask(band)
        stated.append(image[band].uncertainty.array[good] ** 2.0)
        measured.append((image.brightness(band)[good] - LEVEL) ** 2.0)
    return np.sqrt(np.mean(np.concatenate(stated)) / np.mean(np.concatenate(measured)))


CHAINS = {
    "psf": lambda image: match_psf(image, psf=PSFS),
    "psf, 2": lambda image: resample(match_psf(image, psf=PSFS), 2),
    "psf, 3.7": lambda image: resample(match_psf(image, psf=PSFS), 3.7),
    "psf, 8": lambda image: resample(match_psf(image, psf=PSFS), 8),
    "psf, 3, 3": lambda image: resample(resample(match_psf(image, psf=PSFS), 3), 3),
    "2, psf, 4": lambda image: resample(match_psf(resample(image, 2), psf=PSFS), 4),
    "psf, psf, 2": lambda image: resample(match_psf(match_psf(image, psf=PSFS), psf=PSFS), 2),
    "psf, bins": lambda image: bin_voronoi(match_psf(image, psf=PSFS), 30, smoothing=8),
    "psf, 3, bins": lambda image: bin_voronoi(resample(match_psf(image, psf=PSFS), 3), 60),
    "psf, bins, 4": lambda image: resample(bin_voronoi(match_psf(image, psf=PSFS), 30, smoothing=8), 4),
    "bins, 10": lambda image: resample(bin_voronoi(image, 30), 10),
}


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_the_stated_error_is_the_measured_scatter(blocks, chain):
    images = [CHAINS[chain](flat(seed)) for seed in range(3)]
    assert ratio(images, "IE") == pytest.approx(1, abs=0.1)


def test_pixels_of_a_bin_are_one_for_whoever_averages_them(blocks):
    """White noise of 0.5, binned or not: a mean over 40 x 40 pixels, many bins, is off by 0.5 / 40."""
    before = flat(1)
    after = resample(bin_voronoi(before, 30), 40)
    assert_allclose(np.median(after["HE"].uncertainty.array), 0.5 / 40, rtol=0.25)
    assert "bins" not in after.meta


def galaxy(ny=80, nx=80):
    y, x = np.indices((ny, nx))
    light = 1 + 10 * np.exp(-np.hypot(x - nx / 2, y - ny / 2) / 10)
    error = StdDevUncertainty(np.full(light.shape, 0.02))
    bands = {band: NDData(light, unit=UNIT, uncertainty=error) for band in ("IE", "HE")}
    return MultiBandImage(bands, meta={"pixel_scale": 0.1 * u.arcsec})


def test_the_error_of_dust_is_the_same_in_every_pixel_however_large(blocks):
    """0.4 ln 10 x 2.191 x 0.01734 = 3.50 % in IE, of 1600 pixels together as of each."""
    image = correct_extinction(galaxy(), 0.02, ebv_error=0.01734)
    for out in (image, resample(image, 40), resample(resample(image, 4), 10), bin_voronoi(image, 600)):
        good = ~out.mask()
        relative = out["IE"].uncertainty.array[good] / out.brightness("IE")[good]
        own = image_noise(out, "IE", common=False)[good] / out.brightness("IE")[good]
        assert_allclose(relative, np.hypot(0.035, own), rtol=2e-3)
    for factor in (4, 40):
        out = resample(image, factor)
        assert_allclose(out["IE"].uncertainty.array / out.brightness("IE"), 0.035, rtol=0.02)
    own = image_noise(resample(image, 40), "IE", common=False)
    brighter = 10 ** (0.4 * 2.191 * 0.02)
    assert_allclose(own, 0.02 * brighter / 40, rtol=0.05)
    # The bands are off together.
    errors = common_errors(resample(image, 40))
    assert set(errors) == {"extinction"} and set(errors["extinction"]) == {"IE", "HE"}


def test_the_error_of_the_sky_is_the_same_in_every_pixel_however_large():
    rng = np.random.default_rng(1)
    error = StdDevUncertainty(np.full((160, 160), 0.1))
    bands = {band: NDData(rng.normal(0.5, 0.1, (160, 160)), unit=UNIT, uncertainty=error) for band in PSFS}
    image = subtract_background(MultiBandImage(bands, meta={"pixel_scale": 0.1 * u.arcsec}))
    level = image.meta["history"][-1]["measured"]["IE"]["level_error"]
    assert_allclose(image["IE"].uncertainty.array, np.hypot(0.1, level), rtol=1e-5)
    large = resample(image, 40)
    assert_allclose(large["IE"].uncertainty.array, np.hypot(0.1 / 40, level), rtol=0.02)
    # Another level takes the first one's error off; brighter by a factor, its error is, too.
    again = set_distance(subtract_background(image), redshift=0.1)
    second = again.meta["history"][-2]["measured"]["IE"]["level_error"]
    assert_allclose(again["IE"].uncertainty.array, 1.1**3 * np.hypot(0.1, second), rtol=1e-5)
    assert set(common_errors(again)) == {"background IE", "background HE"}
    assert_allclose(common_errors(again)["background IE"]["IE"], 1.1**3 * second, rtol=1e-6)
    matched = match_psf(image, psf=PSFS)
    good = ~matched.mask("IE")
    assert matched["IE"].uncertainty.array[good].min() > level


def test_an_image_as_it_was_read_has_no_record():
    image = flat(1)
    assert noise_correlation(image, "IE").tolist() == [[1.0]] and common_errors(image) == {}
    assert "noise" not in resample(image, 4)["IE"].meta

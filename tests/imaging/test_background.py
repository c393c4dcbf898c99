"""The sky: an injected level is found within its error, whatever the galaxy, the noise and the sign."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved.imaging import history, subtract_background

UNIT = u.MJy / u.sr
NOISE = 0.01


def disc(n=160, h=10.0, centre=(80, 80), peak=1.0):
    y, x = np.indices((n, n))
    return peak * np.exp(-np.hypot(x - centre[0], y - centre[1]) / h)


def scene(level, seed=1, correlated=False, galaxy=None, n=160, mask=None):
    rng = np.random.default_rng(seed)
    bands = {}
    for band, sky in level.items():
        noise = rng.normal(0, NOISE, (n, n))
        if correlated:  # the pixel scatter falls, the scatter of large averages stays
            noise = gaussian_filter(noise, 1.5)
        data = (disc(n) if galaxy is None else galaxy) + sky + noise
        error = StdDevUncertainty(np.full((n, n), NOISE))
        bands[band] = NDData(data.astype("f4"), unit=UNIT, uncertainty=error, mask=mask)
    return MultiBandImage(bands)


@pytest.mark.parametrize("correlated", [False, True])
def test_injected_constant_is_found_within_its_error(correlated):
    pulls = []
    for seed in range(12):
        # Without a galaxy, so that its wings are no part of the test.
        image = scene({"IE": 0.05, "HE": -0.2}, seed, correlated, galaxy=0.0)
        measured = history(subtract_background(image))[-1]["measured"]
        for band, true in (("IE", 0.05), ("HE", -0.2)):
            pulls.append((measured[band]["level"] - true) / measured[band]["level_error"])
    assert 0.5 < np.std(pulls) < 1.4 and abs(np.mean(pulls)) < 0.7


def test_correlated_noise_makes_the_level_less_certain():
    # Divided by the root of the number of pixels the error would be several times too small.
    image = scene({"IE": 0.0}, correlated=True, galaxy=0.0)
    record = history(subtract_background(image))[-1]["measured"]["IE"]
    assert record["level_error"] > 2.5 * record["pixel_scatter"] / np.sqrt(record["n_pixels"])


@pytest.mark.parametrize("level", [0.3, -0.3])
def test_with_a_galaxy(level):
    image = scene({"IE": level, "HE": level / 3})
    out = subtract_background(image)
    for band, true in (("IE", level), ("HE", level / 3)):
        record = history(out)[-1]["measured"][band]
        # The wings of an exponential disc never end: what is left of them is a twentieth of the noise.
        assert abs(record["level"] - true) < 0.05 * NOISE + 3 * record["level_error"]
        assert_allclose(out.brightness(band), image.brightness(band) - record["level"], atol=1e-6)
    assert np.std(out.brightness("IE")[:20, :20]) < 1.2 * NOISE


def test_annulus():
    image = scene({"IE": 0.1})
    options = {"annulus": (60, 75), "centre": (80, 80)}
    record = history(subtract_background(image, "annulus", **options))[-1]
    assert abs(record["measured"]["IE"]["level"] - 0.1) < 0.3 * NOISE
    assert record["settings"]["inner_pixels"] == 60
    with pytest.raises(InputError, match="0 <= inner < outer"):
        subtract_background(image, "annulus", annulus=(75, 60))
    with pytest.raises(InputError, match="lies off the image"):
        subtract_background(image, "annulus", annulus=(5, 9), centre=(500, 80))
    with pytest.raises(InputError, match="only .* pixels of sky"):
        subtract_background(image, "annulus", annulus=(0, 5))
    with pytest.raises(InputError, match="does not fit a pixel"):
        subtract_background(image, "annulus", annulus=(5 * u.arcsec, 9 * u.arcsec))


def test_mesh_follows_a_gradient():
    gradient = 0.0003 * np.arange(160)[None, :] * np.ones((160, 1))
    image = scene({"IE": 0.1}, galaxy=disc() + gradient)
    edge = {m: subtract_background(image, m).brightness("IE")[:20] for m in ("constant", "mesh")}
    tilt = {m: np.median(e[:, -40:]) - np.median(e[:, :40]) for m, e in edge.items()}
    assert tilt["constant"] > 3 * NOISE and abs(tilt["mesh"]) < 0.6 * NOISE
    out = subtract_background(image, "mesh", box=32)
    # The galaxy is still there.
    assert out.brightness("IE")[80, 80] > 0.8


def test_uncertainty_mask_and_input():
    mask = np.zeros((160, 160), bool)
    mask[:40] = True
    image = scene({"IE": 0.1}, mask=mask)
    image["IE"].data[50, 50] = np.nan
    before = image["IE"].data.copy()
    out = subtract_background(image)
    record = history(out)[-1]["measured"]["IE"]
    assert_array_equal(image["IE"].data, before)
    assert history(image) == [] and out is not image
    assert_array_equal(out.mask()[:40], True)
    assert out.mask()[50, 50] and out.mask().sum() == mask.sum() + 1
    assert record["n_pixels"] < 120 * 160
    assert_allclose(out["IE"].uncertainty.array, np.hypot(NOISE, record["level_error"]), rtol=1e-5)


def test_bad_inputs():
    image = scene({"IE": 0.1})
    with pytest.raises(InputError, match="constant, annulus or mesh"):
        subtract_background(image, "median")
    with pytest.raises(InputError, match="goes with method"):
        subtract_background(image, annulus=(10, 20))
    with pytest.raises(InputError, match="MultiBandImage"):
        subtract_background({"IE": 1})
    with pytest.raises(InputError, match="box"):
        subtract_background(image, "mesh", box=1000)
    everything = scene({"IE": 0.1}, mask=np.ones((160, 160), bool))
    with pytest.raises(InputError, match="all pixels of the image are masked"):
        subtract_background(everything)
    with pytest.raises(InputError, match="pixels of sky are left"):
        subtract_background(everything, mask_sources=False)
    full = scene({"IE": 0.0}, galaxy=disc(h=1e4) * np.linspace(1, 5, 160))
    with pytest.raises(InputError, match="galaxy fills the image"):
        subtract_background(full)

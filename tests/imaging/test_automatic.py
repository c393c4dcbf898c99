"""An image of the sky is prepared by itself: the sky that is there, what is no galaxy, one PSF or a flag."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import SHARED, an_image, sky_wcs

from euclid_resolved import MultiBandImage, Quality
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images import BANDS
from euclid_resolved.imaging import history, prepare, resample, set_distance
from euclid_resolved.imaging._automatic import preparation_words
from euclid_resolved.imaging._kernels import gaussian_kernel
from euclid_resolved.io import open_image

SIDE = 160
Y, X = np.indices((SIDE, SIDE))
NOISE = 0.01
LIGHT = {"IE": 0.5, "YE": 0.8, "JE": 0.9, "HE": 1.0}
REAL = SHARED / "euclid_q1_cutout_300px.fits"


def scene(scale=6.0, level=0.0, psf=True, neighbour=True):
    """A disc of one colour seen through the bands' PSFs, on a sky of some level, with a neighbour."""
    from scipy.signal import fftconvolve

    rng, bands = np.random.default_rng(1), {}
    for band, light in LIGHT.items():
        data = light * 3 * np.exp(-np.hypot(X - 80, Y - 80) / scale)
        if neighbour:
            data = data + light * np.exp(-((X - 130) ** 2 + (Y - 30) ** 2) / (2 * 4.0**2))
        stamp = gaussian_kernel(BANDS[band].psf_fwhm.to_value(u.arcsec) / 0.1)
        data = fftconvolve(data, stamp, mode="same") + level + rng.normal(0, NOISE, data.shape)
        error = StdDevUncertainty(np.full(data.shape, NOISE, np.float32))
        meta = {"psf": stamp} if psf else {}
        bands[band] = NDData(
            data.astype("f4"), unit=u.MJy / u.sr, uncertainty=error, wcs=sky_wcs(data.shape), meta=meta
        )
    return MultiBandImage(bands, name="disc")


def steps(image):
    return [entry["step"] for entry in history(image)]


@pytest.fixture(scope="module")
def lifted():
    """A scene on a sky that is not zero, before and after."""
    image = scene(level=0.02)
    return image, prepare(image, auto=True)


def test_all_that_is_needed_is_done(lifted):
    image, out = lifted
    assert steps(out) == ["background", "saturated", "compact", "neighbours", "psf"]
    assert out.mask()[30, 130] and not out.mask()[80, 80] and not image.mask().any()
    sky = ~out.mask() & (np.hypot(X - 80, Y - 80) > 60)
    for band in out:
        assert history(out)[0]["measured"][band]["level"] == pytest.approx(0.02, abs=0.002)
        assert abs(np.mean(out.brightness(band)[sky])) < 0.002
    # The disc has one colour; its core has it, too.
    core = np.hypot(X - 80, Y - 80) < 3
    colour = (out.brightness("IE") / out.brightness("HE"))[core]
    assert np.abs(colour / 0.5 - 1).max() < 0.03
    raw = (image.brightness("IE") / image.brightness("HE"))[core]
    assert np.abs(raw / 0.5 - 1).max() > 0.15
    assert preparation_words(out).startswith("sky subtracted (IE 0.02")
    assert "1 neighbour masked; PSFs matched to " in preparation_words(out)


def test_what_is_done_is_not_done_again(lifted):
    assert prepare(lifted[1], auto=True) is lifted[1]


def test_what_the_user_says_goes_before(lifted):
    image, _ = lifted
    assert prepare(image, auto=True, background=False, mask_stars=False, match_psf=False) is image
    assert steps(prepare(image, auto=True, background=False, mask_stars=False)) == ["psf"]
    assert steps(prepare(image, auto=True, match_psf=False, mask_stars="compact")) == [
        "background",
        "compact",
    ]
    assert prepare(image) is image
    with pytest.raises(InputError, match="not True"):
        prepare(image, background=True)


def test_a_sky_of_zero_is_left():
    out = prepare(scene(), auto=True, mask_stars=False, match_psf=False)
    assert steps(out) == ["sky"] and "does not differ from zero" in preparation_words(out)
    np.testing.assert_array_equal(out.brightness("HE"), scene().brightness("HE"))


@pytest.mark.parametrize(
    ("scale", "why"), [(15.0, "light of the galaxy reaches into it"), (90.0, "cannot be")]
)
def test_a_galaxy_that_fills_the_image_is_not_taken_for_sky(scale, why):
    image = scene(scale, neighbour=False)
    out = prepare(image, auto=True, match_psf=False)
    assert "background" not in steps(out) and why in preparation_words(out)
    np.testing.assert_array_equal(out.brightness("HE"), image.brightness("HE"))
    assert out.mask().mean() < 0.02  # nor are its parts taken for neighbours


def test_images_of_no_sky_are_left_as_they_are():
    image = an_image(sigma=0.01)
    assert prepare(image, auto=True) is image
    for length in (image, set_distance(scene(), distance=20 * u.Mpc)):
        coarse = resample(length, 2)
        assert prepare(coarse, auto=True) is coarse


def test_without_psfs_false_colours_are_flagged(linear_model):
    image = scene(psf=False)
    with pytest.warns(
        DataWarning, match="brings no PSF for IE, YE, JE, HE.*UNMATCHED_PSF.*--match-psf gaussian"
    ):
        out = prepare(image, auto=True, mask_stars=False)
    assert steps(out)[-1] == "psf_unmatched" and "PSFs not matched" in preparation_words(out)
    map_ = linear_model.predict(out, "stellar_mass_density")
    flagged = map_.quality & Quality.UNMATCHED_PSF > 0
    # The flag is held against the truth: the disc has one colour, so any other is false.
    bright, core = (np.hypot(X - 80, Y - 80) < radius for radius in (8, 1.5))
    colour = np.zeros(image.shape)
    colour[bright] = -2.5 * np.log10(image.brightness("IE")[bright] / image.brightness("HE")[bright] / 0.5)
    assert flagged[core].all() and np.isfinite(map_.data[core]).all()
    assert flagged[np.hypot(X - 80, Y - 80) > 12].mean() < 0.001
    assert np.abs(colour[bright & ~flagged]).max() < 0.15 < np.abs(colour[core]).max()
    # Larger pixels keep it, and a piece of the image has its part.
    again = linear_model.predict(resample(out, 2), "stellar_mass_density")
    assert (again.quality[39:41, 39:41] & Quality.UNMATCHED_PSF > 0).any()
    part = linear_model.predict(out[70:90, :], "stellar_mass_density")
    np.testing.assert_array_equal(part.quality, map_.quality[70:90])


def test_typical_psfs_can_be_asked_for():
    image = scene(psf=False)
    assert steps(prepare(image, auto=True, background=False, mask_stars=False, match_psf="gaussian")) == [
        "psf"
    ]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the real cut-outs are not here")
def test_a_real_cutout_has_its_core_and_more_pixels():
    """Raw its core is less dense than what is around it, and a third of the few pixels are extrapolations."""
    from euclid_resolved.mock import default_model

    model = default_model()
    one, raw = (
        model.predict(open_image(REAL, model.bands, raw=raw), model.properties[0]) for raw in (False, True)
    )
    assert {entry["step"] for entry in one.meta["history"]} >= {"background", "compact", "neighbours", "psf"}
    judged, few = ~one.mask, ~raw.mask
    assert judged.sum() > 3 * few.sum() > 0
    outside = [float((map_.quality[~map_.mask] & Quality.OUT_OF_DOMAIN > 0).mean()) for map_ in (one, raw)]
    assert outside[0] < 0.1 < 0.3 < outside[1]
    core, ring = np.s_[149:152, 149:152], np.s_[146:155, 146:155]
    assert np.median(one.data[core]) > 1.3 * np.nanmedian(one.data[ring])
    assert np.median(raw.data[core]) < 1.1 * np.nanmedian(raw.data[ring])

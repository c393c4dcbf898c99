"""PSF matching: widths, light, positions, noise, and everything that makes a PSF unusable."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import shift
from scipy.signal import fftconvolve

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved.imaging import (
    MaskReason,
    history,
    mask_reasons,
    match_psf,
    resample,
    set_distance,
)
from euclid_resolved.imaging._kernels import (
    check_psf,
    encircled_energy,
    gaussian_kernel,
    matching_kernel,
    psf_fwhm,
)

UNIT = u.MJy / u.sr
N = 101


def points(psf, n=N):
    data = np.zeros((n, n))
    data[n // 2, n // 2] = 100.0
    return fftconvolve(data, psf, mode="same")


def image(psfs, data=None, mask=None, sigma=None, meta=None):
    bands = {}
    for band, psf in psfs.items():
        values = points(psf) if data is None else data
        error = None if sigma is None else StdDevUncertainty(np.full(values.shape, sigma))
        kept = {} if psf is None else {"psf": psf}
        bands[band] = NDData(values.astype("f4"), unit=UNIT, mask=mask, uncertainty=error, meta=kept)
    return MultiBandImage(bands, meta=meta or {})


def gaussian(fwhm, side=33):
    kernel = gaussian_kernel(fwhm)
    pad = (side - len(kernel)) // 2
    return np.pad(kernel, pad) if pad >= 0 else kernel[-pad:pad, -pad:pad]


PSFS = {"IE": gaussian(2.0, 21), "YE": gaussian(3.5), "JE": gaussian(3.4), "HE": gaussian(4.8)}


def test_width_of_a_gaussian():
    for fwhm in (1.6, 3.0, 5.0):
        stamp = shift(gaussian(fwhm, 41), (0.3, -0.4), order=3) if fwhm > 2 else gaussian(fwhm, 41)
        assert psf_fwhm(stamp) == pytest.approx(fwhm, rel=0.01)


def test_encircled_energy_of_a_gaussian():
    # Pixels blur twice, by 1/12 of a square pixel each time: in the stamp and in the aperture.
    variance = 5.0**2 / (8 * np.log(2)) + 1 / 6
    radii = np.array([1.0, 3.0, 6.0])
    expected = 1 - np.exp(-(radii**2) / 2 / variance)
    assert_allclose(encircled_energy(gaussian(5.0, 51), radii), expected, atol=0.004)


def test_gaussians_become_the_broadest():
    before = image(PSFS)
    out = match_psf(before)
    record = history(out)[-1]
    assert record["settings"]["to"] == "HE" and record["settings"]["broadened_by"] == 0
    target = before.brightness("HE")
    for band in PSFS:
        measured, light = record["measured"][band], out.brightness(band)
        good = ~out.mask(band)
        assert measured["fwhm_matched"] == pytest.approx(4.8, rel=0.02)
        assert psf_fwhm(np.where(good, light, 0)) == pytest.approx(4.8, rel=0.02)
        assert light[good].sum() == pytest.approx(100, rel=0.01)
        assert_allclose(light[good], target[good], atol=0.03 * target.max())
        assert measured.get("flux_error", 0) < 0.01 and measured.get("energy_error", 0) < 0.05
        assert out[band].meta["psf"].sum() == pytest.approx(1, abs=0.01)
    assert out["HE"].data is not before["HE"].data
    assert_array_equal(before["IE"].meta["psf"], PSFS["IE"])


def test_stamps_that_are_off_centre_do_not_move_the_image():
    source, target = gaussian(3.0), shift(gaussian(5.0), (0.4, -0.3), order=3)
    kernel, _ = matching_kernel(check_psf(source)[0], check_psf(np.clip(target, 0, None))[0])
    y, x = np.indices(kernel.shape) - (len(kernel) - 1) / 2
    assert abs((kernel * y).sum()) < 0.02 and abs((kernel * x).sum()) < 0.02


def test_sharpening_is_refused():
    with pytest.raises(InputError, match="band YE to IE: no kernel matches .* is the target the broadest"):
        match_psf(image(PSFS), to="IE", broaden=0)


def test_a_common_psf_where_none_is_broadest():
    long, wide = np.zeros((41, 41)), np.zeros((41, 41))
    y, x = np.indices((41, 41)) - 20
    long[:] = np.exp(-0.5 * ((x / 2.4) ** 2 + (y / 1.6) ** 2))
    wide[:] = np.exp(-0.5 * ((x / 1.6) ** 2 + (y / 2.5) ** 2))
    crossed = image({"IE": long / long.sum(), "HE": wide / wide.sum()})
    with pytest.raises(InputError, match="no kernel matches"):
        match_psf(crossed, broaden=0)
    out = match_psf(crossed)
    assert history(out)[-1]["settings"]["broadened_by"] > 0
    good = ~out.mask()
    one, other = out.brightness("IE")[good], out.brightness("HE")[good]
    assert_allclose(one, other, atol=0.1 * other.max())


def test_brightness_of_an_extended_source_is_kept():
    out = match_psf(image(PSFS, np.full((N, N), 3.0)))
    for band in PSFS:
        assert_allclose(out.brightness(band)[~out.mask(band)], 3.0, rtol=1e-5)


def test_mask_grows_and_bad_pixels_do_not_leak():
    mask = np.zeros((N, N), bool)
    mask[49:52, 49:52] = True
    data = np.full((N, N), 3.0)
    data[mask] = 1e9
    data[20:23, 20:23] = np.nan
    out = match_psf(image(PSFS, data, mask))
    grown = out.mask("IE")
    assert 20 < grown[40:60, 40:60].sum() < 100 and 20 < grown[10:30, 10:30].sum() < 100
    assert match_psf(image(PSFS, data, mask), mask_weight=0.005).mask("IE").sum() > grown.sum()
    assert_allclose(out.brightness("IE")[~grown], 3.0, rtol=1e-4)
    reasons = mask_reasons(out)
    assert reasons[50, 50] == MaskReason.INPUT and reasons[50, 53] == MaskReason.PSF
    assert grown[0].all() and not grown[60:90, 60:90].any()
    assert out.mask("HE").sum() == 18


def test_noise_is_propagated():
    rng = np.random.default_rng(2)
    noisy = image(PSFS, 5 + rng.normal(0, 0.1, (N, N)), sigma=0.1)
    out = match_psf(noisy)
    for band in ("IE", "YE"):
        good = ~out.mask(band)
        sigma = out[band].uncertainty.array
        assert np.isnan(sigma[~good]).all()
        assert np.std(out.brightness(band)[good]) == pytest.approx(np.median(sigma[good]), rel=0.1)
        assert np.median(sigma[good]) < 0.05
    assert_allclose(out["HE"].uncertainty.array, 0.1, rtol=1e-6)


def test_noise_of_averages_after_matching():
    """The uncertainty of large pixels is their scatter, though small ones share noise by then."""
    rng = np.random.default_rng(4)
    n = 240
    noisy = match_psf(image(PSFS, 5 + rng.normal(0, 0.1, (n, n)), sigma=0.1))
    for factor in (4, 12):
        out = resample(noisy, factor)
        for band in PSFS:
            good = ~out.mask(band)
            scatter = np.std(out.brightness(band)[good])
            assert scatter == pytest.approx(np.median(out[band].uncertainty.array[good]), rel=0.15)
    # Twice in a row is the same as once.
    twice, once = resample(resample(noisy, 4), 3), resample(noisy, 12)
    good = ~(twice.mask() | once.mask())
    ratio = twice["IE"].uncertainty.array[good] / once["IE"].uncertainty.array[good]
    assert_allclose(np.median(ratio), 1, atol=0.15)


def test_not_normalised_is_normalised_with_a_record():
    scaled = {band: 7.0 * psf for band, psf in PSFS.items()}
    out = match_psf(image(scaled, points(PSFS["IE"])))
    assert history(out)[-1]["measured"]["IE"]["psf_sum"] == pytest.approx(7.0)
    plain = match_psf(image(PSFS, points(PSFS["IE"])))
    assert_allclose(np.nanmax(out.brightness("IE")), np.nanmax(plain.brightness("IE")), rtol=1e-5)


@pytest.mark.parametrize(
    "stamp, message",
    [
        (None, "no PSF for band YE"),
        (np.full((5, 5), np.nan), "band YE: its PSF holds 25 pixels that are not finite"),
        (np.zeros((5, 5)), "sum of 0"),
        (-np.ones((5, 5)), "sum of -25"),
        (gaussian(3) - 0.0005, "% of its PSF is negative"),
        (np.ones(5), "2-D array"),
        (np.ones((1, 1)), "at least 3 x 3"),
    ],
)
def test_unusable_psf(stamp, message):
    with pytest.raises(InputError, match=message):
        match_psf(image({**PSFS, "YE": stamp}, np.ones((N, N))))


def test_odd_stamps_of_real_files_are_accepted():
    stamp = np.pad(gaussian(3, 31), ((0, 1), (0, 1)))
    stamp[0, 0] = -1e-7
    fixed, total = check_psf(stamp)
    assert fixed.shape == (33, 33) and fixed.min() == 0 and fixed.sum() == pytest.approx(1)
    assert total == pytest.approx(1, abs=1e-5)
    assert check_psf(np.ones((3, 5)))[0].shape == (5, 5)


def test_gaussians_of_typical_width_and_given_psfs():
    plain = image(dict.fromkeys(PSFS), np.ones((N, N)), meta={"pixel_scale": 0.1 * u.arcsec})
    record = history(match_psf(plain, psf="gaussian"))[-1]
    assert record["settings"]["source"] == "gaussian"
    assert record["measured"]["IE"]["fwhm"] == pytest.approx(1.6, rel=0.02)
    assert record["measured"]["HE"]["fwhm"] == pytest.approx(3.5, rel=0.02)
    assert history(match_psf(plain, psf=PSFS))[-1]["settings"]["source"] == "given"
    with pytest.raises(InputError, match="before set_distance"):
        match_psf(set_distance(plain, distance=10 * u.Mpc), psf="gaussian")
    with pytest.raises(InputError, match="no typical PSF is known for band g"):
        match_psf(image({"g": None}, np.ones((N, N)), meta={"pixel_scale": 0.1 * u.arcsec}), psf="gaussian")
    with pytest.raises(InputError, match="'gaussian'"):
        match_psf(plain, psf="moffat")
    with pytest.raises(InputError, match="no band 'ZE'"):
        match_psf(plain, "ZE", psf=PSFS)


def test_all_masked():
    out = match_psf(image(PSFS, np.ones((N, N)), np.ones((N, N), bool)))
    assert out.mask().all()

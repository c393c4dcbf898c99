"""What interpolation, convolution and averages make of noise, against noise that is drawn."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import InverseVariance, NDData, StdDevUncertainty
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import MultiBandImage, read, write
from euclid_resolved.images import align, common_errors, image_noise, noise_correlation
from euclid_resolved.images._correlation import after_averaging, after_convolution, growth_of_squares
from euclid_resolved.imaging import correct_extinction, resample

UNIT = u.MJy / u.sr


def make_wcs(scale, n, shift=(0.0, 0.0), angle=0.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 63.0, -49.5
    wcs.wcs.crpix = (n + 1) / 2 + shift[0], (n + 1) / 2 + shift[1]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * scale / 3600
    return wcs


def aligned(scale, shift=(0.0, 0.0), angle=0.0, n=360, sigma=1.0, seed=1):
    """White noise in pixels of one scale, put on pixels of 0.1 arcsec."""
    m = int(n * 0.1 / scale * 1.05)
    fine = NDData(np.zeros((n, n), "f4"), unit=UNIT, wcs=make_wcs(0.1, n))
    noise = np.random.default_rng(seed).normal(0, sigma, (m, m))
    error = StdDevUncertainty(np.full((m, m), sigma))
    coarse = NDData(noise, unit=UNIT, wcs=make_wcs(scale, m, shift, angle), uncertainty=error)
    return MultiBandImage(align({"IE": fine, "HE": coarse}))


def stated_and_measured(image, band="HE"):
    good = ~image.mask(band)
    stated = image[band].uncertainty.array[good]
    return np.sqrt(np.mean(stated**2)), np.std(image.brightness(band)[good])


def test_nisp_on_a_finer_grid_and_averaged_again():
    """0.3 arcsec on 0.1 and back to 1.2: .25 of 4 x 4 old pixels, a little less for what neighbours give."""
    stated, measured = stated_and_measured(resample(aligned(0.3), 12))
    assert measured == pytest.approx(0.22, rel=0.05)
    assert stated == pytest.approx(0.223, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.3, 0.2, 0.1, 0.05])
@pytest.mark.parametrize("shift, angle", [((0.5, 0.5), 0.0), ((0.2, 0.4), 17.0)])
def test_every_step_and_chain_states_what_is_measured(scale, shift, angle):
    image = aligned(scale, shift, angle)
    for steps in [(), (2,), (3.7,), (12,), (3, 4), (2.5, 4.3)]:
        now = image
        for factor in steps:
            now = resample(now, factor)
        stated, measured = stated_and_measured(now)
        assert stated == pytest.approx(measured, rel=0.1), steps


def test_half_a_pixel_is_the_mean_of_four():
    image = aligned(0.1, (0.5, 0.5))
    good = ~image.mask("HE")
    assert_allclose(image["HE"].uncertainty.array[good], 0.5, rtol=1e-4)  # sqrt(4 / 16)
    row = noise_correlation(image, "HE")[1]
    assert_allclose(row, [0.5, 1, 0.5], atol=1e-3)  # neighbours share two of four pixels


def test_a_convolution_and_averages_by_hand():
    # Means of three in a row: neighbours share two of three pixels.
    kernel = np.zeros((3, 3))
    kernel[1] = 1 / 3
    correlation, growth = after_convolution(np.ones((1, 1)), kernel)
    assert_allclose(correlation[2], [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3], atol=1e-12)
    assert growth == pytest.approx(1)
    # Again: weights 1 2 3 2 1 over 9, variance 19 / 81 in place of 1/3 x 1/3 = 9 / 81.
    assert after_convolution(correlation, kernel)[1] == pytest.approx(19 / 9)
    # Of two such pixels: 1 + 2/3 in place of 1.
    blocks = np.kron(np.eye(10), np.ones(2))
    assert after_averaging(correlation, np.eye(20), blocks)[1] == pytest.approx(np.sqrt(5 / 3))
    # Along a square of side 2, both axes: (1 + 2/3) in one, none in the other.
    assert growth_of_squares(correlation, np.array([2.0]))[0] == pytest.approx(np.sqrt(5 / 3))
    # A pixel that is split between two averages of 1.5 correlates these: .25 / (1 + .25).
    rows = np.array([[1, 0.5, 0], [0, 0.5, 1.0]])
    neighbours = after_averaging(np.ones((1, 1)), rows, np.eye(3))[0]
    assert neighbours[2, 1] == pytest.approx(0.25 / 1.25)


def test_the_record_survives_cut_outs_files_and_a_choice_of_bands(tmp_path):
    image = correct_extinction(aligned(0.3, n=60), 0.05, ebv_error=0.01)
    write(tmp_path / "image.asdf", image)
    expected = noise_correlation(image, "HE")
    assert expected.sum() == pytest.approx(20, rel=0.1)  # 9 fine pixels a coarse one, over (2/3)^2
    for other in (image[5:40, 3:50], image.select(["HE"]), read(tmp_path / "image.asdf")):
        assert_array_equal(noise_correlation(other, "HE"), expected)
        assert set(common_errors(other)) == {"extinction"}
    again = align(
        {"HE": image["HE"], "fine": NDData(np.zeros((60, 60)), unit=UNIT, wcs=make_wcs(0.07, 60))}, "fine"
    )
    again = MultiBandImage(again)
    assert noise_correlation(again, "HE").sum() > expected.sum()
    assert set(common_errors(again)) == {"extinction"}
    assert noise_correlation(image, "IE").shape == (1, 1)  # the grid that it was on


@pytest.mark.parametrize("error", [StdDevUncertainty, InverseVariance])
def test_one_pixel_of_unknown_noise_is_bad_and_no_other(error):
    """All others of a resampled image keep their value, whichever step is first."""
    weight = np.ones((60, 60))
    weight[30, 30] = np.nan if error is StdDevUncertainty else 0.0
    wcs = make_wcs(0.1, 60)
    band = NDData(np.full((60, 60), 3.0), unit=UNIT, uncertainty=error(weight), wcs=wcs)
    assert not np.isfinite(image_noise(MultiBandImage({"HE": band}), "HE")[30, 30])
    out = resample(MultiBandImage({"HE": band}), 4)
    assert not out.mask().any()
    assert_allclose(out.brightness("HE"), 3.0)
    sigma = np.full((15, 15), 1 / 4)
    sigma[7, 7] = 1 / np.sqrt(15)
    assert_allclose(out["HE"].uncertainty.array, sigma, rtol=1e-6)
    other = NDData(np.zeros((60, 60)), unit=UNIT, wcs=make_wcs(0.1, 60, (0.5, 0.0)))
    new = align({"IE": other, "HE": band})["HE"]
    assert new.mask[5:-5, 5:-5].sum() == 2  # between two pixels, each is half of two
    assert np.isfinite(new.uncertainty.array[~new.mask]).all()
    pixel = resample(MultiBandImage({"HE": band}), 1)
    assert_array_equal(np.argwhere(pixel.mask()), [[30, 30]])

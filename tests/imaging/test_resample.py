"""Larger pixels: brightness, noise, positions, masks, against two other implementations."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty, block_reduce
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved.images import pixel_scale
from euclid_resolved.imaging import MaskReason, history, mask_reasons, resample

UNIT = u.MJy / u.sr


def make_wcs(cd=True):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix = (60.0, -49.0), (30.0, 20.0)
    if cd:
        c, s = np.cos(0.3) * 0.1 / 3600, np.sin(0.3) * 0.1 / 3600
        wcs.wcs.cd = [[-c, s], [s, c]]
    else:
        wcs.wcs.cdelt = -0.1 / 3600, 0.1 / 3600
    return wcs


def image(shape=(60, 72), data=None, mask=None, wcs=None, scale=100 * u.pc):
    data = np.random.default_rng(1).normal(5, 1, shape) if data is None else data
    nddata = NDData(
        data.astype("f4"), unit=UNIT, mask=mask, wcs=wcs, meta={"psf": np.ones((3, 3))},
        uncertainty=StdDevUncertainty(np.full(data.shape, 0.5)),
    )  # fmt: skip
    return MultiBandImage({"IE": nddata}, meta={} if scale is None else {"pixel_scale": scale})


def test_whole_factor_is_block_reduce():
    before = image()
    out = resample(before, 400 * u.pc)
    assert out.shape == (15, 18)
    assert_allclose(out.brightness("IE"), block_reduce(before["IE"].data, 4, np.mean), rtol=1e-5)
    assert_allclose(out["IE"].uncertainty.array, 0.5 / 4, rtol=1e-6)
    assert pixel_scale(out) == 400 * u.pc
    assert "psf" not in out["IE"].meta and "psf" in before["IE"].meta


def test_other_factor_is_reproject_exact():
    # Before 0.20 a few pixels of reproject_exact itself were off by a per cent.
    reproject_exact = pytest.importorskip("reproject", "0.20").reproject_exact

    y, x = np.indices((60, 72))
    data = 5 + np.exp(-np.hypot(x - 40, y - 25) / 6)
    before = image(data=data, wcs=make_wcs(), scale=None)
    out = resample(before, 0.27 * u.arcsec)
    expected, footprint = reproject_exact((data, before.wcs), out.wcs, shape_out=out.shape)
    assert (footprint > 0.999).mean() > 0.9
    assert_allclose(out.brightness("IE")[footprint > 0.999], expected[footprint > 0.999], rtol=1e-4)


@pytest.mark.parametrize("factor", [2, 3.7, 7, 20.6])
def test_mean_brightness_and_noise_are_conserved(factor):
    n = int(round(factor * 20))
    before = image(data=np.full((n, n), 3.0))
    out = resample(before, factor)
    assert_allclose(out.brightness("IE"), 3.0, rtol=1e-6)
    rng = np.random.default_rng(1)
    noisy = resample(image(data=rng.normal(0, 0.5, (n, n))), factor)
    # Pixels that are split between two new ones make these share noise, and a little quieter.
    sigma = noisy["IE"].uncertainty.array
    assert_allclose(np.std(noisy.brightness("IE")), np.median(sigma), rtol=0.1)
    assert_allclose(np.median(sigma), 0.5 / factor, rtol=0.12)
    assert_allclose(resample(before, factor, noise_factor=2)["IE"].uncertainty.array, 2 * sigma, rtol=1e-5)


@pytest.mark.parametrize("cd", [True, False])
@pytest.mark.parametrize("factor", [3, 4.3])
def test_positions_stay(cd, factor):
    y, x = np.indices((60, 72))
    before = image(data=np.exp(-((x - 41) ** 2 + (y - 22) ** 2) / 50), wcs=make_wcs(cd), scale=None)
    out = resample(before, factor)
    light = out.brightness("IE").astype(float)
    rows, columns = np.indices(out.shape)
    centre = [(light * index).sum() / light.sum() for index in (columns, rows)]
    there = out.wcs.pixel_to_world(*centre)
    assert there.separation(before.wcs.pixel_to_world(41, 22)).arcsec < 0.03
    assert pixel_scale(out).to_value(u.arcsec) == pytest.approx(0.1 * factor, rel=1e-6)


def test_mask():
    mask = np.zeros((60, 72), bool)
    mask[0:4, 0:4] = True  # one whole new pixel
    mask[4:8, 0] = True  # a quarter of another
    data = np.full((60, 72), 3.0)
    data[mask] = 1e9
    data[8:12, 0:3] = np.nan  # three quarters of a third
    out = resample(image(data=data, mask=mask), 4)
    assert_array_equal(np.argwhere(out.mask()), [[0, 0], [2, 0]])
    assert_allclose(out.brightness("IE")[~out.mask()], 3.0)
    assert mask_reasons(out)[0, 0] == MaskReason.INPUT | MaskReason.RESAMPLED
    assert out["IE"].uncertainty.array[1, 0] == pytest.approx(0.5 / np.sqrt(12))
    assert resample(image(data=data, mask=mask), 4, min_good=0.2).mask().sum() == 1
    assert resample(image(mask=np.ones((60, 72), bool)), 4).mask().all()


def test_what_is_left_over_is_cut_evenly():
    out = resample(image((63, 72), wcs=make_wcs(), scale=None), 4)
    assert out.shape == (15, 18)
    record = history(out)[-1]["measured"]
    assert record["factor"] == 4 and record["shape"] == [15, 18]


@pytest.mark.parametrize(
    "scale, message",
    [
        (50 * u.pc, "finer than those of the image"),
        (1 * u.arcsec, "does not fit a pixel of 100.0 pc"),
        (0.5, "finer"),
        (np.nan * u.pc, "finer"),
        (100, "less than two"),
    ],
)
def test_refused(scale, message):
    with pytest.raises(InputError, match=message):
        resample(image(), scale)


def test_length_needs_a_distance():
    with pytest.raises(InputError, match="use set_distance first"):
        resample(image(wcs=make_wcs(), scale=None), 100 * u.pc)

"""Adaptive binning: the wanted signal-to-noise, densities that stay densities."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from numpy.testing import assert_allclose

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved.imaging import MaskReason, bin_voronoi, history, mask_reasons

pytest.importorskip("powerbin")
UNIT = u.MJy / u.sr
N = 80
Y, X = np.indices((N, N))
LIGHT = np.exp(-np.hypot(X - 40, Y - 40) / 8)
NOISE = 0.05


def image(mask=None, uncertainty=True, seed=1):
    rng = np.random.default_rng(seed)
    bands = {}
    for band, factor in (("IE", 2.0), ("HE", 1.0)):
        data = (factor * LIGHT + rng.normal(0, NOISE, (N, N))).astype("f4")
        error = StdDevUncertainty(np.full((N, N), NOISE)) if uncertainty else None
        bands[band] = NDData(data, unit=UNIT, uncertainty=error, mask=mask)
    return MultiBandImage(bands)


def test_signal_to_noise_is_reached_and_densities_stay():
    before = image()
    out = bin_voronoi(before, 20)
    bins, good = out.meta["bins"], ~out.mask()
    record = history(out)[-1]
    assert record["settings"]["band"] == "HE"
    assert record["measured"]["n_bins"] == bins.max() + 1 < good.sum() / 3
    ratio = out.brightness("HE")[good] / out["HE"].uncertainty.array[good]
    per_bin = np.array([ratio[bins[good] == i][0] for i in range(bins.max() + 1)])
    assert 17 < np.median(per_bin) < 25 and per_bin.min() > 10
    # Every pixel of a bin shows its mean, and the light is conserved.
    for band in ("IE", "HE"):
        light, raw = out.brightness(band), before.brightness(band)
        one = bins == bins[40, 55]
        assert_allclose(light[one], raw[one].mean(), rtol=1e-5)
        assert light[good].sum() == pytest.approx(raw[good].sum(), rel=1e-5)
        assert_allclose(out[band].uncertainty.array[one], NOISE / np.sqrt(one.sum()), rtol=1e-5)
    assert bins[0, 0] == -1 and mask_reasons(out)[0, 0] == MaskReason.UNBINNED


def test_no_bias_from_the_choice_of_pixels():
    # Chosen by their own noise, the faint pixels would be too bright by a large part of it.
    excess = []
    for seed in range(5):
        out = bin_voronoi(image(seed=seed), 10)
        faint = ~out.mask() & (LIGHT < 2 * NOISE)
        excess.append(np.mean(out.brightness("HE")[faint] - LIGHT[faint]))
    assert abs(np.mean(excess)) < 0.1 * NOISE


def test_masked_pixels_stay_out():
    mask = np.zeros((N, N), bool)
    mask[35:40, 30:50] = True
    out = bin_voronoi(image(mask), 20)
    assert (out.meta["bins"][mask] == -1).all()
    assert (mask_reasons(out)[mask] == MaskReason.INPUT).all()


def test_refused():
    with pytest.raises(InputError, match="no uncertainty"):
        bin_voronoi(image(uncertainty=False), 20)
    with pytest.raises(InputError, match="signal_to_noise must be positive"):
        bin_voronoi(image(), 0)
    with pytest.raises(InputError, match="no band"):
        bin_voronoi(image(), 20, band="ZE")
    with pytest.raises(InputError, match="no pixel has a smoothed signal-to-noise"):
        bin_voronoi(image(np.ones((N, N), bool)), 20)


def test_without_powerbin(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "powerbin", None)
    with pytest.raises(InputError, match="powerbin is not installed"):
        bin_voronoi(image(), 20)

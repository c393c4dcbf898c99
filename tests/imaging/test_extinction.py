"""Galactic extinction by hand."""

import sys
import types

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import NDData, StdDevUncertainty
from numpy.testing import assert_allclose

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved.imaging import correct_extinction, history, query_ebv

UNIT = u.MJy / u.sr


def image(bands=("IE", "YE", "JE", "HE"), value=2.0):
    data = np.full((4, 5), value, "f4")
    data[0, 0] = np.nan
    return MultiBandImage(
        {b: NDData(data, unit=UNIT, uncertainty=StdDevUncertainty(np.full((4, 5), 0.1))) for b in bands}
    )


def test_by_hand():
    out = correct_extinction(image(), 0.1)
    # A(IE) = 2.191 x 0.1 = 0.2191 mag: a factor 1.2236; A(HE) = 0.0472 mag: 1.0444.
    assert_allclose(out.brightness("IE")[1], 2 * 1.2236, rtol=1e-4)
    assert_allclose(out.brightness("HE")[1], 2 * 1.0444, rtol=1e-4)
    assert_allclose(out["IE"].uncertainty.array, 0.12236, rtol=1e-4)
    assert history(out)[-1]["measured"]["magnitudes"]["YE"] == pytest.approx(0.1041)
    assert out.mask()[0, 0] and out.mask().sum() == 1


def test_sfd_values_are_scaled_only_when_asked():
    assert_allclose(
        correct_extinction(image(), 0.1, sfd=True).brightness("IE"),
        correct_extinction(image(), 0.086).brightness("IE"),
        rtol=1e-6,
    )


def test_error_of_ebv():
    out = correct_extinction(image(), 0.1, ebv_error=0.01)
    # 0.01 x 2.191 mag is 2.018 % of 2 x 1.2236.
    assert_allclose(out["IE"].uncertainty.array[1], np.hypot(0.12236, 0.02018 * 2.4472), rtol=1e-3)


def test_zero_changes_nothing():
    assert_allclose(correct_extinction(image(), 0).brightness("IE")[1:], 2.0)


def test_refused():
    for bad in (-0.1, np.nan, "much", None):
        with pytest.raises(InputError, match="E.B-V"):
            correct_extinction(image(), bad)
    with pytest.raises(InputError, match="corrected for E.B-V. = 0.1 already"):
        correct_extinction(correct_extinction(image(), 0.1), 0.1)
    with pytest.raises(InputError, match="no extinction coefficient for band CAM_x; give .*'CAM_x': ..."):
        correct_extinction(image(("CAM_x", "IE")), 0.1)
    out = correct_extinction(image(("HSC_g", "CAM_x")), 0.1, coefficients={"g": 3.2, "CAM_x": 1})
    assert_allclose(out.brightness("HSC_g")[1], 2 * 10 ** (0.4 * 0.32), rtol=1e-6)


def test_dust_map(monkeypatch):
    module = types.ModuleType("dustmaps.sfd")

    class Query:
        def __call__(self, position):
            assert abs(position.ra.deg - 60) < 1
            return np.float32(0.05)

    module.SFDQuery = Query
    monkeypatch.setitem(sys.modules, "dustmaps", types.ModuleType("dustmaps"))
    monkeypatch.setitem(sys.modules, "dustmaps.sfd", module)
    assert query_ebv(image(), SkyCoord(60, -49, unit="deg")) == pytest.approx(0.05)
    with pytest.raises(InputError, match="position on the sky"):
        query_ebv(image())

    def missing():
        raise OSError("SFD_dust_4096_ngp.fits")

    module.SFDQuery = missing
    with pytest.raises(InputError, match="not on this disk"):
        query_ebv(image(), SkyCoord(60, -49, unit="deg"))
    monkeypatch.setitem(sys.modules, "dustmaps.sfd", None)
    with pytest.raises(InputError, match="dustmaps is not installed"):
        query_ebv(image(), SkyCoord(60, -49, unit="deg"))

"""Putting bands on one grid: positions, surface brightness, masks and what is refused."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import InverseVariance, NDData, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved.errors import InputError
from euclid_resolved.images import MultiBandImage, align

UNIT = u.MJy / u.sr


def make_wcs(shift=(0.0, 0.0), scale=0.1, angle=0.0, centre=(10.5, 8.5)):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 63.0, -49.5
    wcs.wcs.crpix = centre[0] + shift[0], centre[1] + shift[1]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * scale / 3600
    return wcs


def band(data=None, wcs=None, **kwargs):
    data = np.random.default_rng(1).normal(5, 1, (16, 20)) if data is None else data
    kwargs = {"unit": UNIT, "uncertainty": StdDevUncertainty(np.full(data.shape, 0.5, "f4"))} | kwargs
    return NDData(data.astype("f4"), wcs=make_wcs() if wcs is None else wcs, **kwargs)


def test_same_grid_is_passed_on():
    bands = {"IE": band(), "HE": band()}
    aligned = align(bands)
    assert list(aligned) == ["IE", "HE"]
    assert aligned["IE"] is bands["IE"] and aligned["HE"] is bands["HE"]


def test_whole_pixel_shift_is_exact():
    ie, he = band(), band(wcs=make_wcs((2, 1)), meta={"psf": np.ones((3, 3)), "zero_point": 29.9})
    out = align({"IE": ie, "HE": he})["HE"]
    assert_allclose(out.data[:-1, :-2], he.data[1:, 2:], rtol=1e-5)
    assert_allclose(out.uncertainty.array[:-1, :-2], 0.5, rtol=1e-5)
    outside = np.ones((16, 20), bool)
    outside[:-1, :-2] = False
    assert_array_equal(out.mask, outside)
    assert np.isnan(out.data[outside]).all() and np.isnan(out.uncertainty.array[outside]).all()
    assert out.wcs is ie.wcs and out.unit == UNIT and out.data.dtype == np.float32
    assert out.meta == {"zero_point": 29.9}
    assert MultiBandImage(align({"IE": ie, "HE": he})).bands == ("IE", "HE")


@pytest.mark.parametrize("scale, angle", [(0.1, 30.0), (0.2, 0.0), (0.05, 10.0)])
def test_surface_brightness_is_conserved(scale, angle):
    flat = band(np.full((40, 40), 3.0), make_wcs(scale=scale, angle=angle, centre=(20.5, 20.5)))
    out = align({"IE": band(), "HE": flat})["HE"]
    assert out.data.shape == (16, 20)
    assert_allclose(out.data[~out.mask], 3.0, rtol=1e-5)
    assert (~out.mask).mean() > 0.8


def test_a_gradient_keeps_its_place():
    y, x = np.mgrid[:16, :20].astype(float)
    other = make_wcs((0.4, -0.3))
    out = align({"IE": band(), "HE": band(100 + 3 * x - 2 * y, other)})["HE"]
    xo, yo = other.world_to_pixel_values(*make_wcs().pixel_to_world_values(x, y))
    inner = np.s_[1:-1, 1:-1]
    assert_allclose(out.data[inner], (100 + 3 * xo - 2 * yo)[inner], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("bad", ["mask", np.nan, np.inf])
@pytest.mark.parametrize("shift, touched", [((1, 0), 1), ((0.5, 0), 2), ((0.5, 0.5), 4)])
def test_bad_pixels_spread_to_what_they_contribute_to(bad, shift, touched):
    he = band(wcs=make_wcs(shift), mask=np.zeros((16, 20), bool))
    clean = align({"IE": band(), "HE": he})["HE"]
    if bad == "mask":
        he.mask[8, 9] = True
        he.data[8, 9] = 1e30
    else:
        he.data[8, 9] = bad
    out = align({"IE": band(), "HE": he})["HE"]
    new = out.mask & ~clean.mask
    assert new.sum() == touched
    assert np.isnan(out.data[new]).all()
    assert_array_equal(out.data[~out.mask], clean.data[~out.mask])


def test_uncertainties_of_any_kind():
    shape = (16, 20)
    for error in (
        StdDevUncertainty(np.full(shape, 500.0), unit=u.kJy / u.sr),
        VarianceUncertainty(np.full(shape, 0.25)),
        InverseVariance(np.full(shape, 4.0)),
    ):
        out = align({"IE": band(), "HE": band(wcs=make_wcs((1, 0)), uncertainty=error)})["HE"]
        assert isinstance(out.uncertainty, StdDevUncertainty)
        assert_allclose(out.uncertainty.array[~out.mask], 0.5, rtol=1e-5)
    out = align({"IE": band(), "HE": band(wcs=make_wcs((1, 0)), uncertainty=None)})["HE"]
    assert out.uncertainty is None


def test_reference_and_big_endian():
    bands = {"IE": band(), "HE": band(np.ones((8, 10)), make_wcs(scale=0.2, centre=(5.5, 4.5)))}
    bands["IE"] = NDData(bands["IE"].data.astype(">f4"), unit=UNIT, wcs=bands["IE"].wcs)
    aligned = align(bands, reference="HE")
    assert aligned["HE"] is bands["HE"]
    assert aligned["IE"].data.shape == (8, 10) and aligned["IE"].data.dtype.isnative


def test_inputs_are_not_changed():
    mask = np.zeros((16, 20), bool)
    mask[3, 3] = True
    he = band(wcs=make_wcs((0.5, 0.5)), mask=mask, meta={"psf": 1})
    before = he.data.copy(), he.mask.copy(), he.uncertainty.array.copy(), dict(he.meta)
    bands = {"IE": band(), "HE": he}
    align(bands)
    assert bands["HE"] is he and he.meta == before[3]
    for now, then in zip((he.data, he.mask, he.uncertainty.array), before, strict=False):
        assert_array_equal(now, then)


@pytest.mark.parametrize(
    "bands, reference, message",
    [
        ({}, None, "at least one band"),
        ([1], None, "mapping"),
        ({"IE": 1}, None, "band IE: NDData"),
        ({"IE": band()}, "HE", "reference 'HE' is no band; there are IE"),
        ({"IE": band(), "HE": NDData(np.ones((3, 3)), unit=UNIT)}, None, "HE has no celestial WCS"),
        ({"IE": band(wcs=WCS(naxis=2))}, None, "IE has no celestial WCS"),
        ({"IE": band(), "HE": band(wcs=make_wcs((500, 0)))}, None, "HE does not overlap with IE"),
    ],
)
def test_refused(bands, reference, message):
    with pytest.raises(InputError, match=message):
        align(bands, reference)

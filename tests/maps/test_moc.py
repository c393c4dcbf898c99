"""Coverage maps: their area, what they hold, and what they refuse."""

import sys

import numpy as np
import pytest
from astropy.wcs import WCS

from euclid_resolved import InputError, SpatialMap
from euclid_resolved.maps import _moc

needs_moc = pytest.mark.skipif(
    not all(__import__("importlib.util").util.find_spec(name) for name in ("mocpy", "astropy_healpix")),
    reason="mocpy is not installed",
)


def sky(shape, ra=150.0, dec=2.0, rotation=0.0, side=0.1, kind=("RA---TAN", "DEC--TAN")):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = list(kind), [ra, dec]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    cos, sin = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * side / 3600
    wcs.wcs.set()
    return wcs


def galaxy(shape=(60, 80)):
    """An ellipse with a hole, and single pixels."""
    y, x = np.indices(shape)
    radius = np.hypot((x - 36.3) / 1.5, y - 30.8)
    values = np.where((radius < 22) & (radius > 4), 1.0, np.nan)
    values[3, 5] = values[-1, -1] = values[0, 0] = 1.0
    return values


def check(map_, moc, area):
    """Each pixel with a value is covered, none is that has only such neighbours, and the area is right."""
    has = np.isfinite(map_.quantity.value)
    assert moc.contains_skycoords(map_.wcs.pixel_to_world(*np.nonzero(has)[::-1])).all()
    assert not moc.contains_skycoords(map_.wcs.pixel_to_world(*np.nonzero(~has)[::-1])).any()
    assert moc.sky_fraction * 4 * np.pi == pytest.approx(has.sum() * area, rel=0.02)


@needs_moc
@pytest.mark.parametrize(
    "where",
    [
        {"rotation": 33.0},
        {"ra": 0.0, "dec": -30.0},  # across RA 0
        {"dec": 90.0, "rotation": 10.0},
        {"dec": -89.9995},  # the pole is in the image, not at its middle
        {"ra": 45.0, "dec": 41.81, "side": 0.3},  # where the equatorial and the polar cells meet
        {"kind": ("GLON-TAN", "GLAT-TAN")},
    ],
)
def test_pixels_are_covered_and_the_area_is_theirs(where):
    values = galaxy()
    map_ = SpatialMap(values, unit="Gyr", wcs=sky(values.shape, **where))
    area = np.radians(where.get("side", 0.1) / 3600) ** 2
    moc = map_.to_moc()
    check(map_, moc, area)
    cell = np.sqrt(4 * np.pi / 12) / 2**moc.max_order
    assert 0.23 < cell / np.sqrt(area) < 0.48


@needs_moc
def test_blocks_do_not_show(monkeypatch):
    values = galaxy()
    map_ = SpatialMap(values, unit="Gyr", wcs=sky(values.shape, rotation=20.0))
    whole = map_.to_moc()
    monkeypatch.setattr(_moc, "BLOCK", 37)
    monkeypatch.setattr(_moc, "AT_ONCE", 100)
    assert map_.to_moc() == whole


@needs_moc
def test_masked_pixels_are_left_out():
    values = galaxy()
    map_ = SpatialMap(values, unit="Gyr", mask=np.arange(80) < 40 + 0 * values, wcs=sky(values.shape))
    check(map_, map_.to_moc(), np.radians(0.1 / 3600) ** 2)


@needs_moc
def test_another_order_loses_nothing():
    values = galaxy()
    map_ = SpatialMap(values, unit="Gyr", wcs=sky(values.shape))
    own = map_.to_moc()
    coarse, fine = map_.to_moc(18), map_.to_moc(own.max_order + 1)
    assert (coarse.max_order, fine.max_order) == (18, own.max_order + 1)
    assert own.difference(coarse).empty()
    assert coarse.sky_fraction > own.sky_fraction
    assert fine.sky_fraction == pytest.approx(own.sky_fraction, rel=0.01)


@needs_moc
def test_the_whole_sky():
    wcs = WCS({"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRPIX1": 36.5, "CRPIX2": 18.5})
    wcs.wcs.cdelt = -5, 5
    assert SpatialMap(np.ones((36, 72)), unit="Gyr", wcs=wcs).to_moc().sky_fraction == pytest.approx(
        1, abs=0.01
    )


@needs_moc
def test_what_has_no_coverage():
    values = galaxy()
    with pytest.raises(InputError, match="no celestial WCS"):
        SpatialMap(values, unit="Gyr").to_moc()
    with pytest.raises(InputError, match="no celestial WCS"):
        SpatialMap(values, unit="Gyr", wcs=WCS(naxis=2)).to_moc()
    with pytest.raises(InputError, match=r"no pixel of .* has a value"):
        SpatialMap(values * np.nan, unit="Gyr", wcs=sky(values.shape)).to_moc()
    for order in (30, -1, 2.5, True):
        with pytest.raises(InputError, match="order"):
            SpatialMap(values, unit="Gyr", wcs=sky(values.shape)).to_moc(order)


def test_without_mocpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "mocpy", None)
    with pytest.raises(InputError, match=r"mocpy is not installed \(pip install euclid_resolved\[moc\]\)"):
        SpatialMap(galaxy(), unit="Gyr", wcs=sky((60, 80))).to_moc()

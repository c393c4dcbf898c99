"""Dimming, distances and the physical size of pixels."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Distance
from astropy.cosmology import FlatLambdaCDM, Planck15
from astropy.nddata import NDData, StdDevUncertainty
from numpy.testing import assert_allclose

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images import pixel_scale
from euclid_resolved.imaging import history, set_distance

UNIT = u.MJy / u.sr


def image(scale=0.1 * u.arcsec):
    error = StdDevUncertainty(np.full((4, 5), 0.1))
    nddata = NDData(np.full((4, 5), 2.0, "f4"), unit=UNIT, uncertainty=error)
    return MultiBandImage({"IE": nddata}, meta={} if scale is None else {"pixel_scale": scale})


def test_distance_by_hand():
    # 0.1" at 10 Mpc: 1e7 x 0.1 / 206264.8 pc.
    out = set_distance(image(), distance=10 * u.Mpc)
    assert pixel_scale(out).to_value(u.pc) == pytest.approx(4.8481, rel=1e-4)
    assert_allclose(out.brightness("IE"), 2.0)
    assert out.meta["distance"] == 10 * u.Mpc and "redshift" not in out.meta
    # 100 pc is 2.06" at 10 Mpc, 0.41" at 50 Mpc, 0.21" at 100 Mpc.
    for mpc, arcsec in ((10, 2.06), (50, 0.41), (100, 0.21)):
        side = pixel_scale(set_distance(image(), distance=mpc * u.Mpc))
        assert (100 * u.pc / side).value * 0.1 == pytest.approx(arcsec, abs=0.005)


def test_dimming():
    out = set_distance(image(), redshift=0.25)
    assert_allclose(out.brightness("IE"), 2 * 1.25**3, rtol=1e-6)
    assert_allclose(out["IE"].uncertainty.array, 0.1 * 1.25**3, rtol=1e-6)
    expected = Planck15.angular_diameter_distance(0.25).to_value(u.pc) * np.radians(0.1 / 3600)
    assert pixel_scale(out).to_value(u.pc) == pytest.approx(expected)
    record = history(out)[-1]
    assert record["settings"]["cosmology"] == "Planck15" and out.meta["redshift"] == 0.25
    other = set_distance(image(), redshift=0.25, cosmology=FlatLambdaCDM(50, 0.3))
    assert pixel_scale(other) > 1.3 * pixel_scale(out)


def test_both():
    out = set_distance(image(), redshift=-0.001, distance=Distance(0.78 * u.Mpc))
    assert_allclose(out.brightness("IE"), 2 * 0.999**3, rtol=1e-5)
    assert out.meta["distance"] == 0.78 * u.Mpc and type(out.meta["distance"]) is u.Quantity


@pytest.mark.parametrize("redshift, distance", [(0.01, 4000), (0.01, 4), (0.1, 43), (0.0, 150)])
def test_a_redshift_and_a_distance_of_different_galaxies(redshift, distance):
    with pytest.warns(DataWarning, match="the distance that is given"):
        out = set_distance(image(), redshift=redshift, distance=distance * u.Mpc)
    assert out.meta["distance"] == distance * u.Mpc


@pytest.mark.parametrize(
    "redshift, distance", [(0.01, 43), (0.0, 0.78), (0.003, 20), (0.1, 390), (1.0, 1700)]
)
def test_distances_that_galaxies_of_a_redshift_have(redshift, distance):
    set_distance(image(), redshift=redshift, distance=distance * u.Mpc)  # a warning is an error


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "give a redshift, a distance, or both"),
        ({"redshift": 0}, "gives no distance"),
        ({"redshift": -0.001}, "gives no distance"),
        ({"redshift": np.nan}, "no redshift"),
        ({"redshift": "far"}, "plain number"),
        ({"redshift": -0.5, "distance": 3 * u.Mpc}, "no redshift"),
        ({"distance": 10}, "one length"),
        ({"distance": -10 * u.Mpc}, "positive"),
        ({"distance": 10 * u.arcsec}, "one length"),
        ({"distance": [1, 2] * u.Mpc}, "one length"),
    ],
)
def test_refused(options, message):
    with pytest.raises(InputError, match=message):
        set_distance(image(), **options)


def test_refused_images():
    with pytest.raises(InputError, match="has a distance already"):
        set_distance(set_distance(image(), redshift=0.1), redshift=0.1)
    with pytest.raises(InputError, match="an angle is needed"):
        set_distance(image(None), redshift=0.1)
    with pytest.raises(InputError, match="an angle is needed"):
        set_distance(image(100 * u.pc), redshift=0.1)

"""Mock galaxies as a prepared mosaic shows them."""

import astropy.units as u
import numpy as np
import pytest

from euclid_resolved.mock import mock_galaxies
from euclid_resolved.mock._mosaic import in_mosaic
from euclid_resolved.mock._recipe import Recipe


@pytest.fixture(scope="module")
def galaxy():
    return mock_galaxies(1, seed=3, pixels=24, progress=False)[0]


def test_pixels_are_those_of_the_mosaics_and_all_bands_have_one_psf(galaxy):
    seen = in_mosaic(galaxy, 1)
    image, maps = seen.load()
    assert (seen.name, seen.group, image.shape) == (galaxy.name, galaxy.group, galaxy.image.shape)
    assert image.meta["angular_pixel_scale"].to_value(u.arcsec) == pytest.approx(0.1)
    assert 0.3 <= seen.meta["observation"].psf_fwhm <= 0.6
    assert set(maps) == set(galaxy.maps)
    again = in_mosaic(galaxy, 1).image
    assert all(np.array_equal(again.brightness(band), image.brightness(band)) for band in image)


def test_the_truth_is_what_the_psf_lets_through(galaxy):
    sharp, soft = galaxy.maps, in_mosaic(galaxy, 1).maps
    mass = [np.nansum(maps["stellar_mass_density"].data) for maps in (sharp, soft)]
    assert mass[1] == pytest.approx(mass[0], rel=0.05)  # what leaves at the edge comes back there
    assert np.nanmax(soft["stellar_mass_density"].data) < np.nanmax(sharp["stellar_mass_density"].data)
    for name in ("stellar_age", "stellar_metallicity"):
        low, high = np.nanmin(sharp[name].data), np.nanmax(sharp[name].data)
        assert low <= np.nanmin(soft[name].data) and np.nanmax(soft[name].data) <= high


def test_every_third_galaxy_of_the_recipe_is_seen_so():
    sides = [one.image.meta["angular_pixel_scale"].value for one in Recipe(pixels=16)._galaxies(6)]
    assert [side == pytest.approx(0.1) for side in sides] == [False, False, True] * 2
    none = [one.image.meta["angular_pixel_scale"].value for one in Recipe(pixels=16, mosaic=0)._galaxies(3)]
    assert min(none) > 1

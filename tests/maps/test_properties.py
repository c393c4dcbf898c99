"""The properties and bands, against the numbers of the literature."""

from dataclasses import FrozenInstanceError

import astropy.units as u
import pytest

from euclid_resolved import BANDS, EUCLID_BANDS, PROPERTIES, SOLAR_METALLICITY
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import band_name
from euclid_resolved.maps import get_property


def test_the_properties_of_the_paper_have_their_units():
    units = {name: prop.unit for name, prop in PROPERTIES.items()}
    assert units == {
        "stellar_mass_density": u.Msun / u.pc**2,
        "stellar_metallicity": u.dimensionless_unscaled,
        "stellar_age": u.Gyr,
    }
    assert [p.name for p in PROPERTIES.values() if p.density] == ["stellar_mass_density"]
    assert PROPERTIES["stellar_metallicity"].zero_point == SOLAR_METALLICITY == 0.02


def test_a_property_is_looked_up_by_name_or_given_itself():
    age = PROPERTIES["stellar_age"]
    assert get_property("stellar_age") is age and get_property(age) is age


@pytest.mark.parametrize("name", ["age", "", None, ["stellar_age"], 3])
def test_an_unknown_property_lists_those_there_are(name):
    with pytest.raises(InputError, match="stellar_mass_density, stellar_metallicity, stellar_age"):
        get_property(name)


def test_bands_run_from_blue_to_red_within_their_edges():
    assert EUCLID_BANDS == ("IE", "YE", "JE", "HE")
    pivots = [BANDS[name].pivot.to_value(u.AA) for name in EUCLID_BANDS]
    assert pivots == [7103, 10785, 13621, 17649]
    for band in BANDS.values():
        assert band.edges[0] < band.pivot < band.edges[1]
        assert band.psf_fwhm is None or 0.1 * u.arcsec < band.psf_fwhm < 1 * u.arcsec
    assert [BANDS[name].extinction for name in EUCLID_BANDS] == [2.191, 1.041, 0.707, 0.472]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("VIS", "IE"), ("ie", "IE"), ("Euclid_VIS", "IE"), ("NIR_Y", "YE"), ("NIR-J", "JE"),
        (" euclid_h ", "HE"), ("LSST_g", "LSST_g"), ("H", "H"),
    ],
)  # fmt: skip
def test_a_band_is_known_by_all_its_usual_names(text, name):
    assert band_name(text) == name


def test_every_name_that_files_use_leads_back_to_the_band():
    for band in BANDS.values():
        names = [name for name in (band.name, band.atlas, band.mer, *band.aliases) if name]
        assert {band_name(name) for name in names} == {band.name}


def test_bands_and_properties_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        BANDS["IE"].pivot = 1 * u.AA
    with pytest.raises(FrozenInstanceError):
        PROPERTIES["stellar_age"].unit = u.Myr

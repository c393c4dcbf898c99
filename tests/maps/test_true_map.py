"""True maps are taken by the property asked for: converted, or refused."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData
from astropy.utils.masked import Masked
from helpers import NAMES, an_image, galaxies
from numpy.testing import assert_allclose

from euclid_resolved import Galaxy, InputError, LinearRegression, SpatialMap, evaluate, train
from euclid_resolved.imaging import observe
from euclid_resolved.io import write_sample
from euclid_resolved.training import extract

AGE = "stellar_age"
GYR = np.array([[4.0, 5.0], [6.0, 7.0]], np.float32)


def of_map(given, name=AGE):
    return Galaxy("G", None, {name: given}).maps[name]


@pytest.mark.parametrize(
    "given",
    [
        GYR,
        GYR.tolist(),
        GYR * u.Gyr,
        GYR * 1e9 * u.yr,
        u.Dex(np.log10(GYR) + 9, u.dex(u.yr)),
        NDData(GYR),
        NDData(GYR * 1e3, unit=u.Myr),
        SpatialMap(GYR * 1e9, unit=u.yr),
        SpatialMap(GYR * 1e9, property=AGE, unit=u.yr),
        SpatialMap(GYR, property=AGE),
    ],
)
def test_an_age_is_in_gyr(given):
    age = of_map(given)
    assert isinstance(age, SpatialMap) and age.property.name == AGE and age.unit == u.Gyr
    assert_allclose(age.data, GYR, rtol=1e-5)


def test_a_map_that_is_right_is_left_alone():
    age = SpatialMap(GYR, property=AGE)
    assert of_map(age) is age
    assert of_map("whatever it is", "dust") == "whatever it is"


@pytest.mark.parametrize(
    "given",
    [
        np.ma.array(GYR, mask=GYR > 6),
        Masked(GYR * 1e9 * u.yr, mask=GYR > 6),
        NDData(GYR, mask=GYR > 6),
        np.where(GYR > 6, np.nan, GYR),
        SpatialMap(GYR * 1e9, unit=u.yr, mask=GYR > 6),
    ],
)
def test_masked_truth_stays_masked(given):
    assert of_map(given).mask.tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SpatialMap(GYR, property="stellar_metallicity"), "given as stellar_age shows stellar_metallicity"),
        (GYR * u.one, r"stellar_age is given in no unit \(dimensionless\), which is never Gyr"),
        (GYR * u.Msun, "stellar_age is given in solMass, which is never Gyr"),
        (NDData(GYR, unit=u.Msun / u.pc**2), "which is never Gyr"),
        (SpatialMap(GYR, unit=u.m), "is given in m, which is never Gyr"),
        (GYR + 1j, "real numbers are needed"),
        (GYR[0], r"must be 2-D, got shape \(2,\)"),
        (4.0, r"must be 2-D, got shape \(\)"),
        ("age.fits", "real numbers are needed"),
    ],
)
def test_what_is_no_age_is_refused(given, message):
    with pytest.raises(InputError, match=f"G: the map .*{message}"):
        of_map(given)


def test_maps_without_names_are_refused():
    with pytest.raises(InputError, match="G: maps by property are needed, got list"):
        Galaxy("G", an_image(GYR.shape), [GYR]).load()


def in_years(one):
    return Galaxy(one.name, one.image, {AGE: NDData(one.maps[AGE].data * np.float32(1e9), unit=u.yr)})


def test_ages_in_years_are_learned_and_judged_in_gyr(tmp_path):
    some = galaxies(4)
    years = [in_years(one) for one in some]
    pixels, expected = extract(years, (AGE,)), extract(some, (AGE,))
    assert_allclose(np.median(pixels.truth[AGE]), np.median(expected.truth[AGE]), rtol=1e-6)
    kept = write_sample(tmp_path / "sample", years, (AGE,))
    assert_allclose(kept.truth[AGE], expected.truth[AGE], rtol=1e-6)
    model = train(years[:3], AGE, LinearRegression())
    assert evaluate(model, years[3:])["bias"][0].value == pytest.approx(0, abs=1e-4)
    assert evaluate(model, some[3:])["bias"][0].value == pytest.approx(0, abs=1e-4)


def test_wrong_truth_is_refused_wherever_it_goes(tmp_path):
    some = galaxies(3)
    model = train(some, AGE, LinearRegression())
    wrong = [Galaxy(f"W{i}", g.image, {AGE: g.maps["stellar_metallicity"]}) for i, g in enumerate(some)]
    for function in (
        lambda: extract(wrong, (AGE,)),
        lambda: train(wrong, AGE, LinearRegression()),
        lambda: evaluate(model, wrong),
        lambda: write_sample(tmp_path / "sample", wrong, (AGE,)),
    ):
        with pytest.raises(InputError, match="W0: the map given as stellar_age shows stellar_metallicity"):
            function()


def test_a_galaxy_of_plain_arrays_can_be_observed():
    one = galaxies(1)[0]
    one.image.meta["pixel_scale"] = 100 * u.pc
    plain = Galaxy(
        "G",
        one.image,
        {name: one.maps[name].quantity for name in NAMES} | {"other": np.ones(one.image.shape)},
    )
    seen, expected = (observe(g, 40 * u.Mpc, pixel_scale=None) for g in (plain, one))
    assert list(seen.maps) == list(NAMES)
    for name in NAMES:
        assert_allclose(seen.maps[name].data, expected.maps[name].data, rtol=1e-6)

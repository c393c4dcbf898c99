"""A model, its domain and a set of pixels take brightness by unit, and know a masked pixel."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, Table
from helpers import NAMES, brightness
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import InputError, LinearRegression, RandomForest, make_features, train
from euclid_resolved.models import Domain
from euclid_resolved.training import Pixels, extract

AGE = "stellar_age"


@pytest.fixture(scope="module")
def light():
    return {band: values.ravel() for band, values in brightness(seed=9).items()}


def structured(light):
    rows = np.empty(len(light["HE"]), [(band, "f4") for band in light])
    for band, values in light.items():
        rows[band] = values
    return rows


FORMS = {
    "quantities": lambda light: {band: v * 1e6 * u.Jy / u.sr for band, v in light.items()},
    "other order": lambda light: dict(reversed(light.items())),
    "more columns": lambda light: {"id": np.full(168, "x"), **light},
    "a table of quantities": lambda light: QTable(
        {b: (v * u.MJy / u.sr).to(u.Jy / u.sr) for b, v in light.items()}
    ),
    "a table": lambda light: Table(light),
    "a masked table": lambda light: Table(light, masked=True),
    "rows": structured,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_brightness_gives_the_same_estimates(linear_model, light, form):
    given = FORMS[form](light)
    assert_allclose(linear_model.estimate(given, AGE), linear_model.estimate(light, AGE), atol=1e-5)
    for name, dex in linear_model.estimate_all(given).items():
        assert_allclose(dex, linear_model.estimate(light, name), atol=1e-5)
    assert linear_model.spread(given, AGE) is None
    # Of numbers that lie at the very edge of the range, a conversion may leave the last bit otherwise.
    assert np.mean(linear_model.domain.outside(given) != linear_model.domain.outside(light)) < 0.02
    if form not in ("other order", "more columns"):
        assert_allclose(
            make_features(given, "colours").values, make_features(light, "colours").values, atol=1e-5
        )


def test_masses_and_complex_numbers_are_no_brightness(linear_model, light):
    mass, complex_ = ({b: v * f for b, v in light.items()} for f in (u.Msun, 1 + 0j))
    for function in (linear_model.estimate_all, make_features, linear_model.domain.outside, Domain.of):
        with pytest.raises(InputError, match="band IE is given in solMass, which is never MJy / sr"):
            function(mass)
        with pytest.raises(InputError, match="band IE: real numbers are needed, got dtype complex"):
            function(complex_)
        with pytest.raises(InputError, match="; got ndarray"):
            function(light["IE"])


@pytest.mark.parametrize("dressed", [True, False])
def test_a_masked_pixel_has_no_estimate(sample, light, dressed):
    model = train(sample, NAMES[:1], RandomForest(n_trees=3, n_jobs=1))
    mask = np.arange(168) == 5
    given = {
        **light,
        "YE": np.ma.array(light["YE"], mask=mask) if dressed else np.where(mask, np.nan, light["YE"]),
    }
    estimate, spread = model.estimate(given), model.spread(given)
    assert np.flatnonzero(np.isnan(estimate)).tolist() == [5]
    assert_array_equal(estimate[~mask], model.estimate(light)[~mask])
    assert np.flatnonzero(np.isnan(spread)).tolist() == [5]
    assert np.isnan(model.estimate_all(given)[NAMES[0]][5])
    assert model.domain.outside(given)[5]
    with pytest.raises(InputError, match="band YE: surface brightness must be finite and positive"):
        make_features(given)
    assert len(make_features(given, where=~mask)) == 167
    nothing = {**light, "YE": np.ma.array(light["YE"], mask=True)}
    assert np.isnan(model.estimate(nothing)).all() and len(model.estimate(nothing)) == 168
    assert model.domain.outside(nothing).all()


def test_what_has_no_logarithm_is_still_refused(linear_model, light):
    for wrong in (0.0, -1.0, np.inf):
        with pytest.raises(InputError, match="band HE: surface brightness must be finite and positive"):
            linear_model.estimate({**light, "HE": np.full(168, wrong)}, AGE)


def the_pixels(light, truth, **options):
    n = len(next(iter(truth.values())))
    return Pixels(light, truth, (n // 2, n - n // 2), ("a", "b"), None, "HE", n, 0, **options)


def test_pixels_are_taken_in_their_units(sample):
    known = extract(sample[:2], NAMES)
    light = {band: v * 1e6 * u.Jy / u.sr for band, v in known.brightness.items()}
    units = {"stellar_mass_density": u.Msun / u.kpc**2, "stellar_metallicity": u.percent, "stellar_age": u.yr}
    own = {"stellar_mass_density": u.Msun / u.pc**2, "stellar_metallicity": u.one, "stellar_age": u.Gyr}
    truth = {name: (v * own[name]).to(units[name]) for name, v in known.truth.items()}
    pixels = the_pixels(light, truth, noise={"HE": np.ones(len(known)) * u.kJy / u.sr})
    for kind in ("brightness", "truth"):
        for name, values in getattr(pixels, kind).items():
            assert_allclose(values, getattr(known, kind)[name], rtol=1e-5)
    assert_allclose(pixels.noise["HE"], 1e-3)
    assert train(pixels, AGE, LinearRegression()).training["n_pixels"] == len(pixels) - len(pixels) // 5
    with pytest.raises(InputError, match="truth of stellar_age is given in solMass, which is never Gyr"):
        the_pixels(light, {**truth, AGE: np.ones(len(known)) * u.Msun})
    with pytest.raises(InputError, match="noise of HE is given in s"):
        the_pixels(light, truth, noise={"HE": np.ones(len(known)) * u.s})
    with pytest.raises(InputError, match="truth: every column needs as many values"):
        the_pixels(light, {**truth, AGE: np.ones(3)})


def test_masked_truth_and_light_are_not_learned_from(sample):
    known = extract(sample[:2], NAMES)
    light, truth, mask = dict(known.brightness), dict(known.truth), np.arange(len(known)) == 7
    pixels = the_pixels(light, {**truth, AGE: np.ma.array(truth[AGE], mask=mask)})
    assert np.isnan(pixels.truth[AGE][7])
    with pytest.raises(InputError, match="stellar_age: the truth of every pixel must be finite"):
        train(pixels, AGE, LinearRegression())
    with pytest.raises(InputError, match="band IE: surface brightness must be finite"):
        train(
            the_pixels({**light, "IE": np.ma.array(light["IE"], mask=mask)}, truth), AGE, LinearRegression()
        )

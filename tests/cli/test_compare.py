"""The command compare: what it reads, prints and writes, and what it refuses."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from helpers import sky_wcs

from euclid_resolved import SpatialMap, write
from euclid_resolved.cli import main
from euclid_resolved.io._other_maps import read_other

SHAPE = (24, 26)
DENSITY, METALLICITY = "stellar_mass_density", "stellar_metallicity"


def run(*words):
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def folder(tmp_path):
    """Maps, and images that others might have made of them: 0.1 dex more mass, in logarithms per kpc2."""
    y, x = np.indices(SHAPE)
    density = 10 ** (2.5 - np.hypot(x - 12.5, y - 11.5) / 12)
    values = {DENSITY: density, METALLICITY: 0.02 * (density / 100) ** 0.2}
    maps = {name: SpatialMap(each, property=name, wcs=sky_wcs(SHAPE)) for name, each in values.items()}
    write(tmp_path / "maps.fits", maps)
    header = sky_wcs(SHAPE).to_header()
    header["BUNIT"] = "log10(Msun/kpc^2)"
    mass = np.log10(density) + 6.1
    bad = np.zeros(SHAPE, np.uint8)
    bad[0] = 1
    planes = [fits.PrimaryHDU(), fits.ImageHDU(mass, header, name="MASS"), fits.ImageHDU(bad, name="MASK")]
    fits.HDUList([*planes, fits.ImageHDU(mass, header, name="OTHER")]).writeto(tmp_path / "other.fits")
    fits.writeto(tmp_path / "z.fits", values[METALLICITY].astype(np.float32), sky_wcs(SHAPE).to_header())
    return tmp_path


@pytest.mark.slow
def test_tables_and_figures_are_written_and_say_what_was_compared(folder, capsys):
    other = [f"{DENSITY}={folder / 'other.fits'}:MASS", f"{METALLICITY}={folder / 'z.fits'}"]
    words = ["compare", folder / "maps.fits", *other, "--unit", f"{METALLICITY}=1", "-o", folder / "out"]
    words += ["--imf", "Chabrier", "Salpeter", "--bootstrap", 5]
    assert run(*words) == 0
    out = capsys.readouterr().out
    assert "dex(solMass / kpc2)" in out and "All maps have the same pixels." in out
    assert "Salpeter" in out and "not converted" in out
    names = {"pixels.ecsv", "profile.ecsv", "rmzr.ecsv", "maps.png", "rmzr.png"}
    assert {path.name for path in (folder / "out").iterdir()} == names
    table = QTable.read(folder / "out" / "pixels.ecsv")
    assert np.allclose(table["offset"].to_value(u.dex), [-0.1, 0], atol=1e-4)
    assert list(table["n_pixels"]) == [SHAPE[1] * (SHAPE[0] - 1), SHAPE[0] * SHAPE[1]]
    assert table.meta["imf"] == ["Chabrier", "Salpeter"] and table.meta["units"][METALLICITY] == "1"
    # Nothing is replaced unless that is said.
    assert run(*words) == 1 and "--overwrite" in capsys.readouterr().err
    assert run(*words, "--scale-other", 10**-0.1, "--overwrite") == 0
    assert "not converted" not in capsys.readouterr().out
    table = QTable.read(folder / "out" / "pixels.ecsv")
    assert np.allclose(table["offset"].to_value(u.dex), 0, atol=1e-4)


def test_maps_of_ours_are_compared_without_further_words(folder, capsys):
    assert run("compare", folder / "maps.fits", folder / "maps.fits", "--bootstrap", 5) == 0
    out = capsys.readouterr().out
    assert "1.0000" in out and "rmzr:" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["stellar_mass_density=other.fits"], 1, "name one as FILE:EXTENSION"),
        (["stellar_mass_density=other.fits:NONE"], 1, "no extension NONE"),
        (["stellar_metallicity=z.fits"], 1, "BUNIT does not say the unit"),
        (["stellar_age=other.fits:MASS"], 1, "is no unit of stellar_age"),
        (["stellar_age=z.fits", "--unit", "stellar_age=dex"], 1, "is no unit of stellar_age"),
        (["stellar_age=z.fits", "--unit", "stellar_age=Gyr"], 1, "no property in common"),
        (["z.fits"], 1, "name the property"),
        (["stellar_mas=z.fits"], 1, "did you mean"),
        (["maps.fits", "--unit", "stellar_age=Gyr"], 1, "of no use"),
        (["maps.fits", "--scale-other", "0"], 2, "positive number"),
        (["maps.fits", "--bin-width", "wide"], 2, "--bin-width"),
        (["maps.fits", "--scale-other", "star=2"], 2, "unknown property"),
        (["maps.fits", "--region", "nowhere.reg"], 1, "nowhere.reg"),
    ],
)
def test_what_is_wrong_is_one_line(folder, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(folder)
    assert run("compare", "maps.fits", *words) == code
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1] and "Traceback" not in err


@pytest.mark.parametrize(
    ("unit", "value", "linear"),
    [("Msun/kpc2", 2e7, 20), ("dex(Msun/pc2)", 1, 10), ("log(Msun kpc-2)", 7, 10), ("solMass/pc**2", 3, 3)],
)
def test_units_are_read_as_people_write_them(tmp_path, unit, value, linear):
    header = fits.Header({"BUNIT": unit})
    fits.writeto(tmp_path / "mass.fits", np.full((3, 4), value, float), header)
    map_ = read_other([f"{DENSITY}={tmp_path / 'mass.fits'}"])[DENSITY]
    assert np.allclose(map_.unit.to(u.Msun / u.pc**2, map_.data), linear)

"""The commands that measure maps print what the functions of Python answer, with errors and units."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable, Table
from helpers import NAMES, sky_wcs

from euclid_resolved import SpatialMap, read, write
from euclid_resolved.cli import main
from euclid_resolved.maps import annulus, mean, radial_profile, total

Y, X = np.mgrid[-20:21, -20:21]
DENSITY = 100 * 10 ** (-np.hypot(X, Y) / 20)


@pytest.fixture
def maps(tmp_path):
    """A disc with errors, and an age that grows outwards, on pixels of 500 pc."""
    mask = np.zeros(DENSITY.shape, bool)
    mask[0] = True
    meta = {"pixel_scale": 500 * u.pc, "shared_variance": 0.5}
    content = {}
    for name, values in (("stellar_mass_density", DENSITY), ("stellar_age", 1 + np.hypot(X, Y) / 5)):
        error = StdDevUncertainty(0.1 * values)
        content[name] = SpatialMap(
            values, property=name, mask=mask, uncertainty=error, meta=dict(meta), wcs=sky_wcs(DENSITY.shape)
        )
    write(tmp_path / "maps.asdf", content)
    return tmp_path / "maps.asdf"


def run(*words):
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


def values_of(capsys):
    return json.loads(capsys.readouterr().out)["values"]


def test_totals_and_means_are_those_of_python(maps, capsys):
    assert run("measure", maps, "--json") == 0
    rows = values_of(capsys)
    content = read(maps)
    expected = [
        total(content["stellar_mass_density"]),
        mean(content["stellar_mass_density"]),
        mean(content["stellar_age"]),
    ]
    assert [(row["statistic"], row["property"]) for row in rows] == [
        (e.statistic, e.property) for e in expected
    ]
    for row, value in zip(rows, expected, strict=True):
        assert row["value"] == {"value": pytest.approx(value.value.value), "unit": str(value.value.unit)}
        assert row["error"]["value"] == pytest.approx(value.error.value)
        assert row["masked_fraction"] == pytest.approx(1 / 41)
    assert rows[0]["value"]["unit"] == "solMass"


def test_a_ring_is_that_of_python_and_a_mean_can_be_weighted(maps, capsys):
    ring = ["--ellipse", "2kpc", "5kpc", "--inclination", "40", "--centre-pixels", "19", "21"]
    words = ["--property", "stellar_age", "--statistic", "mean", "--weights", NAMES[0]]
    assert run("measure", maps, *ring, *words, "--json") == 0
    (row,) = values_of(capsys)
    content = read(maps)
    where = annulus(content["stellar_age"], 2 * u.kpc, 5 * u.kpc, inclination=40 * u.deg, centre=(19, 21))
    expected = mean(content["stellar_age"], where, weights=content[NAMES[0]])
    assert row["statistic"] == "weighted mean" and row["region"] == "ring of 2 kpc to 5 kpc"
    assert row["value"]["value"] == pytest.approx(expected.value.value)


def test_every_region_has_its_rows_and_the_table_can_be_kept(maps, tmp_path, capsys):
    (tmp_path / "a.reg").write_text("image; circle(21, 21, 5)")
    words = ["measure", maps, "--region", tmp_path / "a.reg", "image; circle(21, 21, 10)"]
    words += ["--property", "stellar_mass_density", "--statistic", "total", "-o", tmp_path / "t.ecsv"]
    assert run(*words) == 0
    shown = capsys.readouterr().out
    table = Table.read(tmp_path / "t.ecsv")
    assert len(table) == 2 and list(table["unit"]) == ["solMass"] * 2
    assert table["value"][0] < table["value"][1] and "solMass" in shown
    np.testing.assert_allclose(table["area"], np.pi * np.array([25, 100]), rtol=1e-6)
    assert run(*words) == 1 and "--overwrite" in capsys.readouterr().err


def test_a_total_without_a_length_says_what_it_needs(tmp_path, capsys):
    write(tmp_path / "m.asdf", {NAMES[0]: SpatialMap(DENSITY, property=NAMES[0], wcs=sky_wcs(DENSITY.shape))})
    assert run("measure", tmp_path / "m.asdf") == 0
    assert "--distance MPC" in capsys.readouterr().out
    assert run("measure", tmp_path / "m.asdf", "--distance", 10, "--statistic", "total", "--json") == 0
    pixel = (0.1 * u.arcsec).to_value(u.rad) * 1e7
    assert values_of(capsys)[0]["value"]["value"] == pytest.approx(DENSITY.sum() * pixel**2, rel=1e-4)


def test_profiles_are_those_of_python_in_the_unit_asked_for(maps, tmp_path, capsys):
    words = ["profile", maps, "--bin-width", "1kpc", "--region", "image; circle(21, 21, 15)"]
    assert run(*words, "-o", tmp_path / "p.ecsv") == 0
    shown = capsys.readouterr().out
    assert "stellar_age:" in shown and "kpc" in shown
    expected = radial_profile(read(maps)[NAMES[0]], 1 * u.kpc, where="image; circle(21, 21, 15)")
    table = QTable.read(tmp_path / "p.ecsv")
    assert table["radius"].unit == u.kpc and list(table["radius"].value) == list(expected["radius"].value)
    np.testing.assert_allclose(table["stellar_mass_density_median"], expected["median"])
    assert run(*words, "--json") == 0
    profile = json.loads(capsys.readouterr().out)["profiles"]["stellar_mass_density"]
    assert profile["units"]["radius"] == "kpc" and profile["rows"][0]["n_pixels"] == expected["n_pixels"][0]


def test_empty_rings_are_not_printed_but_written(tmp_path, capsys):
    mask = np.hypot(X, Y) > 8
    map_ = SpatialMap(DENSITY, property="stellar_mass_density", mask=mask, meta={"pixel_scale": 500 * u.pc})
    write(tmp_path / "m.asdf", {"stellar_mass_density": map_})
    assert run("profile", tmp_path / "m.asdf", "--bin-width", "1kpc", "-o", tmp_path / "p.ecsv") == 0
    said = capsys.readouterr()
    rows = [line for line in said.out.splitlines() if line.split() and line.split()[0][0].isdigit()]
    table = QTable.read(tmp_path / "p.ecsv")
    counts = table["stellar_mass_density_n_pixels"]
    assert 0 < len(rows) == np.count_nonzero(counts) < len(counts)
    assert "Errors are not known (nan)" in said.out + said.err


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["measure", "{}", "--ellipse", "wide"], "as 5kpc, 10arcsec or 30 (pixels), not 'wide'", 2),
        (["measure", "{}", "--ellipse", "1", "2", "3"], "one radius, or an inner and an outer one; got 3", 2),
        (["measure", "{}", "--ellipse", "3arcsec"], "does not fit a pixel of 500.0 pc", 1),
        (["measure", "{}", "--property", "mass"], "known are stellar_mass_density", 2),
        (["measure", "{}", "--property", "stellar_metallicity"], "no map of 'stellar_metallicity'", 1),
        (["measure", "{}", "--weights", "sfr"], "has no map of sfr; there are", 1),
        (["measure", "{}", "--property", "stellar_age", "--statistic", "total"], "nothing to measure", 1),
        (["measure", "{}", "-o", "t.csv"], "-o must end in .ecsv, got t.csv", 2),
        (["measure", "{}", "--region", "circl(1,2,3)"], "no DS9 region can be read", 1),
        (["profile", "none.asdf"], "there is no such file", 1),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(maps, capsys, words, message, code):
    assert run(*(word.format(maps) for word in words)) == code
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


def test_a_model_is_no_map(model_file, capsys):
    assert run("measure", model_file) == 1
    assert "maps are needed, as predict writes them; the file holds one Model" in capsys.readouterr().err


def test_a_centre_on_the_sky_is_the_pixel_there(maps, capsys):
    where = sky_wcs(DENSITY.shape).pixel_to_world(19, 21).icrs
    found = []
    for centre in (["--centre", where.ra.deg, where.dec.deg], ["--centre-pixels", 19, 21]):
        assert run("measure", maps, "--ellipse", 6, *centre, "--json") == 0
        found.append([row["value"]["value"] for row in values_of(capsys)])
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_the_parts_of_an_error_are_columns_of_their_own(tmp_path, capsys):
    values = np.full((8, 8), 50.0)
    map_ = SpatialMap(
        values, property="stellar_mass_density", uncertainty=StdDevUncertainty(0.3 * values),
        planes={"noise": 0.1 * values},
        meta={"pixel_scale": 500 * u.pc, "shared_variance": 0.5, "interval": 0.68},
    )  # fmt: skip
    write(tmp_path / "maps.asdf", {"stellar_mass_density": map_})
    assert run("measure", tmp_path / "maps.asdf", "--json", "-o", tmp_path / "table.ecsv") == 0
    known = total(map_).parts
    parts = values_of(capsys)[0]["parts"]
    assert {name: each["value"] for name, each in parts.items()} == pytest.approx(
        {name: each.value for name, each in known.items()}
    )
    table = Table.read(tmp_path / "table.ecsv")
    assert table["error_noise"][0] == pytest.approx(known["noise"].value) and "parts" not in table.colnames

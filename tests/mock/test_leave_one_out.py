"""What it costs that a model has not learned a library, with small galaxies and a made-up library."""

import runpy

import numpy as np
import pytest
from astropy.table import Table
from helpers import ROOT

from euclid_resolved.mock import MockSettings
from euclid_resolved.mock._population_tables import BANDS, UNIT, shipped

SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "leave_one_out.py"), run_name="leave_one_out")
FEW = ["--galaxies", "20", "--test", "20", "--pixels", "10", "--trees", "2"]


@pytest.fixture(scope="module")
def brighter(tmp_path_factory):
    """The shipped library with a tenth more light in every band, and a twentieth more of it in HE."""
    usual = shipped()
    z, age = np.meshgrid(10**usual.log_metallicity, usual.log_age)
    table = Table({"metallicity": z.ravel(), "log_age": age.ravel()}, meta=dict(usual.meta))
    for k, (band, factor) in enumerate(zip(BANDS, (1.1, 1.1, 1.1, 1.155), strict=True)):
        table[band] = factor * usual.values[..., k].ravel() * UNIT
    table["remaining_mass"] = usual.values[..., -1].ravel()
    path = tmp_path_factory.mktemp("tables") / "brighter.ecsv"
    table.write(path, format="ascii.ecsv")
    return str(path)


def test_by_how_much_libraries_differ_is_found_in_galaxies_of_them(brighter):
    libraries = {"bc03": "bc03", "brighter": brighter}
    found = SCRIPT["differences"](libraries, MockSettings.preset("broad"), 6)
    assert (found["bc03"] == 0).all()
    # Whatever the ages and metallicities, and whatever the preset draws besides.
    expected = np.log10([1.1, 1.1, 1.1, 1.155])
    np.testing.assert_allclose(found["brighter"], np.tile(expected, (len(found["brighter"]), 1)), atol=1e-4)


def test_one_more_library_is_expected_where_the_known_ones_lie(capsys):
    found = {str(n): np.full((3, 4), light) for n, light in enumerate((0.0, -0.06, 0.03))}
    beside, among = SCRIPT["spread"](found)
    s = np.std([0.0, -0.06, 0.03], ddof=1)
    assert beside["population_light"] == pytest.approx(10**-0.01) and among["population_light"] == 1
    assert beside["population_light_scatter"] == pytest.approx(s * (1 + 1 / 3) ** 0.5)
    # Together with the draw of one of three: the same.
    together = np.var([0.0, -0.06, 0.03]) + among["population_light_scatter"] ** 2
    assert together == pytest.approx(beside["population_light_scatter"] ** 2)
    assert beside["population_band_scatter"] == among["population_band_scatter"] == 0
    MockSettings(**beside), MockSettings(**among)


def test_what_varies_within_a_library_comes_on_top(capsys):
    galaxies = np.array([0.01, -0.01])[:, None] + np.zeros(4)
    beside, among = SCRIPT["spread"]({"a": 0 * galaxies, "b": galaxies})
    assert beside["population_light_scatter"] == pytest.approx(0.01)
    assert among["population_light_scatter"] == pytest.approx(0)


@pytest.mark.slow
def test_the_table(brighter, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"lie in their interval of 68 %, 0.0 to 0.01 are asked for"):
        SCRIPT["main"](["bc03", brighter, *FEW, "--out", str(tmp_path / "it.ecsv"), "--hold", "0", "0.01"])
    table = Table.read(tmp_path / "it.ecsv")
    ways = [f"{row['trained on']}: {row['tested on']}" for row in table]
    models, tests = ("shipped, none", "shipped, preset"), ("bc03", "brighter", "redder")
    assert ways[:6] == [f"{model}: {test}" for model in models for test in tests]
    assert ways[6:] == ["others, none: bc03", "others, none: brighter", "itself: brighter"]
    unseen = table[1]
    # More light is taken for more mass: the truth is below the estimate.
    assert unseen["density: bias"] < table[0]["density: bias"] - 0.02
    assert 0 < unseen["density: held"] < 1 and unseen["density: width"] > 0
    said = capsys.readouterr().out
    assert "density: mean" in said and "population_light_scatter" in said
    # A model of the shipped one is one of "the others" when the other is left out.
    for name in ("density: rmse", "metallicity: bias", "age: held"):
        assert table[7][name] == pytest.approx(table[1][name])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bc03"], "two libraries or more are needed"),
        (["bc03", "bc03"], "each of another name"),
        (["bc03", "missing.ecsv"], "missing.ecsv: there is no such file of populations"),
        (["bc03", "damaged.ecsv"], "damaged.ecsv is damaged: 1 of 366 values"),
        (["bc03", "old.ecsv"], "do not cover those of the mock"),
        (["bc03", "whole.ecsv", "--galaxies", "5"], "20 galaxies or more are needed"),
        (["bc03", "whole.ecsv", "--preset", "narrow"], "no preset of mock settings is called 'narrow'"),
    ],
)
def test_what_makes_no_sense_is_said_before_galaxies_are_made(
    words, said, brighter, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    table = Table.read(brighter, format="ascii.ecsv")
    table.write("whole.ecsv", format="ascii.ecsv")
    table[table["log_age"] > 7].write("old.ecsv", format="ascii.ecsv")
    table["HE"][3] = -1
    table.write("damaged.ecsv", format="ascii.ecsv")
    with pytest.raises(SystemExit) as stopped:
        SCRIPT["main"](words)
    assert stopped.value.code == 2 and said in capsys.readouterr().err

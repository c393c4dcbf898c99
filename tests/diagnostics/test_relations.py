"""Published relations: named without values, read with all conventions, converted only on request."""

import numpy as np
import pytest
from astropy.table import Table

from euclid_resolved import InputError
from euclid_resolved.diagnostics import PUBLISHED_RELATIONS, read_relation, write_relation
from euclid_resolved.diagnostics._relations import as_relation, get_relation

META = {"reference": "Someone 2020", "weighting": "mass", "imf": "Chabrier", "solar_metallicity": 0.019}


def table(**changes):
    columns = {"log_density": [1.0, 2.0, 3.0], "log_metallicity": [-0.2, 0.0, 0.1]}
    return Table(columns, meta={**META, **changes})


def test_the_four_of_fig_8_have_references_and_no_values():
    assert len(PUBLISHED_RELATIONS) == 4
    for name, relation in PUBLISHED_RELATIONS.items():
        assert not relation.supplied and relation.log_density is None
        assert relation.reference and "no verified values" in relation.missing()
        assert "read_relation" in relation.missing()
        assert get_relation(name) is relation
        with pytest.raises(InputError, match="no verified values"):
            write_relation("never.ecsv", relation)


def test_round_trip(tmp_path):
    relation = as_relation("mine", table())
    write_relation(tmp_path / "mine.ecsv", relation)
    again = read_relation(tmp_path / "mine.ecsv")
    assert again.name == "mine" and again.supplied and not again.missing()
    assert np.array_equal(again.log_metallicity, relation.log_metallicity)
    assert (again.weighting, again.imf, again.solar_metallicity) == ("mass", "Chabrier", 0.019)
    assert again.label == "mine (mass-weighted, IMF Chabrier, solar Z 0.019)"
    with pytest.raises(InputError, match="overwrite"):
        write_relation(tmp_path / "mine.ecsv", relation)


def test_density_per_square_kiloparsec():
    relation = as_relation("mine", table(density_unit="Msun/kpc2"))
    assert np.allclose(relation.log_density, [-5, -4, -3]) and relation.conversions


def test_conversions_are_said():
    relation = as_relation("mine", table())
    solar = relation.to_solar(0.02)
    assert np.allclose(solar.log_metallicity - relation.log_metallicity, np.log10(0.019 / 0.02))
    imf = solar.to_imf("Kroupa", 0.05).to_weighting("light (r)", -0.1)
    assert np.allclose(imf.log_density - relation.log_density, 0.05)
    assert imf.imf == "Kroupa" and len(imf.conversions) == 3 and "IMF Chabrier to Kroupa" in imf.label
    with pytest.raises(InputError, match="must be known"):
        as_relation("mine", table(solar_metallicity="nan")).to_solar(0.02)


@pytest.mark.parametrize("missing", ["log_density", "log_metallicity"])
def test_missing_columns(missing):
    broken = table()
    broken.remove_column(missing)
    with pytest.raises(InputError, match=f"needs column {missing}"):
        as_relation("mine", broken)


def test_missing_conventions(tmp_path):
    with pytest.raises(
        InputError, match="needs key reference, key weighting, key imf, key solar_metallicity"
    ):
        as_relation("mine", Table({"log_density": [1.0], "log_metallicity": [0.0]}))
    with pytest.raises(InputError, match="density_unit is one of"):
        as_relation("mine", table(density_unit="g"))
    with pytest.raises(InputError, match="mass fraction"):
        as_relation("mine", table(solar_metallicity="Asplund"))
    with pytest.raises(InputError, match="there is no such file"):
        read_relation(tmp_path / "nothing.ecsv")
    (tmp_path / "bad.ecsv").write_text("no table")
    with pytest.raises(InputError, match="cannot be read"):
        read_relation(tmp_path / "bad.ecsv")
    bad = table()
    bad["log_density"][0] = np.nan
    with pytest.raises(InputError, match="finite"):
        as_relation("mine", bad)


def test_califa_has_values_conventions_and_a_source():
    """The bins are those of the straight lines that were measured with them."""
    lines = {"CALIFA Re": (-0.153, 0.172, "mass"), "CALIFA Re, light": (-0.166, 0.148, "light")}
    number = np.array([16, 30, 63, 103, 99, 70, 46, 25])
    for name, (value, slope, weighting) in lines.items():
        relation = get_relation(name)
        assert relation.supplied and (relation.weighting, relation.imf) == (weighting, "Salpeter")
        assert relation.solar_metallicity == 0.02 and relation.density_error == 0.3
        assert "edge_pydb 1.7.1" in relation.reference and "467 galaxies" in relation.sample
        assert (relation.log_metallicity_p16 < relation.log_metallicity).all()
        assert (relation.log_metallicity_p84 > relation.log_metallicity).all()
        fit = np.polyfit(relation.log_density - 2.25, relation.log_metallicity, 1, w=np.sqrt(number))
        # Medians rise more steeply than a line through all galaxies, whose metallicities have a tail.
        assert fit == pytest.approx([slope, value], abs=0.05)
        # At one density, metallicity rises with the mass of the galaxy, and so does the slope.
        assert (np.diff(relation.by_mass[:, 3]) > 0).all() and (np.diff(relation.by_mass[:, 5]) > 0).all()
    light = get_relation("CALIFA Re, light").by_mass
    assert light[:, 3].tolist() == [-0.265, -0.221, -0.141, -0.081]
    assert light[:, 5].tolist() == [0.0, 0.03, 0.07, 0.12]
    assert "475 in the lines by mass" in get_relation("CALIFA Re").sample


def test_a_relation_by_mass_goes_through_a_file_and_conversions(tmp_path):
    relation = get_relation("CALIFA Re")
    write_relation(tmp_path / "califa.ecsv", relation)
    again = read_relation(tmp_path / "califa.ecsv")
    assert np.array_equal(again.by_mass, relation.by_mass) and again.density_error == 0.3
    assert np.array_equal(again.log_metallicity_error, relation.log_metallicity_error)
    moved = relation.to_imf("Chabrier", -0.25).to_solar(0.0142)
    assert np.allclose(moved.by_mass[:, :3] - relation.by_mass[:, :3], -0.25)
    assert np.allclose(moved.by_mass[:, 3] - relation.by_mass[:, 3], np.log10(0.02 / 0.0142))
    assert np.array_equal(moved.by_mass[:, 4:], relation.by_mass[:, 4:])
    # Of a density per square kiloparsec the masses of galaxies stay what they are.
    one = [9.0, 10.0, 8.25, -0.3, 0.02, 0.1, 0.03]
    far = as_relation("mine", table(density_unit="Msun/kpc2", by_mass=[one]))
    assert far.by_mass[0, :4] == pytest.approx([9, 10, 2.25, -0.3])
    for wrong in ("text", [[1, 2, 3]], [one[:-1] + [np.nan]], [[10.0, 9.0, *one[2:]]]):
        with pytest.raises(InputError, match="by_mass"):
            as_relation("mine", table(by_mass=wrong))
    with pytest.raises(InputError, match="density_error must be a number of dex"):
        as_relation("mine", table(density_error="large"))

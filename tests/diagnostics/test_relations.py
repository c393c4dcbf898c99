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

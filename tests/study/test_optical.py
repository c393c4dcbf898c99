"""Optical bands in a study: the part itself, and a whole study in other bands than Euclid's."""

import json

import numpy as np
import pytest
from astropy.table import Table

from euclid_resolved import InputError, make_atlas
from euclid_resolved.images import EUCLID_BANDS
from euclid_resolved.study import read_study, reproduce

STUDY = """
properties = ["stellar_mass_density", "stellar_age"]

[sample]
test_fraction = 0.3

[inputs]
bands = { features = ["bands"] }
HE = { features = ["bands"], columns = ["HE"] }

[estimators.LR]
estimator = "linear"

[[parts]]
label = "Beyond"
run = "optical_bands"
bands = ["LSST_g", "u_lsst"]
"""


def silent(line):
    """Say nothing."""


def study_of(folder, text=STUDY):
    path = folder / "study.toml"
    path.write_text(text)
    return path


def part_of(folder):
    return json.loads((folder / "out" / "manifest.json").read_text())["beyond-optical-bands"]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    bands = (*EUCLID_BANDS, "LSST_u", "LSST_g")
    return make_atlas(tmp_path_factory.mktemp("optical") / "atlas", 6, pixels=24, bands=bands, progress=False)


@pytest.fixture(scope="module")
def done(atlas, tmp_path_factory):
    folder = tmp_path_factory.mktemp("done")
    reproduce(atlas, folder / "out", study=study_of(folder), say=silent)
    entry = part_of(folder)
    return [Table.read(folder / "out" / each["file"], format="ascii.ecsv") for each in entry["tables"]], entry


@pytest.mark.slow
def test_the_part_compares_four_bands_with_six(done):
    (accuracy, _), entry = done
    assert list(accuracy["bands"]) == [4, 6, 4, 6] and len(entry["figures"]) == 2
    age = accuracy[accuracy["property"] == "stellar_age"]
    assert age["rmse"][1] < age["rmse"][0]
    assert entry["values"]["optical/linear/bands/stellar_age"] == age["r2"][1]
    notes = " ".join(entry["notes"])
    assert "LSST_g, LSST_u beside those of the paper" in notes and "noise of HE" in notes


def test_every_band_is_left_out_and_shuffled(done):
    (accuracy, worth), _ = done
    age = worth[worth["property"] == "stellar_age"]
    # From blue to red.
    assert list(age["left_out"]) == ["none", "LSST_u", "LSST_g", "IE", "YE", "JE", "HE"]
    assert age["rmse"][0] == accuracy["rmse"][3]
    np.testing.assert_allclose(age["lofo"], age["rmse"] - age["rmse"][0], atol=1e-12)
    assert (age["shuffled"][1:] > 0).all()


def test_an_atlas_without_further_bands_is_told_how_to_get_them(tmp_path):
    few = make_atlas(tmp_path / "atlas", 4, pixels=16, progress=False)
    reproduce(few, tmp_path / "out", study=study_of(tmp_path), say=silent)
    entry = part_of(tmp_path)
    assert not entry["tables"] and "The atlas holds no LSST_g, LSST_u." in entry["notes"][0]
    assert "atlas make --bands IE YE JE HE LSST_g LSST_u" in entry["notes"][0]


def test_inputs_of_single_columns_are_refused(atlas, tmp_path):
    study = study_of(tmp_path, STUDY + 'inputs = ["HE"]\n')
    with pytest.raises(InputError, match="Beyond: the input 'HE' is of some columns only"):
        reproduce(atlas, tmp_path / "out", study=study, say=silent)


def test_a_study_may_be_in_other_bands(atlas, tmp_path):
    inputs = STUDY.partition("[[parts]]")[0].replace('columns = ["HE"]', 'columns = ["LSST_u"]')
    text = 'bands = ["LSST_u", "VIS", "HE"]\n' + inputs + '[[parts]]\nlabel = "Table 3"\nrun = "accuracy"\n'
    study = study_of(tmp_path, text)
    assert read_study(study).bands == ("LSST_u", "IE", "HE")
    reproduce(atlas, tmp_path / "out", study=study, say=silent)
    (table,) = (tmp_path / "out" / "parts").glob("*/table-1.ecsv")
    assert set(Table.read(table, format="ascii.ecsv")["input"]) == {"bands", "HE"}
    for wrong, message in (
        ('["IE", "VIS"]', "given 2 times"),
        ("[]", "no band is given"),
        ('"IE"', "list of names"),
    ):
        with pytest.raises(InputError, match=message):
            read_study(study_of(tmp_path, f"bands = {wrong}\n" + STUDY))


def test_the_shipped_studies_have_the_part():
    for name in ("paper", "paper-fast"):
        (part,) = [part for part in read_study(name).parts if part.run == "optical_bands"]
        assert part.title == "Optical bands" and "Beyond the paper" in part.label
        assert read_study(name).bands == EUCLID_BANDS

"""The first command a user runs leaves a model, maps and figures, and says how good they are."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest

from euclid_resolved import Model, Quality, make_atlas, read
from euclid_resolved.cli import main
from euclid_resolved.cli._quickstart import _FILES, quickstart
from euclid_resolved.errors import InputError

NAMES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")


@pytest.fixture(scope="module")
def small():
    """Quickstart with images of 32 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("euclid_resolved.cli._quickstart.make_atlas", partial(make_atlas, pixels=32))
        yield quickstart


@pytest.fixture(scope="module")
def done(small, tmp_path_factory):
    """A run on five galaxies: its folder, its table and what it said."""
    folder, said = tmp_path_factory.mktemp("quick") / "start", []
    table = small(folder, galaxies=5, say=said.append)
    return folder, table, "\n".join(said)


def test_the_table_has_both_estimators_beside_the_paper(done):
    _, table, said = done
    assert table.colnames == ["property", "estimator", "paper_r2", "r2", "rmse", "nmad", "bias", "pearson"]
    rows = list(zip(table["property"], table["estimator"], strict=True))
    assert rows == [(name, estimator) for name in NAMES for estimator in ("linear", "random_forest")]
    assert list(table["paper_r2"]) == ["≈0.873", "≈0.927", "≈0.417", "≈0.595", "-", "≈0.382"]
    assert (table["rmse"] > 0).all() and table["r2"][1] > 0.5
    assert "Mock atlas of 5 galaxies" in said and "not a cosmological simulation" in said


def test_every_file_is_there_and_said_and_opens(done):
    folder, _, said = done
    assert sorted(path.name for path in folder.iterdir()) == sorted([*_FILES, "atlas"])
    assert all(str(folder / name) in said for name in _FILES)
    model, maps = read(folder / "model.asdf"), read(folder / "maps.fits")
    assert isinstance(model, Model) and model.properties == NAMES and tuple(maps) == NAMES
    again = read(folder / "maps.asdf")
    for name in NAMES:
        np.testing.assert_array_equal(maps[name].data, again[name].data)
        assert maps[name].meta["model"] == model.digest
        assert 0 < np.mean(~maps[name].mask) < 1 and maps[name].fraction(Quality.BELOW_CLIP) > 0
    for name in _FILES[-3:]:
        assert plt.imread(folder / name).std() > 0.05


def test_the_galaxy_shown_and_tested_was_not_trained_on(done):
    folder, _, _ = done
    model = read(folder / "model.asdf")
    shown = read(folder / "maps.asdf")["stellar_age"].meta["name"]
    assert model.training["test_galaxies"] == [shown] and len(model.training["galaxies"]) == 4
    assert shown not in model.training["galaxies"]


def test_evaluating_the_model_later_uses_the_held_out_galaxy_only(done, capsys):
    folder, table, _ = done
    assert main(["evaluate", str(folder / "model.asdf"), str(folder / "atlas")]) == 0
    shown = capsys.readouterr().out
    assert "1 held-out galaxies" in shown and f"{table['rmse'][1]:.3f}" in shown


def test_files_of_an_earlier_run_are_not_replaced_unasked(done, small, capsys):
    folder, _, _ = done
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(InputError, match="holds model.asdf, maps.fits, .* already; use overwrite=True"):
        small(folder, galaxies=5)
    assert main(["quickstart", str(folder), "--galaxies", "5"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_a_larger_atlas_that_is_there_is_used_only_as_far_as_asked(small, tmp_path):
    make_atlas(tmp_path / "atlas", 8, pixels=32)
    small(tmp_path, galaxies=5, say=lambda line: None)
    training = read(tmp_path / "model.asdf").training
    assert len(training["galaxies"]) == 4 and len(training["test_galaxies"]) == 1

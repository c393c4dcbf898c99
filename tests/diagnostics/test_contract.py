"""Diagnostics: the contract, look-up, chains, and the command."""

import pytest
from astropy.table import QTable

from euclid_resolved import (
    InputError,
    LinearRegression,
    PluginError,
    make_atlas,
    read_atlas,
    split,
    train,
)
from euclid_resolved.cli import main
from euclid_resolved.diagnostics import Diagnostic, diagnose, run_chain
from euclid_resolved.diagnostics._contract import get_metric
from euclid_resolved.plugins import available
from euclid_resolved.testing import example_galaxies
from euclid_resolved.testing._diagnostic_rules import DIAGNOSTIC_CHECKS
from euclid_resolved.training import extract, pixels_of

BUILTIN = (
    "lofo", "impurity_importance", "permutation_importance", "rmzr", "rmzr_shuffle", "radial_profiles",
    "cross_validation", "learning_curve", "epistemic_scatter", "sample_bias", "projections",
    "colour_recovery",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    galaxies = example_galaxies(6)
    return train(galaxies[:4], "all", LinearRegression()), galaxies[:4], galaxies[4:]


@pytest.mark.parametrize("check", DIAGNOSTIC_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [name for name in BUILTIN if name != "rmzr"])
def test_contract(name, check):
    check(name)


def test_all_are_registered_and_drawn(trained):
    import matplotlib.pyplot as plt

    found = available("diagnostics")
    assert set(BUILTIN) <= set(found)
    options = {"rmzr": {"bootstrap": 5}, "epistemic_scatter": {"runs": 2}}
    tables = run_chain(BUILTIN, *trained, **options)
    for name, table in tables.items():
        assert isinstance(table, QTable) and isinstance(found[name], Diagnostic), name
        figure = found[name].plot(table)
        assert all(axes.get_xlabel() or axes.get_ylabel() or axes.get_title() for axes in figure.axes), name
        plt.close(figure)


def test_pixels_give_what_galaxies_give(trained):
    model, training, test = trained
    pixels = extract(training, model.properties), extract(test, model.properties)
    for name in ("lofo", "rmzr_shuffle", "sample_bias"):
        first, second = diagnose(name, *trained), diagnose(name, model, *pixels)
        assert first.pformat() == second.pformat(), name


def test_unknown_name_lists_what_exists(trained):
    with pytest.raises(PluginError, match="no diagnostic 'lofi'; there are .*lofo.*did you mean 'lofo'"):
        diagnose("lofi", *trained)


def test_unknown_option_and_metric(trained):
    with pytest.raises(InputError, match="does not take these options.*nonsense"):
        diagnose("lofo", *trained, nonsense=1)
    with pytest.raises(InputError, match="unknown metric 'r3'; known are r2, rmse"):
        diagnose("lofo", *trained, metric="r3")
    assert get_metric("nmad").__name__ == "nmad"


def test_pixels_that_lack_something(trained):
    model, training, _ = trained
    with pytest.raises(InputError, match="the pixels hold no stellar_age"):
        pixels_of(extract(training, ("stellar_mass_density",)), model, ("stellar_age",))


def test_plugin_that_fails_is_named(trained, monkeypatch):
    def broken(model, training, test):
        raise KeyError("oops")

    monkeypatch.setattr("euclid_resolved.diagnostics._contract.lookup", lambda kind, name: broken)
    with pytest.raises(PluginError, match="diagnostic 'mine' failed: KeyError"):
        diagnose("mine", *trained)
    monkeypatch.setattr("euclid_resolved.diagnostics._contract.lookup", lambda kind, name: lambda *a: [1])
    with pytest.raises(PluginError, match="returned list, a QTable is needed"):
        diagnose("mine", *trained)


@pytest.fixture(scope="module")
def atlas_and_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnose")
    make_atlas(folder / "atlas", 6, pixels=32, progress=False)
    words = ["train", str(folder / "atlas"), "-o", str(folder / "model.asdf"), "--estimator", "linear"]
    assert main([*words, "--test-fraction", "0.4"]) == 0
    return folder / "atlas", folder / "model.asdf"


def test_command_runs_a_chain_and_keeps_it(atlas_and_model, tmp_path, capsys):
    atlas, model = map(str, atlas_and_model)
    out = tmp_path / "out"
    assert main(["diagnose", "lofo,sample_bias", model, atlas, "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "left_out" in said and "lofo_relative" in said
    names = {"lofo.ecsv", "lofo.png", "sample_bias.ecsv", "sample_bias.png"}
    assert {path.name for path in out.iterdir()} == names
    assert QTable.read(out / "lofo.ecsv")["rmse"].unit == "dex"
    assert main(["diagnose", "lofo", model, atlas, "-o", str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (
        main(["diagnose", "permutation_importance", model, atlas, "--set", "repeats=2", "metric=rmse"]) == 0
    )


def test_command_refuses(atlas_and_model, tmp_path, capsys):
    atlas, model = map(str, atlas_and_model)
    with pytest.raises(SystemExit, match="2"):
        main(["diagnose", "lofi", model, atlas])
    assert "there are" in capsys.readouterr().err
    make_atlas(tmp_path / "other", 4, seed=2, pixels=32, progress=False)
    assert main(["diagnose", "lofo", model, str(tmp_path / "other")]) == 1
    assert "was not trained on" in capsys.readouterr().err


def test_radial_profiles_of_galaxies_with_a_scale(tmp_path):
    galaxies = read_atlas(make_atlas(tmp_path / "atlas", 5, pixels=48, progress=False))
    training, test = split(galaxies, 0.2)
    model = train(training, "stellar_mass_density", LinearRegression())
    table = diagnose("radial_profiles", model, training, test, inclination="image", position_angle="image")
    assert table["radius"].unit == "kpc"
    assert abs(table["radius"][1].value - table["radius"][0].value - 1.5) < 1e-6
    # Density falls outwards, and the estimate follows.
    assert table["true"][0] > table["true"][-1] and table["predicted"][0] > table["predicted"][-1]
    region = tmp_path / "centre.reg"
    region.write_text("image; circle(24, 24, 6)\n")
    inner = diagnose("radial_profiles", model, training, test, region=str(region))
    assert inner["radius"].max().value <= 6 * 64 / 48 + 1.5
    with pytest.raises(InputError, match="need galaxies"):
        diagnose("radial_profiles", model, training, extract(test, model.properties))

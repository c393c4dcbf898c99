"""The command line keeps its contract: what it prints and writes, its exit codes, its one-line errors."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from helpers import NAMES, SHARED, an_image, brightness, image_of, sky_wcs

from euclid_resolved import (
    EUCLID_BANDS,
    MultiBandImage,
    Quality,
    RandomForest,
    make_atlas,
    read,
    read_atlas,
    read_euclid,
    write,
)
from euclid_resolved.cli import main
from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.io._files import atomic_path

DATA = SHARED
REAL = [DATA / f"euclid_q1_cutout_{name}.fits" for name in ("300px", "100px_ugriz")]
real = pytest.mark.skipif(not all(path.exists() for path in REAL), reason="the real cut-outs are not here")
HDUS = ["STELLAR_MASS_DENSITY", "STELLAR_METALLICITY", "STELLAR_AGE", "QUALITY"]
METRICS = {"r2", "rmse", "nmad", "bias", "outlier_fraction", "pearson", "n_pixels", "n_galaxies"}
IN_DEX = {"rmse": "dex", "nmad": "dex", "bias": "dex"}
STEMS = {"IE": "VIS", "YE": "NIR_Y", "JE": "NIR_J", "HE": "NIR_H"}
SHAPE = (12, 14)
# Cut-outs made here bring no PSF.
pytestmark = pytest.mark.filterwarnings("ignore:the image brings no PSF")


def run(*words):
    """The exit code of a command."""
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


def accuracy(printed):
    """The rows of ``evaluate --json`` by property."""
    return {row.pop("property"): row for row in json.loads(printed)["accuracy"]["rows"]}


@pytest.fixture
def fails(capsys):
    """Run a command that must fail, and give the one line that says why."""

    def failing(*words, code=1):
        assert run(*words) == code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        lines = [line for line in err.splitlines() if "error:" in line]
        assert len(lines) == 1 and err.splitlines()[-1] == lines[0]
        return lines[0]

    return failing


def header_of(band, counts_per_unit=1.0):
    """The header of a cut-out in which one count is `counts_per_unit` MJy/sr."""
    header = sky_wcs(SHAPE).to_header()
    area = (0.1 * u.arcsec).to_value(u.rad) ** 2
    header["MAGZERO"] = -2.5 * np.log10(counts_per_unit * area / 3631e-6)
    header["FILTER"] = STEMS[band]
    return header


@pytest.fixture
def pairs(tmp_path):
    """The words IE=... YE=... of four files of one band each."""
    light = brightness(SHAPE, seed=3)
    words = []
    for band in EUCLID_BANDS:
        path = tmp_path / f"{STEMS[band]}.fits"
        fits.writeto(path, light[band] / np.float32(0.02), header_of(band, 0.02))
        words.append(f"{band}={path}")
    return words


@pytest.fixture
def folder(tmp_path):
    """A folder of MER mosaics."""
    path = tmp_path / "tile"
    path.mkdir()
    for band, data in brightness(SHAPE, seed=3).items():
        name = (
            f"EUC_MER_BGSUB-MOSAIC-{STEMS[band].replace('_', '-')}_TILE102018211-ABC_20241018T000000.0Z_00.00"
        )
        fits.writeto(path / f"{name}.fits", data, header_of(band))
    return path


@pytest.fixture
def cutout(tmp_path):
    """One file with all bands."""
    hdus = [
        fits.ImageHDU(data, header_of(band), name=f"{STEMS[band]}_FLUX")
        for band, data in brightness(SHAPE, seed=3).items()
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "cutout.fits")
    return tmp_path / "cutout.fits"


# Usage


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["train", "atlas"], "required: -o"),
        (["train", "atlas", "-o", "m.asdf", "--test-fraction", "1.5"], "must lie between 0 and 1, got 1.5"),
        (["train", "atlas", "-o", "m.pickle"], "a model file ends in .asdf"),
        (
            ["train", "atlas", "-o", "m.asdf", "--set", "depth=3"],
            "settings of random_forest are n_trees, min_sa",
        ),
        (
            ["train", "atlas", "-o", "m.asdf", "--set", "n_estimators=3"],
            "n_estimators is called n_trees",
        ),
        (["train", "atlas", "-o", "m.asdf", "--features", ","], "names are needed, got ','"),
        (["train", "atlas", "-o", "m.asdf", "--feature=bands,colors"], "did you mean 'colours'"),
        (
            ["train", "atlas", "-o", "m.asdf", "--sed", "2"],
            "unrecognized arguments: --sed 2; did you mean '--",
        ),
        (["measure", "m.fits", "--statistic", "sum,mean"], "no 'sum'; choose from total, mean, median"),
        (["train", "atlas", "-o", "m.asdf", "--set", "n_trees"], "settings of random_forest are"),
        (["train", "atlas", "-o", "m.asdf", "--clip", "faint"], "invalid float value: 'faint'"),
        (["train", "atlas", "-o", "m.asdf", "--set", "n_tree=3"], "did you mean 'n_trees'?"),
        (["train", "atlas", "-o", "m.asdf", "--set", "n_trees=0"], "n_trees must be a whole number and at"),
        (["train", "atlas", "-o", "m.asdf", "--set", "n_trees=many"], "n_trees must be a whole number"),
        (["train", "atlas", "-o", "m.asdf", "--estimator", "linaer"], "did you mean 'linear'"),
        (["train", "atlas", "-o", "m.asdf", "--property", "mass"], "known are stellar_mass_density"),
        (["train", "atlas", "-o", "m.asdf", "--property", "stellar_ag"], "did you mean 'stellar_age'?"),
        (["train", "atlas", "-o", "m.asdf", "--features", "colors"], "did you mean 'colours'"),
        (["train", "atlas", "-o", "m.asdf", "--columns", "KE"], "no column 'KE'; these features make IE"),
        (["train", "atlas", "-o", "m.asdf", "--observer", "O9"], "invalid choice: 'O9'"),
        (["diagnose", "lofi", "m.asdf", "atlas"], "no diagnostic 'lofi'; there are"),
        (["predict", "m.asdf", "a.fits", "-o", "x.fits", "--figure", "x.dog"], "one of .pdf, .png, .svg"),
        (["predict", "m.asdf", "IE=a.fits", "b.fits", "-o", "x.fits"], "either BAND=FILE pairs or images"),
        (["plugins", "--check", "linaer"], "no plugin linaer; there are bands, colours"),
        (["atlas"], "say what to do with the atlas: make"),
        (["atlas", "make", "x", "--galaxies", "0"], "must be at least 1, got 0"),
        (["quickstart", "--galaxies", "2"], "at least 5 galaxies"),
        (["predict", "m.asdf", "a.fits"], "required: -o"),
        (
            ["predict", "m.asdf", "a.fits", "-o", "x.png"],
            r"-o must end in .fits, .fits.gz, .asdf or .zarr, got x.png",
        ),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(fails, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    line = fails(*words, code=2)
    assert message in line
    if words != ["frobnicate"]:  # with the usage of the command itself
        assert line.startswith(f"euclid-resolved {words[0]}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "offered"),
    [("mea", "measure "), ("train atlas --obs", "--observer "), ("info --log-level d", "debug ")],
)
def test_a_shell_completes_words(tmp_path, line, offered):
    pytest.importorskip("argcomplete")
    line, answer = f"euclid-resolved {line}", tmp_path / "answer"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
    asked["_ARGCOMPLETE_STDOUT_FILENAME"] = str(answer)
    subprocess.run([sys.executable, "-m", "euclid_resolved"], env=os.environ | asked, check=True)
    assert answer.read_text().strip() == offered


def test_without_a_command_help_is_shown(capsys):
    assert run() == 2
    shown = capsys.readouterr().out
    assert all(
        f"\n    {c}" in shown
        for c in ("quickstart", "atlas", "train", "evaluate", "predict", "info", "plugins")
    )


@pytest.mark.parametrize("command", [[], ["atlas", "make"], ["train"], ["predict"], ["plugins"]])
def test_help_and_version_are_no_errors(capsys, command):
    assert run(*command, "--help") == 0
    assert "usage: euclid-resolved" in capsys.readouterr().out
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("euclid-resolved ")


# Making an atlas


def test_an_atlas_is_made_in_the_layout_of_the_real_one(tmp_path, capsys):
    assert run("atlas", "make", tmp_path / "a", "--galaxies", 2, "--pixels", 16, "--observer", "O3") == 0
    assert "2 mock galaxies" in capsys.readouterr().out
    assert [one.name for one in read_atlas(tmp_path / "a", observer="O3")] == ["TNG000001_O3", "TNG000002_O3"]
    assert (tmp_path / "a" / "TNG000002_O3_stellarmass.fits").exists()


def test_an_atlas_of_another_seed_is_not_replaced_unasked(tmp_path, fails):
    make = ["atlas", "make", tmp_path / "a", "--galaxies", 1, "--pixels", 16]
    assert run(*make) == 0
    before = read_atlas(tmp_path / "a")[0].image.brightness("HE")
    assert "another seed" in fails(*make, "--seed", 2)
    np.testing.assert_array_equal(read_atlas(tmp_path / "a")[0].image.brightness("HE"), before)
    assert run(*make, "--seed", 2, "--overwrite") == 0
    assert not np.array_equal(read_atlas(tmp_path / "a")[0].image.brightness("HE"), before)


# Training


def test_training_writes_a_model_of_all_properties_and_says_how_good_it_is(atlas, tmp_path, capsys):
    path = tmp_path / "m.asdf"
    assert run("train", atlas, "-o", path, "--set", "n_trees=3", "max_depth=4", "n_jobs=1", "--seed", 7) == 0
    shown = capsys.readouterr().out
    assert "brighter than 0.0234 MJy/sr" in shown and "held out" in shown and all(n in shown for n in NAMES)
    model = read(path)
    assert model.properties == NAMES and model.features == ("bands",) and model.clip == 0.0234
    settings = RandomForest(n_trees=3, max_depth=4, n_jobs=1, seed=7)
    assert all(output.estimator == settings for output in model.outputs.values())
    assert model.training["source"] == "atlas"
    assert len(model.training["test_galaxies"]) == 1 and len(model.training["galaxies"]) == 11
    assert not set(model.training["test_galaxies"]) & set(model.training["galaxies"])


def test_training_takes_its_options(atlas, tmp_path):
    path = tmp_path / "m.asdf"
    words = ["--estimator", "LR", "--property", "stellar_age", "--clip", "0.05", "--test-fraction", "0.5"]
    words += ["--features", "bands,colours", "--columns", "HE", "IE-HE", "--bands", "IE,", "HE"]
    assert run("train", atlas, "-o", path, *words) == 0
    model = read(path)
    assert model.properties == ("stellar_age",) and model.clip == 0.05 and model.bands == ("IE", "HE")
    assert model.features == ("bands", "colours") and model.columns == ("HE", "IE-HE")
    assert len(model.training["test_galaxies"]) == 6


def test_a_list_names_the_test_galaxies(atlas, tmp_path, capsys, fails):
    listed, model = tmp_path / "test.txt", tmp_path / "m.asdf"
    listed.write_text("TNG2\n000007 O5\n")
    words = ["train", atlas, "-o", model, "--estimator", "linear", "--property", "stellar_age"]
    assert run(*words, "--test-galaxies", listed) == 0
    trained = capsys.readouterr().out
    assert "Accuracy on 2 galaxies that were held out" in trained
    assert read(model).training["test_galaxies"] == ["TNG000002_O5", "TNG000007_O5"]
    listed.write_text("7\n")
    assert run("evaluate", model, atlas, "--test-galaxies", listed, "--json") == 0
    assert accuracy(capsys.readouterr().out)["stellar_age"]["n_galaxies"] == 1
    assert run("evaluate", model, atlas, "--test-galaxies", listed) == 0
    assert f"1 galaxies named in {listed}" in capsys.readouterr().out
    listed.write_text("TNG77\n7 O2\n")
    assert "holds nothing of observer O2" in fails("evaluate", model, atlas, "--test-galaxies", listed)
    listed.write_text("TNG77\n")
    error = fails("evaluate", model, atlas, "--test-galaxies", listed)
    assert "test.txt names TNG000077 of O5, which is not there; did you mean 'TNG000007'?" in error
    error = fails(*words, "--overwrite", "--test-galaxies", listed, "--test-fraction", 0.2, code=2)
    assert "--test-galaxies is the test set" in error


def test_test_galaxies_are_seen_from_the_sides_of_their_list(tmp_path, capsys):
    """By train, by evaluate afterwards, and by diagnose."""
    folder, listed, model = tmp_path / "atlas", tmp_path / "test.txt", tmp_path / "m.asdf"
    for observer in ("O5", "O2"):
        make_atlas(folder, 4, pixels=32, observer=observer, progress=False)
    listed.write_text("TNG2 O2\nTNG3\n")
    words = ["train", folder, "-o", model, "--estimator", "linear", "--property", "stellar_mass_density"]
    assert run(*words, "--test-galaxies", listed) == 0
    record = read(model).training
    assert sorted(record["test_galaxies"]) == ["TNG000002_O2", "TNG000003_O5"]
    assert record["galaxies"] == ["TNG000001_O5", "TNG000004_O5"]
    capsys.readouterr()
    for more in ((), ("--test-galaxies", listed)):
        assert run("evaluate", model, folder, "--json", *more) == 0
        found = accuracy(capsys.readouterr().out)["stellar_mass_density"]
        assert found["n_pixels"] == record["test"]["stellar_mass_density"]["n_pixels"]
        assert found["r2"] == pytest.approx(record["test"]["stellar_mass_density"]["r2"])
    assert run("diagnose", "sample_bias", model, folder) == 0


def test_training_can_chain_properties(atlas, tmp_path):
    words = ["--estimator", "linear", "--chain", "--property", "stellar_age", "stellar_metallicity"]
    assert run("train", atlas, "-o", tmp_path / "m.asdf", *words) == 0
    assert read(tmp_path / "m.asdf").outputs["stellar_metallicity"].chain == ("stellar_age",)


@pytest.mark.slow
def test_a_model_for_missing_bands_maps_an_image_without_one_and_says_so(atlas, pairs, tmp_path, capsys):
    path, words = tmp_path / "m.asdf", ["--set", "n_trees=3", "n_jobs=1", "--property", "stellar_age"]
    assert run("train", atlas, "-o", path, "--missing-bands", "YE", "JE,NIR_Y", *words) == 0
    assert read(path).missing.sets == (("YE",), ("YE", "JE"))
    assert run("train", atlas, "-o", path, "--missing-bands", "0.3", *words, "--overwrite") == 0
    assert read(path).missing.sets == ()
    capsys.readouterr()
    some = [word for word in pairs if not word.startswith("YE")]
    for number, options in enumerate(([], ["--strips"])):
        out = tmp_path / f"maps{number}.fits"
        assert run("predict", path, *some, "-o", out, *options) == 0
        assert "has no YE: estimated from the other bands (MISSING_BAND)" in " ".join(
            capsys.readouterr().out.split()
        )
        assert (fits.getdata(out, "QUALITY") & Quality.MISSING_BAND > 0).all()
    first, second = (fits.getdata(tmp_path / f"maps{n}.fits", "STELLAR_AGE") for n in (0, 1))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bands", "IE", "LSST_q"], "holds no band LSST_q.*there are .*Euclid_VIS"),
        (["--bands", "IE", "IE"], "band IE is given 2 times"),
        (["--observer", "O1"], "holds nothing of observer O1.*there are O5"),
        (["--clip", "1e9"], "no pixel of 12 galaxies is brighter than"),
        (["--missing-bands", "1.5"], "missing_bands, as a probability, must lie between 0 and 1, got 1.5"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(fails, atlas, tmp_path, words, message):
    assert re.search(message, fails("train", atlas, "-o", tmp_path / "m.asdf", *words))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_atlas_is_refused(fails, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no galaxy of an atlas" in fails("train", tmp_path / "empty", "-o", tmp_path / "m.asdf")
    assert "no such folder" in fails("train", tmp_path / "none", "-o", tmp_path / "m.asdf")


def test_an_atlas_of_one_galaxy_cannot_be_split(fails, tmp_path):
    one = make_atlas(tmp_path / "one", 1, pixels=16)
    assert "at least two galaxies, got 1" in fails("train", one, "-o", tmp_path / "m.asdf")


def test_a_model_that_exists_is_not_replaced_unasked(fails, atlas, model_file, tmp_path):
    path = tmp_path / "m.asdf"
    shutil.copy(model_file, path)
    before = path.read_bytes()
    words = ["train", atlas, "-o", path, "--estimator", "linear", "--seed", 3]
    assert "the file exists; to replace it say overwrite=True (--overwrite)" in fails(*words)
    assert path.read_bytes() == before
    assert run(*words, "--overwrite") == 0
    assert read(path).digest != read(model_file).digest


def test_a_folder_that_does_not_exist_is_said_before_training(fails, atlas, tmp_path):
    assert "there is no folder" in fails("train", atlas, "-o", tmp_path / "no" / "m.asdf")


# Evaluating


def test_json_has_the_metrics_of_every_property(atlas, model_file, capsys):
    assert run("evaluate", model_file, atlas, "--json") == 0
    printed = capsys.readouterr().out
    content = accuracy(printed)
    assert json.loads(printed)["accuracy"]["units"] == IN_DEX and json.loads(printed)["galaxies"] == 3
    assert list(content) == list(NAMES)
    for row in content.values():
        assert set(row) == METRICS
        assert all(isinstance(row[name], int) for name in ("n_pixels", "n_galaxies"))
        assert all(isinstance(row[name], float) for name in METRICS - {"n_pixels", "n_galaxies"})
        assert 0 <= row["outlier_fraction"] <= 1 and row["rmse"] >= abs(row["bias"])
    assert content == read(model_file).training["test"]


def test_the_atlas_it_was_trained_on_counts_only_where_held_out(atlas, model_file, tmp_path, capsys):
    assert run("evaluate", model_file, atlas, "--json") == 0
    own = accuracy(capsys.readouterr().out)
    assert own["stellar_age"]["n_galaxies"] == 3
    copy = shutil.copytree(atlas, tmp_path / "elsewhere")
    assert run("evaluate", model_file, copy, "--json") == 0
    assert accuracy(capsys.readouterr().out) == own
    # The galaxies of another seed have the same names.
    assert run("evaluate", model_file, make_atlas(tmp_path / "other", 4, pixels=32, seed=2), "--json") == 0
    assert accuracy(capsys.readouterr().out)["stellar_age"]["n_galaxies"] == 4


def test_the_table_says_which_galaxies_it_is_about(atlas, model_file, capsys):
    assert run("evaluate", model_file, atlas) == 0
    assert "3 held-out galaxies of the atlas it was trained on" in capsys.readouterr().out


def test_a_row_a_galaxy(atlas, model_file, capsys):
    assert run("evaluate", model_file, atlas, "--per-galaxy", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["accuracy"]["rows"]
    content = dict.fromkeys(row["galaxy"] for row in rows)
    assert sorted(content) == sorted(read(model_file).training["test_galaxies"])
    assert all({row["property"] for row in rows if row["galaxy"] == name} == set(NAMES) for name in content)
    assert run("evaluate", model_file, atlas, "--per-galaxy") == 0
    shown = capsys.readouterr().out
    assert all(shown.count(name) == 3 for name in content)


def test_something_else_than_a_model_is_refused(fails, atlas, model_file, tmp_path):
    write(tmp_path / "image.asdf", an_image())
    assert "holds an image, not a model" in fails("evaluate", tmp_path / "image.asdf", atlas)
    assert "there is no such file" in fails("evaluate", tmp_path / "none.asdf", atlas)
    (tmp_path / "broken.asdf").write_bytes(model_file.read_bytes()[:2000])
    assert "broken.asdf" in fails("evaluate", tmp_path / "broken.asdf", atlas)


# Predicting


def maps_of(path):
    with fits.open(path) as hdus:
        return {hdu.name: (hdu.data.copy(), hdu.header.copy()) for hdu in hdus}


def test_the_total_is_printed_with_what_is_not_known_about_it(model_file, tmp_path, capsys):
    """A fifth of the pixels masked; errors of drawn noise alone, so that nobody knows what pixels share."""
    bands = brightness((10, 14))
    mask = np.zeros((10, 14), bool)
    mask[:2] = True
    image = image_of(bands, sigma=0.001, masks=dict.fromkeys(bands, mask), meta={"pixel_scale": 100 * u.pc})
    write(tmp_path / "image.asdf", image)
    words = ["predict", model_file, tmp_path / "image.asdf", "-o", tmp_path / "maps.fits"]
    assert run(*words) == 0
    line = " ".join(capsys.readouterr().out.split()).partition("total stellar_mass_density")[2]
    line = line.partition("stellar_metallicity")[0]
    assert "20.0 % of the region without a value" in line and "+-" not in line
    assert run(*words, "--draws", "4", "--overwrite") == 0
    line = " ".join(capsys.readouterr().out.split()).partition("total stellar_mass_density")[2]
    assert "+-" in line and "lower limit: pixels taken as independent" in line


@real
@pytest.mark.parametrize("source", REAL, ids=lambda path: path.stem)
def test_a_real_image_is_mapped(model_file, tmp_path, capsys, source):
    assert run("predict", model_file, source, "-o", tmp_path / "maps.fits", "--background", "none") == 0
    assert "pixels mapped" in capsys.readouterr().out
    maps = maps_of(tmp_path / "maps.fits")
    assert list(maps) == HDUS
    with fits.open(source) as hdus:
        wcs, shape = WCS(hdus["VIS_FLUX"].header), hdus["VIS_FLUX"].shape
    quality = maps["QUALITY"][0]
    judged = (quality & int(Quality.unjudged())) == 0
    assert judged.sum() > 100 and judged.mean() < 0.5  # a small galaxy, and much sky
    for name, (data, header) in maps.items():
        assert data.shape == shape and corner_offset(WCS(header), wcs, shape) < 1e-6
        assert header["CRVAL1"] == wcs.wcs.crval[0] and header["CTYPE1"] == "RA---TAN"
        if name != "QUALITY":
            np.testing.assert_array_equal(np.isfinite(data), judged)
    density, unit = maps["STELLAR_MASS_DENSITY"][0], maps["STELLAR_MASS_DENSITY"][1]["BUNIT"]
    assert u.Unit(unit, format="fits") == u.Msun / u.pc**2
    low, high = np.percentile(density[judged], (5, 99.5))
    assert 0.3 < low < high < 3e4
    assert 1e-3 < np.median(maps["STELLAR_METALLICITY"][0][judged]) < 0.1
    assert 0.5 < np.median(maps["STELLAR_AGE"][0][judged]) < 14


@real
def test_one_pixel_by_hand_from_counts_to_solar_masses(model_file, tmp_path):
    assert run("predict", model_file, REAL[0], "-o", tmp_path / "maps.fits", "--raw") == 0
    density = maps_of(tmp_path / "maps.fits")["STELLAR_MASS_DENSITY"][0]
    y, x = np.unravel_index(np.nanargmax(density), density.shape)
    tree = read(model_file).to_tree()
    assert tree["columns"] == ["IE", "YE", "JE", "HE"]
    (output,) = (o for o in tree["outputs"] if o["property"] == "stellar_mass_density")
    scaled = output["state"]["intercept"]
    with fits.open(REAL[0]) as hdus:
        for i, band in enumerate(tree["columns"]):
            hdu = hdus[f"{STEMS[band]}_FLUX"]
            cd = [[hdu.header[f"CD{a}_{b}"] for b in (1, 2)] for a in (1, 2)]
            steradians = abs(cd[0][0] * cd[1][1] - cd[0][1] * cd[1][0]) * (np.pi / 180) ** 2
            assert steradians == pytest.approx(2.35044e-13, rel=1e-4)
            brightness = float(hdu.data[y, x]) * 3631e-6 * 10 ** (-0.4 * hdu.header["MAGZERO"]) / steradians
            low, high = (tree["feature_scale"][end][i] for end in ("minimum", "maximum"))
            scaled += output["state"]["coefficients"][i] * (np.log10(brightness) - low) / (high - low)
    low, high = (output["scale"][end][0] for end in ("minimum", "maximum"))
    assert density[y, x] == pytest.approx(10 ** (low + scaled * (high - low)), rel=1e-4)


def predicted_by_python(model_file, image):
    return {name: map_.data for name, map_ in read(model_file).predict_maps(image).items()}


@pytest.mark.parametrize("form", ["cutout", "folder", "pairs"])
def test_every_way_to_name_an_image_gives_the_same_maps(model_file, tmp_path, request, form):
    given = request.getfixturevalue(form)
    words = given if form == "pairs" else [given]
    assert run("predict", model_file, *words, "-o", tmp_path / "maps.fits") == 0
    maps = maps_of(tmp_path / "maps.fits")
    assert list(maps) == HDUS
    expected = predicted_by_python(model_file, an_image(SHAPE, seed=3))
    for name, values in expected.items():
        np.testing.assert_allclose(maps[name.upper()][0], values, rtol=2e-4)


def test_the_order_of_pairs_does_not_matter(model_file, tmp_path, pairs):
    for name, words in (("a.fits", pairs), ("b.fits", pairs[::-1])):
        assert run("predict", model_file, *words, "-o", tmp_path / name) == 0
    one, two = (maps_of(tmp_path / name)["STELLAR_AGE"][0] for name in ("a.fits", "b.fits"))
    np.testing.assert_array_equal(one, two)


def test_a_galaxy_of_an_atlas_is_mapped(atlas, model_file, tmp_path):
    assert run("predict", model_file, atlas / "TNG000003_O5", "-o", tmp_path / "maps.fits") == 0
    maps = maps_of(tmp_path / "maps.fits")
    image = read_atlas(atlas)[2].image
    for name, values in predicted_by_python(model_file, image).items():
        np.testing.assert_array_equal(maps[name.upper()][0], values)
    assert maps["STELLAR_AGE"][1]["OBJECT"] == "TNG000003_O5"


def test_maps_and_images_can_be_asdf(model_file, tmp_path, fails):
    write(tmp_path / "image.asdf", an_image(SHAPE, wcs=sky_wcs(SHAPE)))
    assert run("predict", model_file, tmp_path / "image.asdf", "-o", tmp_path / "maps.asdf") == 0
    maps = read(tmp_path / "maps.asdf")
    assert tuple(maps) == NAMES and maps["stellar_age"].unit == u.Gyr
    line = fails("predict", model_file, tmp_path / "maps.asdf", "-o", tmp_path / "x.fits")
    assert "holds no image but dict" in line


def test_several_images_go_into_a_folder(atlas, model_file, cutout, tmp_path, fails):
    images = [atlas / "TNG000001_O5", atlas / "TNG000002_O5", cutout]
    assert run("predict", model_file, *images, "-o", tmp_path / "out") == 0  # which makes the folder
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [
        "TNG000001_O5_maps.fits", "TNG000002_O5_maps.fits", "cutout_maps.fits", "report.ecsv",
    ]  # fmt: skip
    assert run("predict", model_file, *images, "-o", tmp_path / "out") == 0  # all are kept
    other = ["predict", model_file, *images, "-o", tmp_path / "out", "--min-sn", 2]
    assert "3 of 3 images could not be mapped" in fails(*other)
    assert "is no folder; several images need one" in fails(
        "predict", model_file, *images, "-o", tmp_path / "x.fits"
    )
    # Without a model it is said before one is trained.
    assert "is no folder; several images need one" in fails("predict", *images, "-o", tmp_path / "x.fits")
    swapped = fails("predict", cutout, model_file, "-o", tmp_path / "x.fits", code=2)
    assert f"{model_file} is a model: one model comes first" in swapped
    words = ["predict", model_file, cutout, cutout, "-o", tmp_path / "out", "--overwrite"]
    assert "the same name" in fails(*words, code=2)


def test_a_tile_is_mapped_by_strips(model_file, cutout, tmp_path, fails, monkeypatch, capsys):
    words = ["predict", model_file, cutout, "-o"]
    assert run(*words, tmp_path / "whole.fits", "--raw") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert run(*words, tmp_path / "said.fits", "--strips") == 0
    assert capsys.readouterr().out.startswith("Strip by strip colours are false where")
    assert run(*words, tmp_path / "maps.fits", "--strips", "--raw") == 0
    assert said.startswith(" ".join(capsys.readouterr().out.replace("maps.fits", "whole.fits").split()))
    whole, maps = (maps_of(tmp_path / name) for name in ("whole.fits", "maps.fits"))
    for name, (values, _) in whole.items():
        np.testing.assert_array_equal(maps[name][0], values)
    for extra in (["--align"], ["--background", "mesh"], ["--scale", 100]):
        line = fails(*words, tmp_path / "x.fits", "--strips", *extra, code=2)
        assert f"{extra[0]} needs all of the image" in line
    assert "does not end in .fits needs" in fails(*words, tmp_path / "x.asdf", "--strips", code=2)
    # Large images are mapped so without being told.
    asked = []
    monkeypatch.setattr("euclid_resolved.cli._predict.LARGE", 100)
    monkeypatch.setattr("euclid_resolved.cli._predict._predict_tile", lambda *args: asked.append(args) or {})
    assert run(*words, tmp_path / "x.fits") == 0 and len(asked) == 1
    assert run(*words, tmp_path / "x.asdf") == 0 and len(asked) == 1


def test_fields_of_mosaics_come_from_a_table(model_file, tmp_path, fails):
    from astropy.table import Table
    from tiles import make_tile

    tile, table, out = make_tile(tmp_path / "tile"), tmp_path / "fields.csv", tmp_path / "out"
    out.mkdir()
    ra, dec = sky_wcs((41, 37)).pixel_to_world_values([10, 20], [10, 30])
    Table({"name": ["a", "b"], "ra": ra, "dec": dec, "radius": [0.8, 0.8]}).write(table)
    assert run("predict", model_file, tile, "--table", table, "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a_maps.fits", "b_maps.fits", "report.ecsv"]
    for extra, message in (
        (["--position", 1, 2, "--size", 3], "--table goes with one folder"),
        (["--figure", "x.png"], "--figure goes with one image"),
        (["--strips"], "--strips goes with one image"),
    ):
        words = ["predict", model_file, tile, "--table", table, "-o", out, *extra]
        assert message in fails(*words, code=2)
    table.write_text("ra\n1\n")
    assert "no column dec" in fails("predict", model_file, tile, "--table", table, "-o", out)
    both = ["--workers", 2, "--scheduler", "tcp://localhost:1"]
    assert "not allowed with argument" in fails("predict", model_file, tile, tile, "-o", out, *both, code=2)


@pytest.mark.slow
def test_maps_can_be_drawn_as_well(model_file, cutout, tmp_path, fails):
    words = ["predict", model_file, cutout, "-o", tmp_path / "maps.fits", "--figure", tmp_path / "maps.png"]
    assert run(*words) == 0
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
    assert "maps.fits: the file exists" in fails(*words)
    (tmp_path / "maps.fits").unlink()
    assert "maps.png: the file exists" in fails(*words)
    assert not (tmp_path / "maps.fits").exists()


def test_a_figure_goes_with_one_image(atlas, model_file, tmp_path, fails):
    images = [atlas / "TNG000001_O5", atlas / "TNG000002_O5"]
    words = ["predict", model_file, *images, "-o", tmp_path, "--figure", tmp_path / "x.png"]
    assert "--figure goes with one image" in fails(*words, code=2)
    assert not list(tmp_path.iterdir())


def test_maps_that_exist_are_not_replaced_unasked(model_file, cutout, tmp_path, fails):
    path = tmp_path / "maps.fits"
    path.write_bytes(b"precious")
    assert "the file exists; to replace it say overwrite=True (--overwrite)" in fails(
        "predict", model_file, cutout, "-o", path
    )
    assert path.read_bytes() == b"precious"
    assert run("predict", model_file, cutout, "-o", path, "--overwrite") == 0
    assert list(maps_of(path)) == HDUS


@pytest.mark.filterwarnings("default::euclid_resolved.errors.DataWarning")
def test_an_image_without_a_good_pixel_gives_empty_maps_and_one_line(model_file, tmp_path, capsys):
    dark = {band: nd.data * np.float32(1e-9) for band, nd in an_image(SHAPE).items()}
    hdus = [fits.ImageHDU(v, header_of(band), name=f"{STEMS[band]}_FLUX") for band, v in dark.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "dark.fits")
    assert run("predict", model_file, tmp_path / "dark.fits", "-o", tmp_path / "maps.fits") == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "euclid-resolved: warning: no pixel of dark can be estimated: every map is empty"
    ]
    out = " ".join(out.split())
    assert "0 of 168 pixels mapped" in out and "BELOW_CLIP 100.0 %" in out
    maps = maps_of(tmp_path / "maps.fits")
    assert np.isnan(maps["STELLAR_AGE"][0]).all() and (maps["QUALITY"][0] == Quality.BELOW_CLIP).all()


def without_band(path, hdus):
    del hdus["NIR_J_FLUX"]


def without_zero_point(path, hdus):
    del hdus["NIR_J_FLUX"].header["MAGZERO"]


def of_another_shape(path, hdus):
    hdus["NIR_J_FLUX"].data = hdus["NIR_J_FLUX"].data[:-1]


def shifted(path, hdus):
    hdus["NIR_J_FLUX"].header["CRPIX1"] += 0.5


def one_dimensional(path, hdus):
    hdus["NIR_J_FLUX"].data = hdus["NIR_J_FLUX"].data[0]


def band_twice(path, hdus):
    hdus.append(hdus["NIR_J_FLUX"].copy())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_band, "JE"),
        (without_zero_point, "zero"),
        (of_another_shape, r"IE \(12, 14\) and JE \(11, 14\) differ in shape"),
        (shifted, r"IE and JE are 0\.50 pixels apart"),
        (one_dimensional, "2-D|dimension"),
        (band_twice, "JE|twice|2 times"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_in_one_line(
    fails, model_file, cutout, tmp_path, damage, message
):
    with fits.open(cutout) as hdus:
        damage(cutout, hdus)
        hdus.writeto(tmp_path / "bad.fits")
    assert re.search(
        message, fails("predict", model_file, tmp_path / "bad.fits", "-o", tmp_path / "maps.fits")
    )
    assert not (tmp_path / "maps.fits").exists()


def test_a_zero_point_can_be_given(model_file, cutout, tmp_path):
    with fits.open(cutout) as hdus:
        zero_point = hdus["VIS_FLUX"].header["MAGZERO"]
        for hdu in hdus[1:]:
            del hdu.header["MAGZERO"]
        hdus.writeto(tmp_path / "bare.fits")
    words = ["predict", model_file, tmp_path / "bare.fits", "-o", tmp_path / "maps.fits"]
    assert run(*words, "--zero-point", zero_point) == 0
    expected = predicted_by_python(model_file, an_image(SHAPE, seed=3))["stellar_age"]
    np.testing.assert_allclose(maps_of(tmp_path / "maps.fits")["STELLAR_AGE"][0], expected, rtol=2e-4)


def test_a_zero_point_for_all_leaves_those_of_the_files(model_file, tmp_path):
    """Of a real cut-out, NIR would be 120 times too bright with the zero point of VIS."""
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for (band, data), zero_point in zip(
        brightness(SHAPE, seed=3).items(), (24.6, 29.8, 30.0, 29.9), strict=True
    ):
        header = header_of(band)
        count = 3631e-6 * 10 ** (-0.4 * zero_point) / (0.1 * u.arcsec).to_value(u.rad) ** 2
        header["MAGZERO"] = zero_point
        if band == "IE":
            del header["MAGZERO"]
        hdus.append(fits.ImageHDU(data / np.float32(count), header, name=f"{STEMS[band]}_FLUX"))
    hdus.writeto(tmp_path / "c.fits")
    expected = predicted_by_python(model_file, an_image(SHAPE, seed=3))["stellar_mass_density"]
    words = ["predict", model_file, tmp_path / "c.fits", "--overwrite", "-o", tmp_path / "maps.fits"]
    for given in (["24.6"], ["IE=24.6"], ["VIS=24.6", "HE=29.9"]):
        options = [word for value in given for word in ("--zero-point", value)]
        assert run(*words, *options) == 0
        density = maps_of(tmp_path / "maps.fits")["STELLAR_MASS_DENSITY"][0]
        np.testing.assert_allclose(density, expected, rtol=1e-3)
    assert run(*words, "--zero-point", "24.6", "--zero-point", "HE=24.6") == 0
    density = maps_of(tmp_path / "maps.fits")["STELLAR_MASS_DENSITY"][0]
    assert not np.allclose(density, expected, rtol=0.5, equal_nan=True)


def test_a_zero_point_that_every_file_contradicts_is_refused(fails, model_file, cutout, tmp_path):
    line = fails("predict", model_file, cutout, "-o", tmp_path / "maps.fits", "--zero-point", "11")
    assert "whose files say nothing" in line and "--zero-point IE=11.0" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sfd"], "--sfd says where E.B-V. is from and goes with --ebv"),
        (["--zero-point", "bright"], "as 24.6 or IE=24.6, not 'bright'"),
        (["--zero-point", "=24"], "as 24.6 or IE=24.6, not '=24'"),
        (["--zero-point", "IE=24", "--zero-point", "VIS=25"], "--zero-point is given twice for IE"),
        (["--zero-point", "24", "--zero-point", "25"], "--zero-point is given twice for all bands"),
        (["--strips", "--hdu", "1", "--pixel-scale", "0.1"], "--hdu, --pixel-scale needs all of the image"),
    ],
)
def test_words_about_the_files_that_make_no_sense(fails, model_file, cutout, tmp_path, options, message):
    words = ["predict", model_file, cutout, "-o", tmp_path / "maps.fits", *options]
    assert re.search(message, fails(*words, code=2))


def test_options_that_errors_advise_for_files_of_one_band(fails, model_file, pairs, tmp_path):
    """Two images in a file, and no world coordinates: the errors say which options help, and they do."""
    light = brightness(SHAPE, seed=3)
    for word in pairs:
        band, _, path = word.partition("=")
        header = {"MAGZERO": header_of(band, 0.02)["MAGZERO"]}
        flags = np.zeros(SHAPE, "i2")
        flags[3, 4] = 4
        images = [np.zeros(SHAPE, "f4"), light[band] / np.float32(0.02)]
        hdus = [fits.ImageHDU(data, fits.Header(header)) for data in images]
        hdus.append(fits.ImageHDU(flags, name="FLAG"))
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    words = ["predict", model_file, *pairs, "-o", tmp_path / "maps.fits"]
    assert "--hdu" in fails(*words)
    assert "--pixel-scale" in fails(*words, "--hdu", "2")
    assert run(*words, "--hdu", "2", "--pixel-scale", "0.1", "--flag-bits", "4") == 0
    maps = maps_of(tmp_path / "maps.fits")
    expected = predicted_by_python(model_file, an_image(SHAPE, seed=3))["stellar_age"]
    expected[3, 4] = np.nan
    np.testing.assert_allclose(maps["STELLAR_AGE"][0], expected, rtol=1e-4)
    assert maps["QUALITY"][0][3, 4] & Quality.MASKED


def test_flag_bits_and_noise_files_reach_strips(model_file, pairs, tmp_path):
    flags = np.zeros(SHAPE, "i2")
    flags[3, 4] = 4
    fits.writeto(tmp_path / "flags.fits", flags)
    noise = np.full(SHAPE, 1e-4, "f4")
    noise[5, 6] = 1e3
    fits.writeto(tmp_path / "noise.fits", noise)
    pairs += [f"{band}_FLAG={tmp_path / 'flags.fits'}" for band in EUCLID_BANDS]
    pairs += [f"HE_RMS={tmp_path / 'noise.fits'}"]
    for options in ([], ["--strips"]):
        words = ["predict", model_file, *pairs, "--overwrite", "-o", tmp_path / "maps.fits", *options]
        assert run(*words, "--flag-bits", "4") == 0
        quality = maps_of(tmp_path / "maps.fits")["QUALITY"][0]
        assert quality[3, 4] & Quality.MASKED and quality[5, 6] & (Quality.MASKED | Quality.NOISE)


@pytest.mark.parametrize("option", [["--zero-point", "24"], ["--hdu", "1"], ["--pixel-scale", "0.1"]])
def test_options_without_use_are_not_passed_over(fails, atlas, model_file, tmp_path, option):
    words = ["predict", model_file, atlas / "TNG000001_O5", "-o", tmp_path / "maps.fits", *option]
    assert f"{option[0]}) is of no use" in fails(*words)
    write(tmp_path / "image.asdf", an_image(SHAPE))
    words = ["predict", model_file, tmp_path / "image.asdf", "-o", tmp_path / "maps.fits", *option]
    assert f"{option[0]}) is of no use" in fails(*words)


def test_bands_on_different_grids_can_be_aligned(model_file, cutout, tmp_path):
    with fits.open(cutout) as hdus:
        shifted(cutout, hdus)
        hdus.writeto(tmp_path / "shifted.fits")
    assert run("predict", model_file, tmp_path / "shifted.fits", "-o", tmp_path / "maps.fits", "--align") == 0
    density, header = maps_of(tmp_path / "maps.fits")["STELLAR_MASS_DENSITY"]
    assert np.isfinite(density).mean() > 0.8
    assert corner_offset(WCS(header), sky_wcs(SHAPE), SHAPE) < 1e-6


@pytest.mark.parametrize("content", [b"", b"not a file of images", b"SIMPLE  =                    T"])
def test_a_file_that_is_no_image_is_refused(fails, model_file, tmp_path, content):
    (tmp_path / "x.fits").write_bytes(content)
    assert "x.fits" in fails("predict", model_file, tmp_path / "x.fits", "-o", tmp_path / "maps.fits")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.fits"], "none.fits"),
        (["IE=none.fits", "YE=none.fits", "JE=none.fits", "HE=none.fits"], "none.fits"),
        (["IE=a.fits", "VIS=b.fits", "YE=c.fits"], "band IE is given 2 times: IE, VIS"),
        (["IE=a.fits", "HE=b.fits"], "no band YE, JE in the files given; there are IE, HE"),
        (["{atlas}/TNG000099_O5"], "holds no files of galaxy TNG000099"),
        (["{atlas}/TNG000001_O2"], "holds nothing of observer O2"),
    ],
)
def test_what_is_not_there_is_named(fails, atlas, model_file, tmp_path, words, message):
    words = [word.format(atlas=atlas) for word in words]
    assert message in fails("predict", model_file, *words, "-o", tmp_path / "maps.fits")


# What is said on the way


@pytest.mark.slow
def test_quiet_verbose_and_levels(atlas, tmp_path, capsys):
    words = ["train", atlas, "-o", tmp_path / "m.asdf", "--estimator", "mean", "--overwrite"]
    words += ["--property", "stellar_age"]
    assert run(*words) == 0
    usual = capsys.readouterr()
    assert "Written: " in usual.out and "stellar_age" in usual.out
    assert run(*words, "-q") == 0
    quiet = capsys.readouterr()
    assert "Written" not in quiet.out and "stellar_age" in quiet.out and quiet.err == ""
    assert run(*words, "-v") == 0
    verbose = capsys.readouterr()
    assert verbose.out == usual.out
    assert "euclid-resolved: debug: fitting stellar_age of" in verbose.err
    assert f"euclid-resolved: debug: wrote {tmp_path / 'm.asdf'}" in verbose.err
    assert run(*words, "--log-level", "warning") == 0
    assert capsys.readouterr() == quiet
    assert run(*words, "-q", "-v") == 2 and "not allowed with" in capsys.readouterr().err
    assert logging.getLogger("euclid_resolved").handlers == []


@pytest.mark.filterwarnings("default:odd")
def test_warnings_are_logged_and_can_be_left_out(capsys, monkeypatch, model_file):
    def broken(path):
        warnings.warn("odd", stacklevel=2)
        raise InputError("broken")

    monkeypatch.setattr("euclid_resolved.io._read_write.read", broken)
    assert run("info", model_file) == 1
    assert "euclid-resolved: warning: odd\n" in capsys.readouterr().err
    assert run("info", model_file, "--log-level", "error") == 1
    err = capsys.readouterr().err
    assert "odd" not in err and "euclid-resolved: error:" in err


# Interrupts and unexpected errors


def test_ctrl_c_while_writing_leaves_the_old_file_and_nothing_else(
    model_file, cutout, tmp_path, monkeypatch, capsys
):
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "maps.fits"
    path.write_bytes(b"precious")

    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    # Of the second plane, when the first is written.
    monkeypatch.setattr(fits.ImageHDU, "add_checksum", interrupted)
    assert run("predict", model_file, cutout, "-o", path, "--overwrite") == 130
    assert "interrupted; nothing was half written" in capsys.readouterr().err
    assert list(path.parent.iterdir()) == [path] and path.read_bytes() == b"precious"


def test_ctrl_c_while_training_leaves_nothing(atlas, tmp_path, monkeypatch):
    def interrupted(self, X, y, seed, missing):
        raise KeyboardInterrupt

    monkeypatch.setattr(RandomForest, "_grow", interrupted)
    assert run("train", atlas, "-o", tmp_path / "m.asdf", "--set", "n_trees=2") == 130
    assert not list(tmp_path.iterdir())


def test_an_interrupted_atlas_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from euclid_resolved.mock import _atlas as module

    make = ["atlas", "make", tmp_path / "a", "--galaxies", 3, "--pixels", 16]
    original, made = module._write_galaxy, []

    def slow(number, **settings):
        if number == 3 and len(made) == 2:
            made.append("stop")
            raise KeyboardInterrupt
        made.append(number)
        return original(number, **settings)

    monkeypatch.setattr(module, "_write_galaxy", slow)
    assert run(*make) == 130
    assert run(*make) == 0
    assert made == [1, 2, "stop", 3] and len(read_atlas(tmp_path / "a")) == 3


def test_a_full_disk_is_one_line(fails, model_file, cutout, tmp_path, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.ImageHDU, "add_checksum", full)
    (tmp_path / "out").mkdir()
    assert "No space left on device" in fails(
        "predict", model_file, cutout, "-o", tmp_path / "out" / "m.fits"
    )
    assert not list((tmp_path / "out").iterdir())


def test_an_unexpected_error_is_one_line_that_says_how_to_learn_more(fails, monkeypatch, model_file):
    monkeypatch.setattr("euclid_resolved.io._read_write.read", lambda path: 1 / 0)
    line = fails("info", model_file)
    assert (
        line == "euclid-resolved: error: unexpected ZeroDivisionError: division by zero (--debug shows where)"
    )


def test_debug_lets_the_error_through(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        main(["info", str(tmp_path / "none.asdf"), "--debug"])


@pytest.mark.slow
@pytest.mark.parametrize("debug", [False, True])
def test_a_traceback_is_shown_to_who_asks_for_it(tmp_path, debug):
    command = [sys.executable, "-m", "euclid_resolved", "info", "none.asdf", *(["--debug"] if debug else [])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert ("Traceback" in done.stderr) == debug
    if not debug:
        assert done.stderr == "euclid-resolved: error: none.asdf: there is no such file\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes of a POSIX shell")
def test_a_reader_that_goes_away_is_no_traceback():
    command = f"{sys.executable} -m euclid_resolved plugins | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


# What files hold, and what is registered


def test_info_says_what_files_hold(atlas, model_file, cutout, tmp_path, capsys):
    write(tmp_path / "image.asdf", an_image(SHAPE, name="field"))
    assert run("predict", model_file, cutout, "-o", tmp_path / "maps.fits") == 0
    capsys.readouterr()
    files = [atlas, model_file, tmp_path / "image.asdf", tmp_path / "maps.fits", cutout]
    assert run("info", *files) == 0
    shown = capsys.readouterr().out
    for part in (
        "atlas of 12 galaxies, TNG000001_O5 to TNG000012_O5",
        "model of stellar_mass_density, stellar_metallicity, stellar_age",
        "trained on  atlas",
        "accuracy    on galaxies that were held out",
        "image field",
        "IE, YE, JE, HE, in MJy / sr",
        "maps of 3 properties",
        "image cutout",
    ):
        assert part in shown
    # Numbers have three digits, and no line is a digest.
    assert not re.search(
        r"\d\.\d{6}|[0-9a-f]{20}", shown.replace(read(model_file).versions["euclid_resolved"], "")
    )


def test_json_of_what_files_hold_has_the_units(model_file, cutout, tmp_path, capsys):
    assert run("predict", model_file, cutout, "-o", tmp_path / "maps.fits", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["pixels"]["judged"] > 0 and made["model"] == read(model_file).digest
    assert run("info", model_file, tmp_path / "maps.fits", cutout, "--json") == 0
    model, maps, image = json.loads(capsys.readouterr().out)["files"]
    assert [each["kind"] for each in (model, maps, image)] == ["model", "maps", "image"]
    density = model["properties"]["stellar_mass_density"]
    assert density["unit"] == "solMass / pc2" and density["estimator"] == "linear"
    assert model["accuracy_units"] == IN_DEX and model["clip"] == {"value": 0.0234, "unit": "MJy / sr"}
    assert density["accuracy"]["r2"] == model["training"]["test"]["stellar_mass_density"]["r2"]
    assert maps["maps"]["stellar_age"]["median"]["unit"] == "Gyr"
    assert maps["maps"]["stellar_age"] == made["maps"]["stellar_age"]
    assert image["units"] == dict.fromkeys(EUCLID_BANDS, "MJy / sr")
    assert image["pixel_scale"] == {"value": pytest.approx(0.1), "unit": "arcsec"}


def test_json_of_many_images_comes_even_where_one_fails(atlas, model_file, tmp_path, capsys):
    words = ["predict", model_file, atlas / "TNG000001_O5", atlas / "TNG000099_O5", "-o", tmp_path / "maps"]
    assert run(*words, "--json") == 1
    out, err = capsys.readouterr()
    made = json.loads(out)
    assert made["failed"] == 1 and [row["status"] for row in made["images"]["rows"]] == ["mapped", "failed"]
    assert "euclid-resolved: error: 1 of 2 images could not be mapped" in err
    assert "TNG000001_O5: mapped" in err
    assert run(*words, "-q") == 1
    assert "TNG000001_O5" not in capsys.readouterr().err


def test_json_of_plugins_and_diagnostics(atlas, model_file, capsys):
    assert run("plugins", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["plugins"]
    assert {row["name"]: row["kind"] for row in rows}["linear"] == "estimators"
    assert run("plugins", "--check", "linear", "--json") == 0
    assert json.loads(capsys.readouterr().out)["failed"] == 0
    assert run("diagnose", "sample_bias", model_file, atlas, "--json") == 0
    table = json.loads(capsys.readouterr().out)["diagnostics"]["sample_bias"]
    assert table["units"] == IN_DEX and {row["set"] for row in table["rows"]} == {"training", "test"}


@pytest.mark.parametrize("name", ["none.asdf", "none.fits", "empty"])
def test_info_on_what_is_not_there_fails(fails, tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert name in fails("info", tmp_path / name)


def test_plugins_lists_what_is_registered(capsys):
    assert run("plugins") == 0
    shown = capsys.readouterr().out
    for name in ("bands", "colours", "squared_colours", "linear", "random_forest", "euclid_resolved"):
        assert name in shown


def test_plugins_can_be_checked(capsys, fails):
    assert run("plugins", "--check", "linear,bands") == 0
    assert capsys.readouterr().out.splitlines() == ["features bands: ok", "estimators linear: ok"]


def test_the_image_is_read_with_the_bands_of_the_model_only(atlas, tmp_path, cutout):
    assert run("train", atlas, "-o", tmp_path / "m.asdf", "--estimator", "linear", "--bands", "IE", "HE") == 0
    with fits.open(cutout) as hdus:
        del hdus["NIR_J_FLUX"]
        hdus.writeto(tmp_path / "two.fits")
    assert run("predict", tmp_path / "m.asdf", tmp_path / "two.fits", "-o", tmp_path / "maps.fits") == 0
    assert isinstance(read_euclid(tmp_path / "two.fits"), MultiBandImage)


def test_a_block_that_fails_leaves_no_temporary_file(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.png") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


# Stars


@pytest.mark.parametrize("words", [("--draws", "1"), ("--level", "68"), ("--min-sn", "-1"), ("--seed", "-1")])
def test_numbers_without_use_are_refused_before_anything_is_read(words, tmp_path, capsys):
    assert run("predict", tmp_path / "none.fits", "-o", tmp_path / "maps.fits", *words) == 2
    assert "must be" in (said := capsys.readouterr().err) or "at least 2 draws" in said


@pytest.mark.slow
@real
def test_a_star_is_masked_and_the_line_says_so(model_file, tmp_path, capsys):
    """The star of the small cut-out, at pixel (0, 31), has no mass; without masks it has one."""
    words = ["predict", model_file, REAL[1], "-o"]
    assert run(*words, tmp_path / "a.fits") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(
        "Prepared: no sky subtracted: light of the galaxy reaches into it in IE, YE, JE, HE; 1 star"
    )
    assert "PSFs matched to HE (0.47 arcsec). --raw leaves the image as it is." in said
    assert (
        run(*words, tmp_path / "b.fits", "--no-mask-stars", "--match-psf", "none", "--background", "none")
        == 0
    )
    assert "Prepared" not in capsys.readouterr().out
    masked, kept = (read(tmp_path / name)["stellar_mass_density"] for name in ("a.fits", "b.fits"))
    assert masked.quality[31, 0] & Quality.NEIGHBOUR and np.isnan(masked.data[31, 0])
    assert kept.data[31, 1] > 0
    assert fits.getheader(tmp_path / "a.fits")["MASKS"] == "compact, neighbours, saturated"
    assert "MASKS" not in fits.getheader(tmp_path / "b.fits")

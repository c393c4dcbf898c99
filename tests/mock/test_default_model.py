"""The default model: it comes with the package, its recipe makes it again, it is honest about what it is."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from euclid_resolved import read, read_atlas, write
from euclid_resolved.cli import main
from euclid_resolved.errors import InputError
from euclid_resolved.mock import _recipe, default_model
from euclid_resolved.mock._default_model import default_path
from euclid_resolved.mock._recipe import COMMAND, TRUST, Recipe, check_model, compare, make_model

SMALL = Recipe(galaxies=10, pixels=16, n_trees=4, folds=2, preset="tng50-like")


@pytest.fixture(scope="module")
def small():
    return make_model(SMALL, progress=False, say=lambda line: None)


def test_the_file_is_what_the_recipe_of_the_code_makes():
    """Where this fails, the message names the command that makes the model again."""
    check_model(default_model())


def test_it_is_small_and_knows_what_it_was_made_of():
    assert default_path().stat().st_size < 1_000_000
    model, recipe = default_model(), Recipe()
    training = model.training
    assert training["trust"] == TRUST and training["recipe"] == recipe.digest
    assert f"{recipe.galaxies} mock galaxies, preset {recipe.preset}" in training["source"]
    assert len(training["galaxies"]) == recipe.galaxies and training["calibration_folds"] == recipe.folds
    assert set(training["cross_validation"]) == set(model.properties)
    assert model.features == recipe.features
    for output in model.outputs.values():
        assert output.interval is not None and output.estimator.n_jobs == -1
    assert default_model() is model


@pytest.mark.slow
def test_the_same_recipe_makes_the_same_file(small, tmp_path):
    write(tmp_path / "one.asdf", small)
    write(tmp_path / "two.asdf", make_model(SMALL, progress=False, say=lambda line: None))
    assert (tmp_path / "one.asdf").read_bytes() == (tmp_path / "two.asdf").read_bytes()


def test_another_recipe_has_another_digest():
    others = SMALL, Recipe(seed=2), Recipe(preset="tng50-like"), Recipe(features=("bands", "neighbourhood"))
    assert len({recipe.digest for recipe in (Recipe(), *others)}) == 5
    for wrong in ({"galaxies": 1}, {"folds": 1}, {"n_trees": 0}, {"galaxies": 3}, {"mosaic": -1}):
        with pytest.raises(InputError):
            Recipe(**wrong)


def test_a_model_of_another_recipe_is_refused(small):
    with pytest.raises(InputError, match="another recipe") as caught:
        check_model(small)
    assert COMMAND in str(caught.value)
    moved = [value + 0.01 for value in small.training["recipe_sample"]]
    with pytest.raises(InputError, match="look otherwise now"):
        check_model(replace(small, training={**small.training, "recipe_sample": moved}), SMALL)
    check_model(small, SMALL)


@pytest.mark.slow
def test_an_interrupted_making_goes_on(small, tmp_path, monkeypatch):
    from euclid_resolved.training import _train

    done, original = [], _train.train

    def train(*args, **kwargs):
        if len(done) == 2:
            done.append("interrupted")
            raise KeyboardInterrupt
        done.append("fit")
        return original(*args, **kwargs)

    monkeypatch.setattr(_train, "train", train)
    with pytest.raises(KeyboardInterrupt):
        make_model(SMALL, keep=tmp_path / "part", progress=False, say=lambda line: None)
    assert len(list((tmp_path / "part").iterdir())) == 2
    # A fit of another recipe, and one that is damaged, are made again.
    (tmp_path / "part" / "fit-1.asdf").write_bytes(b"#ASDF")
    model = make_model(SMALL, keep=tmp_path / "part", progress=False, say=lambda line: None)
    assert model.digest == small.digest and done == ["fit", "fit", "interrupted", "fit", "fit"]
    assert not (tmp_path / "part").exists()


def test_models_are_made_by_a_command(small, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(_recipe, "make_model", lambda recipe, keep: asked.append((recipe, keep)) or small)
    words = ["default-model", "make", "--preset", "tng50-like", "--features", "bands", "neighbourhood"]
    words += ["--galaxies", "6", "--trees", "2", "--folds", "2", "-o"]
    assert main([*words, str(tmp_path / "one.asdf")]) == 0
    assert "digest" in capsys.readouterr().out and read(tmp_path / "one.asdf").digest == small.digest
    settings = {"preset": "tng50-like", "features": ("bands", "neighbourhood"), "galaxies": 6}
    assert asked == [(Recipe(**settings, n_trees=2, folds=2), tmp_path / "one.asdf.part")]
    assert main([*words, str(tmp_path / "one.asdf")]) == 1
    assert "the file exists" in capsys.readouterr().err
    for wrong in (["a.fits"], ["a.asdf", "--preset", "narrow"], ["a.asdf", "--folds", "1"]):
        with pytest.raises(SystemExit, match="2"):
            main([*words, *wrong])

    def interrupted(recipe, keep):
        keep.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(_recipe, "make_model", interrupted)
    assert main([*words, str(tmp_path / "two.asdf")]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_the_shipped_one_can_be_checked(small, monkeypatch, capsys):
    monkeypatch.setattr(_recipe, "make_model", default_model)
    assert main(["default-model", "check"]) == 0
    assert "to the last bit" in capsys.readouterr().out
    # Other libraries round otherwise; another model does not.
    monkeypatch.setattr(_recipe, "make_model", lambda: small)
    monkeypatch.setattr(_recipe, "compare", lambda *_: 0.004)
    assert main(["default-model", "check"]) == 0
    assert "differ by 0.004 dex rms" in capsys.readouterr().out
    monkeypatch.setattr(_recipe, "compare", lambda *_: 0.2)
    assert main(["default-model", "check"]) == 1
    assert COMMAND in " ".join(capsys.readouterr().err.split())


def test_models_are_compared_on_galaxies_that_neither_has_seen(small):
    assert compare(small, small, SMALL, 2) == 0
    assert compare(small, default_model(), SMALL, 2) > 0.02


@pytest.fixture
def picture(atlas, tmp_path):
    """A mock image in a file."""
    write(tmp_path / "image.asdf", read_atlas(atlas)[0].image)
    return tmp_path / "image.asdf"


def test_prediction_needs_no_model(picture, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a long name of a folder takes a line of its own
    assert main(["predict", picture.name, "-o", "maps.fits"]) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 24 and max(map(len, said.splitlines())) < 80
    said = " ".join(said.split())
    assert "mock galaxies" in said and "What to believe" in said and "Age: do not trust it." in said
    assert "calibrated" in said and "not zero points" in said and "Prepared" not in said
    with fits.open(tmp_path / "maps.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        endings = "", "_ERR", "_LO", "_HI", "_MEAN"
        assert names[:5] == ["STELLAR_MASS_DENSITY" + ending for ending in endings]
        assert "do not trust" in hdus[0].header["TRUST"] and "mock galaxies" in hdus[0].header["TRAINSET"]
    maps = read(tmp_path / "maps.fits")
    assert maps["stellar_age"].meta["trust"] == TRUST and np.isfinite(maps["stellar_age"].data).any()


def test_a_model_may_still_be_named(picture, model_file, tmp_path, capsys):
    assert main(["predict", str(model_file), str(picture), "-o", str(tmp_path / "maps.fits")]) == 0
    assert "No model was named" not in capsys.readouterr().out
    assert "trust" not in next(iter(read(tmp_path / "maps.fits").values())).meta


@pytest.mark.slow
def test_several_images_need_no_model_either(picture, tmp_path):
    second = tmp_path / "second.asdf"
    second.write_bytes(picture.read_bytes())
    (tmp_path / "out").mkdir()
    assert main(["predict", str(picture), str(second), "-o", str(tmp_path / "out")]) == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["image_maps.fits", "report.ecsv", "second_maps.fits"]


@pytest.mark.parametrize("name", ["gone.asdf", "text.asdf"])
def test_a_model_that_cannot_be_read_is_not_replaced_by_the_default(name, picture, tmp_path, capsys):
    (tmp_path / "text.asdf").write_text("no model")
    assert main(["predict", str(tmp_path / name), str(picture), "-o", str(tmp_path / "maps.fits")]) == 1
    assert name in capsys.readouterr().err and not (tmp_path / "maps.fits").exists()

"""The default model: made once, kept, and honest about what it is."""

import numpy as np
import pytest
from astropy.config import set_temp_cache
from astropy.io import fits

from euclid_resolved import read, read_atlas, write
from euclid_resolved.cli import main
from euclid_resolved.errors import DataWarning
from euclid_resolved.mock import _default_model as module, default_model
from euclid_resolved.mock._default_model import TRUST, Recipe, default_path

SMALL = Recipe(galaxies=14, pixels=32, n_trees=8, depth=(0.2, 1.0), folds=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache directory with a small default model in it, and what was said while it was made."""
    folder = tmp_path_factory.mktemp("cache")
    said = []
    with pytest.MonkeyPatch.context() as patch, set_temp_cache(folder):
        patch.setattr(module, "Recipe", lambda: SMALL)
        yield default_model(progress=False, say=said.append), said


def test_it_is_made_once_and_kept(cache):
    model, said = cache
    assert "trained, once, on 14 mock galaxies (preset broad)" in said[0] and str(default_path()) in said[1]
    more = []
    again = default_model(say=more.append)
    assert not more and again.digest == model.digest
    assert [path.name for path in default_path().parent.iterdir()] == [default_path().name]


def test_it_knows_what_it_was_made_of(cache):
    model, _ = cache
    training = model.training
    assert training["trust"] == TRUST and training["recipe"] == SMALL.digest
    assert "14 mock galaxies, preset broad" in training["source"]
    assert len(training["galaxies"]) == 14 and training["calibration_folds"] == 2
    assert set(training["cross_validation"]) == set(model.properties)
    assert set(training["signal_to_noise"]) == set(model.bands)
    assert all(output.interval is not None for output in model.outputs.values())
    assert (model.domain.noise > 0).all()


def test_another_recipe_has_another_name():
    recipes = SMALL, Recipe(), Recipe(seed=2), Recipe(preset="tng50-like")
    assert len({default_path(recipe) for recipe in recipes}) == 4
    assert Recipe().digest == Recipe().digest


def test_a_damaged_one_is_made_again(cache):
    path = default_path()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(DataWarning, match="the default model is made again"):
        again = default_model(progress=False, say=lambda line: None)
    assert again.digest == cache[0].digest
    assert read(path).digest == again.digest


@pytest.fixture
def picture(cache, atlas, tmp_path):
    """A mock image in a file."""
    write(tmp_path / "image.asdf", read_atlas(atlas)[0].image)
    return tmp_path / "image.asdf"


def test_prediction_needs_no_model(picture, tmp_path, capsys):
    assert main(["predict", str(picture), "-o", str(tmp_path / "maps.fits")]) == 0
    said = capsys.readouterr().out
    assert "14 mock galaxies" in said and "Age: do not trust it." in said and "calibrated" in said
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


def test_a_cache_that_cannot_be_written_does_not_lose_the_model(cache, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(module, "default_path", lambda recipe=None: tmp_path / "file" / "model.asdf")
    monkeypatch.setattr(module, "_make", lambda recipe, progress: cache[0])
    with pytest.warns(DataWarning, match="cannot be kept"):
        assert default_model(say=lambda line: None) is cache[0]

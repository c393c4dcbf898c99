"""The default model: made once, kept, and honest about what it is."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.config import set_temp_cache
from astropy.io import fits

from euclid_resolved import read, read_atlas, write
from euclid_resolved.cli import main
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.io._lock import hold
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


class Made:
    """Stands for minutes of training; counts them."""

    def __init__(self, model):
        self.model, self.calls = model, 0

    def __call__(self, recipe, progress):
        self.calls += 1
        return self.model


def read_only(path, *args, **kwargs):
    raise PermissionError(30, "Read-only file system", str(path))


@pytest.fixture
def made(cache, monkeypatch):
    """What is made, by nothing in memory yet."""
    made = Made(cache[0])
    monkeypatch.setattr(module, "_make", made)
    monkeypatch.setattr(module, "_in_memory", {})
    return made


@pytest.mark.parametrize("why", ["no folder", "no cache", "read-only home", "full disk"])
def test_a_cache_that_cannot_be_written_does_not_lose_the_model(made, monkeypatch, tmp_path, why):
    path = tmp_path / "home" / "model.asdf"
    monkeypatch.setattr(module, "default_path", lambda recipe=None: path)
    if why == "no folder":
        path.parent.write_text("")
    elif why == "no cache":
        monkeypatch.setattr(module, "default_path", read_only)
    elif why == "read-only home":
        monkeypatch.setattr("pathlib.Path.mkdir", read_only)
    else:
        monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: read_only(path))
    said = []
    assert default_model(say=said.append) is made.model
    assert len(said) == 1 and "kept in memory only" in said[0]  # before minutes of training, in one line
    assert default_model(say=said.append) is made.model
    assert made.calls == 1 and len(said) == 1
    assert not list(tmp_path.rglob("*.asdf"))


def test_a_cache_that_fills_up_meanwhile_does_not_lose_the_model(made, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "default_path", lambda recipe=None: tmp_path / "model.asdf")
    monkeypatch.setattr("euclid_resolved.io._read_write.write", lambda path, *_, **__: read_only(path))
    said = []
    assert default_model(say=said.append) is default_model(say=said.append) is made.model
    assert made.calls == 1 and len(said) == 2 and "kept in memory only" in said[1]


def test_a_model_of_another_recipe_under_the_name_is_not_taken(made, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "default_path", lambda recipe=None: tmp_path / "model.asdf")
    write(tmp_path / "model.asdf", replace(made.model, training={**made.model.training, "recipe": "planted"}))
    with pytest.warns(DataWarning, match="another recipe made it"):
        assert default_model(say=lambda line: None) is made.model
    assert read(tmp_path / "model.asdf").training["recipe"] == SMALL.digest
    assert made.calls == 1 and default_model().training["recipe"] == SMALL.digest


def test_only_one_makes_it(made, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "default_path", lambda recipe=None: tmp_path / "model.asdf")
    with hold(tmp_path / "model.asdf"), pytest.raises(InputError, match="another job is writing it"):
        default_model(say=lambda line: None)
    assert made.calls == 0


def test_several_images_take_a_model_that_is_only_in_memory(made, picture, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "default_path", read_only)
    second = tmp_path / "second.asdf"
    second.write_bytes(picture.read_bytes())
    assert main(["predict", str(picture), str(second), "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*_maps.fits"))) == 2 and made.calls == 1

"""Files written by the oldest and newest supported libraries open in those of today."""

import importlib.util
import json

import numpy as np
import pytest
from helpers import ROOT

from euclid_resolved import read
from euclid_resolved.images._grid import corner_offset

DATA = ROOT / "tests" / "data"
FOLDERS = sorted(path.parent for path in DATA.glob("*/expected.json"))


def _maker():
    spec = importlib.util.spec_from_file_location("make_golden", DATA / "make_golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def golden(request):
    return request.param, json.loads((request.param / "expected.json").read_text())


def test_files_of_the_oldest_and_the_newest_libraries_are_there():
    assert {"0.1.0-oldest", "0.1.0-newest"} <= {path.name for path in FOLDERS}


@pytest.mark.parametrize("name", ["linear", "forest"])
def test_a_model_estimates_what_it_estimated_when_it_was_written(golden, name):
    folder, expected = golden
    model = read(folder / f"{name}.asdf")
    maker = _maker()
    for prop in maker.PROPERTIES:
        np.testing.assert_allclose(
            model.estimate(maker.PIXELS, prop), expected[name][prop], rtol=1e-6, atol=1e-6
        )


def test_maps_are_what_they_were(golden):
    folder, expected = golden
    for file in ("maps.asdf", "maps.fits"):
        maps = read(folder / file)
        for name, median in expected["median"].items():
            assert np.nanmedian(maps[name].data) == pytest.approx(median, rel=1e-6)
            assert maps[name].unit == maps[name].property.unit
            assert corner_offset(_maker().sky(24), maps[name].wcs, maps[name].data.shape) < 1e-6


def test_an_image_gives_the_same_maps_again(golden):
    folder, _ = golden
    image, maps = read(folder / "image.asdf"), read(folder / "maps.asdf")
    again = read(folder / "forest.asdf").predict_maps(image)
    for name, map_ in again.items():
        np.testing.assert_allclose(map_.data, maps[name].data, rtol=1e-5)
        np.testing.assert_array_equal(map_.quality, maps[name].quality)

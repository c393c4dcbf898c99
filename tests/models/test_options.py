"""Options of predictions: each door names the one that is wrong, before anything is read."""

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, predict_many, predict_tile, train
from euclid_resolved.models._clip import judge
from euclid_resolved.testing import example_galaxies

WRONG = [
    ({"draws": "2"}, "draws must be a whole number and at least 0, got '2'"),
    ({"draws": 2.0}, "draws must be a whole number"),
    ({"draws": -1}, "draws must be a whole number"),
    ({"draws": True}, "draws must be a whole number"),
    ({"draws": 1}, "at least 2 draws, got 1"),
    ({"seed": None}, "seed must be a whole number and at least 0, got None"),
    ({"seed": -1}, "seed must be a whole number"),
    ({"seed": 2**64}, "seed must be below"),
    ({"level": "x"}, "level must be a number between 0 and 1, as 0.68, got 'x'"),
    ({"level": 68}, "level must be a number between 0 and 1"),
    ({"level": None}, "level must be a number between 0 and 1"),
    ({"level": float("nan")}, "level must be a number between 0 and 1"),
    ({"min_sn": "x"}, "min_sn must be a number of at least 0, got 'x'"),
    ({"min_sn": -1}, "min_sn must be a number of at least 0"),
    ({"min_sn": float("nan")}, "min_sn must be a number of at least 0"),
]


@pytest.fixture(scope="module")
def galaxies():
    return example_galaxies()


@pytest.fixture(scope="module")
def model(galaxies):
    return train(galaxies, estimator=LinearRegression())


@pytest.mark.parametrize(("options", "what"), WRONG)
def test_one_clear_error(model, galaxies, tmp_path, options, what):
    image = galaxies[0].image
    for predict in (
        lambda: model.predict(image, **options),
        lambda: model.predict_maps(image, **options),
        lambda: predict_many("none.asdf", ["none.fits"], tmp_path, progress=False, **options),
        lambda: predict_tile(model, "none.fits", tmp_path / "maps.fits", **options),
    ):
        with pytest.raises(InputError, match=what):
            predict()


def test_first_row_and_judge(model, galaxies):
    with pytest.raises(InputError, match="first_row must be a whole number and at least 0, got '1'"):
        model.predict_maps(galaxies[0].image, first_row="1")
    with pytest.raises(InputError, match="min_sn must be a number"):
        judge(galaxies[0].image, ("HE",), min_sn="x")


def test_numbers_of_numpy_are_numbers(model, galaxies):
    options = {"draws": np.int64(0), "seed": np.int32(1), "level": np.float32(0.68), "min_sn": np.int64(0)}
    np.testing.assert_array_equal(
        model.predict(galaxies[0].image, **options).data, model.predict(galaxies[0].image, min_sn=0).data
    )

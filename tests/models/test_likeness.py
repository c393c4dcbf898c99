"""Fields of an image that are unlike the galaxies of the training are told by statistics and flagged."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.nddata import NDData
from scipy.ndimage import gaussian_filter

from euclid_resolved import LinearRegression, MultiBandImage, Quality, calibrate, read, train, write
from euclid_resolved.errors import InputError, ModelFileError
from euclid_resolved.models import _likeness
from euclid_resolved.models._likeness import FEWEST, FIELD, Likeness, fields_of, statistics_of
from euclid_resolved.testing import example_galaxies

NAMES = "last band", "IE-HE", "noise", "pairs", "bends", "slope", "scatter", "colour pairs", "colour bends"


def blurred(image, sigma=2.0):
    """An image blurred by a Gaussian."""
    planes = {}
    for band in image:
        soft = gaussian_filter(image.brightness(band), sigma)
        planes[band] = NDData(soft, unit=image[band].unit, meta=image[band].meta)
    return MultiBandImage(planes, name=image.name)


def told(light, noise=None, good=None):
    """The statistics of the first field by name."""
    good = np.ones(light["IE"].shape, bool) if good is None else good
    return dict(zip(NAMES, statistics_of(light, noise or {}, good)[0][0], strict=True))


def test_statistics_of_a_ramp_are_what_its_slope_says():
    x = np.arange(FIELD) * np.ones((FIELD, 1))
    found = told({"IE": 10 ** (0.04 * x), "HE": 10 ** (0.02 * x)})
    assert found["last band"] == pytest.approx(0.02 * 15.5)
    assert found["IE-HE"] == pytest.approx(0.02 * 15.5)
    # Half of the pairs lie across the ramp, where nothing changes; a ramp has no bends.
    assert 10 ** found["pairs"] == pytest.approx(0.04 / np.sqrt(2) + _likeness._SMALL, rel=1e-3)
    assert 10 ** found["bends"] == pytest.approx(_likeness._SMALL, rel=1e-3)
    variance = 0.02**2 * np.var(np.arange(FIELD))
    assert found["slope"] == pytest.approx(variance / (variance + _likeness._SMALL))


def test_noise_is_taken_out_of_scatter_and_differences():
    rng, shape, sigma = np.random.default_rng(1), (FIELD, FIELD), 0.05
    light = {band: (1 + sigma * rng.normal(size=shape)).astype(np.float32) for band in ("IE", "HE")}
    noise = {band: np.full(shape, sigma, np.float32) for band in light}
    with_noise, without = told(light, noise), told(light)
    assert 10 ** with_noise["noise"] == pytest.approx(sigma / np.log(10) + _likeness._SMALL, rel=0.05)
    for name in ("scatter", "pairs", "bends"):
        assert 10 ** without[name] > 0.02
        assert 10 ** with_noise[name] < 0.4 * 10 ** without[name]


def test_a_blurred_image_has_fewer_bends():
    rng = np.random.default_rng(2)
    light = 10 ** rng.normal(0, 0.3, (FIELD, FIELD))
    sharp, soft = ({"IE": plane, "HE": plane} for plane in (light, gaussian_filter(light, 2)))
    assert told(soft)["bends"] < told(sharp)["bends"] - 0.5


def test_every_field_is_told_by_its_own_pixels_alone():
    rng = np.random.default_rng(4)
    shape = 2 * FIELD + 5, FIELD + 9  # fields at the end are not whole
    light = {band: (10 ** rng.normal(0, 0.3, shape)).astype(np.float32) for band in ("IE", "HE")}
    noise = {"IE": np.full(shape, 0.01, np.float32)}
    good = rng.random(shape) < 0.9
    together, field = statistics_of(light, noise, good)
    assert together.shape == (6, len(NAMES)) and np.isfinite(together).all()
    for number, found in enumerate(together):
        rows, columns = np.nonzero(field == number)
        own = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        parts = [{band: plane[own] for band, plane in planes.items()} for planes in (light, noise)]
        np.testing.assert_array_equal(statistics_of(*parts, good[own])[0][0], found)
    step = np.log10(light["IE"].astype(float))
    dex, known, error = step[-5:, -9:], good[-5:, -9:], (0.01 / light["IE"] / np.log(10))[-5:, -9:] ** 2
    squares = []
    for axis in (0, 1):
        a, b = (np.delete(np.arange(dex.shape[axis]), end) for end in (-1, 0))
        one, other = (lambda plane, at=at, axis=axis: plane.take(at, axis) for at in (a, b))
        both = one(known) & other(known)
        squares += list(((one(dex) - other(dex)) ** 2 - one(error) - other(error))[both])
    assert together[-1][3] == pytest.approx(np.log10(np.sqrt(np.mean(squares)) + _likeness._SMALL), rel=1e-5)


def test_too_few_pixels_tell_nothing():
    light = {band: np.ones((FIELD, 2 * FIELD)) for band in ("IE", "HE")}
    good = np.zeros((FIELD, 2 * FIELD), bool)
    good[:2, : FEWEST // 2] = True
    good[0, FIELD : FIELD + FEWEST - 1] = True
    statistics, field = statistics_of(light, {}, good)
    assert np.isfinite(statistics[0]).all() and np.isnan(statistics[1]).all()
    assert (np.unique(field) == [0, 1]).all()
    likeness = Likeness.of(np.random.default_rng(1).normal(size=(100, len(NAMES))))
    assert likeness.unlike(statistics).tolist() == [True, False]


def test_one_in_twenty_fields_like_those_of_the_training_is_called_unlike():
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(5, 5))
    likeness = Likeness.of(rng.normal(size=(2000, 5)) @ mixing + 3)
    unlike = likeness.unlike(rng.normal(size=(20_000, 5)) @ mixing + 3)
    assert abs(unlike.mean() - _likeness.ALARMS) < 0.015
    assert likeness.unlike(100 * rng.normal(size=(50, 5))).all()
    # The limit of normal numbers is known: 95 % of chi-square with five degrees of freedom.
    assert likeness.limit == pytest.approx(np.sqrt(11.07), rel=0.04)


def test_fewer_fields_than_sixty_are_refused():
    with pytest.raises(InputError, match="takes 60 fields with pixels, got 59"):
        Likeness.of(np.zeros((59, 3)))


@pytest.fixture(scope="module")
def galaxies():
    return example_galaxies(90, side=2 * FIELD)


@pytest.fixture(scope="module")
def model(galaxies):
    """A calibrated model that knows what its galaxies look like."""
    model = calibrate(train(galaxies[:10], estimator=LinearRegression()), galaxies[10:40])
    fields = [fields_of(one.image, model.bands, model.features) for one in galaxies[:30]]
    return replace(model, likeness=Likeness.of(np.concatenate(fields)))


def test_a_blurred_galaxy_is_flagged_and_keeps_its_values(galaxies, model):
    like, unlike = galaxies[-1].image, blurred(galaxies[-1].image)
    assert model.predict(like).fraction(Quality.UNLIKE_TRAINING) < 0.5
    map_, without = model.predict(unlike), replace(model, likeness=None).predict(unlike)
    flagged = map_.quality & Quality.UNLIKE_TRAINING > 0
    assert flagged[~map_.mask].mean() > 0.9
    assert not flagged[map_.mask].any()
    np.testing.assert_array_equal(map_.data, without.data)
    np.testing.assert_array_equal(map_.planes["hi"], without.planes["hi"])
    np.testing.assert_array_equal(map_.quality & ~Quality.UNLIKE_TRAINING, without.quality)


@pytest.mark.parametrize("rows", [(0, 10), (10, 45), (40, 64)])
def test_strips_with_their_surroundings_are_as_the_whole(galaxies, model, rows):
    image = blurred(galaxies[-2].image)
    start, stop = rows
    first, last = max(start - model.reach(), 0), min(stop + model.reach(), image.shape[0])
    strip = model.predict_maps(image[first:last], first_row=start, halo=(start - first, last - stop))
    whole = model.predict_maps(image)
    for name, map_ in strip.items():
        np.testing.assert_array_equal(map_.quality, whole[name].quality[start:stop])
        assert (map_.quality & Quality.UNLIKE_TRAINING > 0).any()


def test_it_is_in_the_file(model, galaxies, tmp_path):
    write(tmp_path / "model.asdf", model)
    again = read(tmp_path / "model.asdf")
    assert again.digest == model.digest != replace(model, likeness=None).digest
    np.testing.assert_array_equal(again.likeness.transform, model.likeness.transform)
    assert again.reach() == FIELD - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centre": np.zeros(3)}, "does not fit the model's bands"),
        ({"limit": -1.0}, "not finite, or has no limit"),
        ({"limit": np.inf}, "not finite, or has no limit"),
    ],
)
def test_a_damaged_file_is_refused(model, tmp_path, change, message):
    wrong = replace(model, likeness=replace(model.likeness, **change))
    write(tmp_path / "model.asdf", wrong)
    with pytest.raises(ModelFileError, match=message):
        read(tmp_path / "model.asdf")

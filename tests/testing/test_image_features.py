"""The rules of features of an image: what keeps them passes, and each fault is found and named."""

import importlib.util
import warnings
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from helpers import ROOT
from surroundings import PAIR, disc_galaxies

from euclid_resolved import plugins
from euclid_resolved.errors import DataWarning
from euclid_resolved.features import ImageFeatureSet, ImagePlanes
from euclid_resolved.features._neighbourhood import REACH, neighbourhood, steady_light
from euclid_resolved.testing import check_features
from euclid_resolved.testing._feature_rules import FEATURE_CHECKS
from euclid_resolved.testing._image_feature_rules import IMAGE_CHECKS


def log(planes):
    """log10 of the planes, by column."""
    return {f"{band} around": np.log10(values) for band, values in planes.brightness.items()}


def blurred(planes):
    return log(planes.smoothed(2))


def image_set(make, reach=6, light=None, unit="dex", summary="one line"):
    return ImageFeatureSet(make, unit, summary, reach, light)


def blurred_by_length(planes):
    """Means over 200 pc, which is a third of the reach."""
    sigma = 3.0 if planes.pixel_scale is None else (200 * u.pc / planes.pixel_scale).to_value("")
    return log(planes.smoothed(max(sigma, 0.05)))


def test_rules_of_images_are_among_those_of_features():
    assert len(IMAGE_CHECKS) > 8
    assert set(IMAGE_CHECKS) < set(FEATURE_CHECKS)
    assert all(check.__doc__ for check in FEATURE_CHECKS)


@pytest.mark.parametrize(
    "good",
    [
        image_set(blurred),
        image_set(blurred, reach=6 * u.pix),
        image_set(blurred, light=lambda planes: planes.smoothed(2)),
        image_set(blurred_by_length, reach=0.601 * u.kpc),
        image_set(neighbourhood, REACH, steady_light),
    ],
)
def test_what_keeps_the_rules_passes(good):
    check_features(good)


def seen_too_far(planes):
    return log(planes.smoothed(3))


def of_the_whole(planes):
    values = planes.smoothed(2).brightness
    return {f"{band} share": v / np.nanmax(v) for band, v in values.items()}


def by_place(planes):
    rows = np.arange(planes.shape[0], dtype=np.float32)[:, None]
    return {name: values + 0.01 * rows for name, values in blurred(planes).items()}


def one_sided(planes):
    return {f"{band} left": np.roll(v, 1, axis=1) for band, v in planes.brightness.items()}


def overwriting(planes):
    for values in planes.brightness.values():
        np.abs(values, out=values)
    return blurred(planes)


def zeros_for_missing(planes):
    filled = {band: np.nan_to_num(values) for band, values in planes.brightness.items()}
    return log(planes.with_brightness(filled).smoothed(2))


def by_fourier(planes):
    from scipy.signal import fftconvolve

    kernel = np.full((5, 5), 0.04, np.float32)
    made = {}
    for band, values in planes.brightness.items():
        known = np.isfinite(values)
        total = fftconvolve(np.where(known, values, 0), kernel, mode="same")
        weight = fftconvolve(known.astype(np.float32), kernel, mode="same")
        made[f"{band} mean"] = np.where(weight > 0.02, total / weight, np.nan).astype(np.float32)
    return made


def needs_noise(planes):
    return {f"{band} ratio": v / planes.noise[band] for band, v in planes.brightness.items()}


def needs_many(planes):
    return {f"{band} edge": v - v[1, 1] for band, v in planes.brightness.items()}


def of_all_bands(planes):
    return {"sum": np.sum(list(planes.brightness.values()), axis=0)}


def noisy(planes):
    rng = np.random.default_rng()
    return {name: v + rng.normal(size=v.shape).astype("f4") for name, v in blurred(planes).items()}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda planes: [1], "a mapping with columns is needed"),
        (lambda planes: {}, "a mapping with columns is needed"),
        (lambda planes: {1: planes.brightness["HE"]}, "column 1 has no name"),
        (lambda planes: {"sum": np.float32(1)}, "float32 of the image's shape"),
        (lambda planes: {n: v.ravel() for n, v in blurred(planes).items()}, "float32 of the image's shape"),
        (lambda planes: {n: v > 0 for n, v in blurred(planes).items()}, "is bool of shape"),
        (lambda planes: {n: v * np.nan for n, v in blurred(planes).items()}, "a number in 0% of the pixels"),
        (seen_too_far, "depends on a pixel further away than its reach of 6 pixels"),
        (of_the_whole, "depends on a pixel further away than its reach of 6 pixels"),
        (by_place, "depends on where in the image a pixel is"),
        (one_sided, "does not go with an image that is mirrored, left to right"),
        (overwriting, "read-only"),
        (zeros_for_missing, "beside a missing pixel or an edge"),
        (by_fourier, "without Fourier transforms"),
        (needs_noise, "KeyError"),
        (needs_many, "IndexError"),
        (of_all_bands, "column 'sum' of YE, JE, HE alone is another one"),
        (noisy, "another one the second time"),
    ],
)
def test_fault_is_found(make, words):
    with pytest.raises(AssertionError) as error:
        check_features(image_set(make))
    assert words in str(error.value)
    assert "breaks the rule" in str(error.value)


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (image_set(blurred, reach=-1), "its reach is -1, a number of pixels or a length is needed"),
        (image_set(blurred, reach=3 * u.s), "a number of pixels or a length is needed"),
        (image_set(blurred, reach=[3, 4]), "a number of pixels or a length is needed"),
        (image_set(blurred, light=1), "its light is 1, a function"),
        (image_set(blurred, unit="magnitudos"), "magnitudos"),
        (image_set(lambda: {}), "cannot be called as make(planes)"),
        (image_set(blurred, light=lambda planes: planes.brightness), "ImagePlanes are needed"),
        (
            image_set(blurred, light=lambda planes: ImagePlanes({"HE": planes.brightness["HE"]})),
            "it has the bands ('HE',)",
        ),
        (
            image_set(blurred, light=lambda planes: replace(planes.smoothed(2), noise={})),
            "its noise is not known",
        ),
        (image_set(blurred, light=lambda planes: planes.smoothed(3)), "the light of IE depends on a pixel"),
        # It looks 6 pixels around, however small they are.
        (image_set(blurred, reach=0.6 * u.kpc), "further away than its reach of 3 pixels"),
    ],
)
def test_fault_of_reach_or_light_is_found(faulty, words):
    with pytest.raises(AssertionError) as error:
        check_features(faulty)
    assert words in str(error.value)


def test_a_warning_is_found():
    def warns(planes):
        warnings.warn("some pixels are dark", stacklevel=1)
        return blurred(planes)

    with warnings.catch_warnings(), pytest.raises(AssertionError, match="it warned 'some pixels are dark"):
        warnings.simplefilter("ignore")  # of the other rules
        check_features(image_set(warns))


def test_other_rules_than_those_of_its_kind_say_nothing():
    for check in IMAGE_CHECKS:
        check("colours")


@pytest.fixture
def local_scatter():
    """The module that the documentation shows, registered for a test."""
    spec = importlib.util.spec_from_file_location("local_scatter", ROOT / "docs" / "local_scatter.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugins.register(module)
    yield module
    plugins.unregister()


def test_the_set_of_the_documentation_keeps_the_rules(local_scatter):
    check_features("local_scatter")
    names = list(local_scatter.register_features()["local_scatter"].make(observed_planes(0.0)))
    assert names == ["IE scatter~2", "YE scatter~2", "JE scatter~2", "HE scatter~2"]


def observed_planes(noise, scatter=0.2, seed=1):
    """Planes of a flat image that scatters by so much, and of which the noise is known."""
    rng, shape = np.random.default_rng(seed), (150, 150)
    light = {b: 1 + scatter * rng.standard_normal(shape) for b in ("IE", "YE", "JE", "HE")}
    drawn = {b: (v + noise * rng.standard_normal(shape)).astype("f4") for b, v in light.items()}
    return ImagePlanes(drawn, {band: np.full(shape, noise, "f4") for band in light} if noise else {})


def test_the_set_of_the_documentation_does_not_learn_the_noise(local_scatter):
    for noise in (0.0, 0.1, 0.3):
        made = local_scatter.local_scatter(observed_planes(noise))["HE scatter~2"]
        assert np.mean(made) == pytest.approx(0.04, abs=0.005)


def test_a_model_with_the_set_of_the_documentation(local_scatter):
    from euclid_resolved import LinearRegression, train

    galaxies, features = disc_galaxies(4), ("bands", "neighbourhood", "local_scatter")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # pixels of which a column has no value
        model = train(galaxies, PAIR[1], LinearRegression(), features=features, clip=0.02)
        map_ = model.predict(galaxies[0].image, PAIR[1])
    assert model.columns[-1] == "HE scatter~2" and np.isfinite(map_.data).mean() > 0.5

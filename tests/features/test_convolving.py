"""Weighted means by NumPy and compiled: the same to the last bit, and how far from double precision."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import correlate1d

from euclid_resolved.features import ImagePlanes, _convolving
from euclid_resolved.features._convolving import (
    WIDE,
    blocks_of,
    convolved,
    means_of,
    noise_of,
    pieces_of,
    weight_of,
)
from euclid_resolved.features._neighbourhood import neighbourhood, rungs_of, steady_light
from euclid_resolved.features._planes import gaussian_taps, kernel_radius

SHAPE = 150, WIDE + 30
SIGMAS = 1.0, 2.0, 4.0


@pytest.fixture(params=["numpy", "compiled"])
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(_convolving, "compiled", lambda: None)
    else:
        pytest.importorskip("euclid_resolved.features._smoothing")
    return request.param


def without_numba(function, *args):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_convolving, "compiled", lambda: None)
        return function(*args)


def mean_of(values, taps, weight):
    return means_of([values], taps, [weight])[0]


def noise_of_one(sigma, taps, weight, growth=1.0):
    return noise_of([sigma], taps, [weight], [np.float32(growth)])[0]


def in_double(values, taps):
    along = correlate1d(np.asarray(values, float), taps, axis=0, mode="constant")
    return correlate1d(along, taps, axis=1, mode="constant")


def noise_plane(shape=SHAPE):
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def with_star(values, brightness=1e7):
    values = values.copy()
    values[70:73, 500:503] = brightness
    return values


# What single precision could spoil: a faint signal on a bright sky, a sky that is negative or zero in the
# mean, and a star beside it that is brighter by orders of magnitude.
AWKWARD = {
    "signal on a bright sky": 1000 + 0.01 * noise_plane(),
    "negative sky": 0.01 * noise_plane() - 1,
    "no sky": noise_plane() ** 3,
    "star": with_star(0.01 * noise_plane()),
    "negative star": with_star(0.01 * noise_plane(), -1e7),
    "every magnitude": np.exp(5 * noise_plane()),
    "tiny": 1e-12 * noise_plane(),
}


@pytest.mark.parametrize("sigma", [*SIGMAS, 30.0])
@pytest.mark.parametrize("kind", AWKWARD)
def test_sums_differ_from_double_precision_by_rounding_only(way, kind, sigma):
    values, taps = AWKWARD[kind].astype(np.float32), gaussian_taps(sigma)
    wrong = np.abs(convolved(values, taps) - in_double(values, taps))
    assert (wrong <= 1e-7 * (5 + sigma) * in_double(np.abs(values), taps)).all()


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("kind", AWKWARD)
def test_means_and_their_noise_beside_missing_pixels(way, kind, sigma):
    values, taps = AWKWARD[kind].astype(np.float32), gaussian_taps(sigma)
    known = np.random.default_rng(4).random(SHAPE) > 0.3
    known[20:60, 100:300] = False
    light, own = np.where(known, values, np.float32(0)), np.where(known, np.abs(values), np.float32(0))
    weight, exact = weight_of(known, taps), in_double(known, taps)
    exact[exact < 1e-4] = np.nan
    near = np.isfinite(exact) & (np.abs(exact - 1e-4) > 1e-9)
    wrong = np.abs(mean_of(light, taps, weight) - in_double(light, taps) / exact)
    assert (wrong <= 1e-6 * in_double(own, taps) / exact)[near].all()
    noise = np.sqrt(in_double(own.astype(float) ** 2, taps**2)) / exact
    np.testing.assert_allclose(noise_of_one(own, taps, weight)[near], noise[near], rtol=1e-6)
    assert np.isnan(mean_of(light, taps, weight)[np.isnan(exact)]).all()


def test_a_star_leaves_no_trace_outside_the_kernel(way):
    quiet = 0.01 * noise_plane()
    for sigma in SIGMAS:
        taps, reach = gaussian_taps(sigma), kernel_radius(sigma)
        with_it, without = (convolved(each, taps) for each in (with_star(quiet), quiet))
        beside = np.ones(SHAPE, bool)
        beside[70 - reach : 73 + reach, 500 - reach : 503 + reach] = False
        assert_array_equal(with_it[beside], without[beside])
        assert with_it[70 - reach, 500] > 2 * abs(without[70 - reach, 500])


@pytest.mark.parametrize("shape", [(1, 1500), (7, 1030), (64, 1024), (65, 1025), (200, 1100)])
@pytest.mark.parametrize("sigma", [0.3, 0.5, *SIGMAS, 5.0, 30.0])
def test_compiled_code_gives_the_numbers_of_numpy(shape, sigma):
    pytest.importorskip("euclid_resolved.features._smoothing")
    values, taps = noise_plane(shape) ** 3, gaussian_taps(sigma)
    assert_array_equal(convolved(values, taps), without_numba(convolved, values, taps))
    known = np.random.default_rng(5).random(shape) > 0.1
    for each in (known, np.ones(shape, bool)):
        weight, own = weight_of(each, taps), np.abs(values)
        assert_array_equal(weight.lines, without_numba(weight_of, each, taps).lines)
        for function, more in ((mean_of, ()), (noise_of_one, (1.7,))):
            made = function(own, taps, weight, *more)
            assert_array_equal(made, without_numba(function, own, taps, weight, *more))


def test_a_narrow_image_has_the_numbers_of_a_wide_one(way):
    values, taps = noise_plane(), gaussian_taps(4.0)
    reach = kernel_radius(4.0)
    narrow = convolved(values[:, 300:500], taps)[:, reach:-reach]
    assert_array_equal(narrow, convolved(values, taps)[:, 300 + reach : 500 - reach])


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_strip_has_the_numbers_of_the_image(way, sigma):
    values, taps, reach = noise_plane(), gaussian_taps(sigma), kernel_radius(sigma)
    known = np.ones(SHAPE, bool)
    known[:40, 30:90] = False  # the whole image has holes, and the last strip has none
    light = np.where(known, values, np.float32(0))
    whole = mean_of(light, taps, weight_of(known, taps))
    for start, stop in ((0, 50), (50, 51), (51, 149), (100, 150)):
        first, last = max(start - reach, 0), min(stop + reach, SHAPE[0])
        strip = mean_of(light[first:last], taps, weight_of(known[first:last], taps))
        assert_array_equal(strip[start - first : stop - first], whole[start:stop])


def test_the_weight_of_an_image_without_holes():
    taps, shape = gaussian_taps(2.0), (30, 40)
    weight = weight_of(np.ones(shape, bool), taps)
    assert_array_equal(weight.lines[weight.row], convolved(np.ones(shape, np.float32), taps))
    assert len(weight.lines) == 13


@pytest.mark.parametrize("sigma", [2.0, 30.0])
def test_blocks_have_the_numbers_of_the_whole(sigma):
    pytest.importorskip("euclid_resolved.features._smoothing")
    values, taps = noise_plane((300, 1600)), gaussian_taps(sigma)
    whole, active = convolved(values, taps), np.random.default_rng(1).random(blocks_of((300, 1600))) > 0.5
    some, inside = convolved(values, taps, active), np.zeros(values.shape, bool)
    for piece in pieces_of(active):
        inside[piece] = True
    assert 0 < inside.mean() < 1
    assert_array_equal(some[inside], whole[inside])
    assert (some[~inside] == 0).all()


def galaxies_on_sky(shape):
    """Two bands, some galaxies, holes, and a noise of one."""
    rng, (y, x) = np.random.default_rng(6), np.indices(shape)
    light = np.zeros(shape)
    for top, left in ((30, 200), (100, 900), (140, 40)):
        light += 200 * np.exp(-np.hypot(y - top, x - left) / 8)
    planes = {}
    for band, colour in (("IE", 0.4), ("HE", 1.0)):
        planes[band] = (colour * light + rng.standard_normal(shape)).astype(np.float32)
        planes[band][rng.random(shape) > 0.98] = np.nan
    planes["HE"][60:90, 300:400] = np.nan
    return planes, {band: np.ones(shape, np.float32) for band in planes}


def test_features_of_a_wide_image_are_the_same_without_numba():
    pytest.importorskip("euclid_resolved.features._smoothing")

    def made():
        planes = ImagePlanes(*galaxies_on_sky(SHAPE))
        light = steady_light(planes)
        active = planes._found.get("active")  # by block, whether the others but the largest mean were made
        assert active is None or 0 < active.mean() < 1
        columns = {"rung": rungs_of(planes), **neighbourhood(planes), **light.brightness}
        return columns | {f"{band} noise": plane for band, plane in light.noise.items()}

    compiled, plain = made(), without_numba(made)
    assert set(np.unique(plain["rung"])) == {0, 1, 2, 3}
    for name, plane in plain.items():
        assert_array_equal(compiled[name], plane, name)

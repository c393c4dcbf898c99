"""Radial profiles of discs whose profile is known."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from helpers import an_image, density_map, image_of, sky_wcs

from euclid_resolved.errors import InputError
from euclid_resolved.images import pixel_scale
from euclid_resolved.maps import SpatialMap, median, orientation, radial_profile

SIZE, LENGTH = 301, 40.0  # pixels


def disc(inclination=0.0, position_angle=0.0, centre=(150, 150), **options):
    """A thin exponential disc; the major axis is `position_angle` degrees anticlockwise from up."""
    y, x = np.indices((SIZE, SIZE))
    dx, dy = x - centre[0], y - centre[1]
    angle = np.deg2rad(position_angle)
    along, across = dy * np.cos(angle) - dx * np.sin(angle), dx * np.cos(angle) + dy * np.sin(angle)
    radius = np.hypot(along, across / np.cos(np.deg2rad(inclination)))
    return density_map(100 * np.exp(-radius / LENGTH), **options)


@pytest.mark.parametrize(
    ("inclination", "angle"), [(0, 0), (60, 0), (60, 90), (60, 35), (60, -120), (30, 200)]
)
def test_an_exponential_disc_is_recovered_to_one_percent(inclination, angle):
    profile = radial_profile(
        disc(inclination, angle), 4 * u.pix, inclination=inclination * u.deg, position_angle=angle * u.deg
    )
    inside = profile[(profile["radius"] > 8 * u.pix) & (profile["radius"] < 130 * u.pix)]
    expected = 100 * np.exp(-inside["radius"].value / LENGTH)
    assert len(inside) > 25 and profile["median"].unit == u.Msun / u.pc**2
    np.testing.assert_allclose(inside["median"].value, expected, rtol=0.01)
    # Within an annulus nothing but the radius varies: by at most 4 pixels.
    assert (inside["p16"] <= inside["median"]).all() and (inside["median"] <= inside["p84"]).all()
    np.testing.assert_allclose(inside["p16"].value, expected, rtol=0.06)
    np.testing.assert_allclose(inside["p84"].value, expected, rtol=0.06)


def test_the_wrong_position_angle_shows():
    profile = radial_profile(disc(60, 0), 4 * u.pix, inclination=60 * u.deg, position_angle=90 * u.deg)
    spread = profile["p84"][10] / profile["p16"][10]
    assert spread > 2


def test_annuli_cover_the_disc_once():
    profile = radial_profile(density_map(np.ones((200, 200))), 10 * u.pix)
    np.testing.assert_allclose(profile["radius"].value, np.arange(5, 105, 10))
    area = np.pi * (np.arange(10, 101, 10.0) ** 2 - np.arange(0, 100, 10.0) ** 2)
    np.testing.assert_allclose(profile["n_pixels"][:-1], area[:-1], rtol=0.05)
    assert (profile["median"].value == 1).all()


def test_the_error_is_that_of_the_median_of_these_pixels():
    """What pixels do not share falls with their number, what they share does not; a bin counts once."""
    values, sigma = np.full((41, 41), 50.0), StdDevUncertainty(np.full((41, 41), 5.0))
    for shared in (0.0, 0.36, 1.0):
        map_ = density_map(values, uncertainty=sigma, meta={"shared_variance": shared})
        profile = radial_profile(map_, 10 * u.pix)
        for row in profile:
            expected = 5 * np.sqrt(np.pi / 2) * np.sqrt(shared + (1 - shared) / row["n_pixels"])
            assert row["error"].value == pytest.approx(expected) and row["error"].unit == u.Msun / u.pc**2
        assert profile.meta["lower_limit"] is False
    ring = np.hypot(*np.indices((41, 41)) - 20) < 10
    alone = median(map_, ring)
    assert profile["error"][0].value == pytest.approx(alone.error.value)
    binned = density_map(
        values, uncertainty=sigma, meta={"shared_variance": 0.0, "bins": np.zeros((41, 41), int)}
    )
    np.testing.assert_allclose(radial_profile(binned, 10 * u.pix)["error"].value, 5 * np.sqrt(np.pi / 2))
    unknown = radial_profile(density_map(values, uncertainty=sigma), 10 * u.pix)
    assert unknown.meta["lower_limit"] is True
    none = radial_profile(density_map(values), 10 * u.pix)
    assert np.isnan(none["error"]).all() and none.meta["lower_limit"] is False


def test_the_spread_is_that_of_the_pixels():
    values = np.random.default_rng(1).normal(50, 5, (SIZE, SIZE))
    row = radial_profile(density_map(values), 50 * u.pix)[1]
    assert row["median"].value == pytest.approx(50, abs=0.2)
    assert (row["p84"] - row["p16"]).value / 2 == pytest.approx(5, rel=0.03)


@pytest.mark.parametrize("how", ["mask", "NaN", "where"])
def test_masked_pixels_are_left_out(how):
    map_ = disc()
    bad = np.zeros((SIZE, SIZE), bool)
    bad[:, 150:] = True
    values = map_.data.copy()
    values[bad] = np.nan if how == "NaN" else 1e9
    options = {"where": ~bad} if how == "where" else {}
    half = radial_profile(density_map(values, mask=bad if how == "mask" else None), 10 * u.pix, **options)
    whole = radial_profile(map_, 10 * u.pix)
    np.testing.assert_allclose(half["median"].value, whole["median"].value, rtol=0.02)
    assert 0.4 < half["n_pixels"].sum() / whole["n_pixels"].sum() < 0.5


def test_an_annulus_without_pixels_is_nan():
    map_ = density_map(np.ones((21, 21)), mask=np.ones((21, 21), bool))
    profile = radial_profile(map_, 2 * u.pix)
    assert np.isnan(profile["median"]).all() and not profile["n_pixels"].any()


@pytest.mark.parametrize(
    ("options", "width", "radius"),
    [
        ({"meta": {"pixel_scale": 100 * u.pc}}, 1 * u.kpc, 0.5 * u.kpc),
        ({"meta": {"pixel_scale": 100 * u.pc}}, 500 * u.pc, 250 * u.pc),
        ({"wcs": sky_wcs((SIZE, SIZE))}, 1 * u.arcsec, 0.5 * u.arcsec),
        ({"wcs": sky_wcs((SIZE, SIZE))}, 0.02 * u.arcmin, 0.6 * u.arcsec),
        ({}, 10 * u.pix, 5 * u.pix),
    ],
)
def test_radii_have_the_unit_of_the_pixel_scale(options, width, radius):
    profile = radial_profile(disc(**options), width)
    assert u.isclose(profile["radius"][0], radius)
    in_pixels = (profile["radius"] / pixel_scale(disc(**options))).to_value(u.one)[1:8]
    np.testing.assert_allclose(profile["median"].value[1:8], 100 * np.exp(-in_pixels / LENGTH), rtol=0.03)


def test_radii_are_exact_multiples_in_the_unit_asked_for():
    values, meta = np.ones((41, 41)), {"pixel_scale": 100 / 3 * u.pc}
    flat = SpatialMap(values, property="stellar_age", meta=meta)
    profile = radial_profile(flat, 0.1 * u.kpc)
    assert profile["radius"].unit == u.kpc
    assert [f"{radius:.15g}" for radius in profile["radius"].value[:3]] == ["0.05", "0.15", "0.25"]
    assert [*radial_profile(flat, 200 * u.pc)["radius"].value[:3]] == [100, 300, 500]
    pixels = radial_profile(flat, 3 * u.pix)
    assert pixels["radius"].unit == u.pix and list(pixels["radius"].value[:2]) == [1.5, 4.5]
    np.testing.assert_array_equal(pixels["n_pixels"][:2], profile["n_pixels"][:2])


@pytest.mark.parametrize(
    ("options", "width"),
    [({}, 1 * u.kpc), ({"wcs": sky_wcs((SIZE, SIZE))}, 1 * u.kpc), ({}, 1 * u.arcsec), ({}, 3)],
)
def test_a_width_that_does_not_fit_the_pixel_is_refused(options, width):
    with pytest.raises(InputError, match=f"bin_width {width} does not fit a pixel of"):
        radial_profile(disc(**options), width)


@pytest.mark.parametrize("width", [0 * u.pix, -1 * u.pix, np.nan * u.pix])
def test_a_width_is_positive(width):
    with pytest.raises(InputError, match="bin_width must be positive"):
        radial_profile(disc(), width)


def test_the_centre_is_in_pixels_or_on_the_sky():
    wcs = sky_wcs((SIZE, SIZE))
    off = disc(centre=(120, 180), wcs=wcs)
    in_pixels = radial_profile(off, 1 * u.arcsec, centre=(120, 180))
    on_sky = radial_profile(off, 1 * u.arcsec, centre=wcs.pixel_to_world(120, 180))
    np.testing.assert_allclose(on_sky["median"].value, in_pixels["median"].value, rtol=0.01)
    inner = in_pixels[1:10]
    np.testing.assert_allclose(
        inner["median"].value, 100 * np.exp(-inner["radius"].value * 10 / LENGTH), rtol=0.02
    )


@pytest.mark.parametrize("centre", [(-1, 5), (5, 301), (1e9, 0), (np.nan, 3)])
def test_a_centre_off_the_map_is_refused(centre):
    with pytest.raises(InputError, match=r"lies off the map, whose shape is \(301, 301\)"):
        radial_profile(disc(), centre=centre)


def test_a_centre_on_the_sky_needs_a_map_of_the_sky():
    wcs = sky_wcs((SIZE, SIZE))
    with pytest.raises(InputError, match="needs a map with a celestial WCS"):
        radial_profile(disc(), centre=wcs.pixel_to_world(3, 3))
    with pytest.raises(InputError, match="lies off the map"):
        radial_profile(disc(wcs=wcs), centre=wcs.pixel_to_world(3, 3000))


@pytest.mark.parametrize("inclination", [90, 95, 180, -10])
def test_a_disc_seen_edge_on_has_no_annuli(inclination):
    with pytest.raises(InputError, match=r"inclination must lie in \[0, 90\) degrees"):
        radial_profile(disc(), inclination=inclination * u.deg)


@pytest.mark.parametrize("angle", [3 * u.m, np.nan, np.nan * u.deg, [10, 20], None, "steep"])
@pytest.mark.parametrize("name", ["inclination", "position_angle"])
def test_an_angle_is_one_angle(name, angle):
    with pytest.raises(InputError, match=f"{name} must be one angle"):
        radial_profile(disc(), **{name: angle})


def test_an_angle_without_a_unit_is_in_degrees():
    with_units = radial_profile(disc(), inclination=0.5 * u.rad, position_angle=30 * u.deg)
    plain = radial_profile(disc(), inclination=np.degrees(0.5), position_angle=30)
    assert np.array_equal(plain["median"], with_units["median"], equal_nan=True)


def test_the_pixel_scale_is_that_of_meta_or_the_sky_or_a_pixel():
    assert pixel_scale(an_image()) == 1 * u.pix
    assert u.isclose(pixel_scale(an_image(wcs=sky_wcs((12, 14)))), 0.1 * u.arcsec, rtol=1e-6)
    known = {"pixel_scale": 100 * u.pc}
    assert pixel_scale(an_image(wcs=sky_wcs((12, 14)), meta=known)) == 100 * u.pc


def noisy(ratio, noise, seed, side=81, length=6.0, sky=0.0, angle=30.0, uncertainty=True):
    """An image of an exponential disc whose middle has brightness 1, in noise."""
    y, x = (np.indices((4 * side, 4 * side)) + 0.5) / 4 - side / 2
    turn = np.deg2rad(angle)
    along, across = y * np.cos(turn) - x * np.sin(turn), x * np.cos(turn) + y * np.sin(turn)
    light = np.exp(-np.hypot(along, across / ratio) / length)
    light = light.reshape(side, 4, side, 4).mean((1, 3)) + sky
    light += np.random.default_rng(seed).normal(0, noise, light.shape)
    return image_of({"HE": light}, sigma=noise if noise and uncertainty else None)


@pytest.mark.parametrize("ratio", [0.2, 0.35, 0.5, 0.65, 0.8])
@pytest.mark.parametrize(("noise", "tolerance"), [(0, 0.02), (0.01, 0.025), (0.03, 0.04), (0.1, 0.06)])
@pytest.mark.parametrize("options", [{}, {"sky": 0.3}, {"uncertainty": False}, {"side": 61, "length": 10.0}])
def test_the_axis_ratio_is_that_of_the_galaxy_not_of_the_noise(ratio, noise, tolerance, options):
    found = [orientation(noisy(ratio, noise, seed, **options)) for seed in range(4 if noise else 1)]
    ratios = np.array([each[1] for each in found])
    assert ratios.mean() == pytest.approx(ratio, abs=tolerance)
    assert np.ptp(ratios) < 4 * tolerance
    off = (np.array([each[0].value for each in found]) - 30 + 90) % 180 - 90
    # The rounder and the fainter, the less is known of it.
    assert np.abs(off).max() < (3 + 100 * noise) * (1 if ratio < 0.7 else 2)


def test_a_round_galaxy_in_noise_is_nearly_round():
    assert np.mean([orientation(noisy(1, 0.03, seed))[1] for seed in range(4)]) > 0.95


def test_the_orientation_is_that_of_the_galaxy_in_the_middle():
    image = noisy(0.5, 0.03, 1)
    y, x = np.indices(image.shape)
    neighbour = 2 * np.exp(-np.hypot(x - 68, (y - 12) / 4) / 3)
    both = image_of({"HE": image.brightness("HE") + neighbour}, sigma=0.03)
    angle, ratio = orientation(both)
    assert ratio == pytest.approx(0.5, abs=0.05) and angle.value == pytest.approx(30, abs=4)
    # A galaxy off the middle is found, too.
    off = np.roll(image.brightness("HE"), (8, -10), (0, 1))
    assert orientation(image_of({"HE": off}, sigma=0.03))[1] == pytest.approx(0.5, abs=0.05)


def test_only_light_above_the_clip_counts():
    y, x = np.indices((81, 81)) - 40.0
    light = np.exp(-np.hypot(x, y / 0.5) / 4) + 0.2 * np.exp(-np.hypot(x / 0.5, y) / 9)
    light += np.random.default_rng(1).normal(0, 0.002, light.shape)
    image = image_of({"HE": light}, sigma=0.002)
    inner, all_of_it = orientation(image, clip=0.5)[0].value, orientation(image)[0].value
    assert inner == pytest.approx(90, abs=3) and abs((all_of_it + 90) % 180 - 90) < 5


def test_noise_alone_has_no_orientation():
    noise = np.random.default_rng(1).normal(0, 1, (60, 60))
    with pytest.raises(InputError, match="no light above the noise"):
        orientation(image_of({"HE": noise}, sigma=1.0))
    with pytest.raises(InputError, match="no light above the noise and the clip"):
        orientation(noisy(0.5, 0.03, 1), clip=5.0)

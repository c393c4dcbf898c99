"""What a study means by its words: each definition on made-up numbers with a known answer."""

import astropy.units as u
import numpy as np
import pytest
from helpers import density_map, galaxies

from euclid_resolved import SpatialMap
from euclid_resolved.diagnostics import estimates, plot_rmzr, rmzr
from euclid_resolved.plotting import plot_galaxy
from euclid_resolved.study._accuracy import global_values
from euclid_resolved.study._details import accuracy_of, details, half_range, target_ranges
from euclid_resolved.study._profiles import (
    in_and_off_plane,
    inner_residual,
    profile_difference,
    vertical_profile,
)
from euclid_resolved.training import extract

METALS, AGE = "stellar_metallicity", "stellar_age"


def a_map(values, property=METALS, side=0.1 * u.kpc):
    meta = {} if side is None else {"pixel_scale": side}
    return SpatialMap(np.asarray(values, float), property=property, meta=meta)


def distance(n=61):
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    return np.hypot(x, y)


def test_a_mass_has_the_size_of_its_own_pixels_and_all_of_them():
    """Twice the side, four times the mass; what no clip would keep counts; a gap does not."""
    values = np.array([[100.0, 0.001], [0.001, np.nan]])
    small, large = (
        global_values({"stellar_mass_density": a_map(values, "stellar_mass_density", side)})["mass"]
        for side in (100 * u.pc, 200 * u.pc)
    )
    assert small == pytest.approx(np.log10(100.002 * 1e4))
    assert large - small == pytest.approx(np.log10(4))
    assert np.isnan(global_values({"stellar_mass_density": density_map(values)})["mass"])


def test_global_metallicity_and_age_are_weighted_by_mass():
    maps = {
        "stellar_mass_density": a_map([[1.0, 3.0]], "stellar_mass_density"),
        METALS: a_map([[0.02, 0.04]]),
        AGE: a_map([[2.0, 6.0]], AGE),
    }
    found = global_values(maps)
    assert found["metallicity"] == pytest.approx(np.log10(0.035 / 0.02))
    assert found["age"] == pytest.approx(np.log10(5.0))


def test_ranges_and_the_inner_99_percent():
    values = np.concatenate([[-2.5, 5.3], np.linspace(0.0, 3.0, 100_001)])
    (row,) = target_ranges({"all": {AGE: values}})
    assert (row["minimum"], row["maximum"]) == (-2.5, 5.3)
    assert row["inner_99_low"] == pytest.approx(0.015, abs=1e-3)
    assert row["inner_99_high"] == pytest.approx(2.985, abs=1e-3)


def test_details_of_predicted_against_true():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.0, 3.0, 200_000)
    noise = np.where(truth <= np.log10(30), 0.2, 0.05) * rng.normal(size=truth.size)
    found = details("stellar_mass_density", truth, np.maximum(truth + noise, np.log10(4)))
    assert found["floor"] == pytest.approx(np.log10(4)) and found["true_floor"] == pytest.approx(
        0.015, abs=2e-3
    )
    assert found["scatter_bright"] == pytest.approx(0.05, abs=1e-3) and found["scatter_faint"] > 0.15
    off = details(AGE, np.zeros(100), np.r_[np.full(70, 0.1), np.full(25, 0.25), np.full(5, -0.4)])
    assert off["outlier_narrow"] == pytest.approx(0.3) and np.isnan(off["scatter_faint"])
    old = details(AGE, truth, 0.4 + 0.8 * truth)  # under-predicted above 2 dex, the more the older
    assert 0 < old["bias_upper"] < old["bias_high"]
    assert old["bias_high"] == pytest.approx(0.2 * 2.85 - 0.4, abs=5e-3)
    assert half_range(rng.normal(0, 2.0, 100_000)) == pytest.approx(2.0, rel=0.02)
    assert np.isnan(half_range(np.empty(0)))


def test_accuracy_has_the_six_metrics_and_the_details(linear_model):
    pixels = extract(galaxies(3), linear_model.properties)
    found = accuracy_of(linear_model, pixels)
    assert list(found) == list(linear_model.properties)
    truth, guess = estimates(linear_model, pixels, AGE)
    assert found[AGE]["r2"] > 0.99 and found[AGE]["floor"] == pytest.approx(np.percentile(guess, 0.5))


def test_scatter_and_profile_within_a_circle():
    """0.1 dex inside 1.5 kpc, 0.3 dex outside: the circle decides which of them counts."""
    r = distance() * 0.1
    truth, guess = a_map(np.full(r.shape, 0.02)), a_map(0.02 / 10 ** np.where(r <= 1.5, 0.1, 0.3))
    inner = inner_residual(truth, guess, 1.5 * u.kpc)
    assert list(inner.values()) == pytest.approx([0.1, 0.1, 0.1])
    assert inner_residual(truth, guess, None)["inner_median"] == pytest.approx(0.3)
    assert profile_difference(truth, guess, 1.5 * u.kpc) == pytest.approx(0.1)
    assert profile_difference(truth, guess, None) == pytest.approx(0.3)
    bare = [SpatialMap(each.data, property=METALS) for each in (truth, guess)]
    assert np.isnan(profile_difference(*bare, None))
    assert inner_residual(*bare, 1.5 * u.kpc)["inner_median"] == pytest.approx(0.3)
    blank = a_map(np.full(r.shape, np.nan))
    assert np.isnan(inner_residual(blank, guess, 1.5 * u.kpc)["inner_median"])


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_heights_are_counted_from_a_disc_at_any_angle(angle):
    """An over-prediction of 0.2 dex that begins 1 kpc above and below, and one above alone beyond 2 kpc."""
    turn = np.deg2rad(angle)
    y, x = (np.mgrid[:81, :81] - 40) * 0.1
    height = x * np.cos(turn) + y * np.sin(turn)
    error = np.where(np.abs(height) > 1.25, -0.2, 0.0) + np.where(height > 2.25, -0.1, 0.0)
    truth, guess = a_map(np.full(x.shape, 0.02)), a_map(0.02 * 10**-error)
    table = vertical_profile(truth, guess, angle * u.deg, half_length=2 * u.kpc)
    found = dict(zip(table["height"].to_value(u.kpc), table["difference"].value, strict=True))
    assert found[0.0] == found[1.0] == found[-1.0] == pytest.approx(0)
    assert found[2.0] == found[-2.0] == found[-3.0] == pytest.approx(-0.2)
    assert found[3.0] == pytest.approx(-0.3)
    assert in_and_off_plane(table)[0] == pytest.approx(0) and in_and_off_plane(table)[1] < -0.15


def test_a_circle_is_drawn_and_what_does_not_fit_is_refused():
    r = distance(21)
    maps = {METALS: a_map(0.02 * 10 ** (-r / 50), side=1 * u.kpc)}
    figure = plot_galaxy(maps, maps, bin_width=2 * u.kpc, radius=5 * u.kpc)
    (circle,) = [patch for axes in figure.axes for patch in axes.patches if hasattr(patch, "get_radius")]
    assert circle.get_radius() == 5 and circle.center == (10, 10)
    with pytest.raises(Exception, match="radius 5.0 arcsec does not fit a pixel of 1.0 kpc"):
        plot_galaxy(maps, maps, radius=5 * u.arcsec)


def test_cells_with_few_pixels_are_not_drawn(linear_model):
    galaxies_ = galaxies(4)
    table = rmzr(linear_model, galaxies_[:3], galaxies_[3:], bootstrap=2)
    figure = plot_rmzr(table, fewest=(4, 2))
    titles = {"all galaxies": ("all", 4), "test galaxies, predicted": ("predicted", 2)}
    for title, (case, fewest) in titles.items():
        (axes,) = [one for one in figure.axes if one.get_title().startswith(title)]
        drawn = np.isfinite(np.ma.filled(axes.images[0].get_array(), np.nan)).sum()
        counts = np.array(table.meta["panels"][case]["counts"])
        assert drawn == (counts >= fewest).sum() < (counts > 0).sum()
    assert plot_rmzr(table, fewest=(10_000, 10_000)).axes[0].get_xlim()[0] < 0

"""Maps beside maps made otherwise: a difference that was put in is found, on any grid and in any unit."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from astropy.wcs import WCS

from euclid_resolved import InputError, SpatialMap
from euclid_resolved.diagnostics import compare_maps
from euclid_resolved.diagnostics._common_grid import put_together
from euclid_resolved.diagnostics._compare_figures import draw_comparison, draw_relations

N, SIDE = 64, 0.2  # pixels and arcsec
DENSITY, METALLICITY, AGE = "stellar_mass_density", "stellar_metallicity", "stellar_age"


def sky(n=N, side=SIDE, turn=0.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (60, -40), ((n + 1) / 2,) * 2
    c, s, step = np.cos(turn), np.sin(turn), side / 3600
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * step
    return wcs


def disc(n=N, side=SIDE):
    """log10 of an exponential density, by the radius of each pixel in arcsec."""
    y, x = (np.indices((n, n)) - (n - 1) / 2) * side
    return 3 - np.hypot(x, y) / 4


def maps_of(n=N, side=SIDE, turn=0.0, **options):
    density = 10 ** disc(n, side)
    values = {DENSITY: density, METALLICITY: 0.02 * (density / 100) ** 0.2}
    return {
        name: SpatialMap(each, property=name, wcs=sky(n, side, turn), **options)
        for name, each in values.items()
    }


def test_offset_and_scatter_that_were_put_in_are_found_within_errors():
    rng, maps = np.random.default_rng(1), maps_of()
    noise = rng.normal(0.2, 0.05, (N, N))
    other = {DENSITY: NDData(disc() + noise + 6, unit=u.dex(u.Msun / u.kpc**2), wcs=sky())}
    tables = compare_maps(maps, other)
    (row,) = tables["pixels"]
    assert row["n_pixels"] == N * N and "rmzr" not in tables
    offset, error = (row[key].value for key in ("offset", "offset_error"))
    assert abs(offset + 0.2) < 4 * error and 0.5 < error / (1.2533 * 0.05 / N) < 2
    assert abs(row["scatter"].value - 0.05) < 4 * row["scatter_error"].value
    x = disc().ravel()
    expected = np.corrcoef(x, x + noise.ravel())[0, 1]
    assert abs(row["correlation"] - expected) < 1e-5 and np.isnan(row["stated_error"])
    # Each annulus has it, too, and none more than its error allows.
    profile = tables["profile"]
    off = (profile["offset"].value + 0.2) / profile["offset_error"].value
    assert np.sqrt(np.mean(off[np.isfinite(off)] ** 2)) < 2
    assert profile["radius"].unit == u.deg or profile["radius"].unit.is_equivalent(u.arcsec)


def test_errors_of_alike_neighbours_are_not_those_of_independent_pixels():
    """Noise in patches of 4 x 4 pixels has 16 times fewer independent values."""
    rng, maps = np.random.default_rng(2), maps_of()
    patches = np.kron(rng.normal(0, 0.05, (N // 4, N // 4)), np.ones((4, 4)))
    row = compare_maps(maps, {DENSITY: maps[DENSITY] * 10**patches})["pixels"][0]
    assert 0.5 < row["offset_error"].value / (1.2533 * 0.05 * 4 / N) < 2


@pytest.mark.parametrize(("n", "side", "turn"), [(32, 0.4, 0.0), (26, 0.5, 0.6), (128, 0.1, 0.0)])
def test_other_pixels_hold_the_same_galaxy(n, side, turn):
    """Coarser, turned and finer pixels: the difference is that of averages, and no more."""
    maps, other = maps_of(), maps_of(n, side, turn)  # the disc is round
    before = maps[DENSITY].data.copy()
    pair = put_together(maps, other)
    assert pair.maps[DENSITY].shape == ((N, N) if side < SIDE else (n, n)) and "Averaged" in pair.grid
    table = compare_maps(maps, other, bootstrap=20)["pixels"]
    assert np.all(np.abs(table["offset"].value) < 0.004) and np.all(table["scatter"].value < 0.004)
    assert np.array_equal(before, maps[DENSITY].data)


def test_metallicity_is_averaged_by_mass():
    """Half of each large pixel has 9 times the mass: its metallicity counts 9 times."""
    density, metallicity = np.ones((8, 8)), np.full((8, 8), 0.01)
    density[:, ::2], metallicity[:, ::2] = 9, 0.03
    values = {DENSITY: density, METALLICITY: metallicity}
    maps = {name: SpatialMap(each, property=name, wcs=sky(8, 0.1)) for name, each in values.items()}
    large = {METALLICITY: SpatialMap(np.full((4, 4), 0.02), property=METALLICITY, wcs=sky(4, 0.2))}
    pair = put_together(maps, large)
    assert np.allclose(pair.maps[METALLICITY].data, 0.028, rtol=1e-3)  # of old reproject


def test_masks_and_what_has_no_logarithm_are_left_out():
    maps = maps_of()
    maps[DENSITY].mask = np.zeros((N, N), bool)
    maps[DENSITY].mask[:8] = True
    values = disc() + 6
    values[-8:] = np.nan
    mask = np.zeros((N, N), bool)
    mask[:, :4] = True
    other = NDData(values, unit=u.dex(u.Msun / u.kpc**2), mask=mask, wcs=sky())
    (row,) = compare_maps(maps, {DENSITY: other}, bootstrap=5)["pixels"]
    assert row["n_pixels"] == (N - 16) * (N - 4)
    # A large pixel of which more than half is masked has no value.
    pair = put_together(maps, {DENSITY: maps_of(32, 0.4)[DENSITY]})
    assert pair.maps[DENSITY].mask[:4].all() and not pair.maps[DENSITY].mask[5:-1, 1:-1].any()


def test_the_factor_of_an_initial_mass_function_is_the_users():
    maps = maps_of()
    other = {DENSITY: maps[DENSITY] * 1.6}
    assert abs(compare_maps(maps, other, bootstrap=5)["pixels"]["offset"][0].value + np.log10(1.6)) < 1e-6
    table = compare_maps(maps, other, factors={DENSITY: 1 / 1.6}, bootstrap=5)["pixels"]
    assert abs(table["offset"][0].value) < 1e-6
    with pytest.raises(InputError, match="positive number"):
        compare_maps(maps, other, factors={DENSITY: -1})
    with pytest.raises(InputError, match="do not show"):
        compare_maps(maps, other, factors={AGE: 2})


def test_regions_have_means_and_names_and_errors_that_maps_state():
    maps = maps_of()
    maps[DENSITY].uncertainty = StdDevUncertainty(0.1 * maps[DENSITY].data)
    regions = {"centre": "image; circle(32.5, 32.5, 8)", "all": None}
    tables = compare_maps(maps, {DENSITY: maps[DENSITY] * 2}, regions=regions, bootstrap=20)
    table = tables["regions"]
    assert list(table["region"]) == ["centre", "all"] and abs(table["n_pixels"][0] / (np.pi * 64) - 1) < 0.05
    assert np.allclose((table["other"] - table["maps"]).value, np.log10(2), atol=1e-6)
    assert np.allclose(tables["pixels"]["stated_error"].value, np.sqrt(2) * 0.1 / np.log(10), rtol=1e-3)
    shapes = "image\ncircle(20, 20, 4) # text={knot}\ncircle(40, 40, 4)"
    table = compare_maps(maps, {DENSITY: maps[DENSITY]}, regions=shapes, bootstrap=5)["regions"]
    assert list(table["region"]) == ["knot", "2"]


def test_both_relations_are_fitted_and_drawn():
    maps, other = maps_of(), maps_of()
    other[METALLICITY] = other[METALLICITY] * 10**0.1
    tables = compare_maps(maps, other, bootstrap=5)
    table = tables["rmzr"]
    linear = {(row["of"], row["quantity"]): float(row["value"]) for row in table[table["form"] == "linear"]}
    for which, zero in (("maps", 0.0), ("other", 0.1)):
        assert abs(linear[which, "b"] - 0.2) < 1e-3 and abs(linear[which, "a"] - zero) < 1e-3
    pair = put_together(maps, other)
    figures = draw_comparison(pair, tables), draw_relations(pair, table)
    widths = [figure.get_figwidth() * 25.4 for figure in figures]
    assert np.allclose(widths, (120, 180))  # mm: two properties, and two panels with long legends
    axes = figures[0].axes
    assert {"other", "maps − other"} <= {axis.get_title() for axis in axes}
    assert any("offset" in text.get_text() for axis in axes for text in axis.texts)
    assert [axis.get_title() for axis in figures[1].axes] == ["maps", "other"]


def test_a_galaxy_is_compared_pixel_by_pixel_where_nobody_knows_the_sky():
    values = SpatialMap(10 ** disc(), property=DENSITY, meta={"pixel_scale": 100 * u.pc})
    tables = compare_maps({DENSITY: values}, {DENSITY: values.quantity * 2}, bin_width=1, bootstrap=5)
    assert "one by one" in tables["pixels"].meta["grid"]
    assert np.allclose(tables["profile"]["radius"].to_value(u.kpc)[:2], [0.5, 1.5])
    with pytest.raises(InputError, match="celestial WCS"):
        compare_maps({DENSITY: values}, {DENSITY: values[:32]})


def test_what_cannot_be_compared_is_one_error():
    maps = maps_of()
    age = {AGE: SpatialMap(np.ones((N, N)), property=AGE, wcs=sky())}
    with pytest.raises(InputError, match="no property in common: the maps show .*; the other maps show"):
        compare_maps(maps, age)
    away = maps_of(32, 0.4)
    for map_ in away.values():
        map_.wcs.wcs.crval = 61, -40
    with pytest.raises(InputError, match="same place on the sky"):
        compare_maps(maps, away)
    with pytest.raises(InputError, match="never"):
        compare_maps(maps, {DENSITY: NDData(disc(), unit=u.dex(u.Gyr), wcs=sky())})
    with pytest.raises(InputError, match="mapping"):
        compare_maps(maps, maps[DENSITY])
    with pytest.raises(InputError, match="bin_width"):
        compare_maps(maps, maps, bin_width="2 kpc")

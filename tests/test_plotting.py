"""Figures show the right numbers with the right labels."""

import astropy.units as u
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.visualization.wcsaxes import WCSAxes
from helpers import NAMES, an_image, density_map, galaxy, image_of, sky_wcs

from euclid_resolved import SpatialMap
from euclid_resolved.errors import InputError
from euclid_resolved.plotting import (
    NO_VALUE,
    axis_label,
    plot_galaxy,
    plot_image,
    plot_map,
    plot_maps,
    plot_predicted_against_true,
    running_median,
)

SHAPE = (12, 14)


def picture(axes):
    """What an axes shows, NaN where it shows nothing."""
    return np.ma.filled(axes.images[0].get_array().astype(float), np.nan)


def labels(figure):
    """Every label of the figure."""
    return {axes.get_ylabel() for axes in figure.axes} | {axes.get_xlabel() for axes in figure.axes}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("stellar_mass_density", (r"\Sigma_\star", r"M_\odot\,\mathrm{pc}^{-2}")),
        ("stellar_metallicity", (r"Z_\star", r"Z_\odot")),
        ("stellar_age", (r"t_\star", r"\mathrm{Gyr}")),
    ],
)
def test_an_axis_label_has_symbol_and_unit(name, parts):
    label = axis_label(name)
    assert label.startswith(r"$\log_{10}") and all(part in label for part in parts)
    plt.figure().text(0, 0, label).get_window_extent()  # TeX that matplotlib understands


def test_a_map_is_drawn_logarithmic_with_its_unit_beside_it():
    values = np.logspace(0, 3, 168).reshape(SHAPE)
    axes = plot_map(density_map(values), limits=(0.5, 2.5))
    np.testing.assert_allclose(picture(axes), np.log10(values), atol=1e-6)
    assert axes.images[0].get_clim() == (0.5, 2.5)
    assert axis_label("stellar_mass_density") in labels(axes.figure)
    assert axes.get_title() == "stellar mass surface density"


def test_metallicity_is_drawn_in_solar_units():
    axes = plot_map(SpatialMap(np.full(SHAPE, 0.02), property="stellar_metallicity"))
    np.testing.assert_allclose(picture(axes), 0, atol=1e-6)


def test_what_has_no_value_is_grey():
    values = np.ones(SHAPE)
    values[0, 0], values[1, 1] = np.nan, -5
    mask = np.zeros(SHAPE, bool)
    mask[2, 2] = True
    axes = plot_map(density_map(values, mask=mask), title="t")
    assert np.argwhere(np.isnan(picture(axes))).tolist() == [[0, 0], [1, 1], [2, 2]]
    grey = matplotlib.colors.to_rgba(NO_VALUE)
    assert tuple(axes.images[0].cmap.get_bad()) == pytest.approx(grey)
    assert axes.get_title() == "t"


def test_colours_span_the_bulk_of_the_values():
    values = np.logspace(0, 4, 168).reshape(SHAPE)
    low, high = plot_map(density_map(values)).images[0].get_clim()
    assert (low, high) == pytest.approx(np.percentile(np.log10(values), (1, 99)))


@pytest.mark.parametrize(
    ("options", "bar"),
    [
        ({"meta": {"pixel_scale": 500 * u.pc}}, "1 kpc"),
        ({"wcs": sky_wcs(SHAPE)}, "0.2″"),
        ({}, None),
    ],
)
def test_a_scale_bar_is_a_round_length(options, bar):
    axes = plot_map(density_map(np.ones(SHAPE), **options))
    assert [text.get_text() for text in axes.texts] == ([bar] if bar else [])
    if bar:
        line = axes.lines[0].get_xdata()
        assert line[1] - line[0] == pytest.approx(2)
    axes.figure.canvas.draw()


def test_a_map_of_the_sky_has_sky_axes():
    axes = plot_map(density_map(np.ones(SHAPE), wcs=sky_wcs(SHAPE)))
    assert isinstance(axes, WCSAxes)
    assert axes.coords[0].get_axislabel() == "right ascension"
    assert axes.coords[1].get_axislabel() == "declination"


def test_an_empty_map_can_be_drawn():
    axes = plot_map(density_map(np.full(SHAPE, np.nan)))
    axes.figure.canvas.draw()
    assert np.isnan(picture(axes)).all()


def test_a_map_of_nothing_in_particular_has_its_unit():
    axes = plot_map(SpatialMap(np.ones(SHAPE), unit=u.Msun))
    assert "log10 [solMass]" in labels(axes.figure)


def test_maps_are_drawn_side_by_side():
    figure = plot_maps(galaxy(1).maps, title="G1")
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 3 and figure.get_suptitle() == "G1"
    assert {axis_label(name) for name in NAMES} <= labels(figure)


@pytest.mark.parametrize("wcs", [None, sky_wcs(SHAPE)], ids=["pixels", "sky"])
def test_an_image_is_drawn_band_by_band(wcs):
    light = {band: an_image(SHAPE).brightness(band).copy() for band in ("IE", "HE")}
    light["IE"][0, 0] = -1
    mask = np.zeros(SHAPE, bool)
    mask[1, 1] = True
    figure = plot_image(image_of(light, wcs=wcs, masks={"HE": mask}, name="NGC 1"))
    one, two = (axes for axes in figure.axes if axes.images and axes.get_title())
    assert (one.get_title(), two.get_title()) == ("IE", "HE") and figure.get_suptitle() == "NGC 1"
    np.testing.assert_allclose(picture(two)[0], np.log10(light["HE"][0]), rtol=1e-6)
    assert np.argwhere(np.isnan(picture(one))).tolist() == [[0, 0]]
    assert np.argwhere(np.isnan(picture(two))).tolist() == [[1, 1]]
    assert any("MJy" in label for label in labels(figure))
    figure.canvas.draw()


def test_running_median_of_a_line_is_the_line():
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 10, 20000)
    y = 2 * x + rng.normal(0, 1, 20000)
    middle, median, p16, p84 = running_median(x, y)
    assert len(middle) == 12
    np.testing.assert_allclose(median, 2 * middle, atol=0.15)
    assert ((p84 - p16) / 2 == pytest.approx(np.full(12, 1.12), abs=0.1)) and (p16 < median).all()


def test_bins_with_few_values_are_left_out():
    x = np.array([0.0] * 50 + [9.0] * 50 + [5.0] * 3)
    middle, median, _, _ = running_median(x, x, bins=3)
    assert len(middle) == 1 and median[0] == 0  # the last value of a range is no part of a bin
    assert all(len(column) == 0 for column in running_median(x, x, minimum=999))


def test_predicted_is_drawn_against_true_with_its_accuracy():
    rng = np.random.default_rng(4)
    truth = rng.normal(2, 0.5, 5000)
    guess = truth + rng.normal(0, 0.1, 5000)
    panels = {"stellar_mass_density": {"linear": (truth, guess), "forest": (truth, truth)}}
    figure = plot_predicted_against_true(panels)
    one, two = figure.axes
    assert one.get_xlabel() == "true " + axis_label("stellar_mass_density")
    assert one.get_ylabel() == "predicted " + axis_label("stellar_mass_density")
    assert one.get_xlim() == one.get_ylim() == two.get_xlim()
    assert one.get_title() == "linear" and "R^2$ = 0.9" in one.texts[0].get_text()
    assert "R^2$ = 1.000\nRMSE = 0.000 dex" in two.texts[0].get_text()
    offsets = sorted(line.get_ydata()[0] - line.get_xdata()[0] for line in one.lines[:3])
    np.testing.assert_allclose(offsets, [-0.3, 0, 0.3], atol=1e-9)


def test_metallicity_panels_are_in_solar_units():
    truth = np.log10(np.full(100, 0.02)) + np.linspace(-0.5, 0.5, 100)
    axes = plot_predicted_against_true({"stellar_metallicity": {"m": (truth, truth)}}).axes[0]
    assert axes.get_xlim() == pytest.approx((-0.5, 0.5), abs=0.01)


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="there is nothing to draw"):
        plot_predicted_against_true({})
    with pytest.raises(InputError, match="no property in common: stellar_age and stellar_metallicity"):
        map_ = density_map(np.ones(SHAPE))
        plot_galaxy({"stellar_age": map_}, {"stellar_metallicity": map_})


@pytest.mark.parametrize("wcs", [None, sky_wcs((24, 24))], ids=["pixels", "sky"])
def test_a_galaxy_is_drawn_true_predicted_and_their_difference(wcs):
    truth = galaxy(1, (24, 24)).maps
    guess = {}
    for name, map_ in truth.items():
        values = map_.data * np.float32(10**-0.1)
        values[:3] = np.nan
        guess[name] = SpatialMap(values, property=name, wcs=wcs)
    figure = plot_galaxy(truth, guess, title="G1")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown][:3] == [
        "stellar mass surface density\ntrue", "predicted", "true − predicted",
    ]  # fmt: skip
    true, predicted, residual = (picture(axes) for axes in shown[:3])
    assert np.isnan(true[:3]).all()  # truth is shown where there is a prediction
    np.testing.assert_allclose(residual[3:], 0.1, atol=1e-5)
    np.testing.assert_allclose(true[3:] - predicted[3:], residual[3:])
    assert shown[0].images[0].get_clim() == shown[1].images[0].get_clim()
    low, high = shown[2].images[0].get_clim()
    assert low == -high
    assert {axis_label(name) for name in NAMES} <= labels(figure)
    assert {"radius [arcsec]" if wcs else "radius [pix]", "Δ [dex]"} <= labels(figure)
    figure.canvas.draw()


def test_a_galaxy_without_any_estimate_can_be_drawn():
    truth = galaxy(1, properties=NAMES[:1]).maps
    nothing = {NAMES[0]: density_map(np.full(SHAPE, np.nan))}
    plot_galaxy(truth, nothing).canvas.draw()


def test_drawing_changes_no_map():
    truth = galaxy(1, (24, 24)).maps
    before = {name: map_.data.copy() for name, map_ in truth.items()}
    plot_galaxy(truth, {name: map_[:, :] for name, map_ in truth.items()})
    for name, map_ in truth.items():
        np.testing.assert_array_equal(map_.data, before[name])

"""Figures show the right numbers with the right labels."""

import astropy.units as u
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from astropy.visualization.wcsaxes import WCSAxes
from helpers import NAMES, an_image, density_map, galaxy, image_of, sky_wcs

from euclid_resolved import Quality, SpatialMap
from euclid_resolved.errors import InputError
from euclid_resolved.plotting import (
    figure_size,
    paper_style,
    plot_band,
    plot_galaxy,
    plot_image,
    plot_map,
    plot_maps,
    plot_predicted_against_true,
    plot_quality,
    plot_uncertainty,
    save_figure,
)
from euclid_resolved.plotting._comparison import running_median
from euclid_resolved.plotting._style import NO_VALUE, axis_label

SHAPE = (12, 14)


def picture(axes):
    """What an axes shows, NaN where it shows nothing."""
    return np.ma.filled(axes.images[0].get_array().astype(float), np.nan)


def labels(figure):
    """Every label of the figure and of its colour bars."""
    shown = [each for axes in figure.axes for each in (axes, *axes.child_axes)]
    return {axes.get_ylabel() for axes in shown} | {axes.get_xlabel() for axes in shown}


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
    texts = [text.get_text() for text in axes.texts if text.get_text() not in ("", "N", "E")]
    assert texts == ([bar] if bar else [])
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
    light["IE"][0, 0] = np.nan
    light["IE"][2, 2] = -1
    mask = np.zeros(SHAPE, bool)
    mask[1, 1] = True
    figure = plot_image(image_of(light, wcs=wcs, masks={"HE": mask}, name="NGC 1"))
    one, two = (axes for axes in figure.axes if axes.images and axes.get_title())
    assert [one.get_title(), two.get_title()] == [r"$I_\mathrm{E}$", r"$H_\mathrm{E}$"]
    assert figure.get_suptitle() == "NGC 1"
    np.testing.assert_allclose(picture(two)[0], light["HE"][0], rtol=1e-6)
    assert picture(one)[2, 2] == -1  # noise below zero is shown, what is masked is not
    assert isinstance(one.images[0].norm, matplotlib.colors.AsinhNorm)
    assert np.argwhere(np.isnan(picture(one))).tolist() == [[0, 0]]
    assert np.argwhere(np.isnan(picture(two))).tolist() == [[1, 1]]
    # One stretch for both bands, which the only colour bar states.
    first, second = (axes.images[0].norm for axes in (one, two))
    assert (first.vmin, first.vmax, first.linear_width) == (second.vmin, second.vmax, second.linear_width)
    (label,) = [label for label in labels(figure) if "MJy" in label]
    assert label.endswith(f"asinh,\nlinear below {first.linear_width:.2g}")
    figure.canvas.draw()


@pytest.mark.parametrize("limits", [(0, 1), (-0.22, 0.19), (0.97, 1.04), (-300.0, 2500.0), (1.0, 1.00001)])
def test_a_colour_bar_has_two_ticks_or_more(limits):
    axes = plot_map(density_map(np.ones(SHAPE)), limits=limits)
    ticks = axes.child_axes[0].get_yticks()
    assert 2 <= len(ticks) <= 7 and limits[0] <= min(ticks) and max(ticks) <= limits[1]


def sizes(figure):
    """The sizes of all text of a figure that is drawn, in points."""
    figure.canvas.draw()
    texts = figure.findobj(lambda one: isinstance(one, matplotlib.text.Text) and one.get_text().strip())
    return {text.get_fontsize() for text in texts}


@pytest.mark.slow
@pytest.mark.parametrize("wcs", [None, sky_wcs(SHAPE)], ids=["pixels", "sky"])
def test_new_figures_fit_a_page_and_its_text(wcs):
    maps = {name: SpatialMap(map_.data, property=name, wcs=wcs) for name, map_ in galaxy(1).maps.items()}
    image = image_of({"IE": np.ones(SHAPE), "HE": np.ones(SHAPE)}, wcs=wcs)
    drawn = [plot_map(maps["stellar_age"]).figure, plot_quality(maps["stellar_age"]).figure]
    assert {figure.get_size_inches()[0] for figure in drawn} == {figure_size("column")[0]}
    drawn += [plot_maps(maps), plot_galaxy(maps, maps), plot_image(image)]
    assert all(figure.get_size_inches()[0] <= figure_size("page")[0] for figure in drawn)
    for figure in drawn:
        assert 7 <= min(sizes(figure)) and max(sizes(figure)) <= 9


def test_text_keeps_a_size_that_was_chosen():
    with paper_style(7):
        assert max(sizes(plot_map(density_map(np.ones(SHAPE))).figure)) == 7
    axes = plt.figure().subplots()
    plot_map(density_map(np.ones(SHAPE)), ax=axes)
    assert axes.title.get_fontsize() == matplotlib.rcParams["font.size"]


@pytest.mark.slow
def test_residuals_are_counted_beside_their_map():
    truth = galaxy(1, (24, 24)).maps
    figure = plot_galaxy(truth, {name: map_[:, :] for name, map_ in truth.items()})
    figure.canvas.draw()
    pictures = [axes.get_window_extent() for axes in figure.axes if axes.images]
    counts = [axes.get_window_extent() for axes in figure.axes if axes.get_ylabel() == "pixels"]
    assert len(counts) == 3 and not any(one.overlaps(other) for one in counts for other in pictures)


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


def test_no_text_of_five_panels_beside_each_other_overlaps():
    rng = np.random.default_rng(4)
    truth = rng.uniform(0, 3, 2000)
    cases = {f"without {band}": (truth, truth + rng.normal(0, 0.2, 2000)) for band in "ABCDE"}
    figure = plot_predicted_against_true({"stellar_mass_density": cases, "stellar_age": cases})
    figure.draw_without_rendering()
    boxes = [axis.get_window_extent() for axis in figure.axes]
    for axis, box in zip(figure.axes, boxes, strict=True):
        (scores,) = axis.texts
        assert (
            scores.get_window_extent().x1 < box.x1 and axis.title.get_window_extent().width < 1.3 * box.width
        )
    labels = [
        label for axis in figure.axes for label in (axis.xaxis.label, axis.yaxis.label) if label.get_text()
    ]
    assert len(labels) == 4
    whole = figure.bbox.padded(2)
    extents = [label.get_window_extent() for label in labels]
    assert all(whole.y0 <= one.y0 and one.y1 <= whole.y1 and one.x0 >= whole.x0 for one in extents)
    assert not any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[:i])


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


@pytest.mark.slow
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
        "stellar mass surface density\ntrue", "predicted", "true − predicted [dex]",
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


def arrows(axes):
    """Where the arrows of a compass point, by the letter at their tip."""
    start = next(text.xyann for text in axes.texts if text.get_text() == "")
    return {
        t.get_text(): np.subtract(t.get_position(), start) for t in axes.texts if t.get_text() in ("N", "E")
    }


def test_the_compass_points_north_and_east():
    shown = arrows(plot_map(density_map(np.ones((40, 40)), wcs=sky_wcs((40, 40)))))
    turn = np.deg2rad(20)  # of `sky_wcs`: at position angle 0 north is up and east to the left
    for letter, direction in (("N", (np.sin(turn), np.cos(turn))), ("E", (-np.cos(turn), np.sin(turn)))):
        np.testing.assert_allclose(shown[letter] / np.hypot(*shown[letter]), direction, atol=1e-3)


def test_without_a_sky_there_is_no_compass():
    assert not plot_map(density_map(np.ones(SHAPE))).texts


def test_uncertainty_is_drawn_in_per_cent():
    values = np.full(SHAPE, 50.0)
    values[0, 0] = np.nan
    planes = {"noise": np.full(SHAPE, 1.0, np.float32)}
    map_ = density_map(values, uncertainty=StdDevUncertainty(np.full(SHAPE, 5.0)), planes=planes)
    axes = plot_uncertainty(map_)
    assert np.isnan(picture(axes)[0, 0]) and np.nanmax(np.abs(picture(axes) - 10)) < 1e-6
    assert axes.get_title() == "one sigma: stellar mass surface density"
    assert np.nanmax(picture(plot_uncertainty(map_, "noise"))) == pytest.approx(2)
    with pytest.raises(InputError, match="no plane 'model'; the map has noise"):
        plot_uncertainty(map_, "model")
    with pytest.raises(InputError, match="no uncertainty; a calibrated model"):
        plot_uncertainty(density_map(values))


def test_quality_is_one_colour_a_reason_and_shares_add_up():
    quality = np.zeros((10, 10), np.int32)
    quality[:2] = Quality.MASKED | Quality.NOISE
    quality[2:5] = Quality.NOISE
    axes = plot_quality(density_map(np.ones((10, 10)), quality=quality))
    shown = axes.images[0].get_array()
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 3
    np.testing.assert_array_equal(shown[0, 0], (0, 0, 0))
    texts = [text.get_text().replace("\n", " ") for text in axes.get_legend().get_texts()]
    assert texts[0] == "50.0 % no remark"
    assert texts[1] == "20.0 % MASKED: masked in at least one band of the input image"
    assert texts[2].startswith("30.0 % NOISE: signal-to-noise")
    assert plot_quality(density_map(np.ones(SHAPE)), legend=False).get_legend() is None


@pytest.mark.parametrize("empty", [False, True])
def test_a_band_of_one_value_or_none_can_be_drawn(empty):
    values = np.full(SHAPE, np.nan if empty else 0.0, np.float32)
    plot_band(image_of({"HE": values}), "HE").figure.canvas.draw()


def test_axes_and_figures_that_are_given_are_used():
    map_, image = density_map(np.ones(SHAPE)), an_image(SHAPE, sigma=0.1)
    figure, axes = plt.subplots(1, 3)
    assert plot_map(map_, ax=axes[0]) is axes[0]
    assert plot_quality(map_, ax=axes[1]) is axes[1]
    assert plot_band(image, "HE", ax=axes[2]) is axes[2]
    left, right = plt.figure(figsize=(20, 12), layout="constrained").subfigures(1, 2)
    truth = galaxy(1, (24, 24)).maps
    assert plot_maps(truth, figure=left) is left
    assert plot_galaxy(truth, truth, figure=right) is right
    assert len(plt.get_fignums()) == 2
    left.figure.canvas.draw()


def test_no_map_is_refused():
    with pytest.raises(InputError, match="there is no map to draw"):
        plot_maps({})


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    with paper_style(7):
        assert matplotlib.rcParams["font.size"] == 7 and matplotlib.rcParams["pdf.fonttype"] == 42
        save_figure(plot_image(an_image(SHAPE)), tmp_path / "image.pdf")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("width", "inches"), [("column", 88 / 25.4), ("page", 180 / 25.4), (10 * u.cm, 100 / 25.4)]
)
def test_figures_are_as_wide_as_the_paper_asks(width, inches):
    assert figure_size(width, 0.5) == pytest.approx((inches, inches / 2))
    axes = plot_map(density_map(np.ones(SHAPE)), figsize=figure_size(width))
    assert axes.figure.get_size_inches()[0] == pytest.approx(inches)


@pytest.mark.parametrize("width", ["colum", 88, 3 * u.s, -1 * u.cm, None])
def test_a_width_without_sense_is_refused(width):
    with pytest.raises(InputError, match="column, wide, page|above zero"):
        figure_size(width)


@pytest.mark.slow
def test_a_pdf_has_its_fonts_and_keeps_lines_as_lines(tmp_path):
    figure = plot_galaxy(galaxy(1, (24, 24)).maps, galaxy(2, (24, 24)).maps)
    save_figure(figure, tmp_path / "galaxy.pdf")
    assert not plt.get_fignums()
    written = (tmp_path / "galaxy.pdf").read_bytes()
    assert b"/Type3" not in written and b"/Subtype /Type3" not in written and b"/FontFile2" in written
    assert b"CreationDate" not in written
    save_figure(plot_galaxy(galaxy(1, (24, 24)).maps, galaxy(2, (24, 24)).maps), tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == written


def test_only_pictures_are_made_of_pixels_in_an_svg(tmp_path):
    rng = np.random.default_rng(1)
    truth = rng.normal(2, 0.5, 3000)
    panels = {"stellar_mass_density": {"m": (truth, truth + rng.normal(0, 0.1, 3000))}}
    save_figure(plot_predicted_against_true(panels), tmp_path / "panel.svg")
    text = (tmp_path / "panel.svg").read_text()
    assert text.count("<image") == 1  # the density; its thousands of cells would be as many paths
    assert 0 < text.count("<path") < 200
    save_figure(plot_map(density_map(np.ones(SHAPE))), tmp_path / "map.svg")
    assert (tmp_path / "map.svg").read_text().count("<image") == 2  # the map and its colour bar


def test_a_figure_of_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"map.dog: the name of a figure ends in one of .pdf, .png, .svg"):
        save_figure(plt.figure(), tmp_path / "map.dog")
    (tmp_path / "map.png").write_bytes(b"precious")
    with pytest.raises(InputError, match="exists"):
        save_figure(plt.figure(), tmp_path / "map.png", overwrite=False)
    assert (tmp_path / "map.png").read_bytes() == b"precious"


def test_axes_in_a_part_of_a_figure_save_the_whole(tmp_path):
    whole = plt.figure(figsize=(4, 2))
    axes = whole.subfigures(1, 2)[0].subplots()
    save_figure(axes, tmp_path / "whole.png", dpi=50)
    assert plt.imread(tmp_path / "whole.png").shape[:2] == (100, 200)
    assert not plt.fignum_exists(whole.number)

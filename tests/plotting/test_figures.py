"""Figures look as they did: each is compared with a picture that somebody has looked at.

After a wanted change make the pictures anew, and look at them:
``pytest tests/plotting/test_figures.py --mpl-generate-path=tests/plotting/baseline``
"""

import astropy.units as u
import matplotlib
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable
from helpers import NAMES, image_of, sky_wcs

from euclid_resolved import Quality, SpatialMap
from euclid_resolved.diagnostics import Relation, plot_importance, plot_lofo, plot_rmzr, rmzr
from euclid_resolved.diagnostics._robustness_figures import plot_learning_curve
from euclid_resolved.errors import InputError
from euclid_resolved.plotting import (
    figure_size,
    paper_style,
    plot_galaxy,
    plot_map,
    plot_predicted_against_true,
    quicklook,
)

SHAPE = (40, 48)
# Letters differ in size from one series of matplotlib to the next, and everything moves to make room for
# them: pictures of 3.9 are 34 to 51 away from those of 3.11 (root mean square, of 255).
SERIES = "3.11"


def compared(dpi):
    """Compare the figure that a test returns with a small picture of it."""
    if not matplotlib.__version__.startswith(f"{SERIES}."):
        return pytest.mark.skip(f"pictures of matplotlib {SERIES}, this is {matplotlib.__version__}")
    saved = {"dpi": dpi, "pil_kwargs": {"optimize": True}}
    return pytest.mark.mpl_image_compare(style="default", tolerance=2, savefig_kwargs=saved)


def a_disc():
    """How far each pixel is from the centre of an inclined disc, in scale lengths."""
    y, x = np.indices(SHAPE)
    return np.hypot((x - 24) / 6, (y - 19) / 4)


def an_image():
    light = {}
    for i, band in enumerate(("IE", "YE")):
        light[band] = (10 ** (0.15 * i) * np.exp(-a_disc()) - 0.01).astype(np.float32)
    mask = np.zeros(SHAPE, bool)
    mask[30:36, 8:14] = True
    return image_of(light, wcs=sky_wcs(SHAPE), masks={"YE": mask}, name="a disc")


def maps_of_the_disc(shift=0.0):
    """Maps of two properties, with errors, and a reason for every gap."""
    radius, maps = a_disc(), {}
    quality = np.zeros(SHAPE, np.int32)
    quality[radius > 3.2] = Quality.NOISE
    quality[radius > 4] |= Quality.BELOW_CLIP
    quality[30:36, 8:14] = Quality.MASKED
    quality[radius < 0.5] |= Quality.OUT_OF_DOMAIN
    judged = (quality & ~Quality.OUT_OF_DOMAIN) == 0
    dex = (3.0 - 0.4 * radius, -1.6 - 0.1 * radius)
    for i, (name, truth) in enumerate(zip(NAMES[:2], dex, strict=True)):
        bumps = shift * np.sin(np.indices(SHAPE).sum(0) / 3 + i)
        values = np.where(judged, 10 ** (truth + bumps), np.nan).astype(np.float32)
        error = StdDevUncertainty((values * (0.1 + 0.05 * radius)).astype(np.float32))
        made = {"quality": quality.copy(), "uncertainty": error, "wcs": sky_wcs(SHAPE)}
        maps[name] = SpatialMap(values, property=name, **made)
    return maps


def pairs(scatter):
    truth = np.random.default_rng(1).normal(1.5, 0.5, 2000)
    return truth, 0.9 * truth + 0.15 + np.random.default_rng(2).normal(0, scatter, 2000)


def table_of(columns, **meta):
    table = QTable(columns)
    table.meta.update(meta)
    return table


@compared(dpi=70)
def test_map():
    map_ = maps_of_the_disc()["stellar_mass_density"]
    map_.meta["pixel_scale"] = 120 * u.pc
    with paper_style():
        return plot_map(map_, figsize=figure_size("column", 0.8)).figure


@compared(dpi=60)
def test_predicted_against_true():
    panels = {"stellar_mass_density": {"linear": pairs(0.2), "forest": pairs(0.08)}}
    with paper_style():
        return plot_predicted_against_true(panels, figsize=figure_size("wide", 0.55))


@compared(dpi=70)
def test_galaxy():
    with paper_style():
        return plot_galaxy(maps_of_the_disc(), maps_of_the_disc(0.08), figsize=figure_size("wide", 1.4))


@compared(dpi=70)
def test_importance():
    columns = ("IE", "YE", "JE", "HE")
    share = (0.06, 0.02, 0.03, 0.89, 0.4, 0.05, 0.1, 0.45)
    rows = {"property": np.repeat(NAMES[:2], 4), "column": columns * 2, "importance": share}
    return plot_importance(table_of(rows))


@compared(dpi=70)
def test_lofo():
    bands = ("none", "IE", "YE", "JE", "HE")
    change = (0, 0.35, 0.02, 0.05, 0.12, 0, 0.2, -0.01, 0.03, 0.06)
    rows = {"property": np.repeat(NAMES[:2], 5), "left_out": bands * 2, "lofo_relative": change}
    return plot_lofo(table_of(rows, metric="rmse"))


@compared(dpi=70)
def test_rmzr(linear_model, sample):
    return plot_rmzr(rmzr(linear_model, sample[:4], sample[4:], relations=(), bootstrap=3))


def test_rmzr_with_converted_relations_keeps_its_panels_equal(linear_model, sample):
    table = rmzr(linear_model, sample[:4], sample[4:], relations=(), bootstrap=3)
    x = np.linspace(0, 3, 5)
    known = {"reference": "a paper", "weighting": "mass", "imf": "Chabrier", "solar_metallicity": 0.02}
    relation = Relation("ours", **known, log_density=x, log_metallicity=0.1 * x).to_solar(0.0142)
    figure = plot_rmzr(table, [relation.to_imf("Salpeter", 0.24)])
    figure.draw_without_rendering()
    first, *others = (axis.get_window_extent() for axis in figure.axes[:3])
    text = figure.axes[0].get_legend().get_window_extent()
    name = figure.axes[0].xaxis.get_tightbbox()
    assert 0 < text.y0 and text.y1 < name.y0 and figure.get_size_inches()[0] == figure_size("page")[0]
    assert text.x1 < others[0].x0 and all(abs(first.width - other.width) < 1 for other in others)
    assert "Salpeter" in figure.axes[0].get_legend_handles_labels()[1][-2]
    with pytest.raises(InputError, match="a Relation is needed, got the text 'ours'; get_relation"):
        plot_rmzr(table, "ours")
    with pytest.raises(InputError, match="a table of rmzr is needed"):
        plot_rmzr(relation)


@pytest.mark.slow
@compared(dpi=70)
def test_quicklook():
    with paper_style():
        return quicklook(an_image(), maps_of_the_disc(), figsize=figure_size("page", 0.95))


@compared(dpi=70)
def test_learning_curve():
    numbers = np.array([8, 16, 32, 64] * 2)
    rows = {"property": np.repeat(NAMES[:2], 4), "training_galaxies": numbers, "r2": 0.9 - 1.5 / numbers}
    rows["r2"][4:] -= 0.3
    return plot_learning_curve(table_of(rows))

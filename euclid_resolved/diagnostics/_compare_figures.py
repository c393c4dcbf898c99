"""Figures of maps beside maps made otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.diagnostics._common_grid import DENSITY
from euclid_resolved.diagnostics._compare import METALLICITY
from euclid_resolved.diagnostics._panels import numbers, panels, rows_of
from euclid_resolved.diagnostics._relation_fit import FORMS
from euclid_resolved.maps._properties import KNOWN
from euclid_resolved.plotting._comparison import running_median
from euclid_resolved.plotting._maps import colour_bar, own_figure, robust_limits, show
from euclid_resolved.plotting._sky_axes import draw_compass, draw_scale_bar, sky_axes
from euclid_resolved.plotting._style import (
    COLOUR_MAPS,
    PREDICTED,
    TRUE,
    axis_label,
    figure_size,
    keep_text_size,
    page_size,
    text_style,
)

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.figure import Figure

    from euclid_resolved.diagnostics._common_grid import Pair

_FEWEST = 5  # pixels of an annulus that is drawn, as in `plot_galaxy`
_DIFFERENCE = "maps − other [dex]"


def draw_comparison(pair: Pair, tables: dict[str, QTable]) -> Figure:
    """Both maps, their difference, all pixels, and the profiles: a column a property.

    Parameters
    ----------
    pair : `Pair`
    tables : dict of str to `~astropy.table.QTable`
        Of `compare_maps`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    window = _window(pair)
    shown = {name: map_[window] for name, map_ in pair.maps.items()}
    ny, nx = next(iter(shown.values())).shape
    wide, _ = page_size(len(shown), 1)
    side = wide / len(shown)
    high = min(max(0.5 * ny / nx, 0.25), 1) * side  # the rest of the width is for numbers
    heights = (high, high, high, 0.55 * side, 0.5 * side, 0.25 * side)
    with text_style():
        figure = own_figure(None, (wide, sum(heights) + 2.2))
        grid = figure.add_gridspec(len(heights), len(pair.maps), height_ratios=heights)
        for i, name in enumerate(pair.maps):
            zero_point = np.log10(KNOWN[name].zero_point)
            ours, others = (values - zero_point for values in pair.dex(name))
            limits = robust_limits(ours, others)
            difference = ours - others
            half = float(np.nanpercentile(np.abs(difference), 98)) or 0.01
            pictures = (
                (ours, COLOUR_MAPS[name], limits, "maps"),
                (others, COLOUR_MAPS[name], limits, "other"),
                (difference, "RdBu_r", (-half, half), "maps − other"),
            )
            for j, (values, cmap, limit, what) in enumerate(pictures):
                axes = sky_axes(figure, grid[j, i], shown[name], left=i == 0, bottom=j == 2)
                colour_bar(
                    axes, show(axes, values[window], cmap, limit), axis_label(name) if j < 2 else _DIFFERENCE
                )
                axes.set_title(what if j else f"{KNOWN[name].label}\n{what}", size="medium")
                draw_scale_bar(axes, shown[name])
                if i == j == 0:
                    draw_compass(axes, shown[name])
            known = np.isfinite(ours)
            _draw_pixels(figure.add_subplot(grid[3, i]), name, ours[known], others[known], tables["pixels"])
            upper = figure.add_subplot(grid[4, i])
            lower = figure.add_subplot(grid[5, i], sharex=upper)
            _draw_profile(upper, lower, name, rows_of(tables["profile"], name), zero_point)
        engine = figure.get_layout_engine()
        if engine is not None:  # twice, since the first time moves the maps, which keep their shape
            engine.execute(figure)
    return figure


def _window(pair):
    """The rows and columns that hold all pixels compared, and some around them."""
    where = np.any([~map_.mask for map_ in pair.maps.values()], axis=0)
    window = []
    for axis in (1, 0):
        (found,) = np.nonzero(where.any(axis=axis))
        around = 2 + (found[-1] - found[0]) // 10
        window.append(slice(max(int(found[0] - around), 0), int(found[-1] + around + 1)))
    return tuple(window)


def _draw_pixels(axes, name, ours, others, table):
    keep_text_size(axes)
    low, high = robust_limits(ours, others, outer=(0.1, 99.9))
    _density_of(axes, others, ours, (low, high, low, high))
    axes.plot((low, high), (low, high), color=TRUE, lw=1)
    middle, median, p16, p84 = running_median(others, ours)
    errors = (median - p16, p84 - median)
    axes.errorbar(middle, median, yerr=errors, fmt="o", color=PREDICTED, ms=2.5, lw=0.8, capsize=1.5)
    row = rows_of(table, name)
    lines = []
    for key, word in (("offset", "offset"), ("scatter", "scatter"), ("correlation", "$r$")):
        value, error = (float(numbers(row[column])[0]) for column in (key, f"{key}_error"))
        lines.append(f"{word} {value:.3f}" + (f" ± {error:.3f}" if np.isfinite(error) else ""))
    axes.text(0.04, 0.96, "\n".join(lines), transform=axes.transAxes, va="top", size="x-small")
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.set(xlabel="other " + axis_label(name), ylabel="maps, the same")
    axes.set_box_aspect(1)


def _density_of(axes, x, y, extent):
    """How many pixels there are of each pair of values; one pixel is grey, not white."""
    from matplotlib.colors import LogNorm

    style = {"mincnt": 1, "cmap": "Greys", "linewidths": 0.1, "rasterized": True}
    cells = axes.hexbin(x, y, gridsize=60, extent=extent, **style)
    most = np.max(np.asarray(cells.get_array()), initial=3.0)
    cells.set_norm(LogNorm(0.3, float(most)))


def _draw_profile(upper, lower, name, rows, zero_point):
    keep_text_size(upper)
    keep_text_size(lower)
    rows = rows[rows["n_pixels"] >= _FEWEST]
    radius = numbers(rows["radius"])
    for key, colour in (("maps", PREDICTED), ("other", TRUE)):
        upper.plot(radius, numbers(rows[key]) - zero_point, "o-", color=colour, label=key, ms=2.5, lw=0.8)
    upper.set_ylabel(axis_label(name))
    upper.set_title("medians", size="medium")
    upper.legend(frameon=False, fontsize="small")
    upper.tick_params(labelbottom=False)
    lower.axhline(0, color="0.5", lw=0.8)
    offset, scatter, error = (numbers(rows[key]) for key in ("offset", "scatter", "offset_error"))
    lower.fill_between(radius, offset - scatter, offset + scatter, color="0.85", lw=0)
    error = np.nan_to_num(error)
    lower.errorbar(radius, offset, yerr=error, fmt="o-", color="black", ms=2.5, lw=0.8)
    lower.set(xlabel=f"radius [{rows['radius'].unit}]", ylabel="Δ [dex]")


def draw_relations(pair: Pair, table: QTable) -> Figure:
    """The resolved mass-metallicity relation of either set of maps, with running medians and fits.

    Parameters
    ----------
    pair : `Pair`
    table : `~astropy.table.QTable`
        ``rmzr`` of `compare_maps`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    with text_style():
        figure = _relations(pair, table)
    return figure


def _relations(pair, table):
    wide, _ = figure_size("page")
    figure, axes = panels(2, wide / 2, wide / 2, sharex=True, sharey=True)
    solar = np.log10(KNOWN[METALLICITY].zero_point)
    sets = {}
    for i, which in enumerate(("maps", "other")):
        x, y = pair.dex(DENSITY)[i], pair.dex(METALLICITY)[i] - solar
        known = np.isfinite(x) & np.isfinite(y)
        sets[which] = (x[known], y[known])
    (x0, x1), (y0, y1) = (
        robust_limits(*each, outer=(0.1, 99.9)) for each in zip(*sets.values(), strict=True)
    )
    extent = (x0, x1, y0, y1)
    medians = {which: running_median(*xy) for which, xy in sets.items()}
    for axis, (which, (x, y)) in zip(axes[0], sets.items(), strict=True):
        keep_text_size(axis)
        _density_of(axis, x, y, extent)
        beside = next(key for key in sets if key != which)
        axis.plot(*medians[beside][:2], color="0.4", lw=1.5, label=f"median of {beside}")
        middle, median, p16, p84 = medians[which]
        errors = (median - p16, p84 - median)
        axis.errorbar(
            middle, median, errors, fmt="o", color=PREDICTED, ms=4, capsize=2, label="median, 16-84 %"
        )
        for form, line in zip(FORMS, ("-", "--", ":"), strict=True):
            chosen = table[(np.asarray(table["of"]) == which) & (np.asarray(table["form"]) == form)]
            values = dict(zip(chosen["quantity"], numbers(chosen["value"]), strict=True))
            scatter = values.pop("scatter")
            said = f", scatter {scatter:.3f} dex" if np.isfinite(scatter) else ": not constrained"
            grid = np.linspace(x0, x1, 80)
            axis.plot(
                grid, FORMS[form][0](grid, *values.values()), line, color=TRUE, lw=1.2, label=form + said
            )
        axis.set(xlim=(x0, x1), ylim=(y0, y1), title=which, xlabel=axis_label(DENSITY))
        axis.legend(frameon=False, fontsize="x-small", loc="lower right")
    axes[0][0].set_ylabel(axis_label(METALLICITY))
    return figure

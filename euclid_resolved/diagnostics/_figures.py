"""Figures of diagnostics of one model: importance, relations, profiles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from euclid_resolved._checks import check_name, check_type
from euclid_resolved.diagnostics._panels import (
    METRIC_LABELS,
    bars,
    by_property,
    legends_below,
    numbers,
    own_panel,
    properties_of,
    rows_of,
)
from euclid_resolved.errors import InputError
from euclid_resolved.maps._properties import get_property
from euclid_resolved.plotting._maps import own_figure
from euclid_resolved.plotting._style import (
    ORANGE,
    PREDICTED,
    RED,
    SKY,
    TRUE,
    axis_label,
    keep_text_size,
    page_size,
    text_style,
)

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from euclid_resolved.diagnostics._relations import Relation

__all__ = ["plot_importance", "plot_lofo", "plot_rmzr", "plot_shuffle"]


_LINES = ("-", "--", "-.", ":")
_LETTERS = 34  # of small text, beside a line in a legend, in a third of a page


def plot_importance(table: QTable, *, figure: Figure | SubFigure | None = None) -> Figure:
    """Impurity importance of each column, a panel a property (the paper's figure 9).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.impurity_importance`.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from euclid_resolved import RandomForest, train
    >>> from euclid_resolved.diagnostics import plot_importance
    >>> from euclid_resolved.diagnostics import impurity_importance
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=RandomForest(n_trees=5, n_jobs=1))
    >>> figure = plot_importance(impurity_importance(model, galaxies[:3], galaxies[3:]))
    >>> figure.savefig("importance.png")
    """
    with text_style(figure):
        figure, each = by_property(table, figure, height=_height(table))
        for axis, _, part in each:
            part = part[np.argsort(-numbers(part["importance"]), kind="stable")]
            values = 100 * numbers(part["importance"])
            bars(axis, part["column"], values)
            for i, value in enumerate(values):
                if np.isfinite(value):
                    axis.text(value, i, f" {value:.1f}", va="center", size="small")
            axis.set_xlabel("importance [%]")
            if np.isfinite(values).any():
                axis.set_xlim(0, max(np.nanmax(values) * 1.2, 1))
            else:
                axis.text(0.5, 0.5, "the estimator has none", ha="center", transform=axis.transAxes)
        return figure


def _height(table):
    """Of panels with a bar for each row: a model that looks around has many columns."""
    return max(2.2, 0.8 + 0.14 * len(table) / max(len(set(table["property"])), 1))


def plot_lofo(table: QTable, *, figure: Figure | SubFigure | None = None) -> Figure:
    """What is lost without each band, column or scale, a panel a property (the paper's figure 10, right).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.lofo`.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, lofo, train
    >>> from euclid_resolved.diagnostics import plot_lofo
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> figure = plot_lofo(lofo(model, galaxies[:3], galaxies[3:]))
    >>> figure.savefig("lofo.png")
    """
    metric, by = table.meta.get("metric", "rmse"), table.meta.get("by", "band")
    with text_style(figure):
        figure, each = by_property(table, figure, height=_height(table))
        for axis, _, part in each:
            part = part[np.asarray(part["left_out"]) != "none"]
            bars(axis, part["left_out"], 100 * numbers(part["lofo_relative"]))
            label = METRIC_LABELS.get(metric, metric).split(" [")[0]
            axis.set(xlabel=f"change of {label} [%]", ylabel=f"{by} left out")
        return figure


def plot_permutation(table: QTable, *, figure: Figure | SubFigure | None = None) -> Figure:
    """What is lost when each band, column or scale is shuffled, among all pixels and within galaxies.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.permutation_importance`.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._figures import plot_permutation
    >>> from euclid_resolved.diagnostics import permutation_importance
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> figure = plot_permutation(permutation_importance(model, galaxies[:3], galaxies[3:], repeats=2))
    >>> figure.savefig("permutation.png")
    """
    metric = table.meta.get("metric", "r2")
    by = table.meta.get("by", "band")
    with text_style(figure):
        figure, each = by_property(table, figure, height=_height(table))
        for axis, _, part in each:
            bars(axis, part[by], numbers(part["importance"]))
            within = numbers(part["importance_within"])
            axis.plot(within, range(len(part)), "D", color="black", ms=4, label="within galaxies")
            label = METRIC_LABELS.get(metric, metric)
            axis.set(xlabel=f"loss in {label} when shuffled", ylabel=by)
        figure.axes[0].legend(frameon=False, fontsize="small")
        return figure


def plot_shuffle(table: QTable, *, ax: Axes | None = None) -> Figure:
    """R2 of metallicity with and without what is known beyond density.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.rmzr_shuffle`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; those of a new figure without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        That of the axes.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import plot_shuffle
    >>> from euclid_resolved.diagnostics import rmzr_shuffle
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> figure = plot_shuffle(rmzr_shuffle(model, galaxies[:3], galaxies[3:]))
    >>> figure.savefig("shuffle.png")
    """
    with text_style(ax):
        axis = own_panel(ax, 5.4, 2.4)
        bars(axis, table["case"], numbers(table["r2"]), [ORANGE, "0.6", "0.3"][: len(table)])
        axis.set_xlabel(r"$R^2$ of metallicity on the test galaxies")
        return axis.figure


def plot_rmzr(
    table: QTable,
    relations: Sequence[Relation] = (),
    *,
    by: Literal["density", "mass"] = "density",
    fewest: tuple[int, int] = (3, 3),
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Density plots of metallicity against density, with running medians and fits (the paper's figure 8).

    The observed relations that the table was compared with are drawn in each panel, in the conventions of the
    maps, with their 16th and 84th percentile and a band for the error of their densities.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.rmzr`.
    relations : sequence of `~euclid_resolved.diagnostics.Relation`, optional
        Others, drawn over all galaxies as they are; those without values are named below the figure.
    by : {"density", "mass"}, optional
        With ``"mass"``, another figure: what is left when each observed relation is subtracted, against
        density, and against the stellar mass of the galaxies. `relations` and `fewest` are not used.
    fewest : (int, int), optional
        How many pixels a cell needs to be drawn: of all galaxies, and of the test galaxies. The paper's are
        1000 and 10.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import plot_rmzr
    >>> from euclid_resolved.diagnostics import rmzr
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> figure = plot_rmzr(rmzr(model, galaxies[:3], galaxies[3:], bootstrap=20))
    >>> figure.savefig("rmzr.png")
    """
    from euclid_resolved.diagnostics._relation_figures import draw_differences, draw_observed
    from euclid_resolved.diagnostics._relation_fit import FORMS
    from euclid_resolved.diagnostics._relations import Relation

    check_name(by, ("density", "mass"), "choice for by")
    if "panels" not in getattr(table, "meta", ()):
        raise InputError(f"a table of rmzr is needed, got {type(table).__name__} without its panels")
    for relation in [relations] if isinstance(relations, str) else relations:
        check_type(relation, Relation, "get_relation looks names up, read_relation reads a file")
    if by == "mass":
        return draw_differences(table, figure)
    observed = table.meta.get("relations", [])
    known = {one["name"] for one in observed}
    supplied = [relation for relation in relations if relation.supplied and relation.name not in known]
    # A label that names a conversion is wider than a panel, and the layout would make room for it.
    labels = [textwrap.fill(relation.label, _LETTERS) for relation in supplied]
    names = [textwrap.fill(one["label"], _LETTERS) for one in observed]
    lines = max(len(FORMS) + 2, len(FORMS) + 1 + sum(label.count("\n") + 1 for label in labels + names))
    with text_style(figure):
        own = own_figure(figure, (page_size(3, 1)[0], 2.6 + 0.13 * lines))
        axes = own.subplots(1, 3, sharex=True, sharey=True)
        picture = _draw_rmzr(axes, table, FORMS, fewest)
        draw_observed(axes, observed, names)
        for i, (relation, label) in enumerate(zip(supplied, labels, strict=True), len(observed)):
            style = {"color": f"C{i % 10}", "ls": _LINES[i % 4], "lw": 1.2}
            axes[0].plot(relation.log_density, relation.log_metallicity, label=label, **style)
        axes[0].set(ylabel=axis_label("stellar_metallicity"))
        legends_below(own, axes)
        missing = [relation.name for relation in relations if not relation.supplied]
        if missing:
            text = textwrap.fill(f"not drawn, no table supplied: {', '.join(missing)}", 3 * _LETTERS)
            own.supxlabel(text, size="small", color="0.4")
        bar = own.colorbar(picture, ax=axes, label=r"$\log_{10}$ pixels", pad=0.02)
        keep_text_size(bar.ax)
        return own


def _draw_rmzr(axes, table, forms, fewest):
    """Cells, medians and fits of each set in its panel; the picture for the colour bar."""
    shown = table.meta["panels"]
    titles = {"all": "all galaxies", "predicted": "test galaxies, predicted", "true": "test galaxies, true"}
    reference = [np.array(v) for v in shown["all"]["medians"]]
    inside: tuple[list[float], list[float]] = [], []
    brightest = np.log10(max(np.max(panel["counts"]) for panel in shown.values()))
    for axis, (case, title) in zip(axes, titles.items(), strict=True):
        panel = shown[case]
        counts = np.array(panel["counts"], float).T
        counts[counts < fewest[case != "all"]] = np.nan
        style = {"origin": "lower", "aspect": "auto", "cmap": "Greys", "vmin": 0.3, "vmax": brightest}
        picture = axis.imshow(np.log10(counts), extent=(*panel["x"], *panel["y"]), **style)
        middle, median, p16, p84 = (np.array(v) for v in panel["medians"])
        if case != "all":
            axis.fill_between(reference[0], reference[2], reference[3], color="0.5", alpha=0.35, lw=0)
            axis.plot(*reference[:2], color="black", lw=1.2, label="all galaxies: median, 16-84 %")
        errors = (median - p16, p84 - median)
        axis.errorbar(middle, median, errors, fmt="o", color=SKY, ms=3, lw=0.8, capsize=1.5, label="median")
        for form, line in zip(forms, _LINES, strict=False):
            chosen = (np.asarray(table["metallicity"]) == case) & (np.asarray(table["form"]) == form)
            values = dict(zip(table["quantity"][chosen], numbers(table["value"][chosen]), strict=True))
            scatter = values.pop("scatter")
            first, last = (middle[0], middle[-1]) if middle.size else panel["x"]  # few pixels have no medians
            x = np.linspace(first, last, 80)
            y = forms[form][0](x, *values.values())
            said = f", scatter {scatter:.3f} dex" if np.isfinite(scatter) else ": not constrained"
            axis.plot(x, y, line, color=RED, lw=1, label=form + said)
        rows, columns = np.nonzero(np.isfinite(counts) if np.isfinite(counts).any() else counts != 0)
        for i, (cells, key) in enumerate(((columns, "x"), (rows, "y"))):
            low, high = panel[key]
            step = (high - low) / counts.shape[1 - i]
            inside[i].extend((low + step * cells.min(), low + step * (cells.max() + 1)))
        axis.set(title=title, xlabel=axis_label("stellar_mass_density"))
    axes[0].set(xlim=(min(inside[0]), max(inside[0])), ylim=(min(inside[1]), max(inside[1])))
    return picture


def plot_profiles(table: QTable, *, figure: Figure | SubFigure | None = None) -> Figure:
    """True and predicted radial profiles, a row a galaxy (at most six), a column a property.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.radial_profiles`.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, make_atlas, read_atlas, train
    >>> from euclid_resolved.diagnostics._figures import plot_profiles
    >>> from euclid_resolved.diagnostics import radial_profiles
    >>> galaxies = read_atlas(make_atlas("atlas", 3, pixels=32))
    >>> model = train(galaxies[:2], estimator=LinearRegression())
    >>> figure = plot_profiles(radial_profiles(model, galaxies[:2], galaxies[2:], bin_width=4))
    >>> figure.savefig("profiles.png")
    """
    galaxies = list(dict.fromkeys(str(name) for name in table["galaxy"]))[:6]
    names, unit = properties_of(table), table["radius"].unit
    with text_style(figure):
        figure = own_figure(figure, page_size(len(names), 0.72 * len(galaxies)))
        axes = figure.subplots(len(galaxies), len(names), squeeze=False)
        for row, galaxy in zip(axes, galaxies, strict=True):
            for axis, name in zip(row, names, strict=True):
                part = rows_of(table[np.asarray(table["galaxy"]) == galaxy], name)
                zero_point = np.log10(get_property(name).zero_point)
                for key, colour in (("true", TRUE), ("predicted", PREDICTED)):
                    median, p16, p84 = (numbers(part[key + s]) - zero_point for s in ("", "_p16", "_p84"))
                    errors = (median - p16, p84 - median)
                    style = {"color": colour, "label": key, "ms": 3, "lw": 1, "capsize": 2}
                    axis.errorbar(part["radius"].value, median, errors, fmt="o-", **style)
                axis.set(ylabel=axis_label(name), xlabel=f"radius [{unit}]")
                keep_text_size(axis)
            row[0].set_title(galaxy, size="small")
            row[0].legend(frameon=False, fontsize="small")
        return figure

"""Figures of diagnostics that train again: learning curves, scatter of runs, bias of the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.diagnostics._panels import (
    bars,
    name_properties,
    numbers,
    own_panel,
    properties_of,
    rows_of,
    symbol,
)
from euclid_resolved.plotting._style import BLUE, PROPERTY_COLOURS, RED, text_style

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_learning_curve(table: QTable, *, ax: Axes | None = None) -> Figure:
    """R2 against the number of training galaxies.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.learning_curve`, or of `~euclid_resolved.diagnostics.projections`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; those of a new figure without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        That of the axes.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._robustness_figures import plot_learning_curve
    >>> from euclid_resolved.diagnostics import learning_curve
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(6)
    >>> model = train(galaxies[:4], estimator=LinearRegression())
    >>> figure = plot_learning_curve(learning_curve(model, galaxies[:4], galaxies[4:], numbers=(2, 4)))
    >>> figure.savefig("learning_curve.png")
    """
    steps = "projections" if "projections" in table.colnames else "training_galaxies"
    label = "projections of each training galaxy" if steps == "projections" else "training galaxies"
    with text_style(ax):
        axis = own_panel(ax, 4.4, 3.4)
        for name in properties_of(table):
            part = rows_of(table, name)
            style = {"color": PROPERTY_COLOURS.get(name), "label": symbol(name), "ms": 4}
            axis.plot(part[steps], numbers(part["r2"]), "o-", **style)
        axis.set(xlabel=label, ylabel=r"$R^2$ on the test galaxies")
        if steps == "training_galaxies":
            axis.set_xscale("log", base=2)
        ticks = sorted(set(np.asarray(table[steps]).tolist()))
        axis.set_xticks(ticks, [str(t) for t in ticks])
        axis.legend(frameon=False)
        return axis.figure


def plot_runs(table: QTable, *, ax: Axes | None = None) -> Figure:
    """R2 of folds, or its mean and scatter over runs, by property.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `cross_validation` or `epistemic_scatter`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; those of a new figure without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        That of the axes.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._robustness_figures import plot_runs
    >>> from euclid_resolved.diagnostics import cross_validation
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(6)
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> figure = plot_runs(cross_validation(model, galaxies, (), k=3))
    >>> figure.savefig("folds.png")
    """
    names = properties_of(table)
    with text_style(ax):
        axis = own_panel(ax, 4.4, 3.2)
        for i, name in enumerate(names):
            part, colour = rows_of(table, name), PROPERTY_COLOURS.get(name)
            if "fold" in part.colnames:
                values = numbers(part["r2"])
                axis.plot(np.linspace(i - 0.15, i + 0.15, len(values)), values, "o", ms=4, color=colour)
                axis.hlines(values.mean(), i - 0.25, i + 0.25, color="black", lw=1)
            else:
                error = numbers(part["r2_scatter"])
                axis.errorbar([i], numbers(part["r2"]), yerr=error, fmt="o", color=colour, capsize=3)
        name_properties(axis, names)
        axis.set(ylabel=r"$R^2$", xlim=(-0.6, len(names) - 0.4))
        return axis.figure


def plot_sample_bias(table: QTable, *, ax: Axes | None = None) -> Figure:
    """R2 on training and on test galaxies, side by side.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.sample_bias`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; those of a new figure without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        That of the axes.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._robustness_figures import plot_sample_bias
    >>> from euclid_resolved.diagnostics import sample_bias
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> figure = plot_sample_bias(sample_bias(model, galaxies[:3], galaxies[3:]))
    >>> figure.savefig("sample_bias.png")
    """
    names = properties_of(table)
    with text_style(ax):
        axis = own_panel(ax, 4.4, 3.2)
        for which, shift, colour in (("training", -0.18, "0.7"), ("test", 0.18, BLUE)):
            part = table[np.asarray(table["set"]) == which]
            axis.bar(np.arange(len(names)) + shift, numbers(part["r2"]), 0.34, color=colour, label=which)
        name_properties(axis, names)
        axis.set_ylabel(r"$R^2$")
        axis.legend(frameon=False)
        return axis.figure


def plot_colour_recovery(table: QTable, *, ax: Axes | None = None) -> Figure:
    """1 - R2 of each colour, logarithmic: the smaller, the better recovered (the paper's Table D.1).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.diagnostics.colour_recovery`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; those of a new figure without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        That of the axes.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._robustness_figures import plot_colour_recovery
    >>> from euclid_resolved.diagnostics import colour_recovery
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> figure = plot_colour_recovery(colour_recovery(model, galaxies[:3], galaxies[3:]))
    >>> figure.savefig("colours.png")
    """
    with text_style(ax):
        axis = own_panel(ax, 4.6, 3.0)
        missing = np.maximum(1 - numbers(table["r2"]), 1e-7)
        bars(axis, table["colour"], missing)
        axis.axvline(0.002, color=RED, ls="--", lw=1, label=r"published: $R^2\geq0.998$")
        axis.set(xscale="log", xlabel=r"$1-R^2$")
        # Within a decade there would be a number beside each small tick.
        low, high = min(missing.min(), 0.002), max(missing.max(), 0.002)
        axis.set_xlim(10 ** np.floor(np.log10(0.9 * low)), 10 ** np.ceil(np.log10(1.1 * high)))
        place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0}
        axis.legend(frameon=False, fontsize="small", **place)
        return axis.figure

"""Figures of observed relations: over the pixels, and what is left when they are subtracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.diagnostics._panels import legends_below
from euclid_resolved.errors import InputError
from euclid_resolved.plotting._maps import own_figure
from euclid_resolved.plotting._style import (
    BLACK,
    BLUE,
    ORANGE,
    PREDICTED,
    PURPLE,
    TRUE,
    axis_label,
    page_size,
    text_style,
)

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_CASES = {
    "all": ("all galaxies, true", "0.4", -0.02),
    "true": ("test galaxies, true", TRUE, 0.0),
    "predicted": ("test galaxies, predicted", PREDICTED, 0.02),
}  # with its colour, and how far it is drawn beside the others, dex
_DASHES, _COLOURS = ("-", "--", "-.", ":"), (PURPLE, BLUE, ORANGE, BLACK)


def draw_observed(axes: Sequence[Axes], observed: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> None:
    """Draw relations over density plots: in all panels, and named in the first.

    Parameters
    ----------
    axes : sequence of `~matplotlib.axes.Axes`
    observed : sequence of mapping
        ``meta["relations"]`` of a table of ``rmzr``.
    labels : sequence of str
    """
    for i, (one, label) in enumerate(zip(observed, labels, strict=True)):
        x, y = np.array(one["log_density"]), np.array(one["log_metallicity"])
        colour = _COLOURS[i % 4]
        for axis in axes:
            # The limits are those of the pixels: a relation may reach farther.
            limits = axis.get_xlim(), axis.get_ylim()
            if one["density_error"]:
                left, right = x - one["density_error"], x + one["density_error"]
                corners = np.c_[np.r_[left, right[::-1]], np.r_[y, y[::-1]]]
                axis.fill(*corners.T, color=colour, alpha=0.2, lw=0)
            axis.plot(x, y, _DASHES[i % 4], color=colour, lw=1.4, label=label if axis is axes[0] else None)
            # Of more than one they would hide each other.
            if axis is axes[0] and not i and one["log_metallicity_p16"] and one["log_metallicity_p84"]:
                reach = y - one["log_metallicity_p16"], np.array(one["log_metallicity_p84"]) - y
                axis.errorbar(x, y, reach, fmt="s", color=colour, ms=3, lw=0.8, capsize=1.5)
            axis.set(xlim=limits[0], ylim=limits[1])


def draw_differences(table: Table, figure: Figure | SubFigure | None) -> Figure | SubFigure:
    """What is left when each observed relation is subtracted, against density and against the galaxy's mass.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of ``rmzr``.
    figure : `~matplotlib.figure.Figure`, `~matplotlib.figure.SubFigure` or None

    Returns
    -------
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`

    Raises
    ------
    InputError
        If the table was compared with no relation.
    """
    observed = table.meta.get("relations", [])
    if not observed:
        raise InputError(
            "this table was compared with no relation: give rmzr some, or leave out relations=()"
        )
    with text_style(figure):
        own = own_figure(figure, (page_size(2, 1)[0], 0.7 + 2.4 * len(observed)))
        grid = own.subplots(len(observed), 2, squeeze=False, sharey="row")
        for one, (left, right) in zip(observed, grid, strict=True):
            _against_density(left, one, table.meta["panels"])
            _against_mass(right, one, table.meta["compared"])
            left.set(ylabel=f"metallicity − {one['name']} [dex]", xlabel=axis_label("stellar_mass_density"))
            right.set(xlabel=r"$\log_{10}\,[M_\star\,/\,M_\odot]$ of the galaxy")
            for axis in (left, right):
                axis.axhline(0, color="black", lw=0.8)
        legends_below(own, grid[-1])
        return own


def _against_density(axis, one, panels):
    x, y = np.array(one["log_density"]), np.array(one["log_metallicity"])
    low, high = one["log_metallicity_p16"], one["log_metallicity_p84"]
    if low and high:
        axis.fill_between(x, low - y, high - y, color="0.85", lw=0, label="relation: 16-84 %")
    for case, (label, colour, beside) in _CASES.items():
        middle, *medians = (np.array(values) for values in panels[case]["medians"])
        inside = (middle >= x.min()) & (middle <= x.max())
        middle = middle[inside]
        median, p16, p84 = (values[inside] - np.interp(middle, x, y) for values in medians)
        style = {"color": colour, "fmt": "o", "ms": 3, "lw": 0.8, "capsize": 1.5}
        axis.errorbar(middle + beside, median, (median - p16, p84 - median), label=label, **style)


def _against_mass(axis, one, compared):
    for case, (label, colour, beside) in _CASES.items():
        own = [row for row in compared if (row["relation"], row["metallicity"]) == (one["name"], case)]
        (whole,), parts = ([row for row in own if np.isnan(row["low"]) == flag] for flag in (True, False))
        parts = [row for row in parts if np.isfinite(row["offset"])]
        axis.axhline(whole["offset"], color=colour, lw=0.8, ls=":")
        if parts:
            low, high, offset, error = (
                np.array([row[key] for row in parts]) for key in ("low", "high", "offset", "offset error")
            )
            middle = (low + high) / 2
            style = {"color": colour, "fmt": "o", "ms": 4, "lw": 1, "capsize": 2}
            error = np.nan_to_num(error)
            axis.errorbar(middle + beside, offset, error, (high - low) / 2, label=label, **style)
    axis.plot([], [], ":", color="black", lw=0.8, label="mean offset, all masses")

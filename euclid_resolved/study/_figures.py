"""Figures of a study: the sets, and the accuracy of all cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.diagnostics._panels import METRIC_LABELS, by_property, page_panels
from euclid_resolved.errors import InputError
from euclid_resolved.plotting._style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, text_style

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike


_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, RED, "0.5")
_ROOM = 0.08  # of an axis, for a number beside a tick
_LETTERS = 18  # of names that find room beside each other below a panel


def plot_distributions(values: Mapping[str, Mapping[str, ArrayLike]], labels: Mapping[str, str]) -> Figure:
    """Normalised distributions of global properties of sets of galaxies (the paper's figure 2).

    Parameters
    ----------
    values : mapping of str to mapping of str to array_like
        By set (``all``, ``training``, ``test``), then by quantity: one value a galaxy.
    labels : mapping of str to str
        Axis label of each quantity.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    styles: dict[str, dict[str, Any]] = {
        "all": {"color": "0.75", "histtype": "stepfilled"},
        "training": {"color": BLUE, "ls": "--"},
    }
    with text_style():
        figure, axes = page_panels(len(labels), 2.1)
        for axis, (key, label) in zip(axes, labels.items(), strict=True):
            found = {name: np.asarray(each[key], float) for name, each in values.items()}
            bins = np.histogram_bin_edges(np.concatenate(list(found.values())), 12).tolist()
            for name, each in found.items():
                style: dict[str, Any] = {"histtype": "step", "color": RED, "lw": 1.2} | styles.get(name, {})
                axis.hist(each, bins, density=True, label=f"{name} ({len(each)})", **style)
            axis.set(xlabel=label, yticks=[])
        figure.supylabel("normalised number of galaxies", size="medium")
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=len(values), frameon=False)
    return figure


def plot_accuracy(table: Table, *, by: str = "estimator", metric: str = "r2") -> Figure:
    """A metric of several cases, grouped bars, a panel a property.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``property``, ``input``, the one named by `by`, and the metric.
    by : str, optional
        What the colours tell apart.
    metric : str, optional

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    kinds = list(dict.fromkeys(str(k) for k in table[by]))
    if not kinds:
        raise InputError("there is nothing to draw")
    with text_style():
        figure, each = by_property(table, height=2.4)
        for axis, _, part in each:
            inputs = list(dict.fromkeys(str(i) for i in part["input"]))
            for i, kind in enumerate(kinds):
                mine = part[np.asarray(part[by]) == kind]
                at = [
                    inputs.index(str(each)) + 0.8 * ((i + 0.5) / len(kinds) - 0.5) for each in mine["input"]
                ]
                axis.bar(
                    at,
                    np.asarray(mine[metric], float),
                    0.75 / len(kinds),
                    color=_COLOURS[i % len(_COLOURS)],
                    label=kind,
                )
            axis.set_xticks(range(len(inputs)), inputs)
            if sum(len(name) for name in inputs) > _LETTERS:
                axis.set_xticks(range(len(inputs)), inputs, rotation=30, ha="right", rotation_mode="anchor")
            axis.axhline(0, color="black", lw=0.6)
        figure.axes[0].set_ylabel(METRIC_LABELS.get(metric, metric))
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=len(kinds), frameon=False)
    return figure


def plot_against(
    table: Table, steps: str, label: str, *, by: str, metric: str = "r2", points: Collection[str] = ()
) -> Figure:
    """A metric against a number that was varied, a panel a property.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``property``, those named by `steps` and `by`, and the metric.
    steps : str
        The column of the number; of text, such as names of files, it is a place each.
    label : str
        Of the axis.
    by : str
        What the lines tell apart.
    metric : str, optional
    points : collection of str, optional
        Lines that are no lines: their points lie in no order.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    texts = [str(value) for value in dict.fromkeys(table[steps])]
    try:
        places = {text: float(text) for text in texts}
    except ValueError:
        places = {text: float(place) for place, text in enumerate(texts)}
    kinds = list(dict.fromkeys(str(kind) for kind in table[by]))
    with text_style():
        figure, each = by_property(table, height=2.3)
        for axis, _, part in each:
            for i, kind in enumerate(kinds):
                mine = part[np.asarray(part[by]) == kind]
                at = np.array([places[str(value)] for value in mine[steps]])
                order = np.argsort(at)
                values = np.asarray(mine[metric], float)[order]
                style = "s" if kind in points else "o-"
                axis.plot(at[order], values, style, color=_COLOURS[i % 6], ms=4, label=kind)
            if min(places.values()) > 0 and max(places.values()) > 4 * min(places.values()):
                axis.set_xscale("log")
            ticks = _apart(places, axis.get_xscale() == "log")
            axis.set_xticks(list(ticks.values()), list(ticks))
            axis.minorticks_off()
        figure.axes[0].set_ylabel(METRIC_LABELS.get(metric, metric))
        figure.supxlabel(label, size="medium")
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            *handles,
            loc="outside upper center",
            ncols=min(len(kinds), 2),
            frameon=False,
            title=by.replace("_", " "),
        )
    return figure


def _apart(places, logarithmic):
    """Those of some places on an axis that have room for their names."""
    at = {text: np.log(place) if logarithmic else place for text, place in places.items()}
    room, found = _ROOM * (max(at.values()) - min(at.values())), {}
    for text, place in places.items():
        if all(abs(at[text] - at[other]) >= room for other in found):
            found[text] = place
    return found

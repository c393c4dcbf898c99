"""What the figures of diagnostics share: panels by property, bars, numbers and symbols of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.maps._properties import get_property
from euclid_resolved.plotting._maps import own_figure
from euclid_resolved.plotting._style import band_colour, band_label, figure_size, keep_text_size, page_size

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

METRIC_LABELS = {
    "r2": r"$R^2$",
    "rmse": "RMSE [dex]",
    "nmad": "NMAD [dex]",
    "bias": "bias [dex]",
    "outlier_fraction": r"$f_\mathrm{out}$",
    "pearson": r"Pearson $\rho$",
}


_BELOW = 30  # points from a panel to its legend: for numbers beside ticks and the name of the axis


def legends_below(figure: Figure | SubFigure, axes: Sequence[Axes]) -> None:
    """A legend under each panel, flush with its left side."""
    from matplotlib.transforms import ScaledTranslation

    for axis in axes:
        below = axis.transAxes + ScaledTranslation(0, -_BELOW / 72, figure.dpi_scale_trans)
        place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below}
        axis.legend(frameon=False, handlelength=1.6, borderpad=0, borderaxespad=0, **place)
        keep_text_size(axis)


def numbers(column: Any) -> np.ndarray:
    """A column as plain floats."""
    return np.asarray(getattr(column, "value", column), float)


def symbol(name: str) -> str:
    """The symbol of a property, for a figure."""
    return f"${get_property(name).symbol}$"


def properties_of(table: Table) -> list[str]:
    """The properties in a table, in the order in which they come."""
    return list(dict.fromkeys(str(name) for name in table["property"]))


def rows_of(table: Table, name: str) -> Table:
    """The rows of one property."""
    return table[np.asarray(table["property"]) == name]


def panels(
    n: int, width: float = 3.4, height: float = 3.0, figure: Figure | SubFigure | None = None, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A row of `n` panels in a figure, a new one where none is given."""
    figure = own_figure(figure, (width * n, height))
    return figure, figure.subplots(1, n, squeeze=False, **options)


def page_panels(
    n: int, height: float, across: int = 3, figure: Figure | SubFigure | None = None
) -> tuple[Figure, list[Axes]]:
    """`n` panels in rows of at most `across`; a new figure is as wide as a column or a page.

    The height is that of one row, inches.
    """
    across = max(min(n, across), 1)
    rows = max(-(-n // across), 1)
    width, _ = page_size(across, 1)
    figure = own_figure(figure, (width, height * rows))
    axes = [figure.add_subplot(rows, across, i + 1) for i in range(n)]
    for axis in axes:
        keep_text_size(axis)
    return figure, axes


def own_panel(ax: Axes | None, width: float, height: float) -> Any:
    """The axes that were given, or those of a new figure as wide as a column, with that shape."""
    if ax is not None:
        return ax
    own = panels(1, *figure_size("column", height / width))[1][0][0]
    keep_text_size(own)
    return own


def by_property(
    table: Table, figure: Figure | SubFigure | None = None, width: float | None = None, height: float = 3.0
) -> tuple[Figure, Iterator[tuple[Axes, str, Table]]]:
    """A figure with a panel for each property of a table, and for each its axes, name and rows.

    Without a width of a panel a new figure is as wide as a column or a page.
    """
    names = properties_of(table)
    if width is None:
        width = page_size(len(names), 1)[0] / max(len(names), 1)
    figure, axes = panels(len(names), width, height, figure)

    def each() -> Iterator[tuple[Axes, str, Table]]:
        for axis, name in zip(axes[0], names, strict=True):
            axis.set_title(symbol(name))
            keep_text_size(axis)
            yield axis, name, rows_of(table, name)

    return figure, each()


def bars(axis: Axes, labels: Sequence[str], values: np.ndarray, colours: Any = None) -> None:
    """Horizontal bars, the first on top; bands have their colours where none are given."""
    labels = [str(label) for label in labels]
    if colours is None:
        colours = [band_colour(label) for label in labels]
    labels = [band_label(label) for label in labels]
    axis.barh(range(len(labels)), values, color=colours, height=0.7)
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.axvline(0, color="black", lw=0.8)


def name_properties(axis: Axes, names: Sequence[str]) -> None:
    """Properties along the x axis, by their symbols."""
    axis.set_xticks(range(len(names)), [symbol(name) for name in names])

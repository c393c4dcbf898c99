"""The figure of a map's quality: the reason of every gap, and which values are extrapolations."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_type
from euclid_resolved.maps._shares import FIRST, SHARES, first_flags, flag_counts
from euclid_resolved.maps._spatial_map import Quality, SpatialMap
from euclid_resolved.plotting._maps import OTHERS, own_axes, raster
from euclid_resolved.plotting._sky_axes import draw_scale_bar
from euclid_resolved.plotting._style import QUALITY_COLOURS, figure_size, text_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

__all__ = ["plot_quality"]


_LEGEND = 54  # characters of small text across a column


def quality_legend(map_: SpatialMap, width: int = 130) -> list[Patch]:
    """Patches that say what the colours of `plot_quality` mean, with shares that add up to 100 %."""
    from matplotlib.patches import Patch

    counts, size = flag_counts(map_.quality), map_.data.size
    rows = [("white", size - sum(counts.values()), "no remark")]
    for name, count in counts.items():
        rows.append((QUALITY_COLOURS[Quality[name]], count, f"{name}: {Quality[name].meaning}"))
    return [
        Patch(
            facecolor=colour, edgecolor="0.3", lw=0.5, label=fill(f"{100 * count / size:.1f} % {text}", width)
        )
        for colour, count, text in rows
        if count
    ]


def plot_quality(
    map_: SpatialMap,
    *,
    ax: Axes | None = None,
    legend: bool = True,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Axes:
    """Draw the first reason of every pixel without a value, and which values are extrapolations.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    ax, title, figsize
        As for `plot_map`.
    legend : bool, optional
        Name each reason below the axes, with the share of all pixels for which it is the first.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.plotting import plot_quality
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression(), clip=0.1)
    >>> axes = plot_quality(model.predict(galaxies[3].image))
    >>> axes.figure.savefig("quality.png")
    """
    from matplotlib.colors import to_rgb

    check_type(map_, SpatialMap, OTHERS)
    reasons = quality_legend(map_, _LEGEND) if legend else []
    if ax is None and figsize is None and legend:
        lines = sum(str(one.get_label()).count("\n") + 1 for one in reasons) + 2
        ratio = min(max(map_.shape[0] / map_.shape[1], 0.3), 1.5)
        figsize = figure_size("column", 0.95 * ratio + 0.05 * lines)
    with text_style(ax):
        axes = own_axes(map_, ax, figsize)
        colours = np.array([to_rgb("white"), *(to_rgb(QUALITY_COLOURS[bit]) for bit in FIRST)])
        axes.imshow(colours[first_flags(map_.quality)], **raster(axes))
        axes.set_title("quality" if title is None else title, size="medium")
        draw_scale_bar(axes, map_)
        if legend:
            place: dict[str, Any] = {
                "loc": "upper left",
                "bbox_to_anchor": (0, -0.14 if hasattr(axes, "coords") else -0.02),
            }
            place |= {"title": fill(SHARES, _LEGEND), "title_fontsize": "small", "alignment": "left"}
            axes.legend(handles=reasons, frameon=False, fontsize="small", **place)
        return axes

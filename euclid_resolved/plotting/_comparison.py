"""Figures of truth beside prediction: density plots, and the maps and profiles of a galaxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.maps._profiles import radial_profile
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._metrics import OUTLIER, metrics
from euclid_resolved.plotting._maps import colour_bar, logarithm, own_figure, robust_limits, show
from euclid_resolved.plotting._sky_axes import draw_compass, draw_scale_bar, sky_axes
from euclid_resolved.plotting._style import (
    COLOUR_MAPS,
    PREDICTED,
    TRUE,
    axis_label,
    keep_text_size,
    page_size,
    text_style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["plot_galaxy", "plot_predicted_against_true"]

_WIDE = 3  # panels side by side that have room for names of their axes each


def running_median(x: np.ndarray, y: np.ndarray, bins: int = 12, minimum: int = 20) -> tuple[np.ndarray, ...]:
    """Median and 16-84 % range of `y` in bins of `x`.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Shape (n,), finite.
    bins : int, optional
        Equal bins between the 0.5th and 99.5th percentile of `x`.
    minimum : int, optional
        Bins with fewer values are left out.

    Returns
    -------
    middle, median, p16, p84 : `~numpy.ndarray`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.plotting._comparison import running_median
    >>> x = np.linspace(0, 3, 301)
    >>> centre, median, low, high = running_median(x, 2 * x, bins=3)
    >>> print(centre, median)
    [0.51 1.5  2.49] [1.02 3.   4.98]
    """
    first, last = np.percentile(x, (0.5, 99.5))
    edges = np.linspace(first, last, bins + 1)
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = y[(x >= low) & (x < high)]
        if len(inside) >= minimum:
            rows.append(((low + high) / 2, *np.percentile(inside, (50, 16, 84))))
    return tuple(np.array(rows).reshape(-1, 4).T)


def plot_predicted_against_true(
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    *,
    limit: float = OUTLIER,
    figure: Figure | SubFigure | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Density of predicted against true values, a row a property, a column a model (the paper's figure 3).

    Parameters
    ----------
    panels : mapping of str to mapping of str to (y_true, y_pred)
        Property name, then the model's title, then two arrays of log10 of the property in its unit.
    limit : float, optional
        Dashed lines mark this many dex from equality.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.
    figsize : (float, float), optional
        Of a new figure, inches; see `~euclid_resolved.plotting.figure_size`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Raises
    ------
    InputError
        If there is no panel.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.plotting import plot_predicted_against_true
    >>> from euclid_resolved.diagnostics import estimates
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> pair = estimates(model, pixels_of(galaxies[3:], model), "stellar_mass_density")
    >>> figure = plot_predicted_against_true({"stellar_mass_density": {"LR": pair}})
    >>> figure.savefig("predicted.png")
    """
    if not panels:
        raise InputError("there is nothing to draw")
    columns = len(next(iter(panels.values())))
    crowded = columns > _WIDE
    with text_style(figure):
        figure = own_figure(figure, figsize or page_size(columns, (1.3 if crowded else 1) * len(panels)))
        axes = figure.subplots(len(panels), columns, squeeze=False)
        for row, (name, models) in zip(axes, panels.items(), strict=True):
            # A pixel may have no dust.
            told = {title: np.isfinite(truth) for title, (truth, _) in models.items()}
            models = {title: tuple(one[told[title]] for one in pair) for title, pair in models.items()}
            zero_point = np.log10(get_property(name).zero_point)
            low, high = (
                np.percentile(np.concatenate([t for t, _ in models.values()]), (0.1, 99.9)) - zero_point
            )
            for axis, (title, (truth, guess)) in zip(row, models.items(), strict=True):
                x, y = truth - zero_point, guess - zero_point
                extent = (low, high, low, high)
                style = {"bins": "log", "mincnt": 1, "cmap": "Greys", "linewidths": 0.1, "rasterized": True}
                axis.hexbin(x, y, gridsize=60, extent=extent, **style)
                line = np.array([low, high])
                axis.plot(line, line, color=TRUE, lw=1)
                for offset in (-limit, limit):
                    axis.plot(line, line + offset, color=TRUE, lw=0.8, ls="--")
                middle, median, p16, p84 = running_median(x, y)
                errors = (median - p16, p84 - median)
                size = {"ms": 2, "lw": 0.8, "capsize": 1} if crowded else {"ms": 4, "lw": 1, "capsize": 2}
                axis.errorbar(middle, median, yerr=errors, fmt="o", color=PREDICTED, **size)
                scores = metrics(truth, guess)
                text = f"$R^2$ = {scores['r2']:.3f}\nRMSE = {scores['rmse']:.3f} dex"
                text = text.replace(" = ", " ").removesuffix(" dex") if crowded else text
                # A lighter ground: the dashed line runs below the text.
                ground = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
                axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", size="small", bbox=ground)
                axis.set(xlim=(low, high), ylim=(low, high), title=title)
                joint = "\n" if crowded else " "
                axis.set(xlabel="true " + axis_label(name), ylabel=f"predicted{joint}{axis_label(name)}")
                axis.set_box_aspect(1)
                keep_text_size(axis)
            if crowded:
                _share_labels(row)
        return figure


def _share_labels(row):
    """Name the axes of a row of panels with the same limits once."""
    for i, axis in enumerate(row):
        axis.locator_params(nbins=3)
        if i:
            axis.set_ylabel("")
            axis.tick_params(labelleft=False)
        if i != len(row) // 2:
            axis.set_xlabel("")


def plot_galaxy(
    truth: Mapping[str, SpatialMap],
    predicted: Mapping[str, SpatialMap],
    *,
    bin_width: u.Quantity | None = None,
    radius: u.Quantity | None = None,
    title: str = "",
    figure: Figure | SubFigure | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """True map, predicted map, residuals and radial profile of each property (the paper's figure 5).

    Parameters
    ----------
    truth, predicted : mapping of str to `~euclid_resolved.SpatialMap`
        By property name, on one grid. Truth is shown where there is a prediction.
    bin_width : `~astropy.units.Quantity`, optional
        Of the profiles; see `~euclid_resolved.maps.radial_profile`.
    radius : `~astropy.units.Quantity`, optional
        A dashed circle about the middle of the residual map, a length or an angle as the pixels are; the
        dashed lines in the histogram below it mark the 16th and 84th percentile of the pixels inside, of
        all without.
    title : str, optional
    figure, figsize
        As for `plot_predicted_against_true`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Raises
    ------
    InputError
        If no property is in both.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved import LinearRegression, make_atlas, read_atlas, train
    >>> from euclid_resolved.plotting import plot_galaxy
    >>> galaxies = read_atlas(make_atlas("atlas", 2, pixels=32))
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> figure = plot_galaxy(galaxies[1].maps, model.predict_maps(galaxies[1].image))
    >>> figure.savefig("galaxy.png")
    """
    names = [name for name in predicted if name in truth]
    if not names:
        raise InputError(f"no property in common: {', '.join(truth)} and {', '.join(predicted)}")
    new = figure is None
    wide, _ = page_size(len(names), 1)
    ny, nx = predicted[names[0]].shape
    high = min(max(0.66 * ny / nx, 0.3), 1.2) * wide / len(names)
    heights = (high, high, high, 0.4, 1.3, 0.5)
    with text_style(figure):
        figure = own_figure(figure, figsize or (wide, sum(heights) + 1.5))
        grid = figure.add_gridspec(len(heights), len(names), height_ratios=heights)
        for i, name in enumerate(names):
            true, guess = logarithm(truth[name]), logarithm(predicted[name])
            true[np.isnan(guess)] = np.nan
            residual = true - guess
            reach = _reach(predicted[name], radius)
            limits = robust_limits(true, guess)
            finite = residual[np.isfinite(residual)]
            half = np.percentile(np.abs(finite), 98) if finite.size else 1.0
            rows = (
                (true, COLOUR_MAPS.get(name, "viridis"), limits, "true"),
                (guess, COLOUR_MAPS.get(name, "viridis"), limits, "predicted"),
                (residual, "RdBu_r", (-half, half), "true − predicted [dex]"),
            )
            for j, (values, cmap, limit, what) in enumerate(rows):
                axes = sky_axes(figure, grid[j, i], predicted[name], left=i == 0, bottom=j == 2)
                picture = show(axes, values, cmap, limit)
                label = axis_label(name) if j < 2 else ""  # the title has it
                colour_bar(axes, picture, label)
                axes.set_title(what if j else f"{get_property(name).label}\n{what}", size="medium")
                draw_scale_bar(axes, predicted[name])
                if i == j == 0:
                    draw_compass(axes, predicted[name])
                if j == 2 and reach is not None:
                    axes.add_patch(_circle(residual.shape, reach))
            _histogram(figure.add_subplot(grid[3, i]), finite, half, _within(residual, reach))
            _draw_profiles(figure, grid, i, truth[name], predicted[name], bin_width, radius)
        figure.suptitle(title)
        engine = figure.get_layout_engine() if new else None
        if engine is not None:  # twice, since the first time moves the maps, which keep their shape
            engine.execute(figure)
        return figure


def _reach(map_, radius):
    """A radius in pixels; None without one."""
    if radius is None:
        return None
    scale = pixel_scale(map_)
    try:
        return float((u.Quantity(radius) / scale).to_value(u.dimensionless_unscaled))
    except u.UnitConversionError:
        raise InputError(f"radius {radius} does not fit a pixel of {scale}") from None


def _within(residual, reach):
    """The finite residuals within a number of pixels of the middle; all without one."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in residual.shape)
    near = np.hypot(x[None, :], y[:, None]) <= (np.inf if reach is None else reach)
    return residual[near & np.isfinite(residual)]


def _circle(shape, reach):
    from matplotlib.patches import Circle

    return Circle(((shape[1] - 1) / 2, (shape[0] - 1) / 2), reach, fill=False, ls="--", lw=0.8)


def _histogram(axes, residual, half, inner):
    """The distribution of residuals below their map, dashed at the percentiles of those inside."""
    keep_text_size(axes)
    axes.hist(residual, bins=40, range=(-1.5 * half, 1.5 * half), color="0.4")
    for value in np.percentile(inner, (16, 84)) if inner.size else ():
        axes.axvline(value, color="black", ls="--", lw=0.8)
    axes.set(yticks=[], ylabel="pixels", xlabel=r"$\Delta\log_{10}$ [dex]")
    axes.locator_params(axis="x", nbins=5)


def _draw_profiles(figure, grid, column, truth, predicted, bin_width, edge):
    """Radial profiles of truth and prediction, and their difference below."""
    name = predicted.property.name
    zero_point = predicted.property.zero_point
    upper = figure.add_subplot(grid[4, column])
    lower = figure.add_subplot(grid[5, column], sharex=upper)
    keep_text_size(upper)
    keep_text_size(lower)
    known = np.isfinite(predicted.data)
    medians = []
    for map_, colour, label in ((truth, TRUE, "true"), (predicted, PREDICTED, "predicted")):
        profile = radial_profile(map_, bin_width, where=known)
        profile = profile[profile["n_pixels"] >= 5]
        radius = profile["radius"]
        radius = radius.to(u.kpc) if radius.unit.is_equivalent(u.kpc) else radius
        low, median, high = (np.log10(profile[key].value / zero_point) for key in ("p16", "median", "p84"))
        medians.append(median)
        errors = (median - low, high - median)
        upper.errorbar(
            radius.value,
            median,
            yerr=errors,
            fmt="o-",
            color=colour,
            label=label,
            ms=2.5,
            lw=0.8,
            capsize=1.5,
        )
    upper.set_ylabel(axis_label(name))
    if column == 0:
        upper.legend(frameon=False, fontsize="small")
    upper.tick_params(labelbottom=False)
    lower.axhline(0, color="0.5", lw=0.8)
    lower.plot(radius.value, medians[0] - medians[1], "o-", color="black", ms=2.5, lw=0.8)
    for axes in (upper, lower) if edge is not None else ():
        axes.axvline(u.Quantity(edge).to_value(radius.unit), color="0.3", ls="--", lw=0.8)
    lower.set(xlabel=f"radius [{radius.unit}]", ylabel="Δ [dex]")

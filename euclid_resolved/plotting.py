"""Figures: maps, true against predicted, and both for a whole galaxy."""

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.metrics import OUTLIER, metrics
from euclid_resolved.profiles import pixel_scale, radial_profile
from euclid_resolved.quantities import get_property

__all__ = [
    "axis_label",
    "draw_band",
    "draw_plane",
    "plot_galaxy",
    "plot_image",
    "plot_map",
    "plot_maps",
    "plot_predicted_against_true",
    "running_median",
]

COLOUR_MAPS = {"stellar_mass_density": "inferno", "stellar_metallicity": "viridis", "stellar_age": "magma"}
NO_VALUE = "0.8"  # grey: where there is nothing to show
_TEX = {"stellar_mass_density": r"(M_\odot\,\mathrm{pc}^{-2})", "stellar_metallicity": r"Z_\odot"}


def axis_label(name):
    """What an axis shows, as TeX: the logarithm of a property in its unit (or in solar units).

    Parameters
    ----------
    name : str or `~euclid_resolved.Property`

    Returns
    -------
    label : str
    """
    prop = get_property(name)
    unit = _TEX.get(prop.name, rf"\mathrm{{{prop.unit}}}")
    return rf"$\log_{{10}}\,[{prop.symbol}\,/\,{unit}]$"


def _logarithm(map_):
    """log10 of a map as figures show it, NaN where there is none."""
    values = map_.quantity.value.astype(float)
    zero_point = map_.property.zero_point if map_.property else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.log10(values / zero_point)
    values[~np.isfinite(values)] = np.nan
    return values


def _limits(*arrays, outer=(1, 99)):
    """Colour limits at two percentiles of all values."""
    values = np.concatenate([a[np.isfinite(a)] for a in arrays])
    return tuple(np.percentile(values, outer)) if values.size else (0.0, 1.0)


def _axes_for(map_, figure, *spec):
    """Sky axes where the map has a celestial WCS, else axes in pixels."""
    if getattr(map_.wcs, "has_celestial", False):
        axes = figure.add_subplot(*spec, projection=map_.wcs)
        axes.coords[0].set_axislabel("right ascension", minpad=0.6)
        axes.coords[1].set_axislabel("declination", minpad=-0.5)
        for coordinate in axes.coords:
            coordinate.set_ticklabel(size="small", exclude_overlapping=True)
            coordinate.set_ticks(number=4)
        return axes
    axes = figure.add_subplot(*spec)
    axes.set(xticks=[], yticks=[])
    return axes


def _show(axes, values, cmap, limits):
    import matplotlib

    cmap = matplotlib.colormaps[cmap].with_extremes(bad=NO_VALUE)
    picture = axes.imshow(values, origin="lower", cmap=cmap, interpolation="nearest")
    picture.set_clim(*limits)
    return picture


def _scale_bar(axes, map_, colour="black"):
    """A bar of a round number of kpc or arcsec, about a quarter of the map."""
    scale = pixel_scale(map_)
    if scale.unit.is_equivalent(u.pix):
        return
    scale = scale.to(u.kpc if scale.unit.is_equivalent(u.kpc) else u.arcsec)
    ny, nx = map_.data.shape
    wanted = nx / 4 * scale.value
    step = 10 ** np.floor(np.log10(wanted))
    length = max(m * step for m in (1, 2, 5) if m * step <= wanted * 1.0001)
    x0, y0, pixels = 0.06 * nx, 0.07 * ny, length / scale.value
    axes.plot([x0, x0 + pixels], [y0, y0], color=colour, lw=2, solid_capstyle="butt")
    text = f"{length:g} kpc" if scale.unit == u.kpc else f"{length:g}″"
    axes.text(x0 + pixels / 2, y0 + 0.02 * ny, text, color=colour, ha="center", va="bottom", size="small")


def plot_map(map_, *, figure=None, spec=(1, 1, 1), limits=None, title=None):
    """Draw one map: logarithmic colours, a colour bar with unit, grey where there is no value.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    figure : `~matplotlib.figure.Figure`, optional
        A new one without it.
    spec : tuple of int, optional
        Where in the figure: rows, columns and place, as for `~matplotlib.figure.Figure.add_subplot`.
    limits : (float, float), optional
        Colour limits, log10; the 1st and 99th percentile without them.
    title : str, optional
        The map's label without it.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        With sky coordinates where the map has them.
    """
    import matplotlib.pyplot as plt

    figure = figure or plt.figure(figsize=(5.2, 4.4), layout="compressed")
    axes = _axes_for(map_, figure, *spec)
    values = _logarithm(map_)
    name = map_.property.name if map_.property else ""
    picture = _show(axes, values, COLOUR_MAPS.get(name, "viridis"), limits or _limits(values))
    label = axis_label(name) if name else f"log10 [{map_.unit}]"
    figure.colorbar(picture, ax=axes, label=label, shrink=0.9)
    axes.set_title(map_.label if title is None else title, size="medium")
    _scale_bar(axes, map_)
    return axes


def plot_maps(maps, *, title=""):
    """Draw several maps of one field side by side.

    Parameters
    ----------
    maps : mapping of str to `~euclid_resolved.SpatialMap`
    title : str, optional

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(5.0 * len(maps), 4.2), layout="compressed")
    for i, map_ in enumerate(maps.values()):
        plot_map(map_, figure=figure, spec=(1, len(maps), i + 1))
    figure.suptitle(title)
    return figure


def plot_image(image, *, title=None):
    """Draw every band of an image, logarithmic; grey where masked or without logarithm.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    title : str, optional
        The image's name without it.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(4.0 * len(image), 4.0), layout="compressed")
    for i, band in enumerate(image):
        draw_band(image, band, figure, (1, len(image), i + 1))
    figure.suptitle(image.name if title is None else title)
    return figure


def draw_band(image, band, figure, spec):
    """Draw one band of an image into a figure: logarithmic, grey where there is no logarithm.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    band : str
    figure : `~matplotlib.figure.Figure`
    spec : tuple of int
        Rows, columns and place.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
    """
    values = image.brightness(band).astype(float)
    values[image.mask(band)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.log10(values)
    values[~np.isfinite(values)] = np.nan
    axes = _axes_for(image, figure, *spec)
    if len(image) > 1 and getattr(image.wcs, "has_celestial", False):
        for coordinate in axes.coords:
            coordinate.set_axislabel(" ")
    picture = _show(axes, values, "bone", _limits(values, outer=(20, 99.8)))
    figure.colorbar(picture, ax=axes, label=r"$\log_{10}\,[I\,/\,(\mathrm{MJy\,sr}^{-1})]$", shrink=0.8)
    axes.set_title(band)
    return axes


def draw_plane(map_, values, figure, spec, title, label=""):
    """Draw a plane that belongs to a map into a figure, linear.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
        Whose sky coordinates the axes show.
    values : `~numpy.ndarray` or None
        Shape of the map; None leaves the axes empty.
    figure : `~matplotlib.figure.Figure`
    spec : tuple of int
        Rows, columns and place.
    title, label : str
        Of the axes and of the colour bar.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
    """
    axes = _axes_for(map_, figure, *spec)
    axes.set_title(title, size="medium")
    if values is not None:
        values = np.where(np.isfinite(values), values, np.nan)
        picture = _show(axes, values, "cividis", _limits(values))
        figure.colorbar(picture, ax=axes, label=label, shrink=0.9)
    return axes


def running_median(x, y, bins=12, minimum=20):
    """Median and 16-84 % range of `y` in bins of `x`.

    Parameters
    ----------
    x, y : array_like
        Shape (n,), finite.
    bins : int, optional
        Equal bins between the 0.5th and 99.5th percentile of `x`.
    minimum : int, optional
        Bins with fewer values are left out.

    Returns
    -------
    middle, median, p16, p84 : `~numpy.ndarray`
    """
    edges = np.linspace(*np.percentile(x, (0.5, 99.5)), bins + 1)
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = y[(x >= low) & (x < high)]
        if len(inside) >= minimum:
            rows.append(((low + high) / 2, *np.percentile(inside, (50, 16, 84))))
    return tuple(np.array(rows).reshape(-1, 4).T)


def plot_predicted_against_true(panels, *, limit=OUTLIER):
    """Density of predicted against true values, a row a property, a column a model (the paper's Fig. 3).

    Parameters
    ----------
    panels : mapping of str to mapping of str to (y_true, y_pred)
        Property name, then the model's title, then two arrays of log10 of the property in its unit.
    limit : float, optional
        Dashed lines mark this many dex from equality.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt

    if not panels:
        raise InputError("there is nothing to draw")
    columns = len(next(iter(panels.values())))
    size = (3.6 * columns + 0.6, 3.4 * len(panels))
    figure, axes = plt.subplots(len(panels), columns, figsize=size, squeeze=False, layout="constrained")
    for row, (name, models) in zip(axes, panels.items(), strict=True):
        zero_point = np.log10(get_property(name).zero_point)
        low, high = np.percentile(np.concatenate([t for t, _ in models.values()]), (0.1, 99.9)) - zero_point
        for axis, (title, (truth, guess)) in zip(row, models.items(), strict=True):
            x, y = truth - zero_point, guess - zero_point
            extent = (low, high, low, high)
            axis.hexbin(x, y, gridsize=60, extent=extent, bins="log", mincnt=1, cmap="Greys", linewidths=0.1)
            line = np.array([low, high])
            axis.plot(line, line, color="tab:red", lw=1)
            for offset in (-limit, limit):
                axis.plot(line, line + offset, color="tab:red", lw=0.8, ls="--")
            middle, median, p16, p84 = running_median(x, y)
            errors = (median - p16, p84 - median)
            axis.errorbar(middle, median, yerr=errors, fmt="o", color="tab:blue", ms=4, lw=1, capsize=2)
            scores = metrics(truth, guess)
            text = f"$R^2$ = {scores['r2']:.3f}\nRMSE = {scores['rmse']:.3f} dex"
            axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", size="small")
            axis.set(xlim=(low, high), ylim=(low, high), title=title)
            axis.set(xlabel="true " + axis_label(name), ylabel="predicted " + axis_label(name))
            axis.set_box_aspect(1)
    return figure


def plot_galaxy(truth, predicted, *, bin_width=None, title=""):
    """True map, predicted map, residual and radial profile of each property (the paper's Fig. 5).

    Parameters
    ----------
    truth, predicted : mapping of str to `~euclid_resolved.SpatialMap`
        By property name, on one grid. Truth is shown where there is a prediction.
    bin_width : `~astropy.units.Quantity`, optional
        Of the profiles; see `~euclid_resolved.profiles.radial_profile`.
    title : str, optional

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt

    names = [name for name in predicted if name in truth]
    if not names:
        raise InputError(f"no property in common: {', '.join(truth)} and {', '.join(predicted)}")
    figure = plt.figure(figsize=(4.3 * len(names), 14.5), layout="constrained")
    grid = figure.add_gridspec(5, len(names), height_ratios=(3, 3, 3, 2, 1))
    for i, name in enumerate(names):
        true, guess = _logarithm(truth[name]), _logarithm(predicted[name])
        true[np.isnan(guess)] = np.nan
        residual = true - guess
        limits = _limits(true, guess)
        rows = ((true, COLOUR_MAPS[name], limits, "true"), (guess, COLOUR_MAPS[name], limits, "predicted"))
        finite = residual[np.isfinite(residual)]
        half = np.percentile(np.abs(finite), 98) if finite.size else 1.0
        rows += ((residual, "RdBu_r", (-half, half), "true − predicted"),)
        for j, (values, cmap, limit, what) in enumerate(rows):
            axes = _axes_for(predicted[name], figure, grid[j, i])
            picture = _show(axes, values, cmap, limit)
            label = axis_label(name) if j < 2 else r"$\Delta\log_{10}$ [dex]"
            figure.colorbar(picture, ax=axes, label=label, shrink=0.9)
            axes.set_title(what if j else f"{get_property(name).label}\n{what}", size="medium")
            _scale_bar(axes, predicted[name])
            if j == 2 and finite.size:
                _histogram(axes, finite, half)
        _draw_profiles(figure, grid, i, truth[name], predicted[name], bin_width)
    figure.suptitle(title)
    return figure


def _histogram(axes, residual, half):
    """The distribution of residuals in a corner of their map, dashed at the 16th and 84th percentile."""
    inset = axes.inset_axes((0.66, 0.02, 0.32, 0.22))
    inset.hist(residual, bins=40, range=(-1.5 * half, 1.5 * half), color="0.4")
    for value in np.percentile(residual, (16, 84)):
        inset.axvline(value, color="black", ls="--", lw=0.8)
    inset.set(yticks=[])
    inset.tick_params(labelsize=6)
    inset.patch.set_alpha(0.8)


def _draw_profiles(figure, grid, column, truth, predicted, bin_width):
    """Radial profiles of truth and prediction, and their difference below."""
    name = predicted.property.name
    zero_point = predicted.property.zero_point
    upper = figure.add_subplot(grid[3, column])
    lower = figure.add_subplot(grid[4, column], sharex=upper)
    known = np.isfinite(predicted.data)
    medians = []
    for map_, colour, label in ((truth, "tab:red", "true"), (predicted, "tab:blue", "predicted")):
        profile = radial_profile(map_, bin_width, where=known)
        profile = profile[profile["n_pixels"] >= 5]
        radius = profile["radius"]
        radius = radius.to(u.kpc) if radius.unit.is_equivalent(u.kpc) else radius
        low, median, high = (np.log10(profile[key].value / zero_point) for key in ("p16", "median", "p84"))
        medians.append(median)
        errors = (median - low, high - median)
        upper.errorbar(
            radius.value, median, yerr=errors, fmt="o-", color=colour, label=label, ms=4, lw=1, capsize=2
        )
    upper.set_ylabel(axis_label(name))
    upper.legend(frameon=False, fontsize="small")
    upper.tick_params(labelbottom=False)
    lower.axhline(0, color="0.5", lw=0.8)
    lower.plot(radius.value, medians[0] - medians[1], "o-", color="black", ms=3, lw=1)
    lower.set(xlabel=f"radius [{radius.unit}]", ylabel="Δ [dex]")

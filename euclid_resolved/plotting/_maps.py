"""Figures of maps and images: values, uncertainties and bands."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from euclid_resolved._checks import check_name, check_type
from euclid_resolved.errors import InputError
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.maps._spatial_map import PLANES, SpatialMap
from euclid_resolved.plotting._sky_axes import draw_compass, draw_scale_bar, sky_axes
from euclid_resolved.plotting._style import (
    COLOUR_MAPS,
    NO_VALUE,
    axis_label,
    band_label,
    figure_size,
    keep_text_size,
    page_size,
    text_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

__all__ = ["plot_band", "plot_image", "plot_map", "plot_maps", "plot_uncertainty"]


_IN_A_ROW = 5  # bands
TITLE = 19  # characters in a line above one of several maps
OTHERS = "plot_map and plot_maps draw maps, plot_band and plot_image bands"


def logarithm(map_: SpatialMap) -> np.ndarray:
    """log10 of a map as figures show it, NaN where there is none."""
    values = map_.quantity.value.astype(float)
    zero_point = map_.property.zero_point if map_.property else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.log10(values / zero_point)
    values[~np.isfinite(values)] = np.nan
    return values


def robust_limits(*arrays: np.ndarray, outer: tuple[float, float] = (1, 99)) -> tuple[float, float]:
    """Colour limits at two percentiles of all values; values that differ by rounding only have one colour."""
    values = np.concatenate([a[np.isfinite(a)] for a in arrays])
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, outer)
    size = max(abs(low), abs(high))
    # Single precision, and a few steps with it.
    if high - low > 1e-5 * size:
        return low, high
    middle, width = (low + high) / 2, 0.05 * size or 0.05
    return middle - width, middle + width


def show(
    axes: Axes,
    values: np.ndarray,
    cmap: str,
    limits: tuple[float, float] | None = None,
    norm: Normalize | None = None,
) -> AxesImage:
    """A picture with its first row at the bottom, grey where there is no value."""
    import matplotlib

    colours = matplotlib.colormaps[cmap].with_extremes(bad=NO_VALUE)
    picture = axes.imshow(values, cmap=colours, norm=norm, **raster(axes))
    if limits is not None:
        picture.set_clim(*limits)
    return picture


def raster(axes):
    """How pixels are drawn: without smoothing, and as long and wide as `sky_axes` made them."""
    aspect = None if axes.get_aspect() == "auto" else axes.get_aspect()
    return {"origin": "lower", "interpolation": "nearest", "aspect": aspect}


def bar_ticks(low: float, high: float) -> np.ndarray:
    """Round numbers between two others: about four, two where there are no more."""
    from matplotlib.ticker import MaxNLocator

    slack = 1e-6 * (high - low)
    for number in range(4, 20):
        ticks = np.asarray(MaxNLocator(number, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        ticks = ticks[(ticks >= low - slack) & (ticks <= high + slack)]
        if len(ticks) > 2:
            return ticks
    return np.array([low, high])


def colour_bar(axes: Axes, picture: AxesImage, label: str, ticks: Any = None) -> Colorbar:
    """A colour bar as high as the picture beside which it stands, with two ticks at least."""
    cax = axes.inset_axes((1.03, 0, 0.05, 1))
    if ticks is None:
        ticks = bar_ticks(*picture.get_clim())
    bar = axes.figure.colorbar(picture, cax=cax, ticks=ticks)
    bar.set_label(label, size="small")
    keep_text_size(cax)
    return bar


def own_axes(
    image: MultiBandImage | SpatialMap, ax: Axes | None, figsize: tuple[float, float] | None = None
) -> Axes:
    """The axes that were given, or new ones in a figure of their own."""
    import matplotlib.pyplot as plt

    if ax is not None:
        return ax
    ratio = min(max(0.78 * image.shape[0] / image.shape[1], 0.3), 1.5)
    figure = plt.figure(figsize=figsize or figure_size("column", ratio), layout="compressed")
    return sky_axes(figure, (1, 1, 1), image)


def own_figure(
    figure: Figure | SubFigure | None,
    figsize: tuple[float, float] | None,
    layout: Literal["constrained", "compressed"] = "constrained",
) -> Figure:
    """The figure, or part of one, that was given, or a new one."""
    import matplotlib.pyplot as plt

    if figure is None:
        return plt.figure(figsize=figsize, layout=layout)
    return figure  # type: ignore[return-value]  # what is drawn here, a part of a figure takes as well


def plot_map(
    map_: SpatialMap,
    *,
    ax: Axes | None = None,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Axes:
    """Draw one map: logarithmic colours, a colour bar with unit, grey where there is no value.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; made with ``projection=map_.wcs`` they show sky coordinates. New ones without it.
    limits : (float, float), optional
        Colour limits, log10; the 1st and 99th percentile without them.
    title : str, optional
        The map's label without it.
    figsize : (float, float), optional
        Of a new figure, inches; see `~euclid_resolved.plotting.figure_size`.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        With a scale bar where the size of a pixel is known, north and east where the map has a sky WCS.

    Examples
    --------
    >>> from euclid_resolved.plotting import plot_map
    >>> from euclid_resolved.testing import example_galaxies
    >>> axis = plot_map(example_galaxies(1)[0].maps["stellar_age"])
    >>> axis.figure.savefig("age.png")
    """
    check_type(map_, SpatialMap, OTHERS)
    with text_style(ax):
        axes = own_axes(map_, ax, figsize)
        values = logarithm(map_)
        name = map_.property.name if map_.property else ""
        picture = show(axes, values, COLOUR_MAPS.get(name, "viridis"), limits or robust_limits(values))
        label = axis_label(name) if name else f"log10 [{map_.unit}]"
        colour_bar(axes, picture, label)
        axes.set_title(map_.label if title is None else title, size="medium")
        draw_scale_bar(axes, map_)
        draw_compass(axes, map_)
        return axes


def plot_uncertainty(
    map_: SpatialMap,
    plane: str | None = None,
    *,
    ax: Axes | None = None,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Axes:
    """Draw the one sigma of a map, in per cent of its value.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
        With an uncertainty.
    plane : str, optional
        ``"noise"`` or ``"model"``: only that part of it, where the map knows it.
    ax, limits, title, figsize
        As for `plot_map`; limits in per cent.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`

    Raises
    ------
    InputError
        If the map has no uncertainty, or no such plane.

    Examples
    --------
    >>> from astropy.nddata import StdDevUncertainty
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.plotting import plot_uncertainty
    >>> from euclid_resolved.testing import example_galaxies
    >>> density = example_galaxies(1)[0].maps["stellar_mass_density"]
    >>> error = StdDevUncertainty(0.3 * density.data)
    >>> axes = plot_uncertainty(SpatialMap(density.data, property=density.property, uncertainty=error))
    >>> axes.figure.savefig("error.png")
    """
    check_type(map_, SpatialMap, OTHERS)
    if plane is not None:
        known = [name for name in ("noise", "model") if name in map_.planes]
        check_name(plane, known, "plane", "the map has")
        sigma = map_.planes[plane]
    elif map_.uncertainty is None:
        raise InputError(
            f"{map_.label}: the map has no uncertainty; a calibrated model, or predict(..., draws=30) of an "
            "image that knows its noise, gives one"
        )
    else:
        sigma = map_.uncertainty.array
    with text_style(ax):
        axes = own_axes(map_, ax, figsize)
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = 100 * np.asarray(sigma, float) / map_.quantity.value
        relative[~np.isfinite(relative)] = np.nan
        picture = show(axes, relative, "cividis", limits or robust_limits(relative))
        colour_bar(axes, picture, "per cent of the value")
        words = f"one sigma: {map_.label}" if plane is None else PLANES[plane]
        axes.set_title(words if title is None else title, size="medium")
        draw_scale_bar(axes, map_)
        return axes


def plot_band(
    image: MultiBandImage,
    band: str,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Axes:
    """Draw one band of an image, stretched by an inverse hyperbolic sine: noise linear, light logarithmic.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    band : str
    ax, title, figsize
        As for `plot_map`; the title is the band's name without it.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        Grey where the band is masked or not finite. The label of the colour bar states the stretch: below
        the brightness that it names, about the scatter of the pixels, colours are linear.

    Examples
    --------
    >>> from euclid_resolved.plotting import plot_band
    >>> from euclid_resolved.testing import example_galaxies
    >>> axes = plot_band(example_galaxies(1)[0].image, "HE")
    >>> axes.figure.savefig("he.png")
    """
    check_type(image, MultiBandImage, OTHERS)
    with text_style(ax):
        axes = own_axes(image, ax, figsize)
        draw_bands(image, {band: axes})
        if title is not None:
            axes.set_title(title, size="medium")
    return axes


def draw_bands(image: MultiBandImage, axes: Mapping[str, Axes], in_a_row: int = _IN_A_ROW) -> None:
    """Bands with one stretch for all, which the colour bar beside the last of each row states."""
    from matplotlib.colors import AsinhNorm

    values, ends = {}, []
    for band in axes:
        values[band] = image.brightness(band).astype(float)
        values[band][image.mask(band) | ~np.isfinite(values[band])] = np.nan
        known = values[band][np.isfinite(values[band])]
        scatter = 1.4826 * np.median(np.abs(known - np.median(known))) if known.size else 1.0
        ends.append((*robust_limits(known, outer=(1, 99.8)), scatter))
    low, high, scatter = min(e[0] for e in ends), max(e[1] for e in ends), np.median([e[2] for e in ends])
    # In an image of nothing but sky the bright end is noise too; without any noise a thousandth is faint.
    width = float(max(min(scatter, (high - low) / 5), (high - low) / 1000)) or 1.0
    decades = 10.0 ** np.arange(-6, 7)
    ticks = np.array([0.0, *decades[(decades > 1.5 * width) & (decades <= high)]])
    ticks = ticks[ticks >= low]
    ticks = ticks if len(ticks) > 1 else bar_ticks(low, high)
    for i, (band, one) in enumerate(axes.items(), start=1):
        picture = show(one, values[band], "bone", norm=AsinhNorm(linear_width=width, vmin=low, vmax=high))
        one.set_title(band_label(band), size="medium")
        if i % in_a_row == 0 or i == len(axes):
            label = r"$I\,[\mathrm{MJy\,sr}^{-1}]$, asinh," + f"\nlinear below {width:.2g}"
            bar = colour_bar(one, picture, label, ticks=ticks)
            bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
            bar.ax.minorticks_off()


def plot_maps(
    maps: Mapping[str, SpatialMap],
    *,
    title: str = "",
    figure: Figure | SubFigure | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw several maps of one field side by side.

    Parameters
    ----------
    maps : mapping of str to `~euclid_resolved.SpatialMap`
    title : str, optional
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.
    figsize : (float, float), optional
        Of a new figure, inches.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Raises
    ------
    InputError
        If there is no map.

    Examples
    --------
    >>> from euclid_resolved.plotting import plot_maps
    >>> from euclid_resolved.testing import example_galaxies
    >>> figure = plot_maps(example_galaxies(1)[0].maps)
    >>> figure.savefig("maps.png")
    """
    check_type(maps, Mapping, "for one map there is plot_map")
    if not maps:
        raise InputError("there is no map to draw")
    ny, nx = next(iter(maps.values())).shape
    with text_style(figure):
        size = page_size(len(maps), min(max(0.72 * ny / nx, 0.3), 1.5) + 0.15 + 0.1 * bool(title))
        figure = own_figure(figure, figsize or size, "compressed")
        for i, map_ in enumerate(maps.values()):
            axes = sky_axes(figure, (1, len(maps), i + 1), map_, left=i == 0)
            plot_map(map_, ax=axes, title=fill(map_.label, TITLE))
        figure.suptitle(title)
    return figure


def plot_image(
    image: MultiBandImage,
    *,
    title: str | None = None,
    figure: Figure | SubFigure | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw every band of an image side by side, in rows of five at most, with one stretch for all bands.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    title : str, optional
        The image's name without it.
    figure, figsize
        As for `plot_maps`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Examples
    --------
    >>> from euclid_resolved.plotting import plot_image
    >>> from euclid_resolved.testing import example_galaxies
    >>> figure = plot_image(example_galaxies(1)[0].image, title="four bands")
    >>> figure.savefig("bands.png")
    """
    check_type(image, MultiBandImage, OTHERS)
    rows = -(-len(image) // _IN_A_ROW)
    columns = -(-len(image) // rows)
    title = image.name if title is None else title
    with text_style(figure):
        wide, _ = page_size(columns, 1)
        ratio = min(max(image.shape[0] / image.shape[1], 0.3), 2)
        high = rows * (0.8 * ratio * wide / columns + 0.25) + 0.2 * bool(title)
        figure = own_figure(figure, figsize or (wide, high), "compressed")
        axes = {}
        for i, band in enumerate(image):
            place, left, bottom = (rows, columns, i + 1), i % columns == 0, i + columns >= len(image)
            axes[band] = sky_axes(figure, place, image, left=left, bottom=bottom)
        draw_bands(image, axes, columns)
        for one in list(axes.values())[columns - 1 :: columns]:
            draw_scale_bar(one, image, "white")
            draw_compass(one, image, "white")
        figure.suptitle(title)
    return figure

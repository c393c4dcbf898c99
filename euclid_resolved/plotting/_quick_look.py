"""One figure to believe maps by, or not: the bands, the maps, their errors, and the reasons of every gap."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_type
from euclid_resolved.errors import InputError
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.maps._budget import budget_words
from euclid_resolved.maps._shares import SHARES
from euclid_resolved.models._model import Model
from euclid_resolved.plotting._maps import (
    TITLE,
    draw_bands,
    logarithm,
    own_figure,
    plot_map,
    plot_uncertainty,
)
from euclid_resolved.plotting._quality import plot_quality, quality_legend
from euclid_resolved.plotting._sky_axes import draw_compass, draw_scale_bar, sky_axes
from euclid_resolved.plotting._style import figure_size, text_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["quicklook"]


def quicklook(
    image: MultiBandImage | str | Path | Mapping[str, str | Path] | Sequence[str],
    maps: Mapping[str, SpatialMap] | None = None,
    model: Model | None = None,
    *,
    title: str | None = None,
    figure: Figure | SubFigure | None = None,
    figsize: tuple[float, float] | None = None,
    **options: Any,
) -> Figure:
    """Draw an image and its maps: bands, maps, errors where they are known, and the reason of every gap.

    Where values fill less than half of the width and of the height, maps and errors are drawn enlarged, and
    a frame in the bands shows which part they are.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`, or what `~euclid_resolved.read_euclid` reads
        For example the path of a cut-out, which is prepared (``prepare(image, auto=True)``) before it is
        mapped.
    maps : mapping of str to `~euclid_resolved.SpatialMap`, optional
        On the grid of the image, as `~euclid_resolved.Model.predict_maps` gives them; made without it.
    model : `~euclid_resolved.Model`, optional
        What to make them with; `~euclid_resolved.mock.default_model` without it.
    title : str, optional
        The image's name without it.
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`, optional
        Where to draw; a new one without it.
    figsize : (float, float), optional
        Of a new figure, inches; see `~euclid_resolved.plotting.figure_size`.
    **options
        `draws`, `seed`, `level` and `min_sn`, as for `~euclid_resolved.Model.predict_maps`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Raises
    ------
    InputError
        If there is no map, a map is not on the image's grid, or maps and a model are both given.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, quicklook, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(side=8)
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> figure = quicklook(galaxies[3].image, model=model)
    >>> figure.savefig("quicklook.png")
    """
    if maps is not None and (model is not None or options):
        raise InputError("give maps, or a model (and its options) to make them with, not both")
    if maps is None:
        image, maps = _mapped(image, model, options)
    elif not isinstance(image, MultiBandImage):
        image = _read(image, None)
    check_type(maps, Mapping, "maps by property, as predict_maps gives them; a model goes in model=")
    if not maps:
        raise InputError("there is no map to draw")
    wrong = [f"{name} {map_.shape}" for name, map_ in maps.items() if map_.shape != image.shape]
    if wrong:
        raise InputError(f"maps of the image's shape {image.shape} are needed, got {', '.join(wrong)}")
    return _draw(image, maps, image.name if title is None else title, figure, figsize)


def _read(image: Any, bands: Sequence[str] | None) -> MultiBandImage:
    from euclid_resolved.io.euclid._cutout import read_euclid

    return read_euclid(image) if bands is None else read_euclid(image, bands=bands)


def _mapped(
    image: Any, model: Model | None, options: Mapping[str, Any]
) -> tuple[MultiBandImage, dict[str, SpatialMap]]:
    """The image, read where it has to be, and its maps."""
    from euclid_resolved.imaging._prepare import prepare
    from euclid_resolved.io._lacking import bands_for

    if model is None:
        from euclid_resolved.mock._default_model import default_model

        model = default_model()
    check_type(model, Model, "read opens a model file")
    if not isinstance(image, MultiBandImage):
        image = _read(image, bands_for(model, image))
        # As the command line does; who brings an image has prepared it.
        image = prepare(image, auto=True)
    return image, model.predict_maps(image, **options)


def _draw(
    image: MultiBandImage,
    maps: Mapping[str, SpatialMap],
    title: str,
    figure: Figure | SubFigure | None,
    figsize: tuple[float, float] | None,
) -> Figure:
    errors = {name: map_ for name, map_ in maps.items() if map_.uncertainty is not None}
    rows, columns = 3 if errors else 2, max(len(image), len(maps) + 1)
    first = next(iter(maps.values()))
    reasons = quality_legend(first)
    trust = textwrap.fill(str(first.meta.get("trust", "")), 130)
    ratio = min(max(image.shape[0] / image.shape[1], 0.3), 2)
    wide, _ = figure_size("page")
    lines = sum(str(one.get_label()).count("\n") + 1 for one in reasons) + trust.count("\n") + 3
    size = wide, rows * (0.66 * ratio * wide / columns + 0.35) + 0.15 * lines
    box = _close_up(maps)
    with text_style(figure):
        figure = own_figure(figure, figsize or size, "compressed")
        bands = {}
        for i, band in enumerate(image):
            bands[band] = sky_axes(figure, (rows, columns, i + 1), image, left=i == 0, bottom=False)
        draw_bands(image, bands, columns)
        for axes in bands.values():
            draw_scale_bar(axes, image, "white")
            draw_compass(axes, image, "white")
            if box is not None:
                _frame(axes, box)
        for i, (name, whole) in enumerate(maps.items()):
            place, last = (rows, columns, columns + i + 1), name not in errors
            map_ = whole if box is None else whole[box]
            axes = sky_axes(figure, place, map_, left=i == 0, bottom=last)
            plot_map(map_, ax=axes, title=textwrap.fill(map_.label, TITLE))
            if name in errors:
                place = rows, columns, 2 * columns + i + 1
                plot_uncertainty(map_, ax=sky_axes(figure, place, map_, left=i == 0), title=_one_sigma(whole))
        place = rows, columns, columns + len(maps) + 1
        plot_quality(first, ax=sky_axes(figure, place, first, left=False), legend=False)
        style = {"frameon": False, "fontsize": "small", "title_fontsize": "small", "alignment": "left"}
        figure.legend(
            handles=reasons, loc="outside lower left", title="\n".join(filter(None, [trust, SHARES])), **style
        )
        figure.suptitle(title)
        return figure


def _close_up(maps: Mapping[str, SpatialMap]) -> tuple[slice, slice] | None:
    """The part of the maps with values and a margin, in the shape of the whole; None if it is most of it."""
    known = np.any([np.isfinite(logarithm(map_)) for map_ in maps.values()], axis=0)
    if not known.any():
        return None
    shape = np.array(known.shape)
    found = [np.flatnonzero(known.any(axis=axis)) for axis in (1, 0)]
    middle = np.array([(each[0] + each[-1] + 1) / 2 for each in found])
    # A margin of a third on each side, and no fewer pixels than show what a pixel is.
    part = max(
        max((each[-1] + 1 - each[0]) / n for each, n in zip(found, shape, strict=True)) * 5 / 3,
        24 / shape.min(),
    )
    if part > 0.5:
        return None
    side = np.ceil(part * shape).astype(int)
    start = np.clip(np.round(middle - side / 2).astype(int), 0, shape - side)
    return slice(start[0], start[0] + side[0]), slice(start[1], start[1] + side[1])


def _frame(axes: Any, box: tuple[slice, slice]) -> None:
    """The outline of a part of the image."""
    from matplotlib.patches import Rectangle

    y, x = box
    side = x.stop - x.start, y.stop - y.start
    axes.add_patch(Rectangle((x.start - 0.5, y.start - 0.5), *side, fill=False, edgecolor="white", lw=0.8))


def _one_sigma(map_):
    """The title of a panel of errors: what they consist of."""
    return textwrap.fill(f"one sigma, {budget_words(map_)}".removesuffix(", "), TITLE)

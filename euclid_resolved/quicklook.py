"""One figure to believe maps by, or not: the bands, the maps, their errors, and the reasons of every gap."""

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.maps import Quality
from euclid_resolved.plotting import draw_band, draw_plane, plot_map

__all__ = ["plot_quicklook"]

# The first of these that a pixel has is what it is shown as: why it is empty before what is odd about it.
_ORDER = (
    Quality.NEIGHBOUR, Quality.SATURATED, Quality.TILE_GAP, Quality.PSF, Quality.RESAMPLED, Quality.UNBINNED,
    Quality.MASKED, Quality.NONFINITE, Quality.MISSING_BAND, Quality.BELOW_CLIP, Quality.NONPOSITIVE,
    Quality.NOISE, Quality.OUT_OF_DOMAIN,
)  # fmt: skip


def plot_quicklook(image, maps, *, title=""):
    """Draw an image and its maps: bands, maps, relative errors where they are known, and quality.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    maps : mapping of str to `~euclid_resolved.SpatialMap`
        On the grid of the image, as `~euclid_resolved.Model.predict_maps` gives them.
    title : str, optional

    Returns
    -------
    figure : `~matplotlib.figure.Figure`

    Raises
    ------
    InputError
        If there is no map, or a map is not on the image's grid.
    """
    import matplotlib.pyplot as plt

    if not maps or any(map_.shape != image.shape for map_ in maps.values()):
        raise InputError(f"maps of the image's shape {image.shape} are needed")
    errors = [map_ for map_ in maps.values() if map_.uncertainty is not None]
    columns, rows = max(len(image), len(maps) + 1), 3 if errors else 2
    figure = plt.figure(figsize=(4.6 * columns, 3.7 * rows), layout="compressed")
    for i, band in enumerate(image):
        draw_band(image, band, figure, (rows, columns, i + 1))
    for i, map_ in enumerate(maps.values()):
        plot_map(map_, figure=figure, spec=(rows, columns, columns + i + 1))
        if map_ in errors:
            with np.errstate(invalid="ignore", divide="ignore"):
                relative = 100 * np.asarray(map_.uncertainty.array, float) / map_.quantity.value
            spec = (rows, columns, 2 * columns + i + 1)
            draw_plane(map_, relative, figure, spec, f"one sigma: {map_.label}", "per cent of the value")
    _draw_quality(next(iter(maps.values())), figure, (rows, columns, columns + len(maps) + 1))
    figure.suptitle(title)
    return figure


def _draw_quality(map_, figure, spec):
    """The reason of every pixel in a colour of its own, with the fraction of pixels it holds."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    kind = np.zeros(map_.shape, int)
    for i, bit in reversed(list(enumerate(_ORDER, 1))):
        kind[(map_.quality & bit) != 0] = i
    present, kind = np.unique(kind, return_inverse=True)
    kind = kind.reshape(map_.shape)
    colours = ["white", *matplotlib.colormaps["tab20"].colors[: len(_ORDER)]]
    names = ["no remark", *(bit.name for bit in _ORDER)]
    axes = draw_plane(map_, None, figure, spec, "quality")
    shown = ListedColormap([colours[i] for i in present])
    picture = axes.imshow(kind, origin="lower", cmap=shown, interpolation="nearest")
    picture.set_clim(-0.5, len(present) - 0.5)
    bar = figure.colorbar(picture, ax=axes, shrink=0.9, ticks=range(len(present)))
    labels = [f"{names[i]} {100 * (kind == n).mean():.1f} %" for n, i in enumerate(present)]
    bar.ax.set_yticklabels(labels, size="x-small")

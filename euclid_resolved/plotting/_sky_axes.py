"""Axes on the sky: coordinates, a bar of a round length, and which way is north."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.images._pixels import pixel_sides, sky_matrix
from euclid_resolved.plotting._style import keep_text_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.gridspec import SubplotSpec

    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._spatial_map import SpatialMap

_NAMES = {
    "pos.eq.ra": "right ascension",
    "pos.eq.dec": "declination",
    "pos.galactic.lon": "galactic longitude",
    "pos.galactic.lat": "galactic latitude",
    "pos.ecliptic.lon": "ecliptic longitude",
    "pos.ecliptic.lat": "ecliptic latitude",
}


def sky_axes(
    figure: Figure | SubFigure,
    spec: tuple[int, int, int] | SubplotSpec,
    image: MultiBandImage | SpatialMap,
    *,
    left: bool = True,
    bottom: bool = True,
) -> Axes:
    """New axes in sky coordinates, or in pixels, without ticks, where there are none.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure` or `~matplotlib.figure.SubFigure`
    spec : tuple of int or `~matplotlib.gridspec.SubplotSpec`
        Where: rows, columns and place, as for `~matplotlib.figure.Figure.add_subplot`.
    image : `~euclid_resolved.MultiBandImage` or `~euclid_resolved.SpatialMap`
        Whose coordinates the axes show.
    left, bottom : bool, optional
        Whether to write the coordinates beside them.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        Each coordinate stands where it changes more: below or on the left. Pixels that are no squares are
        drawn as they are on the sky.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from euclid_resolved.plotting._sky_axes import sky_axes
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> axes = sky_axes(plt.figure(), (1, 1, 1), image)
    >>> shown = axes.imshow(image.brightness("HE"))
    """
    where = spec if isinstance(spec, tuple) else (spec,)
    if image.wcs is None or not getattr(image.wcs, "has_celestial", False):
        axes = figure.add_subplot(*where)
        axes.set(xticks=[], yticks=[])
        return axes
    axes = figure.add_subplot(*where, projection=image.wcs)
    keep_text_size(axes)
    across = _across(image)
    for i, kind in enumerate(image.wcs.world_axis_physical_types):
        coordinate, below = axes.coords[i], i == across
        if across == 1:  # matplotlib's axes put the first one below
            for place in (coordinate.set_ticks_position, coordinate.set_ticklabel_position):
                place("b" if below else "l")
            coordinate.set_axislabel_position("b" if below else "l")
        shown, name = bottom if below else left, _NAMES.get(kind, coordinate.coord_type)
        coordinate.set_ticks(number=4)
        coordinate.set_ticklabel(exclude_overlapping=True)
        coordinate.set_axislabel(name if shown else " ", minpad=0.6 if below else 0.8)
        coordinate.set_ticklabel_visible(shown)
    x, y = pixel_sides(image)
    if x != y:
        axes.set_aspect(float(y / x))
    return axes


def _across(image):
    """Which of the two coordinates changes along x."""
    matrix = sky_matrix(image.wcs, image.shape)
    if matrix is None or not np.isfinite(matrix).all():
        return 0
    lon_across = abs(matrix[0, 0] * matrix[1, 1]) >= abs(matrix[0, 1] * matrix[1, 0])
    return image.wcs.wcs.lng if lon_across else image.wcs.wcs.lat


def _ink(colour, width=0.0):
    """Black or white with an edge of the other, so that it can be seen on any picture."""
    from matplotlib.patheffects import withStroke

    edge = "white" if colour == "black" else "black"
    return {"color": colour, "path_effects": [withStroke(linewidth=width + 1.5, foreground=edge)]}


def draw_scale_bar(axes: Axes, image: MultiBandImage | SpatialMap, colour: str = "black") -> None:
    """A bar of a round number of kpc, pc or arcsec, about a quarter of the picture; none in mere pixels.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        That show the whole image.
    image : `~euclid_resolved.MultiBandImage` or `~euclid_resolved.SpatialMap`
        A ``meta["pixel_scale"]``, which a known distance leaves, counts before the WCS.
    colour : str, optional
        Black or white.

    Examples
    --------
    >>> import astropy.units as u
    >>> import matplotlib.pyplot as plt
    >>> from euclid_resolved.plotting._sky_axes import draw_scale_bar
    >>> from euclid_resolved.plotting._sky_axes import sky_axes
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> image.meta["pixel_scale"] = 100 * u.pc
    >>> axes = sky_axes(plt.figure(), (1, 1, 1), image)
    >>> shown = axes.imshow(image.brightness("HE"))
    >>> draw_scale_bar(axes, image)
    >>> [text.get_text() for text in axes.texts]
    ['200 pc']
    """
    scale = pixel_sides(image)[0]
    if scale.unit.is_equivalent(u.pix):
        return
    ny, nx = image.shape
    scale = scale.to(u.kpc if scale.unit.is_equivalent(u.kpc) else u.arcsec)
    if scale.unit == u.kpc and nx / 4 * scale.value < 1:
        scale = scale.to(u.pc)
    wanted = nx / 4 * scale.value
    step = 10 ** np.floor(np.log10(wanted))
    length = max(m * step for m in (1, 2, 5) if m * step <= wanted * 1.0001)
    x0, y0, pixels = 0.06 * nx, 0.07 * ny, length / scale.value
    style: dict[str, Any] = {"lw": 2, "solid_capstyle": "butt", "scalex": False, "scaley": False}
    axes.plot([x0, x0 + pixels], [y0, y0], **style, **_ink(colour, 2))
    text = f"{length:g}″" if scale.unit == u.arcsec else f"{length:g} {scale.unit}"
    style = {"ha": "left", "va": "bottom", "size": "small", **_ink(colour)}
    axes.text(x0, y0 + 0.02 * ny, text, **style)


def draw_compass(axes: Axes, image: MultiBandImage | SpatialMap, colour: str = "black") -> None:
    """Arrows to the north and east in the lower right corner, where the WCS says where that is.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        That show the whole image.
    image : `~euclid_resolved.MultiBandImage` or `~euclid_resolved.SpatialMap`
    colour : str, optional
        Black or white.

    Examples
    --------
    >>> import astropy.units as u
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.plotting._sky_axes import draw_compass
    >>> from euclid_resolved.plotting._sky_axes import sky_axes
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 8, "CRPIX2": 8})
    >>> wcs.wcs.cdelt = -3e-5, 3e-5
    >>> image = MultiBandImage({"HE": NDData(np.ones((16, 16)), unit=u.MJy / u.sr, wcs=wcs)})
    >>> axes = sky_axes(plt.figure(), (1, 1, 1), image)
    >>> draw_compass(axes, image)
    >>> sorted(text.get_text() for text in axes.texts if text.get_text())
    ['E', 'N']
    """
    if image.wcs is None or not getattr(image.wcs, "has_celestial", False):
        return
    ny, nx = image.shape
    middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
    here = image.wcs.pixel_to_world(*middle).icrs
    length, arrows = 0.13 * min(nx, ny), {}
    for name, angle in (("N", 0 * u.deg), ("E", 90 * u.deg)):
        there = here.directional_offset_by(angle, 1 * u.arcsec)
        step = np.array(image.wcs.world_to_pixel(there)) - middle
        arrows[name] = length * step / np.hypot(*step)
    if not np.isfinite(list(arrows.values())).all():
        return
    start = np.array([nx - 1.4 * length, 1.4 * length]) - sum(arrows.values()) / 2
    for name, arrow in arrows.items():
        style = {"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0, **_ink(colour, 1)}
        axes.annotate("", start + arrow, start, arrowprops=style)
        x, y = start + 1.3 * arrow
        axes.text(x, y, name, ha="center", va="center", size="small", **_ink(colour))

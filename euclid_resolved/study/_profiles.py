"""Residuals of a galaxy by place: within a circle, by radius, and by height above and below a disc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import QTable

from euclid_resolved.diagnostics._panels import page_panels
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.maps._profiles import radial_profile
from euclid_resolved.maps._properties import get_property
from euclid_resolved.plotting._style import PREDICTED, TRUE, axis_label, text_style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from euclid_resolved.maps._spatial_map import SpatialMap

BIN = 1.5 * u.kpc
"""Width of the annuli of radial profiles (Sect. 4.4)."""

_FEWEST = 5  # pixels that tell a median


def in_dex(map_: SpatialMap) -> np.ndarray:
    """log10 of a map in its unit, float64; NaN where it is masked or has no logarithm."""
    values = np.asarray(map_.data, float)
    bad = ~(values > 0) if map_.mask is None else ~(values > 0) | np.asarray(map_.mask, bool)
    return np.log10(np.where(bad, np.nan, values))


def offsets(map_: SpatialMap, position_angle: u.Quantity = 0 * u.deg) -> tuple[np.ndarray, np.ndarray]:
    """How far each pixel lies from the middle of a map, along an axis and across it, in pixels.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    position_angle : `~astropy.units.Quantity`, optional
        Of the axis, counter-clockwise from the y axis of the pixels.

    Returns
    -------
    along, across : `~numpy.ndarray`
        Signed, shape of the map.
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in np.shape(map_.data))
    x, y = np.meshgrid(x, y)
    sine, cosine = np.sin(position_angle.to_value("rad")), np.cos(position_angle.to_value("rad"))
    return y * cosine - x * sine, x * cosine + y * sine


def in_pixels(map_: SpatialMap, length: u.Quantity) -> float | None:
    """A length in pixels of a map; None where the size of a pixel is no length."""
    scale = pixel_scale(map_)
    return float((length / scale).to_value("")) if scale.unit.is_equivalent(u.kpc) else None


def inner_residual(truth: SpatialMap, guess: SpatialMap, radius: u.Quantity | None) -> dict[str, float]:
    """Median and 16-84 % range of truth minus estimate within a circle about the middle.

    Parameters
    ----------
    truth, guess : `~euclid_resolved.SpatialMap`
        On one grid, of one property.
    radius : `~astropy.units.Quantity` or None
        A length; the whole map without it, or where a pixel has no length.

    Returns
    -------
    values : dict of str to float
        ``inner_median``, ``inner_p16``, ``inner_p84``, dex; NaN without a pixel.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.study._profiles import inner_residual
    >>> meta, values = {"pixel_scale": 1 * u.kpc}, np.full((41, 41), 10.0)
    >>> guess = SpatialMap(values.copy(), property="stellar_age", meta=meta)
    >>> values[20, 20 - 3 : 20 + 4] = 20.0  # twice the estimate along seven pixels in the middle
    >>> truth = SpatialMap(values, property="stellar_age", meta=meta)
    >>> print({key: round(value, 3) for key, value in inner_residual(truth, guess, 2 * u.kpc).items()})
    {'inner_median': 0.0, 'inner_p16': 0.0, 'inner_p84': 0.301}
    """
    residual = in_dex(truth) - in_dex(guess)
    reach = None if radius is None else in_pixels(truth, radius)
    if reach is not None:
        residual = residual[np.hypot(*offsets(truth)) <= reach]
    residual = residual[np.isfinite(residual)]
    values = np.percentile(residual, (50, 16, 84)) if residual.size else np.full(3, np.nan)
    return dict(zip(("inner_median", "inner_p16", "inner_p84"), map(float, values), strict=True))


def profile_difference(truth: SpatialMap, guess: SpatialMap, radius: u.Quantity | None) -> float:
    """The largest difference, in absolute value, of the radial profiles of truth and estimate.

    Parameters
    ----------
    truth, guess : `~euclid_resolved.SpatialMap`
        On one grid, of one property.
    radius : `~astropy.units.Quantity` or None
        Only annuli whose middle lies within it; all without it.

    Returns
    -------
    difference : float
        Of log10 of the medians in annuli of `BIN` with at least five pixels, dex; NaN where there is none,
        or a pixel has no length.
    """
    if in_pixels(truth, BIN) is None:
        return np.nan
    known = np.isfinite(in_dex(truth) + in_dex(guess))
    ours, theirs = (radial_profile(each, BIN, where=known) for each in (guess, truth))
    some = ours["n_pixels"] >= _FEWEST
    if radius is not None:
        some &= ours["radius"] <= radius
    apart = np.abs(np.log10(theirs["median"].value[some]) - np.log10(ours["median"].value[some]))
    return float(np.max(apart)) if apart.size else np.nan


def vertical_profile(
    truth: SpatialMap,
    guess: SpatialMap,
    position_angle: u.Quantity,
    *,
    half_length: u.Quantity = 5 * u.kpc,
    bin_width: u.Quantity = 0.5 * u.kpc,
) -> QTable:
    """Truth and estimate against the height above and below a disc that is seen edge-on.

    Parameters
    ----------
    truth, guess : `~euclid_resolved.SpatialMap`
        On one grid, of one property; the galaxy in the middle, pixels with a length.
    position_angle : `~astropy.units.Quantity`
        Of the disc, counter-clockwise from the y axis of the pixels.
    half_length : `~astropy.units.Quantity`, optional
        Only pixels that lie no further from the minor axis.
    bin_width : `~astropy.units.Quantity`, optional
        At least the side of a pixel is taken.

    Returns
    -------
    profile : `~astropy.table.QTable`
        ``height`` (kpc, signed: above and below), ``true`` and ``predicted`` (medians of log10),
        ``difference`` (median of truth minus estimate) in dex, and ``n_pixels``; only heights with at least
        five pixels that are known in both.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.study._profiles import vertical_profile
    >>> meta, height = {"pixel_scale": 0.5 * u.kpc}, np.abs(np.arange(41) - 20)[:, None] * 0.5
    >>> metals = 10 ** (-1.7 - 0.1 * height) * np.ones((41, 41))  # falls by 0.1 dex a kpc from a flat disc
    >>> truth = SpatialMap(metals, property="stellar_metallicity", meta=meta)
    >>> guess = SpatialMap(np.full((41, 41), 0.02), property="stellar_metallicity", meta=meta)
    >>> table = vertical_profile(truth, guess, 90 * u.deg)
    >>> for row in table[np.abs(table["height"]) <= 1 * u.kpc]:
    ...     print(f"{row['height']:.1f}: {row['difference']:.2f}")
    -1.0 kpc: -0.10 dex
    -0.5 kpc: -0.05 dex
    0.0 kpc: -0.00 dex
    0.5 kpc: -0.05 dex
    1.0 kpc: -0.10 dex
    """
    side = pixel_scale(truth).to_value(u.kpc)
    along, across = (each * side for each in offsets(truth, position_angle))
    true, ours = in_dex(truth), in_dex(guess)
    known = np.isfinite(true + ours) & (np.abs(along) <= half_length.to_value(u.kpc))
    width = max(bin_width.to_value(u.kpc), side)
    number = np.rint(across[known] / width).astype(int)
    rows = []
    for n in np.unique(number):
        here = number == n
        if here.sum() < _FEWEST:
            continue
        values = (true[known][here], ours[known][here])
        medians = [float(np.median(each)) for each in (*values, values[0] - values[1])]
        rows.append((n * width, *medians, int(here.sum())))
    names = ("height", "true", "predicted", "difference", "n_pixels")
    table = QTable(rows=rows, names=names, dtype=(float, float, float, float, int))
    table["height"] = table["height"] * u.kpc
    for name in names[1:4]:
        table[name] = table[name] * u.dex
    return table


def in_and_off_plane(profile: QTable) -> tuple[float, float]:
    """The median difference in the disc, and that above and below it.

    Parameters
    ----------
    profile : `~astropy.table.QTable`
        As from `vertical_profile`.

    Returns
    -------
    in_plane, off_plane : float
        Of the heights within a third of the largest, and of the others, dex; NaN without any.
    """
    height = np.abs(profile["height"].to_value(u.kpc))
    difference = profile["difference"].to_value(u.dex)
    near = height <= height.max() / 3 if height.size else np.zeros(0, bool)
    inside, outside = (
        float(np.median(v)) if v.size else np.nan for v in (difference[near], difference[~near])
    )
    return inside, outside


def plot_vertical(profiles: Mapping[str, QTable]) -> Figure:
    """Truth and estimate against height, a panel a property.

    Parameters
    ----------
    profiles : mapping of str to `~astropy.table.QTable`
        By property, as from `vertical_profile`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    with text_style():
        figure, axes = page_panels(len(profiles), 2.1)
        for axis, (name, profile) in zip(axes, profiles.items(), strict=True):
            height, solar = profile["height"].to_value(u.kpc), np.log10(get_property(name).zero_point)
            for column, colour in (("true", TRUE), ("predicted", PREDICTED)):
                values = profile[column].to_value(u.dex) - solar
                axis.plot(height, values, "o-", color=colour, ms=2.5, lw=0.8, label=column)
            axis.axvline(0, color="0.5", lw=0.6)
            axis.set(xlabel="height [kpc]", ylabel=axis_label(name))
        axes[0].legend(frameon=False)
    return figure

"""Totals of whole galaxies: sums of a model's estimates beside the truth, within two half-light radii."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model

DENSITY, METALLICITY, AGE = "stellar_mass_density", "stellar_metallicity", "stellar_age"
QUANTITIES = ("mass", "mass of metals", "metallicity", "age")
"""Of a galaxy: sums of density and of density times metallicity, and means weighted by density."""

PUBLISHED_TOTALS = {
    "mass": {"scatter": "0.09"},
    "mass of metals": {"scatter": "0.14", "bias": "-0.16"},
    "age": {"scatter": "0.09"},
}
"""Buck & Wolf (2021): a U-Net on images of Illustris galaxies in the bands of SDSS; dex. Scatter and bias of
the totals in two half-light radii, one point a galaxy."""


def half_light_radius(light: np.ndarray) -> float:
    """The radius about the middle of an image that holds half of its light, in pixels.

    Parameters
    ----------
    light : `~numpy.ndarray`
        Surface brightness, shape (ny, nx); what is not finite counts as none.

    Returns
    -------
    radius : float
        Of a circle, as seen: a galaxy is not turned face-on.

    Raises
    ------
    InputError
        If there is no light.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.study._totals import half_light_radius, radius_of_pixels
    >>> disc = (radius_of_pixels((101, 101)) < 40).astype(float)
    >>> print(f"{half_light_radius(disc):.0f} of 40 pixels hold half of the area")
    28 of 40 pixels hold half of the area
    """
    values = np.where(np.isfinite(light), light, 0.0).astype(float).ravel()
    radius = radius_of_pixels(light.shape).ravel()
    order = np.argsort(radius, kind="stable")
    grown = np.cumsum(values[order])
    if not grown[-1] > 0:
        raise InputError("an image without light has no half-light radius")
    return float(radius[order][np.argmax(grown >= grown[-1] / 2)])


def radius_of_pixels(shape: tuple[int, ...]) -> np.ndarray:
    """How far each pixel is from the middle of an image, in pixels."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.hypot(x[None, :], y[:, None])


def totals(density: ArrayLike, metallicity: ArrayLike, age: ArrayLike) -> dict[str, float]:
    """The totals of the pixels of a galaxy, log10.

    Parameters
    ----------
    density, metallicity, age : array_like
        Of the same pixels, linear, shape (n,).

    Returns
    -------
    values : dict of str to float
        By `QUANTITIES`: of mass and of metals in units of a pixel's area, means in the unit of the map.

    Examples
    --------
    >>> from euclid_resolved.study._totals import totals
    >>> two = totals([30.0, 70.0], [0.02, 0.01], [2.0, 6.0])
    >>> print({name: round(10**value, 4) for name, value in two.items()})
    {'mass': 100.0, 'mass of metals': 1.3, 'metallicity': 0.013, 'age': 4.8}
    """
    mass, metals, years = (np.asarray(each, float) for each in (density, metallicity, age))
    total = mass.sum()
    found = {"mass": total, "mass of metals": (mass * metals).sum(), "age": (mass * years).sum() / total}
    found["metallicity"] = found["mass of metals"] / total
    return {name: float(np.log10(found[name])) for name in QUANTITIES}


def galaxy_totals(
    model: Model, galaxies: Sequence[Galaxy], *, radii: float = 2.0, plane: str | None = None
) -> list[dict[str, Any]]:
    """Totals of galaxies as a model's maps have them, against the truth of the same pixels.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Of density, metallicity and age.
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Galaxies that the model has not seen, in the middle of their images. Those without a mapped pixel
        are left out.
    radii : float, optional
        How many half-light radii, in the model's clip band, are summed.
    plane : str, optional
        The plane of the maps to sum, for example ``"mean"`` of a calibrated model; the estimates without it.

    Returns
    -------
    rows : list of dict
        A row a galaxy: ``galaxy``, the ``mapped`` fraction of its true mass within that radius, and log10 of
        estimate over truth for each of `QUANTITIES`.

    Raises
    ------
    InputError
        If the model does not estimate the three, or its maps have no such plane.
    """
    names = (DENSITY, METALLICITY, AGE)
    if not set(names) <= set(model.properties):
        raise InputError(f"totals need {', '.join(names)}; the model has {', '.join(model.properties)}")
    rows = []
    for galaxy in galaxies:
        image, truth = galaxy.load()
        maps = model.predict_maps(image)
        light = image.brightness(model.clip_band)
        inside = radius_of_pixels(image.shape) <= radii * half_light_radius(light)
        true = [_known(truth[name]) for name in names]
        found = [_plane(maps[name], plane) for name in names]
        some = inside & np.logical_and.reduce([np.isfinite(each) for each in (*true, *found)])
        if not some.any():
            continue
        ours, theirs = (totals(*(each[some] for each in values)) for values in (found, true))
        row = {"galaxy": galaxy.name, "mapped": float(true[0][some].sum() / np.nansum(true[0][inside]))}
        rows.append(row | {name: ours[name] - theirs[name] for name in QUANTITIES})
    return rows


def _known(truth):
    values = np.asarray(truth.data, float)
    good = (values > 0) if truth.mask is None else (values > 0) & ~np.asarray(truth.mask)
    return np.where(good, values, np.nan)


def _plane(map_, plane):
    values = np.where(map_.mask, np.nan, np.asarray(map_.data, float))
    if plane is None:
        return values
    if plane not in map_.planes:
        raise InputError(f"the map has no plane {plane!r}, only {', '.join(map_.planes) or 'none'}")
    return np.where(np.isfinite(values), map_.planes[plane], np.nan)


def scatter_and_bias(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Scatter and bias of the totals of galaxies.

    Parameters
    ----------
    rows : sequence of mapping
        As `galaxy_totals` gives them.

    Returns
    -------
    values : dict of str to dict of str to float
        By `QUANTITIES`: standard deviation and mean over galaxies, dex; NaN without a galaxy.

    Examples
    --------
    >>> from euclid_resolved.study._totals import QUANTITIES, scatter_and_bias
    >>> rows = [dict.fromkeys(QUANTITIES, value) for value in (-0.1, 0.1, 0.1, 0.3)]
    >>> print({name: f"{value:.3f}" for name, value in scatter_and_bias(rows)["mass"].items()})
    {'scatter': '0.141', 'bias': '0.100'}
    """
    values = {name: np.array([row[name] for row in rows], float) for name in QUANTITIES}
    return {
        name: {"scatter": float(each.std()), "bias": float(each.mean())}
        if each.size
        else {"scatter": np.nan, "bias": np.nan}
        for name, each in values.items()
    }

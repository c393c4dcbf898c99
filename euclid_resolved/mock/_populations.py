"""Light and remaining mass of stellar populations of any age and metallicity, from a table."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.mock._population_tables import BANDS, Populations, in_bands, shipped

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _or_shipped(populations):
    return in_bands(shipped(), BANDS) if populations is None else populations


def _position(grid, value):
    """Lower index and fraction of `value` within `grid`; held at the ends."""
    index = np.clip(np.searchsorted(grid, value, side="right") - 1, 0, len(grid) - 2)
    return index, np.clip((value - grid[index]) / (grid[index + 1] - grid[index]), 0, 1)


def interpolate(age: ArrayLike, metallicity: ArrayLike, populations: Populations) -> np.ndarray:
    """Light and remaining mass by bilinear interpolation of logarithms in log age and log metallicity.

    Parameters
    ----------
    age : array-like
        Gyr; held at the ends of the table.
    metallicity : array-like
        Mass fraction; held at the ends of the table. Broadcast against `age`.
    populations : Populations

    Returns
    -------
    ndarray, shape (..., bands + 1), float64
        As in ``populations.values``.
    """
    age, metallicity = np.broadcast_arrays(np.asarray(age, float), np.asarray(metallicity, float))
    values = np.log(populations.values)
    i, f = _position(populations.log_age, np.log10(np.maximum(age, 1e-6)) + 9)
    j, g = _position(populations.log_metallicity, np.log10(np.maximum(metallicity, 1e-6)))
    f, g = f[..., None], g[..., None]
    low = values[i, j] * (1 - f) + values[i + 1, j] * f
    high = values[i, j + 1] * (1 - f) + values[i + 1, j + 1] * f
    return np.exp(low * (1 - g) + high * g)


def luminosity(age: ArrayLike, metallicity: ArrayLike, populations: Populations | None = None) -> np.ndarray:
    """Surface brightness of a simple stellar population of one formed solar mass per square parsec.

    Parameters
    ----------
    age : array-like
        Gyr; held at the ends of the table, 1 Myr and 14.1 Gyr in the shipped one.
    metallicity : array-like
        Mass fraction; held at the ends, 0.0001 and 0.05. Broadcast against `age`.
    populations : Populations, optional
        The shipped ones by default, in the bands of Euclid.

    Returns
    -------
    ndarray, shape (..., bands), float64
        MJy/sr, in IE, YE, JE, HE for the default.
    """
    return interpolate(age, metallicity, _or_shipped(populations))[..., :-1]


def remaining_mass(
    age: ArrayLike, metallicity: ArrayLike, populations: Populations | None = None
) -> np.ndarray:
    """Fraction of the formed mass left in living stars and remnants.

    Parameters
    ----------
    age, metallicity, populations
        As in `luminosity`.

    Returns
    -------
    ndarray, shape (...), float64
    """
    return interpolate(age, metallicity, _or_shipped(populations))[..., -1]


# A few: galaxies whose populations are perturbed each have their own.
@lru_cache(maxsize=8)
def _bin_averages(edges, populations):
    young, old = (np.array(each)[:, None] for each in (edges[:-1], edges[1:]))
    # Midpoints of equal steps in age: equal masses formed in each.
    ages = young + (old - young) * (np.arange(40) + 0.5) / 40
    metallicity = 10**populations.log_metallicity
    return interpolate(ages[..., None], metallicity, populations).mean(axis=1)


def bin_averages(edges: tuple[float, ...], populations: Populations | None = None) -> np.ndarray:
    """Populations of constant star formation within bins of age, on the table's metallicities.

    Parameters
    ----------
    edges : tuple of float, length n + 1
        Edges in Gyr, rising.
    populations : Populations, optional
        The shipped ones by default, in the bands of Euclid.

    Returns
    -------
    ndarray, shape (n, z, bands + 1), float64
        Light [MJy/sr per formed Msun/pc2] and the remaining mass, one entry per bin and metallicity.
    """
    return _bin_averages(edges, _or_shipped(populations))


def composite(
    formed: np.ndarray,
    log_metallicity: np.ndarray,
    edges: tuple[float, ...],
    populations: Populations | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Light and current mass of every age bin in a set of pixels.

    Parameters
    ----------
    formed : ndarray, shape (n_bins, n_pixels)
        Formed mass per bin, Msun/pc2.
    log_metallicity : ndarray, shape (n_bins, n_pixels) or (1, n_pixels)
        log10 of the metal mass fraction of the stars in the bin, or in every bin.
    edges : tuple of float, length n_bins + 1
        Edges of the bins of age, Gyr.
    populations : Populations, optional
        The shipped ones by default, in the bands of Euclid.

    Returns
    -------
    light : ndarray, shape (n_bins, n_pixels, bands)
        MJy/sr, before dust.
    mass : ndarray, shape (n_bins, n_pixels)
        Current mass in Msun/pc2: what `formed` leaves in living stars and remnants.
    """
    populations = _or_shipped(populations)
    averages = bin_averages(edges, populations)
    light = np.empty((*formed.shape, len(populations.bands)))
    mass = np.empty(formed.shape)
    # The table's metallicities are far apart: logarithms are what is close to linear between them.
    logs = np.log(averages)
    for k, grid in enumerate(logs):
        if k < len(log_metallicity):
            j, g = _position(populations.log_metallicity, log_metallicity[k])
            g = g[:, None]
        values = np.exp(grid[j] * (1 - g) + grid[j + 1] * g) * formed[k][:, None]
        light[k], mass[k] = values[:, :-1], values[:, -1]
    return light, mass

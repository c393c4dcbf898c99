"""Light and remaining mass of stellar populations of any age and metallicity, from the shipped table."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import ascii as ascii_table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BANDS = ("IE", "YE", "JE", "HE")


@cache
def _table():
    """Grid of the table: log10 age [yr] (a,), log10 Z (z,), values (a, z, 5): four bands, remaining mass."""
    with (files(__package__) / "data" / "populations.ecsv").open() as file:
        table = ascii_table.read(file.read(), format="ecsv")
    log_age, metallicity = np.unique(table["log_age"]), np.unique(table["metallicity"])
    values = np.stack([np.asarray(table[name], float) for name in (*BANDS, "remaining_mass")], axis=-1)
    values = values.reshape(len(metallicity), len(log_age), 5)
    return log_age, np.log10(metallicity), values.transpose(1, 0, 2)


def _position(grid, value):
    """Lower index and fraction of `value` within `grid`; held at the ends."""
    index = np.clip(np.searchsorted(grid, value, side="right") - 1, 0, len(grid) - 2)
    return index, np.clip((value - grid[index]) / (grid[index + 1] - grid[index]), 0, 1)


def _interpolate(age, metallicity):
    """Values (..., 5) by bilinear interpolation of logarithms in log age and log metallicity."""
    age, metallicity = np.broadcast_arrays(np.asarray(age, float), np.asarray(metallicity, float))
    log_age, log_z, values = _table()
    values = np.log(values)
    i, f = _position(log_age, np.log10(np.maximum(age, 1e-6)) + 9)
    j, g = _position(log_z, np.log10(np.maximum(metallicity, 1e-6)))
    f, g = f[..., None], g[..., None]
    low = values[i, j] * (1 - f) + values[i + 1, j] * f
    high = values[i, j + 1] * (1 - f) + values[i + 1, j + 1] * f
    return np.exp(low * (1 - g) + high * g)


def luminosity(age: ArrayLike, metallicity: ArrayLike) -> np.ndarray:
    """Surface brightness of a simple stellar population of one formed solar mass per square parsec.

    Parameters
    ----------
    age : array-like
        Gyr; held at 1 Myr and 14.1 Gyr.
    metallicity : array-like
        Mass fraction; held at 0.0001 and 0.05. Broadcast against `age`.

    Returns
    -------
    ndarray, shape (..., 4), float64
        MJy/sr in IE, YE, JE, HE (Bruzual & Charlot 2003, Chabrier 2003; see ``_make_populations``).
    """
    return _interpolate(age, metallicity)[..., :4]


def remaining_mass(age: ArrayLike, metallicity: ArrayLike) -> np.ndarray:
    """Fraction of the formed mass left in living stars and remnants.

    Parameters
    ----------
    age, metallicity : array-like
        As in `luminosity`.

    Returns
    -------
    ndarray, shape (...), float64
    """
    return _interpolate(age, metallicity)[..., 4]


@cache
def bin_averages(edges: tuple[float, ...]) -> np.ndarray:
    """Populations of constant star formation within bins of age, on the table's metallicities.

    Parameters
    ----------
    edges : tuple of float, length n + 1
        Edges in Gyr, rising.

    Returns
    -------
    ndarray, shape (n, 6, 5), float64
        Four bands [MJy/sr per formed Msun/pc2] and the remaining mass, one entry per bin and metallicity.
    """
    _, log_z, _ = _table()
    averages = []
    for young, old in zip(edges[:-1], edges[1:], strict=True):
        # Midpoints of equal steps in age: equal masses formed in each.
        ages = young + (old - young) * (np.arange(40) + 0.5) / 40
        averages.append(_interpolate(ages[:, None], 10 ** log_z[None, :]).mean(axis=0))
    return np.array(averages)


def composite(
    formed: np.ndarray, log_metallicity: np.ndarray, edges: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Light and current mass of every age bin in a set of pixels.

    Parameters
    ----------
    formed : ndarray, shape (n_bins, n_pixels)
        Formed mass per bin, Msun/pc2.
    log_metallicity : ndarray, shape (n_bins, n_pixels)
        log10 of the metal mass fraction of the stars in the bin.
    edges : tuple of float, length n_bins + 1
        Edges of the bins of age, Gyr.

    Returns
    -------
    light : ndarray, shape (n_bins, n_pixels, 4)
        MJy/sr in IE, YE, JE, HE, before dust.
    mass : ndarray, shape (n_bins, n_pixels)
        Current mass in Msun/pc2: what `formed` leaves in living stars and remnants.
    """
    _, log_z, _ = _table()
    averages = bin_averages(edges)
    light = np.empty((*formed.shape, 4))
    mass = np.empty(formed.shape)
    for k in range(len(edges) - 1):
        j, g = _position(log_z, log_metallicity[k])
        # The table's metallicities are far apart: logarithms are what is close to linear between them.
        grid = np.log(averages[k])
        values = np.exp(grid[j] * (1 - g)[:, None] + grid[j + 1] * g[:, None]) * formed[k][:, None]
        light[k], mass[k] = values[:, :4], values[:, 4]
    return light, mass

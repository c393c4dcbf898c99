"""What pixels without a value may hold: the mean of the others in a region, or at their radius."""

from __future__ import annotations

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._positions import axis_ratio
from euclid_resolved.maps._region_pixels import elliptical_radius


def filled_pixels(values, sigma, weight, good, how, map_, centre, position_angle, inclination):
    """Values and errors with the masked pixels filled; the scatter of the others is their error."""
    inside, hole = good & (weight > 0), ~good & (weight > 0)
    values, sigma = values.copy(), None if sigma is None else np.array(sigma)
    if how == "mean":
        level = np.full(values.shape, np.average(values[inside], weights=weight[inside]))
        scatter = np.full(values.shape, np.std(values[inside]))
    elif how == "radial":
        radius = elliptical_radius(map_, weight, centre, position_angle, axis_ratio(inclination))
        ring = np.floor(radius / 2).astype(int)
        number = np.bincount(ring[inside], minlength=ring.max() + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            average = np.bincount(ring[inside], values[inside], minlength=len(number)) / number
            square = np.bincount(ring[inside], values[inside] ** 2, minlength=len(number)) / number
        known = np.flatnonzero(number)
        spread = np.sqrt(np.clip(square - average**2, 0, None))
        # Interpolated between rings, so that steep profiles leave no steps.
        level = np.interp(radius, 2 * known + 1.0, average[known])
        scatter = np.interp(radius, 2 * known + 1.0, spread[known])
    else:
        raise InputError(f"fill must be None, 'mean' or 'radial', got {how!r}")
    values[hole] = level[hole]
    if sigma is not None:
        sigma[hole] = scatter[hole]
    return values, sigma

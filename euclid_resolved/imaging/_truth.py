"""True maps as an image shows them: every pixel a mean over what its light comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from euclid_resolved.maps._spatial_map import SpatialMap


def seen_maps(
    maps: Mapping[str, SpatialMap], mean: Callable[[np.ndarray], np.ndarray], **meta: Any
) -> dict[str, SpatialMap]:
    """Means of true maps: of densities themselves, of all else weighted by mass where it is known.

    Parameters
    ----------
    maps : mapping of str to `~euclid_resolved.SpatialMap`
        Of one shape. Masked pixels and NaN hold nothing. Without a map of density all pixels weigh alike.
    mean : callable
        From a plane to its means, of any shape; linear. It averages over pixels, or blurs.
    **meta
        What the new maps say beside what these say.

    Returns
    -------
    seen : dict of str to `~euclid_resolved.SpatialMap`
        float32, NaN where nothing is seen.
    """
    truth = {name: _filled(map_) for name, map_ in maps.items()}
    mass, seen = truth.get("stellar_mass_density", np.array(1.0)), {}
    for name, map_ in maps.items():
        if map_.property is not None and map_.property.density:
            values = mean(truth[name])
        else:
            # Only where the property is known does its weight count.
            weight = np.where(truth[name] > 0, mass, 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                values = mean(weight * truth[name]) / mean(weight)
        values = np.where(values > 0, values, np.nan).astype(np.float32)
        seen[name] = SpatialMap(values, property=name, unit=map_.unit, meta={**map_.meta, **meta})
    return seen


def _filled(map_):
    """The values of a true map, 0 where there is none."""
    values = np.array(map_.data, np.float64)
    values[~np.isfinite(values)] = 0
    if map_.mask is not None:
        values[np.broadcast_to(map_.mask, values.shape)] = 0
    return values

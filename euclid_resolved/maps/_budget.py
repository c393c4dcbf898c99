"""What the error of a map consists of: noise, the model, populations, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from euclid_resolved.maps._spatial_map import SpatialMap

# The planes that hold a part by itself, and what it is called.
PARTS = {"noise": "noise", "model": "model", "common": "calibration"}


def error_budget(map_: SpatialMap) -> dict[str, float]:
    """One sigma of a map and of its parts, in dex.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`

    Returns
    -------
    budget : dict of str to float
        Medians over the pixels with a value. ``total``, to first order (sigma / value / ln 10); ``noise``,
        of the image (plane ``noise``); ``model``, another fit (``model``); ``calibration``, the level of the
        sky and E(B-V), which all pixels share (``common``). ``populations`` is what a calibrated interval
        holds beside these: what the bands cannot tell. It is the difference of squares. Only parts that are
        known are there; nothing where the map has no error.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import StdDevUncertainty
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps._budget import error_budget
    >>> value = np.full((2, 2), 100.0)
    >>> dex = 100 * np.log(10)
    >>> map_ = SpatialMap(value, property="stellar_mass_density", planes={"noise": 0.03 * dex + 0 * value},
    ...                   uncertainty=StdDevUncertainty(0.05 * dex + 0 * value), meta={"interval": 0.68})
    >>> {name: round(part, 3) for name, part in error_budget(map_).items()}
    {'total': 0.05, 'noise': 0.03, 'populations': 0.04}
    """
    if map_.uncertainty is None:
        return {}
    values = np.asarray(map_.data, float)
    known = np.isfinite(values) & (values > 0)
    if map_.mask is not None:
        known &= ~np.broadcast_to(map_.mask, known.shape)
    total = _median(map_.uncertainty.array, values, known)
    if not np.isfinite(total):
        return {}
    found = {
        name: part
        for plane, name in PARTS.items()
        if plane in map_.planes and np.isfinite(part := _median(map_.planes[plane], values, known))
    }
    budget = {"total": total, **found}
    if "interval" in map_.meta and "noise" in found:
        rest = total**2 - sum(part**2 for part in found.values())
        budget["populations"] = float(np.sqrt(max(rest, 0.0)))
    return budget


def budget_words(map_: SpatialMap) -> str:
    """The budget of a map's error in words; empty where the map has no error.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import StdDevUncertainty
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps._budget import budget_words
    >>> error = StdDevUncertainty(np.full((2, 2), 39.1))
    >>> map_ = SpatialMap(np.full((2, 2), 100.0), property="stellar_mass_density", uncertainty=error,
    ...                   meta={"interval": 0.68})
    >>> budget_words(map_)
    '0.17 dex of noise, model and populations'
    """
    budget = error_budget(map_)
    if not budget:
        return ""
    # A part that is zero to the digits that are shown says nothing.
    parts = {name: part for name, part in budget.items() if name != "total" and round(part, 2) > 0}
    if "interval" in map_.meta and "populations" not in parts:
        rest = ["noise", "model", "populations"]
        known = "".join(f", {name} {part:.2f}" for name, part in parts.items() if name not in rest)
        return f"{budget['total']:.2f} dex of noise, model and populations{known}"
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    words = ", ".join(f"{name} {part:.2f}" for name, part in ordered)
    return f"{budget['total']:.2f} dex: {words}" if words else f"{budget['total']:.2f} dex"


def _median(sigma, values, known):
    """The median of errors in dex; NaN where none is known."""
    part = np.asarray(sigma, float)[known] / values[known] / np.log(10)
    part = part[np.isfinite(part)]
    return float(np.median(part)) if len(part) else np.nan

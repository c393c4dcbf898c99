"""What the error of a map consists of: noise, the model, populations, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from euclid_resolved.maps._spatial_map import SpatialMap

# The planes that hold a part by itself, and what it is called.
PARTS = {"noise": "noise", "model": "model", "common": "calibration"}
STEP = 0.001  # dex, to which errors are counted: so pieces of a map tell the median of all
MOST = 10.0  # dex: all that is larger counts as this


def error_budget(map_: SpatialMap) -> dict[str, float]:
    """One sigma of a map and of its parts, in dex.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`

    Returns
    -------
    budget : dict of str to float
        Medians over the pixels with a value, to 0.001 dex. ``total``, to first order
        (sigma / value / ln 10); ``noise``, of the image (plane ``noise``); ``model``, another fit
        (``model``); ``calibration``, the level of the sky and E(B-V), which all pixels share (``common``).
        ``populations`` is what a calibrated interval holds beside these: what the bands cannot tell. It is
        the difference of squares. Only parts that are known are there; nothing where the map has no error.

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
    budget = budget_of(budget_counts(map_), "interval" in map_.meta)
    return {name: part for name, part in budget.items() if part is not None}


def budget_counts(map_: SpatialMap) -> dict[str, dict[int, int]]:
    """How many pixels have an error of so many thousandths of a dex, for the whole and for each part.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`

    Returns
    -------
    counts : dict of str to dict of int to int
        Those of pieces of a map add up to those of the map. Nothing where the map has no errors.
    """
    if map_.uncertainty is None:
        return {}
    values = np.asarray(map_.data)
    known = np.isfinite(values) & (values > 0)
    if map_.mask is not None:
        known &= ~np.broadcast_to(map_.mask, known.shape)
    planes = {name: map_.planes[plane] for plane, name in PARTS.items() if plane in map_.planes}
    values = values[known].astype(float)
    return {
        name: _counts(sigma, values, known)
        for name, sigma in {"total": map_.uncertainty.array, **planes}.items()
    }


def budget_of(counts: Mapping[str, Mapping[int, int]], calibrated: bool) -> dict[str, float | None]:
    """The budget from `budget_counts`; None for a part of which no pixel is known.

    Parameters
    ----------
    counts : mapping of str to mapping of int to int
    calibrated : bool
        Whether the error is a calibrated interval.

    Returns
    -------
    budget : dict of str to float or None
        As of `error_budget`. Which parts it has depends on the kind of map, not on its pixels.
    """
    found = {name: _median(each) for name, each in counts.items()}
    if not found or not (calibrated and "noise" in found):
        return found
    total, parts = found["total"], [part for name, part in found.items() if name != "total"]
    rest = None
    if total is not None:
        rest = float(np.sqrt(max(total**2 - sum(part**2 for part in parts if part is not None), 0.0)))
    return {**found, "populations": rest}


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
    if "interval" in map_.meta and "populations" not in budget:
        rest = ["noise", "model", "populations"]
        known = "".join(f", {name} {part:.2f}" for name, part in parts.items() if name not in rest)
        return f"{budget['total']:.2f} dex of noise, model and populations{known}"
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    words = ", ".join(f"{name} {part:.2f}" for name, part in ordered)
    return f"{budget['total']:.2f} dex: {words}" if words else f"{budget['total']:.2f} dex"


def _counts(sigma, values, known):
    """How many pixels have an error of so many steps; `values` are those of the known pixels."""
    part = np.broadcast_to(sigma, known.shape)[known].astype(float) / values / np.log(10)
    steps = np.rint(np.minimum(part[np.isfinite(part)], MOST) / STEP).astype(np.int64)
    count = np.bincount(steps)
    number = np.flatnonzero(count)
    return dict(zip(number.tolist(), count[number].tolist(), strict=True))


def _median(counts):
    """The median of errors in dex, None where there is none."""
    if not counts:
        return None
    steps = np.array(sorted(counts))
    reached = np.cumsum([counts[step] for step in steps.tolist()])
    return float(steps[np.searchsorted(reached, reached[-1] / 2)] * STEP)

"""What the paper says of predicted against true values beside its six metrics, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.diagnostics._contract import truth_and_estimate
from euclid_resolved.models._metrics import metrics, outlier_fraction

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

NARROW = 0.2
"""The narrower limit of catastrophic outliers, dex (Sect. 4.3)."""

FAINT = 30.0
"""Density below which the scatter grows, Msun/pc2 (Sect. 4.1)."""

DETAILS = (
    "outlier_narrow",
    "floor",
    "true_floor",
    "scatter_faint",
    "scatter_bright",
    "bias_upper",
    "bias_high",
)
"""What `details` gives."""

_FLOOR = 0.5  # the percentile that tells a lower boundary, of predicted and of true values


def details(name: str, truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Numbers behind what the paper reads off its Fig. 3.

    Parameters
    ----------
    name : str
        The property.
    truth, guess : `~numpy.ndarray`
        log10 of its unit, shape (n,), finite.

    Returns
    -------
    values : dict of str to float
        ``outlier_narrow``, the fraction further than `NARROW` from the truth (either side); ``floor`` and
        ``true_floor``, the 0.5th percentile of the estimates and of the truth; ``scatter_faint`` and
        ``scatter_bright``, half the 16-84 % range of truth minus estimate at and below `FAINT` and above, NaN
        for other properties than density; ``bias_high`` and ``bias_upper``, the median of truth minus
        estimate for the highest tenth of the true values and for those between their median and that.
        NaN without values.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.study._details import details
    >>> truth = np.linspace(0.0, 1.0, 101)
    >>> found = details("stellar_age", truth, 0.5 * truth)  # half of what there is to tell
    >>> print({key: f"{found[key]:.3f}" for key in ("outlier_narrow", "bias_upper", "bias_high")})
    {'outlier_narrow': '0.594', 'bias_upper': '0.350', 'bias_high': '0.475'}
    """
    error = truth - guess
    density = name == "stellar_mass_density"
    faint = truth <= np.log10(FAINT)
    middle, high = np.percentile(truth, (50, 90)) if truth.size else (np.nan, np.nan)
    return {
        "outlier_narrow": float(outlier_fraction(truth, guess, NARROW)) if truth.size else np.nan,
        "floor": _percentile(guess, _FLOOR),
        "true_floor": _percentile(truth, _FLOOR),
        "scatter_faint": half_range(error[faint]) if density else np.nan,
        "scatter_bright": half_range(error[~faint]) if density else np.nan,
        "bias_upper": _percentile(error[(truth > middle) & (truth < high)], 50),
        "bias_high": _percentile(error[truth >= high], 50),
    }


def _percentile(values, q):
    return float(np.percentile(values, q)) if values.size else np.nan


def half_range(values: np.ndarray) -> float:
    """Half the range from the 16th to the 84th percentile, which is a standard deviation of a normal one."""
    return float(np.ptp(np.percentile(values, (16, 84))) / 2) if values.size else np.nan


def accuracy_of(model: Model, pixels: Pixels) -> dict[str, dict[str, float]]:
    """The six metrics and the `details` of every property.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`

    Returns
    -------
    values : dict of str to dict of str to float
    """
    pairs = truth_and_estimate(model, pixels)
    return {name: metrics(*pair) | details(name, *pair) for name, pair in pairs.items()}


def target_ranges(sets: Mapping[str, Mapping[str, np.ndarray]]) -> list[dict[str, float | str]]:
    """The range of each property: least, largest, and what the inner 99 % of all pixels span (Sect. 2.3).

    Parameters
    ----------
    sets : mapping of str to mapping of str to `~numpy.ndarray`
        By set, then by property: log10 of its unit, shape (n,).

    Returns
    -------
    rows : list of dict
        ``set``, ``property``, ``minimum``, ``maximum``, and ``inner_99_low`` and ``inner_99_high``, the 0.5th
        and the 99.5th percentile; dex.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.study._details import target_ranges
    >>> (row,) = target_ranges({"all": {"stellar_age": np.linspace(-1.0, 1.0, 2001)}})
    >>> print([f"{row[key]:.2f}" for key in ("minimum", "inner_99_low", "inner_99_high", "maximum")])
    ['-1.00', '-0.99', '0.99', '1.00']
    """
    rows = []
    for which, values in sets.items():
        for name, dex in values.items():
            low, high = np.percentile(dex, (0.5, 99.5))
            row: dict[str, float | str] = {"set": which, "property": name}
            row |= {"minimum": float(dex.min()), "maximum": float(dex.max())}
            rows.append(row | {"inner_99_low": float(low), "inner_99_high": float(high)})
    return rows

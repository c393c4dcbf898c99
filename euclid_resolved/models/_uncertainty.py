"""How far an estimate may be off: intervals calibrated on galaxies held out, and noise drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.features._scale import from_dex
from euclid_resolved.models._intervals import LEVELS

if TYPE_CHECKING:
    from euclid_resolved.models._output import Output


@dataclass(frozen=True, eq=False)
class PixelErrors:
    """What is known about the errors of estimates, in the linear unit of the map.

    Attributes
    ----------
    sigma : `~numpy.ndarray` or None
        One sigma.
    planes : dict of str to `~numpy.ndarray`
        See ``PLANES``.
    meta : dict
        ``uncertainty``: what sigma holds, in words; ``interval``: the fraction of pixels in the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.models._uncertainty import map_errors
    >>> output = train(example_galaxies(), estimator=LinearRegression()).outputs["stellar_mass_density"]
    >>> dex, light, noise = np.array([2.0]), np.array([1.0]), np.array([0.1])
    >>> errors = map_errors(output, dex, light, None, noise, None, 0.68)
    >>> print(f"{errors.sigma[0]:.1f} Msun/pc2: {errors.meta['uncertainty']}")
    23.0 Msun/pc2: noise of the image, without the error of the model
    """

    sigma: np.ndarray | None
    planes: dict[str, np.ndarray]
    meta: dict[str, Any]


def map_errors(
    output: Output,
    dex: np.ndarray,
    light: np.ndarray | None,
    noise: np.ndarray | None,
    scatter: np.ndarray | None,
    spread: np.ndarray | None,
    level: float,
    common: np.ndarray | None = None,
) -> PixelErrors:
    """Put together what is known about the errors of one property's estimates.

    Parameters
    ----------
    output : `~euclid_resolved.models.Output`
    dex : `~numpy.ndarray`
        Estimates, shape (n,).
    light, noise : `~numpy.ndarray`
        Surface brightness in the model's clip band and its one sigma, or None.
    scatter, spread : `~numpy.ndarray` or None
        One sigma in dex from the image's noise and from the estimator.
    level : float
        Of the interval.
    common : `~numpy.ndarray`, optional
        One sigma in dex from errors that all pixels share. Galaxies to calibrate on have none, so that it
        widens the interval.

    Returns
    -------
    errors : `PixelErrors`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.models._uncertainty import map_errors
    >>> output = train(example_galaxies(), estimator=LinearRegression()).outputs["stellar_mass_density"]
    >>> dex, light, noise, model = np.array([2.0]), np.array([1.0]), np.array([0.03]), np.array([0.04])
    >>> errors = map_errors(output, dex, light, None, noise, model, 0.68)
    >>> print(f"{errors.sigma[0] / 100 / np.log(10):.3f} dex of 0.03 and 0.04 in quadrature")
    0.050 dex of 0.03 and 0.04 in quadrature
    """
    value, sigma, planes = from_dex(dex), None, {}
    meta: dict[str, Any] = {}
    # To first order: a Gaussian in dex has no standard deviation of its own on the linear scale.
    linear = value * np.float32(np.log(10))
    parts = {
        "noise": (scatter, "noise of the image"),
        "model": (spread, "scatter of the estimator"),
        "common": (common, "errors that all pixels share"),
    }
    known = {name: (part, text) for name, (part, text) in parts.items() if part is not None}
    for name, (part, _) in known.items():
        planes[name] = linear * part
    if known:
        sigma = np.sqrt(sum(plane**2 for plane in planes.values()))
        meta["uncertainty"] = (
            " and ".join(text for _, text in known.values()) + ", without the error of the model"
        )
    if output.interval is not None:
        light = np.asarray(light)
        noise = np.zeros_like(light) if noise is None else noise
        bins = output.interval.bins(light, noise)
        low, high = _ends(output.interval, bins, level, common)
        planes |= {"lo": from_dex(dex + low), "hi": from_dex(dex + high)}
        lower, upper = planes["lo"], planes["hi"]
        if level != LEVELS[0]:
            low, high = _ends(output.interval, bins, LEVELS[0], common)
            lower, upper = from_dex(dex + low), from_dex(dex + high)
        sigma = (upper - lower) / 2
        words = "half of the calibrated 68 % interval"
        words += "" if common is None else ", widened by errors that all pixels share"
        meta |= {"uncertainty": words, "interval": float(level)}
        if output.interval.shared is not None:
            meta["shared_variance"] = output.interval.shared
        to_mean = output.interval.in_mean(bins)
        if to_mean is not None:
            planes["mean"] = from_dex(dex + to_mean)
    return PixelErrors(sigma, planes, meta)


def _ends(interval, bins, level, common):
    """What to add to estimates for the ends of an interval, dex; errors that all pixels share widen it."""
    low, high = interval.ends(bins, level)
    if common is None:
        return low, high
    from scipy.special import ndtri

    middle, half = (low + high) / 2, np.hypot((high - low) / 2, ndtri((1 + level) / 2) * common)
    return middle - half, middle + half

"""Intervals that hold as many pixels of unseen galaxies as they say (split-conformal prediction)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from euclid_resolved.errors import InputError

__all__ = ["Interval"]


LEVELS = (0.68, 0.95)
"""The fractions of pixels that calibrated intervals are made for."""

BRIGHTNESS_BINS = 6
NOISE_BINS = 6
FEWEST_GALAXIES = 5
FEWEST_PIXELS = 60
BEST_SN = 1e4  # images free of noise lie here, so that they have a logarithm


@dataclass(frozen=True, eq=False)
class Interval:
    """Where the truth lies about an estimate, from galaxies that the model had not seen.

    Split-conformal: quantiles of truth minus estimate (dex), in bins of surface brightness and, within
    each, of signal-to-noise, both in the model's clip band (Mondrian bins). Every galaxy has the same
    weight, however many pixels it has.

    Attributes
    ----------
    levels : `~numpy.ndarray`
        Shape (l,): the fractions of pixels that the intervals hold.
    brightness : `~numpy.ndarray`
        Shape (b - 1,): inner edges of the bins of log10 surface brightness in MJy/sr.
    noise : `~numpy.ndarray`
        Shape (b, s - 1): inner edges of the bins of log10 signal-to-noise.
    low, high : `~numpy.ndarray`
        Shape (l, b, s): what to add to an estimate, dex.
    mean : `~numpy.ndarray` or None
        Shape (b, s): what to add to an estimate, dex, for the mean of the truth on the linear scale. An
        estimate that is right in the mean of logarithms is too low for a sum. None in files that were
        written without it.
    shared : float or None
        The part of every pixel's variance that the pixels of a galaxy share, from 0 to 1: with it, the sums
        of 68 % of the galaxies lie within one sigma of the truth. None where it was not measured, as in files
        that were written without it.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models import Interval
    >>> rng = np.random.default_rng(1)
    >>> difference, light = rng.normal(0, 0.1, 20_000), 10 ** rng.uniform(-1, 1, 20_000)
    >>> interval = Interval.of(difference, light, 0 * light, np.arange(20_000) % 10)
    >>> low, high = interval.offsets(np.array([1.0]), np.array([0.0]), 0.68)
    >>> print(f"{low[0]:.1f} {high[0]:+.1f} dex")
    -0.1 +0.1 dex
    """

    levels: np.ndarray
    brightness: np.ndarray
    noise: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray | None = None
    shared: float | None = None

    @classmethod
    def of(
        cls,
        difference: np.ndarray,
        light: np.ndarray,
        noise: np.ndarray,
        groups: np.ndarray,
        levels: Sequence[float] = LEVELS,
    ) -> Interval:
        """The intervals that held-out pixels ask for.

        Parameters
        ----------
        difference : `~numpy.ndarray`
            Truth minus estimate, dex, shape (n,).
        light, noise : `~numpy.ndarray`
            Surface brightness in MJy/sr and its one sigma (zero: none, or not known), in the clip band.
        groups : `~numpy.ndarray` of int
            Which galaxy a pixel belongs to.
        levels : sequence of float, optional

        Returns
        -------
        interval : `Interval`
        """
        difference = np.asarray(difference, np.float64)
        number = np.unique(groups, return_inverse=True)[1]
        weight = 1 / np.bincount(number)[number]
        if number.max(initial=-1) + 1 < FEWEST_GALAXIES:
            raise InputError(
                f"to calibrate intervals at least {FEWEST_GALAXIES} galaxies are needed, that neither "
                f"training nor test has; got {number.max(initial=-1) + 1}"
            )
        x, sn = _coordinates(light, noise)
        brightness = _quantiles(x, weight, np.arange(1, BRIGHTNESS_BINS) / BRIGHTNESS_BINS)
        first = np.searchsorted(brightness, x)
        edges = np.empty((BRIGHTNESS_BINS, NOISE_BINS - 1))
        shape = (len(levels), BRIGHTNESS_BINS, NOISE_BINS)
        low, high, mean = np.empty(shape), np.empty(shape), np.empty(shape[1:])
        # Galaxies to calibrate on may be easier than most, all of them; one standard error guards against it.
        margin = np.sqrt(np.array(levels) * (1 - np.array(levels)) / _effective(difference, weight, number))
        whole = _cell(difference, weight, number, levels, margin)
        for i in range(BRIGHTNESS_BINS):
            mine = first == i
            edges[i] = _quantiles(sn[mine], weight[mine], np.arange(1, NOISE_BINS) / NOISE_BINS)
            row = _cell(difference[mine], weight[mine], number[mine], levels, margin)
            second = np.searchsorted(edges[i], sn)
            for j in range(NOISE_BINS):
                cell = mine & (second == j)
                own = _cell(difference[cell], weight[cell], number[cell], levels, margin)
                low[:, i, j], high[:, i, j], mean[i, j] = next(t for t in (own, row, whole) if t is not None)
        return cls(np.array(levels, float), brightness, edges, low, high, mean)

    def __repr__(self) -> str:
        levels = ", ".join(f"{level:g}" for level in self.levels)
        bins = f"{self.low.shape[1]} bins of brightness, {self.low.shape[2]} of signal-to-noise"
        return f"<Interval for {levels}; {bins}>"

    def with_shared(
        self,
        truth: np.ndarray,
        estimate: np.ndarray,
        light: np.ndarray,
        noise: np.ndarray,
        groups: np.ndarray,
    ) -> Interval:
        """The same with what the pixels of a galaxy share, measured on sums over galaxies.

        With e the error of a pixel on the linear scale and s its one sigma, the error of a sum of independent
        pixels would be sqrt(sum s^2), of pixels that are off together sum s. The part that is shared is the
        one between them for which 68 % of the sums are right within one sigma.

        Parameters
        ----------
        truth, estimate : `~numpy.ndarray`
            dex, shape (n,).
        light, noise, groups : `~numpy.ndarray`
            As for `of`.

        Returns
        -------
        interval : `Interval`
        """
        low, high = self.offsets(light, noise)
        linear = 10 ** np.asarray(estimate, np.float64)
        to_mean = self.to_mean(light, noise)
        expected = 1.0 if to_mean is None else 10**to_mean
        error = linear * (10 ** (np.asarray(truth, np.float64) - estimate) - expected)
        sigma = linear * (10**high - 10**low) / 2
        number = np.unique(groups, return_inverse=True)[1]
        sums, whole, squares = (np.bincount(number, each) for each in (error, sigma, sigma**2))
        several = (np.bincount(number) > 1) & (whole > 0)
        sums, whole, squares = sums[several], whole[several], squares[several]
        if len(sums) < FEWEST_GALAXIES:
            return self
        shared = np.clip((sums**2 - squares) / np.maximum(whole**2 - squares, 1e-300), 0, 1)
        held = min(LEVELS[0] * (1 + 1 / len(shared)), 1.0)
        return replace(self, shared=float(np.quantile(shared, held, method="higher")))

    def offsets(
        self, light: np.ndarray, noise: np.ndarray, level: float = LEVELS[0]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What to add to estimates for the two ends of the interval.

        Parameters
        ----------
        light, noise : `~numpy.ndarray`
            As for `of`.
        level : float, optional
            One of `levels`.

        Returns
        -------
        low, high : `~numpy.ndarray`
            dex, shape (n,).
        """
        return self.ends(self.bins(light, noise), level)

    def to_mean(self, light: np.ndarray, noise: np.ndarray) -> np.ndarray | None:
        """What to add to estimates for the mean of the truth on the linear scale.

        Parameters
        ----------
        light, noise : `~numpy.ndarray`
            As for `of`.

        Returns
        -------
        offset : `~numpy.ndarray` or None
            dex, shape (n,); None where the calibration does not know it.
        """
        return None if self.mean is None else self.in_mean(self.bins(light, noise))

    def bins(self, light: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The bins that pixels lie in: found once, `ends` and `in_mean` take them.

        Parameters
        ----------
        light, noise : `~numpy.ndarray`
            As for `offsets`.

        Returns
        -------
        bins : `~numpy.ndarray` of int
            Shape (n,).
        """
        x, sn = _coordinates(light, noise)
        i = np.searchsorted(self.brightness, x)
        number = i * self.low.shape[2]
        for edges in self.noise.T:
            number += sn > edges[i]
        return number

    def ends(self, bins: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """What `offsets` gives, in bins.

        Parameters
        ----------
        bins : `~numpy.ndarray` of int
            From `bins`.
        level : float
            One of `levels`.

        Returns
        -------
        low, high : `~numpy.ndarray`
            dex, shape (n,).
        """
        which = np.flatnonzero(np.isclose(self.levels, level))
        if not which.size:
            raise InputError(f"intervals are known for {', '.join(map(str, self.levels))}, not for {level}")
        return self.low[which[0]].ravel()[bins], self.high[which[0]].ravel()[bins]

    def in_mean(self, bins: np.ndarray) -> np.ndarray | None:
        """What `to_mean` gives, in bins.

        Parameters
        ----------
        bins : `~numpy.ndarray` of int
            From `bins`.

        Returns
        -------
        offset : `~numpy.ndarray` or None
            dex, shape (n,).
        """
        return None if self.mean is None else self.mean.ravel()[bins]

    def to_tree(self) -> dict[str, Any]:
        """The interval as a dict of arrays."""
        tree = {name: getattr(self, name) for name in ("levels", "brightness", "noise", "low", "high")}
        known = {"mean": self.mean, "shared": self.shared}
        return tree | {name: value for name, value in known.items() if value is not None}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Interval:
        """The interval from what `to_tree` gave; nothing in it is trusted.

        Parameters
        ----------
        tree : dict of str to array_like

        Returns
        -------
        interval : `Interval`

        Raises
        ------
        InputError
            If the arrays do not fit together.
        """
        names = ("levels", "brightness", "noise", "low", "high")
        levels, brightness, noise, low, high = (np.asarray(tree[n], np.float64) for n in names)
        shape = (len(levels), len(brightness) + 1, noise.shape[-1] + 1)
        fits = brightness.ndim == levels.ndim == 1 and noise.shape == (shape[1], shape[2] - 1)
        if not fits or low.shape != shape or high.shape != shape or not 0 < low.size <= 100_000:
            raise InputError("the arrays of an interval do not fit together")
        mean = None if tree.get("mean") is None else np.asarray(tree["mean"], np.float64)
        if mean is not None and mean.shape != shape[1:]:
            raise InputError("the arrays of an interval do not fit together")
        known = [a for a in (levels, brightness, noise, low, high, mean) if a is not None]
        if not all(np.isfinite(a).all() for a in known):
            raise InputError("an interval has values that are not finite")
        rising = (np.diff(brightness) >= 0).all() and (np.diff(noise, axis=1) >= 0).all()
        if not rising or (low > high).any() or (levels <= 0).any() or (levels >= 1).any():
            raise InputError("an interval has edges or ends that are out of order")
        shared = None if tree.get("shared") is None else float(tree["shared"])
        if shared is not None and not 0 <= shared <= 1:
            raise InputError(f"an interval's shared part of the variance is {shared}, not from 0 to 1")
        return cls(levels, brightness, noise, low, high, mean, shared)


def _coordinates(light, noise):
    """log10 of brightness and of signal-to-noise."""
    light, noise = np.asarray(light, np.float64), np.asarray(noise, np.float64)
    return np.log10(light), np.log10(light / np.maximum(noise, light / BEST_SN))


def _quantiles(values, weight, fractions):
    """Weighted quantiles; zeros where there is nothing, as in a bin between equal edges."""
    if not len(values):
        return np.zeros(len(fractions))
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, np.asarray(fractions) * reached[-1])
    return values[order][np.minimum(at, len(values) - 1)]


def _cell(difference, weight, number, levels, margin):
    """Low and high quantiles for each level, and the mean, or None where there is too little to tell."""
    present, number = np.unique(number, return_inverse=True)
    if len(present) < FEWEST_GALAXIES or len(difference) < FEWEST_PIXELS:
        return None
    # The finite-sample correction of conformal prediction, (n + 1) / n.
    held = np.array(levels) * (1 + 1 / _effective(difference, weight, number)) + margin
    held = np.minimum(held, 1)
    mean = np.log10(np.average(10**difference, weights=weight))
    ends = _quantiles(difference, weight, np.concatenate([(1 - held) / 2, (1 + held) / 2]))
    return *np.split(ends, 2), mean


def _effective(difference, weight, number):
    """How many independent pixels there are: galaxies, over the fraction of the variance between them."""
    total = np.bincount(number, weight)
    # Pixels of a galaxy err together.
    return total.sum() ** 2 / (total**2).sum() / np.clip(shared_part(difference, weight, number), 0.01, 1)


def shared_part(difference: np.ndarray, weight: np.ndarray, number: np.ndarray) -> float:
    """The part of the variance of differences that lies between galaxies, 0 to 1."""
    total = np.bincount(number, weight)
    means = np.bincount(number, weight * difference) / total
    centre = np.average(difference, weights=weight)
    spread = np.average((difference - centre) ** 2, weights=weight)
    return min(np.average((means - centre) ** 2, weights=total) / max(spread, 1e-30), 1.0)

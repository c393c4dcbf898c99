"""Intervals that hold as many pixels of unseen galaxies as they say (split-conformal prediction)."""

from dataclasses import dataclass

import numpy as np

from euclid_resolved.errors import InputError

__all__ = ["LEVELS", "Interval"]

LEVELS = (0.68, 0.95)
"""The fractions of pixels that calibrated intervals are made for."""

BRIGHTNESS_BINS = 8
NOISE_BINS = 4
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
    """

    levels: np.ndarray
    brightness: np.ndarray
    noise: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, difference, light, noise, groups, levels=LEVELS):
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
        low, high = np.empty(shape), np.empty(shape)
        whole = _tails(difference, weight, number, levels)
        for i in range(BRIGHTNESS_BINS):
            mine = first == i
            edges[i] = _quantiles(sn[mine], weight[mine], np.arange(1, NOISE_BINS) / NOISE_BINS)
            row = _tails(difference[mine], weight[mine], number[mine], levels)
            second = np.searchsorted(edges[i], sn)
            for j in range(NOISE_BINS):
                cell = mine & (second == j)
                own = _tails(difference[cell], weight[cell], number[cell], levels)
                low[:, i, j], high[:, i, j] = next(t for t in (own, row, whole) if t is not None)
        return cls(np.array(levels, float), brightness, edges, low, high)

    def offsets(self, light, noise, level=LEVELS[0]):
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
        which = np.flatnonzero(np.isclose(self.levels, level))
        if not which.size:
            raise InputError(f"intervals are known for {', '.join(map(str, self.levels))}, not for {level}")
        x, sn = _coordinates(light, noise)
        i = np.searchsorted(self.brightness, x)
        j = (sn[:, None] > self.noise[i]).sum(axis=1)
        return self.low[which[0], i, j], self.high[which[0], i, j]

    def to_tree(self):
        """The interval as a dict of arrays."""
        return {name: getattr(self, name) for name in ("levels", "brightness", "noise", "low", "high")}

    @classmethod
    def from_tree(cls, tree):
        """The interval from what `to_tree` gave; nothing in it is trusted."""
        names = ("levels", "brightness", "noise", "low", "high")
        levels, brightness, noise, low, high = (np.asarray(tree[n], np.float64) for n in names)
        shape = (len(levels), len(brightness) + 1, noise.shape[-1] + 1)
        fits = brightness.ndim == levels.ndim == 1 and noise.shape == (shape[1], shape[2] - 1)
        if not fits or low.shape != shape or high.shape != shape or not 0 < low.size <= 100_000:
            raise InputError("the arrays of an interval do not fit together")
        if not all(np.isfinite(a).all() for a in (levels, brightness, noise, low, high)):
            raise InputError("an interval has values that are not finite")
        rising = (np.diff(brightness) >= 0).all() and (np.diff(noise, axis=1) >= 0).all()
        if not rising or (low > high).any() or (levels <= 0).any() or (levels >= 1).any():
            raise InputError("an interval has edges or ends that are out of order")
        return cls(levels, brightness, noise, low, high)


def _coordinates(light, noise):
    """log10 of brightness and of signal-to-noise."""
    light, noise = np.asarray(light, np.float64), np.asarray(noise, np.float64)
    return np.log10(light), np.log10(light / np.maximum(noise, light / BEST_SN))


def _quantiles(values, weight, fractions):
    """Weighted quantiles."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, np.asarray(fractions) * reached[-1])
    return values[order][np.minimum(at, len(values) - 1)]


def _tails(difference, weight, number, levels):
    """Low and high quantiles for each level, or None where there is too little to tell."""
    present, number = np.unique(number, return_inverse=True)
    if len(present) < FEWEST_GALAXIES or len(difference) < FEWEST_PIXELS:
        return None
    total = np.bincount(number, weight)
    means = np.bincount(number, weight * difference) / total
    centre = np.average(difference, weights=weight)
    spread = np.average((difference - centre) ** 2, weights=weight)
    # Pixels of a galaxy err together: what counts is the number of galaxies, over the fraction of the
    # variance that lies between them.
    shared = np.clip(np.average((means - centre) ** 2, weights=total) / max(spread, 1e-30), 0.01, 1)
    effective = total.sum() ** 2 / (total**2).sum() / shared
    # The finite-sample correction of conformal prediction, (n + 1) / n.
    held = np.minimum(np.array(levels) * (1 + 1 / effective), 1)
    return _quantiles(difference, weight, (1 - held) / 2), _quantiles(difference, weight, (1 + held) / 2)

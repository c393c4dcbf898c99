"""The six metrics from sums over pixels that are never in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.models._metrics import METRICS, OUTLIER, _pair

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_BIN, _REACH = 5e-5, 2.0  # dex: the bins of residuals, and how far they go
_BINS = round(2 * _REACH / _BIN) + 2
_PIECE = 1 << 17  # pixels that are summed at a time: they stay in cache


@dataclass(frozen=True, eq=False)
class MetricSums:
    """Sums from which the six metrics follow, for estimates that are never in one place.

    Those of a galaxy, a strip of an image or a task elsewhere are added (``+``), in any order. R2, RMSE,
    bias, outlier fraction and correlation are then those of `~euclid_resolved.models.metrics` but for the
    rounding of sums. The NMAD comes from counts of the residual in bins 5e-5 dex wide, so that both medians
    are off by half a bin at most, and it by 1.4826 bins, 7.5e-5 dex. Where half of the residuals are beyond
    2 dex it is infinite.

    Attributes
    ----------
    n : int
        How many pixels.
    mean : `~numpy.ndarray`
        Means of truth, estimate and residual (truth minus estimate), dex.
    products : `~numpy.ndarray`
        Sums of products of their differences from those means, shape (3, 3).
    n_outliers : int
        How many residuals are beyond `OUTLIER`.
    counts : `~numpy.ndarray`
        How many residuals fall into each bin between -2 and 2 dex; the first and the last bin hold all
        beyond.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._metric_sums import MetricSums
    >>> from euclid_resolved.models import metrics
    >>> truth, estimate = np.random.default_rng(1).normal(0, 0.1, (2, 1000))
    >>> parts = MetricSums.of(truth[:300], estimate[:300]) + MetricSums.of(truth[300:], estimate[300:])
    >>> print(round(parts.metrics()["rmse"] / metrics(truth, estimate)["rmse"], 12))
    1.0
    """

    n: int
    mean: np.ndarray
    products: np.ndarray
    n_outliers: int
    counts: np.ndarray

    @classmethod
    def of(cls, y_true: ArrayLike, y_pred: ArrayLike) -> MetricSums:
        """The sums of some pixels.

        Parameters
        ----------
        y_true, y_pred : array_like
            log10 of the property, shape (n,), finite.

        Returns
        -------
        sums : `MetricSums`
        """
        y_true, y_pred = _pair(y_true, y_pred)
        if len(y_true) > _PIECE:
            starts = range(0, len(y_true), _PIECE)
            return sum(
                (cls.of(y_true[i : i + _PIECE], y_pred[i : i + _PIECE]) for i in starts), cls.of([], [])
            )
        values = np.stack([y_true, y_pred, y_true - y_pred])
        if not np.isfinite(values).all():
            raise InputError("truth and estimate must be finite to be summed")
        bins = np.clip((values[2] + _REACH) / _BIN + 1, 0, _BINS - 1).astype(np.int64)
        counts = np.bincount(bins, minlength=_BINS)
        outliers = int(np.count_nonzero(np.abs(values[2]) > OUTLIER))
        if not len(y_true):
            return cls(0, np.zeros(3), np.zeros((3, 3)), outliers, counts)
        # From the first value, not from zero: what is constant then has no scatter, to the last bit.
        first = values[:, :1].copy()
        values -= first
        mean = values.mean(axis=1, keepdims=True)
        values -= mean
        return cls(len(y_true), (first + mean)[:, 0], values @ values.T, outliers, counts)

    def __add__(self, other: MetricSums) -> MetricSums:
        if not self.n or not other.n:
            return self if self.n else other
        n, step = self.n + other.n, other.mean - self.mean
        return MetricSums(
            n,
            self.mean + step * (other.n / n),
            self.products + other.products + np.outer(step, step) * (self.n * (other.n / n)),
            self.n_outliers + other.n_outliers,
            self.counts + other.counts,
        )

    def metrics(self) -> dict[str, float]:
        """All six metrics.

        Returns
        -------
        values : dict of str to float
            NaN where `metrics` gives that.
        """
        if not self.n:
            return {metric.__name__: np.nan for metric in METRICS}
        truth, estimate, residual = np.diag(self.products)
        both = self.products[0, 1]
        squares = residual + self.n * self.mean[2] ** 2
        return {
            "r2": float(1 - squares / truth) if self.n > 1 and truth > 0 else np.nan,
            "rmse": float(np.sqrt(squares / self.n)),
            "nmad": self._nmad(),
            "bias": float(self.mean[2]),
            "outlier_fraction": self.n_outliers / self.n,
            "pearson": float(both / np.sqrt(truth * estimate)) if truth > 0 and estimate > 0 else np.nan,
        }

    def _nmad(self):
        centre = (np.arange(_BINS) - 0.5) * _BIN - _REACH
        centre[[0, -1]] = -np.inf, np.inf
        with np.errstate(invalid="ignore"):
            middle = _median(centre, self.counts)
        if not np.isfinite(middle):
            return np.inf
        distance = np.abs(centre - middle)
        order = np.argsort(distance, kind="stable")
        return float(1.4826 * _median(distance[order], self.counts[order]))


def _median(values, counts):
    """The median of values that come several times, in ascending order."""
    reached, n = np.cumsum(counts), int(counts.sum())
    low, high = values[np.searchsorted(reached, [(n - 1) // 2, n // 2], side="right")]
    return low if low == high else (low + high) / 2

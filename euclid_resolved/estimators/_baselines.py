"""What machine learning has to beat: the mean, and the field's own mass-to-light ratios from colours.

The mass-to-light baselines say log10 of a surface *density* from brightness and colour, with every
coefficient fitted to the training set. They cannot know which property they are asked for: for metallicity
or age a mass-to-light ratio makes no sense, and neither do their estimates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator, check_X, check_X_y, state_array
from euclid_resolved.estimators._linear import LinearRegression

if TYPE_CHECKING:
    from euclid_resolved.features._scale import Scale

__all__ = ["ColourMassToLight", "ConstantMassToLight", "Mean", "TwoColourTable"]


@dataclass
class Mean(Estimator):
    """The mean of the training set for every pixel: the floor under every comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators import Mean
    >>> Mean().fit(np.zeros((3, 1)), [0.1, 0.2, 0.6]).predict(np.ones((2, 1)))
    array([0.3, 0.3], dtype=float32)
    """

    floor = True  # the test kit asks for no more than this

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Take the mean; see `Estimator.fit`."""
        X, y = check_X_y(X, y)
        return self.restore({"mean": float(y.mean(dtype=np.float64)), "n_columns": X.shape[1]})

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The same for every row; see `Estimator.predict`."""
        return np.full(len(check_X(X, self._n_columns)), self._mean, np.float32)

    def state(self) -> dict[str, Any]:
        """``mean``, and ``n_columns``, the number of columns."""
        return {"mean": self._mean, "n_columns": self._n_columns}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back the mean; see `Estimator.restore`."""
        self._mean = float(state_array(state, "mean", 0, "fiu"))
        self._n_columns = int(state_array(state, "n_columns", 0, "iu"))
        return self


class _Columns:
    """Which column holds which band, and how to undo the scaling; what `Estimator.prepare` tells."""

    def __init__(self, bands, columns, feature_scale, target_scale):
        missing = [band for band in bands if band not in columns]
        if missing:
            raise InputError(
                f"a mass-to-light ratio needs the brightness in {', '.join(bands)}; "
                f"{', '.join(missing)} is not among the columns {', '.join(columns)}; "
                "train with the features 'bands'"
            )
        self.at = [columns.index(band) for band in bands]
        self.minimum, self.width = _range(feature_scale, self.at)
        self.target_minimum, self.target_width = (part[0] for part in _range(target_scale, [0]))

    def dex(self, X):
        """log10 of the bands' brightness, one array each."""
        return (X[:, self.at] * self.width + self.minimum).T

    def target(self, y):
        """log10 of the target."""
        return y * self.target_width + self.target_minimum


def _range(scale, at):
    """The minima and widths of some columns; a constant one is scaled as if it were 1 wide."""
    minimum, width = scale.minimum[at], (scale.maximum - scale.minimum)[at]
    return minimum, np.where(width > 0, width, 1.0)


def _heard(estimator):
    try:
        return estimator._columns
    except AttributeError:
        name = type(estimator).__name__
        message = f"{name} must hear from prepare() which columns are bands; train() does it"
        raise InputError(message) from None


@dataclass
class ConstantMassToLight(LinearRegression):
    """One mass-to-light ratio in HE for every pixel, the mean (in dex) of the training set.

    It makes sense for the stellar mass surface density only, and needs HE among the columns. State and
    prediction are those of a linear regression.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import ConstantMassToLight
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=ConstantMassToLight())
    >>> print(f"R2 {evaluate(model, galaxies[3:])['r2'][0]:.2f}")
    R2 0.95
    """

    def prepare(self, columns: tuple[str, ...], feature_scale: Scale, target_scale: Scale) -> None:
        """Find HE among the columns; see `Estimator.prepare`."""
        self._columns = _Columns(("HE",), columns, feature_scale, target_scale)

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Fit the ratio; see `Estimator.fit`."""
        X, y = check_X_y(X, y)
        columns = _heard(self)
        (light,) = columns.dex(X)
        ratio = float(np.mean(columns.target(y) - light))
        return self._line(X.shape[1], ratio, [1.0])

    def _line(self, n_columns, constant, weights):
        """The line of a constant and weights times the dex of the bands, in terms of the scaled columns."""
        columns = self._columns
        self._coefficients = np.zeros(n_columns)
        self._coefficients[columns.at] = np.array(weights) * columns.width / columns.target_width
        offset = constant + np.dot(weights, columns.minimum) - columns.target_minimum
        self._intercept = float(offset / columns.target_width)
        return self


@dataclass
class ColourMassToLight(ConstantMassToLight):
    """A mass-to-light ratio in HE that is linear in colour: log10 M/L = a + b (IE-HE).

    As Zibetti et al. (2009) and others do, with a and b fitted to the training set by least squares. It
    makes sense for the stellar mass surface density only, and needs IE and HE among the columns.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import ColourMassToLight, ConstantMassToLight
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> for estimator in ConstantMassToLight(), ColourMassToLight():
    ...     model = train(galaxies[:3], estimator=estimator)
    ...     print(f"RMSE {evaluate(model, galaxies[3:])['rmse'][0]:.2f}")
    RMSE 0.17 dex
    RMSE 0.08 dex
    """

    def prepare(self, columns: tuple[str, ...], feature_scale: Scale, target_scale: Scale) -> None:
        """Find IE and HE among the columns; see `Estimator.prepare`."""
        self._columns = _Columns(("IE", "HE"), columns, feature_scale, target_scale)

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Fit a and b; see `Estimator.fit`."""
        X, y = check_X_y(X, y)
        columns = _heard(self)
        blue, light = columns.dex(X)
        colour, ratio = -2.5 * (blue - light), columns.target(y) - light
        centred = colour - colour.mean()
        variance = float(centred @ centred)
        b = float(centred @ ratio) / variance if variance > 0 else 0.0
        a = float(ratio.mean() - b * colour.mean())
        return self._line(X.shape[1], a, [-2.5 * b, 1 + 2.5 * b])


@dataclass
class TwoColourTable(Estimator):
    """The median mass-to-light ratio in HE in bins of two colours, IE-HE and YE-HE.

    The bins divide the central 99 % of each colour in the training set into equal steps; a pixel beyond
    belongs to the outermost bin. A bin with fewer than `min_pixels` takes the ratio of the nearest one
    that has enough, distances counted in bins; where no bin has enough, all take the median of the training
    set. It makes sense for the stellar mass surface density only, and needs IE, YE and HE among the columns.

    Parameters
    ----------
    n_bins : int
        Bins of each colour.
    min_pixels : int
        The fewest training pixels that make a bin's median.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import TwoColourTable
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=TwoColourTable(n_bins=8))
    >>> print(f"RMSE {evaluate(model, galaxies[3:])['rmse'][0]:.2f}")
    RMSE 0.06 dex
    """

    n_bins: int = 30
    min_pixels: int = 5

    def __post_init__(self) -> None:
        check_whole("n_bins", self.n_bins)
        check_whole("min_pixels", self.min_pixels)

    def prepare(self, columns: tuple[str, ...], feature_scale: Scale, target_scale: Scale) -> None:
        """Find IE, YE and HE among the columns; see `Estimator.prepare`."""
        self._columns = _Columns(("IE", "YE", "HE"), columns, feature_scale, target_scale)

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Fill the table; see `Estimator.fit`."""
        from scipy.ndimage import distance_transform_edt

        X, y = check_X_y(X, y)
        columns, n = _heard(self), self.n_bins
        ie, ye, light = columns.dex(X)
        ratio, colours = columns.target(y) - light, -2.5 * np.stack([ie - light, ye - light])
        low, high = np.quantile(colours, [0.005, 0.995], axis=1)
        step = np.where(high > low, (high - low) / n, 1.0)
        table, count = _medians(_bin(colours, low, step, n), ratio, n * n)
        enough = (count >= self.min_pixels).reshape(n, n)
        if enough.any():
            nearest = distance_transform_edt(~enough, return_distances=False, return_indices=True)
            table = table.reshape(n, n)[tuple(nearest)]
        else:
            table = np.full((n, n), np.median(ratio))
        return self.restore(
            {
                "table": table.astype(np.float32),
                "low": low,
                "step": step,
                "columns": np.array(columns.at),
                "n_columns": X.shape[1],
                "minimum": columns.minimum,
                "width": columns.width,
                "target": np.array([columns.target_minimum, columns.target_width]),
            }
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Look the ratio up; see `Estimator.predict`."""
        state = self._state
        X = check_X(X, self._n_columns)
        ie, ye, light = (X[:, state["columns"]] * state["width"] + state["minimum"]).T
        colours = -2.5 * np.stack([ie - light, ye - light])
        bins = _bin(colours, state["low"], state["step"], len(state["table"]))
        dex = light + state["table"].ravel()[bins]
        return ((dex - state["target"][0]) / state["target"][1]).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """The ``table`` (dex of Msun/pc2 a MJy/sr), where its bins begin, and the scaling of the columns."""
        return {**self._state, "n_columns": self._n_columns}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back the table; see `Estimator.restore`."""
        kept = {"table": state_array(state, "table", 2).astype(np.float32)}
        sizes = {"low": 2, "step": 2, "minimum": 3, "width": 3, "target": 2}
        for name, size in sizes.items():
            kept[name] = state_array(state, name, 1).astype(np.float64)
            if len(kept[name]) != size or (np.abs(kept[name]) > 1e6).any():
                raise InputError(f"{name!r} must have {size} values in dex or mag, got {kept[name]}")
        kept["columns"] = state_array(state, "columns", 1, "iu").astype(np.int64)
        self._n_columns = int(state_array(state, "n_columns", 0, "iu"))
        n, m = kept["table"].shape
        if n != m or n < 1 or (kept["step"] <= 0).any() or kept["target"][1] <= 0:
            raise InputError("the table is not square, or its bins or its target have no width")
        at = kept["columns"]
        if len(at) != 3 or (at < 0).any() or (at >= self._n_columns).any():
            raise InputError(f"the table's columns are not among the {self._n_columns} features")
        self._state = kept
        return self


def _bin(colours, low, step, n):
    """The bin of each pixel in the flattened table."""
    # Clipped while still floating: a colour far outside has no integer.
    i, j = np.clip((colours - low[:, None]) / step[:, None], 0, n - 1).astype(np.int64)
    return i * n + j


def _medians(bins, values, n):
    """The median of the values in each bin, and how many there are."""
    order = np.lexsort((values, bins))
    count = np.bincount(bins, minlength=n)
    start = np.cumsum(count) - count
    values = np.append(values[order], 0.0)  # an empty last bin looks one past the end
    return (values[start + np.maximum(count - 1, 0) // 2] + values[start + count // 2]) / 2, count

"""Fits of a relation between two properties, with errors from drawing galaxies again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["fit_relation"]


_PIVOT = 2.0  # log10 of 100 Msun/pc2, where linear and quadratic fits have their zero point
_WIDTH = 0.05  # dex: bins of density
_MOST_LOST = 0.05  # of the bootstrap samples that may leave a form unconstrained


def linear(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """``a + b (x - 2)``."""
    return a + b * (x - _PIVOT)


def quadratic(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """``a + b (x - 2) + c (x - 2)^2``."""
    return a + b * (x - _PIVOT) + c * (x - _PIVOT) ** 2


def saturating(x: np.ndarray, y0: float, gamma: float, x0: float) -> np.ndarray:
    """``y0 - gamma log10(1 + 10^-(x - x0))``: a power law of slope gamma that levels off at y0 above x0."""
    return y0 - gamma * np.log10(1 + 10.0 ** -(x - x0))


FORMS: dict[str, tuple[Callable[..., np.ndarray], tuple[str, ...]]] = {
    "linear": (linear, ("a", "b")),
    "quadratic": (quadratic, ("a", "b", "c")),
    "saturating": (saturating, ("y0", "gamma", "x0")),
}
"""The forms that are fitted: function and names of its parameters; x is log10 of density in Msun/pc2, y
log10 of metallicity in solar units."""


@dataclass(frozen=True)
class Sums:
    """Sums over the pixels of each bin of density that holds any.

    Attributes
    ----------
    n, x : `~numpy.ndarray`
        Number of pixels and their mean log10 of density, shape (bins,).
    xx : `~numpy.ndarray`
        Sum of the squares of what density differs by from that mean.
    y, xy : list of `~numpy.ndarray`
        For each quantity its sum, and that of its products with those differences.
    yy : dict of (int, int) to `~numpy.ndarray`
        Sums of products of two quantities.
    """

    n: np.ndarray
    x: np.ndarray
    xx: np.ndarray
    y: list
    xy: list
    yy: dict


class Binned:
    """Sums over the pixels of each galaxy in bins of density: all that fits and their errors need.

    A bootstrap over galaxies adds up the sums of the galaxies drawn; the pixels are read once. Pixels where
    anything is NaN or infinite are left out.

    Parameters
    ----------
    x : array_like
        log10 of density, shape (n,).
    ys : sequence of array_like
        What is related to it, one or two arrays of shape (n,).
    galaxy : array_like of int
        Which galaxy each pixel belongs to.

    Raises
    ------
    InputError
        If the arrays are not equally long, or no pixel is left.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._relation_fit import Binned
    >>> binned = Binned([1.0, 1.0, 2.0], [[-0.3, -0.1, 0.0]], [0, 1, 1])
    >>> len(binned)
    2
    >>> sums = binned.sums()
    >>> print(sums.n, sums.x, (sums.y[0] / sums.n).round(2))
    [2. 1.] [1. 2.] [-0.2  0. ]
    """

    def __init__(self, x, ys, galaxy):
        x = np.asarray(x, float)
        ys = [np.asarray(y, float) for y in ys]
        galaxy = np.asarray(galaxy)
        lengths = {values.shape for values in (x, *ys, galaxy)}
        if len(lengths) > 1 or x.ndim != 1:
            shapes = ", ".join(str(values.shape) for values in (x, *ys, galaxy))
            raise InputError(f"x, y and galaxy must be 1-D and equally long; their shapes are {shapes}")
        known = np.isfinite(x) & np.all([np.isfinite(y) for y in ys], axis=0)
        if not known.any():
            raise InputError(f"none of {len(x)} pixels has a finite x and y")
        x, galaxy, ys = x[known], galaxy[known], [y[known] for y in ys]
        low = np.floor(x.min() / _WIDTH)
        bins = (np.floor(x / _WIDTH) - low).astype(np.int64)
        n_bins, groups = int(bins.max()) + 1, np.unique(galaxy, return_inverse=True)[1]
        shape = (int(groups.max()) + 1, n_bins)
        place = groups * n_bins + bins

        def total(weights=None):
            return np.bincount(place, weights, shape[0] * n_bins).reshape(shape).astype(float)

        self._middle = (low + np.arange(n_bins) + 0.5) * _WIDTH
        off = x - self._middle[bins]  # small, so that no digits are lost in its squares
        self._n, self._x, self._xx = total(), total(off), total(off * off)
        self._y, self._xy = [total(y) for y in ys], [total(off * y) for y in ys]
        self._yy = {(i, j): total(ys[i] * ys[j]) for i in range(len(ys)) for j in range(i, len(ys))}

    def __len__(self):
        return len(self._n)

    def sums(self, weights=None):
        """Sums over galaxies, each counted as often as `weights` says; bins without a pixel are left out."""
        weights = np.ones(len(self)) if weights is None else weights
        some = weights @ self._n > 0

        def over(table):
            return (weights @ table)[some]

        n, y = over(self._n), [over(table) for table in self._y]
        mean = over(self._x) / n
        return Sums(
            n,
            self._middle[some] + mean,
            np.maximum(over(self._xx) - n * mean**2, 0),
            y,
            [over(table) - mean * total for table, total in zip(self._xy, y, strict=True)],
            {key: over(table) for key, table in self._yy.items()},
        )

    def draws(self, n, seed):
        """How often each galaxy counts, for `n` bootstrap samples of galaxies."""
        check_whole("seed", seed, 0)
        rng = np.random.default_rng(seed)
        return rng.multinomial(len(self), np.full(len(self), 1 / len(self)), size=n)


def _fit(form, sums, which, start=None):
    """Parameters that fit the means in bins, weighted by pixels; NaN where the data do not constrain them."""
    mean = sums.y[which] / sums.n
    if form == "saturating":
        return _fit_saturating(sums.n, sums.x, mean, start)
    degree = len(FORMS[form][1]) - 1
    if len(sums.x) <= degree:
        return np.full(degree + 1, np.nan)
    return np.polynomial.polynomial.polyfit(sums.x - _PIVOT, mean, degree, w=np.sqrt(sums.n))


def _fit_saturating(n, x, mean, start):
    from scipy.optimize import least_squares

    if len(x) < 4:
        return np.full(3, np.nan)
    # Beyond two dex outside the data the knee cannot be told from a straight line or a constant.
    low, high = np.array([-5, 0, x.min() - 2]), np.array([5, 10, x.max() + 2])
    if start is None or not np.isfinite(start).all():
        centre = np.average(x, weights=n)
        start = np.average(mean, weights=n), 0.3, centre
    start = np.clip(start, low + 1e-6, high - 1e-6)
    root = np.sqrt(n / n.sum())
    found = least_squares(lambda p: root * (saturating(x, *p) - mean), start, bounds=(low, high)).x
    near = 1e-3 * (high - low)
    # A fit that ends at a bound has found where the search stops, not a knee.
    return np.full(3, np.nan) if np.any((found < low + near) | (found > high - near)) else found


def _scatter(form, parameters, sums, which):
    """Standard deviation of all pixels about a relation, dex; each at its own density within its bin."""
    function, step = FORMS[form][0], _WIDTH / 10
    model = function(sums.x, *parameters)
    slope = (function(sums.x + step, *parameters) - function(sums.x - step, *parameters)) / (2 * step)
    squares = sums.yy[(which, which)] - 2 * model * sums.y[which] - 2 * slope * sums.xy[which]
    squares += model**2 * sums.n + slope**2 * sums.xx
    return float(np.sqrt(max(squares.sum() / sums.n.sum(), 0))) if np.isfinite(model).all() else np.nan


def partial_correlation(sums):
    """Correlation of the two quantities after what density says, by bin and slope, is taken away."""
    (a, b), (ax, bx) = sums.y, sums.xy
    # Within a bin both follow density; bins of one density have no slope to take away.
    along = np.divide(1.0, sums.xx, out=np.zeros_like(sums.xx), where=sums.xx > 1e-12 * sums.n)
    cov = (sums.yy[(0, 1)] - a * b / sums.n - ax * bx * along).sum()
    var = (sums.yy[(0, 0)] - a * a / sums.n - ax**2 * along).sum()
    var *= (sums.yy[(1, 1)] - b * b / sums.n - bx**2 * along).sum()
    return float(cov / np.sqrt(var)) if var > 1e-12 else np.nan


def fit_relation(
    x: ArrayLike,
    y: ArrayLike,
    galaxy: ArrayLike,
    form: Literal["linear", "quadratic", "saturating"] = "linear",
    *,
    bootstrap: int = 200,
    seed: int = 1,
) -> tuple[dict[str, float], dict[str, float]]:
    """Fit a relation between density and metallicity, with errors by bootstrap over galaxies.

    Pixels of one galaxy are alike; drawing pixels would give errors many times too small.

    Parameters
    ----------
    x, y : array_like
        log10 of density in Msun/pc2 and of metallicity in solar units, shape (n,). Pixels where either is
        NaN or infinite are left out.
    galaxy : array_like of int
        Which galaxy each pixel belongs to.
    form : {"linear", "quadratic", "saturating"}, optional
        A line, a parabola, or a power law that levels off at high density.
    bootstrap : int, optional
        How many samples of galaxies are drawn.
    seed : int, optional

    Returns
    -------
    values, errors : dict of str to float
        The parameters and ``scatter`` of the pixels about the relation (dex). Errors are standard deviations
        over the samples, NaN for fewer than two galaxies. All are NaN where the data do not constrain the
        form: the knee of a saturating relation lies beyond the data for them, or for more than a twentieth
        of the samples.

    Raises
    ------
    InputError
        If the form is unknown, the arrays are not equally long, or no pixel is finite.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.diagnostics import fit_relation
    >>> rng = np.random.default_rng(1)
    >>> density, galaxy = rng.uniform(0, 4, 5000), np.arange(5000) % 20
    >>> metallicity = -0.1 + 0.15 * (density - 2) + rng.normal(0, 0.05, 5000)
    >>> values, errors = fit_relation(density, metallicity, galaxy)
    >>> print({name: round(value, 2) for name, value in values.items()})
    {'a': -0.1, 'b': 0.15, 'scatter': 0.05}
    """
    return fitted(Binned(x, [y], galaxy), form, 0, bootstrap, seed)


def fitted(binned, form, which, bootstrap, seed):
    """Values and errors of a form's parameters, and the scatter about it; see `fit_relation`."""
    if form not in FORMS:
        raise InputError(f"unknown form {form!r}; known are {', '.join(FORMS)}")
    names = (*FORMS[form][1], "scatter")
    sums = binned.sums()
    best = _fit(form, sums, which)
    values = np.array([*best, _scatter(form, best, sums, which)])
    drawn = []
    for weights in binned.draws(bootstrap, seed) if len(binned) > 1 else ():
        sums = binned.sums(weights)
        found = _fit(form, sums, which, start=best)
        drawn.append((*found, _scatter(form, found, sums, which)))
    errors = np.full(len(names), np.nan)
    if len(drawn) > 1:
        drawn = np.array(drawn)
        lost = np.isnan(drawn).any(axis=1)
        if lost.mean() > _MOST_LOST:
            values = np.full(len(names), np.nan)
        elif np.count_nonzero(~lost) > 1:
            errors = np.std(drawn[~lost], axis=0, ddof=1)
    return tuple(dict(zip(names, map(float, numbers), strict=True)) for numbers in (values, errors))

"""Fits of a relation between two properties, with errors from drawing galaxies again."""

import numpy as np

from euclid_resolved.errors import InputError

__all__ = ["fit_relation"]


_PIVOT = 2.0  # log10 of 100 Msun/pc2, where linear and quadratic fits have their zero point
_WIDTH = 0.05  # dex: bins of density


def linear(x, a, b):
    """``a + b (x - 2)``."""
    return a + b * (x - _PIVOT)


def quadratic(x, a, b, c):
    """``a + b (x - 2) + c (x - 2)^2``."""
    return a + b * (x - _PIVOT) + c * (x - _PIVOT) ** 2


def saturating(x, y0, gamma, x0):
    """``y0 - gamma log10(1 + 10^-(x - x0))``: a power law of slope gamma that levels off at y0 above x0."""
    return y0 - gamma * np.log10(1 + 10.0 ** -(x - x0))


FORMS = {
    "linear": (linear, ("a", "b")),
    "quadratic": (quadratic, ("a", "b", "c")),
    "saturating": (saturating, ("y0", "gamma", "x0")),
}
"""The forms that are fitted: function and names of its parameters; x is log10 of density in Msun/pc2, y
log10 of metallicity in solar units."""


class Binned:
    """Sums over the pixels of each galaxy in bins of density: all that fits and their errors need.

    A bootstrap over galaxies adds up the sums of the galaxies drawn; the pixels are read once.

    Parameters
    ----------
    x : array_like
        log10 of density, shape (n,).
    ys : sequence of array_like
        What is related to it, one or two arrays of shape (n,).
    galaxy : array_like of int
        Which galaxy each pixel belongs to.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._relation_fit import Binned
    >>> binned = Binned([1.0, 1.0, 2.0], [[-0.3, -0.1, 0.0]], [0, 1, 1])
    >>> len(binned)
    2
    >>> n, x, (y,), _ = binned.sums()
    >>> print(n, x, (y / n).round(2))
    [2. 1.] [1. 2.] [-0.2  0. ]
    """

    def __init__(self, x, ys, galaxy):
        x = np.asarray(x, float)
        ys = [np.asarray(y, float) for y in ys]
        low = np.floor(x.min() / _WIDTH)
        bins = (np.floor(x / _WIDTH) - low).astype(np.int64)
        n_bins, groups = int(bins.max()) + 1, np.unique(galaxy, return_inverse=True)[1]
        shape = (int(groups.max()) + 1, n_bins)
        place = groups * n_bins + bins

        def total(weights=None):
            return np.bincount(place, weights, shape[0] * n_bins).reshape(shape).astype(float)

        self.n, self.x = total(), total(x)
        self.y = [total(y) for y in ys]
        self.yy = {(i, j): total(ys[i] * ys[j]) for i in range(len(ys)) for j in range(i, len(ys))}

    def __len__(self):
        return len(self.n)

    def sums(self, weights=None):
        """Sums over galaxies, each counted as often as `weights` says; bins without a pixel are left out."""
        weights = np.ones(len(self)) if weights is None else weights
        n = weights @ self.n
        some = n > 0
        x = (weights @ self.x)[some] / n[some]
        y = [(weights @ each)[some] for each in self.y]
        return n[some], x, y, {key: (weights @ each)[some] for key, each in self.yy.items()}

    def draws(self, n, seed):
        """How often each galaxy counts, for `n` bootstrap samples of galaxies."""
        rng = np.random.default_rng(seed)
        return rng.multinomial(len(self), np.full(len(self), 1 / len(self)), size=n)


def _fit(form, sums, which, start=None):
    """Parameters that fit the means in bins, weighted by pixels; the same as a fit to all pixels."""
    n, x, y, _ = sums
    mean = y[which] / n
    if form == "saturating":
        return _fit_saturating(n, x, mean, start)
    degree = len(FORMS[form][1]) - 1
    if len(x) <= degree:
        return np.full(degree + 1, np.nan)
    return np.polynomial.polynomial.polyfit(x - _PIVOT, mean, degree, w=np.sqrt(n))


def _fit_saturating(n, x, mean, start):
    from scipy.optimize import least_squares

    if len(x) < 4:
        return np.full(3, np.nan)
    # Beyond two dex outside the data the knee cannot be told from a straight line or a constant.
    low, high = [-5, 0, x.min() - 2], [5, 10, x.max() + 2]
    if start is None:
        centre = np.average(x, weights=n)
        start = np.average(mean, weights=n), 0.3, centre
    start = np.clip(start, np.array(low) + 1e-6, np.array(high) - 1e-6)
    root = np.sqrt(n / n.sum())
    found = least_squares(lambda p: root * (saturating(x, *p) - mean), start, bounds=(low, high))
    return found.x


def _scatter(form, parameters, sums, which):
    """Standard deviation of all pixels about a relation, dex."""
    n, x, y, yy = sums
    model = FORMS[form][0](x, *parameters)
    squares = yy[(which, which)] - 2 * model * y[which] + model**2 * n
    return float(np.sqrt(max(squares.sum() / n.sum(), 0)))


def partial_correlation(sums):
    """Correlation of the two quantities after the mean at each density is taken away."""
    n, _, (a, b), yy = sums
    cov = (yy[(0, 1)] - a * b / n).sum()
    var = (yy[(0, 0)] - a * a / n).sum() * (yy[(1, 1)] - b * b / n).sum()
    return float(cov / np.sqrt(var)) if var > 1e-12 else np.nan


def fit_relation(x, y, galaxy, form="linear", *, bootstrap=200, seed=1):
    """Fit a relation between density and metallicity, with errors by bootstrap over galaxies.

    Pixels of one galaxy are alike; drawing pixels would give errors many times too small.

    Parameters
    ----------
    x, y : array_like
        log10 of density in Msun/pc2 and of metallicity in solar units, shape (n,).
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
        The parameters and ``scatter`` about the relation (dex). Errors are standard deviations over the
        samples, NaN for fewer than two galaxies.

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
    if form not in FORMS:
        raise InputError(f"unknown form {form!r}; known are {', '.join(FORMS)}")
    names = (*FORMS[form][1], "scatter")
    sums = binned.sums()
    best = _fit(form, sums, which)
    values = (*best, _scatter(form, best, sums, which))
    drawn = []
    for weights in binned.draws(bootstrap, seed) if len(binned) > 1 else ():
        sums = binned.sums(weights)
        found = _fit(form, sums, which, start=best)
        drawn.append((*found, _scatter(form, found, sums, which)))
    errors = np.std(drawn, axis=0, ddof=1) if len(drawn) > 1 else np.full(len(names), np.nan)
    pairs = zip(names, zip(values, errors, strict=True), strict=True)
    both = {name: (float(value), float(error)) for name, (value, error) in pairs}
    return {k: v for k, (v, _) in both.items()}, {k: e for k, (_, e) in both.items()}

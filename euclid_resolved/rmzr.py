"""The resolved mass-metallicity relation: fits, scatter, and how much of an estimate is nothing else."""

from dataclasses import replace

import numpy as np

from euclid_resolved.diagnostics import estimates, finish, pixels_of
from euclid_resolved.errors import InputError
from euclid_resolved.metrics import pearson, r2, rmse
from euclid_resolved.quantities import PROPERTIES
from euclid_resolved.scale import to_dex
from euclid_resolved.splits import group_numbers
from euclid_resolved.training import retrain

__all__ = ["FORMS", "Binned", "fit_relation", "rmzr", "rmzr_shuffle", "shuffle_at_fixed_density"]

DENSITY, METALLICITY = "stellar_mass_density", "stellar_metallicity"
_PIVOT = 2.0  # log10 of 100 Msun/pc2, where linear and quadratic fits have their zero point
_WIDTH = 0.05  # dex: bins of density
_FINE = 0.02  # dex: bins of density within which metallicity is shuffled
_DENSITY_GRID, _METALLICITY_GRID = (60, -0.5, 5.5), (60, -1.6, 0.8)  # bins and limits of the density plot


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
    >>> from euclid_resolved.rmzr import Binned
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


def _partial_correlation(sums):
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
        See `FORMS`.
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
    >>> from euclid_resolved.rmzr import fit_relation
    >>> rng = np.random.default_rng(1)
    >>> density, galaxy = rng.uniform(0, 4, 5000), np.arange(5000) % 20
    >>> metallicity = -0.1 + 0.15 * (density - 2) + rng.normal(0, 0.05, 5000)
    >>> values, errors = fit_relation(density, metallicity, galaxy)
    >>> print({name: round(value, 2) for name, value in values.items()})
    {'a': -0.1, 'b': 0.15, 'scatter': 0.05}
    """
    return _fitted(Binned(x, [y], galaxy), form, 0, bootstrap, seed)


def _fitted(binned, form, which, bootstrap, seed):
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


def _density_and_metallicity(model, pixels):
    """log10 of true density, of true and of estimated metallicity in solar units."""
    solar = np.float32(np.log10(PROPERTIES[METALLICITY].zero_point))
    truth, guess = estimates(model, pixels, METALLICITY)
    return to_dex(pixels.truth[DENSITY]), truth - solar, guess - solar


def _with_metallicity(model, training, test):
    """The model, trained anew for metallicity where it does not estimate it, and the pixels."""
    properties = dict.fromkeys((*model.properties, DENSITY, METALLICITY))
    pixels, unseen = (pixels_of(part, model, properties) for part in (training, test))
    if METALLICITY not in model.properties:
        model = retrain(model, pixels, properties=(METALLICITY,))
    return model, pixels, unseen


def rmzr(model, training, test, *, bootstrap=200, seed=1):
    """Fit the resolved mass-metallicity relation, and ask what an estimate knows beyond it (Fig. 8).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        One that does not estimate metallicity is trained anew to do so.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    bootstrap : int, optional
        Samples of galaxies drawn for the errors.
    seed : int, optional

    Returns
    -------
    table : `~astropy.table.QTable`
        One quantity a row, with ``error``: for the metallicity of ``all`` galaxies, and the ``true`` and
        ``predicted`` one of the test galaxies, always at true density, the parameters of each of `FORMS`
        and the ``scatter`` about it (dex). Last, the ``partial correlation`` of true and predicted
        metallicity at fixed density: 0 where the estimate is the relation and nothing else. Medians and
        counts for figures are in ``meta``.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.rmzr import rmzr
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> table = rmzr(model, galaxies[:3], galaxies[3:], bootstrap=20)
    >>> table.colnames
    ['metallicity', 'form', 'quantity', 'value', 'error']
    """
    model, pixels, unseen = _with_metallicity(model, training, test)
    solar = np.log10(PROPERTIES[METALLICITY].zero_point)
    x, truth, guess = _density_and_metallicity(model, unseen)
    x_all = np.concatenate([to_dex(pixels.truth[DENSITY]), x])
    y_all = np.concatenate([to_dex(pixels.truth[METALLICITY]) - solar, truth])
    galaxies = [group_numbers(pixels.names)[pixels.galaxy], group_numbers(unseen.names)[unseen.galaxy]]
    everything = np.concatenate([galaxies[0], galaxies[1] + galaxies[0].max() + 1])
    pair = Binned(x, [truth, guess], galaxies[1])
    cases = {"all": (Binned(x_all, [y_all], everything), 0), "true": (pair, 0), "predicted": (pair, 1)}
    rows = []
    for case, (binned, which) in cases.items():
        for form in FORMS:
            values, errors = _fitted(binned, form, which, bootstrap, seed)
            rows += [
                {"metallicity": case, "form": form, "quantity": key, "value": value, "error": errors[key]}
                for key, value in values.items()
            ]
    drawn = [_partial_correlation(pair.sums(w)) for w in pair.draws(bootstrap, seed)]
    rows.append(
        {
            "metallicity": "true and predicted",
            "form": "",
            "quantity": "partial correlation",
            "value": _partial_correlation(pair.sums()),
            "error": float(np.nanstd(drawn)) if len(pair) > 1 else np.nan,
        }
    )
    sets = {"all": (x_all, y_all), "true": (x, truth), "predicted": (x, guess)}
    return finish(rows, panels={case: _panel(*xy) for case, xy in sets.items()})


def _panel(x, y):
    """Counts on a grid, and running medians, as plain lists that go into a file."""
    from euclid_resolved.comparison import running_median

    nx, x0, x1 = _DENSITY_GRID
    ny, y0, y1 = _METALLICITY_GRID
    counts = np.histogram2d(x, y, bins=(nx, ny), range=((x0, x1), (y0, y1)))[0].astype(int)
    medians = [np.round(v, 4).tolist() for v in running_median(x, y, bins=14)]
    return {"x": [x0, x1], "y": [y0, y1], "counts": counts.tolist(), "medians": medians}


def shuffle_at_fixed_density(pixels, seed=1):
    """The same pixels with metallicity exchanged among pixels of one density.

    The relation between density and metallicity, and its scatter, stay; whatever else says metallicity is
    destroyed.

    Parameters
    ----------
    pixels : `~euclid_resolved.sample.Pixels`
    seed : int, optional

    Returns
    -------
    pixels : `~euclid_resolved.sample.Pixels`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.rmzr import shuffle_at_fixed_density
    >>> from euclid_resolved.sample import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(), ("stellar_mass_density", "stellar_metallicity"))
    >>> before, after = (p.truth["stellar_metallicity"] for p in (pixels, shuffle_at_fixed_density(pixels)))
    >>> np.array_equal(np.sort(before), np.sort(after)), bool((before != after).any())
    (True, True)
    """
    bins = np.floor(to_dex(pixels.truth[DENSITY]) / _FINE).astype(np.int64)
    order = np.lexsort((np.random.default_rng(seed).random(len(pixels)), bins))
    shuffled = np.empty_like(pixels.truth[METALLICITY])
    shuffled[np.argsort(bins, kind="stable")] = pixels.truth[METALLICITY][order]
    return replace(pixels, truth={**pixels.truth, METALLICITY: shuffled})


def rmzr_shuffle(model, training, test, *, seed=1):
    """Is metallicity estimated, or density and then the relation? Train with the rest destroyed.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    seed : int, optional
        Of the shuffling.

    Returns
    -------
    table : `~astropy.table.QTable`
        R2, RMSE, Pearson coefficient and partial correlation at fixed density of metallicity, on the
        untouched test galaxies: ``as trained``; trained on metallicity ``shuffled at fixed density``;
        and ``relation alone``, the mean metallicity of the training pixels of the *true* density, the best
        that density can say.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.rmzr import rmzr_shuffle
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> print(rmzr_shuffle(model, galaxies[:3], galaxies[3:])["case", "r2"])
               case             r2
    ------------------------- ------
                   as trained 0.9908
    shuffled at fixed density 0.7617
               relation alone 0.6643
    """
    model, pixels, unseen = _with_metallicity(model, training, test)
    shuffled = retrain(model, shuffle_at_fixed_density(pixels, seed), properties=(METALLICITY,))
    x, truth, guess = _density_and_metallicity(model, unseen)
    solar = np.log10(PROPERTIES[METALLICITY].zero_point)
    known = to_dex(pixels.truth[METALLICITY]) - solar
    n, middle, (total,), _ = Binned(to_dex(pixels.truth[DENSITY]), [known], pixels.galaxy * 0).sums()
    cases = {
        "as trained": guess,
        "shuffled at fixed density": estimates(shuffled, unseen, METALLICITY)[1] - solar,
        "relation alone": np.interp(x, middle, total / n),
    }
    rows = []
    for case, values in cases.items():
        partial = _partial_correlation(Binned(x, [truth, values], unseen.galaxy).sums())
        row = {"case": case, "r2": r2(truth, values), "rmse": rmse(truth, values)}
        row |= {"pearson": pearson(truth, values), "partial_correlation": partial}
        if case == "relation alone":
            row["partial_correlation"] = np.nan  # a function of density says nothing at fixed density
        rows.append(row)
    return finish(rows)

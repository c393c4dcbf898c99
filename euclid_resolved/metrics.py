"""How good estimates are: the paper's six metrics, in dex."""

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.scale import to_dex

__all__ = [
    "bias",
    "estimate_pixels",
    "evaluate",
    "metrics",
    "nmad",
    "outlier_fraction",
    "pearson",
    "r2",
    "rmse",
]

OUTLIER = 0.3
"""The difference, in dex, beyond which an estimate counts as an outlier (the paper's Eq. 8)."""


def _pair(y_true, y_pred):
    y_true, y_pred = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if y_true.shape != y_pred.shape or y_true.ndim != 1:
        raise InputError(f"truth {y_true.shape} and prediction {y_pred.shape} must be 1-D and equally long")
    return y_true, y_pred


def r2(y_true, y_pred):
    """Coefficient of determination (Eq. 3): 1 is perfect, 0 as good as the mean of the truth.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    r2 : float
        NaN for fewer than two values or a constant truth.

    Examples
    --------
    >>> from euclid_resolved.metrics import r2
    >>> r2([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    1.0
    >>> r2([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])
    0.0
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if y_true.size < 2 or np.ptp(y_true) == 0:
        return np.nan
    return float(1 - np.sum((y_true - y_pred) ** 2) / np.sum((y_true - y_true.mean()) ** 2))


def rmse(y_true, y_pred):
    """Root-mean-square error in dex (Eq. 5); NaN for no values.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    rmse : float

    Examples
    --------
    >>> from euclid_resolved.metrics import rmse
    >>> round(rmse([1.0, 2.0], [1.3, 2.4]), 3)
    0.354
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.sqrt(np.mean((y_true - y_pred) ** 2))) if y_true.size else np.nan


def nmad(y_true, y_pred):
    """Normalised median absolute deviation in dex, ``1.4826 median |d - median d|`` (Eq. 6).

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    nmad : float
        NaN for no values.

    Examples
    --------
    >>> from euclid_resolved.metrics import nmad
    >>> round(nmad([0.0, 0.1, 0.2, 5.0], [0.0, 0.0, 0.0, 0.0]), 3)
    0.148
    """
    y_true, y_pred = _pair(y_true, y_pred)
    d = y_true - y_pred
    if not d.size:
        return np.nan
    d -= np.median(d)
    return float(1.4826 * np.median(np.abs(d, out=d), overwrite_input=True))


def bias(y_true, y_pred):
    """Mean of truth minus prediction in dex (Eq. 7): positive where the model underestimates.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    bias : float
        NaN for no values.

    Examples
    --------
    >>> from euclid_resolved.metrics import bias
    >>> bias([2.0, 3.0], [1.5, 2.5])
    0.5
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.mean(y_true - y_pred)) if y_true.size else np.nan


def outlier_fraction(y_true, y_pred, limit=OUTLIER):
    """The fraction of values off by more than `limit` dex (Eq. 8).

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).
    limit : float, optional

    Returns
    -------
    fraction : float
        NaN for no values.

    Examples
    --------
    >>> from euclid_resolved.metrics import outlier_fraction
    >>> outlier_fraction([1.0, 1.0, 1.0, 1.0], [1.1, 0.9, 1.2, 1.5])
    0.25
    >>> outlier_fraction([1.0, 1.0, 1.0, 1.0], [1.1, 0.9, 1.2, 1.5], limit=0.15)
    0.5
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.mean(np.abs(y_true - y_pred) > limit)) if y_true.size else np.nan


def pearson(y_true, y_pred):
    """Pearson correlation coefficient (Eq. 9).

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    rho : float
        NaN for fewer than two values or where one of the two is constant.

    Examples
    --------
    >>> from euclid_resolved.metrics import pearson, r2
    >>> truth, estimate = [0.0, 1.0, 2.0], [0.0, 0.5, 1.0]
    >>> round(pearson(truth, estimate), 3), round(r2(truth, estimate), 3)
    (1.0, 0.375)
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if y_true.size < 2 or np.ptp(y_true) == 0 or np.ptp(y_pred) == 0:
        return np.nan
    return float(np.corrcoef(y_true, y_pred)[0, 1])


METRICS = (r2, rmse, nmad, bias, outlier_fraction, pearson)
"""The six metrics, in the paper's order."""


def metrics(y_true, y_pred):
    """All six metrics.

    Parameters
    ----------
    y_true, y_pred : array_like
        log10 of the property, shape (n,).

    Returns
    -------
    values : dict of str to float

    Examples
    --------
    >>> from euclid_resolved.metrics import metrics
    >>> for name, value in metrics([1.0, 2.0, 3.0], [1.1, 2.0, 2.5]).items():
    ...     print(f"{name:16} {value:6.3f}")
    r2                0.870
    rmse              0.294
    nmad              0.148
    bias              0.133
    outlier_fraction  0.333
    pearson           0.987
    """
    return {metric.__name__: metric(y_true, y_pred) for metric in METRICS}


PIECE = 1 << 18
"""Pixels that are estimated at a time: enough for all threads of a forest."""


def estimate_pixels(model, pixels, properties=None):
    """A model's estimates for pixels; features are made once, for some pixels at a time.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.sample.Pixels`
    properties : sequence of str, optional
        All that the model estimates without it.

    Returns
    -------
    dex : dict of str to `~numpy.ndarray`
        float32, shape (n,), by property.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.metrics import estimate_pixels
    >>> from euclid_resolved.sample import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "stellar_age", LinearRegression())
    >>> estimate_pixels(model, pixels_of(galaxies[3:], model))["stellar_age"].shape
    (256,)
    """
    found = {name: np.empty(len(pixels), np.float32) for name in properties or model.properties}
    for start, piece in pixels.brightness.select(model.bands).pieces(PIECE):
        if properties is None:
            made = model.estimate_all(piece)
        else:
            made = {name: model.estimate(piece, name) for name in properties}
        for name, dex in made.items():
            found[name][start : start + len(dex)] = dex
    return found


def evaluate(model, galaxies, *, per_galaxy=False, progress=False):
    """Compare a model with the truth, on the pixels brighter than its clip.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        Galaxies the model has not seen, if the figures are to mean anything.
    per_galaxy : bool, optional
        A row for every galaxy and property instead of one a property.
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row a property: ``r2``, ``rmse``, ``nmad``, ``bias`` (dex), ``outlier_fraction``,
        ``pearson``, ``n_pixels``, ``n_galaxies``; the fraction of pixels that were kept is in
        ``meta["kept"]``.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, evaluate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], ("stellar_mass_density", "stellar_age"), LinearRegression())
    >>> print(evaluate(model, galaxies[3:])["property", "r2", "rmse", "n_pixels"])
          property         r2   rmse n_pixels
                                dex
    -------------------- ----- ----- --------
    stellar_mass_density 0.989 0.076      256
             stellar_age 0.994 0.009      256
    """
    import astropy.units as u
    from astropy.table import QTable

    from euclid_resolved.sample import pixels_of

    pixels = pixels_of(galaxies, model, progress=progress)
    rows = []
    for name, estimate in estimate_pixels(model, pixels).items():
        truth = to_dex(pixels.truth[name])
        if per_galaxy:
            stops = np.cumsum(pixels.counts)
            for galaxy, stop, n in zip(pixels.names, stops, pixels.counts, strict=True):
                own, counts = slice(stop - n, stop), {"n_pixels": n}
                rows.append(
                    {"property": name, "galaxy": galaxy, **metrics(truth[own], estimate[own]), **counts}
                )
        else:
            counts = {"n_pixels": len(truth), "n_galaxies": len(pixels.names)}
            rows.append({"property": name, **metrics(truth, estimate), **counts})
    table = QTable(rows=rows)
    for name in ("rmse", "nmad", "bias"):
        table[name] = table[name] * u.dex
    for name in ("r2", "rmse", "nmad", "bias", "outlier_fraction", "pearson"):
        table[name].info.format = ".3f"
    table.meta["kept"] = pixels.kept
    return table

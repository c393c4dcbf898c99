"""Which band a model leans on: leave one out, impurity importance, permutation importance."""

from dataclasses import replace

import numpy as np

from euclid_resolved.diagnostics import accuracy_columns, estimates, finish, get_metric, pixels_of
from euclid_resolved.errors import InputError
from euclid_resolved.features import feature_columns
from euclid_resolved.training import retrain

__all__ = ["columns_without", "impurity_importance", "lofo", "lofo_models", "permutation_importance"]

_HIGHER_IS_BETTER = ("r2", "pearson")


def columns_without(model, band):
    """The columns of a model that can still be made where a band is missing.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    band : str

    Returns
    -------
    columns : tuple of str
        Leaving out HE leaves out IE-HE, too.
    """
    rest = tuple(other for other in model.bands if other != band)
    possible = feature_columns(rest, model.features)
    return tuple(column for column in model.columns if column in possible)


def _seen_bands(model):
    """The bands that make a column; the one that is only clipped cannot be left out."""
    return [band for band in model.bands if len(columns_without(model, band)) < len(model.columns)]


def lofo_models(model, training, *, fit=retrain):
    """Train models as `model` was, each without one band, one after the other.

    A generator, because forests are large: what is not kept is forgotten. The pixels stay the same, those
    above the clip, even where the clipped band is the one left out.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    fit : callable, optional
        ``fit(model, pixels, columns=...)``, for whoever keeps trained models.

    Yields
    ------
    band : str
        The one left out.
    model : `~euclid_resolved.Model`
    """
    pixels = pixels_of(training, model)
    for band in _seen_bands(model):
        columns = columns_without(model, band)
        if not columns:
            raise InputError(f"without {band} nothing is left: the model looks at it alone")
        yield band, fit(model, pixels, columns=columns)


def lofo(model, training, test, *, metric="rmse", models=None):
    """Leave one feature out: how much worse a model trained without a band is (the paper's Eq. 11).

    All columns that cannot be made without the band go, so that a colour does not bring it back.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    metric : str, optional
        Any of the six.
    models : iterable of (str, `~euclid_resolved.Model`), optional
        What `lofo_models` gives, for whoever keeps trained models.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property and band left out (``none`` first), with the six metrics of the model
        without it; ``lofo`` is the metric without the band minus that with all, and
        ``lofo_relative`` that difference divided by the metric with all. For ``rmse``, ``nmad`` and
        ``outlier_fraction`` a band that matters has a positive value, for ``r2`` and ``pearson`` a
        negative one.
    """
    get_metric(metric)
    unseen = pixels_of(test, model)
    found = {name: {"none": accuracy_columns(model, unseen, name)} for name in model.properties}
    for band, other in lofo_models(model, training) if models is None else models:
        for name in model.properties:
            found[name][band] = accuracy_columns(other, unseen, name)
    rows = []
    for name, cases in found.items():
        reference = cases["none"][metric]
        for band, values in cases.items():
            difference = values[metric] - reference
            relative = difference / reference if reference else np.nan
            extra = {"lofo": difference, "lofo_relative": relative}
            rows.append({"property": name, "left_out": band, **values, **extra})
    return finish(rows, metric=metric)


def impurity_importance(model, training, test):
    """How much of the squared error the splits on each column remove: what a forest says of itself.

    It tells what the trees use, not what they need: of two bands that say the same, either may get all
    (the paper's Sect. 5.4). Compare with `lofo`.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training, test
        Not looked at.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``property``, ``column``, ``importance`` (sums to 1 for each property; NaN where the estimator
        has none).
    """
    rows = []
    for name, output in model.outputs.items():
        columns = model.columns + output.chain
        found = output.estimator.feature_importance
        found = np.full(len(columns), np.nan) if found is None else found
        for column, value in zip(columns, found, strict=True):
            rows.append({"property": name, "column": column, "importance": float(value)})
    return finish(rows)


def permutation_importance(model, training, test, *, metric="r2", repeats=5, seed=1):
    """How much worse the estimates are when a band is shuffled among the test pixels.

    The band is shuffled with everything that is made of it. Shuffled among all pixels it carries nothing;
    shuffled among the pixels of each galaxy it still says which galaxy it is, and what is lost is what it
    tells within galaxies. Nothing is trained.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training
        Not looked at.
    test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    metric : str, optional
        Any of the six.
    repeats : int, optional
        How often each band is shuffled.
    seed : int, optional

    Returns
    -------
    table : `~astropy.table.QTable`
        ``property``, ``band``, ``importance`` (the loss in the metric, positive where the band matters;
        for ``bias`` the change), ``importance_error`` (its standard deviation over the repeats), and both
        again ``within`` galaxies.
    """
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, got {repeats}")
    measure, pixels = get_metric(metric), pixels_of(test, model)
    sign = -1 if metric in _HIGHER_IS_BETTER else 1
    orders = {"": np.zeros(len(pixels), np.int32), "_within": pixels.galaxy}
    rows = []
    for name in model.properties:
        reference = measure(*estimates(model, pixels, name))
        for band in _seen_bands(model):
            row = {"property": name, "band": band}
            for suffix, group in orders.items():
                rng = np.random.default_rng(seed)
                lost = []
                for _ in range(repeats):
                    shuffled = _shuffle(pixels.brightness[band], group, rng)
                    changed = replace(pixels, brightness={**pixels.brightness, band: shuffled})
                    lost.append(sign * (measure(*estimates(model, changed, name)) - reference))
                row[f"importance{suffix}"] = float(np.mean(lost))
                row[f"importance{suffix}_error"] = float(np.std(lost, ddof=1)) if repeats > 1 else np.nan
            rows.append(row)
    return finish(rows, metric=metric)


def _shuffle(values, group, rng):
    """Values shuffled within groups."""
    order = np.lexsort((rng.random(len(values)), group))
    target = np.argsort(group, kind="stable")
    result = np.empty_like(values)
    result[target] = values[order]
    return result

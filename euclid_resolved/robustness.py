"""How far an accuracy can be trusted: folds, fewer galaxies, other seeds, other projections, and colours."""

from dataclasses import replace

import numpy as np

from euclid_resolved.diagnostics import accuracy_columns, finish, pixels_of
from euclid_resolved.errors import InputError
from euclid_resolved.features import make_features
from euclid_resolved.metrics import r2, rmse
from euclid_resolved.sample import Pixels, folds, group_name
from euclid_resolved.scale import Scale
from euclid_resolved.training import retrain

__all__ = [
    "colour_recovery",
    "cross_validation",
    "epistemic_scatter",
    "learning_curve",
    "observer_of",
    "projections",
    "sample_bias",
]


def _rows(model, pixels, **first):
    """A row for each property: what is said first, then the six metrics."""
    counts = {"n_pixels": len(pixels), "n_galaxies": len({group_name(name) for name in pixels.names})}
    return [
        {**first, "property": name, **accuracy_columns(model, pixels, name), **counts}
        for name in model.properties
    ]


def cross_validation(model, training, test, *, k=10, seed=1):
    """Cross-validation by galaxy on the training set (the paper's Sect. 3.1).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    test
        Not looked at.
    k : int, optional
        The number of folds; as many as there are galaxies, where there are fewer.
    seed : int, optional
        Of the folds.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each fold and property.
    """
    pixels = pixels_of(training, model)
    k = min(k, len({group_name(name) for name in pixels.names}))
    rows = []
    for i, (most, few) in enumerate(folds(pixels.names, k, seed)):
        rows += _rows(retrain(model, pixels.of(most)), pixels.of(few), fold=i + 1)
    return finish(rows)


def learning_curve(model, training, test, *, numbers=None, seed=1):
    """Accuracy on the test galaxies against the number of training galaxies.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    numbers : sequence of int, optional
        How many training galaxies; an eighth, a quarter, a half and all without it. Each set is part of
        the next.
    seed : int, optional
        Of the order in which galaxies are added.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each number and property; ``training_galaxies`` and ``training_pixels`` say how many.
    """
    pixels, unseen = pixels_of(training, model), pixels_of(test, model)
    groups = sorted({group_name(name) for name in pixels.names})
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    if numbers is None:
        numbers = sorted({max(2, len(order) // share) for share in (8, 4, 2, 1)})
    if not all(2 <= n <= len(order) for n in numbers):
        raise InputError(f"numbers must lie between 2 and {len(order)}, got {numbers}")
    rows = []
    for n in numbers:
        chosen = set(order[:n])
        part = pixels.of([name for name in pixels.names if group_name(name) in chosen])
        first = {"training_galaxies": int(n), "training_pixels": len(part)}
        rows += _rows(retrain(model, part), unseen, **first)
    return finish(rows)


def epistemic_scatter(model, training, test, *, runs=10, seed=1):
    """How far the accuracy changes when only seeds do (the paper's Sect. 3.4: ten runs).

    Each run sets other pixels aside for validation and gives the estimator another seed.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    runs : int, optional
    seed : int, optional
        Of the first run; the others follow.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property: for each metric the mean over the runs and ``<metric>_scatter``, the
        standard deviation; ``r2_scatter_relative`` is what the paper quotes.
    """
    if runs < 2:
        raise InputError(f"a scatter needs at least two runs, got {runs}")
    pixels, unseen = pixels_of(training, model), pixels_of(test, model)
    found = {name: [] for name in model.properties}
    for i in range(runs):
        again = retrain(model, pixels, seed=seed + i)
        for name in model.properties:
            found[name].append(accuracy_columns(again, unseen, name))
    return finish([{"property": name, **spread(each)} for name, each in found.items()], runs=runs)


def spread(runs):
    """Mean and standard deviation of each metric over runs, as columns of a row.

    Parameters
    ----------
    runs : list of dict of str to float
        At least one.

    Returns
    -------
    values : dict of str to float
        A scatter is NaN for a single run.
    """
    row = {}
    for metric in runs[0]:
        values = [run[metric] for run in runs]
        row[metric] = float(np.mean(values))
        row[f"{metric}_scatter"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    row["r2_scatter_relative"] = row["r2_scatter"] / abs(row["r2"]) if row["r2"] else np.nan
    row["runs"] = len(runs)
    return row


def sample_bias(model, training, test):
    """Accuracy on the training and on the test galaxies (the paper's Appendix B).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property and ``set``; ``r2_difference`` is the relative difference of R2,
        (training - test) / test. Flexible estimators know their own training pixels better; that is no
        bias of the sample.
    """
    rows = []
    sets = {"training": pixels_of(training, model), "test": pixels_of(test, model)}
    for name in model.properties:
        values = {which: accuracy_columns(model, pixels, name) for which, pixels in sets.items()}
        difference = (values["training"]["r2"] - values["test"]["r2"]) / abs(values["test"]["r2"])
        for which, metrics in values.items():
            counts = {"n_pixels": len(sets[which]), "n_galaxies": len(sets[which].names)}
            rows.append(
                {"property": name, "set": which, **metrics, "r2_difference": float(difference), **counts}
            )
    return finish(rows)


def observer_of(name):
    """The observer in a galaxy's name: ``O5`` of ``TNG000008_O5``; empty where there is none."""
    name = str(getattr(name, "name", name))
    group = group_name(name)
    return name[len(group) + 1 :]


def projections(model, training, test):
    """Accuracy against the number of projections of each training galaxy (the paper's Appendix A).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        The same galaxies from several observers, ``TNG000008_O1``, ``TNG000008_O2``, ...
    test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        None of the training galaxies, from whatever side.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each number of projections and property. A single row where all training galaxies come
        from one observer.

    Raises
    ------
    InputError
        If a test galaxy is a training galaxy from another side.
    """
    pixels, unseen = pixels_of(training, model), pixels_of(test, model)
    both = {group_name(n) for n in pixels.names} & {group_name(n) for n in unseen.names}
    if both:
        raise InputError(f"{', '.join(sorted(both))}: in training and test, seen from two sides")
    observers = sorted({observer_of(name) for name in pixels.names})
    rows = []
    for n in range(1, len(observers) + 1):
        part = pixels.of([name for name in pixels.names if observer_of(name) in observers[:n]])
        first = {"projections": n, "training_pixels": len(part)}
        rows += _rows(retrain(model, part), unseen, **first)
    return finish(rows, observers=observers)


def colour_recovery(model, training, test):
    """Learn the colours from the bands they are made of (the paper's Appendix D).

    What an estimator can make of the bands by itself, it need not be given.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Its first estimator's settings are used.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each colour: ``r2`` and ``rmse``, both as differences of dex (a magnitude is 0.4 dex).
    """
    first = next(iter(model.outputs.values()))
    sets = [_bands_and_colours(pixels_of(part, model), model) for part in (training, test)]
    (bands, colours, names, columns), (unseen, truth, _, _) = sets
    if not names:
        raise InputError("a colour needs two bands")
    rng = np.random.default_rng(int(model.training.get("seed", 1)))
    order = rng.permutation(len(bands))
    held, rows = order[: len(order) // 5], order[len(order) // 5 :]
    feature_scale = Scale.of(bands[rows], columns)
    X, X_unseen = feature_scale.apply(bands), feature_scale.apply(unseen)
    table = []
    for i, name in enumerate(names):
        scale = Scale.of(colours[rows, i], (name,))
        y = scale.apply(colours[:, i : i + 1])[:, 0]
        estimator = replace(first.estimator)
        estimator.prepare(columns, feature_scale, scale)
        estimator.fit(X[rows], y[rows], validation=(X[held], y[held]))
        guess = scale.invert(estimator.predict(X_unseen))
        table.append({"colour": name, "r2": r2(truth[:, i], guess), "rmse": rmse(truth[:, i], guess)})
    return finish(table)


def _bands_and_colours(pixels: Pixels, model):
    """log10 of the bands, and the colours as dex."""
    brightness = {band: pixels.brightness[band] for band in model.bands}
    bands, colours = make_features(brightness, "bands"), make_features(brightness, "colours")
    return bands.values, np.float32(0.4) * colours.values, colours.columns, bands.columns

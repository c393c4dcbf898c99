"""Choose an estimator's settings: scikit-learn's grid or random search, in folds of whole galaxies."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_whole, read_only
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._given import given_estimator
from euclid_resolved.estimators._side_by_side import side_by_side
from euclid_resolved.estimators._workers import check_workers, on_workers
from euclid_resolved.features._scale import Scale, to_dex
from euclid_resolved.features._sets import make_features
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._asking import checked_predict, registered_name
from euclid_resolved.plugins._offers import blamed
from euclid_resolved.training._evaluate import finish
from euclid_resolved.training._extract import check_made_of
from euclid_resolved.training._groups import group_numbers, warn_of_views

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.estimators._contract import Estimator
    from euclid_resolved.training._sample import Pixels

__all__ = ["search"]


def search(
    pixels: Pixels,
    estimator: Estimator | str,
    settings: Mapping[str, Any],
    *,
    property: str = "stellar_mass_density",
    features: str | Sequence[str] = ("bands",),
    columns: Sequence[str] | None = None,
    kind: str = "grid",
    n_iter: int = 10,
    fraction: float = 0.2,
    k: int = 5,
    seed: int = 1,
    validation_fraction: float = 0.2,
    workers: int | None = None,
    scheduler: str | None = None,
) -> QTable:
    """Search settings of an estimator on a fraction of the training pixels (the paper's section 3.1).

    Every fit goes as one of `~euclid_resolved.train` would: to the galaxies of the other folds alone, with
    their range as scale, and with some of their pixels set aside for estimators that stop early.

    Parameters
    ----------
    pixels : `~euclid_resolved.training.Pixels`
        Of the training galaxies.
    estimator : `~euclid_resolved.Estimator` or str
        The settings that are not searched are its own.
    settings : dict of str to sequence
        The values to try; for a random search also a distribution of `scipy.stats`.
    property : str, optional
    features, columns : sequence of str, optional
        As for `~euclid_resolved.train`.
    kind : {"grid", "random"}, optional
    n_iter : int, optional
        How many combinations a random search tries.
    fraction : float, optional
        The fraction of pixels used, drawn at random.
    k : int, optional
        Folds; whole groups of galaxies (`~euclid_resolved.Galaxy`) are held out.
    seed : int, optional
        Of the pixels used and of those set aside.
    validation_fraction : float, optional
        As for `~euclid_resolved.train`.
    workers, scheduler
        As for `~euclid_resolved.train`: each of the fits is made by a worker. Accuracies are the same.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each combination, best first: the settings, ``r2`` and ``r2_scatter`` over the folds, in
        dex, ``seconds`` for one fit.

    Raises
    ------
    InputError
        If a setting is unknown, a value is refused, or there are fewer groups of galaxies than folds.

    Warns
    -----
    DataWarning
        If names look like views of one object, but are not of one group.

    Examples
    --------
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.training import search
    >>> from euclid_resolved.estimators import Ridge
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(), ("stellar_mass_density",))
    >>> table = search(pixels, Ridge(), {"alpha": [0.001, 100.0]}, fraction=0.5, k=2)
    >>> print(table["alpha", "r2"])
     alpha     r2
    -------- ------
      0.0010 0.9879
    100.0000 0.5942
    """
    from sklearn.model_selection import GroupKFold, ParameterGrid, ParameterSampler

    estimator = given_estimator(estimator)
    known = estimator.settings()
    unknown = [name for name in settings if name not in known]
    if unknown or not settings:
        what = ", ".join(unknown) or "given"
        raise InputError(f"no setting {what}; {type(estimator).__name__} has {', '.join(known) or 'none'}")
    if not 0 <= validation_fraction < 1:
        raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
    if not 0 < fraction <= 1:
        raise InputError(f"fraction must lie in (0, 1], got {fraction}")
    check_whole("seed", seed, 0)
    check_workers(workers, scheduler)
    if kind == "grid":
        candidates = list(ParameterGrid(settings))
    elif kind == "random":
        candidates = list(ParameterSampler(settings, n_iter, random_state=seed))
    else:
        raise InputError(f"kind is 'grid' or 'random', got {kind!r}")
    warn_of_views(pixels.names, pixels.groups)
    number = group_numbers(pixels.groups)[pixels.galaxy]
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(pixels))[: max(int(fraction * len(pixels)), 1)])
    number = number[rows]
    n_galaxies = len(np.unique(number))
    if not 2 <= k <= n_galaxies:
        raise InputError(f"k must lie between 2 and the number of galaxies ({n_galaxies}), got {k}")
    check_made_of(pixels, features)
    around = {column: values[rows] for column, values in pixels.around.items()}
    light = {band: values[rows] for band, values in pixels.brightness.items()}
    table = make_features(light, features, columns=columns, around=around)
    y = to_dex(pixels.truth[get_property(property).name][rows])
    known = np.isfinite(table.values).all(axis=1) & np.isfinite(y)
    X, y, number = table.values[known], y[known], number[known]
    for values in candidates:  # refuse a wrong value now, not in the middle of the search
        try:
            replace(estimator, **values)
        except (TypeError, ValueError) as error:
            raise InputError(f"{values}: {error}") from error
    sides = list(GroupKFold(k).split(X, y, groups=number))
    fit = _fit_of(estimator, table.columns, get_property(property).name, validation_fraction, seed)

    def case(one):
        return fit(X, y, *one)

    cases = [(values, *side) for values in candidates for side in sides]
    with on_workers(workers, scheduler, len(cases)):
        fits = np.array(list(side_by_side(case, cases, 1, what="settings")))
    r2, seconds = np.moveaxis(fits.reshape(len(candidates), k, 2), -1, 0)
    results = []
    for i in np.argsort(-r2.mean(axis=1), kind="stable"):
        chosen = {key: _plain(value) for key, value in candidates[i].items()}
        results.append(
            {
                **chosen,
                "r2": float(r2[i].mean()),
                "r2_scatter": float(r2[i].std()),
                "seconds": float(seconds[i].mean()),
            }
        )
    return finish(results, property=get_property(property).name, estimator=type(estimator).__name__, k=k)


def _plain(value):
    return value if isinstance(value, int | float | str) else str(value)


def _fit_of(estimator, columns, name, validation_fraction, seed):
    """A function that fits to one side of a fold, and gives R2 on the other side and seconds."""

    def fit(X, y, settings, training, test):
        from sklearn.metrics import r2_score

        began = time.perf_counter()
        # As a training set of these pixels alone is made: nothing of the fold that is left out comes in.
        rows = training[np.random.default_rng(seed).permutation(len(training))]
        n_held = int(validation_fraction * len(training))
        own, truth = X[rows], y[rows]
        features, target = Scale.of(own[n_held:], columns), Scale.of(truth[n_held:], (name,))
        own, truth = read_only(features.apply(own)), read_only(target.apply(truth))
        validation = (own[:n_held], truth[:n_held]) if n_held else None
        with blamed(lambda: registered_name(estimator), "to fit"):
            fitted = replace(estimator, **settings)
            fitted.prepare(columns, features, target)
            fitted.fit(own[n_held:], truth[n_held:], validation=validation)
        seconds = time.perf_counter() - began
        guess = target.invert(checked_predict(fitted, features.apply(X[test]), name))
        return r2_score(y[test], guess), seconds

    return fit

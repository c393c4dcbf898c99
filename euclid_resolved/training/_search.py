"""Choose an estimator's settings: scikit-learn's grid or random search, in folds of whole galaxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_whole, read_only
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._given import given_estimator
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
    from sklearn.model_selection import GridSearchCV, GroupKFold, ParameterGrid, ParameterSampler

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
    found = GridSearchCV(
        _adapter(estimator, table.columns, get_property(property).name, validation_fraction, seed),
        {"settings": candidates},
        cv=GroupKFold(k),
        scoring="r2",
        refit=False,
        error_score="raise",
    ).fit(X, y, groups=number)
    scores = found.cv_results_
    results = []
    for i in np.argsort(-scores["mean_test_score"], kind="stable"):
        chosen = {key: _plain(value) for key, value in candidates[i].items()}
        results.append(
            {
                **chosen,
                "r2": float(scores["mean_test_score"][i]),
                "r2_scatter": float(scores["std_test_score"][i]),
                "seconds": float(scores["mean_fit_time"][i]),
            }
        )
    return finish(results, property=get_property(property).name, estimator=type(estimator).__name__, k=k)


def _plain(value):
    return value if isinstance(value, int | float | str) else str(value)


def _adapter(estimator, columns, name, validation_fraction, seed):
    """One of our estimators as scikit-learn wants one; its only parameter is the dict of settings."""
    from sklearn.base import BaseEstimator, RegressorMixin

    class Adapter(RegressorMixin, BaseEstimator):
        def __init__(self, settings=None):
            self.settings = settings

        def fit(self, X, y):
            # As a training set of these pixels alone is made: nothing of the fold that is left out comes in.
            order, n_held = np.random.default_rng(seed).permutation(len(X)), int(validation_fraction * len(X))
            X, y = X[order], y[order]
            self.scales_ = Scale.of(X[n_held:], columns), Scale.of(y[n_held:], (name,))
            X, y = (scale.apply(values) for scale, values in zip(self.scales_, (X, y), strict=True))
            X, y = read_only(X), read_only(y)
            validation = (X[:n_held], y[:n_held]) if n_held else None
            with blamed(lambda: registered_name(estimator), "to fit"):
                self.fitted_ = replace(estimator, **(self.settings or {}))
                self.fitted_.prepare(columns, *self.scales_)
                self.fitted_.fit(X[n_held:], y[n_held:], validation=validation)
            return self

        def predict(self, X):
            features, target = self.scales_
            return target.invert(checked_predict(self.fitted_, features.apply(X), name))

    return Adapter()

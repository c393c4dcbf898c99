"""How far an accuracy can be trusted: folds, fewer galaxies, other seeds, other projections, and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.diagnostics._contract import accuracies, finish
from euclid_resolved.diagnostics._seed_scatter import (
    known_or_trained,
    scatter_of_one_fit,
    scatter_of_runs,
)
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._side_by_side import fits_at_once, side_by_side
from euclid_resolved.features._scale import Scale
from euclid_resolved.features._sets import make_features
from euclid_resolved.maps._galaxy import group_name
from euclid_resolved.models._metrics import r2, rmse
from euclid_resolved.training._extract import pixels_of
from euclid_resolved.training._sample import Pixels
from euclid_resolved.training._splits import folds

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model

__all__ = [
    "colour_recovery",
    "cross_validation",
    "epistemic_scatter",
    "learning_curve",
    "projections",
    "sample_bias",
]


def _rows(model, pixels, **first):
    """A row for each property: what is said first, then the six metrics."""
    counts = {"n_pixels": len(pixels), "n_galaxies": len(set(pixels.groups))}
    return [
        {**first, "property": name, **values, **counts} for name, values in accuracies(model, pixels).items()
    ]


def _rows_of(model, cases, n, what, seed=None):
    """The rows of fits side by side to (training pixels, test pixels, columns that come first)."""

    def case(each):
        part, unseen, first = each
        return _rows(known_or_trained(model, part, seed), unseen, **first)

    done = side_by_side(case, cases, fits_at_once(model, n), what=what)
    return finish([row for rows in done for row in rows])


def cross_validation(
    model: Model, training: Sequence[Galaxy] | Pixels, test: object, *, k: int = 10, seed: int = 1
) -> QTable:
    """Cross-validation by galaxy on the training set (the paper's section 3.1).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
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

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import cross_validation
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(6)
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> print(cross_validation(model, galaxies, (), k=3)["fold", "rmse", "n_galaxies"])
    fold  rmse  n_galaxies
          dex
    ---- ------ ----------
       1 0.0764          2
       2 0.0804          2
       3 0.0812          2
    """
    pixels = pixels_of(training, model)
    k = min(k, len(set(pixels.groups)))
    parts = enumerate(folds(pixels.galaxies, k, seed), 1)
    cases = [(pixels.of(most), pixels.of(few), {"fold": i}) for i, (most, few) in parts]
    return _rows_of(model, cases, len(pixels), "folds")


def learning_curve(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    *,
    numbers: Sequence[int] | None = None,
    seed: int = 1,
) -> QTable:
    """Accuracy on the test galaxies against the number of training galaxies.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    numbers : sequence of int, optional
        How many training galaxies; an eighth, a quarter, a half and all without it. Each set is part of
        the next.
    seed : int, optional
        Of the order in which galaxies are added.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each number and property; ``training_galaxies`` and ``training_pixels`` say how many.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import learning_curve
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(6)
    >>> model = train(galaxies[:4], estimator=LinearRegression())
    >>> table = learning_curve(model, galaxies[:4], galaxies[4:], numbers=(2, 4))
    >>> print(table["training_galaxies", "rmse"])
    training_galaxies  rmse
                       dex
    ----------------- ------
                    2 0.0766
                    4 0.0766
    """
    check_whole("seed", seed, 0)
    pixels, unseen = pixels_of(training, model), pixels_of(test, model)
    groups = sorted(set(pixels.groups))
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    if numbers is None:
        numbers = sorted({max(2, len(order) // share) for share in (8, 4, 2, 1)})
    if not all(2 <= n <= len(order) for n in numbers):
        raise InputError(f"numbers must lie between 2 and {len(order)}, got {numbers}")
    cases = []
    for n in numbers:
        chosen = set(order[:n])
        part = pixels.of([galaxy for galaxy in pixels.galaxies if galaxy.group in chosen])
        cases.append((part, unseen, {"training_galaxies": int(n), "training_pixels": len(part)}))
    return _rows_of(model, cases, len(pixels), "fewer galaxies")


def epistemic_scatter(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    *,
    runs: int | None = 10,
    seed: int = 1,
) -> QTable:
    """How far the accuracy changes when only seeds do (the paper's section 3.4: ten runs).

    Each run sets other pixels aside for validation and gives the estimator another seed. A forest tells
    the same, but for the choice of those pixels, from one fit (``runs=None``), because its trees differ in
    their seeds alone (`epistemic_scatter`). Neither contains what another choice of galaxies
    would change, which is far more: see `cross_validation`.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    runs : int or None, optional
        How many models to train, the one given among them where it is one of the runs; None trains none
        and looks at the parts of the model.
    seed : int, optional
        Of the first run; the others follow.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property: for each metric the mean over the runs and ``<metric>_scatter``, the
        standard deviation; ``r2_scatter_relative`` is what the paper quotes. ``estimate_scatter`` is the
        standard deviation of the estimate of a pixel, root mean square over the pixels, dex. From one
        fit the metrics are those of the model, and ``estimate_scatter`` is NaN where the estimator does not
        know it.

    Raises
    ------
    InputError
        If `runs` is 1, or None for an estimator that does not know its scatter.

    Examples
    --------
    >>> from euclid_resolved import RandomForest, train
    >>> from euclid_resolved.diagnostics import epistemic_scatter
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=RandomForest(n_trees=20, n_jobs=1))
    >>> table = epistemic_scatter(model, galaxies[:3], galaxies[3:], runs=None)
    >>> print(table["property", "r2", "r2_scatter"])
          property         r2   r2_scatter
    -------------------- ------ ----------
    stellar_mass_density 0.9488     0.0005
    >>> print(f"{table['estimate_scatter'][0]:.2f}")
    0.02 dex
    """
    if runs is not None and runs < 2:
        raise InputError(f"a scatter needs at least two runs, got {runs}")
    unseen = pixels_of(test, model)
    if runs is None:
        return finish(scatter_of_one_fit(model, unseen), runs=1)
    seeds = range(seed, seed + runs)
    return finish(scatter_of_runs(model, pixels_of(training, model), unseen, seeds), runs=runs)


def sample_bias(model: Model, training: Sequence[Galaxy] | Pixels, test: Sequence[Galaxy] | Pixels) -> QTable:
    """Accuracy on the training and on the test galaxies (the paper's Appendix B).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property and ``set``; ``r2_difference`` is the relative difference of R2,
        (training - test) / test. Flexible estimators know their own training pixels better; that is no
        bias of the sample.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import sample_bias
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> print(sample_bias(model, galaxies[:3], galaxies[3:])["set", "r2", "n_galaxies"])
      set      r2   n_galaxies
    -------- ------ ----------
    training 0.9882          3
        test 0.9892          1
    """
    rows = []
    sets = {"training": pixels_of(training, model), "test": pixels_of(test, model)}
    found = {which: accuracies(model, pixels) for which, pixels in sets.items()}
    for name in model.properties:
        values = {which: each[name] for which, each in found.items()}
        difference = (values["training"]["r2"] - values["test"]["r2"]) / abs(values["test"]["r2"])
        for which, metrics in values.items():
            counts = {"n_pixels": len(sets[which]), "n_galaxies": len(set(sets[which].groups))}
            rows.append(
                {"property": name, "set": which, **metrics, "r2_difference": float(difference), **counts}
            )
    return finish(rows)


def observer_of(name: str) -> str:
    """The observer in a galaxy's name: ``O5`` of ``TNG000008_O5``; empty where there is none.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._robustness import observer_of
    >>> observer_of("TNG000008_O5")
    'O5'
    """
    name = str(getattr(name, "name", name))
    return name[len(group_name(name)) + 1 :]


def projections(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    *,
    seed: int | None = None,
) -> QTable:
    """Accuracy against the number of projections of each training galaxy (the paper's Appendix A).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        The same galaxies from several observers, ``TNG000008_O1``, ``TNG000008_O2``, ...; where no name tells
        of an observer, the galaxies of a group in the order of their names.
    test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        None of the training galaxies, from whatever side.
    seed : int, optional
        Of the fits, as for `~euclid_resolved.retrain`; that of the model without it.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each number of projections and property. A single row where all training galaxies come
        from one observer.

    Raises
    ------
    InputError
        If a test galaxy is a training galaxy from another side: of the same group.

    Examples
    --------
    >>> from euclid_resolved import Galaxy, LinearRegression, train
    >>> from euclid_resolved.diagnostics import projections
    >>> from euclid_resolved.testing import example_galaxies
    >>> names = "TNG000001_O1", "TNG000002_O1", "TNG000001_O2", "TNG000002_O2", "TNG000003_O1"
    >>> sample = [Galaxy(name, g.image, g.maps) for name, g in zip(names, example_galaxies(5))]
    >>> model = train(sample[:4], estimator=LinearRegression())
    >>> print(projections(model, sample[:4], sample[4:])["projections", "n_galaxies"])
    projections n_galaxies
    ----------- ----------
              1          1
              2          1
    """
    pixels, unseen = pixels_of(training, model), pixels_of(test, model)
    both = set(pixels.groups) & set(unseen.groups)
    if both:
        raise InputError(f"{', '.join(sorted(both))}: in training and test, seen from two sides")
    sides = _sides(pixels)
    observers = sorted(set(sides.values()))
    cases = []
    for n in range(1, len(observers) + 1):
        part = pixels.of([name for name in pixels.names if sides[name] in observers[:n]])
        cases.append((part, unseen, {"projections": n, "training_pixels": len(part)}))
    table = _rows_of(model, cases, len(pixels), "projections", seed)
    table.meta["observers"] = observers
    return table


def _sides(pixels):
    """From which side each galaxy is seen: its observer, or else its place among those of its group."""
    sides = {name: observer_of(name) for name in pixels.names}
    if any(sides.values()):
        return sides
    groups, width = dict(zip(pixels.names, pixels.groups, strict=True)), len(str(len(sides)))
    for group in set(pixels.groups):
        for i, name in enumerate(sorted(name for name in sides if groups[name] == group), 1):
            sides[name] = f"view {i:0{width}}"
    return sides


def colour_recovery(
    model: Model, training: Sequence[Galaxy] | Pixels, test: Sequence[Galaxy] | Pixels
) -> QTable:
    """Learn the colours from the bands they are made of (the paper's Appendix D).

    What an estimator can make of the bands by itself, it need not be given.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Its first estimator's settings are used.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each colour: ``r2`` and ``rmse``, both as differences of dex (a magnitude is 0.4 dex).

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import colour_recovery
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> print(colour_recovery(model, galaxies[:3], galaxies[3:])["colour", "r2"][:2])
    colour   r2
    ------ ------
     IE-YE 1.0000
     IE-JE 1.0000
    """
    first = next(iter(model.outputs.values()))
    sets = [_bands_and_colours(pixels_of(part, model), model) for part in (training, test)]
    (bands, colours, names, columns), (unseen, truth, _, _) = sets
    if not names:
        raise InputError("a colour needs two bands")
    rng = np.random.default_rng(int(model.training.get("seed", 1)))
    order, held = rng.permutation(len(bands)), len(bands) // 5  # those set aside first, as slices
    bands, colours = bands[order], colours[order]
    feature_scale = Scale.of(bands[held:], columns)
    X, X_unseen = feature_scale.apply(bands), feature_scale.apply(unseen)

    def case(i):
        scale = Scale.of(colours[held:, i], names[i : i + 1])
        y = scale.apply(colours[:, i : i + 1])[:, 0]
        estimator = replace(first.estimator)
        estimator.prepare(columns, feature_scale, scale)
        estimator.fit(X[held:], y[held:], validation=(X[:held], y[:held]))
        guess = scale.invert(estimator.predict(X_unseen))
        return {"colour": names[i], "r2": r2(truth[:, i], guess), "rmse": rmse(truth[:, i], guess)}

    at_once = fits_at_once(model, len(bands))
    return finish(list(side_by_side(case, range(len(names)), at_once, what="colours")))


def _bands_and_colours(pixels: Pixels, model):
    """log10 of the bands, and the colours as dex."""
    brightness = {band: pixels.brightness[band] for band in model.bands}
    bands, colours = make_features(brightness, "bands"), make_features(brightness, "colours")
    return bands.values, np.float32(0.4) * colours.values, colours.columns, bands.columns

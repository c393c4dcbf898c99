"""Which bands, columns or scales a model leans on: leave one out, impurity importance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.diagnostics._contract import accuracies, finish, get_metric
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._side_by_side import fits_at_once, side_by_side
from euclid_resolved.estimators._workers import on_workers
from euclid_resolved.features._neighbourhood import scales_of
from euclid_resolved.features._sets import feature_columns
from euclid_resolved.training._extract import pixels_of
from euclid_resolved.training._train import retrain

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

__all__ = ["impurity_importance", "lofo"]


def columns_without(model: Model, band: str) -> tuple[str, ...]:
    """The columns of a model that can still be made where a band is missing.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    band : str

    Returns
    -------
    columns : tuple of str
        Leaving out HE leaves out IE-HE, too.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._importance import columns_without
    >>> from euclid_resolved.testing import example_galaxies
    >>> model = train(example_galaxies(), estimator=LinearRegression(), features=("bands", "colours"))
    >>> columns_without(model, "IE")
    ('YE', 'JE', 'HE', 'YE-JE', 'YE-HE', 'JE-HE')
    """
    rest = tuple(other for other in model.bands if other != band)
    possible = feature_columns(rest, model.features)
    return tuple(column for column in model.columns if column in possible)


def columns_left(model: Model, by: str = "band") -> dict[str, tuple[str, ...]]:
    """The columns of a model without each band, each column, or all columns of a scale.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    by : {"band", "column", "scale"}, optional

    Returns
    -------
    left : dict of str to tuple of str
        By what is left out. A band that is only clipped, and makes no column, cannot be.

    Raises
    ------
    InputError
        For another word.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._importance import columns_left
    >>> from euclid_resolved.testing import example_galaxies
    >>> features = ("bands", "neighbourhood")
    >>> model = train(example_galaxies(), estimator=LinearRegression(), bands=("IE", "HE"), features=features)
    >>> for scale, columns in columns_left(model, "scale").items():
    ...     print("without", scale, columns)
    without pixel ('IE~2', 'HE~2', 'IE-HE~2', 'IE~4', 'HE~4', 'IE-HE~4')
    without 2 pix ('IE', 'HE', 'IE~4', 'HE~4', 'IE-HE~4')
    without 4 pix ('IE', 'HE', 'IE~2', 'HE~2', 'IE-HE~2')
    """
    if by == "band":
        left = {band: columns_without(model, band) for band in model.bands}
        return {band: columns for band, columns in left.items() if len(columns) < len(model.columns)}
    if by == "column":
        groups: dict[str, tuple[str, ...]] = {column: (column,) for column in model.columns}
    elif by == "scale":
        groups = scales_of(model.columns)
    else:
        raise InputError(f"by is 'band', 'column' or 'scale', got {by!r}")
    return {
        name: tuple(column for column in model.columns if column not in group)
        for name, group in groups.items()
    }


def _some_left(model, by):
    """The columns without each thing that can be left out; none may be all that there is."""
    left = columns_left(model, by)
    for name, columns in left.items():
        if not columns:
            what = name if by == "band" else f"the {by} {name!r}"
            raise InputError(f"without {what} nothing is left: the model looks at it alone")
    return left


def lofo_models(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    *,
    by: str = "band",
    fit: Callable[..., Model] = retrain,
) -> Iterator[tuple[str, Model]]:
    """Train models as `model` was, each without one band, column or scale, one after the other.

    A generator, because forests are large: what is not kept is forgotten. The pixels stay the same, those
    above the clip, even where the clipped band is the one left out.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    by : {"band", "column", "scale"}, optional
        What to leave out, as for `lofo`.
    fit : callable, optional
        ``fit(model, pixels, columns=...)``, for whoever keeps trained models.

    Yields
    ------
    name : str
        What was left out.
    model : `~euclid_resolved.Model`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._importance import lofo_models
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> for band, without in lofo_models(model, galaxies):
    ...     print(band, without.columns)
    IE ('YE', 'JE', 'HE')
    YE ('IE', 'JE', 'HE')
    JE ('IE', 'YE', 'HE')
    HE ('IE', 'YE', 'JE')
    """
    pixels = pixels_of(training, model)
    for name, columns in _some_left(model, by).items():
        yield name, fit(model, pixels, columns=columns)


def _pairs(models):
    """Names and models one after the other, each looked at when it is its turn."""
    from euclid_resolved.models._model import Model

    if not isinstance(models, Iterable):
        raise InputError(f"models are pairs of a name and a model, got {models!r}")
    for pair in models:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[1], Model):
            raise InputError(f"models are pairs of a name and a model; one of them is {pair!r:.80}")
        yield str(pair[0]), pair[1]


def lofo(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    *,
    metric: str = "rmse",
    by: str = "band",
    models: Iterable[tuple[str, Model]] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> QTable:
    """Leave one feature out: how much worse a model trained without it is (the paper's equation 11).

    All columns that cannot be made without the band go, so that a colour does not bring it back. Where a
    model looks around pixels, how far noisy ones are smoothed still depends on all bands. The fits
    share the pixels, and run side by side where one of them leaves cores idle; a model is forgotten as
    soon as its accuracy is known. A forest for several properties takes a third of the time with
    ``RandomForest(joint=True)``.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    metric : str, optional
        Any of the six.
    by : {"band", "column", "scale"}, optional
        What to leave out: a band with all that is made of it, a single column, or all columns that look as
        far around: ``"pixel"`` and, for features ``"neighbourhood"``, ``"2 pix"`` and ``"4 pix"``.
    models : iterable of (str, `~euclid_resolved.Model`), optional
        Each name of what is left out, with the model that was trained without it, for whoever keeps trained
        models; trained here without it.
    workers, scheduler
        As for `~euclid_resolved.train`: each of the fits is made by a worker. The table is the same.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property and thing left out (``none`` first), with the six metrics of the model
        without it; ``lofo`` is the metric without it minus that with all, and ``lofo_relative`` that
        difference divided by the metric with all. For ``rmse``, ``nmad`` and ``outlier_fraction`` what
        matters has a positive value, for ``r2`` and ``pearson`` a negative one.

    Raises
    ------
    InputError
        If something cannot be left out, since nothing else is there.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, lofo, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> table = lofo(model, galaxies[:3], galaxies[3:])
    >>> print(table["left_out", "rmse", "lofo"])
    left_out  rmse   lofo
              dex
    -------- ------ ------
        none 0.0760 0.0000
          IE 0.0857 0.0097
          YE 0.0761 0.0001
          JE 0.0760 0.0000
          HE 0.0793 0.0033
    """
    get_metric(metric)
    unseen = pixels_of(test, model)
    if models is None:
        cases = _without_each(model, pixels_of(training, model), unseen, by)
    else:
        cases = ((name, accuracies(other, unseen)) for name, other in _pairs(models))
    with on_workers(workers, scheduler):
        found = {"none": accuracies(model, unseen), **dict(cases)}
    rows = []
    for name in model.properties:
        reference = found["none"][name][metric]
        for left_out, each in found.items():
            values = each[name]
            difference = values[metric] - reference
            relative = difference / reference if reference else np.nan
            extra = {"lofo": difference, "lofo_relative": relative}
            rows.append({"property": name, "left_out": left_out, **values, **extra})
    return finish(rows, metric=metric, by=by)


def _without_each(model, pixels, unseen, by):
    """Yield each thing left out and the accuracy of a model trained without it."""
    left = _some_left(model, by)

    def case(name):
        return name, accuracies(retrain(model, pixels, columns=left[name]), unseen)

    at_once = fits_at_once(model, len(pixels) + len(unseen))
    return side_by_side(case, left, at_once, what=f"leaving out {by}s")


def impurity_importance(model: Model, training: object, test: object) -> QTable:
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

    Examples
    --------
    >>> from euclid_resolved import RandomForest, train
    >>> from euclid_resolved.diagnostics import impurity_importance
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=RandomForest(n_trees=5, n_jobs=1))
    >>> table = impurity_importance(model, galaxies[:3], galaxies[3:])
    >>> str(table["column"][table["importance"].argmax()])
    'HE'
    """
    rows = []
    for name, output in model.outputs.items():
        columns = model.columns + output.chain
        found = output.estimator.feature_importance
        found = np.full(len(columns), np.nan) if found is None else found
        for column, value in zip(columns, found, strict=True):
            rows.append({"property": name, "column": column, "importance": float(value)})
    return finish(rows)

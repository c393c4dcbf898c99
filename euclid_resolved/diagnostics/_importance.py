"""Which band a model leans on: leave one out, impurity importance, permutation importance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.diagnostics._contract import accuracies, finish, get_metric
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._side_by_side import fits_at_once, side_by_side
from euclid_resolved.features._scale import to_dex
from euclid_resolved.features._sets import feature_columns
from euclid_resolved.models._metric_sums import MetricSums
from euclid_resolved.training._evaluate import PIECE
from euclid_resolved.training._extract import pixels_of
from euclid_resolved.training._train import retrain

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

__all__ = ["impurity_importance", "lofo", "permutation_importance"]


_HIGHER_IS_BETTER = ("r2", "pearson")


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


def _seen_bands(model):
    """The bands that make a column; the one that is only clipped cannot be left out."""
    return [band for band in model.bands if len(columns_without(model, band)) < len(model.columns)]


def _columns_left(model):
    """The columns without each band that can be left out."""
    left = {band: columns_without(model, band) for band in _seen_bands(model)}
    for band, columns in left.items():
        if not columns:
            raise InputError(f"without {band} nothing is left: the model looks at it alone")
    return left


def lofo_models(
    model: Model, training: Sequence[Galaxy] | Pixels, *, fit: Callable[..., Model] = retrain
) -> Iterator[tuple[str, Model]]:
    """Train models as `model` was, each without one band, one after the other.

    A generator, because forests are large: what is not kept is forgotten. The pixels stay the same, those
    above the clip, even where the clipped band is the one left out.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    fit : callable, optional
        ``fit(model, pixels, columns=...)``, for whoever keeps trained models.

    Yields
    ------
    band : str
        The one left out.
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
    for band, columns in _columns_left(model).items():
        yield band, fit(model, pixels, columns=columns)


def lofo(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    *,
    metric: str = "rmse",
    models: Iterable[tuple[str, Model]] | None = None,
) -> QTable:
    """Leave one feature out: how much worse a model trained without a band is (the paper's Eq. 11).

    All columns that cannot be made without the band go, so that a colour does not bring it back. The fits
    share the pixels, and run side by side where one of them leaves cores idle; a model is forgotten as
    soon as its accuracy is known. A forest for several properties takes a third of the time with
    ``RandomForest(joint=True)``.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    metric : str, optional
        Any of the six.
    models : iterable of (str, `~euclid_resolved.Model`), optional
        Each band, or name of what is left out, with the model that was trained without it, for whoever keeps
        trained models; trained here without it.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each property and band left out (``none`` first), with the six metrics of the model
        without it; ``lofo`` is the metric without the band minus that with all, and
        ``lofo_relative`` that difference divided by the metric with all. For ``rmse``, ``nmad`` and
        ``outlier_fraction`` a band that matters has a positive value, for ``r2`` and ``pearson`` a
        negative one.

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
        cases = _without_each(model, pixels_of(training, model), unseen)
    else:
        cases = ((band, accuracies(other, unseen)) for band, other in models)
    found = {"none": accuracies(model, unseen), **dict(cases)}
    rows = []
    for name in model.properties:
        reference = found["none"][name][metric]
        for band, each in found.items():
            values = each[name]
            difference = values[metric] - reference
            relative = difference / reference if reference else np.nan
            extra = {"lofo": difference, "lofo_relative": relative}
            rows.append({"property": name, "left_out": band, **values, **extra})
    return finish(rows, metric=metric)


def _without_each(model, pixels, unseen):
    """Yield each band and the accuracy of a model trained without it."""
    left = _columns_left(model)

    def case(band):
        return band, accuracies(retrain(model, pixels, columns=left[band]), unseen)

    at_once = fits_at_once(model, len(pixels) + len(unseen))
    return side_by_side(case, left, at_once, what="leaving out bands")


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


def permutation_importance(
    model: Model,
    training: object,
    test: Sequence[Galaxy] | Pixels,
    *,
    metric: str = "r2",
    repeats: int = 5,
    seed: int = 1,
) -> QTable:
    """How much worse the estimates are when a band is shuffled among the test pixels.

    The band is shuffled with everything that is made of it. Shuffled among all pixels it carries nothing;
    shuffled among the pixels of each galaxy it still says which galaxy it is, and what is lost is what it
    tells within galaxies. Nothing is trained. Memory: one column of the pixels at a time, 4 bytes a pixel;
    accuracies are sums over pixels (``MetricSums``, so that an ``nmad`` is good
    to 7.5e-5 dex).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training
        Not looked at.
    test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
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

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import permutation_importance
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> table = permutation_importance(model, galaxies[:3], galaxies[3:], repeats=2)
    >>> str(table["band"][table["importance"].argmax()])
    'HE'
    """
    check_whole("repeats", repeats)
    check_whole("seed", seed, 0)
    get_metric(metric)
    pixels = pixels_of(test, model)
    reference = _accuracies_with(model, pixels)

    def lost(case):
        band, within, repeat = case
        shuffled = _shuffled(model, pixels, band, within, [seed, repeat])
        return case, _accuracies_with(model, pixels, shuffled)

    bands, both = _seen_bands(model), ("", "_within")
    cases = [(band, within, repeat) for band in bands for within in both for repeat in range(repeats)]
    at_once = fits_at_once(model, len(pixels))
    found = dict(side_by_side(lost, cases, at_once, what="shuffling bands", unit="shuffle"))
    sign, rows = -1 if metric in _HIGHER_IS_BETTER else 1, []
    for name in model.properties:
        for band in bands:
            row = {"property": name, "band": band}
            for within in both:
                values = [found[band, within, repeat][name][metric] for repeat in range(repeats)]
                loss = [sign * (value - reference[name][metric]) for value in values]
                row[f"importance{within}"] = float(np.mean(loss))
                row[f"importance{within}_error"] = float(np.std(loss, ddof=1)) if repeats > 1 else np.nan
            rows.append(row)
    return finish(rows, metric=metric)


def _accuracies_with(model, pixels, shuffled=None):
    """The metrics of every property, from sums, with other columns in place of some."""
    sums, shuffled = dict.fromkeys(model.properties, MetricSums.of([], [])), shuffled or {}
    pieces = pixels.pieces(model.bands, model.around, PIECE)
    truth = pixels.truth.select(model.properties).pieces(PIECE)
    for (start, light, around), (_, true) in zip(pieces, truth, strict=True):
        rows = slice(start, start + len(light[model.bands[0]]))
        light, around = (
            {name: shuffled[name][rows] if name in shuffled else values for name, values in each.items()}
            for each in (light, around)
        )
        for name, dex in model.estimate_all(light, around=around).items():
            sums[name] += MetricSums.of(to_dex(true[name]), dex)
    return {name: each.metrics() for name, each in sums.items()}


def _shuffled(model, pixels, band, within, seed):
    """A band, and what was made of it around, shuffled alike among all pixels, or within galaxies.

    The pixels of a galaxy follow each other.
    """
    kept = columns_without(model, band)
    found = {}
    for name in (band, *(column for column in model.around if column not in kept)):
        values = np.array((pixels.brightness if name == band else pixels.around)[name])
        # The same seed puts every column in the same order.
        rng, stop = np.random.default_rng(seed), 0
        for count in pixels.counts if within else (len(values),):
            start, stop = stop, stop + count
            rng.shuffle(values[start:stop])
        found[name] = values
    return found

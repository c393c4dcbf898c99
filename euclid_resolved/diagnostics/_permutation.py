"""Which bands, columns or scales a trained model leans on: they are shuffled among pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.diagnostics._contract import finish, get_metric
from euclid_resolved.diagnostics._importance import columns_left, columns_without
from euclid_resolved.estimators._side_by_side import fits_at_once, side_by_side
from euclid_resolved.features._scale import to_dex
from euclid_resolved.features._sets import make_features
from euclid_resolved.models._metric_sums import MetricSums
from euclid_resolved.training._evaluate import PIECE
from euclid_resolved.training._extract import pixels_of

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

__all__ = ["permutation_importance"]

_HIGHER_IS_BETTER = ("r2", "pearson")


def permutation_importance(
    model: Model,
    training: object,
    test: Sequence[Galaxy] | Pixels,
    *,
    metric: str = "r2",
    by: str = "band",
    repeats: int = 5,
    seed: int = 1,
) -> QTable:
    """How much worse the estimates are when a band, a column or a scale is shuffled among the test pixels.

    A band is shuffled with everything that is made of it. Shuffled among all pixels it carries nothing;
    shuffled among the pixels of each galaxy it still says which galaxy it is, and what is lost is what it
    tells within galaxies. Nothing is trained, and pixels without an estimate do not count. Memory: the
    columns that are shuffled, 4 bytes a pixel and column; accuracies are sums over pixels (``MetricSums``,
    so that an ``nmad`` is good to 7.5e-5 dex).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training
        Not looked at.
    test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    metric : str, optional
        Any of the six.
    by : {"band", "column", "scale"}, optional
        What to shuffle, as `~euclid_resolved.diagnostics.lofo` leaves it out: the columns of a scale are put
        in one order.
    repeats : int, optional
        How often each is shuffled.
    seed : int, optional

    Returns
    -------
    table : `~astropy.table.QTable`
        ``property``, ``band`` (or ``column``, ``scale``), ``importance`` (the loss in the metric, positive
        where it matters; for ``bias`` the change), ``importance_error`` (its standard deviation over the
        repeats), and both again ``within`` galaxies.

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
    left = columns_left(model, by)
    pixels = pixels_of(test, model)
    reference = _accuracies_with(model, pixels)

    def lost(case):
        name, within, repeat = case
        shuffle = _shuffler(pixels, within, [seed, repeat])
        if by == "band":
            return case, _accuracies_with(model, pixels, _shuffled(model, pixels, name, shuffle))
        columns = [column for column in model.columns if column not in left[name]]
        return case, _accuracies_with(model, pixels, {}, _shuffled_columns(model, pixels, columns, shuffle))

    both = ("", "_within")
    cases = [(name, within, repeat) for name in left for within in both for repeat in range(repeats)]
    at_once = fits_at_once(model, len(pixels))
    found = dict(side_by_side(lost, cases, at_once, what=f"shuffling {by}s", unit="shuffle"))
    sign, rows = -1 if metric in _HIGHER_IS_BETTER else 1, []
    for prop in model.properties:
        for name in left:
            row: dict[str, Any] = {"property": prop, by: name}
            for within in both:
                values = [found[name, within, repeat][prop][metric] for repeat in range(repeats)]
                loss = [sign * (value - reference[prop][metric]) for value in values]
                row[f"importance{within}"] = float(np.mean(loss))
                row[f"importance{within}_error"] = float(np.std(loss, ddof=1)) if repeats > 1 else np.nan
            rows.append(row)
    return finish(rows, metric=metric, by=by)


def _accuracies_with(model, pixels, shuffled=None, columns=None):
    """The metrics of every property, from sums, with other bands, or other columns, in place of some."""
    sums, shuffled = dict.fromkeys(model.properties, MetricSums.of([], [])), shuffled or {}
    pieces = pixels.pieces(model.bands, model.around, PIECE)
    truth = pixels.truth.select(model.properties).pieces(PIECE)
    for (start, light, around), (_, true) in zip(pieces, truth, strict=True):
        rows = slice(start, start + len(light[model.bands[0]]))
        light, around = (
            {name: shuffled[name][rows] if name in shuffled else values for name, values in each.items()}
            for each in (light, around)
        )
        if columns:
            other = {column: values[rows] for column, values in columns.items()}
            estimates = _estimates_with(model, light, around, other)
        else:
            estimates = model.estimate_all(light, around=around)
        for name, dex in estimates.items():
            # A column that has no value gives none, and a pixel may have no dust.
            known = np.isfinite(dex) & np.isfinite(true[name])
            sums[name] += MetricSums.of(to_dex(true[name][known]), dex[known])
    return {name: each.metrics() for name, each in sums.items()}


def _estimates_with(model, light, around, columns):
    """The estimates of every property with other values in some columns."""
    values = make_features(light, model.features, columns=model.columns, around=around).values
    for column, others in columns.items():
        values[:, model.columns.index(column)] = others
    X, done = model.feature_scale.apply(values), {}
    return {name: model._estimate(X, output, done) for name, output in model.outputs.items()}


def _shuffled(model, pixels, band, shuffle):
    """A band, and what was made of it around, shuffled alike."""
    kept = columns_without(model, band)
    made = (column for column in model.around if column not in kept)
    return {
        name: shuffle((pixels.brightness if name == band else pixels.around)[name]) for name in (band, *made)
    }


def _shuffled_columns(model, pixels, columns, shuffle):
    """Some columns of the pixels, dex and mag, shuffled alike."""
    around = [column for column in columns if column in pixels.around]
    found = {column: np.empty(len(pixels), np.float32) for column in columns}
    for start, light, beside in pixels.pieces(model.bands, around, PIECE):
        made = make_features(light, model.features, columns=columns, around=beside).values
        for column, values in zip(columns, made.T, strict=True):
            found[column][start : start + len(made)] = values
    return {column: shuffle(values) for column, values in found.items()}


def _shuffler(pixels, within, seed):
    """A function that shuffles the pixels of a column among all, or within galaxies; each column alike.

    The pixels of a galaxy follow each other.
    """

    def shuffle(values):
        values = np.array(values)
        # The same seed puts every column in the same order.
        rng, stop = np.random.default_rng(seed), 0
        for count in pixels.counts if within else (len(values),):
            start, stop = stop, stop + count
            rng.shuffle(values[start:stop])
        return values

    return shuffle

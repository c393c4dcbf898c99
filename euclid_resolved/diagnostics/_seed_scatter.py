"""How far another seed would take estimates and their accuracy: from several fits, or from the parts of one.

A forest is the mean of T trees that differ in their seeds alone, and another seed means other trees of the
same kind. With f_t the trees and f their mean, the standard deviation of its estimate of a pixel is therefore

    sigma = sqrt(sum_t (f_t - f)^2 / (T - 1)) / sqrt(T).

That of a metric M comes from leaving out a part of the trees in turn (the jackknife), with M_g the metric
without part g of G:

    sigma_M = sqrt((G - 1) / G sum_g (M_g - mean M)^2).

With 20 parts it is known to 16 %, 1 / sqrt(2 (20 - 1)), where ten runs give it to 24 %. Both hold for the
pixels and galaxies that the trees were grown on, and know nothing of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.diagnostics._contract import estimates
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._side_by_side import fits_at_once, side_by_side
from euclid_resolved.features._scale import to_dex
from euclid_resolved.models._metrics import metrics, with_estimate
from euclid_resolved.training._evaluate import PIECE
from euclid_resolved.training._train import retrain

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels


def known_or_trained(model: Model, pixels: Pixels, seed: int | None = None) -> Model:
    """The model itself where it was trained on just these pixels with this seed, else another like it.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`
    seed : int, optional
        As for `~euclid_resolved.retrain`.

    Returns
    -------
    model : `~euclid_resolved.Model`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.diagnostics._seed_scatter import known_or_trained
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> pixels = pixels_of(galaxies, model)
    >>> known_or_trained(model, pixels) is model, known_or_trained(model, pixels, seed=2) is model
    (True, False)
    """
    settings = next(iter(model.outputs.values())).estimator.settings()
    seeds = {int(model.training.get("seed", 1)), *(settings[key] for key in ("seed",) if key in settings)}
    if (seed is None or seeds == {seed}) and model.training.get("digest") == pixels.digest:
        return model
    return retrain(model, pixels, seed=seed)


def scatter_of_runs(
    model: Model, pixels: Pixels, unseen: Pixels, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Train a model again with other seeds.

    The runs go side by side where a fit leaves cores idle; each is forgotten when its estimates are known.
    They are summed up, in 16 bytes for each pixel and property.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels, unseen : `~euclid_resolved.training.Pixels`
        To train on, and to estimate.
    seeds : sequence of int
        Two or more, of the choice of validation pixels and of the estimator.

    Returns
    -------
    rows : list of dict
        See `~euclid_resolved.diagnostics.epistemic_scatter`.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.diagnostics._seed_scatter import scatter_of_runs
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> pixels = pixels_of(galaxies, model)
    >>> print(f"{scatter_of_runs(model, pixels, pixels, (1, 2, 3))[0]['estimate_scatter']:.3f} dex")
    0.006 dex
    """

    def run(seed):
        again = known_or_trained(model, pixels, seed)
        return {name: estimates(again, unseen, name)[1] for name in model.properties}

    mean: dict[str, np.ndarray] = {}
    square: dict[str, np.ndarray] = {}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in model.properties}
    runs = side_by_side(run, seeds, fits_at_once(model, len(pixels) + len(unseen)), what="other seeds")
    for i, run_estimates in enumerate(runs, 1):
        for name, dex in run_estimates.items():
            found[name].append(metrics(*with_estimate(to_dex(unseen.truth[name]), dex, name)))
            before = mean.setdefault(name, np.zeros(len(dex)))
            change = dex - before  # Welford's sums: nothing cancels
            before += change / i
            square[name] = square.get(name, 0.0) + change * (dex - before)
    rows = []
    for name, each in found.items():
        scatter = float(np.sqrt(np.mean(square[name]) / (len(each) - 1)))
        rows.append({"property": name, **spread(each), "estimate_scatter": scatter})
    return rows


def scatter_of_one_fit(model: Model, unseen: Pixels) -> list[dict[str, Any]]:
    """What `scatter_of_runs` finds, without training: from a forest's trees, or an ensemble's members.

    In a chain it is the scatter of the last step alone.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    unseen : `~euclid_resolved.training.Pixels`

    Returns
    -------
    rows : list of dict
        See `~euclid_resolved.diagnostics.epistemic_scatter`.

    Raises
    ------
    InputError
        If the estimator is no mean of others.

    Examples
    --------
    >>> from euclid_resolved import RandomForest, train
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.diagnostics._seed_scatter import scatter_of_one_fit
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=RandomForest(n_trees=20, n_jobs=1))
    >>> row = scatter_of_one_fit(model, pixels_of(galaxies[3:], model))[0]
    >>> print(f"{row['estimate_scatter']:.2f} dex, {row['r2_scatter']:.3f}")
    0.02 dex, 0.001
    """
    rows = []
    for name, output in model.outputs.items():
        parts = output.estimator.parts()
        if parts is None:
            kind = type(output.estimator).__name__
            raise InputError(f"a {kind} does not know what another seed would change: say how many runs")
        truth, whole = estimates(model, unseen, name)
        row = _jackknife(truth, whole, _estimates_of(parts, model, unseen, name))
        square = 0.0
        for _, piece, around in unseen.pieces(model.bands, model.around, PIECE):
            sigma = model.spread(piece, name, around=around)
            square += np.nan if sigma is None else float(np.sum(sigma.astype(np.float64) ** 2))
        scatter = float(np.sqrt(square / len(unseen)))
        rows.append({"property": name, **row, "estimate_scatter": scatter})
    return rows


def _estimates_of(parts, model, unseen, name):
    """Yield the share of each part of an estimator, and what it estimates alone."""
    output = model.outputs[name]
    for share, part in parts:
        alone = replace(model, outputs={**model.outputs, name: replace(output, estimator=part)})
        yield share, estimates(alone, unseen, name)[1]


def _jackknife(truth, whole, parts):
    """The metrics of a whole, and their scatter from what they are without each part."""
    told = np.isfinite(truth)  # a pixel may have no dust
    truth, whole = truth[told], whole[told]
    without = [metrics(truth, (whole - share * part[told]) / (1 - share)) for share, part in parts]
    row, grow = metrics(truth, whole), (len(without) - 1) / np.sqrt(len(without))
    scatters = spread(without)
    for metric in list(row):
        row[f"{metric}_scatter"] = scatters[f"{metric}_scatter"] * grow
    row["r2_scatter_relative"] = row["r2_scatter"] / abs(row["r2"]) if row["r2"] else np.nan
    return {**row, "runs": 1}


def spread(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean and standard deviation of each metric over runs, as columns of a row.

    Parameters
    ----------
    runs : list of dict of str to float
        At least one.

    Returns
    -------
    values : dict of str to float
        A scatter is NaN for a single run.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._seed_scatter import spread
    >>> row = spread([{"r2": 0.9}, {"r2": 0.7}])
    >>> print(f"{row['r2']:.2f} +- {row['r2_scatter']:.2f}")
    0.80 +- 0.14
    """
    row = {}
    for metric in runs[0]:
        values = [run[metric] for run in runs]
        row[metric] = float(np.mean(values))
        row[f"{metric}_scatter"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    row["r2_scatter_relative"] = row["r2_scatter"] / abs(row["r2"]) if row["r2"] else np.nan
    row["runs"] = len(runs)
    return row

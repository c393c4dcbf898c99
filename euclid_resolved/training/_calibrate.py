"""Intervals of a model, calibrated on galaxies that it has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_positive
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features._known import number_of
from euclid_resolved.features._scale import to_dex
from euclid_resolved.models._interval_sets import IntervalsBySet
from euclid_resolved.models._intervals import FEWEST_GALAXIES, LEVELS, Interval, shared_part
from euclid_resolved.training._evaluate import estimate_pixels, without
from euclid_resolved.training._extract import pixels_of
from euclid_resolved.training._groups import group_numbers, record_of, seen_by, warn_of_seen, warn_of_views

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

__all__ = ["calibrate", "coverage", "shared_variance"]

FEW_ENOUGH = 100_000
"""The most pixels that the intervals of a set of missing bands are made of; more are drawn at random."""


def calibrate(
    model: Model,
    galaxies: Sequence[Galaxy] | Pixels,
    *,
    levels: Sequence[float] = LEVELS,
    progress: bool = False,
) -> Model:
    """Give a model intervals that hold as many pixels of unseen galaxies as they say.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        Neither training nor test galaxies, observed as the images will be that are to be mapped.
    levels : sequence of float, optional
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    model : `~euclid_resolved.Model`
        The same, with an `~euclid_resolved.models.Interval` for each property.

    Raises
    ------
    InputError
        If there are fewer than five galaxies, or the model was trained on one of them, or on another of the
        same group.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, calibrate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(30, side=8)
    >>> model = calibrate(train(galaxies[:8], estimator=LinearRegression()), galaxies[8:])
    >>> density = model.predict(galaxies[0].image)
    >>> low, high = density.interval
    >>> density.meta["interval"], bool((low < high).all())
    (0.68, True)
    """
    levels = _levels(levels)  # before anything slow begins
    pixels = pixels_of(galaxies, model, progress=progress)
    _check_unseen(model, pixels, "calibrate it on others")
    n_galaxies = len(set(pixels.groups))
    if n_galaxies < 20:
        message = f"intervals calibrated on {n_galaxies} galaxies only are rough; 20 or more are better"
        warnings.warn(message, DataWarning, stacklevel=2)
    training = {
        **model.training,
        "calibration_galaxies": list(pixels.names),
        "calibration_groups": list(pixels.groups),
    }
    return replace(with_intervals(model, [(model, pixels)], levels), training=training)


def with_intervals(
    model: Model, parts: Sequence[tuple[Model, Pixels]], levels: Sequence[float] = LEVELS
) -> Model:
    """A model with intervals from estimates for galaxies that were not seen by whatever made the estimates.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    parts : sequence of (`~euclid_resolved.Model`, `~euclid_resolved.training.Pixels`)
        Models trained alike, each with pixels of galaxies it has not seen.
    levels : sequence of float, optional

    Returns
    -------
    model : `~euclid_resolved.Model`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training._calibrate import with_intervals
    >>> galaxies = example_galaxies(12)
    >>> model = train(galaxies[:6], estimator=LinearRegression())
    >>> model = with_intervals(model, [(model, pixels_of(galaxies[6:], model))])
    >>> model.outputs["stellar_mass_density"].interval.levels
    array([0.68, 0.95])
    """
    # The first is what a map's uncertainty is made of.
    levels = sorted({LEVELS[0], *_levels(levels)})
    truth, groups = _truth_of(model, parts)
    whole = _intervals(model, parts, [()], truth, groups, levels)
    outputs = {name: replace(output, interval=whole[name]) for name, output in model.outputs.items()}
    lacking = {} if model.missing is None else model.missing.to_calibrate()
    share = FEW_ENOUGH / max(sum(len(p) for _, p in parts), 1)
    if lacking and share < 1:  # pixels of a galaxy tell much the same, and there are many sets
        parts = [(each, p.draw(max(int(share * len(p)), 1), 1)) for each, p in parts]
        truth, groups = _truth_of(model, parts)
    for key, sets in lacking.items():
        own = _intervals(model, parts, sets, truth, groups, levels)
        for name, output in outputs.items():
            # Of a set that leaves no column there is no estimate, either.
            interval = own.get(name, whole[name])
            outputs[name] = replace(output, intervals_without={**output.intervals_without, key: interval})
    return replace(model, outputs=outputs)


def _truth_of(model, parts):
    """The truth of all pixels by property, dex, and the number of the galaxy of each."""
    # Of all parts together: views of one galaxy are one, whichever part they are in.
    objects, counts = ([each for _, p in parts for each in getattr(p, key)] for key in ("groups", "counts"))
    truth = {name: np.concatenate([to_dex(p.truth[name]) for _, p in parts]) for name in model.outputs}
    return truth, np.repeat(group_numbers(objects), counts)


def _intervals(model, parts, sets, truth, groups, levels):
    """By property, the interval of all pixels, each as if it lacked each of some sets of bands."""
    seen = [zip(*(_clip_band(m, p, lost) for m, p in parts), strict=True) for lost in sets]
    light, noise = (
        np.concatenate([one for part in each for one in part]) for each in zip(*seen, strict=True)
    )
    made = [[estimate_pixels(m, p, missing=lost) for m, p in parts] for lost in sets]
    intervals = {}
    for name, known_truth in truth.items():
        dex = np.concatenate([each[name] for part in made for each in part])
        known = np.isfinite(dex) & np.isfinite(np.tile(known_truth, len(sets)))
        if not known.any():
            continue
        true, group = np.tile(known_truth, len(sets))[known], np.tile(groups, len(sets))[known]
        interval = Interval.of(true - dex[known], light[known], noise[known], group, levels)
        # What pixels of a galaxy share is about sums of each once.
        first = np.flatnonzero(known[: len(groups)])
        intervals[name] = interval.with_shared(
            known_truth[first], dex[first], light[first], noise[first], groups[first]
        )
    return intervals


def _clip_band(model: Model, pixels: Pixels, missing: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Brightness and noise of every pixel in the model's clip band; zero where the noise is not known."""
    band, factor = model.clip_band, np.float32(1)
    if band in missing and model.missing is not None:
        band = without(model, missing)[-1]
        factor = np.float32(model.missing.to_clip_band[band])
    light = pixels.brightness[band]
    noise = pixels.noise.get(band, np.zeros_like(light))
    return factor * light, factor * noise


def coverage(
    model: Model,
    galaxies: Sequence[Galaxy] | Pixels,
    *,
    level: float = LEVELS[0],
    missing: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Which pixels of galaxies have their truth inside the interval.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Calibrated.
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    level : float, optional
    missing : sequence of str, optional
        As if the images lacked these bands; of a model that can.

    Returns
    -------
    inside : dict of str to `~numpy.ndarray` of bool
        By property, one value a pixel with a truth.

    Warns
    -----
    DataWarning
        If the model was trained or calibrated on some of the galaxies, or on others of their group.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, calibrate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training import coverage
    >>> galaxies = example_galaxies(60, side=8)
    >>> model = calibrate(train(galaxies[:10], estimator=LinearRegression()), galaxies[10:40])
    >>> inside = coverage(model, galaxies[40:], level=0.68)
    >>> print(f"{inside['stellar_mass_density'].mean():.1f} of the pixels")
    0.7 of the pixels
    """
    pixels = pixels_of(galaxies, model)
    known = ((name, output.interval) for name, output in model.outputs.items())
    intervals = {name: interval for name, interval in known if interval is not None}
    if len(intervals) < len(model.outputs):
        raise InputError("the model has no intervals: calibrate() it on galaxies held out")
    warn_of_seen(model, pixels, ("", "calibration_"))
    missing = tuple(band for band in model.bands if band not in without(model, missing))
    light, noise = _clip_band(model, pixels, missing)
    inside, estimates = {}, estimate_pixels(model, pixels, missing=missing)
    lost = np.full(len(pixels), number_of(model.bands, missing))
    for name in intervals:
        interval = IntervalsBySet(model.outputs[name], lost, model.bands)
        low, high = interval.offsets(light, noise, level)
        difference = to_dex(pixels.truth[name]) - estimates[name]
        inside[name] = ((difference >= low) & (difference <= high))[np.isfinite(pixels.truth[name])]
    return inside


def shared_variance(model: Model, galaxies: Sequence[Galaxy] | Pixels) -> dict[str, float]:
    """The part of the variance of the errors that all pixels of a galaxy share, measured on unseen galaxies.

    With e the error of a pixel (truth minus estimate, dex), <e> its mean over the pixels of a galaxy, and
    E the mean over galaxies::

        f = E[(<e> - E[<e>])^2] / E[<(e - E[<e>])^2>]

    0 where galaxies as a whole are off by the same, 1 where all pixels of each are. Every galaxy counts
    once. It can be ``correlated_fraction`` of `~euclid_resolved.maps.total` and `~euclid_resolved.maps.mean`.
    Maps of a calibrated model need none: calibration measures on sums of galaxies what makes the error of a
    sum right, which is more, since bright pixels count for more there.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        That the model was not trained on; those of one group count as one. Few galaxies give a rough
        fraction, however many pixels they have.

    Returns
    -------
    fractions : dict of str to float
        By property, from 0 to 1.

    Raises
    ------
    InputError
        If there are fewer than five galaxies, or the model was trained on one of them.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training import shared_variance
    >>> galaxies = example_galaxies(12)
    >>> model = train(galaxies[:6], estimator=LinearRegression())
    >>> shared = shared_variance(model, galaxies[6:])["stellar_mass_density"]
    >>> print(f"{shared:.1f} of the variance is shared")
    0.0 of the variance is shared
    """
    pixels = pixels_of(galaxies, model)
    _check_unseen(model, pixels, "measure it on others")
    groups = np.unique(np.repeat(group_numbers(pixels.groups), pixels.counts), return_inverse=True)[1]
    n_galaxies = groups.max(initial=-1) + 1
    if n_galaxies < FEWEST_GALAXIES:
        raise InputError(f"at least {FEWEST_GALAXIES} galaxies are needed, got {n_galaxies} with pixels")
    shared = {}
    for name, dex in estimate_pixels(model, pixels).items():
        told = np.isfinite(pixels.truth[name])
        own = np.unique(groups[told], return_inverse=True)[1]
        error = np.asarray(to_dex(pixels.truth[name]) - dex, float)[told]
        shared[name] = float(shared_part(error, 1 / np.bincount(own)[own], own))
    return shared


def _check_unseen(model, pixels, advice):
    seen = seen_by(model, pixels.names, pixels.groups, pixels.atlas)
    if seen:
        raise InputError(f"the model was trained on {', '.join(sorted(seen)[:3])}: {advice}")
    names, groups = record_of(model)
    warn_of_views([*names, *pixels.names], [*groups, *pixels.groups], stacklevel=3)


def _levels(levels):
    """Probabilities between 0 and 1."""
    try:
        levels = [float(check_positive("a level", level)) for level in levels]
    except TypeError:
        what = f"levels are several numbers between 0 and 1, as (0.68, 0.95), got {levels!r}"
        raise InputError(what) from None
    if levels and max(levels) >= 1:
        raise InputError(f"levels must lie between 0 and 1, got {max(levels)}")
    return levels

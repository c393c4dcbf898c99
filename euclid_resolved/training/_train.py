"""Train a model on galaxies whose truth is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_names, check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._given import given_estimator
from euclid_resolved.estimators._side_by_side import side_by_side
from euclid_resolved.estimators._workers import check_workers, on_workers
from euclid_resolved.features._image_sets import image_sets
from euclid_resolved.features._scale import to_dex
from euclid_resolved.features._sets import column_units, feature_columns, needed_bands
from euclid_resolved.images._bands import EUCLID_BANDS, band_name
from euclid_resolved.maps._properties import PROPERTIES, get_property
from euclid_resolved.models._clip import DEFAULT_CLIP, clip_band
from euclid_resolved.models._metrics import metrics, with_estimate
from euclid_resolved.models._missing import MissingBands
from euclid_resolved.models._model import Model
from euclid_resolved.models._provenance import plugins_used
from euclid_resolved.models._tree import golden_image
from euclid_resolved.training._blanking import blanking_of, check_takes_nan
from euclid_resolved.training._calibrate import calibrate, with_intervals
from euclid_resolved.training._domains import domain_of
from euclid_resolved.training._evaluate import estimate_pixels
from euclid_resolved.training._extract import check_made_of, extract
from euclid_resolved.training._fitting import fit_properties
from euclid_resolved.training._sample import Pixels
from euclid_resolved.training._splits import folds

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator
    from euclid_resolved.maps._galaxy import Galaxy

__all__ = ["retrain", "train"]


def _versions(outputs):
    """The versions of what every model is made with, and of what its estimators have worked with."""
    names = ("euclid_resolved", "numpy", "astropy", "scikit-learn")
    used = {library for output in outputs.values() for library in output.estimator.libraries}
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | {name: str(sys.modules[name].__version__) for name in sorted(used) if name in sys.modules}


def train(
    galaxies: Sequence[Galaxy] | Pixels,
    properties: str | Sequence[str] = "stellar_mass_density",
    estimator: Estimator | str | None = None,
    *,
    features: str | Sequence[str] = ("bands",),
    columns: Sequence[str] | None = None,
    bands: Sequence[str] = EUCLID_BANDS,
    clip: float | None = DEFAULT_CLIP,
    chain: bool = False,
    validation_fraction: float = 0.2,
    calibration: int | float | Sequence[Galaxy] | Pixels | None = None,
    missing_bands: float | Sequence[float | str | Sequence[str]] | None = None,
    max_pixels: int | None = None,
    seed: int = 1,
    source: str = "",
    progress: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Model:
    """Train a model, pixel by pixel, on galaxies whose truth is known (the paper's sections 2.3 and 3).

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        The training galaxies; or their pixels, already gathered by `~euclid_resolved.training.extract`,
        which share one reading between several models.
    properties : str or sequence of str, optional
        What to estimate; ``"all"`` takes the three of the paper. One estimator is fitted for each, in one
        go where the estimator can (`~euclid_resolved.RandomForest` with ``joint=True``).
    estimator : `~euclid_resolved.Estimator` or str, optional
        Its settings are used, itself is not changed; a `~euclid_resolved.RandomForest` without it. A text
        names a registered one, with its default settings: ``"linear"``; or ``"RF"``, ``"LR"``, ``"DNN"``.
    features : str or sequence of str, optional
        Sets of features to chain.
    columns : sequence of str, optional
        Use only these of the columns: a single band, or all but one.
    bands : sequence of str, optional
        The bands to make features of, by any of their names.
    clip : float or None, optional
        Learn from pixels brighter than this in HE (or in the last band), MJy/sr.
    chain : bool, optional
        Feed each property's estimate to the next, in the order given (the paper's Sect. 7). While
        training, those estimates come from fits to other galaxies, so that the chain does not learn from
        values fitted to the same pixels.
    validation_fraction : float, optional
        The fraction of training pixels set aside (the paper: 0.2); accuracy on them is recorded, and
        estimators that stop early watch it.
    calibration : int, float, sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        How to calibrate intervals, if at all. A whole number of folds: every galaxy is left out in turn, and
        the model itself learns from all; that takes as many more fits. A fraction of the galaxies to set
        aside. Or other galaxies (`~euclid_resolved.training.calibrate`), not those a test is made on.
    missing_bands : float, or sequence of str or sequence of str, optional
        Make a model for pixels that lack bands: holes in one band, or an image that has no NISP Y. Beside all
        pixels as they are, it learns twice from each (of more than four bands, six times) with bands left
        out at random. A number between 0 and 1 (0.3 is a good one of four bands, 0.13 of nine) is the
        probability of each band to be left out, and any set of bands that leaves one may be missing; or name
        the bands, or sets of them, that may be: ``("YE", ("YE", "JE"))``. With a number among the sets,
        ``(0.13, ("YE", "JE", "HE"))``, any may be missing, and one of the copies lacks one of these.
        Features of single pixels and an estimator that takes NaN
        (`~euclid_resolved.Estimator.accepts_nan`) are needed.
    max_pixels : int, optional
        Learn from no more pixels than this, drawn at random once for the model. Those of a sample in files
        are read some at a time, so that memory follows the draw and not the sample. All pixels without it.
    seed : int, optional
        Of the choice of validation pixels, of calibration galaxies, of the bands left out and of what
        `max_pixels` draws. An estimator's own randomness is one of its settings.
    source : str, optional
        A name for the training set, kept in the model.
    progress : bool, optional
        Show progress bars on a terminal.
    workers : int, optional
        Work in as many processes on this machine; needs Dask. They grow the trees of a forest, and fit to
        folds of galaxies; other estimators are fitted here. The model is the same, to the last bit.
    scheduler : str, optional
        Or on the workers of this Dask scheduler, ``"tcp://..."``, which see a sample in the same files.

    Returns
    -------
    model : `~euclid_resolved.Model`

    Raises
    ------
    InputError
        If there are fewer than two galaxies, no pixel is left, a column is not made by the features, or bands
        that may be missing are unknown, or the estimator cannot do without; or workers are wanted and there
        are none.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], ("stellar_mass_density", "stellar_age"), LinearRegression())
    >>> model.properties, model.columns
    (('stellar_mass_density', 'stellar_age'), ('IE', 'YE', 'JE', 'HE'))
    >>> density = model.predict(galaxies[3].image, "stellar_mass_density")
    >>> print(f"brightest pixel: {density.quantity.max():.0f}")
    brightest pixel: 1330 solMass / pc2
    """
    check_workers(workers, scheduler)
    if estimator is None:
        from euclid_resolved.estimators._trees import RandomForest

        estimator = RandomForest()
    estimator = given_estimator(estimator)
    check_whole("seed", seed, 0)
    bands = tuple(map(band_name, check_names(bands, "bands")))
    columns = None if columns is None else check_names(columns, "columns")
    if not isinstance(validation_fraction, Real) or not 0 <= validation_fraction < 1:
        raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
    features = (features,) if isinstance(features, str) else check_names(features, "features")
    names = tuple(PROPERTIES) if properties == "all" else properties
    names = (names,) if isinstance(names, str) else check_names(names, "properties")
    names = [get_property(name).name for name in names]
    if missing_bands is not None:  # before hours of reading
        check_takes_nan(estimator)
        blanking_of(missing_bands, bands, features, feature_columns(bands, features))
    if not isinstance(galaxies, Pixels):
        galaxies = extract(
            galaxies, names, bands, clip=clip, features=features, source=source, progress=progress
        )
    check_made_of(galaxies, features)
    lacking = [name for name in names if name not in galaxies.truth]
    if lacking:
        raise InputError(f"the pixels hold no {', '.join(lacking)}, only {', '.join(galaxies.truth)}")
    if not len(galaxies):
        raise InputError("there are no pixels to learn from")
    pixels = galaxies if max_pixels is None else galaxies.draw(max_pixels, seed)
    drawn = max_pixels is not None and pixels is not galaxies
    if isinstance(calibration, int) and not 2 <= calibration <= len(pixels.names):
        raise InputError(f"calibration needs 2 to {len(pixels.names)} folds of galaxies, got {calibration}")
    if isinstance(calibration, float):
        pixels, calibration = _set_aside(pixels, calibration, seed)
    if len(pixels.names) < 2:
        raise InputError(f"training needs at least two galaxies, got {len(pixels.names)}")
    bands = tuple(band for band in bands if band in pixels.brightness)
    columns, used = _choose_columns(pixels, bands, features, columns)
    blanking = blanking_of(missing_bands, used, features, columns)
    with on_workers(workers, scheduler):
        fitted = fit_properties(
            pixels, names, estimator, used, features, columns, chain, validation_fraction, seed, blanking
        )
        brightness = pixels.brightness.select(used)
        noise = pixels.noise.select([band for band in used if band in pixels.noise])
        units = column_units(used, features)
        band = pixels.clip_band if pixels.clip is not None else clip_band(used)
        model = Model(
            bands=used,
            features=features,
            columns=columns,
            column_units=tuple(units[column] for column in columns),
            clip=pixels.clip,
            clip_band=band,
            missing=None if blanking is None else _missing(blanking, brightness, band, pixels.clip),
            feature_scale=fitted.scale,
            domain=domain_of(pixels, used),
            outputs=fitted.outputs,
            golden_rows=fitted.golden_rows,
            golden_brightness=fitted.golden_brightness,
            golden_image=golden_image(used, features),
            plugins=plugins_used(features, (output.estimator for output in fitted.outputs.values())),
            training={
                "source": pixels.source,
                "digest": pixels.digest,
                "galaxies": list(pixels.names),
                "groups": list(pixels.groups),
                **({"atlas": pixels.atlas} if pixels.atlas else {}),
                "n_pixels": fitted.n_fit,
                "n_validation_pixels": fitted.n_held,
                "fraction_of_pixels_kept": pixels.kept,
                **({"max_pixels": int(max_pixels), "drawn_from": len(galaxies)} if drawn else {}),
                "seed": seed,
                "validation": fitted.accuracy,
                **({} if blanking is None else {"missing_bands": _as_plain(missing_bands)}),
                **_noise_record(brightness, noise),
            },
            versions=_versions(fitted.outputs),
        )
        if isinstance(calibration, int):
            settings: dict[str, Any] = {
                "features": features,
                "columns": columns,
                "bands": used,
                "chain": chain,
                "missing_bands": missing_bands,
                "seed": seed,
            }
            settings["validation_fraction"] = validation_fraction
            return cross_calibrate(
                model, pixels, calibration, lambda p: train(p, names, estimator, **settings), seed
            )
        return model if calibration is None else calibrate(model, calibration, progress=progress)


def cross_calibrate(model, pixels, n_folds, fit, seed):
    """Intervals and accuracy from fits without the galaxies that they are tried on."""
    sides = folds(pixels.galaxies, n_folds, seed)
    fits = side_by_side(lambda kept: fit(pixels.of(kept)), [kept for kept, _ in sides], 1, what="folds")
    parts = [(each, pixels.of(left)) for each, (_, left) in zip(fits, sides, strict=True)]
    accuracy, estimates = {}, [estimate_pixels(part, own) for part, own in parts]
    for name in model.outputs:
        truth = np.concatenate([to_dex(own.truth[name]) for _, own in parts])
        guess = np.concatenate([dex[name] for dex in estimates])
        accuracy[name] = metrics(*with_estimate(truth, guess, name))
    record = {**model.training, "calibration_folds": n_folds, "cross_validation": accuracy}
    return replace(with_intervals(model, parts), training=record)


def _as_plain(missing_bands):
    """What a file holds of `missing_bands`."""
    if isinstance(missing_bands, Real):
        return float(missing_bands)
    return [each if isinstance(each, str | Real) else list(each) for each in missing_bands]


def _missing(blanking, brightness, clip_band, clip):
    """What a model says of bands that may be missing."""
    anything = blanking.probability > 0
    sets, named = ((), blanking.sets) if anything else (blanking.sets, ())
    return MissingBands.of(sets, brightness, clip_band, clip, named)


def _set_aside(pixels: Pixels, fraction: float, seed: int) -> tuple[Pixels, Pixels]:
    """The pixels of training galaxies, and of those to calibrate on."""
    if not 0 < fraction < 1:
        raise InputError(f"the fraction of galaxies to calibrate on must lie in (0, 1), got {fraction}")
    groups = np.unique(pixels.groups)
    chosen = np.random.default_rng([seed, 1]).permutation(groups)[: max(round(fraction * len(groups)), 1)]
    of_group = zip(pixels.names, pixels.groups, strict=True)
    aside = [name for name, group in of_group if group in set(chosen)]
    return pixels.of(set(pixels.names) - set(aside)), pixels.of(aside)


def _noise_record(brightness, noise):
    """The signal-to-noise that a model was trained on: percentiles 1, 50 and 99 by band."""
    if not noise:
        return {}
    record = {}
    for band in noise:
        ratio = []
        both = zip(brightness.pieces(), noise.pieces(), strict=True)
        for (_, light), (_, sigma) in both:
            known = sigma[band] > 0
            ratio.append(light[band][known] / sigma[band][known])
        ratio = np.concatenate(ratio)
        if ratio.size:
            record[band] = [float(f"{value:.3g}") for value in np.percentile(ratio, (1, 50, 99))]
    return {"signal_to_noise": record}


def retrain(
    model: Model,
    galaxies: Sequence[Galaxy] | Pixels,
    *,
    properties: Sequence[str] | None = None,
    estimator: Estimator | str | None = None,
    features: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    seed: int | None = None,
) -> Model:
    """Train again as a model was trained, apart from what is said here; for diagnostics.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        The training galaxies. Pixels come with their own clip.
    properties : sequence of str, optional
        The model's without it.
    estimator : `~euclid_resolved.Estimator` or str, optional
        The model's, with the same settings, without it.
    features : sequence of str, optional
        Other feature sets: all the columns they make, unless `columns` says which.
    columns : sequence of str, optional
        The model's without it (and without `features`).
    seed : int, optional
        Of the choice of validation pixels and of the estimator; those the model had without it.

    Returns
    -------
    model : `~euclid_resolved.Model`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, evaluate, retrain, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> only_he = retrain(model, galaxies[:3], columns=("HE",))
    >>> for each in model, only_he:
    ...     print(each.columns, f"RMSE {evaluate(each, galaxies[3:])['rmse'][0]:.2f}")
    ('IE', 'YE', 'JE', 'HE') RMSE 0.08 dex
    ('HE',) RMSE 0.17 dex
    """
    outputs = list(model.outputs.values())
    estimator = replace(outputs[0].estimator if estimator is None else given_estimator(estimator))
    if seed is not None and "seed" in estimator.settings():
        estimator = replace(estimator, seed=int(seed))
    held = model.training.get("n_validation_pixels", 0)
    total = held + model.training.get("n_pixels", 1)
    if columns is None and features is None:
        columns = model.columns
    bands = galaxies.brightness if isinstance(galaxies, Pixels) else model.bands
    return train(
        galaxies,
        model.properties if properties is None else properties,
        estimator,
        features=model.features if features is None else features,
        columns=columns,
        bands=tuple(bands),
        clip=model.clip,
        chain=any(output.chain for output in outputs),
        # Half a pixel more, because train() rounds down: the same pixels must give the same number.
        validation_fraction=(held + 0.5) / total if held else 0,
        missing_bands=_without(model, features, columns),
        max_pixels=model.training.get("max_pixels"),
        seed=int(model.training.get("seed", 1)) if seed is None else int(seed),
        source=str(model.training.get("source", "")),
    )


def _without(model, features, columns):
    """The bands that may be missing, where the columns are the model's: others may need all of them."""
    same = features is None and (columns is None or tuple(columns) == model.columns)
    return model.training.get("missing_bands") if same else None


def _choose_columns(
    pixels: Pixels, bands: Sequence[str], features: Sequence[str], columns: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns to learn from, and the bands without which they, or the clip, cannot be made."""
    possible = feature_columns(bands, features)
    columns = possible if columns is None else tuple(columns)
    unknown = [column for column in columns if column not in possible]
    if unknown or not columns:
        what = ", ".join(unknown) or "chosen"
        raise InputError(f"no column {what}; these features make {', '.join(possible)}")
    # How far an image is smoothed depends on all its bands: a model that looks around needs each of them.
    used = tuple(bands) if image_sets(features) else needed_bands(bands, features, columns)
    if pixels.clip is not None:
        if pixels.clip_band not in bands:
            raise InputError(
                f"the pixels were clipped in {pixels.clip_band}, which is none of their bands "
                f"({', '.join(bands)}), and an image is clipped as they were: extract them with that band, "
                "or clip another one"
            )
        # The clip is repeated on every image, so its band is needed even where no feature uses it.
        used = tuple(band for band in bands if band in used or band == pixels.clip_band)
    return columns, used

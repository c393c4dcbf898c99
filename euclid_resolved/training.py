"""Train a model on galaxies whose truth is known."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from euclid_resolved.bands import EUCLID_BANDS
from euclid_resolved.domain import Domain
from euclid_resolved.errors import InputError
from euclid_resolved.estimators import Estimator
from euclid_resolved.features import feature_columns, make_features, needed_bands
from euclid_resolved.metrics import metrics
from euclid_resolved.model import Model, Output, append, checked_predict
from euclid_resolved.quantities import PROPERTIES, get_property
from euclid_resolved.sample import DEFAULT_CLIP, Pixels, clip_band, extract, folds, group_name
from euclid_resolved.scale import Scale, to_dex
from euclid_resolved.uncertainty import calibrate, with_intervals

__all__ = ["retrain", "train"]

_GOLDEN = 32  # rows kept in a model, whose predictions are repeated when it is opened
_FOLDS = 5  # of galaxies, for the out-of-fold estimates that a chain learns from


def _versions():
    names = ("euclid_resolved", "numpy", "astropy", "scikit-learn")
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def train(
    galaxies,
    properties="stellar_mass_density",
    estimator=None,
    *,
    features=("bands",),
    columns=None,
    bands=EUCLID_BANDS,
    clip=DEFAULT_CLIP,
    chain=False,
    validation_fraction=0.2,
    calibration=None,
    seed=1,
    source="",
    progress=False,
):
    """Train a model, pixel by pixel, on galaxies whose truth is known (the paper's Sects. 2.3 and 3).

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        The training galaxies; or their pixels, already gathered by `~euclid_resolved.sample.extract`,
        which share one reading between several models.
    properties : str or sequence of str, optional
        What to estimate; ``"all"`` takes the three of the paper. One estimator is fitted for each.
    estimator : `~euclid_resolved.Estimator`, optional
        Its settings are used, itself is not changed; a `~euclid_resolved.RandomForest` without it.
    features : str or sequence of str, optional
        Sets of features to chain.
    columns : sequence of str, optional
        Use only these of the columns: a single band, or all but one.
    bands : sequence of str, optional
        The bands to make features of.
    clip : float or None, optional
        Learn from pixels brighter than this in HE (or in the last band), MJy/sr.
    chain : bool, optional
        Feed each property's estimate to the next, in the order given (the paper's Sect. 7). While
        training, those estimates come from fits to other galaxies, so that the chain does not learn from
        values fitted to the same pixels.
    validation_fraction : float, optional
        The fraction of training pixels set aside (the paper: 0.2); accuracy on them is recorded, and
        estimators that stop early watch it.
    calibration : int, float, sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        How to calibrate intervals, if at all. A whole number of folds: every galaxy is left out in turn, and
        the model itself learns from all; that takes as many more fits. A fraction of the galaxies to set
        aside. Or other galaxies (`~euclid_resolved.uncertainty.calibrate`), not those a test is made on.
    seed : int, optional
        Of the choice of validation pixels and calibration galaxies. An estimator's own randomness is one
        of its settings.
    source : str, optional
        A name for the training set, kept in the model.
    progress : bool, optional
        Show progress bars on a terminal.

    Returns
    -------
    model : `Model`

    Raises
    ------
    InputError
        If there are fewer than two galaxies, no pixel is left, or a column is not made by the features.
    """
    if estimator is None:
        from euclid_resolved.trees import RandomForest

        estimator = RandomForest()
    if not isinstance(estimator, Estimator):
        raise InputError(f"an Estimator is needed, got {type(estimator).__name__}")
    if not 0 <= validation_fraction < 1:
        raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
    features = (features,) if isinstance(features, str) else tuple(features)
    names = tuple(PROPERTIES) if properties == "all" else properties
    names = [get_property(n).name for n in ((names,) if isinstance(names, str) else names)]
    if not isinstance(galaxies, Pixels):
        options = {"clip": clip, "source": source, "progress": progress}
        galaxies = extract(galaxies, names, bands, **options)
    pixels = galaxies
    if isinstance(calibration, int) and not 2 <= calibration <= len(pixels.names):
        raise InputError(f"calibration needs 2 to {len(pixels.names)} folds of galaxies, got {calibration}")
    if isinstance(calibration, float):
        pixels, calibration = _set_aside(pixels, calibration, seed)
    if len(pixels.names) < 2:
        raise InputError(f"training needs at least two galaxies, got {len(pixels.names)}")
    bands = tuple(band for band in bands if band in pixels.brightness)
    columns, used = _choose_columns(pixels, bands, features, columns)
    brightness = {band: pixels.brightness[band] for band in used}
    table = make_features(brightness, features, columns=columns)
    order = np.random.default_rng(seed).permutation(len(table))
    held = order[: int(validation_fraction * len(table))]
    rows = order[len(held) :]
    feature_scale = Scale.of(table.values[rows], table.columns)
    X = feature_scale.apply(table.values)
    # Projections of one galaxy are one: estimates from a fit to another projection would be no estimates.
    groups = np.unique([group_name(name) for name in pixels.names], return_inverse=True)[1]
    fit = _Fit(estimator, rows, held, groups[pixels.galaxy], seed)
    golden_rows = X[rows[:_GOLDEN]].copy()
    outputs, accuracy, earlier = {}, {}, []
    for i, name in enumerate(names):
        y = to_dex(pixels.truth[name])
        scale = Scale.of(y[rows], (name,))
        target, before = scale.apply(y), tuple(outputs) if chain else ()
        inputs = append(X, earlier)
        fit.prepare = (columns + before, feature_scale, scale)
        fitted = fit(inputs, target)
        golden = checked_predict(fitted, append(golden_rows, [outputs[n].golden for n in before]), name)
        outputs[name] = Output(name, fitted, scale, golden, before)
        if len(held):
            accuracy[name] = metrics(y[held], scale.invert(checked_predict(fitted, inputs[held], name)))
        if chain and i + 1 < len(names):
            earlier.append(fit.out_of_fold(inputs, target))
    noise = {band: pixels.noise[band] for band in used if band in pixels.noise}
    model = Model(
        bands=used,
        features=features,
        columns=columns,
        column_units=make_features(
            {b: v[:1] for b, v in brightness.items()}, features, columns=columns
        ).units,
        clip=pixels.clip,
        clip_band=pixels.clip_band if pixels.clip is not None else clip_band(used),
        feature_scale=feature_scale,
        domain=Domain.of(brightness, noise, groups[pixels.galaxy]),
        outputs=outputs,
        golden_rows=golden_rows,
        training={
            "source": pixels.source,
            "digest": pixels.digest,
            "galaxies": list(pixels.names),
            "n_pixels": len(rows),
            "n_validation_pixels": len(held),
            "fraction_of_pixels_kept": pixels.kept,
            "seed": seed,
            "validation": accuracy,
            **_noise_record(brightness, noise),
        },
        versions=_versions(),
    )
    if isinstance(calibration, int):
        settings = {"features": features, "columns": columns, "bands": used, "chain": chain, "seed": seed}
        settings["validation_fraction"] = validation_fraction
        return _cross_calibrate(
            model, pixels, calibration, lambda p: train(p, names, estimator, **settings), seed
        )
    return model if calibration is None else calibrate(model, calibration, progress=progress)


def _cross_calibrate(model, pixels, n_folds, fit, seed):
    """Intervals and accuracy from fits without the galaxies that they are tried on."""
    parts = []
    for kept, left in folds(pixels.names, n_folds, seed):
        parts.append((fit(pixels.of(kept)), pixels.of(left)))
    accuracy = {}
    for name in model.outputs:
        truth = np.concatenate([to_dex(own.truth[name]) for _, own in parts])
        estimate = np.concatenate([part.estimate(own.brightness, name) for part, own in parts])
        accuracy[name] = metrics(truth, estimate)
    record = {**model.training, "calibration_folds": n_folds, "cross_validation": accuracy}
    return replace(with_intervals(model, parts), training=record)


def _set_aside(pixels, fraction, seed):
    """The pixels of training galaxies, and of those to calibrate on."""
    if not 0 < fraction < 1:
        raise InputError(f"the fraction of galaxies to calibrate on must lie in (0, 1), got {fraction}")
    groups = np.unique([group_name(name) for name in pixels.names])
    chosen = np.random.default_rng([seed, 1]).permutation(groups)[: max(round(fraction * len(groups)), 1)]
    aside = [name for name in pixels.names if group_name(name) in set(chosen)]
    return pixels.of(set(pixels.names) - set(aside)), pixels.of(aside)


def _noise_record(brightness, noise):
    """The signal-to-noise that a model was trained on: percentiles 1, 50 and 99 by band."""
    if not noise:
        return {}
    record = {}
    for band, sigma in noise.items():
        known = sigma > 0
        if known.any():
            ratio = np.percentile(brightness[band][known] / sigma[known], (1, 50, 99))
            record[band] = [float(f"{value:.3g}") for value in ratio]
    return {"signal_to_noise": record}


def retrain(model, galaxies, *, properties=None, estimator=None, features=None, columns=None, seed=None):
    """Train again as a model was trained, apart from what is said here; for diagnostics.

    Parameters
    ----------
    model : `Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        The training galaxies. Pixels come with their own clip.
    properties : sequence of str, optional
        The model's without it.
    estimator : `~euclid_resolved.Estimator`, optional
        The model's, with the same settings, without it.
    features : sequence of str, optional
        Other feature sets: all the columns they make, unless `columns` says which.
    columns : sequence of str, optional
        The model's without it (and without `features`).
    seed : int, optional
        Of the choice of validation pixels and of the estimator; those the model had without it.

    Returns
    -------
    model : `Model`
    """
    outputs = list(model.outputs.values())
    estimator = replace(outputs[0].estimator if estimator is None else estimator)
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
        seed=int(model.training.get("seed", 1)) if seed is None else int(seed),
        source=str(model.training.get("source", "")),
    )


def _choose_columns(pixels, bands, features, columns):
    """The columns to learn from, and the bands without which they, or the clip, cannot be made."""
    possible = feature_columns(bands, features)
    columns = possible if columns is None else tuple(columns)
    unknown = [column for column in columns if column not in possible]
    if unknown or not columns:
        what = ", ".join(unknown) or "chosen"
        raise InputError(f"no column {what}; these features make {', '.join(possible)}")
    used = needed_bands(bands, features, columns)
    if pixels.clip is not None:
        # The clip is repeated on every image, so its band is needed even where no feature uses it.
        used = tuple(band for band in bands if band in used or band == pixels.clip_band)
    return columns, used


class _Fit:
    """Fit fresh copies of one estimator to training pixels, with others held for validation."""

    def __init__(self, estimator, rows, held, galaxy, seed):
        self.estimator, self.rows, self.held, self.galaxy, self.seed = estimator, rows, held, galaxy, seed
        self.prepare = None  # what `Estimator.prepare` hears

    def __call__(self, X, y, keep=None):
        rows, held = self.rows, self.held
        if keep is not None:
            rows, held = rows[keep[rows]], held[keep[held]]
        validation = (X[held], y[held]) if len(held) else None
        fresh = replace(self.estimator)
        fresh.prepare(*self.prepare)
        fresh.fit(X[rows], y[rows], validation=validation)
        return fresh

    def out_of_fold(self, X, y):
        """Estimates for every pixel from fits to other galaxies."""
        present = np.unique(self.galaxy)
        fold = np.empty(int(present.max()) + 1, int)
        fold[present] = np.random.default_rng(self.seed).permutation(len(present)) % min(_FOLDS, len(present))
        mine = fold[self.galaxy]
        result = np.empty(len(X), np.float32)
        for i in np.unique(mine):
            result[mine == i] = self(X, y, keep=mine != i).predict(X[mine == i])
        return result

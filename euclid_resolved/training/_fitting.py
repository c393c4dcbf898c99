"""Fit an estimator to the properties of training pixels, one after the other, chained, or together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.errors import PluginError
from euclid_resolved.estimators._contract import Estimator
from euclid_resolved.features._scale import Scale
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._asking import check_fitted, check_settings, checked_predict, registered_name
from euclid_resolved.models._metrics import metrics, with_estimate
from euclid_resolved.models._output import Output, append
from euclid_resolved.plugins._offers import blamed
from euclid_resolved.training._training_set import TrainingSet

if TYPE_CHECKING:
    from euclid_resolved.training._blanking import Blanking
    from euclid_resolved.training._sample import Pixels

_GOLDEN = 32  # rows kept in a model, whose predictions are repeated when it is opened
_FOLDS = 5  # of galaxies, for the out-of-fold estimates that a chain learns from


log = logging.getLogger("euclid_resolved")


@dataclass
class Fitted:
    """What a fit to a training set leaves behind when the set is forgotten.

    Attributes
    ----------
    scale : `~euclid_resolved.features.Scale`
        Of the features.
    golden_rows : `~numpy.ndarray`
        float32, shape (m, k): some scaled training features.
    golden_brightness : `~numpy.ndarray`
        float32, shape (m, bands): the surface brightness that they were made of, MJy/sr.
    n_held, n_fit : int
        How many pixels were set aside, and how many were learned from.
    outputs : dict of str to `~euclid_resolved.models.Output`
        By property.
    accuracy : dict of str to dict
        The six metrics on the pixels set aside, by property.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.training._fitting import Fitted
    >>> from euclid_resolved.features import Scale
    >>> rows = np.zeros((32, 1), np.float32)
    >>> Fitted(Scale([0.0], [1.0]), rows, 10**rows, n_held=0, n_fit=32).outputs
    {}
    """

    scale: Scale
    golden_rows: np.ndarray
    golden_brightness: np.ndarray
    n_held: int
    n_fit: int
    outputs: dict[str, Output] = field(default_factory=dict)
    accuracy: dict[str, dict[str, float]] = field(default_factory=dict)


def fit_properties(
    pixels: Pixels,
    names: Sequence[str],
    estimator: Estimator,
    bands: Sequence[str],
    features: str | Sequence[str],
    columns: tuple[str, ...],
    chain: bool,
    validation_fraction: float,
    seed: int,
    blanking: Blanking | None = None,
) -> Fitted:
    """Fit an estimator to every property in turn, or to all together where it can.

    Parameters
    ----------
    pixels : `~euclid_resolved.training.Pixels`
    names : sequence of str
        The properties.
    estimator : `~euclid_resolved.Estimator`
    bands, features, columns : sequence of str
        As for `TrainingSet`.
    chain : bool
        Whether each property's estimate is a column for the next.
    validation_fraction : float
    seed : int
    blanking : `~euclid_resolved.training._blanking.Blanking`, optional
        Of the bands that copies of pixels lack.

    Returns
    -------
    fitted : `Fitted`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression
    >>> from euclid_resolved.training._fitting import fit_properties
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(3), ("stellar_age",))
    >>> columns = ("IE", "HE")
    >>> fitted = fit_properties(
    ...     pixels, ("stellar_age",), LinearRegression(), columns, ("bands",), columns, False, 0.2, 1
    ... )
    >>> print(fitted.n_held, list(fitted.outputs), f"{fitted.accuracy['stellar_age']['r2']:.2f}")
    153 ['stellar_age'] 0.99
    """
    check_settings(estimator)
    data = TrainingSet(pixels, bands, features, columns, validation_fraction, seed, blanking)
    n_held, nan = data.n_held, blanking is not None
    rows = data.golden(_GOLDEN)
    golden, light = data.X[rows].copy(), data.brightness(bands, rows)
    # Accuracy, and how many pixels there are, is said of those with all their bands.
    whole = np.asarray(np.isfinite(data.X).all(axis=1))
    own = whole[:n_held]
    done = Fitted(data.scale, golden, light, int(own.sum()), int(whole[n_held:].sum()))
    inputs, fit = data.X, _Fit(estimator, data, seed)
    # Trees of several properties need pixels that have them all.
    joint = estimator.joint and len(names) > 1 and not any(get_property(name).sparse for name in names)
    together = fit.together(names, columns) if joint and not chain else None
    for i, name in enumerate(names):
        y, scale, held = data.target(name)
        before = tuple(done.outputs) if chain else ()
        fit.prepare = (columns + before, data.scale, scale)
        log.debug("fitting %s of %d pixels with %s", name, done.n_fit, estimator)
        fitted = together[i] if together else fit(inputs, y)
        known = append(done.golden_rows, [done.outputs[n].golden for n in before])
        done.outputs[name] = Output(
            name, fitted, scale, check_fitted(fitted, known, name, nan=nan), before
        )  # fmt: skip
        if n_held:
            guess = scale.invert(checked_predict(fitted, inputs[:n_held], name, nan=nan))
            done.accuracy[name] = metrics(*with_estimate(held[own], guess[own], name))
        if chain and i + 1 < len(names):
            inputs = append(inputs, [fit.out_of_fold(inputs, y, name)])
    return done


class _Fit:
    """Fit fresh copies of one estimator to training pixels, with others held for validation."""

    def __init__(self, estimator, data, seed):
        self.estimator, self.data, self.seed = estimator, data, seed
        self.prepare = None  # what `Estimator.prepare` hears

    def __call__(self, X, y, keep=None):
        held, rows = slice(None, self.data.n_held), slice(self.data.n_held, None)
        # An earlier estimate of a chain may not be finite, and a pixel may have no dust.
        finite = np.isfinite(X[:, len(self.data.scale.minimum) :]).all(axis=1) & np.isfinite(y)
        keep = finite if keep is None else keep & finite
        if not keep.all():
            held, rows = (np.flatnonzero(keep[part]) + (part.start or 0) for part in (held, rows))
        validation = (read_only(X[held]), read_only(y[held])) if len(y[held]) else None
        with self._blamed():
            fresh = replace(self.estimator)
            fresh.prepare(*self.prepare)
            fresh.fit(read_only(X[rows]), read_only(y[rows]), validation=validation)
        return fresh

    def _blamed(self):
        return blamed(lambda: registered_name(self.estimator), "to fit")

    def together(self, names, columns):
        """One fit to all properties: a fitted estimator for each."""
        data, n_held = self.data, self.data.n_held
        Y, scales = np.empty((len(data.X), len(names)), np.float32), []
        for i, name in enumerate(names):
            Y[:, i], scale, _ = data.target(name)
            scales.append(scale)
        limits = (np.concatenate([getattr(scale, end) for scale in scales]) for end in ("minimum", "maximum"))
        X, Y = read_only(data.X), read_only(Y)
        validation = (X[:n_held], Y[:n_held]) if n_held else None
        with self._blamed():
            fresh = replace(self.estimator)
            fresh.prepare(columns, data.scale, Scale(*limits))
            fitted = fresh.fit_together(X[n_held:], Y[n_held:], validation=validation)
        fits = isinstance(fitted, list | tuple) and len(fitted) == len(names)
        if not fits or not all(isinstance(each, Estimator) for each in fitted):
            name, what = registered_name(self.estimator), f"{len(names)} fitted estimators"
            raise PluginError(f"{name} returned {fitted!r:.60} from fit_together, {what} are needed")
        return fitted

    def out_of_fold(self, X, y, name):
        """Estimates for every pixel from fits to other galaxies."""
        galaxy = self.data.groups()
        present = np.unique(galaxy)
        fold = np.empty(int(present.max()) + 1, int)
        fold[present] = np.random.default_rng(self.seed).permutation(len(present)) % min(_FOLDS, len(present))
        mine = fold[galaxy]
        result = np.empty(len(X), np.float32)
        for i in np.unique(mine):
            fitted = self(X, y, keep=mine != i)
            nan = self.data.blanking is not None
            result[mine == i] = checked_predict(fitted, X[mine == i], name, nan=nan)
        return result

"""What a training set covered: estimates outside it are extrapolations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._known import by_set, sets_of_bands
from euclid_resolved.features._scale import Scale
from euclid_resolved.features._sets import feature_columns, make_features
from euclid_resolved.images._values import brightness_of, by_name
from euclid_resolved.models._columns import Columns
from euclid_resolved.models._outliers import NEIGHBOURS, LocalOutliers

__all__ = ["Domain"]


FLAGGED = 0.01  # of the pixels of galaxies like those of the training set
REFERENCES = 4096  # training pixels that are kept
_FURTHEST = 1000.0  # dex: no surface brightness is further from 1 MJy/sr
NOISE_MARGIN = 1.1
QUIET_SN = 10.0  # what counts as free of noise, for a model trained without


@dataclass(frozen=True, eq=False)
class Domain:
    """The brightness, colours and noise that a training set covered.

    A pixel is outside where a band or colour leaves the range of the training set, or where training pixels
    were much sparser than among their own kind: the distance to the 20th nearest of a few thousand training
    pixels, over the same distance for those neighbours (the local outlier factor of Breunig et al. 2000), in
    logarithmic brightness scaled to unit covariance. Its limit is such that of the pixels of galaxies that
    were left out, 1 % exceed it.

    Attributes
    ----------
    columns : tuple of str
        Bands and colours.
    scale : `~euclid_resolved.features.Scale`
        Their smallest and largest value in the training set, dex and mag.
    reference : `~numpy.ndarray` or None
        float32, shape (n, bands): log10 of surface brightness in MJy/sr of some training pixels.
    limit : float
        The largest ratio of distances that is inside.
    noise : `~numpy.ndarray` or None
        The largest one sigma of the training set by band, MJy/sr; zero where it was free of noise or its
        noise is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies, estimator=LinearRegression())
    >>> light = {band: galaxies[0].image.brightness(band)[0, :2].copy() for band in model.bands}
    >>> light["IE"][1] *= 100  # bluer than anything in the training set
    >>> model.domain.outside(light)
    array([False,  True])
    """

    columns: tuple[str, ...]
    scale: Scale
    reference: np.ndarray | None = None
    limit: float = np.inf
    noise: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        brightness: Mapping[str, np.ndarray],
        noise: Mapping[str, np.ndarray] | None = None,
        groups: np.ndarray | None = None,
        counts: Sequence[int] | np.ndarray | None = None,
    ) -> Domain:
        """The domain of pixels.

        Parameters
        ----------
        brightness : mapping of str to array_like
            Surface brightness by band, finite and positive; in MJy/sr where it has no unit.
        noise : mapping of str to array_like, optional
            One sigma by band; in MJy/sr where it has no unit.
        groups : `~numpy.ndarray` of int, optional
            Which galaxy a pixel belongs to; the limit comes from galaxies that were left out in turn.
        counts : sequence of int, optional
            How many pixels in a row each of `groups` stands for; one without it.

        Returns
        -------
        domain : `Domain`
        """
        brightness, noise = (
            given if isinstance(given, Columns) else Columns({} if given is None else brightness_of(given))
            for given in (brightness, noise)
        )
        n, low, high = brightness.n_rows, np.array(np.inf), np.array(-np.inf)
        for _, piece in brightness.pieces():
            table = make_features(piece, ("bands", "colours"))
            low, high = np.minimum(low, table.values.min(axis=0)), np.maximum(high, table.values.max(axis=0))
        box = Scale(low, high)
        unknown = np.zeros(1)
        most = [
            [np.fmax.reduce(piece.get(band, unknown), initial=0) for band in brightness]
            for _, piece in noise.pieces()
        ]
        largest = np.max(most, axis=0) if most else np.zeros(len(brightness))
        rng = np.random.default_rng(0)
        if n <= 10 * NEIGHBOURS:
            return cls(table.columns, box, noise=largest)
        reference = _dex(brightness, _some(rng, n, REFERENCES))
        groups = rng.integers(3, size=n) if groups is None else np.asarray(groups)
        counts = np.ones(len(groups), np.int64) if counts is None else np.asarray(counts)
        limit = _limit(rng, brightness, groups, counts)
        return cls(table.columns, box, reference, limit, largest)

    def __repr__(self) -> str:
        kept = 0 if self.reference is None else len(self.reference)
        limit = f"limit {self.limit:.3g}" if np.isfinite(self.limit) else "no limit"
        return f"<Domain of {', '.join(self.columns)}; {kept} reference pixels; {limit}>"

    def check(self, bands: tuple[str, ...]) -> None:
        """Refuse what a file may hold and no training set gives.

        Parameters
        ----------
        bands : tuple of str
            The model's.

        Raises
        ------
        InputError
            If an array has the wrong shape or type, is too large, or holds what is not finite.
        """
        reference, noise, n_bands = self.reference, self.noise, len(bands)
        if reference is not None:
            shape, kind = np.shape(reference), np.asarray(reference).dtype.kind
            if len(shape) != 2 or shape[1] != n_bands or kind != "f" or self.columns[:n_bands] != bands:
                raise InputError("the domain's reference pixels do not fit the model's bands")
            if not NEIGHBOURS < shape[0] <= 4 * REFERENCES or not (np.abs(reference) < _FURTHEST).all():
                raise InputError("the domain's reference pixels are too few, too many or no brightness")
        if noise is not None:
            if np.shape(noise) != (n_bands,) or not (np.isfinite(noise) & (np.asarray(noise) >= 0)).all():
                raise InputError("the domain's noise does not fit the model's bands")
        if not self.limit > 0:
            raise InputError(f"the domain's limit must be positive, got {self.limit}")

    def outside(
        self,
        brightness: Mapping[str, np.ndarray],
        noise: Mapping[str, np.ndarray] | None = None,
        *,
        some: bool = False,
    ) -> np.ndarray:
        """Which pixels lie outside.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            Surface brightness by band, positive; in MJy/sr where it has no unit.
        noise : mapping of str to array_like, optional
            One sigma by band. Noisier than anything in training is outside; where training was free of
            noise, so is a signal-to-noise below 10.
        some : bool, optional
            Judge a pixel that lacks bands by the others, with the same limit.

        Returns
        -------
        outside : `~numpy.ndarray` of bool
            True as well where a band is masked or NaN (with `some`, all bands): nothing in training was.
        """
        there = by_name(brightness, "a domain is asked", "arrays by band")
        bands = [name for name in self.columns if name in there]
        light = {band: np.ravel(values) for band, values in brightness_of(brightness, bands).items()}
        if noise is None or (isinstance(noise, Mapping) and not noise):
            noise = {}
        else:
            told = by_name(noise, "noise is taken", "arrays by band")
            noise = brightness_of(told, [band for band in bands if band in told])
            noise = {band: np.ravel(values) for band, values in noise.items()}
        missing = sets_of_bands(light)
        if not missing.any():
            return self._outside(light, noise)
        outside = np.ones(len(missing), bool)
        for there, rows in by_set(missing, tuple(light)):
            if some or len(there) == len(light):
                own, sigma = (
                    {band: each[band][rows] for band in there if band in each} for each in (light, noise)
                )
                outside[rows] = self._outside(own, sigma, some)
        return outside

    def _outside(self, brightness, noise, some=False):
        sets, columns = ("bands", "colours"), self.columns
        if some:
            possible = feature_columns(tuple(brightness), sets)
            columns = tuple(column for column in columns if column in possible)
        values = make_features(brightness, sets, columns=columns).values
        mine = [self.columns.index(column) for column in columns]
        outside = np.zeros(len(values), bool)
        for i, column in zip(mine, values.T, strict=True):
            outside |= (column < self.scale.minimum[i]) | (column > self.scale.maximum[i])
        if self.noise is not None and noise:
            for band, light in brightness.items():
                if band not in noise:
                    continue
                largest = self.noise[self.columns.index(band)]
                most = largest * NOISE_MARGIN if largest > 0 else light / QUIET_SN
                # Noise that is not known (NaN) is not less than what the training set had.
                outside |= ~(noise[band] <= most)
        inside = np.flatnonzero(~outside)
        if self.reference is not None and len(inside):
            which = tuple(self.columns.index(band) for band in brightness)
            outside[inside] = self._outliers_in(which).beyond(values[inside, : len(brightness)], self.limit)
        return outside

    @cached_property
    def _outliers(self):
        return LocalOutliers(self.reference)

    @cached_property
    def _outliers_by_bands(self):
        return {}

    def _outliers_in(self, which):
        """What knows the local outlier factor in some of the bands, by their numbers."""
        if self.reference is None or len(which) == self.reference.shape[1]:
            return self._outliers
        known = self._outliers_by_bands
        if which not in known:
            known[which] = LocalOutliers(self.reference[:, list(which)])
        return known[which]

    def score(self, dex: np.ndarray) -> np.ndarray:
        """How much sparser training pixels are around a pixel than around its neighbours.

        Parameters
        ----------
        dex : `~numpy.ndarray`
            Shape (m, bands): log10 of surface brightness in MJy/sr.

        Returns
        -------
        score : `~numpy.ndarray`
            About 1 amid training pixels; 0 for a pixel that is one of the reference.
        """
        return self._outliers(dex)


def _dex(brightness, rows):
    """log10 of the brightness of some pixels, shape (rows, bands)."""
    return make_features(brightness.take(rows), ("bands",)).values


def _some(rng, n, most):
    """Some of n pixels, ascending."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _limit(rng, brightness, groups, counts):
    """The score that `FLAGGED` of the pixels exceed when their galaxy is left out."""
    groups, counts = groups[counts > 0], counts[counts > 0]
    present, number = np.unique(groups, return_inverse=True)
    if len(present) < 3:
        number = rng.integers(3, size=brightness.n_rows)
        counts, present = np.ones(len(number), np.int64), np.arange(3)
    fold = (rng.permutation(len(present)) % 3)[number]
    first = np.cumsum(counts) - counts
    scores, weights = [], []
    for i in range(3):
        n_own, n_others = (int(counts[part].sum()) for part in (fold == i, fold != i))
        if n_others <= NEIGHBOURS or not n_own:
            continue
        own = np.sort(rng.choice(n_own, min(n_own, 2 * REFERENCES), replace=False))
        own = _rows(own, first[fold == i], counts[fold == i])
        others = _rows(_some(rng, n_others, REFERENCES), first[fold != i], counts[fold != i])
        scores.append(LocalOutliers(_dex(brightness, others))(_dex(brightness, own)))
        # A galaxy counts once, however many pixels it has.
        galaxy = number[np.searchsorted(first, own, side="right") - 1]
        weights.append(1 / np.bincount(galaxy, minlength=len(present))[galaxy])
    scores, weights = np.concatenate(scores), np.concatenate(weights)
    order = np.argsort(scores)
    at = np.searchsorted(np.cumsum(weights[order]), (1 - FLAGGED) * weights.sum())
    return float(scores[order][min(at, len(scores) - 1)])


def _rows(rank, first, counts):
    """The pixels of given rank among those of some galaxies, which have `counts` pixels each from `first`."""
    before = np.cumsum(counts) - counts
    run = np.searchsorted(before, rank, side="right") - 1
    return first[run] + rank - before[run]

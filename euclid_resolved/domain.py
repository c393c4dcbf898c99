"""What a training set covered: estimates outside it are extrapolations."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features import make_features
from euclid_resolved.scale import Scale

__all__ = ["Domain"]

FLAGGED = 0.01  # of the pixels of galaxies like those of the training set
REFERENCES = 4096  # training pixels that are kept
NEIGHBOURS = 20
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
    scale : `~euclid_resolved.scale.Scale`
        Their smallest and largest value in the training set, dex and mag.
    reference : `~numpy.ndarray` or None
        float32, shape (n, bands): log10 of surface brightness in MJy/sr of some training pixels.
    limit : float
        The largest ratio of distances that is inside.
    noise : `~numpy.ndarray` or None
        The largest one sigma of the training set by band, MJy/sr; zero where it was free of noise or its
        noise is not known.
    """

    columns: tuple
    scale: Scale
    reference: np.ndarray | None = None
    limit: float = np.inf
    noise: np.ndarray | None = None

    @classmethod
    def of(cls, brightness, noise=None, groups=None):
        """The domain of pixels.

        Parameters
        ----------
        brightness : dict of str to `~numpy.ndarray`
            Surface brightness in MJy/sr by band.
        noise : dict of str to `~numpy.ndarray`, optional
            One sigma by band, MJy/sr.
        groups : `~numpy.ndarray` of int, optional
            Which galaxy a pixel belongs to; the limit comes from galaxies that were left out in turn.

        Returns
        -------
        domain : `Domain`
        """
        table = make_features(brightness, ("bands", "colours"))
        box = Scale(table.values.min(axis=0), table.values.max(axis=0))
        largest = np.array([np.max(noise[band], initial=0) if noise else 0.0 for band in brightness])
        dex = np.ascontiguousarray(table.values[:, : len(brightness)])
        rng = np.random.default_rng(0)
        if len(dex) <= 10 * NEIGHBOURS:
            return cls(table.columns, box, noise=largest)
        kept = cls(table.columns, box, _some(rng, dex, REFERENCES), noise=largest)
        groups = rng.integers(3, size=len(dex)) if groups is None else groups
        object.__setattr__(kept, "limit", _limit(rng, dex, groups))
        return kept

    def check(self, bands):
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
            if not NEIGHBOURS < shape[0] <= 4 * REFERENCES or not np.isfinite(reference).all():
                raise InputError("the domain's reference pixels are too few, too many or not finite")
        if noise is not None:
            if np.shape(noise) != (n_bands,) or not (np.isfinite(noise) & (np.asarray(noise) >= 0)).all():
                raise InputError("the domain's noise does not fit the model's bands")
        if not self.limit > 0:
            raise InputError(f"the domain's limit must be positive, got {self.limit}")

    def outside(self, brightness, noise=None):
        """Which pixels lie outside.

        Parameters
        ----------
        brightness : dict of str to `~numpy.ndarray`
            Surface brightness in MJy/sr by band, finite and positive.
        noise : dict of str to `~numpy.ndarray`, optional
            One sigma by band in MJy/sr. Noisier than anything in training is outside; where training was free
            of noise, so is a signal-to-noise below 10.

        Returns
        -------
        outside : `~numpy.ndarray` of bool
        """
        values = make_features(brightness, ("bands", "colours"), columns=self.columns).values
        outside = ((values < self.scale.minimum) | (values > self.scale.maximum)).any(axis=1)
        if self.noise is not None and noise:
            for (band, light), largest in zip(brightness.items(), self.noise, strict=True):
                most = largest * NOISE_MARGIN if largest > 0 else light / QUIET_SN
                outside |= noise[band] > most
        if self.reference is not None and len(values):
            outside |= self.score(values[:, : len(brightness)]) > self.limit
        return outside

    @cached_property
    def _outliers(self):
        return _LocalOutliers(self.reference)

    def score(self, dex):
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


class _LocalOutliers:
    """The local outlier factor of pixels, with respect to reference pixels."""

    def __init__(self, reference):
        from scipy.spatial import KDTree

        reference = reference.astype(np.float64)
        self.centre = reference.mean(axis=0)
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(reference.T)))
        # Bands that do not vary, or vary as one, must not divide by zero.
        self.transform = vectors / np.sqrt(np.maximum(values, max(1e-8 * values[-1], 1e-12)))
        whitened = (reference - self.centre) @ self.transform
        self.tree = KDTree(whitened)
        # The nearest neighbour of a reference pixel is itself.
        spacing = self.tree.query(whitened, k=NEIGHBOURS + 1)[0][:, -1]
        self.spacing = np.maximum(spacing, 1e-9)

    def __call__(self, dex):
        distance, which = self.tree.query((dex - self.centre) @ self.transform, k=NEIGHBOURS)
        ratio = distance[:, -1] / self.spacing[which].mean(axis=1)
        return np.where(distance[:, 0] < 1e-5, 0.0, ratio)


def _some(rng, values, n):
    if len(values) <= n:
        return values
    return values[np.sort(rng.choice(len(values), n, replace=False))]


def _limit(rng, dex, groups):
    """The score that `FLAGGED` of the pixels exceed when their galaxy is left out."""
    present, number = np.unique(groups, return_inverse=True)
    if len(present) < 3:
        number = rng.integers(3, size=len(dex))
        present = np.arange(3)
    fold = (rng.permutation(len(present)) % 3)[number]
    scores, weights = [], []
    for i in range(3):
        others, own = dex[fold != i], np.flatnonzero(fold == i)
        if len(others) <= NEIGHBOURS or not len(own):
            continue
        own = np.sort(rng.choice(own, min(len(own), 2 * REFERENCES), replace=False))
        scores.append(_LocalOutliers(_some(rng, others, REFERENCES))(dex[own]))
        # A galaxy counts once, however many pixels it has.
        weights.append(1 / np.bincount(number[own], minlength=len(present))[number[own]])
    scores, weights = np.concatenate(scores), np.concatenate(weights)
    order = np.argsort(scores)
    at = np.searchsorted(np.cumsum(weights[order]), (1 - FLAGGED) * weights.sum())
    return float(scores[order][min(at, len(scores) - 1)])

"""The local outlier factor: how much sparser reference pixels are around a pixel than near its neighbours."""

from __future__ import annotations

from functools import cached_property

import numpy as np

NEIGHBOURS = 20
_LEAF = 16  # reference pixels in a leaf of the tree: fastest for 20 neighbours
_CELL = 0.3  # standard deviations: fewer cells cost less, and smaller ones prove more at once
_MANY = 20_000  # pixels, from which on compiled code pays


class LocalOutliers:
    """The local outlier factor of pixels (Breunig et al. 2000), with respect to reference pixels.

    Parameters
    ----------
    reference : `~numpy.ndarray`
        Shape (m, bands): log10 of surface brightness of more than `NEIGHBOURS` pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._outliers import LocalOutliers
    >>> reference = np.random.default_rng(1).normal(size=(1000, 2))
    >>> outliers = LocalOutliers(reference)
    >>> np.round(outliers(np.array([[0.1, 0.2], [5.0, 5.0]])))
    array([1., 5.])
    """

    def __init__(self, reference: np.ndarray) -> None:
        from scipy.spatial import KDTree

        reference = reference.astype(np.float64)
        self.centre = reference.mean(axis=0)
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(reference.T)))
        # Bands that do not vary, or vary as one, must not divide by zero.
        self.transform = vectors / np.sqrt(np.maximum(values, max(1e-8 * values[-1], 1e-12)))
        self.reference = self._whitened(reference)
        self.tree = KDTree(self.reference, leafsize=_LEAF)
        # The nearest neighbour of a reference pixel is itself.
        spacing = self.tree.query(self.reference, k=NEIGHBOURS + 1)[0][:, -1]
        self.spacing = np.maximum(spacing, 1e-9)

    def _whitened(self, dex):
        # Column by column: the last bit of a matrix product depends on where in it a row stands.
        columns = [dex[:, j] - centre for j, centre in enumerate(self.centre)]
        white, part = np.empty((self.transform.shape[1], len(dex))), np.empty(len(dex))
        for total, factors in zip(white, self.transform.T, strict=True):
            np.multiply(columns[0], factors[0], out=total)
            for column, factor in zip(columns[1:], factors[1:], strict=True):
                total += np.multiply(column, factor, out=part)
        return np.ascontiguousarray(white.T)

    def __call__(self, dex: np.ndarray) -> np.ndarray:
        """The factor, shape (n,), of pixels, shape (n, bands); 0 for one that is of the reference."""
        return self._score(self._whitened(dex))

    def _score(self, whitened):
        order = np.lexsort(_cells(whitened))
        distance, which = self.tree.query(whitened[order], k=NEIGHBOURS, workers=-1)
        ratio = distance[:, -1] / self.spacing[which].mean(axis=1)
        score = np.empty(len(whitened))
        score[order] = np.where(distance[:, 0] < 1e-5, 0.0, ratio)
        return score

    def beyond(self, dex: np.ndarray, limit: float) -> np.ndarray:
        """Which pixels have a factor above a limit; many are told without that of each.

        Parameters
        ----------
        dex : `~numpy.ndarray`
            Shape (n, bands).
        limit : float
            Positive.

        Returns
        -------
        beyond : `~numpy.ndarray` of bool
            Shape (n,): what a comparison of the factors themselves gives.
        """
        whitened = self._whitened(dex)
        compiled = _compiled() if len(dex) >= _MANY else None
        if compiled is None:
            return self._score(whitened) > limit
        cells = _cells(whitened)
        order, known = np.lexsort(cells), np.zeros(len(dex), np.int8)
        # Neighbours follow each other: they need the same part of the reference pixels.
        together = np.take(whitened, order, axis=0)
        compiled.crowded(together, _starts(cells, order), *self._blocks, NEIGHBOURS, float(limit), known)
        beyond = np.empty(len(dex), bool)
        beyond[order] = known == compiled.OUTSIDE
        undecided = order[known == 0]
        if len(undecided):
            beyond[undecided] = self._score(whitened[undecided]) > limit
        return beyond

    @cached_property
    def _blocks(self):
        """What `crowded` has to know of the reference pixels: neighbours together, and their boxes."""
        from euclid_resolved.models._crowded import BLOCK

        order = self.tree.indices
        columns, spacing = self.reference[order].T, self.spacing[order]
        starts = np.arange(0, len(order), BLOCK)
        low, high = (extreme.reduceat(columns, starts, axis=1) for extreme in (np.minimum, np.maximum))
        points = np.full((len(columns), len(starts) * BLOCK), np.inf)
        points[:, : len(order)] = columns
        points = np.ascontiguousarray(points.reshape(-1, len(starts), BLOCK).swapaxes(0, 1))
        return points, np.pad(spacing, (0, points[:, 0].size - len(order)), mode="edge"), low, high


def _compiled():
    """The compiled search, or None without Numba: maps are made without it, too."""
    try:
        from euclid_resolved.models import _crowded
    except ImportError:
        return None
    return _crowded


def _cells(whitened):
    """The cell of each pixel, shape (bands, n)."""
    return np.clip(np.floor(whitened.T / _CELL), -127, 127).astype(np.int8)


def _starts(cells, order):
    """Where in an order another cell begins, and its end."""
    other = np.zeros(len(order) - 1, bool)
    for numbers in cells:
        sorted_numbers = numbers[order]
        other |= sorted_numbers[1:] != sorted_numbers[:-1]
    return np.concatenate([[0], np.flatnonzero(other) + 1, [len(order)]])

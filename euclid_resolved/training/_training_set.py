"""Training pixels as an estimator learns from them: scaled, in random order, in one array."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features._scale import Scale, to_dex
from euclid_resolved.features._sets import check_pixel_by_pixel, make_features
from euclid_resolved.training._groups import group_numbers

if TYPE_CHECKING:
    from euclid_resolved.training._sample import Pixels

_BLOCK = 1 << 17  # rows that are scaled at a time
_TRIED = 512  # pixels on which features are tried for whether they look at other pixels


class TrainingSet:
    """The scaled features of training pixels, those set aside for validation first.

    They are filled in piece by piece, so that this array is the only one with a number for each pixel and
    column: 4 bytes for each of those, and 4 for the pixel's place. Pixels with a feature that is not finite
    are left out.

    Parameters
    ----------
    pixels : `~euclid_resolved.training.Pixels`
    bands, features, columns : sequence of str
        What to make the features of, and which.
    fraction : float
        Of the pixels to set aside.
    seed : int
        Of the order.

    Attributes
    ----------
    X : `~numpy.ndarray`
        float32, shape (n, k): within [0, 1] for all but the pixels set aside.
    n_held : int
        How many are set aside: ``X[:n_held]``.
    scale : `~euclid_resolved.features.Scale`
        The range of the features of the others, dex and mag.

    Examples
    --------
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training._training_set import TrainingSet
    >>> pixels = extract(example_galaxies(2), ("stellar_age",))
    >>> made = TrainingSet(pixels, ("IE", "HE"), ("bands",), ("IE", "HE"), 0.2, 1)
    >>> made.X.shape, made.n_held
    ((512, 2), 102)
    >>> float(made.X[made.n_held :].min()), float(made.X[made.n_held :].max())
    (0.0, 1.0)
    """

    def __init__(
        self,
        pixels: Pixels,
        bands: Sequence[str],
        features: str | Sequence[str],
        columns: Sequence[str],
        fraction: float,
        seed: int,
    ) -> None:
        n, brightness = len(pixels), pixels.brightness.select(bands)
        few = brightness.take(np.unique(np.linspace(0, n - 1, min(n, _TRIED)).astype(np.int64)))
        check_pixel_by_pixel(few, features)
        self._pixels, self.n_held = pixels, int(fraction * n)
        # What permutation(n) gives, in half the memory.
        order = np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
        np.random.default_rng(seed).shuffle(order)
        self._place = np.empty_like(order)
        self._place[order] = np.arange(n, dtype=order.dtype)
        del order
        self.X = np.empty((n, len(columns)), np.float32)
        beside = [column for column in columns if column in pixels.around]
        for start, piece, around in pixels.pieces(bands, beside):
            values = make_features(piece, features, columns=columns, around=around).values
            self.X[self._place[start : start + len(values)]] = values
        self._kept: np.ndarray | None = None
        self._leave_out(columns)
        self.scale = Scale.of(self.X[self.n_held :], columns)
        _scale(self.X, self.scale)

    def _leave_out(self, columns):
        """Leave out pixels with a feature that is not finite."""
        finite = np.isfinite(self.X)
        kept = finite.all(axis=1)
        if kept.all():
            return
        worst = int(np.argmin(finite.sum(axis=0)))
        lost = f"{columns[worst]} is not finite for {(~finite[:, worst]).sum()} of {len(kept)} pixels"
        if not kept[self.n_held :].any():
            raise InputError(f"no pixel to learn from has all its features: {lost}")
        message = f"{(~kept).sum()} pixels are not learned from: {lost}"
        warnings.warn(message, DataWarning, stacklevel=5)
        self.X, self._kept, self.n_held = self.X[kept], kept, int(kept[: self.n_held].sum())

    def _of_kept(self, values):
        return values if self._kept is None else values[self._kept]

    def brightness(self, bands: Sequence[str], start: int, stop: int) -> np.ndarray:
        """The surface brightness (MJy/sr) that some rows of `X` were made of.

        Parameters
        ----------
        bands : sequence of str
        start, stop : int
            The first row, and the one after the last.

        Returns
        -------
        brightness : `~numpy.ndarray`
            float32, shape (stop - start, bands).
        """
        places = np.arange(len(self._place)) if self._kept is None else np.flatnonzero(self._kept)
        places = places[start:stop]
        pixels = np.flatnonzero(np.isin(self._place, places))
        order = np.argsort(self._place[pixels])
        light = self._pixels.brightness.select(bands).take(pixels)
        return np.column_stack([np.asarray(light[band], np.float32)[order] for band in bands])

    def target(self, name: str) -> tuple[np.ndarray, Scale, np.ndarray]:
        """One property of the pixels, scaled, in the order of `X`.

        Parameters
        ----------
        name : str

        Returns
        -------
        y : `~numpy.ndarray`
            float32, shape (n,).
        scale : `~euclid_resolved.features.Scale`
            Its range in dex.
        held : `~numpy.ndarray`
            float32, shape (n_held,): the pixels set aside, in dex.
        """
        y = np.empty(len(self._place), np.float32)
        for start, piece in self._pixels.truth.select((name,)).pieces():
            with np.errstate(divide="ignore", invalid="ignore"):
                values = to_dex(piece[name])
            y[self._place[start : start + len(values)]] = values
        if not np.isfinite(y).all():
            raise InputError(f"{name}: the truth of every pixel must be finite, positive and not masked")
        y = self._of_kept(y)
        scale, held = Scale.of(y[self.n_held :], (name,)), y[: self.n_held].copy()
        _scale(y, scale)
        return y, scale, held

    def groups(self) -> np.ndarray:
        """Which group each pixel belongs to; in the order of `X`."""
        groups = np.empty(len(self._place), np.int32)
        groups[self._place] = np.repeat(group_numbers(self._pixels.groups), self._pixels.counts)
        return self._of_kept(groups)


def _scale(values, scale):
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        block[:] = scale.apply(block)

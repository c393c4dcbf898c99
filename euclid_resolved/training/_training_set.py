"""Training pixels as an estimator learns from them: scaled, in random order, in one array."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features._known import features_of_known
from euclid_resolved.features._scale import Scale, to_dex
from euclid_resolved.features._sets import check_pixel_by_pixel, make_features
from euclid_resolved.maps._properties import get_property
from euclid_resolved.training._blanking import blank
from euclid_resolved.training._groups import group_numbers

if TYPE_CHECKING:
    from euclid_resolved.training._blanking import Blanking
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
        Of the order, and of the bands that copies lack.
    blanking : `~euclid_resolved.training._blanking.Blanking`, optional
        Learn from copies of every pixel as well that lack bands: NaN in the columns that need them.

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
        blanking: Blanking | None = None,
    ) -> None:
        n, brightness = len(pixels), pixels.brightness.select(bands)
        few = brightness.take(np.unique(np.linspace(0, n - 1, min(n, _TRIED)).astype(np.int64)))
        check_pixel_by_pixel(few, features)
        self._pixels, self._n_held = pixels, int(fraction * n)
        # What permutation(n) gives, in half the memory.
        order = np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
        np.random.default_rng(seed).shuffle(order)
        self._place = np.empty_like(order)
        self._place[order] = np.arange(n, dtype=order.dtype)
        del order
        self.blanking = blanking
        self._missing = np.empty((0, n), np.int64) if blanking is None else blanking.draw(n, seed)
        self._copies = 1 + len(self._missing)
        self.n_held = self._n_held * self._copies
        self.X = np.empty((n * self._copies, len(columns)), np.float32)
        beside = [column for column in columns if column in pixels.around]
        for start, piece, around in pixels.pieces(bands, beside):
            values = make_features(piece, features, columns=columns, around=around).values
            rows = slice(start, start + len(values))
            self.X[self._row(self._place[rows], 0)] = values
            for copy, missing in enumerate(self._missing, 1):
                light = blank(piece, missing[rows])
                self.X[self._row(self._place[rows], copy)] = features_of_known(light, features, columns)
        self._kept: np.ndarray | None = None
        self._leave_out(columns)
        # Pixels with all their bands have every column.
        whole = (
            self.X[self.n_held :] if blanking is None else self.X[self.n_held :][self._whole()[self.n_held :]]
        )
        self.scale = Scale.of(whole, columns)
        _scale(self.X, self.scale)

    def _row(self, place, copy):
        """Where pixels stand in `X`: those set aside with all their copies, then the others."""
        held, n = self._n_held, len(self._place)
        fit = held * self._copies + copy * (n - held) + place - held
        return np.where(place < held, copy * held + place, fit)

    def _whole(self):
        """Which rows have all their bands."""
        return np.isfinite(self.X).all(axis=1)

    def _leave_out(self, columns):
        """Leave out pixels with a feature that is not finite."""
        finite = np.isfinite(self.X) if self.blanking is None else ~np.isinf(self.X)
        kept = finite.all(axis=1)
        if self.blanking is not None:  # what features do not make of all bands is no missing band
            whole = self._row(np.arange(len(self._place)), 0)
            finite[whole] = np.isfinite(self.X[whole])
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

    def golden(self, n: int) -> np.ndarray:
        """The numbers of the first rows to learn from; half of them lack bands, where pixels may.

        Parameters
        ----------
        n : int

        Returns
        -------
        rows : `~numpy.ndarray` of int
        """
        rows = np.arange(self.n_held, len(self.X))
        if self.blanking is None:
            return rows[:n]
        whole = self._whole()[self.n_held :]
        return np.concatenate([rows[whole][: n - n // 2], rows[~whole][: n // 2]])

    def brightness(self, bands: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """The surface brightness (MJy/sr) that some rows of `X` were made of.

        Parameters
        ----------
        bands : sequence of str
        rows : `~numpy.ndarray` of int

        Returns
        -------
        brightness : `~numpy.ndarray`
            float32, shape (rows, bands); NaN where a band is missing.
        """
        rows = rows if self._kept is None else np.flatnonzero(self._kept)[rows]
        pixel, copy = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        for number in range(self._copies):
            at = self._row(self._place, number)
            own = np.flatnonzero(np.isin(at, rows))
            which = np.argsort(rows)[np.searchsorted(np.sort(rows), at[own])]
            pixel[which], copy[which] = own, number
        order = np.argsort(pixel, kind="stable")
        light = self._pixels.brightness.select(bands).take(pixel[order])
        found = np.empty((len(rows), len(bands)), np.float32)
        for i, band in enumerate(bands):
            found[order, i] = light[band]
            if self.blanking is not None:
                lost = (copy > 0) & (
                    self._missing[copy - 1, pixel] >> self.blanking.bands.index(band) & 1 > 0
                )
                found[lost, i] = np.nan
        return found

    def target(self, name: str) -> tuple[np.ndarray, Scale, np.ndarray]:
        """One property of the pixels, scaled, in the order of `X`.

        Parameters
        ----------
        name : str

        Returns
        -------
        y : `~numpy.ndarray`
            float32, shape (n,). NaN where a pixel has none of a property that it may lack.
        scale : `~euclid_resolved.features.Scale`
            Its range in dex.
        held : `~numpy.ndarray`
            float32, shape (n_held,): the pixels set aside, in dex.
        """
        y = np.empty(len(self._place) * self._copies, np.float32)
        for start, piece in self._pixels.truth.select((name,)).pieces():
            with np.errstate(divide="ignore", invalid="ignore"):
                values = to_dex(piece[name])
            for copy in range(self._copies):
                y[self._row(self._place[start : start + len(values)], copy)] = values
        sparse = get_property(name).sparse
        if sparse:
            y[~np.isfinite(y)] = np.nan
        elif not np.isfinite(y).all():
            raise InputError(f"{name}: the truth of every pixel must be finite, positive and not masked")
        y = self._of_kept(y)
        known = y[self.n_held :]
        known = known[np.isfinite(known)] if sparse else known
        if not len(known):
            raise InputError(f"{name}: no pixel to learn from has any")
        scale, held = Scale.of(known, (name,)), y[: self.n_held].copy()
        _scale(y, scale)
        return y, scale, held

    def groups(self) -> np.ndarray:
        """Which group each pixel belongs to; in the order of `X`."""
        groups = np.empty(len(self._place) * self._copies, np.int32)
        for copy in range(self._copies):
            own = np.repeat(group_numbers(self._pixels.groups), self._pixels.counts)
            groups[self._row(self._place, copy)] = own
        return self._of_kept(groups)


def _scale(values, scale):
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        block[:] = scale.apply(block)

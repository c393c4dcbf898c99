"""Whether galaxies look like those of the training: their colours, how these change, how sharp they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._seeing import see
from euclid_resolved.models._clip import judge

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage

FIELD = 32  # pixels: the side of a field, and of the images of the default model's galaxies
FEWEST = 24  # pixels of a field that tell its statistics
ALARMS = 0.05  # of the fields of galaxies like those of the training set are called unlike
FEWEST_FIELDS = 60
_SMALL = 0.01  # dex: smaller scatter, local or not, is none


@dataclass(frozen=True, eq=False)
class Likeness:
    """What fields of galaxies of the training look like, and how unlike another one may be.

    A field is a square of 32 x 32 pixels; fields lie side by side from the first pixel of an image. What is
    known of one are a few statistics of its pixels (`statistics_of`). Their distance is that from the mean of
    the training fields in units of their covariance (Mahalanobis 1936).

    Attributes
    ----------
    centre : `~numpy.ndarray`
        Shape (k,): the mean of each statistic.
    transform : `~numpy.ndarray`
        Shape (k, k): the root of the inverse of their covariance.
    limit : float
        The distance that 5 % of training fields exceed when they are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._likeness import Likeness
    >>> fields = np.random.default_rng(1).normal(size=(2000, 3))
    >>> likeness = Likeness.of(fields)
    >>> print(f"{likeness.limit:.1f}, of three normal numbers {7.815 ** 0.5:.1f}")
    2.8, of three normal numbers 2.8
    >>> likeness.unlike(np.array([[0.0, 0.0, 0.0], [0.0, 4.0, 0.0]]))
    array([False,  True])
    """

    centre: np.ndarray
    transform: np.ndarray
    limit: float

    @classmethod
    def of(cls, statistics: np.ndarray) -> Likeness:
        """The likeness to some fields.

        Parameters
        ----------
        statistics : `~numpy.ndarray`
            Shape (fields, k), finite.

        Returns
        -------
        likeness : `Likeness`

        Raises
        ------
        InputError
            If there are fewer than 60 fields.
        """
        n = len(statistics)
        if n < FEWEST_FIELDS:
            raise InputError(f"what galaxies look like takes {FEWEST_FIELDS} fields with pixels, got {n}")
        distances = np.empty(n)
        for part in range(4):  # each quarter by the other three
            own = np.arange(n) % 4 == part
            distances[own] = _distance(statistics[own], *_fitted(statistics[~own]))
        at = min(int(np.ceil((1 - ALARMS) * (n + 1))), n) - 1
        return cls(*_fitted(statistics), float(np.sort(distances)[at]))

    def unlike(self, statistics: np.ndarray) -> np.ndarray:
        """Which fields are further from those of the training than the limit.

        Parameters
        ----------
        statistics : `~numpy.ndarray`
            Shape (fields, k); NaN where they are not known.

        Returns
        -------
        unlike : `~numpy.ndarray` of bool
            Shape (fields,); False where the statistics are not known.
        """
        return _distance(statistics, self.centre, self.transform) > self.limit

    def outside(
        self,
        brightness: Mapping[str, np.ndarray],
        noise: Mapping[str, np.ndarray],
        good: np.ndarray,
        first_row: int = 0,
    ) -> np.ndarray:
        """Which pixels of an image lie in a field that is unlike, shape of `good`; see `statistics_of`."""
        statistics, field = statistics_of(brightness, noise, good, first_row)
        return self.unlike(statistics)[field]

    def to_tree(self) -> dict[str, Any]:
        """It as a dict of arrays."""
        return {"centre": self.centre, "transform": self.transform, "limit": self.limit}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], bands: Sequence[str]) -> Likeness:
        """What `to_tree` gave; nothing in it is trusted.

        Raises
        ------
        InputError
            If the arrays do not fit the bands or each other, or hold what is not finite.
        """
        centre, transform = (np.asarray(tree[name], np.float64) for name in ("centre", "transform"))
        limit, k = float(tree["limit"]), _number_of(len(bands))
        if centre.shape != (k,) or transform.shape != (k, k):
            raise InputError("what training galaxies look like does not fit the model's bands")
        if not (np.isfinite(centre).all() and np.isfinite(transform).all() and 0 < limit < np.inf):
            raise InputError("what training galaxies look like is not finite, or has no limit")
        return cls(centre, transform, limit)


def _fitted(statistics):
    """The mean of statistics, and the root of the inverse of their covariance."""
    centre = statistics.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(statistics.T)))
    return centre, vectors / np.sqrt(np.maximum(values, max(1e-8 * values[-1], 1e-12)))


def _distance(statistics, centre, transform):
    # Column by column: the last bit of a matrix product depends on where in it a row stands.
    white = sum(column[:, None] * row for column, row in zip((statistics - centre).T, transform, strict=True))
    return np.sqrt((white**2).sum(axis=1))


def _number_of(n_bands):
    """How many statistics a field has."""
    return 4 + (n_bands - 1) + (4 if n_bands > 1 else 0)


def statistics_of(
    brightness: Mapping[str, np.ndarray],
    noise: Mapping[str, np.ndarray],
    good: np.ndarray,
    first_row: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """What the fields of an image look like.

    The mean of log10 of the brightness of the last band and of every colour, the noise of the first band;
    the slope of the first colour with brightness and its scatter; for the first band, and for its colour with
    the last, how much neighbouring pixels differ, and how much a pixel differs from the mean of two opposite
    neighbours. The last tell how sharp an image is. All are in dex, scatter and differences without what the
    noise adds, and as logarithms.

    Parameters
    ----------
    brightness, noise : mapping of str to `~numpy.ndarray`
        Planes by band, MJy/sr; noise may lack bands, which then have none.
    good : `~numpy.ndarray` of bool
        Where pixels are known in every band.
    first_row : int, optional
        The number of the first row in the image that this one is a part of: fields begin at its multiples
        of 32.

    Returns
    -------
    statistics : `~numpy.ndarray`
        Shape (fields, k); NaN for fields with fewer than 24 pixels.
    field : `~numpy.ndarray` of int
        The number of the field of every pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._likeness import statistics_of
    >>> y, x = np.mgrid[:32, :40]
    >>> light = {"IE": 10 ** (0.01 * x), "HE": 10 ** (0.01 * x + 0.3)}
    >>> statistics, field = statistics_of(light, {}, np.ones((32, 40), bool))
    >>> print(statistics.shape, f"{statistics[0, 1]:.2f} dex in colour")
    (2, 9) -0.30 dex in colour
    """
    rows, columns = good.shape
    down = (first_row + np.arange(rows)) // FIELD - first_row // FIELD
    across = -(-columns // FIELD)
    field = (down[:, None] * across + np.arange(columns) // FIELD).astype(np.int32)
    sums = _Sums(field, int(down[-1] + 1) * across)
    dex, variance = [], []
    for band, light in brightness.items():
        usable = np.where(good, light, np.float32(1))
        dex.append(np.log10(usable).astype(np.float64))
        sigma = np.where(good, noise.get(band, np.float32(0)), np.float32(0))
        variance.append((sigma / usable / np.log(10)).astype(np.float64) ** 2)
    first, last, own = dex[0], dex[-1], variance[0]
    many = len(dex) > 1
    mean, error = sums.mean(last, good), sums.mean(own, good)
    found = [mean, *(sums.mean(a - b, good) for a, b in zip(dex[:-1], dex[1:], strict=True))]
    found += [_log(error), *_local(sums, first, own, good)]
    if many:
        colour, both = first - dex[1], own + variance[1]
        aside, beside = colour - found[1][field], last - mean[field]
        found.append(sums.mean(aside * beside, good) / (sums.mean(beside**2, good) + _SMALL))
        found.append(_log(sums.mean(aside**2 - both, good)))
        found += _local(sums, first - last, own + variance[-1], good)
    statistics = np.stack(found, axis=1)
    statistics[np.bincount(field[good], minlength=sums.n) < FEWEST] = np.nan
    return statistics, field


class _Sums:
    """Means over the pixels of each field, in the order of the pixels whatever rows are there."""

    def __init__(self, field, n):
        self.field, self.n = field, n

    def mean(self, values, where, at=...):
        return self.mean_of([(values, where, at)])

    def mean_of(self, parts):
        """The mean of several planes, each of some pixels."""
        total, count = np.zeros(self.n), np.zeros(self.n)
        for values, where, at in parts:
            numbers = self.field[at][where]
            total += np.bincount(numbers, values[where], minlength=self.n)
            count += np.bincount(numbers, minlength=self.n)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / count


def _local(sums, plane, variance, good):
    """How much neighbours differ, and a pixel from the mean of two opposite ones; as logarithms."""
    pairs, triples = [], []
    before, middle, after, every = slice(None, -2), slice(1, -1), slice(2, None), slice(None)
    for a, b, c in (((every, before), (every, middle), (every, after)), ((before,), (middle,), (after,))):
        same = good[a] & good[b] & (sums.field[a] == sums.field[b])
        pairs.append(((plane[a] - plane[b]) ** 2 - variance[a] - variance[b], same, a))
        same = same & good[c] & (sums.field[a] == sums.field[c])
        bend = (plane[a] + plane[c]) / 2 - plane[b]
        triples.append((bend**2 - variance[b] - (variance[a] + variance[c]) / 4, same, a))
    return [_log(sums.mean_of(pairs)), _log(sums.mean_of(triples))]


def _log(square):
    """log10 of a root of a mean square, which noise may have made negative."""
    return np.log10(np.sqrt(np.maximum(square, 0)) + _SMALL)


def fields_of(image: MultiBandImage, bands: Sequence[str], features: Sequence[str]) -> np.ndarray:
    """The statistics of all fields of an image, as a model with these bands and features sees it.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    bands, features : sequence of str

    Returns
    -------
    statistics : `~numpy.ndarray`
        Shape (fields, k), of those that are known.
    """
    seen = see(image, bands, features)
    good = judge(image, bands, seen=seen) == 0
    statistics, _ = statistics_of({band: seen.brightness[band] for band in bands}, seen.own_noise, good)
    return statistics[np.isfinite(statistics).all(axis=1)]

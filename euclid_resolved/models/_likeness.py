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
        centre, transform = _fitted(statistics)
        return cls(centre, transform, float(np.sort(distances)[at]))

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
    top, across = first_row % FIELD, -(-columns // FIELD)
    down = (top + np.arange(rows)) // FIELD
    field = (down[:, None] * across + np.arange(columns) // FIELD).astype(np.int32)
    found = []
    for begin in range(-top, rows, FIELD):  # fields side by side: their planes stay in the processor's cache
        start, stop = max(begin, 0), min(begin + FIELD, rows)
        place = slice(start, stop), slice(start - begin, stop - begin)
        known = _side_by_side(good, good, place, across)
        some = _sum(known) >= FEWEST  # of most images these are few
        statistics = np.full((across, _number_of(len(brightness))), np.nan)
        if some.any():
            own, sigma = (
                {band: _side_by_side(plane, good, place, across)[:, some] for band, plane in planes.items()}
                for planes in (brightness, noise)
            )
            statistics[some] = _of_light(own, sigma, known[:, some])
        found.append(statistics)
    return np.concatenate(found), field


def _side_by_side(plane, good, place, across):
    """A row of fields, shape (32, fields, 32), 0 where a pixel is not known."""
    (at, to), columns = place, good.shape[1]
    # All rows of a field are there, whichever the image has: sums are the same to the last bit.
    whole = np.zeros((FIELD, across * FIELD), np.float32)
    whole[to, :columns] = np.where(good[at], plane[at], 0)
    return whole.reshape(FIELD, across, FIELD)


def _of_light(brightness, noise, known):
    """The statistics of fields side by side from their brightness and noise."""
    light = [np.where(known > 0, plane, 1) for plane in brightness.values()]
    relative = [
        noise[band] / (usable * np.float32(np.log(10))) if band in noise else np.zeros_like(usable)
        for band, usable in zip(brightness, light, strict=True)
    ]
    return _of_fields([np.log10(usable) for usable in light], [sigma * sigma for sigma in relative], known)


def _of_fields(dex, variance, known):
    """The statistics of fields side by side, planes of shape (32, fields, 32) that are 0 where not known."""
    first, last, own = dex[0], dex[-1], variance[0]
    pixels = _sum(known)

    def mean(values):
        return _over(_sum(values * known), pixels)

    light = mean(last)
    colours = [mean(a - b) for a, b in zip(dex[:-1], dex[1:], strict=True)]
    near = _neighbours(known)
    found = [light, *colours, _log(mean(own)), *_local(first, own, near)]
    if colours:
        aside = first - dex[1] - colours[0].astype(np.float32)[:, None]
        beside = last - light.astype(np.float32)[:, None]
        found.append(mean(aside * beside) / (mean(beside * beside) + _SMALL))
        found.append(_log(mean(aside * aside - own - variance[1])))
        found += _local(first - last, own + variance[-1], near)
    return np.stack(found, axis=1)


def _sum(values):
    """The sum over each of the fields side by side."""
    return values.sum(axis=2).sum(axis=0, dtype=np.float64)


def _over(total, count):
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count


_BEFORE, _AFTER, _EVERY = slice(None, -1), slice(1, None), slice(None)
_PAIRS = [((_EVERY, _EVERY, _BEFORE), (_EVERY, _EVERY, _AFTER)), ((_BEFORE,), (_AFTER,))]


def _neighbours(known):
    """Where two neighbours of a field are known, and three, along rows and columns; how many there are."""
    pairs = [known[a] * known[b] for a, b in _PAIRS]
    triples = [pair[a] * pair[b] for pair, (a, b) in zip(pairs, _PAIRS, strict=True)]
    return pairs, triples, sum(map(_sum, pairs)), sum(map(_sum, triples))


def _local(plane, variance, near):
    """How much neighbours differ, and a pixel from the mean of two opposite ones; as logarithms."""
    pairs, triples, n_pairs, n_triples = near
    apart, bent = 0.0, 0.0
    for two, three, (a, b) in zip(pairs, triples, _PAIRS, strict=True):
        step, both = plane[b] - plane[a], variance[a] + variance[b]
        apart += _sum((step * step - both) * two)
        bend = step[b] - step[a]  # twice a pixel's distance from the mean of the two
        bent += _sum((bend * bend - both[a] - both[b] - 2 * variance[b][a]) * three) / 4
    return [_log(_over(apart, n_pairs)), _log(_over(bent, n_triples))]


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

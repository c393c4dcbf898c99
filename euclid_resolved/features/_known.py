"""Features of pixels that lack bands: the columns that can be made of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._image_sets import image_sets
from euclid_resolved.features._sets import make_features

MOST_BANDS = 62  # sets of bands are the bits of one whole number


def sets_of_bands(brightness: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which bands each pixel lacks, as one number: its lowest bit stands for the first band.

    Parameters
    ----------
    brightness : mapping of str to `~numpy.ndarray`
        By band, shape (n,); NaN where it is missing.

    Returns
    -------
    missing : `~numpy.ndarray` of int64
        Shape (n,); 0 where all bands are there.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._known import sets_of_bands
    >>> sets_of_bands({"IE": np.array([1.0, np.nan]), "HE": np.array([np.nan, np.nan])})
    array([2, 3])
    """
    if len(brightness) > MOST_BANDS:
        raise InputError(f"of at most {MOST_BANDS} bands some may be missing, got {len(brightness)}")
    missing = np.zeros(np.size(next(iter(brightness.values()))), np.int64)
    for number, values in enumerate(brightness.values()):
        lacking = np.isnan(np.ravel(values))
        if lacking.any():
            missing |= lacking.astype(np.int64) << number
    return missing


def number_of(bands: Sequence[str], missing: Sequence[str]) -> int:
    """A set of missing bands as `sets_of_bands` gives it.

    Examples
    --------
    >>> from euclid_resolved.features._known import number_of
    >>> number_of(("IE", "YE", "HE"), ("IE", "HE"))
    5
    """
    return sum(1 << bands.index(band) for band in missing)


def sets_in(missing: np.ndarray) -> list[int]:
    """The sets of missing bands that there are, ascending.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._known import sets_in
    >>> sets_in(np.array([3, 0, 3]))
    [0, 3]
    """
    if missing.size and not missing.any():  # of most images
        return [0]
    return np.unique(missing).tolist()


def by_set(missing: np.ndarray, bands: Sequence[str]) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield the bands that are there, and the pixels that have just these; those with none are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._known import by_set
    >>> list(by_set(np.array([0, 2, 3]), ("IE", "HE")))
    [(('IE', 'HE'), array([0])), (('IE',), array([1]))]
    """
    for number in sets_in(missing):
        there = tuple(band for i, band in enumerate(bands) if not number >> i & 1)
        if there:
            yield there, np.flatnonzero(missing == number)


def features_of_known(
    brightness: Mapping[str, np.ndarray], features: Sequence[str], columns: Sequence[str]
) -> np.ndarray:
    """The features of pixels some of which lack bands.

    Sets of features are handed the bands that are there, and are never shown NaN: with fewer bands they make
    fewer columns.

    Parameters
    ----------
    brightness : mapping of str to `~numpy.ndarray`
        MJy/sr by band, shape (n,): positive, or NaN where the band is missing.
    features : sequence of str
        Sets of features; of those that look at surroundings no column is made.
    columns : sequence of str
        Which columns.

    Returns
    -------
    values : `~numpy.ndarray`
        float32, shape (n, k). NaN where a column needs a band that is missing; infinite where features have
        no value for other reasons.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._known import features_of_known
    >>> light = {"IE": np.array([1.0, np.nan]), "HE": np.array([10.0, 10.0])}
    >>> print(features_of_known(light, ("bands", "colours"), ("HE", "IE-HE")))
    [[1.  2.5]
     [1.  nan]]
    """
    light = {band: np.ravel(values) for band, values in brightness.items()}
    missing, of_images = sets_of_bands(light), image_sets(features)
    features = [name for name in features if name not in of_images]
    values = np.full((len(missing), len(columns)), np.nan, np.float32)
    for there, rows in by_set(missing, tuple(light)):
        where = slice(None) if len(rows) == len(missing) else rows
        made = make_features({band: light[band][where] for band in there}, features)
        place = {column: i for i, column in enumerate(made.columns)}
        for i, column in enumerate(columns):
            if column in place:
                known = made.values[:, place[column]]
                values[where, i] = np.where(np.isfinite(known), known, np.float32(np.inf))
    return values

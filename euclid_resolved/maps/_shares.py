"""Which share of a map's pixels has which flag: one count, for screen, figures, cards and headers."""

from __future__ import annotations

import numpy as np

from euclid_resolved.maps._spatial_map import Quality

FIRST = (
    Quality.NEIGHBOUR,
    Quality.SATURATED,
    Quality.TILE_GAP,
    Quality.PSF,
    Quality.RESAMPLED,
    Quality.UNBINNED,
    Quality.MASKED,
    Quality.NONFINITE,
    Quality.BELOW_CLIP,
    Quality.NONPOSITIVE,
    Quality.NOISE,
    Quality.NOT_ESTIMATED,
    Quality.OUT_OF_DOMAIN,
    Quality.FEW_NEIGHBOURS,
    Quality.UNMATCHED_PSF,
    Quality.MISSING_BAND,
    Quality.UNLIKE_TRAINING,
)
"""The order in which one flag is taken for all that a pixel has: why it is empty, then what is odd."""

_COUNTED = 2 * int(max(Quality))

SHARES = "of all pixels, each under the first of its flags:"
"""What is said above such shares."""


def first_flags(quality: np.ndarray) -> np.ndarray:
    """The first flag of every pixel, so that shares add up to all pixels.

    Parameters
    ----------
    quality : `~numpy.ndarray` of int
        The bits of `~euclid_resolved.Quality`.

    Returns
    -------
    number : `~numpy.ndarray` of int
        Its place in `FIRST`, from 1; 0 where there is no flag.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import Quality
    >>> from euclid_resolved.maps._shares import FIRST, first_flags
    >>> number = first_flags(np.array([0, Quality.NOISE | Quality.BELOW_CLIP]))
    >>> FIRST[number[1] - 1].name
    'BELOW_CLIP'
    """
    # Every combination of bits is a number, and there are few.
    values, inverse = np.unique(quality, return_inverse=True)
    first = np.zeros(len(values), int)
    for i, bit in reversed(list(enumerate(FIRST, 1))):
        first[(values & bit) != 0] = i
    return first[inverse].reshape(np.shape(quality))


def flag_counts(quality: np.ndarray) -> dict[str, int]:
    """How many pixels there are of each first flag.

    Parameters
    ----------
    quality : `~numpy.ndarray` of int

    Returns
    -------
    counts : dict of str to int
        By the flag's name, in the order of `FIRST`; flags of no pixel are left out. Together with the pixels
        without any flag they are all pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.maps._shares import flag_counts
    >>> flag_counts(np.array([[0, 1], [65, 8]]))
    {'MASKED': 2, 'BELOW_CLIP': 1}
    """
    values, counts = _values(np.asarray(quality))
    number = np.bincount(first_flags(values), counts, minlength=len(FIRST) + 1).astype(int)[1:]
    return {str(bit.name): int(n) for bit, n in zip(FIRST, number, strict=True) if n}


def _values(quality):
    """The values there are, and how often; counted, not sorted, where they are small enough."""
    if quality.size and 0 <= quality.min() <= quality.max() < _COUNTED:
        counts = np.bincount(quality.ravel().astype(np.intp))
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(quality, return_counts=True)

"""A clip from the statistics of the radiative transfer: above it, light is known well enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_positive
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LIMIT = 0.1
"""Relative error of a Monte Carlo result up to which it is called reliable in the manual of MCNP.

SKIRT's documentation of its statistics refers to that manual, and to Camps & Baes 2018 (ApJ). The paper does
not say its own limit.
"""

UNRELIABLE = 0.01
"""The fraction of pixels above the clip that may be unreliable (our choice)."""


def relative_error(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """The relative error of each pixel from the sums that SKIRT's statistics hold.

    Parameters
    ----------
    first, second : array_like
        The sums of the contributions of the photon packets and of their squares, ``stats1`` and ``stats2``.
        SKIRT scales them by a factor and its square, which does not matter here.

    Returns
    -------
    error : `~numpy.ndarray`
        R = sqrt(second / first^2); infinite where no packet arrived. The term -1 / N of all N packets that
        were launched is left out: it is many orders below R^2 in any pixel.

    Examples
    --------
    >>> from euclid_resolved.training._reliable import relative_error
    >>> print(relative_error([100.0, 4.0, 0.0], [100.0, 4.0, 0.0]))  # 100 packets alike, 4, and none
    [0.1 0.5 inf]
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape:
        raise InputError(f"sums of shape {first.shape} and {second.shape} are not of the same pixels")
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(second) / first
    return np.where(first > 0, error, np.inf)


def reliable_clip(
    brightness: ArrayLike, error: ArrayLike, limit: float = LIMIT, unreliable: float = UNRELIABLE
) -> float:
    """The surface brightness above which nearly all pixels are reliable.

    Parameters
    ----------
    brightness : array_like
        Of the pixels of one image or several, MJy/sr. Pixels without light do not count.
    error : array_like
        Relative error of each, same shape. One that is not finite is unreliable.
    limit : float, optional
        The largest relative error of a reliable pixel.
    unreliable : float, optional
        The fraction of the pixels above the clip that may be unreliable.

    Returns
    -------
    clip : float
        MJy/sr. Of the pixels brighter than this at most that fraction is unreliable, and there is no lower
        one; zero where this is so for all pixels.

    Raises
    ------
    InputError
        If the shapes differ, or even the brightest pixels are not reliable.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.training._reliable import reliable_clip
    >>> light = np.array([8.0, 4.0, 2.0, 1.0])
    >>> reliable_clip(light, 0.2 / light)  # 0.1 at a brightness of 2
    1.0
    """
    brightness, error = np.asarray(brightness, float), np.asarray(error, float)
    if brightness.shape != error.shape:
        raise InputError(
            f"an image of shape {brightness.shape} and relative errors of shape {error.shape} are not of "
            "the same "
            "pixels"
        )
    check_positive("limit", limit)
    if check_positive("unreliable", unreliable, zero=True) >= 1:
        raise InputError(f"unreliable is a fraction below 1, got {unreliable}")
    lit = np.isfinite(brightness) & (brightness > 0)
    light, bad = brightness[lit], ~(error[lit] <= limit)
    order = np.argsort(-light, kind="stable")
    light, bad = light[order], np.cumsum(bad[order])
    # Pixels of one brightness are kept together or not at all.
    last = np.flatnonzero(np.r_[light[1:] < light[:-1], True]) if len(light) else np.empty(0, int)
    good = last[bad[last] <= unreliable * (last + 1)]
    if not good.size:
        raise InputError(f"even the brightest pixels have relative errors above {limit:g}: there is no clip")
    stop = int(good[-1]) + 1
    return float(light[stop]) if stop < len(light) else 0.0

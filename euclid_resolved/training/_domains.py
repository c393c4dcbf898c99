"""The domain of a training set, found once for all models that are trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from euclid_resolved.models._domain import Domain
from euclid_resolved.training._groups import group_numbers

if TYPE_CHECKING:
    from euclid_resolved.training._sample import Pixels

_FOUND: WeakKeyDictionary[Pixels, dict[tuple[str, ...], Domain]] = WeakKeyDictionary()


def domain_of(pixels: Pixels, bands: Sequence[str]) -> Domain:
    """The domain of pixels in some of their bands.

    It depends on nothing else, neither on the estimator nor on a seed, so that later models of the same
    pixels get the same one.

    Parameters
    ----------
    pixels : `~euclid_resolved.training.Pixels`
        Looked at once: what is written into its arrays later does not count.
    bands : sequence of str

    Returns
    -------
    domain : `~euclid_resolved.models.Domain`

    Examples
    --------
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.training._domains import domain_of
    >>> pixels = extract(example_galaxies(3), ("stellar_age",))
    >>> domain_of(pixels, ("IE", "HE")) is domain_of(pixels, ("IE", "HE"))
    True
    """
    bands = tuple(bands)
    known = _FOUND.setdefault(pixels, {})
    if bands not in known:
        noise = pixels.noise.select([band for band in bands if band in pixels.noise])
        groups = group_numbers(pixels.groups)
        known[bands] = Domain.of(pixels.brightness.select(bands), noise, groups, pixels.counts)
    return known[bands]

"""The rules of the contract of feature sets."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.testing._damage import frozen
from euclid_resolved.testing._examples import pixels
from euclid_resolved.testing._image_feature_rules import IMAGE_CHECKS
from euclid_resolved.testing._rules import hold, of_its_kind, rule, same

if TYPE_CHECKING:
    from euclid_resolved.features._image_sets import ImageFeatureSet
    from euclid_resolved.features._sets import FeatureSet

__all__ = ["FEATURE_CHECKS"]


FEATURE_CHECKS: list[Callable[[Any], None]] = []
"""Single checks of a `~euclid_resolved.features.FeatureSet`, or of an
`~euclid_resolved.features.ImageFeatureSet`; each takes a name or an object.

A rule of the one kind has nothing to say of the other.
"""


def _pixel_rule(function):
    """Make a function one of the checks, of features of single pixels alone."""

    @functools.wraps(function)
    def of_pixels(feature_set):
        from euclid_resolved.features._image_sets import is_of_image

        if not is_of_image(feature_set):
            function(feature_set)

    return rule(FEATURE_CHECKS, "features")(of_pixels)


def _make(feature_set: FeatureSet, dex: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in feature_set.make(dict(dex)).items()}


@rule(FEATURE_CHECKS, "features")
def check_kind(feature_set: FeatureSet | ImageFeatureSet) -> None:
    """A set of features is a FeatureSet or an ImageFeatureSet: a function, a unit, a summary, and a reach."""
    from euclid_resolved.features._image_sets import ImageFeatureSet
    from euclid_resolved.features._sets import FeatureSet

    of_its_kind("features", feature_set, isinstance(feature_set, FeatureSet | ImageFeatureSet))


@_pixel_rule
def check_columns(feature_set: FeatureSet) -> None:
    """Features are a mapping of text to one finite number a pixel."""
    dex, _, _ = pixels(30, np.random.default_rng(1))
    made = feature_set.make(dict(dex))
    hold(
        isinstance(made, Mapping) and made, f"it made {type(made).__name__}, a mapping with columns is needed"
    )
    for name, values in made.items():
        hold(isinstance(name, str) and name, f"column {name!r} has no name")
        values = np.asarray(values)
        what = f"column {name!r} is {values.dtype} of shape {values.shape}"
        fits = values.shape == (30,) and values.dtype.kind == "f"
        hold(fits, f"{what}, float32 of shape (30,) is needed")
        hold(np.isfinite(values).all(), f"column {name!r} has numbers that are not finite")


@_pixel_rule
def check_bands_unchanged(feature_set: FeatureSet) -> None:
    """Features take read-only arrays, and leave the bands as they are."""
    dex, _, _ = pixels(30, np.random.default_rng(1))
    _make(feature_set, frozen(dex))
    given = frozen(dex)
    writable = {band: values.copy() for band, values in given.items()}
    feature_set.make(writable)
    equal = list(writable) == list(given) and all(np.array_equal(given[b], writable[b]) for b in given)
    hold(equal, "a band was changed")


@_pixel_rule
def check_pixel_by_pixel(feature_set: FeatureSet) -> None:
    """The features of a pixel do not depend on the pixels beside it, and come out the same again."""
    dex, _, _ = pixels(30, np.random.default_rng(1))
    order = np.random.default_rng(2).permutation(30)
    all_, mixed = _make(feature_set, dex), _make(feature_set, {b: v[order] for b, v in dex.items()})
    one = _make(feature_set, {b: v[:1] for b, v in dex.items()})
    hold(list(all_) == list(mixed) == list(one), "its columns depend on the pixels")
    for name, values in all_.items():
        same(mixed[name], values[order], f"column {name!r} depends on the order of pixels")
        same(one[name], values[:1], f"column {name!r} depends on other pixels")


@_pixel_rule
def check_few_bands(feature_set: FeatureSet) -> None:
    """Fewer bands give fewer columns, and no pixels give empty ones; neither is an error."""
    dex, _, _ = pixels(30, np.random.default_rng(1))
    full = _make(feature_set, dex)
    for band in dex:
        less = _make(feature_set, {b: v for b, v in dex.items() if b != band})
        hold(set(less) <= set(full), f"without {band} it makes columns that it does not make with it")
        for name in less:
            same(
                less[name],
                full[name],
                f"column {name!r} changes without {band}, which it can be made without",
            )
        _make(feature_set, {band: dex[band]})
    for name, values in _make(feature_set, {b: v[:0] for b, v in dex.items()}).items():
        hold(values.shape == (0,), f"column {name!r} has shape {values.shape} for no pixels")


FEATURE_CHECKS += IMAGE_CHECKS

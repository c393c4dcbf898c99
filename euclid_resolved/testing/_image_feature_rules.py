"""The rules of the contract of features that are made of an image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.features._image_sets import ImageFeatureSet, cut, reach_of_set
from euclid_resolved.features._planes import ImagePlanes
from euclid_resolved.images._bands import EUCLID_BANDS
from euclid_resolved.testing._rules import hold, rule, watched

if TYPE_CHECKING:
    import astropy.units as u

IMAGE_CHECKS: list[Callable[[Any], None]] = []
"""Single checks of an `~euclid_resolved.features.ImageFeatureSet`; they have nothing to say of others."""

_STEPS = 8, 3  # pixels that a reach given as a length becomes, on two images
_STRAYS = 1e-3  # of the pixels: with another order of sums, one at a threshold may fall to its other side
_CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5, "equal_nan": True}


def _image_rule(function):
    """Make a function one of the checks, of features of an image alone."""

    @functools.wraps(function)
    def of_images(feature_set):
        if isinstance(feature_set, ImageFeatureSet):
            function(feature_set)

    return rule(IMAGE_CHECKS, "features")(of_images)


def _example(shape, seed=1, noise=True, holes=True, scale=None):
    """A galaxy with its knots, from bright to lost in the noise, and pixels that are missing."""
    rng, (ny, nx) = np.random.default_rng(seed), shape
    y, x = np.mgrid[:ny, :nx]
    radius = np.hypot(y - 0.45 * ny, 1.2 * (x - 0.55 * nx)) / max(shape)
    brightness, sigma = {}, {}
    for number, band in enumerate(EUCLID_BANDS):
        dex = 1.5 - (5 + 0.3 * number) * radius + 0.2 * rng.standard_normal(shape)
        sigma[band] = np.full(shape, 0.05 if noise else 0, np.float32)
        light = 10**dex + sigma[band] * rng.standard_normal(shape)
        if holes:
            light[rng.random(shape) < 0.01] = np.nan
        brightness[band] = light.astype(np.float32)
    return ImagePlanes(brightness, sigma if noise else {}, {}, scale)


def _flat(shape, noise=False):
    """An image without structure, its bands of different brightness."""
    light = {band: np.full(shape, 1 + number, np.float32) for number, band in enumerate(EUCLID_BANDS)}
    return ImagePlanes(light, {band: np.full(shape, 0.01, np.float32) for band in light} if noise else {})


def _scales(feature_set: ImageFeatureSet) -> list[u.Quantity | None]:
    """Sides of pixels to try: none where the reach is in pixels."""
    import astropy.units as u

    if np.isscalar(feature_set.reach) or not u.Quantity(feature_set.reach).unit.is_equivalent(u.pc):
        return [None]
    # No round part of the reach: rounded up, it is as many pixels.
    return [u.Quantity(feature_set.reach) / (steps - 0.01) for steps in _STEPS]


def _tries(feature_set: ImageFeatureSet, **options: Any) -> Iterator[tuple[ImagePlanes, int]]:
    """Images that are larger than the features reach, and how many pixels that is."""
    for scale in _scales(feature_set):
        reach = reach_of_set(feature_set, "they", scale)
        yield _example((2 * reach + 19, 2 * reach + 23), scale=scale, **options), reach


def _planes(feature_set: ImageFeatureSet, planes: ImagePlanes) -> dict[str, np.ndarray]:
    """All that features make of an image, by what to call it: columns, and the light."""
    with np.errstate(all="ignore"):
        found = {f"column {name!r}": np.asarray(v) for name, v in feature_set.make(planes).items()}
        light = None if feature_set.light is None else feature_set.light(planes)
    if light is not None:
        found |= {f"the light of {band}": np.asarray(v) for band, v in light.brightness.items()}
        found |= {f"the noise of the light of {band}": np.asarray(v) for band, v in light.noise.items()}
    return found


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two planes are the same but for rounding, and for stray pixels."""
    return a.shape == b.shape and bool(np.mean(~np.isclose(a, b, **_CLOSE)) <= _STRAYS)


def _compare(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], otherwise: str) -> None:
    """Hold two sets of planes to be alike."""
    hold(list(one) == list(other), f"which columns there are {otherwise}")
    for what, plane in one.items():
        hold(_alike(plane, other[what]), f"{what} {otherwise}")


def _changed(planes: ImagePlanes, change: Callable[[np.ndarray], np.ndarray]) -> ImagePlanes:
    """The planes with every one of them changed alike."""
    brightness = {band: change(values) for band, values in planes.brightness.items()}
    noise = {band: change(values) for band, values in planes.noise.items()}
    return ImagePlanes(brightness, noise, planes.correlation, planes.pixel_scale)


@_image_rule
def check_planes(feature_set: ImageFeatureSet) -> None:
    """Features of an image are a mapping of text to planes of numbers, of the image's shape."""
    for planes, _ in _tries(feature_set, noise=False, holes=False):
        with np.errstate(all="ignore"):
            made = feature_set.make(planes)
        what = f"it made {type(made).__name__}, a mapping with columns is needed"
        hold(isinstance(made, Mapping) and made, what)
        for name, values in made.items():
            hold(isinstance(name, str) and name, f"column {name!r} has no name")
            values = np.asarray(values)
            what = f"column {name!r} is {values.dtype} of shape {values.shape}"
            fits = values.shape == planes.shape and values.dtype.kind == "f"
            hold(fits, f"{what}, float32 of the image's shape {planes.shape} is needed")
            known = np.isfinite(values).mean()
            hold(known > 0.5, f"column {name!r} has a number in {known:.0%} of the pixels of a bright image")


@_image_rule
def check_light(feature_set: ImageFeatureSet) -> None:
    """The light of features is ImagePlanes of the same bands and shape, and its noise is known."""
    if feature_set.light is None:
        return
    for planes, _ in _tries(feature_set):
        with np.errstate(all="ignore"):
            light = feature_set.light(planes)
        what = f"it is {type(light).__name__}"
        hold(isinstance(light, ImagePlanes), f"{what}, ImagePlanes are needed")
        hold(light.bands == planes.bands, f"it has the bands {light.bands} of {planes.bands}")
        both = {**{f"light of {b}": v for b, v in light.brightness.items()}, **light.noise}
        for name, values in both.items():
            what = f"{name} has the shape {np.shape(values)}, {planes.shape} is needed"
            hold(np.shape(values) == planes.shape, what)
        hold(list(light.noise) == list(planes.noise), "its noise is not known in the bands of the image's")


@_image_rule
def check_planes_unchanged(feature_set: ImageFeatureSet) -> None:
    """Features take planes that are read-only, leave them as they are, and come out the same again."""
    for planes, _ in _tries(feature_set):
        given = {kind: dict(getattr(planes, kind)) for kind in ("brightness", "noise")}
        fixed = _changed(planes, np.array)
        for each in (fixed.brightness, fixed.noise):
            for values in each.values():
                values.flags.writeable = False
        first = _planes(feature_set, fixed)
        open_ = _changed(planes, np.array)
        again = _planes(feature_set, open_)
        for kind, before in given.items():
            after = getattr(open_, kind)
            equal = list(after) == list(before)
            equal = equal and all(np.array_equal(after[b], before[b], equal_nan=True) for b in before)
            hold(equal, f"the {kind} of a band was changed")
        hold(list(first) == list(again), "which columns there are changes from one time to the next")
        for what, plane in first.items():
            same = np.array_equal(plane, again[what], equal_nan=True)
            hold(same, f"{what} of the same image is another one the second time")


@_image_rule
def check_shift(feature_set: ImageFeatureSet) -> None:
    """Features do not depend on where a pixel is: a shift of the image shifts them."""
    for planes, reach in _tries(feature_set):
        ny, nx = planes.shape
        dy, dx = 3, 5
        one = _planes(feature_set, cut(planes, (slice(0, ny - dy), slice(0, nx - dx))))
        other = _planes(feature_set, cut(planes, (slice(dy, ny), slice(dx, nx))))
        # Only pixels that see all that they look at, in both.
        inner = slice(reach, ny - 2 * dy - reach), slice(reach, nx - 2 * dx - reach)
        here = {what: plane[dy:, dx:][inner] for what, plane in one.items()}
        there = {what: plane[inner] for what, plane in other.items()}
        _compare(here, there, "depends on where in the image a pixel is")


@_image_rule
def check_turned(feature_set: ImageFeatureSet) -> None:
    """Features do not depend on which way the image is turned: mirrored and rotated, they go with it."""
    turns: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mirrored, up to down": np.flipud,
        "mirrored, left to right": np.fliplr,
        "turned by 90 degrees": np.rot90,
    }
    for planes, _ in _tries(feature_set):
        upright = _planes(feature_set, planes)
        for how, turn in turns.items():
            turned = _planes(feature_set, _changed(planes, turn))
            expected = {what: turn(plane) for what, plane in upright.items()}
            _compare(expected, turned, f"does not go with an image that is {how}")


@_image_rule
def check_far_pixel(feature_set: ImageFeatureSet) -> None:
    """Features do not depend on pixels further away than they reach."""
    for planes, reach in _tries(feature_set):
        before = _planes(feature_set, planes)
        y, x = planes.shape[0] // 2 + 2, planes.shape[1] // 2 - 3
        rows, columns = np.indices(planes.shape)
        far = np.maximum(abs(rows - y), abs(columns - x)) > reach
        for factor in (30, -1, np.nan):
            light = {band: np.array(values) for band, values in planes.brightness.items()}
            for values in light.values():
                values[y, x] = factor * np.nan_to_num(values[y, x], nan=1)
            after = _planes(feature_set, replace(planes, brightness=light))
            hold(list(before) == list(after), "which columns there are depends on a pixel")
            for what, plane in before.items():
                alike = np.allclose(plane[far], after[what][far], **_CLOSE)
                hold(alike, f"{what} depends on a pixel further away than its reach of {reach} pixels")


@_image_rule
def check_halo(feature_set: ImageFeatureSet) -> None:
    """Features of a part of an image, with as much around it as they reach, are those of the whole."""
    for planes, reach in _tries(feature_set):
        whole = _planes(feature_set, planes)
        ny, nx = planes.shape
        for rows, columns in (
            (slice(reach, reach + 7), slice(None)),
            (slice(ny - 5, ny), slice(None)),
            (slice(ny // 2, ny // 2 + 1), slice(nx // 2, nx // 2 + 3)),
        ):
            inner = tuple(
                slice(*part.indices(n)[:2]) for part, n in zip((rows, columns), planes.shape, strict=True)
            )
            outer = tuple(
                slice(max(part.start - reach, 0), min(part.stop + reach, n))
                for part, n in zip(inner, planes.shape, strict=True)
            )
            kept = tuple(
                slice(part.start - out.start, part.stop - out.start)
                for part, out in zip(inner, outer, strict=True)
            )
            part = _planes(feature_set, cut(planes, outer))
            hold(list(whole) == list(part), "which columns there are depends on the size of the image")
            for what, plane in whole.items():
                a, b = plane[inner], part[what][kept]
                words = f"{what} of a part with {reach} pixels around it is not that of the whole"
                if np.allclose(a, b, **_CLOSE):
                    words += ", to the last bit: sum the neighbours of a pixel in one order, and without "
                    words += "Fourier transforms"
                hold(np.array_equal(a, b, equal_nan=True), words)


@_image_rule
def check_missing(feature_set: ImageFeatureSet) -> None:
    """Missing neighbours are left out: beside a hole or an edge of a flat image, values are as elsewhere."""
    for scale in _scales(feature_set):
        reach = reach_of_set(feature_set, "they", scale)
        side = 2 * reach + 9
        for noise in (False, True):
            flat = replace(_flat((side, side), noise), pixel_scale=scale)
            middle = {what: plane[side // 2, side // 2] for what, plane in _planes(feature_set, flat).items()}
            hole = side // 2 - 1, side // 2 + 1
            light = {band: np.array(values) for band, values in flat.brightness.items()}
            for values in light.values():
                values[hole], values[0, :2] = np.nan, np.nan
            for what, plane in _planes(feature_set, replace(flat, brightness=light)).items():
                if what.startswith("the noise"):
                    continue
                off = ~np.isclose(plane, middle[what], **_CLOSE) & np.isfinite(plane)
                off[hole] = off[0, :2] = False
                words = f"{what} of a flat image is {plane[off][0] if off.any() else 0:.4g} beside a missing "
                hold(not off.any(), f"{words}pixel or an edge, {middle[what]:.4g} elsewhere")


@_image_rule
def check_small_images(feature_set: ImageFeatureSet) -> None:
    """An image of one pixel, of one row, or without any known pixel is no error, and has the same columns."""
    for scale in _scales(feature_set):
        names = list(_planes(feature_set, _example((9, 9), scale=scale)))
        for shape in ((1, 1), (1, 9), (9, 1), (2, 2)):
            for noise in (True, False):
                made = _planes(feature_set, _example(shape, noise=noise, holes=False, scale=scale))
                expected = [name for name in names if noise or not name.startswith("the noise")]
                hold(list(made) == expected, f"an image of shape {shape} has other columns")
                for what, plane in made.items():
                    hold(plane.shape == shape, f"{what} of an image of shape {shape} has {plane.shape}")
        empty = _changed(_example((9, 9), scale=scale), lambda values: np.full_like(values, np.nan))
        hold(list(_planes(feature_set, empty)) == names, "an image without known pixels has other columns")


@_image_rule
def check_fewer_bands(feature_set: ImageFeatureSet) -> None:
    """Fewer bands are no error; on an image without noise, a column of the same name is the same."""
    for planes, _ in _tries(feature_set, noise=False):
        full = _planes(feature_set, planes)
        for chosen in [
            *(tuple(b for b in planes.bands if b != left) for left in planes.bands),
            *((band,) for band in planes.bands),
        ]:
            light = {band: planes.brightness[band] for band in chosen}
            less = _planes(feature_set, ImagePlanes(light, {}, {}, planes.pixel_scale))
            for what in set(less) & set(full):
                words = f"{what} of {', '.join(chosen)} alone is another one, on an image without noise"
                hold(_alike(less[what], full[what]), words)


@_image_rule
def check_pixel_scale(feature_set: ImageFeatureSet) -> None:
    """Features work without an image's noise, and on pixels of any size; a reach in pixels needs none."""
    import astropy.units as u

    scales = _scales(feature_set)
    if scales == [None]:
        scales = [None, 0.1 * u.arcsec, 100 * u.pc]
    names = None
    for scale in scales:
        made = _planes(feature_set, _example((9, 9), noise=False, scale=scale))
        hold(names is None or list(made) == names, "which columns there are depends on the size of a pixel")
        names = list(made)


@_image_rule
def check_quiet(feature_set: ImageFeatureSet) -> None:
    """Features of an image write no file, print nothing, warn of nothing, and leave random numbers alone."""
    tries = list(_tries(feature_set))
    for planes, _ in tries:
        _planes(feature_set, planes)
    with watched() as seen:
        for planes, _ in tries:
            _planes(feature_set, planes)
    hold(not seen, "; ".join(seen))

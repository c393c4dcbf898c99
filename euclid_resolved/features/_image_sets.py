"""Sets of features made of an image: of each pixel and of those around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.features._convolving import WIDE, compiled
from euclid_resolved.features._planes import ImagePlanes
from euclid_resolved.plugins._offers import blamed

if TYPE_CHECKING:
    import astropy.units as u

    from euclid_resolved.features._sets import FeatureSet

__all__ = ["ImageFeatureSet"]

_GOLDEN = 16  # pixels on a side of the small image whose features are kept in a model


@dataclass(frozen=True)
class ImageFeatureSet:
    """A named way to make columns from an image: of a pixel and of those around it.

    Attributes
    ----------
    make : callable
        Takes `ImagePlanes` and returns a mapping of column name to a plane, float32, shape of the image. The
        value of a pixel may depend on pixels within `reach` and on nothing else: not on where the pixel is,
        nor on which way the image is turned, nor on the rest of the image. A pixel with NaN or infinity in a
        column is not estimated. With fewer bands it makes fewer columns.
    unit : str
        The unit of the columns, in words Astropy understands.
    summary : str
        One line for the list of plugins.
    reach : float or `~astropy.units.Quantity`
        How far it looks to each side: pixels, or a length such as ``2 * u.kpc``. A length needs images whose
        pixels have one (`~euclid_resolved.imaging.set_distance`).
    light : callable, optional
        Takes `ImagePlanes` and returns those that every set of the model looks at in place of the image's
        own, smoothed where single pixels are too noisy, for example. Their brightness and noise then decide
        which pixels are bright enough, and known well enough, to be judged. One set of a model may have it.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features import ImageFeatureSet
    >>> def blurred(planes):
    ...     smooth = planes.smoothed(3).brightness
    ...     return {f"{band} blurred": np.log10(values) for band, values in smooth.items()}
    >>> ImageFeatureSet(blurred, "dex", "bands blurred by 3 pixels", reach=9).reach
    9
    """

    make: Callable[[ImagePlanes], Mapping[str, np.ndarray]]
    unit: str
    summary: str
    reach: float | u.Quantity
    light: Callable[[ImagePlanes], ImagePlanes] | None = None


def image_sets(features: Sequence[str]) -> dict[str, ImageFeatureSet]:
    """Those of some sets of features that are made of an image, by name.

    Parameters
    ----------
    features : sequence of str

    Returns
    -------
    sets : dict of str to `ImageFeatureSet`

    Raises
    ------
    InputError
        If two of them smooth the image, each in its own way.

    Examples
    --------
    >>> from euclid_resolved.features._image_sets import image_sets
    >>> list(image_sets(("bands", "neighbourhood"))), image_sets(("bands", "colours"))
    (['neighbourhood'], {})
    """
    from euclid_resolved.plugins._registry import lookup

    found = {name: lookup("features", name) for name in features}
    sets = {name: each for name, each in found.items() if isinstance(each, ImageFeatureSet)}
    smoothing = [name for name, each in sets.items() if each.light is not None]
    if len(smoothing) > 1:
        raise InputError(f"features {' and '.join(smoothing)} both smooth the image; choose one of them")
    return sets


def reach_of(features: Sequence[str], pixel_scale: u.Quantity | None) -> int:
    """How many pixels features look to each side.

    Parameters
    ----------
    features : sequence of str
    pixel_scale : `~astropy.units.Quantity` or None
        The side of a pixel, where it is known.

    Returns
    -------
    reach : int
        0 for features of single pixels.

    Raises
    ------
    InputError
        If features look some length around, and the length of a pixel is not known.

    Examples
    --------
    >>> from euclid_resolved.features._image_sets import reach_of
    >>> reach_of(("bands", "colours"), None), reach_of(("bands", "neighbourhood"), None)
    (0, 12)
    """
    sets = image_sets(features).items()
    return max((reach_of_set(each, name, pixel_scale) for name, each in sets), default=0)


def reach_of_set(feature_set: ImageFeatureSet, name: str, pixel_scale: u.Quantity | None) -> int:
    """How many pixels one set looks to each side; errors call it by its name."""
    import astropy.units as u

    reach = reach_with_unit(feature_set)
    if reach.unit.is_equivalent(u.pc):
        if pixel_scale is None or not pixel_scale.unit.is_equivalent(u.pc):
            raise InputError(
                f"features {name!r} look {reach} around, and how long a pixel is is not known: give the "
                "image a distance (set_distance, --distance), or meta['pixel_scale'] in pc"
            )
        reach = (reach / pixel_scale).to(u.dimensionless_unscaled) * u.pix
    return int(np.ceil(reach.to_value(u.pix)))


def reach_with_unit(feature_set: ImageFeatureSet) -> u.Quantity:
    """The reach of a set; a plain number is one of pixels."""
    import astropy.units as u

    reach = feature_set.reach
    return u.Quantity(reach, u.pix) if np.isscalar(reach) else u.Quantity(reach)


def light_of(planes: ImagePlanes, features: Sequence[str]) -> ImagePlanes:
    """What features look at in place of the image's own planes.

    Parameters
    ----------
    planes : `ImagePlanes`
    features : sequence of str

    Returns
    -------
    light : `ImagePlanes`

    Raises
    ------
    PluginError
        If a set of features gives something else.
    """
    for name, each in image_sets(features).items():
        if each.light is None:
            continue
        with blamed(f"features {name!r}", "to smooth the image"):
            light = each.light(planes)
        if not isinstance(light, ImagePlanes) or light.bands != planes.bands or light.shape != planes.shape:
            raise PluginError(
                f"features {name!r}: its light is {light!r:.80}; ImagePlanes of the same bands and shape "
                "are needed"
            )
        return light
    return planes


def made_planes(planes: ImagePlanes, features: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, unit, plane) of every column that features of an image make, checked.

    Parameters
    ----------
    planes : `ImagePlanes`
    features : sequence of str

    Yields
    ------
    column, unit : str
    plane : `~numpy.ndarray`
        float32, shape of the image.

    Raises
    ------
    PluginError
        If a set of features breaks its contract.
    """
    for name, each in image_sets(features).items():
        with blamed(f"features {name!r}"), np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            made = each.make(planes)
        for column, values in checked_columns(name, made, planes.shape, "the image's shape"):
            with np.errstate(over="ignore"):
                yield column, each.unit, values.astype(np.float32, copy=False)


def checked_columns(
    name: str, made: object, shape: tuple[int, ...], what: str = "shape"
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what a set of features made, column by column: names that are text, numbers of one shape.

    Parameters
    ----------
    name : str
        Of the set, for messages.
    made : mapping of str to array_like
    shape : tuple of int
    what : str, optional
        What a message calls it.

    Yields
    ------
    column : str
    values : `~numpy.ndarray`
        NaN where they were masked.

    Raises
    ------
    PluginError
        If it is something else.
    """
    for column, values in _a_mapping(name, made).items():
        if np.ma.isMaskedArray(values):
            values = np.ma.filled(values.astype(np.float32), np.nan)
        values = np.asarray(values)
        if not isinstance(column, str) or not column:
            raise PluginError(f"features {name!r}: the name {column!r} of a column is no text")
        if values.shape != shape or values.dtype.kind not in "fiub":
            raise PluginError(
                f"features {name!r}: column {column!r} has {values.dtype} of shape {values.shape}, "
                f"float32 of {what} {shape} is needed"
            )
        yield column, values


def _a_mapping(name, made):
    if not isinstance(made, Mapping):
        raise PluginError(f"features {name!r} returned {type(made).__name__}, a mapping is needed")
    return made


def columns_of(feature_set: ImageFeatureSet, bands: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The names of the columns that one set makes of some bands."""
    try:
        return _columns_of(feature_set, bands, name)
    except TypeError:  # what cannot be hashed is asked again each time
        return _columns_of.__wrapped__(feature_set, bands, name)


@lru_cache(maxsize=256)
def _columns_of(feature_set: ImageFeatureSet, bands: tuple[str, ...], name: str) -> tuple[str, ...]:
    with blamed(f"features {name!r}"), np.errstate(all="ignore"):
        made = feature_set.make(_flat(bands))
    return tuple(_a_mapping(name, made))


def _flat(bands):
    """A tiny image without structure."""
    import astropy.units as u

    return ImagePlanes({band: np.ones((1, 1), np.float32) for band in bands}, pixel_scale=100 * u.pc)


def few_neighbours(planes: ImagePlanes, reach: int) -> np.ndarray:
    """Where more than half of the square that features look at is missing in a band, or outside the image.

    Parameters
    ----------
    planes : `ImagePlanes`
    reach : int
        The square has twice as many pixels on a side, and one.

    Returns
    -------
    few : `~numpy.ndarray` of bool
        Shape of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features import ImagePlanes
    >>> from euclid_resolved.features._image_sets import few_neighbours
    >>> few_neighbours(ImagePlanes({"HE": np.ones((3, 3), np.float32)}), 1)[0]  # there are 4, 6, 4 of 9
    array([ True, False,  True])
    """
    side, known = 2 * reach + 1, np.ones(planes.shape, bool)
    for values in planes.brightness.values():
        known &= np.isfinite(values)
    # Whole numbers: a strip counts what the whole image counts.
    if known.all():
        rows, columns = (_inside(n, reach) for n in known.shape)
        kinds, kind = np.unique(rows, return_inverse=True)
        return (2 * kinds[:, None] * columns < side * side)[kind]
    code = compiled() if known.shape[1] >= WIDE else None
    if code is not None:
        counts = np.empty(known.shape, np.int32)
        code.counted(known, reach, counts)
        return 2 * counts < side * side
    count = np.pad(known, reach).astype(np.int32)
    for axis in (0, 1):
        total = np.insert(np.cumsum(count, axis=axis, dtype=np.int32), 0, 0, axis=axis)
        ends = [slice(None), slice(None)]
        starts = [slice(None), slice(None)]
        ends[axis], starts[axis] = slice(side, None), slice(None, -side)
        count = total[tuple(ends)] - total[tuple(starts)]
    return 2 * count < side * side


def _inside(n, reach):
    """By pixel along an axis, how many of those up to `reach` to each side there are."""
    at = np.arange(n)
    return np.minimum(at, reach) + np.minimum(n - 1 - at, reach) + 1


def golden_planes(bands: Sequence[str]) -> ImagePlanes:
    """A small image, the same each time, to try features on: structure, noise, and missing pixels.

    Parameters
    ----------
    bands : sequence of str

    Returns
    -------
    planes : `ImagePlanes`
    """
    import astropy.units as u

    rng = np.random.default_rng(7)
    y, x = np.mgrid[:_GOLDEN, :_GOLDEN] - _GOLDEN / 2
    brightness, noise = {}, {}
    for number, band in enumerate(bands):
        sigma = np.full((_GOLDEN, _GOLDEN), 0.02, np.float32)
        light = 10 ** (1.0 - 0.15 * np.hypot(x, y * (1 + 0.1 * number)))
        values = (light + sigma * rng.standard_normal(light.shape)).astype(np.float32)
        values[2 + number, 3:6] = np.nan
        brightness[band], noise[band] = values, sigma
    return ImagePlanes(brightness, noise, {}, 100 * u.pc)


def check_reach(planes: ImagePlanes, features: Sequence[str]) -> None:
    """Refuse features that look further than they say: a map in strips would differ from one in one go.

    Parameters
    ----------
    planes : `ImagePlanes`
        An image to try them on.
    features : sequence of str

    Raises
    ------
    PluginError
        If a part of the image with as many rows and columns around as they reach has other features there.
    """
    rows, columns = (slice(n // 3, max(2 * n // 3, n // 3 + 1)) for n in planes.shape)
    for name in image_sets(features):
        reach = reach_of((name,), planes.pixel_scale)
        outer = tuple(
            slice(max(part.start - reach, 0), min(part.stop + reach, n))
            for part, n in zip((rows, columns), planes.shape, strict=True)
        )
        inner = tuple(
            slice(part.start - out.start, part.stop - out.start)
            for part, out in zip((rows, columns), outer, strict=True)
        )
        whole = {column: plane for column, _, plane in made_planes(planes, (name,))}
        part = {column: plane for column, _, plane in made_planes(cut(planes, outer), (name,))}
        if list(whole) != list(part):
            raise PluginError(f"features {name!r}: which columns there are depends on the size of the image")
        for column, plane in whole.items():
            one, other = plane[rows, columns], part[column][inner]
            room = 1e-5 * np.nanmax(np.abs(one), initial=0, where=np.isfinite(one))
            if not np.allclose(one, other, rtol=1e-5, atol=room, equal_nan=True):
                raise PluginError(
                    f"features {name!r}: column {column!r} depends on pixels further away than its reach of "
                    f"{reach} pixels; a map would change with the frame of the image: declare more"
                )


def cut(planes: ImagePlanes, where: tuple[Any, ...]) -> ImagePlanes:
    """A part of the planes, as they are."""
    return ImagePlanes(
        {band: values[where] for band, values in planes.brightness.items()},
        {band: values[where] for band, values in planes.noise.items()},
        planes.correlation,
        planes.pixel_scale,
    )


def is_of_image(feature_set: FeatureSet | ImageFeatureSet) -> bool:
    """Whether a set of features is made of an image, not of single pixels."""
    return isinstance(feature_set, ImageFeatureSet)

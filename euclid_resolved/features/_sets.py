"""What a model looks at: bands, colours, squared colours, flux ratios, and columns made of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.features._image_sets import (
    ImageFeatureSet,
    checked_columns,
    columns_of,
    image_sets,
)
from euclid_resolved.features._scale import from_dex, to_dex
from euclid_resolved.features._seeing import see
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._values import brightness_of
from euclid_resolved.plugins._offers import blamed

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import ArrayLike

__all__ = ["FeatureSet", "FeatureTable", "feature_columns", "make_features"]


@dataclass(frozen=True)
class FeatureSet:
    """A named way to make columns from the bands of a pixel.

    Attributes
    ----------
    make : callable
        Takes a mapping of band name to log10 of surface brightness in MJy/sr (float32, shape (n,), all
        finite, read-only) and returns a mapping of column name to float32 values of the same shape. Row by
        row: the value of a pixel must not depend on other pixels, which training tries. A pixel with NaN or
        infinity in a column is not estimated. With fewer bands it makes fewer columns.
    unit : str
        The unit of the columns, in words Astropy understands.
    summary : str
        One line for the list of plugins.

    Examples
    --------
    >>> from euclid_resolved.features import FeatureSet
    >>> total = FeatureSet(lambda dex: {"IE+HE": dex["IE"] + dex["HE"]}, "dex", "sum of two bands")
    >>> total.make({"IE": 1.0, "HE": 0.5})
    {'IE+HE': 1.5}
    """

    make: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
    unit: str
    summary: str


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of pixels, in dex and mag.

    Attributes
    ----------
    values : `~numpy.ndarray`
        float32, shape (n pixels, k columns). NaN or infinite where a set of features has no value.
    columns : tuple of str
        The columns' names, in order.
    units : tuple of str
        Their units.

    Examples
    --------
    >>> from euclid_resolved import make_features
    >>> table = make_features({"IE": [1.0, 10.0], "HE": [10.0, 1.0]}, ("colours",))
    >>> table.columns, table.units
    (('IE-HE',), ('mag',))
    >>> table.values.T
    array([[ 2.5, -2.5]], dtype=float32)
    """

    values: np.ndarray
    columns: tuple[str, ...]
    units: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        columns = [f"{name} [{unit or '-'}]" for name, unit in zip(self.columns, self.units, strict=True)]
        return f"<FeatureTable {len(self)} pixels; {', '.join(columns)}>"


def bands(dex: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The bands themselves: log10 of surface brightness in MJy/sr.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._sets import bands
    >>> bands({"IE": np.array([0.0]), "HE": np.array([1.0])})
    {'IE': array([0.]), 'HE': array([1.])}
    """
    return dict(dex)


def colours(dex: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All colours, ``IE-YE = -2.5 (log10 I_IE - log10 I_YE)`` in AB mag, bluer band first.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._sets import colours
    >>> print(colours({"IE": np.array([0.0]), "HE": np.array([0.4])}))
    {'IE-HE': array([1.])}
    """
    return {f"{a}-{b}": np.float32(-2.5) * (dex[a] - dex[b]) for a, b in combinations(dex, 2)}


def squared_colours(dex: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The squares of `colours` (the paper's Appendix C).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._sets import squared_colours
    >>> print(squared_colours({"IE": np.array([0.0]), "HE": np.array([0.8])}))
    {'(IE-HE)^2': array([4.])}
    """
    return {f"({name})^2": colour * colour for name, colour in colours(dex).items()}


def flux_ratios(dex: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The ratios of surface brightness behind the colours, linear.

    Colours in mag are exact differences of the logarithmic bands, so a linear regression gains nothing
    from them. The paper's gains (R2 .873 to .908 for density), which only a non-linear combination can
    explain; it speaks of dividing two input features (Sect. 5.1). This set does that.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._sets import flux_ratios
    >>> print(flux_ratios({"IE": np.array([0.0]), "HE": np.array([1.0])}))
    {'IE/HE': array([0.1], dtype=float32)}
    """
    return {f"{a}/{b}": from_dex(dex[a] - dex[b]) for a, b in combinations(dex, 2)}


def _feature_set(name: str) -> FeatureSet | ImageFeatureSet:
    from euclid_resolved.plugins._registry import lookup

    return lookup("features", name)


def _names(features: str | Sequence[str]) -> tuple[str, ...]:
    """The names of feature sets as a tuple, whether one or several were given."""
    names = (features,) if isinstance(features, str) else tuple(features)
    if not names:
        raise InputError("at least one set of features is needed, for example 'bands'")
    return names


def _columns(
    dex: Mapping[str, np.ndarray],
    features: str | Sequence[str],
    around: Mapping[str, np.ndarray] | None = None,
) -> Iterator[tuple[str, str, np.ndarray | None]]:
    """Yield (name, unit, values) of every column of the chained feature sets, checked.

    The values of a column that is made of an image are those of `around`; None where that does not have it.
    """
    seen = set()
    for name in _names(features):
        feature_set = _feature_set(name)
        if isinstance(feature_set, ImageFeatureSet):
            made = {
                column: (around or {}).get(column) for column in columns_of(feature_set, tuple(dex), name)
            }
        else:
            made = _made(name, feature_set, dex)
        for column, values in made.items():
            if column in seen:
                raise PluginError(f"features {', '.join(_names(features))}: column {column!r} comes twice")
            seen.add(column)
            yield column, feature_set.unit, values


def _made(name, feature_set, dex):
    """The columns that one set makes of single pixels, checked."""
    n = len(next(iter(dex.values())))
    with blamed(f"features {name!r}"):
        made = feature_set.make({band: read_only(values) for band, values in dex.items()})
    return dict(checked_columns(name, made, (n,)))


def feature_columns(band_names: Sequence[str], features: str | Sequence[str]) -> tuple[str, ...]:
    """The names of the columns that feature sets make of some bands.

    Parameters
    ----------
    band_names : sequence of str
    features : str or sequence of str

    Returns
    -------
    columns : tuple of str

    Examples
    --------
    >>> from euclid_resolved.features import feature_columns
    >>> feature_columns(("IE", "YE", "HE"), ("bands", "colours"))
    ('IE', 'YE', 'HE', 'IE-YE', 'IE-HE', 'YE-HE')
    """
    if not band_names:
        return ()
    return tuple(column_units(band_names, features))


def column_units(band_names: Sequence[str], features: str | Sequence[str]) -> dict[str, str]:
    """The columns that feature sets make of some bands, in order, with their units.

    Examples
    --------
    >>> from euclid_resolved.features._sets import column_units
    >>> column_units(("IE", "HE"), ("bands", "colours"))
    {'IE': 'dex(MJy / sr)', 'HE': 'dex(MJy / sr)', 'IE-HE': 'mag'}
    """
    nothing = {band: np.zeros(1, np.float32) for band in band_names}
    return {column: unit for column, unit, _ in _columns(nothing, features)}


def needed_bands(
    band_names: Sequence[str], features: str | Sequence[str], columns: Sequence[str]
) -> tuple[str, ...]:
    """The bands without which some of the columns cannot be made.

    Parameters
    ----------
    band_names : sequence of str
        The bands to choose from.
    features : str or sequence of str
    columns : sequence of str
        The columns wanted.

    Returns
    -------
    needed : tuple of str
        In the order of `band_names`.

    Examples
    --------
    >>> from euclid_resolved.features._sets import needed_bands
    >>> needed_bands(("IE", "YE", "JE", "HE"), ("bands", "colours"), ("HE", "IE-HE"))
    ('IE', 'HE')
    """
    needed = list(band_names)
    for band in band_names:
        rest = [name for name in needed if name != band]
        if set(columns) <= set(feature_columns(rest, features)):
            needed = rest
    return tuple(needed)


def make_features(
    image: Mapping[str, ArrayLike] | Table | np.ndarray,
    features: str | Sequence[str] = ("bands",),
    *,
    where: np.ndarray | None = None,
    columns: Sequence[str] | None = None,
    around: Mapping[str, np.ndarray] | None = None,
) -> FeatureTable:
    """Make the features of pixels from their surface brightness.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`, mapping of str to array_like, table or structured array
        Surface brightness by band, in any unit of it; plain arrays are in MJy/sr. All chosen pixels must be
        finite, positive and not masked.
    features : str or sequence of str, optional
        Names of feature sets, chained in this order; see ``euclid-resolved plugins``.
    where : `~numpy.ndarray` of bool, optional
        Which pixels; all without it. Shape of the image.
    columns : sequence of str, optional
        Keep only these columns, in this order.
    around : mapping of str to `~numpy.ndarray`, optional
        The columns of features that look at the surroundings of a pixel, by name, for the same pixels, where
        the image itself is not at hand (`~euclid_resolved.training.Pixels` keeps them). Of a
        `~euclid_resolved.MultiBandImage` they are made here.

    Returns
    -------
    table : `FeatureTable`

    Raises
    ------
    InputError
        If a chosen pixel has no logarithm or is masked, a unit is none of surface brightness, or a column
        is not made by these features.
    PluginError
        If a feature set is unknown or breaks its contract.

    Examples
    --------
    >>> from euclid_resolved import make_features
    >>> table = make_features({"IE": [1.0], "HE": [10.0]}, ("bands", "colours"))
    >>> table.columns
    ('IE', 'HE', 'IE-HE')
    >>> print(table.values)
    [[0.  1.  2.5]]
    """
    if isinstance(image, MultiBandImage) and image_sets(_names(features)):
        seen = see(image, image.bands, _names(features))
        image, around = seen.brightness, seen.around
        if where is not None:
            around = {column: plane[where] for column, plane in around.items()}
    dex = {}
    for band, values in brightness_of(image).items():
        values = values[where] if where is not None else values.ravel()
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(
                f"band {band}: surface brightness must be finite and positive to have a logarithm, not masked"
            )
        dex[band] = to_dex(values)
    made = {column: (unit, values) for column, unit, values in _columns(dex, features, around)}
    chosen = tuple(made) if columns is None else tuple(columns)
    unknown = [column for column in chosen if column not in made]
    if unknown:
        raise InputError(f"no column {', '.join(unknown)}; these features make {', '.join(made)}")
    n = len(next(iter(dex.values())))
    values = np.empty((n, len(chosen)), np.float32)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and not estimated
        for i, column in enumerate(chosen):
            one = made[column][1]
            if one is None:
                raise InputError(
                    f"the column {column} is made of a pixel and those around it: single pixels are not "
                    "enough, give the image (Model.predict)"
                )
            if np.size(one) != n:
                raise InputError(f"the column {column} has {np.size(one)} values for {n} pixels")
            values[:, i] = np.ravel(one)
    return FeatureTable(values, chosen, tuple(made[column][0] for column in chosen))


def check_pixel_by_pixel(brightness: Mapping[str, np.ndarray], features: str | Sequence[str]) -> None:
    """Refuse features of a pixel that depend on the pixels beside it: a map would change with its frame.

    Parameters
    ----------
    brightness : mapping of str to `~numpy.ndarray`
        Surface brightness of some pixels in MJy/sr, shape (n,).
    features : str or sequence of str

    Raises
    ------
    PluginError
        If some of the pixels, or the same in another order, have other features.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features._sets import check_pixel_by_pixel
    >>> check_pixel_by_pixel({"IE": np.array([1.0, 2.0]), "HE": np.array([2.0, 1.0])}, ("bands", "colours"))
    """
    n = len(next(iter(brightness.values())))
    order = np.random.default_rng(n).permutation(n)
    choices = [np.arange(n), order, order[: n // 2], *(order[i : i + 1] for i in range(min(n, 4)))]
    for name in _names(features):
        if isinstance(_feature_set(name), ImageFeatureSet):
            continue
        whole = make_features(brightness, name)
        room = 1e-5 * np.nanmax(np.abs(whole.values), axis=0, initial=0, where=np.isfinite(whole.values))
        for rows in choices:
            part = make_features({band: values[rows] for band, values in brightness.items()}, name)
            if part.columns != whole.columns:
                raise PluginError(f"features {name!r}: which columns there are depends on the pixels")
            for i, column in enumerate(part.columns):
                once, again = whole.values[rows, i], part.values[:, i]
                if not np.allclose(once, again, rtol=1e-5, atol=room[i], equal_nan=True):
                    raise PluginError(
                        f"features {name!r}: column {column!r} of a pixel depends on the other pixels, so "
                        "that a map would change with its frame; make it from the bands of that pixel alone"
                    )

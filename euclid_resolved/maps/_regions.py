"""Totals and means of maps inside regions, with errors; a total and a mean are never confused.

The error of a sum is mostly what its pixels share. What the model shares a calibrated model has measured;
what the image shares (the level of its sky, E(B-V)) is a plane of the map. Where the model's part is not
known, the error is a lower limit, and says so.

An estimate is right in the mean of its logarithm, so that a sum of estimates is low by half the variance
of their errors times ln 10. A calibrated model knows by how much, and gives its maps a plane ``mean``; that
is what totals and means add up. Medians, and maps without that plane, are those of the estimates themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_area
from euclid_resolved.maps._arithmetic import MapArithmetic
from euclid_resolved.maps._region_errors import RegionErrors, one_sigma
from euclid_resolved.maps._region_fill import filled_pixels
from euclid_resolved.maps._region_pixels import region_weights

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from euclid_resolved.maps._region_shapes import RegionLike
    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["RegionValue", "mean", "median", "total"]


@dataclass(frozen=True)
class RegionValue:
    """One number for a region of a map.

    Attributes
    ----------
    statistic : str
        ``total``, ``mean`` or ``median``.
    property : str
        What the map shows, or an empty text.
    value, error : `~astropy.units.Quantity`
        The number and one sigma; NaN where the map has no uncertainty, and then not printed.
    area : float
        Of the region on the map, in pixels.
    masked_fraction : float
        The part of that area that has no value.
    filled : str
        How that part was filled, or an empty text: then a total leaves it out.
    lower_limit : bool
        Whether the error is a lower limit, because nobody knows which part of it the pixels share: they are
        taken as independent.
    parts : dict of str to `~astropy.units.Quantity`
        The error by what it comes from: ``noise``, ``model``, ``calibration`` and ``populations``. Empty
        where the map has no calibrated interval or no plane ``noise``.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import mean
    >>> value = mean(SpatialMap(np.array([[4.0, 6.0, np.nan]]), property="stellar_age"))
    >>> value.value, value.area
    (<Quantity 5. Gyr>, 3.0)
    >>> print(f"{value.masked_fraction:.2f} of the region has no value")
    0.33 of the region has no value
    """

    statistic: str
    property: str
    value: u.Quantity
    error: u.Quantity
    area: float
    masked_fraction: float
    filled: str = ""
    lower_limit: bool = False
    parts: dict[str, u.Quantity] = field(default_factory=dict)

    def __str__(self) -> str:
        gap = "lower limit: pixels taken as independent; " if self.lower_limit else ""
        gap = f"the error a {gap}" if gap else ""
        gap += f"{100 * self.masked_fraction:.1f} % of the region without a value"
        gap += f", filled ({self.filled})" if self.filled else ""
        error = self.error.to_value(self.value.unit)
        error = f" +- {error:.2g}" if np.isfinite(error) else ""
        unit = f" {self.value.unit}".rstrip()
        return f"{self.statistic} {self.property}: {self.value.value:.4g}{error}{unit} ({gap})"


def total(
    map_: SpatialMap,
    where: RegionLike | None = None,
    *,
    distance: u.Quantity | None = None,
    correlation_length: float | None = None,
    correlated_fraction: float | None = None,
    fill: Literal["mean", "radial"] | None = None,
    centre: SkyCoord | Sequence[float] | None = None,
    position_angle: u.Quantity | float = 0 * u.deg,
    inclination: u.Quantity | float = 0 * u.deg,
) -> RegionValue:
    """The sum of a density over the area of a region, for example a stellar mass.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
        Of a density, a property per area.
    where : region, optional
        The whole map without it; see `region_weights`.
    distance : `~astropy.units.Quantity`, optional
        The angular-diameter distance, where the map's pixel scale is an angle.
    correlation_length : float, optional
        Sigma, in pixels, of the Gaussian by which the errors of pixels are correlated:
        rho = exp(-d^2 / (2 L^2)). 0 is independent pixels. Without it, what the map knows: how far a
        convolution or resampling spread the image's noise (``meta["correlated_pixels"]``), and that all
        pixels of a bin have one error (``meta["bins"]``).
    correlated_fraction : float, optional
        The part of every pixel's variance that all pixels share, from 0 to 1: zero points, distance,
        mass-to-light ratio, the error of the model itself. With 1 the error of the total is the sum of
        all errors. Without it, what a calibrated model measured (``meta["shared_variance"]``); where that is
        not known it is 0, and the result says that its error is a lower limit. What comes from the image
        itself, the plane ``common``, is shared by all pixels in any case.
    fill : {None, "mean", "radial"}, optional
        What masked pixels count for: nothing, so that the total is a lower limit; the mean of the others;
        or the mean of the others at the same radius.
    centre, position_angle, inclination : optional
        For ``fill="radial"``, as in `euclid_resolved.maps.radial_profile`; the centre is that of the
        region without it.

    Returns
    -------
    value : `RegionValue`
        In the unit of the map times an area, Msun for a mass density.

    Raises
    ------
    InputError
        If the map is no density, the area of a pixel is not known, the region lies off the map, or all of
        it is masked.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import StdDevUncertainty
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import total
    >>> error, meta = StdDevUncertainty(np.full((10, 10), 5.0)), {"pixel_scale": 100 * u.pc}
    >>> values = np.full((10, 10), 50.0)
    >>> density = SpatialMap(values, property="stellar_mass_density", uncertainty=error, meta=meta)
    >>> print(total(density, correlated_fraction=0.5))
    total stellar_mass_density: 5e+07 +- 3.6e+06 solMass (0.0 % of the region without a value)
    >>> total(density).lower_limit, f"{total(density).error:.1g}"
    (True, '5e+05 solMass')
    """
    check_map(map_)
    prop = map_.property
    if prop is None or not prop.density:
        raise InputError(
            f"the total of {map_.label} means nothing: only a density, such as stellar_mass_density, adds up "
            "over area; use mean or median"
        )
    area, unit = _pixel_area(map_, distance), map_.unit
    values, sigma, weight, good = _inside(map_, where, "mean")
    errors = RegionErrors.of(map_, sigma, correlation_length, correlated_fraction)
    known, filled = weight * good, ""
    if fill is not None:
        values, sigma = filled_pixels(
            values, sigma, weight, good, fill, map_, centre, position_angle, inclination
        )
        errors, known, filled = errors.filled(sigma, good & (weight > 0)), weight, fill
    result = (np.sum(known * np.where(known > 0, values, 0.0)) * unit * area).decompose([u.Msun, u.pc])
    factor = (1 * unit * area).decompose([u.Msun, u.pc])
    parts = {name: part * factor for name, part in errors.parts_of_sum(known).items()}
    error, coverage = errors.of_sum(known) * factor, _coverage(weight, good)
    return RegionValue("total", prop.name, result, error, *coverage, filled, errors.lower_limit, parts)


def mean(
    map_: SpatialMap,
    where: RegionLike | None = None,
    *,
    weights: SpatialMap | None = None,
    correlation_length: float | None = None,
    correlated_fraction: float | None = None,
) -> RegionValue:
    """The mean of a map in a region, by area or by another map.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    where : region, optional
        The whole map without it; see `region_weights`.
    weights : `~euclid_resolved.SpatialMap`, optional
        Weigh pixels with this map, for example the metallicity with the mass density. Its own errors do
        not enter.
    correlation_length, correlated_fraction : float, optional
        As for `total`.

    Returns
    -------
    value : `RegionValue`
        In the map's unit. Masked pixels are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import mean
    >>> age = SpatialMap(np.array([[2.0, 8.0]]), property="stellar_age")
    >>> density = SpatialMap(np.array([[10.0, 90.0]]), property="stellar_mass_density")
    >>> print(mean(age).value, mean(age, weights=density).value)
    5.0 Gyr 7.4 Gyr
    """
    check_map(map_)
    values, sigma, weight, good = _inside(map_, where, "mean")
    used = weight * good
    if weights is not None:
        check_map(weights)
        if weights.data.shape != map_.data.shape:
            raise InputError(f"weights have shape {weights.data.shape}, the map {map_.data.shape}")
        other = _values(weights, "mean")
        good = good & np.isfinite(other) & (other >= 0)
        used = weight * np.where(good, other, 0.0)
        if not used.any():
            raise InputError("no pixel of the region has a weight")
    norm = used.sum()
    unit = map_.unit or u.dimensionless_unscaled
    value = np.sum(used * np.where(used > 0, values, 0.0)) / norm * unit
    errors = RegionErrors.of(map_, sigma, correlation_length, correlated_fraction)
    error, coverage = errors.of_sum(used / norm) * unit, _coverage(weight, good)
    parts = {name: part * unit for name, part in errors.parts_of_sum(used / norm).items()}
    return RegionValue("mean", _name(map_), value, error, *coverage, "", errors.lower_limit, parts)


def median(
    map_: SpatialMap,
    where: RegionLike | None = None,
    *,
    correlation_length: float | None = None,
    correlated_fraction: float | None = None,
) -> RegionValue:
    """The median of a map in a region, weighted by the area of each pixel inside it.

    Parameters
    ----------
    map_, where, correlation_length, correlated_fraction
        As for `mean`.

    Returns
    -------
    value : `RegionValue`
        In the map's unit. Masked pixels are left out. The error is that of the mean times
        sqrt(pi / 2), which holds for Gaussian errors.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps import median
    >>> age = SpatialMap(np.array([[2.0, 8.0, 9.0]]), property="stellar_age")
    >>> print(median(age).value)
    8.0 Gyr
    """
    check_map(map_)
    values, sigma, weight, good = _inside(map_, where)
    used = weight * good
    order = np.argsort(values[used > 0])
    v, w = values[used > 0][order], used[used > 0][order]
    middle = (np.cumsum(w) - w / 2) / w.sum()
    unit = map_.unit or u.dimensionless_unscaled
    errors = RegionErrors.of(map_, sigma, correlation_length, correlated_fraction)
    error = errors.of_median(used / used.sum()) * unit
    value, coverage = np.interp(0.5, middle, v) * unit, _coverage(weight, good)
    return RegionValue("median", _name(map_), value, error, *coverage, lower_limit=errors.lower_limit)


def _inside(map_, where, plane=None):
    """Values, one sigma, area of every pixel in the region, and where the value is known."""
    weight = region_weights(map_, where)
    values = _values(map_, plane)
    good = np.isfinite(values)
    if not (good & (weight > 0)).any():
        raise InputError(f"all of the region is masked in the map of {map_.label}")
    return values, one_sigma(map_), weight, good


def _values(map_, plane):
    """The values of a plane where there is one, else of the map; NaN where masked."""
    values = map_.quantity.value.astype(float)
    return np.where(np.isfinite(values), map_.planes[plane], np.nan) if plane in map_.planes else values


def _coverage(weight: np.ndarray, good: np.ndarray) -> tuple[float, float]:
    area = float(weight.sum())
    return area, float(1 - (weight * good).sum() / area)


def _name(map_):
    return map_.property.name if map_.property else ""


def check_map(map_: object) -> None:
    """Raise InputError unless this is a map; a dict of maps is the usual mistake."""
    if isinstance(map_, Mapping):
        raise InputError(f"one map is needed, got several: choose from {', '.join(map_)}")
    if not isinstance(map_, MapArithmetic):
        raise InputError(f"a map (SpatialMap) is needed, got {type(map_).__name__}")


def _pixel_area(map_, distance):
    area = pixel_area(map_)
    if area.unit.is_equivalent(u.pc**2):
        if distance is not None:
            raise InputError(f"a pixel has {area} already: leave distance= out")
        return area
    if distance is None or not area.unit.is_equivalent(u.sr):
        raise InputError(
            f"a total needs the physical area of a pixel, and it is {area}: give distance=, or use "
            "set_distance on the image (meta['pixel_scale'] in pc)"
        )
    distance = u.Quantity(distance)
    if not distance.unit.is_equivalent(u.pc) or not distance > 0 * distance.unit:
        raise InputError(f"distance must be a positive length, got {distance}")
    return distance.to(u.pc) ** 2 * area.to_value(u.sr)

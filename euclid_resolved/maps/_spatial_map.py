"""Maps of one physical property and the bits of their quality plane."""

from __future__ import annotations

import copy
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.nddata import NDDataRef, StdDevUncertainty, UnknownUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import (
    Described,
    check_nddata,
    check_slices,
    describe_centre,
    slice_wcs,
)
from euclid_resolved.maps._arithmetic import MapArithmetic
from euclid_resolved.maps._properties import get_property

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from mocpy import MOC
    from numpy.typing import ArrayLike

    from euclid_resolved.maps._properties import Property
    from euclid_resolved.maps._region_shapes import RegionLike
    from euclid_resolved.maps._regions import RegionValue

__all__ = ["Quality", "SpatialMap"]


PLANES = {
    "lo": "lower end of the interval",
    "hi": "upper end of the interval",
    "noise": "one sigma from the noise of the image alone",
    "model": "one sigma from the scatter of the estimator alone",
    "mean": "mean of the truth of such pixels: what totals and means add up",
    "common": "one sigma from errors that all pixels share, such as the level of the sky",
}
"""The further planes a map may have, in its own unit."""


class Quality(enum.IntFlag):
    """What is known about a pixel of a map; bits add up, 0 is a pixel without remark.

    Examples
    --------
    >>> from euclid_resolved import Quality
    >>> flags = Quality(24)
    >>> print([bit.name for bit in flags])
    ['BELOW_CLIP', 'OUT_OF_DOMAIN']
    >>> print(Quality.NOISE.meaning)
    signal-to-noise in a band below what the model was trained for
    >>> bool(flags & Quality.unjudged())
    True
    """

    meaning: str

    MASKED = 1, "masked in at least one band of the input image"
    NONFINITE = 2, "NaN or infinite in at least one band"
    NONPOSITIVE = 4, "zero or negative surface brightness in at least one band: no logarithm"
    BELOW_CLIP = 8, "fainter than the surface brightness the model was trained down to"
    OUT_OF_DOMAIN = 16, "unlike the pixels of the training set: the value is an extrapolation"
    MISSING_BAND = 32, "data in some of the bands only"
    NOISE = 64, "signal-to-noise in a band below what the model was trained for"
    NEIGHBOUR = 128, "a star or another galaxy"
    SATURATED = 256, "the core of a saturated source, or a hole in a bright one"
    PSF = 512, "bad pixels or the image's edge within reach of the kernel that matched the PSF"
    TILE_GAP = 1024, "no tile of the mosaic has data"
    RESAMPLED = 2048, "too much of a new, larger pixel was masked"
    UNBINNED = 4096, "too faint to belong to a bin"
    NOT_ESTIMATED = 8192, "a feature or the estimate of the model is not a finite number"
    FEW_NEIGHBOURS = 16384, "most of the pixels around that the model looks at are missing"
    UNMATCHED_PSF = 32768, "the bands are not equally sharp, and a colour here is false for that"
    UNLIKE_TRAINING = 65536, "a field whose colours or sharpness no training galaxy has: no known error"

    def __new__(cls, value: int, meaning: str = "") -> Self:
        """A bit and what it means, which files repeat in their headers."""
        bit = int.__new__(cls, value)
        bit._value_, bit.meaning = value, meaning
        return bit

    def __invert__(self) -> Self:
        # The first versions of Python 3.11 forget the bits that are declared after this one.
        return type(self)(sum(bit for bit in type(self) if not int(bit) & int(self)))

    @classmethod
    def unjudged(cls) -> Quality:
        """The bits of pixels that a model does not judge: their value is NaN and they are masked."""
        odd = cls.OUT_OF_DOMAIN | cls.FEW_NEIGHBOURS | cls.UNMATCHED_PSF | cls.MISSING_BAND
        return ~(odd | cls.UNLIKE_TRAINING)


class SpatialMap(Described, MapArithmetic, NDDataRef):
    """A map of one physical property, with unit, mask, WCS, uncertainty and quality plane.

    An `~astropy.nddata.NDDataRef`: slicing and arithmetic (``+ - * /`` or the methods ``add``, ...)
    keep class, unit, mask and WCS, and carry the quality plane. Maps are linear, never logarithms.

    Parameters
    ----------
    data : array_like
        The values, 2-D. NaN where the property is not known; those pixels are masked too.
    property : str or `~euclid_resolved.maps.Property`, optional
        What the map shows; kept by name in ``meta["property"]``. It gives the unit if there is none.
    quality : `~numpy.ndarray` of int, optional
        The bits of `Quality` for every pixel; zero without it.
    planes : dict of str to `~numpy.ndarray`, optional
        Further planes in the map's unit: the ends ``lo`` and ``hi`` of its interval, one sigma of the image's
        ``noise`` and of the ``model`` alone, the ``mean`` of the truth. Cut-outs and products with a positive
        number keep them, other arithmetic drops them.
    **kwargs
        ``unit``, ``mask``, ``wcs``, ``uncertainty``, ``meta`` as for `~astropy.nddata.NDData`.

    Raises
    ------
    InputError
        If the data are not 2-D or mask, uncertainty, WCS or quality do not fit them, or the unit is
        not one of the property.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> density = SpatialMap(np.array([[10.0, 40.0], [np.nan, 90.0]]), property="stellar_mass_density")
    >>> density.unit
    Unit("solMass / pc2")
    >>> density.mask
    array([[False, False],
           [ True, False]])
    >>> print((density * 2)[0:1, 0:2].quantity)
    [[20. 80.]] solMass / pc2
    """

    mask: np.ndarray | None
    uncertainty: StdDevUncertainty | UnknownUncertainty | None
    quality: np.ndarray
    planes: dict[str, np.ndarray]

    def __init__(
        self,
        data: ArrayLike,
        *,
        property: str | Property | None = None,
        quality: np.ndarray | None = None,
        planes: Mapping[str, np.ndarray] | None = None,
        **kwargs: Any,
    ) -> None:
        data, kwargs = _converted(data, kwargs)
        if isinstance(data, SpatialMap):
            quality = data.quality if quality is None else quality
            planes = data.planes if planes is None else planes
        # The unit comes first: an uncertainty takes it over from the map as it is attached.
        name = property or (kwargs.get("meta") or {}).get("property")
        if name is not None and kwargs.get("unit") is None and getattr(data, "unit", None) is None:
            kwargs["unit"] = get_property(name).unit
        super().__init__(data, **kwargs)
        error = self.uncertainty
        if error is not None and not isinstance(error, StdDevUncertainty | UnknownUncertainty):
            # One kind, so that errors of two maps can be added up.
            self.uncertainty = error.represent_as(StdDevUncertainty)
        if property is not None:
            self.meta["property"] = get_property(property).name
        if self.property is not None:
            if not self.unit.is_equivalent(self.property.unit):
                raise InputError(f"{self.property.name} has unit {self.property.unit}, not {self.unit}")
        shape = self.data.shape
        if shape:  # a number is what a statistic leaves, or what arithmetic makes of a scalar operand
            check_nddata(self.label, self)
        self.quality = np.zeros(shape, np.int32) if quality is None else np.asarray(quality)
        if self.quality.shape != shape or self.quality.dtype.kind not in "iu":
            raise InputError(
                f"{self.label}: quality must be integers of shape {shape}, "
                f"got {self.quality.dtype} of shape {self.quality.shape}"
            )
        self.planes = {name: np.asarray(plane) for name, plane in (planes or {}).items()}
        for name, plane in self.planes.items():
            if name not in PLANES or plane.shape != shape or plane.dtype.kind != "f":
                raise InputError(
                    f"{self.label}: planes are floats of shape {shape} called {', '.join(PLANES)}; "
                    f"got {name!r}, {plane.dtype} of shape {plane.shape}"
                )
        bad = ~np.isfinite(self.data)
        if bad.any():
            self.mask = bad if self.mask is None else bad | np.asarray(self.mask, dtype=bool)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the map."""
        return self.data.shape

    @property
    def label(self) -> str:
        """What the map shows, in words."""
        return self.property.label if self.property else "map"

    @property
    def quantity(self) -> u.Quantity:
        """The values with their unit, NaN where masked (a copy)."""
        values = np.array(self.data, dtype=np.result_type(self.data.dtype, np.float32))
        if self.mask is not None:
            values[np.broadcast_to(self.mask, values.shape)] = np.nan
        return u.Quantity(values, self.unit or u.dimensionless_unscaled, copy=False)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The two ends of the interval as plain arrays in the map's unit, or None.

        ``meta["interval"]`` is the fraction of pixels whose truth it holds.
        """
        return (self.planes["lo"], self.planes["hi"]) if {"lo", "hi"} <= set(self.planes) else None

    def fraction(self, bit: int) -> float:
        """The fraction of pixels that carry a quality bit.

        Parameters
        ----------
        bit : `Quality`

        Returns
        -------
        fraction : float
        """
        if not isinstance(bit, int | np.integer):
            raise InputError(f"a bit of Quality is needed, for example Quality.MASKED; got {bit!r}")
        return float(np.mean((self.quality & int(bit)) != 0))

    def _slice(self, item):
        item = check_slices(item, self.data.shape)
        planes = {name: plane[item] for name, plane in self.planes.items()}
        # Planes that came with the image, such as its bins, are cut with it.
        meta = {
            key: value[item] if isinstance(value, np.ndarray) and value.shape == self.data.shape else value
            for key, value in self.meta.items()
        }
        new = {"quality": self.quality[item], "planes": planes, "meta": copy.deepcopy(meta)}
        return {**super()._slice(item), **new}

    def _slice_wcs(self, item):
        return slice_wcs(self.wcs, item)

    def to(self, unit: u.UnitBase | str) -> Self:
        """The map in another unit, with its uncertainty and its further planes.

        Parameters
        ----------
        unit : `~astropy.units.UnitBase` or str

        Returns
        -------
        map : `SpatialMap`

        Raises
        ------
        InputError
            If the unit is of another kind.

        Examples
        --------
        >>> import numpy as np
        >>> from euclid_resolved import SpatialMap
        >>> density = SpatialMap(np.array([[10.0, 40.0]]), property="stellar_mass_density")
        >>> print(density.to("Msun / kpc2").quantity)
        [[10000000. 40000000.]] solMass / kpc2
        """
        here = self.unit or u.dimensionless_unscaled
        try:
            unit = u.Unit(unit)
            factor = here.to(unit)
        except (ValueError, TypeError) as error:  # UnitConversionError is a TypeError
            raise InputError(f"{self.label} is in {here or 'no unit'}, which is never {unit}") from error
        sigma = self.uncertainty
        return type(self)(
            self.data * factor,
            unit=unit,
            mask=None if self.mask is None else np.array(self.mask),
            wcs=self.wcs,
            uncertainty=None if sigma is None else StdDevUncertainty(np.asarray(sigma.array) * factor),
            meta=copy.deepcopy(self.meta),
            quality=self.quality.copy(),
            planes={name: plane * plane.dtype.type(factor) for name, plane in self.planes.items()},
        )

    def total(self, where: RegionLike | None = None, **kwargs: Any) -> RegionValue:
        """The total over a region or the whole map; see `euclid_resolved.maps.total`."""
        from euclid_resolved.maps._regions import total

        return total(self, where, **kwargs)

    def mean(self, where: RegionLike | None = None, **kwargs: Any) -> RegionValue:
        """The mean over a region or the whole map; see `euclid_resolved.maps.mean`."""
        from euclid_resolved.maps._regions import mean

        return mean(self, where, **kwargs)

    def sum(self) -> u.Quantity:
        """The sum of the pixels that are not masked; what a galaxy holds is `total`, which knows areas.

        Returns
        -------
        sum : `~astropy.units.Quantity`
        """
        return np.nansum(self.quantity)

    def min(self) -> u.Quantity:
        """The smallest value of the pixels that are not masked; NaN where all are.

        Returns
        -------
        value : `~astropy.units.Quantity`
        """
        return self._extreme(np.min)

    def max(self) -> u.Quantity:
        """The largest value of the pixels that are not masked; NaN where all are.

        Returns
        -------
        value : `~astropy.units.Quantity`
        """
        return self._extreme(np.max)

    def _extreme(self, function):
        values = self.quantity
        known = np.isfinite(values)
        return function(values[known]) if known.any() else np.nan * values.unit

    def radial_profile(self, bin_width: u.Quantity | float | None = None, **kwargs: Any) -> QTable:
        """Median and spread against radius; see `euclid_resolved.maps.radial_profile`."""
        from euclid_resolved.maps._profiles import radial_profile

        return radial_profile(self, bin_width, **kwargs)

    def plot(self, **kwargs: Any) -> Axes:
        """Draw the map; see `euclid_resolved.plotting.plot_map`."""
        from euclid_resolved.plotting._maps import plot_map

        return plot_map(self, **kwargs)

    def to_hdulist(self) -> fits.HDUList:
        """The map as FITS; see ``maps_to_hdulist``."""
        from euclid_resolved.io._fits import maps_to_hdulist

        return maps_to_hdulist([self])

    def to_moc(self, order: int | None = None) -> MOC:
        """The part of the sky where the map has a value, as a multi-order coverage map; needs mocpy.

        Parameters
        ----------
        order : int, optional
            Of the smallest cells, 0 to 29. Without it, the coarsest whose cells reach at most half a pixel
            from their centre: they are 0.24 to 0.48 times as wide as a pixel, and a pixel has 4 to 17.

        Returns
        -------
        moc : `~mocpy.MOC`
            ICRS. Masked pixels are left out; a pixel that is flagged but has a value is in it. A cell belongs
            to it if its centre lies in a pixel with a value, so that its area is that of those pixels; the
            centre of each is covered. With a smaller `order` than that chosen without it, each cell that
            touches this one is taken: nothing is lost, but the area grows.

        Raises
        ------
        InputError
            If there is no celestial WCS, no pixel has a value, or mocpy is not installed.

        Examples
        --------
        >>> from euclid_resolved import read
        >>> moc = read("maps.fits")["stellar_age"].to_moc()  # doctest: +SKIP
        >>> moc.save("moc.fits")  # doctest: +SKIP
        """
        from euclid_resolved.maps._moc import cover

        has = np.isfinite(self.quantity.value)
        return cover(has.shape, lambda rows, columns: has[rows, columns], self.wcs, order, self.label)

    def _rows(self):
        flags = [f"{bit.name} {100 * self.fraction(bit):.1f} %" for bit in Quality if self.fraction(bit)]
        mask = np.zeros(1) if self.mask is None else np.asarray(self.mask, dtype=bool)
        return [
            ("", self.label),
            ("shape", str(self.data.shape)),
            ("unit", str(self.unit or "") or "dimensionless"),
            ("", describe_centre(self.wcs, self.data.shape)),
            ("masked", f"{100 * mask.mean():.1f} %"),
            ("quality", ", ".join(flags)),
        ]

    def __str__(self) -> str:
        """One line, where NDData would print the pixels."""
        known = ~np.isnan(self.quantity.value)
        y, x = self.data.shape
        text = f"{self.label or 'map'}, {x} x {y} pixels, "
        if not known.any():
            return f"{text}none with a value"
        low, middle, high = np.percentile(self.quantity.value[known], (16, 50, 84))
        values = f"median {middle:.3g}, 16 to 84 % {low:.3g} to {high:.3g} {self.unit or ''}".rstrip()
        return f"{text}{100 * known.mean():.1f} % with a value: {values}"

    # Last in the class: below it the name `property` is no longer the decorator.
    @property
    def property(self) -> Property | None:
        """The `~euclid_resolved.maps.Property` shown, or None, for example after a product."""
        name = self.meta.get("property")
        return None if name is None else get_property(name)


def _converted(data, kwargs):
    """Data in the unit asked for; NDData would relabel numbers that have one already."""
    unit, here = kwargs.get("unit"), getattr(data, "unit", None)
    if unit is None or here is None or u.Unit(unit) == here:
        return data, kwargs
    kwargs = {key: value for key, value in kwargs.items() if key != "unit"}
    if isinstance(data, SpatialMap):
        return data.to(unit), kwargs
    try:
        if isinstance(data, u.Quantity):
            return data.to(unit), kwargs
        if data.uncertainty is None:
            values = u.Quantity(data.data, here).to(unit)
            kept = {"mask": data.mask, "wcs": data.wcs, "meta": data.meta}
            return values, {**{key: value for key, value in kept.items() if value is not None}, **kwargs}
        return data.convert_unit_to(unit), kwargs
    except (AttributeError, u.UnitConversionError) as error:
        raise InputError(f"data in {here} cannot be taken in {unit}: {error}") from error

"""Arithmetic of maps: what NDData's own leaves out, and what NumPy may not do to a map."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Self

import astropy.units as u
import numpy as np
from astropy.nddata import NDArithmeticMixin, StdDevUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.maps._properties import get_property

# What a value of `meta` says about planes or errors that no longer hold after arithmetic.
_OF_PLANES = ("interval", "uncertainty")
# What pixels share of errors that have become others is not known.
_OF_ERRORS = ("shared_variance",)
_UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.power: operator.pow,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.absolute: operator.abs,
    np.square: lambda map_: map_**2,
    np.sqrt: lambda map_: map_**0.5,
}


class MapArithmetic(NDArithmeticMixin):
    """``+ - * / **`` with numbers, quantities, arrays and maps, from either side; masks and units are kept.

    The quality plane and the mask of the result are those of both; further planes and the interval stay
    after a product with a positive number, and go after anything else.
    """

    def _arithmetic(self, operation, operand, handle_meta="first_found", **kwargs):
        # NDData keeps the first WCS without a look at the second, and knows nothing of quality.
        wcs, other = self.wcs, getattr(operand, "wcs", None)
        if wcs is not None and other is not None and operand.data.shape == self.data.shape:
            offset = corner_offset(wcs, other, self.data.shape)
            if not offset <= 0.1:
                raise InputError(f"the maps' WCS are {offset:.2f} pixels apart; put them on one grid first")
        result, init = super()._arithmetic(operation, operand, handle_meta=handle_meta, **kwargs)
        shape = np.shape(result)
        meta = copy.deepcopy(init.get("meta") or {})
        if shape == self.data.shape:
            init["quality"] = self.quality | getattr(operand, "quality", 0)
            init["planes"] = self._scaled_planes(operation, operand)
        if not init.get("planes"):
            meta = {key: value for key, value in meta.items() if key not in _OF_PLANES}
        if not _scales(operation, operand):
            meta = {key: value for key, value in meta.items() if key not in _OF_ERRORS}
        unit = getattr(result, "unit", None) or u.dimensionless_unscaled
        name = meta.get("property")
        if name is not None and not unit.is_equivalent(get_property(name).unit):
            meta.pop("property")
        init["meta"] = meta
        return result, init

    def _scaled_planes(self, operation, operand):
        """The further planes after a product with a positive number; none after anything else."""
        if not _scales(operation, operand):
            return {}
        return {name: operation(plane, np.asarray(operand.data)) for name, plane in self.planes.items()}

    def __add__(self, other: Any) -> Self:
        return self.add(other)

    def __radd__(self, other: Any) -> Self:
        return self.add(other)

    def __sub__(self, other: Any) -> Self:
        return self.subtract(other)

    def __rsub__(self, other: Any) -> Self:
        return self.multiply(-1).add(other)

    def __mul__(self, other: Any) -> Self:
        return self.multiply(other)

    def __rmul__(self, other: Any) -> Self:
        return self.multiply(other)

    def __truediv__(self, other: Any) -> Self:
        return self.divide(other)

    def __rtruediv__(self, other: Any) -> Self:
        return (self**-1).multiply(other)

    def __neg__(self) -> Self:
        return self.multiply(-1)

    def __pos__(self) -> Self:
        return self.multiply(1)

    def __abs__(self) -> Self:
        return self._changed(np.abs(self.data), self.unit, None if self.uncertainty is None else 1.0)

    def __pow__(self, exponent: float) -> Self:
        if np.ndim(exponent) or not np.isreal(exponent):
            raise InputError(f"a map is raised to the power of one real number, got {exponent!r}")
        exponent = float(exponent)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(self.data, float) ** exponent
            slope = np.abs(exponent * np.asarray(self.data, float) ** (exponent - 1))
        unit = (self.unit or u.dimensionless_unscaled) ** exponent
        return self._changed(values, unit, slope)

    def _changed(self, values, unit, slope):
        """The map with other values; one sigma is multiplied by the slope."""
        lost = (*_OF_PLANES, *_OF_ERRORS)
        meta = {key: value for key, value in copy.deepcopy(self.meta).items() if key not in lost}
        name = meta.get("property")
        if name is not None and not (unit or u.dimensionless_unscaled).is_equivalent(get_property(name).unit):
            meta.pop("property")
        error = self.uncertainty
        error = None if error is None else StdDevUncertainty(np.asarray(error.array) * slope)
        mask = None if self.mask is None else np.array(self.mask)
        return type(self)(
            values,
            unit=unit,
            mask=mask,
            wcs=self.wcs,
            uncertainty=error,
            meta=meta,
            quality=self.quality.copy(),
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Arithmetic from the left (``2 * map``, ``quantity * map``); anything else says what to take."""
        done = _UFUNCS.get(ufunc)
        if done is None or method != "__call__" or kwargs:
            raise TypeError(
                f"np.{ufunc.__name__} would lose the unit or the mask of a map; give it map.quantity (NaN "
                "where masked) or map.quantity.value"
            )
        first = inputs[0]
        if not isinstance(first, MapArithmetic) and len(inputs) == 2:
            reflected: dict[np.ufunc, Callable[[Any], Any]] = {
                np.add: inputs[1].__radd__,
                np.subtract: inputs[1].__rsub__,
                np.multiply: inputs[1].__rmul__,
                np.true_divide: inputs[1].__rtruediv__,
            }
            return reflected.get(ufunc, _no_power)(first)
        return done(*inputs)

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> NoReturn:
        raise TypeError(
            f"np.{function.__name__} knows neither unit nor mask of a map; give it map.quantity (NaN where "
            "masked), or take map.total() or map.mean()"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            "as a plain array a map would lose its unit and its mask; take map.quantity (NaN where masked) "
            "or map.data"
        )


def _scales(operation, operand):
    """Whether this is a product with a positive number."""
    factor = getattr(operand, "data", None)
    scaling = operation in (np.multiply, np.true_divide) and factor is not None
    return scaling and not np.ndim(factor) and factor > 0


def _no_power(first):
    raise InputError("a number cannot be raised to the power of a map")

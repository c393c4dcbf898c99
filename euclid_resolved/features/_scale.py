"""Logarithms and min-max scaling: the one place where linear values become dex and come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.errors import DataWarning, InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Scale", "from_dex", "to_dex"]


_BLOCK = 1 << 15  # rows that are scaled at a time


def to_dex(values: ArrayLike) -> np.ndarray:
    """The decimal logarithm, as float32.

    Parameters
    ----------
    values : array_like
        Positive, finite numbers; the caller has flagged and removed all others.

    Returns
    -------
    dex : `~numpy.ndarray` of float32

    Examples
    --------
    >>> from euclid_resolved.features import to_dex
    >>> to_dex([1.0, 10.0])
    array([0., 1.], dtype=float32)
    """
    return np.log10(np.asarray(values, dtype=np.float32))


def from_dex(dex: ArrayLike) -> np.ndarray:
    """Linear values from decimal logarithms, as float32.

    Parameters
    ----------
    dex : array_like

    Returns
    -------
    values : `~numpy.ndarray` of float32
        Infinite where the value leaves float32.

    Examples
    --------
    >>> from euclid_resolved.features import from_dex
    >>> from_dex([0.0, 2.0])
    array([  1., 100.], dtype=float32)
    """
    with np.errstate(over="ignore"):
        return np.power(np.float32(10), np.asarray(dex, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Scale:
    """Min-max scaling to [0, 1] with the range of the training set (the paper's equation 1).

    Attributes
    ----------
    minimum, maximum : `~numpy.ndarray`
        float64, one value a column.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features import Scale
    >>> scale = Scale(np.float32(0.0), np.float32(4.0))
    >>> scale.apply(np.array([0.0, 1.0, 5.0], np.float32))
    array([0.  , 0.25, 1.25], dtype=float32)
    >>> scale.invert(np.array([0.5], np.float32))
    array([2.], dtype=float32)
    """

    minimum: np.ndarray
    maximum: np.ndarray

    def __post_init__(self) -> None:
        for name in ("minimum", "maximum"):
            value = np.atleast_1d(np.asarray(getattr(self, name), dtype=np.float64))
            object.__setattr__(self, name, read_only(value))
        if self.minimum.ndim != 1 or self.minimum.shape != self.maximum.shape:
            raise InputError("a scale needs as many minima as maxima")
        if not (np.isfinite(self.minimum) & np.isfinite(self.maximum) & (self.minimum <= self.maximum)).all():
            raise InputError("a scale needs finite minima that are not above its maxima")

    @classmethod
    def of(cls, values: np.ndarray, names: Sequence[str] = ()) -> Self:
        """The scale of a training set.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Shape (n, k) or (n,).
        names : sequence of str, optional
            The columns' names, for the warning about one that does not vary.

        Returns
        -------
        scale : `Scale`
        """
        values = values[:, None] if values.ndim == 1 else values
        scale = cls(values.min(axis=0), values.max(axis=0))
        constant = np.flatnonzero(scale.minimum == scale.maximum)
        if constant.size:
            import warnings

            which = ", ".join(names[i] if names else str(i) for i in constant.tolist())
            warnings.warn(f"constant in the whole training set: {which}", DataWarning, stacklevel=3)
        return scale

    def __repr__(self) -> str:
        ranges = [f"{low:.3g} to {high:.3g}" for low, high in zip(self.minimum, self.maximum, strict=True)]
        return f"<Scale {', '.join(ranges[:12])}{', ...' if len(ranges) > 12 else ''}>"

    @property
    def _width(self) -> np.ndarray:
        # A constant column scales to 0 instead of dividing by zero.
        width = self.maximum - self.minimum
        return np.where(width > 0, width, 1.0)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scale to [0, 1]; values outside the training range leave that interval.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Shape (n, k), or (n,) for a scale of one column.

        Returns
        -------
        scaled : `~numpy.ndarray` of float32
        """
        scaled, width = np.empty(np.shape(values), np.float32), self._width
        # Some rows at a time: between here and there they are numbers of twice the size.
        for start in range(0, len(scaled), _BLOCK):
            rows = slice(start, start + _BLOCK)
            scaled[rows] = (values[rows] - self.minimum) / width
        return scaled

    def invert(self, scaled: ArrayLike) -> np.ndarray:
        """Undo `apply`.

        Parameters
        ----------
        scaled : `~numpy.ndarray`

        Returns
        -------
        values : `~numpy.ndarray` of float32
        """
        return (np.asarray(scaled, np.float64) * self._width + self.minimum).astype(np.float32)

"""The record of a band's noise: how neighbours are correlated, and which errors all pixels share.

It is the entry ``"noise"`` in the meta of a band, plain numbers and arrays, and has up to two parts:

``correlation``
    An array with an odd number of rows and columns: the correlation of the noise of two pixels (dy, dx)
    apart, counted from its centre, which is 1. Without it, pixels are as independent as the uncertainty says.
    Of an image with ``meta["bins"]`` it is that of bins so many bins apart.
``common``
    By name, an error that all pixels share: ``level`` (MJy/sr, the same everywhere) or ``relative`` (a part
    of the brightness), and ``all_bands``, whether all bands are off together.

The uncertainty of a band holds all of it; the common part is taken out before pixels are averaged and put
back after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import StdDevUncertainty

if TYPE_CHECKING:
    import astropy.units as u
    from astropy.nddata import NDData

KEY = "noise"


def one_sigma(nddata: NDData, unit: u.UnitBase | None) -> np.ndarray | None:
    """One sigma of an NDData as it is: NaN or infinite where it is not known.

    Parameters
    ----------
    nddata : `~astropy.nddata.NDData`
    unit : `~astropy.units.Unit` or None
        Of the result; None leaves it in the unit of the data.

    Returns
    -------
    sigma : `~numpy.ndarray` or None
        Shape of the data, not to be written to; None where there is no uncertainty.

    Raises
    ------
    TypeError, `~astropy.units.UnitConversionError`
        If the uncertainty is of a kind or unit that cannot be told as one sigma.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import InverseVariance, NDData
    >>> from euclid_resolved.images._noise_record import one_sigma
    >>> one_sigma(NDData(np.ones((1, 2)), uncertainty=InverseVariance(np.array([[4.0, 0.0]]))), None)
    array([[0.5, inf]])
    """
    error = nddata.uncertainty
    if error is None or error.array is None:
        return None
    if not isinstance(error, StdDevUncertainty):  # astropy would square it and take the root again
        with np.errstate(all="ignore"):  # an inverse variance of zero is no data
            error = error.represent_as(StdDevUncertainty)
    given, wanted = error.unit or nddata.unit, unit or nddata.unit
    factor = 1.0 if given is None or wanted is None else given.to(wanted)
    array = np.asarray(error.array) if factor == 1 else np.asarray(error.array, np.float64) * factor
    return np.broadcast_to(array, np.shape(nddata.data))


def correlation_of(meta: Mapping[str, Any]) -> np.ndarray:
    """The correlation in the meta of a band; one number, 1, where there is none.

    Examples
    --------
    >>> from euclid_resolved.images._noise_record import correlation_of
    >>> correlation_of({})
    array([[1.]])
    """
    found = meta.get(KEY, {}).get("correlation")
    return np.ones((1, 1)) if found is None else np.asarray(found, np.float64)


def common_sigma(data: np.ndarray, common: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    """One sigma of the errors that all pixels share.

    Parameters
    ----------
    data : `~numpy.ndarray`
        MJy/sr.
    common : dict
        The part of that name of a record.

    Returns
    -------
    sigma : `~numpy.ndarray`
        MJy/sr; 0 where the data are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._noise_record import common_sigma
    >>> common_sigma(np.array([0.0, 10.0]), {"sky": {"level": 0.3}, "dust": {"relative": 0.04}})
    array([0.3, 0.5])
    """
    light = np.where(np.isfinite(data), data, 0.0)
    variance = np.zeros(np.shape(data))
    for each in common.values():
        variance += each.get("level", 0.0) ** 2 + (each.get("relative", 0.0) * light) ** 2
    return np.sqrt(variance)


def with_record(
    meta: Mapping[str, Any],
    correlation: np.ndarray | None = None,
    common: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The meta of a band with a new record of its noise, and without one where there is nothing to say."""
    new = {key: value for key, value in meta.items() if key != KEY}
    record: dict[str, Any] = {}
    if correlation is not None and np.size(correlation) > 1:
        record["correlation"] = np.asarray(correlation, np.float32)
    if common:
        record["common"] = {name: dict(each) for name, each in common.items()}
    return {**new, KEY: record} if record else new

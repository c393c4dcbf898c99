"""The values of pixels as they are handed in: by name, as plain numbers of one unit, NaN where masked."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from euclid_resolved._checks import did_you_mean
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS


def values_in(what, values, unit=SURFACE_BRIGHTNESS):
    """The values of pixels as plain numbers of a unit; everything that is handed in comes through here.

    Parameters
    ----------
    what : str
        What they are, for messages.
    values : array_like, `~astropy.units.Quantity`, column of a table or `~astropy.nddata.NDData`
        Any of them may be masked. Without a unit the values are in `unit`.
    unit : `~astropy.units.Unit`, optional

    Returns
    -------
    values : `~numpy.ndarray`
        Of floats: what was given, where that is an array of them in `unit` without a masked pixel. NaN where
        masked.

    Raises
    ------
    InputError
        If they have a unit of another kind, or are no real numbers.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved.images._values import values_in
    >>> values_in("band IE", [2e6, 3e6] * u.Jy / u.sr)
    array([2., 3.])
    >>> values_in("band IE", np.ma.masked_less([0.1, 5.0], 1))
    array([nan,  5.])
    """
    if isinstance(values, list | tuple):
        values = _together(what, values)
    own, mask = getattr(values, "unit", None), None
    if isinstance(values, NDData):
        values, mask = values.data, values.mask
    elif not isinstance(values, np.ndarray):
        own = None  # only astropy's arrays mean by a unit what is meant here
    if mask is None:
        mask = np.ma.getmask(values) if np.ma.isMaskedArray(values) else getattr(values, "mask", None)
        mask = None if mask is np.ma.nomask or callable(mask) else mask
    plain = getattr(values, "unmasked", values)
    plain = plain.view(np.ndarray) if _is_dressed(plain) else np.asanyarray(plain)
    if plain.dtype.kind not in "fiu":
        raise InputError(f"{what}: real numbers are needed, got dtype {plain.dtype}")
    if plain.dtype.kind != "f":
        plain = plain.astype(np.float64)
    if own is not None and own != unit:
        try:
            # Of the values, not of 1: a logarithmic unit has no factor.
            plain = np.asarray(u.Unit(own).to(unit, plain))
        except (u.UnitsError, TypeError, ValueError):
            given, needed = (each.to_string() or "no unit (dimensionless)" for each in (u.Unit(own), unit))
            raise InputError(f"{what} is given in {given}, which is never {needed}") from None
    if mask is not None and np.any(mask):
        plain = np.array(plain)
        plain[np.broadcast_to(mask, plain.shape)] = np.nan
    return plain


def _together(what, values):
    """A list as an array: one of quantities keeps their unit, a masked number in it is none."""
    try:
        if any(isinstance(value, u.Quantity) for value in values):
            return u.Quantity(values)
        return np.asarray([np.nan if value is np.ma.masked else value for value in values])
    except (u.UnitsError, TypeError, ValueError) as error:
        raise InputError(f"{what}: numbers of one unit and one shape are needed: {error}") from error


def _is_dressed(values):
    """Whether an array is one with a unit, a mask or a name, of which only the numbers are wanted."""
    return isinstance(values, np.ndarray) and (np.ma.isMaskedArray(values) or hasattr(values, "unit"))


def by_name(given, what, kinds):
    """Columns by name, from whatever holds them.

    Parameters
    ----------
    given : mapping, `~astropy.table.Table` or structured array
    what : str
        What is made of them, for the message.
    kinds : str
        What is possible.

    Returns
    -------
    columns : dict
        What the container holds, as it is.

    Raises
    ------
    InputError
        If it holds no columns.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._values import by_name
    >>> catalogue = np.array([(1.0, 2.0)], dtype=[("IE", "f4"), ("HE", "f4")])
    >>> list(by_name(catalogue, "features are made", "arrays by band"))
    ['IE', 'HE']
    """
    names = getattr(getattr(given, "dtype", None), "names", None)
    if names is None and (isinstance(given, Mapping) or callable(getattr(given, "keys", None))):
        names = list(given.keys())
    if not names:
        raise InputError(f"{what} of {kinds}; got {type(given).__name__}")
    return {name: given[name] for name in names}


def brightness_of(given, bands=None, what="features are made"):
    """Surface brightness by band, as plain arrays in MJy/sr, NaN where masked.

    Parameters
    ----------
    given : `~euclid_resolved.MultiBandImage`, mapping of str to array_like, table or structured array
        Values without a unit are in MJy/sr.
    bands : sequence of str, optional
        Which, in this order; all that are there without it.
    what : str, optional
        What is made of them, for messages.

    Returns
    -------
    brightness : dict of str to `~numpy.ndarray`

    Raises
    ------
    InputError
        If it holds no bands or lacks one, or for what `values_in` refuses.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from euclid_resolved.images._values import brightness_of
    >>> brightness_of(QTable({"IE": [1.0] * u.MJy / u.sr, "HE": [500.0] * u.kJy / u.sr}))
    {'IE': array([1.]), 'HE': array([0.5])}
    """
    given = by_name(given, what, "a MultiBandImage, or of arrays by band")
    missing = [band for band in bands or () if band not in given]
    if missing:
        there = [name for name in given if isinstance(name, str)]
        hint = did_you_mean(missing[0], there)
        wanted = f"the model needs the brightness in {', '.join(bands)}"
        raise InputError(f"{wanted}; {', '.join(missing)} not given{hint}")
    light = {band: values_in(f"band {band}", given[band]) for band in (given if bands is None else bands)}
    sizes = {band: np.size(values) for band, values in light.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(f"every band needs as many pixels, got {sizes}")
    return light

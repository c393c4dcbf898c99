"""A true map as it is handed in, in the unit of the property that it is asked for."""

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.images._values import values_in
from euclid_resolved.maps._properties import KNOWN
from euclid_resolved.maps._spatial_map import SpatialMap


def true_map(name, given, of=""):
    """A true map of a property.

    Parameters
    ----------
    name : str
        The property. Maps under other names are not looked at.
    given : `SpatialMap`, `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array_like
        Without a unit the values are in that of the property.
    of : str, optional
        The galaxy, for messages.

    Returns
    -------
    map : `SpatialMap`
        In the property's unit; what was given where it is that already.

    Raises
    ------
    InputError
        If it shows another property, its unit is of another kind, or it is no 2-D map of numbers.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.maps._true_map import true_map
    >>> print(true_map("stellar_age", [[4e9, 5e9]] * u.yr).quantity)
    [[4. 5.]] Gyr
    """
    if name not in KNOWN:
        return given
    prop, who = KNOWN[name], f"{of}: " if of else ""
    shown = given.meta.get("property") if isinstance(given, NDData) else None
    if shown not in (None, name):
        raise InputError(f"{who}the map given as {name} shows {shown}")
    if isinstance(given, SpatialMap) and shown and isinstance(given.unit, u.UnitBase):
        return given if given.unit == prop.unit else given.to(prop.unit)
    values = values_in(f"{who}the map of {name}", given, prop.unit)
    if np.ndim(values) != 2:
        raise InputError(f"{who}the map of {name} must be 2-D, got shape {np.shape(values)}")
    kept = {"wcs": given.wcs, "meta": dict(given.meta)} if isinstance(given, NDData) else {}
    if isinstance(given, SpatialMap):
        kept["quality"] = given.quality
    return SpatialMap(values, property=name, unit=prop.unit, **kept)


def log_stellar_mass(density):
    """log10 of the stellar mass of a whole map, in solar masses.

    Parameters
    ----------
    density : `SpatialMap`
        Of stellar mass surface density, with the size of its own pixels.

    Returns
    -------
    log_mass : float
        The sum of the pixels times the area of each. Pixels that are masked or not positive count as empty.
        NaN where none is left, or a pixel has no length.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.maps._true_map import log_stellar_mass
    >>> density = np.array([[90.0, 10.0], [np.nan, 0.0]]) * u.Msun / u.pc**2
    >>> name = "stellar_mass_density"
    >>> print(log_stellar_mass(SpatialMap(density, property=name, meta={"pixel_scale": 100 * u.pc})))
    6.0
    """
    values = np.asarray(density.data, float)
    kept = values > 0 if density.mask is None else (values > 0) & ~np.asarray(density.mask, bool)
    scale = pixel_scale(density)
    if not kept.any() or not scale.unit.is_equivalent("pc"):
        return np.nan
    return float(np.log10(values[kept].sum() * density.unit.to("Msun / pc2") * scale.to_value("pc") ** 2))

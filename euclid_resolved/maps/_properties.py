"""The physical properties that can be mapped: name, unit, symbol and file names."""

from __future__ import annotations

from dataclasses import dataclass

import astropy.units as u

from euclid_resolved._checks import did_you_mean
from euclid_resolved.errors import InputError

__all__ = ["PROPERTIES", "Property", "SOLAR_METALLICITY", "get_property"]


SOLAR_METALLICITY = 0.02
"""Solar metallicity as a mass fraction (the paper's normalisation, Sect. 2.3)."""


@dataclass(frozen=True)
class Property:
    """A physical property of the stars, or of the dust, in a pixel.

    Attributes
    ----------
    name : str
        The name in Python, in files and on the command line.
    label : str
        The name in words.
    symbol : str
        The symbol as TeX, without dollar signs.
    unit : `~astropy.units.Unit`
        The linear unit of its maps.
    atlas : str
        The name of its map in the files of the TNG50-SKIRT Atlas.
    zero_point : float
        The value that figures divide by before taking the logarithm (solar metallicity, else 1).
    density : bool
        Whether the property is per area, so that a total is a sum over area and an average is by area.
    sparse : bool
        Whether a pixel with stars may have none of it. Such a pixel has no logarithm, and does not count for
        this property, but does for others. A pixel without any other property counts for none.

    Examples
    --------
    >>> from euclid_resolved import PROPERTIES
    >>> for prop in PROPERTIES.values():
    ...     print(f"{prop.label} [{prop.unit}]: {'adds up over area' if prop.density else 'a mean'}")
    stellar mass surface density [solMass / pc2]: adds up over area
    mass-weighted stellar metallicity []: a mean
    mass-weighted stellar age [Gyr]: a mean
    """

    name: str
    label: str
    symbol: str
    unit: u.UnitBase
    atlas: str
    zero_point: float = 1.0
    density: bool = False
    sparse: bool = False


PROPERTIES = {
    p.name: p
    for p in (
        Property("stellar_mass_density", "stellar mass surface density", r"\Sigma_\star", u.Msun / u.pc**2,
                 "stellarmass", density=True),
        Property("stellar_metallicity", "mass-weighted stellar metallicity", r"Z_\star",
                 u.dimensionless_unscaled, "stellarmetallicity", zero_point=SOLAR_METALLICITY),
        Property("stellar_age", "mass-weighted stellar age", r"t_\star", u.Gyr, "stellarage"),
    )
}  # fmt: skip
"""The properties of the paper, by name."""

DUST = Property(
    "dust_mass_density",
    "dust mass surface density",
    r"\Sigma_\mathrm{dust}",
    u.Msun / u.pc**2,
    "dustmass",
    density=True,
    sparse=True,
)
"""What the atlas has a map of beside those of the stars."""

KNOWN = {**PROPERTIES, DUST.name: DUST}
"""All properties that can be asked for by name; "all" are those of the paper."""


def get_property(name: str | Property) -> Property:
    """Look a property up.

    Parameters
    ----------
    name : str or `Property`
        The name, or the property itself.

    Returns
    -------
    property : `Property`

    Raises
    ------
    InputError
        If the name is not known.

    Examples
    --------
    >>> from euclid_resolved.maps import get_property
    >>> metallicity = get_property("stellar_metallicity")
    >>> metallicity.zero_point  # what counts as solar, as a mass fraction
    0.02
    """
    if isinstance(name, Property):
        return name
    try:
        return KNOWN[name]
    except (KeyError, TypeError):
        known = ", ".join(KNOWN)
        hint = did_you_mean(name, KNOWN)
        raise InputError(f"unknown property {name!r}; known are {known}{hint}") from None

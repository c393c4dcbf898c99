"""From the sky to the galaxy: rest-frame surface brightness and physical pixels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.imaging._steps import new_image, planes, record_of

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["set_distance"]


def set_distance(
    image: MultiBandImage,
    *,
    redshift: float | None = None,
    distance: u.Quantity | None = None,
    cosmology: FLRW | None = None,
) -> MultiBandImage:
    """Undo the dimming by redshift and give the pixels a physical size.

    The surface brightness I_nu of a galaxy at redshift z is (1+z)^-3 of what it is nearby: the image is
    multiplied by (1+z)^3. There is no K-correction: the bands then show slightly bluer light than their
    names say, by a factor 1+z.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        With a celestial WCS, or the angle of a pixel in ``meta["pixel_scale"]``.
    redshift : float, optional
        With it alone the distance is that of the cosmology, which peculiar velocities make useless below
        z of about 0.01: give a measured distance there.
    distance : `~astropy.units.Quantity`, optional
        A length, taken as the angular-diameter distance. A redshift beside it is used for the dimming only;
        a `DataWarning` says so where no galaxy at that redshift has this distance.
    cosmology : `~astropy.cosmology.FLRW`, optional
        `~astropy.cosmology.Planck15`, that of the IllustrisTNG simulations, without it.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        ``meta["pixel_scale"]`` is the side of a pixel in pc, ``meta["distance"]`` the angular-diameter
        distance, ``meta["redshift"]`` the redshift, where it was given. Mask as before; the uncertainty is
        multiplied like the data.

    Raises
    ------
    InputError
        If neither is given, a value makes no sense, the angle of a pixel is not known, or the image has
        a distance already.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.imaging import set_distance
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> image.meta["pixel_scale"] = 0.1 * u.arcsec
    >>> near = set_distance(image, redshift=0.01, distance=40 * u.Mpc)
    >>> brighter = near["HE"].data[0, 0] / image["HE"].data[0, 0]
    >>> print(f"a pixel is {near.meta['pixel_scale']:.1f} wide, and brighter by {brighter:.3f}")
    a pixel is 19.4 pc wide, and brighter by 1.030
    """
    bands = planes(image)
    if record_of(image, "distance") is not None:
        raise InputError("the image has a distance already; start again from the image as it was read")
    scale = pixel_scale(image)
    if not scale.unit.is_equivalent(u.rad) or scale.unit == u.dimensionless_unscaled:
        raise InputError(
            f"a pixel has a side of {scale}; an angle is needed: a celestial WCS, or meta['pixel_scale']"
        )
    if redshift is None and distance is None:
        raise InputError("give a redshift, a distance, or both")
    z = 0.0 if redshift is None else _number(redshift)
    if not -0.01 < z < 20:
        raise InputError(f"{redshift} is no redshift of a galaxy")
    name = ""
    if distance is None:
        if not z > 0:
            raise InputError(f"redshift {redshift} gives no distance; give distance= as well")
        cosmology = _or_planck(cosmology)
        name = str(cosmology.name)
        distance = _length(cosmology.angular_diameter_distance(z))
    else:
        distance = _length(distance)
        if redshift is not None:
            _compare(z, distance, _or_planck(cosmology))
    side = (distance * scale.to_value(u.rad)).to(u.pc)
    brighter = (1 + z) ** 3
    for plane in bands.values():
        plane.multiply(brighter)
    settings = {"redshift": None if redshift is None else z, "cosmology": name}
    measured = {"distance_mpc": distance.to_value(u.Mpc), "pixel_pc": side.value, "factor": brighter}
    meta = {"pixel_scale": side, "distance": distance}
    if redshift is not None:
        meta["redshift"] = z
    return new_image(image, bands, "distance", settings, measured, meta=meta)


def _or_planck(cosmology):
    from astropy.cosmology import Planck15

    return cosmology or Planck15


def _compare(z, distance, cosmology):
    """Warn of a distance that no galaxy at this redshift has: the one or the other was mistyped."""
    # Galaxies move by a thousand km/s beside the expansion, and distances are off by half at most.
    low, high = (cosmology.comoving_distance(max(each, 0)) / (1 + z) for each in (z - 0.0033, z + 0.0033))
    if not low / 1.5 <= distance <= 1.5 * high:
        warnings.warn(
            f"redshift {z:g} is that of {low.value:.3g} to {high.value:.3g} Mpc, and the distance that is "
            f"given is {distance:.4g}: the brightness follows the one, the size of a pixel the other",
            DataWarning,
            stacklevel=3,
        )


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"a redshift is a plain number, got {value!r}") from None


def _length(distance):
    distance = u.Quantity(distance)
    if not distance.isscalar or not distance.unit.is_equivalent(u.Mpc):
        raise InputError(f"distance must be one length, for example 20 * u.Mpc; got {distance}")
    # A plain Quantity: files know no subclasses such as Distance.
    distance = u.Quantity(distance.to(u.Mpc), subok=False)
    if not 0 < distance.value < np.inf:
        raise InputError(f"distance must be positive, got {distance}")
    return distance

"""What one unit of the pixel values of a file means: a zero point, a unit, or neither."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.io._fits_read import first_card, header_unit

if TYPE_CHECKING:
    from astropy.io import fits

AB_ZERO = 3631 * u.Jy
ZERO_POINTS = ("MAGZERO", "MAGZP", "ZP_STACK", "ZPAB")
CONSISTENT = 0.01
"""Magnitudes: a zero point this close to the one that follows from BUNIT says the same."""

ABSURD_RMS, ABSURD_RATIO = 1e12, 1e6
"""Noise maps hold 1e16 where there are no data. The first limit is for images that are mostly empty, whose
median would be that value; the second, how far from the median noise can be, for maps in other units."""

# What astropy does not know and what is no count, for all that MAGZERO may stand beside it.
NO_COUNTS = re.compile(r"mag|jy|jansky|erg|watt|beam|kelvin|flam|fnu|angstrom", re.IGNORECASE)
COUNTS = (u.adu, u.electron, u.ct, u.ph, u.DN, u.dimensionless_unscaled)
PER_PIXEL = (u.Jy, u.Jy / u.pix)
# The power of a value that one sigma is.
POWERS = {"RMS": 1.0, "VAR": 0.5, "IVAR": -0.5, "WHT": -0.5}


def check_zero_point(value: Any) -> float:
    """A zero point as a float, or an `InputError` if it can be none."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise InputError(f"a zero point is a plain number in AB magnitudes, not {value!r}") from None
    if not abs(value) <= 50:
        raise InputError(f"{value} is no zero point in AB magnitudes")
    return value


def need_zero_point(band: str) -> str:
    """What to do about a zero point that is missing or in doubt."""
    return (
        f"give zero_point={{{band!r}: ...}} or --zero-point {band}=..., the AB magnitude of one unit of the "
        "pixel values"
    )


@dataclass(frozen=True)
class Calibration:
    """What the pixel values of a band mean.

    Attributes
    ----------
    factor : float
        MJy/sr for one unit of the pixel values.
    zero_point : float or None
        AB; None where the file is in surface brightness.
    said : float or None
        The zero point in the image's header.
    unit : `~astropy.units.Unit` or None
        What BUNIT says, if it says anything.
    area : function
        Gives the solid angle of a pixel in sr.
    """

    factor: float
    zero_point: float | None
    said: float | None
    unit: u.UnitBase | None
    area: Callable[[], float]


def calibrate(
    path: str | Path,
    band: str,
    headers: Sequence[fits.Header],
    given: Mapping[str | None, float],
    area: Callable[[], float],
) -> Calibration:
    """What the pixel values of a band mean, from its headers and what the user said.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    band : str
    headers : list of `~astropy.io.fits.Header`
        That of the image first.
    given : dict
        Zero points by band; the one under None is for bands whose files do not say what they hold.
    area : function
        Gives the solid angle of a pixel in sr.

    Returns
    -------
    calibration : `Calibration`

    Raises
    ------
    ImageFileError
        If the meaning is not known, or two headers contradict each other.
    """
    bunit = _unit_of(headers)
    unit = u.adu if bunit is None else bunit
    if re.search("mag", str(unit), re.IGNORECASE):
        hint = "make it linear first: 10 ** (-0.4 * magnitude), and its unit; faint pixels are lost in it"
        raise ImageFileError(path, f"band {band} is in magnitudes (BUNIT {unit})", hint)
    said, chosen = _said(path, band, headers, given), given.get(band)
    if chosen is None and said is None and not unit.is_equivalent(SURFACE_BRIGHTNESS):
        chosen = given.get(None)
    if chosen is not None:
        return Calibration(_from_zero_point(chosen, area), chosen, said, bunit, area)
    if unit.is_equivalent(SURFACE_BRIGHTNESS):
        factor = unit.to(SURFACE_BRIGHTNESS)
        if said is not None:
            follows = -2.5 * np.log10(factor / AB_ZERO.to_value(u.MJy) * area())
            _refuse_contradiction(path, band, unit, said, follows)
        return Calibration(factor, None, said, bunit, area)
    if said is None:
        what = f"band {band} has no zero point ({', '.join(ZERO_POINTS)}; 0 is none) and BUNIT is "
        what += "missing" if bunit is None else str(bunit)
        hint = need_zero_point(band)
        if (follows := _of_pixel(unit)) is not None:
            hint += f"; for {unit} in every pixel that is {follows:.2f}"
        raise ImageFileError(path, what, hint)
    if not is_counts(unit):
        _refuse_contradiction(path, band, unit, said, _of_pixel(unit))
    return Calibration(_from_zero_point(said, area), said, said, bunit, area)


def _unit_of(headers):
    return next((unit for header in headers if (unit := header_unit(header)) is not None), None)


def _said(path, band, headers, given):
    """The zero point in the headers, or None; what can be none does not matter if the user gave another."""
    cards = (([header], key) for key in ZERO_POINTS for header in headers)
    # 0 is what programs write that do not know it.
    found = next((card for place, key in cards if not _blank(card := first_card(place, key))), None)
    try:
        return None if found is None else check_zero_point(found)
    except InputError as error:
        if given.get(band) is not None or given.get(None) is not None:
            return None
        raise ImageFileError(path, f"band {band}: {error}", need_zero_point(band)) from None


def _blank(card):
    try:
        return card is None or float(card) == 0
    except (TypeError, ValueError):
        return False


def is_counts(unit: u.UnitBase) -> bool:
    """Whether a unit is one of counts, whose meaning only a zero point tells; unknown ones may be."""
    if isinstance(unit, u.UnrecognizedUnit):
        return not NO_COUNTS.search(str(unit))
    per = (u.dimensionless_unscaled, 1 / u.s, 1 / u.pix, 1 / u.s / u.pix)
    return any(unit.is_equivalent(count * rate) for count in COUNTS for rate in per)


def _of_pixel(unit):
    """The zero point of flux in every pixel, or None for other units."""
    for flux in PER_PIXEL:
        if unit.is_equivalent(flux):
            return float(-2.5 * np.log10(unit.to(flux) / AB_ZERO.to_value(u.Jy)))
    # A maggy is the flux of magnitude zero.
    return float(-2.5 * np.log10(unit.to(u.mgy))) if unit.is_equivalent(u.mgy) else None


def _refuse_contradiction(path, band, unit, said, follows):
    if follows is None:
        what = f"band {band} has BUNIT {unit}, which is no count, and a zero point, {said}"
        raise ImageFileError(path, what, f"convert it to MJy/sr or to Jy/pix; or {need_zero_point(band)}")
    if not abs(said - follows) <= CONSISTENT:
        what = f"band {band} has BUNIT {unit} and a zero point, {said}: only one can be true"
        hint = f"from BUNIT follows {follows:.2f}; {need_zero_point(band)}, or remove the wrong keyword"
        raise ImageFileError(path, what, hint)


def _from_zero_point(zero_point, area):
    return AB_ZERO.to_value(u.MJy) * 10 ** (-0.4 * zero_point) / area()


@dataclass(frozen=True)
class NoiseScale:
    """What turns the values of a noise map into one sigma.

    Attributes
    ----------
    power : float
        One sigma is the value to this power, in the unit of `factor`.
    factor : float
        MJy/sr.
    """

    power: float
    factor: float

    def sigma(self, values: np.ndarray) -> np.ndarray:
        """One sigma, not yet in MJy/sr: float32, NaN where it is not possible."""
        with np.errstate(all="ignore"):
            sigma = values if self.power == 1 else np.where(values > 0, values, np.nan) ** self.power
            sigma = np.array(sigma, dtype=np.float32)
            sigma[~(np.isfinite(sigma) & (sigma > 0) & (sigma < ABSURD_RMS))] = np.nan
        return sigma


def noise_scale(
    path: str | Path, band: str, kind: str, headers: Sequence[fits.Header], image: Calibration
) -> NoiseScale:
    """What the values of a noise map mean, from its own headers and else from those of the image.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    band : str
    kind : str
        One of `NOISE`.
    headers : list of `~astropy.io.fits.Header`
        Of the noise map.
    image : `Calibration`
        Of the image.

    Returns
    -------
    scale : `NoiseScale`

    Raises
    ------
    ImageFileError
        If its unit is no unit of such a map.
    """
    power, unit, own = POWERS[kind], _unit_of(headers), _said(path, band, headers, {})
    if unit is not None and isinstance(unit, u.UnrecognizedUnit):
        if NO_COUNTS.search(str(unit)):
            raise ImageFileError(path, f"the {kind} map of band {band} has BUNIT {unit}, which is not known")
        unit = None  # counts of some kind, which nothing tells from those of the image
    if unit is not None:
        if power == 1 and not _is_sigma(unit) and _is_sigma(unit**0.5):
            power = 0.5  # nobody writes a square into BUNIT by mistake
        unit = unit**power
        if not _is_sigma(unit):
            what = f"the {kind} map of band {band} has BUNIT {unit ** (1 / power)}"
            need = {1.0: "that of the image", 0.5: "its square", -0.5: "one over its square"}[power]
            raise ImageFileError(path, what, f"needed is {need}, or no BUNIT: then it is taken to be so")
        if unit.is_equivalent(SURFACE_BRIGHTNESS):
            return NoiseScale(power, unit.to(SURFACE_BRIGHTNESS))
        if (follows := _of_pixel(unit)) is not None:
            return NoiseScale(power, _from_zero_point(follows, image.area))
    if own is not None and own != image.said:
        return NoiseScale(power, _from_zero_point(own, image.area))
    factor = 1.0
    if unit is not None and image.unit is not None and not isinstance(image.unit, u.UnrecognizedUnit):
        if not unit.is_equivalent(image.unit):
            what = f"the {kind} map of band {band} is in {unit}, the image in {image.unit}"
            hint = "the map needs the image's unit, or a zero point of its own (MAGZERO)"
            raise ImageFileError(path, what, hint)
        factor = unit.to(image.unit)
    return NoiseScale(power, image.factor * factor)


def _is_sigma(unit):
    return is_counts(unit) or unit.is_equivalent(SURFACE_BRIGHTNESS) or _of_pixel(unit) is not None

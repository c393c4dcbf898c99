"""The built-in instruments, registered as a plugin's would be, and what is wrong with one that is offered."""

from __future__ import annotations

from collections import Counter

import astropy.units as u
import numpy as np

from euclid_resolved.images._band import Band, all_names, plain
from euclid_resolved.images._bands import INSTRUMENTS
from euclid_resolved.plugins._offers import also_named, hookimpl, wrong_with


@hookimpl
def register_instruments() -> dict[str, tuple[Band, ...]]:
    """Euclid, and what is observed beside it from the ground."""
    return dict(INSTRUMENTS)


@also_named("instruments")
def names_of_bands(instrument: tuple[Band, ...]) -> set[str]:
    """The names that no other instrument may have."""
    return set().union(*map(all_names, instrument))


@wrong_with("instruments")
def wrong_instrument(value: object) -> str:
    """Why something is no instrument, that is a sequence of bands; empty for one.

    Examples
    --------
    >>> from euclid_resolved.images._builtin import wrong_instrument
    >>> wrong_instrument("g")
    'str is offered, a sequence of euclid_resolved.Band is needed'
    """
    if not isinstance(value, list | tuple) or not all(isinstance(band, Band) for band in value):
        what = value.__name__ if isinstance(value, type) else type(value).__name__
        return f"{what} is offered, a sequence of euclid_resolved.Band is needed"
    if not value:
        return "it has no band"
    for band in value:
        wrong = _wrong_band(band)
        if wrong:
            return wrong
    claims = Counter(name for band in value for name in all_names(band))
    for name, count in claims.items():
        if count > 1:
            both = " and ".join(band.name for band in value if name in all_names(band))
            return f"the bands {both} have both the name {name!r}"
    return ""


def _wrong_band(band):
    if not isinstance(band.name, str) or not band.name.strip() or not band.name.isprintable():
        return f"the name of a band is a text, got {band.name!r}"
    label = f"band {band.name}:"
    for name in ("atlas", "mer"):
        if not isinstance(getattr(band, name), str | None):
            return f"{label} {name} is a text or None, got {getattr(band, name)!r}"
    if not isinstance(band.aliases, tuple) or not all(isinstance(a, str) and plain(a) for a in band.aliases):
        return f"{label} aliases is a tuple of texts, got {band.aliases!r}"
    return (
        _wrong_quantity(label, "pivot", band.pivot, u.AA, "a wavelength")
        or _wrong_quantity(label, "edges", band.edges, u.AA, "two wavelengths", (2,))
        or _wrong_edges(label, band)
        or _wrong_passband(label, band.passband)
        or _wrong_optional(label, band)
    )


def _wrong_quantity(label, name, value, unit, what, shape=()):
    units = unit if isinstance(unit, tuple) else (unit,)
    if value is None:
        return f"{label} {name} is missing: {what} is needed"
    if not isinstance(value, u.Quantity) or not any(value.unit.is_equivalent(each) for each in units):
        names = " or ".join(str(each) for each in units)
        return f"{label} {name} is {what} with a unit such as {names}, got {value!r}"
    if value.shape != shape or not np.all(np.isfinite(value.value)) or not np.all(value.value > 0):
        return f"{label} {name} is {what}, positive and finite, got {value!r}"
    return ""


def _wrong_edges(label, band):
    if not band.edges[0] < band.pivot < band.edges[1]:
        return f"{label} its pivot {band.pivot} does not lie between its edges {band.edges}"
    return ""


def _wrong_passband(label, passband):
    if isinstance(passband, str) and passband.strip():
        return ""  # looked up where it is used: speclite need not be installed
    if passband is None or isinstance(passband, str):
        return (
            f"{label} it has no passband: give the name of a filter of speclite, or wavelengths and "
            "transmissions"
        )
    try:
        wavelength, transmission = passband
        values = np.asarray(transmission, float)
        angstrom = u.Quantity(wavelength).to_value(u.AA)
    except (TypeError, ValueError, u.UnitsError):
        return f"{label} its passband is a name of speclite, or wavelengths with a unit and as many numbers"
    if values.ndim != 1 or values.shape != angstrom.shape or len(values) < 2:
        return f"{label} its passband has {angstrom.shape} wavelengths and {values.shape} transmissions"
    if not np.all(np.diff(angstrom) > 0) or not angstrom[0] > 0:
        return f"{label} the wavelengths of its passband must rise"
    if not np.all(np.isfinite(values)) or np.any(values < 0) or not values.max() > 0:
        return f"{label} the transmissions of its passband must be finite, not negative and not all zero"
    return ""


def _wrong_optional(label, band):
    extinction = band.extinction
    if extinction is not None and not (isinstance(extinction, int | float) and 0 <= extinction < np.inf):
        return f"{label} extinction is A / E(B-V), a number that is not negative, or None; got {extinction!r}"
    brightness = u.MJy / u.sr
    units = {
        "psf_fwhm": (u.arcsec, "an angle"),
        "sky_rms": ((u.electron, brightness), "electrons or a surface brightness"),
        "gain": (u.electron / brightness, "electrons for a surface brightness"),
        "detector_pixel": (u.arcsec, "an angle"),
    }
    for name, (unit, what) in units.items():
        value = getattr(band, name)
        wrong = "" if value is None else _wrong_quantity(label, name, value, unit, what)
        if wrong:
            return f"{wrong}; or None"
    if band.sky_rms is not None and band.sky_rms.unit.is_equivalent(u.electron) and band.gain is None:
        return f"{label} a sky_rms in electrons needs the gain"
    return ""

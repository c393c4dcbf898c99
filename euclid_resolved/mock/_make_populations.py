"""Make a table of stellar populations from a spectral library.

``euclid-resolved populations make`` runs it. The table that ships, ``data/populations.ecsv``, is made by
``euclid-resolved populations make bc03 --bands all -o populations.ecsv``; nothing here runs when galaxies are
made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy import constants as const, units as u

from euclid_resolved._checks import check_name, check_positive
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import band_names
from euclid_resolved.mock._libraries import LIBRARIES, Spectra
from euclid_resolved.mock._passbands import BUILT_IN, attenuation, passband, pivot
from euclid_resolved.mock._population_tables import BANDS, in_bands, shipped
from euclid_resolved.mock._populations import luminosity

if TYPE_CHECKING:
    from astropy.table import Table

AGES = np.round(np.linspace(6.0, 10.15, 61), 4)  # log10 yr


def band_luminosity(
    wavelength: np.ndarray, spectra: np.ndarray, band: str, kind: str = "analytic"
) -> np.ndarray:
    """Surface brightness in one band of a population of one formed solar mass per square parsec.

    The photon-weighted mean of f_nu, integral(f_lambda T lambda) / (c integral(T / lambda)), over 4 pi sr.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Angstrom.
    spectra : ndarray, shape (..., n)
        Solar luminosities per Angstrom and formed solar mass.
    band : str
        As for `passband`.
    kind : {'analytic', 'speclite'}, optional
        The passband.

    Returns
    -------
    ndarray, shape (...), float64
        MJy/sr per (formed solar mass per pc2). NaN where the spectrum has no light in more than a hundredth
        of the band: what is missing there is no measurement.
    """
    fine, transmission, _ = passband(band, kind)
    outside = (fine < wavelength[0]) | (fine > wavelength[-1])
    lost = transmission[outside].sum() / transmission.sum()
    # BC03 at low resolution ends at 19950 A, inside HE: its last value is held, at most 0.001 mag off.
    if lost > 0.1:
        raise InputError(
            f"the library has {wavelength[0]:g} to {wavelength[-1]:g} Angstrom: {lost:.0%} of {band} lie "
            "outside"
        )
    inside = wavelength[(wavelength > fine[0]) & (wavelength < fine[-1])]
    if len(inside) > len(fine):  # lines would fall between the points of the passband
        transmission = np.interp(inside, fine, transmission)
        fine = inside
    flux = np.apply_along_axis(lambda s: np.interp(fine, wavelength, s), -1, spectra)
    empty = np.mean((flux <= 0) & (transmission > 0.01 * transmission.max()), axis=-1) > 0.01
    f_nu = np.trapezoid(flux * transmission * fine, fine) / np.trapezoid(transmission / fine, fine)
    factor = (u.L_sun * u.AA / const.c / u.pc**2 / (4 * np.pi * u.sr)).to(u.MJy / u.sr)
    return np.where(empty, np.nan, f_nu * factor.value)


def make_table(
    name: str,
    path: str | Path | None = None,
    *,
    bands: Sequence[str] = BANDS,
    passbands: str = "analytic",
    fill_young: bool = False,
    mass_scale: float = 1.0,
) -> Table:
    """The table of populations of a library that the user has.

    Parameters
    ----------
    name : {'bc03', 'bc03-miles', 'popstar', 'emiles'}
    path : path-like, optional
        Its file or folder; that of the installed package without it.
    bands : sequence of str, optional
        Those of `~euclid_resolved.BANDS`, and others by their name in speclite; Euclid's without it.
    passbands : {'analytic', 'speclite'}, optional
        For YE, JE and HE; what ships is made with the analytic ones.
    fill_young : bool, optional
        Where the library's youngest age is above 1 Myr, continue it by the shipped table, scaled to meet.
    mass_scale : float, optional
        What a solar mass of the library counts: the user's conversion from one initial mass function to
        another, for formed and remaining mass alike.

    Returns
    -------
    `~astropy.table.Table`
        One row per metallicity and age, with units, and the provenance in ``meta``.

    Raises
    ------
    InputError
        If there is no such library, it is not there, or its file is none of it.
    """
    check_name(name, LIBRARIES, "library of stellar populations")
    check_positive("mass_scale", mass_scale)
    bands = tuple(band_names(bands))
    library = LIBRARIES[name]
    path = library.path() if path is None else Path(path)
    if path is None:
        raise InputError(
            f"the library {name} is not installed ({library.fetch}): install it or say with --library where "
            "it is"
        )
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder ({library.fetch})")
    try:
        spectra = library.read(path)
    except InputError:
        raise
    except Exception as error:  # a file that is another one fails in many ways
        text = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path} is not the library {name}, or damaged: {type(error).__name__}: {text}"
        ) from error
    table = tabulate(spectra, bands, passbands, fill_young)
    if mass_scale != 1:
        for band in bands:
            table[band][:] = [float(f"{value / mass_scale:.4g}") for value in table[band]]
        table.meta["mass_scale"] = f"a solar mass of the library counts {mass_scale:g}"
    table.meta.update(
        library=library.summary,
        license=library.license,
        initial_mass_function=library.initial_mass_function,
        solar_metallicity=library.solar_metallicity,
        made_by=f"euclid-resolved populations make {name}{_words(bands)}",
    )
    return table


def _words(bands):
    """The bands as words of the command; none where they are those that it takes by itself."""
    return "" if bands == BANDS else f" --bands {'all' if bands == BUILT_IN else ' '.join(bands)}"


def tabulate(
    spectra: Spectra, bands: Sequence[str] = BANDS, passbands: str = "analytic", fill_young: bool = False
) -> Table:
    """Light in bands on the ages of the shipped table.

    Parameters
    ----------
    spectra : Spectra
    bands, passbands, fill_young
        As for `make_table`.

    Returns
    -------
    `~astropy.table.Table`
        Straight lines in log light and log age between the ages of the library.
    """
    raw = np.stack([band_luminosity(spectra.wavelength, spectra.flux, band, passbands) for band in bands])
    # An age is used where all bands have light, so that no colour is half of one and half of another.
    good = (np.isfinite(raw) & (raw > 0)).all(axis=0)
    if (good.sum(axis=1) < 2).any():
        raise InputError(f"the library has no two ages with light in all of {', '.join(bands)}")
    first = np.array([spectra.log_age[row][0] for row in good])
    last = min(spectra.log_age[row][-1] for row in good)
    # A library without the first ages of the table begins where it begins, at all of its metallicities.
    ages = AGES[(AGES >= (0 if fill_young else first.max()) - 1e-6) & (AGES <= last + 1e-6)]
    light = np.empty((len(bands), len(good), len(ages)))
    for i, row in enumerate(good):
        known, known_ages = np.log10(raw[:, i, row]), spectra.log_age[row]
        for k, band in enumerate(bands):
            light[k, i] = 10 ** np.interp(ages, known_ages, known[k])
            young = ages < first[i] - 1e-6
            if young.any():
                light[k, i, young] = _filled(
                    band, ages[young], first[i], spectra.metallicity[i], raw[k, i, row][0]
                )
    left = np.array([_remaining(spectra, ages, i) for i in range(len(good))])
    return _as_table(
        spectra,
        ages,
        dict(zip(bands, light, strict=True)),
        left,
        _notes(spectra, bands, passbands, good, first, fill_young),
    )


def _filled(band, ages, first, metallicity, light):
    """Light of ages before the first of a library: the shipped table's, scaled to meet it there."""
    if band not in shipped().bands:
        raise InputError(f"the shipped table has no {band}: the youngest ages cannot be filled from it")
    known = luminosity(10 ** (np.append(ages, first) - 9), metallicity, in_bands(shipped(), (band,)))[:, 0]
    return known[:-1] * light / known[-1]


def _remaining(spectra, ages, i):
    """Remaining mass at one metallicity; no star of a population of 1 Myr has died."""
    if callable(spectra.remaining_mass):
        return spectra.remaining_mass(ages)
    known, fractions = spectra.log_age, spectra.remaining_mass[i]
    if known[0] > AGES[0]:
        known, fractions = np.append(AGES[0], known), np.append(1.0, fractions)
    return np.interp(ages, known, fractions)


def _notes(spectra, bands, passbands, good, first, fill_young):
    """What the header of a table says of how it was made."""
    notes = {"passbands": ", ".join(f"{band} {passband(band, passbands)[2]}" for band in bands)}
    # What the mock has to know of a band beside its light; it knows Euclid's.
    curves = {band: passband(band, passbands)[:2] for band in bands if band not in BANDS}
    if curves:
        notes["pivot"] = {band: round(pivot(*curve), 1) for band, curve in curves.items()}
        dust = {band: round(attenuation(*curve), 4) for band, curve in curves.items()}
        notes["attenuation"] = {band: value for band, value in dust.items() if np.isfinite(value)}
    notes["remaining_mass"] = spectra.remaining_from
    if first.max() > AGES[0]:
        begin = ", ".join(
            f"{10 ** (age - 6):.3g} Myr at Z = {z:.3g}"
            for age, z in zip(first, spectra.metallicity, strict=True)
        )
        how = "below: bc03, scaled to meet in every band" if fill_young else "the table begins with the last"
        notes["youngest"] = f"{begin}; {how}"
    holes = [
        f"{10 ** (age - 9):.3g} Gyr at Z = {z:.3g}"
        for row, z, begin in zip(good, spectra.metallicity, first, strict=True)
        for age in spectra.log_age[~row & (spectra.log_age > begin)]
    ]
    if holes:
        notes["left_out"] = f"no light in some band, interpolated in age: {', '.join(holes)}"
    return notes


def _as_table(spectra, ages, light, left, notes):
    from astropy.table import Table

    rows = []
    for i, metallicity in enumerate(spectra.metallicity):
        columns = [light[band][i] for band in light]
        for row in zip(ages, *columns, left[i], strict=True):
            rows.append((round(float(metallicity), 5), *row))
    table = Table(rows=rows, names=["metallicity", "log_age", *light, "remaining_mass"])
    for name in (*light, "remaining_mass"):
        table[name] = [float(f"{value:.4g}") for value in table[name]]
    for band in light:
        table[band].unit = "MJy pc2 / (sr Msun)"
    table["metallicity"].description = "mass fraction of metals"
    table["log_age"].description = "log10 of the age in yr"
    table["remaining_mass"].description = "living stars and remnants, fraction of the formed mass"
    table.meta["title"] = "Surface brightness of simple stellar populations, per formed solar mass"
    table.meta.update(notes)
    return table

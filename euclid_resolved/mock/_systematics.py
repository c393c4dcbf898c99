"""Which populations a mock galaxy is made of: one library of several, and its light perturbed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.mock._population_names import find_populations
from euclid_resolved.mock._population_tables import (
    BANDS,
    Populations,
    check_covers,
    in_bands,
    label,
    pivots,
)

if TYPE_CHECKING:
    from euclid_resolved.mock._settings import MockSettings

# The giants that libraries disagree on (asymptotic giant branch, thermally pulsing) shine between these ages,
# where the perturbation has half its size in dex, over a range of ages that has none at its ends.
AGES = (0.2, 0.45, 1.33, 3.0)  # Gyr
# They are cool: nothing at the first wavelength, everything at the second, in micrometres.
WAVELENGTHS = (0.71, 1.76)
# Two amplitudes are drawn, at these metallicities (mass fractions).
METALLICITIES = (0.002, 0.05)
# Natural logarithm of wavelengths of 0.3 to 2.4 micrometres at which a library's own colours are drawn, and
# over how much of it they are smooth. YE, JE and HE, 0.25 apart, then have little in common, as is measured.
KNOTS = np.log(0.3) + 0.1 * np.arange(22)
SMOOTH = 0.1


def _libraries(settings, bands):
    """The libraries of a mock by their name, each looked at."""
    names = settings.populations
    found = {name: find_populations(name) for name in ((names,) if isinstance(names, str) else names)}
    for name, populations in found.items():
        check_covers(populations, f"the library {name}", bands)
    return found


def labels(settings: MockSettings, bands: tuple[str, ...] = BANDS) -> str:
    """The libraries of a mock in words that tell their tables apart.

    Parameters
    ----------
    settings : MockSettings
    bands : tuple of str, optional
        Those whose light is looked at.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If one of the libraries is not there, is damaged, or lacks a band or ages.
    """
    found = _libraries(settings, bands).items()
    return "+".join(label(name, in_bands(populations, bands)) for name, populations in found)


def draw_populations(
    rng: np.random.Generator, settings: MockSettings, bands: tuple[str, ...] = BANDS
) -> Populations:
    """The populations of one galaxy, in the bands of the mock.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Not touched by the default settings.
    settings : MockSettings
    bands : tuple of str, optional

    Returns
    -------
    Populations

    Raises
    ------
    InputError
        If one of the libraries is not there, is damaged, or lacks a band or ages.
    """
    several = list(_libraries(settings, bands).values())
    populations = several[rng.integers(len(several))] if len(several) > 1 else several[0]
    populations = in_bands(populations, bands)
    if settings.population_spread != 1:
        populations = perturb(populations, *np.log(settings.population_spread) * rng.uniform(-1, 1, 2))
    if settings.population_light != 1 or settings.population_light_scatter:
        scatter = settings.population_light_scatter * rng.standard_normal()
        populations = brighten(populations, np.log10(settings.population_light) + scatter)
    if settings.population_band_scatter:
        draws = settings.population_band_scatter * rng.standard_normal(len(KNOTS))
        populations = brighten(populations, bend(pivots(populations) / 1e4, draws))
    return populations


def perturb(populations: Populations, poor: float, rich: float) -> Populations:
    """Populations whose stars of 0.3 to 2 Gyr are brighter or fainter in the near infrared.

    Parameters
    ----------
    populations : Populations
    poor, rich : float
        Natural logarithm of the factor in HE at 0.45 to 1.3 Gyr, at Z = 0.002 and below and at Z = 0.05; in
        between the one goes over into the other.

    Returns
    -------
    Populations
        IE, what is bluer, and the remaining mass are those of `populations`; YE and JE change by 0.46 and
        0.72 of it, in dex.
    """
    young, full, still, old = np.log10(AGES) + 9
    age = populations.log_age
    window = _step((age - young) / (full - young)) * _step((old - age) / (old - still))
    low, high = np.log10(METALLICITIES)
    amplitude = poor + (rich - poor) * _step((populations.log_metallicity - low) / (high - low))
    each = zip(populations.bands, pivots(populations), strict=True)
    weights = np.array([_weight(band, pivot) for band, pivot in each] + [0.0])
    factor = np.exp(window[:, None, None] * amplitude[:, None] * weights)
    return replace(populations, values=populations.values * factor)


def brighten(populations: Populations, dex: float | np.ndarray) -> Populations:
    """Populations with more or less light at all ages and metallicities.

    Parameters
    ----------
    populations : Populations
    dex : float or ndarray, shape (bands,)
        What is added to log10 of the light, of all bands or of each.

    Returns
    -------
    Populations
        The remaining mass is that of `populations`.
    """
    values = populations.values.copy()
    values[..., :-1] *= 10 ** np.asarray(dex)
    return replace(populations, values=values)


def bend(wavelengths: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """A smooth random curve over wavelength, the same whichever bands look at it.

    Parameters
    ----------
    wavelengths : ndarray, shape (bands,)
        Pivots of bands, micrometres.
    draws : ndarray, shape (22,)
        Independent normal numbers of one width.

    Returns
    -------
    ndarray, shape (bands,), float64
        Of that width at every wavelength.
    """
    weights = np.exp(-0.5 * ((np.log(wavelengths)[:, None] - KNOTS) / SMOOTH) ** 2)
    return weights @ draws / np.sqrt((weights**2).sum(axis=1))


def _step(x):
    """From 0 to 1 with no kink at either end."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _weight(band, pivot):
    blue, red = np.log(WAVELENGTHS)
    weight = float(np.clip((np.log(pivot / 1e4) - blue) / (red - blue), 0, 1))
    return weight if band != "IE" else 0.0

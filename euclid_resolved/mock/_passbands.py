"""The passbands that tables of stellar populations are made with, and what dust and pivot they have."""

from __future__ import annotations

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS, EUCLID_BANDS, INSTRUMENTS
from euclid_resolved.mock._population_tables import R_V

KINDS = ("analytic", "speclite")
NISP = {"YE": "Euclid-Y", "JE": "Euclid-J", "HE": "Euclid-H"}
"""The names of speclite for Euclid's bands. Its VIS curve is an old one: IE stays analytic."""
BUILT_IN = tuple(band.name for bands in INSTRUMENTS.values() for band in bands)
"""The bands of the shipped table, Euclid's first."""
# Extinction curve for R_V = 3.1 through the points of Fitzpatrick (1999, PASP, 111, 63), Table 3: inverse
# micrometres and A / E(B-V), joined by a natural cubic spline.
CURVE = (
    [0.0, 0.377, 0.820, 1.667, 1.828, 2.141, 2.433, 3.704, 3.846],
    [0.0, 0.265, 0.829, 2.688, 3.055, 3.806, 4.315, 6.265, 6.591],
)


def passband(band: str, kind: str = "analytic") -> tuple[np.ndarray, np.ndarray, str]:
    """Wavelengths and relative photon transmission of a band.

    Parameters
    ----------
    band : str
        A band of `~euclid_resolved.BANDS` (``'LSST_g'``), or for any other instrument a name of speclite:
        ``'wise2010-W1'``.
    kind : {'analytic', 'speclite'}, optional
        Where there is a choice, in YE, JE and HE: our trapezoids, or the measured curves in the package
        speclite.

    Returns
    -------
    wavelength : ndarray, shape (n,), float64
        Angstrom, rising.
    transmission : ndarray, shape (n,), float64
    source : str
        Where they are from.

    Raises
    ------
    InputError
        If the curve is in speclite and that is not installed, or it has none.
    """
    if kind not in KINDS:
        raise InputError(f"passbands are {' or '.join(KINDS)}, not {kind!r}")
    known = BANDS.get(band)
    name = band if known is None else known.passband
    name = NISP.get(band, name) if kind == "speclite" else name
    if not isinstance(name, str):
        wavelength, transmission = name
        source = "analytic" if band in EUCLID_BANDS else "the instrument's own"
        return wavelength.to_value("Angstrom"), np.asarray(transmission, float), source
    try:
        import speclite
        from speclite.filters import load_filter
    except ImportError:
        raise InputError(
            f"the passband of {band} is in speclite, which is not installed: pip install speclite"
        ) from None
    try:
        curve = load_filter(name)
    except Exception as error:  # it raises what its files do
        raise InputError(f"speclite has no passband {name!r}: {error}") from error
    wavelength, response = np.asarray(curve.wavelength, float), np.asarray(curve.response, float)
    # Its NISP curves go on for micrometres at the level of noise, where a library may end.
    used = np.flatnonzero(response > 1e-3 * response.max())
    inside = slice(max(used[0] - 1, 0), used[-1] + 2)
    source = f"speclite {speclite.__version__}{f' {name}' if name not in (band, NISP.get(band)) else ''}"
    return wavelength[inside], response[inside], source


def attenuation(wavelength: np.ndarray, transmission: np.ndarray) -> float:
    """A / A(V) of a band behind little dust, for a source that is flat in f_nu.

    The extinction curve of Fitzpatrick (1999) for R_V = 3.1, averaged over the photons of the band. At the
    pivot alone it is 5 % lower in a band as wide as IE.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Angstrom.
    transmission : ndarray, shape (n,)

    Returns
    -------
    float
        NaN in the ultraviolet, which these points do not reach.
    """
    from scipy.interpolate import CubicSpline

    if wavelength[0] < 1e4 / CURVE[0][-1]:
        return float("nan")
    curve = CubicSpline(*CURVE, bc_type="natural")(1e4 / wavelength)
    photons = transmission / wavelength
    return float(np.trapezoid(curve * photons, wavelength) / np.trapezoid(photons, wavelength) / R_V)


def pivot(wavelength: np.ndarray, transmission: np.ndarray) -> float:
    """Pivot wavelength of a band in Angstrom.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Angstrom.
    transmission : ndarray, shape (n,)

    Returns
    -------
    float
    """
    above = np.trapezoid(transmission * wavelength, wavelength)
    return float(np.sqrt(above / np.trapezoid(transmission / wavelength, wavelength)))

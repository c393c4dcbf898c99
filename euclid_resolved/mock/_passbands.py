"""The passbands that tables of stellar populations are made with."""

from __future__ import annotations

import numpy as np

from euclid_resolved.errors import InputError

# Edges at half transmission and edge widths, in Angstrom: analytic stand-ins for the passbands, good to
# 0.0006 mag (NISP; Euclid preparation XVIII, Schirmer et al. 2022, A&A, 662, A92) and to 0.008 mag (VIS).
EDGES = {
    "IE": (5420, 9106, 150),
    "YE": (9496, 12123, 60),
    "JE": (11676, 15670, 80),
    "HE": (15215, 20214, 100),
}
VIS_TAPER = ([5500, 6500, 7500, 8500, 9100], [0.93, 1.0, 0.97, 0.86, 0.60])
KINDS = ("analytic", "speclite")
SPECLITE = {"YE": "Euclid-Y", "JE": "Euclid-J", "HE": "Euclid-H"}
"""The names of speclite for our bands. Its VIS curve is an old one: IE stays analytic."""


def analytic(band: str, wavelength: np.ndarray) -> np.ndarray:
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


def passband(band: str, kind: str = "analytic") -> tuple[np.ndarray, np.ndarray, str]:
    """Wavelengths and relative photon transmission of a band.

    Parameters
    ----------
    band : str
        ``'IE'``, ``'YE'``, ``'JE'``, ``'HE'``, or for any other instrument a name of speclite:
        ``'lsst2023-g'``.
    kind : {'analytic', 'speclite'}, optional
        Where there is a choice: our trapezoids, or the measured curves in the package speclite. IE is always
        ours.

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
    if band in EDGES and (kind == "analytic" or band not in SPECLITE):
        wavelength = np.arange(EDGES[band][0] - 200.0, EDGES[band][1] + 200.0, 5.0)
        return wavelength, analytic(band, wavelength), "analytic"
    try:
        import speclite
        from speclite.filters import load_filter
    except ImportError:
        raise InputError(
            f"the passband of {band} is in speclite, which is not installed: pip install speclite"
        ) from None
    try:
        curve = load_filter(SPECLITE.get(band, band))
    except Exception as error:  # it raises what its files do
        raise InputError(f"speclite has no passband {band!r}: {error}") from error
    wavelength, response = np.asarray(curve.wavelength, float), np.asarray(curve.response, float)
    # Its NISP curves go on for micrometres at the level of noise, where a library may end.
    used = np.flatnonzero(response > 1e-3 * response.max())
    inside = slice(max(used[0] - 1, 0), used[-1] + 2)
    return wavelength[inside], response[inside], f"speclite {speclite.__version__}"

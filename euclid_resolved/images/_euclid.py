"""The bands of Euclid: VIS and NISP.

Pivot wavelengths and edges are of the ESA filter curves of NISP, version 1 (Euclid preparation XVIII,
Schirmer et al. 2022, A&A, 662, A92), and of the curve of VIS in the SVO filter profile service, and so are
the extinction coefficients. The passbands are analytic stand-ins for these curves, good to 0.0006 mag (NISP)
and to 0.008 mag (VIS). The noise is that of the Euclid Wide Survey in the mosaics.
"""

from __future__ import annotations

import astropy.units as u
import numpy as np

from euclid_resolved.images._band import Band

VIS_TAPER = ([5500, 6500, 7500, 8500, 9100], [0.93, 1.0, 0.97, 0.86, 0.60])


def _trapezoid(blue, red, width, taper=None):
    """Edges at half transmission and their width, in Angstrom."""
    wavelength = np.arange(blue - 200.0, red + 200.0, 5.0)
    rise = np.clip((wavelength - blue) / width + 0.5, 0, 1)
    fall = np.clip((red - wavelength) / width + 0.5, 0, 1)
    transmission = rise * fall
    return wavelength * u.AA, transmission if taper is None else transmission * np.interp(wavelength, *taper)


def _band(name, pivot, edges, passband, fwhm, extinction, filter_name, noise, *aliases):
    sky, gain, detector_pixel = noise
    return Band(
        name,
        pivot * u.AA,
        edges * u.AA,
        passband,
        fwhm * u.arcsec,
        extinction,
        atlas=f"Euclid_{filter_name[-1] if name != 'IE' else filter_name}",
        mer=filter_name,
        aliases=aliases,
        sky_rms=sky * u.electron,
        gain=gain * u.electron / (u.MJy / u.sr),
        detector_pixel=detector_pixel * u.arcsec,
    )


def _nisp(letter, pivot, edges, passband, fwhm, extinction, sky, gain):
    low = letter.lower()
    return _band(
        f"{letter}E", pivot, edges, passband, fwhm, extinction, f"NIR-{letter}", (sky, gain, 0.3),
        f"nisp_{low}", f"{low}_e", f"euclid_nir_{low}", f"euclid_nisp_{low}",
    )  # fmt: skip


EUCLID = (
    _band("IE", 7103, (5413, 9112), _trapezoid(5420, 9106, 150, VIS_TAPER), 0.16, 2.191, "VIS",
          (29.81, 3388.0, 0.1), "i_e"),
    _nisp("Y", 10785, (9497, 12123), _trapezoid(9496, 12123, 60), 0.35, 1.041, 9.40, 234.0),
    _nisp("J", 13621, (11677, 15668), _trapezoid(11676, 15670, 80), 0.34, 0.707, 9.90, 287.0),
    _nisp("H", 17649, (15216, 20210), _trapezoid(15215, 20214, 100), 0.35, 0.472, 9.69, 274.0),
)  # fmt: skip
"""From blue to red."""

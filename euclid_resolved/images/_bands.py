"""The Euclid bands: pivot wavelength, width, PSF, extinction coefficient and the names files use."""

from __future__ import annotations

import re
from dataclasses import dataclass

import astropy.units as u

__all__ = ["BANDS", "Band", "EUCLID_BANDS", "SURFACE_BRIGHTNESS"]

SURFACE_BRIGHTNESS = u.MJy / u.sr
"""The unit of surface brightness inside the package."""


@dataclass(frozen=True)
class Band:
    """One photometric band of Euclid.

    Attributes
    ----------
    name : str
        The short name: ``IE``, ``YE``, ``JE`` or ``HE``.
    pivot : `~astropy.units.Quantity`
        Pivot wavelength (NISP: ESA filter curves V1; VIS: SVO filter profile service).
    edges : `~astropy.units.Quantity`
        The two wavelengths of 50 % transmission.
    psf_fwhm : `~astropy.units.Quantity`
        Typical full width at half maximum of the PSF in the mosaics.
    extinction : float
        A / E(B-V) for Fitzpatrick (1999), R_V = 3.1, and a flat f_nu. With E(B-V) from the SFD maps
        multiply by 0.86.
    atlas : str
        The band's name in TNG50-SKIRT Atlas files.
    mer : str
        Its name in the file names of the MER mosaics.
    aliases : tuple of str
        Other names that are understood, in lower case; blanks and hyphens count as underscores.

    Examples
    --------
    >>> from euclid_resolved import BANDS
    >>> for name, band in BANDS.items():
    ...     print(f"{name} {band.pivot:.0f}, PSF {band.psf_fwhm}, A/E(B-V) {band.extinction}")
    IE 7103 Angstrom, PSF 0.16 arcsec, A/E(B-V) 2.191
    YE 10785 Angstrom, PSF 0.35 arcsec, A/E(B-V) 1.041
    JE 13621 Angstrom, PSF 0.34 arcsec, A/E(B-V) 0.707
    HE 17649 Angstrom, PSF 0.35 arcsec, A/E(B-V) 0.472
    """

    name: str
    pivot: u.Quantity
    edges: u.Quantity
    psf_fwhm: u.Quantity
    extinction: float
    atlas: str
    mer: str
    aliases: tuple[str, ...]


def _band(name, pivot, blue, red, fwhm, extinction, atlas, mer, *aliases):
    return Band(name, pivot * u.AA, (blue, red) * u.AA, fwhm * u.arcsec, extinction, atlas, mer, aliases)


BANDS = {
    b.name: b
    for b in (
        _band("IE", 7103, 5413, 9112, 0.16, 2.191, "Euclid_VIS", "VIS", "vis", "i_e", "euclid_vis"),
        _band("YE", 10785, 9497, 12123, 0.35, 1.041, "Euclid_Y", "NIR-Y", "nir_y", "nisp_y", "y_e",
              "euclid_y", "euclid_nir_y", "euclid_nisp_y"),
        _band("JE", 13621, 11677, 15668, 0.34, 0.707, "Euclid_J", "NIR-J", "nir_j", "nisp_j", "j_e",
              "euclid_j", "euclid_nir_j", "euclid_nisp_j"),
        _band("HE", 17649, 15216, 20210, 0.35, 0.472, "Euclid_H", "NIR-H", "nir_h", "nisp_h", "h_e",
              "euclid_h", "euclid_nir_h", "euclid_nisp_h"),
    )
}  # fmt: skip
"""The four Euclid bands by name, from blue to red."""

EUCLID_BANDS = tuple(BANDS)
"""The names of the Euclid bands, from blue to red: the bands of the paper."""


def band_name(text: str) -> str:
    """The short name of a Euclid band from any of its usual names.

    Parameters
    ----------
    text : str
        For example ``"VIS"``, ``"NIR_Y"``, ``"NIR-Y"``, ``"Euclid_H"`` or ``"IE"``; case does not matter.

    Returns
    -------
    name : str
        ``"IE"``, ``"YE"``, ``"JE"``, ``"HE"``, or `text` unchanged where it names none of them.

    Examples
    --------
    >>> from euclid_resolved.images._bands import band_name
    >>> band_name("VIS"), band_name("NIR_H"), band_name("u")
    ('IE', 'HE', 'u')
    """
    lower = re.sub(r"[\s_-]+", "_", text.strip().lower())
    for band in BANDS.values():
        if lower == band.name.lower() or lower in band.aliases:
            return band.name
    return text.strip()

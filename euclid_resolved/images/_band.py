"""One photometric band: wavelengths, passband, PSF, extinction coefficient, noise and the names files use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Band"]


@dataclass(frozen=True, eq=False)
class Band:
    """One photometric band of an instrument.

    What is None is not known to us, and is the user's to give where a function needs it
    (``dataclasses.replace`` makes a band with a number changed).

    Attributes
    ----------
    name : str
        The name under which an image holds the band, unique over all instruments: ``IE``, ``HSC_g``.
    pivot : `~astropy.units.Quantity`
        Pivot wavelength.
    edges : `~astropy.units.Quantity`
        The two wavelengths of half the largest transmission.
    passband : str or tuple
        The curve of transmission per photon: the name of a filter of the package speclite, ``"hsc2017-g"``;
        or wavelengths (a `~astropy.units.Quantity`, rising) and the transmission at each, between which it is
        a straight line.
    psf_fwhm : `~astropy.units.Quantity` or None
        Typical full width at half maximum of the PSF in the mosaics.
    extinction : float or None
        A / E(B-V) for Fitzpatrick (1999), R_V = 3.1, and a flat f_nu. With E(B-V) from the SFD maps
        multiply by 0.86.
    atlas : str or None
        The band's name in TNG50-SKIRT Atlas files.
    mer : str or None
        Its name in the file names of the MER mosaics.
    aliases : tuple of str
        Other names that are understood, in lower case; blanks and hyphens count as underscores.
    sky_rms : `~astropy.units.Quantity` or None
        What the rms map says of dark sky in a mosaic pixel of 0.1 arcsec: electrons of the whole stack, or a
        surface brightness.
    gain : `~astropy.units.Quantity` or None
        Electrons of the whole stack in such a pixel for 1 MJy/sr. Without it the photons of a source count
        for nothing beside the sky's.
    detector_pixel : `~astropy.units.Quantity` or None
        Side of a pixel of the detector, from which the mosaic was resampled.

    Examples
    --------
    >>> from euclid_resolved import BANDS
    >>> for name in ("IE", "YE", "JE", "HE", "HSC_g"):
    ...     band = BANDS[name]
    ...     print(f"{name} {band.pivot:.0f}, PSF {band.psf_fwhm}, A/E(B-V) {band.extinction}")
    IE 7103 Angstrom, PSF 0.16 arcsec, A/E(B-V) 2.191
    YE 10785 Angstrom, PSF 0.35 arcsec, A/E(B-V) 1.041
    JE 13621 Angstrom, PSF 0.34 arcsec, A/E(B-V) 0.707
    HE 17649 Angstrom, PSF 0.35 arcsec, A/E(B-V) 0.472
    HSC_g 4791 Angstrom, PSF 0.74 arcsec, A/E(B-V) 3.698
    """

    name: str
    pivot: u.Quantity
    edges: u.Quantity
    passband: str | tuple[u.Quantity, ArrayLike]
    psf_fwhm: u.Quantity | None = None
    extinction: float | None = None
    atlas: str | None = None
    mer: str | None = None
    aliases: tuple[str, ...] = ()
    sky_rms: u.Quantity | None = None
    gain: u.Quantity | None = None
    detector_pixel: u.Quantity | None = None


def plain(text: str) -> str:
    """A name as names are compared: lower case, blanks and hyphens as underscores."""
    return re.sub(r"[\s_-]+", "_", text.strip().lower())


def all_names(band: Band) -> set[str]:
    """Every name of a band, as names are compared."""
    return {plain(name) for name in (band.name, band.mer, band.atlas, *band.aliases) if name}


def filter_names(band: Band) -> set[str]:
    """What its filter is called where the instrument goes without saying: ``g`` of ``HSC_g``."""
    names = {plain(name).rpartition("_")[2] for name in (band.name, band.mer) if name}
    return names - {plain(band.name), plain(band.mer or "")}

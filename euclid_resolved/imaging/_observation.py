"""How an image is taken: distance, PSF, pixels, noise, stars and residual sky."""

from __future__ import annotations

from dataclasses import dataclass, field

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._noise import MOSAIC_PIXEL
from euclid_resolved.images._pixels import pixel_scale as length_of_pixel
from euclid_resolved.imaging._kernels import psf_fwhm

__all__ = ["Observation"]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """How an image is taken.

    Parameters
    ----------
    distance : `~astropy.units.Quantity`
        Luminosity distance.
    redshift : float
    depth : float
        Exposure time in units of the Euclid Wide Survey's. The noise of a pixel depends on depth times
        pixel area only, so a low depth also stands for small pixels.
    pixel_scale : float or None
        Side of a pixel in arcsec; None keeps the pixels of the galaxy, as if mosaic pixels had been
        averaged over each of them.
    psf_fwhm : float, dict of str to float, or None
        Full width at half maximum in arcsec, for all bands or by band; None is that of the mosaics.
        One value for all stands for matched PSFs.
    psf : dict of str to `~numpy.ndarray`, or None
        PSFs of bands on pixels of 0.1 arcsec, as they are delivered with the mosaics, in place of Gaussians;
        they are made square and odd, and their sum is set to one. Stars are Gaussians of their width. Two
        observations that differ in these only are equal.
    sky_rms : dict of str to float, or None
        What the rms map says of dark sky in a pixel of 0.1 arcsec at a depth of 1, MJy/sr, by band, in place
        of that of `~euclid_resolved.BANDS` or where that has none.
    stars : float
        Foreground stars per square arcmin, all between 18 and 24 AB, ten times as many for each 5 mag
        fainter: something to try masks on, no model of the Galaxy.
    background : float
        What is left of the sky, in units of its rms in a mosaic pixel: standard deviation of a constant,
        and of a slope across the image, in each band.
    seed : int
        Of everything that is drawn.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.imaging import Observation
    >>> seen = Observation(distance=40 * u.Mpc, redshift=0.01)
    >>> print([f"{band} {seen.fwhm(band):.2f}" for band in ("IE", "HE")])
    ['IE 0.16', 'HE 0.35']
    """

    distance: u.Quantity
    redshift: float
    depth: float = 1.0
    pixel_scale: float | None = MOSAIC_PIXEL
    psf_fwhm: float | dict[str, float] | None = None
    psf: dict[str, np.ndarray] | None = field(default=None, repr=False, compare=False)
    sky_rms: dict[str, float] | None = None
    stars: float = 0.0
    background: float = 0.0
    seed: int = 1

    def fwhm(self, band: str) -> float:
        """The width of a band's PSF in arcsec.

        Parameters
        ----------
        band : str

        Returns
        -------
        fwhm : float

        Raises
        ------
        InputError
            If none was given, and none is typical of the band.
        """
        if self.psf and band in self.psf:
            return psf_fwhm(self.psf[band]) * MOSAIC_PIXEL
        if isinstance(self.psf_fwhm, dict) and band in self.psf_fwhm:
            return float(self.psf_fwhm[band])
        if self.psf_fwhm is not None and not isinstance(self.psf_fwhm, dict):
            return float(self.psf_fwhm)
        typical = BANDS[band].psf_fwhm if band in BANDS else None
        if typical is None:
            raise InputError(f"no typical width of the PSF is known for band {band}: give psf_fwhm in arcsec")
        return float(typical.to_value(u.arcsec))

    def psf_of(self, band: str) -> np.ndarray | float:
        """The PSF of a band: an array on pixels of 0.1 arcsec, or the width of a Gaussian in arcsec.

        Parameters
        ----------
        band : str

        Returns
        -------
        psf : `~numpy.ndarray` or float
        """
        return self.psf[band] if self.psf and band in self.psf else self.fwhm(band)

    def scales(self, image: MultiBandImage) -> tuple[float, float]:
        """Side of a pixel of the galaxy, and of the observation, in arcsec.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
            Of the galaxy, with a pixel scale that is a length.

        Returns
        -------
        old, new : float

        Raises
        ------
        InputError
            If the length of a pixel is not known.
        """
        length = length_of_pixel(image)
        if length is None or not length.unit.is_equivalent(u.pc):
            raise InputError(
                f"{image.name or 'the image'}: to be observed it needs meta['pixel_scale'], the length of a "
                "pixel's side"
            )
        angular_distance = self.distance / (1 + self.redshift) ** 2
        old = (length / angular_distance).to_value(u.dimensionless_unscaled) * u.rad.to(u.arcsec)
        return old, self.pixel_scale or old

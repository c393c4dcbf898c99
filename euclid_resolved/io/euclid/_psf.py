"""The PSF of a band from a file that holds just this one, as it comes with a cut-out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._noise import MOSAIC_PIXEL
from euclid_resolved.io.euclid._window import open_window

_LARGEST = 2**12  # pixels of a side: a raster of stamps, or an image, is larger


def read_psf(path: str | Path) -> np.ndarray:
    """A PSF on pixels of the mosaics, the first image of a FITS file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    stamp : `~numpy.ndarray`
        float32, as it is in the file: not normalised.

    Raises
    ------
    ImageFileError
        If there is no image, or a raster of many PSFs, or its pixels are not those of the mosaics.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from euclid_resolved.io.euclid._psf import read_psf
    >>> fits.writeto("psf.fits", np.ones((21, 21), "f4"))
    >>> read_psf("psf.fits").shape
    (21, 21)
    """
    with open_window(path) as hdus:
        image = next((hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 2), None)
        if image is None or max(image.shape) > _LARGEST:
            raise ImageFileError(path, "holds no PSF: a small image with two axes")
        if "STMPSIZE" in image.header:
            raise ImageFileError(path, "holds many PSFs: cut out one, and give the file with that")
        if (scale := _scale(image.header)) and abs(scale / MOSAIC_PIXEL - 1) > 0.01:
            what = f"has pixels of {scale:.3g} arcsec: a PSF on pixels of {MOSAIC_PIXEL} arcsec is needed"
            raise ImageFileError(path, what)
        return np.array(image.section[:, :], dtype=np.float32)


def _scale(header):
    """The side of a pixel in arcsec; 0 where the header does not say."""
    wcs = WCS(header, naxis=2)
    return float(proj_plane_pixel_scales(wcs).mean() * 3600) if wcs.has_celestial else 0.0

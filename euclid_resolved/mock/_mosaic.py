"""Mock galaxies as a prepared mosaic shows them: in pixels finer than the PSF, which all bands share."""

from __future__ import annotations

from zlib import crc32

import astropy.units as u
import numpy as np

from euclid_resolved.images._noise import MOSAIC_PIXEL
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.imaging._blur import blur_and_average
from euclid_resolved.imaging._observe import observe
from euclid_resolved.imaging._truth import seen_maps
from euclid_resolved.maps._galaxy import Galaxy

FWHM = 0.3, 0.6  # arcsec: of the PSF to which all bands were matched
# Matching averages noise over the PSF: that of single pixels gets 1 to 8 times smaller (in two cut-outs).
DEPTH = 1.0, 30.0


def in_mosaic(galaxy: Galaxy, seed: int) -> Galaxy:
    """A galaxy in pixels of 0.1 arcsec, through one PSF in all bands, with the noise of the mosaics.

    The truth is what such an image can show: density through the same PSF, metallicity and age through it and
    weighted by mass.

    Parameters
    ----------
    galaxy : `~euclid_resolved.Galaxy`
        Its pixels have a length. It is put where one of them is as wide as one of
        the mosaics, and not dimmed.
    seed : int
        With the name of the galaxy, of the width of the PSF, the depth and the noise.

    Returns
    -------
    seen : `~euclid_resolved.Galaxy`
        Of the same name and group, observed when it is looked at.

    Examples
    --------
    >>> from euclid_resolved.mock import mock_galaxies
    >>> from euclid_resolved.mock._mosaic import in_mosaic
    >>> seen = in_mosaic(mock_galaxies(1, pixels=16)[0], seed=1)
    >>> print(f"{seen.image.meta['angular_pixel_scale']:.1f}")
    0.1 arcsec
    """
    rng = np.random.default_rng([seed, crc32(galaxy.name.encode()), crc32(b"mosaic")])
    fwhm = rng.uniform(*FWHM)
    depth = float(DEPTH[0] * (DEPTH[1] / DEPTH[0]) ** rng.random())
    side = pixel_scale(galaxy.image)
    distance = (side / (MOSAIC_PIXEL * u.arcsec).to_value(u.rad)).to(u.Mpc)
    noise = int(rng.integers(2**31))
    seen = observe(galaxy, distance, redshift=0.0, depth=depth, pixel_scale=None, psf_fwhm=fwhm, seed=noise)

    def through_the_psf(plane):
        return blur_and_average(plane, None, fwhm, MOSAIC_PIXEL, MOSAIC_PIXEL)

    return Galaxy(
        galaxy.name,
        lambda: seen.image,
        lambda: seen_maps(seen.maps, through_the_psf),
        star_forming=galaxy.star_forming,
        meta=seen.meta,
        group=galaxy.group,
    )

"""Galaxies seen in other ways than those that a model learned from: blurred, in larger pixels, far away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import astropy.units as u
import numpy as np

from euclid_resolved.images._bands import BANDS, EUCLID_BANDS
from euclid_resolved.imaging._observe import observe
from euclid_resolved.maps._galaxy import Galaxy
from euclid_resolved.mock._galaxies import mock_galaxies
from euclid_resolved.mock._settings import MockSettings

_FAR = 60 * u.Mpc  # where galaxies are blurred and averaged; without noise it matters little where
_DEEP = 1e6  # of the Wide Survey's exposure: its noise is not seen
_SKY = 0.01  # MJy/sr, of bands whose noise nobody knows
_SHARP = 1e-3  # arcsec
_FWHM = np.sqrt(8 * np.log(2))  # of a Gaussian, in sigma


def noise_unknown(band: str) -> bool:
    """Whether no typical noise of a band is known."""
    return band not in BANDS or BANDS[band].sky_rms is None


def blurred(galaxy: Galaxy, sigma: float) -> Galaxy:
    """A galaxy whose image is blurred by a Gaussian; the truth is not.

    Parameters
    ----------
    galaxy : `~euclid_resolved.Galaxy`
        Its pixels have a length.
    sigma : float
        In pixels.

    Returns
    -------
    galaxy : `~euclid_resolved.Galaxy`
        The same group, another name. Its pixels are left as they are.
    """
    return _lazily(galaxy, "blurred", psf_fwhm=_FWHM * sigma)


def rebinned(galaxy: Galaxy, n: int) -> Galaxy:
    """A galaxy in larger pixels: densities averaged by area, the other maps by mass.

    Parameters
    ----------
    galaxy : `~euclid_resolved.Galaxy`
    n : int
        How many pixels wide the new ones are.

    Returns
    -------
    galaxy : `~euclid_resolved.Galaxy`
        The same group, another name.
    """
    return _lazily(galaxy, "rebinned", pixel_scale=float(n))


def _lazily(galaxy, name, *, psf_fwhm=None, pixel_scale=None):
    """Observed far away without noise; both numbers are in pixels of the galaxy, whose size is read late."""

    def seen():
        own = np.arctan(float(galaxy.image.meta["pixel_scale"].to_value(u.Mpc)) / _FAR.value)
        own *= u.rad.to(u.arcsec)
        return observe(
            galaxy,
            _FAR,
            redshift=0.0,
            depth=_DEEP,
            sky_rms={band: _SKY for band in galaxy.image if noise_unknown(band)},
            psf_fwhm=_SHARP if psf_fwhm is None else psf_fwhm * own,
            pixel_scale=None if pixel_scale is None else pixel_scale * own,
        )

    return Galaxy(
        f"{galaxy.name} {name}",
        lambda: seen().image,
        lambda: seen().maps,
        star_forming=galaxy.star_forming,
        group=galaxy.group,
    )


def far(galaxies: Sequence[Galaxy], distance: u.Quantity = _FAR, seed: int = 1) -> list[Galaxy]:
    """Galaxies observed by Euclid's Wide Survey, in their own pixels.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
    distance : `~astropy.units.Quantity`, optional
    seed : int, optional

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
    """
    each = partial(observe, distance=distance, redshift=0.0, pixel_scale=None)
    return [each(galaxy, seed=seed + number) for number, galaxy in enumerate(galaxies)]


def noise_free_mock(
    n: int, *, seed: int, pixels: int = 128, bands: Sequence[str] = EUCLID_BANDS
) -> list[Galaxy]:
    """Mock galaxies whose images have no Monte Carlo noise.

    Parameters
    ----------
    n : int
    seed : int
        Another one than that of an atlas, of which these shall not be galaxies.
    pixels : int, optional
    bands : sequence of str, optional

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
    """
    settings = MockSettings(noise_at_clip=1e-6)
    made = mock_galaxies(n, seed=seed, pixels=pixels, settings=settings, bands=bands, progress=False)
    return [renamed(galaxy, f"noise-free {number}") for number, galaxy in enumerate(made, 1)]


def renamed(galaxy: Galaxy, name: str) -> Galaxy:
    """A galaxy under another name, a group of its own: mock galaxies of every seed are called alike."""
    return Galaxy(name, lambda: galaxy.image, lambda: galaxy.maps, star_forming=galaxy.star_forming)

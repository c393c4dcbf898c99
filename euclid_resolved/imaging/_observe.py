"""Observe a galaxy of an atlas as a telescope would: distance, PSF, pixels, noise, stars, residual sky."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved._checks import check_positive, check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import EUCLID_BANDS, SURFACE_BRIGHTNESS, band_name
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._noise import MOSAIC_PIXEL, check_noise_is_known, pixel_noise, stack_noise
from euclid_resolved.images._pixels import pixel_scale as length_of_pixel
from euclid_resolved.imaging._blur import average, averages, blur_and_average
from euclid_resolved.imaging._kernels import check_psf
from euclid_resolved.imaging._observation import Observation
from euclid_resolved.imaging._truth import seen_maps
from euclid_resolved.maps._galaxy import Galaxy, check_galaxies
from euclid_resolved.maps._properties import KNOWN

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["observe", "observe_atlas"]


_Source = TypeVar("_Source", Galaxy, MultiBandImage)

STAR_MAGNITUDES = 18.0, 24.0  # AB


def observe(
    galaxy: _Source,
    distance: u.Quantity | None = None,
    *,
    redshift: float | None = None,
    depth: float = 1.0,
    pixel_scale: u.Quantity | float | None = MOSAIC_PIXEL * u.arcsec,
    psf_fwhm: u.Quantity | float | dict[str, u.Quantity | float] | None = None,
    psf: Mapping[str, ArrayLike] | None = None,
    sky_rms: dict[str, u.Quantity | float] | None = None,
    stars: float = 0.0,
    background: float = 0.0,
    seed: int = 1,
) -> _Source:
    """Observe a galaxy, or an image whose pixels have a length, as Euclid or another telescope would.

    In this order: surface brightness is dimmed by (1 + z)^-3 (per unit of frequency, without K correction),
    blurred by the PSF, averaged over pixels, and given the noise of a stack of four dithered exposures
    (``stack_noise``). So noise is correlated, and in mosaic pixels it scatters by 0.66 (IE), 0.22 (NISP) or
    in between (ground-based) of what the rms map says, as in the mosaics; over many pixels it averages as the
    rms map says.

    Parameters
    ----------
    galaxy : `~euclid_resolved.Galaxy` or `~euclid_resolved.MultiBandImage`
        At redshift 0, with ``meta["pixel_scale"]`` a length, as `~euclid_resolved.read_atlas` gives it.
    distance : `~astropy.units.Quantity`, optional
        Luminosity distance. One of distance and redshift is enough; the other follows from the Planck
        2018 cosmology.
    redshift : float, optional
    depth, psf_fwhm, psf, sky_rms, stars, background, seed
        See `Observation`; `psf_fwhm` and `sky_rms` may hold a `~astropy.units.Quantity`, and bands go by any
        of their names. Bands without a typical PSF or noise in `~euclid_resolved.BANDS` need them.
    pixel_scale : `~astropy.units.Quantity` or None, optional
        Side of a pixel; None keeps the galaxy's own pixels.

    Returns
    -------
    observed : `~euclid_resolved.Galaxy` or `~euclid_resolved.MultiBandImage`
        A galaxy is observed when it is looked at, the same each time. The rms map is the bands' uncertainty;
        pixels where a star is brighter than the noise, and those that were masked, are masked. True maps are
        averaged over the new pixels: densities by area, metallicity and age by mass; they know no PSF. It is
        of the group of the galaxy, however often that is observed.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.imaging import observe
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxy = example_galaxies(1, side=24)[0]
    >>> galaxy.image.meta["pixel_scale"] = 100 * u.pc
    >>> seen = observe(galaxy.image, 40 * u.Mpc, pixel_scale=0.5 * u.arcsec)
    >>> seen.shape, seen["HE"].uncertainty.uncertainty_type
    ((25, 25), 'std')
    """
    check_whole("seed", seed, 0)
    distance, redshift = _distance(distance, redshift)
    observation = Observation(
        distance=distance,
        redshift=redshift,
        depth=check_positive("depth", depth),
        pixel_scale=None if pixel_scale is None else check_positive("pixel_scale", _arcsec(pixel_scale)),
        psf_fwhm=_fwhm(psf_fwhm),
        psf=None if psf is None else _stamps(psf),
        sky_rms=_sky_rms(sky_rms),
        stars=check_positive("stars", stars, zero=True),
        background=check_positive("background", background, zero=True),
        seed=int(seed),
    )
    if isinstance(galaxy, MultiBandImage):
        return _image(galaxy, observation)
    if not isinstance(galaxy, Galaxy):
        raise InputError(f"a Galaxy or MultiBandImage is needed, got {type(galaxy).__name__}")
    return Galaxy(
        galaxy.name,
        partial(_image, galaxy, observation),
        partial(_maps, galaxy, observation),
        star_forming=galaxy.star_forming,
        meta={**galaxy.meta, "observation": observation},
        group=galaxy.group,
    )


def observe_atlas(
    galaxies: Iterable[Galaxy],
    distance: u.Quantity | None = (20, 100) * u.Mpc,
    *,
    redshift: float | None = 0.0,
    depth: float | tuple[float, float] = 1.0,
    pixel_scale: u.Quantity | float | None = None,
    seed: int = 1,
    **options: Any,
) -> list[Galaxy]:
    """Observe galaxies, each at its own distance and depth, to train on or to test.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
    distance, depth, pixel_scale
        As for `observe`; a pair is a range from which each galaxy draws its own, uniformly in the logarithm.
    redshift : float or None, optional
        0 leaves the dimming out, because `~euclid_resolved.imaging.set_distance` undoes it in the image that
        will be mapped: dimming both would count it twice. None dims each galaxy by the redshift of its
        distance, for images that will be mapped as they are.
    seed : int, optional
        What a galaxy draws depends on the seed and its name, not on the others.
    **options
        ``psf_fwhm``, ``psf``, ``sky_rms``, ``stars`` and ``background`` as for `observe`.

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
        Nothing is read or computed until one is looked at. Each is of the group of the galaxy it shows.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved import make_atlas, observe_atlas, read_atlas
    >>> galaxies = read_atlas(make_atlas("atlas", 2, pixels=24))
    >>> observed = observe_atlas(galaxies, (20, 100) * u.Mpc, depth=(0.1, 1.0), seed=3)
    >>> for galaxy in observed:
    ...     print(f"{galaxy.name}: {galaxy.meta['observation'].distance:.0f}")
    TNG000001_O5: 78 Mpc
    TNG000002_O5: 85 Mpc
    """
    observed = []
    check_whole("seed", seed, 0)
    for galaxy in check_galaxies(galaxies):
        own = [int(seed), crc32(galaxy.name.encode())]
        rng = np.random.default_rng(own)
        drawn = [_draw(rng, value) for value in (distance, depth, pixel_scale)]
        observed.append(
            observe(
                galaxy,
                drawn[0],
                redshift=redshift,
                depth=drawn[1],
                pixel_scale=drawn[2],
                seed=int(rng.integers(2**31)),
                **options,
            )
        )
    return observed


def _draw(rng, value):
    """One value of a range, uniform in the logarithm; anything else as it is."""
    part = rng.random()  # drawn always: one fixed value must not change the others
    if value is None or np.ndim(value) == 0:
        return value
    if np.shape(value) != (2,):
        raise InputError(f"a range is two values, (low, high), got {value!r}")
    low, high = value
    return low * (high / low) ** part


def _distance(distance, redshift):
    from astropy.cosmology import Planck18, z_at_value

    if distance is None and redshift is None:
        raise InputError("to observe a galaxy its distance or redshift is needed")
    if distance is not None:
        distance = _quantity("distance", distance, None)
        farthest = (3000 if redshift is None else np.inf) * u.Mpc
        if not (distance.unit.is_equivalent(u.Mpc) and 0.1 * u.Mpc < distance < farthest):
            raise InputError(f"distance must lie between 0.1 and 3000 Mpc, got {distance}")
    if redshift is None:
        redshift = float(z_at_value(Planck18.luminosity_distance, distance, zmin=1e-6, zmax=1.0))
    if not isinstance(redshift, Real) or not 0 <= redshift <= 1:
        raise InputError(f"redshift must lie between 0 and 1, got {redshift}")
    if distance is None:
        if redshift == 0:
            raise InputError("at redshift 0 the distance has to be given")
        distance = Planck18.luminosity_distance(redshift)
    return u.Quantity(distance).to(u.Mpc), float(redshift)


def _arcsec(value):
    return float(_quantity("an angle", value, u.arcsec).to_value(u.arcsec))


def _quantity(what, value, unit):
    try:
        quantity = u.Quantity(value, unit)
    except (TypeError, ValueError):  # errors of units are among them
        quantity = None
    if quantity is None or quantity.ndim:
        number = f" or a number of {unit}" if unit else ""
        raise InputError(f"{what} must be one Quantity{number}, got {value!r}")
    return quantity


def _fwhm(value):
    if isinstance(value, dict):
        widths = {
            band: check_positive("psf_fwhm", _arcsec(width), zero=True) for band, width in value.items()
        }
        return {band_name(band): width for band, width in widths.items()}
    return None if value is None else check_positive("psf_fwhm", _arcsec(value), zero=True)


def _stamps(value):
    if not isinstance(value, Mapping):
        raise InputError(f"psf is one array a band, as in {{'IE': array}}; got {type(value).__name__}")
    return {band_name(band): check_psf(stamp, f"band {band}")[0] for band, stamp in value.items()}


def _sky_rms(value):
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InputError(f"sky_rms is one value a band, as in {{'LSST_g': 0.01}}; got {value!r}")
    noise = {band: _quantity("sky_rms", each, SURFACE_BRIGHTNESS) for band, each in value.items()}
    return {
        band_name(band): check_positive("sky_rms", float(each.to_value(SURFACE_BRIGHTNESS)))
        for band, each in noise.items()
    }


def _image(source, observation):
    """The observed image of a galaxy or image."""
    image = getattr(source, "image", source)
    check_noise_is_known(image, observation.sky_rms)
    old, new = observation.scales(image)
    rebin = averages(image.shape, old, new)
    shape = image.shape if rebin is None else [matrix.shape[0] for matrix in rebin]
    stars = _stars(observation, shape, new)
    bands = {}
    for band in image:
        bad = image.mask(band)
        light = np.where(bad, 0, image.brightness(band)) * (1 + observation.redshift) ** -3
        light = blur_and_average(light, rebin, observation.psf_of(band), old, new)
        bands[band] = _expose(light, average(bad, rebin) > 0, stars, band, observation, new)
    meta = {
        "pixel_scale": length_of_pixel(image) * (new / old),
        "distance": observation.distance,
        "redshift": observation.redshift,
        "depth": observation.depth,
        "angular_pixel_scale": new * u.arcsec,
    }
    return MultiBandImage(bands, name=image.name, meta={**image.meta, **meta})


def _expose(light, bad, stars, band, observation, pixel):
    """One band with stars, residual sky and noise, and its rms map."""
    # Each band has its own random numbers, so that leaving one out changes no other.
    own = EUCLID_BANDS.index(band) if band in EUCLID_BANDS else crc32(band.encode())
    rng = np.random.default_rng([observation.seed, own])
    noise = partial(
        pixel_noise, band=band, depth=observation.depth, sky_rms=(observation.sky_rms or {}).get(band)
    )
    if len(stars[0]):
        star_light = _star_light(stars, observation.fwhm(band), light.shape, pixel)
        bad = bad | (star_light > noise(0.0, pixel=pixel))
        light = light + star_light
    sigma = noise(light, pixel=pixel)
    residual = observation.background * noise(0.0) if observation.background else 0.0
    constant, *slope = rng.normal(0, residual, 3)
    y, x = (np.linspace(-1, 1, size) for size in light.shape)
    observed = light + constant + slope[0] * y[:, None] + slope[1] * x
    observed += sigma * stack_noise(rng, light.shape, band, pixel)
    return NDData(
        observed.astype(np.float32),
        unit=SURFACE_BRIGHTNESS,
        mask=bad,
        uncertainty=StdDevUncertainty(sigma.astype(np.float32)),
    )


def _stars(observation, shape, pixel):
    """Positions in pixels and magnitudes of foreground stars."""
    rng = np.random.default_rng([observation.seed, len(EUCLID_BANDS)])
    n = rng.poisson(observation.stars * shape[0] * shape[1] * (pixel / 60) ** 2)
    low, high = (10 ** (0.2 * m) for m in STAR_MAGNITUDES)
    return rng.random((n, 2)) * shape, 5 * np.log10(low + rng.random(n) * (high - low))


def _star_light(stars, fwhm, shape, pixel):
    """Surface brightness of the stars, MJy/sr: Gaussians, averaged over pixels."""
    from scipy.special import erf

    light = np.zeros(shape)
    width = max(fwhm, 1e-3) / np.sqrt(8 * np.log(2)) / pixel * np.sqrt(2)
    for (y, x), magnitude in zip(*stars, strict=True):
        profiles = [
            0.5 * np.diff(erf((np.arange(n + 1) - at) / width)) for n, at in zip(shape, (y, x), strict=True)
        ]
        flux = 3631e-6 * 10 ** (-0.4 * magnitude) / (pixel * u.arcsec.to(u.rad)) ** 2
        light += flux * np.outer(*profiles)
    return light


def _maps(galaxy, observation):
    """The true maps on the observed grid."""
    image, maps = galaxy.load()
    old, new = observation.scales(image)
    rebin = averages(image.shape, old, new)
    maps = {name: map_ for name, map_ in maps.items() if name in KNOWN}
    side = length_of_pixel(image) * (new / old)
    return seen_maps(maps, lambda plane: average(plane, rebin), pixel_scale=side)

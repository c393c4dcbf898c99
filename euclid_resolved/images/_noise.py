"""The noise of images: how much there is, how it is correlated, and what an image says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS, EUCLID_BANDS, SURFACE_BRIGHTNESS
from euclid_resolved.images._grid import native_float32
from euclid_resolved.images._noise_record import KEY, common_sigma, correlation_of, one_sigma

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["common_errors", "image_noise", "noise_correlation"]

MOSAIC_PIXEL = 0.1  # arcsec: what the numbers below are about
SKY_RMS = {band: float(u.Quantity(BANDS[band].sky_rms).value) for band in EUCLID_BANDS}
"""Electrons of the stack in a mosaic pixel of Euclid."""
EXPOSURES = 4  # dithered, then resampled and added


def image_noise(image: MultiBandImage, band: str, *, common: bool = True) -> np.ndarray | None:
    """What an image says about the noise of one band.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    band : str
    common : bool, optional
        Whether the errors that all pixels share (`common_errors`) are to be in it.

    Returns
    -------
    sigma : `~numpy.ndarray` or None
        One standard deviation in MJy/sr, float32, shape of the image; NaN where it is zero, negative or not
        finite, for no measurement is perfect. None where the image says nothing.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData, StdDevUncertainty
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.images import image_noise
    >>> error = StdDevUncertainty(np.full((2, 2), 0.04))
    >>> image = MultiBandImage({"HE": NDData(np.ones((2, 2)), unit=u.MJy / u.sr, uncertainty=error)})
    >>> image_noise(image, "HE")
    array([[0.04, 0.04],
           [0.04, 0.04]], dtype=float32)
    """
    nddata = image[band]
    if nddata.uncertainty is not None and nddata.uncertainty.uncertainty_type == "unknown":
        return None
    sigma = one_sigma(nddata, SURFACE_BRIGHTNESS)
    if sigma is None:
        return None
    shared = {} if common else nddata.meta.get(KEY, {}).get("common", {})
    with np.errstate(invalid="ignore"):
        sigma = np.where((sigma > 0) & (sigma < np.inf), sigma, np.nan)
    if shared:
        own = sigma**2 - common_sigma(image.brightness(band).astype(float), shared) ** 2
        sigma = np.sqrt(np.clip(own, 0, None))
    return native_float32(np.broadcast_to(sigma, image.shape))


def noise_correlation(image: MultiBandImage, band: str) -> np.ndarray:
    """How the noise of neighbouring pixels of a band is correlated, as far as the steps it went through tell.

    `euclid_resolved.images.align`, `~euclid_resolved.imaging.match_psf`, `~euclid_resolved.imaging.resample`
    and `~euclid_resolved.imaging.bin_voronoi` keep the record. An image as it was read has none: its pixels
    count as independent, which is what MER's rms maps are made for (see `stack_noise`).

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    band : str

    Returns
    -------
    correlation : `~numpy.ndarray`
        The correlation of two pixels (dy, dx) apart, counted from the centre of the array; both sides are
        odd. Of an image that was binned, that of two bins. The variance of a mean over many is that of
        independent ones times its sum.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.imaging import match_psf
    >>> from euclid_resolved.images import noise_correlation
    >>> bands = {band: NDData(np.ones((61, 61)), unit=u.MJy / u.sr) for band in ("IE", "HE")}
    >>> image = match_psf(MultiBandImage(bands, meta={"pixel_scale": 0.1 * u.arcsec}), psf="gaussian")
    >>> print([f"{band}: {noise_correlation(image, band).sum():.0f} pixels share noise" for band in image])
    ['IE: 22 pixels share noise', 'HE: 1 pixels share noise']
    """
    return correlation_of(image[band].meta)


def common_errors(image: MultiBandImage) -> dict[str, dict[str, np.ndarray]]:
    """The errors that all pixels of an image share: the level of the sky, E(B-V).

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`

    Returns
    -------
    errors : dict of str to dict
        By what is in error, and by band: one sigma in MJy/sr, an array of the image's shape. Bands under one
        name are off together, by as many sigma and in the same direction; others are independent.

    Examples
    --------
    >>> from euclid_resolved.imaging import correct_extinction
    >>> from euclid_resolved.images import common_errors
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = correct_extinction(example_galaxies(1)[0].image, 0.05, ebv_error=0.01)
    >>> error = common_errors(image)["extinction"]["IE"] / image.brightness("IE")
    >>> print(f"{100 * error[0, 0]:.1f} % in all pixels of IE")
    2.0 % in all pixels of IE
    """
    errors: dict[str, dict[str, np.ndarray]] = {}
    for band in image.bands:
        for name, each in image[band].meta.get(KEY, {}).get("common", {}).items():
            label = name if each.get("all_bands") else f"{name} {band}"
            light = image.brightness(band).astype(float)
            errors.setdefault(label, {})[band] = common_sigma(light, {name: each})
    return errors


def check_noise_is_known(bands: Iterable[str], sky_rms: Mapping[str, float] | None = None) -> None:
    """Refuse bands whose noise nobody has told.

    Parameters
    ----------
    bands : iterable of str
    sky_rms : mapping of str to float, optional
        What the user said of some.

    Raises
    ------
    InputError
        If a band is not known, or neither it nor the user says how much noise it has.

    Examples
    --------
    >>> from euclid_resolved.images._noise import check_noise_is_known
    >>> check_noise_is_known(["IE", "LSST_g"], {"LSST_g": 0.01})
    >>> try:
    ...     check_noise_is_known(["IE", "LSST_g"])
    ... except ValueError as error:
    ...     print(error)
    the noise of band LSST_g is not known: give sky_rms={'LSST_g': ...}, what its rms map says of dark sky ...
    """
    bands = list(bands)
    unknown = [band for band in bands if band not in BANDS or BANDS[band].detector_pixel is None]
    if unknown:
        raise InputError(
            f"nothing is known of the detector of band {', '.join(unknown)}; a plugin can tell "
            "(euclid_resolved.plugins.register_instruments), in a Band with detector_pixel"
        )
    without = [band for band in bands if BANDS[band].sky_rms is None and band not in (sky_rms or {})]
    if without:
        what = ", ".join(f"{band!r}: ..." for band in without)
        raise InputError(
            f"the noise of band {', '.join(without)} is not known: give sky_rms={{{what}}}, what its rms map "
            "says of dark sky in a pixel of 0.1 arcsec, in MJy/sr"
        )


def _recipe(band, sky_rms):
    """The sky's rms and the electrons per MJy/sr, or the sky's rms in MJy/sr and None."""
    known = BANDS[band]
    gain = None if known.gain is None else float(known.gain.to_value(u.electron / SURFACE_BRIGHTNESS))
    if sky_rms is not None:
        return (sky_rms if gain is None else sky_rms * gain), gain
    sky = known.sky_rms
    if sky.unit.is_equivalent(u.electron):
        return float(sky.to_value(u.electron)), gain
    sky = float(sky.to_value(SURFACE_BRIGHTNESS))
    return (sky if gain is None else sky * gain), gain


def pixel_noise(
    brightness: ArrayLike,
    band: str,
    depth: float = 1.0,
    pixel: float = MOSAIC_PIXEL,
    sky_rms: float | None = None,
) -> np.ndarray:
    """What the rms map of an image says: sky and photons of the source.

    With s and the sky's rms in electrons of the stack, ``sqrt(rms^2 + max(s, 0))``; the sky alone where the
    electrons of the band are not known.

    Parameters
    ----------
    brightness : array_like
        MJy/sr.
    band : str
        With a noise that is known (`check_noise_is_known`).
    depth : float, optional
        Exposure time in units of the Euclid Wide Survey's, or of what `sky_rms` is of.
    pixel : float, optional
        Side of a pixel in arcsec.
    sky_rms : float, optional
        In place of the band's, MJy/sr in a mosaic pixel.

    Returns
    -------
    sigma : `~numpy.ndarray`
        MJy/sr.

    Examples
    --------
    >>> from euclid_resolved.images._noise import pixel_noise
    >>> print(f"{pixel_noise(0.0, 'HE'):.3f} MJy/sr in a mosaic pixel of dark sky")
    0.035 MJy/sr in a mosaic pixel of dark sky
    >>> print(f"{pixel_noise(0.0, 'HE', pixel=1.0):.4f} MJy/sr in a square arcsec")
    0.0035 MJy/sr in a square arcsec
    """
    sky, gain = _recipe(band, sky_rms)
    if gain is None:
        return np.full(np.shape(brightness), sky / np.sqrt(depth) * (MOSAIC_PIXEL / pixel))
    electrons = gain * depth
    variance = sky**2 * depth + np.maximum(brightness, 0) * electrons
    return np.sqrt(variance) / electrons * (MOSAIC_PIXEL / pixel)


def stack_noise(
    rng: np.random.Generator, shape: Sequence[int], band: str, pixel: float = MOSAIC_PIXEL
) -> np.ndarray:
    """Noise of a stack of dithered exposures, resampled bilinearly, in units of the rms map.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    shape : tuple of int
    band : str
    pixel : float, optional
        Side of a pixel in arcsec. Pixels larger than those of the mosaics are means of mosaic pixels.

    Returns
    -------
    noise : `~numpy.ndarray`
        Correlated Gaussian noise. Averaged over many pixels, its variance is that of white noise of
        variance 1; in a mosaic pixel its standard deviation is 0.66 (IE), 0.22 (NISP) or in between.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.images._noise import stack_noise
    >>> noise = stack_noise(np.random.default_rng(1), (200, 200), "HE")
    >>> neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    >>> print(f"scatter {noise.std():.1f} of the rms map; neighbours correlate by {neighbours:.1f}")
    scatter 0.2 of the rms map; neighbours correlate by 0.9
    """
    total, detector_pixel = np.zeros(shape), u.Quantity(BANDS[band].detector_pixel).to_value(u.arcsec)
    # Far fewer pixels than the detector has: the same Gaussian field from its covariance.
    if pixel >= 4 * detector_pixel:
        draws = [(rng.random(2), rng.standard_normal(tuple(shape))) for _ in range(EXPOSURES)]
        dithers = np.transpose([dither for dither, _ in draws])
        roots = [_roots(size, detector_pixel, pixel, own) for size, own in zip(shape, dithers, strict=True)]
        for (_, white), rows, columns in zip(draws, *roots, strict=True):
            total += _correlated(_correlated(white, *rows).T, *columns).T
    else:
        for _ in range(EXPOSURES):
            factors = [_resampling(size, detector_pixel, pixel, rng.random()) for size in shape]
            white = rng.standard_normal((factors[0].shape[1], factors[1].shape[1]))
            total += factors[0] @ white @ factors[1].T
    return total * (pixel / detector_pixel) / np.sqrt(EXPOSURES)


def _positions(size, detector_pixel, pixel, dither):
    """Where the mosaic pixels of a row of pixels lie on the detector, and how many a pixel has."""
    n = max(round(pixel / MOSAIC_PIXEL), 1)
    return (np.arange(size * n) + 0.5) * (pixel / n / detector_pixel) + dither, n


def _roots(size, detector_pixel, pixel, dithers):
    """What gives white noise the covariance of resampled pixels, of which only neighbours are correlated.

    By dither, the diagonal and the one below it of the root of the covariance: all else is zero.
    """
    from scipy.linalg import cholesky_banded

    position, n = _positions(size, detector_pixel, pixel, dithers[:, None])
    shape = len(dithers), size, n
    left = position.astype(int)
    part, left = (position - left).ravel(), left.reshape(shape)
    first = left[..., 0]
    wide = int((left[..., -1] - first).max()) + 2  # detector pixels that a pixel has a part in, at most
    at = (np.arange(first.size).reshape(*shape[:2], 1) * wide + left - first[..., None]).ravel()
    weight = np.bincount(at, 1 - part, first.size * wide) + np.bincount(at + 1, part, first.size * wide)
    weight = weight.reshape(*shape[:2], wide) / n
    bands = np.zeros((2, *shape[:2]))
    bands[0] = (weight * weight).sum(axis=-1)
    # A pixel has at most its last two detector pixels in common with the next, whose first two they are.
    for k in range(2):
        column = np.diff(first, axis=1) + k
        own = np.take_along_axis(weight[:, :-1], np.minimum(column, wide - 1)[..., None], axis=-1)[..., 0]
        bands[1, :, :-1] += np.where(column < wide, own * weight[:, 1:, k], 0)
    lower = [cholesky_banded(each, lower=True, check_finite=False) for each in bands.swapaxes(0, 1)]
    return [(each[0], each[1, :-1]) for each in lower]


def _correlated(white, diagonal, below):
    """White noise times the root of a covariance from the left."""
    noise = diagonal[:, None] * white
    noise[1:] += below[:, None] * white[:-1]
    return noise


def _resampling(size, detector_pixel, pixel, dither):
    """The matrix that interpolates a row of the detector at mosaic pixels and averages these over `pixel`."""
    from scipy.sparse import csr_array

    position, n = _positions(size, detector_pixel, pixel, dither)
    left = position.astype(int)
    part = position - left
    if n == 1:  # two in each row, in order: nothing has to be sorted
        entries, where = np.stack([1 - part, part], axis=1), np.stack([left, left + 1], axis=1)
        row = 2 * np.arange(size + 1)
        return csr_array((entries.ravel(), where.ravel(), row), shape=(size, int(left.max()) + 2))
    rows = np.repeat(np.arange(size), n)
    entries = np.concatenate([1 - part, part]) / n
    where = (np.concatenate([rows, rows]), np.concatenate([left, left + 1]))
    return csr_array((entries, where), shape=(size, int(left.max()) + 2))

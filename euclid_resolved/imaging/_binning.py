"""Adaptive binning to a wanted signal-to-noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._correlation import after_binning, growth_of_squares
from euclid_resolved.images._sources import smooth
from euclid_resolved.imaging._steps import MaskReason, mask_reasons, new_image, planes_to_mix

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage

__all__ = ["bin_voronoi"]


def bin_voronoi(
    image: MultiBandImage,
    signal_to_noise: float,
    *,
    band: str | None = None,
    minimum: float = 0.5,
    smoothing: float = 3.0,
    noise_factor: float | None = None,
) -> MultiBandImage:
    """Average pixels in bins that are as large as the wanted signal-to-noise needs.

    The bins are those of PowerBin (Cappellari 2025, MNRAS 544, 1432), the successor of Voronoi binning
    (Cappellari & Copin 2003). All bands get the same bins. A bin holds the mean surface brightness of its
    pixels, not their sum, and every pixel of it shows that mean, so that maps made of the image stay
    densities and areas stay right.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        With an uncertainty.
    signal_to_noise : float
        What every bin should reach in `band`; a single pixel may exceed it.
    band : str, optional
        The band that decides; without it the one with the lowest median signal-to-noise.
    minimum : float, optional
        Pixels whose smoothed signal-to-noise is below this belong to no bin: there is no end to the bins
        of the sky. It is the smoothed value that decides, since choosing pixels by their own noise would
        make the faint bins too bright.
    smoothing : float, optional
        Sigma of the Gaussian that smooths it, in pixels.
    noise_factor : float, optional
        By how much the noise of an average exceeds that of independent pixels; see
        `resample`.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        ``meta["bins"]`` is the number of each pixel's bin, -1 where there is none; those pixels are masked,
        reason UNBINNED. The uncertainty is that of the bin's mean: it is shared by all its pixels, and totals
        of maps take it so. Errors that all pixels share are not made smaller.

    Raises
    ------
    InputError
        If the package powerbin is not installed, there is no uncertainty, or no pixel is bright enough.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData, StdDevUncertainty
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.imaging import bin_voronoi
    >>> y, x = np.mgrid[-10:11, -10:11]
    >>> light = np.exp(-np.hypot(x, y) / 4)
    >>> error = StdDevUncertainty(np.full(light.shape, 0.05))
    >>> image = MultiBandImage({"HE": NDData(light, unit=u.MJy / u.sr, uncertainty=error)})
    >>> binned = bin_voronoi(image, 30)
    >>> print(f"{light.size} pixels in {binned.meta['bins'].max() + 1} bins")
    441 pixels in 9 bins
    """
    image, bands = planes_to_mix(image)
    reasons = mask_reasons(image)
    if not 0 < signal_to_noise < np.inf:
        raise InputError(f"signal_to_noise must be positive, got {signal_to_noise}")
    noise = {name: plane.sigma for name, plane in bands.items() if plane.sigma is not None}
    missing = [name for name in bands if name not in noise]
    if missing:
        raise InputError(f"binning needs the noise, and band {', '.join(missing)} has no uncertainty")
    if band is not None and band not in bands:
        raise InputError(f"no band {band!r}; the image has {', '.join(bands)}")
    usable = reasons == 0
    for sigma in noise.values():
        usable &= np.isfinite(sigma) & (sigma > 0)
    snr = {name: _snr(plane, usable, smoothing) for name, plane in bands.items()}
    bright = usable & np.logical_and.reduce([values > minimum for values in snr.values()])
    if not bright.any():
        raise InputError(f"no pixel has a smoothed signal-to-noise above {minimum} in all bands")
    if band is None:
        band = min(snr, key=lambda name: np.median(snr[name][bright]))
    largest = np.sqrt(np.arange(1, bright.sum() + 1))
    if noise_factor is None:
        growth = {name: growth_of_squares(plane.correlation, largest) for name, plane in bands.items()}
    else:
        growth = dict.fromkeys(bands, np.full(largest.shape, float(noise_factor)))
    number = _bins(bands[band], bright, float(signal_to_noise), growth[band])
    bins = np.full(image.shape, -1, np.int32)
    bins[bright] = number
    count = np.bincount(number)
    reached = {}
    for name, plane in bands.items():
        mean = np.bincount(number, plane.data[bright]) / count
        sigma = np.sqrt(np.bincount(number, noise[name][bright] ** 2)) / count * growth[name][count - 1]
        plane.correlation = after_binning(plane.correlation, bins)
        plane.data = np.full(image.shape, np.nan)
        plane.sigma = np.full(image.shape, np.nan)
        plane.data[bright], plane.sigma[bright] = mean[number], sigma[number]
        plane.bad = ~bright
        reached[name] = float(np.median(mean / sigma))
    reasons[~bright & (reasons == 0)] = MaskReason.UNBINNED
    settings = {"signal_to_noise": float(signal_to_noise), "band": band, "minimum": float(minimum)}
    settings |= {"smoothing": float(smoothing), "noise_factor": noise_factor}
    measured = {"n_bins": len(count), "largest_bin": int(count.max()), "median_signal_to_noise": reached}
    return new_image(image, bands, "binning", settings, measured, reasons=reasons, meta={"bins": bins})


def _snr(plane, usable, smoothing):
    """The smoothed signal over the noise of one pixel."""
    signal, weight = smooth(plane.data, usable, smoothing)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usable & (weight > 0), signal / plane.sigma, 0.0)


def _bins(plane, bright, target, growth):
    """The number of the bin of every bright pixel, from 0 without gaps; growth of the noise by pixels."""
    try:
        from powerbin import PowerBin
    except ImportError:
        raise InputError(
            "the package powerbin is not installed (pip install euclid_resolved[binning])"
        ) from None
    rows, columns = np.nonzero(bright)
    signal, noise = plane.data[bright], plane.sigma[bright]

    def capacity(index):
        total = signal[index].sum()
        return max(total, 0.0) ** 2 / (noise[index] ** 2).sum() / growth[len(index) - 1] ** 2

    try:
        result = PowerBin(
            np.column_stack([columns, rows]).astype(float), capacity, target**2, pixelsize=1.0, verbose=0
        )
    except (ValueError, IndexError) as error:
        raise InputError(
            f"the pixels cannot be binned to a signal-to-noise of {target:g}: {error}"
        ) from error
    return np.unique(result.bin_num, return_inverse=True)[1]

"""Point spread functions: what makes one usable, how wide it is, and the kernel from one to another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SIGMA_TO_FWHM = np.sqrt(8 * np.log(2))

NEGATIVE_PART = 0.01
"""PSFs may hold negative pixels whose sum is this fraction of the whole; they are set to zero."""


def check_psf(stamp: ArrayLike, label: str = "the PSF") -> tuple[np.ndarray, float]:
    """A PSF that can be used: 2-D, odd, square, non-negative and of sum one.

    Parameters
    ----------
    stamp : array_like
    label : str, optional
        For messages.

    Returns
    -------
    stamp : `~numpy.ndarray`
        float64. Even stamps get a row and a column of zeros, oblong ones are padded.
    total : float
        The sum it had.

    Raises
    ------
    InputError
        If it is not 2-D, holds NaN, has no light, or too much negative.
    """
    values = np.array(stamp, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 3:
        raise InputError(f"{label}: a PSF is a 2-D array of at least 3 x 3 pixels, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise InputError(
            f"{label}: its PSF holds {int((~np.isfinite(values)).sum())} pixels that are not finite"
        )
    total, negative = float(values.sum()), float(-values[values < 0].sum())
    if not total > 0 or not values.max() > 0:
        raise InputError(f"{label}: its PSF has a sum of {total:.3g}; a PSF has light in it")
    if negative > NEGATIVE_PART * total:
        raise InputError(
            f"{label}: {100 * negative / total:.1f} % of its PSF is negative: was the sky subtracted?"
        )
    values = np.clip(values, 0, None)
    side = max(values.shape)
    side += 1 - side % 2
    values = np.pad(values, [(0, side - n) for n in values.shape])
    return values / values.sum(), total


def centroid(stamp: np.ndarray) -> tuple[float, float]:
    """Centre of light (y, x), iterated inside a window around the peak, since wings reach the edge."""
    rows, columns = np.indices(stamp.shape)
    y, x = np.unravel_index(np.argmax(stamp), stamp.shape)
    sigma = max(2.0, len(stamp) / 8)
    for _ in range(50):
        weight = stamp * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2)
        before = y, x
        y, x = (weight * rows).sum() / weight.sum(), (weight * columns).sum() / weight.sum()
        if np.hypot(y - before[0], x - before[1]) < 1e-5:
            break
    return float(y), float(x)


def psf_fwhm(stamp: ArrayLike) -> float:
    """The full width at half maximum of a PSF in pixels: of a Gaussian, integrated over pixels, fitted to it.

    Parameters
    ----------
    stamp : array_like
        2-D, its background zero.

    Returns
    -------
    fwhm : float
    """
    from scipy.optimize import least_squares
    from scipy.special import erf

    stamp = np.asarray(stamp, float)
    y, x = centroid(stamp)
    rows, columns = np.indices(stamp.shape)
    # The core only: wings would widen a Gaussian.
    half_light = np.sqrt((stamp > stamp.max() / 2).sum() / np.pi)
    core = np.hypot(rows - y, columns - x) <= max(2.0, 1.5 * half_light)

    def profile(n, centre, sigma):
        edges = (np.arange(n + 1) - 0.5 - centre) / (sigma * np.sqrt(2))
        return np.diff(erf(edges)) / 2

    def residual(p):
        model = np.outer(profile(len(stamp), p[1], p[3]), profile(stamp.shape[1], p[2], p[3]))
        return (p[0] * model - stamp)[core] / stamp.max()

    start = (stamp[core].sum(), y, x, max(half_light / 1.2, 0.3))
    fit = least_squares(residual, start, x_scale=(start[0], 1, 1, 1))
    return float(abs(fit.x[3]) * SIGMA_TO_FWHM)


def encircled_energy(stamp: np.ndarray, radii: Iterable[float]) -> np.ndarray:
    """The fraction of the light of a PSF inside circles around its centre.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
    radii : array_like
        In pixels.

    Returns
    -------
    energy : `~numpy.ndarray`
        Of the light in the stamp.
    """
    from photutils.aperture import CircularAperture

    y, x = centroid(stamp)
    circles = [CircularAperture((x, y), r=r).to_mask(method="exact") for r in radii]
    return np.array([circle.multiply(stamp).sum() for circle in circles]) / stamp.sum()


def matching_kernel(
    source: np.ndarray,
    target: np.ndarray,
    energy_tolerance: float = 0.05,
    flux_tolerance: float = 0.01,
    ringing: float = 0.5,
    label: str = "the PSF",
) -> tuple[np.ndarray, dict[str, float]]:
    """The kernel that turns one PSF into another, checked on the PSF itself.

    Parameters
    ----------
    source, target : array_like
        From `check_psf`; stamps may differ in size.
    energy_tolerance, flux_tolerance, ringing : float, optional
        See `match_psf`.
    label : str, optional
        For messages.

    Returns
    -------
    kernel : `~numpy.ndarray`
        Odd, square, of sum one, centred: it does not move the image, wherever the PSFs lie in their stamps.
    quality : dict
        ``energy_error``, ``flux_error``, ``kernel_negative``, ``kernel_fwhm``, ``regularization``.

    Raises
    ------
    InputError
        If no kernel passes the tests.
    """
    side = max(len(source), len(target))
    radii = np.arange(0.5, side / 2, 0.5)
    # Fourier transforms are periodic: with empty margins what leaves on one side does not come back.
    source, target = (np.pad(s, side - 1 - (len(s) - 1) // 2) for s in (source, target))
    wanted = encircled_energy(target, radii)
    judged = wanted >= 0.2
    offset = _offset(source, target)
    for strength, raw in _candidates(source, target):
        regularization, kernel = strength, _centre(raw, offset)
        negative = float(-kernel[kernel < 0].sum())
        if negative <= ringing:
            break
    matched = convolve_stamp(source, kernel)
    energy = float(np.max(np.abs(encircled_energy(matched, radii) / wanted - 1)[judged]))
    flux = float(abs(matched.sum() / source.sum() - 1))
    if energy > energy_tolerance or flux > flux_tolerance or negative > ringing:
        raise InputError(
            f"{label}: no kernel matches the PSFs: the encircled energy is off by {100 * energy:.1f} % "
            f"(allowed {100 * energy_tolerance:g} %), the flux by {100 * flux:.2f} % (allowed "
            f"{100 * flux_tolerance:g} %), and the kernel's negative part is {negative:.2f} (allowed "
            f"{ringing:g}); is the target the broadest?"
        )
    quality = {
        "energy_error": energy,
        "flux_error": flux,
        "kernel_negative": negative,
        "kernel_fwhm": kernel_fwhm(kernel),
        "regularization": regularization,
    }
    return kernel, quality


def kernel_fwhm(kernel: np.ndarray) -> float:
    """The FWHM in pixels of the Gaussian that averages noise as much as a kernel."""
    return float(SIGMA_TO_FWHM / np.sqrt(4 * np.pi * (kernel**2).sum()))


def _candidates(source, target):
    """Raw kernels from weak to strong regularisation."""
    from photutils.psf_matching import make_wiener_kernel

    for strength in 10.0 ** np.arange(-5, 0.25, 0.5):
        yield (
            float(strength),
            make_wiener_kernel(source, target, regularization=strength, penalty="laplacian"),
        )


def _offset(source, target):
    """How far the centre of the target lies from that of the source, in pixels (y, x)."""
    return tuple(b - a for a, b in zip(centroid(source), centroid(target), strict=True))


def _centre(kernel, offset):
    """A kernel moved back by an offset; it is smooth, so that Fourier phases do that well."""
    frequencies = np.meshgrid(*(np.fft.fftfreq(n) for n in kernel.shape), indexing="ij")
    phase = sum(f * d for f, d in zip(frequencies, offset, strict=True))
    kernel = np.real(np.fft.ifft2(np.fft.fft2(kernel) * np.exp(2j * np.pi * phase)))
    return kernel / kernel.sum()


def convolve_stamp(stamp: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A PSF convolved with a kernel, in a stamp as large as the larger of the two."""
    from scipy.signal import fftconvolve

    side = max(len(stamp), len(kernel))
    return fftconvolve(np.pad(stamp, (side - len(stamp)) // 2), kernel, mode="same")


def gaussian_kernel(fwhm: float) -> np.ndarray:
    """A Gaussian integrated over pixels, since it may be hardly wider than one."""
    from scipy.special import erf

    sigma = fwhm / SIGMA_TO_FWHM
    half = int(np.ceil(5 * sigma)) + 1
    profile = np.diff(erf((np.arange(-half, half + 2) - 0.5) / (sigma * np.sqrt(2))))
    kernel = np.outer(profile, profile)
    return kernel / kernel.sum()

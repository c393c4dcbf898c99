"""Blur a plane by a PSF and average it over pixels of another size: both about the middle of the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._noise import MOSAIC_PIXEL
from euclid_resolved.imaging._kernels import SIGMA_TO_FWHM, centroid

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def averaging(
    size: int, old: float, new: float, n: int | None = None, centre: float | None = None
) -> csr_array:
    """The matrix that averages `size` pixels of side `old` over pixels of side `new`, about the centre.

    Parameters
    ----------
    size : int
    old, new : float
    n : int, optional
        How many new pixels; as many as lie wholly within the old ones without it. What is beyond these counts
        as 0.
    centre : float, optional
        Where it is, in old pixels from the edge; the middle without it.

    Returns
    -------
    matrix : `~scipy.sparse.csr_array`
        Shape (new pixels, size); each row sums to one where its pixel lies within the old ones.
    """
    from scipy.sparse import csr_array, eye_array

    centre = size / 2 if centre is None else centre
    if old == new and n in (None, size) and centre == size / 2:
        return csr_array(eye_array(size))
    n = int(size * old / new * (1 + 1e-9)) if n is None else n
    if n < 1:
        raise InputError(f"{size} pixels of {old:.3g} arcsec are less than one of {new:.3g} arcsec")
    edges = (np.arange(n + 1) - n / 2) * new / old + centre
    first = np.clip(np.floor(edges[:-1] + 1e-9).astype(int), 0, size - 1)
    rows, columns, weights = [], [], []
    for k in range(int(np.ceil(new / old)) + 1):
        column = first + k
        overlap = np.minimum(edges[1:], column + 1) - np.maximum(edges[:-1], column)
        some = (overlap > 1e-9) & (column < size)
        rows.append(np.flatnonzero(some))
        columns.append(column[some])
        weights.append(overlap[some] * old / new)
    return csr_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(n, size)
    )


def kernel_of(stamp: np.ndarray, side: float) -> np.ndarray:
    """A PSF on pixels of another side, to convolve with.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
        On pixels of the mosaics (0.1 arcsec), its sides odd, as `check_psf` gives it.
    side : float
        Of the pixels, arcsec.

    Returns
    -------
    kernel : `~numpy.ndarray`
        Its sides odd and its sum one. Its light is centred, wherever it lies in the stamp: it moves nothing.
    """
    size = len(stamp)
    n = int(np.ceil(size * MOSAIC_PIXEL / side - 1e-9))
    rows, columns = (
        averaging(size, MOSAIC_PIXEL, side, n + 1 - n % 2, round(at, 6) + 0.5) for at in centroid(stamp)
    )
    kernel = rows @ stamp @ columns.T
    return np.asarray(kernel / kernel.sum())


def averages(shape: Sequence[int], old: float, new: float) -> tuple[csr_array, csr_array] | None:
    """What averages the rows and the columns of a plane; None where its pixels stay as they are."""
    return None if old == new else (averaging(shape[0], old, new), averaging(shape[1], old, new))


def average(plane: np.ndarray, rebin: tuple[csr_array, csr_array] | None) -> np.ndarray:
    """A plane averaged over new pixels, by what `averages` gave."""
    return plane if rebin is None else rebin[0] @ plane @ rebin[1].T


def blur_and_average(
    light: np.ndarray,
    rebin: tuple[csr_array, csr_array] | None,
    psf: np.ndarray | float,
    old: float,
    new: float,
) -> np.ndarray:
    """Blur a plane and average it over new pixels.

    Parameters
    ----------
    light : `~numpy.ndarray`
    rebin : pair of `~scipy.sparse.csr_array`, or None
        From `averages`.
    psf : `~numpy.ndarray` or float
        On pixels of the mosaics, or the full width at half maximum of a Gaussian in arcsec.
    old, new : float
        Sides of the pixels, arcsec.

    Returns
    -------
    light : `~numpy.ndarray`
    """
    # Both are linear; the PSF is applied on the finer of the two grids, where it is better sampled.
    if old <= new:
        light = _blur(light, psf, old)
    light = average(light, rebin)
    return _blur(light, psf, new) if old > new else light


def _blur(light, psf, side):
    from scipy.ndimage import gaussian_filter
    from scipy.signal import oaconvolve

    if isinstance(psf, np.ndarray):
        kernel = kernel_of(psf, side)
        return oaconvolve(np.pad(light, len(kernel) // 2, mode="edge"), kernel, mode="valid")
    sigma = psf / SIGMA_TO_FWHM / side
    return gaussian_filter(light, sigma, mode="nearest") if sigma > 0 else light

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
        On pixels larger than the stamp's it has the second moments of the stamp, however narrow that is.
    """
    size, centre = len(stamp), [round(at, 6) for at in centroid(stamp)]
    if side > MOSAIC_PIXEL:
        reach = int(np.ceil(max(*centre, *(size - 1 - at for at in centre)) * MOSAIC_PIXEL / side)) + 1
        rows, columns = (_assigning(size, side, at, reach) for at in centre)
        kernel = _not_negative(rows @ stamp @ columns.T)
    else:
        n = int(np.ceil(size * MOSAIC_PIXEL / side - 1e-9))
        rows, columns = (averaging(size, MOSAIC_PIXEL, side, n + 1 - n % 2, at + 0.5) for at in centre)
        kernel = rows @ stamp @ columns.T
    return np.asarray(kernel / kernel.sum())


def _assigning(size, side, centre, reach):
    """The matrix that gives a row of stamp pixels to larger ones, shape (2 reach + 1, size).

    Light at a distance d from the centre of the nearest pixel goes to that one and its two neighbours in the
    parts 1 - d^2, d (d + 1) / 2 and d (d - 1) / 2: the only ones that keep its sum, place and second moment.
    An average over pixels would not: the image has been averaged over them already.
    """
    at = (np.arange(size) - centre) * (MOSAIC_PIXEL / side)
    nearest = np.round(at).astype(int)
    d = at - nearest
    matrix = np.zeros((2 * reach + 1, size))
    for step, part in ((-1, d * (d - 1) / 2), (0, 1 - d * d), (1, d * (d + 1) / 2)):
        matrix[nearest + step + reach, np.arange(size)] += part
    return matrix


def _not_negative(kernel):
    """A kernel without its negative parts, which would make light negative, and with its second moment."""
    middle = len(kernel) // 2
    square = np.hypot(*np.indices(kernel.shape) - middle) ** 2
    positive = np.clip(kernel, 0, None)
    wanted, found = ((each * square).sum() / each.sum() for each in (kernel, positive))
    positive *= min(wanted / found, 1) / positive.sum() if found else 1
    positive[middle, middle] += 1 - positive.sum()
    return positive


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
    sigma = sampled_sigma(psf / SIGMA_TO_FWHM / side)
    return gaussian_filter(light, sigma, mode="nearest") if sigma > 0 else light


def sampled_sigma(sigma: float) -> float:
    """The width at which a Gaussian, sampled at the centres of pixels, has the variance of one of `sigma`.

    Sampled as it is, a Gaussian narrower than a pixel would hardly blur: of sigma 0.3 pixels it has a
    variance of 0.008 in place of 0.09.

    Parameters
    ----------
    sigma : float
        In pixels; from 1 on both are the same.

    Returns
    -------
    width : float

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.imaging._blur import sampled_sigma
    >>> at = np.arange(-4, 5)
    >>> kernel = np.exp(-0.5 * (at / sampled_sigma(0.3)) ** 2)
    >>> print(f"{(kernel * at**2).sum() / kernel.sum():.3f}")
    0.090
    """
    if not 1e-4 < sigma < 1:  # a narrower one blurs nothing
        return sigma if sigma >= 1 else 0.0
    from scipy.optimize import brentq

    # The kernel at distance k is w^(k^2), with w that at 1.
    squares = tuple(k * k for k in range(1, 9))

    def excess(w):
        parts = [w**square for square in squares]
        second = sum(part * square for part, square in zip(parts, squares, strict=True))
        return 2 * second - sigma**2 * (1 + 2 * sum(parts))

    return float(np.sqrt(-0.5 / np.log(brentq(excess, 0.0, 0.65, xtol=1e-16, rtol=1e-10))))

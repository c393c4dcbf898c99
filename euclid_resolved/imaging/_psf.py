"""Match the point spread functions of all bands to the broadest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS, band_name
from euclid_resolved.images._correlation import after_convolution
from euclid_resolved.images._pixels import pixel_scale, stretch
from euclid_resolved.imaging._kernels import (
    check_psf,
    convolve_stamp,
    encircled_energy,
    gaussian_kernel,
    kernel_fwhm,
    matching_kernel,
    psf_fwhm,
)
from euclid_resolved.imaging._steps import MaskReason, mask_reasons, new_image, planes_to_mix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["match_psf"]


def match_psf(
    image: MultiBandImage,
    to: str | None = None,
    *,
    psf: Mapping[str, ArrayLike] | str | None = None,
    broaden: float | None = None,
    energy_tolerance: float = 0.05,
    flux_tolerance: float = 0.01,
    ringing: float = 0.5,
    mask_weight: float = 0.05,
) -> MultiBandImage:
    """Convolve every band so that all have the PSF of the broadest.

    A colour of a pixel means something only where all bands see the same piece of the galaxy. The kernels
    are Wiener-regularised ratios of Fourier transforms (`photutils.psf_matching.make_wiener_kernel`), each
    with the weakest regularisation that does not ring. A kernel that rings makes structure that is not
    there: if none passes the tests the image is refused.

    The broadest band may still be narrower than another in its core or along one axis. Then the common
    PSF is that of the broadest band convolved with the narrowest Gaussian that lets all bands pass.

    Convolution makes the noise of neighbouring pixels correlated. The uncertainty here is that of single
    pixels, sqrt(kernel^2 * sigma^2), smaller than before; the error of an average over many pixels is not
    smaller. How pixels are correlated is kept (`euclid_resolved.images.noise_correlation`): `resample`,
    `bin_voronoi` and the totals of maps take it from there.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    to : str, optional
        The band whose PSF all get; without it the one with the largest half-light radius.
    psf : mapping of str to array_like, or "gaussian", optional
        PSFs on the image's pixels, in place of ``image[band].meta["psf"]``; or Gaussians of the bands'
        typical width (`~euclid_resolved.BANDS`), which is cruder.
    broaden : float, optional
        FWHM in pixels of the Gaussian; 0 for none. Without it the narrowest that works, none if possible.
    energy_tolerance : float, optional
        The encircled energy of a matched PSF may differ by this from that of the target, relative to it,
        at any radius inside which the target has a fifth of its light or more.
    flux_tolerance : float, optional
        The sum of a point source may change by this.
    ringing : float, optional
        The most that the negative part of a kernel may sum to; 0 would be pure blurring, and sharpening
        needs more and more. Aniano et al. (2011, PASP 123, 1218) discuss this figure of merit.
    mask_weight : float, optional
        A pixel is masked where bad pixels, or what lies beyond the edge, have more than this part of the
        weight of the kernel.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        Bad pixels do not enter: they are filled by the kernel-weighted average of what is good around
        them, and are masked, with those that they touch, reason PSF. ``meta["psf"]`` of each band is its
        PSF now. The record has, by band, ``psf_sum`` as delivered, ``half_light_radius``, ``fwhm`` and
        ``fwhm_matched`` (pixels), ``energy_error``, ``flux_error``, ``kernel_negative`` (the sum of its
        negative part), ``kernel_fwhm``.

    Raises
    ------
    InputError
        If a PSF is missing, has NaN or no light, or a band cannot be matched within the tolerances.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.imaging import history, match_psf
    >>> star = np.full((61, 61), 0.1)
    >>> star[30, 30] = 100.0
    >>> bands = {band: NDData(star, unit=u.MJy / u.sr) for band in ("IE", "HE")}
    >>> image = match_psf(MultiBandImage(bands, meta={"pixel_scale": 0.1 * u.arcsec}), psf="gaussian")
    >>> history(image)[-1]["settings"]["to"]
    'HE'
    >>> good = ~image.mask()
    >>> [f"{band}: peak {image[band].data[good].max():.1f}" for band in image]
    ['IE: peak 9.2', 'HE: peak 100.0']
    """
    tolerances = energy_tolerance, flux_tolerance, ringing
    return Matching.of(image, to, psf, broaden, tolerances, mask_weight)(image)


@dataclass(frozen=True, eq=False)
class Matching:
    """The kernels that bring the bands of an image to one PSF; called with an image, or a piece, it does so.

    Attributes
    ----------
    kernels, psfs : dict of str to `~numpy.ndarray`
        By band; one that is left as it is has no kernel. The PSFs are those afterwards.
    settings, measured : dict
        The record of the step.
    """

    kernels: dict[str, np.ndarray]
    psfs: dict[str, np.ndarray]
    settings: dict[str, Any]
    measured: dict[str, dict[str, float]]

    @classmethod
    def of(
        cls,
        image: MultiBandImage,
        to: str | None = None,
        psf: Mapping[str, ArrayLike] | str | None = None,
        broaden: float | None = None,
        tolerances: tuple[float, float, float] = (0.05, 0.01, 0.5),
        mask_weight: float = 0.05,
    ) -> Matching:
        """The kernels for an image; see `match_psf`."""
        stamps, measured = _stamps(image, psf)
        if to is None:
            to = max(stamps, key=lambda band: measured[band]["half_light_radius"])
        if to not in image:
            raise InputError(f"no band {to!r} to match to; the image has {', '.join(image)}")
        kernels, qualities, gaussian = _common_kernels(stamps, to, broaden, measured[to]["fwhm"], tolerances)
        for band in stamps:
            if band in kernels:
                stamps[band] = convolve_stamp(stamps[band], kernels[band])
            measured[band] |= {**qualities.get(band, {}), "fwhm_matched": psf_fwhm(stamps[band])}
        source = psf if isinstance(psf, str) else "delivered" if psf is None else "given"
        settings = {"to": to, "source": source, "broadened_by": gaussian}
        settings |= dict(zip(("energy_tolerance", "flux_tolerance", "ringing"), tolerances, strict=True))
        settings["mask_weight"] = mask_weight
        return cls(kernels, stamps, settings, measured)

    @property
    def reach(self) -> int:
        """How many pixels off the kernels look."""
        return max((len(kernel) // 2 for kernel in self.kernels.values()), default=0)

    def __call__(self, image: MultiBandImage) -> MultiBandImage:
        """The image with all bands of one PSF."""
        image, bands = planes_to_mix(image)
        reasons = mask_reasons(image)
        for band, plane in bands.items():
            before = plane.bad
            if band in self.kernels:
                _convolve(plane, self.kernels[band], self.settings["mask_weight"])
            plane.meta["psf"] = np.float32(self.psfs[band])
            reasons[plane.bad & ~before] |= MaskReason.PSF
        return new_image(image, bands, "psf", self.settings, self.measured, reasons=reasons)


def _common_kernels(stamps, to, broaden, fwhm, tolerances):
    """Kernels by band that bring all to one PSF, their quality, and the width of the Gaussian needed."""
    widths = np.arange(0, fwhm + 0.5, 0.5) if broaden is None else [float(broaden)]
    failure = None
    for width in widths:
        kernels, qualities, target = {}, {}, stamps[to]
        if width > 0:
            kernels[to] = gaussian_kernel(width)
            target = convolve_stamp(target, kernels[to])
            qualities[to] = {"kernel_fwhm": kernel_fwhm(kernels[to])}
        try:
            for band in stamps:
                if band != to:
                    label = f"band {band} to {to}"
                    kernels[band], qualities[band] = matching_kernel(stamps[band], target, *tolerances, label)
        except InputError as error:
            failure = failure or error  # the first says how far off the bands are without a Gaussian
        else:
            return kernels, qualities, float(width)
    raise failure


def _stamps(image, psf):
    """Checked PSFs of all bands, and what was measured on them."""
    if isinstance(psf, str):
        if psf != "gaussian":
            raise InputError(f"psf must be a mapping of band to array, or 'gaussian'; got {psf!r}")
        psf = {band: _gaussian(image, band) for band in image.bands}
    given = {band_name(band, image.bands): stamp for band, stamp in (psf or {}).items()}
    found = {band: given.get(band, image[band].meta.get("psf")) for band in image.bands}
    missing = [band for band, stamp in found.items() if stamp is None]
    if missing:
        raise InputError(
            f"no PSF for band {', '.join(missing)}; give psf={{band: array}}, or psf='gaussian' for "
            "Gaussians of typical width"
        )
    stamps, measured = {}, {}
    for band, stamp in found.items():
        stamps[band], total = check_psf(stamp, f"band {band}")
        radii = np.arange(0.25, len(stamps[band]) / 2, 0.25)
        half = float(np.interp(0.5, encircled_energy(stamps[band], radii), radii))
        measured[band] = {"psf_sum": total, "half_light_radius": half, "fwhm": psf_fwhm(stamps[band])}
    return stamps, measured


def _gaussian(image, band):
    typical = BANDS[band].psf_fwhm if band in BANDS else None
    if typical is None:
        raise InputError(f"no typical PSF is known for band {band}; give psf={{'{band}': array}}")
    scale = pixel_scale(image)
    if not scale.unit.is_equivalent(u.arcsec):
        raise InputError(
            f"a Gaussian PSF needs pixels of a known angle, not of {scale}: match before set_distance"
        )
    if not np.array_equal(stretch(image), np.eye(2)):
        raise InputError("a Gaussian PSF needs square pixels: use resample with an angle first, or give psf=")
    return gaussian_kernel((typical / scale).to_value(""))


def _convolve(plane, kernel, mask_weight):
    """Convolve the planes of a band in place."""
    from scipy.signal import oaconvolve

    good = plane.good.astype(float)
    # What lies beyond the edge is as bad as a masked pixel: `good` is zero there.
    weight = oaconvolve(good, kernel, mode="same")
    size = oaconvolve(good, np.abs(kernel), mode="same") / np.abs(kernel).sum()
    bad = plane.bad | (size < 1 - mask_weight) | (weight < 0.5)
    plane.correlation, growth = after_convolution(plane.correlation, kernel)
    with np.errstate(divide="ignore", invalid="ignore"):
        plane.data = oaconvolve(np.where(plane.good, plane.data, 0.0), kernel, mode="same") / weight
        if plane.sigma is not None:
            known = plane.good & np.isfinite(plane.sigma)
            variance = oaconvolve(np.where(known, plane.sigma, 0.0) ** 2, kernel**2, mode="same")
            plane.sigma = np.sqrt(np.clip(variance * growth, 0, None)) / weight
            plane.sigma[bad] = np.nan
    plane.data[bad] = np.nan
    plane.bad = bad

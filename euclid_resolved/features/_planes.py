"""What a feature of an image looks at: planes by band, of which some pixels are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_positive, read_only
from euclid_resolved.errors import InputError
from euclid_resolved.features._convolving import means_of, noise_of, weight_of
from euclid_resolved.images._noise import image_noise, noise_correlation
from euclid_resolved.images._pixels import pixel_scale

if TYPE_CHECKING:
    import astropy.units as u

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["ImagePlanes"]

_TRUNCATE = 3.0  # sigma at which the smoothing kernel ends
_WIDEST = 1000.0  # pixels: a kernel wider than any image takes all memory


@dataclass(frozen=True, eq=False)
class ImagePlanes:
    """The planes of an image as features of an image see them.

    Attributes
    ----------
    brightness : mapping of str to `~numpy.ndarray`
        Surface brightness in MJy/sr by band, float32, shape (ny, nx); NaN where a pixel is masked or not
        finite. It may be zero or negative. Read-only.
    noise : mapping of str to `~numpy.ndarray`
        One sigma in MJy/sr by band, float32, shape (ny, nx); NaN where it is not known. Empty where the image
        does not know its noise in every band.
    correlation : mapping of str to `~numpy.ndarray`
        How the noise of neighbouring pixels is correlated (`~euclid_resolved.images.noise_correlation`).
    pixel_scale : `~astropy.units.Quantity` or None
        The side of a pixel, a length or an angle; None where it is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features import ImagePlanes
    >>> light = np.zeros((3, 3), np.float32)
    >>> light[1, 1], light[0, 0] = 9.0, np.nan
    >>> planes = ImagePlanes({"HE": light})
    >>> smooth = planes.smoothed(0.5).brightness["HE"]
    >>> print(f"the peak of 9 falls to {smooth[1, 1]:.1f}; the hole is filled with {smooth[0, 0]:.1f}")
    the peak of 9 falls to 5.6; the hole is filled with 0.6
    """

    brightness: Mapping[str, np.ndarray]
    noise: Mapping[str, np.ndarray] = field(default_factory=dict)
    correlation: Mapping[str, np.ndarray] = field(default_factory=dict)
    pixel_scale: u.Quantity | None = None
    _smoothed: dict[float, ImagePlanes] = field(default_factory=dict, init=False, repr=False)
    _in_part: dict[float, ImagePlanes] = field(default_factory=dict, init=False, repr=False)
    # What features have found out of these planes, and need again.
    _found: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, image: MultiBandImage, bands: tuple[str, ...]) -> ImagePlanes:
        """The planes of some bands of an image.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
        bands : tuple of str

        Returns
        -------
        planes : `ImagePlanes`
        """
        brightness = {}
        for band in bands:
            values = image.brightness(band)
            missing = image.mask(band) | ~np.isfinite(values)
            if missing.any():
                values = np.where(missing, np.float32(np.nan), values)
            brightness[band] = read_only(values)
        noise = {band: image_noise(image, band, common=False) for band in bands}
        known = {band: read_only(sigma) for band, sigma in noise.items() if sigma is not None}
        scale = pixel_scale(image)
        return cls(
            brightness,
            known if len(known) == len(noise) else {},
            {band: noise_correlation(image, band) for band in bands},
            None if str(scale.unit) == "pix" else scale,
        )

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the bands, in order."""
        return tuple(self.brightness)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of every plane."""
        return next(iter(self.brightness.values())).shape

    def __repr__(self) -> str:
        noise = "noise known" if self.noise else "noise not known"
        return f"<ImagePlanes {', '.join(self.bands)}; shape {self.shape}; {noise}>"

    def with_brightness(self, brightness: Mapping[str, np.ndarray]) -> ImagePlanes:
        """The same image with other surface brightness.

        Parameters
        ----------
        brightness : mapping of str to `~numpy.ndarray`

        Returns
        -------
        planes : `ImagePlanes`
        """
        return replace(self, brightness={band: read_only(values) for band, values in brightness.items()})

    def forgotten(self) -> ImagePlanes:
        """The same planes without what was smoothed of them, to give its memory back."""
        return replace(self)

    def _forget(self):
        """Give back the memory of what was smoothed of these planes."""
        self._smoothed.clear()
        self._in_part.clear()
        self._found.clear()
        self.__dict__.pop("_filled", None)

    def smoothed(self, sigma: float) -> ImagePlanes:
        """The planes, each pixel a weighted mean of those around it that are known.

        The kernel is a Gaussian that ends at three sigma (normalised convolution). The same call gives the
        same object again.

        Parameters
        ----------
        sigma : float
            Of the Gaussian, in pixels, at most 1000; 0 for the planes as they are.

        Returns
        -------
        planes : `ImagePlanes`
            Brightness as weighted means, NaN where nothing within the kernel is known. Noise as that of the
            means: pixels count as correlated by `correlation` and no more. Pixels whose own noise is not
            known do not count where the noise of others is. Sums are in single precision: rounding stays
            below 1e-7 (5 + sigma) times the sum of absolute values.
        """
        sigma = float(check_positive("sigma", sigma, zero=True))
        if sigma > _WIDEST:
            raise InputError(f"sigma must be at most {_WIDEST:g} pixels, got {sigma:g}")
        if sigma == 0:
            return self
        if sigma not in self._smoothed:
            self._smoothed[sigma] = self._smooth(sigma)
        return self._smoothed[sigma]

    @cached_property
    def _filled(self):
        """By band, which pixels are known (the same object where they are the same), light and noise."""
        filled, before = {}, None
        for band, values in self.brightness.items():
            known = np.isfinite(values)
            if self.noise:
                known &= np.isfinite(self.noise[band])
            known = before if before is not None and np.array_equal(known, before) else known
            light, sigma, before = values, self.noise.get(band) if self.noise else None, known
            if not known.all():
                light = np.where(known, light, np.float32(0))
                sigma = None if sigma is None else np.where(known, sigma, np.float32(0))
            filled[band] = known, light, sigma
        return filled

    def _smoothed_in(self, sigma, active):
        """The planes smoothed in the blocks that are `active`; elsewhere zero, or as well."""
        if sigma and sigma not in self._in_part:
            self._in_part[sigma] = self._smooth(sigma, active)
        return self._mean(sigma)

    def _mean(self, sigma):
        """The planes smoothed, if only in part where that is all that was asked for."""
        return self._in_part[sigma] if sigma in self._in_part else self.smoothed(sigma)

    def _smooth(self, sigma, active=None):
        taps, weights, known_before = gaussian_taps(sigma), [], None
        for known, _, _ in self._filled.values():
            weights.append(weights[-1] if known is known_before else weight_of(known, taps, active))
            known_before = known
        _, lights, sigmas = zip(*self._filled.values(), strict=True)
        noise: dict[str, np.ndarray] = {}
        if self.noise:
            growths = [_growth(taps, self.correlation.get(band)) for band in self.bands]
            noise = self._by_band(noise_of(sigmas, taps, weights, growths, active))
        brightness = self._by_band(means_of(lights, taps, weights, active))
        # What is left of the correlation of smoothed pixels is the kernel's: nobody smooths twice.
        return ImagePlanes(brightness, noise, {}, self.pixel_scale)

    def _by_band(self, planes):
        return {band: read_only(plane) for band, plane in zip(self.bands, planes, strict=True)}


def gaussian_taps(sigma: float) -> np.ndarray:
    """The weights of a Gaussian kernel along one axis; their sum is one, their number odd.

    Examples
    --------
    >>> from euclid_resolved.features._planes import gaussian_taps
    >>> print(gaussian_taps(0.5).round(2))
    [0.   0.11 0.79 0.11 0.  ]
    """
    radius = kernel_radius(sigma)
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    return weights / weights.sum()


def kernel_radius(sigma: float) -> int:
    """How many pixels the smoothing kernel reaches to each side.

    Examples
    --------
    >>> from euclid_resolved.features._planes import kernel_radius
    >>> kernel_radius(4.0)
    12
    """
    return int(np.ceil(_TRUNCATE * sigma))


def _growth(taps, correlation):
    """The variance of a weighted mean over that of independent pixels."""
    if correlation is None or correlation.size == 1:
        return np.float32(1)
    own = np.correlate(taps, taps, mode="full")
    along = [_centred(own, n) / own.max() for n in correlation.shape]
    return np.float32(max(along[0] @ correlation @ along[1], 1e-6))


def shared_noise(sigmas: Sequence[float], correlation: np.ndarray | None = None) -> np.ndarray:
    """The correlation of the noise of a pixel's means, where the noise of all pixels is as strong.

    Parameters
    ----------
    sigmas : sequence of float
        Of the Gaussians, in pixels; 0 for the pixel itself.
    correlation : `~numpy.ndarray`, optional
        That of pixels (dy, dx) apart, both sides odd; pixels are independent without it.

    Returns
    -------
    shared : `~numpy.ndarray`
        Shape (k, k).

    Examples
    --------
    >>> from euclid_resolved.features._planes import shared_noise
    >>> print(shared_noise((0.0, 2.0, 4.0)).round(2))
    [[1.   0.28 0.14]
     [0.28 1.   0.8 ]
     [0.14 0.8  1.  ]]
    """
    correlation = np.ones((1, 1)) if correlation is None else correlation
    taps = [gaussian_taps(sigma) if sigma else np.ones(1) for sigma in sigmas]

    def covariance(a, b):
        both = np.correlate(a, b, mode="full")
        along = [_centred(both, n) for n in correlation.shape]
        return along[0] @ correlation @ along[1]

    shared = np.array([[covariance(a, b) for b in taps] for a in taps])
    scale = np.sqrt(np.maximum(np.diag(shared), 1e-12))
    return shared / np.outer(scale, scale)


def _centred(values, n):
    """The n middle values, with zeros around where there are fewer."""
    values = np.pad(values, n)
    start = (len(values) - n) // 2
    return values[start : start + n]

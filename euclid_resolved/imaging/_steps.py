"""What all preparation steps share: planes of a band, the record of a step, and why a pixel is masked."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.images._correlation import correlation_of_bins
from euclid_resolved.images._grid import native_float32
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._no_data import zero_blocks
from euclid_resolved.images._noise_record import KEY, common_sigma, correlation_of, one_sigma, with_record
from euclid_resolved.maps._spatial_map import Quality

__all__ = ["MaskReason", "history", "mask_reasons"]


_REASONS = "mask_reasons"

FLAGS = "quality_flags"
"""The entry of an image's meta that holds bits of `Quality` for pixels that keep their value."""


class MaskReason(enum.IntFlag):
    """Why a pixel is masked; bits add up, 0 is a pixel that is not masked in any band.

    The bits are those of `~euclid_resolved.Quality`, where a map shows them.

    Examples
    --------
    >>> from euclid_resolved.imaging import MaskReason, mask_positions, mask_reasons
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = mask_positions(example_galaxies(1)[0].image, [(3, 4)], 1.5)
    >>> print([reason.name for reason in MaskReason(int(mask_reasons(image)[4, 3]))])
    ['NEIGHBOUR']
    """

    INPUT = Quality.MASKED.value
    """Masked or not finite as it was read: no data, RMS useless, a flag."""
    NEIGHBOUR = Quality.NEIGHBOUR.value
    """A star or another galaxy."""
    SATURATED = Quality.SATURATED.value
    """The core of a saturated source, or a hole in a bright one."""
    PSF = Quality.PSF.value
    """Bad pixels, or the edge of the image, lie within reach of the kernel that matched the PSF."""
    TILE_GAP = Quality.TILE_GAP.value
    """No tile of the mosaic has data here."""
    RESAMPLED = Quality.RESAMPLED.value
    """Too much of the new, larger pixel was masked."""
    UNBINNED = Quality.UNBINNED.value
    """Too faint to belong to a bin."""


class Plane:
    """The planes of one band as plain arrays that a step may change.

    Attributes
    ----------
    data : `~numpy.ndarray`
        float64, MJy/sr, a copy; bad pixels are as they were.
    bad : `~numpy.ndarray` of bool
        Masked or not finite, a copy. A pixel whose noise is not known is bad, where that of others is known.
    sigma : `~numpy.ndarray` or None
        One sigma of what is each pixel's own, without what all share; float64, MJy/sr; NaN where it is not
        known.
    correlation, common
        The parts of the record of the noise; see `euclid_resolved.images._noise_record`.
    wcs, meta
        Of the band; `meta` is a copy.
    """

    def __init__(self, label: str, nddata: NDData) -> None:
        factor = nddata.unit.to(SURFACE_BRIGHTNESS)
        self.data = np.array(nddata.data, dtype=np.float64) * factor
        self.bad = ~np.isfinite(self.data)
        if nddata.mask is not None:
            self.bad |= np.asarray(nddata.mask, dtype=bool)
        record = nddata.meta.get(KEY, {})
        self.correlation, self.common = correlation_of(nddata.meta), dict(record.get("common", {}))
        try:
            sigma = one_sigma(nddata, SURFACE_BRIGHTNESS)
        except (TypeError, u.UnitConversionError):
            raise InputError(f"{label}: its uncertainty cannot be told as one sigma in MJy/sr") from None
        self.sigma = sigma
        if sigma is not None:
            sigma = sigma.astype(np.float64)
            known = np.isfinite(sigma)
            # One weight of zero times NaN would empty all that is averaged with it.
            self.bad |= ~known & known.any()
            own = np.where(known, sigma, np.nan) ** 2 - common_sigma(self.data, self.common) ** 2
            self.sigma = np.sqrt(np.clip(own, 0, None))
        self.wcs, self.meta = nddata.wcs, dict(nddata.meta)

    @property
    def good(self) -> np.ndarray:
        """Where the band can be used."""
        return ~self.bad

    def measured(self) -> np.ndarray:
        """Where the band was measured: it can be used, and is in no block of exact zeros."""
        return self.good & ~zero_blocks(np.where(self.bad, np.nan, self.data))

    def multiply(self, factor: float) -> None:
        """Make all of the band brighter by a factor, with its errors."""
        self.data *= factor
        if self.sigma is not None:
            self.sigma *= factor
        for name, each in self.common.items():
            if "level" in each:
                self.common[name] = {**each, "level": each["level"] * factor}

    def to_nddata(self) -> NDData:
        """The band as NDData in MJy/sr, float32."""
        error = self.sigma
        if error is not None:
            error = StdDevUncertainty(native_float32(np.hypot(error, common_sigma(self.data, self.common))))
        return NDData(
            native_float32(self.data),
            unit=SURFACE_BRIGHTNESS,
            mask=self.bad,
            uncertainty=error,
            wcs=self.wcs,
            meta=with_record(self.meta, self.correlation, self.common),
        )


def planes(image: MultiBandImage) -> dict[str, Plane]:
    """The bands of an image as `Plane` by name, checked to be an image."""
    if not isinstance(image, MultiBandImage):
        raise InputError(f"an image (MultiBandImage) is needed, got {type(image).__name__}")
    return {band: Plane(f"band {band}", image[band]) for band in image.bands}


def planes_to_mix(image: MultiBandImage) -> tuple[MultiBandImage, dict[str, Plane]]:
    """The image and its planes for a step that mixes pixels: bins are told as a correlation of pixels."""
    bands, bins = planes(image), image.meta.get("bins")
    if bins is None or np.shape(bins) != image.shape:
        return image, bands
    for plane in bands.values():
        plane.correlation = correlation_of_bins(bins, plane.correlation)
    meta = {key: value for key, value in image.meta.items() if key != "bins"}
    return MultiBandImage(image, name=image.name, meta=meta, tolerance=np.inf), bands


def new_image(
    image: MultiBandImage,
    bands: Mapping[str, Plane],
    step: str,
    settings: Mapping[str, Any] | None = None,
    measured: Mapping[str, Any] | None = None,
    *,
    reasons: np.ndarray | None = None,
    meta: Mapping[str, Any] | None = None,
) -> MultiBandImage:
    """A new image after a step.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        As it was before.
    bands : dict of str to `Plane`
    step : str
        The name of the step.
    settings, measured : dict, optional
        Plain numbers, text, lists and dicts of them: what was asked for and what was found.
    reasons : `~numpy.ndarray` of int, optional
        The new plane of `MaskReason`; by default pixels newly masked get no reason of their own.
    meta : dict, optional
        Further entries for the image's meta.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
    """
    record = {"step": step, "settings": _plain(settings or {}), "measured": _plain(measured or {})}
    merged = {**image.meta, **(meta or {})}
    merged["history"] = [*history(image), record]
    if reasons is not None:
        merged[_REASONS] = reasons.astype(np.int16)
    nddata = {band: plane.to_nddata() for band, plane in bands.items()}
    # Whoever made the image decided how far apart its bands may be.
    return MultiBandImage(nddata, name=image.name, meta=merged, tolerance=np.inf)


def _plain(value):
    """Python numbers for NumPy's, all the way down, so that a record prints and is stored as it is."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def history(image: MultiBandImage) -> list[dict[str, Any]]:
    """The steps that an image went through, oldest first.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`

    Returns
    -------
    steps : list of dict
        Each with ``step`` (its name), ``settings`` and ``measured``.

    Examples
    --------
    >>> from euclid_resolved.imaging import correct_extinction, history
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = correct_extinction(example_galaxies(1)[0].image, 0.05)
    >>> for step in history(image):
    ...     print(step["step"], step["settings"]["ebv"])
    extinction 0.05
    """
    return list(image.meta.get("history", ()))


def record_of(image: MultiBandImage, step: str) -> dict[str, Any] | None:
    """The last record of a step, or None where the image did not go through it."""
    return next((entry for entry in reversed(history(image)) if entry.get("step") == step), None)


def mask_reasons(image: MultiBandImage) -> np.ndarray:
    """Why each pixel is masked.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`

    Returns
    -------
    reasons : `~numpy.ndarray` of int16
        The bits of `MaskReason`; 0 exactly where no band is masked. A pixel that is masked for no recorded
        reason, for example after slicing the image, has INPUT.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.imaging import MaskReason, mask_positions, mask_reasons
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = mask_positions(example_galaxies(1)[0].image, [(3, 4)], 1)
    >>> int(np.sum(mask_reasons(image) == MaskReason.NEIGHBOUR))
    5
    """
    bad = image.mask()
    for band in image.bands:
        bad |= ~np.isfinite(image[band].data)
    known = image.meta.get(_REASONS)
    if known is None or np.shape(known) != image.shape:
        known = np.zeros(image.shape, np.int16)
    reasons = np.where(bad, known, 0).astype(np.int16)
    reasons[bad & (reasons == 0)] = MaskReason.INPUT
    return reasons


def mask_more(
    image: MultiBandImage,
    masks: np.ndarray | dict[str, np.ndarray],
    reason: MaskReason,
    step: str,
    settings: Mapping[str, Any] | None = None,
    measured: Mapping[str, Any] | None = None,
) -> MultiBandImage:
    """A new image with further pixels masked, in all bands or by band, and the reason kept."""
    bands, reasons = planes(image), mask_reasons(image)
    for band, plane in bands.items():
        new = masks[band] if isinstance(masks, dict) else masks
        reasons[new] |= reason
        plane.bad |= new
    return new_image(image, bands, step, settings, measured, reasons=reasons)

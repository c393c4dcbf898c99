"""Put the bands of one field on one pixel grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.images._correlation import after_interpolation, interpolated_variance
from euclid_resolved.images._grid import check_nddata, corner_offset, native_float32, pixels_on
from euclid_resolved.images._noise_record import KEY, common_sigma, correlation_of, one_sigma, with_record

__all__ = ["align"]


_SAME_GRID = 0.01  # pixels; a closer agreement is not worth the blur of an interpolation
_CONTRIBUTES = 1e-4  # weight; the coordinate transformation leaves about 1e-7 pixels of rounding


def align(bands: Mapping[str, NDData], reference: str | None = None) -> dict[str, NDData]:
    """Put images of one field on the pixel grid of one of them.

    Surface brightness is interpolated bilinearly (`reproject.reproject_interp`) and so conserved; the
    point spread functions are not matched. Where the new pixels are much larger than the old, the
    old ones between them are passed over, not averaged.

    Parameters
    ----------
    bands : mapping of str to `~astropy.nddata.NDData`
        2-D images with celestial WCS, in a unit of surface brightness. They are not changed.
    reference : str, optional
        The band whose grid all get; the first by default.

    Returns
    -------
    aligned : dict of str to `~astropy.nddata.NDData`
        In the same order and units, all with the shape and WCS of the reference. An image that lies on
        that grid already is passed on as it is. In the others, float32:

        - data are NaN and ``mask`` is True outside the old image and wherever a pixel contributes that is
          masked, not finite, or of unknown noise;
        - ``uncertainty`` is the standard deviation of each new pixel, smaller than before, since
          interpolation averages noise;
        - ``meta`` says how that makes the noise of neighbours correlated
          (`euclid_resolved.images.noise_correlation`), so that averages do not come out too certain; it lacks
          ``"psf"``, which was sampled on the old pixels.

    Raises
    ------
    InputError
        If a band has no celestial WCS or lies off the reference, or the reference is no band.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from astropy.wcs import WCS
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.images import align
    >>> def band(pixel):
    ...     wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1, "CRPIX2": 1})
    ...     wcs.wcs.cdelt = -pixel / 3600, pixel / 3600
    ...     return NDData(np.ones((6, 6)), unit=u.MJy / u.sr, wcs=wcs)
    >>> image = MultiBandImage(align({"IE": band(0.1), "HE": band(0.12)}, reference="HE"))
    >>> image.shape
    (6, 6)
    """
    if not isinstance(bands, Mapping) or not bands:
        raise InputError("align needs a mapping of band name to NDData with at least one band")
    reference = next(iter(bands)) if reference is None else reference
    if reference not in bands:
        raise InputError(f"the reference {reference!r} is no band; there are {', '.join(bands)}")
    for band, nddata in bands.items():
        if not isinstance(nddata, NDData):
            raise InputError(f"band {band}: NDData is needed, got {type(nddata).__name__}")
        check_nddata(f"band {band}", nddata)
        # A WCS other than that of FITS has no such attribute; whether it works shows below.
        if nddata.wcs is None or not getattr(nddata.wcs, "has_celestial", True):
            raise InputError(f"band {band} has no celestial WCS, so that it cannot be aligned")
    target = bands[reference]
    aligned = {}
    for band, nddata in bands.items():
        if nddata is target or _same_grid(nddata, target):
            aligned[band] = nddata
        else:
            aligned[band] = _reproject(band, nddata, reference, target)
    return aligned


def _same_grid(nddata, target):
    shape = target.data.shape
    return nddata.data.shape == shape and corner_offset(target.wcs, nddata.wcs, shape) <= _SAME_GRID


def _reproject(band, nddata, reference, target):
    from reproject import reproject_interp

    data = native_float32(nddata.data)
    bad = ~np.isfinite(data)
    if nddata.mask is not None:
        bad |= np.asarray(nddata.mask, dtype=bool)
    sigma = one_sigma(nddata, None)
    if sigma is not None and np.isfinite(sigma).any():
        bad |= ~np.isfinite(sigma)
    # Bad pixels go as a plane of their own, since NaN times a weight of zero is NaN too.
    planes = np.array([np.where(bad, 0, data), bad], dtype=np.float32)
    shape = target.data.shape
    try:
        planes, footprint = reproject_interp((planes, nddata.wcs), target.wcs, shape_out=shape)
        there = None if sigma is None else pixels_on(nddata.wcs, target.wcs, *np.indices(shape)[::-1])
    except Exception as error:  # each WCS implementation raises its own
        raise InputError(f"band {band} cannot be put on the grid of {reference}: {error}") from error
    outside = ~(footprint[0] > 0) | ~np.isfinite(planes[0])
    if outside.all():
        raise InputError(f"band {band} does not overlap with {reference}")
    mask = outside | ~(planes[1] < _CONTRIBUTES)
    new = planes[0].astype(np.float32)
    new[mask] = np.nan
    meta = {key: value for key, value in nddata.meta.items() if key != "psf"}
    uncertainty = None
    if sigma is not None:
        uncertainty, meta = _noise(nddata, np.where(bad, 0, data), np.where(bad, 0, sigma), new, there, meta)
    return NDData(new, unit=nddata.unit, mask=mask, wcs=target.wcs, uncertainty=uncertainty, meta=meta)


def _noise(nddata, data, sigma, new, there, meta):
    """The uncertainty after an interpolation, and the meta with its record of the noise."""
    common, correlation = meta.get(KEY, {}).get("common", {}), correlation_of(meta)
    factor = 1.0 if nddata.unit is None else nddata.unit.to(SURFACE_BRIGHTNESS)
    x, y = (np.asarray(v, float) for v in there)
    own = np.sqrt(np.clip((sigma * factor) ** 2 - common_sigma(data * factor, common) ** 2, 0, None)) / factor
    variance = interpolated_variance(own, correlation, y, x)
    shared = common_sigma(new * factor, common) / factor
    good = np.isfinite(new)
    error = np.where(good, np.sqrt(variance + shared**2), np.nan)
    if good.any():
        # How far the next pixels lie is taken to be the same everywhere: at the middle of what is good.
        rows, columns = np.nonzero(good)
        steps = [np.median(np.diff(v, axis=axis)) for v in (y, x) for axis in (0, 1)]
        correlation = after_interpolation(
            correlation, y[rows, columns], x[rows, columns], np.reshape(steps, (2, 2))
        )
    return StdDevUncertainty(native_float32(error)), with_record(meta, correlation, common)

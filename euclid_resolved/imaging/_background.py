"""The sky background of every band, and how well it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy.stats import SigmaClip, mad_std

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale, radius_in_pixels
from euclid_resolved.images._positions import position_in_pixels, size_in_pixels
from euclid_resolved.imaging._sources import detect, grow_mask
from euclid_resolved.imaging._steps import new_image, planes

if TYPE_CHECKING:
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["subtract_background"]


MIN_PIXELS = 200
"""Fewer pixels of sky than this give no level worth subtracting."""

MIN_BLOCKS = 8
"""Patches of sky, each averaged, whose scatter gives the error of the level."""


def subtract_background(
    image: MultiBandImage,
    method: str = "constant",
    *,
    annulus: Sequence[u.Quantity | float] | None = None,
    centre: SkyCoord | Sequence[float] | None = None,
    box: int = 64,
    mask_sources: bool = True,
    threshold: float = 2.0,
    grow: float = 5,
    clip: float = 3.0,
    max_scatter: float = 5.0,
) -> MultiBandImage:
    """Measure the sky of every band and subtract it.

    The level is the sigma-clipped median of the sky; it may be negative, as it is where a pipeline
    subtracted too much around a large galaxy. Its error comes from the scatter of the averages of square
    patches, not from the scatter of pixels divided by the square root of their number: the noise of
    resampled mosaics is correlated, and that would be several times too small.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    method : {"constant", "annulus", "mesh"}, optional
        One level from all sky of the image; from an annulus; or a smooth surface
        (`~photutils.background.Background2D`). A mesh whose boxes are smaller than the galaxy removes its
        outskirts: for large galaxies use one of the others.
    annulus : (inner, outer), optional
        Radii of the annulus, as angle, length or number of pixels.
    centre : `~astropy.coordinates.SkyCoord` or (x, y), optional
        Of the annulus; the centre of the image without it.
    box : int, optional
        Side of the boxes of the mesh in pixels.
    mask_sources : bool, optional
        Leave out every source, the galaxy too. They are found in all bands together.
    threshold : float, optional
        A source is above this many sigma of the smoothed signal-to-noise.
    grow : int, optional
        The sources are grown by this many pixels, for their faint outskirts.
    clip : float, optional
        Sigma at which pixels of sky are clipped.
    max_scatter : float, optional
        Where there is an uncertainty: what scatters by more than this times its median is no sky, but a
        galaxy that fills the image.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        Mask as before, and blocks of exact zeros (`euclid_resolved.images.zero_blocks`), which are no sky
        and are zero no more afterwards. The error of the level is common to all pixels of a band: it is in
        the uncertainty, where there is one, and stays as large when pixels are averaged
        (`euclid_resolved.images.common_errors`). The record gives, by band, ``level``, ``level_error``,
        ``pixel_scatter`` (MJy/sr) and ``n_pixels``.

    Raises
    ------
    InputError
        If too little sky is left or what is left is no sky (it does not scatter, or by too much), the
        annulus lies off the image, or the method is not known.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.imaging import subtract_background
    >>> sky = np.random.default_rng(1).normal(0.2, 0.01, (64, 64))
    >>> image = MultiBandImage({"HE": NDData(sky, unit=u.MJy / u.sr)})
    >>> image = subtract_background(image, mask_sources=False)
    >>> print(f"left over: {abs(image['HE'].data.mean()):.3f} MJy/sr")
    left over: 0.000 MJy/sr
    """
    if method not in ("constant", "annulus", "mesh"):
        raise InputError(f"method must be constant, annulus or mesh, got {method!r}")
    if (method == "annulus") != (annulus is not None):
        raise InputError("annulus=(inner, outer) goes with method='annulus', and is needed there")
    bands = planes(image)
    allowed = np.ones(image.shape, bool)
    settings = {"method": method, "mask_sources": bool(mask_sources), "clip": float(clip)}
    if annulus is not None:
        inner, outer = (size_in_pixels(radius, pixel_scale(image)) for radius in annulus)
        if not 0 <= inner < outer:
            raise InputError(f"an annulus needs 0 <= inner < outer, got {annulus[0]} and {annulus[1]}")
        x, y = position_in_pixels(image, centre)
        radius = radius_in_pixels(image, x, y)
        allowed = (radius >= inner) & (radius < outer)
        settings |= {"inner_pixels": inner, "outer_pixels": outer, "x": x, "y": y}
    if mask_sources:
        settings |= {"threshold": float(threshold), "grow": int(grow)}
        allowed &= ~source_mask(image, threshold, grow)
    if method == "mesh":
        settings["box"] = int(box)
    measured = {}
    for band, plane in bands.items():
        plane.bad = ~plane.measured()
        sky = allowed & plane.good
        if sky.sum() < MIN_PIXELS:
            raise InputError(
                f"band {band}: only {int(sky.sum())} pixels of sky are left, {MIN_PIXELS} are needed; the "
                "galaxy fills the image, or all is masked (a larger image, another annulus, less grow=)"
            )
        level, surface, measured[band] = _measure(plane.data, sky, method, box, clip)
        if not measured[band]["pixel_scatter"] > 0:
            raise InputError(
                f"band {band}: more than half of what is left of the sky has one value, "
                f"{measured[band]['level']:.4g} MJy/sr, and does not scatter: it was filled, or is "
                "quantised, and cannot be measured (mask what is no data, or subtract a known level by hand)"
            )
        if plane.sigma is not None:
            noise = float(np.nanmedian(plane.sigma[sky]))
            if measured[band]["pixel_scatter"] > max_scatter * noise:
                raise InputError(
                    f"band {band}: what is left of the sky scatters by {measured[band]['pixel_scatter']:.3g} "
                    f"MJy/sr, the noise is {noise:.3g}: the galaxy fills the image, or the sky has structure "
                    "(a larger image, an annulus, method='mesh', or max_scatter=)"
                )
        plane.data -= surface if method == "mesh" else level
        # In place of an earlier level's error, which this level has taken off with it.
        plane.common["background"] = {"level": measured[band]["level_error"], "all_bands": False}
    return new_image(image, bands, "background", settings, measured)


def source_mask(image: MultiBandImage, threshold: float = 2.0, grow: float = 5) -> np.ndarray:
    """Where there is any source.

    Holes are left out like sources: without peaks of noise, but with its troughs, the sky would come out
    too low.
    """
    result = np.zeros(image.shape, bool)
    for sign in (1, -1):
        segments = detect(image, threshold, deblend=False, sign=sign)
        if segments is not None:
            result |= grow_mask(segments > 0, grow)
    return result


def measure_level(data: np.ndarray, sky: np.ndarray) -> dict[str, float]:
    """The record of one level of sky: its ``level`` and ``level_error``, in the unit of the data."""
    return _measure(data, sky, "constant", 0, 3.0)[2]


def _measure(data, sky, method, box, clip):
    """The level, the surface (None but for a mesh) and the record of one band."""
    clipped = SigmaClip(sigma=clip, maxiters=10)(data[sky], masked=True)
    keep = np.zeros(sky.shape, bool)
    keep[sky] = ~np.ma.getmaskarray(clipped)
    level, surface = float(np.median(data[keep])), None
    if method == "mesh":
        from photutils.background import Background2D, MedianBackground

        if not 1 <= box <= min(data.shape):
            raise InputError(f"box must be between 1 and the image's side, got {box} for {data.shape}")
        try:
            mesh = Background2D(
                np.where(keep, data, 0.0),
                int(box),
                mask=~keep,
                # Boxes under the galaxy have no sky of their own and are filled from those around.
                exclude_percentile=90,
                filter_size=1,  # a median of boxes would flatten slopes at the edges
                sigma_clip=None,
                bkg_estimator=MedianBackground(sigma_clip=None),
            )
        except ValueError as error:
            raise InputError(f"no box of {box} pixels has enough sky: {error}") from error
        surface = mesh.background
        level = float(np.median(surface[keep]))
    residual = data - (level if surface is None else surface)
    scatter = float(mad_std(residual[keep]))
    record = {
        "level": level,
        "level_error": _level_error(residual, keep, scatter),
        "pixel_scatter": scatter,
        "n_pixels": int(keep.sum()),
    }
    if surface is not None:
        record |= {"lowest": float(surface.min()), "highest": float(surface.max())}
    return level, surface, record


def _level_error(residual, keep, scatter):
    """The error of the median of correlated pixels, from the scatter of patches."""
    area = keep.sum()
    # Patches as large as leaves enough of them: the larger, the less is their scatter diluted by the
    # correlation that reaches over their borders.
    side = int(np.clip(np.sqrt(area / (4 * MIN_BLOCKS)), 2, 32))
    ny, nx = (n // side for n in keep.shape)
    if ny and nx:
        parts = (slice(0, ny * side), slice(0, nx * side))
        weight = keep[parts].reshape(ny, side, nx, side).sum(axis=(1, 3))
        total = np.where(keep, residual, 0.0)[parts].reshape(ny, side, nx, side).sum(axis=(1, 3))
        full = weight >= side**2 / 2
        if full.sum() >= MIN_BLOCKS:
            means = total[full] / weight[full]
            error = np.std(means, ddof=1) / np.sqrt(full.sum())
            # A median is a little noisier than the mean of Gaussian noise.
            return float(max(error, scatter / np.sqrt(area)) * np.sqrt(np.pi / 2))
    return float(scatter / np.sqrt(min(area, MIN_BLOCKS)))

"""Features of single pixels of an image whose noise is drawn again, without drawing the whole of it.

A set that looks around by smoothed planes alone sees no more of the noise than what it is in the few means
of a pixel. Their noise is normal, and its correlation from one mean to another is known: it is drawn itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from euclid_resolved.features._image_sets import image_sets
from euclid_resolved.features._neighbourhood import LADDER, neighbourhood
from euclid_resolved.features._planes import ImagePlanes, shared_noise


def smoothing_alone(features: Sequence[str]) -> bool:
    """Whether features look around by the smoothed planes of `LADDER` and in no other way.

    Parameters
    ----------
    features : sequence of str

    Returns
    -------
    alone : bool

    Examples
    --------
    >>> from euclid_resolved.features._points import smoothing_alone
    >>> smoothing_alone(("bands", "neighbourhood"))
    True
    """
    return all(each.make is neighbourhood for each in image_sets(features).values())


def means_at(
    planes: ImagePlanes, where: np.ndarray
) -> tuple[dict[tuple[str, float], np.ndarray], dict[tuple[str, float], np.ndarray]]:
    """Brightness and noise of some pixels by band and sigma of the mean.

    Parameters
    ----------
    planes : `ImagePlanes`
        That know their noise.
    where : `~numpy.ndarray` of bool
        Shape of the planes.

    Returns
    -------
    light, noise : dict of (str, float) to `~numpy.ndarray`
        Shape (n,); noise is zero where it is not known.
    """
    light, noise = {}, {}
    for sigma in LADDER:
        mean = planes.forgotten().smoothed(sigma)  # one scale in memory at a time
        for band in planes.bands:
            light[band, sigma] = mean.brightness[band][where]
            own = mean.noise[band][where]
            noise[band, sigma] = np.where(np.isfinite(own), own, np.float32(0))
    # By band: the means of one are correlated, and bands are not.
    keys = [(band, sigma) for band in planes.bands for sigma in LADDER]
    return {key: light[key] for key in keys}, {key: noise[key] for key in keys}


def mixing_of(planes: ImagePlanes) -> list[np.ndarray]:
    """The matrices that give independent numbers the correlation of the means of each band.

    Noise is taken to be as strong in all pixels of a mean.

    Parameters
    ----------
    planes : `ImagePlanes`

    Returns
    -------
    mixing : list of `~numpy.ndarray`
        By band, shape (means, means).
    """
    found = []
    for band in planes.bands:
        values, vectors = np.linalg.eigh(shared_noise(LADDER, planes.correlation.get(band)))
        found.append(vectors * np.sqrt(np.clip(values, 0, None)))
    return found


def planes_at(
    light: Mapping[tuple[str, float], np.ndarray],
    noise: Mapping[tuple[str, float], np.ndarray],
    like: ImagePlanes,
) -> ImagePlanes:
    """Planes whose rows are pixels and whose columns are draws: what features make of each is its own.

    Parameters
    ----------
    light, noise : mapping of (str, float) to `~numpy.ndarray`
        By band and sigma of the mean, shape (pixels, draws).
    like : `ImagePlanes`
        Where bands and the scale come from.

    Returns
    -------
    planes : `ImagePlanes`
        Whose `~ImagePlanes.smoothed` gives the means.
    """
    first, *others = (
        ImagePlanes(
            {band: light[band, sigma] for band in like.bands},
            {band: noise[band, sigma] for band in like.bands},
            {},
            like.pixel_scale,
        )
        for sigma in LADDER
    )
    first._smoothed.update(zip(LADDER[1:], others, strict=True))
    return first

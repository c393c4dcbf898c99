"""Features of single pixels of an image whose noise is drawn again, without drawing the whole of it.

A set that looks around by smoothed planes alone sees no more of the noise than what it is in the few means
of a pixel. Their noise is normal, and its correlation from one mean to another is known: it is drawn itself.
How far a pixel is smoothed stays what the image says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.features._image_sets import image_sets
from euclid_resolved.features._neighbourhood import LADDER, SCALES, neighbourhood, rungs_of
from euclid_resolved.features._planes import ImagePlanes, shared_noise

_NUMBERS = 2  # at most, by band, that the noise of a pixel's means is made of


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


def pixels_of(planes: ImagePlanes, where: np.ndarray) -> ImagePlanes:
    """Planes of one row, the pixels chosen: what features make of each by smoothed planes is its own.

    Parameters
    ----------
    planes : `ImagePlanes`
    where : `~numpy.ndarray` of bool
        Shape of the planes.

    Returns
    -------
    pixels : `ImagePlanes`
        Of shape (1, n), brightness alone. `~ImagePlanes.smoothed` gives the means of `planes`.
    """
    rungs = rungs_of(planes)
    looked = LADDER if rungs is None else [sigma for i, sigma in enumerate(LADDER) if (rungs >= i).any()]
    made = {}
    for sigma in (LADDER[0], *SCALES, *looked):
        light = planes._mean(sigma).brightness
        made[sigma] = ImagePlanes({b: v[where][None] for b, v in light.items()}, {}, {}, planes.pixel_scale)
    first = made.pop(LADDER[0])
    first._smoothed.update(made)
    if rungs is not None:
        first._found["rungs"] = read_only(rungs[where][None])
    return first


def groups_at(planes: ImagePlanes, where: np.ndarray) -> Iterator[tuple[dict[float, float], np.ndarray]]:
    """Groups of pixels whose features are made of the same means.

    Parameters
    ----------
    planes : `ImagePlanes`
        That know their noise.
    where : `~numpy.ndarray` of bool
        Shape of the planes.

    Yields
    ------
    taken : dict of float to float
        By the sigma that a feature looks for, that of the mean which it takes.
    pixels : `~numpy.ndarray` of int
        Which of those chosen, ascending.
    """
    rung = np.asarray(rungs_of(planes))[where]
    for number in range(len(LADDER)):
        taken = {sigma: LADDER[max(number, LADDER.index(sigma))] for sigma in (LADDER[0], *SCALES)}
        pixels = np.flatnonzero(rung == number)
        if len(pixels):
            yield taken, pixels


def mixing_of(planes: ImagePlanes, sigmas: Sequence[float]) -> list[np.ndarray]:
    """The matrices that give independent numbers the correlation of the means of each band.

    Noise is taken to be as strong in all pixels of a mean. Of three means that lie within each other two
    numbers tell nearly all: the third would add 3 to 6 % of the variance, which is given to the others.

    Parameters
    ----------
    planes : `ImagePlanes`
    sigmas : sequence of float
        Of the means.

    Returns
    -------
    mixing : list of `~numpy.ndarray`
        By band, shape (means, numbers).
    """
    found = []
    for band in planes.bands:
        values, vectors = np.linalg.eigh(shared_noise(sigmas, planes.correlation.get(band)))
        mixing = (vectors * np.sqrt(np.clip(values, 0, None)))[:, -_NUMBERS:]
        found.append(mixing / np.sqrt((mixing**2).sum(axis=1, keepdims=True)))
    return found


def planes_at(
    light: Mapping[tuple[str, float], np.ndarray], taken: Mapping[float, float], like: ImagePlanes
) -> ImagePlanes:
    """Planes whose rows are pixels and whose columns are draws: what features make of each is its own.

    Parameters
    ----------
    light : mapping of (str, float) to `~numpy.ndarray`
        By band and sigma of the mean, shape (pixels, draws).
    taken : mapping of float to float
        By the sigma that a feature looks for, that of the mean which it takes.
    like : `ImagePlanes`
        Where bands and the scale come from.

    Returns
    -------
    planes : `ImagePlanes`
        Whose `~ImagePlanes.smoothed` gives the means. They do not know their noise, so that nothing is
        smoothed any further.
    """
    made = {
        sigma: ImagePlanes({band: light[band, mean] for band in like.bands}, {}, {}, like.pixel_scale)
        for sigma, mean in taken.items()
    }
    first = made.pop(LADDER[0])
    first._smoothed.update(made)
    return first

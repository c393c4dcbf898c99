"""Gather the pixels of galaxies, with what features make of their surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_names, check_type
from euclid_resolved.errors import InputError
from euclid_resolved.features._image_sets import check_reach, image_sets
from euclid_resolved.features._planes import ImagePlanes
from euclid_resolved.images._bands import EUCLID_BANDS, band_name
from euclid_resolved.maps._galaxy import Galaxy, check_galaxies
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._clip import DEFAULT_CLIP, clip_band, galaxy_pixels
from euclid_resolved.training._clipped import above_clip
from euclid_resolved.training._groups import check_groups
from euclid_resolved.training._sample import Pixels, check_pixels

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

__all__ = ["extract", "pixels_of"]


def extract(
    galaxies: Sequence[Galaxy],
    properties: Sequence[str],
    bands: Sequence[str] = EUCLID_BANDS,
    *,
    clip: float | None = DEFAULT_CLIP,
    band: str | None = None,
    features: str | Sequence[str] = (),
    source: str = "",
    progress: bool = False,
) -> Pixels:
    """Gather the pixels of galaxies that a model can learn from, one galaxy at a time.

    Memory grows with the pixels kept, not with the images. For more pixels than memory holds there is
    `~euclid_resolved.io.write_sample`.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
    properties : sequence of str
    bands : sequence of str, optional
    clip : float or None, optional
        Keep only pixels brighter than this in `band`, MJy/sr.
    band : str, optional
        The band to clip: HE, or the last one where there is no HE.
    features : str or sequence of str, optional
        Sets of features that a model will have. Those that look at the surroundings of a pixel need its image
        and are made now: 4 bytes a pixel and column. Others are made later and need not be named.
    source : str, optional
        A name for the set.
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    pixels : `Pixels`

    Raises
    ------
    InputError
        If a band or property is missing, no pixel is left, or the brightness of a unit of mass is that
        of no stellar population (a unit error).

    Examples
    --------
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(2), ("stellar_mass_density",), clip=0.1)
    >>> len(pixels), pixels.seen
    (405, 512)
    >>> print(f"faintest HE: {pixels.brightness['HE'].min():.2f} MJy/sr")
    faintest HE: 0.10 MJy/sr
    """
    from tqdm import tqdm

    galaxies, bands = check_galaxies(galaxies), tuple(map(band_name, check_names(bands, "bands")))
    check_groups([one.name for one in galaxies], [one.group for one in galaxies])
    properties = [get_property(name).name for name in check_names(properties, "properties")]
    if not galaxies:
        raise InputError("no galaxies were given")
    band, features = band_name(band) if band else clip_band(bands), made_of_images(features)
    if features:
        try_on(galaxies[0], bands, features)
    bar = tqdm(galaxies, desc="reading galaxies", unit="galaxy", disable=None if progress else True)
    parts = [galaxy_pixels(one, properties, bands, clip, band, features) for one in bar]
    counts, masses = [len(part) for part in parts], [part.log_mass for part in parts]
    pixels = Pixels(
        brightness=_joined(bands, [part.brightness for part in parts]),
        truth=_joined(properties, [part.truth for part in parts]),
        noise=_joined_noise(bands, parts, counts),
        around=_joined(tuple(parts[0].around), [part.around for part in parts]),
        image_features=features,
        counts=tuple(counts),
        names=tuple(one.name for one in galaxies),
        clip=clip,
        clip_band=band,
        seen=sum(part.seen for part in parts),
        without_truth=sum(part.without_truth for part in parts),
        source=source,
        star_forming=tuple(one.star_forming for one in galaxies),
        groups=tuple(one.group for one in galaxies),
        log_masses=tuple(masses) if np.isfinite(masses).any() else (),
    )
    check_pixels(pixels)
    return pixels


def pixels_of(
    galaxies: Sequence[Galaxy] | Pixels,
    model: Model,
    properties: Sequence[str] | None = None,
    *,
    progress: bool = False,
) -> Pixels:
    """The pixels of galaxies that a model could judge, with their truth: those above its clip.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `Pixels`
    model : `~euclid_resolved.Model`
        It gives bands and clip.
    properties : sequence of str, optional
        Those of the model without it.
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    pixels : `Pixels`

    Raises
    ------
    InputError
        If pixels are given that lack a band or the truth, or were clipped where the model was not.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> pixels = pixels_of(galaxies[3:], model)
    >>> pixels.names, len(pixels)
    (('example 4',), 256)
    """
    from euclid_resolved.models._model import Model

    check_type(model, Model, "read opens a model file")
    properties = model.properties if properties is None else check_names(properties, "properties")
    if not isinstance(galaxies, Pixels):
        return extract(
            galaxies, properties, model.bands, clip=model.clip, band=model.clip_band,
            features=model.features, progress=progress,
        )  # fmt: skip
    check_made_of(galaxies, model.features)
    lacking = [b for b in model.bands if b not in galaxies.brightness]
    lacking += [name for name in properties if name not in galaxies.truth]
    if lacking:
        raise InputError(f"the pixels hold no {', '.join(lacking)}")
    return above_clip(galaxies, model.clip, model.clip_band)


def made_of_images(features: str | Sequence[str]) -> tuple[str, ...]:
    """Those of some sets of features that are made of images."""
    return tuple(image_sets((features,) if isinstance(features, str) else tuple(features)))


def try_on(galaxy: Galaxy, bands: Sequence[str], features: Sequence[str]) -> None:
    """Try features on a galaxy's image before hours of work: whether they look no further than they say."""
    check_reach(ImagePlanes.of(galaxy.image.select(bands), tuple(bands)), features)


def check_made_of(pixels: Pixels, features: str | Sequence[str]) -> None:
    """Refuse pixels that were gathered for other features than a model has.

    Parameters
    ----------
    pixels : `Pixels`
    features : str or sequence of str

    Raises
    ------
    InputError
        If features look at surroundings that the pixels were gathered without, or the other way round.
    """
    wanted = made_of_images(features)
    if sorted(wanted) != sorted(pixels.image_features):
        if pixels.image_features:
            have = ", ".join(pixels.image_features)
            what = (
                f"with {have}, which may smooth them: have {have} among the features, or gather them again "
            )
            what += f"with {', '.join(wanted)}" if wanted else "without"
        else:
            what = "of single pixels, and features that look at surroundings need the images: gather them "
            what += f"again with features={wanted}"
        raise InputError(f"the pixels were gathered {what} (extract, write_sample, atlas extract)")


def _joined(names, parts):
    """Columns of all galaxies; popped, so that one column at a time is double."""
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in names}


def _joined_noise(bands, parts, counts):
    """Noise of all pixels by band; nothing where no image knows its own."""
    if not any(part.noise for part in parts):
        return {}
    known = [
        {band: part.noise.pop(band, np.broadcast_to(np.float32(0), n)) for band in bands}
        for part, n in zip(parts, counts, strict=True)
    ]
    return _joined(bands, known)

"""Pixels that were kept down to one clip, above another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.models._columns import Columns

if TYPE_CHECKING:
    from euclid_resolved.training._sample import Pixels


def above_clip(pixels: Pixels, clip: float | None, band: str) -> Pixels:
    """The pixels that are brighter than another clip.

    Parameters
    ----------
    pixels : `Pixels`
    clip : float or None
        MJy/sr.
    band : str
        The band that it is about.

    Returns
    -------
    pixels : `Pixels`
        The same where they were clipped so; else a copy of those that are bright enough.

    Raises
    ------
    InputError
        If pixels above this clip have been left out, by one that is higher or about another band.

    Examples
    --------
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.training._clipped import above_clip
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(2), ("stellar_age",), clip=None)
    >>> above_clip(pixels, 0.1, "HE").counts, above_clip(pixels, None, "HE") is pixels
    ((201, 204), True)
    """
    if clip == pixels.clip and (clip is None or band == pixels.clip_band):
        return pixels
    if pixels.clip is not None and (clip is None or band != pixels.clip_band or clip < pixels.clip):
        raise other_clip(pixels, clip, band)
    bright = pixels.brightness[band] > np.float32(clip)
    counts = np.bincount(pixels.galaxy[bright], minlength=len(pixels.names))
    brightness, truth, noise, around = (
        Columns({name: values[bright] for name, values in columns.items()})
        for columns in (pixels.brightness, pixels.truth, pixels.noise, pixels.around)
    )
    return replace(
        pixels,
        brightness=brightness,
        truth=truth,
        noise=noise,
        around=around,
        counts=tuple(counts.tolist()),
        clip=clip,
        clip_band=band,
    )


def other_clip(pixels: Pixels, clip: float | None, band: str) -> InputError:
    """The error of pixels that were clipped otherwise than is needed."""
    wanted = "all" if clip is None else f"those above {clip} in {band}"
    return InputError(
        f"the sample keeps pixels brighter than {pixels.clip} MJy/sr in {pixels.clip_band}, not {wanted}: "
        "extract another one"
    )

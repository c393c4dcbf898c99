"""Which pixels are bright enough, and known well enough, to be judged; and those of one galaxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._known import sets_of_bands
from euclid_resolved.features._seeing import Seen, see
from euclid_resolved.maps._properties import get_property
from euclid_resolved.maps._spatial_map import Quality
from euclid_resolved.maps._true_map import log_stellar_mass
from euclid_resolved.models._options import check_min_sn

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._missing import MissingBands

__all__ = ["DEFAULT_CLIP", "MIN_SN"]


DEFAULT_CLIP = 0.0234
"""Faintest HE surface brightness in MJy/sr: 0.55 uJy/arcsec2.

The paper prints 0.55 MJy/sr (Sect. 2.3), but its faintest densities (4 Msun/pc2) and the area it keeps
belong to 0.55 uJy/arcsec2; ``clip=0.55`` follows the letter.
"""

MIN_SN = 3.0
"""Lowest signal-to-noise, in every band, of a pixel that is judged.

Below it noise decides which pixels pass the clip, and blank sky is mapped as a galaxy: see the
documentation on uncertainty. Images that say nothing about their noise are not held to it.
"""


_SURE = 2.0  # sigma
_DENSITY = "stellar_mass_density"


def clip_band(bands: Sequence[str]) -> str:
    """The band whose brightness is clipped: HE, or the last one where there is no HE.

    Parameters
    ----------
    bands : sequence of str

    Returns
    -------
    band : str

    Examples
    --------
    >>> from euclid_resolved.models._clip import clip_band
    >>> clip_band(("IE", "YE", "JE", "HE"))
    'HE'
    >>> clip_band(("IE", "YE"))
    'YE'
    """
    return "HE" if "HE" in bands else tuple(bands)[-1]


def judge(
    image: MultiBandImage,
    bands: Sequence[str],
    clip: float | None = DEFAULT_CLIP,
    band: str | None = None,
    min_sn: float | None = MIN_SN,
    seen: Seen | None = None,
    lacking: MissingBands | None = None,
) -> np.ndarray:
    """Which pixels have a surface brightness that a model can use, and what is wrong with the others.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    bands : sequence of str
        The bands that are needed.
    clip : float or None, optional
        Pixels at or below this surface brightness (MJy/sr) get the bit BELOW_CLIP.
    band : str, optional
        The band that `clip` is about; `clip_band` of `bands` without it.
    min_sn : float or None, optional
        Pixels with a lower signal-to-noise in any of the bands get the bit NOISE, where the image knows
        its noise. So do those whose noise is zero, negative or not finite, also without `min_sn`.
    seen : `~euclid_resolved.features.Seen`, optional
        What features see of the image, which may be smoothed: its brightness and noise are looked at. Those
        of the image itself without it. A pixel that is itself fainter than the clip by two sigma is so
        whatever lies around it.
    lacking : `~euclid_resolved.models._missing.MissingBands`, optional
        Which bands pixels may lack. `seen` is then what this has completed. Pixels that lack such bands get
        no bit but MISSING_BAND for it. One without the clip band is clipped by the last band that it has,
        whose brightness is turned into that of the clip band by the median colour of training pixels near
        the clip.

    Returns
    -------
    quality : `~numpy.ndarray` of int32
        The bits of `~euclid_resolved.Quality`; zero where all is well, MISSING_BAND where the pixel can be
        used without the bands that it lacks. A masked pixel gets no bit for the value below the mask.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import Quality
    >>> from euclid_resolved.models._clip import judge
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> quality = judge(image, image.bands, clip=0.5)
    >>> faint = quality & Quality.BELOW_CLIP > 0
    >>> print(f"{np.mean(quality == 0):.2f} of the pixels can be used, {np.mean(faint):.2f} are too faint")
    0.47 of the pixels can be used, 0.53 are too faint
    """
    check_min_sn(min_sn)
    missing = np.zeros(image.shape, np.int16)
    dark = np.zeros(image.shape, bool)
    band = band or clip_band(bands)
    seen = see(image, (*bands, band), ()) if seen is None else seen
    names = tuple(dict.fromkeys((*bands, band)))
    bits = (Quality.MASKED, Quality.NONFINITE, Quality.NONPOSITIVE, Quality.NOISE)
    where = {bit: np.zeros(image.shape, bool) for bit in bits}
    for name in names:
        if name not in image:
            missing += 1
            continue
        values, masked, own = seen.brightness[name], image.mask(name), image.brightness(name)
        finite = np.isfinite(values)
        if own is not values:  # what was smoothed is known where the image's own pixel is not
            finite &= np.isfinite(own)
        known = finite & ~masked
        holes = not known.all()
        if holes:
            where[Quality.MASKED] |= masked
            where[Quality.NONFINITE] |= ~finite & ~masked
            missing += ~known
        with np.errstate(invalid="ignore"):
            below = _among(values <= 0, known, holes)
            where[Quality.NONPOSITIVE] |= below
            if clip is not None and name == band and lacking is None:
                dark = _among((values <= clip) | _surely_below(image, name, seen, clip), known, holes)
            noise = seen.noise.get(name)
            if noise is not None:
                # A pixel whose noise is not known (NaN) is not worth more than one with too much.
                enough = noise > 0 if min_sn is None else values >= min_sn * noise
                enough |= below
                where[Quality.NOISE] |= _among(np.logical_not(enough, out=enough), known, holes)
    quality = np.zeros(image.shape, np.int32)
    for bit, pixels in where.items():
        if pixels.any():
            quality |= _bit(pixels, bit)
    some = (missing > 0) & (missing < len(names))
    if lacking is not None:
        allowed = lacking.allows(sets_of_bands(seen.brightness)).reshape(image.shape)
        quality[allowed] &= ~np.int32(Quality.MASKED | Quality.NONFINITE)
        if clip is not None:
            light, _ = lacking.in_clip_band(seen.brightness, {}, band)
            with np.errstate(invalid="ignore"):
                dark = (light <= clip) & allowed
    for bit, pixels in ((Quality.BELOW_CLIP, dark), (Quality.MISSING_BAND, some)):
        if pixels.any():
            quality |= _bit(pixels, bit)
    return quality


def _among(pixels, known, holes):
    """Those that are known, in place; without holes all are."""
    return np.logical_and(pixels, known, out=pixels) if holes else pixels


def _surely_below(image, band, seen, clip):
    """Which pixels of a smoothed image are themselves fainter than the clip, whatever is around them."""
    if seen.planes is None or band not in seen.planes.noise:
        return False
    rows = slice(seen.above, seen.above + image.shape[0])
    return image.brightness(band) + _SURE * seen.planes.noise[band][rows] < clip


def _bit(where, bit):
    # A product is an order of magnitude faster than a choice where the pixels are those of noise.
    return where * np.int32(bit)


@dataclass(frozen=True, eq=False)
class GalaxyPixels:
    """The pixels of one galaxy that survive the clip, with their truth.

    Attributes
    ----------
    brightness, truth : dict of str to `~numpy.ndarray`
        As in `~euclid_resolved.training.Pixels`.
    noise : dict of str to `~numpy.ndarray`
        One sigma by band, for the bands whose noise the image knows.
    around : dict of str to `~numpy.ndarray`
        The columns of features that look at the surroundings.
    seen, without_truth : int
        As in `~euclid_resolved.training.Pixels`.
    log_mass : float
        log10 of the stellar mass of the whole map in solar masses; NaN where there is no map of density, or
        its pixels have no length.

    Examples
    --------
    >>> from euclid_resolved.models._clip import galaxy_pixels
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxy = example_galaxies(1)[0]
    >>> pixels = galaxy_pixels(galaxy, ("stellar_age",), galaxy.image.bands, None, "HE")
    >>> pixels.seen, pixels.without_truth, sorted(pixels.brightness)
    (256, 0, ['HE', 'IE', 'JE', 'YE'])
    """

    brightness: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    noise: dict[str, np.ndarray]
    around: dict[str, np.ndarray]
    seen: int
    without_truth: int
    log_mass: float = np.nan

    def __len__(self) -> int:
        return len(next(iter(self.brightness.values())))


def check_clip(clip: float | None) -> None:
    """Refuse a clip that is neither None nor a surface brightness in MJy/sr.

    Parameters
    ----------
    clip : float or None

    Raises
    ------
    InputError
        If it is no number, not finite, or below zero.

    Examples
    --------
    >>> from euclid_resolved.models._clip import check_clip
    >>> check_clip(0.0234)
    """
    number = isinstance(clip, int | float | np.integer | np.floating) and not isinstance(clip, bool)
    if clip is not None and not (number and 0 <= clip < np.inf):
        raise InputError(
            f"the clip is a number of at least 0, in MJy/sr, or None for no clip; got {clip!r} (of a "
            "Quantity take to_value('MJy/sr'))"
        )


def galaxy_pixels(
    galaxy: Galaxy,
    properties: Sequence[str],
    bands: Sequence[str],
    clip: float | None,
    band: str,
    features: Sequence[str] = (),
) -> GalaxyPixels:
    """Gather the pixels of one galaxy.

    Parameters
    ----------
    galaxy : `~euclid_resolved.Galaxy`
    properties, bands : sequence of str
    clip : float or None
    band : str
        The band that `clip` is about.
    features : sequence of str, optional
        Sets of features, of which those that look at the surroundings are made here.

    Returns
    -------
    pixels : `GalaxyPixels`

    Raises
    ------
    InputError
        If a band or property is missing.

    Examples
    --------
    >>> from euclid_resolved.models._clip import galaxy_pixels
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxy = example_galaxies(1)[0]
    >>> pixels = galaxy_pixels(galaxy, ("stellar_age",), galaxy.image.bands, 0.1, "HE")
    >>> print(f"{len(pixels.truth['stellar_age'])} of {pixels.seen} pixels")
    201 of 256 pixels
    """
    check_clip(clip)
    image, maps = galaxy.load()
    missing = [name for name in properties if name not in maps]
    if missing:
        raise InputError(f"{galaxy.name}: no true map of {', '.join(missing)}; it has {', '.join(maps)}")
    image = image.select(dict.fromkeys((*bands, band)))
    seen = see(image, bands, features)
    if band not in bands:  # it is only clipped: features do not look at it
        alone = see(image, (band,), ())
        light, noise = {**alone.brightness, **seen.brightness}, {**alone.noise, **seen.noise}
        seen = replace(seen, brightness=light, noise=noise)
    good = judge(image, bands, clip, band, seen=seen) == 0
    truth = {name: _truth(maps[name], good) for name in properties}
    usable = np.ones(int(good.sum()), bool)
    # Where there is no dust, there are stars to learn from all the same.
    needed = [name for name in properties if not get_property(name).sparse] or properties
    for name, values in truth.items():
        known = np.isfinite(values) & (values > 0)
        if name in needed:
            usable &= known
        else:
            values[~known] = np.nan
    kept = good.copy()
    kept[good] = usable
    return GalaxyPixels(
        brightness={name: seen.brightness[name][kept] for name in bands},
        truth={name: values[usable] for name, values in truth.items()},
        noise={name: seen.noise[name][kept] for name in bands if name in seen.noise},
        around=seen.around_at(kept),
        seen=good.size,
        without_truth=int((~usable).sum()),
        log_mass=log_stellar_mass(maps[_DENSITY]) if _DENSITY in maps else np.nan,
    )


def _truth(truth_map, good):
    """The true values of the good pixels in the property's unit, NaN where the map is masked."""
    values = np.asarray(truth_map.data, np.float32)[good]
    if truth_map.mask is not None:
        values[np.broadcast_to(truth_map.mask, good.shape)[good]] = np.nan
    return values

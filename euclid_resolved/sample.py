"""Split galaxies, decide which pixels can be judged, and gather the pixels of many galaxies."""

import hashlib
import re
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from euclid_resolved.bands import EUCLID_BANDS
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.maps import Quality
from euclid_resolved.noise import image_noise
from euclid_resolved.quantities import get_property

__all__ = [
    "DEFAULT_CLIP",
    "MIN_SN",
    "Pixels",
    "clip_band",
    "extract",
    "folds",
    "group_name",
    "judge",
    "pixels_of",
    "split",
]

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

# HE surface brightness in MJy/sr of one current Msun/pc2. Any stellar population, young to old and with or
# without dust, lies within (0.002, 0.5); the median pixel of galaxies is far from as young as the upper
# end, and 0.06 (a population of some 70 Myr) tells a set whose unit is off by the factor 23.504 between
# MJy/sr and uJy/arcsec2 in either direction.
_PLAUSIBLE_HE_PER_MASS = (0.002, 0.06)


def clip_band(bands):
    """The band whose brightness is clipped: HE, or the last one where there is no HE.

    Parameters
    ----------
    bands : sequence of str

    Returns
    -------
    band : str
    """
    return "HE" if "HE" in bands else tuple(bands)[-1]


def group_name(name):
    """The galaxy behind a name: ``TNG000008`` for all its projections ``TNG000008_O1`` to ``TNG000008_O5``.

    Parameters
    ----------
    name : str or `~euclid_resolved.Galaxy`

    Returns
    -------
    group : str
    """
    return re.sub(r"(?<=\d)_O[1-5]$", "", str(getattr(name, "name", name)))


def split(galaxies, fraction=0.1, seed=1):
    """Split galaxies into training and test; whole galaxies, never pixels (the paper's Sect. 2.3).

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Projections of one galaxy stay together: see `group_name`.
    fraction : float, optional
        The fraction of galaxies in the test set; each set gets at least one.
    seed : int, optional
        The split depends on the seed and the galaxies' names, not on their order.

    Returns
    -------
    training, test : list of `~euclid_resolved.Galaxy`
        In the order given. Where `~euclid_resolved.Galaxy.star_forming` is known for all, star-forming
        and quiescent galaxies are split in the same proportion.

    Raises
    ------
    InputError
        If there are fewer than two galaxies, two share a name, or the fraction is not between 0 and 1.
    """
    galaxies = list(galaxies)
    if len(galaxies) < 2:
        raise InputError(f"a split by galaxy needs at least two galaxies, got {len(galaxies)}")
    if not 0 < fraction < 1:
        raise InputError(f"fraction must lie between 0 and 1, got {fraction}")
    ranked = _shuffled_groups(galaxies, seed)
    if len(ranked) < 2:
        raise InputError(f"a split needs at least two galaxies, got {len(galaxies)} projections of one")
    wanted = min(max(round(fraction * len(ranked)), 1), len(ranked) - 1)
    # Strata interleaved by their rank within the stratum, so that any prefix is in proportion.
    kinds = {group_name(g): g.star_forming for g in galaxies}
    if None not in kinds.values():
        place = {}
        for kind in (True, False):
            members = [name for name in ranked if kinds[name] is kind]
            place.update({name: (i + 0.5) / len(members) for i, name in enumerate(members)})
        ranked = sorted(ranked, key=place.get)
    chosen = set(ranked[:wanted])
    training = [g for g in galaxies if group_name(g) not in chosen]
    return training, [g for g in galaxies if group_name(g) in chosen]


def folds(galaxies, k=10, seed=1):
    """Split galaxies into `k` folds for cross-validation by galaxy.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy` or of their names
        Projections of one galaxy stay together: see `group_name`.
    k : int, optional
    seed : int, optional

    Returns
    -------
    folds : list of (training, validation)
        Each galaxy is in exactly one validation list.
    """
    galaxies = list(galaxies)
    groups = _shuffled_groups(galaxies, seed)
    if not 2 <= k <= len(groups):
        raise InputError(f"k must lie between 2 and the number of galaxies ({len(groups)}), got {k}")
    number = {group: i % k for i, group in enumerate(groups)}
    mine = [number[group_name(g)] for g in galaxies]
    return [
        (
            [g for g, m in zip(galaxies, mine, strict=True) if m != i],
            [g for g, m in zip(galaxies, mine, strict=True) if m == i],
        )
        for i in range(k)
    ]


def _shuffled_groups(galaxies, seed):
    names = sorted(str(getattr(g, "name", g)) for g in galaxies)
    twice = {a for a, b in zip(names[:-1], names[1:], strict=True) if a == b} if names else ()
    if twice:
        raise InputError(f"two galaxies share the name {', '.join(sorted(twice))}")
    groups = list(dict.fromkeys(group_name(name) for name in names))
    return [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]


def judge(image, bands, clip=DEFAULT_CLIP, band=None, min_sn=MIN_SN):
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
        its noise.

    Returns
    -------
    quality : `~numpy.ndarray` of int32
        The bits of `~euclid_resolved.Quality`; zero where all is well. A masked pixel gets no
        bit for the value below the mask.
    """
    quality = np.zeros(image.shape, np.int32)
    missing = np.zeros(image.shape, np.int32)
    dark = np.zeros(image.shape, bool)
    band = band or clip_band(bands)
    for name in dict.fromkeys((*bands, band)):
        values, masked = image.brightness(name), image.mask(name)
        finite = np.isfinite(values)
        quality[masked] |= Quality.MASKED
        quality[~finite & ~masked] |= Quality.NONFINITE
        with np.errstate(invalid="ignore"):
            quality[(values <= 0) & finite & ~masked] |= Quality.NONPOSITIVE
            if clip is not None and name == band:
                dark = (values <= clip) & finite & ~masked
            noise = None if min_sn is None else image_noise(image, name)
            if noise is not None:
                # A pixel whose noise is not known (NaN) is not worth more than one with too much.
                quality[~(values >= min_sn * noise) & finite & (values > 0) & ~masked] |= Quality.NOISE
        missing += masked | ~finite
    quality[dark] |= Quality.BELOW_CLIP
    quality[(missing > 0) & (missing < len(dict.fromkeys((*bands, band))))] |= Quality.MISSING_BAND
    return quality


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixels of many galaxies that survive the clip, with their truth.

    Attributes
    ----------
    brightness : dict of str to `~numpy.ndarray`
        Surface brightness in MJy/sr by band, float32, shape (n,).
    truth : dict of str to `~numpy.ndarray`
        The properties in their linear units, float32, shape (n,), finite and positive.
    galaxy : `~numpy.ndarray`
        int32, shape (n,): which of `names` a pixel belongs to.
    names : tuple of str
        The galaxies.
    clip : float or None
        The clip in MJy/sr.
    clip_band : str
        The band that was clipped.
    seen : int
        How many pixels the images had.
    without_truth : int
        How many pixels above the clip were dropped because the truth had no logarithm.
    source : str
        The training set's name, for example the folder of the atlas.
    noise : dict of str to `~numpy.ndarray`
        One sigma in MJy/sr by band, float32, shape (n,), zero where an image says nothing of its noise;
        empty where none does.
    """

    brightness: dict
    truth: dict
    galaxy: np.ndarray
    names: tuple
    clip: float | None
    clip_band: str
    seen: int
    without_truth: int
    source: str = ""
    noise: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.galaxy)

    @property
    def kept(self):
        """The fraction of pixels kept (2.4 % in the paper's atlas)."""
        return len(self) / self.seen if self.seen else 0.0

    @cached_property
    def digest(self):
        """A SHA-256 over the values and names, as hexadecimal text."""
        sha = hashlib.sha256(repr((self.names, self.clip, self.clip_band)).encode())
        for part in (self.brightness, self.truth, {"galaxy": self.galaxy}, self.noise):
            for name, values in part.items():
                sha.update(name.encode())
                sha.update(np.ascontiguousarray(values))
        return sha.hexdigest()

    def of(self, galaxies):
        """The pixels of some of the galaxies.

        Parameters
        ----------
        galaxies : collection of str or `~euclid_resolved.Galaxy`

        Returns
        -------
        pixels : `Pixels`
        """
        wanted = {getattr(galaxy, "name", galaxy) for galaxy in galaxies}
        unknown = wanted - set(self.names)
        if unknown:
            raise InputError(
                f"no pixels of {', '.join(sorted(unknown))}; there are {len(self.names)} galaxies"
            )
        names = tuple(name for name in self.names if name in wanted)
        number = np.array([names.index(n) if n in wanted else -1 for n in self.names], np.int32)[self.galaxy]
        inside = number >= 0
        share = inside.mean() if len(self) else 0
        return replace(
            self,
            brightness={name: values[inside] for name, values in self.brightness.items()},
            truth={name: values[inside] for name, values in self.truth.items()},
            noise={name: values[inside] for name, values in self.noise.items()},
            galaxy=number[inside],
            names=names,
            seen=round(self.seen * len(names) / len(self.names)),
            without_truth=round(self.without_truth * share),
        )


def extract(
    galaxies, properties, bands=EUCLID_BANDS, *, clip=DEFAULT_CLIP, band=None, source="", progress=False
):
    """Gather the pixels of galaxies that a model can learn from, one galaxy at a time.

    Memory grows with the pixels kept, not with the images.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
    properties : sequence of str
    bands : sequence of str, optional
    clip : float or None, optional
        Keep only pixels brighter than this in `band`, MJy/sr.
    band : str, optional
        The band to clip: HE, or the last one where there is no HE.
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
    """
    from tqdm import tqdm

    galaxies, bands = list(galaxies), tuple(bands)
    properties = [get_property(name).name for name in properties]
    if not galaxies:
        raise InputError("no galaxies were given")
    band = band or clip_band(bands)
    columns, noise = {name: [] for name in (*bands, *properties)}, {name: [] for name in bands}
    galaxy, seen, without_truth = [], 0, 0
    bar = tqdm(galaxies, desc="reading galaxies", unit="galaxy", disable=None if progress else True)
    for i, one in enumerate(bar):
        image, maps = one.load()
        missing = [name for name in properties if name not in maps]
        if missing:
            raise InputError(f"{one.name}: no true map of {', '.join(missing)}; it has {', '.join(maps)}")
        good = judge(image.select(dict.fromkeys((*bands, band))), bands, clip, band) == 0
        seen += good.size
        truth = {name: _truth(maps[name], good) for name in properties}
        usable = np.ones(int(good.sum()), bool)
        for values in truth.values():
            usable &= np.isfinite(values) & (values > 0)
        without_truth += int((~usable).sum())
        for name in bands:
            columns[name].append(image.brightness(name)[good][usable])
            sigma = image_noise(image, name)
            noise[name].append(np.float32(0) if sigma is None else sigma[good][usable])
        for name, values in truth.items():
            columns[name].append(values[usable])
        galaxy.append(np.full(int(usable.sum()), i, np.int32))
    noise = _joined_noise(noise, galaxy)
    joined = {}
    for name in list(columns):
        joined[name] = np.concatenate(columns.pop(name))  # popped, so that one column at a time is double
    pixels = Pixels(
        brightness={name: joined[name] for name in bands},
        truth={name: joined[name] for name in properties},
        galaxy=np.concatenate(galaxy),
        names=tuple(one.name for one in galaxies),
        clip=clip,
        clip_band=band,
        seen=seen,
        without_truth=without_truth,
        source=source,
        noise=noise,
    )
    _check(pixels)
    return pixels


def pixels_of(galaxies, model, properties=None, *, progress=False):
    """The pixels of galaxies that a model could judge, with their truth.

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
        If pixels are given that lack a band or the truth.
    """
    properties = model.properties if properties is None else tuple(properties)
    if not isinstance(galaxies, Pixels):
        clip = {"clip": model.clip, "band": model.clip_band}
        return extract(galaxies, properties, model.bands, progress=progress, **clip)
    lacking = [b for b in model.bands if b not in galaxies.brightness]
    lacking += [name for name in properties if name not in galaxies.truth]
    if lacking:
        raise InputError(f"the pixels hold no {', '.join(lacking)}")
    return galaxies


def _joined_noise(noise, galaxy):
    """Noise of all pixels by band; nothing where no image knows its own."""
    if not any(np.ndim(part) for parts in noise.values() for part in parts):
        return {}
    sizes = [len(numbers) for numbers in galaxy]
    return {
        name: np.concatenate([np.broadcast_to(p, n) for p, n in zip(parts, sizes, strict=True)])
        for name, parts in noise.items()
    }


def _truth(truth_map, good):
    """The true values of the good pixels in the property's unit, NaN where the map is masked."""
    values = np.asarray(truth_map.data, np.float32)[good]
    factor = truth_map.unit.to(truth_map.property.unit) if truth_map.property else 1
    if truth_map.mask is not None:
        values[np.broadcast_to(truth_map.mask, good.shape)[good]] = np.nan
    return values * np.float32(factor)


def _check(pixels):
    """Refuse a set without pixels or with a unit error; say where truth was missing."""
    if not len(pixels):
        raise InputError(
            f"no pixel of {len(pixels.names)} galaxies is brighter than {pixels.clip} MJy/sr in "
            f"{pixels.clip_band} with known truth; a lower clip, or another unit?"
        )
    if pixels.without_truth:
        message = f"{pixels.without_truth} pixels above the clip have no usable truth and are left out"
        warnings.warn(message, DataWarning, stacklevel=3)
    if "HE" in pixels.brightness and "stellar_mass_density" in pixels.truth:
        low, high = _PLAUSIBLE_HE_PER_MASS
        ratio = float(np.median(pixels.brightness["HE"] / pixels.truth["stellar_mass_density"]))
        if not low < ratio < high:
            raise InputError(
                f"the median pixel has {ratio:.2g} MJy/sr in HE for each Msun/pc2, which no galaxy has "
                f" ({low} to {high}): a unit error? 23.5 is the factor between MJy/sr and "
                "uJy/arcsec2, 1e6 that between Msun/pc2 and Msun/kpc2"
            )

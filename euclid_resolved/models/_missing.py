"""Models for pixels that lack bands: which they may lack, what the clip is then about, and the intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._known import number_of

if TYPE_CHECKING:
    from euclid_resolved.features._seeing import Seen
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.models._columns import Columns
    from euclid_resolved.models._intervals import Interval

_ALL_SETS = 4  # bands, up to which every set of missing ones has intervals of its own
_NEAR = 2.0  # times the clip: pixels fainter than this tell the colour at the clip
_ENOUGH = 100  # of them
_MOST_OWN = 32  # listed sets that have intervals of their own
_SHARING = 6  # sets that tell the interval of all sets of their number
_MOST_SETS = 4096
_MOST_BANDS = 16


@dataclass(frozen=True, eq=False)
class MissingBands:
    """Which bands pixels may lack to be estimated all the same.

    Attributes
    ----------
    sets : tuple of tuple of str
        The sets of missing bands that the model was trained for; empty for any that leave a band.
    to_clip_band : dict of str to float
        By band, surface brightness in the model's clip band over that in this band: the median of training
        pixels near the clip. With it a pixel without the clip band is clipped, and given intervals, by the
        last band that it has.
    named : tuple of tuple of str
        Where any may be missing, sets that the model has learned in particular: each has its own intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._missing import MissingBands
    >>> missing = MissingBands((), {"IE": 4.0, "HE": 1.0})
    >>> light = {"IE": np.array([1.0, 1.0]), "HE": np.array([np.nan, 3.0])}
    >>> missing.in_clip_band(light, {}, "HE")[0]
    array([4., 3.])
    """

    sets: tuple[tuple[str, ...], ...]
    to_clip_band: Mapping[str, float]
    named: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(
        cls,
        sets: Iterable[Sequence[str]],
        brightness: Columns,
        clip_band: str,
        clip: float | None,
        named: Iterable[Sequence[str]] = (),
    ) -> MissingBands:
        """What training pixels say.

        Parameters
        ----------
        sets : iterable of sequence of str
        brightness : `~euclid_resolved.models._columns.Columns`
            MJy/sr by band, in the model's order.
        clip_band : str
        clip : float or None
        named : iterable of sequence of str, optional

        Returns
        -------
        missing : `MissingBands`
        """
        light = brightness[clip_band]
        near = light <= _NEAR * np.median(light) if clip is None else light <= _NEAR * clip
        near = near if near.sum() >= _ENOUGH else np.ones(len(light), bool)
        ratios = {band: float(np.median(light[near] / brightness[band][near])) for band in brightness}
        return cls(tuple(map(tuple, sets)), ratios, tuple(map(tuple, named)))

    def __str__(self) -> str:
        return "; ".join(" and ".join(each) for each in self.sets) or "any bands but one"

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands of the model."""
        return tuple(self.to_clip_band)

    def check_absent(self, absent: Sequence[str]) -> None:
        """Refuse an image without some bands that the model needs.

        Parameters
        ----------
        absent : sequence of str

        Raises
        ------
        InputError
            If no band is left, or the model was not trained without just these.
        """
        if len(absent) == len(self.bands):
            raise InputError(f"the image has none of the model's bands: {', '.join(self.bands)}")
        if absent and self.sets and set(absent) not in map(set, self.sets):
            raise InputError(
                f"the image has no band {', '.join(absent)}; the model was trained to do without {self}"
            )

    def allows(self, missing: np.ndarray) -> np.ndarray:
        """Which pixels may be estimated.

        Parameters
        ----------
        missing : `~numpy.ndarray` of int64
            The bands each lacks, as of `~euclid_resolved.features._known.sets_of_bands`.

        Returns
        -------
        allowed : `~numpy.ndarray` of bool
        """
        if not self.sets:
            return missing != (1 << len(self.bands)) - 1
        return np.isin(missing, [0, *(number_of(self.bands, each) for each in self.sets)])

    def in_clip_band(
        self, brightness: Mapping[str, np.ndarray], noise: Mapping[str, np.ndarray], clip_band: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Surface brightness in the clip band and its one sigma, or what the last band there is tells of it.

        Parameters
        ----------
        brightness, noise : mapping of str to `~numpy.ndarray`
            By band, NaN where it is missing; all of one shape.
        clip_band : str

        Returns
        -------
        light : `~numpy.ndarray`
        sigma : `~numpy.ndarray` or None
            None where the noise is not known in every band.
        """
        light = np.array(brightness[clip_band])
        known = set(self.bands) <= set(noise)
        sigma = np.array(noise[clip_band]) if known else None
        for band in reversed(self.bands):
            lacking = np.isnan(light)
            if not lacking.any():
                break
            lacking &= ~np.isnan(brightness[band])
            if lacking.any():
                factor = np.float32(self.to_clip_band[band])
                light[lacking] = factor * brightness[band][lacking]
                if sigma is not None:
                    sigma[lacking] = factor * noise[band][lacking]
        return light, sigma

    def completed(self, seen: Seen, image: MultiBandImage) -> Seen:
        """What features see of an image, with planes of NaN for bands that it lacks, and NaN in its holes.

        Parameters
        ----------
        seen : `~euclid_resolved.features._seeing.Seen`
        image : `~euclid_resolved.MultiBandImage`

        Returns
        -------
        seen : `~euclid_resolved.features._seeing.Seen`
        """
        nothing = np.broadcast_to(np.float32(np.nan), image.shape)
        holes = {band: image.mask(band) | ~np.isfinite(image.brightness(band)) for band in image.bands}
        absent = [band for band in self.bands if band not in holes]

        def filled(planes):
            own = {
                band: np.where(holes[band], np.float32(np.nan), plane) if holes[band].any() else plane
                for band, plane in planes.items()
            }
            # Noise counts as known where it is in every band that is there.
            whole = set(own) >= set(holes)
            own |= dict.fromkeys(absent, nothing) if whole else {}
            return {band: own[band] for band in self.bands if band in own}

        brightness, noise, own = (filled(each) for each in (seen.brightness, seen.noise, seen.own_noise))
        return replace(seen, brightness=brightness, noise=noise, own_noise=own)

    def to_calibrate(self) -> dict[tuple[str, ...] | int, list[tuple[str, ...]]]:
        """The sets of missing bands that get intervals of their own, and those that share one.

        With up to four bands, or a list of sets, every set has its own. With more every single band has, and
        all sets of one larger number share one that some of them tell, spread over all.

        Returns
        -------
        sets : dict
            By set, or by the number of missing bands, which sets to calibrate on.
        """
        n, several = len(self.bands), len(self.sets) > _MOST_OWN
        found: dict[tuple[str, ...] | int, list[tuple[str, ...]]] = {}
        for number in range(1, n):
            every = list(combinations(self.bands, number))
            if self.sets:
                every = [each for each in self.sets if len(each) == number]
            if number == 1 or not (several or (not self.sets and n > _ALL_SETS)):
                found |= {each: [each] for each in every}
            elif every:
                some = np.unique(np.linspace(0, len(every) - 1, min(_SHARING, len(every))).astype(int))
                found[number] = [every[i] for i in some]
        return found | {each: [each] for each in self.named}

    def check_intervals(self, known: Mapping[tuple[str, ...] | int, Interval]) -> None:
        """Refuse the intervals of a file that are not those of `to_calibrate`."""
        if set(known) != set(self.to_calibrate()):
            raise InputError("the model's intervals are not those of the bands that may be missing")

    def to_tree(self) -> dict[str, Any]:
        """As a dict of lists."""
        ratios = [float(self.to_clip_band[band]) for band in self.bands]
        sets = {key: [list(each) for each in getattr(self, key)] for key in ("sets", "named")}
        return {**sets, "to_clip_band": ratios}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], bands: tuple[str, ...]) -> MissingBands:
        """What `to_tree` gave; nothing in it is trusted.

        Parameters
        ----------
        tree : dict
        bands : tuple of str
            The model's.

        Returns
        -------
        missing : `MissingBands`

        Raises
        ------
        InputError
            If it does not fit the bands.
        """
        check_number(bands)
        ratios = [float(value) for value in tree["to_clip_band"]]
        if len(ratios) != len(bands) or not all(0 < value < np.inf for value in ratios):
            raise InputError("the model's ratios of brightness do not fit its bands")
        sets, named = (checked_sets(tree[key], bands) for key in ("sets", "named"))
        return cls(sets, dict(zip(bands, ratios, strict=True)), named)


def check_number(bands: Sequence[str]) -> None:
    """Refuse a number of bands of which not some may be missing."""
    if not 2 <= len(bands) <= _MOST_BANDS:
        raise InputError(f"bands may be missing of 2 to {_MOST_BANDS} bands; the model has {len(bands)}")


def checked_sets(given: Any, bands: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Sets of missing bands, each in the order of all bands, without repetition.

    Parameters
    ----------
    given : sequence of str or sequence of sequence of str
        A text stands for the band of that name alone.
    bands : sequence of str
        All bands.

    Returns
    -------
    sets : tuple of tuple of str

    Raises
    ------
    InputError
        If a band is none of these, a set is empty, or leaves no band.

    Examples
    --------
    >>> from euclid_resolved.models._missing import checked_sets
    >>> checked_sets(["YE", ("HE", "YE")], ("IE", "YE", "HE"))
    (('YE',), ('YE', 'HE'))
    """
    found: dict[tuple[str, ...], None] = {}
    for each in given:
        names = (each,) if isinstance(each, str) else tuple(each)
        unknown = [band for band in names if band not in bands]
        if unknown or not names:
            what = ", ".join(map(str, unknown)) or "of a set"
            raise InputError(f"no band {what}; bands that may be missing are {', '.join(bands)}")
        if set(names) == set(bands):
            raise InputError(f"without {', '.join(names)} no band is left to estimate from")
        found[tuple(band for band in bands if band in names)] = None
    if len(found) > _MOST_SETS:
        raise InputError(f"at most {_MOST_SETS} sets of bands may be missing, got {len(found)}")
    return tuple(found)

"""Galaxies with known truth, as a command names them: an atlas, or the sample that was extracted from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.errors import InputError
from euclid_resolved.io._atlas import read_atlas
from euclid_resolved.io._fingerprint import fingerprint
from euclid_resolved.io._galaxy_list import with_listed
from euclid_resolved.io._sample import is_sample, read_sample
from euclid_resolved.maps._properties import PROPERTIES
from euclid_resolved.models._clip import DEFAULT_CLIP
from euclid_resolved.training._clipped import above_clip, other_clip
from euclid_resolved.training._extract import extract
from euclid_resolved.training._sample import Pixels

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy


@dataclass(frozen=True)
class Truth:
    """Galaxies with known truth.

    Attributes
    ----------
    galaxies : list of `~euclid_resolved.Galaxy`
        Those of a sample have neither image nor maps.
    source, atlas : str
        The name of the atlas, and its ``fingerprint``.
    sample : `~euclid_resolved.training.Pixels` or None
        What is read instead of images.
    listed : tuple of str
        The names of those that a list asked for.

    Examples
    --------
    >>> from euclid_resolved import make_atlas
    >>> from euclid_resolved.io._truth import open_truth
    >>> truth = open_truth(make_atlas("atlas", 2, pixels=16), "O5", ("IE", "HE"))
    >>> truth.pixels(("stellar_age",), ("IE", "HE")).names
    ('TNG000001_O5', 'TNG000002_O5')
    """

    galaxies: list[Galaxy]
    source: str
    atlas: str
    sample: Pixels | None = None
    listed: tuple[str, ...] = ()

    def of(self, galaxies: Sequence[Galaxy], clip: float | None, band: str) -> Sequence[Galaxy] | Pixels:
        """What diagnostics and accuracy of some of the galaxies are measured on.

        Parameters
        ----------
        galaxies : sequence of `~euclid_resolved.Galaxy`
        clip : float or None
            The model's.
        band : str
            The band that it is about.

        Returns
        -------
        galaxies : list of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        """
        if self.sample is None:
            return galaxies
        return above_clip(self.sample.of(galaxies), clip, band)

    def pixels(
        self,
        properties: Sequence[str],
        bands: Sequence[str],
        clip: float | None = None,
        features: Sequence[str] = (),
    ) -> Pixels:
        """The pixels of all galaxies.

        Parameters
        ----------
        properties, bands : sequence of str
        clip : float, optional
            MJy/sr; that of the sample, or the default, without it.
        features : sequence of str, optional
            Of which those that look at surroundings are made of the images; a sample has what it was
            extracted with.

        Returns
        -------
        pixels : `~euclid_resolved.training.Pixels`
        """
        if self.sample is None:
            clip = DEFAULT_CLIP if clip is None else clip
            return extract(
                self.galaxies, properties, bands, clip=clip, features=features, source=self.source,
                progress=True,
            )  # fmt: skip
        if clip not in (None, self.sample.clip):
            # What a model learns from stays in its files: with another clip it would be a copy in memory.
            raise other_clip(self.sample, clip, self.sample.clip_band)
        return self.sample.of(self.galaxies)


def open_truth(
    path: str | Path,
    observer: str,
    bands: Sequence[str],
    listed: Mapping[str, str] | None = None,
    where: str = "the list",
    properties: Sequence[str] = (),
) -> Truth:
    """Open an atlas or a sample.

    Parameters
    ----------
    path : str or `~pathlib.Path`
    observer : str
        Whose galaxies are wanted; those whose names tell of no observer are taken as well.
    bands : sequence of str
    listed : mapping of str to str, optional
        Galaxies, and from which side each is wanted, as `read_galaxy_list` gives them.
    where : str, optional
        What that list is called in messages.
    properties : sequence of str, optional
        Those that are needed; an atlas is asked for maps beside those of the stars.

    Returns
    -------
    truth : `Truth`

    Raises
    ------
    InputError
        If it has no such band, nothing of the observer, or not all galaxies of the list.

    Examples
    --------
    >>> from euclid_resolved import make_atlas
    >>> from euclid_resolved.io._truth import open_truth
    >>> truth = open_truth(make_atlas("atlas", 2, pixels=16), "O5", ("IE", "HE"))
    >>> truth.source, [galaxy.name for galaxy in truth.galaxies]
    ('atlas', ['TNG000001_O5', 'TNG000002_O5'])
    """
    listed = listed or {}
    if not is_sample(path):
        more = [name for name in properties if name not in PROPERTIES]
        galaxies, names = with_listed(
            lambda side: read_atlas(path, observer=side, bands=bands, properties=more),
            observer,
            listed,
            where,
        )
        return Truth(galaxies, str(Path(path).resolve().name), fingerprint(path), listed=tuple(names))
    sample = read_sample(path)
    missing = [band for band in bands if band not in sample.brightness]
    if missing:
        raise InputError(
            f"{path} holds no band {', '.join(missing)}; there are {', '.join(sample.brightness)}"
        )
    galaxies, names = with_listed(lambda side: _seen_by(sample, side, path), observer, listed, where)
    return Truth(galaxies, sample.source, sample.atlas, sample, tuple(names))


def _seen_by(sample, observer, path):
    """The galaxies of a sample that an observer sees, and those without one."""
    seen_by = {name: name[-2:] for name in sample.names if name[-3:-1] == "_O"}
    galaxies = [one for one in sample.galaxies if seen_by.get(one.name, observer) == observer]
    if not galaxies:
        there = ", ".join(sorted(set(seen_by.values())))
        raise InputError(f"{path} holds nothing of observer {observer}; there are {there}")
    return galaxies

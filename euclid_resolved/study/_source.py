"""What a study is of: an atlas, with images and maps, or a sample of pixels that was extracted from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.diagnostics._robustness import observer_of
from euclid_resolved.errors import InputError
from euclid_resolved.io._atlas import _index, band_files, planes_there, read_atlas
from euclid_resolved.io._fingerprint import file_digest, fingerprint
from euclid_resolved.io._sample import is_sample, read_sample
from euclid_resolved.io._sample_manifest import MANIFEST
from euclid_resolved.study._store import is_mock
from euclid_resolved.training._clipped import above_clip
from euclid_resolved.training._extract import check_made_of, extract

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.training._sample import Pixels

NEEDS_IMAGES = ("example_galaxies", "edge_on", "neighbouring_pixels", "observed", "radial_profiles")
"""Parts and diagnostics that look at whole images or maps."""

NO_IMAGES = "Left out: this part needs the images of galaxies, and a sample holds pixels only."


class Atlas:
    """Galaxies with images and maps in a folder.

    Parameters
    ----------
    path : `~pathlib.Path`
    """

    images = True
    """Whether there are images, or pixels only."""

    kind = "atlas"
    features: tuple[str, ...] = ()
    """The sets of features, made of images, that the pixels come with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def digest(self) -> str:
        """Tells this atlas from another."""
        return fingerprint(self.path)

    @cached_property
    def mock(self) -> bool:
        """Whether its sample table says that it is a mock."""
        return is_mock(self.path)

    @cached_property
    def observers(self) -> list[str]:
        """The observers for which there are galaxies."""
        return sorted({observer for _, observer in _index(self.path) if observer})

    def galaxies(
        self, observer: str, bands: Sequence[str], more_maps: Sequence[str] = ()
    ) -> Sequence[Galaxy]:
        """The galaxies that an observer sees, with further maps than those of the three properties."""
        return read_atlas(self.path, observer, bands, properties=list(more_maps))

    def bands_there(self, wanted: Sequence[str], observer: str) -> list[str]:
        """Those of some bands that every galaxy of an observer has."""
        planes = planes_there(self.path, observer)
        return [band for band, plane in band_files(wanted).items() if plane in planes]

    def extract(
        self,
        galaxies: Sequence[Galaxy],
        properties: Sequence[str],
        bands: Sequence[str],
        *,
        clip: float,
        features: Sequence[str] = (),
        source: str = "",
    ) -> Pixels:
        """The pixels of galaxies, as `~euclid_resolved.training.extract` gives them."""
        return extract(
            galaxies, properties, bands, clip=clip, features=features, source=source, progress=True
        )


class Sample(Atlas):
    """Pixels of an atlas in a folder, as `~euclid_resolved.io.write_sample` keeps them.

    Parameters
    ----------
    path : `~pathlib.Path`
    """

    images, kind = False, "sample"

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]  # read from the sample
        """The sets of features, made of images, that the pixels come with."""
        return self.pixels.image_features

    @cached_property
    def pixels(self) -> Pixels:
        """All pixels of the sample, in their files."""
        return read_sample(self.path)

    @cached_property
    def digest(self) -> str:
        """Tells this sample from another; the manifest has the checksums of all galaxies."""
        return file_digest(self.path / MANIFEST)

    mock = False  # a sample does not say

    @cached_property
    def observers(self) -> list[str]:
        """The observers in the names of the galaxies."""
        return sorted({side for name in self.pixels.names if (side := observer_of(name))})

    def galaxies(
        self, observer: str, bands: Sequence[str], more_maps: Sequence[str] = ()
    ) -> Sequence[Galaxy]:
        """The galaxies, without images, that an observer sees, or whose names tell of none."""
        lacking = [band for band in bands if band not in self.pixels.brightness]
        if lacking:
            have = ", ".join(self.pixels.brightness)
            raise InputError(f"{self.path}: the sample has no {', '.join(lacking)}, only {have}")
        return [one for one in self.pixels.galaxies if observer_of(one.name) in ("", observer)]

    def bands_there(self, wanted: Sequence[str], observer: str) -> list[str]:
        """Those of some bands that the sample has."""
        return [band for band in band_files(wanted) if band in self.pixels.brightness]

    def extract(
        self,
        galaxies: Sequence[Galaxy],
        properties: Sequence[str],
        bands: Sequence[str],
        *,
        clip: float,
        features: Sequence[str] = (),
        source: str = "",
    ) -> Pixels:
        """The pixels of galaxies in some of the bands and properties of the sample."""
        check_made_of(self.pixels, features)
        lacking = [name for name in properties if name not in self.pixels.truth]
        if lacking:
            raise InputError(f"{self.path}: the sample has no {', '.join(lacking)}")
        pixels = above_clip(self.pixels.of(galaxies), clip, self.pixels.clip_band)
        return replace(
            pixels,
            brightness=pixels.brightness.select(tuple(bands)),
            noise=pixels.noise.select(tuple(bands)) if len(pixels.noise) else pixels.noise,
            truth=pixels.truth.select(tuple(properties)),
            source=source,
        )


def open_source(path: Path) -> Atlas:
    """The atlas or the sample in a folder.

    Parameters
    ----------
    path : `~pathlib.Path`

    Returns
    -------
    source : `Atlas` or `Sample`
    """
    return Sample(path) if is_sample(path) else Atlas(path)

"""Mock galaxies in memory: those that a mock atlas would hold, without the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

import astropy.units as u
import numpy as np
from astropy.nddata import NDData
from tqdm import tqdm

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import EUCLID_BANDS
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io._atlas import band_files, is_star_forming, quantities_of
from euclid_resolved.maps._galaxy import Galaxy
from euclid_resolved.maps._properties import PROPERTIES
from euclid_resolved.maps._spatial_map import SpatialMap
from euclid_resolved.mock._galaxy import MockGalaxy, build_galaxy
from euclid_resolved.mock._population_tables import BANDS
from euclid_resolved.mock._settings import MockSettings
from euclid_resolved.mock._systematics import labels

__all__ = ["mock_galaxies"]


_MOST = 999_999  # names have six digits


def mock_galaxies(
    n_galaxies: int = 60,
    *,
    seed: int = 1,
    pixels: int = 128,
    settings: MockSettings | None = None,
    bands: Sequence[str] = EUCLID_BANDS,
    progress: bool | None = None,
) -> list[Galaxy]:
    """Make mock galaxies whose stellar mass, age and metallicity are known, and keep them in memory.

    The same that `~euclid_resolved.make_atlas` writes for observer O5 and `~euclid_resolved.read_atlas` reads
    again, in half the time: for many small galaxies most of it goes into files.

    Parameters
    ----------
    n_galaxies, seed, pixels, settings, bands, progress
        As for `~euclid_resolved.make_atlas`.

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
        Each of 28 bytes a pixel in four bands.

    Raises
    ------
    InputError
        If there is less than one galaxy, or one is smaller than 8 pixels, or the populations lack a band.

    Examples
    --------
    >>> from euclid_resolved.mock import mock_galaxies
    >>> galaxies = mock_galaxies(2, pixels=16)
    >>> galaxies[1].name, galaxies[1].image.shape
    ('TNG000002_O5', (16, 16))
    """
    for what, value, least in (("n_galaxies", n_galaxies, 1), ("pixels", pixels, 8), ("seed", seed, 0)):
        check_whole(what, value, least)
    check_number(n_galaxies)
    settings = MockSettings() if settings is None else settings
    silent = None if progress is None else not progress
    names = tuple(band_files(bands))
    labels(settings, (*BANDS, *further_of(names)))  # what is missing is said before anything is made
    numbers = tqdm(range(1, int(n_galaxies) + 1), desc="mock galaxies", unit="galaxy", disable=silent)
    return [_galaxy(number, int(seed), int(pixels), settings, names) for number in numbers]


def check_number(n_galaxies: int) -> None:
    """Refuse more galaxies than their names have room for."""
    if n_galaxies > _MOST:
        raise InputError(f"n_galaxies is at most {_MOST}, for names have six digits; got {n_galaxies}")


def further_of(bands: Iterable[str]) -> tuple[str, ...]:
    """Bands that are none of Euclid's."""
    return tuple(band for band in bands if band not in BANDS)


def draw_galaxy(
    seed: int, number: int, observer: int, pixels: int, settings: MockSettings, bands: Sequence[str]
) -> tuple[MockGalaxy, dict[str, int]]:
    """A galaxy of a mock by its number, seen by an observer.

    Parameters
    ----------
    seed, number, observer : int
        What its random numbers depend on.
    pixels : int
    settings : MockSettings
    bands : sequence of str

    Returns
    -------
    galaxy : MockGalaxy
    planes : dict of str to int
        Where each of `bands` lies in its images.
    """
    further = further_of(bands)
    # A stream for each, so that no band changes another.
    streams = {
        band: np.random.default_rng([seed, number, observer, crc32(band.encode())]) for band in further
    }
    galaxy = build_galaxy(
        np.random.default_rng([seed, number]),
        np.random.default_rng([seed, number, observer]),
        pixels,
        settings,
        streams,
    )
    order = (*BANDS, *further)
    return galaxy, {band: order.index(band) for band in bands}


def _galaxy(number, seed, pixels, settings, names):
    # The observer of an atlas, if nobody says otherwise.
    mock, planes = draw_galaxy(seed, number, 5, pixels, settings, names)
    group, meta = f"TNG{number:06d}", {"pixel_scale": mock.pixel_scale * u.pc}
    name = f"{group}_O5"
    light = {band: mock.images[i] for band, i in planes.items()}
    bands = {
        band: NDData(plane, unit=u.MJy / u.sr, mask=~np.isfinite(plane)) for band, plane in light.items()
    }
    maps = {}
    for prop in PROPERTIES.values():
        plane = getattr(mock, prop.atlas)
        maps[prop.name] = SpatialMap(np.where(plane > 0, plane, np.nan), property=prop.name, meta=dict(meta))
    image, known = MultiBandImage(bands, name=name, meta=dict(meta)), quantities_of(mock.properties)
    return Galaxy(name, image, maps, star_forming=is_star_forming(known), meta=known, group=group)

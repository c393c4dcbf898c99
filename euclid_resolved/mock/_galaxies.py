"""Mock galaxies in memory: those that a mock atlas would hold, without the files."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.nddata import NDData
from tqdm import tqdm

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import EUCLID_BANDS
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.maps._galaxy import Galaxy
from euclid_resolved.maps._properties import PROPERTIES
from euclid_resolved.maps._spatial_map import SpatialMap
from euclid_resolved.mock._galaxy import build_galaxy
from euclid_resolved.mock._settings import MockSettings

__all__ = ["mock_galaxies"]


_MOST = 999_999  # names have six digits


def mock_galaxies(
    n_galaxies: int = 60,
    *,
    seed: int = 1,
    pixels: int = 128,
    settings: MockSettings | None = None,
    progress: bool | None = None,
) -> list[Galaxy]:
    """Make mock galaxies whose stellar mass, age and metallicity are known, and keep them in memory.

    The same that `~euclid_resolved.make_atlas` writes for observer O5 and `~euclid_resolved.read_atlas` reads
    again, in half the time: for many small galaxies most of it goes into files.

    Parameters
    ----------
    n_galaxies, seed, pixels, settings, progress
        As for `~euclid_resolved.make_atlas`.

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
        Each of 28 bytes a pixel.

    Raises
    ------
    InputError
        If there is less than one galaxy, or one is smaller than 8 pixels.

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
    numbers = tqdm(range(1, int(n_galaxies) + 1), desc="mock galaxies", unit="galaxy", disable=silent)
    return [_galaxy(number, int(seed), int(pixels), settings) for number in numbers]


def check_number(n_galaxies: int) -> None:
    """Refuse more galaxies than their names have room for."""
    if n_galaxies > _MOST:
        raise InputError(f"n_galaxies is at most {_MOST}, for names have six digits; got {n_galaxies}")


def _galaxy(number, seed, pixels, settings):
    from euclid_resolved.io._atlas import is_star_forming, quantities_of

    # The last number is the observer's, as in an atlas.
    mock = build_galaxy(
        np.random.default_rng([seed, number]), np.random.default_rng([seed, number, 5]), pixels, settings
    )
    group, meta = f"TNG{number:06d}", {"pixel_scale": mock.pixel_scale * u.pc}
    name = f"{group}_O5"
    bands = {
        band: NDData(plane, unit=u.MJy / u.sr, mask=~np.isfinite(plane))
        for band, plane in zip(EUCLID_BANDS, mock.images, strict=True)
    }
    maps = {}
    for prop in PROPERTIES.values():
        plane = getattr(mock, prop.atlas)
        maps[prop.name] = SpatialMap(np.where(plane > 0, plane, np.nan), property=prop.name, meta=dict(meta))
    image, known = MultiBandImage(bands, name=name, meta=dict(meta)), quantities_of(mock.properties)
    return Galaxy(name, image, maps, star_forming=is_star_forming(known), meta=known, group=group)

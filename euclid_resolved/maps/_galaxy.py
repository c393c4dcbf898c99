"""Galaxies with known truth, read when they are looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_type
from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import HasCard
from euclid_resolved.maps._true_map import true_map

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["Galaxy"]


def check_galaxies(galaxies: Iterable[Galaxy]) -> list[Galaxy]:
    """Galaxies as a list; anything else is refused.

    Parameters
    ----------
    galaxies : iterable of `Galaxy`

    Returns
    -------
    galaxies : list of `Galaxy`

    Raises
    ------
    InputError
        If it is no sequence, or something in it is no galaxy.

    Examples
    --------
    >>> from euclid_resolved.maps._galaxy import check_galaxies
    >>> from euclid_resolved.testing import example_galaxies
    >>> len(check_galaxies(example_galaxies(2)))
    2
    """
    hint = "read_atlas reads the galaxies of a folder"
    if isinstance(galaxies, str | bytes) or not hasattr(galaxies, "__iter__"):
        what = f"the text {galaxies[:80]!r}" if isinstance(galaxies, str) else type(galaxies).__name__
        raise InputError(f"a list of galaxies is needed, got {what}; {hint}")
    galaxies = list(galaxies)
    for galaxy in galaxies:
        check_type(galaxy, Galaxy, hint)
    return galaxies


def group_name(galaxy):
    """The object that a galaxy shows: its group; of a name, what the name says.

    Parameters
    ----------
    galaxy : `Galaxy` or str

    Returns
    -------
    group : str
        ``TNG000008`` for all projections ``TNG000008_O1`` to ``TNG000008_O5``; any other name is a group of
        its own.

    Examples
    --------
    >>> from euclid_resolved.maps._galaxy import group_name
    >>> group_name("TNG000008_O3"), group_name("NGC 628")
    ('TNG000008', 'NGC 628')
    """
    if isinstance(galaxy, Galaxy):
        return galaxy.group
    return re.sub(r"(?<=\d)_O[1-5]$", "", str(galaxy))


def _same_side(side, other):
    """Whether two sides of pixels are the same; a length and an angle cannot be compared, and may be."""
    return not side.unit.is_equivalent(other.unit) or abs((side / other).to_value("") - 1) < 1e-3


class Galaxy(HasCard):
    """A galaxy with known truth: an image and maps of its properties.

    Parameters
    ----------
    name : str
        Its name, for example ``TNG000008_O5``.
    image : `~euclid_resolved.MultiBandImage` or callable
        The image, or a function without arguments that reads it: then nothing is kept in memory and
        every access reads anew.
    maps : mapping of str to `SpatialMap`, `~astropy.nddata.NDData`, Quantity or array, or callable
        The true maps by property name, on the grid of the image, or a function that reads them. Each is
        converted to the unit of the property it is named for. As for a `SpatialMap` of that property, values
        without a unit are in this unit, NaN and masked pixels are not known.
    star_forming : bool, optional
        Whether it forms stars, None where not known; `~euclid_resolved.split` stratifies by it.
    meta : dict, optional
        Anything else, for example masses from the sample table.
    group : str, optional
        What object it shows. Galaxies of one group are the same object, seen from another side, turned, or
        with other noise: they never come apart between training and test. Without it the name says: the
        projections ``TNG000008_O1`` to ``TNG000008_O5`` are one group, any other galaxy is its own.

    Raises
    ------
    InputError
        If the group is no text. On access, if a map's shape or the size of its pixels is not the image's, its
        unit is none of the property, or it shows another one.

    Examples
    --------
    >>> from euclid_resolved import Galaxy
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxy = example_galaxies(1)[0]
    >>> same = Galaxy("NGC 1", galaxy.image, galaxy.maps, star_forming=True)
    >>> sorted(same.maps)
    ['stellar_age', 'stellar_mass_density', 'stellar_metallicity']
    >>> same.image.bands
    ('IE', 'YE', 'JE', 'HE')
    >>> turned = Galaxy("NGC 1 turned", galaxy.image, galaxy.maps, group="NGC 1")
    >>> same.group == turned.group
    True
    """

    def __init__(
        self,
        name: str,
        image: MultiBandImage | Callable[[], MultiBandImage],
        maps: Mapping[str, SpatialMap] | Callable[[], Mapping[str, SpatialMap]],
        *,
        star_forming: bool | None = None,
        meta: Mapping[str, Any] | None = None,
        group: str | int | None = None,
    ) -> None:
        self.name = str(name)
        if group is not None and (not isinstance(group, str | int) or not str(group).strip()):
            raise InputError(f"{self.name}: a group is the name of an object, got {group!r}")
        self._group = None if group is None else str(group)
        self._image, self._maps = image, maps
        self.star_forming = star_forming
        self.meta = dict(meta or {})

    @property
    def group(self) -> str:
        """The object that it shows; what its name says, unless it was told."""
        return group_name(self.name) if self._group is None else self._group

    @property
    def image(self) -> MultiBandImage:
        """The `~euclid_resolved.MultiBandImage`."""
        return self._image() if callable(self._image) else self._image

    @property
    def maps(self) -> dict[str, SpatialMap]:
        """The true maps, a dict of property name to `SpatialMap` in the property's unit."""
        maps = self._maps() if callable(self._maps) else self._maps
        if not isinstance(maps, Mapping):
            raise InputError(f"{self.name}: maps by property are needed, got {type(maps).__name__}")
        return {name: true_map(name, given, self.name) for name, given in maps.items()}

    @property
    def in_memory(self) -> bool:
        """Whether the image is there already, and need not be read."""
        return not callable(self._image)

    def load(self) -> tuple[MultiBandImage, dict[str, SpatialMap]]:
        """Read the galaxy and check that image and maps lie on one grid.

        Returns
        -------
        image : `~euclid_resolved.MultiBandImage`
        maps : dict of str to `SpatialMap`
        """
        image, maps = self.image, self.maps
        for name, truth in maps.items():
            shape = np.shape(getattr(truth, "data", truth))
            if shape != image.shape:
                raise InputError(f"{self.name}: the map of {name} has shape {shape}, the image {image.shape}")
            sides = [getattr(each, "meta", {}).get("pixel_scale") for each in (truth, image)]
            if None not in sides and not _same_side(*sides):
                raise InputError(
                    f"{self.name}: the pixels of the map of {name} are {sides[0]:.4g} wide, those of the "
                    f"image {sides[1]:.4g}"
                )
        return image, maps

    def __repr__(self) -> str:
        kind = {True: "star-forming", False: "quiescent", None: "kind unknown"}[self.star_forming]
        group = "" if self.group == group_name(self.name) else f"; group {self.group}"
        return f"<Galaxy {self.name}; {kind}{group}>"

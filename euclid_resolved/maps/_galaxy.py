"""Galaxies with known truth, read when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from euclid_resolved._checks import check_type
from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import HasCard

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
    maps : mapping of str to `SpatialMap`, or callable
        The true maps by property name, on the grid of the image, or a function that reads them.
    star_forming : bool, optional
        Whether it forms stars, None where not known; `~euclid_resolved.split` stratifies by it.
    meta : dict, optional
        Anything else, for example masses from the sample table.

    Raises
    ------
    InputError
        On access, if a map's shape or the size of its pixels is not the image's.

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
    """

    def __init__(
        self,
        name: str,
        image: MultiBandImage | Callable[[], MultiBandImage],
        maps: Mapping[str, SpatialMap] | Callable[[], Mapping[str, SpatialMap]],
        *,
        star_forming: bool | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = str(name)
        self._image, self._maps = image, maps
        self.star_forming = star_forming
        self.meta = dict(meta or {})

    @property
    def image(self) -> MultiBandImage:
        """The `~euclid_resolved.MultiBandImage`."""
        return self._image() if callable(self._image) else self._image

    @property
    def maps(self) -> dict[str, SpatialMap]:
        """The true maps, a dict of property name to `SpatialMap`."""
        return dict(self._maps() if callable(self._maps) else self._maps)

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
            if truth.data.shape != image.shape:
                raise InputError(
                    f"{self.name}: the map of {name} has shape {truth.data.shape}, the image {image.shape}"
                )
            sides = [each.meta.get("pixel_scale") for each in (truth, image)]
            if None not in sides and not _same_side(*sides):
                raise InputError(
                    f"{self.name}: the pixels of the map of {name} are {sides[0]:.4g} wide, those of the "
                    f"image {sides[1]:.4g}"
                )
        return image, maps

    def __repr__(self) -> str:
        kind = {True: "star-forming", False: "quiescent", None: "kind unknown"}[self.star_forming]
        return f"<Galaxy {self.name}; {kind}>"

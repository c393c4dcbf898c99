"""Galaxies with known truth, read when they are looked at."""

from euclid_resolved.errors import InputError

__all__ = ["Galaxy"]


class Galaxy:
    """A galaxy with known truth: an image and maps of its properties.

    Parameters
    ----------
    name : str
        Its name, for example ``TNG000008_O5``.
    image : `MultiBandImage` or callable
        The image, or a function without arguments that reads it: then nothing is kept in memory and
        every access reads anew.
    maps : mapping of str to `SpatialMap`, or callable
        The true maps by property name, on the grid of the image, or a function that reads them.
    star_forming : bool, optional
        Whether it forms stars, None where not known; `~euclid_resolved.sample.split` stratifies by it.
    meta : dict, optional
        Anything else, for example masses from the sample table.

    Raises
    ------
    InputError
        On access, if a map's shape is not the image's.
    """

    def __init__(self, name, image, maps, *, star_forming=None, meta=None):
        self.name = str(name)
        self._image, self._maps = image, maps
        self.star_forming = star_forming
        self.meta = dict(meta or {})

    @property
    def image(self):
        """The `MultiBandImage`."""
        return self._image() if callable(self._image) else self._image

    @property
    def maps(self):
        """The true maps, a dict of property name to `SpatialMap`."""
        return dict(self._maps() if callable(self._maps) else self._maps)

    def load(self):
        """Read the galaxy and check that image and maps lie on one grid.

        Returns
        -------
        image : `MultiBandImage`
        maps : dict of str to `SpatialMap`
        """
        image, maps = self.image, self.maps
        for name, truth in maps.items():
            if truth.data.shape != image.shape:
                raise InputError(
                    f"{self.name}: the map of {name} has shape {truth.data.shape}, the image {image.shape}"
                )
        return image, maps

    def __repr__(self):
        kind = {True: "star-forming", False: "quiescent", None: "kind unknown"}[self.star_forming]
        return f"<Galaxy {self.name}; {kind}>"

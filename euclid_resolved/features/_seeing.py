"""What features see of an image: by pixel the light they are made of, its noise, and what is around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.features._image_sets import few_neighbours, image_sets, light_of, made_planes, reach_of
from euclid_resolved.features._planes import ImagePlanes
from euclid_resolved.features._points import pixels_of, smoothing_alone
from euclid_resolved.images._noise import common_errors, image_noise

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage


@dataclass(frozen=True, eq=False)
class Seen:
    """What features see of an image; all planes have its shape.

    Attributes
    ----------
    brightness : dict of str to `~numpy.ndarray`
        MJy/sr by band: the image's own, or what a set of features has smoothed.
    noise : dict of str to `~numpy.ndarray`
        One sigma of that, for the bands whose noise the image knows.
    own_noise : dict of str to `~numpy.ndarray`
        The same without errors that all pixels share.
    few : `~numpy.ndarray` of bool or None
        Where most of the surroundings are missing; None where features look at single pixels.
    planes : `ImagePlanes` or None
        What it was made of; None where features look at single pixels.
    above : int
        How many rows of `planes` lie above those of the others.
    features : tuple of str
        What the columns of surroundings are made by.

    Examples
    --------
    >>> from euclid_resolved.features._seeing import see
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> sorted(see(image, ("IE", "HE"), ("bands", "neighbourhood")).around)[:3]
    ['HE~2', 'HE~4', 'IE-HE~2']
    """

    brightness: dict[str, np.ndarray]
    noise: dict[str, np.ndarray]
    own_noise: dict[str, np.ndarray]
    few: np.ndarray | None = None
    planes: ImagePlanes | None = None
    above: int = 0
    features: tuple[str, ...] = ()

    @property
    def around(self) -> dict[str, np.ndarray]:
        """The columns of features that look at the surroundings, as planes."""
        made = {} if self.planes is None else columns_around(self.planes, self.features)
        return {name: plane[self._own_rows()] for name, plane in made.items()}

    def around_at(self, where: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of features that look at the surroundings, of some pixels.

        What was smoothed for them is forgotten afterwards.

        Parameters
        ----------
        where : `~numpy.ndarray` of bool
            Shape of the planes.

        Returns
        -------
        around : dict of str to `~numpy.ndarray`
            Shape (n,).
        """
        planes = self.planes
        if planes is None:
            return {}
        if smoothing_alone(self.features):
            chosen_here = np.zeros(planes.shape, bool)
            chosen_here[self._own_rows()] = where
            pixels = pixels_of(planes, chosen_here)
            planes._forget()
            return {name: row[0] for name, row in columns_around(pixels, self.features).items()}
        around = chosen(self.around, where)
        planes._forget()
        return around

    def _own_rows(self):
        height = len(next(iter(self.brightness.values())))
        return slice(self.above, self.above + height)

    def rows(self, where: slice) -> Seen:
        """Some rows of all planes but those it was made of.

        Parameters
        ----------
        where : slice

        Returns
        -------
        seen : `Seen`
        """
        brightness, noise, own = (
            {name: plane[where] for name, plane in each.items()}
            for each in (self.brightness, self.noise, self.own_noise)
        )
        few, above = None if self.few is None else self.few[where], self.above + (where.start or 0)
        return Seen(brightness, noise, own, few, self.planes, above, self.features)


def see(image: MultiBandImage, bands: Sequence[str], features: Sequence[str]) -> Seen:
    """What features see of an image.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    bands : sequence of str
    features : sequence of str

    Returns
    -------
    seen : `Seen`

    Raises
    ------
    InputError
        If features look some length around, and the length of a pixel is not known, or if the image is
        binned.
    PluginError
        If a set of features breaks its contract.
    """
    bands = tuple(dict.fromkeys(bands))
    if not image_sets(features):
        light, noise = {band: image.brightness(band) for band in bands}, _known_noise(image, bands)
        return Seen(light, noise, _without_common(image, noise))
    if "bins" in image.meta:
        raise InputError(
            f"the image is binned, and {', '.join(image_sets(features))} look at single pixels around each "
            "other: they smooth noisy pixels themselves, so map the image as it was before (without "
            "bin_voronoi, --signal-to-noise)"
        )
    planes = ImagePlanes.of(image, bands)
    reach = reach_of(features, planes.pixel_scale)
    seen = light_of(planes, features)
    known = _known_noise(image, bands, dict(planes.noise))
    alone = _without_common(image, known)
    own = dict(seen.noise) or alone
    noise = dict(own)
    for band, sigma in known.items():
        if sigma is not alone[band]:
            shared = np.clip(sigma**2 - alone[band] ** 2, 0, None)
            noise[band] = np.sqrt(own[band] ** 2 + shared)
    few = few_neighbours(planes, reach)
    return Seen(dict(seen.brightness), noise, own, few, planes, features=tuple(features))


def _known_noise(image, bands, alone=None):
    """Noise by band; `alone` is what is known already of that without errors which all pixels share."""
    alone = {} if alone is None or common_errors(image) else alone
    noise = {band: alone[band] if band in alone else image_noise(image, band) for band in bands}
    return {band: sigma for band, sigma in noise.items() if sigma is not None}


def _without_common(image, noise):
    """The noise without errors that all pixels share; made again only for bands that have such."""
    bands = {band for errors in common_errors(image).values() for band in errors}
    return {
        band: image_noise(image, band, common=False) if band in bands else sigma
        for band, sigma in noise.items()
    }


def look(planes: ImagePlanes, features: Sequence[str]) -> tuple[ImagePlanes, dict[str, np.ndarray]]:
    """The light that features are made of, and the columns of those that look around.

    Parameters
    ----------
    planes : `ImagePlanes`
    features : sequence of str

    Returns
    -------
    light : `ImagePlanes`
    around : dict of str to `~numpy.ndarray`

    Raises
    ------
    PluginError
        If a column comes twice.
    """
    around = columns_around(planes, features)
    return light_of(planes, features), around


def columns_around(planes: ImagePlanes, features: Sequence[str]) -> dict[str, np.ndarray]:
    """The columns of features that look around, as planes; see `look`."""
    around: dict[str, np.ndarray] = {}
    for column, _, plane in made_planes(planes, features):
        if column in around:
            raise PluginError(f"features {', '.join(features)}: column {column!r} comes twice")
        around[column] = plane
    return around


def chosen(planes: Mapping[str, np.ndarray], where: np.ndarray) -> dict[str, np.ndarray]:
    """The values of some pixels of every plane: shape (n,)."""
    return {name: plane[where] for name, plane in planes.items()}

"""A trained U-Net: maps of an image, and what it is made of."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from euclid_resolved import DataWarning, InputError, Model, MultiBandImage, Quality, SpatialMap
from euclid_resolved.features import from_dex
from euclid_resolved.maps import get_property
from euclid_resolved.models import MIN_SN
from euclid_resolved_unet.network import Layer, check_layers, run
from euclid_resolved_unet.planes import Eyes, brightness_of, value_within
from euclid_resolved_unet.training import turned, turned_back

__all__ = ["UNet"]

_OTHER_SCALE = 1.5  # times wider or narrower pixels than those of training are warned of
MOST_WEIGHTS = 500_000
"""The most weights a network may have."""


@dataclass(frozen=True, eq=False)
class UNet:
    """A trained U-Net: it looks at an image and estimates all properties of every pixel at once.

    `~euclid_resolved_unet.train_unet` makes one, `~euclid_resolved_unet.read_unet` opens one.

    Attributes
    ----------
    guide : `~euclid_resolved.Model`
        A linear model of single pixels, trained on the same galaxies. Its estimates are not used: it decides
        which pixels are judged, and what their quality is.
    properties : tuple of str
    widths : tuple of int
        Planes at each level of the network.
    eyes : `~euclid_resolved_unet.planes.Eyes`
    edges : `~numpy.ndarray`
        float64, shape (properties, bins + 1): log10 of each property. No estimate leaves their range.
    layers : tuple of `~euclid_resolved_unet.network.Layer`
    ways : int
        Over how many ways to turn and mirror the image an estimate is the mean: 1 to 8.
    history : `~numpy.ndarray`
        float64, the loss of each epoch.
    training : dict
        What it was trained on and how: ``galaxies``, ``groups``, ``n_pixels``, ``pixel_scale`` (text), the
        settings, and the ``versions`` of libraries.
    golden : tuple of `~numpy.ndarray` or None
        The brightness of a small image, and what the network made of it when it was trained.
    """

    guide: Model
    properties: tuple[str, ...]
    widths: tuple[int, ...]
    eyes: Eyes
    edges: np.ndarray
    layers: tuple[Layer, ...]
    ways: int
    history: np.ndarray
    training: dict[str, Any] = field(default_factory=dict)
    golden: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        inputs, outputs = len(self.bands) + 1, 2 * len(self.properties) * (self.edges.shape[1] - 1)
        check_layers(self.layers, inputs, self.widths, outputs)
        if self.weights > MOST_WEIGHTS:
            raise InputError(
                f"the network has {self.weights} weights, {MOST_WEIGHTS} are allowed: smaller widths"
            )

    def __repr__(self) -> str:
        return (
            f"<UNet {', '.join(self.properties)} from {', '.join(self.bands)}; {self.weights} weights, "
            f"trained on {len(self.training.get('galaxies', ()))} galaxies>"
        )

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands it needs, in order."""
        return self.guide.bands

    @property
    def weights(self) -> int:
        """How many weights and biases it has."""
        return sum(layer.kernel.size + layer.bias.size for layer in self.layers)

    @cached_property
    def digest(self) -> str:
        """A SHA-256 over all it has learned, as hexadecimal text."""
        sha = hashlib.sha256(
            json.dumps([self.properties, self.widths, self.ways, self.guide.digest]).encode()
        )
        for array in (*self.eyes, self.edges, *(array for layer in self.layers for array in layer)):
            sha.update(np.ascontiguousarray(array))
        return sha.hexdigest()

    def estimate(self, brightness: np.ndarray) -> np.ndarray:
        """Estimate all properties of all pixels, also of those that are not to be judged.

        Parameters
        ----------
        brightness : `~numpy.ndarray`
            MJy/sr, shape (bands, ny, nx), the bands in order; NaN where one is masked.

        Returns
        -------
        dex : `~numpy.ndarray`
            float32, shape (properties, ny, nx): log10 of each property in its unit, finite, within the range
            of training.

        Raises
        ------
        InputError
            If the shape is another.
        """
        brightness = np.asarray(brightness, np.float32)
        if brightness.ndim != 3 or len(brightness) != len(self.bands) or not brightness.size:
            raise InputError(
                f"planes of {len(self.bands)} bands are needed ({', '.join(self.bands)}), got the shape "
                f"{brightness.shape}"
            )
        planes = self.eyes.see(brightness)
        dex = np.zeros((len(self.properties), *planes.shape[1:]), np.float32)
        for way in range(self.ways):
            made = run(self.layers, turned(planes, way), partial(value_within, edges=self.edges))
            dex += turned_back(made, way)
        low, high = (self.edges[:, i].astype(np.float32)[:, None, None] for i in (0, -1))
        return np.clip(dex / np.float32(self.ways), low, high)

    def predict_maps(
        self,
        image: MultiBandImage,
        properties: Sequence[str] | None = None,
        *,
        min_sn: float | None = MIN_SN,
    ) -> dict[str, SpatialMap]:
        """Map properties of an image.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
            With the bands of the network; others are left alone. Pixels that are masked or not finite are
            left out of what the network sees.
        properties : sequence of str, optional
            All of them without it.
        min_sn : float or None, optional
            As for `euclid_resolved.Model.predict_maps` of a model of single pixels.

        Returns
        -------
        maps : dict of str to `~euclid_resolved.SpatialMap`
            Linear, float32, in the property's unit, with the image's WCS. The same pixels are judged as by a
            `~euclid_resolved.Model` of single pixels with the same clip, and have the same quality bits: NaN,
            masked and flagged where one is not. There is no uncertainty.

        Raises
        ------
        InputError
            If a band is missing, or a property is not estimated.

        Warns
        -----
        DataWarning
            If no pixel can be judged, or the pixels are much wider or narrower than those of training.
        """
        names = self._names(properties)
        brightness = brightness_of(image, self.bands)
        self._warn_of_scale(image)
        judged = self.guide.predict_maps(image, names, min_sn=min_sn)
        dex = dict(zip(self.properties, self.estimate(brightness), strict=True))
        maps = {}
        for name, guide in judged.items():
            # What the guide could not estimate, the network can: its estimates are always finite.
            quality = guide.quality & ~np.int32(Quality.NOT_ESTIMATED)
            good = (quality & ~np.int32(Quality.OUT_OF_DOMAIN)) == 0
            maps[name] = SpatialMap(
                np.where(good, from_dex(dex[name]), np.float32(np.nan)),
                property=name,
                wcs=guide.wcs,
                mask=~good,
                quality=quality,
                meta={**guide.meta, "model": self.digest, "estimator": "unet"},
            )
        return maps

    def predict(self, image: MultiBandImage, property: str | None = None, **options: Any) -> SpatialMap:
        """Map one property of an image.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
        property : str, optional
            Needed where there are several.
        **options
            As for `predict_maps`.

        Returns
        -------
        map : `~euclid_resolved.SpatialMap`
        """
        if property is None and len(self.properties) > 1:
            raise InputError(f"which property? The network estimates {', '.join(self.properties)}")
        (made,) = self.predict_maps(image, (property or self.properties[0],), **options).values()
        return made

    def _names(self, properties):
        given = (properties,) if isinstance(properties, str) else properties
        names = self.properties if given is None else tuple(get_property(name).name for name in given)
        unknown = [name for name in names if name not in self.properties]
        if unknown or not names:
            raise InputError(
                f"the network does not estimate {', '.join(unknown) or 'nothing'}, only "
                f"{', '.join(self.properties)}"
            )
        return names

    def _warn_of_scale(self, image):
        import astropy.units as u

        own, trained = image.meta.get("pixel_scale"), self.training.get("pixel_scale")
        if own is None or not trained:
            return
        trained = u.Quantity(trained)
        if own.unit.is_equivalent(trained.unit):
            ratio = (own / trained).to_value("")
            if not 1 / _OTHER_SCALE < ratio < _OTHER_SCALE:
                message = (
                    f"the pixels of {image.name or 'the image'} are {own:.4g} wide, those of training were "
                    f"{trained:.4g}: the network knows shapes by their size in pixels"
                )
                warnings.warn(message, DataWarning, stacklevel=4)

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it to a file of plain arrays, which `~euclid_resolved_unet.read_unet` opens.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            It ends in ``.npz``. The file appears whole or not at all.
        overwrite : bool, optional
            Replace a file of that name.

        Raises
        ------
        InputError
            If the file exists, or its name has another ending.
        """
        from euclid_resolved_unet.files import write_unet

        write_unet(path, self, overwrite)

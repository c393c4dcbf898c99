"""A trained model: estimates for pixels, maps for images, and the tree that goes into a file."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import StdDevUncertainty

from euclid_resolved._checks import check_names, check_type
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features._scale import Scale, from_dex
from euclid_resolved.features._sets import make_features
from euclid_resolved.images._grid import HasCard
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._noise import common_errors, image_noise, noise_correlation
from euclid_resolved.images._values import brightness_of
from euclid_resolved.maps._properties import get_property
from euclid_resolved.maps._spatial_map import Quality, SpatialMap
from euclid_resolved.models._asking import checked_predict, checked_spread, registered_name
from euclid_resolved.models._clip import MIN_SN, judge
from euclid_resolved.models._domain import Domain
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.models._options import check_options
from euclid_resolved.models._output import append, of_known, plane_of
from euclid_resolved.models._tree import hash_tree, model_to_tree, tree_to_fields
from euclid_resolved.models._uncertainty import map_errors, noise_scatter

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import ArrayLike

    from euclid_resolved.models._output import Output
    from euclid_resolved.plugins._offers import Plugin

__all__ = ["Model"]


@dataclass(frozen=True, eq=False)
class Model(HasCard):
    """A trained model: everything needed to map an image, and the record of how it came to be.

    Attributes
    ----------
    bands : tuple of str
        The bands it needs, in order.
    features : tuple of str
        The sets of features it chains.
    columns, column_units : tuple of str
        The columns it looks at, in order, and their units.
    clip : float or None
        Pixels at or below this surface brightness (MJy/sr) in `clip_band` are not judged.
    clip_band : str
    feature_scale : `~euclid_resolved.features.Scale`
    domain : `Domain`
    outputs : dict of str to `Output`
        By property.
    golden_rows : `~numpy.ndarray`
        float32, shape (m, k): scaled training features.
    training : dict
        What it was trained on: source, galaxies, test galaxies, seed, pixels, accuracy, ...
    versions : dict
        The versions of the libraries that trained it.
    golden_brightness : `~numpy.ndarray` or None
        float32, shape (m, bands): the surface brightness (MJy/sr) that the golden rows were made of. Opened
        from a file, the features of these pixels are made again and compared.
    plugins : tuple of `~euclid_resolved.plugins.Plugin`
        Where its features and estimators came from, with distribution and version, when it was trained.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> model.properties
    ('stellar_mass_density', 'stellar_metallicity', 'stellar_age')
    >>> maps = model.predict_maps(galaxies[3].image)
    >>> print(f"{maps['stellar_age'].quantity.min():.1f} to {maps['stellar_age'].quantity.max():.1f}")
    1.6 Gyr to 8.8 Gyr
    """

    bands: tuple[str, ...]
    features: tuple[str, ...]
    columns: tuple[str, ...]
    column_units: tuple[str, ...]
    clip: float | None
    clip_band: str
    feature_scale: Scale
    domain: Domain
    outputs: dict[str, Output]
    golden_rows: np.ndarray
    training: dict[str, Any]
    versions: dict[str, str]
    golden_brightness: np.ndarray | None = None
    plugins: tuple[Plugin, ...] = ()

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties it estimates."""
        return tuple(self.outputs)

    @cached_property
    def digest(self) -> str:
        """A SHA-256 over all it has learned, as hexadecimal text."""
        tree = self.to_tree()
        sha = hashlib.sha256()
        for key in sorted(set(tree) - {"training", "versions", "plugins"}):
            hash_tree(sha, key, tree[key])
        return sha.hexdigest()

    def _output(self, property):
        if property is None:
            if len(self.outputs) > 1:
                raise InputError(f"which property? The model estimates {', '.join(self.outputs)}")
            return next(iter(self.outputs.values()))
        name = get_property(property).name
        if name not in self.outputs:
            raise InputError(f"the model does not estimate {name}, only {', '.join(self.outputs)}")
        return self.outputs[name]

    def estimate(
        self, brightness: Mapping[str, ArrayLike] | Table | np.ndarray, property: str | None = None
    ) -> np.ndarray:
        """Estimate a property of single pixels.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            Surface brightness by band, shape (n,), positive; in MJy/sr where it has no unit. Other columns
            are left alone.
        property : str, optional
            Needed where the model estimates several.

        Returns
        -------
        dex : `~numpy.ndarray`
            float32, shape (n,): log10 of the property in its unit; NaN where a band is masked or NaN, or a
            feature or the prediction is not finite.

        Raises
        ------
        InputError
            If a band is missing, its unit is none of surface brightness, or a value has no logarithm.
        """
        output = self._output(property)
        return self._of_known(brightness, lambda X: {"dex": self._estimate(X, output, {})})["dex"]

    def estimate_all(self, brightness: Mapping[str, ArrayLike] | Table | np.ndarray) -> dict[str, np.ndarray]:
        """Estimate every property of single pixels; features are made once.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            As for `estimate`.

        Returns
        -------
        dex : dict of str to `~numpy.ndarray`
            By property, what `estimate` gives.
        """

        def estimate(X):
            done = {}
            return {name: self._estimate(X, output, done) for name, output in self.outputs.items()}

        return self._of_known(brightness, estimate)

    def spread(
        self, brightness: Mapping[str, ArrayLike] | Table | np.ndarray, property: str | None = None
    ) -> np.ndarray | None:
        """How far a fit with another seed would take the estimates of single pixels.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            As for `estimate`.
        property : str, optional
            Needed where the model estimates several.

        Returns
        -------
        sigma : `~numpy.ndarray` or None
            float32, shape (n,): one sigma in dex (`~euclid_resolved.Estimator.spread`), NaN where a band is
            masked or NaN; None where the estimator does not know it.
        """
        output = self._output(property)

        def spread(X):
            done = {}
            for name in output.chain:
                self._predict_scaled(X, self.outputs[name], done)
            return {"sigma": self._spread(X, output, done)}

        return self._of_known(brightness, spread)["sigma"]

    def _of_known(self, brightness, function):
        """What a function makes of the scaled features; NaN for pixels that are masked in a band."""
        light, nothing = brightness_of(brightness, self.bands), np.zeros((1, len(self.columns)), np.float32)
        return of_known(light, lambda some: function(self._scaled(some)), lambda: function(nothing))

    def _scaled(self, brightness):
        table = make_features(brightness, self.features, columns=self.columns)
        return self.feature_scale.apply(table.values)

    def _estimate(self, X, output, done):
        return output.scale.invert(self._predict_scaled(X, output, done))

    def _predict_scaled(self, X, output, done):
        """The scaled estimate of one output; `done` keeps those that others may be chained to."""
        if output.property not in done:
            earlier = [self._predict_scaled(X, self.outputs[name], done) for name in output.chain]
            done[output.property] = checked_predict(output.estimator, append(X, earlier), output.property)
        return done[output.property]

    def predict(self, image: MultiBandImage, property: str | None = None, **options: Any) -> SpatialMap:
        """Map one property of an image.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
            With the model's bands; others are left alone.
        property : str, optional
            Needed where the model estimates several.
        **options
            `draws`, `seed`, `level` and `min_sn`, as for `predict_maps`.

        Returns
        -------
        map : `~euclid_resolved.SpatialMap`
            Linear, float32, with the image's WCS. NaN, masked and flagged where the model may not
            judge, or has no finite estimate (NOT_ESTIMATED); flagged OUT_OF_DOMAIN where the value is an
            extrapolation.

        Raises
        ------
        InputError
            If a band is missing.
        """
        name = self._output(property).property
        return self.predict_maps(image, (name,), **options)[name]

    def predict_maps(
        self,
        image: MultiBandImage,
        properties: Sequence[str] | None = None,
        *,
        draws: int = 0,
        seed: int = 1,
        level: float = LEVELS[0],
        min_sn: float | None = MIN_SN,
        first_row: int = 0,
    ) -> dict[str, SpatialMap]:
        """Map several properties of an image; features are made once.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
        properties : sequence of str, optional
            All that the model estimates without it.
        draws : int, optional
            How often to draw the image's noise again, to see what it does to the estimates; 0 does not.
            The image must know its noise in every band.
        seed : int, optional
            Of the draws.
        level : float, optional
            Of the calibrated interval, 0.68 or 0.95, where the model has one.
        min_sn : float or None, optional
            Pixels whose brightness is below this many times their own uncertainty, in any band, are not
            judged (NOISE). Single pixels of Euclid's mosaics scatter less than their rms maps say (0.66 of
            it in IE, 0.22 in the others), so that 1 shows fainter parts of a galaxy there, with few specks
            of sky; intervals are calibrated for the default.
        first_row : int, optional
            Where the image is a strip of a larger one: the number of its first row there. The noise that is
            drawn is then that of the larger image.

        Returns
        -------
        maps : dict of str to `~euclid_resolved.SpatialMap`
            As `predict` gives them. A calibrated model gives an interval (``map.interval``), and half the
            width of the 68 % interval as uncertainty: it holds everything between image and truth. With
            `draws`, the scatter that the image's noise makes, and that of the estimator itself where it
            is known, are in the planes ``noise`` and ``model``; without a calibration both together are
            the uncertainty, and the model's own error comes on top. ``meta["uncertainty"]`` says which.
            What the image's errors that all pixels share (`euclid_resolved.images.common_errors`) do to the
            estimates is in it, too, and by itself in the plane ``common``. ``meta["shared_variance"]`` is the
            part of the variance of the model's errors that all pixels share, which totals and means use;
            ``meta["correlated_pixels"]`` over how many pixels the image's noise is spread.
        """
        check_type(image, MultiBandImage, "read_euclid opens an image")
        check_options(draws, seed, level, min_sn, first_row)
        missing = [band for band in self.bands if band not in image]
        if missing:
            raise InputError(
                f"the image has no band {', '.join(missing)}, only {', '.join(image.bands)}; train a model "
                f"that does without: train(..., bands={tuple(b for b in self.bands if b not in missing)})"
            )
        names = self.properties if properties is None else check_names(properties, "properties")
        outputs = [self._output(name) for name in names]
        image = image.select(self.bands)
        quality = judge(image, self.bands, self.clip, self.clip_band, min_sn)
        good = quality == 0
        reasons = image.meta.get("mask_reasons")
        if reasons is not None and np.shape(reasons) == quality.shape:
            quality[~good] |= np.asarray(reasons)[~good]
        if not good.any():
            message = f"no pixel of {image.name or 'the image'} can be judged: every map is empty"
            warnings.warn(message, DataWarning, stacklevel=2)
        brightness = {band: image.brightness(band)[good] for band in self.bands}
        shared, noise = common_errors(image), self._noise(image, good)
        outside = self.domain.outside(brightness, noise)
        if shared:
            noise = self._noise(image, good, common=False)
        quality[good] |= np.where(outside, Quality.OUT_OF_DOMAIN, 0).astype(np.int32)
        X, scatter = self._scaled(brightness), {}
        done: dict[str, np.ndarray] = {}
        if draws:
            pixels = np.flatnonzero(good) + first_row * good.shape[1]
            scatter = self._scatter(outputs, brightness, noise, draws, seed, pixels)
        meta = {"model": self.digest, "training_set": str(self.training.get("source", ""))}
        kept = ("pixel_scale", "history", "redshift", "distance", "bins")
        meta.update({key: image.meta[key] for key in kept if key in image.meta})
        meta.update(self._spread_of_noise(image))
        common = self._common(outputs, brightness, shared, good)
        meta.update({key: str(self.training[key]) for key in ("trust",) if key in self.training})
        maps = {}
        for output in outputs:
            dex = self._estimate(X, output, done)
            spread = self._spread(X, output, done) if draws else None
            errors = map_errors(
                output, dex, brightness[self.clip_band], noise.get(self.clip_band),
                scatter.get(output.property), spread, level, common.get(output.property),
            )  # fmt: skip
            planes = {name: plane_of(values, good) for name, values in errors.planes.items()}
            values = plane_of(from_dex(dex), good)
            known = np.isfinite(values)
            values[~known] = np.nan
            maps[output.property] = SpatialMap(
                values,
                property=output.property,
                wcs=image.wcs,
                mask=~known,
                quality=quality | np.where(good & ~known, Quality.NOT_ESTIMATED, 0).astype(np.int32),
                planes=planes,
                uncertainty=None if errors.sigma is None else StdDevUncertainty(plane_of(errors.sigma, good)),
                meta={
                    **meta,
                    **errors.meta,
                    "name": image.name,
                    "estimator": registered_name(output.estimator),
                },
            )
        return maps

    def _noise(self, image, good, common=True):
        """One sigma of the good pixels by band, or nothing where the image does not know it in all bands."""
        noise = {band: image_noise(image, band, common=common) for band in self.bands}
        if any(sigma is None for sigma in noise.values()):
            return {}
        return {band: sigma[good] for band, sigma in noise.items()}

    def _spread_of_noise(self, image):
        """Over how many pixels, or bins, the noise of one is spread, in the band where it is most."""
        growths = [float(noise_correlation(image, band).sum()) for band in self.bands]
        return {"correlated_pixels": max(growths)} if max(growths) > 1 else {}

    def _common(self, outputs, brightness, shared, good):
        """What errors that all pixels share do to the estimates, dex by property; nothing without any."""
        result, floor = {}, self._floor()
        for errors in shared.values():
            ends = []
            for sign in (1, -1):
                moved = dict(brightness)
                for band, sigma in errors.items():
                    light = brightness[band]
                    least = np.minimum(floor.get(band, np.finfo(np.float32).tiny), light)
                    moved[band] = np.maximum(light + sign * sigma[good], least).astype(np.float32)
                ends.append(self._estimates(moved, outputs))
            for name, upper in ends[0].items():
                shift = (upper - ends[1][name]) / 2
                result[name] = np.hypot(result.get(name, np.float32(0)), shift)
        return result

    def _estimates(self, brightness, outputs):
        X, done = self._scaled(brightness), {}
        return {output.property: self._estimate(X, output, done) for output in outputs}

    def _floor(self):
        """The faintest brightness of training by band: below it, what is drawn or moved ends there."""
        lowest = dict(zip(self.domain.columns, self.domain.scale.minimum, strict=True))
        return {band: float(from_dex(lowest[band])) for band in self.bands if band in lowest}

    def _scatter(self, outputs, brightness, noise, draws, seed, pixels):
        """What the image's noise does to the estimates, dex by property."""
        if not noise:
            raise InputError(
                "to draw its noise again an image has to know it: an uncertainty in every band (for Euclid, "
                "the RMS maps)"
            )
        options = {"draws": draws, "seed": seed, "floor": self._floor(), "pixels": pixels}
        return noise_scatter(lambda drawn: self._estimates(drawn, outputs), brightness, noise, **options)

    def _spread(self, X, output, done):
        """How far a fit with another seed would differ, dex, or None."""
        rows = append(X, [done[name] for name in output.chain])
        sigma = checked_spread(output.estimator, rows, output.property)
        return None if sigma is None else sigma * float(output.scale.maximum[0] - output.scale.minimum[0])

    def to_tree(self) -> dict[str, Any]:
        """The model as nested dicts and lists of arrays, numbers and text; order is kept in lists."""
        return model_to_tree(self)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Model:
        """A model from what `to_tree` gave; nothing in it is trusted.

        Parameters
        ----------
        tree : dict

        Returns
        -------
        model : `Model`

        Raises
        ------
        InputError
            If something is missing, does not fit together, or the estimators no longer give the
            predictions that were stored with them.
        PluginError
            If an estimator or a set of features is not installed.
        """
        try:
            return cls(**tree_to_fields(tree))
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise InputError(f"the model is damaged: {type(error).__name__} {error}") from error

    def __repr__(self) -> str:
        what = "; ".join(f"{o.property} by {registered_name(o.estimator)}" for o in self.outputs.values())
        columns, source = ", ".join(self.columns), self.training.get("source") or "unnamed"
        return f"<Model {what}; columns {columns}; trained on {source}; digest {self.digest[:12]}>"

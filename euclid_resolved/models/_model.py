"""A trained model: estimates for pixels, maps for images, and the tree that goes into a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_names, check_type
from euclid_resolved.errors import InputError
from euclid_resolved.features._image_sets import columns_of, image_sets, reach_of
from euclid_resolved.features._known import features_of_known, sets_of_bands
from euclid_resolved.features._scale import Scale
from euclid_resolved.features._sets import make_features
from euclid_resolved.images._grid import HasCard
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._values import brightness_of, by_name
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._asking import checked_predict, checked_spread, registered_name
from euclid_resolved.models._clip import MIN_SN
from euclid_resolved.models._domain import Domain
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.models._likeness import FIELD
from euclid_resolved.models._options import check_options
from euclid_resolved.models._output import append, of_known
from euclid_resolved.models._tree import hash_tree, model_to_tree, tree_to_fields

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.units import Quantity
    from numpy.typing import ArrayLike

    from euclid_resolved.maps._spatial_map import SpatialMap
    from euclid_resolved.models._likeness import Likeness
    from euclid_resolved.models._missing import MissingBands
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
    golden_image : `~numpy.ndarray` or None
        float32, shape (planes, ny, nx): what features that look at surroundings made of a small image, which
        is made again when the model is opened from a file. None for features of single pixels.
    plugins : tuple of `~euclid_resolved.plugins.Plugin`
        Where its features and estimators came from, with distribution and version, when it was trained.
    missing : `MissingBands` or None
        Which bands pixels may lack (``train(..., missing_bands=...)``); None where it needs all of them.
    likeness : ``Likeness`` or None
        What fields of the training galaxies look like: their colours, how these change and how sharp they
        are. The default model knows it, and those that ``euclid-resolved default-model make`` makes.

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
    golden_image: np.ndarray | None = None
    missing: MissingBands | None = None
    likeness: Likeness | None = None

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

    def reach(self, pixel_scale: Quantity | None = None) -> int:
        """How many pixels it looks at to each side of a pixel: 0 for features of single pixels.

        A model that knows what its training galaxies looked like (`likeness`) compares fields of 32 x 32
        pixels with them, and looks as far as those.

        Parameters
        ----------
        pixel_scale : `~astropy.units.Quantity`, optional
            The side of a pixel, for features that look some length around.

        Returns
        -------
        reach : int

        Raises
        ------
        InputError
            If such a length cannot be told in pixels.
        """
        reach = reach_of(self.features, pixel_scale)
        return reach if self.likeness is None else reach + FIELD - 1

    @property
    def around(self) -> tuple[str, ...]:
        """Those of its columns that are made of a pixel and those around it."""
        made = {column for name, each in image_sets(self.features).items()
                for column in columns_of(each, self.bands, name)}  # fmt: skip
        return tuple(column for column in self.columns if column in made)

    def estimate(
        self,
        brightness: Mapping[str, ArrayLike] | Table | np.ndarray,
        property: str | None = None,
        *,
        around: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Estimate a property of single pixels.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            Surface brightness by band, shape (n,), positive; in MJy/sr where it has no unit. Other columns
            are left alone.
        property : str, optional
            Needed where the model estimates several.
        around : mapping of str to `~numpy.ndarray`, optional
            For a model that looks at surroundings: those columns, shape (n,), as
            `~euclid_resolved.training.Pixels` keeps them. Single pixels without them are refused.

        Returns
        -------
        dex : `~numpy.ndarray`
            float32, shape (n,): log10 of the property in its unit; NaN where a band is masked or NaN, or a
            feature or the prediction is not finite. A model for pixels that lack bands (``missing``)
            estimates from the others, and bands may be left out of `brightness`.

        Raises
        ------
        InputError
            If a band is missing, its unit is none of surface brightness, a value has no logarithm, or the
            model looks at surroundings and they are not given.
        """
        output = self._output(property)
        return self._of_known(brightness, around, lambda X: {"dex": self._estimate(X, output, {})})["dex"]

    def estimate_all(
        self,
        brightness: Mapping[str, ArrayLike] | Table | np.ndarray,
        *,
        around: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Estimate every property of single pixels; features are made once.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            As for `estimate`.
        around : mapping of str to `~numpy.ndarray`, optional
            As for `estimate`.

        Returns
        -------
        dex : dict of str to `~numpy.ndarray`
            By property, what `estimate` gives.
        """

        def estimate(X):
            done = {}
            return {name: self._estimate(X, output, done) for name, output in self.outputs.items()}

        return self._of_known(brightness, around, estimate)

    def spread(
        self,
        brightness: Mapping[str, ArrayLike] | Table | np.ndarray,
        property: str | None = None,
        *,
        around: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray | None:
        """How far a fit with another seed would take the estimates of single pixels.

        Parameters
        ----------
        brightness : mapping of str to array_like, table or structured array
            As for `estimate`.
        property : str, optional
            Needed where the model estimates several.
        around : mapping of str to `~numpy.ndarray`, optional
            As for `estimate`.

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

        return self._of_known(brightness, around, spread)["sigma"]

    def _of_known(self, brightness, around, function):
        """What a function makes of the scaled features; NaN for pixels that are masked in a band."""
        if self.missing is not None:
            return function(self._scaled_of_some(brightness, self.missing))
        light, nothing = brightness_of(brightness, self.bands), np.zeros((1, len(self.columns)), np.float32)
        beside = {} if around is None else {name: around[name] for name in self.around if name in around}

        def of_some(some, where):
            return function(self._scaled(some, {name: np.ravel(v)[where] for name, v in beside.items()}))

        return of_known(light, of_some, lambda: function(nothing))

    def _scaled_of_some(self, brightness, missing):
        """The scaled features of single pixels that may lack bands."""
        given = by_name(brightness, "features are made", "a MultiBandImage, or of arrays by band")
        missing.check_absent([band for band in self.bands if band not in given])
        light = brightness_of(given, [band for band in self.bands if band in given])
        n = np.size(next(iter(light.values())))
        light = {band: np.ravel(light[band]) if band in light else np.full(n, np.nan) for band in self.bands}
        X = self._scaled(light)
        X[~missing.allows(sets_of_bands(light))] = np.inf  # not asked for
        return X

    def _scaled(self, brightness, around=None):
        if self.missing is not None:
            return self.feature_scale.apply(features_of_known(brightness, self.features, self.columns))
        table = make_features(brightness, self.features, columns=self.columns, around=around)
        return self.feature_scale.apply(table.values)

    def _estimate(self, X, output, done):
        return output.scale.invert(self._predict_scaled(X, output, done))

    def _predict_scaled(self, X, output, done):
        """The scaled estimate of one output; `done` keeps those that others may be chained to."""
        if output.property not in done:
            earlier = [self._predict_scaled(X, self.outputs[name], done) for name in output.chain]
            rows, nan = append(X, earlier), self.missing is not None
            done[output.property] = checked_predict(output.estimator, rows, output.property, nan=nan)
        return done[output.property]

    def predict(self, image: MultiBandImage, property: str | None = None, **options: Any) -> SpatialMap:
        """Map one property of an image.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
            With the model's bands, or those that it cannot do without (``missing``); others are left alone.
        property : str, optional
            Needed where the model estimates several.
        **options
            `draws`, `seed`, `level` and `min_sn`, as for `predict_maps`.

        Returns
        -------
        map : `~euclid_resolved.SpatialMap`
            Linear, float32, with the image's WCS. NaN, masked and flagged where the model may not
            judge, or has no finite estimate (NOT_ESTIMATED); flagged OUT_OF_DOMAIN where the value is an
            extrapolation, MISSING_BAND where it was estimated without some of the bands.

        Raises
        ------
        InputError
            If a band is missing that the model needs.
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
        halo: tuple[int, int] = (0, 0),
    ) -> dict[str, SpatialMap]:
        """Map several properties of an image; features are made once.

        Parameters
        ----------
        image : `~euclid_resolved.MultiBandImage`
        properties : sequence of str, optional
            All that the model estimates without it.
        draws : int, optional
            How often to draw the image's noise again, to see what it does to the estimates; 0 does not. The
            scatter is as well known as from so many independent draws, from fewer estimates. The image must
            know its noise in every band.
        seed : int, optional
            Of the draws.
        level : float, optional
            Of the calibrated interval, 0.68 or 0.95, where the model has one.
        min_sn : float or None, optional
            Pixels whose brightness is below this many times their own uncertainty, in any band, are not
            judged (NOISE). Where features smooth the image, as ``"neighbourhood"`` does, it is about the
            smoothed brightness. Single pixels of Euclid's mosaics scatter less than their rms maps say (0.66
            of it in IE, 0.22 in the others), so that 1 shows fainter parts of a galaxy there, with few specks
            of sky; intervals are calibrated for the default.
        first_row : int, optional
            Where the image is a strip of a larger one: the number there of the first row that is mapped. The
            noise that is drawn is then that of the larger image.
        halo : (int, int), optional
            How many rows of a strip, at its beginning and at its end, are only there to be looked at by
            pixels beside them and are not mapped: `reach` of them, or as many as the larger image has.

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
        from euclid_resolved.models._mapping import map_properties

        check_type(image, MultiBandImage, "read_euclid opens an image")
        check_options(draws, seed, level, min_sn, first_row)
        names = self.properties if properties is None else check_names(properties, "properties")
        outputs = [self._output(name) for name in names]
        return map_properties(
            self, image, outputs, draws=draws, seed=seed, level=level, min_sn=min_sn, first_row=first_row,
            halo=halo,
        )  # fmt: skip

    def _spread(self, X, output, done):
        """How far a fit with another seed would differ, dex, or None."""
        rows = append(X, [done[name] for name in output.chain])
        sigma = checked_spread(output.estimator, rows, output.property, nan=self.missing is not None)
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

"""From an image to maps: what is seen of it, which pixels are judged, estimates and their errors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import StdDevUncertainty

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features._known import sets_of_bands
from euclid_resolved.features._points import groups_at, means_at, mixing_of, planes_at, smoothing_alone
from euclid_resolved.features._scale import from_dex
from euclid_resolved.features._seeing import Seen, chosen, look, see
from euclid_resolved.images._noise import common_errors, noise_correlation
from euclid_resolved.imaging._steps import FLAGS
from euclid_resolved.maps._spatial_map import Quality, SpatialMap
from euclid_resolved.models._asking import registered_name
from euclid_resolved.models._clip import judge
from euclid_resolved.models._interval_sets import IntervalsBySet
from euclid_resolved.models._output import plane_of
from euclid_resolved.models._scatter import correlating_kernel, mean_scatter, noise_scatter, plane_scatter
from euclid_resolved.models._uncertainty import map_errors

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.models._model import Model
    from euclid_resolved.models._output import Output

_SPOILT = Quality.NEIGHBOUR | Quality.SATURATED | Quality.UNBINNED
_ROUNDING = 1e-4  # of a column's range: by how much a value may leave it and still be inside


def map_properties(
    model: Model,
    image: MultiBandImage,
    outputs: Sequence[Output],
    *,
    draws: int,
    seed: int,
    level: float,
    min_sn: float | None,
    first_row: int,
    halo: tuple[int, int],
) -> dict[str, SpatialMap]:
    """Map some of a model's outputs; see `Model.predict_maps`.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    image : `~euclid_resolved.MultiBandImage`
    outputs : sequence of `~euclid_resolved.models.Output`
    draws, seed, level, min_sn, first_row, halo
        As for `Model.predict_maps`.

    Returns
    -------
    maps : dict of str to `~euclid_resolved.SpatialMap`

    Raises
    ------
    InputError
        If a band is missing, or the halo leaves no row.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression(), features=("bands", "neighbourhood"))
    >>> whole = model.predict_maps(galaxies[3].image)["stellar_mass_density"]
    >>> strip = model.predict_maps(galaxies[3].image[:15], halo=(0, 12))["stellar_mass_density"]
    >>> strip.shape, bool((strip.data == whole.data[:3]).all())
    ((3, 16), True)
    """
    absent = [band for band in model.bands if band not in image]
    if absent and model.missing is None:
        raise InputError(
            f"the image has no band {', '.join(absent)}, only {', '.join(image.bands)}; train a model "
            f"that does without: train(..., bands={tuple(b for b in model.bands if b not in absent)}), or "
            "one for pixels that lack bands: train(..., missing_bands=0.3)"
        )
    if model.missing is not None:
        model.missing.check_absent(absent)
    rows = _rows_of(image, halo)
    if draws and first_row < rows.start:
        raise InputError(
            f"row {first_row} of an image has no {rows.start} rows above it: say which first_row it is"
        )
    image = image.select([band for band in model.bands if band in image])
    seen = see(image, image.bands, model.features)
    if model.missing is not None:
        seen = model.missing.completed(seen, image)
    whole = image
    quality = judge(image, model.bands, model.clip, model.clip_band, min_sn, seen, model.missing)
    unlike = None
    if model.likeness is not None:
        brightness = {band: seen.brightness[band] for band in model.bands}
        fields = model.likeness.outside(brightness, seen.own_noise, quality == 0, first_row - rows.start)
        unlike = fields[rows]
    if rows != slice(0, image.shape[0]):
        image, seen, quality = image[rows], seen.rows(rows), quality[rows].copy()
    reasons = image.meta.get("mask_reasons")
    reasons = np.asarray(0 if reasons is None else reasons)
    good = quality & ~np.int32(Quality.MISSING_BAND) == 0
    if reasons.shape == quality.shape:
        # What lies on a pixel spoils its other bands, too.
        good &= (quality == 0) | (reasons & _SPOILT == 0)
        quality[~good] |= reasons[~good]
    if not good.any():
        message = f"no pixel of {image.name or 'the image'} can be estimated: every map is empty"
        warnings.warn(message, DataWarning, stacklevel=4)
    work = _Mapping(model, outputs, seen, good, rows)
    shared = common_errors(whole)
    noise = work.noise(seen.noise)
    outside = model.domain.outside(work.brightness, noise, some=model.missing is not None)
    if shared:
        noise = work.noise(seen.own_noise)
    X = model._scaled(work.brightness, work.around)
    quality[good] |= (outside | work.beyond(X)) * np.int32(Quality.OUT_OF_DOMAIN)
    if seen.few is not None:
        quality[good & seen.few] |= np.int32(Quality.FEW_NEIGHBOURS)
    if unlike is not None:
        quality[good & unlike] |= np.int32(Quality.UNLIKE_TRAINING)
    flags = image.meta.get(FLAGS)
    if flags is not None and np.shape(flags) == quality.shape:
        quality[good] |= np.asarray(flags)[good].astype(np.int32)
    scatter = work.scatter(noise, draws, seed, first_row) if draws else {}
    meta: dict[str, Any] = {"model": model.digest, "training_set": str(model.training.get("source", ""))}
    if min_sn is not None:
        meta["min_sn"] = float(min_sn)
    kept = ("pixel_scale", "history", "redshift", "distance", "bins")
    meta.update({key: image.meta[key] for key in kept if key in image.meta})
    meta.update(_spread_of_noise(image, image.bands))
    common = work.common(shared)
    meta.update({key: str(model.training[key]) for key in ("trust", "recipe") if key in model.training})
    light, its_noise = work.in_clip_band(noise)
    maps: dict[str, SpatialMap] = {}
    done: dict[str, np.ndarray] = {}
    for output in outputs:
        dex = model._estimate(X, output, done)
        spread = model._spread(X, output, done) if draws else None
        errors = map_errors(
            work.with_intervals(output), dex, light, its_noise,
            scatter.get(output.property), spread, level, common.get(output.property),
        )  # fmt: skip
        planes = {name: plane_of(values, good) for name, values in errors.planes.items()}
        sigma = None if errors.sigma is None else plane_of(errors.sigma, good)
        linear, own, known = from_dex(dex), quality.copy(), good.copy()
        lost = ~np.isfinite(linear)
        if lost.any():
            linear[lost] = np.nan
            own[good] |= lost * np.int32(Quality.NOT_ESTIMATED)
            known[good] = ~lost
        maps[output.property] = SpatialMap(
            plane_of(linear, good),
            property=output.property,
            wcs=image.wcs,
            mask=~known,
            quality=own,
            planes=planes,
            uncertainty=None if sigma is None else StdDevUncertainty(sigma, copy=False),
            meta={
                **meta,
                **errors.meta,
                "name": image.name,
                "estimator": registered_name(output.estimator),
            },
        )
    return maps


def _rows_of(image, halo):
    """The rows of an image that are mapped."""
    if not isinstance(halo, tuple | list) or len(halo) != 2:
        raise InputError(f"halo is a pair of whole numbers, rows above and below, got {halo!r}")
    for rows in halo:
        check_whole("halo", rows, 0)
    above, below = (int(n) for n in halo)
    height = image.shape[0]
    if above + below >= height:
        raise InputError(f"a halo of {above} and {below} rows leaves none of {height} rows to map")
    return slice(above, height - below)


def _spread_of_noise(image, bands):
    """Over how many pixels, or bins, the noise of one is spread, in the band where it is most."""
    growths = [float(noise_correlation(image, band).sum()) for band in bands]
    return {"correlated_pixels": max(growths)} if max(growths) > 1 else {}


class _Mapping:
    """The pixels of an image that are judged, and what changes of the image do to their estimates."""

    def __init__(self, model, outputs, seen: Seen, good, rows):
        self.model, self.outputs, self.seen, self.good, self.rows = model, outputs, seen, good, rows
        self.brightness, self.around = chosen(seen.brightness, good), seen.around_at(good)
        self.planes: Any = seen.planes

    def noise(self, planes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One sigma of the good pixels by band, or nothing where the image does not know it in all bands."""
        bands = self.model.bands
        return {band: planes[band][self.good] for band in bands} if set(bands) <= set(planes) else {}

    def in_clip_band(self, noise: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Brightness and noise of the good pixels in the model's clip band, or what stands for it."""
        band, missing = self.model.clip_band, self.model.missing
        if missing is None:
            return self.brightness[band], noise.get(band)
        return missing.in_clip_band(self.brightness, noise, band)

    def with_intervals(self, output: Any) -> Any:
        """An output with the intervals of these pixels, by the bands that they lack."""
        if self.model.missing is None or output.interval is None:
            return output
        interval = IntervalsBySet(output, sets_of_bands(self.brightness), self.model.bands)
        return replace(output, interval=interval)

    def beyond(self, X: np.ndarray) -> np.ndarray:
        """Which pixels have surroundings that leave the range of the training set; `X` is scaled."""
        which = [i for i, column in enumerate(self.model.columns) if column in self.around]
        around = X[:, which]
        return np.any((around < -_ROUNDING) | (around > 1 + _ROUNDING), axis=1)

    def common(self, shared: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
        """What errors that all pixels share do to the estimates, dex by property; nothing without any."""
        result: dict[str, Any] = {}
        for errors in shared.values():
            upper, lower = (self._moved(errors, sign) for sign in (1, -1))
            for name, value in upper.items():
                shift = (value - lower[name]) / 2
                result[name] = np.hypot(result.get(name, np.float32(0)), shift)
        return result

    def _moved(self, errors, sign):
        """The estimates where bands are brighter by so many sigma."""
        planes = self.planes
        if planes is not None:
            moved = dict(planes.brightness)
            for band, sigma in errors.items():
                moved[band] = (moved[band] + sign * sigma).astype(np.float32)
            return self.of_planes(moved)
        moved = dict(self.brightness)
        for band, sigma in errors.items():
            moved[band] = self.brightness[band] + sign * sigma[self.rows][self.good]
        return self._estimates({band: self._not_below(band, values) for band, values in moved.items()}, {})

    def of_planes(self, brightness: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The estimates of the good pixels where the image has another brightness."""
        light, around = look(self.planes.with_brightness(brightness), self.model.features)
        rows = {band: values[self.rows][self.good] for band, values in light.brightness.items()}
        drawn = {band: self._not_below(band, values) for band, values in rows.items()}
        return self._estimates(drawn, {name: plane[self.rows][self.good] for name, plane in around.items()})

    def _not_below(self, band, values):
        """Brightness no fainter than all of training, or than the pixel is: that has no logarithm."""
        return np.fmax(values, self._least[band]).astype(np.float32)

    @cached_property
    def _least(self):
        tiny = np.finfo(np.float32).tiny
        return {band: np.minimum(self._floor.get(band, tiny), own) for band, own in self.brightness.items()}

    def _estimates(self, brightness, around):
        X, done = self.model._scaled(brightness, around), {}
        # The smoothed brightness of one draw may be negative: the column ends where training does.
        X = np.where(np.isfinite(X), X, np.float32(1)) if around else X
        return {output.property: self.model._estimate(X, output, done) for output in self.outputs}

    @cached_property
    def _floor(self):
        """The faintest brightness of training by band: below it, what is drawn or moved ends there."""
        domain = self.model.domain
        lowest = dict(zip(domain.columns, domain.scale.minimum, strict=True))
        return {band: float(from_dex(lowest[band])) for band in self.model.bands if band in lowest}

    def scatter(
        self, noise: Mapping[str, np.ndarray], draws: int, seed: int, first_row: int
    ) -> dict[str, np.ndarray]:
        """What the image's noise does to the estimates, dex by property."""
        if not noise:
            raise InputError(
                "to draw its noise again an image has to know it: an uncertainty in every band (for Euclid, "
                "the RMS maps)"
            )
        planes, width = self.planes, self.good.shape[1]
        pixels = np.flatnonzero(self.good) + first_row * width
        if planes is not None and smoothing_alone(self.model.features):
            where = np.zeros(planes.shape, bool)
            where[self.rows] = self.good
            return self._mean_scatter(planes, where, draws, seed, pixels)
        if planes is not None:
            kernels = {band: correlating_kernel(planes.correlation.get(band)) for band in planes.bands}
            first = (first_row - self.rows.start) * width
            return plane_scatter(
                self.of_planes, planes.brightness, planes.noise, kernels, draws=draws, seed=seed, first=first
            )
        options = {"draws": draws, "seed": seed, "floor": self._floor, "pixels": pixels}
        return noise_scatter(lambda drawn: self._estimates(drawn, {}), self.brightness, noise, **options)

    def _mean_scatter(self, planes, where, draws, seed, pixels):
        """The scatter of pixels whose features see nothing but means of the image."""
        light, noise = means_at(planes, where)
        found = {output.property: np.empty(len(pixels), np.float32) for output in self.outputs}
        for taken, some in groups_at(planes, where):
            sigmas = tuple(dict.fromkeys(taken.values()))
            keys = [(band, sigma) for band in planes.bands for sigma in sigmas]

            def estimate(drawn, piece, taken=taken, some=some):
                steady, around = look(planes_at(drawn, taken, planes), self.model.features)
                least = {band: values[some[piece], None] for band, values in self._least.items()}
                seen = {band: np.fmax(v, least[band]).ravel() for band, v in steady.brightness.items()}
                return self._estimates(seen, {name: plane.ravel() for name, plane in around.items()})

            scatter = mean_scatter(
                estimate, {key: light[key][some] for key in keys}, {key: noise[key][some] for key in keys},
                mixing_of(planes, sigmas), draws=draws, seed=seed, pixels=pixels[some],
            )  # fmt: skip
            for name, sigma in scatter.items():
                found[name][some] = sigma
        return found

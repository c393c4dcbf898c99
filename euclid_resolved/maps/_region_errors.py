"""The error of a weighted sum of pixels, from what they share and what is each one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from euclid_resolved.maps._spatial_map import SpatialMap


def one_sigma(map_: SpatialMap) -> np.ndarray | None:
    """One sigma of every pixel in the unit of the map; None where the map has no errors."""
    error = map_.uncertainty
    if error is None or error.array is None:
        return None
    error = error.represent_as(StdDevUncertainty)
    factor = 1.0 if error.unit is None else error.unit.to(map_.unit or u.dimensionless_unscaled)
    return np.broadcast_to(np.asarray(error.array, float) * factor, map_.data.shape)


@dataclass(frozen=True, eq=False)
class RegionErrors:
    """The errors of the pixels of a map, apart by how many pixels share them.

    `own` is one sigma of the model and of the noise, `common` that of errors that all pixels share;
    `fraction` is the part of the variance of `own` that all share as well, `spread` over how many pixels (or
    bins) the rest is spread, `length` the same as a Gaussian that the user gave. `parts` are the planes of
    what `own` consists of, as far as the map has them.
    """

    own: np.ndarray | None
    common: np.ndarray
    fraction: float
    lower_limit: bool
    length: float
    spread: float
    bins: np.ndarray | None
    parts: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls, map_: SpatialMap, sigma: np.ndarray | None, length: float | None, fraction: float | None
    ) -> Self:
        """The errors of a map with this one sigma, and what the user says about them."""
        if isinstance(fraction, Mapping):
            raise InputError(
                f"correlated_fraction is one number, got several: choose from {', '.join(fraction)}"
            )
        known = map_.meta.get("shared_variance") if fraction is None else fraction
        fraction = 0.0 if known is None else known
        if not (length is None or length >= 0) or not 0 <= fraction <= 1:
            raise InputError(
                "correlation_length must not be negative and correlated_fraction lie in [0, 1], got "
                f"{length} and {fraction}"
            )
        common = np.nan_to_num(np.asarray(map_.planes.get("common", np.zeros(map_.data.shape)), float))
        own = None if sigma is None else np.sqrt(np.clip(sigma**2 - common**2, 0, None))
        bins = map_.meta.get("bins") if length is None else None
        bins = None if bins is None or np.shape(bins) != map_.data.shape else bins
        spread = float(map_.meta.get("correlated_pixels", 1.0)) if length is None else 1.0
        lower = known is None and sigma is not None
        parts: dict[str, np.ndarray] = {}
        if own is not None and "interval" in map_.meta and "noise" in map_.planes:
            planes = ((name, map_.planes.get(name)) for name in ("noise", "model"))
            parts = {name: np.asarray(plane, float) for name, plane in planes if plane is not None}
        return cls(own, common, fraction, lower, length or 0.0, spread, bins, parts)

    def filled(self, sigma: np.ndarray | None, known: np.ndarray) -> RegionErrors:
        """The errors after pixels were filled whose one sigma is in `sigma`."""
        if sigma is None or self.own is None:
            return self
        own = np.where(known, self.own, sigma)
        level = np.average(self.common[known]) if known.any() else 0.0
        parts = {name: np.where(known, part, 0.0) for name, part in self.parts.items()}
        return replace(self, own=own, common=np.where(known, self.common, level), parts=parts)

    def at(self, pixels: np.ndarray) -> RegionErrors:
        """The errors of some pixels, which are numbered row by row; they have no place any more."""
        own, bins = (None if each is None else np.ravel(each)[pixels] for each in (self.own, self.bins))
        parts = {name: np.ravel(part)[pixels] for name, part in self.parts.items()}
        return replace(self, own=own, common=np.ravel(self.common)[pixels], bins=bins, parts=parts)

    def of_sum(self, weights: np.ndarray) -> float:
        """One sigma of sum(weights * values)."""
        if self.own is None:
            return np.nan
        each = _weighted(weights, self.own)
        if not np.isfinite(each).all():
            return np.nan
        shared = np.sum(_weighted(weights, self.common))
        return float(np.sqrt(self._variance(each, self.fraction) + shared**2))

    def parts_of_sum(self, weights: np.ndarray) -> dict[str, float]:
        """One sigma of sum(weights * values) by what it comes from; the squares add up to that of all.

        Noise shrinks with the number of pixels, as far as their noise is their own. The error of a fit is
        shared by as much as all of a pixel's error is, calibration as a whole. Populations are what remains.
        Nothing where the map does not know its noise, or has no calibrated interval.
        """
        whole = self.of_sum(weights)
        if "noise" not in self.parts or not np.isfinite(whole):
            return {}
        shares = {"noise": 0.0, "model": self.fraction}
        found = {
            name: float(np.sqrt(self._variance(np.nan_to_num(_weighted(weights, part)), shares[name])))
            for name, part in self.parts.items()
        }
        found["calibration"] = float(np.sum(_weighted(weights, self.common)))
        rest = whole**2 - sum(part**2 for part in found.values())
        return {**found, "populations": float(np.sqrt(max(rest, 0.0)))}

    def _variance(self, each: np.ndarray, fraction: float) -> float:
        """The variance of a sum of errors, of which pixels share a fraction of the variance."""
        whole = np.sum(each)
        if self.length > 0:
            from scipy.signal import fftconvolve

            reach = int(np.ceil(5 * self.length))
            profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / self.length) ** 2)
            local = np.sum(each * fftconvolve(each, np.outer(profile, profile), mode="same"))
        elif self.bins is not None:
            # All pixels of a bin have one error; those in none have their own.
            binned = self.bins >= 0
            sums = np.bincount(self.bins[binned], each[binned]) if binned.any() else np.zeros(1)
            local = self.spread * (np.sum(sums**2) + np.sum(each[~binned] ** 2))
        else:
            local = self.spread * np.sum(each**2)
        local = min(local, whole**2)  # of a region smaller than what shares noise
        return float((1 - fraction) * local + fraction * whole**2)

    def of_median(self, weights: np.ndarray) -> float:
        """One sigma of a median, where `weights` add up to 1: that of the mean of Gaussian errors, grown."""
        return float(self.of_sum(weights) * np.sqrt(np.pi / 2))


def _weighted(weights, sigma):
    """Errors times weights; what has no weight need not be known."""
    used = weights > 0
    return np.where(used, weights * np.where(used, sigma, 0.0), 0.0)

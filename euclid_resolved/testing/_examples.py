"""Small synthetic galaxies and pixels to check with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from euclid_resolved.features._scale import Scale
from euclid_resolved.images._bands import EUCLID_BANDS

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator
    from euclid_resolved.maps._galaxy import Galaxy

__all__ = ["example_galaxies"]


def pixels(n: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """log10 of brightness and of density of pixels that resemble those of galaxies."""
    age = rng.normal(0, 1, n)
    dex = {"HE": rng.uniform(-1.5, 1.0, n)}
    for band, mean, spread in (("JE", 0.2, 0.03), ("YE", 0.4, 0.06), ("IE", 1.0, 0.25)):
        dex[band] = dex["HE"] - 0.4 * (mean + spread * age + 0.02 * rng.normal(0, 1, n))
    density = dex["HE"] + 2.0 + 0.15 * age - 0.05 * age**2 + rng.normal(0, 0.03, n)
    return {band: dex[band].astype(np.float32) for band in EUCLID_BANDS}, density.astype(np.float32), age


def example_galaxies(n: int = 4, side: int = 16, seed: int = 1) -> list[Galaxy]:
    """Small synthetic galaxies: noise with the brightness, colours and truth of galaxies, but no shape.

    Parameters
    ----------
    n : int, optional
        How many galaxies.
    side : int, optional
        Pixels along a side of the image.
    seed : int, optional

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
        With truth for the three properties of the paper.

    Examples
    --------
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(2, side=8)
    >>> for galaxy in galaxies:
    ...     print(galaxy.name, galaxy.image.shape, f"{galaxy.maps['stellar_age'].quantity.mean():.1f}")
    example 1 (8, 8) 4.0 Gyr
    example 2 (8, 8) 4.1 Gyr
    """
    import astropy.units as u
    from astropy.nddata import NDData

    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.maps._spatial_map import SpatialMap

    rng, galaxies = np.random.default_rng(seed), []
    for i in range(n):
        dex, density, age = pixels(side * side, rng)
        truth = {
            "stellar_mass_density": density,
            "stellar_metallicity": -1.8 + 0.1 * density - 0.05 * age,
            "stellar_age": 0.6 + 0.12 * age,
        }
        unit, shape = u.MJy / u.sr, (side, side)
        image = MultiBandImage(
            {b: NDData((10**v).astype(np.float32).reshape(shape), unit=unit) for b, v in dex.items()},
            name=f"example {i + 1}",
        )
        maps = {k: SpatialMap((10**v).reshape(shape), property=k) for k, v in truth.items()}
        galaxies.append(Galaxy(f"example {i + 1}", image, maps, star_forming=bool(i % 2)))
    return galaxies


@dataclass
class Problem:
    """Scaled pixels to learn from and to predict, as `~euclid_resolved.train` would make them."""

    X: np.ndarray
    y: np.ndarray
    feature_scale: Scale
    target_scale: Scale

    @classmethod
    def make(cls, n: int = 400, seed: int = 1, constant: str | None = None) -> Self:
        dex, density, _ = pixels(n, np.random.default_rng(seed))
        if constant is not None:
            dex[constant] = np.zeros(n, np.float32)
        values = np.column_stack(list(dex.values()))
        feature_scale = Scale(values.min(axis=0), values.max(axis=0))
        target_scale = Scale(density.min(), density.max())
        return cls(feature_scale.apply(values), target_scale.apply(density), feature_scale, target_scale)

    def fresh(self, estimator: Estimator, **changes: Any) -> Estimator:
        """A copy of the estimator that has heard what the columns mean."""
        fresh = replace(estimator, **changes)
        fresh.prepare(EUCLID_BANDS, self.feature_scale, self.target_scale)
        return fresh

    def fit(self, estimator: Estimator, rows: slice = slice(None), **changes: Any) -> Estimator:
        X, y = self.X[rows].copy(), self.y[rows].copy()
        validation = self.X[:50].copy(), self.y[:50].copy()
        return self.fresh(estimator, **changes).fit(X, y, validation=validation)

"""How often the true total or mean of a region lies within one sigma of that of the map, on mock galaxies.

    python benchmarks/totals.py [galaxies]

As many galaxies to learn from, in four folds, as to test on. In brackets: pixels taken as independent.
"""

import sys
import warnings

import astropy.units as u
import numpy as np

from euclid_resolved import MockSettings, train
from euclid_resolved.errors import DataWarning
from euclid_resolved.estimators import GradientBoosting
from euclid_resolved.imaging import observe_atlas
from euclid_resolved.maps import PROPERTIES, mean, total
from euclid_resolved.mock import mock_galaxies
from euclid_resolved.mock._recipe import Recipe

SIDE = 32


def regions():
    """Which pixels each region has, by its name."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(x, y)
    return {
        "all": radius < np.inf,
        "a quadrant": (x > 0) & (y > 0),
        "inner 5 pixels": radius < 5,
        "4 x 4 pixels": (np.abs(x - 4) < 2) & (np.abs(y) < 2),
        "a ring, 5 to 10": (radius >= 5) & (radius < 10),
        "a ring, 10 to 16": (radius >= 10) & (radius < 16),
    }


def within(map_, truth, pixels, **options):
    """Whether the truth of a region is within one sigma; None where fewer than two pixels have a value."""
    where = pixels & ~map_.mask & np.isfinite(truth.data)
    if where.sum() < 2:
        return None
    statistic = total if map_.property.density else mean
    found, true = statistic(map_, where, **options), statistic(truth, where)
    return bool(abs(found.value - true.value) <= found.error)


def observed(settings, n, seed):
    """Mock galaxies observed as those of the default model that are not seen in mosaic pixels."""
    recipe = Recipe()
    galaxies = mock_galaxies(n, seed=seed, pixels=SIDE, settings=settings, progress=False)
    return observe_atlas(galaxies, recipe.distance * u.Mpc, depth=recipe.depth, seed=seed)


def main(n=300):
    """Print the table."""
    warnings.simplefilter("ignore", DataWarning)
    for preset in ("tng50-like", "broad"):
        settings = MockSettings.preset(preset)
        model = train(observed(settings, n, 61), "all", GradientBoosting(n_trees=60, n_jobs=1), calibration=4)
        held, sigma = {}, []
        for galaxy in observed(settings, n, 62):
            image, truth = galaxy.load()
            for name, map_ in model.predict_maps(image).items():
                for region, pixels in regions().items():
                    for key, options in (("own", {}), ("independent", {"correlated_fraction": 0.0})):
                        inside = within(map_, truth[name], pixels, **options)
                        if inside is not None:
                            held.setdefault((region, name, key), []).append(inside)
            mass = next(iter(model.properties))
            if not map_.mask.all():
                whole = total(model.predict(image, mass))
                sigma.append(float(whole.error / whole.value))
        print(f"\n{preset}: the error of a mass is {100 * np.median(sigma):.0f} %")
        for region in regions():
            row = [
                f"{np.mean(held[region, name, 'own']):.2f} ({np.mean(held[region, name, 'independent']):.2f})"
                for name in PROPERTIES
            ]
            print(f"{region:18s}", "  ".join(row), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

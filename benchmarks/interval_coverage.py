"""How often the truth lies in the intervals of the default model, on mock galaxies it has never seen.

python benchmarks/interval_coverage.py [galaxies]
"""

import sys
import tempfile

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved import MockSettings, make_atlas, read_atlas
from euclid_resolved.imaging import observe_atlas
from euclid_resolved.mock import default_model
from euclid_resolved.mock._recipe import Recipe
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.training import coverage, extract

SEED = 99  # not the default model's


def observed(preset, n, folder):
    """Pixels of mock galaxies observed as those were that the default model was trained on."""
    recipe = Recipe()
    atlas = make_atlas(
        folder, n, seed=SEED, pixels=recipe.pixels, settings=MockSettings.preset(preset), progress=False
    )
    galaxies = observe_atlas(read_atlas(atlas), recipe.distance * u.Mpc, depth=recipe.depth, seed=SEED)
    return extract(galaxies, default_model().properties, features=recipe.features)


def bins(values, n):
    """The numbers of equally filled bins."""
    return np.searchsorted(np.quantile(values, np.arange(1, n) / n), values)


def main(n=200):
    """Print coverage overall, by brightness and by signal-to-noise."""
    model = default_model()
    for preset in ("broad", "tng50-like"):
        with tempfile.TemporaryDirectory() as folder:
            pixels = observed(preset, n, folder)
        light = pixels.brightness["HE"]
        by_light, by_noise = bins(light, 5), bins(light / pixels.noise["HE"], 4)
        outside = model.domain.outside(pixels.brightness, pixels.noise)
        weight = 1 / np.bincount(pixels.galaxy)[pixels.galaxy]
        print(f"\n{preset}: {len(pixels)} pixels of {n} galaxies; {100 * outside.mean():.1f} % flagged")
        rows = []
        for level in LEVELS:
            for name, inside in coverage(model, pixels, level=level).items():
                row = {"property": name, "level": level, "all": inside.mean()}
                row["galaxies"] = np.average(inside, weights=weight)
                row |= {f"I{i + 1}": inside[by_light == i].mean() for i in range(5)}
                row |= {f"SN{i + 1}": inside[by_noise == i].mean() for i in range(4)}
                rows.append(row)
        table = Table(rows=rows)
        for name in table.colnames[2:]:
            table[name].info.format = ".3f"
        print("\n".join(table.pformat(max_width=-1)))
        print("I1 to I5: faint to bright in HE; SN1 to SN4: noisy to clean; galaxies: each counts once")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

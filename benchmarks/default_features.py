"""Which features the default model should have: two models on the same unseen galaxies, and on real cut-outs.

euclid-resolved default-model make -o one.asdf --features bands
euclid-resolved default-model make -o two.asdf --features bands neighbourhood
python benchmarks/default_features.py one.asdf two.asdf [CUTOUT.fits ...]
"""

import sys

import astropy.units as u
import numpy as np

from euclid_resolved import MockSettings, Quality, observe_atlas, read
from euclid_resolved.io import open_image
from euclid_resolved.mock import mock_galaxies
from euclid_resolved.mock._recipe import Recipe

SEED, GALAXIES = 99, 80  # not those of the default model


def on_mock(models, preset):
    """RMSE and bias on the pixels that both judge, and on those that only the second does."""
    recipe, errors = Recipe(), {}
    galaxies = mock_galaxies(
        GALAXIES, seed=SEED, pixels=recipe.pixels, settings=MockSettings.preset(preset), progress=False
    )
    for galaxy in observe_atlas(galaxies, recipe.distance * u.Mpc, depth=recipe.depth, seed=SEED):
        image, truth = galaxy.load()
        maps = [model.predict_maps(image) for model in models]
        judged = [~each["stellar_age"].mask & (truth["stellar_age"].data > 0) for each in maps]
        for name in maps[0]:
            with np.errstate(divide="ignore"):
                dex = [np.log10(truth[name].data / each[name].data) for each in maps]
            both = judged[0] & judged[1]
            parts = {"one": dex[0][both], "two": dex[1][both], "two, gained": dex[1][judged[1] & ~both]}
            for part, values in parts.items():
                errors.setdefault((name, part), []).append(values[np.isfinite(values)])
    for (name, part), values in errors.items():
        values = np.concatenate(values)
        rmse, bias = np.sqrt(np.mean(values**2)), np.mean(values)
        print(f"{preset:11} {name:21} {part:12} {len(values):6} pixels, RMSE {rmse:.3f}, bias {bias:+.3f}")


def on_real(models, path):
    """How many pixels have a value, and how many of these are extrapolations."""
    for raw in (True, False):
        for number, model in zip(("one", "two"), models, strict=True):
            map_ = model.predict(open_image(path, model.bands, raw=raw), "stellar_mass_density")
            judged = ~map_.mask
            outside = (map_.quality[judged] & Quality.OUT_OF_DOMAIN > 0).mean()
            what = "raw" if raw else "prepared"
            print(f"{path}, {what}, {number}: {judged.sum()} pixels, {100 * outside:.1f} % extrapolations")


def main(one, two, *cutouts):
    """Print everything."""
    models = read(one), read(two)
    for preset in ("broad", "tng50-like"):
        on_mock(models, preset)
    for path in cutouts:
        on_real(models, path)


if __name__ == "__main__":
    main(*sys.argv[1:])

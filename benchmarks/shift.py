"""What the intervals of the default model hold on galaxies that are not those of its training.

    python benchmarks/shift.py [--galaxies 300] [TABLE ...]

Each TABLE is a library of stellar populations that ``euclid-resolved populations make`` wrote. For every kind
of galaxies, property by property: the root mean square error and the bias (truth minus estimate, dex), half
of the width of the 68 % interval, and the fractions of pixels that the intervals of 68 and of 95 % hold.
Pixels flagged as OUT_OF_DOMAIN are left out of these; how many there are is told, and how many
are flagged as UNLIKE_TRAINING, which stay. Every galaxy counts once.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved import MockSettings, Quality
from euclid_resolved.errors import DataWarning
from euclid_resolved.imaging import observe_atlas
from euclid_resolved.mock import default_model, mock_galaxies
from euclid_resolved.mock._mosaic import in_mosaic
from euclid_resolved.mock._recipe import Recipe
from euclid_resolved.study._altered import blurred

SEED = 71  # not the default model's
REVERSED = {"metallicity_slope": -0.25, "metallicity_zero": -1.5}


def observed(galaxies):
    """Galaxies observed as two thirds of those were that the default model was trained on."""
    recipe = Recipe()
    return observe_atlas(galaxies, recipe.distance * u.Mpc, depth=recipe.depth, seed=SEED)


def kinds(n, tables):
    """The galaxies of every kind, made when it is their turn."""
    narrow, broad, recipe = MockSettings(), MockSettings.preset("broad"), Recipe()
    # The populations of a library as it is, not drawn within the spread between libraries.
    kept = {
        "population_spread": 1.0,
        "population_light": 1.0,
        "population_light_scatter": 0.0,
        "population_band_scatter": 0.0,
    }

    def made(settings, n=n, pixels=recipe.pixels):
        return mock_galaxies(n, seed=SEED, pixels=pixels, settings=settings, progress=False)

    yield "broad", observed(made(broad))
    yield "broad, in mosaic pixels", [in_mosaic(one, SEED) for one in made(broad)]
    for name in ("bc03", *tables):
        yield (
            f"broad, {Path(name).stem} as it is",
            observed(made(replace(broad, **kept, populations=str(name)))),
        )
    yield "tng50-like", observed(made(narrow))
    yield "tng50-like, in mosaic pixels", [in_mosaic(one, SEED) for one in made(narrow)]
    for table in tables:
        name = f"tng50-like, {Path(table).stem}"
        yield name, observed(made(replace(narrow, populations=str(table))))
    yield "tng50-like, reversed gradient", observed(made(replace(narrow, **REVERSED)))
    yield (
        "tng50-like, twice the dust",
        observed(made(replace(narrow, dust_to_stars=2 * narrow.dust_to_stars))),
    )
    # Of 500 pc: wider blurring mixes light that belongs to other masses, which no interval can know.
    yield (
        "tng50-like, blurred by two pixels",
        [blurred(one, 2.0) for one in made(narrow, max(n // 8, 3), 128)],
    )
    yield "tng50-like, not observed", made(narrow)
    yield "tng50-like, without any noise", made(replace(narrow, noise_at_clip=1e-3))
    yield "tng50-like, pixels five times finer", made(narrow, max(n // 60, 3), 5 * 64)


def compared(model, galaxies):
    """By property: truth minus estimate, both ends of both intervals, flags, and the weight of each pixel."""
    found = {name: [] for name in model.properties}
    for galaxy in galaxies:
        image, known = galaxy.load()
        narrow, wide = model.predict_maps(image), model.predict_maps(image, level=0.95)
        for name, rows in found.items():
            map_, truth = narrow[name], np.asarray(known[name].data, float)
            good = ~np.asarray(map_.mask) & np.isfinite(truth)
            ends = [np.asarray(end)[good] for each in (map_, wide[name]) for end in each.interval]
            flagged = (map_.quality[good] & Quality.OUT_OF_DOMAIN) > 0
            unlike = (map_.quality[good] & Quality.UNLIKE_TRAINING) > 0
            weight = np.full(good.sum(), 1 / max(good.sum(), 1))
            rows.append(np.stack([truth[good], np.asarray(map_.data)[good], *ends, flagged, unlike, weight]))
    return {name: np.concatenate(rows, axis=1) for name, rows in found.items()}


def row(kind, name, found):
    """A row of the table."""
    truth, estimate, low, high, lower, higher, flagged, unlike, weight = found
    inside = flagged == 0
    weight = weight * inside / np.sum(weight * inside)
    error = np.log10(truth / estimate)
    return {
        "galaxies": kind,
        "property": name,
        "rmse": np.sqrt(np.sum(weight * error**2)),
        "bias": np.sum(weight * error),
        "width": np.sum(weight * np.log10(high / low)) / 2,
        "held68": np.sum(weight * ((truth >= low) & (truth <= high))),
        "held95": np.sum(weight * ((truth >= lower) & (truth <= higher))),
        "flagged": np.mean(flagged),
        "unlike": np.sum(weight * unlike),
        "pixels": inside.size,
    }


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE")
    parser.add_argument("--galaxies", type=int, default=300)
    parser.add_argument("--only", default="", metavar="WORD", help="only kinds whose name has it")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", DataWarning)
    model, rows = default_model(), []
    for kind, galaxies in kinds(options.galaxies, options.tables):
        if options.only not in kind:
            continue
        rows += [row(kind, name, found) for name, found in compared(model, galaxies).items()]
        table = Table(rows=rows[-len(model.properties) :])
        for name in ("rmse", "bias", "width", "held68", "held95", "flagged", "unlike"):
            table[name].info.format = ".3f"
        lines = table.pformat(max_width=-1)
        print("\n".join(lines if len(rows) == len(model.properties) else lines[2:]), flush=True)


if __name__ == "__main__":
    main()

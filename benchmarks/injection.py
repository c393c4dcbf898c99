"""Mock galaxies observed by Euclid at several distances, mapped by the default model, and foreign ones.

    python benchmarks/injection.py [popstar.ecsv]

The argument is the table that ``euclid-resolved populations make popstar`` wrote: galaxies of populations
that no training set of this package has.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved import MockSettings, MultiBandImage, Quality, make_atlas, read_atlas
from euclid_resolved.errors import DataWarning
from euclid_resolved.imaging import observe, observe_atlas, set_distance
from euclid_resolved.mock import default_model
from euclid_resolved.mock._recipe import Recipe

PIXEL = 0.5 * u.arcsec  # five by five pixels of the mosaics
DENSITY = "stellar_mass_density"


def placed(image):
    """An observed image with its distance set, as its user would set it: the dimming is undone."""
    seen = MultiBandImage(dict(image), meta={"pixel_scale": image.meta["angular_pixel_scale"]})
    z = image.meta["redshift"]
    return set_distance(seen, redshift=z, distance=image.meta["distance"] / (1 + z) ** 2)


def compare(model, galaxies):
    """Truth minus estimate of density and what the maps say, for all mapped pixels."""
    out = {name: [] for name in ("difference", "radius", "inside", "flagged", "truth", "estimate")}
    mapped, total = 0.0, 0.0
    for galaxy in galaxies:
        image, maps = galaxy.load()
        map_ = model.predict(placed(image), DENSITY)
        truth = np.asarray(maps[DENSITY].data, float)
        good = ~np.asarray(map_.mask) & np.isfinite(truth)
        y, x = np.indices(truth.shape) - (np.array(truth.shape)[:, None, None] - 1) / 2
        radius = np.hypot(x, y) * image.meta["pixel_scale"].to_value(u.kpc)
        low, high = map_.interval
        out["difference"].append(np.log10(truth[good] / map_.data[good]))
        out["radius"].append(radius[good])
        out["inside"].append((truth[good] >= low[good]) & (truth[good] <= high[good]))
        out["flagged"].append((map_.quality[good] & Quality.OUT_OF_DOMAIN) > 0)
        out["truth"].append(truth[good].sum())
        out["estimate"].append(float(map_.planes["mean"][good].sum(dtype=float)))
        mapped, total = mapped + truth[good].sum(), total + np.nansum(truth)
    joined = {name: np.concatenate(out[name]) for name in ("difference", "radius", "inside", "flagged")}
    masses = np.log10(np.array(out["estimate"]) / np.array(out["truth"]))
    return {**joined, "masses": masses, "mass_mapped": mapped / total}


def row(found):
    """A row of a table."""
    d, missed = found["difference"], ~found["inside"]
    return {
        "pixels": len(d),
        "bias": d.mean(),
        "rmse": np.sqrt(np.mean(d**2)),
        "held68": found["inside"].mean(),
        "flagged": found["flagged"].mean(),
        "flagged_of_missed": found["flagged"][missed].mean(),
        "dlogM": np.median(found["masses"]),
        "worst_dlogM": found["masses"][np.argmax(np.abs(found["masses"]))],
        "mass_mapped": found["mass_mapped"],
    }


def show(title, rows):
    """Print rows as a table."""
    table = Table(rows=rows)
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].info.format = ".3f"
    print(f"\n{title}")
    print("\n".join(table.pformat(max_width=-1)), flush=True)


def injection(model, folder):
    """Galaxies like TNG50's at 20, 50 and 100 Mpc."""
    galaxies = read_atlas(make_atlas(folder, 6, seed=61, pixels=400, progress=False))
    rows, radial = [], []
    for distance in (20, 50, 100):
        found = compare(
            model, [observe(g, distance * u.Mpc, pixel_scale=PIXEL, seed=distance) for g in galaxies]
        )
        rows.append({"Mpc": distance, **row(found)})
        for low, high in ((0, 2), (2, 4), (4, 8), (8, 12), (12, 24)):
            there = (found["radius"] >= low) & (found["radius"] < high)
            if there.sum() > 20:
                d = found["difference"][there]
                name = f"{low}-{high}"
                found_there = {"bias": d.mean(), "scatter": d.std(), "held68": found["inside"][there].mean()}
                radial.append({"Mpc": distance, "kpc": name, "pixels": len(d), **found_there})
    show('Density (dex, truth minus estimate) at three distances; tng50-like mock, pixels of 0.5"', rows)
    show("The same against radius", radial)


def foreign(model, folder, popstar):
    """Galaxies that the training set has nothing like, observed like those that it has."""
    recipe, rows = Recipe(), []
    reversed_gradient = {"metallicity_slope": -0.25, "metallicity_zero": -1.5}
    kinds = {"broad": ("broad", {}), "tng50-like": ("tng50-like", {})}
    kinds["reversed gradient"] = ("tng50-like", reversed_gradient)
    if popstar:
        other = {"populations": str(popstar)}
        kinds["PopStar"] = ("tng50-like", other)
        kinds["PopStar, reversed gradient"] = ("tng50-like", {**reversed_gradient, **other})
    for title, (preset, changes) in kinds.items():
        settings = MockSettings(**{**MockSettings.preset(preset).__dict__, **changes})
        atlas = make_atlas(
            Path(folder) / title.replace(" ", "_"), 40, seed=62, pixels=recipe.pixels, settings=settings,
            progress=False,
        )  # fmt: skip
        seen = observe_atlas(read_atlas(atlas), recipe.distance * u.Mpc, depth=recipe.depth, seed=63)
        rows.append({"galaxies": title, **row(compare(model, seen))})
    show("Density in galaxies of foreign populations", rows)


def main(popstar=None):
    """Print the tables."""
    warnings.simplefilter("ignore", DataWarning)
    model = default_model()
    with tempfile.TemporaryDirectory() as folder:
        foreign(model, folder, popstar)
        injection(model, Path(folder) / "injected")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What depth, PSF and resolution do to accuracy, and what a broad training set costs and gains.

python benchmarks/depth.py [galaxies]
"""

import sys
import tempfile
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved import (
    MockSettings,
    RandomForest,
    evaluate,
    make_atlas,
    read_atlas,
    split,
    train,
)
from euclid_resolved.errors import DataWarning
from euclid_resolved.images._noise import pixel_noise
from euclid_resolved.imaging import observe, observe_atlas
from euclid_resolved.maps import PROPERTIES
from euclid_resolved.training import extract

ALL = tuple(PROPERTIES)
DEPTHS = (4.0, 1.0, 0.1, 0.03, 0.01, 0.003)
DISTANCE = 60 * u.Mpc
QUIET = 1e8  # a depth without noise worth the name


def accuracy(model, pixels):
    """RMSE, and the bias of density, as a row of a table."""
    table = evaluate(model, pixels)
    row = {"pixels": len(pixels)}
    for name, label in zip(ALL, ("density", "metallicity", "age"), strict=True):
        mine = table[table["property"] == name]
        row[label] = float(mine["rmse"].value[0])
        if label == "density":
            row["bias"] = float(mine["bias"].value[0])
    return row


def show(title, rows):
    """Print rows as a table."""
    table = Table(rows=rows)
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].info.format = ".3f"
    print(f"\n{title}")
    print("\n".join(table.pformat(max_width=-1)), flush=True)


def forest(pixels):
    """A forest of all properties."""
    return train(pixels, ALL, RandomForest(n_trees=30, max_samples=200_000))


def main(n=80):
    """Print the tables."""
    warnings.simplefilter("ignore", DataWarning)
    with tempfile.TemporaryDirectory() as folder:
        atlases = {
            preset: read_atlas(
                make_atlas(
                    Path(folder) / preset,
                    n,
                    seed=41,
                    pixels=64,
                    settings=MockSettings.preset(preset),
                    progress=False,
                )
            )
            for preset in ("tng50-like", "broad")
        }
        fine = read_atlas(make_atlas(Path(folder) / "fine", 12, seed=42, pixels=320, progress=False))
        training, test = split(atlases["tng50-like"], 0.3)
        clean = forest(extract(training, ALL))
        noisy = forest(extract(observe_atlas(training, (20, 100) * u.Mpc, depth=(0.005, 4.0), seed=7), ALL))
        rows = []
        for depth in (None, *DEPTHS):
            seen = test if depth is None else observe_atlas(test, DISTANCE, depth=depth, seed=8)
            pixels = extract(seen, ALL)
            pixel = (
                1.0
                if depth is None
                else observe(test[0], DISTANCE).meta["observation"].scales(test[0].image)[0]
            )
            sigma = 0.0 if depth is None else float(pixel_noise(0.0, "HE", depth, pixel))
            for title, model in (("noise-free", clean), ("noise-aware", noisy)):
                named = {
                    "depth": "no noise" if depth is None else str(depth),
                    "sigma_HE": sigma,
                    "trained": title,
                }
                rows.append({**named, **accuracy(model, pixels)})
        show("Accuracy (RMSE, dex) against depth; 60 Mpc, pixels of the atlas; sigma_HE in MJy/sr", rows)
        rows = []
        for label, fwhm in (
            ("none", 0.0),
            ("matched 0.35", 0.35),
            ("as delivered", None),
            ("matched 1.0", 1.0),
        ):
            seen = [
                observe(g, 100 * u.Mpc, depth=QUIET, pixel_scale=0.4 * u.arcsec, psf_fwhm=fwhm, seed=1)
                for g in fine
            ]
            rows.append({"psf": label, **accuracy(clean, extract(seen, ALL))})
        show("Accuracy against PSF (FWHM in arcsec); 100 Mpc, pixels of 0.4 arcsec (190 pc), no noise", rows)
        rows = []
        for arcsec in (0.5, 1.0, 2.0, 4.0):
            seen = [
                observe(g, 100 * u.Mpc, depth=QUIET, pixel_scale=arcsec * u.arcsec, psf_fwhm=0.35, seed=1)
                for g in fine
            ]
            length = seen[0].image.meta["pixel_scale"].to_value(u.pc)
            rows.append({"pixel_pc": round(float(length)), **accuracy(clean, extract(seen, ALL))})
        show("Accuracy against resolution; no noise, trained at 1000 pc", rows)
        rows, pixels = [], {}
        for preset, galaxies in atlases.items():
            seen = observe_atlas(galaxies, (20, 100) * u.Mpc, depth=(0.005, 4.0), seed=9)
            pixels[preset] = [extract(part, ALL) for part in split(seen, 0.3)]
        for trained in pixels:
            model = forest(pixels[trained][0])
            for tested in pixels:
                mine = pixels[tested][1]
                flagged = np.mean(model.domain.outside(mine.brightness, mine.noise))
                rows.append(
                    {"trained": trained, "tested": tested, **accuracy(model, mine), "flagged": flagged}
                )
        show("Breadth: trained on one preset, tested on another; observed alike", rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

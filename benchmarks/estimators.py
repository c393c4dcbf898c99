"""Compare all registered estimators on a mock atlas: accuracy, time and file size.

Prints one row for each estimator and property, and what chaining does for a random forest. Galaxies of the
test set are in no training set. Times are CPU seconds, which other work on the machine changes less than
those of the clock.

    python benchmarks/estimators.py --galaxies 60
    python benchmarks/estimators.py --atlas my_atlas/ --estimators linear random_forest xgboost --rst
"""

import argparse
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
from astropy.table import Table

from euclid_resolved import make_atlas, read_atlas, split, train, write
from euclid_resolved.errors import PluginError
from euclid_resolved.features import to_dex
from euclid_resolved.maps import PROPERTIES
from euclid_resolved.models import metrics
from euclid_resolved.plugins import available, lookup
from euclid_resolved.training import extract

# Of the repository's own plugins: named in the table even where they are not installed.
PLUGINS = ("dnn", "xgboost", "xgboost_forest", "knn")
DENSITY = "stellar_mass_density"
DENSITY_ONLY = ("constant_mass_to_light", "colour_mass_to_light", "two_colour_table")
TIMED_ROWS = 200_000


def main(arguments=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--atlas", help="an atlas that is there already, instead of a mock")
    parser.add_argument("--galaxies", type=int, default=60, help="of the mock atlas (%(default)s)")
    parser.add_argument(
        "--test", type=float, default=0.25, help="fraction of galaxies to test on (%(default)s)"
    )
    parser.add_argument("--estimators", nargs="+", metavar="NAME", help="all that are registered without it")
    parser.add_argument("--features", nargs="+", default=["bands"], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=-1, help="threads, where an estimator has that setting")
    parser.add_argument("--seed", type=int, default=1, help="of mock, split and estimators (%(default)s)")
    parser.add_argument("--no-chain", action="store_true", help="leave the chained random forest out")
    parser.add_argument("--rst", action="store_true", help="print tables for the documentation")
    options = parser.parse_args(arguments)
    names = options.estimators or list(dict.fromkeys([*available("estimators"), *PLUGINS]))
    with tempfile.TemporaryDirectory() as folder:
        atlas = options.atlas or make_atlas(Path(folder) / "mock", options.galaxies, seed=options.seed)
        training, test = split(read_atlas(atlas), options.test, seed=options.seed)
        pixels = [extract(galaxies, PROPERTIES) for galaxies in (training, test)]
        print(
            f"{len(pixels[0])} pixels of {len(training)} galaxies to train on (a fifth of them set aside), "
            f"{len(pixels[1])} pixels of {len(test)} galaxies to test on; features "
            f"{', '.join(options.features)}; CPU seconds of all threads together\n"
        )
        compared = Table(rows=[row for name in names for row in compare(name, *pixels, options, folder)])
    show(compared, options.rst)
    if not options.no_chain:
        show(Table(rows=chain(*pixels, options)), options.rst)


def settled(name, options):
    """An estimator with the settings of the command line."""
    kind = lookup("estimators", name)
    names = {field.name for field in fields(kind) if field.init}
    return kind(**{k: v for k, v in (("n_jobs", options.jobs), ("seed", options.seed)) if k in names})


def compare(name, training, test, options, folder):
    """Yield a row for each property."""
    empty = dict.fromkeys(("r2", "rmse", "training_cpu_s", "cpu_s_per_megapixel", "file_kB"), np.nan)
    for prop in PROPERTIES:
        row = {"estimator": name, "property": prop, **empty, "remark": ""}
        if prop != DENSITY and name in DENSITY_ONLY:
            yield {**row, "remark": "for density only"}
            continue
        print(f"... {name}, {prop}", file=sys.stderr, flush=True)
        try:
            estimator, start = settled(name, options), time.process_time()
            model = train(training, prop, estimator, features=options.features, seed=options.seed)
            row["training_cpu_s"] = time.process_time() - start
        except (PluginError, ImportError) as error:
            # Nothing is left out without a word.
            there = name in available("estimators")
            yield {**row, "remark": str(error)[:60] if there else "not installed"}
            continue
        brightness = {band: test.brightness[band] for band in model.bands}
        accuracy = metrics(to_dex(test.truth[prop]), model.estimate(brightness))
        row.update(r2=accuracy["r2"], rmse=accuracy["rmse"])
        many = {band: np.resize(values, TIMED_ROWS) for band, values in brightness.items()}
        start = time.process_time()
        model.estimate(many)
        row["cpu_s_per_megapixel"] = (time.process_time() - start) * 1e6 / TIMED_ROWS
        path = Path(folder) / "model.asdf"
        write(path, model, overwrite=True)
        row["file_kB"] = path.stat().st_size / 1000
        yield row


def chain(training, test, options):
    """Yield a row for each property: a random forest alone, and with the properties before it."""
    models = {}
    for chained in (False, True):
        print(f"... random_forest, {'chained' if chained else 'alone'}", file=sys.stderr, flush=True)
        forest = settled("random_forest", options)
        settings = {"features": options.features, "seed": options.seed, "chain": chained}
        models[chained] = train(training, "all", forest, **settings)
    for prop in PROPERTIES:
        truth, row = to_dex(test.truth[prop]), {"property": prop}
        for chained, model in models.items():
            brightness = {band: test.brightness[band] for band in model.bands}
            accuracy = metrics(truth, model.estimate(brightness, prop))
            word = "chained" if chained else "alone"
            row.update({f"r2_{word}": accuracy["r2"], f"rmse_{word}": accuracy["rmse"]})
        yield {**row, "gain_r2": row["r2_chained"] - row["r2_alone"]}


def show(table, rst):
    """Print a table, as text or for the documentation."""
    formats = {
        "rmse": ".4f",
        "training_cpu_s": ".2f",
        "cpu_s_per_megapixel": ".3f",
        "file_kB": ".0f",
        "gain_r2": "+.4f",
    }
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            digits = formats.get(name, ".4f" if "rmse" in name else ".3f")
            table[name] = ["-" if np.isnan(value) else format(value, digits) for value in table[name]]
    if rst:
        table.write(sys.stdout, format="ascii.rst")
    else:
        print("\n".join(table.pformat(max_lines=-1, max_width=-1, align="<")))
    print()


if __name__ == "__main__":
    main()

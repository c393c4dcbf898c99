"""The paper's pattern on a mock atlas: spreads, R2 of three inputs and two methods, importance.

python benchmarks/paper_pattern.py [--galaxies N] [--seed N] [--folds N] [--trees N] [--samples N] [--rst]
"""

import argparse
import sys
import tempfile
import time

import numpy as np
from astropy.table import Table

from euclid_resolved import LinearRegression, RandomForest, make_atlas, read_atlas, train
from euclid_resolved.diagnostics import published_r2
from euclid_resolved.diagnostics._published import PUBLISHED_SPREAD
from euclid_resolved.features import to_dex
from euclid_resolved.maps import PROPERTIES
from euclid_resolved.models import metrics
from euclid_resolved.training import extract, folds


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxies", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--trees", type=int, default=30)
    parser.add_argument("--samples", type=int, default=80_000, help="pixels a tree is grown on")
    parser.add_argument("--rst", action="store_true", help="as a table for the documentation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        galaxies = read_atlas(make_atlas(folder, options.galaxies, seed=options.seed))
        pixels = extract(galaxies, tuple(PROPERTIES), progress=True)
    kept = f"{len(pixels)} pixels, {100 * pixels.kept:.1f} % of all"
    print(f"{options.galaxies} galaxies of seed {options.seed}: {kept}; {time.perf_counter() - start:.0f} s")
    for name, paper in PUBLISHED_SPREAD.items():
        spread = np.std(to_dex(pixels.truth[name]))
        print(f"  spread of {name}: {spread:.3f} dex (implied by the paper: {paper})")
    forest = RandomForest(options.trees, max_samples=options.samples)
    cases = {
        ("linear", "HE"): (LinearRegression(), {"columns": ("HE",)}),
        ("linear", "bands"): (LinearRegression(), {}),
        ("linear", "bands+colours"): (LinearRegression(), {"features": ("bands", "colours")}),
        ("linear", "bands+flux_ratios"): (LinearRegression(), {"features": ("bands", "flux_ratios")}),
        ("random_forest", "HE"): (forest, {"columns": ("HE",)}),
        ("random_forest", "bands"): (forest, {}),
        ("random_forest", "bands+colours"): (forest, {"features": ("bands", "colours")}),
    }
    rows = []
    for (estimator, features), (settings, how) in cases.items():
        rows += _case(pixels, galaxies, options, estimator, features, settings, how)
    table = Table(rows=rows)
    table.sort(["property", "estimator", "features"])
    for name in ("r2", "rmse", "outliers", "pearson"):
        table[name].info.format = ".3f"
    if options.rst:
        table.write(sys.stdout, format="ascii.rst")
    else:
        table.pprint_all()


def _case(pixels, galaxies, options, estimator, features, settings, how):
    """One method with one input: every galaxy estimated by a model that has not seen it."""
    number = {name: i for i, name in enumerate(pixels.names)}
    guess = {name: np.empty(len(pixels), np.float32) for name in PROPERTIES}
    importance = {name: [] for name in PROPERTIES}
    for training, test in folds(galaxies, options.folds, options.seed):
        model = train(pixels.of(training), "all", settings, **how)
        rows = np.isin(pixels.galaxy, [number[galaxy.name] for galaxy in test])
        brightness = {band: pixels.brightness[band][rows] for band in model.bands}
        for name in PROPERTIES:
            guess[name][rows] = model.estimate(brightness, name)
            importance[name].append(model.outputs[name].estimator.feature_importance)
    result = []
    for name in PROPERTIES:
        scores = metrics(to_dex(pixels.truth[name]), guess[name])
        weights = importance[name][0]
        text = ""
        if weights is not None and features == "bands":
            shares = zip(model.columns, np.mean(importance[name], axis=0), strict=True)
            text = " ".join(f"{column} {100 * share:.0f}%" for column, share in shares)
        result.append(
            {
                "property": name,
                "estimator": estimator,
                "features": features,
                "paper": published_r2(name, estimator, features),
                "r2": scores["r2"],
                "rmse": scores["rmse"],
                "outliers": scores["outlier_fraction"],
                "pearson": scores["pearson"],
                "importance": text,
            }
        )
    return result


if __name__ == "__main__":
    main()

"""One model for pixels that lack bands, beside a model for each set of bands.

    python benchmarks/missing_bands.py [--atlas ATLAS] [--bands BAND ...] [--only PART ...]

Four parts. ``rmse``: a forest trained once for any missing bands, beside forests that were trained on the
columns of just the bands left. ``copies``: the same by how often a pixel is learned from without bands.
``coverage``: what part of the pixels lies in the 68 % interval, by the bands that are missing. ``speed``: of
prediction. Without an atlas a mock of 240 galaxies, seed 7, is made. Of four bands all sets are looked at; of
more, each band alone, all of Euclid's near infrared, all of Euclid, and all that are not of Euclid. With four
bands it takes some five minutes on one core.
"""

import argparse
import tempfile
import time
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from astropy.table import Table

from euclid_resolved import RandomForest, evaluate, make_atlas, read_atlas, split, train
from euclid_resolved.errors import DataWarning
from euclid_resolved.estimators import GradientBoosting
from euclid_resolved.features import feature_columns
from euclid_resolved.features._known import number_of
from euclid_resolved.images import EUCLID_BANDS
from euclid_resolved.models._interval_sets import IntervalsBySet
from euclid_resolved.training import _blanking, coverage, extract

NAMES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
FEATURES = ("bands", "colours")
PARTS = ("rmse", "copies", "coverage", "speed")
PIXELS = 25_000


def forest(**settings):
    """The forest of all parts."""
    return RandomForest(n_trees=40, max_features=0.5, joint=True, n_jobs=1, **settings)


def sets_of(bands):
    """The sets of missing bands that are looked at."""
    if len(bands) <= 4:
        return [each for n in range(len(bands)) for each in combinations(bands, n)]
    euclid = tuple(band for band in bands if band in EUCLID_BANDS)
    others = tuple(band for band in bands if band not in EUCLID_BANDS)
    return [(), *((band,) for band in bands), euclid[1:], euclid, others]


def given(bands):
    """What may be missing, as `train` takes it: any set; of many bands some are learned in particular."""
    return 0.3 if len(bands) <= 4 else (round(1.2 / len(bands), 2), *sets_of(bands)[-3:])


def gathered(galaxies, bands, n=PIXELS):
    """About n pixels of galaxies, evenly from all of them."""
    pixels = extract(galaxies, NAMES, bands, band="HE")
    step = max(len(pixels) // n, 1)
    some = [np.arange(first, first + count, step) for first, count in zip(
        np.cumsum([0, *pixels.counts[:-1]]), pixels.counts, strict=True
    )]  # fmt: skip
    rows = np.concatenate(some)
    return replace(
        pixels,
        brightness=pixels.brightness.take(rows),
        truth=pixels.truth.take(rows),
        counts=tuple(len(each) for each in some),
    )


def left(bands, missing):
    """The columns that can be made without some bands."""
    return feature_columns([band for band in bands if band not in missing], FEATURES)


def learned(pixels, estimator, **options):
    """A model of the three properties."""
    return train(pixels, "all", estimator, features=FEATURES, bands=tuple(pixels.brightness), **options)


def accuracy(model, unseen, missing=()):
    """RMSE of the three properties, dex."""
    return np.array([row["rmse"].value for row in evaluate(model, unseen, missing=missing)])


def dedicated(training, test, estimator):
    """RMSE of a model for each set of missing bands."""
    bands = tuple(training.brightness)
    return {
        missing: accuracy(learned(training, estimator, columns=left(bands, missing)), test)
        for missing in sets_of(bands)
    }


def rmse(training, test):
    """One model beside one for each set, forest and boosting."""
    for title, estimator in (
        ("forest of 40 trees", forest()),
        ("gradient boosting, 150 trees", GradientBoosting(n_trees=150, n_jobs=1)),
    ):
        own = dedicated(training, test, estimator)
        one, rows = learned(training, estimator, missing_bands=given(tuple(training.brightness))), []
        for missing in own:
            found = accuracy(one, test, missing)
            row = {"missing": " ".join(missing) or "none"}
            for name, a, b in zip(NAMES, own[missing], found, strict=True):
                row[name.removeprefix("stellar_")] = f"{a:.4f} {b:.4f} {100 * (b / a - 1):+.1f} %"
            rows.append(row)
        show(
            f"RMSE (dex) of a model for this set, of one model for all, and by how much it is worse: {title}",
            rows,
        )


def copies(training, test):
    """How much worse one model is, by the number of copies and the probability."""
    own, rows, usual = dedicated(training, test, forest()), [], _blanking.COPIES
    for number, probability in ((1, 0.3), (2, 0.3), (4, 0.3), (2, 0.2), (2, 0.5)):
        _blanking.COPIES = {len(training.brightness): number}
        started = time.perf_counter()
        one = learned(training, forest(), missing_bands=probability)
        row = {
            "copies": number,
            "probability": probability,
            "seconds": f"{time.perf_counter() - started:.0f}",
        }
        for n in sorted(set(map(len, own))):
            sets = [each for each in own if len(each) == n]
            worse = np.array([accuracy(one, test, each) / own[each] - 1 for each in sets]) * 100
            row[f"{n} missing"] = " ".join(f"{value:.1f}" for value in worse.mean(axis=0))
            row[f"{n} missing, worst"] = f"{worse.max():.1f}"
        rows.append(row)
    _blanking.COPIES = usual
    show("By how much one model is worse, % (density, metallicity, age)", rows)


def held(atlas, bands):
    """The part of the pixels in the 68 % interval, of 120 galaxies calibrated in folds, on 120 others."""
    training, test = (gathered(part, bands) for part in split(read_atlas(atlas, bands=bands), 0.5, seed=2))
    model = learned(training, forest(), missing_bands=given(bands), calibration=4)
    weight = np.repeat(1 / np.array(test.counts), test.counts)
    light = {band: np.asarray(test.brightness[band]) for band in bands}
    rows = []
    for missing in sets_of(bands):
        inside = coverage(model, test, missing=missing)
        own = {band: np.full(len(test), np.nan) if band in missing else light[band] for band in light}
        row = {"missing": " ".join(missing) or "none"}
        row |= {
            name.removeprefix("stellar_"): f"{np.average(inside[name], weights=weight):.3f}" for name in NAMES
        }
        lost = np.full(len(test), number_of(bands, missing))
        sigma = np.zeros(len(test))
        for name in NAMES:
            intervals = IntervalsBySet(model.outputs[name], lost, bands)
            low, high = intervals.offsets(
                model.missing.in_clip_band(own, {}, model.clip_band)[0], sigma, 0.68
            )
            row[f"width, {name.removeprefix('stellar_')}"] = f"{np.median(high - low):.3f}"
        row["flagged"] = f"{np.average(model.domain.outside(own, some=True), weights=weight):.3f}"
        rows.append(row)
    show(
        f"Pixels in the 68 % interval, median width (dex), OUT_OF_DOMAIN; {len(test.names)} unseen galaxies",
        rows,
    )


def speed(training, test):
    """Prediction of pixels with all bands, by a usual forest and by one for missing bands."""
    light = {band: np.tile(test.brightness[band], 20) for band in training.brightness}
    n = len(light["HE"])
    hole = {**light, "YE": np.where(np.arange(n) % 3 == 0, np.nan, light["YE"])}
    models = {
        "usual": learned(training, forest()),
        "missing bands": learned(training, forest(), missing_bands=0.3),
    }
    rows = []
    for name, model in models.items():
        for what, given in (("all bands", light), ("a third without YE", hole)):
            best = min(_seconds(model, given) for _ in range(5))
            nodes = len(model.outputs[NAMES[0]].estimator.state()["value"])
            rows.append(
                {"model": name, "pixels": what, "us a pixel": f"{1e6 * best / n:.2f}", "nodes": nodes}
            )
    show(f"Three properties of {n} pixels, one thread", rows)


def _seconds(model, given):
    started = time.perf_counter()
    model.estimate_all(given)
    return time.perf_counter() - started


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
    parser.add_argument("--bands", nargs="+", default=EUCLID_BANDS, help="of the atlas, from blue to red")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", DataWarning)
    with tempfile.TemporaryDirectory() as folder:
        atlas = options.atlas or make_atlas(Path(folder) / "atlas", 240, seed=7, progress=False)
        bands = tuple(options.bands)
        galaxies = read_atlas(atlas, bands=bands)
        training, test = (gathered(part, bands) for part in split(galaxies, 0.1, seed=1))
        for what, pixels in (("training", training), ("test", test)):
            print(f"{what}: {len(pixels)} pixels of {len(pixels.names)} galaxies")
        for part, function in (("rmse", rmse), ("copies", copies), ("speed", speed)):
            if part in options.only:
                function(training, test)
        if "coverage" in options.only:
            held(atlas, bands)


if __name__ == "__main__":
    main()

"""What diagnostics cost, side by side with the same by scikit-learn, in CPU seconds of one core.

Leave one out with bands and colours for three properties; and the scatter of ten runs, from one forest.

python benchmarks/diagnostics.py [--quick]
"""

import os
import sys

import numpy as np
from forest import SCALE, compile_first, pixels as made_up, row, seconds

from euclid_resolved import EUCLID_BANDS, PROPERTIES, RandomForest, lofo, train
from euclid_resolved.diagnostics import epistemic_scatter, permutation_importance
from euclid_resolved.diagnostics._importance import columns_without
from euclid_resolved.training import Pixels
from euclid_resolved.training._training_set import TrainingSet

LEAF = 20
SEEN = ("bands", "colours")
MEASURED = 3  # of scikit-learn's trees in each fit: its time is in proportion to their number


def sample(n, seed, galaxies=50):
    """Made-up pixels of galaxies of equal size."""
    X, Y = made_up(n, seed)
    return Pixels(
        brightness={band: 10 ** (x * SCALE[0] - SCALE[1]) for band, x in zip(EUCLID_BANDS, X.T, strict=True)},
        truth={name: 10 ** (8 * y) for name, y in zip(PROPERTIES, Y.T, strict=True)},
        counts=np.diff(np.linspace(0, n, galaxies + 1).astype(int)),
        names=tuple(f"galaxy {i}" for i in range(galaxies)),
        clip=None,
        clip_band="HE",
        seen=n,
        without_truth=0,
    )


def by_scikit_learn(model, pixels, unseen, forest, band):
    """CPU time of fits without a band and of their estimates, from some of the trees."""
    from sklearn.ensemble import RandomForestRegressor

    columns = columns_without(model, band)
    data = TrainingSet(pixels, model.bands, SEEN, columns, 0.2, 1)
    X, new = data.X[data.n_held :], TrainingSet(unseen, model.bands, SEEN, columns, 0, 1).X
    spent = 0.0
    for name in model.properties:
        y = data.target(name)[0][data.n_held :]
        plain = RandomForestRegressor(
            MEASURED, min_samples_leaf=LEAF, max_samples=forest.max_samples, n_jobs=1, random_state=1
        )
        spent += seconds(lambda plain=plain, y=y: plain.fit(X, y).predict(new))[0]
    return spent * forest.n_trees / MEASURED


def leaving_out(pixels, unseen, forest):
    """LOFO of three properties: separate forests, joint ones, and scikit-learn's."""
    models, spent, tables = {}, {}, {}
    for joint in (False, True):
        settings = RandomForest(**{**forest.settings(), "joint": joint})
        models[joint] = train(pixels, "all", settings, features=SEEN)
        spent[joint], tables[joint] = seconds(lambda joint=joint: lofo(models[joint], pixels, unseen))
    some = EUCLID_BANDS[:1]
    theirs = np.mean([by_scikit_learn(models[False], pixels, unseen, forest, band) for band in some])
    theirs *= len(EUCLID_BANDS)
    what = f"scikit-learn {theirs:.3g} s, from {MEASURED} of {forest.n_trees} trees without {some[0]} times 4"
    tolerance = max(abs(tables[True]["lofo"] - tables[False]["lofo"]))
    same = all(order(tables[True], name) == order(tables[False], name) for name in PROPERTIES)
    return [
        row("LOFO, CPU time", spent[False], "s", f"{what}; {forest.max_samples:,} pixels a tree"),
        row("LOFO, over scikit-learn's", spent[False] / theirs, "x", "target of the full run: 0.1 at most"),
        row("LOFO, joint forests, CPU time", spent[True], "s", "one set of trees for three properties"),
        row(
            "LOFO, joint forests, over scikit-learn's",
            spent[True] / theirs,
            "x",
            "target of the full run: 0.1 at most",
        ),
        row("LOFO, joint against separate, largest difference", tolerance, "dex", "of RMSE without a band"),
        row("LOFO, joint against separate, same order of bands", float(same), "", "1: for all properties"),
    ]


def order(table, name):
    """The bands of a LOFO table, most important first."""
    part = table[(table["property"] == name) & (table["left_out"] != "none")]
    return [str(band) for band in part["left_out"][np.argsort(-part["lofo"])]]


def scatter(pixels, unseen, forest):
    """Ten fits against one: the scatter of estimates and of R2, and the cost of either."""
    joint = RandomForest(**{**forest.settings(), "joint": True})
    rows = []
    # With pixels set aside the runs differ in these too, which one fit cannot know.
    for fraction, words in ((0, "seeds alone"), (0.2, "seeds and the fifth of pixels set aside")):
        model = train(pixels, "all", joint, validation_fraction=fraction)
        many, ten = seconds(lambda model=model: epistemic_scatter(model, pixels, unseen, runs=10))
        once, one = seconds(lambda model=model: epistemic_scatter(model, pixels, unseen, runs=None))
        for i, name in enumerate(PROPERTIES):
            a, b = (float(t["estimate_scatter"][i].value) for t in (one, ten))
            rows.append(row(f"scatter of one fit, {name}", a, "dex", f"ten runs {b:.4g}; {words}"))
            a, b = (float(t["r2_scatter"][i]) for t in (one, ten))
            rows.append(row(f"scatter of R2 from one fit, {name}", a, "", f"ten runs {b:.3g}; {words}"))
        rows.append(row("ten runs over one fit, CPU time", many / once, "x", f"{many:.3g} and {once:.3g} s"))
    return rows


def shuffling(pixels, unseen, forest):
    """Permutation importance, which trains nothing."""
    model = train(pixels, "all", forest)
    spent, _ = seconds(lambda: permutation_importance(model, None, unseen, repeats=2))
    each = spent / (16 * 3 * len(unseen) * forest.n_trees) * 1e9
    return [row("permutation importance, a pixel and tree", each, "ns", "sums, shuffle and walk together")]


def main(quick=False):
    """Measure, and return the rows of the table."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    compile_first()
    n, trees = (60_000, 10) if quick else (300_000, 40)
    pixels, unseen = sample(n, 1), sample(n // 3, 2)
    forest = RandomForest(n_trees=trees, min_samples_leaf=LEAF, max_samples=n // 3, n_jobs=1)
    rows = leaving_out(pixels, unseen, forest)
    return rows + scatter(pixels, unseen, forest) + shuffling(pixels, unseen, forest)


if __name__ == "__main__":
    for line in main("--quick" in sys.argv[1:]):
        print(f"{line['name']:52s} {line['value']:>9.4g} {line['unit']:4s} {line['against']}", flush=True)

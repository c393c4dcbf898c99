"""How cost grows with pixels, trees, columns and galaxies: slopes of CPU time in the logarithm, one core.

python benchmarks/scaling.py [--quick]
"""

import sys
import tempfile

import numpy as np
from forest import compile_first, pixels, row, seconds

from euclid_resolved import LinearRegression, RandomForest, make_atlas, read_atlas
from euclid_resolved.training import extract


def slope(sizes, cost):
    """Of log cost against log size, by least squares; 1 is proportional, 0 is no dependence."""
    return np.polyfit(np.log(sizes), np.log(cost), 1)[0]


def line(what, sizes, cost):
    """A row of the table: the slope, and the first and last cost."""
    ends = f"{cost[0]:.3g} s at {sizes[0]:,}, {cost[-1]:.3g} s at {sizes[-1]:,}"
    return row(f"slope of {what}", slope(sizes, cost), "", ends)


def growing(n):
    """Growing a forest, against pixels, trees and columns."""
    X, Y = pixels(n, 1)
    y = np.ascontiguousarray(Y[:, 1])
    wide = np.ascontiguousarray(np.tile(X, 4) + np.random.default_rng(1).normal(0, 0.01, (n, 16)), np.float32)

    def cost(X, y, trees=4):
        settings = {"n_trees": trees, "max_samples": len(X), "n_jobs": 1}
        return seconds(lambda: RandomForest(**settings).fit(X, y))[0]

    sizes, trees, columns = (n // 8, n // 4, n // 2, n), (2, 4, 8, 16), (2, 4, 8, 16)
    some = slice(n // 4)
    narrow = [np.ascontiguousarray(wide[some, :k]) for k in columns]
    return [
        line("growing with pixels a tree", sizes, [cost(X[:m], y[:m]) for m in sizes]),
        line("growing with trees", trees, [cost(X[some], y[some], t) for t in trees]),
        line("growing with columns", columns, [cost(Z, y[some]) for Z in narrow]),
    ]


def running(n):
    """Running a forest and a linear regression, against pixels and trees."""
    X, Y = pixels(n, 1)
    forest = RandomForest(n_trees=32, max_samples=n // 8, n_jobs=1).fit(X, Y[:, 1])
    linear = LinearRegression().fit(X, Y[:, 1])
    sizes, trees, rows = (n // 8, n // 4, n // 2, n), (4, 8, 16, 32), []
    for name, fitted in (("a forest", forest), ("a linear regression", linear)):
        cost = [seconds(lambda m=m, f=fitted: f.predict(X[:m]), 3)[0] for m in sizes]
        rows.append(line(f"running {name} with pixels", sizes, cost))
    some = X[: n // 4]
    cost = []
    for t in trees:
        fitted = RandomForest(n_trees=t, max_samples=n // 8, n_jobs=1).fit(X, Y[:, 1])
        cost.append(seconds(lambda f=fitted: f.predict(some), 3)[0])
    return [*rows, line("running a forest with trees", trees, cost)]


def reading(n):
    """Gathering the pixels of an atlas, against galaxies."""
    sizes = (n // 4, n // 2, n)
    with tempfile.TemporaryDirectory() as folder:
        galaxies = read_atlas(make_atlas(folder, n, seed=1, pixels=64, progress=False))
        extract(galaxies[:2], ["stellar_mass_density"])
        cost = [seconds(lambda m=m: extract(galaxies[:m], ["stellar_mass_density"]), 2)[0] for m in sizes]
    return [line("gathering pixels with galaxies of 64 x 64", sizes, cost)]


def main(quick=False):
    """Measure, and return the rows of the table."""
    compile_first()
    n = 400_000 if quick else 2_000_000
    return growing(n) + running(n) + reading(16 if quick else 64)


if __name__ == "__main__":
    for found in main("--quick" in sys.argv[1:]):
        print(f"{found['name']:56s} {found['value']:>9.4g} {found['unit']:4s} {found['against']}", flush=True)

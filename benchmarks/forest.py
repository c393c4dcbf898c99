"""How fast a random forest grows and runs, side by side with scikit-learn's, in CPU seconds of one core.

python benchmarks/forest.py [--quick]
"""

import subprocess
import sys
import threading
import time

import numpy as np
from sample import memory as memory_now

from euclid_resolved import RandomForest
from euclid_resolved.estimators._walk import RunnerWalk
from euclid_resolved.models import r2

SCALE = np.float32(9), np.float32(3)  # of the mock's magnitudes: range, and what is added
TARGETS = ("density", "metallicity", "age")


def bands(density, metallicity, age, dust, rng):
    """Four scaled bands with noise, for pixels of these properties: float32, shape (n, 4)."""
    sigma = np.maximum(0.15 * 10 ** (-0.5 * (density - 6)), 0.004)
    X = np.empty((len(density), 4), np.float32)
    for i, (a, b, c) in enumerate(((1, -0.3, 1), (0.75, -0.1, 0.5), (0.7, 0.1, 0.35), (0.65, 0.2, 0.25))):
        light = density - 6 - 0.9 * age * a + 0.35 * metallicity * b - dust * c + 0.15 * a * age**2
        X[:, i] = light + 0.05 * np.sin(3 * metallicity) * b + sigma * rng.normal(size=len(density))
    return (X + SCALE[1]) / SCALE[0]


def pixels(n, seed):
    """Training pixels: more faint ones than bright ones, colours of three causes, noise."""
    rng = np.random.default_rng(seed)
    X, Y = np.empty((n, 4), np.float32), np.empty((n, 3), np.float32)
    for start in range(0, n, 2**16):
        m = min(2**16, n - start)
        density = 6 + rng.exponential(0.7, m) + 0.3 * rng.normal(size=m)
        age = rng.normal(0.5, 0.3, m) + 0.1 * (density - 6)
        metallicity = -0.3 + 0.25 * (density - 7) + 0.25 * rng.normal(size=m)
        X[start : start + m] = bands(density, metallicity, age, rng.exponential(0.15, m), rng)
        Y[start : start + m] = np.column_stack([density, metallicity, age]) / 8
    return X, Y


def galaxy(side, seed=3):
    """The image of a spiral galaxy in the four bands, and the pixels of its body, 14 % of all."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5
    r, angle = np.hypot(x, y / 0.7) * 1600, np.arctan2(y, x)
    density = 9.2 - r / 300 + 0.25 * np.cos(2 * angle - np.log(r + 20) * 4) * np.exp(-r / 600)
    clumps = np.kron(rng.normal(size=(side // 8, side // 8)), np.ones((8, 8)))
    age = 0.8 - r / 1200 + 0.1 * clumps + 0.05 * rng.normal(size=r.shape)
    metallicity = 0.3 - r / 900 + 0.08 * clumps + 0.05 * rng.normal(size=r.shape)
    dust = 0.2 * np.exp(-r / 300) * (1 + 0.5 * np.abs(clumps))
    X = bands(*(plane.ravel() for plane in (density, metallicity, age, dust)), rng)
    return X, (density > np.quantile(density, 0.86)).ravel()


def seconds(function, repeat=1):
    """The least CPU time of a few runs, and the result."""
    best = np.inf
    for _ in range(repeat):
        start = time.process_time()
        result = function()
        best = min(best, time.process_time() - start)
    return best, result


def row(name, value, unit, against=""):
    """One line of the table."""
    return {"name": name, "value": float(f"{value:.4g}"), "unit": unit, "against": against}


def compile_first():
    """Load all compiled code, so that no figure holds its making."""
    X, Y = pixels(3000, 1)
    RandomForest(n_trees=20, n_jobs=1, joint=True).fit_together(X, Y)
    RandomForest(n_trees=20, n_jobs=1).fit(X, Y[:, 1]).predict(X)


def growing(n, sample, trees):
    """CPU time of a tree and accuracy, ours and scikit-learn's; and three properties against one."""
    (X, Y), (X_new, Y_new) = pixels(n, 1), pixels(200_000, 2)
    settings = {"n_trees": trees, "max_samples": sample, "n_jobs": 1}
    ours, fitted = seconds(lambda: RandomForest(**settings).fit(X, Y[:, 1]), 3)
    theirs, reference = seconds(lambda: RandomForest(**settings, engine="scikit-learn").fit(X, Y[:, 1]))
    together, _ = seconds(lambda: RandomForest(**settings, joint=True).fit_together(X, Y), 3)
    many = RandomForest(**{**settings, "n_trees": 10, "joint": True}).fit_together(X, Y)
    accuracy = [r2(Y_new[:, 1], f.predict(X_new)) for f in (fitted, reference)]
    what = f"{sample:,} pixels a tree, leaf 20"
    rows = [
        row("growing, CPU time a tree", ours / trees, "s", f"scikit-learn {theirs / trees:.3g} s; {what}"),
        row("growing, times faster", theirs / ours, "x", "scikit-learn's trees"),
        row("growing, R2", accuracy[0], "", f"scikit-learn {accuracy[1]:.4f}; {trees} trees, metallicity"),
        row(
            "growing, three properties jointly over one",
            together / ours,
            "x",
            "3 one by one, target below 1.5",
        ),
    ]
    for i, name in enumerate(TARGETS):
        alone = RandomForest(**{**settings, "n_trees": 10}).fit(X, Y[:, i])
        apart = r2(Y_new[:, i], alone.predict(X_new))
        value = r2(Y_new[:, i], many[i].predict(X_new))
        rows.append(row(f"joint forest, R2 of {name}", value, "", f"alone {apart:.4f}; 10 trees"))
    return rows


def memory(n):
    """The peak beyond the data of a fit to many pixels, in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    beyond = float(done.stdout.split()[-1])
    return [row(f"growing on {n:,} pixels, memory beyond the data", beyond, "MiB", "2 threads")]


def peak(n):
    """Print by how many MiB a fit raises the memory of this process."""
    compile_first()
    X, Y = pixels(n, 1)
    y = np.ascontiguousarray(Y[:, 1])
    largest, done = [memory_now()[1]], threading.Event()

    def watch():
        # The system's own largest value would be that of making the pixels.
        while not done.wait(0.005):
            largest.append(max(largest[-1], memory_now()[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    RandomForest(n_trees=4, n_jobs=2).fit(X, y)
    done.set()
    watcher.join()
    print((largest[-1] - largest[0]) / 2**20)


def running(n, sample, trees, side):
    """CPU time of a prediction, ours and scikit-learn's walk over the same trees; equal to the last bit."""
    X, Y = pixels(n, 1)
    fitted = RandomForest(n_trees=trees, max_samples=sample, n_jobs=1).fit(X, Y[:, 1])
    image, body = galaxy(side)
    plain = RunnerWalk(fitted._forest, 4)

    def theirs(X):
        total = np.zeros(len(X))
        for start in range(0, len(X), 65536):  # whose sums stay in cache
            plain.add(X[start : start + 65536], total[start : start + 65536])
        return (total / trees).astype(np.float32)

    rows = []
    fitted.predict(image[:2000])
    for name, X in (("a galaxy's own pixels", image[body]), ("a whole image", image)):
        ours, mine = seconds(lambda X=X: fitted.predict(X), 2)
        other, expected = seconds(lambda X=X: theirs(X))
        assert np.array_equal(mine, expected), "predictions differ"
        what = f"scikit-learn {other:.3g} s; {len(X):,} pixels, {trees} trees, equal to the last bit"
        rows.append(row(f"running, {name}", ours, "s", what))
        rows.append(row(f"running, {name}, times faster", other / ours, "x", "scikit-learn's walk"))
        rows.append(row(f"running, {name}, a pixel and tree", ours / len(X) / trees * 1e9, "ns"))
    return rows


def main(quick=False):
    """Measure, and return the rows of the table."""
    compile_first()
    if quick:
        rows = growing(500_000, 200_000, 2)
        return rows + running(500_000, 200_000, 20, 400)
    rows = growing(6_000_000, 2_000_000, 2) + running(6_000_000, 2_000_000, 50, 1600)
    return rows + memory(20_000_000)


if __name__ == "__main__":
    if "--peak" in sys.argv:
        peak(int(sys.argv[-1]))
        sys.exit()
    for line in main("--quick" in sys.argv[1:]):
        print(f"{line['name']:56s} {line['value']:>9.4g} {line['unit']:4s} {line['against']}", flush=True)

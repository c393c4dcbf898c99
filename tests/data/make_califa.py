"""Measure the relation of CALIFA at one effective radius, whose values are in ``diagnostics/_observed.py``.

Needs two public files, of which nothing is kept here: ``get_proc_elines_CALIFA.fixheader.csv``, from the
source distribution of edge_pydb 1.7.1 (``pip download edge_pydb==1.7.1 --no-deps --no-binary :all:``; in
``edge_pydb/dat_glob/califa/build/``), and the quality flags: ``ecalifa_global.csv``, or ``QC_v2.3.csv`` in
which they were told before, of the repository of edge_pydb (github.com/tonywong94/edge_pydb,
``edge_pydb/dat_glob/califa/``).

    python make_califa.py get_proc_elines_CALIFA.fixheader.csv QC_v2.3.csv

The flags of ecalifa_global.csv leave 467 galaxies, those of QC_v2.3.csv 475, with medians that differ by 0.01
dex at most. The mass-weighted lines by mass, and the errors of all lines by mass, are of the 475; the rest is
of the 467.
"""

import csv
import sys

import numpy as np

EDGES = np.arange(1.25, 3.3, 0.25)
MASSES = ((9, 10), (10, 10.5), (10.5, 11), (11, 12))
PIVOT = 2.25


def key(name):
    """A galaxy's name without punctuation, in capitals."""
    return "".join(c for c in name.upper() if c.isalnum())


def good_galaxies(path):
    """The names whose quality flag is 0: of lines ``name,flag,...``, or of a table with a column of flags."""
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    first = next(csv.reader(lines[:1]))
    flag = next((i for i, word in enumerate(first) if "qc" in word.lower() or "flag" in word.lower()), None)
    rows = csv.reader(lines if flag is None else lines[1:])
    return {key(row[0]) for row in rows if float(row[1 if flag is None else flag]) == 0}


def read(path):
    """Names, log10 of density at R_e, light- and mass-weighted [Z/H] there, and log10 of mass."""
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ("Sigma_Mass_Re", "ZH_LW_Re_fit", "ZH_MW_Re_fit", "log_Mass_corr")
    values = [[float(row[name] or "nan") for row in rows] for name in names]
    return np.array([key(row["name"]) for row in rows]), *map(np.array, values)


def line(x, y, rng, n=300):
    """Value at the pivot and slope, with errors by drawing galaxies again."""
    best = np.polyfit(x - PIVOT, y, 1)[::-1]
    draws = [rng.integers(0, len(x), len(x)) for _ in range(n)]
    error = np.std([np.polyfit(x[i] - PIVOT, y[i], 1)[::-1] for i in draws], axis=0)
    return best[0], error[0], best[1], error[1]


def measure(table, flags):
    """Print the bins, and the straight lines by mass."""
    names, density, light, mass, total = read(table)
    known = np.isfinite(density + light + mass) & (total > 8) & (total < 12.5)
    known &= np.isin(names, list(good_galaxies(flags)))
    rng = np.random.default_rng(1)
    print(f"{known.sum()} galaxies")
    for weighting, values in (("light", light), ("mass", mass)):
        print(f"{weighting}-weighted: log density, metallicity, error, 16 %, 84 %, galaxies")
        for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
            own = np.flatnonzero(known & (density >= low) & (density < high))
            drawn = [np.median(values[rng.choice(own, own.size)]) for _ in range(300)]
            p16, p84 = np.percentile(values[own], (16, 84))
            row = (np.median(density[own]), np.median(values[own]), np.std(drawn), p16, p84)
            print("   ", *(f"{value:7.3f}" for value in row), own.size)
        inside = known & (density > EDGES[0]) & (density < EDGES[-1])
        for low, high in ((8, 12.5), *MASSES):
            own = inside & (total >= low) & (total < high)
            found = line(density[own], values[own], rng)
            print(f"    log mass {low} to {high}:", *(f"{value:7.3f}" for value in found), own.sum())


if __name__ == "__main__":
    measure(*sys.argv[1:])

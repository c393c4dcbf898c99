"""Train at the size of the atlas: a sample on disk, a forest for three properties, and how accurate it is.

The galaxies are made up: a smooth relation between brightness and properties, with scatter from galaxy to
galaxy and from pixel to pixel, made one galaxy at a time. Each phase is printed with the time on the clock,
CPU seconds, and the largest memory: all of it, and that which is no page of a file.

    python benchmarks/sample.py                                  # 71 million pixels of 1154 galaxies
    python benchmarks/sample.py --pixels 5_000_000 --estimator linear
"""

import argparse
import contextlib
import os
import resource
import tempfile
import threading
import time
from dataclasses import fields
from functools import partial
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from euclid_resolved import (
    EUCLID_BANDS,
    PROPERTIES,
    Galaxy,
    MultiBandImage,
    SpatialMap,
    evaluate,
    split,
    train,
)
from euclid_resolved.io import read_sample, write, write_sample
from euclid_resolved.plugins import lookup

PAGE = os.sysconf("SC_PAGE_SIZE")


def main(arguments=None):
    """Run all phases.

    Returns
    -------
    rows : list of dict
        ``name``, ``value``, ``unit`` and ``against``: what a value is to be compared with.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=71_000_000, help="above the clip (%(default)s)")
    parser.add_argument("--galaxies", type=int, default=1154, help="(%(default)s)")
    parser.add_argument("--estimator", default="random_forest", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--trees", type=int, default=100, help="of a forest (%(default)s)")
    parser.add_argument("--jobs", type=int, default=-1, help="threads of a forest")
    parser.add_argument("--folder", help="where to put the sample, 28 bytes a pixel; a temporary one without")
    options = parser.parse_args(arguments)
    rows = []
    with contextlib.ExitStack() as stack:
        parent = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        folder, phase = Path(parent) / "sample", partial(Phase, rows, options.pixels)
        with phase("write"):
            write_sample(folder, galaxies(options.pixels, options.galaxies), source="made up")
        size = sum(path.stat().st_size for path in folder.iterdir())
        add(rows, "sample: size", size / options.pixels, "B/pixel", "28 B/pixel: seven columns of float32")
        with phase("open, verify"):
            pixels = read_sample(folder)
        training, test = split(pixels.galaxies, 0.1)
        with phase("train"):
            model = train(pixels.of(training), "all", estimator(options))
        with phase("test"):
            table = evaluate(model, pixels.of(test))
        write(folder / "model.asdf", model)
        add(rows, "model: size", (folder / "model.asdf").stat().st_size / 1e6, "MB")
        for row in table:
            add(
                rows,
                f"{row['property']}: R2",
                float(row["r2"]),
                "",
                f"{BEST[row['property']]:.3f} on average, if only scatter is left",
            )
    add(rows, "all: largest memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB")
    for row in rows:
        print(f"{row['name']:28}{row['value']:12.4g} {row['unit']:8}{row['against']}")
    return rows


def add(rows, name, value, unit, against=""):
    """Add a figure."""
    rows.append({"name": name, "value": float(value), "unit": unit, "against": against})


class Phase:
    """Time and memory of a block of code."""

    def __init__(self, rows, n, name):
        self.rows, self.n, self.name = rows, n, name

    def __enter__(self):
        print(f"... {self.name}", flush=True)
        self.largest, self.own, self.done = 0, 0, threading.Event()
        self.before = memory()[1]
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        self.start = time.perf_counter(), cpu()

    def __exit__(self, *error):
        spent = time.perf_counter() - self.start[0], cpu() - self.start[1]
        self.done.set()
        self.thread.join()
        if error[0] is None:
            add(self.rows, f"{self.name}: time", spent[0], "s")
            add(self.rows, f"{self.name}: CPU", spent[1], "s")
            add(self.rows, f"{self.name}: memory", self.largest / 2**30, "GiB", "with pages of the sample")
            add(
                self.rows, f"{self.name}: own", (self.own - self.before) / self.n, "B/pixel", "none of a file"
            )

    def watch(self):
        """Look at the memory until the block ends: the system keeps no largest value of a phase."""
        while not self.done.wait(0.005):
            largest, own = memory()
            self.largest, self.own = max(self.largest, largest), max(self.own, own)


def memory():
    """Bytes in memory: all, and those that are no page of a file (Linux; zero elsewhere)."""
    try:
        words = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    return int(words[1]) * PAGE, (int(words[1]) - int(words[2])) * PAGE


def cpu():
    """CPU seconds of all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def estimator(options):
    """The estimator, with the settings that it has."""
    kind = lookup("estimators", options.estimator)
    wanted = {"n_trees": options.trees, "n_jobs": options.jobs, "joint": True, "seed": 1}
    names = {field.name for field in fields(kind) if field.init}
    return kind(**{name: value for name, value in wanted.items() if name in names})


def galaxies(n_pixels, n):
    """Galaxies that are made when they are looked at, with `n_pixels` above the clip."""
    stops = np.linspace(0, n_pixels, n + 1).round().astype(int)
    made = []
    for number, count in enumerate(np.diff(stops)):
        image, maps = partial(image_of, number, int(count)), partial(maps_of, number, int(count))
        made.append(Galaxy(f"TNG{number:06d}_O5", image, maps, star_forming=number % 4 > 0))
    return made


SCATTER = {"stellar_mass_density": 0.15, "stellar_metallicity": 0.09, "stellar_age": 0.1}
"""Standard deviation in dex, of which half the variance is shared by the pixels of a galaxy."""


def light_and_truth(number, n):
    """log10 of the brightness by band, MJy/sr, and of the properties."""
    rng = np.random.default_rng(number)
    he = -1.6 + rng.exponential(0.55, n)
    colour = 0.9 + 0.25 * np.tanh(he + 0.5) + rng.normal(0, 0.15) + rng.normal(0, 0.12, n)  # IE-HE, mag
    bend = rng.normal(0, 0.02, (2, n))
    light = {"IE": he - 0.4 * colour, "YE": he - 0.16 * colour + bend[0], "JE": he - 0.08 * colour + bend[1]}
    truth = {
        "stellar_mass_density": he + 1.6 + 0.5 * np.tanh(1.5 * (colour - 0.9)),
        "stellar_metallicity": -1.8 + 0.25 * np.tanh(he) + 0.35 * (colour - 0.9) ** 2,
        "stellar_age": 0.8 + 0.3 * np.tanh(2 * (colour - 0.9)) - 0.05 * he,
    }
    for name, scatter in SCATTER.items():
        truth[name] += (rng.normal() + rng.normal(0, 1, n)) * scatter / np.sqrt(2)
    return {**light, "HE": he}, truth


def image_of(number, n):
    """The image of a galaxy: one row of pixels, all above the clip."""
    light, _ = light_and_truth(number, n)
    unit = u.MJy / u.sr
    bands = {band: NDData((10 ** light[band]).astype(np.float32)[None], unit=unit) for band in EUCLID_BANDS}
    return MultiBandImage(bands, name=f"TNG{number:06d}_O5")


def maps_of(number, n):
    """Its true maps."""
    _, truth = light_and_truth(number, n)
    return {
        name: SpatialMap((10 ** truth[name]).astype(np.float32)[None], property=name) for name in PROPERTIES
    }


def best():
    """R2 of who knows the relation: the part of the variance that is no scatter, from many small galaxies."""
    _, truth = zip(*(light_and_truth(number, 500) for number in range(2000)), strict=True)
    spread = {name: np.var(np.concatenate([t[name] for t in truth])) for name in SCATTER}
    return {name: 1 - scatter**2 / spread[name] for name, scatter in SCATTER.items()}


BEST = best()


if __name__ == "__main__":
    main()

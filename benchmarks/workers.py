"""Beyond one machine and one memory: trees grown on workers, and models of samples larger than memory.

A forest is grown by this process and by worker processes (which need Dask), and both are compared to the last
bit. A sample that repeats a few galaxies is made on disk, in several sizes, and a model learns from a draw of
it. What is told is the largest memory of the process that trains, in which pages of files are counted.

    python benchmarks/workers.py
    python benchmarks/workers.py --sizes 5e6 50e6 500e6 --draw 2e6     # 28 bytes a pixel on disk
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import sample as made_up
from tile import cpu_seconds

from euclid_resolved import Galaxy, RandomForest, train
from euclid_resolved.io import write_sample

SIDE = 100_000  # pixels of a galaxy
TRAIN = """
import json, resource, sys
from euclid_resolved import RandomForest, train
from euclid_resolved.io import read_sample
folder, draw, trees = json.loads(sys.argv[1])
pixels = read_sample(folder)
train(pixels, "all", RandomForest(n_trees=trees, joint=True, n_jobs=1, max_samples=500_000), max_pixels=draw)
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which begins with the memory of the process that started this one.
with open("/proc/self/status") as file:
    largest = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
print(json.dumps([largest / 2**10, used.ru_utime + used.ru_stime]))
"""


def main(arguments=None, sizes=(2e6, 8e6, 32e6), draw=1e6, trees=12):
    """Run both parts.

    Returns
    -------
    rows : list of dict
        ``name``, ``value``, ``unit`` and ``against``: what a value is to be compared with.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=float, nargs="+", default=sizes, help="pixels of the samples")
    parser.add_argument("--draw", type=float, default=draw, help="pixels to learn from (%(default)g)")
    parser.add_argument("--trees", type=int, default=trees, help="(%(default)s)")
    parser.add_argument(
        "--folder", help="where to put the samples, 28 bytes a pixel; a temporary one without"
    )
    options = parser.parse_args(arguments if arguments is not None else [])
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = on_workers(Path(folder), int(options.draw), options.trees)
        rows += larger_than_memory(Path(folder), map(int, options.sizes), int(options.draw), options.trees)
    for row in rows:
        print(f"{row['name']:64}{row['value']:12.4g} {row['unit']:8}{row['against']}")
    return rows


def repeated(n):
    """Galaxies with so many pixels in all: sixteen that are made, again and again."""
    image, maps = (lru_cache(16)(function) for function in (made_up.image_of, made_up.maps_of))
    count = max(round(n / SIDE), 2)
    return [
        Galaxy(f"TNG{i:06d}_O5", partial(image, i % 16, n // count), partial(maps, i % 16, n // count))
        for i in range(count)
    ]


def on_workers(folder, n, trees):
    """Growing a forest here, and on one and two workers."""
    pixels = write_sample(folder / "small", repeated(n))
    forest = RandomForest(n_trees=trees, joint=True, n_jobs=1, max_samples=500_000)
    train(pixels.draw(10_000), "all", forest)  # compiles
    rows, alone, digest = [], None, None
    for workers in (None, 1, 2):
        if workers and find_spec("distributed") is None:
            break
        before, own, began = cpu_seconds(), time.process_time(), time.perf_counter()
        model = train(pixels, "all", forest, workers=workers)
        spent, own, clock = cpu_seconds() - before, time.process_time() - own, time.perf_counter() - began
        alone, digest = alone or spent, digest or model.digest
        assert model.digest == digest
        way = "in this process" if workers is None else f"on {workers} workers, start included"
        against = "" if workers is None else f"{alone:.3g} in this process; the same model, to the last bit"
        made_up.add(rows, f"{trees} trees of {n:.2g} pixels, {way}", spent, "CPU s", against)
        if workers:
            made_up.add(rows, f"... of these in this process, start of {workers} included", own, "CPU s")
            made_up.add(rows, "... on the clock", clock, "s")
    return rows


def larger_than_memory(folder, sizes, draw, trees):
    """The largest memory of training, by the size of the sample."""
    rows, first = [], None
    for n in sizes:
        place = folder / f"sample{n}"
        began = time.process_time()
        write_sample(place, repeated(n))
        spent = time.process_time() - began
        wrote = sum(path.stat().st_size for path in place.iterdir())
        for most in (draw, None) if first is None or n <= 10_000_000 else (draw,):
            words = json.dumps([str(place), most, trees])
            done = subprocess.run(
                [sys.executable, "-c", TRAIN, words], capture_output=True, text=True, check=True
            )
            memory, seconds = json.loads(done.stdout)
            what = "all pixels" if most is None else f"a draw of {most:.2g}"
            against = (
                f"{first:.0f} MiB of the smallest" if first and most else f"sample of {wrote / 2**20:.0f} MiB"
            )
            first = first or memory
            made_up.add(rows, f"{what} of {n:.2g} pixels: largest memory", memory, "MiB", against)
            made_up.add(
                rows,
                f"{what} of {n:.2g} pixels: open, verify, train",
                seconds,
                "CPU s",
                f"written in {spent:.3g}",
            )
        for path in place.iterdir():
            path.unlink()
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])

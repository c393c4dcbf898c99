"""A survey rehearsed: fields on worker processes, some of which are killed, and whose scheduler goes away.

    python benchmarks/rehearsal.py [--fields 2000] [--workers 4] [--kill 2] [--side 64]

Fields are cut around the galaxies of a synthetic tile and mapped by a linear model of stellar mass, on the
workers of a Dask scheduler. When a third of them is done, some workers are killed; at two thirds the
scheduler is, and with it go its workers. It is started again, with as many workers as at first. The call that
maps the fields knows nothing of this. Then all is done once more in one process, and compared: every field is
mapped once, maps are the same to the last bit, and so are the tables of the catalogue.
"""

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from tile import DISC, cpu_seconds, make_tile

from euclid_resolved import LinearRegression, train, write
from euclid_resolved.estimators import _workers
from euclid_resolved.io import open_large
from euclid_resolved.survey import _many, _piece, fields_of
from euclid_resolved.testing import example_galaxies

SIZE, SEED = 1600, 3  # of the tile: pixels, and where its galaxies are
LOG = "REHEARSAL_LOG"
CHANGING = ("DATE", "CHECKSUM")


def counted(piece):
    """Map a field, and write down what was done."""
    row = _piece.map_piece(piece)
    line = json.dumps([row["name"], row["status"], os.getpid()]) + "\n"
    descriptor = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)
    return row


def fields_around(tile, n, side):
    """Fields of a tile, each around another place in one of its galaxies, each at its own distance."""
    rng = np.random.default_rng(SEED)
    centres = rng.uniform(0, SIZE, (max(1, round(0.02 * SIZE**2 / DISC)), 2))  # as make_tile draws them
    y, x = (centres[rng.integers(len(centres), size=n)] + rng.uniform(-40, 40, (n, 2))).T
    x, y = (np.clip(each, side / 2, SIZE - side / 2) for each in (x, y))
    with open_large(tile, ("IE",)) as image:
        ra, dec = image.wcs.pixel_to_world_values(x, y)
    columns = {"name": [f"field{i:05d}" for i in range(n)], "ra": ra, "dec": dec}
    columns["radius"], columns["distance"] = np.full(n, side / 20), rng.uniform(10, 50, n)
    return fields_of(tile, Table(columns))


class Cluster:
    """A scheduler and its workers, each a process of its own that can be killed."""

    def __init__(self, workers):
        self.workers = workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address, self.running = f"tcp://127.0.0.1:{self.port}", []

    def start(self):
        """The scheduler at its address, and as many workers as at first."""
        self.scheduler = self._run("dask_scheduler", "--host", "127.0.0.1", "--port", self.port)
        words = (self.address, "--no-nanny", "--nthreads", 1, "--host", "127.0.0.1")
        self.working = [self._run("dask_worker", *words) for _ in range(self.workers)]

    def _run(self, name, *words):
        single = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
        here = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", f"distributed.cli.{name}", *map(str, words), "--no-dashboard"]
        made = subprocess.Popen(
            command, env={**os.environ, **single, "PYTHONPATH": here}, stderr=subprocess.DEVNULL
        )
        self.running.append(made)
        return made

    def stop(self):
        """End what still runs."""
        for process in self.running:
            process.kill()
            process.wait()


@contextmanager
def trouble(cluster, kill, n):
    """Kill workers when a third of the fields is done, and start the scheduler anew at two thirds."""
    ended = threading.Event()
    log = Path(os.environ[LOG])
    happened = {}

    def wait_for(number):
        while not ended.is_set() and (not log.exists() or log.read_bytes().count(b"\n") < number):
            time.sleep(0.02)

    def act():
        wait_for(n // 3)
        if not ended.is_set():
            for worker in cluster.working[:kill]:
                worker.kill()
            happened["killed"] = kill
        wait_for(2 * n // 3)
        if not ended.is_set():
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            for worker in cluster.working:
                worker.wait()  # they finish what they are at, and end
            cluster.start()
            happened["restarted"] = 1

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield happened
    finally:
        ended.set()
        thread.join()


def same_maps(folder, other):
    """How many files of maps are the same in two folders, but for times and their sums."""
    return sum(_digest(path) == _digest(other / path.name) for path in folder.glob("*_maps.fits"))


def _digest(path):
    found = hashlib.sha256()
    with fits.open(path) as hdus:
        for hdu in hdus:
            cards = [(key, str(hdu.header[key])) for key in hdu.header if key not in CHANGING]
            found.update(repr(cards).encode())
            found.update(hdu.data.tobytes())
    return found.hexdigest()


def rehearse(folder, n=2000, workers=4, kill=2, side=64):
    """Rehearse in a folder; what was found, by name."""
    model, tile = folder / "model.asdf", make_tile(folder / "tile", SIZE, SEED)
    for path in (*tile.glob("*RMS*"), *tile.glob("*FLAG*")):
        path.unlink()  # what is rehearsed is not what is done to a field: the less that takes, the better
    write(model, train(example_galaxies(6), "stellar_mass_density", LinearRegression()))
    fields = fields_around(tile, n, side)
    options = {"raw": True, "progress": False}
    log = folder / "log"
    os.environ[LOG] = str(log)
    original, cluster = _many.map_piece, Cluster(workers)
    _many.map_piece = counted
    _workers.PATIENCE = _many.BACK  # on a busy machine a scheduler may need more than half a minute to start
    counted.__module__ = "rehearsal"  # by which workers import it
    sys.modules.setdefault("rehearsal", sys.modules[__name__])
    began = time.perf_counter()
    try:
        cluster.start()
        with trouble(cluster, kill, n) as happened:
            report = _many.predict_many(
                model, fields, folder / "maps", scheduler=cluster.address,
                catalogue=folder / "all.ecsv", **options,
            )  # fmt: skip
    finally:
        _many.map_piece = original
        cluster.stop()
    print(f"on workers: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    wall, before = time.perf_counter() - began, cpu_seconds()
    _many.predict_many(model, fields, folder / "serial", catalogue=folder / "serial.ecsv", **options)
    serial = cpu_seconds() - before
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    mapped = Counter(name for name, status, _ in lines if status == "mapped")
    done = set(mapped) | {name for name, status, _ in lines if status == "kept"}
    tables = [(folder / f"all{end}.ecsv", folder / f"serial{end}.ecsv") for end in ("", "_profiles")]
    return {
        "fields": n,
        "failed": int((report["status"] == "failed").sum()),
        "lost": n - len(done),
        "mapped more than once": sum(number > 1 for number in mapped.values()),
        "mapped": len(mapped),
        "rows of the report": len(report),
        "rows of the catalogue": len(Table.read(tables[0][0])),
        "same maps": same_maps(folder / "maps", folder / "serial"),
        "same tables": sum(ours.read_bytes() == theirs.read_bytes() for ours, theirs in tables),
        "workers that worked": len({pid for *_, pid in lines}),
        "workers killed": happened.get("killed", 0),
        "scheduler restarted": happened.get("restarted", 0),
        "wall": wall,
        "serial": serial,
    }


def main(fields=2000, workers=4, kill=2, side=64):
    """The figures as rows: name, value, unit, and what they are to be held against."""
    with tempfile.TemporaryDirectory() as folder:
        found = rehearse(Path(folder), fields, workers, kill, side)
    expected = {"failed": 0, "lost": 0, "mapped more than once": 0, "same tables": 2}
    expected |= dict.fromkeys(("rows of the report", "rows of the catalogue", "same maps"), fields)
    units = {"wall": "s with workers", "serial": "CPU s in one process"}
    return [
        {"name": name, "value": value, "unit": units.get(name, ""), "against": expected.get(name, "")}
        for name, value in found.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fields", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kill", type=int, default=2, help="how many of the workers")
    parser.add_argument("--side", type=int, default=64, help="of a field, in pixels")
    options = parser.parse_args()
    for row in main(options.fields, options.workers, options.kill, options.side):
        print(f"{row['name']}: {row['value']:.6g} {row['unit']}  {row['against']}")

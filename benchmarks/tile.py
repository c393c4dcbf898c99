"""Speed and memory of whole tiles by strips, and of many images with Dask.

python benchmarks/tile.py [--sizes 2400 4800] [--images 24] [--jobs 1]

Every figure of a tile comes from a fresh process. Compiled loops are there already, but for the one figure
that says so. The tiles are synthetic: sky noise as the RMS maps of the Euclid Wide Survey say, and
exponential discs that leave about 2 % of the pixels to judge. The model is a linear one of three
properties with calibrated intervals, all of whose planes are written.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table
from scipy.ndimage import correlate1d

from euclid_resolved import LinearRegression, make_atlas, read_atlas, read_euclid, train, write
from euclid_resolved.features._convolving import convolved
from euclid_resolved.features._planes import gaussian_taps
from euclid_resolved.images._noise import pixel_noise
from euclid_resolved.imaging import observe_atlas
from euclid_resolved.io import open_large, read
from euclid_resolved.maps import PROPERTIES
from euclid_resolved.survey import fields_of, predict_many, predict_tile

BANDS = {"IE": ("VIS", 0.4), "YE": ("NIR-Y", 0.7), "JE": ("NIR-J", 0.85), "HE": ("NIR-H", 1.0)}
ZERO_POINT = {"IE": 24.6, "YE": 29.8, "JE": 30.0, "HE": 29.9}
PIXEL = 2.35044e-13  # sr
CENTRE, LENGTH, RADIUS = 5.0, 25.0, 150  # of the discs: MJy/sr in HE, pixels, pixels
DISC = 24_000  # pixels of a disc that are bright enough


AROUND = ("bands", "neighbourhood")


def make_model(path, around=None):
    """A calibrated linear model of noisy mock galaxies in a file, and in another one that looks around."""
    with tempfile.TemporaryDirectory() as folder:
        galaxies = read_atlas(make_atlas(Path(folder) / "atlas", 40, pixels=48, progress=False))
        galaxies = observe_atlas(galaxies, (20, 60) * u.Mpc, seed=3)
        for name, features in ((path, ("bands",)), (around, AROUND)):
            if name is not None:
                learned, held = galaxies[:18], galaxies[18:]
                options = {"features": features, "calibration": held}
                write(name, train(learned, tuple(PROPERTIES), LinearRegression(), **options))
    return path


def make_tile(folder, size, seed=1, rows=200):
    """A tile of four bands with RMS and FLAG maps, written strip by strip; its files as MER names them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, size, (max(1, round(0.02 * size**2 / DISC)), 2))
    header = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": size, "NAXIS2": size})
    for axis, kind, value in ((1, "RA---TAN", 60.0), (2, "DEC--TAN", -49.0)):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CRPIX{axis}"] = kind, value, (size + 1) / 2
        header[f"CD{axis}_{axis}"] = (-1) ** axis * 0.1 / 3600
    for band, (name, colour) in BANDS.items():
        factor = 3631e-6 * 10 ** (-0.4 * ZERO_POINT[band]) / PIXEL
        end = "TILE1-AB_20250101T000000.0Z_00.00.fits"
        paths = [f"BGSUB-MOSAIC-{name}_{end}", f"MOSAIC-{name}-RMS_{end}", f"MOSAIC-{name}-FLAG_{end}"]
        cards = header.copy()
        cards["MAGZERO"], cards["FILTER"] = ZERO_POINT[band], name.replace("-", "_")
        whole = cards.copy()
        whole["BITPIX"] = 32
        files = [
            fits.StreamingHDU(folder / f"EUC_MER_{paths[i]}", whole if i == 2 else cards) for i in range(3)
        ]
        for start in range(0, size, rows):
            light = discs(centres, start, min(start + rows, size), size) * np.float32(colour)
            sigma = pixel_noise(light, band).astype(np.float32)
            noisy = light + sigma * rng.standard_normal(light.shape, np.float32)
            for file, plane in zip(
                files, (noisy / factor, sigma / factor, np.zeros(light.shape)), strict=True
            ):
                file.write(plane.astype(np.int32 if file is files[2] else np.float32))
        for file in files:
            file.close()
    return folder


def discs(centres, start, stop, size):
    """The rows of the sky's light in HE, MJy/sr."""
    light = np.zeros((stop - start, size), np.float32)
    for y, x in centres:
        low, high = max(start, int(y) - RADIUS), min(stop, int(y) + RADIUS)
        left, right = max(0, int(x) - RADIUS), min(size, int(x) + RADIUS)
        if low < high:
            r = np.hypot(np.arange(low, high)[:, None] - y, np.arange(left, right) - x)
            light[low - start : high - start, left:right] += CENTRE * np.exp(-r / LENGTH).astype(np.float32)
    return light


def run(*words, loops=None):
    """What one run of this script in a process of its own measures; `loops` keeps what it compiles."""
    own = {} if loops is None else {"NUMBA_CACHE_DIR": str(loops)}
    command = [sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own})
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def one(way, model, folder, output, jobs):
    """Map one tile and print what it took."""
    model, began = read(model), time.perf_counter()
    before = time.process_time()
    if way == "strips":
        judged = predict_tile(model, folder, output, n_jobs=jobs).judged
    else:
        maps = model.predict_maps(read_euclid(folder))
        judged = int((~next(iter(maps.values())).mask).sum())
        write(output, maps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = time.process_time() - before, time.perf_counter() - began
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak, "judged": judged}))


def tiles(folder, model, sizes, jobs, around=None):
    """Figures of tiles of some sizes; of the largest of them with a model that looks around, too."""
    rows = []
    for size in sizes:
        tile, output = make_tile(folder / str(size), size), folder / "maps.fits"
        found = {}
        for way in ("strips", "whole") if size <= 4800 else ("strips",):
            found[way] = run("--one", way, model, tile, output, jobs)
            output.unlink()
        pixels, whole = size**2 / 1e6, found.get("whole")
        if around is not None and size == max(sizes):
            words = "--one", "strips", around, tile, output, jobs
            first = run(*words, loops=folder)  # compiles what later ones find
            output.unlink()
            looked = run(*words, loops=folder)
            output.unlink()
            name = f"tile {size} x {size} with the neighbourhood"
            for what, value, unit, other in (
                ("speed", pixels / looked["cpu"], "Mpx per CPU s", pixels / found["strips"]["cpu"]),
                ("peak memory", looked["peak"], "MiB", found["strips"]["peak"]),
            ):
                against = f"{other:.3g} with single pixels"
                rows.append({"name": f"{name}: {what}", "value": value, "unit": unit, "against": against})
            cold = {"name": f"{name}: the first time, with compiling", "value": pixels / first["cpu"]}
            rows.append({**cold, "unit": "Mpx per CPU s", "against": ""})
        for path in tile.iterdir():
            path.unlink()
        for name, value, unit, other in (
            ("speed", pixels / found["strips"]["cpu"], "Mpx per CPU s", whole and pixels / whole["cpu"]),
            ("speed", pixels / found["strips"]["wall"], "Mpx/s", whole and pixels / whole["wall"]),
            ("peak memory", found["strips"]["peak"], "MiB", whole and whole["peak"]),
            ("judged", 1e-4 * found["strips"]["judged"] / pixels, "%", None),
        ):
            against = "" if other is None else f"{other:.3g} in one go"
            rows.append(
                {"name": f"tile {size} x {size}: {name}", "value": value, "unit": unit, "against": against}
            )
    return rows


def smoothing(shapes=((400, 4800), (300, 300)), sigma=4.0, repeats=5):
    """Figures of one smoothed plane, held against SciPy's sums in double precision."""
    taps, rows = gaussian_taps(sigma), []
    for shape in shapes:
        plane = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        calls, taken = max(1, 2_000_000 // plane.size), ([], [])
        for _ in range(repeats):
            for smooth, seconds in zip((convolved, in_double), taken, strict=True):
                smooth(plane, taps)
                before = time.process_time()
                for _ in range(calls):
                    smooth(plane, taps)
                seconds.append((time.process_time() - before) / calls / plane.size * 1e9)
        wrong = np.abs(convolved(plane, taps) - in_double(plane, taps))
        assert (wrong <= 1e-6 * in_double(np.abs(plane), taps)).all()
        ours, theirs = map(min, taken)
        name = f"a plane of {shape[0]} x {shape[1]} smoothed, sigma {sigma:g}"
        against = f"{theirs:.3g} with SciPy in double precision"
        rows.append({"name": name, "value": ours, "unit": "ns a pixel", "against": against})
    return rows


def in_double(plane, taps):
    """A plane convolved by SciPy."""
    rows = correlate1d(plane, taps, axis=0, mode="constant", output=np.float32)
    return correlate1d(rows, taps, axis=1, mode="constant", output=np.float32)


def many(folder, model, images):
    """Figures of fields cut out of a tile and mapped: in this process, small and raw, and on workers."""
    tile, rows = make_tile(folder / "tile", 2400), []

    def mapped(side, name, serial=None, **options):
        rng, out = np.random.default_rng(2), folder / f"fields{len(rows)}"
        with open_large(tile, ("IE",)) as image:
            ra, dec = image.wcs.pixel_to_world_values(*rng.uniform(side / 2, 2400 - side / 2, (2, images)))
        fields = fields_of(tile, Table({"ra": ra, "dec": dec, "radius": np.full(images, side / 20)}))
        out.mkdir()
        before, began = cpu_seconds(), time.perf_counter()
        predict_many(model, fields, out, progress=False, **options)
        found = (cpu_seconds() - before) / images, (time.perf_counter() - began) / images
        for value, unit, other in zip(found, ("CPU s an image", "s an image"), serial or found, strict=True):
            against = "" if serial is None else f"{other:.3g} serial"
            title = f"{images} fields of {side} x {side}: {name}"
            rows.append({"name": title, "value": value, "unit": unit, "against": against})
        return found

    for side in (200, 600):
        mapped(side, "serial, raw", raw=True)
        serial = mapped(side, "serial")
    for workers in (1, 2) if find_spec("distributed") else ():
        mapped(side, f"workers {workers}, start included", serial, workers=workers)
    return rows


def cpu_seconds():
    """Of this process, and of those it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(sizes=(2400, 4800), jobs=1, images=24):
    """The figures as rows: name, value, unit, and what they are to be held against."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        around = folder / "around.asdf"
        model = make_model(folder / "model.asdf", around)
        rows = smoothing() + tiles(folder, model, sizes, jobs, around)
        return rows + (many(folder, model, images) if images else [])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:6], int(sys.argv[6]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("--sizes", nargs="*", type=int, default=[2400, 4800])
        parser.add_argument("--images", type=int, default=24, help="how many fields to map; 0 for none")
        parser.add_argument("--jobs", type=int, default=1, help="strips at a time")
        options = parser.parse_args()
        for row in main(options.sizes, options.jobs, options.images):
            print(f"{row['name']}: {row['value']:.3g} {row['unit']}  {row['against']}")

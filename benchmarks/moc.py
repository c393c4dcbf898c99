"""Time, memory and size of the coverage map (MOC) of a whole tile; quoted in docs/files.rst.

    python benchmarks/moc.py [--ellipses 1500] [--holes 0.1]

A file of one map as large as a Euclid tile is made, with values in ellipses at random places and, with
``--holes``, that fraction of single pixels without one. It needs 1.5 GB on the disk. The MOC is made from
the file as ``predict --moc`` does.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

SIZE = 19200  # pixels, of 0.1 arcsec: a tile of the MER mosaics
REACH = 280  # pixels: the largest ellipse


def make(path, ellipses, holes):
    """Write the file of maps; how many pixels have a value comes back."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [60, -48]
    wcs.wcs.crpix, wcs.wcs.cdelt = [SIZE / 2, SIZE / 2], np.array([-0.1, 0.1]) / 3600
    random = np.random.default_rng(1)
    values = np.full((SIZE, SIZE), np.nan, ">f4")
    y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    for _ in range(ellipses):
        radius, axis_ratio = random.uniform(50, REACH), random.uniform(0.3, 1)
        top, left = random.integers(0, SIZE - 2 * REACH - 1, 2)
        inside = x**2 + (y / axis_ratio) ** 2 < radius**2
        values[top : top + 2 * REACH + 1, left : left + 2 * REACH + 1][inside] = 1
    for row in values if holes else ():
        row[random.random(SIZE) < holes] = np.nan
    fits.PrimaryHDU(values, wcs.to_header()).writeto(path)
    return int(np.isfinite(values).sum())


def most():
    """The most memory that this process has had, in MiB (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1024


def measure(path):
    """Make the MOC in this process and print what it takes."""
    from euclid_resolved.io._moc import moc_of_file

    before = most()
    began = time.process_time()
    moc, _ = moc_of_file(path)
    seconds = time.process_time() - began
    # Pages of the file that are mapped, 1406 MiB of it, count here, and are given back when others need them.
    after = most()
    moc.save(path.with_name("moc.fits"))
    pixels = moc.sky_fraction * 4 * np.pi / np.radians(0.1 / 3600) ** 2
    size = path.with_name("moc.fits").stat().st_size / 1e6
    print(f"{seconds:.1f} CPU s, {before:.0f} MiB before, {after:.0f} MiB at most, {size:.1f} MB on disk")
    print(f"order {moc.max_order}, area of {pixels / 1e6:.3f} million pixels")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ellipses", type=int, default=1500)
    parser.add_argument("--holes", type=float, default=0.0)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maps.fits"
        print(
            f"{make(path, options.ellipses, options.holes) / 1e6:.3f} million pixels have a value", flush=True
        )
        # A process of its own: what making the file took does not count.
        subprocess.run([sys.executable, __file__, "--measure", path], check=True, env=os.environ)


if __name__ == "__main__":
    main()

"""What the paper's whole study takes at the size of the TNG50-SKIRT Atlas: small fits, and arithmetic.

python benchmarks/study.py [--workers N] [--pixels N]

Three mock galaxies of 1600 x 1600 pixels stand for the 1154 of the atlas, seen from five sides: links to the
same files, of which the forecast reads some. A galaxy counts with the 61,630 pixels that the paper's have
above the clip on average (71.1 million of 1154). Nothing is trained but the small fits of the forecast.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from euclid_resolved import make_atlas
from euclid_resolved.study import _clock, read_study
from euclid_resolved.study._clock import forecast, said_of
from euclid_resolved.study._cost import measure_size
from euclid_resolved.study._runner import Runner

GALAXIES, SIDES = 1154, 5  # of the TNG50-SKIRT Atlas
MADE = 3
PIXELS = 61_630  # above the clip, of a galaxy of the paper


def linked_atlas(folder, pixels):
    """An atlas of that size, all of whose files are links to those of a few galaxies."""
    made = make_atlas(folder / "made", MADE, pixels=pixels, progress=False)
    planes = sorted(made.glob("TNG*_O5_*.fits"))
    atlas = folder / "atlas"
    atlas.mkdir()
    for number in range(1, GALAXIES + 1):
        own = f"TNG{(number - 1) % MADE + 1:06d}_O5"
        for path in (path for path in planes if path.name.startswith(own) and "nodust" not in path.name):
            for side in range(1, SIDES + 1):
                name = path.name.replace(own, f"TNG{number:06d}_O{side}")
                (atlas / name).symlink_to(path)
    return atlas


def size_of_the_paper(runner):
    """What is measured of a few galaxies, with the paper's number of pixels."""
    size, pixels = measure_size(runner)
    n, m = len(runner.training), len(runner.test)
    return replace(size, training=PIXELS * n, test=PIXELS * m), pixels


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--workers", type=int, default=16)
    words.add_argument("--pixels", type=int, default=1600, help="a side")
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        atlas = linked_atlas(Path(folder), options.pixels)
        runner = Runner(read_study("paper"), atlas, Path(folder) / "study", print)
        began, _clock.measure_size = time.process_time(), size_of_the_paper
        expected = forecast(runner, options.workers)
        print("\n".join(expected.parts.pformat(max_width=-1, max_lines=-1)))
        print("\n".join(said_of(expected, runner, options.workers)))
        hours = expected.parts["CPU minutes"].sum() / 60
        print(f"{hours:.1f} CPU hours, and {expected.reading / 3600:.1f} to read pixels", end="; ")
        print(f"the forecast itself took {time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    sys.exit(main())

"""Are the errors that the comparison of two maps tells those of many such comparisons?

    python comparison_errors.py

Two maps of one disc, 96 x 96 pixels, differ by 0.05 dex of noise that was smoothed by a Gaussian of 0, 1.5
or 4 pixels. Printed is, for 100 such pairs, how far their offsets scatter, and the mean of the errors that
``euclid_resolved.diagnostics.compare_maps`` tells.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from euclid_resolved import SpatialMap
from euclid_resolved.diagnostics import compare_maps

SIDE, PAIRS, NOISE = 96, 100, 0.05


def main():
    rng = np.random.default_rng(0)
    y, x = np.indices((SIDE, SIDE)) - SIDE / 2
    name, disc = "stellar_mass_density", 3 - np.hypot(x, y) / 30
    maps = {name: SpatialMap(10**disc, property=name)}
    for smoothing in (0, 1.5, 4):
        offsets, errors = [], []
        for _ in range(PAIRS):
            noise = rng.normal(0, 1, disc.shape)
            noise = gaussian_filter(noise, smoothing, mode="wrap") if smoothing else noise
            other = {name: SpatialMap(10 ** (disc + NOISE * noise / noise.std()), property=name)}
            row = compare_maps(maps, other, bootstrap=50, bin_width="100 pix")["pixels"][0]
            offsets.append(row["offset"].value)
            errors.append(row["offset_error"].value)
        true, told = np.std(offsets, ddof=1), np.mean(errors)
        print(f"smoothed by {smoothing} pixels: scatter {true:.5f}, told {told:.5f}, ratio {told / true:.2f}")


if __name__ == "__main__":
    main()

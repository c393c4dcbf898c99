"""How much libraries of stellar populations differ from the shipped one, and passbands from ours.

    euclid-resolved populations make popstar -o popstar.ecsv
    python benchmarks/populations.py popstar.ecsv ...

The second table is printed where speclite is installed.
"""

import sys

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.mock._make_populations import band_luminosity
from euclid_resolved.mock._population_names import find_populations
from euclid_resolved.mock._populations import luminosity

BANDS = ("IE", "YE", "JE", "HE")
RANGES = ((0.001, 0.1), (0.1, 0.3), (0.3, 2.0), (2.0, 13.2))  # Gyr
METALLICITIES = np.array([0.004, 0.008, 0.02, 0.03])


def spread(name):
    """Print the largest factor in light per formed mass, where it is, and the median."""
    ages = 10 ** np.linspace(-3, 1.12, 83)
    ratio = luminosity(ages[:, None], METALLICITIES, find_populations(name))
    ratio = ratio[..., : len(BANDS)] / luminosity(ages[:, None], METALLICITIES)
    for young, old in RANGES:
        there = (ages >= young) & (ages <= old)
        for band, plane in zip(BANDS, np.moveaxis(ratio[there], -1, 0), strict=True):
            i, j = np.unravel_index(np.argmax(abs(np.log(plane))), plane.shape)
            print(
                f"{name} {young}-{old} Gyr {band}: {plane[i, j]:.2f} at {ages[there][i]:.2g} Gyr, "
                f"Z {METALLICITIES[j]:g}; median {np.median(plane):.2f}"
            )


def passbands():
    """Print magnitudes with speclite's curves minus those with ours, for spectra that are easily made."""
    wavelength = np.arange(4000.0, 24000.0, 2.0)
    for power in (-3.0, -2.0, -1.0, 0.0):
        flux = (wavelength / 1e4) ** power
        shown = []
        for band in BANDS[1:]:
            measured, ours = (band_luminosity(wavelength, flux, band, k) for k in ("speclite", "analytic"))
            shown.append(f"{band} {-2.5 * np.log10(measured / ours):.4f}")
        print(f"f_lambda as lambda^{power:g}: {', '.join(shown)}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        spread(name)
    try:
        passbands()
    except InputError as error:
        print(error)

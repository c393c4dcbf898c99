"""Pivot, edges and extinction coefficient of bands from their transmission curves.

The numbers of the ground-based bands in ``euclid_resolved/images/`` are what this prints. Needs speclite 1.0
(the curves) and dust_extinction (the law of Fitzpatrick 1999, PASP 111, 63, R_V = 3.1, with its spline).

- pivot: sqrt(int T lambda dlambda / int T dlambda / lambda), T the photon transmission;
- edges: the outermost wavelengths of half the largest transmission, between samples by a straight line;
- A / E(B-V): for a spectrum with flat f_nu, in the limit of little dust:
  int k T dlambda / lambda over int T dlambda / lambda, k = A(lambda) / E(B-V).

Run it as ``python benchmarks/bands.py [NAME ...]``: names of bands or of filters of speclite, or files of two
columns (Angstrom, transmission) with ``#`` before comments. Without any, it goes through all built-in bands
and says where what is built in differs from what it finds.

Of Euclid what is built in is of the true curves, what this finds of the analytic ones: the pivot of IE
differs by 5 Angstrom and its A / E(B-V) by 0.005, NISP's by up to 6 Angstrom and 0.001.
"""

from __future__ import annotations

import sys
from pathlib import Path

import astropy.units as u
import numpy as np

R_V = 3.1


def measure(wavelength, transmission):
    """Pivot and edges in Angstrom, and A / E(B-V)."""
    from dust_extinction.parameter_averages import F99

    # Finer than any structure of a curve or of the law.
    fine = np.arange(wavelength[0], wavelength[-1] + 0.5)
    transmission = np.interp(fine, wavelength, transmission)
    photons = np.trapezoid(transmission / fine, fine)
    pivot = np.sqrt(np.trapezoid(transmission * fine, fine) / photons)
    above = np.flatnonzero(transmission >= transmission.max() / 2)
    curve = F99(Rv=R_V)(fine * u.AA) * R_V
    extinction = np.trapezoid(curve * transmission / fine, fine) / photons
    return pivot, fine[above[0]], fine[above[-1]], extinction


def curve(passband):
    """Wavelength in Angstrom and transmission of what `Band.passband` holds."""
    if isinstance(passband, str) and Path(passband).is_file():
        return np.loadtxt(passband, unpack=True)
    if not isinstance(passband, str):
        wavelength, transmission = passband
        return wavelength.to_value(u.AA), np.asarray(transmission, float)
    from speclite.filters import load_filter

    found = load_filter(passband)
    return np.asarray(found.wavelength, float), np.asarray(found.response, float)


def main():
    from euclid_resolved import BANDS

    print(f"{'band':<18} {'passband':<18} {'pivot':>7} {'blue':>7} {'red':>7} {'A/E(B-V)':>9}")
    for name in sys.argv[1:] or BANDS:
        band = BANDS[name] if name in BANDS else None
        passband = name if band is None else band.passband
        pivot, blue, red, extinction = measure(*curve(passband))
        source = passband if isinstance(passband, str) else "analytic"
        source = "file" if Path(source).is_file() else source
        line = f"{Path(name).name:<18} {source:<18} {pivot:7.0f} {blue:7.0f} {red:7.0f} {extinction:9.3f}"
        if band is not None:
            built_in = [band.pivot.to_value(u.AA), *band.edges.to_value(u.AA), band.extinction]
            pairs = zip(built_in, (pivot, blue, red, extinction), (1, 2, 2, 0.001), strict=True)
            if any(x is not None and abs(x - y) > limit for x, y, limit in pairs):
                line += f"  built in: {' '.join(f'{x:g}' for x in built_in if x is not None)}"
        print(line)


if __name__ == "__main__":
    main()

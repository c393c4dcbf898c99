"""The bands of the Vera C. Rubin Observatory's LSST camera.

The curves are those of 2023 in speclite 1.0, with the atmosphere; pivots, edges and extinction coefficients
are computed from them (``benchmarks/bands.py``). The atlas has these bands under the same names. PSF and
noise depend on the year of the survey: they are the user's.
"""

from __future__ import annotations

import astropy.units as u

from euclid_resolved.images._band import Band


def _band(letter, pivot, edges, extinction):
    return Band(
        f"LSST_{letter}",
        pivot * u.AA,
        edges * u.AA,
        f"lsst2023-{letter}",
        extinction=extinction,
        atlas=f"LSST_{letter}",
        aliases=(f"{letter}_lsst", f"rubin_{letter}", f"{letter}_ext_lsst"),
        detector_pixel=0.2 * u.arcsec,  # Ivezic et al. 2019 (ApJ 873, 111)
    )


LSST = (
    _band("u", 3716, (3493, 3956), 4.688),
    _band("g", 4787, (4027, 5512), 3.705),
    _band("r", 6208, (5500, 6899), 2.583),
    _band("i", 7549, (6923, 8209), 1.902),
    _band("z", 8674, (8182, 9222), 1.501),
    _band("y", 9746, (9249, 10111), 1.228),
)
"""From blue to red."""

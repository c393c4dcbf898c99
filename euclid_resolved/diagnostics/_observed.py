"""An observed resolved mass-metallicity relation that comes with its values: CALIFA at one effective radius.

The values were measured for this package in a public table: ``get_proc_elines_CALIFA.fixheader.csv`` of the
distribution edge_pydb 1.7.1 (PyPI; BSD or MIT licence; the EDGE-CALIFA collaboration), results of Pipe3D
(Sanchez et al. 2016) for the galaxies of CALIFA. ``tests/data/make_califa.py`` measures it. Galaxies are
those with a log10 mass between 8 and 12.5 and a quality flag of 0. The flags in edge_pydb's
``ecalifa_global.csv`` leave 467 galaxies: the bins, and the light-weighted lines by mass, are of these. The
mass-weighted lines by mass, and the errors of all lines by mass, were measured with the earlier flags of its
``QC_v2.3.csv``, transcribed, which leave 475 galaxies. The light-weighted lines of the 475 lie within 0.01
dex of those of the 467 at the pivot, and are steeper by 0.02 to 0.03. Each galaxy counts once, with the
density and the metallicity that Pipe3D gives at its effective radius. So this is no published fit, and it is
not about pixels: in a single galaxy of the sample metallicity rises by 0.06 to 0.07 dex for each dex of
density.

Densities and masses are for Salpeter's IMF. [Z/H] is in units of 0.02: this was verified for the
light-weighted column, on one galaxy, and is assumed for the mass-weighted one. The grid of populations
behind it ends at -0.73 and +0.20. The zero point of the densities is uncertain by 0.3 dex.
"""

from __future__ import annotations

import numpy as np

from euclid_resolved.diagnostics._relations import Relation

_REFERENCE = "measured in the table of Pipe3D (Sanchez et al. 2016) that edge_pydb 1.7.1 distributes"
_SAMPLE = "467 galaxies of CALIFA, each at one effective radius"
_SAMPLE_BY_MASS = f"{_SAMPLE}; 475 in the lines by mass"

# log10 of density [Msun/pc2] (median of the bin), then of the metallicity: median, its error, 16th and 84th
# percentile.
_LIGHT = np.array([
    (1.38, -0.265, 0.017, -0.311, -0.192),
    (1.70, -0.255, 0.020, -0.315, -0.190),
    (1.90, -0.262, 0.017, -0.330, -0.159),
    (2.12, -0.196, 0.012, -0.289, -0.099),
    (2.39, -0.138, 0.021, -0.245, -0.005),
    (2.64, -0.086, 0.021, -0.265, 0.054),
    (2.86, -0.028, 0.017, -0.233, 0.076),
    (3.06, -0.042, 0.046, -0.193, 0.065),
])  # fmt: skip
_MASS = np.array([
    (1.38, -0.252, 0.039, -0.371, -0.163),
    (1.70, -0.285, 0.031, -0.399, -0.152),
    (1.90, -0.266, 0.022, -0.392, -0.091),
    (2.12, -0.157, 0.020, -0.332, -0.029),
    (2.39, -0.070, 0.015, -0.235, 0.030),
    (2.64, -0.051, 0.017, -0.253, 0.070),
    (2.86, -0.002, 0.016, -0.215, 0.100),
    (3.06, -0.017, 0.033, -0.189, 0.079),
])  # fmt: skip

# Limits of the log10 mass of galaxies, a log10 of density, then the metallicity there and the slope of a
# straight line, each with its error by drawing galaxies again. Of the 467 galaxies, with errors of the 475:
_LIGHT_BY_MASS = np.array([
    (9.0, 10.0, 2.25, -0.265, 0.01, 0.00, 0.03),
    (10.0, 10.5, 2.25, -0.221, 0.01, 0.03, 0.03),
    (10.5, 11.0, 2.25, -0.141, 0.01, 0.07, 0.02),
    (11.0, 12.0, 2.25, -0.081, 0.01, 0.12, 0.03),
])  # fmt: skip
# Of the 475:
_MASS_BY_MASS = np.array([
    (9.0, 10.0, 2.25, -0.31, 0.02, 0.03, 0.04),
    (10.0, 10.5, 2.25, -0.22, 0.01, 0.05, 0.04),
    (10.5, 11.0, 2.25, -0.10, 0.01, 0.07, 0.03),
    (11.0, 12.0, 2.25, -0.05, 0.01, 0.13, 0.03),
])  # fmt: skip


def _califa(name, weighting, bins, by_mass, sample):
    density, metallicity, error, p16, p84 = bins.T
    return Relation(
        name,
        _REFERENCE,
        weighting,
        "Salpeter",
        0.02,
        log_density=density,
        log_metallicity=metallicity,
        log_metallicity_p16=p16,
        log_metallicity_p84=p84,
        sample=sample,
        log_metallicity_error=error,
        density_error=0.3,
        by_mass=by_mass,
    )


OBSERVED_RELATIONS = {
    relation.name: relation
    for relation in (
        _califa("CALIFA Re", "mass", _MASS, _MASS_BY_MASS, _SAMPLE_BY_MASS),
        _califa("CALIFA Re, light", "light", _LIGHT, _LIGHT_BY_MASS, _SAMPLE),
    )
}
"""Relations with values, by name, in the conventions that they were measured in."""

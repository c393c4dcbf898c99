"""The broad filters of JWST's NIRCam below 2.4 micrometres, as an instrument."""

import astropy.units as u

from euclid_resolved.images import Band
from euclid_resolved.plugins import hookimpl

# Pivot, wavelengths of half transmission (Angstrom) and A / E(B-V), from the mean curves of both modules of
# May 2024 in the package astro-sedpy 0.4.1, by benchmarks/bands.py of euclid_resolved.
FILTERS = {
    "F090W": (9024, 7952, 10050, 1.416),
    "F115W": (11541, 10131, 12815, 0.926),
    "F150W": (15009, 13315, 16683, 0.600),
    "F200W": (19876, 17554, 22274, 0.395),
}


def passband(blue, red):
    """A trapezoid between the edges: its pivot lies up to 0.8 % below that of the curve.

    Whoever has the curve gives it instead: wavelengths with their unit, and the transmission at each.
    """
    slope = 0.01 * (blue + red) / 2
    return [blue - slope / 2, blue + slope / 2, red - slope / 2, red + slope / 2] * u.AA, [0, 1, 1, 0]


def band(name, pivot, blue, red, extinction):
    """PSF and noise depend on how a mosaic was made: they are left to whoever has one."""
    return Band(
        f"NIRCAM_{name}",
        pivot * u.AA,
        [blue, red] * u.AA,
        passband(blue, red),
        extinction=extinction,
        aliases=(f"jwst_{name.lower()}", f"{name.lower()}_nircam"),
        detector_pixel=0.031 * u.arcsec,  # Rieke et al. 2023 (PASP 135, 028001)
    )


@hookimpl
def register_instruments():
    """NIRCam, from blue to red."""
    return {"nircam": [band(name, *numbers) for name, numbers in FILTERS.items()]}

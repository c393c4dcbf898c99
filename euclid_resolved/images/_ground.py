"""The ground-based bands that MER puts beside Euclid's: MegaCam, HSC, Pan-STARRS and DECam.

The curves are those of speclite 1.0, and pivots, edges and extinction coefficients are computed from them
(``benchmarks/bands.py``). The widths of PSFs were measured on the stamps of one public Q1 cut-out (a Gaussian
fitted to the core), and the sky is the median of its rms planes: one place of the sky, as a start. These rms
planes hold no photons of sources, hence no gain. Bands that it does not have get neither. The names of the
mosaics are those of the Q1 archives at IRSA and ESA.
"""

from __future__ import annotations

import astropy.units as u

from euclid_resolved.images._band import Band


def _bands(instrument, survey, pixel, speclite, *rows):
    """The bands of a camera; MER names mosaics after the survey, and its catalogues say ``g_ext_decam``."""
    made = []
    for letter, pivot, edges, extinction, fwhm, sky in rows:
        names = instrument.lower(), survey.lower()
        aliases = [f"{letter}_{name}" for name in dict.fromkeys(names)] + [f"{letter}_ext_{names[0]}"]
        made.append(
            Band(
                f"{instrument}_{letter}",
                pivot * u.AA,
                edges * u.AA,
                f"{speclite}-{letter}",
                None if fwhm is None else fwhm * u.arcsec,
                extinction,
                mer=f"{survey}-{letter.upper()}",
                aliases=tuple(aliases),
                sky_rms=None if sky is None else sky * u.MJy / u.sr,
                detector_pixel=pixel * u.arcsec,
            )
        )
    return tuple(made)


# Sides of detector pixels: Boulade et al. 2003 (SPIE 4841, 72); Miyazaki et al. 2018 (PASJ 70, S1);
# Chambers et al. 2016 (arXiv:1612.05560); Flaugher et al. 2015 (AJ 150, 150).
MEGACAM = _bands(
    "MEGACAM", "CFIS", 0.187, "cfht_megacam",
    ("u", 3676, (3459, 3974), 4.729, 0.91, 0.0313),
    ("r", 6383, (5665, 7142), 2.480, 0.73, 0.0194),
)  # fmt: skip
HSC = _bands(
    "HSC", "WISHES", 0.168, "hsc2017",
    ("g", 4791, (4077, 5459), 3.698, 0.74, 0.00496),
    ("z", 8903, (8527, 9296), 1.432, 0.56, 0.0318),
)  # fmt: skip
PANSTARRS = _bands(
    "PANSTARRS", "PANSTARRS", 0.258, "panstarrs",
    ("i", 7535, (6901, 8197), 1.907, None, None),
)  # fmt: skip
DECAM = _bands(
    "DECAM", "DES", 0.263, "decamDR1",
    ("g", 4809, (4176, 5474), 3.682, None, None),
    ("r", 6418, (5672, 7155), 2.460, None, None),
    ("i", 7815, (7081, 8561), 1.799, None, None),
    ("z", 9169, (8494, 9965), 1.367, None, None),
)  # fmt: skip

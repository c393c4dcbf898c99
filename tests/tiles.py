"""A tile of the survey in miniature."""

import numpy as np
from astropy.io import fits
from helpers import brightness, sky_wcs

SHAPE = (41, 37)
FILES = {"IE": "VIS", "YE": "NIR-Y", "JE": "NIR-J", "HE": "NIR-H"}
ONE_COUNT = 2.35044e-13  # sr: of a pixel


def make_tile(folder, seed=0, gap=None, kind=fits.PrimaryHDU):
    """A MER tile in miniature: a galaxy's light, sky below it, and every kind of bad pixel."""
    folder.mkdir()
    light, rng = brightness(SHAPE, seed), np.random.default_rng(seed)
    header = sky_wcs(SHAPE).to_header()
    header["MAGZERO"] = 25.0
    factor = 3631e-6 * 10 ** (-0.4 * 25.0) / ONE_COUNT
    for band, name in FILES.items():
        data = light[band] / factor
        noise = (0.03 * np.median(data) * rng.uniform(0.8, 1.2, SHAPE)).astype(np.float32)
        data[:20, :30] = rng.normal(0, 1, (20, 30)) * noise[:20, :30]
        data[25, 3], data[26, 4], data[27, 5] = np.nan, -1, 0
        noise[30, 6], noise[31, 7], noise[32] = 1e16, np.nan, 1e8  # absurd: a million times the median
        if band == gap:
            data[35:] = np.nan
        flag = np.zeros(SHAPE, np.int32)
        flag[33, ::3] = 4
        end = "TILE102-AB_20250101T000000.0Z_00.00.fits"
        cards = header.copy()
        cards["FILTER"] = name.replace("-", "_")
        for path, plane in (
            (f"EUC_MER_BGSUB-MOSAIC-{name}_{end}", data.astype(np.float32)),
            (f"EUC_MER_MOSAIC-{name}-RMS_{end}", noise),
            (f"EUC_MER_MOSAIC-{name}-FLAG_{end}", flag),
        ):
            kind(plane, cards).writeto(folder / path)
    return folder

"""Write the golden files: what a version of the package wrote, for all later ones to open.

    python tests/data/make_golden.py tests/data/0.1.0-newest

Run once for a released file version, with the oldest and with the newest supported libraries. The files
are never written again: a change that cannot open them breaks the files of users.
"""

import json
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.wcs import WCS

from euclid_resolved import (
    Galaxy,
    LinearRegression,
    MultiBandImage,
    RandomForest,
    SpatialMap,
    train,
    write,
)

PROPERTIES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
# Pixels whose estimates are kept beside the models, MJy/sr.
PIXELS = {
    "IE": [0.01, 0.05, 0.3, 1.1],
    "YE": [0.02, 0.08, 0.5, 1.9],
    "JE": [0.025, 0.1, 0.6, 2.4],
    "HE": [0.03, 0.12, 0.8, 3.1],
}


def galaxy(i, n=24):
    """A galaxy whose light and truth follow from its number alone."""
    rng = np.random.default_rng(i)
    y, x = np.mgrid[:n, :n] - n / 2
    density = 10 ** (3 - np.hypot(x, y) / 8 + 0.2 * rng.normal(size=(n, n)))
    metallicity = 0.02 * (density / 100) ** 0.1 * 10 ** (0.05 * rng.normal(size=(n, n)))
    age = 6 * 10 ** (0.1 * rng.normal(size=(n, n)))
    bands = {}
    for k, band in enumerate(("IE", "YE", "JE", "HE")):
        light = (
            density * 0.006 * (age / 6) ** -0.6 * 10 ** (-0.12 * (3 - k)) * (metallicity / 0.02) ** (k / 10)
        )
        error = StdDevUncertainty((0.05 * light).astype("f4"))
        bands[band] = NDData(light.astype("f4"), unit=u.MJy / u.sr, uncertainty=error, wcs=sky(n))
    truth = zip(PROPERTIES, (density, metallicity, age), strict=True)
    maps = {name: SpatialMap(values.astype("f4"), property=name) for name, values in truth}
    return Galaxy(f"G{i}", MultiBandImage(bands, name=f"G{i}"), maps)


def sky(n):
    """A celestial WCS."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (63.25, -49.5), (n / 2, n / 2), (-2.8e-5, 2.8e-5)
    wcs.array_shape = (n, n)
    return wcs


def main(folder):
    """Write models, an image, maps and the estimates they should give."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    galaxies = [galaxy(i) for i in range(5)]
    estimates = {}
    for name, estimator in (("linear", LinearRegression()), ("forest", RandomForest(n_trees=4))):
        how = {"features": ("bands", "colours"), "chain": name == "forest"}
        model = train(galaxies[:4], "all", estimator, source="golden", **how)
        write(folder / f"{name}.asdf", model)
        estimates[name] = {p: model.estimate(PIXELS, p).tolist() for p in PROPERTIES}
    image = galaxies[4].image
    maps = model.predict_maps(image)
    write(folder / "image.asdf", image)
    write(folder / "maps.asdf", maps)
    write(folder / "maps.fits", maps)
    estimates["versions"] = model.versions
    estimates["median"] = {name: float(np.nanmedian(map_.data)) for name, map_ in maps.items()}
    (folder / "expected.json").write_text(json.dumps(estimates, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

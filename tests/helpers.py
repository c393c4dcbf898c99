"""Synthetic images and galaxies whose truth follows from their brightness by a known law."""

import warnings
from pathlib import Path

import asdf
import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.wcs import WCS

from euclid_resolved import EUCLID_BANDS, Galaxy, MultiBandImage, SpatialMap
from euclid_resolved.io.asdf._files import strict_config
from euclid_resolved.io.asdf._scan import TAG_BASE
from euclid_resolved.io.asdf._tree import checksums, plain

ROOT = Path(__file__).parents[1]
"""The project's folder."""

SHARED = ROOT.parent / "shared" / "data"
"""Real cut-outs that lie beside the project; tests that use them are skipped where they do not."""

UNIT = u.MJy / u.sr
NAMES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")


def sky_wcs(shape, shift=0.0):
    """A gnomonic projection with pixels of 0.1 arcsec, turned by 20 degrees; `shift` pixels along x."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 63.5, -49.25
    wcs.wcs.crpix = (shape[1] + 1) / 2 + shift, (shape[0] + 1) / 2
    turn = np.deg2rad(20)
    wcs.wcs.cd = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * 0.1 / 3600
    wcs.array_shape = shape
    return wcs


def brightness(shape=(12, 14), seed=0, faintest=0.05, brightest=5.0):
    """Surface brightness in the four bands, MJy/sr: brightness and one colour vary from pixel to pixel."""
    rng = np.random.default_rng(seed)
    log_he = rng.uniform(np.log10(faintest), np.log10(brightest), shape)
    colour = rng.uniform(0.5, 1.5, shape)  # IE-HE, mag
    noise = rng.normal(0, 0.01, (2, *shape))
    bands = {
        "IE": log_he - 0.4 * colour,
        "YE": log_he - 0.16 * colour + noise[0],
        "JE": log_he - 0.08 * colour + noise[1],
        "HE": log_he,
    }
    return {band: (10**dex).astype(np.float32) for band, dex in bands.items()}


def image_of(bands, *, unit=UNIT, wcs=None, masks=None, sigma=None, name="field", **options):
    """An image of plain arrays; `sigma` is the noise of every pixel of every band."""
    masks, made = masks or {}, {}
    for band, data in bands.items():
        error = None if sigma is None else StdDevUncertainty(np.full(np.shape(data), sigma, np.float32))
        made[band] = NDData(data, unit=unit, wcs=wcs, mask=masks.get(band), uncertainty=error)
    return MultiBandImage(made, name=name, **options)


def an_image(shape=(12, 14), seed=0, *, bands=EUCLID_BANDS, **options):
    """An image in some of the bands, in the order asked for."""
    light = brightness(shape, seed)
    return image_of({band: light[band] for band in bands}, **options)


def true_dex(light):
    """The truth of `brightness` in dex: linear in the logarithms of IE and HE."""
    colour = -2.5 * (np.log10(light["IE"]) - np.log10(light["HE"]))
    return {
        "stellar_mass_density": np.log10(light["HE"]) + 1.7 + 0.2 * colour,
        "stellar_metallicity": -2.5 + 0.3 * np.log10(light["HE"]) + 0.4 * colour,
        "stellar_age": 0.3 + 0.5 * colour,
    }


def galaxy(number, shape=(12, 14), *, star_forming=None, properties=NAMES):
    """A galaxy with known truth."""
    light = brightness(shape, seed=number)
    dex = true_dex(light)
    maps = {name: SpatialMap((10 ** dex[name]).astype(np.float32), property=name) for name in properties}
    return Galaxy(f"G{number:03d}", image_of(light, name=f"G{number:03d}"), maps, star_forming=star_forming)


def galaxies(n=6, **options):
    """Several of them, G001 onwards."""
    return [galaxy(number, **options) for number in range(1, n + 1)]


def density_map(values, **options):
    """A map of stellar mass density."""
    return SpatialMap(np.asarray(values, np.float32), property="stellar_mass_density", **options)


def messages(function, category):
    """What `function` returns, and the warnings of a category that it gave, as text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function()
    return result, [str(w.message) for w in caught if issubclass(w.category, category)]


def write_tree(path, tree):
    """A model file with sums that fit, whatever the tree holds."""
    tree = plain(tree, "model")
    node = asdf.tagged.TaggedDict({**tree, "checksums": checksums(tree)}, TAG_BASE + "model-1.0.0")
    with strict_config():
        asdf.AsdfFile({"model": node}).write_to(path)

"""Galaxies with a shape, noise and known truth, for models that look around a pixel."""

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved import EUCLID_BANDS, Galaxy, MultiBandImage, SpatialMap

FEATURES = ("bands", "neighbourhood")
PAIR = ("stellar_mass_density", "stellar_age")
WIDE = np.array([[0.1, 0.3, 0.1], [0.3, 1.0, 0.3], [0.1, 0.3, 0.1]])
"""How the noise of an image is correlated whose pixels share half of it with their neighbours."""


def true_light(number, side=40):
    """A disc that turns redder inwards, with knots, in MJy/sr by band; its density and age in dex."""
    rng, (y, x) = np.random.default_rng([number, 1]), np.mgrid[:side, :side] - side / 2
    radius = np.hypot(y + rng.normal(), x + rng.normal()) / side
    density = 2.8 - 3.5 * radius + 0.1 * rng.standard_normal((side, side))
    age = 0.7 - 0.6 * radius
    light = {
        band: 10 ** (density - 1.7 - 0.1 * k - 0.3 * age * (3 - k) / 3) for k, band in enumerate(EUCLID_BANDS)
    }
    return light, dict(zip(PAIR, (density, age), strict=True))


def observed(light, noise, rng, *, correlation=None, kind="f4", name="field", **options):
    """An image of the light with noise, which it knows."""
    meta = {} if correlation is None else {"noise": {"correlation": correlation}}
    bands = {}
    for band, values in light.items():
        plane = rng.standard_normal(values.shape)
        if correlation is not None:
            from scipy.ndimage import correlate

            from euclid_resolved.models._scatter import correlating_kernel

            plane = correlate(plane, correlating_kernel(correlation), mode="wrap")
        sigma = StdDevUncertainty(np.full(values.shape, noise, kind))
        data = (values + noise * plane).astype(kind)
        bands[band] = NDData(data, unit=u.MJy / u.sr, uncertainty=sigma, meta=dict(meta))
    return MultiBandImage(bands, name=name, **options)


def disc_galaxies(n=4, *, noise=0.1, side=40, first=0, **options):
    """Galaxies as they are observed with some noise, MJy/sr, and what is true of them."""
    made = []
    for number in range(first, first + n):
        light, dex = true_light(number, side)
        image = observed(light, noise, np.random.default_rng([number, 2]), name=f"S{number}", **options)
        maps = {name: SpatialMap((10**v).astype("f4"), property=name) for name, v in dex.items()}
        made.append(Galaxy(f"S{number}", image, maps, star_forming=bool(number % 2)))
    return made

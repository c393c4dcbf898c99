"""One mock galaxy: structure, star formation and enrichment histories, dust, and Monte-Carlo-like noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import gamma as gamma_function

from euclid_resolved.mock._population_tables import BANDS, UNIVERSE, attenuations, in_bands
from euclid_resolved.mock._populations import composite
from euclid_resolved.mock._systematics import draw_populations

if TYPE_CHECKING:
    from euclid_resolved.mock._settings import MockSettings

EDGES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0, 11.0, 13.2)
YOUNG = 5  # bins younger than 1 Gyr
BIRTH = 1  # bins younger than 10 Myr
REFERENCE_BRIGHTNESS = 0.0234  # MJy/sr in HE, where the noise is quoted
SOLAR_METALLICITY = 0.02


@dataclass(frozen=True)
class MockGalaxy:
    """Images, maps and global properties of one galaxy.

    Attributes
    ----------
    images, dust_free : ndarray, shape (bands, n, n), float32
        IE, YE, JE, HE and then the further bands in MJy/sr, with dust and noise, and with neither.
    stellarmass, dustmass : ndarray, shape (n, n), float32
        Current stellar mass (living stars and remnants) and dust, Msun/pc2.
    stellarage : ndarray, shape (n, n), float32
        Mean age weighted by current mass, Gyr.
    stellarmetallicity : ndarray, shape (n, n), float32
        Mean metal mass fraction weighted by current mass.
    pixel_scale : float
        Side of a pixel in pc.
    properties : dict
        ``stellar_mass_msun`` (within the field), ``gas_mass_msun``, ``dark_matter_mass_msun``,
        ``sfr_msun_per_year``, ``stellar_half_mass_radius_kpc``, ``quiescent``.
    """

    images: np.ndarray
    dust_free: np.ndarray
    stellarmass: np.ndarray
    stellarage: np.ndarray
    stellarmetallicity: np.ndarray
    dustmass: np.ndarray
    pixel_scale: float
    properties: dict[str, Any]


def build_galaxy(
    trait_rng: np.random.Generator,
    rng: np.random.Generator,
    pixels: int,
    settings: MockSettings,
    further: Mapping[str, np.random.Generator] | None = None,
) -> MockGalaxy:
    """Draw one galaxy.

    Every pixel is a sample of the model at its centre, not a mean over its area, so that the statistics of
    pixels do not depend on their number.

    Parameters
    ----------
    trait_rng, rng : `numpy.random.Generator`
        For the galaxy's global traits, and for its viewing angle and all that varies from pixel to pixel.
    pixels : int
        Side of the images.
    settings : MockSettings
    further : mapping of str to `numpy.random.Generator`, optional
        Bands beside Euclid's four, each with what its noise is drawn from: they change nothing else.

    Returns
    -------
    MockGalaxy
    """
    further = further or {}
    traits = _draw_traits(trait_rng, settings)
    # After the traits, which are therefore the same whatever the populations.
    populations = draw_populations(trait_rng, settings, (*BANDS, *further))
    traits |= dict(cosine=rng.random(), angle=rng.uniform(0, np.pi))
    # A large disc gets a larger field: ten scale lengths hold nearly all that is brighter than the clip.
    scale = max(settings.field_of_view, 10 * traits["disc_size"]) / pixels
    radius, arms, density = _structure(rng, pixels, scale, traits, settings)
    formed = _histories(rng, scale, radius, arms, density, traits, settings)
    total = formed.sum(axis=(0, 1))
    metallicity = _metallicities(rng, scale, total, traits, settings)
    # Euclid's bands by themselves, whatever else is asked for.
    euclid = in_bands(populations, BANDS)
    light, masses = _composites(formed, metallicity, euclid)
    zero: Any = 0.0
    mass, weighted_age, weighted_metal = zero, zero, zero
    ages = 0.5 * (np.array(EDGES[1:]) + np.array(EDGES[:-1]))
    for part_mass, part_metallicity in zip(masses, metallicity, strict=True):
        mass = mass + part_mass.sum(axis=0)
        weighted_age = weighted_age + ages @ part_mass
        weighted_metal = weighted_metal + (part_mass * 10**part_metallicity).sum(axis=0)
    # Empty pixels, far out, have age and metallicity 0, as in a projected simulation.
    some = np.maximum(mass, 1e-30)
    weighted_age, weighted_metal = weighted_age / some, weighted_metal / some
    dust = _dust_column(rng, scale, density, radius, weighted_metal, traits, settings)
    clear, dusty = [light.sum(axis=0)], [_attenuate(light, dust, attenuations(euclid), settings)]
    if further:
        others = in_bands(populations, tuple(further))
        light, _ = _composites(formed, metallicity, others)
        clear.append(light.sum(axis=0))
        dusty.append(_attenuate(light, dust, attenuations(others), settings))
    factors = _noise(rng, dusty[0][:, 3], traits, settings, further)
    noisy = np.concatenate(dusty, axis=1) * np.concatenate(factors, axis=1)
    shape = (pixels, pixels)
    area = (scale * 1000) ** 2
    properties = dict(
        stellar_mass_msun=mass.sum() * area,
        gas_mass_msun=traits["gas_fraction"] * mass.sum() * area,
        dark_matter_mass_msun=traits["dark_ratio"] * mass.sum() * area,
        # The last 100 Myr, three bins.
        sfr_msun_per_year=formed[:, :3].sum() * area / 1e8,
        stellar_half_mass_radius_kpc=_half_mass_radius(traits, scale * pixels / 2),
        quiescent=traits["quiescent"],
    )
    return MockGalaxy(
        images=noisy.T.reshape(-1, *shape).astype(np.float32),
        dust_free=np.concatenate(clear, axis=1).T.reshape(-1, *shape).astype(np.float32),
        stellarmass=mass.reshape(shape).astype(np.float32),
        stellarage=weighted_age.reshape(shape).astype(np.float32),
        stellarmetallicity=weighted_metal.reshape(shape).astype(np.float32),
        dustmass=dust.reshape(shape).astype(np.float32),
        pixel_scale=float(1000 * scale),
        properties=properties,
    )


def _composites(formed, metallicity, populations):
    """Light of all components together, (bins, n, bands), and the mass of each, (3, bins, n)."""
    light: Any = 0.0
    masses = []
    for part_formed, part_metallicity in zip(formed, metallicity, strict=True):
        part_light, part_mass = composite(part_formed, part_metallicity, EDGES, populations)
        light = light + part_light
        masses.append(part_mass)
    return light, masses


def _draw_traits(rng, settings):
    """Global traits of a galaxy, whichever way it is seen and however many pixels it has."""
    quiescent = bool(rng.random() < settings.quiescent_fraction)
    log_mass = 9.8 + min(rng.exponential(settings.mass_scale), 2.0) + 0.2 * quiescent
    normal = rng.standard_normal(10)
    size = np.log10(settings.disc_size) + settings.disc_size_slope * (log_mass - 10.3)
    size += settings.disc_size_scatter * normal[0]
    bulge = settings.bulge_fraction * (4 if quiescent else 1)
    bulge *= 10 ** (0.2 * (log_mass - 10.3) + 0.25 * normal[1])
    halo = settings.halo_fraction * 10 ** (0.15 * (log_mass - 10.3) + 0.2 * normal[2])
    disc_size = 10 ** (size - 0.1 * quiescent)
    return dict(
        quiescent=quiescent,
        log_mass=log_mass,
        disc_size=disc_size,
        bulge_size=disc_size * settings.bulge_size * 10 ** (0.1 * normal[3]),
        halo_size=disc_size * settings.halo_size,
        bulge=min(bulge, 0.55),
        halo=min(halo, 0.4),
        timescale=settings.disc_timescale * 10 ** (settings.disc_timescale_scatter * normal[4]),
        young=10 ** (settings.young_galaxy_scatter * normal[5]),
        metallicity=settings.metallicity_galaxy_scatter * normal[6],
        dust=10 ** (settings.dust_galaxy_scatter * normal[7]),
        noise=10 ** (settings.noise_galaxy_scatter * normal[8]),
        quench=rng.uniform(1.0, 6.0),
        arm_phase=rng.uniform(0, 2 * np.pi),
        pitch=np.deg2rad(rng.uniform(12, 28)),
        arm_number=2 + 2 * (rng.random() < 0.3),
        gas_fraction=(0.03 if quiescent else 0.3) * 10 ** (0.2 * normal[9]),
        # Placeholder of the sample table: nothing else depends on it.
        dark_ratio=30.0,
    )


def _sersic(radius, effective, index):
    """Sersic profile of unit total (per kpc2), b = 2 n - 1/3 (Ciotti & Bertin 1999, leading terms)."""
    b = 2 * index - 1 / 3
    total = 2 * np.pi * index * effective**2 * b ** (-2 * index) * gamma_function(2 * index)
    return np.exp(-b * (radius / effective) ** (1 / index)) / total


def _half_mass_radius(traits, edge):
    """Radius in kpc that holds half of the mass seen face-on out to `edge`."""
    radius = np.linspace(0, edge, 2000)
    profile = (1 - traits["bulge"] - traits["halo"]) * _sersic(radius, 1.678 * traits["disc_size"], 1.0)
    profile += traits["bulge"] * _sersic(radius, traits["bulge_size"], 2.0)
    profile += traits["halo"] * _sersic(radius, traits["halo_size"], 1.5)
    cumulative = np.cumsum(profile * radius)
    return float(np.interp(0.5 * cumulative[-1], cumulative, radius))


def _field(rng, pixels, scale, length):
    """Gaussian random field of unit variance, half white, half smoothed over `length` kpc: (pixels**2,)."""
    white, smooth = rng.standard_normal((2, pixels, pixels))
    sigma = length / scale
    if sigma > 0.3:
        smooth = gaussian_filter(smooth, sigma, mode="wrap")
        smooth /= smooth.std()
    return (np.sqrt(0.5) * (white + smooth)).ravel()


def _structure(rng, pixels, scale, traits, settings):
    """Radius in the disc [kpc], arm pattern (-1 to 1) and formed mass [Msun/pc2] of disc, bulge, halo."""
    axis = (np.arange(pixels) - (pixels - 1) / 2) * scale
    x, y = np.meshgrid(axis, axis)
    cosine, sine = np.cos(traits["angle"]), np.sin(traits["angle"])
    x, y = (x * cosine + y * sine).ravel(), (y * cosine - x * sine).ravel()
    # An exponential disc of finite thickness seen at an angle: the usual oblate axis ratio, thickness 0.2.
    thickness = 0.2
    ratio = np.sqrt(traits["cosine"] ** 2 + thickness**2 * (1 - traits["cosine"] ** 2))
    radius = np.hypot(x, y / ratio)
    azimuth = np.arctan2(y / ratio, x)
    turn = np.log(np.maximum(radius, 0.3) / traits["disc_size"]) / np.tan(traits["pitch"])
    arms = np.cos(traits["arm_number"] * (azimuth - turn) + traits["arm_phase"])
    arms *= np.clip(radius / traits["disc_size"] - 0.5, 0, 1) * (0.3 if traits["quiescent"] else 1)
    # Half of the formed mass is given back: a factor of 1.75 keeps the current mass near the one drawn.
    formed = 1.75 * 10 ** traits["log_mass"] / 1e6
    round_radius = np.hypot(x, y / np.sqrt(0.4 + 0.6 * ratio**2))
    disc = 1 - traits["bulge"] - traits["halo"]
    density = formed * np.array(
        [
            disc * _sersic(radius, 1.678 * traits["disc_size"], 1.0) / ratio,
            traits["bulge"] * _sersic(round_radius, traits["bulge_size"], 2.0),
            traits["halo"] * _sersic(round_radius, traits["halo_size"], 1.5),
        ]
    )
    density[0] *= np.exp(0.25 * settings.arm_contrast * arms + 0.1 * _field(rng, pixels, scale, 1.0))
    return radius, arms, density


def _delayed(timescale):
    """Mass formed per bin, of unit total, for star formation t exp(-t / timescale): shape (bins, ...)."""
    timescale = np.asarray(timescale)
    time = UNIVERSE - np.array(EDGES).reshape(-1, *([1] * timescale.ndim))
    cumulative = 1 - (1 + time / timescale) * np.exp(-time / timescale)
    return (cumulative[:-1] - cumulative[1:]) / cumulative[0]


def _histories(rng, scale, radius, arms, density, traits, settings):
    """Formed mass per component, age bin and pixel, Msun/pc2: shape (3, bins, pixels)."""
    pixels = int(np.sqrt(radius.size))
    stretch = np.clip(radius / traits["disc_size"] - 1, -1, 3)
    log_timescale = np.log10(traits["timescale"]) + settings.inside_out * stretch
    log_timescale += settings.disc_timescale_pixel_scatter * _field(rng, pixels, scale, 1.5)
    disc = _delayed(10**log_timescale) * density[0]
    young = settings.arm_contrast * arms
    young += np.log(10) * settings.young_scatter * _field(rng, pixels, scale, 0.5)
    disc[:YOUNG] *= settings.young_boost * traits["young"] * np.exp(young)
    if traits["quiescent"]:
        disc *= np.where(np.array(EDGES[1:]) <= traits["quench"], 0.01, 1.0)[:, None]
    bulge = _delayed(settings.bulge_timescale)[:, None] * density[1]
    halo = _delayed(settings.halo_timescale)[:, None] * density[2]
    formed = np.array([disc, bulge, halo])
    # A simulation has star particles, not a smooth history: few of them share a pixel, and young ones fewest.
    number = formed * (settings.particle_area * 1e6 / settings.particle_mass)
    return formed * rng.gamma(np.maximum(number, 1e-4)) / np.maximum(number, 1e-4)


def _metallicities(rng, scale, total, traits, settings):
    """log10 of the metal mass fraction by component: (bins, pixels), or (1, pixels) for all bins alike."""
    pixels = int(np.sqrt(total.size))
    today = settings.metallicity_zero + settings.metallicity_slope * np.log10(np.maximum(total, 0.01) / 100)
    today += settings.metallicity_mass_slope * (traits["log_mass"] - 10.3) + traits["metallicity"]
    today += settings.metallicity_pixel_scatter * _field(rng, pixels, scale, 1.5)
    time = 1 - 0.5 * (np.array(EDGES[1:]) + np.array(EDGES[:-1])) / UNIVERSE
    floor = settings.enrichment_floor
    growth = np.log10(floor + (1 - floor) * time**settings.enrichment_power)
    disc = today + growth[:, None]
    # Bulges and haloes form early and at once: one metallicity, apart from the shared relation with density.
    bulge, halo = today + settings.bulge_metallicity, today + settings.halo_metallicity
    return [np.clip(each, -4, -1.1) for each in (disc, bulge[None], halo[None])]


def _dust_column(rng, scale, density, radius, metallicity, traits, settings):
    """Dust surface density of every pixel, Msun/pc2."""
    pixels = int(np.sqrt(radius.size))
    young = density[0] * (0.02 if traits["quiescent"] else 1.0)
    dust = settings.dust_to_stars * young * (np.maximum(density[0], 1e-3) / 100) ** settings.dust_slope
    dust *= metallicity / SOLAR_METALLICITY * traits["dust"]
    return dust * 10 ** (settings.dust_pixel_scatter * _field(rng, pixels, scale, 0.8))


def _attenuate(light, dust, extinction, settings):
    """Brightness (n, bands) of light (bins, n, bands) behind and among dust (n,)."""
    depth = settings.dust_opacity * dust[:, None] * extinction
    mixed = np.maximum((1 - settings.dust_screen) * depth, 1e-6)
    through = np.exp(-settings.dust_screen * depth) * -np.expm1(-mixed) / mixed
    # However deep the dust, some stars lie in front of it.
    through = settings.dust_front + (1 - settings.dust_front) * through
    born = light[:BIRTH].sum(axis=0) * np.exp(-settings.birth_cloud_depth * extinction)
    return (born + light[BIRTH:].sum(axis=0)) * through


def _noise(rng, brightness, traits, settings, further):
    """Factors (n, 4), then (n, 1) a further band, of mean 1: photon packets, some shared between bands."""
    level = settings.noise_at_clip * traits["noise"]
    relative = level * (np.maximum(brightness, 1e-6) / REFERENCE_BRIGHTNESS) ** -settings.noise_slope
    variance = np.minimum(relative, 2.0)[:, None] ** 2
    own = 1 / ((1 - settings.noise_common) * variance)
    shared = 1 / (max(settings.noise_common, 1e-6) * variance)
    factors = [rng.gamma(np.broadcast_to(own, (len(brightness), 4))) / own]
    common = rng.gamma(shared)
    factors += [stream.gamma(own) / own for stream in further.values()]
    return [each * common / shared for each in factors]

"""The parameters of the mock population of galaxies."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Self

from euclid_resolved.errors import InputError

__all__ = ["MockSettings"]


PRESETS: dict[str, dict[str, Any]] = {
    "tng50-like": {},
    # Wide on purpose and tuned to nothing. What ships stands for libraries that do not: by as much as
    # benchmarks/leave_one_out.py finds between four, and a factor of three where others differ by that.
    "broad": dict(
        mass_scale=0.5,
        disc_size_scatter=0.2,
        disc_timescale_scatter=0.4,
        disc_timescale_pixel_scatter=0.2,
        young_galaxy_scatter=0.5,
        metallicity_slope=0.05,
        metallicity_galaxy_scatter=0.25,
        metallicity_pixel_scatter=0.1,
        dust_galaxy_scatter=0.5,
        population_spread=3.0,
        population_light=0.95,
        population_light_scatter=0.03,
        population_band_scatter=0.01,
    ),
}


@dataclass(frozen=True, kw_only=True)
class MockSettings:
    """Parameters of the population that `make_atlas` draws from; the defaults are preset ``'tng50-like'``.

    "Scatter" is a standard deviation in dex. Values were chosen so that machine learning on the mock behaves
    like that of Euclid preparation LXVIII (A&A, 695, A284) on the TNG50-SKIRT Atlas; none is a measurement.

    Parameters
    ----------
    field_of_view : float
        Side of the image in kpc; ten disc scale lengths where that is more.
    quiescent_fraction : float
        Probability that a galaxy is quiescent (285 of 1154 in the TNG50-SKIRT Atlas).
    mass_scale : float
        e-folding in dex of the distribution of log10 stellar mass above 9.8 (10 if quiescent), cut at 2 dex.
    disc_size, disc_size_slope, disc_size_scatter : float
        Scale length of the disc in kpc at 10^10.3 Msun, its power of mass and its scatter.
    bulge_fraction, halo_fraction : float
        Median fraction of the mass in a bulge (star-forming galaxy) and in a stellar halo.
    bulge_size, halo_size : float
        Effective radii of bulge and halo in disc scale lengths.
    arm_contrast : float
        Logarithmic amplitude (natural) of spiral arms in young stars; the old disc has a quarter of it.
    disc_timescale, disc_timescale_scatter, disc_timescale_pixel_scatter : float
        e-folding time in Gyr of the delayed-exponential star formation of discs at one scale length, its
        scatter from galaxy to galaxy and from pixel to pixel.
    inside_out : float
        Growth of log10 of the timescale per disc scale length.
    bulge_timescale, halo_timescale : float
        e-folding times of bulge and halo in Gyr.
    young_boost, young_scatter, young_galaxy_scatter : float
        Median factor on star formation over the last Gyr, its scatter between pixels and between galaxies.
    particle_mass, particle_area : float
        Mass of a star particle in Msun, area in kpc2 over which it is spread: the shot noise of histories.
    metallicity_zero, metallicity_slope, metallicity_mass_slope : float
        log10 of the metal mass fraction of gas today where 100 Msun/pc2 have formed, in a galaxy of 10^10.3
        Msun; its slope with local surface density and with galaxy mass.
    metallicity_galaxy_scatter, metallicity_pixel_scatter : float
        Scatter of that relation from galaxy to galaxy and from pixel to pixel.
    enrichment_floor, enrichment_power : float
        Gas metallicity of the disc, relative to today's, grows with cosmic time t (in units of the age of the
        galaxy) as floor + (1 - floor) t^power.
    bulge_metallicity, halo_metallicity : float
        Metallicity of bulge and halo relative to today's gas, in dex.
    dust_to_stars, dust_slope : float
        Dust surface density per formed mass of the disc, at solar metallicity and 100 Msun/pc2, and the
        power of density it changes with. Quiescent discs have a fiftieth of it.
    dust_pixel_scatter, dust_galaxy_scatter : float
        Scatter of the dust column.
    dust_opacity : float
        Optical depth in V per Msun/pc2 of dust: N_H / E(B-V) = 5.8e21 cm-2 (Bohlin, Savage & Drake 1978, ApJ,
        224, 132), R_V = 3.1 and 1.1 % of the hydrogen mass in dust.
    dust_screen : float
        Fraction of the dust column in front of the stars; the rest is mixed with them.
    dust_front : float
        Fraction of the starlight in front of all dust.
    birth_cloud_depth : float
        Optical depth in V in front of stars younger than 10 Myr.
    noise_at_clip, noise_slope : float
        Relative Monte Carlo noise of a pixel where I_HE = 0.0234 MJy/sr, and the power it falls with.
    noise_galaxy_scatter, noise_common : float
        Scatter of its level between galaxies, and the fraction of its variance shared by the four bands.
    populations : str or tuple of str
        The library of stellar populations: ``'bc03'``, which comes with the package, a name that a plugin
        registered, or the path of a table that ``euclid-resolved populations make`` wrote. Of several, each
        galaxy draws one. They are looked up when galaxies are made.
    population_spread : float
        The most by which a galaxy's stars of 0.3 to 2 Gyr may be brighter or fainter in the near infrared
        than the library has them: a factor, drawn for each galaxy and smooth in age and metallicity; 1 is
        the library as it is, 3 spans the published ones. Mass stays.
    population_light, population_light_scatter : float
        Median factor on the light of all stars of a galaxy in all bands, their mass being what it is, and its
        scatter between galaxies. An image cannot tell it from mass.
    population_band_scatter : float
        Scatter between galaxies of a factor on the light that changes from band to band.

    Raises
    ------
    InputError
        If `populations` is no name, `population_spread` is not a number from 1 to 10, `population_light` is
        not one from 0.1 to 10, or a scatter is not one from 0 to 1.

    Examples
    --------
    >>> from euclid_resolved import MockSettings
    >>> quiet = MockSettings(noise_at_clip=0.01)
    >>> quiet.noise_at_clip, quiet.quiescent_fraction
    (0.01, 0.25)
    >>> MockSettings.preset("broad") == MockSettings()
    False
    """

    field_of_view: float = 64.0
    quiescent_fraction: float = 0.25
    mass_scale: float = 0.288
    disc_size: float = 4.3
    disc_size_slope: float = 0.473
    disc_size_scatter: float = 0.0898
    bulge_fraction: float = 0.027
    halo_fraction: float = 0.197
    bulge_size: float = 0.267
    halo_size: float = 2.4
    arm_contrast: float = 0.569
    disc_timescale: float = 3.59
    disc_timescale_scatter: float = 0.2
    disc_timescale_pixel_scatter: float = 0.112
    inside_out: float = 0.131
    bulge_timescale: float = 1.14
    halo_timescale: float = 1.64
    young_boost: float = 0.28
    young_scatter: float = 0.84
    young_galaxy_scatter: float = 0.297
    particle_mass: float = 8.5e4
    particle_area: float = 0.188
    metallicity_zero: float = -1.3
    metallicity_slope: float = 0.134
    metallicity_mass_slope: float = 0.0299
    metallicity_galaxy_scatter: float = 0.0271
    metallicity_pixel_scatter: float = 0.0211
    enrichment_floor: float = 0.208
    enrichment_power: float = 3.34
    bulge_metallicity: float = -0.236
    halo_metallicity: float = -0.572
    dust_to_stars: float = 0.0021
    dust_slope: float = -0.368
    dust_pixel_scatter: float = 0.57
    dust_galaxy_scatter: float = 0.34
    dust_opacity: float = 5.4
    dust_screen: float = 0.148
    dust_front: float = 0.0649
    birth_cloud_depth: float = 0.889
    noise_at_clip: float = 0.125
    noise_slope: float = 0.576
    noise_galaxy_scatter: float = 0.183
    noise_common: float = 0.782
    populations: str | tuple[str, ...] = "bc03"
    population_spread: float = 1.0
    population_light: float = 1.0
    population_light_scatter: float = 0.0
    population_band_scatter: float = 0.0

    def __post_init__(self) -> None:
        names = self.populations
        given = (names,) if isinstance(names, str) else names
        if not isinstance(given, tuple) or not given or not all(isinstance(n, str) and n for n in given):
            raise InputError(
                f"populations is {names!r}: the name or path of a library is needed, or a tuple of several"
            )
        self._check("population_spread", 1, 10, "a factor from 1 (no change) to 10")
        self._check("population_light", 0.1, 10, "a factor from 0.1 to 10, 1 for no change,")
        for name in ("population_light_scatter", "population_band_scatter"):
            self._check(name, 0, 1, "a scatter in dex, from 0 to 1,")

    def _check(self, name, low, high, what):
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
            raise InputError(f"{name} is {value!r}: {what} is needed")

    @classmethod
    def preset(cls, name: str) -> Self:
        """Settings by name.

        Parameters
        ----------
        name : str
            ``'tng50-like'``: the defaults. ``'broad'``: a wide population of ages, metallicities and dust,
            with no tight relation of metallicity to density, so that a model learns less of such a relation;
            and populations drawn within the spread between published libraries, so that its intervals hold
            for more than the shipped one.

        Returns
        -------
        MockSettings
        """
        if name not in PRESETS:
            names = ", ".join(PRESETS)
            raise InputError(f"no preset of mock settings is called {name!r}: choose from {names}")
        return cls(**PRESETS[name])

    def __repr__(self) -> str:
        changed = [f for f in fields(self) if getattr(self, f.name) != f.default]
        return f"MockSettings({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in changed)})"

    def as_text(self) -> str:
        """One line ``name=value, ...`` of every setting, the form kept in FITS headers.

        Returns
        -------
        str
            Libraries with a digest of their numbers in place of their folder. What concerns them is left out
            where it is the default, as in headers written before there was a choice.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for field in fields(self):
            if field.name.startswith("population") and values[field.name] == field.default:
                del values[field.name]
        if "populations" in values:
            from euclid_resolved.mock._systematics import labels

            values["populations"] = labels(self)
        return ", ".join(f"{name}={value!r}" for name, value in values.items())

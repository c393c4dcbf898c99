"""The sample: the pixels of many galaxies that a model learns from or is tested on, with their truth."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features._sets import column_units
from euclid_resolved.images._grid import HasCard
from euclid_resolved.maps._galaxy import Galaxy
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._columns import PIECE, Columns, as_columns
from euclid_resolved.training._groups import check_groups

if TYPE_CHECKING:
    pass

__all__ = ["Pixels"]


# HE surface brightness in MJy/sr of one current Msun/pc2. Any stellar population, young to old and with or
# without dust, lies within (0.002, 0.5); the median pixel of galaxies is far from as young as the upper
# end, and 0.06 (a population of some 70 Myr) tells a set whose unit is off by the factor 23.504 between
# MJy/sr and uJy/arcsec2 in either direction.
_PLAUSIBLE_HE_PER_MASS = (0.002, 0.06)
_ENOUGH = 1_000_000  # pixels that tell a median well


@dataclass(frozen=True, eq=False)
class Pixels(HasCard):
    """The pixels of many galaxies that survive the clip, with their truth; galaxy after galaxy.

    Columns may lie in files (`~euclid_resolved.io.read_sample`), and those of some of the galaxies (`of`) are
    gathered only when they are looked at: what goes through many pixels does so by
    ``brightness.pieces()``, which gives some rows at a time.

    Attributes
    ----------
    brightness : mapping of str to `~numpy.ndarray`
        Surface brightness in MJy/sr by band, float32, shape (n,). A dict of arrays, quantities or columns, or
        a table, is taken as well, here and below: in their units, NaN where masked.
    truth : mapping of str to `~numpy.ndarray`
        The properties in their linear units, float32, shape (n,), finite and positive. NaN where a pixel has
        none of a property that it may lack (`~euclid_resolved.Property.sparse`): dust.
    counts : tuple of int
        How many pixels each of `names` has.
    names : tuple of str
        The galaxies.
    clip : float or None
        The clip in MJy/sr.
    clip_band : str
        The band that was clipped.
    seen : int
        How many pixels the images had.
    without_truth : int
        How many pixels above the clip were dropped because the truth had no logarithm.
    source : str
        The training set's name, for example the folder of the atlas.
    noise : mapping of str to `~numpy.ndarray`
        One sigma in MJy/sr by band, float32, shape (n,), zero where an image says nothing of its noise;
        empty where none does.
    around : mapping of str to `~numpy.ndarray`
        Columns that features made of the surroundings of each pixel, float32, shape (n,), in the units of
        those features; empty where none did. The brightness is then what these features see, which may be
        smoothed.
    image_features : tuple of str
        The features that made them.
    star_forming : tuple
        Whether each galaxy forms stars, None where that is not known; empty where it never is.
    atlas : str
        The ``fingerprint`` of the atlas, where it is known.
    groups : tuple of str
        Which object each of `names` shows (`~euclid_resolved.Galaxy`); what the names say without it.
    log_masses : tuple of float
        log10 of the stellar mass of each of `names` in solar masses, summed over its whole map; NaN where
        that is not known, empty where it never is.

    Examples
    --------
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(3), ("stellar_age",))
    >>> pixels.names
    ('example 1', 'example 2', 'example 3')
    >>> sorted(pixels.brightness), sorted(pixels.truth)
    (['HE', 'IE', 'JE', 'YE'], ['stellar_age'])
    """

    brightness: Columns
    truth: Columns
    counts: tuple[int, ...]
    names: tuple[str, ...]
    clip: float | None
    clip_band: str
    seen: int
    without_truth: int
    source: str = ""
    noise: Columns = field(default_factory=lambda: Columns({}))
    around: Columns = field(default_factory=lambda: Columns({}))
    image_features: tuple[str, ...] = ()
    star_forming: tuple[bool | None, ...] = ()
    atlas: str = ""
    groups: tuple[str, ...] = ()
    log_masses: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", tuple(int(n) for n in self.counts))
        object.__setattr__(self, "groups", check_groups(self.names, self.groups))
        for name, unit_of in (("brightness", None), ("truth", _unit_of), ("noise", None)):
            object.__setattr__(self, name, as_columns(getattr(self, name), name, unit_of))
        object.__setattr__(self, "image_features", tuple(self.image_features))
        object.__setattr__(self, "log_masses", tuple(float(mass) for mass in self.log_masses))
        if self.log_masses and len(self.log_masses) != len(self.names):
            raise InputError(f"{len(self.log_masses)} masses for {len(self.names)} galaxies")
        object.__setattr__(self, "around", as_columns(self.around, "around", self._unit_of_column))
        for name in ("brightness", "truth", "noise", "around"):
            columns = getattr(self, name)
            if len(columns) and columns.n_rows != len(self):
                raise InputError(f"{name}: {columns.n_rows} values for the {len(self)} pixels of counts")

    def __len__(self) -> int:
        return sum(self.counts)

    def __repr__(self) -> str:
        clip = "" if self.clip is None else f"; {self.clip_band} above {self.clip:g} MJy / sr"
        what = f"{', '.join(self.truth)} from {', '.join(self.brightness)}"
        return f"<Pixels {self.source or 'unnamed'}; {len(self)} of {len(self.names)} galaxies; {what}{clip}>"

    @property
    def kept(self) -> float:
        """The fraction of pixels kept (2.4 % in the paper's atlas)."""
        return len(self) / self.seen if self.seen else 0.0

    @property
    def galaxy(self) -> np.ndarray:
        """Which of `names` each pixel belongs to: int32, shape (n,)."""
        return np.repeat(np.arange(len(self.names), dtype=np.int32), self.counts)

    @property
    def galaxies(self) -> list[Galaxy]:
        """The galaxies without images and maps, for `~euclid_resolved.split`."""
        kinds = self.star_forming or (None,) * len(self.names)
        return [
            Galaxy(name, _not_kept, _not_kept, star_forming=kind, group=group)
            for name, kind, group in zip(self.names, kinds, self.groups, strict=True)
        ]

    @cached_property
    def digest(self) -> str:
        """A SHA-256 over the values and names, as hexadecimal text."""
        said = () if self.groups == check_groups(self.names, ()) else (self.groups,)
        sha = hashlib.sha256(repr((self.names, self.clip, self.clip_band, *said)).encode())
        _hash(sha, self.brightness)
        _hash(sha, self.truth)
        sha.update(b"galaxy")
        for number, n in enumerate(self.counts):
            sha.update(np.full(n, number, np.int32).data)
        _hash(sha, self.noise)
        if self.image_features:
            sha.update(repr(self.image_features).encode())
            _hash(sha, self.around)
        return sha.hexdigest()

    def _unit_of_column(self, name):
        units = column_units(tuple(self.brightness), self.image_features) if self.image_features else {}
        return u.Unit(units.get(name, ""))

    def pieces(
        self, bands: Sequence[str], columns: Sequence[str] = (), size: int = PIECE
    ) -> Iterator[tuple[int, dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """Look at all pixels, some at a time.

        Parameters
        ----------
        bands : sequence of str
        columns : sequence of str, optional
            Of `around`.
        size : int, optional
            The most pixels of a piece.

        Yields
        ------
        start : int
            The number of the piece's first pixel.
        brightness, around : dict of str to `~numpy.ndarray`
            Without a copy.
        """
        light, beside = self.brightness.select(bands), self.around.select(columns)
        if not columns:
            for start, piece in light.pieces(size):
                yield start, piece, {}
            return
        for (start, piece), (_, around) in zip(light.pieces(size), beside.pieces(size), strict=True):
            yield start, piece, around

    def of(self, galaxies: Collection[str | Galaxy]) -> Pixels:
        """The pixels of some of the galaxies, without a copy.

        Parameters
        ----------
        galaxies : collection of str or `~euclid_resolved.Galaxy`

        Returns
        -------
        pixels : `Pixels`
        """
        wanted: set[Any] = {getattr(galaxy, "name", galaxy) for galaxy in galaxies}
        unknown = wanted - set(self.names)
        if unknown:
            raise InputError(
                f"no pixels of {', '.join(sorted(unknown))}; there are {len(self.names)} galaxies"
            )
        chosen = [i for i, name in enumerate(self.names) if name in wanted]
        first = np.cumsum([0, *self.counts])
        runs = [(int(first[i]), int(first[i + 1])) for i in chosen]
        counts = tuple(self.counts[i] for i in chosen)
        share = sum(counts) / len(self) if len(self) else 0
        return replace(
            self,
            brightness=self.brightness.rows(runs),
            truth=self.truth.rows(runs),
            noise=self.noise.rows(runs),
            around=self.around.rows(runs),
            counts=counts,
            names=tuple(self.names[i] for i in chosen),
            groups=tuple(self.groups[i] for i in chosen),
            star_forming=tuple(self.star_forming[i] for i in chosen) if self.star_forming else (),
            log_masses=tuple(self.log_masses[i] for i in chosen) if self.log_masses else (),
            seen=round(self.seen * len(chosen) / len(self.names)),
            without_truth=round(self.without_truth * share),
        )


def _hash(sha, columns):
    for name in columns:
        sha.update(name.encode())
        for _, piece in columns.select((name,)).pieces():
            sha.update(np.ascontiguousarray(piece[name]))


def _unit_of(name):
    return get_property(name).unit


def _not_kept():
    raise InputError("pixels were gathered without the images and maps that they come from")


def check_pixels(pixels: Pixels) -> None:
    """Refuse a set without pixels or with a unit error; say where truth was missing.

    Parameters
    ----------
    pixels : `Pixels`

    Raises
    ------
    InputError
        If no pixel is left, or the brightness of a unit of mass is that of no stellar population.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from euclid_resolved import InputError
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.training._sample import check_pixels
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(2), ("stellar_mass_density",))
    >>> check_pixels(pixels)
    >>> wrong = {"stellar_mass_density": 1e6 * pixels.truth["stellar_mass_density"]}  # Msun/kpc2
    >>> try:
    ...     check_pixels(replace(pixels, truth=wrong))
    ... except InputError as error:
    ...     print("refused")
    refused
    """
    if not len(pixels):
        raise InputError(
            f"no pixel of {len(pixels.names)} galaxies is brighter than {pixels.clip} MJy/sr in "
            f"{pixels.clip_band} with known truth; a lower clip, or another unit?"
        )
    if pixels.without_truth:
        message = f"{pixels.without_truth} pixels above the clip have no usable truth and are left out"
        warnings.warn(message, DataWarning, stacklevel=3)
    if "HE" in pixels.brightness and "stellar_mass_density" in pixels.truth:
        low, high = _PLAUSIBLE_HE_PER_MASS
        light, mass = pixels.brightness["HE"], pixels.truth["stellar_mass_density"]
        some = slice(None, None, -(-len(pixels) // _ENOUGH))
        ratio = float(np.median(light[some] / mass[some]))
        if not low < ratio < high:
            raise InputError(
                f"the median pixel has {ratio:.2g} MJy/sr in HE for each Msun/pc2, which no galaxy has "
                f"({low} to {high}): a unit error? 23.5 is the factor between MJy/sr and "
                "uJy/arcsec2, 1e6 that between Msun/pc2 and Msun/kpc2"
            )

"""Pixels beside an observed relation, as numbers: offset, slope, rms, and all by mass of the galaxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_type
from euclid_resolved.diagnostics._relation_fit import Binned
from euclid_resolved.diagnostics._relations import Relation, as_relation, get_relation
from euclid_resolved.errors import InputError
from euclid_resolved.maps._properties import SOLAR_METALLICITY
from euclid_resolved.plugins._registry import available

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

IMF, WEIGHTING = "Chabrier", "mass"
"""The conventions of the atlas's maps (Sects. 2.1 and 2.2), and of the mock's."""

SHIFTS = {"Salpeter": -0.25}
"""What is added to log10 of a mass for another IMF to have that for `IMF`: about this for old stars."""

QUANTITIES = ("offset", "slope difference", "rms of means", "rms of pixels")
"""What `measures` gives, dex; the slope difference is dex per dex."""

ALL = "all"
_FEWEST_BINS = 3  # of density, for a slope
_FEWEST_GALAXIES = 5  # of fewer, drawing them again tells no error


@dataclass(frozen=True)
class Points:
    """Pixels that are put beside relations.

    Attributes
    ----------
    density : `~numpy.ndarray`
        log10 of Msun/pc2, shape (n,).
    metallicities : tuple of `~numpy.ndarray`
        log10 of solar units: one or more for the same pixels.
    galaxy : `~numpy.ndarray` of int
        Which galaxy each belongs to.
    log_mass : `~numpy.ndarray`
        log10 of the stellar mass of that galaxy, NaN where it is not known.
    """

    density: np.ndarray
    metallicities: tuple[np.ndarray, ...]
    galaxy: np.ndarray
    log_mass: np.ndarray


def relations_to_compare(relations: Sequence[Relation | str] | str | None) -> list[Relation]:
    """Relations by name or as they are; without any, the registered ones with values and the maps' weighting.

    Parameters
    ----------
    relations : sequence of `Relation` or str, or None

    Returns
    -------
    relations : list of `Relation`
        All with values.

    Raises
    ------
    InputError
        If one has no values.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._rmzr_observed import relations_to_compare
    >>> [relation.name for relation in relations_to_compare(None)]
    ['CALIFA Re']
    """
    if relations is None:
        known = [as_relation(name, value) for name, value in available("relations").items()]
        return [one for one in known if one.supplied and one.weighting == WEIGHTING]
    found = []
    for one in [relations] if isinstance(relations, str | Relation) else relations:
        relation = get_relation(one) if isinstance(one, str) else one
        check_type(relation, Relation, "read_relation reads a file")
        if not relation.supplied:
            raise InputError(relation.missing())
        found.append(relation)
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise InputError(f"relations must have different names, got {', '.join(names)}")
    return found


def in_our_conventions(relation: Relation, imf_shift: float | None = None) -> tuple[Relation, list[str]]:
    """A relation in the conventions of the maps as far as that is known, and sentences about it.

    Parameters
    ----------
    relation : `Relation`
    imf_shift : float, optional
        What to add to log10 of its densities and masses for `IMF`; what `SHIFTS` has for its IMF without it.

    Returns
    -------
    relation : `Relation`
    sentences : list of str
        One each on IMF, solar metallicity and weighting: what was converted, by how much, and what was not.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._rmzr_observed import in_our_conventions, relations_to_compare
    >>> for sentence in in_our_conventions(relations_to_compare(["CALIFA Re"])[0])[1]:
    ...     print(sentence)
    Densities and masses are converted from the IMF Salpeter to Chabrier: -0.25 dex.
    Metallicities are in units of 0.02 in both: nothing is converted.
    Metallicities are mass-weighted in both: nothing is converted.
    """
    said = []
    shift = SHIFTS.get(relation.imf) if imf_shift is None else float(imf_shift)
    if relation.imf == IMF and not imf_shift:
        said.append(f"Densities and masses are for the IMF {IMF} in both: nothing is converted.")
    elif shift is None:
        said.append(
            f"Its IMF is {relation.imf}: densities and masses are compared as they are, with those for {IMF}."
        )
    else:
        said.append(
            f"Densities and masses are converted from the IMF {relation.imf} to {IMF}: {shift:+.2f} dex."
        )
        relation = relation.to_imf(IMF, shift)
    solar = relation.solar_metallicity
    if not (np.isfinite(solar) and solar > 0):
        said.append("Its solar metallicity is not known: metallicities are compared as they are.")
    elif np.isclose(solar, SOLAR_METALLICITY, rtol=1e-6):
        said.append(f"Metallicities are in units of {SOLAR_METALLICITY:g} in both: nothing is converted.")
    else:
        by = np.log10(solar / SOLAR_METALLICITY)
        said.append(
            f"Metallicities are converted from units of {solar:g} to {SOLAR_METALLICITY:g}: {by:+.3f} dex."
        )
        relation = relation.to_solar(SOLAR_METALLICITY)
    weighted = f"Metallicities are {relation.weighting}-weighted"
    if relation.weighting == WEIGHTING:
        said.append(f"{weighted} in both: nothing is converted.")
    else:
        said.append(f"{weighted} in it and {WEIGHTING}-weighted in the maps: they are compared as they are.")
    return relation, said


def measures(sums: Any, which: int) -> np.ndarray:
    """Offset, slope difference, rms of means and rms of pixels of differences from a relation.

    Parameters
    ----------
    sums : ``Sums``
        Of metallicity less what the relation has at the pixel's density.
    which : int
        Which of the metallicities.

    Returns
    -------
    values : `~numpy.ndarray`
        Shape (4,), see `QUANTITIES`. The offset is the mean over the pixels. The slope difference is that of
        a straight line through the differences. The means are those of the pixels in each 0.05 dex of
        density, weighted by their number.
    """
    n, mean = sums.n, sums.y[which] / sums.n
    total = n.sum()
    slope = np.nan
    if len(n) >= _FEWEST_BINS:
        off = sums.x - (n * sums.x).sum() / total
        slope = (n * off * mean).sum() / (n * off**2).sum()
    pixels = np.sqrt(sums.yy[which, which].sum() / total)
    return np.array([(n * mean).sum() / total, slope, np.sqrt((n * mean**2).sum() / total), pixels])


def compare(
    relation: Relation, cases: Mapping[str, tuple[Points, int]], *, bootstrap: int = 200, seed: int = 1
) -> list[dict[str, Any]]:
    """Put pixels beside a relation.

    Parameters
    ----------
    relation : `Relation`
        In the conventions of the pixels.
    cases : mapping of str to (`Points`, int)
        Pixels by name, and which of their metallicities is meant.
    bootstrap : int, optional
        Samples of galaxies drawn for the errors.
    seed : int, optional

    Returns
    -------
    rows : list of dict
        ``relation``, ``metallicity`` (the case), ``low`` and ``high`` (log10 of the mass of the galaxies; NaN
        for all of them, which come first), ``n_galaxies`` and ``n_pixels`` in the relation's range of
        density, and the `QUANTITIES`, each with ``<quantity> error``, a standard deviation over the samples
        (NaN for fewer than five galaxies). ``density error`` is what the offset changes by where the
        relation's densities move by their own uncertainty. With a mass, the relation's straight line for
        that mass is taken in place of its values, and ``density error`` is NaN.
    """
    rows = []
    for case, (points, which) in cases.items():
        rows.append(_row(relation, _values_at(relation), case, points, which, bootstrap, seed))
        for low, high, pivot, value, _, slope, _ in () if relation.by_mass is None else relation.by_mass:

            def line(x, pivot=pivot, value=value, slope=slope):
                return value + slope * (x - pivot)

            own = (points.log_mass >= low) & (points.log_mass < high)
            part = Points(
                points.density[own],
                tuple(each[own] for each in points.metallicities),
                points.galaxy[own],
                points.log_mass[own],
            )
            row = _row(replace(relation, density_error=0.0), line, case, part, which, bootstrap, seed)
            rows.append(row | {"low": float(low), "high": float(high)})
    return rows


def _values_at(relation):
    order = np.argsort(relation.log_density)
    x, y = relation.log_density[order], relation.log_metallicity[order]
    return lambda density: np.interp(density, x, y)


def _row(relation, function, case, points, which, bootstrap, seed):
    values, errors = np.full(4, np.nan), np.full(4, np.nan)
    binned, galaxies, pixels = _beside(relation, function, points, 0.0)
    moved = [np.nan]
    if binned is not None:
        values = measures(binned.sums(), which)
        if galaxies >= _FEWEST_GALAXIES and bootstrap > 1:
            drawn = [measures(binned.sums(weights), which) for weights in binned.draws(bootstrap, seed)]
            errors = np.std(drawn, axis=0, ddof=1)
        step = relation.density_error
        ends = [_beside(relation, function, points, by)[0] for by in (-step, step)] if step else []
        moved = [measures(end.sums(), which)[0] for end in ends if end is not None]
    row = {"relation": relation.name, "metallicity": case, "low": np.nan, "high": np.nan}
    row |= {"n_galaxies": galaxies, "n_pixels": pixels}
    for name, value, error in zip(QUANTITIES, values, errors, strict=True):
        row |= {name: float(value), f"{name} error": float(error)}
    return row | {"density error": float(np.ptp(moved) / 2) if len(moved) == 2 else np.nan}


def _beside(relation, function, points, by):
    """Binned differences from a relation whose densities are moved; the number of galaxies and of pixels."""
    x = points.density - by
    low, high = np.min(relation.log_density), np.max(relation.log_density)
    known = np.isfinite(x) & np.all([np.isfinite(y) for y in points.metallicities], axis=0)
    inside = known & (x >= low) & (x <= high)
    pixels = int(inside.sum())
    if not pixels:
        return None, 0, 0
    expected = function(x[inside])
    differences = [np.asarray(y, float)[inside] - expected for y in points.metallicities]
    binned = Binned(x[inside], differences, points.galaxy[inside])
    return binned, len(binned), pixels


def as_plain(relation: Relation, sentences: Sequence[str]) -> dict[str, Any]:
    """A relation as numbers and texts that go into the header of a table.

    Parameters
    ----------
    relation : `Relation`
    sentences : sequence of str
        What was done to it.

    Returns
    -------
    content : dict
    """
    texts = ("name", "label", "reference", "sample", "weighting", "imf", "solar_metallicity", "density_error")
    content = {key: getattr(relation, key) for key in texts} | {"conversions": list(sentences)}
    for key in ("log_density", "log_metallicity", "log_metallicity_p16", "log_metallicity_p84"):
        values: ArrayLike | None = getattr(relation, key)
        content[key] = [] if values is None else np.round(values, 4).tolist()
    return content

"""Published resolved mass-metallicity relations: named, referenced, drawn only where a table is supplied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["PUBLISHED_RELATIONS", "Relation", "read_relation", "write_relation"]


_NEEDED = ("reference", "weighting", "imf", "solar_metallicity")
_DENSITY_UNITS = {"Msun/pc2": 0.0, "Msun/kpc2": -6.0}


@dataclass(frozen=True)
class Relation:
    """A relation between log10 density (Msun/pc2) and log10 metallicity (solar units), with its conventions.

    Attributes
    ----------
    name : str
    reference : str
    weighting : str
        What the metallicity is an average over: ``mass``, ``light (r)``, ...
    imf : str
        The initial mass function behind the densities.
    solar_metallicity : float
        The mass fraction that counts as solar; NaN where not known.
    log_density, log_metallicity : `~numpy.ndarray` or None
        The relation; None where nobody has supplied it.
    log_metallicity_p16, log_metallicity_p84 : `~numpy.ndarray` or None
        Percentiles of its scatter.
    log_metallicity_error : `~numpy.ndarray` or None
        One sigma of `log_metallicity`.
    density_error : float
        How well the zero point of its densities is known, dex; drawn as a band.
    by_mass : `~numpy.ndarray` or None
        What it is for galaxies of some stellar mass: float, shape (bins, 7). The columns are the least and
        the largest log10 of the galaxy's mass (Msun), a log10 of density, the log10 of metallicity there
        with its error, and the slope of metallicity with its error.
    sample : str
        What it was measured on.
    conversions : tuple of str
        What was done to the values since they were published.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.diagnostics import Relation
    >>> density, metallicity = np.array([1.0, 2.0]), np.array([-0.3, -0.1])
    >>> mine = Relation("mine", "Me 2026", "mass", "Chabrier", 0.0142, density, metallicity)
    >>> print(mine.to_solar(0.02).label)
    mine (mass-weighted, IMF Chabrier, solar Z 0.02) [solar metallicity 0.0142 to 0.02: -0.149 dex]
    >>> print(mine.to_solar(0.02).log_metallicity.round(2))
    [-0.45 -0.25]
    """

    name: str
    reference: str
    weighting: str
    imf: str
    solar_metallicity: float
    log_density: np.ndarray | None = None
    log_metallicity: np.ndarray | None = None
    log_metallicity_p16: np.ndarray | None = None
    log_metallicity_p84: np.ndarray | None = None
    sample: str = ""
    conversions: tuple[str, ...] = ()
    log_metallicity_error: np.ndarray | None = None
    density_error: float = 0.0
    by_mass: np.ndarray | None = None

    @property
    def supplied(self) -> bool:
        """Whether there are values to draw."""
        return self.log_density is not None

    def __repr__(self) -> str:
        density = self.log_density
        values = "values to be supplied" if density is None else f"{len(density)} values"
        return f"<Relation {self.label}; {values}>"

    @property
    def label(self) -> str:
        """Name and conventions in one line, for legends."""
        solar = "unknown" if np.isnan(self.solar_metallicity) else f"{self.solar_metallicity:g}"
        text = f"{self.name} ({self.weighting}-weighted, IMF {self.imf}, solar Z {solar})"
        return text + (f" [{'; '.join(self.conversions)}]" if self.conversions else "")

    def missing(self) -> str:
        """What to supply, in a sentence; empty where the values are there."""
        if self.supplied:
            return ""
        return (
            f"{self.name} ({self.reference}): no verified values come with this package. Supply a table with "
            "the columns log_density, log_metallicity and, if you have them, log_metallicity_p16 and "
            f"log_metallicity_p84, and the keys {', '.join(_NEEDED)} in its header; see read_relation"
        )

    def to_solar(self, solar_metallicity: float) -> Relation:
        """The same metallicities in units of another solar metallicity.

        Parameters
        ----------
        solar_metallicity : float
            Mass fraction, for example 0.02 (the paper's).

        Returns
        -------
        relation : `Relation`
        """
        if not (np.isfinite(self.solar_metallicity) and self.solar_metallicity > 0 and solar_metallicity > 0):
            raise InputError(
                f"{self.name}: the solar metallicity of the relation must be known to convert it"
            )
        shift = np.log10(self.solar_metallicity / solar_metallicity)
        what = f"solar metallicity {self.solar_metallicity:g} to {solar_metallicity:g}: {shift:+.3f} dex"
        return replace(self._shifted(0.0, shift, what), solar_metallicity=float(solar_metallicity))

    def to_imf(self, imf: str, shift: float) -> Relation:
        """The same densities, and masses of galaxies, for another IMF.

        Parameters
        ----------
        imf : str
        shift : float
            What to add to log10 of density and of mass. Published offsets between IMFs differ; the choice is
            yours.

        Returns
        -------
        relation : `Relation`
        """
        what = f"IMF {self.imf} to {imf}: {shift:+.3f} dex in density"
        return replace(self._shifted(shift, 0.0, what), imf=imf)

    def to_weighting(self, weighting: str, shift: float) -> Relation:
        """The same relation for another weighting of the metallicity.

        Parameters
        ----------
        weighting : str
        shift : float
            What to add to log10 of metallicity.

        Returns
        -------
        relation : `Relation`
        """
        what = f"{self.weighting}-weighted to {weighting}-weighted: {shift:+.3f} dex in metallicity"
        return replace(self._shifted(0.0, shift, what), weighting=weighting)

    def _shifted(self, density, metallicity, what):
        def moved(values, by):
            return None if values is None else values + by

        by_mass = self.by_mass
        if by_mass is not None:
            by_mass = by_mass + np.array([density, density, density, metallicity, 0, 0, 0])
        return replace(
            self,
            by_mass=by_mass,
            log_density=moved(self.log_density, density),
            log_metallicity=moved(self.log_metallicity, metallicity),
            log_metallicity_p16=moved(self.log_metallicity_p16, metallicity),
            log_metallicity_p84=moved(self.log_metallicity_p84, metallicity),
            conversions=(*self.conversions, what),
        )


_UNKNOWN = "not confirmed"

PUBLISHED_RELATIONS = {
    relation.name: relation
    for relation in (
        Relation(
            "Gonzalez Delgado+2014", "Gonzalez Delgado et al. 2014, ApJL 791, L16", "mass", _UNKNOWN, np.nan,
            sample="300 galaxies of CALIFA",
        ),
        Relation(
            "Zibetti+2020", "Zibetti et al. 2020, MNRAS 491, 3562 (tables: VizieR J/MNRAS/491/3562)",
            "light (r)", _UNKNOWN, np.nan, sample="69 early-type galaxies of CALIFA",
        ),
        Relation(
            "Neumann+2021", "Neumann et al. 2021, MNRAS 508 (page not confirmed)", _UNKNOWN, _UNKNOWN, np.nan,
            sample="7439 galaxies of MaNGA",
        ),
        Relation(
            "Zibetti & Gallazzi 2022", "Zibetti & Gallazzi 2022, MNRAS 512 (page not confirmed)",
            "light (r)", _UNKNOWN, np.nan, sample="362 galaxies of CALIFA",
        ),
    )
}  # fmt: skip
"""The relations of the paper's Fig. 8, by name, without values: none could be verified."""


def get_relation(name: str) -> Relation:
    """A registered relation by its name.

    Parameters
    ----------
    name : str

    Returns
    -------
    relation : `Relation`
        Those of `PUBLISHED_RELATIONS` have no values; plugins may register others that have.

    Examples
    --------
    >>> from euclid_resolved.diagnostics._relations import get_relation
    >>> relation = get_relation("Zibetti+2020")
    >>> relation.supplied  # no value of it could be verified: a table has to be given
    False
    >>> relation.weighting
    'light (r)'
    """
    from euclid_resolved.plugins._registry import lookup

    return as_relation(name, lookup("relations", name))


def as_relation(name: str, value: Relation | Table) -> Relation:
    """What a plugin registered, as a `Relation`: it may be one, or a table with the columns of the format."""
    return value if isinstance(value, Relation) else _from_table(name, value, f"relation {name!r}")


def read_relation(path: str | Path, name: str | None = None) -> Relation:
    """Read a relation from a table.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        ECSV, or what else Astropy reads with metadata. Columns ``log_density`` and ``log_metallicity``,
        optionally ``log_metallicity_p16``, ``log_metallicity_p84`` and ``log_metallicity_error``; metadata
        ``reference``, ``weighting``, ``imf``, ``solar_metallicity`` (mass fraction), optionally ``sample``,
        ``density_error`` (dex), ``by_mass`` (a list of rows, see `Relation`), and ``density_unit``:
        ``Msun/pc2`` (without it) or ``Msun/kpc2``. Metallicity is in solar units.
    name : str, optional
        The file's name without ending, where the metadata have no ``name``.

    Returns
    -------
    relation : `Relation`
        In Msun/pc2. Nothing else is converted: see its methods.

    Raises
    ------
    InputError
        If the file cannot be read or a column or a key is missing.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from euclid_resolved.diagnostics import read_relation
    >>> table = Table({"log_density": [7.0, 8.0], "log_metallicity": [-0.3, -0.1]})
    >>> table.meta.update(reference="Someone 2020", weighting="mass", imf="Chabrier", solar_metallicity=0.02,
    ...                   density_unit="Msun/kpc2")
    >>> table.write("someone.ecsv")
    >>> read_relation("someone.ecsv").log_density
    array([1., 2.])
    """
    from astropy.table import Table

    path = Path(path)
    if not path.exists():
        raise InputError(
            f"{path}: there is no such file; {', '.join(PUBLISHED_RELATIONS)} come without values"
        )
    from euclid_resolved.io._tables import check_table

    try:
        check_table(path)
        table = Table.read(path, format="ascii.ecsv" if path.suffix == ".ecsv" else None)
    except InputError:
        raise
    except Exception as error:  # readers raise what they like
        raise InputError(f"{path}: it cannot be read as a table: {error}") from error
    return _from_table(name or table.meta.get("name") or path.stem, table, str(path))


def _from_table(name, table, where):
    columns, meta = getattr(table, "colnames", ()), getattr(table, "meta", {})
    lacking = [f"column {c}" for c in ("log_density", "log_metallicity") if c not in columns]
    lacking += [f"key {key}" for key in _NEEDED if key not in meta]
    if lacking:
        raise InputError(f"{where}: a table of a relation needs {', '.join(lacking)}")
    unit = meta.get("density_unit", "Msun/pc2")
    if unit not in _DENSITY_UNITS:
        raise InputError(f"{where}: density_unit is one of {', '.join(_DENSITY_UNITS)}, got {unit!r}")

    def column(key):
        return np.asarray(table[key], float) if key in columns else None

    values = {key: column(key) for key in ("log_density", "log_metallicity")}
    beside = {key: column(f"log_metallicity_{key}") for key in ("p16", "p84", "error")}
    if not len(table) or not all(np.isfinite(v).all() for v in values.values()):
        raise InputError(f"{where}: log_density and log_metallicity must be finite numbers, at least one row")
    relation = Relation(
        str(name),
        **{key: str(meta[key]) for key in ("reference", "weighting", "imf")},
        solar_metallicity=_number(where, "solar_metallicity", meta, "a mass fraction such as 0.02"),
        sample=str(meta.get("sample", "")),
        **values,
        **{f"log_metallicity_{key}": value for key, value in beside.items()},
        density_error=_number(where, "density_error", {"density_error": 0.0, **meta}, "a number of dex"),
        by_mass=_by_mass(where, meta.get("by_mass")),
    )
    shift = _DENSITY_UNITS[unit]
    if not shift:
        return relation
    # Masses of galaxies are in solar masses whatever the unit of density is.
    moved = relation._shifted(shift, 0.0, "density from Msun/kpc2")
    if relation.by_mass is not None:
        moved.by_mass[:, :2] = relation.by_mass[:, :2]
    return moved


def _number(where, key, meta, what):
    try:
        return float(meta[key])
    except (TypeError, ValueError):
        raise InputError(f"{where}: {key} must be {what}") from None


def _by_mass(where, rows):
    """The rows of a relation by the mass of galaxies, or None."""
    if rows is None:
        return None
    try:
        values = np.array(rows, float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 2 or values.shape[1] != 7 or not np.isfinite(values).all():
        raise InputError(
            f"{where}: by_mass is a list of rows of seven finite numbers: the limits in mass, density, "
            "metallicity and its error, slope and its error"
        )
    if not (values[:, 0] < values[:, 1]).all():
        raise InputError(f"{where}: by_mass must have limits of mass that rise")
    return values


def write_relation(path: str | Path, relation: Relation, *, overwrite: bool = False) -> None:
    """Write a relation as a table that `read_relation` reads.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Ends in ``.ecsv``.
    relation : `Relation`
        With values.
    overwrite : bool, optional

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.diagnostics import Relation, read_relation, write_relation
    >>> density, metallicity = np.array([1.0, 2.0]), np.array([-0.3, -0.1])
    >>> mine = Relation("mine", "Me 2026", "mass", "Chabrier", 0.02, density, metallicity)
    >>> write_relation("mine.ecsv", mine)
    >>> read_relation("mine.ecsv").weighting
    'mass'
    """
    from astropy.table import Table

    from euclid_resolved.io._files import atomic_path

    if not relation.supplied:
        raise InputError(relation.missing())
    names = ("log_density", *(f"log_metallicity{end}" for end in ("", "_p16", "_p84", "_error")))
    columns = {name: getattr(relation, name) for name in names}
    table = Table({name: values for name, values in columns.items() if values is not None})
    for key in ("name", *_NEEDED, "sample"):
        table.meta[key] = getattr(relation, key)
    if relation.density_error:
        table.meta["density_error"] = float(relation.density_error)
    if relation.by_mass is not None:
        table.meta["by_mass"] = np.asarray(relation.by_mass, float).tolist()
    with atomic_path(path, overwrite=overwrite) as temporary:
        table.write(temporary, format="ascii.ecsv")

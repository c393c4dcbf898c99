"""The hooks through which features, estimators, diagnostics, relations, populations and instruments come in.

A plugin is a module with functions of these names, each marked with
``euclid_resolved.plugins.hookimpl``, and an entry point of the group ``euclid_resolved`` that names the
module. The built-in ones use the same door: entry points of this package.

Every hook takes no argument and returns a mapping of names to objects. Names are unique over all
plugins, so the order in which plugins are loaded never matters.
"""

# A hook's specification is never run: it has no body that could return anything.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from astropy.table import QTable, Table

    from euclid_resolved.diagnostics._contract import Diagnostic
    from euclid_resolved.diagnostics._relations import Relation
    from euclid_resolved.estimators._contract import Estimator
    from euclid_resolved.features._image_sets import ImageFeatureSet
    from euclid_resolved.features._sets import FeatureSet
    from euclid_resolved.images._band import Band

__all__ = [
    "register_features",
    "register_estimators",
    "register_diagnostics",
    "register_relations",
    "register_populations",
    "register_instruments",
]


hookspec = pluggy.HookspecMarker("euclid_resolved")


@hookspec
def register_features() -> Mapping[str, FeatureSet | ImageFeatureSet]:
    """Offer sets of features, of single pixels or of an image.

    Returns
    -------
    features : mapping of str to `~euclid_resolved.features.FeatureSet` or `ImageFeatureSet`

    Examples
    --------
    >>> from euclid_resolved.features import FeatureSet, ImageFeatureSet
    >>> from euclid_resolved.plugins import hookimpl
    >>> @hookimpl
    ... def register_features():
    ...     def slope(dex):
    ...         return {"slope": dex["HE"] - dex["YE"]} if {"HE", "YE"} <= set(dex) else {}
    ...     def around(planes):
    ...         smooth = planes.smoothed(2).brightness
    ...         return {f"{band} excess~2": planes.brightness[band] / smooth[band] for band in smooth}
    ...     return {
    ...         "slope": FeatureSet(slope, "dex", "near-infrared slope"),
    ...         "excess": ImageFeatureSet(around, "", "brightness over that of a mean", reach=6),
    ...     }
    >>> register_features()["slope"].make({"YE": 0.5, "HE": 0.75})
    {'slope': 0.25}
    """


@hookspec
def register_estimators() -> Mapping[str, type[Estimator]]:
    """Offer estimators.

    Returns
    -------
    estimators : mapping of str to type
        Classes derived from `~euclid_resolved.estimators.Estimator`, dataclasses whose fields are their
        settings, usable without any argument.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from euclid_resolved.plugins import hookimpl
    >>> from euclid_resolved.estimators import Ridge
    >>> @dataclass
    ... class StiffRidge(Ridge):
    ...     alpha: float = 100.0
    >>> @hookimpl
    ... def register_estimators():
    ...     return {"stiff_ridge": StiffRidge}
    >>> register_estimators()["stiff_ridge"]()
    StiffRidge(alpha=100.0)
    """


@hookspec
def register_diagnostics() -> Mapping[str, Diagnostic | Callable[..., QTable]]:
    """Offer diagnostics: ways to find out what a model leans on.

    Returns
    -------
    diagnostics : mapping of str to `~euclid_resolved.diagnostics.Diagnostic`
        Called as ``diagnostic(model, training, test, **options)``, they return a
        `~astropy.table.QTable`, and their ``plot`` draws it. `training` and `test` are lists of
        `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels` where those were read already.
        All options have defaults. A plain function does, where there is nothing to draw.

    Examples
    --------
    >>> from euclid_resolved import evaluate
    >>> from euclid_resolved.plugins import hookimpl
    >>> @hookimpl
    ... def register_diagnostics():
    ...     def unseen(model, training, test):
    ...         return evaluate(model, test)
    ...     return {"unseen": unseen}
    >>> list(register_diagnostics())
    ['unseen']
    """


@hookspec
def register_relations() -> Mapping[str, Relation | Table]:
    """Offer published resolved mass-metallicity relations.

    Returns
    -------
    relations : mapping of str to `~euclid_resolved.diagnostics.Relation` or `~astropy.table.Table`
        A table has the columns ``log_density`` (log10 of Msun/pc2) and ``log_metallicity`` (log10, solar
        units), optionally ``log_metallicity_p16`` and ``log_metallicity_p84``, and in ``meta`` the keys
        ``reference``, ``weighting``, ``imf`` and ``solar_metallicity`` (mass fraction): the format that
        `~euclid_resolved.diagnostics.read_relation` reads.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from euclid_resolved.plugins import hookimpl
    >>> @hookimpl
    ... def register_relations():
    ...     table = Table({"log_density": [1.0, 2.0], "log_metallicity": [-0.3, -0.1]})
    ...     table.meta = {"reference": "Me 2026", "weighting": "mass"}
    ...     table.meta.update(imf="Chabrier", solar_metallicity=0.02)
    ...     return {"me_2026": table}
    >>> len(register_relations()["me_2026"])
    2
    """


@hookspec
def register_populations() -> Mapping[str, Table | str | Path]:
    """Offer libraries of stellar populations that mock galaxies can be made of.

    Returns
    -------
    populations : mapping of str to `~astropy.table.Table` or path
        A table, or the path of an ECSV file of one, has the columns ``metallicity`` (mass fraction),
        ``log_age`` (log10 yr), a column for each band with a unit of surface brightness per formed mass
        (``MJy pc2 / (sr Msun)``) and ``remaining_mass`` (fraction of the formed mass), a row for every age at
        every metallicity; and in ``meta`` the keys ``library``, ``license``, ``initial_mass_function`` and
        ``solar_metallicity`` (mass fraction): the format that ``euclid-resolved populations make`` writes.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from euclid_resolved.plugins import hookimpl
    >>> @hookimpl
    ... def register_populations():
    ...     rows = [(z, age, 1e-4, 0.5) for z in (0.004, 0.02) for age in (6.5, 10.2)]
    ...     table = Table(rows=rows, names=["metallicity", "log_age", "lsst2023-g", "remaining_mass"])
    ...     table["lsst2023-g"].unit = "MJy pc2 / (sr Msun)"
    ...     table.meta.update(library="mine", license="BSD", initial_mass_function="Chabrier")
    ...     table.meta["solar_metallicity"] = 0.02
    ...     return {"mine": table}
    >>> len(register_populations()["mine"])
    4
    """


@hookspec
def register_instruments() -> Mapping[str, Sequence[Band]]:
    """Offer instruments: the bands of each, with the names that files have for them.

    Returns
    -------
    instruments : mapping of str to sequence of `~euclid_resolved.images.Band`
        By the name of the instrument, its bands from blue to red. No two bands may share a name, whichever
        instruments they are of.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.images import Band
    >>> from euclid_resolved.plugins import hookimpl
    >>> @hookimpl
    ... def register_instruments():
    ...     passband = [4000, 4100, 5400, 5500] * u.AA, [0, 1, 1, 0]
    ...     g = Band("MINE_g", 4720 * u.AA, [4050, 5450] * u.AA, passband, aliases=("g_mine",))
    ...     return {"mine": [g]}
    >>> register_instruments()["mine"][0].pivot
    <Quantity 4720. Angstrom>
    """

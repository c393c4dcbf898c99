"""Parts of a study about accuracy: the sets, the table of all cases, predicted against true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from euclid_resolved.diagnostics._contract import estimates
from euclid_resolved.diagnostics._published import (
    NOT_PUBLISHED,
    PUBLISHED_NARROW,
    PUBLISHED_R2_SCATTER,
    PUBLISHED_RANGES,
    PUBLISHED_TARGETS,
)
from euclid_resolved.features._scale import to_dex
from euclid_resolved.maps._properties import SOLAR_METALLICITY
from euclid_resolved.maps._true_map import log_stellar_mass
from euclid_resolved.plotting._comparison import plot_predicted_against_true
from euclid_resolved.study._details import DETAILS, target_ranges
from euclid_resolved.study._figures import plot_accuracy, plot_distributions
from euclid_resolved.study._profiles import in_dex
from euclid_resolved.study._published import METRICS
from euclid_resolved.study._result import Result
from euclid_resolved.study._verdict import WORD, median_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from euclid_resolved.maps._spatial_map import SpatialMap
    from euclid_resolved.study._description import Input, Part
    from euclid_resolved.study._runner import Runner

_PREDICTED = (
    "Predicted against true values of the test galaxies; points: median and 16-84 % of the predictions in "
    "bins of the truth; dashed: 0.3 dex from equality"
)
_TABLE_3 = ("HE", "bands", "bands+colours")  # its inputs

_RANGES = (
    "Ranges of the properties of pixels above the clip, dex: log10 of density in Msun/pc2, of the mass "
    "fraction of metals (the Sun has 0.02), and of age in Gyr"
)
_GLOBAL = {
    "mass": r"$\log_{10}\,[M_\star\,/\,M_\odot]$",
    "metallicity": r"$\log_{10}\,[Z_\star\,/\,Z_\odot]$",
    "age": r"$\log_{10}\,[t_\star\,/\,\mathrm{Gyr}]$",
}


def published_input(what: Input) -> str:
    """The name under which the paper's figures are kept: the column, or the feature sets joined by +."""
    if what.columns is not None and len(what.columns) == 1:
        return what.columns[0]
    return "+".join(what.features) if what.columns is None else "-"


def accuracy(runner: Runner, part: Part) -> Result:
    """The six metrics of each property, method and input: the median of runs, with their scatter."""
    options, d = part.options, runner.description
    labels, inputs = options.get("estimators", d.methods), options.get("inputs", d.inputs)
    runs = int(options.get("runs", d.runs))
    rows, result = [], Result()
    for name in [name for name in inputs if not runner.can_look(name)]:
        around = ", ".join(runner.data.features) or "no surroundings"
        result.notes.append(f"{name}: left out, the sample holds pixels with {around}.")
    inputs = [name for name in inputs if runner.can_look(name)]
    if not inputs:
        return result
    details: dict[tuple[str, str, str], dict[str, float]] = {}
    for label in labels:
        for name in inputs:
            found = {}
            if label not in runner.missing:
                each = [runner.accuracy(label, name, run) for run in range(runs)]
                found = {prop: median_of([one[prop] for one in each]) for prop in d.properties}
            rows += [_row(runner, prop, label, name, found.get(prop)) for prop in d.properties]
            details |= {(p, label, name): {k: v[k] for k in DETAILS} for p, v in found.items()}
    order = {name: i for i, name in enumerate(d.properties)}
    rows.sort(key=lambda row: order[row["property"]])
    table = Table(rows=rows)
    result.tables["Accuracy on the test galaxies"] = table
    there = table[table["status"] == ""]
    if len(there):
        result.figures["R2 of each case"] = plot_accuracy(there, by="method")
    for row in there:
        what = published_input(d.inputs[row["input"]])
        case = f"{d.methods[row['method']].estimator}/{what}/{row['property']}"
        result.values |= {f"{m}/{case}": row[m] for m in ("r2", "pearson", "bias")}
        result.values |= {
            f"{m}/{case}": value for m, value in details[row["property"], row["method"], row["input"]].items()
        }
        if runs > 1:
            result.values[f"scatter/{case}"] = row["r2_scatter"]
            result.values[f"error/{case}"] = median_error(row["r2_scatter"], runs)
            result.values[f"bias_error/{case}"] = median_error(row["bias_scatter"], runs)
    # The paper's ranges are those of its Table 3.
    theirs = [name for name in inputs if published_input(d.inputs[name]) in _TABLE_3]
    methods = [label for label in labels if d.methods[label].estimator in WORD]
    there = there[[row["input"] in theirs and row["method"] in methods for row in there]]
    if len(theirs) >= len(_TABLE_3) and (rows := _ranges(there)):
        result.tables["Ranges over methods and inputs"] = Table(rows=rows)
    if runs > 1:
        result.notes.append(f"Medians of {runs} runs that differ by their seed, ± their standard deviation.")
        result.tables["Scatter of R2 over runs, relative to its median"] = _scatter(runner, there, runs)
    return result


def median_of(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each metric over runs, which one that is stuck does not move, and their scatter.

    Parameters
    ----------
    runs : sequence of mapping of str to float

    Returns
    -------
    values : dict of str to float
        Each metric, and ``<metric>_scatter``, the standard deviation; NaN for a single run.

    Examples
    --------
    >>> from euclid_resolved.study._accuracy import median_of
    >>> found = median_of([{"r2": 0.33}, {"r2": 0.13}, {"r2": 0.34}])
    >>> print({key: round(value, 3) for key, value in found.items()})
    {'r2': 0.33, 'r2_scatter': 0.118}
    """
    found = {}
    for metric in runs[0]:
        values = [run[metric] for run in runs]
        found[metric] = float(np.median(values))
        found[f"{metric}_scatter"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    return found


def _row(runner, prop, label, name, values):
    d = runner.description
    row = {"property": prop, "method": label, "input": name, "status": runner.missing.get(label, "")}
    for metric in METRICS:
        row[metric] = np.nan if values is None else values[metric]
        row[f"{metric}_scatter"] = np.nan if values is None else values[f"{metric}_scatter"]
        case = (prop, d.methods[label].estimator, published_input(d.inputs[name]))
        row[f"{metric}_published"] = runner.published("Table 3", *case, metric)
    narrow = PUBLISHED_NARROW.get(case, NOT_PUBLISHED)
    return row | {
        "outlier_narrow": np.nan if values is None else values["outlier_narrow"],
        "outlier_narrow_published": narrow,
    }


def _ranges(table):
    """The least and the largest value over methods and inputs, where the paper tells them."""
    rows = []
    for (name, metric), (least, largest) in PUBLISHED_RANGES.items():
        found = table[metric][table["property"] == name] if len(table) else ()
        if len(found) > 1:
            row = {
                "property": name,
                "metric": metric,
                "least": float(np.min(found)),
                "least_published": least,
            }
            rows.append(row | {"largest": float(np.max(found)), "largest_published": largest})
    return rows


def _scatter(runner, table, runs):
    rows = []
    for label in dict.fromkeys(table["method"]):
        part = table[table["method"] == label]
        # Relative to a mean near zero a scatter says nothing: R2 of at least 0.2 only.
        part = part[part["r2"] > 0.2]
        relative = 100 * part["r2_scatter"] / part["r2"] if len(part) else np.array([np.nan])
        estimator = runner.description.methods[label].estimator
        row = {"method": label, "runs": runs, "largest_percent": float(np.max(relative))}
        rows.append({**row, "largest_percent_published": PUBLISHED_R2_SCATTER.get(estimator, NOT_PUBLISHED)})
    return Table(rows=rows)


def predicted_against_true(runner: Runner, part: Part) -> Result:
    """Density plots of predicted against true values of each method with the main input."""
    result = Result()
    panels: dict[str, dict[str, Any]] = {name: {} for name in runner.description.properties}
    for label in part.options.get("estimators", runner.description.methods):
        if label in runner.missing:
            result.notes.append(f"{label}: {runner.missing[label]}")
            continue
        model = runner.model(label)
        for name in panels:
            panels[name][label] = estimates(model, runner.test_pixels, name)
    if any(panels.values()):
        figure = plot_predicted_against_true(panels)
        result.figures[_PREDICTED] = figure
    return result


def distributions(runner: Runner, part: Part) -> Result:
    """Global mass, metallicity and age of all, training and test galaxies, and the ranges of the pixels."""
    sets = {"training": runner.training_pixels, "test": runner.test_pixels}
    result = Result()
    result.tables[_RANGES] = Table(rows=_target_ranges(sets))
    if not runner.data.images:
        rows = [_counts(name, [g.star_forming for g in _galaxies(runner)[name]], sets[name]) for name in sets]
        result.tables = {"The sets": Table(rows=rows)} | result.tables
        result.notes.append(
            "Global masses, metallicities and ages are left out: they are sums over whole maps, and a sample "
            "holds pixels above the clip only."
        )
        return result
    galaxies = _galaxies(runner)
    found = {name: [global_values(one.maps) for one in each] for name, each in galaxies.items()}
    keys = list(found["training"][0])
    values = {
        name: {key: np.array([one[key] for one in each]) for key in keys} for name, each in found.items()
    }
    values = {"all": {k: np.concatenate([v[k] for v in values.values()]) for k in keys}, **values}
    rows = []
    for name, pixels in sets.items():
        counts = _counts(name, [g.star_forming for g in galaxies[name]], pixels)
        rows.append(counts | {f"median_log_{key}": float(np.nanmedian(values[name][key])) for key in keys})
    known = {name: {k: v[np.isfinite(v)] for k, v in each.items()} for name, each in values.items()}
    result.tables = {"The sets": Table(rows=rows)} | result.tables
    result.figures["Global values"] = plot_distributions(known, {key: _GLOBAL[key] for key in keys})
    result.notes.append(
        "Global values are sums over the whole map of a galaxy, with its own size of pixels, and means "
        "weighted by mass: log10 of mass in Msun, metallicity in solar units (0.02) and age in Gyr. Where a "
        "map has no size in parsecs the mass is left out."
    )
    return result


def _galaxies(runner):
    return {"training": runner.training, "test": runner.test}


def _counts(name, kinds, pixels):
    """How many galaxies and pixels a set has."""
    counts = {"set": name, "galaxies": len(kinds), "pixels": len(pixels)}
    counts["pixels_kept_percent"] = 100 * pixels.kept
    counts["star_forming"] = sum(kind is True for kind in kinds)
    counts["quiescent"] = sum(kind is False for kind in kinds)
    return counts


def _target_ranges(sets):
    """The range of each property in each set and in all, beside the paper's (Sect. 2.3)."""
    rows = []
    for name in sets["training"].truth:
        dex = {which: to_dex(pixels.truth[name]) for which, pixels in sets.items()}
        dex = {which: values[np.isfinite(values)] for which, values in dex.items()}
        everything = np.concatenate(list(dex.values()))
        rows += target_ranges({which: {name: each} for which, each in {"all": everything, **dex}.items()})
    for row in rows:
        for key in ("minimum", "maximum", "inner_99_low", "inner_99_high"):
            row[f"{key}_published"] = PUBLISHED_TARGETS.get((row["set"], row["property"], key), NOT_PUBLISHED)
    return rows


def global_values(maps: Mapping[str, SpatialMap]) -> dict[str, float]:
    """log10 of mass, and of mass-weighted metallicity (solar units) and age (Gyr) of a galaxy.

    Parameters
    ----------
    maps : mapping of str to `~euclid_resolved.SpatialMap`
        The whole true maps, each with the size of its own pixels.

    Returns
    -------
    values : dict of str to float
        ``mass`` (solar masses; NaN where a pixel has no length), ``metallicity``, ``age``. Pixels that are
        masked or not positive count as empty.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.study._accuracy import global_values
    >>> density, age = np.full((2, 2), 10.0), np.array([[4.0, 4.0], [8.0, np.nan]])
    >>> maps = {
    ...     "stellar_mass_density": SpatialMap(
    ...         density, property="stellar_mass_density", meta={"pixel_scale": 50 * u.pc}
    ...     ),
    ...     "stellar_age": SpatialMap(age, property="stellar_age"),
    ... }
    >>> print({key: round(10**value, 2) for key, value in global_values(maps).items()})  # 4 x 10 x 50 x 50
    {'mass': 100000.0, 'age': 5.33}
    """
    known = {name: 10.0 ** in_dex(map_) for name, map_ in maps.items()}
    density = known.get("stellar_mass_density")
    found = {}
    if density is not None:
        found["mass"] = log_stellar_mass(maps["stellar_mass_density"])
    pairs = (("metallicity", "stellar_metallicity", SOLAR_METALLICITY), ("age", "stellar_age", 1.0))
    for key, name, unit in pairs:
        if name in known:
            weight = np.ones_like(known[name]) if density is None else density
            some = np.isfinite(known[name] + weight)
            mean = np.average(known[name][some], weights=weight[some]) if some.any() else np.nan
            found[key] = float(np.log10(mean / unit))
    return found

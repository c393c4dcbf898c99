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
)
from euclid_resolved.diagnostics._seed_scatter import spread
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.maps._properties import SOLAR_METALLICITY
from euclid_resolved.plotting._comparison import plot_predicted_against_true
from euclid_resolved.study._figures import plot_accuracy, plot_distributions
from euclid_resolved.study._published import METRICS
from euclid_resolved.study._result import Result

if TYPE_CHECKING:
    from euclid_resolved.study._description import Input, Part
    from euclid_resolved.study._runner import Runner

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
    """The six metrics of each property, method and input, with their scatter over runs."""
    options, d = part.options, runner.description
    labels, inputs = options.get("estimators", d.methods), options.get("inputs", d.inputs)
    runs = int(options.get("runs", d.runs))
    rows, result = [], Result()
    for label in labels:
        for name in inputs:
            found = {}
            if label not in runner.missing:
                each = [runner.accuracy(label, name, run) for run in range(runs)]
                found = {prop: spread([one[prop] for one in each]) for prop in d.properties}
            rows += [_row(runner, prop, label, name, found.get(prop)) for prop in d.properties]
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
        result.values |= {f"{m}/{case}": row[m] for m in ("r2", "pearson")}
        if runs > 1:
            result.values[f"scatter/{case}"] = row["r2_scatter"]
    if rows := _ranges(there):
        result.tables["Ranges over methods and inputs"] = Table(rows=rows)
    if runs > 1:
        result.tables["Scatter of R2 over runs, relative to its mean"] = _scatter(runner, there, runs)
    return result


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
        result.figures["Predicted against true values of the test galaxies; dashed: 0.3 dex"] = figure
    return result


def distributions(runner: Runner, part: Part) -> Result:
    """Global mass, metallicity and age of all, training and test galaxies, from the pixels above the clip."""
    sets = {"training": runner.training_pixels, "test": runner.test_pixels}
    scale = pixel_scale(runner.galaxies[0].image)
    # Without a length per pixel the mass is one per pixel area: its distribution has the same shape.
    area = float(scale.to_value("pc")) ** 2 if scale.unit.is_equivalent("pc") else 1.0
    values = {name: _global(pixels, area) for name, pixels in sets.items()}
    keys = list(values["training"])
    values = {"all": {k: np.concatenate([v[k] for v in values.values()]) for k in keys}, **values}
    kinds = {name: [g.star_forming for g in each] for name, each in _sets(runner).items()}
    rows = []
    for name, pixels in sets.items():
        counts = {"set": name, "galaxies": len(kinds[name]), "pixels": len(pixels)}
        counts["pixels_kept_percent"] = 100 * pixels.kept
        counts["star_forming"] = sum(kind is True for kind in kinds[name])
        counts["quiescent"] = sum(kind is False for kind in kinds[name])
        rows.append(counts | {f"median_log_{key}": float(np.median(values[name][key])) for key in keys})
    figure = plot_distributions(values, {key: _GLOBAL[key] for key in keys})
    note = "Global values are sums and mass-weighted means over the pixels above the clip."
    return Result(tables={"The sets": Table(rows=rows)}, figures={"Global values": figure}, notes=[note])


def _sets(runner):
    return {"training": runner.training, "test": runner.test}


def _global(pixels, area):
    """log10 of mass, and of mass-weighted metallicity (solar units) and age (Gyr), one value a galaxy."""
    density = pixels.truth.get("stellar_mass_density")
    weight = np.ones(len(pixels)) if density is None else density.astype(float)
    some = np.bincount(pixels.galaxy, minlength=len(pixels.names)) > 0
    total = np.bincount(pixels.galaxy, weight, len(pixels.names))[some]
    values = {} if density is None else {"mass": np.log10(total * area)}
    pairs = (("metallicity", "stellar_metallicity", SOLAR_METALLICITY), ("age", "stellar_age", 1.0))
    for key, name, unit in pairs:
        if name in pixels.truth:
            weighted = np.bincount(pixels.galaxy, weight * pixels.truth[name], len(pixels.names))[some]
            values[key] = np.log10(weighted / total / unit)
    return values

"""Parts of a study about what a model leans on: coefficients, importance, a band less, the relation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table, vstack

from euclid_resolved.diagnostics._contract import estimates
from euclid_resolved.diagnostics._figures import plot_importance, plot_lofo, plot_rmzr, plot_shuffle
from euclid_resolved.diagnostics._importance import impurity_importance, lofo, lofo_models
from euclid_resolved.diagnostics._published import (
    NOT_PUBLISHED,
    PUBLISHED_COEFFICIENTS,
    PUBLISHED_IMPORTANCE,
    PUBLISHED_LOFO_ORDER,
)
from euclid_resolved.diagnostics._relations import as_relation, read_relation
from euclid_resolved.diagnostics._rmzr import rmzr, rmzr_shuffle
from euclid_resolved.diagnostics._rmzr_observed import QUANTITIES
from euclid_resolved.plotting._comparison import plot_predicted_against_true
from euclid_resolved.plugins._registry import available
from euclid_resolved.study._published import METRICS
from euclid_resolved.study._result import Result
from euclid_resolved.study._verdict import median_error

if TYPE_CHECKING:
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner


def usable(runner: Runner, part: Part, result: Result) -> list[str]:
    """The methods of a part that are there; the others leave a note."""
    labels = list(part.options.get("estimators", runner.description.methods))
    result.notes += [f"{label}: {runner.missing[label]}" for label in labels if label in runner.missing]
    return [label for label in labels if label not in runner.missing]


def coefficients(runner: Runner, part: Part) -> Result:
    """Coefficients of a linear regression, on inputs and targets scaled to [0, 1] and on their logarithms."""
    result, rows = Result(), []
    for label in usable(runner, part, result):
        model = runner.model(label)
        for name, output in model.outputs.items():
            state = output.estimator.state()
            if "coefficients" not in state:
                result.notes.append(f"{label} has no coefficients")
                break
            scaled = np.asarray(state["coefficients"], float)
            low, width = model.feature_scale.minimum, np.ptp(_limits(model.feature_scale), axis=0)
            target = float(np.ptp(_limits(output.scale), axis=0)[0])
            raw = target * scaled / np.where(width > 0, width, 1)
            intercept = float(state["intercept"])
            raw_intercept = output.scale.minimum[0] + target * intercept - raw @ low
            terms = (*zip(model.columns, scaled, raw, strict=True), ("intercept", intercept, raw_intercept))
            for column, value, slope in terms:
                paper = PUBLISHED_COEFFICIENTS.get(name, {}).get(column)
                row = {"property": name, "method": label, "column": column, "scaled": float(value)}
                row |= {"scaled_published": _text(paper), "raw_logarithm": float(slope)}
                rows.append(row | {"raw_logarithm_published": _text(paper)})
                result.values[f"coefficient/{name}/{column}"] = value
    if rows:
        result.tables["Coefficients"] = Table(rows=rows)
    result.notes.append(
        "scaled: inputs and targets scaled to [0, 1] by the training set's range. raw_logarithm: log10 of "
        "the property per log10 of MJy/sr. The published coefficients stand beside both, since the paper "
        "does "
        f"not say in which form they are{_sums(rows)}. Compare signs and order only."
    )
    return result


def _sums(rows):
    """What the slopes for density sum to, here and in the paper."""
    own = [row for row in rows if row["method"] == rows[0]["method"] and "density" in row["property"]]
    slopes = [row for row in own if row["column"] != "intercept"]
    if not slopes:
        return ""
    scaled, raw = (sum(row[key] for row in slopes) for key in ("scaled", "raw_logarithm"))
    return (
        f": its slopes for density sum to 3.9, those here to {scaled:.2f} scaled and to {raw:.2f} on "
        "logarithms, where near one says that density is in proportion to light"
    )


def _limits(scale):
    return np.array([scale.minimum, scale.maximum])


def _text(value, form="{:.3f}"):
    return NOT_PUBLISHED if value is None else form.format(value)


def importance(runner: Runner, part: Part) -> Result:
    """Impurity importance of the forest."""
    result = Result()
    for label in usable(runner, part, result):
        table = impurity_importance(runner.model(label), None, None)
        if not np.isfinite(table["importance"]).any():
            result.notes.append(f"{label} has no impurity importance")
            continue
        keys = [(str(row["property"]), str(row["column"])) for row in table]
        table["importance_published"] = [_text(PUBLISHED_IMPORTANCE.get(key)) for key in keys]
        result.tables[f"Importance of each band for {label}"] = table
        result.figures[f"Importance of each band for {label}"] = plot_importance(table)
        estimator = runner.description.methods[label].estimator
        for (name, column), value in zip(keys, table["importance"], strict=True):
            result.values[f"importance/{estimator}/{name}/{column}"] = value
    return result


def leave_one_out(runner: Runner, part: Part) -> Result:
    """The accuracy without each band, and what it is worse by."""
    result, tables, orders = Result(), [], []
    metric = part.options.get("metric", "rmse")
    for label in usable(runner, part, result):
        model, estimator = runner.model(label), runner.description.methods[label].estimator
        sets = runner.training_pixels, runner.test_pixels
        panels = {name: {"all bands": estimates(model, sets[1], name)} for name in model.properties}
        runs, each = 1 if estimator == "linear" else int(part.options.get("runs", 1)), []
        for run in range(runs):
            model = runner.model(label, run=run)
            models = lofo_models(model, sets[0], fit=runner.refit(label, run=run))
            models = models if run else _watched(models, sets[1], panels)
            each.append(lofo(model, *sets, metric=metric, models=models))
        table, scatter = _median_of(each)
        figure = plot_lofo(table)
        result.figures[f"{label}: change of the error without each band"] = figure
        result.figures[f"{label}: predicted against true"] = plot_predicted_against_true(panels)
        tables.append(_for_display(runner, table, scatter, label, estimator, metric))
        orders += _orders(table, label, estimator, metric)
        for row, spread in zip(table, scatter, strict=True):
            key = f"{estimator}/{row['property']}/{row['left_out']}"
            result.values |= {f"lofo/{key}": row["lofo_relative"], f"lofo_pearson/{key}": row["pearson"]}
            result.values[f"lofo_error/{key}"] = median_error(spread["lofo_relative"], runs)
        if runs > 1:
            result.notes.append(
                f"{label}: medians of {runs} runs with other seeds, ± their standard deviation."
            )
    if tables:
        result.notes.append(
            f"lofo: {_word(metric)} without the band less that with all bands; lofo relative: that over the "
            "latter."
        )
        result.tables[f"Accuracy without each band (importance by {_word(metric)})"] = vstack(tables)
        result.tables["Bands from the one that is missed most"] = Table(rows=orders)
    return result


def _word(metric):
    return metric.upper() if metric in ("r2", "rmse", "nmad") else metric


def _watched(models, unseen, panels):
    """Pass models on, and keep what they estimate: one model at a time is in memory."""
    for band, model in models:
        for name, cases in panels.items():
            cases[f"without {band}"] = estimates(model, unseen, name)
        yield band, model


def _median_of(tables):
    """The medians of tables of several runs, and the standard deviations row by row; NaN for one run."""
    table, columns = tables[0].copy(), (*METRICS, "lofo", "lofo_relative")
    scatter = [{} for _ in table]
    for name in columns:
        values = np.array([np.asarray(getattr(one[name], "value", one[name]), float) for one in tables])
        table[name][:] = np.median(values, axis=0) * (getattr(table[name], "unit", None) or 1)
        spread = np.std(values, axis=0, ddof=1) if len(tables) > 1 else np.full(len(table), np.nan)
        for row, value in zip(scatter, spread, strict=True):
            row[name] = float(value)
    return table, scatter


def _orders(table, label, estimator, metric):
    """The bands from the one that is missed most to the one that is missed least, by property."""
    rows = []
    for name in dict.fromkeys(table["property"]):
        own = table[(table["property"] == name) & (table["left_out"] != "none")]
        # What is missed makes errors larger, but R2 and correlations smaller.
        loss = np.asarray(own["lofo_relative"], float) * (-1 if metric in ("r2", "pearson") else 1)
        order = own["left_out"][np.argsort(-loss, kind="stable")]
        # Sect. 5.4.2 gives one order for the forest, for each of the three properties, in RMSE.
        same = estimator == "random_forest" and metric == "rmse"
        paper = ", ".join(PUBLISHED_LOFO_ORDER) if same else NOT_PUBLISHED
        rows.append({"property": str(name), "method": label, "order": ", ".join(map(str, order))})
        rows[-1]["order_published"] = paper
    return rows


def _for_display(runner, table, scatter, label, estimator, by):
    rows = []
    for line, spread in zip(table, scatter, strict=True):
        name, band = str(line["property"]), str(line["left_out"])
        row = {"property": name, "method": label, "left_out": band}
        for metric in (*METRICS, "lofo"):
            row[metric] = float(np.asarray(getattr(line[metric], "value", line[metric])))
            row[f"{metric}_scatter"] = spread[metric]
            paper = runner.published("Table 7", name, estimator, band, metric)
            # The paper's importance is that of RMSE (Eq. 11).
            row[f"{metric}_published"] = paper if metric != "lofo" or by == "rmse" else NOT_PUBLISHED
        rows.append(row | {"lofo_relative": float(line["lofo_relative"])})
    return Table(rows=rows)


def relation(runner: Runner, part: Part) -> Result:
    """The resolved mass-metallicity relation: fits, and the test with everything else shuffled away."""
    result, d = Result(), runner.description
    relations = _relations(d)
    with_values = [one for one in relations if one.supplied]
    options: dict[str, Any] = {"bootstrap": int(part.options.get("bootstrap", 200)), "seed": runner.seed()}
    options["imf_shift"] = part.options.get("imf_shift")
    said: dict[str, Any] = {}
    for label in usable(runner, part, result):
        model, sets = runner.model(label), (runner.training_pixels, runner.test_pixels)
        table = rmzr(model, *sets, relations=with_values, **options)
        result.figures[f"Metallicity against density; predictions of {label}"] = plot_rmzr(
            table, relations, fewest=tuple(part.options.get("fewest_pixels", (3, 3)))
        )
        result.tables[f"Fits; predictions of {label}"] = _fits(table)
        if with_values:
            what = f"What is left when observed relations are subtracted; predictions of {label}"
            result.figures[what] = plot_rmzr(table, by="mass")
            result.tables[f"Beside observed relations, dex; predictions of {label}"] = _beside(table)
            said |= {one["name"]: one for one in table.meta["relations"]}
        shuffled = rmzr_shuffle(model, *sets, seed=runner.seed())
        result.figures[f"{label}: what is left when metallicity is shuffled"] = plot_shuffle(shuffled)
        result.tables[f"{label}: metallicity shuffled at fixed density"] = shuffled
        estimator = d.methods[label].estimator
        for row in shuffled:
            result.values[f"shuffle/{estimator}/{row['case']}"] = row["r2"]
        (partial,) = table[table["quantity"] == "partial correlation"]
        result.values[f"partial/{estimator}"] = partial["value"]
        result.values[f"partial_error/{estimator}"] = partial["error"]
        for one in table.meta["compared"]:
            if np.isnan(one["low"]):
                key = f"{estimator}/{one['relation']}/{one['metallicity']}"
                result.values |= {
                    f"observed_{name.replace(' ', '_')}/{key}": one[name] for name in QUANTITIES
                }
        for row in table:
            if row["quantity"] == "scatter" and row["form"] == "quadratic":
                result.values[f"relation_scatter/{estimator}/{row['metallicity']}"] = row["value"]
    result.notes.append(
        f"Errors: {part.options.get('bootstrap', 200)} bootstrap samples of galaxies. x = log10 density "
        "[Msun/pc2], y = log10 metallicity [solar, 0.02]. linear y = a + b (x - 2); quadratic + c (x - 2)^2; "
        "saturating y = y0 - gamma log10(1 + 10^-(x - x0))."
    )
    if lacking := [one for one in relations if not one.supplied]:
        result.notes.append(_MISSING.format("; ".join(f"{one.name} ({one.reference})" for one in lacking)))
    for one in said.values():
        about = f"{one['name']}: {one['sample']}; {one['reference']}. {' '.join(one['conversions'])}"
        if one["density_error"]:
            about += f" Its densities are uncertain by {one['density_error']:g} dex (the band in the figure)."
        result.notes.append(about)
    if said:
        result.notes.append(_HOW_COMPARED)
    return result


_MISSING = (
    "Not drawn, since no verified values come with this package: {}. A table for each goes under "
    "[relations] of the study (see the page on diagnostics)."
)
_HOW_COMPARED = (
    "Beside observed relations: differences are metallicity of the pixels less the relation at their "
    "true density, "
    "for pixels in its range of density. offset: their mean. slope difference: of a straight line "
    "through them, dex "
    "per dex. rms of means: of the means in each 0.05 dex of density. rms of pixels: of all. density "
    "error: what the "
    "offset changes by if the relation's densities move by their own error. Galaxies of some mass are "
    "compared with "
    "the relation for that mass. Errors are from drawing galaxies again, without those of the relation. "
    "A relation of "
    "one point a galaxy and one of pixels need not be the same."
)


def _beside(table):
    """The comparison with observed relations, a row for each set of galaxies."""
    rows = []
    for one in table.meta["compared"]:
        if not one["n_galaxies"]:
            continue
        said = "all" if np.isnan(one["low"]) else f"{one['low']:.2f} to {one['high']:.2f}"
        row = {"relation": one["relation"], "metallicity": one["metallicity"], "log_mass": said}
        row["n_galaxies"] = one["n_galaxies"]
        for name in QUANTITIES:
            key = name.replace(" ", "_")
            row |= {key: one[name], f"{key}_error": one[f"{name} error"]}
        rows.append(row | {"density_error": one["density error"]})
    return Table(rows=rows)


def _relations(description):
    """The registered relations, those of the study from their tables."""
    found = {name: as_relation(name, value) for name, value in available("relations").items()}
    return [
        read_relation(description.relations[name], name) if name in description.relations else known
        for name, known in found.items()
    ]


def _fits(table):
    """One row a fit, its parameters in words."""
    rows, named = [], {one["name"] for one in table.meta["relations"]}
    table = table[[form not in named for form in table["form"]]]
    for case, form in dict.fromkeys(zip(table["metallicity"], table["form"], strict=True)):
        part = table[(table["metallicity"] == case) & (table["form"] == form)]
        text = [f"{r['quantity']} = {r['value']:.4f} ± {r['error']:.4f}" for r in part]
        text = ["not constrained"] if "not constrained" in part["note"] else text
        rows.append({"metallicity": str(case), "form": str(form), "values": ", ".join(text)})
    return Table(rows=rows)

"""Parts of a study about robustness: projections, sample bias, colours from bands, hyper-parameters."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table, vstack

from euclid_resolved.diagnostics._contract import accuracies
from euclid_resolved.diagnostics._published import NOT_PUBLISHED, PUBLISHED_COLOURS
from euclid_resolved.diagnostics._robustness import colour_recovery, observer_of, sample_bias
from euclid_resolved.diagnostics._robustness_figures import (
    plot_colour_recovery,
    plot_learning_curve,
    plot_sample_bias,
)
from euclid_resolved.errors import InputError
from euclid_resolved.io._fingerprint import file_digest
from euclid_resolved.io._galaxy_list import galaxy_key, read_galaxy_list
from euclid_resolved.study._galaxies import FOLDS
from euclid_resolved.study._leaning import usable
from euclid_resolved.study._published import METRICS
from euclid_resolved.study._result import Result
from euclid_resolved.study._verdict import median_error
from euclid_resolved.training._search import search

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner
    from euclid_resolved.training._sample import Pixels

_DRAWN = ("training_galaxies", "test_galaxies", "training_list", "test_list")


def projections_test(runner: Runner, part: Part) -> Result:
    """Accuracy with one to all projections of the training galaxies; each test galaxy from a random side."""
    result, observers = Result(), runner.observers
    labels = usable(runner, part, result)
    if len(observers) < 2:
        note = f"Not run: the {runner.data.kind} holds observer {', '.join(observers)} only."
        if runner.data.images:
            note += (
                " A mock atlas gets others by euclid-resolved atlas make with --observer O1, O2, O3 and O4 "
                "on the same folder."
            )
        result.notes.append(note)
        return result
    if not labels:
        return result
    training, test = _from_all_sides(runner, part, observers)
    groups = [len({g.group for g in galaxies}) for galaxies in (training, test)]
    result.notes.append(
        f"{groups[0]} training galaxies; {groups[1]} test galaxies, each from a random side. In a mock atlas "
        "another observer sees a galaxy of the same mass, size, history and dust at another inclination, but "
        "with other clumps and other noise."
    )
    for label in labels:
        estimator = runner.description.methods[label].estimator
        # One start of a network may be stuck: several, and the median is told. A linear fit has one.
        runs = 1 if estimator == "linear" else _runs(part)
        rows = []
        for n in range(1, len(observers) + 1):
            each = [case_accuracy(runner, part, label, str(n), run) for run in range(runs)]
            for prop in runner.description.properties:
                values = [one[prop]["r2"] for one in each]
                row = {"projections": n, "property": prop, "r2": float(np.median(values))}
                row["training_pixels"] = int(each[0][prop]["training_pixels"])
                scatter = float(np.std(values, ddof=1)) if runs > 1 else np.nan
                row["r2_scatter"] = scatter
                row["r2_published"] = runner.published("Table A.1", prop, estimator, str(n), "r2")
                rows.append(row)
                case = f"{estimator}/{prop}/{n}"
                result.values[f"projections/{case}"] = float(np.median(values))
                result.values[f"projections_error/{case}"] = median_error(scatter, runs)
        table = Table(rows=rows)
        result.tables[f"R2 against the number of projections, {label}"] = table
        result.figures[f"R2 against the number of projections, {label}"] = plot_learning_curve(table)
        result.notes.append(
            f"{label}: the median of {runs} runs with other seeds, ± their standard deviation."
        )
    return result


def _runs(part):
    return int(part.options.get("runs", 3))


def cases(runner: Runner, part: Part) -> list[tuple[str, int]]:
    """What `projections_test` trains of a method: each number of projections, with each seed."""
    sides = len(runner.observers)
    return [(str(n), run) for n in range(1, sides + 1) for run in range(_runs(part))] if sides > 1 else []


def case_share(runner: Runner, part: Part, case: str) -> float:
    """How many pixels a case has, of those of all training galaxies."""
    n = len(runner.training)
    return int(case) * min(part.options.get("training_galaxies", n), n) / n


def case_key(runner: Runner, part: Part, label: str, case: str, run: int) -> str:
    """The key under which the accuracy of a case is kept."""
    return runner.accuracy_key(label, runner.description.main, run, "projections", case, *_drawn(part))


def _drawn(part):
    """What says which galaxies are drawn."""
    options = {key: part.options[key] for key in _DRAWN if key in part.options}
    return [options, [file_digest(options[key]) for key in ("training_list", "test_list") if key in options]]


def case_accuracy(runner: Runner, part: Part, label: str, case: str, run: int) -> dict[str, dict[str, float]]:
    """The metrics with so many projections of each training galaxy, and ``training_pixels``."""

    def measure() -> dict[str, dict[str, float]]:
        pixels, unseen = (case_pixels(runner, part, which) for which in ("training", "test"))
        sides = sorted({observer_of(name) for name in pixels.names})[: int(case)]
        some = pixels.of([name for name in pixels.names if observer_of(name) in sides])
        what = f"{label} on {case} projection{'' if case == '1' else 's'}, run {run + 1}"
        model = runner.timed(what, label, lambda: runner.train_on(some, label, runner.description.main, run))
        found = accuracies(model, unseen)
        return {name: values | {"training_pixels": float(len(some))} for name, values in found.items()}

    return runner.measured(
        case_key(runner, part, label, case, run), measure, method=label, projections=case, run=run
    )


def case_pixels(runner: Runner, part: Part, which: str, case: str = "") -> Pixels:
    """The pixels of training or test galaxies from all sides, read once for all cases."""
    features = runner.image_features(runner.description.main)

    def galaxies() -> list[Galaxy]:
        return case_galaxies(runner, part, which)

    what = f"{which} galaxies from all sides"
    return runner.remembered((which, str(_drawn(part)), *features), galaxies, features, what)


def case_galaxies(runner: Runner, part: Part, which: str, case: str = "") -> list[Galaxy]:
    """The training galaxies from all sides, or the test galaxies from one each."""
    return _from_all_sides(runner, part, runner.observers)[which == "test"]


def _from_all_sides(runner, part, observers):
    """Training galaxies from all sides, and each test galaxy from one: drawn, or as lists have them."""
    rng, options = np.random.default_rng(runner.seed()), part.options
    listed = {
        key: read_galaxy_list(options[key]) if key in options else {}
        for key in ("training_list", "test_list")
    }
    sides = listed["test_list"] or {galaxy_key(g.group): "" for g in runner.test} | runner.listed
    if not listed["test_list"]:
        sides = dict(_some(rng, sorted(sides.items()), options.get("test_galaxies")))
    sides = {key: side or str(rng.choice(observers)) for key, side in sides.items()}
    # What is trained here is trained for this test alone, so any galaxy that a list leaves may be.
    rest = runner.galaxies if listed["test_list"] else runner.training
    groups = sorted({galaxy_key(g.group) for g in rest} - set(sides))
    chosen = set(listed["training_list"] or _some(rng, groups, options.get("training_galaxies")))
    training, test = [], []
    for observer in observers:
        for galaxy in runner.data.galaxies(observer, runner.description.bands, runner.description.more_maps):
            key = galaxy_key(galaxy.group)
            if key in chosen:
                training.append(galaxy)
            if sides.get(key) == observer:
                test.append(galaxy)
    for key, found in (("training_list", training), ("test_list", test)):
        lost = sorted(set(listed[key]) - {galaxy_key(g.group) for g in found})
        if lost:
            more = ", ..." if len(lost) > 5 else ""
            raise InputError(f"{options[key]} names {', '.join(lost[:5])}{more}, which is not there")
    return training, test


def _some(rng, values, n):
    """Some of the values, drawn at random; all without a number."""
    return [values[i] for i in rng.permutation(len(values))[:n]]


def sample_bias_test(runner: Runner, part: Part) -> Result:
    """Accuracy on the training and on the test galaxies."""
    result, tables = Result(), []
    for label in usable(runner, part, result):
        learned = runner.within_budget(label, runner.training_pixels)
        table = sample_bias(runner.model(label), learned, runner.test_pixels)
        result.figures[f"R2 on training and test galaxies, {label}"] = plot_sample_bias(table)
        estimator = runner.description.methods[label].estimator
        for row in table:
            result.values[f"sample_bias/{estimator}/{row['property']}"] = row["r2_difference"]
        for name in ("rmse", "nmad", "bias"):
            table[name] = table[name].value
        table.add_column([label] * len(table), name="method", index=1)
        table.meta.clear()
        table = Table(table)
        for metric in METRICS:
            table[f"{metric}_published"] = [
                runner.published("Table B.1", str(row["property"]), estimator, str(row["set"]), metric)
                for row in table
            ]
        tables.append(table)
    if tables:
        result.tables["Accuracy on training and test galaxies"] = vstack(tables)
    result.notes.append(
        "The paper's differences are within 10 %. A forest knows its own training pixels by heart as far as "
        "its leaves allow, so that on few galaxies its difference is larger than that of the sample. "
        "r2 difference: R2 on training less that on test galaxies, over the latter."
    )
    return result


def colours_test(runner: Runner, part: Part) -> Result:
    """How well each colour is learned from the bands."""
    result, tables = Result(), []
    for label in usable(runner, part, result):
        learned = runner.within_budget(label, runner.training_pixels)
        table = colour_recovery(runner.model(label), learned, runner.test_pixels)
        result.figures[f"Colours learned from the bands, {label}"] = plot_colour_recovery(table)
        estimator = runner.description.methods[label].estimator
        result.values[f"colours/{estimator}"] = np.min(table["r2"])
        rows = []
        for row in table:
            paper = PUBLISHED_COLOURS.get(str(row["colour"]), {})
            line = {"colour": str(row["colour"]), "method": label, "r2": float(row["r2"])}
            line |= {"r2_published": paper.get("r2", NOT_PUBLISHED), "rmse": float(row["rmse"].value)}
            rows.append(line | {"rmse_published": paper.get("rmse", NOT_PUBLISHED)})
        tables.append(Table(rows=rows))
    if tables:
        result.tables["Colours inferred from the bands (RMSE in dex)"] = vstack(tables)
    return result


def hyper_parameters(runner: Runner, part: Part) -> Result:
    """Search of settings in folds of whole galaxies."""
    result, options = Result(), part.options
    names = options.get("properties", runner.description.properties[:1])
    for label in usable(runner, part, result):
        method, what = runner.description.methods[label], runner.description.inputs[runner.description.main]
        for name in names:
            table = search(
                runner.within_budget(label, runner.training_pixels),
                method.make(runner.seed()),
                options["settings"],
                property=name,
                features=what.features,
                columns=what.columns,
                kind=options.get("kind", "grid"),
                n_iter=int(options.get("n_iter", 10)),
                fraction=float(options.get("fraction", 0.2)),
                k=int(options.get("k", FOLDS["hyper_parameters"])),
                seed=runner.seed(),
            )
            result.tables[f"{label}, {name}: best first"] = table
        rows = [
            {"setting": key, "value": str(value)}
            | {"value_published": runner.published("Table 1", "", method.estimator, key, "value")}
            for key, value in asdict(method.make(runner.seed())).items()
        ]
        result.tables[f"{label}: settings of this study"] = Table(rows=rows)
    return result

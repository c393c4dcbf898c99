"""The part of a study that goes beyond the paper's bands: ground-based optical ones beside Euclid's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from euclid_resolved.diagnostics._contract import accuracies
from euclid_resolved.diagnostics._figures import plot_lofo, plot_permutation
from euclid_resolved.diagnostics._importance import lofo
from euclid_resolved.diagnostics._permutation import permutation_importance
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS
from euclid_resolved.io._atlas import band_files
from euclid_resolved.io._galaxy_list import with_listed
from euclid_resolved.study._leaning import usable
from euclid_resolved.study._result import Result
from euclid_resolved.training._extract import made_of_images

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner
    from euclid_resolved.training._sample import Pixels

_BANDS = ("LSST_u", "LSST_g", "LSST_r", "LSST_i", "LSST_z", "LSST_y")


def optical_bands(runner: Runner, part: Part) -> Result:
    """Accuracy with further bands beside those of the study, and which of them all are worth most."""
    result, d = Result(), runner.description
    inputs = list(part.options.get("inputs", [d.main]))
    for name in inputs:
        if d.inputs[name].columns is not None:
            raise InputError(
                f"{part.label}: the input {name!r} is of some columns only, which further bands need"
            )
    bands = _with_further(runner, part, result)
    labels = usable(runner, part, result) if bands else []
    if not labels:
        return result
    rows, worth = [], []
    for name in inputs:
        training, test = (_pixels(runner, which, name, bands) for which in ("training", "test"))
        for label in labels:
            method = d.methods[label]
            model = runner.train_on(training, label, name, bands=bands)
            found = {len(d.bands): runner.accuracy(label, name), len(bands): accuracies(model, test)}
            for prop in d.properties:
                for number, values in found.items():
                    row = {"property": prop, "method": label, "input": name, "bands": number}
                    rows.append(row | {key: float(values[prop][key]) for key in ("r2", "rmse", "bias")})
                key = f"{method.estimator}/{name}/{prop}"
                result.values[f"optical/{key}"] = found[len(bands)][prop]["r2"]
            if name == inputs[0]:
                worth += _worth(model, runner.within_budget(label, training), test, label, result)
    order = {prop: number for number, prop in enumerate(d.properties)}
    rows.sort(key=lambda row: order[row["property"]])
    what = f"Accuracy with {len(d.bands)} and with {len(bands)} bands (dex)"
    result.tables[what] = Table(rows=rows)
    result.tables["RMSE without each band, and its rise where it is shuffled (dex)"] = Table(rows=worth)
    return result


def further_bands(runner: Runner, part: Part) -> list[str]:
    """The further bands that the atlas or sample has."""
    d = runner.description
    there = runner.data.bands_there(part.options.get("bands", _BANDS), d.observer)
    return [band for band in there if band not in d.bands]


def _with_further(runner, part, result) -> tuple[str, ...]:
    """The study's bands and the further ones that are there, from blue to red; none without any."""
    d, there = runner.description, further_bands(runner, part)
    wanted = band_files(part.options.get("bands", _BANDS))
    missing = [band for band in wanted if band not in (*there, *d.bands)]
    if missing:
        note = f"The {runner.data.kind} holds no {', '.join(missing)}."
        if runner.data.mock:
            note += f" A mock has them: euclid-resolved atlas make --bands {' '.join((*d.bands, *wanted))}"
        result.notes.append(note)
    if not there:
        return ()
    result.notes.append(
        f"The bands {', '.join(there)} beside those of the paper, {', '.join(d.bands)}: the same pixels, "
        "galaxies and settings. LOFO trains again without a band; shuffled is what the trained model loses "
        "when the band is exchanged among the test pixels."
    )
    if runner.data.mock:
        result.notes.append(
            "In a mock every band has the relative noise of HE. An observed u band has less light and more "
            "noise."
        )
    # A colour is the bluer band minus the redder one. Bands that nobody knows come last.
    known = {
        band: BANDS[band].pivot.to_value("um") if band in BANDS else np.inf for band in (*d.bands, *there)
    }
    return tuple(sorted(known, key=known.__getitem__))


def _pixels(runner, which, name, bands) -> Pixels:
    """The pixels of the training or test galaxies in many bands."""
    chosen = runner.training if which == "training" else runner.test
    there, _ = with_listed(
        lambda side: runner.data.galaxies(side, bands, runner.description.more_maps),
        runner.description.observer,
        runner.listed,
    )
    galaxies = {one.name: one for one in there}
    features = made_of_images(runner.description.inputs[name].features)
    runner.say(f"Reading {len(chosen)} {which} galaxies in {len(bands)} bands")
    return runner.extract([galaxies[one.name] for one in chosen], features, bands)


def _worth(
    model: Model, training: Pixels, test: Pixels, label: str, result: Result
) -> list[dict[str, object]]:
    """A row for each property and band: LOFO and permutation importance."""
    left, shuffled = lofo(model, training, test), permutation_importance(model, training, test)
    result.figures[f"{label}: change of the error without each band"] = plot_lofo(left)
    result.figures[f"{label}: change of the error where a band is shuffled"] = plot_permutation(shuffled)
    loss = {(str(row["property"]), str(row["band"])): row for row in shuffled}
    rows = []
    for row in left:
        prop, band = str(row["property"]), str(row["left_out"])
        found: dict[str, object] = {"property": prop, "method": label, "left_out": band}
        found["rmse"] = float(np.asarray(getattr(row["rmse"], "value", row["rmse"])))
        found |= {key: float(np.asarray(row[key])) for key in ("lofo", "lofo_relative")}
        each = loss.get((prop, band))
        found["shuffled"] = np.nan if each is None else float(np.asarray(each["importance"]))
        found["shuffled_error"] = np.nan if each is None else float(np.asarray(each["importance_error"]))
        rows.append(found)
        result.values[f"optical_lofo/{label}/{prop}/{band}"] = row["lofo_relative"]
    return rows

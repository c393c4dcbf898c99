"""The part of a study that goes beyond the paper: neighbouring pixels beside single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.study._altered import blurred, far, noise_free_mock, noise_unknown, rebinned
from euclid_resolved.study._figures import plot_accuracy
from euclid_resolved.study._leaning import usable
from euclid_resolved.study._result import Result
from euclid_resolved.study._same_pixels import errors_on_images
from euclid_resolved.study._totals import (
    AGE,
    DENSITY,
    METALLICITY,
    PUBLISHED_TOTALS,
    QUANTITIES,
    galaxy_totals,
    scatter_and_bias,
)
from euclid_resolved.training._extract import made_of_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner

_NOT_GIVEN = "not given"  # by the networks that publish totals
_MOST = 24  # galaxies that are changed and mapped, without another wish
_NOISE_FREE_SEED = 1618  # of mock galaxies that are in no atlas of a small seed


def neighbouring_pixels(runner: Runner, part: Part) -> Result:
    """Accuracy, robustness and totals of inputs that look at a pixel and at what is around it."""
    result, options = Result(), part.options
    inputs = list(options.get("inputs", runner.description.inputs))
    if not any(made_of_images(runner.description.inputs[name].features) for name in inputs):
        raise InputError(
            f"{part.label}: none of the inputs {', '.join(inputs)} looks at neighbouring pixels; add one "
            'with features = ["bands", "neighbourhood"]'
        )
    labels = usable(runner, part, result)
    if not labels:
        return result
    most = int(options.get("test_galaxies", _MOST))
    test = runner.test[:most]
    ways = _ways(runner, test)
    cases = [(label, name) for label in labels for name in inputs]
    result.tables["Accuracy on the same test galaxies (dex)"] = _accuracy(runner, cases, result)
    robust = _robustness(runner, labels, inputs, ways)
    result.tables["RMSE and bias (truth minus estimate) on images of other kinds (dex)"] = robust
    shown = Table(robust, copy=True)
    shown.rename_columns(["input", "images"], ["look", "input"])
    for label in labels:
        own = shown[shown["method"] == label]
        caption = f"RMSE on images of other kinds, {label}"
        result.figures[caption] = plot_accuracy(own, by="look", metric="rmse")
    if {DENSITY, METALLICITY, AGE} <= set(runner.description.properties):
        caption = "Totals of galaxies in two half-light radii: log of estimate over truth (dex)"
        result.tables[caption] = _totals(runner, cases, test, result)
    result.notes += _notes(runner, len(test))
    return result


def _ways(runner, test: Sequence[Galaxy]) -> dict[str, list[Galaxy]]:
    """Test galaxies by how their images differ from those of training."""
    ways = {"as in the atlas": list(test)}
    if not pixel_scale(test[0].image).unit.is_equivalent(u.kpc):
        return ways  # observed, blurred and averaged galaxies need to know their size
    bands = runner.description.bands
    if runner.data.mock:
        # As many galaxies; the pixels of one do not depend on how many there are.
        ways["no Monte Carlo noise"] = noise_free_mock(len(test), seed=_NOISE_FREE_SEED, bands=bands)
    if not any(map(noise_unknown, bands)):
        ways["observed at 60 Mpc"] = far(test, seed=runner.seed())
    ways["blurred by 2 pixels"] = [blurred(galaxy, 2.0) for galaxy in test]
    ways["pixels twice as large"] = [rebinned(galaxy, 2) for galaxy in test]
    return ways


def _accuracy(runner, cases, result):
    rows = []
    for label, name in cases:
        found = runner.accuracy(label, name)
        n = len(runner.pixels("test", name))
        for prop, values in found.items():
            row = {"property": prop, "method": label, "input": name}
            rows.append(row | {key: values[key] for key in ("r2", "rmse", "bias")} | {"n_pixels": n})
            estimator = runner.description.methods[label].estimator
            result.values[f"neighbours/{estimator}/{name}/{prop}"] = values["rmse"]
    order = {prop: i for i, prop in enumerate(runner.description.properties)}
    return Table(rows=sorted(rows, key=lambda row: order[row["property"]]))


def _robustness(runner, labels, inputs, ways):
    rows = []
    for label in labels:
        models = {name: runner.model(label, name) for name in inputs}
        for kind, galaxies in ways.items():
            for (name, prop), values in errors_on_images(models, galaxies).items():
                row = {"images": kind, "property": prop, "method": label, "input": name}
                rows.append(row | values)
    order = {prop: i for i, prop in enumerate(runner.description.properties)}
    return Table(rows=sorted(rows, key=lambda row: order[row["property"]]))


def _totals(runner, cases, test, result):
    rows = []
    for label, name in cases:
        found = galaxy_totals(runner.model(label, name), test)
        mapped = float(np.mean([row["mapped"] for row in found])) if found else np.nan
        estimator = runner.description.methods[label].estimator
        for quantity, values in scatter_and_bias(found).items():
            row = {"of": quantity, "method": label, "input": name, "galaxies": len(found), "mapped": mapped}
            for key, value in values.items():
                row |= {key: value, f"{key}_published": _published(quantity, key)}
                result.values[f"totals/{key}/{estimator}/{name}/{quantity}"] = value
            rows.append(row)
    return Table(rows=sorted(rows, key=lambda row: QUANTITIES.index(row["of"])))


def _published(quantity, key):
    return PUBLISHED_TOTALS.get(quantity, {}).get(key, _NOT_GIVEN)


def _notes(runner, n):
    notes = [
        "The paper judges each pixel alone and names its neighbours as the next step. Here the same method "
        "learns from the same galaxies once with and once without them.",
        f"Images of other kinds, and totals, are of the first {n} test galaxies. Truth is not blurred. "
        "RMSE and bias are of the pixels that all inputs judge; 'all' is what an input judges alone, where "
        "smoothing may give it more pixels than others have.",
        "A total is summed over the pixels that have a value, in a circle of two half-light radii about the "
        "middle of the image; 'mapped' is the part of the true mass there that they hold. Metallicity and "
        "age are means weighted by mass. Published figures are those of a network that sees whole images "
        "(Buck & Wolf 2021; other simulations, bands and noise): they stand for the size of such errors.",
    ]
    if runner.data.mock:
        notes.append(
            "The galaxies without Monte Carlo noise are other ones, drawn from the mock's default settings."
        )
    return notes

"""The part of a study about chained regression: what another property among the features adds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from astropy.table import Table

from euclid_resolved.diagnostics._contract import accuracies
from euclid_resolved.errors import InputError
from euclid_resolved.models._columns import Columns
from euclid_resolved.study._leaning import usable
from euclid_resolved.study._published import METRICS
from euclid_resolved.study._result import Result
from euclid_resolved.training._train import train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from euclid_resolved.models._model import Model
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner
    from euclid_resolved.training._sample import Pixels

FIRST = {"stellar_metallicity": "stellar_mass_density", "stellar_age": "stellar_metallicity"}
"""Which property helps which other one, as the paper tried it (Sect. 7)."""


def chained(runner: Runner, part: Part) -> Result:
    """Accuracy with the bands alone, with the estimate of another property beside them, or its truth."""
    result, d = Result(), runner.description
    pairs = {name: first for name, first in FIRST.items() if {name, first} <= set(d.properties)}
    if not pairs:
        wanted = " or ".join(f"{first} and {name}" for name, first in FIRST.items())
        raise InputError(f"{part.label}: a chain needs {wanted} among the properties")
    what = d.inputs[d.main]
    if what.columns is not None:
        raise InputError(f"{part.label}: the main input, {d.main!r}, is of some columns only")
    sets = runner.training_pixels, runner.test_pixels
    rows = []
    for label in usable(runner, part, result):
        alone = runner.accuracy(label)
        for name, first in pairs.items():
            estimated = _train(runner, label, sets[0], (first, name), chain=True)
            told = [with_truth(pixels, first) for pixels in sets]
            true = _train(runner, label, told[0], (name,), bands=(*d.bands, first))
            found = {
                "": alone[name],
                f"estimated {first}": accuracies(estimated, sets[1])[name],
                f"true {first}": accuracies(true, told[1])[name],
            }
            estimator = d.methods[label].estimator
            for beside, values in found.items():
                row = {"property": name, "method": label, "beside_the_bands": beside or "nothing"}
                rows.append(row | {metric: float(values[metric]) for metric in METRICS})
                key = beside.partition(" ")[0] or "bands"
                result.values[f"chain/{estimator}/{name}/{key}"] = values["r2"]
    order = {name: i for i, name in enumerate(d.properties)}
    rows.sort(key=lambda row: order[row["property"]])
    if rows:
        result.tables["Accuracy with another property among the features"] = Table(rows=rows)
    result.notes.append(
        "estimated: the chain estimates that property first, for the training pixels from fits to other "
        "galaxies, and "
        "takes it as a feature. An image can be mapped in this way. true: the true value itself is the "
        "feature. No "
        "image has it. This is the most that any estimate of it could give."
    )
    return result


def with_truth(pixels: Pixels, name: str) -> Pixels:
    """Pixels whose true value of a property is one more column beside the bands.

    Parameters
    ----------
    pixels : `~euclid_resolved.training.Pixels`
    name : str
        The property, and of the column.

    Returns
    -------
    pixels : `~euclid_resolved.training.Pixels`
        Without a copy.

    Examples
    --------
    >>> from euclid_resolved.study._chained import with_truth
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = with_truth(extract(example_galaxies(2), ("stellar_age",)), "stellar_age")
    >>> list(pixels.brightness)
    ['IE', 'YE', 'JE', 'HE', 'stellar_age']
    """
    return replace(pixels, brightness=Columns({**pixels.brightness, name: pixels.truth[name]}))


def _train(runner, label, pixels, properties: Sequence[str], **options) -> Model:
    d, method = runner.description, runner.description.methods[label]
    seed = runner.seed()
    runner.say(f"  training {label} on {' and then '.join(properties)}")
    options = {"features": d.inputs[d.main].features, "bands": d.bands, "seed": seed} | options
    return train(pixels, properties, method.make(seed), **options)

"""Accuracy against depth, PSF and distance: of the model of the atlas, and of one trained likewise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved.diagnostics._contract import accuracies
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.imaging._observe import observe_atlas
from euclid_resolved.study._altered import noise_unknown
from euclid_resolved.study._figures import plot_against
from euclid_resolved.study._leaning import usable
from euclid_resolved.study._psfs import BandPsfs, checked_psf, is_positive, mean_width, observed_with
from euclid_resolved.study._result import Result

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner
    from euclid_resolved.training._sample import Pixels

WAYS = {
    "depth": "depth (exposure time over that of the Wide Survey)",
    "psf": "FWHM of the PSF (arcsec)",
    "distance": "distance (Mpc)",
}
"""What is varied, as an option of the part, and how its axis is called."""

_TITLES = {"depth": "depth", "psf": "PSF", "distance": "distance"}
_WIDTH = "mean_fwhm"
_NEAR = 40.0  # Mpc, of galaxies whose depth or PSF is varied
_METRICS = ("r2", "rmse", "bias")
_AS_IS, _MATCHED = "the atlas as it is", "galaxies observed likewise"


def checked_options(
    options: Mapping[str, Any], label: str, bands: Sequence[str], folder: Path
) -> dict[str, Any]:
    """The options of a part; values that no observation can have are refused.

    Parameters
    ----------
    options : mapping
        As they stand in the study.
    label : str
        What the part is called in messages.
    bands : sequence of str
        Those of the study.
    folder : `~pathlib.Path`
        Where the study lies.

    Returns
    -------
    options : dict
        PSFs of bands as `BandPsfs`.
    """
    some = [way for way in WAYS if options.get(way)]
    if not some:
        raise InputError(f"{label}: say what to vary: depth = [...], psf = [...] or distance = [...]")
    for way in some:
        if not isinstance(options[way], list):
            raise InputError(f"{label}: {way} needs a list, such as [{options[way]!r}]")
    numbers = {way: options[way] for way in some if way != "psf"}
    numbers |= {"at": [options["at"]]} if "at" in options else {}
    for way, values in numbers.items():
        for value in values:
            if not is_positive(value):
                raise InputError(f"{label}: {way} needs positive numbers, got {value!r}")
    psfs = [checked_psf(value, label, bands, folder) for value in options.get("psf", ())]
    return {**options, "psf": psfs} if psfs else dict(options)


def _values(part):
    """Each way with its values, as they stand in the study."""
    return {way: list(part.options[way]) for way in WAYS if part.options.get(way)}


def cases(runner: Runner, part: Part) -> list[tuple[str, int]]:
    """What is trained on observed galaxies: each value of each way, once."""
    if not part.options.get("matched", True) or _cannot(runner):
        return []
    return [(f"{way}={value}", 0) for way, values in _values(part).items() for value in values]


def case_share(runner: Runner, part: Part, case: str) -> float:
    """How many pixels a case has, of those of all training galaxies; fainter ones come above the clip."""
    n = len(runner.training)
    return min(part.options.get("training_galaxies", n), n) / n


def case_key(runner: Runner, part: Part, label: str, case: str, run: int) -> str:
    """The key under which the accuracy of a case is kept."""
    return runner.accuracy_key(label, runner.description.main, run, *_observation_key(part, case), _MATCHED)


def _value_of(part, case):
    """The value of a case, as the study has it."""
    way, _, text = case.partition("=")
    return next(value for value in _values(part)[way] if str(value) == text)


def _observation_key(part, case):
    numbers = [part.options.get(key) for key in ("at", "training_galaxies", "test_galaxies")]
    psf = _value_of(part, case)
    # Not where the files lie, but what is in them.
    files = [psf.digests] if isinstance(psf, BandPsfs) and psf.digests else []
    return ["observed", case, *numbers, *files]


def _observation_key_text(part, case):
    return [str(each) for each in _observation_key(part, case)]


def case_accuracy(runner: Runner, part: Part, label: str, case: str, run: int) -> dict[str, dict[str, float]]:
    """The metrics of a model that was trained on galaxies observed as the test galaxies are."""

    def measure() -> dict[str, dict[str, float]]:
        pixels, main = case_pixels(runner, part, "training", case), runner.description.main
        what = f"{label} on galaxies observed with {case}"
        model = runner.timed(what, label, lambda: runner.train_on(pixels, label, main, run))
        return accuracies(model, case_pixels(runner, part, "test", case))

    return runner.measured(case_key(runner, part, label, case, run), measure, method=label, observed=case)


def _accuracy_as_is(runner, part, label, case):
    key = runner.accuracy_key(label, runner.description.main, 0, *_observation_key(part, case), _AS_IS)
    return runner.measured(
        key, lambda: accuracies(runner.model(label), case_pixels(runner, part, "test", case)), observed=case
    )


def case_pixels(runner: Runner, part: Part, which: str, case: str) -> Pixels:
    """The pixels of training or test galaxies, observed in one way."""
    features = runner.image_features(runner.description.main)

    def galaxies() -> list[Galaxy]:
        return case_galaxies(runner, part, which, case)

    what = f"{which} galaxies observed with {case}"
    return runner.remembered((which, *_observation_key_text(part, case), *features), galaxies, features, what)


def case_galaxies(runner: Runner, part: Part, which: str, case: str) -> list[Galaxy]:
    """The training or test galaxies, observed in one way; an image is made when it is looked at."""
    galaxies: Sequence[Galaxy] = runner.training if which == "training" else runner.test
    most = part.options.get(f"{which}_galaxies", len(galaxies))
    order = np.random.default_rng(runner.seed()).permutation(len(galaxies))[:most]
    galaxies = [galaxies[i] for i in sorted(order)]
    way, value = case.partition("=")[0], _value_of(part, case)
    options: dict[str, Any] = {"distance": part.options.get("at", _NEAR) * u.Mpc, "seed": runner.seed()}
    if way == "distance":
        options["distance"] = float(value) * u.Mpc
    elif way == "depth":
        options["depth"] = float(value)
    else:
        options |= observed_with(value)
    return observe_atlas(galaxies, **options)


def _cannot(runner):
    """Why galaxies of an atlas cannot be observed; nothing where they can."""
    unknown = [band for band in runner.description.bands if noise_unknown(band)]
    if unknown:
        return f"Not run: no typical noise of {', '.join(unknown)} is known."
    length = pixel_scale(runner.test[0].image)
    if length is None or not length.unit.is_equivalent(u.pc):
        return "Not run: galaxies whose pixels have no length cannot be put at a distance."
    return ""


def observed(runner: Runner, part: Part) -> Result:
    """Accuracy on test galaxies observed at several depths, PSFs or distances."""
    result, d = Result(), runner.description
    labels = usable(runner, part, result)
    why_not = _cannot(runner)
    if why_not:
        result.notes.append(why_not)
    if why_not or not labels:
        return result
    matched = bool(part.options.get("matched", True))
    for way, values in _values(part).items():
        psfs = {str(value) for value in values if isinstance(value, BandPsfs)}
        rows, told = [], {str(value): _told(way, value, psfs, d.bands) for value in values}
        for label in labels:
            for value in values:
                case = f"{way}={value}"
                found = {_AS_IS: _accuracy_as_is(runner, part, label, case)}
                if matched:
                    found[_MATCHED] = case_accuracy(runner, part, label, case, 0)
                n = len(case_pixels(runner, part, "test", case))
                for trained_on, each in found.items():
                    for prop, metrics in each.items():
                        row = {"property": prop, "method": label, "trained_on": trained_on}
                        row |= (
                            told[str(value)]
                            | {metric: metrics[metric] for metric in _METRICS}
                            | {"n_pixels": n}
                        )
                        rows.append(row)
                        key = f"{way}/{value}/{d.methods[label].estimator}/{prop}"
                        kind = "matched" if trained_on == _MATCHED else "as_is"
                        result.values[f"observed/{kind}/{key}"] = metrics["r2"]
        order = {prop: number for number, prop in enumerate(d.properties)}
        table = Table(rows=sorted(rows, key=lambda row: order[row["property"]]))
        for name, unit in {"distance": u.Mpc, _WIDTH: u.arcsec, "psf": None if psfs else u.arcsec}.items():
            if name in table.colnames:
                table[name].unit = unit
        result.tables[f"Accuracy against {_TITLES[way]}"] = table
        for label in labels:
            own = table[table["method"] == label]
            result.figures[f"R2 against {_TITLES[way]}, {label}"] = _figure(own, way, psfs)
    result.notes += _notes(runner, part, matched)
    return result


def _told(way, value, psfs, bands):
    """What a row says of a value: itself, and the width of a PSF where some are no mere widths."""
    if way != "psf" or not psfs:
        return {way: value}
    return {way: str(value), _WIDTH: mean_width(value, bands)}


def _figure(table, way, psfs):
    """R2 against what was varied; PSFs of bands stand apart from one width for all, at their mean width."""
    table, points = table.copy(), ()
    if _WIDTH in table.colnames:
        apart = [", PSFs by band" if text in psfs else "" for text in table[way]]
        table["trained_on"] = [f"{on}{own}" for on, own in zip(table["trained_on"], apart, strict=True)]
        points = [on for on, own in zip(table["trained_on"], apart, strict=True) if own]
        table[way] = [f"{width:.3g}" for width in table[_WIDTH]]
    return plot_against(table, way, WAYS[way], by="trained_on", points=points)


def _notes(runner, part, matched):
    near = part.options.get("at", _NEAR)
    side = (pixel_scale(runner.test[0].image) / (near * u.Mpc)).to_value("") * u.rad.to(u.arcsec)
    notes = [
        f"Galaxies are observed in their own pixels, at {near:g} Mpc where depth or PSF is varied, with "
        "the depth of the Wide Survey and the PSFs of its mosaics where these are not. Farther galaxies are "
        "not dimmed, but have more noise in a pixel, and a broader PSF. The clip is that of the study, on "
        f"what is observed. Truth is not blurred. At {near:g} Mpc a pixel has {side:.2g} arcsec: a PSF that "
        "is much narrower changes nothing."
    ]
    if matched:
        notes.append(
            f"'{_AS_IS}' is the model of the other parts; the other one has learned from the training "
            "galaxies observed as the test galaxies are, each with noise of its own."
        )
        n, all_of_them = part.options.get("training_galaxies"), len(runner.training)
        if n is not None and n < all_of_them:
            notes[-1] += (
                f" It has learned from {n} galaxies, and the model of the other parts from {all_of_them}: "
                "some of what separates the two is due to that."
            )
    return notes

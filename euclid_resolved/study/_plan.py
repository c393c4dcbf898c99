"""What a study trains: each training once, whichever parts need it, and what parts train on their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from euclid_resolved.features._sets import feature_columns
from euclid_resolved.study import _observed as observed, _optical as optical, _robust as robust
from euclid_resolved.study._chained import FIRST
from euclid_resolved.study._galaxies import FOLDS

if TYPE_CHECKING:
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._readings import Reading
    from euclid_resolved.study._runner import Runner

OWN: dict[str, Any] = {"projections_test": robust, "observed": observed}
"""Parts that train on pixels of their own: what each offers is called ``cases`` and ``case_...``."""

_HALVES = (0.125, 0.25, 0.5)  # of the training galaxies in a learning curve, beside all of them
# Of a chain of two: the first one, and in five folds, the second one, and that with the truth.
_CHAIN = 8  # fits


@dataclass(frozen=True)
class Training:
    """One training, whose model or accuracy is kept in the folder of the study.

    Attributes
    ----------
    label, input : str
        The method, and what it looks at.
    run : int
        Another seed each.
    columns : tuple of str or None
        Only these of the input's.
    measured : bool
        Whether its accuracy is wanted; else the model.
    part : str
        The folder of the part on whose own pixels it is trained.
    case : str
        Which of these pixels.
    """

    label: str
    input: str
    run: int = 0
    columns: tuple[str, ...] | None = None
    measured: bool = False
    part: str = ""
    case: str = ""


@dataclass(frozen=True)
class Fits:
    """Fits of one kind: what they take depends on these numbers.

    Attributes
    ----------
    label : str
    number : int
    share : float
        Of the training pixels.
    columns, properties : int
    own : bool
        Whether each looks at pixels of its own.
    """

    label: str
    number: int
    share: float
    columns: int
    properties: int
    own: bool = False


def columns_of(runner: Runner, input: str) -> tuple[str, ...]:
    """The columns of an input."""
    what = runner.description.inputs[input]
    return what.columns or feature_columns(runner.description.bands, what.features)


def _labels(runner, part):
    return runner.present(part.options.get("estimators", runner.description.methods))


def _shown(runner, part):
    """The first method that a part wishes for and that is there, else the last one of the study."""
    wished = runner.present(part.options.get("estimators", ()))
    return wished[:1] or runner.present()[-1:]


def trainings_of(runner: Runner, part: Part) -> list[Training]:
    """The trainings that a part needs, as far as they are kept for others or for the next time.

    Parameters
    ----------
    runner : `Runner`
    part : `Part`

    Returns
    -------
    trainings : list of `Training`
    """
    d, options, run = runner.description, part.options, part.run
    if not runner.can_run(part) or run == "distributions":
        return []
    if run == "accuracy":
        names, runs = options.get("inputs", d.inputs), range(int(options.get("runs", d.runs)))
        names = [name for name in names if runner.can_look(name)]
        return [Training(*case, measured=True) for case in product(_labels(runner, part), names, runs)]
    labels = _shown(runner, part) if run in ("example_galaxies", "edge_on") else _labels(runner, part)
    if run == "chained":
        return [Training(label, d.main, measured=True) for label in labels]
    if run in ("neighbouring_pixels", "optical_bands"):
        default = [d.main] if run == "optical_bands" else d.inputs
        return [Training(*case) for case in product(labels, options.get("inputs", default))]
    # Projections are trained apart from the main model.
    found = [] if run == "projections_test" else [Training(label, d.main) for label in labels]
    if run == "leave_one_out":
        for label in labels:
            many = 1 if _has_one_run(runner, label) else int(options.get("runs", 1))
            each = [None, *_without_each(runner)]
            found += [Training(label, d.main, *case) for case in product(range(many), each)]
    if run in OWN:
        for label, (case, run_number) in product(labels, OWN[run].cases(runner, part)):
            if run_number == 0 or not _has_one_run(runner, label):
                own = Training(label, d.main, run_number, part=part.slug, case=case, measured=True)
                found.append(own)
    return list(dict.fromkeys(found))


def _has_one_run(runner, label):
    return runner.description.methods[label].estimator == "linear"


def _without_each(runner):
    """The columns of the main input that can be made without each band."""
    d = runner.description
    columns = columns_of(runner, d.main)
    for band in d.bands:
        rest = tuple(other for other in d.bands if other != band)
        possible = feature_columns(rest, d.inputs[d.main].features)
        left = tuple(column for column in columns if column in possible)
        if left and len(left) < len(columns):
            yield left


def fits_of(runner: Runner, part: Part) -> list[Fits]:
    """What a part trains by itself, without keeping it: folds, fewer galaxies, colours, settings.

    Parameters
    ----------
    runner : `Runner`
    part : `Part`

    Returns
    -------
    fits : list of `Fits`
    """
    d, options, run = runner.description, part.options, part.run
    if not runner.can_run(part):
        return []
    k = len(columns_of(runner, d.main))
    every = {"columns": k, "properties": len(d.properties)}
    kinds: list[dict[str, Any]] = []
    if run == "cross_validation":
        folds = min(int(options.get("k", FOLDS[run])), len(runner.training))
        kinds = [{"number": folds, "share": 1 - 1 / folds, "own": True, **every}]
    elif run == "learning_curve":
        n = len(runner.training)
        shares = [each / n for each in options["numbers"]] if "numbers" in options else _HALVES
        kinds = [{"number": 1, "share": share, "own": True, **every} for share in shares if share < 1]
    elif run == "epistemic_scatter":
        kinds = [{"number": int(options.get("runs") or 0), "share": 1.0, **every}]
    elif run == "lofo":
        kinds = [{"number": len(d.bands), "share": 1.0, **every}]
    elif run == "chained":
        pairs = sum({name, first} <= set(d.properties) for name, first in FIRST.items())
        kinds = [{"number": pairs * _CHAIN, "share": 1.0, "columns": k, "properties": 1}]
    elif run == "colours_test":
        bands = len(d.bands)
        kinds = [{"number": bands * (bands - 1) // 2, "share": 1.0, "columns": bands, "properties": 1}]
    elif run == "hyper_parameters":
        folds, number = int(options.get("k", FOLDS[run])), 1
        for values in options["settings"].values():
            number *= len(values)
        number = number if options.get("kind", "grid") == "grid" else int(options.get("n_iter", 10))
        share = float(options.get("fraction", 0.2)) * (1 - 1 / folds)
        number *= folds * len(options.get("properties", d.properties[:1]))
        kinds = [{"number": number, "share": share, "columns": k, "properties": 1}]
    elif run == "optical_bands" and (there := optical.further_bands(runner, part)):
        for i, name in enumerate(options.get("inputs", [d.main])):
            columns = len(feature_columns((*d.bands, *there), d.inputs[name].features))
            bands = len(d.bands) + len(there)
            kinds.append({"number": 1 if i else 1 + bands, "share": 1.0, **every, "columns": columns})
    labels = _labels(runner, part)
    return [Fits(label, **kind) for label in labels for kind in kinds if kind["number"]]


def all_trainings(runner: Runner, parts: Iterable[Part]) -> dict[str, list[Training]]:
    """The trainings of parts, each at the first part that needs it; those that are kept are left out.

    Parameters
    ----------
    runner : `Runner`
    parts : iterable of `Part`

    Returns
    -------
    trainings : dict of str to list of `Training`
        By the folder of the part.
    """
    seen: dict[Training, bool] = {}
    plan: dict[str, list[Training]] = {}
    for part in parts:
        plan[part.slug] = []
        if runner.is_done(part):
            continue
        for one in trainings_of(runner, part):
            # The model of a first run is kept when its accuracy is measured.
            same = one if one.run else replace(one, measured=False)
            if same in seen:
                continue
            seen[same] = True
            if not is_kept(runner, one):
                plan[part.slug].append(one)
    return plan


def is_kept(runner: Runner, training: Training) -> bool:
    """Whether what a training leaves behind lies in the folder."""
    t = training
    if t.part:
        part = part_of(runner, t)
        return runner.accuracy_file(OWN[part.run].case_key(runner, part, *_case(t))).exists()
    if t.measured and runner.accuracy_file(runner.accuracy_key(t.label, t.input, t.run)).exists():
        return True
    return runner.model_file(t.label, t.input, t.run, t.columns)[0].exists()


def part_of(runner: Runner, work: Training | Reading) -> Part:
    """The part on whose own pixels something is trained, or that are read."""
    return next(part for part in runner.description.parts if part.slug == work.part)


def _case(training):
    return training.label, training.case, training.run


def carry_out(runner: Runner, training: Training) -> None:
    """Train, and leave model or accuracy in the folder, unless they lie there."""
    t = training
    if t.part:
        part = part_of(runner, t)
        OWN[part.run].case_accuracy(runner, part, *_case(t))
    elif t.measured:
        runner.accuracy(t.label, t.input, t.run)
    else:
        runner.model(t.label, t.input, t.run, t.columns, keep=True)


def fits_of_training(runner: Runner, training: Training) -> Fits:
    """What a training takes."""
    t = training
    share = 1.0
    if t.part:
        part = part_of(runner, t)
        share = OWN[part.run].case_share(runner, part, t.case)
    k = len(t.columns or columns_of(runner, t.input))
    own = bool(t.part or t.columns or runner.image_features(t.input))
    return Fits(t.label, 1, share, k, len(runner.description.properties), own)

"""What the commands of the command line do; each takes the parsed options and prints a report."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved._checks import check_name, did_you_mean
from euclid_resolved.cli._logging import log
from euclid_resolved.errors import InputError
from euclid_resolved.images._guard import literal

if TYPE_CHECKING:
    from argparse import Namespace


class UsageError(Exception):
    """The command makes no sense as it was given, whatever the files hold; exit code 2."""


@contextlib.contextmanager
def _usage():
    """Make what is wrong with the words of a command a `UsageError`."""
    try:
        yield
    except InputError as error:
        raise UsageError(str(error)) from error


def quickstart(options: Namespace) -> None:
    """Make a small mock atlas, train on it and map a galaxy."""
    from euclid_resolved.cli._quickstart import quickstart as run

    if options.galaxies < 5:
        raise UsageError("quickstart needs at least 5 galaxies")
    run(options.out, galaxies=options.galaxies, seed=options.seed, overwrite=options.overwrite, say=log.info)


def atlas_make(options: Namespace) -> None:
    """Make a mock atlas."""
    from euclid_resolved.images._bands import EUCLID_BANDS
    from euclid_resolved.mock._atlas import make_atlas
    from euclid_resolved.mock._settings import MockSettings

    names = tuple(options.populations)
    with _usage():
        settings = MockSettings(
            populations=names[0] if len(names) == 1 else names, population_spread=options.population_spread
        )
    path = make_atlas(
        options.directory,
        options.galaxies,
        seed=options.seed,
        pixels=options.pixels,
        observer=options.observer,
        settings=settings,
        bands=options.bands or EUCLID_BANDS,
        overwrite=options.overwrite,
    )
    log.info(f"{options.galaxies} mock galaxies in {path}")


def atlas_extract(options: Namespace) -> None:
    """Keep the pixels of an atlas that a model can learn from."""
    from euclid_resolved.images._bands import EUCLID_BANDS, band_names
    from euclid_resolved.io._atlas import read_atlas
    from euclid_resolved.io._fingerprint import fingerprint
    from euclid_resolved.io._sample import write_sample
    from euclid_resolved.maps._properties import PROPERTIES
    from euclid_resolved.models._clip import DEFAULT_CLIP

    bands = tuple(band_names(options.bands or EUCLID_BANDS))
    pixels = write_sample(
        options.output,
        read_atlas(options.atlas, observer=options.observer, bands=bands),
        tuple(PROPERTIES),
        bands,
        clip=DEFAULT_CLIP if options.clip is None else options.clip,
        features=options.features,
        source=str(Path(options.atlas).resolve().name),
        atlas=fingerprint(options.atlas),
        overwrite=options.overwrite,
        progress=True,
    )
    log.info(_described(pixels))
    log.info(f"Written: {options.output}")


def _estimator(options):
    """The estimator with the settings asked for."""
    from dataclasses import fields

    from euclid_resolved.estimators._given import estimator_class
    from euclid_resolved.estimators._setting_names import called_here

    with _usage():
        kind = estimator_class(options.estimator)
    names = [field.name for field in fields(kind) if field.init]
    settings = {"seed": options.seed} if "seed" in names else {}
    for pair in options.set:
        key, equals, text = pair.partition("=")
        if not equals or key not in names:
            called = called_here(key, names)
            hint = f"; {called}" if called else did_you_mean(key, names)
            raise UsageError(
                f"--set {pair}: settings of {options.estimator} are {', '.join(names) or 'none'}, each given "
                f"as KEY=VALUE{hint}"
            )
        settings[key] = literal(text)
    try:
        with _usage():
            return kind(**settings)
    except TypeError as error:
        raise UsageError(f"{options.estimator} does not take these settings: {error}") from error


def train(options: Namespace) -> None:
    """Train a model on an atlas or a sample, test it on galaxies held out, and write it."""
    from euclid_resolved.features._sets import feature_columns
    from euclid_resolved.images._bands import EUCLID_BANDS, band_names
    from euclid_resolved.io._files import check_target
    from euclid_resolved.io._lock import check_apart
    from euclid_resolved.io._read_write import write
    from euclid_resolved.io._truth import open_truth
    from euclid_resolved.maps._properties import PROPERTIES, get_property
    from euclid_resolved.training._evaluate import evaluate as measure
    from euclid_resolved.training._splits import split
    from euclid_resolved.training._train import train as fit

    fraction = 0.1 if options.test_fraction is None else options.test_fraction
    if not 0 < fraction < 1:
        raise UsageError(f"--test-fraction must lie between 0 and 1, got {fraction}")
    if options.test_galaxies and (options.test_fraction is not None or not options.stratified):
        raise UsageError(
            "--test-galaxies is the test set: --test-fraction and --no-stratified are for others"
        )
    if not options.output.endswith(".asdf"):
        raise UsageError(f"a model file ends in .asdf, got {options.output}")
    estimator, bands = _estimator(options), tuple(band_names(options.bands or EUCLID_BANDS))
    with _usage():  # an unknown name is better met now than after reading the atlas
        if "all" in options.property:
            properties = tuple(PROPERTIES)
        else:
            properties = tuple(get_property(name).name for name in options.property)
        possible = feature_columns(bands, options.features)
        for column in options.columns or ():
            check_name(column, possible, "column", "these features make")
        missing = _missing_bands(options.missing_bands, bands, estimator)
    check_apart([options.output], [options.atlas])
    check_target(options.output, options.overwrite)  # before hours of work, not after
    listed, where = _list_of(options)
    truth = open_truth(options.atlas, options.observer, bands, listed, where, properties)
    training, test = split(
        truth.galaxies,
        None if truth.listed else fraction,
        options.seed,
        stratified=options.stratified,
        test=truth.listed,
    )
    pixels = truth.pixels(properties, bands, options.clip, options.features)
    log.info(_described(pixels))
    model = fit(
        pixels.of(training),
        properties,
        estimator,
        features=tuple(options.features),
        columns=options.columns,
        bands=bands,
        chain=options.chain,
        missing_bands=missing,
        seed=options.seed,
    )
    table = measure(model, pixels.of(test))
    model.training.update(
        atlas=truth.atlas,
        test_galaxies=[galaxy.name for galaxy in test],
        test_groups=[galaxy.group for galaxy in test],
        test=_as_dict(table),
    )
    write(options.output, model, overwrite=options.overwrite)
    print(f"Accuracy on {len(test)} galaxies that were held out:")
    _print(table)
    log.info(f"Written: {options.output}")


def _list_of(options):
    """The galaxies of ``--test-galaxies`` with their observers, and the file they are in; none without."""
    from euclid_resolved.io._galaxy_list import read_galaxy_list

    path = options.test_galaxies
    return (read_galaxy_list(path), path) if path else ({}, "")


def _missing_bands(words, bands, estimator):
    """A probability, or sets of bands, as `train` takes them."""
    from euclid_resolved.images._bands import band_name
    from euclid_resolved.models._missing import checked_sets
    from euclid_resolved.training._blanking import check_takes_nan

    if words is None:
        return None
    check_takes_nan(estimator)
    numbers, sets = [], []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            sets.append([band_name(name) for name in word.split(",")])
    return [*numbers, *checked_sets(sets, bands)] if sets else numbers[0] if len(numbers) == 1 else numbers


def _described(pixels):
    kept = f"{100 * pixels.kept:.2f} % of all"
    count = f"{len(pixels)} pixels of {len(pixels.names)} galaxies, {kept}"
    return count if pixels.clip is None else f"{count}, brighter than {pixels.clip} MJy/sr"


def _as_dict(table):
    """The accuracy table as nested dicts of plain numbers, which is also the JSON."""
    import numpy as np

    columns = [name for name in table.colnames if name not in ("property", "galaxy")]
    whole = {"n_pixels", "n_galaxies"}

    def plain(name, value):
        value = float(np.asarray(getattr(value, "value", value)))
        return int(value) if name in whole else value if np.isfinite(value) else None

    return {row["property"]: {name: plain(name, row[name]) for name in columns} for row in table}


def _print(table):
    for line in table.pformat(max_width=-1, max_lines=-1, show_unit=False):
        print("  " + line)


def evaluate(options: Namespace) -> dict[str, Any]:
    """Compare a model with the truth of an atlas or a sample."""
    from euclid_resolved.io._truth import open_truth
    from euclid_resolved.io.asdf._files import read_model
    from euclid_resolved.training._evaluate import evaluate as measure
    from euclid_resolved.training._extract import pixels_of
    from euclid_resolved.training._groups import record_of, same_atlas

    model = read_model(options.model)
    listed, where = _list_of(options)
    truth = open_truth(options.atlas, options.observer, model.bands, listed, where, model.properties)
    galaxies = truth.galaxies
    held_out = set(record_of(model, "test_")[1])
    known = bool(same_atlas(model, truth.atlas))
    if known and not truth.listed and (beside := _seen_elsewhere(model, options.observer)):
        # The table that train printed is about these sides.
        galaxies = open_truth(
            options.atlas, options.observer, model.bands, beside, options.model, model.properties
        ).galaxies
    if truth.listed:
        galaxies = [galaxy for galaxy in galaxies if galaxy.name in truth.listed]
    elif known:
        galaxies = [galaxy for galaxy in galaxies if galaxy.group in held_out]
        if not galaxies:
            raise InputError(
                f"{options.model} was trained on this atlas and no galaxy of {options.observer} held out"
            )
    unseen = pixels_of(truth.of(galaxies, model.clip, model.clip_band), model, progress=True)
    # Galaxies of another atlas may have the names of those that the model has seen.
    table = measure(model, replace(unseen, atlas=truth.atlas), per_galaxy=options.per_galaxy)
    which = "held-out galaxies of the atlas it was trained on" if known else "galaxies of another atlas"
    if known and model.training["atlas"] != truth.atlas:
        which += ", observed otherwise"
    which = f"galaxies named in {options.test_galaxies}" if truth.listed else which
    print(f"{len(galaxies)} {which}; {100 * table.meta['kept']:.2f} % of their pixels are above the clip")
    _print(table)
    kept = table.meta["kept"]
    return {"galaxies": len(galaxies), "which": which, "fraction_of_pixels_kept": kept, "accuracy": table}


def diagnose(options: Namespace) -> dict[str, Any]:
    """Run diagnostics on a model and the galaxies it was trained and tested on."""
    from euclid_resolved.diagnostics._contract import run_chain
    from euclid_resolved.io._files import check_target
    from euclid_resolved.io._lock import check_apart
    from euclid_resolved.io._truth import open_truth
    from euclid_resolved.io.asdf._files import read_model
    from euclid_resolved.plugins._registry import lookup

    names = [name for name in options.name.split(",") if name]
    with _usage():
        found = {name: lookup("diagnostics", name) for name in names}
    settings = {}
    for pair in options.set:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: KEY=VALUE is needed")
        settings[key] = literal(text)
    if settings and len(names) != 1:
        raise UsageError("--set goes with one diagnostic")
    folder = Path(options.output) if options.output else None
    if folder and not folder.is_dir():
        check_target(folder)
    if folder and folder.is_dir():
        outputs = [folder / f"{name}{ending}" for name in names for ending in (".ecsv", ".png")]
        check_apart(outputs, [options.model, options.atlas])
        for path in outputs:
            check_target(path, options.overwrite)
    model = read_model(options.model)
    beside = _seen_elsewhere(model, options.observer)
    truth = open_truth(options.atlas, options.observer, model.bands, beside, options.model, model.properties)
    if model.training.get("atlas") != truth.atlas:
        raise InputError(
            f"{options.model} was not trained on {options.atlas}: a diagnostic needs the galaxies that the "
            "model has seen, and those held out"
        )
    known = [set(model.training.get(key, ())) for key in ("galaxies", "test_galaxies")]
    training, test = ([galaxy for galaxy in truth.galaxies if galaxy.name in each] for each in known)
    if not (training and test):
        raise InputError(f"the atlas has no training or no test galaxies of observer {options.observer}")
    seen, unseen = (truth.of(each, model.clip, model.clip_band) for each in (training, test))
    tables = run_chain(names, model, seen, unseen, **{name: settings for name in names})
    for name, table in tables.items():
        print(f"{name}:")
        _print(table)
        if folder:
            _keep_diagnosis(folder / name, table, getattr(found[name], "plot", None), options.overwrite)
    return {"diagnostics": tables}


def _seen_elsewhere(model, observer):
    """Test galaxies that a list had seen from another side than the galaxies that were learned from."""
    from euclid_resolved.diagnostics._robustness import observer_of
    from euclid_resolved.io._galaxy_list import parse_galaxies

    if observer not in map(observer_of, model.training.get("galaxies", ())):
        return {}
    names = model.training.get("test_galaxies", ())
    others = [name for name in names if observer_of(name) not in ("", observer)]
    return parse_galaxies(others) if others else {}


def _keep_diagnosis(path, table, plot, overwrite):
    from euclid_resolved.io._files import write_table
    from euclid_resolved.plotting._style import save_figure

    path.parent.mkdir(exist_ok=True)
    write_table(f"{path}.ecsv", table, overwrite)
    written = [f"{path}.ecsv"]
    if plot is not None:
        save_figure(plot(table), f"{path}.png", overwrite=overwrite)
        written.append(f"{path}.png")
    log.info(f"Written: {', '.join(written)}")


def reproduce(options: Namespace) -> None:
    """Run a study on an atlas and write its report."""
    import shlex

    from euclid_resolved.study._published import write_template
    from euclid_resolved.study._reproduce import reproduce as run

    if options.published_template:
        empty = write_template(options.published_template)
        log.info(
            f"{options.published_template}: fill in what you have of {empty} values; --published takes it"
        )
        return
    if options.fast and options.study:
        raise UsageError("--fast is a study of its own: give it or --study")
    study = options.study or ("paper-fast" if options.fast else "paper")
    words = ["euclid-resolved", "reproduce", *([options.atlas] if options.atlas else [])]
    words += ["--fast"] if options.fast else ["--study", options.study] if options.study else []
    words += ["--test-galaxies", options.test_galaxies] if options.test_galaxies else []
    words += ["--published", options.published] if options.published else []
    run(
        options.atlas,
        options.output,
        study=study,
        test_galaxies=options.test_galaxies,
        published=options.published,
        command=shlex.join([*words, "-o", options.output]),
    )


def fetch(options: Namespace) -> None:
    """Fetch cut-outs of Euclid mosaics from an archive."""
    from euclid_resolved.images._bands import EUCLID_BANDS
    from euclid_resolved.io.euclid._fetch import fetch as run

    folder = run(
        options.ra,
        options.dec,
        options.radius,
        bands=options.bands or EUCLID_BANDS,
        service=options.service,
        folder=options.output,
        timeout=options.timeout,
        refresh=options.refresh,
        allow=options.allow,
    )
    files = sorted(path for path in folder.iterdir() if path.name.startswith("EUC_MER_"))
    log.info(f"{folder}: {len(files)} files")
    where = f"--position {options.ra} {options.dec} --size {2 * options.radius:g}"
    log.info(f"Map them: euclid-resolved predict MODEL.asdf {folder} -o MAPS.fits {where}")

"""The command that maps images: one, a whole tile by strips, or many."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.cli._commands import UsageError, _print, _usage
from euclid_resolved.cli._info import describe_maps
from euclid_resolved.cli._moc import check_moc, check_place, cover_many, cover_one
from euclid_resolved.cli._report import report, report_count, report_trust, say
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import band_name
from euclid_resolved.images._guard import open_regular
from euclid_resolved.models._options import check_options
from euclid_resolved.plotting._style import check_figure_name

if TYPE_CHECKING:
    from argparse import Namespace

LARGE = 4096**2  # pixels: an image with more is mapped by strips, if nothing asked for needs all of it

# What is not said pixel by pixel, in the words of the command line.
_WHOLE = (
    "hdu", "pixel_scale", "align", "figure", "position", "region", "background", "mask_stars",
    "redshift", "distance", "scale", "signal_to_noise",
)  # fmt: skip


def predict(options: Namespace) -> Any:
    """Map images with a model."""
    from euclid_resolved.io._read_write import check_output
    from euclid_resolved.io.asdf._files import read_model

    options.zero_point = _zero_points(options.zero_point)
    for name in ("background", "match_psf"):
        if getattr(options, name) == "none":
            setattr(options, name, False)
    named, words = _model_and_images(options)
    sources = _images(words)
    _check_words(options, sources)
    check_moc(options)
    spread = options.workers is not None or options.scheduler is not None
    if len(sources) > 1 or options.table or spread:
        return _predict_many(named, sources, options)
    if options.catalogue:
        raise UsageError("--catalogue goes with several images; measure and profile take the maps of one")
    output = Path(options.output)
    if not output.name.lower().endswith((".fits", ".fits.gz", ".asdf", ".zarr")):
        raise UsageError(f"-o must end in .fits, .fits.gz, .asdf or .zarr, got {output}")
    outputs = [output, *(Path(name) for name in (options.figure, options.moc) if name)]
    _check_apart(outputs, named, sources, options)
    if options.compress is not None and output.suffix.lower() != ".fits":
        raise UsageError("--compress goes with an output that ends in .fits")
    for path in outputs:
        check_output(path, options.overwrite)
    model = read_model(named) if named else _default_model()
    one = _predict_tile if _by_strips(sources[0], options, model) else _predict_one
    return {"output": options.output, "model": model.digest, **one(model, sources[0], options)}


def _check_apart(outputs, named, sources, options):
    """Refuse to write over a file that is read, before anything else."""
    from euclid_resolved.errors import ImageFileError
    from euclid_resolved.io._lock import check_apart
    from euclid_resolved.io._opening import input_files

    inputs = [path for path in (named, options.region, options.table) if path]
    for source in sources:
        # What cannot be found is said when it is opened.
        with contextlib.suppress(ImageFileError):
            inputs += input_files(source)
    check_apart(outputs, inputs)
    if len({os.path.realpath(path) for path in outputs}) < len(outputs):
        raise UsageError("two of -o, --figure, --moc and --catalogue name the same file")


def _zero_points(pairs):
    """The zero points by band, or None; that without a band is under None."""
    if pairs is None:
        return None
    bands = [band and band_name(band) for band, _ in pairs]
    twice = [band for band in bands if bands.count(band) > 1]
    if twice:
        raise UsageError(f"--zero-point is given twice for {twice[0] or 'all bands'}")
    return {band: value for band, (_, value) in zip(bands, pairs, strict=True)}


def _check_words(options, sources):
    """Refuse options that are of no use or do not go together, whatever the files hold."""
    with _usage():
        check_options(**_predicting(options))
    if options.sfd and options.ebv is None and not options.table:
        raise UsageError("--sfd says where E(B-V) is from and goes with --ebv MAG")
    if options.size is not None and options.position is None:
        raise UsageError("--size goes with --position")
    if options.position is not None and options.region is not None:
        raise UsageError("give --position and --size, or --region")
    if options.position is not None and options.size is None:
        raise UsageError("--position and --size (arcsec) go together")
    if options.table and (len(sources) > 1 or options.position or options.region):
        raise UsageError(
            "--table goes with one folder of mosaics and says which fields, so no --position or --region"
        )
    if options.figure:
        with _usage():
            check_figure_name(options.figure)
    if options.figure and (len(sources) > 1 or options.table):
        raise UsageError("--figure goes with one image")
    if options.strips and (len(sources) > 1 or options.table):
        raise UsageError("--strips goes with one image")


def _opening(options):
    """The options of `euclid_resolved.io.open_image`."""
    names = (
        "zero_point", "flag_bits", "hdu", "pixel_scale", "align", "position", "size", "region",
        "raw", "background", "mask_stars", "match_psf", "ebv", "sfd", "redshift", "distance", "scale",
        "signal_to_noise",
    )  # fmt: skip
    return {name: getattr(options, name) for name in names}


def _predicting(options):
    return {name: getattr(options, name) for name in ("draws", "seed", "level", "min_sn")}


def _predict_one(model, source, options):
    from euclid_resolved.imaging._automatic import preparation_words
    from euclid_resolved.io._lacking import bands_for
    from euclid_resolved.io._opening import open_image
    from euclid_resolved.io._read_write import write
    from euclid_resolved.survey._tile import count_pixels

    image = open_image(source, bands_for(model, source), **_opening(options))
    check_place(options, image.wcs, image.name or "the image")
    _say_missing(model, image.bands)
    done = preparation_words(image)
    if done:
        say(f"Prepared: {done}." + ("" if options.raw else " --raw leaves the image as it is."))
    maps = model.predict_maps(image, **_predicting(options))
    write(options.output, maps, overwrite=options.overwrite, compress=options.compress)
    totals = report(options.output, maps)
    report_trust(model, maps)
    if options.figure:
        from euclid_resolved.plotting._quick_look import quicklook
        from euclid_resolved.plotting._style import save_figure

        save_figure(quicklook(image, maps), options.figure)
    moc = cover_one(options, source, next(iter(maps.values())))
    found = {"prepared": done, "pixels": count_pixels(maps), "maps": describe_maps(maps)}
    return {**found, **moc, "totals": totals, "trust": model.training.get("trust")}


def _say_missing(model, bands):
    """Which bands of the model an image lacks."""
    missing = [band for band in model.bands if band not in bands]
    if missing:
        say(f"The image has no {', '.join(missing)}: estimated from the other bands (MISSING_BAND).")


def _by_strips(source, options, model):
    """Whether to map strip by strip: it was asked for, or the image is large and nothing forbids it."""
    whole = [f"--{name.replace('_', '-')}" for name in _WHOLE if getattr(options, name)]
    whole += ["--match-psf gaussian"] if options.match_psf == "gaussian" else []
    if not options.output.lower().endswith(".fits"):
        whole.append("an output that does not end in .fits")
    if options.strips:
        if whole:
            raise UsageError(f"--strips reads some rows at a time; {', '.join(whole)} needs all of the image")
        return True
    return not whole and _size(source, model, options.zero_point) > LARGE


def _size(source, model, zero_point):
    """The pixels of an image that can be read in strips; 0 where it cannot, whatever the reason."""
    from euclid_resolved.io._lacking import bands_for
    from euclid_resolved.io.euclid._strips import open_large

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is opened once more, and then they are shown
            with open_large(source, bands_for(model, source), zero_point=zero_point) as image:
                return image.shape[0] * image.shape[1]
    except InputError:
        return 0


def _predict_tile(model, source, options):
    from euclid_resolved.io._lacking import bands_for
    from euclid_resolved.io.euclid._strips import open_large
    from euclid_resolved.survey._tile import matches, predict_tile

    bands = bands_for(model, source)
    _say_missing(model, bands)
    match = False if options.raw and options.match_psf is None else options.match_psf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_large(source, bands, zero_point=options.zero_point) as image:
            match = matches(image, match)
            check_place(options, image.wcs, image.name or "the image")
    if not options.raw:
        psf = "PSFs are matched" if match else "colours are false where bands are not equally sharp"
        say(
            f"Strip by strip {psf}; the sky is left in, and stars are mapped as galaxies. --position, "
            "--region and --table prepare fields."
        )
    extinction = {"ebv": options.ebv, "sfd": options.sfd}
    reading = {"zero_point": options.zero_point, "flag_bits": options.flag_bits}
    reading |= {"overwrite": options.overwrite, "match_psf": match, "compress": options.compress}
    try:
        count = predict_tile(model, source, options.output, **reading, **extinction, **_predicting(options))
    except KeyboardInterrupt:
        print("What is done is kept: the same command goes on from there.", file=sys.stderr)
        raise
    report_count(options.output, count)
    report_trust(model)
    return {"pixels": count, **cover_one(options, source), "trust": model.training.get("trust")}


def _predict_many(named, sources, options):
    from euclid_resolved.survey._catalogue import catalogue_paths
    from euclid_resolved.survey._many import check_folder, fields_of, name_images, predict_many

    images = sources
    if options.table:
        images = fields_of(sources[0], _read_table(options.table))
    with _usage():
        name_images(images)
    check_folder(options.output)
    tables = catalogue_paths(options.catalogue) if options.catalogue else ()
    outputs = [Path(options.output) / "report.ecsv", *([Path(options.moc)] if options.moc else []), *tables]
    _check_apart(outputs, named, sources, options)
    if named is None:
        from euclid_resolved.mock._default_model import default_path

        _default_model()
        named = default_path()
    table = predict_many(
        named,
        images,
        options.output,
        workers=options.workers,
        scheduler=options.scheduler,
        overwrite=options.overwrite,
        compress=options.compress,
        catalogue=options.catalogue,
        progress=options.log_level in ("debug", "info"),
        **_predicting(options),
        **{name: value for name, value in _opening(options).items() if value is not None},
    )
    _print(table)
    if tables:
        say(f"{tables[0]}: {int((table['status'] != 'failed').sum())} images; {tables[1].name}: profiles")
    moc = cover_many(options, sources, table)
    failed = int((table["status"] == "failed").sum())
    if failed:
        message = (
            f"{failed} of {len(table)} images could not be mapped; the table, also in "
            f"{Path(options.output) / 'report.ecsv'}, says why; the first: "
            f"{table['message'][table['status'] == 'failed'][0]}"
        )
        if not options.json:
            raise InputError(message)
        print(f"euclid-resolved: error: {message}", file=sys.stderr)
    moc |= {"catalogue": options.catalogue} if tables else {}
    return {"output": options.output, **moc, "failed": failed, "images": table}, 1 if failed else 0


def _read_table(path):
    from astropy.table import Table

    from euclid_resolved.io._tables import check_table

    try:
        check_table(path)
        return Table.read(path)
    except (OSError, InputError):
        raise
    except Exception as error:  # each format raises its own
        raise InputError(f"{path}: it cannot be read as a table: {error}") from error


def _model_and_images(options):
    """The model file named, or None, and the images: whether the first word is a model is seen in it."""
    words = [options.model, *options.image] if options.model else list(options.image)
    misplaced = [word for word in words[1:] if word.lower().endswith(".asdf") and b"/model-" in _start(word)]
    if misplaced:
        raise UsageError(f"{misplaced[0]} is a model: one model comes first, then the images")
    if not _is_model(words[0]):
        return None, words
    if len(words) == 1:
        raise UsageError(f"the following arguments are required: IMAGE ({words[0]} is a model)")
    return words[0], words[1:]


def _is_model(word):
    """Whether to open a file as a model; one that is missing or damaged is, if it is called .asdf."""
    return word.lower().endswith(".asdf") and b"/multi_band_image-" not in _start(word)


def _start(path):
    """The first bytes of a file, where its tags stand; none of one that cannot be opened."""
    try:
        with open_regular(path) as file:
            return file.read(4096)
    except InputError:
        return b""


def _images(words):
    """The images that the words of the command line name: pairs make one, everything else is its own."""
    pairs = [word for word in words if "=" in word and not Path(word).exists()]
    if pairs and len(pairs) < len(words):
        raise UsageError("give either BAND=FILE pairs or images, not both")
    return [pairs] if pairs else list(words)


def _default_model():
    from euclid_resolved.mock._default_model import default_model

    model = default_model()
    say(f"No model was named: the default one, of {model.training['source'].removeprefix('default: ')}.")
    return model

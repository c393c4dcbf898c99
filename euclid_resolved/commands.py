"""What the commands of the command line do; each takes the parsed options and prints a report."""

import ast
import json
from pathlib import Path

from euclid_resolved.errors import InputError

__all__ = [
    "UsageError",
    "atlas_make",
    "diagnose",
    "evaluate",
    "fetch",
    "info",
    "plugins",
    "predict",
    "quickstart",
    "reproduce",
    "train",
]


class UsageError(Exception):
    """The command makes no sense as it was given; exit code 2."""


def _refuse_existing(path, overwrite):
    """Before hours of work, not after."""
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: the file exists; to replace it say --overwrite")


def quickstart(options):
    """Make a small mock atlas, train on it and map a galaxy."""
    from euclid_resolved.quickstart import quickstart as run

    if options.galaxies < 5:
        raise UsageError("quickstart needs at least 5 galaxies")
    run(options.out, galaxies=options.galaxies, seed=options.seed, overwrite=options.overwrite)


def atlas_make(options):
    """Make a mock atlas."""
    from euclid_resolved import make_atlas

    path = make_atlas(
        options.directory,
        options.galaxies,
        seed=options.seed,
        pixels=options.pixels,
        observer=options.observer,
        overwrite=options.overwrite,
    )
    print(f"{options.galaxies} mock galaxies in {path}")


def _estimator(options):
    """The estimator with the settings asked for."""
    from dataclasses import fields

    from euclid_resolved.plugins import lookup

    kind = lookup("estimators", options.estimator)
    names = [field.name for field in fields(kind) if field.init]
    settings = {"seed": options.seed} if "seed" in names else {}
    for pair in options.set:
        key, equals, text = pair.partition("=")
        if not equals or key not in names:
            raise UsageError(
                f"--set {pair}: settings of {options.estimator} are {', '.join(names) or 'none'}"
            )
        settings[key] = _literal(text)
    try:
        return kind(**settings)
    except TypeError as error:
        raise InputError(f"{options.estimator} does not take these settings: {error}") from error


def train(options):
    """Train a model on an atlas, test it on galaxies held out, and write it."""
    from euclid_resolved.bands import EUCLID_BANDS
    from euclid_resolved.io import read_atlas, write
    from euclid_resolved.io.fingerprint import fingerprint
    from euclid_resolved.metrics import evaluate as measure
    from euclid_resolved.plugins import lookup
    from euclid_resolved.quantities import PROPERTIES, get_property
    from euclid_resolved.sample import DEFAULT_CLIP, extract, split
    from euclid_resolved.training import train as fit

    if not 0 < options.test_fraction < 1:
        raise UsageError(f"--test-fraction must lie between 0 and 1, got {options.test_fraction}")
    if not options.output.endswith(".asdf"):
        raise UsageError(f"a model file ends in .asdf, got {options.output}")
    if "all" in options.property:
        properties = tuple(PROPERTIES)
    else:
        properties = tuple(get_property(name).name for name in options.property)
    estimator = _estimator(options)
    for name in options.features:
        lookup("features", name)  # an unknown one is better met now than after reading the atlas
    _refuse_existing(options.output, options.overwrite)
    bands = tuple(options.bands or EUCLID_BANDS)
    galaxies = read_atlas(options.atlas, observer=options.observer, bands=bands)
    training, test = split(galaxies, options.test_fraction, options.seed)
    clip = DEFAULT_CLIP if options.clip is None else options.clip
    source = str(Path(options.atlas).resolve().name)
    pixels = extract(galaxies, properties, bands, clip=clip, source=source, progress=True)
    kept = f"{100 * pixels.kept:.2f} % of all"
    print(f"{len(pixels)} pixels of {len(galaxies)} galaxies, {kept}, brighter than {clip} MJy/sr")
    model = fit(
        pixels.of(training),
        properties,
        estimator,
        features=tuple(options.features),
        columns=options.columns,
        bands=bands,
        chain=options.chain,
        seed=options.seed,
    )
    table = measure(model, pixels.of(test))
    model.training.update(
        atlas=fingerprint(options.atlas),
        test_galaxies=[galaxy.name for galaxy in test],
        test=_as_dict(table),
    )
    write(options.output, model, overwrite=options.overwrite)
    print(f"Accuracy on {len(test)} galaxies that were held out:")
    _print(table)
    print(f"Written: {options.output}")


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


def evaluate(options):
    """Compare a model with the truth of an atlas."""
    from euclid_resolved.io import read_atlas
    from euclid_resolved.io.fingerprint import fingerprint
    from euclid_resolved.metrics import evaluate as measure

    model = _read_model(options.model)
    galaxies = read_atlas(options.atlas, observer=options.observer, bands=model.bands)
    held_out = set(model.training.get("test_galaxies", ()))
    known = model.training.get("atlas") == fingerprint(options.atlas)
    if known:
        galaxies = [galaxy for galaxy in galaxies if galaxy.name in held_out]
        if not galaxies:
            raise InputError(
                f"{options.model} was trained on this atlas and no galaxy of {options.observer} held out"
            )
    table = measure(model, galaxies, per_galaxy=options.per_galaxy, progress=True)
    if options.json:
        if options.per_galaxy:
            names = dict.fromkeys(table["galaxy"])
            print(json.dumps({str(n): _as_dict(table[table["galaxy"] == n]) for n in names}, indent=2))
        else:
            print(json.dumps(_as_dict(table), indent=2))
        return
    which = "held-out galaxies of the atlas it was trained on" if known else "galaxies of another atlas"
    print(f"{len(galaxies)} {which}; {100 * table.meta['kept']:.2f} % of their pixels are above the clip")
    _print(table)


def _read_model(path):
    from euclid_resolved.io import read
    from euclid_resolved.model import Model

    model = read(path)
    if not isinstance(model, Model):
        raise InputError(f"{path} holds no model but {type(model).__name__}")
    return model


def diagnose(options):
    """Run diagnostics on a model and the galaxies it was trained and tested on."""
    from euclid_resolved.diagnostics import run_chain
    from euclid_resolved.io import read_atlas
    from euclid_resolved.io.fingerprint import fingerprint
    from euclid_resolved.plugins import lookup

    names = [name for name in options.name.split(",") if name]
    found = {name: lookup("diagnostics", name) for name in names}
    settings = {}
    for pair in options.set:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: KEY=VALUE is needed")
        settings[key] = _literal(text)
    if settings and len(names) != 1:
        raise UsageError("--set goes with one diagnostic")
    folder = Path(options.output) if options.output else None
    for name in names if folder else ():
        _refuse_existing(folder, True)
        for ending in (".ecsv", ".png"):
            if folder.is_dir():
                _refuse_existing(folder / f"{name}{ending}", options.overwrite)
    model = _read_model(options.model)
    if model.training.get("atlas") != fingerprint(options.atlas):
        raise InputError(
            f"{options.model} was not trained on {options.atlas}: a diagnostic needs the galaxies that the "
            "model has seen, and those held out"
        )
    galaxies = read_atlas(options.atlas, observer=options.observer, bands=model.bands)
    held_out = set(model.training.get("test_galaxies", ()))
    training = [galaxy for galaxy in galaxies if galaxy.name in set(model.training["galaxies"])]
    test = [galaxy for galaxy in galaxies if galaxy.name in held_out]
    if not training or not test:
        raise InputError(f"the atlas has no training or no test galaxies of observer {options.observer}")
    tables = run_chain(names, model, training, test, **{name: settings for name in names})
    for name, table in tables.items():
        print(f"{name}:")
        _print(table)
        if folder:
            _keep_diagnosis(folder / name, table, getattr(found[name], "plot", None), options.overwrite)


def _literal(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _keep_diagnosis(path, table, plot, overwrite):
    from euclid_resolved.io import atomic_path
    from euclid_resolved.quickstart import save_figure

    path.parent.mkdir(exist_ok=True)
    with atomic_path(f"{path}.ecsv", overwrite=overwrite) as temporary:
        table.write(temporary, format="ascii.ecsv")
    written = [f"{path}.ecsv"]
    if plot is not None:
        save_figure(plot(table), f"{path}.png")
        written.append(f"{path}.png")
    print(f"Written: {', '.join(written)}")


def reproduce(options):
    """Run a study on an atlas and write its report."""
    import shlex

    from euclid_resolved.study import reproduce as run

    if options.fast and options.study:
        raise UsageError("--fast is a study of its own: give it or --study")
    study = options.study or ("paper-fast" if options.fast else "paper")
    words = ["euclid-resolved", "reproduce", *([options.atlas] if options.atlas else [])]
    words += ["--fast"] if options.fast else ["--study", options.study] if options.study else []
    run(options.atlas, options.output, study=study, command=shlex.join([*words, "-o", options.output]))


def _images(words, options):
    """The images that the words of the command line name: pairs make one, everything else is its own."""
    pairs = [word for word in words if "=" in word and not Path(word).exists()]
    if pairs and len(pairs) < len(words):
        raise InputError("give either BAND=FILE pairs or images, not both")
    return [pairs] if pairs else list(words)


def _read_image(source, options, bands):
    import re

    from euclid_resolved.image import MultiBandImage
    from euclid_resolved.io import read, read_euclid, read_galaxy

    if isinstance(source, str) and re.fullmatch(r"TNG\d+_O[1-5]", Path(source).name):
        return read_galaxy(source, bands=bands).image
    if isinstance(source, str) and source.endswith(".asdf"):
        image = read(source)
        if not isinstance(image, MultiBandImage):
            raise InputError(f"{source} holds no image but {type(image).__name__}")
        return image
    return read_euclid(source, bands=bands, zero_point=options.zero_point, align=options.align)


def _prepared(source, options, bands):
    """An image, cut out and prepared as the options say."""
    import astropy.units as u

    from euclid_resolved.imaging.prepare import describe_history, prepare

    image = _cut_out(source, options, bands)
    image = prepare(
        image,
        background=options.background,
        mask_stars=options.mask_stars,
        match_psf=options.match_psf,
        ebv=options.ebv,
        sfd=options.sfd,
        redshift=options.redshift,
        distance=None if options.distance is None else options.distance * u.Mpc,
        scale=None if options.scale is None else options.scale * u.pc,
        signal_to_noise=options.signal_to_noise,
    )
    for line in describe_history(image):
        print(f"  {line}")
    return image


def _cut_out(source, options, bands):
    """The whole image, or the field that the options name."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    if options.position is None and options.region is None:
        if options.size is not None:
            raise UsageError("--size goes with --position")
        return _read_image(source, options, bands)
    if (options.position is None) == (options.region is None):
        raise UsageError("give --position and --size, or --region")
    if (options.position is None) != (options.size is None):
        raise UsageError("--position and --size (arcsec) go together")
    from euclid_resolved.imaging import crop
    from euclid_resolved.io.mosaic import field_of, read_mosaics

    position = None if options.position is None else SkyCoord(*options.position, unit="deg")
    size = None if options.size is None else options.size * u.arcsec
    if isinstance(source, str) and Path(source).is_dir() and any(Path(source).rglob("EUC_MER_*")):
        return read_mosaics(
            source, position, size, region=options.region, bands=bands, zero_point=options.zero_point
        )
    return crop(_read_image(source, options, bands), *field_of(position, size, options.region))


def fetch(options):
    """Fetch cut-outs of Euclid mosaics from an archive."""
    from euclid_resolved.bands import EUCLID_BANDS
    from euclid_resolved.io.fetch import fetch as run

    folder = run(
        options.ra,
        options.dec,
        options.radius,
        bands=options.bands or EUCLID_BANDS,
        service=options.service,
        folder=options.output,
        timeout=options.timeout,
        refresh=options.refresh,
    )
    files = sorted(path for path in folder.iterdir() if path.name.startswith("EUC_MER_"))
    print(f"{folder}: {len(files)} files")
    where = f"--position {options.ra} {options.dec} --size {2 * options.radius:g}"
    print(f"Map them: euclid-resolved predict MODEL.asdf {folder} -o MAPS.fits {where}")


def predict(options):
    """Map images with a model."""
    from euclid_resolved.io import write

    named, words = _model_and_images(options)
    sources = _images(words, options)
    output = Path(options.output)
    if len(sources) > 1:
        if not output.is_dir():
            raise InputError(f"{output} must be an existing folder to hold the maps of {len(sources)} images")
        outputs = [output / f"{Path(source).stem}_maps.fits" for source in sources]
        if len(set(outputs)) < len(outputs):
            raise InputError("two images have the same name; give them one by one")
    else:
        outputs = [output]
        if not output.name.lower().endswith((".fits", ".fits.gz", ".asdf")):
            raise UsageError(f"-o must end in .fits, .fits.gz or .asdf, got {output}")
    for path in outputs:
        _refuse_existing(path, options.overwrite)
    if options.figure:
        if len(sources) > 1:
            raise UsageError("--figure goes with one image")
        _refuse_existing(options.figure, options.overwrite)
    if named is None:
        _check_sources(sources)  # before minutes of training
    model = _read_model(named) if named else _default_model()
    for source, path in zip(sources, outputs, strict=True):
        image = _prepared(source, options, model.bands)
        errors = {"draws": options.draws, "seed": options.seed, "level": options.level}
        maps = model.predict_maps(image, min_sn=options.min_sn, **errors)
        write(path, maps, overwrite=options.overwrite)
        _report(path, maps)
        if options.figure:
            from euclid_resolved.quicklook import plot_quicklook
            from euclid_resolved.quickstart import save_figure

            save_figure(plot_quicklook(image, maps, title=image.name), options.figure)


def _model_and_images(options):
    """The model file named, or None, and the images: whether the first word is a model is seen in it."""
    words = [options.model, *options.image] if options.model else list(options.image)
    if not _is_model(words[0]):
        return None, words
    if len(words) == 1:
        raise UsageError(f"the following arguments are required: IMAGE ({words[0]} is a model)")
    return words[0], words[1:]


def _is_model(word):
    """Whether to open a file as a model; one that is missing or damaged is, if it is called .asdf."""
    if not word.lower().endswith(".asdf"):
        return False
    try:
        with open(word, "rb") as file:
            return b"multi_band_image-" not in file.read(4096)
    except OSError:
        return True


def _check_sources(sources):
    """Refuse images that cannot be there or cannot be read at all."""
    for source in sources:
        for word in source if isinstance(source, list) else [source]:
            path = Path(word.partition("=")[2] if isinstance(source, list) else word)
            if not path.exists() and not path.name.startswith("TNG"):  # a galaxy of an atlas is many files
                raise InputError(f"{path}: there is no such file")
            if path.is_file() and path.suffix != ".asdf":
                from euclid_resolved.io._fits_read import open_fits

                with open_fits(path):
                    pass


def _default_model():
    from euclid_resolved.default_model import default_model

    model = default_model()
    print(f"No model was named: {model.training['source']}. {model.training['trust']}")
    return model


def _report(path, maps):
    """What a user should know about maps before believing them."""
    import numpy as np

    from euclid_resolved.maps import Quality

    first = next(iter(maps.values()))
    judged = ~np.asarray(first.mask)
    print(f"{path}: {int(judged.sum())} of {judged.size} pixels mapped")
    for bit in Quality:
        if first.fraction(bit):
            print(f"  {bit.name}: {100 * first.fraction(bit):.1f} % of all pixels")
    if judged.any():
        outside = float(np.mean((first.quality[judged] & Quality.OUT_OF_DOMAIN) != 0))
        print(f"  of the mapped pixels {100 * outside:.1f} % are extrapolations (OUT_OF_DOMAIN)")
        for name, map_ in maps.items():
            low, middle, high = np.percentile(map_.data[judged], (16, 50, 84))
            text = f"  {name}: median {middle:.3g}, 16-84 % {low:.3g} to {high:.3g} {map_.unit}".rstrip()
            if map_.uncertainty is not None:
                relative = np.nanmedian(map_.uncertainty.array[judged] / map_.data[judged])
                text += f"; one sigma {100 * relative:.0f} % ({map_.meta.get('uncertainty', '')})"
            print(text)


def info(options):
    """Say what files hold."""
    from euclid_resolved.io import read_atlas, read_euclid
    from euclid_resolved.model import Model

    for name in options.file:
        path = Path(name)
        if path.is_dir():
            try:
                galaxies = read_atlas(path)
                print(f"{name}: atlas of {len(galaxies)} galaxies, {galaxies[0].name} to {galaxies[-1].name}")
            except InputError:
                print(f"{name}: {read_euclid(path)!r}")
            continue
        content = _open(path)
        if isinstance(content, Model):
            print(f"{name}: {content!r}")
            for key, value in {**content.training, "versions": content.versions}.items():
                text = f"{len(value)} names" if isinstance(value, list) and len(value) > 8 else value
                print(f"  {key}: {text}")
        elif isinstance(content, dict):
            print(f"{name}: maps")
            for map_ in content.values():
                print(f"  {map_!r}")
        else:
            print(f"{name}: {content!r}")


def _open(path):
    """What a file holds: something this package wrote, or else an image of Euclid's."""
    from euclid_resolved.io import read, read_euclid

    try:
        content = read(path)
    except InputError as error:
        if not path.is_file() or path.suffix == ".asdf":
            raise
        try:
            return read_euclid(path)
        except InputError:
            raise error from None
    if isinstance(content, dict) and not any(map_.property for map_ in content.values()):
        return read_euclid(path)  # any FITS image can be opened as maps of nothing in particular
    return content


def plugins(options):
    """List what is registered, or run the test kit on it."""
    from astropy.table import Table

    from euclid_resolved.plugins import describe

    rows = describe()
    if options.check is None:
        columns = ("kind", "name", "distribution", "version", "status")
        table = Table({c: [getattr(row, c) or "-" for row in rows] for c in columns})
        _print(table)
        return 0
    from euclid_resolved import testing

    checks = {
        "estimators": testing.check_estimator,
        "features": testing.check_features,
        "diagnostics": testing.check_diagnostic,
    }
    unknown = set(options.check) - {row.name for row in rows}
    if unknown:
        raise InputError(
            f"no plugin {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in rows)}"
        )
    failed = 0
    for row in rows:
        if options.check and row.name not in options.check:
            continue
        verdict = row.status
        if row.value is not None and row.kind in checks:
            try:
                checks[row.kind](row.value)
            except Exception as error:
                verdict = " ".join(f"{error}".split())
        failed += verdict != "ok"
        print(f"{row.kind or 'plugin'} {row.name}: {verdict}")
    return 1 if failed else 0

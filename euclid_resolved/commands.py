"""What the commands of the command line do; each takes the parsed options and prints a report."""

import ast
import json
from pathlib import Path

from euclid_resolved.errors import InputError

__all__ = ["UsageError", "atlas_make", "evaluate", "info", "plugins", "predict", "quickstart", "train"]


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
        try:
            settings[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[key] = text
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


def predict(options):
    """Map images with a model."""
    from euclid_resolved.io import write

    sources = _images(options.image, options)
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
    model = _read_model(options.model)
    for source, path in zip(sources, outputs, strict=True):
        image = _read_image(source, options, model.bands)
        maps = model.predict_maps(image)
        write(path, maps, overwrite=options.overwrite)
        _report(path, maps)
        if options.figure:
            from euclid_resolved.plotting import plot_maps
            from euclid_resolved.quickstart import save_figure

            save_figure(plot_maps(maps, title=image.name), options.figure)


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
            print(f"  {name}: median {middle:.3g}, 16-84 % {low:.3g} to {high:.3g} {map_.unit}".rstrip())


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

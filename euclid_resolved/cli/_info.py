"""The commands that say what is there: in files, and among plugins."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.cli._commands import UsageError, _described, _print
from euclid_resolved.cli._report import WIDTH
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from argparse import Namespace

_DIGITS = 12  # of a digest, as models are shown elsewhere
_METRICS = ("r2", "rmse", "nmad", "bias", "outlier_fraction", "pearson")
# Where a model's accuracy stands in its record, the best first.
_ACCURACY = {
    "test": "galaxies that were held out",
    "cross_validation": "training galaxies, each left out in turn",
    "validation": "pixels of training galaxies that were set aside",
}


def info(options: Namespace) -> dict[str, Any]:
    """Say what files hold."""
    found = []
    for name in options.file:
        record, lines, table = _contents(name)
        print(f"{name}: {lines.pop('', record['kind'])}")
        _print_lines(lines)
        if table is not None:
            print()
            _print(table)
        found.append({"file": name, **record})
    return {"files": found}


def _print_lines(lines: dict[str, Any]) -> None:
    """Facts in two columns, wrapped to the width of a terminal."""
    width = max(map(len, lines), default=0)
    for what, text in lines.items():
        left = f"  {what:{width}}  "
        print(textwrap.fill(str(text), WIDTH, initial_indent=left, subsequent_indent=" " * len(left)))


def _contents(name):
    """What a file or folder holds: a record, lines to read, and a table or None."""
    from euclid_resolved.io._atlas import read_atlas
    from euclid_resolved.io._read_write import read
    from euclid_resolved.io._sample import is_sample, read_sample
    from euclid_resolved.io.euclid._cutout import read_euclid
    from euclid_resolved.models._model import Model

    path = Path(name)
    if is_sample(path):
        return _of_sample(read_sample(path))
    if path.is_dir():
        try:
            galaxies = read_atlas(path)
        except InputError:
            return _of_image(read_euclid(path))
        names = [galaxy.name for galaxy in galaxies]
        title = f"atlas of {len(names)} galaxies, {names[0]} to {names[-1]}"
        return {"kind": "atlas", "galaxies": names}, {"": title}, None
    content = read(path)
    if isinstance(content, Model):
        return _of_model(content)
    if isinstance(content, dict):
        return _of_maps(content)
    if hasattr(content, "bands"):
        return _of_image(content)
    return {"kind": type(content).__name__, "description": repr(content)}, {"": repr(content)}, None


def _of_sample(pixels):
    record = {
        "kind": "sample",
        "source": pixels.source,
        "galaxies": list(pixels.names),
        "pixels": len(pixels),
        "bands": list(pixels.brightness),
        "properties": list(pixels.truth),
        "clip": _clip(pixels.clip),
        "fraction_of_pixels_kept": pixels.kept,
        "digest": pixels.digest,
    }
    lines = {
        "": f"sample of {pixels.source}, every checksum as it was written",
        "pixels": _described(pixels),
        "bands": ", ".join(pixels.brightness),
        "properties": ", ".join(pixels.truth),
    }
    return record, lines, None


def _clip(clip):
    import astropy.units as u

    return None if clip is None else clip * u.MJy / u.sr


def _of_image(image):
    from euclid_resolved.images._pixels import pixel_scale

    units = {band: str(image[band].unit) for band in image.bands}
    record = {
        "kind": "image",
        "name": image.name,
        "bands": list(image.bands),
        "units": units,
        "shape": list(image.shape),
        "pixel_scale": pixel_scale(image),
        "masked_fraction": float(image.mask().mean()),
    }
    lines = {
        "": f"image {image.name}".rstrip(),
        "bands": f"{', '.join(image.bands)}, in {', '.join(dict.fromkeys(units.values()))}",
        **_extent(image, image.shape),
        "masked": f"{100 * record['masked_fraction']:.1f} % of the pixels",
    }
    return record, lines, None


def _extent(image, shape):
    from euclid_resolved.images._grid import describe_centre
    from euclid_resolved.images._pixels import pixel_scale

    lines = {"pixels": f"{shape[1]} x {shape[0]} (x, y), each {pixel_scale(image):.4g} wide"}
    where = describe_centre(image.wcs, shape)
    return lines | ({"centre": where.removeprefix("centre ")} if where else {})


def describe_maps(maps: dict[str, Any]) -> dict[str, Any]:
    """What maps show, with units, for ``--json`` and for the table of ``info``.

    Parameters
    ----------
    maps : dict of str to `~euclid_resolved.SpatialMap`

    Returns
    -------
    rows : dict of str to dict

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.cli._info import describe_maps
    >>> age = SpatialMap(np.array([[2.0, 8.0, np.nan]]), property="stellar_age", mask=[[0, 0, 1]])
    >>> row = describe_maps({"stellar_age": age})["stellar_age"]
    >>> row["median"], f"{row['masked_fraction']:.2f}"
    (<Quantity 5. Gyr>, '0.33')
    """
    import astropy.units as u
    import numpy as np

    from euclid_resolved.maps._budget import error_budget
    from euclid_resolved.maps._spatial_map import Quality

    rows = {}
    for name, map_ in maps.items():
        values = map_.quantity
        known = np.isfinite(values)
        unit = map_.unit or u.dimensionless_unscaled
        low, middle, high = np.percentile(values.value[known], (16, 50, 84)) if known.any() else [np.nan] * 3
        rows[name] = {
            "shape": list(map_.data.shape),
            "masked_fraction": float(1 - known.mean()),
            "p16": low * unit,
            "median": middle * unit,
            "p84": high * unit,
            "has_uncertainty": map_.uncertainty is not None,
            "error_budget_dex": error_budget(map_),
            "quality": {bit.name: map_.fraction(bit) for bit in Quality if map_.fraction(bit)},
        }
    return rows


def _of_maps(maps):
    from astropy.table import Table

    from euclid_resolved.images._pixels import pixel_scale
    from euclid_resolved.maps._budget import budget_words

    rows = describe_maps(maps)
    first = next(iter(maps.values()))
    lines = {"": f"maps of {len(maps)} properties", **_extent(first, first.data.shape)}
    quality = {name: f"{100 * value:.1f} %" for name, value in rows[next(iter(rows))]["quality"].items()}
    if quality:
        lines["quality"] = ", ".join(f"{name} {share}" for name, share in quality.items())
    budgets = {name: words for name, map_ in maps.items() if (words := budget_words(map_))}
    if budgets:
        lines["one sigma"] = "; ".join(f"{name} {words}" for name, words in budgets.items())
    if first.meta.get("model"):
        lines["model"] = str(first.meta["model"])[:_DIGITS]
    table = Table(
        {
            "property": list(rows),
            "unit": [str(row["median"].unit) or "-" for row in rows.values()],
            "with a value": [f"{100 * (1 - row['masked_fraction']):.1f} %" for row in rows.values()],
            **{key: [f"{row[key].value:.3g}" for row in rows.values()] for key in ("p16", "median", "p84")},
            "uncertainty": ["yes" if row["has_uncertainty"] else "no" for row in rows.values()],
        }
    )
    return {"kind": "maps", "pixel_scale": pixel_scale(first), "maps": rows}, lines, table


def _of_model(model):
    from astropy.table import Table

    from euclid_resolved.maps._properties import get_property
    from euclid_resolved.models._asking import registered_name
    from euclid_resolved.plugins._offers import BUILTIN, brought

    training, outputs = model.training, model.outputs
    key = next((key for key in _ACCURACY if training.get(key)), None)
    accuracy = training.get(key, {})
    plugins = [f"{p.name} of {brought(p)}" for p in model.plugins if p.distribution != BUILTIN]
    properties = {
        name: {
            "unit": str(get_property(name).unit),
            "estimator": registered_name(output.estimator),
            "settings": output.estimator.settings(),
            "interval_levels": [] if output.interval is None else list(output.interval.levels),
            "accuracy": {each: accuracy[name].get(each) for each in _METRICS} if name in accuracy else None,
        }
        for name, output in outputs.items()
    }
    record = {
        "kind": "model",
        "digest": model.digest,
        "bands": list(model.bands),
        "features": list(model.features),
        "may_lack_bands": None if model.missing is None else [list(bands) for bands in model.missing.sets],
        "columns": dict(zip(model.columns, model.column_units, strict=True)),
        "clip": _clip(model.clip),
        "clip_band": model.clip_band,
        "properties": properties,
        "accuracy_on": _ACCURACY.get(key),
        "accuracy_units": {"rmse": "dex", "nmad": "dex", "bias": "dex"},
        "training": dict(training),
        "plugins": plugins,
        "versions": dict(model.versions),
    }
    lines = {"": f"model of {', '.join(outputs)}", **_training_lines(model, training)}
    settings = [f"{row['estimator']} ({_words(row['settings'])})" for row in properties.values()]
    lines["settings"] = "; ".join(dict.fromkeys(settings))
    if plugins:
        lines["plugins"] = ", ".join(plugins)
    lines["versions"] = ", ".join(f"{name} {version}" for name, version in model.versions.items())
    lines["digest"] = model.digest[:_DIGITS]
    if "trust" in training:
        lines["what to believe"] = training["trust"]
    if accuracy:
        lines["accuracy"] = f"on {_ACCURACY[key]}; rmse, nmad and bias in dex"
    columns: dict[str, list[str]] = {"property": list(properties)}
    columns["unit"] = [row["unit"] or "-" for row in properties.values()]
    columns["estimator"] = [row["estimator"] for row in properties.values()]
    columns["intervals"] = [
        ", ".join(f"{100 * level:g} %" for level in row["interval_levels"]) or "none"
        for row in properties.values()
    ]
    for each in _METRICS[:5] if accuracy else ():
        values = [(row["accuracy"] or {}).get(each) for row in properties.values()]
        columns[each] = ["-" if value is None else f"{value:.3f}" for value in values]
    return record, lines, Table(columns)


def _words(settings):
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "no settings"


def _training_lines(model, training):
    lines = {"trained on": training.get("source") or "galaxies without a name"}
    names = len(training.get("galaxies", ()))
    held = len(training.get("test_galaxies", ()))
    if names:
        lines["galaxies"] = f"{names}, and {held} held out to test it" if held else str(names)
    if "n_pixels" in training:
        lines["pixels"] = f"{training['n_pixels']} to learn from"
        if training.get("n_validation_pixels"):
            lines["pixels"] += f", {training['n_validation_pixels']} to watch the fit with"
    if model.clip is not None:
        lines["clip"] = f"pixels brighter than {model.clip:g} MJy / sr in {model.clip_band}"
        if "fraction_of_pixels_kept" in training:
            lines["clip"] += f", {100 * training['fraction_of_pixels_kept']:.1f} % of all"
    lines["bands"] = ", ".join(model.bands)
    if model.missing is not None:
        sets = " or ".join("+".join(bands) for bands in model.missing.sets)
        lines["bands"] += f"; pixels may lack {sets or 'any of them but one'}"
    lines["features"] = f"{', '.join(model.features)} ({len(model.columns)} columns)"
    if "seed" in training:
        lines["seed"] = str(training["seed"])
    return lines


def plugins(options: Namespace) -> tuple[dict[str, Any], int]:
    """List what is registered, or run the test kit on it."""
    from astropy.table import Table

    from euclid_resolved.plugins._registry import describe

    rows = describe()
    columns = ("kind", "name", "distribution", "version", "status")
    if options.check is None:
        _print(Table({c: [getattr(row, c) or "-" for row in rows] for c in columns}))
        return {"plugins": [{c: getattr(row, c) for c in columns} for row in rows]}, 0
    from euclid_resolved.testing import _checks as testing

    checks = {
        "estimators": testing.check_estimator,
        "features": testing.check_features,
        "diagnostics": testing.check_diagnostic,
    }
    unknown = set(options.check) - {row.name for row in rows}
    if unknown:
        raise UsageError(
            f"no plugin {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in rows)}"
        )
    checked, failed = [], 0
    for row in rows:
        if options.check and row.name not in options.check:
            continue
        verdict = row.status
        if row.value is not None and row.kind in checks:
            try:
                checks[row.kind](row.value)
            except Exception as error:
                verdict = "\n  ".join(" ".join(line.split()) for line in f"{error}".splitlines())
        failed += verdict != "ok"
        print(f"{row.kind or 'plugin'} {row.name}: {verdict}")
        checked.append({"kind": row.kind, "name": row.name, "verdict": verdict})
    return {"checked": checked, "failed": failed}, 1 if failed else 0

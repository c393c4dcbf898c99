"""What notebooks show: one self-contained card of HTML an object, with small pictures where they help.

Everything that comes from data or files is escaped, colours are those of the notebook's theme, and what
cannot be shown is left out: a card never fails.
"""

from __future__ import annotations

import base64
import functools
import io
from html import escape

import numpy as np

from euclid_resolved.images._grid import describe_centre
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._noise import image_noise
from euclid_resolved.images._pixels import pixel_sides
from euclid_resolved.maps._galaxy import Galaxy
from euclid_resolved.maps._properties import get_property
from euclid_resolved.maps._shares import flag_counts
from euclid_resolved.maps._spatial_map import Quality, SpatialMap
from euclid_resolved.models._model import Model
from euclid_resolved.plotting._style import COLOUR_MAPS
from euclid_resolved.training._sample import Pixels

PICTURE = 96  # pixels of a side, at most
_SHOWN = 128  # pixels of the screen
_TONES = 32  # few enough for a small PNG of pure noise
_LONGEST = 1000  # characters of one text; names in files may be of any length
_FEW = 20_000  # pixels of a sample that are looked at
_MANY = 200_000  # values of a map that percentiles are taken of, at most


def card(thing: object) -> str:
    """The card of an image, a map, a galaxy, pixels or a model; where it fails, the plain representation.

    Parameters
    ----------
    thing : `~euclid_resolved.MultiBandImage`, `~euclid_resolved.SpatialMap`, `~euclid_resolved.Galaxy`, \
`~euclid_resolved.training.Pixels` or `~euclid_resolved.Model`

    Returns
    -------
    html : str

    Examples
    --------
    >>> from euclid_resolved.plotting._cards import card
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxy = example_galaxies(1)[0]
    >>> "MJy / sr" in card(galaxy.image), "stellar age" in card(galaxy.maps["stellar_age"])
    (True, True)
    """
    try:
        return _make(thing)
    except Exception:  # a notebook must show something, whatever is wrong with the object
        try:
            return f"<pre>{_text(repr(thing))}</pre>"
        except Exception:
            return f"<pre>&lt;{_text(type(thing).__name__)}&gt;</pre>"


@functools.singledispatch
def _make(thing):
    raise TypeError(f"no card for {type(thing).__name__}")


def _text(value):
    value = str(value)
    return escape(value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…")


def _frame(title, name, *parts):
    style = (
        "display:inline-block;max-width:62em;padding:.5em .8em;border-radius:4px;"
        "border:1px solid rgba(128,128,128,.45)"
    )
    head = f"<div style='margin-bottom:.3em'><b>{_text(title)}</b> {_text(name)}</div>"
    return f"<div style='{style}'>{head}{''.join(parts)}</div>"


_CELL = "text-align:left;padding:.1em .8em .1em 0;background:none;border:none;vertical-align:top"


def _rows(rows):
    """A table of what and value; empty values are left out."""
    cells = "".join(
        f"<tr style='background:none'><th style='{_CELL};white-space:nowrap'>{_text(what)}</th>"
        f"<td style='{_CELL}'>{_text(value)}</td></tr>"
        for what, value in rows
        if value not in ("", None)
    )
    return f"<table style='border:none;margin:.2em 0'>{cells}</table>" if cells else ""


def _grid(head, rows):
    """A table with a head, for things that come in several columns."""
    top = "".join(f"<th style='{_CELL}'>{_text(name)}</th>" for name in head)
    body = "".join(
        "<tr style='background:none'>"
        + "".join(f"<td style='{_CELL}'>{_text(value)}</td>" for value in row)
        + "</tr>"
        for row in rows
    )
    return f"<table style='border:none;margin:.2em 0'><tr style='background:none'>{top}</tr>{body}</table>"


def _smaller(values, good):
    """Means of blocks of pixels, NaN where a block has no good one."""
    step = -(-max(values.shape) // PICTURE)
    if step == 1:
        return np.where(good, values, np.nan)
    ny, nx = (max(n // step, 1) for n in values.shape)
    blocks = np.where(good, values, 0)[: ny * step, : nx * step]
    counts = good[: ny * step, : nx * step]
    shape = ny, min(step, values.shape[0]), nx, min(step, values.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return blocks.reshape(shape).sum((1, 3), np.float64) / counts.reshape(shape).sum((1, 3))


def _picture(values, good, cmap, label, outer):
    """A picture with logarithmic tones as an <img>; empty where it cannot be drawn."""
    try:
        import matplotlib
        from PIL import Image

        with np.errstate(invalid="ignore", divide="ignore"):
            tones = np.log10(_smaller(values, good))
        known = np.isfinite(tones)
        low, high = np.percentile(tones[known], outer)
        share = np.clip((np.where(known, tones, low) - low) / ((high - low) or 1), 0, 1)
        number = np.where(known, np.rint(share * (_TONES - 1)), _TONES).astype(np.uint8)
        picture = Image.fromarray(number[::-1])  # the first row is at the bottom, as in figures
        colours = matplotlib.colormaps[cmap](np.linspace(0, 1, _TONES), bytes=True)[:, :3]
        picture.putpalette([*colours.ravel().tolist(), 128, 128, 128])
        # Half grey where there is no value: it can be told from the page, be that dark or light.
        file = io.BytesIO()
        picture.save(file, "PNG", optimize=True, transparency=bytes([255] * _TONES + [90]))
    except Exception:  # a card without its picture still says what it can
        return ""
    data = base64.b64encode(file.getvalue()).decode()
    return (
        "<span style='display:inline-block;margin:0 .6em .3em 0;text-align:center;font-size:85%'>"
        f"<img src='data:image/png;base64,{data}' alt='{_text(label)}' "
        f"style='display:block;width:{_SHOWN}px;image-rendering:pixelated'>{_text(label)}</span>"
    )


def _where(image):
    """Shape, the size of a pixel and the position of the centre, as rows."""

    try:
        x, y = pixel_sides(image)
        known = "" if str(x.unit) == "pix" else f"{x:.3g}" if x == y else f"{x.value:.3g} x {y:.3g}"
    except Exception:  # each WCS implementation raises its own
        known = ""
    shape = " x ".join(str(n) for n in image.shape)
    rows = [("shape", f"{shape} pixels"), ("pixel", known)]
    try:
        rows.append(("position", describe_centre(image.wcs, image.shape)))
    except Exception:  # each WCS implementation raises its own
        rows.append(("position", "the WCS gives none"))
    return rows


def _percent(count, total):
    return f"{count} ({100 * count / total:.1f} %)" if total else "0"


def _spread(values):
    """Median and 16-84 % of some of the values, in words."""
    values = values[:: max(len(values) // _MANY, 1)]
    if not len(values):
        return ""
    low, middle, high = np.percentile(values, (16, 50, 84))
    return f"median {middle:.3g}, 16-84 % {low:.3g} to {high:.3g}"


@_make.register
def _image(image: MultiBandImage):
    """Its bands as pictures, their units, masks and noise."""

    pictures, rows = [], []
    for band in image:
        values, mask = image.brightness(band), image.mask(band)
        good = np.isfinite(values) & ~mask
        pictures.append(_picture(values, good, "bone", band, (20, 99.8)))
        noise = image_noise(image, band)
        sigma = "not known" if noise is None else f"{np.nanmedian(noise[::7, ::7]):.3g}"
        dark = int(np.count_nonzero(good & (values <= 0)))
        rows.append(
            (band, image[band].unit, _percent(int(mask.sum()), mask.size), _percent(dark, mask.size), sigma)
        )
    steps = [step.get("step", "") for step in image.meta.get("history", ()) if isinstance(step, dict)]
    head = ("band", "unit", "masked", "not positive", "one sigma [MJy/sr]")
    more = [*_where(image), ("prepared", ", ".join(str(step) for step in steps))]
    return _frame("MultiBandImage", image.name, *pictures, _rows(more), _grid(head, rows))


@_make.register
def _map(map_: SpatialMap):
    """Its picture, values, quality in words, and where it comes from."""
    name = map_.property.name if map_.property else ""
    good = np.isfinite(map_.data)
    if map_.mask is not None:
        good &= ~np.broadcast_to(np.asarray(map_.mask, bool), good.shape)
    unit = str(map_.unit or "") or "dimensionless"
    interval = map_.meta.get("interval") if map_.interval else None
    meta = {
        key: map_.meta.get(key, "") for key in ("name", "uncertainty", "training_set", "estimator", "trust")
    }
    rows = [
        *_where(map_),
        ("unit", unit),
        ("with a value", f"{_percent(int(good.sum()), good.size)} of the pixels"),
        ("values", _spread(np.asarray(map_.data)[good])),
        ("one sigma", meta["uncertainty"] if map_.uncertainty is not None else "not known"),
        (
            "interval",
            "" if interval is None else f"holds the truth of {100 * float(interval):.0f} % of pixels",
        ),
        ("estimator", meta["estimator"]),
        ("trained on", meta["training_set"]),
        ("trust", meta["trust"]),
    ]
    flags = [
        (name, _percent(count, map_.data.size), Quality[name].meaning)
        for name, count in flag_counts(map_.quality).items()
    ]
    picture = _picture(map_.data, good, COLOUR_MAPS.get(name, "viridis"), map_.label, (1, 99))
    quality = _grid(("first flag", "pixels", "meaning"), flags) if flags else ""
    return _frame("SpatialMap", f"{map_.label} {meta['name']}", picture, _rows(rows), quality)


@_make.register
def _model(model: Model):
    """What it estimates and how well, what it was trained on, what to trust."""
    training = model.training
    kinds = {
        "test": "test galaxies",
        "cross_validation": "galaxies left out in turn",
        "validation": "validation pixels of training galaxies",
    }
    key = next((key for key in kinds if training.get(key)), "")
    rows = []
    for name, output in model.outputs.items():
        scores = training.get(key, {}).get(name, {}) if key else {}
        numbers = [
            f"{float(scores[m]):.3f}" if scores.get(m) is not None else "-" for m in ("r2", "rmse", "bias")
        ]
        levels = (
            "none" if output.interval is None else ", ".join(f"{level:g}" for level in output.interval.levels)
        )
        rows.append((name, repr(output.estimator), *numbers, levels))
    head = ("property", "estimator", "R2", "RMSE [dex]", "bias [dex]", "intervals")
    clip = "none" if model.clip is None else f"{model.clip_band} above {model.clip:g} MJy/sr"
    galaxies, pixels = training.get("galaxies", ()), training.get("n_pixels", "")
    rest = [
        ("accuracy on", kinds.get(key, "not measured")),
        ("bands", ", ".join(model.bands)),
        ("may be missing", "none" if model.missing is None else str(model.missing)),
        ("columns", ", ".join(model.columns)),
        ("pixels with a value", clip),
        ("trained on", training.get("source") or "unnamed"),
        ("", f"{len(galaxies)} galaxies, {pixels} pixels, seed {training.get('seed', 'unknown')}"),
        ("trust", training.get("trust", "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in model.versions.items())),
        ("digest", model.digest[:12]),
    ]
    return _frame("Model", "", _grid(head, rows), _rows(rest))


@_make.register
def _galaxy(galaxy: Galaxy):
    """Its picture and maps only where they need not be read from files."""
    kinds: dict[bool | None, str] = {True: "star-forming", False: "quiescent"}
    rows, pictures = [("kind", kinds.get(galaxy.star_forming, "not known"))], []
    if galaxy.group != galaxy.name:
        rows.append(("group", galaxy.group))
    if galaxy.in_memory:
        image = galaxy.image
        band = image.bands[-1]
        values = image.brightness(band)
        pictures.append(_picture(values, np.isfinite(values) & ~image.mask(band), "bone", band, (20, 99.8)))
        rows += [("bands", ", ".join(image.bands)), *_where(image), ("true maps", ", ".join(galaxy.maps))]
    else:
        rows.append(("image", "read from its files whenever it is looked at"))
    numbers = {key: value for key, value in galaxy.meta.items() if isinstance(value, int | float | str)}
    return _frame("Galaxy", galaxy.name, *pictures, _rows([*rows, *numbers.items()]))


@_make.register
def _pixels(pixels: Pixels):
    """How many, of how many galaxies, and what their truth is like."""

    clip = "none" if pixels.clip is None else f"{pixels.clip_band} above {pixels.clip:g} MJy/sr"
    # A few rows, because the columns of a large set lie in files.
    some = np.unique(np.linspace(0, max(len(pixels) - 1, 0), _FEW).astype(int))[: len(pixels)]
    truth, light = pixels.truth.take(some), pixels.brightness.take(some)
    columns = [(name, str(get_property(name).unit) or "-", _spread(v)) for name, v in truth.items()]
    columns += [(band, "MJy / sr", _spread(values)) for band, values in light.items()]
    rows = [
        ("pixels", f"{len(pixels)}, {100 * pixels.kept:.2f} % of {pixels.seen}"),
        ("galaxies", len(pixels.names)),
        ("clip", clip),
        ("noise", "known" if pixels.noise else "not known"),
    ]
    return _frame("Pixels", pixels.source, _rows(rows), _grid(("", "unit", "values"), columns))

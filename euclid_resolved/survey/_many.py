"""Map many images with one model: one after the other, or spread over the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved.errors import ImageFileError, InputError, printable
from euclid_resolved.estimators._workers import WorkerDied, check_workers, on_workers
from euclid_resolved.io._files import check_target, write_table
from euclid_resolved.io._leftovers import check_length
from euclid_resolved.io._lock import check_apart, hold
from euclid_resolved.io._opening import input_files
from euclid_resolved.io.asdf._files import read_model
from euclid_resolved.models._clip import MIN_SN
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.models._model import Model
from euclid_resolved.models._options import check_options
from euclid_resolved.survey._piece import map_piece, maps_path, row_of

__all__ = ["fields_of", "predict_many"]


REPORT = "report.ecsv"


def predict_many(
    model: str | Path,
    images: Sequence[Any] | Mapping[str, Any],
    folder: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
    draws: int = 0,
    seed: int = 1,
    level: float = LEVELS[0],
    min_sn: float | None = MIN_SN,
    **opening: Any,
) -> Table:
    """Map many images, each into a file of its own, ``NAME_maps.fits``.

    A file that this model made of the same image with the same options is kept, so that a call that was
    interrupted, or that has some more images, does only what is missing. An image that cannot be mapped is
    reported and does not stop the others. Maps do not depend on the number of workers, to the last bit.

    Parameters
    ----------
    model : path-like
        A model file that every worker can read.
    images : sequence or mapping
        Paths, or pairs of a name and a path, or paths by name; everything that
        `euclid_resolved.io.open_image` opens. For fields of mosaics see `fields_of`.
    folder : path-like
        Made where it does not exist; every worker can write to it.
    workers : int, optional
        Processes on this machine, of one thread each; needs Dask. Without it, and without `scheduler`, images
        are mapped one after the other in this process.
    scheduler : str, optional
        The address of a Dask scheduler, ``"tcp://..."``, whose workers see the same files.
    overwrite : bool, optional
        Replace files of other models, images or options.
    progress : bool, optional
        Show a progress bar on a terminal, and elsewhere a line for each image.
    draws, seed, level, min_sn
        As for `euclid_resolved.Model.predict_maps`.
    **opening
        Options of `euclid_resolved.io.open_image`, for all images. Those of the sky are prepared by
        themselves, one by one, unless ``raw=True`` is among them.

    Returns
    -------
    report : `~astropy.table.Table`
        A row an image, also written to ``report.ecsv``: ``name``; ``status``, which is ``mapped``, ``kept``
        or ``failed``; ``judged``, the pixels with a value; ``flagged``, the fraction of those that is
        OUT_OF_DOMAIN; ``seconds``; and ``message``, what went wrong or should be known.

    Raises
    ------
    InputError
        If there is no image, two have one name, `folder` is a file or another job writes to it, maps or the
        report would replace an input, Dask is needed and not installed, no scheduler answers within ten
        seconds or it has no worker, or a worker lacks a plugin.
    ModelFileError
        If the model cannot be read, or a worker finds another one in its place.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, predict_many, train, write
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(6)
    >>> write("model.asdf", train(galaxies, "stellar_age", LinearRegression()))
    >>> for galaxy in galaxies[:2]:
    ...     write(f"{galaxy.name}.asdf", galaxy.image)
    >>> names = [f"{galaxy.name}.asdf" for galaxy in galaxies[:2]]
    >>> report = predict_many("model.asdf", names, "maps", progress=False)
    >>> print(report["name", "status"])
       name   status
    --------- ------
    example 1 mapped
    example 2 mapped
    """
    check_options(draws, seed, level, min_sn)
    folder = Path(folder).resolve()
    check_folder(folder)
    check_workers(workers, scheduler)
    if isinstance(model, Model):
        raise InputError("the path of a model file is needed: workers open it themselves")
    path = Path(model).resolve()
    common: dict[str, Any] = {
        "model": [str(path), read_model(path).digest],
        "folder": str(folder),
        "predicting": {"draws": draws, "seed": seed, "level": level, "min_sn": min_sn},
        "overwrite": bool(overwrite),
        "call": secrets.token_hex(8),
    }
    pieces = [
        {**common, "name": name, "source": source, "opening": {**opening, **own}}
        for name, source, own in name_images(images)
    ]
    _check_outputs(pieces, path, folder)
    folder.mkdir(parents=True, exist_ok=True)
    check_target(folder / REPORT, overwrite=True)
    bar, tell = _told(len(pieces), progress)
    with hold(folder / REPORT), bar:
        rows: dict[str, dict[str, Any]] = {}
        with on_workers(workers, scheduler, len(pieces)) as some:
            done = map(map_piece, pieces) if some is None else _spread(some, pieces)
            for row in done:
                rows[row["name"]] = row
                tell(row)
        report = Table([rows[piece["name"]] for piece in pieces])
        write_table(folder / REPORT, report)
    return report


def _spread(workers, pieces):
    """Rows of the report as workers come to them."""
    for number, row in workers.spread(map_piece, pieces):
        if isinstance(row, InputError):  # what is wrong with one worker's model is wrong with the run
            raise row
        if isinstance(row, Exception):
            kind = "" if isinstance(row, WorkerDied) else f"{type(row).__name__}: "
            row = row_of(pieces[number]["name"], "failed", message=f"{kind}{row}")
        yield row


def _check_outputs(pieces, model, folder):
    """Refuse to replace an input, of whichever image, by maps or by the report."""
    outputs = [path for path in (*map(maps_path, pieces), folder / REPORT) if path.exists()]
    if not outputs:
        return
    inputs = {model}
    for source in {json.dumps(piece["source"]): piece["source"] for piece in pieces}.values():
        # What cannot be found is reported when its turn comes.
        with contextlib.suppress(ImageFileError):
            inputs.update(input_files(source))
    check_apart(outputs, inputs)


def check_folder(folder: str | Path) -> None:
    """Refuse what cannot be, or is not meant as, a folder for the maps of several images."""
    if Path(folder).is_dir():
        return
    if Path(folder).exists() or Path(folder).suffix in (".fits", ".asdf", ".gz"):
        raise InputError(f"{folder} is no folder; several images need one to hold their maps")


def fields_of(tiles: str | Path, table: Table) -> dict[str, tuple[str | Path, dict[str, Any]]]:
    """Fields of mosaics as images for `predict_many`.

    Parameters
    ----------
    tiles : path-like
        A folder of mosaics, as for `euclid_resolved.io.read_mosaics`.
    table : `~astropy.table.Table`
        Columns ``ra`` and ``dec`` (ICRS, degrees), ``radius`` (arcsec, half the side), or in other units
        if they have one, and ``name``, or names are made of the positions.

    Returns
    -------
    images : dict
        For `predict_many`.

    Raises
    ------
    InputError
        If a column or a value is missing, a value is not finite, or two fields have one name.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from euclid_resolved.survey import fields_of
    >>> table = Table({"name": ["NGC 1"], "ra": [150.0], "dec": [2.0], "radius": [30.0]})
    >>> fields_of("tiles/", table)
    {'NGC 1': ('tiles/', {'position': [150.0, 2.0], 'size': 60.0})}
    """
    missing = [name for name in ("ra", "dec", "radius") if name not in table.colnames]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}, only {', '.join(table.colnames)}")
    ra, dec = _column(table, "ra", "deg"), _column(table, "dec", "deg")
    radius = _column(table, "radius", "arcsec")
    if "name" in table.colnames:
        names = [str(name) for name in table["name"]]
    else:
        names = [f"J{a:.5f}{d:+.5f}" for a, d in zip(ra, dec, strict=True)]
    _check_names(names)
    return {
        name: (tiles, {"position": [float(a), float(d)], "size": float(2 * r)})
        for name, a, d, r in zip(names, ra, dec, radius, strict=True)
    }


def _column(table, name, unit):
    column = table[name]
    if np.any(getattr(column, "mask", False)):
        raise InputError(f"column {name} has rows without a value")
    try:
        values = np.asarray(column if column.unit is None else u.Quantity(column).to_value(unit), float)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {name} must hold numbers in {unit}: {error}") from None
    if not np.isfinite(values).all() or (name == "radius" and not (values > 0).all()):
        raise InputError(f"column {name} holds values that are not finite, or not positive")
    return values


def name_images(
    images: Sequence[Any] | Mapping[str, Any],
) -> list[tuple[str, str | list[str], dict[str, Any]]]:
    """Names of images, by which their maps are called.

    Parameters
    ----------
    images : sequence or mapping
        As for `predict_many`.

    Returns
    -------
    named : list of (str, str or list of str, dict)
        Name, source, and options of `euclid_resolved.io.open_image` of its own.

    Raises
    ------
    InputError
        If there is no image, two have one name, or a name cannot be that of a file.

    Examples
    --------
    >>> from euclid_resolved.survey._many import name_images
    >>> [name for name, source, options in name_images(["one.fits", "two.fits"])]
    ['one', 'two']
    """
    if isinstance(images, str | Path | Table):
        raise InputError("a list of images is needed; for a table of positions see fields_of")
    if isinstance(images, Mapping):
        pairs = list(images.items())
    else:
        pairs = [_pair(image) for image in images]
    if not pairs:
        raise InputError("no image is given")
    _check_names([name for name, _ in pairs])
    found = []
    for name, source in pairs:
        source, own = source if isinstance(source, tuple) else (source, {})
        found.append((name, _absolute(source), own))
    return found


def _pair(image):
    if isinstance(image, tuple) and len(image) == 2:
        return str(image[0]), image[1]
    if isinstance(image, str | Path):
        return Path(image).name.removesuffix(".gz").removesuffix(".fits").removesuffix(".asdf"), image
    raise InputError(f"an image is a path or a pair of a name and a path, not {image!r}")


def _check_names(names):
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise InputError(f"two images have the same name, {twice[0]}: name them, as in (name, path)")
    wrong = [name for name in names if not name or "/" in name or "\\" in name or name.startswith(".")]
    if wrong:
        raise InputError(f"{wrong[0]!r} cannot be the name of an image: it names its file")
    for name in names:
        check_length(f"{name}_maps.fits")


def _absolute(source):
    """A path that holds in other processes."""
    if isinstance(source, str | Path):
        return str(Path(source).absolute())
    words = [str(word).partition("=") for word in source]
    return [f"{band}={Path(path).absolute()}" for band, _, path in words]


def _told(n, progress):
    """What is told of each image: a step of a bar on a terminal, else a line."""
    from tqdm import tqdm

    bar = tqdm(total=n, desc="mapping", unit="image", disable=None if progress else True)

    def tell(row):
        bar.update()
        if progress and bar.disable:
            said = f"{row['judged']} pixels, {row['seconds']:.1f} s" if row["status"] != "failed" else ""
            line = f"{row['name']}: {row['status']} {said or row['message']}".rstrip()
            print(printable(line), file=sys.stderr)

    return bar, tell

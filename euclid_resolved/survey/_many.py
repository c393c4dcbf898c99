"""Map many images with one model: one after the other, or spread over the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved.errors import ImageFileError, InputError, printable
from euclid_resolved.estimators._workers import SchedulerGone, WorkerDied, check_workers, on_workers
from euclid_resolved.io._files import check_target, write_table
from euclid_resolved.io._fits_tiles import check_compression
from euclid_resolved.io._leftovers import check_length
from euclid_resolved.io._lock import check_apart, hold
from euclid_resolved.io._opening import input_files
from euclid_resolved.io.asdf._files import read_model
from euclid_resolved.models._clip import MIN_SN
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.models._model import Model
from euclid_resolved.models._options import check_options
from euclid_resolved.survey._catalogue import catalogue_paths, catalogue_tables, check_catalogue
from euclid_resolved.survey._piece import map_piece, maps_path, row_of

__all__ = ["fields_of", "predict_many"]


REPORT = "report.ecsv"
BACK = 600.0
"""Seconds that a scheduler which is gone, and its workers, may take to come back."""

log = logging.getLogger("euclid_resolved")

# Options of single fields, by column of a table of fields, with the unit of plain numbers.
_OWN = {"redshift": "", "distance": "Mpc", "ebv": "mag"}


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
    compress: Literal["lossless"] | float | None = None,
    catalogue: str | Path | None = None,
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
        The address of a Dask scheduler, ``"tcp://..."``, whose workers see the same files. If it goes away
        and comes back within ten minutes, with workers, what is left is given to it.
    overwrite : bool, optional
        Replace files of other models, images or options.
    progress : bool, optional
        Show a progress bar on a terminal, and elsewhere a line for each image.
    draws, seed, level, min_sn
        As for `euclid_resolved.Model.predict_maps`.
    compress : {None, "lossless"} or float, optional
        As for `euclid_resolved.write`.
    catalogue : path-like, optional
        Also write a table with a row for each image that did not fail: its place, the total of stellar mass,
        the means by mass of all else, with errors, and what is flagged. It ends in ``.ecsv`` or
        ``.parquet``, which needs pyarrow. The radial profiles stand in a second table beside it,
        ``NAME_profiles.ecsv``. All is measured in the files of maps, so that it does not depend on when, or
        by which worker, they were made.
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
    check_compression(compress)
    if catalogue is not None:
        check_catalogue(catalogue)
    folder = Path(folder).resolve()
    check_folder(folder)
    check_workers(workers, scheduler)
    if isinstance(model, Model):
        raise InputError("the path of a model file is needed: workers open it themselves")
    path = Path(model).resolve()
    opened = read_model(path)
    common: dict[str, Any] = {
        "model": [str(path), opened.digest],
        "catalogue": catalogue is not None,
        "folder": str(folder),
        "predicting": {"draws": draws, "seed": seed, "level": level, "min_sn": min_sn},
        "overwrite": bool(overwrite),
        "compress": compress if compress is None or compress == "lossless" else float(compress),
        "call": secrets.token_hex(8),
    }
    pieces = [
        {**common, "name": name, "source": source, "opening": {**opening, **own}}
        for name, source, own in name_images(images)
    ]
    tables = [] if catalogue is None else catalogue_paths(catalogue)
    _check_outputs(pieces, path, folder, tables)
    folder.mkdir(parents=True, exist_ok=True)
    check_target(folder / REPORT, overwrite=True)
    for table in tables:
        check_target(table, overwrite)
    bar, tell = _told(len(pieces), progress)
    with hold(folder / REPORT), bar:
        rows: dict[str, dict[str, Any]] = {}
        for row in _rows(pieces, workers, scheduler):
            rows[row["name"]] = row
            tell(row)
        measured = [(name, found.pop("measured")) for name, found in rows.items() if "measured" in found]
        report = Table([rows[piece["name"]] for piece in pieces])
        write_table(folder / REPORT, report)
        if tables:
            order = {piece["name"]: i for i, piece in enumerate(pieces)}
            measured.sort(key=lambda pair: order[pair[0]])
            found = catalogue_tables(opened.properties, measured, opened.digest)
            for table, content in zip(tables, found, strict=True):
                write_table(table, content, overwrite)
    return report


def _rows(pieces, workers, scheduler):
    """Rows of the report as they come; where a scheduler is gone, what is left waits till it is back."""
    left = {piece["name"]: piece for piece in pieces}
    patience = None
    while left:
        todo = list(left.values())
        try:
            with on_workers(workers, scheduler, len(todo), patience) as some:
                for row in map(map_piece, todo) if some is None else _spread(some, todo):
                    del left[row["name"]]
                    yield row
        except SchedulerGone as error:
            if scheduler is None:
                raise
            done = len(pieces) - len(left)
            log.warning("%s; %d of %d images are done, the others wait for it", error, done, len(pieces))
            patience = BACK
            # A worker that lost its scheduler finishes what it was at, which is not to be done twice.
            left = {name: {**piece, "patience": BACK} for name, piece in left.items()}
        except InputError as error:
            if patience is None:
                raise
            raise InputError(f"{error}; what is done is kept: the same call goes on from there") from error


def _spread(workers, pieces):
    """Rows of the report as workers come to them."""
    for number, row in workers.spread(map_piece, pieces):
        if isinstance(row, InputError):  # what is wrong with one worker's model is wrong with the run
            raise row
        if isinstance(row, Exception):
            kind = "" if isinstance(row, WorkerDied) else f"{type(row).__name__}: "
            row = row_of(pieces[number]["name"], "failed", message=f"{kind}{row}")
        yield row


def _check_outputs(pieces, model, folder, tables):
    """Refuse to replace an input, of whichever image, by maps or by a table."""
    outputs = [path for path in (*map(maps_path, pieces), folder / REPORT, *tables) if path.exists()]
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
        if they have one, and ``name``, or names are made of the positions. Columns ``redshift``,
        ``distance`` (Mpc) and ``ebv`` are options of each field's own, see
        `euclid_resolved.imaging.prepare`; a row without a value has none.

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
    fields: dict[str, tuple[str | Path, dict[str, Any]]] = {
        name: (tiles, {"position": [float(a), float(d)], "size": float(2 * r)})
        for name, a, d, r in zip(names, ra, dec, radius, strict=True)
    }
    for option, unit in _OWN.items():
        if option in table.colnames:
            has = ~np.broadcast_to(getattr(table[option], "mask", False), len(table))
            given = [name for name, one in zip(names, has, strict=True) if one]
            for name, value in zip(given, _column(table[has].filled(), option, unit), strict=True):
                fields[name][1][option] = float(value)
    return fields


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

"""One of many images: read, mapped and written, in whichever process this runs."""

from __future__ import annotations

import json
import sys
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from euclid_resolved._checks import check_whole
from euclid_resolved.citation import __version__
from euclid_resolved.errors import DataWarning, InputError, ModelFileError
from euclid_resolved.io._fingerprint import digest_of, fingerprint_files
from euclid_resolved.io._fits import read_fits, write_fits
from euclid_resolved.io._fits_read import first_plane, opened
from euclid_resolved.io._lacking import bands_for
from euclid_resolved.io._lock import hold
from euclid_resolved.io._opening import image_files, open_image
from euclid_resolved.io.asdf._files import read_model
from euclid_resolved.models._provenance import plugins_here
from euclid_resolved.survey._catalogue import measure_maps
from euclid_resolved.survey._tile import count_pixels


def map_piece(piece: dict[str, Any]) -> dict[str, Any]:
    """Map one image, in whichever process this runs.

    Parameters
    ----------
    piece : dict
        Plain text and numbers.

    Returns
    -------
    row : dict
        Of the report; with a catalogue there is ``measured``, too, unless the image failed.

    Raises
    ------
    ModelFileError
        If the model is not the one that is meant.
    """
    began = time.perf_counter()
    try:
        model = _model(*piece["model"])
    except ModelFileError as error:
        worker = _worker()
        if worker is None:
            raise
        # A plugin, or the file itself, may be missing on that machine only.
        what = str(error).removeprefix(f"{piece['model'][0]}: ")
        raise ModelFileError(piece["model"][0], f"on the worker {worker}: {what}") from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DataWarning)
        try:
            row = _mapped(model, piece)
        except Exception as error:  # whatever is wrong with this image, the others are to be mapped
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            row = row_of(piece["name"], "failed", message=f"{kind}{' '.join(str(error).split())}")
    said = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    row["message"] = "; ".join(filter(None, [row["message"], *said]))
    return {**row, "seconds": round(time.perf_counter() - began, 3)}


def _worker():
    """The address of the Dask worker that this is; None where it is none."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker().address
    except ValueError:
        return None


def _mapped(model, piece):
    path = maps_path(piece)
    with hold(path, piece.get("patience", 0.0)):
        return _written(model, piece, path)


def maps_path(piece: dict[str, Any]) -> Path:
    """The file of maps of a piece."""
    return Path(piece["folder"]) / f"{piece['name']}_maps.fits"


def _written(model, piece, path):
    name, record = piece["name"], _record(model, piece)
    known = _known(path, record)
    if known is not None:
        return _measured(piece, path, row_of(name, "kept", *known))
    image = open_image(piece["source"], bands_for(model, piece["source"]), **piece["opening"])
    maps = model.predict_maps(image, **piece["predicting"])
    count = count_pixels(maps)
    cards = {
        "NJUDGED": (count.judged, "pixels with a value"),
        "NEXTRAP": (count.extrapolated, "of these are extrapolations"),
        "RECORD": record,
    }
    write_fits(path, maps, overwrite=piece["overwrite"], cards=cards, compress=piece["compress"])
    return _measured(piece, path, row_of(name, "mapped", count.judged, count.extrapolated))


def _measured(piece, path, row):
    """A row and, for a catalogue, what is measured in the file: the same whenever and wherever it is done."""
    return {**row, "measured": measure_maps(read_fits(path))} if piece["catalogue"] else row


def row_of(
    name: str, status: str, judged: int = 0, extrapolated: int = 0, message: str = ""
) -> dict[str, Any]:
    """A row of the report."""
    flagged = extrapolated / judged if judged else 0.0
    return {
        "name": name, "status": status, "judged": judged, "flagged": round(flagged, 4), "seconds": 0.0,
        "message": message,
    }  # fmt: skip


def _record(model, piece):
    """A SHA-256 over everything that the maps depend on."""
    what = {
        "version": __version__,
        "model": model.digest,
        "plugins": plugins_here(model),
        "image": _fingerprint(json.dumps(piece["source"]), piece["call"]),
        "opening": piece["opening"],
        "predicting": piece["predicting"],
    }
    if piece["compress"] is not None:
        what["compress"] = piece["compress"]
    return digest_of(what, sort=True, default=dict)


@lru_cache(maxsize=4)
def _fingerprint(source, call):
    """Of an image's files, once a call: many fields may be cut from the same mosaics."""
    return fingerprint_files(image_files(json.loads(source)))


def _known(path, record):
    """Judged and extrapolated pixels of a file of maps that has this record; None where there is no such."""
    if not path.is_file():
        return None
    try:
        with opened(path) as hdus:
            header = first_plane(hdus).header.copy()
        counts = header["NJUDGED"], header["NEXTRAP"]
        for count in counts:
            check_whole("a count", count, 0)
    except Exception:  # astropy raises many kinds on damaged files
        return None
    return counts if header.get("RECORD") == record else None


@lru_cache(maxsize=1)
def _model(path, digest):
    """The model of a file, refused if it is another one."""
    model = read_model(path)
    if model.digest != digest:
        what = f"this is another model (digest {model.digest[:12]}) than the one meant ({digest[:12]})"
        raise ModelFileError(path, what, "every worker must see the same file")
    return model

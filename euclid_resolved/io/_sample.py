"""Keep the pixels of an atlas in a folder: written galaxy by galaxy, read without a copy in memory."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved._checks import check_names
from euclid_resolved.citation import __version__
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.features._sets import feature_columns
from euclid_resolved.images._bands import EUCLID_BANDS, SURFACE_BRIGHTNESS
from euclid_resolved.io._lock import hold, lock_path
from euclid_resolved.io._sample_manifest import (
    FORMAT,
    MANIFEST,
    checked_name,
    read_manifest,
    write_manifest,
)
from euclid_resolved.maps._galaxy import check_galaxies
from euclid_resolved.maps._properties import PROPERTIES, get_property
from euclid_resolved.models._clip import DEFAULT_CLIP, check_clip, clip_band, galaxy_pixels
from euclid_resolved.training._extract import made_of_images, try_on
from euclid_resolved.training._sample import Pixels, check_pixels

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy

__all__ = ["read_sample", "write_sample"]


_TYPE = np.dtype("<f4")
_OURS = re.compile(r"((brightness|truth|noise|around)_.+\.f4|\.euclid-resolved-.+)")


def is_sample(path: str | Path) -> bool:
    """Whether a folder is a sample, complete or not.

    Parameters
    ----------
    path : str or `~pathlib.Path`

    Returns
    -------
    answer : bool

    Examples
    --------
    >>> from euclid_resolved.io import write_sample
    >>> from euclid_resolved.io._sample import is_sample
    >>> from euclid_resolved.testing import example_galaxies
    >>> _ = write_sample("sample", example_galaxies(2))
    >>> is_sample("sample"), is_sample("elsewhere")
    (True, False)
    """
    return (Path(path) / MANIFEST).is_file()


def write_sample(
    folder: str | Path,
    galaxies: Sequence[Galaxy],
    properties: Sequence[str] = tuple(PROPERTIES),
    bands: Sequence[str] = EUCLID_BANDS,
    *,
    clip: float | None = DEFAULT_CLIP,
    band: str | None = None,
    features: str | Sequence[str] = (),
    source: str = "",
    atlas: str = "",
    overwrite: bool = False,
    progress: bool = False,
) -> Pixels:
    """Gather the pixels of galaxies, as `~euclid_resolved.training.extract` does, into a folder.

    Memory holds one galaxy. What an interrupt leaves is no sample that could be read: the same call goes on
    with the next galaxy, after the checksums of those that are there were compared.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        Made where it does not exist.
    galaxies : sequence of `~euclid_resolved.Galaxy`
    properties, bands, clip, band, features, source
        As for `~euclid_resolved.training.extract`.
    atlas : str, optional
        The ``fingerprint`` of the atlas, so that a model trained on the sample
        knows its atlas again.
    overwrite : bool, optional
        Replace a sample of something else.
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    pixels : `~euclid_resolved.training.Pixels`
        As `read_sample` gives them.

    Raises
    ------
    InputError
        If the folder holds something else or another job writes it, or for what
        `~euclid_resolved.training.extract` refuses.

    Examples
    --------
    >>> from euclid_resolved.io import read_sample, write_sample
    >>> from euclid_resolved.testing import example_galaxies
    >>> _ = write_sample("sample", example_galaxies(3))
    >>> pixels = read_sample("sample")
    >>> pixels.names, len(pixels)
    (('example 1', 'example 2', 'example 3'), 768)
    """
    from tqdm import tqdm

    folder, galaxies = Path(folder), check_galaxies(galaxies)
    bands, properties = check_names(bands, "bands"), check_names(properties, "properties")
    check_clip(clip)
    if not galaxies:
        raise InputError("no galaxies were given")
    of_images = made_of_images(features)
    around = feature_columns(bands, of_images) if of_images else ()
    if of_images:
        try_on(galaxies[0], bands, of_images)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "source": str(source),
        "atlas": str(atlas),
        "clip": None if clip is None else float(clip),
        "clip_band": band or clip_band(bands),
        "bands": {checked_name(name): str(SURFACE_BRIGHTNESS) for name in bands},
        "properties": {p.name: str(p.unit) for p in map(get_property, properties)},
        "features": list(made_of_images(features)),
        "around": list(around),
        "names": [one.name for one in galaxies],
        "star_forming": [None if g.star_forming is None else bool(g.star_forming) for g in galaxies],
        "groups": [one.group for one in galaxies],
    }
    if len(set(manifest["names"])) < len(galaxies):
        raise InputError("two galaxies of a sample share a name")
    _make_folder(folder)
    with hold(folder / MANIFEST):
        done = _begin(folder, manifest, overwrite)
        bar = tqdm(total=len(galaxies), initial=len(done), desc="reading galaxies", unit="galaxy",
                   disable=None if progress else True)  # fmt: skip
        with bar:
            for one in galaxies[len(done) :]:
                part = galaxy_pixels(
                    one, manifest["properties"], manifest["bands"], manifest["clip"], manifest["clip_band"],
                    of_images,
                )  # fmt: skip
                done.append(_append(folder, done, part))
                if len(done) == len(galaxies):
                    _finish(folder, manifest, done)
                write_manifest(folder, manifest, done)
                bar.update()
    return read_sample(folder, verify=False)


def read_sample(folder: str | Path, *, verify: bool = True) -> Pixels:
    """Open a sample; its columns stay in their files and are read when they are looked at.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
    verify : bool, optional
        Compare the checksum of every galaxy, which reads the files once.

    Returns
    -------
    pixels : `~euclid_resolved.training.Pixels`
        Its columns are read-only `numpy.memmap`.

    Raises
    ------
    ImageFileError
        If it is no sample, its extraction is not finished, or it has been changed or damaged.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.io import read_sample, write_sample
    >>> from euclid_resolved.testing import example_galaxies
    >>> _ = write_sample("sample", example_galaxies(4))
    >>> train(read_sample("sample"), "stellar_age", LinearRegression()).properties
    ('stellar_age',)
    """
    folder = Path(folder)
    manifest, done = read_manifest(folder)
    if len(done) < len(manifest["names"]):
        raise ImageFileError(
            folder,
            f"{len(done)} of {len(manifest['names'])} galaxies are in it: the extraction was interrupted",
            "the same command, atlas extract or write_sample, goes on with it",
        )
    if verify:
        _columns(folder, manifest, done)  # says which file is missing or has another length
        sound = _n_sound(folder, manifest, done)
        if sound < len(done):
            what = f"the pixels of {manifest['names'][sound]} do not have the checksum they were written with"
            raise ImageFileError(folder, what, "extract it again with --overwrite")
    return _pixels(folder, manifest, done)


def _make_folder(folder):
    if folder.is_dir():
        return
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder}: there is no folder {folder.parent}")
    if folder.exists():
        raise InputError(f"{folder} is a file; name a folder for the sample")
    folder.mkdir(exist_ok=True)


def _begin(folder, manifest, overwrite):
    """The galaxies that an earlier run has left, checked; a new sample begins with none."""
    if is_sample(folder) and not overwrite:
        earlier, done = read_manifest(folder)
        different = [key for key in manifest if json.dumps(earlier.get(key)) != json.dumps(manifest[key])]
        if different:
            raise InputError(
                f"{folder} holds another sample ({', '.join(different)}); to replace it say overwrite=True "
                "(--overwrite)"
            )
        sound = done[: _n_sound(folder, manifest, done)]
        if len(sound) < len(done):
            write_manifest(folder, manifest, sound)
        return sound
    others = [path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name)]
    if set(others) - {MANIFEST}:
        raise InputError(
            f"{folder} holds {', '.join(sorted(others)[:3])}; name a folder for the sample alone"
        )
    (folder / MANIFEST).unlink(missing_ok=True)  # first: without it nothing reads as a sample
    lock = lock_path(folder / MANIFEST).name
    for path in folder.iterdir():
        if path.name != lock:
            path.unlink()
    write_manifest(folder, manifest, [])
    return []


def _files(manifest, noise):
    """The columns and their files, in the order of the checksums."""
    files = [("brightness", band) for band in manifest["bands"]]
    files += [("truth", name) for name in manifest["properties"]]
    # Columns may have any name: files are numbered.
    files += [("around", str(number)) for number, _ in enumerate(manifest["around"])]
    return files + ([("noise", band) for band in manifest["bands"]] if noise else [])


def _path(folder, kind, name):
    return folder / f"{kind}_{name}.f4"


def _append(folder, done, part):
    """Write the columns of one galaxy behind those before it, and describe it for the manifest."""
    start, noise = sum(entry["pixels"] for entry in done), {}
    if part.noise or any(entry["noise"] for entry in done):
        zeros = np.zeros(len(part), _TYPE)
        noise = {band: part.noise.get(band, zeros) for band in part.brightness}
    sha = hashlib.sha256()
    around = {str(number): values for number, values in enumerate(part.around.values())}
    kinds = {"brightness": part.brightness, "truth": part.truth, "around": around, "noise": noise}
    for kind, columns in kinds.items():
        for name, values in columns.items():
            values = np.ascontiguousarray(values, _TYPE)
            # At its place, whatever an interrupt has left there; noise not known before reads as zero.
            with open(_path(folder, kind, name), "rb+", opener=_create) as file:
                file.seek(start * _TYPE.itemsize)
                file.write(values)
            sha.update(values)
    entry = {"pixels": len(part), "seen": part.seen, "without_truth": part.without_truth}
    if np.isfinite(part.log_mass):
        entry["log_mass"] = part.log_mass
    return {**entry, "noise": bool(noise), "sha256": sha.hexdigest()}


def _create(path, flags):
    flags |= os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageFileError(path, "it is no regular file")
    return descriptor


def _finish(folder, manifest, done):
    """Cut the columns to their length, refuse a sample that makes no sense, and put it on disk for good."""
    n = sum(entry["pixels"] for entry in done)
    for kind, name in _files(manifest, any(entry["noise"] for entry in done)):
        with open(_path(folder, kind, name), "rb+", opener=_create) as file:
            file.truncate(n * _TYPE.itemsize)
            os.fsync(file.fileno())
    check_pixels(_pixels(folder, manifest, done))


def _columns(folder, manifest, done, exact=True):
    """All columns as read-only maps of their files: (kind, name) -> array."""
    n, found = sum(entry["pixels"] for entry in done), {}
    for kind, name in _files(manifest, any(entry["noise"] for entry in done)):
        path = _path(folder, kind, name)
        if path.is_symlink() or not path.is_file():
            raise ImageFileError(folder, f"{path.name} is missing or is no regular file")
        size = path.stat().st_size
        if size < n * _TYPE.itemsize or (exact and size > n * _TYPE.itemsize):
            raise ImageFileError(folder, f"{path.name} has {size} bytes, {n * _TYPE.itemsize} are needed")
        found[kind, name] = np.memmap(path, _TYPE, "r", shape=(n,)) if n else np.empty(0, _TYPE)
    return found


def _n_sound(folder, manifest, done):
    """How many galaxies, from the first, have the pixels whose checksums are in the manifest."""
    stops = np.cumsum([entry["pixels"] for entry in done], dtype=np.int64)
    paths = [_path(folder, *file) for file in _files(manifest, any(entry["noise"] for entry in done))]
    sizes = [path.stat().st_size if path.is_file() and not path.is_symlink() else 0 for path in paths]
    # A column that is too short, as a power cut may leave it, is damage like any other.
    done = done[: int(np.searchsorted(stops, min(sizes) // _TYPE.itemsize, side="right"))]
    columns, start = _columns(folder, manifest, done, exact=False) if done else {}, 0
    for i, entry in enumerate(done):
        sha, stop = hashlib.sha256(), int(stops[i])
        for (kind, _), values in columns.items():
            if kind != "noise" or entry["noise"]:
                sha.update(values[start:stop])
            elif values[start:stop].any():
                return i
        if sha.hexdigest() != entry["sha256"]:
            return i
        start = stop
    return len(done)


def _pixels(folder, manifest, done):
    columns = _columns(folder, manifest, done)

    def of(wanted):
        return {name: values for (kind, name), values in columns.items() if kind == wanted}

    kinds, masses = manifest["star_forming"], [entry.get("log_mass", np.nan) for entry in done]
    return Pixels(
        brightness=of("brightness"),
        truth=of("truth"),
        noise=of("noise"),
        around=dict(zip(manifest["around"], of("around").values(), strict=True)),
        image_features=tuple(manifest["features"]),
        counts=[entry["pixels"] for entry in done],
        names=tuple(manifest["names"]),
        clip=manifest["clip"],
        clip_band=manifest["clip_band"],
        seen=sum(entry["seen"] for entry in done),
        without_truth=sum(entry["without_truth"] for entry in done),
        source=manifest["source"],
        star_forming=tuple(kinds),
        atlas=manifest["atlas"],
        groups=tuple(manifest["groups"]),
        log_masses=tuple(masses) if np.isfinite(masses).any() else (),
    )

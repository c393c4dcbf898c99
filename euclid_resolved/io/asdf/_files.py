"""ASDF files of models, images and maps, read as data that nobody vouches for.

A file is looked through before anything is built from it, then opened strictly, checked against its
schema and against the SHA-256 of every array and of all text that it carries; a model moreover repeats
predictions that are stored with it. The sums detect damage and editing. They do not say who wrote the
file: whoever edits a file can also compute new sums. What keeps a hostile file harmless is that it holds
nothing but numbers and text.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asdf
from asdf.exceptions import AsdfPackageVersionWarning, AsdfWarning

from euclid_resolved.errors import ImageFileError, InputError, ModelFileError, PluginError
from euclid_resolved.images._guard import check_file, open_regular
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io.asdf import _extension as extension
from euclid_resolved.io.asdf._scan import TAG_BASE, look_through
from euclid_resolved.maps._spatial_map import SpatialMap

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

MAX_BYTES = 4 * 2**30
"""The most that the arrays of a file may need in memory, unless the caller says otherwise."""

MAX_MODEL_BYTES = 2**30
"""The same for a model: what is made of its arrays, and checked, takes several times as much."""

_VERSION = "1.6.0"  # of the ASDF standard: what the oldest supported asdf reads
_MODEL_MARK = f"{TAG_BASE}model-".encode()
_HISTORY = {"asdf_library", "history"}
# The tree holds a SHA-256 of every array, and `read` checks it: an MD5 of the same bytes finds no more.
_NO_MD5: dict[str, Any] = (
    {"write_checksums": False} if "write_checksums" in signature(asdf.AsdfFile.write_to).parameters else {}
)


def read_asdf(
    path: str | Path, *, max_bytes: int | None = None
) -> Model | MultiBandImage | SpatialMap | dict[str, SpatialMap]:
    """Read the model, image, map or maps of an ASDF file.

    Parameters
    ----------
    path : str or `~pathlib.Path`
    max_bytes : int, optional
        Refuse a file whose arrays need more memory than this; without it 4 GiB, of a model 1 GiB.

    Returns
    -------
    content : `~euclid_resolved.Model`, `~euclid_resolved.MultiBandImage`, `~euclid_resolved.SpatialMap` \
or dict of str to `~euclid_resolved.SpatialMap`

    Raises
    ------
    ModelFileError
        If a model file is damaged, foreign or hostile.
    ImageFileError
        If any other file is.

    Examples
    --------
    >>> from euclid_resolved.io.asdf._files import read_asdf, write_asdf
    >>> from euclid_resolved.testing import example_galaxies
    >>> write_asdf("age.asdf", example_galaxies(1)[0].maps["stellar_age"])
    >>> print(read_asdf("age.asdf").label)
    mass-weighted stellar age
    """
    return _read(Path(path), max_bytes, ImageFileError)


def read_model(path: str | Path, *, max_bytes: int | None = None) -> Model:
    """Read a model from an ASDF file, and nothing else.

    Parameters
    ----------
    path : str or `~pathlib.Path`
    max_bytes : int, optional
        Refuse a file whose arrays need more memory than this; without it 4 GiB, of a model 1 GiB.

    Returns
    -------
    model : `~euclid_resolved.Model`

    Raises
    ------
    ModelFileError
        If the file is damaged, foreign or hostile, or holds no model.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train, write
    >>> from euclid_resolved.io.asdf._files import read_model
    >>> from euclid_resolved.testing import example_galaxies
    >>> write("model.asdf", train(example_galaxies(), estimator=LinearRegression()))
    >>> read_model("model.asdf").properties
    ('stellar_mass_density',)
    """
    content = _read(Path(path), max_bytes, ModelFileError)
    if isinstance(content, dict | MultiBandImage | SpatialMap):
        what = {MultiBandImage: "an image", SpatialMap: "a map"}.get(type(content), "maps")
        raise ModelFileError(path, f"it holds {what}, not a model", "models are made by train()")
    return content


def write_asdf(
    path: str | Path,
    obj: Model | MultiBandImage | SpatialMap | dict[str, SpatialMap],
    *,
    overwrite: bool = False,
) -> None:
    """Write a model, an image, a map or several maps as ASDF; see `euclid_resolved.write`.

    Parameters
    ----------
    path : str or `~pathlib.Path`
    obj : `~euclid_resolved.Model`, `~euclid_resolved.MultiBandImage`, `~euclid_resolved.SpatialMap` \
or dict of str to `~euclid_resolved.SpatialMap`
        Arrays, masks, WCS, quality planes and all of ``meta`` are kept.
    overwrite : bool, optional
        Replace a file of that name.

    Raises
    ------
    InputError
        If the file exists, or the object holds something that cannot be stored.

    Examples
    --------
    >>> from euclid_resolved.io.asdf._files import read_asdf, write_asdf
    >>> from euclid_resolved.testing import example_galaxies
    >>> write_asdf("image.asdf", example_galaxies(1)[0].image)
    >>> read_asdf("image.asdf").bands
    ('IE', 'YE', 'JE', 'HE')
    """
    kind, obj = _kind(obj)
    with atomic_path(path, overwrite) as temporary, strict_config(), open(temporary, "wb") as file:
        asdf.AsdfFile({kind: obj}, version=_VERSION).write_to(file, **_NO_MD5)


def _kind(obj):
    if isinstance(obj, SpatialMap):
        return "map", obj
    if isinstance(obj, MultiBandImage):
        return "image", obj
    if isinstance(obj, dict) and obj and all(isinstance(m, SpatialMap) for m in obj.values()):
        return "maps", extension.Maps(obj)
    if hasattr(obj, "to_tree"):
        return "model", obj
    raise InputError(
        "a Model, a MultiBandImage, a SpatialMap or a dict of maps can be written as ASDF, "
        f"not a {type(obj).__name__}"
    )


@contextlib.contextmanager
def strict_config() -> Iterator[asdf.config.AsdfConfig]:
    """A context in which asdf knows this package's tags, believes nothing and leaves arrays uncompressed."""
    # Here asdf loads the entry points of all packages, once; in the context it would be every time.
    outside = asdf.get_config()
    _ = outside.extensions, outside.resource_manager
    with asdf.config_context() as config, warnings.catch_warnings():
        warnings.simplefilter("error", AsdfWarning)
        # Written where asdf or its extensions were newer: the tags decide, and they were looked at.
        warnings.simplefilter("ignore", AsdfPackageVersionWarning)
        wanted = {
            "validate_on_read": True,
            "warn_on_failed_conversion": False,
            "lazy_tree": False,
            "array_inline_threshold": None,
            "all_array_storage": "internal",
            "all_array_compression": None,
        }
        for name, value in wanted.items():
            if hasattr(config, name):  # asdf 4 always raises where a conversion fails, without an option
                setattr(config, name, value)
        # A source tree that was never installed has no entry points.
        if extension.MANIFEST_URI not in config.resource_manager:
            for mapping in _resource_mappings():
                config.add_resource_mapping(mapping)
        if not any(e.extension_uri == extension.EXTENSION_URI for e in config.extensions):
            for item in _extensions():
                config.add_extension(item)
        yield config


# asdf keeps what it has derived from these objects, as long as they stay the same.
_resource_mappings = functools.cache(extension.get_resource_mappings)
_extensions = functools.cache(extension.get_extensions)


def _read(path, max_bytes, error):
    check_file(path, error)
    try:
        with open_regular(path, error) as file:
            # The text is not read yet, but the user should hear of a model where there was one.
            error = ModelFileError if _MODEL_MARK in file.read(4096) else error
            kinds = look_through(file, max_bytes or MAX_BYTES, max_bytes or MAX_MODEL_BYTES)
            error = ModelFileError if "model" in kinds else error
            return _open(file)
    except (ImageFileError, ModelFileError):
        raise
    except OSError as problem:
        raise error(path, f"it cannot be read: {_brief(problem)}") from problem
    except Exception as problem:  # asdf, its schemas and plugins raise many kinds
        hint = (
            "" if isinstance(problem, PluginError) else "what is opened are files made by write(), undamaged"
        )
        hint = getattr(problem, "hint", "") or hint
        raise error(path, _brief(getattr(problem, "what", problem)), hint) from problem


def _open(file):
    file.seek(0)
    # Not the MD5 of blocks, which may be left out: the SHA-256 in the tree are checked by the converters.
    options = {"lazy_load": False, "memmap": False, "validate_checksums": False}
    with strict_config():
        with asdf.open(file, mode="r", **options) as opened:
            content = [value for key, value in opened.tree.items() if key not in _HISTORY]
    if len(content) != 1:
        raise InputError(f"it holds {len(content)} things beside its history, not one")
    kind, _ = _kind(content[0])
    return dict(content[0]) if kind == "maps" else content[0]


def _brief(problem):
    """The first line of what an exception says, fit for a terminal: part of it may come from the file."""
    text = str(problem).strip() or type(problem).__name__
    return "".join(c if c.isprintable() else "?" for c in text.splitlines()[0][:300])

"""Read and write images, maps and models: one function each way, whatever the format."""

import contextlib
import errno
import importlib
import os
import secrets
from pathlib import Path

from euclid_resolved.errors import ImageFileError, InputError

__all__ = [
    "atomic_path",
    "is_sample",
    "read",
    "read_atlas",
    "read_euclid",
    "read_galaxy",
    "read_mosaics",
    "read_sample",
    "read_segmentation",
    "write",
    "write_sample",
]

_HOME_OF = {
    "read_atlas": "atlas",
    "read_galaxy": "atlas",
    "read_euclid": "euclid",
    "read_mosaics": "mosaic",
    "read_segmentation": "mosaic",
    "is_sample": "sample",
    "read_sample": "sample",
    "write_sample": "sample",
}


def __getattr__(name):
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'euclid_resolved.io' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"euclid_resolved.io.{home}"), name)


def __dir__():
    return __all__


def as_path(path, hint="a text or a pathlib.Path"):
    """A path; what is none is refused."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"the path of a file is needed, got {type(path).__name__}; {hint}")
    return Path(path)


def read(path):
    """Read a model, an image, a map or several maps from a file that `write` made, or an image of Euclid's.

    The content of the file decides, not its name. Nothing in a file is trusted: see
    `euclid_resolved.io.asdf`.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        An ASDF file, a FITS file of maps, or one of images of the sky (gzipped or not). These are opened by
        `read_euclid`, which has options for what a file does not say.

    Returns
    -------
    content : `~euclid_resolved.Model`, `~euclid_resolved.MultiBandImage`, `~euclid_resolved.SpatialMap` \
or dict of str to `~euclid_resolved.SpatialMap`
        A FITS file of maps always gives a dict of them, by name; one of images of the sky a
        `~euclid_resolved.MultiBandImage`.

    Raises
    ------
    ModelFileError
        If a model file is damaged, foreign or hostile.
    ImageFileError
        If any other file is, or cannot be opened.

    Examples
    --------
    >>> from euclid_resolved import read, write
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> write("image.asdf", image)
    >>> read("image.asdf")
    <MultiBandImage example 1; bands IE, YE, JE, HE; shape (16, 16); unit MJy / sr; masked 0.0 %>
    """
    path = as_path(path)
    check_file(path, ImageFileError)
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ImageFileError(path, f"it cannot be opened: {error.strerror}") from error
    if start.startswith(b"#ASDF"):
        from euclid_resolved.io.asdf import read_asdf

        return read_asdf(path)
    if start.startswith((b"SIMPLE  =", b"\x1f\x8b")):
        from euclid_resolved.io._fits_kind import is_sky_image
        from euclid_resolved.io.euclid import read_euclid
        from euclid_resolved.io.fits import read_fits

        if not is_sky_image(path):
            return read_fits(path)
        try:
            return read_euclid(path)
        except ImageFileError as error:
            hint = f"{error.hint}; " if error.hint else ""
            hint += "it is an image of the sky, which read_euclid opens; that takes these options"
            raise ImageFileError(error.path, error.what, hint) from error
    hint = "what is read are files made by write(), and images of Euclid's"
    hint = "pickles are never opened" if start[:1] == b"\x80" else hint
    raise ImageFileError(path, "this is neither ASDF nor FITS" if start else "the file is empty", hint)


def write(path, obj, *, overwrite=False):
    """Write a model, an image, a map or several maps to a file.

    The file appears whole or not at all: an interrupt or a full disk leaves nothing behind, and an older
    file as it was.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        ``.asdf`` takes everything and keeps it to the last bit; ``.fits`` and ``.fits.gz`` take maps.
    obj : `~euclid_resolved.Model`, `~euclid_resolved.MultiBandImage`, `~euclid_resolved.SpatialMap` \
or dict of str to `~euclid_resolved.SpatialMap`
        What to write.
    overwrite : bool, optional
        Replace a file of that name.

    Raises
    ------
    InputError
        If the file exists, the ending of its name is none of these, or the object cannot be stored.

    Examples
    --------
    >>> from euclid_resolved import read, write
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxy = example_galaxies(1)[0]
    >>> write("maps.fits", galaxy.maps)
    >>> print(list(read("maps.fits")))
    ['stellar_mass_density', 'stellar_metallicity', 'stellar_age']
    """
    name = as_path(path, "the file comes first, then what to write").name.lower()
    if name.endswith(".asdf"):
        from euclid_resolved.io.asdf import write_asdf

        write_asdf(path, obj, overwrite=overwrite)
    elif name.endswith((".fits", ".fits.gz")):
        from euclid_resolved.io.fits import write_fits

        write_fits(path, obj, overwrite=overwrite)
    else:
        raise InputError(f"{path}: the name must end in .asdf, .fits or .fits.gz")


@contextlib.contextmanager
def atomic_path(path, overwrite=False):
    """A temporary path beside `path` that becomes `path` when the block ends well.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The file to write.
    overwrite : bool, optional
        Whether an older file may be replaced.

    Yields
    ------
    temporary : `~pathlib.Path`
        To be written; it keeps the ending of the name. Whatever goes wrong in the block, it is removed.

    Raises
    ------
    InputError
        If the file exists and `overwrite` is False, it is not a regular file, or there is no such folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.io import atomic_path
    >>> with atomic_path("notes.txt") as path:
    ...     _ = Path(path).write_text("whole, or not at all")
    >>> Path("notes.txt").read_text()
    'whole, or not at all'
    """
    # Through a symbolic link: the link stays, the file behind it is replaced.
    target = check_target(path, overwrite)
    ending = "".join(target.suffixes[-2:])[-32:]
    temporary = target.with_name(f".euclid-resolved-{secrets.token_hex(6)}{ending}")
    try:
        yield temporary
        put_in_place(temporary, path, overwrite)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        ours = getattr(error, "filename", None) == str(temporary)
        if isinstance(error, OSError) and (ours or error.errno == errno.ENOSPC):
            # The name that the user gave, not that of a file that is gone.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path, text, overwrite=True):
    """Write a text at once or not at all."""
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path, table, overwrite=True):
    """Write a table as ECSV at once or not at all."""
    with atomic_path(path, overwrite) as temporary:
        table.write(temporary, format="ascii.ecsv")


def put_in_place(temporary, path, overwrite=False):
    """Give a file that is finished its name, for good.

    Parameters
    ----------
    temporary : `~pathlib.Path`
        In the same folder.
    path, overwrite
        As for `atomic_path`.
    """
    target = Path(os.path.realpath(path))
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    _check_target(path, target, overwrite)
    if target.exists():
        os.chmod(temporary, target.stat().st_mode & 0o777)
    os.replace(temporary, target)
    _sync_folder(target.parent)


def check_target(path, overwrite=False):
    """The file behind a path, after it was made sure that it may be written.

    Parameters
    ----------
    path, overwrite
        As for `atomic_path`.

    Returns
    -------
    target : `~pathlib.Path`
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise InputError(f"{path}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{path}: there is no permission to write in the folder {target.parent}")
    _check_target(path, target, overwrite)
    return target


def check_file(path, error):
    """Raise `error` unless `path` is a regular file: opening a pipe or a device could wait for ever."""
    if path.is_dir():
        raise error(path, "this is a folder, not a file", "read_atlas opens a folder of galaxies")
    if not path.is_file():
        raise error(path, "it is no regular file" if path.exists() else "there is no such file")


def _check_target(path, target, overwrite):
    if not target.exists():
        return
    if not target.is_file():
        raise InputError(f"{path}: it exists and is not a regular file")
    if not overwrite:
        raise InputError(f"{path}: the file exists; to replace it say overwrite=True (--overwrite)")


def _sync_folder(folder):
    """Make the new name last through a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

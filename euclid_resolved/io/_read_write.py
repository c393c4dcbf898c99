"""Read and write images, maps and models: one function each way, whatever the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._guard import open_regular
from euclid_resolved.io._files import as_path, check_target

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._spatial_map import SpatialMap
    from euclid_resolved.models._model import Model

__all__ = ["read", "write"]


def read(path: str | Path) -> Model | MultiBandImage | SpatialMap | dict[str, SpatialMap]:
    """Read a model, an image, a map or several maps from a file that `write` made, or an image of Euclid's.

    The content of the file decides, not its name. Nothing in a file is trusted: it is
    looked through, and checked against its schema and its checksums, before anything is made of it.

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
    with open_regular(path, ImageFileError) as file:
        start = file.read(9)
    if start.startswith(b"#ASDF"):
        from euclid_resolved.io.asdf._files import read_asdf

        return read_asdf(path)
    if start.startswith((b"SIMPLE  =", b"\x1f\x8b")):
        from euclid_resolved.io._fits import read_fits
        from euclid_resolved.io._fits_kind import is_sky_image
        from euclid_resolved.io.euclid._cutout import read_euclid

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


def check_output(path: str | Path, overwrite: bool = False) -> Path:
    """What is behind a path, after it was made sure that something may be written there.

    Parameters
    ----------
    path : path-like
        A file, or a folder whose name ends in ``.zarr``.
    overwrite : bool, optional
        Whether what is there may be replaced.

    Returns
    -------
    target : `~pathlib.Path`

    Raises
    ------
    InputError
        If there is no folder to write in, or something is there that may not be replaced.
    """
    if str(path).lower().endswith(".zarr"):
        from euclid_resolved.io._zarr import check_zarr

        return check_zarr(path, overwrite)
    return check_target(path, overwrite)


def write(
    path: str | Path,
    obj: Model | MultiBandImage | SpatialMap | dict[str, SpatialMap],
    *,
    overwrite: bool = False,
    compress: Literal["lossless"] | float | None = None,
) -> None:
    """Write a model, an image, a map or several maps to a file.

    The file appears whole or not at all: an interrupt or a full disk leaves nothing behind, and an older
    file as it was.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        ``.asdf`` takes everything and keeps it to the last bit; ``.fits`` and ``.fits.gz`` take maps, and so
        does ``.zarr``, which becomes a folder and needs ``pip install 'euclid_resolved[zarr]'``. It is opened
        with ``xarray.open_zarr``; `read` does not open it.
    obj : `~euclid_resolved.Model`, `~euclid_resolved.MultiBandImage`, `~euclid_resolved.SpatialMap` \
or dict of str to `~euclid_resolved.SpatialMap`
        What to write.
    overwrite : bool, optional
        Replace a file of that name.
    compress : {None, "lossless"} or float, optional
        Compress each image of a FITS file in tiles, which other programs unpack as they read. A number is the
        largest relative change of a value, such as 0.001: values, errors and intervals are rounded, which
        takes half the room. NaN, quality bits and numbers of bins are always kept as they are.

    Raises
    ------
    InputError
        If the file exists, the ending of its name is none of these, the object cannot be stored, or Zarr is
        not installed.

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
    if compress is not None and not name.endswith(".fits"):
        raise InputError(f"{path}: compress= goes with a name that ends in .fits")
    if name.endswith(".asdf"):
        from euclid_resolved.io.asdf._files import write_asdf

        write_asdf(path, obj, overwrite=overwrite)
    elif name.endswith((".fits", ".fits.gz")):
        from euclid_resolved.io._fits import write_fits

        write_fits(path, obj, overwrite=overwrite, compress=compress)  # type: ignore[arg-type]  # it refuses no maps
    elif name.endswith(".zarr"):
        from euclid_resolved.io._zarr import write_zarr

        write_zarr(path, obj, overwrite=overwrite)  # type: ignore[arg-type]  # it refuses no maps
    else:
        raise InputError(f"{path}: the name must end in .asdf, .fits, .fits.gz or .zarr")

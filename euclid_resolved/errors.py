"""The exceptions and warnings that this package raises on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from astropy.utils.exceptions import AstropyUserWarning

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DataWarning",
    "ImageFileError",
    "InputError",
    "ModelFileError",
    "NotFittedError",
    "PluginError",
    "PluginWarning",
]


def printable(text: object, keep: str = "\n\t") -> str:
    """A text without what a terminal would obey or cannot show: such letters are written as escapes.

    Parameters
    ----------
    text : object
    keep : str, optional
        Letters that stay all the same.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from euclid_resolved.errors import printable
    >>> print(printable("red\\x1b[31m.fits"))
    red\\x1b[31m.fits
    """
    text = str(text)
    if text.isprintable():
        return text
    plain = (c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
    return "".join(plain)


class InputError(ValueError):
    """Something given to a function cannot be used; the message says what, and what is possible.

    Attributes
    ----------
    missing : tuple of str
        The bands that were asked for and that an image does not have, if that is what is wrong.

    Examples
    --------
    >>> from euclid_resolved import InputError, make_features
    >>> try:
    ...     make_features({"HE": [1.0]}, ("colors",))
    ... except InputError as error:
    ...     print(error)
    no set of features 'colors'; there are bands, colours, ...; did you mean 'colours'?
    """

    missing: tuple[str, ...] = ()

    def of_bands(self, missing: Iterable[str]) -> Self:
        """The same error, which knows the bands that are missing.

        Parameters
        ----------
        missing : iterable of str

        Returns
        -------
        error : InputError
        """
        self.missing = tuple(missing)
        return self

    def __str__(self) -> str:
        # A message quotes names of files and texts out of them; a terminal must not obey them.
        return printable(super().__str__())


class _FileError(InputError):
    """A file cannot be used.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The file.
    what : str
        What is wrong with it.
    hint : str, optional
        What can be done about it.
    """

    def __init__(self, path: str | Path, what: str, hint: str = "") -> None:
        self.path, self.what, self.hint = str(path), what, hint
        super().__init__(f"{path}: {what}" + (f" ({hint})" if hint else ""))

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str], dict[str, Any]]:
        return type(self), (self.path, self.what, self.hint), self.__dict__


class ImageFileError(_FileError):
    """An image, map, atlas or sample cannot be read.

    Examples
    --------
    >>> from euclid_resolved import ImageFileError, read_euclid
    >>> try:
    ...     read_euclid("nowhere.fits")
    ... except ImageFileError as error:
    ...     print(error)
    nowhere.fits: there is no such file
    """


class ModelFileError(_FileError):
    """A model file is damaged, foreign or hostile.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved import LinearRegression, ModelFileError, read, train, write
    >>> from euclid_resolved.testing import example_galaxies
    >>> write("model.asdf", train(example_galaxies(), estimator=LinearRegression()))
    >>> _ = Path("half.asdf").write_bytes(Path("model.asdf").read_bytes()[:-5000])
    >>> try:
    ...     read("half.asdf")
    ... except ModelFileError as error:
    ...     print(str(error)[:40])
    half.asdf: block 4 is larger than the fi
    """


class NotFittedError(InputError, AttributeError):
    """An estimator is asked for what only a fit, or a file of one, gives it.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, NotFittedError
    >>> try:
    ...     LinearRegression().predict([[0.5]])
    ... except NotFittedError as error:
    ...     print(error)
    this LinearRegression has learned nothing yet: call fit, or use a trained model
    """


class PluginError(InputError):
    """A name is not registered, is registered twice, or what is registered breaks its contract.

    Examples
    --------
    >>> from euclid_resolved import PluginError
    >>> from euclid_resolved.plugins import lookup
    >>> try:
    ...     lookup("features", "color")
    ... except PluginError as error:
    ...     print(str(error).split(";")[0])
    no set of features 'color'
    """


class PluginWarning(AstropyUserWarning):
    """A plugin could not be loaded; everything else works.

    Examples
    --------
    >>> import warnings
    >>> from euclid_resolved import PluginWarning
    >>> from euclid_resolved.plugins import available
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", PluginWarning)  # a broken plugin is to stop this script
    ...     names = available("estimators")
    """


class DataWarning(AstropyUserWarning):
    """The data allow an answer, but the user should know something about them.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from euclid_resolved import DataWarning, LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies, estimator=LinearRegression(), clip=0.05)
    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always", DataWarning)
    ...     for nddata in galaxies[0].image.values():
    ...         nddata.data[:] = 0.001  # nothing of this image is bright enough
    ...     density = model.predict(galaxies[0].image)
    >>> print(found[0].message)
    no pixel of example 1 can be estimated: every map is empty
    """

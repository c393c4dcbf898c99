"""The exceptions and warnings that this package raises on purpose."""

from astropy.utils.exceptions import AstropyUserWarning

__all__ = ["InputError", "ImageFileError", "ModelFileError", "PluginError", "PluginWarning", "DataWarning"]


class InputError(ValueError):
    """Something given to a function cannot be used; the message says what, and what is possible."""


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

    def __init__(self, path, what, hint=""):
        self.path, self.what, self.hint = str(path), what, hint
        super().__init__(f"{path}: {what}" + (f" ({hint})" if hint else ""))

    def __reduce__(self):
        return type(self), (self.path, self.what, self.hint)


class ImageFileError(_FileError):
    """An image, map or atlas file cannot be read."""


class ModelFileError(_FileError):
    """A model file is damaged, foreign or hostile."""


class PluginError(InputError):
    """A name is not registered, is registered twice, or what is registered breaks its contract."""


class PluginWarning(AstropyUserWarning):
    """A plugin could not be loaded; everything else works."""


class DataWarning(AstropyUserWarning):
    """The data allow an answer, but the user should know something about them."""

"""The version of the package, which its build took from the tags of the repository."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("euclid_resolved")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

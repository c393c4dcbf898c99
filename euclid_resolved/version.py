"""The version of the package, as its build wrote it."""

__all__ = ["__version__"]

try:
    from euclid_resolved._version import __version__
except ImportError:  # a source tree that was never built
    __version__ = "0+unknown"

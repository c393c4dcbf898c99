"""The version of the package, written when it is built, from the tags of its repository."""

__version__ = "0.1.0.dev42+g82dfefb33.d20261129"

"""Diagnostics: what a model leans on and how far it can be trusted, each with its figure."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

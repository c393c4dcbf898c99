"""Figures of images, maps and galaxies, and what notebooks show."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

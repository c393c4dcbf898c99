"""Features: what a model looks at, made of the bands, and the scale from 0 to 1."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

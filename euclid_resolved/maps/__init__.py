"""Maps of a physical property, galaxies with known maps, profiles, and sums over regions."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

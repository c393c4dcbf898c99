"""Maps of stellar mass, metallicity and age from Euclid images of nearby galaxies."""

from euclid_resolved._lazy import lazy_names

# Everything is imported when it is first used, so that the package itself comes at once.
__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

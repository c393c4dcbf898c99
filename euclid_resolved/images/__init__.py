"""Images: bands, the pixel grid, noise, and several bands on one grid (`MultiBandImage`)."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

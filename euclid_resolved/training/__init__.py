"""Training: galaxies into pixels, pixels into a model, the model against unseen galaxies."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

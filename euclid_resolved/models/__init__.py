"""Trained models: estimates and maps, their intervals, and the metrics that judge them."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

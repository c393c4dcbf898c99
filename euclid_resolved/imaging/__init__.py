"""Prepare an image for a model: each step takes a `MultiBandImage`, returns a new one and records itself.

The order that makes sense: background, masks, PSF, extinction, distance, resampling, binning."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

"""Studies: described in a file, run on an atlas, kept step by step, and reported beside the paper."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

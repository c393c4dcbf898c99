"""Plugins: the hooks, what is registered under which name, and what is broken."""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)

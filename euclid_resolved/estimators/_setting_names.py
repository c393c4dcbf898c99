"""Settings that scikit-learn calls otherwise: an error says how they are called here."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Self

from euclid_resolved.errors import InputError

# Where they mean the same; of several the one that an estimator has.
_OF_SCIKIT_LEARN = {
    "n_estimators": ("n_trees",),
    "random_state": ("seed",),
    "max_iter": ("n_trees", "epochs"),
    "max_leaf_nodes": ("max_leaves",),
    "hidden_layer_sizes": ("layers",),
    "batch_size": ("batch",),
    "learning_rate_init": ("learning_rate",),
}


def called_here(name: str, known: Iterable[str]) -> str:
    """What a setting of scikit-learn is called here; empty where nothing is known.

    Parameters
    ----------
    name : str
    known : iterable of str
        The settings of an estimator.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from euclid_resolved.estimators._setting_names import called_here
    >>> called_here("n_estimators", ["n_trees", "seed"])
    'n_estimators is called n_trees here'
    """
    known = list(known)
    found = [] if name in known else [each for each in _OF_SCIKIT_LEARN.get(name, ()) if each in known]
    return f"{name} is called {found[0]} here" if found else ""


class _Signature:
    """The signature of a class, for help and tools: that of its settings, and not that of ``__new__``."""

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        whole = inspect.signature(owner.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])


class OwnNames:
    """Refuses scikit-learn's names of settings with one error that has ours; there are no aliases."""

    __signature__ = _Signature()

    def __new__(cls, *values: Any, **settings: Any) -> Self:
        """Make it, unless a setting has a name of scikit-learn's."""
        _check(cls, settings)
        return super().__new__(cls)


def _check(kind: type, settings: Mapping[str, Any]) -> None:
    known: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    texts = [text for name in settings if (text := called_here(name, known))]
    if texts:
        raise InputError(f"{kind.__name__}: {'; '.join(texts)}")

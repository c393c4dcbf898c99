"""Which plugins a model stands on: kept in its file, named when one is missing or has changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.estimators._contract import Estimator
from euclid_resolved.models._asking import registered_name
from euclid_resolved.plugins._how_to_install import how_to_install
from euclid_resolved.plugins._offers import KINDS, SESSION, Plugin, brought, kind_word
from euclid_resolved.plugins._registry import describe, lookup, registered

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

_KEYS = ("kind", "name", "distribution", "version")
# What a distribution and a version may be called (PEP 508, PEP 440): messages show them as a command.
_DISTRIBUTION, _VERSION = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", r"[A-Za-z0-9.!+_-]*"


def plugins_used(features: Sequence[str], estimators: Iterable[Estimator]) -> tuple[Plugin, ...]:
    """The plugins that features and estimators come from, as they are installed here.

    Parameters
    ----------
    features : sequence of str
        Names of sets of features.
    estimators : iterable of `~euclid_resolved.Estimator`
        With what they are made of (`~euclid_resolved.Estimator.uses`).

    Returns
    -------
    plugins : tuple of `~euclid_resolved.plugins.Plugin`
        Without their values; each once.

    Examples
    --------
    >>> from euclid_resolved import Ensemble
    >>> from euclid_resolved.models._provenance import plugins_used
    >>> [plugin.name for plugin in plugins_used(("bands",), [Ensemble("mlp")])]
    ['bands', 'ensemble', 'mlp']
    """
    wanted = [("features", name) for name in features]
    for estimator in estimators:
        wanted += [("estimators", name) for name in (registered_name(estimator), *estimator.uses)]
    rows = [registered(kind, name) for kind, name in dict.fromkeys(wanted)]
    return tuple(replace(row, value=None) for row in rows if row is not None)


def plugins_here(model: Model) -> list[dict[str, str]]:
    """The plugins that a model works with now, as text: what its maps depend on beside the model itself."""
    estimators = [output.estimator for output in model.outputs.values()]
    return plugins_to_tree(plugins_used(model.features, estimators))


def plugins_to_tree(plugins: Iterable[Plugin]) -> list[dict[str, str]]:
    """Plugins as text: for a file, and for the record of what maps depend on."""
    return [{key: getattr(plugin, key) for key in _KEYS} for plugin in plugins]


def tree_to_plugins(tree: Sequence[Mapping[str, Any]]) -> tuple[Plugin, ...]:
    """Plugins from what `plugins_to_tree` gave; nothing in it is trusted."""
    plugins = []
    for entry in tree:
        plugin = Plugin(*(entry[key] for key in _KEYS))
        known = plugin.distribution == SESSION or re.fullmatch(_DISTRIBUTION, plugin.distribution)
        if plugin.kind not in KINDS or not known or not re.fullmatch(_VERSION, plugin.version):
            raise InputError("the model's plugins are no names of distributions and versions")
        plugins.append(plugin)
    return tuple(plugins)


def look_for(kind: str, name: str, plugins: Iterable[Plugin]) -> Any:
    """What is registered under a name, or an error that says where the model had it from.

    Parameters
    ----------
    kind, name : str
    plugins : iterable of `~euclid_resolved.plugins.Plugin`
        Those that the model was made with.

    Returns
    -------
    value : object

    Raises
    ------
    PluginError
        If it cannot be used.
    """
    try:
        return lookup(kind, name)
    except PluginError as error:
        for plugin in plugins:
            if (plugin.kind, plugin.name) == (kind, name):
                raise PluginError(f"needs {_needed(plugin, error)}") from error
        raise


def _needed(plugin, error):
    what = f"{kind_word(plugin.kind)} {plugin.name!r}"
    if plugin.distribution == SESSION:
        return f"{what}, registered for a session only (plugins.register): register or install it first"
    here = _installed(plugin.distribution)
    if here is None:
        return f"{what} of {brought(plugin)}: {how_to_install(plugin.distribution)}"
    if here == plugin.version:
        return f"{what} of {brought(plugin)}, which is installed but does not offer it ({error})"
    command = how_to_install(plugin.distribution, plugin.version)
    return f"{what} of {brought(plugin)}, here is {here}: {command} ({error})"


def _installed(distribution):
    for row in describe():
        if row.distribution == distribution:
            return row.version
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def changed_since(kinds: Iterable[tuple[str, str]], plugins: Iterable[Plugin]) -> str:
    """What has changed about some plugins since a model was made, for the end of a message.

    Parameters
    ----------
    kinds : iterable of (str, str)
        Kind and name of each.
    plugins : iterable of `~euclid_resolved.plugins.Plugin`
        Those that the model was made with.

    Returns
    -------
    words : str
    """
    return "; ".join(_changes(set(kinds), plugins)) or "train again, or install what the model was made with"


def _changes(kinds: set[tuple[str, str]], plugins: Iterable[Plugin]) -> Iterator[str]:
    for plugin in plugins:
        now = registered(plugin.kind, plugin.name)
        if (plugin.kind, plugin.name) not in kinds or now is None:
            continue
        if brought(now) != brought(plugin):
            session = plugin.distribution == SESSION
            install = "" if session else f": {how_to_install(plugin.distribution, plugin.version)}"
            yield f"{plugin.name} was of {brought(plugin)}, here it is of {brought(now)}{install}"

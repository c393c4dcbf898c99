"""What a plugin offers, and whether each of it is what its kind has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pluggy

from euclid_resolved._checks import did_you_mean
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.plugins import _hookspecs

__all__ = ["Plugin", "hookimpl"]


hookimpl = pluggy.HookimplMarker("euclid_resolved")
"""Marks a function of a plugin as the implementation of the hook of the same name."""

KINDS = ("features", "estimators", "diagnostics", "relations", "populations", "instruments")
"""What can be registered; the hook for a kind is ``register_<kind>``."""

BUILTIN = "euclid_resolved"
SESSION = "this session"

_wrong: dict[str, Callable[[Any], str]] = {}  # by kind; the rooms that own the kinds bring them
_more_names: dict[str, Callable[[Any], set[str]]] = {}


@dataclass(frozen=True)
class Plugin:
    """One registered name, or a distribution that failed to register any.

    Attributes
    ----------
    kind : str
        ``features``, ``estimators``, ``diagnostics``, ``relations``, ``populations`` or ``instruments``;
        empty for a plugin that could not be loaded.
    name : str
        The registered name, or the entry point's.
    distribution, version : str
        Who brought it; ``this session`` and an empty text for what `register` did.
    status : str
        ``ok``, or what is wrong.
    value : object
        What was registered; None where there is nothing usable.

    Examples
    --------
    >>> from euclid_resolved.plugins import describe
    >>> linear = next(plugin for plugin in describe() if plugin.name == "linear")
    >>> linear.kind, linear.distribution, linear.status
    ('estimators', 'euclid_resolved', 'ok')
    """

    kind: str
    name: str
    distribution: str
    version: str
    status: str = "ok"
    value: Any = None


def brought(plugin: Plugin) -> str:
    """Who brought a plugin: its distribution and version."""
    return f"{plugin.distribution} {plugin.version}".rstrip()


def kind_word(kind: str) -> str:
    """One thing of a kind, in words."""
    several = {"features": "set of features", "populations": "library of populations"}
    return several.get(kind, kind.removesuffix("s"))


def said(error: BaseException) -> str:
    """An exception in words; a plugin's own may fail even at that."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


@contextmanager
def blamed(who: str | Callable[[], str], doing: str = "") -> Iterator[None]:
    """Name the plugin that fails, whatever it raises; bad input and a lack of memory are not its fault.

    Parameters
    ----------
    who : str or callable
        Its name, or what gives it; asked only where it is needed.
    doing : str, optional
        What it failed to do.

    Examples
    --------
    >>> from euclid_resolved.errors import PluginError
    >>> from euclid_resolved.plugins._offers import blamed
    >>> try:
    ...     with blamed("mine", "to predict"):
    ...         raise SystemExit(3)
    ... except PluginError as error:
    ...     print(error)
    mine failed to predict: SystemExit: 3
    """
    try:
        yield
    except (InputError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        hint = " (arrays that are handed out are shared: copy one before changing it)"
        hint = hint if "read-only" in said(error) else ""
        raise PluginError(
            f"{who if isinstance(who, str) else who()} failed{doing and ' '}{doing}: {said(error)}{hint}"
        ) from error


def wrong_with(kind: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Mark a function of a room as the one that says, in words, why a thing is none of this kind.

    Rooms that own a kind stand above this one, so that they bring what they know of it.

    Parameters
    ----------
    kind : str

    Returns
    -------
    mark : callable
        Takes and returns the function; that gives an empty text for what is right.
    """

    def mark(function: Callable[[Any], str]) -> Callable[[Any], str]:
        _wrong[kind] = function
        return function

    return mark


def also_named(kind: str) -> Callable[[Callable[[Any], set[str]]], Callable[[Any], set[str]]]:
    """Mark a function of a room as the one that gives the names a thing has besides that of its row.

    No two things of a kind may have one name between them, be it of either sort.

    Parameters
    ----------
    kind : str

    Returns
    -------
    mark : callable
        Takes and returns the function.
    """

    def mark(function: Callable[[Any], set[str]]) -> Callable[[Any], set[str]]:
        _more_names[kind] = function
        return function

    return mark


def names_of(plugin: Plugin) -> list[str]:
    """All names that a usable row claims in its kind, its own first."""
    more = _more_names.get(plugin.kind)
    return [plugin.name, *(sorted(more(plugin.value) - {plugin.name}) if more else ())]


def what_is_wrong(kind: str, value: object) -> str:
    """Why a thing cannot be what its kind is, in words; empty if it can.

    Parameters
    ----------
    kind : str
    value : object
        What a hook offers.

    Returns
    -------
    words : str

    Examples
    --------
    >>> from euclid_resolved import LinearRegression
    >>> from euclid_resolved.plugins._offers import what_is_wrong
    >>> what_is_wrong("estimators", LinearRegression)
    ''
    >>> what_is_wrong("estimators", LinearRegression())
    'an object of LinearRegression is offered, the class itself is needed'
    """
    try:
        return _wrong[kind](value) if kind in _wrong else ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a thing may refuse even to be looked at
        return f"cannot be looked at: {said(error)}"


def offers(module: object, name: str, distribution: str, version: str) -> list[Plugin]:
    """Everything one plugin module offers, as rows; what is broken gives a row that says why.

    Parameters
    ----------
    module : object
        With marked functions.
    name, distribution, version : str
        Of the plugin.

    Returns
    -------
    rows : list of `Plugin`
    """
    row = Plugin("", name, distribution, version)
    # One manager a plugin: what one of them breaks stays its own.
    manager = pluggy.PluginManager("euclid_resolved")
    manager.add_hookspecs(_hookspecs)
    try:
        problem = _unknown_hooks(manager, module)
        if problem:
            return [replace(row, status=problem)]
        manager.register(module)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        return [replace(row, status=str(error).replace("\n", " "))]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may refuse even to say what it has
        return [replace(row, status=f"cannot be looked through: {said(error)}")]
    return [each for kind in KINDS for each in _of_kind(manager, replace(row, kind=kind))]


def _of_kind(manager: pluggy.PluginManager, row: Plugin) -> list[Plugin]:
    """What one hook gives, each looked at."""
    rows = []
    try:
        for offered in getattr(manager.hook, f"register_{row.kind}")():
            if not isinstance(offered, Mapping):
                raise TypeError(f"returned {type(offered).__name__}, a mapping is needed")
            for key, value in offered.items():
                if not isinstance(key, str) or not key:
                    raise TypeError(f"name {key!r} is no text")
                wrong = what_is_wrong(row.kind, value)
                more = {"status": wrong} if wrong else {"value": value}
                rows.append(replace(row, name=key, **more))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything; the others must go on
        rows.append(replace(row, status=f"register_{row.kind} failed: {said(error)}"))
    return rows


def _unknown_hooks(manager: pluggy.PluginManager, module: object) -> str:
    """What is wrong with the marked functions of a module, in words; empty if nothing is."""
    hooks = [f"register_{kind}" for kind in KINDS]
    marked = [name for name in dir(module) if manager.parse_hookimpl_opts(module, name) is not None]
    for name in marked:
        if name not in hooks:
            return f"unknown hook {name!r}{did_you_mean(name, hooks)}"
    if not marked:
        return f"registers nothing: mark one of {', '.join(hooks)} with euclid_resolved.plugins.hookimpl"
    return ""

"""Load plugins on first use, look names up, and say what is there and what is broken."""

from __future__ import annotations

import inspect
import threading
import warnings
from dataclasses import replace
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

from euclid_resolved._checks import did_you_mean
from euclid_resolved.errors import PluginError, PluginWarning
from euclid_resolved.plugins._how_to_install import IN_THE_REPOSITORY, how_to_install
from euclid_resolved.plugins._offers import (
    BUILTIN,
    KINDS,
    SESSION,
    Plugin,
    brought,
    kind_word,
    names_of,
    offers,
    said,
)

__all__ = ["available", "describe", "lookup", "register", "reload", "unregister"]


_lock = threading.RLock()
_loaded: list[Plugin] | None = None
_loading = False
_alone: bool | None = None  # whether only what is built in is installed
_session: list[tuple[object, list[Plugin]]] = []  # what register() was given, each with its rows


def _complain(plugin):
    message = f"plugin {plugin.name!r} of {brought(plugin)}: {plugin.status}"
    warnings.warn(message, PluginWarning, stacklevel=2)


def _kind_of_builtin(row):
    """Where a row stands: what is built in by kind, everything else as it came."""
    return KINDS.index(row.kind) if row.distribution == BUILTIN and row.kind else len(KINDS)


def _builtin_first(item):
    (distribution, name, value), _ = item
    return distribution != BUILTIN, distribution, name, value


def _distribution(entry_point):
    """The name of the distribution that an entry point belongs to."""
    name = entry_point.dist.name if entry_point.dist else "?"
    # Old installers, and packagers, write the hyphen of the index for our underscore.
    return BUILTIN if name.replace("-", "_").lower() == BUILTIN else name


def _load():
    """Load every entry point, one at a time; the package's own come first."""
    # Our own loop: pluggy's stops at the first broken plugin, and drops a second distribution that
    # uses the name of an entry point again. A folder on the path twice must not count twice, though.
    found = {(_distribution(ep), ep.name, ep.value): ep for ep in entry_points(group=BUILTIN)}
    if not any(distribution == BUILTIN for distribution, _, _ in found):
        raise PluginError(
            "the features, estimators and diagnostics of euclid_resolved itself are not registered: the "
            "package is on the path but not installed; run pip install (-e) on its folder"
        )
    rows = []
    for (distribution, name, _), entry_point in sorted(found.items(), key=_builtin_first):
        version = entry_point.dist.version if entry_point.dist else "?"
        try:
            module = entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an import may raise anything
            status = f"cannot be loaded: {said(error)}"
            rows.append(Plugin("", name, distribution, version, status))
            continue
        rows += offers(module, name, distribution, version)
    rows.sort(key=_kind_of_builtin)
    return rows


def _settle(rows):
    """Names that several claim: what is built in keeps its own, any other belongs to no one."""
    owners = {}
    for row in rows:
        if row.value is not None:
            for name in names_of(row):
                owners.setdefault((row.kind, name), []).append(row)
    result = []
    for row in rows:
        names = names_of(row) if row.value is not None else ()
        taken = next((name for name in names if len(owners[row.kind, name]) > 1), None)
        if taken is not None:
            claims = owners[row.kind, taken]
            builtin = next((claim for claim in claims if claim.distribution == BUILTIN), None)
            if builtin is None or row.distribution != BUILTIN:
                row = replace(row, status=_taken(row, taken, claims, builtin), value=None)
        result.append(row)
    return result


def _taken(row, name, claims, builtin):
    word = kind_word(row.kind)
    if builtin is not None:
        whose = f"a built-in {word}" if name == builtin.name else f"the built-in {word} {builtin.name!r}"
        return f"{name!r} is {'the' if name == builtin.name else 'a'} name of {whose}: choose another"
    who = " and ".join(map(brought, claims))
    undo = " or unregister() it" if any(claim.distribution == SESSION for claim in claims) else ""
    which = "the name" if name == row.name else f"the name {name!r}"
    return f"{which} is registered by {who}; uninstall one of them{undo}"


def describe() -> list[Plugin]:
    """Everything that is registered, and every plugin that is broken.

    Returns
    -------
    rows : list of `Plugin`
        Built-ins first.

    Examples
    --------
    >>> from euclid_resolved.plugins import describe
    >>> for plugin in describe():
    ...     if plugin.name in ("colours", "linear", "lofo"):
    ...         print(plugin.kind, plugin.name, plugin.distribution)
    features colours euclid_resolved
    estimators linear euclid_resolved
    diagnostics lofo euclid_resolved
    """
    global _loaded, _loading
    with _lock:
        if _loaded is None:
            if _loading:
                raise PluginError(
                    "plugins are being loaded: a hook, or a module on import, must not ask for others; do "
                    "so where they are used"
                )
            _loading = True
            try:
                rows = _settle(_load() + [row for _, rows in _session for row in rows])
                for row in rows:
                    if row.status != "ok":
                        _complain(row)
                _loaded = rows
            finally:
                _loading = False
        return list(_loaded)


def register(plugin: object) -> None:
    """Offer what a module has hooks for, without installing it: for notebooks and tests.

    It lasts until `unregister`, or until Python ends. A model whose estimator was registered so can be
    written; whoever opens the file has to register or install the estimator first.

    Parameters
    ----------
    plugin : module, object or function
        A module or any other object with functions marked by `hookimpl`, or one such function itself.

    Raises
    ------
    PluginError
        If a hook is unknown or fails, there is none, what it offers is not what its kind has to be, or a
        name is taken. Nothing is registered then.

    Examples
    --------
    >>> from euclid_resolved import plugins
    >>> from euclid_resolved.estimators import Mean
    >>> class Middle(Mean):
    ...     pass
    >>> @plugins.hookimpl
    ... def register_estimators():
    ...     return {"middle": Middle}
    >>> plugins.register(register_estimators)
    >>> plugins.lookup("estimators", "middle")()
    Middle()
    >>> plugins.unregister(register_estimators)
    >>> "middle" in plugins.available("estimators")
    False
    """
    name = getattr(plugin, "__name__", type(plugin).__name__)
    hooks = SimpleNamespace(**{name: plugin}) if inspect.isfunction(plugin) else plugin
    describe()  # the rooms that know what is right come with what is built in
    rows = offers(hooks, name, SESSION, "")
    broken = [row for row in rows if row.status != "ok"]
    problems = [row.status if row.name == name else f"{row.name!r}: {row.status}" for row in broken]
    if problems:
        raise PluginError(f"{name} was not registered: {'; '.join(problems)}")
    with _lock:
        taken = {(row.kind, row.name): row for row in describe()}
        for row in describe():
            more = names_of(row) if row.value is not None else ()
            taken |= {(row.kind, name): row for name in more if (row.kind, name) not in taken}
        for row in rows:
            name = next((name for name in names_of(row) if (row.kind, name) in taken), None)
            if name is not None:
                owner = taken[row.kind, name]
                undo = "unregister() it first" if owner.distribution == SESSION else "choose another name"
                what = f"{kind_word(row.kind)} {row.name!r}"
                what += "" if name == row.name else f": its name {name!r}"
                raise PluginError(f"{what} is registered by {brought(owner)} already; {undo}")
        _session.append((plugin, rows))
        reload()


def unregister(plugin: object = None) -> None:
    """Undo `register`.

    Parameters
    ----------
    plugin : module, object or function, optional
        What `register` was given; everything that the session registered without it.

    Raises
    ------
    PluginError
        If it was not registered.

    Examples
    --------
    >>> from euclid_resolved import plugins
    >>> plugins.unregister()
    >>> [row.name for row in plugins.describe() if row.distribution == "this session"]
    []
    """
    with _lock:
        kept = [] if plugin is None else [each for each in _session if each[0] is not plugin]
        if plugin is not None and len(kept) == len(_session):
            names = ", ".join(row.name for _, rows in _session for row in rows) or "nothing"
            raise PluginError(f"{plugin!r} was not registered in this session; registered: {names}")
        _session[:] = kept
        reload()


def reload() -> None:
    """Forget what was loaded, so that the next look-up finds newly installed plugins.

    What `register` added stays.

    Examples
    --------
    >>> from euclid_resolved.plugins import available, reload
    >>> reload()
    >>> "linear" in available("estimators")
    True
    """
    global _alone, _loaded
    with _lock:
        _alone = _loaded = None


def available(kind: str) -> dict[str, Any]:
    """The names that can be used.

    Parameters
    ----------
    kind : {"features", "estimators", "diagnostics", "relations", "populations", "instruments"}

    Returns
    -------
    values : dict of str to object

    Examples
    --------
    >>> from euclid_resolved.plugins import available
    >>> {"bands", "colours", "flux_ratios"} <= set(available("features"))
    True
    """
    return {row.name: row.value for row in describe() if row.kind == kind and row.value is not None}


def of_plugins(kind: str) -> dict[str, Any]:
    """What plugins offer of a kind beside what is built in; nothing while plugins are being loaded.

    For what is there without any plugin, so that nothing is loaded where none is installed.

    Parameters
    ----------
    kind : str

    Returns
    -------
    values : dict of str to object

    Examples
    --------
    >>> from euclid_resolved.plugins._registry import of_plugins
    >>> "linear" in of_plugins("estimators")
    False
    """
    global _alone
    with _lock:
        if _loading:
            return {}
        if _loaded is None:
            if _alone is None:
                _alone = all(ep.dist and ep.dist.name == BUILTIN for ep in entry_points(group=BUILTIN))
            if _alone and not _session:
                return {}
        rows = describe()
    return {
        row.name: row.value
        for row in rows
        if row.kind == kind and row.value is not None and row.distribution != BUILTIN
    }


def lookup(kind: str, name: str) -> Any:
    """What is registered under a name.

    Parameters
    ----------
    kind : {"features", "estimators", "diagnostics", "relations", "populations", "instruments"}
    name : str

    Returns
    -------
    value : object

    Raises
    ------
    PluginError
        If nothing, or more than one thing, is registered under this name. Where a plugin of the repository
        offers the name and is not installed, the message says how to install it.

    Examples
    --------
    >>> from euclid_resolved.plugins import lookup
    >>> lookup("estimators", "linear")()
    LinearRegression()
    >>> try:
    ...     lookup("estimators", "lineal")
    ... except ValueError as error:
    ...     print(str(error).split(";")[0])
    no estimator 'lineal'
    """
    found = available(kind)
    if isinstance(name, str) and name in found:
        return found[name]
    word = kind_word(kind)
    for row in describe():
        if row.kind == kind and row.name == name:
            raise PluginError(f"{word} {name!r}: {row.status}")
    owner = IN_THE_REPOSITORY.get((kind, name)) if isinstance(name, str) else None
    hint = did_you_mean(name, found)
    if owner is not None:
        hint = f"; {name!r} comes with {owner}: {how_to_install(owner)}"
    broken = sorted({row.distribution for row in describe() if row.status != "ok"})
    hint += f" (not loaded: {', '.join(broken)})" if broken else ""
    raise PluginError(f"no {word} {name!r}; there are {', '.join(sorted(found)) or 'none'}{hint}")


def registered(kind: str, name: str) -> Plugin | None:
    """The row of a name that can be used; None where there is no such.

    Parameters
    ----------
    kind, name : str

    Returns
    -------
    row : `Plugin` or None

    Examples
    --------
    >>> from euclid_resolved.plugins._registry import registered
    >>> registered("estimators", "linear").distribution
    'euclid_resolved'
    """
    rows = (row for row in describe() if (row.kind, row.name) == (kind, name) and row.value is not None)
    return next(rows, None)

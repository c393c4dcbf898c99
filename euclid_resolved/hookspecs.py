"""The hooks through which features, estimators, diagnostics and relations come in.

A plugin is a module with functions of these names, each marked with
``euclid_resolved.plugins.hookimpl``, and an entry point of the group ``euclid_resolved`` that names the
module. The built-in ones use the same door (`euclid_resolved.builtin`).

Every hook takes no argument and returns a mapping of names to objects. Names are unique over all
plugins, so the order in which plugins are loaded never matters.
"""

import pluggy

__all__ = ["register_features", "register_estimators", "register_diagnostics", "register_relations"]

hookspec = pluggy.HookspecMarker("euclid_resolved")


@hookspec
def register_features():
    """Offer sets of features.

    Returns
    -------
    features : mapping of str to `~euclid_resolved.features.FeatureSet`
    """


@hookspec
def register_estimators():
    """Offer estimators.

    Returns
    -------
    estimators : mapping of str to type
        Classes derived from `~euclid_resolved.estimators.Estimator`, dataclasses whose fields are their
        settings, usable without any argument.
    """


@hookspec
def register_diagnostics():
    """Offer diagnostics: ways to find out what a model leans on.

    Returns
    -------
    diagnostics : mapping of str to callable
        Functions ``diagnostic(model, training, test, **options)`` that return a
        `~astropy.table.QTable`; `training` and `test` are lists of `~euclid_resolved.Galaxy`.
    """


@hookspec
def register_relations():
    """Offer published resolved mass-metallicity relations.

    Returns
    -------
    relations : mapping of str to `~astropy.table.Table`
        Tables with the columns ``log_density`` and ``log_metallicity``, and in ``meta`` the keys
        ``reference``, ``weighting``, ``imf`` and ``solar_metallicity``.
    """

"""The door of a room: its public names, each imported when it is first used."""

import difflib

import lazy_loader


def lazy_names(package, file):
    """What ``__init__.py`` of a package needs, from the stub that lies beside it.

    Parameters
    ----------
    package : str
        ``__name__`` there.
    file : str
        ``__file__`` there; the stub has the ending ``.pyi``.

    Returns
    -------
    getattr, dir : callable
        For the module's ``__getattr__`` and ``__dir__``.
    names : list of str
        For its ``__all__``.

    Examples
    --------
    >>> import euclid_resolved
    >>> "train" in dir(euclid_resolved)
    True
    >>> try:
    ...     euclid_resolved.trian
    ... except AttributeError as error:
    ...     print(error)
    module 'euclid_resolved' has no attribute 'trian'; did you mean 'train'?
    """
    get, list_names, names = lazy_loader.attach_stub(package, file)

    def find(name):
        if name not in names:
            # Not through _checks, which needs Astropy.
            guess = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {guess[0]!r}?" if guess else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}")
        return get(name)

    return find, list_names, names

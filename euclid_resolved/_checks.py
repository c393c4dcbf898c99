"""What was given, checked at the edge: a message says what was wrong, what was given, what is possible."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from astropy.units import Quantity


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown name.

    Parameters
    ----------
    name : object
        What was given.
    known : iterable of str

    Returns
    -------
    hint : str
        The known name that looks like it, or nothing.

    Examples
    --------
    >>> from euclid_resolved._checks import did_you_mean
    >>> did_you_mean("linaer", ["linear", "ridge"])
    "; did you mean 'linear'?"
    """
    guess = difflib.get_close_matches(str(name), [str(each) for each in known], 1)
    return f"; did you mean {guess[0]!r}?" if guess else ""


def check_angle(what: str, value: Quantity | float) -> float:
    """An angle in degrees, from one with a unit or from a plain number of degrees.

    Parameters
    ----------
    what : str
        Its name.
    value : `~astropy.units.Quantity` or float

    Returns
    -------
    degrees : float

    Raises
    ------
    InputError
        If it is no single, finite angle.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved._checks import check_angle
    >>> check_angle("inclination", 30), check_angle("inclination", 30 * u.arcmin)
    (30.0, 0.5)
    """
    import astropy.units as u

    try:
        angle = u.Quantity(value)
        degrees = float(angle.value if angle.unit == u.dimensionless_unscaled else angle.to_value(u.deg))
    except (TypeError, ValueError):  # astropy's errors of units are among them
        degrees = float("nan")
    if not math.isfinite(degrees):
        raise InputError(f"{what} must be one angle, as 30 * u.deg or 30 (degrees), got {value!r}")
    return degrees


def check_name(name: object, known: Iterable[str], what: str, have: str = "known are") -> None:
    """Refuse a name that is not known.

    Parameters
    ----------
    name : object
        What was given.
    known : iterable of str
    what : str
        What it should name, for example ``"property"``.
    have : str, optional
        What comes before the known names.

    Raises
    ------
    InputError
        If it is not among them.

    Examples
    --------
    >>> from euclid_resolved._checks import check_name
    >>> check_name("HE", ["IE", "HE"], "band")
    """
    known = list(known)
    if name not in known:
        listed = ", ".join(known) or "none"
        raise InputError(f"no {what} {name!r}; {have} {listed}{did_you_mean(name, known)}")


def check_names(names: Iterable[str], what: str) -> tuple[str, ...]:
    """Several names as a tuple; one text is refused, for it would count as the sequence of its letters.

    Parameters
    ----------
    names : sequence of str
    what : str
        What they name, in the plural.

    Returns
    -------
    names : tuple

    Raises
    ------
    InputError
        If it is a text, or no sequence.

    Examples
    --------
    >>> from euclid_resolved._checks import check_names
    >>> check_names(["IE", "HE"], "bands")
    ('IE', 'HE')
    """
    if isinstance(names, str):
        raise InputError(f"{what} are given as a sequence of names: ({names!r},), not {names!r}")
    try:
        return tuple(names)
    except TypeError:
        raise InputError(f"{what} are given as a sequence of names, not {names!r}") from None


def check_positive(what: str, value: Any, zero: bool = False) -> float:
    """Refuse what is no finite number above zero.

    Parameters
    ----------
    what : str
        Its name.
    value : object
    zero : bool, optional
        Take zero as well.

    Returns
    -------
    value : float

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> from euclid_resolved.estimators import check_positive
    >>> check_positive("depth", 2)
    2.0
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not (0 < value < math.inf or (zero and value == 0)):
        least = "of at least 0" if zero else "above 0"
        raise InputError(f"{what} must be a number {least}, got {value!r}")
    return float(value)


def check_type(value: object, kind: type, hint: str = "") -> None:
    """Refuse what is not of a kind.

    Parameters
    ----------
    value : object
    kind : type
    hint : str, optional
        What to do about it.

    Raises
    ------
    InputError
        If it is of another kind.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression
    >>> from euclid_resolved._checks import check_type
    >>> from euclid_resolved.estimators import Estimator
    >>> check_type(LinearRegression(), Estimator)
    """
    if isinstance(value, kind):
        return
    given = value if isinstance(value, type) else type(value)
    # A private module behind a room is nothing that a user can import.
    module = given.__module__.partition("._")[0]
    name = given.__name__ if module == "builtins" else f"{module}.{given.__name__}"
    if given is value:
        name = f"the class {name}: call it, {given.__name__}(...)"
    elif isinstance(value, str):
        name = f"the text {value[:80]!r}"
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    raise InputError(f"{article} {kind.__name__} is needed, got {name}" + (f"; {hint}" if hint else ""))


def check_whole(what: str, value: object, least: int = 1) -> None:
    """Refuse what is no whole number, or too small.

    Parameters
    ----------
    what : str
        Its name.
    value : object
    least : int, optional

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> from euclid_resolved.estimators import check_whole
    >>> check_whole("n_trees", 100)
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{what} must be a whole number and at least {least}, got {value!r}")


def read_only(array: Any) -> np.ndarray:
    """A view of an array that cannot be written through: what plugins are handed.

    Parameters
    ----------
    array : `~numpy.ndarray`

    Returns
    -------
    view : `~numpy.ndarray`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved._checks import read_only
    >>> read_only(np.zeros(3)).flags.writeable
    False
    """
    import numpy as np

    if type(array) in (np.ndarray, np.memmap) and not array.flags.writeable:
        return array
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view

"""The options of a prediction, checked before anything is read or computed."""

from __future__ import annotations

import numbers
from typing import cast

from euclid_resolved._checks import check_positive, check_whole
from euclid_resolved.errors import InputError


def check_options(draws: object, seed: object, level: object, min_sn: object, first_row: object = 0) -> None:
    """Refuse options of `~euclid_resolved.Model.predict_maps` that are of no use.

    Parameters
    ----------
    draws, seed, level, min_sn, first_row
        See there.

    Raises
    ------
    InputError
        If one of them is not what it must be.

    Examples
    --------
    >>> from euclid_resolved.models._options import check_options
    >>> try:
    ...     check_options(draws="2", seed=1, level=0.68, min_sn=3)
    ... except ValueError as error:
    ...     print(error)
    draws must be a whole number and at least 0, got '2'
    """
    check_whole("draws", draws, 0)
    if draws == 1:
        raise InputError("a scatter needs at least 2 draws, got 1")
    check_whole("seed", seed, 0)
    if int(cast("int", seed)) >= 2**64:
        raise InputError(f"seed must be below 2**64, got {seed}")
    check_whole("first_row", first_row, 0)
    if not isinstance(level, numbers.Real) or isinstance(level, bool) or not 0 < float(level) < 1:
        raise InputError(f"level must be a number between 0 and 1, as 0.68, got {level!r}")
    check_min_sn(min_sn)


def check_min_sn(min_sn: object) -> None:
    """Refuse a signal-to-noise ratio that is neither None nor a number of at least 0.

    Parameters
    ----------
    min_sn : object

    Raises
    ------
    InputError
        If it is something else.
    """
    if min_sn is not None:
        check_positive("min_sn", min_sn, zero=True)

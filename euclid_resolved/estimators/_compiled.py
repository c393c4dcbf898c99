"""Loops compiled by Numba; imported only when a forest is grown or run.

Compiled code is kept on disk, so that it is made once a machine and version. Where no folder can be written
to, it is made anew by every process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["kernel"]


inner = njit(nogil=True, error_model="numpy")  # for what only kernels call: it becomes part of them


def kernel(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a function at its first call, and keep the result on disk if there is a place for it.

    Parameters
    ----------
    function : callable
        What Numba can compile without Python objects.
    **options
        Further options of `numba.njit`.

    Returns
    -------
    compiled : callable

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators import kernel
    >>> def total(x):
    ...     s = 0.0
    ...     for value in x:
    ...         s += value
    ...     return s
    >>> kernel(total, cache=False)(np.arange(4.0))
    6.0
    """
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        compiled = njit(**{"cache": True, **options})(function)
    except RuntimeError:  # Numba found no folder that can be written to
        return njit(**options)(function)

    @functools.wraps(function)
    def call(*args):
        try:
            return compiled(*args)
        except OSError:  # compiled, but not kept: the disk is full, say
            return compiled(*args)

    return call

"""Run independent fits side by side: on workers, or on the cores that one of them leaves idle."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from euclid_resolved.estimators._workers import at_hand

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MEMORY = 2**31  # bytes that the training sets of fits at work may take together
_here = threading.local()


class _Stopped(Exception):
    """Raised in a thread whose result nobody waits for any more."""


def fits_at_once(model: Model, n: int) -> int:
    """How many models can be trained at once without more threads than cores.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Its estimator says how many threads a fit takes (`~euclid_resolved.Estimator.threads`).
    n : int
        The number of pixels that a fit learns from and is tried on. Each fit has a training set of its own,
        of 4 bytes for each pixel and column, property, place in it, and order; all stay below 2 GiB.

    Returns
    -------
    number : int
        One, where an estimator takes all cores or cannot tell.

    Examples
    --------
    >>> from euclid_resolved import RandomForest, train
    >>> from euclid_resolved.estimators._side_by_side import fits_at_once
    >>> from euclid_resolved.testing import example_galaxies
    >>> model = train(example_galaxies(), estimator=RandomForest(n_trees=5, n_jobs=-1))
    >>> fits_at_once(model, 1000)
    1
    """
    threads = next(iter(model.outputs.values())).estimator.threads
    if threads is None:
        return 1
    each = 4 * n * (len(model.columns) + len(model.properties) + 2)
    return max(min(_cores() // threads, _MEMORY // max(each, 1)), 1)


def _cores():
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    at_once: int,
    *,
    what: str,
    unit: str = "fit",
) -> Iterator[_Result]:
    """Yield ``function(item)`` for each item in turn, and work on the next ones meanwhile.

    Where workers are at hand (`on_workers`) they do it, whatever `at_once` is. What comes is the same, and in
    threads no more results than `at_once` wait to be taken. An
    interrupt, or an error, stops the others: those not begun at once, those at work where they call
    `stop_if_asked` (a forest between two trees).

    Parameters
    ----------
    function : callable
        Of one item; run in threads where `at_once` is above one.
    items : iterable
    at_once : int
    what : str
        Said before the progress bar, which is silent off a terminal.
    unit : str, optional

    Yields
    ------
    result
        In the order of the items.

    Examples
    --------
    >>> from euclid_resolved.estimators._side_by_side import side_by_side
    >>> list(side_by_side(lambda number: number**2, (1, 2, 3), 2, what="squaring", unit="number"))
    [1, 4, 9]
    """
    from tqdm import tqdm

    items, workers = list(items), at_hand()
    if workers is None:
        results = map(function, items) if at_once == 1 else _in_threads(function, items, at_once)
    else:
        results = _on(workers, function, items)
    yield from tqdm(results, total=len(items), desc=what, unit=unit, disable=None, leave=False)


def _on(workers, function, items):
    """Results of workers in the order of the items; the first that is an error ends it."""
    for _, outcome in workers.spread(function, items, in_order=True):
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome


def _in_threads(function, items, at_once):
    stop, pool, ahead = threading.Event(), ThreadPoolExecutor(at_once), iter(items)

    def work(item):
        _here.stop = stop
        stop_if_asked()
        return function(item)

    try:
        waiting = deque(pool.submit(work, item) for item in islice(ahead, at_once))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(ahead, 1))
            yield result
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def stop_if_asked() -> None:
    """End here if this is one of several fits side by side that are to stop; for loops that take long.

    Examples
    --------
    >>> from euclid_resolved.estimators._side_by_side import stop_if_asked
    >>> stop_if_asked()  # nobody has asked
    """
    stop = getattr(_here, "stop", None)
    if stop is not None and stop.is_set():
        raise _Stopped

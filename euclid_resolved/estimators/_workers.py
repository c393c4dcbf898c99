"""The workers of a Dask cluster: they are given independent pieces of work, in one way for all commands."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Any

from euclid_resolved._checks import check_whole
from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError

PACKAGE = "euclid_resolved"
LOOK = 2.0
"""Seconds after which the workers are counted again."""
PATIENCE = 30.0
"""Seconds that a scheduler may take to answer, and that may pass until it has a worker."""

_here = threading.local()


class WorkerDied(Exception):
    """A piece of work took its worker with it, when it was alone with it, too."""

    def __init__(self) -> None:
        super().__init__("its worker died, alone with it too: out of memory, or killed from outside?")


class SchedulerGone(InputError):
    """The scheduler went away while pieces of work were waiting for it."""

    def __init__(self) -> None:
        super().__init__("the Dask scheduler is gone, or has dropped the work; call again when it is back")


class Workers:
    """The workers that are at hand, by the client that knows them.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def spread(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        ahead: int | None = None,
        in_order: bool = False,
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number of each item and what ``function(item)`` gave, or the exception that it raised.

        A piece whose worker dies may have been innocent: all such pieces are tried again, one at a time, so
        that only a piece that takes its worker with it when it is alone is given up, as a `WorkerDied`.
        Nothing of the others is done again. Pieces that nobody waits for any more are cancelled.

        Parameters
        ----------
        function : callable
            Of one item. What it holds is sent once to each worker that needs it.
        items : iterable
            Taken when it is their turn.
        ahead : int, optional
            The most pieces that lie ready or are at work for each thread of the workers, where items or
            results are large; all of them without it.
        in_order : bool, optional
            Yield in the order of the items. As they are done without it.

        Yields
        ------
        number : int
            Of the item, from 0.
        outcome : object
        """
        from distributed import CancelledError, KilledWorker, as_completed

        client = self._client
        shared, done = client.submit(_itself, function, pure=False), as_completed(loop=client.loop)
        left, most, looked = enumerate(items), None, -math.inf
        active: dict[str, tuple[int, Any]] = {}
        killed: list[tuple[int, Any]] = []
        futures, ready = {}, {}
        begun = told = 0
        exhausted = alone = False

        def submit(number, item):
            future = client.submit(_call, shared, item, pure=False)
            active[future.key], futures[future.key] = (number, item), future
            done.add(future)

        try:
            while True:
                if ahead is not None and time.monotonic() - looked > LOOK:
                    most, looked = ahead * self.threads(), time.monotonic()  # more workers may have come
                while not (alone or exhausted) and (
                    most is None or (len(active) < most and begun - told < 2 * most)
                ):
                    following = next(left, None)
                    if following is None:
                        exhausted = True
                    else:
                        submit(*following)
                        begun += 1
                if not active:
                    if not killed:
                        return
                    submit(*killed.pop(0))
                    alone = True
                future = next(done)
                number, item = active.pop(future.key)
                del futures[future.key]
                if future.cancelled():
                    raise SchedulerGone
                try:
                    error = future.exception()
                    outcome = future.result() if error is None else error
                except (OSError, CancelledError) as problem:  # it went between the news and the result
                    raise SchedulerGone from problem
                if isinstance(error, KilledWorker):
                    if not alone:
                        killed.append((number, item))
                        continue
                    outcome = WorkerDied()
                alone = False
                del future
                if not in_order:
                    told += 1
                    yield number, outcome
                    continue
                ready[number] = outcome
                while told in ready:
                    told += 1
                    yield told - 1, ready.pop(told - 1)
        finally:
            client.cancel([*futures.values(), shared])

    def threads(self) -> int:
        """How many pieces of work they take side by side."""
        try:
            return max(sum(self._client.nthreads().values()), 1)
        except OSError as problem:
            raise SchedulerGone from problem


def _itself(value):
    return value


def _call(function, item):
    """Do one piece of work, in a worker: one thread is its share."""
    _here.share = 1
    try:
        return function(item)
    finally:
        del _here.share


def at_hand() -> Workers | None:
    """The workers that `on_workers` has made ready for this thread; None where there are none.

    Examples
    --------
    >>> from euclid_resolved.estimators._workers import at_hand
    >>> at_hand() is None
    True
    """
    return getattr(_here, "workers", None)


def thread_share() -> int | None:
    """How many threads a piece of work may use in the worker that it is in; None outside of one.

    Examples
    --------
    >>> from euclid_resolved.estimators._workers import thread_share
    >>> thread_share() is None
    True
    """
    return getattr(_here, "share", None)


def check_workers(workers: int | None, scheduler: str | None) -> bool:
    """Whether workers are wanted; refuse a wrong number, both ways at once, and a lack of Dask.

    Parameters
    ----------
    workers : int or None
    scheduler : str or None

    Returns
    -------
    wanted : bool

    Raises
    ------
    InputError
        If both are given, `workers` is no positive whole number, or Dask is not installed.

    Examples
    --------
    >>> from euclid_resolved.estimators._workers import check_workers
    >>> check_workers(None, None)
    False
    """
    if workers is not None and scheduler is not None:
        raise InputError("give the number of workers to start, or the address of a scheduler, not both")
    if workers is not None:
        check_whole("workers", workers)
    if workers is None and scheduler is None:
        return False
    try:
        import dask  # noqa: F401
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(f"workers need Dask ({error}): pip install 'euclid_resolved[dask]'") from None
    return True


@contextmanager
def on_workers(
    workers: int | None = None,
    scheduler: str | None = None,
    most: int | None = None,
    patience: float | None = None,
) -> Iterator[Workers | None]:
    """Have workers at hand for whatever is called inside: `at_hand` gives them.

    Without a number and without an address nothing changes: workers that an outer call has at hand stay so.

    Parameters
    ----------
    workers : int, optional
        How many processes to start here, of one thread each.
    scheduler : str, optional
        The address of a scheduler, in place of `workers`.
    most : int, optional
        No more processes than this can be of use.
    patience : float, optional
        Seconds that a scheduler may take to answer and to have a worker; ten without it.

    Yields
    ------
    workers : `Workers` or None

    Raises
    ------
    InputError
        For what `check_workers` refuses, if no scheduler answers within half a minute, it has no worker, or a
        worker has another version of this package.

    Examples
    --------
    >>> from euclid_resolved.estimators._workers import on_workers
    >>> with on_workers() as none:
    ...     print(none)
    None
    """
    if not check_workers(workers, scheduler):
        yield at_hand()
        return
    before = at_hand()
    with _client(workers, scheduler, most, PATIENCE if patience is None else patience) as client:
        _here.workers = Workers(client)
        try:
            yield _here.workers
        finally:
            _here.workers = before


@contextmanager
def _client(workers, scheduler, most, patience) -> Iterator[Any]:
    """A client of a cluster of one's own, or of a scheduler that is there and has workers."""
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        # A tree travels with its own pixels: such a piece of work is meant to be large.
        settings: dict[str, Any] = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
        if scheduler is None:
            # One thread a process, in its libraries too. Not the setting of malloc that is Dask's default:
            # it makes the estimators' many short-lived arrays twice as dear. A piece whose worker died is
            # tried again here, alone, and not by the scheduler among others.
            single = {f"{name}_NUM_THREADS": 1 for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
            settings |= {
                "distributed.nanny.pre-spawn-environ": single,
                "distributed.scheduler.allowed-failures": 0,
            }
            stack.enter_context(dask.config.set(settings))
            with _children_leave_interrupts_to_us():
                cluster = LocalCluster(
                    n_workers=workers if most is None else max(min(workers, most), 1), threads_per_worker=1,
                    processes=True, dashboard_address=":0", silence_logs=50,
                )  # fmt: skip
            stack.enter_context(cluster)
            yield stack.enter_context(Client(cluster))
            return
        stack.enter_context(dask.config.set(settings))
        own = logging.getLogger("distributed.client")
        stack.callback(own.setLevel, own.level)
        try:
            client = stack.enter_context(Client(scheduler, timeout=patience))
        except (OSError, ValueError, TypeError) as error:  # a refused address, or none at all
            raise InputError(
                f"no Dask scheduler answers at {scheduler!r} within {patience:.0f} s: {error or 'time-out'}; "
                "an address looks like tcp://host:8786"
            ) from error
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError as error:
            message = f"the Dask scheduler at {scheduler} has no worker after {patience:.0f} s"
            raise InputError(f"{message}; start some with `dask worker`") from error
        _check_packages(client)
        try:
            yield client
        except SchedulerGone:
            own.setLevel(logging.CRITICAL)  # the client's own account of it is a traceback
            raise


def _check_packages(client) -> None:
    """Refuse workers that have another version of this package, or none: they would never answer."""
    for address, found in client.run(version, PACKAGE, on_error="return").items():
        if isinstance(found, Exception):
            raise InputError(f"the worker {address} has no {PACKAGE}: install {__version__} there ({found})")
        if found != __version__:
            raise InputError(f"the worker {address} has {PACKAGE} {found}, this process {__version__}")


@contextmanager
def _children_leave_interrupts_to_us():
    """Ctrl-C reaches every process of a terminal; the workers' own tracebacks would say nothing new."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

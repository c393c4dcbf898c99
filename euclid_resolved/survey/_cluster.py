"""The workers of a Dask cluster: pieces are given to them, and no worker that dies costs another's piece."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Any

from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError
from euclid_resolved.survey._piece import map_piece, row_of

PACKAGE = "euclid_resolved"
PATIENCE = 10.0
"""Seconds that a scheduler may take to answer, and that may pass until it has a worker."""


def spread(
    pieces: list[dict[str, Any]], workers: int | None, scheduler: str | None, done: Callable[[dict], None]
) -> dict[str, dict[str, Any]]:
    """Map pieces on the workers of a cluster of this machine, or on those of a scheduler.

    A piece whose worker dies may have been innocent: all such pieces are tried again, one at a time, so that
    only a piece that takes its worker with it when it is alone is given up.

    Parameters
    ----------
    pieces : list of dict
        As `map_piece` takes them.
    workers : int or None
        How many workers to start here.
    scheduler : str or None
        The address of a scheduler, in place of `workers`.
    done : callable
        Told of each row of the report as it comes.

    Returns
    -------
    rows : dict of str to dict
        By the piece's name.

    Raises
    ------
    InputError
        If Dask is not installed, no scheduler answers or it has no worker, or a worker's model is wrong.
    """
    try:
        import dask  # noqa: F401
        from distributed import KilledWorker, as_completed
    except ImportError as error:
        raise InputError(f"workers need Dask ({error}): pip install 'euclid_resolved[dask]'") from None

    rows: dict[str, dict[str, Any]] = {}

    def finish(row):
        rows[row["name"]] = row
        done(row)

    def collect(client, some):
        """Rows of some pieces; those whose workers died are given back."""
        futures = client.map(map_piece, some, pure=False)
        of = {future.key: piece for future, piece in zip(futures, some, strict=True)}
        killed = []
        for future in as_completed(futures):
            piece = of[future.key]
            try:
                finish(future.result())
            except InputError:  # what is wrong with one worker's model is wrong with the run
                client.cancel(futures)
                raise
            except KilledWorker:
                killed.append(piece)
            except Exception as error:
                finish(row_of(piece["name"], "failed", message=f"{type(error).__name__}: {error}"))
        return killed

    with _client(workers, scheduler, len(pieces)) as client:
        for suspect in collect(client, pieces):
            if collect(client, [suspect]):
                message = "its worker died, alone with it too: out of memory, or killed from outside?"
                finish(row_of(suspect["name"], "failed", message=message))
    return rows


@contextmanager
def _client(workers, scheduler, most) -> Iterator[Any]:
    """A client of a cluster of one's own, or of a scheduler that is there and has workers."""
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        if scheduler is None:
            # One thread a process, in its libraries too. Not the setting of malloc that is Dask's default:
            # it makes the estimators' many short-lived arrays twice as dear. A piece whose worker died is
            # tried again here, alone, and not by the scheduler among others.
            single = {f"{name}_NUM_THREADS": 1 for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
            settings = {
                "distributed.nanny.pre-spawn-environ": single,
                "distributed.scheduler.allowed-failures": 0,
            }
            stack.enter_context(dask.config.set(settings))
            with _children_leave_interrupts_to_us():
                cluster = LocalCluster(
                    n_workers=min(workers, most), threads_per_worker=1, processes=True,
                    dashboard_address=":0", silence_logs=50,
                )  # fmt: skip
            stack.enter_context(cluster)
            yield stack.enter_context(Client(cluster))
            return
        try:
            client = stack.enter_context(Client(scheduler, timeout=PATIENCE))
        except (OSError, ValueError, TypeError) as error:  # a refused address, or none at all
            raise InputError(
                f"no Dask scheduler answers at {scheduler!r} within {PATIENCE:.0f} s: {error or 'time-out'}; "
                "an address looks like tcp://host:8786"
            ) from error
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise InputError(
                f"the Dask scheduler at {scheduler} has no worker after {PATIENCE:.0f} s; start some with "
                "`dask worker`"
            ) from error
        _check_workers(client)
        yield client


def _check_workers(client) -> None:
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

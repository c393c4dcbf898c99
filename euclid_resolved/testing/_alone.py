"""Try what may hang or crash in a process that is killed when it takes too long."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import IO, Any

Case = tuple[str, Callable[[], str]]
"""What is tried, and a function that tries it and says what is wrong, or nothing."""

_FEWEST = 5.0  # seconds that the first case has in a fork, where libraries may wait for threads that are gone
_FRESH = 120.0  # the same in a new interpreter, which has everything to import
_CODE = (
    "import json, sys; sys.path[:], again = json.loads(sys.argv[1]); "
    "from euclid_resolved.testing._damage import in_a_new_process; in_a_new_process(again)"
)


def tried(cases: Callable[[], Iterator[Case]], again: dict[str, Any] | None, patience: float) -> str:
    """Try cases one after the other in another process; what is wrong with the first that fails.

    Parameters
    ----------
    cases : callable
        Gives the cases, the first of them one without fault.
    again : dict or None
        What a new interpreter needs to make the same cases, of numbers, text and lists; None where it cannot.
    patience : float
        Seconds for each.

    Returns
    -------
    wrong : str
        Empty if nothing is.

    Notes
    -----
    The process is a fork, so that anything can be tried: a class that was written in a notebook cannot be
    found by its name elsewhere. Of threads, a fork has none; a library that waits for its own (OpenMP of
    GCC, TensorFlow) would wait for ever. So a fork is believed only after the first case went well in it.
    Where it does not, or where there are no forks (Windows), a new interpreter takes its place. Where that
    cannot find the class, a thread of this process is left, and one that hangs in compiled code stays.
    """
    if hasattr(os, "fork"):
        began = time.perf_counter()
        what, first = next(cases())
        if wrong := first():
            return f"{what}: {wrong}"
        answer = _followed(_Fork(cases()), max(_FEWEST, 10 * (time.perf_counter() - began)), patience)
        if answer is not None:
            return answer
    if again is not None:
        answer = _followed(_new(again), _FRESH, patience)
        if answer is not None:
            return answer
    return _in_a_thread(cases(), patience)


def report(cases: Iterator[Case], out: IO[str]) -> None:
    """Try cases in order; write a line on what is tried, and, of the first that fails, on what is wrong."""
    for what, attempt in cases:
        _say(out, what)
        wrong = attempt()
        if wrong:
            return _say(out, what, wrong)
    _say(out)


def _say(out, *words):
    out.write(json.dumps(words) + "\n")
    out.flush()


def _followed(process: _Fork | subprocess.Popen[str], first: float, patience: float) -> str | None:
    """What is wrong, from what a process reports; None where not even its first case went well."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read(stream):
        for line in stream:
            lines.put(line)
        lines.put("")  # what a crash leaves of a line has no end, either

    reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
    reader.start()
    begun, what = 0, ""
    try:
        while True:
            line = lines.get(timeout=first if begun < 2 else patience)
            words = json.loads(line) if line.endswith("\n") else None
            if not words or len(words) > 1:
                break
            begun, what = begun + 1, words[0]
    except queue.Empty:
        return f"{what}: no answer within {patience:g} s" if begun > 1 else None
    finally:
        process.kill()
        status = process.wait()
        reader.join(1)
        # What the process has started may live, and hold its output.
        if process.stdout and not reader.is_alive():
            process.stdout.close()
    if words is None:
        return f"{what}: the process ended with {_ending(status)}" if begun > 1 else None
    if words:
        return f"{what}: {words[1]}" if begun > 1 else None
    return ""


def _ending(status):
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"status {status}"


class _Fork:
    """A copy of this process that tries cases."""

    def __init__(self, cases: Iterator[Case]) -> None:
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: see the notes above
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)  # the same, by JAX
            self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(read)
                with os.fdopen(write, "w") as out:
                    report(cases, out)
            finally:
                os._exit(0)  # nothing of what the parent would do at its end
        os.close(write)
        self.stdout = os.fdopen(read)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _new(again):
    """A new interpreter that makes the cases by itself."""
    words = [sys.executable, "-c", _CODE, json.dumps([sys.path, again])]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def found_elsewhere(kind: type) -> str:
    """The name by which a new interpreter may find a class; empty where it cannot."""
    module, name = kind.__module__, kind.__qualname__
    try:
        known = module != "__main__" and getattr(importlib.import_module(module), name, None) is kind
    except ImportError:
        known = False
    return f"{module}:{name}" if known else ""


def _in_a_thread(cases, patience):
    """The same without another process, for want of one."""
    lines: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def run():
        for what, attempt in cases:
            lines.put((what, ""))
            wrong = attempt()
            if wrong:
                return lines.put((what, wrong))
        lines.put(("", ""))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    what = ""
    while True:
        try:
            tried, wrong = lines.get(timeout=patience)
        except queue.Empty:
            # Ends what loops in Python; what loops in compiled code goes on until this process ends.
            end = ctypes.py_object(SystemExit)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), end)
            return f"{what}: no answer within {patience:g} s, in a thread, for want of a process"
        if wrong or not tried:
            return f"{what}: {wrong}" if wrong else ""
        what = tried

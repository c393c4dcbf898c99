"""What the checks are built of: rules, comparisons, and a watch on side effects."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.plugins._offers import said, what_is_wrong
from euclid_resolved.plugins._registry import describe, lookup

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# How far two ways to the same prediction may lie apart: what a model file allows, too. Different
# sizes of matrix products differ in their last bits.
CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}


def rule(
    checks: list[Callable[[Any], None]], kind: str
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a function one of the checks; the first line of its docstring is the rule."""

    def decorate(function):
        rule = function.__doc__.splitlines()[0].rstrip(".")

        @functools.wraps(function)
        def check(subject):
            name = subject if isinstance(subject, str) else None
            try:
                subject = lookup(kind, name) if name else subject
                subject = subject() if isinstance(subject, type) else subject
                name = name or _name(subject)
                function(subject)
            except (Exception, SystemExit) as error:  # the author shall read which rule it broke
                detail = str(error) if isinstance(error, Broken) else said(error)
                raise AssertionError(f"{name or subject} breaks the rule {rule!r}: {detail}") from error

        checks.append(check)
        return check

    return decorate


def _name(subject):
    """What to call it: a function's or a class's name, or that of the function inside."""
    inside = getattr(subject, "run", None) or getattr(subject, "make", None) or subject
    return getattr(inside, "__name__", type(subject).__name__)


class Broken(Exception):
    """A rule is broken, in words."""


class Unusable(Broken):
    """It is something else altogether: no other rule can be tried on it."""


def try_all(checks: list[Callable[[Any], None]], subject: object) -> None:
    """Try every check, the one of its kind first, and raise all that was found at once."""
    found: list[AssertionError] = []
    for check in checks:
        try:
            check(subject)
        except AssertionError as error:
            found.append(error)
            if len(found) == 1 and check is checks[0] and type(error.__cause__) is not Broken:
                break
    if len(found) == 1:
        raise found[0]
    if found:
        lines = [f"{len(found)} rules are broken", *(str(error) for error in found)]
        raise AssertionError("\n".join(lines)) from found[0].__cause__


def of_its_kind(kind: str, value: object, usable: bool) -> None:
    """Hold a thing to what it is looked at for when it is registered."""
    describe()  # the rooms that know what is right come with what is built in
    wrong = what_is_wrong(kind, value)
    if not usable:
        raise Unusable(wrong or f"it is {type(value).__name__}")
    hold(not wrong, wrong)


def hold(condition: object, otherwise: str) -> None:
    if not condition:
        raise Broken(otherwise)


def same(a: ArrayLike, b: ArrayLike, otherwise: str) -> None:
    hold(np.shape(a) == np.shape(b) and np.allclose(a, b, **CLOSE), otherwise)


def refuses(what: str, function: Callable[..., Any], *args: Any) -> None:
    """Hold a function to raising InputError, nothing else and no answer."""
    try:
        function(*args)
    except InputError:
        return
    except Exception as error:
        raise Broken(f"{what} raised {type(error).__name__} instead of InputError") from error
    raise Broken(f"{what} was accepted")


@contextlib.contextmanager
def global_random_numbers() -> Iterator[None]:
    """Put the global generators back as they were."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """A list that is filled, at the end, with what the block did to the world around it."""
    seen: list[str] = []
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.INFO)
    # No class of handlers is worth one method.
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    root, here = logging.getLogger(), Path.cwd()

    def state():
        return [random.getstate(), repr(np.random.get_state())], [root.level, *root.handlers]

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(global_random_numbers())
        random.seed(folder.name)  # a state that no one else seeds
        np.random.seed(random.getrandbits(32))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        numbers, logger = state()
        os.chdir(folder)
        root.addHandler(handler)
        try:
            with _outputs() as texts:
                yield seen
        finally:
            root.removeHandler(handler)
            os.chdir(here)
        seen += [f"it wrote {path.name}" for path in folder.iterdir()]
        seen += [f"it printed {text[:80]!r}" for text in texts if text]
        seen += [f"it logged {record.getMessage()[:80]!r}" for record in records]
        seen += [f"it warned {str(warning.message)[:80]!r}" for warning in caught]
        seen += ["it drew from the global random numbers"] if numbers != state()[0] else []
        seen += ["it changed the root logger"] if logger != state()[1] else []


@contextlib.contextmanager
def _outputs() -> Iterator[list[str]]:
    """A list that is filled, at the end, with what was printed: by Python, and past it by compiled code."""
    texts: list[str] = []
    files, kept = [tempfile.TemporaryFile() for _ in range(2)], [os.dup(1), os.dup(2)]
    with io.StringIO() as text, contextlib.ExitStack() as stack:
        sys.stdout.flush(), sys.stderr.flush()
        for file, descriptor in zip(files, (1, 2), strict=True):
            os.dup2(stack.enter_context(file).fileno(), descriptor)
        try:
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                yield texts
        finally:
            for saved, descriptor in zip(kept, (1, 2), strict=True):
                os.dup2(saved, descriptor)
                os.close(saved)
            texts.append(text.getvalue().strip())
            for file in files:
                file.seek(0)
                texts.append(file.read().decode(errors="replace").strip())

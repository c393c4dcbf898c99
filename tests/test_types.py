"""Every public function says of what type is what it takes and what it gives."""

import dataclasses
import functools
import importlib
import inspect
from pathlib import Path

import pytest

import euclid_resolved

# The rooms whose types are complete; a room joins the list when its own are.
ROOMS = (
    "cli",
    "diagnostics",
    "errors",
    "estimators",
    "features",
    "images",
    "imaging",
    "io",
    "maps",
    "mock",
    "models",
    "plotting",
    "plugins",
    "study",
    "survey",
    "testing",
    "training",
)
PACKAGE = Path(euclid_resolved.__file__).parent
HOMES = tuple(f"euclid_resolved.{room}" for room in ROOMS)


def function_of(member):
    """The function behind a method of any kind or a property; None for anything else."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, functools.cached_property):
        member = member.func
    member = getattr(member, "__func__", member)
    return member if inspect.isfunction(member) else None


def functions(value):
    """The functions that a public name stands for: itself, or what a class offers, with names."""
    if inspect.isfunction(value):
        yield value.__qualname__, value
    for kind in value.__mro__ if inspect.isclass(value) else ():
        for name, member in vars(kind).items() if kind.__module__.startswith(HOMES) else ():
            special = name.startswith("__") and name.endswith("__")
            function = function_of(member)
            if function is None or (name.startswith("_") and not special):
                continue
            # What dataclasses and named tuples write themselves lies in no file.
            if Path(function.__code__.co_filename).is_relative_to(PACKAGE):
                yield function.__qualname__, function


def lacking(function):
    """The parameters of a function that have no type, and "return" if what it gives has none."""
    signature = inspect.signature(function)
    bare = [p.name for p in signature.parameters.values() if p.annotation is inspect.Parameter.empty]
    bare += ["return"] if signature.return_annotation is inspect.Signature.empty else []
    return [name for name in bare if name not in ("self", "cls")]


def public(room):
    module = importlib.import_module(f"euclid_resolved.{room}")
    return {name: getattr(module, name) for name in module.__all__}


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_and_methods_say_their_types(room):
    found = {name: function for value in public(room).values() for name, function in functions(value)}
    without = {name: lacking(function) for name, function in found.items()}
    assert found
    assert {name: bare for name, bare in without.items() if bare} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_fields_say_what_they_hold(room):
    kinds = [value for value in public(room).values() if dataclasses.is_dataclass(value)]
    fields = {f"{kind.__name__}.{f.name}": f.type for kind in kinds for f in dataclasses.fields(kind)}
    bare = ("dict", "list", "tuple", "set", "Mapping", "Sequence", "Callable")
    assert {name: kind for name, kind in fields.items() if getattr(kind, "__name__", kind) in bare} == {}


def test_what_has_no_type_is_found():
    class Half:
        def method(self, a: int, b, *rest: int, **others) -> int:
            return a

        @property
        def size(self):
            return 1

        @functools.cached_property
        def digest(self) -> str:
            return ""

        @classmethod
        def of(cls, a) -> "Half":
            return cls()

    expected = {"method": ["b", "others"], "size": ["return"], "digest": [], "of": ["a"]}
    assert {name: lacking(function_of(vars(Half)[name])) for name in expected} == expected

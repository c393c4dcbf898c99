"""Rules about the package as a whole: rooms and their doors, light imports, documented names, no pickles."""

import ast
import importlib
import importlib.metadata
import inspect
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

import euclid_resolved

HEAVY = ("numpy", "astropy", "sklearn", "numba", "tensorflow", "keras", "xgboost", "matplotlib", "pandas")
PACKAGE = Path(euclid_resolved.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
NAMES = {room: importlib.import_module(f"euclid_resolved.{room}").__all__ for room in [*ROOMS, "errors"]}


def python(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    "code", ["import euclid_resolved", "import euclid_resolved.io, euclid_resolved.maps"]
)
def test_the_package_and_its_rooms_load_nothing(code):
    done = python(f"{code}\nimport sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert done.stderr == "" and done.stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "from euclid_resolved import *",
        "from euclid_resolved.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass",
    ],
    ids=["every public name", "--help"],
)
def test_no_machine_learning_is_loaded_before_it_is_needed(code):
    done = python(f"{code}\nimport sys; print([m for m in {HEAVY[2:]} if m in sys.modules])")
    assert done.stderr == "" and done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_installation_and_a_tree_without_one_says_so(monkeypatch):
    assert euclid_resolved.__version__ == importlib.metadata.version("euclid_resolved")

    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", nothing)
    assert Version(runpy.run_path(PACKAGE / "citation.py")["__version__"]).local == "unknown"


def test_names_that_are_not_there_are_attribute_errors_with_a_hint():
    with pytest.raises(
        AttributeError, match="'euclid_resolved' has no attribute 'reed'; did you mean 'read'?"
    ):
        getattr(euclid_resolved, "reed")  # noqa: B009
    with pytest.raises(AttributeError, match="'euclid_resolved.maps' has no attribute 'totl'; did you"):
        getattr(euclid_resolved.maps, "totl")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'trian'"):
        from euclid_resolved import trian  # noqa: F401


def names_of(path):
    """What the ``__all__`` of a module holds."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_offers_what_its_modules_do(room):
    modules = [path for path in (PACKAGE / room).rglob("_*.py") if path.name != "__init__.py"]
    offered = {name for path in modules for name in names_of(path)}
    assert offered == set(NAMES[room]), offered ^ set(NAMES[room])
    module = getattr(euclid_resolved, room)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_house_keeps_its_size():
    assert len(list(PACKAGE.glob("*.py"))) <= 6
    assert len(list(PACKAGE.rglob("__init__.py"))) - 1 <= 18
    names = {name for offered in NAMES.values() for name in offered} | set(euclid_resolved.__all__)
    assert len(names - set(ROOMS)) <= 200
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert max(lines.values()) <= 450, max(lines, key=lines.get)
    assert sum(n <= 350 for n in lines.values()) >= 0.9 * len(lines)


@pytest.mark.slow
def test_modules_of_a_room_are_private_and_open_with_a_sentence():
    for path in SOURCES:
        if path.parent != PACKAGE:
            assert path.name.startswith("_"), path
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
        assert first.endswith((".", "?")), f"{path}: {first!r}"


PUBLIC = sorted({(room, name) for room in NAMES for name in NAMES[room]})


def members(name, value):
    """A function or a class and what it offers, with their names."""
    if inspect.isfunction(value) or inspect.isclass(value):
        yield name, value
    if inspect.isclass(value):
        for key, member in vars(value).items():
            member = getattr(member, "__func__", member)
            if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                yield f"{name}.{key}", member


@pytest.mark.parametrize("room, name", PUBLIC, ids=[".".join(pair) for pair in PUBLIC])
def test_public_names_document_their_parameters_and_have_an_example(room, name):
    value = getattr(importlib.import_module(f"euclid_resolved.{room}"), name)
    if inspect.isfunction(value) or inspect.isclass(value):
        assert ">>> " in inspect.getdoc(value), "no example"
    for label, member in members(name, value):
        doc = inspect.getdoc(member)
        assert doc, f"{label} has no docstring"
        if not inspect.isfunction(member) or "; see " in doc:
            continue
        parameters = [
            p for p in inspect.signature(member).parameters if p not in ("self", "cls", "args", "kwargs")
        ]
        if parameters:
            assert "Parameters\n------" in doc, label
        missing = [p for p in parameters if p not in doc]
        assert not missing, f"{label} does not speak of {missing}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_can_open_a_pickle(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False
    assert not imported & {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def test_there_is_no_room_without_a_meaning():
    assert not set(ROOMS) & {"utils", "base", "core", "manager", "registry", "common"}

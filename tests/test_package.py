"""Rules about the package as a whole: light imports, documented names, no pickles."""

import ast
import importlib
import inspect
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.version import Version

import euclid_resolved

HEAVY = ("sklearn", "numba", "tensorflow", "keras", "xgboost", "matplotlib", "pandas")
ROOT = Path(euclid_resolved.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
CORE = [
    "grid", "image", "maps", "galaxy", "quantities", "bands", "features", "scale", "sample", "estimators",
    "forest", "domain", "model", "training", "metrics", "profiles", "plotting", "cli", "quickstart", "errors",
    "plugins", "published", "clip", "columns", "splits", "training_set", "metric_sums", "truth", "io.sample",
    "checks", "comparison", "quick_look", "style", "sky_axes", "html", "seed_scatter", "side_by_side",
]  # fmt: skip


def python(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)


LOADED = f"import sys; print([m for m in {HEAVY} if m in sys.modules])"


@pytest.mark.parametrize(
    "code",
    [
        "import euclid_resolved",
        "from euclid_resolved import *",
        "from euclid_resolved.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass",
    ],
    ids=["import", "every public name", "--help"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code):
    done = python(f"{code}\n{LOADED}")
    assert done.stderr == "" and done.stdout.splitlines()[-1] == "[]"
    if "help" not in code:
        assert done.stdout == "[]\n"  # and an import says nothing


def test_every_public_name_resolves_and_is_documented():
    assert euclid_resolved.__all__ == sorted(euclid_resolved.__all__) == dir(euclid_resolved)
    for name in euclid_resolved.__all__:
        value = getattr(euclid_resolved, name)
        if callable(value):
            assert inspect.getdoc(value), name


def test_the_version_is_what_the_build_wrote_and_a_tree_that_was_never_built_says_so(monkeypatch):
    assert Version(euclid_resolved.__version__)
    built = ModuleType("euclid_resolved._version")
    built.__version__ = "1.2.3"
    monkeypatch.setitem(sys.modules, "euclid_resolved._version", built)
    assert runpy.run_path(ROOT / "version.py")["__version__"] == "1.2.3"
    monkeypatch.setitem(sys.modules, "euclid_resolved._version", None)
    assert Version(runpy.run_path(ROOT / "version.py")["__version__"]).local == "unknown"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'euclid_resolved' has no attribute 'reed'"):
        getattr(euclid_resolved, "reed")  # noqa: B009


def test_every_module_opens_with_a_sentence_and_says_what_it_offers():
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        first = (ast.get_docstring(tree) or "").split("\n\n")[0]
        assert first.endswith((".", "?")), f"{path}: {first!r}"


def public(module):
    """The functions, classes and methods that a module offers, with their names."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            yield name, value
        if inspect.isclass(value):
            for key, member in vars(value).items():
                member = getattr(member, "__func__", member)
                if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{name}.{key}", member


# Sets of features all take and give what `FeatureSet.make` says.
FEATURE_SETS = {"bands", "colours", "squared_colours", "flux_ratios"}


@pytest.mark.parametrize("name", CORE)
def test_every_public_function_documents_its_parameters_and_what_it_returns(name):
    module = importlib.import_module(f"euclid_resolved.{name}")
    assert set(module.__all__) <= set(dir(module))
    for label, value in public(module):
        doc = inspect.getdoc(value)
        assert doc, f"{name}.{label} has no docstring"
        if not inspect.isfunction(value) or label in FEATURE_SETS or "; see " in doc:
            continue
        parameters = [
            p for p in inspect.signature(value).parameters if p not in ("self", "cls", "args", "kwargs")
        ]
        if parameters:
            assert "Parameters\n------" in doc, f"{name}.{label}"
        missing = [p for p in parameters if p not in doc]
        assert not missing, f"{name}.{label} does not speak of {missing}"


REFERENCE = Path(__file__).parents[1] / "docs" / "reference.rst"
REFERRED = re.findall(r"^   (euclid_resolved\.[\w.]+)$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", ["euclid_resolved", *REFERRED])
def test_every_public_name_has_an_example(name):
    module = importlib.import_module(name)
    offered = [getattr(module, each) for each in getattr(module, "__all__", ())]
    without = [
        value.__qualname__
        for value in offered
        if (inspect.isfunction(value) or inspect.isclass(value))
        and ">>> " not in (inspect.getdoc(value) or "")
    ]
    assert not without, f"{name}: no example in the docstring of {', '.join(without)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
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


def test_there_are_no_two_ways_to_the_same_place():
    found = {module.name for module in pkgutil.iter_modules([str(ROOT)])}
    assert not found & {"utils", "base", "core", "manager", "registry"}

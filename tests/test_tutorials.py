"""The tutorials, which the documentation runs, keep to the package as it is and run on their own."""

import ast
import importlib
import os
import re
import subprocess
import sys

import pytest
from helpers import ROOT

FOLDER = ROOT / "docs" / "tutorials"
SCRIPTS = sorted(FOLDER.glob("plot_*.py"))
NETWORK = {"urllib", "requests", "astroquery", "pyvo", "socket"}
named = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem[5:])


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_they_are_numbered_and_listed():
    numbers = [int(path.stem.split("_")[1]) for path in SCRIPTS]
    assert numbers == list(range(1, len(SCRIPTS) + 1))
    listed = re.findall(r"<(plot_\w+)>", (FOLDER / "README.txt").read_text(encoding="utf-8"))
    assert sorted(listed) == [path.stem for path in SCRIPTS]


@named
def test_each_opens_with_a_title_and_what_the_reader_will_be_able_to_do(path):
    title, line, _, *rest = ast.get_docstring(tree(path)).splitlines()
    assert line == "=" * len(title)
    assert 2 <= len(re.findall(r"[.?](?=\s|$)", " ".join(rest))) <= 4


@named
def test_each_begins_with_three_imports_at_most(path):
    first = path.read_text(encoding="utf-8").split("\n# %%\n")[0]
    assert 1 <= sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(first).body) <= 3


@named
def test_each_uses_names_that_are_there_and_no_network(path):
    for node in ast.walk(tree(path)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in modules} & NETWORK
        if isinstance(node, ast.ImportFrom) and node.module.startswith("euclid_resolved"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.slow
def test_one_runs_by_hand_from_any_folder_and_leaves_nothing_there(tmp_path):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "MPLBACKEND": "Agg", "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    environment.pop("DISPLAY", None)
    # Old libraries use what their newer companions have deprecated.
    strict = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *strict, "-B", str(SCRIPTS[0])]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr and "after reading the model back: 0" in done.stdout
    assert not list(here.iterdir())

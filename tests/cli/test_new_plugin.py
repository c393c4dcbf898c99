"""``plugins new`` writes packages that are registered once installed, and pass their own tests."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from euclid_resolved.cli import main

KINDS = {"estimator": "estimators", "features": "features", "diagnostic": "diagnostics"}

# What is registered, and then the tests of the packages, in one Python.
LOOK = """
import sys
import pytest
from euclid_resolved.plugins import describe

for row in describe():
    if row.name.startswith("my_"):
        print("row", row.kind, row.name, row.distribution, row.version, row.status)
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-W", "error", *sys.argv[1:]]))
"""


def run(*words):
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


def install(folder, site):
    """What pip would leave behind, from what ``pyproject.toml`` says."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    (module,) = project["tool"]["setuptools"]["py-modules"]
    project = project["project"]
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    points = [f"{name} = {value}" for name, value in project["entry-points"]["euclid_resolved"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[euclid_resolved]", *points, ""]))
    (site / f"{module}.py").write_bytes((folder / f"{module}.py").read_bytes())
    assert (folder / project["readme"]).is_file()


@pytest.mark.slow
def test_what_is_written_is_registered_and_passes_its_own_test(tmp_path):
    for kind in KINDS:
        assert run("plugins", "new", f"my_{kind}", "--kind", kind, "-o", tmp_path / kind) == 0
        install(tmp_path / kind, tmp_path / "site")
        assert {path.name for path in (tmp_path / kind).iterdir()} == {
            "pyproject.toml", "README.md", f"euclid_resolved_my_{kind}.py", "tests",
        }  # fmt: skip
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *(str(tmp_path / kind) for kind in KINDS)],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for kind, room in KINDS.items():
        assert f"row {room} my_{kind} euclid_resolved_my_{kind} 0.1.0 ok\n" in done.stdout


def test_the_folder_has_the_name_of_the_package_where_none_is_given(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("plugins", "new", "huber", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["folder"] == "euclid_resolved_huber"
    assert all((tmp_path / record["folder"] / file).is_file() for file in record["files"])
    assert "class Huber(" in (tmp_path / "euclid_resolved_huber" / "euclid_resolved_huber.py").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["9th"], "got '9th'"),
        (["my-forest"], "as my_forest; got 'my-forest'"),
        (["../up"], "got '../up'"),
        (["naïve"], "got 'naïve'"),
        (["lambda"], "'lambda' is a word of Python"),
        (["true"], "'true' is a word of Python"),
        (["linear"], "'linear' is a name of euclid_resolved already"),
        (["colours"], "'colours' is a name of euclid_resolved already"),
        (["dnn"], "'dnn' is a name of euclid_resolved_dnn already"),
        (["lr"], "'lr' is short for the estimator 'linear'"),
        (["taken"], "a module euclid_resolved_taken can be imported already"),
        (["mine", "--kind", "relation"], "invalid choice: 'relation'"),
    ],
)
def test_names_that_cannot_be_are_refused(tmp_path, monkeypatch, capsys, words, said):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "euclid_resolved_taken.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert run("plugins", "new", *words, "-o", tmp_path / "new") == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("what", ["empty", "file", "link"])
def test_what_exists_is_left_alone(tmp_path, capsys, what):
    folder = tmp_path / "new"
    {"empty": folder.mkdir, "file": folder.touch, "link": lambda: folder.symlink_to("nowhere")}[what]()
    assert run("plugins", "new", "mine", "-o", folder) == 1
    assert f"{folder} exists" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [folder]
    assert not folder.is_dir() or not list(folder.iterdir())


def test_a_folder_in_no_folder_is_refused(tmp_path, capsys):
    assert run("plugins", "new", "mine", "-o", tmp_path / "none" / "new") == 1
    assert "there is no folder" in capsys.readouterr().err


def test_nothing_is_half_written(tmp_path, monkeypatch, capsys):
    write = Path.write_text

    def full(path, *args, **kwargs):
        if path.suffix == ".py":
            raise OSError(28, "No space left on device")
        return write(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    assert run("plugins", "new", "mine", "-o", tmp_path / "new") == 1
    assert "No space left" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

"""The files around the code agree with each other: environments, Pythons, versions, workflows, changes."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from euclid_resolved.plugins._how_to_install import IN_THE_REPOSITORY, how_to_install

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/setup.cfg"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DISTRIBUTIONS = [ROOT, *PLUGINS]
named = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
for_each_distribution = pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda path: path.name)


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def settings(path):
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#")
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def build(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def spelt_out(names):
    """``py{311,312}-test`` as ``py311-test`` and ``py312-test``."""
    for name in names:
        start, *rest = re.split(r"\{(.*?)\}", name, maxsplit=1)
        yield from (f"{start}{choice}{rest[1]}" for choice in rest[0].split(",")) if rest else [start]


def yaml_of(path):
    # GitHub's `on` is YAML 1.1's true.
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


TOX = settings(ROOT / "tox.ini")
ENVIRONMENTS = list(spelt_out(TOX["tox"]["env_list"].split()))
SECTIONS = set(spelt_out(name.removeprefix("testenv:") for name in TOX.sections()))
PYTHONS = sorted({f"3.{name[3:5]}" for name in ENVIRONMENTS if name.startswith("py3")})


def calls(workflow):
    """The environments of tox that a workflow runs, with the Python it asks for and whether it may fail."""
    for job in workflow["jobs"].values():
        for one in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            what = {**job.get("with", {}), **one}
            if "environment" in what and not what["environment"].startswith("${{"):
                yield what["environment"], what.get("python"), what.get("may_fail") == "true"


def test_every_python_is_tested_with_and_without_the_plugins_and_said_to_be_supported():
    assert PYTHONS == ["3.11", "3.12", "3.13"]
    for python in PYTHONS:
        short = f"py{python.replace('.', '')}"
        assert {f"{short}-test", f"{short}-plugins"} <= set(ENVIRONMENTS)
    assert f"from {PYTHONS[0]} to {PYTHONS[-1]}" in text("README.md")
    assert build(ROOT)["tool"]["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"
    assert build(ROOT)["tool"]["mypy"]["python_version"] == PYTHONS[0]


@for_each_distribution
def test_a_distribution_says_which_pythons_it_supports(folder):
    metadata = settings(folder / "setup.cfg")
    assert metadata["options"]["python_requires"] == f">={PYTHONS[0]}"
    assert re.findall(r"Python :: (3\.\d+)", metadata["metadata"]["classifiers"]) == PYTHONS


def test_what_lands_has_run_every_environment():
    (line,) = re.findall(r"^for environment in (.*); do$", text(".ci/run"), re.M)
    assert list(spelt_out(line.split())) == ENVIRONMENTS


@named
def test_a_workflow_runs_environments_that_are_there(path):
    for environment, python, may_fail in calls(yaml_of(path)):
        by_name = re.fullmatch(r"py3(\d+)-(?:test|plugins)", environment)
        assert by_name or environment in SECTIONS, environment
        if by_name:
            assert python == f"3.{by_name[1]}"
        elif TOX.has_option(f"testenv:{environment}", "base_python"):
            assert TOX[f"testenv:{environment}"]["base_python"] == f"py{(python or '3.11').replace('.', '')}"
        assert may_fail == (environment == "py314-test")


def test_every_change_runs_what_lands():
    run = {environment for environment, *_ in calls(yaml_of(ROOT / ".github/workflows/tests.yml"))}
    assert run == {*ENVIRONMENTS, "py314-test", "coverage"}


@named
def test_a_workflow_asks_for_no_more_than_it_needs(path):
    workflow = yaml_of(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in workflow or list(workflow["on"]) == ["workflow_call"]
    for name, job in workflow["jobs"].items():
        asked = {scope for scope, level in job.get("permissions", {}).items() if level == "write"}
        assert asked == ({"id-token", "attestations"} if name == "publish" else set())
        for action in [job, *job.get("steps", [])]:
            used = action.get("uses", "./")
            assert used.startswith("./") or re.search(r"@(v\d+|release/v\d+)$", used), used


def test_a_dry_run_of_a_release_does_not_publish():
    workflow = yaml_of(ROOT / ".github/workflows/release.yml")
    assert set(workflow["on"]) == {"push", "workflow_dispatch"}
    jobs = workflow["jobs"]
    assert [name for name, job in jobs.items() if "event_name == 'push'" in job.get("if", "")] == ["publish"]
    built = {one["distribution"]: one["folder"] for one in jobs["build"]["strategy"]["matrix"]["include"]}
    assert {(ROOT / folder).resolve() for folder in built.values()} == set(DISTRIBUTIONS)
    assert jobs["publish"]["strategy"]["matrix"]["distribution"] == list(built)
    assert list(built)[0] == "euclid_resolved"  # the others need it


@for_each_distribution
def test_the_version_is_that_of_the_tag_everywhere(folder):
    assert "version" not in settings(folder / "setup.cfg")["metadata"]
    project, core = build(folder), build(ROOT)
    assert project["build-system"] == core["build-system"]
    version = project["tool"]["setuptools_scm"]
    assert version["fallback_version"] == core["tool"]["setuptools_scm"]["fallback_version"]
    assert (folder / version.get("root", ".")).resolve() == ROOT
    # A link, since git writes a version into one file of an archive only.
    archival = folder / ".git_archival.txt"
    assert archival.resolve() == ROOT / ".git_archival.txt"


def test_the_oldest_libraries_are_the_bounds_that_the_package_gives():
    options = settings(ROOT / "setup.cfg")
    bounds = options["options"]["install_requires"] + options["options.extras_require"]["dask"]
    oldest = TOX["testenv:oldestdeps"]["deps"].replace(".*", "").replace("==", ">=")
    assert sorted(bounds.split()) == sorted(oldest.split())


def test_ruff_is_the_same_before_a_commit_and_in_tox():
    (hook,) = (one for one in yaml_of(ROOT / ".pre-commit-config.yaml")["repos"] if "ruff" in one["repo"])
    series = re.search(r"^ *ruff==([\d.]+)\.\*$", TOX["testenv:codestyle"]["deps"], re.M)[1]
    assert hook["rev"].startswith(f"v{series}.")


def test_fragments_of_the_change_log_have_names_that_towncrier_takes():
    config = build(ROOT)["tool"]["towncrier"]
    kinds = "|".join(kind["directory"] for kind in config["type"])
    for path in (ROOT / config["directory"]).iterdir():
        known = re.fullmatch(rf"(\d+|\+[\w-]+)\.({kinds})(\.\d+)?\.rst", path.name)
        assert known or path.name in config["ignore"], f"{path.name}: see {config['directory']}/README.md"
    for kind in config["type"]:
        assert f"| `{kind['directory']}` |" in text("changes/README.md")


def test_what_the_readme_names_is_there():
    readme = text("README.md")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if not link.startswith("https://")]
    folders = re.findall(r"pip install '?(\./plugins/\w+)", readme)
    assert len(links) >= 10 and {ROOT / folder for folder in folders} == set(PLUGINS)
    assert [name for name in links if not (ROOT / name).exists()] == []
    # What its commands and its script write goes where git does not look.
    written = re.findall(r"(?:-o |--figure |write\(\")([\w./]+)", readme)
    assert len(written) >= 6 and all(name.startswith("quickstart/") for name in written)
    assert "quickstart/" in text(".gitignore").split()


def test_a_plugin_of_the_repository_is_installed_from_its_folder():
    offered = {}
    for folder in PLUGINS:
        code = "\n".join(path.read_text() for path in folder.rglob("*.py") if "tests" not in path.parts)
        for kind, names in re.findall(r"^def register_(\w+)\(\):.*?return (\{.*?\})\n", code, re.M | re.S):
            offered |= {(kind, name): folder.name for name in re.findall(r'[{ ]"(\w+)": ', names)}
    assert offered == IN_THE_REPOSITORY
    for folder in PLUGINS:
        name = settings(folder / "setup.cfg")["metadata"]["name"]
        assert how_to_install(name) == f"pip install ./plugins/{folder.name} in a clone of euclid_resolved"

"""What the command ``plugins new`` does: write a distribution with an example of a plugin and its test."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import tempfile
from argparse import Namespace
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from euclid_resolved.cli._commands import UsageError
from euclid_resolved.cli._options import command
from euclid_resolved.errors import InputError

_DATA = Path(__file__).parent / "data"
_SUMMARIES = {"estimator": "An estimator", "features": "A set of features", "diagnostic": "A diagnostic"}


def add_new(commands: Any) -> None:
    """Add the command ``new`` to those of ``plugins``."""
    text = "write a small package with an example of a plugin and its test, to be changed"
    new = command(commands, "new", new_plugin, text, json=True)
    text = "what users shall write, as in --estimator NAME: lower-case letters, digits and underscores"
    new.add_argument("name", metavar="NAME", help=text)
    text = "what the plugin offers (%(default)s)"
    new.add_argument("--kind", choices=tuple(_SUMMARIES), default="estimator", help=text)
    text = "folder to make (euclid_resolved_NAME); it must not exist"
    new.add_argument("-o", "--output", metavar="FOLDER", help=text)


def new_plugin(options: Namespace) -> dict[str, Any]:
    """Write the package of a new plugin."""
    from euclid_resolved.io._files import check_target

    name, module = options.name, f"euclid_resolved_{options.name}"
    camel = "".join(word.capitalize() for word in name.split("_"))
    _check_name(name, camel, options.kind)
    folder = Path(module if options.output is None else options.output)
    if os.path.lexists(folder):
        raise InputError(f"{folder} exists: give another folder with -o, or remove it")
    if importlib.util.find_spec(module) is not None:
        raise UsageError(f"a module {module} can be imported already: choose another name")
    target = check_target(folder)
    python = metadata("euclid_resolved")["Requires-Python"]
    summary = _SUMMARIES[options.kind]
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{module}.py": f"{options.kind}.py",
        f"tests/test_{name}.py": f"test_{options.kind}.py",
    }
    texts = _render(
        files, name=name, module=module, camel=camel, kind=options.kind, python=python, summary=summary
    )
    _write(target, texts)
    print(f"{folder}: {summary[0].lower()}{summary[1:]} {name!r} and its test; README.md says how to go on")
    return {"folder": str(folder), "files": sorted(files)}


def _check_name(name, camel, kind):
    from euclid_resolved.estimators._given import ABBREVIATIONS
    from euclid_resolved.plugins._how_to_install import IN_THE_REPOSITORY
    from euclid_resolved.plugins._registry import describe

    # Of the identifiers of Python only these are names of distributions as well, and registered ones look so.
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise UsageError(
            "NAME must consist of lower-case letters and digits, begin with a letter and join words by one "
            f"_, as my_forest; got {name!r}"
        )
    if keyword.iskeyword(name) or keyword.iskeyword(camel):
        raise UsageError(f"{name!r} is a word of Python: choose another name")
    if kind == "estimator" and name in ABBREVIATIONS:
        long = ABBREVIATIONS[name]
        raise UsageError(f"{name!r} is short for the estimator {long!r}: choose another name")
    owners = {name: distribution for (_, name), distribution in IN_THE_REPOSITORY.items()}
    owners |= {row.name: row.distribution for row in describe()}
    if name in owners:
        raise UsageError(f"{name!r} is a name of {owners[name]} already: choose another name")


def _render(files, **values):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # The files are Python, TOML and Markdown, and all values are made here: there is nothing to escape.
    environment = Environment(
        loader=FileSystemLoader(_DATA),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return {file: environment.get_template(f"{name}.jinja").render(**values) for file, name in files.items()}


def _write(folder, texts):
    """Write a folder at once or not at all."""
    with tempfile.TemporaryDirectory(prefix=".new-plugin-", dir=folder.parent) as temporary:
        # One folder further down, whose permissions are those of any new folder.
        part = Path(temporary) / "part"
        for file, text in texts.items():
            path = part / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        part.rename(folder)

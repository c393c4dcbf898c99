"""What the documentation must not lose sight of: bits, files, hooks, options, modules, links."""

import argparse
import ast
import configparser
import importlib
import inspect
import re
from pathlib import Path

import pytest
import yaml

import euclid_resolved
from euclid_resolved import Quality
from euclid_resolved.cli._main import _parser
from euclid_resolved.io import _fits as fits
from euclid_resolved.maps._spatial_map import PLANES
from euclid_resolved.models._metrics import METRICS
from euclid_resolved.plugins import _hookspecs as hookspecs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path for path in [*DOCS.glob("*.rst"), *DOCS.glob("reference/*.rst")] if not path.name.startswith("sg_")
)  # written by a build
PACKAGE = Path(euclid_resolved.__file__).parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def page(name):
    return (DOCS / f"{name}.rst").read_text(encoding="utf-8")


def test_every_quality_bit_is_on_its_page():
    text = page("quality")
    for bit in Quality:
        row = f"   * - {bit.value}\n     - {bit.name}\n     - {bit.meaning}\n"
        assert row in text, bit.name


def test_every_hook_has_a_section():
    text = page("hooks")
    for hook in hookspecs.__all__:
        assert f"``{hook}``\n----" in text and f":pyobject: {hook}\n" in text


def test_every_metric_is_on_its_page():
    for metric in METRICS:
        assert f"`~euclid_resolved.models.{metric.__name__}`" in page("metrics")


def test_files_name_every_tag_plane_and_keyword():
    text = page("files")
    manifest = next((PACKAGE / "io/asdf/resources/manifests").glob("*.yaml"))
    for tag in yaml.safe_load(manifest.read_text(encoding="utf-8"))["tags"]:
        start, _, name = tag["tag_uri"].rpartition("/")
        assert f"``{start}/``" in text and f"   * - ``{name}``\n" in text
    for name in PLANES:
        assert f"``NAME_{name.upper()}``" in text
    for card in (*fits._CARDS.values(), *(card for card, _ in fits._NUMBERS.values())):
        assert f"``{card}``" in text


def commands(parser, words=()):
    """Every command of the command line: its words and its options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from commands(sub, (*words, name))
    yield words, [action for action in parser._actions if action.help is not argparse.SUPPRESS]


COMMANDS = list(commands(_parser()))


@pytest.mark.parametrize("words, actions", COMMANDS, ids=[" ".join(words) or "-" for words, _ in COMMANDS])
def test_every_option_of_the_command_line_says_what_it_does(words, actions):
    silent = [
        "/".join(action.option_strings) or action.dest
        for action in actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert not silent, silent


def test_every_command_is_on_its_page_and_its_options_are_made_from_the_parser():
    text = page("command_line")
    for words, _ in COMMANDS:
        if words and words != ("atlas",):
            assert re.search(rf"^   \* - ``{' '.join(words)}\b", text, re.M), words
    module, function = (re.search(rf":{key}: (\S+)", text)[1] for key in ("module", "func"))
    assert getattr(importlib.import_module(module), function) is _parser


@pytest.mark.parametrize("room", [*ROOMS, "errors"])
def test_every_room_has_a_reference_page_with_all_its_names(room):
    listed = re.findall(r"^   (\w+)$", page(f"reference/{room}"), re.M)
    offered = importlib.import_module(f"euclid_resolved.{room}").__all__
    assert sorted(listed) == sorted(offered), set(listed) ^ set(offered)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_every_page_is_in_a_list_and_its_links_lead_somewhere(path):
    lists = "\n".join(
        part
        for other in PAGES
        for part in re.findall(r"\.\. toctree::.*?(?=\n\S|\Z)", other.read_text("utf-8"), re.S)
    )
    if path.stem != "index":
        name = path.relative_to(DOCS).with_suffix("").as_posix()
        assert re.search(rf"^   (?:.* <)?{name}>?$", lists, re.M), "in no list of pages"
    for target in re.findall(r":doc:`(?:[^`<]*<)?([\w/]+)>?`", path.read_text(encoding="utf-8")):
        assert target.startswith("gallery/") or (DOCS / f"{target}.rst").exists(), target


def test_what_pages_name_of_other_projects_is_in_the_inventories():
    """So that it becomes a link; a build has no network to look it up."""
    lines = [
        line.split() for path in DOCS.glob("inventories/*.txt") for line in path.open() if line[0] != "#"
    ]
    listed = {name for name, *_ in lines}
    assert len(listed) > 40 and all(len(line) == 3 and line[2].endswith(".html") for line in lines)
    ours = [path.read_text(encoding="utf-8") for path in [*PAGES, *PACKAGE.rglob("*.py")]]
    projects = "|".join({name.split(".")[0] for name in listed if "." in name})
    named = set(re.findall(rf"`~?((?:{projects})\.[\w.]+)`", "\n".join(ours)))
    # A module and an instance have no entry of their own there.
    assert named - listed == {"astropy.nddata", "astropy.cosmology.Planck15"}


def test_terms_are_in_the_glossary():
    known = set(re.findall(r"^   ([\w -]+)$", page("glossary"), re.M))
    used = {}
    for path in PAGES:
        for term in re.findall(r":term:`(?:[^`<]*<)?([^`>]+)>?`", path.read_text(encoding="utf-8")):
            used[" ".join(term.split())] = path.stem
    assert set(used) <= known, {term: used[term] for term in set(used) - known}


def contract():
    """The rooms of each layer from the top, and the doors that lead up, as ``.importlinter`` has them."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter", encoding="utf-8")
    layers = rules["importlinter:contract:layers"]
    rooms = [[room.strip() for room in line.split("|")] for line in layers["layers"].split("\n") if line]
    doors = [line.replace("euclid_resolved.", "") for line in layers["ignore_imports"].split("\n") if line]
    return [[room for room in row if room in ROOMS] for row in rooms if set(row) & set(ROOMS)], doors


def test_the_architecture_shows_the_rooms_as_the_import_contracts_have_them():
    text, (layers, doors) = page("architecture"), contract()
    rows = [
        re.findall(r"``(\w+)``", row)
        for row in re.findall(r"^   \* - (``\w+``(?: \| ``\w+``)?)$", text, re.M)
    ]
    assert rows == layers
    picture = (DOCS / "_static/architecture.svg").read_text(encoding="utf-8")
    drawn = re.findall(r'class="room"[^>]*>(\w+)<', picture)
    assert drawn == [*(room for row in layers for room in row), "errors"]
    listed = re.findall(r"^   \* - ``(\w+)/(\w+)\.py``: .*\n     - ``(\w+)/(\w+)\.py``$", text, re.M)
    assert sorted(f"{a}.{b} -> {c}.{d}" for a, b, c, d in listed) == sorted(doors)


def test_the_walk_names_each_room_once_and_goes_down():
    named = re.findall(r"^#\. \*\*(\w+)\*\*", page("architecture"), re.M)
    floor = {room: number for number, row in enumerate(contract()[0]) for room in row}
    floors = [floor[room] for room in named]
    assert floors == sorted(floors) and len(named) == len(set(named))
    assert named[0] == "cli"


@pytest.mark.parametrize("name", ["contributing"])
def test_files_that_a_page_names_are_there(name):
    for path in re.findall(r"``([\w/.]*\w\.(?:py|ecsv|toml))``", page(name)):
        places = [PACKAGE / path, ROOT / path, DOCS / path, DOCS / "tutorials" / path, *PACKAGE.rglob(path)]
        assert "NN" in path or any(place.exists() for place in places), path


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_no_page_names_a_private_module(path):
    text = re.sub(r"^   :module: .*$", "", path.read_text(encoding="utf-8"), flags=re.M)
    assert not re.findall(r"\beuclid_resolved\.[a-z_.]*\b_\w+", text)


@pytest.mark.parametrize("room", [*ROOMS, "errors"])
def test_no_public_name_speaks_of_a_private_module(room):
    module = importlib.import_module(f"euclid_resolved.{room}")
    for name in module.__all__:
        value = getattr(module, name)
        members = vars(value).values() if inspect.isclass(value) else ()
        text = "\n".join(inspect.getdoc(thing) or "" for thing in (value, *members))
        assert not re.findall(r"\beuclid_resolved\.[a-z_.]*\b_\w+", text), name


def prose(path):
    """The sentences of a page or tutorial: without code, tables of numbers, names and addresses."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":  # the docstring at the start, and comments behind "# %%"
        cells = re.findall(r"^# %%\n((?:#.*\n)*)", text, re.M)
        text = "\n".join([text.split('"""')[1], *(re.sub("^# ?", "", cell, flags=re.M) for cell in cells)])
    head = r"^( *)(?:\.\. (?:code-block|literalinclude|math|include|argparse)::.*|(?!\.\. ).*::)\n"
    text = re.sub(head + r"(?:\s*\n|\1 +.*\n)+", "\n", text + "\n", flags=re.M)
    text = re.sub(r"``[^`]+``", "CODE", text)
    return re.sub(r":(?:doc|ref|func|class|term):`[^`]+`|`[^`]+`_*", "NAME", text)


# What a reader who does not know the package stumbles over, and words to put in its place.
AVOID = {
    r"judg\w+": "estimate, compare, give a value",
    r"lean(?:s|ed|ing)? on": "depend on",
    r"held against": "compared with",
    r"(?:follow|keep)s? the letter": "uses the value as printed",
    r"stands? guard": "is checked",
    r"Mondrian": "bins of brightness",
    r"(?:lose|loses) it both": "neither is used",
    r"colors?|neighbors?|neighborhoods?|neighboring|behaviors?|favors?": "-our",
    r"centers?|centered|fibers?|meters": "-re",
    r"gray\w*|catalogs?|modeling|labeled|analyz\w+|artifacts?": "British spelling",
}
STUMBLE = re.compile("|".join(rf"(\b(?:{words})\b)" for words in AVOID), re.I)
REVISED = [*PAGES, *DOCS.glob("tutorials/plot_*.py")]


@pytest.mark.parametrize("path", REVISED, ids=lambda path: str(path.relative_to(DOCS)))
def test_sentences_use_words_that_a_stranger_knows(path):
    for found in STUMBLE.finditer(prose(path)):
        better = [*AVOID.values()][found.lastindex - 1]
        raise AssertionError(f"{found[0]!r}: better {better}")


@pytest.mark.parametrize("term", ["clip", "golden rows", "observer", "preset", "rMZR", "LOFO"])
def test_a_page_that_uses_a_term_links_to_the_glossary(term):
    for path in REVISED:
        if path.suffix == ".rst" and path.parent == DOCS and path.stem not in {"glossary", "troubleshooting"}:
            linked = re.search(rf":term:`(?:[^`<]*<)?{term}>?`", path.read_text(encoding="utf-8"))
            assert linked or not re.search(rf"\b{term}s?\b", prose(path)), path.stem


def test_the_page_on_help_quotes_messages_that_the_package_has():
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    quoted = re.findall(r"^``(.+)``$", page("troubleshooting"), re.M)
    foreign = [text for text in quoted if text not in source]
    assert len(quoted) > 20
    assert foreign == ["No matching distribution found for euclid_resolved_dnn"]  # pip's


@pytest.mark.parametrize("room", [*ROOMS, "errors"])
def test_no_summary_in_a_table_of_names_ends_in_the_middle(room):
    module = importlib.import_module(f"euclid_resolved.{room}")
    for name in module.__all__:
        value = getattr(module, name)
        members = vars(value).values() if inspect.isclass(value) else ()
        for thing in (value, *members):
            summary = (inspect.getdoc(thing) or "").partition("\n\n")[0]
            found = re.search(r"\b(?:Sects?|Eqs?|Figs?|Tabs?|Refs?|cf|vs|e\.g|i\.e|et al)\.", summary)
            assert not found, f"{name}: {found[0]}"


def test_dir_lists_all_that_tutorials_import():
    """So that completion finds it."""
    seen = 0
    for path in sorted(DOCS.glob("tutorials/plot_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("euclid_resolved"):
                listed = dir(importlib.import_module(node.module))
                assert [each.name for each in node.names if each.name not in listed] == [], path.name
                seen += len(node.names)
    assert seen > 40

"""Every command that the README and the documentation show parses, and runs where it is cheap."""

import ast
import importlib
import re
import shlex
import shutil
import textwrap

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from helpers import ROOT, brightness, sky_wcs
from test_project import DISTRIBUTIONS, ENVIRONMENTS, SECTIONS, settings
from tiles import make_tile

from euclid_resolved import read, read_euclid, write
from euclid_resolved.cli import main
from euclid_resolved.cli._main import _parser
from euclid_resolved.cli._options import parse

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted(ROOT.glob("docs/*.rst")),
    *sorted(ROOT.glob("docs/tutorials/plot_*.py")),
]
# These are parsed but not run.
LEFT_OUT = {
    "quickstart": "tests/cli/test_quickstart.py runs it",
    "fetch": "needs the network",
    "reproduce ": "takes minutes; tests/study runs it in parts",
    "default-model": "takes minutes; tests/mock runs it in parts",
    "populations make popstar": "needs a library that pip installs",
    "atlas make atlas --populations popstar": "needs the table of that library",
    "plugins --check knn": "needs the plugin",
    "plugins --check parabola": "needs the plugin that the tutorial writes",
    "plugins --check huber": "needs the plugin that the page writes",
    "plugins --check NAME": "NAME stands for the name of a plugin",
    "train atlas/ --estimator knn": "needs the plugin",
    "train atlas/ --estimator dnn": "needs the plugin",
    "train ATLAS -o model.asdf --estimator parabola": "needs the plugin that the tutorial writes",
    "predict model.asdf tiles/ --table galaxies.ecsv -o maps/ --workers 16": "starts 16 processes",
    "train atlas -o nine.asdf": "needs an atlas of nine bands",
    "atlas extract ATLAS -o SAMPLE --bands IE YE JE HE LSST_r": "needs an atlas of these bands",
    "populations make bc03": "needs a library that pip installs",
}
# The defaults of these take long.
SMALL = {
    "atlas make": ["--galaxies", "2", "--pixels", "32"],
    "train": ["--set", "n_trees=3"],
    "diagnose learning_curve": ["--set", "numbers=(2, 4)"],
}


def shown(path):
    """The text of a page, with lines that were continued put together; of a script its comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = re.sub(r"^# ?", "", text, flags=re.M)
    return re.sub(r" *\\\n\s*", " ", text)


def commands():
    """All commands of the package that are shown, without its name, each with the first page that has it."""
    line = r"^\s*(?:\$ )?(?:.*&& )?(?:\.venv/bin/)?euclid-resolved( .*)$"
    literal = r"(?<!`)(``?)(?:\.venv/bin/)?euclid-resolved(\s[^`]*)\2(?!`)"
    found = {}
    for path in PAGES:
        for match in re.finditer(f"{line}|{literal}", shown(path), re.M):
            found.setdefault(" ".join((match[1] or match[3]).split()), path.name)
    return found


COMMANDS = commands()


def test_the_commands_are_found():
    assert len(COMMANDS) > 55
    for words in ("predict cutout.fits -o maps.fits --figure maps.png", "plugins new huber", "--version"):
        assert words in COMMANDS
    assert all(any(words.startswith(start) for words in COMMANDS) for start in LEFT_OUT)


def is_named_only(words):
    """Whether these words are those of a command alone, as a sentence names it."""
    parser = _parser()
    for word in words:
        kinds = parser._subparsers and parser._subparsers._group_actions[0].choices
        if not kinds or word not in kinds:
            return False
        parser = kinds[word]
    return True


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_these_options_and_values(command, capsys):
    words = shlex.split(command.replace("COMMAND", "info"))
    if is_named_only(words):
        return
    try:
        parse(_parser(), words)
    except SystemExit as stop:
        assert stop.code == 0, f"{COMMANDS[command]}: {capsys.readouterr().err}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_that_a_sentence_names_are_there(path):
    known = {option for parser in parsers(_parser()) for option in parser._option_string_actions}
    known |= {"--no-deps", "-e", "--mpl-generate-path", "--quick", "--only"}  # of pip, pytest, benchmarks/run
    said = re.findall(r"(?<!`)``?(--?[a-z][\w-]*)(?:[\s=][^`]*)?``?", shown(path))
    assert [option for option in said if option not in known] == []


def parsers(parser):
    """A parser and those of all its commands."""
    yield parser
    for action in parser._subparsers._group_actions if parser._subparsers else ():
        for one in action.choices.values():
            yield from parsers(one)


@pytest.fixture(scope="module")
def inputs(atlas, model_file, tmp_path_factory):
    """A folder with the files that the examples name, small."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "quickstart").mkdir()
    for name in ("ATLAS", "TNG50-SKIRT", "quickstart/atlas"):
        (folder / name).symlink_to(atlas)
    for name in ("model.asdf", "quickstart/forest.asdf"):
        shutil.copy(model_file, folder / name)
    main(["atlas", "extract", str(atlas), "-o", str(folder / "sample")])
    make_tile(folder / "tile")
    make_tile(folder / "tiles")
    hdus = [fits.PrimaryHDU()]
    header = sky_wcs((24, 24)).to_header()
    header["MAGZERO"] = 24.0
    names = {"IE": ("VIS", "vis"), "YE": ("NIR_Y", "y"), "JE": ("NIR_J", "j"), "HE": ("NIR_H", "h")}
    for band, light in brightness((24, 24)).items():
        header["FILTER"] = names[band][0]
        for end, values in (("", 1e3 * light), ("_rms", 0 * light + 1), ("_var", 0 * light + 1)):
            fits.writeto(folder / f"{names[band][1]}{end}.fits", values, header)
        hdus.append(fits.ImageHDU(1e3 * light, header, name=f"{names[band][0]}_FLUX"))
    for name in ("cutout.fits", "FILE", "IMAGE"):
        fits.HDUList(hdus).writeto(folder / name)
    light = np.linspace(0.01, 1, 576).reshape(24, 24)
    packets = 1000 * light
    for name in ("ONE", "TWO"):  # images of the atlas, with the statistics of the radiative transfer
        fits.writeto(folder / f"{name}_HE.fits", light, fits.Header({"BUNIT": "MJy/sr"}))
        fits.writeto(folder / f"{name}_R.fits", packets**-0.5)
        for power in (1, 2):
            fits.writeto(folder / f"{name}_stats{power}.fits", packets)
    maps = read(model_file).predict_maps(read_euclid(folder / "cutout.fits"), min_sn=None)
    write(folder / "maps.fits", maps)
    density, age = (maps[name] for name in ("stellar_mass_density", "stellar_age"))
    fit = [fits.PrimaryHDU()]
    for name, data in (("MASS", np.log10(density.to("Msun / kpc2").data)), ("AGE", age.to("Gyr").data)):
        fit.append(fits.ImageHDU(data, density.wcs.to_header(), name=name))
    fits.HDUList(fit).writeto(folder / "fit.fits")
    (folder / "arms.reg").write_text("image; circle(12, 12, 6)")
    centre = sky_wcs((41, 37)).pixel_to_world([18], [28])
    table = QTable({"name": ["one"], "ra": centre.ra, "dec": centre.dec, "radius": [1.0] * u.arcsec})
    table.write(folder / "galaxies.ecsv")
    return folder


RUN = [
    words
    for words in COMMANDS
    if not words.startswith(tuple(LEFT_OUT))
    and " --scheduler " not in words  # needs a cluster
    and words != "COMMAND --help"
    and not is_named_only(words.split())
] + ["plugins", "populations list"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the image brings no PSF")
@pytest.mark.parametrize("command", dict.fromkeys(RUN))
def test_a_command_runs(command, inputs, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "here"
    shutil.copytree(inputs, folder, symlinks=True)
    monkeypatch.chdir(folder)
    words = shlex.split(command)
    for start, more in SMALL.items():
        words += more if command.startswith(start) else []
    if "-o" in words:  # a result of an earlier step, which other examples begin with
        (folder / words[words.index("-o") + 1]).unlink(missing_ok=True)
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    assert code == 0, capsys.readouterr().err


def scripts(path):
    """The blocks of Python on a page."""
    text = path.read_text(encoding="utf-8")
    fence = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    blocks = re.findall(r"^( *)\.\. code-block:: python\n\n((?:\1 +.*\n|\n)+)", text, re.M)
    return fence + [textwrap.dedent(block) for _, block in blocks]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_on_a_page_parses_and_imports_what_is_there(path):
    for block in scripts(path):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("euclid_resolved"):
                # A plugin is tested where it is installed.
                own = node.module.partition(".")[0] == "euclid_resolved"
                module = importlib.import_module(node.module) if own else pytest.importorskip(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/start.rst"])
def test_the_scripts_of_a_first_hour_run(name, inputs, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(inputs, folder, symlinks=True)
    (folder / "maps.fits").unlink()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(plt, "show", lambda: None)
    code = "\n".join(scripts(ROOT / name))
    assert "predict" in code and "write(" in code
    code = code.replace('make_atlas("atlas", 60', 'make_atlas("atlas", 12, pixels=32')
    exec(compile(code, name, "exec"), {"__name__": "__main__"})


def test_what_pip_and_tox_are_asked_for_is_there():
    asked, extras = 0, {}
    for folder in DISTRIBUTIONS:
        config = settings(folder / "setup.cfg")
        extras[folder] = config["options.extras_require"] if "options.extras_require" in config else {}
    wanted = r"pip install (?:-\w |--[\w-]+ )*['\"]?(\.[\w/]*)(?:\[([\w,]+)\])?"
    for path in PAGES:
        for place, names in re.findall(wanted, shown(path)):
            folder = (ROOT / place).resolve()
            asked += 1
            if path.name != "plugins.rst" and "plot_" not in path.name:  # there `.` is the reader's own
                assert set(filter(None, names.split(","))) <= set(extras[folder]), (path.name, place, names)
        for names in re.findall(r"^ *tox -e ([\w,-]+)|``tox -e ([\w,-]+)``", shown(path), re.M):
            assert set("".join(names).split(",")) <= {*ENVIRONMENTS, *SECTIONS}, path.name
    assert asked > 15

"""The command line: one function, `main`, and the words that it takes.

Exit codes: 0 all went well; 2 the words of the command make no sense, whatever the files hold; 1 anything
else failed; 130 interrupted. One line says what.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import warnings
from collections.abc import Sequence

from euclid_resolved.citation import __version__
from euclid_resolved.cli import _commands as run
from euclid_resolved.cli._atlas_clip import atlas_clip, clip_options
from euclid_resolved.cli._atlas_observe import atlas_observe, observe_options
from euclid_resolved.cli._compare import compare, compare_options
from euclid_resolved.cli._default_model import default_model_check, default_model_make
from euclid_resolved.cli._info import info, plugins
from euclid_resolved.cli._json import print_json
from euclid_resolved.cli._logging import log, to_terminal
from euclid_resolved.cli._measure import add_measure, add_profile
from euclid_resolved.cli._new_plugin import add_new
from euclid_resolved.cli._options import NAMES, Names, add_workers, command as _command, count, parse
from euclid_resolved.cli._populations import populations_list, populations_make
from euclid_resolved.cli._predict_options import add_predict
from euclid_resolved.errors import InputError, printable

__all__ = ["main"]


_ESTIMATOR = (
    "what learns: a registered estimator, which the command plugins lists, or as the paper calls it, LR "
    "(linear), RF (random_forest) or DNN (a plugin) (%(default)s)"
)
_OBSERVER = "the side that galaxies are seen from, one of the five of TNG50-SKIRT (%(default)s)"
_OBSERVERS = ("O1", "O2", "O3", "O4", "O5")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        The words after ``euclid-resolved``; those of the process without them.

    Returns
    -------
    code : int
        The exit code. Wrong usage raises `SystemExit` with code 2, as argparse does.

    Examples
    --------
    >>> from euclid_resolved.cli import main
    >>> main(["plugins", "--check", "colours"])
    features colours: ok
    0
    """
    # What is printed quotes names of files and texts out of them; a terminal must not obey them.
    with (
        contextlib.redirect_stdout(_Printable(sys.stdout)),
        contextlib.redirect_stderr(_Printable(sys.stderr, _OF_BARS)),
    ):
        return _run(arguments)


_OF_BARS = "\r"  # by which a progress bar goes back to the start of its line
_UP = "\x1b[A"  # and to the bar above


class _Printable:
    """A stream that a terminal obeys in nothing but the end of a line."""

    def __init__(self, stream, keep=""):
        self._stream, self._keep = stream, "\n\t" + keep

    def write(self, text):
        # The bars write this as a piece of its own.
        of_bars = self._keep.endswith(_OF_BARS) and not text.replace(_UP, "").strip("\n")
        return self._stream.write(text if of_bars else printable(text, self._keep))

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _run(arguments):
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks how a word may go on
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parse(parser, arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 2
    # Figures go to files here; a display must not be needed, nor touched.
    os.environ.setdefault("MPLBACKEND", "Agg")
    if options.log_level in ("warning", "error"):
        sys.stderr.isatty = lambda: False  # so that no progress bar is drawn; this stream is our own
    with warnings.catch_warnings(), to_terminal(options.log_level):
        if not options.debug:
            warnings.showwarning = _one_line_warning
        try:
            code = _answer(options)
            sys.stdout.flush()  # here, where a reader that has gone away can be met
            return code
        except run.UsageError as error:
            options.parser.error(str(error))
        except KeyboardInterrupt:
            print("euclid-resolved: interrupted; nothing was half written", file=sys.stderr)
            return 130
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as error:
            if options.debug:
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            if not isinstance(error, InputError | OSError | MemoryError):
                text = f"unexpected {type(error).__name__}: {text} (--debug shows where)"
            print(f"euclid-resolved: error: {text}", file=sys.stderr)
            return 1


def _answer(options):
    """Run the command; with ``--json`` what it found is all that standard output gets."""
    as_json = getattr(options, "json", False)
    with contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext():
        found = options.run(options)
    record, code = found if isinstance(found, tuple) else (found, 0)
    if isinstance(record, int):
        return record
    if as_json:
        print_json(record)
    return code


def _one_line_warning(message, category, filename, lineno, file=None, line=None):
    log.warning("%s", " ".join(str(message).split()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="euclid-resolved",
        description="Maps of stellar mass, metallicity and age from Euclid images of nearby galaxies.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (
        _quickstart, _atlas, _populations, _train, _evaluate, _diagnose, _reproduce, add_predict, add_measure,
        add_profile, _compare, _fetch, _info, _plugins, _default_model,
    ):  # fmt: skip
        add(commands)
    return parser


def _observer(parser):
    parser.add_argument("--observer", default="O5", choices=_OBSERVERS, help=_OBSERVER)


def _bands(parser):
    parser.add_argument("--bands", **NAMES, help="bands, by any of their names (IE YE JE HE)")


def _clip(parser):
    parser.add_argument("--clip", type=float, help="use pixels brighter than this in HE, MJy/sr (0.0234)")


def _test_galaxies(parser):
    text = "file of the test galaxies: a name a line, perhaps with an observer (TNG000008 O2), or a table"
    parser.add_argument("--test-galaxies", metavar="FILE", help=text)


def _quickstart(commands):
    text = "make a small mock atlas, train on it, map a galaxy"
    new = _command(commands, "quickstart", run.quickstart, text, writes=True)
    new.add_argument(
        "out", nargs="?", default="quickstart", metavar="OUT", help="folder to write to (%(default)s)"
    )
    new.add_argument("--galaxies", type=count, default=40, help="how many galaxies to make (%(default)s)")
    new.add_argument(
        "--seed", type=int, default=1, help="seed of the atlas and of the split; a seed repeats (%(default)s)"
    )


def _atlas(commands):
    text = "make a mock atlas, observe an atlas, keep its pixels as a sample, or derive its clip"
    what = "say what to do with the atlas: make, observe, extract or clip"
    atlas = _command(commands, "atlas", lambda options: atlas.error(what), text)
    kinds = atlas.add_subparsers(title="commands", metavar="COMMAND")
    text = "make a mock atlas in the TNG50-SKIRT layout"
    new = _command(kinds, "make", run.atlas_make, text, writes=True)
    new.add_argument("directory", metavar="DIR", help="the folder to make the atlas in")
    new.add_argument("--galaxies", type=count, default=60, help="how many galaxies to make (%(default)s)")
    new.add_argument("--seed", type=int, default=1, help="seed of the galaxies; a seed repeats (%(default)s)")
    new.add_argument("--pixels", type=count, help="side of the images in pixels")
    new.add_argument(
        "--populations",
        nargs="+",
        action=Names,
        default=["bc03"],
        metavar="NAME",
        help="library of stellar populations, or a table of one (bc03); of several each galaxy draws one",
    )
    new.add_argument(
        "--population-spread",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="most by which stars of 0.3 to 2 Gyr differ from it in the near infrared (%(default)s)",
    )
    _bands(new)
    _observer(new)
    add_workers(new, "make galaxies")
    text = "observe an atlas from far away; an interrupted call goes on where it was"
    new = _command(kinds, "observe", atlas_observe, text, writes=True)
    observe_options(new)
    _bands(new)
    _observer(new)
    add_workers(new, "observe galaxies")
    text = "gather the pixels of an atlas in files; an interrupted extraction goes on where it was"
    new = _command(kinds, "extract", run.atlas_extract, text, writes=True)
    new.add_argument("atlas", metavar="ATLAS", help="folder of the atlas")
    new.add_argument("-o", "--output", required=True, metavar="SAMPLE", help="folder to write the sample to")
    text = (
        "sets of features that look at the surroundings of a pixel (neighbourhood); others need not be named"
    )
    new.add_argument("--features", **NAMES, default=[], help=text)
    _bands(new)
    _clip(new)
    _observer(new)
    add_workers(new, "read galaxies")
    text = "derive a clip from the statistics of the radiative transfer"
    clip_options(_command(kinds, "clip", atlas_clip, text, json=True))


def _train(commands):
    new = _command(commands, "train", run.train, "train a model on an atlas", writes=True)
    new.add_argument("atlas", metavar="ATLAS", help="folder of an atlas, or of a sample of it")
    new.add_argument("-o", "--output", required=True, metavar="MODEL.asdf", help="the model file to write")
    new.add_argument("--estimator", default="random_forest", metavar="NAME", help=_ESTIMATOR)
    text = "sets of features to learn from: bands, colours, ... as the command plugins lists (bands)"
    new.add_argument("--features", **NAMES, default=["bands"], help=text)
    new.add_argument(
        "--columns", **NAMES, help="use only these columns of the features, as IE or IE-HE (all)"
    )
    _bands(new)
    new.add_argument(
        "--property", **NAMES, default=["all"], help="what to estimate: stellar_mass_density, ... (all)"
    )
    _clip(new)
    _observer(new)
    new.add_argument(
        "--test-fraction", type=float, metavar="FRACTION", help="part of the galaxies to test on (0.1)"
    )
    _test_galaxies(new)
    text = (
        "draw test galaxies in the proportion of star-forming and quiescent ones, or at random (%(default)s)"
    )
    new.add_argument("--stratified", action=argparse.BooleanOptionalAction, default=True, help=text)
    new.add_argument(
        "--seed", type=int, default=1, help="seed of the split and of the estimator (%(default)s)"
    )
    new.add_argument(
        "--chain", action="store_true", help="give the estimate of each property to the next one as a feature"
    )
    text = "pixels may lack bands: 0.3 for any, or YE YE,JE for these, single and together"
    new.add_argument("--missing-bands", nargs="+", metavar="WHICH", help=text)
    new.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the estimator, as n_trees=50"
    )
    text = "learn from at most so many pixels, drawn at random: memory follows them (all)"
    new.add_argument("--max-pixels", type=count, metavar="N", help=text)
    add_workers(new, "grow the trees of a forest")


def _evaluate(commands):
    new = _command(
        commands, "evaluate", run.evaluate, "compare a model with the truth of an atlas", json=True
    )
    new.add_argument("model", metavar="MODEL.asdf", help="a model that train wrote")
    new.add_argument("atlas", metavar="ATLAS", help="folder of an atlas, or of a sample of it")
    _observer(new)
    _test_galaxies(new)
    new.add_argument("--per-galaxy", action="store_true", help="print a row for every galaxy and property")


def _diagnose(commands):
    new = _command(
        commands, "diagnose", run.diagnose, "find out what a model depends on", writes=True, json=True
    )
    new.add_argument(
        "name", metavar="NAME", help="a diagnostic that the command plugins lists, or several: lofo,rmzr"
    )
    new.add_argument("model", metavar="MODEL.asdf", help="a model that train wrote")
    new.add_argument(
        "atlas", metavar="ATLAS", help="folder of the atlas that the model was trained on, or a sample of it"
    )
    _observer(new)
    new.add_argument(
        "-o", "--output", metavar="OUT", help="folder to write tables (ECSV) and figures (PNG) to"
    )
    new.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="options of the diagnostic, as by=scale"
    )
    add_workers(new, "train again")


def _reproduce(commands):
    text = "run the paper's study, or another one, and report on it"
    new = _command(commands, "reproduce", run.reproduce, text)
    new.add_argument(
        "atlas", nargs="?", metavar="ATLAS", help="folder of the atlas, or a sample (what the study names)"
    )
    new.add_argument("--study", metavar="FILE.toml", help="file that describes the study (the paper's)")
    new.add_argument(
        "--fast", action="store_true", help="run the paper's study with small settings, in minutes"
    )
    _test_galaxies(new)
    text = "file of values of the paper's tables that the package lacks, to stand beside what is measured"
    new.add_argument("--published", metavar="FILE.ecsv", help=text)
    text = "write an empty file for --published to be filled in, and do nothing else"
    new.add_argument("--published-template", metavar="FILE.ecsv", help=text)
    new.add_argument("--bands", **NAMES, help="bands, by any of their names (those of the study)")
    text = "say what is to be trained and how long that takes, and do nothing else"
    new.add_argument("--dry-run", action="store_true", help=text)
    text = "trainings and parts side by side, in N processes (Dask)"
    new.add_argument("--workers", type=count, metavar="N", help=text)
    new.add_argument("--scheduler", metavar="ADDRESS", help="or on the workers of this Dask scheduler")
    new.add_argument(
        "-o", "--output", default="study", metavar="OUT", help="folder to write to (%(default)s)"
    )


def _compare(commands):
    text = "compare maps with maps of the same galaxy made otherwise"
    compare_options(_command(commands, "compare", compare, text, writes=True))


def _fetch(commands):
    new = _command(commands, "fetch", run.fetch, "fetch cut-outs of Euclid mosaics from an archive")
    new.add_argument("ra", type=float, metavar="RA", help="right ascension, degrees, ICRS")
    new.add_argument("dec", type=float, metavar="DEC", help="declination, degrees")
    new.add_argument(
        "--radius", type=float, required=True, metavar="ARCSEC", help="half the side of the cut-out"
    )
    _bands(new)
    new.add_argument("--service", choices=("irsa", "esa"), default="irsa", help="archive (%(default)s)")
    new.add_argument("-o", "--output", metavar="FOLDER", help="folder to keep the files in (Astropy's cache)")
    new.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="wait for the archive as long (%(default)g)",
    )
    new.add_argument("--refresh", action="store_true", help="fetch files that are there again")
    new.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="also take files from this host, https://HOST; may be repeated",
    )


def _info(commands):
    new = _command(commands, "info", info, "say what a file holds", json=True)
    new.add_argument("file", nargs="+", metavar="FILE", help="a model, image, map, atlas or sample")


def _plugins(commands):
    text = "list what is registered, check it, or begin a new plugin"
    new = _command(commands, "plugins", plugins, text, json=True)
    new.add_argument(
        "--check", nargs="*", action=Names, metavar="NAME", help="run the test kit on these plugins (all)"
    )
    new.description = "Without COMMAND: list what is registered, or check it with --check."
    add_new(new.add_subparsers(title="commands", metavar="COMMAND"))


def _populations(commands):
    text = "list libraries of stellar populations, or make a table of one"
    new = _command(commands, "populations", lambda options: new.error("say what to do: list or make"), text)
    kinds = new.add_subparsers(title="commands", metavar="COMMAND")
    _command(kinds, "list", populations_list, "list what mock galaxies can be made of")
    text = "make the table of a library that is installed, or lies somewhere"
    make = _command(kinds, "make", populations_make, text, writes=True)
    make.add_argument("name", metavar="NAME", help="bc03, bc03-miles, popstar or emiles")
    make.add_argument("-o", "--output", metavar="FILE.ecsv", help="the table to write (NAME.ecsv)")
    make.add_argument(
        "--library", metavar="PATH", help="file or folder of the library, where it is not installed"
    )
    text = "(IE YE JE HE); LSST_g, ..., others as speclite calls them, or all that the shipped table has"
    make.add_argument("--bands", **NAMES, help=text)
    make.add_argument(
        "--passbands",
        choices=("analytic", "speclite"),
        default="analytic",
        help="NISP passbands to use (%(default)s)",
    )
    make.add_argument(
        "--mass-scale",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="what a solar mass of the library counts, to convert its initial mass function (%(default)s)",
    )
    make.add_argument(
        "--fill-young",
        action="store_true",
        help="ages younger than the library has, from bc03, scaled to meet",
    )


def _default_model(commands):
    text = "make the default model again, or another model of mock galaxies"
    new = _command(
        commands, "default-model", lambda options: new.error("say what to do: make or check"), text
    )
    kinds = new.add_subparsers(title="commands", metavar="COMMAND")
    text = "make it; an interrupted call goes on where it was"
    make = _command(kinds, "make", default_model_make, text, writes=True)
    make.add_argument("-o", "--output", required=True, metavar="MODEL.asdf", help="the model file to write")
    make.add_argument("--preset", metavar="NAME", help="what galaxies to make: broad or tng50-like (broad)")
    text = "sets of features, as bands neighbourhood (those of the default model)"
    make.add_argument("--features", **NAMES, help=text)
    make.add_argument("--galaxies", type=count, metavar="N", help="how many galaxies to learn from (2000)")
    make.add_argument("--trees", type=count, metavar="N", help="most trees for each property (300)")
    make.add_argument(
        "--folds", type=count, metavar="N", help="folds of galaxies to calibrate intervals with (4)"
    )
    make.add_argument("--seed", type=int, help="seed of the galaxies (20)")
    text = "make it again and compare it with the one that comes with the package"
    check = _command(kinds, "check", default_model_check, text)
    text = "rms by which estimates may differ where libraries do, dex (%(default)s)"
    check.add_argument("--tolerance", type=float, default=0.02, metavar="DEX", help=text)

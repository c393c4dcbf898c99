"""The report of a study: one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import struct
import sys
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from euclid_resolved.citation import __version__
from euclid_resolved.diagnostics._published import NOT_PUBLISHED
from euclid_resolved.images._guard import MAX_TABLE, check_content, read_bytes
from euclid_resolved.io._files import write_text
from euclid_resolved.plotting._style import FIGURE_DPI
from euclid_resolved.study._findings import judge_findings
from euclid_resolved.study._runner import MANIFEST

if TYPE_CHECKING:
    from jinja2 import Environment

    from euclid_resolved.study._runner import Runner

REPORT = "report.html"

_DATA = Path(__file__).parent / "data"
_FOLDED, _LONGEST = 40, 200  # rows: longer tables are closed at first, and the longest are only named
_DENSE = 12  # cells across: wider tables have less room between cells
_EMPTY = "–"
_TIED = "\N{NO-BREAK SPACE}"  # a line may end before the sign of an error, not after it
_PIXELS_AN_INCH = 120  # of the page, for figures that are drawn at the width of a journal
_LIBRARIES = (
    "numpy",
    "scipy",
    "astropy",
    "scikit-learn",
    "photutils",
    "matplotlib",
    "asdf",
    "euclid_resolved_dnn",
)
_WORDS = {
    "r2": "R²",
    "rmse": "RMSE",
    "nmad": "NMAD",
    "bias": "⟨ΔY⟩",
    "outlier_fraction": "f_out",
    "pearson": "ρ",
    "stellar_mass_density": "Σ⋆",
    "stellar_metallicity": "Z⋆",
    "stellar_age": "t⋆",
    "n_pixels": "pixels",
    "n_galaxies": "galaxies",
    "outlier_narrow": "f_out, 0.2 dex",
    "importance_within": "importance within galaxies",
    "psf": "PSF",
    "mean_fwhm": "mean FWHM",
    "rmse_all": "RMSE, all",
    "bias_all": "⟨ΔY⟩, all",
    "pixels_all": "pixels, all",
    "n_pixels_all": "pixels, all",
    "left_out": "left out",
}


def write_report(runner: Runner, command: str) -> Path:
    """Write ``report.html`` from what lies in the folder of a study.

    Parameters
    ----------
    runner : `Runner`
    command : str
        What repeats the study.

    Returns
    -------
    path : `~pathlib.Path`
    """
    manifest, d = runner.manifest, runner.description
    parts = [(part, manifest[part.slug]) for part in d.parts if part.slug in manifest]
    values: dict[str, float] = {}
    source: dict[str, int] = {}
    for i, (_, entry) in enumerate(parts):
        # What the first part says stands: Table 3 has the most runs.
        source = dict.fromkeys(entry["values"], i) | source
        values = entry["values"] | values
    style = (_DATA / "report.css").read_text(encoding="utf-8")
    page = (
        _environment()
        .get_template("report.html")
        .render(
            name=d.name,
            atlas=runner.atlas.resolve().name,
            policy=_policy(style),
            style=style,
            missing=runner.missing,
            mock=runner.data.mock,
            reference=d.reference,
            facts=_facts(runner),
            command=command,
            findings=[
                (finding, [parts[i][0] for i in sorted({source[key] for key in finding.keys})])
                for finding in judge_findings(values)
            ],
            manifest=MANIFEST,
            parts=[(part, _content(runner, entry)) for part, entry in parts],
            settings=_settings(runner, parts),
            text=d.text,
        )
    )
    path = runner.out / REPORT
    write_text(path, page)
    return path


@cache
def _environment() -> Environment:
    """The templates; whatever is put into them is text, never HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_DATA),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def _policy(style):
    """What a browser may do with the page: show its own figures in its own style, nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _facts(runner):
    d = runner.description
    return {
        runner.data.kind.capitalize(): f"{runner.atlas.resolve().name}: {len(runner.galaxies)} galaxies, "
        f"observer {d.observer}; {', '.join(d.bands)}",
        "Training, test": f"{len(runner.training)} and {len(runner.test)} whole galaxies, seed "
        f"{d.sample['seed']}, {_how_split(d.sample)}",
        "Published values": _where_published(d.published),
        "Clip": f"HE brighter than {d.sample['clip']} MJy/sr",
    }


def _where_published(file):
    beside = f", and what {Path(file).name} adds" if file else ""
    return (
        f"what the paper's text quotes{beside}; Tables 1 to 5, 7, A.1 and B.1 are empty in our copy, and "
        "columns without any published value are left out"
    )


def _how_split(sample):
    if sample["test_galaxies"]:
        return f"test galaxies as listed in {Path(sample['test_galaxies']).name}"
    how = "stratified by star formation where it is known" if sample["stratified"] else "at random"
    return f"test fraction {sample['test_fraction']}, {how}"


def _content(runner, entry):
    """The notes, tables and figures of a part, for the template."""
    tables, figures = [], []
    for each in entry["tables"]:
        check_content(runner.out / each["file"])
        table = Table.read(runner.out / each["file"], format="ascii.ecsv")
        tables.append(each | {"table": _described(table)})
    for each in entry["figures"]:
        data = read_bytes(runner.out / each["file"], most=MAX_TABLE)
        text = base64.b64encode(data).decode("ascii")
        figures.append(each | {"data": text, "width": _shown_width(data)})
    return {"notes": entry["notes"], "tables": tables, "figures": figures}


def _shown_width(data):
    """The width of a figure on the page, so that the text of all figures has one size; None if unknown."""
    if not data.startswith(b"\x89PNG") or len(data) < 24:
        return None
    (pixels,) = struct.unpack(">I", data[16:20])
    return round(pixels * _PIXELS_AN_INCH / FIGURE_DPI)


def render_table(table: Table) -> str:
    """A table as HTML: scatter behind its value, the published figure beside the measured one.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A column ``x`` may have ``x_scatter`` (or ``x_error``) and ``x_published``; in rows with a
        ``status`` the measured cells say that the case was not run. A table of more than 200 rows is left
        empty.

    Returns
    -------
    text : str
    """
    return _environment().get_template("table.html").render(table=_described(table))


def _described(table: Table) -> dict[str, Any]:
    """The columns and cells of a table, for the template."""
    names = table.colnames
    beside = {f"{n}{end}" for n in names for end in ("_scatter", "_error", "_published")} & set(names)
    shown = [n for n in names if n not in beside and n != "status"]
    columns = [{"title": _word(name, table), "pair": f"{name}_published" in names} for name in shown]
    rows = [[cell for name in shown for cell in _cells(row, name, names)] for row in table[:_LONGEST]]
    published = [name for name in names if name.endswith("_published")]
    return {
        "columns": columns,
        "pairs": any(column["pair"] for column in columns),
        "rows": rows if len(table) <= _LONGEST else [],
        "length": len(table),
        "folded": len(table) > _FOLDED,
        "dense": bool(rows) and len(rows[0]) > _DENSE,
        "unpublished": NOT_PUBLISHED if any(NOT_PUBLISHED in table[name] for name in published) else "",
    }


def _word(name, table):
    unit = getattr(table[name], "unit", None)
    return _WORDS.get(name, name.replace("_", " ")) + (f" [{unit}]" if unit else "")


def _cells(row, name, names):
    status = _text(row["status"]) if "status" in names else ""
    value = row[name]
    measured = isinstance(value, float | np.floating) or hasattr(value, "unit")
    text = _number(value) if measured else _WORDS.get(_text(value), _text(value))
    for end in ("_scatter", "_error"):
        if f"{name}{end}" in names and measured:
            spread = _plain(row[f"{name}{end}"])
            text += f" ±{_TIED}{_small(spread)}" if np.isfinite(spread) and not status else ""
    kind = "number" if measured else ""
    if measured and status:
        text, kind = "not run", "missing"  # why is said once, at the top
    cells = [{"kind": kind, "text": text}]
    if f"{name}_published" in names:
        paper = str(row[f"{name}_published"])
        none = paper == NOT_PUBLISHED
        cells.append({"kind": "missing" if none else "paper", "text": _EMPTY if none else paper})
    return cells


def _text(value):
    # An empty text comes back from a file as a masked one.
    return "" if np.ma.is_masked(value) else str(value)


def _plain(value):
    return float(np.asarray(getattr(value, "value", value)))


def _number(value):
    value = _plain(value)
    if not np.isfinite(value):
        return _EMPTY
    if 0.1 <= abs(value) < 1000 or value == 0:
        return f"{value:.3f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3g}"


def _small(spread):
    return "<0.0001" if 0 < spread < 0.00005 else f"{spread:.3f}" if spread >= 0.0095 else f"{spread:.4f}"


def _settings(runner, parts):
    """What the results depend on, as pairs of a label and a text."""
    d, lines = runner.description, []
    for label, method in d.methods.items():
        if label in runner.missing:
            text = runner.missing[label]
        else:
            settings = asdict(method.make(runner.seed())).items()
            told = ", ".join(f"{k} = {v}" for k, v in settings)
            text = f"{method.estimator}: {told}" if told else method.estimator
        lines.append((label, text))
    for name, what in d.inputs.items():
        columns = "all columns" if what.columns is None else ", ".join(what.columns)
        lines.append((f"input {name}", f"{' + '.join(what.features)}: {columns}"))
    seeds = f"split, bootstrap and first run {runner.seed()}; run n adds n; {d.runs} runs a case"
    lines.append(("seeds", seeds))
    found = [f"euclid_resolved {__version__}", f"Python {sys.version.split()[0]}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    lines.append(("versions", ", ".join(found)))
    seconds = "; ".join(f"{p.label}: {entry['seconds']:.0f} s" for p, entry in parts)
    return [*lines, ("time", seconds)]

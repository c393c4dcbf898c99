"""The report of a study: one HTML file that needs no network."""

from __future__ import annotations

import base64
import html
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from euclid_resolved._guard import MAX_TABLE, check_content, read_bytes
from euclid_resolved._version import __version__
from euclid_resolved.diagnostics._published import NOT_PUBLISHED
from euclid_resolved.io._files import write_text
from euclid_resolved.study._findings import judge_findings

if TYPE_CHECKING:
    from euclid_resolved.study._runner import Runner

_STYLE = Path(__file__).parent / "data" / "report.css"
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
    for _, entry in parts:
        values = entry["values"] | values  # what the first part says stands: Table 3 has the most runs
    style = _STYLE.read_text(encoding="utf-8")
    body = [f"<h1>{_e(d.name)}</h1>", *_head(runner, command), *_findings(values), *_contents(parts)]
    for part, entry in parts:
        body += _part(runner, part, entry)
    body += _provenance(runner, parts)
    title = f"{_e(d.name)}: {_e(runner.atlas.resolve().name)}"
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )
    path = runner.out / "report.html"
    write_text(path, page)
    return path


def _e(text):
    return html.escape(str(text))


def _is_mock(atlas):
    """Whether the sample table says that the atlas is a mock."""
    for path in atlas.glob("*sample*.txt"):
        return b"mock" in read_bytes(path)[:200].lower()
    return False


def _head(runner, command):
    d = runner.description
    lines = []
    for label, reason in runner.missing.items():
        lines.append(f'<p class="alarm"><b>{_e(label)} was not run: {_e(reason)}.</b> Its cells say so.</p>')
    if _is_mock(runner.atlas):
        lines.append(
            '<p class="alarm"><b>The atlas is a mock</b>: simple models of galaxies, tuned to behave like '
            "the paper's simulated ones, not a cosmological simulation. Agreement with the published figures "
            "is a test of the method, not of nature.</p>"
        )
    if d.reference:
        lines.append(f"<p>Compared with: {_e(d.reference)}</p>")
    rows = {
        "Atlas": f"{runner.atlas.resolve().name}: {len(runner.galaxies)} galaxies, observer {d.observer}",
        "Training, test": f"{len(runner.training)} and {len(runner.test)} whole galaxies, "
        f"seed {d.sample['seed']}, test fraction {d.sample['test_fraction']}",
        "Clip": f"HE brighter than {d.sample['clip']} MJy/sr",
        "Repeat with": f"<code>{_e(command)}</code>",
    }
    cells = "".join(f"<tr><th>{k}</th><td>{v if '<code>' in v else _e(v)}</td></tr>" for k, v in rows.items())
    return [*lines, f'<table class="facts">{cells}</table>']


def _findings(values):
    rows = []
    for finding in judge_findings(values):
        mark = finding.verdict.replace(" ", "-")
        figures = _e(finding.figures).replace("; ", "<br>")
        rows.append(
            f"<tr><td>{_e(finding.statement)}<br><small>{_e(finding.where)}</small></td>"
            f'<td class="verdict {mark}">{_e(finding.verdict)}</td>'
            f"<td>{figures}<br><small>asked for: {_e(finding.rule)}</small></td></tr>"
        )
    head = "<tr><th>the paper says</th><th>on this atlas</th><th>measured</th></tr>"
    return [f'<h2>Findings</h2><table class="findings">{head}{"".join(rows)}</table>']


def _contents(parts):
    links = "".join(f'<li><a href="#{p.slug}">{_e(p.label)}</a> {_e(p.title)}</li>' for p, _ in parts)
    return [f"<h2>Contents</h2><ul>{links}</ul>"]


def _part(runner, part, entry):
    lines = [f'<h2 id="{part.slug}">{_e(part.label)}: {_e(part.title or part.run)}</h2>']
    lines += [f'<p class="note">{_e(note)}</p>' for note in entry["notes"]]
    for each in entry["tables"]:
        check_content(runner.out / each["file"])
        table = Table.read(runner.out / each["file"], format="ascii.ecsv")
        lines.append(f"<h3>{_e(each['caption'])}</h3>{render_table(table)}")
    for each in entry["figures"]:
        data = base64.b64encode(read_bytes(runner.out / each["file"], most=MAX_TABLE)).decode("ascii")
        caption = _e(each["caption"])
        lines.append(
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return lines


def render_table(table: Table) -> str:
    """A table as HTML: scatter behind its value, the published figure beside the measured one.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A column ``x`` may have ``x_scatter`` (or ``x_error``) and ``x_published``; in rows with a
        ``status`` the measured cells say it.

    Returns
    -------
    text : str
    """
    names = table.colnames
    beside = {f"{n}{end}" for n in names for end in ("_scatter", "_error", "_published")} & set(names)
    shown = [n for n in names if n not in beside and n != "status"]
    upper, lower = [], []
    for name in shown:
        if f"{name}_published" in names:
            upper.append(f'<th colspan="2">{_e(_word(name, table))}</th>')
            lower.append("<th>here</th><th>paper</th>")
        else:
            upper.append(f'<th rowspan="2">{_e(_word(name, table))}</th>')
    if not lower:
        upper = [cell.replace(' rowspan="2"', "") for cell in upper]
    rows = []
    for row in table:
        cells = [_cells(row, name, names) for name in shown]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = f"<tr>{''.join(upper)}</tr>" + (f"<tr>{''.join(lower)}</tr>" if lower else "")
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'


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
            text += f" ± {_small(spread)}" if np.isfinite(spread) and not status else ""
    kind = ' class="number"' if measured else ""
    if measured and status:
        text, kind = status, ' class="missing"'
    cell = f"<td{kind}>{_e(text)}</td>"
    if f"{name}_published" in names:
        paper = str(row[f"{name}_published"])
        cell += f'<td class="{"missing" if paper == NOT_PUBLISHED else "paper"}">{_e(paper)}</td>'
    return cell


def _text(value):
    # An empty text comes back from a file as a masked one.
    return "" if np.ma.is_masked(value) else str(value)


def _plain(value):
    return float(np.asarray(getattr(value, "value", value)))


def _number(value):
    value = _plain(value)
    if not np.isfinite(value):
        return "–"
    if 0.1 <= abs(value) < 1000 or value == 0:
        return f"{value:.3f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3g}"


def _small(spread):
    return "<0.0001" if 0 < spread < 0.00005 else f"{spread:.3f}" if spread >= 0.0095 else f"{spread:.4f}"


def _provenance(runner, parts):
    d = runner.description
    lines = ["<h2>Settings, seeds and versions</h2>", '<table class="facts">']
    for label, method in d.methods.items():
        if label in runner.missing:
            text = runner.missing[label]
        else:
            settings = asdict(method.make(runner.seed())).items()
            text = f"{method.estimator}: " + ", ".join(f"{k} = {v}" for k, v in settings)
        lines.append(f"<tr><th>{_e(label)}</th><td>{_e(text)}</td></tr>")
    for name, what in d.inputs.items():
        columns = "all columns" if what.columns is None else ", ".join(what.columns)
        lines.append(
            f"<tr><th>input {_e(name)}</th><td>{_e(' + '.join(what.features))}: {_e(columns)}</td></tr>"
        )
    seeds = f"split, bootstrap and first run {runner.seed()}; run n adds n; {d.runs} runs a case"
    lines.append(f"<tr><th>seeds</th><td>{_e(seeds)}</td></tr>")
    found = [f"euclid_resolved {__version__}", f"Python {sys.version.split()[0]}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    lines.append(f"<tr><th>versions</th><td>{_e(', '.join(found))}</td></tr>")
    seconds = ", ".join(f"{p.label} {entry['seconds']:.0f} s" for p, entry in parts)
    lines.append(f"<tr><th>time</th><td>{_e(seconds)}</td></tr></table>")
    lines.append(f"<details><summary>The study's file</summary><pre>{_e(d.text)}</pre></details>")
    return lines

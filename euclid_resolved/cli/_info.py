"""The commands that say what is there: in files, and among plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.cli._commands import UsageError, _described, _print
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from argparse import Namespace


def info(options: Namespace) -> None:
    """Say what files hold."""
    from euclid_resolved.io._atlas import read_atlas
    from euclid_resolved.io._read_write import read
    from euclid_resolved.io._sample import is_sample, read_sample
    from euclid_resolved.io.euclid._cutout import read_euclid
    from euclid_resolved.models._model import Model
    from euclid_resolved.plugins._offers import BUILTIN, brought

    for name in options.file:
        path = Path(name)
        if is_sample(path):
            pixels = read_sample(path)
            print(f"{name}: sample of {pixels.source}, every checksum as it was written")
            print(f"  {_described(pixels)}: {', '.join((*pixels.brightness, *pixels.truth))}")
            continue
        if path.is_dir():
            try:
                galaxies = read_atlas(path)
                print(f"{name}: atlas of {len(galaxies)} galaxies, {galaxies[0].name} to {galaxies[-1].name}")
            except InputError:
                print(f"{name}: {read_euclid(path)!r}")
            continue
        content = read(path)
        if isinstance(content, Model):
            print(f"{name}: {content!r}")
            others = [p for p in content.plugins if p.distribution != BUILTIN]
            record = {**content.training, "versions": content.versions}
            if others:
                record["plugins"] = ", ".join(f"{p.name} of {brought(p)}" for p in others)
            for key, value in record.items():
                text = f"{len(value)} names" if isinstance(value, list) and len(value) > 8 else value
                print(f"  {key}: {text}")
        elif isinstance(content, dict):
            print(f"{name}: maps")
            for map_ in content.values():
                print(f"  {map_!r}")
        else:
            print(f"{name}: {content!r}")


def plugins(options: Namespace) -> int:
    """List what is registered, or run the test kit on it."""
    from astropy.table import Table

    from euclid_resolved.plugins._registry import describe

    rows = describe()
    if options.check is None:
        columns = ("kind", "name", "distribution", "version", "status")
        table = Table({c: [getattr(row, c) or "-" for row in rows] for c in columns})
        _print(table)
        return 0
    from euclid_resolved.testing import _checks as testing

    checks = {
        "estimators": testing.check_estimator,
        "features": testing.check_features,
        "diagnostics": testing.check_diagnostic,
    }
    unknown = set(options.check) - {row.name for row in rows}
    if unknown:
        raise UsageError(
            f"no plugin {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in rows)}"
        )
    failed = 0
    for row in rows:
        if options.check and row.name not in options.check:
            continue
        verdict = row.status
        if row.value is not None and row.kind in checks:
            try:
                checks[row.kind](row.value)
            except Exception as error:
                verdict = "\n  ".join(" ".join(line.split()) for line in f"{error}".splitlines())
        failed += verdict != "ok"
        print(f"{row.kind or 'plugin'} {row.name}: {verdict}")
    return 1 if failed else 0

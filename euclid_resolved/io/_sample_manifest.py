"""The manifest of a sample: what its columns hold, galaxy by galaxy, and their checksums."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.images._guard import read_text
from euclid_resolved.io._files import write_text
from euclid_resolved.io._fingerprint import digest_of
from euclid_resolved.maps._properties import KNOWN
from euclid_resolved.models._clip import check_clip

MANIFEST = "sample.json"
FORMAT = "euclid_resolved sample 2"
_LARGEST = 1 << 26  # bytes of a manifest: that of a whole atlas has 300 kB
_NAME = re.compile(r"\w[\w+-]{0,63}", re.ASCII)  # of a band, because it becomes the name of a file
_SETTINGS = {
    "version": str,
    "source": str,
    "atlas": str,
    "clip_band": str,
    "bands": dict,
    "properties": dict,
    "names": list,
    "star_forming": list,
    "groups": list,
    "features": list,
    "around": list,
}
_MOST_COLUMNS = 10_000
_LARGEST_MASS = 30  # log10 of solar masses: what is beyond is no galaxy
_COUNTS = ("pixels", "seen", "without_truth")


def checked_name(band: str) -> str:
    """The name of a band, if a file can be named after it."""
    if not _NAME.fullmatch(band):
        raise InputError(f"a band that is kept in a file must have a plain name, got {band!r}")
    return band


def write_manifest(folder: Path, manifest: Mapping[str, Any], done: Sequence[Mapping[str, Any]]) -> None:
    """Replace the manifest at once or not at all."""
    content = {**manifest, "galaxies": done}
    write_text(folder / MANIFEST, json.dumps({**content, "sha256": digest_of(content)}, indent=1))


def read_manifest(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the manifest says, and its galaxies; nothing in it is trusted."""
    path = folder / MANIFEST
    if not path.is_file():
        what = f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder"
        raise ImageFileError(folder, what, "atlas extract, or write_sample, makes a sample of an atlas")
    try:
        content = json.loads(read_text(path, ImageFileError, most=_LARGEST))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        if content.pop("sha256", None) != digest_of(content):
            raise ValueError("it was changed after it was written")
        done = content.pop("galaxies")
        _check(content, done)
    except ImageFileError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        text = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ImageFileError(folder, f"{MANIFEST} cannot be used: {text}") from error
    return content, done


def _check(content, done):
    for key, kind in _SETTINGS.items():
        if not isinstance(content[key], kind):
            raise ValueError(f"{key} is {content[key]!r}")
    check_clip(content["clip"])
    names, kinds, groups = content["names"], content["star_forming"], content["groups"]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("the names of the galaxies are no different texts")
    if len(kinds) != len(names) or not {type(kind) for kind in kinds} <= {bool, type(None)}:
        raise ValueError("star_forming does not go with the names")
    if len(groups) != len(names) or not all(isinstance(group, str) and group.strip() for group in groups):
        raise ValueError("groups do not go with the names")
    for band, unit in content["bands"].items():
        if not _NAME.fullmatch(band) or unit != str(SURFACE_BRIGHTNESS):
            raise ValueError(f"band {band!r} in {unit!r}")
    for name, unit in content["properties"].items():
        if name not in KNOWN or unit != str(KNOWN[name].unit):
            raise ValueError(f"property {name!r} in {unit!r}")
    for key in ("features", "around"):
        found = content[key]
        if not all(isinstance(name, str) and name for name in found) or len(set(found)) < len(found):
            raise ValueError(f"{key} are no different texts")
    if len(content["around"]) > _MOST_COLUMNS or bool(content["around"]) != bool(content["features"]):
        raise ValueError(f"{len(content['around'])} columns of surroundings by {content['features']}")
    if not content["bands"] or not content["properties"]:
        raise ValueError("it names no band or no property")
    if not isinstance(done, list) or len(done) > len(names):
        raise ValueError("it has more galaxies than names")
    for entry in done:
        numbers = [entry[key] for key in _COUNTS]
        if not all(type(n) is int and 0 <= n < 1 << 40 for n in numbers) or numbers[0] > numbers[1]:
            raise ValueError(f"a galaxy with {numbers} pixels")
        if type(entry["noise"]) is not bool or not isinstance(entry["sha256"], str):
            raise ValueError("a galaxy has no checksum")
        mass = entry.get("log_mass", 0.0)
        if type(mass) is not float or not abs(mass) < _LARGEST_MASS:
            raise ValueError(f"a galaxy with a mass of {mass!r}")

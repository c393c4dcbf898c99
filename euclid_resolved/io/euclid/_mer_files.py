"""The names of the MER products: which files belong to a tile, and which version is the newest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._bands import band_name

PRODUCT = re.compile(
    r"EUC_MER_(?P<what>BGSUB-MOSAIC|MOSAIC|BGMOD|GRID-PSF|CATALOG-PSF|FINAL-SEGMAP)(?:-(?P<band>.+?))??(?:-(?P<kind>RMS|FLAG))?"
    r"_TILE(?P<tile>\d+)-[^_]+_(?P<time>[^_]+)_.*\.fits(?:\.gz|\.fz)?"
)
KINDS = {
    "BGSUB-MOSAIC": "",
    "BGMOD": "BGMOD",
    "GRID-PSF": "PSF",
    "CATALOG-PSF": "CATALOG-PSF",
    "FINAL-SEGMAP": "SEGMAP",
}


def band_of(name: str) -> str | None:
    """The band that the name of a mosaic says, or None."""
    match = PRODUCT.fullmatch(name)
    return None if match is None or not match["band"] else band_name(match["band"])


def newest(names: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
    """Of files of MER products, the newest version of each.

    Parameters
    ----------
    names : iterable of str
        Names of files; those of other products are passed over.

    Returns
    -------
    found : dict
        ``{tile: {band: {kind: name}}}``; `kind` is an empty text for the image itself, else ``RMS``,
        ``FLAG``, ``BGMOD``, ``PSF`` (a grid) or ``CATALOG-PSF`` (one a source: all that ground-based bands
        have); the segmentation map of a tile is under the band ``""``, kind ``SEGMAP``.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    times: dict[tuple[str, ...], str] = {}
    for name in sorted(names):
        match = PRODUCT.fullmatch(Path(name).name)
        if match is None or (match["what"] == "MOSAIC") != bool(match["kind"]):
            continue
        band = band_name(match["band"]) if match["band"] else ""
        kind = match["kind"] or KINDS[match["what"]]
        key = match["tile"], band, kind
        if match["time"] >= times.get(key, ""):
            times[key] = match["time"]
            found.setdefault(match["tile"], {}).setdefault(band, {})[kind] = name
    return found


def siblings(path: str | Path, wanted: Sequence[str] = ("RMS", "FLAG")) -> dict[str, Path]:
    """The newest files of other kinds beside a mosaic, by kind; none beside a file of another name.

    Parameters
    ----------
    path : path-like
    wanted : sequence of str, optional
        Of ``RMS``, ``FLAG``, ``BGMOD`` and ``PSF``.

    Returns
    -------
    found : dict
        Path by kind.
    """
    path = Path(path)
    match = PRODUCT.fullmatch(path.name)
    if match is None or match["what"] != "BGSUB-MOSAIC" or not path.parent.is_dir():
        return {}
    found = newest([str(other) for other in path.parent.glob("EUC_MER_*")])
    kinds = found.get(match["tile"], {}).get(band_name(match["band"] or ""), {})
    return {kind: Path(other) for kind, other in kinds.items() if kind in wanted}


def list_tiles(folder: str | Path) -> dict[str, dict[str, dict[str, Path]]]:
    """The newest files of every tile in a folder and the folders in it.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    tiles : dict
        As `newest`, with paths; only tiles with the mosaic of a band.

    Raises
    ------
    ImageFileError
        If there is no mosaic.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageFileError(folder, "is no folder" if folder.exists() else "no such folder")
    paths = {str(p): p for p in folder.rglob("EUC_MER_*") if p.is_file()}
    tiles = {
        tile: {band: {kind: paths[name] for kind, name in kinds.items()} for band, kinds in bands.items()}
        for tile, bands in newest(paths).items()
        if any("" in kinds for kinds in bands.values())
    }
    if not tiles:
        raise ImageFileError(folder, "holds no file EUC_MER_BGSUB-MOSAIC-{VIS,NIR-Y,...}_TILE*.fits")
    return tiles

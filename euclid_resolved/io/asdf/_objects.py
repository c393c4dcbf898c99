"""Images and maps as plain trees, the content of their ASDF nodes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import nddata
from astropy.io import fits

from euclid_resolved.errors import InputError
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io._wcs import header_to_wcs, wcs_to_header
from euclid_resolved.io.asdf import _tree as trees
from euclid_resolved.maps._spatial_map import SpatialMap

_UNCERTAINTIES = {
    "std": nddata.StdDevUncertainty,
    "var": nddata.VarianceUncertainty,
    "ivar": nddata.InverseVariance,
    "unknown": nddata.UnknownUncertainty,
}


def map_to_tree(obj: SpatialMap) -> dict[str, Any]:
    """The tree of a `~euclid_resolved.SpatialMap`."""
    if obj.data.ndim != 2:
        raise InputError(f"{obj.label}: only maps of two dimensions are written, got shape {obj.data.shape}")
    tree = {**_nddata_to_tree(obj, obj.label), "quality": trees.array(obj.quality, f"{obj.label}: quality")}
    if obj.planes:
        tree["planes"] = {
            name: trees.array(plane, f"{obj.label}: {name}") for name, plane in obj.planes.items()
        }
    return tree


def tree_to_map(tree: Mapping[str, Any]) -> SpatialMap:
    """The map of a tree."""
    return SpatialMap(quality=tree["quality"], planes=tree.get("planes"), **_nddata_keywords(tree))


def maps_to_tree(obj: Mapping[str, SpatialMap]) -> dict[str, Any]:
    """The tree of a dict of maps; a list, for a mapping loses its order."""
    return {
        "maps": [{"name": trees.plain(name, "name of a map"), **map_to_tree(m)} for name, m in obj.items()]
    }


def tree_to_maps(tree: Mapping[str, Any]) -> dict[str, SpatialMap]:
    """The dict of maps of a tree."""
    names = _names(tree["maps"])
    return dict(zip(names, map(tree_to_map, tree["maps"]), strict=True))


def image_to_tree(obj: MultiBandImage) -> dict[str, Any]:
    """The tree of a `~euclid_resolved.MultiBandImage`; the bands are a list, as above."""
    bands = [
        {"name": trees.plain(name, "band"), **_nddata_to_tree(band, f"band {name}")}
        for name, band in obj.items()
    ]
    return {"name": trees.plain(obj.name, "name"), "meta": trees.plain(obj.meta, "meta"), "bands": bands}


def tree_to_image(tree: Mapping[str, Any]) -> MultiBandImage:
    """The image of a tree."""
    names = _names(tree["bands"])
    bands = [nddata.NDData(**_nddata_keywords(band)) for band in tree["bands"]]
    # Whoever made the image decided how far apart its bands may be.
    return MultiBandImage(
        dict(zip(names, bands, strict=True)),
        name=tree["name"],
        meta=trees.restore(tree["meta"]),
        tolerance=np.inf,
    )


def _names(entries):
    names = [entry["name"] for entry in entries]
    if len(set(names)) != len(names):
        raise InputError(f"damaged: a name comes twice among {', '.join(names)}")
    return names


def _nddata_to_tree(obj, where):
    tree = {"data": trees.array(obj.data, f"{where}: data"), "meta": trees.plain(obj.meta, f"{where}: meta")}
    shape = obj.data.shape
    if obj.unit is not None:
        tree["unit"] = trees.unit_text(obj.unit, where)
    if obj.mask is not None:
        tree["mask"] = trees.array(np.broadcast_to(np.asarray(obj.mask, dtype=bool), shape), f"{where}: mask")
    error = obj.uncertainty
    if error is not None and error.array is not None:
        if type(error) is not _UNCERTAINTIES.get(error.uncertainty_type):
            raise InputError(
                f"{where}: uncertainty of type {type(error).__name__} cannot be written to a file"
            )
        values = trees.array(np.broadcast_to(error.array, shape), f"{where}: uncertainty")
        tree["uncertainty"] = {"kind": error.uncertainty_type, "array": values}
        if error.unit is not None:
            tree["uncertainty"]["unit"] = trees.unit_text(error.unit, f"{where}: uncertainty")
    if obj.wcs is not None:
        # Header cards, not asdf-astropy's tag: that one carries whole HDU lists, which a reader of
        # untrusted files would have to understand, and its text depends on astropy's version.
        cards = wcs_to_header(obj.wcs, shape, where).cards
        tree["wcs"] = trees.plain([[card.keyword, card.value] for card in cards], f"{where}: wcs")
    if getattr(obj, "psf", None) is not None:
        tree["psf"] = trees.array(obj.psf, f"{where}: psf")
    return tree


def _nddata_keywords(tree):
    """The keywords that make an NDData of a tree."""
    keywords = {"data": tree["data"], "unit": tree.get("unit"), "meta": trees.restore(tree["meta"])}
    for name in ("mask", "psf"):
        if name in tree:
            keywords[name] = tree[name]
    if "uncertainty" in tree:
        error = tree["uncertainty"]
        keywords["uncertainty"] = _UNCERTAINTIES[error["kind"]](error["array"], unit=error.get("unit"))
    if "wcs" in tree:
        keywords["wcs"] = header_to_wcs(
            fits.Header([tuple(card) for card in tree["wcs"]]), tree["data"].shape
        )
    return keywords

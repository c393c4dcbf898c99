"""The ASDF tags of models, images and maps: what asdf needs to read and write them.

`get_extensions` and `get_resource_mappings` are named by the package's entry points, so that every use
of asdf comes here: nothing heavy is imported before an object of ours is met.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from asdf.extension import Converter, ManifestExtension
from asdf.resource import DirectoryResourceMapping

from euclid_resolved.io.asdf._scan import TAG_BASE

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage
    from euclid_resolved.maps._spatial_map import SpatialMap
    from euclid_resolved.models._model import Model

URI_BASE = "asdf://euclid-resolved/"
EXTENSION_URI = URI_BASE + "extensions/euclid_resolved-1.0.0"
MANIFEST_URI = URI_BASE + "manifests/euclid_resolved-1.0.0"


class Maps(dict):
    """Maps by name: a dict with a tag of its own, so that names and order can be checked."""


class _Checked(Converter):
    """A converter whose node carries the checksums of what it holds."""

    def to_yaml_tree(self, obj: Any, tag: str, ctx: Any) -> dict[str, Any]:
        from euclid_resolved.io.asdf._tree import apart, checksums

        tree = apart(self.pack(obj))
        return {**tree, "checksums": checksums(tree)}

    def from_yaml_tree(self, node: Any, tag: str, ctx: Any) -> Any:
        from euclid_resolved.io.asdf._tree import unwrap, verify

        tree = unwrap(node)
        verify(tree, tree.pop("checksums"))
        return self.unpack(tree)


class SpatialMapConverter(_Checked):
    """A map of one property."""

    tags = (TAG_BASE + "spatial_map-1.0.0",)
    types = ("euclid_resolved.maps._spatial_map.SpatialMap",)

    def pack(self, obj: SpatialMap) -> dict[str, Any]:
        """The tree of a map."""
        from euclid_resolved.io.asdf._objects import map_to_tree

        return map_to_tree(obj)

    def unpack(self, tree: dict[str, Any]) -> SpatialMap:
        """The map of a tree."""
        from euclid_resolved.io.asdf._objects import tree_to_map

        return tree_to_map(tree)


class MultiBandImageConverter(_Checked):
    """An image in several bands."""

    tags = (TAG_BASE + "multi_band_image-1.0.0",)
    types = ("euclid_resolved.images._image.MultiBandImage",)

    def pack(self, obj: MultiBandImage) -> dict[str, Any]:
        """The tree of an image."""
        from euclid_resolved.io.asdf._objects import image_to_tree

        return image_to_tree(obj)

    def unpack(self, tree: dict[str, Any]) -> MultiBandImage:
        """The image of a tree."""
        from euclid_resolved.io.asdf._objects import tree_to_image

        return tree_to_image(tree)


class ModelConverter(_Checked):
    """A trained model, through its own `to_tree` and `from_tree`."""

    tags = (TAG_BASE + "model-1.0.0",)
    types = ("euclid_resolved.models._model.Model",)

    def pack(self, obj: Model) -> dict[str, Any]:
        """The tree of a model."""
        from euclid_resolved.errors import InputError
        from euclid_resolved.io.asdf._tree import plain
        from euclid_resolved.plugins._registry import available

        tree = obj.to_tree()
        for output in tree["outputs"]:
            if output["estimator"] not in available("estimators"):
                raise InputError(
                    f"nobody could open this model again: estimator {output['estimator']}; offer it with a "
                    "plugin, or for this session with plugins.register"
                )
        return plain(tree, "model")

    def unpack(self, tree: dict[str, Any]) -> Model:
        """The model of a tree; it repeats the predictions stored with it."""
        from euclid_resolved.models._model import Model

        return Model.from_tree(tree)


class MapsConverter(_Checked):
    """Several maps by name, in their order."""

    tags = (TAG_BASE + "maps-1.0.0",)
    types = (Maps,)

    def pack(self, obj: Maps) -> dict[str, Any]:
        """The tree of maps."""
        from euclid_resolved.io.asdf._objects import maps_to_tree

        return maps_to_tree(obj)

    def unpack(self, tree: dict[str, Any]) -> Maps:
        """The maps of a tree, a dict by name."""
        from euclid_resolved.io.asdf._objects import tree_to_maps

        return Maps(tree_to_maps(tree))


def get_resource_mappings() -> list[DirectoryResourceMapping]:
    """The schemas and the manifest, for the entry point group ``asdf.resource_mappings``."""
    folder = resources.files("euclid_resolved") / "io" / "asdf" / "resources"
    return [
        DirectoryResourceMapping(folder / kind, f"{URI_BASE}{kind}/") for kind in ("schemas", "manifests")
    ]


def get_extensions() -> list[ManifestExtension]:
    """The extension, for the entry point group ``asdf.extensions``."""
    converters = [SpatialMapConverter(), MapsConverter(), MultiBandImageConverter(), ModelConverter()]
    return [ManifestExtension.from_uri(MANIFEST_URI, converters=converters)]

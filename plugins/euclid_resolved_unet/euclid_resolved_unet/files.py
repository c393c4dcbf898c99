"""A U-Net in a file: an uncompressed archive of plain arrays (``.npz``), never a pickle."""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from euclid_resolved import InputError, Model, ModelFileError, read, write
from euclid_resolved.estimators import state_array
from euclid_resolved.maps import get_property
from euclid_resolved_unet.network import Layer, shapes
from euclid_resolved_unet.planes import Eyes
from euclid_resolved_unet.unet import MOST_WEIGHTS, UNet

__all__ = ["read_unet"]

_FORMAT = "euclid_resolved_unet 1"
_LARGEST = 256 * 2**20  # bytes of a file; half a million weights take two million
_MOST_MEMBERS = 200
_SAME = 1e-3  # dex: other processors add in another order


def write_unet(path: str | Path, unet: UNet, overwrite: bool = False) -> None:
    """Write a U-Net; see `UNet.write`."""
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path}: the name of a U-Net's file must end in .npz")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already: say overwrite=True to replace it")
    record = {
        "format": _FORMAT,
        "properties": list(unet.properties),
        "widths": list(unet.widths),
        "ways": unet.ways,
        "training": unet.training,
    }
    arrays: dict[str, np.ndarray] = {
        "record": np.frombuffer(json.dumps(record).encode(), np.uint8),
        "guide": np.frombuffer(_bytes_of(unet.guide), np.uint8),
        "edges": unet.edges,
        "history": unet.history,
        **unet.eyes._asdict(),
    }
    if unet.golden is not None:
        arrays["golden_brightness"], arrays["golden_dex"] = unet.golden
    for number, layer in enumerate(unet.layers):
        arrays[f"kernel_{number}"], arrays[f"bias_{number}"] = layer
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            np.savez(file, **arrays)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            file.close()
            os.unlink(file.name)
            raise


def read_unet(path: str | Path) -> UNet:
    """Open a U-Net that was written by `UNet.write`; Keras is not needed.

    A file is not to be trusted: sizes are looked at before anything is read, nothing is unpickled, every
    array has to have the shape and the finite values that a network needs, the linear model within goes
    through `euclid_resolved.read`, and the small image kept in the file is mapped again and compared.

    Parameters
    ----------
    path : str or `~pathlib.Path`

    Returns
    -------
    unet : `~euclid_resolved_unet.UNet`

    Raises
    ------
    ModelFileError
        If it is no such file, damaged, or gives other values than when it was written.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(path, "there is no such file")
    if path.stat().st_size > _LARGEST:
        raise ModelFileError(path, f"{path.stat().st_size} bytes are more than any U-Net has")
    try:
        with zipfile.ZipFile(path) as archive:
            unet = _unet_of({name: _array(archive, name) for name in _members(archive)})
        _run_again(unet)
    except Exception as error:  # whatever a hostile file makes zipfile, NumPy or JSON raise
        what = getattr(error, "what", str(error)) or type(error).__name__
        raise ModelFileError(path, f"this is no U-Net, or damaged: {what}") from error
    return unet


def _members(archive):
    """The names of the arrays, without the ending."""
    found = archive.infolist()
    if len(found) > _MOST_MEMBERS:
        raise ValueError(f"{len(found)} members")
    for member in found:
        if not member.filename.endswith(".npy") or member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"the member {member.filename!r:.60} is no plain array")
        if member.file_size > _LARGEST:
            raise ValueError(f"the member {member.filename!r:.60} claims {member.file_size} bytes")
    if len({member.filename for member in found}) != len(found):
        raise ValueError("two members of one name")
    return [member.filename.removesuffix(".npy") for member in found]


def _array(archive, name):
    """One array, once its header says no more than there is."""
    file = io.BytesIO(archive.read(f"{name}.npy"))  # checks the sum, too
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{name} is an array of version {version}")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or dtype.kind not in "uif":
        raise ValueError(f"{name} holds {dtype}, numbers are needed")
    here = file.tell()
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != file.seek(0, io.SEEK_END) - here:
        raise ValueError(f"{name} claims the shape {shape}, which its size is not")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _unet_of(arrays: Mapping[str, np.ndarray]) -> UNet:
    record = _record(arrays)
    properties, widths, ways = record["properties"], record["widths"], record["ways"]
    if not isinstance(properties, list) or not 1 <= len(properties) <= 16:
        raise ValueError("'properties' is no list of properties")
    properties = tuple(get_property(name).name for name in properties)
    if len(set(properties)) != len(properties):
        raise ValueError("a property is there twice")
    whole = [isinstance(n, int) and not isinstance(n, bool) for n in [ways, *widths]]
    if not all(whole) or not 1 <= ways <= 8 or not 1 <= len(widths) <= 6 or min(widths) < 1:
        raise ValueError("'ways' or 'widths' are no such numbers")
    if max(widths) > MOST_WEIGHTS:
        raise ValueError(f"a width of {max(widths)}")
    guide = _model_of(arrays["guide"])
    if not set(properties) <= set(guide.properties):
        raise ValueError(f"the model within estimates {', '.join(guide.properties)}")
    edges = state_array(arrays, "edges", 2)
    if edges.dtype != np.float64 or len(edges) != len(properties) or not 3 <= edges.shape[1] <= 257:
        raise ValueError(f"edges of bins of shape {edges.shape} for {len(properties)} properties")
    if not (np.diff(edges) > 0).all() or np.abs(edges).max() > 30:
        raise ValueError("edges of bins that do not increase, or of no number that float32 holds")
    bands = len(guide.bands)
    eyes = Eyes(*(_float32(arrays, name, 1) for name in Eyes._fields))
    if any(len(each) != bands for each in eyes) or min(eyes.softening.min(), eyes.width.min()) < 1e-30:
        raise ValueError(f"the planes of {bands} bands are not scaled by positive numbers")
    wanted = shapes(bands + 1, widths, 2 * len(properties) * (edges.shape[1] - 1))
    layers = tuple(
        Layer(_float32(arrays, f"kernel_{i}", 4), _float32(arrays, f"bias_{i}", 1))
        for i in range(len(wanted))
    )
    golden = _float32(arrays, "golden_brightness", 3, nan=True), _float32(arrays, "golden_dex", 3)
    if golden[0].shape[1:] != golden[1].shape[1:] or golden[0][0].size > 64**2:
        raise ValueError(f"golden images of shapes {golden[0].shape} and {golden[1].shape}")
    history = state_array(arrays, "history", 1)
    if not 1 <= len(history) <= 100_000:
        raise ValueError(f"a history of {len(history)} epochs")
    return UNet(
        guide, properties, tuple(widths), eyes, edges, layers, ways, history, record["training"], golden
    )


def _record(arrays):
    text = arrays["record"]
    if text.dtype != np.uint8 or text.ndim != 1 or text.size > 2**24:
        raise ValueError("'record' is no text")
    record = json.loads(text.tobytes())
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise ValueError(f"'record' does not say {_FORMAT!r}")
    training = record["training"]
    if not isinstance(training, dict):
        raise ValueError("'training' is no record")
    for key in ("galaxies", "groups"):
        names = training.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{key!r} are no names")
    _check_pixel_scale(training.get("pixel_scale", ""))
    return record


def _check_pixel_scale(text: Any) -> None:
    import astropy.units as u

    if not isinstance(text, str) or len(text) > 60:
        raise ValueError("'pixel_scale' is no text")
    if text and not (np.isfinite(u.Quantity(text).value) and u.Quantity(text).value > 0):
        raise ValueError(f"a pixel scale of {text}")


def _float32(arrays, name, ndim, nan=False):
    array = arrays[name]
    if array.dtype != np.float32:
        raise ValueError(f"{name} holds {array.dtype}, float32 is needed")
    if nan:
        if array.ndim != ndim or not array.size:
            raise ValueError(f"{name} has the shape {array.shape}")
        return array
    return np.ascontiguousarray(state_array(arrays, name, ndim))


def _run_again(unet):
    brightness, dex = unet.golden
    made = unet.estimate(brightness)
    if made.shape != dex.shape or not np.abs(made - dex).max() < _SAME:
        raise ValueError("the network gives other values for the image in its file than when it was written")


def _bytes_of(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "guide.asdf"
        write(path, model)
        return path.read_bytes()


def _model_of(content):
    if content.dtype != np.uint8 or content.ndim != 1:
        raise ValueError("'guide' is no file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "guide.asdf"
        path.write_bytes(content.tobytes())
        model = read(path)
    if not isinstance(model, Model):
        raise ValueError(f"'guide' is a file of a {type(model).__name__}, a Model is needed")
    return model

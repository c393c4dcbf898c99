"""Look through an ASDF file that nobody vouches for, before anything is built from it."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

import yaml

from euclid_resolved.errors import InputError

TAG_BASE = "asdf://euclid-resolved/tags/"
"""What the tags of this package begin with."""

MAX_TEXT = 32 * 2**20
MAX_DEPTH = 40
MAX_NODES = 200_000
MAX_BLOCKS = 2**16

_OURS = re.compile(re.escape(TAG_BASE) + r"(model|multi_band_image|spatial_map|maps)-1\.0\.0")
_ARRAY = re.compile(r"tag:stsci\.edu:asdf/core/ndarray-1\.\d\.\d")
_CORE = re.compile(
    r"tag:stsci\.edu:asdf/core/(asdf|software|extension_metadata|history_entry|ndarray)-1\.\d\.\d"
)
_TEXT_END = re.compile(rb"\r?\n\.\.\.(\r?\n|$)")
_BLOCK_MAGIC = b"\xd3BLK"
_BLOCK_HEADER = struct.Struct(">I4sQQQ16s")
_COUNT = re.compile(r"\d{1,18}")
# Beyond this length Python needs ever longer to make a number of it.
_LONG_NUMBER = re.compile(r"[-+.:_0-9]{400,}")
_SIZES = {
    "bool8": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "int32": 4, "uint32": 4,
    "float32": 4, "int64": 8, "uint64": 8, "float64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Refused(InputError):
    """Why a file is not opened, and what can be done about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


class _Quoted(str):
    """Text in quotation marks: never a number, whatever it looks like."""


def look_through(file: BinaryIO, max_bytes: int) -> set[str]:
    """Check the text and the block headers of an ASDF file; nothing is built, no array is read.

    Parameters
    ----------
    file : binary file
        Seekable; left anywhere.
    max_bytes : int
        The most that the arrays may need in memory.

    Returns
    -------
    kinds : set of str
        Which of this package's tags occur: ``model``, ``multi_band_image``, ``spatial_map``, ``maps``.

    Raises
    ------
    Refused
        If anything is found that the package's own writer would not have written.
    """
    text, end = _yaml_text(file)
    sizes = _block_sizes(file, end, max_bytes)
    arrays, kinds = _walk(text)
    total = sum(_check_array(array, sizes) for array in arrays)
    if total > max_bytes:
        raise Refused(f"its arrays need {total} bytes, more than the {max_bytes} allowed")
    return kinds


def _yaml_text(file):
    """The YAML text, found as asdf finds it, and where it ends."""
    file.seek(0)
    head = file.read(MAX_TEXT)
    if not head.startswith(b"#ASDF 1."):
        raise Refused("this is no ASDF file")
    start = head.find(b"%YAML")
    if start < 0 or head[start - 1 : start] != b"\n" or _BLOCK_MAGIC in head[:start]:
        raise Refused("the file has no text section")
    end = _TEXT_END.search(head, start)
    if end is None:
        raise Refused("the text section has no end, or is longer than 32 MiB", "the file may be cut short")
    return head[start : end.end()], end.end()


def _block_sizes(file, position, max_bytes):
    """The sizes of all blocks, after checking that they lie in the file one behind the other."""
    size = file.seek(0, 2)
    file.seek(position)
    padding = file.read(2**16)
    first = padding.find(_BLOCK_MAGIC)
    between = padding if first < 0 else padding[:first]
    if between.strip(b"\0 \r\n"):
        raise Refused("there is something other than arrays behind the text section")
    sizes, total = [], 0
    position += first if first >= 0 else len(padding)
    while True:
        file.seek(position)
        magic = file.read(4)
        if magic != _BLOCK_MAGIC:
            break
        allocated, used = _block_header(file)
        position = file.tell() + allocated
        if position > size or used > allocated:
            raise Refused(f"block {len(sizes)} is larger than the file", "the file may be cut short")
        sizes.append(used)
        total += used
        if len(sizes) > MAX_BLOCKS or total > max_bytes:
            raise Refused(f"its arrays need more than the {max_bytes} bytes allowed")
    if magic not in (b"", b"#ASD") and magic.strip(b"\0"):
        raise Refused(f"behind block {len(sizes) - 1} there is something that is no block")
    return sizes


def _block_header(file):
    start = file.read(2)
    length = int.from_bytes(start, "big")
    header = file.read(length)
    if len(start) < 2 or length < _BLOCK_HEADER.size or len(header) < length:
        raise Refused("a block's header is damaged", "the file may be cut short")
    flags, compression, allocated, used, data, _ = _BLOCK_HEADER.unpack_from(header)
    if compression != b"\0\0\0\0":
        raise Refused("its arrays are compressed", "with asdf, write it again without compression")
    if flags or used != data:
        raise Refused("a block of unknown length (a stream) is not accepted")
    return allocated, used


def _walk(text):
    """Go through the YAML events, keeping nothing but the descriptions of arrays and the kinds of object."""
    open_nodes, arrays, kinds = [], [], set()
    nodes = documents = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Refused("there is more than one YAML document")
            elif isinstance(event, yaml.AliasEvent):
                raise Refused("it uses YAML aliases", "they can make a small text expand without limit")
            elif isinstance(event, yaml.NodeEvent):
                nodes += 1
                if nodes > MAX_NODES or len(open_nodes) >= MAX_DEPTH:
                    raise Refused(f"more than {MAX_NODES} values, or nested deeper than {MAX_DEPTH} levels")
                _check_node(event, kinds)
                if isinstance(event, yaml.ScalarEvent):
                    _put(open_nodes, _scalar(event))
                else:
                    content = {} if isinstance(event, yaml.MappingStartEvent) else []
                    _put(open_nodes, content)
                    open_nodes.append([content, None])
                    if event.tag and _ARRAY.fullmatch(event.tag):
                        arrays.append(content)
            elif isinstance(event, yaml.CollectionEndEvent):
                open_nodes.pop()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"its text is no YAML: {error}") from error
    return arrays, kinds


def _check_node(event, kinds):
    if event.anchor is not None:
        raise Refused("it uses YAML anchors", "they can make a small text expand without limit")
    if event.tag is None:
        return
    ours = _OURS.fullmatch(event.tag)
    if ours:
        kinds.add(ours[1])
    elif event.tag.startswith(TAG_BASE):
        raise Refused(f"the tag {event.tag} is not known", "the file may be of a newer euclid_resolved")
    elif not _CORE.fullmatch(event.tag):
        raise Refused(f"the foreign tag {event.tag[:200]}", "only what write() made is opened")


def _scalar(event):
    if not event.implicit[0]:
        return _Quoted(event.value)
    if _LONG_NUMBER.fullmatch(event.value):
        raise Refused("a number of more than 400 digits")
    return event.value


def _put(open_nodes, value):
    """Add a value to the mapping or list it stands in."""
    if not open_nodes:
        return
    content, key = open_nodes[-1]
    if isinstance(content, list):
        content.append(value)
    elif key is not None:
        content[key] = value
        open_nodes[-1][1] = None
    elif not isinstance(value, str):
        raise Refused("a key that is not text")
    elif value in content:
        raise Refused(f"the key {value[:200]!r} occurs twice in one mapping")
    elif value in ("$ref", "<<"):
        raise Refused(f"a reference ({value})", "only what write() made is opened")
    else:
        open_nodes[-1][1] = str(value)


def _check_array(array, sizes):
    """The bytes that an array needs, after checking that a block holds exactly that."""
    if not isinstance(array, dict) or set(array) != {"source", "datatype", "byteorder", "shape"}:
        raise Refused("an array that is a view, masked, or written into the text")
    source, shape = array["source"], array["shape"]
    if not _is_count(source):
        raise Refused(f"an array from outside the file, {source!r:.200}")
    if int(source) >= len(sizes):
        raise Refused(f"an array from block {source}, of {len(sizes)} blocks", "the file may be cut short")
    if not isinstance(shape, list) or len(shape) > 32 or not all(_is_count(n) for n in shape):
        raise Refused(f"an array of shape {shape!r:.200}")
    if array["byteorder"] not in ("little", "big"):
        raise Refused(f"an array with bytes in {array['byteorder']!r:.50} order")
    needed = _item_size(array["datatype"])
    for n in shape:
        needed *= int(n)
    if needed != sizes[int(source)]:
        raise Refused(f"an array of {needed} bytes from a block of {sizes[int(source)]}")
    return needed


def _is_count(value):
    return isinstance(value, str) and not isinstance(value, _Quoted) and bool(_COUNT.fullmatch(value))


def _item_size(datatype):
    if isinstance(datatype, str) and datatype in _SIZES:
        return _SIZES[datatype]
    if isinstance(datatype, list) and len(datatype) == 2 and datatype[0] == "ucs4" and _is_count(datatype[1]):
        return 4 * int(datatype[1])
    raise Refused(f"an array of type {datatype!r:.200}")

"""Walk through the headers of a FITS file that nobody vouches for, before Astropy believes their sizes."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import IO, NoReturn

from euclid_resolved.images._guard import Budget, Refusal

BLOCK = 2880  # bytes; every part of a FITS file is a multiple of it
MAX_PIXELS = 2**29  # of one image: a MER tile has 2**28.5
MAX_EXTENSIONS = 2000
MAX_HEADER = 1000 * BLOCK  # bytes of one header: 36,000 cards
MAX_HEADERS = 5000 * BLOCK  # bytes of all headers

_BITPIX = (8, 16, 32, 64, -32, -64)
_WANTED = re.compile(
    rb"(SIMPLE|XTENSION|CHECKSUM|DATASUM|BITPIX|NAXIS\d{0,3}|PCOUNT|GCOUNT|TFIELDS"
    rb"|ZIMAGE|ZBITPIX|ZNAXIS\d{0,3}|ZTILE\d{1,3}) *"
)
_WHOLE = re.compile(rb" *([+-]?\d{1,18}) *(/.*)?", re.DOTALL)
_KEYWORD = re.compile(rb"[A-Za-z0-9_.-]* *")
_TEXT = re.compile(rb"[ -~]*")
_ODD = "?"  # in place of a keyword: there is a card that is none
_MOST_PADDING = 16 * BLOCK  # bytes behind the last extension
_MOST_PACKING = 10_000  # how many bytes the best compression makes of one


def walk(path: str | Path, file: IO[bytes], error: Refusal) -> None:
    """Check that the extensions of a FITS file lie in it, one behind the other; nothing is built from it.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    file : binary file
        Not compressed, seekable; it is at its start again afterwards.
    error : callable
        Makes the exception of path, what is wrong and a hint.

    Raises
    ------
    error
        If a header has no end, no size or an impossible one, or the file is too short for what it says.

    Examples
    --------
    >>> from io import BytesIO
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from euclid_resolved.errors import ImageFileError
    >>> from euclid_resolved.io._fits_walk import walk
    >>> fits.PrimaryHDU(np.ones((40, 40))).writeto("image.fits")
    >>> content = Path("image.fits").read_bytes().replace(b"                  40", b"                 -40")
    >>> try:
    ...     walk("image.fits", BytesIO(content), ImageFileError)
    ... except ImageFileError as problem:
    ...     print(problem.what)
    its first header says NAXIS1 = -40
    """
    size, start, number, headers = file.seek(0, io.SEEK_END), 0, 0, 0
    guarded = False
    unguarded: list[str] = []
    budget = Budget(path, error)
    file.seek(0)
    first = file.read(6)
    if first != b"SIMPLE":
        text = "an ASDF file, which read() opens" if first[:5] == b"#ASDF" else "it is no FITS file"
        raise error(path, f"cannot be read as FITS: {text if first else 'it is empty'}")
    while start < size:
        file.seek(start)
        if number and file.read(8) != b"XTENSION":
            _check_behind(path, file, start, number - 1, error)
            break
        file.seek(start)
        where = f"the header of extension {number}" if number else "its first header"
        cards, length = _cards(path, file, where, error, budget)
        headers += length
        if number >= MAX_EXTENSIONS or headers > MAX_HEADERS:
            raise error(path, f"it has more than {MAX_EXTENSIONS} extensions, or endless headers")
        header = _Header(path, where, cards, error)
        end = start + length + header.data_size()
        if end > size:
            # Of a thousand axes, the product may have more digits than Python writes.
            claimed = f"up to byte {end}" if end < 10**18 else "without measure"
            what = f"it is truncated: {where} claims data {claimed}, the file has {size} bytes"
            raise error(path, what, "fetch or write it again")
        header.check_compressed(end - start - length)
        unguarded += [where] if header.lost_its_sum() else []
        guarded |= "CHECKSUM" in cards
        start, number = end + -end % BLOCK, number + 1
    if guarded and unguarded:
        raise error(path, f"{unguarded[0]} is damaged: it lost its CHECKSUM, which others have")
    file.seek(0)


def _check_behind(path, file, start, number, error):
    """Refuse more than padding, or a few bytes of which Astropy warns, behind the last extension."""
    file.seek(start)
    rest = file.read(_MOST_PADDING + 1)
    if len(rest) > _MOST_PADDING or (len(rest) >= BLOCK and rest.strip(b"\0 ")):
        raise error(path, f"behind extension {number} there is something that is no extension")


def _cards(path, file, where, error, budget):
    """The cards that give sizes, keyword to the texts of all its values, and the bytes of the header."""
    cards, length = {}, 0
    while length < MAX_HEADER:
        block = file.read(BLOCK)
        budget.spend()
        if len(block) < BLOCK:
            raise error(path, f"{where} has no end", "it may be truncated")
        length += BLOCK
        for at in range(0, BLOCK, 80):
            card = block[at : at + 80]
            if card[:3] == b"END" and not card[3:].strip():
                return cards, length
            if not (_KEYWORD.fullmatch(card[:8]) and _TEXT.fullmatch(card)):
                cards[_ODD] = [card]
            if _WANTED.fullmatch(card[:8].upper()):
                cards.setdefault(card[:8].upper().strip().decode("ascii"), []).append(card[8:])
    raise error(path, f"{where} is longer than {MAX_HEADER} bytes, or has no end")


class _Header:
    """The sizes that one header gives, none of them trusted."""

    def __init__(self, path: str | Path, where: str, cards: dict[str, list[bytes]], error: Refusal) -> None:
        self.path, self.where, self.cards, self.error = path, where, cards, error

    def data_size(self) -> int:
        """Bytes of the data behind the header."""
        bitpix = self.whole("BITPIX")
        if bitpix not in _BITPIX:
            self.refuse("BITPIX", bitpix)
        shape = self.shape("NAXIS")
        if "TFIELDS" in self.cards:
            self.whole("TFIELDS", 0, 999)
        if not shape:
            return 0
        values = math.prod(shape)
        # In random groups the first axis has no length.
        if shape[0] == 0 and len(shape) > 1 and "GCOUNT" in self.cards and "SIMPLE" in self.cards:
            values = math.prod(shape[1:])
        groups, more = self.whole("GCOUNT", 1, default=1), self.whole("PCOUNT", 0, default=0)
        return abs(bitpix) // 8 * groups * (more + values)

    def check_compressed(self, stored: int) -> None:
        """Refuse a compressed image that no compression makes of so few bytes."""
        if "ZIMAGE" not in self.cards:
            return
        bitpix = self.whole("ZBITPIX")
        if bitpix not in _BITPIX:
            self.refuse("ZBITPIX", bitpix)
        shape = self.shape("ZNAXIS")
        for axis in range(1, len(shape) + 1):
            self.whole(f"ZTILE{axis}", 1, MAX_PIXELS, default=1)
        pixels = math.prod(shape)
        if pixels > MAX_PIXELS or pixels * abs(bitpix) // 8 > max(stored, BLOCK) * _MOST_PACKING:
            text = " x ".join(map(str, shape))
            raise self.error(self.path, f"{self.where} claims an image of {text} pixels in {stored} bytes")

    def lost_its_sum(self) -> bool:
        """Whether damage took the card away that would tell of it."""
        return "CHECKSUM" not in self.cards and ("DATASUM" in self.cards or _ODD in self.cards)

    def shape(self, name: str) -> list[int]:
        """The lengths of the axes."""
        n = self.whole(name, 0, 999)
        return [self.whole(f"{name}{axis}", 0) for axis in range(1, n + 1)]

    def whole(self, key: str, least: int = -(10**18), most: int = 10**18, default: int | None = None) -> int:
        """The whole number of a keyword, which says one thing only."""
        if key not in self.cards:
            if default is None:
                raise self.error(self.path, f"{self.where} has no {key}", "it may be damaged")
            return default
        numbers = set()
        for text in self.cards[key]:
            match = _WHOLE.fullmatch(text[2:]) if text[:2] == b"= " else None
            if match is None:
                self.refuse(key, text.lstrip(b"= ")[:20].decode("ascii", "replace").strip())
            numbers.add(int(match[1]))
        if len(numbers) > 1:
            self.refuse(key, " and ".join(map(str, sorted(numbers))))
        (number,) = numbers
        if not least <= number <= most:
            self.refuse(key, number)
        return number

    def refuse(self, key: str, value: object) -> NoReturn:
        """Say what the header says."""
        text = "".join(c if c.isprintable() else "?" for c in str(value))
        raise self.error(self.path, f"{self.where} says {key} = {text}", "it may be damaged")

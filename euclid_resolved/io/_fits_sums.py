"""The sums of FITS, so that a file can be signed that was written in parts (FITS Standard 4.0, Appendix J)."""

from __future__ import annotations

import numpy as np
from astropy.io import fits


def signed(header: fits.Header, total: int) -> bytes:
    """A header with DATASUM and CHECKSUM, as it stands in the file.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        The two cards are set in it.
    total : int
        The sum of its data, or of what `datasum` gave for each part of them.

    Returns
    -------
    text : bytes
    """
    total = _fold(total)
    header["DATASUM"] = str(total)
    header["CHECKSUM"] = "0" * 16
    header["CHECKSUM"] = _encode(_fold(datasum(header.tostring().encode("ascii")) + total))
    return header.tostring().encode("ascii")


def datasum(content: bytes | np.ndarray) -> int:
    """The sum of FITS: of 32-bit words, each carry added at the other end.

    Sums of parts, added and folded, are the sum of the whole.

    Parameters
    ----------
    content : bytes or contiguous array
        A multiple of four bytes.

    Returns
    -------
    sum : int
    """
    words = np.frombuffer(content, dtype=">u4")
    return _fold(int(words.sum(dtype=np.uint64)))


def _fold(total):
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _encode(total):
    """The complement of a sum as 16 characters (FITS Standard 4.0, Appendix J)."""
    value = ~total & 0xFFFFFFFF
    columns = []
    for shift in (24, 16, 8, 0):
        byte = value >> shift & 0xFF
        four = [byte // 4 + 48 + byte % 4, *[byte // 4 + 48] * 3]
        while any(_is_punctuation(code) for code in four):
            for i in (0, 2):
                if _is_punctuation(four[i]) or _is_punctuation(four[i + 1]):
                    four[i] += 1
                    four[i + 1] -= 1
        columns.append(four)
    text = [chr(columns[column][row]) for row in range(4) for column in range(4)]
    # The string starts in the last but one byte of a word.
    return "".join(text[-1:] + text[:-1])


def _is_punctuation(code):
    return 0x3A <= code <= 0x40 or 0x5B <= code <= 0x60

"""Text in FITS cards: as it is wherever a card can hold it, so that any reader of FITS shows it."""

from __future__ import annotations

import re

from astropy.io import fits

_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


def escape(text: str) -> str:
    """Text that a card can hold, and that comes back.

    Parameters
    ----------
    text : str

    Returns
    -------
    text : str
        Printable ASCII as it is. What is not becomes ``\\\\xe9`` or ``\\\\u2299``, and so does what
        some readers stumble over: a slash after an apostrophe, an ampersand or a blank at the end.

    Examples
    --------
    >>> from euclid_resolved.io._fits_text import escape, unescape
    >>> escape("Hubble's 'constant' & more")
    "Hubble's 'constant' & more"
    >>> unescape(escape("Größe ")) == "Größe "
    True
    """
    # What looks like an escape, but is none, becomes one.
    text = _ESCAPE.sub(lambda match: _code("\\") + match[0][1:], text)
    text = "".join(c if " " <= c <= "~" else _code(c) for c in text)
    if text.endswith(" "):
        text = text[:-1] + _code(" ")
    for pattern in (r"(?<=')( *)/", "&", "'"):
        if _comes_back(text):
            break
        text = re.sub(pattern, lambda match: match[0][:-1] + _code(match[0][-1]), text)
    return text


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2] or match[3], 16)), text)


def _code(character):
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _comes_back(text):
    header = fits.Header()
    header["TEXT"] = text
    try:
        return fits.Header.fromstring(header.tostring())["TEXT"] == text
    except (ValueError, fits.VerifyError):
        return False

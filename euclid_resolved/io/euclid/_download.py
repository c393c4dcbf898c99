"""Answers of archives, which are not trusted: where they come from, how long and how large they may be."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.parsers.expat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from euclid_resolved.errors import InputError
from euclid_resolved.images._guard import open_regular, open_unpacked
from euclid_resolved.io._fits_walk import walk

_PIECE = 2**16
_SPEED = 2**20  # bytes a second: who is slower needs another timeout
_SECRET = re.compile(
    r"([?&;](?:token|key|secret|password|auth|signature|sig)[^=&\s]*=)[^&\s]+", re.IGNORECASE
)


def masked(text: object) -> str:
    """A text, in one line, without what addresses in it may say of users and passwords.

    Parameters
    ----------
    text : object

    Returns
    -------
    text : str

    Examples
    --------
    >>> from euclid_resolved.io.euclid._download import masked
    >>> masked("https://user:secret@archive.org/a?token=123&b=1")
    'https://***@archive.org/a?token=***&b=1'
    """
    text = re.sub(r"//[^/\s]*@", "//***@", " ".join(str(text).split()))
    return _SECRET.sub(r"\1***", text)


def check_address(address: str, origins: Iterable[str]) -> None:
    """Refuse an address that belongs to none of the allowed origins.

    Parameters
    ----------
    address : str
    origins : iterable of str
        Schemes and hosts, ``https://host`` or ``http://host:port``.

    Raises
    ------
    InputError
        If it is elsewhere, or holds a user or a password.

    Examples
    --------
    >>> from euclid_resolved.io.euclid._download import check_address
    >>> check_address("https://archive.org/a.fits", ["https://archive.org"])
    >>> try:
    ...     check_address("file:///etc/passwd", ["https://archive.org"])
    ... except ValueError as error:
    ...     print(error)
    file:///etc/passwd is not of https://archive.org: it is not fetched
    """
    known = [_origin(origin) for origin in origins]
    try:
        allowed = _origin(address) in known and "@" not in urllib.parse.urlsplit(address).netloc
    except ValueError:  # no address at all
        allowed = False
    if not allowed or not re.fullmatch(r"[!-~]+", address):
        where = " or ".join(origins)
        raise InputError(f"{masked(address)[:200]} is not of {where}: it is not fetched")


def check_origins(origins: Iterable[str]) -> tuple[str, ...]:
    """The origins that a user allows, if they are some."""
    origins = (origins,) if isinstance(origins, str) else tuple(origins)
    for origin in origins:
        try:
            parts = urllib.parse.urlsplit(origin)
            good = (
                _origin(origin)[0] in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
            )
        except (ValueError, AttributeError, TypeError):
            good = False
        if not good:
            raise InputError(
                f"allowed are origins as https://host or http://host:port, not {masked(origin)!r}"
            )
    return origins


def _origin(address):
    parts = urllib.parse.urlsplit(address)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(scheme)


class Web:
    """The network: an answer in pieces, from allowed origins only, wherever redirects lead.

    Parameters
    ----------
    origins : iterable of str
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = tuple(origins)

    def get(self, url: str, timeout: float) -> Iterator[bytes]:
        """The pieces of an answer; what it announces and does not send is an error.

        Parameters
        ----------
        url : str
        timeout : float
            Seconds until the answer begins, and from piece to piece.
        """
        watched = _Watched()
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(self._origins),
            _Http(watched),
            _Https(watched),
        ):
            opener.add_handler(handler)
        request = urllib.request.Request(url, headers={"User-Agent": "euclid_resolved"})
        # A server that sends its headers letter by letter never lets one reading time out.
        timer = threading.Timer(timeout, watched.cut)
        timer.daemon = True
        timer.start()
        try:
            try:
                answer = opener.open(request, timeout=timeout)
            finally:
                timer.cancel()
            if watched.late:  # headers that are cut off look as if they were at their end
                raise TimeoutError
            with answer:
                length = answer.headers.get("Content-Length")
                received = 0
                while piece := answer.read1(_PIECE):
                    received += len(piece)
                    yield piece
                if length is not None and received != int(length):
                    raise OSError(f"the answer was cut short after {received} of {length} bytes")
        except (http.client.HTTPException, OSError) as error:
            if watched.late:
                raise TimeoutError("it does not finish its answer") from error
            if isinstance(error, http.client.HTTPException):
                raise OSError(f"the answer was cut short or is no HTTP: {error!r}") from error
            raise
        finally:
            watched.close()


class _Watched:
    """Connections that can be cut off from another thread, also while a byte comes now and then."""

    def __init__(self):
        self.late, self._sockets, self._answers = False, [], []

    def connect(self, *arguments, **options):
        connected = socket.create_connection(*arguments, **options)
        self._sockets.append(connected.dup())  # the other may be wrapped and lost while TLS is agreed on
        if self.late:
            self.cut()
        return connected

    def answer(self, *arguments, **options):
        self._answers.append(http.client.HTTPResponse(*arguments, **options))
        return self._answers[-1]

    def cut(self):
        self.late = True
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        # Those of redirects, and those that never began, too.
        for each in (*self._answers, *self._sockets):
            each.close()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watched):
        super().__init__()
        self._watched = watched

    def http_open(self, request):
        return self.do_open(self._connection, request)

    def _connection(self, host, **options):
        made = http.client.HTTPConnection(host, **options)
        made._create_connection, made.response_class = self._watched.connect, self._watched.answer
        return made


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watched):
        super().__init__()
        self._watched = watched

    def https_open(self, request):
        return self.do_open(self._connection, request)

    def _connection(self, host, **options):
        made = http.client.HTTPSConnection(host, **options)
        made._create_connection, made.response_class = self._watched.connect, self._watched.answer
        return made


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, origins):
        self._origins = origins

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        check_address(newurl, self._origins)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def receive(answer: bytes | Iterable[bytes], file: IO[bytes], most: int, timeout: float) -> None:
    """Put an answer into a file, piece by piece.

    Parameters
    ----------
    answer : bytes or iterable of bytes
    file : binary file
    most : int
        Bytes.
    timeout : float
        Seconds for all of it, and one more for each MiB.

    Raises
    ------
    InputError
        If it is larger.
    TimeoutError
        If it takes longer.
    """
    began, received = time.monotonic(), 0
    for piece in [answer] if isinstance(answer, bytes) else answer:
        received += len(piece)
        if received > most:
            raise InputError(f"the answer is larger than the {most / 2**20:.0f} MiB that can be meant")
        file.write(piece)
        if time.monotonic() - began > timeout + received / _SPEED:
            raise TimeoutError(f"it sends {received} bytes and does not finish")


def listed(answer: bytes) -> list[str]:
    """The column ``access_url`` of a VOTable; nothing else in it is looked at.

    A reader of any VOTable would follow addresses in it, make as many rows as it claims, and unpack it.

    Parameters
    ----------
    answer : bytes

    Returns
    -------
    addresses : list of str

    Raises
    ------
    ValueError
        If it is no VOTable, has no such column, declares entities, or has its rows elsewhere.

    Examples
    --------
    >>> from euclid_resolved.io.euclid._download import listed
    >>> row = "<TR><TD>https://archive.org/a.fits</TD></TR>"
    >>> listed(f'<TABLE><FIELD name="access_url"/><DATA>{row}</DATA></TABLE>'.encode())
    ['https://archive.org/a.fits']
    """
    found = _Listed()
    parser = xml.parsers.expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = found.data, found.declare
    try:
        parser.Parse(answer, True)
    except xml.parsers.expat.ExpatError as error:
        raise ValueError(str(error)) from error
    if not found.known:
        raise ValueError("it has no column access_url")
    return found.addresses


class _Listed:
    """What the elements of a VOTable give."""

    def __init__(self):
        self.addresses, self.known = [], False
        self._fields, self._cell, self._column, self._text = 0, 0, None, None

    def start(self, tag, attributes):
        tag = tag.rpartition("}")[2]
        if tag == "TABLE":
            self._fields, self._column = 0, None
        elif tag == "FIELD":
            if attributes.get("name") == "access_url":
                self._column, self.known = self._fields, True
            self._fields += 1
        elif tag == "TR":
            self._cell = 0
        elif tag == "TD":
            self._text = [] if self._cell == self._column else None
            self._cell += 1
        elif tag == "STREAM":
            raise ValueError("its rows are no text")

    def data(self, text):
        if self._text is not None:
            self._text.append(text)

    def end(self, tag):
        if tag.rpartition("}")[2] == "TD" and self._text is not None:
            self.addresses.append("".join(self._text).strip())
            self._text = None

    def declare(self, *_):
        raise ValueError("it declares a type of document")


def check_fits(path: str | Path, name: str, most: int) -> None:
    """Refuse a file that is no FITS file, or not a whole one.

    Parameters
    ----------
    path : path-like
    name : str
        For messages.
    most : int
        The most bytes that it may be, unpacked.

    Raises
    ------
    InputError
    """

    def damaged(_, what, hint=""):
        return InputError(f"{name}: the archive answered with a damaged file: {what}")

    with open_regular(path, damaged) as file:
        start = file.read(200)
    if not start.startswith((b"SIMPLE  =", b"\x1f\x8b")):
        text = " ".join(start.decode("ascii", "replace").split())
        raise InputError(f"{name}: the archive did not answer with FITS but with: {text[:120] or 'nothing'}")
    with open_unpacked(path, damaged, most=most) as file:
        walk(path, file, damaged)

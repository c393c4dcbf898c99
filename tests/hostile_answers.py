"""Answers of an archive that lies, and a server on the loopback address that gives them.

The tests fetch each of them, and so does the campaign of ``benchmarks/hostile.py``.
"""

import bz2
import contextlib
import gzip
import http.server
import io
import lzma
import socket
import struct
import threading
import time

import numpy as np
from archives import NAMES, ROOT, cutout, listing
from astropy.io import fits

NAME = NAMES[0]
LIMIT = 20  # seconds that a hostile server may keep anybody
MOST = 2**20  # bytes that may be meant, where the answers here are fetched
FILE = cutout(NAME)
END = b"END" + b" " * 77


class Server(http.server.ThreadingHTTPServer):
    """Serves what `answers` say, by number: (how to answer a search, how a file); None is honest."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.answers, self.asked, self.ends = list(answers), [], time.monotonic() + LIMIT

    def handle_error(self, request, client_address):
        """Who is cut off has no more to say."""

    def search(self, number):
        """Where a search is answered with the answer of a number."""
        return f"{self.origin}/{number}/SIA"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LIMIT

    def do_GET(self):
        self.server.asked.append(self.path)
        self.close_connection = True
        number, _, rest = self.path[1:].partition("/")
        if number == "asked":
            return self.answer("\n".join(self.server.asked).encode())
        self.home, self.begun = f"{self.server.origin}/{number}", time.monotonic()
        # The same machine under another name, where nobody may be led.
        self.elsewhere = f"http://localhost:{self.server.server_port}/{number}/elsewhere/{NAME}"
        search, file = self.server.answers[int(number)]
        with contextlib.suppress(OSError):
            if rest.startswith("elsewhere"):
                self.answer(FILE)
            elif rest.startswith("SIA"):
                (search or honest_search)(self)
            else:
                (file or honest_file)(self)

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for key, value in ({"Content_Length": len(body)} | headers).items():
            if value is not None:
                self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, *pieces):
        for piece in pieces:
            self.wfile.write(piece)

    @property
    def lasts(self):
        """Whether somebody may still be kept waiting."""
        return time.monotonic() < min(self.server.ends, self.begun + LIMIT)

    def drip(self, piece, pause=0.1):
        """A piece each tenth of a second, for as long as anybody may be kept."""
        while self.lasts:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(pause)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(answers=()):
    """A server in a thread, gone at the end."""
    with Server(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ends = 0
            server.shutdown()
            thread.join(5)


def of(addresses):
    """A listing with these addresses."""
    rows = listing(["@"] * len(addresses)).decode()
    for address in addresses:
        rows = rows.replace(f"{ROOT}/@", address.replace("&", "&amp;"), 1)
    return rows.encode()


def honest_search(handler):
    handler.answer(of([f"{handler.home}/euclid/{NAME}"]))


def honest_file(handler):
    handler.answer(FILE)


# --- files --------------------------------------------------------------------------------------------


def gives(body, **headers):
    return lambda handler: handler.answer(body, **headers)


def sends(*pieces):
    return lambda handler: handler.raw(*pieces)


def without_length(body):
    return gives(body, Content_Length=None)


def endless(handler):
    handler.answer(b"", Content_Length=None)
    while handler.lasts:
        handler.raw(bytes(2**20))


def dripping(handler):
    handler.answer(b"", Content_Length=1_000_000)
    handler.drip(b"S")


def dripping_headers(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    handler.drip(b"x")


def continues(handler):
    handler.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.001)


def silent(handler):
    time.sleep(max(0, min(6, handler.server.ends - time.monotonic())))


def resets(handler):
    handler.answer(FILE[:9000], Content_Length=len(FILE))
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def chunked(*pieces):
    return sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *pieces)


def chunks_without_end(handler):
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while handler.lasts:
        handler.raw(b"10000\r\n", bytes(2**16), b"\r\n")


def leads(where):
    def redirect(handler):
        to = where.format(h=handler, user=handler.home.replace("//", "//user:secret@"))
        handler.answer(b"", 302, Location=to)

    return redirect


def card(key, value):
    return fits.Card(key, value).image.encode()


def says(key, value, content=FILE):
    """The content of a FITS file whose last header has another value."""
    at = content.rindex(b"XTENSION") if b"XTENSION" in content else 0
    at = content.find(key.encode().ljust(8) + b"=", at)
    assert at > 0, key
    return content[:at] + card(key, value) + content[at + 80 :]


def written(*hdus, **options):
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer, **options)
    return buffer.getvalue()


IMAGE = written(fits.ImageHDU(np.ones((9, 9), "f4")))
TABLE = written(
    fits.BinTableHDU.from_columns([fits.Column("x", "PJ()", array=np.array([[1], [2, 3]], object))])
)
RICE = written(fits.CompImageHDU(np.ones((9, 9), "i2")))
SUMS = written(fits.ImageHDU(np.ones((9, 9), "f4")), checksum=True)
LOST = SUMS[:2880] + SUMS[2880:].replace(b"CHECKSUM", b"CHACKSUM")
HUGE = FILE[:2880].replace(b"  60", b"6000")
HEADERS = b"".join(b"X-%d: 1\r\n" % i for i in range(1000))
DOUBLE = FILE[:2880].replace(END, card("NAXIS1", 2**30) + b"END" + b" " * 77, 1)

FILES = {
    "cut short": (gives(FILE[:9000], Content_Length=17280), "cut short after 9000"),
    "cut short, no length": (without_length(FILE[:7000]), "truncated: its first header claims"),
    "cut short, but as announced": (gives(FILE[:-5760]), "truncated: its first header claims"),
    "cut short and packed": (gives(gzip.compress(FILE)[:-20]), "it cannot be unpacked"),
    "cut short in a header": (gives(IMAGE[:4000]), "header of extension 1 has no end"),
    "connection reset": (resets, "cannot be reached|cut short"),
    "connection closed": (lambda handler: None, "IRSA cannot be reached"),
    "empty": (gives(b""), "but with: nothing"),
    "no content": (gives(b"", status=204), "but with: nothing"),
    "no FITS": (gives(b"<html>\x1b[31m</html>"), r"but with: <html>\\x1b\[31m</html>"),
    "packed, and no FITS": (gives(gzip.compress(b"<html></html>")), "it is no FITS file"),
    "packed twice": (gives(gzip.compress(gzip.compress(FILE))), "it is no FITS file"),
    "bzip2": (gives(bz2.compress(FILE)), "did not answer with FITS"),
    "xz": (gives(lzma.compress(FILE)), "did not answer with FITS"),
    "ASDF": (gives(b"#ASDF 1.0.0\n"), "but with: #ASDF 1.0.0"),
    "program": (gives(b"\x7fELF" + bytes(9000)), "did not answer with FITS"),
    "endless": (endless, "larger than the 1 MiB"),
    "chunks without end": (chunks_without_end, "larger than the 1 MiB"),
    "chunk of impossible size": (chunked(b"-5\r\n", FILE), "IRSA cannot be reached"),
    "chunk that is cut short": (chunked(b"4380\r\n", FILE[:9000]), "cut short"),
    "announced as huge": (gives(bytes(2**21), Content_Length=2**40), "larger than the 1 MiB"),
    "announced as less than nothing": (gives(FILE, Content_Length=-5), "cut short after 17280 of -5"),
    "wrong length": (gives(FILE, Content_Length="many"), "IRSA cannot be reached"),
    "swelling": (gives(gzip.compress(HUGE + bytes(2**22))), "more than the 1047376 bytes allowed"),
    "swelling piece by piece": (
        gives(gzip.compress(HUGE) + gzip.compress(bytes(2**20)) * 500), "more than the 1047376 bytes allowed"
    ),
    "dripping": (dripping, "within 1 s"),
    "dripping headers": (dripping_headers, "within 1 s"),
    "continuing": (continues, "within 1 s|cut short or is no HTTP"),
    "silent": (silent, "within 1 s"),
    "a thousand headers": (sends(b"HTTP/1.1 200 OK\r\n", HEADERS, b"\r\n", FILE), "IRSA cannot be reached"),
    "a header of 1 MiB": (sends(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 2**20, b"\r\n\r\n"), "cannot be reached"),
    "no HTTP": (sends(b"220 ftp ready\r\n\r\n"), "IRSA cannot be reached"),
    "impossible status": (sends(b"HTTP/1.1 99999 OK\r\n\r\n"), "IRSA cannot be reached"),
    "refused": (lambda handler: handler.send_error(403, "not\x1b[31m for you"), "HTTP 403"),
    "asks for a password": (gives(b"", status=401, WWW_Authenticate='Basic realm="x"'), "HTTP 401"),
    "broken": (gives(b"<html>", status=500), "HTTP 500"),
    "leads to a file": (leads("file:///etc/passwd"), "is not of|is not allowed"),
    "leads to another host": (leads("{h.elsewhere}"), "is not of"),
    "leads to ftp": (leads("ftp://127.0.0.1/x"), "is not of|is not allowed"),
    "leads with a password": (leads("{user}/euclid/x"), "is not of"),
    "leads in a circle": (leads("{h.home}/euclid/x"), "HTTP 302 .* infinite loop"),
    "leads nowhere": (gives(b"", status=302), "HTTP 302"),
    "negative size": (gives(FILE.replace(b"  60 ", b" -32 ")), "its first header says NAXIS1 = -32"),
    "negative heap": (gives(says("PCOUNT", -4096, TABLE)), "extension 1 says PCOUNT = -4096"),
    "groups without number": (gives(says("GCOUNT", 2**40, IMAGE)), "truncated"),
    "longer than the file": (gives(says("NAXIS2", 2**40)), "truncated"),
    "a thousand axes": (gives(says("NAXIS", 1000)), "its first header says NAXIS = 1000"),
    "numbers of no kind": (gives(says("BITPIX", -33)), "its first header says BITPIX = -33"),
    "size that is text": (gives(says("NAXIS1", "60")), "its first header says NAXIS1 = '60"),
    "two sizes": (gives(DOUBLE[:2880] + FILE[2880:]), "its first header says NAXIS1 = 60 and 1073741824"),
    "compression without measure": (gives(says("ZNAXIS1", 2**40, RICE)), "claims an image"),
    "header without end": (
        gives(FILE[:2880].replace(b"END", b"   ") + b" " * 2880 * 1100), "larger than|has no end"
    ),
    "blanks": (gives(FILE[:80] + b" " * 2880 * 300), "has no end"),
    "something behind": (gives(FILE + b"\xff" * 2880 * 20), "something that is no extension"),
    "lost its checksum": (gives(LOST), "lost its CHECKSUM"),
}  # fmt: skip
"""How a file is answered, and what the error says."""

# --- searches -----------------------------------------------------------------------------------------

EVIL = ["../../evil.fits", "..", "EUC_MER_../../evil.fits", "/etc/EUC_MER_a.fits", "EUC_MER_a%2F..%2Fb.fits"]
ADDRESSES = [
    "http://irsa.ipac.caltech.edu/a", "https://irsa.ipac.caltech.edu.evil.org/a", "https://evil.org/a",
    "https://irsa.ipac.caltech.edu:444/a", "https://irsa.ipac.caltech.edu@evil.org/a", "file:///a", "",
    "https://u:p@irsa.ipac.caltech.edu/a", "https://irsa.ipac.caltech.edu/a b", "https://[/a",
    "https://irsa.ipac.caltech.edu/a\r\nX: y", "//irsa.ipac.caltech.edu/a", "https://irsa.ipac.caltech.edu:x/",
]  # fmt: skip


def lists(*addresses):
    return lambda handler: handler.answer(
        of([each.format(h=handler, user=handler.home.replace("//", "//user:secret@")) for each in addresses])
    )


def table(old, new):
    """A listing with something else in it."""
    return lambda handler: handler.answer(
        of([f"{handler.home}/euclid/{NAME}"]).replace(old, new.replace(b"@", handler.elsewhere.encode()), 1)
    )


_TEN = b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10))
LAUGHS = b'<!DOCTYPE VOTABLE [<!ENTITY a0 "ha">' + _TEN + b"]><VOTABLE"
OUTSIDE = b'<!DOCTYPE VOTABLE [<!ENTITY x SYSTEM "file:///etc/passwd">]><VOTABLE'
DATA = of(["x"])
DATA = DATA[DATA.index(b"<TABLEDATA>") : DATA.index(b"</DATA>")]


def streams(start, end):
    def answer(handler):
        body = of(["x"]).replace(DATA, start.replace(b"@", handler.elsewhere.encode()) + end)
        handler.answer(body)

    return answer


SEARCHES = {
    "no table": (gives(b"<html>\x1b[31m</html>"), r"not answer with a table .* <html>\\x1b\[31m</html>"),
    "empty": (gives(b""), "did not answer with a table of images"),
    "cut short": (table(b"</TABLEDATA>", b""), "did not answer with a table of images"),
    "no rows": (lists(), "no Euclid mosaic"),
    "no addresses": (table(b'name="access_url"', b'name="url"'), "did not answer with a table of images"),
    "endless": (endless, "larger than the 16 MiB"),
    "dripping": (dripping, "within 1 s"),
    "entities that multiply": (
        lambda handler: handler.answer(of(["&a9;"]).replace(b"&amp;", b"&").replace(b"<VOTABLE", LAUGHS, 1)),
        "did not answer with a table of images",
    ),
    "entity from a file": (
        lambda handler: handler.answer(of(["&x;"]).replace(b"&amp;", b"&").replace(b"<VOTABLE", OUTSIDE, 1)),
        "did not answer with a table of images",
    ),
    "rows without number": (
        gives(of([]).replace(b"<TABLE>", b'<TABLE nrows="900000000">')), "no Euclid mosaic"
    ),
    "rows of bytes": (
        streams(b'<BINARY><STREAM encoding="base64">', b"A" * 99 + b"</STREAM></BINARY>"), "a table of images"
    ),
    "rows elsewhere": (
        streams(b'<BINARY><STREAM href="@" encoding="base64">', b"</STREAM></BINARY>"), "a table of images"
    ),
    "rows in a file": (
        streams(b'<BINARY2><STREAM href="file:///etc/passwd">', b"</STREAM></BINARY2>"), "a table of images"
    ),
    "FITS elsewhere": (streams(b'<FITS><STREAM href="@">', b"</STREAM></FITS>"), "a table of images"),
    "swelling": (gives(gzip.compress(of(["x"]) + b" " * 2**27)), "a table of images"),
    "deep": (gives(b"<VOTABLE>" + b"<RESOURCE>" * 10**6), "a table of images"),
    "another host": (lists("{h.elsewhere}"), "is not of"),
    "a password": (lists("{user}/euclid/" + NAME), "is not of"),
    **{f"name {name}": (lists("{h.home}/" + name), "no Euclid mosaic") for name in EVIL},
    **{
        f"address {address!r}": (lists(address + "/" + NAME), "is not of|no Euclid mosaic")
        for address in ADDRESSES
    },
}  # fmt: skip
"""How a search is answered, and what the error says."""

ANSWERS = {
    **{f"file: {name}": (None, how, message) for name, (how, message) in FILES.items()},
    **{f"search: {name}": (how, None, message) for name, (how, message) in SEARCHES.items()},
}
"""All of them: name -> how a search is answered, how a file, what the error says."""

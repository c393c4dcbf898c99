"""Fetching from an archive that lies, on the loopback address: nothing hangs, swells, or writes elsewhere."""

import contextlib
import http.server
import socket
import threading
import time

import pytest
from archives import DEC, NAMES, RA, ROOT, Esa, Recorded, cutout, listing, psf_stamps
from astropy.io import fits
from astropy.table import Table

from euclid_resolved.cli import main
from euclid_resolved.errors import InputError
from euclid_resolved.io import fetch
from euclid_resolved.io.euclid import _download, _fetch
from euclid_resolved.io.euclid._download import Web, check_address, check_fits, masked, receive

# The archive here has one file.
pytestmark = pytest.mark.filterwarnings("ignore:.*gives no RMS maps:euclid_resolved.errors.DataWarning")

NAME = NAMES[0]
LIMIT = 20  # seconds that a hostile server may keep a test


class Server(http.server.ThreadingHTTPServer):
    """Serves as `serve`, a function of the handler, says; it is gone after its test."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.serve, self.ends = [], None, time.monotonic() + LIMIT

    def handle_error(self, request, client_address):
        """Who is cut off has no more to say."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LIMIT

    def do_GET(self):
        self.server.asked.append(self.path)
        self.close_connection = True
        if self.path.startswith("/SIA") and not getattr(self.server, "lies_in_search", False):
            address = f"{self.server.origin}/euclid/{NAME}"
            self.answer(listing([NAME]).replace(f"{ROOT}/{NAME}".encode(), address.encode()))
        else:
            self.server.serve(self)

    def answer(self, body, **headers):
        self.send_response(200)
        for key, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, pieces):
        """A piece each tenth of a second, for as long as the test may last."""
        for piece in pieces:
            if time.monotonic() > self.server.ends:
                return
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        monkeypatch.setattr(_fetch, "IRSA", f"{server.origin}/SIA")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield server
        server.ends = 0
        server.shutdown()
        thread.join(5)


def get(server, folder, timeout=5.0, **options):
    return fetch(RA, DEC, 3, bands=["IE"], folder=folder, timeout=timeout, **options)


def nothing_left(folder):
    return not [path for path in folder.rglob("*") if path.is_file() and "listing" not in path.name]


def test_an_honest_archive(server, tmp_path):
    server.serve = lambda handler: handler.answer(cutout(NAME))
    folder = get(server, tmp_path / "in", allow=[server.origin])
    assert fits.getdata(folder / NAME).shape == (60, 60)
    assert len(server.asked) == 2 and "center=59.1000000,-49.3000000" in server.asked[1]
    get(server, tmp_path / "in", allow=[server.origin])
    assert len(server.asked) == 2


def without_length(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(cutout(NAME)[:7000])


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while time.monotonic() < handler.server.ends:
            handler.wfile.write(bytes(2**20))


def dripping(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.drip(b"S" for _ in range(1000))


def dripping_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    handler.drip(b"x" for _ in range(1000))


def silent(handler):
    time.sleep(max(0, min(6, handler.server.ends - time.monotonic())))


def packed(body):
    import gzip

    return gzip.compress(body)


def endless_header(handler):
    handler.answer(cutout(NAME)[:2880].replace(b"END", b"   ") + b" " * 2880 * 1100)


def announced(length, body):
    return lambda handler: handler.answer(body, **{"Content-Length": length})


CASES = {
    "cut short": (announced(17280, cutout(NAME)[:9000]), "cut short after 9000"),
    "cut short, no length": (without_length, "extension 0 is cut short"),
    "cut short, but as announced": (lambda h: h.answer(cutout(NAME)[:-2880]), "extension 0 is cut short"),
    "cut short and packed": (lambda h: h.answer(packed(cutout(NAME))[:-20]), "damaged file"),
    "empty": (lambda h: h.answer(b""), "but with: nothing"),
    "no FITS": (lambda h: h.answer(b"<html>\x1b[31m</html>"), r"but with: <html>\\x1b\[31m</html>"),
    "endless": (endless, "larger than the 1 MiB"),
    "announced as huge": (announced(2**40, bytes(2**21)), "larger than the 1 MiB"),
    "swelling": (
        lambda h: h.answer(packed(cutout(NAME)[:2880].replace(b"  60", b"6000") + bytes(2**22))),
        "says that it has",
    ),
    "negative size": (lambda h: h.answer(cutout(NAME).replace(b"  60 ", b" -32 ")), "impossible"),
    "header without end": (endless_header, "larger than|has no end"),
    "dripping": (dripping, "within 1 s"),
    "dripping headers": (dripping_headers, "within 1 s"),
    "silent": (silent, "within 1 s"),
    "no HTTP": (lambda h: h.wfile.write(b"220 ftp ready\r\n\r\n"), "IRSA cannot be reached"),
    "wrong length": (announced("many", cutout(NAME)), "IRSA cannot be reached"),
    "refused": (lambda h: h.send_error(403, "not\x1b[31m for you"), "HTTP 403"),
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES)
def test_hostile_answers_are_one_error_and_leave_nothing(server, tmp_path, monkeypatch, case):
    server.serve, message = CASES[case]
    monkeypatch.setattr(_fetch, "_SPARE", 2**20 - 30_000)
    began = time.monotonic()
    with pytest.raises(InputError, match=message) as error:
        get(server, tmp_path / "in", timeout=1.0, allow=[server.origin])
    assert time.monotonic() - began < 15
    assert str(error.value).isprintable() and nothing_left(tmp_path)


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "http://127.0.0.1:{port}/x", "ftp://127.0.0.1/x", "SELF"]
)
def test_redirects_lead_nowhere_else(server, tmp_path, where):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        where = where.format(port=other.getsockname()[1])
        where = where.replace("SELF", f"http://user:secret@127.0.0.1:{server.server_port}/x")

        def redirect(handler):
            handler.send_response(302)
            handler.send_header("Location", where)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        server.serve = redirect
        with pytest.raises(InputError, match="is not of|is not allowed") as error:
            get(server, tmp_path / "in", allow=[server.origin])
    assert "secret" not in str(error.value) and nothing_left(tmp_path) and len(server.asked) == 2


def test_a_redirect_within_the_archive_is_followed(server, tmp_path):
    def redirect(handler):
        if "moved" in handler.path:
            return handler.answer(cutout(NAME))
        handler.send_response(302)
        handler.send_header("Location", f"{server.origin}/moved")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.serve = redirect
    assert (get(server, tmp_path / "in", allow=[server.origin]) / NAME).is_file()


def test_nothing_is_asked_that_was_not_allowed(server, tmp_path, monkeypatch):
    monkeypatch.undo()  # IRSA is where it is; its listing leads to the loopback address
    rows = listing([NAME]).replace(f"{ROOT}/{NAME}".encode(), f"{server.origin}/{NAME}".encode())
    with pytest.raises(InputError, match="is not of https://irsa.ipac.caltech.edu"):
        get(server, tmp_path / "in", session=Recorded(answer=rows))
    assert not server.asked
    for wrong in ("127.0.0.1", "file:///", "https://", "https://a:b@c", "http://a:x", 5 * ["https://"], [3]):
        with pytest.raises(InputError, match="allowed are origins as https://host"):
            get(server, tmp_path / "in", session=Recorded(), allow=wrong)


@pytest.mark.parametrize(
    "address",
    [
        "http://irsa.ipac.caltech.edu/a", "https://irsa.ipac.caltech.edu.evil.org/a", "https://evil.org/a",
        "https://irsa.ipac.caltech.edu:444/a", "https://irsa.ipac.caltech.edu@evil.org/a", "file:///a", "",
        "https://u:p@irsa.ipac.caltech.edu/a", "https://irsa.ipac.caltech.edu/a b", "https://[/a",
        "https://irsa.ipac.caltech.edu/a\r\nX: y", "//irsa.ipac.caltech.edu/a", "https://irsa.ipac.caltech.edu:x/",
    ],
)  # fmt: skip
def test_addresses_elsewhere(address):
    with pytest.raises(InputError, match="is not of"):
        check_address(address, _fetch.ORIGINS)
    check_address("https://IRSA.ipac.caltech.edu:443/a?b=c", _fetch.ORIGINS)


# Names and listings


EVIL = ["../../evil.fits", "..", "EUC_MER_../../evil.fits", "/etc/EUC_MER_a.fits", "EUC_MER_a%2F..%2Fb.fits"]


@pytest.mark.parametrize("name", EVIL)
def test_names_lead_nowhere_else(tmp_path, name):
    folder = tmp_path / "deep" / "in"
    assert not _fetch._is_name(name)
    rows = listing([NAME, name, f"x/{name}"])

    class Evil(Recorded):
        def get(self, url, timeout):
            return rows if "/SIA" in url else super().get(url, timeout)

    fetch(RA, DEC, 3, bands=["IE"], folder=folder, session=Evil())

    class EvilEsa(Esa):
        def get_results(self):
            self.table.add_row((name, "/euclid", "VIS", 102018211))
            return self.table

    fetch_esa = {"service": "esa", "folder": folder, "session": EvilEsa()}
    fetch(RA, DEC, 3, bands=["IE"], **fetch_esa)
    inside = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.parent == folder for path in inside)
    assert sorted(path.name for path in inside if path.suffix == ".fits") == [NAME]


@pytest.mark.parametrize(
    "planted",
    [
        {"name": [NAME], "address": ["file:///etc/passwd"]},
        {"name": [NAME], "address": ["https://user:secret@evil.org/a.fits"]},
        {"name": ["../../" + NAME], "address": [f"{ROOT}/{NAME}"]},
        {"name": [NAME]},
        "no table",
        "",
    ],
)
def test_a_planted_listing_is_not_believed(tmp_path, planted):
    path = tmp_path / "irsa_listing.ecsv"
    if isinstance(planted, str):
        path.write_text(planted)
    else:
        Table(planted).write(path, format="ascii.ecsv")
    session = Recorded()
    fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=session)
    assert "/SIA" in session.asked[0] and all("irsa.ipac" in url for url in session.asked)
    assert "file:" not in path.read_text() and "secret" not in path.read_text()


def test_an_empty_answer_is_not_kept(tmp_path):
    with pytest.raises(InputError, match="no Euclid mosaic"):
        fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=Recorded([]))
    assert not list(tmp_path.iterdir())
    assert fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=Recorded()) == tmp_path


def test_a_file_that_was_cut_short_is_fetched_again(tmp_path):
    fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=Recorded())
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[:5000])
    session = Recorded()
    fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=session)
    assert len(session.asked) == 1 and (tmp_path / NAME).read_bytes() == whole


def test_a_session_that_gives_too_much_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "_LISTING", 1000)
    with pytest.raises(InputError, match="larger than the 0 MiB"):
        fetch(RA, DEC, 3, folder=tmp_path, session=Recorded())


# Secrets, and files


def test_secrets_are_masked(tmp_path):
    assert masked("see https://user:s3/cret@a.org/b") == "see https://user:s3/cret@a.org/b"  # no address
    assert masked("https://user:se@cret@a.org/b@c") == "https://***@a.org/b@c"
    assert masked("proxy http://u:p@p:80 of https://a.org/?x=1&TOKEN=abc&y") == (
        "proxy http://***@p:80 of https://a.org/?x=1&TOKEN=***&y"
    )
    broken = Recorded(answer=OSError("tunnel through http://user:secret@proxy:80 failed"))
    with pytest.raises(InputError, match=r"http://\*\*\*@proxy:80 failed") as error:
        fetch(RA, DEC, 3, folder=tmp_path, session=broken)
    assert "secret" not in str(error.value)


def test_whole_files_are_taken(tmp_path):
    path = tmp_path / "a.fits"
    for body in (cutout(NAME), psf_stamps(), packed(cutout(NAME))):
        path.write_bytes(body)
        check_fits(path, "a.fits", 2**20)
    path.write_bytes(psf_stamps()[:-2880])
    with pytest.raises(InputError, match="extension 2 is cut short"):
        check_fits(path, "a.fits", 2**20)
    path.write_bytes(cutout(NAME) + b"x" * 2880)
    with pytest.raises(InputError, match="no header behind extension 0"):
        check_fits(path, "a.fits", 2**20)


def test_time_counts_for_all_of_an_answer(tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(_download.time, "monotonic", lambda: next(clock))
    with open(tmp_path / "a", "wb") as file, pytest.raises(TimeoutError, match="sends 10 bytes"):
        receive((b"x" for _ in range(1000)), file, 2**20, 9.5)


def test_a_connection_that_is_refused_is_one_error():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(OSError, match="refused"):
            list(Web([origin]).get(origin, 2))


def test_command(server, tmp_path, capsys):
    server.serve = lambda handler: handler.answer(cutout(NAME))
    words = ["fetch", str(RA), str(DEC), "--radius", "3", "--bands", "IE", "-o", str(tmp_path / "in")]
    assert main([*words, "--allow", server.origin]) == 0
    assert "1 files" in capsys.readouterr().out

"""Fetching from an archive that lies, on the loopback address: nothing hangs, swells, or writes elsewhere."""

import gzip
import socket
import time

import pytest
from archives import DEC, RA, ROOT, Esa, Recorded, cutout, listing, psf_stamps
from astropy.io import fits
from astropy.table import Table
from hostile_answers import ADDRESSES, ANSWERS, EVIL, FILE, MOST, NAME, serving

from euclid_resolved.cli import main
from euclid_resolved.errors import InputError
from euclid_resolved.io import fetch
from euclid_resolved.io.euclid import _download, _fetch
from euclid_resolved.io.euclid._download import Web, check_address, check_fits, masked, receive

# The archive here has one file.
pytestmark = pytest.mark.filterwarnings("ignore:.*gives no RMS maps:euclid_resolved.errors.DataWarning")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving([(None, None)]) as server:
        monkeypatch.setattr(_fetch, "IRSA", server.search(0))
        yield server


def get(server, folder, timeout=5.0, **options):
    return fetch(RA, DEC, 3, bands=["IE"], folder=folder, timeout=timeout, **options)


def nothing_left(folder):
    return not [path for path in folder.rglob("*") if path.is_file() and "listing" not in path.name]


def test_an_honest_archive(server, tmp_path):
    folder = get(server, tmp_path / "in", allow=[server.origin])
    assert fits.getdata(folder / NAME).shape == (60, 60)
    assert len(server.asked) == 2 and "center=59.1000000,-49.3000000" in server.asked[1]
    get(server, tmp_path / "in", allow=[server.origin])
    assert len(server.asked) == 2


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ANSWERS)
def test_hostile_answers_are_one_error_and_leave_nothing(server, tmp_path, monkeypatch, name):
    *answer, message = ANSWERS[name]
    server.answers = [answer]
    monkeypatch.setattr(_fetch, "_SPARE", MOST - 30_000)
    began = time.monotonic()
    with pytest.raises(InputError, match=message) as error:
        get(server, tmp_path / "in", timeout=1.0, allow=[server.origin])
    assert time.monotonic() - began < 15
    assert str(error.value).isprintable() and "secret" not in str(error.value)
    assert nothing_left(tmp_path) and not any("elsewhere" in path for path in server.asked)


def test_there_are_enough_of_them():
    assert len(ANSWERS) >= 50


def test_a_redirect_within_the_archive_is_followed(server, tmp_path):
    def redirect(handler):
        if "moved" in handler.path:
            return handler.answer(FILE)
        handler.answer(b"", 302, Location=f"{handler.home}/moved")

    server.answers = [(None, redirect)]
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


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_elsewhere(address):
    with pytest.raises(InputError, match="is not of"):
        check_address(address, _fetch.ORIGINS)
    check_address("https://IRSA.ipac.caltech.edu:443/a?b=c", _fetch.ORIGINS)


# Names and listings


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
    for body in (FILE, psf_stamps(), gzip.compress(FILE)):
        path.write_bytes(body)
        check_fits(path, "a.fits", 2**20)
    path.write_bytes(psf_stamps()[:-2880])
    with pytest.raises(InputError, match="truncated: the header of extension 2 claims"):
        check_fits(path, "a.fits", 2**20)
    path.write_bytes(FILE + b"x" * 2880)
    with pytest.raises(InputError, match="behind extension 0 there is something that is no extension"):
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

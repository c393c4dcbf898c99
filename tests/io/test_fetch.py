"""Fetching cut-outs, with recorded answers of the archives: nothing here touches the network."""

import urllib.error
import urllib.parse

import astropy.units as u
import numpy as np
import pytest
from archives import DEC, NAMES, RA, Esa, Recorded, listing
from astropy.coordinates import SkyCoord

from euclid_resolved.cli import main
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.io import fetch, read_mosaics


def test_irsa(tmp_path):
    session = Recorded()
    folder = fetch(RA, DEC, 3, bands=["VIS", "NIR_H"], folder=tmp_path / "a", session=session)
    assert sorted(p.name for p in folder.glob("EUC_*")) == sorted(NAMES[i] for i in (0, 2, 3, 4, 5))
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(session.asked[0]).query)
    assert query["COLLECTION"] == ["euclid_DpdMerBksMosaic"]
    assert query["POS"][0].split() == ["circle", "59.1000000", "-49.3000000", "0.0008333"]
    images = [url for url in session.asked[1:] if "PSF" not in url]
    assert all("?center=59.1000000,-49.3000000&size=6.000arcsec" in url for url in images)
    image = read_mosaics(folder, SkyCoord(RA, DEC, unit="deg"), 4 * u.arcsec)
    assert image.bands == ("IE", "HE") and image["IE"].uncertainty is not None
    assert image["IE"].meta["psf"].shape == (21, 21)
    assert not image.mask().any()


def test_ground_based_bands_by_any_name(tmp_path):
    mosaic, rms, stamps = (
        name.replace("VIS", "DES-G").replace("GRID", "CATALOG") for name in (NAMES[0], NAMES[3], NAMES[5])
    )
    session = Recorded([*NAMES, mosaic, rms, stamps])
    folder = fetch(RA, DEC, 3, bands=["g", "vis"], folder=tmp_path, session=session)
    got = {p.name for p in folder.glob("EUC_*")}
    assert {mosaic, rms} < got and stamps not in got  # stamps of every source are as large as a mosaic
    assert read_mosaics(folder, SkyCoord(RA, DEC, unit="deg"), 4 * u.arcsec).bands == ("DECAM_g", "IE")
    with pytest.raises(InputError, match="no band HSC_g at .*, only DECAM_g, HE, IE"):
        fetch(RA, DEC, 3, bands=["WISHES-G"], folder=tmp_path, session=session)


def test_a_second_call_needs_no_network(tmp_path):
    fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=Recorded())
    silent = Recorded(answer=OSError("no network"))
    assert fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=silent) == tmp_path
    assert silent.asked == []
    with pytest.raises(InputError, match="cannot be reached"):
        fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=silent, refresh=True)


def test_what_broke_off_is_completed(tmp_path):
    fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=Recorded())
    (tmp_path / NAMES[3]).unlink()
    session = Recorded()
    fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=session)
    assert len(session.asked) == 1 and NAMES[3] in session.asked[0]


def test_cache_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "euclid_resolved").mkdir()
    folder = fetch(RA, DEC, 3 * u.arcsec, bands="IE", session=Recorded())
    assert folder.is_relative_to(tmp_path) and folder.name == "irsa_059.10000-49.30000_3.0"


@pytest.mark.parametrize(
    "answer, message",
    [
        (urllib.error.HTTPError("u", 503, "Service Unavailable", {}, None), "HTTP 503 Service Unavailable"),
        (urllib.error.URLError("Name or service not known"), "within 60 s: Name or service not known"),
        (TimeoutError("timed out"), "cannot be reached within 60 s: timed out"),
        (b"<html>maintenance</html>", "did not answer with a table of images but with: <html>maintenance"),
        (b"", "did not answer with a table"),
        (listing([]), "no Euclid mosaic at 03h56m24.0s -49d18m00.0s"),
        (listing(NAMES[2:5]), "no band IE at .* only HE"),
    ],
)
def test_failures_are_one_error(tmp_path, answer, message):
    with pytest.raises(InputError, match=message):
        fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path / "x", session=Recorded(answer=answer))
    assert not list(tmp_path.rglob("EUC_*"))


def test_an_answer_that_is_no_fits_leaves_nothing(tmp_path):
    class Html(Recorded):
        def get(self, url, timeout):
            return super().get(url, timeout) if "/SIA" in url else b"<html>404 not here</html>"

    with pytest.raises(InputError, match="did not answer with FITS but with: <html>404"):
        fetch(RA, DEC, 3, bands=["IE"], folder=tmp_path, session=Html())
    assert not list(tmp_path.rglob("EUC_*"))


@pytest.mark.parametrize(
    "field, message",
    [
        ((RA, DEC, 0), "radius must lie"),
        ((RA, DEC, 1 * u.deg), "radius must lie"),
        ((RA, DEC, 1 * u.kpc), "radius arcsec"),
        ((RA, -91, 3), "no position"),
        ((np.nan, 0, 3), "no position"),
        (("here", 0, 3), "degrees"),
    ],
)
def test_refused(tmp_path, field, message):
    with pytest.raises(InputError, match=message):
        fetch(*field, folder=tmp_path, session=Recorded())
    with pytest.raises(InputError, match="service"):
        fetch(RA, DEC, 3, service="mast", folder=tmp_path)


def test_esa(tmp_path):
    session = Esa()
    with pytest.warns(DataWarning, match="no RMS maps"):
        folder = fetch(RA, DEC, 3, bands=["IE", "HE"], service="esa", folder=tmp_path, session=session)
    assert "CIRCLE('ICRS', 59.1000000, -49.3000000, 0.0008333)" in session.query
    assert sorted(p.name for p in folder.glob("EUC_*")) == sorted((NAMES[0], NAMES[2]))
    assert read_mosaics(folder, SkyCoord(RA, DEC, unit="deg"), 4 * u.arcsec).bands == ("IE", "HE")


@pytest.mark.filterwarnings("ignore::euclid_resolved.errors.DataWarning")
def test_esa_fails(tmp_path):
    with pytest.raises(InputError, match="gives no cut-out of EUC_MER"):
        fetch(RA, DEC, 3, bands=["IE"], service="esa", folder=tmp_path, session=Esa(fails=True))

    class Broken(Esa):
        def launch_job(self, query):
            raise RuntimeError("Error 500")

    with pytest.raises(InputError, match="cannot be asked: Error 500"):
        fetch(RA, DEC, 3, service="esa", folder=tmp_path / "b", session=Broken())


def test_without_astroquery(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "astroquery.esa.euclid", None)
    with pytest.raises(InputError, match="astroquery is not installed"):
        fetch(RA, DEC, 3, service="esa", folder=tmp_path)


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("euclid_resolved.io.euclid._fetch.Web", lambda origins: Recorded())
    assert main(["fetch", str(RA), str(DEC), "--radius", "3", "--bands", "IE", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "3 files" in out and "--position 59.1 -49.3 --size 6" in out
    assert main(["fetch", str(RA), "95", "--radius", "3", "-o", str(tmp_path)]) == 1

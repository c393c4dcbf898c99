"""``predict --moc``: one image, strips of it, several images, and what it refuses first."""

import json
import sys

import numpy as np
import pytest
from astropy.io import fits
from helpers import brightness, galaxies, sky_wcs

from euclid_resolved import EUCLID_BANDS, LinearRegression, read, train, write
from euclid_resolved.cli import main

pytest.importorskip("mocpy")
pytest.importorskip("astropy_healpix")

SHAPE = (24, 20)


def run(*words):
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.asdf"
    write(path, train(galaxies(6), "stellar_age", LinearRegression(), source="synthetic"))
    return path


@pytest.fixture
def image(tmp_path):
    def make(name, middle=None, wcs=True, light=1):
        hdus = []
        for band, data in brightness(SHAPE, seed=3).items():
            header = sky_wcs(SHAPE).to_header() if wcs else fits.Header()
            if middle is not None:
                header["CRVAL1"] = middle
            header["MAGZERO"] = -2.5 * np.log10(np.radians(0.1 / 3600) ** 2 / 3631e-6)
            data[3:9, 4:12] = np.nan
            data *= light
            hdus.append(fits.ImageHDU(data, header, name=f"FLUX_{band}"))
            hdus[-1].header["FILTER"] = {"IE": "VIS", "YE": "NIR_Y", "JE": "NIR_J", "HE": "NIR_H"}[band]
        assert len(hdus) == len(EUCLID_BANDS)
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / name)
        return tmp_path / name

    return make


def area(moc):
    """Pixels of 0.1 arcsec that it covers."""
    return moc.sky_fraction * 4 * np.pi / np.radians(0.1 / 3600) ** 2


@pytest.mark.slow
def test_an_image_and_its_strips_have_one_moc(model_file, image, tmp_path, capsys):
    from mocpy import MOC

    words = ["predict", model_file, image("a.fits"), "--raw", "-o"]
    assert run(*words, tmp_path / "whole.fits", "--moc", tmp_path / "whole_moc.fits", "--json") == 0
    assert json.loads(capsys.readouterr().out)["moc"] == str(tmp_path / "whole_moc.fits")
    assert run(*words, tmp_path / "maps.fits", "--strips", "--moc", tmp_path / "moc.fits") == 0
    whole, strips = (MOC.load(tmp_path / name, "fits") for name in ("whole_moc.fits", "moc.fits"))
    assert whole == strips
    map_ = read(tmp_path / "maps.fits")["stellar_age"]
    assert area(whole) == pytest.approx((~map_.mask).sum(), rel=0.03)
    assert map_.to_moc() == whole
    # Where it is from.
    maps = fits.getheader(tmp_path / "maps.fits")
    with fits.open(tmp_path / "moc.fits", checksum=True) as hdus:
        header = hdus[1].header
    for card in ("MODEL", "TRAINSET", "MINSN", "OBJECT", "CREATOR"):
        assert header[card] == maps[card]
    assert (header["MAPS"], header["NIMAGES"], header["MINSN"]) == ("maps.fits", 1, 3.0)
    assert header["MODEL"] == read(model_file).digest
    assert "image: a.fits" in list(header["HISTORY"])


@pytest.mark.slow
def test_several_images_have_one_moc(model_file, image, tmp_path):
    from mocpy import MOC

    images = [image("a.fits"), image("b.fits", middle=10.0), image("c.fits")]
    moc = tmp_path / "moc.fits"
    words = ["predict", model_file, *images, "--raw", "-o", tmp_path / "maps", "--moc", moc]
    assert run(*words) == 0
    found = {name: read(tmp_path / "maps" / f"{name}_maps.fits")["stellar_age"].to_moc() for name in "abc"}
    assert found["a"] == found["c"] != found["b"]
    assert MOC.load(moc, "fits") == found["a"].union(found["b"])
    header = fits.getheader(moc, 1)
    assert header["NIMAGES"] == 3 and "OBJECT" not in header and header["MAPS"] == "maps"
    assert list(header["HISTORY"]) == ["image: a", "image: b", "image: c"]
    # What is kept from an earlier call counts as well; a file is not replaced unasked.
    assert run(*words) == 1
    moc.unlink()
    assert run(*words) == 0 and fits.getheader(moc, 1)["NIMAGES"] == 3


def test_what_keeps_it_from_being_written_is_said_before_mapping(
    model_file, image, tmp_path, capsys, monkeypatch
):
    a, output, moc = image("a.fits"), tmp_path / "maps.fits", tmp_path / "moc.fits"
    words = ["predict", model_file, a, "--raw", "-o", output, "--moc"]
    nowhere = ["predict", model_file, image("n.fits", wcs=False), "--raw", "-o", output, "--moc"]
    for line, message in (
        ([*words, tmp_path / "moc.txt"], "ends in .fits"),
        ([*words, a], "the file exists"),
        ([*words, a, "--overwrite"], "a.fits"),
        ([*words, tmp_path / "none" / "moc.fits"], "no folder"),
        ([*words, output], "name the same file"),
        ([*nowhere, moc, "--pixel-scale", 0.1], "no celestial WCS"),
    ):
        assert run(*line) != 0
        assert message in capsys.readouterr().err
        assert not output.exists() and not moc.exists()
    monkeypatch.setitem(sys.modules, "mocpy", None)
    assert run(*words, moc) == 1 and not output.exists()
    assert "pip install euclid_resolved[moc]" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:no pixel of")
def test_maps_without_a_value_cover_nothing(model_file, image, tmp_path, capsys):
    words = ["predict", model_file, image("a.fits", light=-1), "--raw"]
    assert run(*words, "-o", tmp_path / "maps.fits", "--moc", tmp_path / "moc.fits") == 1
    assert "has a value: there is nothing to cover" in capsys.readouterr().err
    assert not (tmp_path / "moc.fits").exists()

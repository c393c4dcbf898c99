"""How real files name bands and companions; one detection of what a file holds for all that open it."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from helpers import SHARED
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import MultiBandImage, SpatialMap, read, read_euclid, write
from euclid_resolved.cli._main import main
from euclid_resolved.errors import ImageFileError
from euclid_resolved.io import open_large

CUTOUTS = sorted(SHARED.glob("euclid_q1_cutout_*.fits"))
real = pytest.mark.skipif(not CUTOUTS, reason="the real cut-outs are not here")

SHAPE = (12, 16)
ZERO_POINTS = {"IE": 24.6, "YE": 29.8, "JE": 30.0, "HE": 29.9}
# MJy/sr of one count in a pixel of 0.1", worked out by hand.
ONE_COUNT = {"IE": 2.23291, "YE": 0.0185730, "JE": 0.0154482, "HE": 0.0169382}


def header(zero_point=None, **cards):
    wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 8, "CRPIX2": 6})
    wcs.wcs.cdelt = -0.1 / 3600, 0.1 / 3600
    made = wcs.to_header()
    made.update({**cards, **({} if zero_point is None else {"MAGZERO": zero_point})})
    return made


def a_file(path, names, extra=()):
    """Images by band under the names given, ones in the first band, twos in the second; and other planes."""
    hdus = [fits.PrimaryHDU()]
    for value, (band, name) in enumerate(names.items(), 1):
        data = np.full(SHAPE, value, "f4")
        hdus.append(fits.ImageHDU(data, header(ZERO_POINTS.get(band, 30.0)), name=name))
    for name, value in extra:
        shape = (5, 5) if "PSF" in name else SHAPE
        hdus.append(fits.ImageHDU(np.full(shape, value, "i4" if "FLAG" in name else "f4"), name=name))
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize(
    ("vis", "nir", "companion"),
    [
        ("VIS_FLUX", "NIR_Y_FLUX", "{band}_{kind}"),
        ("VIS_BGSUB", "NIR-Y_BGSUB", "{band}_{kind}"),
        ("VIS_BGSUB", "NIR_Y_BGSUB", "{band}_BGSUB_{kind}"),
        ("VIS", "NIR_Y", "{band}_{kind}"),
        ("VIS", "NIR-Y", "{band}-{kind}"),
        ("FLUX_VIS", "FLUX_NIR_Y", "{kind}_{band}"),
        ("FLUX_VIS", "FLUX_NIR_Y", "{band}_{kind}"),
        ("VIS_SCI", "NIR_Y_SCI", "{band}_{kind}"),
        ("VIS_IMAGE", "NIR_Y_IMAGE", "{band}_{kind}"),
        ("vis_flux", "nisp_y_flux", "{band}_{kind}"),
        ("IE", "YE", "{kind}_{band}"),
        ("MOSAIC-VIS", "MOSAIC-NIR-Y", "MOSAIC-{band}-{kind}"),
    ],
)
def test_schemes(tmp_path, vis, nir, companion):
    extra = [
        (companion.format(band=band, kind=kind), value)
        for band in ("VIS", "NIR_Y")
        for kind, value in (("PSF", 0.04), ("RMS", 0.5), ("FLAG", 4))
    ]
    path = a_file(tmp_path / "field.fits", {"IE": vis, "YE": nir}, extra)
    image = read_euclid(path)
    assert image.bands == ("IE", "YE")
    for value, band in enumerate(image, 1):
        assert_allclose(image[band].data, value * ONE_COUNT[band], rtol=1e-4)
        assert_allclose(image[band].uncertainty.array, 0.5 * ONE_COUNT[band], rtol=1e-4)
        assert image[band].meta["psf"].shape == (5, 5)
    assert read_euclid(path, flag_bits=4).mask().all() and not read_euclid(path, flag_bits=2).mask().any()
    with open_large(path) as large:
        strip = large.strip(large.read(0, 12))
    for band in image:
        assert_array_equal(strip[band].uncertainty.array, image[band].uncertainty.array)
    assert read(path).bands == ("IE", "YE")


def test_ground_based_bands_under_a_bare_name(tmp_path):
    path = a_file(
        tmp_path / "c.fits", {"IE": "VIS", "HSC_g": "HSC_g"}, [("HSC_G_RMS", 0.5), ("VIS_RMS", 0.5)]
    )
    image = read_euclid(path, bands=["HSC_g", "IE"])
    assert image.bands == ("HSC_g", "IE")
    assert_allclose(image["HSC_g"].data, 2 * 0.0154482, rtol=1e-4)
    assert_allclose(image["HSC_g"].uncertainty.array, 0.5 * 0.0154482, rtol=1e-4)


def test_planes_of_other_kinds_are_no_images(tmp_path):
    extra = [("VIS_BGMOD", 9), ("VIS_SEGMAP", 9), ("VIS_CHI2", 9), ("VIS_RMS", 0.5)]
    image = read_euclid(a_file(tmp_path / "c.fits", {"IE": "VIS_BGSUB"}, extra))
    assert image.bands == ("IE",)
    assert_allclose(image["IE"].data, ONE_COUNT["IE"], rtol=1e-4)


def test_detectors(tmp_path):
    """Frames have an extension a detector; the band is in the first header."""
    hdus = [fits.PrimaryHDU(header=fits.Header({"FILTER": "NIR_H"}))]
    for detector in (11, 12):
        data = np.full(SHAPE, detector, "f4")
        hdus.append(fits.ImageHDU(data, header(29.9), name=f"DET{detector}.SCI"))
        hdus.append(fits.ImageHDU(data / 2, name=f"DET{detector}.RMS"))
        hdus.append(fits.ImageHDU(np.full(SHAPE, detector, "i4"), name=f"DET{detector}.DQ"))
    path = tmp_path / "frame.fits"
    fits.HDUList(hdus).writeto(path)
    with pytest.raises(ImageFileError, match="nothing tells which .*DET12.SCI.*give hdu= or --hdu"):
        read_euclid(path)
    image = read_euclid(path, hdu="DET12.SCI")
    assert image.bands == ("HE",)
    assert_allclose(image["HE"].data, 12 * ONE_COUNT["HE"], rtol=1e-4)
    assert_allclose(image["HE"].uncertainty.array, 6 * ONE_COUNT["HE"], rtol=1e-4)
    assert read_euclid(path, hdu="DET12.SCI", flag_bits=4).mask().all()
    assert not read_euclid(path, hdu="DET11.SCI", flag_bits=4).mask().any()


def test_extensions_of_one_name_are_told_apart_by_version(tmp_path):
    hdus = [fits.PrimaryHDU(header=fits.Header({"FILTER": "VIS"}))]
    for version in (1, 2):
        for name in ("SCI", "ERR"):
            hdu = fits.ImageHDU(np.full(SHAPE, version, "f4"), header(24.6), name=name)
            hdu.ver = version
            hdus.append(hdu)
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    image = read_euclid(tmp_path / "a.fits", hdu=3)
    assert_allclose(image["IE"].uncertainty.array, 2 * ONE_COUNT["IE"], rtol=1e-4)


def test_a_band_twice_names_the_extensions(tmp_path):
    path = a_file(tmp_path / "c.fits", {"IE": "VIS_FLUX", "YE": "VIS_SCI"})
    with pytest.raises(ImageFileError, match="band IE twice .give hdu= or --hdu, one of .*VIS_FLUX.*VIS_SCI"):
        read_euclid(path)
    assert_allclose(read_euclid(path, hdu="VIS_FLUX")["IE"].data, ONE_COUNT["IE"], rtol=1e-4)


# ---------------------------------------------------------------- one detection


@pytest.mark.slow
@real
@pytest.mark.parametrize("path", CUTOUTS, ids=lambda path: path.stem)
def test_real_cutouts_are_images_for_everything_that_opens_them(path, capsys):
    image = read(path)
    assert isinstance(image, MultiBandImage) and len(image) == (8 if "ugriz" in path.stem else 4)
    again = read_euclid(path)
    for band in image:
        assert_array_equal(image[band].data, again[band].data)
        assert image[band].uncertainty is not None and image[band].meta["psf"].ndim == 2
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{path}: image {image.name}\n") and "dimensionless" not in shown
    assert ", ".join(image.bands) + ", in MJy / sr" in shown


@pytest.mark.slow
@real
@pytest.mark.parametrize("path", CUTOUTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("names", ["{}_BGSUB", "FLUX_{}", "{}"])
def test_real_cutouts_under_other_names(tmp_path, names, path):
    original = read_euclid(path)
    with fits.open(path) as hdus:
        for hdu in hdus[1:]:
            stem, _, kind = hdu.name.rpartition("_")
            hdu.name = names.format(stem) if kind == "FLUX" else f"{stem}_{kind}"
        hdus.writeto(tmp_path / "other.fits")
    image = read(tmp_path / "other.fits")
    assert image.bands == original.bands
    for band in image:
        assert_array_equal(image[band].data, original[band].data)
        assert_array_equal(image[band].uncertainty.array, original[band].uncertainty.array)
        assert_array_equal(image[band].meta["psf"], original[band].meta["psf"])


def test_maps_stay_maps(tmp_path):
    write(tmp_path / "m.fits", {"VIS": SpatialMap(np.ones(SHAPE), unit="MJy / sr")})
    assert list(read(tmp_path / "m.fits")) == ["VIS"]
    hdu = fits.ImageHDU(np.ones(SHAPE), name="STELLAR_AGE")
    hdu.header["BUNIT"] = "Gyr"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "other.fits")
    assert list(read(tmp_path / "other.fits")) == ["stellar_age"]


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"FILTER": "VIS"}, "no zero point.*read_euclid"),
        ({"MAGZERO": 24.6}, "does not say which band.*IE=vis.fits.*read_euclid"),
        ({"BUNIT": "MJy/sr"}, "does not say which band.*read_euclid"),
        ({"BUNIT": "ADU/s"}, "does not say which band.*read_euclid"),
    ],
)
def test_an_image_that_needs_options_says_who_takes_them(tmp_path, cards, message, capsys):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.ones(SHAPE, "f4"), header(**cards)).writeto(path)
    with pytest.raises(ImageFileError, match=message):
        read(path)
    assert main(["info", str(path)]) == 1
    assert "read_euclid" in capsys.readouterr().err

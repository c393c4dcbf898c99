"""What pixel values mean: units beside zero points, noise maps by their own headers; worked out by hand."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import InverseVariance, NDData, StdDevUncertainty
from astropy.wcs import WCS
from numpy.testing import assert_allclose

from euclid_resolved import MultiBandImage, Quality, read_euclid
from euclid_resolved.errors import DataWarning, ImageFileError, InputError
from euclid_resolved.io import open_large, read_mosaics
from euclid_resolved.models._clip import judge

SHAPE = (12, 16)
# MJy/sr of one count of zero point 24.6 and of 29.9 in a pixel of 0.1": 3631e-6 10^(-0.4 Z) / 2.35044e-13.
VIS, NIR_H = 2.23291, 0.0169382
MICROJANSKY = 1e-12 / 2.35044e-13  # MJy/sr of 1 uJy in such a pixel


def header(band="VIS", zero_point=None, bunit=None):
    wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 8, "CRPIX2": 6})
    wcs.wcs.cdelt = -0.1 / 3600, 0.1 / 3600
    made = wcs.to_header()
    made.update({"FILTER": band} if band else {})
    made.update({} if zero_point is None else {"MAGZERO": zero_point})
    made.update({} if bunit is None else {"BUNIT": bunit})
    return made


def plane(value=1.0):
    return np.full(SHAPE, value, "f4")


def a_file(path, *extensions, band="VIS", zero_point=24.6, bunit=None, name="VIS_FLUX"):
    """An image of ones, and extensions (name, value, header)."""
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(plane(), header(band, zero_point, bunit), name=name)]
    hdus += [fits.ImageHDU(plane(v), fits.Header(h), name=n) for n, v, h in extensions]
    fits.HDUList(hdus).writeto(path)
    return path


def sigma_of(image, band="IE"):
    (value,) = np.unique(image[band].uncertainty.array)
    return float(value)


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("bunit", "zero_point", "expected"),
    [
        ("nJy", 31.4, MICROJANSKY / 1000),
        ("uJy", 23.9, MICROJANSKY),
        ("Jy/pix", 8.9, 1e6 * MICROJANSKY),
        ("10*nJy", 28.9, MICROJANSKY / 100),
        ("nmgy", 22.5, 3.631 * MICROJANSKY),
        ("nanomaggies", 22.5, 3.631 * MICROJANSKY),
        # 1 MJy/sr is 0.235044 uJy in such a pixel: magnitude 23.9 - 2.5 log10(0.235044) = 25.472.
        ("MJy/sr", 25.472, 1.0),
        ("uJy/arcsec2", None, 1 / 23.504),
        ("ELECTRON/s", 24.6, VIS),
        ("DN", 24.6, VIS),
        ("cps", 24.6, VIS),
        ("counts/s", 24.6, VIS),
    ],
)
def test_units_that_agree_with_the_zero_point(tmp_path, bunit, zero_point, expected):
    image = read_euclid(a_file(tmp_path / "a.fits", zero_point=zero_point, bunit=bunit))
    assert_allclose(image["IE"].data, expected, rtol=5e-4)


@pytest.mark.parametrize("zero_point", [24.6, None])
@pytest.mark.parametrize(
    "bunit",
    ["mag/arcsec2", "mag(AB/arcsec2)", "erg/s/cm2/A", "erg/s/cm2/Angstrom/arcsec2", "K", "Jy/beam", "JY/BEAM",
     "nmgy", "mag", "W/m2", "m"],
)  # fmt: skip
def test_units_that_are_no_counts_are_refused(tmp_path, bunit, zero_point):
    path = a_file(tmp_path / "a.fits", zero_point=zero_point, bunit=bunit)
    with pytest.raises(ImageFileError, match="BUNIT") as caught:
        read_euclid(path)
    if "mag" in bunit:
        assert "linear" in caught.value.hint
        with pytest.raises(ImageFileError, match="magnitudes"):
            read_euclid(path, zero_point={"IE": 24.6})
    else:
        assert "zero_point=" in caught.value.hint and "--zero-point IE=" in caught.value.hint
        # Who names the band knows better than the file.
        assert_allclose(read_euclid(path, zero_point={"IE": 24.6})["IE"].data, VIS, rtol=1e-3)


def test_a_zero_point_for_all_does_not_replace_those_of_the_files(tmp_path):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(plane(), header("VIS"), name="VIS_FLUX")]
    hdus.append(fits.ImageHDU(plane(), header("NIR_H", 29.9), name="NIR_H_FLUX"))
    path = tmp_path / "a.fits"
    fits.HDUList(hdus).writeto(path)
    image = read_euclid(path, zero_point=24.6)
    assert_allclose(image["IE"].data, VIS, rtol=1e-3)
    # With 24.6 it would be 10^(0.4 x 5.3) = 132 times as bright.
    assert_allclose(image["HE"].data, NIR_H, rtol=1e-3)
    with open_large(path, zero_point=24.6) as large:
        strip = large.strip(large.read(0, 3))
    assert_allclose(strip["HE"].data, NIR_H, rtol=1e-3)
    assert_allclose(read_euclid(path, zero_point={None: 24.6, "HE": 24.6})["HE"].data, VIS, rtol=1e-3)


# ---------------------------------------------------------------- noise maps


@pytest.mark.parametrize(
    ("name", "value", "cards", "expected"),
    [
        ("VIS_RMS", 0.5, {}, 0.5 * VIS),
        ("VIS_ERR", 0.5, {}, 0.5 * VIS),
        ("VIS_VAR", 0.25, {}, 0.5 * VIS),
        ("VIS_IVAR", 4.0, {}, 0.5 * VIS),
        ("VIS_WHT", 4.0, {}, 0.5 * VIS),
        ("RMS_VIS", 0.5, {}, 0.5 * VIS),
        ("NOISE", 0.5, {}, 0.5 * VIS),
        ("VIS_BGSUB_RMS", 0.5, {}, 0.5 * VIS),
        ("VIS_RMS", 40.0, {"BUNIT": "kJy/sr"}, 0.04),
        ("VIS_VAR", 1600.0, {"BUNIT": "(kJy/sr)2"}, 0.04),
        ("VIS_VAR", 0.0016, {"BUNIT": "MJy2/sr2"}, 0.04),
        ("VIS_RMS", 0.0016, {"BUNIT": "MJy2 sr-2"}, 0.04),  # the unit says that it is the square
        ("VIS_IVAR", 625.0, {"BUNIT": "1/(MJy/sr)2"}, 0.04),
        ("VIS_WHT", 625.0, {"BUNIT": "sr2 MJy-2"}, 0.04),
        ("VIS_ERR", 0.5, {"BUNIT": "uJy"}, 0.5 * MICROJANSKY),
        ("VIS_VAR", 0.25, {"BUNIT": "ADU2"}, 0.5 * VIS),
        # A zero point of its own, one magnitude fainter: a count of it is 10^-0.4 of the image's.
        ("VIS_RMS", 0.5, {"MAGZERO": 25.6}, 0.5 * VIS * 0.398107),
        ("VIS_VAR", 0.25, {"MAGZERO": 25.6}, 0.5 * VIS * 0.398107),
    ],
)
def test_noise_maps_are_read_by_their_own_header(tmp_path, name, value, cards, expected):
    path = a_file(tmp_path / "a.fits", (name, value, cards))
    image = read_euclid(path)
    assert sigma_of(image) == pytest.approx(expected, rel=1e-3)
    assert not image.mask().any()
    with open_large(path) as large:
        assert sigma_of(large.strip(large.read(2, 5))) == sigma_of(image)


@pytest.mark.parametrize(
    ("name", "cards", "message"),
    [
        ("VIS_RMS", {"BUNIT": "K"}, "RMS map of band IE has BUNIT K.*that of the image"),
        ("VIS_VAR", {"BUNIT": "MJy/sr"}, "VAR map of band IE has BUNIT MJy / sr.*its square"),
        ("VIS_IVAR", {"BUNIT": "MJy/sr"}, "one over its square"),
        ("VIS_WHT", {"BUNIT": "s"}, "WHT map of band IE has BUNIT s"),
        ("VIS_RMS", {"BUNIT": "mag"}, "BUNIT mag"),
        ("VIS_RMS", {"BUNIT": "electron"}, "in electron, the image in adu / s"),
    ],
)
def test_noise_in_a_unit_that_cannot_be_is_refused(tmp_path, name, cards, message):
    path = a_file(tmp_path / "a.fits", (name, 0.5, cards), bunit="ADU/s")
    with pytest.raises(ImageFileError, match=message):
        read_euclid(path)


def test_noise_of_an_image_in_surface_brightness(tmp_path):
    path = a_file(tmp_path / "a.fits", ("VIS_RMS", 0.5, {}), zero_point=None, bunit="kJy/sr")
    assert sigma_of(read_euclid(path)) == pytest.approx(0.0005)
    path = a_file(tmp_path / "b.fits", ("VIS_RMS", 0.5, {"BUNIT": "adu"}), zero_point=None, bunit="kJy/sr")
    with pytest.raises(ImageFileError, match="in adu, the image in kJy / sr .*MAGZERO"):
        read_euclid(path)
    cards = {"BUNIT": "adu", "MAGZERO": 24.6}
    path = a_file(tmp_path / "c.fits", ("VIS_RMS", 0.5, cards), zero_point=None, bunit="kJy/sr")
    assert sigma_of(read_euclid(path)) == pytest.approx(0.5 * VIS, rel=1e-3)


def test_the_zero_point_beside_the_images_is_not_that_of_the_noise(tmp_path):
    path = a_file(tmp_path / "a.fits", ("VIS_RMS", 0.5, {}))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["MAGZERO"] = 30.0
    assert sigma_of(read_euclid(path)) == pytest.approx(0.5 * VIS, rel=1e-3)


def test_a_zero_point_given_is_that_of_the_noise_too(tmp_path):
    path = a_file(tmp_path / "a.fits", ("VIS_RMS", 0.5, {"MAGZERO": 24.6}))
    image = read_euclid(path, zero_point={"IE": 29.9})
    assert_allclose(image["IE"].data, NIR_H, rtol=1e-3)
    assert sigma_of(image) == pytest.approx(0.5 * NIR_H, rel=1e-3)


@pytest.mark.parametrize("first", [True, False])
def test_the_noise_of_a_band_stands_above_that_of_none(tmp_path, first):
    extensions = [("RMS", 9.0, {}), ("VIS_RMS", 0.5, {})]
    path = a_file(tmp_path / "a.fits", *(extensions if first else extensions[::-1]))
    assert sigma_of(read_euclid(path)) == pytest.approx(0.5 * VIS, rel=1e-3)


def test_the_most_direct_kind_of_noise_is_used(tmp_path):
    path = a_file(tmp_path / "a.fits", ("VIS_WHT", 1.0, {}), ("VIS_VAR", 0.01, {}), ("VIS_RMS", 0.5, {}))
    assert sigma_of(read_euclid(path)) == pytest.approx(0.5 * VIS, rel=1e-3)


def test_noise_that_belongs_to_no_band_is_not_passed_over_in_silence(tmp_path):
    path = a_file(tmp_path / "a.fits", ("RMS", 0.5, {}), ("NIR_H_FLUX", 1.0, header("NIR_H", 29.9)))
    with pytest.warns(DataWarning, match="RMS belongs to no band, and IE, HE has no noise"):
        image = read_euclid(path)
    assert image["IE"].uncertainty is None
    path = a_file(tmp_path / "b.fits", ("VISIBLE_RMS", 0.5, {}))
    with pytest.warns(DataWarning, match="VISIBLE_RMS belongs to no band"), open_large(path) as large:
        assert large.bands == ("IE",)


@pytest.mark.parametrize("kind", ["RMS", "VAR", "IVAR", "WHT"])
def test_noise_that_is_none_masks(tmp_path, kind):
    good = {"RMS": 0.5, "VAR": 0.25, "IVAR": 4.0, "WHT": 4.0}[kind]
    bad = [0, -1, np.nan, {"RMS": 1e16, "VAR": 1e32, "IVAR": 1e-32, "WHT": 1e-32}[kind]]
    bad += [{"RMS": 1e-9, "VAR": 1e-18, "IVAR": 1e18, "WHT": 1e18}[kind]]  # a perfect pixel is none
    values = plane(good)
    values[0, : len(bad)] = bad
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(plane(), header("VIS", 24.6), name="VIS_FLUX")]
    hdus.append(fits.ImageHDU(values, name=f"VIS_{kind}"))
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    image = read_euclid(tmp_path / "a.fits")
    assert image.mask()[0, : len(bad)].all() and image.mask().sum() == len(bad)
    assert_allclose(image["IE"].uncertainty.array[1:], 0.5 * VIS, rtol=1e-3)


@pytest.mark.parametrize("kind", ["RMS", "VAR"])
def test_noise_maps_in_files_of_their_own(tmp_path, kind):
    a_file(tmp_path / "vis.fits")
    cards = {"BUNIT": "kJy/sr" if kind == "RMS" else "kJy2/sr2"}
    fits.PrimaryHDU(plane(40.0 if kind == "RMS" else 1600.0), fits.Header(cards)).writeto(tmp_path / "n.fits")
    image = read_euclid({"IE": tmp_path / "vis.fits", f"VIS_{kind}": tmp_path / "n.fits"})
    assert image.bands == ("IE",)
    assert sigma_of(image) == pytest.approx(0.04)
    words = [f"IE={tmp_path / 'vis.fits'}", f"IE_{kind}={tmp_path / 'n.fits'}"]
    assert sigma_of(read_euclid(words)) == pytest.approx(0.04)
    with open_large(words) as large:
        assert sigma_of(large.strip(large.read(0, 12))) == pytest.approx(0.04)
    with pytest.raises(InputError, match="HE_RMS has no image to go with: give HE=FILE"):
        read_euclid([*words, f"HE_RMS={tmp_path / 'n.fits'}"])
    with pytest.raises(InputError, match="given twice"):
        read_euclid({"IE": tmp_path / "vis.fits", f"VIS_{kind}": "a.fits", f"IE_{kind}": "b.fits"})


def test_a_map_named_after_the_band_belongs_to_an_image_without_name(tmp_path):
    hdus = [fits.PrimaryHDU(plane(), header("VIS", 24.6)), fits.ImageHDU(plane(0.5), name="VIS_RMS")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    assert sigma_of(read_euclid(tmp_path / "a.fits")) == pytest.approx(0.5 * VIS, rel=1e-3)
    with open_large({"IE": tmp_path / "a.fits"}) as large:
        assert sigma_of(large.strip(large.read(0, 3))) == pytest.approx(0.5 * VIS, rel=1e-3)


def test_one_file_of_noise_for_several_bands(tmp_path):
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(plane(0.5), name="VIS_RMS"),
        fits.ImageHDU(plane(9), name="RMS_HE"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "noise.fits")
    files = {"IE": a_file(tmp_path / "a.fits"), "IE_RMS": tmp_path / "noise.fits"}
    files["HE"] = a_file(tmp_path / "b.fits", band="NIR_H", zero_point=29.9, name="SCI")
    image = read_euclid({**files, "HE_RMS": tmp_path / "noise.fits"})
    assert sigma_of(image) == pytest.approx(0.5 * VIS, rel=1e-3)
    assert sigma_of(image, "HE") == pytest.approx(9 * NIR_H, rel=1e-3)


def test_the_noise_of_a_mosaic_is_read_by_its_own_header(tmp_path):
    name = "EUC_MER_{}_TILE1-A_20240101T000000.0Z_00.00.fits"
    image = tmp_path / name.format("BGSUB-MOSAIC-VIS")
    fits.PrimaryHDU(plane(), header("VIS", 24.6)).writeto(image)
    noise = fits.PrimaryHDU(plane(40.0), fits.Header({"BUNIT": "kJy/sr"}))
    noise.writeto(tmp_path / name.format("MOSAIC-VIS-RMS"))
    position = WCS(header()).pixel_to_world(7, 5)
    for read in (
        read_euclid(tmp_path),
        read_euclid(image),  # by its path, what lies beside it is found as well
        read_euclid({"IE": image}),
        read_mosaics(tmp_path, position, 0.5 * u.arcsec),
    ):
        assert sigma_of(read) == pytest.approx(0.04)


# ---------------------------------------------------------------- no measurement is perfect


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan, 1e16])
def test_a_noise_that_is_none_is_no_perfect_signal_to_noise(value):
    sigma = plane(0.01)
    sigma[2, 3] = value
    image = MultiBandImage({"HE": NDData(plane(), unit="MJy/sr", uncertainty=StdDevUncertainty(sigma))})
    quality = judge(image, ("HE",))
    assert quality[2, 3] == Quality.NOISE
    quality[2, 3] = 0
    assert not quality.any()


def test_an_inverse_variance_of_zero_is_no_data():
    weight = plane(1e4)
    weight[2, 3] = 0
    image = MultiBandImage({"HE": NDData(plane(), unit="MJy/sr", uncertainty=InverseVariance(weight))})
    quality = judge(image, ("HE",))
    assert quality[2, 3] == Quality.NOISE and np.count_nonzero(quality) == 1

"""Reading Euclid images: known answers, real cut-outs, and every bad input we could think of."""

import gc
import gzip
import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from helpers import SHARED, UNIT
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import BANDS, EUCLID_BANDS, MultiBandImage
from euclid_resolved.errors import DataWarning, ImageFileError, InputError
from euclid_resolved.imaging._kernels import psf_fwhm
from euclid_resolved.io import read_euclid

DATA = SHARED
CUTOUTS = sorted(DATA.glob("euclid_q1_cutout_*.fits")) if DATA.is_dir() else []
real = pytest.mark.skipif(not CUTOUTS, reason="the real cut-outs are not here")

# Magnitude zero point -> MJy/sr of one count in a pixel of 0.1", worked out by hand.
ONE_COUNT = {24.6: 2.233, 29.8: 0.018573, 30.0: 0.0154482, 29.9: 0.0169382}
ZERO_POINTS = {"VIS": 24.6, "NIR_Y": 29.8, "NIR_J": 30.0, "NIR_H": 29.9}
UGRIZ = "MEGACAM_u", "HSC_g", "MEGACAM_r", "IE", "HSC_z", "YE", "JE", "HE"
STEMS = {"IE": "VIS", "YE": "NIR_Y", "JE": "NIR_J", "HE": "NIR_H"}


def header(filter_name=None, zero_point=None, wcs=True, shift=0.0, scale=0.1, **cards):
    h = fits.Header()
    if wcs:
        for axis, (ctype, value) in enumerate((("RA---TAN", 63.0), ("DEC--TAN", -49.5)), 1):
            h[f"CTYPE{axis}"], h[f"CRVAL{axis}"], h[f"CUNIT{axis}"] = ctype, value, "deg"
            h[f"CRPIX{axis}"] = 8.5 + shift
        h["CD1_1"], h["CD2_2"] = -scale / 3600, scale / 3600
    if filter_name:
        h["FILTER"] = filter_name
    if zero_point is not None:
        h["MAGZERO"] = zero_point
    h.update(cards)
    return h


def pixels(shape=(12, 16), seed=1):
    return np.random.default_rng(seed).normal(5, 1, shape).astype(np.float32)


def write(path, *hdus, **kwargs):
    fits.HDUList(list(hdus)).writeto(path, **kwargs)
    return path


def cutout(path, stems=tuple(ZERO_POINTS), rms=True, psf=True, change=None, **kwargs):
    """A cut-out with extensions FLUX, PSF, RMS per band, as the real ones."""
    hdus = [fits.PrimaryHDU()]
    for i, stem in enumerate(stems):
        h = header(stem, ZERO_POINTS.get(stem, 30.0))
        hdus.append(fits.ImageHDU(pixels(seed=i), h, name=f"{stem}_FLUX"))
        if psf:
            hdus.append(fits.ImageHDU(np.full((5, 5), 0.04, np.float32), name=f"{stem}_PSF"))
        if rms:
            hdus.append(fits.ImageHDU(np.full((12, 16), 0.5, np.float32), name=f"{stem}_RMS"))
    hdus = fits.HDUList(hdus)
    if change:
        change(hdus)
    hdus.writeto(path, **kwargs)
    return path


def single(path, stem="VIS", data=None, **cards):
    data = pixels() if data is None else data
    return write(path, fits.PrimaryHDU(data, header(stem, ZERO_POINTS.get(stem), **cards)))


# ---------------------------------------------------------------- known answers


@pytest.mark.parametrize("stem", ZERO_POINTS)
def test_one_count(tmp_path, stem):
    path = single(tmp_path / "one.fits", stem, data=np.ones((12, 16), np.float32))
    image = read_euclid(path)
    (band,) = image
    assert STEMS[band] == stem
    assert image[band].unit == u.MJy / u.sr
    assert_allclose(image[band].data, ONE_COUNT[ZERO_POINTS[stem]], rtol=3e-4 if stem == "VIS" else 3e-5)
    assert image[band].meta["zero_point"] == ZERO_POINTS[stem]


def test_cutout(tmp_path):
    image = read_euclid(cutout(tmp_path / "field.fits"))
    assert image.bands == ("IE", "YE", "JE", "HE")
    assert image.name == "field"
    assert image.wcs.has_celestial
    assert_array_equal(image.mask(), False)
    he = image["HE"]
    assert he.data.dtype == np.float32 and he.data.dtype.isnative and he.data.flags.owndata
    assert_allclose(he.data, pixels(seed=3) * 0.0169382, rtol=1e-4)
    assert he.uncertainty.uncertainty_type == "std"
    assert_allclose(he.uncertainty.array, 0.5 * 0.0169382, rtol=1e-4)
    assert he.meta["psf"].shape == (5, 5) and he.meta["psf"].dtype == np.float32
    assert he.meta["hdu"] == "NIR_H_FLUX" and he.meta["filter"] == "NIR_H"
    assert not he.meta["compressed"] and he.meta["file"].endswith("field.fits")


def test_bands_are_chosen_in_order_and_by_any_name(tmp_path):
    path = cutout(tmp_path / "c.fits", ("HSC_g", "VIS", "NIR_H"))
    assert read_euclid(path).bands == ("HSC_g", "IE", "HE")
    assert read_euclid(path, bands=["NIR_H", "vis"]).bands == ("HE", "IE")
    assert read_euclid(path, bands=["IE", "g_HSC"]).bands == ("IE", "HSC_g")
    assert read_euclid(path, bands=["g", "H"]).bands == ("HSC_g", "HE")
    with pytest.raises(ImageFileError, match="no band YE; it holds HSC_g, IE, HE"):
        read_euclid(path, bands=["YE"])
    with pytest.raises(InputError, match="IE is given 2 times: IE, VIS"):
        read_euclid(path, bands=["IE", "VIS"])


@pytest.mark.parametrize("key", ["MAGZP", "ZP_STACK", "ZPAB"])
@pytest.mark.parametrize("bunit", [None, "ADU/s", "ELECTRON/s", "no such unit"])
def test_other_zero_point_keywords(tmp_path, key, bunit):
    h = header("VIS", **{key: 30.0} | ({"BUNIT": bunit} if bunit else {}))
    image = read_euclid(write(tmp_path / "a.fits", fits.PrimaryHDU(np.ones((12, 16), "f4"), h)))
    assert_allclose(image["IE"].data, 0.0154482, rtol=1e-5)


def test_zero_point_given(tmp_path):
    path = cutout(tmp_path / "c.fits", ("VIS", "NIR_H"))
    image = read_euclid(path, zero_point={"VIS": 25})
    assert (image["IE"].meta["zero_point"], image["HE"].meta["zero_point"]) == (25, 29.9)
    # One number is for bands whose files say nothing: here it is what one of them says.
    image = read_euclid(path, zero_point=24.6)
    assert (image["IE"].meta["zero_point"], image["HE"].meta["zero_point"]) == (24.6, 29.9)
    with pytest.raises(InputError, match="30.0 .*they do: IE 24.6, HE 29.9.*--zero-point IE=30.0"):
        read_euclid(path, zero_point=30)

    def drop(hdus):
        del hdus["VIS_FLUX"].header["MAGZERO"]

    half = cutout(tmp_path / "d.fits", ("VIS", "NIR_H"), change=drop)
    image = read_euclid(half, zero_point=30)
    assert (image["IE"].meta["zero_point"], image["HE"].meta["zero_point"]) == (30, 29.9)
    for bad in ("x", np.nan, 1e6, 25 * u.mag):
        with pytest.raises(InputError, match="zero point"):
            read_euclid(path, zero_point=bad)
    with pytest.raises(InputError, match="zero_point is given for XY"):
        read_euclid(path, zero_point={"XY": 25})


def test_keywords_in_the_other_hdu(tmp_path):
    h = header("VIS", 30.0)
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(header=h), fits.ImageHDU(np.ones((12, 16), "f4")))
    image = read_euclid(path)
    assert image.wcs.has_celestial
    assert_allclose(image["IE"].data, 0.0154482, rtol=1e-5)
    path = write(
        tmp_path / "b.fits",
        fits.PrimaryHDU(np.ones((12, 16), "f4"), header("VIS")),
        fits.ImageHDU(header=fits.Header({"MAGZERO": 30.0})),
    )
    assert_allclose(read_euclid(path)["IE"].data, 0.0154482, rtol=1e-5)


def test_surface_brightness_is_taken_as_it_is(tmp_path):
    data = pixels()
    data[0, 0] = 0
    h = header("VIS", BUNIT="kJy/sr")
    image = read_euclid(write(tmp_path / "a.fits", fits.PrimaryHDU(data, h)))
    assert_allclose(image["IE"].data, data / 1000, rtol=1e-6)
    assert image["IE"].meta["zero_point"] is None
    assert not image.mask().any()
    h = header("VIS", BUNIT="MJy/sr", wcs=False)
    image = read_euclid(write(tmp_path / "b.fits", fits.PrimaryHDU(data, h)))
    assert image.wcs is None
    assert_array_equal(image["IE"].data, data)


@pytest.mark.parametrize(
    "bunit, zero_point, message",
    [
        (None, None, "no zero point.*give zero_point="),
        ("ADU/s", None, "no zero point.*give zero_point="),
        ("furlongs", None, "BUNIT is furlongs.*give zero_point="),
        ("uJy", None, "for uJy in every pixel that is 23.90"),
        ("Jy/pix", None, "for Jy / pix in every pixel that is 8.90"),
        ("MJy/sr", 24.6, "only one can be true"),
        ("nJy", 24.6, "only one can be true"),
        (None, "bright", "'bright'.*give zero_point="),
        (None, 1e300, "is no zero point"),
    ],
)
def test_units_are_never_guessed(tmp_path, bunit, zero_point, message):
    h = header("VIS", zero_point, **({"BUNIT": bunit} if bunit else {}))
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(pixels(), h))
    with pytest.raises(ImageFileError, match=message):
        read_euclid(path)
    image = read_euclid(path, zero_point={"IE": 30})
    assert_allclose(image["IE"].data, pixels() * 0.0154482, rtol=1e-5)


def test_no_celestial_wcs(tmp_path):
    path = single(tmp_path / "a.fits", wcs=False)
    with pytest.raises(ImageFileError, match="no celestial WCS.*pixel_scale="):
        read_euclid(path)
    image = read_euclid(path, pixel_scale=0.1 * u.arcsec)
    assert image.wcs is None
    assert image.meta["pixel_scale"] == 0.1 * u.arcsec
    assert_allclose(image["IE"].data, pixels() * 2.233, rtol=3e-4)
    for bad in (0.1, 0 * u.arcsec, 1 * u.pc, [1, 2] * u.arcsec, np.nan * u.deg):
        with pytest.raises(InputError, match="pixel_scale must be"):
            read_euclid(path, pixel_scale=bad)


# ---------------------------------------------------------------- masks


def test_bad_rms_masks(tmp_path):
    bad = [np.nan, np.inf, -np.inf, 0, -1, 1e16, 2e6]

    def change(hdus):
        hdus["VIS_RMS"].data[0, : len(bad)] = bad
        hdus["VIS_FLUX"].data[5, :3] = np.nan, np.inf, 0

    image = read_euclid(cutout(tmp_path / "c.fits", ("VIS",), change=change))
    expected = np.zeros((12, 16), bool)
    expected[0, : len(bad)] = expected[5, :2] = True
    assert_array_equal(image["IE"].mask, expected)
    assert np.isnan(image["IE"].uncertainty.array[0, : len(bad)]).all()
    assert np.isfinite(image["IE"].uncertainty.array[1:]).all()


def test_mostly_empty_rms(tmp_path):
    def change(hdus):
        hdus["VIS_RMS"].data[:, 3:] = 1e16

    mask = read_euclid(cutout(tmp_path / "c.fits", ("VIS",), change=change))["IE"].mask
    assert mask[:, 3:].all() and not mask[:, :3].any()


def test_all_masked_is_an_image(tmp_path):
    def change(hdus):
        hdus["VIS_RMS"].data[:] = 0

    assert read_euclid(cutout(tmp_path / "c.fits", ("VIS",), change=change)).mask().all()


def test_rms_of_another_shape(tmp_path):
    def change(hdus):
        hdus["VIS_RMS"].data = np.ones((16, 12), np.float32)

    with pytest.raises(ImageFileError, match=r"RMS map has shape \(16, 12\), the image \(12, 16\)"):
        read_euclid(cutout(tmp_path / "c.fits", change=change))


@pytest.mark.parametrize("dtype", ["i2", "i4", "u4", "u1"])
def test_flags(tmp_path, dtype):
    flags = np.zeros((12, 16), dtype)
    flags[0, 0], flags[0, 1], flags[0, 2] = 1, 4, 5

    def change(hdus):
        hdus.append(fits.ImageHDU(flags, name="VIS_FLAG"))

    path = cutout(tmp_path / "c.fits", ("VIS",), change=change)
    assert not read_euclid(path).mask().any()
    assert_array_equal(read_euclid(path, flag_bits=4).mask()[0, :3], [False, True, True])
    for bad in (-1, 1.0, True, 2**64):
        with pytest.raises(InputError, match="flag_bits"):
            read_euclid(path, flag_bits=bad)
    with pytest.raises(ImageFileError, match="no FLAG map"):
        read_euclid(cutout(tmp_path / "d.fits", ("VIS",)), flag_bits=4)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("form", ["f4", "f8", "i2", "big", "gzip", "rice"])
def test_forms_of_a_file(tmp_path, form):
    data = np.round(pixels() * 100)
    h = header("VIS", 24.6)
    path = tmp_path / "a.fits"
    if form == "rice":
        rice = fits.CompImageHDU(data.astype("i4"), h, compression_type="RICE_1")
        write(path, fits.PrimaryHDU(), rice, checksum=True)
    else:
        dtype = {"f8": "f8", "i2": "i2", "big": ">f4"}.get(form, "f4")
        write(path, fits.PrimaryHDU(data.astype(dtype), h), checksum=True)
    if form == "gzip":
        path = tmp_path / "a.fits.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    image = read_euclid(path)
    nddata = image["IE"]
    assert nddata.data.dtype == np.float32 and nddata.data.dtype.isnative
    assert_allclose(nddata.data, data * 2.2331, rtol=1e-3)
    assert nddata.meta["compressed"] is (form == "rice")
    assert image.name == "a"


def test_arrays_do_not_need_the_file(tmp_path):
    path = cutout(tmp_path / "c.fits", ("VIS",))
    before = path.read_bytes()
    image = read_euclid(path)
    values = image["IE"].data.copy()
    image["IE"].data[:] += 1
    assert path.read_bytes() == before
    path.unlink()
    assert_array_equal(image["IE"].data, values + 1)


def damaged(kind, path):
    good = cutout(path, ("VIS", "NIR_H"), checksum=kind == "flipped").read_bytes()
    if kind == "flipped":
        # A pixel in the middle of the VIS image, whose data begin after two headers.
        with fits.open(path) as hdus:
            start = hdus["VIS_FLUX"].fileinfo()["datLoc"]
        good = good[: start + 100] + bytes([good[start + 100] ^ 4]) + good[start + 101 :]
    else:
        good = {
            "empty": b"",
            "text": b"not FITS\n" * 1000,
            "truncated": good[:-2500],
            "half a header": good[:5000],
            "gzip cut": gzip.compress(good)[:-300],
            "noise": np.random.default_rng(0).bytes(10000),
            "primary only": good[:2880],
        }[kind]
    path.write_bytes(good)
    return path


@pytest.mark.parametrize(
    "kind",
    ["empty", "text", "truncated", "half a header", "gzip cut", "noise", "primary only", "flipped"],
)
def test_damaged_files(tmp_path, kind):
    path = damaged(kind, tmp_path / "c.fits")
    with pytest.raises(ImageFileError) as caught:
        read_euclid(path)
    assert caught.value.path == str(path)
    if kind in ("truncated", "flipped"):
        assert {"truncated": "truncated", "flipped": "checksum"}[kind] in caught.value.what
    del caught
    gc.collect()  # a file left open warns here


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ImageFileError, match="no such file"):
        read_euclid(tmp_path / "none.fits")
    with pytest.raises(ImageFileError, match="is a folder"):
        read_euclid({"IE": tmp_path})
    with pytest.raises(InputError, match="a path, a mapping or a list"):
        read_euclid(3)


def test_which_extension(tmp_path):
    h = header("VIS", 24.6)
    a, b = fits.ImageHDU(pixels(seed=1), h), fits.ImageHDU(pixels(seed=2), h)
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(), a, b)
    with pytest.raises(ImageFileError, match=r"nothing tells.*1 \(no name\) \[16 x 12\], 2 .*give hdu="):
        read_euclid(path)
    assert_allclose(read_euclid(path, hdu=2)["IE"].data, pixels(seed=2) * 2.233, rtol=3e-4)
    assert read_euclid(path, hdu=2)["IE"].meta["hdu"] == 2
    for hdu in (7, "SCI"):
        with pytest.raises(ImageFileError, match="has no extension"):
            read_euclid(path, hdu=hdu)
    with pytest.raises(ImageFileError, match="no 2-D image"):
        read_euclid(path, bands=["IE"], hdu=0)
    # One image of science beside auxiliary ones, or one that is called so, is no doubt.
    a.name, b.name = "SCI", "EXPOSURE"
    path = write(tmp_path / "b.fits", fits.PrimaryHDU(), b, a, fits.ImageHDU(pixels(seed=3), name="RMS"))
    image = read_euclid(path)
    assert_allclose(image["IE"].data, pixels(seed=1) * 2.233, rtol=3e-4)
    assert_allclose(image["IE"].uncertainty.array, pixels(seed=3) * 2.233, rtol=3e-4)
    cube = write(tmp_path / "c.fits", fits.PrimaryHDU(np.ones((2, 4, 4), np.float32), h))
    with pytest.raises(ImageFileError, match="nothing tells which extension"):
        read_euclid(cube)
    with pytest.raises(ImageFileError, match="nothing tells which extension"):
        read_euclid(write(tmp_path / "d.fits", fits.PrimaryHDU(pixels(), h), fits.ImageHDU(pixels())))


def test_nothing_says_which_band(tmp_path):
    path = single(tmp_path / "a.fits", stem=None)
    with pytest.raises(ImageFileError, match="does not say which band"):
        read_euclid(path, zero_point=30)
    assert read_euclid(path, zero_point=30, bands="IE").bands == ("IE",)
    with pytest.raises(ImageFileError, match="one image, but bands IE, HE"):
        read_euclid(path, zero_point=30, bands=["IE", "HE"])


def test_bands_that_nobody_knows_have_to_be_named(tmp_path):
    path = cutout(tmp_path / "c.fits", ("CAM_x",))
    with pytest.raises(ImageFileError, match="no band that is known; it holds CAM_X"):
        read_euclid(path)
    assert read_euclid(path, bands=["CAM_x"]).bands == ("CAM_x",)


def test_a_filter_alone(tmp_path):
    path = cutout(tmp_path / "c.fits", ("HSC_g", "DECam_g", "VIS"))
    assert read_euclid(path).bands == ("HSC_g", "DECAM_g", "IE")  # from blue to red
    with pytest.raises(InputError, match="'g' may be HSC_g or DECAM_g: say which"):
        read_euclid(path, bands=["g"])
    path = cutout(tmp_path / "d.fits", ("HSC_g", "VIS"))
    with pytest.raises(InputError, match="HSC_g is given 2 times: g, HSC_g"):
        read_euclid(path, bands=["g", "HSC_g"])
    assert read_euclid(path, zero_point={"g": 27})["HSC_g"].meta["zero_point"] == 27


def test_a_filter_alone_in_the_name_and_the_whole_in_the_header(tmp_path):
    def change(hdus):
        hdus["G_FLUX"].header["FILTER"] = "HSC_g"

    path = cutout(tmp_path / "c.fits", ("G", "VIS"), change=change)
    image = read_euclid(path)
    assert image.bands == ("HSC_g", "IE")
    assert image["HSC_g"].uncertainty is not None and "psf" in image["HSC_g"].meta
    one, two = (single(tmp_path / f"{name}.fits", name, MAGZERO=30.0) for name in ("HSC_g", "DECAM_g"))
    assert read_euclid({"g": one, "IE": single(tmp_path / "vis.fits")}).bands == ("HSC_g", "IE")
    assert read_euclid({"g": one}, zero_point={"g": 27})["HSC_g"].meta["zero_point"] == 27
    with pytest.raises(InputError, match="HSC_g is given 2 times: HSC_g, g"):
        read_euclid({"HSC_g": one, "g": one})
    with pytest.raises(InputError, match="'g' may be HSC_g or DECAM_g"):
        read_euclid({"HSC_g": one, "DES_G": two, "g": two})
    with pytest.raises(ImageFileError, match="given as band HSC_g, but its FILTER is DECAM_g"):
        read_euclid({"HSC_g": two})


def test_band_twice_in_a_file(tmp_path):
    with pytest.raises(ImageFileError, match="holds band IE twice"):
        read_euclid(cutout(tmp_path / "c.fits", ("VIS", "VIS")))


# ---------------------------------------------------------------- one file a band


def test_a_file_a_band(tmp_path):
    paths = {band: single(tmp_path / f"{stem}.fits", stem) for band, stem in STEMS.items()}
    given = dict(paths)
    image = read_euclid(paths)
    assert paths == given
    assert image.bands == tuple(paths)
    assert read_euclid([f"{band}={path}" for band, path in paths.items()]).bands == tuple(paths)
    assert read_euclid({"HE": paths["HE"], "VIS": paths["IE"]}).bands == ("HE", "IE")
    assert read_euclid(paths, bands=["JE", "IE"]).bands == ("JE", "IE")
    assert read_euclid([paths["IE"]]).bands == ("IE",)
    with pytest.raises(InputError, match="no band HE in the files given; there are IE"):
        read_euclid({"IE": paths["IE"]}, bands=["IE", "HE"])
    with pytest.raises(InputError, match="IE is given 2 times: IE, vis"):
        read_euclid([f"IE={paths['IE']}", f"vis={paths['IE']}"])
    for bad in ([], ["=x"], ["IE="], ["a.fits", "b.fits"]):
        with pytest.raises(InputError, match="name the band of every file"):
            read_euclid(bad)
    with pytest.raises(InputError, match="no band is given"):
        read_euclid({})


def test_swapped_bands(tmp_path):
    he = single(tmp_path / "nir_h.fits", "NIR_H")
    with pytest.raises(ImageFileError, match="given as band IE, but its FILTER is NIR_H, which is HE"):
        read_euclid({"IE": he})
    with pytest.raises(ImageFileError, match="holds no band IE; it holds HE"):
        read_euclid({"IE": cutout(tmp_path / "c.fits", ("NIR_H",))})
    with pytest.raises(ImageFileError, match="given as band IE, but its FILTER is HSC_g"):
        read_euclid({"IE": single(tmp_path / "g.fits", "HSC_g")}, zero_point=30)
    with pytest.warns(DataWarning, match="read as IE, FILTER is CAM_x"):
        read_euclid({"IE": single(tmp_path / "x.fits", "CAM_x")}, zero_point=30)


def test_different_grids(tmp_path):
    paths = {
        "IE": single(tmp_path / "a.fits", "VIS"),
        "HE": single(tmp_path / "b.fits", "NIR_H", shift=1.0),
    }
    with pytest.raises(InputError, match="IE and HE are 1.41 pixels apart.*align=True"):
        read_euclid(paths)
    assert read_euclid(paths, tolerance=2).bands == ("IE", "HE")
    image = read_euclid(paths, align=True)
    assert image["HE"].mask[-1].all() and not image["HE"].mask[:-1, :-1].any()
    assert_allclose(image["HE"].data[:-1, :-1], pixels()[1:, 1:] * 0.0169382, rtol=1e-4)
    paths["HE"] = single(tmp_path / "c.fits", "NIR_H", data=pixels((6, 8)), scale=0.2, shift=-4.0)
    with pytest.raises(InputError, match=r"IE \(12, 16\) and HE \(6, 8\) differ in shape"):
        read_euclid(paths)
    assert read_euclid(paths, align=True).shape == (12, 16)


def test_unusable_wcs(tmp_path):
    path = single(tmp_path / "a.fits", CD1_1=0.0)
    with pytest.raises(ImageFileError):
        read_euclid(path)


# ---------------------------------------------------------------- folders


def mosaic(
    folder, band, kind="", tile="102018211", time="20241018T142710.276838Z", data=None, hdu=0, **cards
):
    """A file of a MER mosaic set, with the naming of the archive."""
    folder.mkdir(exist_ok=True)
    what = f"MOSAIC-{band}-{kind}" if kind else f"BGSUB-MOSAIC-{band}"
    path = folder / f"EUC_MER_{what}_TILE{tile}-31E2C9_{time}_00.00.fits"
    data = np.ones((12, 16), np.float32) if data is None else data
    stem = band.replace("-", "_")
    h = header(stem, ZERO_POINTS[stem], **cards) if not kind else None
    hdus = [fits.PrimaryHDU(data, h)] if hdu == 0 else [fits.PrimaryHDU(), fits.ImageHDU(data, h)]
    return write(path, *hdus)


def test_folder_of_mosaics(tmp_path):
    folder = tmp_path / "tile"
    for i, band in enumerate(("VIS", "NIR-Y", "NIR-J", "NIR-H")):
        mosaic(folder, band, hdu=i % 2)
        mosaic(folder, band, "RMS", data=np.full((12, 16), 0.5, np.float32))
        flags = np.zeros((12, 16), np.int32)
        flags[0, i] = 2
        mosaic(folder, band, "FLAG", data=flags)
    # The newest version counts, for the image as for its RMS map.
    mosaic(folder, "VIS", time="20250101T000000.000000Z", data=np.full((12, 16), 3, np.float32))
    mosaic(folder, "VIS", "RMS", time="20200101T000000.000000Z", data=np.full((12, 16), 9, np.float32))
    (folder / "EUC_MER_BGMOD-VIS_TILE102018211-0_20250101T000000.0Z_00.00.fits").write_text("not read")
    (folder / "notes.txt").write_text("not read")
    image = read_euclid(folder)
    assert image.name == "TILE102018211" and image.bands == ("IE", "YE", "JE", "HE")
    assert_allclose(image["IE"].data, 3 * 2.233, rtol=3e-4)
    assert_allclose(image["IE"].uncertainty.array, 0.5 * 2.233, rtol=3e-4)
    assert_allclose(image["HE"].data, 0.0169382, rtol=1e-4)
    assert not image.mask().any()
    assert_array_equal(np.flatnonzero(read_euclid(folder, flag_bits=2).mask()), range(4))
    assert read_euclid(folder, bands=["HE", "IE"]).bands == ("HE", "IE")
    with pytest.raises(InputError, match="no band HSC_g in .*tile; there are"):
        read_euclid(folder, bands=["HSC_g"])


def test_folder_without_rms(tmp_path):
    mosaic(tmp_path / "t", "VIS")
    assert read_euclid(tmp_path / "t")["IE"].uncertainty is None
    with pytest.raises(ImageFileError, match="no FLAG map"):
        read_euclid(tmp_path / "t", flag_bits=1)


def test_folder_with_rms_of_another_shape(tmp_path):
    mosaic(tmp_path / "t", "VIS")
    path = mosaic(tmp_path / "t", "VIS", "RMS", data=np.ones((3, 3), np.float32))
    with pytest.raises(ImageFileError, match="RMS map has shape") as caught:
        read_euclid(tmp_path / "t")
    assert caught.value.path == str(path)


def test_folder_of_several_tiles_or_of_nothing(tmp_path):
    mosaic(tmp_path / "t", "VIS")
    mosaic(tmp_path / "t", "VIS", tile="102018212")
    with pytest.raises(ImageFileError, match="several tiles: 102018211, 102018212"):
        read_euclid(tmp_path / "t")
    (tmp_path / "e").mkdir()
    with pytest.raises(ImageFileError, match="holds no file EUC_MER_BGSUB-MOSAIC"):
        read_euclid(tmp_path / "e")


def test_mosaic_file_by_its_own_name(tmp_path):
    path = mosaic(tmp_path / "t", "NIR-H")
    with fits.open(path, mode="update") as hdus:
        del hdus[0].header["FILTER"]
    assert read_euclid(path).bands == ("HE",)


# ---------------------------------------------------------------- real data


@real
@pytest.mark.parametrize("path", CUTOUTS, ids=lambda path: path.stem)
def test_real_cutouts(path):
    image = read_euclid(path)
    assert image.bands == (UGRIZ if "ugriz" in path.stem else EUCLID_BANDS)
    assert image.shape[0] in (100, 300)
    assert not image.mask().any()
    noise = {band: np.median(image[band].uncertainty.array) for band in image}
    assert 0.005 < noise["IE"] < 0.012 and 0.02 < noise["HE"] < 0.06
    with fits.open(path) as hdus:
        for band, stem in STEMS.items():
            counts = hdus[f"{stem}_FLUX"].data
            expected = counts * ONE_COUNT[ZERO_POINTS[stem]]
            assert_allclose(image[band].data, expected, rtol=3e-4)
            assert_array_equal(image[band].meta["psf"], hdus[f"{stem}_PSF"].data)
    centre = image.wcs.pixel_to_world(image.shape[1] / 2, image.shape[0] / 2)
    assert centre.frame.name == "icrs"
    assert "centre" in repr(image)


@real
def test_real_ground_bands():
    path = DATA / "euclid_q1_cutout_100px_ugriz.fits"
    image = read_euclid(path, bands=["CFIS-U", "g", "r_ext_megacam", "VIS", "z", "NIR_Y"])
    assert image.bands == ("MEGACAM_u", "HSC_g", "MEGACAM_r", "IE", "HSC_z", "YE")
    # A red galaxy: brighter in every redder band, by less than 3 mag from one to the next.
    middle = {band: image.brightness(band)[45:56, 45:56].mean() for band in image}
    steps = -2.5 * np.diff(np.log10([middle[band] for band in ("HSC_g", "MEGACAM_r", "HSC_z", "YE")]))
    assert (steps < 0).all() and (steps > -3).all()
    for band in image:
        sky = np.median(image[band].uncertainty.array)
        typical = BANDS[band].sky_rms
        typical = typical if typical.unit == UNIT else typical / BANDS[band].gain
        assert sky == pytest.approx(typical.to_value(UNIT), rel=0.2)
    assert psf_fwhm(image["HSC_g"].meta["psf"]) * 0.1 == pytest.approx(
        BANDS["HSC_g"].psf_fwhm.value, abs=0.01
    )
    with fits.open(path) as hdus:
        assert_allclose(image["HSC_z"].data, hdus["HSC_z_FLUX"].data * ONE_COUNT[30.0], rtol=1e-4)


# ---------------------------------------------------------------- randomly damaged copies


@pytest.mark.slow
@pytest.mark.parametrize("checksum", [False, True])
def test_random_damage(tmp_path, checksum):
    """Whatever a file holds: one kind of error, or an image that keeps its promises."""
    rng = np.random.default_rng(5)
    good = cutout(tmp_path / "good.fits", ("VIS", "NIR_H"), checksum=checksum).read_bytes()
    # Most of the file is padding: aim at the cards.
    cards = [i for i in range(0, len(good), 80) if good[i : i + 80].isascii() and good[i : i + 8].strip()]
    path = tmp_path / "bad.fits"
    read = 0
    for number in range(80):
        data = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            how = rng.integers(4)
            at = int(rng.choice(cards)) + int(rng.integers(80)) if how < 2 else int(rng.integers(len(data)))
            at = min(at, len(data) - 1)
            if how == 0:
                data[at] = int(rng.choice(list(b"0123456789 -+.E'TFX")))
            elif how == 1:
                data[at] ^= 1 << int(rng.integers(8))
            elif how == 2:
                data[at : at + 40] = rng.bytes(40)
            elif number % 4 == 0:
                del data[at : at + int(rng.integers(1, 4000))]
        path.write_bytes(data)
        try:
            image = read_euclid(path)
        except InputError:
            continue
        except DataWarning:
            continue
        read += 1
        assert isinstance(image, MultiBandImage) and repr(image)
        for band in image:
            nddata = image[band]
            assert nddata.data.dtype == np.float32 and nddata.mask.shape == nddata.data.shape
            assert np.isfinite(nddata.data[~nddata.mask]).all()
    assert read < 80
    gc.collect()


def test_the_file_read_is_left_alone(tmp_path):
    path = cutout(tmp_path / "c.fits")
    copy = shutil.copy(path, tmp_path / "copy.fits")
    read_euclid(path, align=True)
    assert path.read_bytes() == Path(copy).read_bytes()

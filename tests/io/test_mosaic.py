"""Fields cut out of mosaics: known pixels, versions, gaps, stitching, memory, and what is refused."""

import subprocess
import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.imaging import MaskReason, history, mask_neighbours, mask_reasons, resample
from euclid_resolved.io import open_large, read_euclid, read_mosaics, read_segmentation
from euclid_resolved.io.euclid._mer_files import list_tiles, newest
from euclid_resolved.io.euclid._mosaic import read_psf_grid

ONE_COUNT = {
    "VIS": 2.233,
    "DES-G": 0.0154482,
    "NIR-H": 0.0169382,
}  # MJy/sr in a pixel of 0.1", worked out by hand
MAGZERO = {"VIS": 24.6, "DES-G": 30.0, "NIR-H": 29.9}
FILTERS = {"DES-G": "DECAM_g"}
CENTRE = SkyCoord(60.0, -49.0, unit="deg")


def header(shape, centre=(60.0, -49.0), crpix=None, **cards):
    h = fits.Header()
    x, y = crpix or ((shape[1] + 1) / 2, (shape[0] + 1) / 2)
    for axis, (ctype, value, pixel) in enumerate((("RA---TAN", centre[0], x), ("DEC--TAN", centre[1], y)), 1):
        h[f"CTYPE{axis}"], h[f"CRVAL{axis}"], h[f"CRPIX{axis}"] = ctype, value, pixel
    h["CD1_1"], h["CD2_2"] = -0.1 / 3600, 0.1 / 3600
    h.update(cards)
    return h


def tile(
    folder, number=1, bands=("VIS", "NIR-H"), shape=(200, 240), time="20241101T000000.0Z", sky=None, rms=0.5,
    change=None, **where,
):  # fmt: skip
    """A tile whose counts are a function of the sky, so that the same place is the same in every tile."""
    folder.mkdir(exist_ok=True)
    for band in bands:
        h = header(
            shape,
            MAGZERO=MAGZERO[band],
            FILTER=FILTERS.get(band, band.replace("-", "_")),
            BUNIT="ADU/s",
            **where,
        )
        y, x = np.indices(shape)
        ra, dec = WCS(h).pixel_to_world_values(x, y)
        data = (sky or field)(ra, dec).astype(np.float32)
        if change:
            change(band, data)
        end = f"TILE{number}-ABC123_{time}_00.00.fits"
        fits.PrimaryHDU(data, h).writeto(folder / f"EUC_MER_BGSUB-MOSAIC-{band}_{end}", overwrite=True)
        if rms is not None:
            noise = np.full(shape, rms, np.float32)
            fits.PrimaryHDU(noise, h).writeto(folder / f"EUC_MER_MOSAIC-{band}-RMS_{end}", overwrite=True)
        flag = np.zeros(shape, np.int32)
        flag[100, 120] = 8
        fits.PrimaryHDU(flag, h).writeto(folder / f"EUC_MER_MOSAIC-{band}-FLAG_{end}", overwrite=True)
        model = np.full(shape, 2.0, np.float32)
        fits.PrimaryHDU(model, h).writeto(folder / f"EUC_MER_BGMOD-{band}_{end}", overwrite=True)
    return folder


def field(ra, dec):
    return 10 + (ra - 60) * 3600 + 2 * (dec + 49) * 3600


def expected(image, band, count):
    y, x = np.indices(image.shape)
    return field(*image.wcs.pixel_to_world_values(x, y)) * count


def test_window_of_one_tile(tmp_path):
    tile(tmp_path)
    image = read_mosaics(tmp_path, CENTRE, 5 * u.arcsec)
    assert image.bands == ("IE", "HE") and image.shape == (50, 50) and image.name == "TILE1"
    for band, count in (("IE", 2.233), ("HE", 0.0169382)):
        assert_allclose(image.brightness(band), expected(image, band, count), rtol=1e-3)
        assert_allclose(image[band].uncertainty.array, 0.5 * count, rtol=1e-3)
        assert image[band].meta["zero_point"] and image[band].meta["hdu"] == "PRIMARY"
    assert image.wcs.has_celestial and not image.mask().any()
    x, y = image.wcs.world_to_pixel(CENTRE)
    assert abs(x - 24.5) <= 0.5 and abs(y - 24.5) <= 0.5
    assert history(image)[0]["measured"]["tiles"] == {"IE": ["1"], "HE": ["1"]}


def test_the_same_as_reading_it_whole(tmp_path):
    from euclid_resolved.io import read_euclid

    tile(tmp_path)
    whole = read_euclid(tmp_path)
    image = read_mosaics(tmp_path, CENTRE, 6 * u.arcsec, bands=["HE"])
    x, y = (round(float(v)) for v in whole.wcs.world_to_pixel(image.wcs.pixel_to_world(0, 0)))
    there = whole["HE"].data[y : y + 60, x : x + 60]
    assert_allclose(image["HE"].data, there, rtol=1e-6)


def test_flags_background_and_newest_version(tmp_path):
    tile(tmp_path, time="20241101T000000.0Z")
    tile(tmp_path, time="20250101T000000.0Z", sky=lambda ra, dec: np.full(ra.shape, 7.0))
    image = read_mosaics(tmp_path, CENTRE, 8 * u.arcsec, bands=["HE"], flag_bits=8)
    assert_allclose(image["HE"].data, 7 * 0.0169382, rtol=1e-4)
    assert image.mask().sum() == 1
    more = read_mosaics(tmp_path, CENTRE, 8 * u.arcsec, bands=["HE"], add_background=True)
    assert_allclose(more["HE"].data - image["HE"].data, 2 * 0.0169382, rtol=1e-4)


def test_names_of_files():
    names = [
        "EUC_MER_BGSUB-MOSAIC-NIR-Y_TILE102-AA_20240101T000000Z_00.00.fits.gz",
        "EUC_MER_BGSUB-MOSAIC-NIR-Y_TILE102-BB_20250101T000000Z_00.00.fits",
        "EUC_MER_MOSAIC-VIS-RMS_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_GRID-PSF-VIS_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_FINAL-SEGMAP_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_FINAL-CAT_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_BGSUB-MOSAIC-DES-G_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_BGSUB-MOSAIC-CFIS-U_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_MOSAIC-CFIS-U-RMS_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_CATALOG-PSF-CFIS-U_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_BGSUB-MOSAIC-WISHES-Z_TILE102-AA_20240101T000000Z_00.00.fits",
        "EUC_MER_BGSUB-MOSAIC-PANSTARRS-I_TILE102-AA_20240101T000000Z_00.00.fits",
    ]
    found = newest(names)["102"]
    assert found["YE"] == {"": names[1]}
    assert found["IE"] == {"RMS": names[2], "PSF": names[3]}
    assert found[""] == {"SEGMAP": names[4]} and found["DECAM_g"] == {"": names[6]}
    assert found["MEGACAM_u"] == {"": names[7], "RMS": names[8], "CATALOG-PSF": names[9]}
    assert {"HSC_z", "PANSTARRS_i"} < set(found)


@pytest.mark.slow
@pytest.mark.parametrize("second", [(60.0, -49.0), (60.002, -49.0005)])
def test_stitched_across_an_edge(tmp_path, second):
    # The second tile starts where the first ends: on the same pixels, or on others.
    tile(tmp_path / "a", 1, crpix=(220.5, 100.5))
    crpix = (-9.5, 100.5) if second == (60.0, -49.0) else (-50.5, 80.5)
    tile(tmp_path / "b", 2, centre=second, crpix=crpix)
    image = read_mosaics(tmp_path, CENTRE, 8 * u.arcsec)
    assert set(history(image)[0]["measured"]["tiles"]["HE"]) == {"1", "2"}
    gap = history(image)[0]["measured"]["gap_fraction"]
    if second == (60.0, -49.0):
        assert gap == pytest.approx(0)
    good = ~image.mask()
    assert good.mean() > 0.7
    for band, count in (("IE", 2.233), ("HE", 0.0169382)):
        assert_allclose(image.brightness(band)[good], expected(image, band, count)[good], rtol=2e-3)
        assert np.isfinite(image[band].uncertainty.array[good]).all()


def test_averages_across_tiles_are_as_uncertain_as_they_are(tmp_path):
    """The second tile lies half a pixel off; of 10 x 10 pixels with noise of 1 count, .1 is left in both."""
    rng = np.random.default_rng(1)

    def noise(ra, dec):
        return rng.normal(0, 1, np.shape(ra))

    tile(tmp_path / "a", 1, crpix=(220.5, 100.5), sky=noise, rms=1.0)
    tile(tmp_path / "b", 2, crpix=(-10.0, 100.0), sky=noise, rms=1.0)
    image = read_mosaics(tmp_path, CENTRE, 16 * u.arcsec)
    stated, bright = (resample(image, 10)["HE"].uncertainty.array / 0.0169382, resample(image, 10))
    left, right = slice(0, 9), slice(11, 15)
    for columns in (left, right):
        assert_allclose(np.nanmedian(stated[:, columns]), 0.1, rtol=0.1)
        assert np.nanstd(bright.brightness("HE")[:, columns]) / 0.0169382 == pytest.approx(0.1, rel=0.25)


def test_ground_based_mosaics_beside_those_of_euclid(tmp_path):
    tile(tmp_path, bands=("VIS", "DES-G", "NIR-H"))
    psf_grid(tmp_path / "EUC_MER_CATALOG-PSF-DES-G_TILE1-ABC_20240101T000000Z_00.00.fits")
    image = read_mosaics(tmp_path, CENTRE, 3 * u.arcsec)
    assert image.bands == ("DECAM_g", "IE", "HE")
    assert_allclose(image["DECAM_g"].data, expected(image, "DECAM_g", ONE_COUNT["DES-G"]), rtol=1e-4)
    assert image["DECAM_g"].meta["psf"].shape == (21, 21)
    assert read_mosaics(tmp_path, CENTRE, 3 * u.arcsec, bands=["H", "g"]).bands == ("HE", "DECAM_g")
    assert read_euclid(tmp_path).bands == ("DECAM_g", "IE", "HE")
    with open_large(tmp_path, ["g_DECam", "VIS"]) as large:
        assert large.bands == ("DECAM_g", "IE")
        strip = large.strip(large.read(90, 93))
    assert_array_equal(strip["DECAM_g"].data, read_euclid(tmp_path)["DECAM_g"].data[90:93])
    with pytest.raises(InputError, match="no band HSC_g in .*; there are"):
        read_mosaics(tmp_path, CENTRE, 3 * u.arcsec, bands=["HSC_g"])


def test_gap_is_masked_with_its_reason(tmp_path):
    tile(tmp_path, crpix=(220.5, 100.5))
    image = read_mosaics(tmp_path, CENTRE, 8 * u.arcsec)
    gap = mask_reasons(image) == MaskReason.TILE_GAP
    assert_array_equal(gap, image.mask())
    assert 0 < gap.mean() < 0.5 and gap[:, -1].all() and not gap[:, 0].any()


def test_bad_rms_and_no_rms(tmp_path):
    tile(tmp_path, rms=1e16)
    assert read_mosaics(tmp_path, CENTRE, 3 * u.arcsec).mask().all()
    tile(tmp_path / "b", rms=None, number=2)
    assert read_mosaics(tmp_path / "b", CENTRE, 3 * u.arcsec)["HE"].uncertainty is None


@pytest.mark.parametrize("ending", [".gz", ".fz"])
def test_compressed(tmp_path, ending):
    tile(tmp_path, rms=None, bands=("NIR-H",))
    path = next(tmp_path.glob("*BGSUB*"))
    with fits.open(path) as hdus:
        data, h = hdus[0].data, hdus[0].header
        if ending == ".gz":
            hdus.writeto(f"{path}.gz")
        else:
            fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, h, compression_type="GZIP_1")]).writeto(
                f"{path}.fz"
            )
    path.unlink()
    image = read_mosaics(tmp_path, CENTRE, 5 * u.arcsec)
    assert_allclose(image.brightness("HE"), expected(image, "HE", 0.0169382), rtol=1e-3)
    assert image["HE"].meta["compressed"] == (ending == ".fz")


def test_regions_on_the_sky(tmp_path):
    from regions import CircleSkyRegion, PolygonSkyRegion

    tile(tmp_path)
    image = read_mosaics(tmp_path, region=CircleSkyRegion(CENTRE, 3 * u.arcsec))
    assert image.shape == (60, 60)
    path = tmp_path / "galaxy.reg"
    path.write_text('fk5; circle(60.0, -49.0, 3")\n')
    assert read_mosaics(tmp_path, region=path).shape == (60, 60)
    corners = SkyCoord([60.0, 60.001, 60.0], [-49.0, -49.0, -48.999], unit="deg")
    image = read_mosaics(tmp_path, region=PolygonSkyRegion(corners))
    assert 30 < image.shape[0] < 40
    with pytest.raises(InputError, match="not both"):
        read_mosaics(tmp_path, CENTRE, region=CircleSkyRegion(CENTRE, 3 * u.arcsec))


def psf_grid(path, side=21, n=3):
    stamps = np.zeros((n * side, n * side), np.float32)
    rows = []
    for i in range(n):
        for j in range(n):
            stamps[i * side + side // 2, j * side + side // 2] = 1 + i * n + j
            centre = j * side + side // 2 + 1, i * side + side // 2 + 1
            rows.append((*centre, 60.0 - (j - 1) * 0.002, -49.0 + (i - 1) * 0.002))
    x, y, ra, dec = np.array(rows).T
    values = {"RA": ra, "Dec": dec, "x_center": x, "y_center": y}
    columns = [fits.Column(n, "D", array=v) for n, v in values.items()]
    image = fits.ImageHDU(stamps)
    image.header["STMPSIZE"] = side
    fits.HDUList([fits.PrimaryHDU(), image, fits.BinTableHDU.from_columns(columns)]).writeto(path)


def test_nearest_psf(tmp_path):
    tile(tmp_path)
    path = tmp_path / "EUC_MER_GRID-PSF-VIS_TILE1-ABC_20240101T000000Z_00.00.fits"
    psf_grid(path)
    image = read_mosaics(tmp_path, CENTRE, 3 * u.arcsec)
    assert image["IE"].meta["psf"].shape == (21, 21) and image["IE"].meta["psf"][10, 10] == 5
    assert "psf" not in image["HE"].meta
    stamp = read_psf_grid(path, SkyCoord(59.998, -48.998, unit="deg"))
    assert stamp[10, 10] == 9 and stamp.sum() == 9
    with pytest.raises(ImageFileError, match="no grid of PSFs"):
        read_psf_grid(next(tmp_path.glob("*RMS*")), CENTRE)


def segmap(folder, number, labels, **where):
    h = header(labels.shape, **where)
    path = folder / f"EUC_MER_FINAL-SEGMAP_TILE{number}-ABC_20240101T000000Z_00.00.fits"
    fits.PrimaryHDU(labels.astype(np.int32), h).writeto(path)


def test_segmentation_across_tiles(tmp_path):
    tile(tmp_path, 1, crpix=(220.5, 100.5))
    tile(tmp_path, 2, crpix=(19.5, 100.5))
    first, second = np.zeros((200, 240), int), np.zeros((200, 240), int)
    first[90:110, 210:240] = 900  # the galaxy, cut by the edge of the tile
    second[90:110, 0:50] = 17
    second[70:80, 40:45] = 18
    segmap(tmp_path, 1, first, crpix=(220.5, 100.5))
    segmap(tmp_path, 2, second, crpix=(19.5, 100.5))
    image = read_mosaics(tmp_path, CENTRE, 8 * u.arcsec)
    labels = read_segmentation(tmp_path, image)
    assert labels.shape == image.shape
    galaxy = labels == labels[40, 40]
    assert galaxy[40].sum() == 41 and len(np.unique(labels)) == 3
    masked = mask_neighbours(image, CENTRE, segmentation=labels, grow=0)
    assert masked.mask().sum() == 50 and not masked.mask()[galaxy].any()


@pytest.mark.parametrize(
    "position, size, message",
    [
        (SkyCoord(80, -49, unit="deg"), 5 * u.arcsec, "05h20m00.0s -49d00m00.0s .* lies off every tile"),
        (SkyCoord(240, 49, unit="deg"), 5 * u.arcsec, "lies off every tile"),
        ((60, -49), 5 * u.arcsec, "SkyCoord"),
        (CENTRE, 5, "one angle"),
        (CENTRE, -5 * u.arcsec, "one angle"),
        (CENTRE, 5 * u.kpc, "one angle"),
        (CENTRE, 5 * u.deg, "pixels wide"),
        (CENTRE, None, "one angle"),
    ],
)
def test_refused(tmp_path, position, size, message):
    tile(tmp_path)
    with pytest.raises(InputError, match=message):
        read_mosaics(tmp_path, position, size)


def test_refused_folders_and_files(tmp_path):
    with pytest.raises(ImageFileError, match="no such folder"):
        list_tiles(tmp_path / "none")
    with pytest.raises(ImageFileError, match="holds no file EUC_MER_BGSUB-MOSAIC"):
        list_tiles(tmp_path)
    tile(tmp_path, bands=("VIS",))
    with pytest.raises(InputError, match="no band YE in .* there are IE"):
        read_mosaics(tmp_path, CENTRE, 5 * u.arcsec, bands=["NIR_Y"])
    image = read_mosaics(tmp_path, CENTRE, 5 * u.arcsec)
    with pytest.raises(ImageFileError, match="SEGMAP"):
        read_segmentation(tmp_path, image)
    next(tmp_path.glob("*BGMOD*")).unlink()
    with pytest.raises(ImageFileError, match="no EUC_MER_BGMOD"):
        read_mosaics(tmp_path, CENTRE, 5 * u.arcsec, add_background=True)
    path = next(tmp_path.glob("*BGSUB*"))
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(ImageFileError):
        read_mosaics(tmp_path, CENTRE, 5 * u.arcsec)


MEMORY = """
import re, sys, astropy.units as u
from astropy.coordinates import SkyCoord
from euclid_resolved.io import read_mosaics
import reproject

def peak():
    # Not ru_maxrss, which begins with that of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

before = peak()
image = read_mosaics(sys.argv[1], SkyCoord(60.0, -49.0, unit="deg"), 1 * u.arcmin)
assert image.shape == (600, 600) and not image.mask().any()
print(before, peak())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sparse files and /proc")
def test_memory_of_a_field_from_a_full_tile(tmp_path):
    """A tile of 19200 x 19200 pixels (1.5 GB, sparse on disk) must not come into memory."""
    side = 19200
    end = "TILE1-ABC123_20240101T000000Z_00.00.fits"
    for name in ("BGSUB-MOSAIC-{}", "MOSAIC-{}-RMS"):
        for band in MAGZERO:
            h = header((side, side), MAGZERO=MAGZERO[band], FILTER=band.replace("-", "_"))
            cards = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2)])
            cards.extend([("NAXIS1", side), ("NAXIS2", side), *h.cards])
            start = cards.tostring().encode()
            with open(tmp_path / f"EUC_MER_{name.format(band)}_{end}", "wb") as file:
                file.write(start)
                row = np.ones(1000, ">f4").tobytes()
                for y in range(9200, 10000):  # only the middle is more than a hole
                    file.seek(len(start) + 4 * (y * side + 9100))
                    file.write(row)
                file.truncate(-(-(len(start) + 4 * side**2) // 2880) * 2880)
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    print(f"{before >> 10} MiB before, {after >> 10} MiB after")
    assert after < 1 << 20  # KiB: 1 GiB
    assert after - before < 200 << 10

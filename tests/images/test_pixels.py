"""How large pixels are, whatever the world coordinates are made of: numbers worked out by hand."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import NDData
from astropy.wcs import WCS, DistortionLookupTable
from astropy.wcs.wcsapi import HighLevelWCSWrapper, SlicedLowLevelWCS
from helpers import SHARED, density_map, image_of, sky_wcs

from euclid_resolved import MultiBandImage, SpatialMap, read, read_euclid, write
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images import align, pixel_area, pixel_scale, scale_wcs
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.images._pixels import pixel_sides, radius_in_pixels, stretch
from euclid_resolved.imaging import (
    crop,
    mask_positions,
    match_psf,
    resample,
    set_distance,
    subtract_background,
)
from euclid_resolved.io import open_large, read_mosaics, read_segmentation
from euclid_resolved.io._wcs import header_to_wcs
from euclid_resolved.maps import annulus, orientation, radial_profile, region_weights, total

CUTOUTS = sorted(SHARED.glob("euclid_q1_cutout_*.fits"))
SHAPE, SIDE = (40, 50), 0.1 / 3600
TURN = np.array([[-np.cos(0.3), np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
# One count in a pixel of 0.1" at zero point 24.6: 3631e-6 MJy x 10^-9.84 / 2.35044e-13 sr.
ONE_COUNT = 2.2330


def cards(kind="TAN", *, crval=(63.0, -49.0), crpix=(25.5, 20.5), axes=("RA--", "DEC-"), **more):
    """The header of an image of the sky, without a scale."""
    header = fits.Header()
    for axis in (1, 2):
        header[f"CTYPE{axis}"] = f"{axes[axis - 1]}-{kind}"
        header[f"CRVAL{axis}"], header[f"CRPIX{axis}"] = crval[axis - 1], crpix[axis - 1]
    header.update(more)
    return header


def matrix(name, values):
    return {f"{name}{i + 1}_{j + 1}": values[i][j] for i in (0, 1) for j in (0, 1)}


CD, PC = matrix("CD", TURN * SIDE), matrix("PC", TURN)
CDELT = {"CDELT1": -SIDE, "CDELT2": SIDE}
BOTH = CD | matrix("PC", TURN * SIDE) | {"CDELT1": 1.0, "CDELT2": 1.0}
SIP = {"A_ORDER": 3, "A_2_0": 1e-3, "A_0_2": 2e-4, "A_3_0": 1e-5, "B_ORDER": 2, "B_1_1": 3e-4, "B_0_2": 2e-3}
TPV = {"PV1_0": 1e-6, "PV1_1": 2.0, "PV1_2": 0.05, "PV1_4": 30.0, "PV2_1": 2.0, "PV2_4": 20.0}
KINDS = {
    "CD": cards(**CD),
    "CDELT": cards(**CDELT),
    "PC and CDELT": cards(**PC, CDELT1=SIDE, CDELT2=2 * SIDE),
    "CROTA": cards(**CDELT, CROTA2=25.0),
    "CD and CDELT": cards(**CD, CDELT1=5.0, CDELT2=5.0),  # CDELT is to be ignored beside CD
    "both": cards(**BOTH),
    "SIP": cards("TAN-SIP", **CD, **SIP),
    "TPV with CD": cards("TPV", **CD, **TPV),
    "TPV with CDELT": cards("TPV", **CDELT, **TPV),
    "ZPN": cards("ZPN", **CDELT, PV2_1=1.0, PV2_3=220.0),
    "swapped": cards(axes=("DEC-", "RA--"), crval=(-49.0, 63.0), CDELT1=SIDE, CDELT2=SIDE),
    "galactic": cards("CAR", axes=("GLON", "GLAT"), crval=(120.0, 0.0), **CDELT),
}


def plane(header, values=None, shape=SHAPE):
    data = np.ones(shape, np.float32) if values is None else values
    return fits.PrimaryHDU(data, header)


def one_band(header, values=None, shape=SHAPE):
    """An image with the world coordinates of a header."""
    data = np.ones(shape) if values is None else values
    return image_of({"HE": data}, wcs=header_to_wcs(header, data.shape))


# One function scales world coordinates


@pytest.mark.parametrize("factor, cut", [((4, 4), (2, 1)), ((3.7, 2.2), (0.5, 0.3))])
@pytest.mark.parametrize("kind", KINDS)
def test_larger_pixels_lie_where_the_old_ones_were(kind, factor, cut):
    wcs = header_to_wcs(KINDS[kind], SHAPE)
    new = scale_wcs(wcs, factor, cut)
    y, x = np.mgrid[:9, :12]
    old = ((index + 0.5) * f + c - 0.5 for index, f, c in zip((x, y), factor, cut, strict=True))
    expected = wcs.all_pix2world(*old, 0)
    np.testing.assert_allclose(new.all_pix2world(x, y, 0), expected, rtol=0, atol=1e-6 * SIDE)
    again = header_to_wcs(new.to_header(relax=True), (9, 12))
    np.testing.assert_allclose(again.all_pix2world(x, y, 0), expected, rtol=0, atol=1e-6 * SIDE)
    assert corner_offset(wcs, header_to_wcs(KINDS[kind], SHAPE), SHAPE) < 1e-4  # it was not changed


@pytest.mark.parametrize("name", ["cpdis", "det2im"])
def test_tables_of_distortion_are_scaled(name):
    wcs = header_to_wcs(KINDS["CD"], SHAPE)
    for axis, seed in ((1, 1), (2, 2)):
        shifts = np.random.default_rng(seed).normal(0, 1, (5, 6)).astype("f4")
        setattr(wcs, f"{name}{axis}", DistortionLookupTable(shifts, (1, 2), (10, 5), (15, 18)))
    new = scale_wcs(wcs, (3, 2), (1, 0))
    y, x = np.mgrid[:9, :12]
    expected = wcs.all_pix2world((x + 0.5) * 3 + 0.5, (y + 0.5) * 2 - 0.5, 0)
    np.testing.assert_allclose(new.all_pix2world(x, y, 0), expected, rtol=0, atol=1e-6 * SIDE)


def test_coordinates_that_are_not_of_fits_are_scaled():
    wcs = header_to_wcs(KINDS["CD"], SHAPE)
    other = HighLevelWCSWrapper(SlicedLowLevelWCS(wcs, (slice(None), slice(None))))
    new = scale_wcs(other, (4, 4), (2, 1))
    there = new.pixel_to_world(3, 5)
    assert there.separation(wcs.pixel_to_world(3.5 * 4 + 1.5, 5.5 * 4 + 0.5)).arcsec < 1e-6
    np.testing.assert_allclose(new.world_to_pixel(there), (3, 5), atol=1e-6)
    out = resample(MultiBandImage({"HE": NDData(np.ones(SHAPE), unit=u.MJy / u.sr, wcs=other)}), 4)
    assert out.wcs.pixel_to_world(0, 0).separation(wcs.pixel_to_world(2.5, 1.5)).arcsec < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["fits", "asdf"])
def test_what_is_cut_out_averaged_and_written_keeps_its_place(kind, ending, tmp_path):
    """Light at one place of the sky is there in the end."""
    y, x = np.indices(SHAPE)
    wcs = header_to_wcs(KINDS[kind], SHAPE)
    image = one_band(KINDS[kind], 1 + np.exp(-((x - 26) ** 2 + (y - 18) ** 2) / 12))
    cut = crop(image, (26, 18), 30)
    out = resample(cut, 3)
    map_ = density_map(out.brightness("HE") - 1, wcs=out.wcs)
    write(tmp_path / f"map.{ending}", map_)
    again = read(tmp_path / f"map.{ending}")
    again = again if isinstance(again, SpatialMap) else next(iter(again.values()))
    rows, columns = np.indices(again.shape)
    centre = [(again.data * index).sum() / again.data.sum() for index in (columns, rows)]
    there = wcs.world_to_pixel(again.wcs.pixel_to_world(*centre))
    np.testing.assert_allclose(there, (26, 18), atol=0.05)
    assert pixel_area(again).value == pytest.approx(9 * pixel_area(cut).value, rel=1e-3)


def test_a_header_that_says_one_thing_twice_is_scaled_once():
    """Every real cut-out has CD and PC with CDELT."""
    image = MultiBandImage(
        {"HE": NDData(np.ones(SHAPE), unit=u.MJy / u.sr, wcs=WCS(KINDS["both"], naxis=2))},
    )
    out = resample(image, 0.4 * u.arcsec)
    assert out.shape == (10, 12)
    assert pixel_scale(out).to_value(u.arcsec) == pytest.approx(0.4, rel=1e-4)
    corners = out.wcs.pixel_to_world([-0.5, 11.5], [-0.5, 9.5])
    assert (corners.separation(image.wcs.pixel_to_world([0.5, 48.5], [-0.5, 39.5])) < 1e-3 * u.arcsec).all()


@pytest.mark.parametrize(
    "change", [{"CD1_1": -2 * SIDE}, {"PC2_2": 1.01 * SIDE}, {"CDELT1": -1.0}, {"CD2_2": 0.0}]
)
def test_a_header_that_says_two_things_is_refused(change, tmp_path):
    straight = matrix("CD", np.diag([-SIDE, SIDE])) | matrix("PC", np.diag([-SIDE, SIDE]))
    header = cards(**straight, CDELT1=1.0, CDELT2=1.0, MAGZERO=24.6, crpix=(7854.0, 6798.0))
    plane(header).writeto(tmp_path / "good.fits")
    good = read_euclid({"HE": tmp_path / "good.fits"})
    assert not good.wcs.wcs.has_cd() and pixel_scale(good).value == pytest.approx(0.1, rel=1e-4)
    header.update(change)
    plane(header).writeto(tmp_path / "bad.fits")
    with pytest.raises(ImageFileError, match="bad.fits: its WCS says two things: CD and PC with CDELT put"):
        read_euclid({"HE": tmp_path / "bad.fits"})
    with pytest.raises(ImageFileError, match="says two things"), open_large({"HE": tmp_path / "bad.fits"}):
        pass
    density = fits.PrimaryHDU(np.ones(SHAPE, "f4"), header)
    density.header["BUNIT"], density.header["EXTNAME"] = "solMass pc-2", "STELLAR_MASS_DENSITY"
    density.writeto(tmp_path / "map.fits")
    with pytest.raises(ImageFileError, match="says two things"):
        read(tmp_path / "map.fits")


def test_coordinates_that_say_two_things_make_no_image():
    header = KINDS["both"].copy()
    header["CD1_1"] *= 2
    with pytest.raises(InputError, match="band HE: its WCS says two things"):
        image_of({"HE": np.ones(SHAPE)}, wcs=WCS(header, naxis=2))


def test_pc_and_crota_must_agree():
    c, s = np.cos(np.radians(25)), np.sin(np.radians(25))
    header = cards(**CDELT, **matrix("PC", [[c, s], [-s, c]]), CROTA2=25.0)
    turned = header_to_wcs(header, SHAPE)
    assert corner_offset(turned, header_to_wcs(KINDS["CROTA"], SHAPE), SHAPE) < 1e-6
    header["CROTA2"] = 26.0
    with pytest.raises(InputError, match="says two things: CROTA2 and PC"):
        header_to_wcs(header, SHAPE)


def test_polynomials_are_for_degrees_however_the_scale_is_written():
    """wcslib alone takes those beside CDELT for pixels, and puts the image degrees off."""
    with_cd = header_to_wcs(cards("TPV", **matrix("CD", np.diag([-SIDE, SIDE])), **TPV), SHAPE)
    with_cdelt = header_to_wcs(KINDS["TPV with CDELT"], SHAPE)
    assert corner_offset(with_cd, with_cdelt, SHAPE) < 1e-6


@pytest.mark.parametrize("path", CUTOUTS or [pytest.param(None, marks=pytest.mark.skip("no real cut-outs"))])
@pytest.mark.parametrize("side", [0.3, 0.37, 0.4])
def test_real_cutouts_keep_corners_and_totals(path, side, tmp_path):
    image = set_distance(read_euclid(path), distance=100 * u.Mpc)
    pixel = pixel_scale(image)
    # 0.1" at 100 Mpc: 48.481 pc.
    assert pixel.to_value(u.pc) == pytest.approx(48.481, rel=1e-4)
    out = resample(image, pixel * side / 0.1)
    n, factor = out.shape[0], round(side / 0.1, 9)
    cut = (image.shape[0] - n * factor) / 2
    cut = np.floor(cut) if factor == round(factor) else cut
    ends = np.array([0, 0, n, n]), np.array([0, n, 0, n])
    before = image.wcs.pixel_to_world(*(factor * end + cut - 0.5 for end in ends))
    assert before.separation(out.wcs.pixel_to_world(*(end - 0.5 for end in ends))).max() < 0.01 * u.arcsec
    # A mass that is proportional to the light, in a circle round the galaxy and on the whole map.
    middle = image.wcs.pixel_to_world(*((k - 1) / 2 for k in image.shape))
    circle = f'icrs; circle({middle.ra.deg}, {middle.dec.deg}, 2.5")'
    ratio, masses = {"HE": 100.0}, []
    for each in (image, out):
        light = np.where(each.mask("HE"), np.nan, each.brightness("HE")) * ratio["HE"]
        map_ = density_map(light, wcs=each.wcs, meta={"pixel_scale": pixel_scale(each)})
        write(tmp_path / "map.fits", map_, overwrite=True)
        masses.append(
            total(read(tmp_path / "map.fits")["stellar_mass_density"], circle).value.to_value(u.Msun)
        )
    assert masses[1] == pytest.approx(masses[0], rel=0.01)


@pytest.mark.slow
@pytest.mark.skipif(not CUTOUTS, reason="the real cut-outs are not here")
def test_the_command_line_scales_real_cutouts(tmp_path):
    from helpers import galaxies

    from euclid_resolved import LinearRegression, train
    from euclid_resolved.cli import main

    write(tmp_path / "model.asdf", train(galaxies(4), "stellar_mass_density", LinearRegression()))
    for path in CUTOUTS:
        maps = {}
        for scale in (None, 4 * 48.481):
            output = tmp_path / f"{path.stem}_{scale}.fits"
            words = ["predict", tmp_path / "model.asdf", path, "-o", output, "--distance", 100]
            assert main([str(word) for word in words + (["--scale", scale] if scale else [])]) == 0
            maps[scale] = read(output)["stellar_mass_density"]
        fine, coarse = maps.values()
        n, m = fine.shape[0], coarse.shape[0]
        assert n == 4 * m and pixel_scale(coarse).to_value(u.pc) == pytest.approx(4 * 48.481, rel=1e-4)
        old = fine.wcs.pixel_to_world([-0.5, -0.5, n - 0.5, n - 0.5], [-0.5, n - 0.5, -0.5, n - 0.5])
        new = coarse.wcs.pixel_to_world([-0.5, -0.5, m - 0.5, m - 0.5], [-0.5, m - 0.5, -0.5, m - 0.5])
        assert old.separation(new).max() < 0.01 * u.arcsec  # a tenth of a pixel


# The area of a pixel where the image lies


FAR = {
    # Plate carree about the equator: at declination 60 the meridians stand half as far apart.
    "CAR": (cards("CAR", crval=(63.0, 0.0), crpix=(25.5, 20.5 - 60 / SIDE), **CDELT), 0.5),
    # Orthographic: 30 degrees off, a degree of the plane is 1 / cos 30 degrees of the sky.
    "SIN": (
        cards("SIN", crval=(63.0, 0.0), crpix=(25.5, 20.5 - np.degrees(0.5) / SIDE), **CDELT),
        1 / 0.866025,
    ),
    # Gnomonic: tan r of the plane, so that 45 degrees off it is stretched 2 x sqrt 2 times.
    "TAN": (
        cards("TAN", crval=(63.0, 0.0), crpix=(25.5, 20.5 - np.degrees(1) / SIDE), **CDELT),
        1 / 2.828427,
    ),
    "TPV": (cards("TPV", PV1_1=2.0, PV2_1=2.0, **CD), 4.0),
    # 20 pixels above the reference pixel: 1 + 2 x 0.0025 x 20.
    "SIP": (cards("TAN-SIP", A_ORDER=2, A_0_2=0, B_ORDER=2, B_0_2=0.0025, crpix=(25.5, 0.5), **CD), 1.1),
    "TAN here": (cards(**CD), 1.0),
    "pole": (cards("ARC", crval=(63.0, 90.0), **CDELT), 1.0),
    "across 0 h": (cards(crval=(0.0, 0.0), **CDELT), 1.0),
}


@pytest.mark.parametrize("kind", FAR)
def test_the_area_of_a_pixel_is_that_at_the_galaxy(kind, tmp_path):
    header, area = FAR[kind]
    plane(cards_with(header, MAGZERO=24.6)).writeto(tmp_path / "a.fits")
    image = read_euclid({"HE": tmp_path / "a.fits"})
    assert image.brightness("HE")[0, 0] == pytest.approx(ONE_COUNT / area, rel=2e-4)
    assert pixel_area(image).to_value(u.arcsec**2) == pytest.approx(0.01 * area, rel=2e-4)
    assert pixel_scale(image).to_value(u.arcsec) == pytest.approx(0.1 * np.sqrt(area), rel=1e-4)
    with open_large({"HE": tmp_path / "a.fits"}) as large:
        np.testing.assert_array_equal(
            large.strip(large.read(3, 5)).brightness("HE"), image.brightness("HE")[3:5]
        )
    # 1 Msun/pc2 on 2000 pixels at 100 Mpc, where an arcsec is 484.81 pc.
    near = set_distance(image, distance=100 * u.Mpc)
    mass = total(density_map(np.ones(SHAPE), wcs=near.wcs, meta=dict(near.meta))).value
    assert mass.to_value(u.Msun) == pytest.approx(2000 * 0.01 * area * 484.8137**2, rel=2e-4)
    alone = total(density_map(np.ones(SHAPE), wcs=image.wcs), distance=100 * u.Mpc).value
    assert alone.to_value(u.Msun) == pytest.approx(mass.to_value(u.Msun), rel=1e-6)


def cards_with(header, **more):
    header = header.copy()
    header.update(more)
    return header


def test_mosaics_are_cut_where_they_are_looked_at(tmp_path):
    """Half way to the pole a plate carree holds twice as many pixels along a parallel."""
    header = cards("CAR", crval=(63.0, 0.0), crpix=(60.5, 60.5 - 60 / SIDE), MAGZERO=24.6, **CDELT)
    name = "EUC_MER_BGSUB-MOSAIC-NIR-H_TILE100000001-AB_20240101T000000.0Z_00.00.fits"
    plane(header, shape=(120, 120)).writeto(tmp_path / name)
    image = read_mosaics(tmp_path, SkyCoord(63, 60, unit="deg"), 4 * u.arcsec)
    assert image.shape == (40, 80)
    assert image.brightness("HE")[20, 40] == pytest.approx(2 * ONE_COUNT, rel=2e-4)


@pytest.mark.parametrize("scale", [{}, {"CDELT1": 1.0, "CDELT2": 1.0}, matrix("PC", np.eye(2))])
def test_coordinates_without_a_scale_do_not_count(scale, tmp_path):
    plane(cards(**scale, MAGZERO=24.6)).writeto(tmp_path / "a.fits")
    with pytest.raises(ImageFileError, match="no celestial WCS with a scale.*give pixel_scale="):
        read_euclid({"HE": tmp_path / "a.fits"})
    image = read_euclid({"HE": tmp_path / "a.fits"}, pixel_scale=0.1 * u.arcsec)
    assert image.wcs is None and pixel_scale(image) == 0.1 * u.arcsec
    assert image.brightness("HE")[0, 0] == pytest.approx(ONE_COUNT, rel=1e-4)
    assert pixel_scale(one_band(cards(**scale))) == 1 * u.pix


def test_a_scale_that_is_given_does_not_stand_above_the_file(tmp_path):
    plane(cards(**CD, MAGZERO=24.6)).writeto(tmp_path / "a.fits")
    image = read_euclid({"HE": tmp_path / "a.fits"}, pixel_scale=0.3 * u.arcsec)
    assert image.brightness("HE")[0, 0] == pytest.approx(ONE_COUNT, rel=1e-4)
    assert pixel_scale(image).to_value(u.arcsec) == pytest.approx(0.1, rel=1e-4)


def test_half_a_scale_is_refused(tmp_path):
    plane(cards(CDELT1=-SIDE, MAGZERO=24.6)).writeto(tmp_path / "a.fits")
    with pytest.raises(ImageFileError, match=r"makes pixels 3.6e\+04 times as long as wide .*CDELT2"):
        read_euclid({"HE": tmp_path / "a.fits"}, pixel_scale=0.1 * u.arcsec)


@pytest.mark.parametrize("zero", [0, 0.0, "0", ""])
def test_a_zero_point_of_zero_is_a_blank(zero, tmp_path):
    plane(cards(**CD, MAGZERO=zero)).writeto(tmp_path / "a.fits")
    with pytest.raises(ImageFileError, match=r"no zero point \(MAGZERO.* 0 is none\).*give zero_point="):
        read_euclid({"HE": tmp_path / "a.fits"})
    image = read_euclid({"HE": tmp_path / "a.fits"}, zero_point=24.6)
    assert image.brightness("HE")[0, 0] == pytest.approx(ONE_COUNT, rel=1e-4)
    plane(cards(**CD, MAGZERO=zero, ZPAB=24.6)).writeto(tmp_path / "b.fits")
    assert read_euclid({"HE": tmp_path / "b.fits"}).brightness("HE")[0, 0] == pytest.approx(
        ONE_COUNT, rel=1e-4
    )
    plane(cards(**CD, MAGZERO=zero, BUNIT="MJy/sr")).writeto(tmp_path / "c.fits")
    assert read_euclid({"HE": tmp_path / "c.fits"}).brightness("HE")[0, 0] == 1


# Pixels that are no squares


OBLONG = cards(CDELT1=-SIDE, CDELT2=2 * SIDE, crpix=(100.5, 50.5))
SKEW = cards(**matrix("CD", SIDE * np.array([[-1.0, 0.4], [0.3, 1.5]])), crpix=(75.5, 75.5))


def offsets(header, shape):
    """Offsets on the sky from the middle, in arcsec, to the west and north."""
    wcs = header_to_wcs(header, shape)
    y, x = np.indices(shape)
    middle = wcs.pixel_to_world((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    east, north = middle.spherical_offsets_to(wcs.pixel_to_world(x, y))
    return -east.to_value(u.arcsec), north.to_value(u.arcsec)


def exponential(radius, width):
    """The median in an annulus of 100 exp(-r / 2): that at the radius which halves its area."""
    return 100 * np.exp(-np.sqrt(radius**2 + width**2 / 4) / 2)


@pytest.mark.parametrize(("header", "shape"), [(OBLONG, (100, 200)), (SKEW, (150, 150))])
def test_a_profile_on_oblong_pixels(header, shape):
    radius = np.hypot(*offsets(header, shape))
    map_ = density_map(100 * np.exp(-radius / 2), wcs=header_to_wcs(header, shape))
    profile = radial_profile(map_, 0.4 * u.arcsec)[1:12]
    # At each radius the value there, and about as many pixels as its area holds.
    np.testing.assert_allclose(profile["median"].value, exponential(profile["radius"].value, 0.4), rtol=0.01)
    area = np.pi * 2 * profile["radius"].value * 0.4 / pixel_area(map_).to_value(u.arcsec**2)
    np.testing.assert_allclose(profile["n_pixels"], area, rtol=0.1)


def test_an_inclined_disc_on_oblong_pixels():
    west, north = offsets(OBLONG, (100, 200))
    angle = np.radians(35)  # anticlockwise from up
    along, across = north * np.cos(angle) - west * np.sin(angle), west * np.cos(angle) + north * np.sin(angle)
    radius = np.hypot(along, across / 0.5)
    map_ = density_map(100 * np.exp(-radius / 2), wcs=header_to_wcs(OBLONG, (100, 200)))
    profile = radial_profile(map_, 0.5 * u.arcsec, position_angle=35, inclination=60)[1:10]
    np.testing.assert_allclose(profile["median"].value, exponential(profile["radius"].value, 0.5), rtol=0.01)
    found = orientation(one_band(OBLONG, np.exp(-radius / 1.0)))
    assert found[0].value == pytest.approx(35, abs=1) and found[1] == pytest.approx(0.5, abs=0.02)
    ring = annulus(map_, 1 * u.arcsec, 3 * u.arcsec, position_angle=35, inclination=60)
    # pi (9 - 1) x 0.5 arcsec2 in pixels of 0.02 arcsec2.
    weights = region_weights(map_, ring)
    assert weights.sum() == pytest.approx(np.pi * 8 * 0.5 / 0.02, rel=1e-4)
    assert radius[weights > 0.9].max() < 3.1 and radius[weights > 0.9].min() > 0.9


def test_circles_on_oblong_pixels_are_circles_of_the_sky():
    image = one_band(OBLONG, np.random.default_rng(1).normal(5, 0.1, (100, 200)))
    west, north = offsets(OBLONG, (100, 200))
    assert pixel_sides(image).to_value(u.arcsec) == pytest.approx([0.1, 0.2], rel=1e-4)
    assert pixel_scale(image).to_value(u.arcsec) == pytest.approx(np.sqrt(0.02), rel=1e-4)
    radius = radius_in_pixels(image, 99.5, 49.5) * pixel_scale(image).value
    np.testing.assert_allclose(radius, np.hypot(west, north), rtol=1e-4)
    masked = mask_positions(image, [(99.5, 49.5)], 3 * u.arcsec).mask()
    # pi 9 arcsec2 / 0.02 arcsec2 = 1414 pixels.
    assert masked.sum() == pytest.approx(1414, rel=0.01)
    assert np.hypot(west, north)[masked].max() <= 3.001
    assert crop(image, (99.5, 49.5), 4 * u.arcsec).shape == (20, 40)
    assert crop(image, (99.5, 49.5), 20).shape == (20, 20)
    light = image.brightness("HE") + 10 * (np.hypot(west, north) < 4)
    image = subtract_background(
        one_band(OBLONG, light), "annulus", annulus=(5 * u.arcsec, 9 * u.arcsec), mask_sources=False
    )
    assert image.brightness("HE")[np.hypot(west, north) > 5].mean() == pytest.approx(0, abs=0.01)


def test_oblong_pixels_are_averaged_to_squares():
    y, x = np.indices((100, 200))
    image = one_band(OBLONG, 1 + np.exp(-(((x - 110) / 8) ** 2 + ((y - 44) / 4) ** 2)))
    out = resample(image, 0.4 * u.arcsec)
    assert out.shape == (50, 50)
    np.testing.assert_array_equal(stretch(out), np.eye(2))
    assert pixel_sides(out).to_value(u.arcsec) == pytest.approx([0.4, 0.4], rel=1e-4)
    rows, columns = np.indices(out.shape)
    light = out.brightness("HE") - 1.0
    centre = [(light * index).sum() / light.sum() for index in (columns, rows)]
    np.testing.assert_allclose(
        image.wcs.world_to_pixel(out.wcs.pixel_to_world(*centre)), (110, 44), atol=0.05
    )
    assert resample(image, 4).shape == (25, 50)
    with pytest.raises(InputError, match="finer than those of the image, 0.1 x 0.2 arcsec"):
        resample(image, 0.15 * u.arcsec)


def test_what_needs_square_pixels_says_so():
    image = one_band(OBLONG, shape=(100, 200))
    with pytest.raises(InputError, match="needs square pixels: use resample"):
        match_psf(image, psf="gaussian")
    map_ = density_map(np.ones((100, 200)), wcs=image.wcs)
    with pytest.raises(
        InputError, match="CircleSkyRegion: shapes on the sky are drawn on square pixels only"
    ):
        region_weights(map_, 'icrs; circle(63.0, -49.0, 2")')
    middle = image.wcs.pixel_to_world([90, 110, 110, 90], [45, 45, 55, 55])
    corners = ", ".join(f"{c.ra.deg:.9f}, {c.dec.deg:.9f}" for c in middle)
    assert region_weights(map_, f"icrs; polygon({corners})").sum() == pytest.approx(200, rel=0.02)


# Axes


def test_axes_of_length_one_are_left_out(tmp_path):
    values = np.random.default_rng(1).normal(5, 1, SHAPE).astype("f4")
    header = cards(**CD, MAGZERO=24.6, CTYPE3="FREQ", CRVAL3=1.0, CRPIX3=1.0, CDELT3=1.0)
    flat = cards(**CD, MAGZERO=24.6)
    fits.HDUList(
        [
            plane(flat, values),
            fits.ImageHDU(values**2, name="RMS"),
            fits.ImageHDU(np.ones(SHAPE, "i4"), name="FLAG"),
        ]
    ).writeto(tmp_path / "flat.fits")
    fits.HDUList(
        [
            plane(header, values[None, None]),
            fits.ImageHDU(values[None] ** 2, name="RMS"),
            fits.ImageHDU(np.ones((1, 1, *SHAPE), "i4"), name="FLAG"),
        ]
    ).writeto(tmp_path / "deep.fits")
    flat, deep = (read_euclid({"HE": tmp_path / f"{name}.fits"}, flag_bits=2) for name in ("flat", "deep"))
    assert deep.shape == SHAPE and corner_offset(flat.wcs, deep.wcs, SHAPE) < 1e-6
    np.testing.assert_array_equal(deep["HE"].data, flat["HE"].data)
    np.testing.assert_array_equal(deep["HE"].uncertainty.array, flat["HE"].uncertainty.array)
    with open_large({"HE": tmp_path / "deep.fits"}, flag_bits=2) as large:
        assert large.shape == SHAPE
        np.testing.assert_array_equal(large.strip(large.read(5, 9))["HE"].data, flat["HE"].data[5:9])
    plane(header, np.ones((3, *SHAPE), "f4")).writeto(tmp_path / "cube.fits")
    with pytest.raises(ImageFileError, match="cube.fits: nothing tells which extension holds the image"):
        read_euclid({"HE": tmp_path / "cube.fits"})
    name = "EUC_MER_BGSUB-MOSAIC-NIR-H_TILE100000001-AB_20240101T000000.0Z_00.00.fits"
    (tmp_path / "tiles").mkdir()
    plane(header, values[None]).writeto(tmp_path / "tiles" / name)
    piece = read_mosaics(tmp_path / "tiles", SkyCoord(63, -49, unit="deg"), 1 * u.arcsec)
    np.testing.assert_allclose(piece.brightness("HE"), flat.brightness("HE")[15:25, 20:30], rtol=1e-4)


def test_maps_with_an_axis_of_length_one(tmp_path):
    values = np.random.default_rng(1).uniform(5, 9, SHAPE).astype("f4")
    hdu = fits.PrimaryHDU(values[None], cards(**CD, BUNIT="solMass pc-2"))
    hdu.header["EXTNAME"] = "STELLAR_MASS_DENSITY"
    hdu.writeto(tmp_path / "map.fits")
    map_ = read(tmp_path / "map.fits")["stellar_mass_density"]
    assert map_.shape == SHAPE and pixel_scale(map_).value == pytest.approx(0.1, rel=1e-4)


def in_frame(header_from, axes, swap=False):
    """A header of the same pixels in another frame, or with its axes in the other order."""
    wcs = header_to_wcs(header_from, SHAPE)
    frame = {"GLON": "galactic", "RA--": "icrs"}[axes[0]]
    middle = wcs.pixel_to_world(24.5, 19.5).transform_to(frame)
    up = middle.position_angle(wcs.pixel_to_world(24.5, 29.5).transform_to(frame)).rad
    turned = SIDE * np.array([[-np.cos(up), np.sin(up)], [np.sin(up), np.cos(up)]])
    place = [middle.spherical.lon.deg, middle.spherical.lat.deg]
    if swap:
        turned, place, axes = turned[::-1], place[::-1], axes[::-1]
    return cards(axes=axes, crval=place, **matrix("CD", turned))


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("axes", [("GLON", "GLAT"), ("RA--", "DEC-")])
def test_one_place_told_in_two_ways_is_one_place(axes, swap, tmp_path):
    header = cards(**matrix("CD", np.diag([-SIDE, SIDE])))
    other = header_to_wcs(in_frame(header, axes, swap), SHAPE)
    one = header_to_wcs(header, SHAPE)
    assert corner_offset(one, other, SHAPE) < 0.01
    values = np.random.default_rng(1).normal(5, 1, SHAPE)
    bands = {
        "IE": NDData(values, unit=u.MJy / u.sr, wcs=one),
        "HE": NDData(values, unit=u.MJy / u.sr, wcs=other),
    }
    image = MultiBandImage(bands)
    assert align(bands)["HE"] is bands["HE"]
    labels = np.zeros(SHAPE, "i4")
    labels[10:14, 20:26] = 7
    name = "EUC_MER_FINAL-SEGMAP_TILE100000001-AB_20240101T000000.0Z_00.00.fits"
    fits.writeto(tmp_path / name, labels, header)
    found = read_segmentation(tmp_path, image.select(["HE"]))
    np.testing.assert_array_equal(found > 0, labels > 0)


def side_of(coordinate, what):
    """The side of the frame at which the labels of a coordinate stand."""
    if hasattr(coordinate, f"get_{what}_position"):
        return getattr(coordinate, f"get_{what}_position")()[0]
    return getattr(coordinate, f"{what}s").get_visible_axes()[0]  # Astropy 6


@pytest.mark.parametrize(
    ("header", "below", "left"),
    [
        (cards(**CDELT), "right ascension", "declination"),
        (KINDS["galactic"], "galactic longitude", "galactic latitude"),
        (cards(axes=("ELON", "ELAT"), **CDELT), "ecliptic longitude", "ecliptic latitude"),
        (KINDS["swapped"], "declination", "right ascension"),
        (cards(CD1_1=0.0, CD1_2=SIDE, CD2_1=SIDE, CD2_2=0.0), "declination", "right ascension"),
    ],
)
def test_axes_are_named_by_what_they_show(header, below, left):
    import matplotlib.pyplot as plt

    from euclid_resolved.plotting._sky_axes import sky_axes

    figure = plt.figure()
    axes = sky_axes(figure, (1, 1, 1), one_band(header))
    figure.canvas.draw()
    names = {side_of(c, "axislabel"): c.get_axislabel() for c in axes.coords}
    assert names == {"b": below, "l": left}
    assert all(side_of(c, "ticklabel") == side_of(c, "axislabel") for c in axes.coords)
    plt.close(figure)


def test_oblong_pixels_are_drawn_oblong():
    import matplotlib.pyplot as plt

    from euclid_resolved.plotting._maps import plot_band

    axes = plot_band(one_band(OBLONG, np.random.default_rng(1).uniform(1, 2, (20, 30))), "HE")
    assert axes.get_aspect() == pytest.approx(2, rel=1e-3)
    plt.close("all")


def test_the_centre_is_told_in_the_words_of_its_frame():
    assert "centre 120.00000 0.00000 (GALACTIC)" in repr(one_band(KINDS["galactic"]))
    assert "centre 4h12m00.0s -49d00m00.0s (ICRS)" in repr(one_band(KINDS["CD"])).replace("04h", "4h")


def test_a_card_tells_both_sides():
    assert "0.1 x 0.2 arcsec" in one_band(OBLONG, shape=(100, 200))._repr_html_()
    assert "0.1 arcsec" in image_of({"HE": np.ones(SHAPE)}, wcs=sky_wcs(SHAPE))._repr_html_()

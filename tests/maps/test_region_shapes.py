"""Regions of several shapes: areas by hand, what is excluded, annuli, files, parity of the sky."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from helpers import SHARED, an_image, sky_wcs
from numpy.testing import assert_allclose

from euclid_resolved import SpatialMap
from euclid_resolved.errors import InputError
from euclid_resolved.imaging import crop
from euclid_resolved.io.euclid._window import field_of
from euclid_resolved.maps import mean, median, radial_profile, read_region, region_weights, total

REAL = [SHARED / f"euclid_q1_cutout_{name}.fits" for name in ("300px", "100px_ugriz")]
real = pytest.mark.skipif(not all(path.exists() for path in REAL), reason="the real cut-outs are not here")

ONES = SpatialMap(np.ones((41, 41)), property="stellar_mass_density", meta={"pixel_scale": 1 * u.pc})
PI = np.pi

# Areas in pixels; ellipses have semi-axes, boxes whole sides, and DS9 counts pixels from 1.
AREAS = {
    "ellipse(21,21,10,5,0); -circle(21,21,2)": PI * (50 - 4),  # 144.5
    "-circle(21,21,2); ellipse(21,21,10,5,0)": PI * (50 - 4),
    "ellipse(21,21,10,5); -circle(21,21,2)": PI * (50 - 4),  # the angle may be left out
    "circle(10,10,5); circle(30,30,5)": 50 * PI,  # 157.1
    "circle(10,10,5); circle(30,30,5); -circle(10,10,1); -circle(30,30,2)": 45 * PI,
    "circle(21,21,5); circle(21,21,5)": 25 * PI,  # nothing counts twice
    # Two circles of radius 5 whose centres are 3 apart share 2 r^2 acos(d/2r) - d/2 sqrt(4r^2 - d^2).
    "circle(21,21,5); circle(24,21,5)": 50 * PI - (50 * np.arccos(0.3) - 1.5 * np.sqrt(91)),
    "circle(21,21,5); -circle(24,21,5)": 25 * PI - (50 * np.arccos(0.3) - 1.5 * np.sqrt(91)),
    "box(21,21,4.6,5); box(25.6,21,4.6,5)": 46,  # side by side: they share an edge within a pixel
    "-circle(21,21,5)": 41**2 - 25 * PI,  # 1602.5: the whole image less that
    "-circle(10,10,5); -box(30,30,4,6,0)": 41**2 - 25 * PI - 24,
    "circle(21,21,5) # include=0": 41**2 - 25 * PI,
    "annulus(21,21,3,6)": 27 * PI,  # 84.82
    "annulus(21,21,3,6,9)": 72 * PI,  # two annuli, one around the other
    "ellipse(21,21,4,2,8,4,30)": PI * (32 - 8),
    "box(21,21,4,6,10.3,12.7,20)": 10.3 * 12.7 - 24,
    "circle(21,21,9); -annulus(21,21,3,6)": 54 * PI,
    "-annulus(21,21,3,6)": 41**2 - 27 * PI,
    "polygon(11,11,31,11,31,31)": 200,
    "circle(1,1,4); -circle(21,21,4)": 16.70,  # a part of it lies off the map, the excluded one elsewhere
    "circle(21,21,5); circle(200,200,5)": 25 * PI,  # one of them is off the map
    "circle(21,21,5); -circle(200,200,5)": 25 * PI,
}


@pytest.mark.parametrize("text", AREAS)
@pytest.mark.parametrize("as_file", [False, True])
def test_the_area_is_that_of_all_shapes_together(text, as_file, tmp_path):
    where = f"image; {text}"
    if as_file:
        where = tmp_path / "a.reg"
        where.write_text("# Region file format: DS9 version 4.1\nimage\n" + text.replace("; ", "\n") + "\n")
    weights = region_weights(ONES, where)
    assert weights.min() >= 0 and weights.max() <= 1
    if text.startswith("circle(1,1"):
        # The quarter, and half a pixel more on either side: 4 pi + 2 (0.5 x 4) + 0.25, nearly.
        assert weights.sum() == pytest.approx(PI * 4 + 4 + 0.25, rel=0.01)
    else:
        assert weights.sum() == pytest.approx(AREAS[text], abs=0.05)
        assert total(ONES, where).value.to_value(u.Msun) == pytest.approx(AREAS[text], abs=0.05)


def test_numbers_named_by_hand():
    """144.5, 157.1, 1602.5 and 84.82, to the last digit said."""
    for text, value in (
        ("ellipse(21,21,10,5,0); -circle(21,21,2)", "144.5"),
        ("-circle(21,21,2); ellipse(21,21,10,5,0)", "144.5"),
        ("circle(10,10,5); circle(30,30,5)", "157.1"),
        ("-circle(21,21,5)", "1602.5"),
        ("annulus(21,21,3,6)", "84.82"),
    ):
        area = total(ONES, f"image; {text}").value.to_value(u.Msun)
        assert f"{area:.{len(value.partition('.')[2])}f}" == value


def test_every_statistic_goes_the_same_way():
    y, x = np.indices((41, 41))
    inside = np.hypot(x - 20, y - 20) < 5
    map_ = SpatialMap(np.where(inside, 7.0, 2.0), property="stellar_age")
    text = "ellipse(21,21,10,10,0); -circle(21,21,6.5)"  # the sevens are left out
    assert mean(map_, text).value == 2 * u.Gyr and median(map_, text).value == 2 * u.Gyr
    assert mean(map_, "-circle(21,21,6.5)").value == 2 * u.Gyr
    profile = radial_profile(map_, 3 * u.pix, where=text)
    # Rings of 3 pixels: nothing within 6; of pi (10^2 - 6.5^2) = 181 the 168 whose middle is inside.
    assert list(profile["n_pixels"][:2]) == [0, 0]
    r = np.hypot(x - 20, y - 20)
    assert profile["n_pixels"].sum() == ((r < 10) & (r > 6.5)).sum() == 168
    assert np.nanmax(profile["median"].value) == 2


def test_regions_of_the_package_and_of_photutils():
    from photutils.aperture import CircularAnnulus, CircularAperture
    from regions import CirclePixelRegion, PixCoord, RegionMeta, Regions

    a, b = (CirclePixelRegion(PixCoord(*at), 5) for at in ((9, 9), (29, 29)))
    inner = CirclePixelRegion(PixCoord(9, 9), 2, meta=RegionMeta({"include": 0}))
    for where in ([a, b, inner], (inner, a, b), Regions([b, inner, a])):
        assert region_weights(ONES, where).sum() == pytest.approx(46 * PI, abs=0.01)
    assert inner.meta["include"] == 0  # inputs are left as they are
    assert region_weights(ONES, inner).sum() == pytest.approx(41**2 - 4 * PI)
    assert region_weights(ONES, a | b).sum() == pytest.approx(50 * PI, abs=0.1)
    assert region_weights(ONES, CircularAnnulus((20, 20), 3, 6)).sum() == pytest.approx(27 * PI)
    assert region_weights(ONES, CircularAperture([(9, 9), (29, 29)], 5)).sum() == pytest.approx(50 * PI)


@pytest.mark.parametrize(
    "where, message",
    [
        ("image; point(21,21)", "a point has no area"),
        ("image; -point(21,21)", "a point has no area"),
        ("image; line(1,1,9,9)", "a line has no area"),
        ("image; # text(21,21) text={a galaxy}", "a text has no area"),
        ("image; circle(21,21,5); point(3,3)", "a point has no area"),
        ("image; vector(1,1,9,9)", "not supported"),
        ("image; circle(21,21,5); panda(21,21,0,90,2,3,5,1)", "no DS9 region can be read.*panda"),
        ("image; circle(21,21)", "no DS9 region can be read"),
        ("image; circle(21,21,-5)", "strictly positive"),
        ("image; circle(21,21,3); -circle(21,21,4)", "excludes all that it includes"),
        ("image; -circle(21,21,90)", "excludes all that it includes"),
        ("image; circle(200,200,5); -circle(21,21,5)", "lies off the map"),
        ("wcs; circle(1,1,1)", "no DS9 region can be read"),
        ([], "has no shape"),
        ([3], "a region .* is needed, got int"),
    ],
)
def test_what_cannot_be_measured_is_refused(where, message):
    with pytest.raises(InputError, match=message):
        total(ONES, where)


@pytest.mark.parametrize(
    "raw",
    [
        "\ufeff# Region file format: DS9\nimage\ncircle(21,21,5)\n".encode("utf-8"),
        "\ufeffcircle(21,21,5)\n".encode("utf-16-le"),
        "image\ncircle(21,21,5) # text={Größe, é}\n".encode("latin-1"),
        "image\ncircle(21,21,5)\n# text(9,9) text={Größe; 2}\n".encode("latin-1"),
        "image\r\ncircle(21,21,5) # text={Größe}\r\n".encode(),
        b"# DS9\nglobal color=green dashlist=8 3 width=1\nphysical\ncircle(21,21,5)\n",
        b"PHYSICAL; CIRCLE(21,21,5)",
        b"circle(21,21,5)\n",
        b"global color=red\ncircle(21,21,5)",
        b"image;circle(21,21,5) # color=red text={physical; -circle(1,1,3)}",
        b"image\rcircle(21,21,5)\r",
    ],
)
def test_files_as_ds9_and_editors_leave_them(raw, tmp_path):
    path = tmp_path / "a.reg"
    path.write_bytes(raw)
    assert total(ONES, path).area == pytest.approx(25 * PI)


def test_read_region_gives_all_shapes():
    shapes = read_region("circle(10,12,3)\n-circle(10,12,1)")
    assert [(s.center.x, s.radius, s.meta["include"]) for s in shapes] == [(9, 3, 1), (9, 1, 0)]


# On the sky


def sky_map(parity, side=101):
    """A map of 0.1 arcsec with east on the left (-1) or on the right (1)."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix = (60.0, -49.0), (51, 51)
    wcs.wcs.cdelt = parity * 0.1 / 3600, 0.1 / 3600
    return SpatialMap(np.ones((side, side)), property="stellar_age", wcs=wcs)


def along(map_, weights):
    """The position angle, east of north, of the light of the weights: from second moments on the sky."""
    y, x = np.indices(weights.shape)
    sky = map_.wcs.pixel_to_world(x, y)
    centre = SkyCoord(60.0, -49.0, unit="deg")
    east, north = (offset.to_value(u.arcsec) for offset in centre.spherical_offsets_to(sky))
    xx, yy, xy = ((weights * v).sum() for v in (east**2, north**2, east * north))
    return np.degrees(0.5 * np.arctan2(2 * xy, yy - xx)) % 180


@pytest.mark.parametrize("parity", [-1, 1])
@pytest.mark.parametrize("angle", [30, 110])
def test_an_ellipse_on_the_sky_has_its_position_angle_whichever_way_east_is(parity, angle):
    from photutils.aperture import SkyEllipticalAnnulus, SkyEllipticalAperture, SkyRectangularAperture

    centre, map_ = SkyCoord(60.0, -49.0, unit="deg"), sky_map(parity)
    a, b, theta = 3 * u.arcsec, 1 * u.arcsec, angle * u.deg
    apertures = (
        (SkyEllipticalAperture(centre, a, b, theta=theta), 300 * PI),
        (SkyEllipticalAnnulus(centre, a / 2, a, b, theta=theta), 225 * PI),
        (SkyRectangularAperture(centre, 2 * a, 2 * b, theta=theta), 1200),
    )
    for aperture, area in apertures:
        weights = region_weights(map_, aperture)
        assert weights.sum() == pytest.approx(area, rel=1e-3)
        assert along(map_, weights) == pytest.approx(angle, abs=0.2)


def test_a_field_is_that_of_what_is_included(tmp_path):
    """Two circles of 2 arcsec, 6 arcsec apart: a square of 10; what is excluded is not looked at."""
    both = 'icrs; circle(60,-49,2"); circle(60,-48.99833333,2")'
    centre, side = field_of(None, None, both)
    assert side.to_value(u.arcsec) == pytest.approx(10, abs=0.05)
    assert centre.separation(SkyCoord(60, -48.99916667, unit="deg")) < 0.05 * u.arcsec
    for text in (both + '; -circle(60.01,-49,1")', 'icrs; -circle(60.01,-49,1")' + both[4:]):
        assert field_of(None, None, text)[1] == side
    with pytest.raises(InputError, match="only excludes"):
        field_of(None, None, 'icrs; -circle(60,-49,2")')
    with pytest.raises(InputError, match="on the sky is needed"):
        field_of(None, None, "circle(60,49,2)")
    with pytest.raises(InputError, match="lies off the map"):
        region_weights(sky_map(-1), 'icrs; circle(240,49,2")')


def test_crop_around_a_region():
    image = an_image((40, 50), wcs=sky_wcs((40, 50)))
    cut = crop(image, region="image; -circle(40,30,2); circle(11,13,3); circle(15,13,3)")
    # From 8 to 18 along x, 10 to 16 along y: a square of 11 around (13, 13), counted from 1.
    assert cut.shape == (11, 11)
    assert_allclose(cut.brightness("HE"), image.brightness("HE")[7:18, 7:18])
    x, y = cut.wcs.world_to_pixel(image.wcs.pixel_to_world(12, 12))
    assert (x, y) == pytest.approx((5, 5))
    with pytest.raises(InputError, match="only excludes"):
        crop(image, region="image; -circle(11,13,3)")
    with pytest.raises(InputError, match="not both"):
        crop(image, (3, 3), 4, region="image; circle(11,13,3)")


@real
@pytest.mark.parametrize("path", REAL)
def test_a_region_of_ds9_on_the_real_cutouts(path, tmp_path):
    """A circle of 2 arcsec less one of 0.5 arcsec at the centre: pi (20^2 - 5^2) pixels of 0.1 arcsec."""
    from euclid_resolved import read_euclid
    from euclid_resolved.io import open_image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = read_euclid(path)
    ny, nx = image.shape
    centre = image.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
    ra, dec = centre.ra.deg, centre.dec.deg
    region = tmp_path / "galaxy.reg"
    region.write_text(f'icrs\n-circle({ra},{dec},0.5")\ncircle({ra},{dec},2") # text={{a galaxy}}\n')
    light = SpatialMap(np.asarray(image.brightness("HE"), float), wcs=image.wcs, unit=u.MJy / u.sr)
    y, x = np.indices(image.shape)
    radius = np.hypot(x - (nx - 1) / 2, y - (ny - 1) / 2)
    ring = (radius < 20) & (radius >= 5)
    weights = region_weights(light, region)
    assert weights.sum() == pytest.approx(375 * PI, rel=1e-3)
    assert np.sum(weights * light.data) == pytest.approx(light.data[ring].sum(), rel=0.02)
    cut = open_image(path, region=region)
    assert cut.shape == (40, 40)
    corner = image.wcs.world_to_pixel(cut.wcs.pixel_to_world(0, 0))
    assert_allclose(corner, (nx / 2 - 20, ny / 2 - 20), atol=0.1)

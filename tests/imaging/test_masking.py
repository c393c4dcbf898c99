"""Masks: stars and neighbours go, the galaxy stays, and every masked pixel says why."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import NDData, StdDevUncertainty
from astropy.wcs import WCS
from helpers import galaxies
from numpy.testing import assert_array_equal

from euclid_resolved import LinearRegression, MultiBandImage, Quality, train
from euclid_resolved.errors import InputError
from euclid_resolved.imaging import (
    MaskReason,
    crop,
    history,
    mask_neighbours,
    mask_positions,
    mask_reasons,
    mask_saturated,
)

UNIT = u.MJy / u.sr
SHAPE = (120, 120)
STARS = ((20, 90, 30.0), (100, 30, 8.0))
Y, X = np.indices(SHAPE)


def make_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix = (60.0, -49.0), (60.5, 60.5)
    wcs.wcs.cdelt = -0.1 / 3600, 0.1 / 3600
    return wcs


def star(x, y, peak, sigma=1.5):
    return peak * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 2 / sigma**2)


def scene(extra=0.0, seed=1, mask=None, noise=0.01):
    rng = np.random.default_rng(seed)
    light = np.exp(-np.hypot(X - 60, (Y - 60) / 0.6) / 8) + sum(star(*s) for s in STARS) + extra
    bands = {}
    for band in ("IE", "HE"):
        data = (light + rng.normal(0, noise, SHAPE)).astype("f4")
        error = StdDevUncertainty(np.full(SHAPE, noise))
        bands[band] = NDData(data, unit=UNIT, uncertainty=error, wcs=make_wcs(), mask=mask)
    return MultiBandImage(bands)


def test_stars_go_and_the_galaxy_stays():
    image = scene()
    out = mask_neighbours(image)
    mask = out.mask()
    for x, y, _ in STARS:
        assert mask[np.hypot(X - x, Y - y) < 4].all()
    assert not mask[np.hypot(X - 60, (Y - 60) / 0.6) < 20].any()
    assert mask.mean() < 0.08
    assert_array_equal(mask_reasons(out) == MaskReason.NEIGHBOUR, mask)
    assert history(out)[-1]["measured"]["n_neighbours"] == 2
    assert not image.mask().any() and history(image) == []
    for band in ("IE", "HE"):
        assert_array_equal(out[band].data, image[band].data)


def test_another_target():
    out = mask_neighbours(scene(), (20, 90))
    assert not out.mask()[90, 20] and out.mask()[60, 60]
    sky = make_wcs().pixel_to_world(20, 90)
    assert_array_equal(mask_neighbours(scene(), sky).mask(), out.mask())


def test_a_star_on_the_galaxy_is_separated():
    image = scene(star(74, 60, 10.0))
    assert mask_neighbours(image).mask()[60, 74] and not mask_neighbours(image).mask()[60, 60]
    assert not mask_neighbours(image, deblend=False).mask()[60, 74]


def test_positions():
    image = scene()
    out = mask_positions(image, [(20, 90), (-3, 50), (np.nan, 0)], 5)
    assert_array_equal(out.mask(), (np.hypot(X - 20, Y - 90) <= 5) | (np.hypot(X + 3, Y - 50) <= 5))
    sky = make_wcs().pixel_to_world([20], [90])
    assert_array_equal(mask_positions(image, sky, 0.55 * u.arcsec).mask(), np.hypot(X - 20, Y - 90) <= 5.5)
    with pytest.raises(InputError, match="positive radius"):
        mask_positions(image, [(20, 90)], 0)
    with pytest.raises(InputError, match="does not fit a pixel"):
        mask_positions(image, [(20, 90)], 5 * u.kpc)


@pytest.mark.parametrize("kind", ["plateau", "hole", "nan", "level"])
def test_saturated_core(kind):
    image = scene()
    core = np.hypot(X - 20, Y - 90) < 2.5
    options = {}
    if kind == "level":
        core = image["IE"].data > 15
        options = {"level": 15 * UNIT}
    else:
        image["IE"].data[core] = {"plateau": 25.0, "hole": 0.0, "nan": np.nan}[kind]
    out = mask_saturated(image, **options)
    assert out.mask("IE")[core].all()
    assert out.mask("IE").sum() < core.sum() + 60
    if kind != "level":
        assert not out.mask("HE").any()
    assert (mask_reasons(out)[core] & MaskReason.SATURATED).all()
    assert history(out)[-1]["measured"]["core_pixels"]["IE"] > 0


def test_nothing_is_saturated():
    assert not mask_saturated(scene()).mask().any()
    with pytest.raises(InputError, match="level must be a surface brightness"):
        mask_saturated(scene(), level=15.0)


def test_reasons_survive_cropping():
    out = mask_neighbours(scene())
    cut = crop(out, (30, 85), 40)
    assert cut.shape == (40, 40)
    assert_array_equal(cut.mask(), out.mask()[65:105, 10:50])
    assert_array_equal(mask_reasons(cut), mask_reasons(out)[65:105, 10:50])
    assert_array_equal(mask_reasons(out[60:, :60]), mask_reasons(out)[60:, :60])
    # What is masked for no recorded reason has one all the same.
    out.meta.pop("mask_reasons")
    assert set(np.unique(mask_reasons(out))) == {0, MaskReason.INPUT}
    sky = crop(out, SkyCoord(60.0, -49.0, unit="deg"), 4 * u.arcsec)
    assert sky.shape == (40, 40)
    with pytest.raises(InputError, match="lies off the image"):
        crop(out, (300, 3), 10)
    with pytest.raises(InputError, match="04h00m00.* lies off the image"):
        crop(out, SkyCoord(60.0, -48.0, unit="deg"), 4 * u.arcsec)


def test_segmentation_map_that_is_given():
    labels = np.zeros(SHAPE, int)
    labels[50:70, 50:70], labels[85:95, 15:25] = 4, 9
    out = mask_neighbours(scene(), segmentation=labels, grow=0)
    assert_array_equal(out.mask(), labels == 9)
    for bad in (labels[:5], labels.astype(float)):
        with pytest.raises(InputError, match="must hold integers of shape"):
            mask_neighbours(scene(), segmentation=bad)
    with pytest.raises(InputError, match="nearest is .* pixels off"):
        mask_neighbours(scene(), (110, 110), segmentation=labels)
    with pytest.raises(InputError, match="holds no source"):
        mask_neighbours(scene(), segmentation=np.zeros(SHAPE, int))


def test_bad_inputs():
    with pytest.raises(InputError, match="lies off the image"):
        mask_neighbours(scene(), (500, 3))
    with pytest.raises(InputError, match="all pixels of the image are masked"):
        mask_neighbours(scene(mask=np.ones(SHAPE, bool)))
    flat = NDData(np.random.default_rng(1).normal(0, 1, SHAPE).astype("f4"), unit=UNIT)
    with pytest.raises(InputError, match="no source above"):
        mask_neighbours(MultiBandImage({"IE": flat}), threshold=9)
    with pytest.raises(InputError, match="celestial WCS"):
        mask_neighbours(MultiBandImage({"IE": flat}), SkyCoord(0, 0, unit="deg"))
    # A band without uncertainty, NaN and negative sky are no obstacle.
    image = scene()
    data = image["IE"].data - 5
    data[3, 3] = np.nan
    mixed = {"IE": NDData(data, unit=UNIT, wcs=make_wcs()), "HE": image["HE"]}
    out = mask_neighbours(MultiBandImage(mixed))
    assert out.mask()[90, 20] and not out.mask()[60, 60]


def test_a_map_shows_why_a_pixel_is_masked():
    image = mask_neighbours(scene())
    model = train(galaxies(4), "stellar_mass_density", LinearRegression(), bands=image.bands)
    map_ = model.predict(image)
    neighbour = (mask_reasons(image) & MaskReason.NEIGHBOUR) != 0
    assert neighbour.any()
    assert_array_equal((map_.quality & Quality.NEIGHBOUR) != 0, neighbour)
    assert np.isnan(map_.data[neighbour]).all()
    assert map_.meta["history"] == history(image)

"""An image refuses what does not fit together, and never changes what it was given."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import UNIT, an_image, brightness, image_of, sky_wcs

from euclid_resolved import EUCLID_BANDS, MultiBandImage
from euclid_resolved.errors import InputError

SHAPE = (6, 8)


def plane(shape=SHAPE, *, unit=UNIT, dtype="f4", **parts):
    return NDData(np.ones(shape, dtype), unit=unit, **parts)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (plane((6, 9)), r"bands IE \(6, 8\) and HE \(6, 9\) differ in shape.*reproject"),
        (plane(unit=None), "band HE: unit missing is no surface brightness.*zero_point"),
        (plane(unit=u.adu), "band HE: unit adu is no surface brightness"),
        (plane(unit=u.electron / u.s), "band HE: unit electron / s"),
        (plane(unit=u.Jy), "band HE: unit Jy is no surface brightness.*divide by its solid angle"),
        (plane(unit=u.Jy / u.pix), "band HE: unit Jy / pix"),
        (plane(mask=np.zeros((8, 6), bool)), "band HE: mask has shape"),
        (plane(uncertainty=StdDevUncertainty(np.ones(3))), "band HE: uncertainty has shape"),
        (plane((0, 8)), "band HE: the image is empty"),
        (plane((48,)), "band HE: a 2-D image is needed"),
        (plane(dtype=complex), "band HE: real numbers are needed"),
        (np.ones(SHAPE), "band HE: NDData is needed, got ndarray"),
    ],
)
def test_a_band_that_does_not_fit_is_refused_by_name(odd, message):
    with pytest.raises(InputError, match=message):
        MultiBandImage({"IE": plane(), "HE": odd})


@pytest.mark.parametrize("bands", [{}, [plane()], None])
def test_bands_must_be_a_mapping_with_something_in_it(bands):
    with pytest.raises(InputError, match="at least one band|must be a mapping"):
        MultiBandImage(bands)


def test_a_shifted_wcs_is_refused_with_the_offset():
    bands = {"IE": plane(wcs=sky_wcs(SHAPE)), "HE": plane(wcs=sky_wcs(SHAPE, 0.35))}
    with pytest.raises(InputError, match=r"bands IE and HE are 0\.35 pixels apart \(at most 0\.1 allowed\)"):
        MultiBandImage(bands)
    assert MultiBandImage(bands, tolerance=0.5).bands == ("IE", "HE")


def test_a_shift_within_the_tolerance_is_accepted():
    image = MultiBandImage({"IE": plane(wcs=sky_wcs(SHAPE)), "HE": plane(wcs=sky_wcs(SHAPE, 0.09))})
    assert image.wcs.wcs.crpix[0] == sky_wcs(SHAPE).wcs.crpix[0]


@pytest.mark.parametrize("first", [True, False])
def test_all_bands_have_a_wcs_or_none_has(first):
    bands = {"IE": plane(wcs=sky_wcs(SHAPE) if first else None)}
    bands["HE"] = plane(wcs=None if first else sky_wcs(SHAPE))
    with pytest.raises(InputError, match=f"band {'HE' if first else 'IE'} has no WCS"):
        MultiBandImage(bands)


def test_brightness_is_native_float32_whatever_comes_in():
    values = np.arange(1, 49).reshape(SHAPE)
    for dtype in (">f4", "<f4", ">f8", "i2", ">i4"):
        got = image_of({"HE": values.astype(dtype)}).brightness("HE")
        assert got.dtype == np.float32 and got.dtype.isnative
        np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [(u.uJy / u.arcsec**2, 1 / 23.504), (u.Jy / u.sr, 1e-6), (u.kJy / u.sr, 1e-3), (UNIT, 1)],
)
def test_brightness_is_in_megajansky_per_steradian(unit, factor):
    image = image_of({"HE": np.full(SHAPE, 2.0)}, unit=unit)
    assert image.brightness("HE")[0, 0] == pytest.approx(2 * factor, rel=1e-4)


def test_nothing_given_is_changed():
    light = brightness(SHAPE)
    light["HE"][0, 0] = np.nan
    mask = np.zeros(SHAPE, bool)
    meta = {"file": "a.fits"}
    before = {band: values.copy() for band, values in light.items()}
    image = image_of(light, masks={"HE": mask}, unit=u.Jy / u.sr, meta=meta)
    image.brightness("HE")[:] = 7
    image.mask()[:] = True
    image[1:3].meta["new"] = 1
    repr(image)
    assert not mask.any() and meta == {"file": "a.fits"}
    for band in light:
        np.testing.assert_array_equal(light[band], before[band])


def test_slicing_keeps_the_sky_where_it_is():
    image = an_image((20, 30), wcs=sky_wcs((20, 30)))
    part = image[5:15, 7:29]
    assert part.shape == (10, 22) and part.bands == image.bands
    for x, y in ((0, 0), (21, 9), (3, 7)):
        apart = part.wcs.pixel_to_world(x, y).separation(image.wcs.pixel_to_world(7 + x, 5 + y))
        assert apart.deg < 1e-9
    np.testing.assert_array_equal(part["YE"].data, image["YE"].data[5:15, 7:29])


def test_slicing_cuts_masks_and_uncertainties_too():
    mask = np.eye(6, dtype=bool)
    error = StdDevUncertainty(np.arange(36.0).reshape(6, 6))
    image = MultiBandImage({"IE": plane((6, 6), mask=mask, uncertainty=error)}, name="N", meta={"a": 1})
    part = image[2:4, 3:]
    np.testing.assert_array_equal(part["IE"].mask, mask[2:4, 3:])
    np.testing.assert_array_equal(part["IE"].uncertainty.array, error.array[2:4, 3:])
    assert part["IE"].unit == UNIT and part.name == "N" and part.meta == {"a": 1}


@pytest.mark.parametrize("item", [np.s_[6:], np.s_[:, 8:20], np.s_[3:3]])
def test_a_cutout_off_the_image_is_refused(item):
    with pytest.raises(InputError, match=r"lies off the image, whose shape is \(6, 8\)"):
        an_image(SHAPE)[item]


def test_select_takes_bands_in_the_order_asked():
    image = an_image(SHAPE)
    assert image.select(("HE", "IE")).bands == ("HE", "IE")
    assert image.select(["YE"])["YE"] is image["YE"]


def test_select_refuses_missing_and_repeated_bands():
    image = an_image(SHAPE, bands=("IE", "HE"))
    with pytest.raises(InputError, match="no band YE, JE; the image has IE, HE"):
        image.select(EUCLID_BANDS)
    with pytest.raises(InputError, match="named twice: IE, HE, IE"):
        image.select(("IE", "HE", "IE"))


def test_an_image_is_a_mapping_of_its_bands():
    image = an_image(SHAPE)
    assert list(image) == list(EUCLID_BANDS) and len(image) == 4 and "VIS" not in image
    with pytest.raises(KeyError, match="no band 'VIS'; the image has IE, YE, JE, HE"):
        image["VIS"]
    with pytest.raises(KeyError, match="no band 'VIS'"):
        image.brightness("VIS")


def test_mask_of_the_image_is_that_of_any_band():
    masks = {band: np.zeros(SHAPE, bool) for band in ("IE", "HE")}
    masks["IE"][0, 0] = masks["HE"][5, 7] = True
    image = an_image(SHAPE, masks=masks)
    assert image.mask().sum() == 2 and image.mask("IE").sum() == 1 and not image.mask("YE").any()


def test_text_says_what_an_astronomer_asks_first():
    mask = np.zeros(SHAPE, bool)
    mask[:3] = True
    image = an_image(SHAPE, wcs=sky_wcs(SHAPE), masks={"HE": mask}, name="NGC <1>")
    text = repr(image)
    for part in (
        "NGC <1>",
        "IE, YE, JE, HE",
        "(6, 8)",
        "MJy / sr",
        "04h14m00.0s -49d15m00.0s",
        "masked 50.0 %",
    ):
        assert part in text
    html = image._repr_html_()
    assert "NGC &lt;1&gt;" in html and "MJy / sr" in html and "<table" in html

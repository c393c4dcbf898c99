"""Offsets between coordinate systems, and what check_nddata refuses that NDData accepts."""

import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from astropy.wcs import WCS
from helpers import sky_wcs

from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import (
    check_nddata,
    check_slices,
    corner_offset,
    native_float32,
    slice_wcs,
)

SHAPE = (20, 30)


@pytest.mark.parametrize("shift", [0.0, 0.05, 1.0, -7.5])
def test_offset_of_a_shifted_wcs_is_the_shift(shift):
    assert corner_offset(sky_wcs(SHAPE), sky_wcs(SHAPE, shift), SHAPE) == pytest.approx(abs(shift), abs=1e-6)


def test_offset_of_a_rotated_wcs_is_that_of_the_farthest_corner():
    turned = sky_wcs(SHAPE)
    angle = np.deg2rad(1)
    turned.wcs.cd = turned.wcs.cd @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    half_diagonal = np.hypot(9.5, 14.5)
    expected = 2 * half_diagonal * np.sin(angle / 2)
    assert corner_offset(sky_wcs(SHAPE), turned, SHAPE) == pytest.approx(expected, rel=1e-4)


def test_offset_is_nan_where_one_cannot_see_the_other():
    spectral = WCS(naxis=1)
    assert np.isnan(corner_offset(sky_wcs(SHAPE), spectral, SHAPE))


def test_native_float32_copies_only_where_it_has_to():
    native = np.ones(3, np.float32)
    assert native_float32(native) is native
    assert native_float32(native.astype(">f4")).dtype.isnative


@pytest.mark.parametrize(
    ("nddata", "message"),
    [
        (NDData(np.zeros(5)), "2-D image is needed, got shape \\(5,\\)"),
        (NDData(np.zeros((2, 2, 2))), "2-D"),
        (NDData(np.zeros((0, 4))), "empty"),
        (NDData(np.zeros((2, 2), complex)), "real numbers are needed, got dtype complex128"),
        (NDData(np.zeros((2, 2), bool)), "real numbers"),
        (
            NDData(np.zeros((2, 3)), mask=np.zeros((3, 2), bool)),
            r"mask has shape \(3, 2\), data have \(2, 3\)",
        ),
        (NDData(np.zeros((2, 3)), uncertainty=StdDevUncertainty(np.zeros(6))), "uncertainty has shape"),
        (NDData(np.zeros((2, 3)), wcs=sky_wcs((5, 5))), r"the WCS is for shape \(5, 5\)"),
        (NDData(np.zeros((2, 3)), wcs=WCS(naxis=3)), "the WCS has 3 pixel axes"),
    ],
)
def test_what_does_not_fit_together_is_refused(nddata, message):
    with pytest.raises(InputError, match=f"band X: .*{message}"):
        check_nddata("band X", nddata)


@pytest.mark.parametrize("item", [3, (slice(2), 1), (slice(1),) * 3, np.ones(2, bool), ...])
def test_a_cutout_takes_slices_only(item):
    with pytest.raises(InputError, match="cut out with one or two slices"):
        check_slices(item, SHAPE)


@pytest.mark.parametrize("item", [np.s_[::2], np.s_[:, ::-1], np.s_[2:9, 10:2:-3]])
def test_a_cutout_takes_no_steps(item):
    # astropy.wcs would put the pixels kept between those left out, half a pixel or more away.
    with pytest.raises(InputError, match="without a step"):
        check_slices(item, SHAPE)


@pytest.mark.parametrize("item", [np.s_[25:30], np.s_[:, 40:], np.s_[5:5, :], np.s_[10:2], np.s_[-1:0]])
def test_a_cutout_off_the_image_is_refused(item):
    with pytest.raises(InputError, match="lies off the image, whose shape is \\(20, 30\\)"):
        check_slices(item, SHAPE)


def test_slicing_a_fits_wcs_gives_a_fits_wcs():
    part = slice_wcs(sky_wcs(SHAPE), np.s_[4:10, 3:9])
    assert isinstance(part, WCS)
    assert part.to_header()["CTYPE1"] == "RA---TAN"


def test_any_other_wcs_is_sliced_through_the_common_interface():
    from astropy.wcs.wcsapi import HighLevelWCSWrapper, SlicedLowLevelWCS

    whole = sky_wcs(SHAPE)
    other = HighLevelWCSWrapper(SlicedLowLevelWCS(whole, np.s_[:, :]))
    part = slice_wcs(other, np.s_[4:10, 3:9])
    assert part.pixel_to_world(0, 0).separation(whole.pixel_to_world(3, 4)).deg < 1e-9


def test_no_wcs_stays_none():
    assert slice_wcs(None, np.s_[:2]) is None

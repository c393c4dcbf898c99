"""Pixels come in by unit, from whatever holds them; masked ones are NaN."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from numpy.testing import assert_allclose

from euclid_resolved.errors import InputError
from euclid_resolved.images import MultiBandImage
from euclid_resolved.images._values import brightness_of, values_in

SB = u.MJy / u.sr


@pytest.mark.parametrize(
    "values",
    [
        [2.0, 3.0],
        (2, 3),
        np.array([2, 3]),
        [2.0, 3.0] * SB,
        [2e6, 3e6] * u.Jy / u.sr,
        [2e6 * u.Jy / u.sr, 3 * SB],
        u.Quantity([2, 3], u.MJy / u.sr) * 1.0,
        NDData([2e3, 3e3], unit=u.kJy / u.sr),
        Table({"a": [2.0, 3.0]})["a"],
        Table({"a": [2e6, 3e6] * u.Jy / u.sr})["a"],
        u.Magnitude(([2, 3] * SB).to(u.mag(u.AB / u.arcsec**2))),
    ],
)
def test_two_and_three(values):
    assert_allclose(values_in("band IE", values), [2, 3], rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        np.ma.array([2.0, 3.0], mask=[0, 1]),
        np.ma.array([2, 3], mask=[0, 1]),
        [2.0, np.ma.masked],
        MaskedColumn([2e6, 3e6], mask=[0, 1], unit="Jy/sr"),
        Masked([2.0, 3.0], mask=[False, True]),
        Masked([2e6, 3e6] * u.Jy / u.sr, mask=[False, True]),
        NDData([2.0, 3.0], mask=[False, True], unit=SB),
    ],
)
def test_a_masked_value_is_no_number(values):
    assert_allclose(values_in("band IE", values), [2, np.nan], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0] * u.Msun, "band IE is given in solMass, which is never MJy / sr"),
        ([1.0] * u.Jy, "given in Jy, which"),
        ([1.0] * u.one, r"given in no unit \(dimensionless\), which"),
        ([1 * SB, 1 * u.m], "numbers of one unit and one shape"),
        ([[1], [1, 2]], "numbers of one unit and one shape"),
        ([1j], "real numbers are needed, got dtype complex128"),
        ([1j] * SB, "real numbers are needed, got dtype complex128"),
        ([True], "real numbers are needed, got dtype bool"),
        (["a"], "real numbers are needed"),
        (None, "real numbers are needed, got dtype object"),
    ],
)
def test_what_is_no_brightness_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        values_in("band IE", values)


def test_nothing_is_copied_that_need_not_be_and_nothing_is_changed():
    plain = np.ones(3, np.float32)
    assert values_in("band IE", plain) is plain
    masked = np.ma.array([2.0, 3.0], mask=[0, 1])
    values_in("band IE", masked)
    assert masked.data.tolist() == [2, 3]


def test_containers():
    structured = np.array([(1.0, 2.0)], dtype=[("IE", "f4"), ("HE", "f4")])
    image = MultiBandImage({b: NDData([[v]], unit=SB) for b, v in (("IE", 1.0), ("HE", 2.0))})
    for given in ({"IE": [1.0], "HE": [2.0]}, Table(structured), QTable(structured), structured,
                  structured.view(np.recarray), np.ma.array(structured), image):  # fmt: skip
        found = brightness_of(given)
        assert list(found) == ["IE", "HE"] and np.ravel(found["HE"]) == [2]
        assert list(brightness_of(given, ("HE", "IE"))) == ["HE", "IE"]
    for wrong in (3, [1.0], np.ones(3), "IE", {}, Table(), None):
        with pytest.raises(InputError, match="of a MultiBandImage, or of arrays by band; got"):
            brightness_of(wrong)
    with pytest.raises(InputError, match="needs the brightness in IE, YE; YE not given"):
        brightness_of(structured, ("IE", "YE"))
    with pytest.raises(InputError, match="as many pixels, got {'IE': 1, 'HE': 2}"):
        brightness_of({"IE": [1.0], "HE": [1.0, 2.0]})


def test_a_logarithmic_image_is_refused():
    with pytest.raises(InputError, match="band IE: mag.* is logarithmic; convert it to MJy/sr first"):
        MultiBandImage({"IE": NDData(np.ones((2, 2)), unit=u.mag(u.AB / u.arcsec**2))})

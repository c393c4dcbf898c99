"""Maps keep unit, mask, WCS and quality through slicing and arithmetic, and say what they lost."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from helpers import density_map, sky_wcs

from euclid_resolved import Quality, SpatialMap
from euclid_resolved.errors import InputError

SHAPE = (6, 8)
DENSITY = u.Msun / u.pc**2


@pytest.fixture
def map_():
    values = np.arange(1.0, 49).reshape(SHAPE)
    values[0, 0] = np.nan
    quality = np.zeros(SHAPE, np.int32)
    quality[0, 0], quality[2, 3] = Quality.MASKED, Quality.OUT_OF_DOMAIN
    return density_map(values, wcs=sky_wcs(SHAPE), quality=quality, meta={"model": "abc"})


def test_the_property_gives_the_unit():
    assert density_map(np.ones(SHAPE)).unit == DENSITY
    assert SpatialMap(np.ones(SHAPE), property="stellar_age").unit == u.Gyr
    assert SpatialMap(np.ones(SHAPE), property="stellar_metallicity").unit == u.dimensionless_unscaled


def test_a_unit_of_another_property_is_refused():
    with pytest.raises(InputError, match="stellar_age has unit Gyr, not solMass"):
        SpatialMap(np.ones(SHAPE), property="stellar_age", unit=u.Msun)


def test_an_equivalent_unit_is_kept():
    assert density_map(np.ones(SHAPE), unit=u.Msun / u.kpc**2).unit == u.Msun / u.kpc**2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.zeros((8, 6), bool)}, "mask has shape"),
        ({"uncertainty": StdDevUncertainty(np.ones(4))}, "uncertainty has shape"),
        ({"wcs": sky_wcs((9, 9))}, "WCS is for shape"),
        ({"quality": np.zeros((8, 6), int)}, "quality must be integers of shape"),
        ({"quality": np.zeros(SHAPE)}, "quality must be integers"),
        ({"property": "mass"}, "unknown property 'mass'; known are stellar_mass_density"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        SpatialMap(np.ones(SHAPE), **options)


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2), (0, 3)])
def test_a_map_has_two_dimensions(shape):
    with pytest.raises(InputError, match="2-D|empty"):
        SpatialMap(np.ones(shape))


def test_what_is_not_finite_is_masked_and_nothing_given_changes():
    values, mask = np.ones(SHAPE), np.zeros(SHAPE, bool)
    values[1, 2], values[3, 4], mask[5, 5] = np.nan, np.inf, True
    made = SpatialMap(values, mask=mask)
    assert list(zip(*np.nonzero(made.mask), strict=True)) == [(1, 2), (3, 4), (5, 5)]
    assert mask.sum() == 1
    assert np.isnan(made.quantity[made.mask]).all() and np.isfinite(made.quantity[~made.mask]).all()
    assert np.isinf(values[3, 4])


def test_slicing_keeps_everything(map_):
    part = map_[2:5, 3:]
    assert type(part) is SpatialMap and part.unit == DENSITY and part.property.name == "stellar_mass_density"
    assert part.meta["model"] == "abc"
    np.testing.assert_array_equal(part.data, map_.data[2:5, 3:])
    np.testing.assert_array_equal(part.mask, map_.mask[2:5, 3:])
    assert part.quality[0, 0] == Quality.OUT_OF_DOMAIN and part.quality.sum() == Quality.OUT_OF_DOMAIN
    assert part.wcs.pixel_to_world(1, 2).separation(map_.wcs.pixel_to_world(4, 4)).deg < 1e-9


def test_a_slice_off_the_map_is_refused(map_):
    with pytest.raises(InputError, match="lies off the image"):
        map_[10:]


@pytest.mark.parametrize(
    ("operate", "expected"),
    [
        (lambda a, b: a + b, lambda a, b: a + b),
        (lambda a, b: a - b, lambda a, b: a - b),
        (lambda a, b: a.add(b), lambda a, b: a + b),
    ],
)
def test_sums_of_a_property_keep_it(map_, operate, expected):
    result = operate(map_, map_)
    assert type(result) is SpatialMap and result.property.name == "stellar_mass_density"
    assert result.unit == DENSITY and result.wcs is not None
    np.testing.assert_array_equal(result.quality, map_.quality)
    np.testing.assert_array_equal(result.mask, map_.mask)
    good = ~map_.mask
    np.testing.assert_allclose(result.data[good], expected(map_.data, map_.data)[good])


def test_products_and_ratios_are_no_longer_that_property(map_):
    product, ratio = map_ * map_, map_ / map_
    assert product.property is None and product.unit == DENSITY**2
    assert ratio.property is None and ratio.unit.is_equivalent(u.dimensionless_unscaled)
    assert map_.property.name == "stellar_mass_density"
    assert ratio.meta["model"] == "abc"


def test_a_plain_number_scales_a_map(map_):
    doubled = map_ * 2
    assert doubled.property.name == "stellar_mass_density" and doubled.unit == DENSITY
    np.testing.assert_allclose(doubled.data[1], 2 * map_.data[1])


def test_mass_is_density_times_area(map_):
    mass = map_ * (100 * u.pc) ** 2
    assert mass.property is None and mass.unit.is_equivalent(u.Msun)
    assert mass.quantity[1, 1].to_value(u.Msun) == pytest.approx(map_.data[1, 1] * 1e4)


def test_quality_bits_of_both_operands_are_kept(map_):
    other = density_map(np.ones(SHAPE), quality=np.full(SHAPE, Quality.BELOW_CLIP))
    assert (map_ + other).quality[2, 3] == Quality.OUT_OF_DOMAIN | Quality.BELOW_CLIP


def test_arithmetic_of_maps_on_different_grids_is_refused(map_):
    other = density_map(np.ones(SHAPE), wcs=sky_wcs(SHAPE, 2.0))
    with pytest.raises(InputError, match=r"2\.00 pixels apart"):
        map_ + other


def test_uncertainties_add_in_quadrature():
    a = density_map(np.ones(SHAPE), uncertainty=StdDevUncertainty(np.full(SHAPE, 3.0)))
    b = density_map(np.ones(SHAPE), uncertainty=StdDevUncertainty(np.full(SHAPE, 4.0)))
    np.testing.assert_allclose((a - b).uncertainty.array, 5.0)
    np.testing.assert_allclose((a * 2).uncertainty.array, 6.0)


def test_fraction_counts_the_pixels_with_a_bit(map_):
    assert map_.fraction(Quality.OUT_OF_DOMAIN) == pytest.approx(1 / 48)
    assert map_.fraction(Quality.OUT_OF_DOMAIN | Quality.MASKED) == pytest.approx(2 / 48)
    assert map_.fraction(Quality.BELOW_CLIP) == 0


def test_bits_are_distinct_powers_of_two_and_extrapolations_are_judged():
    values = [bit.value for bit in Quality]
    assert values == [2**i for i in range(len(values))]
    left = Quality.OUT_OF_DOMAIN | Quality.FEW_NEIGHBOURS | Quality.UNMATCHED_PSF | Quality.MISSING_BAND
    left |= Quality.UNLIKE_TRAINING
    assert Quality.unjudged() == sum(values) - left


def test_text_tells_unit_mask_and_flags(map_):
    text = repr(map_)
    for part in (
        "stellar mass surface density",
        "(6, 8)",
        "solMass / pc2",
        "masked 2.1 %",
        "OUT_OF_DOMAIN 2.1 %",
    ):
        assert part in text
    assert "OUT_OF_DOMAIN" in map_._repr_html_()


@pytest.mark.parametrize("wcs", [None, sky_wcs(SHAPE)], ids=["pixels", "sky"])
def test_a_map_draws_itself(wcs):
    axes = density_map(np.ones(SHAPE), wcs=wcs).plot()
    assert hasattr(axes, "coords") == (wcs is not None)
    axes.figure.canvas.draw()
    assert len(plt.get_fignums()) == 1


def test_a_map_becomes_fits(map_):
    hdus = map_.to_hdulist()
    assert [hdu.name for hdu in hdus] == ["STELLAR_MASS_DENSITY", "QUALITY"]
    assert u.Unit(hdus[0].header["BUNIT"]) == DENSITY and np.isnan(hdus[0].data[0, 0])


def test_all_bits_but_one_are_all_others():
    others = ~Quality.OUT_OF_DOMAIN
    assert {bit for bit in Quality if bit & others} == set(Quality) - {Quality.OUT_OF_DOMAIN}
    assert ~others == Quality.OUT_OF_DOMAIN and ~(Quality.MASKED | Quality.NOISE) & Quality.NOISE == 0

"""Maps in the hand: units, masks, quality and errors through conversions, arithmetic and sums."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, InverseVariance, NDData, StdDevUncertainty, VarianceUncertainty

from euclid_resolved import SpatialMap
from euclid_resolved.errors import InputError

PC2, KPC2 = u.Msun / u.pc**2, u.Msun / u.kpc**2
VALUES = np.array([[10.0, 20.0], [np.nan, 30.0]])


@pytest.fixture
def density():
    return SpatialMap(
        VALUES,
        property="stellar_mass_density",
        uncertainty=StdDevUncertainty(np.full((2, 2), 2.0)),
        quality=np.array([[0, 16], [1, 0]]),
        planes={"lo": VALUES - 1, "hi": VALUES + 2},
        meta={"interval": 0.68, "uncertainty": "interval", "history": ["crop"]},
    )


def test_a_map_of_a_map_keeps_quality_and_planes(density):
    again = SpatialMap(density)
    np.testing.assert_array_equal(again.quality, density.quality)
    assert set(again.planes) == {"lo", "hi"} and again.meta["interval"] == 0.68


def test_another_unit_converts_and_does_not_relabel(density):
    # 1 Msun/pc2 is 1e6 Msun/kpc2
    for other in (density.to("Msun / kpc2"), SpatialMap(density, unit=KPC2)):
        np.testing.assert_allclose(other.data, VALUES * 1e6)
        np.testing.assert_allclose(other.uncertainty.array, 2e6)
        np.testing.assert_allclose(other.interval[1], (VALUES + 2) * 1e6)
        np.testing.assert_array_equal(other.quality, density.quality)
        assert other.unit == KPC2
    assert density.unit == PC2
    with pytest.raises(InputError, match="is in solMass / pc2, which is never Gyr"):
        density.to("Gyr")


@pytest.mark.parametrize(
    "data",
    [
        np.full((1, 2), 3000.0) * u.Myr,
        NDData(np.full((1, 2), 3000.0), unit="Myr"),
        CCDData(np.full((1, 2), 3000.0), unit="Myr", uncertainty=StdDevUncertainty(np.full((1, 2), 300.0))),
    ],
    ids=["Quantity", "NDData", "CCDData"],
)
def test_data_with_a_unit_are_converted_to_the_one_asked_for(data):
    age = SpatialMap(data, property="stellar_age", unit="Gyr")
    np.testing.assert_allclose(age.data, 3.0)
    if isinstance(data, CCDData):
        np.testing.assert_allclose(age.uncertainty.array, 0.3)
    with pytest.raises(InputError, match="cannot be taken in"):
        SpatialMap(data, unit="Msun")


def test_sums_leave_masked_pixels_out():
    masked = np.ma.masked_array([[999.0, 60.0]], mask=[[True, False]])
    age = SpatialMap(masked, property="stellar_age")
    assert age.sum() == 60 * u.Gyr and age.min() == age.max() == 60 * u.Gyr
    assert np.isnan(SpatialMap(np.full((1, 2), np.nan), property="stellar_age").max())


def test_total_and_mean_are_those_of_regions(density):
    assert density.mean().value == 20 * PC2
    known = SpatialMap(VALUES, property="stellar_mass_density", meta={"pixel_scale": 100 * u.pc})
    assert known.total().value == 60 * 1e4 * u.Msun  # three pixels of 100 x 100 pc


def test_numbers_and_quantities_from_the_left(density):
    np.testing.assert_allclose((2 * density).data, 2 * VALUES)
    np.testing.assert_allclose((np.float32(2) * density).uncertainty.array, 4)
    np.testing.assert_allclose((50 * PC2 - density).data, 50 - VALUES)
    np.testing.assert_allclose((1 * PC2 + density).data, 1 + VALUES)
    mass = (4 * u.kpc**2) * density
    assert mass.property is None and mass.unit.is_equivalent(u.Msun)
    np.testing.assert_allclose(np.multiply(2, density).data, 2 * VALUES)
    np.testing.assert_allclose((np.full((2, 2), 2.0) * density).data, 2 * VALUES)


def test_signs_powers_and_their_errors(density):
    np.testing.assert_allclose((-density).data, -VALUES)
    np.testing.assert_allclose(abs(-density).data, VALUES)
    square = density**2
    np.testing.assert_allclose(square.data, VALUES**2)
    np.testing.assert_allclose(square.uncertainty.array, 2 * VALUES * 2)  # |n v^(n-1)| sigma
    assert square.unit == PC2**2 and square.property is None
    np.testing.assert_allclose((1 / density).uncertainty.array, 2 / VALUES**2)
    np.testing.assert_allclose(np.sqrt(density).data, np.sqrt(VALUES))
    for result in (square, -density, abs(density)):
        np.testing.assert_array_equal(result.mask, density.mask)
        np.testing.assert_array_equal(result.quality, density.quality)


def test_an_interval_does_not_outlive_what_it_was_made_for(density):
    assert (2 * density).interval is not None and (2 * density).meta["interval"] == 0.68
    for changed in (density + 1 * PC2, -density, density**2, density * density):
        assert changed.interval is None
        assert not {"interval", "uncertainty"} & set(changed.meta)


@pytest.mark.parametrize("other", [VarianceUncertainty, InverseVariance])
def test_a_standard_deviation_and_a_variance_add_up(density, other):
    four = 16.0 if other is VarianceUncertainty else 1 / 16
    map_ = SpatialMap(VALUES, property="stellar_mass_density", uncertainty=other(np.full((2, 2), four)))
    np.testing.assert_allclose(map_.uncertainty.array, 4)
    for result in (density + map_, map_ - density):
        assert isinstance(result.uncertainty, StdDevUncertainty)
        np.testing.assert_allclose(result.uncertainty.array, np.sqrt(2**2 + 4**2))


def test_a_cut_out_shares_no_record(density):
    part = density[0:1]
    part.meta["history"].append("mine")
    assert density.meta["history"] == ["crop"]


@pytest.mark.parametrize(
    "function, message",
    [
        (np.log10, r"np.log10 would lose the unit or the mask of a map; give it map.quantity"),
        (np.mean, "np.mean knows neither unit nor mask of a map"),
        (np.nansum, "np.nansum knows neither"),
        (np.asarray, "as a plain array a map would lose its unit and its mask"),
    ],
)
def test_numpy_says_why_it_may_not(density, function, message):
    with pytest.raises(TypeError, match=message):
        function(density)


def test_powers_that_make_no_sense(density):
    with pytest.raises(InputError, match="power of one real number"):
        density ** np.ones((2, 2))
    with pytest.raises(InputError, match="cannot be raised to the power of a map"):
        np.power(2.0, density)

"""The errors of totals and means: what pixels share, what a map knows of it, what it says if it does not."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import brightness, galaxies
from scipy.ndimage import gaussian_filter

from euclid_resolved import LinearRegression, MultiBandImage, SpatialMap, read, train, write
from euclid_resolved.imaging import correct_extinction, resample
from euclid_resolved.maps import mean, median, total

N = 40


def density(sigma=0.52, n=N, **meta):
    """A map of ones, every pixel 100 pc, off by 52 %."""
    error = StdDevUncertainty(np.full((n, n), sigma))
    meta = {"pixel_scale": 100 * u.pc, **meta}
    return SpatialMap(np.ones((n, n)), property="stellar_mass_density", uncertainty=error, meta=meta)


def relative(value):
    return (value.error / value.value).to_value("")


def test_without_knowledge_the_error_is_a_lower_limit_and_says_so():
    """52 % over 1600 independent pixels: 1.3 %."""
    for value in (total(density()), mean(density())):
        assert relative(value) == pytest.approx(0.52 / 40)
        assert value.lower_limit and "lower limit: pixels taken as independent" in str(value)
    assert relative(median(density())) == pytest.approx(0.52 / 40 * np.sqrt(np.pi / 2))
    told = total(density(), correlated_fraction=0.0)
    assert not told.lower_limit and "lower limit" not in str(told)
    without = SpatialMap(np.ones((3, 3)), property="stellar_age")
    assert not mean(without).lower_limit and "lower limit" not in str(mean(without))


def test_what_the_model_measured_is_used():
    """A quarter of the variance shared: sqrt(.25 + .75 / 1600) x 52 % = 26.0 %."""
    map_ = density(shared_variance=0.25)
    for value in (total(map_), mean(map_), total(map_[:, :]), total(map_ * 2)):
        assert relative(value) == pytest.approx(0.52 * np.sqrt(0.25 + 0.75 / 1600))
        assert not value.lower_limit and "lower limit" not in str(value)
    assert relative(total(map_, correlated_fraction=1)) == pytest.approx(0.52)
    assert not total(map_.to("kg / m2")).lower_limit
    # Of the errors of a sum of maps nobody has measured it.
    assert total(map_ + map_).lower_limit and mean(map_**2).lower_limit


def test_the_part_without_a_value_is_said():
    map_ = density()
    values = np.array(map_.data)
    values[:10] = np.nan
    value = total(SpatialMap(values, property="stellar_mass_density", meta=map_.meta))
    assert value.masked_fraction == pytest.approx(0.25)
    assert "25.0 % of the region without a value" in str(value)


def test_common_errors_are_not_averaged_down():
    """3.5 % in all pixels together, 10 % in each on its own: sqrt(.035^2 + (.1^2 - .035^2) / 1600)."""
    error = StdDevUncertainty(np.full((N, N), 0.1))
    map_ = SpatialMap(
        np.ones((N, N)), property="stellar_mass_density", uncertainty=error, meta={"pixel_scale": 100 * u.pc},
        planes={"common": np.full((N, N), 0.035)},
    )  # fmt: skip
    own = 0.1**2 - 0.035**2
    for value in (total(map_), mean(map_), total(map_[:, :])):
        assert relative(value) == pytest.approx(np.sqrt(0.035**2 + own / N**2))
    assert relative(total(map_, correlated_fraction=0.3)) == pytest.approx(
        np.sqrt(0.035**2 + own * (0.3 + 0.7 / N**2))
    )


def test_noise_spread_over_pixels_against_drawn_noise():
    """Smoothed by a Gaussian of width s, noise is spread over 4 pi s^2 pixels."""
    s, sums = 1.5, []
    rng = np.random.default_rng(2)
    for _ in range(300):
        noise = gaussian_filter(rng.normal(0, 1, (60, 60)), s)
        sums.append(noise[10:50, 10:50].sum())
    map_ = density(noise.std(), correlated_pixels=4 * np.pi * s**2)
    error = total(map_, correlated_fraction=0).error.to_value(u.Msun) / 1e4
    assert error == pytest.approx(np.std(sums), rel=0.12)
    # No more than if all were off together.
    small = total(map_[:2, :2], correlated_fraction=0).error.to_value(u.Msun) / 1e4
    assert small == pytest.approx(4 * noise.std())


def test_pixels_of_a_bin_have_one_error(tmp_path):
    """Four bins of 20 x 20: sqrt(4) x 400 x 0.1 = 80, not 0.1 x 40."""
    bins = np.kron(np.arange(4).reshape(2, 2), np.ones((20, 20), int)).astype(np.int32)
    map_ = density(0.1, bins=bins)
    assert total(map_, correlated_fraction=0).error.to_value(u.Msun) / 1e4 == pytest.approx(80)
    part = map_[:10, :20]  # half of one of them
    assert total(part, correlated_fraction=0).error.to_value(u.Msun) / 1e4 == pytest.approx(20)
    for name in ("map.fits", "map.asdf"):
        write(tmp_path / name, {"stellar_mass_density": map_})
        again = read(tmp_path / name)["stellar_mass_density"]
        np.testing.assert_array_equal(again.meta["bins"], bins)
        assert total(again, correlated_fraction=0).error == total(map_, correlated_fraction=0).error


@pytest.mark.parametrize("name", ["map.fits", "map.asdf"])
def test_files_carry_what_is_shared(tmp_path, name):
    map_ = density(shared_variance=0.25, correlated_pixels=7.5)
    map_.planes["common"] = np.full((N, N), 0.01)
    write(tmp_path / name, {"stellar_mass_density": map_})
    again = read(tmp_path / name)["stellar_mass_density"]
    assert again.meta["shared_variance"] == 0.25 and again.meta["correlated_pixels"] == 7.5
    assert total(again).error.to_value(u.Msun) == pytest.approx(total(map_).error.to_value(u.Msun))


def test_the_error_of_dust_reaches_the_total_of_a_map():
    """log density = 1.5 log HE - 0.5 log IE: both fainter by dust, the density off by their difference.

    An error of .03 in E(B-V) is 0.4 x .03 x (1.5 x .472 - 0.5 x 2.191) = -.00465 dex, 1.07 % of every pixel
    and of their sum.
    """
    model = train(galaxies(6), "stellar_mass_density", LinearRegression())
    light = brightness((80, 80), seed=3)
    bands = {band: NDData(values, unit=u.MJy / u.sr) for band, values in light.items()}
    image = MultiBandImage(bands, meta={"pixel_scale": 10 * u.pc})
    coefficients = {"IE": 2.191, "YE": 1.041, "JE": 0.707, "HE": 0.472}
    image = correct_extinction(image, 0.0, ebv_error=0.03, coefficients=coefficients)
    for seen in (image, resample(image, 8)):
        map_ = model.predict(seen)
        share = map_.planes["common"] / map_.data
        assert np.median(share[~map_.mask]) == pytest.approx(0.0107, rel=0.01)
        assert relative(total(map_)) == pytest.approx(0.0107, rel=0.02)
        assert map_.meta["uncertainty"].startswith("errors that all pixels share")

"""Totals and means in regions: analytic discs, correlated errors, and what may not be added up."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from euclid_resolved import SpatialMap
from euclid_resolved.errors import InputError
from euclid_resolved.maps import annulus, mean, median, radial_profile, read_region, region_weights, total

N, H, PEAK = 201, 15.0, 100.0
Y, X = np.indices((N, N))
R = np.hypot(X - 100, Y - 100)
MASS = 2 * np.pi * H**2 * PEAK * 1e4  # Msun in all, for pixels of 100 pc


def make_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix = (60.0, -49.0), (101.0, 101.0)
    wcs.wcs.cdelt = -0.1 / 3600, 0.1 / 3600
    return wcs


def disc(property="stellar_mass_density", scale=100 * u.pc, data=None, **kwargs):
    data = PEAK * np.exp(-R / H) if data is None else data
    meta = {} if scale is None else {"pixel_scale": scale}
    kwargs = {"uncertainty": StdDevUncertainty(np.full(data.shape, 1.0))} | kwargs
    return SpatialMap(data, property=property, meta=meta, wcs=make_wcs(), **kwargs)


def enclosed(radius):
    return MASS * (1 - np.exp(-radius / H) * (1 + radius / H))


@pytest.mark.parametrize("radius", [5, 20.3, 60])
def test_total_of_an_exponential_disc(radius):
    map_ = disc()
    for where in (annulus(map_, 0, radius * 100 * u.pc), f"image; circle(101, 101, {radius})"):
        result = total(map_, where)
        assert result.value.to_value(u.Msun) == pytest.approx(enclosed(radius), rel=0.005)
        assert result.value.unit == u.Msun
        assert result.area == pytest.approx(np.pi * radius**2, rel=1e-3)
        assert result.masked_fraction == 0 and "total stellar_mass_density" in str(result)


def test_annuli_add_up():
    map_ = disc()
    edges = [0, 1, 3, 6]
    rings = [annulus(map_, a * u.kpc, b * u.kpc) for a, b in zip(edges, edges[1:], strict=False)]
    parts = [total(map_, ring).value for ring in rings]
    assert sum(parts).to_value(u.Msun) == pytest.approx(enclosed(60), rel=1e-4)


def test_inclined_disc():
    ratio = np.cos(np.radians(60))
    angle = np.radians(30 + 90)
    along, across = (X - 100) * np.cos(angle) + (Y - 100) * np.sin(angle), 0
    across = (Y - 100) * np.cos(angle) - (X - 100) * np.sin(angle)
    map_ = disc(data=PEAK * np.exp(-np.hypot(along, across / ratio) / H))
    where = annulus(map_, 0, 40, position_angle=30 * u.deg, inclination=60 * u.deg)
    plain = annulus(map_, 0, 40, position_angle=30, inclination=60)
    assert_allclose(region_weights(map_, plain), region_weights(map_, where))
    assert total(map_, where).value.to_value(u.Msun) == pytest.approx(enclosed(40) * ratio, rel=0.005)
    hole = np.hypot(X - 110, Y - 105) < 5
    masked = disc(data=np.where(hole, np.nan, map_.data))
    options = {"position_angle": 30 * u.deg, "inclination": 60 * u.deg}
    filled = total(masked, where, fill="radial", **options)
    assert filled.value.to_value(u.Msun) == pytest.approx(enclosed(40) * ratio, rel=0.01)


def test_distance_gives_the_area():
    map_ = disc(scale=None)
    with pytest.raises(InputError, match="give distance="):
        total(map_)
    result = total(map_, distance=20.6264806 * u.Mpc)  # 0.1" is 10 pc
    assert (result.value / total(disc()).value).to_value("") == pytest.approx(0.01, rel=1e-4)
    with pytest.raises(InputError, match="leave distance= out"):
        total(disc(), distance=20 * u.Mpc)
    with pytest.raises(InputError, match="positive length"):
        total(map_, distance=-20 * u.Mpc)


def test_sum_and_mean_are_not_confused():
    ages = disc("stellar_age", data=np.full((N, N), 5.0))
    with pytest.raises(InputError, match="total of mass-weighted stellar age means nothing"):
        total(ages)
    with pytest.raises(InputError, match="total of mass-weighted stellar metallicity means nothing"):
        total(disc("stellar_metallicity", data=np.full((N, N), 0.02)))
    with pytest.raises(InputError, match="means nothing"):
        total(SpatialMap(np.ones((5, 5)), meta={"pixel_scale": 1 * u.pc}))
    assert mean(ages).value == 5 * u.Gyr and median(ages).value == 5 * u.Gyr
    assert mean(disc()).value.unit == u.Msun / u.pc**2
    with pytest.raises(InputError, match="one map is needed, got several: choose from a, b"):
        mean({"a": ages, "b": ages})


def test_mean_by_area_and_by_mass():
    z = disc("stellar_metallicity", data=np.where(R < 20, 0.03, 0.01), uncertainty=None)
    where = annulus(z, 0, 40)
    assert mean(z, where).value.value == pytest.approx(0.01 + 0.02 / 4, rel=0.01)
    inner = enclosed(20) / enclosed(40)
    by_mass = mean(z, where, weights=disc())
    assert by_mass.value.value == pytest.approx(0.01 + 0.02 * inner, rel=0.01)
    assert np.isnan(by_mass.error.value)
    assert median(z, where).value.value == pytest.approx(0.01)
    with pytest.raises(InputError, match="weights have shape"):
        mean(z, weights=SpatialMap(np.ones((3, 3))))


def test_independent_and_common_errors():
    map_ = disc()
    n = N**2
    assert total(map_).error.to_value(u.Msun) == pytest.approx(1e4 * np.sqrt(n))
    assert total(map_, correlated_fraction=1).error.to_value(u.Msun) == pytest.approx(1e4 * n)
    part = total(map_, correlated_fraction=0.04).error.to_value(u.Msun)
    assert part == pytest.approx(1e4 * np.sqrt(0.96 * n + 0.04 * n**2))
    assert mean(map_).error.value == pytest.approx(1 / np.sqrt(n))
    assert mean(map_, correlated_fraction=1).error.value == pytest.approx(1)
    as_variance = disc(uncertainty=VarianceUncertainty(np.full((N, N), 1.0)))
    assert total(as_variance).error.to_value(u.Msun) == pytest.approx(1e4 * np.sqrt(n))
    unknown = total(disc(uncertainty=None))
    assert np.isnan(unknown.error.value)
    assert "+-" in str(total(map_)) and "+-" not in str(unknown) and "nan" not in str(unknown)


def test_correlation_length_against_drawn_noise():
    """Smoothing white noise with a Gaussian of width s correlates it with a length of sqrt(2) s."""
    rng = np.random.default_rng(3)
    s, sums = 2.0, []
    where = R < 30
    for _ in range(300):
        noise = gaussian_filter(rng.normal(0, 1, (N, N)), s)
        sums.append(noise[where].sum())
        spread = noise.std()
    map_ = disc(scale=1 * u.pc, uncertainty=StdDevUncertainty(np.full((N, N), spread)))
    error = total(map_, where, correlation_length=np.sqrt(2) * s).error.to_value(u.Msun)
    assert error == pytest.approx(np.std(sums), rel=0.12)
    assert total(map_, where).error.to_value(u.Msun) < error / 5


def test_masked_pixels():
    hole = np.hypot(X - 115, Y - 95) < 8
    map_ = disc(data=np.where(hole, np.nan, PEAK * np.exp(-R / H)))
    where = annulus(map_, 0, 60)
    plain = total(map_, where)
    assert plain.masked_fraction == pytest.approx(hole.sum() / np.pi / 60**2, rel=0.01)
    assert plain.value.to_value(u.Msun) < 0.96 * enclosed(60)
    filled = total(map_, where, fill="radial")
    assert filled.value.to_value(u.Msun) == pytest.approx(enclosed(60), rel=0.003)
    assert filled.error > plain.error and "filled (radial)" in str(filled)
    by_mean = total(map_, where, fill="mean").value
    assert plain.value < by_mean < filled.value
    assert mean(map_, where).value < mean(disc(), where).value
    with pytest.raises(InputError, match="fill must be"):
        total(map_, where, fill="zero")
    with pytest.raises(InputError, match="all of the region is masked"):
        total(map_, hole)


def test_regions_of_every_kind(tmp_path):
    from regions import CircleSkyRegion, PixCoord, PolygonPixelRegion

    map_ = disc()
    centre = SkyCoord(60.0, -49.0, unit="deg")
    circle = CircleSkyRegion(centre, 2 * u.arcsec)
    path = tmp_path / "a.reg"
    circle.write(path, format="ds9")
    expected = enclosed(20)
    for where in (circle, circle.to_pixel(map_.wcs), path, str(path), 'fk5; circle(60.0, -49.0, 2")'):
        assert total(map_, where).value.to_value(u.Msun) == pytest.approx(expected, rel=0.01)
    square = PolygonPixelRegion(PixCoord([79.5, 120.5, 120.5, 79.5], [79.5, 79.5, 120.5, 120.5]))
    assert total(map_, square).area == pytest.approx(41**2, rel=0.01)
    assert total(map_, R < 20).area == (R < 20).sum()
    assert region_weights(map_).sum() == N**2
    assert read_region('fk5; circle(60.0, -49.0, 2")')[0].radius == 2 * u.arcsec


@pytest.mark.parametrize(
    "where, message",
    [
        ("image; circle(900, 900, 5)", "lies off the map, whose shape is .201, 201."),
        ('fk5; circle(80.0, -49.0, 2")', "lies off the map"),
        ("there", "no DS9 region"),
        (np.ones((3, 3), bool), "bool of shape"),
        (np.ones((N, N)), "bool of shape"),
        (5, "a region .* is needed"),
        (np.zeros((N, N), bool), "lies off the map"),
    ],
)
def test_refused(where, message):
    with pytest.raises(InputError, match=message):
        total(disc(), where)


def test_refused_options():
    for options in ({"correlation_length": -1}, {"correlated_fraction": 2}, {"correlated_fraction": np.nan}):
        with pytest.raises(InputError, match="correlated_fraction lie in"):
            total(disc(), **options)
    with pytest.raises(InputError, match="is one number, got several: choose from stellar_mass_density"):
        total(disc(), correlated_fraction={"stellar_mass_density": 0.2})
    with pytest.raises(InputError, match="0 <= inner < outer"):
        annulus(disc(), 3, 3)
    with pytest.raises(InputError, match="inclination"):
        annulus(disc(), 0, 3, inclination=90 * u.deg)
    with pytest.raises(InputError, match="position_angle must be one angle"):
        annulus(disc(), 0, 3, position_angle=3 * u.kpc)
    with pytest.raises(InputError, match="does not fit a pixel"):
        annulus(disc(), 0, 3 * u.arcsec)
    plain = SpatialMap(np.ones((5, 5)), property="stellar_age")
    with pytest.raises(InputError, match="celestial WCS"):
        mean(plain, 'fk5; circle(60.0, -49.0, 2")')


def test_radial_profile_is_a_method():
    map_ = disc()
    profile = map_.radial_profile(1 * u.kpc, centre=(100, 100))
    assert_allclose(profile["median"], radial_profile(map_, 1 * u.kpc, centre=(100, 100))["median"])
    expected = PEAK * np.exp(-profile["radius"].to_value(u.pc) / 1500)
    assert_allclose(profile["median"][1:8].value, expected[1:8], rtol=0.06)

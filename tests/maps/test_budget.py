"""What the error of a map consists of."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty

from euclid_resolved import SpatialMap
from euclid_resolved.maps import total
from euclid_resolved.maps._budget import budget_words, error_budget

VALUE = np.array([[10.0, 100.0], [1000.0, np.nan]])


def a_map(total, meta=(), **parts):
    """A map whose errors are so many dex."""
    linear = VALUE * np.log(10)
    planes = {name: part * linear for name, part in parts.items()}
    error = None if total is None else StdDevUncertainty(total * linear)
    return SpatialMap(
        VALUE, property="stellar_mass_density", planes=planes, uncertainty=error, meta=dict(meta),
        mask=np.isnan(VALUE),
    )  # fmt: skip


def test_parts_add_up_to_the_whole_in_quadrature():
    budget = error_budget(a_map(0.13, {"interval": 0.68}, noise=0.04, model=0.03, common=0.0))
    assert budget["populations"] == pytest.approx(0.12)
    assert budget["total"] == pytest.approx(0.13)
    parts = [part for name, part in budget.items() if name != "total"]
    assert np.hypot.reduce(parts) == pytest.approx(0.13)


def test_no_part_is_less_than_nothing():
    assert error_budget(a_map(0.05, {"interval": 0.68}, noise=0.06))["populations"] == 0


@pytest.mark.parametrize(
    ("map_", "words"),
    [
        (a_map(None), ""),
        (a_map(0.17, {"interval": 0.68}), "0.17 dex of noise, model and populations"),
        (
            a_map(0.17, {"interval": 0.68}, common=0.02),
            "0.17 dex of noise, model and populations, calibration 0.02",
        ),
        (
            a_map(0.13, {"interval": 0.68}, noise=0.04, model=0.03),
            "0.13 dex: populations 0.12, noise 0.04, model 0.03",
        ),
        (a_map(0.05, {"interval": 0.68}, noise=0.06, common=0.001), "0.05 dex: noise 0.06"),
        (a_map(0.05, noise=0.03, model=0.04), "0.05 dex: model 0.04, noise 0.03"),
        (a_map(0.05), "0.05 dex"),
    ],
)
def test_the_budget_in_words(map_, words):
    assert budget_words(map_) == words


def test_a_map_without_a_value_has_no_budget():
    empty = SpatialMap(
        VALUE * np.nan, property="stellar_age", uncertainty=StdDevUncertainty(VALUE * np.nan), mask=VALUE > -1
    )
    assert error_budget(empty) == {} and budget_words(empty) == ""


def test_a_header_has_the_budget_in_dex():
    header = a_map(0.13, {"interval": 0.68}, noise=0.04, common=0.03).to_hdulist()[0].header
    assert header["SIGTOTAL"] == pytest.approx(0.13) and header["SIGNOISE"] == pytest.approx(0.04)
    assert header["SIGCALIB"] == pytest.approx(0.03) and header["SIGPOPUL"] == pytest.approx(0.12)
    assert "SIGMODEL" not in header
    assert not [card for card in a_map(None).to_hdulist()[0].header if card.startswith("SIG")]


def of_pixels(n):
    """The budget of a total over n pixels, each of 100 with an error of 13, of which noise is 4."""
    value = np.full((1, n), 100.0)
    error, planes = StdDevUncertainty(0.13 * value), {"noise": 0.04 * value, "common": 0.03 * value}
    meta = {"interval": 0.68, "shared_variance": 0.5, "pixel_scale": 1 * u.pc}
    return total(
        SpatialMap(value, property="stellar_mass_density", uncertainty=error, planes=planes, meta=meta)
    )


def test_of_a_total_noise_shrinks_with_the_number_of_pixels_and_what_is_shared_does_not():
    own = 0.13**2 - 0.03**2  # of a pixel; half of it is shared
    for n in (4, 400):
        found = of_pixels(n)
        part = {name: float(each / found.value) for name, each in found.parts.items()}
        assert part["noise"] == pytest.approx(0.04 / np.sqrt(n)) and part["calibration"] == pytest.approx(
            0.03
        )
        rest = 0.5 * own + 0.5 * own / n - part["noise"] ** 2
        assert part["populations"] == pytest.approx(np.sqrt(rest))
        assert np.hypot.reduce(list(part.values())) == pytest.approx(float(found.error / found.value))


def test_without_noise_or_intervals_a_total_has_no_parts():
    assert total(a_map(0.13, {"pixel_scale": 1 * u.pc, "interval": 0.68})).parts == {}
    assert total(a_map(0.13, {"pixel_scale": 1 * u.pc}, noise=0.04)).parts == {}

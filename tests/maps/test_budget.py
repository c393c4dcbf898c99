"""What the error of a map consists of."""

import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty

from euclid_resolved import SpatialMap
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

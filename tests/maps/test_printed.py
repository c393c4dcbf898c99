"""A map prints as one line."""

import numpy as np

from euclid_resolved import SpatialMap


def test_a_map_prints_as_one_line():
    values = np.array([[2.0, 8.0], [np.nan, 5.0]])
    printed = str(SpatialMap(values, property="stellar_age"))
    assert printed == (
        "mass-weighted stellar age, 2 x 2 pixels, 75.0 % with a value: median 5, 16 to 84 % 2.96 to 7.04 Gyr"
    )
    assert str(SpatialMap(np.full((3, 4), np.nan))) == "map, 4 x 3 pixels, none with a value"
    assert "median 5," in str(SpatialMap(values))

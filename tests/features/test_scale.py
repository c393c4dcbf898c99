"""Logarithms and min-max scaling, there and back."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.features import Scale, from_dex, to_dex

tables = arrays(
    np.float32, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=st.floats(-8, 8, width=16)
)


@pytest.mark.filterwarnings("ignore:constant in the whole training set")
@given(tables)
def test_scaling_there_and_back(values):
    scale = Scale.of(values)
    scaled = scale.apply(values)
    assert scaled.dtype == np.float32 and scaled.min() >= 0 and scaled.max() <= 1
    np.testing.assert_allclose(scale.invert(scaled), values, atol=1e-5)


def test_known_values():
    scale = Scale.of(np.array([[-1.0, 5], [3, 7]], np.float32))
    np.testing.assert_array_equal(scale.apply(np.array([[0, 7.0]])), [[0.25, 1]])
    np.testing.assert_array_equal(scale.invert([[0.5, 0.5]]), [[1, 6]])


def test_values_out_of_range_are_not_clipped():
    scale = Scale.of(np.array([0.0, 2], np.float32))
    np.testing.assert_array_equal(scale.apply(np.array([-1.0, 5])), [-0.5, 2.5])
    np.testing.assert_array_equal(scale.invert([-0.5, 2.5]), [-1, 5])


def test_a_constant_column_warns_by_name_and_scales_to_zero():
    values = np.array([[1.0, 4], [2, 4], [3, 4]], np.float32)
    with pytest.warns(DataWarning, match="constant in the whole training set: HE"):
        scale = Scale.of(values, ("IE", "HE"))
    np.testing.assert_array_equal(scale.apply(values)[:, 1], 0)
    np.testing.assert_array_equal(scale.invert(scale.apply(values)), values)


@pytest.mark.parametrize(
    ("low", "high"), [([0.0], [1.0, 2]), ([np.nan], [1.0]), ([0.0], [np.inf]), ([2.0], [1.0]), ([[0]], [[1]])]
)
def test_a_scale_that_is_none_is_refused(low, high):
    with pytest.raises(InputError, match="scale needs"):
        Scale(low, high)


def test_dex_there_and_back():
    values = np.array([1e-30, 0.0234, 1, 1e30])
    dex = to_dex(values)
    assert dex.dtype == np.float32
    np.testing.assert_allclose(dex, [-30, -1.6307841, 0, 30], rtol=1e-6)
    np.testing.assert_allclose(from_dex(dex), values, rtol=2e-5)


def test_what_leaves_float32_is_infinite_without_a_warning():
    assert np.isinf(from_dex([50.0]))[0] and from_dex([-60.0])[0] == 0

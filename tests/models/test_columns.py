"""Columns look like the arrays that they are parts of, however they were chosen."""

import numpy as np
from hypothesis import given, strategies as st

from euclid_resolved.models._columns import Columns

N = 40
ARRAYS = {"a": np.arange(N, dtype=np.float32), "b": np.arange(N, dtype=np.float32) ** 2}


@st.composite
def runs(draw, n=N):
    """Runs of rows, ascending and apart."""
    ends = sorted(draw(st.lists(st.integers(0, n), max_size=8)))
    return list(zip(ends[::2], ends[1::2], strict=False))


def rows_of(some):
    return np.concatenate([np.arange(0), *(np.arange(start, stop) for start, stop in some)]).astype(int)


@given(runs(), st.data())
def test_rows_of_rows_are_those_of_the_arrays(some, data):
    chosen, index = Columns(ARRAYS).rows(some), rows_of(some)
    again = data.draw(runs(len(index)))
    for columns, rows in ((chosen, index), (chosen.rows(again), index[rows_of(again)])):
        assert columns.n_rows == len(rows) and list(columns) == ["a", "b"]
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(columns[name], array[rows])


@given(runs(), st.integers(1, 50))
def test_pieces_hold_every_row_once_and_in_order(some, size):
    columns, done = Columns(ARRAYS).rows(some), 0
    for start, piece in columns.pieces(size):
        n = len(piece["a"])
        assert start == done and 0 < n <= size and np.shares_memory(piece["a"], ARRAYS["a"])
        np.testing.assert_array_equal(piece["b"], columns["b"][start : start + n])
        done += n
    assert done == columns.n_rows


@given(runs(), st.data())
def test_single_rows_are_found(some, data):
    columns = Columns(ARRAYS).rows(some)
    n = columns.n_rows
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))) if n else [], int)
    np.testing.assert_array_equal(columns.take(rows)["b"], columns["b"][rows])


def test_neighbours_are_one_run_and_no_copy():
    columns = Columns(ARRAYS).rows([(3, 5), (5, 5), (5, 9)])
    assert np.shares_memory(columns["a"], ARRAYS["a"]) and len(list(columns.pieces())) == 1
    assert not np.shares_memory(Columns(ARRAYS).rows([(3, 5), (6, 9)])["a"], ARRAYS["a"])


def test_no_columns_have_no_rows():
    nothing = Columns({}).rows([(0, 5)])
    assert nothing == {} and nothing.n_rows == 0 and not list(nothing.pieces())
    assert Columns({}).take(np.array([0, 3])) == {}
    assert Columns(nothing).select(()) == {}
    assert repr(Columns(ARRAYS).select(["b"])) == "<Columns b; 40 rows>"

from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from labeling.expected import Expected, expect
from tests.labeling.examples import CALM

TARGETS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30)


@CALM
@given(targets=TARGETS)
def test_every_answer_of_the_snapshot_is_expected(targets: Any) -> None:
    found = expect(pd.Series(targets, dtype=float))
    assert found.low <= min(targets) <= max(targets) <= found.high
    assert found.close >= 0


def test_the_range_never_crosses_zero_and_never_is_a_point() -> None:
    assert expect(pd.Series([3.0, 90.0])).low == 0
    assert expect(pd.Series([-90.0, -3.0])).high == 0
    assert expect(pd.Series([7.0, 7.0])) == Expected(low=3.5, high=10.5, close=0.0)


def test_one_unlikely_number_is_doubted_and_so_are_two_that_lie_apart() -> None:
    expected = Expected(low=0, high=100, close=10)
    assert expected.clear([99.0])
    assert not expected.clear([101.0])
    assert expected.clear([50.0, 65.0])
    assert not expected.clear([50.0, 75.0])
    assert expected.clear([50.0, 55.0, 1000.0])

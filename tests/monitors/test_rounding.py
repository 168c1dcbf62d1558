from hypothesis import given
from hypothesis import strategies as st

from monitors.rounding import readable


@given(st.floats(-1e6, 1e6), st.floats(0, 1e5))
def test_a_readable_edge_stays_within_its_limits(low: float, width: float) -> None:
    assert low <= readable(low + width / 2, low, low + width) <= low + width


def test_the_smallest_numbers_there_are_can_be_limits() -> None:
    assert readable(2.5e-313, 2.2250738585e-313, 2.22507385857e-313) >= 2.2250738585e-313

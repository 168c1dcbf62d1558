import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitors.membership import assign, inside, satisfies
from records.drift import Estimate
from records.errors import BadData
from records.slice import Between, Condition, OneOf, Slice

NUMBERS = st.one_of(st.just(math.nan), st.sampled_from([-math.inf, -1.5, 0.0, 1.0, 1.5, 2.0, math.inf]))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "A", "nan", "None", "unseen"]))
EDGES = st.one_of(st.none(), st.sampled_from([-1.5, 0.0, 1.0, 2.0]))
CONDITIONS = st.one_of(
    st.builds(Between, st.just("x"), EDGES, EDGES, st.booleans()),
    st.builds(OneOf, st.just("k"), st.lists(st.sampled_from(["", "a", "b", "nan"])).map(tuple), st.booleans()),
)
FRAMES = st.lists(st.tuples(NUMBERS, TEXTS), max_size=12).map(
    lambda rows: pd.DataFrame(
        {"x": np.array([x for x, _ in rows], dtype=np.float64), "k": np.array([k for _, k in rows], dtype=object)}
    )
)


def a_slice(*conditions: Condition) -> Slice:
    return Slice(conditions, 0.1, 0.3, Estimate(3.0, 2.0, 4.0), 0.01, 5)


def by_hand(condition: Condition, x: float, k: str | None) -> bool:
    if isinstance(condition, OneOf):
        return condition.missing if k is None else k in condition.values
    if math.isnan(x):
        return condition.missing
    if condition.low is None and condition.high is None:
        return not condition.missing
    return (condition.low is None or x >= condition.low) and (condition.high is None or x < condition.high)


@given(FRAMES, st.lists(CONDITIONS, max_size=3))
def test_a_row_is_inside_when_it_satisfies_every_condition_read_by_hand(
    frame: pd.DataFrame, conditions: list[Condition]
) -> None:
    expected = [
        all(by_hand(condition, x, k) for condition in conditions) for x, k in zip(frame.x, frame.k, strict=True)
    ]
    assert inside(a_slice(*conditions), frame).tolist() == expected


@given(FRAMES, st.sampled_from([-1.5, 0.0, 1.0, 2.0]))
def test_below_and_above_an_edge_part_the_known_rows(frame: pd.DataFrame, edge: float) -> None:
    below, above = satisfies(Between("x", high=edge), frame), satisfies(Between("x", low=edge), frame)
    missing = satisfies(Between("x", missing=True), frame)
    assert (below.astype(int) + above + missing == 1).all()


@given(FRAMES, st.lists(CONDITIONS, min_size=1, max_size=4))
def test_every_row_goes_to_the_first_slice_it_is_inside_or_to_the_rest(
    frame: pd.DataFrame, conditions: list[Condition]
) -> None:
    slices = [a_slice(condition) for condition in conditions]
    for row, name in enumerate(assign(slices, frame)):
        holding = [slice_.name for slice_ in slices if inside(slice_, frame)[row]]
        assert name == (holding[0] if holding else "rest")


def test_a_slice_without_conditions_holds_every_row_and_without_rows_none() -> None:
    frame = pd.DataFrame({"x": [1.0, math.nan]})
    assert inside(a_slice(), frame).tolist() == [True, True]
    assert inside(a_slice(Between("x", low=0.0)), frame.iloc[:0]).tolist() == []


def test_a_set_without_values_holds_the_missing_rows_alone() -> None:
    frame = pd.DataFrame({"k": np.array(["a", None], dtype=object)})
    assert inside(a_slice(OneOf("k", (), missing=True)), frame).tolist() == [False, True]
    assert inside(a_slice(OneOf("k", ())), frame).tolist() == [False, False]


def test_a_column_that_is_absent_is_named_in_one_sentence() -> None:
    with pytest.raises(BadData, match=r"asks for column 'temp', which is not among \['x'\]"):
        inside(a_slice(Between("temp", low=0.0)), pd.DataFrame({"x": [1.0]}))


@pytest.mark.parametrize("values", [np.array(["1", "2"], dtype=object), np.array([True, False])])
def test_a_column_of_text_or_booleans_cannot_be_compared_with_numbers(values: NDArray[Any]) -> None:
    with pytest.raises(BadData, match="compares column 'x' with numbers"):
        inside(a_slice(Between("x", low=0.0)), pd.DataFrame({"x": values}))


def test_membership_does_not_depend_on_the_index_of_the_frame() -> None:
    frame = pd.DataFrame({"x": [1.0, 5.0, 9.0]}, index=[7, 7, 3])
    parts = [a_slice(Between("x", low=low, high=high)) for low, high in pairwise([0.0, 2.0, 6.0])]
    assert assign(parts, frame).tolist() == ["0 <= x < 2", "2 <= x < 6", "rest"]

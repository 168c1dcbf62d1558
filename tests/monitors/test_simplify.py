import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.membership import meet
from monitors.scan import Totals, log_likelihood_ratio
from monitors.simplify import SLACK, SLACK_SHARE, simplify
from monitors.weighted import Weighted
from records.slice import Between, Condition, OneOf

NUMBERS = st.one_of(st.just(math.nan), st.integers(-20, 20).map(lambda k: k / 4))
TEXTS = st.one_of(st.none(), st.sampled_from("abcde"))
EDGES = st.one_of(st.none(), st.integers(-20, 20).map(lambda k: k / 4))


def samples(cells: list[tuple[float, str | None, float, float]]) -> tuple[Weighted, Weighted]:
    """The same rows with the weights they had before and have now."""
    frame = pd.DataFrame(
        {"x": np.array([x for x, *_ in cells], dtype=float), "k": np.array([k for _, k, *_ in cells], dtype=object)}
    )
    before, now = (np.array([cell[place] for cell in cells], dtype=float) for place in (2, 3))
    return Weighted(frame, before), Weighted(frame, now)


def evidence(conditions: tuple[Condition, ...], before: Weighted, now: Weighted) -> float:
    parts = [sample.weights[meet(conditions, sample.frame)].sum() for sample in (before, now)]
    return float(log_likelihood_ratio(np.array(parts[0]), np.array(parts[1]), Totals(before.total, now.total)))


CELLS = st.lists(st.tuples(NUMBERS, TEXTS, st.integers(1, 30), st.integers(0, 30)), min_size=4, max_size=30)
CONDITIONS = st.tuples(
    st.builds(Between, st.just("x"), EDGES, EDGES, st.booleans()),
    st.builds(
        OneOf, st.just("k"), st.lists(st.sampled_from("abcde"), min_size=1, unique=True).map(tuple), st.booleans()
    ),
)


@given(CELLS, CONDITIONS)
def test_simpler_conditions_cost_little_evidence(
    cells: list[tuple[float, str | None, float, float]], conditions: tuple[Condition, ...]
) -> None:
    before, now = samples(cells)
    given_evidence = evidence(conditions, before, now)
    if math.isfinite(given_evidence):
        simple = simplify(conditions, before, now)
        steps = 4  # a set of categories, a gap, two edges
        allowed = given_evidence - steps * max(SLACK, SLACK_SHARE * given_evidence)
        assert evidence(simple, before, now) >= allowed - 1e-9


def test_an_edge_is_moved_to_the_very_row_and_written_round() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=40_000)})
    before, now = Weighted(frame, np.ones(40_000)), Weighted(frame, np.where(frame.x >= 0.5, 3.0, 1.0))
    assert simplify([Between("x", 0.37)], before, now) == (Between("x", 0.5),)


@pytest.mark.parametrize("missing", [False, True])
def test_a_gap_stays_only_where_it_tells_something(missing: bool) -> None:
    frame = pd.DataFrame({"x": [1.0] * 400 + [5.0] * 400 + [math.nan] * 200})
    denser = (frame.x >= 5) | (frame.x.isna() & missing)
    before, now = Weighted(frame, np.ones(1000)), Weighted(frame, np.where(denser, 3.0, 1.0))
    assert simplify([Between("x", 3.0, missing=True)], before, now) == (Between("x", 5.0, missing=missing),)


def test_rare_categories_that_tell_nothing_are_left_out() -> None:
    frame = pd.DataFrame({"k": ["a"] * 500 + ["b"] * 497 + ["c"] * 3})
    before, now = Weighted(frame, np.ones(1000)), Weighted(frame, np.where(frame.k == "b", 1.0, 3.0))
    assert simplify([OneOf("k", ("a", "c"))], before, now) == (OneOf("k", ("a",)),)

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.choose import draw
from records.errors import BadData
from tests.labeling.examples import CALM

N_REPEATS = 2000


@st.composite
def batches(draw_: st.DrawFn) -> tuple[list[str], Any, Any]:
    n = draw_(st.integers(1, 60))
    strata = draw_(st.lists(st.sampled_from(["a", "b = 1", "rest"]), min_size=n, max_size=n))
    doubt = draw_(st.lists(st.floats(0, 5, allow_subnormal=False), min_size=n, max_size=n))
    return [f"row {i}" for i in range(n)], np.array(strata, dtype=object), np.array(doubt)


KNOBS = {"budget": st.integers(0, 80), "audit_share": st.floats(0, 1), "seed": st.integers(-(2**63), 2**63)}


@CALM
@given(batch=batches(), **KNOBS)
def test_exactly_the_budget_is_drawn_and_no_row_twice(batch: Any, budget: Any, audit_share: Any, seed: Any) -> None:
    asks = draw(*batch, budget=budget, audit_share=audit_share, seed=seed)
    assert len(asks) == min(budget, len(batch[0]))
    assert len({ask.row_key for ask in asks}) == len(asks)
    assert all(0 < ask.inclusion <= 1 for ask in asks)
    stratum = dict(zip(batch[0], batch[1], strict=True))
    assert all(ask.slice == stratum[ask.row_key] for ask in asks)


@CALM
@given(batch=batches(), shuffle=st.randoms(use_true_random=False), **KNOBS)
def test_a_rerun_draws_the_same_rows_in_whatever_order_they_come(
    batch: Any, shuffle: Any, budget: Any, audit_share: Any, seed: Any
) -> None:
    keys, strata, doubt = batch
    order = list(range(len(keys)))
    shuffle.shuffle(order)
    again = ([keys[i] for i in order], strata[order], doubt[order])
    knobs = {"budget": budget, "audit_share": audit_share, "seed": seed}
    assert draw(*batch, **knobs) == draw(*again, **knobs)


@CALM
@given(batch=batches(), data=st.data(), **KNOBS)
def test_rows_that_are_taken_are_never_drawn_and_change_nothing_else(
    batch: Any, data: Any, budget: Any, audit_share: Any, seed: Any
) -> None:
    keys, strata, doubt = batch
    taken = data.draw(st.frozensets(st.sampled_from(keys)))
    left = np.array([key not in taken for key in keys])
    knobs = {"budget": budget, "audit_share": audit_share, "seed": seed}
    rest = ([key for key in keys if key not in taken], strata[left], doubt[left])
    assert draw(*batch, taken=taken, **knobs) == draw(*rest, **knobs)


@CALM
@given(batch=batches(), seed=st.integers(0, 9))
def test_an_audit_of_everything_has_probability_one(batch: Any, seed: Any) -> None:
    asks = draw(*batch, budget=len(batch[0]), audit_share=1.0, seed=seed)
    assert {ask.purpose for ask in asks} == {"audit"}
    assert [ask.inclusion for ask in asks] == pytest.approx([1.0] * len(asks))


@pytest.fixture(scope="module")
def world() -> Any:
    """300 rows in two slices and the rest, each with a loss that the uncertainty predicts badly."""
    rng = np.random.default_rng(5)
    strata = np.array(["carrier = EV"] * 30 + ["hour >= 18"] * 70 + ["rest"] * 200, dtype=object)
    doubt = rng.uniform(0, 0.5, 300)
    loss = doubt + (strata == "carrier = EV") * 2.0 + rng.normal(0, 1, 300)
    return [f"f{i}" for i in range(300)], strata, doubt, loss


@pytest.fixture(scope="module")
def repeats(world: Any) -> Any:
    keys, strata, doubt, _ = world
    return [draw(keys, strata, doubt, budget=40, audit_share=0.5, seed=seed) for seed in range(N_REPEATS)]


@pytest.mark.parametrize("purpose", ["audit", "train"])
def test_every_row_is_drawn_as_often_as_its_recorded_probability_says(world: Any, repeats: Any, purpose: Any) -> None:
    keys = world[0]
    said: dict[str, set[float]] = {key: set() for key in keys}
    times = dict.fromkeys(keys, 0)
    for ask in (ask for asks in repeats for ask in asks if ask.purpose == purpose):
        said[ask.row_key].add(ask.inclusion)
        times[ask.row_key] += 1
    assert all(len(values) <= 1 for values in said.values()), "a probability depends on the seed"
    inclusion = np.array([next(iter(said[key]), 0.0) for key in keys])
    often = np.array([times[key] for key in keys]) / N_REPEATS
    error = np.sqrt(np.maximum(inclusion * (1 - inclusion), 1e-12) / N_REPEATS)
    assert np.max(np.abs(often - inclusion) / error) < 5  # the largest of 300 normal errors exceeds 5 once in 6,000
    assert inclusion.sum() == pytest.approx(20)
    if purpose == "audit":
        assert inclusion.min() > 0
    else:
        assert inclusion[100:].max() == 0


def test_the_mean_over_audit_rows_weighted_by_inclusion_is_unbiased(world: Any, repeats: Any) -> None:
    keys, _, _, loss = world
    by_key = dict(zip(keys, loss, strict=True))
    means = [sum(by_key[a.row_key] / a.inclusion for a in asks if a.purpose == "audit") / 300 for asks in repeats]
    standard_error = np.std(means) / np.sqrt(N_REPEATS)
    assert abs(np.mean(means) - loss.mean()) < 4 * standard_error
    assert standard_error < 0.009
    chosen = [np.mean([by_key[a.row_key] for a in asks if a.purpose == "audit"]) for asks in repeats]
    assert abs(np.mean(chosen) - loss.mean()) > 10 * standard_error, "without weights the mean should be wrong"


def test_the_number_of_audit_rows_stays_near_its_expectation(repeats: Any) -> None:
    counts = [sum(ask.purpose == "audit" for ask in asks) for asks in repeats]
    assert np.mean(counts) == pytest.approx(20, abs=0.1)
    assert min(counts) >= 16
    assert max(counts) <= 24


def test_every_stratum_gets_audit_rows_even_if_nothing_seems_unsure_there() -> None:
    strata = np.array(["a"] * 50 + ["rest"] * 950, dtype=object)
    doubt = np.where(strata == "a", 0.0, 0.5)
    asks = draw([str(i) for i in range(1000)], strata, doubt, budget=40, audit_share=1.0, seed=3)
    assert sum(ask.slice == "a" for ask in asks) in (3, 4)  # the root of its size: half of 40 times .187 is 3.7


def test_train_rows_are_where_the_model_is_unsure() -> None:
    doubt = np.where(np.arange(200) < 20, 0.5, 0.01)
    asks = draw(
        [str(i) for i in range(200)], np.array(["rest"] * 200, dtype=object), doubt, budget=20, audit_share=0.0, seed=1
    )
    assert sum(int(ask.row_key) < 20 for ask in asks) >= 10


def test_the_order_of_asks_tells_nothing_about_their_purpose(repeats: Any) -> None:
    """So the first answers of an unfinished campaign are a random part of it."""
    first_halves = [sum(ask.purpose == "audit" for ask in asks[:20]) for asks in repeats[:1000]]
    assert np.mean(first_halves) == pytest.approx(10, abs=0.25)


def test_a_slice_smaller_than_the_train_part_is_asked_whole_and_the_rest_fills_up() -> None:
    strata = np.array(["a"] * 5 + ["rest"] * 95, dtype=object)
    asks = draw([str(i) for i in range(100)], strata, np.ones(100), budget=20, audit_share=0.25, seed=0)
    assert sum(ask.slice == "a" for ask in asks) == 5
    assert len(asks) == 20


@pytest.mark.parametrize(
    ("keys", "doubt", "sentence"),
    [
        (["a", "a"], [0.1, 0.2], "row key 'a' occurs twice"),
        (["a", "b"], [0.1, float("nan")], "uncertainty of row 'b' is nan"),
        (["a", "b"], [-0.5, 0.2], "uncertainty of row 'a' is -0.5"),
        (["a"], [0.1, 0.2], "got 1 keys, 2 strata"),
    ],
)
def test_bad_rows_are_refused_with_a_sentence(keys: Any, doubt: Any, sentence: Any) -> None:
    with pytest.raises(BadData, match=sentence):
        draw(keys, np.array(["rest", "rest"], dtype=object), np.array(doubt), budget=1, audit_share=0.5, seed=0)


def test_nothing_is_drawn_without_a_budget_or_without_rows() -> None:
    none = np.array([], dtype=object)
    assert draw([], none, np.array([]), budget=5, audit_share=0.5, seed=0) == ()
    assert draw(["a"], np.array(["rest"], dtype=object), np.ones(1), budget=0, audit_share=0.5, seed=0) == ()
    assert (
        draw(
            ["a"],
            np.array(["rest"], dtype=object),
            np.ones(1),
            budget=1,
            audit_share=0.5,
            seed=0,
            taken=frozenset({"a"}),
        )
        == ()
    )


def test_the_reason_names_the_slice() -> None:
    strata = np.array(["hour >= 18"] * 10, dtype=object)
    asks = draw([str(i) for i in range(10)], strata, np.ones(10), budget=10, audit_share=0.5, seed=0)
    assert {ask.reason for ask in asks} == {
        "audit: random row of hour >= 18",
        "train: the model's doubt in hour >= 18",
    }
    assert all(replace(ask, reason="") != ask for ask in asks)


def test_of_rows_that_are_alike_one_is_drawn_and_counts_for_all() -> None:
    keys = [str(i) for i in range(300)]
    alike = [i if i >= 200 else i // 20 for i in range(300)]  # ten heaps of twenty, a hundred single rows
    strata = np.full(300, "rest", dtype=object)
    values = np.where(np.arange(300) < 200, 1.0, 0.0)
    means = []
    for seed in range(300):
        asks = draw(keys, strata, np.ones(300), budget=25, audit_share=1.0, seed=seed, alike=alike)
        assert len({alike[int(ask.row_key)] for ask in asks}) == len(asks) == 25
        means.append(sum(values[int(ask.row_key)] / ask.inclusion for ask in asks) / 300)
    assert abs(np.mean(means) - 2 / 3) < 4 * np.std(means) / np.sqrt(300) + 1e-9
    again = draw(keys, strata, np.ones(300), budget=25, audit_share=1.0, seed=1, alike=alike, taken=frozenset({"0"}))
    assert not any(int(ask.row_key) < 20 for ask in again)  # the heap of row 0 is known
    all_of_them = draw(keys, strata, np.ones(300), budget=300, audit_share=1.0, seed=1, alike=alike)
    assert len(all_of_them) == 300  # so few heaps say too little to leave rows out
    assert {ask.round for ask in draw(keys, strata, np.ones(300), budget=5, audit_share=1.0, seed=1, number=3)} == {3}


def test_rows_are_spread_over_kinds() -> None:
    keys = [str(i) for i in range(400)]
    kinds = np.arange(400) % 8
    asks = draw(keys, np.full(400, "a", dtype=object), np.ones(400), budget=80, audit_share=0.0, seed=2, kinds=kinds)
    counts = np.bincount([kinds[int(ask.row_key)] for ask in asks])
    assert counts.min() >= 9
    assert counts.max() <= 11

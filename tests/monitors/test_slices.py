from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from monitors import scan
from monitors.binning import bin_categories, bin_numbers
from monitors.evidence import Rows, excess_p, holm, share_ratio
from monitors.membership import inside, satisfies
from monitors.scan import Totals, best_intervals, best_sets, log_likelihood_ratio
from monitors.slices import find
from records.schema import Schema
from records.slice import Slice, SliceReport
from records.window import Window
from tests.monitors.rows import rows_of, schema_of

START = datetime(2013, 3, 4, tzinfo=UTC)
SCHEMA = Schema("id", "at", "y", "classification", ("hour", "temp", "wind", "mass"), ("carrier", "sky"), ("no", "yes"))


def rows(n: int, seed: int, *, schema: Schema = SCHEMA) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "hour": rng.integers(0, 24, n).astype(float),
            "temp": rng.normal(15, 8, n),
            "wind": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(5, n)),
            "mass": rng.normal(size=n),
            "carrier": rng.choice(np.array(["AA", "B6", "DL", "EV", "UA"], dtype=object), n),
            "sky": rng.choice(np.array(["clear", "rain", None], dtype=object), n, p=[0.6, 0.3, 0.1]),
        }
    )
    return frame[list(schema.features)].assign(id=[f"{seed}-{k}" for k in range(n)])


def enrich(frame: pd.DataFrame, chosen: Rows, ratio: float, n: int, seed: int) -> pd.DataFrame:
    """Draw `n` rows in which the chosen ones are `ratio` times as dense, without repeating a row."""
    rng = np.random.default_rng(seed)
    keep = np.flatnonzero(chosen | (rng.random(len(frame)) < 1 / ratio))
    return frame.iloc[rng.choice(keep, n, replace=False)].reset_index(drop=True)


def overlap(found: Slice, chosen: Rows, frame: pd.DataFrame) -> float:
    mask = inside(found, frame)
    return float((mask & chosen).sum() / (mask | chosen).sum())


@pytest.mark.parametrize("seed", range(5))
def test_identical_frames_have_no_slice(seed: int) -> None:
    frame = rows(4000, seed)
    assert find(frame, frame, SCHEMA, seed=seed) == ()


def test_fresh_rows_of_the_same_kind_rarely_have_a_slice() -> None:
    found = [find(rows(4000, seed), rows(1500, 100 + seed), SCHEMA, seed=seed) for seed in range(12)]
    assert sum(map(bool, found)) <= 2


def test_a_planted_slice_of_two_conditions_is_named_as_people_write_it() -> None:
    def chosen(frame: pd.DataFrame) -> Rows:
        return np.asarray(((frame.hour >= 18) & frame.carrier.isin(["B6", "EV"])).to_numpy())

    before, pool = rows(8000, 1), rows(12000, 2)
    (found,) = find(before, enrich(pool, chosen(pool), 3.0, 3000, 3), SCHEMA)
    assert found.name == "hour >= 18 and carrier in {B6, EV}"
    assert found.ratio.low < 3.0 / (1 + 2 * chosen(pool).mean()) < found.ratio.high
    assert found.ratio.value == pytest.approx(found.share_current / found.share_reference, rel=1e-12)
    assert found.p_value < 1e-6


def test_a_planted_slice_of_three_conditions_is_recovered() -> None:
    def chosen(frame: pd.DataFrame) -> Rows:
        return np.asarray(((frame.hour < 12) & (frame.temp >= 10) & (frame.sky == "clear")).to_numpy())

    before, pool = rows(8000, 4), rows(20000, 5)
    now = enrich(pool, chosen(pool), 3.0, 4000, 6)
    found = find(before, now, SCHEMA)
    assert overlap(found[0], chosen(now), now) > 0.9
    assert found[0].n_current == inside(found[0], now).sum()


def test_a_planted_hole_is_a_slice_that_shrank_and_nothing_else_is_found() -> None:
    before, pool = rows(8000, 30), rows(20000, 31)
    gone = ((pool.temp < 10) & pool.carrier.isin(["B6", "EV"])).to_numpy()
    now = enrich(pool, ~gone, 4.0, 4000, 32)
    (found,) = find(before, now, SCHEMA)
    assert found.name == "temp < 10 and carrier in {B6, EV}"
    assert found.ratio.high < 0.5
    assert found.contribution == found.share_current - found.share_reference < -0.05
    assert SliceReport("m", Window(START, START + timedelta(days=7)), 1, (found,)).grown == ()


def test_exchanging_the_frames_exchanges_what_grew_and_what_shrank() -> None:
    before, pool = rows(8000, 33), rows(20000, 34)
    denser = np.where(pool.hour >= 20, 3.0, np.where((pool.carrier == "DL") & (pool.sky == "clear"), 0.2, 1.0))
    keep = np.flatnonzero(np.random.default_rng(35).random(len(pool)) < denser / 3)[:5000]
    now = pool.iloc[keep].reset_index(drop=True)
    there, back = find(before, now, SCHEMA), find(now, before, SCHEMA)
    assert [slice_.name for slice_ in there] == ["hour >= 20", "hour < 20 and carrier = DL and sky = clear"]
    assert [slice_.name for slice_ in back] == ["hour < 20 and carrier = DL and sky = clear", "hour >= 20"]
    for one, other in zip(there, reversed(back), strict=True):
        assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
        assert one.contribution == pytest.approx(-other.contribution)
        assert [one.ratio.value, one.ratio.low, one.ratio.high] == pytest.approx(
            [1 / other.ratio.value, 1 / other.ratio.high, 1 / other.ratio.low]
        )


def test_examples_are_keys_of_rows_inside() -> None:
    before, pool = rows(6000, 36), rows(9000, 37)
    now = enrich(pool, (pool.hour >= 20).to_numpy(), 3.0, 3000, 38)
    (found,) = find(before, now, SCHEMA)
    assert len(set(found.examples)) == 3
    assert set(found.examples) <= set(now["id"][now.hour >= 20])
    assert found.examples == find(before, now, SCHEMA)[0].examples


def test_where_the_batch_has_no_row_left_the_examples_are_of_the_reference() -> None:
    before, pool = rows(6000, 39), rows(6000, 40)
    now = pool[pool.carrier != "EV"].reset_index(drop=True)
    (found,) = find(before, now, SCHEMA)
    assert (found.name, found.share_current, found.ratio.value, found.n_current) == ("carrier = EV", 0.0, 0.0, 0)
    assert set(found.examples) <= set(before["id"][before.carrier == "EV"])
    assert len(found.examples) == 3


def test_a_column_that_drifted_as_a_whole_does_not_hide_a_slice_of_others() -> None:
    before, pool = rows(8000, 41), rows(12000, 42)
    now = enrich(pool, ((pool.hour >= 18) & pool.carrier.isin(["B6", "EV"])).to_numpy(), 3.0, 3000, 43)
    now["temp"] += 100
    (found,) = find(before, now, SCHEMA)
    assert found.name == "hour >= 18 and carrier in {B6, EV}"


def test_slices_are_nearly_disjoint() -> None:
    def one(frame: pd.DataFrame) -> Rows:
        return np.asarray(((frame.hour >= 20) & (frame.temp < 10)).to_numpy())

    def two(frame: pd.DataFrame) -> Rows:
        return np.asarray(((frame.carrier == "DL") & (frame.mass >= 0.8)).to_numpy())

    before, pool = rows(8000, 7), rows(20000, 8)
    now = enrich(pool, one(pool) | two(pool), 4.0, 4000, 9)
    found = find(before, now, SCHEMA)
    assert len(found) == 2
    masks = [inside(slice_, now) for slice_ in found]
    assert (masks[0] & masks[1]).sum() <= 0.5 * masks[1].sum()
    assert (
        sorted(max(overlap(slice_, planted(now), now) for slice_ in found) > 0.85 for planted in (one, two))
        == [True] * 2
    )


def test_at_most_as_many_slices_as_asked_for_are_returned() -> None:
    before, pool = rows(6000, 10), rows(9000, 11)
    now = enrich(pool, (pool.carrier.isin(["DL"]) | (pool.hour >= 22)).to_numpy(), 5.0, 2500, 12)
    assert len(find(before, now, SCHEMA, most=1)) == 1


def test_a_category_nobody_had_seen_is_a_slice_with_an_infinite_ratio() -> None:
    now = rows(2000, 13)
    now.loc[:199, "carrier"] = "ZZ"
    (found,) = find(rows(6000, 14), now, SCHEMA)
    assert found.name == "carrier = ZZ"
    assert (found.share_reference, found.ratio.value, found.ratio.high) == (0.0, np.inf, np.inf)
    assert found.n_current == 200


def test_missing_values_and_values_beyond_the_range_can_be_a_slice() -> None:
    now = rows(2000, 15)
    now.loc[:299, "temp"] = np.nan
    assert [slice_.name for slice_ in find(rows(6000, 16), now, SCHEMA)] == ["temp is missing"]
    now = rows(2000, 15)
    now.loc[:299, "hour"] = 30.0
    (found,) = find(rows(6000, 16), now, SCHEMA)
    assert inside(found, now).tolist() == [True] * 300 + [False] * 1700


def test_what_covers_most_of_the_batch_is_no_slice_but_the_rest_that_shrank_is() -> None:
    before, pool = rows(6000, 17), rows(9000, 18)
    now = enrich(pool, (pool.sky == "clear").to_numpy(), 2.0, 3000, 19)
    assert (now.sky == "clear").mean() > 0.7
    (found,) = find(before, now, SCHEMA)
    assert (found.name, found.contribution < 0) == ("sky in {rain, missing}", True)


def test_the_same_seed_finds_the_same_slices_and_changes_no_frame() -> None:
    before, pool = rows(5000, 20), rows(9000, 21)
    now = enrich(pool, (pool.hour >= 20).to_numpy(), 3.0, 2000, 22)
    copies = before.copy(), now.copy()
    assert find(before, now, SCHEMA, seed=3) == find(before, now, SCHEMA, seed=3) != ()
    pd.testing.assert_frame_equal(before, copies[0])
    pd.testing.assert_frame_equal(now, copies[1])


def test_constant_missing_infinite_and_tiny_frames_have_no_slice() -> None:
    odd = rows(400, 23)
    odd["temp"], odd["wind"], odd["sky"] = 1.0, np.nan, None
    odd.loc[::2, "mass"] = np.inf
    assert find(odd, odd, SCHEMA) == ()
    assert find(odd, odd.iloc[:1], SCHEMA) == find(odd.iloc[:0], odd, SCHEMA) == ()


COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=7)


@given(COUNTS)
def test_no_interval_gains_more_than_the_one_chosen(cells: list[tuple[int, int]]) -> None:
    before, now = np.array(cells, dtype=float).T
    totals = Totals(before.sum() + 40, now.sum() + 9)
    best = best_intervals(before[None], now[None], totals)[0]
    n = len(cells) - 1
    for low, high in combinations(range(n + 1), 2):
        for missing in (False, True):
            keep = np.append((np.arange(n) >= low) & (np.arange(n) < high), missing)
            llr = float(log_likelihood_ratio(before[keep].sum(), now[keep].sum(), totals))
            penalty = scan.PENALTY_CONDITION + scan.PENALTY_TWO_SIDED * (low > 0 and high < n)
            assert best.llr - best.penalty >= llr - penalty - scan.PENALTY_CATEGORY * missing - 1e-9


@given(COUNTS)
def test_no_set_of_categories_has_a_larger_ratio_statistic_than_the_best_prefix(cells: list[tuple[int, int]]) -> None:
    before, now = np.array([*cells, (5, 50), (0, 0)], dtype=float).T
    totals = Totals(before.sum() + 40, now.sum() + 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "PENALTY_CATEGORY", 0.0)
        best = best_sets(before[None], now[None], totals)[0]
    assert not best.keep[-2]
    subsets = chain.from_iterable(combinations(range(len(cells)), size) for size in range(1, len(cells) + 1))
    assert (
        best.llr
        >= max(
            float(log_likelihood_ratio(before[list(subset)].sum(), now[list(subset)].sum(), totals))
            for subset in subsets
        )
        - 1e-9
        or best.llr == -np.inf
    )


VALUES = st.lists(st.one_of(st.just(np.nan), st.integers(-40, 400).map(lambda k: k / 8)), min_size=2, max_size=40)


@given(VALUES, VALUES, st.randoms(use_true_random=False))
def test_the_condition_of_a_few_valued_column_selects_the_rows_of_its_codes(
    before: list[float], now: list[float], random: Random
) -> None:
    frame = pd.DataFrame({"x": [*before, *now]})
    binning = bin_numbers("x", frame.x.iloc[: len(before)], frame.x.iloc[: len(before)])
    low, high = sorted(random.sample(range(binning.n_codes), 2)) if binning.n_codes > 2 else (0, 1)
    keep = np.append(
        (np.arange(binning.n_codes - 1) >= low) & (np.arange(binning.n_codes - 1) < high), random.random() < 0.5
    )
    head = frame.iloc[: len(before)]
    everything = keep[:-1].all() and keep[-1]
    if not everything:  # no condition says "known or missing", and none is needed
        assert satisfies(binning.condition(keep), head).tolist() == keep[binning.encode(head.x)].tolist()


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefg")), min_size=1, max_size=30), st.integers(0, 2**9 - 1))
def test_the_condition_of_a_categorical_column_selects_the_rows_of_its_codes(
    values: list[str | None], bits: int
) -> None:
    column = pd.Series(np.array([*values, "a"], dtype=object), name="k")
    binning = bin_categories("k", column, column)
    keep = np.array([bits >> code & 1 for code in range(binning.n_codes)], dtype=bool)
    keep[-2] = False
    assert satisfies(binning.condition(keep), column.to_frame()).tolist() == keep[binning.encode(column)].tolist()


@given(st.integers(0, 20), st.integers(1, 20), st.integers(0, 15), st.integers(1, 15))
def test_without_known_slices_the_excess_is_tested_as_fisher_does(
    inside_before: int, outside_before: int, inside_now: int, outside_now: int
) -> None:
    before = np.arange(inside_before + outside_before) < inside_before
    now = np.arange(inside_now + outside_now) < inside_now
    table = [[inside_now, outside_now], [inside_before, outside_before]]
    assert excess_p(before, now) == pytest.approx(max(1e-15, fisher_exact(table, alternative="greater").pvalue))


def test_what_a_known_slice_explains_is_no_evidence() -> None:
    rng = np.random.default_rng(24)
    alone, given_known = [], []
    for _ in range(200):
        known, known_now = rng.random(400) < 0.1, rng.random(200) < 0.6
        echo, echo_now = known & (rng.random(400) < 0.8), known_now & (rng.random(200) < 0.8)
        alone.append(excess_p(echo, echo_now))
        given_known.append(excess_p(echo, echo_now, [known], [known_now]))
    assert max(alone) < 0.001
    assert np.mean(np.array(given_known) < 0.05) <= 0.1  # 0.05 promised, 200 draws


@given(st.lists(st.floats(0, 1), max_size=6))
def test_adjusted_p_values_keep_their_order_and_never_shrink(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(1 >= after >= before for before, after in zip(p_values, adjusted, strict=True))
    ranked = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


def test_the_ratio_of_shares_is_exact_at_its_limits() -> None:
    none, some = np.zeros(100, dtype=bool), np.arange(50) < 10
    assert np.isnan(share_ratio(none, none).value)
    assert share_ratio(none, some).value == share_ratio(none, some).high == np.inf
    assert share_ratio(np.arange(100) < 10, np.zeros(50, dtype=bool)).low == 0.0


def test_what_only_one_day_was_like_is_no_slice_and_what_every_day_was_like_is() -> None:
    """Weather that half the rows of one day of a week share, against a category that grew on every day."""
    before, now = rows_of(56, seed=0, per_day=200), rows_of(7, seed=1, per_day=200)
    schema = schema_of()
    now.loc[now.index[:100], "x0"] = 2.5
    assert find(before, now, schema, seed=3) == ()
    grown = now.sample(frac=1, random_state=0).index[:300]
    now.loc[grown, "carrier"] = "AA"
    assert [slice_.name for slice_ in find(before, now, schema, seed=3)][:1] == ["carrier = AA"]

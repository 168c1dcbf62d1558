from datetime import UTC, datetime
from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeling.agreement import alpha
from labeling.anchoring import anchoring, suggested
from labeling.proportions import difference, share
from labeling.quality import annotators, shrunk
from records.label import Annotation, Ask
from tests.labeling.examples import CALM, NUMBER, TWO

NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)
COUNTS = st.lists(
    st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=8
)


def said(row: str, who: str, answer: str | None, seconds: float = nan) -> Annotation:
    return Annotation(hash((row, who)) % 10**9, 1, row, who, answer, NOON, seconds)


@CALM
@given(counts=COUNTS)
@example(counts=[(0, 20), (31, 31), (0, 0), (32, 32), (9, 22)])
def test_shrinkage_lies_between_a_persons_own_share_and_the_groups(counts: Any) -> None:
    asked = sum(n for _, n in counts)
    for (right, n), found in zip(counts, shrunk(counts), strict=True):
        if not asked:
            assert isnan(found.value)
            continue
        mean = sum(right for right, _ in counts) / asked
        own = right / n if n else mean
        assert min(own, mean) - 1e-12 <= found.value <= max(own, mean) + 1e-12
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_one_person_alone_keeps_their_share_and_a_person_borrows_no_more_than_the_others_have() -> None:
    assert shrunk([(3, 4)]) == (share(3, 4),)
    low, high = shrunk([(8, 10), (9, 10)])
    assert [low.value, high.value] == pytest.approx([0.825, 0.875]), "half own, half the group's 0.85"


def test_people_who_really_differ_are_not_drawn_together() -> None:
    good, bad = shrunk([(190, 200), (110, 200)])
    assert (round(good.value, 2), round(bad.value, 2)) == (0.95, 0.55)


def test_shrunk_shares_are_nearer_to_the_truth_than_peoples_own() -> None:
    rng = np.random.default_rng(0)
    own_error, shrunk_error = 0.0, 0.0
    for _ in range(200):
        skill = rng.beta(16, 4, size=6)
        asked = rng.integers(3, 25, size=6)
        right = rng.binomial(asked, skill)
        own_error += float(((right / asked - skill) ** 2).sum())
        found = np.array([one.value for one in shrunk(list(zip(right.tolist(), asked.tolist(), strict=True)))])
        shrunk_error += float(((found - skill) ** 2).sum())
    assert shrunk_error / own_error == pytest.approx(0.50, abs=0.01)


def test_wilsons_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.05, 0.95, size=4000)
    found = [share(int(hits), 30) for hits in rng.binomial(30, truth)]
    covered = np.mean([one.low <= p <= one.high for one, p in zip(found, truth, strict=True)])
    assert covered == pytest.approx(0.95, abs=0.01)


def test_a_share_of_nothing_is_undefined_and_so_is_what_it_differs_by() -> None:
    assert isnan(share(0, 0).value)
    assert isnan(difference(share(1, 2), share(0, 0)).value)


def test_skips_ties_and_lead_times_are_counted_as_what_they_are() -> None:
    people = annotators(
        [
            said("r1", "ada", "late", 4.0),
            said("r1", "ben", "late", 9.0),
            said("r1", "cem", "on time"),
            said("r2", "ada", None, 2.0),
            said("r3", "ada", "late", 6.0),
        ],
        TWO,
        gold={"r3": "late", "r1": "on time"},
    )
    ada, ben, cem = people
    assert (ada.n_answered, ada.n_skipped, ada.lead_time_seconds) == (2, 1, 4.0)
    assert (ada.n_shared, ben.n_shared) == (0, 0), "late and on time tie: the others have no answer"
    assert (cem.n_shared, cem.agreement, cem.n_answered) == (1, 0.0, 1)
    assert (ada.n_gold, ben.n_gold, cem.n_gold) == (2, 1, 1)
    assert isnan(cem.lead_time_seconds)
    assert isnan(ada.agreement)


def test_numbers_agree_with_the_others_median_if_they_are_close() -> None:
    words = [said("r1", who, answer) for who, answer in (("ada", "10"), ("ben", "12"), ("cem", "30"))]
    assert [one.agreement for one in annotators(words, NUMBER, gold={}, close=12)] == [1.0, 1.0, 0.0]
    assert [one.agreement for one in annotators(words, NUMBER, gold={}, close=9)] == [0.0, 1.0, 0.0]


def test_alpha_of_krippendorffs_own_example() -> None:
    """Krippendorff 2011, "Computing Krippendorff's alpha-reliability", part D: four observers, missing data."""
    table = {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
    words = [said(f"u{i}", who, str(value)) for who, row in table.items() for i, value in enumerate(row) if value]
    five = type(TWO)("id", "t", "k", "classification", (), (), classes=tuple("12345"))
    assert alpha(words, five) == pytest.approx(0.743, abs=0.0005)
    assert alpha(words, NUMBER) == pytest.approx(0.849, abs=0.0005)


def test_alpha_is_undefined_where_nobody_shares_a_row_or_all_say_the_same() -> None:
    assert isnan(alpha([said("r1", "ada", "late"), said("r2", "ben", "late")], TWO))
    assert isnan(alpha([said("r1", "ada", "late"), said("r1", "ben", "late")], TWO))
    assert isnan(alpha([], NUMBER))


def test_alpha_of_many_numbers_takes_no_time() -> None:
    rng = np.random.default_rng(2)
    words = [
        said(f"r{i}", who, repr(float(value + rng.normal())))
        for i, value in enumerate(rng.normal(size=3000))
        for who in "ab"
    ]
    assert alpha(words, NUMBER) == pytest.approx(0.5, abs=0.04)


def test_about_the_asked_share_is_suggested_and_more_share_only_adds_rows() -> None:
    keys = [f"r{i}" for i in range(5000)]
    some, more = ({key for key in keys if suggested(key, share=s)} for s in (0.3, 0.6))
    assert some < more
    assert len(some) / 5000 == pytest.approx(0.3, abs=0.02)


@CALM
@given(pull=st.sampled_from([0.0, 0.2, 0.5]), seed=st.integers(0, 50))
def test_a_crowd_that_follows_suggestions_is_found_out(pull: Any, seed: Any) -> None:
    """People agree with the model in 70 % of rows by themselves, and take its word in `pull` of what they see."""
    rng = np.random.default_rng(seed)
    asks = [
        Ask(f"r{i}", "audit", 0.5, "rest", "audit", prediction="late", suggested=suggested(f"r{i}", share=0.5))
        for i in range(1000)
    ]
    words = []
    for ask in asks:
        follows = rng.uniform() < (0.7 + 0.3 * pull if ask.suggested else 0.7)
        words.append(said(ask.row_key, "ada", "late" if follows else "on time"))
    found = anchoring(words, asks, TWO)
    assert found.n_suggested + found.n_blind == 1000
    assert found.bias.value == pytest.approx(0.3 * pull, abs=0.12)
    assert found.bias.low <= found.bias.value <= found.bias.high
    assert found.overrides.value == pytest.approx(0.3 - 0.3 * pull, abs=0.08)


def test_without_suggestions_the_bias_is_undefined() -> None:
    found = anchoring([said("r1", "ada", "late")], [Ask("r1", "audit", 0.5, "rest", "a", prediction="late")], TWO)
    assert (found.n_suggested, found.n_blind) == (0, 1)
    assert isnan(found.bias.value)

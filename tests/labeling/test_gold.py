from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labeling.gold import draw_gold, mix
from records.label import Ask
from tests.labeling.examples import CALM

KNOWN = {f"h{i}": "late" if i % 10 == 0 else "on time" for i in range(200)}
CLASSES = ("on time", "late")


def test_rare_classes_are_drawn_as_often_as_common_ones() -> None:
    drawn = draw_gold(KNOWN, n=20, classes=CLASSES, taken=(), seed=3)
    assert Counter(KNOWN[ask.row_key] for ask in drawn) == {"on time": 10, "late": 10}
    assert {(ask.purpose, ask.inclusion, ask.slice) for ask in drawn} == {("gold", 1.0, "rest")}


def test_numbers_are_drawn_from_all_over() -> None:
    known = {f"h{i}": repr(float(i**2)) for i in range(100)}
    drawn = draw_gold(known, n=8, classes=(), taken=(), seed=3)
    assert Counter(int(ask.row_key[1:]) // 25 for ask in drawn) == {0: 2, 1: 2, 2: 2, 3: 2}


@CALM
@given(n=st.integers(-1, 300), seed=st.integers(0, 9), shuffle=st.randoms(use_true_random=False))
def test_no_row_is_drawn_twice_and_the_order_of_the_holdout_does_not_matter(n: Any, seed: Any, shuffle: Any) -> None:
    taken = {"h1", "h10"}
    items = list(KNOWN.items())
    shuffle.shuffle(items)
    drawn = draw_gold(dict(items), n=n, classes=CLASSES, taken=taken, seed=seed)
    keys = [ask.row_key for ask in drawn]
    assert drawn == draw_gold(KNOWN, n=n, classes=CLASSES, taken=taken, seed=seed)
    assert len(set(keys)) == len(keys) == min(max(n, 0), 198)
    assert not taken.intersection(keys)


@CALM
@given(n=st.integers(0, 30), seed=st.integers(0, 9))
def test_the_other_rows_keep_their_order_when_gold_is_mixed_in(n: Any, seed: Any) -> None:
    asks = [Ask(f"r{i}", "audit", 0.5, "rest", "audit") for i in range(60)]
    mixed = mix(asks, draw_gold(KNOWN, n=n, classes=CLASSES, taken=(), seed=seed), seed=seed)
    assert [ask for ask in mixed if ask.purpose != "gold"] == asks
    assert len(mixed) == 60 + n


def test_gold_is_spread_over_the_whole_list() -> None:
    asks = [Ask(f"r{i}", "audit", 0.5, "rest", "audit") for i in range(600)]
    mixed = mix(asks, draw_gold(KNOWN, n=60, classes=CLASSES, taken=(), seed=1), seed=1)
    places = [i for i, ask in enumerate(mixed) if ask.purpose == "gold"]
    assert Counter(place // 165 for place in places) == {0: 16, 1: 18, 2: 10, 3: 16}

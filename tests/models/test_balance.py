import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.balance import balanced


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(0, 99))
def test_the_sum_of_the_weights_stays_and_none_becomes_negative(answers: list[str], seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(0.1, 2, len(answers))
    found = balanced(np.array(answers), weights)
    assert np.isclose(found.sum(), weights.sum())
    assert (found >= 0).all()


def test_classes_weigh_the_same_together() -> None:
    answers = np.array(["a"] * 30 + ["b"] * 3)
    found = balanced(answers, np.ones(33))
    assert np.isclose(found[:30].sum(), found[30:].sum())


def test_a_class_of_no_weight_gets_none_and_a_single_row_does_not_stand_for_half_the_world() -> None:
    answers = np.array(["a"] * 1000 + ["b", "c"])
    found = balanced(answers, np.array([1.0] * 1001 + [0.0]))
    assert found[1001] == 0
    assert found[1000] / found[0] < 101

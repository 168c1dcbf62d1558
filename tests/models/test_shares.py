from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.choice import Candidate, Trial, correctors
from models.judges import Judges
from models.past import is_past
from models.recipe import LIGHT, LIGHT_MOVED, RECIPES, SNAPSHOT
from models.shares import shares
from records.schema import Schema

NUMBERS = Schema("id", "at", "y", "regression", ("x",), ())
ALONE = next(recipe for recipe in RECIPES if recipe.name == "labels alone")


def trials_of(
    new_error: float, steady_error: float, n: int, *, n_latest: int = 0, seed: int = 0
) -> tuple[list[Trial], Judges]:
    """Candidates off by a constant on labels; on 200 old rows those of the snapshot are right and new ones off by 1."""
    noise = np.random.default_rng(seed).normal(0, 0.1, n)
    old = np.zeros(200)
    ages = np.where(np.arange(n) < n_latest, 0.0, 9.0)
    judging = Judges(noise, np.ones(n), ages, old, np.ones(200), NUMBERS, "squared", np.ones(200))
    return [
        Trial(Candidate(SNAPSHOT, "linear"), np.full(n, 0.6), old),
        Trial(Candidate(LIGHT_MOVED, "linear"), np.full(n, steady_error), old + 0.5),
        Trial(Candidate(ALONE, "linear"), np.full(n, new_error), old + 1),
    ], judging


@given(st.integers(2, 400), st.floats(0, 2), st.floats(0, 2), st.integers(0, 9))
def test_shares_sum_to_one_and_none_is_negative(n: int, new: float, steady: float, seed: int) -> None:
    trials, judging = trials_of(new, steady, n, seed=seed)
    found = shares(trials, trials, judging)
    assert abs(found.sum() - 1) < 1e-9
    assert (found >= 0).all()


def test_few_labels_leave_half_of_the_average_steady() -> None:
    trials, judging = trials_of(0.0, 0.1, 15)
    assert shares(trials, trials, judging)[1] >= 0.5


def test_a_steady_candidate_that_does_not_suit_goes_and_the_others_share_evenly() -> None:
    trials, judging = trials_of(0.0, 0.1, 15)
    alone = Trial(Candidate(SNAPSHOT, "boosting"), np.full(15, 2.0), np.full(200, 2.0))
    unfit = Trial(Candidate(LIGHT, "boosting"), np.zeros(15), np.full(200, 2.0))  # labels alone would keep it
    fit = Trial(Candidate(LIGHT, "linear"), np.full(15, -0.1), np.full(200, -0.5))
    found = shares([*trials, unfit, fit], [*trials, alone], judging)
    assert found[3] == 0
    assert min(found[1], found[4]) >= 0.25


def test_many_clear_labels_have_the_whole_average() -> None:
    trials, judging = trials_of(0.0, 1.0, 2_000)
    found = shares(trials, trials, judging)
    assert found[1] == 0
    assert found[2] > 0.8


@pytest.mark.parametrize(("n_latest", "past"), [(0, False), (19, False), (20, True), (40, True)])
def test_where_the_snapshots_model_fails_on_the_latest_labels_nothing_is_steady(n_latest: int, past: bool) -> None:
    trials, judging = trials_of(0.0, 0.02, 40, n_latest=n_latest)
    assert is_past(trials, judging) == past
    assert (shares(trials, trials, judging)[1] < 0.5) == past


def test_old_rows_that_are_unlike_the_labels_show_nothing_and_those_like_them_count() -> None:
    """Half of the old rows are lost on as much as the labels are: where these are like them, nothing has changed."""
    trials, judging = trials_of(0.0, 0.02, 40, n_latest=40)
    old = np.where(np.arange(200) < 100, 0.6, 0.0)
    judging = replace(judging, old=old)
    assert is_past(trials, judging)
    assert not is_past(trials, replace(judging, likeness=np.where(old > 0, 2.0, 0.0)))
    assert not is_past(trials, replace(judging, likeness=np.full(200, 0.2)))
    assert not is_past(trials, replace(judging, likeness=np.empty(0)))


@pytest.mark.parametrize(("held", "past"), [((2,), False), ((3, 4), True), ((), True)])
def test_a_snapshot_that_came_back_once_is_not_past(held: tuple[int, ...], past: bool) -> None:
    """Of five windows of 30 labels it fails in all but those, numbered by age; one that held first never came back."""
    trials, judging = trials_of(0.0, 0.02, 150)
    judging = replace(judging, ages=np.repeat(np.arange(5.0), 30))
    trials[0] = replace(trials[0], on_labels=np.where(np.isin(judging.ages, held), judging.labels, 0.6))
    assert is_past(trials, judging) == past


def test_one_label_of_great_weight_is_one_label() -> None:
    trials, judging = trials_of(0.0, 0.02, 40, n_latest=40)
    assert not is_past(trials, replace(judging, label_weights=np.where(np.arange(40) == 0, 100.0, 1.0)))


def test_a_snapshot_of_which_no_row_holds_is_past() -> None:
    trials, judging = trials_of(0.0, 0.0, 40)
    none = np.zeros(0)
    assert is_past(trials, replace(judging, old=none, old_weights=none))


def test_where_no_steady_candidate_may_be_chosen_the_others_are_all_of_it() -> None:
    trials, judging = trials_of(0.0, 0.0, 50)
    assert abs(shares([trials[0], trials[2]], trials, judging).sum() - 1) < 1e-9


def test_a_label_that_was_hard_to_draw_counts_more_in_the_choice() -> None:
    """Two candidates are each right on half of the labels; the weights of those decide."""
    said = np.repeat([0.0, 1.0], 200)
    old = np.zeros(200)
    trials = [
        Trial(Candidate(SNAPSHOT, "linear"), said, old),
        Trial(Candidate(ALONE, "linear"), 1 - said, old),
    ]
    for heavy, best in ((0, 0), (1, 1)):
        weights = np.where(np.repeat([0, 1], 200) == heavy, 20.0, 1.0)
        judging = Judges(np.zeros(400), weights, np.full(400, 9.0), old, np.ones(200), NUMBERS, "squared")
        found = shares(trials, trials, judging)
        assert found.argmax() == best


def test_boosting_corrects_only_where_there_is_no_other() -> None:
    assert correctors(("extra_trees", "linear", "boosting")) == ["extra_trees", "linear"]
    assert correctors(("boosting",)) == ["boosting"]

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitors.decay import causes, estimate, say, verdict
from monitors.likeness import Likeness, measure
from monitors.loss_change import Labelled, split, within
from records.decay import Decay, SliceDecay
from records.drift import Estimate
from records.errors import BadData, BadSettings
from records.schema import Schema
from records.window import Window

SCHEMA = Schema("id", "at", "y", "classification", ("a", "b"), ("k",), ("0", "1"))
WEEK = Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC))
NAMES: dict[str, Any] = {"model": "delay", "window": WEEK, "generation": 1, "loss": "zero_one"}
DECAY = Decay(
    **NAMES,
    baseline=0.2,
    total=Estimate(0.03, 0.01, 0.05),
    covariate=Estimate(0.01, 0.0, 0.02),
    concept=Estimate(0.02, 0.0, 0.04),
    n_labels=300,
    effective_share=0.9,
    unsupported_share=0.0,
    sentence="",
)


def rows(n: int, shift: float, rng: np.random.Generator) -> pd.DataFrame:
    k = rng.choice(np.array(["u", "v", None], dtype=object), n)
    return pd.DataFrame({"a": rng.normal(shift, 1, n), "b": rng.normal(size=n), "k": k})


def chance_of_error(frame: pd.DataFrame, changed: bool) -> NDArray[np.float64]:
    return np.where(changed & (frame.b > 0.5), 0.6, 1 / (1 + np.exp(2.0 - 1.2 * frame.a)))


def measured(*, shift: float = 0.0, changed: bool = False, n_labels: int = 400, seed: int = 0) -> Decay:
    rng = np.random.default_rng(seed)
    holdout, batch = rows(2500, 0.0, rng), rows(1500, shift, rng)
    losses = (rng.random(2500) < chance_of_error(holdout, False)).astype(float)
    labelled = rng.choice(1500, n_labels, replace=False)
    answers = (rng.random(1500) < chance_of_error(batch, changed)).astype(float)
    share = np.full(n_labels, max(n_labels, 1) / 1500)
    return estimate(holdout, losses, batch, labelled, answers[labelled], share, SCHEMA, **NAMES, seed=seed)


def covers(part: Estimate, truth: float) -> bool:
    return part.low <= truth <= part.high


def test_without_drift_the_parts_cover_zero_and_harm_is_rarely_called() -> None:
    draws = [measured(seed=seed) for seed in range(8)]
    for part in ("total", "covariate", "concept"):
        assert sum(covers(getattr(decay, part), 0) for decay in draws) >= 6  # fewer has probability 0.6 %
    assert sum(verdict(decay, tolerance=0.01) == "harm" for decay in draws) <= 2
    assert min(decay.effective_share for decay in draws) > 0.9
    assert {decay.unsupported_share for decay in draws} == {0.0}


def test_rows_that_moved_are_called_covariate() -> None:
    decay = measured(shift=0.9, seed=1)
    assert decay.covariate.low > 0
    assert covers(decay.concept, 0)
    assert verdict(decay, tolerance=0.01) == "harm"
    assert "rows moved to where the model was always worse" in decay.sentence


def test_answers_that_changed_are_called_concept() -> None:
    decay = measured(changed=True, seed=2)
    assert decay.concept.low > 0.05
    assert covers(decay.covariate, 0)
    assert decay.sentence.startswith("On 2013-03-04 to 2013-03-11 the zero-one loss rose by 0.1")


def test_total_is_covariate_plus_concept() -> None:
    decay = measured(shift=0.4, changed=True, n_labels=60, seed=3)
    assert decay.total.value == pytest.approx(decay.covariate.value + decay.concept.value, abs=1e-14)


def test_the_same_seed_gives_the_same_decay() -> None:
    assert measured(seed=4, n_labels=20) == measured(seed=4, n_labels=20)


@pytest.mark.parametrize("n_labels", [0, 4])
def test_under_five_labels_only_the_covariate_part_is_known(n_labels: int) -> None:
    decay = measured(n_labels=n_labels, seed=5)
    assert np.isnan([decay.total.value, decay.total.low, decay.concept.value, decay.concept.high]).all()
    assert covers(decay.covariate, 0)
    assert f"only {n_labels} audit labels are in, fewer than the 5 an interval needs" in decay.sentence
    assert verdict(decay, tolerance=0.01) == "unclear"


def test_rows_unlike_the_snapshot_are_counted_and_said() -> None:
    decay = measured(shift=6.0, seed=6)
    assert decay.unsupported_share > 0.9
    assert "have no like in the snapshot" in decay.sentence
    assert decay.effective_share < 0.3


def test_a_batch_of_a_few_rows_has_a_total_but_no_parts() -> None:
    rng = np.random.default_rng(7)
    holdout, batch, answers = rows(200, 0.0, rng), rows(8, 0.0, rng), np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    decay = estimate(holdout, np.tile([0.0, 1.0], 100), batch, np.arange(6), answers, np.full(6, 0.75), SCHEMA, **NAMES)
    assert decay.total.value == pytest.approx(4 / 6 - 0.5)
    assert np.isnan([decay.covariate.value, decay.concept.value, decay.effective_share]).all()
    assert decay.sentence.endswith("with too few rows to say why.")


def test_columns_that_are_constant_or_missing_do_not_stop_it() -> None:
    rng = np.random.default_rng(8)
    holdout, batch = rows(200, 0.0, rng), rows(100, 0.0, rng)
    odd = [frame.assign(a=np.nan, b=1.0, k=pd.Series([None] * len(frame), dtype=object)) for frame in (holdout, batch)]
    likeness = measure(odd[0], np.tile([0.0, 1.0], 100), odd[1], SCHEMA, seed=0)
    assert likeness.weights == pytest.approx(np.ones(200), abs=0.15)
    assert likeness.expected_batch == pytest.approx(np.full(100, 0.5), abs=0.05)


def test_weights_move_the_holdout_to_where_the_batch_is() -> None:
    rng = np.random.default_rng(9)
    holdout, batch = rows(3000, 0.0, rng), rows(2000, 0.7, rng)
    likeness = measure(holdout, np.zeros(3000), batch, SCHEMA, seed=0)
    assert likeness.weights.mean() == pytest.approx(1.0)
    assert np.average(holdout.a, weights=likeness.weights) == pytest.approx(0.7, abs=0.15)
    assert likeness.expected_batch.tolist() == [0.0] * 2000


def even(labelled: NDArray[np.int64], losses: NDArray[np.float64], inclusion: NDArray[np.float64], n: int) -> Labelled:
    """Labelled rows of a batch of `n` in one stratum."""
    return Labelled(labelled, losses, inclusion, np.zeros(n, dtype=np.int64))


def simulated(rng: np.random.Generator, n_labels: int, *, tilted: bool) -> tuple[Estimate, Estimate, Estimate]:
    """One draw with known w(x) = exp(x / 2 - 1/8) and an m(x) that is wrong, so the weights must repair it."""
    x_P, x_Q = rng.normal(size=2000), rng.normal(0.5, 1, 1000)
    losses = (rng.random(2000) < 0.1 + 0.25 * (x_P > 0)).astype(float)
    answers = (rng.random(1000) < 0.1 + 0.25 * (x_Q > 0) + 0.1 * (x_Q > 1)).astype(float)
    w = np.exp(0.5 * x_P - 0.125)
    likeness = Likeness(0.2 + 0.05 * x_P, 0.2 + 0.05 * x_Q, w / w.mean(), np.ones(1000), np.ones(1000))
    aim = np.where(x_Q > 1, 3.0, 1.0) if tilted else np.ones(1000)
    inclusion = n_labels * aim / aim.sum()
    labelled = np.flatnonzero(rng.random(1000) < inclusion)
    return split(likeness, losses, even(labelled, answers[labelled], inclusion[labelled], 1000))[:3]


@pytest.mark.parametrize(("n_labels", "tilted"), [(200, False), (200, True), (40, False)])
def test_intervals_cover_the_truth_as_often_as_they_promise(n_labels: int, tilted: bool) -> None:
    covariate = 0.25 * (0.6914624612740131 - 0.5)  # P(x > 0) in the batch and in the holdout
    concept = 0.1 * 0.3085375387259869  # P(x > 1) in the batch
    rng = np.random.default_rng(10)
    draws = [simulated(rng, n_labels, tilted=tilted) for _ in range(300)]
    for part, truth in enumerate((covariate + concept, covariate, concept)):
        coverage = np.mean([covers(draw[part], truth) for draw in draws])
        assert 0.91 <= coverage <= 0.99  # 0.95 is missed by 0.04 with probability below 0.2 %


def test_labels_drawn_more_densely_somewhere_bias_nothing() -> None:
    rng = np.random.default_rng(11)
    draws = [simulated(rng, 200, tilted=True)[0].value for _ in range(400)]
    truth = 0.25 * (0.6914624612740131 - 0.5) + 0.1 * 0.3085375387259869
    assert np.mean(draws) == pytest.approx(truth, abs=4 * float(np.std(draws)) / 20)


def test_a_handful_of_equal_losses_does_not_look_certain() -> None:
    likeness = Likeness(np.full(100, 0.3), np.full(50, 0.3), np.ones(100), np.ones(50), np.ones(50))
    drawn = even(np.arange(6), np.zeros(6), np.full(6, 0.12), 50)
    total, *_ = split(likeness, np.repeat([1.0, 0.0], [30, 70]), drawn)
    assert total.value == pytest.approx(-0.3)
    assert covers(total, 0)


@given(st.integers(0, 1000), st.floats(0.1, 100.0))
def test_losses_in_another_unit_give_the_same_decay_in_that_unit(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    m_P, m_Q, losses, answers = rng.random(50), rng.random(30), rng.random(50), rng.random(12)
    w, labelled, inclusion = rng.uniform(0.5, 2, 50), rng.choice(30, 12, replace=False), rng.uniform(0.2, 1, 12)
    strata = rng.integers(0, 2, 30)
    like, scaled = (Likeness(m_P * k, m_Q * k, w / w.mean(), np.ones(30), np.ones(30)) for k in (1.0, unit))
    one = split(like, losses, Labelled(labelled, answers, inclusion, strata))
    other = split(scaled, losses * unit, Labelled(labelled, answers * unit, inclusion, strata))
    for a, b in zip(one[:3], other[:3], strict=True):
        assert [b.value, b.low, b.high] == pytest.approx(
            [unit * a.value, unit * a.low, unit * a.high], rel=1e-6, abs=1e-9
        )


@pytest.mark.parametrize(
    ("total", "concept", "outcome"),
    [
        ((0.05, 0.01, 0.09), (0.0, -0.04, 0.04), "harm"),
        ((0.0, -0.04, 0.04), (0.05, 0.01, 0.09), "harm"),
        ((0.005, 0.001, 0.0095), (0.0, -0.009, 0.0095), "no harm"),
        ((0.005, 0.001, 0.009), (0.0, -0.02, 0.02), "unclear"),
        ((0.008, 0.001, 0.015), (0.0, -0.009, 0.009), "unclear"),
        ((0.05, -0.01, 0.11), (0.0, -0.009, 0.009), "unclear"),
        ((-0.05, -0.09, -0.01), (-0.05, -0.09, -0.01), "no harm"),
    ],
)
def test_the_verdict_follows_from_the_intervals(
    total: tuple[float, float, float], concept: tuple[float, float, float], outcome: str
) -> None:
    decay = replace(DECAY, total=Estimate(*total), concept=Estimate(*concept))
    assert verdict(decay, tolerance=0.01) == outcome


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_a_tolerance_below_zero_is_refused(tolerance: float) -> None:
    with pytest.raises(BadSettings, match="set it to 0 or more"):
        verdict(DECAY, tolerance=tolerance)


def test_a_fall_is_said_as_a_fall_and_chance_as_chance() -> None:
    fell = replace(DECAY, total=Estimate(-0.03, -0.05, -0.01), covariate=Estimate(-0.031, -0.04, -0.02))
    assert "loss fell by 0.030 (0.010 to 0.050): -0.031 (-0.040 to -0.020) because rows moved" in say(fell)
    assert "always better" in say(fell)
    chance = replace(DECAY, total=Estimate(0.0001, -0.02, 0.02))
    assert (
        "changed by 0.000 (-0.020 to 0.020), which may be chance: 0.010 (0.000 to 0.020) because rows moved, "
        in say(chance)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": np.array([0, 0, 1])}, "must be distinct positions from 0 to 29"),
        ({"labelled": np.array([0, 1, 30])}, "must be distinct positions from 0 to 29"),
        ({"labelled_losses": np.zeros(2)}, "3 labelled rows, 2 losses and 3 inclusion"),
        ({"labelled_losses": np.array([0.0, np.nan, 1.0])}, "a loss is nan or infinite"),
        ({"inclusion": np.array([0.5, 0.0, 1.0])}, r"an inclusion probability is 0\.0"),
        ({"inclusion": np.array([0.5, np.inf, 1.0])}, r"an inclusion probability is inf"),
        ({"holdout_losses": np.zeros(29)}, "29 losses for 40 holdout rows"),
        ({"batch": rows(0, 0.0, np.random.default_rng(0))}, "with 0 batch rows"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused_in_one_sentence(change: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(12)
    given_: dict[str, Any] = {
        "holdout": rows(40, 0.0, rng),
        "holdout_losses": np.zeros(40),
        "batch": rows(30, 0.0, rng),
        "labelled": np.arange(3),
        "labelled_losses": np.zeros(3),
        "inclusion": np.full(3, 0.1),
        "schema": SCHEMA,
    }
    with pytest.raises(BadData, match=message):
        estimate(**given_ | change | NAMES)


def test_a_slice_in_which_answers_changed_is_harm_though_the_batch_hardly_shows_it() -> None:
    inside = SliceDecay("b >= 2", 0.05, 40, Estimate(0.3, 0.2, 0.4), 39.0)
    quiet = replace(DECAY, total=Estimate(0.015, -0.01, 0.04), concept=Estimate(0.015, -0.01, 0.04))
    assert verdict(quiet, tolerance=0.01) == "unclear"
    assert verdict(replace(quiet, slices=(inside,)), tolerance=0.01) == "harm"
    assert causes(replace(quiet, slices=(inside,), covariate=Estimate(0.0, -0.01, 0.01))) == {"concept"}


def test_an_early_look_needs_more_than_the_only_one() -> None:
    decay = replace(DECAY, total=Estimate(0.05, 0.006, 0.094), concept=Estimate(0.05, 0.006, 0.094))
    assert verdict(decay, tolerance=0.01) == "harm"
    assert verdict(decay, tolerance=0.01, looks=(0.25,)) == "unclear"


def test_strata_take_the_spread_between_them_out_of_the_interval_and_keep_the_mean() -> None:
    rng = np.random.default_rng(13)
    n, strata = 2000, np.repeat([0, 1], 1000)
    likeness = Likeness(np.full(500, 0.5), np.full(n, 0.5), np.ones(500), np.ones(n), np.ones(n))
    losses, answers = rng.random(500), 0.9 * strata + 0.1 * rng.random(n)
    labelled = np.concatenate([rng.choice(1000, 40, replace=False), 1000 + rng.choice(1000, 40, replace=False)])
    one, _, _, _ = split(likeness, losses, even(labelled, answers[labelled], np.full(80, 0.04), n))
    two, _, _, _ = split(likeness, losses, Labelled(labelled, answers[labelled], np.full(80, 0.04), strata))
    assert two.value == pytest.approx(one.value, abs=1e-9)
    assert two.high - two.low < 0.6 * (one.high - one.low)


def test_a_slice_where_the_model_always_was_worse_than_expected_has_not_changed() -> None:
    rng = np.random.default_rng(14)
    of_P, strata = np.arange(1000) < 300, (np.arange(600) < 200).astype(np.int64)
    likeness = Likeness(np.full(1000, 0.2), np.full(600, 0.2), np.ones(1000), np.ones(600), np.full(600, 0.4))
    losses = (rng.random(1000) < np.where(of_P, 0.6, 0.1)).astype(float)
    labelled = np.arange(80)
    answers = (rng.random(80) < 0.6).astype(float)
    concept = within(likeness, losses, Labelled(labelled, answers, np.full(80, 0.4), strata), 1, of_P)
    assert covers(concept, 0)
    assert answers.mean() - 0.2 > 0.25


def test_few_labels_of_a_stratum_are_judged_with_those_of_another() -> None:
    strata = np.array([0] * 50 + [1] * 30 + [2] * 20)
    drawn = Labelled(np.array([0, 1, 2, 3, 4, 5, 60, 61, 90]), np.zeros(9), np.full(9, 0.1), strata).merged()
    counts = np.bincount(drawn.strata[drawn.position])
    assert (counts[counts > 0] >= 5).all()
    assert len(np.unique(drawn.strata)) == 1

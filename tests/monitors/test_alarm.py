import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from monitors.alarm import carried, decide, e_value
from records.drift import Alarm, ColumnDrift, DriftReport, Estimate, JointDrift
from tests.monitors.rows import window_of

YEARLY = {"windows_per_year": 52.0, "false_alarms_per_year": 1.0, "minimum_effect": 0.1}


def report_of(
    p_value: float,
    *,
    effect: float = 0.5,
    drifted: bool = True,
    columns: tuple[str, ...] = ("temp",),
    pair_effect: float = math.nan,
) -> DriftReport:
    column = ColumnDrift(
        "temp", "wasserstein", 0.6, 0.2, 0.01, 0.02, Estimate(effect, effect - 0.1, effect + 0.1), drifted,
        "temp is higher by 9.8 °F (0.50 snapshot sd): mean 39.1 → 48.9",
    )  # fmt: skip
    joint = JointDrift(3.0, p_value, "one column", columns, pair_effect)
    return DriftReport("flights", window_of(7), 3, 9000, 1000, 120, 9, (column,), joint)


def test_the_e_value_of_a_uniform_p_value_is_one_on_average() -> None:
    near_zero, _ = quad(lambda y: e_value(math.exp(-y), 10**6) * math.exp(-y), 0, 600)  # p = exp(-y)
    scale = e_value(1.0, 10**6) / 0.5  # close to 1: a rank among a million is nearly any number
    assert near_zero / scale == pytest.approx(1 - 1 / 600, abs=1e-6)  # the rest, beyond y = 600, is 1 / 600


@pytest.mark.parametrize("n_draws", [1, 11, 59, 120])
def test_the_e_value_of_a_rank_is_one_on_average(n_draws: int) -> None:
    ranks = [place / (n_draws + 1) for place in range(1, n_draws + 2)]
    assert np.mean([e_value(p_value, n_draws) for p_value in ranks]) == pytest.approx(1, abs=1e-12)


@given(st.floats(1e-9, 1, exclude_min=True), st.floats(1e-9, 1, exclude_min=True))
def test_a_smaller_p_value_never_is_less_evidence(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert e_value(low, 120) >= e_value(high, 120) * (1 - 1e-9) >= 0.5 * (1 - 1e-9)


@pytest.mark.parametrize("p_value", [0.0, -0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p_value: float) -> None:
    with pytest.raises(ValueError, match="a p-value lies in"):
        e_value(p_value, 120)


@pytest.mark.parametrize(("limit", "n_draws"), [(12, 120), (52, 120), (52, 100_000)])
def test_without_drift_the_average_run_until_an_alarm_is_at_least_the_limit(limit: int, n_draws: int) -> None:
    """Uniform ranks among the draws; 400 runs, and their mean is above the limit by more than its standard error."""
    generator = np.random.default_rng(limit + n_draws)
    runs = []
    for _ in range(400):
        evidence, n_batches = 0.0, 0
        while evidence < limit:
            p_value = (1 + generator.integers(0, n_draws + 1)) / (n_draws + 1)
            evidence, n_batches = (evidence + 1) * e_value(float(p_value), n_draws), n_batches + 1
        runs.append(n_batches)
    assert np.mean(runs) - 2 * np.std(runs) / 20 >= limit


def test_evidence_grows_until_it_reaches_the_limit() -> None:
    evidence, raised = 0.0, []
    for _ in range(4):
        alarm = decide(report_of(1 / 121), previous_evidence=evidence, **YEARLY)
        raised.append(alarm.raised)
        evidence = carried(alarm)
    assert raised == [False, False, True, False]
    assert evidence == e_value(1 / 121, 120)  # the watch began anew after the alarm


def test_an_alarm_says_what_changed_in_the_columns_own_words() -> None:
    alarm = decide(report_of(1 / 121), previous_evidence=29.0, **YEARLY)
    assert alarm.reason == (
        "Alarm (evidence 184, limit 52, p = 0.0083): temp is higher by 9.8 °F (0.50 snapshot sd): mean 39.1 → 48.9."
    )
    assert (alarm.limit, alarm.generation, alarm.window.name) == (52.0, 3, "2014-01-06_2014-01-13")


def test_too_little_evidence_is_no_alarm() -> None:
    alarm = decide(report_of(0.5), previous_evidence=0.0, **YEARLY)
    assert not alarm.raised
    assert alarm.reason == ("No alarm: not enough evidence that anything changed (evidence 0.781, limit 52, p = 0.5).")


def test_a_small_change_is_real_but_no_alarm_and_its_evidence_is_kept() -> None:
    alarm = decide(report_of(1 / 121, effect=-0.04), previous_evidence=100.0, **YEARLY)
    assert not alarm.raised
    assert alarm.reason.startswith("Real, small: nothing in this batch moved by 0.1 or more")
    assert carried(alarm) == alarm.evidence > 500


def test_a_large_fall_is_a_change_as_a_rise_is() -> None:
    assert decide(report_of(1 / 121, effect=-0.4), previous_evidence=100.0, **YEARLY).raised


def test_a_column_that_neither_drifted_nor_carries_the_batch_is_no_reason() -> None:
    quiet = report_of(1 / 121, drifted=False, columns=("wind",))
    assert not decide(quiet, previous_evidence=100.0, **YEARLY).raised
    assert decide(report_of(1 / 121, drifted=False), previous_evidence=100.0, **YEARLY).raised
    assert not decide(report_of(0.6, drifted=False), previous_evidence=100.0, **YEARLY).raised


def test_a_pair_that_goes_together_in_another_way_alarms_though_no_column_moved() -> None:
    pair = report_of(1 / 121, effect=0.01, drifted=False, columns=("temp", "wind"), pair_effect=0.22)
    alarm = decide(pair, previous_evidence=100.0, **YEARLY)
    assert alarm.raised
    assert alarm.reason.endswith("temp and wind go together in another way (distance 0.22).")
    slight = report_of(1 / 121, effect=0.01, drifted=False, columns=("temp", "wind"), pair_effect=0.02)
    assert not decide(slight, previous_evidence=100.0, **YEARLY).raised


def test_a_column_whose_effect_is_undefined_never_is_large_enough() -> None:
    assert not decide(report_of(1 / 121, effect=math.nan), previous_evidence=100.0, **YEARLY).raised


def test_the_limit_is_at_least_one_batch() -> None:
    often = {**YEARLY, "false_alarms_per_year": 1000.0}
    assert decide(report_of(0.9), previous_evidence=0.0, **often).limit == 1.0


def test_evidence_stays_finite_however_long_a_small_change_lasts() -> None:
    evidence = 0.0
    for _ in range(2000):
        evidence = decide(report_of(1 / 121, effect=0.01), previous_evidence=evidence, **YEARLY).evidence
    assert evidence == 52e6


@pytest.mark.parametrize("wrong", [{"minimum_effect": -1.0}, {"windows_per_year": 0.0}, {"false_alarms_per_year": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rates above 0"):
        decide(report_of(0.5), previous_evidence=0.0, **{**YEARLY, **wrong})


def test_an_alarm_carries_nothing_over() -> None:
    alarm = Alarm("flights", window_of(7), 1, True, 80.0, 52.0, "Alarm.")
    assert (carried(None), carried(alarm)) == (0.0, 0.0)

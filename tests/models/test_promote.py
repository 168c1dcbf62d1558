import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.compare import Regime, compare
from models.promote import UNPROTECTED, judge
from models.review import comparison_note
from records.comparison import Bias, Comparison, RegimeComparison, Rule, Verdict
from records.drift import Estimate

GATE: dict[str, Any] = {"margin": 0.0, "tolerance": 0.005, "minimum_labels": 30}


def found(kind: Rule, low: float, high: float, n: int = 100, name: str = "evenings") -> RegimeComparison:
    return RegimeComparison(name, kind, n, 0.25, 0.25 - (low + high) / 2, Estimate((low + high) / 2, low, high))


def verdict(*regimes: RegimeComparison, **gate: float) -> Verdict:
    return judge(Comparison("flights", 1, 2, "brier", regimes), **(GATE | gate))


HOLDOUT = found("must not lose", -0.004, 0.002, name="the holdout")


def test_a_clear_gain_without_a_loss_elsewhere_is_promoted() -> None:
    decided = verdict(found("must gain", 0.01, 0.05), HOLDOUT)
    assert (decided.outcome, decided.n_labels_needed) == ("promote", 0)
    assert decided.reasons == (
        "On evenings the gain in brier loss is 0.0300 (0.0100 to 0.0500, 100 rows): clearly above 0.",
        "On the holdout the gain in brier loss is -0.0010 (-0.0040 to 0.0020, 100 rows): clearly above -0.005.",
    )


@pytest.mark.parametrize(
    ("regime", "gate", "outcome"),
    [
        (found("must gain", 0.0, 0.05), {}, "needs review"),  # touching the margin is not beyond it
        (found("must gain", 0.01, 0.05), {"margin": 0.02}, "needs review"),
        (found("must gain", -0.05, 0.0), {}, "keep"),
        (found("must gain", 0.01, 0.05, n=29), {}, "needs review"),
        (found("must gain", -0.05, -0.01, n=29), {}, "needs review"),
        (found("must gain", math.nan, math.nan, n=1), {}, "needs review"),
    ],
)
def test_the_drifted_slices_decide_by_their_interval_and_their_number_of_labels(
    regime: RegimeComparison, gate: dict[str, float], outcome: str
) -> None:
    assert verdict(regime, HOLDOUT, **gate).outcome == outcome


def test_a_clear_loss_on_the_holdout_keeps_the_champion_and_is_named_first() -> None:
    decided = verdict(found("must gain", 0.01, 0.05), found("must not lose", -0.03, -0.01, name="the holdout"))
    assert decided.outcome == "keep"
    assert decided.reasons[0].startswith("On the holdout the gain in brier loss is -0.0200")


def test_a_loss_that_may_be_beyond_the_tolerance_needs_review() -> None:
    decided = verdict(found("must gain", 0.01, 0.05), found("must not lose", -0.006, 0.01, name="the holdout"))
    assert decided.outcome == "needs review"
    assert decided.reasons[0].endswith("not clear against -0.005.")


def test_a_gain_that_nothing_protects_is_promoted_and_the_reasons_say_that_nothing_did() -> None:
    """Nobody could ask an old row: all old answers changed. The loop goes on, and nobody is told it was safe."""
    why = "The holdout was not asked: people showed that its answers no longer hold."
    gained = found("must gain", 0.01, 0.05)
    alone = judge(Comparison("flights", 1, 2, "brier", (gained,), unasked=(why,)), **GATE)
    assert (alone.outcome, alone.reasons[1:]) == ("promote", (why, UNPROTECTED))
    watched = (gained, found("must not clearly lose", -0.2, 0.0, name="rain"))
    assert judge(Comparison("flights", 1, 2, "brier", watched, unasked=(why,)), **GATE).reasons[-1] == why
    assert UNPROTECTED not in verdict(gained, HOLDOUT).reasons


def test_how_many_labels_would_settle_the_gain_is_among_the_reasons_and_only_where_labels_would() -> None:
    assert (
        verdict(found("must gain", -0.05, 0.15), HOLDOUT).reasons[-1] == "About 300 more labels would settle the gain."
    )
    assert verdict(HOLDOUT).reasons[-2:] == (
        "On the holdout the gain in brier loss is -0.0010 (-0.0040 to 0.0020, 100 rows): clearly above -0.005.",
        "About 30 more labels would settle the gain.",
    )
    unclear = found("must not lose", -0.006, 0.01, name="the holdout")
    assert not any("more labels" in reason for reason in verdict(found("must gain", 0.01, 0.05), unclear).reasons)


def test_every_regime_that_must_gain_must() -> None:
    assert (
        verdict(found("must gain", 0.01, 0.05), found("must gain", -0.01, 0.05, name="rain")).outcome == "needs review"
    )


def test_nothing_is_promoted_where_nothing_must_gain() -> None:
    decided = verdict(HOLDOUT)
    assert (decided.outcome, decided.n_labels_needed) == ("needs review", 30)


def test_labels_needed_follow_from_the_width_of_the_interval() -> None:
    """Half-width .1 on 100 rows; to be .05 takes 400 rows in all, and too few rows take at least what is missing."""
    assert verdict(found("must gain", -0.05, 0.15)).n_labels_needed == 300
    assert verdict(found("must gain", -0.05, 0.15), minimum_labels=1000).n_labels_needed == 900
    assert verdict(found("must gain", -0.1, 0.1)).n_labels_needed == 1500  # no gain seen: a quarter of the half-width


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 500), st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_promoted_challenger_has_its_evidence_and_a_settled_verdict_asks_for_no_labels(
    a: float, b: float, n: int, margin: float, tolerance: float
) -> None:
    regime = found("must gain", min(a, b), max(a, b), n=n)
    decided = verdict(regime, margin=margin, tolerance=tolerance)
    if decided.outcome == "promote":
        assert regime.gain.low > margin
        assert n >= 30
    if decided.outcome != "needs review":
        assert decided.n_labels_needed == 0
    assert decided.reasons


def simulated(generator: np.random.Generator, gain_on_slice: float, loss_on_holdout: float) -> str:
    """300 audit labels of which 10 % and more are discordant, and a holdout of 2 000 rows, as zero-one losses."""

    def regime(name: str, kind: Rule, n: int, shift: float, discordant: float) -> Regime:
        flips = generator.choice(
            [1.0, 0.0, -1.0], n, p=[(discordant + shift) / 2, 1 - discordant, (discordant - shift) / 2]
        )
        return Regime(name, kind, (flips > 0).astype(float), (flips < 0).astype(float), np.full(n, 0.5))

    regimes = [
        regime("slice", "must gain", 300, gain_on_slice, 0.1),
        regime("holdout", "must not lose", 2000, -loss_on_holdout, 0.04),
    ]
    who: dict[str, Any] = {"model": "flights", "champion": 1, "challenger": 2}
    measured = compare(regimes, **who, loss="zero_one", alpha=0.025)
    return judge(measured, margin=0.0, tolerance=0.02, minimum_labels=30).outcome


def promoted(gain_on_slice: float, loss_on_holdout: float) -> float:
    generator = np.random.default_rng(7)
    return float(np.mean([simulated(generator, gain_on_slice, loss_on_holdout) == "promote" for _ in range(400)]))


def test_a_challenger_that_is_no_better_is_hardly_ever_promoted() -> None:
    assert promoted(0.0, 0.0) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_a_challenger_that_forgets_more_than_the_tolerance_is_hardly_ever_promoted() -> None:
    assert promoted(0.05, 0.02) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_a_truly_better_challenger_is_mostly_promoted() -> None:
    assert promoted(0.06, 0.0) >= 0.8


def test_a_clear_loss_in_one_small_regime_keeps_the_champion_and_an_unclear_one_does_not() -> None:
    gains = (found("must gain", 0.01, 0.05), HOLDOUT)
    kept = verdict(*gains, found("must not clearly lose", -0.2, -0.1, name="rain"))
    assert kept.outcome == "keep"
    assert kept.reasons[0].startswith("On rain the gain in brier loss is -0.1500")
    unclear = verdict(*gains, found("must not clearly lose", -0.2, 0.0, name="rain"))
    assert unclear.outcome == "promote"
    assert unclear.reasons[-1].endswith("not clearly below -0.005.")
    assert verdict(*gains, found("must not clearly lose", -0.2, -0.1, n=29)).outcome == "promote"


@pytest.mark.parametrize(
    ("champion", "challenger", "outcome"),
    [
        (0.0, (0.2, 0.15, 0.25), "keep"),
        (0.0, (-0.2, -0.25, -0.15), "keep"),
        (0.3, (0.2, 0.15, 0.25), "promote"),  # the champion is worse
        (0.0, (0.2, 0.05, 0.35), "promote"),  # it may be less
    ],
)
def test_a_challenger_whose_mean_prediction_is_clearly_off_is_not_promoted(
    champion: float, challenger: tuple[float, float, float], outcome: str
) -> None:
    bias = Bias("late", 300, Estimate(champion, champion, champion), Estimate(*challenger))
    comparison = Comparison("flights", 1, 2, "brier", (found("must gain", 0.01, 0.05), HOLDOUT), (bias,))
    decided = judge(comparison, **GATE, bias_limit=0.1)
    assert decided.outcome == outcome
    said = next(reason for reason in decided.reasons if "mean prediction of 'late'" in reason)
    assert said.endswith("clearly off by more than 0.1.")


def test_regimes_that_may_only_refuse_share_their_error() -> None:
    rng = np.random.default_rng(0)
    alone, *four = (
        Regime(str(n), "must not clearly lose", rng.random(50), rng.random(50), np.ones(50)) for n in range(5)
    )
    who: dict[str, Any] = {"model": "m", "champion": 1, "challenger": 2, "loss": "brier", "alpha": 0.05}
    (single,) = compare([alone], **who).regimes
    among = compare([alone, *four], **who).regimes[0]
    assert among.gain.value == single.gain.value
    assert among.gain.low < single.gain.low
    assert among.gain.high > single.gain.high


def test_the_reviewers_note_holds_the_gain_the_reasons_and_a_table() -> None:
    comparison = Comparison("flights", 1, 2, "brier", (found("must gain", 0.01, 0.05), HOLDOUT))
    note = comparison_note(comparison, judge(comparison, **GATE))
    assert math.isclose(note.metrics["gain.evenings"], 0.03)
    assert note.tags == {"decision": "promote", "champion": "1"}
    assert "| evenings | must gain | 100 | 0.25 | 0.22 | 0.03 | 0.01 | 0.05 |" in note.texts["comparison.md"]
    assert note.tables["comparison.json"]["regime"].tolist() == ["evenings", "the holdout"]

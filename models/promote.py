"""The gate: what a comparison means for production. It measures nothing and moves nothing."""

import math

from records.comparison import Bias, Comparison, RegimeComparison, Verdict

MOST_LABELS = 100_000
UNPROTECTED = "It was asked for a gain alone: whether it loses on any other row does not show."


def judge(
    comparison: Comparison, *, margin: float, tolerance: float, minimum_labels: int, bias_limit: float = 1.0
) -> Verdict:
    r"""Return whether the challenger may replace the champion, with every reason as a sentence.

    - *promote*: every "must gain" regime has at least `minimum_labels` rows and its interval of the gain lies above
      `margin`, in every "must not lose" regime it lies above `-tolerance` (non-inferiority), and nothing speaks clearly
      against it.
    - *keep*: in some "must gain" regime with enough rows the interval lies at or below `margin`, in some other regime
      with enough rows below `-tolerance`, or the challenger's mean prediction is off by clearly more than `bias_limit`
      and by more than the champion's: more labels would not help.
    - *needs review*: anything else, also when no regime must gain or a gain is undefined.

    All regimes have to pass together, so no correction for their number is needed (intersection-union test, Berger
    1982): a challenger that truly gains nothing somewhere it must passes with at most half the interval's alpha.

    About how many more labels would settle it: an interval of half-width h on n rows has about h √(n / m) on m rows,
    and it is settled when that is the distance d of the gain from its limit, so m = n (h / d)². A d below a quarter
    of h is taken as h / 4, as nobody knows the gain better than that. The largest m - n over the unsettled counts.

    Where no regime protects (people showed that no old answer holds, and not where they changed), a clear gain is
    promoted all the same, or nothing ever would be, and a reason says that nothing else was asked.

    >>> from records.comparison import RegimeComparison
    >>> from records.drift import Estimate
    >>> regime = RegimeComparison("evenings", "must gain", 100, 0.25, 0.20, Estimate(0.05, -0.05, 0.15))
    >>> verdict = judge(Comparison("m", 1, 2, "brier", (regime,)), margin=0.0, tolerance=0.005, minimum_labels=30)
    >>> verdict.outcome, verdict.n_labels_needed
    ('needs review', 300)
    >>> print(*verdict.reasons, sep="\n")
    On evenings the gain in brier loss is 0.0500 (-0.0500 to 0.1500, 100 rows): not clear against 0.
    It was asked for a gain alone: whether it loses on any other row does not show.
    About 300 more labels would settle the gain.
    """
    reasons, states, needed = [], [], [0]
    for regime in comparison.regimes:
        limit = margin if regime.kind == "must gain" else -tolerance
        state = _state(regime, limit, minimum_labels)
        states.append(state)
        reasons.append(_sentence(regime, limit, state, comparison.loss, minimum_labels))
        if state not in ("passed", "failed") and regime.kind == "must gain":  # nobody labels a holdout
            needed.append(_labels_needed(regime, limit, minimum_labels))
    for bias in comparison.biases:
        states.append("failed" if _is_biased(bias, bias_limit) else "passed")
        reasons.append(_bias_sentence(bias, states[-1], bias_limit))
    last = comparison.unasked
    if all(regime.kind == "must gain" for regime in comparison.regimes):
        last = (*last, UNPROTECTED)
    if "failed" in states:
        return Verdict("keep", (*_first(reasons, states, "failed"), *last))
    if not any(regime.kind == "must gain" for regime in comparison.regimes):
        none = "There is no labelled row on which the challenger must gain."
        return _unsettled((none, *reasons, *last), minimum_labels)
    if all(state == "passed" for state in states):
        return Verdict("promote", (*reasons, *last))
    first = "few" if "few" in states else "unclear"
    return _unsettled((*_first(reasons, states, first), *last), max(needed))


def _unsettled(reasons: tuple[str, ...], n_labels: int) -> Verdict:
    """Needs review, with a last reason that says what would settle the gain where labels can."""
    settles = (f"About {n_labels:,} more labels would settle the gain.",) if n_labels else ()
    return Verdict("needs review", (*reasons, *settles), n_labels)


def _state(regime: RegimeComparison, limit: float, minimum_labels: int) -> str:
    low, high = regime.gain.low, regime.gain.high
    if regime.kind == "must not clearly lose":
        return "failed" if high < limit and regime.n_rows >= minimum_labels else "passed"
    if math.isnan(low) or math.isnan(high) or (regime.kind == "must gain" and regime.n_rows < minimum_labels):
        return "few"
    if low > limit:
        return "passed"
    absent = high <= limit if regime.kind == "must gain" else high < limit
    return "failed" if absent and regime.n_rows >= minimum_labels else "unclear"


def _sentence(regime: RegimeComparison, limit: float, state: str, loss: str, minimum_labels: int) -> str:
    gain = regime.gain
    if math.isnan(gain.low):
        return f"On {regime.name} nothing can be said from {regime.n_rows} rows."
    interval = f"{gain.low:.4f} to {gain.high:.4f}, {regime.n_rows} rows"
    said = f"On {regime.name} the gain in {loss} loss is {gain.value:.4f} ({interval})"
    if state == "few":
        return f"{said}: at least {minimum_labels} rows are needed."
    what = {"passed": "clearly above", "failed": "clearly not above", "unclear": "not clear against"}[state]
    if regime.kind == "must not clearly lose" and state == "passed":
        what = "not clearly below"
    return f"{said}: {what} {limit:g}."


def _is_biased(bias: Bias, limit: float) -> bool:
    low, high = bias.challenger.low, bias.challenger.high
    clearly = max(low, -high, 0.0)  # how far the interval lies from 0
    return clearly > limit and abs(bias.challenger.value) > abs(bias.champion.value)


def _bias_sentence(bias: Bias, state: str, limit: float) -> str:
    found = bias.challenger
    end = f"clearly off by more than {limit:g}" if state == "failed" else f"not clearly off by more than {limit:g}"
    return (
        f"Its mean prediction of {bias.name!r} is {found.value:+.3f} from the answers"
        f" ({found.low:+.3f} to {found.high:+.3f}; the champion's {bias.champion.value:+.3f}): {end}."
    )


def _labels_needed(regime: RegimeComparison, limit: float, minimum_labels: int) -> int:
    missing = max(minimum_labels - regime.n_rows, 0)
    half = (regime.gain.high - regime.gain.low) / 2
    if math.isnan(half):
        return missing
    distance = max(abs(regime.gain.value - limit), half / 4)
    wanted = regime.n_rows * (half / distance) ** 2 if half > 0 else 0.0
    return max(missing, min(round(wanted) - regime.n_rows, MOST_LABELS))


def _first(reasons: list[str], states: list[str], state: str) -> tuple[str, ...]:
    """The reasons, those that decided first."""
    pairs = sorted(zip(states, reasons, strict=True), key=lambda pair: pair[0] != state)
    return tuple(reason for _, reason in pairs)

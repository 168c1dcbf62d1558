"""How often the gate is wrong: `python -m benchmarks.gate [--quick]`."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.report import Findings, Steps, Table, run
from benchmarks.trials import ALPHA, TOLERANCE, Trial, judged, row_sets
from records.comparison import Verdict

ABOUT = (
    "Challengers whose true gains are planted are compared and judged by the product's own code at its default"
    f" settings (alpha {ALPHA:g}, tolerance {TOLERANCE:g}) on 300 audit labels in the drifted slices, 100 outside, 100"
    " kept of five earlier windows (20 of each at the defaults), and 20 000 holdout rows. It must not clearly lose in"
    " either slice, outside, in any of three groups, nor on the kept labels. On 10 % of the slices' rows and 2 % of the"
    " holdout's one model is right and the other wrong, unless said otherwise."
)

_NO_BETTER = (
    Trial("no better anywhere"),
    Trial("no better, Brier loss", smooth=True),
    Trial("no better, inclusion probabilities differ 10-fold", unequal=10),
    Trial("no better in the slices, better elsewhere", rest_gain=0.05, holdout_gain=0.01),
    Trial("no better, 60 labels", n_audit=60),
    Trial("no better, three windows in a row on the same labels and new ones", n_looks=3),
    Trial("no better, 40 labels in each of up to ten windows", n_audit=40, n_looks=10),
    Trial("no better, 25 labels in each of up to ten windows, 8 outside the slices", n_audit=25, n_looks=10),
)
_BETTER = (
    Trial("5 points better", gain=0.05),
    Trial("5 points better, Brier loss", gain=0.05, smooth=True),
    Trial("5 points better, inclusion probabilities differ 2-fold", gain=0.05, unequal=2),
    Trial("5 points better, inclusion probabilities differ 10-fold", gain=0.05, unequal=10),
    Trial("5 points better, 2 000 holdout rows", gain=0.05, n_holdout=2_000),
    Trial("5 points better, 10 % of 20 000 holdout rows discordant", gain=0.05, holdout_discordant=0.1),
    Trial("5 points better, 150 labels", gain=0.05, n_audit=150),
    Trial("3 points better", gain=0.03),
    Trial("3 points better, three windows in a row", gain=0.03, n_looks=3),
    Trial("5 points better, 40 labels in each of up to ten windows", gain=0.05, n_audit=40, n_looks=10),
    Trial("10 points better, 20 labels in each of up to ten windows", gain=0.1, n_audit=20, n_looks=10),
)
_FORGETTING = (
    Trial("5 points better, forgets just the tolerance", gain=0.05, holdout_gain=-TOLERANCE),
    Trial("the same, 2 000 holdout rows", gain=0.05, holdout_gain=-TOLERANCE, n_holdout=2_000),
    Trial("the same, Brier loss", gain=0.05, holdout_gain=-TOLERANCE, smooth=True),
    Trial("5 points better, forgets twice the tolerance", gain=0.05, holdout_gain=-2 * TOLERANCE),
)
_FORGOTTEN = tuple(
    Trial(
        f"5 points better, forgets {round(100 * lost)} points, {n} labels kept of {n // 20} windows",
        gain=0.05,
        memory_gain=-lost,
        n_memory=n,
    )
    for n, losses in ((40, (0.1, 0.2, 0.3)), (100, (0.05, 0.1, 0.2)), (200, (0.05, 0.1)))
    for lost in losses
)


def measure(quick: bool, steps: Steps) -> Findings:
    """Judge every trial many times; in quick those that something is promised of, and the forgetting least noticed."""
    n_errors, n_power, n_runs = (250, 600, 100) if quick else (4_000, 4_000, 1_000)  # small shares need more of them
    others = _FORGOTTEN[:1] if quick else (*_BETTER[1:], *_FORGOTTEN)
    n_each = dict.fromkeys((*_NO_BETTER, *_FORGETTING), n_errors) | {_BETTER[0]: n_power}
    n_each |= dict.fromkeys(others, n_runs)
    found: dict[Trial, list[Verdict]] = {}
    with steps.counted("verdicts", sum(n_each.values())) as step:
        for number, (trial, n) in enumerate(n_each.items()):
            found[trial] = []
            for seed in range(n):
                found[trial].append(_last(trial, np.random.default_rng([number, seed])))
                step()
    tables = [
        Table(title, ("challenger", *_OUTCOMES), [(one.name, *_shares(found[one])) for one in some if one in found])
        for title, some in (
            ("No better: each promotion is an error", _NO_BETTER),
            ("Better: each promotion is right", _BETTER),
            ("Better, but it forgets: each promotion is an error", _FORGETTING),
            ("What the labels kept of earlier windows notice", _FORGOTTEN),
        )
    ]
    return Findings(
        f"{ABOUT} {n_errors:,} verdicts for each row of errors, {n_power:,} for the first of the better, {n_runs:,} for"
        " the others. The rates of errors are over all rows together, of forgetting over those just at the tolerance;"
        " the worst row of several is by chance above what it errs by, and stands beside them.",
        tables,
        {
            "false_promotion_rate": _pooled(found, _NO_BETTER),
            "power": _worst(found, _BETTER[:1]),
            "forgetting_passed_rate": _pooled(found, _FORGETTING[:3]),
            "worst_false_promotion_rate": _worst(found, _NO_BETTER),
            "worst_forgetting_passed_rate": _worst(found, _FORGETTING),
            "kept_labels_passed_rate": _worst(found, others if quick else _FORGOTTEN),
            "runs": n_errors,
        }
        | ({} if quick else {"power_small_holdout": _worst(found, _BETTER[4:5])}),
    )


_OUTCOMES = ("promote", "keep", "needs review")


def _last(trial: Trial, rng: np.random.Generator) -> Verdict:
    """The first verdict that decides, or the last one; every look adds a window's labels."""
    found = row_sets(trial, rng)
    decided, spent = judged(found, spent=0.0)
    for _ in range(1, trial.n_looks):
        if decided.outcome == "needs review":
            found = found.extended(row_sets(trial, rng))
            decided, spent = judged(found, spent=spent)
    return decided


def _worst(found: Mapping[Trial, Sequence[Verdict]], trials: Sequence[Trial]) -> float:
    """The largest share of promotions of some trials."""
    return max(_shares(found[trial])[0] for trial in trials)


def _pooled(found: Mapping[Trial, Sequence[Verdict]], trials: Sequence[Trial]) -> float:
    """The share of promotions over some trials, which were judged equally often."""
    return round(float(np.mean([_shares(found[trial])[0] for trial in trials])), 5)


def _shares(verdicts: Sequence[Verdict]) -> tuple[float, ...]:
    return tuple(float(np.mean([one.outcome == outcome for one in verdicts])) for outcome in _OUTCOMES)


if __name__ == "__main__":
    run("gate", measure, about=ABOUT)

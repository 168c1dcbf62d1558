"""The label bill: how many labels a right decision about harm takes, against random samples of a fixed size."""

import os

import numpy as np
from joblib import Parallel, delayed  # type: ignore[import-untyped]

from benchmarks.decisions import BUDGET, EVERYWHERE, FIXED_SIZES, LOOKS, TOLERANCE, Ours, job, worlds
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.worlds import World
from records.decay import Finding

ABOUT = "Labels needed until the right decision about harm."


def measured(quick: bool, steps: Steps) -> Findings:
    """Decide about every world many times, both ways, on every core."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes below: each has one core
    planted, n_each = worlds(), 6 if quick else 64
    with (
        steps.counted("decisions", len(planted) * n_each) as step,
        Parallel(os.cpu_count(), return_as="generator") as parallel,
    ):
        found: list[list[tuple[Ours, dict[int, Finding]]]] = [[] for _ in planted]
        jobs = (delayed(job)(number, seed) for number in range(len(planted)) for seed in range(n_each))
        for number, ours, fixed in parallel(jobs):
            found[number].append((ours, fixed))
            step()
    return _findings(planted, found)


def _findings(planted: list[tuple[World, bool]], found: list[list[tuple[Ours, dict[int, Finding]]]]) -> Findings:
    rows, bills, shares = [], [], []
    by_size = dict.fromkeys(FIXED_SIZES, 0.0)
    for (world, harmed), outcomes in zip(planted, found, strict=True):
        shares.append(float(np.mean([(ours[0] == "harm") == harmed for ours, _ in outcomes])))
        bills.append(float(np.mean([ours[1] for ours, _ in outcomes])))
        fixed = {size: float(np.mean([(by[size] == "harm") == harmed for _, by in outcomes])) for size in FIXED_SIZES}
        by_size = {size: by_size[size] + fixed[size] / len(planted) for size in FIXED_SIZES}
        alone = _told(_needed(fixed, shares[-1])) if harmed else "–"
        planted_as = f"{world.name}, everywhere" if world.changes == EVERYWHERE else world.name
        ruled_out = float(np.mean([ours[0] == "no harm" for ours, _ in outcomes]))
        rows.append((world.rows.name, planted_as, shares[-1], ruled_out, bills[-1], fixed[BUDGET], alone))
    right = float(np.mean(shares))
    needed = min(_needed(by_size, right), float(FIXED_SIZES[-1]))
    table = Table(
        "Labels until the decision",
        ("rows", "planted", "right", "harm ruled out", "labels", f"right with {BUDGET} at random", "size for it alone"),
        rows,
        note="Right: harm is said where the loss rose, and not said where it did not. Size for it alone: the number of"
        " random labels that is right as often in this world, if one knew beforehand that it is this one.",
    )
    sizes = Table(
        "Fixed sizes",
        ("random labels", "right, mean of all worlds"),
        [*by_size.items(), (f"ours, {np.mean(bills):.0f} on average", right)],
        note=f"As often right as ours is a random sample of {_told(needed)} labels.",
    )
    about = (
        f"A loss increase above {TOLERANCE} is harm. Ours asks in up to {len(LOOKS)} rounds, up to"
        f" {', '.join(str(round(BUDGET * look)) for look in LOOKS)} labels, each where the last ones leave most"
        " open, and stops when it is decided or when the rest is unlikely to show harm. A random sample has one size"
        " for all worlds, since nobody knows beforehand which one it is; it is judged by plain means and the same rule."
        " Holdout and batch are drawn anew each time."
    )
    figures = {
        "labels_saved_share": 1 - float(np.mean(bills)) / needed,
        "labels": float(np.mean(bills)),
        "fixed_size": needed,
        "right_share": right,
        "false_harm_rate": float(
            np.mean([1 - s for s, (_, harmed) in zip(shares, planted, strict=True) if not harmed])
        ),
    }
    return Findings(about, (table, sizes), figures)


def _needed(right: dict[int, float], goal: float) -> float:
    """Return the size at which so large a share is right, between the sizes that were tried; `inf` beyond them."""
    sizes, shares = [0, *right], [0.0, *np.maximum.accumulate(list(right.values())).tolist()]
    for place in range(1, len(sizes)):
        if shares[place] >= goal:
            step = (goal - shares[place - 1]) / (shares[place] - shares[place - 1])
            return float(sizes[place - 1] + step * (sizes[place] - sizes[place - 1]))
    return float("inf")


def _told(needed: float) -> str:
    return f"{needed:,.0f}" if np.isfinite(needed) else f"over {FIXED_SIZES[-1]:,}"


if __name__ == "__main__":
    run("label_bill", measured, about=ABOUT)

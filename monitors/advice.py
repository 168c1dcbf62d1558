"""What to do next about a window whose labels were looked at, in one sentence, and what it would cost."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from monitors.decay import questions
from monitors.looks import chance
from monitors.loss_change import LEVEL
from records.decay import Advice, Decay, Finding
from records.drift import Estimate

FUTILE = 0.1
"""Below this chance of showing harm with the labels that are left to judge, they are not bought."""

LIKELY = 0.5
"""Below this belief in harm, when no label is left to judge by, none is bought to learn from."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How far the labels of a window are: `n_waiting` answers are awaited, `n_left` labels may still be bought.

    `share` in `(0, 1]` of the labels that may judge are in, `alpha` is how often harm may be said falsely, `price` is
    the cost of one label in `currency` (0 and empty if nobody said).
    """

    share: float = 1.0
    n_waiting: int = 0
    n_left: int = 0
    alpha: float = 0.05
    price: float = 0.0
    currency: str = ""

    def cost(self, n_labels: int) -> str:
        """Return the price of so many labels in brackets, or nothing if it is not known."""
        return f" ({n_labels * self.price:,.2f} {self.currency}".rstrip() + ")" if self.price else ""


def advise(decay: Decay, finding: Finding, budget: Budget, *, tolerance: float) -> Advice:
    """Return what to do: nothing, wait for answers, ask more people, or retrain.

    While it is unclear, more labels that judge are bought only if the predictive probability that they show harm is a
    tenth or more, and labels to learn from only if harm is likelier than not. How many would settle it follows from
    the interval's half-width h and the distance d of the estimate from the limit it is clear of: n (h / d)².

    >>> from datetime import UTC, datetime
    >>> from records.window import Window
    >>> week = Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC))
    >>> part = Estimate(0.03, -0.01, 0.07)
    >>> decay = Decay("m", week, 1, "brier", 0.2, part, Estimate(0, 0, 0), part, 100, 1.0, 0.0, "")
    >>> advise(decay, "unclear", Budget(share=0.5, n_left=100, price=0.5, currency="EUR"), tolerance=0.005).sentence
    'Ask about 100 more rows (50.00 EUR): the loss may have risen by 0.07 or not at all, and about 178 labels decide.'
    """
    if finding == "harm":
        costs = budget.cost(budget.n_left)
        bought = f" with {budget.n_left} more labels{costs}" if budget.n_left else ""
        return _advice("retrain", budget.n_left, budget, f"Retrain{bought}: {_worst(decay, tolerance)}.")
    if finding == "no harm":
        return _advice("nothing", 0, budget, f"Do nothing: a rise of the loss by more than {tolerance:g} is ruled out.")
    if np.isnan(decay.total.value):
        few = f"{decay.n_labels} answers say nothing yet"
        if budget.n_left and not budget.n_waiting:
            costs = budget.cost(budget.n_left)
            return _advice("ask", budget.n_left, budget, f"Ask about {budget.n_left} more rows{costs}: {few}.")
        return _advice("wait", budget.n_waiting, budget, f"Wait: {few}.")
    most = float(np.nanmax([decay.total.high, decay.concept.high]))
    if budget.n_waiting:
        return _advice("wait", budget.n_waiting, budget, f"Wait for {budget.n_waiting} answers: it is not clear yet.")
    needed = _needed(decay, tolerance)
    if not budget.n_left:
        return _advice(
            "retrain", 0, budget, f"Retrain and compare: no label is left, and about {needed} would decide about harm."
        )
    judging = budget.share < 1
    likely = max(_chances(decay, budget) if judging else _beliefs(decay, budget, tolerance))
    if likely < (FUTILE if judging else LIKELY):
        saw = "Do nothing: harm was not shown, and " + (
            f"with the labels left it would be in {likely:.0%} of cases" if judging else "it is less likely than not"
        )
        return _advice("nothing", 0, budget, f"{saw}; the loss rose by {most:.2g} at most.")
    if not judging:
        costs = budget.cost(budget.n_left)
        more = f"Ask about {budget.n_left} more rows to learn from{costs}: harm is likelier than not"
        return _advice("ask", budget.n_left, budget, f"{more}, and about {needed} labels would decide.")
    may = f"the loss may have risen by {most:.2g} or not at all, and about {needed} labels decide"
    return _advice(
        "ask", budget.n_left, budget, f"Ask about {budget.n_left} more rows{budget.cost(budget.n_left)}: {may}."
    )


def _advice(action: str, n_labels: int, budget: Budget, sentence: str) -> Advice:
    return Advice(action, n_labels, n_labels * budget.price, sentence)  # type: ignore[arg-type]


def _worst(decay: Decay, tolerance: float) -> str:
    inside = [item for item in decay.slices if item.concept.low > 0 and item.concept.value > tolerance]
    if decay.total.low <= 0 and decay.concept.low <= 0 and inside:
        worst = max(inside, key=lambda item: item.concept.value)
        return f"where {worst.slice} the loss rose by {worst.concept.value:.2g}"
    part = decay.total if decay.total.low > 0 else decay.concept
    return f"the loss rose by {part.value:.2g}, of which {tolerance:g} would not matter"


def _chances(decay: Decay, budget: Budget) -> list[float]:
    """Return the predictive probability of harm of every question."""
    return [
        chance(_statistic(part, freedom), min(budget.share, 1.0), level)
        for part, freedom, level in questions(decay, budget.alpha)
        if not np.isnan(part.value)
    ]


def _beliefs(decay: Decay, budget: Budget, tolerance: float) -> list[float]:
    """Return how likely every question's part is above the tolerance (flat prior)."""
    parts = [(part, freedom) for part, freedom, _ in questions(decay, budget.alpha) if not np.isnan(part.value)]
    return [float(stats.norm.cdf(_statistic(part, freedom, tolerance))) for part, freedom in parts]


def _statistic(part: Estimate, freedom: float, limit: float = 0.0) -> float:
    """Return the normal score of an estimate against a limit."""
    error = (part.high - part.value) / float(stats.t.ppf((1 + LEVEL) / 2, freedom))
    if not error > 0:
        return 0.0
    return float(np.clip(stats.norm.isf(stats.t.sf((part.value - limit) / error, freedom)), -8, 8))


def _needed(decay: Decay, tolerance: float) -> int:
    part = max((decay.total, decay.concept), key=lambda part: part.value)
    half = part.high - part.value
    distance = max(part.value if part.value > tolerance else tolerance - part.value, half / 10)
    return round(decay.n_labels * (half / distance) ** 2) if half > 0 else decay.n_labels

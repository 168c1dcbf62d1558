"""How a budget is spread over rounds: first a few rows that judge, more only while it is not decided."""

from dataclasses import dataclass

LEAST_PER_ROUND = 20
"""Fewer rows than this tell too little to look at them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rounds in which a request may grow: `n_audit` rows that judge in all, `n_train` that teach at the end.

    `looks` are the shares of the audit rows that are in when each round is complete; the last is 1.
    """

    n_audit: int
    n_train: int
    looks: tuple[float, ...]

    @property
    def at_once(self) -> bool:
        """Whether everything is asked in the first round."""
        return len(self.looks) == 1

    def first(self) -> tuple[int, int]:
        """Return how many audit and train rows the first round asks."""
        return (self.n_audit, self.n_train) if self.at_once else (round(self.n_audit * self.looks[0]), 0)

    def next(self, n_asked: int, n_rounds: int, *, harmed: bool) -> tuple[int, int]:
        """Return how many audit and train rows follow `n_asked` audit rows in `n_rounds` rounds.

        Once harm is known, what is left of both comes at once: rows to learn from, and rows to judge a challenger by.
        The same holds when the rows that judge are used up.
        """
        if harmed or n_rounds >= len(self.looks):
            return max(self.n_audit - n_asked, 0), self.n_train
        return max(round(self.n_audit * self.looks[n_rounds]) - n_asked, 0), 0


def plan(budget: int, audit_share: float, most_rounds: int) -> Plan:
    """Return the rounds of a request: each doubles the rows that judge, and the first has at least 20 of them.

    >>> plan(400, 0.5, 3)
    Plan(n_audit=200, n_train=200, looks=(0.25, 0.5, 1.0))
    >>> rounds = plan(400, 0.5, 3)
    >>> rounds.next(50, 1, harmed=False), rounds.next(50, 1, harmed=True), rounds.next(200, 3, harmed=False)
    ((50, 0), (150, 200), (0, 200))
    >>> plan(60, 0.5, 3).first()
    (30, 30)
    """
    n_audit = min(max(round(budget * audit_share), 1), budget)
    n_rounds = most_rounds
    while n_rounds > 1 and n_audit / 2 ** (n_rounds - 1) < LEAST_PER_ROUND:
        n_rounds -= 1
    return Plan(n_audit, budget - n_audit, tuple(0.5**place for place in reversed(range(n_rounds))))

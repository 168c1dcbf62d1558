"""A challenger whose true gains are known, and the rows a gate sees of it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.sections import Gate
from models.compare import Regime, compare
from models.promote import judge
from records.comparison import Rule, Verdict

_SETTINGS = Gate()
ALPHA, TOLERANCE = _SETTINGS.alpha, _SETTINGS.tolerance
_CHAMPION_LOSS = 0.25


@dataclass(frozen=True, slots=True)
class Trial:
    """What is true of a challenger: mean gains in accuracy, and the shares of rows on which only one model is right.

    `n_memory` labels are kept of earlier windows, a fifth of the 100 that each has at the defaults. Inclusion
    probabilities differ by up to the factor `unequal`. `smooth` says that losses are Brier's instead: their
    differences spread around the gain rather than being -1, 0, 1.
    """

    name: str
    gain: float = 0.0
    rest_gain: float = 0.0
    holdout_gain: float = 0.0
    memory_gain: float = 0.0
    discordant: float = 0.1
    rest_discordant: float = 0.1
    holdout_discordant: float = 0.02
    memory_discordant: float = 0.1
    n_audit: int = 300
    n_holdout: int = 20_000
    n_memory: int = 100
    n_looks: int = 1
    unequal: float = 1.0
    smooth: bool = False


@dataclass(frozen=True, slots=True)
class RowSets:
    """The losses of both models on audit rows with their slice, group and inclusion, on a holdout, and on kept rows."""

    audit: NDArray[np.float64]
    slices: NDArray[np.int64]
    groups: NDArray[np.int64]
    inclusion: NDArray[np.float64]
    holdout: NDArray[np.float64]
    memory: NDArray[np.float64]
    loss: str

    def extended(self, more: "RowSets") -> "RowSets":
        """Return these rows with another window's audit rows; the holdout stays."""
        return replace(
            self,
            audit=np.concatenate([self.audit, more.audit]),
            slices=np.concatenate([self.slices, more.slices]),
            groups=np.concatenate([self.groups, more.groups]),
            inclusion=np.concatenate([self.inclusion, more.inclusion]),
        )


def row_sets(trial: Trial, rng: np.random.Generator) -> RowSets:
    """Draw the rows of one window: `n_audit` of the drifted slices (1 and 2) and a third as many of the rest (0)."""
    n_rest = trial.n_audit // 3
    inside = _losses(rng, trial.n_audit, trial.gain, trial.discordant, smooth=trial.smooth)
    outside = _losses(rng, n_rest, trial.rest_gain, trial.rest_discordant, smooth=trial.smooth)
    n_rows = trial.n_audit + n_rest
    return RowSets(
        np.concatenate([inside, outside]),
        np.concatenate([rng.integers(1, 3, trial.n_audit), np.zeros(n_rest, dtype=np.int64)]),
        rng.integers(0, 3, n_rows),
        0.5 * rng.uniform(1 / trial.unequal, 1, n_rows),
        _losses(rng, trial.n_holdout, trial.holdout_gain, trial.holdout_discordant, smooth=trial.smooth),
        _losses(rng, trial.n_memory, trial.memory_gain, trial.memory_discordant, smooth=trial.smooth),
        "brier" if trial.smooth else "zero_one",
    )


def judged(rows: RowSets, *, spent: float) -> tuple[Verdict, float]:
    """Compare and judge as `learn` does after earlier looks; return what they and this one can err with, too."""
    inside = rows.slices > 0
    watched = {
        **{f"slice {number}": rows.slices == number for number in range(3)},
        **{f"group {number}": rows.groups == number for number in range(3)},
    }
    regimes = [
        _regime("drifted slices", "must gain", rows.audit[inside], rows.inclusion[inside]),
        _regime("holdout", "must not lose", rows.holdout, np.ones(len(rows.holdout))),
        _regime("kept labels", "must not clearly lose", rows.memory, np.ones(len(rows.memory))),
        *(
            _regime(name, "must not clearly lose", rows.audit[part], rows.inclusion[part])
            for name, part in watched.items()
            if part.sum() >= _SETTINGS.minimum_labels
        ),
    ]
    found = compare(
        regimes,
        model="trial",
        champion=1,
        challenger=2,
        loss=rows.loss,
        alpha=_SETTINGS.alpha,
        n_labels=len(rows.audit),
        spent=spent,
        minimum_labels=_SETTINGS.minimum_labels,
    )
    said = judge(
        found,
        margin=_SETTINGS.margin,
        tolerance=_SETTINGS.tolerance,
        minimum_labels=_SETTINGS.minimum_labels,
        bias_limit=_SETTINGS.bias_limit,
    )
    return said, spent + found.level


def _regime(name: str, kind: Rule, losses: NDArray[np.float64], inclusion: NDArray[np.float64]) -> Regime:
    return Regime(name, kind, losses[:, 0], losses[:, 1], inclusion)


def _losses(
    rng: np.random.Generator, n_rows: int, gain: float, discordant: float, *, smooth: bool
) -> NDArray[np.float64]:
    """Champion's and challenger's loss on each row, shape (n_rows, 2), whose mean difference is `gain` on average."""
    discordant = max(discordant, abs(gain))
    if smooth:  # most rows change little and some a lot, as a forest's probabilities do
        champion = rng.beta(1, 3, n_rows)
        scale = discordant / 2
        change = rng.standard_normal(n_rows) * np.where(rng.random(n_rows) < 0.2, 2 * scale, scale / 4)
        return np.stack([champion, champion - gain - change], axis=1)
    better, worse, alike = (discordant + gain) / 2, (discordant - gain) / 2, 1 - discordant
    n_each = rng.multinomial(n_rows, [better, worse, alike * _CHAMPION_LOSS, alike * (1 - _CHAMPION_LOSS)])
    return np.repeat([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]], n_each, axis=1).T  # their order says nothing

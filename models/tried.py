"""What is told of candidates that were tried out, and of their average: by models of two thirds of the labels."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.accelerate import record_engines
from models.average import mixed
from models.choice import Candidate, Trial
from models.how import How
from models.judges import Judges
from models.lessons import Lessons
from models.naming import OLD_LOSS
from models.pipeline import member
from models.recipe import SNAPSHOT
from models.teach import teach_one_of_many
from records.generation import FitRecord, StepEngine

Params = tuple[tuple[str, str], ...]


def candidates(
    trials: Sequence[Trial],
    ground: Lessons,
    judging: Judges,
    alone: float,
    shares: Mapping[Candidate, float],
    how: How,
) -> tuple[FitRecord, ...]:
    """Return a record per trial; `alone` is what the snapshot's model loses on old rows, `shares` is of the average.

    None has a holdout loss, as only the generation meets the holdout. The engine is that of a fit of the same estimator
    on a few rows.
    """
    engines: dict[str, tuple[StepEngine, ...]] = {}
    X, y, weights = ground.training_set(SNAPSHOT)
    for name in dict.fromkeys(trial.candidate.estimator for trial in trials):
        one = member(judging.schema, ground.prepared, name, seed=how.seed, n_trees=5)
        with record_engines(one) as heard:
            teach_one_of_many(one, name, X, y, weights, judging.schema, seed=how.seed)
        engines[name] = heard()
    return tuple(
        FitRecord(
            trial.candidate.estimator,
            trial.candidate.recipe.name,
            (
                *_reached(trial.loss, trial.old_loss, alone, judging),
                ("share", f"{shares.get(trial.candidate, 0.0):.2f}"),
            ),
            engines[trial.candidate.estimator],
            trial.seconds,
            how.loss,
            float("nan"),
        )
        for trial in trials
    )


def average(trials: Sequence[Trial], shares: NDArray[np.float64], judging: Judges, alone: float) -> Params:
    """Return what the average of trials reached by their `shares`, (n_trials,), before its chances are put right."""
    on_labels = mixed(shares, np.stack([trial.on_labels for trial in trials]))
    on_old = mixed(shares, np.stack([trial.on_old for trial in trials]))
    return _reached(judging.of_labels(on_labels), judging.of_old(on_old), alone, judging)


def _reached(loss: float, old_loss: float, alone: float, judging: Judges) -> Params:
    return (
        ("cross-validated loss", f"{loss:.5f}"),
        ("forgotten", f"{old_loss - alone:+.5f}"),
        *(((OLD_LOSS, f"{old_loss:.5f}"),) if len(judging.old) else ()),
    )

"""What is told of a fit: the estimators' settings, its loss, and whether both engines agree."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.how import How
from models.loss import per_row
from models.pipeline import build, learner
from models.teach import teach
from models.weighted import mean_and_error
from records.schema import Schema

Floats = NDArray[np.float64]
AGREEMENT_ROWS = 4_000
AGREED = 0.1
"""By what share of scikit-learn's loss that of the accelerated engine may differ from it."""
BY_CHANCE = 3.0
"""By how many standard errors they may differ as well: two forests do."""
APART = "engines apart"
"""The param that says that they differ by more."""


def listed(names: Iterable[str]) -> str:
    """Return a name, or several as one text.

    >>> listed(["linear", "extra_trees", "linear"])
    'average of linear, extra_trees'
    """
    different = list(dict.fromkeys(names))
    return different[0] if len(different) == 1 else f"average of {', '.join(different)}"


def settings(estimator: str, pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """Return what an estimator was set to, apart from its defaults, under its own name."""
    model = learner(pipeline)
    default, settings = type(model)().get_params(deep=False), model.get_params(deep=False)
    return tuple((f"{estimator}.{name}", str(value)) for name, value in settings.items() if value != default[name])


def holdout_loss(pipeline: Pipeline, holdout: pd.DataFrame, schema: Schema, loss: str) -> float:
    """Return the mean loss on the holdout, `nan` without one."""
    held = per_row(pipeline, holdout, schema, loss)
    return float(held.mean()) if len(held) else float("nan")


def agreement(
    train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, estimators: Iterable[str], how: How
) -> tuple[tuple[str, str], ...]:
    """Return what both engines lose on the same few holdout rows, fitted on the same few rows, by estimator.

    Where they are `apart` a sentence says so; `boosting` has one engine only. Empty where nothing can be told.
    """
    generator = np.random.default_rng(how.seed)
    few = train.iloc[np.sort(generator.permutation(len(train))[:AGREEMENT_ROWS])]
    test = holdout.iloc[np.sort(generator.permutation(len(holdout))[:AGREEMENT_ROWS])]
    if test.empty or (schema.task == "classification" and few[schema.target].nunique() < 2):
        return ()
    said, differ = [], []
    for name in dict.fromkeys(estimators):
        if name == "boosting":
            continue
        fast, plain = (_losses(few, test, schema, name, how, accelerated=engine) for engine in (True, False))
        value = f"accelerated {fast.mean():.5f}, stock {plain.mean():.5f} {how.loss} on {len(few)} rows"
        said.append((f"agreement.{name}", value))
        if apart(fast, plain):
            differ.append(f"{name} ({value})")
    warning = f"Both engines should lose about the same, but are over {AGREED:.0%} apart on {', '.join(differ)}."
    return (*said, *((APART, warning.replace("%", " %")) for _ in differ[:1]))


def apart(fast: Floats, plain: Floats) -> bool:
    """Return whether what two engines lose on the same rows, (n_rows,), differs by more than is agreed and by chance.

    >>> apart(np.full(9, 0.25), np.full(9, 0.2)), apart(np.full(9, 0.21), np.full(9, 0.2))
    (True, False)
    """
    difference, error = mean_and_error(fast - plain, np.ones(len(fast)))
    return bool(abs(difference) > max(AGREED * plain.mean(), BY_CHANCE * error))


def _losses(
    train: pd.DataFrame, test: pd.DataFrame, schema: Schema, estimator: str, how: How, *, accelerated: bool
) -> Floats:
    pipeline = build(schema, estimator, seed=how.seed, accelerated=accelerated)
    answers = train[schema.target].to_numpy()
    teach(pipeline, train[list(schema.features)], answers, None, schema, seed=how.seed)
    return per_row(pipeline, test, schema, how.loss)

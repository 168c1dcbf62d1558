"""What is told of a fit: the estimator's settings, its loss, and how both engines agree."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from models.how import How
from models.loss import per_row
from models.pipeline import build, learner
from models.teach import teach
from records.schema import Schema

AGREEMENT_ROWS = 4_000


def listed(names: Iterable[str]) -> str:
    """Return a name, or several as one text.

    >>> listed(["linear", "extra_trees", "linear"])
    'average of linear, extra_trees'
    """
    different = list(dict.fromkeys(names))
    return different[0] if len(different) == 1 else f"average of {', '.join(different)}"


def settings(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """Return what the estimator was set to, apart from its defaults."""
    model = learner(pipeline)
    default, settings = type(model)().get_params(deep=False), model.get_params(deep=False)
    return tuple((f"model.{name}", str(value)) for name, value in settings.items() if value != default[name])


def holdout_loss(pipeline: Pipeline, holdout: pd.DataFrame, schema: Schema, loss: str) -> float:
    """Return the mean loss on the holdout, `nan` without one."""
    held = per_row(pipeline, holdout, schema, loss)
    return float(held.mean()) if len(held) else float("nan")


def agreement(
    train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, estimator: str, how: How
) -> tuple[tuple[str, str], ...]:
    """Return the holdout loss of both engines, fitted on the same few rows: their scores should agree."""
    generator = np.random.default_rng(how.seed)
    few = train.iloc[np.sort(generator.permutation(len(train))[:AGREEMENT_ROWS])]
    test = holdout.iloc[np.sort(generator.permutation(len(holdout))[:AGREEMENT_ROWS])]
    if estimator == "boosting" or (schema.task == "classification" and few[schema.target].nunique() < 2):
        return ()
    said = []
    for engine in ("accelerated", "stock"):
        pipeline = build(schema, estimator, seed=how.seed, accelerated=engine == "accelerated")
        answers = few[schema.target].to_numpy()
        teach(pipeline, few[list(schema.features)], answers, None, schema, seed=how.seed)
        average = holdout_loss(pipeline, test, schema, how.loss)
        said.append((f"agreement.{engine} {how.loss} on {len(few)} rows", f"{average:.5f}"))
    return tuple(said)

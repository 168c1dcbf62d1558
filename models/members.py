"""Make one pipeline of the chosen candidates: each is fitted on everything, they are averaged and put right."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from models.accelerate import N_TREES, record_engines
from models.average import averaged
from models.choice import Candidate, snapshot_model
from models.how import How
from models.lessons import Lessons, lessons
from models.pipeline import learner, member
from models.recalibrate import recalibrated
from models.recipe import still_old
from models.teach import one_thread, teach
from models.told import agreement, holdout_loss, listed, settings
from records.generation import FitRecord, StepEngine
from records.schema import Schema

Count = Callable[[str, int, int], None]
MEMBER_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Candidates and their shares of the average, the largest first.

    `corrected` names the estimator whose model of the snapshot some of them correct, `right` puts the chances right.
    """

    shares: tuple[tuple[Candidate, float], ...]
    corrected: str | None = None
    right: Pipeline | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """Fitted members with how many rows taught each, who fitted them, and how much every row counted, (n_rows,)."""

    fitted: list[BaseEstimator]
    counts: list[int]
    engines: list[StepEngine]
    weights: NDArray[np.float64]


def assemble(
    snapshot: pd.DataFrame,
    holdout: pd.DataFrame,
    labelled: pd.DataFrame,
    now: pd.DataFrame,
    schema: Schema,
    chosen: Chosen,
    how: How,
    tell: Count,
) -> tuple[Pipeline, FitRecord, pd.DataFrame]:
    """Return the pipeline, its record, and the rows that taught it with the `weight` of each.

    It learns from all labels and at most 50 000 snapshot rows.
    """
    begun = time.perf_counter()
    old = still_old(snapshot, labelled, schema)
    if len(old) > MEMBER_ROWS:
        drawn = np.random.default_rng(how.seed).permutation(len(old))[:MEMBER_ROWS]
        old = old.iloc[np.sort(drawn)]
    ground = lessons(old, labelled, now, schema, how)
    members = _fit(ground, schema, chosen, how, tell)
    pipeline = Pipeline([("prepare", ground.prepared), *_model(ground, members, schema, chosen)])
    main = chosen.shares[0][0]
    params = (
        ("rows", str(len(members.weights))),
        ("rows after weighting", ", ".join(map(str, members.counts))),
        ("seed", str(how.seed)),
        *(("members", str(len(chosen.shares))) for _ in chosen.shares[1:2]),
        *(
            (f"member {n}", f"{candidate.estimator} on {candidate.recipe.name}, {share:.2f}")
            for n, (candidate, share) in enumerate(chosen.shares, 1)
        ),
        *settings(members.fitted[0]),
        *(() if chosen.right is None else (("recalibrated", "its chances are put right by what the labels showed"),)),
        *(agreement(snapshot, holdout, schema, main.estimator, how) if how.serving == "accelerated" else ()),
    )
    record = FitRecord(
        listed(candidate.estimator for candidate, _ in chosen.shares),
        listed(candidate.recipe.name for candidate, _ in chosen.shares),
        params,
        tuple(members.engines),
        time.perf_counter() - begun,
        how.loss,
        holdout_loss(pipeline, holdout, schema, how.loss),
    )
    taught = pd.concat([part for part in (old, labelled) if len(part)])[[*schema.production, schema.target]]
    counted = taught.assign(weight=members.weights)[members.weights > 0]
    return pipeline, record, counted.reset_index(drop=True)


def _fit(ground: Lessons, schema: Schema, chosen: Chosen, how: How, tell: Count) -> Members:
    """Fit every chosen candidate on all there is."""
    accelerated = how.serving == "accelerated"
    base = None
    if chosen.corrected is not None and any(candidate.recipe.corrects for candidate, _ in chosen.shares):
        base = snapshot_model(ground, chosen.corrected, schema, seed=how.seed, accelerated=accelerated, n_trees=N_TREES)
    prepared = StepEngine("prepare", "ColumnTransformer", False, "scikit-learn's own class")
    members = Members([], [], [prepared], np.zeros(len(ground.old) + len(ground.new)))
    for number, (candidate, share) in enumerate(chosen.shares, start=1):
        X, y, weights = ground.training_set(candidate.recipe)
        one = member(
            schema,
            ground.prepared,
            candidate.estimator,
            seed=how.seed,
            corrected=base if candidate.recipe.corrects else None,
            accelerated=accelerated,
        )
        with one_thread(candidate.estimator), record_engines(Pipeline([("model", learner(one))])) as heard:
            members.counts.append(teach(one, X, y, weights, schema, seed=how.seed, every_class=True))
        name = "model" if len(chosen.shares) == 1 else f"model {number}"
        members.engines.extend(replace(engine, step=name) for engine in heard())
        members.fitted.append(one)
        members.weights[:] += share * weights
        tell("members", number, len(chosen.shares))
    return members


def _model(ground: Lessons, members: Members, schema: Schema, chosen: Chosen) -> list[tuple[str, BaseEstimator]]:
    """The steps after preparing: a lone member's own, or one that averages, and puts right what is to be."""
    y = np.concatenate([ground.old_answers, ground.new_answers])
    _, first = np.unique(y.astype(str), return_index=True)
    X, y = np.vstack([ground.old, ground.new])[first], y[first]
    model = members.fitted[0]
    if len(members.fitted) > 1:
        model = averaged(members.fitted, np.array([share for _, share in chosen.shares]), X, y, schema.task)
    if chosen.right is not None:
        model = recalibrated(model, chosen.right, X, y)
    return list(model.steps) if isinstance(model, Pipeline) else [("model", model)]

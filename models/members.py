"""Make one pipeline of the chosen candidates: each is fitted on everything, they are averaged and put right."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from models.accelerate import record_engines
from models.average import averaged
from models.choice import Candidate
from models.how import How
from models.lessons import Lessons, lessons
from models.pipeline import learner, member
from models.recalibrate import recalibrated
from models.recipe import SNAPSHOT, still_old
from models.teach import teach_one_of_many
from models.told import agreement, holdout_loss, listed, settings
from records.generation import FitRecord, StepEngine
from records.schema import Schema

Count = Callable[[str, int, int], None]
MEMBER_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Candidates and their shares of the average, the largest first.

    `corrected` names the estimator whose model of the snapshot some of them correct, and `calibrator` puts the
    chances right where that is needed.
    """

    shares: tuple[tuple[Candidate, float], ...]
    corrected: str | None = None
    calibrator: Pipeline | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """Fitted members with how many rows taught each, who fitted them, and how much every row counted, (n_rows,).

    `n_corrected` rows taught the model of the snapshot that some of them correct, 0 where none does.
    """

    fitted: list[BaseEstimator]
    counts: list[int]
    engines: list[StepEngine]
    weights: NDArray[np.float64]
    n_corrected: int = 0


def assemble(
    snapshot: pd.DataFrame,
    holdout: pd.DataFrame,
    labelled: pd.DataFrame,
    now: pd.DataFrame,
    schema: Schema,
    chosen: Chosen,
    how: How,
    tell: Count,
    gone: Collection[str] = (),
) -> tuple[Pipeline, FitRecord, pd.DataFrame]:
    """Return the pipeline, its record, and the rows that taught it with the `weight` of each.

    It learns from all labels and at most 50 000 snapshot rows; `gone` are the keys of those whose answers are true no
    more. A row counts for a member by the member's share; where that corrects a model of the snapshot, for both.
    """
    begun = time.perf_counter()
    old = still_old(snapshot, labelled, schema)
    if len(old) > MEMBER_ROWS:
        drawn = np.random.default_rng(how.seed).permutation(len(old))[:MEMBER_ROWS]
        old = old.iloc[np.sort(drawn)]
    ground = lessons(old, labelled, now, schema, how, gone)
    members = _fit(ground, schema, chosen, how, tell)
    pipeline = Pipeline([("prepare", ground.prepared), *_model(ground, members, schema, chosen)])
    seconds = time.perf_counter() - begun
    taught = pd.concat([part for part in (old, labelled) if len(part)])[[*schema.production, schema.target]]
    counted = taught.assign(weight=members.weights)[members.weights > 0]
    fitted = {candidate.estimator: one for (candidate, _), one in zip(chosen.shares, members.fitted, strict=True)}
    estimators = [*fitted, *([chosen.corrected] if chosen.corrected and members.n_corrected else [])]
    params = (
        ("rows", str(len(counted))),
        ("rows after weighting", ", ".join(map(str, members.counts))),
        ("seed", str(how.seed)),
        *(("members", str(len(chosen.shares))) for _ in chosen.shares[1:2]),
        *(
            (f"member {n}", f"{candidate.estimator} on {candidate.recipe.name}, {share:.2f}")
            for n, (candidate, share) in enumerate(chosen.shares, 1)
        ),
        *((("corrected", f"{chosen.corrected} on {members.n_corrected} rows"),) if members.n_corrected else ()),
        *(setting for name, one in fitted.items() for setting in settings(name, one)),
        *(
            ()
            if chosen.calibrator is None
            else (("recalibrated", "its chances are put right by what the labels showed"),)
        ),
        *(agreement(snapshot, holdout, schema, estimators, how) if how.serving == "accelerated" else ()),
    )
    record = FitRecord(
        listed(candidate.estimator for candidate, _ in chosen.shares),
        listed(candidate.recipe.name for candidate, _ in chosen.shares),
        params,
        tuple(members.engines),
        seconds,
        how.loss,
        holdout_loss(pipeline, holdout, schema, how.loss),
    )
    return pipeline, record, counted.reset_index(drop=True)


def _fit(ground: Lessons, schema: Schema, chosen: Chosen, how: How, tell: Count) -> Members:
    """Fit every chosen candidate on all there is."""
    engines = [StepEngine("prepare", "ColumnTransformer", False, "scikit-learn's own class")]
    weights = np.zeros(len(ground.old) + len(ground.new))
    base, n_corrected = None, 0
    correcting = sum(share for candidate, share in chosen.shares if candidate.recipe.corrects)
    if chosen.corrected is not None and correcting > 0:
        alone = Candidate(SNAPSHOT, chosen.corrected)
        base, n_corrected, counted = _taught(ground, schema, alone, None, how, "corrected", engines)
        weights += correcting * counted
    members = Members([], [], engines, weights, n_corrected)
    for number, (candidate, share) in enumerate(chosen.shares, start=1):
        name = "model" if len(chosen.shares) == 1 else f"model {number}"
        corrected = base if candidate.recipe.corrects else None
        one, n_rows, counted = _taught(ground, schema, candidate, corrected, how, name, engines)
        members.fitted.append(one)
        members.counts.append(n_rows)
        members.weights[:] += share * counted
        tell("members", number, len(chosen.shares))
    return members


def _taught(
    ground: Lessons,
    schema: Schema,
    candidate: Candidate,
    corrected: BaseEstimator | None,
    how: How,
    name: str,
    engines: list[StepEngine],
) -> tuple[Pipeline, int, NDArray[np.float64]]:
    """Return a fitted candidate, how many rows taught it, and their weights; its engine is added under a name."""
    X, y, weights = ground.training_set(candidate.recipe)
    accelerated = how.serving == "accelerated"
    one = member(
        schema, ground.prepared, candidate.estimator, seed=how.seed, corrected=corrected, accelerated=accelerated
    )
    with record_engines(Pipeline([("model", learner(one))])) as heard:
        n_rows = teach_one_of_many(one, candidate.estimator, X, y, weights, schema, seed=how.seed)
    engines.extend(replace(engine, step=name) for engine in heard())
    return one, n_rows, weights


def _model(ground: Lessons, members: Members, schema: Schema, chosen: Chosen) -> list[tuple[str, BaseEstimator]]:
    """The steps after preparing: a lone member's own, or one that averages, and puts right what is to be."""
    y = np.concatenate([ground.old_answers, ground.new_answers])
    _, first = np.unique(y.astype(str), return_index=True)
    X, y = np.vstack([ground.old, ground.new])[first], y[first]
    model = members.fitted[0]
    if len(members.fitted) > 1:
        model = averaged(members.fitted, np.array([share for _, share in chosen.shares]), X, y, schema.task)
    if chosen.calibrator is not None:
        model = recalibrated(model, chosen.calibrator, X, y)
    return list(model.steps) if isinstance(model, Pipeline) else [("model", model)]

"""Fit pipelines: one by name, or the average of the candidates that the labels speak for."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.accelerate import N_TREES, record_engines
from models.average import averaged
from models.balance import balanced
from models.choice import Candidate, Trial, judges, shares, snapshot_model, try_out
from models.lessons import Lessons, lessons
from models.loss import per_row
from models.pipeline import build, learner, member
from models.recipe import RECIPES, SNAPSHOT, still_old
from models.teach import one_thread, teach
from records.errors import BadSettings
from records.generation import FitRecord, StepEngine
from records.schema import Schema

Floats = NDArray[np.float64]
Serving = Literal["accelerated", "stock"]
Count = Callable[[str, int, int], None]
FEWEST_LABELS = 12
CHOICE_ROWS = 5_000
ASIDE_ROWS = 2_000
MEMBER_ROWS = 50_000
AGREEMENT_ROWS = 4_000


class Challenge(NamedTuple):
    """What came of challenging: the pipeline, its record, those of all candidates, and the rows that taught it.

    `taught` has the schema's columns, the target, and in `weight` how much each row counted.
    """

    pipeline: Pipeline
    fit: FitRecord
    candidates: tuple[FitRecord, ...]
    taught: pd.DataFrame


@dataclass(frozen=True, slots=True)
class How:
    """How pipelines are fitted: the loss that decides, the seed, who serves, and whether classes count the same."""

    loss: str
    seed: int
    serving: Serving
    balance: bool = False


def fit(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    *,
    estimator: str,
    recipe: str = "snapshot",
    weights: Floats | None = None,
    loss: str,
    seed: int,
    serving: Serving,
    balance: bool = False,
) -> tuple[Pipeline, FitRecord]:
    """Fit one pipeline on `train` and score it on `holdout`; a row of weight 2 is taken twice.

    With `balance` every class counts the same. With serving "accelerated" the record also tells the holdout loss of
    both engines fitted on the same at most 4 000 rows. Raises `BadData` when the rows cannot teach, `BadSettings` for
    an unknown estimator or an unfit loss.
    """
    how = How(loss, seed, serving, balance and schema.task == "classification")
    accelerated = serving == "accelerated"
    pipeline = build(schema, estimator, seed=seed, accelerated=accelerated)
    answers = train[schema.target].to_numpy()
    if how.balance:
        weights = balanced(answers, np.ones(len(train)) if weights is None else weights)
    begun = time.perf_counter()
    with record_engines(pipeline) as engines:
        n_taught = teach(pipeline, train[list(schema.features)], answers, weights, schema, seed=seed)
    seconds = time.perf_counter() - begun
    params = (
        ("rows", str(len(train))),
        ("rows after weighting", str(n_taught)),
        ("seed", str(seed)),
        *_settings(pipeline),
        *(_agreement(train, holdout, schema, estimator, how) if accelerated else ()),
    )
    held = _holdout_loss(pipeline, holdout, schema, loss)
    return pipeline, FitRecord(estimator, recipe, params, engines(), seconds, loss, held)


def challenge(
    snapshot_train: pd.DataFrame,
    holdout: pd.DataFrame,
    labelled: pd.DataFrame,
    schema: Schema,
    *,
    estimators: Sequence[str],
    loss: str,
    seed: int,
    serving: Serving,
    batch: pd.DataFrame | None = None,
    still_true: NDArray[np.bool_] | None = None,
    forgetting: float = float("inf"),
    balance: bool = False,
    cores: int | None = None,
    count: Count | None = None,
) -> Challenge:
    """Try every recipe with every estimator on the labels, and return the average of those that serve them best.

    `labelled` holds train labels only, with their `inclusion` probability; `batch` rows of today, whose answers need
    not be known. Candidates are cross-validated on the labels in 3 folds (`models.choice.try_out`), taught by at most
    5 000 snapshot rows and the other folds; the average of at most five is the one that loses least on the labels,
    weighted by 1 / inclusion (`models.choice.shares`). A candidate that forgets is passed over: its loss on snapshot
    rows set aside may exceed that of the best estimator taught by the snapshot alone by at most `forgetting`; if all
    do, the one that forgets least is taken. `still_true` says which snapshot rows' answers hold (all by default); only
    they are set aside. Neither audit rows nor the holdout choose, and as the choice is a little optimistic, audit
    labels judge it. With fewer than 12 labels nothing can be chosen: the first estimator on "all data" is taken.

    The members of the average then learn from all labels and at most 50 000 snapshot rows; with serving "stock" they
    are fitted by plain scikit-learn. `cores` (all by default, one where there are fewer than four) changes the time
    alone. `count(what, done, of)` is told
    the progress. Raises `BadData` when the rows cannot teach.
    """
    if not estimators:
        raise BadSettings("there is no estimator to choose from; name one in training.estimators")
    how = How(loss, seed, serving, balance)
    tell: Count = count or (lambda *_: None)
    now = batch if batch is not None else labelled.head(0)
    corrected: str | None = None
    chosen: list[tuple[Candidate, float]]
    if len(labelled) < FEWEST_LABELS:
        chosen = [(Candidate(RECIPES[0], estimators[0]), 1.0)]
        why = f"default: {len(labelled)} labels are too few to choose"
        records: tuple[FitRecord, ...] = ()
    else:
        aside, rest = _set_aside(snapshot_train, still_true, schema, seed)
        ground = lessons(rest, labelled, now, schema, balance=balance, seed=seed)
        judging = judges(labelled, aside, ground, schema, loss=loss)
        trials = try_out(ground, aside, estimators, judging, seed=seed, cores=cores or _cores(), count=tell)
        first = min(trials[: len(estimators)], key=lambda trial: trial.old_loss if len(aside) else trial.loss)
        alone, corrected = first.old_loss, first.candidate.estimator
        able = [trial for trial in trials if np.isfinite(trial.loss)]
        faithful = [trial for trial in able if trial.old_loss - alone <= forgetting]
        able = faithful or [min(able, key=lambda trial: trial.old_loss)]
        counted = shares(able, trials, judging)
        chosen = [(trial.candidate, float(share)) for trial, share in zip(able, counted, strict=True) if share > 0]
        chosen.sort(key=lambda pair: -pair[1])
        why = f"{len(labelled)} labels in 3 folds"
        records = _records(trials, ground, alone, dict(chosen), schema, how)
    pipeline, record, taught = _average(snapshot_train, holdout, labelled, now, schema, chosen, corrected, how, tell)
    record = replace(record, params=(*record.params, ("chosen by", why)))
    return Challenge(pipeline, record, records or (record,), taught)


def _cores() -> int:
    n = os.cpu_count() or 1
    return n if n >= 4 else 1  # starting a process takes about as long as two of them save


def _set_aside(
    snapshot: pd.DataFrame, still_true: NDArray[np.bool_] | None, schema: Schema, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that tell what was forgotten, and rows to learn from while choosing, both in order of time."""
    order = np.random.default_rng(seed).permutation(len(snapshot))
    true = np.ones(len(snapshot), dtype=bool) if still_true is None else still_true
    aside = order[true[order]][: min(ASIDE_ROWS, len(order) // 4)]
    rest = order[~np.isin(order, aside)][:CHOICE_ROWS]
    kept, old = (snapshot.iloc[rows].sort_values(schema.time, kind="stable") for rows in (aside, rest))
    return kept, old


def _average(
    snapshot: pd.DataFrame,
    holdout: pd.DataFrame,
    labelled: pd.DataFrame,
    now: pd.DataFrame,
    schema: Schema,
    chosen: Sequence[tuple[Candidate, float]],
    corrected: str | None,
    how: How,
    tell: Count,
) -> tuple[Pipeline, FitRecord, pd.DataFrame]:
    """Fit the chosen candidates on everything and make one pipeline of them."""
    begun = time.perf_counter()
    old = still_old(snapshot, labelled, schema)
    if len(old) > MEMBER_ROWS:
        drawn = np.random.default_rng(how.seed).permutation(len(old))[:MEMBER_ROWS]
        old = old.iloc[np.sort(drawn)]
    ground = lessons(old, labelled, now, schema, balance=how.balance, seed=how.seed)
    members, engines, rows, counts = (
        [],
        [StepEngine("prepare", "ColumnTransformer", False, "scikit-learn's own class")],
        0,
        [],
    )
    total = np.zeros(len(old) + len(labelled))
    accelerated = how.serving == "accelerated"
    base = None
    if corrected is not None and any(candidate.recipe.corrects for candidate, _ in chosen):
        base = snapshot_model(ground, corrected, schema, seed=how.seed, accelerated=accelerated, n_trees=N_TREES)
    for number, (candidate, share) in enumerate(chosen, start=1):
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
            counts.append(teach(one, X, y, weights, schema, seed=how.seed, every_class=True))
        name = "model" if len(chosen) == 1 else f"model {number}"
        engines += [replace(engine, step=name) for engine in heard()]
        members.append(one)
        total += share * weights
        rows = len(y)
        tell("members", number, len(chosen))
    if len(members) == 1:
        pipeline = Pipeline([("prepare", ground.prepared), *members[0].steps])
    else:
        y = np.concatenate([ground.old_answers, ground.new_answers])
        _, first = np.unique(y.astype(str), return_index=True)
        X = np.vstack([ground.old, ground.new])[first]
        model = averaged(members, np.array([share for _, share in chosen]), X, y[first], schema.task)
        pipeline = Pipeline([("prepare", ground.prepared), ("model", model)])
    main = chosen[0][0]
    params = (
        ("rows", str(rows)),
        ("rows after weighting", ", ".join(map(str, counts))),
        ("seed", str(how.seed)),
        *(("members", f"{len(members)}") for _ in members[1:2]),
        *((f"member {n}", f"{c.estimator} on {c.recipe.name}, {share:.2f}") for n, (c, share) in enumerate(chosen, 1)),
        *_settings(members[0]),
        *(_agreement(snapshot, holdout, schema, main.estimator, how) if how.serving == "accelerated" else ()),
    )
    seconds = time.perf_counter() - begun
    held = _holdout_loss(pipeline, holdout, schema, how.loss)
    record = FitRecord(
        _listed(candidate.estimator for candidate, _ in chosen),
        _listed(candidate.recipe.name for candidate, _ in chosen),
        params,
        tuple(engines),
        seconds,
        how.loss,
        held,
    )
    taught = pd.concat([part for part in (old, labelled) if len(part)])[[*schema.production, schema.target]]
    return pipeline, record, taught.assign(weight=total)[total > 0].reset_index(drop=True)


def _records(
    trials: Sequence[Trial], ground: Lessons, alone: float, chosen: dict[Candidate, float], schema: Schema, how: How
) -> tuple[FitRecord, ...]:
    """What is told of each candidate; its engine is that of a fit of the same estimator on a few rows."""
    engines: dict[str, tuple[StepEngine, ...]] = {}
    for name in dict.fromkeys(trial.candidate.estimator for trial in trials):
        X, y, weights = ground.training_set(SNAPSHOT)
        one = member(schema, ground.prepared, name, seed=how.seed, n_trees=5)
        with record_engines(one) as heard:
            teach(one, X, y, weights, schema, seed=how.seed, every_class=True)
        engines[name] = heard()
    return tuple(
        FitRecord(
            trial.candidate.estimator,
            trial.candidate.recipe.name,
            (
                ("cross-validated loss", f"{trial.loss:.5f}"),
                ("forgotten", f"{trial.old_loss - alone:+.5f}"),
                ("share", f"{chosen.get(trial.candidate, 0.0):.2f}"),
            ),
            engines[trial.candidate.estimator],
            trial.seconds,
            how.loss,
            trial.old_loss,
        )
        for trial in trials
    )


def _listed(names: Iterable[str]) -> str:
    """A name, or several as one text.

    >>> _listed(["linear", "extra_trees", "linear"])
    'average of linear, extra_trees'
    """
    different = list(dict.fromkeys(names))
    return different[0] if len(different) == 1 else f"average of {', '.join(different)}"


def _settings(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """What the estimator was set to, apart from its defaults."""
    model = learner(pipeline)
    default, settings = type(model)().get_params(deep=False), model.get_params(deep=False)
    return tuple((f"model.{name}", str(value)) for name, value in settings.items() if value != default[name])


def _holdout_loss(pipeline: Pipeline, holdout: pd.DataFrame, schema: Schema, loss: str) -> float:
    held = per_row(pipeline, holdout, schema, loss)
    return float(held.mean()) if len(held) else float("nan")


def _agreement(
    train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, estimator: str, how: How
) -> tuple[tuple[str, str], ...]:
    """The holdout loss of both engines, fitted on the same few rows: their scores should agree."""
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
        average = _holdout_loss(pipeline, test, schema, how.loss)
        said.append((f"agreement.{engine} {how.loss} on {len(few)} rows", f"{average:.5f}"))
    return tuple(said)

"""Fit pipelines: one by name, or the best of recipes and estimators as the labels judge them."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.accelerate import record_engines
from models.loss import per_row
from models.pipeline import build
from models.recipe import resample, training_frames
from records.errors import BadData, BadSettings
from records.generation import FitRecord
from records.schema import Schema

Serving = Literal["accelerated", "stock"]
FEWEST_LABELS = 20
N_FOLDS = 3
CHOICE_ROWS = 20_000
ASIDE_ROWS = 5_000
AGREEMENT_ROWS = 4_000


def fit(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    *,
    estimator: str,
    recipe: str = "snapshot",
    weights: NDArray[np.float64] | None = None,
    loss: str,
    seed: int,
    serving: Serving,
) -> tuple[Pipeline, FitRecord]:
    """Fit one pipeline on `train` and score it on `holdout`; a row of weight 2 is taken twice.

    With serving "accelerated" the record also tells the holdout loss of both engines fitted on the same at most 4 000
    rows. Raises `BadData` when the rows cannot teach, `BadSettings` for an unknown estimator or an unfit loss.
    """
    accelerated = serving == "accelerated"
    pipeline, record = _fit(
        train, holdout, schema, estimator, recipe, weights, loss=loss, seed=seed, accelerated=accelerated
    )
    if accelerated:
        record = replace(record, params=record.params + _agreement(train, holdout, schema, estimator, loss, seed))
    return pipeline, record


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
    still_true: NDArray[np.bool_] | None = None,
    forgetting: float = float("inf"),
) -> tuple[Pipeline, FitRecord, tuple[FitRecord, ...]]:
    """Fit every recipe with every estimator and return the best pipeline, its record, and all candidates' records.

    `labelled` holds train labels only, with their `inclusion` probability. The choice is the lowest loss on them,
    weighted by 1 / inclusion, cross-validated in 3 folds: a candidate learns from its recipe's snapshot rows (at most
    20 000 of them, for speed) and the other folds. A candidate that forgets is passed over: its loss on snapshot rows
    set aside may exceed that of the best estimator taught by the snapshot alone by at most `forgetting`; if all do, the
    one that forgets least is taken. `still_true` says which snapshot rows' answers hold (all by default); only they are
    set aside. Neither audit rows nor the holdout choose. The chosen loss is the best of several and so a little
    optimistic: audit labels judge the winner. With fewer than 20 labels nothing can be chosen: the first estimator on
    "all data" is fitted. The winner learns from everything, and with serving "stock" it is fitted by plain
    scikit-learn. Raises `BadData` when the rows cannot teach.
    """
    if not estimators:
        raise BadSettings("there is no estimator to choose from; name one in training.estimators")
    frames = training_frames(snapshot_train, labelled, schema)
    candidates = [(recipe, name) for recipe in frames for name in estimators]

    def settle(recipe: str, name: str) -> tuple[Pipeline, FitRecord]:
        taught, weights = frames[recipe]
        learn = partial(fit, taught, holdout, schema, weights=weights, loss=loss, seed=seed, serving=serving)
        return learn(estimator=name, recipe=recipe)

    if len(labelled) < FEWEST_LABELS:
        why = (("chosen by", f"default: {len(labelled)} labels are too few to choose"),)
        pipeline, record = settle(*candidates[0])
        record = replace(record, params=record.params + why)
        return pipeline, record, (record,)
    truths = np.ones(len(snapshot_train), dtype=bool) if still_true is None else still_true
    losses, forgotten = _choice_losses(snapshot_train, truths, labelled, schema, candidates, loss=loss, seed=seed)
    fitted: list[Pipeline] = []
    records: list[FitRecord] = []
    for (recipe, name), value, lost in zip(candidates, losses, forgotten, strict=True):
        train, weights = frames[recipe]
        pipeline, record = _fit(train, holdout, schema, name, recipe, weights, loss=loss, seed=seed, accelerated=True)
        fitted.append(pipeline)
        expected = (("cross-validated loss", f"{value:.5f}"), ("forgotten", f"{lost:+.5f}"))
        records.append(replace(record, params=(*record.params, *expected)))
    faithful = forgotten <= forgetting
    best = int(np.where(faithful, losses, np.inf).argmin() if faithful.any() else forgotten.argmin())
    recipe, name = candidates[best]
    train, weights = frames[recipe]
    chosen = ("chosen by", f"{len(labelled)} labels in {N_FOLDS} folds")
    if serving == "stock":
        pipeline, record = settle(recipe, name)
        return pipeline, replace(record, params=(*record.params, *records[best].params[-2:], chosen)), tuple(records)
    agreement = _agreement(train, holdout, schema, name, loss, seed)
    record = replace(records[best], params=(*records[best].params, chosen, *agreement))
    return fitted[best], record, tuple(records)


def _choice_losses(
    snapshot_train: pd.DataFrame,
    still_true: NDArray[np.bool_],
    labelled: pd.DataFrame,
    schema: Schema,
    candidates: Sequence[tuple[str, str]],
    *,
    loss: str,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each candidate's cross-validated loss on the labels, and how much it forgets; both of shape (n_candidates,).

    A candidate is a (recipe, estimator) pair. It forgets what it loses more on old rows than the snapshot alone does.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(snapshot_train))
    aside = order[still_true[order]][: min(ASIDE_ROWS, len(order) // 4)]
    rest = order[~np.isin(order, aside)][:CHOICE_ROWS]
    kept, old = snapshot_train.iloc[np.sort(aside)], snapshot_train.iloc[np.sort(rest)]
    fold = generator.permutation(len(labelled)) % N_FOLDS
    losses = np.zeros((len(candidates), len(labelled)))
    on_old = np.zeros((len(candidates), len(kept)))
    for k in range(N_FOLDS):
        frames = training_frames(old, labelled[fold != k], schema)
        for place, (recipe, name) in enumerate(candidates):
            pipeline = build(schema, name, seed=seed)
            _teach(pipeline, *frames[recipe], schema, seed=seed)
            losses[place, fold == k] = per_row(pipeline, labelled[fold == k], schema, loss)
            on_old[place] += per_row(pipeline, kept, schema, loss) / N_FOLDS
    weights = 1 / labelled["inclusion"].to_numpy(dtype=float)
    if kept.empty:
        return losses @ weights / weights.sum(), np.zeros(len(candidates))
    alone = min(_mean_loss(old, kept, schema, name, loss=loss, seed=seed) for name in {name for _, name in candidates})
    return losses @ weights / weights.sum(), on_old.mean(axis=1) - alone


def _mean_loss(
    train: pd.DataFrame, test: pd.DataFrame, schema: Schema, estimator: str, *, loss: str, seed: int
) -> float:
    """The mean loss on `test` of one estimator taught by `train` alone."""
    pipeline = build(schema, estimator, seed=seed)
    _teach(pipeline, train, None, schema, seed=seed)
    return float(per_row(pipeline, test, schema, loss).mean())


def _fit(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    estimator: str,
    recipe: str,
    weights: NDArray[np.float64] | None,
    *,
    loss: str,
    seed: int,
    accelerated: bool,
) -> tuple[Pipeline, FitRecord]:
    pipeline = build(schema, estimator, seed=seed, accelerated=accelerated)
    start = time.perf_counter()
    with record_engines(pipeline) as engines:
        n_taught = _teach(pipeline, train, weights, schema, seed=seed)
    seconds = time.perf_counter() - start
    held = per_row(pipeline, holdout, schema, loss)
    params = (
        ("rows", str(len(train))),
        ("rows after weighting", str(n_taught)),
        ("seed", str(seed)),
        *_settings(pipeline),
    )
    average = float(held.mean()) if len(held) else float("nan")
    return pipeline, FitRecord(estimator, recipe, params, engines(), seconds, loss, average)


def _teach(
    pipeline: Pipeline, train: pd.DataFrame, weights: NDArray[np.float64] | None, schema: Schema, *, seed: int
) -> int:
    """Fit a pipeline in place and return from how many rows, copies counted."""
    if weights is not None and not np.array_equal(weights, np.ones(len(train))):
        train = resample(train, weights, n=max(round(float(weights.sum())), 1), seed=seed)
    answers = train[schema.target]
    if schema.task == "classification" and answers.nunique() < 2:
        raise BadData(
            f"{len(train)} training rows hold {answers.nunique()} classes of {schema.target!r}; two are needed"
        )
    try:
        with warnings.catch_warnings():  # texts of a few words have fewer topics than are asked for
            warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"sklearn\.decomposition")
            pipeline.fit(train[list(schema.features)], answers.to_numpy())
    except (ValueError, TypeError) as error:
        problem = str(error).splitlines()[0]
        raise BadData(
            f"{len(train)} training rows cannot be learned from: {problem}; check the columns in the settings"
        ) from None
    return len(train)


def _settings(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """What the estimator was set to, apart from its defaults."""
    model = pipeline[-1]
    default = type(model)().get_params()
    return tuple((f"model.{name}", str(value)) for name, value in model.get_params().items() if value != default[name])


def _agreement(
    train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, estimator: str, loss: str, seed: int
) -> tuple[tuple[str, str], ...]:
    """The holdout loss of both engines, fitted on the same few rows: their scores should agree."""
    generator = np.random.default_rng(seed)
    few = train.iloc[np.sort(generator.permutation(len(train))[:AGREEMENT_ROWS])]
    test = holdout.iloc[np.sort(generator.permutation(len(holdout))[:AGREEMENT_ROWS])]
    if schema.task == "classification" and few[schema.target].nunique() < 2:
        return ()
    said = []
    for engine in ("accelerated", "stock"):
        pipeline = build(schema, estimator, seed=seed, accelerated=engine == "accelerated")
        _teach(pipeline, few, None, schema, seed=seed)
        average = np.mean(per_row(pipeline, test, schema, loss)) if len(test) else float("nan")
        said.append((f"agreement.{engine} {loss} on {len(few)} rows", f"{average:.5f}"))
    return tuple(said)

"""Fit pipelines: one by name, or the average of the candidates that the labels speak for."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from models.accelerate import record_engines
from models.average import mixed
from models.balance import balanced
from models.choice import Candidate, Trial, try_out
from models.how import How, Serving
from models.judges import Judges, judges
from models.lessons import lessons
from models.members import Chosen, Count, assemble
from models.pipeline import build
from models.recalibrate import calibrator, put_right
from models.recipe import RECIPES
from models.shares import shares
from models.teach import teach
from models.told import agreement, holdout_loss, settings
from models.tried import average, candidates
from records.errors import BadSettings
from records.generation import FitRecord
from records.schema import Schema
from records.window import Window

Floats = NDArray[np.float64]
FEWEST_LABELS = 12
CHOICE_ROWS = 5_000
ASIDE_ROWS = 2_000


class Challenge(NamedTuple):
    """What came of challenging: the pipeline, its record, those of all candidates, and the rows that taught it.

    `taught` has the schema's columns, the target, and in `weight` how much each row counted.
    """

    pipeline: Pipeline
    fit: FitRecord
    candidates: tuple[FitRecord, ...]
    taught: pd.DataFrame

    def teachers(self, labelled: pd.DataFrame, schema: Schema) -> list[str]:
        """Return the keys of the labels it learned from: those that count, and all where they put its chances right.

        The snapshot's model alone learns from none; the labels only chose it.
        """
        if "recalibrated" in dict(self.fit.params):
            return list(labelled[schema.row_key])
        return list(labelled.loc[labelled[schema.row_key].isin(self.taught[schema.row_key]), schema.row_key])


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

    With `balance` every class counts the same. With serving "accelerated" the record also tells what both engines lose
    on the holdout, fitted on the same at most 4 000 rows, and whether they are apart. Raises `BadData` when the rows
    cannot teach, `BadSettings` for an unknown estimator or an unfit loss.
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
        *settings(estimator, pipeline),
        *(agreement(train, holdout, schema, [estimator], how) if accelerated else ()),
    )
    held = holdout_loss(pipeline, holdout, schema, loss)
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
    window: Window | None = None,
    still_true: NDArray[np.bool_] | None = None,
    forgetting: float = float("inf"),
    balance: bool = False,
    cores: int | None = None,
    count: Count | None = None,
) -> Challenge:
    """Try every recipe with every estimator on the labels, and return the average of those that serve them best.

    `labelled` holds train labels only, with their `inclusion` probability; `batch` rows of today, whose answers need
    not be known; `window` is the one they are of. Candidates are cross-validated on the labels in 3 folds
    (`models.choice.try_out`), taught by at most 5 000 snapshot rows and the other folds; half of their average is the
    one that loses least on the labels, weighted by 1 / inclusion, and half is steady (`models.shares.shares`). A
    candidate that forgets is passed over: its loss on snapshot rows set aside may exceed that of the best estimator
    taught by the snapshot alone by at most `forgetting`; if all do, the one that forgets least is taken. `still_true`
    says which snapshot rows' answers hold (all by default): only they are set aside, and where some do not, one recipe
    leaves those out. Neither audit rows nor the holdout choose, and as the choice is a little optimistic, audit labels
    judge it. With fewer than 12 labels nothing can be chosen: the first estimator on "all data" is taken.

    The members of the average then learn from all labels and at most 50 000 snapshot rows (`models.members.assemble`);
    with serving "stock" they are fitted by plain scikit-learn. Where the labels clearly show that its chances are too
    high or too low, they are put right (`models.recalibrate.calibrator`). `cores` (all by default, one where there are
    fewer than four) changes the time alone. `count(what, done, of)` is told the progress. Raises `BadData` when the
    rows cannot teach.
    """
    if not estimators:
        raise BadSettings("there is no estimator to choose from; name one in training.estimators")
    how = How(loss, seed, serving, balance, window)
    tell: Count = count or (lambda *_: None)
    now = batch if batch is not None else labelled.head(0)
    true = np.ones(len(snapshot_train), dtype=bool) if still_true is None else still_true
    gone = snapshot_train.loc[~true, schema.row_key].tolist()
    reached: tuple[tuple[str, str], ...] = ()
    if len(labelled) < FEWEST_LABELS:
        chosen = Chosen(((Candidate(RECIPES[0], estimators[0]), 1.0),))
        why = f"default: {len(labelled)} labels are too few to choose"
        records: tuple[FitRecord, ...] = ()
    else:
        aside, rest = _set_aside(snapshot_train, true, schema, seed)
        ground = lessons(rest, labelled, now, schema, how, gone)
        X_aside = ground.prepare(aside, schema)
        judging = judges(labelled, aside, X_aside, ground, schema, loss=loss, seed=seed)
        trials = try_out(ground, X_aside, estimators, judging, seed=seed, cores=cores or _cores(), count=tell)
        first = min(trials[: len(estimators)], key=lambda trial: trial.old_loss if len(aside) else trial.loss)
        alone = first.old_loss
        able = [trial for trial in trials if np.isfinite(trial.loss)]
        faithful = [trial for trial in able if trial.old_loss - alone <= forgetting]
        able = faithful or [min(able, key=lambda trial: trial.old_loss)]
        counted = shares(able, trials, judging)
        chosen = Chosen(
            _ranked(able, counted), first.candidate.estimator, _calibrator(able, counted, judging, how, forgetting)
        )
        why = f"{len(labelled)} labels in 3 folds"
        reached = average(able, counted, judging, alone)
        records = candidates(trials, ground, judging, alone, dict(chosen.shares), how)
    pipeline, record, taught = assemble(snapshot_train, holdout, labelled, now, schema, chosen, how, tell, gone)
    record = replace(record, params=(*record.params, *reached, ("chosen by", why)))
    return Challenge(pipeline, record, records or (record,), taught)


def _ranked(trials: Sequence[Trial], counted: Floats) -> tuple[tuple[Candidate, float], ...]:
    pairs = [(trial.candidate, float(share)) for trial, share in zip(trials, counted, strict=True) if share > 0]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _calibrator(
    trials: Sequence[Trial], counted: Floats, judging: Judges, how: How, forgetting: float
) -> Pipeline | None:
    """What puts the chances right that an average gives the labels, in scikit-learn's order of the classes.

    Labels may be of a few slices only, so it must not raise the loss on old rows by more than `forgetting`. Where
    classes are to count the same, chances are off on purpose.
    """
    schema = judging.schema
    if schema.task == "regression" or how.balance:
        return None
    order = np.argsort(schema.classes)
    back = np.argsort(order)
    said = mixed(counted, np.stack([trial.on_labels for trial in trials]))[:, order]
    found = calibrator(said, back[np.asarray(judging.labels, dtype=np.intp)], judging.label_weights, seed=how.seed)
    if found is None or not len(judging.old):
        return found
    before = mixed(counted, np.stack([trial.on_old for trial in trials]))
    after = put_right(found, before[:, order])[:, back]
    return found if judging.of_old(after) - judging.of_old(before) <= forgetting else None


def _cores() -> int:
    n = os.cpu_count() or 1
    return n if n >= 4 else 1  # starting a process takes about as long as two of them save


def _set_aside(
    snapshot: pd.DataFrame, true: NDArray[np.bool_], schema: Schema, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that tell what was forgotten, and rows to learn from while choosing, both in order of time."""
    order = np.random.default_rng(seed).permutation(len(snapshot))
    aside = order[true[order]][: min(ASIDE_ROWS, len(order) // 4)]
    rest = order[~np.isin(order, aside)][:CHOICE_ROWS]
    kept, old = (snapshot.iloc[rows].sort_values(schema.time, kind="stable") for rows in (aside, rest))
    return kept, old

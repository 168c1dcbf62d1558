"""Take a model under watch: its training data becomes the first snapshot, its pipeline generation 1."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from flows.promote import make_champion, settle_promotions
from flows.retrain import save_generation
from flows.review import refresh
from flows.site import Site
from flows.watch import Run, by_hand
from models.accelerate import bounded
from models.balance import balanced
from models.encoded import encoded_types
from models.entry import Draft
from models.holdout import in_holdout
from models.loss import per_row
from models.memory import affordable
from models.train import fit
from monitors.schema import check_frame
from records.address import public
from records.comparison import Verdict
from records.errors import BadData, Conflict, EmptyWindow, NotFound
from records.generation import FitRecord, Generation, Snapshot
from records.schema import Schema
from records.window import Window
from store.snapshots import digest, read, write
from store.warehouse import open_table

ADOPTED_FROM = "adopted from"


def adopt(
    site: Site, data: str, *, table: str | None = None, pipeline_uri: str | None = None, run: Run = by_hand
) -> Generation:
    """Make generation 1 from training data, and put it in charge; adopting the same again changes nothing.

    `pipeline_uri` names a scikit-learn pipeline to adopt: in the configured MLflow, or at any address MLflow can
    download. It is the one model that no digest vouches for, and loading it runs what is in it. Without it one is
    trained per configured estimator and the one that loses least on the holdout is kept, where with `training.balance`
    every class counts the same. Raises `BadData` when the data cannot teach, `Conflict` when the model was adopted
    before with other data or another pipeline.
    """
    run(settle_promotions, site)
    with site.ledger.lock(f"adopt:{site.model}"):
        present = site.ledger.generations.champion(site.model)
        if present is not None:
            run(refuse_another, site, data, table, pipeline_uri)
            run(refresh, site, [1])
            return present
        run(check_pipeline, site, pipeline_uri)
        snapshot = run(take_snapshot, site, data, table)
        generation = run(train_first, site, snapshot, pipeline_uri)
        run(put_in_charge, site, generation)
        return site.champion()


def refuse_another(site: Site, data: str, table: str | None, pipeline_uri: str | None) -> None:
    """Raise `Conflict` unless generation 1 came from these very data and this pipeline."""
    first = site.ledger.generations.get(site.model, 1)
    other = "pipeline" if dict(first.fit.params).get(ADOPTED_FROM) != pipeline_uri else None
    if digest(*_teaching_rows(site, data, table)) != first.snapshot.digest:
        other = "training data"
    if other:
        raise Conflict(
            f"{site.model!r} was adopted before with other {other}, and what it has learned since builds on that;"
            " to start afresh, give the model another name in the settings"
        )


def check_pipeline(site: Site, pipeline_uri: str | None) -> None:
    """Raise before anything is kept if MLflow is away, or the pipeline cannot be had or learned from other types.

    Categories are handed over as text. A pipeline that encodes numbers or truth values would not know them again.
    """
    site.registry.champion(site.model)
    if pipeline_uri is None:
        return
    for column, kind in encoded_types(site.registry.fetch(pipeline_uri)).items():
        if column in site.schema.categorical and kind != "str":
            raise BadData(
                f"the pipeline {pipeline_uri!r} encodes {kind} values of column {column!r}, but categories are handed"
                " over as text (True as 'True', 3 as '3'); fit it on text, or list the column under numeric"
            )


def take_snapshot(site: Site, data: str, table: str | None) -> Snapshot:
    """Read the training data and keep it, split in train and holdout by a hash of the row key."""
    return write(*_teaching_rows(site, data, table), site.settings.folder / "snapshots")


def _teaching_rows(site: Site, data: str, table: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    schema, training = site.schema, site.settings.training
    where = f"the training data {public(data)}"
    try:
        door = open_table(site.settings.located(data), schema, table=table)
        door.check()
    except NotFound:
        raise NotFound(f"{where} cannot be found; check the path, or the address and --table") from None
    extent = door.extent()
    if extent is None:
        raise EmptyWindow(f"{where} has no rows; give the rows the model was trained on")
    everything = Window(extent[0], extent[1] + timedelta(microseconds=1))
    n_rows = affordable(door.facts(everything).n_rows, schema, training.estimators, max_rows=training.max_rows)
    frame = check_frame(door.sample(everything, n_rows), schema, where=where, need_target=True)
    held = in_holdout(frame[schema.row_key], training.holdout_share, seed=training.seed)
    if held.all() or not held.any():
        raise BadData(f"{where} has {len(frame)} rows, too few to set a holdout aside; give more rows")
    train, holdout = frame[~held], frame[held]
    if schema.classes and train[schema.target].nunique() < 2:
        raise BadData(
            f"{where} knows one answer only, {train[schema.target].iloc[0]!r}; give rows with at least two of the"
            f" classes {', '.join(map(repr, schema.classes))}"
        )
    return train, holdout


def train_first(site: Site, snapshot: Snapshot, pipeline_uri: str | None) -> Generation:
    """Train or take the first pipeline and log it as generation 1."""
    train, holdout = read(snapshot)
    with bounded(site.settings.training.cores):
        if pipeline_uri is not None:
            pipeline, record = _adopted(site, pipeline_uri, holdout)
            candidates: tuple[FitRecord, ...] = (record,)
        else:
            pipeline, record, candidates = _best(site, train, holdout)
    draft = Draft(
        model=site.model,
        number=1,
        schema=site.schema,
        pipeline=pipeline,
        fit=record,
        snapshot=snapshot,
        train=train,
        holdout=holdout,
        candidates=candidates,
        description=f"Adopted with {snapshot.n_train:,} training and {snapshot.n_holdout:,} holdout rows.",
    )
    return save_generation(site, draft, parent=None, cause=None)


def put_in_charge(site: Site, generation: Generation) -> None:
    """Make the adopted generation champion."""
    verdict = Verdict("promote", ("Adopted as the first generation.",))
    make_champion(site, generation, verdict, why="adopted", expected=None)
    refresh(site, [generation.number])


def _best(site: Site, train: pd.DataFrame, holdout: pd.DataFrame) -> tuple[Pipeline, FitRecord, tuple[FitRecord, ...]]:
    """The best pipeline of the configured estimators, its record, and those of all of them.

    They are tried accelerated; with serving "stock" scikit-learn fits the best of them once more.
    """
    training, schema = site.settings.training, site.schema
    alike: dict[str, Any] = {"loss": site.settings.loss, "seed": training.seed, "balance": training.balance}
    tried: list[tuple[float, Pipeline, FitRecord]] = []
    for number, name in enumerate(training.estimators, start=1):
        pipeline, record = fit(train, holdout, schema, estimator=name, serving="accelerated", **alike)
        loss = record.holdout_loss
        if training.balance and schema.task == "classification":
            loss = _balanced_loss(pipeline, holdout, schema, record.loss)
            record = replace(record, params=(*record.params, ("holdout loss, classes alike", f"{loss:.5f}")))
        tried.append((loss, pipeline, record))
        site.count("estimators", number, len(training.estimators))
    _, pipeline, record = min(tried, key=lambda one: one[0])
    if training.serving == "stock":
        pipeline, record = fit(train, holdout, schema, estimator=record.estimator, serving="stock", **alike)
    return pipeline, record, tuple(one for _, _, one in tried)


def _balanced_loss(pipeline: Pipeline, holdout: pd.DataFrame, schema: Schema, loss: str) -> float:
    """The mean loss where every class counts the same."""
    weights = balanced(holdout[schema.target].to_numpy(), np.ones(len(holdout)))
    return float(np.average(per_row(pipeline, holdout, schema, loss), weights=weights))


def _adopted(site: Site, pipeline_uri: str, holdout: pd.DataFrame) -> tuple[Pipeline, FitRecord]:
    begun = time.perf_counter()
    pipeline = site.registry.fetch(pipeline_uri)
    losses = per_row(pipeline, holdout, site.schema, site.settings.loss)
    record = FitRecord(
        estimator=type(pipeline[-1]).__name__,
        recipe="adopted",
        params=((ADOPTED_FROM, pipeline_uri),),
        engines=(),
        fit_seconds=time.perf_counter() - begun,
        loss=site.settings.loss,
        holdout_loss=float(losses.mean()),
    )
    return pipeline, record

"""Take a model under watch: its training data becomes the first snapshot, its pipeline generation 1."""

import time
from datetime import timedelta

import pandas as pd
from sklearn.pipeline import Pipeline

from flows.promote import make_champion, settle_promotions
from flows.retrain import save_generation
from flows.review import refresh
from flows.site import Site
from flows.watch import Run, by_hand
from models.encoded import encoded_types
from models.entry import Draft
from models.holdout import in_holdout
from models.loss import per_row
from models.memory import affordable
from models.train import fit
from monitors.schema import check_frame
from records.comparison import Verdict
from records.errors import BadData, Conflict, EmptyWindow, NotFound
from records.generation import FitRecord, Generation, Snapshot
from records.window import Window
from store.snapshots import digest, read, write
from store.warehouse import open_table

ADOPTED_FROM = "adopted from"


def adopt(
    site: Site, data: str, *, table: str | None = None, pipeline_uri: str | None = None, run: Run = by_hand
) -> Generation:
    """Make generation 1 from training data, and put it in charge; adopting the same again changes nothing.

    `pipeline_uri` names a scikit-learn pipeline in MLflow to adopt; without it one is trained per configured
    estimator and the one with the lower holdout loss is kept. Raises `BadData` when the data cannot teach, `Conflict`
    when the model was adopted before with other data or another pipeline.
    """
    run(settle_promotions, site)
    with site.ledger.lock(f"adopt:{site.model}"):
        present = site.ledger.generations.champion(site.model)
        if present is not None:
            run(refuse_another, site, data, table, pipeline_uri)
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
    for column, kind in encoded_types(site.registry.load(pipeline_uri)).items():
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
    where = f"the training data {data.rpartition('@')[2]}"
    try:
        door = open_table(site.settings.located(data), schema, table=table)
        door.check()
    except NotFound:
        raise NotFound(f"{where} cannot be found; check the path, or the address and --table") from None
    extent = door.extent()
    if extent is None:
        raise EmptyWindow(f"{where} has no rows; give the rows the model was trained on")
    everything = Window(extent[0], extent[1] + timedelta(microseconds=1))
    n_rows = affordable(door.facts(everything).n_rows, len(schema.production), max_rows=training.max_rows)
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
    if pipeline_uri is not None:
        fitted = [_adopted(site, pipeline_uri, holdout)]
    else:
        fitted = [
            fit(
                train,
                holdout,
                site.schema,
                estimator=estimator,
                loss=site.settings.loss,
                seed=site.settings.training.seed,
                serving=site.settings.training.serving,
                balance=site.settings.training.balance,
            )
            for estimator in site.settings.training.estimators
        ]
    pipeline, record = min(fitted, key=lambda candidate: candidate[1].holdout_loss)
    draft = Draft(
        model=site.model,
        number=1,
        schema=site.schema,
        pipeline=pipeline,
        fit=record,
        snapshot=snapshot,
        train=train,
        holdout=holdout,
        candidates=tuple(candidate for _, candidate in fitted),
        description=f"Adopted with {snapshot.n_train:,} training and {snapshot.n_holdout:,} holdout rows.",
    )
    return save_generation(site, draft, parent=None, cause=None)


def put_in_charge(site: Site, generation: Generation) -> None:
    """Make the adopted generation champion."""
    verdict = Verdict("promote", ("Adopted as the first generation.",))
    make_champion(site, generation, verdict, why="adopted", expected=None)
    refresh(site, [generation.number])


def _adopted(site: Site, pipeline_uri: str, holdout: pd.DataFrame) -> tuple[Pipeline, FitRecord]:
    begun = time.perf_counter()
    pipeline = site.registry.load(pipeline_uri)
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

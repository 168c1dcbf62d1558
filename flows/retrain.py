"""Make a challenger from the first snapshot and what people answered, and log it as a generation."""

import pandas as pd

from flows.evidence import Evidence, old_answers_hold, teaching_labels
from flows.review import keep_candidates
from flows.site import Site
from models.entry import Draft
from models.train import challenge
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest
from store.snapshots import read, write


def retrain(site: Site, request: LabelRequest, judgement: Judgement) -> Generation | None:
    """Fit and log a challenger; None when nothing is to be done, or when there is nothing to learn from.

    It learns from the first generation's snapshot, every `train` label so far, and the `audit` labels of windows whose
    decision is over. The audit labels of this window judge it and are not shown to it.
    """
    if judgement.finding == "no harm" or (judgement.advice is not None and judgement.advice.action == "nothing"):
        return None
    with site.ledger.steps.claim(site.model, request.window, "retrain") as claim:
        done = claim.done(Generation)
        if done is not None:
            return done
        lessons = teaching_labels(site, request.window)
        if lessons.frame.empty:
            return None
        challenger = _retrain(site, request, judgement, lessons)
        claim.finish(challenger)
        return challenger


def _retrain(site: Site, request: LabelRequest, judgement: Judgement, lessons: Evidence) -> Generation:
    settings, schema, champion = site.settings.training, site.schema, site.champion()
    first = site.ledger.generations.get(site.model, 1)
    train, holdout = read(first.snapshot)
    labelled = lessons.frame.assign(inclusion=lessons.inclusion)
    came = challenge(
        train,
        holdout,
        labelled,
        schema,
        estimators=settings.estimators,
        loss=site.settings.loss,
        seed=settings.seed,
        serving=settings.serving,
        batch=site.sample(request.window),
        window=request.window,
        still_true=old_answers_hold(site, request.window, judgement, train),
        forgetting=site.settings.gate.tolerance,
        balance=settings.balance,
        cores=settings.cores,
        count=site.count,
    )
    number = _number(site, request)
    draft = Draft(
        model=site.model,
        number=number,
        schema=schema,
        pipeline=came.pipeline,
        fit=came.fit,
        snapshot=write(came.taught, holdout, site.settings.folder / "snapshots"),
        train=came.taught,
        holdout=holdout,
        candidates=came.candidates,
        tags={"cause": request.window.name, "parent": str(champion.number), "labels": str(len(labelled))},
        description=f"Taught by {len(labelled)} labels, the latest of window {request.window.name}: {request.reason}",
    )
    return save_generation(site, draft, parent=champion.number, cause=request.window.name, taught_by=labelled)


def save_generation(
    site: Site, draft: Draft, *, parent: int | None, cause: str | None, taught_by: pd.DataFrame | None = None
) -> Generation:
    """Log a draft in MLflow and write it to the ledger as a candidate; both happen once per draft."""
    keep_candidates(site, draft.number, draft.candidates)
    entry = site.registry.log(draft)
    generation = Generation(
        model=site.model,
        number=draft.number,
        status="candidate",
        snapshot=draft.snapshot,
        mlflow_run_id=entry.run_id,
        version=entry.version,
        model_uri=entry.model_uri,
        fit=draft.fit,
        parent=parent,
        cause=cause,
    )
    site.ledger.generations.save(generation)
    if taught_by is not None:
        site.ledger.labels.use(site.model, taught_by[site.schema.row_key], draft.number)
    return generation


def _number(site: Site, request: LabelRequest) -> int:
    """The challenger's number: the one a crashed attempt for this window already took, or the next."""
    taken = [g.number for g in site.ledger.generations.all(site.model) if g.cause == request.window.name]
    return taken[0] if taken else site.ledger.generations.next_number(site.model)

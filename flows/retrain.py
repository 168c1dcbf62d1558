"""Make a challenger from the first snapshot and what people answered, and log it as a generation."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from flows.evidence import Evidence, old_answers_hold, teaching_labels
from flows.review import keep_candidates
from flows.site import Site
from models.accelerate import bounded
from models.entry import Draft
from models.members import MEMBER_ROWS
from models.memory import check_retraining
from models.train import challenge
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest
from store.locks import Held
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
        with bounded(site.settings.training.cores):
            challenger = _taken_up(site, request) or _retrain(site, request, judgement, lessons)
        claim.finish(challenger)
        return challenger


def _retrain(site: Site, request: LabelRequest, judgement: Judgement, lessons: Evidence) -> Generation:
    settings, schema, champion = site.settings.training, site.schema, site.champion()
    first = site.ledger.generations.get(site.model, 1)
    n_rows = first.snapshot.n_train + first.snapshot.n_holdout
    check_retraining(n_rows, MEMBER_ROWS, schema, settings.estimators)
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
    teachers = came.teachers(labelled, schema)
    taught = f"Taught by {len(teachers)} labels" if teachers else f"Chosen by {len(labelled)} labels and taught by none"
    draft = Draft(
        model=site.model,
        number=site.ledger.generations.next_number(site.model),
        schema=schema,
        pipeline=came.pipeline,
        fit=came.fit,
        snapshot=write(came.taught, holdout, site.settings.folder / "snapshots"),
        train=came.taught,
        holdout=holdout,
        candidates=came.candidates,
        tags={"cause": request.window.name, "parent": str(champion.number), "labels": str(len(teachers))},
        description=f"{taught}, the latest of window {request.window.name}: {request.reason}",
    )
    return save_generation(site, draft, parent=champion.number, cause=request.window.name, taught_by=teachers)


def save_generation(
    site: Site, draft: Draft, *, parent: int | None, cause: str | None, taught_by: Iterable[str] = ()
) -> Generation:
    """Log a draft in MLflow and write it to the ledger as a candidate; both happen once per draft.

    What a crash left of an earlier attempt goes, unless it was of the same draft: then it is taken up.
    """
    keep_candidates(site, draft.number, draft.candidates)
    with logging_lock(site):
        site.registry.discard(site.model, up_to=draft.number, known=known_runs(site), key=draft.key)
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
            digest=entry.digest,
        )
        site.ledger.generations.save(generation, taught_by=taught_by)
    return generation


def logging_lock(site: Site) -> AbstractContextManager[Held]:
    """Hold what is between MLflow and the ledger: a run that is not on the ledger meanwhile is no crash's."""
    return site.ledger.lock(f"generation:{site.model}", wait_seconds=60)


def known_runs(site: Site) -> frozenset[str]:
    """The MLflow runs of the generations on the ledger."""
    return frozenset(generation.mlflow_run_id for generation in site.ledger.generations.all(site.model))


def _taken_up(site: Site, request: LabelRequest) -> Generation | None:
    """The generation that a crashed attempt for this window left on the ledger; what came since did not teach it."""
    return next((one for one in site.ledger.generations.all(site.model) if one.cause == request.window.name), None)

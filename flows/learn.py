"""The second half of the loop: collect the answers, judge the champion, retrain, compare, promote or say why not."""

from dataclasses import dataclass, replace

from flows.ask import push_rest
from flows.compare import compare
from flows.evidence import audit_labels
from flows.exchange import Fetched, bring_home
from flows.promote import promote, settle_promotions
from flows.retrain import retrain
from flows.site import Site
from flows.watch import Run, by_hand
from labeling.consensus import agree
from models.loss import per_row
from monitors import decay as decays
from monitors.harm import find_harmful
from records.comparison import Verdict
from records.decay import Judgement
from records.label import LabelRequest
from records.window import Window


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one label request is: `n_resolved` of `n_asked` tasks are answered, skipped, or deleted by hand."""

    window: Window
    n_asked: int
    n_answered: int
    n_resolved: int
    ready: bool
    fetched: Fetched | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """What one label request led to; everything after `progress` is None while people are still at work."""

    progress: Progress
    judgement: Judgement | None = None
    challenger: int | None = None
    verdict: Verdict | None = None


def learn(site: Site, *, run: Run = by_hand, impatient: bool = False) -> tuple[Learned, ...]:
    """Take every open label request as far as its answers allow; `impatient` does not wait for the last ones."""
    run(settle_promotions, site)
    return tuple(_learn_one(site, item.request, run, impatient) for item in site.ledger.requests.open(site.model))


def _learn_one(site: Site, request: LabelRequest, run: Run, impatient: bool) -> Learned:
    progress = run(collect, site, request)
    if not (progress.ready or (impatient and progress.n_answered)):
        return Learned(progress)
    judgement = run(judge, site, request)
    challenger = run(retrain, site, request, judgement)
    comparison = run(compare, site, request, judgement, challenger)
    verdict = run(promote, site, request, judgement, challenger, comparison)
    return Learned(progress, judgement, challenger.number if challenger else None, verdict)


def collect(site: Site, request: LabelRequest) -> Progress:
    """Bring new answers home and say whether there are enough of them; safe to repeat at any time."""
    settings, ledger = site.settings.labels, site.ledger
    project = push_rest(site, request)
    fetched = bring_home(ledger, site.studio, site.model, project, site.schema)
    gone = next((item.gone for item in ledger.requests.open(site.model) if item.request.window == request.window), ())
    annotations = ledger.annotations.of(site.model, request.window)
    labels = agree(annotations, site.schema)
    ledger.labels.save(site.model, request.window, labels)
    looked_at: dict[str, set[str]] = {}
    for annotation in annotations:
        looked_at.setdefault(annotation.row_key, set()).add(annotation.annotator)
    n_resolved = sum(len(people) >= settings.overlap for people in looked_at.values()) + len(gone)
    waited_days = (site.now() - request.window.end).total_seconds() / 86_400
    complete = n_resolved >= settings.complete_share * len(request.asks)
    late = waited_days > settings.patience_days and len(labels) > 0
    return Progress(request.window, len(request.asks), len(labels), n_resolved, complete or late, fetched)


def judge(site: Site, request: LabelRequest) -> Judgement:
    """Measure with the audit labels whether the generation that was asked about got worse, and why."""
    return site.once(request.window, "judge", Judgement, lambda: _judge(site, request))


def _judge(site: Site, request: LabelRequest) -> Judgement:
    generation = site.ledger.generations.get(site.model, request.generation)
    pipeline = site.registry.load(generation.model_uri)
    holdout = site.holdout(generation)
    batch = site.sample(request.window)
    audit = audit_labels(site, (request.window,))
    losses = per_row(pipeline, audit.frame, site.schema, site.settings.loss)
    position = {key: place for place, key in enumerate(batch[site.schema.row_key])}
    decay = decays.estimate(
        holdout,
        per_row(pipeline, holdout, site.schema, site.settings.loss),
        batch,
        audit.frame[site.schema.row_key].map(position).to_numpy(dtype=int),
        losses,
        audit.inclusion,
        site.schema,
        model=site.model,
        window=request.window,
        generation=generation.number,
        loss=site.settings.loss,
        seed=site.settings.training.seed,
    )
    finding = decays.verdict(decay, tolerance=site.settings.training.harm_tolerance)
    harmful = find_harmful(audit.frame, losses, audit.inclusion, site.schema, seed=site.settings.training.seed)
    return Judgement(replace(decay, n_labels=len(audit.frame)), finding, harmful)

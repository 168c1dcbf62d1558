"""Ask people about some rows of an alarming batch: choose them, write down the intent, push the tasks."""

from flows.pages import furnish, open_project, pages
from flows.site import Site
from labeling.choose import draw
from models.loss import uncertainty
from monitors.membership import assign
from records.batch import Batch
from records.drift import Alarm
from records.label import Ask, LabelRequest
from records.slice import SliceReport


def ask(site: Site, batch: Batch, alarm: Alarm, found: SliceReport) -> LabelRequest:
    """Ask people about rows of an alarming batch; exactly once, however often it runs.

    The request is written to the ledger before a task is pushed. After a crash the same request is pushed again, and
    Label Studio's door adds only the tasks that are not there yet.
    """
    with site.ledger.steps.claim(site.model, batch.window, "ask") as claim:
        done = claim.done(LabelRequest)
        if done is not None:
            return done
        request = site.ledger.requests.get(site.model, batch.window) or _choose(site, batch, alarm, found)
        if request.asks:
            site.ledger.requests.save(request)
            _push(site, request)
        claim.finish(request)
        return request


def _choose(site: Site, batch: Batch, alarm: Alarm, found: SliceReport) -> LabelRequest:
    champion = site.champion()
    asks: tuple[Ask, ...] = ()
    if not alarm.raised:
        reason = "Nobody is asked: there is no alarm."
    elif waiting := site.ledger.requests.open(site.model):
        reason = f"Nobody is asked: the request of window {waiting[0].request.window.name} is still open."
    else:
        asks = _draw(site, batch, found)
        names = ", ".join(slice_.name for slice_ in found.grown)
        reason = f"{len(asks)} rows are asked, about {names or 'the whole window: no slice grew'}."
    return LabelRequest(site.model, batch.window, champion.number, site.settings.labels.budget, asks, reason)


def _draw(site: Site, batch: Batch, found: SliceReport) -> tuple[Ask, ...]:
    frame = site.sample(batch.window)
    pipeline = site.registry.load(site.champion().model_uri)
    drawn = draw(
        frame[site.schema.row_key].tolist(),
        assign(found.grown, frame),
        uncertainty(pipeline, frame, site.schema),
        budget=site.settings.labels.budget,
        audit_share=site.settings.labels.audit_share,
        seed=site.settings.training.seed,
        taken=site.ledger.requests.asked_keys(site.model),
    )
    return furnish(site, batch.window, drawn)


def push_rest(site: Site, request: LabelRequest) -> int:
    """Return the project of an open request in Label Studio, after pushing the tasks that a crash left out."""
    (known,) = [item for item in site.ledger.requests.open(site.model) if item.request.window == request.window]
    if known.project is not None and len(known.task_ids) == len(request.asks):
        return known.project
    return _push(site, request)


def _push(site: Site, request: LabelRequest) -> int:
    project = open_project(site)
    ids = site.studio.push(project, pages(site, request, request.asks))
    site.ledger.requests.pushed(site.model, request.window, project, ids)
    return project

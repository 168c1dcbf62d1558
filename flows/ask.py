"""Ask people about some rows of an alarming batch: choose them, write down the intent, push the tasks."""

from flows.exchange import Place, hand_out
from flows.reference import reference_rows
from flows.site import Site
from labeling.choose import draw
from labeling.interface import config, instructions
from labeling.tasks import to_task, usual_ranges
from models.loss import opinion, uncertainty
from models.predictions import named
from monitors.membership import assign
from records.batch import Batch
from records.drift import Alarm, DriftReport
from records.errors import NotFound
from records.label import Ask, LabelRequest
from records.slice import SliceReport


def ask(site: Site, batch: Batch, report: DriftReport, alarm: Alarm, found: SliceReport) -> LabelRequest:
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
            _push(site, batch, report, request)
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
    return draw(
        frame[site.schema.row_key].tolist(),
        assign(found.grown, frame),
        uncertainty(pipeline, frame, site.schema),
        budget=site.settings.labels.budget,
        audit_share=site.settings.labels.audit_share,
        seed=site.settings.training.seed,
        taken=site.ledger.requests.asked_keys(site.model),
    )


def push_rest(site: Site, request: LabelRequest) -> int:
    """Return the project of an open request in Label Studio, after pushing the tasks that a crash left out."""
    (known,) = [item for item in site.ledger.requests.open(site.model) if item.request.window == request.window]
    if known.project is not None and {key for key, _ in known.task_ids}.union(known.gone) == set(request.row_keys):
        return known.project
    batch = site.ledger.steps.get(site.model, request.window, "ingest", Batch)
    report = site.ledger.steps.get(site.model, request.window, "monitor", DriftReport)
    if batch is None or report is None:
        raise NotFound(
            f"window {request.window.name} of {site.model!r} is not in the ledger; run `driftloop watch` for it"
        )
    return _push(site, batch, report, request)


def _push(site: Site, batch: Batch, report: DriftReport, request: LabelRequest) -> int:
    schema, labels = site.schema, site.settings.labels
    rows = site.sample(batch.window).set_index(schema.row_key, drop=False).loc[[ask.row_key for ask in request.asks]]
    generation = site.ledger.generations.get(site.model, request.generation)
    pipeline = site.registry.load(generation.model_uri)
    usual = usual_ranges(reference_rows(site, generation)[0], schema)
    drifted = tuple(column.column for column in report.columns if column.drifted)
    answers = zip(opinion(pipeline, rows, schema), named(pipeline, rows, schema), strict=True)
    tasks = [
        to_task(
            {str(name): value for name, value in row.items()},
            ask,
            schema,
            usual,
            drifted,
            thought,
            title=labels.question,
            model=f"{site.model} generation {generation.number}",
            window=batch.window.name,
            prediction=predicted,
        )
        for row, ask, (thought, predicted) in zip(rows.to_dict("records"), request.asks, answers, strict=True)
    ]
    place = Place(
        f"Driftloop {site.model}",
        config(schema, labels.question),
        instructions(schema, labels.question),
        overlap=labels.overlap,
    )
    return hand_out(site.ledger, site.studio, request, place, tasks)

"""Ask people about some rows of an alarming batch: choose them, write down the intent, push the tasks."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from flows.exchange import hand_out
from flows.expectation import likeness_of
from flows.pages import furnish, pages, place
from flows.site import Site
from labeling.alike import alike
from labeling.choose import REST, draw
from labeling.rounds import Plan, plan
from models.reasons import kinds, uncertainty
from monitors.membership import assign
from records.batch import Batch
from records.drift import Alarm
from records.generation import Generation
from records.label import Ask, LabelRequest
from records.slice import SliceReport
from records.window import Window

WEEK = timedelta(days=7)


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
            push_rest(site, request)
        claim.finish(request)
        return request


def _choose(site: Site, batch: Batch, alarm: Alarm, found: SliceReport) -> LabelRequest:
    champion, budget = site.champion(), site.settings.labels.budget
    asks: tuple[Ask, ...] = ()
    if not alarm.raised:
        reason = "Nobody is asked: there is no alarm."
    elif waiting := site.ledger.requests.open(site.model):
        reason = f"Nobody is asked: the request of window {waiting[0].request.window.name} is still open."
    elif (budget := min(left_this_week(site), _n_free(site, batch.window))) < 1:
        reason = "Nobody is asked: the labels of this week are used up, or every row was asked before."
    else:
        n_audit, n_train = plan_of(site, budget).first()
        names = ", ".join(slice_.name for slice_ in found.grown)
        likeness = likeness_of(site, champion, batch.window)
        spread = likeness.spread_batch if likeness else np.ones(batch.n_sampled)
        asks = choose(site, batch.window, champion, n_audit, n_train, spread=spread, number=1)
        reason = f"{len(asks)} rows are asked, about {names or 'the whole window: no slice grew'}."
    return LabelRequest(site.model, batch.window, champion.number, budget, asks, reason)


def plan_of(site: Site, budget: int) -> Plan:
    """How a request of so many labels is spread over rounds."""
    return plan(budget, site.settings.labels.audit_share, site.settings.labels.rounds)


def left_this_week(site: Site) -> int:
    """How many labels a new request may buy: its own budget, less what the last seven days used of the weekly one."""
    settings = site.settings.labels
    if settings.weekly_budget is None:
        return settings.budget
    used = site.ledger.requests.n_asked_since(site.model, site.now() - WEEK)
    return max(min(settings.budget, settings.weekly_budget - used), 0)


def _n_free(site: Site, window: Window) -> int:
    """How many rows of a window's sample were not asked before."""
    return len(set(site.sample(window)[site.schema.row_key]) - site.ledger.requests.asked_keys(site.model))


def choose(
    site: Site,
    window: Window,
    generation: Generation,
    n_audit: int,
    n_train: int,
    *,
    spread: NDArray[np.float64],
    number: int,
) -> tuple[Ask, ...]:
    """Draw the rows of one round about a generation; `spread` is how much each row's loss may vary."""
    frame, settings = site.sample(window), site.settings
    pipeline = site.pipeline(generation)
    drawn = draw(
        frame[site.schema.row_key].tolist(),
        strata(site, window),
        spread,
        budget=n_audit + n_train,
        audit_share=n_audit / max(n_audit + n_train, 1),
        seed=settings.training.seed,
        doubt=uncertainty(pipeline, frame, site.schema, settings.labels.reason),
        alike=alike(frame, site.schema),
        kinds=kinds(pipeline, frame, site.schema, seed=settings.training.seed) if n_train else None,
        taken=site.ledger.requests.asked_keys(site.model),
        number=number,
    )
    return furnish(site, window, generation, drawn)


def strata(site: Site, window: Window) -> NDArray[np.object_]:
    """The slice of every row of a window's sample, "rest" for none: those that people are asked about."""
    found = site.ledger.steps.get(site.model, window, "slice", SliceReport)
    frame = site.sample(window)
    return assign(found.grown, frame) if found else np.full(len(frame), REST, dtype=object)


def push_rest(site: Site, request: LabelRequest) -> int | None:
    """Return the project of an open request in Label Studio, after pushing the tasks that are not there yet.

    None means that nothing had to be pushed: production knows the answer of every row that was asked, or the request
    was closed.
    """
    found = [item for item in site.ledger.requests.open(site.model) if item.request.window == request.window]
    if not found:  # it was closed meanwhile
        return None
    (known,) = found
    gone = set(known.gone)
    if {row_key for row_key, _ in known.task_ids} | gone >= set(request.row_keys):
        return known.project
    tasks = pages(site, request, [one for one in request.asks if one.row_key not in gone])
    return hand_out(site.ledger, site.studio, request, place(site), tasks)

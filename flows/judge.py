"""Look at the labels of a window: measure the decay, say what to do, and ask more people while it is not decided."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flows.ask import choose, plan_of, push_rest, strata
from flows.evidence import Evidence, audit_labels
from flows.expectation import likeness_of
from flows.site import Site
from labeling.rounds import Plan
from models.loss import per_row
from models.metrics import measured
from monitors import decay as decays
from monitors.advice import Budget, advise
from monitors.allocation import sharpened
from monitors.harm import find_harmful
from monitors.loss_change import Labelled
from monitors.membership import assign
from records.decay import Finding, Judgement
from records.errors import NotFound
from records.label import LabelRequest
from records.slice import SliceReport


def look(site: Site, request: LabelRequest, complete: bool = True) -> Judgement:
    """Say what the labels show after a round, and what to do next; of a complete round once, as it then is."""
    if not complete:
        return _look(site, request)
    return site.once(request.window, f"look {last_round(request)}", Judgement, lambda: _look(site, request))


def last_round(request: LabelRequest) -> int:
    """The number of the last round that was asked."""
    return max(ask.round for ask in request.asks)


def ask_more(site: Site, request: LabelRequest, judgement: Judgement) -> LabelRequest:
    """Ask the next round, drawn where the labels so far leave most open; intent in the ledger before any task."""
    number = last_round(request) + 1
    more = site.once(request.window, f"ask {number}", LabelRequest, lambda: _ask_more(site, request, judgement, number))
    push_rest(site, more)
    return more


def _ask_more(site: Site, request: LabelRequest, judgement: Judgement, number: int) -> LabelRequest:
    n_audit, n_train = _next(site, request, judgement.finding)
    generation = site.ledger.generations.get(site.model, request.generation)
    asks = choose(site, request.window, generation, n_audit, n_train, spread=_spread(site, request), number=number)
    return site.ledger.requests.extend(site.model, request.window, asks)


def judge(site: Site, request: LabelRequest, now: Judgement) -> Judgement:
    """Say with all labels of a window, as they look `now`, whether the generation that was asked about got worse.

    What an earlier look has decided stays decided: more labels came to learn from, not to change its mind. It is kept
    once a verdict follows from it.
    """
    number = last_round(request)
    looks = [site.ledger.steps.get(site.model, request.window, f"look {k}", Judgement) for k in range(1, number)]
    decided = next((one for one in looks if one is not None and one.finding != "unclear"), None)
    if decided is None:
        return now
    advice = advise(now.decay, decided.finding, Budget(), tolerance=site.settings.training.harm_tolerance)
    return replace(now, finding=decided.finding, looks=decided.looks, advice=advice)


def _look(site: Site, request: LabelRequest) -> Judgement:
    generation = site.ledger.generations.get(site.model, request.generation)
    pipeline = site.pipeline(generation)
    holdout, batch = site.holdout(generation), site.sample(request.window)
    audit = audit_labels(site, (request.window,))
    settings, schema = site.settings, site.schema
    losses = per_row(pipeline, audit.frame, schema, settings.loss)
    decay = decays.estimate(
        holdout,
        per_row(pipeline, holdout, schema, settings.loss),
        batch,
        _positions(site, request, audit),
        losses,
        audit.inclusion,
        schema,
        model=site.model,
        window=request.window,
        generation=generation.number,
        loss=settings.loss,
        seed=settings.training.seed,
        slices=_slices(site, request),
        likeness=likeness_of(site, generation, request.window),
    )
    rounds = plan_of(site, request.budget)
    looks = _shares(request, rounds)
    finding = decays.verdict(decay, tolerance=settings.training.harm_tolerance, looks=looks)
    n_left = sum(_next(site, request, finding))
    budget = Budget(share=looks[-1], n_left=n_left, price=settings.labels.price, currency=settings.labels.currency)
    return Judgement(
        decay,
        finding,
        find_harmful(audit.frame, losses, audit.inclusion, schema.shown, seed=settings.training.seed),
        advise(decay, finding, budget, tolerance=settings.training.harm_tolerance),
        looks,
        measured(pipeline, holdout, audit.frame, audit.inclusion, schema),
    )


def _shares(request: LabelRequest, rounds: Plan) -> tuple[float, ...]:
    """At which shares of the audit rows it was looked, the present one last."""
    by_round = [sum(ask.purpose == "audit" and ask.round <= k for ask in request.asks) for k in _rounds(request)]
    shares = sorted({min(n / rounds.n_audit, 1.0) for n in by_round if n})
    return tuple(shares) if rounds.n_audit and shares else (1.0,)


def _rounds(request: LabelRequest) -> range:
    return range(1, last_round(request) + 1)


def _next(site: Site, request: LabelRequest, finding: Finding) -> tuple[int, int]:
    """How many audit and train rows may follow; none once rows to learn from were asked."""
    rounds = plan_of(site, request.budget)
    if any(ask.purpose == "train" for ask in request.asks):
        return 0, 0
    n_asked = sum(ask.purpose == "audit" for ask in request.asks)
    n_audit, n_train = rounds.next(n_asked, last_round(request), harmed=finding == "harm")
    n_left = max(request.budget - n_asked, 0)
    return min(n_audit, n_left), min(n_train, max(n_left - n_audit, 0))


def _positions(site: Site, request: LabelRequest, audit: Evidence) -> NDArray[np.int64]:
    place = {key: number for number, key in enumerate(site.sample(request.window)[site.schema.row_key])}
    return audit.frame[site.schema.row_key].map(place).to_numpy(dtype=np.int64)


def _slices(site: Site, request: LabelRequest) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """The slice of every row of the holdout and of the batch."""
    found = site.ledger.steps.get(site.model, request.window, "slice", SliceReport)
    if found is None:
        raise NotFound(f"the slices of window {request.window.name} are not in the ledger; run `driftloop watch`")
    holdout = site.holdout(site.ledger.generations.get(site.model, request.generation))
    return assign(found.grown, holdout), strata(site, request.window)


def _spread(site: Site, request: LabelRequest) -> NDArray[np.float64]:
    """How much the loss of every row of the batch may vary, after the labels so far."""
    generation = site.ledger.generations.get(site.model, request.generation)
    likeness = likeness_of(site, generation, request.window)
    if likeness is None:
        return np.ones(len(site.sample(request.window)))
    audit = audit_labels(site, (request.window,))
    losses = per_row(site.pipeline(generation), audit.frame, site.schema, site.settings.loss)
    _, numbers = np.unique(strata(site, request.window).astype(str), return_inverse=True)
    return sharpened(likeness, Labelled(_positions(site, request, audit), losses, audit.inclusion, numbers))

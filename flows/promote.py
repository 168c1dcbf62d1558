"""Let the verdict change production: one alias moves, after the intent is on the ledger."""

from contextlib import suppress

from flows.review import publish_review, refresh, refresh_all
from flows.site import Site
from models.promote import judge as gate
from models.review import comparison_note
from records.comparison import Comparison, Verdict
from records.decay import Judgement
from records.errors import BadData, Conflict, NotFound
from records.generation import Generation
from records.label import LabelRequest


def promote(
    site: Site,
    request: LabelRequest,
    judgement_now: Judgement,
    challenger: Generation | None,
    comparison: Comparison | None,
) -> Verdict:
    """Draw the verdict of one window from its judgement, carry it out, and close the label request."""
    judgement = site.once(request.window, "judge", Judgement, lambda: judgement_now)
    verdict = site.once(request.window, "promote", Verdict, lambda: _promote(site, judgement, challenger, comparison))
    if challenger is not None:  # before the request is closed, so that a rerun after a crash writes it
        with suppress(NotFound, BadData):  # what it would show is gone for good; the decision stands
            publish_review(site, challenger.number)
        refresh(site, [judgement.decay.generation])
    site.ledger.requests.close(site.model, request.window, f"{verdict.outcome}: {verdict.reasons[0]}")
    return verdict


def _promote(site: Site, judgement: Judgement, challenger: Generation | None, comparison: Comparison | None) -> Verdict:
    if challenger is None or comparison is None:
        return Verdict("keep", (f"Generation {judgement.decay.generation} stays champion: {_why(judgement)}.",))
    settings = site.settings.gate
    verdict = gate(
        comparison,
        margin=settings.margin,
        tolerance=settings.tolerance,
        minimum_labels=settings.minimum_labels,
        bias_limit=settings.bias_limit,
    )
    site.registry.annotate(challenger.mlflow_run_id, comparison_note(comparison, verdict))
    if verdict.outcome == "promote" and settings.approval == "automatic":
        why = f"window {judgement.decay.window.name}: {verdict.reasons[0]}"
        try:
            make_champion(site, challenger, verdict, why=why, expected=comparison.champion)
        except Conflict as error:  # somebody promoted by hand since: what it was compared with is not in charge
            return Verdict("needs review", (f"It was not promoted: {error}.", *verdict.reasons))
    elif verdict.outcome == "keep":
        site.ledger.generations.set_status(site.model, challenger.number, "rejected")
    return verdict


def _why(judgement: Judgement) -> str:
    """Why there is no challenger."""
    if judgement.finding == "no harm":
        return "the labels show no harm"
    if judgement.advice is not None and judgement.advice.action == "nothing":
        return "the labels show no harm, and more of them are unlikely to"
    return "nobody answered a train task"


def make_champion(site: Site, generation: Generation, verdict: Verdict, *, why: str, expected: int | None) -> None:
    """Put a generation in charge in place of `expected`: intent in the ledger, one alias move, confirmation there.

    Nothing happens when it is in charge already. Raises `Conflict` when another generation than `expected` is, because
    somebody was quicker, or the alias was moved by hand.
    """
    with site.ledger.lock(f"promotion:{site.model}", wait_seconds=60):
        _settle(site)
        champion = site.ledger.generations.champion(site.model)
        number = None if champion is None else champion.number
        if number == generation.number:
            return
        if number != expected:
            raise Conflict(
                f"generation {number} of {site.model!r} has taken charge since, in place of {expected}; compare with it"
            )
        intent = site.ledger.promotions.intend(
            site.model,
            generation=generation.number,
            previous=champion.number if champion else None,
            why=why,
            verdict=verdict,
        )
        site.registry.promote(site.model, generation.version, expected=champion.version if champion else None)
        site.ledger.promotions.confirm(intent)


def heed_approvals(site: Site) -> Generation | None:
    """Promote the latest challenger of the champion that a reviewer has approved in MLflow, and return it.

    Whoever sets the tag `approved` of its version to a reason decides as with `driftloop promote`.
    """
    champion = site.champion()
    for generation in reversed(site.ledger.generations.all(site.model)):
        if generation.status == "candidate" and generation.parent == champion.number:
            reason = site.registry.approval(site.model, generation.version)
            if reason:
                verdict = Verdict("promote", (f"Approved in MLflow: {reason}",))
                make_champion(site, generation, verdict, why=f"approved in MLflow: {reason}", expected=champion.number)
                _tell(site)
                return generation
    return None


def settle_promotions(site: Site) -> None:
    """Finish promotions that a crash left half-way: the intent on the ledger says what was meant."""
    with site.ledger.lock(f"promotion:{site.model}", wait_seconds=60):
        _settle(site)


def _settle(site: Site) -> None:
    for intent in site.ledger.promotions.pending(site.model):
        generation = site.ledger.generations.get(site.model, intent.generation)
        previous = site.ledger.generations.get(site.model, intent.previous) if intent.previous else None
        try:
            site.registry.promote(site.model, generation.version, expected=previous.version if previous else None)
        except Conflict as error:
            site.ledger.promotions.abandon(intent.id, str(error))
        else:
            site.ledger.promotions.confirm(intent.id)


def promote_by_hand(site: Site, number: int, *, why: str) -> Generation:
    """Put a generation in charge because a person says so."""
    settle_promotions(site)
    champion, generation = site.champion(), site.ledger.generations.get(site.model, number)
    verdict = Verdict("promote", (f"Promoted by hand: {why}",))
    make_champion(site, generation, verdict, why=why, expected=champion.number)
    _tell(site)
    refresh_all(site)
    return generation


def rollback(site: Site, *, why: str, number: int | None = None) -> Generation:
    """Put an earlier champion back in charge: the one before the present one, or the one that is named."""
    settle_promotions(site)
    champion = site.champion()
    if number is None:
        history = reversed(site.ledger.promotions.history(site.model))
        number = next((past.previous for past in history if past.generation == champion.number), None)
    if number is None:
        raise NotFound(f"generation {champion.number} of {site.model!r} is the first; there is nothing to roll back to")
    generation = site.ledger.generations.get(site.model, number)
    verdict = Verdict("promote", (f"Rolled back from generation {champion.number}: {why}",))
    make_champion(site, generation, verdict, why=why, expected=champion.number)
    _tell(site)
    refresh_all(site)
    return generation


def _tell(site: Site) -> None:
    from flows.events import tell_change  # Prefect takes a second to load, and mostly nothing has changed

    tell_change(site)

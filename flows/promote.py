"""Let the verdict change production: one alias moves, after the intent is on the ledger."""

from contextlib import suppress

from flows.champions import ROLLED_BACK, is_rollback, way_back
from flows.review import publish_review, refresh, refresh_all
from flows.site import Site
from models.promote import judge as gate
from models.review import comparison_note
from records.comparison import Comparison, Verdict
from records.decay import Judgement
from records.errors import Altered, BadData, Conflict, LockLost, NotFound
from records.generation import Generation
from records.label import LabelRequest
from records.promotion import Promotion
from store.locks import Held


def promote(
    site: Site,
    request: LabelRequest,
    judgement_now: Judgement,
    challenger: Generation | None,
    comparison: Comparison | None,
) -> Verdict:
    """Draw the verdict of one window from its judgement, and carry it out."""
    judgement = site.once(request.window, "judge", Judgement, lambda: judgement_now)
    verdict = site.once(request.window, "promote", Verdict, lambda: _promote(site, judgement, challenger, comparison))
    if challenger is not None:
        with suppress(NotFound, BadData):  # what it would show is gone for good; the decision stands
            publish_review(site, challenger.number)
        refresh(site, [judgement.decay.generation])
    return verdict


def close(site: Site, request: LabelRequest, verdict: Verdict) -> None:
    """Close a label request that led to a verdict; last of all, so that a rerun after a crash does what is left."""
    site.ledger.requests.close(site.model, request.window, f"{verdict.outcome}: {verdict.reasons[0]}")


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
        if site.ledger.generations.get(site.model, challenger.number).status == "retired":
            return verdict  # it was promoted before a crash, and replaced since: by a rollback, which stands
        why = f"window {judgement.decay.window.name}: {verdict.reasons[0]}"
        try:
            make_champion(site, challenger, verdict, why=why, expected=comparison.champion)
        except LockLost:  # whether it happened is for the next one to settle
            raise
        except (Conflict, NotFound, Altered) as error:  # another is in charge by now, or its files are gone or changed
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

    Nothing happens when it is in charge already. Before anything is intended, raises `Conflict` when another generation
    than `expected` is, because somebody was quicker, or the alias was moved by hand, and `NotFound` or `Altered` when
    MLflow does not have its files any more.
    """
    with site.ledger.lock(f"promotion:{site.model}", wait_seconds=60) as held:
        _settle(site, held)
        champion = site.ledger.generations.champion(site.model)
        number = None if champion is None else champion.number
        if number == generation.number:
            return
        if number != expected:
            raise Conflict(
                f"generation {number} of {site.model!r} has taken charge since, in place of {expected}; compare with it"
            )
        replaced = champion.version if champion else None
        named = site.registry.champion(site.model)
        if named not in (replaced, generation.version):
            there = f"MLflow's champion of {site.model!r} is version {named}"
            raise Conflict(
                f"{there}, the ledger's is {replaced}: somebody moved it; `driftloop doctor --repair` moves it back"
                if replaced
                else f"{there}, of which this ledger knows nothing; give the model another name, or take the alias off"
            )
        site.pipeline(generation)  # what cannot be loaded must not be in charge
        intent = site.ledger.promotions.intend(
            site.model,
            generation=generation.number,
            previous=champion.number if champion else None,
            why=why,
            verdict=verdict,
        )
        held.check()
        site.registry.promote(site.model, generation.version, expected=replaced)
        site.ledger.promotions.confirm(intent)


def heed_approvals(site: Site) -> Generation | None:
    """Promote the latest challenger of the champion that a reviewer has approved in MLflow, and return it.

    Whoever sets the tag `approved` of its version to a reason decides as with `driftloop promote`. While the alias is
    on another version than the ledger's champion, or the files of what was approved are not those that were logged, the
    approval waits: learning goes on, and `driftloop doctor` is red.
    """
    champion = site.champion()
    for generation in reversed(site.ledger.generations.all(site.model)):
        if generation.status == "candidate" and generation.parent == champion.number:
            try:
                reason = site.registry.approval(site.model, generation.version)
            except NotFound:  # its version was deleted there, so nobody can approve it; `driftloop doctor` names it
                continue
            if reason:
                verdict = Verdict("promote", (f"Approved in MLflow: {reason}",))
                why = f"approved in MLflow: {reason}"
                try:
                    make_champion(site, generation, verdict, why=why, expected=champion.number)
                except (Conflict, NotFound, Altered):
                    return None
                _tell(site)
                return generation
    return None


def settle_promotions(site: Site) -> None:
    """Finish promotions that a crash left half-way: the intent on the ledger says what was meant."""
    with site.ledger.lock(f"promotion:{site.model}", wait_seconds=60) as held:
        _settle(site, held)


def _settle(site: Site, held: Held) -> None:
    for intent in site.ledger.promotions.pending(site.model):
        generation = site.ledger.generations.get(site.model, intent.generation)
        previous = site.ledger.generations.get(site.model, intent.previous) if intent.previous else None
        held.check()
        try:
            site.registry.promote(site.model, generation.version, expected=previous.version if previous else None)
        except (Conflict, NotFound) as error:  # somebody moved the alias meanwhile, or deleted the version
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
    """Put an earlier champion back in charge: the one before the present one, or the one that is named.

    The same again finishes what a crash left and is no change. Another one, for another reason, goes further back,
    never to a generation that was rolled back from. Raises `NotFound` when there is none.
    """
    known = site.ledger.promotions.history(site.model)
    settle_promotions(site)
    history = site.ledger.promotions.history(site.model)
    champion = history[-1].generation if history else site.champion().number
    if number is None:
        number = champion if _is_done(known, history, why) else _one_before(site, history)
    generation = site.ledger.generations.get(site.model, number)
    verdict = Verdict("promote", (f"{ROLLED_BACK} {champion}: {why}",))
    make_champion(site, generation, verdict, why=why, expected=champion)
    _tell(site)
    refresh_all(site)
    return generation


def _is_done(known: tuple[Promotion, ...], history: tuple[Promotion, ...], why: str) -> bool:
    """Whether a rollback took place already, as a crash or another process left it, or the same one given before."""
    return bool(history) and is_rollback(history[-1]) and (len(history) > len(known) or history[-1].why == why)


def _one_before(site: Site, history: tuple[Promotion, ...]) -> int:
    if way := way_back(history):
        return way[-1]
    raise NotFound(
        f"no champion of {site.model!r} is left before generation {site.champion().number}, so there is nothing to roll"
        " back to; name the generation to put in charge"
    )


def _tell(site: Site) -> None:
    from flows.events import tell_change  # Prefect takes a second to load, and mostly nothing has changed

    tell_change(site)

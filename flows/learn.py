"""The second half of the loop: collect the answers, judge the champion, retrain, compare, promote or say why not."""

from dataclasses import dataclass

from flows.baseline import calibrate, calibrate_next
from flows.collect import Progress, collect
from flows.compare import compare
from flows.judge import ask_more, judge, look
from flows.promote import close, heed_approvals, promote, settle_promotions
from flows.retrain import retrain
from flows.review import refresh_all
from flows.shadow import score_shadows
from flows.site import Site
from flows.watch import Run, by_hand
from flows.withdraw import take_late_tasks_back
from records.comparison import Verdict
from records.decay import Judgement
from records.label import LabelRequest

__all__ = ["Learned", "Progress", "learn"]


@dataclass(frozen=True, slots=True)
class Learned:
    """What one label request led to; everything after `progress` is None while people are still at work.

    `n_more` rows are asked in one more round, because it is not decided yet or because there is harm to learn from.
    """

    progress: Progress
    judgement: Judgement | None = None
    challenger: int | None = None
    verdict: Verdict | None = None
    n_more: int = 0


def learn(site: Site, *, run: Run = by_hand, impatient: bool = False) -> tuple[Learned, ...]:
    """Take every open label request as far as its answers allow; `impatient` waits for nobody and asks no more."""
    run(settle_promotions, site)
    run(heed_approvals, site)
    run(take_late_tasks_back, site)
    learned = tuple(_learn_one(site, item.request, run, impatient) for item in site.ledger.requests.open(site.model))
    run(score_shadows, site)
    run(refresh_all, site)
    run(calibrate_next, site)  # last of all: it takes a while, and nothing waits for it
    return learned


def _learn_one(site: Site, request: LabelRequest, run: Run, impatient: bool) -> Learned:
    progress = run(collect, site, request)
    if not (progress.ready or (impatient and progress.n_answered)):
        return Learned(progress)
    seen = run(look, site, request, progress.ready)
    if not impatient and seen.advice is not None and seen.advice.action != "nothing" and seen.advice.n_labels:
        more = run(ask_more, site, request, seen)
        if n_more := len(more.asks) - len(request.asks):  # none where no other row is left to ask about
            return Learned(progress, seen, n_more=n_more)
    judgement = run(judge, site, request, seen)
    challenger = run(retrain, site, request, judgement)
    comparison = run(compare, site, request, judgement, challenger)
    verdict = run(promote, site, request, judgement, challenger, comparison)
    if verdict.outcome == "promote":
        run(calibrate, site, request.window)
    run(close, site, request, verdict)
    return Learned(progress, judgement, challenger.number if challenger else None, verdict)

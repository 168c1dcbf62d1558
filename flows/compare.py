"""Gather champion and challenger on the same rows: the audit labels of the drift, and what is kept of older regimes."""

from flows.evidence import as_counted, audit_labels, undecided
from flows.regimes import Rows, regimes_of
from flows.site import Site
from models.calibration import biases
from models.compare import Regime, spent_alpha
from models.compare import compare as measure
from models.loss import per_row
from records.comparison import Comparison
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest

BALANCED = (
    "Its mean prediction was not asked: with `balance` it is off on purpose, and all classes count the same here."
)


def compare(
    site: Site, request: LabelRequest, judgement: Judgement, challenger: Generation | None
) -> Comparison | None:
    """Compare the champion and the challenger; None when there is no challenger."""
    if challenger is None:
        return None
    return site.once(request.window, "compare", Comparison, lambda: _compare(site, request, judgement, challenger))


def _compare(site: Site, request: LabelRequest, judgement: Judgement, challenger: Generation) -> Comparison:
    champion, schema, loss = site.champion(), site.schema, site.settings.loss
    old, new = site.pipeline(champion), site.pipeline(challenger)
    before = undecided(site, champion.number)
    windows = (*before, request.window)
    audit = audit_labels(site, windows)
    alpha = site.settings.gate.alpha

    balance = site.settings.training.balance and bool(schema.classes)
    off = () if balance else biases(old, new, audit.frame, audit.inclusion, schema, alpha=spent_alpha(alpha))

    def scored(rows: Rows) -> Regime:
        before, after = (per_row(pipeline, rows.frame, schema, loss) for pipeline in (old, new))
        return Regime(rows.name, rows.kind, before, after, as_counted(site, rows.frame, rows.inclusion))

    regimes = regimes_of(site, request, judgement, champion, audit)
    return measure(
        [scored(rows) for rows in regimes.asked],
        model=site.model,
        champion=champion.number,
        challenger=challenger.number,
        loss=loss,
        alpha=alpha,
        biases=off,
        n_labels=len(audit.frame),
        spent=sum(earlier.level for earlier in before.values()),
        minimum_labels=site.settings.gate.minimum_labels,
        windows=windows,
        unasked=(*regimes.unasked, BALANCED) if balance else regimes.unasked,
    )

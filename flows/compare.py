"""Gather champion and challenger on the same rows: the audit labels of the drift, and what is kept of older regimes."""

from flows.evidence import audit_labels, undecided
from flows.regimes import Rows, regimes_of
from flows.site import Site
from models.calibration import biases
from models.compare import Regime
from models.compare import compare as measure
from models.loss import per_row
from records.comparison import Comparison
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest


def compare(
    site: Site, request: LabelRequest, judgement: Judgement, challenger: Generation | None
) -> Comparison | None:
    """Compare the champion and the challenger; None when there is no challenger."""
    if challenger is None:
        return None
    return site.once(request.window, "compare", Comparison, lambda: _compare(site, request, judgement, challenger))


def _compare(site: Site, request: LabelRequest, judgement: Judgement, challenger: Generation) -> Comparison:
    champion, schema, loss = site.champion(), site.schema, site.settings.loss
    old, new = site.registry.load(champion.model_uri), site.registry.load(challenger.model_uri)
    open_windows = undecided(site, champion.number)
    audit = audit_labels(site, (*open_windows, request.window))
    alpha = spent_alpha(site.settings.gate.alpha, looks=len(open_windows))

    def scored(rows: Rows) -> Regime:
        before, after = (per_row(pipeline, rows.frame, schema, loss) for pipeline in (old, new))
        return Regime(rows.name, rows.kind, before, after, rows.inclusion)

    return measure(
        [scored(rows) for rows in regimes_of(site, request, judgement, champion, audit)],
        model=site.model,
        champion=champion.number,
        challenger=challenger.number,
        loss=loss,
        alpha=alpha,
        biases=biases(old, new, audit.frame, audit.inclusion, schema, alpha=alpha),
        looks=len(open_windows) + 1,
    )


def spent_alpha(alpha: float, *, looks: int) -> float:
    """Return the level of the next look, so that all looks together err with at most `alpha` (union bound).

    Audit labels of an undecided window are looked at again with the next window's. The first look gets 95 % of
    `alpha`, for it is mostly the only one. The k-th later one gets 1 / (k (k + 1)) of the rest, which adds up to it
    however many there are; by then there are more labels.

    >>> [round(spent_alpha(0.05, looks=k), 6) for k in range(4)]
    [0.0475, 0.00125, 0.000417, 0.000208]
    """
    return alpha * (0.95 if looks == 0 else 0.05 / (looks * (looks + 1)))

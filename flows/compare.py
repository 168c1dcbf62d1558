"""Gather champion and challenger on the same rows: the audit labels of the drifted slices, and the old holdout."""

import numpy as np

from flows.evidence import audit_labels, old_answers_hold, undecided
from flows.site import Site
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
    champion = site.champion()
    loss = site.settings.loss
    old, new = site.registry.load(champion.model_uri), site.registry.load(challenger.model_uri)
    open_windows = undecided(site, champion.number)
    audit = audit_labels(site, (*open_windows, request.window))
    inside = audit.slices != "rest"
    judged, name = (inside, "drifted slices") if inside.any() else (~inside, "whole window")
    rows, holdout = audit.frame[judged], site.holdout(champion)
    holds = old_answers_hold(site, request.window, judgement, holdout)
    kept_name = "holdout of the snapshot" if holds.all() else "holdout outside the drifted slices"
    holdout = holdout[holds]
    regimes = (
        Regime(
            name,
            "must gain",
            per_row(old, rows, site.schema, loss),
            per_row(new, rows, site.schema, loss),
            audit.inclusion[judged],
        ),
        Regime(
            kept_name,
            "must not lose",
            per_row(old, holdout, site.schema, loss),
            per_row(new, holdout, site.schema, loss),
            np.ones(len(holdout)),
        ),
    )
    return measure(
        regimes,
        model=site.model,
        champion=champion.number,
        challenger=challenger.number,
        loss=loss,
        alpha=spent_alpha(site.settings.gate.alpha, looks=len(open_windows)),
        seed=site.settings.training.seed,
    )


def spent_alpha(alpha: float, *, looks: int) -> float:
    """Return the level of the next look, so that all looks together err with at most `alpha` (union bound).

    Audit labels of an undecided window are looked at again with the next window's, so look k gets
    `alpha / (k (k + 1))`, which sums to `alpha`.

    >>> [round(spent_alpha(0.05, looks=k), 4) for k in range(3)]
    [0.025, 0.0083, 0.0042]
    """
    return alpha / ((looks + 1) * (looks + 2))

"""Measure champion and challenger on the labels that judged them, for the review page; nothing is decided here."""

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from flows.crowd import crowd
from flows.evidence import Evidence, as_counted, audit_labels
from flows.site import Site
from models.compare import gain
from models.loss import per_row
from models.metrics import measured
from models.reliability import reliability
from records.comparison import Comparison
from records.drift import Estimate
from records.generation import Generation
from records.review import Figures, Gain, Measured
from records.window import Window

FEWEST_ROWS = 5
HOLDOUT = "holdout.g1"  # every generation is handed the first one's


def figures_of(site: Site, window: Window, challenger: Generation, comparison: Comparison) -> Figures:
    """Return what a challenger and the champion it met reach on the audit labels and the holdout; measured once."""
    return site.once(window, "review", Figures, lambda: _measure(site, window, challenger, comparison))


def _measure(site: Site, window: Window, challenger: Generation, comparison: Comparison) -> Figures:
    champion = site.ledger.generations.get(site.model, comparison.champion)
    old, new = site.pipeline(champion), site.pipeline(challenger)
    windows = comparison.windows or (window,)  # older ledgers do not say
    audit = audit_labels(site, windows)
    request = site.ledger.requests.get(site.model, window)
    pairs = ((champion, old), (challenger, new))
    return Figures(
        champion=champion.number,
        challenger=challenger.number,
        loss=comparison.loss,
        n_audit=len(audit.frame),
        windows=windows,
        gains=_gains(site, old, new, audit),
        measures=_measures(site, champion, old, new, audit),
        calibrations=tuple(
            reliability(pipeline, audit.frame, audit.inclusion, site.schema, generation=one.number)
            for one, pipeline in pairs
            if len(audit.frame)
        ),
        crowd=crowd(site, request) if request else None,
    )


def _gains(site: Site, old: Pipeline, new: Pipeline, audit: Evidence) -> tuple[Gain, ...]:
    """The paired gain in each slice that has labels, in the rest, and over the whole window."""
    if audit.frame.empty:
        return ()
    loss = site.settings.loss
    before, after = (per_row(pipeline, audit.frame, site.schema, loss) for pipeline in (old, new))
    names = sorted(set(audit.slices) - {"rest"})
    parts = [(name, audit.slices == name) for name in names]
    if names:
        parts.append(("rows outside the slices", audit.slices == "rest"))
    parts.append(("whole window", np.ones(len(audit.frame), dtype=bool)))

    def gained(name: str, inside: NDArray[np.bool_]) -> Gain:
        weights = 1 / as_counted(site, audit.frame[inside], audit.inclusion[inside])
        old_losses, new_losses = before[inside], after[inside]
        return Gain(
            name,
            len(weights),
            float(np.average(old_losses, weights=weights)),
            float(np.average(new_losses, weights=weights)),
            gain(old_losses - new_losses, weights, alpha=0.05, steps=loss == "zero_one"),
        )

    return tuple(gained(str(name), inside) for name, inside in parts if inside.sum() >= FEWEST_ROWS)


def _measures(site: Site, champion: Generation, old: Pipeline, new: Pipeline, audit: Evidence) -> tuple[Measured, ...]:
    """Accuracy and the like of both models: on the audit labels with intervals, then on the holdout."""
    unknown = float("nan")
    holdout = site.holdout(champion)
    pair = [measured(pipeline, holdout, audit.frame, audit.inclusion, site.schema) for pipeline in (old, new)]
    both = [(one, two) for one in pair[0] for two in pair[1] if one.name == two.name]
    return (
        *(Measured("audit", one.name.lower(), one.now, two.now) for one, two in both),
        *(
            Measured(
                HOLDOUT,
                one.name.lower(),
                Estimate(one.before, unknown, unknown),
                Estimate(two.before, unknown, unknown),
            )
            for one, two in both
        ),
    )

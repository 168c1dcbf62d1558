"""Measure champion and challenger on the labels that judged them, for the review page; nothing is decided here."""

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from flows.crowd import crowd
from flows.evidence import Evidence, audit_labels
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
from store.snapshots import digest

FEWEST_ROWS = 5
MOST_HOLDOUTS = 4


def figures_of(site: Site, window: Window, challenger: Generation, comparison: Comparison) -> Figures:
    """Return what a challenger and the champion it met reach on the audit labels and holdouts; measured once."""
    return site.once(window, "review", Figures, lambda: _measure(site, window, challenger, comparison))


def _measure(site: Site, window: Window, challenger: Generation, comparison: Comparison) -> Figures:
    champion = site.ledger.generations.get(site.model, comparison.champion)
    old, new = site.registry.load(champion.model_uri), site.registry.load(challenger.model_uri)
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
    weights = 1 / audit.inclusion
    return tuple(
        Gain(
            str(name),
            int(inside.sum()),
            float(np.average(before[inside], weights=weights[inside])),
            float(np.average(after[inside], weights=weights[inside])),
            gain((before - after)[inside], weights[inside], alpha=0.05, steps=loss == "zero_one"),
        )
        for name, inside in parts
        if inside.sum() >= FEWEST_ROWS
    )


def _measures(site: Site, champion: Generation, old: Pipeline, new: Pipeline, audit: Evidence) -> tuple[Measured, ...]:
    """Accuracy and the like of both models: on the audit labels with intervals, then on each kept holdout."""
    found: list[Measured] = []
    unknown = float("nan")
    for name, holdout in _holdouts(site, champion).items():
        pair = [measured(pipeline, holdout, audit.frame, audit.inclusion, site.schema) for pipeline in (old, new)]
        both = [(one, two) for one in pair[0] for two in pair[1] if one.name == two.name]
        if not found:
            found += [Measured("audit", one.name.lower(), one.now, two.now) for one, two in both]
        found += [
            Measured(
                name,
                one.name.lower(),
                Estimate(one.before, unknown, unknown),
                Estimate(two.before, unknown, unknown),
            )
            for one, two in both
        ]
    return tuple(found)


def _holdouts(site: Site, champion: Generation) -> dict[str, pd.DataFrame]:
    """The holdouts of the champion and its ancestors that differ, oldest first, by the generation that had it first."""
    found, seen = {}, set()
    line = _ancestry(site, champion)
    for number in dict.fromkeys([line[0], *line[1 - MOST_HOLDOUTS :]]):
        holdout = site.holdout(site.ledger.generations.get(site.model, number))
        if (mark := digest(holdout)) not in seen:
            seen.add(mark)
            found[f"holdout.g{number}"] = holdout
    return found


def _ancestry(site: Site, generation: Generation) -> list[int]:
    """A generation and those it descends from, the first one first."""
    line = [generation.number]
    while (parent := site.ledger.generations.get(site.model, line[0]).parent) is not None:
        line.insert(0, parent)
    return line

"""The sets of rows a challenger is judged on, and what is demanded of it on each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flows.evidence import Evidence, kept_labels, old_answers_hold, settled
from flows.site import Site
from records.comparison import Rule
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest
from records.window import Window


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows of one regime with their inclusion probabilities; it stays inside one step."""

    name: str
    kind: Rule
    frame: pd.DataFrame
    inclusion: NDArray[np.float64]


def regimes_of(
    site: Site, request: LabelRequest, judgement: Judgement, champion: Generation, audit: Evidence
) -> list[Rows]:
    """Return where the challenger must gain, where it must not lose, and where it must not clearly lose.

    It must gain on the audit labels of the drifted slices, or of the whole window if no slice was found. It must not
    lose on the snapshot's holdout. It must not clearly lose in any one slice, outside of them, in any group named in
    the settings, nor on what is kept of the labels of any earlier window, each with the minimum of labels. Old rows
    whose answers people showed to have changed, now or when the champion was promoted, do not count.
    """
    inside = audit.slices != "rest"
    gaining = inside if inside.any() else ~inside
    found = [Rows("drifted slices" if inside.any() else "whole window", "must gain", *_chosen(audit, gaining))]
    found += _holdout(site, request.window, judgement, champion)
    watched: list[tuple[str, NDArray[np.bool_]]] = []
    names = sorted({str(name) for name in audit.slices})
    if len(names) > 1:
        watched += [("outside the slices" if name == "rest" else name, audit.slices == name) for name in names]
    for column in site.settings.gate.groups:
        values = audit.frame[column].astype("string").fillna("missing")
        watched += [(f"{column} = {value}", (values == value).to_numpy()) for value in sorted(values.unique())]
    fewest = site.settings.gate.minimum_labels
    found += [
        Rows(name, "must not clearly lose", *_chosen(audit, rows))
        for name, rows in watched
        if rows.sum() >= fewest and not np.array_equal(rows, gaining)
    ]
    return [*found, *_memories(site, request.window, judgement, fewest)]


def _holdout(site: Site, window: Window, judgement: Judgement, champion: Generation) -> list[Rows]:
    """The snapshot's holdout as far as its answers still hold; nothing where none of them does."""
    holdout = site.holdout(champion)
    holds = old_answers_hold(site, window, judgement, holdout)
    if not holds.any():
        return []
    name = "holdout of the snapshot" if holds.all() else "holdout outside the drifted slices"
    return [Rows(name, "must not lose", holdout[holds], np.ones(int(holds.sum())))]


def _memories(site: Site, window: Window, judgement: Judgement, fewest: int) -> list[Rows]:
    """What is kept of the audit labels of earlier windows, a regime per window."""
    found = []
    for earlier in settled(site):
        kept = kept_labels(site, earlier)
        holds = old_answers_hold(site, window, judgement, kept.frame, of=earlier)
        if earlier != window and holds.sum() >= fewest:
            name = f"labels kept of {earlier.name}"
            found.append(Rows(name, "must not clearly lose", *_chosen(kept, holds)))
    return found


def _chosen(evidence: Evidence, rows: NDArray[np.bool_]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    return evidence.frame[rows], evidence.inclusion[rows]

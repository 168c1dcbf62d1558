"""The sets of rows a challenger is judged on, and what is demanded of it on each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flows.evidence import Evidence, kept_labels, old_answers_hold, settled
from flows.site import Site
from models.weighted import as_one
from records.comparison import Rule
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest
from records.window import Window

MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows of one regime with their inclusion probabilities; it stays inside one step."""

    name: str
    kind: Rule
    frame: pd.DataFrame
    inclusion: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regimes:
    """The regimes that are asked, and a sentence on each kind that is not; it stays inside one step."""

    asked: tuple[Rows, ...]
    unasked: tuple[str, ...]


def regimes_of(
    site: Site, request: LabelRequest, judgement: Judgement, champion: Generation, audit: Evidence
) -> Regimes:
    """Return where the challenger must gain, where it must not lose, and where it must not clearly lose.

    It must gain on the audit labels of the drifted slices, or of the whole window if no slice was found. It must not
    lose on the snapshot's holdout. It must not clearly lose in any one slice, outside of them, in any group named in
    the settings, nor on what is kept of the labels of all earlier windows together, each with the minimum of labels.
    Old rows whose answers people showed to have changed, now or when the champion was promoted, do not count.
    """
    inside = audit.slices != "rest"
    gaining = inside if inside.any() else ~inside
    gain = Rows("drifted slices" if inside.any() else "whole window", "must gain", *_chosen(audit, gaining))
    holdout = _holdout(site, request.window, judgement, champion)
    unasked = [] if holdout else ["The holdout was not asked: people showed that its answers no longer hold."]
    watched: list[tuple[str, NDArray[np.bool_]]] = []
    names = sorted({str(name) for name in audit.slices})
    if len(names) > 1:
        watched += [("outside the slices" if name == "rest" else name, audit.slices == name) for name in names]
    for column in site.settings.gate.groups:
        values = audit.frame[column].astype("string").fillna("missing")
        watched += [(f"{column} = {value}", (values == value).to_numpy()) for value in sorted(values.unique())]
    vetoes = [
        Rows(name, "must not clearly lose", *_chosen(audit, rows))
        for name, rows in watched
        if not np.array_equal(rows, gaining)
    ]
    vetoes += _memory(site, request.window, judgement)
    fewest = site.settings.gate.minimum_labels
    if few := [rows for rows in vetoes if len(rows.frame) < fewest]:
        unasked.append(_too_few(few, fewest))
    return Regimes((gain, *holdout, *(rows for rows in vetoes if len(rows.frame) >= fewest)), tuple(unasked))


def _holdout(site: Site, window: Window, judgement: Judgement, champion: Generation) -> list[Rows]:
    """The snapshot's holdout as far as its answers still hold; nothing where none of them does."""
    holdout = site.holdout(champion)
    holds = old_answers_hold(site, window, judgement, holdout)
    if not holds.any():
        return []
    name = "holdout of the snapshot" if holds.all() else "holdout outside the drifted slices"
    return [Rows(name, "must not lose", holdout[holds], np.ones(int(holds.sum())))]


def _memory(site: Site, window: Window, judgement: Judgement) -> list[Rows]:
    """What is kept of the audit labels of all earlier windows, as one; nothing where none is kept.

    One window keeps too few to notice anything by. Each counts by its labels whose answers still hold, however many
    rows it had.
    """
    parts = []
    for earlier in settled(site):
        kept = kept_labels(site, earlier)
        if earlier != window and len(kept.frame):
            parts.append(_chosen(kept, old_answers_hold(site, window, judgement, kept.frame, of=earlier)))
    if not parts:
        return []
    frames = [frame for frame, _ in parts if len(frame)] or [parts[0][0]]
    drawn = as_one([inclusion for _, inclusion in parts])
    name = "labels kept of earlier windows"
    return [Rows(name, "must not clearly lose", pd.concat(frames, ignore_index=True), drawn)]


def _too_few(regimes: list[Rows], fewest: int) -> str:
    named = [f"{rows.name} ({len(rows.frame)})" for rows in regimes]
    more = f" and {len(named) - MOST_NAMES} more" if len(named) > MOST_NAMES else ""
    return f"Too few labels to ask about a loss, which takes {fewest}: {', '.join(named[:MOST_NAMES])}{more}."


def _chosen(evidence: Evidence, rows: NDArray[np.bool_]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    return evidence.frame[rows], evidence.inclusion[rows]

"""Labelled rows as frames: the answers of people joined to the rows they were about, and which windows are settled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flows.site import Site
from labeling.pooling import pooled
from models.balance import counted_alike
from models.holdout import in_holdout
from monitors.membership import assign
from records.comparison import Comparison, Outcome, Verdict
from records.decay import Judgement
from records.label import Purpose, StoredLabel
from records.slice import SliceReport
from records.window import Window


@dataclass(frozen=True, slots=True)
class Evidence:
    """Labelled rows with their inclusion probabilities and slices; it stays inside one step."""

    frame: pd.DataFrame
    inclusion: NDArray[np.float64]
    slices: NDArray[np.object_]


def audit_labels(site: Site, windows: Sequence[Window]) -> Evidence:
    """The audit labels of some windows: they judge, and nothing trains on them while they do."""
    return _labelled(site, [(window, ("audit",)) for window in windows])


def teaching_labels(site: Site, window: Window) -> Evidence:
    """Everything a challenger may learn from: all train labels up to now, and audit labels that have served.

    A share of the latter is kept from it for good (see `kept_labels`).
    """
    served = settled(site)
    withdrawn = site.ledger.requests.withdrawn(site.model)
    earlier = [other for other in site.ledger.steps.windows(site.model) if other not in (window, *withdrawn)]
    wanted: list[tuple[Window, tuple[Purpose, ...]]] = [
        (other, ("audit", "train") if other in served else ("train",)) for other in earlier
    ]
    return _labelled(site, [*wanted, (window, ("train",))], kept=False)


def kept_labels(site: Site, window: Window) -> Evidence:
    """The audit labels of a decided window that no challenger learned or learns from: they remember what held then.

    What taught one while `memory_share` or the seed was another goes on teaching, for it knows those answers.
    """
    return _labelled(site, [(window, ("audit",))], kept=True)


def as_counted(site: Site, frame: pd.DataFrame, inclusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inclusion probabilities that rows count by in the gate: with `balance`, such that all classes weigh the same.

    Models are fitted and chosen by that measure then. By any other a challenger is refused for what it was asked to do.
    """
    if not (site.settings.training.balance and site.schema.classes):
        return inclusion
    return counted_alike(frame[site.schema.target].to_numpy(), inclusion)


def settled(site: Site) -> tuple[Window, ...]:
    """The windows whose labels led to a decision, their own or a later one's, so that they are known ground."""
    verdicts = _verdicts(site)
    served = _served(site, verdicts)
    return tuple(window for window, _ in verdicts if window in served)


def undecided(site: Site, champion: int) -> dict[Window, Comparison]:
    """The windows that were judged against this champion without any decision: their audit labels still count."""
    verdicts = _verdicts(site)
    passed = {*_served(site, verdicts), *site.ledger.requests.withdrawn(site.model)}
    compared = {window: _compared(site, window) for window, _ in verdicts if window not in passed}
    return {window: one for window, one in compared.items() if one is not None and one.champion == champion}


def old_answers_hold(
    site: Site, window: Window, judgement: Judgement, rows: pd.DataFrame, *, of: Window | None = None
) -> NDArray[np.bool_]:
    """Which old labelled rows still have a true answer, after what people said about a window.

    Where they showed that answers changed (the concept part is above 0) and slices say where, the old answers inside
    those slices are no longer the truth, and a challenger that unlearns them has not forgotten anything. Where no slice
    grew, nobody knows where they changed, and none of them counts. The same goes for the windows that the champion and
    its ancestors were promoted for: it has unlearned those answers, so it loses nothing more by them, which does not
    make them true again. `of` is the window that the rows are of, about which only later ones say anything; a snapshot
    is older than all.
    """
    holds = np.ones(len(rows), dtype=bool)
    for other, said in (*_unlearned(site), (window, judgement)):
        if said.decay.concept.low > 0 and (of is None or other > of):
            found = site.ledger.steps.get(site.model, other, "slice", SliceReport)
            if found is not None:
                holds &= np.asarray(assign(found.grown, rows) == "rest") if found.grown else False
    return holds


def _unlearned(site: Site) -> list[tuple[Window, Judgement]]:
    """The windows that the champion and its ancestors were promoted for, and what people said about them."""
    generations, steps = site.ledger.generations, site.ledger.steps
    windows = {window.name: window for window in steps.windows(site.model, "judge")}
    found, one = [], site.champion()
    while one.parent is not None:
        window = windows.get(one.cause or "")
        said = steps.get(site.model, window, "judge", Judgement) if window else None
        if window and said:
            found.append((window, said))
        one = generations.get(site.model, one.parent)
    return found


def _is_kept(site: Site, item: StoredLabel) -> bool:
    keys = pd.Series([item.label.row_key])
    return not item.trained and bool(
        in_holdout(keys, site.settings.gate.memory_share, seed=site.settings.training.seed)[0]
    )


def _verdicts(site: Site) -> list[tuple[Window, Outcome]]:
    steps, found = site.ledger.steps, []
    for window in steps.windows(site.model):
        verdict = steps.get(site.model, window, "promote", Verdict)
        if verdict and site.ledger.requests.get(site.model, window):
            found.append((window, verdict.outcome))
    return found


def _compared(site: Site, window: Window) -> Comparison | None:
    return site.ledger.steps.get(site.model, window, "compare", Comparison)


def _served(site: Site, verdicts: Sequence[tuple[Window, Outcome]]) -> set[Window]:
    """The windows whose labels a decision used."""
    decided = {window for window, outcome in verdicts if outcome != "needs review"}
    compared = (_compared(site, window) for window in decided)
    return decided.union(*(one.windows for one in compared if one is not None))


def _labelled(site: Site, wanted: Sequence[tuple[Window, Sequence[Purpose]]], *, kept: bool | None = None) -> Evidence:
    """The labels of some windows and purposes; with `kept`, of audit labels those that are kept, or the others."""
    schema = site.schema
    frames, inclusion, slices = [], [], []
    for window, purposes in wanted:
        stored = [item for item in site.ledger.labels.of(site.model, window=window) if item.ask.purpose in purposes]
        if kept is not None:
            stored = [item for item in stored if item.ask.purpose != "audit" or _is_kept(site, item) == kept]
        if not stored:
            continue
        rows = site.sample(window).set_index(schema.row_key, drop=False)
        rows = rows.loc[[item.label.row_key for item in stored]].reset_index(drop=True)
        request = site.ledger.requests.get(site.model, window)
        drawn = pooled(request.asks) if request else {}
        answers = [item.label.answer for item in stored]
        frames.append(rows.assign(**{schema.target: answers if schema.classes else np.array(answers, dtype=float)}))
        inclusion += [drawn[item.label.row_key] for item in stored]
        slices += [item.ask.slice for item in stored]
    empty = pd.DataFrame(columns=[*schema.production, schema.target])
    frame = pd.concat(frames, ignore_index=True) if frames else empty
    scale = max(1.0, *inclusion) if inclusion else 1.0  # what counts is their ratio
    return Evidence(frame, np.array(inclusion, dtype=float) / scale, np.array(slices, dtype=object))

"""The shadow: a challenger that was not promoted predicts later windows beside the champion, without being used.

Nothing here decides, and nothing here may keep the loop from going on: what fails is left out.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flows.evidence import audit_labels
from flows.site import Site
from flows.truth import known_answers
from models.shadow import apart, beside, paired_gain
from records.batch import Batch
from records.comparison import Verdict
from records.generation import Generation
from records.review import Shadow, ShadowScore
from records.window import Window
from store.snapshots import read_frame, write_frame

KEPT_WINDOWS = 26
"""So many windows' predictions are kept on disk; the older ones' figures stay on the ledger."""
WAITING_WINDOWS = 8
TRUTH_ROWS = 1_000
FEWEST_ROWS = 10

T = TypeVar("T")
Known = tuple[pd.DataFrame, NDArray[np.float64], str]
_log = logging.getLogger("driftloop.shadow")


def shadow(site: Site, batch: Batch) -> Shadow | None:
    """Let the latest challenger of the champion predict a window too, once; None where there is none, or it fails."""
    if not site.settings.gate.shadow:
        return None
    return _harmless(f"the shadow of window {batch.window.name}", lambda: _shadow(site, batch))


def score_shadows(site: Site) -> int:
    """Say how both did on windows whose answers have become known; return for how many windows that is new."""
    if not site.settings.gate.shadow:
        return 0
    return _harmless("the scores of shadows", lambda: _score_all(site)) or 0


def challenger_of(site: Site, champion: Generation) -> Generation | None:
    """The latest generation that challenged the champion and was not promoted."""
    waiting = [
        one
        for one in site.ledger.generations.all(site.model)
        if one.parent == champion.number and one.status in ("candidate", "rejected")
    ]
    return waiting[-1] if waiting else None


def predictions_path(site: Site, window: Window) -> Path:
    """Where the predictions of both on a window are kept."""
    return site.settings.folder / "shadow" / site.model / f"{window.name}.parquet"


def _shadow(site: Site, batch: Batch) -> Shadow | None:
    champion = site.champion()
    challenger = challenger_of(site, champion)
    if challenger is None:
        return site.ledger.steps.get(site.model, batch.window, "shadow", Shadow)
    return site.once(batch.window, "shadow", Shadow, lambda: _predict(site, batch, champion, challenger))


def _predict(site: Site, batch: Batch, champion: Generation, challenger: Generation) -> Shadow:
    old, new = (site.pipeline(one) for one in (champion, challenger))
    said = beside(old, new, site.sample(batch.window), site.schema)
    share_different, mean_distance = apart(said, site.schema)
    path = write_frame(said, predictions_path(site, batch.window))
    for old in sorted(path.parent.glob("*.parquet"))[:-KEPT_WINDOWS]:
        old.unlink(missing_ok=True)
    return Shadow(
        site.model, batch.window, champion.number, challenger.number, len(said), share_different, mean_distance
    )


def _score_all(site: Site) -> int:
    steps = site.ledger.steps
    waiting = [
        one
        for one in steps.history(site.model, "shadow", Shadow)
        if steps.get(site.model, one.window, "shadow score", ShadowScore) is None
        and predictions_path(site, one.window).exists()
    ]
    return sum(_score(site, one) for one in waiting[-WAITING_WINDOWS:])


def _score(site: Site, one: Shadow) -> bool:
    """Score one window, if its answers are known by now: from people, once they have decided, or from production."""
    found = _from_people(site, one.window) or _from_production(site, one.window)
    if found is None:
        return False
    known, inclusion, source = found
    said = read_frame(predictions_path(site, one.window))
    score = ShadowScore(
        one.window,
        one.champion,
        one.challenger,
        len(known),
        source,
        paired_gain(said, known, inclusion, site.schema, loss=site.settings.loss),
    )
    site.once(one.window, "shadow score", ShadowScore, lambda: score)
    return True


def _from_people(site: Site, window: Window) -> Known | None:
    if site.ledger.steps.get(site.model, window, "promote", Verdict) is None:
        return None
    audit = audit_labels(site, (window,))
    return (audit.frame, audit.inclusion, "people") if len(audit.frame) >= FEWEST_ROWS else None


def _from_production(site: Site, window: Window) -> Known | None:
    """Answers that arrived in the production table, if nine of ten rows of a random part of the sample have one."""
    schema, keys = site.schema, site.sample(window)[site.schema.row_key]
    generator = np.random.default_rng(site.settings.training.seed)
    some = keys.iloc[np.sort(generator.permutation(len(keys))[:TRUTH_ROWS])].tolist()
    labels = known_answers(site, window, some)
    if len(labels) < max(0.9 * len(some), FEWEST_ROWS):
        return None
    said = [label.answer if schema.classes else float(label.answer) for label in labels.values()]
    return pd.DataFrame({schema.row_key: list(labels), schema.target: said}), np.ones(len(labels)), "production table"


def _harmless(what: str, make: Callable[[], T | None]) -> T | None:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - it informs only, so whatever is wrong must not stop the loop
        _log.warning("%s was left out: %s", what, error)
        return None

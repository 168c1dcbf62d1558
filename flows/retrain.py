"""Make a challenger from the original snapshot and what people answered, and log it as a generation."""

import pandas as pd

from flows.evidence import labelled_rows
from flows.site import Site
from models.recipe import training_frames
from models.registry import Draft
from models.train import challenge
from records.comparison import Verdict
from records.decay import Judgement
from records.generation import Generation
from records.label import LabelRequest
from store.snapshots import read, write


def retrain(site: Site, request: LabelRequest, judgement: Judgement) -> Generation | None:
    """Fit and log a challenger unless the labels say that no harm was done; None when there is nothing to learn.

    It learns from the first generation's snapshot, every `train` label, and the `audit` labels of windows whose
    decision is over. The audit labels of this window judge it and are not shown to it.
    """
    if judgement.finding == "no harm":
        return None
    with site.ledger.steps.claim(site.model, request.window, "retrain") as claim:
        done = claim.done(Generation)
        if done is not None:
            return done
        challenger = _retrain(site, request)
        if challenger is not None:
            claim.finish(challenger)
        return challenger

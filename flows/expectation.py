"""What is expected of a window's rows before anybody is asked: their loss, how much it varies, how alike they are."""

from flows.site import Site
from models.loss import expected, per_row
from monitors.likeness import FOLDS, Likeness, measure
from records.generation import Generation
from records.window import Window


def likeness_of(site: Site, generation: Generation, window: Window) -> Likeness | None:
    """Compare a window's sample with a generation's holdout; None where either has too few rows for that."""
    holdout, batch, schema = site.holdout(generation), site.sample(window), site.schema
    if min(len(holdout), len(batch)) < 4 * FOLDS:
        return None
    pipeline, loss = site.pipeline(generation), site.settings.loss
    own = (expected(pipeline, holdout, schema, loss), expected(pipeline, batch, schema, loss))
    losses = per_row(pipeline, holdout, schema, loss)
    return measure(holdout, losses, batch, schema, seed=site.settings.training.seed, own=own)

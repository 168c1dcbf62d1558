"""How much worse the model is on a batch than on its own holdout, why, and whether that is harm."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from monitors.likeness import FOLDS, Likeness, measure
from monitors.looks import spent
from monitors.loss_change import LEAST_LABELS, UNKNOWN, Labelled, at_level, split, within
from records.decay import Decay, SliceDecay
from records.drift import Estimate
from records.errors import BadData, BadSettings
from records.schema import Schema
from records.window import Window

LEAST_ROWS = 4 * FOLDS
LEAST_COVARIATE = 0.005
REST = "rest"
"""The name of the rows that lie in no slice."""
SHARE_WORTH_A_WORD = 0.05

Numbers = NDArray[np.float64]


def estimate(
    holdout: DataFrame,
    holdout_losses: Numbers,
    batch: DataFrame,
    labelled: NDArray[np.int64],
    labelled_losses: Numbers,
    inclusion: Numbers,
    schema: Schema,
    *,
    model: str,
    window: Window,
    generation: int,
    loss: str,
    seed: int = 0,
    slices: tuple[NDArray[np.object_], NDArray[np.object_]] | None = None,
    likeness: Likeness | None = None,
) -> Decay:
    """Estimate the loss change of a generation between its holdout and a batch, with 95 % intervals.

    `holdout_losses` has one loss per holdout row; `labelled` holds positions of rows in `batch` that were drawn for
    audit, `labelled_losses` their losses and `inclusion` the probabilities they were drawn with, up to one factor.
    `slices` names the slice of every holdout and every batch row ("rest" for none), within which the rows were drawn;
    `likeness` is what `monitors.likeness.measure` says of them, if it is known. With fewer than 5 labels the total and
    the concept part are `nan`; with fewer than 20 rows in either frame all parts but a total from labels are.
    Intervals use Student's t with Kish's effective number of labels; the covariate part's standard error is inflated
    by 10 %. Raises `BadData` if lengths, positions or probabilities do not fit together.
    """
    _check(len(holdout), holdout_losses, len(batch), labelled, labelled_losses, inclusion)
    enough = min(len(holdout), len(batch)) >= LEAST_ROWS
    if enough:
        likeness = likeness or measure(holdout, holdout_losses, batch, schema, seed=seed)
    else:
        flat, ones = float(holdout_losses.mean()), np.ones(len(holdout))
        unknown = np.full(len(batch), np.nan)
        likeness = Likeness(ones * flat, np.full(len(batch), flat), ones, unknown, unknown)
    of_holdout, of_batch = slices or (np.full(len(holdout), REST), np.full(len(batch), REST))
    names, strata = np.unique(of_batch.astype(str), return_inverse=True)
    drawn = Labelled(labelled, labelled_losses, inclusion, np.asarray(strata, dtype=np.int64))
    total, covariate, concept, freedom = split(likeness, holdout_losses, drawn)
    if not enough:
        names = names[:0]
    decay = Decay(
        model=model,
        window=window,
        generation=generation,
        loss=loss,
        baseline=float(holdout_losses.mean()),
        total=total,
        covariate=covariate if enough else UNKNOWN,
        concept=concept if enough else UNKNOWN,
        n_labels=len(labelled),
        effective_share=likeness.effective_share if enough else np.nan,
        unsupported_share=likeness.unsupported_share if enough else np.nan,
        sentence="",
        freedom=freedom,
        slices=tuple(
            _slice(name, number, likeness, holdout_losses, drawn, of_holdout == name)
            for number, name in enumerate(names.tolist())
            if name != REST
        ),
    )
    return replace(decay, sentence=say(decay))


def _slice(
    name: str, number: int, likeness: Likeness, losses: Numbers, drawn: Labelled, of_holdout: NDArray[np.bool_]
) -> SliceDecay:
    weights = 1 / drawn.inclusion[drawn.strata[drawn.position] == number]
    freedom = max(float(weights.sum() ** 2 / (weights**2).sum()) - 1, 1.0) if len(weights) else 0.0
    concept = within(likeness, losses, drawn, number, of_holdout)
    return SliceDecay(name, float((drawn.strata == number).mean()), len(weights), concept, freedom)


def verdict(
    decay: Decay, *, tolerance: float, alpha: float = 0.05, looks: Sequence[float] = (1.0,)
) -> Literal["harm", "no harm", "unclear"]:
    """Decide from intervals whether the model was harmed; a loss increase up to `tolerance` does not matter.

    "harm": the total, the concept part, or the concept part inside a slice is above `tolerance` and its interval above
    zero. "no harm": the intervals of total and concept part, and what any slice may add to them, lie below
    `tolerance`. Otherwise "unclear", also while a part is unknown. There are three questions, so each is asked at a
    third of `alpha`, and each slice at its part of that (Bonferroni): where nothing changed "harm" is said at most
    with probability `alpha`; where a part reaches `tolerance`, "no harm" at most with half of it, as all must agree.
    `looks` are the shares of the labels at which it was and is decided, so that looking early costs nothing extra
    (`monitors.looks`). The covariate part alone decides nothing: it is a forecast, and the total confirms it. Raises
    `BadSettings` for a negative tolerance.
    """
    if not tolerance >= 0:
        raise BadSettings(f"the tolerated loss increase is {tolerance!r}; set it to 0 or more")
    if np.isnan(decay.total.value):
        return "unclear"
    for part, freedom, level in questions(decay, alpha):
        if part.value > tolerance and at_level(part, freedom, 1 - 2 * spent(looks, level)).low > 0:
            return "harm"
    level = 1 - 2 * spent(looks, alpha / 2)
    wholes = [at_level(part, decay.freedom, level).high for part in (decay.total, decay.concept)]
    adds = [
        item.share * at_level(item.concept, item.freedom, level).high
        for item in decay.slices
        if not np.isnan(item.concept.value)
    ]
    return "no harm" if all(high < tolerance for high in (*wholes, *adds)) else "unclear"


def questions(decay: Decay, alpha: float) -> list[tuple[Estimate, float, float]]:
    """Return every estimate that may show harm, with its degrees of freedom and its one-sided part of `alpha`."""
    known = [item for item in decay.slices if not np.isnan(item.concept.value)]
    wholes = [(part, decay.freedom, alpha / 3) for part in (decay.total, decay.concept)]
    return [*wholes, *((item.concept, item.freedom, alpha / 3 / len(known)) for item in known)]


def causes(decay: Decay, *, alpha: float = 0.05) -> frozenset[Literal["covariate", "concept"]]:
    """Return what raised the loss beyond chance: rows that moved, answers that changed, both or neither.

    The concept part counts as a whole or inside a slice, at half of `alpha` each, so it is called falsely at most with
    probability `alpha`. The covariate part also has to reach 0.005: a forecast of less is of no use.
    """
    known = [item for item in decay.slices if not np.isnan(item.concept.value)]
    inside = any(at_level(item.concept, item.freedom, 1 - alpha / len(known)).low > 0 for item in known)
    found: set[Literal["covariate", "concept"]] = set()
    if inside or (decay.freedom > 0 and at_level(decay.concept, decay.freedom, 1 - alpha).low > 0):
        found.add("concept")
    if decay.covariate.low > 0 and decay.covariate.value > LEAST_COVARIATE:
        found.add("covariate")
    return frozenset(found)


def say(decay: Decay) -> str:
    """Say in one sentence what follows from the numbers of a decay, rounded to what the interval can tell.

    >>> import textwrap
    >>> from datetime import UTC, datetime
    >>> week = Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC))
    >>> decay = Decay("m", week, 1, "brier", 0.2, Estimate(0.021, 0.004, 0.038), Estimate(0.016, 0.012, 0.020),
    ...               Estimate(0.005, -0.010, 0.020), 300, 0.8, 0.0, "")
    >>> print(textwrap.fill(say(decay), 100))
    On 2013-03-04 to 2013-03-11 the brier loss rose by 0.021 (0.004 to 0.038): 0.016 (0.012 to 0.020)
    because rows moved to where the model was always worse, 0.005 (-0.010 to 0.020) because the answers
    changed.
    """
    start, end = decay.window.name.split("_")
    opening, loss = f"On {start} to {end}", f"the {decay.loss.replace('_', '-')} loss"
    total, covariate, concept = decay.total, decay.covariate, decay.concept
    known = [part for part in (total, covariate) if not np.isnan(part.value)]
    digits = _decimals(known[0]) if known else 0
    moved = "rows moved"
    if covariate.low > 0 or covariate.high < 0:
        moved += f" to where the model was always {'worse' if covariate.value > 0 else 'better'}"
    unlike = ""
    if decay.unsupported_share > SHARE_WORTH_A_WORD:
        unlike = f"; {decay.unsupported_share:.0%} of the rows have no like in the snapshot, so there this is a guess"
    if np.isnan(total.value):
        few = f"only {decay.n_labels} audit labels are in, fewer than the {LEAST_LABELS} an interval needs"
        if np.isnan(covariate.value):
            return f"{opening} {few}, and there are too few rows to expect anything of {loss}."
        expected = f"{loss} is expected to change by {_figures(covariate, digits)} because {moved}"
        return f"{opening} {few}: {expected}, and whether the answers changed is unknown{unlike}."
    if total.low > 0:
        change = f"rose by {_figures(total, digits)}"
    elif total.high < 0:
        change = f"fell by {_figures(Estimate(-total.value, -total.high, -total.low), digits)}"
    else:
        change = f"changed by {_figures(total, digits)}, which may be chance"
    if np.isnan(covariate.value):
        return f"{opening} {loss} {change}, with too few rows to say why."
    parts = f"{_figures(covariate, digits)} because {moved}, {_figures(concept, digits)} because the answers changed"
    return f"{opening} {loss} {change}: {parts}{unlike}."


def _figures(part: Estimate, digits: int) -> str:
    value, low, high = (f"{round(number, digits) + 0.0:.{digits}f}" for number in (part.value, part.low, part.high))
    return f"{value} ({low} to {high})"


def _decimals(part: Estimate) -> int:
    """Return how many decimals show two digits of the interval's half-width."""
    half = (part.high - part.low) / 2
    return int(np.clip(1 - np.floor(np.log10(half)), 0, 9)) if half > 0 else 3


def _check(
    n_holdout: int, losses: Numbers, n_batch: int, labelled: NDArray[np.int64], labelled_losses: Numbers, pi: Numbers
) -> None:
    if n_holdout == 0 or n_batch == 0:
        raise BadData(f"decay compares {n_holdout!r} holdout rows with {n_batch!r} batch rows; both need at least one")
    if len(losses) != n_holdout:
        raise BadData(f"there are {len(losses)!r} losses for {n_holdout!r} holdout rows; give one loss per row")
    if not len(labelled) == len(labelled_losses) == len(pi):
        raise BadData(
            f"there are {len(labelled)!r} labelled rows, {len(labelled_losses)!r} losses and {len(pi)!r} inclusion "
            "probabilities; give one of each per label"
        )
    if not (np.isfinite(losses).all() and np.isfinite(labelled_losses).all()):
        raise BadData("a loss is nan or infinite; drop rows without an answer before measuring decay")
    if len(labelled) and (len(np.unique(labelled)) < len(labelled) or labelled.min() < 0 or labelled.max() >= n_batch):
        raise BadData(f"labelled rows must be distinct positions from 0 to {n_batch - 1!r} of the batch")
    outside = pi[~((pi > 0) & np.isfinite(pi))]
    if outside.size:
        raise BadData(f"an inclusion probability is {float(outside[0])!r}; each must be above 0")

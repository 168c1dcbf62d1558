"""The project's own code on a stream: labels are drawn, teach a challenger, and may have to pass the gate."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from benchmarks.stream_rivals import Count, Terms
from benchmarks.stream_rows import Stream
from benchmarks.stream_score import predicted, score
from flows.sections import Gate
from labeling.choose import REST, draw
from models.balance import counted_alike
from models.compare import Regime, compare
from models.loss import per_row
from models.promote import judge
from models.reasons import kinds, uncertainty
from models.train import challenge
from monitors.decay import estimate
from records.comparison import Outcome, Rule
from records.window import Window

AUDIT_SHARE = 0.5
GATE = Gate()
"""The defaults of `driftloop.toml`."""


@dataclass(frozen=True, slots=True)
class Bought:
    """The labels of one window, each with its inclusion probability: `audit` judges, `train` teaches."""

    audit: pd.DataFrame
    train: pd.DataFrame


def ours(stream: Stream, terms: Terms, champion: Pipeline, *, gated: bool, count: Count) -> tuple[list[float], int]:
    """Return the scores of the model in charge in every window, and how often another one took over.

    After each window labels are drawn by the model in charge (`labeling.choose`, without slices), half to judge and
    half to teach. A challenger learns from all train labels and from the audit labels of windows that are decided.
    Without the gate nothing has to be judged: all labels teach at once, and the challenger takes over. With the gate
    (`models.promote` at the defaults, with `balance`) it must gain on the audit labels of this window and of those that
    are still undecided, and lose nothing on the holdout, unless the labels show that its answers are no longer true
    (`monitors.decay`: a concept part above 0), or the model in charge has unlearned them; if that is not clear, the
    window stays undecided.
    """
    schema, loss = stream.schema, terms.loss(stream)
    in_charge, scores, n_taken_over, unlearned = champion, [], 0, False
    teaching: list[pd.DataFrame] = []
    undecided: list[pd.DataFrame] = []
    spent = 0.0
    for window, rows in enumerate(stream.windows):
        scores.append(score(predicted(in_charge, stream, window), stream, window))
        count()
        if window + 1 == len(stream.windows):
            break
        bought = buy(stream, terms, in_charge, rows)
        teaching.append(bought.train)
        (undecided if gated else teaching).append(bought.audit)
        holds = not (gated and (unlearned or _has_changed(stream, loss, in_charge, window, bought.audit)))
        challenger = challenge(
            stream.train,
            stream.holdout,
            pd.concat(teaching, ignore_index=True),
            schema,
            estimators=terms.estimators,
            loss=loss,
            seed=terms.seed,
            serving="accelerated",
            batch=rows,
            still_true=np.full(len(stream.train), holds),
            forgetting=GATE.tolerance if gated else float("inf"),
            balance=True,
            cores=terms.cores,
        ).pipeline
        outcome: Outcome = "promote"
        if gated:
            outcome, spent = _verdict(stream, loss, in_charge, challenger, undecided, holds=holds, spent=spent)
        if outcome == "promote":
            in_charge, unlearned = challenger, not holds
            n_taken_over += 1
        if outcome != "needs review":
            teaching += undecided
            undecided, spent = [], 0.0
    return scores, n_taken_over


def buy(stream: Stream, terms: Terms, in_charge: Pipeline, rows: pd.DataFrame) -> Bought:
    """Draw the rows of a window that are labelled, as `driftloop watch` asks about them where no slice grew."""
    schema = stream.schema
    asks = draw(
        rows[schema.row_key].tolist(),
        np.full(len(rows), REST, dtype=object),
        np.ones(len(rows)),
        budget=terms.n_labels(rows),
        audit_share=AUDIT_SHARE,
        seed=terms.seed,
        doubt=uncertainty(in_charge, rows, schema),
        kinds=kinds(in_charge, rows, schema, seed=terms.seed),
    )
    place = pd.Series(np.arange(len(rows)), index=rows[schema.row_key])
    parts = []
    for purpose in ("audit", "train"):
        drawn = [ask for ask in asks if ask.purpose == purpose]
        frame = rows.iloc[place[[ask.row_key for ask in drawn]].to_numpy(dtype=int)]
        parts.append(frame.assign(inclusion=[ask.inclusion for ask in drawn]))
    return Bought(*parts)


def _has_changed(stream: Stream, loss: str, champion: Pipeline, window: int, audit: pd.DataFrame) -> bool:
    """Whether the labels of a window show that the same kind of row has another answer than in the holdout."""
    schema, rows, holdout = stream.schema, stream.windows[window], stream.holdout
    place = pd.Series(np.arange(len(rows)), index=rows[schema.row_key])
    decay = estimate(
        holdout,
        per_row(champion, holdout, schema, loss),
        rows,
        place[audit[schema.row_key]].to_numpy(dtype=np.int64),
        per_row(champion, audit, schema, loss),
        np.minimum(audit["inclusion"].to_numpy(dtype=float), 1.0),
        schema,
        model=stream.name,
        window=Window(datetime(2000, 1, 1 + window, tzinfo=UTC), datetime(2000, 1, 2 + window, tzinfo=UTC)),
        generation=1,
        loss=loss,
    )
    return bool(decay.concept.low > 0)


def _verdict(
    stream: Stream,
    loss: str,
    champion: Pipeline,
    challenger: Pipeline,
    undecided: list[pd.DataFrame],
    *,
    holds: bool,
    spent: float,
) -> tuple[Outcome, float]:
    """Compare and judge as `learn` does with `balance`; the number is what all looks at these labels can err with."""
    audit, holdout, schema = pd.concat(undecided), stream.holdout, stream.schema

    def regime(name: str, kind: Rule, rows: pd.DataFrame, inclusion: NDArray[np.float64]) -> Regime:
        if schema.classes:  # models are taught and scored by that measure
            inclusion = counted_alike(rows[schema.target].to_numpy(), inclusion)
        before, after = (per_row(model, rows, schema, loss) for model in (champion, challenger))
        return Regime(name, kind, before, after, inclusion)

    drawn = np.minimum(audit["inclusion"].to_numpy(dtype=float), 1.0)
    regimes = [regime("whole window", "must gain", audit, drawn)]
    if holds:
        regimes.append(regime("holdout of the snapshot", "must not lose", holdout, np.ones(len(holdout))))
    comparison = compare(
        regimes,
        model="stream",
        champion=1,
        challenger=2,
        loss=loss,
        alpha=GATE.alpha,
        n_labels=len(audit),
        spent=spent,
        minimum_labels=GATE.minimum_labels,
    )
    said = judge(comparison, margin=GATE.margin, tolerance=GATE.tolerance, minimum_labels=GATE.minimum_labels)
    return said.outcome, spent + comparison.level

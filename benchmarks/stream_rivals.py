"""The rivals of a stream: a model that never learns, one taught by random labels on schedule, one by every label."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from benchmarks.stream_rows import Stream
from benchmarks.stream_score import predicted, score
from models.balance import balanced
from models.loss import per_row
from models.pipeline import build
from models.teach import one_thread, teach

Count = Callable[[], None]
MEAN = "mean of all"


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every competitor: the estimators there are, the share of labels bought, the seed, the cores."""

    estimators: tuple[str, ...]
    label_share: float
    seed: int
    cores: int

    def n_labels(self, rows: pd.DataFrame) -> int:
        """How many labels of a window are bought."""
        return max(round(self.label_share * len(rows)), 2)

    def loss(self, stream: Stream) -> str:
        """The loss that chooses models."""
        return "brier" if stream.schema.task == "classification" else "squared"


def taught(
    stream: Stream, terms: Terms, estimator: str, frame: pd.DataFrame, weights: NDArray[np.float64] | None = None
) -> Pipeline:
    """Return a pipeline of one estimator; every class counts the same, as it does in the score."""
    schema, answers = stream.schema, frame[stream.schema.target].to_numpy()
    if schema.task == "classification":
        weights = balanced(answers, np.ones(len(frame)) if weights is None else weights)
    pipeline = build(schema, estimator, seed=terms.seed)
    with one_thread(estimator):
        teach(pipeline, frame[list(schema.features)], answers, weights, schema, seed=terms.seed, every_class=True)
    return pipeline


def first_models(stream: Stream, terms: Terms) -> dict[str, Pipeline]:
    """Return one model of the snapshot per estimator, the best on its holdout first, as `driftloop adopt` puts it."""
    models = {name: taught(stream, terms, name, stream.train) for name in terms.estimators}
    even = np.ones(len(stream.holdout))
    right = stream.holdout[stream.schema.target].to_numpy()
    weights = balanced(right, even) if stream.schema.task == "classification" else even

    def loss(name: str) -> float:
        return float(
            np.average(per_row(models[name], stream.holdout, stream.schema, terms.loss(stream)), weights=weights)
        )

    return {name: models[name] for name in sorted(models, key=loss)}


def frozen(stream: Stream, champion: Pipeline) -> list[float]:
    """The scores of the snapshot's model, which never learns."""
    return [score(predicted(champion, stream, window), stream, window) for window in range(len(stream.windows))]


def scheduled(stream: Stream, terms: Terms, champion: Pipeline, estimator: str, count: Count) -> list[float]:
    """The scores of the champion's estimator, retrained after every window on the snapshot and random labels.

    The labels, the share of all rows so far that is bought, weigh half as much as the snapshot together.
    """
    generator = np.random.default_rng(terms.seed)
    model = champion
    scores: list[float] = []
    bought: list[pd.DataFrame] = []
    for window, rows in enumerate(stream.windows):
        scores.append(score(predicted(model, stream, window), stream, window))
        bought.append(rows.iloc[np.sort(generator.permutation(len(rows))[: terms.n_labels(rows)])])
        if window + 1 < len(stream.windows):
            labels = pd.concat(bought)
            weights = np.repeat([1.0, 0.5 * len(stream.train) / len(labels)], [len(stream.train), len(labels)])
            model = taught(stream, terms, estimator, pd.concat([stream.train, labels]), weights)
        count()
    return scores


def full(stream: Stream, terms: Terms, models: dict[str, Pipeline], *, sliding: bool, count: Count) -> list[float]:
    """The scores of a model taught after every window by every label there was.

    Growing, it learns from the snapshot and all windows; sliding, from the latest rows, as many as the snapshot has. In
    charge is the estimator that did best in the last three windows, or the mean of them all if that did: choosing and
    averaging are open to it as they are to ours.
    """
    scores: list[float] = []
    record: dict[str, list[float]] = {}
    in_charge, current, seen = next(iter(models)), models, stream.train
    for window, rows in enumerate(stream.windows):
        said = {name: predicted(model, stream, window) for name, model in current.items()}
        said[MEAN] = np.mean(list(said.values()), axis=0)
        for name, answers in said.items():
            record.setdefault(name, []).append(score(answers, stream, window))
        scores.append(record[in_charge][-1])
        in_charge = max(record, key=lambda name: float(np.mean(record[name][-3:])))
        seen = pd.concat([seen, rows])
        if window + 1 < len(stream.windows):
            lesson = seen.iloc[-len(stream.train) :] if sliding else seen
            current = {name: taught(stream, terms, name, lesson) for name in terms.estimators}
        count()
    return scores

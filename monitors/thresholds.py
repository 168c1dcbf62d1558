"""Evidently's scores, judged by what the same scores are for the snapshot's own stretches of time.

Evidently's default thresholds mean something else at every batch size. Here a score's threshold is where only one
batch in twenty like the snapshot's would have *any* column beyond its own: the largest standardised score over all
columns is ranked among that of pretended batches (Westfall & Young 1993, single-step maxT), which accounts for the
columns' dependence too.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from monitors.contrasts import Scores, standardise
from monitors.evidently_report import ColumnScore, column_scores, is_beyond, is_p_value, score_part
from monitors.parts import MOST_ROWS, parts_of
from monitors.pieces import Pieces, draw
from records.schema import Schema

ALPHA = 0.05
N_DRAWS = 59
_TIE = 1e-6
_LEAST_P = 1e-300
_P_VALUE_SD, _DISTANCE_SD = 0.3, 0.2  # least standard deviations: of -log10 p; of a distance times sqrt(rows)


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """A feature's most telling part with its calibrated threshold and p-values.

    `p_value` ranks the feature's own largest standardised score, `adjusted_p` ranks it among the largest over all
    features. `drifted` is `score` beyond `threshold`, which is `adjusted_p <= 0.05`.
    """

    score: ColumnScore
    threshold: float
    p_value: float
    adjusted_p: float

    @property
    def drifted(self) -> bool:
        """Whether the score is beyond the threshold in the method's own direction."""
        return is_beyond(self.score.method, self.score.score, self.threshold)


def judge_columns(
    reference: DataFrame, current: DataFrame, schema: Schema, pieces: Pieces, *, seed: int
) -> dict[str, ColumnTest]:
    """Test every feature of a normalised batch against a normalised snapshot that was cut into `pieces`.

    At most 59 pretended batches are scored against the rest of the snapshot, so the smallest p-value is 1 / 60.
    Where there are fewer than 19, no threshold can be given: it is infinite (0 for a p-value) and nothing drifts.
    """
    scores = [score for found in column_scores(reference, current, schema).values() for score in found]
    null = _null_scores(scores, reference, current, schema, pieces, seed)
    observed = np.array([_upward(score.method, score.score) for score in scores])
    n_scored = min(pieces.n_batch, MOST_ROWS)
    floors = np.array([_P_VALUE_SD if is_p_value(s.method) else _DISTANCE_SD / math.sqrt(n_scored) for s in scores])
    n_draws = len(null)
    scale = np.maximum(null.std(axis=0, ddof=1) * math.sqrt(1 + 1 / n_draws), floors)
    sizes = np.nan_to_num((observed - null.mean(axis=0)) / scale, nan=-np.inf)
    null_sizes = standardise(null, floors)
    maxima = null_sizes.max(axis=1)
    place = math.floor(ALPHA * (n_draws + 1))
    limit = float(np.sort(maxima)[-place]) + _TIE if place else math.inf
    tests: dict[str, ColumnTest] = {}
    for name in schema.features:
        own = [place for place, score in enumerate(scores) if score.part.column == name]
        best = max(own, key=lambda place: sizes[place])
        score, size = scores[best], float(sizes[best])
        threshold = _downward(score.method, float(null[:, best].mean() + scale[best] * limit))
        p_value = _rank(size, null_sizes[:, own].max(axis=1))
        tests[name] = ColumnTest(score, threshold, p_value, _rank(size, maxima))
    return tests


def _null_scores(
    scores: list[ColumnScore], reference: DataFrame, current: DataFrame, schema: Schema, pieces: Pieces, seed: int
) -> Scores:
    """Score each pretended batch against the rest of the snapshot; shape `(n_draws, n_scores)`, upward, no `nan`."""
    methods = {score.part.name: score.method for score in scores}
    parts = [part for part in parts_of(reference, current, schema) if part.name in methods]
    orders = [np.argsort(part.reference.to_numpy(), kind="stable") for part in parts]  # sorted rows are tested faster
    generator = np.random.default_rng(seed)
    rows: list[list[float]] = []
    for members in draw(pieces.n_pieces, pieces.per_batch, N_DRAWS, seed=seed):
        inside = np.append(members, 0.0)[pieces.ids] > 0
        chosen, rest = _some(inside, generator), _some(~inside, generator)
        row = []
        for part, order in zip(parts, orders, strict=True):
            values = part.reference.to_numpy()
            batch, others = (Series(values[order[which[order]]]) for which in (chosen, rest))
            method = methods[part.name]
            row.append(_upward(method, score_part(others, batch, part, method)[1]))
        rows.append(row)
    null = np.array(rows)
    by_name = {part.name: place for place, part in enumerate(parts)}
    null = null[:, [by_name[score.part.name] for score in scores]]
    known = ~np.isnan(null)
    means = np.where(known, null, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, null, means)


def _some(rows: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.bool_]:
    places = np.flatnonzero(rows)
    if len(places) <= MOST_ROWS:
        return rows
    some = np.zeros(len(rows), dtype=np.bool_)
    some[generator.choice(places, size=MOST_ROWS, replace=False)] = True
    return some


def _rank(size: float, null: Scores) -> float:
    return float((1 + np.count_nonzero(null >= size - _TIE)) / (1 + len(null)))


def _upward(method: str, score: float) -> float:
    return -math.log10(max(score, _LEAST_P)) if is_p_value(method) else score


def _downward(method: str, size: float) -> float:
    if not is_p_value(method):
        return size
    return 0.0 if math.isinf(size) else max(10.0 ** -max(size, 0.0), _LEAST_P)

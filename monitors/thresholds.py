"""Evidently's scores, judged by what the same scores are for the snapshot's own stretches of time.

Evidently's default thresholds mean something else at every batch size. Here a score's threshold is where only one
batch in twenty like the snapshot's would have *any* column beyond its own: the largest standardised score over all
columns is ranked among that of pretended batches (Westfall & Young 1993, single-step maxT), which accounts for the
columns' dependence too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series
from threadpoolctl import threadpool_limits

from monitors.contrasts import Scores, standardise
from monitors.evidently_report import ColumnScore, is_beyond, is_p_value, method_of, score_part
from monitors.parts import MOST_ROWS, Part, parts_of
from monitors.pieces import Pieces, draw
from records.calibration import NullScores, PartScores
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


def null_scores(
    reference: DataFrame, schema: Schema, pieces: Pieces, *, tests: Mapping[str, str], seed: int
) -> NullScores:
    """Score at most 59 pretended batches of a normalised reference, cut into `pieces`, against the rest of it.

    At most 10 000 rows a side are scored. What a batch to come may be missing is a part of every number and text, also
    where the reference misses nothing.
    """
    parts = tuple(_own_parts(reference, schema))
    methods = [method_of(part, tests.get(part.column)) for part in parts]
    generator = np.random.default_rng(seed)
    rows: list[list[float]] = []
    with threadpool_limits(1, user_api="blas"):  # its threads would wait for each other longer than they work
        for members in draw(pieces.n_pieces, pieces.per_batch, N_DRAWS, seed=seed):
            inside = np.append(members, 0.0)[pieces.ids] > 0
            batch, rest = _some(inside, generator), _some(~inside, generator)
            rows.append([_score(part, method, batch, rest) for part, method in zip(parts, methods, strict=True)])
    null = np.array(rows)
    known = ~np.isnan(null)
    means = np.where(known, null, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    columns = np.where(known, null, means).T.tolist()
    named = zip(parts, methods, columns, strict=True)
    return NullScores(pieces.n_batch, tuple(PartScores(part.column, method, tuple(s)) for part, method, s in named))


def judge_columns(scores: Sequence[ColumnScore], null: NullScores) -> dict[str, ColumnTest]:
    """Judge the scores of a batch's parts by those of pretended batches, and return the test of each feature.

    With 59 pretended batches the smallest p-value is 1 / 60. Where there are fewer than 19, no threshold can be given:
    it is infinite (0 for a p-value) and nothing drifts.
    """
    ordinary = {(part.column, part.method): part.scores for part in null.parts}
    before = np.array([ordinary[score.part.column, score.method] for score in scores]).T
    observed = np.array([_upward(score.method, score.score) for score in scores])
    n_scored = min(null.n_batch, MOST_ROWS)
    floors = np.array([_P_VALUE_SD if is_p_value(s.method) else _DISTANCE_SD / math.sqrt(n_scored) for s in scores])
    n_draws = len(before)
    scale = np.maximum(before.std(axis=0, ddof=1) * math.sqrt(1 + 1 / n_draws), floors)
    sizes = np.nan_to_num((observed - before.mean(axis=0)) / scale, nan=-np.inf)
    null_sizes = standardise(before, floors)
    maxima = null_sizes.max(axis=1)
    place = math.floor(ALPHA * (n_draws + 1))
    limit = float(np.sort(maxima)[-place]) + _TIE if place else math.inf
    tests: dict[str, ColumnTest] = {}
    for name in dict.fromkeys(score.part.column for score in scores):
        own = [place for place, score in enumerate(scores) if score.part.column == name]
        best = max(own, key=lambda place: sizes[place])
        score, size = scores[best], float(sizes[best])
        threshold = _downward(score.method, float(before[:, best].mean() + scale[best] * limit))
        p_value = _rank(size, null_sizes[:, own].max(axis=1))
        tests[name] = ColumnTest(score, threshold, p_value, _rank(size, maxima))
    return tests


def _own_parts(reference: DataFrame, schema: Schema) -> Iterable[Part]:
    """The parts of a reference and of any batch to come."""
    gaps = reference.iloc[:1].assign(**dict.fromkeys(schema.numbers, np.nan))
    gaps[list(schema.text)] = None
    yield from (part for part in parts_of(reference, gaps, schema) if part.kind == "category")
    yield from (part for part in parts_of(reference, reference, schema) if part.kind != "category")


def _score(part: Part, method: str, batch: NDArray[np.intp], rest: NDArray[np.intp]) -> float:
    values = part.reference.to_numpy()
    if part.of_missing and not values.any():
        return 0.0
    return _upward(method, score_part(Series(values[rest]), Series(values[batch]), part, method))


def _some(rows: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.intp]:
    places = np.flatnonzero(rows)
    return places if len(places) <= MOST_ROWS else generator.choice(places, size=MOST_ROWS, replace=False)


def _rank(size: float, null: Scores) -> float:
    return float((1 + np.count_nonzero(null >= size - _TIE)) / (1 + len(null)))


def _upward(method: str, score: float) -> float:
    return -math.log10(max(score, _LEAST_P)) if is_p_value(method) else score


def _downward(method: str, size: float) -> float:
    if not is_p_value(method):
        return size
    return 0.0 if math.isinf(size) else max(10.0 ** -max(size, 0.0), _LEAST_P)

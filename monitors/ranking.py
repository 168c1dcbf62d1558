"""Where a batch stands among what is ordinary: its rank, and what makes it stand out.

The batch and the snapshot's pieces are put in one pool. If nothing changed, the batch is as good as any other draw of
as many pieces; so its statistic is ranked among those of random draws, each compared with the rest of the pool. The
rank is a valid p-value whatever the statistic (Fisher's permutation principle; with single pieces it is the conformal
rank of Vovk, Gammerman & Shafer 2005). No tail of a distribution is ever trusted.
"""

from dataclasses import dataclass

import numpy as np
from pandas import DataFrame
from scipy import stats

from monitors.calibration import Null
from monitors.contrasts import Scores, column_contrasts, standardise
from monitors.joint import pair_contrasts, pair_distance, triple_contrasts, triple_distance
from monitors.pieces import Members, Pieces, draw, rank_p, split
from monitors.sketch import add_up

ONE_COLUMN, COLUMN_PAIR, THREE_COLUMNS, MANY_COLUMNS = "one column", "column pair", "three columns", "many columns"
NAMED_P = 0.01
MOST_NAMED = 5
_HIGHEST_SCORE = 300.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A batch's place among the draws.

    `statistic` is the largest family score (minus the decimal logarithm of its Bonferroni p-value from Student's t),
    `p_value` its rank among `n_draws`, `family` where it comes from and `columns` which carry it. `distance` is, for a
    pair or a triple, the total variation distance of its table beyond what draws show; `nan` for the other families.
    """

    statistic: float
    p_value: float
    family: str
    columns: tuple[str, ...]
    distance: float
    n_draws: int


def rank(null: Null, current: DataFrame, *, time: str, seed: int = 0) -> Ranked:
    """Rank a normalised batch of the size that `null` was made for among draws from the pool of both.

    If the batch's pieces and the snapshot's are exchangeable, then `P(p_value <= a) <= a` (up to the sizes of pieces,
    which may differ by a row). The smallest p-value is 1 / (number of draws + 1).
    """
    pieces = null.pieces
    order = np.argsort(current[time].to_numpy(dtype="datetime64[ns]"), kind="stable")
    ids = np.empty(len(current), dtype=np.int64)
    ids[order] = split(len(current), pieces.per_batch)
    batch = add_up(
        current, null.columns, null.pairs, ids, pieces.per_batch, triples=null.triples, names=null.sums.names
    )
    members = _draws(pieces, seed)
    single, names = column_contrasts(null.columns, null.sums, batch, members)
    pair, best_pair, n_cells = pair_contrasts(null.sums, batch, members)
    freedom = members.shape[1] - 2
    means = [names.index(column.name) for column in null.columns if column.ranked]  # mean ranks come first
    sums = [np.square(part).sum(axis=1) for part in (single, single[:, means])]
    totals = standardise(np.log(np.stack(sums, axis=1) + 1e-12), np.full(2, 1e-6)).max(axis=1)
    triples = null.sums.triples, batch.triples, np.concatenate([null.sums.rows, batch.rows]), members
    triple, best_triple = triple_contrasts(*triples) if null.triples else (np.zeros(len(members)), 0)
    families = {
        ONE_COLUMN: _score(np.abs(single).max(axis=1), single.shape[1], freedom),
        COLUMN_PAIR: _score(pair, n_cells, freedom),
        THREE_COLUMNS: _score(triple, len(null.triples), freedom),
        MANY_COLUMNS: _score(totals, 2, len(members) - 2),
    }
    statistics = np.max(list(families.values()), axis=0)
    family = max(families, key=lambda name: float(families[name][0]))
    distance = float("nan")
    if family == COLUMN_PAIR:
        carriers = tuple(null.columns[place].name for place in null.pairs[best_pair])
        distance = pair_distance(null.sums, batch, members, best_pair)
    elif family == THREE_COLUMNS:
        carriers = tuple(null.columns[place].name for place in null.triples[best_triple])
        distance = triple_distance(*triples, best_triple)
    else:
        carriers = _carriers(np.abs(single[0]), names, freedom, alone=family == ONE_COLUMN)
    p_value = rank_p(float(statistics[0]), statistics[1:])
    return Ranked(float(statistics[0]), p_value, family, carriers, distance, len(members) - 1)


def _draws(pieces: Pieces, seed: int) -> Members:
    """Return the batch (first) and the draws, as rows over the pool: snapshot pieces, rows in none, batch pieces."""
    n_pool = pieces.n_pieces + pieces.per_batch
    drawn = draw(n_pool - (pieces.per_batch == 1), pieces.per_batch, pieces.n_chunks, seed=seed)
    drawn = np.pad(drawn, ((1, 0), (0, n_pool - drawn.shape[1])))
    drawn[0, pieces.n_pieces :] = 1
    return np.insert(drawn, pieces.n_pieces, 0, axis=1)


def _score(sizes: Scores, n_tests: int, freedom: int) -> Scores:
    """Turn the largest of `n_tests` t statistics of each draw into minus log10 of a Bonferroni p-value."""
    if n_tests == 0:
        return np.full(len(sizes), -_HIGHEST_SCORE)
    logs = stats.t.logsf(sizes, max(freedom, 1)) / np.log(10)
    return np.asarray(np.clip(-logs - np.log10(2 * n_tests), -_HIGHEST_SCORE, _HIGHEST_SCORE))


def _carriers(sizes: Scores, names: list[str], freedom: int, *, alone: bool) -> tuple[str, ...]:
    largest: dict[str, float] = {}
    for name, size in zip(names, sizes, strict=True):
        largest[name] = max(largest.get(name, 0.0), float(size))
    ordered = sorted(largest, key=lambda name: (-largest[name], name))
    scores = _score(np.array([largest[name] for name in ordered]), len(sizes), freedom)
    clear = [name for name, score in zip(ordered, scores, strict=True) if score >= -np.log10(NAMED_P)]
    return tuple((clear if alone else ordered)[:MOST_NAMED]) or (ordered[0],)

"""How far each draw of pieces is from the rest of the pool, feature by feature: two-sample t statistics of pieces.

The spread is that *within* the draw and within the rest, so that a batch that drifted as a whole does not hide behind
the difference it makes itself.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors.pieces import Members
from monitors.sketch import N_LEVELS, RANK_FEATURES, ColumnSketch, PieceSums
from monitors.texts import most_telling

_RANK_SD, _MIDDLE_SD, _ROOT_SHARE_SD = 12**-0.5, 48**-0.5, 0.5  # per row: rank u, |u - 1/2|, square root of a share

Scores = NDArray[np.float64]


def standardise(contrasts: Scores, floors: Scores) -> Scores:
    """Standardise each entry by the mean and standard deviation of the *other* entries in its column.

    `contrasts` has shape `(n_draws, n_features)`, `floors` (the least standard deviation, `(n_features,)`) keeps
    what never varied from being infinitely surprising.

    >>> standardise(np.array([[9.0], [1.0], [3.0]]), np.array([0.1])).round(2).tolist()[0]
    [4.04]
    """
    n = len(contrasts)
    centred = contrasts - contrasts.mean(axis=0)
    others = -centred / (n - 1)
    squares = np.square(centred).sum(axis=0) - np.square(centred) - (n - 1) * np.square(others)
    spread = np.sqrt(np.maximum(squares, 0) / max(n - 2, 1) * n / (n - 1))
    return np.asarray((centred - others) / np.maximum(spread, floors))


def column_contrasts(
    columns: Sequence[ColumnSketch], snapshot: PieceSums, batch: PieceSums, members: Members
) -> tuple[Scores, list[str]]:
    """Return the contrasts of single columns, shape `(n_draws, n_features)`, and the column of each feature.

    `members` says which pieces of the pool (the snapshot's, then the batch's) make each draw. The commonest values and
    words are those of the pool: what is commonest in the snapshot is so by chance too, and would be rarer in any batch.
    """
    rows = np.concatenate([snapshot.rows, batch.rows])
    known = np.concatenate([snapshot.known, batch.known])
    single = np.concatenate([snapshot.single, batch.single])
    blocks: list[Scores] = []
    names: list[str] = []
    values = zip(snapshot.values, batch.values, strict=True)
    start = 0
    for place, column in enumerate(columns):
        end = start + len(column.features)
        parts: list[Scores] = []
        if column.ranked:
            tops = single[:, start : start + len(RANK_FEATURES)]
            parts.append(mean_contrasts(members, tops[:, :2], known[:, [place]], np.array([_RANK_SD, _MIDDLE_SD])))
            parts.append(share_contrasts(members, tops[:, 2:4], known[:, [place]]))
        shares = (rows - known[:, place])[:, None]  # missing
        if column.listed:
            pool = _pooled(*next(values))
            if column.ranked:  # a row has many words
                shares = np.concatenate([shares, _telling_words(pool, rows.sum())], axis=1)
            else:
                commonest = _commonest(pool)
                others = (known[:, place] - commonest.sum(axis=1))[:, None]
                shares = np.concatenate([shares, commonest, others], axis=1)
            new = _share_new(pool, rows, members)[:, None]
            parts.append(standardise(new, np.full(1, _ROOT_SHARE_SD / 2 * _unit(rows, members))))
        parts.append(share_contrasts(members, shares, rows[:, None]))
        blocks.append(np.concatenate(parts, axis=1))
        names.extend([column.name] * blocks[-1].shape[1])
        start = end
    return np.concatenate(blocks, axis=1), names


def beyond_chance(distance: float, null: Scores) -> float:
    """A distance with the part that chance alone gives taken out.

    >>> beyond_chance(0.5, np.array([0.3, 0.3])), beyond_chance(0.2, np.array([0.3]))
    (0.4, 0.0)
    """
    return float(max(distance**2 - np.mean(np.square(null)), 0.0) ** 0.5)


def mean_contrasts(members: Members, tops: Scores, bottoms: Scores, sds: Scores) -> Scores:
    """Return t statistics of means per row, `tops / bottoms`; `sds` are what independent rows would have at least."""
    inside, outside, variance, unit = _two_samples(members, tops, bottoms)
    with np.errstate(invalid="ignore"):
        contrasts = (inside - outside) / np.sqrt(np.maximum(variance, np.square(sds / 2)) * unit)
    return np.asarray(np.nan_to_num(contrasts, nan=0.0))  # nan: no value is known on one side, nothing to compare


def share_contrasts(members: Members, tops: Scores, bottoms: Scores) -> Scores:
    """Return t statistics of shares on the scale of their square roots, on which rare and common ones spread alike.

    That scale is too steep near 0: a cell of 9 expected rows that has none would count as 6 standard deviations, though
    one in 8 000 is so by chance. So a decrease counts as on the plain scale, which makes it 3.
    """
    inside, outside, variance, unit = _two_samples(members, tops, bottoms)
    share = tops.sum(axis=0) / np.maximum(bottoms.sum(axis=0), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.maximum(variance / (4 * share), (_ROOT_SHARE_SD / 2) ** 2) * unit)
        roots, others = np.sqrt(np.maximum(inside, 0)), np.sqrt(np.maximum(outside, 0))
        contrasts = (roots - others) / spread * np.minimum(1, (roots + others) / (2 * np.sqrt(share)))
    return np.asarray(np.nan_to_num(contrasts, nan=0.0))


def _two_samples(members: Members, tops: Scores, bottoms: Scores) -> tuple[Scores, Scores, Scores, Scores]:
    """Return the means of each draw and of the rest, the variance of a row within both, and 1/n + 1/m.

    Sums of squares of pieces about the mean of their side: `sum(top**2 / bottom)` less each side's `top**2 / bottom`.
    """
    inside_top, inside_bottom = members @ tops, members @ bottoms
    outside_top, outside_bottom = tops.sum(axis=0) - inside_top, bottoms.sum(axis=0) - inside_bottom
    n_pieces = int(np.count_nonzero(bottoms.sum(axis=1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        inside, outside = inside_top / inside_bottom, outside_top / outside_bottom
        squares = np.where(bottoms > 0, np.square(tops) / bottoms, 0.0).sum(axis=0)
        within = squares - inside_top * np.nan_to_num(inside) - outside_top * np.nan_to_num(outside)
        return inside, outside, np.maximum(within, 0) / max(n_pieces - 2, 1), 1 / inside_bottom + 1 / outside_bottom


def _pooled(before: sparse.csr_matrix, now: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return how often each value occurs in each piece of the pool, `(n_values, n_pieces)`."""
    more = sparse.csr_matrix((now.shape[0] - before.shape[0], before.shape[1]), dtype=before.dtype)
    return sparse.hstack([sparse.vstack([before, more]), now]).tocsr()


def _commonest(pool: sparse.csr_matrix) -> Scores:
    """Return the counts of the 15 commonest values of the pool, `(n_pieces, 15)` or fewer."""
    totals = np.asarray(pool.sum(axis=1)).ravel()
    return _dense(pool, np.argsort(-totals, kind="stable")[:N_LEVELS])


def _telling_words(pool: sparse.csr_matrix, n_rows: float) -> Scores:
    """Return the counts of the 60 words that are nearest to being in half of the rows, `(n_pieces, 60)`."""
    shares = np.asarray(pool.sum(axis=1)).ravel() / max(n_rows, 1)
    return _dense(pool, most_telling(shares))


def _dense(pool: sparse.csr_matrix, places: NDArray[np.intp]) -> Scores:
    return np.asarray(pool[places].toarray(), dtype=np.float64).T


def _share_new(pool: sparse.csr_matrix, rows: Scores, members: Members) -> Scores:
    """Square root of the share of a draw's rows whose value (or word) is nowhere else in the pool; `(n_draws,)`."""
    inside = np.asarray(pool @ members.T)
    n_new = np.where(inside == np.asarray(pool.sum(axis=1)), inside, 0).sum(axis=0)
    return np.asarray(np.sqrt(n_new / np.maximum(members @ rows, 1)))


def _unit(rows: Scores, members: Members) -> float:
    inside = float(members[0] @ rows)
    return float((1 / inside + 1 / (rows.sum() - inside)) ** 0.5)

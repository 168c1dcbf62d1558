"""How far each draw of pieces is from the rest of the pool, feature by feature, in standard deviations of the draws."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors.pieces import Members
from monitors.sketch import N_CELLS, ColumnSketch, PieceSums

FEWEST_EXPECTED = 3.0
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
    """Return the standardised contrasts of single columns and the column each belongs to.

    Shape `(n_draws, n_features)`. `members` says which pieces of the pool (the snapshot's, then the batch's) make each
    draw. Shares are compared by their square roots, whose spread hardly depends on the share.
    """
    rows = np.concatenate([snapshot.rows, batch.rows])
    known = np.concatenate([snapshot.known, batch.known])
    single = np.concatenate([snapshot.single, batch.single])
    unit = _unit(rows, members)
    blocks: list[Scores] = []
    names: list[str] = []
    values = zip(snapshot.values, batch.values, strict=True)
    start = 0
    for place, column in enumerate(columns):
        end = start + len(column.features)
        tops, bottoms = single[:, start:end], np.repeat(rows[:, None], end - start, axis=1)
        if column.numeric:
            bottoms[:, :-1] = known[:, [place]]
            means = _differences(members, tops[:, :2], bottoms[:, :2], roots=False)
            shares = _differences(members, tops[:, 2:], bottoms[:, 2:], roots=True)
            sds = np.array([_RANK_SD, _MIDDLE_SD, *[_ROOT_SHARE_SD] * 3])
            contrasts = np.concatenate([means, shares], axis=1)
        else:
            new = _share_new(*next(values), rows, members)[:, None]
            contrasts = np.concatenate([_differences(members, tops, bottoms, roots=True), new], axis=1)
            sds = np.full(contrasts.shape[1], _ROOT_SHARE_SD)
        blocks.append(standardise(contrasts, unit * sds / 2))
        names.extend([column.name] * contrasts.shape[1])
        start = end
    return np.concatenate(blocks, axis=1), names


def pair_contrasts(snapshot: PieceSums, batch: PieceSums, members: Members) -> tuple[Scores, int, int]:
    """Return each draw's largest absolute pair-cell contrast, the pair of the first draw's, and the number of cells.

    Cells in which fewer than three rows of a batch are expected are left out.
    """
    rows = np.concatenate([snapshot.rows, batch.rows])
    floor = _unit(rows, members) * _ROOT_SHARE_SD / 2
    largest, n_cells, pair, best = np.zeros(len(members)), 0, 0, -1.0
    block = 64 * N_CELLS  # bounds the memory
    for start in range(0, snapshot.pairs.shape[1], block):
        cells = np.concatenate([snapshot.pairs[:, start : start + block], batch.pairs[:, start : start + block]])
        kept = np.flatnonzero(cells.sum(axis=0) / rows.sum() * batch.rows.sum() > FEWEST_EXPECTED)
        if kept.size == 0:
            continue
        contrasts = _differences(members, cells[:, kept], np.repeat(rows[:, None], kept.size, axis=1), roots=True)
        sizes = np.abs(standardise(contrasts, np.full(kept.size, floor)))
        largest = np.maximum(largest, sizes.max(axis=1))
        n_cells += kept.size
        top = int(np.argmax(sizes[0]))
        if sizes[0, top] > best:
            pair, best = int(start + kept[top]) // N_CELLS, float(sizes[0, top])
    return largest, pair, n_cells


def pair_distance(snapshot: PieceSums, batch: PieceSums, members: Members, pair: int) -> float:
    """Total variation distance of one pair's table between the first draw and the rest, beyond that of the other draws.

    "Beyond" is a difference of squares, under a root: about 0 for a draw like any other, the plain distance for a large
    one.
    """
    cells = np.concatenate([part.pairs[:, pair * N_CELLS : (pair + 1) * N_CELLS] for part in (snapshot, batch)])
    rows = np.repeat(np.concatenate([snapshot.rows, batch.rows])[:, None], N_CELLS, axis=1)
    distances = np.abs(_differences(members, cells, rows, roots=False)).sum(axis=1) / 2
    return beyond_chance(float(distances[0]), distances[1:])


def beyond_chance(distance: float, null: Scores) -> float:
    """A distance with the part that chance alone gives taken out.

    >>> beyond_chance(0.5, np.array([0.3, 0.3])), beyond_chance(0.2, np.array([0.3]))
    (0.4, 0.0)
    """
    return float(max(distance**2 - np.mean(np.square(null)), 0.0) ** 0.5)


def _differences(members: Members, tops: Scores, bottoms: Scores, *, roots: bool) -> Scores:
    inside_top, inside_bottom = members @ tops, members @ bottoms
    outside_top, outside_bottom = tops.sum(axis=0) - inside_top, bottoms.sum(axis=0) - inside_bottom
    with np.errstate(invalid="ignore", divide="ignore"):
        inside, outside = inside_top / inside_bottom, outside_top / outside_bottom
    if roots:
        inside, outside = np.sqrt(np.maximum(inside, 0)), np.sqrt(np.maximum(outside, 0))
    return np.asarray(
        np.nan_to_num(inside - outside, nan=0.0)
    )  # nan: no value is known on one side, nothing to compare


def _share_new(before: sparse.csr_matrix, now: sparse.csr_matrix, rows: Scores, members: Members) -> Scores:
    """Square root of the share of a draw's rows whose value is nowhere else in the pool; `(n_draws,)`."""
    more = sparse.csr_matrix((now.shape[0] - before.shape[0], before.shape[1]), dtype=before.dtype)
    pool = sparse.hstack([sparse.vstack([before, more]), now]).tocsr()
    inside = np.asarray(pool @ members.T)
    n_new = np.where(inside == np.asarray(pool.sum(axis=1)), inside, 0).sum(axis=0)
    return np.asarray(np.sqrt(n_new / np.maximum(members @ rows, 1)))


def _unit(rows: Scores, members: Members) -> float:
    inside = float(members[0] @ rows)
    return float((1 / inside + 1 / (rows.sum() - inside)) ** 0.5)

"""How far each draw of pieces is from the rest of the pool in how two or three columns go together."""

import numpy as np
from numpy.typing import NDArray

from monitors.contrasts import Scores, beyond_chance, mean_contrasts, share_contrasts
from monitors.pieces import Members
from monitors.sketch import N_CELLS, PieceSums

FEWEST_EXPECTED = 1.0


def pair_contrasts(snapshot: PieceSums, batch: PieceSums, members: Members) -> tuple[Scores, int, int]:
    """Return each draw's largest absolute pair-cell contrast, the pair of the first draw's, and the number of cells.

    The cells of a pair in which less than one row of a batch is expected count as one, so that rows which arrive
    where the snapshot is as good as empty are seen. Which cells these are depends on the whole pool alone.
    """
    rows = np.concatenate([snapshot.rows, batch.rows])
    largest, n_cells, pair, best = np.zeros(len(members)), 0, 0, -1.0
    block = 64 * N_CELLS  # bounds the memory
    for start in range(0, snapshot.pairs.shape[1], block):
        cells = np.concatenate([snapshot.pairs[:, start : start + block], batch.pairs[:, start : start + block]])
        pairs = np.arange(start, start + cells.shape[1]) // N_CELLS
        common = cells.sum(axis=0) / rows.sum() * batch.rows.sum() > FEWEST_EXPECTED
        rare = np.where(common, np.float32(0), cells).reshape(len(cells), -1, N_CELLS).sum(axis=2)
        tops = np.concatenate([cells[:, common], rare], axis=1).astype(np.float64)
        pairs = np.concatenate([pairs[common], np.unique(pairs)])
        known = tops.any(axis=0)
        if not known.any():
            continue
        sizes = np.abs(share_contrasts(members, tops[:, known], rows[:, None]))
        largest = np.maximum(largest, sizes.max(axis=1))
        n_cells += int(known.sum())
        top = int(np.argmax(sizes[0]))
        if sizes[0, top] > best:
            pair, best = int(pairs[known][top]), float(sizes[0, top])
    return largest, pair, n_cells


def pair_distance(snapshot: PieceSums, batch: PieceSums, members: Members, pair: int) -> float:
    """Total variation distance of one pair's table between the first draw and the rest, beyond that of the other draws.

    "Beyond" is a difference of squares, under a root: about 0 for a draw like any other, the plain distance for a large
    one.
    """
    cells = np.concatenate([part.pairs[:, pair * N_CELLS : (pair + 1) * N_CELLS] for part in (snapshot, batch)])
    rows = np.concatenate([snapshot.rows, batch.rows])
    inside, n_inside = members @ cells, (members @ rows)[:, None]
    outside = (cells.sum(axis=0) - inside) / (rows.sum() - n_inside)
    distances = np.abs(inside / n_inside - outside).sum(axis=1) / 2
    return beyond_chance(float(distances[0]), distances[1:])


def triple_contrasts(
    snapshot: NDArray[np.float32], batch: NDArray[np.float32], rows: Scores, members: Members
) -> tuple[Scores, int]:
    """Return each draw's largest absolute contrast of a triple, and the place of the first draw's triple.

    `snapshot` and `batch` are sums of triples by piece, `rows` the number of rows of each piece of both.
    """
    sums = np.concatenate([snapshot, batch]).astype(np.float64)
    sizes = np.abs(mean_contrasts(members, sums, rows[:, None], np.ones(1)))
    return sizes.max(axis=1), int(np.argmax(sizes[0]))


def triple_distance(
    snapshot: NDArray[np.float32], batch: NDArray[np.float32], rows: Scores, members: Members, triple: int
) -> float:
    """By how much more (or fewer) of a draw's rows have a product of +1 than of the rest, beyond what draws show."""
    sums = np.concatenate([snapshot[:, triple], batch[:, triple]])
    inside, n_inside = members @ sums, members @ rows
    outside = (sums.sum() - inside) / (rows.sum() - n_inside)
    differences = np.abs(inside / n_inside - outside) / 2
    return beyond_chance(float(differences[0]), differences[1:])

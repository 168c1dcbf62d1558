"""Three columns together: what neither a column nor a pair of columns shows.

Each value is on one of two sides of its column: a number above or below the snapshot's median, the commonest category
or another. Of three columns the product of the sides (+1 and -1, 0 where one is missing) is looked at, whose mean is
the three-way interaction of a 2 x 2 x 2 table (Bishop, Fienberg & Holland 1975). It needs no classifier, is as cheap as
the pairs, and says which three columns it is.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from monitors.pieces import Ids

MOST_COLUMNS = 30

Sides = NDArray[np.float32]
Triple = tuple[int, int, int]


def triples_of(columns: Sequence[int]) -> tuple[Triple, ...]:
    """Return all triples of some places of columns, in order."""
    return tuple(combinations(sorted(columns), 3))


def add_up_triples(sides: Sides, triples: Sequence[Triple], ids: Ids, n_pieces: int) -> NDArray[np.float32]:
    """Return the sum over each piece's rows of the product of sides of each triple, shape `(n_pieces, n_triples)`.

    `sides` has a row per row and a column per column. A million rows of 30 columns take two seconds: the pairs'
    products are multiplied by the third column's sides as matrices.

    >>> sides = np.array([[1, 1, 1], [1, -1, 1], [-1, -1, 1]], dtype=np.float32)
    >>> add_up_triples(sides, triples_of(range(3)), np.array([0, 1, 1]), 2).tolist()
    [[1.0], [0.0]]
    """
    sums = np.zeros((n_pieces, len(triples)), dtype=np.float32)
    if not triples:
        return sums
    places = sorted({place for triple in triples for place in triple})
    pairs = list(combinations(range(len(places)), 2))
    firsts, seconds = np.array(pairs).T
    where = {place: k for k, place in enumerate(places)}
    rank = {pair: k for k, pair in enumerate(pairs)}
    cells = np.array([(rank[where[a], where[b]], where[c]) for a, b, c in triples]).T
    order = np.argsort(ids, kind="stable")
    ends = np.cumsum(np.bincount(ids, minlength=n_pieces))
    for piece, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
        for first in range(start, end, 50_000):  # bounds the memory
            some = sides[order[first : min(first + 50_000, end)]][:, places]
            together = (some[:, firsts] * some[:, seconds]).T @ some
            sums[piece] += together[cells[0], cells[1]]
    return sums

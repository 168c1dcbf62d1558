"""Free text as numbers: how long it is, which of the snapshot's common words it has, and which words are new.

Words are the vectorizers' of scikit-learn: two letters or digits and more, in lower case. They are told apart by the
bucket their hash falls into (Weinberger et al. 2009, "Feature hashing"), so that memory does not grow with the
vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import Series
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from monitors.pieces import Ids
from monitors.sketch import RANK_FEATURES, ColumnSketch, Shares, quantile_grid

N_BUCKETS = 2**15
N_WORDS = 60
_ROWS_TO_READ = 20_000


@dataclass(frozen=True, slots=True)
class TextSketch(ColumnSketch):
    """How a text is read: the ranks of its number of characters on the `grid`, and which `levels` (words) it has.

    `buckets` are those of the words, in order.
    """

    buckets: NDArray[np.int64]

    @property
    def ranked(self) -> bool:
        """A text has a length, which is ranked."""
        return True

    @property
    def listed(self) -> bool:
        """A text has words, of which some may be new."""
        return True

    @property
    def features(self) -> tuple[str, ...]:
        """What the numbers of this column are: those of its length, then the words."""
        return (*RANK_FEATURES, *self.levels)

    def rows(self, column: Series) -> Shares:
        """Return each row's share in the features, whether it is known, and its class for pairs, by length."""
        of_length, known, classes = self.ranked_rows(lengths(column))
        return _chained(of_length, bags(column)[:, self.buckets]), known, classes

    def value_counts(
        self, column: Series, ids: Ids, n_pieces: int, names: tuple[str, ...]
    ) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
        """Return how many rows of each piece have a word of each bucket; buckets have no names."""
        pieces = sparse.csr_matrix(
            (np.ones(len(ids), dtype=np.float32), (ids, np.arange(len(ids)))), shape=(n_pieces, len(ids))
        )
        return (pieces @ bags(column)).T.tocsr(), names


def _chained(first: Iterator[NDArray[np.float64]], words: sparse.csr_matrix) -> Iterator[NDArray[np.float64]]:
    yield from first
    by_word = words.tocsc()
    for place in range(by_word.shape[1]):
        yield by_word[:, [place]].toarray().ravel()


def read_text(name: str, snapshot: Series) -> TextSketch:
    """Learn from the snapshot how to read a text column: its 60 words that most tell rows apart.

    Those are the ones that are nearest to being in half of the rows.

    >>> read_text("note", Series(["a late bus", "late again", None, "on time again", "late bus"])).levels
    ('again', 'bus', 'late', 'on', 'time')
    """
    known = snapshot.dropna()
    grid = quantile_grid(lengths(known))
    found, shares = word_shares(known.iloc[:: max(len(known) // _ROWS_TO_READ, 1)])
    words = tuple(found[place] for place in most_telling(shares))
    return TextSketch(name, False, grid, words, 0, buckets_of(words))


def most_telling(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places of the 60 words whose share of rows is nearest to one half, the nearest first.

    >>> most_telling(np.array([1.0, 0.25, 0.5, 0.75])).tolist()
    [2, 1, 3, 0]
    """
    return np.argsort(np.abs(shares - 0.5), kind="stable")[:N_WORDS]


def word_shares(texts: Series) -> tuple[list[str], NDArray[np.float64]]:
    """Return the words of some texts in order of the alphabet, and the share of the texts that has each.

    >>> words, shares = word_shares(Series(["late bus", "late late"]))
    >>> words, shares.tolist()
    (['bus', 'late'], [0.5, 1.0])
    """
    counter = CountVectorizer(binary=True)
    try:
        counts = counter.fit_transform(texts)
    except ValueError:  # its only way to say that there is no word
        return [], np.empty(0)
    return counter.get_feature_names_out().tolist(), np.asarray(counts.sum(axis=0)).ravel() / len(texts)


def buckets_of(words: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the bucket of each word."""
    if not words:
        return np.empty(0, dtype=np.int64)
    return np.asarray(bags(Series(words, dtype=object)).indices, dtype=np.int64)


def bags(column: Series) -> sparse.csr_matrix:
    """Return which buckets each text has a word in, as 1 and 0; shape `(n_rows, 32768)`, missing texts have none."""
    hashing = HashingVectorizer(n_features=N_BUCKETS, alternate_sign=False, binary=True, norm=None, dtype=np.float32)
    return hashing.transform(column.fillna("")).tocsr()


def log_lengths(column: Series) -> Series:
    """Return the logarithm of one more than the number of characters, in which a few very long texts do not rule."""
    return Series(np.log1p(lengths(column)))


def lengths(column: Series) -> Series:
    """Return the number of characters of each text, `nan` where missing.

    >>> lengths(Series(["late", "", None])).tolist()
    [4.0, 0.0, nan]
    """
    return column.astype(object).str.len().astype(np.float64)

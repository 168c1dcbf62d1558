"""How a text column changed: how long its texts are, and which words came or went."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from monitors.effect import change_of_share, shift
from monitors.past import Past
from monitors.pieces import Pieces
from monitors.texts import TextSketch, bags, buckets_of, lengths, log_lengths, word_shares
from monitors.words import Texts, gaps, numbers_of, share, value_text
from records.drift import Estimate

_MOST_MOVES = 2
_MOST_NEW = 2
_SAME = 0.05


@dataclass(frozen=True, slots=True)
class WordMove:
    """A word, the share of the reference's rows that have it, and of the batch's."""

    word: str
    before: float
    now: float


def text_change(past: Past, sketch: TextSketch, now: Series, pieces: Pieces) -> tuple[Estimate, str]:
    """Return how much a text column moved, with its interval, and a sentence.

    The size is the shift of the logarithm of the number of characters in snapshot standard deviations, or the change of
    the share of rows that have a word where that is larger. The word is the one of all watched, or of all the reference
    never had, that moved most, so its interval is Bonferroni's over these. New words are those of a hundredth of the
    rows and more.
    """
    assert isinstance(past.words, Texts)
    length = shift(past, log_lengths(now), pieces)
    bag = bags(now)
    has = bag[:, sketch.buckets].toarray() > 0
    moves, new = _moves(past, sketch, has), _new_words(past.words, now)
    sizes = [length]
    if moves:
        most = sketch.levels.index(moves[0].word)
        sizes.append(change_of_share(past.counts[:, most], past.rows, has[:, most], pieces, n_looked=len(moves)))
    if new:
        nowhere, here = np.zeros_like(past.rows), bag[:, buckets_of((new[0][0],))].toarray().ravel() > 0
        sizes.append(change_of_share(nowhere, past.rows, here, pieces, n_looked=len(new)))
    effect = max(sizes, key=lambda size: np.nan_to_num(abs(size.value), nan=-1.0))
    return effect, _sentence(past.words, now, length, moves, new)


def _moves(past: Past, sketch: TextSketch, has: NDArray[np.bool_]) -> list[WordMove]:
    before = past.counts.sum(axis=0) / past.rows.sum()
    moves = [WordMove(*move) for move in zip(sketch.levels, before.tolist(), has.mean(axis=0).tolist(), strict=True)]
    return sorted(moves, key=lambda move: (-abs(move.now - move.before), move.word))


def _sentence(words: Texts, now: Series, length: Estimate, moves: list[WordMove], new: list[tuple[str, float]]) -> str:
    said = gaps(words.length, numbers_of(log_lengths(now)))
    if words.length.n_known and now.notna().any():
        by_length = _about_length(words.typical, float(lengths(now).median()), length)
        said = f"{said}, {by_length}" if said else f"{words.length.name} is {by_length}"
    parts = [
        f"“{value_text(move.word)}” in {share(move.before)} → {share(move.now)} of rows"
        for move in moves[:_MOST_MOVES]
        if abs(move.now - move.before) >= _SAME
    ]
    parts += [f"new word “{value_text(word)}” in {share(part)}" for word, part in new[:_MOST_NEW]]
    return ", ".join([said or words.length.name, *parts])


def _about_length(before: float, now: float, shifted: Estimate) -> str:
    texts = f"typically {before:.0f} → {now:.0f} characters"
    if abs(shifted.value) < _SAME:
        return f"about as long: {texts}"
    return f"{'longer' if shifted.value > 0 else 'shorter'} ({abs(shifted.value):.2f} snapshot sd): {texts}"


def _new_words(words: Texts, now: Series) -> list[tuple[str, float]]:
    """The commonest words that the reference never had, with the share of rows, at least a hundredth, that has each."""
    known = now.dropna()
    if known.empty:
        return []
    found, shares = word_shares(known)
    common = [(word, float(part) * len(known) / len(now)) for word, part in zip(found, shares, strict=True)]
    common = sorted(((word, part) for word, part in common if part >= 0.01), key=lambda pair: (-pair[1], pair[0]))
    buckets = buckets_of(tuple(word for word, _ in common))
    return [pair for pair, bucket in zip(common, buckets, strict=True) if not words.seen[bucket]]

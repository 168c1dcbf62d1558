"""How a text column changed: how long its texts are, and which words came or went."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from monitors.effect import change_of_share, shift
from monitors.past import Past
from monitors.pieces import Pieces
from monitors.texts import TextSketch, bags, lengths, word_shares
from monitors.words import Numbers, Texts, gaps, number, numbers_of, share, value_text
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

    The size is the shift of the number of characters in snapshot standard deviations, or the change of the share of
    rows that have a word where that is larger. The word is the one of all watched that moved most, so its interval is
    Bonferroni's over all of them. Words that the reference never had are named where a hundredth of the rows has one.
    """
    assert isinstance(past.words, Texts)
    chars = lengths(now)
    length = shift(past, chars, pieces)
    has = bags(now)[:, sketch.buckets].toarray() > 0
    moves = _moves(past, sketch, has)
    sizes = [length]
    if moves:
        most = sketch.levels.index(moves[0].word)
        sizes.append(change_of_share(past.counts[:, most], past.rows, has[:, most], pieces, n_looked=len(moves)))
    effect = max(sizes, key=lambda size: np.nan_to_num(abs(size.value), nan=-1.0))
    return effect, _sentence(past.words, now, chars, length, moves)


def _moves(past: Past, sketch: TextSketch, has: NDArray[np.bool_]) -> list[WordMove]:
    before = past.counts.sum(axis=0) / past.rows.sum()
    moves = [WordMove(*move) for move in zip(sketch.levels, before.tolist(), has.mean(axis=0).tolist(), strict=True)]
    return sorted(moves, key=lambda move: (-abs(move.now - move.before), move.word))


def _sentence(words: Texts, now: Series, chars: Series, length: Estimate, moves: list[WordMove]) -> str:
    said = gaps(words.length, numbers_of(chars))
    if words.length.n_known and chars.notna().any():
        by_length = _about_length(words.length, float(chars.mean()), length)
        said = f"{said}, {by_length}" if said else f"{words.length.name} is {by_length}"
    parts = [
        f"“{value_text(move.word)}” in {share(move.before)} → {share(move.now)} of rows"
        for move in moves[:_MOST_MOVES]
        if abs(move.now - move.before) >= _SAME
    ]
    parts += [f"new word “{value_text(word)}” in {share(part)}" for word, part in _new_words(words, now)]
    return ", ".join([said or words.length.name, *parts])


def _about_length(before: Numbers, mean: float, shifted: Estimate) -> str:
    texts = f"{number(before.mean, before.sd)} → {number(mean, before.sd)} characters on average"
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
    new = []
    for word, part in common:
        if not words.seen[bags(Series([word], dtype=object)).indices[0]]:
            new.append((word, part))
        if len(new) == _MOST_NEW:
            break
    return new

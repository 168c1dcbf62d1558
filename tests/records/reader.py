"""An independent reader of a slice's sentence: it knows the grammar and plain Python rows, and nothing of Driftloop."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from lark import Lark, Transformer, v_args

GRAMMAR = r"""
    sentence: condition ("and" condition)*
    ?condition: interval
              | "(" interval "or" "missing" ")"         -> or_missing
              | name "is" "missing"                     -> missing
              | name "is" "known"                       -> known
              | name "=" text                           -> one_of
              | name "in" "{" (item ("," item)*)? "}"    -> one_of
    ?interval: name ">=" WORD                           -> above
             | name "<" WORD                            -> below
             | WORD "<=" name "<" WORD                  -> between
    ?item: text
         | "missing"                                    -> nothing
    name: WORD | QUOTED
    text: WORD+ | QUOTED
    WORD: /[^\s{}()<>=,'"\\]+/
    QUOTED: /"(\\.|[^"\\])*"/
    %ignore " "
"""
Row = Mapping[str, Any]


def read(sentence: str) -> Callable[[Row], bool]:
    """Return what the sentence says of a row; None, nan and the infinities are missing values."""
    conditions: Any = PARSER.parse(sentence)
    return lambda row: all(
        missing_too if is_missing(row[name]) else accepts(row[name]) for name, accepts, missing_too in conditions
    )


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


@v_args(inline=True)
class Meaning(Transformer[Any, Any]):
    """Every condition becomes a column's name, what its known values must pass, and whether missing ones are inside."""

    def sentence(self, *conditions):
        return list(conditions)

    def above(self, name, low):
        return name, lambda value: value >= float(low), False

    def below(self, name, high):
        return name, lambda value: value < float(high), False

    def between(self, low, name, high):
        return name, lambda value: float(low) <= value < float(high), False

    def or_missing(self, condition):
        return condition[0], condition[1], True

    def missing(self, name):
        return name, lambda _: False, True

    def known(self, name):
        return name, lambda _: True, False

    def one_of(self, name, *items):
        return name, lambda value: value in items, None in items

    def nothing(self):
        return None

    def name(self, *words):
        return self.text(*words)

    def text(self, *words):
        return json.loads(words[0]) if words[0].type == "QUOTED" else " ".join(words)


PARSER = Lark(GRAMMAR, start="sentence", parser="lalr", transformer=Meaning())

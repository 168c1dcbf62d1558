"""The slices of which a batch has more or fewer rows than the snapshot had, judged on rows that did not find them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from monitors.candidates import LARGEST_SHARE, Candidate, candidates, near_disjoint
from monitors.evidence import LEVEL, Rows, excess_p, halves, halves_in_time, holm, share_ratio, wobble_p
from monitors.membership import meet
from monitors.weighted import Weighted
from records.schema import Schema
from records.slice import Slice

LEAST_GROWTH = 1.1
N_EXAMPLES = 3


def find(
    reference: DataFrame, current: DataFrame, schema: Schema, *, seed: int = 0, most: int = 3
) -> tuple[Slice, ...]:
    """Find up to `most` slices that grew from `reference` to `current`, and as many that shrank; often there is none.

    Both are normalised frames with their row keys. Conjunctions of up to three conditions are searched on a random
    half of each frame (of its days, where it has times) by a penalised scan statistic; what one explains is taken away
    before the next is sought. One that covers over half of the frame it is dense in is drift of whole columns and not
    returned, nor is one that carries under 5 % of the gain, or has most of its rows in earlier ones. On the other half
    each must pass an exact test given the earlier ones, and stand out of the snapshot's days (`wobble_p`), p < .05
    after Holm's correction, and must have moved by a tenth also without them; shares, ratio and interval are of that
    half alone. Those that grew come first, either kind by contribution to the shift. Without times, exchanging the
    frames exchanges the kinds.

    >>> import pandas as pd
    >>> schema = Schema("id", "at", "late", "classification", ("hour",), ("sky",), ("no", "yes"))
    >>> before = pd.DataFrame({"id": np.arange(4800).astype(str), "hour": np.arange(4800) % 24.0, "sky": "clear"})
    >>> now = pd.concat([before[before.hour != 3], before[before.hour >= 18]], ignore_index=True)
    >>> [(slice_.name, round(slice_.ratio.value, 1)) for slice_ in find(before, now, schema)]
    [('hour >= 18', 1.6), ('3 <= hour < 4', 0.0)]
    """
    (before, before_test), (now, now_test) = (
        [frame.iloc[half] for half in _halves(frame, schema, seed)] for frame in (reference, current)
    )
    if min(map(len, (before, before_test, now, now_test))) == 0 or not (schema.numbers or schema.categorical):
        return ()
    ones = [np.ones(len(frame)) for frame in (before, now)]
    found = candidates(Weighted(before, ones[0]), Weighted(now, ones[1]), schema, both=True, largest=LARGEST_SHARE)
    kept = near_disjoint(found, before, now, most=most)
    held = [(meet(each.conditions, before_test), meet(each.conditions, now_test)) for each in found]
    times = [frame[schema.time] for frame in (before_test, now_test)] if schema.time in reference else None
    tests = [_test(held[: k + 1], times, more=found[k].more) for k in kept]
    slices = []
    for k, p_value, (_, moved) in zip(kept, holm([p_value for p_value, _ in tests]), tests, strict=True):
        if p_value < LEVEL and moved:
            shares = [float(rows.mean()) for rows in held[k]]
            n_current, examples = _examples(found[k], reference, current, schema.row_key, seed)
            ratio = share_ratio(*held[k])
            slices.append(Slice(found[k].conditions, shares[0], shares[1], ratio, p_value, n_current, examples))
    return tuple(sorted(slices, key=lambda each: (each.contribution < 0, -abs(each.contribution))))


def _halves(frame: DataFrame, schema: Schema, seed: int) -> Sequence[NDArray[np.intp]]:
    return halves_in_time(frame[schema.time], seed) if schema.time in frame else halves(len(frame), seed)


def _test(held: Sequence[tuple[Rows, Rows]], times: Sequence[Series] | None, *, more: bool) -> tuple[float, bool]:
    """Test the last of some slices given the others, and tell whether it moved enough by itself.

    `held` says for each slice which rows before and now are inside, `times` when those rows happened. The p-value is
    the larger of that of an exact test of the rows and that of the days, which differ by themselves.
    """
    sparse, dense = zip(*(rows if more else rows[::-1] for rows in held), strict=True)
    growth = share_ratio(sparse[-1], dense[-1])
    p_value = excess_p(sparse[-1], dense[-1], sparse[:-1], dense[:-1])
    if times is not None:
        before, now = held[-1]
        p_value = max(p_value, wobble_p(before, times[0], now, times[1], more=more))
    return p_value, growth.low > 1 and growth.value >= LEAST_GROWTH


def _examples(
    candidate: Candidate, reference: DataFrame, current: DataFrame, row_key: str, seed: int
) -> tuple[int, tuple[str, ...]]:
    """Return how many current rows are inside, and keys of a few of them; of reference rows if there are none."""
    keys = current.loc[meet(candidate.conditions, current), row_key]
    shown = keys if len(keys) else reference.loc[meet(candidate.conditions, reference), row_key]
    return len(keys), tuple(sorted(shown.sample(min(N_EXAMPLES, len(shown)), random_state=seed)))

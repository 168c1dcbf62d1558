"""The slices in which a batch has more rows than the snapshot led to expect, judged on rows that did not find them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from monitors.beam import Coded, Region, climb, search
from monitors.binning import Binning, Codes, bin_categories, bin_numbers
from monitors.evidence import UNKNOWN, Rows, excess_p, holm, share_ratio
from monitors.membership import inside
from monitors.pairs import count_pairs
from records.schema import Schema
from records.slice import Slice

LEVEL = 0.05
LEAST_SHARE_OF_GAIN = 0.05
LARGEST_SHARE = 0.5
MOST_CANDIDATES = 8

Weights = NDArray[np.float64]


def find(
    reference: DataFrame, current: DataFrame, schema: Schema, *, seed: int = 0, most: int = 3
) -> tuple[Slice, ...]:
    """Find up to `most` slices over-represented in `current`, the most telling first; often there is none.

    Both are normalised frames. The conjunctions of up to three conditions are searched on a random half of each
    frame by a penalised scan statistic; what a slice explains is taken away before the next is sought. One that
    covers over half of the batch is drift of whole columns and not returned, nor is one that carries under 5 % of
    the gain, or whose rows lie mostly in an earlier slice. On the other half each must pass an exact test given the
    earlier ones, p < .05 after Holm's correction; shares, ratio and interval are of that half alone.
    Under-representation is not sought: there would be no rows to ask about.

    >>> import pandas as pd
    >>> schema = Schema("id", "at", "late", "classification", ("hour",), ("sky",), ("no", "yes"))
    >>> before = pd.DataFrame({"hour": np.arange(4800) % 24.0, "sky": ["clear", "rain"] * 2400})
    >>> now = pd.concat([before, before.query("hour >= 18")], ignore_index=True)
    >>> [slice_.name for slice_ in find(before, now, schema)]
    ['hour >= 18']
    """
    rng = np.random.default_rng(seed)
    before, before_test = _halves(reference[list(schema.features)], rng)
    now, now_test = _halves(current[list(schema.features)], rng)
    if min(len(before), len(now), len(before_test), len(now_test)) == 0 or not schema.features:
        return ()
    found = _candidates(before, now, schema)
    kept: list[int] = []
    for k, slice_ in enumerate(found):
        rows = inside(slice_, now)
        taken = np.any([inside(found[j], now) for j in kept], axis=0) & rows
        if rows.mean() <= LARGEST_SHARE and taken.sum() <= rows.sum() / 2 and len(kept) < most:
            kept.append(k)
    before_in = [inside(slice_, before_test) for slice_ in found]
    now_in = [inside(slice_, now_test) for slice_ in found]
    p_values = holm([excess_p(before_in[k], now_in[k], before_in[:k], now_in[:k]) for k in kept])
    return tuple(
        replace(
            found[k],
            share_reference=float(before_in[k].mean()),
            share_current=float(now_in[k].mean()),
            ratio=share_ratio(before_in[k], now_in[k]),
            p_value=p_value,
            n_current=int(inside(found[k], current).sum()),
        )
        for k, p_value in zip(kept, p_values, strict=True)
        if p_value < LEVEL
    )


def _halves(frame: DataFrame, rng: np.random.Generator) -> tuple[DataFrame, DataFrame]:
    order = rng.permutation(len(frame))
    middle = (len(frame) + 1) // 2
    return frame.iloc[np.sort(order[:middle])], frame.iloc[np.sort(order[middle:])]


def _candidates(before: DataFrame, now: DataFrame, schema: Schema) -> list[Slice]:
    """Search, explain away, and search again, until nothing gains 5 % of all; shares and p-value are not yet known."""
    binnings = [bin_numbers(name, before[name], now[name]) for name in schema.numeric]
    binnings += [bin_categories(name, before[name], now[name]) for name in schema.categorical]
    fine = [binning.encode(before[binning.column]) for binning in binnings]
    fine_now = [binning.encode(now[binning.column]) for binning in binnings]
    coarse, coarse_now = _coarsen(binnings, fine), _coarsen(binnings, fine_now)
    n_coarse = tuple(int(binning.coarse.max()) + 1 for binning in binnings)
    numeric = tuple(binning.numeric for binning in binnings)
    pairs = count_pairs(coarse, n_coarse)
    weights: Weights = np.ones(len(now))
    found: list[Slice] = []
    total = 0.0
    while len(found) < MOST_CANDIDATES and weights.sum() > 0:
        region = search(Coded(coarse, coarse_now, weights, n_coarse, numeric), pairs)
        if region is None:
            break
        region, chosen = _sharpen(region, binnings, fine, fine_now, weights)
        total += region.gain
        if region.gain < LEAST_SHARE_OF_GAIN * total:
            break
        conditions = tuple(
            binning.condition(choice.keep) for binning, (_, choice) in zip(chosen, region.choices, strict=True)
        )
        found.append(Slice(conditions, np.nan, np.nan, UNKNOWN, np.nan, 0))
        weights = _explain(weights, inside(found[-1], before), inside(found[-1], now))
    return found


def _coarsen(binnings: Sequence[Binning], fine: Sequence[Codes]) -> NDArray[np.intp]:
    return np.stack([binning.coarse[codes] for binning, codes in zip(binnings, fine, strict=True)]).astype(np.intp)


def _sharpen(
    region: Region, binnings: Sequence[Binning], fine: Sequence[Codes], fine_now: Sequence[Codes], weights: Weights
) -> tuple[Region, list[Binning]]:
    """Climb once more over the fine codes of the region's own columns; its columns become positions among those."""
    chosen = [binnings[column] for column in region.columns]
    coded = Coded(
        np.stack([fine[column] for column in region.columns]).astype(np.intp),
        np.stack([fine_now[column] for column in region.columns]).astype(np.intp),
        weights,
        tuple(binning.n_codes for binning in chosen),
        tuple(binning.numeric for binning in chosen),
    )
    finer = tuple(
        (k, replace(choice, keep=choice.keep[binning.coarse]))
        for k, (binning, (_, choice)) in enumerate(zip(chosen, region.choices, strict=True))
    )
    return climb(coded, Region(finer, region.llr)), chosen


def _explain(weights: Weights, before: Rows, now: Rows) -> Weights:
    """Weigh the current rows inside down until they are as dense, against the reference, as those outside."""
    dense = weights[now].sum() / before.sum() if before.any() else np.inf  # usual / inf = 0: all explained
    usual = weights[~now].sum() / (~before).sum() if (~before).any() else 0.0
    return np.where(now, weights * min(1.0, usual / dense), weights)

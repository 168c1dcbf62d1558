"""Conditions as people write them: no edge, category or gap that the rows cannot tell from something simpler."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pandas import Categorical, Series

from monitors.membership import meet
from monitors.rounding import readable
from monitors.scan import Totals, count, log_likelihood_ratio
from monitors.weighted import Weighted
from records.slice import Between, Condition, OneOf

SLACK = 2.0
SLACK_SHARE = 0.005

Numbers = NDArray[np.float64]
Column = tuple[Series, Numbers]
"""The values of one column, and the weights of their rows."""


def simplify(conditions: Sequence[Condition], before: Weighted, now: Weighted) -> tuple[Condition, ...]:
    """Give up categories and gaps that matter little, and put each edge where it tells most and is round.

    Each of these may cost 2 nats of the log-likelihood ratio of `now` over `before` (the likelihood interval of about
    95 %) or 0.5 % of it, all else being equal.

    >>> from pandas import DataFrame
    >>> hours = Weighted(DataFrame({"hour": np.arange(2400) % 24.0}), np.ones(2400))
    >>> late = Weighted(hours.frame, np.where(hours.frame["hour"] >= 18, 3.0, 1.0))
    >>> [str(condition) for condition in simplify([Between("hour", 17.0, 23.0, missing=True)], hours, late)]
    ['18 <= hour < 23']
    """
    totals = Totals(before.total, now.total)
    simple = list(conditions)
    for place, condition in enumerate(conditions):
        others = simple[:place] + simple[place + 1 :]
        columns = []
        for sample in (before, now):
            rows = meet(others, sample.frame)
            columns.append((sample.frame[condition.column][rows], sample.weights[rows]))
        if isinstance(condition, OneOf):
            simple[place] = _fewer(condition, columns, totals)
        else:
            simple[place] = _rounder(condition, columns, totals)
    return tuple(simple)


def _fewer(condition: OneOf, columns: Sequence[Column], totals: Totals) -> OneOf:
    n_values = len(condition.values)
    parts = []
    for values, weights in columns:
        codes = Categorical(values, categories=condition.values).codes.astype(np.int64)  # -1: not listed, or missing
        codes[values.isna().to_numpy()] = n_values if condition.missing else -1
        parts.append(count(codes[codes >= 0], weights[codes >= 0], n_values + condition.missing))
    needed = _needed(parts[0], parts[1], totals)
    chosen = tuple(value for value, kept in zip(condition.values, needed, strict=False) if kept)
    return replace(condition, values=chosen, missing=condition.missing and bool(needed[-1]))


def _rounder(condition: Between, columns: Sequence[Column], totals: Totals) -> Between:
    samples = [(values.to_numpy(dtype=np.float64), weights) for values, weights in columns]
    if condition.missing and condition != Between(condition.column, missing=True):
        parts = [np.array([w[_known(condition, x)].sum(), w[np.isnan(x)].sum()]) for x, w in samples]
        known, missing = _needed(parts[0], parts[1], totals)
        condition = replace(condition, missing=bool(missing)) if known else Between(condition.column, missing=True)
    if condition.low is not None:
        condition = replace(condition, low=_edge(condition, "low", samples, totals))
    if condition.high is not None:
        condition = replace(condition, high=_edge(condition, "high", samples, totals))
    return condition


def _needed(before: Numbers, now: Numbers, totals: Totals) -> NDArray[np.bool_]:
    """Tell which parts of a region it needs: the least telling ones are given up, one after the other."""
    needed = np.ones(len(before), dtype=np.bool_)
    least = _least(float(log_likelihood_ratio(before.sum(), now.sum(), totals)))
    while needed.sum() > 1:
        without = log_likelihood_ratio(before[needed].sum() - before, now[needed].sum() - now, totals)
        without[~needed] = -np.inf
        if without.max() < least:
            break
        needed[without.argmax()] = False
    return needed


def _edge(
    condition: Between, side: Literal["low", "high"], samples: Sequence[tuple[Numbers, Numbers]], totals: Totals
) -> float | None:
    """Return the edge on one side of an interval, given the other one and the rows inside all other conditions."""
    open_ended = replace(condition, low=None) if side == "low" else replace(condition, high=None)
    reach = [_known(open_ended, x) for x, _ in samples]
    steps = np.unique(np.concatenate([x[rows] for (x, _), rows in zip(samples, reach, strict=True)]))
    counts = []
    for (x, w), rows in zip(samples, reach, strict=True):
        below = np.cumsum(count(np.searchsorted(steps, x[rows]), w[rows], len(steps)))
        within = below[:-1] if side == "high" else below[-1:] - below[:-1]
        counts.append(within + w[np.isnan(x)].sum() * condition.missing)
    llr = log_likelihood_ratio(counts[0], counts[1], totals)  # of an edge after each step but the last
    if not np.isfinite(llr).any():
        return condition.low if side == "low" else condition.high
    best = int(np.argmax(llr))
    near = llr >= _least(float(llr[best]))
    first = best + 1 - int(np.argmin(np.append(near[best::-1], False)))
    last = best - 1 + int(np.argmin(np.append(near[best:], False)))
    return readable(float(steps[best + 1]), math.nextafter(steps[first], math.inf), float(steps[last + 1]))


def _known(condition: Between, values: Numbers) -> NDArray[np.bool_]:
    """Tell which values are between the edges; nan is not."""
    low = -np.inf if condition.low is None else condition.low
    return (values >= low) & (values < condition.high) if condition.high is not None else values >= low


def _least(llr: float) -> float:
    return llr - max(SLACK, SLACK_SHARE * llr)

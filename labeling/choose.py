"""Draws the rows to ask people about, with a known probability for every row that could have been drawn."""

from collections.abc import Hashable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from records.errors import BadData
from records.label import Ask, Purpose

REST = "rest"
"""The stratum of the rows that lie in no slice."""

LEAST_UNITS = 4
"""Units per row to draw below which likeness says too little to leave rows out."""

_Floats = NDArray[np.float64]


def draw(
    row_keys: Sequence[str],
    strata: NDArray[np.object_],
    uncertainty: _Floats,
    *,
    budget: int,
    audit_share: float,
    seed: int,
    doubt: _Floats | None = None,
    alike: Sequence[Hashable] | None = None,
    kinds: NDArray[np.int64] | None = None,
    taken: frozenset[str] = frozenset(),
    number: int = 1,
) -> tuple[Ask, ...]:
    """Draw at most `budget` rows for people: an `audit` part that judges and a `train` part that teaches.

    `strata` (n,) names each row's slice, or "rest"; `uncertainty` (n,) is how much the row's loss may vary (its
    standard deviation), and `doubt` (n,) how much could be learned from it (default: the same); neither is negative.
    `alike` (n,) is equal for rows so alike that one of them tells as much as all; `kinds` (n,) groups rows of one
    sort. Rows in `taken`, and rows alike to them, are not eligible. Exactly `min(budget, eligible rows that differ)`
    rows come back, as round `number`, in random order, so that the first answers of an unfinished campaign are a
    random part of it.

    `Ask.inclusion` is *unconditional*: the probability, over seeds, that the row is drawn for that purpose. Every
    eligible row has an audit probability above 0 (if `audit_share` is), so the mean of a quantity over all eligible
    rows is estimated without bias by `sum(value / inclusion) / n_eligible` over the audit rows alone. The audit
    rows are `audit_share * budget` in expectation, and the train rows fill the budget.

    - Audit: half of the part is spread over the strata by the square root of their sizes (power allocation, Bankier
      1988), so that small slices are seen too, and half by Neyman's rule (size times the root mean square of
      `uncertainty`); inside a stratum half uniformly and half by `uncertainty`.
    - Train: rows of slices (all rows if there is no slice), a tenth uniformly and nine tenths by `doubt`; rows of the
      rest only once the slices are exhausted.
    - Both at once: rows are drawn with the sum of both probabilities, by systematic sampling (Madow 1949) in an order
      by kind and then by a hash of row key and seed, so the rows drawn are spread over the kinds; the drawn rows are
      given a purpose in the same way. Both stages hit their probabilities exactly, and a rerun draws the same rows,
      in whatever order the table returns them.
    - Rows that are alike are one unit: one of them, chosen by the hash, stands for all and counts for all. Where that
      leaves fewer than four units for each row to draw, as with few categories, alike rows are drawn as any others.

    Raises `BadData` for arguments of different lengths, repeated keys, and uncertainty that is negative or not finite.

    >>> keys = [f"r{i}" for i in range(100)]
    >>> strata = np.array(["hour >= 18"] * 20 + ["rest"] * 80, dtype=object)
    >>> asks = draw(keys, strata, np.full(100, 0.5), budget=10, audit_share=0.6, seed=1)
    >>> len(asks), {ask.slice for ask in asks if ask.purpose == "train"}
    (10, {'hour >= 18'})
    >>> {ask.slice: round(ask.inclusion, 4) for ask in asks if ask.purpose == "audit"}
    {'rest': 0.055, 'hour >= 18': 0.08}
    """
    doubt = uncertainty if doubt is None else doubt
    for values in (uncertainty, doubt):
        _check(row_keys, strata, values)
    place, size = _units(row_keys, strata, alike, taken, seed)
    if alike is not None and len(place) < LEAST_UNITS * budget:
        place, size = _units(row_keys, strata, None, taken, seed)
    if not len(place) or budget < 1:
        return ()
    keys, group = [row_keys[i] for i in place], strata[place].astype(str)
    n_drawn = min(budget, len(place))
    n_audit = int(np.floor(audit_share * n_drawn + 0.5))
    audit = _audit_inclusion(group, size, uncertainty[place], n_audit)
    train = _train_inclusion(group, size, doubt[place], n_drawn - n_audit, room=1.0 - audit)
    either = audit + train
    kind = np.zeros(len(place), dtype=np.int64) if kinds is None else kinds[place]
    order = np.lexsort((np.array([_uniform(key, seed) for key in keys]), kind, group))
    # Offsets depend on the rows too, so that two windows drawn with one seed are not drawn alike.
    first, second = _uniform("first" + keys[0], seed), _uniform("second" + keys[0], seed)
    drawn = order[_systematic(either[order], first, total=n_drawn)]
    judges = _systematic(audit[drawn] / either[drawn], second)
    asks = [
        _ask(keys[i], "audit" if judge else "train", float((audit if judge else train)[i] / size[i]), group[i], number)
        for i, judge in zip(drawn, judges, strict=True)
    ]
    return tuple(sorted(asks, key=lambda ask: (_uniform("order" + ask.row_key, seed), ask.row_key)))


def _units(
    row_keys: Sequence[str],
    strata: NDArray[np.object_],
    alike: Sequence[Hashable] | None,
    taken: frozenset[str],
    seed: int,
) -> tuple[NDArray[np.int64], _Floats]:
    """Return the position of one row per unit of rows that are alike, in the order of keys, and the units' sizes.

    Probabilities are computed in the order of the keys, so that their last digit does not depend on the seed.
    """
    units: dict[Hashable, list[int]] = {}
    for i in sorted(range(len(row_keys)), key=lambda i: row_keys[i]):
        units.setdefault(row_keys[i] if alike is None else (strata[i], alike[i]), []).append(i)
    free = [rows for rows in units.values() if not any(row_keys[i] in taken for i in rows)]
    one = [
        rows[0] if len(rows) == 1 else min(rows, key=lambda i: _uniform("of unit" + row_keys[i], seed)) for rows in free
    ]
    return np.array(one, dtype=np.int64), np.array([len(rows) for rows in free], dtype=float)


def _check(row_keys: Sequence[str], strata: NDArray[np.object_], uncertainty: _Floats) -> None:
    if not len(row_keys) == len(strata) == len(uncertainty):
        raise BadData(
            f"choosing rows needs one stratum and one uncertainty per key, got {len(row_keys)!r} keys, "
            f"{len(strata)!r} strata and {len(uncertainty)!r} uncertainties; pass columns of one frame"
        )
    if len(set(row_keys)) < len(row_keys):
        seen: set[str] = set()
        twice = next(key for key in row_keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadData(f"row key {twice!r} occurs twice among the rows to choose from; remove repeated keys first")
    wrong = ~np.isfinite(uncertainty) | (uncertainty < 0)
    if wrong.any():
        key = row_keys[int(np.argmax(wrong))]
        raise BadData(
            f"the uncertainty of row {key!r} is {float(uncertainty[wrong][0])!r}; give a finite number not below 0"
        )


def _audit_inclusion(group: NDArray[np.str_], size: _Floats, spread: _Floats, total: int) -> _Floats:
    names, member, n_units = np.unique(group, return_inverse=True, return_counts=True)
    n_rows: _Floats = np.asarray(np.bincount(member, weights=size), dtype=np.float64)
    typical = np.sqrt(np.bincount(member, weights=size * spread**2) / n_rows)
    weight = 0.5 * _shares(np.sqrt(n_rows), otherwise=n_rows) + 0.5 * _shares(n_rows * typical, otherwise=n_rows)
    share = _fill(weight, ceiling=n_units.astype(float), total=total)
    inclusion = np.zeros(len(group))
    for stratum in range(len(names)):
        rows = member == stratum
        weight = 0.5 * _shares(size[rows], otherwise=size[rows])
        weight += 0.5 * _shares(size[rows] * spread[rows], otherwise=size[rows])
        inclusion[rows] = _fill(weight, ceiling=np.ones(int(rows.sum())), total=float(share[stratum]))
    return inclusion


def _train_inclusion(group: NDArray[np.str_], size: _Floats, doubt: _Floats, total: int, *, room: _Floats) -> _Floats:
    sliced = group != REST
    inclusion = np.zeros(len(group))
    for rows in (sliced, ~sliced):
        if rows.any():
            n_rows = size[rows]
            weight = 0.1 * _shares(n_rows, otherwise=n_rows) + 0.9 * _shares(n_rows * doubt[rows], otherwise=n_rows)
            inclusion[rows] = _fill(weight, ceiling=room[rows], total=total - float(inclusion.sum()))
    return inclusion


def _shares(weight: _Floats, *, otherwise: _Floats) -> _Floats:
    chosen = weight if weight.sum() > 0 else otherwise
    return np.asarray(chosen / chosen.sum(), dtype=float)


def _fill(weight: _Floats, *, ceiling: _Floats, total: float) -> _Floats:
    """Split `total` in proportion to `weight`, nowhere above `ceiling`; what does not fit goes to the others."""
    full = np.zeros(len(weight), dtype=bool)
    while True:
        left = total - ceiling[full].sum()
        level = np.where(full, ceiling, 0.0)
        if left > 0 and not full.all():
            level[~full] = weight[~full] * (left / weight[~full].sum())
        over = ~full & (level > ceiling)
        if not over.any():
            filled: _Floats = np.minimum(level, ceiling)
            return filled
        full |= over


def _systematic(inclusion: _Floats, offset: float, *, total: int | None = None) -> NDArray[np.bool_]:
    """Choose rows so that each is chosen with exactly its `inclusion`, over an offset uniform on [0, 1).

    With an integer `total`, to which the inclusions must sum, exactly so many are chosen.
    """
    certain = inclusion > 1 - 1e-9
    ends = np.cumsum(np.where(certain, 0.0, inclusion))
    if total is not None and ends[-1] > 0:
        ends *= (total - int(certain.sum())) / ends[-1]  # rounding errors must not cost a row
    ticks = np.floor(np.concatenate([[0.0], ends]) + offset)
    return certain | (np.diff(ticks) > 0)


def _ask(key: str, purpose: Purpose, inclusion: float, group: str, number: int) -> Ask:
    where = "the rest" if group == REST else group
    reason = f"audit: random row of {where}" if purpose == "audit" else f"train: the model's doubt in {where}"
    return Ask(key, purpose, inclusion, str(group), reason, number)


def _uniform(text: str, seed: int) -> float:
    digest = blake2b(text.encode(), digest_size=8, salt=seed.to_bytes(16, "big", signed=True)).digest()
    return (int.from_bytes(digest, "big") >> 24) / 2**40  # 40 bits, so that an offset added to a count stays exact

"""Draws the rows to ask people about, with a known probability for every row that could have been drawn."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from records.errors import BadData
from records.label import Ask, Purpose

REST = "rest"
"""The stratum of the rows that lie in no slice."""

_Floats = NDArray[np.float64]


def draw(
    row_keys: Sequence[str],
    strata: NDArray[np.object_],
    uncertainty: _Floats,
    *,
    budget: int,
    audit_share: float,
    seed: int,
    taken: frozenset[str] = frozenset(),
) -> tuple[Ask, ...]:
    """Draw at most `budget` rows for people: an `audit` part that judges and a `train` part that teaches.

    `strata` (n,) names each row's slice, or "rest"; `uncertainty` (n,) is how much the row's loss may vary (its
    standard deviation, such as `sqrt(m (1 - m))` where the model expects to be wrong with probability `m`), not
    negative. Rows in `taken` are not eligible. Exactly `min(budget, eligible rows)` rows come back, in random order,
    so that the first answers of an unfinished campaign are a random part of it.

    `Ask.inclusion` is *unconditional*: the probability, over seeds, that the row is drawn for that purpose. Every
    eligible row has an audit probability above 0 (if `audit_share` is), so the mean of a quantity over all eligible
    rows is estimated without bias by `sum(value / inclusion) / n_eligible` over the audit rows alone. The audit
    probabilities sum to `round(audit_share * budget)`; the number of audit rows differs from that by chance, and the
    train rows fill the budget.

    - Audit: half of the part is spread equally over the strata and half by Neyman's rule (stratum size times the root
      mean square of `uncertainty`); inside a stratum half uniformly and half by `uncertainty`.
    - Train: rows of slices (all rows if there is no slice), a tenth uniformly and nine tenths by `uncertainty`; rows
      of the rest only once the slices are exhausted.
    - Both at once: rows are drawn with the sum of both probabilities, by systematic sampling (Madow 1949) in an order
      that is a hash of row key and seed, and the drawn rows are given a purpose in the same way. Both stages hit
      their probabilities exactly, and a rerun draws the same rows, in whatever order the table returns them.

    Raises `BadData` for arguments of different lengths, repeated keys, and uncertainty that is negative or not finite.

    >>> keys = [f"r{i}" for i in range(100)]
    >>> strata = np.array(["hour >= 18"] * 20 + ["rest"] * 80, dtype=object)
    >>> asks = draw(keys, strata, np.full(100, 0.5), budget=10, audit_share=0.6, seed=1)
    >>> len(asks), {ask.slice for ask in asks if ask.purpose == "train"}
    (10, {'hour >= 18'})
    >>> {ask.slice: round(ask.inclusion, 4) for ask in asks if ask.purpose == "audit"}
    {'rest': 0.0488, 'hour >= 18': 0.105}
    """
    _check(row_keys, strata, uncertainty)
    # Probabilities are computed in the order of the keys, so that their last digit does not depend on the seed.
    place = np.array(sorted((i for i, key in enumerate(row_keys) if key not in taken), key=lambda i: row_keys[i]), int)
    if not len(place) or budget < 1:
        return ()
    keys = [row_keys[i] for i in place]
    group, doubt = strata[place].astype(str), uncertainty[place]
    n_drawn = min(budget, len(place))
    n_audit = int(np.floor(audit_share * n_drawn + 0.5))
    audit = _audit_inclusion(group, doubt, n_audit)
    train = _train_inclusion(group, doubt, n_drawn - n_audit, room=1.0 - audit)
    either = audit + train
    order = np.lexsort((np.array([_uniform(key, seed) for key in keys]), group))
    # Offsets depend on the rows too, so that two windows drawn with one seed are not drawn alike.
    first, second = _uniform("first" + keys[0], seed), _uniform("second" + keys[0], seed)
    drawn = order[_systematic(either[order], first, total=n_drawn)]
    judges = _systematic(audit[drawn] / either[drawn], second)
    asks = [
        _ask(keys[i], "audit" if judge else "train", float((audit if judge else train)[i]), str(group[i]))
        for i, judge in zip(drawn, judges, strict=True)
    ]
    return tuple(sorted(asks, key=lambda ask: (_uniform("order" + ask.row_key, seed), ask.row_key)))


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


def _audit_inclusion(group: NDArray[np.str_], doubt: _Floats, total: int) -> _Floats:
    names, member, size = np.unique(group, return_inverse=True, return_counts=True)
    spread = np.sqrt(np.bincount(member, weights=doubt**2) / size)
    weight = 0.5 / len(names) + 0.5 * _shares(size * spread, otherwise=size)
    share = _fill(weight, ceiling=size.astype(float), total=total)
    inclusion = np.zeros(len(group))
    for stratum in range(len(names)):
        rows = member == stratum
        weight = 0.5 / size[stratum] + 0.5 * _shares(doubt[rows], otherwise=np.ones(size[stratum]))
        inclusion[rows] = _fill(weight, ceiling=np.ones(size[stratum]), total=float(share[stratum]))
    return inclusion


def _train_inclusion(group: NDArray[np.str_], doubt: _Floats, total: int, *, room: _Floats) -> _Floats:
    sliced = group != REST
    inclusion = np.zeros(len(group))
    for rows in (sliced, ~sliced):
        if rows.any():
            uniform = np.ones(int(rows.sum()))
            weight = 0.1 * _shares(uniform, otherwise=uniform) + 0.9 * _shares(doubt[rows], otherwise=uniform)
            inclusion[rows] = _fill(weight, ceiling=room[rows], total=total - float(inclusion.sum()))
    return inclusion


def _shares(weight: _Floats, *, otherwise: _Floats | NDArray[np.int_]) -> _Floats:
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


def _ask(key: str, purpose: Purpose, inclusion: float, group: str) -> Ask:
    where = "the rest" if group == REST else group
    reason = f"audit: random row of {where}" if purpose == "audit" else f"train: the model's doubt in {where}"
    return Ask(key, purpose, inclusion, group, reason)


def _uniform(text: str, seed: int) -> float:
    digest = blake2b(text.encode(), digest_size=8, salt=seed.to_bytes(16, "big", signed=True)).digest()
    return (int.from_bytes(digest, "big") >> 24) / 2**40  # 40 bits, so that an offset added to a count stays exact

"""Generated streams whose drift is known: abrupt, gradual, recurrent, of the rows alone, of one slice, none at all."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.stream_rows import Stream, as_stream

Floats = NDArray[np.float64]
_N_NUMBERS, _LETTERS = 6, "ABCDEFGH"


def generated(n_rows: int, *, n_windows: int, seed: int = 0) -> list[Stream]:
    """Return one stream of each kind; the target is `y`, the order `t`."""
    streams = []
    for place, (name, answers, moves) in enumerate(_KINDS):
        generator = np.random.default_rng([seed, place])
        t = np.arange(n_rows) / n_rows
        x = generator.normal(size=(n_rows, _N_NUMBERS))
        if moves:
            x += 2 * np.clip((t - 0.2) / 0.6, 0, 1)[:, None] * np.array([1.0, -1.0, 0.5, 0.0, 0.0, 0.0])
        letters = generator.choice(list(_LETTERS), n_rows)
        noise = 0.7 * generator.normal(size=n_rows)
        frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(_N_NUMBERS)])
        frame = frame.assign(letter=letters, t=np.arange(n_rows), y=answers(t, x, letters, noise))
        streams.append(as_stream(name, frame, "y", "t", max_rows=n_rows, n_windows=n_windows, seed=seed))
    return streams


def _score(x: Floats, letters: NDArray[np.str_], turned: Floats) -> Floats:
    """A curved relation; `turned` in [0, 1] is how far it has moved to another one."""
    before = x[:, 0] + x[:, 1] * x[:, 2] + (letters < "D")
    after = x[:, 3] - x[:, 1] * x[:, 2] + 0.5 * x[:, 0] + (letters > "E")
    return (1 - turned) * before + turned * after


def _abrupt(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> NDArray[np.int64]:
    return np.asarray(_score(x, letters, np.where(t > 0.4, 1.0, 0.0)) + noise > 0.5, dtype=np.int64)


def _gradual(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> NDArray[np.int64]:
    return np.asarray(np.digitize(_score(x, letters, np.clip((t - 0.25) / 0.5, 0, 1)) + noise, [-0.3, 1.0]))


def _recurrent(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> NDArray[np.int64]:
    return np.asarray(_score(x, letters, ((t * 5).astype(int) % 2) * 1.0) + noise > 0.5, dtype=np.int64)


def _unchanged(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> NDArray[np.int64]:
    return np.asarray(_score(x, letters, np.zeros(len(t))) + noise > 0.5, dtype=np.int64)


def _of_a_slice(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> NDArray[np.int64]:
    turned = (t > 0.3) & np.isin(letters, ["A", "E"]) & (x[:, 3] > -0.3)
    return np.where(turned, 1 - _unchanged(t, x, letters, noise), _unchanged(t, x, letters, noise))


def _number(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> Floats:
    return _score(x, letters, np.clip((t - 0.3) / 0.3, 0, 1)) + noise


def _rare(t: Floats, x: Floats, letters: NDArray[np.str_], noise: Floats) -> NDArray[np.int64]:
    return np.asarray(_score(x, letters, np.clip((t - 0.2) / 0.4, 0, 1)) + noise > 2.8, dtype=np.int64)


_Answers = Callable[[Floats, Floats, NDArray[np.str_], Floats], NDArray[np.int64] | Floats]
_KINDS: tuple[tuple[str, _Answers, bool], ...] = (
    ("abrupt", _abrupt, False),
    ("gradual, three classes", _gradual, False),
    ("recurrent", _recurrent, False),
    ("rows alone", _unchanged, True),
    ("one slice", _of_a_slice, False),
    ("regression", _number, False),
    ("rare class", _rare, False),
    ("no drift", _unchanged, False),
)

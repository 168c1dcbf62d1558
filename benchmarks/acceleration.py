"""How much faster sklearnex is than scikit-learn: `python -m benchmarks.acceleration [--quick]`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from benchmarks.report import Findings, Steps, Table, run
from models.accelerate import ESTIMATORS, MOST_SUPPORTED, estimator, record_engines
from records.generation import StepEngine

ABOUT = (
    "Every estimator that is offered, as it is set by default, fitted by scikit-learn and by sklearnex on the same"
    " generated rows (20 columns, two classes), by turns in one process; both then predict the same rows."
)
TOLERANCE = 0.01
_N_COLUMNS = 20
_N_TEST = 20_000
_REPEATS = {10_000: 3, 100_000: 2, 1_000_000: 1}
_LARGEST = {"neighbors": 100_000, "support_vectors": MOST_SUPPORTED}  # what each new row or each pair of rows costs


@dataclass(frozen=True, slots=True)
class Timed:
    """One engine's median seconds to fit and to predict, its Brier loss, and who really did it."""

    fit: float
    predict: float
    brier: float
    engine: StepEngine


@dataclass(frozen=True, slots=True)
class Duel:
    """Both engines side by side on `n_rows` rows."""

    name: str
    n_rows: int
    stock: Timed
    accelerated: Timed

    @property
    def speedups(self) -> tuple[float, float]:
        """How many times as fast fitting and predicting are."""
        return self.stock.fit / self.accelerated.fit, self.stock.predict / self.accelerated.predict

    @property
    def difference(self) -> float:
        """By how much sklearnex's Brier loss differs."""
        return self.accelerated.brier - self.stock.brier


def measure(quick: bool, steps: Steps) -> Findings:
    """Fit and predict with both engines at every size."""
    sizes = (2_000, 10_000) if quick else tuple(_REPEATS)
    jobs = [(name, n) for n in sizes for name in ESTIMATORS if n <= _LARGEST.get(name, n)]
    with steps.counted("duels", len(jobs)) as step:
        duels = []
        for name, n_rows in jobs:
            duels.append(_duel(name, n_rows, 1 if quick else _REPEATS[n_rows]))
            step()
    rows = [
        (
            duel.name,
            duel.n_rows,
            duel.stock.fit,
            duel.accelerated.fit,
            duel.speedups[0],
            duel.stock.predict,
            duel.accelerated.predict,
            duel.speedups[1],
            f"{duel.difference:+.4f}",
            "yes" if duel.accelerated.engine.accelerated else duel.accelerated.engine.reason,
        )
        for duel in duels
    ]
    header = [
        *("estimator", "rows", "fit stock, s", "fit accelerated, s", "ratio"),
        *(f"predict {_N_TEST:,} stock, s", "accelerated, s", "ratio", "Brier difference", "accelerated"),
    ]
    worst = max(abs(duel.difference) for duel in duels)
    table = Table(
        "Side by side",
        header,
        rows,
        f"Accelerated forests are other forests, so scores agree in the mean, not row by row: the largest difference"
        f" is {worst:.4f}, and up to {TOLERANCE} is accepted. Nearest neighbours are not measured beyond"
        f" {_LARGEST['neighbors']:,} rows, where each prediction looks at all of them, and support vectors never learn"
        f" from more than {_LARGEST['support_vectors']:,}.",
    )
    return Findings(
        ABOUT,
        (table,),
        {
            "speedup": {f"{duel.name} {duel.n_rows}": round(duel.speedups[0], 2) for duel in duels},
            "predict_speedup": {f"{duel.name} {duel.n_rows}": round(duel.speedups[1], 2) for duel in duels},
            "score_difference": {f"{duel.name} {duel.n_rows}": round(duel.difference, 5) for duel in duels},
            "within_tolerance": worst <= TOLERANCE,
        },
    )


def _duel(name: str, n_rows: int, n_repeats: int) -> Duel:
    train, test = _rows(n_rows, 0), _rows(_N_TEST, 1)
    for accelerated in (False, True):  # imports and threads are started once
        _timed(name, _rows(500, 2), _rows(500, 3), accelerated=accelerated)
    times: dict[bool, list[Timed]] = {True: [], False: []}
    for accelerated in _turns(n_repeats):
        times[accelerated].append(_timed(name, train, test, accelerated=accelerated))
    return Duel(name, n_rows, _median(times[False]), _median(times[True]))


def _turns(n_repeats: int) -> Iterator[bool]:
    """Who is next: each engine first in every other round, because a machine slows down and speeds up."""
    for number in range(n_repeats):
        yield from ((True, False) if number % 2 else (False, True))


def _timed(
    name: str,
    train: tuple[NDArray[np.float64], NDArray[np.int64]],
    test: tuple[NDArray[np.float64], NDArray[np.int64]],
    *,
    accelerated: bool,
) -> Timed:
    pipeline = Pipeline([("model", estimator(name, "classification", seed=0, accelerated=accelerated))])
    begun = time.perf_counter()
    with record_engines(pipeline) as engines:
        pipeline.fit(*train)
    fitted = time.perf_counter()
    said = pipeline.predict_proba(test[0])[:, 1]
    done = time.perf_counter()
    return Timed(fitted - begun, done - fitted, float(((said - test[1]) ** 2).mean()), engines()[0])


def _median(times: list[Timed]) -> Timed:
    fit, predict = (float(np.median([getattr(one, what) for one in times])) for what in ("fit", "predict"))
    return Timed(fit, predict, float(np.mean([one.brier for one in times])), times[-1].engine)


def _rows(n_rows: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng([seed, n_rows])
    features = rng.normal(size=(n_rows, _N_COLUMNS))
    features[:, -4:] = rng.integers(0, 12, (n_rows, 4))  # numbered categories
    signal = features[:, 0] + features[:, 1] * (features[:, 2] > 0) - 0.5 * np.abs(features[:, 3])
    signal += 0.8 * np.isin(features[:, -1], (2, 5, 7))
    return features, (rng.random(n_rows) < 1 / (1 + np.exp(-signal))).astype(np.int64)


if __name__ == "__main__":
    run("acceleration", measure, about=ABOUT)

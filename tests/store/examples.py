"""Small, complete records for the ledger's tests."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from records.comparison import Comparison, RegimeComparison, Verdict
from records.drift import Alarm, Estimate
from records.generation import FitRecord, Generation, Snapshot, Status, StepEngine
from records.label import Annotation, Ask, Label, LabelRequest
from records.window import Window

MODEL = "flights"
START = datetime(2013, 3, 4, tzinfo=UTC)


def week(number: int) -> Window:
    return Window(START + timedelta(weeks=number), START + timedelta(weeks=number + 1))


def alarm(window: Window, *, evidence: float = 3.5) -> Alarm:
    return Alarm(MODEL, window, 1, True, evidence, 3.0, "the evidence 3.5 is above 3")


def request(window: Window, *row_keys: str, model: str = MODEL) -> LabelRequest:
    asks = tuple(
        Ask(key, "train" if number % 2 else "audit", 0.25, "hour >= 18", "drawn at random")
        for number, key in enumerate(row_keys)
    )
    return LabelRequest(model, window, 1, 10, asks, f"{len(asks)} rows are asked")


def annotation(
    number: int, task_id: int, row_key: str, answer: str | None = "late", *, annotator: str = "ada", minute: int = 0
) -> Annotation:
    return Annotation(number, task_id, row_key, annotator, answer, START + timedelta(minutes=minute), 2.5)


def label(row_key: str, answer: str = "late") -> Label:
    return Label(row_key, answer, 2, 0.5, ("ada", "bob"))


def generation(number: int, status: Status = "candidate", *, model: str = MODEL) -> Generation:
    snapshot = Snapshot("ab12", Path("/data/ab12/train.parquet"), Path("/data/ab12/holdout.parquet"), 800, 200)
    engines = (StepEngine("model", "RandomForestClassifier", False, "it was given weights"),)
    fit = FitRecord("random forest", "snapshot + labels", (("trees", "100"),), engines, 1.5, "brier", 0.125)
    return Generation(model, number, status, snapshot, f"run{number}", str(number), f"models:/{model}/{number}", fit)


def comparison(champion: int, challenger: int) -> Comparison:
    regimes: Iterable[RegimeComparison] = [
        RegimeComparison("drifted slices", "must gain", 40, 0.25, 0.125, Estimate(0.125, 0.0625, float("nan")))
    ]
    return Comparison(MODEL, champion, challenger, "brier", tuple(regimes))


PROMOTE = Verdict("promote", ("it gains 0.125 on the drifted slices",))

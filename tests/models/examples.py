"""Reviews to draw pages of, with whatever names and values a test wants in them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.entry import Draft, Entry
from models.naming import OLD_LOSS
from models.reliability import binned
from records.comparison import Comparison, RegimeComparison, Verdict
from records.decay import Decay, Judgement
from records.drift import Alarm, ColumnDrift, DriftReport, Estimate, JointDrift
from records.generation import FitRecord, Generation, Snapshot, StepEngine
from records.label import Anchoring, Annotator, Crowd
from records.review import Calibration, Figures, Gain, Link, Measured, Reign, Review, Shadow, ShadowScore
from records.slice import OneOf, Slice
from records.window import Window

WEEK = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 10, tzinfo=UTC))
UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


def generation_of(draft: Draft, entry: Entry) -> Generation:
    """A logged draft as the ledger keeps it."""
    return Generation(
        draft.model, draft.number, "candidate", draft.snapshot, entry.run_id, entry.version, entry.model_uri, draft.fit,
        digest=entry.digest,
    )  # fmt: skip


def review(name: str = "carrier", *, outcome: str = "promote", status: str = "champion") -> Review:
    """Everything a page can show; `name` stands wherever data or people give a text."""
    fit = FitRecord(
        "average of random_forest, linear",
        name,
        (("cross-validated loss", "0.17000"), ("forgotten", "+0.00100")),
        (StepEngine("model", "RandomForestClassifier", True, ""),),
        1.5,
        "brier",
        0.18,
    )
    snapshot = Snapshot("0123abcd", Path("train.parquet"), Path("holdout.parquet"), 9_000, 3_000)
    generation = Generation("flights", 2, status, snapshot, "run-2", "2", "models:/flights/2", fit, 1, WEEK.name)  # type: ignore[arg-type]
    column = ColumnDrift(
        name, "psi", 0.4, 0.1, 0.001, 0.004, Estimate(0.3, 0.25, 0.35), True, f"{name}: B6 12 % → 42 %"
    )
    still = ColumnDrift(f"other {name}", "ks", 0.4, 0.1, 0.5, 0.9, UNKNOWN, False, f"{name} is the same")
    slice_ = Slice((OneOf(name, ("B6", name)),), 0.1, 0.3, Estimate(3.0, 2.4, 3.8), 0.001, 210, (name,))
    decay = Decay(
        "flights", WEEK, 1, "brier", 0.15, Estimate(0.05, 0.03, 0.07), Estimate(0.01, -0.01, 0.03),
        Estimate(0.04, 0.02, 0.06), 300, 0.8, 0.01, f"The loss rose by 0.05 where {name}.",
    )  # fmt: skip
    regimes = (
        RegimeComparison(name, "must gain", 300, 0.22, 0.17, Estimate(0.05, 0.02, 0.08)),
        RegimeComparison(
            "holdout of the snapshot", "must not lose", 3_000, 0.15, 0.151, Estimate(-0.001, -0.004, 0.002)
        ),
    )
    rng = np.random.default_rng(0)
    said = rng.uniform(size=300)
    bins = binned(said, (rng.uniform(size=300) < said).astype(float), np.ones(300), shares=True)
    person = Annotator(name, 200, 3, 100, 0.9, 20, Estimate(0.95, 0.8, 0.99), 7.5)
    figures = Figures(
        champion=1,
        challenger=2,
        loss="brier",
        n_audit=300,
        windows=(WEEK,),
        gains=(Gain(f"{name} = B6", 120, 0.25, 0.17, Estimate(0.08, 0.03, 0.13)),),
        measures=(
            Measured("audit", "accuracy", Estimate(0.71, 0.66, 0.76), Estimate(0.78, 0.74, 0.82)),
            Measured("holdout.g1", "accuracy", Estimate(0.8, *[float("nan")] * 2), Estimate(0.79, *[float("nan")] * 2)),
        ),
        calibrations=(Calibration(1, f"chance of {name}", 0.1, bins), Calibration(2, f"chance of {name}", 0.05, bins)),
        crowd=Crowd(0.8, (person,), Anchoring(0, 0, UNKNOWN, UNKNOWN), 2),
    )
    n_needed = 120 if outcome == "needs review" else 0
    verdict = Verdict(outcome, (f"On {name} the gain in brier loss is 0.05.",), n_needed)  # type: ignore[arg-type]
    moment = datetime(2013, 6, 12, 9, tzinfo=UTC)
    return Review(
        generation=generation,
        champion=2 if status == "champion" else 1,
        candidates=tuple(
            FitRecord(
                kind,
                f"all {name}",
                (("cross-validated loss", loss), ("forgotten", "+0.00100"), (OLD_LOSS, "0.14300"), ("share", share)),
                fit.engines,
                0.2,
                "brier",
                float("nan"),
            )
            for kind, loss, share in (("random_forest", "0.17000", "0.75"), ("linear", "0.18000", "0.25"),
                                      ("boosting", "0.19000", "0.00"))
        ),
        reigns=(Reign(2, moment, None, f"because {name}"),) if status == "champion" else (),
        links=(
            Link("MLflow run", f"run of {name}", "http://127.0.0.1:5000/#/experiments/0/runs/1"),
            Link("Label Studio project", "1", "http://127.0.0.1:8080/projects/1"),
            Link("snapshot", name, f"javascript:{name}"),
        ),
        window=WEEK,
        report=DriftReport(
            "flights", WEEK, 1, 9_000, 700, 200, 12, (column, still), JointDrift(9.0, 0.004, "one column", (name,)),
            (name,), (column,),
        ),
        alarm=Alarm("flights", WEEK, 1, True, 60.0, 52.0, f"Alarm: {name} drifted."),
        slices=(slice_,),
        n_asked=400,
        n_labels=396,
        n_audit=300,
        n_taught=96,
        judgement=Judgement(decay, "harm", (slice_,)),
        comparison=Comparison("flights", 1, 2, "brier", regimes),
        verdict=verdict,
        figures=figures,
        shadows=(Shadow("flights", WEEK, 1, 2, 1_200, 0.04, 0.02),),
        shadow_scores=(ShadowScore(WEEK, 1, 2, 240, "people", Estimate(0.02, 0.001, 0.04)),),
        tolerance=0.005,
        rival=replace(fit, engines=()),
    )  # fmt: skip

"""Every benchmark's quick form runs as a command and ends with one JSON object of the figures it is for."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = {
    "alarms": {"worst_false_alarm_rate", "promised", "peer_rates", "false_alarms_per_year"},
    "power": {"power", "peer_power"},
    "slices": {"median_jaccard", "precision", "recall", "null_rate", "seconds"},
    "decay": {
        *("coverage_total", "coverage_covariate", "coverage_concept"),
        *("false_concept_rate", "width_ratio"),
    },
    "label_bill": {"labels_saved_share"},
    "streams": {"recovered_gain", "mean_recovered_gain"},
    "exchange": {"schedules", "lost", "duplicated", "push_ratio", "pull_ratio"},
    "gate": {"false_promotion_rate", "power", "forgetting_passed_rate", "kept_labels_passed_rate"},
    "acceleration": {"speedup", "score_difference"},
    "faults": {"points", "recovered", "lost", "duplicated", "champions"},
    "scale": {
        "speedup_vs_evidently_1m",
        "peak_mib_10m",
        "calibration_seconds_50_columns",
        "backfill_365_seconds",
    },
}

PROMISED = {
    "exchange": {"lost": 0, "duplicated": 0},
    "faults": {"points": 2, "recovered": 2, "lost": 0, "duplicated": 0, "champions": 1},
}


def chance(share: float, n: int) -> float:
    """How far a share of n runs may lie from the true one: once in a thousand times it is further."""
    return 3.1 * math.sqrt(share * (1 - share) / n)


LIMITS = {  # what is promised, and what chance makes of it in so few runs
    "gate": {
        "false_promotion_rate": (0, 0.05 + chance(0.05, 2_000)),
        "worst_false_promotion_rate": (0, 0.05 + chance(0.05, 250)),
        "forgetting_passed_rate": (0, 0.05 + chance(0.05, 750)),
        "worst_forgetting_passed_rate": (0, 0.05 + chance(0.05, 250)),
        "power": (0.85 - chance(0.85, 600), 1),
    },
}


@pytest.mark.services
@pytest.mark.parametrize("name", FIGURES)
def test_the_quick_form_ends_with_its_figures(name: str) -> None:
    pages = {page: page.stat().st_mtime_ns for page in (ROOT / "docs").rglob("*.md")}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert figures.keys() >= FIGURES[name]
    assert {figure: figures[figure] for figure in PROMISED.get(name, {})} == PROMISED.get(name, {})
    for figure, (low, high) in LIMITS.get(name, {}).items():
        assert low <= figures[figure] <= high, figure
    assert {page: page.stat().st_mtime_ns for page in (ROOT / "docs").rglob("*.md")} == pages

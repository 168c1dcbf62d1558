"""The process that is killed: one phase of the loop on a folder, as `driftloop` would run it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.payments import CHANGED, QUIET, week
from benchmarks.points import Points
from flows.adopt import adopt
from flows.learn import learn
from flows.settings import load_settings
from flows.site import Site
from flows.watch import watch
from labeling.studio import LabelStudio

Phase = Literal["adopt", "watch", "learn"]
PHASES: tuple[Phase, ...] = ("adopt", "watch", "learn")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a monitored model lives: its folder, and the Label Studio server its people work on."""

    folder: Path
    url: str
    token: str

    def site(self) -> Site:
        """Open the site, as a fresh process does."""
        studio = LabelStudio(self.url, self.token, settle_seconds=4.0)
        return Site(load_settings(self.folder / "driftloop.toml"), studio=studio)


def run(place: Place, phase: Phase, kill_at: int | None, passed: Path | None) -> None:
    """Run a phase to its end, or be killed at a point; write the points that were passed to a file if one is given."""
    points = Points(kill_at)
    site = place.site()
    points.watch()
    _run(site, phase)
    if passed is not None:
        passed.write_text(json.dumps(points.passed), encoding="utf-8")


def _run(site: Site, phase: Phase) -> None:
    if phase == "adopt":
        adopt(site, "training.parquet")
    elif phase == "learn":
        learn(site)
    else:
        for number in (*QUIET, *CHANGED):
            if watch(site, week(number)).request.asks:
                return
        raise AssertionError("nobody was asked")

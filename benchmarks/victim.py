"""The process that faults happen to: one phase of the loop on a folder, as `driftloop` would run it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.payments import CHANGED, QUIET, week
from benchmarks.points import Points, Strike
from flows.adopt import adopt
from flows.learn import learn
from flows.settings import load_settings
from flows.site import Site
from flows.watch import watch
from labeling.studio import LabelStudio
from records.errors import DriftloopError

Phase = Literal["adopt", "watch", "learn"]
PHASES: tuple[Phase, ...] = ("adopt", "watch", "learn")
REFUSED = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a monitored model lives: its folder, and the Label Studio server its people work on."""

    folder: Path
    url: str
    token: str

    @property
    def said(self) -> Path:
        """Where a phase that ends with an error of ours leaves its sentence."""
        return self.folder / "said.txt"

    @property
    def struck(self) -> Path:
        """What is there once a process was struck."""
        return self.folder / "struck"

    def site(self) -> Site:
        """Open the site, as a fresh process does."""
        studio = LabelStudio(self.url, self.token, settle_seconds=4.0)
        return Site(load_settings(self.folder / "driftloop.toml"), studio=studio)


def run(place: Place, phase: Phase, strike: Strike | None = None, passed: Path | None = None) -> None:
    """Run a phase to its end, struck at a point; write what it passed and what it loaded to a file if one is given.

    An error of ours ends the process with `REFUSED`, and its sentence is left in the folder.
    """
    points = Points(strike)
    site = place.site()
    points.watch()
    points.at("begin")
    try:
        _run(site, phase)
    except DriftloopError as error:
        place.said.write_text(str(error), encoding="utf-8")
        sys.exit(REFUSED)
    if passed is not None:
        told = {"points": points.passed, "modules": list(sys.modules)}
        passed.write_text(json.dumps(told), encoding="utf-8")


def _run(site: Site, phase: Phase) -> None:
    if phase == "adopt":
        adopt(site, "training.parquet")
    elif phase == "learn":
        learn(site)
    else:
        for number in (QUIET[-1], *CHANGED):
            if watch(site, week(number)).request.asks:
                return
        raise AssertionError("nobody was asked")

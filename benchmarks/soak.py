"""Whether the loop can be left alone: `python -m benchmarks.soak [--minutes 15] [--quick]`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.payments import N_SNAPSHOT_WEEKS, TOML, payments
from benchmarks.report import DOCS, Findings, Steps, Table, arguments, carry_out
from benchmarks.soaked import Left, Runs, left, runs
from deploy import bots, stack, studio
from flows.operation_tables import check_line
from flows.settings import load_settings
from flows.site import Site
from records.check import Check
from records.errors import ServiceDown

ABOUT = (
    "`make up`'s services on loopback; two models with their `watch` and their `learn` on a schedule of one minute,"
    " one worker, and bots that answer whatever Label Studio shows them. Production changes for good after a third of"
    " the time. Afterwards what Prefect, the ledger, Label Studio and MLflow say is compared."
    " [faults](benchmarks/faults.md) kills the loop and takes its services away,"
    " [exchange](benchmarks/exchange.md) tells what kills and faults of the network do to tasks and answers."
)
MODELS = ("payments-a", "payments-b")
N_ROWS = 400
"""Rows in each minute of each model."""
_MINUTE = timedelta(minutes=1)
_BOTS_PAUSE_SECONDS = 5.0
_GRACE_SECONDS = 180.0
_ILL = "Ill: of a last `learn` of each and `driftloop doctor`, how many end with an error."


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the models live: a folder, where the services are, the labelers, and what is true."""

    folder: Path
    studio_url: str
    prefect_url: str
    labelers: tuple[bots.Bot, ...]
    truth: Mapping[str, str]

    def sites(self) -> tuple[Site, ...]:
        """Open every model."""
        return tuple(Site(load_settings(self.folder / f"{model}.toml")) for model in MODELS)

    def run(self, *words: str) -> int:
        """Run a command of Driftloop, show what it said if it failed, and return its exit code."""
        command = [str(Path(sys.executable).with_name("driftloop")), *words]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            print(ran.stdout, ran.stderr, file=sys.stderr)
        return ran.returncode

    def troubles(self) -> tuple[str, ...]:
        """Ask `driftloop doctor` about every model, and return its own line on each thing that is not well."""
        command = [str(Path(sys.executable).with_name("driftloop")), "doctor", str(self.folder), "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found = json.loads(ran.stdout)
        except json.JSONDecodeError:  # it did not get as far as looking
            return (" ".join(ran.stderr.split()),)
        looked = [(Path(one.pop("settings")).stem, Check(**one)) for one in found]
        return tuple(f"{model} {check_line(check).plain}" for model, check in looked if not check.ok)


def measure(minutes: int, steps: Steps) -> Findings:
    """Leave the loop alone for `minutes`, while bots answer, then compare what everybody says happened."""
    with tempfile.TemporaryDirectory() as folder, _scene(Path(folder), minutes) as scene:
        begun = datetime.now(UTC)
        ends = begun + minutes * _MINUTE
        with steps.counted("minutes", minutes) as count:
            for minute in range(1, minutes + 1):
                _answer(scene, until=begun + minute * _MINUTE)
                count()
        done = _wait_for(scene, begun, ends)
        codes = [scene.run("learn", "--config", str(scene.folder / f"{model}.toml")) for model in MODELS]
        troubles = scene.troubles()
        found = [left(site, scene.studio_url) for site in scene.sites()]
    n_ill = sum(code != 0 for code in codes) + bool(troubles)
    return _findings(minutes, done, found, n_ill=n_ill, troubles=troubles)


@contextmanager
def _scene(folder: Path, minutes: int) -> Iterator[Scene]:
    """Start the stack, adopt and deploy both models."""
    home, models = folder / "stack", folder / "models"
    models.mkdir()
    try:
        stack.up(home, stack.Ports.free())
        laid_out = stack.layout(home, stack.kept_ports(home))
        access = studio.read_access(home / "label-studio")
        os.environ |= {
            "DRIFTLOOP_LABEL_STUDIO_TOKEN": access.token,
            "PREFECT_API_URL": f"{laid_out.prefect.url}/api",
            "PREFECT_HOME": str(home / "prefect"),
            "DO_NOT_TRACK": "true",
        }
        anchor = datetime.now(UTC).replace(second=0, microsecond=0)
        truth: dict[str, str] = {}
        for number, model in enumerate(MODELS):
            services = f'mlflow = "{laid_out.mlflow.url}"\nlabel_studio = "{laid_out.label_studio.url}"'
            truth |= _write(models, model, anchor=anchor, minutes=minutes, seed=number, services=services)
        labelers = bots.hire(laid_out.label_studio.url, access.token)
        scene = Scene(models, laid_out.label_studio.url, laid_out.prefect.url, labelers, truth)
        for model in MODELS:
            _demand(
                scene.run("adopt", str(models / f"{model}-training.parquet"), "--config", str(models / f"{model}.toml"))
            )
        _demand(scene.run("deploy", str(models), "--work-pool", stack.POOL, "--automations"))
        yield scene
    finally:
        stack.down(home)


def _write(folder: Path, model: str, *, anchor: datetime, minutes: int, seed: int, services: str) -> dict[str, str]:
    """Write a model's settings and data, minutes that are still to come among them; return what is true."""
    n_minutes = minutes + 12  # starting takes some
    quiet = 3 + minutes // 3
    frames = [payments(N_SNAPSHOT_WEEKS, seed=seed)]
    for first, n, changed in ((100, quiet, False), (200, n_minutes - quiet, True)):
        weeks = -(-n * N_ROWS // 700)
        frames.append(payments(weeks, first_week=first, changed=changed, seed=seed).head(n * N_ROWS))
    training, production = frames[0], pd.concat(frames[1:], ignore_index=True)
    production["at"] = pd.Timestamp(anchor) + pd.to_timedelta(production.index * 60 / N_ROWS, unit="s")
    production["id"] = f"{model} " + production["id"]
    training.to_parquet(folder / f"{model}-training.parquet")
    production.drop(columns="fraud").to_parquet(folder / f"{model}.parquet")
    text = (
        TOML.replace('model = "payments"', f'model = "{model}"')
        .replace("production.parquet", f"{model}.parquet")
        .replace("anchor = 2024-01-01T00:00:00Z", f"anchor = {anchor.isoformat()}\nlength_hours = {1 / 60!r}")
        .replace("false_alarms_per_year = 12", "false_alarms_per_year = 20000")
        .replace("budget = 400", "budget = 120\npoll_minutes = 1")
        .replace('["linear", "random_forest"]', '["linear"]')
        .replace('mlflow = "sqlite:///mlflow.db"', services)
    )
    (folder / f"{model}.toml").write_text(text, encoding="utf-8")
    return dict(zip(production["id"], production["fraud"], strict=True))


def _answer(scene: Scene, *, until: datetime) -> None:
    """Let the bots answer what is open, again and again."""
    while datetime.now(UTC) < until:
        for site in scene.sites():
            for item in site.ledger.requests.open(site.model):
                if item.project is not None:
                    with suppress(ServiceDown):  # answered a little later
                        bots.answer_all(
                            scene.studio_url, scene.labelers, item.project, scene.truth, site.schema.classes
                        )
        time.sleep(_BOTS_PAUSE_SECONDS)


def _wait_for(scene: Scene, begun: datetime, ends: datetime) -> Runs:
    """Return the runs that were due in that time, once they have ended or would have had time to."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while True:
        found = runs(scene.prefect_url, due_from=begun, due_until=ends)
        if not found.unfinished or time.monotonic() > deadline:
            return found
        time.sleep(2)


def _demand(exit_code: int) -> None:
    if exit_code:
        raise RuntimeError("a command failed before anything could be measured; what it said stands above")


def _findings(minutes: int, done: Runs, found: Sequence[Left], *, n_ill: int, troubles: Sequence[str]) -> Findings:
    lost = [fact for one in found for fact in one.lost]
    duplicated = [*done.duplicated, *(fact for one in found for fact in one.duplicated)]
    table = Table(
        "Runs",
        ("deployment", "runs", "completed", "crashed or failed", "cancelled", "late", "median s", "longest s"),
        done.table(),
        "Late is a start more than a minute after it was due, or none. Cancelled is one that came while the one before"
        " it still ran: the next `learn` does its work, and the next `watch` goes back to the window left out."
        + "".join(f"\n\n* {one.deployment} at {one.due:%H:%M}: {one.state}, {one.said}" for one in done.crashed),
    )
    outcome = Table(
        "What is left",
        ("model", "windows watched", "alarms", "rows asked", "labels", "generations", "promotions", "champions"),
        [one.row for one in found],
        "\n".join(f"* {fact}" for fact in [*lost, *duplicated]),
    )
    figures = {
        "minutes": minutes,
        "runs": done.n,
        "crashed": len(done.crashed),
        "late": done.n_late,
        "cancelled": done.n_cancelled,
        "lost": len(lost),
        "duplicated": len(duplicated),
        "ill": n_ill,
    }
    summary = Table(
        "In short",
        tuple(figures),
        [tuple(figures.values())],
        "\n".join([_ILL + (" The doctor said:\n" if troubles else ""), *(f"* {trouble}" for trouble in troubles)]),
    )
    return Findings(ABOUT, (summary, table, outcome), figures)


def main() -> None:
    """Run as `python -m benchmarks.soak [--minutes N]`; a run of the full length writes the page."""
    parser = arguments("soak", about=ABOUT)
    parser.add_argument("--minutes", type=int, default=15, help="how long the loop is left alone (15)")
    asked = parser.parse_args()
    minutes = 1 if asked.quick else asked.minutes
    page = DOCS.parent / "reliability.md" if minutes >= 15 else None
    carry_out("soak", partial(measure, minutes), page=page)


if __name__ == "__main__":
    main()

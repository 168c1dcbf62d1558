"""The worker of the chaos: a process that hands tasks out and brings answers home, to be killed at any point.

It does what the flows do, with the flows' own functions, in the same order; only its tasks need no model.
"""

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from label_studio_sdk import LabelStudio as Client

from benchmarks.clock import jump
from flows.exchange import Place, bring_home, hand_out, take_back
from labeling.interface import config, instructions
from labeling.studio import LabelStudio
from labeling.tasks import to_task
from labeling.usual import Usual
from records.errors import DriftloopError
from records.label import Ask, LabelRequest
from records.schema import Schema
from records.window import Window
from store.ledger import Ledger, open_ledger

SCHEMA = Schema("key", "time", "late", "classification", ("distance",), (), classes=("on time", "late"))
WINDOW = Window(datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 6, 8, tzinfo=UTC))
TIMEOUT_SECONDS = 4.0
SETTLE_SECONDS = 4.0
OVERLAP = timedelta(seconds=3)

_USUAL = {"distance": Usual("distance", low=187.0, median=872.0, high=2475.0)}
_FAILED = 3

# The SDK loads its parts when they are first used: here that is once, in the server that workers are forked from.
_parts = Client(base_url="http://127.0.0.1:9", api_key="none")
_LOADED = (_parts.users, _parts.projects, _parts.tasks, _parts.views, _parts.actions)


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker does: hand out `row_keys`, then pull `n_pulls` times, then withdraw if told to.

    Its clock goes wrong by `clock_hours`.
    """

    ledger_url: str
    studio_url: str
    token: str
    model: str
    row_keys: tuple[str, ...]
    n_pulls: int
    withdraws: bool
    clock_hours: int


def place(model: str) -> Place:
    """Return the project of a model."""
    return Place(f"Driftloop {model}", config(SCHEMA, "Late?"), instructions(SCHEMA, "Late?"))


def request(model: str, row_keys: tuple[str, ...]) -> LabelRequest:
    """Return the label request that asks about these rows."""
    asks = tuple(Ask(key, "audit", 0.5, "rest", "audit: random row of the rest") for key in row_keys)
    return LabelRequest(model, WINDOW, 1, len(asks), asks, "chaos")


def tasks(asked: LabelRequest) -> list[dict[str, object]]:
    """Return the tasks of a request."""
    told = partial(
        to_task, title="Late?", model=f"{asked.model} generation 1", window=asked.window.name, prediction="late"
    )
    return [
        told({"distance": 700.0 + i}, ask, SCHEMA, _USUAL, (), "Probably late.") for i, ask in enumerate(asked.asks)
    ]


def door(url: str, token: str) -> LabelStudio:
    """Return the door the workers use, with short patience."""
    return LabelStudio(url, token, timeout_seconds=TIMEOUT_SECONDS, settle_seconds=SETTLE_SECONDS, overlap=OVERLAP)


def work(job: Job) -> None:
    """Do the job; the process ends with 0, or with 3 after an error of ours, which the next one goes on from."""
    jump(timedelta(hours=job.clock_hours))
    try:
        _work(job)
    except DriftloopError as error:
        print(f"{job.model}: {error}", file=sys.stderr)
        sys.exit(_FAILED)


def _work(job: Job) -> None:
    ledger, studio = open_ledger(job.ledger_url), door(job.studio_url, job.token)
    asked = request(job.model, job.row_keys)
    if ledger.requests.get(job.model, WINDOW) is None:
        ledger.requests.save(asked)
    if not _is_open(ledger, asked):
        return
    project = hand_out(ledger, studio, asked, place(job.model), tasks(asked))
    for _ in range(job.n_pulls):
        bring_home(ledger, studio, job.model, project, SCHEMA)
        time.sleep(0.2)
    if job.withdraws:
        take_back(ledger, studio, asked, SCHEMA, why="chaos")


def _is_open(ledger: Ledger, asked: LabelRequest) -> bool:
    return any(item.request.window == asked.window for item in ledger.requests.open(asked.model))

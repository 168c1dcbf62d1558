"""One schedule of the chaos: workers that are killed and cut off at random, and people at work meanwhile."""

import json
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx

from benchmarks import truth
from benchmarks.courier import SCHEMA, TIMEOUT_SECONDS, Job, door, place, work
from benchmarks.faulty_proxy import FATES, PASS, Proxy
from benchmarks.people import People
from flows.exchange import bring_home
from records.errors import DriftloopError
from store.ledger import Ledger, open_ledger

PROCESSES = multiprocessing.get_context("forkserver")
N_ROWS = 6
_MOST_RUNS = 40
_MOST_PATIENCE_SECONDS = 600.0
"""Longer than a server takes to start on a busy machine."""
_SLOW = "no answer within the client's timeout"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where schedules are played: a server, its administrator's token, and the ledger all of them share."""

    url: str
    token: str
    ledger_url: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one schedule came to: its faults, how often a worker was started, and the differences at the end."""

    faults: Counter[str]
    n_runs: int
    n_answers: int
    differences: truth.Differences
    traits: tuple[str, ...]


class Faults:
    """A budget of random faults, spent on requests that write rather than on those that read.

    `sent` tells when, on the monotonic clock, the import of which row was sent.
    """

    def __init__(self, chance: random.Random, budget: int) -> None:
        self.spent: Counter[str] = Counter()
        self.sent: list[tuple[float, str]] = []
        self._chance = chance
        self._left = budget
        self._lock = threading.Lock()

    def fate(self, method: str, path: str, body: bytes) -> str:
        """Return the fate of one request."""
        with self._lock:
            if method == "POST" and "/import" in path:
                self.sent += [(time.monotonic(), task["data"]["row_key"]) for task in json.loads(body)]
            if not self._left or self._chance.random() > (0.08 if method == "GET" else 0.4):
                return PASS
            fates = [fate for fate in FATES if fate != _SLOW or not self.spent[_SLOW]]  # once: it takes seconds
            fate = self._chance.choice(fates)
            self._left -= 1
            self.spent[fate] += 1
            return fate


class Seat:
    """A worker's place: its process is started again until the job is done without a fault."""

    def __init__(self, scene: Scene, job: Job, faults: Faults) -> None:
        self.n_runs = 0
        self.failed = False
        self._job = job
        self._proxy = Proxy(scene.url, faults.fate, self.kill, hang_seconds=TIMEOUT_SECONDS + 0.2)
        self._process: multiprocessing.process.BaseProcess | None = None

    def kill(self) -> None:
        """Kill the worker, as a machine that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def run(self) -> None:
        """Run to the end; `failed` says so when it takes too many runs."""
        job = replace(self._job, studio_url=self._proxy.url)
        while self.n_runs < _MOST_RUNS:
            self.n_runs += 1
            self._process = PROCESSES.Process(target=work, args=(job,))
            self._process.start()
            self._process.join()
            if self._process.exitcode == 0:
                return
            time.sleep(0.1 if self.n_runs < 10 else 2.0)  # the server may be starting
        self.failed = True

    def close(self) -> None:
        """Stop the proxy once nothing is under way any more."""
        self._proxy.close()


def play(scene: Scene, number: int, *, seed: int) -> Outcome:
    """Play schedule `number` to its end and compare what it left."""
    chance = random.Random(f"{seed} {number}")
    model = f"chaos {seed}-{number}"
    row_keys = tuple(f"row {i}" for i in range(N_ROWS))
    two, withdraws = chance.random() < 0.4, chance.random() < 0.25
    clock_hours = chance.choice((-1, 1)) if chance.random() < 0.25 else 0
    faults = Faults(random.Random(chance.random()), chance.randint(2, 6))
    ledger = open_ledger(scene.ledger_url)
    title, whim = place(model).title, random.Random(chance.random())
    people = People(scene.url, scene.token, title, whim, _is_known(ledger, model))
    jobs = [
        Job(scene.ledger_url, "", scene.token, model, row_keys, chance.randint(1, 3), withdraws, hours)
        for hours in ((clock_hours, -clock_hours) if two else (clock_hours,))
    ]
    seats = [Seat(scene, job, faults) for job in jobs]
    threads = [threading.Thread(target=seat.run) for seat in seats]
    for thread in threads:
        thread.start()
    n_acts = chance.randint(5, 10)
    while n_acts and any(thread.is_alive() for thread in threads):
        acted = people.act()
        n_acts -= acted
        time.sleep(chance.random() * 0.3 if acted else 0.5)
    for thread in threads:
        thread.join()
    for seat in seats:
        seat.close()
    _pull_once_more(scene, ledger, model)
    api = httpx.Client(base_url=scene.url, headers={"Authorization": f"Token {scene.token}"}, timeout=60)
    excused = people.retracted | people.skipped if withdraws else people.retracted  # a skipped task is withdrawn
    said = truth.People(people.answered, excused, people.deleted.keys())
    traits = (*(["two workers"] if two else []), *(["withdrawn"] if withdraws else []))
    differences = truth.compare(api, ledger, model, row_keys, said, withdrawn=withdraws)
    again = {
        f"{model}: row {key} was deleted by hand, and pushed again"
        for when, key in faults.sent
        if (deleted_at := people.deleted.get(key)) is not None and when > deleted_at
    }
    differences = replace(differences, duplicated=(*differences.duplicated, *sorted(again)))
    if any(seat.failed for seat in seats):
        differences = replace(differences, lost=(*differences.lost, f"{model}: not done after {_MOST_RUNS} runs"))
    return Outcome(
        faults.spent,
        sum(seat.n_runs for seat in seats),
        len(people.answered),
        differences,
        (*traits, *(["clock off by an hour"] if clock_hours else [])),
    )


def _is_known(ledger: Ledger, model: str) -> Callable[[int, int], bool]:
    return lambda project, task_id: task_id in ledger.outbox.known(model, project)


def _pull_once_more(scene: Scene, ledger: Ledger, model: str) -> None:
    """Bring home what people did after the last worker had ended, as the next scheduled run would."""
    studio, asked = door(scene.url, scene.token), place(model)
    deadline = time.monotonic() + _MOST_PATIENCE_SECONDS
    while True:
        try:
            project = studio.open_project(asked.title, asked.config, asked.instructions)
            bring_home(ledger, studio, model, project, SCHEMA)
            return
        except DriftloopError:
            if time.monotonic() > deadline:
                raise  # without that pull nothing can be compared
            time.sleep(2.0)  # the server may be starting

"""Two workers that come for the same window at the same time, on either ledger: one does it, the other is refused."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.payments import CHANGED, QUIET, week
from flows.adopt import adopt
from flows.learn import learn
from flows.watch import watch
from labeling.exchange import by_row_key
from labeling.studio import InMemoryStudio
from models.entry import Draft, Entry
from models.memory_registry import InMemoryRegistry
from records.errors import Conflict
from tests.flows.conftest import World

WINDOW = week(CHANGED[0])
_WAIT_SECONDS = 300.0


class Meeting:
    """Keeps the first worker that comes here until the other one has ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.n_came = 0

    def come(self) -> None:
        self.n_came += 1
        if self.n_came == 1:
            self.ended.wait(_WAIT_SECONDS)


class Studio(InMemoryStudio):
    """Its `meeting` is where rows are sent."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = Meeting()
        self.sent: list[str] = []

    def push(self, project: int, tasks: Sequence[Mapping[str, object]], *, in_doubt: bool = False) -> dict[str, int]:
        self.sent += by_row_key(tasks)
        self.meeting.come()
        return super().push(project, tasks, in_doubt=in_doubt)


class Registry(InMemoryRegistry):
    """Its `meeting` is where a challenger is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting: Meeting | None = None
        self.logged: list[int] = []

    def log(self, draft: Draft) -> Entry:
        self.logged.append(draft.number)
        if self.meeting:
            self.meeting.come()
        return super().log(draft)


def both(job: Callable[[], object], meeting: Meeting) -> list[str]:
    """Do a job in two workers that start together; return how each ended."""
    ready, ends = threading.Barrier(2), list[str]()

    def work() -> None:
        ready.wait()
        try:
            job()
            ends.append("done")
        except Conflict as error:
            ends.append("refused" if "another process still holds" in str(error) else str(error))
        finally:
            meeting.ended.set()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(ends)


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def test_of_two_workers_on_one_window_one_is_refused_and_everything_happens_once(
    engine: str, first_day: World, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, registry = Studio(), Registry()
    copied = first_day.copy(tmp_path / "site")
    world = World(copied.folder, studio, registry, copied.truth)
    if engine == "postgresql":
        monkeypatch.setenv("DRIFTLOOP_SERVICES__LEDGER", request.getfixturevalue("postgres_url")())
    adopt(world.site(), "training.parquet")
    watch(world.site(), week(QUIET[-1]))

    assert both(lambda: watch(world.site(), WINDOW), studio.meeting) == ["done", "refused"]
    asked = world.request.request
    assert watch(world.site(), WINDOW).request == asked
    assert sorted(studio.sent) == sorted(ask.row_key for ask in asked.asks)
    assert world.n_tasks() == len(asked.asks) == 400

    world.answer()
    registry.meeting = Meeting()
    assert both(lambda: learn(world.site()), registry.meeting) == ["done", "refused"]
    learn(world.site())
    site = world.site()
    assert registry.logged == [1, 2]
    assert [one.status for one in site.ledger.generations.all("payments")] == ["retired", "champion"]
    history = [(one.previous, one.generation) for one in site.ledger.promotions.history("payments")]
    assert history == [(None, 1), (1, 2)]
    assert registry.champion("payments") == site.champion().version

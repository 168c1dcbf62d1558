"""Whether the exchange with Label Studio is exactly once: `python -m benchmarks.exchange [--quick]`."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from multiprocessing.forkserver import ensure_running
from pathlib import Path

from benchmarks.faulty_proxy import FATES
from benchmarks.report import Findings, Steps, Table, run
from benchmarks.schedules import PROCESSES, Outcome, Scene, play
from benchmarks.throughput import Times, Yard
from benchmarks.throughput import measure as measure_times
from deploy import services, studio
from store.ledger import open_ledger

ABOUT = (
    "Workers exchange tasks and answers with a real Label Studio server through a proxy that drops, delays and cuts off"
    " requests and has workers killed (SIGKILL) at random, while people answer, skip, edit, retract and delete."
    " In the end every asked row must have one task, and the ledger exactly Label Studio's answers."
)
_START_SECONDS = 240.0
_AT_ONCE = 4
_LOADED_ONCE = ["benchmarks.throughput", "benchmarks.schedules", "benchmarks.report", "deploy.services"]


def measure(quick: bool, steps: Steps) -> Findings:
    """Play the schedules, then measure throughput; `quick` at a fraction of the size and without a restart."""
    n_schedules, restarts = (6, 0) if quick else (208, 8)
    n_tasks, n_rounds = (1_500, 1) if quick else (10_000, 2)
    PROCESSES.set_forkserver_preload(_LOADED_ONCE)
    ensure_running()  # it loads what workers need while Label Studio starts
    with tempfile.TemporaryDirectory() as folder:
        service = services.label_studio(Path(folder) / "label-studio", port=services.free_ports(1)[0])
        running = services.start(service, timeout_seconds=_START_SECONDS)
        try:
            token = studio.read_access(service.folder).token
            scene = Scene(service.url, token, f"sqlite:///{folder}/ledger.db")
            open_ledger(scene.ledger_url).close()
            outcomes: list[Outcome] = []
            seed = 1
            with steps.counted("schedules", n_schedules) as count, ThreadPoolExecutor(_AT_ONCE) as pool:
                waiting: set[Future[Outcome]] = {pool.submit(play, scene, i, seed=seed) for i in range(n_schedules)}
                due = sorted(random.Random(seed).sample(range(_AT_ONCE, n_schedules - _AT_ONCE), restarts))
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for one in done:
                        outcomes.append(one.result())
                        count()
                    if due and len(outcomes) >= due[0]:
                        due.pop(0)
                        services.stop(running)
                        time.sleep(0.5)
                        running = services.start(service, timeout_seconds=_START_SECONDS)
            with steps.counted("throughput", 4 * n_rounds) as count:
                times = measure_times(Yard(service.url, token, Path(folder)), n_tasks, n_rounds=n_rounds, count=count)
        finally:
            services.stop(running)
    return _findings(outcomes, times, restarts=restarts, n_rounds=n_rounds)


def _findings(outcomes: Sequence[Outcome], times: Times, *, restarts: int, n_rounds: int) -> Findings:
    lost = [sentence for one in outcomes for sentence in one.differences.lost]
    duplicated = [sentence for one in outcomes for sentence in one.differences.duplicated]
    faults: Counter[str] = sum((one.faults for one in outcomes), Counter())
    traits = Counter(trait for one in outcomes for trait in one.traits)
    chaos = Table(
        "The chaos",
        ("what happened", "how often"),
        [
            *((fate, faults[fate]) for fate in FATES),
            ("server restarted under all schedules", restarts),
            *((f"schedules with {trait}", n) for trait, n in sorted(traits.items())),
            ("worker processes started", sum(one.n_runs for one in outcomes)),
            ("answers and skips people were told are saved", sum(one.n_answers for one in outcomes)),
            ("**schedules**", len(outcomes)),
            ("**lost**", len(lost)),
            ("**duplicated**", len(duplicated)),
        ],
        "\n".join(f"* {sentence}" for sentence in [*lost, *duplicated]),
    )
    n = times.n_tasks
    speed = Table(
        f"Throughput, {n:,} tasks",
        ("what", "ours, s", "bare, s", "ratio"),
        [
            ("push beside import", times.push / n_rounds, times.bare_import / n_rounds, times.push / times.bare_import),
            (
                "pull into the ledger beside export",
                *(times.pull / n_rounds, times.bare_export / n_rounds, times.pull / times.bare_export),
            ),
            (f"pull of {times.n_again} edited answers", times.again, float("nan"), float("nan")),
        ],
        f"Means of {n_rounds} rounds by turns. Bare is what Label Studio takes for the same tasks by itself, in"
        " the same portions; a bare export leaves a file of its size on the server each time, a pull does not.",
    )
    return Findings(
        ABOUT,
        [chaos, speed],
        {
            "schedules": len(outcomes),
            "lost": len(lost),
            "duplicated": len(duplicated),
            "push_ratio": times.push / times.bare_import,
            "pull_ratio": times.pull / times.bare_export,
            "pull_seconds": times.pull / n_rounds,
        },
    )


if __name__ == "__main__":
    run("exchange", measure, about=ABOUT)
